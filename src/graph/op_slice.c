/* SPDX-License-Identifier: MIT */
/* Slice and Pad: the output is a window of the input, or the input a window of the output. */
#include <string.h>

#include "graph/op_util.h"

struct slice { /* per axis of the input: output element i is input element start + i * step */
    int64_t start[FM_MAX_RANK], step[FM_MAX_RANK], size[FM_MAX_RANK];
};

/* NumPy's rule: negative positions count from the end, then everything is clamped to the axis. */
static void slice_axis(int64_t dim, int64_t start, int64_t end, int64_t step, struct slice *s, int axis)
{
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? dim : dim - 1;
    if (start < 0) start = start < -dim ? low : start + dim;
    if (end < 0) end = end < -dim ? low : end + dim;
    if (start > high) start = high;
    if (start < 0) start = 0; /* ONNX: a negative step never starts before the first element */
    if (end > high) end = high;
    const uint64_t stride = step > 0 ? (uint64_t) step : 0 - (uint64_t) step;
    const int64_t length = step > 0 ? end - start : start - end;
    s->start[axis] = start;
    s->size[axis] = length > 0 && dim > 0 ? (int64_t) (((uint64_t) length - 1) / stride + 1) : 0;
    s->step[axis] = s->size[axis] > 1 ? step : 0; /* a step that is used is smaller than the axis */
}

static int slice_parse(const struct graph_node *node, const struct fm_tensor *in, struct slice *s, struct fm_error *error)
{
    const struct fm_tensor *of_axes = op_input(node, in, 3), *of_steps = op_input(node, in, 4);
    int64_t starts[FM_MAX_RANK * 2], ends[FM_MAX_RANK * 2], axes[FM_MAX_RANK * 2], steps[FM_MAX_RANK * 2];
    int axis[FM_MAX_RANK], n, n_ends, n_axes, n_steps, err;
    const int rank = in[0].rank;
    if (!op_is_known(&in[1]) || !op_is_known(&in[2]) || (of_axes && !op_is_known(of_axes)) || (of_steps && !op_is_known(of_steps)))
        return FM_ERR_AGAIN;
    if ((err = op_ints(&in[1], "starts", starts, &n, error)) || (err = op_ints(&in[2], "ends", ends, &n_ends, error))) return err;
    n_axes = n_steps = n;
    for (int i = 0; i < n; i++) {
        axes[i] = i;
        steps[i] = 1;
    }
    if (of_axes && (err = op_ints(of_axes, "axes", axes, &n_axes, error))) return err;
    if (of_steps && (err = op_ints(of_steps, "steps", steps, &n_steps, error))) return err;
    if (n_ends != n || n_axes != n || n_steps != n)
        return core_fail(error, FM_ERR_SHAPE, "starts, ends, axes and steps have different lengths (%d, %d, %d, %d)", n, n_ends,
                         n_axes, n_steps);
    if ((err = op_axes(axes, n, rank, axis, error))) return err;
    for (int i = 0; i < rank; i++) slice_axis(in[0].dim[i], 0, in[0].dim[i], 1, s, i);
    for (int i = 0; i < n; i++) {
        if (steps[i] == 0) return core_fail(error, FM_ERR_FORMAT, "a step of 0 on axis %d", axis[i]);
        slice_axis(in[0].dim[axis[i]], starts[i], ends[i], steps[i], s, axis[i]);
    }
    return FM_OK;
}

int op_slice_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    struct slice s;
    int err = op_begin(node, in, out, 3, in[0].dtype, error);
    if (err) return err;
    if ((err = slice_parse(node, in, &s, error))) return err;
    return op_output(&out[0], in[0].dtype, in[0].rank, s.size, error);
}

int op_slice_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    struct slice s;
    int64_t own[FM_MAX_RANK], stride[FM_MAX_RANK], offset = 0;
    const size_t size = fm_dtype_size(in[0].dtype);
    const int err = slice_parse(node, in, &s, error);
    if (err) return err == FM_ERR_AGAIN ? core_fail(error, FM_ERR_ARGUMENT, "its positions are not known") : err;
    if (fm_tensor_count(&out[0]) <= 0 || !out[0].data) return FM_OK;
    for (int i = 0; i < in[0].rank; i++)
        if (s.size[i] != out[0].dim[i]) return core_fail(error, FM_ERR_SHAPE, "the output's shape does not fit the positions");
    op_strides(&in[0], own);
    for (int i = 0; i < in[0].rank; i++) {
        offset += own[i] * s.start[i];
        stride[i] = own[i] * s.step[i];
    }
    op_copy_strided(out[0].data, (const char *) in[0].data + (size_t) offset * size, size, out[0].rank, out[0].dim, stride);
    return FM_OK;
}

struct pads { int64_t begin[FM_MAX_RANK], end[FM_MAX_RANK]; };

static int pad_parse(const struct graph_node *node, const struct fm_tensor *in, struct pads *p, struct fm_error *error)
{
    const struct fm_tensor *of_axes = op_input(node, in, 3);
    int64_t pads[FM_MAX_RANK * 2], axes[FM_MAX_RANK * 2];
    int axis[FM_MAX_RANK], n_pads, n = in[0].rank, err;
    if (!op_is_known(&in[1]) || (of_axes && !op_is_known(of_axes))) return FM_ERR_AGAIN;
    if ((err = op_ints(&in[1], "pads", pads, &n_pads, error))) return err;
    for (int i = 0; i < n; i++) axes[i] = i;
    if (of_axes && (err = op_ints(of_axes, "axes", axes, &n, error))) return err;
    if ((err = op_axes(axes, n, in[0].rank, axis, error))) return err;
    if (n_pads != 2 * n) return core_fail(error, FM_ERR_SHAPE, "%d pads are given for %d axes", n_pads, n);
    *p = (struct pads) {{0}, {0}};
    for (int i = 0; i < n; i++) {
        p->begin[axis[i]] = pads[i];
        p->end[axis[i]] = pads[n + i];
    }
    return FM_OK;
}

int op_pad_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *value = op_input(node, in, 2);
    const int64_t limit = INT64_MAX / 8;
    struct pads p;
    int64_t dim[FM_MAX_RANK];
    int err = op_begin(node, in, out, 2, in[0].dtype, error);
    if (err) return err;
    if (value && value->dtype != in[0].dtype)
        return core_fail(error, FM_ERR_FORMAT, "the value is %s but the input is %s", fm_dtype_name(value->dtype),
                         fm_dtype_name(in[0].dtype));
    if (value && fm_tensor_count(value) != 1) return core_fail(error, FM_ERR_SHAPE, "the value must be a single number");
    if ((err = pad_parse(node, in, &p, error))) return err;
    for (int i = 0; i < in[0].rank; i++) {
        const int64_t d = in[0].dim[i], b = p.begin[i], e = p.end[i];
        if (b > limit || b < -limit || e > limit || e < -limit || d > limit)
            return core_fail(error, FM_ERR_SHAPE, "pads of %lld and %lld on axis %d are out of range", (long long) b,
                             (long long) e, i);
        dim[i] = d + b + e;
        /* what negative pads leave of the input is what the other modes repeat */
        if (node->p.pad.mode != PAD_CONSTANT && dim[i] > 0 && d + (b < 0 ? b : 0) + (e < 0 ? e : 0) < 1)
            return core_fail(error, FM_ERR_SHAPE, "axis %d has nothing to pad with", i);
    }
    return op_output(&out[0], in[0].dtype, in[0].rank, dim, error);
}

/* Where element `at` of a padded axis comes from, -1: the constant. [low, low + n) is what is left of the input's axis. */
static int64_t pad_source(enum op_pad_mode mode, int64_t at, int64_t low, int64_t n)
{
    int64_t x = at - low;
    if (x >= 0 && x < n) return at;
    switch (mode) {
    case PAD_EDGE: return low + (x < 0 ? 0 : n - 1);
    case PAD_WRAP:
        x %= n;
        return low + (x < 0 ? x + n : x);
    case PAD_REFLECT:
        if (n == 1) return low;
        x %= 2 * (n - 1); /* there and back, the ends once */
        if (x < 0) x += 2 * (n - 1);
        return low + (x < n ? x : 2 * (n - 1) - x);
    default: return -1;
    }
}

/* Row by row: the middle of a row is one copy, its ends go element by element. */
int op_pad_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    static const uint64_t zero;
    const enum op_pad_mode mode = node->p.pad.mode;
    const struct fm_tensor *constant = op_input(node, in, 2);
    const void *value = constant ? constant->data : &zero;
    const size_t size = fm_dtype_size(in[0].dtype);
    const int64_t count = fm_tensor_count(&out[0]);
    const int rank = in[0].rank;
    struct pads p;
    int64_t own[FM_MAX_RANK], low[FM_MAX_RANK], left[FM_MAX_RANK];
    const int err = pad_parse(node, in, &p, error);
    if (err) return err == FM_ERR_AGAIN ? core_fail(error, FM_ERR_ARGUMENT, "its pads are not known") : err;
    if (count <= 0 || !out[0].data) return FM_OK;
    op_strides(&in[0], own);
    for (int i = 0; i < rank; i++) {
        low[i] = p.begin[i] < 0 ? -p.begin[i] : 0;
        left[i] = in[0].dim[i] - low[i] + (p.end[i] < 0 ? p.end[i] : 0);
        if (out[0].dim[i] != in[0].dim[i] + p.begin[i] + p.end[i] || (mode != PAD_CONSTANT && left[i] < 1))
            return core_fail(error, FM_ERR_SHAPE, "the output's shape does not fit the pads");
    }
    if (rank == 0) {
        memcpy(out[0].data, in[0].data, size);
        return FM_OK;
    }
    const int x = rank - 1;
    const int64_t row = out[0].dim[x];
    int64_t head = p.begin[x] > 0 ? p.begin[x] : 0, body = left[x] > 0 ? left[x] : 0;
    if (head > row) head = row;
    if (body > row - head) body = row - head;
    for (int64_t first = 0; first < count; first += row) {
        char *to = (char *) out[0].data + (size_t) first * size;
        int64_t rest = first / row, from = 0;
        for (int i = x - 1; i >= 0 && from >= 0; i--) {
            const int64_t at = pad_source(mode, rest % out[0].dim[i] - p.begin[i], low[i], left[i]);
            from = at < 0 ? -1 : from + at * own[i];
            rest /= out[0].dim[i];
        }
        if (from < 0) {
            op_copy_row(to, value, 0, row, size);
            continue;
        }
        const char *source = (const char *) in[0].data + (size_t) from * size;
        if (mode == PAD_CONSTANT) {
            op_copy_row(to, value, 0, head, size);
            op_copy_row(to + (size_t) (head + body) * size, value, 0, row - head - body, size);
        } else {
            for (int64_t i = 0; i < row; i++) {
                if (i == head) i += body;
                if (i < row) memcpy(to + (size_t) i * size, source + (size_t) pad_source(mode, i - p.begin[x], low[x],
                                                                                         left[x]) * size, size);
            }
        }
        if (body) memcpy(to + (size_t) head * size, source + (size_t) low[x] * size, (size_t) body * size);
    }
    return FM_OK;
}
