/* SPDX-License-Identifier: MIT */
/* The mill: the one way work flows from a source through workers to a sink, for every task.
 *
 *     producer                workers                 consumer
 *     mill_acquire  FREE  ->  WRITING
 *     mill_submit   READY ->  READING (process)  ->   DONE
 *                                                     mill_next, in the order of acquiring
 *                                                     mill_release  -> FREE
 *
 * A ring of slots is written once and read in place; a slot's bundle (frames, results, whatever the task defines) stays with the
 * slot and is used again. Order is the order of mill_acquire, whatever order workers finish in. Waiting is by futex (a condition
 * where there is none), never by polling. Full policies: a file-like source waits for a free slot (counted); a live one drops
 * the oldest slot that no worker has begun (counted).
 *
 * One thread produces; one thread consumes; they may be the same thread only if it never waits on itself. mill_stop may come
 * from any thread. */
#ifndef FM_MILL_MILL_H
#define FM_MILL_MILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "framemill/error.h"

struct mill;

struct mill_slot {
    uint64_t id;                /* frame id: 0, 1, 2 ... in order of mill_acquire */
    void *bundle;               /* the task's; one per slot, from make_bundle */
    int result;                 /* what process returned; FM_ERR_CANCELLED when the mill was stopped before a worker took it */
    int worker;                 /* who processed it; -1: nobody did */
    uint64_t begun_ns, done_ns; /* core_now_ns */
};

/* Callbacks run without a lock held; none may call mill_destroy, process may call mill_stop and mill_get_metrics. */
struct mill_params {
    int slots;   /* 1 .. 4096; at least workers + 2 to keep everyone busy */
    int workers; /* threads that process, 1 .. 4094 */
    bool live;   /* mill_acquire never waits when a slot waits unbegun: that one is dropped */
    void *user;
    /* On mill_create's thread, once per slot. A NULL bundle: out of memory. May be NULL: no bundles. */
    void *(*make_bundle)(void *user);
    void (*free_bundle)(void *user, void *bundle); /* on the destroying thread, once per bundle made; may be NULL */
    /* On the worker's thread before its first slot; may be NULL. Negative: the worker passes its error to every slot it takes. */
    int (*worker_start)(void *user, int worker);
    int (*process)(void *user, int worker, void *bundle); /* 0 or a negative code, which travels in the slot */
    /* On the worker's thread after its last slot (all is finished, or stopped), not when worker_start failed; may be NULL. */
    void (*worker_stop)(void *user, int worker);
};

/* Exact once mill_next has said FM_ERR_EOS and the producer has returned: acquired = delivered + dropped + abandoned, and
 * delivered = done + cancelled. Earlier each number is right, but they are not of the same instant. */
struct mill_metrics {
    uint64_t acquired, done, delivered, dropped, failed; /* done: processed, the failed ones included */
    uint64_t abandoned, cancelled;                       /* cancelled: stopped before a worker took it */
    uint64_t producer_waits, producer_wait_ns;           /* no slot was free */
    uint64_t consumer_waits, consumer_wait_ns;           /* the next in order was not done */
    uint64_t busy_ns, idle_ns;                           /* of all workers, from worker_start's return to their end */
    int workers;
    uint64_t worker_done[64], worker_busy_ns[64]; /* the first 64 */
};

/* Starts the workers. 0, FM_ERR_ARGUMENT, FM_ERR_NOMEM, or FM_ERR_IO when the system gives no more threads; on failure nothing
 * is left behind. */
int mill_create(const struct mill_params *params, struct mill **out, struct fm_error *error);
/* Stops, joins the workers, frees the bundles. Every other call has returned. Accepts NULL contents, sets NULL. */
void mill_destroy(struct mill **mill);

/* Producer. Waits for a free slot; FM_ERR_CANCELLED once the mill is stopped, FM_ERR_ARGUMENT after mill_finish. Several slots
 * may be held at a time, and submitted in any order. */
int mill_acquire(struct mill *mill, struct mill_slot **out);
void mill_submit(struct mill *mill, struct mill_slot *slot);
/* Gives an acquired slot back unsubmitted: its id is skipped in the order. */
void mill_abandon(struct mill *mill, struct mill_slot *slot);
void mill_finish(struct mill *mill); /* no more will be acquired; slots still held are submitted or abandoned as ever */

/* Consumer. Waits for the next slot in order; FM_ERR_EOS when finished and all delivered, and from then on. After mill_stop,
 * what was submitted is still delivered (results FM_ERR_CANCELLED where no worker had begun), then FM_ERR_EOS, so that bundles
 * can be cleaned; a slot that the producer holds is waited for. Dropped and abandoned ids are left out. */
int mill_next(struct mill *mill, struct mill_slot **out);
/* Any thread, in any order. */
void mill_release(struct mill *mill, struct mill_slot *slot);

/* Slots that a worker has begun are completed, the others are cancelled. Does not wait. Any thread, any number of times. */
void mill_stop(struct mill *mill);
void mill_get_metrics(const struct mill *mill, struct mill_metrics *out); /* any thread, any time */

#endif
