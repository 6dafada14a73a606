/* SPDX-License-Identifier: MIT */
/* The mill: the one way work flows from a source through workers to a sink, for every task.
 *
 *     producer                workers                 consumer
 *     mill_acquire  FREE  ->  WRITING
 *     mill_submit   READY ->  READING (process)  ->   DONE
 *                                                     mill_next, in the order of acquiring
 *                                                     mill_release  -> FREE
 *
 * A ring of slots is written once and read in place; a slot's bundle (frames, results, whatever the task defines) stays with the slot
 * and is used again. Order is the order of mill_acquire, whatever order workers finish in. Waiting is by futex (a condition where there
 * is none), never by polling. Full policies: a file-like source waits for a free slot (counted); a live one drops the oldest slot that no worker has begun (counted).
 *
 * One thread produces; one thread consumes; they may be the same thread only if it never waits on itself. mill_stop may come from any thread. */
#ifndef FM_MILL_MILL_H
#define FM_MILL_MILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "framemill/error.h"

struct mill;

struct mill_slot {
    uint64_t id;      /* frame id: 0, 1, 2 ... in order of mill_acquire */
    void *bundle;     /* the task's; one per slot, from make_bundle */
    int result;       /* what process returned; FM_ERR_CANCELLED when the mill was stopped before a worker took it */
    int worker;       /* who processed it */
    uint64_t begun_ns, done_ns; /* core_now_ns */
};

struct mill_params {
    int slots;                 /* >= 1; at least workers + 2 to keep everyone busy */
    int workers;               /* threads that process, >= 1 */
    bool live;                 /* mill_acquire never waits when a slot waits unbegun: that one is dropped */
    void *user;
    void *(*make_bundle)(void *user);                  /* NULL bundle: out of memory */
    void (*free_bundle)(void *user, void *bundle);
    int (*worker_start)(void *user, int worker);       /* on the worker's thread before its first slot; may be NULL; negative: the worker passes its error to every slot it takes */
    int (*process)(void *user, int worker, void *bundle); /* 0 or a negative code, which travels in the slot */
    void (*worker_stop)(void *user, int worker);       /* on the worker's thread; may be NULL */
};

struct mill_metrics {
    uint64_t acquired, done, delivered, dropped, failed;
    uint64_t producer_waits, producer_wait_ns; /* no slot was free */
    uint64_t consumer_waits, consumer_wait_ns; /* the next in order was not done */
    uint64_t busy_ns, idle_ns;                 /* of all workers */
    int workers;
    uint64_t worker_done[64], worker_busy_ns[64]; /* the first 64 */
};

int mill_create(const struct mill_params *params, struct mill **out, struct fm_error *error);
/* Stops, joins the workers, frees the bundles. Producer and consumer have returned. Accepts NULL contents, sets NULL. */
void mill_destroy(struct mill **mill);

/* Producer. Waits for a free slot; FM_ERR_CANCELLED once the mill is stopped. */
int mill_acquire(struct mill *mill, struct mill_slot **out);
void mill_submit(struct mill *mill, struct mill_slot *slot);
/* Gives an acquired slot back unsubmitted: its id is skipped in the order. */
void mill_abandon(struct mill *mill, struct mill_slot *slot);
void mill_finish(struct mill *mill); /* no more will be acquired */

/* Consumer. Waits for the next slot in order; FM_ERR_EOS when finished and all delivered. After mill_stop, what was submitted is still
 * delivered (results FM_ERR_CANCELLED where no worker had begun), then FM_ERR_EOS, so that bundles can be cleaned. Dropped and abandoned ids are left out. */
int mill_next(struct mill *mill, struct mill_slot **out);
/* Any thread, in any order. */
void mill_release(struct mill *mill, struct mill_slot *slot);

void mill_stop(struct mill *mill);
void mill_get_metrics(const struct mill *mill, struct mill_metrics *out); /* any thread, any time */

#endif
