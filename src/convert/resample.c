/* SPDX-License-Identifier: MIT */
#include "convert/resample.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "convert/split.h"
#include "core/alloc.h"
#include "core/cpu.h"
#include "core/error.h"
#include "kernels/kernel.h"
#include "kernels/pixels.h"

#define RESAMPLE_LOBES 3
#define RESAMPLE_SIDE_MAX (1 << 24)
#define RESAMPLE_GRAIN 16 /* rows that the longest vector takes at a time */
#define RESAMPLE_PI 3.14159265358979323846

/* ---- one axis: which input samples make an output sample, and how much of each ---- */

/* Places are kept as whole numbers of 1 / (4 to) input samples, so that equal phases have equal weights to the last bit. */
struct resample_axis {
    int in, out;
    int64_t from, to; /* the ratio: as many input samples as output samples are as long */
    int in_shift, out_shift;
    bool copies;    /* same grid: every sample is itself */
    int32_t *start; /* [out] */
    float *weights; /* [out][taps] */
    struct pixels_filter filter;
};

static int64_t resample_floor_div(int64_t a, int64_t b) /* b > 0 */
{
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

static double resample_sinc(double x)
{
    if (x == rint(x)) return x == 0; /* exactly, where a sine would leave a trace */
    return sin(RESAMPLE_PI * x) / (RESAMPLE_PI * x);
}

static double resample_lanczos(double x)
{
    return fabs(x) < RESAMPLE_LOBES ? resample_sinc(x) * resample_sinc(x / RESAMPLE_LOBES) : 0;
}

static double resample_triangle(double x)
{
    return fabs(x) < 1 ? 1 - fabs(x) : 0;
}

static const struct resample_curve {
    int reach; /* zero from there on */
    double (*at)(double x);
} resample_curves[] = {
    [RESAMPLE_LANCZOS] = {RESAMPLE_LOBES, resample_lanczos},
    [RESAMPLE_BILINEAR] = {1, resample_triangle},
};

/* To floats whose sum is as near to 1 as it can be: the largest takes what rounding left. */
static void resample_normalise(const double *exact, int taps, float *weights)
{
    double sum = 0, rounded = 0;
    int largest = 0;
    for (int k = 0; k < taps; k++) {
        sum += exact[k];
        if (exact[k] > exact[largest]) largest = k;
    }
    for (int k = 0; k < taps; k++) {
        weights[k] = (float) (exact[k] / sum);
        rounded += (double) weights[k];
    }
    weights[largest] = (float) ((double) weights[largest] + (1 - rounded));
}

/* Input samples as far apart as the filter's unit is long: it is widened when shrinking. */
static int64_t resample_longer(const struct resample_axis *a)
{
    return a->from > a->to ? a->from : a->to;
}

/* Where output sample x lies among the input samples. */
static int64_t resample_centre(const struct resample_axis *a, int64_t x)
{
    return (4 * x + 2 + a->out_shift) * a->from - (2 + a->in_shift) * a->to;
}

/* Weights of one output sample; those of samples outside the picture go to its edge. `whole` taps are all there would be in an
 * endless picture. */
static void resample_sample(
    struct resample_axis *a, const struct resample_curve *curve, int x, int64_t first, int64_t whole, double *exact)
{
    const int64_t centre = resample_centre(a, x), unit = 4 * resample_longer(a);
    const int taps = a->filter.taps;
    for (int k = 0; k < taps; k++) exact[k] = 0;
    for (int64_t j = first; j < first + whole; j++) {
        const int64_t inside = j < 0 ? 0 : j < a->in ? j : a->in - 1;
        exact[inside - a->start[x]] += curve->at((double) (j * 4 * a->to - centre) / (double) unit);
    }
    resample_normalise(exact, taps, a->weights + (ptrdiff_t) x * taps);
}

static int64_t resample_gcd(int64_t a, int64_t b)
{
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Phases come back after to / gcd samples: where no edge is near, weights are copied from there. */
static void resample_tabulate(struct resample_axis *a, const struct resample_curve *curve, int64_t whole, double *exact)
{
    const int64_t reach = 4 * curve->reach * resample_longer(a), unit = 4 * a->to;
    const int64_t period = a->to / resample_gcd(a->from, a->to);
    const int taps = a->filter.taps;
    int64_t inner = -1; /* the first sample no edge is near to */
    for (int x = 0; x < a->out; x++) {
        const int64_t first = resample_floor_div(resample_centre(a, x) - reach, unit) + 1;
        const int64_t start = first < 0 ? 0 : first < a->in - taps ? first : a->in - taps;
        a->start[x] = (int32_t) start;
        const bool is_inner = first >= 0 && first + whole <= a->in;
        if (is_inner && inner < 0) inner = x;
        if (is_inner && x - period >= inner)
            memcpy(a->weights + (ptrdiff_t) x * taps, a->weights + (ptrdiff_t) (x - period) * taps, (size_t) taps * sizeof(float));
        else
            resample_sample(a, curve, x, first, whole, exact);
    }
}

static void resample_axis_release(struct resample_axis *a)
{
    core_free(a->start);
    core_free(a->weights);
}

static int resample_axis_make(
    struct resample_axis *a, const struct resample_curve *curve, const struct resample_grid *g, struct fm_error *error)
{
    const int in = g->in, out = g->out;
    *a = (struct resample_axis){.in = in,
        .out = out,
        .from = g->from ? g->from : in,
        .to = g->from ? g->to : out,
        .in_shift = g->in_shift,
        .out_shift = g->out_shift};
    a->copies = in == out && a->from == a->to && a->in_shift == a->out_shift;
    const int64_t whole = (2 * curve->reach * resample_longer(a) + a->to - 1) / a->to;
    a->filter.taps = (int) (whole < in ? whole : in);
    if (a->copies) a->filter.taps = 1;
    size_t weights;
    if (!core_mul_size((size_t) out, (size_t) a->filter.taps * sizeof(float), &weights)) return core_fail_nomem(error, 0);
    a->start = core_alloc((size_t) out * sizeof *a->start);
    if (!a->start) return core_fail_nomem(error, (size_t) out * sizeof *a->start);
    a->filter.start = a->start;
    if (a->copies) {
        for (int x = 0; x < out; x++) a->start[x] = x;
        return FM_OK;
    }
    a->weights = core_alloc(weights);
    if (!a->weights) return core_fail_nomem(error, weights);
    a->filter.weights = a->weights;
    double *exact = core_alloc((size_t) a->filter.taps * sizeof *exact);
    if (!exact) return core_fail_nomem(error, (size_t) a->filter.taps * sizeof *exact);
    resample_tabulate(a, curve, whole, exact);
    core_free(exact);
    return FM_OK;
}

/* Input samples that output samples [at, at + n) need. */
static void resample_axis_need(const struct resample_axis *a, int at, int n, int *from, int *count)
{
    assert(at >= 0 && n > 0 && n <= a->out - at);
    *from = a->start[at];
    *count = a->start[at + n - 1] + a->filter.taps - *from;
}

/* ---- both axes ---- */

struct resampler {
    struct resample_axis x, y;
    bool x_first; /* the order of the passes that is less work for the whole picture */
};

static bool resample_grid_is_good(const struct resample_grid *g)
{
    const bool sides = g->in >= 1 && g->in <= RESAMPLE_SIDE_MAX && g->out >= 1 && g->out <= RESAMPLE_SIDE_MAX;
    const bool ratio =
        (!g->from && !g->to) || (g->from >= 1 && g->from <= RESAMPLE_SIDE_MAX && g->to >= 1 && g->to <= RESAMPLE_SIDE_MAX);
    return sides && ratio && abs(g->in_shift) <= 2 && abs(g->out_shift) <= 2;
}

int resampler_create(int in_width, int in_height, int out_width, int out_height, struct resampler **out, struct fm_error *error)
{
    return resampler_create_as(RESAMPLE_LANCZOS, &(struct resample_grid){.in = in_width, .out = out_width},
        &(struct resample_grid){.in = in_height, .out = out_height}, out, error);
}

int resampler_create_as(enum resample_kind kind, const struct resample_grid *x, const struct resample_grid *y,
    struct resampler **out, struct fm_error *error)
{
    *out = NULL;
    if (!resample_grid_is_good(x) || !resample_grid_is_good(y))
        return core_fail(error, FM_ERR_ARGUMENT, "cannot resample %d x %d to %d x %d: sides are 1 to %d", x->in, y->in, x->out,
            y->out, RESAMPLE_SIDE_MAX);
    const int in_width = x->in, in_height = y->in, out_width = x->out, out_height = y->out;
    const struct resample_curve *const curve = &resample_curves[kind];
    struct resampler *r = core_calloc(1, sizeof *r);
    if (!r) return core_fail_nomem(error, sizeof *r);
    int code = resample_axis_make(&r->x, curve, x, error);
    if (code == FM_OK) code = resample_axis_make(&r->y, curve, y, error);
    if (code != FM_OK) {
        resampler_destroy(&r);
        return code;
    }
    /* a sample along rows is turned twice; across rows taps are half as dear */
    const double along = r->x.filter.taps + 6.0, across = 0.5 * r->y.filter.taps + 1.0;
    const double x_first = (double) in_height * out_width * along + (double) out_height * out_width * across;
    const double y_first = (double) out_height * in_width * across + (double) out_height * out_width * along;
    r->x_first = x_first <= y_first;
    *out = r;
    return FM_OK;
}

void resampler_destroy(struct resampler **r_)
{
    struct resampler *const r = *r_;
    *r_ = NULL;
    if (!r) return;
    resample_axis_release(&r->x);
    resample_axis_release(&r->y);
    core_free(r);
}

struct rect resampler_need(const struct resampler *r, struct rect out)
{
    struct rect need = {0};
    if (rect_is_empty(out)) return need;
    resample_axis_need(&r->x, out.x, out.w, &need.x, &need.w);
    resample_axis_need(&r->y, out.y, out.h, &need.y, &need.h);
    return need;
}

/* One pass: `to` is made from `from`, in coordinates of the input on the axis that is not touched. */
struct resample_pass {
    const struct pixels_kernels *kernels;
    const struct pixels_filter *filter;
    const struct window *from;
    struct window *to;
};

static void resample_pass_x(void *pass_, int thread, int y0, int y1)
{
    (void) thread;
    const struct resample_pass *p = pass_;
    const struct rect at = p->to->at;
    const unsigned floats = cpu_floats_flush();
    for (int c = 0; c < p->to->channels; c++)
        p->kernels->filter_x(p->filter, window_row(p->from, c, at.y + y0), p->from->at.w, p->from->at.x,
            window_row(p->to, c, at.y + y0), at.w, y1 - y0, at.x, at.x + at.w);
    cpu_floats_restore(floats);
}

static void resample_pass_y(void *pass_, int thread, int y0, int y1)
{
    (void) thread;
    const struct resample_pass *p = pass_;
    const struct pixels_filter *f = p->filter;
    const struct rect at = p->to->at;
    const unsigned floats = cpu_floats_flush();
    for (int c = 0; c < p->to->channels; c++)
        for (int y = at.y + y0; y < at.y + y1; y++)
            p->kernels->blend_rows(window_row(p->from, c, f->start[y]) + (at.x - p->from->at.x), p->from->at.w,
                f->weights + (ptrdiff_t) y * f->taps, f->taps, window_row(p->to, c, y), at.w);
    cpu_floats_restore(floats);
}

static void resample_pass_run(struct pool *pool, const struct pixels_kernels *kernels, const struct resample_axis *axis, bool along,
    const struct window *from, struct window *to)
{
    struct resample_pass pass = {kernels, &axis->filter, from, to};
    const size_t work = window_plane(to) * (size_t) to->channels * (size_t) axis->filter.taps / 4;
    split_rows(pool, to->at.h, along ? RESAMPLE_GRAIN : 1, work, along ? resample_pass_x : resample_pass_y, &pass);
}

int resampler_run(const struct resampler *r, struct pool *pool, uint32_t cpu_flags, const struct window *in, struct window *out,
    struct window *scratch)
{
    if (rect_is_empty(out->at)) return FM_OK;
    const struct rect need = resampler_need(r, out->at);
    assert(in->channels == out->channels && rect_contains(in->at, need));
    const struct pixels_kernels *const kernels = kernel_set_for(cpu_flags)->pixels;
    if (r->x.copies && r->y.copies) {
        window_copy(out, in, out->at);
    } else if (r->x.copies || r->y.copies) {
        resample_pass_run(pool, kernels, r->x.copies ? &r->y : &r->x, r->y.copies, in, out);
    } else {
        const struct rect between =
            r->x_first ? (struct rect){out->at.x, need.y, out->at.w, need.h} : (struct rect){need.x, out->at.y, need.w, out->at.h};
        const int code = window_reserve(scratch, between, in->channels);
        if (code != FM_OK) return code;
        resample_pass_run(pool, kernels, r->x_first ? &r->x : &r->y, r->x_first, in, scratch);
        resample_pass_run(pool, kernels, r->x_first ? &r->y : &r->x, !r->x_first, scratch, out);
    }
    return FM_OK;
}
