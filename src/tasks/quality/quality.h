/* SPDX-License-Identifier: MIT */
/* The quality task: luma, PSNR, SSIM and flicker (measure.c), MATLAB's bicubic (bicubic.c). What the public header says; pictures are checked
 * before. train/pictures.py is the same in Python. Sums are in double precision: PSNR must not depend on the size of the picture, and the
 * bicubic's ties on nothing. */
#ifndef FM_TASKS_QUALITY_QUALITY_H
#define FM_TASKS_QUALITY_QUALITY_H

#include "framemill/quality.h"

int quality_compare(
    const struct fm_picture *original, const struct fm_picture *result, int border, struct fm_quality *out, struct fm_error *error);
int quality_flicker(const struct fm_picture *originals, const struct fm_picture *results, int frames, int border, double *flicker,
    struct fm_error *error);
int quality_bicubic(const struct fm_picture *in, int width, int height, struct fm_picture *out, struct fm_error *error);

#endif
