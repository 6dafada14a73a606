/* SPDX-License-Identifier: MIT */
/* Names: where a job's frames come from and go to, what lies beside the result, and what a job is. */
#ifndef FM_TASKS_VIDEO_PLACE_H
#define FM_TASKS_VIDEO_PLACE_H

#include "tasks/video/video.h"

/* A name with a place for a number: "out%05d.png". */
bool place_is_pattern(const char *name);
/* One file that gets its name in the end; not a pipe or a device, which is written as it comes. */
bool place_is_file(const char *output);
/* Is the result a file that is made whole at the end, from a journal beside it? Only where the input can be read again. */
bool place_has_journal(const struct video *v);
/* May the result, a file, be made? FM_ERR_IO: there is one already, it is the input, or a folder. */
int place_check(const struct video *v, struct fm_error *error);
/* Everything that has a say in what frames are, and how they are coded: a journal of another job is not gone on with. */
void place_describe_job(const struct video *v, char *text, size_t size);
/* Removes what runs that were killed while they made the result have left under temporary names. */
void place_remove_left_over(const char *output);

#endif
