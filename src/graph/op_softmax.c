/* SPDX-License-Identifier: MIT */
/* Softmax, LogSoftmax and CumSum: walks along one axis. The tensor is seen as [outer][n][inner]; a few neighbouring columns of
 * `inner` are done together, so that memory is read in order whatever the axis. */
#include <math.h>

#include "graph/op_util.h"

#define COLUMNS 32

struct lines { int64_t outer, n, inner; };

/* [first_axis, end_axis) becomes the middle. The tensor is not empty. */
static struct lines lines_of(const struct fm_tensor *t, int first_axis, int end_axis)
{
    struct lines l = {1, 1, 1};
    for (int i = 0; i < t->rank; i++) {
        if (i < first_axis) l.outer *= t->dim[i];
        else if (i < end_axis) l.n *= t->dim[i];
        else l.inner *= t->dim[i];
    }
    return l;
}

static int softmax_axis(const struct graph_node *node, int rank, int *axis, struct fm_error *error)
{
    *axis = (int) node->p.axis.axis;
    if (node->p.axis.flag && node->p.axis.axis == rank) return FM_OK; /* everything is the outer part */
    if (rank == 0 && (node->p.axis.axis == 0 || node->p.axis.axis == -1)) {
        *axis = 0;
        return FM_OK;
    }
    return op_axis_checked(node->p.axis.axis, rank, axis, error);
}

int op_softmax_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int axis, err = op_begin(node, in, out, 1, in[0].dtype, error);
    if (err) return err;
    if ((err = op_need_type(op_is_float(in[0].dtype), &in[0], error))) return err;
    if ((err = softmax_axis(node, in[0].rank, &axis, error))) return err;
    return op_output(&out[0], in[0].dtype, in[0].rank, in[0].dim, error);
}

static double read_at(const struct fm_tensor *t, int64_t i)
{
    return t->dtype == FM_F32 ? (double) ((const float *) t->data)[i] : op_get_f(t, i);
}

static void write_at(struct fm_tensor *t, int64_t i, double value)
{
    if (t->dtype == FM_F32) ((float *) t->data)[i] = (float) value;
    else op_set_f(t, i, value);
}

/* exp(x - max) / sum, or x - max - log(sum): the largest is taken off first so that nothing overflows. float32 takes the
 * exponentials in float (good to a unit in the last place) and adds them in double. */
static void softmax_columns(bool log_form, const struct fm_tensor *in, struct fm_tensor *out, int64_t first, int64_t n,
                            int64_t step, int columns)
{
    double max[COLUMNS], sum[COLUMNS];
    const bool is_f32 = in->dtype == FM_F32;
    for (int c = 0; c < columns; c++) {
        max[c] = -INFINITY;
        sum[c] = 0;
    }
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < columns; c++) {
            const double x = read_at(in, first + i * step + c);
            if (x > max[c] || isnan(x)) max[c] = x;
        }
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < columns; c++) {
            const int64_t at = first + i * step + c;
            const double x = read_at(in, at) - max[c], e = is_f32 ? (double) expf((float) x) : exp(x);
            sum[c] += e;
            /* half-width results would lose the exponential's digits before the division: those are computed again below */
            if (is_f32 && !log_form) ((float *) out->data)[at] = (float) e;
        }
    for (int c = 0; c < columns; c++) sum[c] = log_form ? log(sum[c]) : sum[c];
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < columns; c++) {
            const int64_t at = first + i * step + c;
            if (log_form) write_at(out, at, read_at(in, at) - max[c] - sum[c]);
            else if (is_f32) write_at(out, at, read_at(out, at) / sum[c]);
            else write_at(out, at, exp(read_at(in, at) - max[c]) / sum[c]);
        }
}

int op_softmax_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int axis, err = softmax_axis(node, in[0].rank, &axis, error);
    if (err || fm_tensor_count(&in[0]) <= 0 || !out[0].data) return err;
    const struct lines l = lines_of(&in[0], axis, node->p.axis.flag || in[0].rank == 0 ? in[0].rank : axis + 1);
    for (int64_t o = 0; o < l.outer; o++)
        for (int64_t c = 0; c < l.inner; c += COLUMNS)
            softmax_columns(node->op == OP_LOG_SOFTMAX, &in[0], &out[0], o * l.n * l.inner + c, l.n, l.inner,
                            (int) (l.inner - c < COLUMNS ? l.inner - c : COLUMNS));
    return FM_OK;
}

static int cum_sum_axis(const struct fm_tensor *in, int *axis, struct fm_error *error)
{
    int64_t given;
    const int err = op_int(&in[1], "the axis", &given, error);
    return err ? err : op_axis_checked(given, in[0].rank, axis, error);
}

int op_cum_sum_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int axis, err = op_begin(node, in, out, 2, in[0].dtype, error);
    if (err) return err;
    if ((err = op_need_type(in[0].dtype != FM_BOOL, &in[0], error))) return err;
    if (op_is_known(&in[1]) && (err = cum_sum_axis(in, &axis, error))) return err;
    return op_output(&out[0], in[0].dtype, in[0].rank, in[0].dim, error);
}

/* A column's running sum is kept in double (or 64 bits), whatever the type. */
int op_cum_sum_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const bool exclusive = node->p.reduce.exclusive, reverse = node->p.reduce.reverse, is_float = op_is_float(in[0].dtype);
    int axis, err = cum_sum_axis(in, &axis, error);
    if (err || fm_tensor_count(&in[0]) <= 0 || !out[0].data) return err;
    const struct lines l = lines_of(&in[0], axis, axis + 1);
    for (int64_t o = 0; o < l.outer; o++) {
        for (int64_t first = 0; first < l.inner; first += COLUMNS) {
            const int columns = (int) (l.inner - first < COLUMNS ? l.inner - first : COLUMNS);
            double f[COLUMNS] = {0};
            uint64_t w[COLUMNS] = {0};
            for (int64_t k = 0; k < l.n; k++) {
                const int64_t at = (o * l.n + (reverse ? l.n - 1 - k : k)) * l.inner + first;
                for (int c = 0; c < columns; c++) {
                    if (is_float) {
                        const double before = f[c];
                        f[c] += op_get_f(&in[0], at + c);
                        op_set_f(&out[0], at + c, exclusive ? before : f[c]);
                    } else {
                        const uint64_t before = w[c];
                        w[c] += (uint64_t) op_get_i(&in[0], at + c);
                        op_set_i(&out[0], at + c, (int64_t) (exclusive ? before : w[c]));
                    }
                }
            }
        }
    }
    return FM_OK;
}
