/* SPDX-License-Identifier: MIT */
/* Audio that a container does not take, encoded again. One thread at a time. */
#ifndef FM_MEDIA_MUX_AUDIO_H
#define FM_MEDIA_MUX_AUDIO_H

#include <stdbool.h>

#include "framemill/error.h"
#include "media/av_load.h"

struct mux_audio;

/* How many bits an exact copy of such audio needs; 0: it is not exact itself (AAC, MP3 ...). */
int mux_audio_lossless_bits(const AVCodecParameters *parameters);

/* FM_ERR_UNSUPPORTED: this FFmpeg cannot read the one or write the other. `parameters`: of the result, whose time base is one
 * sample. */
int mux_audio_create(const struct av *av, const AVStream *in, enum AVCodecID to, bool global_header, struct mux_audio **out,
    AVCodecParameters *parameters, struct fm_error *error);
/* A packet in the stream's time base; NULL: no more. Damaged ones leave silence. */
int mux_audio_send(struct mux_audio *a, const AVPacket *in, struct fm_error *error);
/* FM_OK, FM_ERR_AGAIN, FM_ERR_EOS. `out` is an empty packet. */
int mux_audio_receive(struct mux_audio *a, AVPacket *out, struct fm_error *error);
void mux_audio_destroy(struct mux_audio **a);

#endif
