/* SPDX-License-Identifier: MIT */
/* The middle of a video job alone: frames that were decoded before through conversion and network, on as many threads as a job would take;
 * what that takes from the heap; what reuse saves, and what looking for it costs.
 *
 *     bench_video NETWORK CLIP [FRAMES]
 *
 * Prints one JSON object. What is compared with and without reuse is processor time of one thread, frame by frame in turn, so that other
 * programs on the machine hardly count. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "api/objects.h"
#include "core/alloc.h"
#include "core/threads.h"
#include "tasks/video/work.h"

#define FRAMES_MAX 2000

struct worker {
    struct film *film;
    struct work work;
    struct video_unit *unit;
    uint64_t cpu_ns;
    int code;
    struct fm_error error;
};

struct film {
    struct video *video;
    struct video_frame *frame;
    int frames;
    atomic_int next;
};

static uint64_t thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

static int decode(struct film *f, int wanted, struct fm_error *error)
{
    struct video_item item;
    int code = FM_OK;
    f->frame = calloc((size_t) wanted, sizeof *f->frame);
    if (!f->frame) return FM_ERR_NOMEM;
    while (f->frames < wanted && (code = video_source_next(f->video->source, &item, error)) == FM_OK)
        if (item.kind == VIDEO_ITEM_FRAME)
            f->frame[f->frames++] = item.frame;
        else
            media_packet_release(&item.packet);
    return code == FM_ERR_EOS && f->frames ? FM_OK : code;
}

static int make(struct worker *w, int at)
{
    const int code = work_frame(&w->work, w->unit, &w->film->frame[at], NULL);
    if (code < 0) w->error = w->unit->error;
    return code;
}

static int open_worker(struct worker *w, struct film *f, int threads)
{
    w->film = f;
    w->unit = core_alloc_pages(f->video->bundle_bytes);
    if (!w->unit) return w->code = FM_ERR_NOMEM;
    w->code = work_open(&w->work, f->video, threads, &w->error);
    if (w->code == FM_OK) w->code = make(w, 0); /* takes what all frames need */
    return w->code;
}

static void close_worker(struct worker *w)
{
    work_close(&w->work);
    if (w->unit) core_free_pages(w->unit, w->film->video->bundle_bytes);
}

static void *make_frames(void *worker_)
{
    struct worker *w = worker_;
    const uint64_t begun = thread_ns();
    for (int at; w->code == FM_OK && (at = atomic_fetch_add(&w->film->next, 1)) < w->film->frames;) w->code = make(w, at);
    w->cpu_ns = thread_ns() - begun;
    return NULL;
}

static int stage(struct film *f, struct worker *w, int workers)
{
    pthread_t thread[VIDEO_WORKERS_MAX];
    for (int i = 0; i < workers; i++)
        if (open_worker(&w[i], f, f->video->crew[i].threads) < 0) return -1;
    const uint64_t count = core_alloc_count(), begun = core_now_ns();
    for (int i = 0; i < workers; i++)
        if (pthread_create(&thread[i], NULL, make_frames, &w[i]) != 0) return -1;
    for (int i = 0; i < workers; i++) pthread_join(thread[i], NULL);
    const double wall = (double) (core_now_ns() - begun) * 1e-9;
    uint64_t cpu_ns = 0;
    int code = FM_OK;
    for (int i = 0; i < workers; i++) {
        cpu_ns += w[i].cpu_ns;
        if (w[i].code < 0) code = -1;
    }
    printf("{\"network\": \"%s\", \"frames\": %d, \"workers\": %d, \"wall_s\": %.4f, \"cpu_s\": %.4f, \"allocations\": %llu",
        f->video->level[0].name, f->frames, workers, wall, (double) cpu_ns * 1e-9,
        (unsigned long long) (core_alloc_count() - count));
    return code;
}

static int check(struct film *f, struct worker *w)
{
    struct bitmap made = video_made_in(f->video, w->unit);
    struct reuse *const reuse = &w->work.reuse;
    uint64_t cpu_ns = 0, vain_ns = 0, count = 0;
    int64_t tiles = 0, same = 0;
    int vain = 0; /* frames of which nothing was kept */
    for (int i = 1; i < f->frames; i++) {
        if (i == 2) count = core_alloc_count();
        const uint64_t begun = thread_ns();
        const int code = reuse_find(reuse, f->video, w->work.maker, 0, &f->frame[i - 1], &f->frame[i], &made, &w->error);
        if (code < 0) return w->code = code;
        const uint64_t took = thread_ns() - begun;
        cpu_ns += took;
        if (!reuse->n_same) {
            vain++;
            vain_ns += took;
        }
        tiles += reuse->n_tiles;
        same += reuse->n_same;
    }
    printf(", \"check_cpu_s\": %.6f, \"vain_frames\": %d, \"vain_cpu_s\": %.6f, \"tiles\": %lld, \"same\": %lld, "
           "\"check_allocations\": %llu",
        (double) cpu_ns * 1e-9, vain, (double) vain_ns * 1e-9, (long long) tiles, (long long) same,
        (unsigned long long) (f->frames > 2 ? core_alloc_count() - count : 0));
    return FM_OK;
}

/* Every frame whole and by what changed, which goes first by turns; chroma and all else around the network in `convert`. */
static int compare(struct film *f, struct worker *w)
{
    uint64_t network_ns[2] = {0, 0}, convert_ns[2] = {0, 0};
    int64_t tiles = 0, reused = 0;
    core_set_clock(thread_ns);
    for (int i = 1; i < f->frames; i++)
        for (int turn = 0; turn < 2; turn++) {
            const int reuses = (i + turn) % 2;
            w->code = work_frame(&w->work, w->unit, &f->frame[i], reuses ? &f->frame[i - 1] : NULL);
            if (w->code < 0) w->error = w->unit->error;
            if (w->code < 0) return w->code;
            network_ns[reuses] += w->unit->cost.network_ns;
            convert_ns[reuses] += w->unit->cost.convert_ns;
            tiles += reuses ? w->unit->tiles : 0;
            reused += reuses ? w->unit->reused : 0;
        }
    core_set_clock(NULL);
    printf(", \"whole\": {\"network_s\": %.4f, \"convert_s\": %.4f}, \"reusing\": {\"network_s\": %.4f, \"convert_s\": %.4f, "
           "\"tiles\": %lld, "
           "\"reused\": %lld}}\n",
        (double) network_ns[0] * 1e-9, (double) convert_ns[0] * 1e-9, (double) network_ns[1] * 1e-9, (double) convert_ns[1] * 1e-9,
        (long long) tiles, (long long) reused);
    return FM_OK;
}

static int run(const char *network, const char *clip, int frames)
{
    const char *const models[] = {network, NULL};
    const struct fm_upscale_params upscale = {.size = sizeof upscale, .models = models, .strict = true};
    const struct fm_video_params params = {.size = sizeof params, .upscale = &upscale, .input = clip, .workers = cpu_count()};
    const struct fm_engine_params engine_params = {.size = sizeof engine_params};
    struct film f = {0};
    struct worker w[VIDEO_WORKERS_MAX] = {{0}};
    struct fm_error error = {0};
    fm_engine *engine = NULL;
    int code = fm_engine_create(&engine_params, &engine, &error);
    if (code == FM_OK) code = video_create(&params, engine->pool, engine->cpu_flags, &f.video, &error);
    if (code == FM_OK) code = decode(&f, frames, &error);
    const int workers = code == FM_OK ? f.video->workers : 0;
    if (code == FM_OK) code = stage(&f, w, workers);
    if (code == FM_OK) code = check(&f, &w[0]);
    if (code == FM_OK) code = compare(&f, &w[0]);
    for (int i = 0; i < workers && w[i].film; i++) {
        if (w[i].code < 0) error = w[i].error;
        close_worker(&w[i]);
    }
    for (int i = 0; i < f.frames; i++) video_frame_release(&f.frame[i]);
    free(f.frame);
    video_destroy(&f.video);
    fm_engine_unref(&engine);
    if (code < 0) fprintf(stderr, "bench_video: %s: %s\n", clip, error.message);
    return code < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    const int frames = argc > 3 ? atoi(argv[3]) : 300;
    if (argc < 3 || argc > 4 || frames < 1 || frames > FRAMES_MAX) {
        fprintf(stderr, "usage: bench_video NETWORK CLIP [FRAMES]\n");
        return 2;
    }
    return run(argv[1], argv[2], frames);
}
