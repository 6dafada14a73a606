/* SPDX-License-Identifier: MIT */
/* Pieces of networks, and networks of random pieces: the same for the same seed on every machine. */
#ifndef FM_TESTS_NET_RANDOM_H
#define FM_TESTS_NET_RANDOM_H

#include "net.h"

NET_UNUSED static int net_picture(struct graph *g, int64_t channels)
{
    return net_input(g, "x", FM_F32, NET_DIMS(1, channels, -1, -1));
}

NET_UNUSED static int net_scalar(struct graph *g, float number) { return graph_add_f32(g, number); }

NET_UNUSED static int net_batch_norm(struct graph *g, int x, int64_t n)
{
    const int p[5] = { x, net_weights(g, 0.5f, 1.5f, NET_DIMS(n)), net_weights(g, -1, 1, NET_DIMS(n)),
                       net_weights(g, -1, 1, NET_DIMS(n)), net_weights(g, 0.5f, 1.5f, NET_DIMS(n)) };
    const int y = net_node(g, OP_BATCH_NORM, "norm", 5, p);
    net_params(g)->norm.epsilon = 1e-3f;
    return y;
}

NET_UNUSED static int net_six_axes(struct graph *g, int x, const int64_t *mid, const int64_t *perm, const int64_t *out)
{
    x = NET_NODE(g, OP_RESHAPE, x, graph_add_i64s(g, 6, mid));
    x = NET_NODE(g, OP_TRANSPOSE, x);
    net_params(g)->perm.n = 6;
    memcpy(net_params(g)->perm.perm, perm, 6 * sizeof(*perm));
    return NET_NODE(g, OP_RESHAPE, x, graph_add_i64s(g, 4, out));
}

NET_UNUSED static int net_every_second(struct graph *g, int x, int64_t y0, int64_t x0, bool one_node)
{
    if (one_node)
        return NET_NODE(g, OP_SLICE, x, graph_add_i64s(g, 2, (const int64_t[]){ y0, x0 }),
                        graph_add_i64s(g, 2, (const int64_t[]){ INT64_MAX, 4096 }),
                        graph_add_i64s(g, 2, (const int64_t[]){ -2, 3 }), graph_add_i64s(g, 2, (const int64_t[]){ 2, 2 }));
    const int end = graph_add_i64s(g, 1, (const int64_t[]){ INT64_MAX }), two = graph_add_i64s(g, 1, (const int64_t[]){ 2 });
    x = NET_NODE(g, OP_SLICE, x, graph_add_i64s(g, 1, &y0), end, graph_add_i64s(g, 1, (const int64_t[]){ 2 }), two);
    return NET_NODE(g, OP_SLICE, x, graph_add_i64s(g, 1, &x0), end, graph_add_i64s(g, 1, (const int64_t[]){ 3 }), two);
}

/* ---- random networks ---- */

NET_UNUSED static int net_pick(int n) { return (int) ((net_random() + 1.0f) * 0.5f * (float) n) % n; }

/* The values made so far. any_size: no node names a size, so the network takes pictures of others. */
struct net_pool {
    int value[64], n;
    int64_t dim[64][3]; /* channels, height, width */
    int64_t limit; /* values this high are not enlarged */
    bool any_size;
};

NET_UNUSED static void net_pool_add(struct net_pool *p, int value, int64_t c, int64_t h, int64_t w)
{
    p->value[p->n] = value;
    memcpy(p->dim[p->n++], (const int64_t[]){ c, h, w }, sizeof(p->dim[0]));
}

NET_UNUSED static int net_random_activation(struct graph *g, int x, int64_t channels)
{
    static const enum op_kind kinds[] = { OP_RELU, OP_LEAKY_RELU, OP_SILU, OP_SIGMOID,  OP_TANH, OP_HARD_SWISH, OP_HARD_SIGMOID,
                                          OP_MISH, OP_GELU,       OP_ELU,  OP_SOFTSIGN, OP_NEG,  OP_IDENTITY };
    const int kind = net_pick(17);
    if (kind == 13)
        return NET_NODE(g, OP_PRELU, x, net_weights(g, 0, 1, NET_DIMS(channels, 1, 1)));
    if (kind == 14)
        return NET_NODE(g, OP_CLIP, x, net_scalar(g, -0.5f), net_scalar(g, 0.5f));
    if (kind == 15)
        return NET_NODE(g, OP_MUL, NET_NODE(g, OP_SIGMOID, x), x);
    if (kind == 16)
        return NET_NODE(g, OP_MIN, NET_NODE(g, OP_MAX, x, net_scalar(g, 0.0f)), net_scalar(g, 1.0f));
    const int y = net_node(g, kinds[kind], "act", 1, &x);
    net_params(g)->scalar.a = kinds[kind] == OP_GELU ? 0.0f : 0.3f;
    net_params(g)->scalar.b = 0.4f;
    return y;
}

NET_UNUSED static int net_random_affine(struct graph *g, int x, const int64_t *dim)
{
    static const enum op_kind kinds[] = { OP_ADD, OP_SUB, OP_MUL, OP_DIV };
    const enum op_kind op = kinds[net_pick(4)];
    const int form = net_pick(5);
    if (form == 4)
        return net_batch_norm(g, x, dim[0]);
    const int c = form == 0   ? net_scalar(g, 0.75f)
                  : form == 1 ? net_weights(g, 0.5f, 1.5f, NET_DIMS(dim[0], 1, 1))
                  : form == 2 ? net_weights(g, 0.5f, 1.5f, NET_DIMS(1, dim[0], 1, 1))
                              : net_weights(g, 0.5f, 1.5f, NET_DIMS(dim[2]));
    const int in[2] = { op != OP_DIV && net_pick(2) ? c : x, 0 };
    const int both[2] = { in[0], in[0] == x ? c : x };
    return net_node(g, op, "affine", 2, both);
}

NET_UNUSED static void net_random_step(struct graph *g, struct net_pool *p)
{
    const int at = net_pick(4) ? p->n - 1 : net_pick(p->n), x = p->value[at], kind = net_pick(14);
    const int64_t *d = p->dim[at], c = d[0], h = d[1], w = d[2];
    if (kind < 4) {
        const int64_t kernel = 1 + 2 * net_pick(3), stride = net_pick(5) ? 1 : 2, out = 4 * (1 + net_pick(3));
        net_pool_add(p, net_conv(g, x, c, out, kernel, stride, net_pick(2)), out, (h - 1) / stride + 1, (w - 1) / stride + 1);
    } else if (kind < 7) {
        net_pool_add(p, net_random_activation(g, x, c), c, h, w);
    } else if (kind == 7) {
        net_pool_add(p, net_random_affine(g, x, d), c, h, w);
    } else if (kind < 10) { /* with another of the same shape, the farther the better */
        int other = -1;
        for (int i = 0; i < p->n && other < 0; i++)
            if (!memcmp(p->dim[i], d, sizeof(p->dim[0])) && (i != at || net_pick(3) == 0))
                other = p->value[i];
        const int pair[2] = { net_pick(2) ? x : other, 0 }, both[2] = { pair[0], pair[0] == x ? other : x };
        if (other >= 0)
            net_pool_add(p, net_node(g, kind == 8 && net_pick(3) == 0 ? OP_MUL : OP_ADD, "join", 2, both), c, h, w);
    } else if (kind == 10 && c % 4 == 0 && h < p->limit) {
        if (p->any_size || net_pick(2)) {
            const int y = NET_NODE(g, OP_DEPTH_TO_SPACE, x);
            net_params(g)->block.size = 2;
            net_params(g)->block.crd = net_pick(2);
            net_pool_add(p, y, c / 4, 2 * h, 2 * w);
        } else {
            net_pool_add(p, net_six_axes(g, x, (const int64_t[]){ 1, c / 4, 2, 2, h, w }, (const int64_t[]){ 0, 1, 4, 2, 5, 3 },
                                 (const int64_t[]){ 1, c / 4, 2 * h, 2 * w }), c / 4, 2 * h, 2 * w);
        }
    } else if (kind == 11 && h < p->limit) {
        const int y = NET_NODE(g, OP_PAD, x, graph_add_i64s(g, 8, (const int64_t[]){ 0, 0, 1, 0, 0, 0, 0, 2 }));
        net_params(g)->pad.mode = net_pick(2) ? PAD_CONSTANT : PAD_EDGE;
        net_pool_add(p, y, c, h + 1, w + 2);
    } else if (kind == 12 && h < p->limit) {
        const int weights = net_weights(g, -0.5f, 0.5f, NET_DIMS(c, 4, 2, 2)), y = NET_NODE(g, OP_CONV_TRANSPOSE, x, weights);
        net_params(g)->conv.group = 1;
        net_window(&net_params(g)->conv.window, 2, 2, 0);
        net_pool_add(p, y, 4, 2 * h, 2 * w);
    } else if (kind == 13 && h % 2 == 0 && w % 2 == 0) {
        const int a = net_every_second(g, x, 0, 0, true), b = net_every_second(g, x, 1, 0, true),
                  e = net_every_second(g, x, 0, 1, true);
        const int parts[4] = { a, b, e, net_every_second(g, x, 1, 1, true) };
        const int y = net_node(g, OP_CONCAT, "focus", 4, parts);
        net_params(g)->axis.axis = 1;
        net_pool_add(p, y, 4 * c, h / 2, w / 2);
    }
}

#endif
