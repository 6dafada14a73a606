/* SPDX-License-Identifier: MIT */
#include "convert/resample.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
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

/* Places are kept as whole numbers of 1 / (2 out) input samples, so that equal phases have equal weights to the last bit. */
struct resample_axis {
    int in, out;
    bool copies;    /* same size: every sample is itself */
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

/* Weights of one output sample; those of samples outside the picture go to its edge. `whole` taps are all there would be in an
 * endless picture. */
static void resample_sample(struct resample_axis *a, int x, int64_t first, int64_t whole, double *exact)
{
    const int64_t centre = (2 * (int64_t) x + 1) * a->in - a->out;
    const int64_t unit = 2 * (int64_t) (a->in > a->out ? a->in : a->out); /* the filter is widened when shrinking */
    const int taps = a->filter.taps;
    for (int k = 0; k < taps; k++) exact[k] = 0;
    for (int64_t j = first; j < first + whole; j++) {
        const int64_t inside = j < 0 ? 0 : j < a->in ? j : a->in - 1;
        exact[inside - a->start[x]] += resample_lanczos((double) (j * 2 * a->out - centre) / (double) unit);
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

/* Phases come back after out / gcd samples: where no edge is near, weights are copied from there. */
static void resample_tabulate(struct resample_axis *a, int64_t whole, double *exact)
{
    const int64_t reach = 2 * RESAMPLE_LOBES * (int64_t) (a->in > a->out ? a->in : a->out), unit = 2 * (int64_t) a->out;
    const int64_t period = a->out / resample_gcd(a->in, a->out);
    const int taps = a->filter.taps;
    int64_t inner = -1; /* the first sample no edge is near to */
    for (int x = 0; x < a->out; x++) {
        const int64_t first = resample_floor_div((2 * (int64_t) x + 1) * a->in - a->out - reach, unit) + 1;
        const int64_t start = first < 0 ? 0 : first < a->in - taps ? first : a->in - taps;
        a->start[x] = (int32_t) start;
        const bool is_inner = first >= 0 && first + whole <= a->in;
        if (is_inner && inner < 0) inner = x;
        if (is_inner && x - period >= inner)
            memcpy(a->weights + (ptrdiff_t) x * taps, a->weights + (ptrdiff_t) (x - period) * taps, (size_t) taps * sizeof(float));
        else
            resample_sample(a, x, first, whole, exact);
    }
}

static void resample_axis_release(struct resample_axis *a)
{
    core_free(a->start);
    core_free(a->weights);
}

static int resample_axis_make(struct resample_axis *a, int in, int out, struct fm_error *error)
{
    *a = (struct resample_axis){.in = in, .out = out, .copies = in == out};
    const int64_t longer = in > out ? in : out, whole = (2 * RESAMPLE_LOBES * longer + out - 1) / out;
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
    resample_tabulate(a, whole, exact);
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

int resampler_create(int in_width, int in_height, int out_width, int out_height, struct resampler **out, struct fm_error *error)
{
    *out = NULL;
    const int sides[] = {in_width, in_height, out_width, out_height};
    for (int i = 0; i < 4; i++)
        if (sides[i] < 1 || sides[i] > RESAMPLE_SIDE_MAX)
            return core_fail(error, FM_ERR_ARGUMENT, "cannot resample %d x %d to %d x %d: sides are 1 to %d", in_width, in_height,
                out_width, out_height, RESAMPLE_SIDE_MAX);
    struct resampler *r = core_calloc(1, sizeof *r);
    if (!r) return core_fail_nomem(error, sizeof *r);
    int code = resample_axis_make(&r->x, in_width, out_width, error);
    if (code == FM_OK) code = resample_axis_make(&r->y, in_height, out_height, error);
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
