/* SPDX-License-Identifier: MIT */
/* What a container is called, where it goes and what it can hold. */
#ifndef FM_MEDIA_MUX_CONTAINER_H
#define FM_MEDIA_MUX_CONTAINER_H

#include <stdbool.h>

#include "framemill/error.h"
#include "media/av_load.h"

struct mux_container {
    const AVOutputFormat *format;
    bool is_file;    /* one ordinary file, which is made under another name first */
    bool is_pipe;    /* cannot be sought in */
    bool is_pattern; /* a file for each picture */
    bool is_network;
    bool is_mp4, is_mov; /* is_mov: of the family, MP4 too */
    bool is_matroska, is_webm;
    bool is_ts;
    bool is_rtp; /* the header is a talk with the peer */
    char url[4200]; /* as FFmpeg wants it: "pipe:1", "file:x.mp4", a pattern, a URL */
};

/* `format`: a muxer's name, or NULL. */
int mux_container_find(
    const struct av *av, const char *output, const char *format, struct mux_container *out, struct fm_error *error);
/* What people call it: "MP4". */
const char *mux_container_title(const struct mux_container *c);

/* The tag that a copied stream has in it: its own where that means the same here, else 0 (the muxer's choice). */
uint32_t mux_container_tag(const struct av *av, const struct mux_container *c, const AVCodecParameters *parameters);
/* Would the container take this stream as it is? Asked of the muxer itself. */
bool mux_container_holds(const struct av *av, const struct mux_container *c, const AVStream *stream);
bool mux_container_holds_video(const struct av *av, const struct mux_container *c, enum AVCodecID codec);
bool mux_container_holds_attachments(const struct mux_container *c);
/* What subtitles that are text, and audio, become in it; AV_CODEC_ID_NONE: it has none. `pcm`: bits of lossless audio, 0 for other. */
enum AVCodecID mux_container_text(const struct mux_container *c);
enum AVCodecID mux_container_audio(const struct av *av, const struct mux_container *c, int pcm);

#endif
