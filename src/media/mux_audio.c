/* SPDX-License-Identifier: MIT */
#include "media/mux_audio.h"

#include <errno.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"

struct mux_audio {
    const struct av *av;
    AVCodecContext *decoder, *encoder;
    SwrContext *swr; /* from the last frame's form */
    enum AVSampleFormat from;
    int from_rate, from_channels;
    AVAudioFifo *fifo;
    AVFrame *decoded, *made;
    int64_t next; /* time of the fifo's first sample, in samples */
    bool has_next, is_flushed;
    AVPacket **ready; /* what had to be taken out of the encoder so that it takes more */
    size_t ready_first, ready_count, ready_room;
};

int mux_audio_lossless_bits(const AVCodecParameters *p)
{
    switch (p->codec_id) {
    case AV_CODEC_ID_FLAC:
    case AV_CODEC_ID_ALAC:
    case AV_CODEC_ID_TTA:
    case AV_CODEC_ID_WAVPACK:
    case AV_CODEC_ID_TRUEHD:
    case AV_CODEC_ID_MLP:
    case AV_CODEC_ID_APE: return p->bits_per_raw_sample > 16 || p->bits_per_coded_sample > 16 ? 24 : 16;
    default: break;
    }
    if (p->codec_id < AV_CODEC_ID_FIRST_AUDIO || p->codec_id >= AV_CODEC_ID_ADPCM_IMA_QT) return 0;
    return p->bits_per_coded_sample > 16 ? 24 : 16; /* PCM */
}

static int pick_rate(const AVCodec *codec, int rate)
{
    const int *list = codec->supported_samplerates;
    int best = 0;
    for (; list && *list; list++) {
        if (*list == rate) return rate;
        const bool is_enough = *list > rate, best_is_enough = best > rate;
        if (best == 0 || (is_enough && (!best_is_enough || *list < best)) || (!is_enough && !best_is_enough && *list > best))
            best = *list;
    }
    return best ? best : rate;
}

static enum AVSampleFormat pick_format(const AVCodec *codec, int bits)
{
    const enum AVSampleFormat *list = codec->sample_fmts;
    if (!list) return AV_SAMPLE_FMT_FLTP;
    for (const enum AVSampleFormat *f = list; bits > 16 && *f != AV_SAMPLE_FMT_NONE; f++)
        if (*f == AV_SAMPLE_FMT_S32 || *f == AV_SAMPLE_FMT_S32P) return *f;
    return list[0];
}

/* The same speakers, else as many, else as many as there can be. */
static int pick_layout(const struct av *av, const AVCodec *codec, const AVChannelLayout *in, AVChannelLayout *out)
{
    const AVChannelLayout *best = NULL;
    AVChannelLayout plain = {0};
    if (in->order == AV_CHANNEL_ORDER_UNSPEC)
        av->av_channel_layout_default(&plain, in->nb_channels);
    else if (av->av_channel_layout_copy(&plain, in) < 0)
        return AVERROR(ENOMEM);
    for (const AVChannelLayout *l = codec->ch_layouts; l && l->nb_channels; l++) {
        if (l->order == plain.order && l->nb_channels == plain.nb_channels && l->u.mask == plain.u.mask) best = l;
        if (best && best->nb_channels == plain.nb_channels) continue;
        if (l->nb_channels <= plain.nb_channels && (!best || l->nb_channels > best->nb_channels)) best = l;
    }
    const int status = av->av_channel_layout_copy(out, best ? best : &plain);
    av->av_channel_layout_uninit(&plain);
    return status;
}

static int open_decoder(struct mux_audio *a, const AVStream *in)
{
    const struct av *av = a->av;
    const AVCodec *codec = av->avcodec_find_decoder(in->codecpar->codec_id);
    if (!codec) return AVERROR_DECODER_NOT_FOUND;
    a->decoder = av->avcodec_alloc_context3(codec);
    if (!a->decoder) return AVERROR(ENOMEM);
    const int status = av->avcodec_parameters_to_context(a->decoder, in->codecpar);
    if (status < 0) return status;
    a->decoder->pkt_timebase = in->time_base;
    return av->avcodec_open2(a->decoder, codec, NULL);
}

static int open_encoder(
    struct mux_audio *a, const AVCodecParameters *in, enum AVCodecID to, bool global_header, AVCodecParameters *parameters)
{
    const struct av *av = a->av;
    const AVCodec *codec = to == AV_CODEC_ID_OPUS ? av->avcodec_find_encoder_by_name("libopus") : NULL; /* FFmpeg's own is worse */
    if (!codec) codec = av->avcodec_find_encoder(to);
    if (!codec) return AVERROR_ENCODER_NOT_FOUND;
    a->encoder = av->avcodec_alloc_context3(codec);
    if (!a->encoder) return AVERROR(ENOMEM);
    const int bits = mux_audio_lossless_bits(in);
    a->encoder->sample_rate = pick_rate(codec, in->sample_rate);
    a->encoder->sample_fmt = pick_format(codec, bits);
    if (bits > 16) a->encoder->bits_per_raw_sample = 24;
    int status = pick_layout(av, codec, &in->ch_layout, &a->encoder->ch_layout);
    if (status < 0) return status;
    a->encoder->time_base = (AVRational){1, a->encoder->sample_rate};
    a->encoder->bit_rate = 96000 * (int64_t) (a->encoder->ch_layout.nb_channels + (a->encoder->ch_layout.nb_channels == 1));
    a->encoder->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;
    if (global_header) a->encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    status = av->avcodec_open2(a->encoder, codec, NULL);
    return status < 0 ? status : av->avcodec_parameters_from_context(parameters, a->encoder);
}

int mux_audio_create(const struct av *av, const AVStream *in, enum AVCodecID to, bool global_header, struct mux_audio **out,
    AVCodecParameters *parameters, struct fm_error *error)
{
    char reason[200];
    *out = NULL;
    int code = av_load_resample(error);
    if (code != FM_OK) return code;
    struct mux_audio *a = core_calloc(1, sizeof *a);
    if (!a) return core_fail_nomem(error, sizeof *a);
    a->av = av;
    a->from = AV_SAMPLE_FMT_NONE;
    av_load_listen();
    int status = open_decoder(a, in);
    if (status >= 0) status = open_encoder(a, in->codecpar, to, global_header, parameters);
    if (status >= 0) {
        a->decoded = av->av_frame_alloc();
        a->made = av->av_frame_alloc();
        a->fifo = av->av_audio_fifo_alloc(a->encoder->sample_fmt, a->encoder->ch_layout.nb_channels, 8192);
        if (!a->decoded || !a->made || !a->fifo) status = AVERROR(ENOMEM);
    }
    if (status >= 0) {
        *out = a;
        return FM_OK;
    }
    av_load_reason(status, reason, sizeof reason);
    mux_audio_destroy(&a);
    return core_fail(error, status == AVERROR(ENOMEM) ? FM_ERR_NOMEM : FM_ERR_UNSUPPORTED, "audio %s cannot become %s: %s",
        av->avcodec_get_name(in->codecpar->codec_id), av->avcodec_get_name(to), reason);
}

/* An empty frame of the encoder's form in a->made. */
static int new_frame(struct mux_audio *a, int samples)
{
    const struct av *av = a->av;
    av->av_frame_unref(a->made);
    a->made->format = a->encoder->sample_fmt;
    a->made->sample_rate = a->encoder->sample_rate;
    a->made->nb_samples = samples;
    const int status = av->av_channel_layout_copy(&a->made->ch_layout, &a->encoder->ch_layout);
    return status < 0 ? status : av->av_frame_get_buffer(a->made, 0);
}

/* Puts samples of a->made from `skip` on into the fifo. */
static int queue(struct mux_audio *a, int skip, int samples)
{
    uint8_t *at[AV_NUM_DATA_POINTERS * 8];
    const bool is_planar = a->av->av_get_packed_sample_fmt(a->encoder->sample_fmt) != a->encoder->sample_fmt;
    const int channels = a->encoder->ch_layout.nb_channels, planes = is_planar ? channels : 1;
    const int step = a->av->av_get_bytes_per_sample(a->encoder->sample_fmt) * (is_planar ? 1 : channels);
    if (samples <= skip) return 0;
    if (planes > (int) (sizeof at / sizeof at[0])) return AVERROR(EINVAL);
    for (int i = 0; i < planes; i++) at[i] = a->made->extended_data[i] + (ptrdiff_t) skip * step;
    return a->av->av_audio_fifo_write(a->fifo, (void **) at, samples - skip);
}

static int queue_silence(struct mux_audio *a, int64_t samples)
{
    int status = 0;
    while (samples > 0 && status >= 0) {
        const int piece = samples > 4096 ? 4096 : (int) samples;
        status = new_frame(a, piece);
        if (status >= 0)
            status = a->av->av_samples_set_silence(
                a->made->extended_data, 0, piece, a->encoder->ch_layout.nb_channels, a->encoder->sample_fmt);
        if (status >= 0) status = queue(a, 0, piece);
        samples -= piece;
    }
    return status;
}

/* Resamples a->decoded (NULL frames drain what is inside) into the fifo, dropping `skip` samples. */
static int resample(struct mux_audio *a, const AVFrame *frame, int64_t skip)
{
    const struct av *av = a->av;
    int status = 0;
    if (frame && (!a->swr || a->from != frame->format || a->from_rate != frame->sample_rate ||
                     a->from_channels != frame->ch_layout.nb_channels)) {
        if (a->swr) av->swr_free(&a->swr);
        AVChannelLayout from = {0};
        if (frame->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
            av->av_channel_layout_default(&from, frame->ch_layout.nb_channels);
        else
            status = av->av_channel_layout_copy(&from, &frame->ch_layout);
        if (status >= 0)
            status = av->swr_alloc_set_opts2(&a->swr, &a->encoder->ch_layout, a->encoder->sample_fmt, a->encoder->sample_rate,
                &from, frame->format, frame->sample_rate, 0, NULL);
        av->av_channel_layout_uninit(&from);
        if (status >= 0) status = av->swr_init(a->swr);
        if (status < 0) return status;
        a->from = frame->format;
        a->from_rate = frame->sample_rate;
        a->from_channels = frame->ch_layout.nb_channels;
    }
    if (!a->swr) return 0;
    const int64_t inside = av->swr_get_delay(a->swr, a->encoder->sample_rate);
    const int64_t room =
        inside + (frame ? av->av_rescale_rnd(frame->nb_samples, a->encoder->sample_rate, frame->sample_rate, AV_ROUND_UP) : 0) + 32;
    status = new_frame(a, (int) room);
    if (status < 0) return status;
    const int got = av->swr_convert(a->swr, a->made->extended_data, (int) room,
        frame ? (const uint8_t **) (void *) frame->extended_data : NULL, frame ? frame->nb_samples : 0);
    return got < 0 ? got : queue(a, skip > got ? got : (int) skip, got);
}

static int make_room(struct mux_audio *a)
{
    if (a->ready_first + a->ready_count == a->ready_room) {
        const size_t room = a->ready_count + 64;
        AVPacket **grown = core_alloc(room * sizeof *grown);
        if (!grown) return AVERROR(ENOMEM);
        if (a->ready_count > 0) memcpy(grown, a->ready + a->ready_first, a->ready_count * sizeof *grown);
        core_free(a->ready);
        a->ready = grown;
        a->ready_first = 0;
        a->ready_room = room;
    }
    AVPacket *packet = a->av->av_packet_alloc();
    if (!packet) return AVERROR(ENOMEM);
    const int status = a->av->avcodec_receive_packet(a->encoder, packet);
    if (status < 0) {
        a->av->av_packet_free(&packet);
        return status == AVERROR(EAGAIN) ? AVERROR_BUG : status;
    }
    a->ready[a->ready_first + a->ready_count++] = packet;
    return 0;
}

static int push(struct mux_audio *a, const AVFrame *frame)
{
    for (;;) {
        int status = a->av->avcodec_send_frame(a->encoder, frame);
        if (status == AVERROR(EAGAIN))
            status = make_room(a);
        else
            return status;
        if (status < 0) return status;
    }
}

/* The encoder gets whole frames, in the end whatever is left. */
static int feed(struct mux_audio *a, bool all)
{
    const struct av *av = a->av;
    const int whole = a->encoder->frame_size > 0 ? a->encoder->frame_size : 4096;
    for (;;) {
        const int there = av->av_audio_fifo_size(a->fifo), samples = there < whole ? there : whole;
        if (samples == 0 || (there < whole && !all)) return 0;
        int status = new_frame(a, samples);
        if (status >= 0) status = av->av_audio_fifo_read(a->fifo, (void **) a->made->extended_data, samples);
        if (status < 0) return status;
        a->made->pts = a->next;
        a->next += samples;
        status = push(a, a->made);
        if (status < 0) return status;
    }
}

/* Times that jump are followed: silence where something is missing, samples dropped where some come twice. Small differences are
 * rounding of the container. */
static int place(struct mux_audio *a)
{
    const struct av *av = a->av;
    const AVFrame *f = a->decoded;
    const int rate = a->encoder->sample_rate;
    int64_t skip = 0;
    int status = 0;
    if (f->pts != AV_NOPTS_VALUE) {
        const int64_t at = av->av_rescale_q(f->pts, a->decoder->pkt_timebase, (AVRational){1, rate});
        if (!a->has_next) a->next = at, a->has_next = true;
        const int64_t expected = a->next + av->av_audio_fifo_size(a->fifo) + (a->swr ? av->swr_get_delay(a->swr, rate) : 0);
        const int64_t gap = at - expected;
        if (gap > rate / 20 && gap < 30 * (int64_t) rate)
            status = queue_silence(a, gap);
        else if (gap >= 30 * (int64_t) rate) {
            const int whole = a->encoder->frame_size > 0 ? a->encoder->frame_size : 1;
            status = queue_silence(a, (whole - av->av_audio_fifo_size(a->fifo) % whole) % whole);
            if (status >= 0) status = feed(a, true);
            a->next = at;
        } else if (gap < -rate / 20)
            skip = -gap;
    }
    a->has_next = true;
    return status < 0 ? status : resample(a, f, skip);
}

static int failed(const struct mux_audio *a, int status, struct fm_error *error)
{
    char reason[200];
    av_load_reason(status, reason, sizeof reason);
    return core_fail(error, status == AVERROR(ENOMEM) ? FM_ERR_NOMEM : FM_ERR_DEVICE, "audio cannot be encoded as %s: %s",
        a->av->avcodec_get_name(a->encoder->codec_id), reason);
}

int mux_audio_send(struct mux_audio *a, const AVPacket *in, struct fm_error *error)
{
    const struct av *av = a->av;
    if (a->is_flushed) return FM_OK;
    av_load_listen();
    int status = av->avcodec_send_packet(a->decoder, in);
    if (status < 0 && in && status != AVERROR(ENOMEM)) return FM_OK; /* damaged: its time stays silent */
    while ((status = av->avcodec_receive_frame(a->decoder, a->decoded)) >= 0) {
        status = place(a);
        av->av_frame_unref(a->decoded);
        if (status >= 0) status = feed(a, false);
        if (status < 0) return failed(a, status, error);
    }
    if (status == AVERROR(ENOMEM)) return failed(a, status, error);
    if (in) return FM_OK;
    a->is_flushed = true;
    status = resample(a, NULL, 0);
    if (status >= 0) status = feed(a, true);
    if (status >= 0) status = push(a, NULL);
    return status < 0 ? failed(a, status, error) : FM_OK;
}

int mux_audio_receive(struct mux_audio *a, AVPacket *out, struct fm_error *error)
{
    if (a->ready_count > 0) {
        a->av->av_packet_move_ref(out, a->ready[a->ready_first]);
        a->av->av_packet_free(&a->ready[a->ready_first++]);
        if (--a->ready_count == 0) a->ready_first = 0;
        return FM_OK;
    }
    const int status = a->av->avcodec_receive_packet(a->encoder, out);
    if (status >= 0) return FM_OK;
    return status == AVERROR(EAGAIN) ? FM_ERR_AGAIN : status == AVERROR_EOF ? FM_ERR_EOS : failed(a, status, error);
}

void mux_audio_destroy(struct mux_audio **audio)
{
    struct mux_audio *a = *audio;
    *audio = NULL;
    if (!a) return;
    const struct av *av = a->av;
    av->avcodec_free_context(&a->decoder);
    av->avcodec_free_context(&a->encoder);
    if (a->swr) av->swr_free(&a->swr);
    if (a->fifo) av->av_audio_fifo_free(a->fifo);
    av->av_frame_free(&a->decoded);
    av->av_frame_free(&a->made);
    for (size_t i = 0; i < a->ready_count; i++) av->av_packet_free(&a->ready[a->ready_first + i]);
    core_free(a->ready);
    core_free(a);
}
