/* SPDX-License-Identifier: MIT */
/* What an encoder is, for the files that open it and run it. */
#ifndef FM_MEDIA_ENCODER_PARTS_H
#define FM_MEDIA_ENCODER_PARTS_H

#include "media/av_load.h"
#include "media/encoder_convert.h"
#include "media/video_encoder.h"

/* What an encoder may hold back. Longer look-aheads than this do not exist. */
#define FRAMES_INSIDE 4096

struct time {
    int64_t pts, duration;
};

struct video_encoder {
    const struct av *av;
    AVCodecContext *context;
    AVCodecParameters *parameters;
    struct coded_stream stream;
    char name[64], writer[128];
    struct video_format format;
    int width, height;
    enum AVPixelFormat in; /* of frames that are sent, without the alpha plane that is not encoded */
    struct encoder_convert *convert;
    enum AVColorSpace matrix;
    enum AVColorRange range;
    bool counts; /* inside the encoder a frame's time is its number */
    struct media_ratio time_base;
    int64_t sent, last_pts;
    struct time *times; /* of frame n at n % FRAMES_INSIDE */
    AVPacket **ready;   /* what had to be taken out of the encoder so that it takes a frame */
    size_t ready_first, ready_count, ready_room;
    bool is_flushed;
};

#endif
