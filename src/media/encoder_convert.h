/* SPDX-License-Identifier: MIT */
/* Frames of one format for an encoder that takes another: depth, subsampling, RGB, range. One thread at a time. */
#ifndef FM_MEDIA_ENCODER_CONVERT_H
#define FM_MEDIA_ENCODER_CONVERT_H

#include "framemill/error.h"
#include "media/av_load.h"

struct encoder_convert;

/* The tags of `like` (format, size, range, matrix) say what comes; `to` and `full` what is wanted. Matrix and range that frames then
 * have are written to *matrix and *range. */
int encoder_convert_create(const struct av *av, const AVFrame *like, enum AVPixelFormat to, bool full, struct encoder_convert **out,
    enum AVColorSpace *matrix, enum AVColorRange *range, struct fm_error *error);
/* A new frame with the samples of `from`; properties are not copied. */
int encoder_convert_frame(struct encoder_convert *convert, const AVFrame *from, AVFrame **to, struct fm_error *error);
void encoder_convert_destroy(struct encoder_convert **convert);

#endif
