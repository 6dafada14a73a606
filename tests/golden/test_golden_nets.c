/* SPDX-License-Identifier: MIT */
/* Every kind of layer that upscalers and detectors have, in small networks, at sizes from 1x1 up. */
#include "golden.h"

struct shape_net {
    const char *name;
    int (*build)(struct graph *g, int x, const struct shape_net *n);
    int channels; /* of the picture that goes in */
    int a, b;     /* what the builder makes of them */
    enum golden_tiles tiles;
    int least; /* the smallest picture side the network takes */
    int batch;
};

static int act(struct graph *g, int x, enum op_kind op)
{
    const int y = net_node(g, op, "act", 1, &x);
    net_params(g)->scalar.a = op == OP_LEAKY_RELU                            ? 0.2f
                              : op == OP_HARD_SWISH || op == OP_HARD_SIGMOID ? 1.0f / 6
                              : op == OP_ELU                                 ? 1
                                                                             : 0;
    net_params(g)->scalar.b = 0.5f;
    return y;
}

static int conv_group(struct graph *g, int x, int in, int out, int kernel, int stride, int dilation, int group)
{
    const int w = net_weights(g, -0.5f, 0.5f, NET_DIMS(out, in / group, kernel, kernel)),
              b = net_weights(g, -0.5f, 0.5f, NET_DIMS(out));
    const int y = NET_NODE(g, OP_CONV, x, w, b);
    struct op_window *window = &net_params(g)->conv.window;
    net_params(g)->conv.group = group;
    net_window(window, kernel, stride, (kernel - 1) / 2 * dilation);
    window->dilation[0] = window->dilation[1] = dilation;
    return y;
}

static int shuffle(struct graph *g, int x, int r, bool crd)
{
    const int y = NET_NODE(g, OP_DEPTH_TO_SPACE, x);
    net_params(g)->block.size = r;
    net_params(g)->block.crd = crd;
    return y;
}

static int concat(struct graph *g, int n, const int *in)
{
    const int y = net_node(g, OP_CONCAT, "Concat", n, in);
    net_params(g)->axis.axis = 1;
    return y;
}

/* a channels throughout, b convolutions */
static int build_chain(struct graph *g, int x, const struct shape_net *n)
{
    x = act(g, net_conv(g, x, n->channels, n->a, 3, 1, true), OP_RELU);
    for (int i = 2; i < n->b; i++) x = act(g, net_conv(g, x, n->a, n->a, 3, 1, true), i % 2 ? OP_RELU : OP_LEAKY_RELU);
    return net_conv(g, x, n->a, n->channels, 3, 1, true);
}

static int build_residual(struct graph *g, int x, const struct shape_net *n)
{
    x = act(g, net_conv(g, x, n->channels, n->a, 3, 1, true), OP_SILU);
    for (int i = 0; i < n->b; i++) {
        const int y = net_conv(g, act(g, net_conv(g, x, n->a, n->a, 3, 1, true), OP_SILU), n->a, n->a, 3, 1, true);
        x = NET_NODE(g, OP_ADD, i % 2 ? y : x, i % 2 ? x : y);
        if (i % 2) x = act(g, x, OP_RELU);
    }
    return net_conv(g, x, n->a, n->channels, 3, 1, true);
}

static int build_activation(struct graph *g, int x, const struct shape_net *n)
{
    x = act(g, net_conv(g, x, n->channels, n->a, 3, 1, true), (enum op_kind) n->b);
    return net_conv(g, x, n->a, 3, 3, 1, true);
}

static int build_prelu(struct graph *g, int x, const struct shape_net *n)
{
    x = net_conv(g, x, n->channels, n->a, 3, 1, true);
    x = NET_NODE(g, OP_PRELU, x, net_weights(g, 0, 0.5f, NET_DIMS(n->a, 1, 1)));
    x = net_conv(g, x, n->a, n->a, 3, 1, true);
    const int y = NET_NODE(g, OP_PRELU, x, net_weights(g, 0, 0.5f, NET_DIMS(n->a, 1, 1)));
    const int two[2] = {y, x};
    return NET_NODE(g, OP_PRELU, concat(g, 2, two), net_weights(g, 0, 0.5f, NET_DIMS(2 * n->a, 1, 1)));
}

static int build_strides(struct graph *g, int x, const struct shape_net *n)
{
    x = act(g, net_conv(g, x, n->channels, n->a, 3, 2, true), OP_RELU);
    x = act(g, net_conv(g, x, n->a, n->a, 3, 1, true), OP_RELU);
    return net_conv(g, x, n->a, n->b, 3, 2, true);
}

static int build_dilation(struct graph *g, int x, const struct shape_net *n)
{
    x = act(g, conv_group(g, x, n->channels, n->a, 3, 1, 2, 1), OP_RELU);
    return conv_group(g, x, n->a, n->a, 3, 1, n->b, 1);
}

static int build_depthwise(struct graph *g, int x, const struct shape_net *n)
{
    x = act(g, net_conv(g, x, n->channels, n->a, 1, 1, true), OP_HARD_SWISH);
    x = act(g, conv_group(g, x, n->a, n->a, n->b, 1, 1, n->a), OP_RELU);
    x = act(g, conv_group(g, x, n->a, n->a, n->b, 2, 1, n->a), OP_SILU);
    return net_conv(g, x, n->a, n->channels, 1, 1, true);
}

static int build_grouped(struct graph *g, int x, const struct shape_net *n)
{
    x = net_conv(g, x, n->channels, n->a, 3, 1, true);
    x = act(g, conv_group(g, x, n->a, 2 * n->a, 3, 1, 1, n->b), OP_RELU);
    return conv_group(g, x, 2 * n->a, n->a, 3, 1, 1, n->b);
}

static int build_kernels(struct graph *g, int x, const struct shape_net *n)
{
    x = act(g, net_conv(g, x, n->channels, n->a, n->b, 1, true), OP_RELU);
    x = act(g, net_conv(g, x, n->a, n->a, n->b, 1, false), OP_RELU);
    return net_conv(g, x, n->a, n->channels, n->b, 1, true);
}

/* kernels of one row and of one column, pads to one side, an even kernel */
static int build_uneven(struct graph *g, int x, const struct shape_net *n)
{
    x = NET_NODE(g, OP_CONV, x, net_weights(g, -0.5f, 0.5f, NET_DIMS(n->a, n->channels, 1, 5)));
    net_params(g)->conv.group = 1;
    net_params(g)->conv.window =
        (struct op_window){.n = 2, .kernel = {1, 5}, .stride = {1, 1}, .dilation = {1, 1}, .pad_begin = {0, 4}};
    x = NET_NODE(g, OP_CONV, x, net_weights(g, -0.5f, 0.5f, NET_DIMS(n->a, n->a, 3, 1)));
    net_params(g)->conv.group = 1;
    net_params(g)->conv.window =
        (struct op_window){.n = 2, .kernel = {3, 1}, .stride = {1, 1}, .dilation = {1, 1}, .pad_end = {2, 0}};
    x = NET_NODE(g, OP_CONV, act(g, x, OP_TANH), net_weights(g, -0.5f, 0.5f, NET_DIMS(3, n->a, 2, 2)));
    net_params(g)->conv.group = 1;
    net_params(g)->conv.window =
        (struct op_window){.n = 2, .kernel = {2, 2}, .stride = {1, 1}, .dilation = {1, 1}, .pad_begin = {1, 1}};
    return x;
}

/* unpadded: the picture shrinks */
static int build_valid(struct graph *g, int x, const struct shape_net *n)
{
    for (int i = 0; i < 3; i++) {
        x = act(g, net_conv(g, x, i ? n->a : n->channels, n->a, 3, 1, true), OP_LEAKY_RELU);
        struct op_window *w = &g->node[g->n_nodes - 2].p.conv.window;
        for (int k = 0; k < 2; k++) w->pad_begin[k] = w->pad_end[k] = 0;
    }
    return net_conv(g, x, n->a, n->b, 3, 1, true);
}

static int build_pointwise(struct graph *g, int x, const struct shape_net *n)
{
    x = act(g, net_conv(g, x, n->channels, n->a, 1, 1, true), OP_GELU);
    x = act(g, net_conv(g, x, n->a, n->b, 1, 1, true), OP_SIGMOID);
    return net_conv(g, x, n->b, n->channels, 1, 1, true);
}

static int transposed(struct graph *g, int x, int in, int out, int kernel, int stride, int pad, int output_pad)
{
    const int y = NET_NODE(g, OP_CONV_TRANSPOSE, x, net_weights(g, -0.5f, 0.5f, NET_DIMS(in, out, kernel, kernel)),
        net_weights(g, -0.5f, 0.5f, NET_DIMS(out)));
    net_params(g)->conv.group = 1;
    net_window(&net_params(g)->conv.window, kernel, stride, pad);
    net_params(g)->conv.output_pad[0] = net_params(g)->conv.output_pad[1] = output_pad;
    return y;
}

/* a = 10 * kernel + stride, b = 10 * pad + output pad */
static int build_transposed(struct graph *g, int x, const struct shape_net *n)
{
    x = act(g, net_conv(g, x, n->channels, 12, 3, 1, true), OP_RELU);
    x = act(g, transposed(g, x, 12, 10, n->a / 10, n->a % 10, n->b / 10, n->b % 10), OP_RELU);
    return net_conv(g, x, 10, 3, 3, 1, true);
}

static int build_transposed_last(struct graph *g, int x, const struct shape_net *n)
{
    x = act(g, net_conv(g, x, n->channels, 16, 3, 1, true), OP_RELU);
    return transposed(g, x, 16, 1, n->a / 10, n->a % 10, n->b / 10, n->b % 10);
}

static int build_shuffle_last(struct graph *g, int x, const struct shape_net *n)
{
    x = act(g, net_conv(g, x, n->channels, 16, 3, 1, true), OP_RELU);
    x = shuffle(g, net_conv(g, x, 16, n->b * n->a * n->a, 3, 1, true), n->a, n->b % 2);
    return NET_NODE(g, OP_CLIP, x, graph_add_f32(g, 0), graph_add_f32(g, 1));
}

static int build_shuffle_middle(struct graph *g, int x, const struct shape_net *n)
{
    x = act(g, net_conv(g, x, n->channels, n->b * n->a * n->a, 3, 1, true), OP_RELU);
    x = act(g, shuffle(g, x, n->a, true), OP_LEAKY_RELU);
    return net_conv(g, x, n->b, n->channels, 3, 1, true);
}

/* the picture beside its own network, as realesr-animevideov3 has it */
static int build_upscaler(struct graph *g, int x, const struct shape_net *n)
{
    int y = x;
    for (int i = 0; i < 3; i++) {
        y = net_conv(g, y, i ? n->b : n->channels, n->b, 3, 1, true);
        y = NET_NODE(g, OP_PRELU, y, net_weights(g, 0, 0.5f, NET_DIMS(n->b, 1, 1)));
    }
    y = shuffle(g, net_conv(g, y, n->b, n->channels * n->a * n->a, 3, 1, true), n->a, true);
    const int large = NET_NODE(g, OP_RESIZE, x, -1, graph_add_f32s(g, 4, (const float[]){1, 1, (float) n->a, (float) n->a}));
    net_params(g)->resize.mode = RESIZE_NEAREST;
    net_params(g)->resize.coordinates = COORD_ASYMMETRIC;
    net_params(g)->resize.nearest = NEAREST_FLOOR;
    return NET_NODE(g, OP_ADD, y, large);
}

static int build_space_to_depth(struct graph *g, int x, const struct shape_net *n)
{
    x = NET_NODE(g, OP_SPACE_TO_DEPTH, x);
    net_params(g)->block.size = n->a;
    x = act(g, net_conv(g, x, n->channels * n->a * n->a, n->b, 3, 1, true), OP_RELU);
    x = NET_NODE(g, OP_SPACE_TO_DEPTH, x);
    net_params(g)->block.size = n->a;
    return shuffle(g, x, n->a, false);
}

static int build_concat(struct graph *g, int x, const struct shape_net *n)
{
    const int p = act(g, net_conv(g, x, n->channels, n->a, 3, 1, true), OP_RELU);
    const int q = act(g, net_conv(g, p, n->a, n->b, 3, 1, true), OP_RELU);
    const int r = act(g, net_conv(g, q, n->b, n->a, 1, 1, true), OP_RELU);
    const int three[3] = {p, q, r};
    const int all = concat(g, 3, three);
    const int y = net_conv(g, all, 2 * n->a + n->b, n->a, 3, 1, true);
    const int last[2] = {y, x};
    return concat(g, 2, last);
}

static int slice(struct graph *g, int x, int64_t axis, int64_t from, int64_t to)
{
    return NET_NODE(g, OP_SLICE, x, graph_add_i64s(g, 1, &from), graph_add_i64s(g, 1, &to), graph_add_i64s(g, 1, &axis));
}

static int build_split(struct graph *g, int x, const struct shape_net *n)
{
    x = act(g, net_conv(g, x, n->channels, n->a + n->b, 3, 1, true), OP_RELU);
    const int node = graph_add_node(g, OP_SPLIT, "Split", "", 2, 2);
    g->node[node].in[0] = x;
    g->node[node].in[1] = graph_add_i64s(g, 2, (const int64_t[]){n->a, n->b});
    g->node[node].p.axis.axis = 1;
    int part[2];
    for (int k = 0; k < 2; k++) graph_set_output(g, node, k, part[k] = graph_add_value(g, ""));
    const int p = net_conv(g, part[0], n->a, 8, 3, 1, true), q = net_conv(g, part[1], n->b, 8, 3, 1, true);
    const int s = net_conv(g, slice(g, x, 1, 3, n->a), n->a - 3, 8, 1, 1, true);
    return NET_NODE(g, OP_ADD, NET_NODE(g, OP_MUL, p, q), s);
}

static int build_crop(struct graph *g, int x, const struct shape_net *n)
{
    x = act(g, net_conv(g, x, n->channels, n->a, 3, 1, true), OP_RELU);
    const int y = slice(g, slice(g, x, 2, 2, -3), 3, n->b, -1);
    return net_conv(g, y, n->a, 5, 3, 1, true);
}

static int pool(struct graph *g, int x, enum op_kind op, int kernel, int stride, int pad, bool count_pad)
{
    const int y = net_node(g, op, "Pool", 1, &x);
    net_window(&net_params(g)->pool.window, kernel, stride, pad);
    net_params(g)->pool.count_include_pad = count_pad;
    return y;
}

static int build_pools(struct graph *g, int x, const struct shape_net *n)
{
    x = act(g, net_conv(g, x, n->channels, n->a, 3, 1, true), OP_RELU);
    const int p = pool(g, x, OP_MAX_POOL, 2, 2, 0, false);
    const int q = pool(g, p, OP_MAX_POOL, 5, 1, 2, false);
    const int r = pool(g, p, OP_AVERAGE_POOL, 3, 1, 1, n->b != 0);
    const int three[3] = {p, q, r};
    x = pool(g, concat(g, 3, three), OP_AVERAGE_POOL, 3, 2, 1, n->b == 0);
    net_params(g)->pool.ceil_mode = n->b == 0;
    return net_conv(g, x, 3 * n->a, 4, 1, 1, true);
}

static int build_squeeze(struct graph *g, int x, const struct shape_net *n)
{
    x = act(g, net_conv(g, x, n->channels, n->a, 3, 1, true), OP_RELU);
    int y = NET_NODE(g, n->b ? OP_GLOBAL_MAX_POOL : OP_GLOBAL_AVERAGE_POOL, x);
    y = act(g, net_conv(g, y, n->a, 4, 1, 1, true), OP_RELU);
    y = act(g, net_conv(g, y, 4, n->a, 1, 1, true), OP_SIGMOID);
    return net_conv(g, NET_NODE(g, OP_MUL, x, y), n->a, n->channels, 3, 1, true);
}

/* a: mode, b: coordinates; twice as large, then as large as 3 / 2 */
static int build_resize(struct graph *g, int x, const struct shape_net *n)
{
    static const float twice[] = {1, 1, 2, 2}, more[] = {1, 1, 1.5f, 1.5f};
    x = act(g, net_conv(g, x, n->channels, 16, 3, 1, true), OP_RELU);
    for (int i = 0; i < 2; i++) {
        x = NET_NODE(g, OP_RESIZE, x, -1, graph_add_f32s(g, 4, i ? more : twice));
        net_params(g)->resize.mode = (enum op_resize_mode) n->a;
        net_params(g)->resize.coordinates = (enum op_coordinates) n->b;
        net_params(g)->resize.nearest = NEAREST_FLOOR;
        net_params(g)->resize.cubic_a = -0.75f;
        if (!i) x = net_conv(g, x, 16, 7, 3, 1, true);
    }
    return x;
}

static int build_shrink(struct graph *g, int x, const struct shape_net *n)
{
    x = act(g, net_conv(g, x, n->channels, 8, 3, 1, true), OP_RELU);
    x = NET_NODE(g, OP_RESIZE, x, -1, graph_add_f32s(g, 4, (const float[]){1, 1, 0.5f, 0.5f}));
    net_params(g)->resize.mode = (enum op_resize_mode) n->a;
    net_params(g)->resize.coordinates = COORD_HALF_PIXEL;
    net_params(g)->resize.cubic_a = -0.5f;
    return net_conv(g, x, 8, 3, 3, 1, true);
}

static int build_padded(struct graph *g, int x, const struct shape_net *n)
{
    for (int i = 0; i < 2; i++) {
        x = NET_NODE(g, OP_PAD, x, graph_add_i64s(g, 8, (const int64_t[]){0, 0, 1, 2, 0, 0, 3, 1}));
        net_params(g)->pad.mode = (enum op_pad_mode) n->b;
        x = act(g, net_conv(g, x, i ? n->a : n->channels, n->a, 3, 1, true), OP_RELU);
        struct op_window *w = &g->node[g->n_nodes - 2].p.conv.window;
        for (int k = 0; k < 2; k++) w->pad_begin[k] = w->pad_end[k] = 0;
    }
    return x;
}

/* halves, goes on, comes back beside what it came from */
static int build_unet(struct graph *g, int x, const struct shape_net *n)
{
    const int top = act(g, net_conv(g, x, n->channels, n->a, 3, 1, true), OP_LEAKY_RELU);
    int y = act(g, net_conv(g, top, n->a, n->b, 2, 2, true), OP_LEAKY_RELU);
    struct op_window *w = &g->node[g->n_nodes - 2].p.conv.window;
    for (int k = 0; k < 2; k++) w->pad_begin[k] = w->pad_end[k] = 0;
    y = act(g, net_conv(g, y, n->b, n->b, 3, 1, true), OP_LEAKY_RELU);
    y = transposed(g, y, n->b, n->a, 2, 2, 0, 0);
    const int two[2] = {top, y};
    return net_conv(g, concat(g, 2, two), 2 * n->a, n->channels, 3, 1, true);
}

/* sums and products with numbers per channel and with numbers alone, quotients, clips */
static int build_affine(struct graph *g, int x, const struct shape_net *n)
{
    x = NET_NODE(g, OP_SUB, x, net_weights(g, -1, 1, NET_DIMS(n->channels, 1, 1)));
    x = NET_NODE(g, OP_DIV, x, net_weights(g, 0.5f, 1, NET_DIMS(1, n->channels, 1, 1)));
    int y = net_conv(g, x, n->channels, n->a, 3, 1, true);
    const int s = act(g, y, OP_SIGMOID), t = act(g, y, OP_TANH);
    y = NET_NODE(g, OP_DIV, t, NET_NODE(g, OP_ADD, s, graph_add_f32(g, 0.5f)));
    y = NET_NODE(g, OP_MAX, NET_NODE(g, OP_SUB, graph_add_f32(g, 0.25f), y),
        NET_NODE(g, OP_MUL, s, net_weights(g, -1, 1, NET_DIMS(n->a, 1, 1))));
    y = NET_NODE(g, OP_MIN, y, s);
    return net_conv(g, y, n->a, n->b, 3, 1, true);
}

/* nodes without kernels of their own between convolutions */
static int build_reference(struct graph *g, int x, const struct shape_net *n)
{
    x = net_conv(g, x, n->channels, n->a, 3, 1, true);
    const int y = NET_NODE(g, OP_SOFTMAX, x);
    net_params(g)->axis.axis = 1;
    x = NET_NODE(g, OP_ADD, NET_NODE(g, OP_EXP, y), NET_NODE(g, OP_ABS, x));
    return net_conv(g, x, n->a, n->b, 3, 1, true);
}

static int build_norm(struct graph *g, int x, const struct shape_net *n)
{
    x = net_conv(g, x, n->channels, n->a, 3, 1, true);
    x = NET_NODE(g, OP_INSTANCE_NORM, x, net_weights(g, 0.5f, 1, NET_DIMS(n->a)), net_weights(g, 0.5f, 1, NET_DIMS(n->a)));
    net_params(g)->norm.epsilon = 1e-3f;
    return net_conv(g, act(g, x, OP_RELU), n->a, n->b, 3, 1, true);
}

static const struct shape_net nets[] = {
    {"chain 3", build_chain, 3, 3, 3, GOLDEN_TILES, 1, 1},
    {"chain 8", build_chain, 1, 8, 4, GOLDEN_TILES, 1, 1},
    {"chain 9", build_chain, 1, 9, 4, GOLDEN_TILES, 1, 1},
    {"chain 12", build_chain, 3, 12, 3, GOLDEN_TILES, 1, 1},
    {"chain 16", build_chain, 1, 16, 5, GOLDEN_TILES, 1, 1},
    {"chain 24", build_chain, 3, 24, 3, GOLDEN_TILES, 1, 2},
    {"chain 64", build_chain, 3, 64, 3, GOLDEN_TILES, 1, 1},
    {"residual 16", build_residual, 3, 16, 3, GOLDEN_TILES, 1, 1},
    {"residual 9", build_residual, 1, 9, 2, GOLDEN_TILES, 1, 1},
    {"residual 64", build_residual, 3, 64, 1, GOLDEN_TILES, 1, 1},
    {"mish", build_activation, 3, 16, OP_MISH, GOLDEN_TILES, 1, 1},
    {"gelu", build_activation, 3, 9, OP_GELU, GOLDEN_TILES, 1, 1},
    {"elu", build_activation, 3, 16, OP_ELU, GOLDEN_TILES, 1, 1},
    {"hard sigmoid", build_activation, 3, 16, OP_HARD_SIGMOID, GOLDEN_TILES, 1, 1},
    {"prelu 16", build_prelu, 3, 16, 0, GOLDEN_TILES, 1, 1},
    {"prelu 9", build_prelu, 1, 9, 0, GOLDEN_TILES, 1, 2},
    {"strides", build_strides, 3, 16, 9, GOLDEN_TILES, 1, 1},
    {"dilation 3", build_dilation, 3, 16, 3, GOLDEN_TILES, 1, 1},
    {"dilation 5", build_dilation, 1, 9, 5, GOLDEN_TILES, 1, 1},
    {"depthwise 3x3", build_depthwise, 3, 24, 3, GOLDEN_TILES, 1, 1},
    {"depthwise 5x5", build_depthwise, 3, 13, 5, GOLDEN_TILES, 1, 2},
    {"grouped", build_grouped, 3, 16, 4, GOLDEN_TILES, 1, 1},
    {"grouped by blocks", build_grouped, 3, 32, 2, GOLDEN_TILES, 1, 1},
    {"5x5", build_kernels, 1, 16, 5, GOLDEN_TILES, 1, 1},
    {"5x5 of 9", build_kernels, 3, 9, 5, GOLDEN_TILES, 1, 1},
    {"7x7", build_kernels, 3, 8, 7, GOLDEN_TILES, 1, 1},
    {"uneven windows", build_uneven, 3, 12, 0, GOLDEN_TILES, 1, 1},
    {"valid", build_valid, 3, 32, 5, GOLDEN_TILES, 8, 1},
    {"1x1", build_pointwise, 3, 64, 17, GOLDEN_TILES, 1, 1},
    {"transposed 2x2", build_transposed, 3, 22, 0, GOLDEN_TILES, 1, 1},
    {"transposed 4x4", build_transposed, 3, 42, 10, GOLDEN_TILES, 1, 2},
    {"transposed 3x3 by 1", build_transposed, 3, 31, 10, GOLDEN_TILES, 1, 1},
    {"transposed 3x3 by 2, one more", build_transposed, 3, 32, 11, GOLDEN_TILES, 1, 1},
    {"transposed 9x9 by 3", build_transposed_last, 1, 93, 42, GOLDEN_TILES, 1, 1},
    {"transposed 4x4 by 2, last", build_transposed_last, 3, 42, 10, GOLDEN_TILES, 1, 1},
    {"shuffle 2", build_shuffle_last, 3, 2, 3, GOLDEN_TILES, 1, 1},
    {"shuffle 3", build_shuffle_last, 1, 3, 1, GOLDEN_TILES, 1, 2},
    {"shuffle 4", build_shuffle_last, 3, 4, 2, GOLDEN_TILES, 1, 1},
    {"shuffle 2 inside", build_shuffle_middle, 3, 2, 16, GOLDEN_TILES, 1, 1},
    {"shuffle 3 inside", build_shuffle_middle, 1, 3, 5, GOLDEN_TILES, 1, 1},
    {"upscaler 4", build_upscaler, 3, 4, 16, GOLDEN_TILES, 1, 1},
    {"upscaler 2", build_upscaler, 1, 2, 24, GOLDEN_TILES, 1, 2},
    {"space to depth", build_space_to_depth, 3, 2, 12, GOLDEN_TILES, 4, 1},
    {"concat aligned", build_concat, 16, 16, 32, GOLDEN_TILES, 1, 1},
    {"concat", build_concat, 3, 9, 7, GOLDEN_TILES, 1, 1},
    {"split aligned", build_split, 3, 16, 16, GOLDEN_TILES, 1, 1},
    {"split", build_split, 3, 9, 5, GOLDEN_TILES, 1, 2},
    {"crop", build_crop, 3, 16, 5, GOLDEN_TILES, 8, 1},
    {"pools", build_pools, 3, 16, 0, GOLDEN_ASK, 4, 1},
    {"pools, padding counts", build_pools, 3, 9, 1, GOLDEN_ASK, 4, 2},
    {"squeeze and excite", build_squeeze, 3, 24, 0, GOLDEN_NO_TILES, 1, 2},
    {"squeeze by maximum", build_squeeze, 3, 9, 1, GOLDEN_NO_TILES, 1, 1},
    {"resize nearest", build_resize, 3, RESIZE_NEAREST, COORD_ASYMMETRIC, GOLDEN_TILES, 2, 1},
    {"resize nearest, half pixel", build_resize, 3, RESIZE_NEAREST, COORD_HALF_PIXEL, GOLDEN_TILES, 2, 1},
    {"resize linear", build_resize, 3, RESIZE_LINEAR, COORD_HALF_PIXEL, GOLDEN_TILES, 2, 1},
    {"resize linear, asymmetric", build_resize, 3, RESIZE_LINEAR, COORD_ASYMMETRIC, GOLDEN_TILES, 2, 2},
    {"resize linear, corners", build_resize, 3, RESIZE_LINEAR, COORD_ALIGN_CORNERS, GOLDEN_TILES, 2, 1},
    {"resize cubic", build_resize, 1, RESIZE_CUBIC, COORD_HALF_PIXEL, GOLDEN_TILES, 2, 1},
    {"shrink linear", build_shrink, 3, RESIZE_LINEAR, 0, GOLDEN_TILES, 2, 1},
    {"shrink cubic", build_shrink, 3, RESIZE_CUBIC, 0, GOLDEN_TILES, 2, 1},
    {"pad constant", build_padded, 3, 16, PAD_CONSTANT, GOLDEN_TILES, 4, 1},
    {"pad reflect", build_padded, 3, 16, PAD_REFLECT, GOLDEN_TILES, 4, 1},
    {"pad edge", build_padded, 3, 9, PAD_EDGE, GOLDEN_TILES, 4, 2},
    {"u-net", build_unet, 3, 16, 24, GOLDEN_TILES, 4, 1},
    {"affine", build_affine, 3, 9, 5, GOLDEN_TILES, 1, 1},
    {"affine by blocks", build_affine, 3, 20, 16, GOLDEN_TILES, 1, 2},
    {"reference in between", build_reference, 3, 16, 5, GOLDEN_ASK, 1, 1},
    {"instance norm", build_norm, 3, 16, 5, GOLDEN_NO_TILES, 1, 2},
};

static void try_net(const struct shape_net *n, int h, int w, enum golden_depth depth)
{
    char name[128];
    struct graph *g = graph_create();
    if (!CHECK(g != NULL)) return;
    net_state = (uint32_t) (n - nets) * 7919u + 17u;
    const int x = net_input(g, "x", FM_F32, NET_DIMS(-1, n->channels, -1, -1));
    net_output(g, n->build(g, x, n));
    struct fm_tensor in = net_tensor(NET_DIMS(n->batch, n->channels, h, w));
    snprintf(name, sizeof name, "%s, %d x %d", n->name, w, h);
    golden_check(name, g, &in, n->tiles, depth, GOLDEN_TOLERANCE);
    core_free(in.data);
    graph_destroy(&g);
}

static bool halves(const struct shape_net *n)
{
    return n->build == build_unet || n->build == build_space_to_depth;
}

static void at_sizes(int h, int w, enum golden_depth depth)
{
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++) {
        const struct shape_net *n = &nets[i];
        int th = h < n->least ? n->least : h, tw = w < n->least ? n->least : w;
        if (halves(n)) th = (th + 3) / 4 * 4, tw = (tw + 3) / 4 * 4;
        try_net(n, th, tw, depth);
    }
}

static void one_pixel(void)
{
    at_sizes(1, 1, GOLDEN_QUICK);
}
static void a_line(void)
{
    at_sizes(1, 41, GOLDEN_QUICK);
}
static void a_column(void)
{
    at_sizes(23, 2, GOLDEN_QUICK);
}
static void odd(void)
{
    at_sizes(17, 33, GOLDEN_QUICK);
}
static void larger(void)
{
    at_sizes(check_cases(61) < 61 ? 37 : 61, check_cases(97) < 97 ? 53 : 97, GOLDEN_FULL); /* still more than a band */
}

int main(int argc, char **argv)
{
    if (!golden_begin()) return 1;
    if (argc > 3) { /* NAME HEIGHT WIDTH: one network alone */
        for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++)
            if (strcmp(nets[i].name, argv[1]) == 0) try_net(&nets[i], atoi(argv[2]), atoi(argv[3]), GOLDEN_FULL);
        golden_end();
        return atomic_load(&check_faults) != 0;
    }
    RUN(one_pixel);
    RUN(a_line);
    RUN(a_column);
    RUN(odd);
    RUN(larger);
    golden_end();
    return check_report();
}
