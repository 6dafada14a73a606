/* SPDX-License-Identifier: MIT */
#include "media/video_source.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "media/video_parts.h"

static int copy_params(struct video_source *s, const char *url, const struct video_source_params *params)
{
    static const struct video_source_params none;
    s->params = params ? *params : none;
    const char **options = arena_array(s->arena, (size_t) s->params.n_options, sizeof *options);
    char name[300];
    if (!options) return FM_ERR_NOMEM;
    for (int i = 0; i < s->params.n_options; i++)
        if (!(options[i] = arena_strdup(s->arena, params->options[i]))) return FM_ERR_NOMEM;
    s->params.options = options;
    if (s->params.format && !(s->params.format = arena_strdup(s->arena, s->params.format))) return FM_ERR_NOMEM;
    video_open_name(url, name, sizeof name);
    s->name = arena_strdup(s->arena, name);
    s->url = arena_strdup(s->arena, url);
    return s->name && s->url ? FM_OK : FM_ERR_NOMEM;
}

/* Of several qualities of the same (HLS), the best. */
static int best_stream(const struct video_source *s)
{
    AVFormatContext *c = s->input.container;
    const bool qualities = c->nb_programs > 1 && (!strncmp(c->iformat->name, "hls", 3) || !strncmp(c->iformat->name, "dash", 4));
    if (qualities && s->params.video_stream == 0) {
        const int best = s->av->av_find_best_stream(c, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
        if (best >= 0) return best;
    }
    return video_open_stream(&s->input, s->params.video_stream);
}

static bool in_program_of(const AVFormatContext *c, int video, unsigned stream)
{
    for (unsigned i = 0; i < c->nb_programs; i++) {
        bool has_video = false, has_stream = false;
        for (unsigned k = 0; k < c->programs[i]->nb_stream_indexes; k++) {
            has_video = has_video || (int) c->programs[i]->stream_index[k] == video;
            has_stream = has_stream || c->programs[i]->stream_index[k] == stream;
        }
        if (has_video && has_stream) return true;
    }
    return false;
}

/* What nobody wants is not read. */
static void choose_streams(struct video_source *s, struct media_stream *streams)
{
    AVFormatContext *c = s->input.container;
    const bool qualities = c->nb_programs > 1 && (!strncmp(c->iformat->name, "hls", 3) || !strncmp(c->iformat->name, "dash", 4));
    for (unsigned i = 0; i < c->nb_streams; i++) {
        if ((int) i == s->stream->index) continue;
        streams[i].unused = qualities && !in_program_of(c, s->stream->index, i);
        if (!s->params.want_packets || streams[i].unused) c->streams[i]->discard = AVDISCARD_ALL;
    }
}

static int no_video(const struct video_source *s, struct fm_error *error)
{
    const AVFormatContext *c = s->input.container;
    int audio = 0, covers = 0;
    for (unsigned i = 0; i < c->nb_streams; i++) {
        audio += c->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
        covers += c->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
    }
    if (video_open_stream(&s->input, 0) >= 0)
        return core_fail(error, FM_ERR_ARGUMENT, "%s: it has no video stream %d", s->name, s->params.video_stream);
    return core_fail(error, FM_ERR_FORMAT, "%s: no video in it (%u stream%s%s%s)", s->name, c->nb_streams,
        c->nb_streams == 1 ? "" : "s", audio ? ", audio" : "", covers ? ", a cover picture" : "");
}

static struct media_ratio ratio(AVRational r)
{
    if (r.num <= 0 || r.den <= 0) return (struct media_ratio){0, 1};
    return (struct media_ratio){r.num, r.den};
}

static int64_t seconds_to_us(double s)
{
    return s >= 9e12 ? (int64_t) 9e18 : llrint(s * 1e6);
}

static int describe(struct video_source *s, struct fm_error *error)
{
    AVFormatContext *c = s->input.container;
    struct video_info *info = &s->info;
    struct media_stream *streams = video_info_streams(s->av, c, s->arena);
    if (!streams) return core_fail_nomem(error, 0);
    const struct media_stream *video = &streams[s->stream->index];
    choose_streams(s, streams);
    info->stream = s->stream->index;
    info->streams = streams;
    info->n_streams = (int) c->nb_streams;
    info->video = video;
    video_info_text(s->input.pictures ? "pictures" : c->iformat->name, info->container, sizeof info->container);
    video_info_text(video->codec, info->codec, sizeof info->codec);
    info->time_base = ratio(s->stream->time_base);
    info->average_rate = video->average_rate;
    info->real_rate = video->real_rate;
    info->sample_aspect = video->sample_aspect;
    info->start = video->start;
    info->duration = video->duration;
    if (info->duration == INT64_MIN && c->duration > 0)
        info->duration = s->av->av_rescale_q(c->duration, AV_TIME_BASE_Q, s->stream->time_base);
    info->frames = video->frames;
    info->rotation = video->rotation;
    info->flipped = video->flipped;
    info->hdr = video->hdr;
    info->live = video_open_is_live(&s->input, s->url, s->params.live);
    info->seekable = s->input.pictures || (s->input.place == VIDEO_PLACE_FILE && !(c->iformat->flags & AVFMT_NOFILE)) ||
                     (c->pb && (c->pb->seekable & AVIO_SEEKABLE_NORMAL) && !info->live);
    info->from_us = INT64_MIN;
    info->to_us = INT64_MAX;
    const int64_t begin = c->start_time != AV_NOPTS_VALUE ? c->start_time : 0;
    if (s->params.start_s > 0) info->from_us = begin + seconds_to_us(s->params.start_s);
    if (s->params.duration_s > 0)
        info->to_us = (s->params.start_s > 0 ? info->from_us : begin) + seconds_to_us(s->params.duration_s);
    return FM_OK;
}

/* FFmpeg's own decoders of VP8 and VP9 leave out transparency, which stands beside the pictures in WebM. */
static const AVCodec *find_decoder(const struct video_source *s)
{
    const struct av *av = s->av;
    const enum AVCodecID id = s->stream->codecpar->codec_id;
    const AVDictionaryEntry *alpha = av->av_dict_get(s->stream->metadata, "alpha_mode", NULL, 0);
    const AVCodec *codec = NULL;
    if (alpha && !strcmp(alpha->value, "1") && (id == AV_CODEC_ID_VP8 || id == AV_CODEC_ID_VP9))
        codec = av->avcodec_find_decoder_by_name(id == AV_CODEC_ID_VP8 ? "libvpx" : "libvpx-vp9");
    return codec ? codec : av->avcodec_find_decoder(id);
}

int video_source_open_decoder(struct video_source *s, struct fm_error *error)
{
    const struct av *av = s->av;
    const AVCodecParameters *p = s->stream->codecpar;
    const AVCodec *codec = find_decoder(s);
    char reason[160];
    av->avcodec_free_context(&s->decoder);
    if (!codec) return core_fail(error, FM_ERR_UNSUPPORTED, "%s: no decoder for %s", s->name, av->avcodec_get_name(p->codec_id));
    s->decoder = av->avcodec_alloc_context3(codec);
    if (!s->decoder || av->avcodec_parameters_to_context(s->decoder, p) < 0) return core_fail_nomem(error, 0);
    s->decoder->pkt_timebase = s->stream->time_base;
    s->decoder->framerate = s->stream->avg_frame_rate;
    s->decoder->thread_count = s->params.threads;
    av_load_listen();
    const int code = av->avcodec_open2(s->decoder, codec, &s->input.rest);
    if (code == AVERROR(ENOMEM)) return core_fail_nomem(error, 0);
    if (code < 0) {
        av_load_reason(code, reason, sizeof reason);
        return core_fail(error, FM_ERR_UNSUPPORTED, "%s: the decoder for %s does not start: %s", s->name, codec->name, reason);
    }
    const AVDictionaryEntry *unknown = av->av_dict_get(s->input.rest, "", NULL, AV_DICT_IGNORE_SUFFIX);
    if (unknown)
        return core_fail(error, FM_ERR_ARGUMENT, "%s: neither its container (%s) nor its decoder (%s) knows the option %s", s->name,
            s->input.container->iformat->name, codec->name, unknown->key);
    return FM_OK;
}

int video_source_start(struct video_source *s, bool can_jump, struct fm_error *error)
{
    memset(&s->stats, 0, sizeof s->stats);
    s->jumped = true;
    s->first_pts = s->guess = s->skip_until = s->skipped_pts = INT64_MIN;
    s->skip_frames = s->next_index = s->trouble = 0;
    s->live = (struct video_break){.end_us = INT64_MIN};
    s->target = AV_PIX_FMT_NONE;
    int code = video_open_input(s->av, s->url, s->name, &s->params, &s->input, error);
    if (code < 0) return code;
    const int stream = best_stream(s);
    if (stream < 0) return no_video(s, error);
    s->stream = s->input.container->streams[stream];
    code = describe(s, error);
    if (code == FM_OK) code = video_source_open_decoder(s, error);
    if (code == FM_OK && can_jump) code = video_seek_start(s, error);
    return code;
}

void video_source_flush(struct video_source *s)
{
    video_queue_clear(&s->queue);
    video_filter_close(&s->filter);
    if (s->decoder) s->av->avcodec_flush_buffers(s->decoder);
    if (s->decoded) s->av->av_frame_unref(s->decoded);
    if (s->before) s->av->av_frame_unref(s->before);
    s->draining = s->decoder_done = s->filter_done = s->past_end = false;
    s->filter_drops = s->refusals = 0;
    s->guess = s->skip_until = s->skipped_pts = INT64_MIN;
    s->skip_frames = s->next_index = s->trouble = 0;
    memset(&s->stats, 0, sizeof s->stats);
}

void video_source_stop(struct video_source *s)
{
    video_source_flush(s);
    if (s->decoder) s->av->avcodec_free_context(&s->decoder);
    video_open_close(&s->input);
    s->stream = NULL;
}

/* What only a frame tells. */
static void describe_frame(struct video_source *s, const struct video_frame *frame)
{
    const AVFrame *av_frame = avframe_of(frame);
    const AVFrameSideData *side = s->av->av_frame_get_side_data(av_frame, AV_FRAME_DATA_DISPLAYMATRIX);
    s->info.format = frame->format;
    s->info.deinterlaced = s->filter != NULL;
    if (s->info.start == INT64_MIN) s->info.start = frame->pts;
    if (av_frame->sample_aspect_ratio.num > 0 && !s->info.sample_aspect.num)
        s->info.sample_aspect = ratio(av_frame->sample_aspect_ratio);
    if (side && side->size >= 9 * sizeof(int32_t))
        video_info_rotation((const int32_t *) (const void *) side->data, &s->info.rotation, &s->info.flipped);
    video_info_hdr_of_frame(s->av, av_frame, &s->info.hdr);
}

static int no_frame(const struct video_source *s, struct fm_error *error)
{
    if (s->first_pts != INT64_MIN && s->info.from_us != INT64_MIN && !s->past_end)
        return core_fail(
            error, FM_ERR_ARGUMENT, "%s: it ends before %g s, where the piece wanted begins", s->name, s->params.start_s);
    if (s->first_pts != INT64_MIN) return core_fail(error, FM_ERR_ARGUMENT, "%s: no frame within the piece wanted", s->name);
    return core_fail(error, FM_ERR_FORMAT, "%s: no frame of its video (%s) can be decoded%s%s", s->name, s->info.codec,
        s->stats.end[0] ? ": " : "", s->stats.end);
}

static int open_first(struct video_source *s, struct fm_error *error)
{
    int code = video_source_start(s, true, error);
    if (code < 0) return code;
    code = video_source_peek(s, error);
    if (code == FM_ERR_EOS) return no_frame(s, error);
    if (code < 0) return code;
    for (int i = 0; i < s->queue.n; i++) {
        const struct video_item *item = &s->queue.items[(s->queue.first + i) % s->queue.capacity];
        if (item->kind != VIDEO_ITEM_FRAME) continue;
        describe_frame(s, &item->frame);
        break;
    }
    return FM_OK;
}

int video_source_open(const char *url, const struct video_source_params *params, struct video_source **out, struct fm_error *error)
{
    *out = NULL;
    const struct av *av = av_load(error);
    if (!av) return FM_ERR_UNSUPPORTED;
    struct video_source *s = core_calloc(1, sizeof *s);
    if (!s) return core_fail_nomem(error, sizeof *s);
    s->av = av;
    int code = FM_ERR_NOMEM;
    if (!(s->arena = arena_create()) || copy_params(s, url, params) < 0 || !(s->pool = avframe_pool_create(av)) ||
        !(s->packet = av->av_packet_alloc()) || !(s->decoded = av->av_frame_alloc()) || !(s->before = av->av_frame_alloc())) {
        core_fail_nomem(error, 0);
        goto fail;
    }
    code = avconvert_create(av, &s->convert, error);
    if (code < 0) goto fail;
    code = open_first(s, error);
    if (code < 0) goto fail;
    *out = s;
    return FM_OK;
fail:
    video_source_close(&s);
    return code;
}

void video_source_close(struct video_source **source)
{
    struct video_source *s = *source;
    *source = NULL;
    if (!s) return;
    video_source_stop(s);
    s->av->av_packet_free(&s->packet);
    s->av->av_frame_free(&s->decoded);
    s->av->av_frame_free(&s->before);
    avconvert_destroy(&s->convert);
    avframe_pool_destroy(&s->pool);
    arena_destroy(&s->arena);
    core_free(s);
}

const struct video_info *video_source_info(const struct video_source *source)
{
    return &source->info;
}

void video_source_get_stats(const struct video_source *source, struct video_source_stats *stats)
{
    *stats = source->stats;
}

int video_source_next(struct video_source *s, struct video_item *item, struct fm_error *error)
{
    if (s->failed.code) {
        if (error) *error = s->failed;
        return s->failed.code;
    }
    while (!video_queue_get(&s->queue, item)) {
        struct fm_error why = {0};
        const int code = video_source_step(s, &why);
        if (code >= 0 || s->queue.n) continue;
        if (code == FM_ERR_EOS) core_fail(&why, code, "%s: the end", s->name);
        s->failed = why;
        if (error) *error = why;
        return code;
    }
    if (item->kind == VIDEO_ITEM_FRAME) {
        s->stats.frames++;
        s->stats.damaged += item->frame.damaged;
    }
    return FM_OK;
}

struct AVFormatContext *video_source_container(const struct video_source *source)
{
    return source->input.container;
}

struct AVCodecContext *video_source_decoder(const struct video_source *source)
{
    return source->decoder;
}
