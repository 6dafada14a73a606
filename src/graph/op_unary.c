/* SPDX-License-Identifier: MIT */
/* Elementwise operators of one input. float32 has its own loops; every other type goes through double (or int64 where the
 * operator is defined on integers). NaN goes in and comes out everywhere. */
#include <math.h>
#include <string.h>

#include "graph/op_util.h"

static const double sqrt_half = 0.70710678118654752440, sqrt_2_by_pi = 0.79788456080286535588;

enum type_class { FLOATS = 1, SIGNED = 2, UNSIGNED = 4, BOOLS = 8, NUMBERS = FLOATS | SIGNED | UNSIGNED, ANY = NUMBERS | BOOLS };

static unsigned class_of(enum fm_dtype dtype)
{
    if (op_is_float(dtype)) return FLOATS;
    if (dtype == FM_BOOL) return BOOLS;
    return op_is_unsigned(dtype) ? UNSIGNED : SIGNED;
}

static unsigned classes_taken(enum op_kind op)
{
    switch (op) {
    case OP_IDENTITY: return ANY;
    case OP_NOT: return BOOLS;
    case OP_NEG: return FLOATS | SIGNED;
    case OP_RELU: case OP_ABS: case OP_SIGN: case OP_ERF: return NUMBERS;
    default: return FLOATS;
    }
}

int op_unary_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int err = op_begin(node, in, out, 1, in[0].dtype, error);
    if (err) return err;
    if ((err = op_need_type(class_of(in[0].dtype) & classes_taken(node->op), &in[0], error))) return err;
    return op_output(&out[0], in[0].dtype, in[0].rank, in[0].dim, error);
}

static double softplus(double x)
{
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

/* tanh(log(1 + e^x)) without the logarithm; past 20 it is 1 in double. */
static double mish(double x)
{
    if (x > 20) return x;
    const double e = exp(x), n = e * (e + 2);
    return x * (n / (n + 2));
}

static double unit_clamp(double x)
{
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

/* x * Phi(x) as 0.5 x erfc(-x / sqrt 2), and 0.5 (1 + tanh u) as 1 / (1 + e^-2u): no cancellation for negative x. */
static double gelu(double x, bool by_tanh)
{
    if (isinf(x)) return x > 0 ? x : 0;
    if (by_tanh) return x / (1 + exp(-2 * sqrt_2_by_pi * (x + 0.044715 * x * x * x)));
    return 0.5 * x * erfc(-x * sqrt_half);
}

static double unary_f64(enum op_kind op, double a, double b, double x)
{
    switch (op) {
    case OP_RELU: return x < 0 ? 0 : x;
    case OP_LEAKY_RELU: return x < 0 ? a * x : x;
    case OP_ELU: return x < 0 ? a * expm1(x) : x;
    case OP_SELU: return b * (x < 0 ? a * expm1(x) : x);
    case OP_CELU: return x < 0 ? a * expm1(x / a) : x;
    case OP_SIGMOID: return 1 / (1 + exp(-x));
    case OP_HARD_SIGMOID: return unit_clamp(a * x + b);
    case OP_HARD_SWISH: return x * unit_clamp(a * x + b);
    case OP_SILU: return x / (1 + exp(-x));
    case OP_MISH: return mish(x);
    case OP_SOFTPLUS: return softplus(x);
    case OP_SOFTSIGN: return x / (1 + fabs(x));
    case OP_GELU: return gelu(x, a != 0);
    case OP_ERF: return erf(x);
    case OP_TANH: return tanh(x);
    case OP_SQRT: return sqrt(x);
    case OP_EXP: return exp(x);
    case OP_LOG: return log(x);
    case OP_ABS: return fabs(x);
    case OP_NEG: return -x;
    case OP_RECIPROCAL: return 1 / x;
    case OP_FLOOR: return floor(x);
    case OP_CEIL: return ceil(x);
    case OP_ROUND: return rint(x);
    case OP_TRUNC: return trunc(x);
    case OP_SIGN: return x > 0 ? 1 : x < 0 ? -1 : x;
    case OP_SIN: return sin(x);
    case OP_COS: return cos(x);
    case OP_TAN: return tan(x);
    case OP_ASIN: return asin(x);
    case OP_ACOS: return acos(x);
    case OP_ATAN: return atan(x);
    default: return x;
    }
}

static int64_t unary_i64(enum op_kind op, bool is_unsigned, int64_t x)
{
    const bool negative = !is_unsigned && x < 0;
    switch (op) {
    case OP_RELU: return negative ? 0 : x;
    case OP_ABS: return negative ? (int64_t) (0 - (uint64_t) x) : x;
    case OP_NEG: return (int64_t) (0 - (uint64_t) x);
    case OP_SIGN: return negative ? -1 : x != 0;
    case OP_ERF: return (int64_t) erf(is_unsigned ? (double) (uint64_t) x : (double) x); /* truncated as a cast does */
    case OP_NOT: return !x;
    default: return x;
    }
}

/* Simple arithmetic stays in float, where it is exact or rounded once; what needs the library uses its float function where that
 * is within one unit in the last place, and double where several roundings would add up. */
#define EACH(expression) do { \
        for (int64_t i = 0; i < n; i++) { \
            const float x = from[i]; \
            to[i] = (float) (expression); \
        } \
        return; \
    } while (0)

static void unary_f32(enum op_kind op, float a, float b, const float *from, float *to, int64_t n)
{
    switch (op) {
    case OP_RELU: EACH(x < 0 ? 0 : x);
    case OP_LEAKY_RELU: EACH(x < 0 ? a * x : x);
    case OP_ELU: EACH(x < 0 ? a * expm1f(x) : x);
    case OP_SIGMOID: EACH(1 / (1 + (double) expf(-x)));
    case OP_SILU: EACH((double) x / (1 + (double) expf(-x)));
    case OP_SOFTSIGN: EACH((double) x / (1 + fabs((double) x)));
    case OP_TANH: EACH(tanhf(x));
    case OP_SQRT: EACH(sqrtf(x));
    case OP_EXP: EACH(expf(x));
    case OP_LOG: EACH(logf(x));
    case OP_ERF: EACH(erff(x));
    case OP_ABS: EACH(fabsf(x));
    case OP_NEG: EACH(-x);
    case OP_RECIPROCAL: EACH(1 / x);
    case OP_FLOOR: EACH(floorf(x));
    case OP_CEIL: EACH(ceilf(x));
    case OP_ROUND: EACH(rintf(x));
    case OP_TRUNC: EACH(truncf(x));
    case OP_SIGN: EACH(x > 0 ? 1 : x < 0 ? -1 : x);
    case OP_SIN: EACH(sinf(x));
    case OP_COS: EACH(cosf(x));
    default: EACH(unary_f64(op, (double) a, (double) b, (double) x));
    }
}
#undef EACH

/* What the parameters of `scalar` mean is the operator's; others leave them untouched by importers, so they are not read. */
static bool has_scalars(enum op_kind op)
{
    return op == OP_LEAKY_RELU || op == OP_ELU || op == OP_SELU || op == OP_CELU || op == OP_HARD_SIGMOID || op == OP_HARD_SWISH ||
           op == OP_GELU;
}

int op_unary_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const float a = has_scalars(node->op) ? node->p.scalar.a : 0, b = has_scalars(node->op) ? node->p.scalar.b : 0;
    const int64_t n = fm_tensor_count(&in[0]);
    (void) error;
    if (n <= 0 || !out[0].data) return FM_OK;
    if (node->op == OP_IDENTITY) {
        if (out[0].data != in[0].data) memmove(out[0].data, in[0].data, (size_t) n * fm_dtype_size(in[0].dtype));
    } else if (in[0].dtype == FM_F32) {
        unary_f32(node->op, a, b, in[0].data, out[0].data, n);
    } else if (op_is_float(in[0].dtype)) {
        for (int64_t i = 0; i < n; i++) op_set_f(&out[0], i, unary_f64(node->op, (double) a, (double) b, op_get_f(&in[0], i)));
    } else {
        const bool is_unsigned = op_is_unsigned(in[0].dtype);
        for (int64_t i = 0; i < n; i++) op_set_i(&out[0], i, unary_i64(node->op, is_unsigned, op_get_i(&in[0], i)));
    }
    return FM_OK;
}

int op_clip_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int err = op_begin(node, in, out, 1, in[0].dtype, error);
    if (err) return err;
    if ((err = op_need_type(class_of(in[0].dtype) & NUMBERS, &in[0], error))) return err;
    for (int k = 1; k < 3; k++) {
        const struct fm_tensor *limit = op_input(node, in, k);
        const char *what = k == 1 ? "min" : "max";
        if (!limit) continue;
        if (limit->dtype != in[0].dtype)
            return core_fail(error, FM_ERR_FORMAT, "%s is %s but the input is %s", what, fm_dtype_name(limit->dtype),
                             fm_dtype_name(in[0].dtype));
        if (fm_tensor_count(limit) != 1) return core_fail(error, FM_ERR_SHAPE, "%s must be a single number", what);
    }
    return op_output(&out[0], in[0].dtype, in[0].rank, in[0].dim, error);
}

/* min(max(x, low), high): high wins when the limits cross. An infinite limit stands for one left out. */
int op_clip_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *min = op_input(node, in, 1), *max = op_input(node, in, 2);
    const int64_t n = fm_tensor_count(&in[0]);
    (void) error;
    if (n <= 0 || !out[0].data) return FM_OK;
    if (in[0].dtype == FM_F32) {
        const float low = min ? *(const float *) min->data : -INFINITY, high = max ? *(const float *) max->data : INFINITY;
        const float *from = in[0].data;
        float *to = out[0].data;
        for (int64_t i = 0; i < n; i++) {
            const float x = from[i] < low ? low : from[i];
            to[i] = x > high ? high : x;
        }
    } else if (op_is_float(in[0].dtype)) {
        const double low = min ? op_get_f(min, 0) : -INFINITY, high = max ? op_get_f(max, 0) : INFINITY;
        for (int64_t i = 0; i < n; i++) {
            const double x = op_get_f(&in[0], i), y = x < low ? low : x;
            op_set_f(&out[0], i, y > high ? high : y);
        }
    } else if (in[0].dtype == FM_U64) {
        const uint64_t low = min ? (uint64_t) op_get_i(min, 0) : 0, high = max ? (uint64_t) op_get_i(max, 0) : UINT64_MAX;
        for (int64_t i = 0; i < n; i++) {
            const uint64_t x = (uint64_t) op_get_i(&in[0], i), y = x < low ? low : x;
            op_set_i(&out[0], i, (int64_t) (y > high ? high : y));
        }
    } else {
        const int64_t low = min ? op_get_i(min, 0) : INT64_MIN, high = max ? op_get_i(max, 0) : INT64_MAX;
        for (int64_t i = 0; i < n; i++) {
            const int64_t x = op_get_i(&in[0], i), y = x < low ? low : x;
            op_set_i(&out[0], i, y > high ? high : y);
        }
    }
    return FM_OK;
}

/* Only inference: training_mode must be absent or false (a ratio of 0 would make training the identity too). */
static int check_not_training(const struct graph_node *node, const struct fm_tensor *in, struct fm_error *error)
{
    const struct fm_tensor *ratio = op_input(node, in, 1), *training = op_input(node, in, 2);
    if (!training || !op_is_known(training)) return FM_OK;
    if (fm_tensor_count(training) != 1) return core_fail(error, FM_ERR_SHAPE, "training_mode must be a single value");
    if (!op_get_i(training, 0)) return FM_OK;
    if (ratio && ratio->data && fm_tensor_count(ratio) == 1 && op_get_f(ratio, 0) == 0) return FM_OK;
    return core_fail(error, FM_ERR_UNSUPPORTED, "training mode is not supported");
}

int op_dropout_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int err = op_begin(node, in, out, 1, in[0].dtype, error);
    if (node->n_out > 1) out[1].dtype = FM_BOOL;
    if (err) return err;
    if ((err = check_not_training(node, in, error))) return err;
    if ((err = op_output(&out[0], in[0].dtype, in[0].rank, in[0].dim, error))) return err;
    return node->n_out > 1 ? op_output(&out[1], FM_BOOL, in[0].rank, in[0].dim, error) : FM_OK;
}

int op_dropout_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const int64_t n = fm_tensor_count(&in[0]);
    const int err = check_not_training(node, in, error);
    if (err || n <= 0) return err;
    if (out[0].data && out[0].data != in[0].data) memmove(out[0].data, in[0].data, (size_t) n * fm_dtype_size(in[0].dtype));
    if (node->n_out > 1 && out[1].data) memset(out[1].data, 1, (size_t) n);
    return FM_OK;
}
