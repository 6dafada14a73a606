/* SPDX-License-Identifier: MIT */
/* Spans over windows, sums and reductions, and which rule is whose. */
#include "graph/field_rules.h"

#include <math.h>
#include <string.h>

#include "graph/edit.h"
#include "graph/op.h"

#define ALIGN_MAX 4096

const char field_whole_picture[] = "sees the whole picture";
const char field_by_place[] = "depends on the place in the picture";
const char field_mixes[] = "mixes the axes of the picture";
const char field_unknown[] = "has no rule for tiles";

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
bool field_rescale(struct field *f, struct span *s, int d, int64_t num, int64_t den)
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
void field_widen(struct span *s, int d, double low, double high)
{
    const double scale = scale_of(s, d);
    s->low[d] += low / scale;
    s->high[d] += high / scale;
}

const struct graph_value *field_value(const struct field *f, int value) { return &f->graph->value[value]; }
bool field_is_seen(const struct field *f, int value) { return value >= 0 && f->span[value].seen; }

int field_picture_axis(const struct field *f, const struct span *s, int axis)
{
    for (int d = 0; d < f->spatial; d++)
        if (s->axis[d] == axis)
            return d;
    return -1;
}

/* Small integer constants; -1 when they are not known. */
int field_ints(const struct field *f, int value, int max, int64_t *to)
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

/* True when a value that is not seen is the same at every place of the picture whose axes are given (in the result, of rank
 * `rank`). */
static bool is_even(const struct field *f, int value, const struct span *out, int rank)
{
    const struct graph_value *v = field_value(f, value);
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
    const int rank = field_value(f, node->out[0])->rank;
    const char *why = NULL;
    bool first = true;
    for (int k = 0; k < node->n_in && !why; k++)
        if (field_is_seen(f, node->in[k])) {
            why = join(f, out, first, &f->span[node->in[k]], rank - field_value(f, node->in[k])->rank);
            first = false;
        }
    for (int k = 0; k < node->n_in && !why; k++)
        if (node->in[k] >= 0 && !field_is_seen(f, node->in[k]) && !is_even(f, node->in[k], out, rank))
            why = field_by_place;
    for (int d = 0; d < f->spatial && !why; d++)
        for (int k = 0; k < node->n_in && !why; k++)
            if (field_is_seen(f, node->in[k]) &&
                field_value(f, node->in[k])->dim[f->span[node->in[k]].axis[d]] != field_value(f, node->out[0])->dim[out->axis[d]])
                why = field_whole_picture; /* one pixel is spread over all */
    return why;
}

/* ---- windows ---- */

static const char *windowed(struct field *f, const struct op_window *w, struct span *s)
{
    if (w->n != f->spatial || w->auto_pad != AUTO_PAD_NOTSET)
        return field_unknown;
    for (int d = 0; d < w->n; d++) {
        if (s->axis[d] != d + 2)
            return field_mixes;
        field_widen(s, d, (double) -w->pad_begin[d], (double) ((w->kernel[d] - 1) * w->dilation[d] - w->pad_begin[d]));
        if (!field_rescale(f, s, d, 1, w->stride[d]))
            return "has too large a stride";
    }
    return NULL;
}

static const char *spread(struct field *f, const struct graph_node *node, struct span *s)
{
    const struct op_window *w = &node->p.conv.window;
    if (w->n != f->spatial || w->auto_pad != AUTO_PAD_NOTSET || node->p.conv.has_output_shape)
        return field_unknown;
    for (int d = 0; d < w->n; d++) {
        const double reach = (double) ((w->kernel[d] - 1) * w->dilation[d]), t = (double) w->stride[d];
        if (s->axis[d] != d + 2)
            return field_mixes;
        field_widen(s, d, ((double) w->pad_begin[d] - reach) / t, (double) w->pad_begin[d] / t);
        if (!field_rescale(f, s, d, w->stride[d], 1))
            return "has too large a stride";
    }
    return NULL;
}

static const char *to_space(struct field *f, int64_t size, struct span *s)
{
    for (int d = 0; d < f->spatial; d++) {
        if (f->spatial != 2 || s->axis[d] != d + 2)
            return field_mixes;
        field_widen(s, d, -(double) (size - 1) / (double) size, 0.0);
        if (!field_rescale(f, s, d, size, 1))
            return "has too large a block";
    }
    return NULL;
}

static const char *to_depth(struct field *f, int64_t size, struct span *s)
{
    for (int d = 0; d < f->spatial; d++) {
        if (f->spatial != 2 || s->axis[d] != d + 2)
            return field_mixes;
        field_widen(s, d, 0.0, (double) (size - 1));
        if (!field_rescale(f, s, d, 1, size))
            return "has too large a block";
    }
    return NULL;
}

static const char *convolution(struct field *f, const struct graph_node *node, struct span *s)
{
    if (field_is_seen(f, node->in[1]) || (node->n_in > 2 && field_is_seen(f, node->in[2])))
        return "has weights that depend on the picture";
    *s = f->span[node->in[0]];
    const char *why = node->op == OP_CONV ? windowed(f, &node->p.conv.window, s) : spread(f, node, s);
    if (!why && node->n_in > 4 && node->in[4] >= 0)
        why = field_is_seen(f, node->in[4]) ? join(f, s, false, &f->span[node->in[4]], 0) : field_by_place;
    if (!why && node->op == OP_CONV && node->p.conv.epilogue.shuffle > 1)
        why = to_space(f, node->p.conv.epilogue.shuffle, s);
    return why;
}

/* ---- along channels ---- */

static const char *softmax(struct field *f, const struct graph_node *node, struct span *s)
{
    const char *why = field_along(f, node, node->p.axis.axis, s);
    const int axis = op_axis(node->p.axis.axis, field_value(f, node->in[0])->rank);
    for (int d = 0; d < f->spatial && !why && node->p.axis.flag; d++)
        if (axis <= s->axis[d])
            why = field_whole_picture; /* the old form: everything from the axis on */
    return why;
}

static const char *layer_norm(struct field *f, const struct graph_node *node, struct span *s)
{
    const int axis = op_axis(node->p.norm.axis, field_value(f, node->in[0])->rank);
    *s = f->span[node->in[0]];
    for (int d = 0; d < f->spatial; d++)
        if (axis <= s->axis[d])
            return field_whole_picture;
    return NULL;
}

static const char *reduce(struct field *f, const struct graph_node *node, struct span *s)
{
    int64_t axis[FM_MAX_RANK];
    const int rank = field_value(f, node->in[0])->rank, listed = node->n_in > 1 && node->in[1] >= 0;
    const bool arg = node->op == OP_ARG_MAX || node->op == OP_ARG_MIN;
    int n = 0;
    *s = f->span[node->in[0]];
    if (arg)
        axis[n++] = node->p.reduce.axis;
    else if (listed && (n = field_ints(f, node->in[1], FM_MAX_RANK, axis)) < 0)
        return field_whole_picture;
    if (n == 0)
        return node->p.reduce.no_op_if_no_axes ? NULL : field_whole_picture;
    int gone[2] = { 0, 0 };
    for (int i = 0; i < n; i++) {
        const int a = op_axis(axis[i], rank);
        if (a < 0 || field_picture_axis(f, s, a) >= 0)
            return field_whole_picture;
        for (int d = 0; d < f->spatial; d++)
            gone[d] += a < s->axis[d];
    }
    for (int d = 0; d < f->spatial && !node->p.reduce.keep_dims; d++)
        s->axis[d] -= gone[d];
    return NULL;
}

/* Products with a constant matrix along an axis that is not the picture's are pointwise convolutions. */
static const char *matmul(struct field *f, const struct graph_node *node, struct span *s)
{
    const int seen = field_is_seen(f, node->in[0]) ? 0 : 1;
    const struct graph_value *x = field_value(f, node->in[seen]), *m = field_value(f, node->in[1 - seen]),
                             *y = field_value(f, node->out[0]);
    *s = f->span[node->in[seen]];
    if (field_is_seen(f, node->in[1 - seen]) || m->rank != 2 || y->rank != x->rank)
        return field_whole_picture;
    return field_picture_axis(f, s, seen == 0 ? x->rank - 1 : x->rank - 2) >= 0 ? field_whole_picture : NULL;
}

const char *field_rule(struct field *f, const struct graph_node *node, struct span *s)
{
    for (int k = 0; k < node->n_in; k++)
        if (node->in[k] >= 0 && !graph_shape_known(field_value(f, node->in[k])))
            return "has a shape that depends on data";
    for (int k = 0; k < node->n_out; k++)
        if (node->out[k] >= 0 && !graph_shape_known(field_value(f, node->out[k])))
            return "has a shape that depends on data";
    if (node->out[0] < 0)
        return field_unknown;
    switch (node->op) {
    case OP_CONV: case OP_CONV_TRANSPOSE: return convolution(f, node, s);
    case OP_MAX_POOL:
        if (node->n_out > 1 && node->out[1] >= 0)
            return "gives places in the picture";
        /* fall through */
    case OP_AVERAGE_POOL: *s = f->span[node->in[0]]; return windowed(f, &node->p.pool.window, s);
    case OP_GLOBAL_AVERAGE_POOL: case OP_GLOBAL_MAX_POOL: case OP_INSTANCE_NORM: case OP_GROUP_NORM: return field_whole_picture;
    case OP_BATCH_NORM: *s = f->span[node->in[0]]; return node->p.norm.training ? field_whole_picture : NULL;
    case OP_LAYER_NORM: return layer_norm(f, node, s);
    case OP_CONCAT: {
        const char *why = pointwise(f, node, s);
        return why                                                                                             ? why
               : field_picture_axis(f, s, op_axis(node->p.axis.axis, field_value(f, node->out[0])->rank)) >= 0 ? field_mixes
                                                                                                               : NULL;
    }
    case OP_SPLIT: case OP_TOP_K: case OP_CUM_SUM:
        if (node->op == OP_SPLIT)
            return field_along(f, node, node->p.axis.axis, s);
        if (node->op == OP_CUM_SUM) {
            int64_t axis;
            return field_ints(f, node->in[1], 1, &axis) == 1 ? field_along(f, node, axis, s) : field_unknown;
        }
        return field_along(f, node, node->p.reduce.axis, s);
    case OP_SLICE: return field_slice(f, node, s);
    case OP_PAD: return field_pad(f, node, s);
    case OP_RESIZE: return field_resize(f, node, s);
    case OP_DEPTH_TO_SPACE: *s = f->span[node->in[0]]; return to_space(f, node->p.block.size, s);
    case OP_SPACE_TO_DEPTH: *s = f->span[node->in[0]]; return to_depth(f, node->p.block.size, s);
    case OP_TRANSPOSE: return field_transpose(f, node, s);
    case OP_RESHAPE: case OP_FLATTEN: case OP_SQUEEZE: case OP_UNSQUEEZE: return field_reshape(f, node, s);
    case OP_EXPAND: case OP_TILE: return field_expand(f, node, s);
    case OP_GATHER: return field_gather(f, node, s);
    case OP_SOFTMAX: case OP_LOG_SOFTMAX: return softmax(f, node, s);
    case OP_MATMUL: return matmul(f, node, s);
    case OP_DEQUANTIZE_LINEAR: *s = f->span[node->in[0]]; return field_is_seen(f, node->in[0]) ? NULL : field_by_place;
    case OP_SHAPE: case OP_SIZE: return "depends on the size of the picture";
    case OP_REDUCE_MEAN: case OP_REDUCE_SUM: case OP_REDUCE_MAX: case OP_REDUCE_MIN: case OP_REDUCE_PROD: case OP_REDUCE_L1:
    case OP_REDUCE_L2:
    case OP_REDUCE_SUM_SQUARE:
    case OP_REDUCE_LOG_SUM:
    case OP_REDUCE_LOG_SUM_EXP:
    case OP_ARG_MAX:
    case OP_ARG_MIN:
        return reduce(f, node, s);
    case OP_GEMM: case OP_EINSUM: return field_whole_picture;
    case OP_GATHER_ELEMENTS: case OP_GATHER_ND: case OP_SCATTER_ND: case OP_TRILU: case OP_NON_MAX_SUPPRESSION: case OP_RANGE:
    case OP_CONSTANT_OF_SHAPE: case OP_IF: case OP_COUNT: return field_unknown;
    default: return pointwise(f, node, s); /* all that is left is elementwise */
    }
}
