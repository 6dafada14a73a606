/* SPDX-License-Identifier: MIT */
/* Shares the rows of a job among the threads of a pool. Parts are handed out as threads come for them, so that a slow processor
 * does not hold up the others; results may not depend on the cuts. */
#ifndef FM_CONVERT_SPLIT_H
#define FM_CONVERT_SPLIT_H

#include <stddef.h>

#include "core/threads.h"

/* Does rows [y0, y1); thread: 0 .. split_threads - 1, no two parts with the same number at a time. */
typedef void split_fn(void *arg, int thread, int y0, int y1);

/* Calls `work` for parts that make up [0, rows), whose first rows are multiples of grain (at least 1). samples: how much work all
 * of it is; little is done by the caller alone, as is all without a pool. Returns when all is done. */
void split_rows(struct pool *pool, int rows, int grain, size_t samples, split_fn *work, void *arg);

static inline int split_threads(const struct pool *pool)
{
    return pool ? pool_threads(pool) : 1;
}

#endif
