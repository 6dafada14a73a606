/* SPDX-License-Identifier: MIT */
/* Quality: how near a picture is to the original, as publications on enlarging measure it. */
#ifndef FRAMEMILL_QUALITY_H
#define FRAMEMILL_QUALITY_H

#include <stddef.h>

#include "error.h"
#include "export.h"
#include "picture.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All is measured on luma: Y of BT.601 as MATLAB's rgb2ycbcr has it (16 for black to 235 for white, not rounded), 16-bit samples brought to 255
 * levels, grey taken as three equal channels, transparency not looked at. Pictures may differ in channels and bits, not in size. Any
 * thread. */

struct fm_quality {
    size_t size;
    double psnr; /* dB over 255; infinite for equal pictures */
    double ssim; /* Wang's index: a Gaussian of 11 x 11 taps, sigma 1.5, where it lies within the picture; 1 for equal pictures */
};

/* Compares a result with its original. `border`: so many pixels are left out on each side (by convention: the scale). At least 11 x 11 pixels
 * must be left. FM_ERR_ARGUMENT, FM_ERR_SHAPE, FM_ERR_NOMEM. */
FM_API int fm_quality_compare(const struct fm_picture *original, const struct fm_picture *result, int border, struct fm_quality *out,
                              struct fm_error *error);

/* Flicker of a sequence: the mean absolute change of the error (result minus original) from one frame to the next, in levels of 255. Zero where
 * what is wrong stays wrong alike; large where details come and go. frames: 2 or more, all of one size. */
FM_API int fm_quality_flicker(const struct fm_picture *originals, const struct fm_picture *results, int frames, int border,
                              double *flicker, struct fm_error *error);

/* The bicubic filter by which test pictures are made small, and which results are compared with: MATLAB's imresize(in, [height width]) of
 * pictures of whole numbers, byte for byte where the ratio is the same on both axes: Keys' kernel, widened when shrinking, edges repeated, rows
 * first, rounded to the bits of the picture after each axis. *out needs no initialising and is empty on failure. FM_ERR_ARGUMENT, FM_ERR_NOMEM. */
FM_API int fm_quality_bicubic(const struct fm_picture *in, int width, int height, struct fm_picture *out, struct fm_error *error);

#ifdef __cplusplus
}
#endif
#endif
