/* SPDX-License-Identifier: MIT */
/* Elementwise operators and casts. Expected numbers come from the formulas of the specification, worked out to more digits than
 * the type has, or by hand. */
#include "op_case.h"

#define ULP 1.2e-7 /* of float32 */

static void unary_case(enum op_kind op, enum fm_dtype dtype, double a, double b, double tolerance, int n, const double *x,
                       const double *y, int line)
{
    struct op_case c;
    op_case_start(&c, op, 1);
    c.node.p.scalar.a = (float) a;
    c.node.p.scalar.b = (float) b;
    op_give(&c, dtype, 1, (const int64_t[]) {n}, n, x);
    op_expect_at(&c, 0, dtype, 1, (const int64_t[]) {n}, tolerance, n, y, line);
    op_case_end(&c);
}
#define UNARY(op, dtype, a, b, tolerance, n, x, y) unary_case(op, dtype, a, b, tolerance, n, x, y, __LINE__)
#define LIST(...) (const double[]) {__VA_ARGS__}

static void activations(void)
{
    const double x[] = {-3, -1, -0.5, 0, 0.5, 2};
    UNARY(OP_RELU, FM_F32, 0, 0, 0, 6, x, LIST(0, 0, 0, 0, 0.5, 2));
    UNARY(OP_LEAKY_RELU, FM_F32, 0.25, 0, 0, 6, x, LIST(-0.75, -0.25, -0.125, 0, 0.5, 2));
    UNARY(OP_ELU, FM_F32, 2, 0, 2 * ULP, 6, x, LIST(-1.9004258632642721, -1.2642411176571153, -0.78693868057473315, 0, 0.5, 2));
    UNARY(OP_SELU, FM_F32, 2, 3, 2 * ULP, 6, x, LIST(-5.7012775897928163, -3.7927233529713461, -2.3608160417241995, 0, 1.5, 6));
    UNARY(OP_CELU, FM_F32, 2, 0, 2 * ULP, 6, x, LIST(-1.5537396797031404, -0.78693868057473315, -0.44239843385719024, 0, 0.5, 2));
    UNARY(OP_SIGMOID, FM_F32, 0, 0, ULP, 6, x,
          LIST(0.047425873177566781, 0.2689414213699951, 0.37754066879814541, 0.5, 0.62245933120185459, 0.88079707797788231));
    UNARY(OP_HARD_SIGMOID, FM_F32, 0.25, 0.5, 0, 6, x, LIST(0, 0.25, 0.375, 0.5, 0.625, 1));
    UNARY(OP_HARD_SWISH, FM_F32, 0.25, 0.5, 0, 6, x, LIST(0, -0.25, -0.1875, 0, 0.3125, 2));
    UNARY(OP_SILU, FM_F32, 0, 0, ULP, 6, x,
          LIST(-0.14227761953270035, -0.2689414213699951, -0.18877033439907271, 0, 0.31122966560092729, 1.7615941559557649));
    UNARY(OP_MISH, FM_F32, 0, 0, ULP, 6, x,
          LIST(-0.1456474612756246, -0.30340146137410895, -0.22074377465173, 0, 0.3752452113048951, 1.9439589595339946));
    UNARY(OP_SOFTPLUS, FM_F32, 0, 0, ULP, 6, x,
          LIST(0.048587351573742059, 0.31326168751822286, 0.47407698418010669, 0.69314718055994531, 0.97407698418010669,
               2.1269280110429727));
    UNARY(OP_SOFTSIGN, FM_F32, 0, 0, ULP, 6, x, LIST(-0.75, -0.5, -1.0 / 3, 0, 1.0 / 3, 2.0 / 3));
    UNARY(OP_GELU, FM_F32, 0, 0, ULP, 6, x,
          LIST(-0.0040496940948783, -0.15865525393145705, -0.15426876936299344, 0, 0.34573123063700656, 1.9544997361036416));
    UNARY(OP_GELU, FM_F32, 1, 0, ULP, 6, x,
          LIST(-0.0036373920817729943, -0.15880800939172324, -0.15428599017516519, 0, 0.34571400982483481, 1.9545976940877752));
}

static void functions(void)
{
    const double x[] = {-2.5, -1.5, -0.5, 0.5, 1.5, 2.5};
    UNARY(OP_ABS, FM_F32, 0, 0, 0, 6, x, LIST(2.5, 1.5, 0.5, 0.5, 1.5, 2.5));
    UNARY(OP_NEG, FM_F32, 0, 0, 0, 6, x, LIST(2.5, 1.5, 0.5, -0.5, -1.5, -2.5));
    UNARY(OP_FLOOR, FM_F32, 0, 0, 0, 6, x, LIST(-3, -2, -1, 0, 1, 2));
    UNARY(OP_CEIL, FM_F32, 0, 0, 0, 6, x, LIST(-2, -1, 0, 1, 2, 3));
    UNARY(OP_ROUND, FM_F32, 0, 0, 0, 6, x, LIST(-2, -2, 0, 0, 2, 2)); /* half to even */
    UNARY(OP_ROUND, FM_F16, 0, 0, 0, 6, x, LIST(-2, -2, 0, 0, 2, 2));
    UNARY(OP_TRUNC, FM_F32, 0, 0, 0, 6, x, LIST(-2, -1, 0, 0, 1, 2));
    UNARY(OP_SIGN, FM_F32, 0, 0, 0, 6, x, LIST(-1, -1, -1, 1, 1, 1));
    UNARY(OP_RECIPROCAL, FM_F32, 0, 0, ULP, 6, x, LIST(-0.4, -2.0 / 3, -2, 2, 2.0 / 3, 0.4));
    UNARY(OP_EXP, FM_F64, 0, 0, 1e-15, 6, x,
          LIST(0.0820849986238988, 0.22313016014842982, 0.60653065971263342, 1.6487212707001282, 4.4816890703380645,
               12.182493960703473));
    UNARY(OP_SQRT, FM_F32, 0, 0, ULP, 3, LIST(0, 2, 9), LIST(0, 1.4142135623730951, 3));
    UNARY(OP_LOG, FM_F32, 0, 0, ULP, 3, LIST(0, 1, 10), LIST(-INFINITY, 0, 2.3025850929940457));
    UNARY(OP_ERF, FM_F32, 0, 0, ULP, 3, LIST(-1, 0, 0.5), LIST(-0.84270079294971487, 0, 0.52049987781304654));
    UNARY(OP_TANH, FM_F32, 0, 0, ULP, 3, LIST(-1, 0, 0.5), LIST(-0.76159415595576489, 0, 0.46211715726000976));
    UNARY(OP_SIN, FM_F32, 0, 0, ULP, 2, LIST(0, 1), LIST(0, 0.8414709848078965));
    UNARY(OP_COS, FM_F32, 0, 0, ULP, 2, LIST(0, 1), LIST(1, 0.54030230586813972));
    UNARY(OP_TAN, FM_F32, 0, 0, ULP, 2, LIST(0, 1), LIST(0, 1.5574077246549023));
    UNARY(OP_ASIN, FM_F32, 0, 0, ULP, 2, LIST(0, 1), LIST(0, 1.5707963267948966));
    UNARY(OP_ACOS, FM_F32, 0, 0, ULP, 2, LIST(0, 1), LIST(1.5707963267948966, 0));
    UNARY(OP_ATAN, FM_F32, 0, 0, ULP, 2, LIST(0, 1), LIST(0, 0.78539816339744828));
}

static void extremes(void)
{
    const double x[] = {-INFINITY, -200, 200, INFINITY, NAN};
    UNARY(OP_SIGMOID, FM_F32, 0, 0, 1e-30, 5, x, LIST(0, 0, 1, 1, NAN));
    UNARY(OP_SOFTPLUS, FM_F32, 0, 0, 1e-30, 5, x, LIST(0, 0, 200, INFINITY, NAN));
    UNARY(OP_RELU, FM_F32, 0, 0, 0, 5, x, LIST(0, 0, 200, INFINITY, NAN));
    UNARY(OP_GELU, FM_F32, 0, 0, 1e-30, 5, x, LIST(0, 0, 200, INFINITY, NAN));
    UNARY(OP_GELU, FM_F32, 1, 0, 1e-30, 5, x, LIST(0, 0, 200, INFINITY, NAN));
    UNARY(OP_HARD_SIGMOID, FM_F32, 0.25, 0.5, 0, 5, x, LIST(0, 0, 1, 1, NAN));
    UNARY(OP_SIGN, FM_F32, 0, 0, 0, 5, x, LIST(-1, -1, 1, 1, NAN));
    UNARY(OP_MISH, FM_F32, 0, 0, 1e-30, 3, x + 1, LIST(0, 200, INFINITY));
    UNARY(OP_EXP, FM_F16, 0, 0, 0, 5, x, LIST(0, 0, INFINITY, INFINITY, NAN));
}

static void whole_numbers(void)
{
    UNARY(OP_ABS, FM_I8, 0, 0, 0, 3, LIST(-128, -5, 7), LIST(-128, 5, 7)); /* wraps */
    UNARY(OP_NEG, FM_I32, 0, 0, 0, 3, LIST(-2147483648.0, 3, 0), LIST(-2147483648.0, -3, 0));
    UNARY(OP_RELU, FM_I64, 0, 0, 0, 2, LIST(-4, 4), LIST(0, 4));
    UNARY(OP_SIGN, FM_U8, 0, 0, 0, 2, LIST(0, 200), LIST(0, 1));
    UNARY(OP_SIGN, FM_U64, 0, 0, 0, 1, LIST(0x1p63), LIST(1));
    UNARY(OP_ABS, FM_U64, 0, 0, 0, 1, LIST(0x1p63), LIST(0x1p63));
    UNARY(OP_NOT, FM_BOOL, 0, 0, 0, 2, LIST(0, 1), LIST(1, 0));
    UNARY(OP_IDENTITY, FM_BOOL, 0, 0, 0, 2, LIST(0, 1), LIST(0, 1));

    struct op_case c;
    op_case_start(&c, OP_SQRT, 1);
    op_give(&c, FM_I32, SHAPE(1), VALUES(4));
    op_refused(&c, FM_ERR_UNSUPPORTED, "int32");
    op_case_start(&c, OP_NOT, 1);
    op_give(&c, FM_F32, SHAPE(1), VALUES(4));
    op_refused(&c, FM_ERR_UNSUPPORTED, "float32");
}

static void cast_case(enum fm_dtype from, enum fm_dtype to, int n, const double *x, const double *y, int line)
{
    struct op_case c;
    op_case_start(&c, OP_CAST, 1);
    c.node.p.cast.to = to;
    op_give(&c, from, 1, (const int64_t[]) {n}, n, x);
    op_expect_at(&c, 0, to, 1, (const int64_t[]) {n}, 0, n, y, line);
    op_case_end(&c);
}
#define CAST(from, to, n, x, y) cast_case(from, to, n, x, y, __LINE__)

static void casts(void)
{
    CAST(FM_F32, FM_I8, 6, LIST(-1.9, 1.9, 300, -300, NAN, INFINITY), LIST(-1, 1, 127, -128, 0, 127));
    CAST(FM_F32, FM_U8, 4, LIST(-1, 255.9, 256, NAN), LIST(0, 255, 255, 0));
    CAST(FM_F64, FM_U64, 3, LIST(-1, 0x1p63, 1e30), LIST(0, 0x1p63, 0x1p64));
    CAST(FM_F32, FM_I64, 2, LIST(INFINITY, -INFINITY), LIST(0x1p63, -0x1p63));
    CAST(FM_F32, FM_BOOL, 5, LIST(0, -0.0, 0.25, NAN, -3), LIST(0, 0, 1, 1, 1));
    CAST(FM_F16, FM_BOOL, 2, LIST(0x1p-24, 0), LIST(1, 0)); /* smallest subnormal */
    CAST(FM_I32, FM_U8, 3, LIST(257, -1, 128), LIST(1, 255, 128));
    CAST(FM_I64, FM_BOOL, 2, LIST(256, 0), LIST(1, 0));
    CAST(FM_BOOL, FM_F16, 2, LIST(1, 0), LIST(1, 0));
    CAST(FM_F32, FM_F16, 4, LIST(65519, 65520, 1 + 0x1p-11, 1 + 3 * 0x1p-11), LIST(65504, INFINITY, 1, 1 + 0x1p-9));
    CAST(FM_F32, FM_BF16, 3, LIST(1 + 0x1p-8, 1 + 3 * 0x1p-8, 3.3895314e38), LIST(1, 1 + 0x1p-6, 3.3895313892515355e38));
    /* just above the middle of two halves: rounding to float32 first would lose that */
    CAST(FM_F64, FM_F16, 2, LIST(1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-11), LIST(1 + 0x1p-10, 1));
    CAST(FM_F64, FM_BF16, 1, LIST(-(1 + 0x1p-8 + 0x1p-40)), LIST(-(1 + 0x1p-7)));
    CAST(FM_U64, FM_F32, 2, LIST(0x1p63, 0x1p64 - 0x1p11), LIST(0x1p63, 0x1p64));
    CAST(FM_U64, FM_F64, 1, LIST(0x1p63 + 4096), LIST(0x1p63 + 4096));
    CAST(FM_I64, FM_F16, 2, LIST(-2049, 70000), LIST(-2048, INFINITY));

    struct op_case c;
    const int64_t big[] = {INT64_MAX, (INT64_C(1) << 54) + (INT64_C(1) << 46) + 1}; /* second: just above a middle of bfloat16 */
    op_case_start(&c, OP_CAST, 1);
    c.node.p.cast.to = FM_BF16;
    op_give_bytes(&c, FM_I64, SHAPE(2), big);
    op_expect(&c, 0, FM_BF16, SHAPE(2), 0, VALUES(0x1p63, 0x1p54 + 0x1p47));
    op_case_end(&c);
}

static void clips(void)
{
    struct op_case c;
    op_case_start(&c, OP_CLIP, 1);
    op_give(&c, FM_F32, SHAPE(4), VALUES(-9, 0, 9, NAN));
    op_give(&c, FM_F32, SCALAR, VALUES(-1));
    op_give(&c, FM_F32, SCALAR, VALUES(2));
    op_expect(&c, 0, FM_F32, SHAPE(4), 0, VALUES(-1, 0, 2, NAN));
    op_case_end(&c);

    op_case_start(&c, OP_CLIP, 1); /* limits crossed: the upper one wins */
    op_give(&c, FM_F64, SHAPE(3), VALUES(-9, 0, 9));
    op_give(&c, FM_F64, SCALAR, VALUES(2));
    op_give(&c, FM_F64, SCALAR, VALUES(1));
    op_expect(&c, 0, FM_F64, SHAPE(3), 0, VALUES(1, 1, 1));
    op_case_end(&c);

    op_case_start(&c, OP_CLIP, 1);
    op_give(&c, FM_I8, SHAPE(3), VALUES(-100, 3, 100));
    op_give(&c, FM_DTYPE_NONE, SCALAR, NOTHING);
    op_give(&c, FM_I8, SCALAR, VALUES(50));
    op_expect(&c, 0, FM_I8, SHAPE(3), 0, VALUES(-100, 3, 50));
    op_case_end(&c);

    op_case_start(&c, OP_CLIP, 1); /* beyond what int64 holds */
    op_give(&c, FM_U64, SHAPE(2), VALUES(0x1p63, 7));
    op_give(&c, FM_U64, SCALAR, VALUES(10));
    op_give(&c, FM_U64, SCALAR, VALUES(0x1p62));
    op_expect(&c, 0, FM_U64, SHAPE(2), 0, VALUES(0x1p62, 10));
    op_case_end(&c);

    op_case_start(&c, OP_CLIP, 1);
    op_give(&c, FM_F32, SHAPE(1), VALUES(1));
    op_give(&c, FM_F32, SHAPE(2), VALUES(1, 2));
    op_refused(&c, FM_ERR_SHAPE, "min");
}

static void binary_case(enum op_kind op, enum fm_dtype ta, enum fm_dtype tb, enum fm_dtype ty, double fmod_flag,
                        double tolerance, int n,
                        const double *a, const double *b, const double *y, int line)
{
    struct op_case c;
    op_case_start(&c, op, 1);
    c.node.p.scalar.a = (float) fmod_flag;
    op_give(&c, ta, 1, (const int64_t[]) {n}, n, a);
    op_give(&c, tb, 1, (const int64_t[]) {n}, n, b);
    op_expect_at(&c, 0, ty, 1, (const int64_t[]) {n}, tolerance, n, y, line);
    op_case_end(&c);
}
#define BINARY(op, ta, tb, ty, flag, tolerance, n, a, b, y) binary_case(op, ta, tb, ty, flag, tolerance, n, a, b, y, __LINE__)

static void arithmetic(void)
{
    BINARY(OP_ADD, FM_F32, FM_F32, FM_F32, 0, 0, 2, LIST(1, 2), LIST(0.5, -2), LIST(1.5, 0));
    BINARY(OP_SUB, FM_U8, FM_U8, FM_U8, 0, 0, 2, LIST(1, 7), LIST(2, 5), LIST(255, 2));
    BINARY(OP_MUL, FM_I8, FM_I8, FM_I8, 0, 0, 2, LIST(100, -3), LIST(2, 5), LIST(-56, -15));
    BINARY(OP_DIV, FM_I32, FM_I32, FM_I32, 0, 0, 5, LIST(7, -7, 7, 5, -2147483648.0), LIST(2, 2, -2, 0, -1), LIST(3, -3, -3, 0,
                                                                                                                  -2147483648.0));
    BINARY(OP_DIV, FM_I64, FM_I64, FM_I64, 0, 0, 2, LIST(-0x1p63, -0x1p63), LIST(-1, 0), LIST(-0x1p63, 0));
    BINARY(OP_DIV, FM_U64, FM_U64, FM_U64, 0, 0, 2, LIST(0x1p63, 9), LIST(2, 0), LIST(0x1p62, 0));
    BINARY(OP_DIV, FM_F32, FM_F32, FM_F32, 0, 0, 3, LIST(1, -1, 0), LIST(0, 0, 0), LIST(INFINITY, -INFINITY, NAN));
    BINARY(OP_MOD, FM_I32, FM_I32, FM_I32, 0, 0, 6, LIST(-4, 7, 5, 4, -7, 8), LIST(2, -3, 8, -2, 3, 0), LIST(0, -2, 5, 0, 2, 0));
    BINARY(OP_MOD, FM_I32, FM_I32, FM_I32, 1, 0, 6, LIST(-4, 7, 5, 4, -7, 8), LIST(2, -3, 8, -2, 3, -1), LIST(0, 1, 5, 0, -1, 0));
    BINARY(OP_MOD, FM_I64, FM_I64, FM_I64, 0, 0, 1, LIST(-0x1p63), LIST(-1), LIST(0));
    BINARY(OP_MOD, FM_F32, FM_F32, FM_F32, 1, 1e-6, 3, LIST(-4.3, 7.2, 5), LIST(2.1, -3.4, 8), LIST(-0.1, 0.4, 5));
    BINARY(OP_MOD, FM_F16, FM_F16, FM_F16, 1, 0, 1, LIST(-5.5), LIST(2), LIST(-1.5));
    BINARY(OP_ATAN2, FM_F32, FM_F32, FM_F32, 0, ULP, 2, LIST(1, -1), LIST(-1, 0), LIST(2.3561944901923448, -1.5707963267948966));
    BINARY(OP_PRELU, FM_F32, FM_F32, FM_F32, 0, 0, 3, LIST(-2, 2, -4), LIST(0.5, 0.5, 3), LIST(-1, 2, -12));
    BINARY(OP_PRELU, FM_I32, FM_I32, FM_I32, 0, 0, 2, LIST(-2, 2), LIST(3, 3), LIST(-6, 2));
    BINARY(OP_ADD, FM_BF16, FM_BF16, FM_BF16, 0, 0, 1, LIST(256), LIST(1), LIST(256)); /* half an ulp, to even */

    struct op_case c;
    op_case_start(&c, OP_MOD, 1);
    op_give(&c, FM_F32, SHAPE(1), VALUES(1));
    op_give(&c, FM_F32, SHAPE(1), VALUES(1));
    op_refused(&c, FM_ERR_FORMAT, "fmod");
    op_case_start(&c, OP_ADD, 1);
    op_give(&c, FM_F32, SHAPE(1), VALUES(1));
    op_give(&c, FM_F64, SHAPE(1), VALUES(1));
    op_refused(&c, FM_ERR_FORMAT, "float64");
}

static void powers(void)
{
    BINARY(OP_POW, FM_F32, FM_F32, FM_F32, 0, ULP, 4, LIST(2, 9, -2, 0), LIST(10, 0.5, 3, 0), LIST(1024, 3, -8, 1));
    BINARY(OP_POW, FM_F32, FM_I64, FM_F32, 0, ULP, 2, LIST(2, 0.5), LIST(-1, 3), LIST(0.5, 0.125));
    BINARY(OP_POW, FM_I32, FM_F32, FM_I32, 0, 0, 3, LIST(4, 2, 3), LIST(0.5, -1, 2), LIST(2, 0, 9));
    BINARY(OP_POW, FM_I64, FM_I64, FM_I64, 0, 0, 7, LIST(3, -2, 1, -1, -1, 0, 5), LIST(4, 3, -5, -3, -2, -1, 0), LIST(81, -8, 1,
                                                                                                                      -1, 1, 0, 1));
    BINARY(OP_POW, FM_I32, FM_U64, FM_I32, 0, 0, 1, LIST(2), LIST(0x1p63), LIST(0)); /* wraps to nothing, in 64 steps */

    struct op_case c;
    op_case_start(&c, OP_POW, 1);
    op_give(&c, FM_F32, SHAPE(3), VALUES(-3, 0.1, 1e30));
    op_give(&c, FM_F32, SCALAR, VALUES(2));
    op_expect(&c, 0, FM_F32, SHAPE(3), ULP, VALUES(9, 0.01, INFINITY));
    op_case_end(&c);
}

static void comparisons(void)
{
    const double a[] = {1, 2, 3, NAN}, b[] = {2, 2, 2, NAN};
    BINARY(OP_EQUAL, FM_F32, FM_F32, FM_BOOL, 0, 0, 4, a, b, LIST(0, 1, 0, 0));
    BINARY(OP_GREATER, FM_F32, FM_F32, FM_BOOL, 0, 0, 4, a, b, LIST(0, 0, 1, 0));
    BINARY(OP_GREATER_EQUAL, FM_F32, FM_F32, FM_BOOL, 0, 0, 4, a, b, LIST(0, 1, 1, 0));
    BINARY(OP_LESS, FM_F64, FM_F64, FM_BOOL, 0, 0, 4, a, b, LIST(1, 0, 0, 0));
    BINARY(OP_LESS_EQUAL, FM_F16, FM_F16, FM_BOOL, 0, 0, 4, a, b, LIST(1, 1, 0, 0));
    BINARY(OP_LESS, FM_U64, FM_U64, FM_BOOL, 0, 0, 2, LIST(0x1p63, 1), LIST(1, 0x1p63), LIST(0, 1));
    BINARY(OP_GREATER, FM_I8, FM_I8, FM_BOOL, 0, 0, 2, LIST(-1, 1), LIST(1, -1), LIST(0, 1));
    BINARY(OP_EQUAL, FM_BOOL, FM_BOOL, FM_BOOL, 0, 0, 2, LIST(0, 1), LIST(1, 1), LIST(0, 1));
    BINARY(OP_AND, FM_BOOL, FM_BOOL, FM_BOOL, 0, 0, 4, LIST(0, 0, 1, 1), LIST(0, 1, 0, 1), LIST(0, 0, 0, 1));
    BINARY(OP_OR, FM_BOOL, FM_BOOL, FM_BOOL, 0, 0, 4, LIST(0, 0, 1, 1), LIST(0, 1, 0, 1), LIST(0, 1, 1, 1));
    BINARY(OP_XOR, FM_BOOL, FM_BOOL, FM_BOOL, 0, 0, 4, LIST(0, 0, 1, 1), LIST(0, 1, 0, 1), LIST(0, 1, 1, 0));
}

static void broadcasting(void)
{
    for (int k = 0; k < 2; k++) { /* the fast and the general way */
        const enum fm_dtype dtype = k ? FM_I32 : FM_F32;
        struct op_case c;
        op_case_start(&c, OP_SUB, 1); /* [2,1,3] - [2,1] -> [2,2,3] */
        op_give(&c, dtype, SHAPE(2, 1, 3), VALUES(10, 20, 30, 40, 50, 60));
        op_give(&c, dtype, SHAPE(2, 1), VALUES(1, 2));
        op_expect(&c, 0, dtype, SHAPE(2, 2, 3), 0, VALUES(9, 19, 29, 8, 18, 28, 39, 49, 59, 38, 48, 58));
        op_case_end(&c);

        op_case_start(&c, OP_SUB, 1); /* a scalar minus a matrix */
        op_give(&c, dtype, SCALAR, VALUES(1));
        op_give(&c, dtype, SHAPE(2, 2), VALUES(1, 2, 3, 4));
        op_expect(&c, 0, dtype, SHAPE(2, 2), 0, VALUES(0, -1, -2, -3));
        op_case_end(&c);

        op_case_start(&c, OP_MUL, 1); /* nothing times something is nothing */
        op_give(&c, dtype, SHAPE(0, 3), NOTHING);
        op_give(&c, dtype, SHAPE(1, 1), VALUES(3));
        op_expect(&c, 0, dtype, SHAPE(0, 3), 0, NOTHING);
        op_case_end(&c);
    }
    struct op_case c;
    op_case_start(&c, OP_PRELU, 1); /* per channel */
    op_give(&c, FM_F32, SHAPE(1, 2, 1, 2), VALUES(-1, 1, -2, 2));
    op_give(&c, FM_F32, SHAPE(2, 1, 1), VALUES(0.5, 0.25));
    op_expect(&c, 0, FM_F32, SHAPE(1, 2, 1, 2), 0, VALUES(-0.5, 1, -0.5, 2));
    op_case_end(&c);

    op_case_start(&c, OP_PRELU, 1); /* the slope must not stretch the input */
    op_give(&c, FM_F32, SHAPE(1, 2), VALUES(-1, 1));
    op_give(&c, FM_F32, SHAPE(3, 2), VALUES(1, 2, 3, 4, 5, 6));
    op_refused(&c, FM_ERR_SHAPE, "1x2 and 3x2");
    op_case_start(&c, OP_ADD, 1);
    op_give(&c, FM_F32, SHAPE(2), VALUES(1, 2));
    op_give(&c, FM_F32, SHAPE(3), VALUES(1, 2, 3));
    op_refused(&c, FM_ERR_SHAPE, "2 and 3");
    op_case_start(&c, OP_ADD, 1); /* 2^32 x 2^32 floats cannot be addressed */
    op_give(&c, FM_F32, SHAPE(INT64_C(1) << 32, 1), NOTHING);
    op_give(&c, FM_F32, SHAPE(1, INT64_C(1) << 32), NOTHING);
    CHECK_INT(op_case_shape(&c), FM_ERR_SHAPE);
    CHECK_HAS(c.error.message, "too large");
    op_case_start(&c, OP_ADD, 1); /* a size that is still open */
    op_give(&c, FM_F32, SHAPE(-1, 3), NOTHING);
    op_give(&c, FM_F32, SHAPE(3), NOTHING);
    CHECK_INT(op_case_shape(&c), FM_ERR_AGAIN);
    CHECK_INT(c.out[0].rank, -1);
    CHECK_INT(c.out[0].dtype, FM_F32);
    op_case_start(&c, OP_ADD, 1);
    op_give(&c, FM_F32, SHAPE(1), VALUES(1));
    op_give(&c, FM_DTYPE_NONE, SCALAR, NOTHING);
    op_refused(&c, FM_ERR_FORMAT, "input 1 is missing");
}

static void many_inputs(void)
{
    struct op_case c;
    const enum op_kind ops[] = {OP_MIN, OP_MAX, OP_SUM, OP_MEAN};
    const double want[4][6] = {{1, 0, -6, 1, 0, -6}, {4, 4, 4, 4, 5, 6}, {6, 6, 1, 9, 9, 4}, {2, 2, 1.0 / 3, 3, 3, 4.0 / 3}};
    for (int k = 0; k < 4; k++) {
        op_case_start(&c, ops[k], 1);
        op_give(&c, FM_F32, SHAPE(2, 3), VALUES(1, 2, 3, 4, 5, 6));
        op_give(&c, FM_F32, SHAPE(3), VALUES(1, 0, -6));
        op_give(&c, FM_F32, SCALAR, VALUES(4));
        op_expect(&c, 0, FM_F32, SHAPE(2, 3), ULP, 6, want[k]);
        op_case_end(&c);
    }
    op_case_start(&c, OP_MAX, 1);
    op_give(&c, FM_U64, SHAPE(2), VALUES(0x1p63, 1));
    op_give(&c, FM_U64, SHAPE(2), VALUES(5, 2));
    op_expect(&c, 0, FM_U64, SHAPE(2), 0, VALUES(0x1p63, 2));
    op_case_end(&c);
    op_case_start(&c, OP_MIN, 1);
    op_give(&c, FM_I8, SHAPE(2), VALUES(-128, 1));
    op_give(&c, FM_I8, SHAPE(1), VALUES(0));
    op_expect(&c, 0, FM_I8, SHAPE(2), 0, VALUES(-128, 0));
    op_case_end(&c);
    op_case_start(&c, OP_MIN, 1); /* NaN is not lost on either side */
    op_give(&c, FM_F64, SHAPE(2), VALUES(NAN, 1));
    op_give(&c, FM_F64, SHAPE(2), VALUES(0, NAN));
    op_expect(&c, 0, FM_F64, SHAPE(2), 0, VALUES(NAN, NAN));
    op_case_end(&c);
    op_case_start(&c, OP_SUM, 1); /* longer than one piece, one input broadcast along the row */
    double a[300], y[300];
    for (int i = 0; i < 300; i++) {
        a[i] = i;
        y[i] = i + (i < 150 ? 1000 : 2000);
    }
    op_give(&c, FM_F32, SHAPE(2, 150), 300, a);
    op_give(&c, FM_F32, SHAPE(2, 1), VALUES(1000, 2000));
    op_expect(&c, 0, FM_F32, SHAPE(2, 150), 0, 300, y);
    op_case_end(&c);
    op_case_start(&c, OP_SUM, 1);
    op_give(&c, FM_I32, SHAPE(1), VALUES(1));
    op_refused(&c, FM_ERR_UNSUPPORTED, "int32");
}

static void choices(void)
{
    struct op_case c;
    const enum fm_dtype types[] = {FM_F32, FM_F16, FM_I64, FM_BOOL};
    for (int k = 0; k < 4; k++) {
        op_case_start(&c, OP_WHERE, 1);
        op_give(&c, FM_BOOL, SHAPE(2, 1), VALUES(1, 0));
        op_give(&c, types[k], SHAPE(3), VALUES(1, 0, 1));
        op_give(&c, types[k], SCALAR, VALUES(0));
        op_expect(&c, 0, types[k], SHAPE(2, 3), 0, VALUES(1, 0, 1, 0, 0, 0));
        op_case_end(&c);
    }
    op_case_start(&c, OP_WHERE, 1);
    op_give(&c, FM_F32, SHAPE(1), VALUES(1));
    op_give(&c, FM_F32, SHAPE(1), VALUES(1));
    op_give(&c, FM_F32, SHAPE(1), VALUES(1));
    op_refused(&c, FM_ERR_FORMAT, "bool");
}

static void dropouts(void)
{
    struct op_case c;
    op_case_start(&c, OP_DROPOUT, 2);
    op_give(&c, FM_F32, SHAPE(2), VALUES(3, 4));
    op_give(&c, FM_F32, SCALAR, VALUES(0.5));
    op_give(&c, FM_BOOL, SCALAR, VALUES(0));
    op_expect(&c, 0, FM_F32, SHAPE(2), 0, VALUES(3, 4));
    op_expect(&c, 1, FM_BOOL, SHAPE(2), 0, VALUES(1, 1));
    op_case_end(&c);
    op_case_start(&c, OP_DROPOUT, 1);
    op_give(&c, FM_F32, SHAPE(2), VALUES(3, 4));
    op_give(&c, FM_F32, SCALAR, VALUES(0.5));
    op_give(&c, FM_BOOL, SCALAR, VALUES(1));
    op_refused(&c, FM_ERR_UNSUPPORTED, "training");
}

static void dequantization(void)
{
    struct op_case c;
    op_case_start(&c, OP_DEQUANTIZE_LINEAR, 1); /* per tensor */
    c.node.p.axis.axis = 1;
    op_give(&c, FM_U8, SHAPE(4), VALUES(0, 3, 128, 255));
    op_give(&c, FM_F32, SCALAR, VALUES(2));
    op_give(&c, FM_U8, SCALAR, VALUES(128));
    op_expect(&c, 0, FM_F32, SHAPE(4), 0, VALUES(-256, -250, 0, 254));
    op_case_end(&c);
    op_case_start(&c, OP_DEQUANTIZE_LINEAR, 1); /* per axis 1 of [2,2,2] */
    c.node.p.axis.axis = -2;
    op_give(&c, FM_I8, SHAPE(2, 2, 2), VALUES(1, 2, 3, 4, -5, -6, -7, -8));
    op_give(&c, FM_F16, SHAPE(2), VALUES(0.5, 10));
    op_expect(&c, 0, FM_F16, SHAPE(2, 2, 2), 0, VALUES(0.5, 1, 30, 40, -2.5, -3, -70, -80));
    op_case_end(&c);
    op_case_start(&c, OP_DEQUANTIZE_LINEAR, 1); /* blocks of 2 along 3 rows: the last block is short */
    c.node.p.axis.axis = 0;
    c.node.p.axis.a = 2;
    op_give(&c, FM_I8, SHAPE(3, 2), VALUES(1, 2, 3, 4, 5, 6));
    op_give(&c, FM_F32, SHAPE(2, 2), VALUES(1, 10, 100, 1000));
    op_give(&c, FM_I8, SHAPE(2, 2), VALUES(0, 0, 0, 1));
    op_expect(&c, 0, FM_F32, SHAPE(3, 2), 0, VALUES(1, 20, 3, 40, 500, 5000));
    op_case_end(&c);
    op_case_start(&c, OP_DEQUANTIZE_LINEAR, 1);
    op_give(&c, FM_I8, SHAPE(3), VALUES(1, 2, 3));
    op_give(&c, FM_F32, SHAPE(2), VALUES(1, 10));
    op_refused(&c, FM_ERR_SHAPE, "scale of shape 2");
    op_case_start(&c, OP_DEQUANTIZE_LINEAR, 1);
    op_give(&c, FM_I8, SHAPE(1), VALUES(1));
    op_give(&c, FM_F32, SHAPE(1), VALUES(1));
    op_give(&c, FM_U8, SHAPE(1), VALUES(1));
    op_refused(&c, FM_ERR_FORMAT, "zero point is uint8");
}

int main(void)
{
    RUN(activations);
    RUN(functions);
    RUN(extremes);
    RUN(whole_numbers);
    RUN(casts);
    RUN(clips);
    RUN(arithmetic);
    RUN(powers);
    RUN(comparisons);
    RUN(broadcasting);
    RUN(many_inputs);
    RUN(choices);
    RUN(dropouts);
    RUN(dequantization);
    return check_report();
}
