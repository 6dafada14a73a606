/* SPDX-License-Identifier: MIT */
/* Which network pictures are enlarged with when none is named. */
#ifndef FM_TASKS_UPSCALE_SHIPPED_H
#define FM_TASKS_UPSCALE_SHIPPED_H

/* The name that stands for no network at all. */
#define SHIPPED_PLAIN "lanczos"

/* The best shipped network for enlarging by `scale` that is there, by name; NULL when none is. */
const char *shipped_for(double scale, const char *model_dir);

#endif
