/* SPDX-License-Identifier: MIT */
#include "media/video_mux.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "media/av_coded.h"
#include "media/mux_core.h"

/* Opening. */

/* What becomes 0. A file's clock is kept as it is, unless it has no zero of its own (broadcast, network) or begins before it. */
static void find_origin(struct video_mux *mux, const AVFormatContext *input)
{
    mux->origin_base = AV_TIME_BASE_Q;
    if (mux->params.has_from) mux->origin = mux->params.from_us;
    if (!input || mux->params.has_from) return;
    const AVStream *first = NULL;
    for (unsigned i = 0; i < input->nb_streams; i++) {
        const AVStream *s = input->streams[i];
        if (s->start_time == AV_NOPTS_VALUE || (s->disposition & AV_DISPOSITION_ATTACHED_PIC)) continue;
        if (s->codecpar->codec_type != AVMEDIA_TYPE_VIDEO && s->codecpar->codec_type != AVMEDIA_TYPE_AUDIO) continue;
        if (!first || mux->av->av_compare_ts(s->start_time, s->time_base, first->start_time, first->time_base) < 0) first = s;
    }
    if (!first || (first->start_time >= 0 && !(input->iformat->flags & AVFMT_TS_DISCONT))) return;
    mux->origin = first->start_time;
    mux->origin_base = first->time_base;
}

static int fill_video(struct video_mux *mux, const struct coded_stream *stream, const AVFormatContext *input, struct warn warn,
    struct fm_error *error)
{
    AVStream *v = mux->video;
    int code = avcoded_fill(mux->av, stream, v, error);
    if (code != FM_OK) return code;
    const enum AVCodecID codec = v->codecpar->codec_id;
    if (!mux_container_holds_video(mux->av, &mux->container, codec))
        return core_fail(
            error, FM_ERR_UNSUPPORTED, "%s cannot hold video of %s", mux_container_title(&mux->container), stream->codec);
    v->codecpar->codec_tag = mux_container_tag(mux->av, &mux->container, v->codecpar);
    if (mux->container.is_mov && codec == AV_CODEC_ID_HEVC && v->codecpar->extradata_size > 0)
        v->codecpar->codec_tag = MKTAG('h', 'v', 'c', '1'); /* parameter sets in the header: what Apple's players want to read */
    if (mux->params.sample_aspect.num > 0 && mux->params.sample_aspect.den > 0)
        v->sample_aspect_ratio = v->codecpar->sample_aspect_ratio = avcoded_rational(mux->params.sample_aspect);
    if (strcmp(mux->container.format->name, "yuv4mpegpipe") == 0) { /* it knows a frame rate, no times */
        if (v->avg_frame_rate.num <= 0) v->avg_frame_rate = (AVRational){25, 1};
        v->time_base = (AVRational){v->avg_frame_rate.den, v->avg_frame_rate.num};
    }
    if (input && mux->main >= 0)
        return mux_plan_inherit(mux->av, &mux->container, input->streams[mux->main], v, &mux->params, warn, error);
    v->disposition = AV_DISPOSITION_DEFAULT;
    return FM_OK;
}

static int prepare(struct video_mux *mux, const char *output, const struct coded_stream *stream, const AVFormatContext *input,
    struct warn warn, struct fm_error *error)
{
    const struct av *av = mux->av;
    const AVFormatContext *copied = mux->params.no_copy ? NULL : input;
    int code = mux_container_find(av, output, mux->params.format, &mux->container, error);
    if (code != FM_OK) return code;
    mux->scratch = av->av_packet_alloc();
    if (!mux->scratch || av->avformat_alloc_output_context2(&mux->out, mux->container.format, NULL, NULL) < 0)
        return core_fail_nomem(error, 0);
    mux->main = input ? mux_plan_video(av, input, mux->params.video_stream) : -1;
    if (copied && copied->nb_streams > 0) {
        mux->count = (int) copied->nb_streams;
        mux->tracks = core_calloc((size_t) mux->count, sizeof *mux->tracks);
        if (!mux->tracks) {
            mux->count = 0;
            return core_fail_nomem(error, 0);
        }
        code = mux_plan_decide(av, &mux->container, copied, mux->main, &mux->params, mux->tracks, warn, error);
    }
    find_origin(mux, input);
    if (code == FM_OK) code = mux_plan_streams(av, &mux->container, copied, mux->tracks, mux->out, &mux->video, error);
    if (code == FM_OK) code = fill_video(mux, stream, input, warn, error);
    if (code == FM_OK && input) code = mux_plan_metadata(av, input, mux->out, error);
    if (code != FM_OK) return code;
    mux->video_base = avcoded_rational(stream->time_base);
    return mux_open_output(mux, output, copied, warn, error);
}

static int write_covers(struct video_mux *mux, const AVFormatContext *input, struct fm_error *error);

int mux_core_open(const char *output, const struct coded_stream *stream, const AVFormatContext *input,
    const struct video_mux_params *params, bool is_ordered, struct video_mux **out, struct warn warn, struct fm_error *error)
{
    *out = NULL;
    const struct av *av = av_load(error);
    if (!av) return FM_ERR_UNSUPPORTED;
    struct video_mux *mux = core_calloc(1, sizeof *mux);
    if (!mux) return core_fail_nomem(error, sizeof *mux);
    mux->av = av;
    mux->params = *params;
    mux->is_ordered = is_ordered;
    mux->video_dts = AV_NOPTS_VALUE;
    int code = prepare(mux, output, stream, input, warn, error);
    for (int i = 0; i < mux->count; i++) /* what is encoded on the way comes out later than it went in */
        if (mux->tracks[i].audio) mux->is_ordered = false;
    if (code == FM_OK && input) code = write_covers(mux, input, error);
    if (code != FM_OK) video_mux_close(&mux);
    *out = mux;
    return code;
}

int video_mux_open(const char *output, const struct coded_stream *stream, const struct AVFormatContext *input,
    const struct video_mux_params *params, struct video_mux **out, char *warnings, size_t warnings_size, struct fm_error *error)
{
    return mux_core_open(output, stream, input, params, false, out, warn_to(warnings, warnings_size), error);
}

/* Writing. */

static int failed(struct video_mux *mux, int status, struct fm_error *error)
{
    char reason[256];
    mux->is_failed = true;
    av_load_reason(status, reason, sizeof reason);
    if (mux->is_expired) snprintf(reason, sizeof reason, "nobody took anything for %g seconds", mux_live_patience_s(mux));
    if (mux->params.cancelled && mux->params.cancelled(mux->params.cancelled_arg))
        return core_fail(error, FM_ERR_CANCELLED, "cancelled");
    const int code = av_load_code(status);
    const char *name = mux->path ? mux->path : mux->container.url;
    return core_fail(error, code == FM_ERR_NOMEM ? code : FM_ERR_IO, "%s: cannot be written: %s", name, reason);
}

/* Containers without decoding times leave the first ones of reordered video open: as many as it is reordered by. */
static void guess_dts(const AVStream *stream, AVPacket *p, int64_t last)
{
    const int64_t step = p->duration > 0 ? p->duration : 1;
    p->dts = p->pts;
    if (p->pts == AV_NOPTS_VALUE || stream->codecpar->video_delay <= 0) return;
    const int64_t guess = last == AV_NOPTS_VALUE ? p->pts - stream->codecpar->video_delay * step : last + step;
    if (guess < p->dts) p->dts = guess;
}

/* Times that fall together in a coarser time base, or run backwards, are set apart by a tick: muxers refuse them. */
static void order_times(const struct video_mux *mux, const AVStream *stream, AVPacket *p, int64_t *last)
{
    if (p->dts == AV_NOPTS_VALUE) guess_dts(stream, p, *last);
    if (p->dts == AV_NOPTS_VALUE) p->dts = *last == AV_NOPTS_VALUE ? 0 : *last + 1;
    if (p->pts == AV_NOPTS_VALUE) p->pts = p->dts;
    if (*last != AV_NOPTS_VALUE) {
        const int64_t least = *last + !(mux->container.format->flags & AVFMT_TS_NONSTRICT);
        if (p->dts < least) p->dts = least;
    }
    if (p->pts < p->dts) p->pts = p->dts;
    *last = p->dts;
}

/* `p` in time base `base` of the input's clock; it is emptied. */
static int put(struct video_mux *mux, AVStream *stream, AVRational base, int64_t *last, AVPacket *p, struct fm_error *error)
{
    const struct av *av = mux->av;
    const int64_t shift = mux->origin ? av->av_rescale_q(mux->origin, mux->origin_base, base) : 0;
    if (p->pts != AV_NOPTS_VALUE) p->pts -= shift;
    if (p->dts != AV_NOPTS_VALUE) p->dts -= shift;
    av->av_packet_rescale_ts(p, base, stream->time_base);
    order_times(mux, stream, p, last);
    p->stream_index = stream->index;
    p->time_base = stream->time_base;
    p->pos = -1;
    av_load_listen();
    mux_live_begin(mux);
    int status;
    if (mux->is_ordered) {
        status = av->av_write_frame(mux->out, p);
        av->av_packet_unref(p);
    } else {
        status = av->av_interleaved_write_frame(mux->out, p);
    }
    if (status >= 0 && mux->out->pb && mux->out->pb->error < 0) status = mux->out->pb->error;
    return status < 0 ? failed(mux, status, error) : FM_OK;
}

int video_mux_video(struct video_mux *mux, const struct coded_packet *packet, struct fm_error *error)
{
    const int code = avcoded_packet(mux->av, packet, mux->scratch, error);
    return code != FM_OK ? code : put(mux, mux->video, mux->video_base, &mux->video_dts, mux->scratch, error);
}

static int drain_audio(struct video_mux *mux, struct mux_track *t, const AVPacket *packet, struct fm_error *error)
{
    const AVRational base = {1, t->out->codecpar->sample_rate};
    int code = mux_audio_send(t->audio, packet, error);
    while (code == FM_OK) {
        code = mux_audio_receive(t->audio, mux->scratch, error);
        if (code == FM_OK) code = put(mux, t->out, base, &t->last_dts, mux->scratch, error);
    }
    return code == FM_ERR_AGAIN || code == FM_ERR_EOS ? FM_OK : code;
}

/* Is the packet outside of the piece? A subtitle that is being shown when the piece begins is shown from there on. */
static bool is_outside(struct video_mux *mux, struct mux_track *t, AVPacket *p)
{
    const struct av *av = mux->av;
    const int64_t at = p->pts != AV_NOPTS_VALUE ? p->pts : p->dts;
    if (at == AV_NOPTS_VALUE) return false;
    if (mux->params.has_to && av->av_compare_ts(at, t->time_base, mux->params.to_us, AV_TIME_BASE_Q) >= 0) {
        t->is_past = true;
        return true;
    }
    if (!mux->params.has_from || av->av_compare_ts(at, t->time_base, mux->params.from_us, AV_TIME_BASE_Q) >= 0) return false;
    const int64_t from = av->av_rescale_q(mux->params.from_us, AV_TIME_BASE_Q, t->time_base);
    if (!t->is_sparse || p->duration <= 0 || at + p->duration <= from) return true;
    p->duration -= from - at;
    p->pts = p->dts = from;
    return false;
}

static bool is_wanted(const struct video_mux *mux, int stream)
{
    if (stream < 0 || stream >= mux->count) return false;
    const enum mux_way way = mux->tracks[stream].way;
    return way == MUX_COPY || way == MUX_SUBTITLE || way == MUX_AUDIO;
}

bool video_mux_wants(const struct video_mux *mux, int input_stream)
{
    return is_wanted(mux, input_stream);
}

int mux_core_packet(struct video_mux *mux, const AVPacket *packet, struct fm_error *error)
{
    if (!is_wanted(mux, packet->stream_index)) return FM_OK;
    struct mux_track *t = &mux->tracks[packet->stream_index];
    AVPacket *p = mux->scratch;
    if (mux->av->av_packet_ref(p, packet) < 0) return core_fail_nomem(error, (size_t) packet->size);
    int code = FM_OK;
    if (is_outside(mux, t, p)) {
        mux->av->av_packet_unref(p);
    } else if (t->way == MUX_COPY) {
        code = put(mux, t->out, t->time_base, &t->last_dts, p, error);
    } else if (t->way == MUX_AUDIO) {
        mux->av->av_packet_unref(p);
        code = drain_audio(mux, t, packet, error);
    } else {
        AVPacket *made = mux->av->av_packet_alloc();
        bool is_made = false;
        code = made ? mux_subtitle_packet(t->subtitle, p, made, &is_made, error) : core_fail_nomem(error, 0);
        mux->av->av_packet_unref(p);
        if (code == FM_OK && is_made) code = put(mux, t->out, t->time_base, &t->last_dts, made, error);
        mux->av->av_packet_free(&made);
    }
    return code;
}

int video_mux_other(struct video_mux *mux, const struct media_packet *packet, struct fm_error *error)
{
    return packet->av ? mux_core_packet(mux, packet->av, error) : FM_OK;
}

bool mux_core_is_past(const struct video_mux *mux)
{
    bool is_any = false;
    for (int i = 0; i < mux->count; i++) {
        if (!is_wanted(mux, i) || mux->tracks[i].is_sparse) continue;
        is_any = true;
        if (!mux->tracks[i].is_past) return false;
    }
    return is_any;
}

static int write_covers(struct video_mux *mux, const AVFormatContext *input, struct fm_error *error)
{
    for (int i = 0; i < mux->count; i++) {
        struct mux_track *t = &mux->tracks[i];
        const AVPacket *picture = &input->streams[i]->attached_pic;
        if (t->way != MUX_COVER || picture->size <= 0) continue;
        if (mux->av->av_packet_ref(mux->scratch, picture) < 0) return core_fail_nomem(error, (size_t) picture->size);
        mux->scratch->pts = mux->scratch->dts =
            mux->origin ? mux->av->av_rescale_q(mux->origin, mux->origin_base, t->time_base) : 0;
        const int code = put(mux, t->out, t->time_base, &t->last_dts, mux->scratch, error);
        if (code != FM_OK) return code;
    }
    return FM_OK;
}

/* Ending. */

int video_mux_finish(struct video_mux *mux, char *warnings, size_t warnings_size, struct fm_error *error)
{
    const struct av *av = mux->av;
    (void) warnings, (void) warnings_size;
    if (mux->is_failed)
        return core_fail(error, FM_ERR_IO, "%s: writing has failed before", mux->path ? mux->path : mux->container.url);
    int code = FM_OK, status;
    for (int i = 0; i < mux->count && code == FM_OK; i++)
        if (mux->tracks[i].audio) code = drain_audio(mux, &mux->tracks[i], NULL, error);
    if (code != FM_OK) return code;
    av_load_listen();
    mux_live_begin(mux);
    mux->has_header = false;
    status = av->av_write_trailer(mux->out);
    if (status >= 0 && mux->out->pb && mux->out->pb->error < 0) status = mux->out->pb->error;
    if (mux->out->pb) {
        const int closed = av->avio_closep(&mux->out->pb);
        if (status >= 0) status = closed;
    }
    if (status < 0) return failed(mux, status, error);
    if (!mux->has_file) return FM_OK;
    mux->has_file = false;
    return still_file_commit(&mux->file, &mux->bytes, error);
}

void video_mux_close(struct video_mux **out)
{
    struct video_mux *mux = *out;
    *out = NULL;
    if (!mux) return;
    const struct av *av = mux->av;
    mux_live_begin(mux);
    if (mux->has_header && mux->container.is_rtp) (void) av->av_write_trailer(mux->out); /* nothing else ends its connection */
    if (mux->out && mux->out->pb && !(mux->container.format->flags & AVFMT_NOFILE)) (void) av->avio_closep(&mux->out->pb);
    if (mux->out) av->avformat_free_context(mux->out);
    if (mux->has_file) still_file_abandon(&mux->file);
    mux_plan_release(mux->tracks, mux->count);
    if (mux->scratch) av->av_packet_free(&mux->scratch);
    core_free(mux->tracks);
    core_free(mux->path);
    core_free(mux);
}

uint64_t video_mux_bytes(const struct video_mux *mux)
{
    return mux->bytes;
}
