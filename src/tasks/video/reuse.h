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
    bool all_same;                     /* after reuse_find */
    struct rect todo[REUSE_RECTS_MAX]; /* of the result */
    int n_todo;                        /* 0 and not all_same: all of it */
    int64_t n_tiles, n_same;
};

int reuse_make(struct reuse *r, const struct video *v, struct fm_error *error);
void reuse_release(struct reuse *r);
/* Compares the frame with the one before, both uncropped. */
void reuse_find(struct reuse *r, const struct video *v, int level, const struct video_frame *before, const struct video_frame *now);
/* Copies what is not in `todo` (all when all_same) from the result of the frame before. */
void reuse_copy(const struct reuse *r, const struct video *v, const struct video_frame *before, struct video_frame *now);

#endif
