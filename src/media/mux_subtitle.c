/* SPDX-License-Identifier: MIT */
#include "media/mux_subtitle.h"

#include <string.h>

#include "core/alloc.h"
#include "core/error.h"

#define TEXT_MAX (1 << 20)

struct mux_subtitle {
    const struct av *av;
    AVCodecContext *decoder, *encoder;
    uint8_t *text; /* TEXT_MAX bytes */
};

bool mux_subtitle_is_text(const struct av *av, enum AVCodecID codec)
{
    const AVCodecDescriptor *d = av->avcodec_descriptor_get(codec);
    return d && d->type == AVMEDIA_TYPE_SUBTITLE && (d->props & AV_CODEC_PROP_TEXT_SUB);
}

static int open_both(struct mux_subtitle *s, const AVStream *in, enum AVCodecID to, AVCodecParameters *parameters)
{
    const struct av *av = s->av;
    const AVCodec *decoder = av->avcodec_find_decoder(in->codecpar->codec_id), *encoder = av->avcodec_find_encoder(to);
    if (!decoder) return AVERROR_DECODER_NOT_FOUND;
    if (!encoder) return AVERROR_ENCODER_NOT_FOUND;
    s->decoder = av->avcodec_alloc_context3(decoder);
    s->encoder = av->avcodec_alloc_context3(encoder);
    s->text = core_alloc(TEXT_MAX);
    if (!s->decoder || !s->encoder || !s->text) return AVERROR(ENOMEM);
    int status = av->avcodec_parameters_to_context(s->decoder, in->codecpar);
    if (status < 0) return status;
    s->decoder->pkt_timebase = in->time_base;
    s->decoder->time_base = in->time_base;
    status = av->avcodec_open2(s->decoder, decoder, NULL);
    if (status < 0) return status;
    s->encoder->time_base = (AVRational){1, 1000};
    if (s->decoder->subtitle_header_size > 0) { /* styles, which the decoder has brought into ASS */
        s->encoder->subtitle_header = av->av_mallocz((size_t) s->decoder->subtitle_header_size + 1);
        if (!s->encoder->subtitle_header) return AVERROR(ENOMEM);
        memcpy(s->encoder->subtitle_header, s->decoder->subtitle_header, (size_t) s->decoder->subtitle_header_size);
        s->encoder->subtitle_header_size = s->decoder->subtitle_header_size;
    }
    status = av->avcodec_open2(s->encoder, encoder, NULL);
    return status < 0 ? status : av->avcodec_parameters_from_context(parameters, s->encoder);
}

int mux_subtitle_create(const struct av *av, const AVStream *in, enum AVCodecID to, struct mux_subtitle **out,
    AVCodecParameters *parameters, struct fm_error *error)
{
    char reason[200];
    struct mux_subtitle *s = core_calloc(1, sizeof *s);
    *out = NULL;
    if (!s) return core_fail_nomem(error, sizeof *s);
    s->av = av;
    av_load_listen();
    const int status = open_both(s, in, to, parameters);
    if (status < 0) {
        mux_subtitle_destroy(&s);
        av_load_reason(status, reason, sizeof reason);
        return core_fail(error, status == AVERROR(ENOMEM) ? FM_ERR_NOMEM : FM_ERR_UNSUPPORTED, "subtitles %s cannot become %s: %s",
            av->avcodec_get_name(in->codecpar->codec_id), av->avcodec_get_name(to), reason);
    }
    *out = s;
    return FM_OK;
}

int mux_subtitle_packet(struct mux_subtitle *s, const AVPacket *in, AVPacket *out, bool *made, struct fm_error *error)
{
    const struct av *av = s->av;
    AVSubtitle subtitle = {0};
    int got = 0;
    *made = false;
    AVPacket *copy = av->av_packet_clone(in);
    if (!copy) return core_fail_nomem(error, (size_t) in->size);
    const int status = av->avcodec_decode_subtitle2(s->decoder, &subtitle, &got, copy);
    av->av_packet_free(&copy);
    if (status < 0 || !got) return FM_OK;
    int size = 0;
    if (subtitle.num_rects > 0) {
        subtitle.pts = in->pts == AV_NOPTS_VALUE ? 0 : av->av_rescale_q(in->pts, s->decoder->pkt_timebase, AV_TIME_BASE_Q);
        if (subtitle.end_display_time <= subtitle.start_display_time && in->duration > 0)
            subtitle.end_display_time = (uint32_t) av->av_rescale_q(in->duration, s->decoder->pkt_timebase, (AVRational){1, 1000}) +
                                        subtitle.start_display_time;
        size = av->avcodec_encode_subtitle(s->encoder, s->text, TEXT_MAX, &subtitle);
    }
    av->avsubtitle_free(&subtitle);
    if (size <= 0) return FM_OK;
    if (av->av_new_packet(out, size) < 0) return core_fail_nomem(error, (size_t) size);
    memcpy(out->data, s->text, (size_t) size);
    out->pts = in->pts;
    out->dts = in->dts;
    out->duration = in->duration;
    out->flags = AV_PKT_FLAG_KEY;
    *made = true;
    return FM_OK;
}

void mux_subtitle_destroy(struct mux_subtitle **subtitle)
{
    struct mux_subtitle *s = *subtitle;
    *subtitle = NULL;
    if (!s) return;
    s->av->avcodec_free_context(&s->decoder);
    s->av->avcodec_free_context(&s->encoder);
    core_free(s->text);
    core_free(s);
}
