/* SPDX-License-Identifier: MIT */
/* Exact reuse: what of a frame need not be computed, because everything it depends on is byte for byte what it was in the frame before.
 * Everything means every pixel that the networks' algorithms read (session_region_need), not just their receptive field: so a tile that is
 * kept is bit for bit what computing it would give. */
#ifndef FM_TASKS_VIDEO_REUSE_H
#define FM_TASKS_VIDEO_REUSE_H

#include "convert/changes.h"
#include "tasks/video/video.h"

#define REUSE_RECTS_MAX 64

/* One per worker. */
struct reuse {
    struct changes changes;
    bool tiles; /* parts of a frame; else only frames that are the same altogether */
    double scale_x, scale_y;
    struct bitmap changed; /* pixels of the input; made where a network can choose them */
    /* After reuse_find: nothing is to be made; or the pixels in `made`; or rectangles. */
    bool all_same, chosen;
    struct rect todo[REUSE_RECTS_MAX]; /* of the result */
    int n_todo; /* 0, and neither all_same nor chosen: all of it */
    int64_t n_tiles, n_same;
};

int reuse_make(struct reuse *r, const struct video *v, struct fm_error *error);
void reuse_release(struct reuse *r);
/* Compares the frame with the one before, both uncropped. `made`: the slot's bits. */
int reuse_find(struct reuse *r, const struct video *v, struct video_maker *maker, int level, const struct video_frame *before,
    const struct video_frame *now, struct bitmap *made, struct fm_error *error);
/* Copies what is not in `todo` or `made` (all when all_same) from the result of the frame before. */
void reuse_copy(const struct reuse *r, const struct video *v, const struct bitmap *made, const struct video_frame *before,
    struct video_frame *now);

#endif
