/* SPDX-License-Identifier: MIT */
/* What one worker, a thread or a process, makes frames with. */
#ifndef FM_TASKS_VIDEO_WORK_H
#define FM_TASKS_VIDEO_WORK_H

#include "tasks/video/reuse.h"
#include "tasks/video/unit.h"

/* One thread at a time. */
struct work {
    const struct video *video;
    struct video_maker *maker;
    struct reuse reuse; /* made when the video reuses */
};

/* `threads` compute. To be closed also when it failed. */
int work_open(struct work *work, const struct video *v, int threads, struct fm_error *error);
void work_close(struct work *work); /* also a cleared one */

/* Makes the unit's frame, behind it, from `in`: all of it, or (`before` is not NULL) what is not as it was in the frame before. May be
 * called again for a unit that a worker had begun. 0, or negative with unit->error. */
int work_frame(struct work *work, struct video_unit *unit, const struct video_frame *in, const struct video_frame *before);

#endif
