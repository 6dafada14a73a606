/* SPDX-License-Identifier: MIT */
/* Nodes that do nothing go; activations that exporters spell out in parts get their names back, so that they can be fused. */
#include <math.h>
#include <string.h>

#include "graph/op.h"
#include "graph/rewrite.h"

static bool near(double a, double b) { return fabs(a - b) <= 1e-5 * fabs(b); }

/* ---- nothing to do ---- */

static bool steps_forward(const struct rewriter *r, const struct graph_node *node)
{
    int64_t step[FM_MAX_RANK];
    if (node->n_in < 5 || node->in[4] < 0)
        return true;
    const int n = rewrite_ints(r, node->in[4], FM_MAX_RANK, step);
    for (int i = 0; i < n; i++)
        if (step[i] < 0)
            return false;
    return n >= 0;
}

/* True for a permutation that only moves axes of size 1: the elements stay in order. */
static bool keeps_order(const struct graph_value *x, const struct graph_node *node)
{
    if (node->p.perm.n != x->rank)
        return false;
    int64_t last = -1;
    for (int i = 0; i < x->rank; i++) {
        const int64_t axis = node->p.perm.perm[i];
        if (x->dim[axis] == 1)
            continue;
        if (axis < last)
            return false;
        last = axis;
    }
    return true;
}

static bool resizes_by_one(const struct rewriter *r, const struct graph_node *node)
{
    if (node->p.resize.coordinates == COORD_TF_CROP_AND_RESIZE || node->p.resize.coordinates == COORD_TF_HALF_PIXEL_FOR_NN)
        return false;
    if (node->n_in > 3 && node->in[3] >= 0)
        return true; /* by size: the scale is exactly 1 */
    return node->n_in > 2 && node->in[2] >= 0 && rewrite_all(r, node->in[2], 1.0f);
}

static bool window_is_point(const struct op_window *w)
{
    for (int i = 0; i < w->n; i++)
        if (w->kernel[i] != 1 || w->stride[i] != 1 || w->pad_begin[i] || w->pad_end[i])
            return false;
    return w->auto_pad == AUTO_PAD_NOTSET;
}

/* For nodes whose result has the type and shape of input 0: does it have its elements too? */
static bool is_identity(const struct rewriter *r, const struct graph_node *node)
{
    const struct graph_value *x = &r->graph->value[node->in[0]];
    switch (node->op) {
    case OP_IDENTITY:
    case OP_RESHAPE:
    case OP_FLATTEN:
    case OP_SQUEEZE:
    case OP_UNSQUEEZE:
    case OP_EXPAND:
    case OP_TILE:
    case OP_CAST:
        return true;
    case OP_DROPOUT: return node->n_out < 2 || node->out[1] < 0 || !r->uses[node->out[1]];
    case OP_SLICE: return steps_forward(r, node);
    case OP_PAD: return rewrite_all(r, node->in[1], 0.0f);
    case OP_RESIZE: return resizes_by_one(r, node);
    case OP_TRANSPOSE: return keeps_order(x, node);
    case OP_CONCAT: case OP_MIN: case OP_MAX: case OP_SUM: case OP_MEAN: return node->n_in == 1;
    case OP_SPLIT: return node->n_out == 1;
    case OP_DEPTH_TO_SPACE: case OP_SPACE_TO_DEPTH: return node->p.block.size == 1;
    case OP_MAX_POOL: return (node->n_out < 2 || node->out[1] < 0) && window_is_point(&node->p.pool.window);
    case OP_AVERAGE_POOL: return window_is_point(&node->p.pool.window);
    case OP_ADD: case OP_SUB: return rewrite_all(r, node->in[1], 0.0f);
    case OP_MUL: case OP_DIV: case OP_POW: return rewrite_all(r, node->in[1], 1.0f);
    default: return false;
    }
}

static bool drop_identity(struct rewriter *r, struct graph_node *node)
{
    if (node->in[0] < 0 || node->out[0] < 0)
        return false;
    if (rewrite_same_type(r, node->in[0], node->out[0]) && is_identity(r, node))
        return rewrite_bypass(r, node, node->in[0]);
    if ((node->op == OP_ADD && rewrite_all(r, node->in[0], 0.0f)) || (node->op == OP_MUL && rewrite_all(r, node->in[0], 1.0f)))
        return rewrite_same_type(r, node->in[1], node->out[0]) && rewrite_bypass(r, node, node->in[1]);
    return false;
}

/* ---- bounds ---- */

/* A node that bounds its input: min(max(x, low), high). */
static bool is_clip(const struct rewriter *r, const struct graph_node *node, double *low, double *high)
{
    *low = -INFINITY;
    *high = INFINITY;
    if (!node || !rewrite_alive(node) || node->in[0] < 0)
        return false;
    if (node->op == OP_RELU) {
        *low = 0.0;
        return true;
    }
    return node->op == OP_CLIP && (node->n_in < 2 || node->in[1] < 0 || rewrite_scalar(r, node->in[1], low)) &&
           (node->n_in < 3 || node->in[2] < 0 || rewrite_scalar(r, node->in[2], high)) && !isnan(*low) && !isnan(*high);
}

static bool make_clip(struct rewriter *r, struct graph_node *node, int x, double low, double high)
{
    if (low == -INFINITY && high == INFINITY)
        return rewrite_same_type(r, x, node->out[0]) && rewrite_bypass(r, node, x);
    if (low == 0.0 && high == INFINITY)
        return rewrite_unary(r, node, OP_RELU, x, 0.0f, 0.0f);
    float *bound = rewrite_floats(r, 1), *top = rewrite_floats(r, 1);
    if (!bound || !top)
        return false;
    *bound = (float) low;
    *top = (float) high;
    const int a = low > -INFINITY ? rewrite_constant(r, 0, NULL, bound) : -1,
              b = high < INFINITY ? rewrite_constant(r, 0, NULL, top) : -1;
    if (r->rc || !rewrite_unary(r, node, OP_CLIP, x, 0.0f, 0.0f) || !rewrite_inputs(r, node, 3))
        return false;
    rewrite_set_in(r, node, 1, a);
    rewrite_set_in(r, node, 2, b);
    return true;
}

/* Max(x, c), Min(x, c) and bounds of bounds become one Clip. */
static bool simplify_clip(struct rewriter *r, struct graph_node *node)
{
    double low, high, inner_low, inner_high;
    if (r->graph->value[node->out[0]].dtype != FM_F32)
        return false;
    for (int k = 0; k < 2 && (node->op == OP_MAX || node->op == OP_MIN) && node->n_in == 2; k++)
        if (rewrite_scalar(r, node->in[k], &low) && !isnan(low) && rewrite_same_type(r, node->in[1 - k], node->out[0]) &&
            !(node->op == OP_MAX ? make_clip(r, node, node->in[1 - k], low, INFINITY)
                                 : make_clip(r, node, node->in[1 - k], -INFINITY, low)))
            return false;
    if (!is_clip(r, node, &low, &high))
        return false;
    const struct graph_node *inner = rewrite_producer(r, node->in[0]);
    if (is_clip(r, inner, &inner_low, &inner_high) && r->uses[inner->out[0]] == 1)
        return make_clip(r, node, inner->in[0], fmin(fmax(inner_low, low), high), fmin(fmax(inner_high, low), high));
    if (node->op == OP_CLIP && ((low == 0.0 && high == INFINITY) || (low == -INFINITY && high == INFINITY)))
        return make_clip(r, node, node->in[0], low, high);
    return false;
}

/* ---- activations in parts ---- */

/* x of `x op number` (either order where the operator allows it), or -1. */
static int operand(const struct rewriter *r, int value, enum op_kind op, double number)
{
    const struct graph_node *node = rewrite_producer(r, value);
    double c;
    if (!node || node->op != op)
        return -1;
    if (rewrite_scalar(r, node->in[1], &c) && near(c, number))
        return node->in[0];
    if ((op == OP_ADD || op == OP_MUL) && rewrite_scalar(r, node->in[0], &c) && near(c, number))
        return node->in[1];
    return -1;
}

static int scaled(const struct rewriter *r, int value, double number)
{
    const int x = operand(r, value, OP_MUL, number);
    return x >= 0 ? x : operand(r, value, OP_DIV, 1.0 / number);
}

/* x of min(max(x + 3, 0), 6), or -1. */
static int shifted_relu6(const struct rewriter *r, int value)
{
    double low, high;
    const struct graph_node *clip = rewrite_producer(r, value);
    if (!is_clip(r, clip, &low, &high) || low != 0.0 || high != 6.0)
        return -1;
    return operand(r, clip->in[0], OP_ADD, 3.0);
}

/* x * gate(x) */
static bool gate(struct rewriter *r, struct graph_node *node)
{
    for (int k = 0; k < 2; k++) {
        const int x = node->in[k];
        const struct graph_node *g = rewrite_producer(r, node->in[1 - k]);
        if (!g)
            continue;
        if (g->op == OP_SIGMOID && g->in[0] == x)
            return rewrite_unary(r, node, OP_SILU, x, 0.0f, 0.0f);
        if (g->op == OP_HARD_SIGMOID && g->in[0] == x)
            return rewrite_unary(r, node, OP_HARD_SWISH, x, g->p.scalar.a, g->p.scalar.b);
        const struct graph_node *inner = rewrite_producer(r, g->in[0]);
        if (g->op == OP_TANH && inner && inner->op == OP_SOFTPLUS && inner->in[0] == x)
            return rewrite_unary(r, node, OP_MISH, x, 0.0f, 0.0f);
    }
    return false;
}

/* min(max(x + 3, 0), 6) / 6 and x * min(max(x + 3, 0), 6) / 6 */
static bool hard(struct rewriter *r, struct graph_node *node)
{
    const int value = node->out[0], whole = scaled(r, value, 1.0 / 6.0);
    if (whole < 0)
        return false;
    const int x = shifted_relu6(r, whole);
    if (x >= 0)
        return rewrite_unary(r, node, OP_HARD_SIGMOID, x, 1.0f / 6.0f, 0.5f);
    const struct graph_node *product = rewrite_producer(r, whole);
    if (!product || product->op != OP_MUL)
        return false;
    for (int k = 0; k < 2; k++)
        if (product->in[k] >= 0 && shifted_relu6(r, product->in[1 - k]) == product->in[k])
            return rewrite_unary(r, node, OP_HARD_SWISH, product->in[k], 1.0f / 6.0f, 0.5f);
    return false;
}

/* x of 1 + erf(x / sqrt 2), or of 1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)), which sets *tanh_form; or -1. */
static int gelu_gate(const struct rewriter *r, int value, float *tanh_form)
{
    const struct graph_node *inner = rewrite_producer(r, operand(r, value, OP_ADD, 1.0));
    if (!inner)
        return -1;
    *tanh_form = inner->op == OP_TANH ? 1.0f : 0.0f;
    if (inner->op == OP_ERF)
        return scaled(r, inner->in[0], 0.70710678118654752440);
    const struct graph_node *sum =
        inner->op == OP_TANH ? rewrite_producer(r, scaled(r, inner->in[0], 0.79788456080286535588)) : NULL;
    if (!sum || sum->op != OP_ADD)
        return -1;
    for (int k = 0; k < 2; k++) {
        const int cube = scaled(r, sum->in[1 - k], 0.044715);
        if (cube >= 0 && operand(r, cube, OP_POW, 3.0) == sum->in[k])
            return sum->in[k];
    }
    return -1;
}

/* The factors of a product, products among them taken apart two levels deep. */
static int factors(const struct rewriter *r, int value, int depth, int n, int max, int *factor)
{
    const struct graph_node *node = rewrite_producer(r, value);
    if (node && node->op == OP_MUL && depth > 0) {
        n = factors(r, node->in[0], depth - 1, n, max, factor);
        return factors(r, node->in[1], depth - 1, n, max, factor);
    }
    if (n < max)
        factor[n] = value;
    return n + 1;
}

/* 0.5 * x * (1 + ...) in any order */
static bool gelu(struct rewriter *r, struct graph_node *node)
{
    int factor[3];
    double half;
    if (factors(r, node->out[0], 2, 0, 3, factor) != 3)
        return false;
    for (int c = 0; c < 3; c++) {
        if (!rewrite_scalar(r, factor[c], &half) || half != 0.5)
            continue;
        for (int k = 0; k < 2; k++) {
            float tanh_form = 0.0f;
            const int x = factor[(c + 1 + k) % 3], rest = factor[(c + 2 - k) % 3];
            if (gelu_gate(r, rest, &tanh_form) == x)
                return rewrite_unary(r, node, OP_GELU, x, tanh_form, 0.0f);
        }
    }
    return false;
}

/* A mean or maximum over both axes of the picture, which stay. */
static bool is_global(const struct rewriter *r, const struct graph_node *node)
{
    int64_t axis[2];
    const struct graph_value *x = &r->graph->value[node->in[0]];
    if ((node->op != OP_REDUCE_MEAN && node->op != OP_REDUCE_MAX) || node->n_in < 2 || !node->p.reduce.keep_dims || x->rank != 4 ||
        x->dtype != FM_F32 || rewrite_ints(r, node->in[1], 2, axis) != 2)
        return false;
    const int a = op_axis(axis[0], 4), b = op_axis(axis[1], 4);
    return (a == 2 && b == 3) || (a == 3 && b == 2);
}

/* Special cases that have a plainer name. */
static bool plainer(struct rewriter *r, struct graph_node *node)
{
    const int x = node->in[0];
    if (node->op == OP_LEAKY_RELU && node->p.scalar.a == 0.0f)
        return rewrite_unary(r, node, OP_RELU, x, 0.0f, 0.0f);
    if (node->op == OP_CELU && node->p.scalar.a == 1.0f)
        return rewrite_unary(r, node, OP_ELU, x, 1.0f, 0.0f);
    if (node->op == OP_PRELU && graph_is_constant(r->graph, node->in[1]) && r->graph->value[node->in[1]].dtype == FM_F32) {
        float slope;
        const struct fm_tensor t = graph_tensor(r->graph, node->in[1]);
        if (fm_tensor_count(&t) < 1)
            return false;
        op_read_f32(&slope, FM_F32, t.data, 0, 1);
        return isfinite(slope) && rewrite_all(r, node->in[1], slope) && rewrite_unary(r, node, OP_LEAKY_RELU, x, slope, 0.0f);
    }
    if (is_global(r, node)) {
        node->op = node->op == OP_REDUCE_MEAN ? OP_GLOBAL_AVERAGE_POOL : OP_GLOBAL_MAX_POOL;
        memset(&node->p, 0, sizeof(node->p));
        rewrite_set_in(r, node, 1, -1);
        node->n_in = 1;
        r->changed = true;
        return true;
    }
    if (node->op == OP_SUM && node->n_in == 2) {
        node->op = OP_ADD;
        r->changed = true;
        return true;
    }
    return false;
}

void rewrite_simplify(struct rewriter *r)
{
    for (int i = 0; i < r->graph->n_nodes && !r->rc; i++) {
        struct graph_node *node = &r->graph->node[i];
        if (!rewrite_alive(node) || node->n_in < 1 || node->in[0] < 0 || node->out[0] < 0)
            continue;
        if (drop_identity(r, node) || r->rc)
            continue;
        if (plainer(r, node) && node->op != OP_ADD)
            continue;
        if (node->op == OP_MUL && (gate(r, node) || gelu(r, node)))
            continue;
        if ((node->op == OP_MUL || node->op == OP_DIV) && hard(r, node))
            continue;
        if (!r->rc)
            simplify_clip(r, node);
    }
}
