/* SPDX-License-Identifier: MIT */
/* What follows a convolution and can be done while its result is still in registers joins it:
 *     y = shuffle(act(conv + bias [+ residual]) [+ residual])
 * First every convolution takes its activation, then sums, what comes after them, and shuffles: of two convolutions that are added,
 * the later one then takes the sum whole. */
#include <math.h>

#include "graph/op.h"
#include "graph/rewrite.h"

#define SHUFFLE_MAX 16

static bool can_fuse(const struct rewriter *r, const struct graph_node *node)
{
    if (node->op != OP_CONV && node->op != OP_CONV_TRANSPOSE)
        return false;
    const struct graph_value *x = &r->graph->value[node->in[0]], *y = &r->graph->value[node->out[0]];
    return x->dtype == FM_F32 && y->dtype == FM_F32 && graph_shape_known(y) && y->rank == 4 &&
           graph_is_constant(r->graph, node->in[1]) &&
           (node->n_in < 3 || node->in[2] < 0 || graph_is_constant(r->graph, node->in[2]));
}

/* ---- activations ---- */

/* What a node does to x, as an epilogue says it; *slope is set for PRELU. */
static bool activation(const struct rewriter *r, const struct graph_node *node, int x, struct op_epilogue *e, int *slope)
{
    static const struct { enum op_kind op; enum op_activation act; } table[] = {
        { OP_RELU, ACT_RELU }, { OP_LEAKY_RELU, ACT_LEAKY_RELU }, { OP_SILU, ACT_SILU }, { OP_SIGMOID, ACT_SIGMOID },
        { OP_TANH, ACT_TANH }, { OP_HARD_SWISH, ACT_HARD_SWISH }, { OP_HARD_SIGMOID, ACT_HARD_SIGMOID }, { OP_MISH, ACT_MISH },
        { OP_GELU, ACT_GELU }, { OP_ELU, ACT_ELU },
    };
    if (node->in[0] != x || !rewrite_same_type(r, x, node->out[0]))
        return false;
    e->a = e->b = 0.0f;
    *slope = -1;
    if (node->op == OP_PRELU) {
        e->act = ACT_PRELU;
        *slope = node->in[1];
        return rewrite_is_per_channel(r, *slope, x);
    }
    if (node->op == OP_CLIP) {
        double low = -INFINITY, high = INFINITY;
        if ((node->n_in > 1 && node->in[1] >= 0 && !rewrite_scalar(r, node->in[1], &low)) ||
            (node->n_in > 2 && node->in[2] >= 0 && !rewrite_scalar(r, node->in[2], &high)) || isnan(low) || isnan(high))
            return false;
        e->act = ACT_CLIP;
        e->a = (float) low;
        e->b = (float) high;
        return true;
    }
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].op == node->op) {
            e->act = table[i].act;
            if (node->op != OP_RELU && node->op != OP_SILU && node->op != OP_SIGMOID && node->op != OP_TANH &&
                node->op != OP_MISH) {
                e->a = node->p.scalar.a;
                e->b = node->p.scalar.b;
            }
            return true;
        }
    return false;
}

/* Slopes as the kernels read them: one per channel. */
static bool set_slope(struct rewriter *r, struct graph_node *conv, int slope, int64_t channels)
{
    const struct graph_value *v = &r->graph->value[slope];
    const struct fm_tensor t = graph_tensor(r->graph, slope);
    const int64_t count = fm_tensor_count(&t);
    float *data = rewrite_floats(r, channels);
    if (!data)
        return false;
    for (int64_t c = 0; c < channels; c++)
        op_read_f32(data + c, FM_F32, v->data, count == 1 ? 0 : c, 1);
    const int constant = rewrite_constant(r, 1, &channels, data);
    if (constant < 0 || !rewrite_inputs(r, conv, 4))
        return false;
    rewrite_set_in(r, conv, 3, constant);
    return true;
}

static bool take_activation(struct rewriter *r, struct graph_node *conv, struct graph_node *user)
{
    struct op_epilogue *e = &conv->p.conv.epilogue, found = *e;
    const int x = conv->out[0];
    int slope;
    if (e->act != ACT_NONE || !activation(r, user, x, &found, &slope))
        return false;
    if (slope >= 0) { /* behind a shuffle channels are others than the convolution's own */
        if (e->shuffle > 1 || !set_slope(r, conv, slope, r->graph->value[x].dim[1]))
            return false;
    }
    found.residual_before_act = conv->n_in > 4;
    *e = found;
    rewrite_absorb(r, conv, user);
    return true;
}

/* ---- residual ---- */

static bool can_take_residual(const struct rewriter *r, const struct graph_node *conv)
{
    return conv->op == OP_CONV && can_fuse(r, conv) && conv->n_in < 5 && conv->p.conv.epilogue.shuffle < 2;
}

/* The convolution moves to the place of the sum when the other side is made between them. */
static bool take_residual(struct rewriter *r, int index, int user_index)
{
    struct graph_node *conv = &r->graph->node[index], *user = &r->graph->node[user_index];
    const int x = conv->out[0], other = user->op == OP_ADD ? rewrite_other(user, x) : -1;
    if (other < 0 || !can_take_residual(r, conv) || graph_is_constant(r->graph, other) || !rewrite_same_type(r, x, other) ||
        !rewrite_same_type(r, x, user->out[0]))
        return false;
    const int made = r->graph->value[other].producer;
    if (made > index && rewrite_single_user(r, other) == user_index && can_take_residual(r, &r->graph->node[made]))
        return false; /* that one is met later and needs no move */
    if (!rewrite_inputs(r, conv, 5))
        return false;
    rewrite_set_in(r, conv, 4, other);
    conv->p.conv.epilogue.residual_before_act = false;
    rewrite_absorb(r, conv, user);
    if (made > index) {
        *user = *conv;
        conv->n_in = conv->n_out = 0;
        graph_set_output(r->graph, user_index, 0, user->out[0]);
    }
    return true;
}

/* ---- shuffle ---- */

static bool take_shuffle(struct rewriter *r, struct graph_node *conv, struct graph_node *user)
{
    struct op_epilogue *e = &conv->p.conv.epilogue;
    const int64_t size = user->op == OP_DEPTH_TO_SPACE ? user->p.block.size : 0;
    if (conv->op != OP_CONV || conv->p.conv.group != 1 || e->shuffle > 1 || size < 2 || size > SHUFFLE_MAX ||
        !graph_shape_known(&r->graph->value[user->out[0]]))
        return false;
    e->shuffle = (int) size;
    e->shuffle_crd = user->p.block.crd;
    rewrite_absorb(r, conv, user);
    return true;
}

void rewrite_fuse(struct rewriter *r)
{
    for (int i = 0; i < r->graph->n_nodes && !r->rc; i++) {
        struct graph_node *conv = &r->graph->node[i];
        if (!rewrite_alive(conv) || !can_fuse(r, conv))
            continue;
        const int user = rewrite_single_user(r, conv->out[0]);
        if (user >= 0)
            take_activation(r, conv, &r->graph->node[user]);
    }
    for (int i = 0; i < r->graph->n_nodes && !r->rc; i++) {
        struct graph_node *conv = &r->graph->node[i];
        int user;
        while (!r->rc && rewrite_alive(conv) && can_fuse(r, conv) && (user = rewrite_single_user(r, conv->out[0])) >= 0)
            if (!take_activation(r, conv, &r->graph->node[user]) && !take_residual(r, i, user) &&
                !take_shuffle(r, conv, &r->graph->node[user]))
                break;
    }
}
