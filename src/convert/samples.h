/* SPDX-License-Identifier: MIT */
/* What the samples of a video plane mean and where they lie, as H.273 (and H.265's figures of chroma positions) have it. */
#ifndef FM_CONVERT_SAMPLES_H
#define FM_CONVERT_SAMPLES_H

#include "frame/video.h"

#define SAMPLES_MATRIX_RGB 0
#define SAMPLES_MATRIX_YCGCO 8

/* value = (sample - zero) / span: black 0 and white 1, no colour 0 and its ends -1/2 and 1/2 */
struct samples_levels {
    int zero, span, most; /* most: all bits set */
};

static inline bool samples_is_colour_difference(struct video_format f, int plane)
{
    if (f.layout == VIDEO_GREY || f.layout == VIDEO_RGB || (f.layout == VIDEO_444 && f.matrix == SAMPLES_MATRIX_RGB)) return false;
    return plane == 1 || plane == 2;
}

static inline struct samples_levels samples_levels(struct video_format f, int plane)
{
    const int most = (1 << f.bits) - 1, unit = 1 << (f.bits - 8);
    if (plane >= video_colour_planes(f.layout)) return (struct samples_levels){0, most, most}; /* alpha is always full */
    if (samples_is_colour_difference(f, plane))
        return (struct samples_levels){128 * unit, f.full ? most : (f.matrix == SAMPLES_MATRIX_YCGCO ? 219 : 224) * unit, most};
    return f.full ? (struct samples_levels){0, most, most} : (struct samples_levels){16 * unit, 219 * unit, most};
}

/* How many luma samples one of the plane is wide and high, and where in that cell it lies: quarters of it from the middle. */
struct samples_cell {
    int w, h, shift_x, shift_y;
};

static inline struct samples_cell samples_cell(struct video_format f, int plane)
{
    struct samples_cell c = {1, 1, 0, 0};
    if (!video_is_chroma(f, plane)) return c;
    const enum video_siting s = f.siting;
    c.w = 2;
    c.shift_x = s == VIDEO_SITING_LEFT || s == VIDEO_SITING_TOPLEFT || s == VIDEO_SITING_BOTTOMLEFT ? -1 : 0;
    if (f.layout != VIDEO_420) return c;
    c.h = 2;
    c.shift_y = s == VIDEO_SITING_TOPLEFT || s == VIDEO_SITING_TOP         ? -1
                : s == VIDEO_SITING_BOTTOMLEFT || s == VIDEO_SITING_BOTTOM ? 1
                                                                           : 0;
    return c;
}

#endif
