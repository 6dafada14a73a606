/* SPDX-License-Identifier: MIT */
/* framemill upscale for video: one job after the other. */
#ifndef FM_CLI_UPSCALE_VIDEO_H
#define FM_CLI_UPSCALE_VIDEO_H

#include "upscale.h"

/* Are the inputs videos (by their names, or because pictures are to be one)? */
bool is_video_job(const struct settings *settings, const struct args *args);
/* The exit code. */
int upscale_video(const struct settings *settings, const struct args *args);

/* "framemill worker DESCRIPTOR NUMBER": what --isolate starts. No command for people. */
#define VIDEO_WORKER_COMMAND "worker"
int upscale_worker(int argc, char **argv);

/* upscale_video_report.c: on standard output; what there is to say of the workers, on standard error. */
void video_report_json(const struct fm_video_report *report, const char *outcome, bool is_first);
void video_report_benchmark(const struct fm_video_report *report);
void video_report_workers(struct progress *progress, const struct fm_video_report *report, bool named);

#endif
