/* SPDX-License-Identifier: MIT */
/* Networks whose inputs and outputs are not one picture each: several of them, of other types and ranks, constants, inputs handed
 * straight on. */
#include "golden.h"

static void finish(const char *name, struct graph *g, struct fm_tensor *in, enum golden_tiles tiles)
{
    const int n = g->n_inputs;
    golden_check(name, g, in, tiles, GOLDEN_FULL, GOLDEN_TOLERANCE);
    for (int k = 0; k < n; k++) core_free(in[k].data);
    graph_destroy(&g);
}

/* Two pictures in; their sum, both results beside each other, and a mean out. */
static void several(void)
{
    struct graph *g = graph_create();
    const int a = net_input(g, "a", FM_F32, NET_DIMS(1, 3, -1, -1)), b = net_input(g, "b", FM_F32, NET_DIMS(1, 3, -1, -1));
    const int p = net_conv(g, a, 3, 16, 3, 1, true), q = NET_NODE(g, OP_RELU, net_conv(g, b, 3, 16, 3, 1, true));
    const int sum = NET_NODE(g, OP_ADD, p, q);
    const int both = NET_NODE(g, OP_CONCAT, sum, q);
    net_params(g)->axis.axis = 1;
    net_output(g, net_conv(g, both, 32, 5, 3, 1, true));
    net_output(g, sum);
    net_output(g, NET_NODE(g, OP_GLOBAL_AVERAGE_POOL, q));
    struct fm_tensor in[2] = {net_tensor(NET_DIMS(1, 3, 29, 43)), net_tensor(NET_DIMS(1, 3, 29, 43))};
    finish("several", g, in, GOLDEN_NO_TILES);
}

/* One value as two outputs, an input as an output, a constant as an output. */
static void handed_on(void)
{
    struct graph *g = graph_create();
    const int x = net_input(g, "x", FM_F32, NET_DIMS(1, 4, -1, -1));
    const int y = net_conv(g, x, 4, 9, 3, 1, true);
    net_output(g, y);
    net_output(g, x);
    net_output(g, y);
    net_output(g, net_weights(g, -1, 1, NET_DIMS(2, 3)));
    struct fm_tensor in = net_tensor(NET_DIMS(1, 4, 15, 22));
    finish("handed on", g, &in, GOLDEN_NO_TILES);
}

/* An output that another layer reads too. */
static void read_again(void)
{
    struct graph *g = graph_create();
    const int x = net_input(g, "x", FM_F32, NET_DIMS(1, 3, -1, -1));
    const int y = NET_NODE(g, OP_RELU, net_conv(g, x, 3, 16, 3, 1, true));
    const int z = NET_NODE(g, OP_DEPTH_TO_SPACE, y);
    net_params(g)->block.size = 2;
    net_output(g, y);
    net_output(g, z);
    net_output(g, net_conv(g, z, 4, 16, 3, 2, true));
    struct fm_tensor in = net_tensor(NET_DIMS(1, 3, 33, 47));
    finish("read again", g, &in, GOLDEN_NO_TILES);
}

/* Sequences instead of pictures: one row each. */
static void sequence(void)
{
    struct graph *g = graph_create();
    int x = net_input(g, "x", FM_F32, NET_DIMS(2, 5, -1));
    for (int i = 0; i < 3; i++) {
        const int in = i ? 12 : 5;
        x = NET_NODE(g, OP_CONV, x, net_weights(g, -0.5f, 0.5f, NET_DIMS(12, in, 5)), net_weights(g, -0.5f, 0.5f, NET_DIMS(12)));
        net_params(g)->conv.group = 1;
        net_params(g)->conv.window = (struct op_window){
            .n = 1, .kernel = {5}, .stride = {i == 1 ? 2 : 1}, .dilation = {1 + i}, .pad_begin = {2}, .pad_end = {3}};
        x = NET_NODE(g, OP_RELU, x);
    }
    net_output(g, x);
    struct fm_tensor in = net_tensor(NET_DIMS(2, 5, 211));
    finish("sequence", g, &in, GOLDEN_NO_TILES);
}

static struct fm_tensor half_tensor(int rank, const int64_t *dim)
{
    struct fm_tensor t = net_tensor(rank, dim);
    struct fm_tensor to = t;
    to.dtype = FM_F16;
    to.data = core_alloc((size_t) fm_tensor_count(&t) * 2);
    for (int64_t i = 0; i < fm_tensor_count(&t); i++)
        ((uint16_t *) to.data)[i] = (uint16_t) (0x3000 + (i * 37) % 2048 + (i % 2) * 0x8000);
    core_free(t.data);
    return to;
}

/* Half floats outside, float32 inside: the result is the reference's, but for the last bit of a half. */
static void halves(void)
{
    struct graph *g = graph_create();
    const int x = net_input(g, "x", FM_F16, NET_DIMS(1, 3, -1, -1));
    int y = NET_NODE(g, OP_CAST, x);
    net_params(g)->cast.to = FM_F32;
    y = net_conv(g, NET_NODE(g, OP_RELU, net_conv(g, y, 3, 16, 3, 1, true)), 16, 3, 3, 1, true);
    net_output(g, y);
    const int z = NET_NODE(g, OP_CAST, y);
    net_params(g)->cast.to = FM_F16;
    net_output(g, z);
    struct fm_tensor in = half_tensor(NET_DIMS(1, 3, 21, 34));
    finish("halves", g, &in, GOLDEN_NO_TILES);
}

/* No picture anywhere: matrices. */
static void matrices(void)
{
    struct graph *g = graph_create();
    const int x = net_input(g, "x", FM_F32, NET_DIMS(-1, 20));
    const int y = NET_NODE(g, OP_MATMUL, x, net_weights(g, -1, 1, NET_DIMS(20, 33)));
    const int z = NET_NODE(g, OP_SOFTMAX, NET_NODE(g, OP_ADD, y, net_weights(g, -1, 1, NET_DIMS(33))));
    net_params(g)->axis.axis = -1;
    net_output(g, z);
    struct fm_tensor in = net_tensor(NET_DIMS(7, 20));
    finish("matrices", g, &in, GOLDEN_NO_TILES);
}

/* A classifier: pictures to numbers. */
static void classifier(void)
{
    struct graph *g = graph_create();
    const int x = net_input(g, "x", FM_F32, NET_DIMS(-1, 3, 24, 24));
    int y = NET_NODE(g, OP_RELU, net_conv(g, x, 3, 16, 3, 2, true));
    y = NET_NODE(g, OP_RELU, net_conv(g, y, 16, 32, 3, 2, true));
    y = NET_NODE(g, OP_RESHAPE, NET_NODE(g, OP_GLOBAL_AVERAGE_POOL, y), graph_add_i64s(g, 2, (const int64_t[]){-1, 32}));
    y = NET_NODE(g, OP_GEMM, y, net_weights(g, -1, 1, NET_DIMS(10, 32)), net_weights(g, -1, 1, NET_DIMS(10)));
    net_params(g)->gemm.alpha = net_params(g)->gemm.beta = 1;
    net_params(g)->gemm.trans_b = true;
    net_output(g, y);
    struct fm_tensor in = net_tensor(NET_DIMS(3, 3, 24, 24));
    finish("classifier", g, &in, GOLDEN_NO_TILES);
}

int main(void)
{
    if (!golden_begin()) return 1;
    RUN(several);
    RUN(handed_on);
    RUN(read_again);
    RUN(sequence);
    RUN(halves);
    RUN(matrices);
    RUN(classifier);
    golden_end();
    return check_report();
}
