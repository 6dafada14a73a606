/* SPDX-License-Identifier: MIT */
/* Every rewrite: the nodes it should leave, and the same numbers from the interpreter before and after. The operators that
 * run before are tested on their own; what an epilogue means is checked here against formulas written out. */
#include "core/half.h"
#include "net_random.h"

struct pair {
    struct graph *plain, *fused;
    struct fm_tensor in, before, after;
};

/* Takes the graph over: specialises, rewrites, runs both. */
static bool pair_make(struct pair *p, struct graph *g, int rank, const int64_t *dim)
{
    struct fm_error error = { 0 };
    *p = (struct pair){ .in = net_tensor(rank, dim) };
    g->source = "test";
    bool good = CHECK_MSG(graph_check(g, &error) == FM_OK, "%s", error.message) &&
                CHECK_MSG(graph_specialise(g, &p->in, &p->plain, &error) == FM_OK, "%s", error.message) &&
                CHECK_MSG(graph_specialise(g, &p->in, &p->fused, &error) == FM_OK, "%s", error.message) &&
                CHECK_MSG(graph_rewrite(p->fused, &error) == FM_OK, "%s", error.message) &&
                CHECK_MSG(graph_check(p->fused, &error) == FM_OK, "after rewrite: %s", error.message) &&
                CHECK_MSG(graph_interpret(p->plain, &p->in, &p->before, &error) == FM_OK, "%s", error.message) &&
                CHECK_MSG(graph_interpret(p->fused, &p->in, &p->after, &error) == FM_OK, "%s", error.message);
    if (good) {
        const double difference = net_difference(&p->before, &p->after);
        good = CHECK_MSG(difference < 1e-5, "results differ by %g", difference);
    }
    return good;
}

static void pair_free(struct pair *p, struct graph **g)
{
    core_free(p->in.data);
    core_free(p->before.data);
    core_free(p->after.data);
    graph_destroy(&p->plain);
    graph_destroy(&p->fused);
    graph_destroy(g);
}

/* The graph has this many nodes after the rewrite; the last one is left for more questions. */
static const struct graph_node *last_of(const struct pair *p, int n_nodes)
{
    static const struct graph_node none = { .op = OP_COUNT };
    if (!p->fused || !CHECK_INT(p->fused->n_nodes, n_nodes) || n_nodes == 0)
        return &none;
    return &p->fused->node[n_nodes - 1];
}

#define CASE(channels, height, width, body, nodes) \
    struct graph *g = graph_create(); \
    int x = net_picture(g, channels); \
    body; \
    net_output(g, x); \
    struct pair p; \
    pair_make(&p, g, NET_DIMS(1, channels, height, width)); \
    const struct graph_node *last = last_of(&p, nodes); \
    (void) last

static void norm_joins_conv(void)
{
    CASE(3, 6, 7, { x = net_conv(g, x, 3, 5, 3, 1, true); x = net_batch_norm(g, x, 5); }, 1);
    CHECK_INT(last->op, OP_CONV);
    pair_free(&p, &g);
}

static void norm_joins_grouped_transposed_conv(void)
{
    CASE(4, 5, 6, {
        const int w = net_weights(g, -1, 1, NET_DIMS(4, 3, 2, 2)); /* 2 groups, 3 outputs each */
        x = NET_NODE(g, OP_CONV_TRANSPOSE, x, w);
        net_params(g)->conv.group = 2;
        net_window(&net_params(g)->conv.window, 2, 2, 0);
        x = net_batch_norm(g, x, 6);
        x = NET_NODE(g, OP_RELU, x);
    }, 1);
    CHECK_INT(last->op, OP_CONV_TRANSPOSE);
    CHECK_INT(last->p.conv.epilogue.act, ACT_RELU);
    pair_free(&p, &g);
}

static void norm_alone_becomes_a_conv(void)
{
    CASE(5, 6, 7, { x = net_batch_norm(g, x, 5); x = NET_NODE(g, OP_RELU, x); }, 1);
    CHECK_INT(last->op, OP_CONV);
    CHECK_INT(last->p.conv.group, 5);
    CHECK_INT(last->p.conv.epilogue.act, ACT_RELU);
    pair_free(&p, &g);
}

/* conv, * s, + t, - u, v - ., / w : one convolution */
static void chain_joins_conv(void)
{
    CASE(2, 5, 5, {
        x = net_conv(g, x, 2, 3, 3, 1, true);
        x = NET_NODE(g, OP_MUL, net_weights(g, 0.5f, 2.0f, NET_DIMS(3, 1, 1)), x);
        x = NET_NODE(g, OP_ADD, x, net_weights(g, -1, 1, NET_DIMS(1, 3, 1, 1)));
        x = NET_NODE(g, OP_SUB, x, net_scalar(g, 0.25f));
        x = NET_NODE(g, OP_SUB, net_weights(g, -1, 1, NET_DIMS(3, 1, 1)), x);
        x = NET_NODE(g, OP_DIV, x, net_scalar(g, 3.0f));
    }, 1);
    CHECK_INT(last->op, OP_CONV);
    pair_free(&p, &g);
}

/* A sum with something per pixel or per column is none of a bias. */
static void other_constants_stay(void)
{
    CASE(2, 5, 3, {
        x = net_conv(g, x, 2, 3, 3, 1, true);
        x = NET_NODE(g, OP_ADD, x, net_weights(g, -1, 1, NET_DIMS(3))); /* along x */
        x = NET_NODE(g, OP_MUL, x, net_weights(g, -1, 1, NET_DIMS(5, 1)));
    }, 3);
    CHECK_INT(last->op, OP_MUL);
    pair_free(&p, &g);
}

/* The value between is an output of the graph: nothing may be fused over it. */
static void outputs_stay(void)
{
    struct graph *g = graph_create();
    int x = net_picture(g, 2);
    const int y = net_conv(g, x, 2, 3, 3, 1, true);
    net_output(g, NET_NODE(g, OP_RELU, y));
    net_output(g, y);
    struct fm_tensor in = net_tensor(NET_DIMS(1, 2, 4, 4)), out[2] = { { 0 } };
    struct graph *s = NULL;
    CHECK_INT(graph_specialise(g, &in, &s, NULL), FM_OK);
    CHECK_INT(graph_rewrite(s, NULL), FM_OK);
    CHECK_INT(s->n_nodes, 2);
    CHECK_INT(graph_interpret(s, &in, out, NULL), FM_OK);
    bool negative = false;
    for (int i = 0; i < 48; i++) {
        const float a = ((float *) out[0].data)[i], b = ((float *) out[1].data)[i];
        CHECK_NEAR(a, b > 0 ? b : 0, 0);
        negative = negative || b < 0;
    }
    CHECK(negative);
    core_free(in.data);
    core_free(out[0].data);
    core_free(out[1].data);
    graph_destroy(&s);
    graph_destroy(&g);
}

static void activations_fuse(void)
{
    static const struct { enum op_kind op; float a, b; enum op_activation act; } table[] = {
        { OP_RELU, 0, 0, ACT_RELU }, { OP_LEAKY_RELU, 0.2f, 0, ACT_LEAKY_RELU }, { OP_SILU, 0, 0, ACT_SILU },
        { OP_SIGMOID, 0, 0, ACT_SIGMOID }, { OP_TANH, 0, 0, ACT_TANH }, { OP_HARD_SWISH, 1.0f / 6, 0.5f, ACT_HARD_SWISH },
        { OP_HARD_SIGMOID, 0.2f, 0.5f, ACT_HARD_SIGMOID }, { OP_MISH, 0, 0, ACT_MISH }, { OP_GELU, 0, 0, ACT_GELU },
        { OP_GELU, 1, 0, ACT_GELU }, { OP_ELU, 0.7f, 0, ACT_ELU }, { OP_CELU, 1, 0, ACT_ELU }, { OP_LEAKY_RELU, 0, 0, ACT_RELU },
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        CASE(3, 4, 5, {
            x = net_conv(g, x, 3, 4, 3, 1, true);
            x = net_node(g, table[i].op, "act", 1, &x);
            net_params(g)->scalar.a = table[i].a;
            net_params(g)->scalar.b = table[i].b;
        }, 1);
        CHECK_INT(last->p.conv.epilogue.act, table[i].act);
        CHECK_NEAR(last->p.conv.epilogue.a, table[i].op == OP_LEAKY_RELU && table[i].a == 0 ? 0 : table[i].a, 0);
        pair_free(&p, &g);
    }
}

static void slopes_fuse(void)
{
    {
        CASE(
            3, 4, 5,
            {
                x = net_conv(g, x, 3, 4, 3, 1, true);
                x = NET_NODE(g, OP_PRELU, x, net_weights(g, 0, 1, NET_DIMS(4, 1, 1)));
            },
            1);
        CHECK_INT(last->p.conv.epilogue.act, ACT_PRELU);
        CHECK_INT(last->n_in, 4);
        CHECK_INT(p.fused->value[last->in[3]].rank, 1);
        CHECK_INT(p.fused->value[last->in[3]].dim[0], 4);
        pair_free(&p, &g);
    }
    { /* one slope for all is a leaky Relu */
        CASE(3, 4, 5, { x = net_conv(g, x, 3, 4, 3, 1, false); x = NET_NODE(g, OP_PRELU, x, net_scalar(g, 0.25f)); }, 1);
        CHECK_INT(last->p.conv.epilogue.act, ACT_LEAKY_RELU);
        CHECK_NEAR(last->p.conv.epilogue.a, 0.25, 0);
        pair_free(&p, &g);
    }
    { /* slopes behind a transposed convolution */
        CASE(3, 4, 5, {
            const int w = net_weights(g, -1, 1, NET_DIMS(3, 2, 4, 4));
            x = NET_NODE(g, OP_CONV_TRANSPOSE, x, w);
            net_params(g)->conv.group = 1;
            net_window(&net_params(g)->conv.window, 4, 2, 1);
            x = NET_NODE(g, OP_PRELU, x, net_weights(g, 0, 1, NET_DIMS(2, 1, 1)));
        }, 1);
        CHECK_INT(last->p.conv.epilogue.act, ACT_PRELU);
        pair_free(&p, &g);
    }
    { /* a slope per column is none per channel */
        CASE(
            3, 4, 5,
            {
                x = net_conv(g, x, 3, 4, 3, 1, true);
                x = NET_NODE(g, OP_PRELU, x, net_weights(g, 0, 1, NET_DIMS(5)));
            },
            2);
        CHECK_INT(last->op, OP_PRELU);
        pair_free(&p, &g);
    }
}

static void bounds_fuse(void)
{
    {
        CASE(
            3, 4, 5,
            {
                x = net_conv(g, x, 3, 4, 3, 1, true);
                x = NET_NODE(g, OP_CLIP, x, net_scalar(g, -0.5f), net_scalar(g, 0.75f));
            },
            1);
        CHECK_INT(last->p.conv.epilogue.act, ACT_CLIP);
        CHECK_NEAR(last->p.conv.epilogue.a, -0.5, 0);
        CHECK_NEAR(last->p.conv.epilogue.b, 0.75, 0);
        pair_free(&p, &g);
    }
    { /* max(x, 0), then min(., 1) */
        CASE(3, 4, 5, {
            x = net_conv(g, x, 3, 4, 3, 1, true);
            x = NET_NODE(g, OP_MAX, net_scalar(g, 0.0f), x);
            x = NET_NODE(g, OP_MIN, x, net_scalar(g, 1.0f));
        }, 1);
        CHECK_INT(last->p.conv.epilogue.act, ACT_CLIP);
        CHECK_NEAR(last->p.conv.epilogue.a, 0, 0);
        CHECK_NEAR(last->p.conv.epilogue.b, 1, 0);
        pair_free(&p, &g);
    }
    {
        CASE(3, 4, 5, { x = net_conv(g, x, 3, 4, 3, 1, true); x = NET_NODE(g, OP_CLIP, x, net_scalar(g, 0.0f)); }, 1);
        CHECK_INT(last->p.conv.epilogue.act, ACT_RELU);
        pair_free(&p, &g);
    }
    { /* the upper bound wins where it is below the lower */
        CASE(3, 4, 5, {
            x = NET_NODE(g, OP_CLIP, x, net_scalar(g, 3.0f), net_scalar(g, 2.0f));
            x = NET_NODE(g, OP_CLIP, x, net_scalar(g, -1.0f), net_scalar(g, 5.0f));
        }, 1);
        if (p.after.data)
            CHECK_NEAR(((float *) p.after.data)[7], 2.0, 0);
        pair_free(&p, &g);
    }
    { /* bounds that the other pair excludes: everything becomes 2, then 1.5 */
        CASE(3, 4, 5, {
            x = NET_NODE(g, OP_CLIP, x, net_scalar(g, 2.0f), net_scalar(g, 3.0f));
            x = NET_NODE(g, OP_CLIP, x, net_scalar(g, -1.0f), net_scalar(g, 1.5f));
        }, 1);
        CHECK_INT(last->op, OP_CLIP);
        if (p.after.data)
            CHECK_NEAR(((float *) p.after.data)[7], 1.5, 0);
        pair_free(&p, &g);
    }
}

static void spelled_out_activations(void)
{
    { /* x * sigmoid(x) */
        CASE(2, 4, 4, { x = NET_NODE(g, OP_MUL, NET_NODE(g, OP_SIGMOID, x), x); }, 1);
        CHECK_INT(last->op, OP_SILU);
        pair_free(&p, &g);
    }
    { /* x * sigmoid(y) stays */
        CASE(2, 4, 4, { x = NET_NODE(g, OP_MUL, NET_NODE(g, OP_SIGMOID, NET_NODE(g, OP_NEG, x)), x); }, 3);
        pair_free(&p, &g);
    }
    {
        CASE(2, 4, 4, {
            const int s = NET_NODE(g, OP_HARD_SIGMOID, x);
            net_params(g)->scalar.a = 0.2f;
            net_params(g)->scalar.b = 0.4f;
            x = NET_NODE(g, OP_MUL, x, s);
        }, 1);
        CHECK_INT(last->op, OP_HARD_SWISH);
        CHECK_NEAR(last->p.scalar.b, 0.4f, 0);
        pair_free(&p, &g);
    }
    {
        CASE(2, 4, 4, { x = NET_NODE(g, OP_MUL, x, NET_NODE(g, OP_TANH, NET_NODE(g, OP_SOFTPLUS, x))); }, 1);
        CHECK_INT(last->op, OP_MISH);
        pair_free(&p, &g);
    }
    for (int form = 0; form < 4; form++) { /* x * relu6(x + 3) / 6, the division here or there; relu6(x + 3) / 6 */
        CASE(2, 4, 4, {
            const int shifted = NET_NODE(g, OP_ADD, x, net_scalar(g, 3.0f));
            int gate = NET_NODE(g, OP_CLIP, shifted, net_scalar(g, 0.0f), net_scalar(g, 6.0f));
            if (form == 0)
                x = NET_NODE(g, OP_DIV, NET_NODE(g, OP_MUL, x, gate), net_scalar(g, 6.0f));
            if (form == 1)
                x = NET_NODE(g, OP_MUL, x, NET_NODE(g, OP_DIV, gate, net_scalar(g, 6.0f)));
            if (form == 2)
                x = NET_NODE(g, OP_MUL, net_scalar(g, 1.0f / 6.0f), NET_NODE(g, OP_MUL, gate, x));
            if (form == 3)
                x = NET_NODE(g, OP_MUL, gate, net_scalar(g, 1.0f / 6.0f));
        }, 1);
        CHECK_INT(last->op, form == 3 ? OP_HARD_SIGMOID : OP_HARD_SWISH);
        pair_free(&p, &g);
    }
    for (int form = 0; form < 4; form++) { /* 0.5 * x * (1 + erf(x / sqrt 2)) in three orders; the tanh form */
        CASE(2, 4, 4, {
            int inner = NET_NODE(g, OP_DIV, x, net_scalar(g, 1.41421356f));
            if (form == 1)
                inner = NET_NODE(g, OP_MUL, x, net_scalar(g, 0.70710678f));
            int gate = NET_NODE(g, OP_ERF, inner);
            if (form == 3) {
                const int cube = NET_NODE(g, OP_POW, x, net_scalar(g, 3.0f));
                const int sum = NET_NODE(g, OP_ADD, x, NET_NODE(g, OP_MUL, cube, net_scalar(g, 0.044715f)));
                gate = NET_NODE(g, OP_TANH, NET_NODE(g, OP_MUL, sum, net_scalar(g, 0.79788456f)));
            }
            gate = NET_NODE(g, OP_ADD, gate, net_scalar(g, 1.0f));
            if (form == 1)
                x = NET_NODE(g, OP_MUL, NET_NODE(g, OP_MUL, net_scalar(g, 0.5f), x), gate);
            else if (form == 2)
                x = NET_NODE(g, OP_MUL, x, NET_NODE(g, OP_MUL, gate, net_scalar(g, 0.5f)));
            else
                x = NET_NODE(g, OP_MUL, NET_NODE(g, OP_MUL, x, gate), net_scalar(g, 0.5f));
        }, 1);
        CHECK_INT(last->op, OP_GELU);
        CHECK_NEAR(last->p.scalar.a, form == 3, 0);
        pair_free(&p, &g);
    }
}

static void identities_go(void)
{
    CASE(2, 4, 4, {
        x = NET_NODE(g, OP_NEG, x);
        x = NET_NODE(g, OP_IDENTITY, x);
        x = NET_NODE(g, OP_ADD, x, net_scalar(g, 0.0f));
        x = NET_NODE(g, OP_MUL, net_scalar(g, 1.0f), x);
        x = NET_NODE(g, OP_DROPOUT, x);
        x = NET_NODE(g, OP_CAST, x);
        net_params(g)->cast.to = FM_F32;
        x = NET_NODE(g, OP_RESHAPE, x, graph_add_i64s(g, 4, (const int64_t[]){ 1, 2, 4, -1 }));
        x = NET_NODE(g, OP_SLICE, x, graph_add_i64s(g, 1, (const int64_t[]){ 0 }), graph_add_i64s(g, 1, (const int64_t[]){ 99 }));
        x = NET_NODE(g, OP_PAD, x, graph_add_i64s(g, 8, (const int64_t[]){ 0, 0, 0, 0, 0, 0, 0, 0 }));
        x = NET_NODE(g, OP_RESIZE, x, -1, graph_add_f32s(g, 4, (const float[]){ 1, 1, 1, 1 }));
        net_params(g)->resize.mode = RESIZE_CUBIC;
        net_params(g)->resize.cubic_a = -0.75f;
        x = NET_NODE(g, OP_CONCAT, x);
        net_params(g)->axis.axis = 1;
    }, 1);
    CHECK_INT(last->op, OP_NEG);
    pair_free(&p, &g);
}

/* Same shapes, other elements. */
static void look_alikes_stay(void)
{
    const int64_t begin[1] = { -1 }, end[1] = { INT64_MIN }, axis[1] = { 3 }, step[1] = { -1 };
    {
        CASE(2, 4, 4, {
            x = NET_NODE(g, OP_SLICE, x, graph_add_i64s(g, 1, begin), graph_add_i64s(g, 1, end), graph_add_i64s(g, 1, axis),
                         graph_add_i64s(g, 1, step));
        }, 1);
        CHECK_INT(last->op, OP_SLICE);
        pair_free(&p, &g);
    }
    {
        CASE(2, 4, 4, { x = NET_NODE(g, OP_PAD, x, graph_add_i64s(g, 8, (const int64_t[]){ 0, 0, 1, -1, 0, 0, -1, 1 })); }, 1);
        CHECK_INT(last->op, OP_PAD);
        pair_free(&p, &g);
    }
    {
        CASE(2, 4, 4, {
            x = NET_NODE(g, OP_TRANSPOSE, x);
            net_params(g)->perm.n = 4;
            memcpy(net_params(g)->perm.perm, (const int64_t[]){ 0, 1, 3, 2 }, 32);
        }, 1);
        CHECK_INT(last->op, OP_TRANSPOSE);
        pair_free(&p, &g);
    }
    { /* adding zeros that make it larger */
        CASE(2, 4, 1, { x = NET_NODE(g, OP_ADD, x, net_weights(g, 0, 0, NET_DIMS(5))); }, 1);
        CHECK_INT(last->op, OP_ADD);
        pair_free(&p, &g);
    }
}

/* An identity between the input and an output cannot go: an output has its own name and place. */
static void identity_of_input_stays(void)
{
    CASE(2, 3, 3, { x = NET_NODE(g, OP_IDENTITY, x); }, 1);
    CHECK_INT(last->op, OP_IDENTITY);
    pair_free(&p, &g);
}

static void padding_joins_conv(void)
{
    CASE(2, 5, 6, {
        x = NET_NODE(g, OP_PAD, x, graph_add_i64s(g, 8, (const int64_t[]){ 0, 0, 1, 2, 0, 0, 3, 0 }));
        x = net_conv(g, x, 2, 3, 3, 2, true);
    }, 1);
    CHECK_INT(last->p.conv.window.pad_begin[0], 2);
    CHECK_INT(last->p.conv.window.pad_begin[1], 3);
    CHECK_INT(last->p.conv.window.pad_end[0], 4);
    CHECK_INT(last->p.conv.window.pad_end[1], 1);
    pair_free(&p, &g);
}

static void other_padding_stays(void)
{
    {
        CASE(2, 5, 6, {
            x = NET_NODE(g, OP_PAD, x, graph_add_i64s(g, 8, (const int64_t[]){ 0, 0, 1, 1, 0, 0, 1, 1 }));
            net_params(g)->pad.mode = PAD_REFLECT;
            x = net_conv(g, x, 2, 3, 3, 1, true);
        }, 2);
        pair_free(&p, &g);
    }
    {
        CASE(2, 5, 6, {
            x = NET_NODE(g, OP_PAD, x, graph_add_i64s(g, 8, (const int64_t[]){ 0, 0, 1, 1, 0, 0, 1, 1 }), net_scalar(g, 0.5f));
            x = net_conv(g, x, 2, 3, 3, 1, true);
        }, 2);
        pair_free(&p, &g);
    }
    { /* a crop shows the convolution pixels that its own padding would not */
        CASE(2, 5, 6, {
            x = NET_NODE(g, OP_PAD, x, graph_add_i64s(g, 8, (const int64_t[]){ 0, 0, 1, -1, 0, 0, 1, 1 }));
            x = net_conv(g, x, 2, 3, 3, 1, true);
        }, 2);
        pair_free(&p, &g);
    }
}

/* conv + residual, the activation before, after, and on both sides of the sum. */
static void residuals_fuse(void)
{
    for (int form = 0; form < 4; form++) {
        CASE(4, 5, 6, {
            const int skip = NET_NODE(g, OP_NEG, x);
            x = net_conv(g, skip, 4, 4, 3, 1, true);
            if (form == 1 || form == 3)
                x = NET_NODE(g, OP_RELU, x);
            x = form == 2 ? NET_NODE(g, OP_ADD, x, skip) : NET_NODE(g, OP_ADD, skip, x);
            if (form == 2 || form == 3)
                x = NET_NODE(g, OP_TANH, x);
        }, form == 3 ? 3 : 2);
        const struct graph_node *conv = p.fused ? &p.fused->node[1] : last;
        CHECK_INT(conv->n_in, 5);
        CHECK_INT(conv->p.conv.epilogue.act, form == 0 ? ACT_NONE : form == 2 ? ACT_TANH : ACT_RELU);
        CHECK_INT(conv->p.conv.epilogue.residual_before_act, form == 2);
        pair_free(&p, &g);
    }
}

/* The other side is made after the convolution: it moves behind. */
static void residual_moves_conv(void)
{
    CASE(4, 5, 6, {
        const int a = net_conv(g, x, 4, 4, 3, 1, true);
        int b = NET_NODE(g, OP_NEG, x);
        b = NET_NODE(g, OP_EXP, b);
        x = NET_NODE(g, OP_ADD, a, b);
        x = NET_NODE(g, OP_RELU, x);
    }, 3);
    CHECK_INT(last->op, OP_CONV);
    CHECK(last->p.conv.epilogue.residual_before_act);
    pair_free(&p, &g);
}

/* Of two convolutions the later takes the sum; its activation came first. */
static void two_convs_add(void)
{
    CASE(4, 5, 6, {
        const int a = net_conv(g, x, 4, 4, 1, 1, true);
        const int b = NET_NODE(g, OP_RELU, net_conv(g, x, 4, 4, 3, 1, true));
        x = NET_NODE(g, OP_ADD, a, b);
    }, 2);
    CHECK_INT(last->n_in, 5);
    CHECK_INT(last->p.conv.epilogue.act, ACT_RELU);
    CHECK(!last->p.conv.epilogue.residual_before_act);
    CHECK_INT(p.fused ? p.fused->node[0].n_in : 0, 3);
    pair_free(&p, &g);
}

/* A second sum has no room, nor one that broadcasts. */
static void second_sum_stays(void)
{
    CASE(4, 5, 6, {
        const int skip = NET_NODE(g, OP_NEG, x);
        const int point = NET_NODE(g, OP_GLOBAL_AVERAGE_POOL, skip);
        x = net_conv(g, skip, 4, 4, 3, 1, true);
        x = NET_NODE(g, OP_ADD, x, skip);
        x = NET_NODE(g, OP_ADD, x, skip);
        x = NET_NODE(g, OP_ADD, net_conv(g, x, 4, 4, 3, 1, true), point);
    }, 6);
    CHECK_INT(last->op, OP_ADD);
    pair_free(&p, &g);
}

static void shuffles_fuse(void)
{
    for (int crd = 0; crd < 2; crd++) { /* conv, sum, shuffle, bounds: all one */
        CASE(8, 3, 4, {
            const int skip = NET_NODE(g, OP_NEG, x);
            x = net_conv(g, skip, 8, 8, 3, 1, true);
            x = NET_NODE(g, OP_ADD, x, skip);
            x = NET_NODE(g, OP_DEPTH_TO_SPACE, x);
            net_params(g)->block.size = 2;
            net_params(g)->block.crd = crd;
            x = NET_NODE(g, OP_CLIP, x, net_scalar(g, 0.0f), net_scalar(g, 1.0f));
        }, 2);
        CHECK_INT(last->p.conv.epilogue.shuffle, 2);
        CHECK_INT(last->p.conv.epilogue.shuffle_crd, crd);
        CHECK_INT(last->p.conv.epilogue.act, ACT_CLIP);
        CHECK(last->p.conv.epilogue.residual_before_act);
        CHECK_INT(p.fused ? p.fused->value[last->out[0]].dim[2] : 0, 6);
        pair_free(&p, &g);
    }
    { /* slopes per channel of what comes out of the shuffle are not the convolution's */
        CASE(8, 3, 4, {
            x = net_conv(g, x, 8, 8, 3, 1, true);
            x = NET_NODE(g, OP_DEPTH_TO_SPACE, x);
            net_params(g)->block.size = 2;
            x = NET_NODE(g, OP_PRELU, x, net_weights(g, 0, 1, NET_DIMS(2, 1, 1)));
        }, 2);
        CHECK_INT(last->op, OP_PRELU);
        pair_free(&p, &g);
    }
    { /* a sum behind the shuffle stays */
        CASE(8, 3, 4, {
            const int base = NET_NODE(g, OP_DEPTH_TO_SPACE, x);
            net_params(g)->block.size = 2;
            x = net_conv(g, x, 8, 8, 3, 1, true);
            x = NET_NODE(g, OP_DEPTH_TO_SPACE, x);
            net_params(g)->block.size = 2;
            x = NET_NODE(g, OP_ADD, x, base);
        }, 3);
        CHECK_INT(last->op, OP_ADD);
        pair_free(&p, &g);
    }
}

/* The order of the steps, by hand: y = shuffle(act(conv + bias) + residual), a point convolution with numbers that can be followed.
 */
static void epilogue_by_hand(void)
{
    for (int before = 0; before < 2; before++) {
        struct graph *g = graph_create();
        const int x = net_input(g, "x", FM_F32, NET_DIMS(1, 1, 1, 2)), skip = net_input(g, "skip", FM_F32, NET_DIMS(1, 4, 1, 2));
        static const float w[4] = { 1, -1, 2, -2 }, b[4] = { 0.5f, 0, 0, 10 };
        const int weights = graph_add_constant(g, "w", FM_F32, NET_DIMS(4, 1, 1, 1), w), bias = graph_add_f32s(g, 4, b);
        int y = NET_NODE(g, OP_CONV, x, weights, bias);
        net_params(g)->conv.group = 1;
        net_window(&net_params(g)->conv.window, 1, 1, 0);
        y = before ? NET_NODE(g, OP_RELU, NET_NODE(g, OP_ADD, y, skip)) : NET_NODE(g, OP_ADD, NET_NODE(g, OP_RELU, y), skip);
        y = NET_NODE(g, OP_DEPTH_TO_SPACE, y);
        net_params(g)->block.size = 2;
        net_output(g, y);
        float in[2] = { 3, -4 }, residual[8] = { 1, 2, 3, 4, 5, 6, 7, -8 };
        const struct fm_tensor inputs[2] = { { .dtype = FM_F32, .rank = 4, .dim = { 1, 1, 1, 2 }, .data = in },
                                             { .dtype = FM_F32, .rank = 4, .dim = { 1, 4, 1, 2 }, .data = residual } };
        struct fm_tensor out = { 0 };
        struct graph *s = NULL;
        CHECK_INT(graph_specialise(g, inputs, &s, NULL), FM_OK);
        CHECK_INT(graph_rewrite(s, NULL), FM_OK);
        CHECK_INT(s->n_nodes, 1);
        CHECK_INT(graph_interpret(s, inputs, &out, NULL), FM_OK);
        /* conv + bias: channels 3.5 -3.5 | -3 4 | 6 -8 | 4 18 */
        static const double after_sum[8] = { 3.5 + 1, 0 + 3, 0 + 2, 4 + 4, 6 + 5, 4 + 7, 0 + 6, 18 - 8 };
        static const double before_sum[8] = { 4.5, 0, 0, 8, 11, 11, 0, 10 };
        if (CHECK_INT(out.dim[1], 1) && CHECK_INT(out.dim[2], 2) && CHECK_INT(out.dim[3], 4))
            for (int i = 0; i < 8; i++)
                CHECK_NEAR(((float *) out.data)[i], before ? before_sum[i] : after_sum[i], 1e-6);
        core_free(out.data);
        graph_destroy(&s);
        graph_destroy(&g);
    }
}

static void reshapes_are_shuffles(void)
{
    { /* torch's pixel shuffle, after a convolution */
        CASE(2, 3, 4, {
            x = net_conv(g, x, 2, 8, 3, 1, true);
            x = net_six_axes(g, x, (const int64_t[]){ 1, 2, 2, 2, 3, 4 }, (const int64_t[]){ 0, 1, 4, 2, 5, 3 },
                         (const int64_t[]){ 1, 2, 6, 8 });
        }, 1);
        CHECK_INT(last->p.conv.epilogue.shuffle, 2);
        CHECK(last->p.conv.epilogue.shuffle_crd);
        pair_free(&p, &g);
    }
    {
        CASE(
            8, 3, 4,
            {
                x = net_six_axes(g, x, (const int64_t[]){ 1, 2, 2, 2, 3, 4 }, (const int64_t[]){ 0, 3, 4, 1, 5, 2 },
                             (const int64_t[]){ 1, 2, 6, 8 });
            },
            1);
        CHECK_INT(last->op, OP_DEPTH_TO_SPACE);
        CHECK(!last->p.block.crd);
        pair_free(&p, &g);
    }
    {
        CASE(
            2, 6, 8,
            {
                x = net_six_axes(g, x, (const int64_t[]){ 1, 2, 3, 2, 4, 2 }, (const int64_t[]){ 0, 3, 5, 1, 2, 4 },
                             (const int64_t[]){ 1, 8, 3, 4 });
            },
            1);
        CHECK_INT(last->op, OP_SPACE_TO_DEPTH);
        pair_free(&p, &g);
    }
    { /* torch's pixel unshuffle: the weights behind change their order */
        CASE(
            3, 6, 8,
            {
                x = net_six_axes(g, x, (const int64_t[]){ 1, 3, 3, 2, 4, 2 }, (const int64_t[]){ 0, 1, 3, 5, 2, 4 },
                             (const int64_t[]){ 1, 12, 3, 4 });
                x = net_conv(g, x, 12, 5, 3, 1, true);
            },
            2);
        CHECK_INT(p.fused ? p.fused->node[0].op : OP_COUNT, OP_SPACE_TO_DEPTH);
        pair_free(&p, &g);
    }
    { /* a channel shuffle is something else */
        CASE(
            8, 3, 4,
            {
                x = net_six_axes(g, x, (const int64_t[]){ 1, 2, 2, 2, 3, 4 }, (const int64_t[]){ 0, 2, 1, 3, 4, 5 },
                             (const int64_t[]){ 1, 8, 3, 4 });
            },
            3);
        pair_free(&p, &g);
    }
}

static void focus_is_space_to_depth(void)
{
    for (int form = 0; form < 3; form++) {
        CASE(3, 6, 8, {
            const int a = net_every_second(g, x, 0, 0, form > 0);
            const int b = net_every_second(g, x, 1, 0, form > 0);
            const int c = net_every_second(g, x, 0, 1, form > 0);
            const int d = net_every_second(g, x, 1, 1, form > 0);
            x = form == 2 ? NET_NODE(g, OP_CONCAT, a, c, b, d) : NET_NODE(g, OP_CONCAT, a, b, c, d);
            net_params(g)->axis.axis = 1;
            x = net_conv(g, x, 12, 4, 3, 1, true);
            x = NET_NODE(g, OP_SILU, x);
        }, 2);
        CHECK_INT(p.fused ? p.fused->node[0].op : OP_COUNT, OP_SPACE_TO_DEPTH);
        pair_free(&p, &g);
    }
    { /* one of them twice */
        CASE(3, 6, 8, {
            const int a = net_every_second(g, x, 0, 0, true);
            const int b = net_every_second(g, x, 1, 0, true);
            x = NET_NODE(g, OP_CONCAT, a, b, a, b);
            net_params(g)->axis.axis = 1;
            x = net_conv(g, x, 12, 4, 3, 1, true);
        }, 4);
        pair_free(&p, &g);
    }
}

/* A network in half precision runs in float32 and keeps its face. */
static void half_is_widened(void)
{
    struct graph *g = graph_create();
    const int x = net_input(g, "x", FM_F16, NET_DIMS(1, 2, 4, 5));
    uint8_t *w = arena_alloc(g->arena, 3 * 2 * 9 * 2 + 1);
    double weights[54];
    for (int i = 0; i < 54; i++) {
        const uint16_t h = half_from_f32(net_random());
        weights[i] = half_to_f32(h);
        memcpy(w + 1 + 2 * i, &h, 2); /* unaligned, as in files */
    }
    int y = NET_NODE(g, OP_CONV, x, graph_add_constant(g, "w", FM_F16, NET_DIMS(3, 2, 3, 3), w + 1));
    net_params(g)->conv.group = 1;
    net_window(&net_params(g)->conv.window, 3, 1, 1);
    net_output(g, NET_NODE(g, OP_RELU, y));
    uint16_t pixels[40];
    for (int i = 0; i < 40; i++)
        pixels[i] = half_from_f32(net_random());
    struct fm_tensor in = { .dtype = FM_F16, .rank = 4, .dim = { 1, 2, 4, 5 }, .data = pixels }, out = { 0 };
    struct graph *s = NULL;
    CHECK_INT(graph_specialise(g, &in, &s, NULL), FM_OK);
    CHECK_INT(graph_rewrite(s, NULL), FM_OK);
    CHECK_INT(graph_check(s, NULL), FM_OK);
    CHECK_INT(s->n_nodes, 3);
    CHECK_INT(s->node[1].p.conv.epilogue.act, ACT_RELU);
    CHECK_INT(s->value[s->node[1].out[0]].dtype, FM_F32);
    CHECK_INT(graph_interpret(s, &in, &out, NULL), FM_OK);
    CHECK_INT(out.dtype, FM_F16);
    for (int o = 0; o < 3 && out.data; o++)
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 5; j++) {
                double sum = 0.0;
                for (int c = 0; c < 2; c++)
                    for (int ky = 0; ky < 3; ky++)
                        for (int kx = 0; kx < 3; kx++) {
                            const int yy = i + ky - 1, xx = j + kx - 1;
                            if (yy >= 0 && yy < 4 && xx >= 0 && xx < 5)
                                sum += weights[((o * 2 + c) * 3 + ky) * 3 + kx] * half_to_f32(pixels[(c * 4 + yy) * 5 + xx]);
                        }
                CHECK_NEAR(half_to_f32(((uint16_t *) out.data)[(o * 4 + i) * 5 + j]), fmax(sum, 0.0), 2e-3 * fmax(1.0, fabs(sum)));
            }
    core_free(out.data);
    graph_destroy(&s);
    graph_destroy(&g);
}

static void reductions_are_pools(void)
{
    for (int form = 0; form < 4; form++) {
        CASE(
            3, 4, 5,
            {
                const int over = graph_add_i64s(g, 2,
                                                form == 3 ? (const int64_t[]){ 1, 2 }
                                                : form    ? (const int64_t[]){ -1, -2 }
                                                          : (const int64_t[]){ 2, 3 });
                x = net_node(g, form == 1 ? OP_REDUCE_MAX : OP_REDUCE_MEAN, "reduce", 2, (const int[]){ x, over });
                net_params(g)->reduce.keep_dims = form != 2;
            },
            1);
        CHECK_INT(last->op, form == 0 ? OP_GLOBAL_AVERAGE_POOL : form == 1 ? OP_GLOBAL_MAX_POOL : OP_REDUCE_MEAN);
        pair_free(&p, &g);
    }
}

/* Numbers behind a shuffle reach the convolution before it. */
static void numbers_pass_shuffles(void)
{
    CASE(3, 3, 4, {
        x = net_conv(g, x, 3, 12, 3, 1, true);
        x = NET_NODE(g, OP_DEPTH_TO_SPACE, x);
        net_params(g)->block.size = 2;
        net_params(g)->block.crd = true;
        x = NET_NODE(g, OP_MUL, x, net_scalar(g, 0.5f));
        x = NET_NODE(g, OP_SUB, net_scalar(g, 0.25f), x);
        x = NET_NODE(g, OP_CLIP, x, net_scalar(g, 0.0f), net_scalar(g, 1.0f));
    }, 1);
    CHECK_INT(last->p.conv.epilogue.shuffle, 2);
    CHECK_INT(last->p.conv.epilogue.act, ACT_CLIP);
    pair_free(&p, &g);
}

static void random_network(int seed)
{
    struct graph *g = graph_create(), *plain = NULL, *fused = NULL;
    struct fm_error error = { 0 };
    struct net_pool pool = { .limit = 12 };
    net_state = (uint32_t) seed * 2654435761u + 1;
    net_pool_add(&pool, net_picture(g, 4), 4, 6, 8);
    for (int i = 0; i < 14; i++)
        net_random_step(g, &pool);
    net_output(g, pool.value[pool.n - 1]);
    const int second = pool.value[net_pick(pool.n)];
    if (second != g->output[0])
        net_output(g, second);
    struct fm_tensor in = net_tensor(NET_DIMS(1, 4, 6, 8)), before[2] = { { 0 } }, after[2] = { { 0 } };
    bool good = CHECK_MSG(graph_check(g, &error) == FM_OK, "seed %d: %s", seed, error.message) &&
                CHECK_MSG(graph_specialise(g, &in, &plain, &error) == FM_OK, "seed %d: %s", seed, error.message) &&
                CHECK_MSG(graph_specialise(g, &in, &fused, &error) == FM_OK, "seed %d: %s", seed, error.message) &&
                CHECK_MSG(graph_rewrite(fused, &error) == FM_OK, "seed %d: %s", seed, error.message) &&
                CHECK_MSG(graph_check(fused, &error) == FM_OK, "seed %d: %s", seed, error.message) &&
                CHECK_MSG(graph_interpret(plain, &in, before, &error) == FM_OK, "seed %d: %s", seed, error.message) &&
                CHECK_MSG(graph_interpret(fused, &in, after, &error) == FM_OK, "seed %d: %s", seed, error.message);
    for (int k = 0; k < g->n_outputs && good; k++) {
        const double difference = net_difference(&before[k], &after[k]);
        CHECK_MSG(difference < 2e-5, "seed %d: output %d differs by %g", seed, k, difference);
    }
    for (int k = 0; k < 2; k++) {
        core_free(before[k].data);
        core_free(after[k].data);
    }
    core_free(in.data);
    graph_destroy(&plain);
    graph_destroy(&fused);
    graph_destroy(&g);
}

static void random_networks(void)
{
    const char *count = getenv("FM_TEST_NETWORKS");
    const int64_t live = core_alloc_live();
    for (int seed = 1; seed <= (count ? atoi(count) : 300); seed++)
        random_network(seed);
    CHECK_INT(core_alloc_live(), live);
}

/* What nobody needs goes, and optional results that nobody reads. */
static void dead_nodes_go(void)
{
    CASE(2, 4, 4, {
        NET_NODE(g, OP_EXP, NET_NODE(g, OP_NEG, x));
        const int node = graph_add_node(g, OP_MAX_POOL, "pool", "pool", 1, 2);
        g->node[node].in[0] = x;
        x = graph_add_value(g, "");
        graph_set_output(g, node, 0, x);
        graph_set_output(g, node, 1, graph_add_value(g, ""));
        net_window(&g->node[node].p.pool.window, 2, 2, 0);
    }, 1);
    CHECK_INT(last->op, OP_MAX_POOL);
    CHECK_INT(last->n_out, 1);
    pair_free(&p, &g);
}

int main(void)
{
    RUN(norm_joins_conv);
    RUN(norm_joins_grouped_transposed_conv);
    RUN(norm_alone_becomes_a_conv);
    RUN(chain_joins_conv);
    RUN(other_constants_stay);
    RUN(outputs_stay);
    RUN(activations_fuse);
    RUN(slopes_fuse);
    RUN(bounds_fuse);
    RUN(spelled_out_activations);
    RUN(identities_go);
    RUN(look_alikes_stay);
    RUN(identity_of_input_stays);
    RUN(padding_joins_conv);
    RUN(other_padding_stays);
    RUN(residuals_fuse);
    RUN(residual_moves_conv);
    RUN(two_convs_add);
    RUN(second_sum_stays);
    RUN(shuffles_fuse);
    RUN(epilogue_by_hand);
    RUN(reshapes_are_shuffles);
    RUN(focus_is_space_to_depth);
    RUN(half_is_widened);
    RUN(reductions_are_pools);
    RUN(numbers_pass_shuffles);
    RUN(dead_nodes_go);
    RUN(random_networks);
    return check_report();
}
