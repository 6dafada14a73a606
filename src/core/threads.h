/* SPDX-License-Identifier: MIT */
/* The one pool of threads. Workers wait on a condition, briefly spinning first; a pool of one thread makes none. */
#ifndef FM_CORE_THREADS_H
#define FM_CORE_THREADS_H

#include <stdatomic.h>
#include <stdint.h>

#include "framemill/error.h"

struct pool;

/* threads >= 1, the caller's included. 0, FM_ERR_NOMEM, or FM_ERR_IO when the system gives no more threads. */
int pool_create(int threads, struct pool **out, struct fm_error *error);
void pool_destroy(struct pool **pool); /* accepts NULL contents, sets NULL; no run may be in progress */
int pool_threads(const struct pool *pool);

/* Calls work(arg, index) on every thread, index 0 on the caller's, and returns when all have. Several callers take turns. */
void pool_run(struct pool *pool, void (*work)(void *arg, int index), void *arg);

/* One step of waiting for another thread: a processor hint at first, then yielding. */
void core_relax(unsigned *turns);

/* Monotonic time in nanoseconds, the product's clock; tests replace it. Set before threads run. */
uint64_t core_now_ns(void);
void core_set_clock(uint64_t (*clock)(void)); /* NULL: the system's */

#endif
