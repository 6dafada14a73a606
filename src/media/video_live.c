/* SPDX-License-Identifier: MIT */
/* Live sources that broke off: connected again after growing pauses. Times go on where they ended, plus the time that passed. */
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/threads.h"
#include "media/video_parts.h"

#define FIRST_PAUSE_NS 250000000u
#define LAST_PAUSE_NS 8000000000u

/* The same streams as before, so that who copies them need not care. */
static bool same_streams(const struct video_source *s)
{
    const AVFormatContext *c = s->input.container;
    if ((int) c->nb_streams != s->info.n_streams) return false;
    for (int i = 0; i < s->info.n_streams; i++) {
        const AVCodecDescriptor *codec = s->av->avcodec_descriptor_get(c->streams[i]->codecpar->codec_id);
        if (strcmp(codec ? codec->name : "", s->info.streams[i].codec) != 0) return false;
    }
    return true;
}

static int connect_once(struct video_source *s, struct fm_error *error)
{
    video_open_close(&s->input);
    int code = video_open_input(s->av, s->url, s->name, &s->params, &s->input, error);
    if (code < 0) return code;
    if (!same_streams(s)) return core_fail(error, FM_ERR_FORMAT, "%s: came back with other streams", s->name);
    s->stream = s->input.container->streams[s->info.stream];
    return video_source_open_decoder(s, error);
}

/* The time of a first frame that has none: one frame before the first packet that has one, with which the new connection's times begin. */
static int64_t first_guess(const struct video_source *s)
{
    const AVRational base = {s->info.time_base.num, s->info.time_base.den};
    const struct media_ratio rate = s->info.average_rate.num ? s->info.average_rate : s->info.real_rate;
    const int64_t begin = s->av->av_rescale_q(s->live.end_us + (int64_t) (s->live.gap_ns / 1000), AV_TIME_BASE_Q, base);
    return rate.num ? begin - s->av->av_rescale_q(1, (AVRational){rate.den, rate.num}, base) : begin;
}

int video_live_again(struct video_source *s, struct fm_error *error)
{
    struct video_break *l = &s->live;
    const int tries = s->params.reconnects > 0 ? s->params.reconnects : s->params.reconnects < 0 ? 0 : 8;
    struct fm_error why = {0};
    while (l->failures < tries) {
        uint64_t pause = FIRST_PAUSE_NS << (l->failures < 5 ? l->failures : 5);
        if (pause > LAST_PAUSE_NS) pause = LAST_PAUSE_NS;
        l->failures++;
        if (!video_wait_sleep(&(struct video_wait){.cancel = s->params.cancel}, pause))
            return core_fail(error, FM_ERR_CANCELLED, "%s: cancelled", s->name);
        const int code = connect_once(s, &why);
        if (code == FM_ERR_CANCELLED || code == FM_ERR_NOMEM) {
            if (error) *error = why;
            return code;
        }
        if (code < 0) continue;
        s->stats.reconnects++;
        l->broken = false;
        l->shifting = true;
        l->gap_ns = core_now_ns() - l->heard_ns;
        s->stats.gap_ms = (int64_t) (l->gap_ns / 1000000);
        s->stats.waited_ns = core_now_ns();
        if (l->end_us != INT64_MIN) s->guess = first_guess(s);
        s->draining = s->decoder_done = false;
        s->stats.end[0] = 0;
        return FM_OK;
    }
    s->stats.ended_early = true;
    if (!s->stats.end[0]) snprintf(s->stats.end, sizeof s->stats.end, "the stream ended");
    if (l->clean) return FM_ERR_EOS;
    return core_fail(error, FM_ERR_IO, "%s: the connection broke (%s)%s%s", s->name, s->stats.end,
        why.message[0] ? " and could not be made again: " : "", why.message);
}

static int64_t in_us(const struct video_source *s, int64_t time, AVRational base)
{
    return s->av->av_rescale_q(time, base, AV_TIME_BASE_Q);
}

void video_live_packet(struct video_source *s, AVPacket *packet)
{
    struct video_break *l = &s->live;
    const AVRational now = s->input.container->streams[packet->stream_index]->time_base;
    const struct media_ratio was = s->info.streams[packet->stream_index].time_base;
    const AVRational base = {was.num, was.den};
    l->heard_ns = core_now_ns();
    if (base.num != now.num || base.den != now.den) s->av->av_packet_rescale_ts(packet, now, base);
    const int64_t time = packet->dts != AV_NOPTS_VALUE ? packet->dts : packet->pts;
    if (time == AV_NOPTS_VALUE) return;
    if (l->shifting) {
        l->shift_us = l->end_us + (int64_t) (l->gap_ns / 1000) - in_us(s, time, base);
        l->shifting = false;
    }
    const int64_t shift = s->av->av_rescale_q(l->shift_us, AV_TIME_BASE_Q, base);
    if (packet->pts != AV_NOPTS_VALUE) packet->pts += shift;
    if (packet->dts != AV_NOPTS_VALUE) packet->dts += shift;
    const int64_t last = packet->pts != AV_NOPTS_VALUE && packet->pts > time + shift ? packet->pts : time + shift;
    const int64_t end = in_us(s, last + (packet->duration > 0 ? packet->duration : 1), base);
    if (end > l->end_us || l->end_us == INT64_MIN) l->end_us = end;
}
