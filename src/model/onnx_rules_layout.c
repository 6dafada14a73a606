/* SPDX-License-Identifier: MIT */
/* Rules: layout and selection. */
#include <inttypes.h>
#include <string.h>

#include "model/onnx_import.h"

static void lower_same(struct onnx_op *op)
{
    onnx_emit(op, op->rule->kind, op->n_in, op->in);
}

/* Operators whose one attribute is an axis. */
static void lower_axis(struct onnx_op *op)
{
    const bool is_required = op->rule->kind == OP_CONCAT;
    const char *name = op->rule->kind == OP_GATHER_ND ? "batch_dims" : "axis";
    if (is_required && !onnx_has(op, name))
        onnx_refuse(op, FM_ERR_FORMAT, "attribute \"%s\" is missing", name);
    const int64_t value = onnx_int(op, name, op->rule->kind == OP_FLATTEN ? 1 : 0);
    union op_params *p = onnx_emit(op, op->rule->kind, op->n_in, op->in);
    if (op->rule->kind == OP_GATHER_ND)
        p->axis.a = value;
    else
        p->axis.axis = value;
}

static void lower_split(struct onnx_op *op)
{
    const int64_t axis = onnx_int(op, "axis", 0);
    const int64_t parts = op->version >= 18 ? onnx_int_in(op, "num_outputs", 0, 0, INT32_MAX) : 0;
    if (!onnx_arity(op, 1, op->version < 13 ? 1 : 2))
        return;
    const int sizes = op->version < 13 ? onnx_make_attr(op, "split") : op->n_in > 1 ? op->in[1] : -1;
    if (parts && parts != op->node->n_out)
        onnx_refuse(op, FM_ERR_FORMAT, "attribute \"num_outputs\" is %" PRId64 ", but there are %d outputs", parts,
                    op->node->n_out);
    if (parts && sizes >= 0)
        onnx_refuse(op, FM_ERR_FORMAT, "has sizes and \"num_outputs\"; only one may be given");
    union op_params *p = onnx_emit(op, OP_SPLIT, 2, (int[]){ op->in[0], sizes });
    p->axis.axis = axis;
    p->axis.a = parts;
}

static void lower_slice(struct onnx_op *op)
{
    if (op->version >= 10) {
        lower_same(op);
        return;
    }
    if (!onnx_arity(op, 1, 1))
        return;
    const int starts = onnx_make_attr(op, "starts"), ends = onnx_make_attr(op, "ends"), axes = onnx_make_attr(op, "axes");
    if (!op->rc && (starts < 0 || ends < 0))
        onnx_refuse(op, FM_ERR_FORMAT, "attribute \"%s\" is missing", starts < 0 ? "starts" : "ends");
    onnx_emit(op, OP_SLICE, 4, (int[]){ op->in[0], starts, ends, axes });
}

static void lower_pad(struct onnx_op *op)
{
    static const char *const modes[] = { "constant", "reflect", "edge", "wrap", NULL };
    const enum op_pad_mode mode = (enum op_pad_mode) onnx_choice(op, "mode", "constant", modes);
    if (op->version >= 11) {
        onnx_emit(op, OP_PAD, op->n_in, op->in)->pad.mode = mode;
        return;
    }
    if (!onnx_arity(op, 1, 1))
        return;
    const int pads = onnx_make_attr(op, "pads");
    if (!op->rc && pads < 0)
        onnx_refuse(op, FM_ERR_FORMAT, "attribute \"pads\" is missing");
    const int value = onnx_make_like(op, op->in[0], onnx_float(op, "value", 0));
    onnx_emit(op, OP_PAD, 3, (int[]){ op->in[0], pads, value })->pad.mode = mode;
}

/* ---- Resize ---- */

/* Upsample, up to opset 9, and Resize of opset 10: pixel 0 keeps its place, nearest goes down. */
static void lower_upsample(struct onnx_op *op)
{
    static const char *const modes[] = { "nearest", "linear", "bilinear", NULL };
    const int mode = onnx_choice(op, "mode", "nearest", modes);
    const bool has_attribute = op->version < 9 && op->rule->kind == OP_RESIZE && onnx_view_is(op->node->type, "Upsample");
    int scales = -1;
    if (!onnx_arity(op, has_attribute ? 1 : 2, has_attribute ? 1 : 2))
        return;
    if (has_attribute) {
        const float *list = NULL;
        const int n = onnx_floats(op, "scales", &list);
        if (n < 0)
            onnx_refuse(op, FM_ERR_FORMAT, "attribute \"scales\" is missing");
        scales = onnx_make_f32s(op, n < 0 ? 0 : n, list);
    } else {
        scales = op->in[1];
    }
    union op_params *p = onnx_emit(op, OP_RESIZE, 3, (int[]){ op->in[0], -1, scales });
    p->resize.mode = mode == 0 ? RESIZE_NEAREST : RESIZE_LINEAR;
    p->resize.coordinates = COORD_ASYMMETRIC;
    p->resize.nearest = NEAREST_FLOOR;
    p->resize.cubic_a = -0.75f;
}

static void resize_attrs(struct onnx_op *op, union op_params *p)
{
    static const char *const modes[] = { "nearest", "linear", "cubic", NULL };
    static const char *const places[] = { "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
                                          "tf_half_pixel_for_nn", "tf_crop_and_resize", NULL };
    static const char *const rounding[] = { "round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL };
    static const char *const aspects[] = { "stretch", "not_larger", "not_smaller", NULL };
    const int64_t *axes = NULL;
    p->resize.mode = (enum op_resize_mode) onnx_choice(op, "mode", "nearest", modes);
    p->resize.coordinates = (enum op_coordinates) onnx_choice(op, "coordinate_transformation_mode", "half_pixel", places);
    p->resize.nearest = (enum op_nearest) onnx_choice(op, "nearest_mode", "round_prefer_floor", rounding);
    p->resize.cubic_a = onnx_float(op, "cubic_coeff_a", -0.75f);
    p->resize.exclude_outside = onnx_flag(op, "exclude_outside", false);
    p->resize.extrapolation = onnx_float(op, "extrapolation_value", 0);
    p->resize.aspect = (enum op_aspect) onnx_choice(op, "keep_aspect_ratio_policy", "stretch", aspects);
    p->resize.antialias = onnx_flag(op, "antialias", false);
    const int n = onnx_ints(op, "axes", &axes);
    if (n > FM_MAX_RANK)
        onnx_refuse(op, FM_ERR_FORMAT, "attribute \"axes\" has %d entries", n);
    p->resize.n_axes = n > 0 && !op->rc ? n : 0;
    for (int i = 0; i < p->resize.n_axes; i++)
        p->resize.axes[i] = axes[i];
}

static void lower_resize(struct onnx_op *op)
{
    if (op->version < 11) {
        lower_upsample(op);
        return;
    }
    if (!onnx_arity(op, 1, 4))
        return;
    int in[4] = { -1, -1, -1, -1 };
    for (int i = 0; i < op->n_in; i++)
        in[i] = i > 0 && onnx_is_empty(op, op->in[i]) ? -1 : op->in[i]; /* opset 11 leaves out by giving nothing */
    if (in[2] < 0 && in[3] < 0)
        onnx_refuse(op, FM_ERR_FORMAT, "neither scales nor sizes are given");
    else if (in[2] >= 0 && in[3] >= 0)
        onnx_refuse(op, FM_ERR_FORMAT, "both scales and sizes are given");
    resize_attrs(op, onnx_emit(op, OP_RESIZE, 4, in));
}

/* ---- the rest ---- */

static void lower_block(struct onnx_op *op)
{
    static const char *const modes[] = { "DCR", "CRD", NULL };
    if (!onnx_has(op, "blocksize"))
        onnx_refuse(op, FM_ERR_FORMAT, "attribute \"blocksize\" is missing");
    const int64_t size = onnx_int_in(op, "blocksize", 1, 1, 1 << 15);
    const bool is_crd = op->rule->kind == OP_DEPTH_TO_SPACE && onnx_choice(op, "mode", "DCR", modes) == 1;
    union op_params *p = onnx_emit(op, op->rule->kind, op->n_in, op->in);
    p->block.size = size;
    p->block.crd = is_crd;
}

static void lower_transpose(struct onnx_op *op)
{
    const int64_t *perm = NULL;
    const int n = onnx_ints(op, "perm", &perm);
    uint32_t seen = 0;
    if (n > FM_MAX_RANK)
        onnx_refuse(op, FM_ERR_UNSUPPORTED, "attribute \"perm\" has %d entries, supported are %d", n, FM_MAX_RANK);
    for (int i = 0; i < n && !op->rc; i++) {
        if (perm[i] < 0 || perm[i] >= n || seen & 1u << perm[i])
            onnx_refuse(op, FM_ERR_FORMAT, "attribute \"perm\" is no permutation");
        else
            seen |= 1u << perm[i];
    }
    union op_params *p = onnx_emit(op, OP_TRANSPOSE, op->n_in, op->in);
    p->perm.n = n > 0 && !op->rc ? n : 0;
    for (int i = 0; i < p->perm.n; i++)
        p->perm.perm[i] = perm[i];
}

static void lower_reshape(struct onnx_op *op)
{
    const bool allow_zero = op->version >= 14 && onnx_flag(op, "allowzero", false);
    onnx_emit(op, OP_RESHAPE, op->n_in, op->in)->axis.flag = allow_zero;
}

static void lower_squeeze(struct onnx_op *op) /* and Unsqueeze */
{
    if (op->version >= 13) {
        lower_same(op);
        return;
    }
    if (!onnx_arity(op, 1, 1))
        return;
    const int axes = onnx_make_attr(op, "axes");
    if (op->rule->kind == OP_UNSQUEEZE && axes < 0)
        onnx_refuse(op, FM_ERR_FORMAT, "attribute \"axes\" is missing");
    onnx_emit(op, op->rule->kind, 2, (int[]){ op->in[0], axes });
}

static void lower_scatter_nd(struct onnx_op *op)
{
    static const char *const reductions[] = { "none", "add", "mul", "min", "max", NULL };
    const int reduction = onnx_choice(op, "reduction", "none", reductions);
    onnx_emit(op, OP_SCATTER_ND, op->n_in, op->in)->axis.a = reduction;
}

static void lower_trilu(struct onnx_op *op)
{
    const bool is_upper = onnx_flag(op, "upper", true);
    onnx_emit(op, OP_TRILU, op->n_in, op->in)->axis.flag = is_upper;
}

const struct onnx_rule onnx_rules_layout[] = {
    { "Concat", OP_CONCAT, lower_axis }, { "Split", OP_SPLIT, lower_split }, { "Slice", OP_SLICE, lower_slice },
    { "Pad", OP_PAD, lower_pad }, { "Resize", OP_RESIZE, lower_resize }, { "Upsample", OP_RESIZE, lower_upsample },
    { "DepthToSpace", OP_DEPTH_TO_SPACE, lower_block }, { "SpaceToDepth", OP_SPACE_TO_DEPTH, lower_block },
    { "Transpose", OP_TRANSPOSE, lower_transpose }, { "Reshape", OP_RESHAPE, lower_reshape }, { "Flatten", OP_FLATTEN, lower_axis },
    { "Squeeze", OP_SQUEEZE, lower_squeeze }, { "Unsqueeze", OP_UNSQUEEZE, lower_squeeze }, { "Expand", OP_EXPAND, lower_same },
    { "Tile", OP_TILE, lower_same }, { "Gather", OP_GATHER, lower_axis }, { "GatherElements", OP_GATHER_ELEMENTS, lower_axis },
    { "GatherND", OP_GATHER_ND, lower_axis }, { "ScatterND", OP_SCATTER_ND, lower_scatter_nd }, { "Trilu", OP_TRILU, lower_trilu },
    { NULL, OP_COUNT, NULL },
};
