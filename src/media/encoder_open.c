/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "media/av_coded.h"
#include "media/av_frame.h"
#include "media/encoder_choice.h"
#include "media/encoder_parts.h"

static int parse_options(
    const struct av *av, const char *const *options, AVDictionary **to, enum AVPixelFormat *wanted, struct fm_error *error)
{
    *wanted = AV_PIX_FMT_NONE;
    for (; options && *options; options++) {
        char key[64];
        const char *equals = strchr(*options, '=');
        const size_t length = equals ? (size_t) (equals - *options) : 0;
        if (length == 0 || length >= sizeof key)
            return core_fail(error, FM_ERR_ARGUMENT, "encoder option \"%s\": KEY=VALUE is wanted", *options);
        memcpy(key, *options, length);
        key[length] = 0;
        if (strcmp(key, "pix_fmt") == 0) {
            *wanted = av->av_get_pix_fmt(equals + 1);
            if (*wanted == AV_PIX_FMT_NONE)
                return core_fail(error, FM_ERR_ARGUMENT, "encoder option \"%s\": no such pixel format", *options);
        } else if (av->av_dict_set(to, key, equals + 1, 0) < 0) {
            return core_fail_nomem(error, 0);
        }
    }
    return FM_OK;
}

/* What comes and what the encoder takes, decided; a conversion is told. */
static int choose_pixels(
    struct video_encoder *e, const AVCodec *codec, enum AVPixelFormat wanted, struct warn warn, struct fm_error *error)
{
    const struct av *av = e->av;
    e->in = avframe_pixel_format(e->format);
    if (e->in == AV_PIX_FMT_NONE && e->format.alpha) {
        e->format.alpha = false;
        e->in = avframe_pixel_format(e->format);
        if (e->in != AV_PIX_FMT_NONE) warn_add(warn, "transparency cannot be encoded in this format and is left out");
    }
    if (e->in == AV_PIX_FMT_NONE)
        return core_fail(error, FM_ERR_UNSUPPORTED, "frames of %d bits in this layout cannot be encoded", e->format.bits);
    const enum AVPixelFormat asked = wanted != AV_PIX_FMT_NONE ? wanted : e->in, taken = encoder_choice_pixels(av, codec, asked);
    const bool full = encoder_choice_is_full_only(codec);
    if (taken == AV_PIX_FMT_NONE || (wanted != AV_PIX_FMT_NONE && taken != wanted))
        return core_fail(error, FM_ERR_UNSUPPORTED, "the encoder %s does not take %s", codec->name, av->av_get_pix_fmt_name(asked));
    e->context->pix_fmt = taken;
    AVFrame *like = av->av_frame_alloc();
    if (!like) return core_fail_nomem(error, 0);
    like->format = e->in;
    like->width = e->width;
    like->height = e->height;
    avframe_tags_to(e->format, like);
    int code = FM_OK;
    e->matrix = like->colorspace;
    e->range = like->color_range;
    if (taken != e->in || (full && e->range != AVCOL_RANGE_JPEG)) {
        code = encoder_convert_create(av, like, taken, full, &e->convert, &e->matrix, &e->range, error);
        if (taken != e->in)
            warn_add(warn, "%s does not take %s: frames are converted to %s", codec->name, av->av_get_pix_fmt_name(e->in),
                av->av_get_pix_fmt_name(taken));
        else
            warn_add(warn, "%s takes full range only: frames are converted to it", codec->name);
    }
    e->context->color_range = e->range;
    e->context->colorspace = e->matrix;
    e->context->color_primaries = like->color_primaries;
    e->context->color_trc = like->color_trc;
    e->context->chroma_sample_location = like->chroma_location;
    av->av_frame_free(&like);
    return code;
}

static int default_gop(const struct video_encoder_params *params)
{
    if (params->gop > 0) return params->gop;
    if (params->frame_rate.num <= 0 || params->frame_rate.den <= 0) return 60;
    const double two_seconds = 2.0 * params->frame_rate.num / params->frame_rate.den;
    return two_seconds < 1 ? 1 : two_seconds > 250 ? 250 : (int) (two_seconds + 0.5);
}

static void set_context(struct video_encoder *e, const struct video_encoder_params *params, const AVCodec *codec)
{
    AVCodecContext *c = e->context;
    const bool has_rate = params->frame_rate.num > 0 && params->frame_rate.den > 0;
    c->width = e->width;
    c->height = e->height;
    c->framerate = has_rate ? avcoded_rational(params->frame_rate) : (AVRational){0, 1};
    e->counts = encoder_choice_counts(codec);
    c->time_base = avcoded_rational(e->time_base);
    if (e->counts) {
        AVRational rate = has_rate ? c->framerate : (AVRational){25, 1};
        e->av->av_reduce(&rate.num, &rate.den, rate.num, rate.den, 65535); /* MPEG-4's own limit */
        c->framerate = rate;
        c->time_base = (AVRational){rate.den, rate.num};
    }
    c->sample_aspect_ratio = params->sample_aspect.num > 0 && params->sample_aspect.den > 0
                                 ? avcoded_rational(params->sample_aspect)
                                 : (AVRational){0, 1};
    c->gop_size = default_gop(params);
    c->thread_count = params->threads;
    const AVCodecDescriptor *descriptor = e->av->avcodec_descriptor_get(codec->id);
    if (!descriptor || !(descriptor->props & AV_CODEC_PROP_INTRA_ONLY)) c->flags |= AV_CODEC_FLAG_CLOSED_GOP;
    if (params->container ? video_encoder_wants_header(params->container) : true) c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    if (params->bit_exact) c->flags |= AV_CODEC_FLAG_BITEXACT;
    c->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;
}

bool video_encoder_wants_header(const char *container)
{
    const struct av *av = av_load(NULL);
    if (!av) return false;
    const AVOutputFormat *format = av->av_guess_format(container, NULL, NULL);
    if (!format) format = av->av_guess_format(NULL, container, NULL);
    return format && (format->flags & AVFMT_GLOBALHEADER);
}

/* An option that the encoder left in the dictionary is one that nobody knows. */
static int open_codec(struct video_encoder *e, const AVCodec *codec, AVDictionary **options, struct fm_error *error)
{
    char reason[256];
    const AVDictionaryEntry *unknown = NULL;
    while ((unknown = e->av->av_dict_get(*options, "", unknown, AV_DICT_IGNORE_SUFFIX))) {
        void *context = e->context;
        if (e->av->av_opt_find(context, unknown->key, NULL, 0, AV_OPT_SEARCH_CHILDREN)) continue;
        return core_fail(error, FM_ERR_ARGUMENT, "the encoder %s has no option \"%s\"", codec->name, unknown->key);
    }
    av_load_listen();
    const int status = e->av->avcodec_open2(e->context, codec, options);
    if (status < 0) {
        av_load_reason(status, reason, sizeof reason);
        return core_fail(error,
            status == AVERROR(ENOMEM)   ? FM_ERR_NOMEM
            : status == AVERROR(EINVAL) ? FM_ERR_ARGUMENT
                                        : av_load_code(status),
            "the encoder %s cannot be opened: %s", codec->name, reason);
    }
    const AVDictionaryEntry *left = e->av->av_dict_get(*options, "", NULL, AV_DICT_IGNORE_SUFFIX);
    return left ? core_fail(error, FM_ERR_ARGUMENT, "the encoder %s has no option \"%s\"", codec->name, left->key) : FM_OK;
}

/* What the first frame knows and a container wants to know as well. */
static int add_stream_sides(struct video_encoder *e, const AVFrame *first, struct fm_error *error)
{
    static const struct {
        enum AVFrameSideDataType from;
        enum AVPacketSideDataType to;
    } kinds[] = {{AV_FRAME_DATA_MASTERING_DISPLAY_METADATA, AV_PKT_DATA_MASTERING_DISPLAY_METADATA},
        {AV_FRAME_DATA_CONTENT_LIGHT_LEVEL, AV_PKT_DATA_CONTENT_LIGHT_LEVEL}, {AV_FRAME_DATA_STEREO3D, AV_PKT_DATA_STEREO3D}};
    struct coded_stream *s = &e->stream;
    for (size_t i = 0; first && i < sizeof kinds / sizeof kinds[0]; i++) {
        const AVFrameSideData *side = e->av->av_frame_get_side_data(first, kinds[i].from);
        bool is_there = s->sides >= CODED_SIDES_MAX;
        for (int k = 0; k < s->sides; k++) is_there |= s->side[k].type == (int) kinds[i].to;
        if (!side || is_there) continue;
        uint8_t *copy = core_alloc(side->size);
        if (!copy) return core_fail_nomem(error, side->size);
        memcpy(copy, side->data, side->size);
        s->side[s->sides++] = (struct coded_side){kinds[i].to, copy, side->size};
    }
    return FM_OK;
}

static int describe(
    struct video_encoder *e, const AVCodec *codec, const struct video_encoder_params *params, struct fm_error *error)
{
    e->parameters = e->av->avcodec_parameters_alloc();
    if (!e->parameters || e->av->avcodec_parameters_from_context(e->parameters, e->context) < 0) return core_fail_nomem(error, 0);
    avcoded_stream(e->av, e->parameters, e->context->time_base, e->context->framerate, e->context->coded_side_data,
        e->context->nb_coded_side_data, &e->stream);
    const unsigned version = LIBAVCODEC_VERSION_INT;
    snprintf(e->name, sizeof e->name, "%s", codec->name);
    snprintf(e->writer, sizeof e->writer, "%s (libavcodec %u.%u.%u, FFmpeg %s)", codec->name, version >> 16, version >> 8 & 255,
        version & 255, e->av->av_version_info());
    e->stream.writer = params->bit_exact ? codec->name : e->writer;
    e->stream.time_base = e->time_base;
    e->stream.frame_rate =
        params->frame_rate.num > 0 && params->frame_rate.den > 0 ? params->frame_rate : (struct media_ratio){0, 1};
    const int borrowed = e->stream.sides; /* the context's; all are copied so that one rule frees them */
    for (int i = 0; i < borrowed; i++) {
        uint8_t *copy = core_alloc(e->stream.side[i].size + 1);
        if (!copy) {
            e->stream.sides = i;
            return core_fail_nomem(error, e->stream.side[i].size);
        }
        if (e->stream.side[i].size > 0) memcpy(copy, e->stream.side[i].data, e->stream.side[i].size);
        e->stream.side[i].data = copy;
    }
    return add_stream_sides(e, params->first ? avframe_of(params->first) : NULL, error);
}

static int open_encoder(
    struct video_encoder *e, const struct video_encoder_params *params, struct warn warn, struct fm_error *error)
{
    const struct av *av = e->av;
    const AVCodec *codec;
    AVDictionary *options = NULL;
    enum AVPixelFormat wanted;
    int code = encoder_choice_codec(av, params, &codec, warn, error);
    if (code != FM_OK) return code;
    e->context = av->avcodec_alloc_context3(codec);
    e->times = core_calloc(FRAMES_INSIDE, sizeof *e->times);
    if (!e->context || !e->times) return core_fail_nomem(error, FRAMES_INSIDE * sizeof *e->times);
    code = parse_options(av, params->options, &options, &wanted, error);
    if (code == FM_OK) code = choose_pixels(e, codec, wanted, warn, error);
    if (code == FM_OK) {
        set_context(e, params, codec);
        const AVFrame *first = params->first ? avframe_of(params->first) : NULL;
        if (encoder_choice_options(av, params, codec, e->context, first, &options) < 0) code = core_fail_nomem(error, 0);
    }
    if (code == FM_OK) code = open_codec(e, codec, &options, error);
    if (code == FM_OK) code = describe(e, codec, params, error);
    av->av_dict_free(&options);
    return code;
}

int video_encoder_open(const struct video_encoder_params *params, struct video_encoder **out, char *warnings, size_t warnings_size,
    struct fm_error *error)
{
    *out = NULL;
    if (params->width <= 0 || params->height <= 0 || params->time_base.num <= 0 || params->time_base.den <= 0)
        return core_fail(error, FM_ERR_ARGUMENT, "an encoder needs a size and a time base");
    const struct av *av = av_load(error);
    if (!av) return FM_ERR_UNSUPPORTED;
    struct video_encoder *e = core_calloc(1, sizeof *e);
    if (!e) return core_fail_nomem(error, sizeof *e);
    e->av = av;
    e->width = params->width;
    e->height = params->height;
    e->format = params->format;
    e->time_base = params->time_base;
    e->last_pts = INT64_MIN;
    const int code = open_encoder(e, params, warn_to(warnings, warnings_size), error);
    if (code != FM_OK) video_encoder_close(&e);
    *out = e;
    return code;
}
