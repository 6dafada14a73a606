/* SPDX-License-Identifier: MIT */
/* Upscale: pictures in, larger pictures out. Files are read, computed and written at the same time; memory is bounded; nothing of a
 * picture is lost (bit depth, transparency, colour profile, EXIF); a file that fails does not stop the others. */
#ifndef FRAMEMILL_UPSCALE_H
#define FRAMEMILL_UPSCALE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "error.h"
#include "export.h"
#include "picture.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One thread at a time; only fm_upscale_cancel may come from any. Holds the engine. */
typedef struct fm_upscale fm_upscale;

/* Set size to sizeof; zero means the default everywhere. Strings are copied. */
struct fm_upscale_params {
    size_t size;
    const char *const *models;  /* networks by name or file, best first, NULL-terminated; NULL or empty: the best that came with
                                   framemill for this scale. "lanczos": none, plain resampling. A network that is missing or does not do is
                                   passed over for the next of the same scale, in the end for plain Lanczos */
    const char *model_dir;      /* looked in first */
    bool strict;                /* no fallback: an error instead */
    double scale;               /* output size per input size; 0: what the (first) network does */
    int tile;                   /* input pixels; 0: the whole picture, or as memory allows */
    int overlap;                /* feathered overlap of tiles, input pixels, for networks with an unbounded field; 0: 10; -1: none */
    size_t memory;              /* bytes for everything but what a format must hold decoded; 0: half of what the machine has free */
    int workers;                /* pictures computed at the same time, each with its share of the engine's threads; 0: chosen */
    int writers;                /* pictures written at the same time; 0: chosen */
    bool ensemble;              /* the mean of eight flips and turns: eight times the work, a little better */
    bool compare;               /* write the plainly enlarged picture and the result side by side */
    const char *const *plugins; /* shared libraries, each "FILE" or "FILE:OPTIONS", in order; NULL-terminated */
    int quality;                /* 1..100 for lossy formats; 0: the default of the format */
    int compression;            /* PNG 1..9; 0: the default (fast); -1: none */
    bool overwrite;             /* replace outputs that are there */
};

/* One picture. Strings stay the caller's until the run returns. */
struct fm_upscale_file {
    const char *input, *output;
    const char *format;         /* NULL: by the output's name */
};

/* What became of a picture (or would, from fm_upscale_describe). Strings are valid during the call only. */
struct fm_upscale_report {
    size_t size;
    int index;                  /* in the list of files */
    const char *input, *output;
    int code;                   /* FM_OK or what went wrong */
    const char *message;        /* of the error, or "" */
    const char *warnings;       /* lines separated by \n, or "" */
    int in_width, in_height, out_width, out_height;
    int channels, bits;         /* of the input */
    const char *format;         /* of the output */
    const char *model;          /* "realesr-animevideov3-x2", "lanczos" */
    const char *how;            /* "network x2, then resampled to x3" */
    int tile_width, tile_height; /* in effect, in input pixels; 0: whole */
    int tiles;
    size_t memory;              /* bytes that were set aside for computing it: sessions, windows, bands */
    double read_ms, compute_ms, write_ms, total_ms; /* the first three: busy time of each stage */
    uint64_t out_bytes;
    double network_ms;          /* the part of compute_ms that was spent in the network itself */
};
typedef void (*fm_upscale_report_fn)(void *user, const struct fm_upscale_report *report);

/* Now and then, on the thread that runs: pictures finished, and the share of all work done (by pixels as far as sizes are known). */
typedef void (*fm_upscale_progress_fn)(void *user, int finished, int files, double share);

/* Finds and opens the networks, loads plug-ins. FM_ERR_UNSUPPORTED, FM_ERR_IO ...: none of the models did, under strict; a plug-in could
 * not be loaded. */
FM_API int fm_upscale_create(fm_engine *engine, const struct fm_upscale_params *params, fm_upscale **out, struct fm_error *error);
FM_API void fm_upscale_destroy(fm_upscale **upscale); /* accepts NULL contents, sets NULL */

/* What was said while finding and probing networks, a line at a time; FM_ERR_EOS past the end. */
FM_API int fm_upscale_note(const fm_upscale *upscale, int index, const char **text);

/* The report that a run would give, from the picture's header alone: nothing is computed, nothing written. */
FM_API int fm_upscale_describe(fm_upscale *upscale, const struct fm_upscale_file *file, fm_upscale_report_fn report, void *user,
                               struct fm_error *error);

/* Upscales all files; calls `report` once for each, in order, on the calling thread. FM_OK when all went well; else the code of the
 * first that failed (its message in error). FM_ERR_CANCELLED: files not yet finished are reported so, nothing half-written is left. */
FM_API int fm_upscale_run(fm_upscale *upscale, const struct fm_upscale_file *files, int n_files, fm_upscale_report_fn report,
                          fm_upscale_progress_fn progress, void *user, struct fm_error *error);
/* One picture in memory: the samples are those that upscaling a PNG of it gives, with all threads of the engine on the one picture. *out: all
 * zero (or empty after fm_picture_destroy): made by the call; else a picture of the result's size, channels and bits, which is written
 * into: the last call's result, or the caller's own memory. It may not overlap `in`. What one call prepared is kept for the next one of the same
 * size, so that in a loop nothing but the computing is left. report may be NULL. On failure *out holds nothing sensible, and is empty if it
 * was. FM_ERR_ARGUMENT; FM_ERR_SHAPE: *out is of another kind, the result would be too large; FM_ERR_CANCELLED; FM_ERR_NOMEM ... */
FM_API int fm_upscale_picture(fm_upscale *upscale, const struct fm_picture *in, struct fm_picture *out, fm_upscale_report_fn report,
                              void *user, struct fm_error *error);
/* The size of the result for a picture of width x height. FM_ERR_ARGUMENT, FM_ERR_SHAPE: it would be too large. */
FM_API int fm_upscale_size(const fm_upscale *upscale, int width, int height, int *out_width, int *out_height);

FM_API void fm_upscale_cancel(fm_upscale *upscale);

/* For tools that walk folders: can this be a picture, by its name? The canonical name of a format by name or file name ("jpeg" for
 * "a.JPG"), NULL if framemill cannot write it; its usual extension. Any thread. */
FM_API bool fm_upscale_is_picture_name(const char *path);
FM_API const char *fm_upscale_format(const char *name_or_path);
FM_API const char *fm_upscale_extension(const char *format);

#ifdef __cplusplus
}
#endif
#endif
