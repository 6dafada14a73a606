/* SPDX-License-Identifier: MIT */
/* The quality task: luma, PSNR, SSIM and flicker (measure.c), MATLAB's bicubic (bicubic.c), videos as pictures (clip.c). What the
 * public header says; arguments are checked before. train/pictures.py is the same in Python, but for videos. Sums are in double
 * precision: PSNR must not depend on the size of the picture, and the bicubic's ties on nothing. */
#ifndef FM_TASKS_QUALITY_QUALITY_H
#define FM_TASKS_QUALITY_QUALITY_H

#include "framemill/quality.h"

int quality_compare(
    const struct fm_picture *original, const struct fm_picture *result, int border, struct fm_quality *out, struct fm_error *error);
int quality_flicker(const struct fm_picture *originals, const struct fm_picture *results, int frames, int border, double *flicker,
    struct fm_error *error);
int quality_bicubic(const struct fm_picture *in, int width, int height, struct fm_picture *out, struct fm_error *error);

int quality_clip_open(const char *path, int threads, struct fm_clip **out, struct fm_error *error);
void quality_clip_close(struct fm_clip **clip);
void quality_clip_info(const struct fm_clip *clip, struct fm_clip_info *info);
int quality_clip_next(struct fm_clip *clip, struct fm_picture *out, struct fm_error *error);

#endif
