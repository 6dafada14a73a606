/* SPDX-License-Identifier: MIT */
/* A job: one picture on its way. The source opens it (job_open), workers compute its units, a writer thread takes them in order. */
#ifndef FM_TASKS_UPSCALE_JOB_H
#define FM_TASKS_UPSCALE_JOB_H

#include <pthread.h>
#include <stdatomic.h>

#include "frame/band.h"
#include "media/still.h"
#include "mill/mill.h"
#include "tasks/upscale/upscale.h"

/* How a picture is cut up: bands of full width (one unit of work each), computed in tiles. In pixels of the result. */
struct geometry {
    int tile_w, tile_h;
    bool flows;                    /* it would fit whole: bands only overlap the work of the stages */
    size_t slot_bytes, work_bytes; /* a unit's bands; a worker's windows and sessions */
};

struct job {
    struct upscale *upscale;
    const struct fm_upscale_file *file;
    int index;
    /* Set by job_open, then fixed. */
    struct still_reader *reader;
    struct still_info info;
    struct still_meta *meta;
    struct chain *chain, *plain;   /* plain: for --compare, else NULL */
    struct geometry geometry;
    const char *format;
    struct pixel_format out_pixels;
    int written_w;                 /* the result's width, twice for --compare */
    /* Any thread. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char warnings[1024];           /* lock */
    bool tile_halved;              /* lock */
    _Atomic uint64_t read_ns, compute_ns, network_ns, write_ns; /* network_ns is a part of compute_ns */
    uint64_t begun_ns, ended_ns;
    atomic_int rows_done;          /* of the result, for progress */
    atomic_bool source_left;       /* the source does not look at it any more */
    /* The queue to the writer: slots in order. lock */
    struct mill_slot **queue;
    int head, count, room;
    bool writing, done;            /* a writer thread was started; the job is over */
    bool cut_off;                  /* no more units will come */
    pthread_t writer;
    struct mill_slot *held;        /* the writer's current unit */
    int rows_pulled;
    uint64_t pull_wait_ns;
    int code;                      /* valid when done */
    struct fm_error error;
    uint64_t out_bytes;
};

/* A slot's bundle. */
struct unit {
    struct job *job;
    int y0, y1;      /* rows of the result */
    int code;        /* an error of the source: nothing to compute */
    struct fm_error error;
    struct band in, out;
    bool placed; /* `out` has its memory already, and is not the unit's to enlarge */
};

int job_create(struct upscale *u, const struct fm_upscale_file *file, int index, int slots, struct job **out);
void job_destroy(struct job **job); /* accepts NULL contents, sets NULL; the writer has been joined */
/* Opens the picture and decides everything about it. On failure the job's code and error are set. */
int job_open(struct job *job);
/* What job_open decides once info and out_pixels are known: the chain and the pieces. */
int job_plan(struct job *job, struct fm_error *error);
void job_warn(struct job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Rows of the picture that rows [y0, y1) of the result need. */
void job_rows(const struct job *job, int y0, int y1, int *in_y0, int *in_y1);
void job_report(struct job *job, fm_upscale_report_fn report, void *user);

/* geometry.c: the best pieces that fit the budget. The chain may be replaced by one with feathered tiles. FM_ERR_NOMEM: the message says
 * how much is needed. */
int geometry_choose(struct job *job, struct fm_error *error);
/* upscale.c: the chain for a job's picture; networks that cannot do it are passed over with a warning. */
int upscale_chain(struct job *job, struct fm_error *error);
struct chain_params upscale_chain_params(const struct job *job, const struct network *network);
double upscale_scale(const struct upscale *u);
/* Decides how many workers and writers a run of so many files has, and makes the workers' pools. */
int upscale_staff(struct upscale *u, int n_files, struct fm_error *error);

/* worker.c */
struct worker;
int worker_create(struct upscale *u, int index, struct worker **out);
void worker_destroy(struct worker **worker);
int worker_compute(struct worker *worker, struct unit *unit); /* negative: in unit->error */

/* writer.c: the thread that writes one job's file. */
int writer_start(struct job *job, struct mill *mill, void (*ended)(void *user), void *user);
void writer_push(struct job *job, struct mill *mill, struct mill_slot *slot); /* the job's; released here when the job is over */
void writer_cut_off(struct job *job);

#endif
