/* SPDX-License-Identifier: MIT */
/* What is in a container: its streams, and the video stream that is decoded. Plain values; texts are clean UTF-8 or ASCII without
 * control characters. */
#ifndef FM_MEDIA_VIDEO_INFO_H
#define FM_MEDIA_VIDEO_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "frame/video.h"
#include "media/media_packet.h"

enum media_kind { MEDIA_VIDEO, MEDIA_AUDIO, MEDIA_SUBTITLE, MEDIA_DATA, MEDIA_ATTACHMENT };

/* HDR by its side data: mastering display (SMPTE ST 2086), content light (CTA-861.3), dynamic kinds by name. */
struct media_hdr {
    bool mastering, light, hdr10plus, dolby_vision;
    double primary[3][2], white[2];      /* x, y of red, green, blue and white */
    double min_luminance, max_luminance; /* cd/m2 */
    int max_cll, max_fall;               /* cd/m2 */
};

struct media_stream {
    int index;
    enum media_kind kind;
    char codec[32], profile[48], tag[16]; /* "h264", "High", "avc1"; "" where there is none */
    char language[16], title[96], disposition[96];
    struct media_ratio time_base;
    int64_t start, duration; /* in the time base; INT64_MIN: not known */
    int64_t bit_rate;        /* 0: not known */
    int64_t frames;          /* as the container says; 0: not known */
    bool cover;              /* a picture that belongs to the file (cover art), no video */
    bool unused;             /* another quality of the same (HLS): its packets do not come */
    bool bitmap_subtitle;    /* subtitles that are pictures */
    /* Video. */
    int width, height;
    char pixel_format[32]; /* FFmpeg's name */
    struct media_ratio average_rate, real_rate, sample_aspect;
    int matrix, primaries, transfer, siting; /* as H.273 has them; 2 (siting -1): not said */
    int range;                               /* 0: not said, 1: studio, 2: full */
    int rotation;                            /* degrees clockwise that a player turns the picture: 0, 90, 180, 270 */
    bool flipped;                            /* mirrored left to right before it is turned */
    bool interlaced, top_first;
    struct media_hdr hdr;
    /* Audio. */
    int sample_rate, channels;
    char channel_layout[32], sample_format[16];
};

/* The names that H.273's code points have in FFmpeg ("bt709", "smpte2084"); NULL: none. Valid once a video was opened. */
const char *media_matrix_name(int matrix);
const char *media_primaries_name(int primaries);
const char *media_transfer_name(int transfer);
const char *media_kind_name(enum media_kind kind);

/* The video that a source decodes. */
struct video_info {
    int stream; /* its index in the container */
    const struct media_stream *streams;
    int n_streams;
    const struct media_stream *video; /* &streams[stream] */
    char container[64];               /* "mov,mp4,m4a,3gp,3g2,mj2", "yuv4mpegpipe", "pictures" ... */
    char codec[32];
    int width, height;          /* of the frames that come */
    struct video_format format; /* of the frames that come */
    struct media_ratio time_base, average_rate, real_rate, sample_aspect;
    int64_t start, duration; /* in the time base; INT64_MIN: not known */
    int64_t frames;          /* in all, where the container knows (edit lists may show fewer); 0: not known */
    int rotation;            /* as in media_stream; frames come unturned */
    bool flipped;
    bool interlaced, top_first; /* before deinterlacing */
    bool deinterlaced;          /* frames are made from fields on the way */
    struct media_hdr hdr;
    bool live;
    bool seekable;
    bool converted;          /* the decoder's pixel format was another, and is converted */
    char decoder_format[32]; /* the decoder's pixel format, FFmpeg's name */
    int64_t from_us,
        to_us; /* the piece asked for, on the container's clock in microseconds: [from, to); INT64_MIN, INT64_MAX: open */
};

#endif
