/* SPDX-License-Identifier: MIT */
#include "tasks/video/run.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "core/alloc.h"
#include "core/error.h"

#define PROGRESS_NS 100000000u

double run_cpu_seconds(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double) r.ru_utime.tv_sec + (double) r.ru_stime.tv_sec +
           ((double) r.ru_utime.tv_usec + (double) r.ru_stime.tv_usec) / 1e6;
}

static void warn(struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void warn(struct run *r, const char *format, ...)
{
    const size_t used = strlen(r->warnings);
    va_list args;
    if (used + 2 >= sizeof r->warnings) return;
    if (used) strcat(r->warnings, "\n");
    va_start(args, format);
    vsnprintf(r->warnings + strlen(r->warnings), sizeof r->warnings - strlen(r->warnings), format, args);
    va_end(args);
}

/* Who they are is known before they begin. */
static void fill_workers(struct run *r)
{
    const struct video *v = r->v;
    const struct mill_metrics *m = &r->metrics;
    struct fm_video_report *t = &r->report;
    t->workers = r->worker;
    t->n_workers = v->workers < MILL_METRICS_WORKERS ? v->workers : MILL_METRICS_WORKERS;
    for (int i = 0; i < t->n_workers; i++) {
        const struct mill_worker_metrics *w = &m->worker[i];
        r->worker[i] = (struct fm_video_worker){.name = v->crew[i].name,
            .threads = v->crew[i].threads,
            .is_process = v->isolated,
            .is_left_out = w->is_left_out,
            .reason = w->reason,
            .frames = (int64_t) w->done,
            .mean_ms = w->mean_ms,
            .share = w->share,
            .restarts = (int64_t) w->restarts};
    }
    t->restarts = (int64_t) m->restarts;
    t->redone = (int64_t) m->redone;
    t->is_measured = v->named && m->fps_chosen > 0;
    t->fps_alone = t->is_measured ? m->fps_alone : 0;
    t->fps_together = t->is_measured ? m->fps_together : 0;
    t->fps_chosen = t->is_measured ? m->fps_chosen : 0;
}

void run_fill_report(struct run *r, int code, const char *message)
{
    const struct video *v = r->v;
    struct fm_video_report *t = &r->report;
    struct video_source_stats stats = {0};
    if (code != FM_ERR_AGAIN) video_source_get_stats(v->source, &stats); /* the source is its thread's while it runs */
    struct mill_metrics *const m = &r->metrics;
    if (r->mill) mill_get_metrics(r->mill, m);
    const double base = (double) v->info->time_base.num / v->info->time_base.den;
    const int level = atomic_load(&r->level);
    t->size = sizeof *t;
    t->input = v->params.input;
    t->output = v->params.output ? v->params.output : "";
    t->code = code;
    t->message = message;
    t->warnings = r->warnings;
    t->model = v->level[level].name;
    t->how = v->level[level].how;
    t->encoder = r->output ? video_output_encoder(r->output) : "";
    t->container = v->info->container;
    t->partial = r->partial;
    t->hash = r->hash;
    t->in_width = v->in_w, t->in_height = v->in_h;
    t->out_width = v->frame_w, t->out_height = v->frame_h;
    t->frames = r->state.frames;
    t->resumed = r->resumed;
    t->seconds = (double) (core_now_ns() - r->begun_ns) / 1e9;
    t->fps = t->seconds > 0 ? (double) (r->state.frames - r->resumed) / t->seconds : 0;
    t->length = v->info->duration > 0 ? (double) v->info->duration * base : 0;
    if (t->length && v->params.start > 0) t->length = v->params.start < t->length ? t->length - v->params.start : 0;
    if (v->params.duration > 0 && (!t->length || v->params.duration < t->length)) t->length = v->params.duration;
    t->position = r->state.last_pts != INT64_MIN ? (double) (r->state.last_pts - v->first_pts) * base : 0;
    const bool piece = v->params.start > 0 || v->params.duration > 0;
    t->expected = piece || v->info->frames <= 0 ? 0 : v->info->frames;
    t->decode_ms = (double) atomic_load(&r->decode_ns) / 1e6;
    t->convert_ms = (double) r->cost.convert_ns / 1e6;
    t->network_ms = (double) r->cost.network_ns / 1e6;
    t->encode_ms = r->output ? (double) video_output_busy_ns(r->output) / 1e6 : 0;
    t->cpu_seconds = run_cpu_seconds() - r->cpu_begun + (double) r->cost.process_ns / 1e9;
    t->dropped = (int64_t) m->dropped;
    t->damaged = stats.damaged;
    t->reconnects = stats.reconnects;
    t->journal = r->output ? video_output_journal(r->output) : "";
    t->out_bytes = r->output ? video_output_bytes(r->output) : 0;
    fill_workers(r);
}

void run_say_progress(struct run *r)
{
    const uint64_t now = core_now_ns();
    if (!r->progress || now - r->said_ns < PROGRESS_NS) return;
    r->said_ns = now;
    run_fill_report(r, FM_ERR_AGAIN, "");
    r->progress(r->user, &r->report);
}

static void warn_of_source(struct run *r)
{
    struct video_source_stats stats;
    video_source_get_stats(r->v->source, &stats);
    if (r->moved)
        warn(r, "%lld frames of %s have a time that is not after the one before, and were moved by the least there is",
            (long long) r->moved, r->v->params.input);
    if (stats.ended_early) warn(r, "%s breaks off: %s", r->v->params.input, stats.end);
    if (stats.damaged)
        warn(r, "%lld frames of %s are damaged (the decoder filled in what was missing)", (long long) stats.damaged,
            r->v->params.input);
    if (stats.faults)
        warn(r, "%s is damaged in %lld places, something may be missing: %s", r->v->params.input, (long long) stats.faults,
            stats.fault);
    if (stats.decode_errors)
        warn(r, "%lld packets of %s could not be decoded", (long long) stats.decode_errors, r->v->params.input);
    if (stats.resized)
        warn(r, "%lld frames had another size or format than the first and were brought to it", (long long) stats.resized);
}

static void finish_hash(struct run *r)
{
    uint8_t digest[SHA256_SIZE];
    struct sha256 copy = r->state.hash;
    if (!r->v->params.hash) return;
    sha256_end(&copy, digest);
    sha256_text(digest, r->hash);
}

int video_describe(struct video *v, fm_video_report_fn report, void *user)
{
    struct run *r = core_calloc(1, sizeof *r);
    if (!r) return FM_ERR_NOMEM;
    r->v = v;
    r->state.last_pts = INT64_MIN;
    run_fill_report(r, FM_ERR_AGAIN, "");
    r->report.seconds = r->report.fps = r->report.cpu_seconds = 0;
    report(user, &r->report);
    core_free(r);
    return FM_OK;
}

void run_say_end(struct run *r)
{
    const char *said = r->output ? video_output_warnings(r->output) : "";
    if (*said) warn(r, "%s", said);
    warn_of_source(r);
    finish_hash(r);
}
