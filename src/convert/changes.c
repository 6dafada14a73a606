/* SPDX-License-Identifier: MIT */
#include "convert/changes.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "convert/samples.h"
#include "convert/split.h"
#include "core/alloc.h"
#include "framemill/error.h"
#include "kernels/kernel.h"
#include "kernels/planes.h"

/* What a resampler of three lobes reads of smaller chroma beside a luma sample's own cell. */
#define CHANGES_CHROMA_REACH 4

int changes_make(
    struct changes *c, const struct video_format *format, int width, int height, int tile_w, int tile_h, int halo, unsigned planes)
{
    assert(width >= 1 && height >= 1 && tile_w >= 1 && tile_h >= 1 && halo >= 0);
    *c = (struct changes){0};
    const int columns = (width - 1) / tile_w + 1, rows = (height - 1) / tile_h + 1;
    uint8_t *is_same = core_calloc((size_t) columns, (size_t) rows);
    if (!is_same) return FM_ERR_NOMEM;
    *c = (struct changes){.format = *format,
        .width = width,
        .height = height,
        .tile_w = tile_w,
        .tile_h = tile_h,
        .halo = halo,
        .planes = planes,
        .columns = columns,
        .rows = rows,
        .is_same = is_same};
    return FM_OK;
}

void changes_release(struct changes *c)
{
    core_free(c->is_same);
    *c = (struct changes){0};
}

void changes_none(struct changes *c)
{
    c->same = 0;
    if (c->is_same) memset(c->is_same, 0, (size_t) c->columns * (size_t) c->rows);
}

struct changes_job {
    struct changes *c;
    const struct planes_kernels *kernels;
    const struct video_frame *before, *now;
    atomic_int same;
};

/* Samples of a plane that a window of the picture stands on. */
static struct rect changes_samples(const struct changes *c, struct rect window, int plane)
{
    const struct samples_cell cell = samples_cell(c->format, plane);
    const int x = window.x / cell.w, y = window.y / cell.h;
    const struct rect own = {x, y, (window.x + window.w - 1) / cell.w + 1 - x, (window.y + window.h - 1) / cell.h + 1 - y};
    if (cell.w == 1) return own;
    return rect_grow(
        own, CHANGES_CHROMA_REACH, video_plane_width(c->format, c->width, plane), video_plane_height(c->format, c->height, plane));
}

static bool changes_plane_is_same(const struct changes_job *job, int plane, struct rect r)
{
    const struct video_frame *a = job->before, *b = job->now;
    const ptrdiff_t bytes = video_sample_bytes(job->c->format);
    return job->kernels->same(a->plane[plane] + r.y * a->stride[plane] + r.x * bytes, a->stride[plane],
        b->plane[plane] + r.y * b->stride[plane] + r.x * bytes, b->stride[plane], (size_t) (r.w * bytes), r.h);
}

static void changes_part(void *job_, int thread, int row0, int row1)
{
    (void) thread;
    struct changes_job *job = job_;
    struct changes *c = job->c;
    int same = 0;
    for (int row = row0; row < row1; row++)
        for (int column = 0; column < c->columns; column++) {
            const struct rect window = rect_grow(changes_tile(c, column, row), c->halo, c->width, c->height);
            bool is_same = true;
            for (int p = 0; is_same && p < video_planes(c->format); p++)
                if (c->planes & 1u << p) is_same = changes_plane_is_same(job, p, changes_samples(c, window, p));
            c->is_same[(size_t) row * (size_t) c->columns + (size_t) column] = is_same;
            same += is_same;
        }
    atomic_fetch_add(&job->same, same);
}

void changes_find(
    struct changes *c, struct pool *pool, uint32_t cpu_flags, const struct video_frame *before, const struct video_frame *now)
{
    if (!before || !now) {
        changes_none(c);
        return;
    }
    assert(before->width == c->width && before->height == c->height && now->width == c->width && now->height == c->height);
    assert(before->format.layout == c->format.layout && now->format.layout == c->format.layout);
    struct changes_job job = {.c = c, .kernels = kernel_set_for(cpu_flags)->planes, .before = before, .now = now};
    split_rows(pool, c->rows, 1, (size_t) c->width * (size_t) c->height / 16, changes_part, &job);
    c->same = atomic_load(&job.same);
}

/* ---- pixel by pixel ---- */

static uint64_t difference(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    uint64_t va = 0, vb = 0;
    memcpy(&va, a, bytes);
    memcpy(&vb, b, bytes);
    return va ^ vb;
}

/* A bit for each of eight bytes, or four 16-bit words, that is not 0: what is carried into its highest bit, gathered by a product. */
static uint64_t mask_bytes(uint64_t v)
{
    const uint64_t low = 0x7f7f7f7f7f7f7f7f, high = ((v & low) + low) | v;
    return (high & ~low) * 0x0002040810204081 >> 56;
}
static uint64_t mask_words(uint64_t v)
{
    const uint64_t low = 0x7fff7fff7fff7fff, high = ((v & low) + low) | v;
    return (high & ~low) * 0x0000200040008001 >> 60;
}

void changes_pixels(const struct video_frame *before, const struct video_frame *now, struct bitmap *changed)
{
    assert(changed->width == now->width && changed->height == now->height);
    const bool wide = video_sample_bytes(now->format) == 2;
    const size_t bytes = (size_t) now->width << wide, per_word = wide ? 128 : 64;
    for (int y = 0; y < now->height; y++) {
        const uint8_t *a = before->plane[0] + y * before->stride[0], *b = now->plane[0] + y * now->stride[0];
        uint64_t *row = bitmap_row(changed, y);
        for (size_t at = 0; at < bytes; row++) {
            const size_t end = bytes - at < per_word ? bytes : at + per_word;
            uint64_t word = 0;
            for (int shift = 0; at < end; at += 8, shift += wide ? 4 : 8) {
                const uint64_t v = end - at >= 8 ? difference(a + at, b + at, 8) : difference(a + at, b + at, end - at);
                if (v) word |= (wide ? mask_words(v) : mask_bytes(v)) << shift;
            }
            *row = word;
        }
    }
}

#define GUESS_ROWS 16 /* of so many, one is looked at */

double changes_guess(const struct video_frame *before, const struct video_frame *now)
{
    const size_t bytes = (size_t) now->width * (size_t) video_sample_bytes(now->format);
    int64_t same = 0, all = 0;
    for (int y = GUESS_ROWS / 2 < now->height ? GUESS_ROWS / 2 : 0; y < now->height; y += GUESS_ROWS) {
        const uint8_t *a = before->plane[0] + y * before->stride[0], *b = now->plane[0] + y * now->stride[0];
        for (size_t at = 0; at < bytes; at += 8, all++) same += !difference(a + at, b + at, bytes - at < 8 ? bytes - at : 8);
    }
    return (double) same / (double) all;
}
