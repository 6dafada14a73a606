/* SPDX-License-Identifier: MIT */
/* One run of a video job. Three threads meet in it: the source's (feed.c), the workers' (work.c), and the one that runs (run.c, sink.c,
 * ladder.c, report.c). */
#ifndef FM_TASKS_VIDEO_RUN_H
#define FM_TASKS_VIDEO_RUN_H

#include <pthread.h>

#include "mill/deadline.h"
#include "mill/mill.h"
#include "mill/scene.h"
#include "tasks/video/crew.h"
#include "tasks/video/output.h"

/* What belongs to a slot and is not in its memory. */
struct side {
    struct run *run;
    struct mill_slot *slot;
    struct video_frame in; /* of the source */
    int64_t index;
    int level;
    int before; /* side of the frame before, pinned until this one is complete; -1: none */
    atomic_int pins;
};

struct run {
    struct video *v;
    struct mill *mill;
    struct video_output *output;
    struct side *side;
    struct crew crew;
    pthread_t source;
    struct media_packet *packet; /* that came before the first frame */
    int n_packets, room;
    struct video_item first; /* read before the run began */
    bool has_first;
    /* The source thread's. */
    int latest; /* side that the next frame may be compared with, pinned; -1: none */
    int source_code;
    struct fm_error source_error;
    uint64_t patient_until_ns; /* a live source waits for a slot until then, and drops frames afterwards */
    struct scene scene;
    _Atomic uint64_t decode_ns;
    _Atomic int64_t reconnects, gap_ms; /* of a live source; how long nothing came before the last one */
    atomic_int level;                   /* that new frames are made at */
    atomic_bool is_cut;                 /* a scene began since the ladder last looked */
    atomic_int held;                    /* slots in the encoder */
    /* This thread's. */
    struct video_state state;
    struct deadline deadline;
    struct reuse copier; /* takes from the frame before what did not change */
    struct fm_video_report report;
    struct video_cost cost;
    int64_t resumed, moved; /* frames from before; frames whose time was changed */
    int64_t said_reconnects;
    uint64_t begun_ns, said_ns, last_ns;
    double cpu_begun;
    struct mill_metrics metrics; /* for the report */
    struct fm_video_worker worker[MILL_METRICS_WORKERS];
    fm_video_report_fn progress;
    fm_video_log_fn log;
    void *user;
    char warnings[VIDEO_TEXT], hash[SHA256_TEXT], partial[1024], how[192];
};

/* ---- feed.c ---- */

/* The first frame, and what comes before it. */
int run_read_first(struct run *r, struct fm_error *error);
int run_give_packets(struct run *r, struct fm_error *error);
void *run_read_source(void *run); /* the source's thread */

/* ---- sink.c ---- */

void run_unpin(struct run *r, int side); /* any thread */
/* The next frame in order goes on to the encoder, or is not wanted any more. The slot is gone then. */
int run_take(struct run *r, struct mill_slot *slot, struct fm_error *error);
void run_drop(struct run *r, struct mill_slot *slot);

/* ---- ladder.c ---- */

void run_open_ladder(struct run *r);
void run_feed_ladder(struct run *r, const struct video_unit *unit, const struct mill_metrics *m);

/* ---- report.c: on the run's thread ---- */

double run_cpu_seconds(void);
/* FM_ERR_AGAIN while it runs. */
void run_fill_report(struct run *r, int code, const char *message);
void run_say_progress(struct run *r); /* now and then */
void run_say_end(struct run *r);      /* warnings of the source and the output; the hash */

#endif
