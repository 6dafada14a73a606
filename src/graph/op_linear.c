/* SPDX-License-Identifier: MIT */
/* Matrix products: MatMul over broadcast batches, Gemm. Floats are summed in double, integers in 64 bits that wrap as their type
 * would. (Einsum has a file of its own.) */
#include "core/alloc.h"
#include "graph/op_tools.h"

/* A matrix inside a tensor: element (r, c) is at first + r * row + c * col. */
struct matrix { const struct fm_tensor *t; int64_t first, rows, cols, row, col; };

static void load_matrix(const struct matrix *m, bool floats, void *to)
{
    double *f = to;
    uint64_t *u = to;
    if (floats && m->col == 1 && m->row == m->cols) {
        op_load_f64(m->t, m->first, m->rows * m->cols, f);
        return;
    }
    for (int64_t r = 0; r < m->rows; r++)
        for (int64_t c = 0; c < m->cols; c++) {
            const int64_t i = m->first + r * m->row + c * m->col;
            if (floats)
                *f++ = op_get_f(m->t, i);
            else
                *u++ = (uint64_t) op_get_i(m->t, i);
        }
}

/* to [n] = a [depth] x b [depth][n] */
static void row_f64(double *to, const double *a, const double *b, int64_t depth, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = 0.0;
    for (int64_t k = 0; k < depth; k++, b += n)
        for (int64_t i = 0; i < n; i++)
            to[i] += a[k] * b[i];
}

static void row_u64(uint64_t *to, const uint64_t *a, const uint64_t *b, int64_t depth, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = 0;
    for (int64_t k = 0; k < depth; k++, b += n)
        for (int64_t i = 0; i < n; i++)
            to[i] += a[k] * b[i];
}

/* Scratch of one product [rows][depth] x [depth][n]: the left row, the right matrix, the result's row, 8 bytes an element. */
struct product { void *a, *b, *to; };

static int product_start(struct product *p, int64_t depth, int64_t n, struct fm_error *error)
{
    int64_t size = 0;
    *p = (struct product){NULL, NULL, NULL};
    if (!core_mul_i64(depth, n, &size))
        return core_fail_nomem(error, 0);
    p->a = op_scratch(depth, 8, error);
    p->b = p->a ? op_scratch(size, 8, error) : NULL;
    p->to = p->b ? op_scratch(n, 8, error) : NULL;
    return p->to ? FM_OK : FM_ERR_NOMEM;
}

static void product_end(struct product *p)
{
    core_free(p->a);
    core_free(p->b);
    core_free(p->to);
}

static void product_row(struct product *p, const struct matrix *a, int64_t r, int64_t n, bool floats)
{
    const struct matrix row = {a->t, a->first + r * a->row, 1, a->cols, a->cols, a->col};
    load_matrix(&row, floats, p->a);
    if (floats)
        row_f64(p->to, p->a, p->b, a->cols, n);
    else
        row_u64(p->to, p->a, p->b, a->cols, n);
}

/* Both floats (of any two widths) or the same integer type. */
static int check_types(const struct graph_node *node, const struct fm_tensor *in, struct fm_error *error)
{
    int err = op_need_type(in[0].dtype != FM_BOOL, &in[0], error);
    for (int k = 1; k < node->n_in && !err; k++)
        if (op_input(node, in, k) && in[k].dtype != in[0].dtype && !(op_is_float(in[k].dtype) && op_is_float(in[0].dtype)))
            err = core_fail(error, FM_ERR_SHAPE, "%s cannot be multiplied with %s", fm_dtype_name(in[0].dtype),
                            fm_dtype_name(in[k].dtype));
    return err;
}

static int misfit(const struct fm_tensor *a, const struct fm_tensor *b, struct fm_error *error)
{
    char s[OP_SHAPE_TEXT], t[OP_SHAPE_TEXT];
    return core_fail(error, FM_ERR_SHAPE, "matrices %s and %s do not fit each other", op_shape_text(a, s), op_shape_text(b, t));
}

/* --- MatMul ---------------------------------------------------------------------------------------------------------------- */

/* Both operands as stacks of matrices: a list on the left is a row, on the right a column. */
static void as_stacks(const struct fm_tensor *in, struct fm_tensor *a, struct fm_tensor *b)
{
    *a = in[0];
    *b = in[1];
    if (a->rank == 1) {
        a->rank = 2;
        a->dim[1] = a->dim[0];
        a->dim[0] = 1;
    }
    if (b->rank == 1) {
        b->rank = 2;
        b->dim[1] = 1;
    }
}

/* The batch dimensions alone. */
static struct fm_tensor batch_of(const struct fm_tensor *t)
{
    struct fm_tensor batch = *t;
    batch.rank -= 2;
    return batch;
}

int op_matmul_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int err = op_begin(node, in, out, 2, in[0].dtype, error);
    if (!err)
        err = check_types(node, in, error);
    if (err)
        return err;
    if (in[0].rank < 1 || in[1].rank < 1)
        return core_fail(error, FM_ERR_SHAPE, "a scalar is no matrix");
    struct fm_tensor a, b;
    as_stacks(in, &a, &b);
    struct fm_tensor y = batch_of(&a);
    const struct fm_tensor batch_b = batch_of(&b);
    if (a.dim[a.rank - 1] != b.dim[b.rank - 2] || !op_broadcast(&y, &batch_b, &y))
        return misfit(&in[0], &in[1], error);
    if (in[0].rank > 1)
        y.dim[y.rank++] = a.dim[a.rank - 2];
    if (in[1].rank > 1)
        y.dim[y.rank++] = b.dim[b.rank - 1];
    return op_output(&out[0], in[0].dtype, y.rank, y.dim, error);
}

/* Offset of the t-th batch, counted over the batch dimensions of the result. */
static int64_t batch_offset(int64_t index, const struct fm_tensor *batch, const int64_t *stride)
{
    int64_t offset = 0;
    for (int i = batch->rank - 1; i >= 0; i--) {
        offset += index % batch->dim[i] * stride[i];
        index /= batch->dim[i];
    }
    return offset;
}

int op_matmul_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    (void) node;
    if (fm_tensor_count(&out[0]) == 0)
        return FM_OK;
    const bool floats = op_is_float(in[0].dtype);
    struct fm_tensor a, b;
    as_stacks(in, &a, &b);
    const int64_t rows = a.dim[a.rank - 2], depth = a.dim[a.rank - 1], n = b.dim[b.rank - 1];
    const struct fm_tensor batch_a = batch_of(&a), batch_b = batch_of(&b);
    struct fm_tensor batch = {.rank = 0};
    int64_t stride_a[FM_MAX_RANK], stride_b[FM_MAX_RANK];
    op_broadcast(&batch_a, &batch_b, &batch);
    op_broadcast_strides(&batch_a, &batch, stride_a);
    op_broadcast_strides(&batch_b, &batch, stride_b);
    struct product p;
    const int err = product_start(&p, depth, n, error);
    int64_t loaded = -1;
    for (int64_t t = 0; !err && t < fm_tensor_count(&batch); t++) {
        const struct matrix left = {&a, batch_offset(t, &batch, stride_a) * rows * depth, rows, depth, depth, 1};
        const struct matrix right = {&b, batch_offset(t, &batch, stride_b) * depth * n, depth, n, n, 1};
        if (right.first != loaded)
            load_matrix(&right, floats, p.b);
        loaded = right.first;
        for (int64_t r = 0; r < rows; r++) {
            product_row(&p, &left, r, n, floats);
            if (floats)
                op_store_f64(&out[0], (t * rows + r) * n, n, p.to);
            for (int64_t i = 0; !floats && i < n; i++)
                op_set_i(&out[0], (t * rows + r) * n + i, (int64_t) ((const uint64_t *) p.to)[i]);
        }
    }
    product_end(&p);
    return err;
}

/* --- Gemm ------------------------------------------------------------------------------------------------------------------ */

static struct matrix gemm_operand(const struct fm_tensor *t, bool transposed)
{
    const int64_t cols = t->dim[1];
    return transposed ? (struct matrix){t, 0, cols, t->dim[0], 1, cols} : (struct matrix){t, 0, t->dim[0], cols, cols, 1};
}

int op_gemm_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int err = op_begin(node, in, out, 2, in[0].dtype, error);
    if (!err)
        err = check_types(node, in, error);
    if (err)
        return err;
    if (in[0].rank != 2 || in[1].rank != 2)
        return misfit(&in[0], &in[1], error);
    const struct matrix a = gemm_operand(&in[0], node->p.gemm.trans_a), b = gemm_operand(&in[1], node->p.gemm.trans_b);
    if (a.cols != b.rows)
        return misfit(&in[0], &in[1], error);
    const int64_t dim[2] = {a.rows, b.cols};
    err = op_output(&out[0], in[0].dtype, 2, dim, error);
    for (int i = 0; !err && op_input(node, in, 2) && i < in[2].rank; i++) {
        char text[OP_SHAPE_TEXT];
        if (in[2].rank > 2 || (in[2].dim[i] != 1 && in[2].dim[i] != dim[2 - in[2].rank + i]))
            err = core_fail(error, FM_ERR_SHAPE, "a bias of shape %s does not fit a result of %lldx%lld",
                            op_shape_text(&in[2], text), (long long) dim[0], (long long) dim[1]);
    }
    return err;
}

int op_gemm_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    struct fm_tensor *y = &out[0];
    if (fm_tensor_count(y) == 0)
        return FM_OK;
    const bool floats = op_is_float(in[0].dtype);
    const struct fm_tensor *bias = op_input(node, in, 2);
    const double alpha = node->p.gemm.alpha, beta = bias ? node->p.gemm.beta : 0.0;
    const struct matrix a = gemm_operand(&in[0], node->p.gemm.trans_a), b = gemm_operand(&in[1], node->p.gemm.trans_b);
    int64_t stride[FM_MAX_RANK] = {0};
    struct product p;
    const int err = product_start(&p, a.cols, b.cols, error);
    if (bias)
        op_broadcast_strides(bias, y, stride);
    if (!err)
        load_matrix(&b, floats, p.b);
    for (int64_t r = 0; !err && r < a.rows; r++) {
        product_row(&p, &a, r, b.cols, floats);
        for (int64_t i = 0; i < b.cols; i++) {
            const int64_t from = r * stride[0] + i * stride[1], to = r * b.cols + i;
            if (floats) {
                op_set_f(y, to, alpha * ((const double *) p.to)[i] + (bias ? beta * op_get_f(bias, from) : 0.0));
                continue;
            }
            const uint64_t sum = ((const uint64_t *) p.to)[i];
            if (alpha == 1.0 && (!bias || beta == 1.0)) /* exact, however large */
                op_set_i(y, to, (int64_t) (sum + (bias ? (uint64_t) op_get_i(bias, from) : 0)));
            else
                op_set_f(y, to, alpha * (double) (int64_t) sum + (bias ? beta * op_get_f(bias, from) : 0.0));
        }
    }
    product_end(&p);
    return err;
}
