/* SPDX-License-Identifier: MIT */
/* The parts of framemill upscale:
 *
 *     upscale_options.c   options -> settings
 *     upscale_files.c     what is named -> pictures, each with its input and output
 *     upscale.c           runs them
 *     upscale_report.c    says what became of them
 *     upscale_video.c     videos, one after the other; upscale_video_report.c says what became of each */
#ifndef FM_CLI_UPSCALE_H
#define FM_CLI_UPSCALE_H

#include "args.h"
#include "framemill/framemill.h"
#include "framemill/upscale.h"
#include "progress.h"

/* What the options say. Strings are argv's or in `texts`. */
struct settings {
    struct fm_upscale_params params;
    struct fm_engine_params engine;
    const char **input; /* n_inputs, in the order given: -i, then words */
    int n_inputs;
    const char *output; /* NULL: beside the inputs */
    const char *format; /* canonical, or NULL */
    const char *suffix; /* "" when there is none */
    bool skip_existing, dry_run, json, verbose, quiet;
    enum progress_mode progress;
    bool gpu_wanted, is_video;
    bool terminal;                /* somebody looks at standard error */
    const char **model, **plugin; /* NULL-terminated, what params point to */
    char **text;                  /* owned strings */
    int n_texts;
};

/* EXIT_DONE, or the exit code after printing why. settings_free in any case. */
int settings_read(struct settings *settings, const struct args *args);
void settings_free(struct settings *settings);

enum outcome {
    OUTCOME_OPEN, /* to be done */
    OUTCOME_DONE,
    OUTCOME_SKIPPED,   /* its result is there, --skip-existing */
    OUTCOME_FAILED,    /* by the machine, or by what was asked for */
    OUTCOME_BAD_INPUT, /* by the picture itself */
    OUTCOME_CANCELLED
};

struct picture {
    char *input, *output;
    const char *format; /* canonical */
    char *message;      /* why it failed */
    char *warning;      /* about its name */
    enum outcome outcome;
    bool said;   /* that it failed */
    bool common; /* it failed with all the rest, for one reason */
};

struct pictures {
    struct picture *list;
    int n, capacity;
    const char *folder; /* where all results go; NULL: none, or one file */
    int left_out;       /* files of folders that are no pictures, or hidden */
};

/* Finds all pictures and says where each goes. What cannot be done (missing, the result exists, would replace an input) is among them
 * as failed. Nothing is written. EXIT_DONE, or the exit code after printing why. pictures_free in any case. */
int pictures_find(struct pictures *pictures, const struct settings *settings);
/* Makes the folders of what is to be done; pictures whose folder cannot be had fail. 0, or errno: the output folder itself cannot. */
int pictures_make_folders(struct pictures *pictures);
void pictures_free(struct pictures *pictures);
/* `message` is copied; may be NULL. */
void picture_fail(struct picture *picture, enum outcome outcome, const char *message);

/* On standard output, with --json, as it comes: begin, one call for each picture, end. `report` may be NULL: never begun. */
void report_begin(const struct settings *settings);
void report_picture(const struct picture *picture, const struct fm_upscale_report *report, bool first);
/* False: standard output could not be written. */
bool report_end(const struct pictures *pictures, const fm_upscale *upscale, double seconds, bool cancelled);
/* For people: "640x360 -> 1280x720 png, lanczos, 4 tiles of 512x512", times when there are. In `text`. */
const char *report_line(const struct fm_upscale_report *report, char *text, size_t size);
/* What failed once more at the end, and the total. */
void report_total(
    struct progress *progress, const struct settings *settings, const struct pictures *pictures, double seconds, bool cancelled);

#endif
