/* SPDX-License-Identifier: MIT */
#include "mill/ring.h"

#include "framemill/error.h"

_Static_assert(
    ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "a lock hidden in an atomic cannot be shared by processes");
_Static_assert(sizeof(struct ring_slot) == CORE_CACHE_LINE, "slots do not share cache lines");
_Static_assert(sizeof(struct ring_worker) % CORE_CACHE_LINE == 0, "nor do workers");

size_t ring_size(int slots, int workers)
{
    return sizeof(struct ring) + (size_t) slots * sizeof(struct ring_slot) + (size_t) workers * sizeof(struct ring_worker);
}

/* All events: three of the ring's, one of each worker. */
static struct wait_event *ring_event(struct ring *ring, int n)
{
    struct wait_event *const own[] = {&ring->space, &ring->work, &ring->order};
    return n < 3 ? own[n] : &ring_worker(ring, n - 3)->wake;
}

int ring_open(struct ring *ring, int slots, int workers, bool shared)
{
    ring->slots = (uint32_t) slots;
    ring->workers = (uint32_t) workers;
    atomic_init(&ring->limit, (uint32_t) slots);
    for (int i = 0; i < slots; i++) atomic_init(&ring->slot[i].word, ring_word(0, RING_NOBODY, RING_FREE));
    for (int i = 0; i < 3 + workers; i++) {
        const int code = wait_open(ring_event(ring, i), shared);
        if (code == FM_OK) continue;
        while (i--) wait_close(ring_event(ring, i));
        return code;
    }
    return FM_OK;
}

void ring_close(struct ring *ring)
{
    for (int i = 0; i < 3 + (int) ring->workers; i++) wait_close(ring_event(ring, i));
}

struct ring_worker *ring_worker(struct ring *ring, int worker)
{
    return (struct ring_worker *) (void *) &ring->slot[ring->slots] + worker;
}

struct wait_event *ring_bed(struct ring *ring, int worker)
{
    return ring->is_meant ? &ring_worker(ring, worker)->wake : &ring->work;
}

void ring_wake(struct ring *ring, int meant, bool all)
{
    if (!ring->is_meant) {
        wait_wake(&ring->work, all);
    } else if (meant != RING_NOBODY && !all) {
        wait_wake(&ring_worker(ring, meant)->wake, true);
    } else {
        for (int i = 0; i < (int) ring->workers; i++) wait_wake(&ring_worker(ring, i)->wake, true);
    }
}

/* Ids at or above the count read first are left for the next call. Without that, a slot seen free and then filled could be
 * overtaken by a younger one further on; with it every id considered stood in its slot before the first slot was looked at. */
static int ring_oldest_for(const struct ring *ring, uint64_t from, unsigned states, int worker, bool rests, uint64_t *word)
{
    uint64_t lowest = atomic_load(&ring->ids);
    int found = -1;
    for (uint32_t i = 0; i < ring->slots; i++) {
        const uint64_t w = atomic_load(&ring->slot[i].word);
        const uint64_t id = ring_word_id(w);
        if (!(ring_word_state(w) & states) || id < from || id >= lowest) continue;
        if (worker != RING_NOBODY && ring_word_worker(w) != worker && (rests || ring_word_worker(w) != RING_NOBODY)) continue;
        lowest = id;
        found = (int) i;
        *word = w;
    }
    return found;
}

int ring_oldest(const struct ring *ring, uint64_t from, unsigned states, uint64_t *word)
{
    return ring_oldest_for(ring, from, states, RING_NOBODY, false, word);
}

/* The slot's word first, then the count: see ring_oldest. */
static bool ring_give_id(struct ring *ring, int slot, uint64_t seen)
{
    const uint64_t id = atomic_load(&ring->ids);
    if (!atomic_compare_exchange_strong(&ring->slot[slot].word, &seen, ring_word(id, RING_NOBODY, RING_WRITING))) return false;
    atomic_store(&ring->ids, id + 1);
    return true;
}

/* The first free one, not the one longest free: while few slots do, the others' memory stays untouched. */
int ring_claim(struct ring *ring)
{
    const uint32_t limit = atomic_load(&ring->limit);
    for (uint32_t i = 0; i < limit; i++) {
        const uint64_t w = atomic_load(&ring->slot[i].word);
        if (ring_word_state(w) == RING_FREE && ring_give_id(ring, (int) i, w)) return (int) i;
    }
    return -1;
}

int ring_replace(struct ring *ring)
{
    uint64_t w;
    int slot;
    while ((slot = ring_oldest(ring, 0, RING_READY, &w)) >= 0 && !ring_give_id(ring, slot, w)) {
    }
    return slot;
}

static bool ring_take_seen(struct ring *ring, int slot, uint64_t seen, int worker)
{
    const uint64_t taken = ring_word(ring_word_id(seen), worker, RING_READING);
    return atomic_compare_exchange_strong(&ring->slot[slot].word, &seen, taken);
}

int ring_take(struct ring *ring, int worker)
{
    uint64_t w;
    int slot;
    const bool rests = worker != RING_NOBODY && atomic_load(&ring_worker(ring, worker)->rests);
    while ((slot = ring_oldest_for(ring, 0, RING_READY, worker, rests, &w)) >= 0 && !ring_take_seen(ring, slot, w, worker)) {
    }
    return slot;
}

bool ring_take_slot(struct ring *ring, int slot, int worker)
{
    const uint64_t w = atomic_load(&ring->slot[slot].word);
    return ring_word_state(w) == RING_READY && ring_take_seen(ring, slot, w, worker);
}

bool ring_submit(struct ring *ring, int slot, int meant)
{
    uint64_t w = atomic_load(&ring->slot[slot].word);
    if (ring_word_state(w) != RING_WRITING) return false;
    return atomic_compare_exchange_strong(&ring->slot[slot].word, &w, ring_word(ring_word_id(w), meant, RING_READY));
}

bool ring_give_back(struct ring *ring, int slot, int dead, int meant)
{
    uint64_t w = atomic_load(&ring->slot[slot].word);
    if (!(ring_word_state(w) & (RING_READING | RING_READY)) || ring_word_worker(w) != dead) return false;
    return atomic_compare_exchange_strong(&ring->slot[slot].word, &w, ring_word(ring_word_id(w), meant, RING_READY));
}

/* The numbers before come first, then the id they belong to: whoever finds the id finds them right. */
void ring_count(struct ring_worker *own, uint64_t id, int result, uint64_t busy_ns)
{
    const uint64_t done = atomic_load(&own->done), failed = atomic_load(&own->failed), busy = atomic_load(&own->busy_ns);
    atomic_store(&own->begun_id, 0);
    atomic_store(&own->done_before, done);
    atomic_store(&own->failed_before, failed);
    atomic_store(&own->busy_before_ns, busy);
    atomic_store(&own->begun_id, id + 1);
    if (busy_ns > atomic_load(&own->longest_ns)) atomic_store(&own->longest_ns, busy_ns);
    atomic_store(&own->busy_ns, busy + busy_ns);
    atomic_store(&own->done, done + 1);
    if (result < 0) atomic_store(&own->failed, failed + 1);
}

void ring_uncount(struct ring_worker *own, uint64_t id)
{
    if (atomic_load(&own->begun_id) != id + 1) return;
    atomic_store(&own->done, atomic_load(&own->done_before));
    atomic_store(&own->failed, atomic_load(&own->failed_before));
    atomic_store(&own->busy_ns, atomic_load(&own->busy_before_ns));
}

void ring_complete(struct ring *ring, int slot, int result, uint64_t begun_ns, uint64_t done_ns)
{
    struct ring_slot *const s = &ring->slot[slot];
    s->result = result;
    s->begun_ns = begun_ns;
    s->done_ns = done_ns;
    (void) ring_move(ring, slot, RING_READING, RING_DONE);
}

bool ring_move(struct ring *ring, int slot, enum ring_state from, enum ring_state to)
{
    uint64_t w = atomic_load(&ring->slot[slot].word);
    if (ring_word_state(w) != from) return false;
    return atomic_compare_exchange_strong(&ring->slot[slot].word, &w, ring_word(ring_word_id(w), ring_word_worker(w), to));
}
