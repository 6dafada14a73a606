/* SPDX-License-Identifier: MIT */
/* Pooling over one to three axes: a window's maximum (with its place) or average, and both over everything. */
#include <float.h>
#include <math.h>

#include "core/alloc.h"
#include "graph/op_tools.h"

int op_pool_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *x = &in[0];
    struct op_window *window = &node->p.pool.window;
    int err = op_begin(node, in, out, 1, x->dtype, error);
    if (node->n_out > 1)
        out[1].dtype = FM_I64;
    if (!err)
        err = op_need_type(op_is_float(x->dtype) || (node->op == OP_MAX_POOL && x->dtype != FM_BOOL), x, error);
    if (!err)
        err = op_window_check(window, x, NULL, false, error);
    if (err)
        return err;
    op_window_resolve(window, &x->dim[2]);
    int64_t dim[FM_MAX_RANK] = {x->dim[0], x->dim[1]};
    for (int i = 0; i < window->n; i++) {
        dim[2 + i] = op_window_output(window, i, x->dim[2 + i], node->p.pool.ceil_mode || node->p.pool.ncnn_full);
        if (dim[2 + i] < 0) {
            char text[OP_SHAPE_TEXT];
            return core_fail(error, FM_ERR_SHAPE, "a window of %lld (dilation %lld) does not fit the padded input %s on axis %d",
                             (long long) window->kernel[i], (long long) window->dilation[i], op_shape_text(x, text), i);
        }
    }
    err = op_output(&out[0], x->dtype, x->rank, dim, error);
    return err || node->n_out < 2 ? err : op_output(&out[1], FM_I64, x->rank, dim, error);
}

/* The taps [first, last) of a window that lie inside [low, high) on one axis. */
struct span { int64_t first, last; };

static struct span taps_within(int64_t start, int64_t kernel, int64_t dilation, int64_t low, int64_t high)
{
    struct span s = {start < low ? (low - start + dilation - 1) / dilation : 0,
                     start < high ? (high - 1 - start) / dilation + 1 : 0};
    if (s.last > kernel)
        s.last = kernel;
    if (s.first > s.last)
        s.first = s.last;
    return s;
}

/* The places of one output's window: `at` is the first tap on each axis, `within` the taps that meet the input. */
struct place { int64_t at[3]; struct span within[3]; };

static struct place place_of(const struct op_window3 *w, int64_t output)
{
    struct place p;
    for (int i = 2; i >= 0; i--) {
        p.at[i] = output % w->out[i] * w->stride[i] - w->pad[i];
        p.within[i] = taps_within(p.at[i], w->kernel[i], w->dilation[i], 0, w->in[i]);
        output /= w->out[i];
    }
    return p;
}

/* NaN counts as larger than anything and stays. */
static bool is_larger(const struct fm_tensor *x, int64_t candidate, int64_t best)
{
    if (op_is_float(x->dtype)) {
        const double a = op_get_f(x, candidate), b = op_get_f(x, best);
        return a > b || (isnan(a) && !isnan(b));
    }
    const int64_t a = op_get_i(x, candidate), b = op_get_i(x, best);
    return x->dtype == FM_U64 ? (uint64_t) a > (uint64_t) b : a > b;
}

/* What a maximum over nothing is: the lowest finite value. */
static void set_lowest(struct fm_tensor *y, int64_t index)
{
    switch (y->dtype) {
    case FM_F32: case FM_BF16: op_set_f(y, index, (double) -FLT_MAX); break;
    case FM_F16: op_set_f(y, index, -65504.0); break;
    case FM_F64: op_set_f(y, index, -DBL_MAX); break;
    case FM_I8: op_set_i(y, index, INT8_MIN); break;
    case FM_I16: op_set_i(y, index, INT16_MIN); break;
    case FM_I32: op_set_i(y, index, INT32_MIN); break;
    case FM_I64: op_set_i(y, index, INT64_MIN); break;
    default: op_set_i(y, index, 0); break;
    }
}

static void copy_element(struct fm_tensor *y, int64_t to, const struct fm_tensor *x, int64_t from)
{
    if (op_is_float(x->dtype))
        op_set_f(y, to, op_get_f(x, from));
    else
        op_set_i(y, to, op_get_i(x, from));
}

/* Index of the window's largest element within the plane that starts at `base` (the first of equals), or -1. */
static int64_t find_max(const struct op_window3 *w, const struct place *p, const struct fm_tensor *x, int64_t base)
{
    int64_t best = -1;
    for (int64_t kz = p->within[0].first; kz < p->within[0].last; kz++)
        for (int64_t ky = p->within[1].first; ky < p->within[1].last; ky++)
            for (int64_t kx = p->within[2].first; kx < p->within[2].last; kx++) {
                const int64_t z = p->at[0] + kz * w->dilation[0], y = p->at[1] + ky * w->dilation[1];
                const int64_t i = (z * w->in[1] + y) * w->in[2] + p->at[2] + kx * w->dilation[2];
                if (best < 0 || is_larger(x, base + i, base + best))
                    best = i;
            }
    return best;
}

/* The same place counted with the outermost spatial axis running fastest. */
static int64_t column_major(const struct op_window3 *w, int64_t i)
{
    const int64_t x = i % w->in[2], y = i / w->in[2] % w->in[1], z = i / (w->in[2] * w->in[1]);
    return z + w->in[0] * (y + w->in[1] * x);
}

static double average(const struct graph_node *node, const struct op_window3 *w, const struct place *p, const double *plane)
{
    double sum = 0.0;
    int64_t count = 1;
    for (int i = 0; i < 3; i++) {
        if (node->p.pool.count_include_pad && !node->p.pool.ncnn_full) { /* padding counts, what hangs over it does not */
            const struct span s = taps_within(p->at[i], w->kernel[i], w->dilation[i], -w->pad[i], w->in[i] + w->pad_end[i]);
            count *= s.last - s.first;
        } else {
            count *= node->p.pool.count_include_pad ? w->kernel[i] : p->within[i].last - p->within[i].first;
        }
    }
    for (int64_t kz = p->within[0].first; kz < p->within[0].last; kz++)
        for (int64_t ky = p->within[1].first; ky < p->within[1].last; ky++)
            for (int64_t kx = p->within[2].first; kx < p->within[2].last; kx++) {
                const int64_t z = p->at[0] + kz * w->dilation[0], y = p->at[1] + ky * w->dilation[1];
                sum += plane[(z * w->in[1] + y) * w->in[2] + p->at[2] + kx * w->dilation[2]];
            }
    return count ? sum / (double) count : 0.0;
}

static void max_plane(const struct graph_node *node, const struct op_window3 *w, const struct fm_tensor *x, int64_t plane,
                      struct fm_tensor *out)
{
    const bool wants_indices = node->n_out > 1 && out[1].data;
    for (int64_t o = 0; o < w->out_volume; o++) {
        const struct place p = place_of(w, o);
        const int64_t to = plane * w->out_volume + o, base = plane * w->in_volume;
        const int64_t best = find_max(w, &p, x, base);
        if (out[0].data && best >= 0)
            copy_element(&out[0], to, x, base + best);
        else if (out[0].data)
            set_lowest(&out[0], to);
        if (wants_indices)
            op_set_i(&out[1], to, best < 0 ? -1 : base + (node->p.pool.column_major ? column_major(w, best) : best));
    }
}

int op_pool_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *x = &in[0];
    if (fm_tensor_count(&out[0]) == 0)
        return FM_OK;
    struct op_window window = node->p.pool.window;
    op_window_resolve(&window, &x->dim[2]);
    struct op_window3 w;
    op_window3_make(&w, &window, x, &out[0]);
    const int64_t planes = x->dim[0] * x->dim[1];
    if (node->op == OP_MAX_POOL) {
        for (int64_t plane = 0; plane < planes; plane++)
            max_plane(node, &w, x, plane, out);
        return FM_OK;
    }
    double *source = op_scratch(w.in_volume, sizeof(*source), error);
    if (!source)
        return FM_ERR_NOMEM;
    for (int64_t plane = 0; plane < planes; plane++) {
        op_load_f64(x, plane * w.in_volume, w.in_volume, source);
        for (int64_t o = 0; o < w.out_volume; o++) {
            const struct place p = place_of(&w, o);
            op_set_f(&out[0], plane * w.out_volume + o, average(node, &w, &p, source));
        }
    }
    core_free(source);
    return FM_OK;
}

/* --- over everything ------------------------------------------------------------------------------------------------------- */

int op_global_pool_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *x = &in[0];
    int err = op_begin(node, in, out, 1, x->dtype, error);
    if (!err)
        err = op_need_type(op_is_float(x->dtype), x, error);
    if (err)
        return err;
    if (x->rank < 2)
        return core_fail(error, FM_ERR_SHAPE, "the input must have a batch and a channel dimension");
    int64_t dim[FM_MAX_RANK] = {x->dim[0], x->dim[1]};
    for (int i = 2; i < x->rank; i++) {
        if (x->dim[i] == 0)
            return core_fail(error, FM_ERR_SHAPE, "nothing to pool: axis %d is empty", i);
        dim[i] = 1;
    }
    return op_output(&out[0], x->dtype, x->rank, dim, error);
}

int op_global_pool_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    (void) error;
    const struct fm_tensor *x = &in[0];
    const int64_t planes = fm_tensor_count(&out[0]);
    const int64_t size = planes ? fm_tensor_count(x) / planes : 0;
    for (int64_t plane = 0; plane < planes; plane++) {
        double best = -INFINITY, sum = 0.0;
        for (int64_t i = 0; i < size; i++) {
            const double v = op_get_f(x, plane * size + i);
            sum += v;
            if (v > best || isnan(v))
                best = v;
        }
        op_set_f(&out[0], plane, node->op == OP_GLOBAL_MAX_POOL ? (isnan(sum) && isnan(best) ? NAN : best) : sum / (double) size);
    }
    return FM_OK;
}
