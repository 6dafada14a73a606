/* SPDX-License-Identifier: MIT */
/* From packets to frames in the queue, a step at a time. */
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/threads.h"
#include "media/video_parts.h"

#define REFUSALS_MAX 1000      /* of a decoder that is being emptied */
#define PEEK_BYTES (256 << 20) /* of other streams, before the first frame */
#define WAITED_NS 3000000u

/* Puts a frame that is whole into the queue, unless it lies outside the piece that is wanted. */
static int emit(struct video_source *s, AVFrame *frame, struct fm_error *error)
{
    const struct av *av = s->av;
    const AVRational base = {s->info.time_base.num, s->info.time_base.den};
    struct video_item item = {.kind = VIDEO_ITEM_FRAME};
    bool wanted = true;
    if (s->info.from_us != INT64_MIN && av->av_compare_ts(frame->pts, base, s->info.from_us, AV_TIME_BASE_Q) < 0) {
        wanted = false;
    } else if (s->info.to_us != INT64_MAX && av->av_compare_ts(frame->pts, base, s->info.to_us, AV_TIME_BASE_Q) >= 0) {
        s->past_end = true;
        wanted = false;
    } else if (s->skip_frames > 0) {
        s->skip_frames--;
        s->next_index++;
        s->skipped_pts = frame->pts;
        wanted = false;
    } else if (s->skip_until != INT64_MIN && frame->pts <= s->skip_until) {
        s->skipped_pts = frame->pts;
        wanted = false;
    }
    if (!wanted) {
        if (s->tick) s->tick(s->tick_user);
        av->av_frame_unref(frame);
        return FM_OK;
    }
    int code = avframe_wrap(s->pool, frame, &item.frame, error);
    if (code < 0) return code;
    item.index = s->next_index++;
    code = video_queue_put(&s->queue, &item, error);
    if (code < 0) video_frame_release(&item.frame);
    return code;
}

static int filtered(struct video_source *s, struct fm_error *error)
{
    for (;;) {
        int code = video_filter_get(s->filter, s->decoded, error);
        if (code == FM_ERR_AGAIN) return FM_OK;
        if (code == FM_ERR_EOS) s->filter_done = true;
        if (code == FM_ERR_EOS) return FM_OK;
        if (code < 0) return code;
        if (s->filter_drops > 0) {
            s->filter_drops--;
            s->av->av_frame_unref(s->decoded);
            continue;
        }
        code = emit(s, s->decoded, error);
        if (code < 0) return code;
    }
}

/* Interlaced frames start the filter, which needs the neighbours; whether it runs from the first frame or from a later one must not
 * show in what it makes, so the frame before is kept at hand. */
static int deinterlace(struct video_source *s, AVFrame *frame, struct fm_error *error)
{
    const struct av *av = s->av;
    const AVRational base = {s->info.time_base.num, s->info.time_base.den};
    if (!s->filter && !frame->interlaced_frame) {
        av->av_frame_unref(s->before);
        if (av->av_frame_ref(s->before, frame) < 0) return core_fail_nomem(error, 0);
        return emit(s, frame, error);
    }
    int code = FM_OK;
    if (!s->filter) {
        code = video_filter_open(av, frame, base, &s->filter, error);
        if (code == FM_OK && s->before->buf[0]) {
            s->filter_drops = 1;
            code = video_filter_put(s->filter, s->before, error);
        }
    }
    if (code == FM_OK) code = video_filter_put(s->filter, frame, error);
    av->av_frame_unref(frame);
    return code < 0 ? code : filtered(s, error);
}

/* The time FFmpeg thinks best; without any, what follows from the frame before. */
static void set_times(struct video_source *s, AVFrame *frame)
{
    const AVRational base = {s->info.time_base.num, s->info.time_base.den};
    const struct media_ratio rate = s->info.average_rate.num ? s->info.average_rate : s->info.real_rate;
    frame->pts = frame->best_effort_timestamp;
    if (frame->pts == AV_NOPTS_VALUE) frame->pts = s->guess == INT64_MIN ? 0 : s->guess;
    if (frame->pkt_duration <= 0 && rate.num) frame->pkt_duration = s->av->av_rescale_q(1, (AVRational){rate.den, rate.num}, base);
    s->guess = frame->pts + (frame->pkt_duration > 0 ? frame->pkt_duration : 1);
    if (s->first_pts == INT64_MIN) s->first_pts = frame->pts;
}

static int to_target(struct video_source *s, AVFrame *frame, struct fm_error *error)
{
    struct video_format have, want;
    const bool canonical = avframe_is_canonical(frame->format, &have);
    const enum AVPixelFormat fits = avframe_canonical_for(frame->format);
    if (fits == AV_PIX_FMT_NONE)
        return core_fail(
            error, FM_ERR_UNSUPPORTED, "%s: frames of pixel format %s", s->name, s->av->av_get_pix_fmt_name(frame->format));
    if (s->target == AV_PIX_FMT_NONE) {
        s->target = fits;
        s->info.width = frame->width;
        s->info.height = frame->height;
        s->info.converted = !canonical;
        s->info.interlaced = frame->interlaced_frame;
        s->info.top_first = frame->top_field_first;
        video_info_text(s->av->av_get_pix_fmt_name(frame->format), s->info.decoder_format, sizeof s->info.decoder_format);
    }
    const bool same_size = frame->width == s->info.width && frame->height == s->info.height;
    bool upright = true;
    for (int i = 0; i < 4; i++) upright = upright && frame->linesize[i] >= 0;
    if (fits == s->target && canonical && same_size && upright) return FM_OK;
    avframe_is_canonical(s->target, &want);
    avframe_is_canonical(fits, &have);
    if (s->input.pictures && !same_size)
        return core_fail(error, FM_ERR_UNSUPPORTED, "%s: pictures of one video must have one size: %dx%d comes after %dx%d",
            s->name, frame->width, frame->height, s->info.width, s->info.height);
    if (have.layout != want.layout && want.layout == VIDEO_GREY)
        return core_fail(error, FM_ERR_UNSUPPORTED, "%s: a frame in colour comes after grey ones", s->name);
    if (fits != s->target || !same_size) s->stats.resized++;
    return avconvert_frame(s->convert, frame, s->target, s->info.width, s->info.height, error);
}

static int take_frame(struct video_source *s, struct fm_error *error)
{
    AVFrame *frame = s->decoded;
    s->refusals = 0;
    s->live.failures = 0;
    if (frame->decode_error_flags || (frame->flags & AV_FRAME_FLAG_CORRUPT)) s->trouble++;
    set_times(s, frame);
    int code = to_target(s, frame, error);
    if (code < 0) return code;
    if (frame->interlaced_frame && s->params.interlace == VIDEO_INTERLACE_REFUSE)
        return core_fail(
            error, FM_ERR_UNSUPPORTED, "%s: the video is interlaced; it can be deinterlaced, or passed as it is", s->name);
    if (s->params.interlace == VIDEO_DEINTERLACE) return deinterlace(s, frame, error);
    return emit(s, frame, error);
}

/* Packets have ended. The decoder still holds frames. */
static int end_of_packets(struct video_source *s, int code, struct fm_error *error)
{
    if (code == AVERROR_EXIT && video_wait_cancelled(&s->input.wait))
        return core_fail(error, FM_ERR_CANCELLED, "%s: cancelled", s->name);
    if (code == AVERROR(ENOMEM)) return core_fail_nomem(error, 0);
    const AVIOContext *pb = s->input.pictures ? NULL : s->input.container->pb;
    if (code == AVERROR_EOF && pb && pb->error < 0 && pb->error != AVERROR_EOF) code = pb->error;
    s->draining = true;
    s->live.broken = s->info.live;
    s->live.clean = code == AVERROR_EOF;
    s->live.code = code;
    if (code == AVERROR_EOF && video_open_breaks_off(&s->input))
        snprintf(s->stats.end, sizeof s->stats.end, "it breaks off within a frame");
    else if (code == AVERROR_EOF && !av_load_heard())
        return FM_OK;
    else
        video_open_reason(&s->input, code, s->stats.end, sizeof s->stats.end);
    s->stats.ended_early = !s->info.live;
    return FM_OK;
}

/* Is this packet of another stream within the piece that is wanted? */
static bool packet_is_wanted(struct video_source *s, const AVPacket *packet, AVRational base)
{
    const int64_t time = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (!s->params.want_packets || s->skip_frames > 0) return false;
    if (s->info.streams[packet->stream_index].unused) return false;
    if (time == AV_NOPTS_VALUE) return true;
    if (s->info.from_us != INT64_MIN && s->av->av_compare_ts(time, base, s->info.from_us, AV_TIME_BASE_Q) < 0) return false;
    return s->info.to_us == INT64_MAX || s->av->av_compare_ts(time, base, s->info.to_us, AV_TIME_BASE_Q) < 0;
}

static int hand_on(struct video_source *s, AVPacket *packet, struct fm_error *error)
{
    struct video_item item = {.kind = VIDEO_ITEM_PACKET};
    AVPacket *own = s->av->av_packet_alloc();
    if (!own || s->av->av_packet_make_refcounted(packet) < 0) {
        s->av->av_packet_free(&own);
        return core_fail_nomem(error, sizeof *own);
    }
    s->av->av_packet_move_ref(own, packet);
    item.packet =
        (struct media_packet){own->stream_index, video_info_time(own->pts), video_info_time(own->dts), own->duration, own};
    const int code = video_queue_put(&s->queue, &item, error);
    if (code < 0) media_packet_release(&item.packet);
    return code;
}

static int decode(struct video_source *s, const AVPacket *packet, struct fm_error *error)
{
    if (packet) {
        if (s->jumped) s->key_certain = video_seek_is_certain(s, packet);
        s->jumped = false;
        s->stats.bytes += packet->size;
        s->trouble += (packet->flags & AV_PKT_FLAG_CORRUPT) != 0;
    }
    const int code = s->av->avcodec_send_packet(s->decoder, packet);
    if (code == AVERROR(ENOMEM)) return core_fail_nomem(error, 0);
    if (code < 0 && code != AVERROR_EOF) {
        s->stats.decode_errors++;
        s->trouble++;
    }
    return FM_OK;
}

/* Reads a packet. Of a live source, one that takes so long was not there yet: all that had come before is read. */
static int read_packet(struct video_source *s, AVPacket *packet)
{
    if (!s->info.live) return video_open_read(&s->input, packet);
    const uint64_t begun = core_now_ns();
    const int code = video_open_read(&s->input, packet);
    const uint64_t now = core_now_ns();
    if (code == AVERROR(EAGAIN) || now - begun > WAITED_NS) s->stats.waited_ns = now;
    return code;
}

/* One packet further. */
static int feed(struct video_source *s, struct fm_error *error)
{
    AVPacket *packet = s->packet;
    int code = read_packet(s, packet);
    if (code == AVERROR(EAGAIN)) {
        if (!video_wait_sleep(&s->input.wait, 1000000)) return core_fail(error, FM_ERR_CANCELLED, "%s: cancelled", s->name);
        return FM_OK;
    }
    if (code < 0) {
        code = end_of_packets(s, code, error);
        return code < 0 || !s->draining ? code : decode(s, NULL, error);
    }
    if (av_load_heard() && !s->stats.faults++) av_load_reason(0, s->stats.fault, sizeof s->stats.fault);
    if (video_wait_cancelled(&s->input.wait)) {
        s->av->av_packet_unref(packet);
        return core_fail(error, FM_ERR_CANCELLED, "%s: cancelled", s->name);
    }
    if (packet->stream_index >= s->info.n_streams) { /* a stream that was not there at the start */
        s->av->av_packet_unref(packet);
        return FM_OK;
    }
    const AVRational base = s->input.container->streams[packet->stream_index]->time_base;
    if (s->info.live) video_live_packet(s, packet);
    if (s->past_end) { /* others may lag behind the video, but not for long */
        const int64_t time = packet->dts != AV_NOPTS_VALUE ? packet->dts : packet->pts;
        if (time != AV_NOPTS_VALUE && s->av->av_compare_ts(time, base, s->info.to_us + AV_TIME_BASE, AV_TIME_BASE_Q) > 0)
            s->draining = true;
    }
    code = FM_OK;
    if (packet->stream_index == s->stream->index)
        code = s->past_end ? FM_OK : decode(s, packet, error);
    else if (packet_is_wanted(s, packet, base))
        code = hand_on(s, packet, error);
    s->av->av_packet_unref(packet);
    return code;
}

static int finish(struct video_source *s, struct fm_error *error)
{
    if (s->live.broken) return video_live_again(s, error);
    if (s->filter && !s->filter_done) {
        int code = video_filter_put(s->filter, NULL, error);
        if (code == FM_OK) code = filtered(s, error);
        s->filter_done = true;
        return code;
    }
    return FM_ERR_EOS;
}

int video_source_step(struct video_source *s, struct fm_error *error)
{
    if (s->past_end) {
        if (!s->params.want_packets || s->draining) return FM_ERR_EOS;
        return feed(s, error);
    }
    if (s->decoder_done) return finish(s, error);
    const int code = s->av->avcodec_receive_frame(s->decoder, s->decoded);
    if (code == 0) return take_frame(s, error);
    if (code == AVERROR(EAGAIN)) return feed(s, error);
    if (code == AVERROR(ENOMEM)) return core_fail_nomem(error, 0);
    if (code == AVERROR_EOF) {
        s->decoder_done = true;
        return FM_OK;
    }
    s->stats.decode_errors++;
    s->trouble++;
    if (s->draining && ++s->refusals > REFUSALS_MAX) s->decoder_done = true;
    return FM_OK;
}

static bool queue_has_frame(const struct video_queue *q)
{
    for (int i = 0; i < q->n; i++)
        if (q->items[(q->first + i) % q->capacity].kind == VIDEO_ITEM_FRAME) return true;
    return false;
}

int video_source_peek(struct video_source *s, struct fm_error *error)
{
    while (!queue_has_frame(&s->queue)) {
        const int code = video_source_step(s, error);
        if (code < 0) return code;
        if (s->queue.bytes > PEEK_BYTES)
            return core_fail(error, FM_ERR_FORMAT, "%s: no frame of the video in its first %d MB", s->name, PEEK_BYTES >> 20);
    }
    return FM_OK;
}
