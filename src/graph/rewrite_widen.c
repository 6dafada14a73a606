/* SPDX-License-Identifier: MIT */
/* A network in half precision is run in float32: half is how it is stored, no processor here computes in it. Constants are
 * converted, values change their type, and Cast nodes at the graph's inputs and outputs keep its face. */
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "graph/op.h"
#include "graph/rewrite.h"

static bool is_half(enum fm_dtype dtype) { return dtype == FM_F16 || dtype == FM_BF16; }

/* Only networks that do their real work in half are touched: conversions between types elsewhere may be meant. */
static bool computes_in_half(const struct graph *graph)
{
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct graph_node *node = &graph->node[i];
        if ((node->op == OP_CONV || node->op == OP_CONV_TRANSPOSE || node->op == OP_MATMUL || node->op == OP_GEMM) &&
            is_half(graph->value[node->in[0]].dtype))
            return true;
    }
    return false;
}

static int widen_constant(struct graph *graph, struct graph_value *value)
{
    struct fm_tensor t = { .dtype = value->dtype, .rank = value->rank };
    memcpy(t.dim, value->dim, sizeof(t.dim));
    const int64_t count = fm_tensor_count(&t);
    float *data = count >= 0 ? arena_array(graph->arena, (size_t) count, sizeof(float)) : NULL;
    if (!data)
        return FM_ERR_NOMEM;
    op_read_f32(data, value->dtype, value->data, 0, count);
    value->data = data;
    value->dtype = FM_F32;
    return FM_OK;
}

/* A second value of the same shape in float32. */
static int wide_twin(struct graph *graph, int value)
{
    const int twin = graph_add_value(graph, "");
    if (twin >= 0) {
        const char *name = graph->value[twin].name;
        graph->value[twin] = graph->value[value];
        graph->value[twin].name = name;
        graph->value[twin].dtype = FM_F32;
    }
    return twin;
}

static bool cast_node(struct graph *graph, struct graph_node *node, int from, int to)
{
    *node = (struct graph_node){ .op = OP_CAST, .name = "", .type = "Cast", .n_in = 1, .n_out = 1 };
    memset(&node->p, 0, sizeof(node->p));
    node->p.cast.to = graph->value[to].dtype;
    node->in = arena_array(graph->arena, 2, sizeof(int));
    if (!node->in)
        return false;
    node->out = node->in + 1;
    node->in[0] = from;
    node->out[0] = to;
    return true;
}

static void widen_params(struct graph_node *node)
{
    if (node->op == OP_CAST && is_half(node->p.cast.to))
        node->p.cast.to = FM_F32;
    if (node->op == OP_CONSTANT_OF_SHAPE && is_half(node->p.fill.dtype)) {
        float element;
        op_read_f32(&element, node->p.fill.dtype, node->p.fill.bytes, 0, 1);
        memcpy(node->p.fill.bytes, &element, sizeof(element));
        node->p.fill.dtype = FM_F32;
    }
}

/* role of a value: */
enum { INSIDE, IS_INPUT, IS_OUTPUT };

/* twin[v]: the value that the nodes use in v's place, or -1 when v itself has become wide. */
static int widen_values(struct graph *graph, const uint8_t *role, int *twin, int n_values)
{
    for (int v = 0; v < n_values; v++) {
        twin[v] = -1;
        if (!is_half(graph->value[v].dtype))
            continue;
        if (role[v] != INSIDE && (twin[v] = wide_twin(graph, v)) < 0)
            return FM_ERR_NOMEM;
        struct graph_value *wide = &graph->value[twin[v] >= 0 ? twin[v] : v];
        if (!wide->data) {
            wide->dtype = FM_F32;
        } else {
            wide->dtype = graph->value[v].dtype;
            if (widen_constant(graph, wide))
                return FM_ERR_NOMEM;
        }
    }
    return FM_OK;
}

static int widen_nodes(struct graph *graph, const uint8_t *role, const int *twin, int n_values)
{
    int n_casts = 0, n = 0;
    for (int v = 0; v < n_values; v++)
        n_casts += twin[v] >= 0 && !graph->value[v].data;
    struct graph_node *nodes = arena_array(graph->arena, (size_t) graph->n_nodes + (size_t) n_casts + 1, sizeof(*nodes));
    if (!nodes)
        return FM_ERR_NOMEM;
    for (int v = 0; v < n_values; v++)
        if (twin[v] >= 0 && role[v] == IS_INPUT && !cast_node(graph, &nodes[n++], v, twin[v]))
            return FM_ERR_NOMEM;
    for (int i = 0; i < graph->n_nodes; i++) {
        struct graph_node *node = &nodes[n++];
        *node = graph->node[i];
        widen_params(node);
        for (int k = 0; k < node->n_in; k++)
            if (node->in[k] >= 0 && twin[node->in[k]] >= 0)
                node->in[k] = twin[node->in[k]];
        for (int k = 0; k < node->n_out; k++)
            if (node->out[k] >= 0 && twin[node->out[k]] >= 0)
                node->out[k] = twin[node->out[k]];
    }
    for (int v = 0; v < n_values; v++)
        if (twin[v] >= 0 && role[v] == IS_OUTPUT && !graph->value[v].data && !cast_node(graph, &nodes[n++], twin[v], v))
            return FM_ERR_NOMEM;
    graph->node = nodes;
    graph->n_nodes = n;
    graph->cap_nodes = graph->n_nodes;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < nodes[i].n_out; k++)
            if (nodes[i].out[k] >= 0)
                graph->value[nodes[i].out[k]].producer = i;
    return FM_OK;
}

void rewrite_widen(struct rewriter *r)
{
    struct graph *graph = r->graph;
    const int n_values = graph->n_values;
    if (!computes_in_half(graph))
        return;
    uint8_t *role = core_calloc((size_t) n_values, 1);
    int *twin = core_alloc((size_t) n_values * sizeof(*twin));
    int rc = role && twin ? FM_OK : FM_ERR_NOMEM;
    for (int k = 0; k < graph->n_outputs && !rc; k++)
        role[graph->output[k]] = IS_OUTPUT;
    for (int k = 0; k < graph->n_inputs && !rc; k++)
        role[graph->input[k]] = IS_INPUT;
    if (!rc)
        rc = widen_values(graph, role, twin, n_values);
    if (!rc)
        rc = widen_nodes(graph, role, twin, n_values);
    core_free(twin);
    core_free(role);
    if (rc)
        r->rc = core_fail_nomem(r->error, 0);
}
