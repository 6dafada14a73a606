/* SPDX-License-Identifier: MIT */
/* Interp: nearest, bilinear, bicubic; by factors, to a size, to the size of another blob. */
#include "model/ncnn_reader.h"

#include <math.h>

enum { NEAREST = 1, BILINEAR, BICUBIC };

/* How ncnn finds the source of a target pixel, in ONNX's words. */
static union op_params how(int64_t type, bool align_corners, int n_axes)
{
    union op_params p = {.resize = {.mode = type == NEAREST    ? RESIZE_NEAREST
                                            : type == BILINEAR ? RESIZE_LINEAR
                                                               : RESIZE_CUBIC,
                             .coordinates = type == NEAREST ? COORD_ASYMMETRIC
                                            : align_corners ? COORD_ALIGN_CORNERS
                                                            : COORD_HALF_PIXEL,
                             .nearest = NEAREST_FLOOR,
                             .aspect = ASPECT_STRETCH,
                             .cubic_a = -0.75f,
                             .n_axes = n_axes}};
    for (int i = 0; i < n_axes; i++) p.resize.axes[i] = (n_axes == 1 ? 2 : 2 + i); /* [1][h][w]: only w; [1][c][h][w]: both */
    return p;
}

/* floor(size * factor) of one axis, as float32 like ncnn */
static int scaled_dim(struct ncnn_reader *r, int value, int axis, float factor)
{
    const int size = NCNN_EMIT(r, OP_CAST, &(union op_params){.cast.to = FM_F32}, ncnn_dim(r, value, axis));
    const int product = NCNN_EMIT(r, OP_MUL, NULL, size, ncnn_f32(r, factor));
    return NCNN_EMIT(r, OP_CAST, &(union op_params){.cast.to = FM_I64}, NCNN_EMIT(r, OP_FLOOR, NULL, product));
}

static int join(struct ncnn_reader *r, int n, const int *piece)
{
    return n == 1 ? piece[0] : ncnn_emit(r, OP_CONCAT, &(union op_params){.axis.axis = 0}, n, piece);
}

static int by_sizes(struct ncnn_reader *r, const union op_params *p, int x, int sizes)
{
    return NCNN_EMIT(r, OP_RESIZE, p, x, -1, -1, sizes);
}

/* By factors. ncnn takes the ratio of the rounded sizes for the smooth kinds, which is the factor itself where that is whole. */
static int by_factors(struct ncnn_reader *r, int64_t type, const union op_params *p, int x, const float *factor)
{
    const int n = p->resize.n_axes;
    const bool whole = factor[0] == floorf(factor[0]) && (n == 1 || factor[1] == floorf(factor[1]));
    if (type == NEAREST || (whole && p->resize.coordinates != COORD_ALIGN_CORNERS)) {
        const int scales = r->code ? 0 : graph_add_f32s(r->graph, n, factor);
        if (scales < 0) {
            ncnn_fail_nomem(r);
            return 0;
        }
        return NCNN_EMIT(r, OP_RESIZE, p, x, -1, scales);
    }
    int piece[2] = {0, 0};
    for (int i = 0; i < n; i++) piece[i] = scaled_dim(r, x, (int) p->resize.axes[i], factor[i]);
    return by_sizes(r, p, x, join(r, n, piece));
}

static void read_interp(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const struct ncnn_blob *x = r->in[0];
    const int64_t type = ncnn_int(r, 0, 0), oh = ncnn_int(r, 3, 0), ow = ncnn_int(r, 4, 0), dynamic = ncnn_int(r, 5, 0);
    const float fh = ncnn_float(r, 1, 1.0f), fw = ncnn_float(r, 2, 1.0f);
    const bool align = ncnn_int(r, 6, 0) != 0;
    if (r->param[9].kind == NCNN_TEXT) ncnn_fail(r, FM_ERR_UNSUPPORTED, "a size expression is not supported");
    if (type < NEAREST || type > BICUBIC) ncnn_fail(r, FM_ERR_UNSUPPORTED, "resize type %lld is not supported", (long long) type);
    if (r->now->n_in != (dynamic ? 2 : 1))
        ncnn_fail(r, FM_ERR_FORMAT, "it has %d inputs where %d belong", r->now->n_in, dynamic ? 2 : 1);
    if (oh < 0 || ow < 0 || !(fh > 0.0f) || !(fw > 0.0f)) ncnn_fail(r, FM_ERR_FORMAT, "its target size is not positive");
    if (!ncnn_expect_rank(r, x, 1, 3)) return;

    /* A vector is [c][1][1]; of a matrix only w changes. */
    const int n = x->rank == 2 ? 1 : 2;
    const union op_params p = how(x->rank == 1 ? NEAREST : type, align, n);
    const int from = x->rank == 1 ? ncnn_lift(r, x, 3) : x->value;
    const float factor[2] = {n == 1 ? fw : fh, fw};
    const int64_t size[2] = {n == 1 ? ow : oh, ow};
    int y;
    if (dynamic) {
        const struct ncnn_blob *ref = r->in[1];
        if (!ncnn_expect_rank(r, ref, 2, 4)) return;
        int piece[2];
        for (int i = 0; i < n; i++) piece[i] = ncnn_dim(r, ref->value, ref->rank + 1 - n + i);
        y = by_sizes(r, &p, from, join(r, n, piece));
    } else if (oh && ow) {
        y = by_sizes(r, &p, from, ncnn_i64s(r, n, size));
    } else {
        y = by_factors(r, x->rank == 1 ? NEAREST : type, &p, from, factor);
    }
    struct ncnn_blob *out = ncnn_set(r, 0, y, x->rank == 1 ? 3 : x->rank);
    if (r->code) return;
    out->dim[0] = x->dim[0];
    out->input = x->input;
    out->factor = x->factor;
    if (oh && ow && !dynamic)
        for (int i = 0; i < n; i++) out->dim[out->rank - n + i] = size[i];
}

const struct ncnn_type ncnn_types_resize[] = {
    {"Interp", read_interp, 0, 1, 2, 1, 1},
    {0},
};
