/* SPDX-License-Identifier: MIT */
#include "media/av_coded.h"

#include <string.h>

#include "core/error.h"

static void release(struct coded_packet *coded)
{
    AVPacket *packet = coded->owner;
    av_loaded()->av_packet_free(&packet);
}

void avcoded_wrap(AVPacket *packet, struct coded_packet *coded)
{
    *coded = (struct coded_packet){
        .pts = packet->pts,
        .dts = packet->dts,
        .duration = packet->duration,
        .flags = (uint32_t) packet->flags,
        .data = packet->data,
        .size = (size_t) packet->size,
        .owner = packet,
        .release = release,
    };
    for (int i = 0; i < packet->side_data_elems && coded->sides < CODED_SIDES_MAX; i++) {
        const AVPacketSideData *side = &packet->side_data[i];
        if (side->type == AV_PKT_DATA_QUALITY_STATS || side->type == AV_PKT_DATA_CPB_PROPERTIES) continue;
        coded->side[coded->sides++] = (struct coded_side){side->type, side->data, side->size};
    }
}

static int fill_packet(const struct av *av, const struct coded_packet *coded, AVPacket *packet)
{
    int status = 0;
    if (coded->release == release)
        status = av->av_packet_ref(packet, coded->owner);
    else if (coded->size > INT32_MAX - AV_INPUT_BUFFER_PADDING_SIZE)
        status = AVERROR(ENOMEM);
    else if ((status = av->av_new_packet(packet, (int) coded->size)) == 0 && coded->size > 0)
        memcpy(packet->data, coded->data, coded->size);
    if (status < 0) return status;
    for (int i = 0; i < coded->sides && coded->release != release; i++) {
        uint8_t *to = av->av_packet_new_side_data(packet, (enum AVPacketSideDataType) coded->side[i].type, coded->side[i].size);
        if (!to) return AVERROR(ENOMEM);
        if (coded->side[i].size) memcpy(to, coded->side[i].data, coded->side[i].size);
    }
    packet->pts = coded->pts;
    packet->dts = coded->dts;
    packet->duration = coded->duration;
    packet->flags = (int) coded->flags;
    return 0;
}

int avcoded_packet(const struct av *av, const struct coded_packet *coded, AVPacket *packet, struct fm_error *error)
{
    if (fill_packet(av, coded, packet) == 0) return FM_OK;
    av->av_packet_unref(packet);
    return core_fail_nomem(error, coded->size);
}

void avcoded_stream(const struct av *av, const AVCodecParameters *parameters, AVRational time_base, AVRational frame_rate,
    const AVPacketSideData *side, int sides, struct coded_stream *coded)
{
    const char *pixels = av->av_get_pix_fmt_name(parameters->format);
    *coded = (struct coded_stream){
        .codec = av->avcodec_get_name(parameters->codec_id),
        .pixels = pixels ? pixels : "",
        .writer = "",
        .width = parameters->width,
        .height = parameters->height,
        .profile = parameters->profile,
        .level = parameters->level,
        .tag = parameters->codec_tag,
        .bits_per_coded_sample = parameters->bits_per_coded_sample,
        .bits_per_raw_sample = parameters->bits_per_raw_sample,
        .video_delay = parameters->video_delay,
        .field_order = parameters->field_order,
        .range = parameters->color_range,
        .primaries = parameters->color_primaries,
        .transfer = parameters->color_trc,
        .matrix = parameters->color_space,
        .siting = parameters->chroma_location,
        .bit_rate = parameters->bit_rate,
        .time_base = avcoded_ratio(time_base),
        .frame_rate = avcoded_ratio(frame_rate),
        .sample_aspect = avcoded_ratio(parameters->sample_aspect_ratio),
        .extradata = parameters->extradata,
        .extradata_size = (size_t) parameters->extradata_size,
    };
    for (int i = 0; i < sides && coded->sides < CODED_SIDES_MAX; i++)
        coded->side[coded->sides++] = (struct coded_side){side[i].type, side[i].data, side[i].size};
}

enum AVCodecID avcoded_codec(const struct av *av, const char *name)
{
    const AVCodecDescriptor *descriptor = av->avcodec_descriptor_get_by_name(name);
    return descriptor ? descriptor->id : AV_CODEC_ID_NONE;
}

int avcoded_fill(const struct av *av, const struct coded_stream *coded, AVStream *stream, struct fm_error *error)
{
    AVCodecParameters *p = stream->codecpar;
    p->codec_type = AVMEDIA_TYPE_VIDEO;
    p->codec_id = avcoded_codec(av, coded->codec);
    if (p->codec_id == AV_CODEC_ID_NONE)
        return core_fail(error, FM_ERR_UNSUPPORTED, "this FFmpeg does not know the codec %s", coded->codec);
    p->format = av->av_get_pix_fmt(coded->pixels);
    p->width = coded->width;
    p->height = coded->height;
    p->profile = coded->profile;
    p->level = coded->level;
    p->codec_tag = coded->tag;
    p->bits_per_coded_sample = coded->bits_per_coded_sample;
    p->bits_per_raw_sample = coded->bits_per_raw_sample;
    p->video_delay = coded->video_delay;
    p->field_order = (enum AVFieldOrder) coded->field_order;
    p->color_range = (enum AVColorRange) coded->range;
    p->color_primaries = (enum AVColorPrimaries) coded->primaries;
    p->color_trc = (enum AVColorTransferCharacteristic) coded->transfer;
    p->color_space = (enum AVColorSpace) coded->matrix;
    p->chroma_location = (enum AVChromaLocation) coded->siting;
    p->bit_rate = coded->bit_rate;
    p->sample_aspect_ratio = stream->sample_aspect_ratio = avcoded_rational(coded->sample_aspect);
    if (coded->extradata_size > 0) {
        if (coded->extradata_size > INT32_MAX - AV_INPUT_BUFFER_PADDING_SIZE) return core_fail_nomem(error, coded->extradata_size);
        p->extradata = av->av_mallocz(coded->extradata_size + AV_INPUT_BUFFER_PADDING_SIZE);
        if (!p->extradata) return core_fail_nomem(error, coded->extradata_size);
        memcpy(p->extradata, coded->extradata, coded->extradata_size);
        p->extradata_size = (int) coded->extradata_size;
    }
    stream->time_base = avcoded_rational(coded->time_base);
    stream->avg_frame_rate = stream->r_frame_rate = avcoded_rational(coded->frame_rate);
    for (int i = 0; i < coded->sides; i++) {
        uint8_t *to = av->av_stream_new_side_data(stream, (enum AVPacketSideDataType) coded->side[i].type, coded->side[i].size);
        if (!to) return core_fail_nomem(error, coded->side[i].size);
        if (coded->side[i].size > 0) memcpy(to, coded->side[i].data, coded->side[i].size);
    }
    return FM_OK;
}
