/* SPDX-License-Identifier: MIT */
/* Reductions over any set of axes. Axes are brought into two nested walks, over what stays and over what is summed up; floats
 * accumulate in double, integers in 64 bits that wrap as the type itself would. */
#include <math.h>

#include "core/alloc.h"
#include "graph/op_tools.h"

/* Which axes of the input are reduced, as a bit set. FM_ERR_AGAIN when the axes are not known yet. */
static int reduced_axes(const struct graph_node *node, const struct fm_tensor *in, unsigned *set, struct fm_error *error)
{
    const struct fm_tensor *x = &in[0], *list = op_input(node, in, 1);
    int64_t axes[FM_MAX_RANK * 2];
    int resolved[FM_MAX_RANK], n = 0, err = FM_OK;
    *set = 0;
    if (list && !op_is_known(list))
        return FM_ERR_AGAIN;
    if (list)
        err = op_ints(list, "axes", axes, &n, error);
    if (!err)
        err = op_axes(axes, n, x->rank, resolved, error);
    if (err)
        return err;
    for (int i = 0; i < n; i++)
        *set |= 1u << resolved[i];
    if (n == 0 && !node->p.reduce.no_op_if_no_axes)
        *set = (1u << x->rank) - 1;
    return FM_OK;
}

static bool takes_bool(enum op_kind op)
{
    return op == OP_REDUCE_MAX || op == OP_REDUCE_MIN;
}

int op_reduce_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *x = &in[0];
    unsigned set = 0;
    int err = op_begin(node, in, out, 1, x->dtype, error);
    if (!err)
        err = op_need_type(x->dtype != FM_BOOL || takes_bool(node->op), x, error);
    if (!err)
        err = reduced_axes(node, in, &set, error);
    if (err)
        return err;
    int64_t dim[FM_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < x->rank; i++) {
        if (!(set >> i & 1))
            dim[rank++] = x->dim[i];
        else if (node->p.reduce.keep_dims)
            dim[rank++] = 1;
    }
    return op_output(&out[0], x->dtype, rank, dim, error);
}

/* Axes of one kind (kept or reduced) of the input, as a walk over element offsets. */
struct walk { int n; int64_t dim[FM_MAX_RANK], stride[FM_MAX_RANK], at[FM_MAX_RANK]; };

static void walk_axes(struct walk *w, const struct fm_tensor *x, unsigned set)
{
    int64_t stride[FM_MAX_RANK];
    op_strides(x, stride);
    *w = (struct walk){.n = 0};
    for (int i = 0; i < x->rank; i++)
        if (set >> i & 1) {
            w->dim[w->n] = x->dim[i];
            w->stride[w->n++] = stride[i];
        }
}

/* Moves `offset` to the next place; false (and back at the start) after the last. */
static bool walk_next(struct walk *w, int64_t *offset)
{
    for (int i = w->n - 1; i >= 0; i--) {
        *offset += w->stride[i];
        if (++w->at[i] < w->dim[i])
            return true;
        *offset -= w->stride[i] * w->dim[i];
        w->at[i] = 0;
    }
    return false;
}

/* --- floats ---------------------------------------------------------------------------------------------------------------- */

static double largest(const double *x, int64_t n)
{
    double best = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        if (x[i] > best || isnan(x[i]))
            best = x[i];
        else if (isnan(best))
            break;
    return best;
}

static double smallest(const double *x, int64_t n)
{
    double best = INFINITY;
    for (int64_t i = 0; i < n; i++)
        if (x[i] < best || isnan(x[i]))
            best = x[i];
        else if (isnan(best))
            break;
    return best;
}

/* Shifted by the largest, so that nothing overflows. */
static double log_sum_exp(const double *x, int64_t n)
{
    const double top = largest(x, n);
    double sum = 0.0;
    if (!isfinite(top))
        return top; /* nothing, an infinity, NaN */
    for (int64_t i = 0; i < n; i++)
        sum += exp(x[i] - top);
    return top + log(sum);
}

static double reduce_floats(enum op_kind op, const double *x, int64_t n)
{
    double sum = op == OP_REDUCE_PROD ? 1.0 : 0.0;
    switch (op) {
    case OP_REDUCE_MAX: return largest(x, n);
    case OP_REDUCE_MIN: return smallest(x, n);
    case OP_REDUCE_LOG_SUM_EXP: return log_sum_exp(x, n);
    case OP_REDUCE_PROD:
        for (int64_t i = 0; i < n; i++)
            sum *= x[i];
        return sum;
    case OP_REDUCE_L1:
        for (int64_t i = 0; i < n; i++)
            sum += fabs(x[i]);
        return sum;
    case OP_REDUCE_L2: case OP_REDUCE_SUM_SQUARE:
        for (int64_t i = 0; i < n; i++)
            sum += x[i] * x[i];
        return op == OP_REDUCE_L2 ? sqrt(sum) : sum;
    default:
        for (int64_t i = 0; i < n; i++)
            sum += x[i];
        return op == OP_REDUCE_MEAN ? sum / (double) n : op == OP_REDUCE_LOG_SUM ? log(sum) : sum;
    }
}

/* --- integers -------------------------------------------------------------------------------------------------------------- */

/* What a maximum or minimum over nothing is. */
static uint64_t integer_limit(enum fm_dtype dtype, bool lowest)
{
    const int bits = 8 * (int) fm_dtype_size(dtype);
    if (dtype == FM_BOOL)
        return lowest ? 0 : 1;
    if (op_is_unsigned(dtype))
        return lowest ? 0 : UINT64_MAX >> (64 - bits);
    return lowest ? UINT64_MAX << (bits - 1) : UINT64_MAX >> (65 - bits);
}

static bool is_less(uint64_t a, uint64_t b, enum fm_dtype dtype)
{
    return dtype == FM_U64 ? a < b : (int64_t) a < (int64_t) b;
}

static uint64_t magnitude(uint64_t v, enum fm_dtype dtype)
{
    return dtype != FM_U64 && (int64_t) v < 0 ? 0 - v : v;
}

/* The largest integer whose square is not above v. */
static uint64_t root(uint64_t v)
{
    uint64_t r = (uint64_t) sqrt((double) v);
    while (r > UINT32_MAX || r * r > v)
        r--;
    while (r < UINT32_MAX && (r + 1) * (r + 1) <= v)
        r++;
    return r;
}

/* Elements come as the 64 bits of op_get_i; arithmetic wraps. */
static uint64_t reduce_integers(enum op_kind op, enum fm_dtype dtype, const uint64_t *x, int64_t n)
{
    uint64_t sum = op == OP_REDUCE_PROD ? 1 : 0;
    if (op == OP_REDUCE_MAX || op == OP_REDUCE_MIN) {
        sum = integer_limit(dtype, op == OP_REDUCE_MAX);
        for (int64_t i = 0; i < n; i++)
            if (op == OP_REDUCE_MAX ? is_less(sum, x[i], dtype) : is_less(x[i], sum, dtype))
                sum = x[i];
        return sum;
    }
    for (int64_t i = 0; i < n; i++)
        switch (op) {
        case OP_REDUCE_PROD: sum *= x[i]; break;
        case OP_REDUCE_L1: sum += magnitude(x[i], dtype); break;
        case OP_REDUCE_L2: case OP_REDUCE_SUM_SQUARE: sum += x[i] * x[i]; break;
        default: sum += x[i]; break;
        }
    if (op == OP_REDUCE_L2)
        return root(sum);
    if (op != OP_REDUCE_MEAN || n == 0)
        return sum;
    return dtype == FM_U64 ? sum / (uint64_t) n : (uint64_t) ((int64_t) sum / n);
}

/* --- the walk -------------------------------------------------------------------------------------------------------------- */

static void reduce_one(const struct graph_node *node, const struct fm_tensor *x, int64_t base, struct walk *reduced, int64_t n,
                       void *row, struct fm_tensor *y, int64_t to)
{
    const bool logarithm = node->op == OP_REDUCE_LOG_SUM || node->op == OP_REDUCE_LOG_SUM_EXP;
    const bool floats = op_is_float(x->dtype) || logarithm;
    double *f = row;
    uint64_t *u = row;
    int64_t offset = base;
    for (int64_t i = 0; i < n; i++) {
        if (floats)
            f[i] = op_get_f(x, offset);
        else
            u[i] = (uint64_t) op_get_i(x, offset);
        walk_next(reduced, &offset);
    }
    if (floats)
        op_set_f(y, to, reduce_floats(node->op, f, n));
    else
        op_set_i(y, to, (int64_t) reduce_integers(node->op, x->dtype, u, n));
}

int op_reduce_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *x = &in[0];
    const int64_t total = fm_tensor_count(x), results = fm_tensor_count(&out[0]);
    unsigned set = 0;
    const int err = reduced_axes(node, in, &set, error);
    if (err || results == 0)
        return err;
    const int64_t n = total / results; /* elements in one result; 0 when a reduced axis is empty */
    void *row = op_scratch(n, sizeof(double), error);
    if (!row)
        return FM_ERR_NOMEM;
    struct walk kept, reduced;
    walk_axes(&kept, x, ~set);
    walk_axes(&reduced, x, set);
    int64_t base = 0;
    for (int64_t o = 0; o < results; o++) {
        reduce_one(node, x, base, &reduced, n, row, &out[0], o);
        walk_next(&kept, &base);
    }
    core_free(row);
    return FM_OK;
}
