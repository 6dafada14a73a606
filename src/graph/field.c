/* SPDX-License-Identifier: MIT */
/* One forward walk. For every value that depends on input 0 a span says where its picture axes are, its scale against the input, and
 * the interval of input positions that one of its pixels sees:
 *     pixel p sees input  p / scale + [low, high]
 * A window with stride t, padding b and reach e reads pixels p * t - b + [0, e] of a value with scale s, which are input positions
 *     p * (t / s) + [low - b / s, high + (e - b) / s]     so its result has scale s / t.
 * Every rule is of that form or says why the node has none. Intervals only ever grow: the answer is safe, not tight. */
#include "graph/field.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "graph/edit.h"
#include "graph/op.h"

#define ALIGN_MAX 4096
#define PHASES_MAX 64
/* The intervals are sums of fractions in double: this much is rounding. */
#define ROUNDING 1e-6

static const char whole_picture[] = "sees the whole picture";
static const char by_place[] = "depends on the place in the picture";
static const char mixes[] = "mixes the axes of the picture";
static const char unknown[] = "has no rule for tiles";

struct span {
    bool seen;   /* depends on input 0 */
    bool folds;  /* pixels at the edge see mirrored ones */
    int axis[2]; /* of the value; y, x or, 1-D, the only one */
    int64_t num[2], den[2];
    double low[2], high[2];
};

struct field {
    const struct graph *graph;
    struct span *span; /* [n_values] */
    int spatial;
    int64_t align[2];
    const struct graph_node *node;
};

static double scale_of(const struct span *s, int d) { return (double) s->num[d] / (double) s->den[d]; }

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        const int64_t c = a % b;
        a = b;
        b = c;
    }
    return a;
}

/* Multiplies the scale by num / den; false when the grid gets too coarse. */
static bool rescale(struct field *f, struct span *s, int d, int64_t num, int64_t den)
{
    if (num < 1 || den < 1 || num > ALIGN_MAX || den > ALIGN_MAX)
        return false;
    s->num[d] *= num;
    s->den[d] *= den;
    const int64_t common = gcd(s->num[d], s->den[d]);
    s->num[d] /= common;
    s->den[d] /= common;
    if (s->num[d] > ALIGN_MAX || s->den[d] > ALIGN_MAX)
        return false;
    f->align[d] = f->align[d] / gcd(f->align[d], s->den[d]) * s->den[d];
    return f->align[d] <= ALIGN_MAX;
}

/* The interval grows by [low, high] pixels of the value. */
static void widen(struct span *s, int d, double low, double high)
{
    const double scale = scale_of(s, d);
    s->low[d] += low / scale;
    s->high[d] += high / scale;
}

static const struct graph_value *value_of(const struct field *f, int value) { return &f->graph->value[value]; }
static bool is_seen(const struct field *f, int value) { return value >= 0 && f->span[value].seen; }

static int picture_axis(const struct field *f, const struct span *s, int axis)
{
    for (int d = 0; d < f->spatial; d++)
        if (s->axis[d] == axis)
            return d;
    return -1;
}

/* Small integer constants; -1 when they are not known. */
static int ints(const struct field *f, int value, int max, int64_t *to)
{
    if (!graph_is_constant(f->graph, value))
        return -1;
    const struct fm_tensor t = graph_tensor(f->graph, value);
    const int64_t count = fm_tensor_count(&t);
    if (count < 0 || count > max || (t.dtype != FM_I64 && t.dtype != FM_I32))
        return -1;
    for (int64_t i = 0; i < count; i++) {
        int32_t narrow;
        if (t.dtype == FM_I64) {
            memcpy(&to[i], (const uint8_t *) t.data + 8 * i, 8);
        } else {
            memcpy(&narrow, (const uint8_t *) t.data + 4 * i, 4);
            to[i] = narrow;
        }
    }
    return (int) count;
}

/* ---- joins of several values ---- */

/* True when a value that is not seen is the same at every place of the picture whose axes are given (in the result, of rank `rank`). */
static bool is_even(const struct field *f, int value, const struct span *out, int rank)
{
    const struct graph_value *v = value_of(f, value);
    bool even = true;
    for (int d = 0; d < f->spatial; d++) {
        const int axis = out->axis[d] - (rank - v->rank);
        even = even && (axis < 0 || v->dim[axis] == 1);
    }
    if (even || !v->data)
        return even;
    const struct fm_tensor t = graph_tensor(f->graph, value);
    const int64_t count = fm_tensor_count(&t);
    const size_t size = fm_dtype_size(v->dtype);
    for (int64_t i = 1; i < count; i++) /* a plane of one number */
        if (memcmp(v->data, (const uint8_t *) v->data + (size_t) i * size, size))
            return false;
    return true;
}

static const char *join(const struct field *f, struct span *out, bool first, const struct span *in, int shift)
{
    for (int d = 0; d < f->spatial; d++) {
        if (first) {
            out->axis[d] = in->axis[d] + shift;
            out->num[d] = in->num[d];
            out->den[d] = in->den[d];
            out->low[d] = in->low[d];
            out->high[d] = in->high[d];
        } else if (out->axis[d] != in->axis[d] + shift || out->num[d] != in->num[d] || out->den[d] != in->den[d]) {
            return "joins pictures of different scale";
        }
        out->low[d] = fmin(out->low[d], in->low[d]);
        out->high[d] = fmax(out->high[d], in->high[d]);
    }
    out->folds = out->folds || in->folds;
    out->seen = true;
    return NULL;
}

/* Results that have, at each place, something of each input's same place. */
static const char *pointwise(struct field *f, const struct graph_node *node, struct span *out)
{
    const int rank = value_of(f, node->out[0])->rank;
    const char *why = NULL;
    bool first = true;
    for (int k = 0; k < node->n_in && !why; k++)
        if (is_seen(f, node->in[k])) {
            why = join(f, out, first, &f->span[node->in[k]], rank - value_of(f, node->in[k])->rank);
            first = false;
        }
    for (int k = 0; k < node->n_in && !why; k++)
        if (node->in[k] >= 0 && !is_seen(f, node->in[k]) && !is_even(f, node->in[k], out, rank))
            why = by_place;
    for (int d = 0; d < f->spatial && !why; d++)
        for (int k = 0; k < node->n_in && !why; k++)
            if (is_seen(f, node->in[k]) && value_of(f, node->in[k])->dim[f->span[node->in[k]].axis[d]] != value_of(f, node->out[0])->dim[out->axis[d]])
                why = whole_picture; /* one pixel is spread over all */
    return why;
}

/* ---- windows ---- */

static const char *windowed(struct field *f, const struct op_window *w, struct span *s)
{
    if (w->n != f->spatial || w->auto_pad != AUTO_PAD_NOTSET)
        return unknown;
    for (int d = 0; d < w->n; d++) {
        if (s->axis[d] != d + 2)
            return mixes;
        widen(s, d, (double) -w->pad_begin[d], (double) ((w->kernel[d] - 1) * w->dilation[d] - w->pad_begin[d]));
        if (!rescale(f, s, d, 1, w->stride[d]))
            return "has too large a stride";
    }
    return NULL;
}

static const char *spread(struct field *f, const struct graph_node *node, struct span *s)
{
    const struct op_window *w = &node->p.conv.window;
    if (w->n != f->spatial || w->auto_pad != AUTO_PAD_NOTSET || node->p.conv.has_output_shape)
        return unknown;
    for (int d = 0; d < w->n; d++) {
        const double reach = (double) ((w->kernel[d] - 1) * w->dilation[d]), t = (double) w->stride[d];
        if (s->axis[d] != d + 2)
            return mixes;
        widen(s, d, ((double) w->pad_begin[d] - reach) / t, (double) w->pad_begin[d] / t);
        if (!rescale(f, s, d, w->stride[d], 1))
            return "has too large a stride";
    }
    return NULL;
}

static const char *to_space(struct field *f, int64_t size, struct span *s)
{
    for (int d = 0; d < f->spatial; d++) {
        if (f->spatial != 2 || s->axis[d] != d + 2)
            return mixes;
        widen(s, d, -(double) (size - 1) / (double) size, 0.0);
        if (!rescale(f, s, d, size, 1))
            return "has too large a block";
    }
    return NULL;
}

static const char *to_depth(struct field *f, int64_t size, struct span *s)
{
    for (int d = 0; d < f->spatial; d++) {
        if (f->spatial != 2 || s->axis[d] != d + 2)
            return mixes;
        widen(s, d, 0.0, (double) (size - 1));
        if (!rescale(f, s, d, 1, size))
            return "has too large a block";
    }
    return NULL;
}

static const char *convolution(struct field *f, const struct graph_node *node, struct span *s)
{
    if (is_seen(f, node->in[1]) || (node->n_in > 2 && is_seen(f, node->in[2])))
        return "has weights that depend on the picture";
    *s = f->span[node->in[0]];
    const char *why = node->op == OP_CONV ? windowed(f, &node->p.conv.window, s) : spread(f, node, s);
    if (!why && node->n_in > 4 && node->in[4] >= 0)
        why = is_seen(f, node->in[4]) ? join(f, s, false, &f->span[node->in[4]], 0) : by_place;
    if (!why && node->op == OP_CONV && node->p.conv.epilogue.shuffle > 1)
        why = to_space(f, node->p.conv.epilogue.shuffle, s);
    return why;
}

/* ---- resize ---- */

/* Where along the input result pixel p lies, for a scale of num / den. */
static double origin(const struct graph_node *node, int64_t p, double scale)
{
    switch (node->p.resize.coordinates) {
    case COORD_ASYMMETRIC: return (double) p / scale;
    case COORD_TF_HALF_PIXEL_FOR_NN: return ((double) p + 0.5) / scale;
    default: return ((double) p + 0.5) / scale - 0.5;
    }
}

static void taps(const struct graph_node *node, double x, double scale, double *first, double *last)
{
    const double stretch = node->p.resize.antialias && scale < 1.0 ? 1.0 / scale : 1.0;
    switch (node->p.resize.mode) {
    case RESIZE_NEAREST: /* halves go either way, floors and ceilings of numbers that were rounded too */
        *first = node->p.resize.nearest == NEAREST_CEIL ? ceil(x - ROUNDING) : ceil(x - 0.5 - ROUNDING);
        *last = node->p.resize.nearest == NEAREST_FLOOR ? floor(x + ROUNDING) : floor(x + 0.5 + ROUNDING);
        if (node->p.resize.nearest == NEAREST_CEIL)
            *last = ceil(x + ROUNDING);
        if (node->p.resize.nearest == NEAREST_FLOOR)
            *first = floor(x - ROUNDING);
        break;
    case RESIZE_LINEAR:
        *first = floor(x - stretch + 1.0 - ROUNDING);
        *last = ceil(x + stretch - 1.0 + ROUNDING);
        if (*last < *first + 1.0)
            *last = *first + 1.0;
        break;
    default:
        *first = floor(x - 2.0 * stretch + 1.0 - ROUNDING);
        *last = ceil(x + 2.0 * stretch - 1.0 + ROUNDING);
        break;
    }
    if (stretch > 1.0) { /* the filter's ends are cut to whole pixels on one side or the other */
        *first -= 1.0;
        *last += 1.0;
    }
}

/* The scale that the file states for an axis must be the ratio of the sizes exactly, or positions drift along the picture. */
static bool scale_is_exact(const struct field *f, const struct graph_node *node, int rank, int axis, double ratio)
{
    if (node->n_in < 3 || node->in[2] < 0)
        return node->p.resize.aspect == ASPECT_STRETCH;
    const struct fm_tensor t = graph_tensor(f->graph, node->in[2]);
    if (!t.data || !op_is_float(t.dtype))
        return false;
    if (fm_tensor_count(&t) == 0)
        return node->p.resize.aspect == ASPECT_STRETCH;
    const int n = node->p.resize.n_axes ? node->p.resize.n_axes : rank;
    if (fm_tensor_count(&t) != n)
        return false;
    for (int i = 0; i < n; i++)
        if (op_axis(node->p.resize.n_axes ? node->p.resize.axes[i] : i, rank) == axis) {
            float scale;
            op_read_f32(&scale, t.dtype, t.data, i, 1);
            return (double) scale == ratio;
        }
    return ratio == 1.0;
}

static const char *resize(struct field *f, const struct graph_node *node, struct span *s)
{
    const struct graph_value *x = value_of(f, node->in[0]), *y = value_of(f, node->out[0]);
    const enum op_coordinates c = node->p.resize.coordinates;
    *s = f->span[node->in[0]];
    if (c == COORD_ALIGN_CORNERS)
        return "aligns corners, so its phase depends on the place";
    if (c == COORD_TF_CROP_AND_RESIZE)
        return by_place;
    for (int a = 0; a < x->rank; a++) {
        const int d = picture_axis(f, s, a);
        if (d < 0 && x->dim[a] != y->dim[a])
            return unknown;
        if (d < 0)
            continue;
        const int64_t in = x->dim[a], out = y->dim[a];
        if (in < 1 || out < 1 || (in % out && out % in))
            return "resizes by a ratio that is not whole, so its phase depends on the place";
        const double scale = (double) out / (double) in;
        if (!scale_is_exact(f, node, x->rank, a, scale))
            return "states a scale that is not the ratio of its sizes, so its phase depends on the place";
        if (in == out && c != COORD_TF_HALF_PIXEL_FOR_NN)
            continue;
        const int64_t up = out > in ? out / in : 1, down = in > out ? in / out : 1;
        if (up > PHASES_MAX || down > ALIGN_MAX)
            return "has too large a ratio";
        double low = INFINITY, high = -INFINITY;
        for (int64_t p = 0; p < up; p++) {
            double first, last;
            taps(node, origin(node, p, scale), scale, &first, &last);
            low = fmin(low, first - (double) p / scale);
            high = fmax(high, last - (double) p / scale);
        }
        widen(s, d, low, high);
        if (!rescale(f, s, d, up, down))
            return "has too large a ratio";
    }
    return NULL;
}

/* ---- layout ---- */

static const char *slice(struct field *f, const struct graph_node *node, struct span *s)
{
    int64_t start[FM_MAX_RANK], axis[FM_MAX_RANK], step[FM_MAX_RANK];
    const struct graph_value *x = value_of(f, node->in[0]);
    const int n = ints(f, node->in[1], FM_MAX_RANK, start);
    *s = f->span[node->in[0]];
    if (n < 0 || (node->n_in > 3 && node->in[3] >= 0 && ints(f, node->in[3], FM_MAX_RANK, axis) != n))
        return by_place;
    const bool steps = node->n_in > 4 && node->in[4] >= 0;
    if (steps && ints(f, node->in[4], FM_MAX_RANK, step) != n)
        return by_place;
    for (int i = 0; i < n; i++) {
        const int a = op_axis(node->n_in > 3 && node->in[3] >= 0 ? axis[i] : i, x->rank);
        const int d = picture_axis(f, s, a);
        if (d < 0)
            continue;
        if (steps && step[i] < 1)
            return "turns the picture round";
        if (start[i] < 0 && start[i] + x->dim[a] > 0)
            return by_place;
        const int64_t first = start[i] < 0 ? 0 : start[i] > x->dim[a] ? x->dim[a] : start[i];
        widen(s, d, (double) first, (double) first);
        if (!rescale(f, s, d, 1, steps ? step[i] : 1))
            return "has too large a step";
    }
    return NULL;
}

static const char *pad(struct field *f, const struct graph_node *node, struct span *s)
{
    int64_t amount[2 * FM_MAX_RANK], axis[FM_MAX_RANK];
    const struct graph_value *x = value_of(f, node->in[0]);
    const int n = ints(f, node->in[1], 2 * FM_MAX_RANK, amount) / 2;
    *s = f->span[node->in[0]];
    const bool listed = node->n_in > 3 && node->in[3] >= 0;
    if (ints(f, node->in[1], 2 * FM_MAX_RANK, amount) < 0 || (listed && ints(f, node->in[3], FM_MAX_RANK, axis) != n))
        return by_place;
    for (int i = 0; i < n; i++) {
        const int d = picture_axis(f, s, op_axis(listed ? axis[i] : i, x->rank));
        if (d < 0)
            continue;
        if (node->p.pad.mode == PAD_WRAP && (amount[i] || amount[n + i]))
            return whole_picture;
        widen(s, d, (double) -amount[i], (double) -amount[i]);
        s->folds = s->folds || node->p.pad.mode != PAD_CONSTANT;
    }
    return NULL;
}

/* A reshape leaves an axis alone when one of the same size has as many elements behind it. */
static const char *reshape(struct field *f, const struct graph_node *node, struct span *s)
{
    const struct graph_value *x = value_of(f, node->in[0]), *y = value_of(f, node->out[0]);
    *s = f->span[node->in[0]];
    int previous = -1;
    for (int d = 0; d < f->spatial; d++) {
        int64_t behind = 1, seen = 1;
        int found = -1;
        for (int a = x->rank - 1; a > s->axis[d]; a--)
            behind *= x->dim[a];
        for (int b = y->rank - 1; b >= 0; b--) {
            if (seen == behind && y->dim[b] == x->dim[s->axis[d]] && b != previous && found < 0)
                found = b;
            seen *= y->dim[b];
        }
        if (found < 0)
            return mixes;
        s->axis[d] = previous = found;
    }
    return NULL;
}

static const char *transpose(struct field *f, const struct graph_node *node, struct span *s)
{
    const struct graph_value *x = value_of(f, node->in[0]);
    *s = f->span[node->in[0]];
    for (int d = 0; d < f->spatial; d++) {
        int found = -1;
        for (int i = 0; i < x->rank; i++)
            if ((node->p.perm.n ? node->p.perm.perm[i] : x->rank - 1 - i) == s->axis[d])
                found = i;
        if (found < 0)
            return mixes;
        s->axis[d] = found;
    }
    return NULL;
}

/* Operators that work along one axis and leave the others alone. */
static const char *along(struct field *f, const struct graph_node *node, int64_t axis, struct span *s)
{
    *s = f->span[node->in[0]];
    const int a = op_axis(axis, value_of(f, node->in[0])->rank);
    return a < 0 || picture_axis(f, s, a) >= 0 ? whole_picture : NULL;
}

static const char *softmax(struct field *f, const struct graph_node *node, struct span *s)
{
    const char *why = along(f, node, node->p.axis.axis, s);
    const int axis = op_axis(node->p.axis.axis, value_of(f, node->in[0])->rank);
    for (int d = 0; d < f->spatial && !why && node->p.axis.flag; d++)
        if (axis <= s->axis[d])
            why = whole_picture; /* the old form: everything from the axis on */
    return why;
}

static const char *layer_norm(struct field *f, const struct graph_node *node, struct span *s)
{
    const int axis = op_axis(node->p.norm.axis, value_of(f, node->in[0])->rank);
    *s = f->span[node->in[0]];
    for (int d = 0; d < f->spatial; d++)
        if (axis <= s->axis[d])
            return whole_picture;
    return NULL;
}

static const char *reduce(struct field *f, const struct graph_node *node, struct span *s)
{
    int64_t axis[FM_MAX_RANK];
    const int rank = value_of(f, node->in[0])->rank, listed = node->n_in > 1 && node->in[1] >= 0;
    const bool arg = node->op == OP_ARG_MAX || node->op == OP_ARG_MIN;
    int n = 0;
    *s = f->span[node->in[0]];
    if (arg)
        axis[n++] = node->p.reduce.axis;
    else if (listed && (n = ints(f, node->in[1], FM_MAX_RANK, axis)) < 0)
        return whole_picture;
    if (n == 0)
        return node->p.reduce.no_op_if_no_axes ? NULL : whole_picture;
    int gone[2] = { 0, 0 };
    for (int i = 0; i < n; i++) {
        const int a = op_axis(axis[i], rank);
        if (a < 0 || picture_axis(f, s, a) >= 0)
            return whole_picture;
        for (int d = 0; d < f->spatial; d++)
            gone[d] += a < s->axis[d];
    }
    for (int d = 0; d < f->spatial && !node->p.reduce.keep_dims; d++)
        s->axis[d] -= gone[d];
    return NULL;
}

static const char *gather(struct field *f, const struct graph_node *node, struct span *s)
{
    if (is_seen(f, node->in[1]) || !is_seen(f, node->in[0]))
        return by_place;
    const char *why = along(f, node, node->p.axis.axis, s);
    const int axis = op_axis(node->p.axis.axis, value_of(f, node->in[0])->rank);
    for (int d = 0; d < f->spatial && !why; d++)
        if (s->axis[d] > axis)
            s->axis[d] += value_of(f, node->in[1])->rank - 1;
    return why;
}

/* Products with a constant matrix along an axis that is not the picture's are pointwise convolutions. */
static const char *matmul(struct field *f, const struct graph_node *node, struct span *s)
{
    const int seen = is_seen(f, node->in[0]) ? 0 : 1;
    const struct graph_value *x = value_of(f, node->in[seen]), *m = value_of(f, node->in[1 - seen]), *y = value_of(f, node->out[0]);
    *s = f->span[node->in[seen]];
    if (is_seen(f, node->in[1 - seen]) || m->rank != 2 || y->rank != x->rank)
        return whole_picture;
    return picture_axis(f, s, seen == 0 ? x->rank - 1 : x->rank - 2) >= 0 ? whole_picture : NULL;
}

/* Shapes that end alike: leading axes are added, none of the picture's is repeated. */
static const char *expand(struct field *f, const struct graph_node *node, struct span *s)
{
    const struct graph_value *x = value_of(f, node->in[0]), *y = value_of(f, node->out[0]);
    *s = f->span[node->in[0]];
    for (int d = 0; d < f->spatial; d++) {
        const int axis = s->axis[d] + y->rank - x->rank;
        if (y->dim[axis] != x->dim[s->axis[d]])
            return whole_picture;
        s->axis[d] = axis;
    }
    return NULL;
}

static const char *rule(struct field *f, const struct graph_node *node, struct span *s)
{
    for (int k = 0; k < node->n_in; k++)
        if (node->in[k] >= 0 && !graph_shape_known(value_of(f, node->in[k])))
            return "has a shape that depends on data";
    for (int k = 0; k < node->n_out; k++)
        if (node->out[k] >= 0 && !graph_shape_known(value_of(f, node->out[k])))
            return "has a shape that depends on data";
    if (node->out[0] < 0)
        return unknown;
    switch (node->op) {
    case OP_CONV: case OP_CONV_TRANSPOSE: return convolution(f, node, s);
    case OP_MAX_POOL:
        if (node->n_out > 1 && node->out[1] >= 0)
            return "gives places in the picture";
        /* fall through */
    case OP_AVERAGE_POOL: *s = f->span[node->in[0]]; return windowed(f, &node->p.pool.window, s);
    case OP_GLOBAL_AVERAGE_POOL: case OP_GLOBAL_MAX_POOL: case OP_INSTANCE_NORM: case OP_GROUP_NORM: return whole_picture;
    case OP_BATCH_NORM: *s = f->span[node->in[0]]; return node->p.norm.training ? whole_picture : NULL;
    case OP_LAYER_NORM: return layer_norm(f, node, s);
    case OP_CONCAT: {
        const char *why = pointwise(f, node, s);
        return why ? why : picture_axis(f, s, op_axis(node->p.axis.axis, value_of(f, node->out[0])->rank)) >= 0 ? mixes : NULL;
    }
    case OP_SPLIT: case OP_TOP_K: case OP_CUM_SUM:
        if (node->op == OP_SPLIT)
            return along(f, node, node->p.axis.axis, s);
        if (node->op == OP_CUM_SUM) {
            int64_t axis;
            return ints(f, node->in[1], 1, &axis) == 1 ? along(f, node, axis, s) : unknown;
        }
        return along(f, node, node->p.reduce.axis, s);
    case OP_SLICE: return slice(f, node, s);
    case OP_PAD: return pad(f, node, s);
    case OP_RESIZE: return resize(f, node, s);
    case OP_DEPTH_TO_SPACE: *s = f->span[node->in[0]]; return to_space(f, node->p.block.size, s);
    case OP_SPACE_TO_DEPTH: *s = f->span[node->in[0]]; return to_depth(f, node->p.block.size, s);
    case OP_TRANSPOSE: return transpose(f, node, s);
    case OP_RESHAPE: case OP_FLATTEN: case OP_SQUEEZE: case OP_UNSQUEEZE: return reshape(f, node, s);
    case OP_EXPAND: case OP_TILE: return expand(f, node, s);
    case OP_GATHER: return gather(f, node, s);
    case OP_SOFTMAX: case OP_LOG_SOFTMAX: return softmax(f, node, s);
    case OP_MATMUL: return matmul(f, node, s);
    case OP_DEQUANTIZE_LINEAR: *s = f->span[node->in[0]]; return is_seen(f, node->in[0]) ? NULL : by_place;
    case OP_SHAPE: case OP_SIZE: return "depends on the size of the picture";
    case OP_REDUCE_MEAN: case OP_REDUCE_SUM: case OP_REDUCE_MAX: case OP_REDUCE_MIN: case OP_REDUCE_PROD: case OP_REDUCE_L1:
    case OP_REDUCE_L2: case OP_REDUCE_SUM_SQUARE: case OP_REDUCE_LOG_SUM: case OP_REDUCE_LOG_SUM_EXP: case OP_ARG_MAX: case OP_ARG_MIN:
        return reduce(f, node, s);
    case OP_GEMM: case OP_EINSUM: return whole_picture;
    case OP_GATHER_ELEMENTS: case OP_GATHER_ND: case OP_SCATTER_ND: case OP_TRILU: case OP_NON_MAX_SUPPRESSION: case OP_RANGE:
    case OP_CONSTANT_OF_SHAPE: case OP_IF: case OP_COUNT: return unknown;
    default: return pointwise(f, node, s); /* all that is left is elementwise */
    }
}

/* ---- the whole ---- */

/* Nodes that output 0 needs. */
static void mark_needed(const struct graph *graph, uint8_t *needed)
{
    needed[graph->output[0]] = 1;
    for (int i = graph->n_nodes - 1; i >= 0; i--) {
        const struct graph_node *node = &graph->node[i];
        bool live = false;
        for (int k = 0; k < node->n_out; k++)
            live = live || (node->out[k] >= 0 && needed[node->out[k]]);
        for (int k = 0; k < node->n_in && live; k++)
            if (node->in[k] >= 0)
                needed[node->in[k]] = 1;
    }
}

/* Fills `why` when a node stands in the way. */
static const char *walk(struct field *f, const uint8_t *needed)
{
    for (int i = 0; i < f->graph->n_nodes; i++) {
        const struct graph_node *node = &f->graph->node[i];
        bool reads = false, live = false;
        for (int k = 0; k < node->n_in; k++)
            reads = reads || is_seen(f, node->in[k]);
        for (int k = 0; k < node->n_out; k++)
            live = live || (node->out[k] >= 0 && needed[node->out[k]]);
        if (!reads || !live)
            continue;
        struct span s = { .seen = true };
        f->node = node;
        const char *why = rule(f, node, &s);
        if (why)
            return why;
        s.seen = true;
        for (int k = 0; k < node->n_out; k++)
            if (node->out[k] >= 0)
                f->span[node->out[k]] = s;
    }
    f->node = NULL;
    return NULL;
}

static const char *finish(struct field *f, struct graph_field *out)
{
    const struct graph *graph = f->graph;
    const struct graph_value *x = value_of(f, graph->input[0]), *y = value_of(f, graph->output[0]);
    struct span *s = &f->span[graph->output[0]];
    if (!s->seen)
        return "output 0 does not depend on input 0";
    if (!graph_shape_known(y) || y->rank != x->rank)
        return "output 0 is not a picture";
    out->spatial = f->spatial;
    double reach = 0.0;
    for (int d = 0; d < f->spatial; d++) {
        if (s->axis[d] != d + 2)
            return "output 0 is not a picture";
        if (s->folds) { /* what lies beyond an edge is found as far inside */
            const double far = fmax(-s->low[d], s->high[d]);
            s->low[d] = -far;
            s->high[d] = far;
        }
        out->scale_num[d] = s->num[d];
        out->scale_den[d] = s->den[d];
        out->low[d] = s->low[d];
        out->high[d] = s->high[d];
        out->align[d] = f->align[d];
        const int64_t whole = x->dim[d + 2] / s->den[d] * s->num[d] + x->dim[d + 2] % s->den[d] * s->num[d] / s->den[d];
        out->delta[d] = y->dim[d + 2] - whole;
        reach = fmax(reach, fmax(-s->low[d], s->high[d]));
    }
    out->halo = (int64_t) ceil(reach - ROUNDING);
    out->bounded = true;
    return NULL;
}

static void count_work(const struct graph *graph, uint8_t *counted, struct graph_field *out)
{
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct graph_node *node = &graph->node[i];
        if (!core_add_i64(out->macs, graph_node_macs(graph, node), &out->macs))
            out->macs = INT64_MAX;
        for (int k = 0; k < node->n_in; k++) {
            const int v = node->in[k];
            if (!graph_is_constant(graph, v) || counted[v] || !op_is_float(graph->value[v].dtype))
                continue;
            const struct fm_tensor t = graph_tensor(graph, v);
            counted[v] = 1;
            out->parameters += fm_tensor_count(&t);
        }
    }
}

int graph_field(const struct graph *graph, struct graph_field *out)
{
    struct field f = { .graph = graph, .align = { 1, 1 } };
    const size_t n = (size_t) graph->n_values + 1;
    *out = (struct graph_field){ .scale_num = { 1, 1 }, .scale_den = { 1, 1 }, .align = { 1, 1 } };
    uint8_t *mark = core_calloc(n, 1);
    f.span = core_calloc(n, sizeof(*f.span));
    if (!mark || !f.span) {
        core_free(mark);
        core_free(f.span);
        return FM_ERR_NOMEM;
    }
    count_work(graph, mark, out);
    const char *why = NULL;
    const struct graph_value *x = graph->n_inputs ? value_of(&f, graph->input[0]) : NULL;
    f.spatial = x && graph_shape_known(x) ? x->rank - 2 : 0;
    if (f.spatial < 1 || f.spatial > 2 || graph->n_outputs < 1) {
        why = "input 0 is not a picture";
    } else {
        struct span *s = &f.span[graph->input[0]];
        s->seen = true;
        for (int d = 0; d < f.spatial; d++) {
            s->axis[d] = d + 2;
            s->num[d] = s->den[d] = 1;
        }
        memset(mark, 0, n);
        mark_needed(graph, mark);
        why = walk(&f, mark);
        if (!why)
            why = finish(&f, out);
    }
    if (why && f.node)
        snprintf(out->reason, sizeof(out->reason), "node '%.100s' (%.40s) %s", f.node->name, f.node->type, why);
    else if (why)
        snprintf(out->reason, sizeof(out->reason), "%s", why);
    core_free(mark);
    core_free(f.span);
    return FM_OK;
}
