/* SPDX-License-Identifier: MIT */
/* What travels in a slot of the mill: a head without pointers (it may lie in memory shared with another process), behind it the planes of
 * the frame that is made, and, where workers are processes, behind those the planes of the source's frame. */
#ifndef FM_TASKS_VIDEO_UNIT_H
#define FM_TASKS_VIDEO_UNIT_H

#include "tasks/video/reuse.h"
#include "tasks/video/video.h"

#define VIDEO_UNIT_HEAD 4096 /* bytes before the planes */

struct video_unit {
    /* The source's. */
    int slot;   /* which of the ring's */
    int before; /* the slot of the frame that this one may be the same as in parts; -1: all is to be made */
    int level;
    int64_t index; /* of the frame, for messages */
    /* The worker's. What it left out is taken from the frame before when this one's turn has come. */
    struct video_cost cost;
    int64_t tiles, reused;
    bool all_same, chosen; /* chosen: what was made is in the slot's bits (video_made_in) */
    int n_todo;
    struct rect todo[REUSE_RECTS_MAX];
    struct fm_error error; /* when it could not be made */
};
_Static_assert(sizeof(struct video_unit) <= VIDEO_UNIT_HEAD, "the head of a slot is too small");

#endif
