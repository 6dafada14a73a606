/* SPDX-License-Identifier: MIT */
#include "convert/alpha.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "convert/split.h"
#include "core/alloc.h"
#include "framemill/error.h"

/* ---- filling what is transparent ---- */

/* Done in blocks, most of which need nothing. A block and what is around it stay in the cache. */
#define FILL_BLOCK 64
#define FILL_AROUND (FILL_BLOCK + 2 * ALPHA_FILL_REACH)

struct fill_space { /* one thread's; index (0, 0) of `around` is the block's corner less the reach */
    float around[FILL_AROUND][FILL_AROUND], line[FILL_AROUND], weight[FILL_BLOCK][FILL_BLOCK], sum[FILL_BLOCK][FILL_BLOCK];
    float rows[FILL_AROUND][FILL_BLOCK], part[FILL_AROUND][FILL_BLOCK];
};

struct fill_job {
    const struct window *from, *alpha;
    int width, height;
    struct window *to;
    struct fill_space *space; /* [thread] */
};

/* to[i] = sum of from[i .. i + 16]: by a fixed tree of pairs, so that it depends on nothing but those; `line` holds n + 16 floats.
 * */
static void fill_sum17(const float *from, float *line, float *to, int n)
{
    memcpy(line, from, (size_t) (n + 16) * sizeof *line);
    for (int i = 0; i < n + 15; i++) line[i] += line[i + 1];
    for (int i = 0; i < n + 13; i++) line[i] += line[i + 2];
    for (int i = 0; i < n + 9; i++) line[i] += line[i + 4];
    for (int i = 0; i < n; i++) to[i] = line[i] + line[i + 8] + from[i + 16];
}

static void fill_add_rows(float to[][FILL_BLOCK], int rows, int step)
{
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < FILL_BLOCK; x++) to[y][x] += to[y + step][x];
}

/* sum[y][x] = sum of around[y .. y + 16][x .. x + 16] for a block of h rows. */
static void fill_square(struct fill_space *s, int h, float sum[FILL_BLOCK][FILL_BLOCK])
{
    for (int y = 0; y < h + 16; y++) fill_sum17(s->around[y], s->line, s->rows[y], FILL_BLOCK);
    memcpy(s->part, s->rows, (size_t) (h + 16) * sizeof s->rows[0]);
    fill_add_rows(s->part, h + 15, 1);
    fill_add_rows(s->part, h + 13, 2);
    fill_add_rows(s->part, h + 9, 4);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < FILL_BLOCK; x++) sum[y][x] = s->part[y][x] + s->part[y + 8][x] + s->rows[y + 16][x];
}

/* Whether any pixel of a part of a window is more than 0; in *some_clear, whether any is not. */
static bool fill_look(const struct window *alpha, struct rect at, bool *some_clear)
{
    int opaque = 0, pixels = 0;
    for (int y = at.y; y < at.y + at.h; y++) {
        const float *a = window_row(alpha, 0, y) + (at.x - alpha->at.x);
        for (int x = 0; x < at.w; x++) opaque += a[x] > 0;
        pixels += at.w;
        if (opaque && opaque < pixels) break; /* both are known */
    }
    *some_clear = opaque < pixels;
    return opaque > 0;
}

/* Channel c (or alpha itself, c < 0), weighted by alpha, of the block grown by the reach; zero outside the picture (`inside`). */
static void fill_load(const struct fill_job *job, struct fill_space *s, struct rect block, struct rect inside, int c)
{
    memset(s->around, 0, sizeof s->around);
    for (int y = inside.y; y < inside.y + inside.h; y++) {
        float *to = s->around[y - block.y + ALPHA_FILL_REACH] + (inside.x - block.x + ALPHA_FILL_REACH);
        const float *a = window_row(job->alpha, 0, y) + (inside.x - job->alpha->at.x);
        if (c < 0) {
            for (int x = 0; x < inside.w; x++) to[x] = a[x] > 0 ? a[x] : 0;
        } else {
            const float *v = window_row(job->from, c, y) + (inside.x - job->from->at.x);
            for (int x = 0; x < inside.w; x++) to[x] = a[x] > 0 ? a[x] * v[x] : 0;
        }
    }
}

static void fill_block(const struct fill_job *job, struct fill_space *s, struct rect block)
{
    const struct rect inside = rect_grow(block, ALPHA_FILL_REACH, job->width, job->height);
    bool some_clear;
    fill_look(job->alpha, block, &some_clear);
    if (!some_clear) {
        window_copy(job->to, job->from, block);
        return;
    }
    bool unused;
    const bool some_opaque = fill_look(job->alpha, inside, &unused);
    if (some_opaque) {
        fill_load(job, s, block, inside, -1);
        fill_square(s, block.h, s->weight);
    }
    for (int c = 0; c < job->to->channels; c++) {
        if (some_opaque) {
            fill_load(job, s, block, inside, c);
            fill_square(s, block.h, s->sum);
        }
        for (int y = 0; y < block.h; y++) {
            const float *a = window_row(job->alpha, 0, block.y + y) + (block.x - job->alpha->at.x);
            const float *v = window_row(job->from, c, block.y + y) + (block.x - job->from->at.x);
            float *to = window_row(job->to, c, block.y + y) + (block.x - job->to->at.x);
            if (!some_opaque) {
                memset(to, 0, (size_t) block.w * sizeof *to);
                continue;
            }
            for (int x = 0; x < block.w; x++) to[x] = a[x] > 0 ? v[x] : s->weight[y][x] > 0 ? s->sum[y][x] / s->weight[y][x] : 0;
        }
    }
}

static void fill_part(void *job_, int thread, int y0, int y1)
{
    const struct fill_job *job = job_;
    const struct rect at = job->to->at;
    for (int y = y0; y < y1; y += FILL_BLOCK)
        for (int x = 0; x < at.w; x += FILL_BLOCK) {
            const int w = at.w - x < FILL_BLOCK ? at.w - x : FILL_BLOCK, h = y1 - y < FILL_BLOCK ? y1 - y : FILL_BLOCK;
            fill_block(job, job->space + thread, (struct rect){at.x + x, at.y + y, w, h});
        }
}

int alpha_fill(struct pool *pool, const struct window *from, const struct window *alpha, int width, int height, struct window *to)
{
    const struct rect at = to->at;
    if (rect_is_empty(at)) return FM_OK;
    assert(from->channels == to->channels && alpha->channels == 1);
    bool some_clear;
    fill_look(alpha, at, &some_clear);
    if (!some_clear) {
        window_copy(to, from, at);
        return FM_OK;
    }
    assert(rect_contains(from->at, rect_grow(at, ALPHA_FILL_REACH, width, height)) &&
           rect_contains(alpha->at, rect_grow(at, ALPHA_FILL_REACH, width, height)));
    struct fill_space *space = core_alloc((size_t) split_threads(pool) * sizeof *space);
    if (!space) return FM_ERR_NOMEM;
    struct fill_job job = {from, alpha, width, height, to, space};
    split_rows(pool, at.h, FILL_BLOCK, window_plane(to) * (size_t) to->channels * 4, fill_part, &job);
    core_free(space);
    return FM_OK;
}

/* ---- for linear filters ---- */

void alpha_premultiply(struct window *colour, const struct window *alpha)
{
    const size_t n = window_plane(colour);
    assert(window_plane(alpha) == n);
    for (int c = 0; c < colour->channels; c++) {
        float *v = colour->data + (size_t) c * n;
        for (size_t i = 0; i < n; i++) v[i] *= alpha->data[i];
    }
}

void alpha_unpremultiply(struct window *colour, const struct window *alpha)
{
    const size_t n = window_plane(colour);
    assert(window_plane(alpha) == n);
    for (int c = 0; c < colour->channels; c++) {
        float *v = colour->data + (size_t) c * n;
        for (size_t i = 0; i < n; i++) v[i] = alpha->data[i] > 0 ? v[i] / alpha->data[i] : 0;
    }
}

/* ---- flat alpha stays flat ---- */

/* The input pixel in which the middle of an output pixel lies. */
static int snap_source(int x, int in, int out)
{
    return (int) ((2 * (int64_t) x + 1) * in / (2 * (int64_t) out));
}

/* The input pixels in which the middles of the pixels of `out` lie. */
static struct rect snap_sources(struct rect out, int in_width, int in_height, int out_width, int out_height)
{
    const int x = snap_source(out.x, in_width, out_width), y = snap_source(out.y, in_height, out_height);
    return (struct rect){x, y, snap_source(out.x + out.w - 1, in_width, out_width) - x + 1,
        snap_source(out.y + out.h - 1, in_height, out_height) - y + 1};
}

struct rect alpha_snap_need(struct rect out, int in_width, int in_height, int out_width, int out_height)
{
    if (rect_is_empty(out)) return (struct rect){0};
    return rect_grow(snap_sources(out, in_width, in_height, out_width, out_height), ALPHA_SNAP_REACH, in_width, in_height);
}

/* Marks the pixels of `at` whose whole square has one value, in flat[at.h][at.w]. `same` is room for need.h x at.w marks: first,
 * runs along rows that are one value; then, columns of such runs with equal values. */
static void snap_mark(const struct window *in, int channel, struct rect at, struct rect need, uint8_t *same, uint8_t *flat)
{
    for (int y = need.y; y < need.y + need.h; y++) {
        const float *v = window_row(in, channel, y);
        uint8_t *to = same + (size_t) (y - need.y) * (size_t) at.w;
        int run = need.x; /* where the run of equal values up to `end` starts */
        int end = need.x;
        for (int x = at.x; x < at.x + at.w; x++) {
            const int last = x + ALPHA_SNAP_REACH < need.x + need.w ? x + ALPHA_SNAP_REACH : need.x + need.w - 1;
            for (; end < last; end++)
                if (v[end + 1 - in->at.x] != v[end - in->at.x]) run = end + 1;
            to[x - at.x] = run <= (x - ALPHA_SNAP_REACH > need.x ? x - ALPHA_SNAP_REACH : need.x);
        }
    }
    for (int y = at.y; y < at.y + at.h; y++) {
        uint8_t *to = flat + (size_t) (y - at.y) * (size_t) at.w;
        const float *centre = window_row(in, channel, y) + (at.x - in->at.x);
        const int y0 = y - ALPHA_SNAP_REACH > need.y ? y - ALPHA_SNAP_REACH : need.y;
        const int y1 = y + ALPHA_SNAP_REACH < need.y + need.h ? y + ALPHA_SNAP_REACH : need.y + need.h - 1;
        memset(to, 1, (size_t) at.w);
        for (int k = y0; k <= y1; k++) {
            const float *v = window_row(in, channel, k) + (at.x - in->at.x);
            const uint8_t *row = same + (size_t) (k - need.y) * (size_t) at.w;
            for (int x = 0; x < at.w; x++) to[x] &= row[x] & (v[x] == centre[x]);
        }
    }
}

/* Sets the pixels of one plane of `out` whose source is flat. column: the source of each column, counted from at.x. */
static void snap_apply(const struct window *out, const struct window *in, int channel, struct rect at, const int32_t *column,
    const uint8_t *flat, int in_height, int out_height)
{
    for (int y = out->at.y; y < out->at.y + out->at.h; y++) {
        const int source = snap_source(y, in_height, out_height);
        const float *v = window_row(in, channel, source) + (at.x - in->at.x);
        const uint8_t *mark = flat + (size_t) (source - at.y) * (size_t) at.w;
        float *to = window_row(out, channel, y);
        for (int x = 0; x < out->at.w; x++) to[x] = mark[column[x]] ? v[column[x]] : to[x];
    }
}

int alpha_snap(struct window *out, const struct window *in, int in_width, int in_height, int out_width, int out_height)
{
    const struct rect o = out->at;
    if (rect_is_empty(o)) return FM_OK;
    const struct rect at = snap_sources(o, in_width, in_height, out_width, out_height);
    const struct rect need = rect_grow(at, ALPHA_SNAP_REACH, in_width, in_height);
    assert(out->channels == in->channels && rect_contains(in->at, need));
    size_t marks, size;
    const size_t columns = (size_t) o.w * sizeof(int32_t);
    if (!core_mul_size((size_t) at.w, (size_t) at.h + (size_t) need.h, &marks) || !core_add_size(marks, columns, &size))
        return FM_ERR_NOMEM;
    int32_t *const column = core_alloc(size);
    if (!column) return FM_ERR_NOMEM;
    uint8_t *const same = (uint8_t *) (column + o.w), *const flat = same + (size_t) at.w * (size_t) need.h;
    for (int x = 0; x < o.w; x++) column[x] = snap_source(o.x + x, in_width, out_width) - at.x;
    for (int c = 0; c < out->channels; c++) {
        snap_mark(in, c, at, need, same, flat);
        snap_apply(out, in, c, at, column, flat, in_height, out_height);
    }
    core_free(column);
    return FM_OK;
}
