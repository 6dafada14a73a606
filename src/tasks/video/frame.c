/* SPDX-License-Identifier: MIT */
/* Making one frame: samples to floats, the chain, floats to samples; what no network sees is scaled as integers. */
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "tasks/video/video.h"

struct video_maker {
    const struct video *video;
    struct pool *pool; /* the maker's own; NULL: this thread alone */
    struct chain_work *work[VIDEO_LEVELS_MAX];
    struct window source;
    struct planes_scratch scratch;
    struct scale_scratch scaling;
};

int video_maker_create(const struct video *v, int threads, struct video_maker **out, struct fm_error *error)
{
    *out = NULL;
    struct video_maker *m = core_calloc(1, sizeof *m);
    if (!m) return core_fail_nomem(error, sizeof *m);
    m->video = v;
    int code = pool_create(threads, &m->pool, error);
    for (int i = 0; i < v->n_levels && code == FM_OK; i++)
        if (v->level[i].chain) code = chain_work_create(v->level[i].chain, m->pool, &m->work[i], error);
    if (code < 0) video_maker_destroy(&m);
    *out = m;
    return code;
}

void video_maker_destroy(struct video_maker **maker)
{
    struct video_maker *m = *maker;
    *maker = NULL;
    if (!m) return;
    for (int i = 0; i < VIDEO_LEVELS_MAX; i++) chain_work_destroy(&m->work[i]);
    window_release(&m->source);
    planes_scratch_release(&m->scratch);
    scale_scratch_release(&m->scaling);
    pool_destroy(&m->pool);
    core_free(m);
}

/* The part of a frame that begins at column x, row y (multiples of two where chroma is smaller), seen as a frame. */
static struct video_frame part_of(const struct video_frame *from, int x, int y, int width, int height)
{
    struct video_frame f = *from;
    const size_t bytes = (size_t) video_sample_bytes(f.format);
    for (int p = 0; p < video_planes(f.format); p++) {
        const bool chroma = video_is_chroma(f.format, p);
        const int px = chroma ? x / 2 : x, py = chroma && f.format.layout == VIDEO_420 ? y / 2 : y;
        f.plane[p] += py * f.stride[p] + (ptrdiff_t) ((size_t) px * bytes);
    }
    f.width = width;
    f.height = height;
    f.owner = NULL;
    f.release = NULL;
    return f;
}

struct video_frame video_cropped(const struct video *v, const struct video_frame *in)
{
    return part_of(in, v->crop.x, v->crop.y, v->in_w, v->in_h);
}

/* Where the result goes in the frame that is written. */
static struct video_frame result_part(const struct video *v, const struct video_frame *out)
{
    return part_of(out, v->frame_w - v->out_w, 0, v->out_w, v->out_h);
}

static int make_tile(struct video_maker *m, const struct video_level *level, struct chain_work *work, const struct video_frame *in,
    struct video_frame *out, struct rect at, struct video_cost *cost, struct fm_error *error)
{
    const struct video *v = m->video;
    const struct planes *to_floats = level->rgb ? v->rgb_in : v->luma_in, *to_samples = level->rgb ? v->rgb_out : v->luma_out;
    const uint32_t flags = v->upscale->cpu_flags;
    const struct rect made = planes_need(to_samples, at), need = chain_need(level->chain, made);
    const int channels = level->rgb ? 3 : 1;
    const struct window *result;
    if (window_reserve(&m->source, need, channels) < 0) return core_fail_nomem(error, 0);
    const uint64_t start = core_now_ns();
    if (planes_unpack(to_floats, m->pool, flags, in, &m->source, &m->scratch) < 0) return core_fail_nomem(error, 0);
    const uint64_t unpacked = core_now_ns();
    const int code = chain_run_window(work, &m->source, made, v->cancelled, &result, error);
    if (code < 0) return code;
    const uint64_t ran = core_now_ns();
    if (planes_pack(to_samples, m->pool, flags, result, at, out, &m->scratch, &cost->not_numbers) < 0)
        return core_fail_nomem(error, 0);
    cost->convert_ns += core_now_ns() - ran + unpacked - start;
    cost->network_ns += ran - unpacked;
    return FM_OK;
}

static int make_rect(struct video_maker *m, int level, const struct video_frame *in, struct video_frame *out, struct rect todo,
    struct video_cost *cost, struct fm_error *error)
{
    const struct video *v = m->video;
    const struct rect all = todo;
    for (int y = all.y; y < all.y + all.h; y += v->tile_h)
        for (int x = all.x; x < all.x + all.w; x += v->tile_w) {
            const struct rect at = {x, y, all.x + all.w - x < v->tile_w ? all.x + all.w - x : v->tile_w,
                all.y + all.h - y < v->tile_h ? all.y + all.h - y : v->tile_h};
            const int code = make_tile(m, &v->level[level], m->work[level], in, out, at, cost, error);
            if (code < 0) return code;
        }
    return FM_OK;
}

/* The planes that the chain did not make. */
static int make_rest(struct video_maker *m, const struct video_level *l, const struct video_frame *in, struct video_frame *out,
    struct video_cost *cost, struct fm_error *error)
{
    const struct video *v = m->video;
    const uint64_t start = core_now_ns();
    const int first = !l->chain ? 0 : l->rgb ? video_colour_planes(v->out_format.layout) : 1;
    if (scale_planes(v->plain, m->pool, v->upscale->cpu_flags, in, out, first, &m->scaling) < 0) return core_fail_nomem(error, 0);
    cost->convert_ns += core_now_ns() - start;
    return FM_OK;
}

int video_make(struct video_maker *m, int level, const struct video_frame *in, struct video_frame *out, const struct rect *todo,
    int n_todo, struct video_cost *cost, struct fm_error *error)
{
    const struct video *v = m->video;
    const struct video_level *l = &v->level[level];
    const struct video_frame from = video_cropped(v, in);
    struct video_frame to = result_part(v, out);
    const struct rect whole = rect_whole(v->out_w, v->out_h);
    if (l->chain && !n_todo) {
        const int code = make_rect(m, level, &from, &to, whole, cost, error);
        if (code < 0) return code;
    }
    for (int i = 0; i < n_todo && l->chain; i++) {
        const int code = make_rect(m, level, &from, &to, todo[i], cost, error);
        if (code < 0) return code;
    }
    return make_rest(m, l, &from, &to, cost, error);
}

/* ---- chosen pixels ---- */

bool video_can_choose(const struct video *v, int level)
{
    const struct video_level *l = &v->level[level];
    return l->chain && !l->rgb && v->tile_w >= v->out_w && v->tile_h >= v->out_h && chain_can_choose(l->chain);
}

int video_spread(struct video_maker *m, int level, const struct bitmap *changed, struct bitmap *may_differ, struct fm_error *error)
{
    return chain_spread(m->work[level], changed, may_differ, error);
}

int video_make_chosen(struct video_maker *m, int level, const struct video_frame *in, struct video_frame *out,
    const struct bitmap *only, struct video_cost *cost, struct fm_error *error)
{
    const struct video *v = m->video;
    const struct video_frame from = video_cropped(v, in);
    struct video_frame to = result_part(v, out);
    const struct window *result;
    if (window_reserve(&m->source, rect_whole(v->in_w, v->in_h), 1) < 0) return core_fail_nomem(error, 0);
    const uint64_t start = core_now_ns();
    if (planes_unpack(v->luma_in, m->pool, v->upscale->cpu_flags, &from, &m->source, &m->scratch) < 0)
        return core_fail_nomem(error, 0);
    const uint64_t unpacked = core_now_ns();
    const int code = chain_run_chosen(m->work[level], &m->source, only, v->cancelled, &result, error);
    if (code < 0) return code;
    const uint64_t ran = core_now_ns();
    planes_pack_chosen(v->luma_out, m->pool, v->upscale->cpu_flags, result, only, &to, &cost->not_numbers);
    cost->convert_ns += core_now_ns() - ran + unpacked - start;
    cost->network_ns += ran - unpacked;
    return make_rest(m, &v->level[level], &from, &to, cost, error);
}

/* A line of white, two pixels wide, where the two halves meet. */
static void draw_line(struct video_frame *f, int x)
{
    const int bits = f->format.bits, white = f->format.full || f->format.layout == VIDEO_RGB ? (1 << bits) - 1 : 235 << (bits - 8);
    for (int p = 0; p < video_colour_planes(f->format.layout); p++) {
        const bool chroma = f->format.layout != VIDEO_RGB && p > 0, small = video_is_chroma(f->format, p);
        const int value = chroma ? 1 << (bits - 1) : white, from = small ? x / 2 : x, n = small ? 1 : 2;
        for (int y = 0; y < video_plane_height(f->format, f->height, p); y++)
            for (int i = from; i < from + n && i < video_plane_width(f->format, f->width, p); i++) {
                uint8_t *row = f->plane[p] + y * f->stride[p];
                if (bits > 8)
                    ((uint16_t *) (void *) row)[i] = (uint16_t) value;
                else
                    row[i] = (uint8_t) value;
            }
    }
}

/* Even: chroma is cut there too. */
int video_split(const struct video *v)
{
    return v->params.compare == FM_VIDEO_SPLIT ? v->out_w / 4 * 2 : 0;
}

int video_make_comparison(struct video_maker *m, const struct video_frame *in, struct video_frame *out, struct fm_error *error)
{
    const struct video *v = m->video;
    const struct video_frame from = video_cropped(v, in);
    struct video_frame left = part_of(out, 0, 0, v->out_w, v->out_h);
    const bool split = v->params.compare == FM_VIDEO_SPLIT;
    const int width = split ? video_split(v) : v->out_w;
    for (int p = 0; p < video_planes(v->out_format); p++) {
        const struct rect at = {0, 0, video_plane_width(v->out_format, width, p), video_plane_height(v->out_format, v->out_h, p)};
        if (!rect_is_empty(at) && scale_plane(v->plain, m->pool, v->upscale->cpu_flags, &from, &left, p, at, &m->scaling) < 0)
            return core_fail_nomem(error, 0);
    }
    if (split && width >= 2) draw_line(&left, width - 2);
    return FM_OK;
}
