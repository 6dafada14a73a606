/* SPDX-License-Identifier: MIT */
/* Convolution, its transpose and pooling: values by hand, against sums written the other way round, and the transpose by what it
 * is: <conv(x), y> = <x, transposed(y)>. */
#include "op_trial.h"

static void set_window(struct op_window *w, int n, int64_t kernel, int64_t stride, int64_t dilation, int64_t begin, int64_t end)
{
    *w = (struct op_window){.n = n};
    for (int i = 0; i < n; i++) {
        w->kernel[i] = kernel;
        w->stride[i] = stride;
        w->dilation[i] = dilation;
        w->pad_begin[i] = begin;
        w->pad_end[i] = end;
    }
}

static struct op_trial conv_case(enum op_kind op, int n, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad,
                                 int64_t group)
{
    struct op_trial c = op_trial(op, 3, 1);
    set_window(&c.node.p.conv.window, n, kernel, stride, dilation, pad, pad);
    c.node.p.conv.group = group;
    return c;
}

/* --- convolution ----------------------------------------------------------------------------------------------------------- */

static void conv_by_hand(void)
{
    struct op_trial c = conv_case(OP_CONV, 2, 3, 1, 1, 1, 1);
    trial_f32(&c, 0, DIMS(1, 1, 3, 3), NULL); /* 1 .. 9 */
    trial_f32(&c, 1, DIMS(1, 1, 3, 3), (float[]){1, 1, 1, 1, 1, 1, 1, 1, 1});
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 3, 3), 12, 21, 16, 27, 45, 33, 24, 39, 28);
    trial_f32(&c, 2, DIMS(1), (float[]){0.5f});
    c.node.p.conv.window.stride[1] = 2;
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 3, 2), 12.5, 16.5, 27.5, 33.5, 24.5, 28.5);
    trial_free(&c);

    c = conv_case(OP_CONV, 1, 2, 1, 2, 0, 1); /* taps two apart */
    trial_f32(&c, 0, DIMS(1, 1, 5), NULL);
    trial_f32(&c, 1, DIMS(1, 1, 2), (float[]){1, 10});
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 3), 31, 42, 53);
    trial_free(&c);
}

static void conv_auto_pad(void)
{
    struct op_trial c = conv_case(OP_CONV, 1, 2, 1, 1, 0, 1);
    trial_f32(&c, 0, DIMS(1, 1, 3), NULL);
    trial_f32(&c, 1, DIMS(1, 1, 2), (float[]){1, 10});
    c.node.p.conv.window.auto_pad = AUTO_PAD_SAME_UPPER;
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 3), 21, 32, 3);
    CHECK_INT(c.node.p.conv.window.auto_pad, AUTO_PAD_NOTSET);
    CHECK_INT(c.node.p.conv.window.pad_end[0], 1);
    c.node.p.conv.window.auto_pad = AUTO_PAD_SAME_LOWER;
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 3), 10, 21, 32);
    c.node.p.conv.window.auto_pad = AUTO_PAD_VALID;
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 2), 21, 32);
    trial_free(&c);
}

/* Element of a tensor [n][c][a][b][d] with missing spatial axes of size 1; 0 outside. */
static double at(const struct fm_tensor *t, int64_t n, int64_t c, const int64_t *place)
{
    int64_t i = n * t->dim[1] + c;
    for (int k = 0; k < t->rank - 2; k++) {
        if (place[k] < 0 || place[k] >= t->dim[2 + k])
            return 0.0;
        i = i * t->dim[2 + k] + place[k];
    }
    return op_get_f(t, i);
}

/* Advances a counter below `size`; false after the last. */
static bool count_up(int64_t *place, const int64_t *size, int n)
{
    for (int i = n - 1; i >= 0; i--) {
        if (++place[i] < size[i])
            return true;
        place[i] = 0;
    }
    return false;
}

static double conv_at(const struct op_trial *c, int64_t n, int64_t channel, const int64_t *place)
{
    const struct op_window *w = &c->node.p.conv.window;
    const int64_t group = channel / (c->in[1].dim[0] / c->node.p.conv.group);
    int64_t tap[3] = {0}, from[3];
    double sum = c->in[2].data ? op_get_f(&c->in[2], channel) : 0.0;
    do {
        for (int i = 0; i < w->n; i++)
            from[i] = place[i] * w->stride[i] + tap[i] * w->dilation[i] - w->pad_begin[i];
        for (int64_t k = 0; k < c->in[1].dim[1]; k++)
            sum += at(&c->in[0], n, group * c->in[1].dim[1] + k, from) * at(&c->in[1], channel, k, tap);
    } while (count_up(tap, w->kernel, w->n));
    return sum;
}

static void conv_random(void)
{
    for (int round = 0; round < 60; round++) {
        const int n = 1 + round % 3, group = 1 + round % 4;
        struct op_trial c = conv_case(OP_CONV, n, 1, 1, 1, 0, group);
        int64_t x[5] = {1 + round % 2, group * (1 + round % 3)}, k[5] = {group * (1 + round / 2 % 3), x[1] / group};
        for (int i = 0; i < n; i++) {
            struct op_window *w = &c.node.p.conv.window;
            x[2 + i] = 6 + (round + 3 * i) % 4;
            w->kernel[i] = k[2 + i] = 1 + (round + i) % 3;
            w->stride[i] = 1 + (round / 3 + i) % 3;
            w->dilation[i] = 1 + (round / 5 + i) % 2;
            w->pad_begin[i] = (round / 7 + i) % 3;
            w->pad_end[i] = (round / 4 + i) % 4;
        }
        trial_random(&c, 0, 2 + n, x);
        trial_random(&c, 1, 2 + n, k);
        if (round % 5)
            trial_random(&c, 2, 1, k);
        if (!CHECK_INT(trial_run(&c), FM_OK))
            CHECK_STR(c.error.message, "");
        for (int64_t b = 0; b < x[0]; b++)
            for (int64_t o = 0; o < k[0]; o++) {
                int64_t place[3] = {0};
                do {
                    const double got = at(&c.out[0], b, o, place), want = conv_at(&c, b, o, place);
                    if (!CHECK_MSG(got == want, "round %d: %g is not %g", round, got, want))
                        b = x[0], o = k[0];
                } while (b < x[0] && count_up(place, &c.out[0].dim[2], n));
            }
        trial_free(&c);
    }
}

static void conv_types(void)
{
    const enum fm_dtype types[] = {FM_F16, FM_BF16, FM_F64};
    for (int i = 0; i < 3; i++) {
        struct op_trial c = conv_case(OP_CONV, 2, 2, 1, 1, 0, 1);
        trial_set(&c, 0, types[i], DIMS(1, 1, 2, 2), NULL);
        trial_set(&c, 1, types[i], DIMS(1, 1, 2, 2), NULL);
        if (CHECK_INT(trial_run(&c), FM_OK)) {
            CHECK_INT(c.out[0].dtype, types[i]);
            CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 1, 1), 30);
        }
        trial_free(&c);
    }
}

static void conv_refuses(void)
{
    struct op_trial c = conv_case(OP_CONV, 2, 3, 1, 1, 0, 1);
    trial_f32(&c, 0, DIMS(1, 2, 5, 5), NULL);
    trial_f32(&c, 1, DIMS(4, 2, 3, 3), NULL);
    CHECK_INT(trial_run(&c), FM_OK);
    struct op_window *w = &c.node.p.conv.window;
    const struct op_window good = *w;
    w->stride[0] = 0;
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    *w = good;
    w->dilation[1] = -1;
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    *w = good;
    w->dilation[1] = INT64_MAX / 2;
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    *w = good;
    w->kernel[0] = 5;
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    *w = good;
    w->pad_begin[0] = INT64_MAX;
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    *w = good;
    w->pad_end[0] = -1;
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    *w = good;
    w->n = 1;
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    *w = good;
    w->dilation[0] = 3; /* reaches over 7 rows of 5 */
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    *w = good;
    c.node.p.conv.group = 2;
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    c.node.p.conv.group = 0;
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    c.node.p.conv.group = -1;
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    c.node.p.conv.group = 1;
    trial_f32(&c, 2, DIMS(3), NULL);
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    trial_set(&c, 2, FM_I32, DIMS(4), NULL);
    CHECK_REFUSED(&c, FM_ERR_UNSUPPORTED);
    trial_f32(&c, 2, DIMS(4), NULL);
    c.node.p.conv.epilogue.act = ACT_RELU;
    CHECK_REFUSED(&c, FM_ERR_UNSUPPORTED);
    c.node.p.conv.epilogue.act = ACT_NONE;
    CHECK_NOMEM(&c);
    c.in[0].dim[2] = -1; /* open */
    CHECK_INT(trial_shape(&c), FM_ERR_AGAIN);
    CHECK_INT(c.out[0].rank, -1);
    c.in[0].dim[2] = INT64_C(1) << 40;
    CHECK_INT(trial_shape(&c), FM_ERR_SHAPE);
    c.in[0].dim[2] = 5;
    c.in[0].rank = 3;
    CHECK_INT(trial_shape(&c), FM_ERR_SHAPE);
    trial_free(&c);
}

/* --- transposed ------------------------------------------------------------------------------------------------------------ */

static void transpose_by_hand(void)
{
    struct op_trial c = conv_case(OP_CONV_TRANSPOSE, 1, 3, 2, 1, 0, 1);
    trial_f32(&c, 0, DIMS(1, 1, 3), NULL);
    trial_f32(&c, 1, DIMS(1, 1, 3), (float[]){1, 10, 100});
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 7), 1, 10, 102, 20, 203, 30, 300);
    c.node.p.conv.window.pad_begin[0] = 1;
    c.node.p.conv.window.pad_end[0] = -2; /* grows */
    c.node.p.conv.output_pad[0] = 1;
    trial_f32(&c, 2, DIMS(1), (float[]){0.25f});
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 9), 10.25, 102.25, 20.25, 203.25, 30.25, 300.25, 0.25, 0.25, 0.25);
    trial_free(&c);
}

static void transpose_sizes(void)
{
    /* kernel 3, stride 2, 3 inputs: 7 outputs by themselves */
    struct op_trial c = conv_case(OP_CONV_TRANSPOSE, 1, 3, 2, 1, 0, 1);
    trial_f32(&c, 0, DIMS(1, 1, 3), NULL);
    trial_f32(&c, 1, DIMS(1, 1, 3), (float[]){1, 10, 100});
    c.node.p.conv.window.auto_pad = AUTO_PAD_SAME_UPPER; /* 6 = 3 * 2: one too many, cut at the end */
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 6), 1, 10, 102, 20, 203, 30);
    c.node.p.conv.window.auto_pad = AUTO_PAD_SAME_LOWER; /* cut at the start */
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 6), 10, 102, 20, 203, 30, 300);
    c.node.p.conv.has_output_shape = true;
    c.node.p.conv.output_shape[0] = 8; /* one more than there is: a column of nothing at the end */
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 8), 1, 10, 102, 20, 203, 30, 300, 0);
    CHECK(!c.node.p.conv.has_output_shape); /* the pads say it now */
    c.node.p.conv.has_output_shape = true;
    c.node.p.conv.output_shape[0] = 4;
    c.node.p.conv.window.auto_pad = AUTO_PAD_SAME_UPPER; /* three too many: one at the start, two at the end */
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 4), 10, 102, 20, 203);
    if (CHECK_INT(trial_run(&c), FM_OK)) /* asked again, the same */
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 4), 10, 102, 20, 203);
    c.node.p.conv.has_output_shape = true;
    if (CHECK_INT(trial_run(&c), FM_OK)) /* no auto_pad: the larger half at the start */
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 4), 102, 20, 203, 30);
    c.node.p.conv.has_output_shape = true;
    c.node.p.conv.output_shape[0] = 5;
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 5), 10, 102, 20, 203, 30);
    c.node.p.conv.has_output_shape = true;
    c.node.p.conv.output_shape[0] = -5;
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    c.node.p.conv.output_shape[0] = INT64_MAX;
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    c.node.p.conv.has_output_shape = false;
    c.node.p.conv.output_pad[0] = -1;
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    c.node.p.conv.output_pad[0] = 0;
    c.node.p.conv.window.pad_begin[0] = 9;
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    trial_free(&c);
}

static double dot(const struct fm_tensor *a, const struct fm_tensor *b)
{
    double sum = 0.0;
    for (int64_t i = 0; i < fm_tensor_count(a); i++)
        sum += op_get_f(a, i) * op_get_f(b, i);
    return sum;
}

static void transpose_is_adjoint(void)
{
    for (int round = 0; round < 48; round++) {
        const int n = 1 + round % 3, group = 1 + round / 3 % 2;
        struct op_trial c = conv_case(OP_CONV, n, 1, 1, 1, 0, group);
        struct op_window *w = &c.node.p.conv.window;
        int64_t x[5] = {2, 2 * group}, k[5] = {3 * group, 2};
        for (int i = 0; i < n; i++) {
            x[2 + i] = 5 + (round + i) % 4;
            w->kernel[i] = k[2 + i] = 1 + (round + i) % 3;
            w->stride[i] = 1 + (round / 2 + i) % 3;
            w->dilation[i] = 1 + (round / 4 + i) % 2;
            w->pad_begin[i] = (round / 5 + i) % 2;
            w->pad_end[i] = (round / 6 + i) % 2;
        }
        c.node.n_in = 2;
        trial_random(&c, 0, 2 + n, x);
        trial_random(&c, 1, 2 + n, k);
        if (!CHECK_INT(trial_run(&c), FM_OK))
            return;
        struct op_trial t = c; /* the same window and weights, from the output's shape back to the input's */
        t.node.op = OP_CONV_TRANSPOSE;
        memset(t.in, 0, sizeof(t.in));
        memset(t.out, 0, sizeof(t.out));
        trial_random(&t, 0, c.out[0].rank, c.out[0].dim);
        t.in[1] = c.in[1];
        for (int i = 0; i < n; i++) /* what the stride did not reach */
            t.node.p.conv.output_pad[i] = (x[2 + i] + w->pad_begin[i] + w->pad_end[i] - w->dilation[i] * (w->kernel[i] - 1) - 1) %
                                          w->stride[i];
        if (CHECK_INT(trial_run(&t), FM_OK) && CHECK_INT(fm_tensor_count(&t.out[0]), fm_tensor_count(&c.in[0])))
            CHECK_NEAR(dot(&c.in[0], &t.out[0]), dot(&c.out[0], &t.in[0]), 1e-5);
        t.in[1].data = NULL;
        trial_free(&t);
        trial_free(&c);
    }
}

static void transpose_nomem(void)
{
    struct op_trial c = conv_case(OP_CONV_TRANSPOSE, 2, 2, 2, 1, 0, 1);
    trial_f32(&c, 0, DIMS(1, 2, 2, 2), NULL);
    trial_f32(&c, 1, DIMS(2, 3, 2, 2), NULL);
    CHECK_NOMEM(&c);
    trial_f32(&c, 1, DIMS(3, 3, 2, 2), NULL);
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    trial_free(&c);
}

/* --- pooling --------------------------------------------------------------------------------------------------------------- */

static struct op_trial pool_case(enum op_kind op, int n, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad)
{
    struct op_trial c = op_trial(op, 1, 1);
    set_window(&c.node.p.pool.window, n, kernel, stride, dilation, pad, pad);
    return c;
}

static void max_pool(void)
{
    struct op_trial c = pool_case(OP_MAX_POOL, 2, 2, 2, 1, 0);
    c.node.n_out = 2;
    trial_f32(&c, 0, DIMS(1, 2, 2, 3), (float[]){1, 5, 2, 5, 4, 9, -1, -2, -3, -4, -5, -6});
    if (CHECK_INT(trial_run(&c), FM_OK)) {
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 2, 1, 1), 5, -1);
        CHECK_OUTPUT(&c, 1, 0, DIMS(1, 2, 1, 1), 1, 6); /* the first of equals; counted over all channels */
        CHECK_INT(c.out[1].dtype, FM_I64);
    }
    c.node.p.pool.ceil_mode = true;
    if (CHECK_INT(trial_run(&c), FM_OK)) {
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 2, 1, 2), 5, 9, -1, -3);
        CHECK_OUTPUT(&c, 1, 0, DIMS(1, 2, 1, 2), 1, 5, 6, 8);
    }
    c.node.p.pool.column_major = true;
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 1, 0, DIMS(1, 2, 1, 2), 2, 5, 6, 10);
    c.unwanted[0] = 1;
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 1, 0, DIMS(1, 2, 1, 2), 2, 5, 6, 10);
    trial_free(&c);
}

static void max_pool_types(void)
{
    struct op_trial c = pool_case(OP_MAX_POOL, 1, 2, 1, 2, 1); /* taps at -1 and 1, 0 and 2, ... */
    trial_set(&c, 0, FM_I8, DIMS(1, 1, 4), (double[]){-128, -7, -9, -5});
    if (CHECK_INT(trial_run(&c), FM_OK)) {
        CHECK_INT(c.out[0].dtype, FM_I8);
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 4), -7, -9, -5, -9);
    }
    trial_set(&c, 0, FM_U8, DIMS(1, 1, 4), (double[]){255, 1, 128, 127});
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 4), 1, 255, 127, 128);
    trial_set(&c, 0, FM_F16, DIMS(1, 1, 4), (double[]){NAN, 1, -INFINITY, 2});
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 4), 1, NAN, 2, -INFINITY);
    trial_set(&c, 0, FM_BOOL, DIMS(1, 1, 4), NULL);
    CHECK_REFUSED(&c, FM_ERR_UNSUPPORTED);
    trial_free(&c);
}

/* Ceil counts a last window only when it starts inside the input or its leading padding. */
static void ceil_mode(void)
{
    struct op_trial c = pool_case(OP_MAX_POOL, 1, 1, 2, 1, 0);
    c.node.p.pool.ceil_mode = true;
    trial_f32(&c, 0, DIMS(1, 1, 4), NULL);
    if (CHECK_INT(trial_run(&c), FM_OK)) /* (4 - 1) / 2 + 1 = 2.5; the third window would start at 4 */
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 2), 1, 3);
    set_window(&c.node.p.pool.window, 1, 3, 3, 1, 1, 1);
    trial_f32(&c, 0, DIMS(1, 1, 5), NULL);
    if (CHECK_INT(trial_run(&c), FM_OK)) /* windows at -1, 2; a third would start at 5 */
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 2), 2, 5);
    trial_free(&c);
}

static void average_pool(void)
{
    struct op_trial c = pool_case(OP_AVERAGE_POOL, 1, 3, 2, 1, 1);
    trial_f32(&c, 0, DIMS(1, 1, 6), (float[]){6, 12, 18, 24, 30, 42});
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 1e-6, DIMS(1, 1, 3), 9, 18, 32);
    c.node.p.pool.count_include_pad = true;
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 1e-6, DIMS(1, 1, 3), 6, 18, 32);
    c.node.p.pool.ceil_mode = true; /* a fourth window over 42 and one padded place, its third place hangs over uncounted */
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 1e-6, DIMS(1, 1, 4), 6, 18, 32, 21);
    c.node.p.pool.count_include_pad = false;
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 1e-6, DIMS(1, 1, 4), 9, 18, 32, 42);
    c.node.p.pool.ceil_mode = false;
    c.node.p.pool.ncnn_full = true;
    c.node.p.pool.count_include_pad = true;
    if (CHECK_INT(trial_run(&c), FM_OK)) /* ncnn divides by the whole kernel */
        CHECK_OUTPUT(&c, 0, 1e-6, DIMS(1, 1, 4), 6, 18, 32, 14);
    c.node.p.pool.ncnn_full = false;
    set_window(&c.node.p.pool.window, 1, 3, 1, 2, 0, 0);
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 1e-6, DIMS(1, 1, 2), 18, 26);
    CHECK_NOMEM(&c);
    trial_set(&c, 0, FM_I32, DIMS(1, 1, 6), NULL);
    CHECK_REFUSED(&c, FM_ERR_UNSUPPORTED);
    trial_free(&c);
}

static void pool_3d(void)
{
    struct op_trial c = pool_case(OP_AVERAGE_POOL, 3, 2, 1, 1, 0);
    trial_f32(&c, 0, DIMS(1, 1, 2, 2, 3), NULL); /* 1..12 */
    if (CHECK_INT(trial_run(&c), FM_OK)) /* 1 2 4 5 7 8 10 11, and one more each */
        CHECK_OUTPUT(&c, 0, 1e-6, DIMS(1, 1, 1, 1, 2), 6, 7);
    c.node.op = OP_MAX_POOL;
    c.node.n_out = 2;
    c.node.p.pool.column_major = true;
    if (CHECK_INT(trial_run(&c), FM_OK)) {
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 1, 1, 1, 2), 11, 12);
        CHECK_OUTPUT(&c, 1, 0, DIMS(1, 1, 1, 1, 2), 1 + 2 * (1 + 2 * 1), 1 + 2 * (1 + 2 * 2));
    }
    c.node.p.pool.window.kernel[2] = 4;
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    c.node.p.pool.window.kernel[2] = 0;
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    trial_free(&c);
}

static void global_pool(void)
{
    struct op_trial c = op_trial(OP_GLOBAL_AVERAGE_POOL, 1, 1);
    trial_f32(&c, 0, DIMS(1, 2, 2, 2), (float[]){1, 2, 3, 6, -4, -1, -3, -8});
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 2, 1, 1), 3, -4);
    c.node.op = OP_GLOBAL_MAX_POOL;
    if (CHECK_INT(trial_run(&c), FM_OK))
        CHECK_OUTPUT(&c, 0, 0, DIMS(1, 2, 1, 1), 6, -1);
    trial_f32(&c, 0, DIMS(1, 2, 0, 2), NULL);
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    trial_f32(&c, 0, DIMS(2), NULL);
    CHECK_REFUSED(&c, FM_ERR_SHAPE);
    trial_free(&c);
}

int main(void)
{
    RUN(conv_by_hand);
    RUN(conv_auto_pad);
    RUN(conv_random);
    RUN(conv_types);
    RUN(conv_refuses);
    RUN(transpose_by_hand);
    RUN(transpose_sizes);
    RUN(transpose_is_adjoint);
    RUN(transpose_nomem);
    RUN(max_pool);
    RUN(max_pool_types);
    RUN(ceil_mode);
    RUN(average_pool);
    RUN(pool_3d);
    RUN(global_pool);
    return check_report();
}
