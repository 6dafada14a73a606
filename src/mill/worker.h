/* SPDX-License-Identifier: MIT */
/* What a worker does, be it a thread of the mill or a process of its own. */
#ifndef FM_MILL_WORKER_H
#define FM_MILL_WORKER_H

#include "mill/ring.h"

struct worker {
    struct ring *ring;
    int index;
    void *user;
    int (*process)(void *user, int worker, void *bundle);
    void *const *bundle; // [slots]
};

/* Ready for slots from now on. */
void worker_begin(struct worker *worker);
/* Slots until all is finished or stopped. `broken` is negative: that is their result. */
void worker_turn(struct worker *worker, int broken);

/* A slot taken (READING), which nobody will do, goes on to the consumer. */
void worker_cancel(struct ring *ring, int slot);
/* Cancels what is READY, after a stop. */
void worker_cancel_all(struct ring *ring);

#endif
