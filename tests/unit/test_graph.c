/* SPDX-License-Identifier: MIT */
/* The builder and its check, graph_specialise and graph_interpret. */
#include "net.h"

static struct graph *start(void)
{
    struct graph *g = graph_create();
    g->source = "test.onnx";
    return g;
}

static int check_code(struct graph *g, const char *part)
{
    struct fm_error error = { 0 };
    const int rc = graph_check(g, &error);
    if (rc)
        CHECK_HAS(error.message, part);
    graph_destroy(&g);
    return rc;
}

static void builder_grows(void)
{
    struct graph *g = start();
    int x = net_input(g, "x", FM_F32, NET_DIMS(1, 2));
    for (int i = 0; i < 500; i++)
        x = NET_NODE(g, OP_RELU, x);
    net_output(g, x);
    CHECK_INT(g->n_nodes, 500);
    CHECK_INT(g->value[g->node[499].out[0]].producer, 499);
    CHECK_STR(g->node[17].name, "OP_RELU");
    CHECK_STR(g->value[0].name, "x");
    CHECK_INT(graph_check(g, NULL), FM_OK);
    const int64_t two[2] = { 7, -9 };
    const int c = graph_add_i64s(g, 2, two);
    CHECK_INT(g->value[c].rank, 1);
    CHECK_INT(((const int64_t *) g->value[c].data)[1], -9);
    CHECK(graph_is_constant(g, c) && !graph_is_constant(g, x) && !graph_is_constant(g, -1));
    const int s = graph_add_f32(g, 1.5f);
    CHECK_INT(g->value[s].rank, 0);
    CHECK_NEAR(*(const float *) g->value[s].data, 1.5, 0);
    CHECK(graph_is_constant(g, graph_add_i64s(g, 0, NULL)));
    graph_destroy(&g);
    CHECK(g == NULL);
    graph_destroy(&g);
}

static void check_finds_faults(void)
{
    struct graph *g = start();
    int x = net_input(g, "x", FM_F32, NET_DIMS(1, 2)), y = NET_NODE(g, OP_RELU, x);
    CHECK_INT(check_code(g, "no outputs"), FM_ERR_FORMAT);

    g = start();
    x = net_input(g, "x", FM_F32, NET_DIMS(1, 2));
    y = NET_NODE(g, OP_ADD, x, 99);
    net_output(g, y);
    CHECK_INT(check_code(g, "not a value"), FM_ERR_FORMAT);

    g = start();
    x = net_input(g, "x", FM_F32, NET_DIMS(1, 2));
    y = NET_NODE(g, OP_ADD, x, -1);
    net_output(g, y);
    CHECK_INT(check_code(g, "left out"), FM_ERR_FORMAT);

    g = start();
    x = net_input(g, "x", FM_F32, NET_DIMS(1, 2));
    y = NET_NODE(g, OP_ADD, x);
    net_output(g, y);
    CHECK_INT(check_code(g, "number of inputs"), FM_ERR_FORMAT);

    g = start(); /* reads what a later node makes */
    x = net_input(g, "x", FM_F32, NET_DIMS(1, 2));
    y = NET_NODE(g, OP_ADD, x, x);
    net_output(g, NET_NODE(g, OP_RELU, y));
    g->node[0].in[1] = g->output[0];
    CHECK_INT(check_code(g, "no earlier node"), FM_ERR_FORMAT);

    g = start();
    x = net_input(g, "x", FM_F32, NET_DIMS(1, 2));
    y = NET_NODE(g, OP_RELU, x);
    NET_NODE(g, OP_RELU, x);
    g->node[1].out[0] = y;
    net_output(g, y);
    CHECK_INT(check_code(g, "made twice"), FM_ERR_FORMAT);

    g = start();
    x = net_input(g, "x", FM_F32, NET_DIMS(1, 2));
    net_output(g, graph_add_value(g, "nothing"));
    CHECK_INT(check_code(g, "nothing makes"), FM_ERR_FORMAT);

    g = start();
    x = net_input(g, "x", FM_F32, NET_DIMS(1, 2));
    y = graph_add_constant(g, "huge", FM_F32, NET_DIMS(INT64_MAX, 3), NULL);
    net_output(g, NET_NODE(g, OP_ADD, x, y));
    CHECK_INT(check_code(g, "huge"), FM_ERR_FORMAT);
}

static struct graph *specialised(const struct graph *g, const struct fm_tensor *in)
{
    struct fm_error error = { 0 };
    struct graph *out = NULL;
    const int rc = graph_specialise(g, in, &out, &error);
    CHECK_MSG(rc == FM_OK, "specialise: %d %s", rc, error.message);
    if (out)
        CHECK_MSG(graph_check(out, &error) == FM_OK, "check after specialise: %s", error.message);
    return out;
}

/* A reshape whose shape is computed from the input's: Shape, Gather, Mul, Concat vanish. */
static void sizes_fold(void)
{
    struct graph *g = start();
    const int x = net_input(g, "x", FM_F32, NET_DIMS(-1, 3, -1, -1));
    const int zero = graph_add_constant(g, "", FM_I64, 0, NULL, &(const int64_t){ 2 });
    const int shape = NET_NODE(g, OP_SHAPE, NET_NODE(g, OP_RELU, x));
    net_params(g)->range.start = 0;
    const int h = NET_NODE(g, OP_GATHER, shape, zero);
    const int row = NET_NODE(g, OP_UNSQUEEZE, h, graph_add_i64s(g, 1, (const int64_t[]){ 0 }));
    const int target = NET_NODE(g, OP_CONCAT, row, graph_add_i64s(g, 1, (const int64_t[]){ -1 }));
    net_output(g, NET_NODE(g, OP_RESHAPE, x, target));
    CHECK_INT(graph_check(g, NULL), FM_OK);
    struct fm_tensor in = net_tensor(NET_DIMS(2, 3, 5, 4)), out = { 0 };
    struct graph *s = specialised(g, &in);
    if (s) {
        CHECK_INT(s->n_nodes, 1); /* the Relu was only asked for its shape */
        CHECK_INT(s->node[0].op, OP_RESHAPE);
        CHECK_INT(s->value[s->output[0]].dim[0], 5);
        CHECK_INT(s->value[s->output[0]].dim[1], 24);
        CHECK_INT(graph_interpret(s, &in, &out, NULL), FM_OK);
        CHECK_MEM(out.data, in.data, 120 * sizeof(float));
    }
    CHECK_INT(g->n_nodes, 6); /* the source stays */
    CHECK_INT(g->value[x].dim[2], -1);
    core_free(out.data);
    core_free(in.data);
    graph_destroy(&s);
    graph_destroy(&g);
}

static void auto_pad_is_resolved(void)
{
    struct graph *g = start();
    const int x = net_input(g, "x", FM_F32, NET_DIMS(1, 1, -1, -1));
    net_output(g, net_conv(g, x, 1, 2, 3, 2, false));
    net_params(g)->conv.window.auto_pad = AUTO_PAD_SAME_UPPER;
    struct fm_tensor in = net_tensor(NET_DIMS(1, 1, 8, 7));
    struct graph *s = specialised(g, &in);
    if (s) {
        const struct op_window *w = &s->node[0].p.conv.window;
        CHECK_INT(w->auto_pad, AUTO_PAD_NOTSET);
        CHECK_INT(w->pad_begin[0], 0); /* 8 -> 4: (4 - 1) * 2 + 3 - 8 = 1, at the end */
        CHECK_INT(w->pad_end[0], 1);
        CHECK_INT(w->pad_begin[1], 1); /* 7 -> 4: 2, one on each side */
        CHECK_INT(w->pad_end[1], 1);
    }
    CHECK_INT(g->node[0].p.conv.window.auto_pad, AUTO_PAD_SAME_UPPER);
    core_free(in.data);
    graph_destroy(&s);
    graph_destroy(&g);
}

/* Weights at an odd address, as they lie in mapped files: large ones stay there, what is read by value is copied. */
static void unaligned_constants(void)
{
    struct graph *g = start();
    uint8_t *room = arena_alloc(g->arena, 200000);
    const float numbers[4] = { 1.0f, -2.0f, 3.0f, 0.5f };
    const int64_t target[2] = { 2, 2 };
    memcpy(room + 1, numbers, sizeof(numbers));
    memcpy(room + 33, target, sizeof(target));
    for (int i = 0; i < 20000; i++)
        memcpy(room + 101 + 4 * i, &(float){ (float) i }, 4);
    const int x = net_input(g, "x", FM_F32, NET_DIMS(4));
    const int a = graph_add_constant(g, "a", FM_F32, NET_DIMS(4), room + 1);
    const int shape = graph_add_constant(g, "shape", FM_I64, NET_DIMS(2), room + 33);
    const int big = graph_add_constant(g, "big", FM_F32, NET_DIMS(20000), room + 101);
    net_output(g, NET_NODE(g, OP_RESHAPE, NET_NODE(g, OP_ADD, x, a), shape));
    net_output(g, NET_NODE(g, OP_NEG, big));                  /* folded */
    net_output(g, NET_NODE(g, OP_MUL, big, NET_NODE(g, OP_REDUCE_SUM, x))); /* read at run time */
    struct fm_tensor in = net_tensor(NET_DIMS(4)), out[3] = { { 0 } };
    const float *p = in.data;
    struct graph *s = specialised(g, &in);
    if (s && CHECK_INT(graph_interpret(s, &in, out, NULL), FM_OK)) {
        CHECK_INT(out[0].rank, 2);
        for (int i = 0; i < 4; i++)
            CHECK_NEAR(((float *) out[0].data)[i], p[i] + numbers[i], 0);
        CHECK_NEAR(((float *) out[1].data)[19999], -19999.0, 0);
        CHECK_NEAR(((float *) out[2].data)[100], 100.0 * ((double) p[0] + p[1] + p[2] + p[3]), 1e-3);
    }
    for (int k = 0; k < 3; k++)
        core_free(out[k].data);
    core_free(in.data);
    graph_destroy(&s);
    graph_destroy(&g);
}

/* if (c) y = -x else y = x + x */
static struct graph *branching(bool constant, bool taken)
{
    struct graph *g = start();
    static const uint8_t truth[2] = { 0, 1 };
    const int x = net_input(g, "x", FM_F32, NET_DIMS(3));
    const int c = constant ? graph_add_constant(g, "c", FM_BOOL, 0, NULL, &truth[taken]) : net_input(g, "c", FM_BOOL, 0, NULL);
    int first = g->n_nodes, inner = NET_NODE(g, OP_NEG, x);
    struct graph_branch *yes = graph_cut_branch(g, first, 1, &inner);
    inner = NET_NODE(g, OP_ADD, x, x);
    struct graph_branch *no = graph_cut_branch(g, first, 1, &inner);
    const int y = NET_NODE(g, OP_IF, c);
    net_params(g)->branch.then_branch = yes;
    net_params(g)->branch.else_branch = no;
    net_output(g, NET_NODE(g, OP_ABS, y));
    return g;
}

static void branches(void)
{
    for (int taken = 0; taken < 2; taken++) {
        struct graph *g = branching(true, taken);
        struct fm_error error = { 0 };
        CHECK_MSG(graph_check(g, &error) == FM_OK, "%s", error.message);
        struct fm_tensor in = net_tensor(NET_DIMS(3)), out = { 0 };
        struct graph *s = specialised(g, &in);
        if (s && CHECK_INT(graph_interpret(s, &in, &out, NULL), FM_OK)) {
            CHECK_INT(net_nodes_of(s, OP_IF), 0);
            for (int i = 0; i < 3; i++)
                CHECK_NEAR(((float *) out.data)[i], fabs(((float *) in.data)[i]) * (taken ? 1.0 : 2.0), 1e-6);
        }
        core_free(out.data);
        core_free(in.data);
        graph_destroy(&s);
        graph_destroy(&g);
    }
    struct graph *g = branching(false, false), *s = NULL;
    struct fm_error error = { 0 };
    const struct fm_tensor in[2] = { { .dtype = FM_F32, .rank = 1, .dim = { 3 } }, { .dtype = FM_BOOL } };
    CHECK_INT(graph_specialise(g, in, &s, &error), FM_ERR_UNSUPPORTED);
    CHECK_HAS(error.message, "test.onnx: node 'OP_IF'");
    CHECK(s == NULL);
    graph_destroy(&g);
}

static void wrong_inputs(void)
{
    struct graph *g = start(), *s = NULL;
    struct fm_error error = { 0 };
    const int x = net_input(g, "picture", FM_F32, NET_DIMS(1, 3, -1, -1));
    net_output(g, net_conv(g, x, 3, 4, 3, 1, true));
    struct fm_tensor in = { .dtype = FM_F32, .rank = 4, .dim = { 1, 4, 8, 8 } };
    CHECK_INT(graph_specialise(g, &in, &s, &error), FM_ERR_SHAPE);
    CHECK_HAS(error.message, "'picture'");
    in = (struct fm_tensor){ .dtype = FM_I64, .rank = 4, .dim = { 1, 3, 8, 8 } };
    CHECK_INT(graph_specialise(g, &in, &s, &error), FM_ERR_SHAPE);
    CHECK_HAS(error.message, "int64");
    in = (struct fm_tensor){ .dtype = FM_F32, .rank = 3, .dim = { 3, 8, 8 } };
    CHECK_INT(graph_specialise(g, &in, &s, &error), FM_ERR_SHAPE);
    in = (struct fm_tensor){ .dtype = FM_F32, .rank = 4, .dim = { 1, 3, -8, 8 } };
    CHECK_INT(graph_specialise(g, &in, &s, &error), FM_ERR_ARGUMENT);
    in = (struct fm_tensor){ .dtype = FM_F32, .rank = 4, .dim = { 1, 3, INT64_MAX / 4, 8 } };
    CHECK_INT(graph_specialise(g, &in, &s, &error), FM_ERR_ARGUMENT);
    g->value[x].dim[1] = -1; /* now the convolution finds the fault */
    in = (struct fm_tensor){ .dtype = FM_F32, .rank = 4, .dim = { 1, 5, 8, 8 } };
    CHECK_INT(graph_specialise(g, &in, &s, &error), FM_ERR_SHAPE);
    CHECK_HAS(error.message, "test.onnx: node 'OP_CONV' (OP_CONV): ");
    CHECK_INT(graph_specialise(g, &in, &s, NULL), FM_ERR_SHAPE);
    CHECK(s == NULL);
    graph_destroy(&g);
}

/* A few bytes that ask for a gigabyte are not computed at load. */
static void bombs_stay_nodes(void)
{
    struct graph *g = start();
    const int x = net_input(g, "x", FM_F32, NET_DIMS(1));
    const int shape = graph_add_i64s(g, 3, (const int64_t[]){ 1024, 1024, 256 });
    const int big = NET_NODE(g, OP_EXPAND, graph_add_f32(g, 1.0f), shape);
    net_output(g, NET_NODE(g, OP_ADD, x, NET_NODE(g, OP_REDUCE_SUM, big)));
    const struct fm_tensor in = { .dtype = FM_F32, .rank = 1, .dim = { 1 } };
    const int64_t live = core_alloc_live();
    struct graph *s = specialised(g, &in);
    if (s) {
        CHECK_INT(net_nodes_of(s, OP_EXPAND), 1);
        CHECK_INT(net_nodes_of(s, OP_REDUCE_SUM), 1);
        CHECK(arena_bytes(s->arena) < 1 << 20);
        CHECK(core_alloc_live() > live);
    }
    graph_destroy(&s);
    CHECK_INT(core_alloc_live(), live);
    graph_destroy(&g);
}

/* The shape of what follows depends on the input's numbers: it is found while running. */
static void open_shapes(void)
{
    struct graph *g = start();
    const int x = net_input(g, "x", FM_F32, NET_DIMS(2, 6));
    const int k = NET_NODE(g, OP_CAST, NET_NODE(g, OP_REDUCE_MAX, x));
    net_params(g)->cast.to = FM_I64;
    const int one = graph_add_i64s(g, 1, (const int64_t[]){ 1 });
    const int end = NET_NODE(g, OP_RESHAPE, k, one);
    const int cut = NET_NODE(g, OP_SLICE, x, graph_add_i64s(g, 1, (const int64_t[]){ 0 }), end, one);
    net_output(g, NET_NODE(g, OP_NEG, cut));
    float numbers[12] = { 1, 2, 3, 4, 1, 0, 5, 6, 7, 8, 9, 1 };
    for (int limit = 3; limit < 6; limit++) {
        struct fm_tensor in = { .dtype = FM_F32, .rank = 2, .dim = { 2, 6 }, .data = numbers }, out = { 0 };
        for (int i = 0; i < 12; i++)
            numbers[i] = i == 7 ? (float) limit : (float) (i % 3);
        struct graph *s = specialised(g, &in);
        if (s) {
            CHECK_INT(s->value[s->output[0]].dtype, FM_F32);
            CHECK(s->value[s->output[0]].rank < 0 || s->value[s->output[0]].dim[1] < 0);
            struct fm_error error = { 0 };
            if (CHECK_MSG(graph_interpret(s, &in, &out, &error) == FM_OK, "%s", error.message)) {
                CHECK_INT(out.rank, 2);
                CHECK_INT(out.dim[1], limit);
                CHECK_NEAR(((float *) out.data)[1], -1.0, 0);
            }
        }
        core_free(out.data);
        graph_destroy(&s);
    }
    graph_destroy(&g);
}

/* A value that is an output, read again and given twice; an input that is an output. */
static void outputs_are_the_callers(void)
{
    struct graph *g = start();
    const int x = net_input(g, "x", FM_F32, NET_DIMS(2));
    const int y = NET_NODE(g, OP_NEG, x), z = NET_NODE(g, OP_ADD, y, y);
    net_output(g, y);
    net_output(g, z);
    net_output(g, y);
    net_output(g, x);
    const int64_t live = core_alloc_live();
    struct fm_tensor in = net_tensor(NET_DIMS(2)), out[4] = { { 0 } };
    struct graph *s = specialised(g, &in);
    if (s && CHECK_INT(graph_interpret(s, &in, out, NULL), FM_OK)) {
        const float first = *(float *) in.data;
        for (int k = 0; k < 4; k++) {
            CHECK_NEAR(*(float *) out[k].data, first * (k == 3 ? 1 : k == 1 ? -2 : -1), 0);
            CHECK(out[k].data != in.data && (k == 0 || out[k].data != out[0].data));
        }
    }
    for (int k = 0; k < 4; k++)
        core_free(out[k].data);
    core_free(in.data);
    graph_destroy(&s);
    CHECK_INT(core_alloc_live(), live);
    graph_destroy(&g);
}

static struct graph *small_net(void)
{
    struct graph *g = start();
    int x = net_input(g, "x", FM_F32, NET_DIMS(1, 3, -1, -1));
    const int first = net_conv(g, x, 3, 8, 3, 1, true);
    x = NET_NODE(g, OP_MUL, first, NET_NODE(g, OP_SIGMOID, first));
    x = NET_NODE(g, OP_ADD, net_conv(g, x, 8, 8, 3, 1, true), first);
    x = net_conv(g, x, 8, 12, 3, 1, false);
    const int p[5] = { x, net_weights(g, 0.5f, 1.5f, NET_DIMS(12)), net_weights(g, -1, 1, NET_DIMS(12)),
                       net_weights(g, -1, 1, NET_DIMS(12)), net_weights(g, 0.5f, 1.5f, NET_DIMS(12)) };
    x = net_node(g, OP_BATCH_NORM, "norm", 5, p);
    net_params(g)->norm.epsilon = 1e-5f;
    x = NET_NODE(g, OP_DEPTH_TO_SPACE, x);
    net_params(g)->block.size = 2;
    net_output(g, x);
    return g;
}

/* What allocates elsewhere: half floats, slices that become one node, unaligned weights, activations in parts. */
static struct graph *half_net(void)
{
    struct graph *g = start();
    uint8_t *w = arena_alloc(g->arena, 2 * 8 * 12 * 9 + 1);
    int x = net_input(g, "x", FM_F16, NET_DIMS(1, 3, -1, -1)), part[4];
    for (int i = 0; i < 4; i++)
        part[i] = NET_NODE(g, OP_SLICE, x, graph_add_i64s(g, 2, (const int64_t[]){ i % 2, i / 2 }),
                           graph_add_i64s(g, 2, (const int64_t[]){ 99, 99 }), graph_add_i64s(g, 2, (const int64_t[]){ 2, 3 }),
                           graph_add_i64s(g, 2, (const int64_t[]){ 2, 2 }));
    x = net_node(g, OP_CONCAT, "focus", 4, part);
    net_params(g)->axis.axis = 1;
    x = NET_NODE(g, OP_CONV, x, graph_add_constant(g, "w", FM_F16, NET_DIMS(8, 12, 3, 3), w + 1));
    net_params(g)->conv.group = 1;
    net_window(&net_params(g)->conv.window, 3, 1, 1);
    const int kept = x;
    x = NET_NODE(g, OP_MUL, x, NET_NODE(g, OP_SIGMOID, x));
    const int bound = NET_NODE(g, OP_CAST, graph_add_f32(g, -1.0f));
    net_params(g)->cast.to = FM_F16;
    x = NET_NODE(g, OP_MAX, x, bound);
    net_output(g, x);
    net_output(g, kept);
    return g;
}

/* Every allocation fails once; nothing leaks and the answer is always "out of memory". */
static void run_out(struct graph *g, const struct fm_tensor *in, int least)
{
    const int64_t live = core_alloc_live();
    struct fm_tensor out[2] = { { 0 } };
    int fails = 0, rc = FM_ERR_NOMEM;
    for (uint64_t n = 1; n < 5000 && rc; n++) {
        struct fm_error error = { 0 };
        struct graph *s = NULL;
        core_alloc_fail_after(n, true);
        rc = graph_specialise(g, in, &s, &error);
        if (!rc)
            rc = graph_rewrite(s, &error);
        if (!rc)
            rc = graph_interpret(s, in, out, &error);
        core_alloc_fail_after(0, false);
        for (int k = 0; k < 2; k++) {
            core_free(out[k].data);
            out[k].data = NULL;
        }
        graph_destroy(&s);
        fails += rc != FM_OK;
        if (!CHECK_INT(core_alloc_live(), live) || (rc && (!CHECK_INT(rc, FM_ERR_NOMEM) || !CHECK_INT(error.code, FM_ERR_NOMEM))))
            break;
    }
    CHECK_INT(rc, FM_OK);
    CHECK_MSG(fails >= least, "only %d failures", fails);
    graph_destroy(&g);
}

static void memory_runs_out(void)
{
    struct fm_tensor in = net_tensor(NET_DIMS(1, 3, 6, 4));
    run_out(small_net(), &in, 25);
    in.dtype = FM_F16; /* half of the same bytes */
    run_out(half_net(), &in, 25);
    in = (struct fm_tensor){ .dtype = FM_F32, .rank = 1, .dim = { 3 }, .data = in.data };
    run_out(branching(true, true), &in, 5);
    core_free(in.data);
}

int main(void)
{
    RUN(builder_grows);
    RUN(check_finds_faults);
    RUN(sizes_fold);
    RUN(auto_pad_is_resolved);
    RUN(unaligned_constants);
    RUN(branches);
    RUN(wrong_inputs);
    RUN(bombs_stay_nodes);
    RUN(open_shapes);
    RUN(outputs_are_the_callers);
    RUN(memory_runs_out);
    return check_report();
}
