/* SPDX-License-Identifier: MIT */
/* Layers that join, cut and pad blobs. Sizes that are open at import are worked out by small integer nodes (Shape, Sub, Div, ...),
 * which fold to constants when the graph is specialised. */
#include "core/alloc.h"
#include "model/ncnn_reader.h"

#include <string.h>

#define SLICES_MAX 4096

static void read_concat(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const int n = r->now->n_in;
    const struct ncnn_blob *first = r->in[0];
    const int axis = ncnn_axis(r, ncnn_int(r, 0, 0), first->rank);
    int *in = ncnn_scratch(r, (size_t) n, sizeof *in);
    int64_t total = 0;
    for (int i = 0; i < n && !r->code; i++) {
        if (!ncnn_expect_rank(r, r->in[i], first->rank, first->rank)) return;
        in[i] = r->in[i]->value;
        if (total < 0 || r->in[i]->dim[axis] < 0 || !core_add_i64(total, r->in[i]->dim[axis], &total)) total = -1;
    }
    if (r->code) return;
    struct ncnn_blob *out = ncnn_set_like(r, 0, ncnn_emit(r, OP_CONCAT, &(union op_params){.axis.axis = axis + 1}, n, in), first);
    out->dim[axis] = total;
    if (!axis) out->input = -1;
}

/* One output of a Slice layer, from `start` to `end` (values; end -1: to the end). */
static void set_slice(struct ncnn_reader *r, int k, int axis, int start, int end, int64_t size)
{
    const struct ncnn_blob *x = r->in[0];
    struct ncnn_blob *out =
        ncnn_set_like(r, k, ncnn_slice(r, x->value, axis + 1, start, end < 0 ? ncnn_i64(r, INT64_MAX) : end), x);
    if (r->code) return;
    out->dim[axis] = size;
    if (!axis) out->input = -1;
}

/* All sizes known: one Split node. */
static void emit_split(struct ncnn_reader *r, int axis, int n, const int64_t *size)
{
    struct graph *g = r->graph;
    const struct ncnn_blob *x = r->in[0];
    const int sizes = ncnn_i64s(r, n, size);
    if (r->code) return;
    const int node = graph_add_node(g, OP_SPLIT, r->now->type, r->now->name, 2, n);
    if (node < 0) {
        ncnn_fail_nomem(r);
        return;
    }
    g->node[node].p.axis.axis = axis + 1;
    g->node[node].in[0] = x->value;
    g->node[node].in[1] = sizes;
    for (int k = 0; k < n; k++) {
        const int value = graph_add_value(g, "");
        if (value < 0) {
            ncnn_fail_nomem(r);
            return;
        }
        graph_set_output(g, node, k, value);
        struct ncnn_blob *out = ncnn_set_like(r, k, value, x);
        out->dim[axis] = size[k];
        if (!axis) out->input = -1;
    }
}

/* Bounds given as places along the axis; negative ones count from the end. */
static void slice_at(struct ncnn_reader *r, int axis, int n, const int64_t *at, int n_at)
{
    if (n_at < n - 1) {
        ncnn_fail(r, FM_ERR_FORMAT, "%d places do not cut it into %d pieces", n_at, n);
        return;
    }
    for (int k = 0; k < n && !r->code; k++)
        set_slice(r, k, axis, ncnn_i64(r, k ? at[k - 1] : 0), k < n - 1 ? ncnn_i64(r, at[k]) : -1, -1);
}

/* Bounds given as sizes; -233 takes an equal share (rounded down) of what is left for it and those after it. */
static void slice_by(struct ncnn_reader *r, int axis, int n, int64_t *size)
{
    const struct ncnn_blob *x = r->in[0];
    int64_t total = x->dim[axis], used = 0;
    bool open = false;
    for (int k = 0; k < n; k++) {
        if (size[k] != NCNN_OPEN && size[k] <= 0) {
            ncnn_fail(r, FM_ERR_FORMAT, "slice %d has size %lld", k, (long long) size[k]);
            return;
        }
        open |= size[k] == NCNN_OPEN;
    }
    if (total < 0 && open) {
        int at = ncnn_i64(r, 0);
        const int all = ncnn_dim(r, x->value, axis + 1);
        for (int k = 0; k < n && !r->code; k++) {
            int share = ncnn_i64(r, size[k]);
            if (size[k] == NCNN_OPEN) share = NCNN_EMIT(r, OP_DIV, NULL, NCNN_EMIT(r, OP_SUB, NULL, all, at), ncnn_i64(r, n - k));
            const int end = NCNN_EMIT(r, OP_ADD, NULL, at, share);
            set_slice(r, k, axis, at, end, size[k] == NCNN_OPEN ? -1 : size[k]);
            at = end;
        }
        return;
    }
    for (int k = 0; k < n; k++) {
        if (size[k] == NCNN_OPEN) size[k] = (total - used) / (n - k);
        if (size[k] <= 0 || !core_add_i64(used, size[k], &used) || (total >= 0 && used > total)) {
            ncnn_fail(r, FM_ERR_SHAPE, "slice %d does not fit %lld elements", k, (long long) total);
            return;
        }
    }
    if (used == total || total < 0) {
        emit_split(r, axis, n, size);
        return;
    }
    used = 0;
    for (int k = 0; k < n && !r->code; used += size[k++])
        set_slice(r, k, axis, ncnn_i64(r, used), ncnn_i64(r, used + size[k]), size[k]);
}

static void read_slice(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const double *unused;
    const int n = r->now->n_out, axis = ncnn_axis(r, ncnn_int(r, 1, 0), r->in[0]->rank);
    const int n_sizes = ncnn_array(r, 0, &unused), n_places = ncnn_array(r, 2, &unused);
    const int longest = n_sizes > n_places ? n_sizes : n_places;
    int64_t *at = ncnn_scratch(r, (size_t) longest, sizeof *at);
    ncnn_ints(r, n_places ? 2 : 0, at, longest);
    if (r->code) return;
    if (n_places)
        slice_at(r, axis, n, at, n_places);
    else if (n_sizes < n)
        ncnn_fail(r, FM_ERR_FORMAT, "it has %d slice sizes for %d outputs", n_sizes, n);
    else
        slice_by(r, axis, n, at);
}

/* Bounds of a Crop by axis of the blob; end INT64_MAX: to the end. */
struct roi {
    int64_t start[NCNN_RANK_MAX], end[NCNN_RANK_MAX];
};

static void crop_numpy(struct ncnn_reader *r, int rank, struct roi *roi)
{
    int64_t start[NCNN_VALUE_MAX], end[NCNN_VALUE_MAX], axes[NCNN_VALUE_MAX];
    const int n = ncnn_ints(r, 9, start, NCNN_VALUE_MAX), n_end = ncnn_ints(r, 10, end, NCNN_VALUE_MAX);
    const int n_axes = ncnn_ints(r, 11, axes, NCNN_VALUE_MAX);
    const int used = n_axes ? n_axes : rank;
    if (r->code) return;
    if (n < used || n_end < used) {
        ncnn_fail(r, FM_ERR_FORMAT, "it has %d starts and %d ends for %d axes", n, n_end, used);
        return;
    }
    for (int i = 0; i < used; i++) {
        const int axis = ncnn_axis(r, n_axes ? axes[i] : i, rank);
        roi->start[axis] = start[i] == NCNN_OPEN ? 0 : start[i];
        roi->end[axis] = end[i] == NCNN_OPEN || end[i] == 0 ? INT64_MAX : end[i];
    }
}

/* Offsets from both sides and sizes. In old files -233 as an offset shifts the meaning outwards: then the numbers of x are those of
 * y, or of the channels. */
static void crop_offsets(struct ncnn_reader *r, int rank, struct roi *roi)
{
    static const int id[NCNN_RANK_MAX][3] = {{0, 3, 6}, {1, 4, 7}, {2, 5, 8}, {13, 14, 15}}; /* x, y, channels, depth */
    int64_t begin[NCNN_RANK_MAX], size[NCNN_RANK_MAX], rest[NCNN_RANK_MAX];
    for (int i = 0; i < NCNN_RANK_MAX; i++) {
        begin[i] = ncnn_int(r, id[i][0], 0);
        size[i] = ncnn_int(r, id[i][1], 0);
        rest[i] = ncnn_int(r, id[i][2], 0);
    }
    int shift = 0;
    if (rank == 2) shift = begin[1] == NCNN_OPEN;
    if (rank == 3) shift = begin[2] != NCNN_OPEN ? 0 : begin[1] == NCNN_OPEN ? 2 : 1;
    for (int i = 0; i + shift < rank && !r->code; i++) {
        const int inner = i + shift; /* 0: x */
        const int axis = rank - 1 - inner, from = rank == 4 ? (inner == 2 ? 3 : inner == 3 ? 2 : inner) : i;
        if (begin[from] < 0 || rest[from] < 0 || (size[from] < 0 && size[from] != NCNN_OPEN)) {
            ncnn_fail(r, FM_ERR_UNSUPPORTED, "negative offsets are not supported");
            return;
        }
        if (size[from] > 0 && rest[from] > 0) {
            ncnn_fail(r, FM_ERR_UNSUPPORTED, "a size together with an offset from the end is not supported");
            return;
        }
        roi->start[axis] = begin[from];
        roi->end[axis] = size[from] > 0 ? begin[from] + size[from] : rest[from] > 0 ? -rest[from] : INT64_MAX;
    }
}

/* Only offsets, and the size of a second blob. */
static void crop_like(struct ncnn_reader *r, const struct ncnn_blob *x, const struct ncnn_blob *ref)
{
    static const int id[NCNN_RANK_MAX][NCNN_RANK_MAX] = {{0}, {1, 0}, {2, 1, 0}, {2, 13, 1, 0}}; /* by axis */
    if (!ncnn_expect_rank(r, ref, x->rank, x->rank)) return;
    int y = x->value;
    for (int axis = 0; axis < x->rank && !r->code; axis++) {
        const int64_t offset = ncnn_int(r, id[x->rank - 1][axis], 0);
        if (offset < 0) ncnn_fail(r, FM_ERR_UNSUPPORTED, "negative offsets are not supported");
        const int start = ncnn_i64(r, offset);
        y = ncnn_slice(r, y, axis + 1, start, NCNN_EMIT(r, OP_ADD, NULL, ncnn_dim(r, ref->value, axis + 1), start));
    }
    for (int i = 0; i <= 15; i++)
        if (i <= 2 || i == 13) ncnn_ignore(r, i);
    struct ncnn_blob *out = ncnn_set(r, 0, y, x->rank);
    if (!r->code) memcpy(out->dim, ref->dim, sizeof out->dim);
}

static void read_crop(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const struct ncnn_blob *x = r->in[0];
    const double *unused;
    struct roi roi = {{0}, {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX}};
    const bool numpy = ncnn_array(r, 9, &unused) > 0 && ncnn_array(r, 10, &unused) > 0;
    bool any = false;
    if (r->code) return;
    if (r->now->n_in == 2 && !numpy) {
        crop_like(r, x, r->in[1]);
        return;
    }
    if (r->now->n_in != 1) ncnn_fail(r, FM_ERR_FORMAT, "it has %d inputs where 1 belongs", r->now->n_in);
    if (numpy)
        crop_numpy(r, x->rank, &roi);
    else
        crop_offsets(r, x->rank, &roi);
    for (int i = 0; i <= 15; i++)
        if (i < 9 || i > 11) ncnn_ignore(r, i); /* offsets that the rank has no use for */

    int64_t start[NCNN_RANK_MAX], end[NCNN_RANK_MAX], axes[NCNN_RANK_MAX];
    int n = 0;
    for (int axis = 0; axis < x->rank; axis++) {
        if (roi.start[axis] == 0 && roi.end[axis] == INT64_MAX) continue;
        axes[n] = axis + 1;
        start[n] = roi.start[axis];
        end[n++] = roi.end[axis];
        any = true;
    }
    int y = x->value;
    if (any) y = NCNN_EMIT(r, OP_SLICE, NULL, y, ncnn_i64s(r, n, start), ncnn_i64s(r, n, end), ncnn_i64s(r, n, axes));
    struct ncnn_blob *out = ncnn_set_like(r, 0, y, x);
    if (r->code) return;
    for (int i = 0; i < n; i++) {
        const int axis = (int) axes[i] - 1;
        out->dim[axis] = start[i] >= 0 && end[i] > start[i] && x->dim[axis] >= end[i] ? end[i] - start[i] : -1;
        if (!axis) out->input = -1;
    }
}

/* ---- border ---- */

static void read_padding(struct ncnn_reader *r, int arg)
{
    enum { CONSTANT, REPLICATE, REFLECT };
    static const enum op_pad_mode mode[] = {PAD_CONSTANT, PAD_EDGE, PAD_REFLECT};
    (void) arg;
    const struct ncnn_blob *x = r->in[0];
    const int64_t top = ncnn_int(r, 0, 0), bottom = ncnn_int(r, 1, 0), left = ncnn_int(r, 2, 0), right = ncnn_int(r, 3, 0);
    const int64_t type = ncnn_int(r, 4, CONSTANT), front = ncnn_int(r, 7, 0), behind = ncnn_int(r, 8, 0);
    const float value = ncnn_float(r, 5, 0.0f);
    if (ncnn_int(r, 6, 0)) ncnn_fail(r, FM_ERR_UNSUPPORTED, "a value per channel is not supported");
    if (type < CONSTANT || type > REFLECT) ncnn_fail(r, FM_ERR_UNSUPPORTED, "padding type %lld is not supported", (long long) type);
    if (top < 0 || bottom < 0 || left < 0 || right < 0 || front < 0 || behind < 0)
        ncnn_fail(r, FM_ERR_UNSUPPORTED, "negative pads are not supported");
    if (r->code) return;

    /* by axis of the value; front and behind belong to the channels of three dimensions and to the depth of four */
    const int n = x->rank + 1;
    int64_t pads[2 * (NCNN_RANK_MAX + 1)] = {0};
    pads[n - 1] = left;
    pads[2 * n - 1] = right;
    if (x->rank >= 2) {
        pads[n - 2] = top;
        pads[2 * n - 2] = bottom;
    }
    if (x->rank >= 3) {
        pads[n - 3] = front;
        pads[2 * n - 3] = behind;
    }
    const union op_params p = {.pad.mode = mode[type]};
    const int sizes = ncnn_i64s(r, 2 * n, pads);
    struct ncnn_blob *out = ncnn_set_like(r, 0,
        type == CONSTANT ? NCNN_EMIT(r, OP_PAD, &p, x->value, sizes, ncnn_f32(r, value))
                         : NCNN_EMIT(r, OP_PAD, &p, x->value, sizes),
        x);
    for (int i = 0; i < x->rank && !r->code; i++) {
        const int64_t more = pads[i + 1] + pads[n + i + 1];
        if (out->dim[i] >= 0 && !core_add_i64(out->dim[i], more, &out->dim[i])) out->dim[i] = -1;
        if (!i && more) out->input = -1;
    }
}

const struct ncnn_type ncnn_types_cut[] = {
    {"Concat", read_concat, 0, 1, 4096, 1, 1},
    {"Slice", read_slice, 0, 1, 1, 1, SLICES_MAX},
    {"Crop", read_crop, 0, 1, 2, 1, 1},
    {"Padding", read_padding, 0, 1, 1, 1, 1},
    {0},
};
