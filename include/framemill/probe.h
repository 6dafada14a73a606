/* SPDX-License-Identifier: MIT */
/* Probe: what is in a video or a picture. (What is in a network: fm_model_open, fm_model_get_info.) */
#ifndef FRAMEMILL_PROBE_H
#define FRAMEMILL_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The answer. Immutable; any thread may read it. Its strings live as long as it and hold no control characters; "" where there is
 * nothing to say. */
typedef struct fm_probe fm_probe;

enum fm_probe_kind {
    FM_PROBE_VIDEO = 1, /* a container with video, or several pictures as one */
    FM_PROBE_PICTURE,
    FM_PROBE_OTHER      /* a container without video: sound, subtitles */
};

/* Set size to sizeof. */
struct fm_probe_info {
    size_t size;
    enum fm_probe_kind kind;
    const char *format, *format_name; /* "mov,mp4,m4a,3gp,3g2,mj2", "QuickTime / MOV"; of a picture "png" */
    int64_t bytes;                    /* -1: not known */
    double start_s, duration_s;       /* NaN: not known */
    int64_t bit_rate;                 /* bits a second; 0: not known */
    int n_streams, n_chapters;
    int video;                        /* index of the video stream that fm_upscale would take; -1: none */
    bool live;                        /* a camera or a stream that comes as it happens */
    const char *note;                 /* why the video cannot be decoded; what is changed when a picture is read */
    /* Of a picture, upright. */
    int width, height, channels, bits;
};

enum fm_probe_stream_kind {
    FM_PROBE_STREAM_VIDEO,
    FM_PROBE_STREAM_AUDIO,
    FM_PROBE_STREAM_SUBTITLE,
    FM_PROBE_STREAM_DATA,
    FM_PROBE_STREAM_ATTACHMENT
};

/* A stream of a container. Set size to sizeof. */
struct fm_probe_stream {
    size_t size;
    enum fm_probe_stream_kind kind;
    const char *codec, *profile, *tag; /* "h264", "High", "avc1" */
    const char *language, *title, *disposition; /* "eng"; "default, forced" */
    int time_base_num, time_base_den;
    double start_s, duration_s;        /* NaN: not known */
    int64_t bit_rate, frames;          /* 0: not known */
    bool cover;                        /* a picture that belongs to the file, no video */
    /* Video. */
    int width, height;
    const char *pixel_format;          /* FFmpeg's name, "yuv420p10le" */
    int rate_num, rate_den;            /* frames a second on average; 0/1: not known */
    int real_rate_num, real_rate_den;  /* the finest that all times are multiples of, as FFmpeg guesses */
    int aspect_num, aspect_den;        /* of a sample; 0/1: not known */
    const char *range;                 /* "tv", "pc" */
    const char *matrix, *primaries, *transfer; /* "bt709" ... */
    const char *siting;                /* of chroma samples: "left" ... */
    int rotation;                      /* degrees clockwise that a player turns the picture: 0, 90, 180, 270 */
    bool flipped;                      /* mirrored left to right before it is turned */
    bool interlaced, top_first;
    bool hdr_mastering, hdr_light, hdr10plus, dolby_vision;
    double red[2], green[2], blue[2], white[2]; /* x, y of the display it was made on, when hdr_mastering */
    double min_luminance, max_luminance;        /* cd/m2, when hdr_mastering */
    int max_cll, max_fall;                      /* cd/m2, when hdr_light */
    /* Audio. */
    int sample_rate, channels;
    const char *channel_layout, *sample_format;
};

struct fm_probe_chapter {
    size_t size;
    double start_s, end_s;
    const char *title;
};

/* Zero means the default everywhere. Strings need to live during the call only. */
struct fm_probe_params {
    size_t size;
    const char *format;         /* FFmpeg's name of the container; NULL: found out */
    const char *const *options; /* "key=value" for FFmpeg's container, protocol or decoder; NULL-terminated; NULL: none */
};

/* Looks into a file, a folder of pictures, a device or an address (all that fm_upscale takes), decoding one frame. params may be NULL. On
 * success the caller owns the probe. FM_ERR_IO: not there, not readable; FM_ERR_FORMAT: neither a video nor a picture, or a damaged one;
 * FM_ERR_UNSUPPORTED: FFmpeg or libvips is needed and not installed; FM_ERR_ARGUMENT: an option that nobody knows. Messages name the file. */
FM_API int fm_probe_open(const char *path, const struct fm_probe_params *params, fm_probe **out, struct fm_error *error);
FM_API void fm_probe_close(fm_probe **probe); /* accepts NULL contents, sets NULL */

FM_API int fm_probe_get_info(const fm_probe *probe, struct fm_probe_info *info);
/* FM_ERR_ARGUMENT when the index is out of range. */
FM_API int fm_probe_get_stream(const fm_probe *probe, int index, struct fm_probe_stream *stream);
FM_API int fm_probe_get_chapter(const fm_probe *probe, int index, struct fm_probe_chapter *chapter);
/* The index-th tag of a stream (-1: of the container); FM_ERR_EOS when there is no such tag. */
FM_API int fm_probe_get_tag(const fm_probe *probe, int stream, int index, const char **key, const char **value);

#ifdef __cplusplus
}
#endif
#endif
