/* SPDX-License-Identifier: MIT */
/* Nodes and small constants on behalf of the layer being read; ranks and channel counts of its outputs. */
#include "core/alloc.h"
#include "model/ncnn_reader.h"

#include <string.h>

int ncnn_emit(struct ncnn_reader *r, enum op_kind op, const union op_params *p, int n_in, const int *in)
{
    if (r->code) return 0;
    const int node = graph_add_node(r->graph, op, r->now->type, r->now->name, n_in, 1);
    const int value = node < 0 ? node : graph_add_value(r->graph, "");
    if (value < 0) {
        ncnn_fail_nomem(r);
        return 0;
    }
    if (p) r->graph->node[node].p = *p;
    memcpy(r->graph->node[node].in, in, (size_t) n_in * sizeof *in);
    graph_set_output(r->graph, node, 0, value);
    return value;
}

static int checked(struct ncnn_reader *r, int value)
{
    if (value >= 0) return value;
    ncnn_fail_nomem(r);
    return 0;
}

int ncnn_i64s(struct ncnn_reader *r, int n, const int64_t *element)
{
    return r->code ? 0 : checked(r, graph_add_i64s(r->graph, n, element));
}
int ncnn_i64(struct ncnn_reader *r, int64_t element)
{
    return ncnn_i64s(r, 1, &element);
}
int ncnn_f32(struct ncnn_reader *r, float element)
{
    return r->code ? 0 : checked(r, graph_add_f32(r->graph, element));
}

int ncnn_unsqueeze(struct ncnn_reader *r, int value, int n, const int64_t *axis)
{
    return NCNN_EMIT(r, OP_UNSQUEEZE, NULL, value, ncnn_i64s(r, n, axis));
}

int ncnn_squeeze(struct ncnn_reader *r, int value, int n, const int64_t *axis)
{
    return NCNN_EMIT(r, OP_SQUEEZE, NULL, value, ncnn_i64s(r, n, axis));
}

int ncnn_reshape(struct ncnn_reader *r, int value, int n, const int64_t *dim)
{
    return NCNN_EMIT(r, OP_RESHAPE, NULL, value, ncnn_i64s(r, n, dim));
}

int ncnn_transpose(struct ncnn_reader *r, int value, int n, const int *perm)
{
    union op_params p = {.perm.n = n};
    for (int i = 0; i < n; i++) p.perm.perm[i] = perm[i];
    return NCNN_EMIT(r, OP_TRANSPOSE, &p, value);
}

int ncnn_slice(struct ncnn_reader *r, int value, int axis, int start, int end)
{
    return NCNN_EMIT(r, OP_SLICE, NULL, value, start, end, ncnn_i64(r, axis));
}

int ncnn_dim(struct ncnn_reader *r, int value, int axis)
{
    const union op_params p = {.range = {.start = axis, .end = axis + 1, .has_end = true}};
    return NCNN_EMIT(r, OP_SHAPE, &p, value);
}

int ncnn_flat(struct ncnn_reader *r, int value)
{
    return NCNN_EMIT(r, OP_FLATTEN, &(union op_params){.axis.axis = 1}, value);
}

int ncnn_lift(struct ncnn_reader *r, const struct ncnn_blob *blob, int rank)
{
    int64_t axis[NCNN_RANK_MAX];
    int n = 0;
    for (int i = blob->rank; i < rank; i++) axis[n++] = i + 1;
    return n ? ncnn_unsqueeze(r, blob->value, n, axis) : blob->value;
}

struct ncnn_blob *ncnn_set(struct ncnn_reader *r, int k, int value, int rank)
{
    struct ncnn_blob *blob = &r->blob[r->now->out[k]];
    if (r->code) return blob;
    blob->value = value;
    blob->rank = rank;
    blob->input = -1;
    blob->factor = 1;
    for (int i = 0; i < NCNN_RANK_MAX; i++) blob->dim[i] = -1;
    struct graph_value *v = &r->graph->value[value];
    if (v->producer >= 0 && !*v->name) {
        v->name = arena_strdup(r->graph->arena, blob->name);
        if (!v->name) {
            v->name = "";
            ncnn_fail_nomem(r);
        }
    }
    return blob;
}

struct ncnn_blob *ncnn_set_like(struct ncnn_reader *r, int k, int value, const struct ncnn_blob *like)
{
    struct ncnn_blob *blob = ncnn_set(r, k, value, like->rank);
    if (r->code) return blob;
    memcpy(blob->dim, like->dim, sizeof blob->dim);
    blob->input = like->input;
    blob->factor = like->factor;
    return blob;
}

int ncnn_axis(struct ncnn_reader *r, int64_t axis, int rank)
{
    if (axis >= -rank && axis < rank) return (int) (axis < 0 ? axis + rank : axis);
    ncnn_fail(r, FM_ERR_FORMAT, "axis %lld is outside a blob of %d dimensions", (long long) axis, rank);
    return 0;
}

bool ncnn_expect_rank(struct ncnn_reader *r, const struct ncnn_blob *blob, int low, int high)
{
    if (r->code) return false;
    if (blob->rank >= low && blob->rank <= high) return true;
    if (low == high)
        ncnn_fail(r, FM_ERR_UNSUPPORTED, "its input '%s' has %d dimensions; only %d is supported", blob->name, blob->rank, low);
    else
        ncnn_fail(r, FM_ERR_UNSUPPORTED, "its input '%s' has %d dimensions; only %d to %d are supported", blob->name, blob->rank,
            low, high);
    return false;
}

void ncnn_expect_channels(struct ncnn_reader *r, struct ncnn_blob *blob, int64_t n)
{
    if (r->code) return;
    if (blob->dim[0] < 0 && blob->input >= 0) { /* another blob may have taught us since */
        struct graph_value *input = &r->graph->value[blob->input];
        if (input->dim[1] < 0 && n % blob->factor == 0) {
            input->dim[1] = n / blob->factor;
            input->dim_name[1] = NULL;
        }
        if (input->dim[1] < 0 || !core_mul_i64(input->dim[1], blob->factor, &blob->dim[0])) blob->dim[0] = -1;
    }
    if (blob->dim[0] >= 0 && blob->dim[0] != n)
        ncnn_fail(r, FM_ERR_SHAPE, "its input '%s' has %lld channels where the weights are for %lld", blob->name,
            (long long) blob->dim[0], (long long) n);
    if (!r->code) blob->dim[0] = n;
}

int ncnn_activation(struct ncnn_reader *r, int value, int type_id, int params_id)
{
    const int64_t type = ncnn_int(r, type_id, 0);
    const double *a;
    const int n = ncnn_array(r, params_id, &a);
    const int needed = type == 2 ? 1 : type == 3 || type == 6 ? 2 : 0;
    if (r->code) return 0;
    if (n < needed) {
        ncnn_fail(r, FM_ERR_FORMAT, "activation %lld has %d parameters where %d belong", (long long) type, n, needed);
        return 0;
    }
    union op_params p = {.scalar = {n > 0 ? (float) a[0] : 0.0f, n > 1 ? (float) a[1] : 0.0f}};
    switch (type) {
    case 0: return value;
    case 1: return NCNN_EMIT(r, OP_RELU, NULL, value);
    case 2: return NCNN_EMIT(r, OP_LEAKY_RELU, &p, value);
    case 3: return NCNN_EMIT(r, OP_CLIP, NULL, value, ncnn_f32(r, p.scalar.a), ncnn_f32(r, p.scalar.b));
    case 4: return NCNN_EMIT(r, OP_SIGMOID, NULL, value);
    case 5: return NCNN_EMIT(r, OP_MISH, NULL, value);
    case 6: return NCNN_EMIT(r, OP_HARD_SWISH, &p, value);
    default: ncnn_fail(r, FM_ERR_UNSUPPORTED, "activation %lld is not supported", (long long) type); return 0;
    }
}
