/* SPDX-License-Identifier: MIT */
/* Operators that only move elements: nearly all are one strided copy, seen with the right shape and strides. */
#include <string.h>

#include "graph/op_util.h"

static int concat_axis(const struct graph_node *node, int rank, int *axis, struct fm_error *error)
{
    if (rank == 0) return core_fail(error, FM_ERR_SHAPE, "scalars cannot be joined");
    return op_axis_checked(node->p.axis.axis, rank, axis, error);
}

int op_concat_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int axis, err = op_begin(node, in, out, node->n_in, in[0].dtype, error);
    if (err) return err;
    if ((err = concat_axis(node, in[0].rank, &axis, error))) return err;
    struct fm_tensor result = in[0];
    for (int k = 1; k < node->n_in; k++) {
        char a[OP_SHAPE_TEXT], b[OP_SHAPE_TEXT];
        bool fits = in[k].rank == in[0].rank;
        if (in[k].dtype != in[0].dtype)
            return core_fail(error, FM_ERR_FORMAT, "inputs are of different types: %s and %s", fm_dtype_name(in[0].dtype),
                             fm_dtype_name(in[k].dtype));
        for (int i = 0; i < in[0].rank && fits; i++) fits = i == axis || in[k].dim[i] == in[0].dim[i];
        if (!fits)
            return core_fail(error, FM_ERR_SHAPE, "shapes %s and %s cannot be joined along axis %d", op_shape_text(&in[0], a),
                             op_shape_text(&in[k], b), axis);
        if (in[k].dim[axis] > INT64_MAX - result.dim[axis]) return core_fail(error, FM_ERR_SHAPE, "the joined size does not fit");
        result.dim[axis] += in[k].dim[axis];
    }
    return op_output(&out[0], in[0].dtype, result.rank, result.dim, error);
}

/* Bytes of one slice of t from `axis` inwards, and the number of such slices. */
static void slabs(const struct fm_tensor *t, int axis, int64_t *bytes, int64_t *n)
{
    *bytes = (int64_t) fm_dtype_size(t->dtype);
    *n = 1;
    for (int i = 0; i < t->rank; i++) {
        if (i < axis) *n *= t->dim[i];
        else *bytes *= t->dim[i];
    }
}

int op_concat_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int axis, err = concat_axis(node, out[0].rank, &axis, error);
    if (err || fm_tensor_count(&out[0]) <= 0 || !out[0].data) return err;
    int64_t whole, n, part, at = 0;
    slabs(&out[0], axis, &whole, &n);
    for (int k = 0; k < node->n_in; k++) {
        int64_t same;
        slabs(&in[k], axis, &part, &same);
        for (int64_t i = 0; i < n && part; i++)
            memcpy((char *) out[0].data + i * whole + at, (const char *) in[k].data + i * part, (size_t) part);
        at += part;
    }
    return FM_OK;
}

int op_split_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int axis, err = op_begin(node, in, out, 1, in[0].dtype, error);
    const struct fm_tensor *sizes = op_input(node, in, 1);
    if (err) return err;
    if ((err = op_axis_checked(node->p.axis.axis, in[0].rank, &axis, error))) return err;
    const int64_t n = node->n_out, whole = in[0].dim[axis];
    if (sizes) {
        if (sizes->rank > 1 || op_is_float(sizes->dtype) || sizes->dtype == FM_BOOL)
            return core_fail(error, FM_ERR_FORMAT, "sizes must be a list of integers");
        if (fm_tensor_count(sizes) != n)
            return core_fail(error, FM_ERR_SHAPE, "%lld sizes are given for %lld outputs", (long long) fm_tensor_count(sizes),
                             (long long) n);
        if (!op_is_known(sizes)) return FM_ERR_AGAIN;
    } else if (node->p.axis.a != 0 && node->p.axis.a != n) {
        return core_fail(error, FM_ERR_FORMAT, "num_outputs is %lld but there are %lld outputs", (long long) node->p.axis.a,
                         (long long) n);
    }
    const int64_t equal = whole / n + (whole % n != 0); /* the last part takes what is left */
    int64_t left = whole;
    for (int64_t k = 0; k < n; k++) {
        struct fm_tensor part = in[0];
        part.dim[axis] = sizes ? op_get_i(sizes, k) : k + 1 < n ? equal : left;
        if (part.dim[axis] < 0 || part.dim[axis] > left) {
            return core_fail(error, FM_ERR_SHAPE, "part %lld of size %lld does not fit: %lld of %lld are left on axis %d",
                             (long long) k,
                             (long long) part.dim[axis], (long long) left, (long long) whole, axis);
        }
        left -= part.dim[axis];
        if ((err = op_output(&out[k], in[0].dtype, part.rank, part.dim, error))) return err;
    }
    if (left) return core_fail(error, FM_ERR_SHAPE, "sizes do not add up: %lld of %lld are left on axis %d", (long long) left,
                               (long long) whole, axis);
    return FM_OK;
}

/* Parts take their size from the output's shape, or from the sizes where an output is not wanted. */
int op_split_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int axis, err = op_axis_checked(node->p.axis.axis, in[0].rank, &axis, error);
    if (err || fm_tensor_count(&in[0]) <= 0) return err;
    const struct fm_tensor *sizes = op_input(node, in, 1);
    const int64_t equal = in[0].dim[axis] / node->n_out + (in[0].dim[axis] % node->n_out != 0);
    int64_t whole, n, at = 0;
    slabs(&in[0], axis, &whole, &n);
    const int64_t unit = whole / in[0].dim[axis];
    for (int k = 0; k < node->n_out; k++) {
        const int64_t size = sizes ? op_get_i(sizes, k) : equal, left = (whole - at) / unit;
        if (size < 0 || (sizes && size > left)) return core_fail(error, FM_ERR_SHAPE, "sizes do not fit the input");
        const int64_t part = (size < left ? size : left) * unit;
        for (int64_t i = 0; i < n && part && out[k].data; i++)
            memcpy((char *) out[k].data + i * part, (const char *) in[0].data + i * whole + at, (size_t) part);
        at += part;
    }
    return FM_OK;
}

/* DepthToSpace and SpaceToDepth move the same axes in opposite directions. With b the block, y and x its inner coordinates:
 *
 *     DCR   depth is [b y][b x][C]      CRD   depth is [C][b y][b x]      space is [C][H][b y][W][b x]
 */
static int block_shape(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const int64_t b = node->p.block.size;
    const bool to_space = node->op == OP_DEPTH_TO_SPACE;
    char text[OP_SHAPE_TEXT];
    int err = op_begin(node, in, out, 1, in[0].dtype, error);
    if (err) return err;
    if (b < 1 || b > INT32_MAX) return core_fail(error, FM_ERR_FORMAT, "block size %lld is out of range", (long long) b);
    if (in[0].rank != 4) return core_fail(error, FM_ERR_SHAPE, "needs 4 dimensions, not %d", in[0].rank);
    const int64_t *d = in[0].dim;
    if (to_space ? d[1] % (b * b) : d[2] % b || d[3] % b)
        return core_fail(error, FM_ERR_SHAPE, "shape %s cannot be cut into blocks of %lld", op_shape_text(&in[0], text),
                         (long long) b);
    if (to_space ? d[2] > INT64_MAX / b || d[3] > INT64_MAX / b : d[1] > INT64_MAX / (b * b))
        return core_fail(error, FM_ERR_SHAPE, "the result does not fit");
    const int64_t space[4] = {d[0], d[1] / (b * b), to_space ? d[2] * b : 0, to_space ? d[3] * b : 0};
    const int64_t depth[4] = {d[0], to_space ? 0 : d[1] * (b * b), d[2] / b, d[3] / b};
    return op_output(&out[0], in[0].dtype, 4, to_space ? space : depth, error);
}

int op_depth_to_space_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    return block_shape(node, in, out, error);
}

int op_space_to_depth_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    return block_shape(node, in, out, error);
}

int op_depth_to_space_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    (void) error;
    if (fm_tensor_count(&out[0]) <= 0 || !out[0].data) return FM_OK;
    const int64_t b = node->p.block.size, c = out[0].dim[1], h = in[0].dim[2], w = in[0].dim[3], plane = h * w;
    const int64_t by_y = node->p.block.crd ? b * plane : b * c * plane, by_x = node->p.block.crd ? plane : c * plane;
    const int64_t dim[6] = {in[0].dim[0], c, h, b, w, b};
    const int64_t stride[6] = {c * b * b * plane, node->p.block.crd ? b * b * plane : plane, w, by_y, 1, by_x};
    op_copy_strided(out[0].data, in[0].data, fm_dtype_size(in[0].dtype), 6, dim, stride);
    return FM_OK;
}

int op_space_to_depth_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    (void) error;
    if (fm_tensor_count(&out[0]) <= 0 || !out[0].data) return FM_OK;
    const int64_t b = node->p.block.size, c = in[0].dim[1], h = out[0].dim[2], w = out[0].dim[3], plane = h * b * w * b;
    const int64_t dcr[6] = {in[0].dim[0], b, b, c, h, w}, crd[6] = {in[0].dim[0], c, b, b, h, w};
    const int64_t dcr_stride[6] = {c * plane, w * b, 1, plane, w * b * b, b};
    const int64_t crd_stride[6] = {c * plane, plane, w * b, 1, w * b * b, b};
    op_copy_strided(out[0].data, in[0].data, fm_dtype_size(in[0].dtype), 6, node->p.block.crd ? crd : dcr,
                    node->p.block.crd ? crd_stride : dcr_stride);
    return FM_OK;
}

static int transpose_axes(const struct graph_node *node, int rank, int *axis, struct fm_error *error)
{
    if (node->p.perm.n == 0) {
        for (int i = 0; i < rank; i++) axis[i] = rank - 1 - i;
        return FM_OK;
    }
    if (node->p.perm.n != rank) return core_fail(error, FM_ERR_SHAPE, "perm has %d axes, the input %d", node->p.perm.n, rank);
    return op_axes(node->p.perm.perm, rank, rank, axis, error);
}

int op_transpose_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int axis[FM_MAX_RANK], err = op_begin(node, in, out, 1, in[0].dtype, error);
    int64_t dim[FM_MAX_RANK];
    if (err) return err;
    if ((err = transpose_axes(node, in[0].rank, axis, error))) return err;
    for (int i = 0; i < in[0].rank; i++) dim[i] = in[0].dim[axis[i]];
    return op_output(&out[0], in[0].dtype, in[0].rank, dim, error);
}

int op_transpose_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int axis[FM_MAX_RANK], err = transpose_axes(node, in[0].rank, axis, error);
    int64_t own[FM_MAX_RANK], stride[FM_MAX_RANK];
    if (err || fm_tensor_count(&out[0]) <= 0 || !out[0].data) return err;
    op_strides(&in[0], own);
    for (int i = 0; i < in[0].rank; i++) stride[i] = own[axis[i]];
    op_copy_strided(out[0].data, in[0].data, fm_dtype_size(in[0].dtype), out[0].rank, out[0].dim, stride);
    return FM_OK;
}

int op_expand_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    struct fm_tensor wanted = {.rank = 0}, result = {.rank = 0};
    int64_t size[FM_MAX_RANK * 2];
    char a[OP_SHAPE_TEXT], b[OP_SHAPE_TEXT];
    int err = op_begin(node, in, out, 2, in[0].dtype, error);
    if (err) return err;
    if (!op_is_known(&in[1])) return FM_ERR_AGAIN;
    if ((err = op_ints(&in[1], "the shape", size, &wanted.rank, error))) return err;
    if (wanted.rank > FM_MAX_RANK) return op_output(&out[0], in[0].dtype, wanted.rank, size, error);
    memcpy(wanted.dim, size, sizeof wanted.dim[0] * (size_t) wanted.rank);
    for (int i = 0; i < wanted.rank; i++)
        if (size[i] < 0) return core_fail(error, FM_ERR_SHAPE, "cannot expand to a dimension of %lld", (long long) size[i]);
    if (!op_broadcast(&in[0], &wanted, &result))
        return core_fail(error, FM_ERR_SHAPE, "shape %s cannot be expanded to %s", op_shape_text(&in[0], a),
                         op_shape_text(&wanted, b));
    return op_output(&out[0], in[0].dtype, result.rank, result.dim, error);
}

int op_expand_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int64_t stride[FM_MAX_RANK];
    (void) node;
    (void) error;
    if (fm_tensor_count(&out[0]) <= 0 || !out[0].data) return FM_OK;
    op_broadcast_strides(&in[0], &out[0], stride);
    op_copy_strided(out[0].data, in[0].data, fm_dtype_size(in[0].dtype), out[0].rank, out[0].dim, stride);
    return FM_OK;
}

int op_tile_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int64_t times[FM_MAX_RANK * 2], dim[FM_MAX_RANK];
    int n, err = op_begin(node, in, out, 2, in[0].dtype, error);
    if (err) return err;
    if (!op_is_known(&in[1])) return FM_ERR_AGAIN;
    if ((err = op_ints(&in[1], "repeats", times, &n, error))) return err;
    if (n != in[0].rank) return core_fail(error, FM_ERR_SHAPE, "%d repeats are given for rank %d", n, in[0].rank);
    for (int i = 0; i < n; i++) {
        if (times[i] < 0 || (in[0].dim[i] && times[i] > INT64_MAX / in[0].dim[i]))
            return core_fail(error, FM_ERR_SHAPE, "cannot repeat axis %d %lld times", i, (long long) times[i]);
        dim[i] = in[0].dim[i] * times[i];
    }
    return op_output(&out[0], in[0].dtype, n, dim, error);
}

/* The innermost axis is written row by row; rows of the other axes wrap around by their coordinate. */
int op_tile_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const size_t size = fm_dtype_size(in[0].dtype);
    const int64_t count = fm_tensor_count(&out[0]);
    const int rank = in[0].rank;
    (void) node;
    (void) error;
    if (count <= 0 || !out[0].data) return FM_OK;
    const int64_t length = rank ? in[0].dim[rank - 1] : 1, row = rank ? out[0].dim[rank - 1] : 1;
    for (int64_t first = 0; first < count; first += row) {
        int64_t rest = first / row, from = 0, step = length;
        for (int i = rank - 2; i >= 0; i--) {
            from += rest % out[0].dim[i] % in[0].dim[i] * step;
            rest /= out[0].dim[i];
            step *= in[0].dim[i];
        }
        for (int64_t x = 0; x < row; x += length)
            memcpy((char *) out[0].data + (size_t) (first + x) * size, (const char *) in[0].data + (size_t) from * size,
                   (size_t) length * size);
    }
    return FM_OK;
}

int op_trilu_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const int err = op_begin(node, in, out, 1, in[0].dtype, error);
    if (err) return err;
    if (in[0].rank < 2) return core_fail(error, FM_ERR_SHAPE, "needs a matrix, not rank %d", in[0].rank);
    return op_output(&out[0], in[0].dtype, in[0].rank, in[0].dim, error);
}

/* Keeps what lies on and above (or below) the k-th diagonal: column - row >= k (<= k). */
int op_trilu_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *diagonal = op_input(node, in, 1);
    const size_t size = fm_dtype_size(in[0].dtype);
    const int64_t count = fm_tensor_count(&in[0]), height = in[0].dim[in[0].rank - 2], width = in[0].dim[in[0].rank - 1];
    int64_t k = 0;
    if (diagonal) {
        const int err = op_int(diagonal, "k", &k, error);
        if (err) return err;
    }
    if (count <= 0 || !out[0].data) return FM_OK;
    k = k > width ? width : k < -height ? -height : k;
    for (int64_t row = 0; row < count / width; row++) {
        const int64_t edge = row % height + k + !node->p.axis.flag; /* first column kept (upper) or first one cleared (lower) */
        const int64_t cut = edge < 0 ? 0 : edge > width ? width : edge;
        char *to = (char *) out[0].data + (size_t) (row * width) * size;
        const char *from = (const char *) in[0].data + (size_t) (row * width) * size;
        const size_t head = (size_t) cut * size, tail = (size_t) (width - cut) * size;
        if (to != from) memcpy(to, from, head + tail);
        memset(node->p.axis.flag ? to : to + head, 0, node->p.axis.flag ? head : tail);
    }
    return FM_OK;
}
