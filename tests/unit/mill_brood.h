/* SPDX-License-Identifier: MIT */
/* What the tests of worker processes share. The test program is also the workers' program: called with "--child MODE DESCRIPTOR
 * WORKER" it is one of them (brood_child, first thing in main). */
#ifndef FM_TESTS_MILL_BROOD_H
#define FM_TESTS_MILL_BROOD_H

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/threads.h"
#include "mill/child.h"
#include "mill/mill.h"
#include "told_clock.h"

#define BROOD_TAIL 5000 /* bytes of result, more than a page */

/* A bundle. Everything but the counts is written by one side and read by the other. */
struct egg {
    uint64_t question, answer;
    uint32_t turns;     /* of work */
    uint32_t sleep_us;  /* the same, without a processor */
    uint32_t deaths;    /* as many processes die over it */
    uint32_t hangs;     /* ... or hang */
    atomic_uint gate;   /* it is held as long as this is set */
    int32_t result;     /* that process must give */
    int32_t pid;        /* of who did it */
    atomic_uint begins; /* times it was begun */
    uint8_t tail[BROOD_TAIL];
};

CHECK_UNUSED static uint64_t brood_answer(uint64_t question)
{
    return question * 0x9e3779b97f4a7c15u + 7;
}

CHECK_UNUSED static void brood_sleep_us(uint32_t us)
{
    const struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = (long) (us % 1000000) * 1000};
    nanosleep(&t, NULL);
}

CHECK_UNUSED static int brood_process(void *user, int worker, void *bundle)
{
    struct egg *const e = bundle;
    const uint64_t begun_ns = told_clock_last;
    const unsigned begun = atomic_fetch_add(&e->begins, 1);
    const int slowness = user ? *(const int *) user : 0; /* microseconds by worker */
    if (begun < e->deaths) (void) kill(getpid(), SIGKILL);
    if (begun < e->hangs)
        for (;;) pause();
    while (atomic_load(&e->gate)) brood_sleep_us(500);
    for (volatile uint32_t i = 0; i < e->turns; i++) {
    }
    if (e->sleep_us) brood_sleep_us(e->sleep_us);
    const uint32_t slow_us = (uint32_t) slowness * (uint32_t) (worker + 1) * (uint32_t) (worker + 1);
    if (slow_us) brood_sleep_us(slow_us);
    e->answer = brood_answer(e->question);
    memset(e->tail, (int) (e->question & 0xff), sizeof e->tail);
    e->pid = getpid();
    if (begun_ns) told_clock_next = begun_ns + (1 + e->sleep_us + slow_us) * UINT64_C(1000);
    return e->result;
}

/* ---- the workers' side ---- */

static void brood_die(int signal_)
{
    (void) signal_;
    (void) kill(getpid(), SIGKILL);
}

/* Some time after its start the worker is killed, wherever it is just then: even ones after some time of work, odd ones after some
 * time. No lifetime is as short as a slot. */
CHECK_UNUSED static int brood_start_mortal(void *user, int worker, const struct mill_site *site, struct fm_error *error)
{
    struct timespec now;
    (void) user;
    (void) site;
    (void) error;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const unsigned random = (unsigned) (now.tv_nsec / 1000) * 2654435761u >> 16;
    const long ms = worker % 2 ? 60 + random % 100 : 8 + random % 30;
    const struct itimerval life = {.it_value = {.tv_usec = ms * 1000}};
    (void) signal(SIGALRM, brood_die);
    (void) signal(SIGPROF, brood_die);
    (void) setitimer(worker % 2 ? ITIMER_REAL : ITIMER_PROF, &life, NULL);
    return 0;
}

#define BROOD_BRIEF "what a task tells its processes"

CHECK_UNUSED static int brood_start_briefed(void *user, int worker, const struct mill_site *site, struct fm_error *error)
{
    (void) user;
    (void) worker;
    const bool right = site->brief_bytes == sizeof BROOD_BRIEF && memcmp(site->brief, BROOD_BRIEF, sizeof BROOD_BRIEF) == 0 &&
                       (uintptr_t) site->brief % CORE_CACHE_LINE == 0 && site->stride >= site->bundle_bytes &&
                       site->stride % 4096 == 0 && !atomic_load(site->stopping);
    return right ? FM_OK : core_fail(error, FM_ERR_FORMAT, "a brief of %zu bytes", site->brief_bytes);
}

CHECK_UNUSED static int brood_start_broken(void *user, int worker, const struct mill_site *site, struct fm_error *error)
{
    (void) user;
    if (site->bundle_bytes != sizeof(struct egg))
        return core_fail(error, FM_ERR_ARGUMENT, "bundles of %zu bytes", site->bundle_bytes);
    return core_fail(error, FM_ERR_FORMAT, "net.onnx of worker %d is \"damaged\"", worker);
}

CHECK_UNUSED static bool brood_child(int argc, char **argv, int *code)
{
    static int slowness = 200;
    if (argc != 5 || strcmp(argv[1], "--child") != 0) return false;
    const char *const mode = argv[2];
    struct mill_child child = {.process = brood_process};
    struct fm_error error;
    *code = 7;
    core_set_clock(told_clock);
    if (strcmp(mode, "exits") == 0) return true;
    if (strcmp(mode, "sleeps") == 0)
        for (;;) pause();
    if (strcmp(mode, "mortal") == 0) child.worker_start = brood_start_mortal;
    if (strcmp(mode, "broken") == 0) child.worker_start = brood_start_broken;
    if (strcmp(mode, "briefed") == 0) child.worker_start = brood_start_briefed;
    if (strcmp(mode, "unlike") == 0) child.user = &slowness;
    *code = mill_child_run(atoi(argv[3]), atoi(argv[4]), &child, &error) == FM_OK ? 0 : 1;
    return true;
}

/* ---- the mill's side ---- */

struct brood {
    struct mill *mill;
    char path[512];
    const char *program[4];
    uint64_t next; /* id that comes next */
};

CHECK_UNUSED static struct mill_params brood_params(struct brood *b, const char *mode, int slots, int processes)
{
    const ssize_t n = readlink("/proc/self/exe", b->path, sizeof b->path - 1);
    b->path[n > 0 ? n : 0] = 0;
    b->program[0] = b->path;
    b->program[1] = "--child";
    b->program[2] = mode;
    b->program[3] = NULL;
    return (struct mill_params){.slots = slots,
        .workers = processes,
        .processes = processes,
        .bundle_bytes = sizeof(struct egg),
        .program = b->program,
        .hang_ms = 20000};
}

/* False: said why. */
CHECK_UNUSED static bool brood_open(struct brood *b, const struct mill_params *params)
{
    struct fm_error error = {.code = FM_OK};
    const int code = mill_create(params, &b->mill, &error);
    return CHECK_MSG(code == FM_OK, "mill_create: %s", error.message);
}

CHECK_UNUSED static bool brood_is_possible(void)
{
    struct brood b = {.mill = NULL};
    const struct mill_params params = brood_params(&b, "", 1, 1);
    const bool possible = mill_create(&params, &b.mill, NULL) != FM_ERR_UNSUPPORTED;
    mill_destroy(&b.mill);
    return possible;
}

/* What was sent, of which only the gate is still the sender's; NULL: the mill takes nothing any more. */
CHECK_UNUSED static struct egg *brood_send(struct brood *b, struct egg like)
{
    struct mill_slot *s;
    const int code = mill_acquire(b->mill, &s);
    if (code != FM_OK) return NULL;
    struct egg *const e = s->bundle;
    e->question = s->id + 1000;
    e->answer = 0;
    e->turns = like.turns;
    e->sleep_us = like.sleep_us;
    e->deaths = like.deaths;
    e->hangs = like.hangs;
    e->result = like.result;
    atomic_store(&e->gate, atomic_load(&like.gate));
    atomic_store(&e->begins, 0);
    memset(e->tail, 0xee, sizeof e->tail);
    mill_submit(b->mill, s);
    return e;
}

/* The next one in order, as it must be; `copy` may be NULL. */
CHECK_UNUSED static bool brood_expect(struct brood *b, int result, struct mill_slot *copy)
{
    struct mill_slot *s;
    if (!CHECK_INT(mill_next(b->mill, &s), FM_OK)) return false;
    const struct egg *const e = s->bundle;
    bool held = CHECK_INT(s->id, b->next) && CHECK_INT(s->result, result) && CHECK_INT(e->question, s->id + 1000);
    if (held && result == FM_OK)
        held = CHECK(e->answer == brood_answer(e->question)) && CHECK(e->tail[0] == (uint8_t) e->question) &&
               CHECK(e->tail[BROOD_TAIL - 1] == (uint8_t) e->question);
    b->next++;
    if (copy) *copy = *s;
    mill_release(b->mill, s);
    return held;
}

CHECK_UNUSED static void brood_expect_end(struct brood *b)
{
    struct mill_slot *s;
    CHECK_INT(mill_next(b->mill, &s), FM_ERR_EOS);
}

CHECK_UNUSED static struct mill_metrics brood_metrics(struct brood *b)
{
    struct mill_metrics m;
    mill_get_metrics(b->mill, &m);
    return m;
}

/* All that was sent came back, and was counted once. */
CHECK_UNUSED static void brood_check_sums(struct brood *b, uint64_t sent)
{
    const struct mill_metrics m = brood_metrics(b);
    uint64_t done = 0;
    for (int i = 0; i < m.workers; i++) done += m.worker_done[i];
    CHECK_INT(m.acquired, sent);
    CHECK_INT(m.submitted, sent);
    CHECK_INT(m.delivered + m.dropped, sent);
    CHECK_INT(m.done + m.cancelled, m.delivered);
    CHECK_INT(done, m.done);
}

/* For what must happen in the end, however slow the machine: until then, in nanoseconds. */
CHECK_UNUSED static uint64_t brood_deadline(void)
{
    return core_now_ns() + UINT64_C(120000000000);
}

CHECK_UNUSED static int brood_descriptors(void)
{
    DIR *const dir = opendir("/proc/self/fd");
    int n = 0;
    while (dir && readdir(dir)) n++;
    if (dir) closedir(dir);
    return n;
}

#endif
