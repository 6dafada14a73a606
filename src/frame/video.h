/* SPDX-License-Identifier: MIT */
/* A video frame: planes as decoders give and encoders take them, with everything that belongs to it. The planes belong to an owner
 * (a decoder's buffer, a slot of the mill); frames are read in place and released, never copied on the way. */
#ifndef FM_FRAME_VIDEO_H
#define FM_FRAME_VIDEO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame/rect.h"

enum video_layout {
    VIDEO_GREY,
    VIDEO_420,
    VIDEO_422,
    VIDEO_444,
    VIDEO_RGB /* planes in the order G, B, R */
};

/* Where a chroma sample lies in its block of luma samples, as ISO/IEC 23091-2 (H.273) has it. */
enum video_siting {
    VIDEO_SITING_LEFT,
    VIDEO_SITING_CENTER,
    VIDEO_SITING_TOPLEFT,
    VIDEO_SITING_TOP,
    VIDEO_SITING_BOTTOMLEFT,
    VIDEO_SITING_BOTTOM
};

struct video_format {
    enum video_layout layout;
    int bits;   /* 8 .. 16; more than 8: 16-bit words in native byte order, the low bits used */
    bool alpha; /* one plane more, the last */
    bool full;  /* full range rather than studio (16 .. 235 of 8 bits); RGB is full unless told otherwise */
    enum video_siting siting;
    /* Code points of H.273, as tagged; 2 is "unspecified" and stays so. */
    int matrix, primaries, transfer;
};

#define VIDEO_PLANES_MAX 4

struct video_frame {
    struct video_format format;
    int width, height;
    uint8_t *plane[VIDEO_PLANES_MAX];
    ptrdiff_t stride[VIDEO_PLANES_MAX]; /* bytes; positive */
    int64_t pts, duration;              /* in the stream's time base; INT64_MIN pts: none */
    bool interlaced, top_first;
    bool damaged; /* the decoder said that something was missing */
    /* The owner's: media code keeps what encoders need besides (HDR side data, captions). release may be NULL; called once. */
    void *owner;
    void (*release)(struct video_frame *frame);
};

static inline int video_colour_planes(enum video_layout layout)
{
    return layout == VIDEO_GREY ? 1 : 3;
}
static inline int video_planes(struct video_format f)
{
    return video_colour_planes(f.layout) + (f.alpha ? 1 : 0);
}
static inline int video_sample_bytes(struct video_format f)
{
    return f.bits > 8 ? 2 : 1;
}
/* Is this one of the two smaller chroma planes? */
static inline bool video_is_chroma(struct video_format f, int plane)
{
    return (f.layout == VIDEO_420 || f.layout == VIDEO_422) && (plane == 1 || plane == 2);
}
static inline int video_plane_width(struct video_format f, int width, int plane)
{
    return video_is_chroma(f, plane) ? (width + 1) / 2 : width;
}
static inline int video_plane_height(struct video_format f, int height, int plane)
{
    return video_is_chroma(f, plane) && f.layout == VIDEO_420 ? (height + 1) / 2 : height;
}
static inline void video_frame_release(struct video_frame *frame)
{
    if (frame->release) frame->release(frame);
    frame->release = NULL;
    frame->owner = NULL;
}

#endif
