/* SPDX-License-Identifier: MIT */
/* FFmpeg's packets and stream parameters as ours (media/coded.h), and back. */
#ifndef FM_MEDIA_AV_CODED_H
#define FM_MEDIA_AV_CODED_H

#include "framemill/error.h"
#include "media/av_load.h"
#include "media/coded.h"

/* Takes the packet over: `coded` owns it and reads it in place. Side data that speaks of the encoder alone is left out. */
void avcoded_wrap(AVPacket *packet, struct coded_packet *coded);
/* The other way: a reference where the memory is FFmpeg's, a copy where not. `packet` is an empty one. */
int avcoded_packet(const struct av *av, const struct coded_packet *coded, AVPacket *packet, struct fm_error *error);

/* Parameters as ours; `coded` points into them and `sides`. */
void avcoded_stream(const struct av *av, const AVCodecParameters *parameters, AVRational time_base, AVRational frame_rate,
    const AVPacketSideData *side, int sides, struct coded_stream *coded);
/* Fills an output stream: parameters, side data, rates. FM_ERR_UNSUPPORTED: a codec this FFmpeg does not know. */
int avcoded_fill(const struct av *av, const struct coded_stream *coded, AVStream *stream, struct fm_error *error);
/* AV_CODEC_ID_NONE: not known. */
enum AVCodecID avcoded_codec(const struct av *av, const char *name);

static inline AVRational avcoded_rational(struct media_ratio r)
{
    return (AVRational){r.num, r.den};
}
static inline struct media_ratio avcoded_ratio(AVRational r)
{
    return (struct media_ratio){r.num, r.den};
}

#endif
