/* SPDX-License-Identifier: MIT */
/* Receptive fields: the numbers of small networks by hand, and the promise itself, tried: no pixel outside the interval changes
 * an output pixel, and tiles with the halo give the full picture's result. */
#include "graph/field.h"
#include "net_random.h"

static struct graph *fixed(const struct graph *g, int64_t channels, int64_t height, int64_t width, bool rewritten)
{
    const struct fm_tensor in = { .dtype = FM_F32, .rank = 4, .dim = { 1, channels, height, width } };
    struct fm_error error = { 0 };
    struct graph *s = NULL;
    if (!CHECK_MSG(graph_specialise(g, &in, &s, &error) == FM_OK, "%s", error.message))
        return NULL;
    if (rewritten)
        CHECK_MSG(graph_rewrite(s, &error) == FM_OK, "%s", error.message);
    return s;
}

static struct graph_field field_of(const struct graph *g, int64_t channels, int64_t height, int64_t width, bool rewritten)
{
    struct graph_field f = { 0 };
    struct graph *s = fixed(g, channels, height, width, rewritten);
    if (s)
        CHECK_INT(graph_field(s, &f), FM_OK);
    graph_destroy(&s);
    return f;
}

/* Runs the network on one channel of a picture; the caller frees the result. */
static struct fm_tensor run(const struct graph *g, int64_t height, int64_t width, const float *pixels)
{
    const struct fm_tensor in = { .dtype = FM_F32, .rank = 4, .dim = { 1, 1, height, width }, .data = (void *) (uintptr_t) pixels };
    struct fm_tensor out = { 0 };
    struct graph *s = fixed(g, 1, height, width, true);
    if (s)
        CHECK_INT(graph_interpret(s, &in, &out, NULL), FM_OK);
    graph_destroy(&s);
    return out;
}

/* Every input pixel of a row of a one-channel network is moved in turn: outputs that change must have it in their interval. Counts
 * those that do not (must be none); *used is the farthest that was really seen. */
static int count_outside(const struct graph *g, int64_t size, const struct graph_field *f, double *used)
{
    const int64_t row = size / 2;
    float *pixels = core_alloc((size_t) (size * size) * sizeof(float));
    int outside = 0;
    *used = 0.0;
    for (int64_t i = 0; i < size * size; i++)
        pixels[i] = net_random();
    struct fm_tensor before = run(g, size, size, pixels);
    for (int64_t x = 0; x < size && before.data; x++) {
        const float kept = pixels[row * size + x];
        pixels[row * size + x] = kept + 3.0f;
        struct fm_tensor after = run(g, size, size, pixels);
        pixels[row * size + x] = kept;
        const int64_t channels = before.dim[1], height = before.dim[2], width = before.dim[3];
        for (int64_t i = 0; i < channels * height * width && after.data; i++) {
            if (((float *) before.data)[i] == ((float *) after.data)[i])
                continue;
            const double at_x = (double) (i % width) * (double) f->scale_den[1] / (double) f->scale_num[1];
            const double at_y = (double) (i / width % height) * (double) f->scale_den[0] / (double) f->scale_num[0];
            outside += (double) x < at_x + f->low[1] - 1e-6 || (double) x > at_x + f->high[1] + 1e-6;
            outside += (double) row < at_y + f->low[0] - 1e-6 || (double) row > at_y + f->high[0] + 1e-6;
            *used = fmax(*used, fabs((double) x - at_x));
        }
        core_free(after.data);
    }
    core_free(before.data);
    core_free(pixels);
    return outside;
}

static void convolutions_add_up(void)
{
    struct graph *g = graph_create();
    int x = net_picture(g, 1);
    x = net_conv(g, x, 1, 4, 3, 1, true);
    const int skip = x;
    x = net_conv(g, NET_NODE(g, OP_RELU, x), 4, 4, 5, 1, true);
    x = NET_NODE(g, OP_ADD, x, skip);
    x = net_conv(g, x, 4, 4, 3, 1, false);
    x = NET_NODE(g, OP_DEPTH_TO_SPACE, x);
    net_params(g)->block.size = 2;
    net_output(g, x);
    for (int rewritten = 0; rewritten < 2; rewritten++) {
        const struct graph_field f = field_of(g, 1, 10, 12, rewritten);
        CHECK_MSG(f.bounded, "%s", f.reason);
        CHECK_INT(f.spatial, 2);
        CHECK_INT(f.scale_num[0], 2);
        CHECK_INT(f.scale_den[0], 1);
        CHECK_INT(f.halo, 5); /* 1 + 2 + 1 and half a pixel of the shuffle */
        CHECK_NEAR(f.low[1], -4.5, 1e-9);
        CHECK_NEAR(f.high[1], 4, 1e-9);
        CHECK_INT(f.align[0], 1);
        CHECK_INT(f.delta[0], 0);
        CHECK_INT(f.macs, 120 * (9 * 4 + 25 * 16 + 9 * 16));
        CHECK_INT(f.parameters, 9 * 4 + 4 + 25 * 16 + 4 + 9 * 16);
    }
    const struct graph_field f = field_of(g, 1, 16, 16, true);
    double used;
    CHECK_INT(count_outside(g, 16, &f, &used), 0);
    CHECK(used >= 4);
    graph_destroy(&g);
}

/* Down by 2, a convolution there, up again by each kind of resize; a transposed convolution; pools; shifts. */
static struct graph *bends(int form)
{
    struct graph *g = graph_create();
    int x = net_picture(g, 1);
    if (form == 6) {
        x = NET_NODE(g, OP_PAD, x, graph_add_i64s(g, 8, (const int64_t[]){ 0, 0, 2, 2, 0, 0, 2, 2 }));
        net_params(g)->pad.mode = PAD_REFLECT;
        x = net_conv(g, x, 1, 2, 5, 1, true);
        net_params(g)->conv.window.pad_begin[0] = net_params(g)->conv.window.pad_begin[1] = 0;
        net_params(g)->conv.window.pad_end[0] = net_params(g)->conv.window.pad_end[1] = 0;
        net_output(g, x);
        return g;
    }
    if (form == 5) {
        x = NET_NODE(g, OP_AVERAGE_POOL, x);
        net_window(&net_params(g)->pool.window, 2, 2, 0);
    } else {
        x = net_conv(g, x, 1, 2, 3, 2, true);
    }
    const int64_t n = form == 5 ? 1 : 2;
    x = net_conv(g, x, n, 2, 3, 1, true);
    if (form == 4 || form == 5) {
        const int w = net_weights(g, -1, 1, NET_DIMS(2, 2, 4, 4));
        x = NET_NODE(g, OP_CONV_TRANSPOSE, x, w);
        net_params(g)->conv.group = 1;
        net_window(&net_params(g)->conv.window, 4, 2, 1);
    } else {
        x = NET_NODE(g, OP_RESIZE, x, -1, graph_add_f32s(g, 4, (const float[]){ 1, 1, 2, 2 }));
        net_params(g)->resize.mode = form == 0 ? RESIZE_NEAREST : form == 1 || form == 3 ? RESIZE_LINEAR : RESIZE_CUBIC;
        net_params(g)->resize.coordinates = form == 0 ? COORD_ASYMMETRIC : form == 3 ? COORD_PYTORCH_HALF_PIXEL : COORD_HALF_PIXEL;
        net_params(g)->resize.nearest = NEAREST_FLOOR;
        net_params(g)->resize.cubic_a = -0.75f;
    }
    x = net_conv(g, x, 2, 1, 3, 1, true);
    net_output(g, x);
    return g;
}

static void nothing_outside_is_seen(void)
{
    for (int form = 0; form < 7; form++) {
        struct graph *g = bends(form);
        const struct graph_field f = field_of(g, 1, 24, 24, true);
        double used = 0.0;
        if (CHECK_MSG(f.bounded, "form %d: %s", form, f.reason)) {
            CHECK_INT(count_outside(g, 24, &f, &used), 0);
            CHECK_INT(f.align[0], form == 6 ? 1 : 2);
            CHECK_INT(f.scale_num[0], 1);
            CHECK_MSG((double) f.halo >= used && (double) f.halo <= used + 3.0, "form %d: halo %d for a reach of %g", form,
                      (int) f.halo, used);
        }
        graph_destroy(&g);
    }
}

/* A tile with its halo, on the grid, is the same pixels as in the whole picture, bit for bit. */
static void tiles_are_exact(void)
{
    for (int form = 0; form < 7; form++) {
        struct graph *g = bends(form);
        const int64_t size = 40, from = 16, to = 24;
        const struct graph_field f = field_of(g, 1, size, size, true);
        int64_t halo = f.halo;
        while (halo % f.align[0])
            halo++;
        const int64_t first = from - halo, last = to + halo < size ? to + halo : size, tile = last - first;
        if (!CHECK_MSG(f.bounded && first >= 0, "form %d: halo %d", form, (int) f.halo)) {
            graph_destroy(&g);
            continue;
        }
        float *pixels = core_alloc((size_t) (size * size) * sizeof(float)),
              *part = core_alloc((size_t) (tile * tile) * sizeof(float));
        for (int64_t i = 0; i < size * size; i++)
            pixels[i] = net_random();
        for (int64_t y = 0; y < tile; y++)
            memcpy(part + y * tile, pixels + (y + first) * size + first, (size_t) tile * sizeof(float));
        struct fm_tensor whole = run(g, size, size, pixels), cut = run(g, tile, tile, part);
        int wrong = 0;
        for (int64_t y = from; y < to && whole.data && cut.data; y++)
            for (int64_t x = from; x < to; x++)
                wrong += ((float *) whole.data)[y * size + x] != ((float *) cut.data)[(y - first) * tile + x - first];
        CHECK_MSG(wrong == 0, "form %d: %d pixels differ", form, wrong);
        core_free(pixels);
        core_free(part);
        core_free(whole.data);
        core_free(cut.data);
        graph_destroy(&g);
    }
}

/* Valid convolutions shrink the picture; crops shift it. */
static void shrinking_is_told(void)
{
    struct graph *g = graph_create();
    int x = net_picture(g, 1);
    x = net_conv(g, x, 1, 1, 3, 1, true);
    net_params(g)->conv.window.pad_begin[0] = net_params(g)->conv.window.pad_begin[1] = 0;
    net_params(g)->conv.window.pad_end[0] = net_params(g)->conv.window.pad_end[1] = 0;
    x = NET_NODE(g, OP_SLICE, x, graph_add_i64s(g, 2, (const int64_t[]){ 4, 1 }), graph_add_i64s(g, 2, (const int64_t[]){ -4, -1 }),
                 graph_add_i64s(g, 2, (const int64_t[]){ 2, 3 }));
    net_output(g, x);
    const struct graph_field f = field_of(g, 1, 20, 21, true);
    CHECK_MSG(f.bounded, "%s", f.reason);
    CHECK_NEAR(f.low[0], 4, 0);
    CHECK_NEAR(f.high[0], 6, 0);
    CHECK_NEAR(f.low[1], 1, 0);
    CHECK_NEAR(f.high[1], 3, 0);
    CHECK_INT(f.delta[0], -10);
    CHECK_INT(f.delta[1], -4);
    CHECK_INT(f.halo, 6);
    graph_destroy(&g);
}

/* Each of these sees everything or depends on the place, and is named. */
static void unbounded_is_named(void)
{
    for (int form = 0; form < 11; form++) {
        struct graph *g = graph_create();
        int x = net_picture(g, 4);
        const int first = x = net_conv(g, x, 4, 4, 3, 1, true);
        const char *name = "culprit", *part = "whole";
        switch (form) {
        case 0: x = NET_NODE(g, OP_MUL, x, net_node(g, OP_GLOBAL_AVERAGE_POOL, name, 1, &x)); break;
        case 1: {
            const int in[3] = { x, net_weights(g, 1, 2, NET_DIMS(4)), net_weights(g, 1, 2, NET_DIMS(4)) };
            x = net_node(g, OP_INSTANCE_NORM, name, 3, in);
            break;
        }
        case 2: x = net_node(g, OP_SOFTMAX, name, 1, &x); net_params(g)->axis.axis = 3; break;
        case 3: {
            const int in[3] = { x, -1, graph_add_f32s(g, 4, (const float[]){ 1, 1, 2, 2 }) };
            x = net_node(g, OP_RESIZE, name, 3, in);
            net_params(g)->resize.mode = RESIZE_LINEAR;
            net_params(g)->resize.coordinates = COORD_ALIGN_CORNERS;
            part = "corners";
            break;
        }
        case 4: {
            const int in[3] = { x, -1, graph_add_f32s(g, 4, (const float[]){ 1, 1, 1.5f, 1.5f }) };
            x = net_node(g, OP_RESIZE, name, 3, in);
            net_params(g)->resize.mode = RESIZE_LINEAR;
            part = "ratio";
            break;
        }
        case 5: {
            const int in[2] = { x, graph_add_i64s(g, 1, (const int64_t[]){ 2 }) };
            x = net_node(g, OP_REDUCE_MEAN, name, 2, in);
            net_params(g)->reduce.keep_dims = true;
            x = NET_NODE(g, OP_SUB, first, x);
            break;
        }
        case 6: {
            const int in[2] = { x, x };
            x = net_node(g, OP_MATMUL, name, 2, in);
            break;
        }
        case 7: {
            const int in[2] = { x, net_weights(g, -1, 1, NET_DIMS(8, 8)) };
            x = net_node(g, OP_ADD, name, 2, in);
            part = "place";
            break;
        }
        case 8:
            x = net_node(g, OP_TRANSPOSE, name, 1, &x);
            net_params(g)->perm.n = 4;
            memcpy(net_params(g)->perm.perm, (const int64_t[]){ 0, 1, 3, 2 }, 32);
            name = "";
            part = "not a picture";
            break;
        case 9: {
            const int in[2] = { x, graph_add_i64s(g, 4, (const int64_t[]){ 1, 8, 4, 8 }) };
            x = net_node(g, OP_RESHAPE, name, 2, in);
            part = "mixes";
            break;
        }
        default: {
            const int in[5] = { x, graph_add_i64s(g, 1, (const int64_t[]){ 7 }), graph_add_i64s(g, 1, (const int64_t[]){ -9 }),
                                graph_add_i64s(g, 1, (const int64_t[]){ 2 }), graph_add_i64s(g, 1, (const int64_t[]){ -1 }) };
            x = net_node(g, OP_SLICE, name, 5, in);
            part = "round";
            break;
        }
        }
        net_output(g, x);
        for (int rewritten = 0; rewritten < 2; rewritten++) {
            const struct graph_field f = field_of(g, 4, 8, 8, rewritten);
            CHECK_MSG(!f.bounded, "form %d is no bounded network", form);
            CHECK_HAS(f.reason, name);
            CHECK_HAS(f.reason, part);
            CHECK(f.macs >= 64 * 9 * 16);
        }
        graph_destroy(&g);
    }
}

/* What works on channels alone does not widen the field, whatever the layout. */
static void channels_do_not_count(void)
{
    struct graph *g = graph_create();
    int x = net_picture(g, 4);
    x = net_conv(g, x, 4, 4, 3, 1, true);
    x = NET_NODE(g, OP_TRANSPOSE, x);
    net_params(g)->perm.n = 4;
    memcpy(net_params(g)->perm.perm, (const int64_t[]){ 0, 2, 3, 1 }, 32);
    x = NET_NODE(g, OP_LAYER_NORM, x, net_weights(g, 1, 2, NET_DIMS(4)));
    net_params(g)->norm.axis = -1;
    net_params(g)->norm.epsilon = 1e-5f;
    x = NET_NODE(g, OP_MATMUL, x, net_weights(g, -1, 1, NET_DIMS(4, 6)));
    x = NET_NODE(g, OP_ADD, x, net_weights(g, -1, 1, NET_DIMS(6)));
    x = NET_NODE(g, OP_TRANSPOSE, x);
    net_params(g)->perm.n = 4;
    memcpy(net_params(g)->perm.perm, (const int64_t[]){ 0, 3, 1, 2 }, 32);
    x = NET_NODE(g, OP_MUL, x, NET_NODE(g, OP_REDUCE_MEAN, x, graph_add_i64s(g, 1, (const int64_t[]){ 1 })));
    g->node[g->n_nodes - 2].p.reduce.keep_dims = true;
    x = NET_NODE(g, OP_SOFTMAX, x);
    net_params(g)->axis.axis = 1;
    net_output(g, x);
    const struct graph_field f = field_of(g, 4, 9, 7, true);
    CHECK_MSG(f.bounded, "%s", f.reason);
    CHECK_INT(f.halo, 1);
    graph_destroy(&g);
}

/* A tile of a random network: grown by the halo to the grid, cut at the picture's edges, its own part equal to the whole's bit for
 * bit. */
static bool random_tile(int seed)
{
    enum { SIZE = 48, FROM = 16, TO = 24 };
    struct graph *g = graph_create();
    struct net_pool pool = { .limit = 50, .any_size = true };
    net_state = (uint32_t) seed * 2654435761u + 7;
    net_pool_add(&pool, net_picture(g, 4), 4, SIZE, SIZE);
    for (int i = 0; i < 9; i++)
        net_random_step(g, &pool);
    net_output(g, pool.value[pool.n - 1]);
    struct graph *whole = fixed(g, 4, SIZE, SIZE, true), *part = NULL;
    struct graph_field f = { 0 };
    if (whole)
        CHECK_INT(graph_field(whole, &f), FM_OK);
    const int64_t halo = (f.halo + 7) / 8 * 8, first = FROM > halo ? FROM - halo : 0, last = TO + halo < SIZE ? TO + halo : SIZE;
    const bool fits = f.bounded && f.delta[0] == 0 && f.delta[1] == 0 && 8 % f.align[0] == 0 && 8 % f.align[1] == 0;
    struct fm_tensor in = net_tensor(NET_DIMS(1, 4, SIZE, SIZE)), cut = net_tensor(NET_DIMS(1, 4, last - first, SIZE)), a = { 0 },
                     b = { 0 };
    for (int64_t c = 0; c < 4; c++) /* a band of rows */
        memcpy((float *) cut.data + c * (last - first) * SIZE, (float *) in.data + (c * SIZE + first) * SIZE,
               (size_t) ((last - first) * SIZE) * sizeof(float));
    if (fits && (part = fixed(g, 4, last - first, SIZE, true)) && CHECK_INT(graph_interpret(whole, &in, &a, NULL), FM_OK) &&
        CHECK_INT(graph_interpret(part, &cut, &b, NULL), FM_OK)) {
        const int64_t from = FROM * f.scale_num[0] / f.scale_den[0], to = TO * f.scale_num[0] / f.scale_den[0];
        const int64_t start = first * f.scale_num[0] / f.scale_den[0], width = a.dim[3];
        int64_t wrong = 0;
        for (int64_t c = 0; c < a.dim[1]; c++)
            for (int64_t y = from; y < to; y++)
                wrong += memcmp((float *) a.data + (c * a.dim[2] + y) * width,
                                (float *) b.data + (c * b.dim[2] + y - start) * width, (size_t) width * sizeof(float)) != 0;
        CHECK_MSG(wrong == 0, "seed %d: %d rows differ, halo %d", seed, (int) wrong, (int) f.halo);
    }
    core_free(in.data);
    core_free(cut.data);
    core_free(a.data);
    core_free(b.data);
    graph_destroy(&whole);
    graph_destroy(&part);
    graph_destroy(&g);
    return fits;
}

static void random_tiles_are_exact(void)
{
    const char *count = getenv("FM_TEST_NETWORKS");
    const int n = count ? atoi(count) : 200;
    int tried = 0;
    for (int seed = 1; seed <= n; seed++)
        tried += random_tile(seed);
    CHECK_MSG(tried > n / 5, "only %d of %d networks are bounded", tried, n);
}

int main(void)
{
    RUN(convolutions_add_up);
    RUN(nothing_outside_is_seen);
    RUN(tiles_are_exact);
    RUN(shrinking_is_told);
    RUN(unbounded_is_named);
    RUN(channels_do_not_count);
    RUN(random_tiles_are_exact);
    return check_report();
}
