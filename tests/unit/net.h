/* SPDX-License-Identifier: MIT */
/* Small networks for tests: built node by node, filled with numbers that a seed decides, run by the interpreter. */
#ifndef FM_TESTS_NET_H
#define FM_TESTS_NET_H

#include <stdarg.h>

#include "check.h"
#include "core/alloc.h"
#include "graph/graph.h"

#define NET_UNUSED __attribute__((unused))
#define NET_DIMS(...) (int) (sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), (const int64_t[]){ __VA_ARGS__ }

static uint32_t net_state = 1;

/* In [-1, 1), the same on every machine. */
NET_UNUSED static float net_random(void)
{
    net_state = net_state * 1664525u + 1013904223u;
    return (float) (net_state >> 8) / 8388608.0f - 1.0f;
}

NET_UNUSED static int net_input(struct graph *g, const char *name, enum fm_dtype dtype, int rank, const int64_t *dim)
{
    const int v = graph_add_value(g, name);
    g->value[v].dtype = dtype;
    g->value[v].rank = rank;
    for (int i = 0; i < rank; i++)
        g->value[v].dim[i] = dim[i];
    int *input = arena_array(g->arena, (size_t) g->n_inputs + 1, sizeof(int));
    for (int i = 0; i < g->n_inputs; i++)
        input[i] = g->input[i];
    input[g->n_inputs++] = v;
    g->input = input;
    return v;
}

NET_UNUSED static void net_output(struct graph *g, int value)
{
    int *output = arena_array(g->arena, (size_t) g->n_outputs + 1, sizeof(int));
    for (int i = 0; i < g->n_outputs; i++)
        output[i] = g->output[i];
    output[g->n_outputs++] = value;
    g->output = output;
}

NET_UNUSED static int64_t net_count(int rank, const int64_t *dim)
{
    int64_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= dim[i];
    return count;
}

/* A float32 constant of random numbers in [low, high). */
NET_UNUSED static int net_weights(struct graph *g, float low, float high, int rank, const int64_t *dim)
{
    const int64_t count = net_count(rank, dim);
    float *data = arena_array(g->arena, (size_t) count, sizeof(float));
    for (int64_t i = 0; i < count; i++)
        data[i] = low + (high - low) * 0.5f * (net_random() + 1.0f);
    return graph_add_constant(g, "w", FM_F32, rank, dim, data);
}

#define NET_NODE(g, op, ...)                                                                                                       \
    net_node(g, op, #op, (int) (sizeof((int[]){ __VA_ARGS__ }) / sizeof(int)), (const int[]){ __VA_ARGS__ })
/* A node with one output; returns its value. The node itself is g->node[g->n_nodes - 1]. */
NET_UNUSED static int net_node(struct graph *g, enum op_kind op, const char *name, int n_in, const int *in)
{
    const int node = graph_add_node(g, op, name, name, n_in, 1);
    const int value = graph_add_value(g, "");
    for (int k = 0; k < n_in; k++)
        g->node[node].in[k] = in[k];
    graph_set_output(g, node, 0, value);
    return value;
}

NET_UNUSED static union op_params *net_params(struct graph *g) { return &g->node[g->n_nodes - 1].p; }

NET_UNUSED static void net_window(struct op_window *w, int64_t kernel, int64_t stride, int64_t pad)
{
    w->n = 2;
    for (int i = 0; i < 2; i++) {
        w->kernel[i] = kernel;
        w->stride[i] = stride;
        w->dilation[i] = 1;
        w->pad_begin[i] = w->pad_end[i] = pad;
    }
}

/* A square convolution with random weights and, when asked, bias. */
NET_UNUSED static int net_conv(struct graph *g, int x, int64_t in, int64_t out, int64_t kernel, int64_t stride, bool bias)
{
    const int w = net_weights(g, -0.5f, 0.5f, NET_DIMS(out, in, kernel, kernel));
    const int b = bias ? net_weights(g, -0.5f, 0.5f, NET_DIMS(out)) : -1;
    const int y = bias ? NET_NODE(g, OP_CONV, x, w, b) : NET_NODE(g, OP_CONV, x, w);
    net_params(g)->conv.group = 1;
    net_window(&net_params(g)->conv.window, kernel, stride, kernel / 2);
    return y;
}

/* A tensor of random numbers; its data comes from core_alloc. */
NET_UNUSED static struct fm_tensor net_tensor(int rank, const int64_t *dim)
{
    struct fm_tensor t = { .dtype = FM_F32, .rank = rank };
    for (int i = 0; i < rank; i++)
        t.dim[i] = dim[i];
    const int64_t count = net_count(rank, dim);
    float *data = core_alloc((size_t) count * sizeof(float) + 1);
    for (int64_t i = 0; i < count; i++)
        data[i] = 2.0f * net_random();
    t.data = data;
    return t;
}

NET_UNUSED static int net_nodes_of(const struct graph *g, enum op_kind op)
{
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++)
        n += g->node[i].op == op;
    return n;
}

/* Largest difference as a share of the largest magnitude; infinite when type or shape differ or anything is not finite. */
NET_UNUSED static double net_difference(const struct fm_tensor *a, const struct fm_tensor *b)
{
    if (a->dtype != FM_F32 || b->dtype != FM_F32 || a->rank != b->rank)
        return INFINITY;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return INFINITY;
    double top = 0.0, worst = 0.0;
    const float *x = a->data, *y = b->data;
    for (int64_t i = 0, n = fm_tensor_count(a); i < n; i++) {
        if (!isfinite(x[i]) || !isfinite(y[i]))
            return INFINITY;
        top = fmax(top, fabs((double) x[i]));
        worst = fmax(worst, fabs((double) x[i] - (double) y[i]));
    }
    return top > 0.0 ? worst / top : worst;
}

#endif
