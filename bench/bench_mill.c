/* SPDX-License-Identifier: MIT */
/* What the mill itself costs: empty slots through threads and processes, as fast as they go and one after the other; and what it makes of
 * workers of unlike speed.
 *
 *     bench_mill [--json] [SLOTS]
 *
 * A table, or a line of JSON for each row. Called with "--child DESCRIPTOR WORKER" it is one of its own worker processes. */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/threads.h"
#include "mill/child.h"
#include "mill/mill.h"

static char self[1024];
static bool as_json;

struct flow {
    struct mill *mill;
    long slots;
    long pause_us; /* between slots: a source of frames */
};

static int nothing(void *user, int worker, void *bundle)
{
    (void) user;
    (void) worker;
    ++*(uint64_t *) bundle;
    return 0;
}

static double cpu_seconds(void)
{
    double sum = 0;
    for (int who = 0; who < 2; who++) {
        struct rusage u;
        getrusage(who ? RUSAGE_CHILDREN : RUSAGE_SELF, &u);
        sum += (double) (u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double) (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
    }
    return sum;
}

static void *produce(void *flow_)
{
    const struct flow *const f = flow_;
    struct mill_slot *s;
    for (long i = 0; i < f->slots && mill_acquire(f->mill, &s) == FM_OK; i++) {
        mill_submit(f->mill, s);
        if (f->pause_us) nanosleep(&(struct timespec){.tv_nsec = f->pause_us * 1000}, NULL);
    }
    mill_finish(f->mill);
    return NULL;
}

/* ---- what the system takes for the same sleeps and wakes, without a mill ---- */

struct bare {
    sem_t to_worker, to_consumer;
    long count, pause_us;
};

static void *bare_source(void *bare_)
{
    struct bare *const b = bare_;
    for (long i = 0; i < b->count; i++) {
        sem_post(&b->to_worker);
        nanosleep(&(struct timespec){.tv_nsec = b->pause_us * 1000}, NULL);
    }
    return NULL;
}

static void *bare_worker(void *bare_)
{
    struct bare *const b = bare_;
    for (long i = 0; i < b->count; i++) {
        while (sem_wait(&b->to_worker) != 0) continue;
        sem_post(&b->to_consumer);
    }
    return NULL;
}

static double bare_us(long count, long pause_us)
{
    struct bare b = {.count = count, .pause_us = pause_us};
    pthread_t source, worker;
    sem_init(&b.to_worker, 0, 0);
    sem_init(&b.to_consumer, 0, 0);
    const double cpu = cpu_seconds();
    if (pthread_create(&worker, NULL, bare_worker, &b) != 0) return 0;
    pthread_create(&source, NULL, bare_source, &b);
    for (long i = 0; i < count; i++)
        while (sem_wait(&b.to_consumer) != 0) continue;
    pthread_join(source, NULL);
    pthread_join(worker, NULL);
    return (cpu_seconds() - cpu) * 1e6 / (double) count;
}

/* ---- empty slots ---- */

static int measure(const char *what, int slots, int workers, int processes, enum mill_policy policy, long count, long pause_us)
{
    const char *const program[] = {self, "--child", NULL};
    const struct mill_params params = {.slots = slots,
        .workers = workers,
        .process = nothing,
        .policy = policy,
        .bundle_bytes = 64,
        .processes = processes,
        .program = program};
    struct flow f = {.slots = count, .pause_us = pause_us};
    struct mill_slot *s;
    struct fm_error error;
    pthread_t producer;
    const double cpu = cpu_seconds();
    if (mill_create(&params, &f.mill, &error) != FM_OK) {
        printf("%-44s %s\n", what, error.message);
        return 1;
    }
    /* the first slot waits for the workers to be there */
    if (mill_acquire(f.mill, &s) == FM_OK) mill_submit(f.mill, s);
    if (mill_next(f.mill, &s) == FM_OK) mill_release(f.mill, s);
    const uint64_t begun = core_now_ns();
    pthread_create(&producer, NULL, produce, &f);
    long got = 0;
    for (; mill_next(f.mill, &s) == FM_OK; got++) mill_release(f.mill, s);
    const double wall = (double) (core_now_ns() - begun) * 1e-9;
    pthread_join(producer, NULL);
    mill_destroy(&f.mill);
    const double own = (cpu_seconds() - cpu) * 1e6 / (double) got, bare = pause_us ? bare_us(count, pause_us) : 0;
    if (as_json) {
        printf("{\"what\": \"%s\", \"slots_per_s\": %.0f, \"us_per_slot\": %.3f, \"bare_us\": %.3f}\n", what, (double) got / wall,
            own, bare);
    } else {
        printf("%-44s %9.0f slots/s   %6.2f us of processor time a slot", what, (double) got / wall, own);
        if (pause_us) printf(" (%.2f with bare semaphores)", bare);
        printf("\n");
    }
    return got == count ? 0 : 1;
}

/* ---- workers of unlike speed ---- */

static int sleep_for(void *user, int worker, void *bundle)
{
    const int *const ms = user;
    (void) bundle;
    nanosleep(&(struct timespec){.tv_nsec = ms[worker] * 1000000L}, NULL);
    return FM_OK;
}

/* The ideal is the sum of what each would do alone. Measured when the trials are over and the last of their slots are through. */
static int measure_schedule(int frames)
{
    static int ms[] = {20, 50, 100};
    static const char *const names[] = {"20 ms", "50 ms", "100 ms"};
    const struct mill_params params = {
        .slots = 16, .workers = 3, .user = ms, .process = sleep_for, .policy = MILL_WEIGHTED, .names = names};
    struct flow f = {.slots = 4000};
    struct mill_metrics m = {0}, then = {0};
    struct mill_slot *s;
    struct fm_error error;
    pthread_t producer;
    uint64_t begun = 0, next = 0;
    long first = 0, got = 0;
    int in_order = 1;
    if (mill_create(&params, &f.mill, &error) != FM_OK) {
        fprintf(stderr, "bench_mill: %s\n", error.message);
        return 1;
    }
    pthread_create(&producer, NULL, produce, &f);
    for (; (!first || got < first + frames) && mill_next(f.mill, &s) == FM_OK; got++) {
        if (s->id != next++) in_order = 0;
        mill_release(f.mill, s);
        mill_get_metrics(f.mill, &m);
        if (!first && !m.is_calibrating) first = got + params.slots;
        if (!begun && first && got >= first) begun = core_now_ns(), then = m;
    }
    const double wall = (double) (core_now_ns() - begun) * 1e-9, fps = frames / wall;
    const double busy = (double) (m.worker_busy_ns[0] - then.worker_busy_ns[0]) * 1e-9 / wall;
    mill_stop(f.mill);
    while (mill_next(f.mill, &s) == FM_OK) mill_release(f.mill, s);
    pthread_join(producer, NULL);
    mill_destroy(&f.mill);
    double alone = 0; /* with what delayed their sleep here */
    for (int i = 0; i < 3; i++) alone += 1e3 / m.worker[i].mean_ms;
    const char *const what = "3 workers of 20, 50, 100 ms a slot, by weight";
    if (as_json)
        printf("{\"what\": \"%s\", \"fps\": %.2f, \"ideal_fps\": 80, \"alone_fps\": %.2f, \"fast_busy\": %.4f, \"in_order\": %s}\n",
            what, fps, alone, busy, in_order ? "true" : "false");
    else
        printf("%-44s %9.2f slots/s of 80 (each alone: %.2f), the fast one busy %.1f %%, %s\n", what, fps, alone, busy * 100,
            in_order ? "in order" : "NOT IN ORDER");
    return in_order ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--child") == 0) {
        const struct mill_child child = {.process = nothing};
        return mill_child_run(atoi(argv[2]), atoi(argv[3]), &child, NULL) == FM_OK ? 0 : 1;
    }
    as_json = argc > 1 && strcmp(argv[1], "--json") == 0;
    const int at = as_json ? 2 : 1;
    const long count = argc > at ? atol(argv[at]) : 300000, single = count < 2000 ? count : 2000;
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    if (count < 100 || argc > at + 1) {
        fprintf(stderr, "usage: bench_mill [--json] [SLOTS]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    int failed = 0;
    failed += measure("2 threads, ring of 8", 8, 2, 0, MILL_ANY, count, 0);
    failed += measure("2 threads, ring of 64", 64, 2, 0, MILL_ANY, count, 0);
    failed += measure("2 processes, ring of 8", 8, 2, 2, MILL_ANY, count, 0);
    failed += measure("2 processes, ring of 64", 64, 2, 2, MILL_ANY, count, 0);
    failed += measure("2 processes, ring of 64, by weight", 64, 2, 2, MILL_WEIGHTED, count, 0);
    failed += measure("2 processes, ring of 8, one slot at a time", 8, 2, 2, MILL_ANY, single, 500);
    failed += measure("2 threads, ring of 8, one slot at a time", 8, 2, 0, MILL_ANY, single, 500);
    failed += measure_schedule(count < 2000 ? 40 : 400);
    return failed ? 1 : 0;
}
