/* SPDX-License-Identifier: MIT */
/* The other end of a mill: a process that works on its slots. The mill starts the task's program (mill_params.program) with a
 * descriptor and a worker's number as its last two arguments; the program makes ready and calls mill_child_run, which returns when
 * all is done.
 *
 * The process reads and writes bundles in place. It may be killed at any moment and leave nothing broken: another worker does the
 * slot it was at, from the start (so process must not change what it reads), and the mill starts it again. It dies with the mill's
 * process. Its standard output is the mill's standard error. */
#ifndef FM_MILL_CHILD_H
#define FM_MILL_CHILD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "framemill/error.h"

/* What the mill shares. Valid as long as mill_child_run runs. */
struct mill_site {
    const void *brief; /* of mill_params; aligned to a cache line */
    size_t brief_bytes, bundle_bytes;
    size_t stride;         /* from one slot's bundle to that of the next one by number (mill_slot.index) */
    atomic_bool *stopping; /* the mill was stopped: nobody wants the slot any more, it may be given up */
};

struct mill_child {
    void *user;
    /* Before the first slot; may be NULL. Negative: the worker is left out for good, and the message becomes the reason. */
    int (*worker_start)(void *user, int worker, const struct mill_site *site, struct fm_error *error);
    int (*process)(void *user, int worker, void *bundle); /* as in mill_params */
    void (*worker_stop)(void *user, int worker);          /* as in mill_params */
};

/* Takes the descriptor over. FM_OK when all is finished or stopped; what worker_start said; FM_ERR_ARGUMENT when the descriptor is
 * no mill of this very build; FM_ERR_UNSUPPORTED but on Linux. One thread. */
int mill_child_run(int descriptor, int worker, const struct mill_child *child, struct fm_error *error);

#endif
