/* SPDX-License-Identifier: MIT */
#include "framemill/probe.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/arena.h"
#include "core/error.h"
#include "media/still.h"
#include "media/video_probe.h"

struct fm_probe {
    struct arena *arena;
    bool is_picture;
    struct video_probe video;
    struct still_info still;
    int64_t bytes;
};

/* A picture by its own loader, which knows more of it than a video's. FM_ERR_FORMAT and such: it is none. */
static int open_still(fm_probe *probe, const char *path, struct fm_error *error)
{
    struct still_reader *reader = NULL;
    const int code = still_open(path, &reader, &probe->still, error);
    if (code < 0) return code;
    still_close(&reader);
    struct stat st;
    probe->is_picture = true;
    probe->bytes = stat(path, &st) == 0 ? (int64_t) st.st_size : -1;
    return FM_OK;
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int look(fm_probe *probe, const char *path, const struct fm_probe_params *params, struct fm_error *error)
{
    struct video_source_params p = {.format = params->format, .options = params->options};
    const bool told = p.format || (p.options && p.options[0]);
    const bool named = is_file(path) && still_is_picture_name(path) && !told;
    struct fm_error why = {0};
    while (p.options && p.options[p.n_options]) p.n_options++;
    if (named && open_still(probe, path, &why) == FM_OK) return FM_OK;
    if (named && (why.code == FM_ERR_IO || why.code == FM_ERR_NOMEM)) {
        if (error) *error = why;
        return why.code;
    }
    const int code = video_probe(path, &p, probe->arena, &probe->video, error);
    if (named && (code < 0 || !probe->video.decodes)) { /* animated pictures may be videos; a damaged one is a picture still */
        if (error) *error = why;
        return why.code;
    }
    const bool maybe = is_file(path) && !told && !named && (code < 0 || probe->video.pictures);
    if (maybe && code != FM_ERR_NOMEM && code != FM_ERR_IO && open_still(probe, path, NULL) == FM_OK) return FM_OK;
    return code;
}

int fm_probe_open(const char *path, const struct fm_probe_params *params, fm_probe **out, struct fm_error *error)
{
    struct fm_probe_params p = {.size = sizeof p};
    if (!out) return core_fail(error, FM_ERR_ARGUMENT, "fm_probe_open: no place for the probe");
    *out = NULL;
    if (!path || !path[0]) return core_fail(error, FM_ERR_ARGUMENT, "fm_probe_open: no path");
    if (params && params->size < sizeof(size_t)) return core_fail(error, FM_ERR_ARGUMENT, "fm_probe_open: params->size is not set");
    if (params) memcpy(&p, params, params->size < sizeof p ? params->size : sizeof p);
    fm_probe *probe = core_calloc(1, sizeof *probe);
    if (!probe || !(probe->arena = arena_create())) {
        core_free(probe);
        return core_fail_nomem(error, sizeof *probe);
    }
    const int code = look(probe, path, &p, error);
    if (code < 0)
        fm_probe_close(&probe);
    else
        *out = probe;
    return code;
}

void fm_probe_close(fm_probe **probe)
{
    if (!probe || !*probe) return;
    arena_destroy(&(*probe)->arena);
    core_free(*probe);
    *probe = NULL;
}

static double us(int64_t time)
{
    return time == INT64_MIN ? NAN : (double) time / 1e6;
}

int fm_probe_get_info(const fm_probe *probe, struct fm_probe_info *info)
{
    struct fm_probe_info i = {.size = sizeof i};
    if (!probe || !info || info->size < sizeof(size_t)) return FM_ERR_ARGUMENT;
    const struct video_probe *v = &probe->video;
    i.size = info->size;
    i.video = -1;
    i.start_s = i.duration_s = NAN;
    if (probe->is_picture) {
        i.kind = FM_PROBE_PICTURE;
        i.format = i.format_name = probe->still.loader;
        i.bytes = probe->bytes;
        i.note = probe->still.note;
        i.width = probe->still.width;
        i.height = probe->still.height;
        i.channels = probe->still.format.channels;
        i.bits = probe->still.format.bits;
    } else {
        i.format = v->container;
        i.format_name = v->container_name;
        i.bytes = v->bytes;
        i.start_s = us(v->start_us);
        i.duration_s = us(v->duration_us);
        i.bit_rate = v->bit_rate;
        i.n_streams = v->n_streams;
        i.n_chapters = v->n_chapters;
        i.note = v->note;
        i.live = v->decodes && v->video.live;
        if (v->decodes) i.video = v->video.stream;
        i.kind = FM_PROBE_OTHER;
        for (int k = 0; k < v->n_streams; k++)
            if (v->streams[k].kind == MEDIA_VIDEO && !v->streams[k].cover) i.kind = FM_PROBE_VIDEO;
    }
    memcpy(info, &i, info->size < sizeof i ? info->size : sizeof i);
    return FM_OK;
}

static double in_seconds(int64_t time, struct media_ratio base)
{
    return time == INT64_MIN || base.den <= 0 ? NAN : (double) time * base.num / base.den;
}

static const char *known(const char *name)
{
    return name && strcmp(name, "unknown") != 0 && strcmp(name, "unspecified") != 0 ? name : "";
}

static void video_of(const struct media_stream *m, struct fm_probe_stream *s)
{
    static const char *const ranges[] = {"", "tv", "pc"}, *const sitings[] = {
                                                              "left", "center", "topleft", "top", "bottomleft", "bottom"};
    s->width = m->width;
    s->height = m->height;
    s->rate_num = m->average_rate.num;
    s->rate_den = m->average_rate.den;
    s->real_rate_num = m->real_rate.num;
    s->real_rate_den = m->real_rate.den;
    s->aspect_num = m->sample_aspect.num;
    s->aspect_den = m->sample_aspect.den;
    s->range = ranges[m->range];
    s->matrix = known(media_matrix_name(m->matrix));
    s->primaries = known(media_primaries_name(m->primaries));
    s->transfer = known(media_transfer_name(m->transfer));
    s->siting = m->siting >= 0 && m->siting < 6 ? sitings[m->siting] : "";
    s->rotation = m->rotation;
    s->flipped = m->flipped;
    s->interlaced = m->interlaced;
    s->top_first = m->top_first;
    s->hdr_mastering = m->hdr.mastering;
    s->hdr_light = m->hdr.light;
    s->hdr10plus = m->hdr.hdr10plus;
    s->dolby_vision = m->hdr.dolby_vision;
    memcpy(s->red, m->hdr.primary[0], sizeof s->red);
    memcpy(s->green, m->hdr.primary[1], sizeof s->green);
    memcpy(s->blue, m->hdr.primary[2], sizeof s->blue);
    memcpy(s->white, m->hdr.white, sizeof s->white);
    s->min_luminance = m->hdr.min_luminance;
    s->max_luminance = m->hdr.max_luminance;
    s->max_cll = m->hdr.max_cll;
    s->max_fall = m->hdr.max_fall;
}

int fm_probe_get_stream(const fm_probe *probe, int index, struct fm_probe_stream *stream)
{
    static const enum fm_probe_stream_kind kinds[] = {[MEDIA_VIDEO] = FM_PROBE_STREAM_VIDEO,
        [MEDIA_AUDIO] = FM_PROBE_STREAM_AUDIO,
        [MEDIA_SUBTITLE] = FM_PROBE_STREAM_SUBTITLE,
        [MEDIA_DATA] = FM_PROBE_STREAM_DATA,
        [MEDIA_ATTACHMENT] = FM_PROBE_STREAM_ATTACHMENT};
    struct fm_probe_stream s = {.size = sizeof s};
    if (!probe || !stream || stream->size < sizeof(size_t) || index < 0 || index >= probe->video.n_streams) return FM_ERR_ARGUMENT;
    const struct media_stream *m = &probe->video.streams[index];
    s.size = stream->size;
    s.kind = kinds[m->kind];
    s.codec = m->codec;
    s.profile = m->profile;
    s.tag = m->tag;
    s.language = m->language;
    s.title = m->title;
    s.disposition = m->disposition;
    s.time_base_num = m->time_base.num;
    s.time_base_den = m->time_base.den;
    s.start_s = in_seconds(m->start, m->time_base);
    s.duration_s = in_seconds(m->duration, m->time_base);
    s.bit_rate = m->bit_rate;
    s.frames = m->frames;
    s.cover = m->cover;
    s.pixel_format = m->pixel_format;
    s.range = s.matrix = s.primaries = s.transfer = s.siting = "";
    s.channel_layout = m->channel_layout;
    s.sample_format = m->sample_format;
    s.sample_rate = m->sample_rate;
    s.channels = m->channels;
    if (m->kind == MEDIA_VIDEO) video_of(m, &s);
    memcpy(stream, &s, stream->size < sizeof s ? stream->size : sizeof s);
    return FM_OK;
}

int fm_probe_get_chapter(const fm_probe *probe, int index, struct fm_probe_chapter *chapter)
{
    struct fm_probe_chapter c = {.size = sizeof c};
    if (!probe || !chapter || chapter->size < sizeof(size_t) || index < 0 || index >= probe->video.n_chapters)
        return FM_ERR_ARGUMENT;
    const struct video_probe_chapter *from = &probe->video.chapters[index];
    c = (struct fm_probe_chapter){chapter->size, from->start_s, from->end_s, from->title};
    memcpy(chapter, &c, chapter->size < sizeof c ? chapter->size : sizeof c);
    return FM_OK;
}

int fm_probe_get_tag(const fm_probe *probe, int stream, int index, const char **key, const char **value)
{
    if (!probe || !key || !value || index < 0) return FM_ERR_ARGUMENT;
    for (int i = 0; i < probe->video.n_tags; i++) {
        const struct video_probe_tag *tag = &probe->video.tags[i];
        if (tag->stream != stream || index-- > 0) continue;
        *key = tag->key;
        *value = tag->value;
        return FM_OK;
    }
    return FM_ERR_EOS;
}
