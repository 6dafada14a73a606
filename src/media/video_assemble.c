/* SPDX-License-Identifier: MIT */
/* A journal and the input's other streams become the result: two sources of packets, merged by their decoding times. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "media/av_coded.h"
#include "media/mux_core.h"
#include "media/packet_log.h"

/* How many packets in a row may be unreadable before the rest is given up. */
#define READ_ERRORS_MAX 64

/* What a journal holds, from reading it once. */
struct extent {
    int64_t packets; /* to be taken */
    int64_t end;     /* where the last of them ends, in the stream's time base */
    bool is_done;
};

struct join {
    const struct av *av;
    struct packet_log_reader *log;
    AVFormatContext *input;
    AVPacket *other;
    bool has_video, has_other;
    struct packet_log_record video;
    int64_t left, written;
    int errors;
    AVRational video_base;
    struct video_mux *mux;
    struct warn warn;
};

static int measure(const char *log, bool all, int64_t most, struct extent *extent, struct fm_error *error)
{
    struct packet_log_reader *reader;
    struct packet_log_record record;
    int64_t packets = 0, end = INT64_MIN;
    *extent = (struct extent){.end = INT64_MIN};
    int code = packet_log_open(log, &reader, error);
    if (code != FM_OK) return code;
    if (!packet_log_coded(reader)) code = core_fail(error, FM_ERR_FORMAT, "%s: the journal ends before its video begins", log);
    while (code == FM_OK && (!most || packets < most) && (code = packet_log_next(reader, &record, error)) == FM_OK) {
        const struct coded_packet *p = &record.packet;
        if (record.kind == PACKET_LOG_PACKET) {
            packets++;
            if (p->pts != CODED_NONE && p->duration < INT64_MAX / 2 && p->pts < INT64_MAX / 2 && p->pts + p->duration > end)
                end = p->pts + p->duration;
        }
        if (record.kind == PACKET_LOG_PACKET && !all) continue;
        extent->packets = packets;
        extent->end = end;
        extent->is_done = record.kind == PACKET_LOG_DONE;
    }
    packet_log_reader_close(&reader);
    return code == FM_ERR_EOS ? FM_OK : code;
}

static int read_options(const struct av *av, const char *const *options, AVDictionary **to, struct fm_error *error)
{
    for (; options && *options; options++) {
        char key[64];
        const size_t length = strcspn(*options, "=");
        if (!(*options)[length] || length >= sizeof key) continue; /* was refused when the video was opened */
        memcpy(key, *options, length);
        key[length] = 0;
        if (av->av_dict_set(to, key, *options + length + 1, 0) < 0) return core_fail_nomem(error, 0);
    }
    return FM_OK;
}

static int open_input(
    const struct av *av, const char *input, const struct video_mux_params *params, AVFormatContext **out, struct fm_error *error)
{
    char reason[200];
    const bool is_plain = !strstr(input, "://") && strncmp(input, "file:", 5) != 0;
    const size_t size = strlen(input) + 6;
    char *url = core_alloc(size);
    AVDictionary *options = NULL;
    *out = NULL;
    if (!url) return core_fail_nomem(error, size);
    snprintf(url, size, "%s%s", is_plain ? "file:" : "", input);
    int code = read_options(av, params->input_options, &options, error), status = 0;
    if (code == FM_OK) {
        av_load_listen();
        status = av->avformat_open_input(
            out, url, params->input_format ? av->av_find_input_format(params->input_format) : NULL, &options);
    }
    core_free(url);
    av->av_dict_free(&options);
    if (code != FM_OK) return code;
    if (status >= 0) status = av->avformat_find_stream_info(*out, NULL);
    if (status >= 0) return FM_OK;
    av_load_reason(status, reason, sizeof reason);
    av->avformat_close_input(out);
    return core_fail(error, av_load_code(status), "%s: %s", input, reason);
}

static int next_video(struct join *j, struct fm_error *error)
{
    while (!j->has_video && j->left > 0) {
        const int code = packet_log_next(j->log, &j->video, error);
        if (code == FM_ERR_EOS)
            j->left = 0;
        else if (code != FM_OK)
            return code;
        else if (j->video.kind == PACKET_LOG_PACKET)
            j->has_video = true, j->left--;
    }
    return FM_OK;
}

/* The next packet that is wanted. What cannot be read is skipped; when nothing can any more, the rest is missing, and that is said. */
static void next_other(struct join *j)
{
    while (j->input && !j->has_other) {
        av_load_listen();
        const int status = j->av->av_read_frame(j->input, j->other);
        if (status >= 0) {
            j->errors = 0;
            if (video_mux_wants(j->mux, j->other->stream_index))
                j->has_other = true;
            else
                j->av->av_packet_unref(j->other);
            continue;
        }
        if (status == AVERROR(EAGAIN)) continue;
        if (status != AVERROR_EOF && ++j->errors < READ_ERRORS_MAX) continue;
        if (status != AVERROR_EOF) {
            char reason[200];
            av_load_reason(status, reason, sizeof reason);
            warn_add(j->warn, "the input's other streams end early: %s", reason);
        }
        j->av->avformat_close_input(&j->input);
    }
}

/* Both are there: is the other stream's packet due first? */
static bool is_other_first(const struct join *j)
{
    const int64_t other = j->other->dts != AV_NOPTS_VALUE ? j->other->dts : j->other->pts;
    const int64_t video = j->video.packet.dts != CODED_NONE ? j->video.packet.dts : j->video.packet.pts;
    if (other == AV_NOPTS_VALUE) return true;
    if (video == CODED_NONE) return false;
    return j->av->av_compare_ts(other, j->input->streams[j->other->stream_index]->time_base, video, j->video_base) < 0;
}

static int write_one(struct join *j, const struct video_mux_params *params, struct fm_error *error)
{
    int code;
    if (j->has_other && (!j->has_video || is_other_first(j))) {
        code = mux_core_packet(j->mux, j->other, error);
        j->av->av_packet_unref(j->other);
        j->has_other = false;
        if (!j->has_video && j->left == 0 && mux_core_is_past(j->mux)) j->av->avformat_close_input(&j->input);
        return code;
    }
    code = video_mux_video(j->mux, &j->video.packet, error);
    j->has_video = false;
    j->written++;
    if (params->progress && (j->written % 64 == 0 || j->left == 0)) params->progress(params->progress_arg, j->written);
    return code;
}

static int run(struct join *j, const struct video_mux_params *params, struct fm_error *error)
{
    for (;;) {
        if (params->cancelled && params->cancelled(params->cancelled_arg)) return core_fail(error, FM_ERR_CANCELLED, "cancelled");
        int code = next_video(j, error);
        if (code != FM_OK) return code;
        next_other(j);
        if (!j->has_video && !j->has_other) return FM_OK;
        code = write_one(j, params, error);
        if (code != FM_OK) return code;
    }
}

static int join(struct join *j, const char *log, const char *output, const struct video_mux_params *params, struct fm_error *error)
{
    int code = packet_log_open(log, &j->log, error);
    if (code != FM_OK) return code;
    const struct coded_stream *stream = packet_log_coded(j->log);
    if (!stream) return core_fail(error, FM_ERR_FORMAT, "%s: the journal ends before its video begins", log);
    j->video_base = avcoded_rational(stream->time_base);
    j->other = j->av->av_packet_alloc();
    if (!j->other) return core_fail_nomem(error, 0);
    code = mux_core_open(output, stream, j->input, params, true, &j->mux, j->warn, error);
    if (code != FM_OK) return code;
    for (unsigned i = 0; j->input && i < j->input->nb_streams; i++)
        if (!video_mux_wants(j->mux, (int) i)) j->input->streams[i]->discard = AVDISCARD_ALL;
    if (params->no_copy && j->input) j->av->avformat_close_input(&j->input);
    code = run(j, params, error);
    return code == FM_OK ? video_mux_finish(j->mux, NULL, 0, error) : code;
}

static int assemble(const char *log, const char *input, const char *output, const struct video_mux_params *params, bool all,
    struct warn warn, struct fm_error *error)
{
    struct extent extent;
    struct video_mux_params own = *params;
    const struct av *av = av_load(error);
    if (!av) return FM_ERR_UNSUPPORTED;
    int code = measure(log, all, params->packets_max, &extent, error);
    if (code != FM_OK) return code;
    struct join j = {.av = av, .left = extent.packets, .warn = warn};
    if (input) code = open_input(av, input, params, &j.input, error);
    if (code == FM_OK && !extent.is_done) { /* other streams as far as the video goes */
        struct packet_log_reader *reader;
        code = packet_log_open(log, &reader, error);
        const struct coded_stream *stream = code == FM_OK ? packet_log_coded(reader) : NULL;
        const int64_t end_us =
            stream && extent.end != INT64_MIN
                ? av->av_rescale_q_rnd(extent.end, avcoded_rational(stream->time_base), AV_TIME_BASE_Q, AV_ROUND_UP)
                : 0;
        if (!own.has_to || own.to_us > end_us) own.has_to = true, own.to_us = end_us;
        if (code == FM_OK) packet_log_reader_close(&reader);
    }
    if (code == FM_OK) code = join(&j, log, output, &own, error);
    video_mux_close(&j.mux);
    if (j.input) av->avformat_close_input(&j.input);
    if (j.other) av->av_packet_free(&j.other);
    packet_log_reader_close(&j.log);
    return code;
}

int video_assemble(const char *log, const char *input, const char *output, const struct video_mux_params *params, char *warnings,
    size_t warnings_size, struct fm_error *error)
{
    return assemble(log, input, output, params, false, warn_to(warnings, warnings_size), error);
}

int video_assemble_partial(const char *log, const char *input, const char *output, const struct video_mux_params *params,
    char *name, size_t name_size, char *warnings, size_t warnings_size, struct fm_error *error)
{
    struct video_mux_params own = *params;
    const char *slash = strrchr(output, '/'), *dot = strrchr(output, '.');
    if (!dot || (slash && dot < slash)) dot = output + strlen(output);
    if ((size_t) snprintf(name, name_size, "%.*s.partial%s", (int) (dot - output), output, dot) >= name_size)
        return core_fail(error, FM_ERR_ARGUMENT, "%s: the name is too long", output);
    own.overwrite = true;
    return assemble(log, input, name, &own, true, warn_to(warnings, warnings_size), error);
}

/* Does the muxer know its options, and their values? */
static int check_options(const struct av *av, const struct mux_container *c, const char *const *options, struct fm_error *error)
{
    AVFormatContext *out = NULL;
    AVDictionary *given = NULL;
    if (!options || !*options) return FM_OK;
    if (av->avformat_alloc_output_context2(&out, c->format, NULL, NULL) < 0) return core_fail_nomem(error, 0);
    int code = read_options(av, options, &given, error), status = 0;
    av_load_listen();
    if (code == FM_OK) status = av->av_opt_set_dict2(out, &given, AV_OPT_SEARCH_CHILDREN);
    const AVDictionaryEntry *left = av->av_dict_get(given, "", NULL, AV_DICT_IGNORE_SUFFIX);
    char reason[200];
    if (code == FM_OK && status < 0) {
        av_load_reason(status, reason, sizeof reason);
        code = core_fail(error, FM_ERR_ARGUMENT, "%s: %s", mux_container_title(c), reason);
    } else if (code == FM_OK && left) {
        code = core_fail(error, FM_ERR_ARGUMENT, "%s has no option \"%s\"", mux_container_title(c), left->key);
    }
    av->av_dict_free(&given);
    av->avformat_free_context(out);
    return code;
}

int video_mux_check(const char *input, const char *output, const char *codec, const struct video_mux_params *params, char *warnings,
    size_t warnings_size, struct fm_error *error)
{
    struct mux_container container;
    const struct warn warn = warn_to(warnings, warnings_size);
    const struct av *av = av_load(error);
    if (!av) return FM_ERR_UNSUPPORTED;
    int code = mux_container_find(av, output, params->format, &container, error);
    if (code == FM_OK) code = mux_core_check_place(av, output, &container, params, error);
    if (code == FM_OK) code = check_options(av, &container, params->options, error);
    if (code != FM_OK) return code;
    if (codec && !mux_container_holds_video(av, &container, avcoded_codec(av, codec)))
        return core_fail(error, FM_ERR_UNSUPPORTED, "%s cannot hold video of %s", mux_container_title(&container), codec);
    if (!input || params->no_copy) return FM_OK;
    AVFormatContext *in;
    code = open_input(av, input, params, &in, error);
    if (code != FM_OK) return code;
    struct mux_track *tracks = core_calloc(in->nb_streams + 1, sizeof *tracks);
    const int video = mux_plan_video(av, in, params->video_stream);
    code = tracks ? mux_plan_decide(av, &container, in, video, params, tracks, warn, error) : core_fail_nomem(error, 0);
    mux_plan_release(tracks, (int) in->nb_streams);
    core_free(tracks);
    av->avformat_close_input(&in);
    return code;
}

int video_mux_try(const char *input, const char *output, const struct coded_stream *stream, const struct video_mux_params *params,
    char *warnings, size_t warnings_size, struct fm_error *error)
{
    AVFormatContext *in = NULL;
    struct video_mux *mux = NULL;
    const struct av *av = av_load(error);
    if (!av) return FM_ERR_UNSUPPORTED;
    int code = input ? open_input(av, input, params, &in, error) : FM_OK;
    if (code == FM_OK) code = mux_core_open(output, stream, in, params, true, &mux, warn_to(warnings, warnings_size), error);
    video_mux_close(&mux);
    if (in) av->avformat_close_input(&in);
    return code;
}
