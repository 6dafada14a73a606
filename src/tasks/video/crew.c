/* SPDX-License-Identifier: MIT */
#include "tasks/video/crew.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "mill/schedule.h"
#include "tasks/video/brief.h"

#define THREADS_MAX 1024
#define SLOW_MACS_MS 2e5 /* multiply-adds a millisecond: slower than any processor that somebody would wait for */
#define HANG_MS 10000
#define PLUGIN_MS 60000 /* what plug-ins do is not counted */

/* ---- who ---- */

/* "DEVICE" or "DEVICE:THREADS". */
static int read_worker(struct video *v, const char *word, size_t length, struct fm_error *error)
{
    struct video_worker *w = &v->crew[v->workers];
    const size_t device = strcspn(word, ":") < length ? strcspn(word, ":") : length;
    const int shown = length < 40 ? (int) length : 40;
    int threads = pool_threads(v->upscale->pool);
    if (device != 3 || strncmp(word, "cpu", 3) != 0)
        return core_fail(error, FM_ERR_ARGUMENT, "worker \"%.*s\": there is no device \"%.*s\" here; there are: cpu", shown, word,
            device < 40 ? (int) device : 40, word);
    if (device < length) {
        char *end;
        const long number = strtol(word + device + 1, &end, 10);
        const char first = word[device + 1];
        if (first < '0' || first > '9' || end != word + length || number < 1 || number > THREADS_MAX)
            return core_fail(error, FM_ERR_ARGUMENT, "worker \"%.*s\": after the colon comes a number of threads, 1 to %d", shown,
                word, THREADS_MAX);
        threads = (int) number;
    }
    w->threads = threads;
    v->workers++;
    return FM_OK;
}

/* "cpu:2", and "cpu:2 #2" for the second of that kind. */
static void name_workers(struct video *v)
{
    for (int i = 0; i < v->workers; i++) {
        int like = 1;
        for (int k = 0; k < i; k++) like += v->crew[k].threads == v->crew[i].threads;
        snprintf(v->crew[i].name, sizeof v->crew[i].name, like > 1 ? "cpu:%d #%d" : "cpu:%d", v->crew[i].threads, like);
    }
}

void crew_share(struct video *v, int workers, int threads)
{
    v->workers = workers;
    for (int i = 0; i < workers; i++) v->crew[i].threads = threads / workers > 1 ? threads / workers : 1;
    v->threads = v->crew[0].threads;
    name_workers(v);
}

int crew_settle(struct video *v, struct fm_error *error)
{
    const struct fm_video_params *p = &v->params;
    const int all = pool_threads(v->upscale->pool);
    v->isolated = p->isolate;
    if (p->isolate && (!p->worker_program || !p->worker_program[0]))
        return core_fail(error, FM_ERR_ARGUMENT, "workers as processes need a program that they run");
    if (!p->worker_list) {
        const int wanted = p->workers > 0 ? p->workers : all;
        crew_share(v, wanted > VIDEO_WORKERS_MAX ? VIDEO_WORKERS_MAX : wanted, all);
        return FM_OK;
    }
    if (p->workers) return core_fail(error, FM_ERR_ARGUMENT, "workers are either numbered or named, not both");
    v->named = true;
    for (const char *word = p->worker_list;;) {
        const size_t length = strcspn(word, ",");
        if (v->workers == MILL_METRICS_WORKERS)
            return core_fail(error, FM_ERR_ARGUMENT, "more than %d workers", MILL_METRICS_WORKERS);
        const int code = read_worker(v, word, length, error);
        if (code < 0) return code;
        if (v->crew[v->workers - 1].threads > v->threads) v->threads = v->crew[v->workers - 1].threads;
        if (!word[length]) break;
        word += length + 1;
    }
    name_workers(v);
    return FM_OK;
}

/* Encoders may hold one frame more than there are workers; what they take beyond that is copied. */
int crew_kept(const struct video *v)
{
    return v->workers + 2;
}

/* Workers alike: a frame in each and one before it, some in the encoder, one being read. Unlike ones: what all do while the slowest does
 * one, at speeds as their threads promise; one to spare. */
int crew_slots(const struct video *v, int workers)
{
    double seconds[VIDEO_WORKERS_MAX];
    if (!v->named) return workers * 2 + 4;
    for (int i = 0; i < workers; i++) seconds[i] = 1.0 / v->crew[i].threads;
    return schedule_slots_for(seconds, workers) + 1 + crew_kept(v);
}

/* ---- at work ---- */

/* Longer than any frame takes, if the worker is alive. */
static int hang_ms(const struct video *v)
{
    double most = 0;
    for (int i = 0; i < v->n_levels; i++)
        if (v->level[i].cost > most) most = v->level[i].cost;
    const double times = v->upscale->params.ensemble ? 8 : 1;
    const double ms = HANG_MS + times * most / SLOW_MACS_MS + (v->upscale->n_plugins ? PLUGIN_MS : 0);
    return ms < INT_MAX / 2 ? (int) ms : INT_MAX / 2;
}

int crew_open(struct crew *c, struct video *v, struct mill_params *p, int (*process)(void *, int, void *), struct fm_error *error)
{
    const size_t n = (size_t) v->workers;
    c->name = core_calloc(n, sizeof *c->name);
    if (!c->name) return core_fail_nomem(error, n * sizeof *c->name);
    for (size_t i = 0; i < n; i++) c->name[i] = v->crew[i].name;
    p->slots = v->slots;
    p->workers = v->workers;
    p->names = c->name;
    p->bundle_bytes = v->bundle_bytes;
    p->policy = v->named ? MILL_WEIGHTED : MILL_ANY;
    p->kept = v->named ? crew_kept(v) : 0;
    if (v->isolated) {
        const int code = brief_make(v, &c->brief, &c->brief_bytes, error);
        p->processes = v->workers;
        p->program = v->params.worker_program;
        p->brief = c->brief;
        p->brief_bytes = c->brief_bytes;
        p->hang_ms = hang_ms(v);
        return code;
    }
    p->process = process;
    c->work = core_calloc(n, sizeof *c->work);
    if (!c->work) return core_fail_nomem(error, n * sizeof *c->work);
    int code = FM_OK;
    for (int i = 0; i < v->workers && code == FM_OK; i++) code = work_open(&c->work[i], v, v->crew[i].threads, error);
    return code;
}

void crew_close(struct crew *c, const struct video *v)
{
    for (int i = 0; c->work && i < v->workers; i++) work_close(&c->work[i]);
    core_free(c->work);
    core_free(c->name);
    core_free(c->brief);
    *c = (struct crew){0};
}
