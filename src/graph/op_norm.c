/* SPDX-License-Identifier: MIT */
/* Normalisations: y = (x - mean) / sqrt(variance + epsilon) * scale + bias; they differ in what mean and variance are taken over.
 * Sums run in double over the differences to the mean, so a large mean costs no precision. */
#include <math.h>

#include "core/alloc.h"
#include "graph/op_tools.h"

static int need_floats(const struct graph_node *node, const struct fm_tensor *in, struct fm_error *error)
{
    for (int k = 0; k < node->n_in; k++) {
        const int err = op_input(node, in, k) ? op_need_type(op_is_float(in[k].dtype), &in[k], error) : FM_OK;
        if (err)
            return err;
    }
    return FM_OK;
}

/* Inputs [first, last) must be lists of `n` numbers. */
static int need_lists(const struct fm_tensor *in, int first, int last, int64_t n, struct fm_error *error)
{
    for (int k = first; k < last; k++)
        if (in[k].rank != 1 || in[k].dim[0] != n) {
            char text[OP_SHAPE_TEXT];
            return core_fail(error, FM_ERR_SHAPE, "input %d is of shape %s, it must hold %lld numbers", k,
                             op_shape_text(&in[k], text), (long long) n);
        }
    return FM_OK;
}

/* Mean and variance of x[0 .. n), NaN when there is nothing. */
static void statistics(const double *x, int64_t n, double *mean, double *variance)
{
    double sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    *mean = sum / (double) n;
    for (int64_t i = 0; i < n; i++)
        squares += (x[i] - *mean) * (x[i] - *mean);
    *variance = squares / (double) n;
}

static void scale_row(double *x, int64_t n, double mean, double factor, double bias)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (x[i] - mean) * factor + bias;
}

/* --- batch ----------------------------------------------------------------------------------------------------------------- */

/* An input of one dimension is a batch of one channel. */
static int64_t batch_channels(const struct fm_tensor *x)
{
    return x->rank > 1 ? x->dim[1] : 1;
}

int op_batch_norm_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *x = &in[0];
    int err = op_begin(node, in, out, 5, x->dtype, error);
    for (int k = 1; k < node->n_out; k++)
        out[k].dtype = in[3].dtype;
    if (!err)
        err = need_floats(node, in, error);
    if (err)
        return err;
    if (x->rank < 1)
        return core_fail(error, FM_ERR_SHAPE, "a scalar has no batch to normalise");
    const int64_t channels = batch_channels(x);
    err = need_lists(in, 1, 5, channels, error);
    if (!err)
        err = op_output(&out[0], x->dtype, x->rank, x->dim, error);
    for (int k = 1; k < node->n_out && !err; k++)
        err = op_output(&out[k], in[3].dtype, 1, &channels, error);
    return err;
}

/* Statistics of channel c over the batch and all places; two passes over planes read into `plane`. */
static void channel_statistics(const struct fm_tensor *x, int64_t c, int64_t channels, int64_t size, double *plane, double *mean,
                               double *variance)
{
    const double total = (double) x->dim[0] * (double) size;
    double sum = 0.0, squares = 0.0;
    for (int64_t n = 0; n < x->dim[0]; n++) {
        op_load_f64(x, (n * channels + c) * size, size, plane);
        for (int64_t i = 0; i < size; i++)
            sum += plane[i];
    }
    *mean = sum / total;
    for (int64_t n = 0; n < x->dim[0]; n++) {
        op_load_f64(x, (n * channels + c) * size, size, plane);
        for (int64_t i = 0; i < size; i++)
            squares += (plane[i] - *mean) * (plane[i] - *mean);
    }
    *variance = squares / total;
}

int op_batch_norm_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *x = &in[0];
    const int64_t channels = batch_channels(x);
    const bool empty = fm_tensor_count(x) == 0;
    const int64_t size = empty ? 0 : op_span(x, 2, x->rank);
    double *plane = op_scratch(size, sizeof(*plane), error);
    if (!plane)
        return FM_ERR_NOMEM;
    for (int64_t c = 0; c < channels; c++) {
        double mean = op_get_f(&in[3], c), variance = op_get_f(&in[4], c);
        double running_mean = mean, running_variance = variance;
        if (node->p.norm.training) {
            const double keep = node->p.norm.momentum;
            mean = variance = NAN;
            if (!empty)
                channel_statistics(x, c, channels, size, plane, &mean, &variance);
            running_mean = running_mean * keep + mean * (1.0 - keep);
            running_variance = running_variance * keep + variance * (1.0 - keep);
        }
        const double factor = op_get_f(&in[1], c) / sqrt(variance + node->p.norm.epsilon), bias = op_get_f(&in[2], c);
        for (int64_t n = 0; !empty && out[0].data && n < x->dim[0]; n++) {
            op_load_f64(x, (n * channels + c) * size, size, plane);
            scale_row(plane, size, mean, factor, bias);
            op_store_f64(&out[0], (n * channels + c) * size, size, plane);
        }
        if (node->n_out > 1 && out[1].data)
            op_set_f(&out[1], c, running_mean);
        if (node->n_out > 2 && out[2].data)
            op_set_f(&out[2], c, running_variance);
    }
    core_free(plane);
    return FM_OK;
}

/* --- instance and group ---------------------------------------------------------------------------------------------------- */

static int grouped_shape(const struct fm_tensor *in, struct fm_tensor *out, int64_t groups, int64_t factors, struct fm_error *error)
{
    const struct fm_tensor *x = &in[0];
    if (groups < 1 || x->dim[1] % groups)
        return core_fail(error, FM_ERR_SHAPE, "%lld channels do not make %lld groups", (long long) x->dim[1], (long long) groups);
    const int err = need_lists(in, 1, 3, factors, error);
    return err ? err : op_output(&out[0], x->dtype, x->rank, x->dim, error);
}

/* Each group of channels of each picture is normalised by itself; factors [C] or [groups]. */
static int grouped_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, int64_t groups,
                       bool per_group, struct fm_error *error)
{
    const struct fm_tensor *x = &in[0];
    if (fm_tensor_count(x) == 0)
        return FM_OK;
    const int64_t channels = x->dim[1] / groups, size = op_span(x, 2, x->rank);
    double *block = op_scratch(channels * size, sizeof(*block), error);
    if (!block)
        return FM_ERR_NOMEM;
    for (int64_t ng = 0; ng < x->dim[0] * groups; ng++) {
        double mean, variance;
        op_load_f64(x, ng * channels * size, channels * size, block);
        statistics(block, channels * size, &mean, &variance);
        const double factor = 1.0 / sqrt(variance + node->p.norm.epsilon);
        for (int64_t c = 0; c < channels; c++) {
            const int64_t k = per_group ? ng % groups : ng % groups * channels + c;
            scale_row(block + c * size, size, mean, factor * op_get_f(&in[1], k), op_get_f(&in[2], k));
        }
        op_store_f64(&out[0], ng * channels * size, channels * size, block);
    }
    core_free(block);
    return FM_OK;
}

static int begin_grouped(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int err = op_begin(node, in, out, 3, in[0].dtype, error);
    if (!err)
        err = need_floats(node, in, error);
    if (!err && in[0].rank < 2)
        err = core_fail(error, FM_ERR_SHAPE, "the input must have a batch and a channel dimension");
    return err;
}

int op_instance_norm_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const int err = begin_grouped(node, in, out, error);
    const int64_t channels = err ? 0 : in[0].dim[1];
    return err ? err : grouped_shape(in, out, channels ? channels : 1, channels, error);
}

int op_instance_norm_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    return grouped_run(node, in, out, in[0].dim[1], false, error);
}

int op_group_norm_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const int err = begin_grouped(node, in, out, error);
    if (err)
        return err;
    const int64_t groups = node->p.norm.groups;
    return grouped_shape(in, out, groups, node->p.norm.per_group_scale ? groups : in[0].dim[1], error);
}

int op_group_norm_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    return grouped_run(node, in, out, node->p.norm.groups, node->p.norm.per_group_scale, error);
}

/* --- layer ----------------------------------------------------------------------------------------------------------------- */

int op_layer_norm_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *x = &in[0];
    int axis = 0;
    int err = op_begin(node, in, out, 2, x->dtype, error);
    for (int k = 1; k < node->n_out; k++)
        out[k].dtype = FM_F32; /* statistics are float whatever the input is (stash_type) */
    if (!err)
        err = need_floats(node, in, error);
    if (!err)
        err = op_axis_checked(node->p.norm.axis, x->rank, &axis, error);
    for (int k = 1; k < node->n_in && !err; k++) {
        struct fm_tensor all = *x;
        if (op_input(node, in, k) && (in[k].rank > x->rank || !op_broadcast(x, &in[k], &all) ||
                                      fm_tensor_count(&all) != fm_tensor_count(x))) {
            char a[OP_SHAPE_TEXT], b[OP_SHAPE_TEXT];
            err = core_fail(error, FM_ERR_SHAPE, "input %d of shape %s does not fit the input %s", k, op_shape_text(&in[k], a),
                            op_shape_text(x, b));
        }
    }
    if (!err)
        err = op_output(&out[0], x->dtype, x->rank, x->dim, error);
    int64_t dim[FM_MAX_RANK];
    for (int i = 0; i < x->rank && !err; i++)
        dim[i] = i < axis ? x->dim[i] : 1;
    for (int k = 1; k < node->n_out && !err; k++)
        err = op_output(&out[k], FM_F32, x->rank, dim, error);
    return err;
}

/* Multiplies (or adds to) the elements [first, first + n) of a tensor of x's shape by what t broadcasts there. */
static void apply_broadcast(double *row, const struct fm_tensor *x, int64_t first, int64_t n, const struct fm_tensor *t, bool add)
{
    int64_t stride[FM_MAX_RANK], at[FM_MAX_RANK], place = 0, rest = first;
    op_broadcast_strides(t, x, stride);
    for (int i = x->rank - 1; i >= 0; i--) {
        at[i] = rest % x->dim[i];
        rest /= x->dim[i];
        place += at[i] * stride[i];
    }
    for (int64_t k = 0; k < n; k++) {
        const double v = op_get_f(t, place);
        row[k] = add ? row[k] + v : row[k] * v;
        for (int i = x->rank - 1; i >= 0; i--) {
            place += stride[i];
            if (++at[i] < x->dim[i])
                break;
            place -= stride[i] * x->dim[i];
            at[i] = 0;
        }
    }
}

int op_layer_norm_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *x = &in[0];
    if (fm_tensor_count(x) == 0) { /* sums over nothing */
        for (int k = 1; k < node->n_out; k++)
            for (int64_t i = 0; out[k].data && i < fm_tensor_count(&out[k]); i++)
                op_set_f(&out[k], i, NAN);
        return FM_OK;
    }
    const int axis = op_axis(node->p.norm.axis, x->rank);
    const int64_t rows = op_span(x, 0, axis), size = op_span(x, axis, x->rank);
    double *row = op_scratch(size, sizeof(*row), error);
    if (!row)
        return FM_ERR_NOMEM;
    for (int64_t r = 0; r < rows; r++) {
        double mean, variance;
        op_load_f64(x, r * size, size, row);
        statistics(row, size, &mean, &variance);
        const double factor = 1.0 / sqrt(variance + node->p.norm.epsilon);
        scale_row(row, size, mean, factor, 0.0);
        apply_broadcast(row, x, r * size, size, &in[1], false);
        if (op_input(node, in, 2))
            apply_broadcast(row, x, r * size, size, &in[2], true);
        if (out[0].data)
            op_store_f64(&out[0], r * size, size, row);
        if (node->n_out > 1 && out[1].data)
            op_set_f(&out[1], r, mean);
        if (node->n_out > 2 && out[2].data)
            op_set_f(&out[2], r, factor);
    }
    core_free(row);
    return FM_OK;
}
