/* SPDX-License-Identifier: MIT */
/* What the tests of the mill share: bundles whose contents can be checked, work of random length, a gate that holds workers. */
#ifndef FM_TESTS_MILL_YARD_H
#define FM_TESTS_MILL_YARD_H

#include <pthread.h>
#include <sched.h>

#include "check.h"
#include "core/alloc.h"
#include "core/threads.h"
#include "mill/mill.h"

/* Plain fields: the mill's own order must do for ThreadSanitizer. */
struct cargo {
    uint64_t question, answer;
    int bad;  /* result that process must give */
    int gate; /* process waits at the gate */
};

struct yard {
    struct mill *mill;
    atomic_int bundles;        /* made and not freed */
    int bundles_until_failure; /* make_bundle fails when this many were made; 0: never */
    atomic_int starts, stops;  /* of workers */
    int broken_worker;         /* + 1; its worker_start fails */
    atomic_uint processed;
    int work;                   /* turns of work, at most */
    atomic_int at_gate, passes; /* workers that came to the gate, workers let through */
    atomic_int stop_after;      /* process number that stops the mill, 0: none */
};

#define YARD_BROKEN FM_ERR_DEVICE

CHECK_UNUSED static uint64_t yard_answer(uint64_t question)
{
    return question * 0x9e3779b97f4a7c15u + 7;
}

CHECK_UNUSED static void *yard_make(void *yard_)
{
    struct yard *y = yard_;
    if (y->bundles_until_failure && atomic_load(&y->bundles) == y->bundles_until_failure) return NULL;
    struct cargo *c = core_calloc(1, sizeof *c);
    if (c) atomic_fetch_add(&y->bundles, 1);
    return c;
}

CHECK_UNUSED static void yard_free(void *yard_, void *bundle)
{
    struct yard *y = yard_;
    atomic_fetch_sub(&y->bundles, 1);
    core_free(bundle);
}

CHECK_UNUSED static int yard_start(void *yard_, int worker)
{
    struct yard *y = yard_;
    atomic_fetch_add(&y->starts, 1);
    return worker + 1 == y->broken_worker ? YARD_BROKEN : FM_OK;
}

CHECK_UNUSED static void yard_stop(void *yard_, int worker)
{
    struct yard *y = yard_;
    (void) worker;
    atomic_fetch_add(&y->stops, 1);
}

/* Waiting for other threads in tests: yields, so it depends on no clock. */
#define YARD_AWAIT(condition)                                                                                                      \
    do {                                                                                                                           \
        sched_yield();                                                                                                             \
    } while (!(condition))

CHECK_UNUSED static int yard_process(void *yard_, int worker, void *bundle)
{
    struct yard *y = yard_;
    struct cargo *c = bundle;
    const unsigned number = atomic_fetch_add(&y->processed, 1) + 1;
    (void) worker;
    if (c->gate) {
        const int place = atomic_fetch_add(&y->at_gate, 1);
        YARD_AWAIT(atomic_load(&y->passes) > place);
    }
    if (y->work) {
        uint64_t turns = c->question * 0x2545f4914f6cdd1du >> 33;
        if (turns % 16 == 0) sched_yield();
        turns %= (uint64_t) y->work;
        for (volatile uint64_t i = 0; i < turns; i++) {
        }
    }
    c->answer = yard_answer(c->question);
    if (number == (unsigned) atomic_load(&y->stop_after)) mill_stop(y->mill);
    return c->bad;
}

CHECK_UNUSED static struct mill_params yard_params(struct yard *y, int slots, int workers)
{
    return (struct mill_params){.slots = slots,
        .workers = workers,
        .user = y,
        .make_bundle = yard_make,
        .free_bundle = yard_free,
        .worker_start = yard_start,
        .process = yard_process,
        .worker_stop = yard_stop};
}

CHECK_UNUSED static bool yard_open(struct yard *y, int slots, int workers)
{
    const struct mill_params params = yard_params(y, slots, workers);
    return CHECK_INT(mill_create(&params, &y->mill, NULL), FM_OK);
}

/* Everything a mill owes at its end. */
CHECK_UNUSED static void yard_close(struct yard *y)
{
    struct mill_metrics m;
    mill_get_metrics(y->mill, &m);
    mill_destroy(&y->mill);
    CHECK(y->mill == NULL);
    CHECK_INT(atomic_load(&y->bundles), 0);
    CHECK_INT(atomic_load(&y->starts), m.workers);
    CHECK_INT(atomic_load(&y->stops), m.workers - (y->broken_worker ? 1 : 0));
}

/* xorshift64* */
CHECK_UNUSED static uint32_t yard_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t) (*state * 0x2545f4914f6cdd1du >> 32);
}

CHECK_UNUSED static struct mill_metrics yard_metrics(const struct yard *y)
{
    struct mill_metrics m;
    mill_get_metrics(y->mill, &m);
    return m;
}

/* Acquires (must not need to wait for more than a free slot) and fills a slot. */
CHECK_UNUSED static struct mill_slot *yard_load(struct yard *y, bool gate)
{
    struct mill_slot *s = NULL;
    if (!CHECK_INT(mill_acquire(y->mill, &s), FM_OK)) return NULL;
    *(struct cargo *) s->bundle = (struct cargo){.question = s->id + 1000, .gate = gate};
    return s;
}

CHECK_UNUSED static void yard_send(struct yard *y, bool gate)
{
    struct mill_slot *s = yard_load(y, gate);
    if (s) mill_submit(y->mill, s);
}

/* The next one delivered is `id` with `result`; released at once. */
CHECK_UNUSED static bool yard_expect(struct yard *y, uint64_t id, int result)
{
    struct mill_slot *s = NULL;
    if (!CHECK_INT(mill_next(y->mill, &s), FM_OK)) return false;
    const struct cargo c = *(struct cargo *) s->bundle;
    bool held = CHECK_INT(s->id, id) && CHECK_INT(s->result, result) && CHECK_INT(c.question, id + 1000);
    if (result != FM_ERR_CANCELLED && result != YARD_BROKEN) held = held && CHECK(c.answer == yard_answer(c.question));
    if (result == FM_ERR_CANCELLED) held = held && CHECK_INT(s->worker, -1);
    mill_release(y->mill, s);
    return held;
}

CHECK_UNUSED static void yard_expect_end(struct yard *y)
{
    struct mill_slot *s;
    for (int i = 0; i < 3; i++) {
        CHECK_INT(mill_next(y->mill, &s), FM_ERR_EOS);
        CHECK(s == NULL);
    }
}

/* The gate keeps workers inside process; what the other slots do is then certain. */
CHECK_UNUSED static void yard_await_gate(struct yard *y, int workers)
{
    YARD_AWAIT(atomic_load(&y->at_gate) == workers);
}

CHECK_UNUSED static void yard_open_gate(struct yard *y)
{
    atomic_fetch_add(&y->passes, 1);
}

/* mill_next or mill_acquire on a thread of its own. */
struct yard_call {
    struct yard *yard;
    struct mill_slot *slot;
    int code;
};

CHECK_UNUSED static void *yard_call_next(void *call_)
{
    struct yard_call *c = call_;
    c->code = mill_next(c->yard->mill, &c->slot);
    return NULL;
}

CHECK_UNUSED static void *yard_call_acquire(void *call_)
{
    struct yard_call *c = call_;
    c->code = mill_acquire(c->yard->mill, &c->slot);
    return NULL;
}

#endif
