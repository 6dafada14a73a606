/* SPDX-License-Identifier: MIT */
/* The mill's own view of itself, for the files of this room. */
#ifndef FM_MILL_INNER_H
#define FM_MILL_INNER_H

#include <pthread.h>

#include "mill/mill.h"
#include "mill/order.h"
#include "mill/pace.h"
#include "mill/ring.h"
#include "mill/schedule.h"
#include "mill/shared.h"
#include "mill/worker.h"

struct overseer;

struct mill_thread {
    struct mill *mill;
    struct worker worker;
    pthread_t thread;
};

/* Of each worker, beside what the ring knows. */
struct mill_note {
    char name[MILL_NAME_MAX];
    char reason[MILL_REASON_MAX];
    uint64_t given; /* slots meant for it in trials */
    uint64_t restarts;
    bool is_gone;
};

struct mill {
    struct mill_params params;
    struct ring *ring;
    size_t ring_bytes; /* 0: the ring lies in shared memory */
    bool ring_is_open;
    struct shared shared;
    void *bundle_pages; /* bundles without processes */
    size_t bundle_pages_bytes;
    struct order order;         /* the consumer's */
    struct pace pace;           /* the producer's */
    struct mill_slot *slot;     // [slots]; what producer and consumer see of the ring's slots
    void **bundle;              // [slots]
    struct mill_thread *thread; // [workers - processes]
    int bundles, threads;       /* made so far */
    struct overseer *overseer;  /* of process workers */

    pthread_mutex_t lock; /* guards what follows; never held by a worker process, nor while anyone waits */
    bool has_lock, has_schedule;
    struct schedule schedule; /* MILL_WEIGHTED */
    struct mill_note *note;   // [workers]
    int alive;                /* workers that work, or may yet */
    struct fm_error failure;
};

/* With the lock held: who the next slot is meant for, or RING_NOBODY. */
int mill_assign(struct mill *mill);
/* A slot was delivered, in order. */
void mill_learn(struct mill *mill, int worker, uint64_t begun_ns, uint64_t done_ns);
/* A worker is ready (again). */
void mill_regain(struct mill *mill, int worker);
/* A worker died, or cannot start. `forever`: it is not coming back; when it was the last, the mill fails with its reason. */
void mill_lose(struct mill *mill, int worker, bool forever, const char *reason);
/* Gives on what a dead worker held and what was meant for it. */
void mill_bury(struct mill *mill, int worker);

/* The thread that starts worker processes, watches them, and starts them again. Returns when all are started. */
int overseer_create(struct mill *mill, struct fm_error *error);
void overseer_destroy(struct overseer **overseer); /* the ring is stopped */

#endif
