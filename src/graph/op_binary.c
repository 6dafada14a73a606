/* SPDX-License-Identifier: MIT */
/* Elementwise operators of two inputs with broadcasting: arithmetic, comparisons, logic. Rows of the output are walked with
 * the inputs' broadcast strides; float32 rows have loops of their own, other types go element by element.
 *
 * Integers wrap. What has no answer has a defined one: x / 0 and x mod 0 are 0, the smallest number / -1 wraps. */
#include <math.h>

#include "graph/op_util.h"

static bool is_comparison(enum op_kind op)
{
    return op == OP_EQUAL || op == OP_GREATER || op == OP_GREATER_EQUAL || op == OP_LESS || op == OP_LESS_EQUAL;
}

static bool is_logic(enum op_kind op)
{
    return op == OP_AND || op == OP_OR || op == OP_XOR;
}

int op_binary_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const enum op_kind op = node->op;
    const enum fm_dtype dtype = is_comparison(op) || is_logic(op) ? FM_BOOL : in[0].dtype;
    struct fm_tensor result = {.rank = 0};
    char of_a[OP_SHAPE_TEXT], of_b[OP_SHAPE_TEXT];
    int err = op_begin(node, in, out, 2, dtype, error);
    if (err) return err;
    if (op != OP_POW && in[0].dtype != in[1].dtype)
        return core_fail(error, FM_ERR_FORMAT, "inputs are of different types: %s and %s", fm_dtype_name(in[0].dtype),
                         fm_dtype_name(in[1].dtype));
    for (int k = 0; k < 2; k++) {
        const bool is_bool = in[k].dtype == FM_BOOL;
        if ((err = op_need_type(is_logic(op) ? is_bool : op == OP_EQUAL || !is_bool, &in[k], error))) return err;
    }
    if ((err = op_need_type(op != OP_ATAN2 || op_is_float(in[0].dtype), &in[0], error))) return err;
    if (op == OP_MOD && node->p.scalar.a == 0 && op_is_float(in[0].dtype))
        return core_fail(error, FM_ERR_FORMAT, "%s needs fmod = 1", fm_dtype_name(in[0].dtype));
    bool fits = op_broadcast(&in[0], &in[1], &result);
    if (op == OP_PRELU) { /* the slope is stretched to the input, never the other way */
        fits = fits && result.rank == in[0].rank;
        for (int i = 0; i < in[0].rank && fits; i++) fits = result.dim[i] == in[0].dim[i];
    }
    if (!fits)
        return core_fail(error, FM_ERR_SHAPE, "shapes %s and %s do not fit each other", op_shape_text(&in[0], of_a),
                         op_shape_text(&in[1], of_b));
    return op_output(&out[0], dtype, result.rank, result.dim, error);
}

/* One row of float32: `step` is 0 or 1 nearly always, which the compiler's vectoriser is given as separate loops. */
#define LOOP(type, expression) do { \
        type *y = to; \
        if (sa == 1 && sb == 1) for (int64_t i = 0; i < n; i++) { const float x = a[i], v = b[i]; y[i] = (type) (expression); } \
        else if (sa == 1 && sb == 0) { \
            const float v = b[0]; \
            for (int64_t i = 0; i < n; i++) { const float x = a[i]; y[i] = (type) (expression); } \
        } else if (sa == 0 && sb == 1) { \
            const float x = a[0]; \
            for (int64_t i = 0; i < n; i++) { const float v = b[i]; y[i] = (type) (expression); } \
        } else for (int64_t i = 0; i < n; i++) { const float x = a[i * sa], v = b[i * sb]; y[i] = (type) (expression); } \
        return; \
    } while (0)

static void row_f32(enum op_kind op, void *to, const float *a, int64_t sa, const float *b, int64_t sb, int64_t n)
{
    switch (op) {
    case OP_ADD: LOOP(float, x + v);
    case OP_SUB: LOOP(float, x - v);
    case OP_MUL: LOOP(float, x * v);
    case OP_DIV: LOOP(float, x / v);
    case OP_POW: LOOP(float, powf(x, v));
    case OP_MOD: LOOP(float, fmodf(x, v));
    case OP_ATAN2: LOOP(float, atan2f(x, v));
    case OP_PRELU: LOOP(float, x < 0 ? x * v : x);
    case OP_EQUAL: LOOP(uint8_t, x == v);
    case OP_GREATER: LOOP(uint8_t, x > v);
    case OP_GREATER_EQUAL: LOOP(uint8_t, x >= v);
    case OP_LESS: LOOP(uint8_t, x < v);
    case OP_LESS_EQUAL: LOOP(uint8_t, x <= v);
    default: return;
    }
}
#undef LOOP

static double binary_f64(enum op_kind op, double x, double v)
{
    switch (op) {
    case OP_ADD: return x + v;
    case OP_SUB: return x - v;
    case OP_MUL: return x * v;
    case OP_DIV: return x / v;
    case OP_POW: return pow(x, v);
    case OP_MOD: return fmod(x, v);
    case OP_ATAN2: return atan2(x, v);
    case OP_PRELU: return x < 0 ? x * v : x;
    case OP_EQUAL: return x == v;
    case OP_GREATER: return x > v;
    case OP_GREATER_EQUAL: return x >= v;
    case OP_LESS: return x < v;
    default: return x <= v;
    }
}

static int64_t divide(bool is_unsigned, int64_t x, int64_t v)
{
    if (v == 0) return 0;
    if (is_unsigned) return (int64_t) ((uint64_t) x / (uint64_t) v);
    return v == -1 ? (int64_t) (0 - (uint64_t) x) : x / v;
}

static int64_t modulo(bool is_unsigned, bool by_fmod, int64_t x, int64_t v)
{
    if (v == 0) return 0;
    if (is_unsigned) return (int64_t) ((uint64_t) x % (uint64_t) v);
    if (v == -1) return 0;
    const int64_t rest = x % v;
    return !by_fmod && rest != 0 && (rest < 0) != (v < 0) ? rest + v : rest; /* else the sign of the dividend */
}

/* By squaring, modulo 2^64. A negative exponent leaves a whole number only for bases 1 and -1; the rest truncates to 0. */
static int64_t power(int64_t x, bool negative, uint64_t exponent)
{
    uint64_t result = 1, base = (uint64_t) x;
    if (negative) return x == 1 ? 1 : x == -1 ? (exponent & 1 ? -1 : 1) : 0;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1) result *= base;
        base *= base;
    }
    return (int64_t) result;
}

static int64_t binary_i64(enum op_kind op, bool is_unsigned, bool by_fmod, int64_t x, int64_t v)
{
    const uint64_t ux = (uint64_t) x, uv = (uint64_t) v;
    switch (op) {
    case OP_ADD: return (int64_t) (ux + uv);
    case OP_SUB: return (int64_t) (ux - uv);
    case OP_MUL: return (int64_t) (ux * uv);
    case OP_DIV: return divide(is_unsigned, x, v);
    case OP_MOD: return modulo(is_unsigned, by_fmod, x, v);
    case OP_PRELU: return !is_unsigned && x < 0 ? (int64_t) (ux * uv) : x;
    case OP_EQUAL: return x == v;
    case OP_GREATER: return is_unsigned ? ux > uv : x > v;
    case OP_GREATER_EQUAL: return is_unsigned ? ux >= uv : x >= v;
    case OP_LESS: return is_unsigned ? ux < uv : x < v;
    case OP_LESS_EQUAL: return is_unsigned ? ux <= uv : x <= v;
    case OP_AND: return x & v;
    case OP_OR: return x | v;
    default: return x ^ v;
    }
}

int op_binary_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const enum op_kind op = node->op;
    const bool by_fmod = op == OP_MOD && node->p.scalar.a != 0;
    const bool is_unsigned = op_is_unsigned(in[0].dtype), unsigned_b = op_is_unsigned(in[1].dtype);
    const bool ints = !op_is_float(in[0].dtype) && !op_is_float(in[1].dtype);
    struct op_walk walk;
    int64_t stride[2][FM_MAX_RANK];
    (void) error;
    if (fm_tensor_count(&out[0]) <= 0 || !out[0].data) return FM_OK;
    for (int k = 0; k < 2; k++) op_broadcast_strides(&in[k], &out[0], stride[k]);
    op_walk_start(&walk, out[0].rank, out[0].dim, 2, stride);
    do {
        const int64_t sa = walk.step[0], sb = walk.step[1];
        if (in[0].dtype == FM_F32 && in[1].dtype == FM_F32) {
            const float *a = (const float *) in[0].data + walk.offset[0], *b = (const float *) in[1].data + walk.offset[1];
            void *to = (char *) out[0].data + walk.row * (int64_t) fm_dtype_size(out[0].dtype);
            if (op == OP_POW && sb == 0 && b[0] == 2) row_f32(OP_MUL, to, a, sa, a, sa, walk.length);
            else row_f32(op, to, a, sa, b, sb, walk.length);
            continue;
        }
        for (int64_t i = 0; i < walk.length; i++) {
            const int64_t ia = walk.offset[0] + i * sa, ib = walk.offset[1] + i * sb, at = walk.row + i;
            if (!ints) {
                op_set_f(&out[0], at, binary_f64(op, op_get_f(&in[0], ia), op_get_f(&in[1], ib)));
            } else if (op == OP_POW) {
                const int64_t exponent = op_get_i(&in[1], ib);
                const bool negative = !unsigned_b && exponent < 0;
                op_set_i(&out[0], at, power(op_get_i(&in[0], ia), negative, (uint64_t) exponent));
            } else {
                op_set_i(&out[0], at, binary_i64(op, is_unsigned, by_fmod, op_get_i(&in[0], ia), op_get_i(&in[1], ib)));
            }
        }
    } while (op_walk_next(&walk));
    return FM_OK;
}
