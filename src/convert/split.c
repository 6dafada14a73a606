/* SPDX-License-Identifier: MIT */
#include "convert/split.h"

#include <stdatomic.h>

#define SPLIT_SAMPLES 65536 /* less work than this takes as long as waking a thread */
#define SPLIT_PARTS 4       /* for each thread */

struct split_job {
    atomic_int next; /* the next part */
    int rows, step, parts;
    split_fn *work;
    void *arg;
};

static void split_thread(void *job_, int thread)
{
    struct split_job *const job = job_;
    for (;;) {
        const int part = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed);
        if (part >= job->parts) return;
        const int y0 = part * job->step;
        job->work(job->arg, thread, y0, job->rows - y0 < job->step ? job->rows : y0 + job->step);
    }
}

void split_rows(struct pool *pool, int rows, int grain, size_t samples, split_fn *work, void *arg)
{
    if (rows <= 0) return;
    const int threads = split_threads(pool);
    if (threads == 1 || samples < SPLIT_SAMPLES || rows <= grain) {
        work(arg, 0, 0, rows);
        return;
    }
    const int grains = (rows - 1) / grain + 1, wanted = threads < 1024 ? threads * SPLIT_PARTS : threads;
    const int step = ((grains - 1) / wanted + 1) * grain;
    struct split_job job = {.rows = rows, .step = step, .parts = (rows - 1) / step + 1, .work = work, .arg = arg};
    pool_run(pool, split_thread, &job);
}
