/* SPDX-License-Identifier: MIT */
/* Planes of video frames to another size (integers in and out): chroma and alpha beside a network of luma, or all planes where
 * there is no network. Chroma stays where it is on the picture, whatever the siting. Layout (but not between RGB and others),
 * bits, range and siting may change on the way. By rectangles: a sample is the same in whichever it is computed. */
#ifndef FM_CONVERT_SCALE_H
#define FM_CONVERT_SCALE_H

#include "convert/resample.h"
#include "frame/video.h"

/* Immutable once made; any thread may use it. */
struct scale;

/* Memory of the calls, kept and grown between them; zeroed before the first. One thread at a time. */
struct scale_scratch {
    struct window in, out, between;
};
void scale_scratch_release(struct scale_scratch *scratch);

/* FM_OK, FM_ERR_NOMEM, FM_ERR_ARGUMENT; FM_ERR_UNSUPPORTED between RGB and other layouts. */
int scale_create(enum resample_kind kind, const struct video_format *in, int in_width, int in_height,
                 const struct video_format *out_format, int out_width, int out_height, struct scale **out, struct fm_error *error);
void scale_destroy(struct scale **s); /* accepts NULL contents, sets NULL */

/* Which samples of the plane are needed for the samples `at` of the same plane of the result. */
struct rect scale_need(const struct scale *s, int plane, struct rect at);

/* Computes samples `at` of one plane of `to`: rounded to nearest, cut to what the bits hold. A plane that `from` does not have
 * becomes no colour (chroma) or opaque (alpha). FM_OK or FM_ERR_NOMEM. */
int scale_plane(const struct scale *s, struct pool *pool, uint32_t cpu_flags, const struct video_frame *from,
                struct video_frame *to, int plane, struct rect at, struct scale_scratch *scratch);

/* The whole of planes [first, video_planes(result)): 1 for all but luma. */
int scale_planes(const struct scale *s, struct pool *pool, uint32_t cpu_flags, const struct video_frame *from,
                 struct video_frame *to, int first, struct scale_scratch *scratch);

#endif
