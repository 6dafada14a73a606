/* SPDX-License-Identifier: MIT */
/* The mill's times, by a clock that only the test moves. */
#include "mill_yard.h"

static _Atomic uint64_t clock_ns;
static uint64_t clock_read(void)
{
    return atomic_load(&clock_ns);
}
static void clock_pass(uint64_t ns)
{
    atomic_fetch_add(&clock_ns, ns);
}

static int process_for_30(void *user, int worker, void *bundle)
{
    (void) user;
    (void) worker;
    (void) bundle;
    clock_pass(30);
    return 0;
}

/* One worker: 30 ns busy and 70 idle per slot, by construction. */
static void busy_and_idle_make_the_wall(void)
{
    struct mill *mill;
    struct mill_slot *s;
    struct mill_metrics m;
    const struct mill_params params = {.slots = 1, .workers = 1, .process = process_for_30};
    atomic_store(&clock_ns, 5000);
    core_set_clock(clock_read);
    if (!CHECK_INT(mill_create(&params, &mill, NULL), FM_OK)) return;
    for (uint64_t i = 0; i < 10; i++) {
        if (!CHECK_INT(mill_acquire(mill, &s), FM_OK)) return;
        CHECK(s->bundle == NULL);
        const uint64_t before = clock_read();
        mill_submit(mill, s);
        CHECK_INT(mill_next(mill, &s), FM_OK);
        CHECK_INT(s->begun_ns, before);
        CHECK_INT(s->done_ns, before + 30);
        CHECK_INT(s->worker, 0);
        mill_get_metrics(mill, &m);
        CHECK_INT(m.busy_ns, 30 * (i + 1));
        CHECK_INT(m.idle_ns, 70 * i);
        clock_pass(70);
        mill_get_metrics(mill, &m); /* idle time still running is counted */
        CHECK_INT(m.idle_ns, 70 * (i + 1));
        mill_release(mill, s);
    }
    mill_finish(mill);
    CHECK_INT(mill_next(mill, &s), FM_ERR_EOS);
    mill_get_metrics(mill, &m);
    CHECK_INT(m.busy_ns + m.idle_ns, clock_read() - 5000);
    CHECK_INT(m.workers, 1);
    CHECK_INT(m.worker_done[0], 10);
    CHECK_INT(m.worker_busy_ns[0], 300);
    CHECK_INT(m.producer_wait_ns, 0);
    mill_destroy(&mill);
    core_set_clock(NULL);
}

static void waits_are_measured(void)
{
    struct yard y = {.mill = NULL};
    pthread_t thread;
    struct yard_call c = {.yard = &y};
    atomic_store(&clock_ns, 0);
    core_set_clock(clock_read);
    if (!yard_open(&y, 1, 1)) return;
    yard_send(&y, true);
    yard_await_gate(&y, 1);
    clock_pass(40);
    CHECK_INT(yard_metrics(&y).busy_ns, 40); /* what is at the gate counts already */
    pthread_create(&thread, NULL, yard_call_next, &c);
    YARD_AWAIT(yard_metrics(&y).consumer_waits == 1);
    clock_pass(500);
    yard_open_gate(&y);
    pthread_join(thread, NULL);
    CHECK_INT(yard_metrics(&y).consumer_wait_ns, 500);
    struct mill_slot *held = c.slot;
    pthread_create(&thread, NULL, yard_call_acquire, &c);
    YARD_AWAIT(yard_metrics(&y).producer_waits == 1);
    clock_pass(700);
    mill_release(y.mill, held);
    pthread_join(thread, NULL);
    mill_abandon(y.mill, c.slot);
    mill_finish(y.mill);
    yard_expect_end(&y);
    const struct mill_metrics m = yard_metrics(&y);
    CHECK_INT(m.consumer_waits, 1);
    CHECK_INT(m.producer_waits, 1);
    CHECK_INT(m.producer_wait_ns, 700);
    CHECK_INT(m.busy_ns, 540);
    CHECK_INT(m.idle_ns, 700);
    yard_close(&y);
    core_set_clock(NULL);
}

int main(void)
{
    RUN(busy_and_idle_make_the_wall);
    RUN(waits_are_measured);
    return check_report();
}
