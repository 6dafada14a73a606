/* SPDX-License-Identifier: MIT */
/* Arena: many small things with one lifetime, freed whole. Graphs and plans live in one. One thread at a time. */
#ifndef FM_CORE_ARENA_H
#define FM_CORE_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_create(void); /* NULL when memory is out */
void arena_destroy(struct arena **arena); /* accepts NULL contents, sets NULL */

/* Cleared memory, aligned to 64 bytes, alive until the arena is destroyed; NULL when memory is out. A size of 0 gives a valid
 * unique pointer. */
void *arena_alloc(struct arena *arena, size_t size);
/* count * size with overflow check. */
void *arena_array(struct arena *arena, size_t count, size_t size);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Has the arena call `release(object)` when it is destroyed (mapped files, references). 0 or FM_ERR_NOMEM; on failure the
 * object has been released. */
int arena_defer(struct arena *arena, void (*release)(void *object), void *object);
size_t arena_bytes(const struct arena *arena);

/* Forgets everything allocated, keeps the memory for the next round: the same sequence of allocations then needs no heap. Not for
 * arenas with deferred releases. */
void arena_reset(struct arena *arena);

#endif
