/* SPDX-License-Identifier: MIT */
/* Clips: every network on a frame, then the next frame, so that a clip is decoded once and its frames need not be kept. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench_quality.h"

#define EQUAL_DB 100 /* what an infinite PSNR counts for in a mean */

/* ---- sums ---- */

void quality_sum_add(struct quality_sum *s, const struct quality_result *one)
{
    const bool is_equal = isinf(one->psnr);
    s->n++;
    s->equal += is_equal;
    s->total.psnr += is_equal ? EQUAL_DB : one->psnr;
    s->total.ssim += one->ssim;
    s->total.ms += one->ms;
    s->total.frames += one->frames;
    if (!isnan(one->flicker)) s->total.flicker += one->flicker, s->flickers++;
}

struct quality_result quality_sum_mean(const struct quality_sum *s)
{
    return (struct quality_result){.psnr = s->equal == s->n ? INFINITY : s->total.psnr / s->n,
        .ssim = s->total.ssim / s->n,
        .flicker = s->flickers ? s->total.flicker / s->flickers : NAN,
        .ms = s->total.ms / s->n,
        .frames = s->total.frames};
}

/* ---- a clip ---- */

/* What a network made of the clip so far. */
struct entrant {
    struct fm_picture out[2]; /* of this frame and the one before, in turns */
    struct quality_sum sum;
    double *times, first;
    int n_times;
};

struct clip {
    struct contest *contest;
    const struct quality_entry *entry;
    fm_clip *source, *small_source;    /* small_source NULL: small frames are made */
    struct fm_picture whole[2], small; /* whole: in turns */
    struct fm_picture large[2];        /* part of whole */
    struct entrant *entrant;
    int n; /* frames measured */
};

int quality_enlarge(struct contest *c, struct contestant *one, const struct fm_picture *small, const struct fm_picture *large,
    struct fm_picture *out)
{
    struct fm_error error = {0};
    if (one->upscale) return bench_run_picture(&c->bench, one->upscale, small, out) < 0 ? EXIT_FAILED : EXIT_DONE;
    fm_picture_destroy(out);
    return fm_quality_bicubic(small, large->width, large->height, out, &error) < 0 ? report(&error) : EXIT_DONE;
}

void quality_clip_warn(const char *path, const fm_clip *clip)
{
    struct fm_clip_info info = {.size = sizeof info};
    if (fm_clip_get_info(clip, &info) == FM_OK && info.damaged)
        fprintf(
            stderr, "framemill: %s: %lld of %lld frames are damaged\n", path, (long long) info.damaged, (long long) info.frames);
}

static int different_counts(const char *shorter, const char *longer, int frames)
{
    fprintf(stderr, "framemill: %s: it ends after %d frame%s, but %s goes on\n", shorter, frames, frames == 1 ? "" : "s", longer);
    return EXIT_BAD_INPUT;
}

/* The next frame, large and small. *end: there is none. */
static int next_frame(struct clip *c, bool *end)
{
    const int turn = c->n % 2;
    struct fm_error error = {0};
    const int code = fm_clip_next(c->source, &c->whole[turn], &error);
    *end = code == FM_ERR_EOS;
    if (code < 0 && !*end) return report(&error);
    if (c->small_source) {
        const int small_code = fm_clip_next(c->small_source, &c->small, &error);
        if (small_code < 0 && small_code != FM_ERR_EOS) return report(&error);
        if (*end != (small_code == FM_ERR_EOS))
            return different_counts(*end ? c->entry->large : c->entry->small, *end ? c->entry->small : c->entry->large, c->n);
        c->large[turn] = c->whole[turn];
        return *end ? EXIT_DONE : quality_pair_fits(c->entry, &c->whole[turn], &c->small, c->contest->ratio);
    }
    if (*end) return EXIT_DONE;
    fm_picture_destroy(&c->small);
    return quality_shrink(c->entry, &c->whole[turn], c->contest->ratio, c->contest->border, &c->large[turn], &c->small);
}

static int measure_flicker(const struct clip *c, const struct entrant *e, double *flicker, struct fm_error *error)
{
    const int now = c->n % 2, before = !now;
    const struct fm_picture originals[2] = {c->large[before], c->large[now]}, results[2] = {e->out[before], e->out[now]};
    *flicker = NAN;
    return c->n ? fm_quality_flicker(originals, results, 2, c->contest->border, flicker, error) : FM_OK;
}

static int measure_frame(struct clip *c, int k)
{
    struct contestant *one = &c->contest->one[k];
    struct entrant *e = &c->entrant[k];
    const struct fm_picture *large = &c->large[c->n % 2];
    struct fm_picture *out = &e->out[c->n % 2];
    struct fm_quality q = {.size = sizeof q};
    struct fm_error error = {0};
    double flicker;
    const double start = now_ms();
    const int status = quality_enlarge(c->contest, one, &c->small, large, out);
    const double ms = now_ms() - start;
    if (status != EXIT_DONE) return status;
    if (c->n == 0)
        e->first = ms; /* prepared all */
    else
        e->times[e->n_times++] = ms;
    if (fm_quality_compare(large, out, c->contest->border, &q, &error) < 0 || measure_flicker(c, e, &flicker, &error) < 0) {
        fprintf(stderr, "framemill: %s: %s\n", c->entry->large, error.message);
        return error_status(&error);
    }
    quality_sum_add(&e->sum, &(struct quality_result){q.psnr, q.ssim, flicker, ms, 1});
    return EXIT_DONE;
}

static int open_clip(struct clip *c)
{
    /* no threads of the decoder beside the networks, whose time is taken */
    const struct fm_clip_params params = {.size = sizeof params, .threads = 1};
    struct fm_error error = {0};
    c->entrant = calloc((size_t) c->contest->n, sizeof *c->entrant);
    bool ok = c->entrant != NULL;
    for (int k = 0; k < c->contest->n && ok; k++)
        ok = (c->entrant[k].times = calloc((size_t) c->contest->frames, sizeof(double))) != NULL;
    if (!ok) return fprintf(stderr, "framemill: out of memory\n"), EXIT_FAILED;
    if (fm_clip_open(c->entry->large, &params, &c->source, &error) < 0) return report(&error);
    if (c->entry->small && fm_clip_open(c->entry->small, &params, &c->small_source, &error) < 0) return report(&error);
    return EXIT_DONE;
}

static void close_clip(struct clip *c)
{
    fm_clip_close(&c->source);
    fm_clip_close(&c->small_source);
    for (int i = 0; i < 2; i++) fm_picture_destroy(&c->whole[i]);
    fm_picture_destroy(&c->small);
    for (int k = 0; k < c->contest->n && c->entrant; k++) {
        for (int i = 0; i < 2; i++) fm_picture_destroy(&c->entrant[k].out[i]);
        free(c->entrant[k].times);
    }
    free(c->entrant);
}

int quality_measure_clip(struct contest *contest, const struct quality_entry *entry)
{
    struct clip c = {.contest = contest, .entry = entry};
    bool end = false;
    int status = open_clip(&c);
    while (status == EXIT_DONE && c.n < contest->frames) {
        status = bench_stopped(&contest->bench) ? EXIT_FAILED : next_frame(&c, &end);
        if (end || status != EXIT_DONE) break;
        for (int k = 0; k < contest->n && status == EXIT_DONE; k++) status = measure_frame(&c, k);
        c.n++;
    }
    for (int k = 0; k < contest->n && status == EXIT_DONE; k++) {
        struct contestant *one = &contest->one[k];
        struct entrant *e = &c.entrant[k];
        one->result = quality_sum_mean(&e->sum);
        one->result.ms = !one->upscale ? NAN : e->n_times ? spread_of(e->times, e->n_times).median : e->first;
    }
    if (c.source) quality_clip_warn(entry->large, c.source);
    if (c.small_source) quality_clip_warn(entry->small, c.small_source);
    close_clip(&c);
    return status;
}
