/* SPDX-License-Identifier: MIT */
/* One run of a video job: what run.c moves and report.c tells. */
#ifndef FM_TASKS_VIDEO_RUN_H
#define FM_TASKS_VIDEO_RUN_H

#include <pthread.h>

#include "mill/deadline.h"
#include "mill/mill.h"
#include "mill/scene.h"
#include "tasks/video/output.h"
#include "tasks/video/reuse.h"
#include "tasks/video/unit.h"

/* What belongs to a slot and is not in its memory. */
struct side {
    struct run *run;
    struct video_frame in; /* of the source */
    struct mill_slot *slot;
    int before; /* side of the frame before, pinned; -1: none */
    atomic_int pins;
    bool done, made; /* run->lock; made: its result may be copied from */
};

struct worker {
    struct video_maker *maker;
    struct reuse reuse; /* made when the run reuses */
};

struct run {
    struct video *v;
    struct mill *mill;
    struct video_output *output;
    struct side *side;
    struct worker *worker;
    bool reuses;
    int n_bundles; /* while the mill is made */
    pthread_t source;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct media_packet *packet; /* that came before the first frame */
    int n_packets, room;
    struct video_item first; /* read before the run began */
    bool has_first;
    /* The source thread's. */
    int latest; /* side that the next frame may be compared with, pinned; -1: none */
    int latest_level;
    int source_code;
    struct fm_error source_error;
    struct scene scene;
    _Atomic uint64_t decode_ns;
    atomic_int level;   /* that new frames are made at */
    atomic_bool is_cut; /* a scene began since the ladder last looked */
    atomic_int held;    /* slots in the encoder */
    /* This thread's. */
    struct video_state state;
    struct deadline deadline;
    struct fm_video_report report;
    struct video_cost cost;
    int64_t resumed, moved; /* frames from before; frames whose time was changed */
    uint64_t begun_ns, said_ns, last_ns;
    double cpu_begun;
    fm_video_report_fn progress;
    fm_video_log_fn log;
    void *user;
    char warnings[VIDEO_TEXT], hash[SHA256_TEXT], partial[1024], how[192];
};

/* ---- report.c: on the run's thread ---- */

double run_cpu_seconds(void);
/* FM_ERR_AGAIN while it runs. */
void run_fill_report(struct run *r, int code, const char *message);
void run_say_progress(struct run *r); /* now and then */
void run_say_end(struct run *r);      /* warnings of the source and the output; the hash */

#endif
