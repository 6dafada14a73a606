/* SPDX-License-Identifier: MIT */
/* Layers that work on each element: activations, arithmetic, factors per channel, constants, and those that do nothing. */
#include "model/ncnn_reader.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- nothing ---- */

/* Split, Noop, DeepCopy: other names of the same value. */
static void read_alias(struct ncnn_reader *r, int arg)
{
    (void) arg;
    if (!r->now->n_in && r->now->n_out) ncnn_fail(r, FM_ERR_FORMAT, "it has outputs but no input");
    if (r->code) return;
    for (int i = 0; i < r->now->n_out; i++) {
        const struct ncnn_blob *from = r->in[r->now->n_in == r->now->n_out ? i : 0];
        ncnn_set_like(r, i, from->value, from);
    }
}

static void read_dropout(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const float scale = ncnn_float(r, 0, 1.0f);
    const int x = r->in[0]->value;
    ncnn_set_like(r, 0, scale == 1.0f ? x : NCNN_EMIT(r, OP_MUL, NULL, x, ncnn_f32(r, scale)), r->in[0]);
}

/* ---- one blob ---- */

static void read_plain(struct ncnn_reader *r, int op)
{
    ncnn_set_like(r, 0, NCNN_EMIT(r, (enum op_kind) op, NULL, r->in[0]->value), r->in[0]);
}

static void read_relu(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const union op_params p = {.scalar.a = ncnn_float(r, 0, 0.0f)};
    const int x = r->in[0]->value;
    ncnn_set_like(r, 0, p.scalar.a == 0.0f ? NCNN_EMIT(r, OP_RELU, NULL, x) : NCNN_EMIT(r, OP_LEAKY_RELU, &p, x), r->in[0]);
}

/* Operators with two numbers; the defaults are ncnn's. */
static void read_scalar(struct ncnn_reader *r, int op)
{
    union op_params p = {.scalar = {0.0f, 0.0f}};
    switch ((enum op_kind) op) {
    case OP_ELU: p.scalar.a = ncnn_float(r, 0, 0.1f); break;
    case OP_CELU: p.scalar.a = ncnn_float(r, 0, 1.0f); break;
    case OP_GELU: p.scalar.a = ncnn_int(r, 0, 0) ? 1.0f : 0.0f; break;
    case OP_SELU:
        p.scalar.a = ncnn_float(r, 0, 1.67326324f);
        p.scalar.b = ncnn_float(r, 1, 1.050700987f);
        break;
    default: /* HardSigmoid, HardSwish */
        p.scalar.a = ncnn_float(r, 0, 0.2f);
        p.scalar.b = ncnn_float(r, 1, 0.5f);
        break;
    }
    ncnn_set_like(r, 0, NCNN_EMIT(r, (enum op_kind) op, &p, r->in[0]->value), r->in[0]);
}

static void read_clip(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const float low = ncnn_float(r, 0, -FLT_MAX), high = ncnn_float(r, 1, FLT_MAX);
    ncnn_set_like(r, 0, NCNN_EMIT(r, OP_CLIP, NULL, r->in[0]->value, ncnn_f32(r, low), ncnn_f32(r, high)), r->in[0]);
}

static void read_threshold(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const int above = NCNN_EMIT(r, OP_GREATER, NULL, r->in[0]->value, ncnn_f32(r, ncnn_float(r, 0, 0.0f)));
    ncnn_set_like(r, 0, NCNN_EMIT(r, OP_CAST, &(union op_params){.cast.to = FM_F32}, above), r->in[0]);
}

/* shift + x * scale, without what changes nothing */
static int affine(struct ncnn_reader *r, int x, float scale, float shift)
{
    if (scale != 1.0f) x = NCNN_EMIT(r, OP_MUL, NULL, x, ncnn_f32(r, scale));
    return shift != 0.0f ? NCNN_EMIT(r, OP_ADD, NULL, x, ncnn_f32(r, shift)) : x;
}

/* Power: (shift + x * scale) ^ power. Exp, Log: base -1 is e. */
static void read_power(struct ncnn_reader *r, int op)
{
    const float first = ncnn_float(r, 0, op == OP_POW ? 1.0f : -1.0f);
    int x = affine(r, r->in[0]->value, ncnn_float(r, 1, 1.0f), ncnn_float(r, 2, 0.0f));
    if (op == OP_POW) {
        if (first != 1.0f) x = NCNN_EMIT(r, OP_POW, NULL, x, ncnn_f32(r, first));
    } else if (op == OP_EXP) {
        x = first == -1.0f ? NCNN_EMIT(r, OP_EXP, NULL, x) : NCNN_EMIT(r, OP_POW, NULL, ncnn_f32(r, first), x);
    } else {
        x = NCNN_EMIT(r, OP_LOG, NULL, x);
        if (first != -1.0f) {
            if (!(first > 0.0f) || first == 1.0f) ncnn_fail(r, FM_ERR_FORMAT, "%g is no base of a logarithm", (double) first);
            x = NCNN_EMIT(r, OP_MUL, NULL, x, ncnn_f32(r, (float) (1.0 / log((double) first))));
        }
    }
    ncnn_set_like(r, 0, x, r->in[0]);
}

static void read_unary(struct ncnn_reader *r, int arg)
{
    static const enum op_kind op[] = {OP_ABS, OP_NEG, OP_FLOOR, OP_CEIL, OP_MUL, OP_SQRT, OP_SQRT, OP_EXP, OP_LOG, OP_SIN, OP_COS,
        OP_TAN, OP_ASIN, OP_ACOS, OP_ATAN, OP_RECIPROCAL, OP_TANH, OP_LOG, OP_ROUND, OP_TRUNC};
    enum { SQUARE = 4, RSQRT = 6, LOG10 = 17 };
    (void) arg;
    const int64_t type = ncnn_int(r, 0, 0);
    const int x = r->in[0]->value;
    if (type < 0 || type >= (int64_t) (sizeof op / sizeof *op)) {
        ncnn_fail(r, FM_ERR_UNSUPPORTED, "operation %lld is not supported", (long long) type);
        return;
    }
    int y = type == SQUARE ? NCNN_EMIT(r, OP_MUL, NULL, x, x) : NCNN_EMIT(r, op[type], NULL, x);
    if (type == RSQRT) y = NCNN_EMIT(r, OP_RECIPROCAL, NULL, y);
    if (type == LOG10) y = NCNN_EMIT(r, OP_MUL, NULL, y, ncnn_f32(r, 0.434294481903251828f)); /* 1 / ln 10 */
    ncnn_set_like(r, 0, y, r->in[0]);
}

/* ---- two blobs and more ---- */

/* The smaller blob of an operation on two. ncnn matches dimensions from the outside (a [c] goes with the channels of a [c][h][w]),
 * ONNX from the inside. Only a vector may also mean the innermost dimension: when its length fits there and not outside. */
static int match(struct ncnn_reader *r, const struct ncnn_blob *blob, const struct ncnn_blob *other)
{
    if (blob->rank == 1 && other->rank > 1) {
        const int64_t n = blob->dim[0], outer = other->dim[0], inner = other->dim[other->rank - 1];
        const bool fits_outside = n < 0 || n == 1 || n == outer || (outer < 0 && n != inner);
        if (!fits_outside) {
            int64_t axis[NCNN_RANK_MAX];
            for (int i = 0; i < other->rank - 1; i++) axis[i] = i + 1;
            return ncnn_unsqueeze(r, blob->value, other->rank - 1, axis);
        }
    }
    return ncnn_lift(r, blob, other->rank);
}

/* What is known of the result's size: a dimension that is not 1 wins. */
static void set_broadcast(struct ncnn_reader *r, int value, const struct ncnn_blob *a, const struct ncnn_blob *b)
{
    const struct ncnn_blob *big = a->rank >= b->rank ? a : b, *small = big == a ? b : a;
    struct ncnn_blob *out = ncnn_set_like(r, 0, value, big);
    if (r->code) return;
    for (int i = 0; i < big->rank; i++) {
        const int64_t other = i < small->rank && small->rank == big->rank ? small->dim[i] : 1;
        if (out->dim[i] == 1)
            out->dim[i] = other;
        else if (out->dim[i] < 0 && other > 1)
            out->dim[i] = other;
    }
    if (big->dim[0] == 1) { /* the channels come from the other, or from a vector that was matched outside */
        out->input = -1;
        out->factor = 1;
        if (small->rank != big->rank) out->dim[0] = small->dim[0] == 1 ? 1 : -1;
    }
}

static int emit_binary(struct ncnn_reader *r, int64_t type, int a, int b)
{
    static const struct {
        enum op_kind op;
        bool reversed;
    } op[] = {{OP_ADD, false}, {OP_SUB, false}, {OP_MUL, false}, {OP_DIV, false}, {OP_MAX, false}, {OP_MIN, false}, {OP_POW, false},
        {OP_SUB, true}, {OP_DIV, true}, {OP_POW, true}, {OP_ATAN2, false}, {OP_ATAN2, true}};
    if (type < 0 || type >= (int64_t) (sizeof op / sizeof *op)) {
        ncnn_fail(r, FM_ERR_UNSUPPORTED, "operation %lld is not supported", (long long) type);
        return 0;
    }
    return op[type].reversed ? NCNN_EMIT(r, op[type].op, NULL, b, a) : NCNN_EMIT(r, op[type].op, NULL, a, b);
}

static void read_binary(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const int64_t type = ncnn_int(r, 0, 0), with_scalar = ncnn_int(r, 1, 0);
    const float scalar = ncnn_float(r, 2, 0.0f);
    if (r->now->n_in != (with_scalar ? 1 : 2)) {
        ncnn_fail(r, FM_ERR_FORMAT, "it has %d inputs where %d belong", r->now->n_in, with_scalar ? 1 : 2);
        return;
    }
    const struct ncnn_blob *a = r->in[0];
    if (with_scalar) {
        ncnn_set_like(r, 0, emit_binary(r, type, a->value, ncnn_f32(r, scalar)), a);
        return;
    }
    const struct ncnn_blob *b = r->in[1];
    const int x = a->rank < b->rank ? match(r, a, b) : a->value;
    const int y = b->rank < a->rank ? match(r, b, a) : b->value;
    set_broadcast(r, emit_binary(r, type, x, y), a, b);
}

static void read_eltwise(struct ncnn_reader *r, int arg)
{
    enum { PROD, SUM, MAX };
    (void) arg;
    const int64_t type = ncnn_int(r, 0, PROD);
    const double *coefficient;
    const int n = ncnn_array(r, 1, &coefficient), n_in = r->now->n_in;
    if (type < PROD || type > MAX) ncnn_fail(r, FM_ERR_UNSUPPORTED, "operation %lld is not supported", (long long) type);
    if (n && n != n_in) ncnn_fail(r, FM_ERR_FORMAT, "it has %d coefficients for %d inputs", n, n_in);
    int sum = 0;
    for (int i = 0; i < n_in && !r->code; i++) {
        if (!ncnn_expect_rank(r, r->in[i], r->in[0]->rank, r->in[0]->rank)) return;
        int x = r->in[i]->value;
        if (type == SUM && n && coefficient[i] != 1.0) x = NCNN_EMIT(r, OP_MUL, NULL, x, ncnn_f32(r, (float) coefficient[i]));
        sum = !i             ? x
              : type == PROD ? NCNN_EMIT(r, OP_MUL, NULL, sum, x)
              : type == SUM  ? NCNN_EMIT(r, OP_ADD, NULL, sum, x)
                             : NCNN_EMIT(r, OP_MAX, NULL, sum, x);
    }
    ncnn_set_like(r, 0, sum, r->in[0]);
}

/* ---- one number per channel ---- */

/* A constant that goes with the outermost dimension of `blob`: [n][1]... */
static int per_channel(struct ncnn_reader *r, const struct ncnn_blob *blob, const char *what, int64_t n)
{
    const int64_t dim[NCNN_RANK_MAX] = {n, 1, 1, 1};
    return ncnn_constant(r, what, false, blob->rank, dim);
}

static void read_prelu(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const int64_t n = ncnn_int(r, 0, 0);
    struct ncnn_blob *x = r->in[0];
    int y;
    if (n == 1) {
        struct ncnn_weights slope;
        union op_params p = {.scalar = {0.0f, 0.0f}};
        if (!ncnn_weights(r, 1, false, "slope", &slope)) return;
        memcpy(&p.scalar.a, slope.data, sizeof p.scalar.a);
        y = NCNN_EMIT(r, OP_LEAKY_RELU, &p, x->value);
    } else {
        ncnn_expect_channels(r, x, n);
        y = NCNN_EMIT(r, OP_PRELU, NULL, x->value, per_channel(r, x, "slope", n));
    }
    ncnn_set_like(r, 0, y, x);
}

static void read_scale(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const int64_t n = ncnn_int(r, 0, 0), has_bias = ncnn_int(r, 1, 0);
    struct ncnn_blob *x = r->in[0];
    if (r->now->n_in != (n == NCNN_OPEN ? 2 : 1)) ncnn_fail(r, FM_ERR_FORMAT, "it has %d inputs", r->now->n_in);
    if (n == NCNN_OPEN && has_bias) ncnn_fail(r, FM_ERR_UNSUPPORTED, "a bias together with a scale from a blob is not supported");
    if (r->code) return;
    int y;
    if (n == NCNN_OPEN) {
        if (r->in[1]->rank > x->rank) {
            ncnn_fail(r, FM_ERR_SHAPE, "the scale has more dimensions than what it scales");
            return;
        }
        y = NCNN_EMIT(r, OP_MUL, NULL, x->value, ncnn_lift(r, r->in[1], x->rank));
    } else {
        if (n != 1) ncnn_expect_channels(r, x, n);
        y = NCNN_EMIT(r, OP_MUL, NULL, x->value, per_channel(r, x, "scale", n));
        if (has_bias) y = NCNN_EMIT(r, OP_ADD, NULL, y, per_channel(r, x, "bias", n));
    }
    ncnn_set_like(r, 0, y, x);
}

static void read_bias(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const int64_t n = ncnn_int(r, 0, 0);
    ncnn_expect_channels(r, r->in[0], n);
    ncnn_set_like(r, 0, NCNN_EMIT(r, OP_ADD, NULL, r->in[0]->value, per_channel(r, r->in[0], "bias", n)), r->in[0]);
}

/* ---- constants ---- */

static void read_memory_data(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const int64_t w = ncnn_int(r, 0, 0), h = ncnn_int(r, 1, 0), c = ncnn_int(r, 2, 0), d = ncnn_int(r, 11, 0);
    const int64_t load_type = ncnn_int(r, 21, 1);
    const int rank = d ? 4 : c ? 3 : h ? 2 : 1;
    const int64_t inner_first[NCNN_RANK_MAX] = {w, h, rank == 4 ? d : c, c};
    int64_t dim[NCNN_RANK_MAX + 1] = {1};
    if (load_type != 0 && load_type != 1)
        ncnn_fail(r, FM_ERR_UNSUPPORTED, "load type %lld is not supported", (long long) load_type);
    for (int i = 0; i < rank; i++) dim[rank - i] = inner_first[i];
    struct ncnn_blob *out = ncnn_set(r, 0, ncnn_constant(r, "data", load_type == 0, rank + 1, dim), rank);
    if (r->code) return;
    for (int i = 0; i < rank; i++) out->dim[i] = dim[i + 1];
}

const struct ncnn_type ncnn_types_elementwise[] = {
    {"Split", read_alias, 0, 1, 1, 1, 1 << 20},
    {"Noop", read_alias, 0, 0, 1 << 20, 0, 1 << 20},
    {"DeepCopy", read_alias, 0, 1, 1, 1, 1},
    {"Dropout", read_dropout, 0, 1, 1, 1, 1},
    {"ReLU", read_relu, 0, 1, 1, 1, 1},
    {"Sigmoid", read_plain, OP_SIGMOID, 1, 1, 1, 1},
    {"Swish", read_plain, OP_SILU, 1, 1, 1, 1},
    {"Mish", read_plain, OP_MISH, 1, 1, 1, 1},
    {"TanH", read_plain, OP_TANH, 1, 1, 1, 1},
    {"Tanh", read_plain, OP_TANH, 1, 1, 1, 1},
    {"Softplus", read_plain, OP_SOFTPLUS, 1, 1, 1, 1},
    {"BNLL", read_plain, OP_SOFTPLUS, 1, 1, 1, 1},
    {"Erf", read_plain, OP_ERF, 1, 1, 1, 1},
    {"AbsVal", read_plain, OP_ABS, 1, 1, 1, 1},
    {"ELU", read_scalar, OP_ELU, 1, 1, 1, 1},
    {"SELU", read_scalar, OP_SELU, 1, 1, 1, 1},
    {"CELU", read_scalar, OP_CELU, 1, 1, 1, 1},
    {"GELU", read_scalar, OP_GELU, 1, 1, 1, 1},
    {"HardSigmoid", read_scalar, OP_HARD_SIGMOID, 1, 1, 1, 1},
    {"HardSwish", read_scalar, OP_HARD_SWISH, 1, 1, 1, 1},
    {"Clip", read_clip, 0, 1, 1, 1, 1},
    {"Threshold", read_threshold, 0, 1, 1, 1, 1},
    {"Power", read_power, OP_POW, 1, 1, 1, 1},
    {"Exp", read_power, OP_EXP, 1, 1, 1, 1},
    {"Log", read_power, OP_LOG, 1, 1, 1, 1},
    {"UnaryOp", read_unary, 0, 1, 1, 1, 1},
    {"BinaryOp", read_binary, 0, 1, 2, 1, 1},
    {"Eltwise", read_eltwise, 0, 2, 4096, 1, 1},
    {"PReLU", read_prelu, 0, 1, 1, 1, 1},
    {"Scale", read_scale, 0, 1, 2, 1, 1},
    {"Bias", read_bias, 0, 1, 1, 1, 1},
    {"MemoryData", read_memory_data, 0, 0, 0, 1, 1},
    {0},
};
