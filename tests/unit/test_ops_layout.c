/* SPDX-License-Identifier: MIT */
/* Operators that move elements or speak about shapes. Small arrays, results written down by hand. */
#include "op_case.h"

static void concats(void)
{
    struct op_case c;
    op_case_start(&c, OP_CONCAT, 1);
    c.node.p.axis.axis = -1;
    op_give(&c, FM_I16, SHAPE(2, 2), VALUES(1, 2, 3, 4));
    op_give(&c, FM_I16, SHAPE(2, 0), NOTHING);
    op_give(&c, FM_I16, SHAPE(2, 1), VALUES(5, 6));
    op_expect(&c, 0, FM_I16, SHAPE(2, 3), 0, VALUES(1, 2, 5, 3, 4, 6));
    op_case_end(&c);
    op_case_start(&c, OP_CONCAT, 1);
    op_give(&c, FM_F32, SHAPE(1, 2), VALUES(1, 2));
    op_give(&c, FM_F32, SHAPE(2, 2), VALUES(3, 4, 5, 6));
    op_expect(&c, 0, FM_F32, SHAPE(3, 2), 0, VALUES(1, 2, 3, 4, 5, 6));
    op_case_end(&c);
    op_case_start(&c, OP_CONCAT, 1);
    op_give(&c, FM_F32, SHAPE(1, 2), VALUES(1, 2));
    op_give(&c, FM_F32, SHAPE(1, 3), VALUES(1, 2, 3));
    op_refused(&c, FM_ERR_SHAPE, "1x2 and 1x3");
    op_case_start(&c, OP_CONCAT, 1);
    c.node.p.axis.axis = 2;
    op_give(&c, FM_F32, SHAPE(1, 2), VALUES(1, 2));
    op_refused(&c, FM_ERR_SHAPE, "axis 2");
    op_case_start(&c, OP_CONCAT, 1);
    op_give(&c, FM_U8, SHAPE(INT64_MAX), NOTHING);
    op_give(&c, FM_U8, SHAPE(INT64_MAX), NOTHING);
    CHECK_INT(op_case_shape(&c), FM_ERR_SHAPE);
}

static void splits(void)
{
    struct op_case c;
    op_case_start(&c, OP_SPLIT, 2);
    c.node.p.axis.axis = 1;
    op_give(&c, FM_F32, SHAPE(2, 3), VALUES(1, 2, 3, 4, 5, 6));
    op_give(&c, FM_I64, SHAPE(2), VALUES(1, 2));
    op_expect(&c, 0, FM_F32, SHAPE(2, 1), 0, VALUES(1, 4));
    op_expect(&c, 1, FM_F32, SHAPE(2, 2), 0, VALUES(2, 3, 5, 6));
    op_case_end(&c);
    op_case_start(&c, OP_SPLIT, 3); /* the last part is smaller */
    c.node.p.axis.a = 3;
    op_give(&c, FM_U8, SHAPE(7), VALUES(1, 2, 3, 4, 5, 6, 7));
    op_expect(&c, 0, FM_U8, SHAPE(3), 0, VALUES(1, 2, 3));
    op_expect(&c, 1, FM_U8, SHAPE(3), 0, VALUES(4, 5, 6));
    op_expect(&c, 2, FM_U8, SHAPE(1), 0, VALUES(7));
    op_case_end(&c);
    op_case_start(&c, OP_SPLIT, 2); /* a part of nothing */
    op_give(&c, FM_U8, SHAPE(2), VALUES(1, 2));
    op_give(&c, FM_I64, SHAPE(2), VALUES(0, 2));
    op_expect(&c, 0, FM_U8, SHAPE(0), 0, NOTHING);
    op_expect(&c, 1, FM_U8, SHAPE(2), 0, VALUES(1, 2));
    op_case_end(&c);
    op_case_start(&c, OP_SPLIT, 2);
    op_give(&c, FM_U8, SHAPE(3), VALUES(1, 2, 3));
    op_give(&c, FM_I64, SHAPE(2), VALUES(1, 1));
    op_refused(&c, FM_ERR_SHAPE, "1 of 3");
    op_case_start(&c, OP_SPLIT, 2);
    op_give(&c, FM_U8, SHAPE(3), VALUES(1, 2, 3));
    op_give(&c, FM_I64, SHAPE(2), VALUES(-1, 4));
    op_refused(&c, FM_ERR_SHAPE, "-1");
    op_case_start(&c, OP_SPLIT, 2);
    op_give(&c, FM_U8, SHAPE(3), VALUES(1, 2, 3));
    op_give(&c, FM_I64, SHAPE(3), VALUES(1, 1, 1));
    op_refused(&c, FM_ERR_SHAPE, "3 sizes");
}

static void slice_case(int64_t start, int64_t end, int64_t step, int n, const double *want, int line)
{
    struct op_case c;
    const int64_t s[] = {start}, e[] = {end}, t[] = {step}, axis[] = {-1}, dim[] = {n};
    op_case_start(&c, OP_SLICE, 1);
    op_give(&c, FM_I32, SHAPE(5), VALUES(0, 1, 2, 3, 4));
    op_give_bytes(&c, FM_I64, SHAPE(1), s);
    op_give_bytes(&c, FM_I64, SHAPE(1), e);
    op_give_bytes(&c, FM_I64, SHAPE(1), axis);
    op_give_bytes(&c, FM_I64, SHAPE(1), t);
    op_expect_at(&c, 0, FM_I32, 1, dim, 0, n, want, line);
    op_case_end(&c);
}
#define SLICE(start, end, step, ...) slice_case(start, end, step, __VA_ARGS__, __LINE__)

static void slices(void)
{
    SLICE(1, 4, 1, VALUES(1, 2, 3));
    SLICE(0, INT64_MAX, 2, VALUES(0, 2, 4));
    SLICE(-3, -1, 1, VALUES(2, 3));
    SLICE(-1, INT64_MIN, -1, VALUES(4, 3, 2, 1, 0));
    SLICE(4, 0, -2, VALUES(4, 2));
    SLICE(100, -100, -3, VALUES(4, 1));
    SLICE(3, 1, 1, NOTHING);
    SLICE(5, 9, 1, NOTHING);
    SLICE(INT64_MIN, INT64_MAX, INT64_MAX, VALUES(0));
    SLICE(INT64_MAX, INT64_MIN, INT64_MIN, VALUES(4));
    SLICE(-100, -100, -1, VALUES(0)); /* ONNX clamps the start to the first element */

    struct op_case c;
    op_case_start(&c, OP_SLICE, 1); /* two axes, one of them backwards */
    op_give(&c, FM_F32, SHAPE(2, 3, 2), VALUES(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
    op_give(&c, FM_I32, SHAPE(2), VALUES(2, 1));
    op_give(&c, FM_I32, SHAPE(2), VALUES(-9, 2));
    op_give(&c, FM_I32, SHAPE(2), VALUES(1, 2));
    op_give(&c, FM_I32, SHAPE(2), VALUES(-2, 1));
    op_expect(&c, 0, FM_F32, SHAPE(2, 2, 1), 0, VALUES(5, 1, 11, 7));
    op_case_end(&c);
    op_case_start(&c, OP_SLICE, 1);
    op_give(&c, FM_F32, SHAPE(2), VALUES(0, 1));
    op_give(&c, FM_I64, SHAPE(1), VALUES(0));
    op_give(&c, FM_I64, SHAPE(1), VALUES(1));
    op_give(&c, FM_DTYPE_NONE, SCALAR, NOTHING);
    op_give(&c, FM_I64, SHAPE(1), VALUES(0));
    op_refused(&c, FM_ERR_FORMAT, "step of 0");
    op_case_start(&c, OP_SLICE, 1);
    op_give(&c, FM_F32, SHAPE(2, 2), VALUES(0, 1, 2, 3));
    op_give(&c, FM_I64, SHAPE(2), VALUES(0, 0));
    op_give(&c, FM_I64, SHAPE(2), VALUES(1, 1));
    op_give(&c, FM_I64, SHAPE(2), VALUES(1, -1));
    op_refused(&c, FM_ERR_SHAPE, "twice");
    op_case_start(&c, OP_SLICE, 1); /* positions that come at run time */
    op_give(&c, FM_F32, SHAPE(2, 2), VALUES(0, 1, 2, 3));
    op_give(&c, FM_I64, SHAPE(2), NOTHING);
    op_give(&c, FM_I64, SHAPE(2), NOTHING);
    CHECK_INT(op_case_shape(&c), FM_ERR_AGAIN);
    CHECK_INT(c.out[0].dtype, FM_F32);
    op_case_end(&c);
}

static void pad_row(enum op_pad_mode mode, double begin, double end, int n, const double *want, int line)
{
    struct op_case c;
    const int64_t dim[] = {n};
    op_case_start(&c, OP_PAD, 1);
    c.node.p.pad.mode = mode;
    op_give(&c, FM_F32, SHAPE(3), VALUES(1, 2, 3));
    op_give(&c, FM_I64, SHAPE(2), VALUES(begin, end));
    op_give(&c, FM_F32, SCALAR, VALUES(9));
    op_expect_at(&c, 0, FM_F32, 1, dim, 0, n, want, line);
    op_case_end(&c);
}
#define PADS(mode, begin, end, ...) pad_row(mode, begin, end, __VA_ARGS__, __LINE__)

static void pads(void)
{
    PADS(PAD_CONSTANT, 1, 2, VALUES(9, 1, 2, 3, 9, 9));
    PADS(PAD_CONSTANT, -1, 1, VALUES(2, 3, 9));
    PADS(PAD_CONSTANT, -1, -1, VALUES(2));
    PADS(PAD_CONSTANT, -3, 2, VALUES(9, 9));
    PADS(PAD_CONSTANT, -5, 4, VALUES(9, 9));
    PADS(PAD_EDGE, 2, 1, VALUES(1, 1, 1, 2, 3, 3));
    PADS(PAD_EDGE, 1, -2, VALUES(1, 1));
    PADS(PAD_REFLECT, 2, 2, VALUES(3, 2, 1, 2, 3, 2, 1));
    PADS(PAD_REFLECT, 5, 0, VALUES(2, 1, 2, 3, 2, 1, 2, 3)); /* there and back again */
    PADS(PAD_REFLECT, -1, 2, VALUES(2, 3, 2, 3)); /* what is left is reflected: 2 3 | 2 3 */
    PADS(PAD_WRAP, 1, 2, VALUES(3, 1, 2, 3, 1, 2));
    PADS(PAD_WRAP, 4, 0, VALUES(3, 1, 2, 3, 1, 2, 3));

    struct op_case c;
    op_case_start(&c, OP_PAD, 1); /* both axes, reflected rows first */
    c.node.p.pad.mode = PAD_REFLECT;
    op_give(&c, FM_U8, SHAPE(2, 2), VALUES(1, 2, 3, 4));
    op_give(&c, FM_I64, SHAPE(4), VALUES(1, 1, 0, 1));
    op_expect(&c, 0, FM_U8, SHAPE(3, 4), 0, VALUES(4, 3, 4, 3, 2, 1, 2, 1, 4, 3, 4, 3));
    op_case_end(&c);
    op_case_start(&c, OP_PAD, 1); /* only the axes that are named; the value left out is zero */
    op_give(&c, FM_I64, SHAPE(2, 1), VALUES(1, 2));
    op_give(&c, FM_I64, SHAPE(2), VALUES(1, 0));
    op_give(&c, FM_DTYPE_NONE, SCALAR, NOTHING);
    op_give(&c, FM_I32, SHAPE(1), VALUES(-2));
    op_expect(&c, 0, FM_I64, SHAPE(3, 1), 0, VALUES(0, 1, 2));
    op_case_end(&c);
    op_case_start(&c, OP_PAD, 1); /* nothing, framed */
    op_give(&c, FM_F16, SHAPE(1, 0), NOTHING);
    op_give(&c, FM_I64, SHAPE(4), VALUES(0, 1, 1, 1));
    op_give(&c, FM_F16, SCALAR, VALUES(7));
    op_expect(&c, 0, FM_F16, SHAPE(2, 2), 0, VALUES(7, 7, 7, 7));
    op_case_end(&c);
    op_case_start(&c, OP_PAD, 1);
    c.node.p.pad.mode = PAD_EDGE;
    op_give(&c, FM_F32, SHAPE(0), NOTHING);
    op_give(&c, FM_I64, SHAPE(2), VALUES(1, 0));
    op_refused(&c, FM_ERR_SHAPE, "nothing to pad with");
    op_case_start(&c, OP_PAD, 1);
    op_give(&c, FM_F32, SHAPE(2), VALUES(1, 2));
    op_give(&c, FM_I64, SHAPE(2), VALUES(-2, -1));
    op_refused(&c, FM_ERR_SHAPE, "-1");
    op_case_start(&c, OP_PAD, 1);
    op_give(&c, FM_F32, SHAPE(2), VALUES(1, 2));
    op_give(&c, FM_I64, SHAPE(2), VALUES(0x1p62, 0x1p62));
    op_refused(&c, FM_ERR_SHAPE, "out of range");
    op_case_start(&c, OP_PAD, 1);
    op_give(&c, FM_F32, SHAPE(2), VALUES(1, 2));
    op_give(&c, FM_I64, SHAPE(3), VALUES(0, 0, 0));
    op_refused(&c, FM_ERR_SHAPE, "3 pads");
}

static void blocks(void)
{
    struct op_case c;
    op_case_start(&c, OP_DEPTH_TO_SPACE, 1); /* element = 10 * channel + column; DCR: channel = (y * 2 + x) * C + c */
    c.node.p.block.size = 2;
    op_give(&c, FM_F32, SHAPE(1, 8, 1, 2), VALUES(0, 1, 10, 11, 20, 21, 30, 31, 40, 41, 50, 51, 60, 61, 70, 71));
    op_expect(&c, 0, FM_F32, SHAPE(1, 2, 2, 4), 0, VALUES(0, 20, 1, 21, 40, 60, 41, 61, 10, 30, 11, 31, 50, 70, 51, 71));
    op_case_end(&c);
    op_case_start(&c, OP_DEPTH_TO_SPACE, 1); /* CRD: channel = c * 4 + y * 2 + x */
    c.node.p.block.size = 2;
    c.node.p.block.crd = true;
    op_give(&c, FM_F32, SHAPE(1, 8, 1, 2), VALUES(0, 1, 10, 11, 20, 21, 30, 31, 40, 41, 50, 51, 60, 61, 70, 71));
    op_expect(&c, 0, FM_F32, SHAPE(1, 2, 2, 4), 0, VALUES(0, 10, 1, 11, 20, 30, 21, 31, 40, 50, 41, 51, 60, 70, 61, 71));
    op_case_end(&c);
    op_case_start(&c, OP_SPACE_TO_DEPTH, 1); /* both undo it */
    c.node.p.block.size = 2;
    op_give(&c, FM_F32, SHAPE(1, 2, 2, 4), VALUES(0, 20, 1, 21, 40, 60, 41, 61, 10, 30, 11, 31, 50, 70, 51, 71));
    op_expect(&c, 0, FM_F32, SHAPE(1, 8, 1, 2), 0, VALUES(0, 1, 10, 11, 20, 21, 30, 31, 40, 41, 50, 51, 60, 61, 70, 71));
    op_case_end(&c);
    op_case_start(&c, OP_SPACE_TO_DEPTH, 1);
    c.node.p.block.size = 2;
    c.node.p.block.crd = true;
    op_give(&c, FM_F32, SHAPE(1, 2, 2, 4), VALUES(0, 10, 1, 11, 20, 30, 21, 31, 40, 50, 41, 51, 60, 70, 61, 71));
    op_expect(&c, 0, FM_F32, SHAPE(1, 8, 1, 2), 0, VALUES(0, 1, 10, 11, 20, 21, 30, 31, 40, 41, 50, 51, 60, 61, 70, 71));
    op_case_end(&c);
    op_case_start(&c, OP_DEPTH_TO_SPACE, 1);
    c.node.p.block.size = 2;
    op_give(&c, FM_F32, SHAPE(1, 2, 1, 1), VALUES(1, 2));
    op_refused(&c, FM_ERR_SHAPE, "1x2x1x1");
    op_case_start(&c, OP_SPACE_TO_DEPTH, 1);
    c.node.p.block.size = 0;
    op_give(&c, FM_F32, SHAPE(1, 1, 1, 1), VALUES(1));
    op_refused(&c, FM_ERR_FORMAT, "block size 0");
    op_case_start(&c, OP_SPACE_TO_DEPTH, 1); /* an empty batch of what would not fit */
    c.node.p.block.size = 1 << 20;
    op_give(&c, FM_F32, SHAPE(0, INT64_C(1) << 30, 1 << 20, 1 << 20), NOTHING);
    CHECK_INT(op_case_shape(&c), FM_ERR_SHAPE);
}

static void transposes(void)
{
    struct op_case c;
    op_case_start(&c, OP_TRANSPOSE, 1);
    op_give(&c, FM_F64, SHAPE(2, 3), VALUES(1, 2, 3, 4, 5, 6));
    op_expect(&c, 0, FM_F64, SHAPE(3, 2), 0, VALUES(1, 4, 2, 5, 3, 6));
    op_case_end(&c);
    op_case_start(&c, OP_TRANSPOSE, 1);
    c.node.p.perm.n = 3;
    c.node.p.perm.perm[0] = 1;
    c.node.p.perm.perm[1] = 0;
    c.node.p.perm.perm[2] = 2;
    op_give(&c, FM_BOOL, SHAPE(2, 2, 2), VALUES(0, 1, 1, 1, 0, 0, 1, 0));
    op_expect(&c, 0, FM_BOOL, SHAPE(2, 2, 2), 0, VALUES(0, 1, 0, 0, 1, 1, 1, 0));
    op_case_end(&c);
    op_case_start(&c, OP_TRANSPOSE, 1);
    c.node.p.perm.n = 2;
    op_give(&c, FM_F32, SHAPE(2, 1), VALUES(1, 2));
    op_refused(&c, FM_ERR_SHAPE, "twice");
    op_case_start(&c, OP_TRANSPOSE, 1);
    c.node.p.perm.n = 1;
    op_give(&c, FM_F32, SHAPE(2, 1), VALUES(1, 2));
    op_refused(&c, FM_ERR_SHAPE, "perm has 1");
}

static void reshape_to(int n, const double *shape, bool allow_zero, int rank, const int64_t *want, int line)
{
    struct op_case c;
    const int64_t list[] = {n};
    const double same[] = {1, 2, 3, 4, 5, 6};
    op_case_start(&c, OP_RESHAPE, 1);
    c.node.p.axis.flag = allow_zero;
    op_give(&c, FM_F32, SHAPE(1, 2, 3), 6, same);
    op_give(&c, FM_I64, 1, list, n, shape);
    op_expect_at(&c, 0, FM_F32, rank, want, 0, 6, same, line);
    op_case_end(&c);
}

static void reshapes(void)
{
    reshape_to(VALUES(6), false, SHAPE(6), __LINE__);
    reshape_to(VALUES(-1, 2), false, SHAPE(3, 2), __LINE__);
    reshape_to(VALUES(0, 0, -1, 1), false, SHAPE(1, 2, 3, 1), __LINE__);
    reshape_to(VALUES(3, 2), true, SHAPE(3, 2), __LINE__);

    struct op_case c;
    op_case_start(&c, OP_RESHAPE, 1); /* an empty batch keeps its 0, the rest is found */
    op_give(&c, FM_F32, SHAPE(0, 2, 3), NOTHING);
    op_give(&c, FM_I64, SHAPE(2), VALUES(0, -1));
    op_expect(&c, 0, FM_F32, SHAPE(0, 6), 0, NOTHING);
    op_case_end(&c);
    op_case_start(&c, OP_RESHAPE, 1); /* allowzero: a real 0 */
    c.node.p.axis.flag = true;
    op_give(&c, FM_F32, SHAPE(0, 2), NOTHING);
    op_give(&c, FM_I64, SHAPE(3), VALUES(3, 0, 5));
    op_expect(&c, 0, FM_F32, SHAPE(3, 0, 5), 0, NOTHING);
    op_case_end(&c);
    const double bad[][2] = {{4, 2}, {-1, -1}, {-2, 3}, {-1, 4}};
    const char *const why[] = {"1x2x3 cannot become 4x2", "dimension 1 is -1", "dimension 0 is -2", "1x2x3 cannot become -1x4"};
    for (int k = 0; k < 4; k++) {
        op_case_start(&c, OP_RESHAPE, 1);
        op_give(&c, FM_F32, SHAPE(1, 2, 3), VALUES(1, 2, 3, 4, 5, 6));
        op_give(&c, FM_I64, SHAPE(2), 2, bad[k]);
        op_refused(&c, FM_ERR_SHAPE, why[k]);
    }
    op_case_start(&c, OP_RESHAPE, 1);
    op_give(&c, FM_F32, SHAPE(1), VALUES(1));
    op_give(&c, FM_I64, SHAPE(9), VALUES(1, 1, 1, 1, 1, 1, 1, 1, 1));
    op_refused(&c, FM_ERR_UNSUPPORTED, "9 dimensions");
    op_case_start(&c, OP_RESHAPE, 1);
    op_give(&c, FM_F32, SHAPE(1), VALUES(1));
    op_give(&c, FM_F32, SHAPE(1), VALUES(1));
    op_refused(&c, FM_ERR_FORMAT, "float32");
}

static void flat_case(int64_t axis, int64_t a, int64_t b)
{
    struct op_case c;
    op_case_start(&c, OP_FLATTEN, 1);
    c.node.p.axis.axis = axis;
    op_give(&c, FM_I8, SHAPE(1, 2, 3), VALUES(1, 2, 3, 4, 5, 6));
    op_expect(&c, 0, FM_I8, SHAPE(a, b), 0, VALUES(1, 2, 3, 4, 5, 6));
    op_case_end(&c);
}

static void ranks(void)
{
    struct op_case c;
    flat_case(0, 1, 6);
    flat_case(1, 1, 6);
    flat_case(2, 2, 3);
    flat_case(3, 6, 1);
    flat_case(-1, 2, 3);
    op_case_start(&c, OP_FLATTEN, 1);
    c.node.p.axis.axis = 2;
    op_give(&c, FM_F32, SHAPE(1), VALUES(1));
    op_refused(&c, FM_ERR_SHAPE, "axis 2");

    op_case_start(&c, OP_SQUEEZE, 1);
    op_give(&c, FM_F32, SHAPE(1, 2, 1), VALUES(3, 4));
    op_expect(&c, 0, FM_F32, SHAPE(2), 0, VALUES(3, 4));
    op_case_end(&c);
    op_case_start(&c, OP_SQUEEZE, 1);
    op_give(&c, FM_F32, SHAPE(1, 2, 1), VALUES(3, 4));
    op_give(&c, FM_I64, SHAPE(1), VALUES(-1));
    op_expect(&c, 0, FM_F32, SHAPE(1, 2), 0, VALUES(3, 4));
    op_case_end(&c);
    op_case_start(&c, OP_SQUEEZE, 1);
    op_give(&c, FM_F32, SHAPE(1, 2, 1), VALUES(3, 4));
    op_give(&c, FM_I64, SHAPE(1), VALUES(1));
    op_refused(&c, FM_ERR_SHAPE, "axis 1 has 2");

    op_case_start(&c, OP_UNSQUEEZE, 1);
    op_give(&c, FM_F32, SHAPE(2), VALUES(3, 4));
    op_give(&c, FM_I64, SHAPE(2), VALUES(2, -4));
    op_refused(&c, FM_ERR_SHAPE, "axis -4 is out of range");
    op_case_start(&c, OP_UNSQUEEZE, 1);
    op_give(&c, FM_F32, SHAPE(2), VALUES(3, 4));
    op_give(&c, FM_I64, SHAPE(2), VALUES(2, 0));
    op_expect(&c, 0, FM_F32, SHAPE(1, 2, 1), 0, VALUES(3, 4));
    op_case_end(&c);
    op_case_start(&c, OP_UNSQUEEZE, 1); /* the same axis by two names */
    op_give(&c, FM_F32, SHAPE(2), VALUES(3, 4));
    op_give(&c, FM_I64, SHAPE(2), VALUES(2, -1));
    op_refused(&c, FM_ERR_SHAPE, "twice");
    op_case_start(&c, OP_UNSQUEEZE, 1);
    op_give(&c, FM_F32, SHAPE(1, 1, 1, 1, 1, 1, 1, 2), VALUES(3, 4));
    op_give(&c, FM_I64, SHAPE(1), VALUES(0));
    op_refused(&c, FM_ERR_UNSUPPORTED, "9 dimensions");
}

static void repeats(void)
{
    struct op_case c;
    op_case_start(&c, OP_EXPAND, 1);
    op_give(&c, FM_F32, SHAPE(2, 1), VALUES(3, 4));
    op_give(&c, FM_I64, SHAPE(3), VALUES(2, 1, 2));
    op_expect(&c, 0, FM_F32, SHAPE(2, 2, 2), 0, VALUES(3, 3, 4, 4, 3, 3, 4, 4));
    op_case_end(&c);
    op_case_start(&c, OP_EXPAND, 1); /* never shrinks */
    op_give(&c, FM_U16, SHAPE(3, 1), VALUES(3, 4, 5));
    op_give(&c, FM_I64, SHAPE(2), VALUES(1, 1));
    op_expect(&c, 0, FM_U16, SHAPE(3, 1), 0, VALUES(3, 4, 5));
    op_case_end(&c);
    op_case_start(&c, OP_EXPAND, 1);
    op_give(&c, FM_F32, SHAPE(3), VALUES(3, 4, 5));
    op_give(&c, FM_I64, SHAPE(1), VALUES(2));
    op_refused(&c, FM_ERR_SHAPE, "3 cannot be expanded to 2");
    op_case_start(&c, OP_EXPAND, 1);
    op_give(&c, FM_F32, SHAPE(1), VALUES(3));
    op_give(&c, FM_I64, SHAPE(2), VALUES(0x1p40, 0x1p40));
    op_refused(&c, FM_ERR_SHAPE, "too large");
    op_case_start(&c, OP_EXPAND, 1);
    op_give(&c, FM_F32, SHAPE(1), VALUES(3));
    op_give(&c, FM_I64, SHAPE(1), VALUES(-1));
    op_refused(&c, FM_ERR_SHAPE, "-1");

    op_case_start(&c, OP_TILE, 1);
    op_give(&c, FM_F32, SHAPE(2, 2), VALUES(1, 2, 3, 4));
    op_give(&c, FM_I64, SHAPE(2), VALUES(2, 2));
    op_expect(&c, 0, FM_F32, SHAPE(4, 4), 0, VALUES(1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4));
    op_case_end(&c);
    op_case_start(&c, OP_TILE, 1);
    op_give(&c, FM_F32, SHAPE(2), VALUES(1, 2));
    op_give(&c, FM_I64, SHAPE(1), VALUES(0));
    op_expect(&c, 0, FM_F32, SHAPE(0), 0, NOTHING);
    op_case_end(&c);
    op_case_start(&c, OP_TILE, 1);
    op_give(&c, FM_F32, SHAPE(2), VALUES(1, 2));
    op_give(&c, FM_I64, SHAPE(1), VALUES(0x1p62));
    op_refused(&c, FM_ERR_SHAPE, "cannot repeat");
}

static void triangles(void)
{
    const double x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    const struct { bool upper; double k; double want[9]; } cases[] = {
        {true, 0, {1, 2, 3, 0, 5, 6, 0, 0, 9}}, {false, 0, {1, 0, 0, 4, 5, 0, 7, 8, 9}},
        {true, 1, {0, 2, 3, 0, 0, 6, 0, 0, 0}}, {false, -1, {0, 0, 0, 4, 0, 0, 7, 8, 0}},
        {true, -1, {1, 2, 3, 4, 5, 6, 0, 8, 9}}, {false, 1, {1, 2, 0, 4, 5, 6, 7, 8, 9}},
        {true, 0x1p62, {0}}, {false, -0x1p62, {0}},
        {true, -0x1p62, {1, 2, 3, 4, 5, 6, 7, 8, 9}}, {false, 0x1p62, {1, 2, 3, 4, 5, 6, 7, 8, 9}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct op_case c;
        op_case_start(&c, OP_TRILU, 1);
        c.node.p.axis.flag = cases[i].upper;
        op_give(&c, FM_I64, SHAPE(3, 3), 9, x);
        op_give(&c, FM_I64, SCALAR, 1, &cases[i].k);
        op_expect(&c, 0, FM_I64, SHAPE(3, 3), 0, 9, cases[i].want);
        op_case_end(&c);
    }
    struct op_case c;
    op_case_start(&c, OP_TRILU, 1); /* a stack of wide matrices */
    op_give(&c, FM_BOOL, SHAPE(2, 1, 2), VALUES(1, 1, 1, 1));
    op_expect(&c, 0, FM_BOOL, SHAPE(2, 1, 2), 0, VALUES(1, 0, 1, 0));
    op_case_end(&c);
    op_case_start(&c, OP_TRILU, 1);
    op_give(&c, FM_F32, SHAPE(1), VALUES(1));
    op_refused(&c, FM_ERR_SHAPE, "rank 1");
}

static void shape_case(int64_t start, bool has_end, int64_t end, int n, const double *want)
{
    struct op_case c;
    const int64_t dim[] = {n};
    op_case_start(&c, OP_SHAPE, 1);
    c.node.p.range.start = start;
    c.node.p.range.end = end;
    c.node.p.range.has_end = has_end;
    op_give(&c, FM_F32, SHAPE(3, 4, 5), NOTHING);
    op_expect(&c, 0, FM_I64, 1, dim, 0, n, want);
    op_case_end(&c);
}

static void sizes(void)
{
    shape_case(0, false, 0, VALUES(3, 4, 5));
    shape_case(1, false, 0, VALUES(4, 5));
    shape_case(-1, false, 0, VALUES(5));
    shape_case(0, true, -1, VALUES(3, 4));
    shape_case(-9, true, 9, VALUES(3, 4, 5));
    shape_case(2, true, 1, NOTHING);
    struct op_case c;
    op_case_start(&c, OP_SIZE, 1);
    op_give(&c, FM_F32, SHAPE(3, 4, 5), NOTHING);
    op_expect(&c, 0, FM_I64, SCALAR, 0, VALUES(60));
    op_case_end(&c);

    op_case_start(&c, OP_CONSTANT_OF_SHAPE, 1);
    c.node.p.fill.dtype = FM_I16;
    memcpy(c.node.p.fill.bytes, &(int16_t) {-7}, 2);
    op_give(&c, FM_I64, SHAPE(2), VALUES(2, 2));
    op_expect(&c, 0, FM_I16, SHAPE(2, 2), 0, VALUES(-7, -7, -7, -7));
    op_case_end(&c);
    op_case_start(&c, OP_CONSTANT_OF_SHAPE, 1); /* no shape: a scalar */
    c.node.p.fill.dtype = FM_F32;
    op_give(&c, FM_I64, SHAPE(0), NOTHING);
    op_expect(&c, 0, FM_F32, SCALAR, 0, VALUES(0));
    op_case_end(&c);
    op_case_start(&c, OP_CONSTANT_OF_SHAPE, 1);
    c.node.p.fill.dtype = FM_F64;
    op_give(&c, FM_I64, SHAPE(2), VALUES(-2, 2));
    op_refused(&c, FM_ERR_SHAPE, "-2");
}

static void range_case(enum fm_dtype dtype, double start, double limit, double delta, int n, const double *want, int line)
{
    struct op_case c;
    const int64_t dim[] = {n};
    op_case_start(&c, OP_RANGE, 1);
    op_give(&c, dtype, SCALAR, 1, &start);
    op_give(&c, dtype, SCALAR, 1, &limit);
    op_give(&c, dtype, SCALAR, 1, &delta);
    op_expect_at(&c, 0, dtype, 1, dim, 1e-6, n, want, line);
    op_case_end(&c);
}

static void ranges(void)
{
    range_case(FM_I64, 3, 9, 3, VALUES(3, 6), __LINE__);
    range_case(FM_I32, 10, 4, -2, VALUES(10, 8, 6), __LINE__);
    range_case(FM_F32, 0, 1, 0.25, VALUES(0, 0.25, 0.5, 0.75), __LINE__);
    range_case(FM_F64, 1, 0, -0.4, VALUES(1, 0.6, 0.2), __LINE__);
    range_case(FM_I16, 5, 5, 1, NOTHING, __LINE__);
    range_case(FM_F32, 0, -1, 0.5, NOTHING, __LINE__);
    const double bad[][3] = {{0, 1, 0}, {-0x1p63, 0x1p62, 1}, {0, 0x1p62, 1}};
    const char *const why[] = {"step of 0", "too many", "too large"};
    for (int k = 0; k < 3; k++) {
        struct op_case c;
        op_case_start(&c, OP_RANGE, 1);
        for (int i = 0; i < 3; i++) op_give(&c, FM_I64, SCALAR, 1, &bad[k][i]);
        op_refused(&c, FM_ERR_SHAPE, why[k]);
    }
    const double never[][3] = {{0, 1, 0}, {0, INFINITY, 1}, {NAN, 1, 1}, {0, 1e30, 1e-30}};
    for (int k = 0; k < 4; k++) {
        struct op_case c;
        op_case_start(&c, OP_RANGE, 1);
        for (int i = 0; i < 3; i++) op_give(&c, FM_F32, SCALAR, 1, &never[k][i]);
        op_refused(&c, FM_ERR_SHAPE, "cannot count");
    }
    struct op_case c;
    op_case_start(&c, OP_IF, 1);
    op_give(&c, FM_BOOL, SCALAR, NOTHING);
    op_refused(&c, FM_ERR_UNSUPPORTED, "condition is not constant");
}

int main(void)
{
    RUN(concats);
    RUN(splits);
    RUN(slices);
    RUN(pads);
    RUN(blocks);
    RUN(transposes);
    RUN(reshapes);
    RUN(ranks);
    RUN(repeats);
    RUN(triangles);
    RUN(sizes);
    RUN(ranges);
    return check_report();
}
