/* SPDX-License-Identifier: MIT */
#include "convert/planes.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "convert/colours.h"
#include "convert/resample.h"
#include "convert/samples.h"
#include "convert/split.h"
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/kernel.h"
#include "kernels/planes.h"

/* Rows at a time by a thread that is alone: what they take stays in the cache. Even, so that no chroma row lies in two. */
#define PLANES_STRIP 32

struct planes {
    struct video_format format; /* with the matrix that is taken */
    int width, height;
    int channels;
    bool mixes;     /* by matrix; else each channel is one plane */
    int channel[3]; /* of plane p, in windows */
    struct planes_load load[3];
    struct planes_store store[3];
    struct planes_matrix to_rgb, from_rgb;
    struct resampler *up, *down; /* smaller chroma to luma's size and back; NULL: it is not smaller */
};

void planes_scratch_release(struct planes_scratch *s)
{
    window_release(&s->chroma);
    window_release(&s->wide);
    window_release(&s->between);
}

/* ---- what is fixed for a format ---- */

static void planes_value_levels(struct planes *p, int plane)
{
    const struct samples_levels l = samples_levels(p->format, plane);
    p->load[plane] = (struct planes_load){1, (float) -l.zero, (float) l.span};
    p->store[plane] = (struct planes_store){(float) l.span, (float) -l.zero, (float) l.most};
}

/* Black 16/255, white 235/255, whatever they are in the frame. */
static void planes_studio_levels(struct planes *p)
{
    const struct samples_levels l = samples_levels(p->format, 0);
    if (p->format.full) {
        p->load[0] = (struct planes_load){219, (float) (16 * l.most), (float) (255 * l.most)};
        p->store[0] = (struct planes_store){(float) (255.0 * l.most / 219), (float) (16.0 * l.most / 219), (float) l.most};
    } else {
        const float byte = (float) (255 << (p->format.bits - 8));
        p->load[0] = (struct planes_load){1, 0, byte};
        p->store[0] = (struct planes_store){byte, 0, (float) l.most};
    }
}

static int planes_make_luma(struct planes *p, bool full, struct fm_error *error)
{
    if (p->format.layout == VIDEO_RGB)
        return core_fail(
            error, FM_ERR_UNSUPPORTED, "RGB video has no plane of luma: it is read as R, G, B, or turned into YUV before");
    if (full)
        planes_value_levels(p, 0);
    else
        planes_studio_levels(p);
    return FM_OK;
}

static int planes_make_resamplers(struct planes *p, struct fm_error *error)
{
    const struct samples_cell c = samples_cell(p->format, 1);
    const int w = video_plane_width(p->format, p->width, 1), h = video_plane_height(p->format, p->height, 1);
    const struct resample_grid x_up = {w, p->width, 1, c.w, c.shift_x, 0}, x_down = {p->width, w, c.w, 1, 0, c.shift_x};
    const struct resample_grid y_up = {h, p->height, 1, c.h, c.shift_y, 0}, y_down = {p->height, h, c.h, 1, 0, c.shift_y};
    const int code = resampler_create_as(RESAMPLE_LANCZOS, &x_up, &y_up, &p->up, error);
    return code == FM_OK ? resampler_create_as(RESAMPLE_LANCZOS, &x_down, &y_down, &p->down, error) : code;
}

static int planes_make_rgb(struct planes *p, struct fm_error *error)
{
    static const int gbr[3] = {1, 2, 0};
    const bool is_small = video_is_chroma(p->format, 1), is_grey = p->format.layout == VIDEO_GREY;
    p->format.matrix = planes_matrix(&p->format, p->width, p->height);
    for (int i = 0; i < video_colour_planes(p->format.layout); i++) planes_value_levels(p, i);
    const bool says_rgb = p->format.matrix == SAMPLES_MATRIX_RGB && !is_grey;
    if (says_rgb && is_small)
        return core_fail(error, FM_ERR_UNSUPPORTED, "the tags of this video say R, G, B, but two of its planes are smaller");
    p->mixes = p->format.layout != VIDEO_RGB && !says_rgb;
    for (int i = 0; i < 3; i++) p->channel[i] = p->mixes ? i : gbr[i];
    if (!p->mixes) return FM_OK;
    /* grey is grey in all systems, and goes back by the shares of one */
    const int code =
        colours_matrices(is_grey ? colours_guess(p->width, p->height) : p->format.matrix, &p->to_rgb, &p->from_rgb, error);
    return code == FM_OK && is_small ? planes_make_resamplers(p, error) : code;
}

int planes_matrix(const struct video_format *format, int width, int height)
{
    const bool says_nothing = format->matrix < 0 || format->matrix == 2 || format->matrix == 3; /* 3: reserved */
    return says_nothing ? colours_guess(width, height) : format->matrix;
}

int planes_create(
    const struct video_format *format, int width, int height, struct planes_form form, struct planes **out, struct fm_error *error)
{
    *out = NULL;
    if (width < 1 || height < 1 || format->bits < 8 || format->bits > 16 || (form.channels != 1 && form.channels != 3))
        return core_fail(error, FM_ERR_ARGUMENT, "cannot convert %d x %d video of %d bits to %d channels", width, height,
            format->bits, form.channels);
    struct planes *p = core_calloc(1, sizeof *p);
    if (!p) return core_fail_nomem(error, sizeof *p);
    p->format = *format;
    p->width = width;
    p->height = height;
    p->channels = form.channels;
    const int code = form.channels == 1 ? planes_make_luma(p, form.full, error) : planes_make_rgb(p, error);
    if (code != FM_OK)
        planes_destroy(&p);
    else
        *out = p;
    return code;
}

void planes_destroy(struct planes **p_)
{
    struct planes *const p = *p_;
    *p_ = NULL;
    if (!p) return;
    resampler_destroy(&p->up);
    resampler_destroy(&p->down);
    core_free(p);
}

/* ---- rows ---- */

struct planes_job {
    const struct planes *p;
    const struct planes_kernels *kernels;
    struct video_frame frame; /* read or written */
    struct window *window, *other;
    struct rect at;
    const struct bitmap *chosen;
    atomic_uint_fast64_t nan;
};

static uint8_t *planes_at(const struct video_frame *f, int plane, int x, int y)
{
    return f->plane[plane] + (ptrdiff_t) y * f->stride[plane] + (ptrdiff_t) x * video_sample_bytes(f->format);
}

static void planes_load_row(const struct planes_job *job, int plane, int x, int y, float *dst, int n)
{
    const void *src = planes_at(&job->frame, plane, x, y);
    if (job->p->format.bits == 8)
        job->kernels->load8(src, &job->p->load[plane], dst, n);
    else
        job->kernels->load16(src, &job->p->load[plane], dst, n);
}

static uint64_t planes_store_row(const struct planes_job *job, const float *src, int plane, int x, int y, int n)
{
    void *dst = planes_at(&job->frame, plane, x, y);
    return job->p->format.bits == 8 ? job->kernels->store8(src, &job->p->store[plane], dst, n)
                                    : job->kernels->store16(src, &job->p->store[plane], dst, n);
}

static bool planes_run_strips(const struct planes *p, struct pool *pool)
{
    return (p->up || p->mixes) && split_threads(pool) == 1;
}

static int planes_clamp(int i, int size)
{
    return i < 0 ? 0 : i < size ? i : size - 1;
}

/* The part of the picture that shows in `at`; where that lies beside it, the edge. */
static struct rect planes_visible(const struct planes *p, struct rect at)
{
    const int x0 = planes_clamp(at.x, p->width), y0 = planes_clamp(at.y, p->height);
    return (struct rect){
        x0, y0, planes_clamp(at.x + at.w - 1, p->width) + 1 - x0, planes_clamp(at.y + at.h - 1, p->height) + 1 - y0};
}

/* ---- into windows ---- */

static void planes_unpack_chroma_part(void *job_, int thread, int y0, int y1)
{
    (void) thread;
    const struct planes_job *job = job_;
    const struct window *w = job->other;
    for (int c = 0; c < 2; c++)
        for (int y = w->at.y + y0; y < w->at.y + y1; y++) planes_load_row(job, 1 + c, w->at.x, y, window_row(w, c, y), w->at.w);
}

/* Columns [x, x + n) of row y of the picture. */
static void planes_unpack_run(const struct planes_job *job, int x, int y, float *const row[3], int n)
{
    const struct planes *p = job->p;
    if (p->channels == 1) {
        planes_load_row(job, 0, x, y, row[0], n);
    } else if (p->format.layout == VIDEO_GREY) {
        planes_load_row(job, 0, x, y, row[0], n);
        for (int c = 1; c < 3; c++) memcpy(row[c], row[0], (size_t) n * sizeof(float));
    } else if (p->up) {
        const struct window *chroma = job->other;
        planes_load_row(job, 0, x, y, row[0], n);
        const ptrdiff_t skip = x - chroma->at.x;
        job->kernels->matrix(&p->to_rgb, row[0], window_row(chroma, 0, y) + skip, window_row(chroma, 1, y) + skip, row, n);
    } else {
        for (int i = 0; i < 3; i++) planes_load_row(job, i, x, y, row[p->channel[i]], n);
        if (p->mixes) job->kernels->matrix(&p->to_rgb, row[0], row[1], row[2], row, n);
    }
}

static void planes_fill(float *to, int n, float value)
{
    for (int x = 0; x < n; x++) to[x] = value;
}

static void planes_unpack_part(void *job_, int thread, int y0, int y1)
{
    (void) thread;
    const struct planes_job *job = job_;
    const struct rect at = job->at, seen = planes_visible(job->p, at);
    int before = seen.x - at.x; /* columns before those that are seen, and behind them */
    before = before < 0 ? 0 : before < at.w ? before : at.w - 1;
    const int behind = at.w - before - seen.w;
    for (int y = at.y + y0; y < at.y + y1; y++) {
        float *row[3] = {NULL};
        for (int c = 0; c < job->p->channels; c++) row[c] = window_row(job->window, c, y) + (at.x - job->window->at.x) + before;
        planes_unpack_run(job, seen.x, planes_clamp(y, job->p->height), row, seen.w);
        for (int c = 0; c < job->p->channels; c++) {
            planes_fill(row[c] - before, before, row[c][0]);
            planes_fill(row[c] + seen.w, behind, row[c][seen.w - 1]);
        }
    }
}

static int planes_unpack_strip(struct planes_job *job, struct pool *pool, uint32_t cpu_flags, struct planes_scratch *scratch)
{
    const struct planes *p = job->p;
    const size_t samples = (size_t) job->at.w * (size_t) job->at.h * (size_t) p->channels;
    if (p->up) {
        const struct rect seen = planes_visible(p, job->at), need = resampler_need(p->up, seen);
        int code = window_reserve(&scratch->chroma, need, 2);
        if (code == FM_OK) code = window_reserve(&scratch->wide, seen, 2);
        if (code != FM_OK) return code;
        job->other = &scratch->chroma;
        split_rows(pool, need.h, 1, samples, planes_unpack_chroma_part, job);
        code = resampler_run(p->up, pool, cpu_flags, &scratch->chroma, &scratch->wide, &scratch->between);
        if (code != FM_OK) return code;
        job->other = &scratch->wide;
    }
    split_rows(pool, job->at.h, 1, samples, planes_unpack_part, job);
    return FM_OK;
}

static void planes_check_frame(const struct planes *p, const struct video_frame *f)
{
    (void) p, (void) f;
    assert(
        f->format.layout == p->format.layout && f->format.bits == p->format.bits && f->width == p->width && f->height == p->height);
}

int planes_unpack(const struct planes *p, struct pool *pool, uint32_t cpu_flags, const struct video_frame *from, struct window *to,
    struct planes_scratch *scratch)
{
    if (rect_is_empty(to->at)) return FM_OK;
    planes_check_frame(p, from);
    assert(to->channels == p->channels);
    struct planes_job job = {.p = p, .kernels = kernel_set_for(cpu_flags)->planes, .frame = *from, .window = to, .at = to->at};
    const int end = to->at.y + to->at.h, step = planes_run_strips(p, pool) ? PLANES_STRIP : to->at.h;
    int code = FM_OK;
    for (int y = to->at.y; y < end && code == FM_OK; y += step) {
        job.at.y = y;
        job.at.h = end - y < step ? end - y : step;
        code = planes_unpack_strip(&job, pool, cpu_flags, scratch);
    }
    return code;
}

/* ---- and back ---- */

/* Samples of smaller chroma that belong to `at`. */
static struct rect planes_chroma(const struct planes *p, struct rect at)
{
    const struct samples_cell c = samples_cell(p->format, 1);
    const int x = at.x / c.w, y = at.y / c.h;
    return (struct rect){x, y, (at.x + at.w - 1) / c.w + 1 - x, (at.y + at.h - 1) / c.h + 1 - y};
}

struct rect planes_need(const struct planes *p, struct rect at)
{
    if (rect_is_empty(at) || !p->down) return at;
    return rect_around(at, resampler_need(p->down, planes_chroma(p, at)));
}

/* The window's rows as luma and differences. */
static void planes_mix_part(void *job_, int thread, int y0, int y1)
{
    (void) thread;
    const struct planes_job *job = job_;
    const struct window *to = job->other, *from = job->window;
    const bool is_grey = job->p->format.layout == VIDEO_GREY;
    for (int y = to->at.y + y0; y < to->at.y + y1; y++) {
        float *const dst[3] = {window_row(to, 0, y), is_grey ? NULL : window_row(to, 1, y), is_grey ? NULL : window_row(to, 2, y)};
        const ptrdiff_t skip = to->at.x - from->at.x;
        job->kernels->matrix(&job->p->from_rgb, window_row(from, 0, y) + skip, window_row(from, 1, y) + skip,
            window_row(from, 2, y) + skip, dst, to->at.w);
    }
}

/* Planes that are as large as luma, out of `other`. */
static void planes_pack_part(void *job_, int thread, int y0, int y1)
{
    (void) thread;
    struct planes_job *job = job_;
    const struct planes *p = job->p;
    const struct window *from = job->other;
    const int planes = p->channels == 1 || p->down ? 1 : video_colour_planes(p->format.layout);
    uint64_t nan = 0;
    for (int i = 0; i < planes; i++)
        for (int y = job->at.y + y0; y < job->at.y + y1; y++)
            nan += planes_store_row(job, window_row(from, p->channel[i], y) + (job->at.x - from->at.x), i, job->at.x, y, job->at.w);
    if (nan) atomic_fetch_add(&job->nan, nan);
}

static void planes_pack_chroma_part(void *job_, int thread, int y0, int y1)
{
    (void) thread;
    struct planes_job *job = job_;
    const struct window *from = job->other;
    uint64_t nan = 0;
    for (int c = 0; c < 2; c++)
        for (int y = from->at.y + y0; y < from->at.y + y1; y++)
            nan += planes_store_row(job, window_row(from, c, y), 1 + c, from->at.x, y, from->at.w);
    if (nan) atomic_fetch_add(&job->nan, nan);
}

static int planes_pack_strip(struct planes_job *job, struct pool *pool, uint32_t cpu_flags, struct planes_scratch *scratch)
{
    const struct planes *p = job->p;
    const size_t samples = (size_t) job->at.w * (size_t) job->at.h * (size_t) p->channels;
    if (p->mixes) {
        const struct rect need = planes_need(p, job->at);
        const int code = window_reserve(&scratch->wide, need, 3);
        if (code != FM_OK) return code;
        job->other = &scratch->wide;
        split_rows(pool, need.h, 1, samples, planes_mix_part, job);
    }
    split_rows(pool, job->at.h, 1, samples, planes_pack_part, job);
    if (!p->down) return FM_OK;
    struct window differences = {.at = scratch->wide.at, .channels = 2, .data = window_row(&scratch->wide, 1, scratch->wide.at.y)};
    int code = window_reserve(&scratch->chroma, planes_chroma(p, job->at), 2);
    if (code == FM_OK) code = resampler_run(p->down, pool, cpu_flags, &differences, &scratch->chroma, &scratch->between);
    if (code != FM_OK) return code;
    job->other = &scratch->chroma;
    split_rows(pool, scratch->chroma.at.h, 1, samples, planes_pack_chroma_part, job);
    return FM_OK;
}

int planes_pack(const struct planes *p, struct pool *pool, uint32_t cpu_flags, const struct window *from, struct rect at,
    struct video_frame *to, struct planes_scratch *scratch, uint64_t *not_numbers)
{
    if (rect_is_empty(at)) return FM_OK;
    planes_check_frame(p, to);
    assert(from->channels == p->channels && rect_contains(rect_whole(p->width, p->height), at));
    assert(rect_contains(from->at, planes_need(p, at)));
    assert(!p->down || (at.x % 2 == 0 && (at.w % 2 == 0 || at.x + at.w == p->width)));
    assert(!p->down || p->format.layout != VIDEO_420 || (at.y % 2 == 0 && (at.h % 2 == 0 || at.y + at.h == p->height)));
    struct window source = *from; /* read only */
    struct planes_job job = {
        .p = p, .kernels = kernel_set_for(cpu_flags)->planes, .frame = *to, .window = &source, .other = &source, .at = at};
    const int end = at.y + at.h, step = planes_run_strips(p, pool) ? PLANES_STRIP : at.h;
    int code = FM_OK;
    for (int y = at.y; y < end && code == FM_OK; y += step) {
        job.at.y = y;
        job.at.h = end - y < step ? end - y : step;
        code = planes_pack_strip(&job, pool, cpu_flags, scratch);
    }
    *not_numbers += atomic_load(&job.nan);
    return code;
}

static void planes_pack_chosen_part(void *job_, int thread, int y0, int y1)
{
    (void) thread;
    struct planes_job *job = job_;
    const struct bitmap *chosen = job->chosen;
    uint64_t nan = 0;
    for (int y = y0; y < y1; y++) {
        const float *row = window_row(job->other, 0, y);
        for (int x0, x1 = 0; bits_run(bitmap_row(chosen, y), chosen->words, x1, &x0, &x1);)
            nan += planes_store_row(job, row + x0, 0, x0, y, x1 - x0);
    }
    if (nan) atomic_fetch_add(&job->nan, nan);
}

void planes_pack_chosen(const struct planes *p, struct pool *pool, uint32_t cpu_flags, const struct window *from,
    const struct bitmap *chosen, struct video_frame *to, uint64_t *not_numbers)
{
    planes_check_frame(p, to);
    assert(from->channels == 1 && p->channels == 1 && chosen->width == p->width && chosen->height == p->height);
    assert(!memcmp(&from->at, &(struct rect){0, 0, p->width, p->height}, sizeof from->at));
    struct window source = *from; /* read only */
    struct planes_job job = {
        .p = p, .kernels = kernel_set_for(cpu_flags)->planes, .frame = *to, .other = &source, .chosen = chosen};
    split_rows(pool, p->height, 1, (size_t) p->width * (size_t) p->height, planes_pack_chosen_part, &job);
    *not_numbers += atomic_load(&job.nan);
}
