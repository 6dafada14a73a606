/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "media/av_coded.h"
#include "media/av_frame.h"
#include "media/encoder_parts.h"

const struct coded_stream *video_encoder_stream(const struct video_encoder *encoder)
{
    return &encoder->stream;
}

const char *video_encoder_name(const struct video_encoder *encoder)
{
    return encoder->name;
}

static void give_back(void *opaque, uint8_t *data)
{
    struct video_frame *frame = opaque;
    (void) data;
    video_frame_release(frame);
    core_free(frame);
}

/* Side data that is wrong or useless once the picture is another. */
static const enum AVFrameSideDataType stale[] = {AV_FRAME_DATA_PANSCAN, AV_FRAME_DATA_DISPLAYMATRIX, AV_FRAME_DATA_MOTION_VECTORS,
    AV_FRAME_DATA_SPHERICAL, AV_FRAME_DATA_ICC_PROFILE, AV_FRAME_DATA_REGIONS_OF_INTEREST, AV_FRAME_DATA_VIDEO_ENC_PARAMS,
    AV_FRAME_DATA_FILM_GRAIN_PARAMS, AV_FRAME_DATA_DETECTION_BBOXES, AV_FRAME_DATA_DOVI_RPU_BUFFER, AV_FRAME_DATA_DOVI_METADATA};

/* `origin`: the frame the picture was made from. */
static int copy_properties(const struct video_encoder *e, const struct video_frame *from, const AVFrame *origin, AVFrame *to)
{
    const int format = to->format, width = to->width, height = to->height;
    if (origin) {
        const int status = e->av->av_frame_copy_props(to, origin);
        if (status < 0) return status;
        for (size_t i = 0; i < sizeof stale / sizeof stale[0]; i++) e->av->av_frame_remove_side_data(to, stale[i]);
        e->av->av_dict_free(&to->metadata);
    }
    to->format = format;
    to->width = width;
    to->height = height;
    to->crop_top = to->crop_bottom = to->crop_left = to->crop_right = 0;
    to->pict_type = AV_PICTURE_TYPE_NONE;
    to->key_frame = 0;
    to->quality = 0;
    to->repeat_pict = 0;
    to->interlaced_frame = from->interlaced;
    to->top_field_first = from->top_first;
    to->sample_aspect_ratio = e->context->sample_aspect_ratio;
    avframe_tags_to(from->format, to);
    return 0;
}

/* An AVFrame that owns `frame` (which has been copied) and reads its planes in place. */
static int adopt(struct video_encoder *e, struct video_frame *frame, const AVFrame *origin, AVFrame **out, struct fm_error *error)
{
    const struct av *av = e->av;
    const int planes = video_colour_planes(frame->format.layout) + (frame->format.alpha && e->format.alpha ? 1 : 0);
    struct video_frame *held = core_alloc(sizeof *held);
    AVFrame *f = av->av_frame_alloc();
    *out = NULL;
    if (held) *held = *frame;
    if (f && held)
        f->buf[0] = av->av_buffer_create(
            frame->plane[0], (size_t) frame->stride[0] * (size_t) frame->height, give_back, held, AV_BUFFER_FLAG_READONLY);
    if (!f || !f->buf[0]) {
        core_free(held);
        if (f) av->av_frame_free(&f);
        video_frame_release(frame);
        return core_fail_nomem(error, sizeof *held);
    }
    f->format = e->in;
    f->width = frame->width;
    f->height = frame->height;
    for (int i = 0; i < planes; i++) {
        f->data[i] = frame->plane[i];
        f->linesize[i] = (int) frame->stride[i];
    }
    if (copy_properties(e, frame, origin, f) < 0) {
        av->av_frame_free(&f);
        return core_fail_nomem(error, 0);
    }
    *out = f;
    return FM_OK;
}

static int convert(
    struct video_encoder *e, const struct video_frame *frame, const AVFrame *origin, AVFrame **f, struct fm_error *error)
{
    AVFrame *made;
    int code = encoder_convert_frame(e->convert, *f, &made, error);
    if (code != FM_OK) return code;
    if (copy_properties(e, frame, origin, made) < 0) code = core_fail_nomem(error, 0);
    made->colorspace = e->matrix;
    made->color_range = e->range;
    e->av->av_frame_free(f);
    *f = made;
    return code;
}

static int fail(const struct video_encoder *e, int status, struct fm_error *error)
{
    char reason[256];
    av_load_reason(status, reason, sizeof reason);
    return core_fail(error, status == AVERROR(ENOMEM) ? FM_ERR_NOMEM : FM_ERR_DEVICE,
        "the encoder %s failed after %" PRId64 " frames: %s", e->name, e->sent, reason);
}

/* Times as they were sent. A counting encoder's packets carry frame numbers; a dts before the first frame is as far before it as the
 * frames after it lie apart. */
static void restore_times(const struct video_encoder *e, AVPacket *packet)
{
    const int64_t oldest = e->sent > FRAMES_INSIDE ? e->sent - FRAMES_INSIDE : 0;
    if (e->counts) {
        const int64_t n = packet->pts, d = packet->dts == AV_NOPTS_VALUE ? n : packet->dts;
        const struct time *t = e->times;
        packet->duration = n >= oldest && n < e->sent ? t[n % FRAMES_INSIDE].duration : 0;
        if (n >= oldest && n < e->sent) packet->pts = t[n % FRAMES_INSIDE].pts;
        if (d >= oldest && d < e->sent)
            packet->dts = t[d % FRAMES_INSIDE].pts;
        else
            packet->dts = t[0].pts + d * (e->sent > 1 ? t[1].pts - t[0].pts : 1);
        return;
    }
    for (int64_t n = e->sent - 1; n >= oldest; n--) {
        if (e->times[n % FRAMES_INSIDE].pts != packet->pts) continue;
        packet->duration = e->times[n % FRAMES_INSIDE].duration;
        return;
    }
}

/* FM_ERR_AGAIN and FM_ERR_EOS as the encoder says. */
static int take(struct video_encoder *e, AVPacket **out, struct fm_error *error)
{
    AVPacket *packet = e->av->av_packet_alloc();
    *out = NULL;
    if (!packet) return core_fail_nomem(error, sizeof *packet);
    av_load_listen();
    const int status = e->av->avcodec_receive_packet(e->context, packet);
    if (status < 0) {
        e->av->av_packet_free(&packet);
        return status == AVERROR(EAGAIN) ? FM_ERR_AGAIN : status == AVERROR_EOF ? FM_ERR_EOS : fail(e, status, error);
    }
    restore_times(e, packet);
    *out = packet;
    return FM_OK;
}

static int keep(struct video_encoder *e, AVPacket *packet, struct fm_error *error)
{
    if (e->ready_first + e->ready_count == e->ready_room) {
        const size_t room = e->ready_count + 16;
        AVPacket **grown = core_alloc(room * sizeof *grown);
        if (!grown) {
            e->av->av_packet_free(&packet);
            return core_fail_nomem(error, room * sizeof *grown);
        }
        if (e->ready_count > 0) memcpy(grown, e->ready + e->ready_first, e->ready_count * sizeof *grown);
        core_free(e->ready);
        e->ready = grown;
        e->ready_first = 0;
        e->ready_room = room;
    }
    e->ready[e->ready_first + e->ready_count++] = packet;
    return FM_OK;
}

/* Sends; where the encoder wants to be emptied first, what comes out is kept. */
static int push(struct video_encoder *e, const AVFrame *frame, struct fm_error *error)
{
    for (;;) {
        av_load_listen();
        const int status = e->av->avcodec_send_frame(e->context, frame);
        if (status >= 0) return FM_OK;
        if (status != AVERROR(EAGAIN)) return fail(e, status, error);
        AVPacket *packet;
        int code = take(e, &packet, error);
        if (code == FM_OK)
            code = keep(e, packet, error);
        else if (code == FM_ERR_AGAIN || code == FM_ERR_EOS)
            code = fail(e, AVERROR_BUG, error);
        if (code != FM_OK) return code;
    }
}

static int check_frame(const struct video_encoder *e, const struct video_frame *frame, struct fm_error *error)
{
    if (e->is_flushed) return core_fail(error, FM_ERR_ARGUMENT, "a frame after the last one");
    if (frame->width != e->width || frame->height != e->height)
        return core_fail(
            error, FM_ERR_SHAPE, "a frame of %dx%d for an encoder of %dx%d", frame->width, frame->height, e->width, e->height);
    if (frame->format.layout != e->format.layout || frame->format.bits != e->format.bits ||
        (e->format.alpha && !frame->format.alpha))
        return core_fail(error, FM_ERR_ARGUMENT, "a frame of another format than the encoder was opened for");
    if (frame->pts == INT64_MIN || (e->sent > 0 && frame->pts <= e->last_pts))
        return core_fail(error, FM_ERR_ARGUMENT, "frame %" PRId64 " is not later than the one before", e->sent);
    return FM_OK;
}

int video_encoder_send(
    struct video_encoder *e, struct video_frame *frame, const struct video_frame *source, bool force_key, struct fm_error *error)
{
    AVFrame *f;
    int code = check_frame(e, frame, error);
    if (code != FM_OK) {
        video_frame_release(frame);
        return code;
    }
    struct video_frame taken = *frame;
    frame->release = NULL;
    frame->owner = NULL;
    const AVFrame *origin = avframe_of(source ? source : &taken);
    code = adopt(e, &taken, origin, &f, error);
    if (code != FM_OK) return code;
    if (e->convert) code = convert(e, &taken, origin, &f, error); /* `taken` is alive as long as the first f, read before it goes */
    if (code == FM_OK) {
        f->pts = e->counts ? e->sent : taken.pts;
        f->pkt_duration = e->counts ? 1 : taken.duration;
        if (force_key) f->pict_type = AV_PICTURE_TYPE_I;
        e->times[e->sent % FRAMES_INSIDE] = (struct time){taken.pts, taken.duration > 0 ? taken.duration : 0};
        e->sent++;
        e->last_pts = taken.pts;
        code = push(e, f, error);
    }
    e->av->av_frame_free(&f);
    return code;
}

int video_encoder_flush(struct video_encoder *e, struct fm_error *error)
{
    if (e->is_flushed) return FM_OK;
    e->is_flushed = true;
    return push(e, NULL, error);
}

int video_encoder_receive(struct video_encoder *e, struct coded_packet *packet, struct fm_error *error)
{
    AVPacket *taken;
    *packet = (struct coded_packet){0};
    if (e->ready_count > 0) {
        avcoded_wrap(e->ready[e->ready_first], packet);
        e->ready_first++;
        if (--e->ready_count == 0) e->ready_first = 0;
        return FM_OK;
    }
    const int code = take(e, &taken, error);
    if (code == FM_OK) avcoded_wrap(taken, packet);
    return code;
}

void video_encoder_close(struct video_encoder **encoder)
{
    struct video_encoder *e = *encoder;
    *encoder = NULL;
    if (!e) return;
    for (size_t i = 0; i < e->ready_count; i++) e->av->av_packet_free(&e->ready[e->ready_first + i]);
    if (e->context) e->av->avcodec_free_context(&e->context);
    if (e->parameters) e->av->avcodec_parameters_free(&e->parameters);
    for (int i = 0; i < e->stream.sides; i++) core_free((void *) (uintptr_t) e->stream.side[i].data);
    encoder_convert_destroy(&e->convert);
    core_free(e->ready);
    core_free(e->times);
    core_free(e);
}
