/* SPDX-License-Identifier: MIT */
/* Elementwise operators of many inputs (Min, Max, Mean, Sum) and Where. */
#include <math.h>
#include <string.h>

#include "graph/op_util.h"

int op_variadic_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const bool takes_ints = node->op == OP_MIN || node->op == OP_MAX;
    struct fm_tensor result = in[0];
    char of_a[OP_SHAPE_TEXT], of_b[OP_SHAPE_TEXT];
    int err = op_begin(node, in, out, node->n_in, in[0].dtype, error);
    if (err) return err;
    if ((err = op_need_type(op_is_float(in[0].dtype) || (takes_ints && in[0].dtype != FM_BOOL), &in[0], error))) return err;
    for (int k = 1; k < node->n_in; k++) {
        if (in[k].dtype != in[0].dtype)
            return core_fail(error, FM_ERR_FORMAT, "inputs are of different types: %s and %s", fm_dtype_name(in[0].dtype),
                             fm_dtype_name(in[k].dtype));
        if (!op_broadcast(&result, &in[k], &result))
            return core_fail(error, FM_ERR_SHAPE, "shapes %s and %s do not fit each other", op_shape_text(&result, of_a),
                             op_shape_text(&in[k], of_b));
    }
    return op_output(&out[0], in[0].dtype, result.rank, result.dim, error);
}

/* NaN wins over everything, as in NumPy. */
static double smaller(double a, double b) { return b < a || isnan(b) ? b : a; }
static double larger(double a, double b) { return b > a || isnan(b) ? b : a; }

static void reduce_f64(enum op_kind op, const struct fm_tensor *in, int64_t offset, int64_t step, double *acc, int64_t n)
{
    const float *x = in->dtype == FM_F32 ? (const float *) in->data : NULL;
    for (int64_t i = 0; i < n; i++) {
        const double v = x ? (double) x[offset + i * step] : op_get_f(in, offset + i * step);
        acc[i] = op == OP_MIN ? smaller(acc[i], v) : op == OP_MAX ? larger(acc[i], v) : acc[i] + v;
    }
}

static void reduce_i64(enum op_kind op, const struct fm_tensor *in, int64_t offset, int64_t step, int64_t *acc, int64_t n)
{
    const bool is_unsigned = op_is_unsigned(in->dtype);
    for (int64_t i = 0; i < n; i++) {
        const int64_t v = op_get_i(in, offset + i * step);
        const bool less = is_unsigned ? (uint64_t) v < (uint64_t) acc[i] : v < acc[i];
        if (less == (op == OP_MIN)) acc[i] = v;
    }
}

/* The output is made in short pieces; a piece's sums are kept in double (or int64), so the order of inputs hardly matters and
 * no input needs more than its strides. */
int op_variadic_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    enum { PIECE = 128 };
    const enum op_kind op = node->op;
    const bool is_float = op_is_float(out[0].dtype);
    struct fm_tensor whole = out[0]; /* as one row when nothing is broadcast */
    const int64_t count = fm_tensor_count(&out[0]);
    int64_t stride[FM_MAX_RANK];
    bool even = true;
    (void) error;
    if (count <= 0 || !out[0].data) return FM_OK;
    for (int k = 0; k < node->n_in; k++) even = even && fm_tensor_count(&in[k]) == count;
    if (even) {
        whole.rank = 1;
        whole.dim[0] = count;
    }
    const int rank = whole.rank;
    const int64_t last = rank ? whole.dim[rank - 1] : 1;
    for (int64_t first = 0; first < count;) {
        const int64_t column = first % last, n = last - column < PIECE ? last - column : PIECE;
        double f[PIECE];
        int64_t w[PIECE];
        for (int k = 0; k < node->n_in; k++) {
            int64_t rest = first, offset = 0;
            op_broadcast_strides(even ? &whole : &in[k], &whole, stride);
            for (int i = rank - 1; i >= 0; i--) {
                offset += rest % whole.dim[i] * stride[i];
                rest /= whole.dim[i];
            }
            const int64_t step = rank ? stride[rank - 1] : 0;
            for (int64_t i = 0; i < n && k == 0; i++) {
                if (is_float) f[i] = op_get_f(&in[0], offset + i * step);
                else w[i] = op_get_i(&in[0], offset + i * step);
            }
            if (k == 0) continue;
            if (is_float) reduce_f64(op, &in[k], offset, step, f, n);
            else reduce_i64(op, &in[k], offset, step, w, n);
        }
        for (int64_t i = 0; i < n; i++) {
            if (is_float) op_set_f(&out[0], first + i, op == OP_MEAN ? f[i] / node->n_in : f[i]);
            else op_set_i(&out[0], first + i, w[i]);
        }
        first += n;
    }
    return FM_OK;
}

int op_where_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    struct fm_tensor result = {.rank = 0};
    char a[OP_SHAPE_TEXT], b[OP_SHAPE_TEXT], c[OP_SHAPE_TEXT];
    int err = op_begin(node, in, out, 3, in[1].dtype, error);
    if (err) return err;
    if (in[0].dtype != FM_BOOL) return core_fail(error, FM_ERR_FORMAT, "the condition is %s, must be bool",
                                                 fm_dtype_name(in[0].dtype));
    if (in[1].dtype != in[2].dtype)
        return core_fail(error, FM_ERR_FORMAT, "choices are of different types: %s and %s", fm_dtype_name(in[1].dtype),
                         fm_dtype_name(in[2].dtype));
    if (!op_broadcast(&in[0], &in[1], &result) || !op_broadcast(&result, &in[2], &result))
        return core_fail(error, FM_ERR_SHAPE, "shapes %s, %s and %s do not fit each other", op_shape_text(&in[0], a),
                         op_shape_text(&in[1], b), op_shape_text(&in[2], c));
    return op_output(&out[0], in[1].dtype, result.rank, result.dim, error);
}

#define CHOOSE(size) do { \
        char *y = (char *) out[0].data + walk.row * (size); \
        const char *a = (const char *) in[1].data + walk.offset[1] * (size); \
        const char *b = (const char *) in[2].data + walk.offset[2] * (size); \
        for (int64_t i = 0; i < walk.length; i++) \
            memcpy(y + i * (size), c[i * walk.step[0]] ? a + i * walk.step[1] * (size) : b + i * walk.step[2] * (size), (size)); \
    } while (0)

int op_where_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    struct op_walk walk;
    int64_t stride[3][FM_MAX_RANK];
    (void) node;
    (void) error;
    if (fm_tensor_count(&out[0]) <= 0 || !out[0].data) return FM_OK;
    for (int k = 0; k < 3; k++) op_broadcast_strides(&in[k], &out[0], stride[k]);
    op_walk_start(&walk, out[0].rank, out[0].dim, 3, stride);
    do {
        const uint8_t *c = (const uint8_t *) in[0].data + walk.offset[0];
        switch (fm_dtype_size(out[0].dtype)) {
        case 1: CHOOSE(1); break;
        case 2: CHOOSE(2); break;
        case 4: CHOOSE(4); break;
        default: CHOOSE(8); break;
        }
    } while (op_walk_next(&walk));
    return FM_OK;
}
