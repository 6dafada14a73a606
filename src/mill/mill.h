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
 * Workers are threads, or processes that see the same slots in shared memory (mill/child.h): one of those that is killed or hangs
 * costs no slot, another worker does it. Workers of unlike speed are measured on the first real slots and given slots by weight
 * (MILL_WEIGHTED); those that would not make the whole faster are left out, and named in the metrics.
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
    int result;                 /* what process returned; FM_ERR_CANCELLED when the mill was stopped before a worker took it;
                                   FM_ERR_DEVICE when no worker is left, or when it killed every process it was given to */
    int worker;                 /* who processed it; -1: nobody did */
    int index;                  /* which slot of the ring: 0 .. slots - 1, for what the task keeps beside the bundle */
    uint64_t begun_ns, done_ns; /* core_now_ns */
};

enum mill_policy {
    MILL_ANY,      /* who is free takes the oldest slot: workers alike */
    MILL_WEIGHTED, /* calibration, then a smooth weighted round robin: workers of unlike speed (mill/schedule.h) */
};

/* Callbacks run without a lock held; none may call mill_destroy, process may call mill_stop and mill_get_metrics. What stands
 * below worker_stop may stay zero. */
struct mill_params {
    int slots;   /* 1 .. 4096; at least workers + 2 to keep everyone busy; with MILL_WEIGHTED the most that may be used */
    int workers; /* 1 .. 4094 */
    bool live;   /* mill_acquire never waits when a slot waits unbegun: that one is dropped */
    void *user;
    /* On mill_create's thread, once per slot. A NULL bundle: out of memory. May be NULL: no bundles. */
    void *(*make_bundle)(void *user);
    void (*free_bundle)(void *user, void *bundle); /* on the destroying thread, once per bundle made; may be NULL */
    /* On the worker's thread before its first slot; may be NULL. Negative: the worker passes its error to every slot it takes. */
    int (*worker_start)(void *user, int worker);
    /* 0 or a negative code, which travels in the slot. May be NULL when all workers are processes. */
    int (*process)(void *user, int worker, void *bundle);
    /* On the worker's thread after its last slot (all is finished, or stopped), not when worker_start failed; may be NULL. */
    void (*worker_stop)(void *user, int worker);

    enum mill_policy policy;
    double pace_fps;          /* mill_acquire comes no faster than this; 0: as it can */
    const char *const *names; // [workers], for the metrics; may be NULL; copied
    /* Not 0: a bundle is so many bytes, page-aligned and cleared, in memory shared with process workers, results included: no
     * pointers in it. make_bundle and free_bundle are NULL then. */
    size_t bundle_bytes;
    int kept; /* slots that the task keeps for itself after mill_next, at most: not counted on by MILL_WEIGHTED. Below `slots` */

    int processes; /* the last so many of the workers are processes; needs bundle_bytes. FM_ERR_UNSUPPORTED but on Linux */
    /* The program and its arguments, NULL at the end, to which the mill adds two: a descriptor and the worker's number. The program
     * calls mill_child_run with them. Stays the caller's until mill_destroy. */
    const char *const *program;
    const void *brief; /* what the task tells its processes: copied into the shared memory (mill/child.h); may be NULL */
    size_t brief_bytes;
    /* A process longer than this at one slot is killed; 0: 10 s; negative: never. Once it is known what slots take, ten times the
     * longest is enough, and 3 s. */
    int hang_ms;
    int start_ms; /* the same for worker_start; 0: 60 s; negative: never */
    int restarts; /* of each process, at most; one more is allowed for every 1000 slots it did; 0: 5; negative: none */
};

#define MILL_METRICS_WORKERS 64
#define MILL_NAME_MAX 32
#define MILL_REASON_MAX 160

struct mill_worker_metrics {
    char name[MILL_NAME_MAX]; /* as given, or its number */
    bool is_process, is_left_out;
    char reason[MILL_REASON_MAX]; /* why it is left out, or why it was restarted last; "": nothing to say */
    uint64_t done, failed, busy_ns;
    double mean_ms;    /* busy time of a slot */
    uint64_t restarts; /* of its process */
    double share;      /* of the slots, 0 .. 1, by its weight; 0 with MILL_ANY */
};

/* Exact once mill_next has said FM_ERR_EOS and the producer has returned: acquired = delivered + dropped + abandoned, and
 * delivered = done + cancelled. Earlier each number is right, but they are not of the same instant. */
struct mill_metrics {
    uint64_t acquired, submitted, done, delivered, dropped, failed; /* done: processed, the failed ones included */
    uint64_t abandoned, cancelled;                                  /* cancelled: stopped before a worker took it */
    uint64_t producer_waits, producer_wait_ns;                      /* no slot was free */
    uint64_t consumer_waits, consumer_wait_ns;                      /* the next in order was not done */
    uint64_t busy_ns, idle_ns;                                      /* of all workers, from worker_start's return to their end */
    int workers;
    uint64_t worker_done[MILL_METRICS_WORKERS], worker_busy_ns[MILL_METRICS_WORKERS]; /* the first 64 */
    uint64_t restarts, redone;                                                        /* of processes; slots given to another */
    bool is_calibrating;
    /* Slots a second, as the last calibration found them; 0: there was none. */
    double fps_alone, fps_together, fps_chosen; /* of the best worker alone, of all of them at once, of those that work now */
    int slots_used;                             /* the ring's, at most, as the schedule says */
    double fps;                                 /* delivered, from the first to the last */
    uint64_t first_ns, last_ns;                 /* of delivery */
    struct mill_worker_metrics worker[MILL_METRICS_WORKERS];
};

/* Starts the workers. 0, FM_ERR_ARGUMENT, FM_ERR_NOMEM, FM_ERR_UNSUPPORTED (processes, where the system cannot share memory with
 * them), or FM_ERR_IO when the system gives no more threads or cannot start the program; on failure nothing is left behind. */
int mill_create(const struct mill_params *params, struct mill **out, struct fm_error *error);
/* Stops, joins the workers (a process that does not end within hang_ms is killed), frees the bundles. Every other call has
 * returned. Accepts NULL contents, sets NULL. */
void mill_destroy(struct mill **mill);

/* Producer. Waits for a free slot; FM_ERR_CANCELLED once the mill is stopped, FM_ERR_DEVICE once no worker is left,
 * FM_ERR_ARGUMENT after mill_finish. Several slots may be held at a time, and submitted in any order. */
int mill_acquire(struct mill *mill, struct mill_slot **out);
/* The same, but a live mill waits that long for a free slot before it drops one. */
int mill_acquire_within(struct mill *mill, uint64_t patience_ns, struct mill_slot **out);
void mill_submit(struct mill *mill, struct mill_slot *slot);
/* Gives an acquired slot back unsubmitted: its id is skipped in the order. */
void mill_abandon(struct mill *mill, struct mill_slot *slot);
void mill_finish(struct mill *mill); /* no more will be acquired; slots still held are submitted or abandoned as ever */

/* Consumer. Waits for the next slot in order; FM_ERR_EOS when finished and all delivered, and from then on. After mill_stop,
 * what was submitted is still delivered (results FM_ERR_CANCELLED where no worker had begun), then FM_ERR_EOS, so that bundles
 * can be cleaned; a slot that the producer holds is waited for. Dropped and abandoned ids are left out. */
int mill_next(struct mill *mill, struct mill_slot **out);
/* The same, but waits no longer than that: FM_ERR_AGAIN. */
int mill_next_for(struct mill *mill, uint64_t ns, struct mill_slot **out);
/* Any thread, in any order. */
void mill_release(struct mill *mill, struct mill_slot *slot);

/* Slots that a worker has begun are completed, the others are cancelled. Does not wait. Any thread, any number of times. */
void mill_stop(struct mill *mill);
/* FM_OK, or why no worker is left (the mill has then stopped itself). Any thread. */
int mill_get_failure(struct mill *mill, struct fm_error *error);
void mill_get_metrics(struct mill *mill, struct mill_metrics *out); /* any thread, any time */
bool mill_is_calibrating(struct mill *mill);                        /* likewise; with MILL_ANY never */

enum mill_format { MILL_TABLE, MILL_JSON, MILL_PROMETHEUS };
/* Writes the metrics as text, cut at `size` bytes and terminated (size 0: nothing is written); returns the length it has in full.
 * The table is lines of at most 132 columns; JSON is one object in one line; Prometheus is its text format. */
size_t mill_metrics_text(const struct mill_metrics *metrics, enum mill_format format, char *out, size_t size);

#endif
