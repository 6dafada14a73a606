/* SPDX-License-Identifier: MIT */
/* Worker processes at work: results in shared memory, mixed with threads, weighted, live, and children that cannot start. */
#define _GNU_SOURCE
#include "mill_brood.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

struct stream {
    struct brood *brood;
    uint64_t count;
    struct egg like;
};

static void *stream_send(void *stream_)
{
    const struct stream *const s = stream_;
    for (uint64_t i = 0; i < s->count; i++)
        if (!brood_send(s->brood, s->like)) break;
    mill_finish(s->brood->mill);
    return NULL;
}

static void run_stream(struct brood *b, uint64_t count, struct egg like)
{
    struct stream s = {.brood = b, .count = count, .like = like};
    pthread_t thread;
    pthread_create(&thread, NULL, stream_send, &s);
    for (uint64_t i = 0; i < count; i++)
        if (!brood_expect(b, FM_OK, NULL)) break;
    pthread_join(thread, NULL);
    brood_expect_end(b);
    brood_check_sums(b, count);
}

static void processes_do_the_work(void)
{
    const int descriptors = brood_descriptors();
    const int64_t live = core_alloc_live();
    for (int processes = 1; processes <= 3; processes++) {
        struct brood b = {.mill = NULL};
        const struct mill_params params = brood_params(&b, "works", 4 + processes, processes);
        if (!brood_open(&b, &params)) return;
        run_stream(&b, 2000, (struct egg){.turns = 200});
        const struct mill_metrics m = brood_metrics(&b);
        CHECK_INT(m.done, 2000);
        CHECK_INT(m.restarts + m.redone, 0);
        CHECK(m.worker[0].is_process && !m.worker[0].is_left_out && m.busy_ns > 0);
        mill_destroy(&b.mill);
    }
    CHECK_INT(brood_descriptors(), descriptors);
    CHECK_INT(core_alloc_live(), live);
}

static void bundles_start_on_pages(void)
{
    for (int processes = 0; processes < 2; processes++) {
        struct brood b = {.mill = NULL};
        struct mill_params params = brood_params(&b, "works", 3, 1);
        struct mill_slot *s[3];
        params.processes = processes;
        params.process = brood_process;
        if (!brood_open(&b, &params)) return;
        for (int i = 0; i < 3; i++) {
            if (!CHECK_INT(mill_acquire(b.mill, &s[i]), FM_OK)) return;
            CHECK_INT((uintptr_t) s[i]->bundle % 4096, 0);
            CHECK_INT(s[i]->index, i);
            const struct egg *const e = s[i]->bundle;
            CHECK(e->question == 0 && e->tail[BROOD_TAIL - 1] == 0);
        }
        CHECK((uint8_t *) s[1]->bundle - (uint8_t *) s[0]->bundle >= (ptrdiff_t) sizeof(struct egg));
        for (int i = 0; i < 3; i++) mill_abandon(b.mill, s[i]);
        mill_destroy(&b.mill);
    }
}

static void processes_are_told(void)
{
    struct brood b = {.mill = NULL};
    char brief[] = BROOD_BRIEF;
    struct mill_params params = brood_params(&b, "briefed", 3, 1);
    params.brief = brief;
    params.brief_bytes = sizeof brief;
    if (!brood_open(&b, &params)) return;
    memset(brief, 0, sizeof brief); /* it was copied */
    brood_send(&b, (struct egg){.turns = 1});
    brood_expect(&b, FM_OK, NULL);
    mill_destroy(&b.mill);
    b.next = 0;
    params.brief_bytes = 0;
    if (!brood_open(&b, &params)) return;
    if (brood_send(&b, (struct egg){.turns = 1})) brood_expect(&b, FM_ERR_DEVICE, NULL); /* else it has refused already */
    brood_expect_end(&b);
    struct fm_error error;
    CHECK_INT(mill_get_failure(b.mill, &error), FM_ERR_DEVICE);
    CHECK_HAS(error.message, "a brief of 0 bytes");
    mill_destroy(&b.mill);
}

static void threads_and_processes_together(void)
{
    struct brood b = {.mill = NULL};
    struct mill_params params = brood_params(&b, "works", 8, 2);
    params.workers = 4;
    params.process = brood_process;
    if (!brood_open(&b, &params)) return;
    const uint64_t end = brood_deadline();
    uint64_t sent = 0;
    struct mill_metrics m;
    /* threads begin before processes have started */
    for (bool all = false; sent < 600 || (!all && core_now_ns() < end); sent += 8) {
        for (int i = 0; i < 8; i++) brood_send(&b, (struct egg){.sleep_us = 300});
        for (int i = 0; i < 8; i++)
            if (!brood_expect(&b, FM_OK, NULL)) return;
        m = brood_metrics(&b);
        all = m.worker_done[0] && m.worker_done[1] && m.worker_done[2] && m.worker_done[3];
    }
    mill_finish(b.mill);
    brood_expect_end(&b);
    brood_check_sums(&b, sent);
    for (int i = 0; i < 4; i++) {
        CHECK_MSG(m.worker_done[i] > 0, "worker %d did nothing", i);
        CHECK_INT(m.worker[i].is_process, i >= 2);
    }
    mill_destroy(&b.mill);
}

/* Worker n takes 0.2 ms times the square of its number: with the ring that there is all are worth keeping. Once the trials are over, of 49
 * slots they get 36, 9 and 4. */
static void unlike_processes_are_weighed(void)
{
    static const char *const names[] = {"swift", "calm", "slow"};
    struct brood b = {.mill = NULL};
    struct mill_params params = brood_params(&b, "unlike", 24, 3);
    struct mill_slot slot;
    params.policy = MILL_WEIGHTED;
    params.names = names;
    if (!brood_open(&b, &params)) return;
    const uint64_t end = brood_deadline();
    uint64_t sent = 0, count[3] = {0};
    for (; mill_is_calibrating(b.mill) && core_now_ns() < end; sent += 16) {
        for (int i = 0; i < 16; i++) brood_send(&b, (struct egg){.turns = 1});
        for (int i = 0; i < 16; i++)
            if (!brood_expect(&b, FM_OK, NULL)) return;
    }
    CHECK(!mill_is_calibrating(b.mill));
    for (int i = 0; i < 10 * 49; i++) {
        brood_send(&b, (struct egg){.turns = 1});
        if (!brood_expect(&b, FM_OK, &slot)) return;
        count[slot.worker]++;
    }
    const struct mill_metrics m = brood_metrics(&b);
    CHECK_STR(m.worker[2].name, "slow");
    for (int i = 0; i < 3; i++) {
        const double want = 36.0 / ((i + 1) * (i + 1)) / 49;
        CHECK_MSG(!m.worker[i].is_left_out, "%s is left out: %s", names[i], m.worker[i].reason);
        CHECK_NEAR(m.worker[i].share, want, 0.005); /* a microsecond for each slot is told, too */
        CHECK_NEAR((double) count[i], 490 * want, 4);
    }
    mill_finish(b.mill);
    brood_expect_end(&b);
    brood_check_sums(&b, sent + 490);
    mill_destroy(&b.mill);
}

static void overload_drops_the_oldest(void)
{
    struct brood b = {.mill = NULL};
    struct mill_params params = brood_params(&b, "works", 4, 2);
    struct stream stream = {.brood = &b, .count = 500, .like = {.sleep_us = 2000}};
    struct mill_slot *s;
    pthread_t thread;
    uint64_t got = 0, last = 0;
    params.live = true;
    if (!brood_open(&b, &params)) return;
    pthread_create(&thread, NULL, stream_send, &stream);
    while (mill_next(b.mill, &s) == FM_OK) {
        const struct egg *const e = s->bundle;
        CHECK((s->id > last || !got) && e->answer == brood_answer(s->id + 1000));
        last = s->id;
        got++;
        mill_release(b.mill, s);
    }
    pthread_join(thread, NULL);
    const struct mill_metrics m = brood_metrics(&b);
    CHECK(m.dropped > 0);
    CHECK_INT(m.dropped + got, 500);
    CHECK_INT(last, 499); /* the newest is always done */
    brood_check_sums(&b, 500);
    mill_destroy(&b.mill);
}

static void errors_travel_in_the_slot(void)
{
    struct brood b = {.mill = NULL};
    const struct mill_params params = brood_params(&b, "works", 3, 1);
    if (!brood_open(&b, &params)) return;
    for (int i = 0; i < 20; i++) {
        const int result = i % 3 ? FM_OK : FM_ERR_SHAPE;
        brood_send(&b, (struct egg){.result = result});
        brood_expect(&b, result, NULL);
    }
    CHECK_INT(brood_metrics(&b).failed, 7);
    mill_destroy(&b.mill);
}

/* Slots in every state, a worker in the middle of one. */
static void destroyed_in_the_middle(void)
{
    const int descriptors = brood_descriptors();
    struct brood b = {.mill = NULL};
    const struct mill_params params = brood_params(&b, "works", 6, 2);
    struct mill_slot *s;
    if (!brood_open(&b, &params)) return;
    brood_send(&b, (struct egg){.turns = 1});
    CHECK_INT(mill_next(b.mill, &s), FM_OK);
    for (int i = 0; i < 4; i++) brood_send(&b, (struct egg){.sleep_us = 20000});
    CHECK_INT(mill_acquire(b.mill, &s), FM_OK);
    mill_destroy(&b.mill);
    CHECK_INT(brood_descriptors(), descriptors);
}

/* The only worker is held at the second slot, or is not there yet. */
static void a_stop_cancels_what_is_not_begun(void)
{
    struct brood b = {.mill = NULL};
    const struct mill_params params = brood_params(&b, "works", 6, 1);
    struct mill_slot *s;
    int code, cancelled = 0, done = 0;
    if (!brood_open(&b, &params)) return;
    brood_send(&b, (struct egg){.turns = 1});
    struct egg *const held = brood_send(&b, (struct egg){.gate = 1});
    for (int i = 0; i < 4; i++) brood_send(&b, (struct egg){.turns = 1});
    brood_expect(&b, FM_OK, NULL);
    mill_stop(b.mill);
    if (held) atomic_store(&held->gate, 0);
    while ((code = mill_next(b.mill, &s)) == FM_OK) {
        cancelled += s->result == FM_ERR_CANCELLED;
        done += s->result == FM_OK;
        mill_release(b.mill, s);
    }
    CHECK_INT(code, FM_ERR_EOS);
    CHECK_INT(cancelled + done, 5);
    CHECK(cancelled >= 4);
    brood_check_sums(&b, 6);
    CHECK_INT(mill_get_failure(b.mill, NULL), FM_OK);
    mill_destroy(&b.mill);
}

/* ---- children that cannot start ---- */

static void a_program_that_is_not_there(void)
{
    const int descriptors = brood_descriptors();
    const int64_t live = core_alloc_live();
    const char *const program[] = {"/nonexistent/worker", NULL};
    struct brood b = {.mill = NULL};
    struct mill_params params = brood_params(&b, "works", 3, 2);
    struct fm_error error;
    params.program = program;
    CHECK_INT(mill_create(&params, &b.mill, &error), FM_ERR_IO);
    CHECK_HAS(error.message, "/nonexistent/worker");
    CHECK_HAS(error.message, "No such file");
    CHECK(b.mill == NULL);
    CHECK_INT(brood_descriptors(), descriptors);
    CHECK_INT(core_alloc_live(), live);
}

static void impossible_mills_are_refused(void)
{
    struct brood b = {.mill = NULL};
    const struct mill_params good = brood_params(&b, "works", 3, 1);
    struct mill_params params = good;
    params.program = NULL;
    CHECK_INT(mill_create(&params, &b.mill, NULL), FM_ERR_ARGUMENT);
    params = good;
    params.bundle_bytes = 0;
    CHECK_INT(mill_create(&params, &b.mill, NULL), FM_ERR_ARGUMENT);
    params = good;
    params.bundle_bytes = SIZE_MAX - 100;
    CHECK_INT(mill_create(&params, &b.mill, NULL), FM_ERR_ARGUMENT);
    params.bundle_bytes = SIZE_MAX / 2;
    CHECK_INT(mill_create(&params, &b.mill, NULL), FM_ERR_ARGUMENT);
    params = good;
    params.processes = 2;
    CHECK_INT(mill_create(&params, &b.mill, NULL), FM_ERR_ARGUMENT);
    params = good;
    params.workers = 2; /* one of them a thread, with nothing to do */
    CHECK_INT(mill_create(&params, &b.mill, NULL), FM_ERR_ARGUMENT);
    CHECK(b.mill == NULL);
}

/* All of its workers are gone: what was submitted comes back as such, nothing new is taken, and the reason is told. */
static void expect_failure(struct brood *b, const char *reason)
{
    struct mill_slot *s;
    struct fm_error error = {.code = FM_OK};
    int code, results = 0;
    for (int i = 0; i < 2; i++)
        if (brood_send(b, (struct egg){.turns = 1})) results++;
    for (; results; results--)
        if (!brood_expect(b, FM_ERR_DEVICE, NULL)) break;
    while ((code = mill_acquire(b->mill, &s)) == FM_OK) { /* the last may just be dying */
        mill_submit(b->mill, s);
        CHECK_INT(mill_next(b->mill, &s), FM_OK);
        CHECK_INT(s->result, FM_ERR_DEVICE);
        mill_release(b->mill, s);
    }
    CHECK_INT(code, FM_ERR_DEVICE);
    CHECK(s == NULL);
    brood_expect_end(b);
    CHECK_INT(mill_get_failure(b->mill, &error), FM_ERR_DEVICE);
    CHECK_HAS(error.message, "no worker is left");
    CHECK_HAS(error.message, reason);
    const struct mill_metrics m = brood_metrics(b);
    for (int i = 0; i < m.workers; i++) CHECK(m.worker[i].is_left_out && strstr(m.worker[i].reason, reason));
    mill_destroy(&b->mill);
}

static void children_that_refuse(void)
{
    struct brood b = {.mill = NULL};
    const struct mill_params params = brood_params(&b, "broken", 3, 2);
    if (!brood_open(&b, &params)) return;
    struct brood *const mine = &b;
    while (mill_get_failure(mine->mill, NULL) == FM_OK) sched_yield();
    CHECK_INT(brood_metrics(&b).restarts, 0); /* it would only refuse again */
    expect_failure(&b, "net.onnx of worker");
}

static void children_that_end_at_once(void)
{
    struct brood b = {.mill = NULL};
    struct mill_params params = brood_params(&b, "exits", 3, 2);
    params.restarts = 1;
    if (!brood_open(&b, &params)) return;
    while (mill_get_failure(b.mill, NULL) == FM_OK) sched_yield();
    CHECK_INT(brood_metrics(&b).restarts, 2);
    expect_failure(&b, "ended with code 7");
}

static void children_that_never_are_ready(void)
{
    struct brood b = {.mill = NULL};
    struct mill_params params = brood_params(&b, "sleeps", 3, 1);
    params.start_ms = 50;
    params.restarts = -1;
    if (!brood_open(&b, &params)) return;
    expect_failure(&b, "not ready after");
}

static void a_thread_goes_on_alone(void)
{
    struct brood b = {.mill = NULL};
    struct mill_params params = brood_params(&b, "exits", 4, 1);
    params.workers = 2;
    params.process = brood_process;
    params.restarts = -1;
    if (!brood_open(&b, &params)) return;
    run_stream(&b, 200, (struct egg){.turns = 10});
    CHECK_INT(mill_get_failure(b.mill, NULL), FM_OK);
    CHECK_INT(brood_metrics(&b).worker_done[0], 200);
    mill_destroy(&b.mill);
}

/* ---- the child's own errors ---- */

static void what_is_no_mill_is_refused(void)
{
    const struct mill_child child = {.process = brood_process};
    struct fm_error error;
    CHECK_INT(mill_child_run(-1, 0, &child, &error), FM_ERR_ARGUMENT);
    CHECK_INT(mill_child_run(9999, 0, &child, &error), FM_ERR_ARGUMENT);
    CHECK_INT(mill_child_run(-1, 0, NULL, &error), FM_ERR_ARGUMENT);
    for (int size = 0; size <= 8192; size += 4096) {
        const int file = memfd_create("junk", 0);
        uint8_t junk[4096];
        if (file < 0 || ftruncate(file, size)) SKIP("no memory to share");
        memset(junk, 0x5a, sizeof junk);
        if (size) CHECK_INT(pwrite(file, junk, sizeof junk, 0), sizeof junk);
        CHECK_INT(mill_child_run(file, 0, &child, &error), FM_ERR_ARGUMENT);
        CHECK_HAS(error.message, "mill");
        CHECK_INT(fcntl(file, F_GETFD), -1); /* it took the descriptor over */
    }
}

/* A process that makes a mill, waits until its worker works, and is killed: "--manager PIPE". */
static int manager(int pipe)
{
    struct brood b = {.mill = NULL};
    const struct mill_params params = brood_params(&b, "works", 2, 1);
    struct mill_slot *s;
    if (!brood_open(&b, &params) || !brood_send(&b, (struct egg){.turns = 1})) return 1;
    if (mill_next(b.mill, &s) != FM_OK) return 1;
    const int32_t pid = ((const struct egg *) s->bundle)->pid;
    if (write(pipe, &pid, sizeof pid) != sizeof pid) return 1;
    (void) kill(getpid(), SIGKILL);
    return 1;
}

static void workers_die_with_their_mill(void)
{
    struct brood b = {.mill = NULL};
    int ends[2], status;
    int32_t pid = 0;
    char text[16];
    (void) brood_params(&b, "works", 2, 1); /* for the path */
    if (!CHECK_INT(pipe(ends), 0)) return;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1)) SKIP("orphans cannot be waited for");
    snprintf(text, sizeof text, "%d", ends[1]);
    const pid_t child = fork();
    if (child == 0) {
        execl(b.path, b.path, "--manager", text, (char *) NULL);
        _exit(1);
    }
    close(ends[1]);
    CHECK_INT(read(ends[0], &pid, sizeof pid), sizeof pid);
    close(ends[0]);
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status));
    if (CHECK(pid > 0)) {
        CHECK_INT(waitpid(pid, &status, 0), pid); /* would hang if it lived on */
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    (void) prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void allocations_fail_in_turn(void)
{
    const int64_t live = core_alloc_live();
    const int descriptors = brood_descriptors();
    int refused = 0;
    for (uint64_t n = 1; n < 100; n++) {
        struct brood b = {.mill = NULL};
        struct mill_params params = brood_params(&b, "works", 3, 1);
        params.policy = MILL_WEIGHTED;
        core_alloc_fail_after(n, false);
        const int code = mill_create(&params, &b.mill, NULL);
        core_alloc_fail_after(0, false);
        mill_destroy(&b.mill);
        CHECK_INT(core_alloc_live(), live);
        CHECK_INT(brood_descriptors(), descriptors);
        if (code == FM_OK) break;
        CHECK_INT(code, FM_ERR_NOMEM);
        refused++;
    }
    CHECK(refused >= 8);
}

int main(int argc, char **argv)
{
    int code;
    if (brood_child(argc, argv, &code)) return code;
    if (argc == 3 && strcmp(argv[1], "--manager") == 0) return manager(atoi(argv[2]));
    if (!brood_is_possible()) {
        printf("0 passed, 0 failed, 1 skipped\n");
        return 0;
    }
    RUN(processes_do_the_work);
    RUN(bundles_start_on_pages);
    RUN(processes_are_told);
    RUN(threads_and_processes_together);
    RUN(unlike_processes_are_weighed);
    RUN(overload_drops_the_oldest);
    RUN(errors_travel_in_the_slot);
    RUN(destroyed_in_the_middle);
    RUN(a_stop_cancels_what_is_not_begun);
    RUN(a_program_that_is_not_there);
    RUN(impossible_mills_are_refused);
    RUN(children_that_refuse);
    RUN(children_that_end_at_once);
    RUN(children_that_never_are_ready);
    RUN(a_thread_goes_on_alone);
    RUN(what_is_no_mill_is_refused);
    RUN(workers_die_with_their_mill);
    RUN(allocations_fail_in_turn);
    return check_report();
}
