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

#define PER_WORD 64

/* A bit for each of 64 bytes that is 128 rather than 0: a product gathers those of eight. */
static uint64_t gather_bits(const uint8_t *marks)
{
    uint64_t word = 0;
    for (int i = 0; i < PER_WORD; i += 8) {
        uint64_t v = 0;
        for (int k = 7; k >= 0; k--) v = v << 8 | marks[i + k];
        word |= v * 0x0002040810204081 >> 56 << i;
    }
    return word;
}

/* Written so that compilers make vectors of the comparison: all of a word at once, rows' ends one by one. */
static uint64_t differing8(const uint8_t *a, const uint8_t *b, int n)
{
    uint8_t marks[PER_WORD] = {0};
    if (n == PER_WORD)
        for (int i = 0; i < PER_WORD; i++) marks[i] = a[i] != b[i] ? 128 : 0;
    else
        for (int i = 0; i < n; i++) marks[i] = a[i] != b[i] ? 128 : 0;
    return gather_bits(marks);
}
static uint64_t differing16(const uint16_t *a, const uint16_t *b, int n)
{
    uint8_t marks[PER_WORD] = {0};
    if (n == PER_WORD)
        for (int i = 0; i < PER_WORD; i++) marks[i] = a[i] != b[i] ? 128 : 0;
    else
        for (int i = 0; i < n; i++) marks[i] = a[i] != b[i] ? 128 : 0;
    return gather_bits(marks);
}

void changes_pixels(const struct video_frame *before, const struct video_frame *now, struct bitmap *changed)
{
    assert(changed->width == now->width && changed->height == now->height);
    const bool wide = video_sample_bytes(now->format) == 2;
    for (int y = 0; y < now->height; y++) {
        const uint8_t *a = before->plane[0] + y * before->stride[0], *b = now->plane[0] + y * now->stride[0];
        uint64_t *row = bitmap_row(changed, y);
        for (int x = 0; x < now->width; x += PER_WORD) {
            const int n = now->width - x < PER_WORD ? now->width - x : PER_WORD;
            *row++ = wide ? differing16((const uint16_t *) (const void *) a + x, (const uint16_t *) (const void *) b + x, n)
                          : differing8(a + x, b + x, n);
        }
    }
}

#define GUESS_ROWS 16 /* of so many, one is looked at */
#define GUESS_SAMPLES 8

double changes_guess(const struct video_frame *before, const struct video_frame *now)
{
    const size_t sample = (size_t) video_sample_bytes(now->format), bytes = (size_t) now->width * sample;
    const size_t step = GUESS_SAMPLES * sample;
    int64_t same = 0, all = 0;
    for (int y = GUESS_ROWS / 2 < now->height ? GUESS_ROWS / 2 : 0; y < now->height; y += GUESS_ROWS) {
        const uint8_t *a = before->plane[0] + y * before->stride[0], *b = now->plane[0] + y * now->stride[0];
        unsigned last = 3; /* groups of samples, a bit each; those beside the row change nothing */
        for (size_t at = 0; at < bytes; at += step, all++) {
            last = last << 1 | (memcmp(a + at, b + at, bytes - at < step ? bytes - at : step) == 0);
            same += at > 0 && (last & 7) == 7;
        }
        same += (last & 3) == 3;
    }
    return (double) same / (double) all;
}
