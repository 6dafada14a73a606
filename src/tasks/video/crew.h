/* SPDX-License-Identifier: MIT */
/* Who computes: workers by name and number, as threads of ours or as processes. */
#ifndef FM_TASKS_VIDEO_CREW_H
#define FM_TASKS_VIDEO_CREW_H

#include "mill/mill.h"
#include "tasks/video/work.h"

/* Reads the list of workers, or decides on some. FM_ERR_ARGUMENT: a device that is not there, a list that is none. */
int crew_settle(struct video *v, struct fm_error *error);
/* Shares `threads` among the workers that have no name given. */
void crew_share(struct video *v, int workers, int threads);
/* Slots of the mill that keep so many of the workers busy; of these, slots that the run keeps after their turn, at most: in the encoder,
 * and the frame before. */
int crew_slots(const struct video *v, int workers);
int crew_kept(const struct video *v);

/* One run's. */
struct crew {
    struct work *work;   // [workers], where they are threads
    const char **name;   // [workers]
    struct brief *brief; /* for processes */
    size_t brief_bytes;
};

/* Fills in what the mill must know of its workers; `process` is what threads call. The crew stays until the mill is destroyed. */
int crew_open(
    struct crew *crew, struct video *v, struct mill_params *params, int (*process)(void *, int, void *), struct fm_error *error);
void crew_close(struct crew *crew, const struct video *v); /* also a cleared one */

#endif
