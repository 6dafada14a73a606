/* SPDX-License-Identifier: MIT */
/* Selection by index, walks along one axis, and the helpers every operator leans on. */
#include "op_case.h"

static void gathers(void)
{
    struct op_case c;
    op_case_start(&c, OP_GATHER, 1); /* columns, one counted from the end */
    c.node.p.axis.axis = 1;
    op_give(&c, FM_F32, SHAPE(2, 3), VALUES(1, 2, 3, 4, 5, 6));
    op_give(&c, FM_I64, SHAPE(2, 2), VALUES(0, -1, 1, 1));
    op_expect(&c, 0, FM_F32, SHAPE(2, 2, 2), 0, VALUES(1, 3, 2, 2, 4, 6, 5, 5));
    op_case_end(&c);
    op_case_start(&c, OP_GATHER, 1); /* a scalar index drops the axis */
    op_give(&c, FM_U8, SHAPE(2, 3), VALUES(1, 2, 3, 4, 5, 6));
    op_give(&c, FM_I32, SCALAR, VALUES(1));
    op_expect(&c, 0, FM_U8, SHAPE(3), 0, VALUES(4, 5, 6));
    op_case_end(&c);
    const double outside[] = {2, -3};
    for (int k = 0; k < 2; k++) {
        op_case_start(&c, OP_GATHER, 1);
        op_give(&c, FM_F32, SHAPE(2), VALUES(1, 2));
        op_give(&c, FM_I64, SHAPE(1), 1, &outside[k]);
        op_refused(&c, FM_ERR_SHAPE, "out of range for 2 elements");
    }
    op_case_start(&c, OP_GATHER, 1);
    op_give(&c, FM_F32, SHAPE(0), NOTHING);
    op_give(&c, FM_I64, SHAPE(1), VALUES(0));
    op_refused(&c, FM_ERR_SHAPE, "out of range for 0 elements");
    op_case_start(&c, OP_GATHER, 1);
    op_give(&c, FM_F32, SHAPE(2), VALUES(1, 2));
    op_give(&c, FM_F32, SHAPE(1), VALUES(0));
    op_refused(&c, FM_ERR_FORMAT, "float32");
    op_case_start(&c, OP_GATHER, 1);
    op_give(&c, FM_F32, SCALAR, VALUES(1));
    op_give(&c, FM_I64, SHAPE(1), VALUES(0));
    op_refused(&c, FM_ERR_SHAPE, "rank 0");
    op_case_start(&c, OP_GATHER, 1); /* 5 + 5 - 1 dimensions */
    op_give(&c, FM_F32, SHAPE(1, 1, 1, 1, 1), VALUES(1));
    op_give(&c, FM_I64, SHAPE(1, 1, 1, 1, 1), VALUES(0));
    op_refused(&c, FM_ERR_UNSUPPORTED, "9 dimensions");
}

static void gather_elements(void)
{
    struct op_case c;
    op_case_start(&c, OP_GATHER_ELEMENTS, 1);
    c.node.p.axis.axis = 1;
    op_give(&c, FM_F32, SHAPE(2, 2), VALUES(1, 2, 3, 4));
    op_give(&c, FM_I64, SHAPE(2, 3), VALUES(0, 0, 1, 1, 0, -1));
    op_expect(&c, 0, FM_F32, SHAPE(2, 3), 0, VALUES(1, 1, 2, 4, 3, 4));
    op_case_end(&c);
    op_case_start(&c, OP_GATHER_ELEMENTS, 1); /* fewer columns than the input */
    op_give(&c, FM_I64, SHAPE(3, 3), VALUES(1, 2, 3, 4, 5, 6, 7, 8, 9));
    op_give(&c, FM_I32, SHAPE(2, 2), VALUES(1, 2, 2, 0));
    op_expect(&c, 0, FM_I64, SHAPE(2, 2), 0, VALUES(4, 8, 7, 2));
    op_case_end(&c);
    op_case_start(&c, OP_GATHER_ELEMENTS, 1);
    op_give(&c, FM_F32, SHAPE(2, 1), VALUES(1, 2));
    op_give(&c, FM_I64, SHAPE(1, 2), VALUES(0, 0));
    op_refused(&c, FM_ERR_SHAPE, "1x2");
    op_case_start(&c, OP_GATHER_ELEMENTS, 1);
    op_give(&c, FM_F32, SHAPE(2, 1), VALUES(1, 2));
    op_give(&c, FM_I64, SHAPE(1, 1), VALUES(2));
    op_refused(&c, FM_ERR_SHAPE, "out of range");
}

static void gather_tuples(void)
{
    struct op_case c;
    op_case_start(&c, OP_GATHER_ND, 1); /* whole tuples give elements */
    op_give(&c, FM_F32, SHAPE(2, 2), VALUES(1, 2, 3, 4));
    op_give(&c, FM_I64, SHAPE(2, 2), VALUES(0, 0, -1, 1));
    op_expect(&c, 0, FM_F32, SHAPE(2), 0, VALUES(1, 4));
    op_case_end(&c);
    op_case_start(&c, OP_GATHER_ND, 1); /* short ones give rows */
    op_give(&c, FM_F32, SHAPE(2, 2), VALUES(1, 2, 3, 4));
    op_give(&c, FM_I64, SHAPE(2, 1), VALUES(1, 0));
    op_expect(&c, 0, FM_F32, SHAPE(2, 2), 0, VALUES(3, 4, 1, 2));
    op_case_end(&c);
    op_case_start(&c, OP_GATHER_ND, 1); /* one shared axis */
    c.node.p.axis.a = 1;
    op_give(&c, FM_I32, SHAPE(2, 2, 2), VALUES(0, 1, 2, 3, 4, 5, 6, 7));
    op_give(&c, FM_I64, SHAPE(2, 1), VALUES(1, 0));
    op_expect(&c, 0, FM_I32, SHAPE(2, 2), 0, VALUES(2, 3, 4, 5));
    op_case_end(&c);
    op_case_start(&c, OP_GATHER_ND, 1); /* empty tuples name the whole */
    op_give(&c, FM_F32, SHAPE(2), VALUES(1, 2));
    op_give(&c, FM_I64, SHAPE(2, 0), NOTHING);
    op_expect(&c, 0, FM_F32, SHAPE(2, 2), 0, VALUES(1, 2, 1, 2));
    op_case_end(&c);
    op_case_start(&c, OP_GATHER_ND, 1);
    op_give(&c, FM_F32, SHAPE(2, 2), VALUES(1, 2, 3, 4));
    op_give(&c, FM_I64, SHAPE(1, 2), VALUES(0, 2));
    op_refused(&c, FM_ERR_SHAPE, "out of range");
    op_case_start(&c, OP_GATHER_ND, 1);
    op_give(&c, FM_F32, SHAPE(2), VALUES(1, 2));
    op_give(&c, FM_I64, SHAPE(1, 2), VALUES(0, 1));
    op_refused(&c, FM_ERR_SHAPE, "do not fit");
    op_case_start(&c, OP_GATHER_ND, 1);
    c.node.p.axis.a = 1;
    op_give(&c, FM_F32, SHAPE(2), VALUES(1, 2));
    op_give(&c, FM_I64, SHAPE(2, 1), VALUES(0, 1));
    op_refused(&c, FM_ERR_SHAPE, "batch_dims");
}

static void scatters(void)
{
    const struct { enum op_reduction how; enum fm_dtype dtype; double want[4]; } cases[] = {
        {REDUCTION_NONE, FM_F32, {1, 5, 3, 9}}, {REDUCTION_ADD, FM_F32, {1, 14, 3, 13}}, {REDUCTION_MUL, FM_F32, {1, 70, 3, 36}},
        {REDUCTION_MIN, FM_F32, {1, 2, 3, 4}}, {REDUCTION_MAX, FM_F32, {1, 7, 3, 9}}, {REDUCTION_ADD, FM_I8, {1, 14, 3, 13}},
        {REDUCTION_MUL, FM_U64, {1, 70, 3, 36}}, {REDUCTION_MIN, FM_I32, {1, 2, 3, 4}}, {REDUCTION_MAX, FM_U8, {1, 7, 3, 9}},
    };
    struct op_case c;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        op_case_start(&c, OP_SCATTER_ND, 1);
        c.node.p.axis.a = cases[i].how;
        op_give(&c, cases[i].dtype, SHAPE(4), VALUES(1, 2, 3, 4));
        op_give(&c, FM_I64, SHAPE(3, 1), VALUES(1, 1, -1)); /* the same place twice: in order */
        op_give(&c, cases[i].dtype, SHAPE(3), VALUES(7, 5, 9));
        op_expect(&c, 0, cases[i].dtype, SHAPE(4), 0, 4, cases[i].want);
        op_case_end(&c);
    }
    op_case_start(&c, OP_SCATTER_ND, 1); /* rows */
    op_give(&c, FM_F16, SHAPE(3, 2), VALUES(1, 2, 3, 4, 5, 6));
    op_give(&c, FM_I64, SHAPE(2, 1), VALUES(2, 0));
    op_give(&c, FM_F16, SHAPE(2, 2), VALUES(50, 60, 10, 20));
    op_expect(&c, 0, FM_F16, SHAPE(3, 2), 0, VALUES(10, 20, 3, 4, 50, 60));
    op_case_end(&c);
    op_case_start(&c, OP_SCATTER_ND, 1); /* nothing to do */
    op_give(&c, FM_F32, SHAPE(2), VALUES(1, 2));
    op_give(&c, FM_I64, SHAPE(0, 1), NOTHING);
    op_give(&c, FM_F32, SHAPE(0), NOTHING);
    op_expect(&c, 0, FM_F32, SHAPE(2), 0, VALUES(1, 2));
    op_case_end(&c);
    op_case_start(&c, OP_SCATTER_ND, 1);
    op_give(&c, FM_F32, SHAPE(2), VALUES(1, 2));
    op_give(&c, FM_I64, SHAPE(1, 1), VALUES(2));
    op_give(&c, FM_F32, SHAPE(1), VALUES(0));
    op_refused(&c, FM_ERR_SHAPE, "out of range");
    op_case_start(&c, OP_SCATTER_ND, 1);
    op_give(&c, FM_F32, SHAPE(2), VALUES(1, 2));
    op_give(&c, FM_I64, SHAPE(1, 1), VALUES(0));
    op_give(&c, FM_F32, SHAPE(2), VALUES(0, 0));
    op_refused(&c, FM_ERR_SHAPE, "updates of shape 2");
}

static void softmaxes(void)
{
    struct op_case c;
    /* e^-1 / (e^-1 + 1 + e) and so on */
    op_case_start(&c, OP_SOFTMAX, 1);
    c.node.p.axis.axis = -1;
    op_give(&c, FM_F32, SHAPE(1, 3), VALUES(-1, 0, 1));
    op_expect(&c, 0, FM_F32, SHAPE(1, 3), 1e-7, VALUES(0.090030573170380457, 0.24472847105479765, 0.66524095577482187));
    op_case_end(&c);
    op_case_start(&c, OP_LOG_SOFTMAX, 1);
    c.node.p.axis.axis = 1;
    op_give(&c, FM_F64, SHAPE(1, 3), VALUES(-1, 0, 1));
    op_expect(&c, 0, FM_F64, SHAPE(1, 3), 1e-15, VALUES(-2.4076059644443806, -1.4076059644443806, -0.40760596444438057));
    op_case_end(&c);
    op_case_start(&c, OP_SOFTMAX, 1); /* across rows; 33 columns cross the edge of a group */
    double x[66], y[66];
    for (int i = 0; i < 33; i++) {
        x[i] = i;
        x[33 + i] = i + log(3.0);
        y[i] = 0.25;
        y[33 + i] = 0.75;
    }
    op_give(&c, FM_F32, SHAPE(2, 33), 66, x);
    op_expect(&c, 0, FM_F32, SHAPE(2, 33), 1e-6, 66, y);
    op_case_end(&c);
    op_case_start(&c, OP_SOFTMAX, 1); /* the old form: everything after the axis together */
    c.node.p.axis.axis = 1;
    c.node.p.axis.flag = true;
    op_give(&c, FM_F32, SHAPE(2, 2, 2), VALUES(0, 0, 0, 0, 5, 5, -1000, 5));
    op_expect(&c, 0, FM_F32, SHAPE(2, 2, 2), 1e-7, VALUES(0.25, 0.25, 0.25, 0.25, 1.0 / 3, 1.0 / 3, 0, 1.0 / 3));
    op_case_end(&c);
    op_case_start(&c, OP_SOFTMAX, 1); /* large numbers do not overflow, -inf is nothing, NaN stays */
    c.node.p.axis.axis = 1;
    op_give(&c, FM_F32, SHAPE(3, 2), VALUES(10000, 10000, -INFINITY, 3, NAN, 1));
    op_expect(&c, 0, FM_F32, SHAPE(3, 2), 0, VALUES(0.5, 0.5, 0, 1, NAN, NAN));
    op_case_end(&c);
    op_case_start(&c, OP_SOFTMAX, 1);
    c.node.p.axis.axis = 2;
    op_give(&c, FM_F32, SHAPE(1, 2), VALUES(1, 2));
    op_refused(&c, FM_ERR_SHAPE, "axis 2");
    op_case_start(&c, OP_SOFTMAX, 1);
    op_give(&c, FM_I32, SHAPE(1, 2), VALUES(1, 2));
    op_refused(&c, FM_ERR_UNSUPPORTED, "int32");
}

static void sums(void)
{
    const struct { bool exclusive, reverse; double axis; double want[6]; } cases[] = {
        {false, false, 1, {1, 3, 6, 4, 9, 15}}, {true, false, 1, {0, 1, 3, 0, 4, 9}}, {false, true, -1, {6, 5, 3, 15, 11, 6}},
        {true, true, 1, {5, 3, 0, 11, 6, 0}}, {false, false, 0, {1, 2, 3, 5, 7, 9}},
    };
    const enum fm_dtype types[] = {FM_F32, FM_I32, FM_F16};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int k = 0; k < 3; k++) {
            struct op_case c;
            op_case_start(&c, OP_CUM_SUM, 1);
            c.node.p.reduce.exclusive = cases[i].exclusive;
            c.node.p.reduce.reverse = cases[i].reverse;
            op_give(&c, types[k], SHAPE(2, 3), VALUES(1, 2, 3, 4, 5, 6));
            op_give(&c, FM_I32, SCALAR, 1, &cases[i].axis);
            op_expect(&c, 0, types[k], SHAPE(2, 3), 0, 6, cases[i].want);
            op_case_end(&c);
        }
    struct op_case c;
    op_case_start(&c, OP_CUM_SUM, 1);
    op_give(&c, FM_F32, SHAPE(2), VALUES(1, 2));
    op_give(&c, FM_I64, SCALAR, VALUES(1));
    op_refused(&c, FM_ERR_SHAPE, "axis 1");
}

static void table(void)
{
    CHECK_INT(op_find("Conv"), OP_CONV);
    CHECK_INT(op_find("If"), OP_IF);
    CHECK_INT(op_find("conv"), -1);
    CHECK_STR(op_def(OP_GREATER_EQUAL)->name, "GreaterOrEqual");
    CHECK_INT(op_def(OP_CLIP)->max_in, 3);
    CHECK(op_def(OP_COUNT) == NULL);
    for (int i = 0; i < OP_COUNT; i++) CHECK_INT(op_find(op_def((enum op_kind) i)->name), i);
}

static struct op_window window_of(int64_t kernel, int64_t stride, int64_t dilation, int64_t begin, int64_t end,
                                  enum op_auto_pad mode)
{
    return (struct op_window) {.n = 1, .kernel = {kernel}, .stride = {stride}, .dilation = {dilation}, .pad_begin = {begin},
                               .pad_end = {end}, .auto_pad = mode};
}

static void windows(void)
{
    const int64_t size[] = {7};
    struct op_window w = window_of(4, 2, 1, 0, 0, AUTO_PAD_SAME_UPPER); /* 4 outputs need 10 elements: 3 more */
    op_window_resolve(&w, size);
    CHECK_INT(w.pad_begin[0], 1);
    CHECK_INT(w.pad_end[0], 2);
    CHECK_INT(w.auto_pad, AUTO_PAD_NOTSET);
    CHECK_INT(op_window_output(&w, 0, 7, false), 4);
    w = window_of(4, 2, 1, 0, 0, AUTO_PAD_SAME_LOWER);
    op_window_resolve(&w, size);
    CHECK_INT(w.pad_begin[0], 2);
    CHECK_INT(w.pad_end[0], 1);
    w = window_of(3, 1, 3, 0, 0, AUTO_PAD_SAME_UPPER); /* seven wide when dilated */
    op_window_resolve(&w, size);
    CHECK_INT(w.pad_begin[0], 3);
    CHECK_INT(w.pad_end[0], 3);
    w = window_of(3, 1, 1, 5, 5, AUTO_PAD_VALID);
    op_window_resolve(&w, size);
    CHECK_INT(w.pad_begin[0] + w.pad_end[0], 0);
    CHECK_INT(op_window_output(&w, 0, 7, false), 5);
    w = window_of(1, 3, 1, 0, 0, AUTO_PAD_SAME_UPPER); /* a stride past the kernel needs no padding */
    op_window_resolve(&w, size);
    CHECK_INT(w.pad_begin[0] + w.pad_end[0], 0);
    CHECK_INT(op_window_output(&w, 0, 7, false), 3);

    w = window_of(3, 2, 1, 0, 0, AUTO_PAD_NOTSET);
    CHECK_INT(op_window_output(&w, 0, 6, false), 2);
    CHECK_INT(op_window_output(&w, 0, 6, true), 3);
    w = window_of(1, 2, 1, 0, 1, AUTO_PAD_NOTSET); /* a third window would start in the padding behind the input */
    CHECK_INT(op_window_output(&w, 0, 3, true), 2);
    w = window_of(5, 1, 1, 0, 0, AUTO_PAD_NOTSET);
    CHECK_INT(op_window_output(&w, 0, 4, false), -1);
    w = window_of(3, 0, 1, 0, 0, AUTO_PAD_NOTSET);
    CHECK_INT(op_window_output(&w, 0, 4, false), -1);
    w = window_of(INT64_MAX, 1, INT64_MAX, 0, 0, AUTO_PAD_SAME_UPPER);
    op_window_resolve(&w, size);
    CHECK_INT(op_window_output(&w, 0, 4, false), -1);
    w = window_of(3, 1, 1, INT64_MAX, INT64_MAX, AUTO_PAD_NOTSET);
    CHECK_INT(op_window_output(&w, 0, 4, false), -1);
}

static void elements(void)
{
    uint8_t bytes[64];
    float got[3];
    const uint16_t halves[] = {0x3c00, 0xc000, 0x0001}, brains[] = {0x3f80, 0xc000, 0x7f80};
    memcpy(bytes + 1, halves, sizeof halves); /* nothing is aligned in a file */
    op_read_f32(got, FM_F16, bytes + 1, 0, 3);
    CHECK(got[0] == 1.0f && got[1] == -2.0f && got[2] == 0x1p-24f);
    memcpy(bytes + 1, brains, sizeof brains);
    op_read_f32(got, FM_BF16, bytes + 1, 1, 2);
    CHECK(got[0] == -2.0f && got[1] == INFINITY);
    memcpy(bytes + 3, (const double[]) {1e300, 0.1}, 16);
    op_read_f32(got, FM_F64, bytes + 3, 0, 2);
    CHECK(got[0] == INFINITY && got[1] == 0.1f);
    memcpy(bytes + 1, (const int32_t[]) {-5, INT32_MAX}, 8);
    op_read_f32(got, FM_I32, bytes + 1, 0, 2);
    CHECK(got[0] == -5.0f && got[1] == 0x1p31f);

    CHECK_INT(op_axis(-3, 3), 0);
    CHECK_INT(op_axis(2, 3), 2);
    CHECK_INT(op_axis(3, 3), -1);
    CHECK_INT(op_axis(-4, 3), -1);
    CHECK_INT(op_axis(INT64_MIN, 3), -1);
    CHECK_INT(op_axis(0, 0), -1);
}

int main(void)
{
    RUN(gathers);
    RUN(gather_elements);
    RUN(gather_tuples);
    RUN(scatters);
    RUN(softmaxes);
    RUN(sums);
    RUN(table);
    RUN(windows);
    RUN(elements);
    return check_report();
}
