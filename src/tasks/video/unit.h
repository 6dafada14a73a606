/* SPDX-License-Identifier: MIT */
/* What travels in a slot of the mill: a head without pointers (it may lie in memory shared with another process), and behind it the
 * planes of the frame that is made. */
#ifndef FM_TASKS_VIDEO_UNIT_H
#define FM_TASKS_VIDEO_UNIT_H

#include "tasks/video/video.h"

#define VIDEO_UNIT_HEAD 4096 /* bytes before the planes */

struct video_unit {
    int slot; /* which of the run's, fixed */
    int level;
    int64_t index, pts, duration; /* of the frame */
    struct video_cost cost;
    int64_t tiles, reused;
    struct fm_error error; /* when it could not be made */
};
_Static_assert(sizeof(struct video_unit) <= VIDEO_UNIT_HEAD, "the head of a slot is too small");

#endif
