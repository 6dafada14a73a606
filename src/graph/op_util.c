/* SPDX-License-Identifier: MIT */
#include "graph/op_util.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"

const struct fm_tensor *op_input(const struct graph_node *node, const struct fm_tensor *in, int k)
{
    return k < node->n_in && in[k].dtype != FM_DTYPE_NONE ? &in[k] : NULL;
}

bool op_is_known(const struct fm_tensor *t)
{
    return t->data || fm_tensor_count(t) == 0;
}

int op_begin(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, int required, enum fm_dtype dtype,
             struct fm_error *error)
{
    if (node->n_out < 1) return core_fail(error, FM_ERR_FORMAT, "has no output");
    for (int k = 0; k < node->n_out; k++) {
        out[k].dtype = dtype;
        out[k].rank = -1;
    }
    for (int k = 0; k < required; k++)
        if (!op_input(node, in, k)) return core_fail(error, FM_ERR_FORMAT, "input %d is missing", k);
    for (int k = 0; k < node->n_in; k++) {
        if (in[k].dtype == FM_DTYPE_NONE) continue;
        if (in[k].rank < 0) return FM_ERR_AGAIN;
        for (int i = 0; i < in[k].rank; i++)
            if (in[k].dim[i] < 0) return FM_ERR_AGAIN;
    }
    return FM_OK;
}

int op_output(struct fm_tensor *out, enum fm_dtype dtype, int rank, const int64_t *dim, struct fm_error *error)
{
    if (rank < 0 || rank > FM_MAX_RANK)
        return core_fail(error, FM_ERR_UNSUPPORTED, "result would have %d dimensions, at most %d are supported", rank, FM_MAX_RANK);
    struct fm_tensor result = {.dtype = dtype, .rank = rank, .data = out->data};
    for (int i = 0; i < rank; i++) {
        if (dim[i] < 0) return core_fail(error, FM_ERR_SHAPE, "dimension %d of the result would be %lld", i, (long long) dim[i]);
        result.dim[i] = dim[i];
    }
    const int64_t count = fm_tensor_count(&result);
    int64_t bytes;
    if (count < 0 || !core_mul_i64(count, (int64_t) fm_dtype_size(dtype), &bytes) || (uint64_t) bytes > SIZE_MAX / 2) {
        char text[OP_SHAPE_TEXT];
        return core_fail(error, FM_ERR_SHAPE, "result of shape %s is too large to address", op_shape_text(&result, text));
    }
    *out = result;
    return FM_OK;
}

int op_need_type(bool held, const struct fm_tensor *t, struct fm_error *error)
{
    return held ? FM_OK : core_fail(error, FM_ERR_UNSUPPORTED, "does not take %s", fm_dtype_name(t->dtype));
}

static bool type_is_int(enum fm_dtype dtype)
{
    return dtype != FM_DTYPE_NONE && !op_is_float(dtype) && dtype != FM_BOOL;
}

int op_ints(const struct fm_tensor *t, const char *what, int64_t *to, int *n, struct fm_error *error)
{
    const int64_t count = fm_tensor_count(t);
    if (!type_is_int(t->dtype))
        return core_fail(error, FM_ERR_FORMAT, "%s must be integers, not %s", what, fm_dtype_name(t->dtype));
    if (t->rank > 1) return core_fail(error, FM_ERR_SHAPE, "%s must be a list, not of rank %d", what, t->rank);
    if (count < 0 || count > FM_MAX_RANK * 2)
        return core_fail(error, FM_ERR_UNSUPPORTED, "%s has %lld elements, more than %d dimensions need", what,
                         (long long) count, FM_MAX_RANK);
    for (int64_t i = 0; i < count; i++) to[i] = op_get_i(t, i);
    *n = (int) count;
    return FM_OK;
}

int op_int(const struct fm_tensor *t, const char *what, int64_t *to, struct fm_error *error)
{
    if (!type_is_int(t->dtype))
        return core_fail(error, FM_ERR_FORMAT, "%s must be an integer, not %s", what, fm_dtype_name(t->dtype));
    if (fm_tensor_count(t) != 1) return core_fail(error, FM_ERR_SHAPE, "%s must be a single number", what);
    *to = op_get_i(t, 0);
    return FM_OK;
}

int op_axis_checked(int64_t axis, int rank, int *to, struct fm_error *error)
{
    *to = op_axis(axis, rank);
    return *to >= 0 ? FM_OK : core_fail(error, FM_ERR_SHAPE, "axis %lld is out of range for rank %d", (long long) axis, rank);
}

int op_axes(const int64_t *axes, int n, int rank, int *to, struct fm_error *error)
{
    unsigned seen = 0;
    if (n > rank) return core_fail(error, FM_ERR_SHAPE, "%d axes given for rank %d", n, rank);
    for (int i = 0; i < n; i++) {
        const int err = op_axis_checked(axes[i], rank, &to[i], error);
        if (err) return err;
        if (seen & 1u << to[i]) return core_fail(error, FM_ERR_SHAPE, "axis %lld is given twice", (long long) axes[i]);
        seen |= 1u << to[i];
    }
    return FM_OK;
}

const char *op_shape_text(const struct fm_tensor *t, char text[OP_SHAPE_TEXT])
{
    size_t used = 0;
    if (t->rank <= 0) return t->rank == 0 ? "scalar" : "unknown";
    text[0] = '\0';
    for (int i = 0; i < t->rank && used < OP_SHAPE_TEXT; i++)
        used += (size_t) snprintf(text + used, OP_SHAPE_TEXT - used, i ? "x%lld" : "%lld", (long long) t->dim[i]);
    return text;
}

void op_strides(const struct fm_tensor *t, int64_t stride[FM_MAX_RANK])
{
    int64_t step = 1;
    if (fm_tensor_count(t) == 0) step = 0; /* never walked; and the product of the other sizes may not fit */
    for (int i = t->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= step ? t->dim[i] : 1;
    }
}

void op_broadcast_strides(const struct fm_tensor *t, const struct fm_tensor *out, int64_t stride[FM_MAX_RANK])
{
    int64_t own[FM_MAX_RANK];
    const int skip = out->rank - t->rank;
    op_strides(t, own);
    for (int i = 0; i < out->rank; i++) stride[i] = i < skip || t->dim[i - skip] == 1 ? 0 : own[i - skip];
}

void op_walk_start(struct op_walk *walk, int rank, const int64_t *dim, int n, const int64_t stride[][FM_MAX_RANK])
{
    *walk = (struct op_walk) {.n = n};
    for (int i = 0; i < rank; i++) {
        if (dim[i] == 1) continue;
        const int last = walk->rank - 1;
        bool even = last >= 0;
        for (int k = 0; k < n && even; k++) even = walk->stride[k][last] == stride[k][i] * dim[i];
        const int to = even ? last : walk->rank++;
        walk->dim[to] = even ? walk->dim[to] * dim[i] : dim[i];
        for (int k = 0; k < n; k++) walk->stride[k][to] = stride[k][i];
    }
    walk->length = walk->rank ? walk->dim[--walk->rank] : 1;
    for (int k = 0; k < n; k++) walk->step[k] = walk->stride[k][walk->rank];
}

bool op_walk_next(struct op_walk *walk)
{
    walk->row += walk->length;
    for (int i = walk->rank - 1; i >= 0; i--) {
        for (int k = 0; k < walk->n; k++) walk->offset[k] += walk->stride[k][i];
        if (++walk->at[i] < walk->dim[i]) return true;
        for (int k = 0; k < walk->n; k++) walk->offset[k] -= walk->stride[k][i] * walk->dim[i];
        walk->at[i] = 0;
    }
    return false;
}

/* By memcpy of a constant size: compilers make moves of it, and elements of any type may be copied. */
#define COPY_ROWS(size) \
    for (int64_t j = 0; j < rows; j++) \
        for (int64_t i = 0; i < n; i++) memcpy(y + (j * n + i) * (size), x + (j * row_step + i * step) * (size), (size))

/* Rows of n elements, dense in `to`. */
static void copy_rows(char *y, const char *x, int64_t row_step, int64_t rows, int64_t step, int64_t n, size_t size)
{
    switch (size) {
    case 1: COPY_ROWS(1); break;
    case 2: COPY_ROWS(2); break;
    case 4: COPY_ROWS(4); break;
    default: COPY_ROWS(8); break;
    }
}

void op_copy_row(void *to, const void *from, int64_t step, int64_t n, size_t size)
{
    if (n <= 0) return;
    if (step == 1) memcpy(to, from, (size_t) n * size);
    else copy_rows(to, from, 0, 1, step, n, size);
}

void op_copy_strided(void *to, const void *from, size_t size, int rank, const int64_t *dim, const int64_t *stride)
{
    enum { SHORT = 16 };
    struct op_walk walk;
    int64_t strides[1][FM_MAX_RANK], rows = 1, row_step = 0;
    for (int i = 0; i < rank; i++) {
        if (dim[i] == 0) return;
        strides[0][i] = stride[i];
    }
    op_walk_start(&walk, rank, dim, 1, strides);
    const int64_t n = walk.length;
    if (n < SHORT && walk.rank > 0) { /* short rows, as of a pixel shuffle: two axes at a time */
        rows = walk.dim[--walk.rank];
        row_step = walk.stride[0][walk.rank];
        walk.length *= rows;
    }
    do {
        char *y = (char *) to + (size_t) walk.row * size;
        const char *x = (const char *) from + walk.offset[0] * (int64_t) size;
        if (rows > 1) copy_rows(y, x, row_step, rows, walk.step[0], n, size);
        else op_copy_row(y, x, walk.step[0], n, size);
    } while (op_walk_next(&walk));
}
