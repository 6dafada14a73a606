/* SPDX-License-Identifier: MIT */
/* Changes of type: Cast and DequantizeLinear.
 *
 *     from \ to    float             integer                            bool
 *     float        nearest even      toward zero, saturating, NaN -> 0  x != 0 (NaN: true)
 *     integer      nearest even      wraps                              x != 0
 *     bool         0 or 1            0 or 1                             same */
#include <string.h>

#include "core/half.h"
#include "graph/op_util.h"

int op_cast_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const enum fm_dtype to = node->p.cast.to;
    if (fm_dtype_size(to) == 0) return core_fail(error, FM_ERR_UNSUPPORTED, "casts to an unknown type (%d)", (int) to);
    const int err = op_begin(node, in, out, 1, to, error);
    return err ? err : op_output(&out[0], to, in[0].rank, in[0].dim, error);
}

static bool cast_fast(const struct fm_tensor *in, struct fm_tensor *out, int64_t n)
{
    if (in->dtype == out->dtype && in->dtype != FM_BOOL) {
        if (in->data != out->data) memmove(out->data, in->data, (size_t) n * fm_dtype_size(in->dtype));
        return true;
    }
    if (out->dtype == FM_F32 && (in->dtype == FM_F16 || in->dtype == FM_BF16)) {
        op_read_f32(out->data, in->dtype, in->data, 0, n);
        return true;
    }
    if (in->dtype == FM_F32 && (out->dtype == FM_F16 || out->dtype == FM_BF16)) {
        const float *from = in->data;
        uint16_t *to = out->data;
        if (out->dtype == FM_F16) for (int64_t i = 0; i < n; i++) to[i] = half_from_f32(from[i]);
        else for (int64_t i = 0; i < n; i++) to[i] = bf16_from_f32(from[i]);
        return true;
    }
    return false;
}

int op_cast_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const int64_t n = fm_tensor_count(&in[0]);
    (void) node;
    (void) error;
    if (n <= 0 || !out[0].data || cast_fast(&in[0], &out[0], n)) return FM_OK;
    if (op_is_float(in[0].dtype)) {
        for (int64_t i = 0; i < n; i++) op_set_f(&out[0], i, op_get_f(&in[0], i));
    } else if (in[0].dtype == FM_U64 && op_is_float(out[0].dtype)) {
        for (int64_t i = 0; i < n; i++) {
            const uint64_t x = ((const uint64_t *) in[0].data)[i];
            if (out[0].dtype == FM_F32) ((float *) out[0].data)[i] = (float) x;
            else if (x <= INT64_MAX) op_set_i(&out[0], i, (int64_t) x);
            else op_set_f(&out[0], i, (double) ((x & ~UINT64_C(4095)) | (x & 4095 ? 2048 : 0))); /* the rest as a sticky bit */
        }
    } else {
        for (int64_t i = 0; i < n; i++) op_set_i(&out[0], i, op_get_i(&in[0], i));
    }
    return FM_OK;
}

enum quantized_by { PER_TENSOR, PER_AXIS, PER_BLOCK };

static int dequantize_form(const struct graph_node *node, const struct fm_tensor *in, enum quantized_by *form, int *axis,
                           struct fm_error *error)
{
    const struct fm_tensor *x = &in[0], *scale = &in[1];
    const int64_t block = node->p.axis.a;
    char of_scale[OP_SHAPE_TEXT], of_x[OP_SHAPE_TEXT];
    *axis = 0;
    if (block == 0 && scale->rank <= 1 && fm_tensor_count(scale) == 1) {
        *form = PER_TENSOR;
        return FM_OK;
    }
    const int err = op_axis_checked(node->p.axis.axis, x->rank, axis, error);
    if (err) return err;
    if (block == 0 && scale->rank == 1 && scale->dim[0] == x->dim[*axis]) {
        *form = PER_AXIS;
        return FM_OK;
    }
    bool fits = block > 0 && scale->rank == x->rank;
    for (int i = 0; i < x->rank && fits; i++)
        fits = i == *axis ? scale->dim[i] == x->dim[i] / block + (x->dim[i] % block != 0) : scale->dim[i] == x->dim[i];
    if (!fits)
        return core_fail(error, FM_ERR_SHAPE, "scale of shape %s does not fit input of shape %s (axis %d, block size %lld)",
                         op_shape_text(scale, of_scale), op_shape_text(x, of_x), *axis, (long long) block);
    *form = PER_BLOCK;
    return FM_OK;
}

static bool is_quantized(enum fm_dtype dtype)
{
    return dtype == FM_I8 || dtype == FM_U8 || dtype == FM_I16 || dtype == FM_U16 || dtype == FM_I32;
}

int op_dequantize_linear_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    enum quantized_by form;
    int axis, err = op_begin(node, in, out, 2, in[1].dtype, error);
    if (err) return err;
    const struct fm_tensor *zero = op_input(node, in, 2);
    if ((err = op_need_type(is_quantized(in[0].dtype), &in[0], error))) return err;
    if ((err = op_need_type(op_is_float(in[1].dtype), &in[1], error))) return err;
    if (zero && zero->dtype != in[0].dtype)
        return core_fail(error, FM_ERR_FORMAT, "zero point is %s but the input is %s", fm_dtype_name(zero->dtype),
                         fm_dtype_name(in[0].dtype));
    if ((err = dequantize_form(node, in, &form, &axis, error))) return err;
    if (zero && fm_tensor_count(zero) != fm_tensor_count(&in[1]))
        return core_fail(error, FM_ERR_SHAPE, "zero point and scale have different sizes");
    return op_output(&out[0], in[1].dtype, in[0].rank, in[0].dim, error);
}

/* y = (x - zero point) * scale: the difference is exact, the product is rounded once. */
int op_dequantize_linear_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out,
                             struct fm_error *error)
{
    enum quantized_by form;
    int axis;
    const struct fm_tensor *x = &in[0], *scale = &in[1], *zero = op_input(node, in, 2);
    const int64_t n = fm_tensor_count(x);
    const int err = dequantize_form(node, in, &form, &axis, error);
    if (err || n <= 0 || !out[0].data) return err;

    int64_t inner = 1, groups = 1, block = 1;
    if (form == PER_TENSOR) inner = n;
    else for (int i = axis + 1; i < x->rank; i++) inner *= x->dim[i];
    const int64_t along = form == PER_TENSOR ? 1 : x->dim[axis];
    if (form == PER_AXIS) groups = along;
    if (form == PER_BLOCK) {
        groups = scale->dim[axis];
        block = node->p.axis.a;
    }
    for (int64_t first = 0; first < n; first += inner) {
        const int64_t outer = first / inner / along, group = first / inner % along / block;
        for (int64_t i = 0; i < inner; i++) {
            const int64_t k = form == PER_BLOCK ? (outer * groups + group) * inner + i : form == PER_AXIS ? group : 0;
            const double offset = zero ? op_get_f(zero, k) : 0;
            op_set_f(&out[0], first + i, (op_get_f(x, first + i) - offset) * op_get_f(scale, k));
        }
    }
    return FM_OK;
}
