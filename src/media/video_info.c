/* SPDX-License-Identifier: MIT */
#include "media/video_info.h"

#include <stdio.h>
#include <string.h>

#include "media/video_parts.h"

const char *media_kind_name(enum media_kind kind)
{
    static const char *const names[] = {"video", "audio", "subtitle", "data", "attachment"};
    return names[kind];
}

const char *media_matrix_name(int matrix)
{
    const struct av *av = av_loaded();
    return av ? av->av_color_space_name(matrix) : NULL;
}

const char *media_primaries_name(int primaries)
{
    const struct av *av = av_loaded();
    return av ? av->av_color_primaries_name(primaries) : NULL;
}

const char *media_transfer_name(int transfer)
{
    const struct av *av = av_loaded();
    return av ? av->av_color_transfer_name(transfer) : NULL;
}

/* Control characters become '?'; a character of several bytes is not cut in two. */
void video_info_text(const char *from, char *to, size_t size)
{
    size_t n = 0;
    if (!from) from = "";
    while (from[n] && n + 1 < size) n++;
    if (from[n])
        while (n > 0 && ((unsigned char) from[n] & 0xc0) == 0x80) n--;
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char) from[i];
        const bool c1 = c == 0xc2 && (unsigned char) from[i + 1] < 0xa0;
        to[i] = c < 0x20 || c == 0x7f || c1 ? '?' : (char) c;
        if (c1 && i + 1 < n) to[++i] = '?';
    }
    to[n] = 0;
}

int64_t video_info_time(int64_t av_time)
{
    return av_time == AV_NOPTS_VALUE ? INT64_MIN : av_time;
}

/* FFmpeg's matrix maps (x, y) to (a x + c y, b x + d y), all 16.16. A mirroring one is a mirror followed by a turn. */
void video_info_rotation(const int32_t matrix[9], int *rotation, bool *flipped)
{
    const struct av *av = av_loaded();
    int32_t turn[9];
    memcpy(turn, matrix, sizeof turn);
    const double determinant = (double) turn[0] * turn[4] - (double) turn[1] * turn[3];
    *flipped = determinant < 0;
    if (*flipped) turn[0] = -turn[0], turn[1] = -turn[1];
    const double angle = av->av_display_rotation_get(turn); /* counter-clockwise; NaN for a matrix that is singular */
    *rotation = 0;
    if (angle == angle) *rotation = ((int) (-angle / 90 + (angle <= 0 ? 0.5 : -0.5)) * 90 + 360) % 360;
}

static double fraction(AVRational r)
{
    return r.den ? (double) r.num / r.den : 0;
}

static void mastering(const AVMasteringDisplayMetadata *m, struct media_hdr *hdr)
{
    hdr->mastering = true;
    if (m->has_primaries) {
        for (int i = 0; i < 3; i++)
            for (int k = 0; k < 2; k++) hdr->primary[i][k] = fraction(m->display_primaries[i][k]);
        for (int k = 0; k < 2; k++) hdr->white[k] = fraction(m->white_point[k]);
    }
    if (m->has_luminance) {
        hdr->min_luminance = fraction(m->min_luminance);
        hdr->max_luminance = fraction(m->max_luminance);
    }
}

static void light(const AVContentLightMetadata *l, struct media_hdr *hdr)
{
    hdr->light = true;
    hdr->max_cll = (int) l->MaxCLL;
    hdr->max_fall = (int) l->MaxFALL;
}

void video_info_hdr_of_frame(const struct av *av, const AVFrame *frame, struct media_hdr *hdr)
{
    const AVFrameSideData *side = av->av_frame_get_side_data(frame, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA);
    if (side) mastering((const void *) side->data, hdr);
    side = av->av_frame_get_side_data(frame, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL);
    if (side) light((const void *) side->data, hdr);
    if (av->av_frame_get_side_data(frame, AV_FRAME_DATA_DYNAMIC_HDR_PLUS)) hdr->hdr10plus = true;
    if (av->av_frame_get_side_data(frame, AV_FRAME_DATA_DOVI_METADATA) ||
        av->av_frame_get_side_data(frame, AV_FRAME_DATA_DOVI_RPU_BUFFER))
        hdr->dolby_vision = true;
}

static void hdr_of_stream(const struct av *av, const AVStream *stream, struct media_hdr *hdr)
{
    size_t size = 0;
    const void *side = av->av_stream_get_side_data(stream, AV_PKT_DATA_MASTERING_DISPLAY_METADATA, &size);
    if (side && size >= sizeof(AVMasteringDisplayMetadata)) mastering(side, hdr);
    side = av->av_stream_get_side_data(stream, AV_PKT_DATA_CONTENT_LIGHT_LEVEL, &size);
    if (side && size >= sizeof(AVContentLightMetadata)) light(side, hdr);
    if (av->av_stream_get_side_data(stream, AV_PKT_DATA_DOVI_CONF, &size)) hdr->dolby_vision = true;
}

static struct media_ratio ratio(AVRational r)
{
    if (r.num <= 0 || r.den <= 0) return (struct media_ratio){0, 1};
    return (struct media_ratio){r.num, r.den};
}

static void video_of(const struct av *av, AVFormatContext *container, AVStream *stream, struct media_stream *m)
{
    const AVCodecParameters *p = stream->codecpar;
    const char *name = av->av_get_pix_fmt_name(p->format);
    m->width = p->width;
    m->height = p->height;
    video_info_text(name, m->pixel_format, sizeof m->pixel_format);
    m->average_rate = ratio(stream->avg_frame_rate);
    m->real_rate = ratio(av->av_guess_frame_rate(container, stream, NULL));
    m->sample_aspect = ratio(av->av_guess_sample_aspect_ratio(container, stream, NULL));
    m->matrix = p->color_space;
    m->primaries = p->color_primaries;
    m->transfer = p->color_trc;
    m->siting = p->chroma_location == AVCHROMA_LOC_UNSPECIFIED ? -1 : (int) p->chroma_location - 1;
    m->range = p->color_range == AVCOL_RANGE_JPEG ? 2 : p->color_range == AVCOL_RANGE_MPEG ? 1 : 0;
    m->interlaced = p->field_order > AV_FIELD_PROGRESSIVE;
    m->top_first = p->field_order == AV_FIELD_TT || p->field_order == AV_FIELD_BT;
    size_t size = 0;
    const void *matrix = av->av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
    if (matrix && size >= 9 * sizeof(int32_t)) video_info_rotation(matrix, &m->rotation, &m->flipped);
    hdr_of_stream(av, stream, &m->hdr);
}

static void audio_of(const struct av *av, const AVStream *stream, struct media_stream *m)
{
    const AVCodecParameters *p = stream->codecpar;
    m->sample_rate = p->sample_rate;
    m->channels = p->ch_layout.nb_channels;
    if (m->channels) av->av_channel_layout_describe(&p->ch_layout, m->channel_layout, sizeof m->channel_layout);
    video_info_text(av->av_get_sample_fmt_name(p->format), m->sample_format, sizeof m->sample_format);
}

static enum media_kind kind_of(const AVStream *stream)
{
    switch (stream->codecpar->codec_type) {
    case AVMEDIA_TYPE_VIDEO: return MEDIA_VIDEO;
    case AVMEDIA_TYPE_AUDIO: return MEDIA_AUDIO;
    case AVMEDIA_TYPE_SUBTITLE: return MEDIA_SUBTITLE;
    case AVMEDIA_TYPE_ATTACHMENT: return MEDIA_ATTACHMENT;
    default: return MEDIA_DATA;
    }
}

static void dispositions(int flags, char *text, size_t size)
{
    static const struct {
        int flag;
        const char *name;
    } names[] = {{AV_DISPOSITION_DEFAULT, "default"}, {AV_DISPOSITION_DUB, "dub"}, {AV_DISPOSITION_ORIGINAL, "original"},
        {AV_DISPOSITION_COMMENT, "comment"}, {AV_DISPOSITION_LYRICS, "lyrics"}, {AV_DISPOSITION_KARAOKE, "karaoke"},
        {AV_DISPOSITION_FORCED, "forced"}, {AV_DISPOSITION_HEARING_IMPAIRED, "hearing impaired"},
        {AV_DISPOSITION_VISUAL_IMPAIRED, "visual impaired"}, {AV_DISPOSITION_CLEAN_EFFECTS, "clean effects"},
        {AV_DISPOSITION_ATTACHED_PIC, "cover"}, {AV_DISPOSITION_TIMED_THUMBNAILS, "thumbnails"},
        {AV_DISPOSITION_CAPTIONS, "captions"}, {AV_DISPOSITION_DESCRIPTIONS, "descriptions"}, {AV_DISPOSITION_METADATA, "metadata"},
        {AV_DISPOSITION_DEPENDENT, "dependent"}, {AV_DISPOSITION_STILL_IMAGE, "still image"}};
    size_t n = 0;
    text[0] = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if ((flags & names[i].flag) && n < size) n += (size_t) snprintf(text + n, size - n, "%s%s", n ? ", " : "", names[i].name);
}

static void describe(const struct av *av, AVFormatContext *container, AVStream *stream, struct media_stream *m)
{
    const AVCodecParameters *p = stream->codecpar;
    const AVCodecDescriptor *codec = av->avcodec_descriptor_get(p->codec_id);
    const AVDictionaryEntry *tag = av->av_dict_get(stream->metadata, "language", NULL, 0);
    m->index = stream->index;
    m->kind = kind_of(stream);
    video_info_text(codec ? codec->name : "", m->codec, sizeof m->codec);
    video_info_text(av->av_get_profile_name(av->avcodec_find_decoder(p->codec_id), p->profile), m->profile, sizeof m->profile);
    if (!m->profile[0]) video_info_text(av->avcodec_profile_name(p->codec_id, p->profile), m->profile, sizeof m->profile);
    char fourcc[5] = {(char) (p->codec_tag & 255), (char) (p->codec_tag >> 8 & 255), (char) (p->codec_tag >> 16 & 255),
        (char) (p->codec_tag >> 24 & 255), 0};
    for (int i = 0; i < 4; i++)
        if (fourcc[i] < 0x20 || fourcc[i] > 0x7e) fourcc[0] = 0;
    video_info_text(fourcc, m->tag, sizeof m->tag);
    video_info_text(tag ? tag->value : "", m->language, sizeof m->language);
    tag = av->av_dict_get(stream->metadata, "title", NULL, 0);
    video_info_text(tag ? tag->value : "", m->title, sizeof m->title);
    dispositions(stream->disposition, m->disposition, sizeof m->disposition);
    m->time_base = ratio(stream->time_base);
    m->start = video_info_time(stream->start_time);
    m->duration = stream->duration > 0 ? stream->duration : INT64_MIN;
    m->bit_rate = p->bit_rate;
    m->frames = stream->nb_frames;
    m->cover = stream->disposition & (AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS);
    m->bitmap_subtitle = m->kind == MEDIA_SUBTITLE && codec && (codec->props & AV_CODEC_PROP_BITMAP_SUB);
    m->matrix = m->primaries = m->transfer = 2;
    m->siting = -1;
    if (m->kind == MEDIA_VIDEO) video_of(av, container, stream, m);
    if (m->kind == MEDIA_AUDIO) audio_of(av, stream, m);
}

struct media_stream *video_info_streams(const struct av *av, AVFormatContext *container, struct arena *arena)
{
    struct media_stream *streams = arena_array(arena, container->nb_streams, sizeof *streams);
    for (unsigned i = 0; streams && i < container->nb_streams; i++) describe(av, container, container->streams[i], &streams[i]);
    return streams;
}
