/* SPDX-License-Identifier: MIT */
#include "mill/worker.h"

#include "core/threads.h"

static void worker_done(struct ring *ring, int slot, int result, uint64_t begun_ns, uint64_t done_ns)
{
    ring_complete(ring, slot, result, begun_ns, done_ns);
    wait_wake(&ring->order, true);
}

void worker_cancel(struct ring *ring, int slot)
{
    const uint64_t now = core_now_ns();
    atomic_fetch_add(&ring->cancelled, 1);
    worker_done(ring, slot, atomic_load(&ring->stop_code), now, now);
}

void worker_cancel_all(struct ring *ring)
{
    int slot;
    while ((slot = ring_take(ring, RING_NOBODY)) >= 0) worker_cancel(ring, slot);
}

void worker_begin(struct worker *worker)
{
    struct ring_worker *const own = ring_worker(worker->ring, worker->index);
    if (atomic_load(&own->start_ns) == 0) atomic_store(&own->start_ns, core_now_ns()); /* of a process started again: the first */
    atomic_store(&own->phase, RING_IDLE);
}

/* Counts are raised before the slot is done: who was given the slot finds it counted. */
static void worker_do(struct worker *worker, int slot, int broken)
{
    struct ring *const ring = worker->ring;
    struct ring_worker *const own = ring_worker(ring, worker->index);
    const uint64_t id = ring_word_id(atomic_load(&ring->slot[slot].word));
    const uint64_t begun = core_now_ns();
    atomic_store(&own->since_ns, begun);
    atomic_store(&own->phase, RING_BUSY);
    const int result = broken < 0 ? broken : worker->process(worker->user, worker->index, worker->bundle[slot]);
    const uint64_t done = core_now_ns();
    atomic_store(&own->phase, RING_IDLE);
    ring_count(own, id, result, done - begun);
    worker_done(ring, slot, result, begun, done);
    if (ring->is_frail && atomic_load(&ring->finished)) ring_wake(ring, RING_NOBODY, true);
}

/* What must be gone before a worker may end. Where workers may die, what another is at may come back. */
static unsigned worker_duties(const struct ring *ring)
{
    return ring->is_frail ? RING_WRITING | RING_READY | RING_READING : RING_WRITING | RING_READY;
}

/* When the last slot of a finished mill is taken the other workers are woken, to end too. */
void worker_turn(struct worker *worker, int broken)
{
    struct ring *const ring = worker->ring;
    struct wait_event *const bed = ring_bed(ring, worker->index);
    uint64_t word;
    for (;;) {
        const uint32_t ticket = wait_ticket(bed);
        if (atomic_load(&ring->stopping)) return;
        const bool finished = atomic_load(&ring->finished);
        const int slot = ring_take(ring, worker->index);
        if (slot >= 0) {
            if (atomic_load(&ring->finished)) ring_wake(ring, RING_NOBODY, true);
            if (atomic_load(&ring->stopping)) /* between the look above and the taking */
                worker_cancel(ring, slot);
            else
                worker_do(worker, slot, broken);
        } else if (finished && ring_oldest(ring, 0, worker_duties(ring), &word) < 0) {
            return;
        } else {
            wait_sleep(bed, ticket);
        }
    }
}
