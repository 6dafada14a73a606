/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <time.h>

#include "core/alloc.h"
#include "core/error.h"

struct pool {
    int threads;
    int started; /* workers that exist */
    pthread_t *worker;
    pthread_mutex_t turn;  /* one run at a time */
    pthread_mutex_t lock;  /* guards sleeping and waking */
    pthread_cond_t wake;
    _Alignas(CORE_CACHE_LINE) atomic_uint generation; /* bumped once per run, and to stop */
    _Alignas(CORE_CACHE_LINE) atomic_int busy;        /* workers still in the run */
    atomic_bool stop;
    void (*work)(void *arg, int index);
    void *arg;
};

struct worker_start {
    struct pool *pool;
    int index;
};

/* Long enough to bridge the gap between two frames' steps, short enough not to be seen in a profile of an idle program. */
#define SPIN_TURNS 4000u

void core_relax(unsigned *turns)
{
    if (++*turns < SPIN_TURNS) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("yield");
#endif
    } else {
        sched_yield();
    }
}

static uint64_t system_clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

static uint64_t (*clock_source)(void) = system_clock_ns;

uint64_t core_now_ns(void)
{
    return clock_source();
}

void core_set_clock(uint64_t (*clock)(void))
{
    clock_source = clock ? clock : system_clock_ns;
}

static void *worker_main(void *start_)
{
    struct worker_start start = *(struct worker_start *) start_;
    core_free(start_);
    struct pool *const pool = start.pool;
    unsigned seen = 0;
    for (;;) {
        unsigned turns = 0;
        while (turns < SPIN_TURNS / 2 && atomic_load_explicit(&pool->generation, memory_order_acquire) == seen) core_relax(&turns);
        if (atomic_load_explicit(&pool->generation, memory_order_acquire) == seen) {
            pthread_mutex_lock(&pool->lock);
            while (atomic_load_explicit(&pool->generation, memory_order_acquire) == seen) pthread_cond_wait(&pool->wake, &pool->lock);
            pthread_mutex_unlock(&pool->lock);
        }
        seen++;
        if (atomic_load_explicit(&pool->stop, memory_order_acquire)) return NULL;
        pool->work(pool->arg, start.index);
        atomic_fetch_sub_explicit(&pool->busy, 1, memory_order_release);
    }
}

static void wake_all(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add_explicit(&pool->generation, 1, memory_order_release);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

int pool_create(int threads, struct pool **out, struct fm_error *error)
{
    *out = NULL;
    if (threads < 1) return core_fail(error, FM_ERR_ARGUMENT, "a pool needs at least one thread, not %d", threads);
    struct pool *pool = core_calloc(1, sizeof *pool);
    if (!pool) return core_fail_nomem(error, sizeof *pool);
    pool->threads = threads;
    pthread_mutex_init(&pool->turn, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    int code = FM_OK;
    if (threads > 1) {
        pool->worker = core_calloc((size_t) threads, sizeof *pool->worker);
        if (!pool->worker) code = core_fail_nomem(error, (size_t) threads * sizeof *pool->worker);
    }
    for (int i = 1; i < threads && code == FM_OK; i++) {
        struct worker_start *start = core_alloc(sizeof *start);
        if (!start) {
            code = core_fail_nomem(error, sizeof *start);
            break;
        }
        *start = (struct worker_start) { .pool = pool, .index = i };
        const int system = pthread_create(&pool->worker[i], NULL, worker_main, start);
        if (system) {
            core_free(start);
            code = core_fail(error, FM_ERR_IO, "the system gives no thread number %d (error %d)", i + 1, system);
            break;
        }
        pool->started = i;
    }
    if (code != FM_OK) {
        pool_destroy(&pool);
        return code;
    }
    *out = pool;
    return FM_OK;
}

void pool_destroy(struct pool **pool_)
{
    struct pool *const pool = *pool_;
    *pool_ = NULL;
    if (!pool) return;
    atomic_store_explicit(&pool->stop, true, memory_order_release);
    wake_all(pool);
    for (int i = 1; i <= pool->started; i++) pthread_join(pool->worker[i], NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->turn);
    core_free(pool->worker);
    core_free(pool);
}

int pool_threads(const struct pool *pool)
{
    return pool->threads;
}

void pool_run(struct pool *pool, void (*work)(void *arg, int index), void *arg)
{
    if (pool->threads == 1) {
        pthread_mutex_lock(&pool->turn);
        work(arg, 0);
        pthread_mutex_unlock(&pool->turn);
        return;
    }
    pthread_mutex_lock(&pool->turn);
    pool->work = work;
    pool->arg = arg;
    atomic_store_explicit(&pool->busy, pool->threads - 1, memory_order_relaxed);
    wake_all(pool);
    work(arg, 0);
    unsigned turns = 0;
    while (atomic_load_explicit(&pool->busy, memory_order_acquire) != 0) core_relax(&turns);
    pthread_mutex_unlock(&pool->turn);
}
