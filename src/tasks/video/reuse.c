/* SPDX-License-Identifier: MIT */
#include "tasks/video/reuse.h"

#include <math.h>
#include <string.h>

#include "core/error.h"

#define TILE 32
#define GUESS 0.03 /* of a few rows: less is not worth looking at all */
#define STILL 0.11 /* of the cells, about what is then kept of the result: less is not worth spreading */
#define KEPT 0.06  /* of the result's pixels: less is not worth choosing */
#define WORTH 0.85 /* of the whole frame's work: above, the whole is computed at once */

/* How far beyond the tile at x, y its result reads. */
static int reach_of(const struct video *v, const struct chain *chain, int x, int y)
{
    const int kx = v->out_w / v->in_w, ky = v->out_h / v->in_h;
    const int w = x + TILE > v->in_w ? v->in_w - x : TILE, h = y + TILE > v->in_h ? v->in_h - y : TILE;
    const struct rect need = chain_need(chain, (struct rect){x * kx, y * ky, w * kx, h * ky});
    const int reached[4] = {x - need.x, y - need.y, need.x + need.w - x - w, need.y + need.h - y - h};
    int most = 0;
    for (int side = 0; side < 4; side++)
        if (reached[side] > most) most = reached[side];
    return most;
}

/* The most of all tiles. It depends on the place, since algorithms have grids: on large frames, a cross of tiles through the middle meets
 * every row and column of tiles there is. */
static int reach(const struct video *v)
{
    int most = 0;
    for (int i = 0; i < v->n_levels; i++) {
        const struct chain *chain = v->level[i].chain;
        if (!chain) continue;
        for (int x = 0; x < v->in_w; x += TILE) {
            const int reached = reach_of(v, chain, x, v->in_h / 2 / TILE * TILE);
            if (reached > most) most = reached;
        }
        for (int y = 0; y < v->in_h; y += TILE) {
            const int reached = reach_of(v, chain, v->in_w / 2 / TILE * TILE, y);
            if (reached > most) most = reached;
        }
    }
    return most;
}

int reuse_make(struct reuse *r, const struct video *v, struct fm_error *error)
{
    *r = (struct reuse){.scale_x = (double) v->out_w / v->in_w, .scale_y = (double) v->out_h / v->in_h};
    r->tiles = r->scale_x == floor(r->scale_x) && r->scale_y == floor(r->scale_y);
    for (int i = 0; i < v->n_levels; i++) r->tiles &= !v->level[i].chain || !v->level[i].chain->whole_only;
    for (int i = 0; i < v->n_levels; i++)
        if (!r->changed.bits && video_can_choose(v, i) && bitmap_make(&r->changed, v->in_w, v->in_h) < 0)
            return core_fail_nomem(error, 0);
    const bool rgb = v->level[0].rgb;
    const unsigned planes = rgb ? (1u << video_colour_planes(v->in_format.layout)) - 1 : 1;
    const int halo = r->tiles ? reach(v) + (rgb ? 8 : 0) : 0, tile = r->tiles ? TILE : 1 << 24;
    if (changes_make(&r->changes, &v->in_format, v->in_w, v->in_h, tile, tile, halo, planes) < 0) return core_fail_nomem(error, 0);
    return FM_OK;
}

void reuse_release(struct reuse *r)
{
    changes_release(&r->changes);
    bitmap_release(&r->changed);
}

static struct rect enlarged(const struct reuse *r, struct rect tile)
{
    const int kx = (int) r->scale_x, ky = (int) r->scale_y;
    return (struct rect){tile.x * kx, tile.y * ky, tile.w * kx, tile.h * ky};
}

static double work_of(const struct chain *chain, struct rect out)
{
    const struct rect need = chain_need(chain, out);
    return (double) need.w * need.h;
}

static double sum_of(const struct chain *chain, const struct rect *list, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += work_of(chain, list[i]);
    return sum;
}

/* The changed part of every row of tiles; rows below one another become one rectangle where that is not more work. */
static void gather(struct reuse *r, const struct chain *chain)
{
    const struct changes *c = &r->changes;
    for (int row = 0; row < c->rows; row++) {
        int first = c->columns, last = -1;
        for (int column = 0; column < c->columns; column++) {
            if (changes_is_same(c, column, row)) continue;
            if (first > column) first = column;
            last = column;
        }
        if (last < 0) continue;
        const struct rect span = enlarged(r, rect_around(changes_tile(c, first, row), changes_tile(c, last, row)));
        if (r->n_todo) {
            struct rect *above = &r->todo[r->n_todo - 1];
            const struct rect both = rect_around(*above, span);
            if (r->n_todo == REUSE_RECTS_MAX || work_of(chain, both) <= work_of(chain, *above) + work_of(chain, span)) {
                *above = both;
                continue;
            }
        }
        r->todo[r->n_todo++] = span;
    }
}

#define CELL 32 /* a pixel is kept only where about as much around it is; divides a word */

/* The share of cells in which nothing changed: a quick look before spreading. */
static double still(const struct bitmap *changed)
{
    int64_t same = 0;
    const int columns = (changed->width + CELL - 1) / CELL, rows = (changed->height + CELL - 1) / CELL;
    for (int row = 0; row < rows; row++)
        for (int word = 0; word < changed->words; word++) {
            uint64_t any = 0;
            const int end = (row + 1) * CELL < changed->height ? (row + 1) * CELL : changed->height;
            for (int y = row * CELL; y < end; y++) any |= bitmap_row(changed, y)[word];
            for (int column = word * (64 / CELL); column < columns && column < (word + 1) * (64 / CELL); column++, any >>= CELL)
                same += !(any & (((uint64_t) 1 << CELL) - 1));
        }
    return (double) same / ((double) columns * rows);
}

/* Pixel by pixel: what changed spreads through the network's own cells. */
static int find_pixels(struct reuse *r, const struct video *v, struct video_maker *maker, int level, const struct video_frame *a,
    const struct video_frame *b, struct bitmap *made, struct fm_error *error)
{
    if (changes_guess(a, b) < GUESS) return FM_OK;
    changes_pixels(a, b, &r->changed);
    r->all_same = !bits_any(r->changed.bits, r->changed.words * r->changed.height);
    if (r->all_same) {
        r->n_same = r->n_tiles;
        return FM_OK;
    }
    if (still(&r->changed) < STILL) return FM_OK;
    const int code = video_spread(maker, level, &r->changed, made, error);
    if (code < 0) return code;
    const double kept = 1 - (double) bitmap_count(made) / ((double) v->out_w * v->out_h);
    r->chosen = kept >= KEPT;
    if (r->chosen) r->n_same = (int64_t) (kept * (double) r->n_tiles);
    return FM_OK;
}

int reuse_find(struct reuse *r, const struct video *v, struct video_maker *maker, int level, const struct video_frame *before,
    const struct video_frame *now, struct bitmap *made, struct fm_error *error)
{
    const struct chain *chain = v->level[level].chain;
    const struct video_frame a = video_cropped(v, before), b = video_cropped(v, now);
    struct changes *c = &r->changes;
    r->n_todo = 0;
    r->chosen = r->all_same = false;
    r->n_tiles = (int64_t) c->columns * c->rows;
    r->n_same = 0;
    if (video_can_choose(v, level)) return find_pixels(r, v, maker, level, &a, &b, made, error);
    changes_find(c, NULL, v->upscale->cpu_flags, &a, &b);
    r->n_same = c->same;
    r->all_same = c->same == r->n_tiles;
    if (r->all_same || !c->same || !r->tiles || !chain) {
        if (!r->all_same) r->n_same = 0;
        return FM_OK;
    }
    gather(r, chain);
    if (sum_of(chain, r->todo, r->n_todo) > WORTH * work_of(chain, rect_whole(v->out_w, v->out_h))) r->n_todo = 0;
    if (!r->n_todo) r->n_same = 0;
    return FM_OK;
}

static void copy_rect(const struct video *v, const struct video_frame *from, struct video_frame *to, struct rect at, int planes)
{
    for (int p = 0; p < planes; p++) {
        const bool chroma = video_is_chroma(v->out_format, p), low = chroma && v->out_format.layout == VIDEO_420;
        const size_t bytes = (size_t) video_sample_bytes(v->out_format);
        const int x0 = chroma ? at.x / 2 : at.x, x1 = chroma ? (at.x + at.w + 1) / 2 : at.x + at.w;
        const int y0 = low ? at.y / 2 : at.y, y1 = low ? (at.y + at.h + 1) / 2 : at.y + at.h;
        for (int y = y0; y < y1; y++)
            memcpy(to->plane[p] + y * to->stride[p] + (ptrdiff_t) ((size_t) x0 * bytes),
                from->plane[p] + y * from->stride[p] + (ptrdiff_t) ((size_t) x0 * bytes), (size_t) (x1 - x0) * bytes);
    }
}

/* The pixels of luma that were not made. */
static void copy_pixels(const struct video *v, const struct bitmap *made, const struct video_frame *from, struct video_frame *to)
{
    const size_t bytes = (size_t) video_sample_bytes(v->out_format), left = (size_t) (v->frame_w - v->out_w);
    const int plain = video_split(v); /* columns drawn over already */
    for (int y = 0; y < made->height; y++) {
        const uint8_t *a = from->plane[0] + y * from->stride[0];
        uint8_t *b = to->plane[0] + y * to->stride[0];
        for (int x = plain, x0, x1; x < made->width; x = x1) {
            if (!bits_run(bitmap_row(made, y), made->words, x, &x0, &x1)) x0 = x1 = made->width;
            if (x0 > made->width) x0 = x1 = made->width;
            memcpy(b + (left + (size_t) x) * bytes, a + (left + (size_t) x) * bytes, (size_t) (x0 - x) * bytes);
        }
    }
}

void reuse_copy(const struct reuse *r, const struct video *v, const struct bitmap *made, const struct video_frame *before,
    struct video_frame *now)
{
    if (r->chosen) {
        copy_pixels(v, made, before, now);
        return;
    }
    const int planes = v->level[0].rgb ? video_colour_planes(v->out_format.layout) : 1;
    if (!r->n_todo && !r->all_same) return;
    /* Row by row of tiles, what no rectangle covers: the rectangles are whole tiles high and do not overlap. */
    const struct changes *c = &r->changes;
    const int shift = v->frame_w - v->out_w, plain = video_split(v);
    for (int row = 0; row < c->rows; row++)
        for (int column = 0; column < c->columns;) {
            struct rect span = {0, 0, 0, 0};
            for (; column < c->columns; column++) {
                const struct rect tile = enlarged(r, changes_tile(c, column, row));
                bool is_made = false;
                for (int i = 0; i < r->n_todo && !is_made; i++) is_made = rect_contains(r->todo[i], tile);
                if (is_made) break;
                span = rect_around(span, tile);
            }
            column++;
            if (span.x < plain) span = (struct rect){plain, span.y, span.x + span.w - plain, span.h}; /* drawn over already */
            if (rect_is_empty(span)) continue;
            span.x += shift;
            copy_rect(v, before, now, span, planes);
        }
}
