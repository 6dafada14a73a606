/* SPDX-License-Identifier: MIT */
/* Atomics here are sequentially consistent throughout: flags and words are read and written crosswise (a submit against a stop,
 * a claim against the end), a handful of times per frame. */
#include "mill/mill.h"

#include <assert.h>
#include <pthread.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/threads.h"
#include "mill/order.h"
#include "mill/ring.h"

struct mill_worker {
    struct mill *mill;
    int index;
    pthread_t thread;
};

struct mill {
    struct mill_params params;
    struct ring *ring;
    size_t ring_bytes;
    bool ring_is_open;
    struct order order;         /* the consumer's */
    struct mill_slot *slot;     // [slots]; what producer and consumer see of the ring's slots
    struct mill_worker *worker; // [workers]
    int bundles, threads;       /* made so far */
};

static int mill_index(const struct mill *mill, const struct mill_slot *slot)
{
    return (int) (slot - mill->slot);
}

/* ---- workers ---- */

static void mill_done(struct mill *mill, int slot, int result, uint64_t begun_ns, uint64_t done_ns)
{
    ring_complete(mill->ring, slot, result, begun_ns, done_ns);
    wait_wake(&mill->ring->order, true);
}

/* A slot taken (READING) after a stop goes on to the consumer unprocessed. */
static void mill_cancel(struct mill *mill, int slot)
{
    const uint64_t now = core_now_ns();
    atomic_fetch_add(&mill->ring->cancelled, 1);
    mill_done(mill, slot, FM_ERR_CANCELLED, now, now);
}

/* Counts are raised before the slot is done: who was given the slot finds it counted. */
static void mill_work(struct mill_worker *worker, int slot, int broken)
{
    struct mill *const mill = worker->mill;
    const struct mill_params *const p = &mill->params;
    struct ring_worker *const own = ring_worker(mill->ring, worker->index);
    const uint64_t begun = core_now_ns();
    atomic_store(&own->since_ns, begun);
    atomic_store(&own->phase, RING_BUSY);
    const int result = broken < 0 ? broken : p->process(p->user, worker->index, mill->slot[slot].bundle);
    const uint64_t done = core_now_ns();
    atomic_store(&own->phase, RING_IDLE);
    atomic_fetch_add(&own->busy_ns, done - begun);
    atomic_fetch_add(&own->done, 1);
    if (result < 0) atomic_fetch_add(&own->failed, 1);
    mill_done(mill, slot, result, begun, done);
}

/* Slots until all is finished or stopped. When the last slot of a finished mill is taken the other workers are woken, to end
 * too. */
static void mill_turn(struct mill_worker *worker, int broken)
{
    struct ring *const ring = worker->mill->ring;
    uint64_t word;
    for (;;) {
        const uint32_t ticket = wait_ticket(&ring->work);
        if (atomic_load(&ring->stopping)) return;
        const bool finished = atomic_load(&ring->finished);
        const int slot = ring_take(ring, worker->index);
        if (slot >= 0) {
            if (atomic_load(&ring->finished)) wait_wake(&ring->work, true);
            if (atomic_load(&ring->stopping)) /* between the look above and the taking */
                mill_cancel(worker->mill, slot);
            else
                mill_work(worker, slot, broken);
        } else if (finished && ring_oldest(ring, 0, RING_WRITING | RING_READY, &word) < 0) {
            return;
        } else {
            wait_sleep(&ring->work, ticket);
        }
    }
}

static void *mill_worker_main(void *worker_)
{
    struct mill_worker *const worker = worker_;
    const struct mill_params *const p = &worker->mill->params;
    struct ring_worker *const own = ring_worker(worker->mill->ring, worker->index);
    const int broken = p->worker_start ? p->worker_start(p->user, worker->index) : FM_OK;
    atomic_store(&own->start_ns, core_now_ns());
    atomic_store(&own->phase, RING_IDLE);
    mill_turn(worker, broken);
    atomic_store(&own->end_ns, core_now_ns());
    atomic_store(&own->phase, RING_ENDED);
    if (broken >= 0 && p->worker_stop) p->worker_stop(p->user, worker->index);
    return NULL;
}

/* ---- life ---- */

static int mill_check(const struct mill_params *p, struct fm_error *error)
{
    if (p->slots < 1 || p->slots > RING_SLOTS_MAX)
        return core_fail(error, FM_ERR_ARGUMENT, "a mill has 1 to %d slots, not %d", RING_SLOTS_MAX, p->slots);
    if (p->workers < 1 || p->workers > RING_WORKERS_MAX)
        return core_fail(error, FM_ERR_ARGUMENT, "a mill has 1 to %d workers, not %d", RING_WORKERS_MAX, p->workers);
    if (!p->process) return core_fail(error, FM_ERR_ARGUMENT, "a mill needs something to do");
    return FM_OK;
}

static int mill_make_slots(struct mill *mill, struct fm_error *error)
{
    const struct mill_params *const p = &mill->params;
    mill->slot = core_calloc((size_t) p->slots, sizeof *mill->slot);
    if (!mill->slot) return core_fail_nomem(error, (size_t) p->slots * sizeof *mill->slot);
    mill->ring_bytes = ring_size(p->slots, p->workers);
    mill->ring = core_alloc_pages(mill->ring_bytes);
    if (!mill->ring) return core_fail_nomem(error, mill->ring_bytes);
    const int code = ring_open(mill->ring, p->slots, p->workers, false);
    if (code != FM_OK) return core_fail(error, (enum fm_err) code, "the system gives nothing to wait on");
    mill->ring_is_open = true;
    for (; p->make_bundle && mill->bundles < p->slots; mill->bundles++) {
        void *const bundle = p->make_bundle(p->user);
        if (!bundle) return core_fail(error, FM_ERR_NOMEM, "out of memory for slot %d of %d", mill->bundles + 1, p->slots);
        mill->slot[mill->bundles].bundle = bundle;
    }
    return FM_OK;
}

static int mill_start(struct mill *mill, struct fm_error *error)
{
    const int workers = mill->params.workers;
    mill->worker = core_calloc((size_t) workers, sizeof *mill->worker);
    if (!mill->worker) return core_fail_nomem(error, (size_t) workers * sizeof *mill->worker);
    for (int i = 0; i < workers; i++) {
        mill->worker[i] = (struct mill_worker){.mill = mill, .index = i};
        const int system = pthread_create(&mill->worker[i].thread, NULL, mill_worker_main, &mill->worker[i]);
        if (system)
            return core_fail(error, FM_ERR_IO, "the system gives no thread for worker %d of %d (error %d)", i + 1, workers, system);
        mill->threads++;
    }
    return FM_OK;
}

int mill_create(const struct mill_params *params, struct mill **out, struct fm_error *error)
{
    *out = NULL;
    int code = mill_check(params, error);
    if (code != FM_OK) return code;
    struct mill *mill = core_calloc(1, sizeof *mill);
    if (!mill) return core_fail_nomem(error, sizeof *mill);
    mill->params = *params;
    code = mill_make_slots(mill, error);
    if (code == FM_OK) code = mill_start(mill, error);
    if (code != FM_OK) mill_destroy(&mill);
    *out = mill;
    return code;
}

/* Also takes back what a failed mill_create had made. */
void mill_destroy(struct mill **mill_)
{
    struct mill *const mill = *mill_;
    *mill_ = NULL;
    if (!mill) return;
    const struct mill_params *const p = &mill->params;
    if (mill->ring_is_open) mill_stop(mill);
    for (int i = 0; i < mill->threads; i++) pthread_join(mill->worker[i].thread, NULL);
    for (int i = 0; i < mill->bundles; i++)
        if (p->free_bundle) p->free_bundle(p->user, mill->slot[i].bundle);
    if (mill->ring_is_open) ring_close(mill->ring);
    core_free_pages(mill->ring, mill->ring_bytes);
    core_free(mill->worker);
    core_free(mill->slot);
    core_free(mill);
}

/* The flag first, then the slots: one submitted meanwhile is cancelled here, or by mill_submit, which looks in the other order. */
void mill_stop(struct mill *mill)
{
    struct ring *const ring = mill->ring;
    int slot;
    atomic_store(&ring->stopping, true);
    while ((slot = ring_take(ring, RING_NOBODY)) >= 0) mill_cancel(mill, slot);
    wait_wake(&ring->work, true);
    wait_wake(&ring->space, true);
    wait_wake(&ring->order, true);
}

/* ---- waiting, counted ---- */

struct mill_pause {
    _Atomic uint64_t *waits, *wait_ns;
    bool has_begun;
    uint64_t since_ns;
};

static void mill_pause_sleep(struct mill_pause *pause, struct wait_event *event, uint32_t ticket)
{
    if (!pause->has_begun) {
        pause->has_begun = true;
        pause->since_ns = core_now_ns();
        atomic_fetch_add(pause->waits, 1);
    }
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
    if (atomic_load(&ring->finished)) wait_wake(&ring->work, true);
}

static int mill_claim(struct mill *mill)
{
    struct ring *const ring = mill->ring;
    int slot = ring_claim(ring);
    if (slot >= 0 || !mill->params.live) return slot;
    slot = ring_replace(ring);
    if (slot < 0) return slot;
    atomic_fetch_add(&ring->dropped, 1);
    wait_wake(&ring->order, true);
    return slot;
}

/* The stop is looked for once more after the claim: either the consumer, having seen the stop, sees the claim and waits for the
 * slot, or the claim is taken back here. */
int mill_acquire(struct mill *mill, struct mill_slot **out)
{
    struct ring *const ring = mill->ring;
    struct mill_pause pause = {.waits = &ring->producer_waits, .wait_ns = &ring->producer_wait_ns};
    *out = NULL;
    if (atomic_load(&ring->finished)) return FM_ERR_ARGUMENT;
    for (;;) {
        const uint32_t ticket = wait_ticket(&ring->space);
        if (atomic_load(&ring->stopping)) return mill_pause_end(&pause, FM_ERR_CANCELLED);
        const int slot = mill_claim(mill);
        if (slot < 0) {
            mill_pause_sleep(&pause, &ring->space, ticket);
            continue;
        }
        if (atomic_load(&ring->stopping)) {
            (void) ring_move(ring, slot, RING_WRITING, RING_FREE);
            mill_vacated(ring);
            return mill_pause_end(&pause, FM_ERR_CANCELLED);
        }
        struct mill_slot *const s = &mill->slot[slot];
        *s =
            (struct mill_slot){.id = ring_word_id(atomic_load(&ring->slot[slot].word)), .bundle = s->bundle, .worker = RING_NOBODY};
        atomic_fetch_add(&ring->acquired, 1);
        *out = s;
        return mill_pause_end(&pause, FM_OK);
    }
}

void mill_submit(struct mill *mill, struct mill_slot *slot)
{
    struct ring *const ring = mill->ring;
    const int index = mill_index(mill, slot);
    const bool held = ring_move(ring, index, RING_WRITING, RING_READY);
    assert(held);
    (void) held;
    wait_wake(&ring->work, false);
    /* a stop that came before has not seen this slot; by now it may even be taken, and then is not ours */
    if (atomic_load(&ring->stopping) && ring_take_slot(ring, index, RING_NOBODY)) mill_cancel(mill, index);
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
    wait_wake(&mill->ring->work, true);
    wait_wake(&mill->ring->order, true);
}

/* ---- consumer ---- */

int mill_next(struct mill *mill, struct mill_slot **out)
{
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
            atomic_fetch_add(&ring->delivered, 1);
            *out = s;
            return mill_pause_end(&pause, FM_OK);
        }
        if (answer == ORDER_EMPTY && last) return mill_pause_end(&pause, FM_ERR_EOS);
        mill_pause_sleep(&pause, &ring->order, ticket);
    }
}

void mill_release(struct mill *mill, struct mill_slot *slot)
{
    const bool held = ring_move(mill->ring, mill_index(mill, slot), RING_DONE, RING_FREE);
    assert(held);
    (void) held;
    wait_wake(&mill->ring->space, true);
}

/* ---- metrics ---- */

static uint64_t mill_span(uint64_t from, uint64_t to)
{
    return to > from ? to - from : 0; /* numbers of different instants may cross */
}

/* What a worker is at just now counts too. */
static void mill_add_worker(struct mill_metrics *m, struct ring_worker *own, int index)
{
    const uint32_t phase = atomic_load(&own->phase);
    if (phase == RING_ABSENT) return;
    const uint64_t since = atomic_load(&own->since_ns), failed = atomic_load(&own->failed), done = atomic_load(&own->done);
    uint64_t busy = atomic_load(&own->busy_ns);
    const uint64_t now = phase == RING_ENDED ? atomic_load(&own->end_ns) : core_now_ns();
    if (phase == RING_BUSY) busy += mill_span(since, now);
    const uint64_t present = mill_span(atomic_load(&own->start_ns), now);
    m->done += done;
    m->failed += failed;
    m->busy_ns += busy;
    m->idle_ns += mill_span(busy, present);
    if (index >= 64) return;
    m->worker_done[index] = done;
    m->worker_busy_ns[index] = busy;
}

/* Against the flow, so that no slot is counted further on than it is counted before. */
void mill_get_metrics(struct mill *mill, struct mill_metrics *out)
{
    struct ring *const ring = mill->ring;
    *out = (struct mill_metrics){.workers = mill->params.workers};
    out->delivered = atomic_load(&ring->delivered);
    out->cancelled = atomic_load(&ring->cancelled);
    for (int i = 0; i < mill->params.workers; i++) mill_add_worker(out, ring_worker(ring, i), i);
    out->dropped = atomic_load(&ring->dropped);
    out->abandoned = atomic_load(&ring->abandoned);
    out->consumer_wait_ns = atomic_load(&ring->consumer_wait_ns);
    out->consumer_waits = atomic_load(&ring->consumer_waits);
    out->producer_wait_ns = atomic_load(&ring->producer_wait_ns);
    out->producer_waits = atomic_load(&ring->producer_waits);
    out->acquired = atomic_load(&ring->acquired);
}
