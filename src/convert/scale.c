/* SPDX-License-Identifier: MIT */
#include "convert/scale.h"

#include <assert.h>
#include <string.h>

#include "convert/samples.h"
#include "convert/split.h"
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/kernel.h"
#include "kernels/planes.h"

/* Rows of the result at a time by a thread that is alone: what they take stays in the cache. */
#define SCALE_STRIP 64

struct scale {
    struct video_format in, out;
    int in_w, in_h, out_w, out_h;
    struct resampler *plain, *chroma; /* chroma NULL: its samples lie where those of luma do */
    struct scale_level {
        struct planes_store store;
        int from;    /* plane of the frame that is read, -1: none */
        int fill;    /* what it is then */
        bool copies; /* sizes and values are the same */
    } plane[VIDEO_PLANES_MAX];
};

void scale_scratch_release(struct scale_scratch *s)
{
    window_release(&s->in);
    window_release(&s->out);
    window_release(&s->between);
}

/* ---- what is fixed for two formats ---- */

static void scale_make_plane(struct scale *s, int plane)
{
    struct scale_level *l = &s->plane[plane];
    const int colours_in = video_colour_planes(s->in.layout), colours_out = video_colour_planes(s->out.layout);
    const bool is_alpha = plane >= colours_out;
    const struct samples_levels to = samples_levels(s->out, plane);
    l->from = is_alpha ? (s->in.alpha ? colours_in : -1) : plane < colours_in ? plane : -1;
    l->fill = is_alpha ? to.most : to.zero;
    if (l->from < 0) return;
    const struct samples_levels from = samples_levels(s->in, l->from);
    const double scale = (double) to.span / from.span, offset = from.zero * scale - to.zero;
    l->store = (struct planes_store){(float) scale, (float) offset, (float) to.most};
    const struct samples_cell a = samples_cell(s->in, l->from), b = samples_cell(s->out, plane);
    l->copies = s->in_w == s->out_w && s->in_h == s->out_h && s->in.bits == s->out.bits && from.span == to.span &&
                from.zero == to.zero && memcmp(&a, &b, sizeof a) == 0;
}

/* Both chroma grids lie on luma's, whose sizes give the ratio: that of chroma's own sizes is another when they are odd. */
static int scale_make_chroma(struct scale *s, enum resample_kind kind, struct fm_error *error)
{
    const struct samples_cell a = samples_cell(s->in, 1), b = samples_cell(s->out, 1);
    if (a.w * a.h * b.w * b.h == 1) return FM_OK;
    const struct resample_grid x = {video_plane_width(s->in, s->in_w, 1), video_plane_width(s->out, s->out_w, 1), b.w * s->in_w,
        a.w * s->out_w, a.shift_x, b.shift_x};
    const struct resample_grid y = {video_plane_height(s->in, s->in_h, 1), video_plane_height(s->out, s->out_h, 1), b.h * s->in_h,
        a.h * s->out_h, a.shift_y, b.shift_y};
    return resampler_create_as(kind, &x, &y, &s->chroma, error);
}

static int scale_check(
    const struct video_format *in, int in_w, int in_h, const struct video_format *out, int out_w, int out_h, struct fm_error *error)
{
    const int most = 1 << 23; /* twice that is a side of the resampler */
    if (in_w < 1 || in_h < 1 || out_w < 1 || out_h < 1 || in_w > most || in_h > most || out_w > most || out_h > most)
        return core_fail(
            error, FM_ERR_ARGUMENT, "cannot scale %d x %d video to %d x %d: sides are 1 to %d", in_w, in_h, out_w, out_h, most);
    if (in->bits < 8 || in->bits > 16 || out->bits < 8 || out->bits > 16)
        return core_fail(error, FM_ERR_ARGUMENT, "cannot scale video of %d to %d bits: samples have 8 to 16", in->bits, out->bits);
    if ((in->layout == VIDEO_RGB) != (out->layout == VIDEO_RGB))
        return core_fail(error, FM_ERR_UNSUPPORTED, "scaling does not turn RGB video into YUV, nor back");
    return FM_OK;
}

int scale_create(enum resample_kind kind, const struct video_format *in, int in_width, int in_height,
    const struct video_format *out_format, int out_width, int out_height, struct scale **out, struct fm_error *error)
{
    *out = NULL;
    int code = scale_check(in, in_width, in_height, out_format, out_width, out_height, error);
    if (code != FM_OK) return code;
    struct scale *s = core_calloc(1, sizeof *s);
    if (!s) return core_fail_nomem(error, sizeof *s);
    s->in = *in;
    s->out = *out_format;
    s->in_w = in_width;
    s->in_h = in_height;
    s->out_w = out_width;
    s->out_h = out_height;
    for (int i = 0; i < video_planes(s->out); i++) scale_make_plane(s, i);
    code = resampler_create_as(kind, &(struct resample_grid){.in = in_width, .out = out_width},
        &(struct resample_grid){.in = in_height, .out = out_height}, &s->plain, error);
    if (code == FM_OK && video_colour_planes(in->layout) == 3 && video_colour_planes(out_format->layout) == 3)
        code = scale_make_chroma(s, kind, error);
    if (code != FM_OK)
        scale_destroy(&s);
    else
        *out = s;
    return code;
}

void scale_destroy(struct scale **s_)
{
    struct scale *const s = *s_;
    *s_ = NULL;
    if (!s) return;
    resampler_destroy(&s->plain);
    resampler_destroy(&s->chroma);
    core_free(s);
}

static const struct resampler *scale_resampler(const struct scale *s, int plane)
{
    const bool is_colour = plane > 0 && plane < video_colour_planes(s->out.layout);
    return is_colour && s->chroma ? s->chroma : s->plain;
}

struct rect scale_need(const struct scale *s, int plane, struct rect at)
{
    assert(plane >= 0 && plane < video_planes(s->out));
    return s->plane[plane].from < 0 ? (struct rect){0} : resampler_need(scale_resampler(s, plane), at);
}

/* ---- frames ---- */

struct scale_job {
    const struct scale *s;
    const struct planes_kernels *kernels;
    struct video_frame from, to;
    int plane;
    struct rect at;
    struct window *window;
};

static uint8_t *scale_at(const struct video_frame *f, int plane, int x, int y)
{
    return f->plane[plane] + (ptrdiff_t) y * f->stride[plane] + (ptrdiff_t) x * video_sample_bytes(f->format);
}

static void scale_copy_part(void *job_, int thread, int y0, int y1)
{
    (void) thread;
    const struct scale_job *job = job_;
    const struct scale_level *l = &job->s->plane[job->plane];
    const struct rect at = job->at;
    const int bytes = video_sample_bytes(job->s->out);
    for (int y = at.y + y0; y < at.y + y1; y++) {
        uint8_t *to = scale_at(&job->to, job->plane, at.x, y);
        if (l->from >= 0)
            memcpy(to, scale_at(&job->from, l->from, at.x, y), (size_t) (at.w * bytes));
        else if (bytes == 1)
            memset(to, l->fill, (size_t) at.w);
        else
            for (int x = 0; x < at.w; x++) ((uint16_t *) (void *) to)[x] = (uint16_t) l->fill;
    }
}

static void scale_load_part(void *job_, int thread, int y0, int y1)
{
    static const struct planes_load as_they_are = {1, 0, 1};
    (void) thread;
    const struct scale_job *job = job_;
    const struct window *w = job->window;
    for (int y = w->at.y + y0; y < w->at.y + y1; y++) {
        const void *src = scale_at(&job->from, job->s->plane[job->plane].from, w->at.x, y);
        if (job->s->in.bits == 8)
            job->kernels->load8(src, &as_they_are, window_row(w, 0, y), w->at.w);
        else
            job->kernels->load16(src, &as_they_are, window_row(w, 0, y), w->at.w);
    }
}

static void scale_store_part(void *job_, int thread, int y0, int y1)
{
    (void) thread;
    const struct scale_job *job = job_;
    const struct window *w = job->window;
    const struct planes_store *form = &job->s->plane[job->plane].store;
    for (int y = w->at.y + y0; y < w->at.y + y1; y++) {
        void *dst = scale_at(&job->to, job->plane, w->at.x, y);
        if (job->s->out.bits == 8)
            job->kernels->store8(window_row(w, 0, y), form, dst, w->at.w);
        else
            job->kernels->store16(window_row(w, 0, y), form, dst, w->at.w);
    }
}

static int scale_strip(struct scale_job *job, struct pool *pool, uint32_t cpu_flags, struct scale_scratch *scratch)
{
    const struct resampler *r = scale_resampler(job->s, job->plane);
    int code = window_reserve(&scratch->in, resampler_need(r, job->at), 1);
    if (code == FM_OK) code = window_reserve(&scratch->out, job->at, 1);
    if (code != FM_OK) return code;
    job->window = &scratch->in;
    split_rows(pool, scratch->in.at.h, 1, window_plane(&scratch->in), scale_load_part, job);
    code = resampler_run(r, pool, cpu_flags, &scratch->in, &scratch->out, &scratch->between);
    if (code != FM_OK) return code;
    job->window = &scratch->out;
    split_rows(pool, job->at.h, 1, window_plane(&scratch->out), scale_store_part, job);
    return FM_OK;
}

int scale_plane(const struct scale *s, struct pool *pool, uint32_t cpu_flags, const struct video_frame *from,
    struct video_frame *to, int plane, struct rect at, struct scale_scratch *scratch)
{
    if (rect_is_empty(at)) return FM_OK;
    assert(plane >= 0 && plane < video_planes(s->out));
    assert(from->format.layout == s->in.layout && from->format.bits == s->in.bits && from->width == s->in_w &&
           from->height == s->in_h);
    assert(to->format.layout == s->out.layout && to->format.bits == s->out.bits && to->width == s->out_w && to->height == s->out_h);
    assert(rect_contains(rect_whole(video_plane_width(s->out, s->out_w, plane), video_plane_height(s->out, s->out_h, plane)), at));
    struct scale_job job = {
        .s = s, .kernels = kernel_set_for(cpu_flags)->planes, .from = *from, .to = *to, .plane = plane, .at = at};
    if (s->plane[plane].from < 0 || s->plane[plane].copies) {
        split_rows(pool, at.h, 1, (size_t) at.w * (size_t) at.h / 4, scale_copy_part, &job);
        return FM_OK;
    }
    const int end = at.y + at.h, step = split_threads(pool) == 1 ? SCALE_STRIP : at.h;
    int code = FM_OK;
    for (int y = at.y; y < end && code == FM_OK; y += step) {
        job.at.y = y;
        job.at.h = end - y < step ? end - y : step;
        code = scale_strip(&job, pool, cpu_flags, scratch);
    }
    return code;
}

int scale_planes(const struct scale *s, struct pool *pool, uint32_t cpu_flags, const struct video_frame *from,
    struct video_frame *to, int first, struct scale_scratch *scratch)
{
    int code = FM_OK;
    for (int i = first; i < video_planes(s->out) && code == FM_OK; i++) {
        const struct rect all = rect_whole(video_plane_width(s->out, s->out_w, i), video_plane_height(s->out, s->out_h, i));
        code = scale_plane(s, pool, cpu_flags, from, to, i, all, scratch);
    }
    return code;
}
