/* SPDX-License-Identifier: MIT */
#include "tasks/video/output.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "media/packet_log.h"
#include "media/video_encoder.h"
#include "media/video_mux.h"

#define PENDING_MAX 8 /* keyframes in the encoder, at most */
#define PATH_LENGTH 4096
#define CHECKPOINT_S 5 /* seconds of video between two points to go on from */
#define KEY_FRAMES_MIN 24
#define KEY_FRAMES_MAX 250

struct video_output {
    struct video *v;
    struct video_encoder *encoder;
    struct packet_log *log;
    struct video_mux *mux;
    char journal[PATH_LENGTH], container[64];
    enum video_mux_policy policy;
    char warnings[VIDEO_TEXT];
    int key_every; /* frames */
    struct {
        int64_t pts;
        struct video_state state; /* before that frame */
    } pending[PENDING_MAX];
    int n_pending;
    bool resumed, flushed;
    uint64_t bytes, busy_ns;
};

bool video_has_journal(const struct video *v)
{
    const char *out = v->params.output;
    if (!out || !strcmp(out, "-") || strstr(out, "://") || strchr(out, '%')) return false;
    struct stat st;
    return stat(out, &st) < 0 || S_ISREG(st.st_mode); /* a device or a pipe is written as it comes */
}

/* ---- the job, in words: a journal of another job is not gone on with ---- */

static void put(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void put(char *text, size_t size, const char *format, ...)
{
    const size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    if (used < size) vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

static void put_list(char *text, size_t size, const char *name, const char *const *list)
{
    for (int i = 0; list && list[i]; i++) put(text, size, "%s %s\n", name, list[i]);
}

static void describe(const struct video *v, char *text, size_t size)
{
    const struct fm_video_params *p = &v->params;
    struct stat st = {0};
    text[0] = 0;
    if (stat(p->input, &st) == 0)
        put(text, size, "input %s %lld bytes, %lld\n", p->input, (long long) st.st_size, (long long) st.st_mtime);
    else
        put(text, size, "input %s\n", p->input);
    put(text, size, "start %.9g duration %.9g crop %d %d %d %d interlaced %s\n", p->start, p->duration, v->crop.x, v->crop.y,
        v->crop.w, v->crop.h, p->interlaced ? p->interlaced : "");
    put(text, size, "network %s: %s\n", v->level[0].name, v->level[0].how);
    if (v->level[0].network) put(text, size, "file %s\n", v->level[0].network->graph->source);
    put(text, size, "result %dx%d compare %d, %d bits\n", v->out_w, v->out_h, (int) p->compare, v->out_format.bits);
    put(text, size, "encoder %s to %s %s\n", p->encoder ? p->encoder : "", p->output, p->output_format ? p->output_format : "");
    put_list(text, size, "option", p->encoder_options);
    put_list(text, size, "input option", p->input_options);
}

/* ---- opening ---- */

static struct video_mux_params mux_params(const struct video_output *o)
{
    const struct video *v = o->v;
    struct video_mux_params m = {.format = v->params.output_format,
        .options = v->params.output_options,
        .policy = o->policy,
        .overwrite = v->params.overwrite,
        .video_stream = v->info->stream,
        .sample_aspect = v->sample_aspect};
    m.has_from = v->info->from_us != INT64_MIN && v->params.start > 0;
    m.has_to = v->info->to_us != INT64_MAX && v->params.duration > 0;
    m.from_us = v->info->from_us;
    m.to_us = v->info->to_us;
    return m;
}

static int open_journal(struct video_output *o, struct video_state *state, bool *done, struct fm_error *error)
{
    const struct video *v = o->v;
    const char *out = v->params.output;
    char job[8192];
    struct stat st;
    if (!v->params.overwrite && stat(out, &st) == 0)
        return core_fail(error, FM_ERR_IO, "%s is there already (--overwrite replaces it)", out);
    if (snprintf(o->journal, sizeof o->journal, "%s.journal", out) >= (int) sizeof o->journal)
        return core_fail(error, FM_ERR_IO, "%.80s...: the name is too long", out);
    describe(v, job, sizeof job);
    const bool is_there = stat(o->journal, &st) == 0;
    if (is_there && !v->params.resume && !v->params.overwrite)
        return core_fail(
            error, FM_ERR_IO, "%s is left from a job that was cut off: --resume goes on, --overwrite begins anew", o->journal);
    if (!is_there || !v->params.resume) return packet_log_create(o->journal, job, strlen(job), is_there, &o->log, error);
    struct packet_log_point *point = core_alloc(sizeof *point);
    if (!point) return core_fail_nomem(error, sizeof *point);
    int code = packet_log_resume(o->journal, job, strlen(job), &o->log, point, error);
    if (code == FM_OK && point->frames && point->state_size != sizeof *state)
        code = core_fail(error, FM_ERR_FORMAT, "%s was written by another version: --overwrite begins anew", o->journal);
    if (code == FM_OK && point->frames) {
        memcpy(state, point->state, sizeof *state);
        *done = point->done;
        o->resumed = true;
    }
    core_free(point);
    return code;
}

int video_output_open(struct video *v, struct video_output **out, struct video_state *state, bool *done, struct fm_error *error)
{
    *out = NULL;
    *done = false;
    *state = (struct video_state){.last_pts = INT64_MIN};
    sha256_start(&state->hash);
    struct video_output *o = core_calloc(1, sizeof *o);
    if (!o) return core_fail_nomem(error, sizeof *o);
    o->v = v;
    int code = FM_OK;
    if (v->params.output)
        code = video_mux_format(v->params.output, v->params.output_format, o->container, sizeof o->container, error);
    if (code == FM_OK && v->params.output && video_has_journal(v)) code = open_journal(o, state, done, error);
    if (code < 0) video_output_close(&o);
    *out = o;
    return code;
}

int video_output_begin(struct video_output *o, const struct video_frame *first, struct fm_error *error)
{
    const struct video *v = o->v;
    if (!v->params.output) return FM_OK;
    const struct media_ratio average = v->info->average_rate, rate = average.num > 0 ? average : v->info->real_rate;
    const double fps = rate.num > 0 && rate.den > 0 ? (double) rate.num / rate.den : 25;
    o->key_every = (int) (fps * CHECKPOINT_S + 0.5);
    if (o->key_every < KEY_FRAMES_MIN) o->key_every = KEY_FRAMES_MIN;
    if (o->key_every > KEY_FRAMES_MAX) o->key_every = KEY_FRAMES_MAX;
    const struct video_encoder_params p = {.name = v->params.encoder,
        .container = o->container,
        .options = v->params.encoder_options,
        .width = v->frame_w,
        .height = v->frame_h,
        .format = v->out_format,
        .time_base = v->info->time_base,
        .frame_rate = rate,
        .sample_aspect = v->sample_aspect,
        .gop = o->log ? o->key_every : 0,
        .threads = v->params.encoder_threads,
        .journal = o->log != NULL,
        .first = first};
    int code = video_encoder_open(&p, &o->encoder, o->warnings, sizeof o->warnings, error);
    if (code < 0) return code;
    const struct coded_stream *stream = video_encoder_stream(o->encoder);
    const struct video_mux_params m = mux_params(o);
    if (o->log) {
        code = video_mux_check(v->params.input, v->params.output, stream->codec, &m, o->warnings, sizeof o->warnings, error);
        return code < 0 ? code : packet_log_stream(o->log, stream, error);
    }
    return video_mux_open(
        v->params.output, stream, video_source_container(v->source), &m, &o->mux, o->warnings, sizeof o->warnings, error);
}

/* ---- frames ---- */

/* A keyframe at which a job could go on: the state before it is kept durably first. */
static int checkpoint(struct video_output *o, const struct coded_packet *packet, struct fm_error *error)
{
    for (int i = 0; i < o->n_pending; i++) {
        if (o->pending[i].pts != packet->pts) continue;
        const struct video_state *state = &o->pending[i].state;
        const int code =
            packet->flags & CODED_KEY ? packet_log_checkpoint(o->log, state->frames, state, sizeof *state, error) : FM_OK;
        o->n_pending--;
        memmove(&o->pending[i], &o->pending[i + 1], (size_t) (o->n_pending - i) * sizeof o->pending[0]);
        return code;
    }
    return FM_OK;
}

static int take_packets(struct video_output *o, struct fm_error *error)
{
    for (;;) {
        struct coded_packet packet = {0};
        int code = video_encoder_receive(o->encoder, &packet, error);
        if (code == FM_ERR_AGAIN || code == FM_ERR_EOS) return FM_OK;
        if (code < 0) return code;
        o->bytes += packet.size;
        if (o->log) {
            code = checkpoint(o, &packet, error);
            if (code == FM_OK) code = packet_log_packet(o->log, &packet, error);
        } else {
            code = video_mux_video(o->mux, &packet, error);
        }
        coded_packet_release(&packet);
        if (code < 0) return code;
    }
}

int video_output_frame(struct video_output *o, struct video_frame *frame, const struct video_frame *source,
    const struct video_state *before, struct fm_error *error)
{
    if (!o->encoder) {
        video_frame_release(frame);
        return FM_OK;
    }
    const uint64_t start = core_now_ns();
    const bool key = o->log && before->frames % o->key_every == 0 && before->frames > 0;
    if (key && o->n_pending < PENDING_MAX) {
        o->pending[o->n_pending].pts = frame->pts;
        o->pending[o->n_pending++].state = *before;
    }
    int code = video_encoder_send(o->encoder, frame, source, key, error);
    if (code == FM_OK) code = take_packets(o, error);
    o->busy_ns += core_now_ns() - start;
    return code;
}

int video_output_packet(struct video_output *o, const struct media_packet *packet, struct fm_error *error)
{
    return o->mux ? video_mux_other(o->mux, packet->av, error) : FM_OK;
}

static int flush(struct video_output *o, struct fm_error *error)
{
    if (!o->encoder || o->flushed) return FM_OK;
    o->flushed = true;
    const uint64_t start = core_now_ns();
    int code = video_encoder_flush(o->encoder, error);
    if (code == FM_OK) code = take_packets(o, error);
    o->busy_ns += core_now_ns() - start;
    return code;
}

int video_output_finish(struct video_output *o, const struct video_state *state, struct fm_error *error)
{
    const struct video *v = o->v;
    int code = flush(o, error);
    if (code < 0 || !v->params.output) return code;
    const struct video_mux_params m = mux_params(o);
    if (o->mux) {
        code = video_mux_finish(o->mux, o->warnings, sizeof o->warnings, error);
        if (video_mux_bytes(o->mux)) o->bytes = video_mux_bytes(o->mux);
        return code;
    }
    if (o->encoder) code = packet_log_done(o->log, state->frames, state, sizeof *state, error);
    packet_log_close(&o->log);
    o->warnings[0] = 0; /* the same are said again, for what was really done */
    if (code == FM_OK)
        code = video_assemble(o->journal, v->params.input, v->params.output, &m, o->warnings, sizeof o->warnings, error);
    struct stat st;
    if (code == FM_OK && stat(v->params.output, &st) == 0) o->bytes = (uint64_t) st.st_size;
    if (code == FM_OK) unlink(o->journal);
    return code;
}

void video_output_abandon(struct video_output *o, bool usable, char *partial, size_t partial_size)
{
    struct fm_error ignored;
    partial[0] = 0;
    if (usable) flush(o, &ignored);
    if (!o->log) return;
    const bool empty = !o->bytes && !o->resumed;
    packet_log_close(&o->log);
    if (empty) { /* not a packet: nothing to go on with */
        unlink(o->journal);
        return;
    }
    const struct video_mux_params m = mux_params(o);
    if (video_assemble_partial(o->journal, o->v->params.input, o->v->params.output, &m, partial, partial_size, NULL, 0, &ignored) <
        0)
        partial[0] = 0;
}

void video_output_close(struct video_output **output)
{
    struct video_output *o = *output;
    *output = NULL;
    if (!o) return;
    video_mux_close(&o->mux);
    video_encoder_close(&o->encoder);
    packet_log_close(&o->log);
    core_free(o);
}

const char *video_output_warnings(const struct video_output *o)
{
    return o->warnings;
}

const char *video_output_encoder(const struct video_output *o)
{
    return o->encoder ? video_encoder_name(o->encoder) : "";
}

uint64_t video_output_bytes(const struct video_output *o)
{
    return o->bytes;
}

uint64_t video_output_busy_ns(const struct video_output *o)
{
    return o->busy_ns;
}
