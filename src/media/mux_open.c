/* SPDX-License-Identifier: MIT */
/* Opening an output: the place, the options, the header. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "media/mux_core.h"

static int start_number(const struct video_mux_params *params)
{
    int number = 1;
    for (const char *const *o = params->options; o && *o; o++) (void) sscanf(*o, "start_number=%d", &number);
    return number;
}

int mux_core_check_place(const struct av *av, const char *output, const struct mux_container *c,
    const struct video_mux_params *params, struct fm_error *error)
{
    char first[4200];
    const char *path = c->url;
    struct stat st;
    if (params->overwrite || !(c->is_file || c->is_pattern)) return FM_OK;
    if (strncmp(path, "file:", 5) == 0) path += 5;
    if (c->is_pattern) {
        if (av->av_get_frame_filename(first, sizeof first, path, start_number(params)) < 0) return FM_OK;
        path = first;
    }
    if (lstat(path, &st) != 0) return FM_OK;
    return core_fail(error, FM_ERR_ARGUMENT, "%s: exists and may not be overwritten", c->is_pattern ? first : output);
}

static int parse_options(const struct av *av, const char *const *options, AVDictionary **to, struct fm_error *error)
{
    for (; options && *options; options++) {
        char key[64];
        const char *equals = strchr(*options, '=');
        const size_t length = equals ? (size_t) (equals - *options) : 0;
        if (length == 0 || length >= sizeof key)
            return core_fail(error, FM_ERR_ARGUMENT, "container option \"%s\": KEY=VALUE is wanted", *options);
        memcpy(key, *options, length);
        key[length] = 0;
        if (av->av_dict_set(to, key, equals + 1, 0) < 0) return core_fail_nomem(error, 0);
    }
    return FM_OK;
}

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* MP4 states where a track begins in units of the whole movie, a millisecond unless told otherwise: not enough for "to the tick". The
 * smallest unit that all tracks share is taken where some track does not begin at 0 and the number stays reasonable. */
static int64_t movie_timescale(const struct video_mux *mux)
{
    int64_t scale = 1000;
    for (unsigned i = 0; i < mux->out->nb_streams; i++) {
        const AVStream *s = mux->out->streams[i];
        int64_t own = s->codecpar->codec_type == AVMEDIA_TYPE_AUDIO ? s->codecpar->sample_rate : s->time_base.den;
        if (s->codecpar->codec_type != AVMEDIA_TYPE_AUDIO && s->codecpar->codec_type != AVMEDIA_TYPE_VIDEO) continue;
        if (own <= 0) continue;
        const int64_t common = scale / gcd(scale, own) * own;
        if (common <= 50 * 1000 * 1000) scale = common;
    }
    return scale;
}

/* Does anything begin elsewhere than at 0? */
static bool has_offsets(const struct video_mux *mux, const AVFormatContext *input)
{
    if (mux->params.has_from) return true;
    for (unsigned i = 0; input && i < input->nb_streams; i++) {
        const int64_t start = input->streams[i]->start_time;
        if (start != AV_NOPTS_VALUE && start != 0) return true;
    }
    return false;
}

static bool is_only_video(const struct video_mux *mux)
{
    for (unsigned i = 0; i < mux->out->nb_streams; i++) {
        const AVStream *s = mux->out->streams[i];
        if (s != mux->video && s->codecpar->codec_type == AVMEDIA_TYPE_VIDEO) return false;
    }
    return true;
}

static bool has_apple_keys(const struct av *av, const AVFormatContext *out)
{
    return av->av_dict_get(out->metadata, "com.", NULL, AV_DICT_IGNORE_SUFFIX) != NULL;
}

static int add_defaults(struct video_mux *mux, const AVFormatContext *input, AVDictionary **options)
{
    const struct av *av = mux->av;
    const struct mux_container *c = &mux->container;
    int status = 0;
    if (c->is_mov && c->is_file)
        status = av->av_dict_set(options, "movflags", has_apple_keys(av, mux->out) ? "+faststart+use_metadata_tags" : "+faststart",
            AV_DICT_DONT_OVERWRITE);
    else if (c->is_mov)
        status = av->av_dict_set(options, "movflags", "frag_keyframe+empty_moov+default_base_moof", AV_DICT_DONT_OVERWRITE);
    if (status >= 0 && c->is_mov && is_only_video(mux)) /* the muxer would take a finer one than the input has */
        status = av->av_dict_set_int(options, "video_track_timescale", mux->video->time_base.den, AV_DICT_DONT_OVERWRITE);
    if (status >= 0 && c->is_mov && has_offsets(mux, input))
        status = av->av_dict_set_int(options, "movie_timescale", movie_timescale(mux), AV_DICT_DONT_OVERWRITE);
    if (status >= 0 && c->is_pattern && (c->format->flags & AVFMT_NOFILE))
        status = av->av_dict_set(options, "atomic_writing", "1", AV_DICT_DONT_OVERWRITE);
    if (status >= 0 && (c->is_network || c->is_pipe))
        status = av->av_dict_set(options, "flush_packets", "1", AV_DICT_DONT_OVERWRITE);
    return status;
}

static int set_url(struct video_mux *mux, const char *prefix, const char *rest, struct fm_error *error)
{
    const size_t size = strlen(prefix) + strlen(rest) + 1;
    mux->out->url = mux->av->av_malloc(size);
    if (!mux->out->url) return core_fail_nomem(error, size);
    snprintf(mux->out->url, size, "%s%s", prefix, rest);
    return FM_OK;
}

static int open_place(struct video_mux *mux, const char *output, AVDictionary **options, struct fm_error *error)
{
    const struct av *av = mux->av;
    const struct mux_container *c = &mux->container;
    int code = mux_core_check_place(av, output, c, &mux->params, error);
    if (code != FM_OK) return code;
    if (c->is_file) {
        mux->path = core_strdup(strncmp(c->url, "file:", 5) == 0 ? c->url + 5 : c->url);
        if (!mux->path) return core_fail_nomem(error, strlen(c->url));
        code = still_file_create(&mux->file, mux->path, mux->params.overwrite, error);
        if (code != FM_OK) return code;
        mux->has_file = true;
        code = set_url(mux, "file:", mux->file.temporary, error);
    } else {
        code = set_url(mux, "", c->url, error);
    }
    mux->out->interrupt_callback = (AVIOInterruptCB){.callback = mux_live_interrupted, .opaque = mux};
    if (c->is_network) (void) av->avformat_network_init();
    if (code != FM_OK || (c->format->flags & AVFMT_NOFILE)) return code;
    av_load_listen();
    const int status = av->avio_open2(&mux->out->pb, mux->out->url, AVIO_FLAG_WRITE, &mux->out->interrupt_callback, options);
    if (status >= 0) return FM_OK;
    char reason[200];
    av_load_reason(status, reason, sizeof reason);
    return core_fail(
        error, av_load_code(status) == FM_ERR_NOMEM ? FM_ERR_NOMEM : FM_ERR_IO, "%s: cannot be written: %s", output, reason);
}

static int write_header(struct video_mux *mux, const char *output, AVDictionary **options, struct fm_error *error)
{
    char reason[256];
    av_load_listen();
    const int status = mux->av->avformat_write_header(mux->out, options);
    if (status < 0) {
        av_load_reason(status, reason, sizeof reason);
        const int code = av_load_code(status);
        return core_fail(error, code == FM_ERR_FORMAT ? FM_ERR_UNSUPPORTED : code, "%s: %s cannot be begun: %s", output,
            mux_container_title(&mux->container), reason);
    }
    mux->has_header = true;
    const AVDictionaryEntry *left = mux->av->av_dict_get(*options, "", NULL, AV_DICT_IGNORE_SUFFIX);
    return left ? core_fail(error, FM_ERR_ARGUMENT, "%s has no option \"%s\"", mux_container_title(&mux->container), left->key)
                : FM_OK;
}

/* Chapters on the output's clock, as far as they lie in the piece. */
static int copy_chapters(struct video_mux *mux, const AVFormatContext *input, struct fm_error *error)
{
    const struct av *av = mux->av;
    AVFormatContext *out = mux->out;
    if (!input || input->nb_chapters == 0) return FM_OK;
    out->chapters = av->av_mallocz(input->nb_chapters * sizeof *out->chapters);
    if (!out->chapters) return core_fail_nomem(error, 0);
    for (unsigned i = 0; i < input->nb_chapters; i++) {
        const AVChapter *from = input->chapters[i];
        const int64_t shift = av->av_rescale_q(mux->origin, mux->origin_base, from->time_base);
        int64_t start = from->start, end = from->end;
        if (mux->params.has_to) {
            const int64_t to = av->av_rescale_q(mux->params.to_us, AV_TIME_BASE_Q, from->time_base);
            if (start >= to) continue;
            if (end == AV_NOPTS_VALUE || end > to) end = to;
        }
        if (mux->params.has_from && end != AV_NOPTS_VALUE && end <= shift) continue;
        if (mux->params.has_from && start < shift) start = shift;
        AVChapter *chapter = av->av_mallocz(sizeof *chapter);
        if (!chapter) return core_fail_nomem(error, sizeof *chapter);
        out->chapters[out->nb_chapters++] = chapter;
        chapter->id = from->id;
        chapter->time_base = from->time_base;
        chapter->start = start - shift;
        chapter->end = end == AV_NOPTS_VALUE ? end : end - shift;
        if (av->av_dict_copy(&chapter->metadata, from->metadata, 0) < 0) return core_fail_nomem(error, 0);
    }
    return FM_OK;
}

int mux_open_output(
    struct video_mux *mux, const char *output, const AVFormatContext *input, struct warn warn, struct fm_error *error)
{
    AVDictionary *options = NULL;
    (void) warn;
    AVFormatContext *out = mux->out;
    out->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;
    out->max_delay = 700 * 1000; /* how far decoding may lag behind in an MPEG stream, microseconds */
    if (mux->params.interleave_us > 0) out->max_interleave_delta = mux->params.interleave_us;
    if (mux->params.bit_exact) out->flags |= AVFMT_FLAG_BITEXACT;
    int code = copy_chapters(mux, input, error);
    if (code == FM_OK) code = parse_options(mux->av, mux->params.options, &options, error);
    if (code == FM_OK && add_defaults(mux, input, &options) < 0) code = core_fail_nomem(error, 0);
    if (code == FM_OK) code = open_place(mux, output, &options, error);
    if (code == FM_OK) code = write_header(mux, output, &options, error);
    mux->av->av_dict_free(&options);
    return code;
}
