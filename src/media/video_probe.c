/* SPDX-License-Identifier: MIT */
#include "media/video_probe.h"

#include <string.h>

#include "core/error.h"
#include "media/video_parts.h"

#define TEXT_MAX 4096 /* of a tag that is shown */

static const char *text(struct arena *arena, const char *from)
{
    size_t size = from ? strlen(from) + 1 : 1;
    if (size > TEXT_MAX) size = TEXT_MAX;
    char *to = arena_alloc(arena, size);
    if (to) video_info_text(from, to, size);
    return to;
}

static int count_tags(const struct av *av, const AVDictionary *from)
{
    return from ? av->av_dict_count(from) : 0;
}

static bool add_tags(
    const struct av *av, const AVDictionary *from, int stream, struct arena *arena, struct video_probe_tag *tags, int *n)
{
    const AVDictionaryEntry *entry = NULL;
    while ((entry = av->av_dict_get(from, "", entry, AV_DICT_IGNORE_SUFFIX))) {
        struct video_probe_tag tag = {stream, text(arena, entry->key), text(arena, entry->value)};
        if (!tag.key || !tag.value) return false;
        tags[(*n)++] = tag;
    }
    return true;
}

static bool fill_tags(const struct av *av, const AVFormatContext *c, struct arena *arena, struct video_probe *out)
{
    int n = count_tags(av, c->metadata);
    for (unsigned i = 0; i < c->nb_streams; i++) n += count_tags(av, c->streams[i]->metadata);
    struct video_probe_tag *tags = arena_array(arena, (size_t) n, sizeof *tags);
    out->tags = tags;
    if (!tags || !add_tags(av, c->metadata, -1, arena, tags, &out->n_tags)) return false;
    for (unsigned i = 0; i < c->nb_streams; i++)
        if (!add_tags(av, c->streams[i]->metadata, (int) i, arena, tags, &out->n_tags)) return false;
    return true;
}

static double seconds(int64_t time, AVRational base)
{
    return base.den ? (double) time * base.num / base.den : 0;
}

static bool fill_chapters(const struct av *av, const AVFormatContext *c, struct arena *arena, struct video_probe *out)
{
    struct video_probe_chapter *list = arena_array(arena, c->nb_chapters, sizeof *list);
    out->chapters = list;
    if (!list) return false;
    for (unsigned i = 0; i < c->nb_chapters; i++) {
        const AVChapter *chapter = c->chapters[i];
        const AVDictionaryEntry *title = av->av_dict_get(chapter->metadata, "title", NULL, 0);
        list[i].start_s = seconds(chapter->start, chapter->time_base);
        list[i].end_s = seconds(chapter->end, chapter->time_base);
        list[i].title = text(arena, title ? title->value : "");
        if (!list[i].title) return false;
    }
    out->n_chapters = (int) c->nb_chapters;
    return true;
}

static int fill(const struct av *av, AVFormatContext *c, struct arena *arena, struct video_probe *out, struct fm_error *error)
{
    const size_t n = strlen(c->iformat->name);
    out->container = text(arena, c->iformat->name);
    out->container_name = text(arena, c->iformat->long_name);
    out->bytes = c->pb ? av->avio_size(c->pb) : -1;
    if (out->bytes < 0) out->bytes = -1;
    out->start_us = video_info_time(c->start_time);
    out->duration_us = c->duration > 0 ? c->duration : INT64_MIN;
    out->bit_rate = c->bit_rate > 0 ? c->bit_rate : 0;
    out->n_streams = (int) c->nb_streams;
    out->streams = video_info_streams(av, c, arena);
    out->pictures = n > 5 && !strcmp(c->iformat->name + n - 5, "_pipe");
    if (!out->container || !out->container_name || !out->streams || !fill_tags(av, c, arena, out) ||
        !fill_chapters(av, c, arena, out))
        return core_fail_nomem(error, 0);
    return FM_OK;
}

/* What the frame knows better than the container. */
static void take_video(struct video_probe *out, const struct video_info *info)
{
    struct media_stream *stream = &out->streams[info->stream];
    out->decodes = true;
    out->video = *info;
    out->video.streams = out->streams;
    out->video.video = stream;
    stream->width = info->width;
    stream->height = info->height;
    memcpy(stream->pixel_format, info->decoder_format, sizeof stream->pixel_format);
    stream->interlaced = info->interlaced;
    stream->top_first = info->top_first;
    stream->rotation = info->rotation;
    stream->flipped = info->flipped;
    stream->hdr = info->hdr;
    stream->sample_aspect = info->sample_aspect;
}

int video_probe(
    const char *url, const struct video_source_params *params, struct arena *arena, struct video_probe *out, struct fm_error *error)
{
    struct video_source_params p = params ? *params : (struct video_source_params){0};
    struct video_source *source = NULL;
    struct fm_error why = {0};
    memset(out, 0, sizeof *out);
    out->note = "";
    p.interlace = VIDEO_INTERLACE_PASS;
    int code = video_source_open(url, &p, &source, &why);
    if (code == FM_OK) {
        code = fill(source->av, source->input.container, arena, out, error);
        if (code == FM_OK) take_video(out, video_source_info(source));
        if (source->input.pictures) { /* of which the container is the first one's */
            out->container = out->container_name = "pictures";
            out->bytes = -1;
        }
        video_source_close(&source);
        return code;
    }
    /* no video that decodes: the container may still be one */
    const struct av *av = code == FM_ERR_FORMAT || code == FM_ERR_UNSUPPORTED ? av_loaded() : NULL;
    struct video_input input = {0};
    char name[300];
    video_open_name(url, name, sizeof name);
    if (!av || !strcmp(url, "-") || video_open_input(av, url, name, &p, &input, NULL) < 0) {
        if (error) *error = why;
        return code;
    }
    code = fill(av, input.container, arena, out, error);
    out->note = text(arena, why.message);
    if (!out->note) code = core_fail_nomem(error, 0);
    video_open_close(&input);
    return code;
}
