/* SPDX-License-Identifier: MIT */
/* framemill upscale for video: one job after the other. */
#ifndef FM_CLI_UPSCALE_VIDEO_H
#define FM_CLI_UPSCALE_VIDEO_H

#include "upscale.h"

/* Are the inputs videos (by their names, or because pictures are to be one)? */
bool is_video_job(const struct settings *settings, const struct args *args);
/* The exit code. */
int upscale_video(const struct settings *settings, const struct args *args);

#endif
