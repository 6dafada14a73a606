/* SPDX-License-Identifier: MIT */
/* The video task: frames of one source through networks into one sink.
 *
 *     source thread    video_source -> slot of the mill (the frame by reference; for processes also a copy)
 *     workers          slot: frame -> window -> chain -> window -> frame in the slot's memory; chroma beside it
 *     run's thread     slots in order, what did not change from the one before -> encoder -> journal or muxer
 *
 *     settle.c, equip.c    everything that is decided and made before the first frame
 *     crew.c               who works, and as what
 *     run.c                a run from its begin to its end: feed.c is its source, sink.c where frames go, ladder.c which network they go
 *                          through
 *     work.c, frame.c      one frame made; reuse.c: what of it need not be
 *     process.c, brief.c   a worker that is a process, and what it is told
 *     output.c, place.c    encoder, journal, muxer; names
 *     report.c             tells */
#ifndef FM_TASKS_VIDEO_VIDEO_H
#define FM_TASKS_VIDEO_VIDEO_H

#include <stdatomic.h>

#include "convert/planes.h"
#include "convert/scale.h"
#include "core/arena.h"
#include "framemill/video.h"
#include "media/video_source.h"
#include "tasks/upscale/upscale.h"

#define VIDEO_LEVELS_MAX 12
#define VIDEO_NOTES_MAX 16
#define VIDEO_WORKERS_MAX 256
#define VIDEO_TEXT 4096

/* One way to make a frame: by a network, or (the last one) by plain scaling. */
struct video_level {
    const struct network *network; /* NULL: plain */
    struct chain *chain;           /* NULL: nothing but scaling of planes */
    bool rgb;                      /* the chain works on R, G, B rather than luma alone */
    char name[64], how[160];
    double cost; /* multiply-adds of a frame; plain: 1 */
};

struct video_worker {
    char name[24]; /* "cpu:2" */
    int threads;
};

/* Where planes lie in a slot. */
struct video_layout_at {
    size_t offset[VIDEO_PLANES_MAX], stride[VIDEO_PLANES_MAX];
};

struct video {
    struct fm_video_params params; /* strings are in `strings` */
    struct arena *strings;
    struct upscale *upscale;
    struct video_source *source;
    const struct video_info *info;
    const char **plugins; /* as given, NULL at the end; NULL: none */
    atomic_bool cancel;
    atomic_bool *cancelled; /* what workers look at: `cancel`, or the mill's word to a process */

    struct rect crop;
    struct video_format in_format, out_format;
    int whole_w, whole_h; /* of the input */
    int in_w, in_h;       /* after cropping */
    int out_w, out_h;     /* of the result */
    int frame_w, frame_h; /* of the frames that are written: two of them side by side, perhaps */
    struct media_ratio sample_aspect;
    int64_t first_pts; /* of the job's first frame */

    struct video_level level[VIDEO_LEVELS_MAX];
    int n_levels;
    struct network *own_network[VIDEO_LEVELS_MAX]; /* of the ladder, besides the upscale task's */
    int n_own;
    bool realtime;
    uint64_t budget_ns; /* realtime: of one frame */

    struct planes *luma_in, *luma_out, *rgb_in, *rgb_out; /* NULL where not needed */
    struct scale *plain;                                  /* all planes */
    int tile_w, tile_h;                                   /* of the result: what is computed at a time */
    bool named, isolated;                                 /* workers were listed, and are measured; they are processes */
    bool reuses;                                          /* of frames that are the same as the one before, in parts */
    int workers, slots;
    struct video_worker crew[VIDEO_WORKERS_MAX];
    int threads;                                /* the most that any of them has */
    struct video_layout_at result_at, input_at; /* input_at: for processes */
    size_t made_at;                             /* where in a slot the bits lie that say what of the result was made; 0: nowhere */
    size_t result_bytes, bundle_bytes;          /* of a slot, up to the result's end; of all of it */
    struct pool *own_pool;                      /* of a worker process, for opening networks */

    char *note[VIDEO_NOTES_MAX];
    int n_notes;
};

int video_create(
    const struct fm_video_params *params, struct pool *pool, uint32_t cpu_flags, struct video **out, struct fm_error *error);
void video_destroy(struct video **video); /* accepts NULL contents, sets NULL */
int video_run(struct video *v, fm_video_report_fn report, fm_video_report_fn progress, fm_video_log_fn log, void *user,
    struct fm_error *error);

/* The report that a run would begin with. */
int video_describe(struct video *v, fm_video_report_fn report, void *user);

/* settle.c */
int video_settle(struct video *v, struct fm_error *error);
void video_unsettle(struct video *v);
void video_note(struct video *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* process.c: the other end of a job's worker process. Returns when the job is over. */
int video_worker(int descriptor, int worker, struct fm_error *error);

/* ---- equip.c: when sizes and formats are known ---- */

/* One way more to make frames; NULL: plain scaling. */
int video_add_level(struct video *v, const struct network *network, struct fm_error *error);
int video_settle_conversions(struct video *v, struct fm_error *error);
void video_settle_bundle(struct video *v);
/* The frame whose planes lie in a slot's memory: the result; for processes, the part of the input that is worked on. */
void video_frame_in(const struct video *v, void *bundle, struct video_frame *frame);
void video_input_in(const struct video *v, void *bundle, struct video_frame *frame);

/* ---- frame.c ---- */

struct video_cost {
    uint64_t convert_ns, network_ns, not_numbers;
    uint64_t process_ns; /* of processors, where the worker is a process */
};

/* What one thread needs to make frames. */
struct video_maker;
int video_maker_create(const struct video *v, int threads, struct video_maker **out, struct fm_error *error);
void video_maker_destroy(struct video_maker **maker); /* accepts NULL contents, sets NULL */

/* Makes `todo` (rectangles of the result; all of it where n_todo is 0) of the frame by that level. Chroma and what else is only scaled
 * is always made whole. `in` is uncropped. */
int video_make(struct video_maker *maker, int level, const struct video_frame *in, struct video_frame *out, const struct rect *todo,
    int n_todo, struct video_cost *cost, struct fm_error *error);
/* Networks of luma that can choose single pixels (chain_can_choose). */
bool video_can_choose(const struct video *v, int level);
/* Which pixels of the result may differ when these of the input's luma do. */
int video_spread(struct video_maker *maker, int level, const struct bitmap *changed, struct bitmap *may_differ, struct fm_error *error);
/* As video_make, but of luma only these pixels. */
int video_make_chosen(struct video_maker *maker, int level, const struct video_frame *in, struct video_frame *out,
    const struct bitmap *only, struct video_cost *cost, struct fm_error *error);
/* Where video_unit.chosen is set: which pixels of the result the worker made. */
struct bitmap video_made_in(const struct video *v, void *bundle);

/* The plain picture beside or over the result, as --compare asks. */
int video_make_comparison(struct video_maker *maker, const struct video_frame *in, struct video_frame *out, struct fm_error *error);

/* The part of the input that is worked on, seen as a frame. */
struct video_frame video_cropped(const struct video *v, const struct video_frame *in);
/* Columns of the result, from the left, that --compare split shows plain. */
int video_split(const struct video *v);

#endif
