/* SPDX-License-Identifier: MIT */
/* Layers that look at many elements for each result: normalisation, softmax, reductions, matrix products. */
#include "model/ncnn_reader.h"

/* ---- normalisation ---- */

static void read_batch_norm(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const int64_t n = ncnn_int(r, 0, 0);
    const union op_params p = {.norm = {.epsilon = ncnn_float(r, 1, 0.0f)}};
    struct ncnn_blob *x = r->in[0];
    ncnn_expect_channels(r, x, n);
    const int slope = ncnn_constant(r, "slope", false, 1, &n), mean = ncnn_constant(r, "mean", false, 1, &n);
    const int var = ncnn_constant(r, "variance", false, 1, &n), bias = ncnn_constant(r, "bias", false, 1, &n);
    ncnn_set_like(r, 0, NCNN_EMIT(r, OP_BATCH_NORM, &p, x->value, slope, bias, mean, var), x);
}

static int reduce(struct ncnn_reader *r, enum op_kind op, int x, int axes)
{
    return NCNN_EMIT(r, op, &(union op_params){.reduce = {.keep_dims = true}}, x, axes);
}

/* (x - mean) / sqrt(variance + epsilon) over the axes of the value, for the layers that have no factors: the graph's own operators
 * take theirs per channel, which may be open. */
static int standardise(struct ncnn_reader *r, int x, int n, const int64_t *axis, float epsilon)
{
    const int axes = ncnn_i64s(r, n, axis);
    const int centred = NCNN_EMIT(r, OP_SUB, NULL, x, reduce(r, OP_REDUCE_MEAN, x, axes));
    const int variance = reduce(r, OP_REDUCE_MEAN, NCNN_EMIT(r, OP_MUL, NULL, centred, centred), axes);
    const int deviation = NCNN_EMIT(r, OP_SQRT, NULL, NCNN_EMIT(r, OP_ADD, NULL, variance, ncnn_f32(r, epsilon)));
    return NCNN_EMIT(r, OP_DIV, NULL, centred, deviation);
}

static void read_instance_norm(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const int64_t n = ncnn_int(r, 0, 0), affine = ncnn_int(r, 2, 1);
    const float epsilon = ncnn_float(r, 1, 0.001f);
    struct ncnn_blob *x = r->in[0];
    if (!ncnn_expect_rank(r, x, 3, 3)) return;
    int y;
    if (affine) {
        ncnn_expect_channels(r, x, n);
        const int gamma = ncnn_constant(r, "gamma", false, 1, &n), beta = ncnn_constant(r, "beta", false, 1, &n);
        y = NCNN_EMIT(r, OP_INSTANCE_NORM, &(union op_params){.norm = {.epsilon = epsilon}}, x->value, gamma, beta);
    } else {
        y = standardise(r, x->value, 2, (const int64_t[]){2, 3}, epsilon);
    }
    ncnn_set_like(r, 0, y, x);
}

/* Over the innermost dimension, or over the two innermost of three when affine_size is their product. */
static void read_layer_norm(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const int64_t n = ncnn_int(r, 0, 0), affine = ncnn_int(r, 2, 1);
    const float epsilon = ncnn_float(r, 1, 0.001f);
    const struct ncnn_blob *x = r->in[0];
    if (!ncnn_expect_rank(r, x, 1, 3)) return;
    const int64_t w = x->dim[x->rank - 1];
    const bool two = x->rank == 3 && w > 0 && w != n;
    const int axis = two ? x->rank - 1 : x->rank;
    if (n <= 0 || (two && n % w) || (!two && w > 0 && w != n)) {
        ncnn_fail(r, FM_ERR_SHAPE, "its size %lld does not fit rows of %lld elements", (long long) n, (long long) w);
        return;
    }
    int y;
    if (affine) {
        const int64_t dim[2] = {two ? n / w : n, w};
        const int gamma = ncnn_constant(r, "gamma", false, two ? 2 : 1, dim),
                  beta = ncnn_constant(r, "beta", false, two ? 2 : 1, dim);
        const union op_params p = {.norm = {.epsilon = epsilon, .axis = axis}};
        y = NCNN_EMIT(r, OP_LAYER_NORM, &p, x->value, gamma, beta);
    } else {
        y = standardise(r, x->value, two ? 2 : 1, (const int64_t[]){axis, axis + 1}, epsilon);
    }
    ncnn_set_like(r, 0, y, x);
}

static void read_group_norm(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const int64_t group = ncnn_int(r, 0, 1), n = ncnn_int(r, 1, 0), affine = ncnn_int(r, 3, 1);
    const union op_params p = {.norm = {.epsilon = ncnn_float(r, 2, 0.001f), .groups = group}};
    struct ncnn_blob *x = r->in[0];
    if (!ncnn_expect_rank(r, x, 2, 4)) return;
    if (group <= 0 || n <= 0 || n % group) {
        ncnn_fail(r, FM_ERR_FORMAT, "%lld groups do not fit %lld channels", (long long) group, (long long) n);
        return;
    }
    ncnn_expect_channels(r, x, n);
    int y;
    if (affine) {
        const int gamma = ncnn_constant(r, "gamma", false, 1, &n), beta = ncnn_constant(r, "beta", false, 1, &n);
        y = NCNN_EMIT(r, OP_GROUP_NORM, &p, x->value, gamma, beta);
    } else { /* each group as one row */
        const int rows = ncnn_reshape(r, x->value, 3, (const int64_t[]){0, group, -1});
        const int shape = NCNN_EMIT(r, OP_SHAPE, NULL, x->value);
        y = NCNN_EMIT(r, OP_RESHAPE, NULL, standardise(r, rows, 1, &(int64_t){2}, p.norm.epsilon), shape);
    }
    ncnn_set_like(r, 0, y, x);
}

/* x / |x| * scale, the length taken over channels, places or both. */
static void read_normalize(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const int64_t spatial = ncnn_int(r, 0, 0), channel = ncnn_int(r, 4, 1), shared = ncnn_int(r, 1, 0);
    const int64_t n = ncnn_int(r, 3, 0), mode = ncnn_int(r, 9, 0);
    const float epsilon = ncnn_float(r, 2, 0.0001f);
    struct ncnn_blob *x = r->in[0];
    if (!ncnn_expect_rank(r, x, 3, 3)) return;
    if (!spatial && !channel) ncnn_fail(r, FM_ERR_UNSUPPORTED, "it is across neither channels nor places");
    if (mode < 0 || mode > 2) ncnn_fail(r, FM_ERR_UNSUPPORTED, "epsilon mode %lld is not supported", (long long) mode);
    if (shared ? n != 1 : n <= 0) ncnn_fail(r, FM_ERR_FORMAT, "it has %lld scales", (long long) n);
    if (!shared) ncnn_expect_channels(r, x, n);
    if (r->code) return;
    const int64_t axis[3] = {1, 2, 3}, dim[3] = {n, 1, 1};
    const int axes = channel ? ncnn_i64s(r, spatial ? 3 : 1, axis) : ncnn_i64s(r, 2, axis + 1);
    const int e = ncnn_f32(r, epsilon);
    int length = reduce(r, OP_REDUCE_SUM_SQUARE, x->value, axes);
    if (mode == 0) length = NCNN_EMIT(r, OP_ADD, NULL, length, e);
    if (mode == 2) length = NCNN_EMIT(r, OP_MAX, NULL, length, e);
    length = NCNN_EMIT(r, OP_SQRT, NULL, length);
    if (mode == 1) length = NCNN_EMIT(r, OP_MAX, NULL, length, e);
    const int y = NCNN_EMIT(r, OP_DIV, NULL, x->value, length);
    ncnn_set_like(r, 0, NCNN_EMIT(r, OP_MUL, NULL, y, ncnn_constant(r, "scale", false, 3, dim)), x);
}

/* ---- along axes ---- */

static void read_softmax(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const int64_t axis = ncnn_int(r, 0, 0), fixed = ncnn_int(r, 1, 0);
    const struct ncnn_blob *x = r->in[0];
    if (!fixed && axis)
        ncnn_fail(r, FM_ERR_UNSUPPORTED, "the file is from an old ncnn that counted axes differently: convert it again");
    const union op_params p = {.axis.axis = ncnn_axis(r, axis, x->rank) + 1};
    ncnn_set_like(r, 0, NCNN_EMIT(r, OP_SOFTMAX, &p, x->value), x);
}

static void read_cumulative_sum(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const struct ncnn_blob *x = r->in[0];
    const int axis = ncnn_axis(r, ncnn_int(r, 0, 0), x->rank);
    ncnn_set_like(r, 0, NCNN_EMIT(r, OP_CUM_SUM, NULL, x->value, ncnn_i64(r, axis + 1)), x);
}

static void read_reduction(struct ncnn_reader *r, int arg)
{
    static const enum op_kind op[] = {OP_REDUCE_SUM, OP_REDUCE_L1, OP_REDUCE_SUM_SQUARE, OP_REDUCE_MEAN, OP_REDUCE_MAX,
        OP_REDUCE_MIN, OP_REDUCE_PROD, OP_REDUCE_L1, OP_REDUCE_L2, OP_REDUCE_LOG_SUM, OP_REDUCE_LOG_SUM_EXP};
    (void) arg;
    const struct ncnn_blob *x = r->in[0];
    const int64_t type = ncnn_int(r, 0, 0), all = ncnn_int(r, 1, 1), keep = ncnn_int(r, 4, 0), fixed = ncnn_int(r, 5, 0);
    const float factor = ncnn_float(r, 2, 1.0f);
    int64_t given[NCNN_VALUE_MAX], axis[NCNN_RANK_MAX];
    const int n_given = ncnn_ints(r, 3, given, NCNN_VALUE_MAX);
    bool gone[NCNN_RANK_MAX] = {false};
    int n = 0;
    if (type < 0 || type >= (int64_t) (sizeof op / sizeof *op))
        ncnn_fail(r, FM_ERR_UNSUPPORTED, "operation %lld is not supported", (long long) type);
    if (!fixed && n_given)
        ncnn_fail(r, FM_ERR_UNSUPPORTED, "the file is from an old ncnn that counted axes differently: convert it again");
    if (!all && !n_given) ncnn_fail(r, FM_ERR_FORMAT, "it names no axes");
    for (int i = 0; i < n_given && !all; i++) gone[ncnn_axis(r, given[i], x->rank)] = true;
    for (int i = 0; i < x->rank; i++) {
        gone[i] |= all != 0;
        if (gone[i]) axis[n++] = i + 1;
    }
    if (r->code) return;
    int y = reduce(r, op[type], x->value, ncnn_i64s(r, n, axis));
    if (factor != 1.0f) y = NCNN_EMIT(r, OP_MUL, NULL, y, ncnn_f32(r, factor));
    if (!keep && n == x->rank)
        y = ncnn_flat(r, y);
    else if (!keep)
        y = ncnn_squeeze(r, y, n, axis);
    struct ncnn_blob *out = ncnn_set(r, 0, y, keep ? x->rank : n == x->rank ? 1 : x->rank - n);
    if (r->code) return;
    if (!keep && n == x->rank)
        out->dim[0] = 1;
    else
        for (int i = 0, k = 0; i < x->rank; i++) {
            if (!gone[i])
                out->dim[k++] = x->dim[i];
            else if (keep)
                out->dim[k++] = 1;
        }
    if (!gone[0]) {
        out->input = x->input;
        out->factor = x->factor;
    }
}

/* The first half along an axis times the sigmoid of the second. */
static void read_glu(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const struct ncnn_blob *x = r->in[0];
    const int axis = ncnn_axis(r, ncnn_int(r, 0, 0), x->rank);
    const int zero = ncnn_i64(r, 0), two = ncnn_i64(r, 2);
    const int half = NCNN_EMIT(r, OP_DIV, NULL, ncnn_dim(r, x->value, axis + 1), two);
    const int a = ncnn_slice(r, x->value, axis + 1, zero, half);
    const int b = ncnn_slice(r, x->value, axis + 1, half, NCNN_EMIT(r, OP_MUL, NULL, half, two));
    struct ncnn_blob *out = ncnn_set_like(r, 0, NCNN_EMIT(r, OP_MUL, NULL, a, NCNN_EMIT(r, OP_SIGMOID, NULL, b)), x);
    if (r->code) return;
    if (out->dim[axis] > 0) out->dim[axis] /= 2;
    if (!axis) out->input = -1;
}

/* ---- matrix products ---- */

/* x times the transpose of [n_out][n_in], row by row of a matrix, or of everything in the blob at once. */
static void read_inner_product(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const int64_t n_out = ncnn_int(r, 0, 0), has_bias = ncnn_int(r, 1, 0), size = ncnn_int(r, 2, 0);
    struct ncnn_blob *x = r->in[0];
    if (ncnn_int(r, 8, 0)) ncnn_fail(r, FM_ERR_UNSUPPORTED, "int8 weights are not supported");
    if (r->code) return;
    if (n_out <= 0 || size <= 0 || size % n_out) {
        ncnn_fail(r, FM_ERR_FORMAT, "%lld weights do not fit %lld outputs", (long long) size, (long long) n_out);
        return;
    }
    const int64_t n_in = size / n_out, dim[2] = {n_out, n_in};
    const bool rows = x->rank == 2 && x->dim[0] != 1 && (x->dim[1] < 0 || x->dim[1] == n_in);
    const int weight = ncnn_constant(r, "weight", true, 2, dim);
    const int bias = has_bias ? ncnn_constant(r, "bias", false, 1, &n_out) : -1;
    if (x->rank == 1) ncnn_expect_channels(r, x, n_in);
    const union op_params p = {.gemm = {.alpha = 1.0f, .beta = 1.0f, .trans_b = true}};
    const int a = rows ? ncnn_squeeze(r, x->value, 1, &(int64_t){0}) : x->rank == 1 ? x->value : ncnn_flat(r, x->value);
    int y = has_bias ? NCNN_EMIT(r, OP_GEMM, &p, a, weight, bias) : NCNN_EMIT(r, OP_GEMM, &p, a, weight);
    y = ncnn_activation(r, y, 9, 10);
    if (rows) y = ncnn_unsqueeze(r, y, 1, &(int64_t){0});
    const int64_t h = x->dim[0];
    struct ncnn_blob *out = ncnn_set(r, 0, y, rows ? 2 : 1);
    if (r->code) return;
    if (rows) out->dim[0] = h;
    out->dim[rows] = n_out;
}

/* An operand of Gemm as [rows][columns]: from the weights or from the next input. */
static int gemm_operand(struct ncnn_reader *r, bool constant, const char *what, int64_t rows, int64_t columns, int *next)
{
    if (constant) return ncnn_constant(r, what, true, 2, (const int64_t[]){rows, columns});
    if (*next >= r->now->n_in) {
        ncnn_fail(r, FM_ERR_FORMAT, "operand %s is missing", what);
        return 0;
    }
    const struct ncnn_blob *blob = r->in[(*next)++];
    if (!ncnn_expect_rank(r, blob, 2, 2)) return 0;
    return ncnn_squeeze(r, blob->value, 1, &(int64_t){0});
}

static void read_gemm(struct ncnn_reader *r, int arg)
{
    enum { C_NONE = -1, C_SCALAR, C_ROWS, C_ROWS_2D, C_FULL, C_COLUMNS };
    (void) arg;
    const float alpha = ncnn_float(r, 0, 1.0f), beta = ncnn_float(r, 1, 1.0f);
    const bool trans_a = ncnn_int(r, 2, 0) != 0, trans_b = ncnn_int(r, 3, 0) != 0;
    const bool const_a = ncnn_int(r, 4, 0) != 0, const_b = ncnn_int(r, 5, 0) != 0, const_c = ncnn_int(r, 6, 0) != 0;
    const int64_t m = ncnn_int(r, 7, 0), n = ncnn_int(r, 8, 0), k = ncnn_int(r, 9, 0), type_c = ncnn_int(r, 10, 0);
    if (ncnn_int(r, 11, 0) || ncnn_int(r, 14, 0)) ncnn_fail(r, FM_ERR_UNSUPPORTED, "other layouts of the result are not supported");
    if (ncnn_int(r, 18, 0)) ncnn_fail(r, FM_ERR_UNSUPPORTED, "int8 weights are not supported");
    for (int id = 12; id <= 22; id++)
        if (id <= 13 || id >= 20) ncnn_ignore(r, id); /* packing and block sizes */
    int next = 0;
    const int a = gemm_operand(r, const_a, "A", trans_a ? k : m, trans_a ? m : k, &next);
    const int b = gemm_operand(r, const_b, "B", trans_b ? n : k, trans_b ? k : n, &next);
    int c = -1;
    if (const_c && type_c != C_NONE) {
        const int64_t rows = type_c == C_SCALAR || type_c == C_COLUMNS ? 1 : m;
        const int64_t columns = type_c == C_FULL || type_c == C_COLUMNS ? n : 1;
        if (type_c < C_SCALAR || type_c > C_COLUMNS)
            ncnn_fail(r, FM_ERR_UNSUPPORTED, "broadcast type %lld is not supported", (long long) type_c);
        c = ncnn_constant(r, "C", true, 2, (const int64_t[]){rows, columns});
    } else if (!const_c && next < r->now->n_in) {
        c = gemm_operand(r, false, "C", 0, 0, &next);
    }
    if (next < r->now->n_in) ncnn_fail(r, FM_ERR_FORMAT, "it has %d inputs where %d belong", r->now->n_in, next);
    /* ncnn: alpha * (a * b + beta * c) */
    const union op_params p = {.gemm = {.alpha = alpha, .beta = alpha * beta, .trans_a = trans_a, .trans_b = trans_b}};
    const int y = c < 0 ? NCNN_EMIT(r, OP_GEMM, &p, a, b) : NCNN_EMIT(r, OP_GEMM, &p, a, b, c);
    struct ncnn_blob *out = ncnn_set(r, 0, ncnn_unsqueeze(r, y, 1, &(int64_t){0}), 2);
    if (r->code) return;
    if (const_a) out->dim[0] = m;
    if (const_b) out->dim[1] = n;
}

static void read_matmul(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const struct ncnn_blob *a = r->in[0], *b = r->in[1];
    const bool trans_b = ncnn_int(r, 0, 0) != 0;
    if (!ncnn_expect_rank(r, a, 2, 4) || !ncnn_expect_rank(r, b, 2, 4)) return;
    const int rank = a->rank > b->rank ? a->rank : b->rank;
    int side[2] = {a->value, b->value};
    for (int i = 0; i < 2; i++) { /* a matrix is the same for all of a batch */
        const struct ncnn_blob *blob = r->in[i];
        const int64_t axis[2] = {1, 2};
        if (blob->rank < rank) side[i] = ncnn_unsqueeze(r, blob->value, rank - blob->rank, axis);
    }
    if (trans_b) {
        int perm[NCNN_RANK_MAX + 1];
        for (int i = 0; i <= rank; i++) perm[i] = i;
        perm[rank] = rank - 1;
        perm[rank - 1] = rank;
        side[1] = ncnn_transpose(r, side[1], rank + 1, perm);
    }
    const struct ncnn_blob *big = a->rank == rank ? a : b;
    const int64_t rows = a->dim[a->rank - 2], columns = b->dim[b->rank - 1 - trans_b];
    struct ncnn_blob *out = ncnn_set_like(r, 0, NCNN_EMIT(r, OP_MATMUL, NULL, side[0], side[1]), big);
    if (r->code) return;
    if (rank == 2) out->input = -1;
    out->dim[rank - 2] = rows;
    out->dim[rank - 1] = columns;
    for (int i = 0; i < rank - 2; i++)
        if (out->dim[i] == 1) out->dim[i] = -1;
}

const struct ncnn_type ncnn_types_norm[] = {
    {"BatchNorm", read_batch_norm, 0, 1, 1, 1, 1},
    {"InstanceNorm", read_instance_norm, 0, 1, 1, 1, 1},
    {"LayerNorm", read_layer_norm, 0, 1, 1, 1, 1},
    {"GroupNorm", read_group_norm, 0, 1, 1, 1, 1},
    {"Normalize", read_normalize, 0, 1, 1, 1, 1},
    {"Softmax", read_softmax, 0, 1, 1, 1, 1},
    {"CumulativeSum", read_cumulative_sum, 0, 1, 1, 1, 1},
    {"Reduction", read_reduction, 0, 1, 1, 1, 1},
    {"GLU", read_glu, 0, 1, 1, 1, 1},
    {"InnerProduct", read_inner_product, 0, 1, 1, 1, 1},
    {"Gemm", read_gemm, 0, 0, 3, 1, 1},
    {"MatMul", read_matmul, 0, 2, 2, 1, 1},
    {0},
};
