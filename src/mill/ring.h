/* SPDX-License-Identifier: MIT */
/* The mill's control block: plain data in one piece of memory, without pointers, so that it can lie in memory that worker processes
 * share. Frames are elsewhere; the ring says whose turn it is.
 *
 *     from      to        by                     what it is
 *     FREE      WRITING   producer               ring_claim: a new id
 *     READY     WRITING   producer (live)        ring_replace: the old id is dropped, a new one takes its place
 *     WRITING   READY     producer               submitted
 *     WRITING   FREE      producer               abandoned: the id is skipped
 *     READY     READING   a worker, or a stop    ring_take
 *     READING   DONE      the same               ring_complete
 *     READING   READY     whoever buried it      ring_give_back: the worker died; READY slots meant for it likewise
 *     DONE      FREE      any                    released
 *
 * A READY slot may be meant for one worker, or for any that is not resting.
 *
 * A slot's word holds id, worker and state together and is the only truth about the slot: there are no queues beside it that could
 * disagree, whoever dies wherever. Each change is one compare-exchange of the whole word, so nobody acts on a slot that was used
 * again meanwhile. "The oldest" is found by looking at all slots, which are few.
 *
 * Fields of a slot are touched only by whom the word names; all other fields are atomics. Any thread. */
#ifndef FM_MILL_RING_H
#define FM_MILL_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/alloc.h"
#include "mill/wait.h"

#define RING_SLOTS_MAX 4096
#define RING_WORKERS_MAX 4094
#define RING_NOBODY (-1) /* in place of a worker */

enum ring_state {
    RING_FREE = 1 << 0,
    RING_WRITING = 1 << 1,
    RING_READY = 1 << 2,
    RING_READING = 1 << 3,
    RING_DONE = 1 << 4,
};

enum ring_phase { RING_ABSENT, RING_IDLE, RING_BUSY, RING_ENDED };

struct ring_slot {
    _Alignas(CORE_CACHE_LINE) _Atomic uint64_t word; /* id (45 bits), worker + 1 (12 bits), state (7 bits) */
    /* written while READING, read while DONE */
    int32_t result;
    uint32_t attempts; /* workers that died over this id; cleared while WRITING, counted by whoever buries them */
    uint64_t begun_ns, done_ns;
};

/* Written by its worker only (by whoever buries it when it is dead), but for `rests`. */
struct ring_worker {
    _Alignas(CORE_CACHE_LINE) _Atomic uint32_t phase;
    _Atomic int32_t broken;            /* what its start said, when negative */
    _Atomic uint64_t start_ns, end_ns; /* of its readiness for work */
    _Atomic uint64_t since_ns;         /* start of the slot it is busy with */
    _Atomic uint64_t done, failed, busy_ns;
    _Atomic uint64_t longest_ns; /* slot */
    /* the three as they were before slot begun_id - 1 was counted: what a dead worker's slot is taken back with */
    _Atomic uint64_t begun_id, done_before, failed_before, busy_before_ns;
    _Alignas(CORE_CACHE_LINE) struct wait_event wake; /* it sleeps here, when slots are meant for single workers */
    _Atomic bool rests;                               /* takes only what is meant for it */
};

struct ring {
    uint32_t slots, workers;
    bool is_meant;                                     /* slots are meant for single workers, who sleep each on their own event */
    bool is_frail;                                     /* workers may die: nobody ends before all is done */
    _Alignas(CORE_CACHE_LINE) struct wait_event space; /* the producer sleeps here: no slot is free */
    _Alignas(CORE_CACHE_LINE) struct wait_event work;  /* workers: no slot is ready */
    _Alignas(CORE_CACHE_LINE) struct wait_event order; /* the consumer: the next in order is not done */
    _Alignas(CORE_CACHE_LINE) _Atomic uint64_t ids;    /* given out; raised after the id stands in its slot */
    _Atomic bool finished, stopping;
    _Atomic int32_t stop_code; /* of slots that nobody will do, once stopping */
    _Atomic uint32_t limit;    /* slots in use at most */
    _Atomic uint64_t acquired, submitted, dropped, abandoned, producer_waits, producer_wait_ns;
    _Alignas(CORE_CACHE_LINE) _Atomic uint64_t delivered, consumer_waits, consumer_wait_ns;
    _Atomic uint64_t first_ns, last_ns; /* of delivery */
    _Atomic uint64_t cancelled, redone;
    struct ring_slot slot[]; /* [slots], then struct ring_worker [workers] */
};

/* Bytes of memory a ring takes; slots and workers within their limits. */
size_t ring_size(int slots, int workers);
/* Makes a ring in `memory`, which is cleared and aligned to CORE_CACHE_LINE. 0 or what wait_open says. */
int ring_open(struct ring *memory, int slots, int workers, bool shared);
void ring_close(struct ring *ring); /* nobody uses it any more; the memory stays the caller's */
struct ring_worker *ring_worker(struct ring *ring, int worker);
/* What a worker sleeps on, and who wakes it: one worker or RING_NOBODY for anyone; `all`: not just one of them. */
struct wait_event *ring_bed(struct ring *ring, int worker);
void ring_wake(struct ring *ring, int meant, bool all);

/* The slot of lowest id, not below `from`, in one of `states` (enum ring_state, or-ed; not RING_FREE), and its word; -1 when
 * there is none. Exact in this sense: a lower id given out before the call and never seen in `states` during it is not
 * overlooked. */
int ring_oldest(const struct ring *ring, uint64_t from, unsigned states, uint64_t *word);

/* Slot given a new id and WRITING, or -1: no slot is free. One thread. */
int ring_claim(struct ring *ring);
/* The same with the oldest READY slot, whose id vanishes. */
int ring_replace(struct ring *ring);
/* The oldest READY slot that the worker may take, now READING, or -1. RING_NOBODY: for a stop, not for a worker; any slot. */
int ring_take(struct ring *ring, int worker);
/* The same with a certain slot: false when it is not READY. */
bool ring_take_slot(struct ring *ring, int slot, int worker);
/* WRITING -> READY, for one worker or RING_NOBODY. False when it is not WRITING (the caller's mistake). */
bool ring_submit(struct ring *ring, int slot, int meant);
/* READING by or READY for a dead worker -> READY for another or RING_NOBODY; false when the slot is neither. */
bool ring_give_back(struct ring *ring, int slot, int dead, int meant);
/* Counts a slot as done by the worker whose word names it, begun_id and all; ring_uncount takes it back. */
void ring_count(struct ring_worker *own, uint64_t id, int result, uint64_t busy_ns);
void ring_uncount(struct ring_worker *own, uint64_t id);
/* READING -> DONE, with the slot's fields filled in. */
void ring_complete(struct ring *ring, int slot, int result, uint64_t begun_ns, uint64_t done_ns);
/* A change that keeps id and worker: false when the slot is not in the state `from` (the caller's mistake). */
bool ring_move(struct ring *ring, int slot, enum ring_state from, enum ring_state to);

static inline uint64_t ring_word_id(uint64_t word)
{
    return word >> 19;
}
static inline enum ring_state ring_word_state(uint64_t word)
{
    return (enum ring_state)(word & 0x7f);
}
static inline int ring_word_worker(uint64_t word)
{
    return (int) (word >> 7 & 0xfff) - 1;
}

static inline uint64_t ring_word(uint64_t id, int worker, enum ring_state state)
{
    return id << 19 | (uint64_t) (worker + 1) << 7 | (uint64_t) state;
}

#endif
