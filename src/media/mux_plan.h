/* SPDX-License-Identifier: MIT */
/* What becomes of each stream of the input, decided before anything is written. */
#ifndef FM_MEDIA_MUX_PLAN_H
#define FM_MEDIA_MUX_PLAN_H

#include "framemill/error.h"
#include "media/av_load.h"
#include "media/mux_audio.h"
#include "media/mux_container.h"
#include "media/mux_subtitle.h"
#include "media/video_mux.h"
#include "media/warn.h"

enum mux_way {
    MUX_DROP,
    MUX_VIDEO,    /* here the new video stands */
    MUX_COPY,     /* packet for packet; attachments have none */
    MUX_COVER,    /* a picture of the file: one packet, which the stream itself holds */
    MUX_ATTACH,   /* a picture of the file as an attachment */
    MUX_SUBTITLE, /* text, as another kind of text */
    MUX_AUDIO,    /* encoded again */
    MUX_MADE_ANEW /* the muxer writes its own from metadata: time code, chapter titles */
};

struct mux_track {
    enum mux_way way;
    enum AVCodecID to; /* SUBTITLE, AUDIO */
    AVRational time_base;
    bool is_sparse, is_past; /* packets may be far apart; one behind the end was seen */
    AVStream *out;           /* NULL where nothing is written */
    int64_t last_dts;        /* in out's time base */
    struct mux_subtitle *subtitle;
    struct mux_audio *audio;
};

/* The stream that the job worked on; -1: none. */
int mux_plan_video(const struct av *av, const AVFormatContext *input, int wanted);
/* `tracks`: input->nb_streams of them, cleared. FM_ERR_UNSUPPORTED: the policy refuses a stream. */
int mux_plan_decide(const struct av *av, const struct mux_container *c, const AVFormatContext *input, int video,
    const struct video_mux_params *params, struct mux_track *tracks, struct warn warn, struct fm_error *error);
/* Makes the output's streams in the input's order; *video_out: the new video's, whose parameters are not yet filled. `input` may be
 * NULL. */
int mux_plan_streams(const struct av *av, const struct mux_container *c, const AVFormatContext *input, struct mux_track *tracks,
    AVFormatContext *out, AVStream **video_out, struct fm_error *error);
/* What the video keeps of the one it was made from: names, language, rotation, HDR. */
int mux_plan_inherit(const struct av *av, const struct mux_container *c, const AVStream *from, AVStream *to,
    const struct video_mux_params *params, struct warn warn, struct fm_error *error);
/* Metadata of the whole. */
int mux_plan_metadata(const struct av *av, const AVFormatContext *input, AVFormatContext *out, struct fm_error *error);
void mux_plan_release(struct mux_track *tracks, int count);

#endif
