/* SPDX-License-Identifier: MIT */
/* Exporters spell the moves between space and channels out: a reshape to six axes, a transpose and a reshape back (pixel shuffle
 * and its inverse), or strided slices that are joined again (the "focus" stem of detectors). Both become SpaceToDepth or
 * DepthToSpace. Where the order of the channels is not SpaceToDepth's own, the convolution behind gets its weights in that order.
 */
#include <string.h>

#include "core/error.h"
#include "graph/op.h"
#include "graph/rewrite.h"

static bool dims_are(const struct graph_value *v, int rank, const int64_t *dim)
{
    return graph_shape_known(v) && v->rank == rank && !memcmp(v->dim, dim, (size_t) rank * sizeof(*dim));
}

static bool perm_is(const struct graph_node *node, const int *perm)
{
    for (int i = 0; i < 6; i++)
        if (node->p.perm.perm[i] != perm[i])
            return false;
    return true;
}

/* The node becomes a block operator on x. */
static bool make_block(struct rewriter *r, struct graph_node *node, enum op_kind op, int x, int64_t size, bool crd)
{
    int *in = arena_array(r->graph->arena, 1, sizeof(int));
    if (!in) {
        r->rc = core_fail_nomem(r->error, sizeof(int));
        return false;
    }
    struct graph_node old = *node; /* what it read goes when nobody else reads it */
    old.out = NULL;
    in[0] = x;
    r->uses[x]++;
    node->op = op;
    node->in = in;
    node->n_in = 1;
    memset(&node->p, 0, sizeof(node->p));
    node->p.block.size = size;
    node->p.block.crd = crd;
    rewrite_kill(r, &old);
    return true;
}

/* The convolution that alone reads `value` and whose input channels can be put in another order, or NULL. */
static struct graph_node *reorderable(const struct rewriter *r, int value)
{
    const int user = rewrite_single_user(r, value);
    if (user < 0)
        return NULL;
    struct graph_node *conv = &r->graph->node[user];
    if (conv->op != OP_CONV || conv->in[0] != value || conv->p.conv.group != 1 || !graph_is_constant(r->graph, conv->in[1]) ||
        r->graph->value[conv->in[1]].dtype != FM_F32 || r->graph->value[conv->in[1]].rank != 4)
        return NULL;
    return conv;
}

/* Weights for input channels that come block by block. Before, block b of channel c was channel c * blocks + order[b] when
 * channel_first, else order[b] * channels + c. */
static bool reorder_weights(struct rewriter *r, struct graph_node *conv, const int *order, int64_t blocks, bool channel_first)
{
    const struct graph_value w = r->graph->value[conv->in[1]];
    const int64_t area = w.dim[2] * w.dim[3], channels = w.dim[1] / blocks;
    float *data = rewrite_floats(r, w.dim[0] * w.dim[1] * area);
    if (!data)
        return false;
    for (int64_t o = 0; o < w.dim[0]; o++)
        for (int64_t b = 0; b < blocks; b++)
            for (int64_t c = 0; c < channels; c++) {
                const int64_t old = channel_first ? c * blocks + order[b] : order[b] * channels + c;
                op_read_f32(data + (o * w.dim[1] + b * channels + c) * area, FM_F32, w.data, (o * w.dim[1] + old) * area, area);
            }
    const int constant = rewrite_constant(r, 4, w.dim, data);
    if (constant < 0)
        return false;
    rewrite_set_in(r, conv, 1, constant);
    return true;
}

/* ---- reshape, transpose, reshape ---- */

static void six_axes(struct rewriter *r, struct graph_node *node)
{
    static const int crd[6] = { 0, 1, 4, 2, 5, 3 }, dcr[6] = { 0, 3, 4, 1, 5, 2 };
    static const int fold_blocks_first[6] = { 0, 3, 5, 1, 2, 4 }, fold_channels_first[6] = { 0, 1, 3, 5, 2, 4 };
    const struct graph_node *turn = rewrite_producer(r, node->in[0]);
    if (node->op != OP_RESHAPE || !turn || turn->op != OP_TRANSPOSE || turn->p.perm.n != 6)
        return;
    const struct graph_node *split = rewrite_producer(r, turn->in[0]);
    if (!split || split->op != OP_RESHAPE)
        return;
    const struct graph_value *x = &r->graph->value[split->in[0]], *y = &r->graph->value[node->out[0]],
                             *mid = &r->graph->value[turn->in[0]];
    if (!graph_shape_known(x) || !graph_shape_known(y) || x->rank != 4 || y->rank != 4 || x->dtype != y->dtype)
        return;
    const int64_t n = x->dim[0];
    if (y->dim[2] > x->dim[2] && x->dim[2] > 0 && y->dim[2] % x->dim[2] == 0) { /* depth to space */
        const int64_t size = y->dim[2] / x->dim[2], c = y->dim[1], h = x->dim[2], w = x->dim[3];
        const int64_t out[4] = { n, c, h * size, w * size };
        if (!dims_are(y, 4, out) || x->dim[1] != c * size * size)
            return;
        if (perm_is(turn, crd) && dims_are(mid, 6, (const int64_t[]){ n, c, size, size, h, w }))
            make_block(r, node, OP_DEPTH_TO_SPACE, split->in[0], size, true);
        else if (perm_is(turn, dcr) && dims_are(mid, 6, (const int64_t[]){ n, size, size, c, h, w }))
            make_block(r, node, OP_DEPTH_TO_SPACE, split->in[0], size, false);
        return;
    }
    if (y->dim[2] < 1 || x->dim[2] <= y->dim[2] || x->dim[2] % y->dim[2])
        return;
    const int64_t size = x->dim[2] / y->dim[2], c = x->dim[1], h = y->dim[2], w = y->dim[3];
    const int64_t out[4] = { n, c * size * size, h, w }, split_dim[6] = { n, c, h, size, w, size };
    if (x->dim[3] != w * size || !dims_are(y, 4, out) || !dims_are(mid, 6, split_dim) || size > 16)
        return;
    if (perm_is(turn, fold_blocks_first) || (perm_is(turn, fold_channels_first) && c == 1)) {
        make_block(r, node, OP_SPACE_TO_DEPTH, split->in[0], size, false);
    } else if (perm_is(turn, fold_channels_first)) {
        struct graph_node *conv = reorderable(r, node->out[0]);
        int order[256];
        for (int b = 0; b < size * size; b++)
            order[b] = b;
        if (conv && reorder_weights(r, conv, order, size * size, true))
            make_block(r, node, OP_SPACE_TO_DEPTH, split->in[0], size, false);
    }
}

/* ---- slices and concat ---- */

/* Adds one Slice to the picture of a chain of them: offset and step of axes y and x. Other axes must pass whole. */
static bool add_slice(const struct rewriter *r, const struct graph_node *node, int64_t offset[2], int64_t step[2])
{
    int64_t start[4], axis[4], stride[4] = { 1, 1, 1, 1 };
    const struct graph_value *x = &r->graph->value[node->in[0]];
    const int n = rewrite_ints(r, node->in[1], 4, start);
    if (n < 0 || !graph_shape_known(x) || x->rank != 4)
        return false;
    for (int i = 0; i < n; i++)
        axis[i] = i;
    if (node->n_in > 3 && node->in[3] >= 0 && rewrite_ints(r, node->in[3], 4, axis) != n)
        return false;
    if (node->n_in > 4 && node->in[4] >= 0 && rewrite_ints(r, node->in[4], 4, stride) != n)
        return false;
    for (int i = 0; i < n; i++) {
        const int a = op_axis(axis[i], 4);
        if (a < 0 || stride[i] < 1)
            return false;
        const int64_t first = start[i] < 0 ? start[i] + x->dim[a] : start[i];
        if (a < 2) {
            if (first > 0 || stride[i] != 1) /* ends are seen from the shape that comes out */
                return false;
        } else if (first < 0 || first > 16 || stride[i] > 16 || step[a - 2] * stride[i] > 16) {
            return false;
        } else {
            /* chains are walked from the last slice back: the positions so far are positions of this one's result */
            offset[a - 2] = first + offset[a - 2] * stride[i];
            step[a - 2] *= stride[i];
        }
    }
    return true;
}

static void joined_slices(struct rewriter *r, struct graph_node *node)
{
    const struct graph_value *y = &r->graph->value[node->out[0]];
    if (node->op != OP_CONCAT || node->n_in < 4 || node->n_in > 256 || !graph_shape_known(y) || y->rank != 4 ||
        op_axis(node->p.axis.axis, 4) != 1)
        return;
    int size = 2, order[256], source = -1;
    bool seen[256] = { false }, natural = true;
    while (size * size < node->n_in)
        size++;
    if (size * size != node->n_in)
        return;
    for (int b = 0; b < node->n_in; b++) {
        int64_t offset[2] = { 0, 0 }, step[2] = { 1, 1 };
        int value = node->in[b];
        const struct graph_node *slice;
        while ((slice = rewrite_producer(r, value)) && slice->op == OP_SLICE && add_slice(r, slice, offset, step))
            value = slice->in[0];
        if (step[0] != size || step[1] != size || offset[0] < 0 || offset[1] < 0 || offset[0] >= size || offset[1] >= size ||
            (source >= 0 && value != source))
            return;
        source = value;
        const int block = (int) (offset[0] * size + offset[1]);
        if (seen[block])
            return;
        seen[block] = true;
        order[block] = b;
        natural = natural && block == b;
    }
    const struct graph_value *x = &r->graph->value[source];
    const int64_t want[4] = { x->dim[0], x->dim[1] * node->n_in, x->dim[2] / size, x->dim[3] / size };
    if (!graph_shape_known(x) || x->rank != 4 || x->dim[2] % size || x->dim[3] % size || !dims_are(y, 4, want))
        return;
    for (int b = 0; b < node->n_in; b++) { /* every part is whole */
        const int64_t part[4] = { want[0], x->dim[1], want[2], want[3] };
        if (!dims_are(&r->graph->value[node->in[b]], 4, part))
            return;
    }
    if (!natural) {
        struct graph_node *conv = reorderable(r, node->out[0]);
        if (!conv || !reorder_weights(r, conv, order, node->n_in, false))
            return;
    }
    make_block(r, node, OP_SPACE_TO_DEPTH, source, size, false);
}

/* ---- numbers before shuffles ---- */

static bool is_arithmetic(const struct graph_node *node)
{
    return node->op == OP_MUL || node->op == OP_ADD || node->op == OP_SUB || node->op == OP_DIV;
}

/* A product or sum with one number means the same before a shuffle as behind it, and before it a convolution can take it. */
static void hoist_number(struct rewriter *r, struct graph_node *node)
{
    double number;
    if (!is_arithmetic(node))
        return;
    const int k = rewrite_scalar(r, node->in[1], &number) ? 0 : rewrite_scalar(r, node->in[0], &number) ? 1 : -1;
    struct graph_node *shuffle = k < 0 ? NULL : rewrite_producer(r, node->in[k]);
    if (!shuffle || shuffle->op != OP_DEPTH_TO_SPACE || r->uses[node->in[k]] != 1 ||
        !rewrite_same_type(r, node->in[k], node->out[0]))
        return;
    const struct graph_node *before = rewrite_producer(r, shuffle->in[0]); /* a convolution or what it is going to take */
    if (!before || (!is_arithmetic(before) && (before->op != OP_CONV || graph_is_fused(before))) ||
        rewrite_single_user(r, shuffle->in[0]) < 0)
        return;
    /* x -> shuffle -> between -> node -> y becomes x -> node -> between -> shuffle -> y */
    const int x = shuffle->in[0], between = node->in[k];
    const struct graph_node first = *shuffle;
    struct graph_value *value = &r->graph->value[between];
    shuffle->op = node->op;
    shuffle->type = node->type;
    shuffle->name = node->name;
    shuffle->p = node->p;
    shuffle->in = node->in;
    shuffle->n_in = 2;
    shuffle->in[k] = x;
    node->op = first.op;
    node->type = first.type;
    node->name = first.name;
    node->p = first.p;
    node->in = first.in;
    node->n_in = 1;
    node->in[0] = between;
    memcpy(value->dim, r->graph->value[x].dim, sizeof(value->dim));
    r->changed = true;
}

void rewrite_space(struct rewriter *r)
{
    for (int i = 0; i < r->graph->n_nodes && !r->rc; i++) {
        struct graph_node *node = &r->graph->node[i];
        if (!rewrite_alive(node) || node->n_in < 1 || node->in[0] < 0 || node->out[0] < 0)
            continue;
        six_axes(r, node);
        joined_slices(r, node);
        hoist_number(r, node);
    }
}
