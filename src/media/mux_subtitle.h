/* SPDX-License-Identifier: MIT */
/* Subtitles that are text, as another kind of text. One thread at a time. */
#ifndef FM_MEDIA_MUX_SUBTITLE_H
#define FM_MEDIA_MUX_SUBTITLE_H

#include <stdbool.h>

#include "framemill/error.h"
#include "media/av_load.h"

struct mux_subtitle;

/* FM_ERR_UNSUPPORTED: this FFmpeg cannot read the one or write the other. `parameters`: of the result. */
int mux_subtitle_create(const struct av *av, const AVStream *in, enum AVCodecID to, struct mux_subtitle **out,
    AVCodecParameters *parameters, struct fm_error *error);
/* The times of `in` are kept. *made: did anything come of it? (Damaged ones do not.) `out` is an empty packet. */
int mux_subtitle_packet(struct mux_subtitle *s, const AVPacket *in, AVPacket *out, bool *made, struct fm_error *error);
void mux_subtitle_destroy(struct mux_subtitle **s);
bool mux_subtitle_is_text(const struct av *av, enum AVCodecID codec);

#endif
