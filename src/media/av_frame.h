/* SPDX-License-Identifier: MIT */
/* FFmpeg's frames as ours: the same samples and the same memory. The owner of a struct video_frame that came from here is an
 * AVFrame reference, with all of its side data. */
#ifndef FM_MEDIA_AV_FRAME_H
#define FM_MEDIA_AV_FRAME_H

#include "frame/video.h"
#include "framemill/error.h"
#include "media/av_load.h"

/* The pixel format that holds a struct video_format's samples exactly as they lie; AV_PIX_FMT_NONE: FFmpeg has none (grey with
 * alpha, some depths with alpha). */
enum AVPixelFormat avframe_pixel_format(struct video_format format);
/* Layout, bits and alpha of a pixel format whose planes are struct video_format's; false for all others. */
bool avframe_is_canonical(enum AVPixelFormat pixel_format, struct video_format *format);
/* The smallest canonical format that takes every sample of `pixel_format` without loss of depth; AV_PIX_FMT_NONE: frames that live
 * in a device. */
enum AVPixelFormat avframe_canonical_for(enum AVPixelFormat pixel_format);

/* Colour tags both ways. from: range, matrix, primaries, transfer and siting into `format`, whose layout is set. */
void avframe_tags_from(const AVFrame *frame, struct video_format *format);
void avframe_tags_to(struct video_format format, AVFrame *frame);
enum AVChromaLocation avframe_siting_to(struct video_format format); /* UNSPECIFIED for layouts without smaller chroma */
enum AVColorRange avframe_range_to(struct video_format format);

/* Recycles owners, so that a warm source allocates no more than FFmpeg does. Reference counted: frames may outlive it. */
struct avframe_pool;
struct avframe_pool *avframe_pool_create(const struct av *av);
void avframe_pool_destroy(struct avframe_pool **pool); /* accepts NULL contents, sets NULL */

/* Moves `from` (canonical, positive strides; left empty) into `to`. pts, duration and the like are taken over. */
int avframe_wrap(struct avframe_pool *pool, AVFrame *from, struct video_frame *to, struct fm_error *error);
/* The AVFrame behind a frame that avframe_wrap made, for its side data; NULL for frames of others. The frame's. */
const AVFrame *avframe_of(const struct video_frame *frame);

/* Brings frames of one format to a canonical one: a copy where the samples only lie otherwise, swscale where they must be computed
 * (other subsampling, floats, another size). Keeps its state for the next frame. */
struct avconvert;
int avconvert_create(const struct av *av, struct avconvert **out, struct fm_error *error);
void avconvert_destroy(struct avconvert **convert); /* accepts NULL contents, sets NULL */
/* Replaces `frame` by its converted self: side data, tags and times kept. */
int avconvert_frame(
    struct avconvert *convert, AVFrame *frame, enum AVPixelFormat to, int width, int height, struct fm_error *error);

#endif
