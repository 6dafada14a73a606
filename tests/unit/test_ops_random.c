/* SPDX-License-Identifier: MIT */
/* Every operator against what a damaged or hostile file may ask of it: random shapes, types, parameters and data, sane and
 * absurd. Whatever comes, the rule refuses with a message or the code runs; it stays inside its tensors (exact blocks under a
 * sanitizer), writes every byte of its outputs (two runs over different fillings agree), leaves its inputs alone and gives
 * the same answer twice. FM_SEED and FM_ROUNDS change the seed and the number of tries per operator. */
#include "core/alloc.h"
#include "op_case.h"

enum { BYTES_MAX = 1 << 16 };

static uint64_t state;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static int64_t below(int64_t n) { return (int64_t) (next() % (uint64_t) n); }
static bool rarely(void) { return below(40) == 0; }

/* Mostly small, now and then a number that no sum or product survives. */
static int64_t number(int64_t low, int64_t high)
{
    static const int64_t absurd[] = {INT64_MIN, INT64_MIN + 1, INT64_MAX, INT64_MAX - 1, INT64_C(1) << 62, -(INT64_C(1) << 62),
                                     INT64_C(1) << 32, INT32_MAX, INT32_MIN, -1000, 1000};
    if (below(60) == 0) return absurd[below(sizeof absurd / sizeof absurd[0])];
    return low + below(high - low + 1);
}

static enum fm_dtype some_type(void)
{
    return below(2) ? FM_F32 : (enum fm_dtype) (FM_F32 + below(FM_DTYPE_COUNT - FM_F32));
}

static void fill(struct fm_tensor *t, bool as_index)
{
    const int64_t n = fm_tensor_count(t);
    if (n <= 0) return;
    t->data = malloc((size_t) n * fm_dtype_size(t->dtype));
    for (int64_t i = 0; i < n; i++) {
        const bool whole = as_index || !op_is_float(t->dtype);
        double v = whole ? (double) below(5) - (op_is_unsigned(t->dtype) ? 0 : 1) : (double) below(2001) / 256 - 4;
        if (op_is_float(t->dtype) && below(50) == 0) v = (double[]) {NAN, INFINITY, -INFINITY, 1e30, -0.0}[below(5)];
        op_put(t, i, v);
        if (t->dtype == FM_I64 && below(60) == 0) ((int64_t *) t->data)[i] = number(0, 1);
        if (t->dtype == FM_I32 && below(60) == 0) ((int32_t *) t->data)[i] = below(2) ? INT32_MIN : INT32_MAX;
    }
}

static void random_shape(struct fm_tensor *t, int max_rank)
{
    t->rank = rarely() ? (int) below(FM_MAX_RANK + 1) : (int) below(max_rank + 1);
    for (int i = 0; i < t->rank; i++) t->dim[i] = rarely() ? 0 : below(3) ? 1 + below(4) : 1;
    if (below(200) == 0 && t->rank) t->dim[below(t->rank)] = -1;
}

/* A relative of the first input's shape: the same, a part of it, with ones in it. */
static void related_shape(struct fm_tensor *t, const struct fm_tensor *first)
{
    const int skip = below(3) ? 0 : (int) below(first->rank + 1);
    t->rank = first->rank - skip;
    for (int i = 0; i < t->rank; i++) t->dim[i] = below(5) ? first->dim[i + skip] : 1;
}

static void window_params(struct op_window *w, int spatial)
{
    w->n = rarely() ? (int) below(4) : spatial;
    w->auto_pad = (enum op_auto_pad) (below(3) ? AUTO_PAD_NOTSET : below(4));
    for (int i = 0; i < GRAPH_SPATIAL_MAX; i++) {
        w->kernel[i] = number(1, 3);
        w->stride[i] = number(1, 2);
        w->dilation[i] = number(1, 2);
        w->pad_begin[i] = number(0, 2);
        w->pad_end[i] = number(0, 2);
    }
}

static void random_params(struct graph_node *node, const struct fm_tensor *first)
{
    static const char *const equations[] = {
        "ij,jk->ik", "ii->i", "...a,...b->...ab", "ij->ji", "i,i", "ij,j", "bij,bjk->bik", "i->", "->", "ij,kl->", "i1,j",
        "...ij->...ji", "ij->iij", ",", "a...b->...", "abc",
    };
    static union op_params clear;
    union op_params *p = &node->p;
    const int rank = first->rank > 0 ? first->rank : 0;
    *p = clear;
    switch (node->op) {
    case OP_CONV: case OP_CONV_TRANSPOSE:
        window_params(&p->conv.window, rank > 2 ? rank - 2 : 1);
        p->conv.group = number(1, 2);
        p->conv.has_output_shape = node->op == OP_CONV_TRANSPOSE && below(4) == 0;
        for (int i = 0; i < GRAPH_SPATIAL_MAX; i++) {
            p->conv.output_pad[i] = node->op == OP_CONV_TRANSPOSE ? number(0, 1) : 0;
            p->conv.output_shape[i] = number(1, 8);
        }
        break;
    case OP_MAX_POOL: case OP_AVERAGE_POOL:
        window_params(&p->pool.window, rank > 2 ? rank - 2 : 1);
        p->pool.ceil_mode = below(2);
        p->pool.count_include_pad = below(2);
        p->pool.column_major = below(2);
        p->pool.ncnn_full = below(4) == 0;
        break;
    case OP_BATCH_NORM: case OP_INSTANCE_NORM: case OP_LAYER_NORM: case OP_GROUP_NORM:
        p->norm.epsilon = 1e-5f;
        p->norm.momentum = 0.9f;
        p->norm.axis = number(-4, 4);
        p->norm.groups = number(1, 3);
        p->norm.training = below(4) == 0;
        p->norm.per_group_scale = below(2);
        break;
    case OP_PAD: p->pad.mode = (enum op_pad_mode) below(4); break;
    case OP_RESIZE:
        p->resize.mode = (enum op_resize_mode) below(3);
        p->resize.coordinates = (enum op_coordinates) below(7);
        p->resize.nearest = (enum op_nearest) below(4);
        p->resize.aspect = (enum op_aspect) below(3);
        p->resize.cubic_a = -0.75f;
        p->resize.antialias = below(3) == 0;
        p->resize.exclude_outside = below(2);
        p->resize.n_axes = (int) below(3);
        for (int i = 0; i < FM_MAX_RANK; i++) p->resize.axes[i] = number(-3, 3);
        break;
    case OP_DEPTH_TO_SPACE: case OP_SPACE_TO_DEPTH:
        p->block.size = number(1, 2);
        p->block.crd = below(2);
        break;
    case OP_TRANSPOSE:
        p->perm.n = below(4) ? rank : (int) below(4);
        for (int i = 0; i < p->perm.n; i++) p->perm.perm[i] = rarely() ? number(-3, 3) : (i + 1) % p->perm.n;
        break;
    case OP_REDUCE_MEAN: case OP_REDUCE_SUM: case OP_REDUCE_MAX: case OP_REDUCE_MIN: case OP_REDUCE_PROD: case OP_REDUCE_L1:
    case OP_REDUCE_L2: case OP_REDUCE_SUM_SQUARE: case OP_REDUCE_LOG_SUM: case OP_REDUCE_LOG_SUM_EXP: case OP_ARG_MAX:
    case OP_ARG_MIN: case OP_TOP_K: case OP_CUM_SUM:
        p->reduce.axis = number(-2, 2);
        p->reduce.keep_dims = below(2);
        p->reduce.no_op_if_no_axes = below(2);
        p->reduce.select_last = below(2);
        p->reduce.largest = below(2);
        p->reduce.sorted = below(2);
        p->reduce.exclusive = below(2);
        p->reduce.reverse = below(2);
        break;
    case OP_GEMM: p->gemm.alpha = 2; p->gemm.beta = 0.5f; p->gemm.trans_a = below(2); p->gemm.trans_b = below(2); break;
    case OP_EINSUM: p->einsum.equation = equations[below(sizeof equations / sizeof equations[0])]; break;
    case OP_SHAPE: p->range.start = number(-2, 2); p->range.end = number(-2, 4); p->range.has_end = below(2); break;
    case OP_CAST: p->cast.to = (enum fm_dtype) below(FM_DTYPE_COUNT); break;
    case OP_CONSTANT_OF_SHAPE: p->fill.dtype = (enum fm_dtype) below(FM_DTYPE_COUNT); break;
    case OP_LEAKY_RELU: case OP_ELU: case OP_SELU: case OP_CELU: case OP_HARD_SIGMOID: case OP_HARD_SWISH: case OP_GELU:
    case OP_MOD:
        p->scalar.a = below(2) ? 1 : 0;
        p->scalar.b = 0.5f;
        break;
    default:
        p->axis.axis = number(-3, 2);
        p->axis.a = node->op == OP_SPLIT && below(2) ? node->n_out : below(3) ? 0 : number(0, 4);
        p->axis.flag = below(2);
        break;
    }
}

/* Which inputs are lists of positions or sizes: those get integer types and ranks to go with it. */
static bool is_list(enum op_kind op, int k)
{
    switch (op) {
    case OP_SPLIT: case OP_SQUEEZE: case OP_UNSQUEEZE: case OP_EXPAND: case OP_TILE: case OP_TOP_K: case OP_CUM_SUM: case OP_TRILU:
    case OP_RESHAPE: case OP_REDUCE_SUM: case OP_REDUCE_MAX: case OP_REDUCE_MEAN: case OP_REDUCE_MIN: case OP_REDUCE_PROD:
    case OP_REDUCE_L1: case OP_REDUCE_L2: case OP_REDUCE_SUM_SQUARE: case OP_REDUCE_LOG_SUM: case OP_REDUCE_LOG_SUM_EXP:
        return k == 1;
    case OP_SLICE: return k >= 1;
    case OP_PAD: return k == 1 || k == 3;
    case OP_RESIZE: return k == 3;
    case OP_CONSTANT_OF_SHAPE: return k == 0;
    default: return false;
    }
}

/* Operators whose inputs must fit each other closely: shapes that nearly always do. */
static bool fitting_shape(enum op_kind op, int k, struct fm_tensor *t, const struct fm_tensor *first)
{
    const int64_t channels = first->rank > 1 && k > 0 ? first->dim[1] : 2;
    switch (op) {
    case OP_CONV: case OP_CONV_TRANSPOSE:
        t->rank = k < 2 || k == 4 ? (k ? first->rank : 3 + (int) below(3)) : 1;
        for (int i = 0; i < t->rank; i++) t->dim[i] = 1 + below(k ? 3 : 5);
        t->dim[0] = k == 0 ? 1 + below(2) : 2;
        if (k < 2) t->dim[1] = k == 0 || below(2) ? 2 : 1;
        return true;
    case OP_BATCH_NORM: case OP_INSTANCE_NORM: case OP_GROUP_NORM:
        if (k == 0) return false;
        t->rank = 1;
        t->dim[0] = channels;
        return true;
    case OP_NON_MAX_SUPPRESSION:
        t->rank = k < 2 ? 3 : k == 2 ? 1 : 0;
        t->dim[0] = 1;
        t->dim[1] = k == 0 ? 1 + below(6) : 2;
        t->dim[2] = k == 0 ? 4 : channels;
        return true;
    case OP_GEMM: case OP_MATMUL:
        t->rank = 2;
        t->dim[0] = t->dim[1] = 2;
        return true;
    case OP_RESIZE:
        if (k == 0 || first->rank < 0) return false;
        t->rank = 1;
        t->dim[0] = k == 1 ? 2 * first->rank : first->rank;
        return true;
    case OP_SCATTER_ND:
        if (k == 0) return false;
        t->rank = k == 1 ? 2 : first->rank > 0 ? first->rank : 1;
        for (int i = 1; i < t->rank; i++) t->dim[i] = k == 1 ? 1 : first->dim[i];
        t->dim[0] = 2;
        return true;
    default: return false;
    }
}

static void make_inputs(struct op_case *c)
{
    const struct op_def *def = op_def(c->node.op);
    const int most = def->max_in < 5 ? def->max_in : 5;
    const bool indexed = c->node.op == OP_GATHER || c->node.op == OP_GATHER_ELEMENTS || c->node.op == OP_GATHER_ND ||
                         c->node.op == OP_SCATTER_ND;
    const enum fm_dtype type = c->node.op >= OP_AND && c->node.op <= OP_XOR ? FM_BOOL : some_type();
    c->node.n_in = def->min_in + (int) below(most - def->min_in + 1);
    for (int k = 0; k < c->node.n_in; k++) {
        struct fm_tensor *t = &c->in[k];
        t->dtype = rarely() ? some_type() : type;
        const bool is_fused = c->node.op <= OP_CONV_TRANSPOSE && c->node.op >= OP_CONV && k > 2; /* rewrites only */
        if (k >= def->min_in && (is_fused ? !rarely() : below(3) == 0)) {
            t->dtype = FM_DTYPE_NONE;
            continue;
        }
        if (is_list(c->node.op, k)) {
            t->dtype = rarely() ? some_type() : below(2) ? FM_I64 : FM_I32;
            t->rank = rarely() ? 2 : below(4) ? 1 : 0;
            const int64_t rank = c->in[0].rank > 0 && below(3) ? c->in[0].rank : 1 + below(3);
            for (int i = 0; i < t->rank; i++) t->dim[i] = rarely() ? below(20) : rank;
            if (c->node.op == OP_PAD && k == 1 && t->rank == 1 && below(4)) t->dim[0] = 2 * (c->in[0].rank > 0 ? c->in[0].rank : 0);
        } else if (!rarely() && fitting_shape(c->node.op, k, t, &c->in[0])) {
            ;
        } else if (k == 0 || below(3) == 0) {
            random_shape(t, 4);
        } else {
            related_shape(t, &c->in[0]);
        }
        if (indexed && k == 1) t->dtype = below(2) ? FM_I64 : FM_I32;
        if (c->node.op == OP_WHERE && k == 0 && !rarely()) t->dtype = FM_BOOL;
        if (c->node.op == OP_DEQUANTIZE_LINEAR && k != 1 && !rarely()) t->dtype = FM_I8;
        if (c->node.op == OP_DEQUANTIZE_LINEAR && k == 1 && !rarely()) t->dtype = FM_F32;
        if (c->node.op == OP_RANGE && below(8)) t->rank = 0;
        if (c->node.op == OP_NON_MAX_SUPPRESSION && !rarely()) t->dtype = k == 2 ? FM_I64 : FM_F32;
        if (c->node.op == OP_RESIZE && k == 2 && !rarely()) t->dtype = FM_F32;
        fill(t, is_list(c->node.op, k) || (indexed && k == 1));
        if (below(100) == 0 && t->data) { /* not known before the run */
            free(t->data);
            t->data = NULL;
        }
    }
}

static bool all_known(const struct op_case *c)
{
    for (int k = 0; k < c->node.n_in; k++)
        if (c->in[k].dtype != FM_DTYPE_NONE && !c->in[k].data && fm_tensor_count(&c->in[k]) != 0) return false;
    return true;
}

static uint64_t digest(const struct fm_tensor *t, int n)
{
    uint64_t hash = 1469598103934665603u;
    for (int k = 0; k < n; k++) {
        const int64_t count = t[k].data ? fm_tensor_count(&t[k]) : 0;
        for (int64_t i = 0; i < count * (int64_t) fm_dtype_size(t[k].dtype); i++)
            hash = (hash ^ ((const uint8_t *) t[k].data)[i]) * 1099511628211u;
    }
    return hash;
}

/* Runs twice over outputs filled with different bytes. */
static void run_twice(struct op_case *c, uint64_t seed, int *ran)
{
    uint64_t got[2] = {0, 0};
    const uint64_t before = digest(c->in, c->node.n_in);
    const int64_t live = core_alloc_live();
    int result[2] = {0, 0};
    for (int pass = 0; pass < 2; pass++) {
        for (int k = 0; k < c->node.n_out; k++) {
            const size_t size = (size_t) fm_tensor_count(&c->out[k]) * fm_dtype_size(c->out[k].dtype);
            c->out[k].data = size ? malloc(size) : NULL;
            if (size) memset(c->out[k].data, pass ? 0x11 : 0xee, size);
        }
        c->error.message[0] = '\0';
        result[pass] = op_def(c->node.op)->run(&c->node, c->in, c->out, &c->error);
        got[pass] = digest(c->out, c->node.n_out);
        for (int k = 0; k < c->node.n_out; k++) {
            free(c->out[k].data);
            c->out[k].data = NULL;
        }
    }
    CHECK_MSG(core_alloc_live() == live, "%s leaks, seed %" PRIu64, c->node.type, seed);
    CHECK_MSG(result[0] == result[1], "%s answers %d, then %d, seed %" PRIu64, c->node.type, result[0], result[1], seed);
    CHECK_MSG(result[0] == FM_OK || c->error.message[0], "%s gives %d without a message, seed %" PRIu64, c->node.type, result[0],
              seed);
    CHECK_MSG(digest(c->in, c->node.n_in) == before, "%s changes its inputs, seed %" PRIu64, c->node.type, seed);
    if (result[0] == FM_OK) {
        CHECK_MSG(got[0] == got[1], "%s leaves bytes unwritten or differs between runs, seed %" PRIu64, c->node.type, seed);
        ++*ran;
    }
}

static void one_try(enum op_kind op, uint64_t seed, int *ran)
{
    struct op_case c;
    int64_t bytes = 0;
    state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (int i = 0; i < 4; i++) next();
    op_case_start(&c, op, 1);
    const struct op_def *def = op_def(op);
    c.node.n_out = def->min_out + (int) below((def->max_out < 3 ? def->max_out : 3) - def->min_out + 1);
    make_inputs(&c);
    random_params(&c.node, &c.in[0]);
    const int result = op_case_shape(&c);
    CHECK_MSG(result <= 0 && (result == FM_OK || result == FM_ERR_AGAIN || c.error.message[0]),
              "%s: rule gives %d without a message, seed %" PRIu64,
              c.node.type, result, seed);
    bool fits = result == FM_OK && all_known(&c);
    for (int k = 0; k < c.node.n_out && result == FM_OK; k++) {
        const int64_t n = fm_tensor_count(&c.out[k]);
        CHECK_MSG(n >= 0 && fm_dtype_size(c.out[k].dtype) > 0, "%s: output %d is not whole, seed %" PRIu64, c.node.type, k, seed);
        if (n < 0 || n > BYTES_MAX || bytes > BYTES_MAX) fits = false;
        else bytes += n * (int64_t) fm_dtype_size(c.out[k].dtype);
    }
    if (fits) run_twice(&c, seed, ran);
    op_case_end(&c);
}

static void everything(void)
{
    const char *seed_text = getenv("FM_SEED"), *rounds_text = getenv("FM_ROUNDS");
    const uint64_t first = seed_text ? strtoull(seed_text, NULL, 10) : 1;
    const uint64_t rounds = rounds_text ? strtoull(rounds_text, NULL, 10) : 1000;
    for (int op = 0; op < OP_COUNT; op++) {
        int ran = 0;
        for (uint64_t i = 0; i < rounds; i++) one_try((enum op_kind) op, first + i, &ran);
        /* the tries must reach the code behind the rule, or they show nothing */
        if (rounds >= 1000 && op != OP_IF) CHECK_MSG(ran > 0, "%s never ran in %" PRIu64 " tries",
                                                     op_def((enum op_kind) op)->name, rounds);
        if (getenv("FM_VERBOSE")) printf("%s: %d of %" PRIu64 " ran\n", op_def((enum op_kind) op)->name, ran, rounds);
    }
}

int main(void)
{
    RUN(everything);
    return check_report();
}
