/* SPDX-License-Identifier: MIT */
/* One operator, tried out: inputs from lists of numbers, shape rule, reference code, outputs against lists of numbers.
 *
 *     struct op_case c;
 *     op_case_start(&c, OP_ADD, 1);
 *     op_give(&c, FM_F32, SHAPE(2), VALUES(1, 2));
 *     op_give(&c, FM_F32, SCALAR, VALUES(10));
 *     op_expect(&c, 0, FM_F32, SHAPE(2), 0, VALUES(11, 12));     runs it first
 *     op_case_end(&c);
 *
 * Tensors lie in blocks of their exact size, so that a sanitizer sees one byte too many. */
#ifndef FM_TESTS_OP_CASE_H
#define FM_TESTS_OP_CASE_H

#include "check.h"
#include "core/half.h"
#include "graph/op.h"

#define OP_CASE_MAX 8
#define SHAPE(...) (int) (sizeof((int64_t[]) {__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]) {__VA_ARGS__}
#define SCALAR 0, NULL
#define VALUES(...) (int) (sizeof((double[]) {__VA_ARGS__}) / sizeof(double)), (const double[]) {__VA_ARGS__}
#define NOTHING 0, NULL

struct op_case {
    struct graph_node node;
    int index[OP_CASE_MAX];
    struct fm_tensor in[OP_CASE_MAX], out[OP_CASE_MAX];
    struct fm_error error;
    int result;
    bool ran;
};

CHECK_UNUSED static void op_case_start(struct op_case *c, enum op_kind op, int n_out)
{
    memset(c, 0, sizeof *c);
    c->node.op = op;
    c->node.type = op_def(op)->name;
    c->node.name = "";
    c->node.in = c->node.out = c->index;
    c->node.n_out = n_out;
}

CHECK_UNUSED static void op_put(struct fm_tensor *t, int64_t i, double v)
{
    switch (t->dtype) {
    case FM_F32: ((float *) t->data)[i] = (float) v; break;
    case FM_F64: ((double *) t->data)[i] = v; break;
    case FM_F16: ((uint16_t *) t->data)[i] = half_from_f32((float) v); break;
    case FM_BF16: ((uint16_t *) t->data)[i] = bf16_from_f32((float) v); break;
    case FM_I8: ((int8_t *) t->data)[i] = (int8_t) v; break;
    case FM_I16: ((int16_t *) t->data)[i] = (int16_t) v; break;
    case FM_I32: ((int32_t *) t->data)[i] = (int32_t) v; break;
    case FM_I64: ((int64_t *) t->data)[i] = (int64_t) v; break;
    case FM_U8: ((uint8_t *) t->data)[i] = (uint8_t) v; break;
    case FM_U16: ((uint16_t *) t->data)[i] = (uint16_t) v; break;
    case FM_U32: ((uint32_t *) t->data)[i] = (uint32_t) v; break;
    case FM_U64: ((uint64_t *) t->data)[i] = (uint64_t) v; break;
    default: ((uint8_t *) t->data)[i] = v != 0; break;
    }
}

CHECK_UNUSED static double op_see(const struct fm_tensor *t, int64_t i)
{
    switch (t->dtype) {
    case FM_F32: return (double) ((const float *) t->data)[i];
    case FM_F64: return ((const double *) t->data)[i];
    case FM_F16: return (double) half_to_f32(((const uint16_t *) t->data)[i]);
    case FM_BF16: return (double) bf16_to_f32(((const uint16_t *) t->data)[i]);
    case FM_I8: return ((const int8_t *) t->data)[i];
    case FM_I16: return ((const int16_t *) t->data)[i];
    case FM_I32: return ((const int32_t *) t->data)[i];
    case FM_I64: return (double) ((const int64_t *) t->data)[i];
    case FM_U8: return ((const uint8_t *) t->data)[i];
    case FM_U16: return ((const uint16_t *) t->data)[i];
    case FM_U32: return ((const uint32_t *) t->data)[i];
    case FM_U64: return (double) ((const uint64_t *) t->data)[i];
    default: return ((const uint8_t *) t->data)[i];
    }
}

/* Adds an input. dtype FM_DTYPE_NONE leaves one out; no values for a shape with elements means: not known (data NULL). */
CHECK_UNUSED static void op_give(struct op_case *c, enum fm_dtype dtype, int rank, const int64_t *dim, int n, const double *value)
{
    struct fm_tensor *t = &c->in[c->node.n_in++];
    *t = (struct fm_tensor) {.dtype = dtype, .rank = rank};
    for (int i = 0; i < rank; i++) t->dim[i] = dim[i];
    if (n == 0) return;
    if (!CHECK_INT(fm_tensor_count(t), n)) return;
    t->data = malloc((size_t) n * fm_dtype_size(dtype));
    for (int i = 0; i < n; i++) op_put(t, i, value[i]);
}

CHECK_UNUSED static void op_give_bytes(struct op_case *c, enum fm_dtype dtype, int rank, const int64_t *dim, const void *bytes)
{
    struct fm_tensor *t = &c->in[c->node.n_in];
    op_give(c, dtype, rank, dim, 0, NULL);
    const size_t size = (size_t) fm_tensor_count(t) * fm_dtype_size(dtype);
    t->data = malloc(size);
    memcpy(t->data, bytes, size);
}

CHECK_UNUSED static int op_case_shape(struct op_case *c)
{
    c->result = op_def(c->node.op)->shape(&c->node, c->in, c->out, &c->error);
    return c->result;
}

CHECK_UNUSED static int op_case_run(struct op_case *c)
{
    if (c->ran) return c->result;
    c->ran = true;
    if (op_case_shape(c)) return c->result;
    for (int k = 0; k < c->node.n_out; k++) {
        const size_t size = (size_t) fm_tensor_count(&c->out[k]) * fm_dtype_size(c->out[k].dtype);
        c->out[k].data = size ? malloc(size) : NULL;
        if (size) memset(c->out[k].data, 0xa5, size);
    }
    return c->result = op_def(c->node.op)->run(&c->node, c->in, c->out, &c->error);
}

CHECK_UNUSED static void op_expect_at(struct op_case *c, int k, enum fm_dtype dtype, int rank, const int64_t *dim,
                                      double tolerance, int n,
                                      const double *value, int line)
{
    const int result = op_case_run(c);
    const struct fm_tensor *t = &c->out[k];
    if (!check_msg(result == FM_OK, __FILE__, line, "line %d: %s failed: %s", line, c->node.type, c->error.message)) return;
    if (!check_msg(t->dtype == dtype && t->rank == rank, __FILE__, line, "line %d: %s gives %s of rank %d", line, c->node.type,
                   fm_dtype_name(t->dtype), t->rank))
        return;
    for (int i = 0; i < rank; i++)
        if (!check_msg(t->dim[i] == dim[i], __FILE__, line, "line %d: dimension %d is %lld", line, i,
                       (long long) t->dim[i])) return;
    if (!check_msg(fm_tensor_count(t) == n, __FILE__, line, "line %d: %lld elements", line, (long long) fm_tensor_count(t))) return;
    for (int i = 0; i < n; i++) {
        const double got = op_see(t, i), want = value[i], room = tolerance * (fabs(want) > 1 ? fabs(want) : 1);
        check_msg(got == want || (isnan(got) && isnan(want)) || fabs(got - want) <= room, __FILE__, line,
                  "line %d: %s element %d is %.17g, must be %.17g", line, c->node.type, i, got, want);
    }
}

/* `tolerance` is absolute below 1 and relative above. */
#define op_expect(c, k, ...) op_expect_at(c, k, __VA_ARGS__, __LINE__)

CHECK_UNUSED static void op_case_end(struct op_case *c)
{
    for (int k = 0; k < OP_CASE_MAX; k++) {
        free(c->in[k].data);
        free(c->out[k].data);
        c->in[k].data = c->out[k].data = NULL;
    }
}

/* The rule or the code must refuse with this code and a message that contains `part`. */
#define op_refused(c, code, part) do { \
        CHECK_INT(op_case_run(c), code); \
        CHECK_HAS((c)->error.message, part); \
        op_case_end(c); \
    } while (0)

#endif
