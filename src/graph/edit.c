/* SPDX-License-Identifier: MIT */
#include "graph/edit.h"

#include <stdint.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "graph/op.h"

struct fm_tensor graph_tensor(const struct graph *graph, int value)
{
    struct fm_tensor t = { .dtype = FM_DTYPE_NONE };
    if (value < 0)
        return t;
    const struct graph_value *v = &graph->value[value];
    t.dtype = v->dtype;
    t.rank = v->rank;
    memcpy(t.dim, v->dim, sizeof(t.dim));
    t.data = (void *) (uintptr_t) v->data;
    return t;
}

bool graph_shape_known(const struct graph_value *value)
{
    bool known = value->dtype != FM_DTYPE_NONE && value->rank >= 0;
    for (int i = 0; i < value->rank && known; i++)
        known = value->dim[i] >= 0;
    return known;
}

bool graph_same_shape(const struct graph_value *a, const struct graph_value *b)
{
    bool same = graph_shape_known(a) && graph_shape_known(b) && a->rank == b->rank;
    for (int i = 0; i < a->rank && same; i++)
        same = a->dim[i] == b->dim[i];
    return same;
}

bool graph_tensor_bytes(const struct fm_tensor *tensor, size_t *bytes)
{
    const int64_t count = fm_tensor_count(tensor);
    return count >= 0 && (uint64_t) count <= SIZE_MAX && core_mul_size((size_t) count, fm_dtype_size(tensor->dtype), bytes);
}

bool graph_is_aligned(const struct fm_tensor *tensor)
{
    const size_t size = fm_dtype_size(tensor->dtype);
    return size < 2 || (uintptr_t) tensor->data % size == 0;
}

int graph_drop_dead(struct graph *graph, struct fm_error *error)
{
    uint8_t *wanted = core_calloc((size_t) graph->n_values + 1, 1);
    if (!wanted)
        return core_fail_nomem(error, (size_t) graph->n_values + 1);
    for (int i = 0; i < graph->n_outputs; i++)
        wanted[graph->output[i]] = 1;
    for (int i = graph->n_nodes - 1; i >= 0; i--) {
        struct graph_node *node = &graph->node[i];
        bool live = false;
        for (int k = 0; k < node->n_out; k++)
            live = live || (node->out[k] >= 0 && wanted[node->out[k]]);
        if (!live) {
            node->op = OP_COUNT; /* marks it for the second loop */
            continue;
        }
        for (int k = op_def(node->op)->min_out; k < node->n_out; k++)
            if (node->out[k] >= 0 && !wanted[node->out[k]])
                node->out[k] = -1;
        while (node->n_out > op_def(node->op)->min_out && node->out[node->n_out - 1] < 0 && node->op != OP_SPLIT)
            node->n_out--;
        for (int k = 0; k < node->n_in; k++)
            if (node->in[k] >= 0)
                wanted[node->in[k]] = 1;
    }
    for (int v = 0; v < graph->n_values; v++) /* values of dropped nodes keep no stale index */
        graph->value[v].producer = -1;
    int n = 0;
    for (int i = 0; i < graph->n_nodes; i++) {
        if (graph->node[i].op == OP_COUNT)
            continue;
        graph->node[n] = graph->node[i];
        for (int k = 0; k < graph->node[n].n_out; k++)
            if (graph->node[n].out[k] >= 0)
                graph->value[graph->node[n].out[k]].producer = n;
        n++;
    }
    graph->n_nodes = n;
    core_free(wanted);
    return FM_OK;
}

/* Product of positive numbers that stops at the top. */
static int64_t times(int64_t a, int64_t b)
{
    int64_t c;
    return core_mul_i64(a, b, &c) ? c : INT64_MAX;
}

static int64_t count_of(const struct graph *graph, int value)
{
    if (value < 0 || !graph_shape_known(&graph->value[value]))
        return 0;
    const struct fm_tensor t = graph_tensor(graph, value);
    const int64_t count = fm_tensor_count(&t);
    return count < 0 ? INT64_MAX : count;
}

int64_t graph_node_macs(const struct graph *graph, const struct graph_node *node)
{
    const struct graph_value *w = node->n_in > 1 && node->in[1] >= 0 ? &graph->value[node->in[1]] : NULL;
    const struct graph_value *x = node->n_in > 0 && node->in[0] >= 0 ? &graph->value[node->in[0]] : NULL;
    switch (node->op) {
    case OP_CONV: /* a shuffled result has the same number of elements */
        return w && graph_shape_known(w) && w->dim[0] > 0
                   ? times(count_of(graph, node->out[0]), count_of(graph, node->in[1]) / w->dim[0])
                   : 0;
    case OP_CONV_TRANSPOSE:
        return w && graph_shape_known(w) && w->dim[0] > 0
                   ? times(count_of(graph, node->in[0]), count_of(graph, node->in[1]) / w->dim[0])
                   : 0;
    case OP_MATMUL:
        return x && graph_shape_known(x) && x->rank > 0 ? times(count_of(graph, node->out[0]), x->dim[x->rank - 1]) : 0;
    case OP_GEMM:
        return x && graph_shape_known(x) && x->rank == 2
                   ? times(count_of(graph, node->out[0]), x->dim[node->p.gemm.trans_a ? 0 : 1])
                   : 0;
    case OP_EINSUM: { /* no more than one multiply per pair of elements of the largest two operands */
        int64_t macs = count_of(graph, node->in[0]);
        for (int k = 1; k < node->n_in; k++)
            macs = times(macs, count_of(graph, node->in[k]));
        return node->n_in > 1 ? macs : 0;
    }
    case OP_BATCH_NORM:
    case OP_INSTANCE_NORM:
    case OP_LAYER_NORM:
    case OP_GROUP_NORM:
        return count_of(graph, node->in[0]);
    default:
        return 0;
    }
}

bool graph_is_fused(const struct graph_node *node)
{
    if (node->op != OP_CONV && node->op != OP_CONV_TRANSPOSE)
        return false;
    return node->p.conv.epilogue.act != ACT_NONE || node->p.conv.epilogue.shuffle > 1 || node->n_in > 3;
}

/* ---- the epilogue ---- */

/* One plain operator on up to three tensors. */
static int run_op(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct op_def *def = op_def(node->op);
    int rc = def->shape(node, in, out, error);
    if (rc)
        return rc;
    size_t bytes;
    if (!graph_tensor_bytes(out, &bytes) || !(out->data = core_alloc(bytes ? bytes : 1)))
        return core_fail_nomem(error, 0);
    rc = def->run(node, in, out, error);
    if (rc) {
        core_free(out->data);
        out->data = NULL;
    }
    return rc;
}

static int activate(const struct op_epilogue *e, const struct fm_tensor *x, const struct fm_tensor *slope, struct fm_tensor *out,
                    struct fm_error *error)
{
    static const struct { enum op_activation act; enum op_kind op; } table[] = {
        { ACT_RELU, OP_RELU }, { ACT_LEAKY_RELU, OP_LEAKY_RELU }, { ACT_PRELU, OP_PRELU }, { ACT_CLIP, OP_CLIP },
        { ACT_SILU, OP_SILU }, { ACT_SIGMOID, OP_SIGMOID }, { ACT_TANH, OP_TANH }, { ACT_HARD_SWISH, OP_HARD_SWISH },
        { ACT_HARD_SIGMOID, OP_HARD_SIGMOID }, { ACT_MISH, OP_MISH }, { ACT_GELU, OP_GELU }, { ACT_ELU, OP_ELU },
    };
    int in_index[3] = { 0, 1, 2 }, out_index[1] = { 3 };
    struct graph_node node = { .name = "", .type = "", .n_in = 1, .n_out = 1, .in = in_index, .out = out_index };
    float low = e->a, high = e->b;
    struct fm_tensor in[3] = { *x };
    node.op = OP_IDENTITY;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].act == e->act)
            node.op = table[i].op;
    if (e->act == ACT_CLIP) {
        node.n_in = 3;
        in[1] = (struct fm_tensor){ .dtype = FM_F32, .data = &low };
        in[2] = (struct fm_tensor){ .dtype = FM_F32, .data = &high };
    } else if (e->act == ACT_PRELU) {
        node.n_in = 2;
        in[1] = *slope;
        in[1].rank = 3; /* [channels] -> [channels][1][1] */
        in[1].dim[1] = in[1].dim[2] = 1;
    } else {
        node.p.scalar.a = e->a;
        node.p.scalar.b = e->b;
    }
    return run_op(&node, in, out, error);
}

static int add(const struct fm_tensor *x, const struct fm_tensor *residual, struct fm_tensor *out, struct fm_error *error)
{
    int in_index[2] = { 0, 1 }, out_index[1] = { 2 };
    struct graph_node node = { .op = OP_ADD, .name = "", .type = "", .n_in = 2, .n_out = 1, .in = in_index, .out = out_index };
    const struct fm_tensor in[2] = { *x, *residual };
    return run_op(&node, in, out, error);
}

static int shuffle(const struct op_epilogue *e, const struct fm_tensor *x, struct fm_tensor *out, struct fm_error *error)
{
    int in_index[1] = { 0 }, out_index[1] = { 1 };
    struct graph_node node = {
        .op = OP_DEPTH_TO_SPACE, .name = "", .type = "", .n_in = 1, .n_out = 1, .in = in_index, .out = out_index
    };
    node.p.block.size = e->shuffle;
    node.p.block.crd = e->shuffle_crd;
    return run_op(&node, x, out, error);
}

int graph_epilogue_apply(const struct op_epilogue *e, struct fm_tensor *plain, const struct fm_tensor *slope,
                         const struct fm_tensor *residual, struct fm_tensor *out, struct fm_error *error)
{
    struct fm_tensor x = *plain, y = { 0 };
    int rc = FM_OK;
    plain->data = NULL;
    for (int step = 0; step < 4 && !rc; step++) { /* residual before, activation, residual after, shuffle */
        y.data = NULL;
        if ((step == 0 && e->residual_before_act) || (step == 2 && !e->residual_before_act))
            rc = residual->dtype != FM_DTYPE_NONE ? add(&x, residual, &y, error) : FM_OK;
        else if (step == 1 && e->act != ACT_NONE)
            rc = activate(e, &x, slope, &y, error);
        else if (step == 3 && e->shuffle > 1)
            rc = shuffle(e, &x, &y, error);
        if (y.data) {
            core_free(x.data);
            x = y;
        }
    }
    if (rc) {
        core_free(x.data);
        x.data = NULL;
    }
    *out = x;
    return rc;
}
