/* SPDX-License-Identifier: MIT */
/* Worker processes that are killed and that hang: no slot is lost, none is done twice in what comes out, all is counted. */
#define _GNU_SOURCE
#include "mill_brood.h"

static void killed_in_mid_slot(void)
{
    for (int processes = 1; processes <= 2; processes++) {
        struct brood b = {.mill = NULL};
        const struct mill_params params = brood_params(&b, "works", 6, processes);
        if (!brood_open(&b, &params)) return;
        for (uint32_t i = 0; i < 12; i++) brood_send(&b, (struct egg){.deaths = i % 6 == 2 ? 2 : 0}), brood_expect(&b, FM_OK, NULL);
        mill_finish(b.mill);
        brood_expect_end(&b);
        brood_check_sums(&b, 12);
        const struct mill_metrics m = brood_metrics(&b);
        CHECK_INT(m.redone, 4);
        CHECK(m.restarts >= 2 && m.restarts <= 4); /* of two, the last to die is not missed */
        for (int i = 0; i < processes; i++)
            CHECK_MSG(!m.worker[i].restarts || strstr(m.worker[i].reason, "signal 9"), "\"%s\"", m.worker[i].reason);
        CHECK_INT(mill_get_failure(b.mill, NULL), FM_OK);
        mill_destroy(&b.mill);
    }
}

/* The one killed at the very end, when the other had nothing left to do. */
static void killed_at_the_last_slot(void)
{
    for (int round = 0; round < 10; round++) {
        struct brood b = {.mill = NULL};
        const struct mill_params params = brood_params(&b, "works", 4, 2);
        if (!brood_open(&b, &params)) return;
        brood_send(&b, (struct egg){.turns = 1});
        brood_send(&b, (struct egg){.deaths = 1, .sleep_us = 1000});
        mill_finish(b.mill);
        brood_expect(&b, FM_OK, NULL);
        brood_expect(&b, FM_OK, NULL);
        brood_expect_end(&b);
        brood_check_sums(&b, 2);
        mill_destroy(&b.mill);
    }
}

static void hung_in_mid_slot(void)
{
    struct brood b = {.mill = NULL};
    struct mill_params params = brood_params(&b, "works", 6, 2);
    params.hang_ms = 150;
    params.restarts = 50; /* a loaded machine may hang sound ones too: no harm */
    if (!brood_open(&b, &params)) return;
    brood_send(&b, (struct egg){.hangs = 1});
    brood_expect(&b, FM_OK, NULL);
    const struct mill_metrics m = brood_metrics(&b); /* before anyone hangs at another slot */
    CHECK(m.redone >= 1);
    CHECK(strstr(m.worker[0].reason, "hung at slot 0") || strstr(m.worker[1].reason, "hung at slot 0"));
    brood_send(&b, (struct egg){.hangs = 1});
    for (int i = 0; i < 5; i++) brood_send(&b, (struct egg){.turns = 1000});
    for (int i = 0; i < 6; i++) brood_expect(&b, FM_OK, NULL);
    mill_finish(b.mill);
    brood_expect_end(&b);
    brood_check_sums(&b, 7);
    CHECK(brood_metrics(&b).redone >= 2);
    mill_destroy(&b.mill);
}

static void hung_at_the_end(void)
{
    struct brood b = {.mill = NULL};
    struct mill_params params = brood_params(&b, "works", 2, 1);
    params.hang_ms = 150;
    if (!brood_open(&b, &params)) return;
    brood_send(&b, (struct egg){.turns = 1});
    brood_expect(&b, FM_OK, NULL);
    brood_send(&b, (struct egg){.hangs = 1000});
    mill_destroy(&b.mill); /* does not wait for ever */
    CHECK(b.mill == NULL);
}

/* One that is stopped while it has nothing to do, and for which slots are meant then. */
static void stopped_while_idle(void)
{
    struct brood b = {.mill = NULL};
    struct mill_params params = brood_params(&b, "works", 10, 2);
    struct mill_slot slot = {.worker = -1};
    params.policy = MILL_WEIGHTED;
    params.hang_ms = 200;
    params.restarts = 50;
    if (!brood_open(&b, &params)) return;
    for (const uint64_t end = brood_deadline(); mill_is_calibrating(b.mill) && core_now_ns() < end;) {
        for (int k = 0; k < 4; k++) brood_send(&b, (struct egg){.sleep_us = 1000});
        for (int k = 0; k < 4; k++) brood_expect(&b, FM_OK, NULL);
    }
    CHECK(!mill_is_calibrating(b.mill));
    brood_send(&b, (struct egg){.sleep_us = 1000});
    brood_expect(&b, FM_OK, &slot);
    const struct egg *const e = slot.bundle;
    (void) kill(e->pid, SIGSTOP);
    const uint64_t sent = b.next;
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 4; k++) brood_send(&b, (struct egg){.turns = 10});
        for (int k = 0; k < 4; k++) brood_expect(&b, FM_OK, NULL);
    }
    mill_finish(b.mill);
    brood_expect_end(&b);
    brood_check_sums(&b, sent + 8);
    CHECK_HAS(brood_metrics(&b).worker[slot.worker].reason, "hung at slot");
    mill_destroy(&b.mill);
}

/* All of them are, and slots are for anyone. */
static void all_stopped_while_idle(void)
{
    struct brood b = {.mill = NULL};
    struct mill_params params = brood_params(&b, "works", 4, 1);
    struct mill_slot slot = {.worker = -1};
    params.hang_ms = 200;
    params.restarts = 50;
    if (!brood_open(&b, &params)) return;
    brood_send(&b, (struct egg){.turns = 10});
    brood_expect(&b, FM_OK, &slot);
    (void) kill(((const struct egg *) slot.bundle)->pid, SIGSTOP);
    for (int i = 0; i < 3; i++) brood_send(&b, (struct egg){.turns = 10});
    for (int i = 0; i < 3; i++) brood_expect(&b, FM_OK, NULL);
    CHECK(brood_metrics(&b).restarts >= 1);
    mill_destroy(&b.mill);
}

/* Once it is known what slots take, nobody waits as long for one that hangs as was allowed at first. */
static void known_slots_hang_sooner(void)
{
    struct brood b = {.mill = NULL};
    struct mill_params params = brood_params(&b, "works", 4, 2);
    params.hang_ms = 3600 * 1000;
    if (!brood_open(&b, &params)) return;
    for (int i = 0; i < 12; i++) brood_send(&b, (struct egg){.turns = 10}), brood_expect(&b, FM_OK, NULL);
    brood_send(&b, (struct egg){.hangs = 1});
    brood_expect(&b, FM_OK, NULL);
    CHECK_INT(brood_metrics(&b).redone, 1);
    mill_destroy(&b.mill);
}

/* A slot that kills whoever touches it does not take the mill with it. */
static void a_slot_that_kills_everyone(void)
{
    struct brood b = {.mill = NULL};
    struct mill_params params = brood_params(&b, "works", 4, 2);
    if (!brood_open(&b, &params)) return;
    brood_send(&b, (struct egg){.deaths = 1000});
    brood_send(&b, (struct egg){.turns = 1});
    brood_expect(&b, FM_ERR_DEVICE, NULL);
    brood_expect(&b, FM_OK, NULL);
    for (int i = 0; i < 20; i++) brood_send(&b, (struct egg){.turns = 1}), brood_expect(&b, FM_OK, NULL);
    mill_finish(b.mill);
    brood_expect_end(&b);
    brood_check_sums(&b, 22);
    CHECK_INT(brood_metrics(&b).failed, 1);
    CHECK_INT(brood_metrics(&b).redone, 3);
    mill_destroy(&b.mill);
}

static void restarts_run_out(void)
{
    struct brood b = {.mill = NULL};
    struct mill_params params = brood_params(&b, "works", 4, 1);
    struct fm_error error;
    struct mill_slot *s;
    params.restarts = 2;
    if (!brood_open(&b, &params)) return;
    for (int i = 0; i < 2; i++) {
        brood_send(&b, (struct egg){.deaths = 1});
        brood_expect(&b, FM_OK, NULL);
    }
    brood_send(&b, (struct egg){.deaths = 1});
    brood_send(&b, (struct egg){.turns = 1});
    brood_expect(&b, FM_ERR_DEVICE, NULL);
    brood_expect(&b, FM_ERR_DEVICE, NULL);
    CHECK_INT(mill_acquire(b.mill, &s), FM_ERR_DEVICE);
    brood_expect_end(&b);
    CHECK_INT(mill_get_failure(b.mill, &error), FM_ERR_DEVICE);
    CHECK_HAS(error.message, "signal 9");
    CHECK_INT(brood_metrics(&b).restarts, 2);
    brood_check_sums(&b, 4);
    mill_destroy(&b.mill);
}

/* ---- at any moment ---- */

struct torrent {
    struct brood brood;
    uint64_t end_ns;
    _Atomic uint64_t sent;
};

static void *torrent_send(void *torrent_)
{
    struct torrent *const t = torrent_;
    while (core_now_ns() < t->end_ns || (!brood_metrics(&t->brood).restarts && core_now_ns() < t->end_ns + 20000000000u)) {
        const uint32_t turns = (uint32_t) (atomic_load(&t->sent) * 7919 % 20000);
        if (!brood_send(&t->brood, (struct egg){.turns = turns})) break;
        atomic_fetch_add(&t->sent, 1);
    }
    mill_finish(t->brood.mill);
    return NULL;
}

static void torrent_run(int processes, int threads, enum mill_policy policy)
{
    struct torrent t = {.brood = {.mill = NULL}};
    struct mill_params params = brood_params(&t.brood, "mortal", 8, processes);
    struct mill_slot *s;
    pthread_t thread;
    params.workers = processes + threads;
    params.process = brood_process;
    params.policy = policy;
    params.restarts = 1000000;
    if (!brood_open(&t.brood, &params)) return;
    t.end_ns = core_now_ns() + 1000000000u;
    pthread_create(&thread, NULL, torrent_send, &t);
    int code;
    while ((code = mill_next(t.brood.mill, &s)) == FM_OK) {
        const struct egg *const e = s->bundle;
        const bool held = CHECK_INT(s->id, t.brood.next) && CHECK_INT(s->result, FM_OK) &&
                          CHECK(e->question == s->id + 1000 && e->answer == brood_answer(e->question)) &&
                          CHECK(e->tail[BROOD_TAIL - 1] == (uint8_t) e->question);
        t.brood.next++;
        mill_release(t.brood.mill, s);
        if (!held) mill_stop(t.brood.mill);
    }
    pthread_join(thread, NULL);
    CHECK_INT(code, FM_ERR_EOS);
    CHECK_INT(t.brood.next, atomic_load(&t.sent));
    brood_check_sums(&t.brood, atomic_load(&t.sent));
    const struct mill_metrics m = brood_metrics(&t.brood);
    CHECK(m.restarts > 0);
    CHECK(m.restarts >= m.redone);
    mill_destroy(&t.brood.mill);
}

static void killed_at_any_moment(void)
{
    const int descriptors = brood_descriptors();
    const int64_t live = core_alloc_live();
    torrent_run(2, 0, MILL_ANY);
    torrent_run(1, 0, MILL_ANY);
    torrent_run(2, 1, MILL_ANY);
    torrent_run(2, 0, MILL_WEIGHTED);
    torrent_run(2, 1, MILL_WEIGHTED);
    CHECK_INT(brood_descriptors(), descriptors);
    CHECK_INT(core_alloc_live(), live);
}

int main(int argc, char **argv)
{
    int code;
    if (brood_child(argc, argv, &code)) return code;
    if (!brood_is_possible()) {
        printf("0 passed, 0 failed, 1 skipped\n");
        return 0;
    }
    RUN(killed_in_mid_slot);
    RUN(killed_at_the_last_slot);
    RUN(hung_in_mid_slot);
    RUN(hung_at_the_end);
    RUN(stopped_while_idle);
    RUN(all_stopped_while_idle);
    RUN(known_slots_hang_sooner);
    RUN(a_slot_that_kills_everyone);
    RUN(restarts_run_out);
    RUN(killed_at_any_moment);
    return check_report();
}
