/* SPDX-License-Identifier: MIT */
/* What the mill itself costs: empty slots through threads and processes, one after the other and as fast as they go.
 *
 *     bench_mill [SLOTS]
 *
 * Called with "--child DESCRIPTOR WORKER" it is one of its own worker processes. */
#define _GNU_SOURCE
#include <pthread.h>
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

/* What the sleeping of a source costs by itself, here. */
static double nap_cost_us(long pause_us)
{
    const double cpu = cpu_seconds();
    for (int i = 0; i < 2000; i++) nanosleep(&(struct timespec){.tv_nsec = pause_us * 1000}, NULL);
    return (cpu_seconds() - cpu) * 1e6 / 2000;
}

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
    const double own = (cpu_seconds() - cpu) * 1e6 / (double) got;
    printf("%-44s %9.0f slots/s   %6.2f us of processor time a slot", what, (double) got / wall, own);
    if (pause_us) printf(" (%.1f of it the source's naps)", nap_cost_us(pause_us));
    printf("\n");
    return got == count ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--child") == 0) {
        const struct mill_child child = {.process = nothing};
        return mill_child_run(atoi(argv[2]), atoi(argv[3]), &child, NULL) == FM_OK ? 0 : 1;
    }
    const long count = argc > 1 ? atol(argv[1]) : 300000;
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    if (count < 100) {
        fprintf(stderr, "usage: bench_mill [SLOTS]\n");
        return 2;
    }
    int failed = 0;
    failed += measure("2 threads, ring of 8", 8, 2, 0, MILL_ANY, count, 0);
    failed += measure("2 threads, ring of 64", 64, 2, 0, MILL_ANY, count, 0);
    failed += measure("2 processes, ring of 8", 8, 2, 2, MILL_ANY, count, 0);
    failed += measure("2 processes, ring of 64", 64, 2, 2, MILL_ANY, count, 0);
    failed += measure("2 processes, ring of 64, by weight", 64, 2, 2, MILL_WEIGHTED, count, 0);
    failed += measure("2 processes, ring of 8, one slot at a time", 8, 2, 2, MILL_ANY, 2000, 500);
    failed += measure("2 threads, ring of 8, one slot at a time", 8, 2, 0, MILL_ANY, 2000, 500);
    return failed ? 1 : 0;
}
