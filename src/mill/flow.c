/* SPDX-License-Identifier: MIT */
/* The mill as its producer and its consumer see it. Atomics of the ring are sequentially consistent throughout: flags and words are
 * read and written crosswise (a submit against a stop, a claim against the end), a handful of times per frame. */
#include <assert.h>

#include "core/threads.h"
#include "mill/inner.h"

static int mill_index(const struct mill *mill, const struct mill_slot *slot)
{
    return (int) (slot - mill->slot);
}

/* ---- waiting, counted ---- */

struct mill_pause {
    _Atomic uint64_t *waits, *wait_ns;
    bool has_begun;
    uint64_t since_ns;
};

static void mill_pause_begin(struct mill_pause *pause)
{
    if (!pause->has_begun) {
        pause->has_begun = true;
        pause->since_ns = core_now_ns();
        atomic_fetch_add(pause->waits, 1);
    }
}

static void mill_pause_sleep(struct mill_pause *pause, struct wait_event *event, uint32_t ticket)
{
    mill_pause_begin(pause);
    wait_sleep(event, ticket);
}

static int mill_pause_end(const struct mill_pause *pause, int code)
{
    if (pause->has_begun) atomic_fetch_add(pause->wait_ns, core_now_ns() - pause->since_ns);
    return code;
}

/* ---- producer ---- */

/* Who can see that a slot is free again or that an id is skipped: all may have waited for just that. */
static void mill_vacated(struct ring *ring)
{
    wait_wake(&ring->space, true);
    wait_wake(&ring->order, true);
    if (atomic_load(&ring->finished)) ring_wake(ring, RING_NOBODY, true);
}

static int mill_claim(struct mill *mill, bool drops)
{
    struct ring *const ring = mill->ring;
    int slot = ring_claim(ring);
    if (slot >= 0 || !drops) return slot;
    slot = ring_replace(ring);
    if (slot < 0) return slot;
    atomic_fetch_add(&ring->dropped, 1);
    wait_wake(&ring->order, true);
    return slot;
}

/* Until the next frame is due; short of it when the mill is stopped. */
static void mill_keep_pace(struct mill *mill)
{
    struct ring *const ring = mill->ring;
    for (;;) {
        const uint32_t ticket = wait_ticket(&ring->space);
        const uint64_t now = core_now_ns(), due = pace_due(&mill->pace, now);
        if (due <= now || atomic_load(&ring->stopping)) break;
        wait_sleep_for(&ring->space, ticket, due - now);
    }
}

/* The stop is looked for once more after the claim: either the consumer, having seen the stop, sees the claim and waits for the
 * slot, or the claim is taken back here. */
int mill_acquire_within(struct mill *mill, uint64_t patience_ns, struct mill_slot **out)
{
    struct ring *const ring = mill->ring;
    struct mill_pause pause = {.waits = &ring->producer_waits, .wait_ns = &ring->producer_wait_ns};
    const bool live = mill->params.live;
    const uint64_t until = live && patience_ns ? core_now_ns() + patience_ns : 0;
    *out = NULL;
    if (atomic_load(&ring->finished)) return FM_ERR_ARGUMENT;
    if (mill->params.pace_fps > 0) mill_keep_pace(mill);
    for (;;) {
        const uint32_t ticket = wait_ticket(&ring->space);
        if (atomic_load(&ring->stopping)) return mill_pause_end(&pause, atomic_load(&ring->stop_code));
        const uint64_t now = until ? core_now_ns() : 0, rest = until > now ? until - now : 0;
        const int slot = mill_claim(mill, live && !rest);
        if (slot < 0) {
            mill_pause_begin(&pause);
            if (rest)
                wait_sleep_for(&ring->space, ticket, rest);
            else
                wait_sleep(&ring->space, ticket);
            continue;
        }
        if (atomic_load(&ring->stopping)) {
            (void) ring_move(ring, slot, RING_WRITING, RING_FREE);
            mill_vacated(ring);
            return mill_pause_end(&pause, atomic_load(&ring->stop_code));
        }
        struct mill_slot *const s = &mill->slot[slot];
        *s = (struct mill_slot){.id = ring_word_id(atomic_load(&ring->slot[slot].word)),
            .bundle = mill->bundle[slot],
            .worker = RING_NOBODY,
            .index = slot};
        ring->slot[slot].attempts = 0;
        if (mill->params.pace_fps > 0) pace_pass(&mill->pace, core_now_ns());
        atomic_fetch_add(&ring->acquired, 1);
        *out = s;
        return mill_pause_end(&pause, FM_OK);
    }
}

int mill_acquire(struct mill *mill, struct mill_slot **out)
{
    return mill_acquire_within(mill, 0, out);
}

void mill_submit(struct mill *mill, struct mill_slot *slot)
{
    struct ring *const ring = mill->ring;
    const int index = mill_index(mill, slot);
    int meant = RING_NOBODY;
    bool held;
    atomic_fetch_add(&ring->submitted, 1);
    if (mill->has_schedule) { /* together, so that nothing is meant for a worker that is buried already */
        pthread_mutex_lock(&mill->lock);
        meant = mill_assign(mill);
        held = ring_submit(ring, index, meant);
        pthread_mutex_unlock(&mill->lock);
    } else {
        held = ring_submit(ring, index, meant);
    }
    assert(held);
    (void) held;
    ring_wake(ring, meant, false);
    /* a stop that came before has not seen this slot; by now it may even be taken, and then is not ours */
    if (atomic_load(&ring->stopping) && ring_take_slot(ring, index, RING_NOBODY)) worker_cancel(ring, index);
}

void mill_abandon(struct mill *mill, struct mill_slot *slot)
{
    atomic_fetch_add(&mill->ring->abandoned, 1);
    const bool held = ring_move(mill->ring, mill_index(mill, slot), RING_WRITING, RING_FREE);
    assert(held);
    (void) held;
    mill_vacated(mill->ring);
}

void mill_finish(struct mill *mill)
{
    atomic_store(&mill->ring->finished, true);
    ring_wake(mill->ring, RING_NOBODY, true);
    wait_wake(&mill->ring->order, true);
}

/* ---- consumer ---- */

static void mill_count_delivery(struct ring *ring)
{
    const uint64_t now = core_now_ns();
    if (atomic_load(&ring->delivered) == 0) atomic_store(&ring->first_ns, now);
    atomic_store(&ring->last_ns, now);
    atomic_fetch_add(&ring->delivered, 1);
}

int mill_next(struct mill *mill, struct mill_slot **out)
{
    return mill_next_for(mill, UINT64_MAX, out);
}

int mill_next_for(struct mill *mill, uint64_t ns, struct mill_slot **out)
{
    const uint64_t begun = ns == UINT64_MAX ? 0 : core_now_ns();
    struct ring *const ring = mill->ring;
    struct mill_pause pause = {.waits = &ring->consumer_waits, .wait_ns = &ring->consumer_wait_ns};
    *out = NULL;
    for (;;) {
        const uint32_t ticket = wait_ticket(&ring->order);
        /* before the look at the slots: what is there then is all */
        const bool last = atomic_load(&ring->finished) || atomic_load(&ring->stopping);
        int slot;
        const enum order_answer answer = order_next(&mill->order, ring, &slot);
        if (answer == ORDER_DELIVER) {
            const struct ring_slot *const from = &ring->slot[slot];
            struct mill_slot *const s = &mill->slot[slot];
            s->result = from->result;
            s->worker = ring_word_worker(atomic_load(&from->word));
            s->begun_ns = from->begun_ns;
            s->done_ns = from->done_ns;
            mill_count_delivery(ring);
            if (mill->has_schedule && s->result >= 0) mill_learn(mill, s->worker, s->begun_ns, s->done_ns);
            *out = s;
            return mill_pause_end(&pause, FM_OK);
        }
        if (answer == ORDER_EMPTY && last) return mill_pause_end(&pause, FM_ERR_EOS);
        if (ns == UINT64_MAX) {
            mill_pause_sleep(&pause, &ring->order, ticket);
            continue;
        }
        mill_pause_begin(&pause);
        const uint64_t passed = core_now_ns() - begun;
        if (passed >= ns) return mill_pause_end(&pause, FM_ERR_AGAIN);
        wait_sleep_for(&ring->order, ticket, ns - passed);
    }
}

void mill_release(struct mill *mill, struct mill_slot *slot)
{
    const bool held = ring_move(mill->ring, mill_index(mill, slot), RING_DONE, RING_FREE);
    assert(held);
    (void) held;
    wait_wake(&mill->ring->space, true);
}
