/* SPDX-License-Identifier: MIT */
#include "graph/packs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "core/alloc.h"

/* Bytes of packs kept for sizes to come. */
#define PACKS_IDLE_MAX ((size_t) 128 << 20)

struct entry {
    struct pack pack; /* first: a pack is its entry */
    struct packs *packs;
    struct packs_key key;
    int users;
    struct entry *next; /* longest idle first among the idle */
};

struct packs {
    atomic_int references; /* networks, and packs in use */
    pthread_mutex_t lock;
    struct entry *first;
    size_t idle_bytes;
};

struct packs *packs_create(void)
{
    struct packs *p = core_calloc(1, sizeof *p);
    if (!p) return NULL;
    atomic_init(&p->references, 1);
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

struct packs *packs_ref(struct packs *packs)
{
    if (packs) atomic_fetch_add(&packs->references, 1);
    return packs;
}

static void free_entry(struct entry *e)
{
    void *data;
    memcpy(&data, &e->pack.data, sizeof data); /* ours to free */
    core_free_pages(data, e->pack.bytes);
    core_free(e);
}

void packs_unref(struct packs **packs)
{
    struct packs *p = *packs;
    *packs = NULL;
    if (!p || atomic_fetch_sub(&p->references, 1) != 1) return;
    while (p->first) {
        struct entry *e = p->first;
        p->first = e->next;
        free_entry(e);
    }
    pthread_mutex_destroy(&p->lock);
    core_free(p);
}

/* ---- keys ---- */

/* Eight lanes of multiply and rotate over 64 bytes at a time, four for each half of the key: the sums run at the speed of memory. Nothing
 * here has to withstand an attacker: who makes two layers of one network collide spoils that network alone. */
#define LANES 8

/* From the logarithms of small primes. */
static const uint64_t odd[LANES] = {0x193ea7aad030a977u, 0x9c041f7ed8d336afu, 0xf2272ae325a57547u, 0x65dc76efe6e976f7u,
    0x90a08566318a1fd1u, 0xd54d783f4fef39dfu, 0xf1c6c0c096658e41u, 0x22afbfba367e0123u};

static uint64_t turn(uint64_t x)
{
    return x << 29 | x >> 35;
}

static uint64_t stir(uint64_t x)
{
    x = (x ^ x >> 32) * odd[0];
    x = (x ^ x >> 29) * odd[3];
    return x ^ x >> 32;
}

void packs_key_add(struct packs_key *key, const void *data, size_t bytes)
{
    const unsigned char *at = data;
    uint64_t lane[LANES];
    for (int i = 0; i < LANES; i++) lane[i] = odd[i] + (uint64_t) bytes;
    for (size_t left = bytes; left; at += LANES * 8) {
        uint64_t word[LANES] = {0};
        const size_t n = left < sizeof word ? left : sizeof word;
        memcpy(word, at, n);
        left -= n;
        for (int i = 0; i < LANES; i++) lane[i] = turn(lane[i] ^ word[i]) * odd[i];
        if (!left) break;
    }
    /* every lane tells on both halves: a word of the data is in one lane only */
    for (int i = 0; i < LANES; i++) {
        key->a = stir(key->a + stir(lane[i]));
        key->b = stir(turn(key->b) ^ (stir(lane[i] ^ odd[1]) * odd[5]));
    }
}

/* ---- the store ---- */

static struct entry **find(struct packs *p, struct packs_key key)
{
    struct entry **link = &p->first;
    while (*link && ((*link)->key.a != key.a || (*link)->key.b != key.b)) link = &(*link)->next;
    return link;
}

static const struct pack *take(struct packs *p, struct entry *e)
{
    if (e->users++ == 0) p->idle_bytes -= e->pack.bytes;
    atomic_fetch_add(&p->references, 1);
    return &e->pack;
}

const struct pack *packs_find(struct packs *p, struct packs_key key)
{
    pthread_mutex_lock(&p->lock);
    struct entry *e = *find(p, key);
    const struct pack *pack = e ? take(p, e) : NULL;
    pthread_mutex_unlock(&p->lock);
    return pack;
}

const struct pack *packs_add(struct packs *p, struct packs_key key, void *data, size_t bytes)
{
    struct entry *made = core_calloc(1, sizeof *made);
    if (!made) {
        core_free_pages(data, bytes);
        return NULL;
    }
    *made = (struct entry){.pack = {data, bytes}, .packs = p, .key = key};
    pthread_mutex_lock(&p->lock);
    struct entry **link = find(p, key), *e = *link;
    if (!e) {
        e = *link = made;
        p->idle_bytes += bytes; /* until it is taken, at once */
    }
    const struct pack *pack = take(p, e);
    pthread_mutex_unlock(&p->lock);
    if (e != made) free_entry(made);
    return pack;
}

/* Under the lock. */
static void trim(struct packs *p, size_t keep)
{
    for (struct entry **link = &p->first; *link && p->idle_bytes > keep;) {
        struct entry *e = *link;
        if (e->users) {
            link = &e->next;
            continue;
        }
        *link = e->next;
        p->idle_bytes -= e->pack.bytes;
        free_entry(e);
    }
}

void packs_release(void *pack)
{
    struct entry *e = pack;
    struct packs *p = e->packs;
    pthread_mutex_lock(&p->lock);
    if (--e->users == 0) {
        p->idle_bytes += e->pack.bytes;
        struct entry **link = find(p, e->key); /* to the end: the youngest of the idle */
        *link = e->next;
        e->next = NULL;
        while (*link) link = &(*link)->next;
        *link = e;
        trim(p, PACKS_IDLE_MAX);
    }
    pthread_mutex_unlock(&p->lock);
    packs_unref(&p);
}

void packs_trim(struct packs *p, size_t keep)
{
    pthread_mutex_lock(&p->lock);
    trim(p, keep);
    pthread_mutex_unlock(&p->lock);
}
