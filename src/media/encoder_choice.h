/* SPDX-License-Identifier: MIT */
/* Which encoder, with which settings unless told otherwise, and which pixel format. */
#ifndef FM_MEDIA_ENCODER_CHOICE_H
#define FM_MEDIA_ENCODER_CHOICE_H

#include "framemill/error.h"
#include "media/av_load.h"
#include "media/video_encoder.h"
#include "media/warn.h"

/* By name, else the container's own. Never NULL: FM_ERR_UNSUPPORTED says what is missing. */
int encoder_choice_codec(const struct av *av, const struct video_encoder_params *params, const AVCodec **codec, struct warn warn,
    struct fm_error *error);
/* The format nearest to `in` that the encoder and the container take. */
enum AVPixelFormat encoder_choice_pixels(const struct av *av, const AVCodec *codec, enum AVPixelFormat in);
/* Takes the encoder full range only? (JPEG) */
bool encoder_choice_is_full_only(const AVCodec *codec);
/* Are times counted in frames inside the encoder, since it cannot take every time base? */
bool encoder_choice_counts(const AVCodec *codec);
/* Adds to `options`, which holds the caller's, what was not said: quality, closed groups, HDR. */
int encoder_choice_options(const struct av *av, const struct video_encoder_params *params, const AVCodec *codec,
    AVCodecContext *context, const AVFrame *first, AVDictionary **options);

#endif
