/* SPDX-License-Identifier: MIT */
/* How a mill ends, and how it fails to begin: stops at any moment, workers that cannot start, memory and threads that run out. */
#include "mill_yard.h"

/* ---- stopped by hand ---- */

static void begun_is_completed_the_rest_cancelled(void)
{
    struct yard y = {.mill = NULL};
    struct mill_slot *s;
    if (!yard_open(&y, 5, 1)) return;
    yard_send(&y, true);
    yard_await_gate(&y, 1);
    for (int i = 0; i < 3; i++) yard_send(&y, false);
    struct mill_slot *held = yard_load(&y, false); /* 4 is still with the producer */
    mill_stop(y.mill);
    mill_stop(y.mill);
    CHECK_INT(yard_metrics(&y).cancelled, 3);
    CHECK_INT(mill_acquire(y.mill, &s), FM_ERR_CANCELLED);
    CHECK(s == NULL);
    yard_open_gate(&y);
    yard_expect(&y, 0, 0);
    for (uint64_t id = 1; id < 4; id++) yard_expect(&y, id, FM_ERR_CANCELLED);
    mill_submit(y.mill, held);
    yard_expect(&y, 4, FM_ERR_CANCELLED);
    yard_expect_end(&y);
    CHECK_INT(mill_acquire(y.mill, &s), FM_ERR_CANCELLED);
    const struct mill_metrics m = yard_metrics(&y);
    CHECK_INT(m.acquired, 5);
    CHECK_INT(m.delivered, 5);
    CHECK_INT(m.done, 1);
    CHECK_INT(m.cancelled, 4);
    CHECK_INT(m.failed, 0);
    CHECK_INT(atomic_load(&y.processed), 1);
    yard_close(&y);
}

/* All three kinds of sleepers, nothing else going on. */
static void a_stop_wakes_everyone(void)
{
    struct yard y = {.mill = NULL};
    struct yard_call next = {.yard = &y}, acquire = {.yard = &y};
    pthread_t threads[2];
    if (!yard_open(&y, 1, 3)) return;
    yard_send(&y, false);
    struct mill_slot *s;
    CHECK_INT(mill_next(y.mill, &s), FM_OK); /* the only slot is the consumer's: the producer waits for it, the consumer for more */
    const uint64_t waits = yard_metrics(&y).consumer_waits;
    pthread_create(&threads[0], NULL, yard_call_next, &next);
    pthread_create(&threads[1], NULL, yard_call_acquire, &acquire);
    YARD_AWAIT(yard_metrics(&y).consumer_waits == waits + 1 && yard_metrics(&y).producer_waits == 1);
    mill_stop(y.mill);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    CHECK_INT(next.code, FM_ERR_EOS);
    CHECK_INT(acquire.code, FM_ERR_CANCELLED);
    CHECK(next.slot == NULL && acquire.slot == NULL);
    mill_release(y.mill, s); /* still allowed */
    yard_close(&y);
}

/* After a stop and after a finish alike. */
static void the_end_waits_for_a_slot_held(bool stop, bool submit)
{
    struct yard y = {.mill = NULL};
    struct yard_call next = {.yard = &y};
    pthread_t thread;
    if (!yard_open(&y, 2, 2)) return;
    struct mill_slot *held = yard_load(&y, false);
    if (stop)
        mill_stop(y.mill);
    else
        mill_finish(y.mill);
    pthread_create(&thread, NULL, yard_call_next, &next);
    YARD_AWAIT(yard_metrics(&y).consumer_waits == 1);
    if (submit)
        mill_submit(y.mill, held);
    else
        mill_abandon(y.mill, held);
    pthread_join(thread, NULL);
    CHECK_INT(next.code, submit ? FM_OK : FM_ERR_EOS);
    if (submit && CHECK(next.slot != NULL)) CHECK_INT(next.slot->result, stop ? FM_ERR_CANCELLED : FM_OK);
    yard_expect_end(&y);
    yard_close(&y);
}

static void slots_held_at_the_end(void)
{
    for (int i = 0; i < 4; i++) the_end_waits_for_a_slot_held(i & 1, i & 2);
}

static void a_finish_wakes_the_consumer(void)
{
    struct yard y = {.mill = NULL};
    struct yard_call next = {.yard = &y};
    pthread_t thread;
    if (!yard_open(&y, 2, 1)) return;
    pthread_create(&thread, NULL, yard_call_next, &next);
    YARD_AWAIT(yard_metrics(&y).consumer_waits == 1);
    mill_finish(y.mill);
    pthread_join(thread, NULL);
    CHECK_INT(next.code, FM_ERR_EOS);
    yard_close(&y);
}

/* Without a stop, and also those that were asleep when the last slot went to another: what they hold is given back early. */
static void workers_end_when_all_is_finished(void)
{
    for (int round = 0; round < 40; round++) {
        struct yard y = {.mill = NULL};
        if (!yard_open(&y, 3, 4)) return;
        yard_send(&y, true);
        yard_await_gate(&y, 1);
        struct mill_slot *last = yard_load(&y, false), *gone = yard_load(&y, false);
        if (round % 2) mill_finish(y.mill);
        mill_abandon(y.mill, round % 4 < 2 ? gone : last);
        if (round % 2 == 0) mill_finish(y.mill);
        for (int i = 0; i < round; i++) sched_yield(); /* they may have gone to sleep or not */
        mill_submit(y.mill, round % 4 < 2 ? last : gone);
        YARD_AWAIT(atomic_load(&y.stops) == 3);
        CHECK_INT(atomic_load(&y.processed), 2);
        yard_open_gate(&y);
        YARD_AWAIT(atomic_load(&y.stops) == 4);
        CHECK_INT(yard_metrics(&y).done, 2);
        yard_close(&y);
    }
}

static void nothing_to_do(void)
{
    struct yard y = {.mill = NULL};
    struct mill *none = NULL;
    if (!yard_open(&y, 1, 1)) return;
    mill_finish(y.mill);
    yard_expect_end(&y);
    yard_close(&y);
    atomic_store(&y.starts, 0);
    atomic_store(&y.stops, 0);
    if (!yard_open(&y, 4, 4)) return;
    yard_close(&y); /* neither finished nor stopped */
    mill_destroy(&none);
}

/* Destroyed with slots in every state. */
static void abandoned_house(void)
{
    struct yard y = {.mill = NULL};
    struct mill_slot *s;
    if (!yard_open(&y, 5, 1)) return;
    yard_send(&y, false);
    CHECK_INT(mill_next(y.mill, &s), FM_OK);
    yard_load(&y, false);
    for (int i = 0; i < 3; i++) yard_send(&y, false);
    yard_close(&y);
}

/* ---- a pace ---- */

static int at_once(void *user, int worker, void *bundle)
{
    (void) user;
    (void) worker;
    (void) bundle;
    return 0;
}

/* No faster; how much slower is the machine's affair. */
static void a_wait_has_an_end(void)
{
    struct yard y = {.work = 0};
    struct mill_slot *in, *out = NULL;
    if (!yard_open(&y, 2, 1)) return;
    const uint64_t begun = core_now_ns();
    CHECK_INT(mill_next_for(y.mill, 20000000, &out), FM_ERR_AGAIN);
    CHECK(out == NULL && core_now_ns() - begun >= 20000000);
    CHECK_INT(mill_next_for(y.mill, 0, &out), FM_ERR_AGAIN);
    CHECK_INT(mill_acquire(y.mill, &in), FM_OK);
    CHECK_INT(mill_next_for(y.mill, 0, &out), FM_ERR_AGAIN);
    mill_submit(y.mill, in);
    CHECK_INT(mill_next_for(y.mill, UINT64_MAX - 1, &out), FM_OK);
    CHECK(out == in);
    if (out) mill_release(y.mill, out);
    mill_finish(y.mill);
    CHECK_INT(mill_next_for(y.mill, 0, &out), FM_ERR_EOS);
    yard_close(&y);
}

static void a_pace_is_not_exceeded(void)
{
    const struct mill_params params = {.slots = 4, .workers = 1, .process = at_once, .pace_fps = 200};
    struct mill *mill;
    struct mill_slot *s;
    if (!CHECK_INT(mill_create(&params, &mill, NULL), FM_OK)) return;
    const uint64_t begun = core_now_ns();
    for (int i = 0; i < 21; i++) {
        if (!CHECK_INT(mill_acquire(mill, &s), FM_OK)) return;
        CHECK_MSG(core_now_ns() - begun + 1000 >= (uint64_t) i * 5000000, "frame %d is early", i);
        mill_submit(mill, s);
        if (!CHECK_INT(mill_next(mill, &s), FM_OK)) return;
        mill_release(mill, s);
    }
    mill_destroy(&mill);
}

static void a_stop_does_not_wait_for_the_pace(void)
{
    struct yard y = {.mill = NULL};
    struct yard_call acquire = {.yard = &y};
    struct mill_params params = yard_params(&y, 2, 1);
    pthread_t thread;
    params.pace_fps = 1e-6; /* one in twelve days */
    if (!CHECK_INT(mill_create(&params, &y.mill, NULL), FM_OK)) return;
    yard_send(&y, false); /* the first is due at once */
    yard_expect(&y, 0, 0);
    pthread_create(&thread, NULL, yard_call_acquire, &acquire);
    for (int i = 0; i < 100; i++) sched_yield(); /* it may sleep by now or not */
    mill_stop(y.mill);
    pthread_join(thread, NULL);
    CHECK_INT(acquire.code, FM_ERR_CANCELLED);
    yard_close(&y);
}

/* ---- stopped at any moment ---- */

struct race {
    struct yard yard;
    uint64_t seed;
    uint64_t submitted, abandoned; /* the producer's own count */
    int code;
    bool live;
};

static void *race_produce(void *race_)
{
    struct race *r = race_;
    struct mill_slot *s;
    while ((r->code = mill_acquire(r->yard.mill, &s)) == FM_OK) {
        *(struct cargo *) s->bundle = (struct cargo){.question = s->id};
        if (yard_random(&r->seed) % 8 == 0) {
            r->abandoned++;
            mill_abandon(r->yard.mill, s);
        } else {
            r->submitted++;
            mill_submit(r->yard.mill, s);
        }
    }
    return NULL;
}

static void *race_stop(void *race_)
{
    struct race *r = race_;
    const unsigned after = (unsigned) atomic_load(&r->yard.stop_after);
    YARD_AWAIT(atomic_load(&r->yard.processed) >= after);
    mill_stop(r->yard.mill);
    return NULL;
}

static void stopped_round(int round)
{
    struct race r = {.seed = (uint64_t) round * 77 + 1, .live = round % 3 == 2};
    pthread_t producer, stopper;
    struct mill_slot *s;
    uint64_t delivered = 0, cancelled = 0, next = 0;
    struct mill_params params = yard_params(&r.yard, 1 + round % 7, 1 + round / 7 % 5);
    params.live = r.live;
    r.yard.work = 300;
    const bool from_inside = round % 4 == 1; /* by a worker; else by a third thread */
    const int after = (int) (yard_random(&r.seed) % 60) + (from_inside ? 1 : 0);
    if (!CHECK_INT(mill_create(&params, &r.yard.mill, NULL), FM_OK)) return;
    atomic_store(&r.yard.stop_after, after);
    pthread_create(&producer, NULL, race_produce, &r);
    if (!from_inside) pthread_create(&stopper, NULL, race_stop, &r);
    int code;
    while ((code = mill_next(r.yard.mill, &s)) == FM_OK) {
        const struct cargo *c = s->bundle;
        CHECK(s->id >= next && c->question == s->id && (s->result == FM_ERR_CANCELLED || c->answer == yard_answer(s->id)));
        next = s->id + 1;
        delivered++;
        cancelled += s->result == FM_ERR_CANCELLED;
        mill_release(r.yard.mill, s);
    }
    CHECK_INT(code, FM_ERR_EOS);
    pthread_join(producer, NULL);
    if (!from_inside) pthread_join(stopper, NULL);
    yard_expect_end(&r.yard);
    CHECK_INT(r.code, FM_ERR_CANCELLED);
    const struct mill_metrics m = yard_metrics(&r.yard);
    CHECK_INT(m.acquired, r.submitted + r.abandoned);
    CHECK_INT(m.abandoned, r.abandoned);
    CHECK_INT(m.delivered, delivered);
    CHECK_INT(m.delivered + m.dropped, r.submitted);
    CHECK_INT(m.cancelled, cancelled);
    CHECK_INT(m.done + m.cancelled, delivered);
    CHECK_INT(atomic_load(&r.yard.processed), m.done);
    if (!r.live) CHECK_INT(m.dropped, 0);
    yard_close(&r.yard);
}

static void stopped_at_any_moment(void)
{
    const int64_t live = core_alloc_live();
    for (int round = 0; round < 200; round++) stopped_round(round);
    CHECK_INT(core_alloc_live(), live);
}

/* ---- workers that cannot start ---- */

static void a_broken_worker_passes_its_error_on(void)
{
    struct yard y = {.broken_worker = 1};
    if (!yard_open(&y, 2, 1)) return;
    for (uint64_t id = 0; id < 20; id++) {
        yard_send(&y, false);
        yard_expect(&y, id, YARD_BROKEN);
    }
    mill_finish(y.mill);
    yard_expect_end(&y);
    CHECK_INT(yard_metrics(&y).failed, 20);
    CHECK_INT(yard_metrics(&y).done, 20);
    CHECK_INT(atomic_load(&y.processed), 0);
    yard_close(&y);
}

static void one_broken_worker_of_two(void)
{
    struct yard y = {.broken_worker = 2};
    struct mill_slot *s;
    uint64_t failed = 0;
    if (!yard_open(&y, 3, 2)) return;
    yard_send(&y, true); /* at the gate if the sound worker takes it, else back at once */
    for (int i = 0; i < 2; i++) yard_send(&y, false);
    mill_finish(y.mill);
    yard_open_gate(&y);
    for (int i = 0; i < 3; i++) {
        if (!CHECK_INT(mill_next(y.mill, &s), FM_OK)) break;
        CHECK_INT(s->result, s->worker == 1 ? YARD_BROKEN : FM_OK);
        failed += s->worker == 1;
        mill_release(y.mill, s);
    }
    yard_expect_end(&y);
    CHECK_INT(yard_metrics(&y).failed, failed);
    CHECK_INT(yard_metrics(&y).worker_done[1], failed);
    CHECK_INT(yard_metrics(&y).worker_done[0], 3 - failed);
    yard_close(&y);
}

/* ---- creation that fails ---- */

static void allocations_fail_in_turn(void)
{
    const int64_t live = core_alloc_live();
    int refused = 0;
    for (uint64_t n = 1;; n++) {
        struct yard y = {.mill = NULL};
        struct fm_error error = {.code = FM_OK};
        const struct mill_params params = yard_params(&y, 3, 2);
        core_alloc_fail_after(n, false);
        const int code = mill_create(&params, &y.mill, &error);
        core_alloc_fail_after(0, false);
        if (code == FM_OK) {
            yard_close(&y);
            break;
        }
        refused++;
        CHECK_INT(code, FM_ERR_NOMEM);
        CHECK_INT(error.code, FM_ERR_NOMEM);
        CHECK(y.mill == NULL);
        CHECK_INT(atomic_load(&y.bundles), 0);
        CHECK_INT(core_alloc_live(), live);
        if (!CHECK(n < 100)) break;
    }
    CHECK(refused >= 5); /* three bundles, and what the mill itself needs */
    CHECK_INT(core_alloc_live(), live);
}

static void bundles_fail_in_turn(void)
{
    for (int n = 1; n < 4; n++) {
        struct yard y = {.bundles_until_failure = n};
        struct fm_error error;
        const struct mill_params params = yard_params(&y, 4, 2);
        CHECK_INT(mill_create(&params, &y.mill, &error), FM_ERR_NOMEM);
        CHECK_HAS(error.message, "of 4");
        CHECK(y.mill == NULL);
        CHECK_INT(atomic_load(&y.bundles), 0);
        CHECK_INT(atomic_load(&y.starts), 0);
    }
}

static void impossible_mills_are_refused(void)
{
    static const int sizes[][2] = {{0, 1}, {-1, 1}, {4097, 1}, {1, 0}, {1, -5}, {1, 4095}};
    struct yard y = {.mill = NULL};
    struct fm_error error;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const struct mill_params params = yard_params(&y, sizes[i][0], sizes[i][1]);
        CHECK_INT(mill_create(&params, &y.mill, &error), FM_ERR_ARGUMENT);
        CHECK_HAS(error.message, i < 3 ? "slots" : "workers");
        CHECK(y.mill == NULL);
    }
    struct mill_params idle = yard_params(&y, 1, 1);
    idle.process = NULL;
    CHECK_INT(mill_create(&idle, &y.mill, NULL), FM_ERR_ARGUMENT);
    CHECK_INT(atomic_load(&y.bundles), 0);
}

static void largest_ring(void)
{
    struct yard y = {.mill = NULL};
    if (!yard_open(&y, 4096, 70)) return;
    for (int i = 0; i < 4096; i++) yard_send(&y, false);
    mill_finish(y.mill);
    for (uint64_t id = 0; id < 4096; id++)
        if (!yard_expect(&y, id, 0)) break;
    yard_expect_end(&y);
    CHECK_INT(yard_metrics(&y).done, 4096);
    CHECK_INT(yard_metrics(&y).workers, 70);
    yard_close(&y);
}

#if defined(TEST_WRAPS_THREADS)
/* The linker puts these in between (--wrap), so that the n-th thread is refused. */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);

static int threads_until_failure = -1;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    if (threads_until_failure >= 0 && threads_until_failure-- == 0) return 11;
    return __real_pthread_create(thread, attr, start, arg);
}

static void threads_fail_in_turn(void)
{
    const int64_t live = core_alloc_live();
    for (int n = 0; n < 4; n++) {
        struct yard y = {.mill = NULL};
        struct fm_error error;
        const struct mill_params params = yard_params(&y, 3, 4);
        threads_until_failure = n;
        CHECK_INT(mill_create(&params, &y.mill, &error), FM_ERR_IO);
        threads_until_failure = -1;
        CHECK_HAS(error.message, "thread");
        CHECK(y.mill == NULL);
        CHECK_INT(atomic_load(&y.bundles), 0);
        CHECK_INT(atomic_load(&y.starts), n);
        CHECK_INT(atomic_load(&y.stops), n);
        CHECK_INT(core_alloc_live(), live);
    }
}
#endif

int main(void)
{
    RUN(begun_is_completed_the_rest_cancelled);
    RUN(a_stop_wakes_everyone);
    RUN(slots_held_at_the_end);
    RUN(a_finish_wakes_the_consumer);
    RUN(workers_end_when_all_is_finished);
    RUN(nothing_to_do);
    RUN(abandoned_house);
    RUN(a_wait_has_an_end);
    RUN(a_pace_is_not_exceeded);
    RUN(a_stop_does_not_wait_for_the_pace);
    RUN(stopped_at_any_moment);
    RUN(a_broken_worker_passes_its_error_on);
    RUN(one_broken_worker_of_two);
    RUN(allocations_fail_in_turn);
    RUN(bundles_fail_in_turn);
    RUN(impossible_mills_are_refused);
    RUN(largest_ring);
#if defined(TEST_WRAPS_THREADS)
    RUN(threads_fail_in_turn);
#endif
    return check_report();
}
