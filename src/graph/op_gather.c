/* SPDX-License-Identifier: MIT */
/* Selection by index. Indices come from files and from other operators: each is checked before it is used. */
#include <string.h>

#include "graph/op_util.h"

static int need_indices(const struct fm_tensor *t, struct fm_error *error)
{
    if (t->dtype == FM_I32 || t->dtype == FM_I64) return FM_OK;
    return core_fail(error, FM_ERR_FORMAT, "indices are %s, must be int32 or int64", fm_dtype_name(t->dtype));
}

/* Index `at` of the list resolved against an axis of `dim` elements, -1 (and an error) when it is outside. */
static int64_t index_at(const struct fm_tensor *indices, int64_t at, int64_t dim, struct fm_error *error)
{
    const int64_t given = op_get_i(indices, at);
    if (given < -dim || given >= dim) {
        core_fail(error, FM_ERR_SHAPE, "index %lld is out of range for %lld elements", (long long) given, (long long) dim);
        return -1;
    }
    return given < 0 ? given + dim : given;
}

static int64_t product(const int64_t *dim, int from, int to)
{
    int64_t n = 1;
    for (int i = from; i < to; i++) n *= dim[i];
    return n;
}

int op_gather_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int64_t dim[FM_MAX_RANK * 2];
    int axis, n = 0, err = op_begin(node, in, out, 2, in[0].dtype, error);
    if (err) return err;
    if ((err = need_indices(&in[1], error)) || (err = op_axis_checked(node->p.axis.axis, in[0].rank, &axis, error))) return err;
    for (int i = 0; i < axis; i++) dim[n++] = in[0].dim[i];
    for (int i = 0; i < in[1].rank; i++) dim[n++] = in[1].dim[i];
    for (int i = axis + 1; i < in[0].rank; i++) dim[n++] = in[0].dim[i];
    return op_output(&out[0], in[0].dtype, n, dim, error);
}

int op_gather_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int axis, err = op_axis_checked(node->p.axis.axis, in[0].rank, &axis, error);
    if (err || fm_tensor_count(&out[0]) <= 0 || !out[0].data) return err;
    const int64_t along = in[0].dim[axis], picks = fm_tensor_count(&in[1]);
    /* the output is not empty, so these products are parts of its size */
    const int64_t outer = product(in[0].dim, 0, axis), inner = product(in[0].dim, axis + 1, in[0].rank);
    const size_t bytes = (size_t) inner * fm_dtype_size(in[0].dtype);
    char *to = out[0].data;
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < picks; i++, to += bytes) {
            const int64_t from = index_at(&in[1], i, along, error);
            if (from < 0) return FM_ERR_SHAPE;
            memcpy(to, (const char *) in[0].data + (size_t) (o * along + from) * bytes, bytes);
        }
    }
    return FM_OK;
}

int op_gather_elements_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int axis, err = op_begin(node, in, out, 2, in[0].dtype, error);
    if (err) return err;
    if ((err = need_indices(&in[1], error)) || (err = op_axis_checked(node->p.axis.axis, in[0].rank, &axis, error))) return err;
    bool fits = in[1].rank == in[0].rank;
    for (int i = 0; i < in[0].rank && fits; i++) fits = i == axis || in[1].dim[i] <= in[0].dim[i];
    if (!fits) {
        char a[OP_SHAPE_TEXT], b[OP_SHAPE_TEXT];
        return core_fail(error, FM_ERR_SHAPE, "indices of shape %s do not fit input of shape %s", op_shape_text(&in[1], a),
                         op_shape_text(&in[0], b));
    }
    return op_output(&out[0], in[0].dtype, in[1].rank, in[1].dim, error);
}

int op_gather_elements_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int axis, err = op_axis_checked(node->p.axis.axis, in[0].rank, &axis, error);
    const size_t size = fm_dtype_size(in[0].dtype);
    struct op_walk walk;
    int64_t stride[1][FM_MAX_RANK], own[FM_MAX_RANK];
    if (err || fm_tensor_count(&out[0]) <= 0 || !out[0].data) return err;
    op_strides(&in[0], own);
    memcpy(stride[0], own, sizeof own);
    stride[0][axis] = 0; /* that coordinate comes from the index */
    op_walk_start(&walk, out[0].rank, out[0].dim, 1, (const int64_t (*)[FM_MAX_RANK]) stride);
    do {
        for (int64_t i = 0; i < walk.length; i++) {
            const int64_t from = index_at(&in[1], walk.row + i, in[0].dim[axis], error);
            if (from < 0) return FM_ERR_SHAPE;
            memcpy((char *) out[0].data + (size_t) (walk.row + i) * size,
                   (const char *) in[0].data + (size_t) (walk.offset[0] + i * walk.step[0] + from * own[axis]) * size, size);
        }
    } while (op_walk_next(&walk));
    return FM_OK;
}

/* GatherND and ScatterND: each tuple of the last axis of `indices` names a slice of `data`, after `batch` shared axes. */
static int tuples(const struct fm_tensor *data, const struct fm_tensor *indices, int64_t batch, int *length, struct fm_error *error)
{
    char a[OP_SHAPE_TEXT], b[OP_SHAPE_TEXT];
    if (indices->rank < 1 || data->rank < 1) return core_fail(error, FM_ERR_SHAPE, "scalars cannot be indexed");
    if (batch < 0 || batch >= indices->rank || batch >= data->rank)
        return core_fail(error, FM_ERR_SHAPE, "batch_dims of %lld is out of range", (long long) batch);
    bool fits = indices->dim[indices->rank - 1] <= data->rank - batch;
    for (int i = 0; i < batch && fits; i++) fits = data->dim[i] == indices->dim[i];
    if (!fits)
        return core_fail(error, FM_ERR_SHAPE, "indices of shape %s do not fit input of shape %s", op_shape_text(indices, a),
                         op_shape_text(data, b));
    *length = (int) indices->dim[indices->rank - 1];
    return FM_OK;
}

/* Elements from the start of a batch's data to the slice that tuple `at` names, or -1. */
static int64_t tuple_offset(const struct fm_tensor *data, const struct fm_tensor *indices, int batch, int length, int64_t at,
                            const int64_t *stride, struct fm_error *error)
{
    int64_t offset = 0;
    for (int j = 0; j < length; j++) {
        const int64_t x = index_at(indices, at * length + j, data->dim[batch + j], error);
        if (x < 0) return -1;
        offset += x * stride[batch + j];
    }
    return offset;
}

int op_gather_nd_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const int64_t batch = node->p.axis.a;
    int64_t dim[FM_MAX_RANK * 2];
    int length, n = 0, err = op_begin(node, in, out, 2, in[0].dtype, error);
    if (err) return err;
    if ((err = need_indices(&in[1], error)) || (err = tuples(&in[0], &in[1], batch, &length, error))) return err;
    for (int i = 0; i < in[1].rank - 1; i++) dim[n++] = in[1].dim[i];
    for (int i = (int) batch + length; i < in[0].rank; i++) dim[n++] = in[0].dim[i];
    return op_output(&out[0], in[0].dtype, n, dim, error);
}

int op_gather_nd_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const int batch = (int) node->p.axis.a;
    int64_t stride[FM_MAX_RANK];
    int length, err = tuples(&in[0], &in[1], batch, &length, error);
    if (err || fm_tensor_count(&out[0]) <= 0 || !out[0].data) return err;
    op_strides(&in[0], stride);
    /* not empty: all these are parts of the output's or the input's size */
    const int64_t batches = product(in[1].dim, 0, batch), each = product(in[1].dim, batch, in[1].rank - 1);
    const int64_t slice = product(in[0].dim, batch + length, in[0].rank), whole = product(in[0].dim, batch, in[0].rank);
    const size_t bytes = (size_t) slice * fm_dtype_size(in[0].dtype);
    for (int64_t at = 0; at < batches * each; at++) {
        const int64_t from = tuple_offset(&in[0], &in[1], batch, length, at, stride, error);
        if (from < 0) return FM_ERR_SHAPE;
        memcpy((char *) out[0].data + (size_t) at * bytes,
               (const char *) in[0].data + (size_t) (at / each * whole + from) * fm_dtype_size(in[0].dtype), bytes);
    }
    return FM_OK;
}

int op_scatter_nd_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *updates = &in[2];
    int length, err = op_begin(node, in, out, 3, in[0].dtype, error);
    if (err) return err;
    if ((err = need_indices(&in[1], error)) || (err = tuples(&in[0], &in[1], 0, &length, error))) return err;
    if (updates->dtype != in[0].dtype)
        return core_fail(error, FM_ERR_FORMAT, "updates are %s but the input is %s", fm_dtype_name(updates->dtype),
                         fm_dtype_name(in[0].dtype));
    if (node->p.axis.a < REDUCTION_NONE || node->p.axis.a > REDUCTION_MAX) return core_fail(error, FM_ERR_UNSUPPORTED,
                                                                                            "unknown reduction");
    if (node->p.axis.a != REDUCTION_NONE && (err = op_need_type(in[0].dtype != FM_BOOL, &in[0], error))) return err;
    const int head = in[1].rank - 1;
    bool fits = updates->rank == head + in[0].rank - length;
    for (int i = 0; i < updates->rank && fits; i++)
        fits = updates->dim[i] == (i < head ? in[1].dim[i] : in[0].dim[i - head + length]);
    if (!fits) {
        char a[OP_SHAPE_TEXT], b[OP_SHAPE_TEXT];
        return core_fail(error, FM_ERR_SHAPE, "updates of shape %s do not fit indices of shape %s", op_shape_text(updates, a),
                         op_shape_text(&in[1], b));
    }
    return op_output(&out[0], in[0].dtype, in[0].rank, in[0].dim, error);
}

static void combine(enum op_reduction how, struct fm_tensor *out, int64_t to, const struct fm_tensor *updates, int64_t from)
{
    if (op_is_float(out->dtype)) {
        const double a = op_get_f(out, to), b = op_get_f(updates, from);
        const bool b_wins = b != b || (how == REDUCTION_MIN ? b < a : b > a); /* NaN stays */
        op_set_f(out, to, how == REDUCTION_ADD ? a + b : how == REDUCTION_MUL ? a * b : b_wins ? b : a);
    } else {
        const int64_t a = op_get_i(out, to), b = op_get_i(updates, from);
        const bool less = op_is_unsigned(out->dtype) ? (uint64_t) b < (uint64_t) a : b < a;
        if (how == REDUCTION_ADD) op_set_i(out, to, (int64_t) ((uint64_t) a + (uint64_t) b));
        else if (how == REDUCTION_MUL) op_set_i(out, to, (int64_t) ((uint64_t) a * (uint64_t) b));
        else op_set_i(out, to, less == (how == REDUCTION_MIN) ? b : a);
    }
}

/* Updates are made in their order, so the last one stands where indices repeat. */
int op_scatter_nd_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const size_t size = fm_dtype_size(in[0].dtype);
    const int64_t count = fm_tensor_count(&in[0]), n_updates = fm_tensor_count(&in[2]);
    int64_t stride[FM_MAX_RANK];
    int length, err = tuples(&in[0], &in[1], 0, &length, error);
    if (err || !out[0].data) return err;
    if (count > 0 && out[0].data != in[0].data) memmove(out[0].data, in[0].data, (size_t) count * size);
    if (n_updates <= 0) return FM_OK;
    op_strides(&in[0], stride);
    const int64_t slice = product(in[0].dim, length, in[0].rank); /* part of the updates' size */
    for (int64_t at = 0; at < n_updates / slice; at++) {
        const int64_t to = tuple_offset(&in[0], &in[1], 0, length, at, stride, error);
        if (to < 0) return FM_ERR_SHAPE;
        if (node->p.axis.a == REDUCTION_NONE)
            memcpy((char *) out[0].data + (size_t) to * size, (const char *) in[2].data + (size_t) (at * slice) * size,
                   (size_t) slice * size);
        else
            for (int64_t i = 0; i < slice; i++) combine((enum op_reduction) node->p.axis.a, &out[0], to + i, &in[2],
                                                        at * slice + i);
    }
    return FM_OK;
}
