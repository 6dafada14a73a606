/* SPDX-License-Identifier: MIT */
/* Operators about shapes: those that give the same elements another one, and those that make tensors out of sizes. */
#include <math.h>
#include <string.h>

#include "graph/op_util.h"

static int move_all(const struct fm_tensor *in, struct fm_tensor *out)
{
    const int64_t n = fm_tensor_count(in);
    if (n > 0 && out->data && out->data != in->data) memmove(out->data, in->data, (size_t) n * fm_dtype_size(in->dtype));
    return FM_OK;
}

/* Dimensions that are copied take no part in finding the open one, so it is found beside a copied 0 too. */
static int reshape_open(const struct fm_tensor *in, const struct fm_tensor *wanted, unsigned copied, int64_t *size,
                        struct fm_error *error)
{
    struct fm_tensor have = {.rank = 0}, need = {.rank = 0};
    for (int i = 0; i < in->rank; i++)
        if (!(copied & 1u << i)) have.dim[have.rank++] = in->dim[i];
    for (int i = 0; i < wanted->rank; i++)
        if (!(copied & 1u << i) && wanted->dim[i] != -1) need.dim[need.rank++] = wanted->dim[i];
    const int64_t all = fm_tensor_count(&have), known = fm_tensor_count(&need);
    char a[OP_SHAPE_TEXT], b[OP_SHAPE_TEXT];
    if (known <= 0 || all < 0 || all % known)
        return core_fail(error, FM_ERR_SHAPE, "shape %s cannot become %s", op_shape_text(in, a), op_shape_text(wanted, b));
    *size = all / known;
    return FM_OK;
}

int op_reshape_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int64_t size[FM_MAX_RANK * 2];
    int rank, open = -1, err = op_begin(node, in, out, 2, in[0].dtype, error);
    unsigned copied = 0;
    if (err) return err;
    if (!op_is_known(&in[1])) return FM_ERR_AGAIN;
    if ((err = op_ints(&in[1], "the shape", size, &rank, error))) return err;
    if (rank > FM_MAX_RANK) return op_output(&out[0], in[0].dtype, rank, size, error);
    struct fm_tensor wanted = {.rank = rank};
    for (int i = 0; i < rank; i++) {
        if (size[i] == 0 && !node->p.axis.flag) {
            if (i >= in[0].rank) return core_fail(error, FM_ERR_SHAPE, "dimension %d is to be copied from an input of rank %d",
                                                  i, in[0].rank);
            size[i] = in[0].dim[i];
            copied |= 1u << i;
        } else if (size[i] < -1 || (size[i] == -1 && open >= 0)) {
            return core_fail(error, FM_ERR_SHAPE, "dimension %d is %lld%s", i, (long long) size[i],
                             size[i] == -1 ? " as another one is" : "");
        } else if (size[i] == -1) {
            open = i;
        }
        wanted.dim[i] = size[i];
    }
    if (open >= 0) {
        if ((err = reshape_open(&in[0], &wanted, copied, &size[open], error))) return err;
        wanted.dim[open] = size[open];
    }
    if (fm_tensor_count(&wanted) != fm_tensor_count(&in[0])) {
        char a[OP_SHAPE_TEXT], b[OP_SHAPE_TEXT];
        return core_fail(error, FM_ERR_SHAPE, "shape %s cannot become %s", op_shape_text(&in[0], a), op_shape_text(&wanted, b));
    }
    return op_output(&out[0], in[0].dtype, rank, size, error);
}

int op_reshape_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    (void) node;
    (void) error;
    return move_all(&in[0], &out[0]);
}

int op_flatten_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const int err = op_begin(node, in, out, 1, in[0].dtype, error);
    if (err) return err;
    const int64_t given = node->p.axis.axis;
    if (given < -in[0].rank || given > in[0].rank)
        return core_fail(error, FM_ERR_SHAPE, "axis %lld is out of range for rank %d", (long long) given, in[0].rank);
    const int axis = (int) (given < 0 ? given + in[0].rank : given);
    struct fm_tensor head = {.rank = axis}, tail = {.rank = in[0].rank - axis};
    memcpy(head.dim, in[0].dim, sizeof in[0].dim[0] * (size_t) head.rank);
    memcpy(tail.dim, in[0].dim + axis, sizeof in[0].dim[0] * (size_t) tail.rank);
    return op_output(&out[0], in[0].dtype, 2, (int64_t[2]) {fm_tensor_count(&head), fm_tensor_count(&tail)}, error);
}

int op_flatten_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    return op_reshape_run(node, in, out, error);
}

int op_squeeze_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *of_axes = op_input(node, in, 1);
    int64_t axes[FM_MAX_RANK * 2], dim[FM_MAX_RANK];
    int axis[FM_MAX_RANK], n = 0, rank = 0, err = op_begin(node, in, out, 1, in[0].dtype, error);
    unsigned drop = 0;
    if (err) return err;
    if (of_axes) {
        if (!op_is_known(of_axes)) return FM_ERR_AGAIN;
        if ((err = op_ints(of_axes, "axes", axes, &n, error)) || (err = op_axes(axes, n, in[0].rank, axis, error))) return err;
    }
    for (int i = 0; i < n; i++) {
        if (in[0].dim[axis[i]] != 1)
            return core_fail(error, FM_ERR_SHAPE, "axis %d has %lld elements and cannot be dropped", axis[i],
                             (long long) in[0].dim[axis[i]]);
        drop |= 1u << axis[i];
    }
    for (int i = 0; i < in[0].rank; i++)
        if (of_axes ? !(drop & 1u << i) : in[0].dim[i] != 1) dim[rank++] = in[0].dim[i];
    return op_output(&out[0], in[0].dtype, rank, dim, error);
}

int op_squeeze_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    return op_reshape_run(node, in, out, error);
}

int op_unsqueeze_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int64_t axes[FM_MAX_RANK * 2], dim[FM_MAX_RANK];
    int axis[FM_MAX_RANK], n, err = op_begin(node, in, out, 2, in[0].dtype, error);
    unsigned added = 0;
    if (err) return err;
    if (!op_is_known(&in[1])) return FM_ERR_AGAIN;
    if ((err = op_ints(&in[1], "axes", axes, &n, error))) return err;
    const int rank = in[0].rank + n;
    if (rank > FM_MAX_RANK) return op_output(&out[0], in[0].dtype, rank, NULL, error);
    if ((err = op_axes(axes, n, rank, axis, error))) return err;
    for (int i = 0; i < n; i++) added |= 1u << axis[i];
    for (int i = 0, from = 0; i < rank; i++) dim[i] = added & 1u << i ? 1 : in[0].dim[from++];
    return op_output(&out[0], in[0].dtype, rank, dim, error);
}

int op_unsqueeze_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    return op_reshape_run(node, in, out, error);
}

/* The dimensions [start, end) of the input, both counted from the end when negative and clamped. */
static void shape_range(const struct graph_node *node, int rank, int *first, int *n)
{
    int64_t start = node->p.range.start, end = node->p.range.has_end ? node->p.range.end : rank;
    start = start < -rank ? 0 : start < 0 ? start + rank : start > rank ? rank : start;
    end = end < -rank ? 0 : end < 0 ? end + rank : end > rank ? rank : end;
    *first = (int) start;
    *n = end > start ? (int) (end - start) : 0;
}

int op_shape_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int first, n, err = op_begin(node, in, out, 1, FM_I64, error);
    if (err) return err;
    shape_range(node, in[0].rank, &first, &n);
    return op_output(&out[0], FM_I64, 1, (int64_t[1]) {n}, error);
}

int op_shape_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int first, n;
    (void) error;
    shape_range(node, in[0].rank, &first, &n);
    for (int i = 0; i < n && out[0].data; i++) ((int64_t *) out[0].data)[i] = in[0].dim[first + i];
    return FM_OK;
}

int op_size_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const int err = op_begin(node, in, out, 1, FM_I64, error);
    return err ? err : op_output(&out[0], FM_I64, 0, NULL, error);
}

int op_size_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    (void) node;
    (void) error;
    if (out[0].data) *(int64_t *) out[0].data = fm_tensor_count(&in[0]);
    return FM_OK;
}

/* max(0, ceil((limit - start) / delta)); integers exactly, through the unsigned distance. */
static int range_count(const struct fm_tensor *in, int64_t *n, struct fm_error *error)
{
    if (op_is_float(in[0].dtype)) {
        const double start = op_get_f(&in[0], 0), limit = op_get_f(&in[1], 0), delta = op_get_f(&in[2], 0);
        const double count = ceil((limit - start) / delta);
        if (delta == 0 || !isfinite(start) || !isfinite(limit) || !isfinite(delta) || isnan(count) || count >= 0x1p62)
            return core_fail(error, FM_ERR_SHAPE, "cannot count from %g to %g in steps of %g", start, limit, delta);
        *n = count > 0 ? (int64_t) count : 0;
        return FM_OK;
    }
    const int64_t start = op_get_i(&in[0], 0), limit = op_get_i(&in[1], 0), delta = op_get_i(&in[2], 0);
    if (delta == 0) return core_fail(error, FM_ERR_SHAPE, "a step of 0");
    *n = 0;
    if (delta > 0 ? limit <= start : limit >= start) return FM_OK;
    const uint64_t distance = delta > 0 ? (uint64_t) limit - (uint64_t) start : (uint64_t) start - (uint64_t) limit;
    const uint64_t count = (distance - 1) / (delta > 0 ? (uint64_t) delta : 0 - (uint64_t) delta) + 1;
    if (count > INT64_MAX) return core_fail(error, FM_ERR_SHAPE, "the range has too many elements");
    *n = (int64_t) count;
    return FM_OK;
}

int op_range_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int64_t n;
    int err = op_begin(node, in, out, 3, in[0].dtype, error);
    if (err) return err;
    if ((err = op_need_type(in[0].dtype != FM_BOOL && in[0].dtype != FM_U64, &in[0], error))) return err;
    for (int k = 0; k < 3; k++) {
        if (in[k].dtype != in[0].dtype) return core_fail(error, FM_ERR_FORMAT, "start, limit and delta are of different types");
        if (fm_tensor_count(&in[k]) != 1) return core_fail(error, FM_ERR_SHAPE, "start, limit and delta must be single numbers");
    }
    for (int k = 0; k < 3; k++)
        if (!in[k].data) return FM_ERR_AGAIN;
    if ((err = range_count(in, &n, error))) return err;
    return op_output(&out[0], in[0].dtype, 1, &n, error);
}

int op_range_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int64_t n;
    const int err = range_count(in, &n, error);
    (void) node;
    if (err || !out[0].data) return err;
    if (n != out[0].dim[0]) return core_fail(error, FM_ERR_SHAPE, "the output's shape does not fit the range");
    if (op_is_float(in[0].dtype)) {
        const double start = op_get_f(&in[0], 0), delta = op_get_f(&in[2], 0);
        for (int64_t i = 0; i < n; i++) op_set_f(&out[0], i, start + (double) i * delta);
    } else {
        uint64_t value = (uint64_t) op_get_i(&in[0], 0);
        const uint64_t delta = (uint64_t) op_get_i(&in[2], 0);
        for (int64_t i = 0; i < n; i++, value += delta) op_set_i(&out[0], i, (int64_t) value);
    }
    return FM_OK;
}

int op_constant_of_shape_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int64_t dim[FM_MAX_RANK * 2];
    int rank, err = op_begin(node, in, out, 1, node->p.fill.dtype, error);
    if (err) return err;
    if (fm_dtype_size(node->p.fill.dtype) == 0) return core_fail(error, FM_ERR_UNSUPPORTED, "the value is of an unknown type");
    if (!op_is_known(&in[0])) return FM_ERR_AGAIN;
    if ((err = op_ints(&in[0], "the shape", dim, &rank, error))) return err;
    return op_output(&out[0], node->p.fill.dtype, rank, dim, error);
}

int op_constant_of_shape_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out,
                             struct fm_error *error)
{
    uint64_t value; /* aligned for any element */
    const int64_t n = fm_tensor_count(&out[0]);
    (void) in;
    (void) error;
    memcpy(&value, node->p.fill.bytes, sizeof value);
    if (n > 0 && out[0].data) op_copy_row(out[0].data, &value, 0, n, fm_dtype_size(out[0].dtype));
    return FM_OK;
}

/* An If whose condition is constant is replaced by its branch before anything runs; what is left cannot be run. */
int op_if_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    (void) node;
    (void) in;
    (void) out;
    return core_fail(error, FM_ERR_UNSUPPORTED, "condition is not constant");
}

int op_if_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    (void) node;
    (void) in;
    (void) out;
    return core_fail(error, FM_ERR_UNSUPPORTED, "condition is not constant");
}
