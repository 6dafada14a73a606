/* SPDX-License-Identifier: MIT */
/* Video: a film, stream or camera in, a larger one out. Frames are decoded, computed and encoded at the same time; every frame of the
 * input is in the output at its own time; sound, subtitles, chapters and all else are copied. A job that was cut off goes on where it
 * was. Needs the FFmpeg libraries, which are loaded with the first job. */
#ifndef FRAMEMILL_VIDEO_H
#define FRAMEMILL_VIDEO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "error.h"
#include "export.h"
#include "upscale.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One job. One thread at a time; only fm_video_cancel may come from any. Holds the engine. */
typedef struct fm_video fm_video;

enum fm_video_compare { FM_VIDEO_RESULT, FM_VIDEO_SPLIT, FM_VIDEO_SIDE };

/* Set size to sizeof; zero means the default everywhere. Strings are copied. Lists end with NULL. */
struct fm_video_params {
    size_t size;
    /* Networks, scale, plug-ins, memory, strict, ensemble; the rest is for stills. NULL: the defaults. "lanczos": plain scaling. */
    const struct fm_upscale_params *upscale;

    const char *input;                   /* a file, a folder or pattern of pictures, a device, a URL, "-" */
    const char *input_format;            /* FFmpeg's name; NULL: found out */
    const char *const *input_options;    /* "key=value" */
    double start, duration;              /* seconds; duration 0: to the end */
    double picture_rate;                 /* of pictures as a video; 0: 25 */
    int crop_left, crop_top, crop_width, crop_height; /* of the input; width 0: all */
    const char *interlaced;              /* "deinterlace" (default), "refuse", "pass" */
    int decoder_threads;

    const char *output;                  /* a file, a pattern (out%05d.png), a URL, "-" (Y4M); NULL: frames are computed and dropped */
    const char *output_format;           /* FFmpeg's name of the container; NULL: by the output's name */
    const char *const *output_options;   /* the container's, "key=value" */
    int width, height;                   /* of the result; one of them 0: in proportion; both 0: by the scale */
    const char *encoder;                 /* NULL: by the container */
    const char *const *encoder_options;  /* "key=value" */
    int encoder_threads;
    const char *streams;                 /* what the container cannot hold: "convert" (default), "keep", "drop", "refuse" */
    bool overwrite;

    bool resume;                         /* goes on with the journal of a job that was cut off, if there is one */
    bool hash;                           /* the report holds the SHA-256 of all frames, as computed */
    bool no_reuse;                       /* tiles that did not change are computed again */
    bool realtime;                       /* smaller networks when frames come too late, down to plain scaling; implied by live inputs */
    int live;                            /* 0: found out, 1: yes, -1: no */
    double frame_budget_ms;              /* realtime: time for a frame; 0: by the frame rate */
    enum fm_video_compare compare;
    int workers;                         /* frames computed at the same time; 0: as many as the engine has threads */
    /* Workers by name instead: "cpu:2,cpu:1", DEVICE:THREADS for each, 64 at most. They are measured on the first frames and given frames
     * by their speed; those with which the whole would not be faster are left out, and the report says so. NULL: `workers` alike. */
    const char *worker_list;
    /* Workers are processes, which may be killed or hang without a frame being lost (Linux). worker_program is what they run: a program
     * and its arguments, NULL at the end; it is called with two more, which it gives to fm_video_work. */
    bool isolate;
    const char *const *worker_program;
};

/* A worker, in a report. */
struct fm_video_worker {
    const char *name;         /* "cpu:2", "cpu:2 #2" */
    int threads;
    bool is_process, is_left_out;
    const char *reason;       /* why it is left out, or was started again the last time, or "" */
    int64_t frames;           /* that it made */
    double mean_ms;           /* of a frame */
    double share;             /* of all frames, by its measured weight; 0: it was not measured */
    int64_t restarts;
};

/* How a job stands, or ended. Strings are valid during the call only. */
struct fm_video_report {
    size_t size;
    const char *input, *output;
    int code;                 /* FM_OK, FM_ERR_AGAIN while it runs */
    const char *message;      /* of the error, or "" */
    const char *warnings;     /* lines separated by \n, or "" */
    const char *model, *how, *encoder, *container;
    const char *partial;      /* of a job that was cut off: the playable file with what there is, or "" */
    const char *hash;         /* 64 hexadecimal digits, or "" */
    int in_width, in_height, out_width, out_height;
    int64_t frames, resumed;  /* in the result; of these, from before the job was cut off */
    int64_t expected;         /* frames in all; 0: not known */
    double position, length;  /* seconds of the input; length 0: not known */
    double seconds, fps;      /* of this run */
    double decode_ms, convert_ms, network_ms, encode_ms; /* busy time, all threads together */
    double cpu_seconds;       /* of the process, while it ran */
    int64_t dropped, damaged, reconnects, steps; /* steps: changes of network under realtime */
    int64_t tiles, reused;    /* of all frames; reused ones were not computed */
    uint64_t out_bytes;
    const char *journal;      /* what resume goes on with, beside `partial`, or "" */
    const struct fm_video_worker *workers; /* n_workers, the first 64 */
    int n_workers;
    int64_t restarts, redone; /* of worker processes; frames that another worker did because the first one died */
    /* Of a worker_list: were there frames enough to measure them? Frames a second of the best one alone, of all together, of those that
     * were kept. */
    bool is_measured;
    double fps_alone, fps_together, fps_chosen;
};
typedef void (*fm_video_report_fn)(void *user, const struct fm_video_report *report);
/* A line for the log: a step of the ladder, a reconnection. On the thread that runs. */
typedef void (*fm_video_log_fn)(void *user, const char *text);

/* Opens input and networks and settles everything that can be settled before the first frame. */
FM_API int fm_video_create(fm_engine *engine, const struct fm_video_params *params, fm_video **out, struct fm_error *error);
FM_API void fm_video_destroy(fm_video **video); /* accepts NULL contents, sets NULL */
/* What was said while opening, a line at a time; FM_ERR_EOS past the end. */
FM_API int fm_video_note(const fm_video *video, int index, const char **text);

/* What a run would do: the report with sizes, network and expectations. Nothing is computed, nothing written. */
FM_API int fm_video_describe(fm_video *video, fm_video_report_fn report, void *user);

/* Runs the job, once. `progress` is called about ten times a second, `log` now and then, `report` once at the end, also on failure; each
 * may be NULL. FM_ERR_CANCELLED: what was done is kept, in a playable file beside and in the journal that resume goes on with. */
FM_API int fm_video_run(fm_video *video, fm_video_report_fn report, fm_video_report_fn progress, fm_video_log_fn log, void *user,
                        struct fm_error *error);
FM_API void fm_video_cancel(fm_video *video);

/* The other end of params.isolate, for worker_program: takes its last two arguments, and returns when the job is over. The program is
 * started with no input, and with standard error for its output. FM_ERR_ARGUMENT: no job of this very build of the library. */
FM_API int fm_video_work(int descriptor, int worker, struct fm_error *error);

/* Is this a video's name, a device, a stream's URL or "-", rather than a picture? By its name alone. Any thread. */
FM_API bool fm_video_is_name(const char *path);

#ifdef __cplusplus
}
#endif
#endif
