/* SPDX-License-Identifier: MIT */
/* Quality: how near a picture or a video is to the original, as publications on enlarging measure it. */
#ifndef FRAMEMILL_QUALITY_H
#define FRAMEMILL_QUALITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* A clip: the frames of a video one after the other, as pictures. One thread at a time. */
typedef struct fm_clip fm_clip;

/* Set size to sizeof; zero means the default everywhere. */
struct fm_clip_params {
    size_t size;
    int threads; /* that decode, ahead of what is asked for; 1: none, frames are decoded while fm_clip_next runs; 0: chosen */
};

/* Set size to sizeof. */
struct fm_clip_info {
    size_t size;
    int width, height;          /* of the pictures */
    int rate_num, rate_den;     /* frames a second on average; 0/1: not known */
    int64_t frames, damaged;    /* handed out so far; of these, frames where the decoder missed something */
};

/* Opens a video (all that fm_video takes; the stream that it would take) and decodes its first frame. params may be NULL; the caller
 * owns the clip. FM_ERR_IO: not there, not readable; FM_ERR_FORMAT: damaged, no video in it; FM_ERR_UNSUPPORTED: FFmpeg is not
 * installed, no decoder, a colour system that is no matrix of R, G, B; FM_ERR_ARGUMENT; FM_ERR_NOMEM. Messages name the file. */
FM_API int fm_clip_open(const char *path, const struct fm_clip_params *params, fm_clip **out, struct fm_error *error);
FM_API void fm_clip_close(fm_clip **clip); /* accepts NULL contents, sets NULL */

FM_API int fm_clip_get_info(const fm_clip *clip, struct fm_clip_info *info);

/* The next frame as R, G, B of 8 bits, as players show it: by the matrix and range of the video (of those that do not say: by the
 * size), turned upright, fields made into frames; without transparency, and without any change for HDR displays. *out: all zero (or
 * empty after fm_picture_destroy): made by the call; else a picture of this size and kind, which is written into. FM_ERR_EOS: that was
 * all; FM_ERR_FORMAT: the file breaks off; FM_ERR_SHAPE: *out is of another kind; FM_ERR_IO; FM_ERR_NOMEM. On failure *out holds
 * nothing sensible, and is empty if it was. */
FM_API int fm_clip_next(fm_clip *clip, struct fm_picture *out, struct fm_error *error);

#ifdef __cplusplus
}
#endif
#endif
