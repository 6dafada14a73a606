/* SPDX-License-Identifier: MIT */
#include "media/encoder_choice.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"

static bool is_one_of(const char *name, const char *list)
{
    const size_t length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == 0)) return true;
    return false;
}

/* H.264 where nothing better is known of the container. */
static const AVCodec *container_choice(const struct av *av, const char *container, struct warn warn)
{
    const AVOutputFormat *format = av->av_guess_format(container, NULL, NULL);
    if (!format) format = av->av_guess_format(NULL, container, NULL);
    const char *name = format ? format->name : "mp4";
    const AVCodec *codec = NULL;
    if (is_one_of(name, "webm")) {
        codec = av->avcodec_find_encoder_by_name("libvpx-vp9");
        if (!codec) codec = av->avcodec_find_encoder_by_name("libvpx");
        return codec;
    }
    if (is_one_of(name, "yuv4mpegpipe")) return av->avcodec_find_encoder_by_name("wrapped_avframe");
    if (format &&
        is_one_of(name, "rawvideo image2 image2pipe gif apng webp ivf ogg ogv avif hevc obu mjpeg mpeg1video mpeg2video dirac"))
        return av->avcodec_find_encoder(av->av_guess_codec(format, NULL, container, NULL, AVMEDIA_TYPE_VIDEO));
    codec = av->avcodec_find_encoder_by_name("libx264");
    if (!codec) codec = av->avcodec_find_encoder(AV_CODEC_ID_H264);
    if (codec) return codec;
    codec = av->avcodec_find_encoder(AV_CODEC_ID_MPEG4);
    if (codec) warn_add(warn, "this FFmpeg has no H.264 encoder: MPEG-4 is written instead");
    return codec;
}

int encoder_choice_codec(
    const struct av *av, const struct video_encoder_params *params, const AVCodec **codec, struct warn warn, struct fm_error *error)
{
    if (!params->name) {
        *codec = container_choice(av, params->container ? params->container : "mp4", warn);
        return *codec ? FM_OK
                      : core_fail(error, FM_ERR_UNSUPPORTED, "this FFmpeg has no video encoder for %s",
                            params->container ? params->container : "mp4");
    }
    *codec = av->avcodec_find_encoder_by_name(params->name);
    if (!*codec && av->avcodec_descriptor_get_by_name(params->name))
        *codec = av->avcodec_find_encoder(av->avcodec_descriptor_get_by_name(params->name)->id);
    if (!*codec) return core_fail(error, FM_ERR_ARGUMENT, "this FFmpeg has no encoder \"%s\"", params->name);
    if ((*codec)->type != AVMEDIA_TYPE_VIDEO) return core_fail(error, FM_ERR_ARGUMENT, "\"%s\" is no video encoder", params->name);
    return FM_OK;
}

/* What Y4M can say. */
static const enum AVPixelFormat y4m[] = {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV422P, AV_PIX_FMT_YUV444P, AV_PIX_FMT_GRAY8,
    AV_PIX_FMT_GRAY9, AV_PIX_FMT_GRAY10, AV_PIX_FMT_GRAY12, AV_PIX_FMT_GRAY16, AV_PIX_FMT_YUV420P9, AV_PIX_FMT_YUV422P9,
    AV_PIX_FMT_YUV444P9, AV_PIX_FMT_YUV420P10, AV_PIX_FMT_YUV422P10, AV_PIX_FMT_YUV444P10, AV_PIX_FMT_YUV420P12,
    AV_PIX_FMT_YUV422P12, AV_PIX_FMT_YUV444P12, AV_PIX_FMT_YUV420P14, AV_PIX_FMT_YUV422P14, AV_PIX_FMT_YUV444P14,
    AV_PIX_FMT_YUV420P16, AV_PIX_FMT_YUV422P16, AV_PIX_FMT_YUV444P16, AV_PIX_FMT_NONE};

/* Where RGB has to become something else: what every player shows, if it is in the list; of alpha nothing may be lost. */
static enum AVPixelFormat plain_for(const struct av *av, const enum AVPixelFormat *list, enum AVPixelFormat in)
{
    const AVPixFmtDescriptor *d = av->av_pix_fmt_desc_get(in);
    if (!d || !(d->flags & AV_PIX_FMT_FLAG_RGB) || d->flags & AV_PIX_FMT_FLAG_ALPHA) return in;
    const enum AVPixelFormat plain = d->comp[0].depth > 8 ? AV_PIX_FMT_YUV420P10 : AV_PIX_FMT_YUV420P;
    enum AVPixelFormat found = in;
    for (const enum AVPixelFormat *p = list; *p != AV_PIX_FMT_NONE; p++) {
        if (*p == plain) found = plain;
        if (av->av_pix_fmt_desc_get(*p)->flags & AV_PIX_FMT_FLAG_RGB) return in;
    }
    return found;
}

enum AVPixelFormat encoder_choice_pixels(const struct av *av, const AVCodec *codec, enum AVPixelFormat in)
{
    const enum AVPixelFormat *list = codec->id == AV_CODEC_ID_WRAPPED_AVFRAME ? y4m : codec->pix_fmts;
    if (!list) return in;
    for (const enum AVPixelFormat *p = list; *p != AV_PIX_FMT_NONE; p++)
        if (*p == in) return in;
    in = plain_for(av, list, in);
    const AVPixFmtDescriptor *d = av->av_pix_fmt_desc_get(in);
    return av->avcodec_find_best_pix_fmt_of_list(list, in, d && (d->flags & AV_PIX_FMT_FLAG_ALPHA), NULL);
}

bool encoder_choice_is_full_only(const AVCodec *codec)
{
    return codec->id == AV_CODEC_ID_MJPEG || codec->id == AV_CODEC_ID_LJPEG;
}

bool encoder_choice_counts(const AVCodec *codec)
{
    switch (codec->id) {
    case AV_CODEC_ID_MPEG4:
    case AV_CODEC_ID_MPEG1VIDEO:
    case AV_CODEC_ID_MPEG2VIDEO:
    case AV_CODEC_ID_H263:
    case AV_CODEC_ID_H263P:
    case AV_CODEC_ID_FLV1:
    case AV_CODEC_ID_MSMPEG4V2:
    case AV_CODEC_ID_MSMPEG4V3:
    case AV_CODEC_ID_THEORA: return true;
    default: return false;
    }
}

static bool has(const struct av *av, AVDictionary *options, const char *names)
{
    const AVDictionaryEntry *e = NULL;
    while ((e = av->av_dict_get(options, "", e, AV_DICT_IGNORE_SUFFIX)))
        if (is_one_of(e->key, names)) return true;
    return false;
}

static int set(const struct av *av, AVDictionary **options, const char *key, const char *value)
{
    return av->av_dict_set(options, key, value, AV_DICT_DONT_OVERWRITE);
}

/* Our parameters before the caller's, so that theirs win. */
static int prepend(const struct av *av, AVDictionary **options, const char *key, const char *ours)
{
    char text[2048];
    const AVDictionaryEntry *e = av->av_dict_get(*options, key, NULL, 0);
    if (!e) return av->av_dict_set(options, key, ours, 0);
    if ((size_t) snprintf(text, sizeof text, "%s:%s", ours, e->value) >= sizeof text) return 0;
    return av->av_dict_set(options, key, text, 0);
}

/* Mastering display and light level as x264 and x265 want them, in their units of 0.00002 and 0.0001 cd/m2. */
static int say_hdr(const struct av *av, const AVFrame *first, bool is_x265, AVDictionary **options)
{
    const char *params = is_x265 ? "x265-params" : "x264-params";
    char text[256];
    int status = 0;
    const AVFrameSideData *side = first ? av->av_frame_get_side_data(first, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL) : NULL;
    if (side) {
        const AVContentLightMetadata *light = (const void *) side->data;
        snprintf(text, sizeof text, "%s=%u,%u", is_x265 ? "max-cll" : "cll", light->MaxCLL, light->MaxFALL);
        status = prepend(av, options, params, text);
    }
    side = first ? av->av_frame_get_side_data(first, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA) : NULL;
    const AVMasteringDisplayMetadata *m = side ? (const void *) side->data : NULL;
    if (!m || !m->has_primaries || !m->has_luminance || status < 0) return status;
    const AVRational(*c)[2] = m->display_primaries;
#define UNITS(r, n) (long) ((r).den ? (double) (r).num / (r).den * (n) + 0.5 : 0)
    snprintf(text, sizeof text, "%s=G(%ld,%ld)B(%ld,%ld)R(%ld,%ld)WP(%ld,%ld)L(%ld,%ld)",
        is_x265 ? "master-display" : "mastering-display", UNITS(c[1][0], 50000), UNITS(c[1][1], 50000), UNITS(c[2][0], 50000),
        UNITS(c[2][1], 50000), UNITS(c[0][0], 50000), UNITS(c[0][1], 50000), UNITS(m->white_point[0], 50000),
        UNITS(m->white_point[1], 50000), UNITS(m->max_luminance, 10000), UNITS(m->min_luminance, 10000));
#undef UNITS
    return prepend(av, options, params, text);
}

static int x264_options(
    const struct av *av, const struct video_encoder_params *params, const AVFrame *first, AVDictionary **options)
{
    int status = 0;
    if (!has(av, *options, "crf qp b cqp")) status = set(av, options, "crf", "17");
    if (status >= 0) status = set(av, options, "forced-idr", "1");
    if (status >= 0 && params->journal) status = prepend(av, options, "x264-params", "open-gop=0");
    return status < 0 ? status : say_hdr(av, first, false, options);
}

static int x265_options(
    const struct av *av, const struct video_encoder_params *params, const AVFrame *first, AVDictionary **options)
{
    int status = 0;
    if (!has(av, *options, "crf qp b")) status = set(av, options, "crf", "20");
    if (status >= 0) status = set(av, options, "forced-idr", "1");
    if (status >= 0)
        status = prepend(av, options, "x265-params", params->journal ? "log-level=error:open-gop=0" : "log-level=error");
    return status < 0 ? status : say_hdr(av, first, true, options);
}

int encoder_choice_options(const struct av *av, const struct video_encoder_params *params, const AVCodec *codec,
    AVCodecContext *context, const AVFrame *first, AVDictionary **options)
{
    const char *name = codec->name;
    int status = 0;
    if (params->preset) status = av->av_dict_set(options, "preset", params->preset, AV_DICT_DONT_OVERWRITE);
    if (status < 0) return status;
    if (is_one_of(name, "libx264 libx264rgb")) return x264_options(av, params, first, options);
    if (is_one_of(name, "libx265")) return x265_options(av, params, first, options);
    if (is_one_of(name, "libvpx-vp9 libvpx libaom-av1")) {
        const bool is_vpx8 = strcmp(name, "libvpx") == 0;
        if (!has(av, *options, "crf b qmax")) {
            status = set(av, options, "crf", is_vpx8 ? "10" : "20");
            if (status >= 0) status = set(av, options, "b", is_vpx8 ? "20M" : "0");
        }
        if (status >= 0 && !has(av, *options, "cpu-used speed deadline quality usage"))
            status = set(av, options, "cpu-used", is_vpx8 ? "1" : "4");
        if (status >= 0 && !is_vpx8) status = set(av, options, "row-mt", "1");
        return status;
    }
    if (is_one_of(name, "libsvtav1")) return has(av, *options, "crf qp b") ? 0 : set(av, options, "crf", "24");
    if (is_one_of(name, "ffv1")) {
        status = set(av, options, "level", "3");
        if (status >= 0) status = set(av, options, "slicecrc", "1");
        return status < 0 ? status : set(av, options, "g", "1");
    }
    if (encoder_choice_counts(codec) && codec->id != AV_CODEC_ID_THEORA) /* closed groups are refused with scene changes */
        status = set(av, options, "sc_threshold", "1000000000");
    if (is_one_of(name, "mpeg4 mpeg2video mpeg1video mjpeg libxvid") && !has(av, *options, "b q qscale global_quality")) {
        context->flags |= AV_CODEC_FLAG_QSCALE;
        context->global_quality = 2 * FF_QP2LAMBDA;
    }
    return status;
}
