/* SPDX-License-Identifier: MIT */
#include "convert/pixels.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "convert/split.h"
#include "kernels/kernel.h"
#include "kernels/pixels.h"

/* ---- into windows ---- */

struct pixels_unpack_job {
    const struct pixels_kernels *kernels;
    const struct band *from;
    int height;
    struct window *colour, *alpha;
};

static int pixels_clamp(int i, int size)
{
    return i < 0 ? 0 : i < size ? i : size - 1;
}

static void pixels_fill(float *to, int n, float value)
{
    for (int x = 0; x < n; x++) to[x] = value;
}

static void pixels_unpack_run(const struct pixels_unpack_job *job, int y, int x, int n, float *const dst[4])
{
    const struct band *b = job->from;
    const uint8_t *src = band_row(b, y) + (size_t) x * pixel_bytes(b->format);
    if (b->format.bits == 8)
        job->kernels->unpack8(src, b->format.channels, dst, n);
    else
        job->kernels->unpack16((const uint16_t *) (const void *) src, b->format.channels, dst, n);
}

/* One row of all planes: what lies in the picture is converted, the first and last of it repeated to the sides. */
static void pixels_unpack_row(const struct pixels_unpack_job *job, int y, float *const row[4])
{
    const struct rect at = job->colour->at;
    const int width = job->from->width, source = pixels_clamp(y, job->height);
    assert(source >= job->from->y0 && source < job->from->y1);
    int x0 = at.x < 0 ? 0 : at.x, x1 = at.x + at.w < width ? at.x + at.w : width;
    if (x0 >= x1) { /* all of it beside the picture */
        pixels_unpack_run(job, source, pixels_clamp(at.x, width), 1, row);
        for (int c = 0; c < 4; c++)
            if (row[c]) pixels_fill(row[c], at.w, row[c][0]);
        return;
    }
    float *inside[4];
    for (int c = 0; c < 4; c++) inside[c] = row[c] ? row[c] + (x0 - at.x) : NULL;
    pixels_unpack_run(job, source, x0, x1 - x0, inside);
    x0 -= at.x;
    x1 -= at.x;
    for (int c = 0; c < 4; c++) {
        if (!row[c]) continue;
        pixels_fill(row[c], x0, row[c][x0]);
        pixels_fill(row[c] + x1, at.w - x1, row[c][x1 - 1]);
    }
}

static void pixels_unpack_part(void *job_, int thread, int y0, int y1)
{
    (void) thread;
    const struct pixels_unpack_job *job = job_;
    const struct pixel_format f = job->from->format;
    const struct window *colour = job->colour, *alpha = job->alpha;
    const int colours = pixel_colours(f);
    for (int i = y0; i < y1; i++) {
        const int y = colour->at.y + i;
        float *row[4] = {NULL};
        for (int c = 0; c < colours && c < colour->channels; c++) row[c] = window_row(colour, c, y);
        if (alpha && pixel_has_alpha(f)) row[colours] = window_row(alpha, 0, y);
        pixels_unpack_row(job, y, row);
        for (int c = colours; c < colour->channels; c++) /* grey into three */
            memcpy(window_row(colour, c, y), row[0], (size_t) colour->at.w * sizeof(float));
        if (alpha && !pixel_has_alpha(f)) pixels_fill(window_row(alpha, 0, y), colour->at.w, 1);
    }
}

void pixels_unpack(
    struct pool *pool, uint32_t cpu_flags, const struct band *from, int height, struct window *colour, struct window *alpha)
{
    const struct rect at = colour->at;
    if (rect_is_empty(at)) return;
    assert(colour->channels == 3 || (colour->channels == 1 && pixel_colours(from->format) == 1));
    assert(!alpha ||
           (alpha->channels == 1 && alpha->at.x == at.x && alpha->at.y == at.y && alpha->at.w == at.w && alpha->at.h == at.h));
    struct pixels_unpack_job job = {kernel_set_for(cpu_flags)->pixels, from, height, colour, alpha};
    split_rows(pool, at.h, 1, window_plane(colour) * (size_t) from->format.channels, pixels_unpack_part, &job);
}

/* ---- and back ---- */

struct pixels_pack_job {
    const struct pixels_kernels *kernels;
    const struct window *colour, *alpha;
    struct rect at;
    struct band *to;
    atomic_uint_fast64_t nan;
};

static void pixels_pack_part(void *job_, int thread, int y0, int y1)
{
    (void) thread;
    struct pixels_pack_job *job = job_;
    const struct band *to = job->to;
    const int colours = pixel_colours(to->format);
    uint64_t nan = 0;
    for (int y = job->at.y + y0; y < job->at.y + y1; y++) {
        const float *row[4] = {NULL};
        for (int c = 0; c < colours; c++) row[c] = window_row(job->colour, c, y) + (job->at.x - job->colour->at.x);
        if (job->alpha && pixel_has_alpha(to->format)) row[colours] = window_row(job->alpha, 0, y) + (job->at.x - job->alpha->at.x);
        uint8_t *dst = band_row(to, y) + (size_t) job->at.x * pixel_bytes(to->format);
        if (to->format.bits == 8)
            nan += job->kernels->pack8(row, to->format.channels, dst, job->at.w);
        else
            nan += job->kernels->pack16(row, to->format.channels, (uint16_t *) (void *) dst, job->at.w);
    }
    if (nan) atomic_fetch_add(&job->nan, nan);
}

uint64_t pixels_pack(
    struct pool *pool, uint32_t cpu_flags, const struct window *colour, const struct window *alpha, struct rect at, struct band *to)
{
    if (rect_is_empty(at)) return 0;
    assert(colour->channels == pixel_colours(to->format) && rect_contains(colour->at, at));
    assert(!alpha || (alpha->channels == 1 && rect_contains(alpha->at, at)));
    assert(at.x >= 0 && at.x + at.w <= to->width && at.y >= to->y0 && at.y + at.h <= to->y1);
    struct pixels_pack_job job = {
        .kernels = kernel_set_for(cpu_flags)->pixels, .colour = colour, .alpha = alpha, .at = at, .to = to};
    split_rows(pool, at.h, 1, (size_t) at.w * (size_t) at.h * (size_t) to->format.channels, pixels_pack_part, &job);
    return atomic_load(&job.nan);
}
