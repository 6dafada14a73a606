/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tasks/video/output.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "media/packet_log.h"
#include "media/video_encoder.h"
#include "media/video_mux.h"
#include "tasks/video/place.h"

#define PENDING_MAX 8 /* keyframes in the encoder, at most */
#define PATH_LENGTH 4096
#define CHECKPOINT_S 5 /* seconds of video between two points to go on from */
#define KEY_FRAMES_MIN 24
#define KEY_FRAMES_MAX 250
#define GRACE_NS 3000000000u /* for what a muxer still has to write after a cancel */

struct video_output {
    struct video *v;
    struct video_encoder *encoder;
    struct packet_log *log;
    struct video_mux *mux;
    pthread_mutex_t lock; /* the muxer: packets of other streams come from the source's thread */
    char journal[PATH_LENGTH], partial[PATH_LENGTH], container[64];
    enum video_mux_policy policy;
    char warnings[VIDEO_TEXT];
    int key_every; /* frames */
    struct {
        int64_t pts;
        struct video_state state; /* before that frame */
    } pending[PENDING_MAX];
    int n_pending;
    size_t said;  /* of warnings: by the encoder, which says them once */
    bool is_file; /* without a journal: the muxer makes it under the name `partial` until it is whole */
    bool resumed, flushed, joining, failed;
    bool had_journal;         /* of a run before; its partial file goes with it */
    void (*tick)(void *user); /* while the result is made */
    void *tick_user;
    _Atomic uint64_t cancelled_ns; /* when a muxer first heard of it; 0: not yet */
    int64_t packets;
    uint64_t bytes, busy_ns;
};

/* ---- opening ---- */

static struct video_mux_params mux_params(const struct video_output *o)
{
    const struct video *v = o->v;
    struct video_mux_params m = {.format = v->params.output_format,
        .options = v->params.output_options,
        .policy = o->policy,
        .overwrite = v->params.overwrite,
        .input_format = v->params.input_format,
        .input_options = v->params.input_options,
        .video_stream = v->info->stream,
        .sample_aspect = v->sample_aspect};
    m.has_from = v->info->from_us != INT64_MIN && v->params.start > 0;
    m.has_to = v->info->to_us != INT64_MAX && v->params.duration > 0;
    m.from_us = v->info->from_us;
    m.to_us = v->info->to_us;
    return m;
}

/* What has other streams to copy; NULL: there are none. */
static const char *streams_of(const struct video *v)
{
    return strcmp(v->info->container, "pictures") ? v->params.input : NULL;
}

/* "film.mp4" is "film.partial.mp4" until it is whole. */
static int name_partial(struct video_output *o, struct fm_error *error)
{
    const char *out = o->v->params.output, *slash = strrchr(out, '/'), *dot = strrchr(out, '.');
    if (!dot || (slash && dot < slash)) dot = out + strlen(out);
    if (snprintf(o->partial, sizeof o->partial, "%.*s.partial%s", (int) (dot - out), out, dot) < (int) sizeof o->partial)
        return FM_OK;
    return core_fail(error, FM_ERR_IO, "%.80s...: the name is too long", out);
}

static int open_journal(struct video_output *o, struct video_state *state, bool *done, struct fm_error *error)
{
    const struct video *v = o->v;
    const char *out = v->params.output;
    char job[16384];
    struct stat st;
    if (snprintf(o->journal, sizeof o->journal, "%s.journal", out) >= (int) sizeof o->journal)
        return core_fail(error, FM_ERR_IO, "%.80s...: the name is too long", out);
    place_describe_job(v, job, sizeof job);
    if (strlen(job) + 1 >= sizeof job) return core_fail(error, FM_ERR_ARGUMENT, "too many or too long options");
    const bool is_there = stat(o->journal, &st) == 0;
    if (is_there && !v->params.resume && !v->params.overwrite)
        return core_fail(
            error, FM_ERR_IO, "%s is left from a job that was cut off: --resume goes on, --overwrite begins anew", o->journal);
    o->had_journal = is_there;
    if (is_there) place_remove_left_over(out);
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
    if (code < 0) o->journal[0] = 0; /* not ours to remove */
    return code;
}

int video_output_open(struct video *v, struct video_output **out, struct video_state *state, bool *done, struct fm_error *error)
{
    *out = NULL;
    *done = false;
    *state = (struct video_state){.last_pts = INT64_MIN, .source_pts = INT64_MIN};
    sha256_start(&state->hash);
    struct video_output *o = core_calloc(1, sizeof *o);
    if (!o) return core_fail_nomem(error, sizeof *o);
    o->v = v;
    pthread_mutex_init(&o->lock, NULL);
    int code = FM_OK;
    const char *output = v->params.output;
    if (output) code = video_mux_format(output, v->params.output_format, o->container, sizeof o->container, error);
    if (code == FM_OK && v->params.streams) code = video_mux_policy_parse(v->params.streams, &o->policy, error);
    o->is_file = output && place_is_file(output);
    if (code == FM_OK && o->is_file) code = place_check(v, error);
    if (code == FM_OK && o->is_file) code = name_partial(o, error);
    if (code == FM_OK && output && place_has_journal(v)) code = open_journal(o, state, done, error);
    if (code < 0) video_output_close(&o);
    *out = o;
    return code;
}

/* Muxers are told at once, but get a moment to end well. */
static bool is_cancelled(void *arg)
{
    struct video_output *o = arg;
    if (!atomic_load(&o->v->cancel)) return false;
    const uint64_t now = core_now_ns();
    uint64_t since = 0;
    if (atomic_compare_exchange_strong(&o->cancelled_ns, &since, now)) return false;
    return now - since > GRACE_NS;
}

static bool is_cancelled_now(void *arg)
{
    return atomic_load(&((struct video_output *) arg)->v->cancel);
}

static int open_mux(struct video_output *o, const struct coded_stream *stream, struct fm_error *error)
{
    const struct video *v = o->v;
    struct video_mux_params m = mux_params(o);
    m.cancelled = is_cancelled;
    m.cancelled_arg = o;
    m.paced = !v->info->live;
    if (o->is_file) m.overwrite = true; /* of the name that it has until it is whole */
    return video_mux_open(o->is_file ? o->partial : v->params.output, stream, video_source_container(v->source), &m, &o->mux,
        o->warnings, sizeof o->warnings, error);
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
        .container = place_is_pattern(v->params.output) && !v->params.output_format ? v->params.output : o->container,
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
    o->said = strlen(o->warnings);
    const struct coded_stream *stream = video_encoder_stream(o->encoder);
    if (!o->log) return open_mux(o, stream, error);
    const struct video_mux_params m = mux_params(o);
    code = video_mux_try(streams_of(v), v->params.output, stream, &m, o->warnings, sizeof o->warnings, error);
    return code < 0 ? code : packet_log_stream(o->log, stream, error);
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
        o->packets++;
        if (o->log) {
            code = checkpoint(o, &packet, error);
            if (code == FM_OK) code = packet_log_packet(o->log, &packet, error);
        } else {
            video_mux_wait(o->mux, &packet, &o->v->cancel);
            pthread_mutex_lock(&o->lock);
            code = video_mux_video(o->mux, &packet, error);
            pthread_mutex_unlock(&o->lock);
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
    if (code < 0) o->failed = true;
    o->busy_ns += core_now_ns() - start;
    return code;
}

int video_output_packet(struct video_output *o, const struct media_packet *packet, struct fm_error *error)
{
    if (!o->mux) return FM_OK;
    pthread_mutex_lock(&o->lock);
    const int code = video_mux_other(o->mux, packet, error);
    pthread_mutex_unlock(&o->lock);
    return code;
}

static int flush(struct video_output *o, struct fm_error *error)
{
    if (!o->encoder || o->flushed) return FM_OK;
    o->flushed = true;
    const uint64_t start = core_now_ns();
    int code = video_encoder_flush(o->encoder, error);
    if (code == FM_OK) code = take_packets(o, error);
    if (code < 0) o->failed = true;
    o->busy_ns += core_now_ns() - start;
    return code;
}

/* The muxer ends; a file is then whole as far as it goes, under the name `partial`. */
static int end_mux(struct video_output *o, struct fm_error *error)
{
    const int code = video_mux_finish(o->mux, o->warnings, sizeof o->warnings, error);
    if (video_mux_bytes(o->mux)) o->bytes = video_mux_bytes(o->mux);
    return code;
}

static int rename_partial(const struct video_output *o, struct fm_error *error)
{
    const char *out = o->v->params.output;
    struct stat st;
    if (!o->v->params.overwrite && lstat(out, &st) == 0)
        return core_fail(error, FM_ERR_IO, "%s is there by now (--overwrite replaces it); the result is %s", out, o->partial);
    if (rename(o->partial, out) == 0) return FM_OK;
    return core_fail(error, FM_ERR_IO, "%s: cannot be written: %s", out, strerror(errno));
}

static void on_joined(void *arg, int64_t packets)
{
    const struct video_output *o = arg;
    (void) packets;
    o->tick(o->tick_user);
}

int video_output_finish(
    struct video_output *o, const struct video_state *state, void (*tick)(void *user), void *user, struct fm_error *error)
{
    const struct video *v = o->v;
    int code = flush(o, error);
    if (code < 0 || !v->params.output) return code;
    if (o->mux) {
        code = end_mux(o, error);
        if (code == FM_OK && o->is_file) code = rename_partial(o, error);
        o->failed |= code < 0;
        return code;
    }
    struct video_mux_params m = mux_params(o);
    m.cancelled = is_cancelled_now;
    m.cancelled_arg = o;
    o->tick = tick;
    o->tick_user = user;
    m.progress = on_joined;
    m.progress_arg = o;
    if (o->encoder) code = packet_log_done(o->log, state->frames, state, sizeof *state, error);
    packet_log_close(&o->log);
    o->warnings[o->said] = 0; /* what the check said is said again, for what was really done */
    o->joining = code == FM_OK;
    if (code == FM_OK)
        code = video_assemble(o->journal, streams_of(v), v->params.output, &m, o->warnings, sizeof o->warnings, error);
    struct stat st;
    if (code == FM_OK && stat(v->params.output, &st) == 0) o->bytes = (uint64_t) st.st_size;
    if (code < 0) return code;
    unlink(o->journal);
    o->journal[0] = 0;
    if (o->had_journal) unlink(o->partial);
    return FM_OK;
}

/* The playable file of a journal; where not even that fits on the disk, a shorter one. */
static void save_partial(struct video_output *o, char *partial, size_t partial_size)
{
    struct video_mux_params m = mux_params(o);
    struct fm_error why = {0};
    int64_t most = 0;
    for (int tries = 0; tries < 3; tries++) {
        m.packets_max = most;
        const int code =
            video_assemble_partial(o->journal, streams_of(o->v), o->v->params.output, &m, partial, partial_size, NULL, 0, &why);
        if (code == FM_OK) return;
        partial[0] = 0;
        if (code != FM_ERR_IO) return;
        most = most ? most * 2 / 3 : o->packets * 2 / 3;
        if (most < 1) return;
    }
}

void video_output_abandon(struct video_output *o, char *partial, size_t partial_size)
{
    struct fm_error ignored;
    partial[0] = 0;
    if (!o->failed && !o->joining) (void) flush(o, &ignored);
    if (o->mux && o->is_file && !o->failed && o->packets && end_mux(o, &ignored) == FM_OK)
        snprintf(partial, partial_size, "%s", o->partial);
    packet_log_close(&o->log);
    if (o->journal[0] && o->joining && o->had_journal && access(o->partial, F_OK) == 0)
        snprintf(partial, partial_size, "%s", o->partial); /* of the run before */
    if (!o->journal[0] || o->joining) return;              /* all of it is in the journal, and only needs to be joined */
    if (!o->packets && !o->resumed) {                      /* not a packet: nothing to go on with */
        unlink(o->journal);
        o->journal[0] = 0;
        return;
    }
    save_partial(o, partial, partial_size);
}

void video_output_close(struct video_output **output)
{
    struct video_output *o = *output;
    *output = NULL;
    if (!o) return;
    video_mux_close(&o->mux);
    video_encoder_close(&o->encoder);
    packet_log_close(&o->log);
    pthread_mutex_destroy(&o->lock);
    core_free(o);
}

const char *video_output_journal(const struct video_output *o)
{
    return o->journal;
}

const char *video_output_warnings(const struct video_output *o)
{
    return o->warnings;
}

bool video_output_paces(const struct video_output *o)
{
    return o->mux && video_mux_paces(o->mux);
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
