/* SPDX-License-Identifier: MIT */
/* Which networks are taken when none is named. */
#ifndef FM_TASKS_UPSCALE_SHIPPED_H
#define FM_TASKS_UPSCALE_SHIPPED_H

/* The name that stands for no network at all. */
#define SHIPPED_PLAIN "lanczos"

enum shipped_use {
    SHIPPED_STILLS, /* a second more does not matter */
    SHIPPED_VIDEO   /* thousands of frames, and two cores */
};

/* The best shipped network for enlarging by `scale` that is there, by name; NULL when none is. */
const char *shipped_for(double scale, enum shipped_use use, const char *model_dir);

/* All that are there, the best and dearest first: how many were put into `names`. */
int shipped_ladder(double scale, const char *model_dir, const char **names, int most);

#endif
