/* SPDX-License-Identifier: MIT */
/* What is linear per channel joins the convolution before it: products and sums with constants, and batch norm, all of a chain
 * at once, computed in double. A batch norm without such a convolution becomes one (a point per channel), so that activations and
 * residuals fuse into it. Zero padding before a convolution becomes its own. */
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "graph/op.h"
#include "graph/rewrite.h"

static bool is_f32_constant(const struct rewriter *r, int value)
{
    return graph_is_constant(r->graph, value) && r->graph->value[value].dtype == FM_F32;
}

static bool is_plain_conv(const struct rewriter *r, const struct graph_node *node)
{
    if (node->op != OP_CONV && node->op != OP_CONV_TRANSPOSE)
        return false;
    const struct graph_value *y = &r->graph->value[node->out[0]];
    return !graph_is_fused(node) && is_f32_constant(r, node->in[1]) &&
           (node->n_in < 3 || node->in[2] < 0 || is_f32_constant(r, node->in[2])) && y->dtype == FM_F32 && graph_shape_known(y) &&
           y->rank >= 3;
}

/* ---- a chain of per-channel steps: y = scale * x + shift ---- */

struct chain {
    int64_t channels;
    double *scale, *shift, *number; /* [channels] each */
};

static bool all_finite(const double *number, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(number[i]) || fabs(number[i]) > 1e30)
            return false;
    return true;
}

/* scale and shift of a batch norm into factor and term. */
static bool batch_norm_terms(const struct rewriter *r, const struct graph_node *node, int64_t channels, double *factor,
                             double *term)
{
    if (node->n_in != 5 || node->n_out != 1 || node->p.norm.training)
        return false;
    for (int k = 1; k < 5; k++) {
        const struct graph_value *v = &r->graph->value[node->in[k]];
        if (!is_f32_constant(r, node->in[k]) || v->rank != 1 || v->dim[0] != channels)
            return false;
    }
    for (int64_t c = 0; c < channels; c++) {
        float p[4];
        for (int k = 0; k < 4; k++)
            op_read_f32(&p[k], FM_F32, r->graph->value[node->in[k + 1]].data, c, 1);
        factor[c] = (double) p[0] / sqrt((double) p[3] + (double) node->p.norm.epsilon);
        term[c] = (double) p[1] - (double) p[2] * factor[c];
    }
    return all_finite(factor, channels) && all_finite(term, channels);
}

/* Appends a node that reads x. False when it is not linear per channel; the chain is as before then. */
static bool chain_add(const struct rewriter *r, struct chain *chain, const struct graph_node *node, int x)
{
    const int64_t n = chain->channels;
    if (!rewrite_same_type(r, x, node->out[0]))
        return false;
    if (node->op == OP_BATCH_NORM) {
        double *term = chain->number + n;
        if (node->in[0] != x || !batch_norm_terms(r, node, n, chain->number, term))
            return false;
        for (int64_t c = 0; c < n; c++) {
            chain->scale[c] *= chain->number[c];
            chain->shift[c] = chain->shift[c] * chain->number[c] + term[c];
        }
        return true;
    }
    if (node->op != OP_ADD && node->op != OP_SUB && node->op != OP_MUL && node->op != OP_DIV)
        return false;
    const int other = rewrite_other(node, x);
    const bool first = node->in[0] == x;
    if (other < 0 || !rewrite_is_per_channel(r, other, x) || (node->op == OP_DIV && !first))
        return false;
    rewrite_per_channel(r, other, n, chain->number);
    for (int64_t c = 0; c < n && node->op == OP_DIV; c++)
        chain->number[c] = 1.0 / chain->number[c];
    if (!all_finite(chain->number, n))
        return false;
    for (int64_t c = 0; c < n; c++) {
        const double number = chain->number[c];
        switch (node->op) {
        case OP_ADD: chain->shift[c] += number; break;
        case OP_SUB:
            chain->shift[c] = first ? chain->shift[c] - number : number - chain->shift[c];
            if (!first)
                chain->scale[c] = -chain->scale[c];
            break;
        default:
            chain->scale[c] *= number;
            chain->shift[c] *= number;
        }
    }
    return true;
}

/* ---- into the convolution ---- */

/* Weights times the scale of their output channel. [out][in/group][k...] or, transposed, [in][out/group][k...]. */
static int scaled_weights(struct rewriter *r, const struct graph_node *conv, const double *scale)
{
    const struct graph_value w = r->graph->value[conv->in[1]];
    const struct fm_tensor t = graph_tensor(r->graph, conv->in[1]);
    const int64_t count = fm_tensor_count(&t), group = conv->p.conv.group;
    float *data = rewrite_floats(r, count);
    if (!data)
        return -1;
    op_read_f32(data, FM_F32, w.data, 0, count);
    const int64_t rows = conv->op == OP_CONV ? w.dim[0] : w.dim[0] * w.dim[1]; /* runs of weights with one output channel */
    const int64_t row = rows ? count / rows : 0;
    for (int64_t i = 0; i < rows; i++) {
        int64_t channel = i;
        if (conv->op == OP_CONV_TRANSPOSE)
            channel = i / w.dim[1] / (w.dim[0] / group) * w.dim[1] + i % w.dim[1];
        for (int64_t j = 0; j < row; j++)
            data[i * row + j] = (float) ((double) data[i * row + j] * scale[channel]);
    }
    return rewrite_constant(r, w.rank, w.dim, data);
}

static bool apply(struct rewriter *r, struct graph_node *conv, const struct chain *chain)
{
    const int64_t n = chain->channels;
    bool scales = false;
    for (int64_t c = 0; c < n; c++)
        scales = scales || chain->scale[c] != 1.0;
    float *bias = rewrite_floats(r, n);
    if (!bias || !rewrite_inputs(r, conv, 3))
        return false;
    if (conv->in[2] >= 0)
        op_read_f32(bias, FM_F32, r->graph->value[conv->in[2]].data, 0, n);
    for (int64_t c = 0; c < n; c++)
        bias[c] = (float) ((double) bias[c] * chain->scale[c] + chain->shift[c]);
    const int weights = scales ? scaled_weights(r, conv, chain->scale) : conv->in[1];
    const int constant = weights < 0 ? -1 : rewrite_constant(r, 1, &n, bias);
    if (constant < 0)
        return false;
    rewrite_set_in(r, conv, 1, weights);
    rewrite_set_in(r, conv, 2, constant);
    return true;
}

static void fold_chain(struct rewriter *r, struct graph_node *conv)
{
    int user = rewrite_single_user(r, conv->out[0]), last = -1, x = conv->out[0];
    if (user < 0)
        return;
    struct chain chain = { .channels = r->graph->value[x].dim[1] };
    const size_t n = (size_t) chain.channels;
    double *room = core_calloc(n ? n : 1, 4 * sizeof(double));
    if (!room) {
        r->rc = core_fail_nomem(r->error, n * 4 * sizeof(double));
        return;
    }
    chain.scale = room;
    chain.shift = room + n;
    chain.number = room + 2 * n; /* and n more for the terms of a batch norm */
    for (size_t c = 0; c < n; c++)
        chain.scale[c] = 1.0;
    while (user >= 0 && chain_add(r, &chain, &r->graph->node[user], x)) {
        last = user;
        x = r->graph->node[user].out[0];
        user = rewrite_single_user(r, x);
    }
    if (last >= 0 && all_finite(chain.scale, chain.channels) && all_finite(chain.shift, chain.channels) && apply(r, conv, &chain))
        while (conv->out[0] != x) /* one by one: each frees the constants it read */
            rewrite_absorb(r, conv, &r->graph->node[rewrite_single_user(r, conv->out[0])]);
    core_free(room);
}

/* ---- batch norm alone ---- */

static void norm_to_conv(struct rewriter *r, struct graph_node *node)
{
    const struct graph_value *x = &r->graph->value[node->in[0]];
    if (!graph_shape_known(x) || x->rank != 4 || x->dtype != FM_F32 || node->out[0] < 0 || x->dim[1] < 1)
        return;
    const int64_t n = x->dim[1];
    double *factor = core_calloc((size_t) n, 2 * sizeof(double));
    if (!factor) {
        r->rc = core_fail_nomem(r->error, (size_t) n * 2 * sizeof(double));
        return;
    }
    double *term = factor + n;
    if (batch_norm_terms(r, node, n, factor, term)) {
        float *w = rewrite_floats(r, n), *b = rewrite_floats(r, n);
        for (int64_t c = 0; c < n && w && b; c++) {
            w[c] = (float) factor[c];
            b[c] = (float) term[c];
        }
        const int weights = w && b ? rewrite_constant(r, 4, (const int64_t[]){ n, 1, 1, 1 }, w) : -1;
        const int bias = weights >= 0 ? rewrite_constant(r, 1, &n, b) : -1;
        if (bias >= 0) {
            rewrite_set_in(r, node, 1, weights);
            rewrite_set_in(r, node, 2, bias);
            rewrite_set_in(r, node, 3, -1);
            rewrite_set_in(r, node, 4, -1);
            node->n_in = 3;
            node->op = OP_CONV;
            memset(&node->p, 0, sizeof(node->p));
            node->p.conv.group = n;
            node->p.conv.window.n = 2;
            for (int i = 0; i < 2; i++)
                node->p.conv.window.kernel[i] = node->p.conv.window.stride[i] = node->p.conv.window.dilation[i] = 1;
            r->changed = true;
        }
    }
    core_free(factor);
}

/* ---- padding ---- */

/* Spatial zero padding of a Pad node, per axis begin and end; false when it is anything else. */
static bool zero_padding(const struct rewriter *r, const struct graph_node *pad, int rank, int64_t *begin, int64_t *end)
{
    int64_t amount[2 * FM_MAX_RANK], axis[FM_MAX_RANK];
    const int n = rewrite_ints(r, pad->in[1], 2 * FM_MAX_RANK, amount) / 2;
    if (pad->p.pad.mode != PAD_CONSTANT || n < 1 || (pad->n_in > 2 && pad->in[2] >= 0 && !rewrite_all(r, pad->in[2], 0.0f)))
        return false;
    for (int i = 0; i < n; i++)
        axis[i] = i;
    if (pad->n_in > 3 && pad->in[3] >= 0) {
        if (rewrite_ints(r, pad->in[3], FM_MAX_RANK, axis) != n)
            return false;
    } else if (n != rank) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        const int a = op_axis(axis[i], rank);
        if (a < 0 || amount[i] < 0 || amount[n + i] < 0 || amount[i] > INT32_MAX || amount[n + i] > INT32_MAX ||
            (a < 2 && (amount[i] || amount[n + i])))
            return false;
        if (a >= 2) {
            begin[a - 2] += amount[i];
            end[a - 2] += amount[n + i];
        }
    }
    return true;
}

static void fold_padding(struct rewriter *r, struct graph_node *conv)
{
    struct op_window *w = &conv->p.conv.window;
    const struct graph_node *pad = rewrite_producer(r, conv->in[0]);
    int64_t begin[GRAPH_SPATIAL_MAX] = { 0 }, end[GRAPH_SPATIAL_MAX] = { 0 };
    const int rank = r->graph->value[conv->in[0]].rank;
    if (conv->op != OP_CONV || !pad || pad->op != OP_PAD || w->auto_pad != AUTO_PAD_NOTSET || rank != w->n + 2 ||
        !graph_shape_known(&r->graph->value[pad->in[0]]) || !zero_padding(r, pad, rank, begin, end))
        return;
    for (int i = 0; i < w->n; i++) {
        if (w->pad_begin[i] < 0 || w->pad_end[i] < 0)
            return;
    }
    for (int i = 0; i < w->n; i++) {
        w->pad_begin[i] += begin[i];
        w->pad_end[i] += end[i];
    }
    struct graph_node gone = *conv; /* the Pad goes when nobody else reads it */
    const int padded = conv->in[0];
    int only[1] = { padded };
    rewrite_set_in(r, conv, 0, pad->in[0]);
    r->uses[padded]++; /* lent to `gone`, whose end lets go of it */
    gone.in = only;
    gone.n_in = 1;
    rewrite_kill(r, &gone);
}

void rewrite_affine(struct rewriter *r)
{
    for (int i = 0; i < r->graph->n_nodes && !r->rc; i++) {
        struct graph_node *node = &r->graph->node[i];
        if (!rewrite_alive(node) || node->out[0] < 0)
            continue;
        if (is_plain_conv(r, node)) {
            fold_padding(r, node);
            fold_chain(r, node);
        } else if (node->op == OP_BATCH_NORM) {
            norm_to_conv(r, node); /* what follows it joins in the next round */
        }
    }
}
