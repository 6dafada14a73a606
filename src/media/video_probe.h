/* SPDX-License-Identifier: MIT */
/* Everything that a container tells about itself, for people to read. */
#ifndef FM_MEDIA_VIDEO_PROBE_H
#define FM_MEDIA_VIDEO_PROBE_H

#include "core/arena.h"
#include "media/video_source.h"

struct video_probe_tag {
    int stream; /* -1: of the container */
    const char *key, *value;
};

struct video_probe_chapter {
    double start_s, end_s;
    const char *title; /* "" */
};

/* Texts have no control characters. */
struct video_probe {
    const char *container, *container_name; /* "mov,mp4,m4a,3gp,3g2,mj2", "QuickTime / MOV" */
    int64_t bytes;                          /* -1: not known */
    int64_t start_us, duration_us;          /* INT64_MIN: not known */
    int64_t bit_rate;                       /* 0: not known */
    struct media_stream *streams;
    int n_streams;
    const struct video_probe_tag *tags;
    int n_tags;
    const struct video_probe_chapter *chapters;
    int n_chapters;
    bool pictures; /* a single picture, or several as a video, by their container */
    bool decodes;  /* `video` was filled from the first frame */
    struct video_info video;
    const char *note; /* why not, or "" */
};

/* Opens `url` as video_source_open does, decodes one frame, and closes it again. All memory is the arena's. Errors are
 * video_source_open's; a container without video, or one that cannot be decoded, is no error. */
int video_probe(const char *url, const struct video_source_params *params, struct arena *arena, struct video_probe *out,
    struct fm_error *error);

#endif
