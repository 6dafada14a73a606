/* SPDX-License-Identifier: MIT */
/* Packs: what backends make of a network's constants (weights in the order of an algorithm), kept beside the network so that preparing it
 * for another size does not make them again. They are found by content: a rewrite makes new arrays each time, with the same numbers.
 * A network and all that is specialised from it share one store. Any thread. */
#ifndef FM_GRAPH_PACKS_H
#define FM_GRAPH_PACKS_H

#include <stddef.h>
#include <stdint.h>

struct packs;

struct packs *packs_create(void); /* one reference; NULL when memory is out */
struct packs *packs_ref(struct packs *packs);
void packs_unref(struct packs **packs); /* accepts NULL contents, sets NULL */

/* 128 bits of all that went into a pack: start with {0}, add every part. */
struct packs_key {
    uint64_t a, b;
};
void packs_key_add(struct packs_key *key, const void *data, size_t bytes);

/* Memory of core_alloc_pages, immutable, alive while a reference is held. */
struct pack {
    const void *data;
    size_t bytes;
};

/* A reference to the pack of that key, or NULL. */
const struct pack *packs_find(struct packs *packs, struct packs_key key);
/* Hands `data` over and gives a reference to it - or to the pack of the same key that another thread has added meanwhile. NULL when memory
 * is out: `data` has been freed. */
const struct pack *packs_add(struct packs *packs, struct packs_key key, void *data, size_t bytes);
/* Gives a reference back; an arena_defer callback. Packs that nobody uses are kept up to a limit, the oldest go first. */
void packs_release(void *pack);

/* Frees what nobody uses down to `keep` bytes. */
void packs_trim(struct packs *packs, size_t keep);

#endif
