/* SPDX-License-Identifier: MIT */
/* The parts of framemill bench quality:
 *
 *     bench_quality.c           networks, tables
 *     bench_quality_set.c       what is measured on: pictures and clips of a folder, large ones with their small ones
 *     bench_quality_clip.c      all networks on a clip, frame by frame; sums and means
 *     bench_quality_compare.c   a result that is there already, with its original */
#ifndef FM_CLI_BENCH_QUALITY_H
#define FM_CLI_BENCH_QUALITY_H

#include "bench.h"
#include "framemill/framemill.h"

/* A ratio of whole numbers: 2 is 2 / 1, 1.5 is 3 / 2. */
struct ratio {
    int up, down;
};
/* False: no ratio with numbers up to 1000. */
bool ratio_of(double scale, struct ratio *ratio);

/* ---- bench_quality_set.c ---- */

struct quality_set {
    char name[128]; /* of the folder, or the file */
    struct quality_entry {
        char *name;  /* "img_001" */
        char *large; /* files; `small` NULL: to be made */
        char *small;
        bool is_clip;
    } * entry;
    int n;
};

/* Finds the pictures and clips of a folder; a file is a set of one. EXIT_DONE, or the exit code after printing what is wrong: no
 * pictures, half a pair. Closed in any case. */
int quality_set_open(const char *path, double scale, struct quality_set *set);
void quality_set_close(struct quality_set *set);

#define PAN_FRAMES 5 /* every phase of ratios up to 4 comes up */
#define PAN_SIDE 240 /* pixels of the original, at most; a multiple for 1.5, 2, 3, 4, 5, 6 */

/* A picture read: the original, its small form, and a pan over it. Frames are windows of `whole`. */
struct quality_picture {
    struct fm_picture whole, large, small; /* large: whole, or cropped */
    /* Across, and down too: [k][t] is shifted by t pixels. n_pans 0: the picture is too small for it. */
    struct fm_picture pan[2][PAN_FRAMES], small_pan[2][PAN_FRAMES];
    int n_pans;
};

/* EXIT_DONE, or the exit code after printing. Closed in any case. */
int quality_picture_open(const struct quality_entry *entry, struct ratio ratio, int border, struct quality_picture *picture);
void quality_picture_close(struct quality_picture *picture);

/* Its parts. *large becomes a part of `whole`; *small is empty before, and made. EXIT_DONE, or the exit code after printing. */
int quality_shrink(const struct quality_entry *entry, const struct fm_picture *whole, struct ratio ratio, int border,
    struct fm_picture *large, struct fm_picture *small);
/* Is `large` as many times `small` as it must be? */
int quality_pair_fits(
    const struct quality_entry *entry, const struct fm_picture *large, const struct fm_picture *small, struct ratio ratio);

/* ---- bench_quality_clip.c ---- */

/* Of a picture, a frame, a clip, a set. NaN: not measured. */
struct quality_result {
    double psnr, ssim, flicker;
    double ms; /* a picture, or a frame */
    double frames;
};

struct quality_sum {
    struct quality_result total;
    int n, equal, flickers; /* results; of these, equal to the original; with flicker */
};
void quality_sum_add(struct quality_sum *sum, const struct quality_result *one);
/* An infinite PSNR counts as 100 dB, unless all are. */
struct quality_result quality_sum_mean(const struct quality_sum *sum);

/* A row of the table: the bicubic filter, or a network. */
struct contestant {
    char name[64];
    fm_upscale *upscale; /* NULL: bicubic */
    double macs, kilobytes;
    struct quality_result result; /* on the picture or clip at hand */
    struct quality_sum sum;       /* over the set */
};

struct contest {
    struct bench bench;
    struct ratio ratio;
    int border;
    int frames; /* of a clip, at most */
    bool each;
    struct contestant *one; /* the first is bicubic */
    int n;
    char **names; /* of networks, owned */
    int n_names;
    double *times; /* [repeat] */
    struct quality_set *set;
    int n_sets;
    struct table *table;
};

/* All contestants on a clip. EXIT_DONE, or the exit code after printing. */
int quality_measure_clip(struct contest *contest, const struct quality_entry *entry);

/* `small` made as large as `large`. *out: empty, or the last result. EXIT_DONE, or the exit code after printing. */
int quality_enlarge(struct contest *contest, struct contestant *one, const struct fm_picture *small, const struct fm_picture *large,
    struct fm_picture *out);
/* Prints when frames of a clip were damaged. */
void quality_clip_warn(const char *path, const fm_clip *clip);

/* ---- bench_quality_compare.c ---- */

/* --original and --result. The exit code. */
int quality_compare_files(struct bench *bench);

#endif
