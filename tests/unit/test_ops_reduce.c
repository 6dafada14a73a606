/* SPDX-License-Identifier: MIT */
/* Reductions, ArgMax, TopK and NonMaxSuppression, by hand. */
#include "op_trial.h"

/* --- reductions ------------------------------------------------------------------------------------------------------------ */

static struct op_trial reduce_trial(enum op_kind op, int n_axes, const int64_t *axes, bool keep_dims)
{
    struct op_trial t = op_trial(op, n_axes < 0 ? 1 : 2, 1);
    t.node.p.reduce.keep_dims = keep_dims;
    if (n_axes >= 0)
        trial_i64(&t, 1, 1, (const int64_t[]){n_axes}, axes);
    return t;
}

static void every_kind(void)
{
    const struct { enum op_kind op; double want[2]; } kinds[] = {
        {OP_REDUCE_SUM, {3, 12}}, {OP_REDUCE_MEAN, {1, 4}}, {OP_REDUCE_MAX, {4, 5}}, {OP_REDUCE_MIN, {-2, 3}},
        {OP_REDUCE_PROD, {-8, 60}}, {OP_REDUCE_L1, {7, 12}}, {OP_REDUCE_L2, {4.58257569, 7.07106781}},
        {OP_REDUCE_SUM_SQUARE, {21, 50}}, {OP_REDUCE_LOG_SUM, {1.09861229, 2.48490665}},
        {OP_REDUCE_LOG_SUM_EXP, {4.05099809, 5.40760596}}}; /* 4 + ln(1 + e^-3 + e^-6), 5 + ln(1 + e^-1 + e^-2) */
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct op_trial t = reduce_trial(kinds[i].op, 1, (int64_t[]){1}, false);
        trial_f32(&t, 0, DIMS(2, 3), (float[]){1, -2, 4, 3, 4, 5});
        if (CHECK_INT(trial_run(&t), FM_OK))
            trial_check(&t, 0, 1e-6 * 60, DIMS(2), kinds[i].want, 2, __FILE__, __LINE__);
        CHECK_NOMEM(&t);
        trial_free(&t);
    }
}

static void which_axes(void)
{
    struct op_trial t = reduce_trial(OP_REDUCE_SUM, 2, (int64_t[]){-1, 0}, true);
    trial_f32(&t, 0, DIMS(2, 3, 2), NULL); /* 1 .. 12 */
    if (CHECK_INT(trial_run(&t), FM_OK)) /* 1 2 7 8, 3 4 9 10, 5 6 11 12 */
        CHECK_OUTPUT(&t, 0, 0, DIMS(1, 3, 1), 18, 26, 34);
    t.node.p.reduce.keep_dims = false;
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(3), 18, 26, 34);
    trial_i64(&t, 1, DIMS(1), (int64_t[]){1});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(2, 2), 9, 12, 27, 30);
    trial_i64(&t, 1, DIMS(0), NULL); /* none: all */
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, SCALAR, 78);
    t.node.n_in = 1;
    t.node.p.reduce.keep_dims = true;
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(1, 1, 1), 78);
    t.node.p.reduce.no_op_if_no_axes = true;
    t.node.op = OP_REDUCE_SUM_SQUARE; /* over one element each: the squares remain */
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(2, 3, 2), 1, 4, 9, 16, 25, 36, 49, 64, 81, 100, 121, 144);
    trial_f32(&t, 0, SCALAR, (float[]){-3});
    t.node.op = OP_REDUCE_L1;
    t.node.p.reduce.no_op_if_no_axes = false;
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, SCALAR, 3);
    trial_free(&t);
}

static void over_nothing(void)
{
    const struct { enum op_kind op; double want; } kinds[] = {
        {OP_REDUCE_SUM, 0}, {OP_REDUCE_PROD, 1}, {OP_REDUCE_MAX, -INFINITY}, {OP_REDUCE_MIN, INFINITY}, {OP_REDUCE_L1, 0},
        {OP_REDUCE_L2, 0}, {OP_REDUCE_SUM_SQUARE, 0}, {OP_REDUCE_LOG_SUM, -INFINITY}, {OP_REDUCE_LOG_SUM_EXP, -INFINITY}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct op_trial t = reduce_trial(kinds[i].op, 1, (int64_t[]){1}, true);
        trial_f32(&t, 0, DIMS(2, 0, 1), NULL);
        if (CHECK_INT(trial_run(&t), FM_OK))
            CHECK_OUTPUT(&t, 0, 0, DIMS(2, 1, 1), kinds[i].want, kinds[i].want);
        trial_free(&t);
    }
    struct op_trial t = reduce_trial(OP_REDUCE_MAX, 1, (int64_t[]){0}, false);
    trial_set(&t, 0, FM_I8, DIMS(0, 1), NULL);
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(1), -128);
    t.node.op = OP_REDUCE_MIN;
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(1), 127);
    trial_set(&t, 0, FM_U16, DIMS(0, 1), NULL);
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(1), 65535);
    trial_set(&t, 0, FM_BOOL, DIMS(0, 1), NULL);
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(1), 1);
    trial_set(&t, 0, FM_I64, DIMS(0, 1), NULL);
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK(op_get_i(&t.out[0], 0) == INT64_MAX);
    trial_free(&t);
}

static void reduce_integers(void)
{
    struct op_trial t = reduce_trial(OP_REDUCE_SUM, 1, (int64_t[]){0}, false);
    trial_i64(&t, 0, DIMS(2), (int64_t[]){INT64_C(1) << 53, 1}); /* beyond double */
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK(op_get_i(&t.out[0], 0) == (INT64_C(1) << 53) + 1);
    t.node.op = OP_REDUCE_MEAN;
    trial_set(&t, 0, FM_I32, DIMS(3), (double[]){-7, 0, 0}); /* toward zero */
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, SCALAR, -2);
    trial_set(&t, 0, FM_U8, DIMS(2), (double[]){255, 253}); /* the sum does not wrap before it is divided */
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, SCALAR, 254);
    t.node.op = OP_REDUCE_MAX;
    trial_i64(&t, 0, DIMS(2), (int64_t[]){-1, 5});
    t.in[0].dtype = FM_U64; /* -1 is the largest now */
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK(op_get_i(&t.out[0], 0) == -1);
    t.node.op = OP_REDUCE_L2;
    trial_set(&t, 0, FM_I32, DIMS(2), (double[]){3, -4});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, SCALAR, 5);
    t.node.op = OP_REDUCE_L1;
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, SCALAR, 7);
    t.node.op = OP_REDUCE_LOG_SUM_EXP;
    trial_set(&t, 0, FM_I32, DIMS(2), (double[]){3, 3}); /* 3.69 */
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, SCALAR, 3);
    trial_free(&t);
}

static void reduce_edges(void)
{
    struct op_trial t = reduce_trial(OP_REDUCE_LOG_SUM_EXP, 1, (int64_t[]){0}, false);
    trial_f32(&t, 0, DIMS(2), (float[]){1000, 1000}); /* e^1000 has no place */
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 1e-4, SCALAR, 1000.693147);
    t.node.op = OP_REDUCE_MAX;
    trial_f32(&t, 0, DIMS(3), (float[]){1, NAN, 2});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, SCALAR, NAN);
    t.node.op = OP_REDUCE_SUM;
    trial_set(&t, 0, FM_BOOL, DIMS(3), NULL);
    CHECK_REFUSED(&t, FM_ERR_UNSUPPORTED);
    trial_f32(&t, 0, DIMS(3), NULL);
    trial_i64(&t, 1, DIMS(1), (int64_t[]){1});
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_i64(&t, 1, DIMS(1), (int64_t[]){INT64_MIN});
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_i64(&t, 1, DIMS(2), (int64_t[]){0, -1});
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    void *data = t.in[1].data;
    t.in[1].data = NULL;
    CHECK_INT(trial_shape(&t), FM_ERR_AGAIN);
    t.in[1].data = data;
    trial_free(&t);
}

/* --- ArgMax, ArgMin -------------------------------------------------------------------------------------------------------- */

static void arg(void)
{
    struct op_trial t = op_trial(OP_ARG_MAX, 1, 1);
    t.node.p.reduce.axis = 1;
    trial_f32(&t, 0, DIMS(2, 3), (float[]){2, 7, 7, -1, -3, -3});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(2), 1, 0);
    CHECK_INT(t.out[0].dtype, FM_I64);
    t.node.p.reduce.select_last = true;
    t.node.p.reduce.keep_dims = true;
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(2, 1), 2, 0);
    t.node.op = OP_ARG_MIN;
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(2, 1), 0, 2);
    t.node.p.reduce.axis = -2;
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(1, 3), 1, 1, 1);
    trial_set(&t, 0, FM_U8, DIMS(3, 1), (double[]){200, 100, 255});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(1, 1), 1);
    t.node.p.reduce.axis = 2;
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    t.node.p.reduce.axis = 0;
    trial_f32(&t, 0, DIMS(0, 2), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_free(&t);
}

/* --- TopK ------------------------------------------------------------------------------------------------------------------ */

static void top_k(void)
{
    struct op_trial t = op_trial(OP_TOP_K, 2, 2);
    t.node.p.reduce.axis = -1;
    t.node.p.reduce.largest = t.node.p.reduce.sorted = true;
    trial_f32(&t, 0, DIMS(2, 5), (float[]){3, 9, 9, 1, 4, -5, -1, -2, -1, -1});
    trial_i64(&t, 1, DIMS(1), (int64_t[]){3});
    if (CHECK_INT(trial_run(&t), FM_OK)) {
        CHECK_OUTPUT(&t, 0, 0, DIMS(2, 3), 9, 9, 4, -1, -1, -1);
        CHECK_OUTPUT(&t, 1, 0, DIMS(2, 3), 1, 2, 4, 1, 3, 4);
    }
    t.node.p.reduce.largest = false;
    if (CHECK_INT(trial_run(&t), FM_OK)) {
        CHECK_OUTPUT(&t, 0, 0, DIMS(2, 3), 1, 3, 4, -5, -2, -1);
        CHECK_OUTPUT(&t, 1, 0, DIMS(2, 3), 3, 0, 4, 0, 2, 1);
    }
    t.node.p.reduce.axis = 0;
    trial_i64(&t, 1, DIMS(1), (int64_t[]){1});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 1, 0, DIMS(1, 5), 1, 1, 1, 1, 1);
    CHECK_NOMEM(&t);
    trial_i64(&t, 1, DIMS(1), (int64_t[]){3});
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_i64(&t, 1, DIMS(1), (int64_t[]){-1});
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_i64(&t, 1, DIMS(2), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_i64(&t, 1, DIMS(1), (int64_t[]){0});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_INT(fm_tensor_count(&t.out[1]), 0);
    core_free(t.in[1].data);
    t.in[1].data = NULL;
    CHECK_INT(trial_shape(&t), FM_ERR_AGAIN);
    CHECK_INT(t.out[1].dtype, FM_I64);
    trial_free(&t);
}

/* Against a selection by counting: element i comes after all that are larger, and after equal ones before it. */
static void top_k_random(void)
{
    for (int round = 0; round < 40; round++) {
        const int64_t n = 1 + round * 3;
        struct op_trial t = op_trial(OP_TOP_K, 2, 2);
        t.node.p.reduce.largest = round % 2;
        trial_random(&t, 0, 1, &n);
        if (round % 4 == 3) /* NaN goes above everything */
            op_set_f(&t.in[0], n / 2, NAN);
        trial_i64(&t, 1, DIMS(1), &n);
        if (CHECK_INT(trial_run(&t), FM_OK))
            for (int64_t i = 0; i < n; i++) {
                const double v = op_get_f(&t.in[0], i);
                int64_t rank = 0;
                for (int64_t k = 0; k < n; k++) {
                    const double w = op_get_f(&t.in[0], k);
                    const bool above = isnan(w) ? !isnan(v) : w > v, below = isnan(v) ? !isnan(w) : w < v;
                    rank += (round % 2 ? above : below) || (!above && !below && k < i);
                }
                CHECK_INT(op_get_i(&t.out[1], rank), i);
            }
        trial_free(&t);
    }
}

/* --- NonMaxSuppression ----------------------------------------------------------------------------------------------------- */

static struct op_trial nms_trial(void)
{
    struct op_trial t = op_trial(OP_NON_MAX_SUPPRESSION, 5, 1);
    /* 0 and 1 overlap by 0.9 / 1.1, 2 and 3 likewise; 3 has its corners swapped; 4 stands alone */
    trial_f32(&t, 0, DIMS(1, 5, 4), (float[]){0, 0, 1, 1, 0, 0.1f, 1, 1.1f, 0, 10, 1, 11, 1, 11.1f, 0, 10.1f, 0, 100, 1, 101});
    trial_f32(&t, 1, DIMS(1, 2, 5), (float[]){0.9f, 0.75f, 0.6f, 0.95f, 0.5f, 0.1f, 0.2f, 0.3f, 0.3f, 0.4f});
    trial_i64(&t, 2, DIMS(1), (int64_t[]){5});
    trial_f32(&t, 3, DIMS(1), (float[]){0.5f});
    trial_f32(&t, 4, DIMS(1), (float[]){0.15f});
    return t;
}

static void suppression(void)
{
    struct op_trial t = nms_trial();
    if (CHECK_INT(trial_run(&t), FM_OK)) /* class 0: 3 0 4; class 1: 4, 2 (the first of equals), 1 (0 is below the threshold) */
        CHECK_OUTPUT(&t, 0, 0, DIMS(6, 3), 0, 0, 3, 0, 0, 0, 0, 0, 4, 0, 1, 4, 0, 1, 2, 0, 1, 1);
    CHECK_NOMEM(&t);
    trial_i64(&t, 2, DIMS(1), (int64_t[]){1});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(2, 3), 0, 0, 3, 0, 1, 4);
    trial_i64(&t, 2, DIMS(1), (int64_t[]){5});
    trial_f32(&t, 3, DIMS(1), (float[]){0.9f}); /* nothing overlaps that much */
    t.node.n_in = 4;
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_INT(t.out[0].dim[0], 10);
    t.node.n_in = 2; /* no limit given: nothing is selected */
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK(t.out[0].rank == 2 && t.out[0].dim[0] == 0 && t.out[0].dim[1] == 3);
    trial_free(&t);
}

static void centers(void)
{
    struct op_trial t = nms_trial();
    t.node.p.axis.flag = true;
    trial_f32(&t, 0, DIMS(1, 5, 4), (float[]){0.5f, 0.5f, 1, 1, 0.5f, 0.6f, 1, 1, 0.5f, 10.5f, 1, 1,
                                              0.5f, 10.6f, 1, 1, 0.5f, 100.5f, 1, 1});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(6, 3), 0, 0, 3, 0, 0, 0, 0, 0, 4, 0, 1, 4, 0, 1, 2, 0, 1, 1);
    trial_free(&t);
}

static void suppression_waits(void)
{
    struct op_trial t = nms_trial();
    for (int k = 0; k < 5; k++) {
        void *data = t.in[k].data;
        t.in[k].data = NULL;
        CHECK_INT(trial_shape(&t), FM_ERR_AGAIN);
        CHECK_INT(t.out[0].dtype, FM_I64);
        t.in[k].data = data;
    }
    trial_f32(&t, 1, DIMS(1, 2, 4), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_f32(&t, 1, DIMS(2, 2, 5), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_f32(&t, 1, DIMS(1, 2, 5), (float[]){NAN, NAN, NAN, NAN, NAN, 1, NAN, 1, NAN, 1});
    CHECK_INT(trial_run(&t), FM_OK);
    trial_i64(&t, 2, DIMS(2), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_f32(&t, 2, DIMS(1), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_i64(&t, 2, DIMS(1), (int64_t[]){INT64_MAX});
    CHECK_INT(trial_run(&t), FM_OK);
    trial_i64(&t, 2, DIMS(1), (int64_t[]){-3});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_INT(t.out[0].dim[0], 0);
    trial_free(&t);
}

int main(void)
{
    RUN(every_kind);
    RUN(which_axes);
    RUN(over_nothing);
    RUN(reduce_integers);
    RUN(reduce_edges);
    RUN(arg);
    RUN(top_k);
    RUN(top_k_random);
    RUN(suppression);
    RUN(centers);
    RUN(suppression_waits);
    return check_report();
}
