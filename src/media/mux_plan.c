/* SPDX-License-Identifier: MIT */
#include "media/mux_plan.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"

int mux_plan_video(const struct av *av, const AVFormatContext *input, int wanted)
{
    if (wanted >= 0) return wanted < (int) input->nb_streams ? wanted : -1;
    const int best = av->av_find_best_stream((AVFormatContext *) (uintptr_t) input, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    return best >= 0 && !(input->streams[best]->disposition & AV_DISPOSITION_ATTACHED_PIC) ? best : -1;
}

/* "stream 3 (subtitle dvd_subtitle, eng)" */
static void describe(const struct av *av, const AVStream *s, char *text, size_t size)
{
    const char *kind = av->av_get_media_type_string(s->codecpar->codec_type);
    const AVDictionaryEntry *language = av->av_dict_get(s->metadata, "language", NULL, 0);
    if (s->disposition & AV_DISPOSITION_ATTACHED_PIC) kind = "cover picture";
    snprintf(text, size, "stream %d (%s %s%s%s)", s->index, kind ? kind : "unknown", av->avcodec_get_name(s->codecpar->codec_id),
        language ? ", " : "", language ? language->value : "");
}

/* Streams that the muxer makes from metadata or chapters: copied, they would be there twice. */
static bool is_made_anew(
    const struct av *av, const struct mux_container *c, const AVFormatContext *input, const AVStream *s, int video)
{
    if (s->codecpar->codec_type != AVMEDIA_TYPE_DATA) return false;
    if (s->codecpar->codec_tag == MKTAG('t', 'm', 'c', 'd'))
        return c->is_mov && video >= 0 && av->av_dict_get(input->streams[video]->metadata, "timecode", NULL, 0);
    return s->codecpar->codec_tag == MKTAG('t', 'e', 'x', 't') && s->codecpar->codec_id == AV_CODEC_ID_BIN_DATA &&
           input->nb_chapters > 0 && (c->is_mov || c->is_matroska);
}

static enum mux_way convert_way(const struct av *av, const struct mux_container *c, const AVStream *s, enum AVCodecID *to)
{
    const AVCodecParameters *p = s->codecpar;
    *to = AV_CODEC_ID_NONE;
    if (p->codec_type == AVMEDIA_TYPE_SUBTITLE && mux_subtitle_is_text(av, p->codec_id)) {
        *to = mux_container_text(c);
        if (*to != AV_CODEC_ID_NONE && av->avcodec_find_decoder(p->codec_id) && av->avcodec_find_encoder(*to)) return MUX_SUBTITLE;
    }
    if (p->codec_type == AVMEDIA_TYPE_AUDIO && p->sample_rate > 0 && p->ch_layout.nb_channels > 0) {
        *to = mux_container_audio(av, c, mux_audio_lossless_bits(p));
        if (*to != AV_CODEC_ID_NONE && av->avcodec_find_decoder(p->codec_id)) return MUX_AUDIO;
    }
    return MUX_DROP;
}

static int decide(const struct av *av, const struct mux_container *c, const AVFormatContext *input, int video, int i,
    enum video_mux_policy policy, struct mux_track *t, struct warn warn, struct fm_error *error)
{
    char name[160];
    const AVStream *s = input->streams[i];
    const enum AVMediaType type = s->codecpar->codec_type;
    t->time_base = s->time_base;
    t->last_dts = AV_NOPTS_VALUE;
    t->is_sparse = type != AVMEDIA_TYPE_VIDEO && type != AVMEDIA_TYPE_AUDIO;
    if (i == video) {
        t->way = MUX_VIDEO;
        return FM_OK;
    }
    describe(av, s, name, sizeof name);
    if (is_made_anew(av, c, input, s, video)) {
        t->way = MUX_MADE_ANEW;
        return FM_OK;
    }
    if (mux_container_holds(av, c, s)) {
        t->way = !(s->disposition & AV_DISPOSITION_ATTACHED_PIC) ? MUX_COPY : c->is_mov ? MUX_COVER : MUX_ATTACH;
        if (s->disposition & AV_DISPOSITION_ATTACHED_PIC) t->is_sparse = true;
        return FM_OK;
    }
    if (policy == VIDEO_MUX_CONVERT || policy == VIDEO_MUX_KEEP) t->way = convert_way(av, c, s, &t->to);
    if (t->way != MUX_DROP) {
        warn_add(warn, "%s: %s cannot hold it; it becomes %s", name, mux_container_title(c), av->avcodec_get_name(t->to));
        return FM_OK;
    }
    if (policy == VIDEO_MUX_CONVERT || policy == VIDEO_MUX_DROP) {
        warn_add(warn, "%s: %s cannot hold it; it is left out", name, mux_container_title(c));
        return FM_OK;
    }
    return core_fail(error, FM_ERR_UNSUPPORTED,
        "%s cannot be kept in %s; Matroska (.mkv) takes nearly everything, --streams drop leaves it out", name,
        mux_container_title(c));
}

int mux_plan_decide(const struct av *av, const struct mux_container *c, const AVFormatContext *input, int video,
    const struct video_mux_params *params, struct mux_track *tracks, struct warn warn, struct fm_error *error)
{
    for (int i = 0; i < (int) input->nb_streams; i++) {
        const int code = decide(av, c, input, video, i, params->policy, &tracks[i], warn, error);
        if (code != FM_OK) return code;
    }
    if (input->nb_chapters > 0 && !c->is_mov && !c->is_matroska && strcmp(c->format->name, "nut") != 0)
        warn_add(warn, "%s cannot hold chapters; they are left out", mux_container_title(c));
    return FM_OK;
}

/* Encoders and muxers write these themselves; what they said of the old file no longer holds. */
static bool is_stale(const char *key, bool of_video)
{
    static const char *const muxer[] = {"encoder", "major_brand", "minor_version", "compatible_brands", "DURATION", NULL};
    static const char *const video[] = {
        "vendor_id", "BPS", "NUMBER_OF_BYTES", "NUMBER_OF_FRAMES", "_STATISTICS_", "rotate", "encoder-options", NULL};
    for (int i = 0; muxer[i]; i++)
        if (strncmp(key, muxer[i], strlen(muxer[i])) == 0) return true;
    for (int i = 0; of_video && video[i]; i++)
        if (strncmp(key, video[i], strlen(video[i])) == 0) return true;
    return false;
}

static int copy_metadata(const struct av *av, AVDictionary *from, AVDictionary **to, bool of_video)
{
    const AVDictionaryEntry *e = NULL;
    while ((e = av->av_dict_get(from, "", e, AV_DICT_IGNORE_SUFFIX))) {
        if (is_stale(e->key, of_video)) continue;
        const int status = av->av_dict_set(to, e->key, e->value, 0);
        if (status < 0) return status;
    }
    return 0;
}

static int copy_sides(const struct av *av, const AVStream *from, AVStream *to)
{
    for (int i = 0; i < from->nb_side_data; i++) {
        const AVPacketSideData *side = &from->side_data[i];
        uint8_t *copy = av->av_stream_new_side_data(to, side->type, side->size);
        if (!copy) return AVERROR(ENOMEM);
        if (side->size > 0) memcpy(copy, side->data, side->size);
    }
    return 0;
}

/* A picture of the file as an attachment: Matroska has no other place for it. */
static int attach(const struct av *av, const AVStream *from, AVStream *to)
{
    static const struct {
        enum AVCodecID codec;
        const char *type, *name;
    } kinds[] = {{AV_CODEC_ID_MJPEG, "image/jpeg", "cover.jpg"}, {AV_CODEC_ID_PNG, "image/png", "cover.png"},
        {AV_CODEC_ID_BMP, "image/bmp", "cover.bmp"}, {AV_CODEC_ID_GIF, "image/gif", "cover.gif"},
        {AV_CODEC_ID_WEBP, "image/webp", "cover.webp"}, {AV_CODEC_ID_TIFF, "image/tiff", "cover.tiff"}};
    const char *type = "application/octet-stream", *name = "cover.bin";
    const AVPacket *picture = &from->attached_pic;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].codec == from->codecpar->codec_id) type = kinds[i].type, name = kinds[i].name;
    AVCodecParameters *p = to->codecpar;
    p->codec_type = AVMEDIA_TYPE_ATTACHMENT;
    p->codec_id = from->codecpar->codec_id;
    p->extradata = av->av_mallocz((size_t) picture->size + AV_INPUT_BUFFER_PADDING_SIZE);
    if (!p->extradata) return AVERROR(ENOMEM);
    if (picture->size > 0) memcpy(p->extradata, picture->data, (size_t) picture->size);
    p->extradata_size = picture->size;
    int status = av->av_dict_set(&to->metadata, "filename", name, AV_DICT_DONT_OVERWRITE);
    if (status >= 0) status = av->av_dict_set(&to->metadata, "mimetype", type, AV_DICT_DONT_OVERWRITE);
    return status;
}

static int make_stream(const struct av *av, const struct mux_container *c, const AVStream *from, struct mux_track *t,
    AVFormatContext *out, struct fm_error *error)
{
    t->out = av->avformat_new_stream(out, NULL);
    if (!t->out) return core_fail_nomem(error, 0);
    t->out->id = from->id;
    t->out->disposition = from->disposition;
    t->out->time_base = from->time_base;
    if (t->way == MUX_VIDEO) return FM_OK;
    int code = FM_OK, status = copy_metadata(av, from->metadata, &t->out->metadata, false);
    if (status >= 0 && t->way != MUX_ATTACH && t->way != MUX_AUDIO && t->way != MUX_SUBTITLE) status = copy_sides(av, from, t->out);
    if (t->way == MUX_COPY || t->way == MUX_COVER) {
        if (status >= 0) status = av->avcodec_parameters_copy(t->out->codecpar, from->codecpar);
        t->out->codecpar->codec_tag = mux_container_tag(av, c, from->codecpar);
        t->out->avg_frame_rate = from->avg_frame_rate;
        t->out->r_frame_rate = from->r_frame_rate;
        t->out->sample_aspect_ratio = from->sample_aspect_ratio;
    } else if (t->way == MUX_ATTACH) {
        if (status >= 0) status = attach(av, from, t->out);
    } else if (t->way == MUX_SUBTITLE) {
        code = mux_subtitle_create(av, from, t->to, &t->subtitle, t->out->codecpar, error);
    } else {
        code = mux_audio_create(av, from, t->to, c->format->flags & AVFMT_GLOBALHEADER, &t->audio, t->out->codecpar, error);
        if (code == FM_OK) t->out->time_base = (AVRational){1, t->out->codecpar->sample_rate};
    }
    return status < 0 ? core_fail_nomem(error, 0) : code;
}

int mux_plan_streams(const struct av *av, const struct mux_container *c, const AVFormatContext *input, struct mux_track *tracks,
    AVFormatContext *out, AVStream **video_out, struct fm_error *error)
{
    *video_out = NULL;
    for (unsigned i = 0; input && i < input->nb_streams; i++) {
        if (tracks[i].way == MUX_DROP || tracks[i].way == MUX_MADE_ANEW) continue;
        const int code = make_stream(av, c, input->streams[i], &tracks[i], out, error);
        if (code != FM_OK) return code;
        if (tracks[i].way == MUX_VIDEO) *video_out = tracks[i].out;
    }
    if (!*video_out) *video_out = av->avformat_new_stream(out, NULL);
    return *video_out ? FM_OK : core_fail_nomem(error, 0);
}

/* The matrix also moves the picture, by its old size. */
static void scale_matrix(uint8_t *data, const AVStream *from, const AVStream *to)
{
    int32_t *m = (int32_t *) (void *) data;
    if (from->codecpar->width <= 0) return;
    for (int i = 6; i < 8; i++) m[i] = (int32_t) ((int64_t) m[i] * to->codecpar->width / from->codecpar->width);
}

static bool is_there(const AVStream *s, enum AVPacketSideDataType type)
{
    for (int i = 0; i < s->nb_side_data; i++)
        if (s->side_data[i].type == type) return true;
    return false;
}

int mux_plan_inherit(const struct av *av, const struct mux_container *c, const AVStream *from, AVStream *to,
    const struct video_mux_params *params, struct warn warn, struct fm_error *error)
{
    static const enum AVPacketSideDataType kept[] = {AV_PKT_DATA_DISPLAYMATRIX, AV_PKT_DATA_MASTERING_DISPLAY_METADATA,
        AV_PKT_DATA_CONTENT_LIGHT_LEVEL, AV_PKT_DATA_STEREO3D, AV_PKT_DATA_SPHERICAL};
    if (copy_metadata(av, from->metadata, &to->metadata, true) < 0) return core_fail_nomem(error, 0);
    to->disposition = from->disposition;
    to->id = from->id;
    for (int i = 0; i < from->nb_side_data; i++) {
        const AVPacketSideData *side = &from->side_data[i];
        bool is_kept = false;
        for (size_t k = 0; k < sizeof kept / sizeof kept[0]; k++) is_kept |= side->type == kept[k];
        const bool turns = side->type == AV_PKT_DATA_DISPLAYMATRIX && side->size >= 9 * sizeof(int32_t);
        if (!is_kept || is_there(to, side->type) || (side->type == AV_PKT_DATA_DISPLAYMATRIX && (params->drop_rotation || !turns)))
            continue;
        if (turns && !c->is_mov) warn_add(warn, "%s cannot hold the video's rotation; it is left out", mux_container_title(c));
        uint8_t *copy = av->av_stream_new_side_data(to, side->type, side->size);
        if (!copy) return core_fail_nomem(error, side->size);
        memcpy(copy, side->data, side->size);
        if (turns) scale_matrix(copy, from, to);
    }
    return FM_OK;
}

int mux_plan_metadata(const struct av *av, const AVFormatContext *input, AVFormatContext *out, struct fm_error *error)
{
    return copy_metadata(av, input->metadata, &out->metadata, false) < 0 ? core_fail_nomem(error, 0) : FM_OK;
}

void mux_plan_release(struct mux_track *tracks, int count)
{
    for (int i = 0; tracks && i < count; i++) {
        mux_subtitle_destroy(&tracks[i].subtitle);
        mux_audio_destroy(&tracks[i].audio);
    }
}
