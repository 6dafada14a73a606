/* SPDX-License-Identifier: MIT */
/* The pictures that bench quality measures on: a folder's large ones, each with its small one. */
#ifndef FM_CLI_BENCH_QUALITY_H
#define FM_CLI_BENCH_QUALITY_H

#include "framemill/framemill.h"

/* A ratio of whole numbers: 2 is 2 / 1, 1.5 is 3 / 2. */
struct ratio {
    int up, down;
};
/* False: no ratio with numbers up to 1000. */
bool ratio_of(double scale, struct ratio *ratio);

struct quality_set {
    char name[128]; /* of the folder */
    struct quality_entry {
        char *name;  /* "img_001" */
        char *large; /* files; `small` NULL: to be made */
        char *small;
    } * entry;
    int n;
};

/* Finds the pictures of a folder. EXIT_DONE, or the exit code after printing what is wrong: no pictures, half a pair. Closed in any case. */
int quality_set_open(const char *folder, double scale, struct quality_set *set);
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

#endif
