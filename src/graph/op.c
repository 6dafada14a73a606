/* SPDX-License-Identifier: MIT */
/* The operator table, and what every rule leans on: windows, elements of any type, broadcasting. */
#include "graph/op.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/half.h"

static const struct op_def op_table[OP_COUNT] = {
#define OP(name, text, family, min_in, max_in, min_out, max_out, params) \
    [OP_##name] = {text, min_in, max_in, min_out, max_out, op_##family##_shape, op_##family##_run},
#include "graph/ops.def"
#undef OP
};

const struct op_def *op_def(enum op_kind op)
{
    return (unsigned) op < OP_COUNT ? &op_table[op] : NULL;
}

int op_find(const char *name)
{
    for (int i = 0; i < OP_COUNT; i++)
        if (strcmp(op_table[i].name, name) == 0) return i;
    return -1;
}

/* Extent of the dilated kernel, or -1 when the numbers make no sense. */
static int64_t window_extent(const struct op_window *window, int axis)
{
    int64_t extent;
    if (window->kernel[axis] < 1 || window->stride[axis] < 1 || window->dilation[axis] < 1) return -1;
    if (!core_mul_i64(window->kernel[axis] - 1, window->dilation[axis], &extent)) return -1;
    return core_add_i64(extent, 1, &extent) ? extent : -1;
}

void op_window_resolve(struct op_window *window, const int64_t *in_size)
{
    const enum op_auto_pad mode = window->auto_pad;
    if (mode == AUTO_PAD_NOTSET) return;
    for (int i = 0; i < window->n; i++) {
        const int64_t extent = window_extent(window, i);
        window->pad_begin[i] = window->pad_end[i] = 0;
        if (mode == AUTO_PAD_VALID || extent < 0 || in_size[i] < 1) continue;
        /* SAME: ceil(in / stride) outputs; (out - 1) * stride < in, so only adding the extent can overflow */
        const int64_t stride = window->stride[i];
        const int64_t last = (in_size[i] - 1) / stride * stride;
        int64_t total;
        if (!core_add_i64(last - in_size[i], extent, &total) || total <= 0) continue;
        const int64_t less = total / 2, more = total - less;
        window->pad_begin[i] = mode == AUTO_PAD_SAME_UPPER ? less : more;
        window->pad_end[i] = mode == AUTO_PAD_SAME_UPPER ? more : less;
    }
    window->auto_pad = AUTO_PAD_NOTSET;
}

int64_t op_window_output(const struct op_window *window, int axis, int64_t in_size, bool ceil_mode)
{
    const int64_t extent = window_extent(window, axis);
    int64_t room;
    if (extent < 0 || in_size < 0) return -1;
    if (!core_add_i64(in_size, window->pad_begin[axis], &room) || !core_add_i64(room, window->pad_end[axis], &room) ||
        !core_add_i64(room, -extent, &room) || room < 0)
        return -1;
    const int64_t stride = window->stride[axis];
    int64_t out = room / stride + 1;
    /* a window that hangs over the end counts only when it starts inside the input or its leading padding */
    if (ceil_mode && room % stride && out <= (in_size + window->pad_begin[axis] - 1) / stride) out++;
    return out;
}

/* float64 -> float32 rounding to odd: rounding that again to a narrower float gives the correctly rounded result. */
static float f32_to_odd(double value)
{
    const float f = (float) value;
    if (isnan(value) || (double) f == value) return f;
    uint32_t bits = half_float_bits(f);
    if (fabs((double) f) > fabs(value)) bits--;
    return half_bits_float(bits | 1u);
}

/* Truncation toward zero into [low, high]; NaN gives 0. Limits are compared as powers of two, which are exact. */
static int64_t i64_from_f64(double value)
{
    if (isnan(value)) return 0;
    if (value >= 0x1p63) return INT64_MAX;
    if (value < -0x1p63) return INT64_MIN;
    return (int64_t) value;
}

static uint64_t u64_from_f64(double value)
{
    if (!(value > 0)) return 0;
    if (value >= 0x1p64) return UINT64_MAX;
    return (uint64_t) value;
}

static int64_t i64_clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

double op_get_f(const struct fm_tensor *t, int64_t index)
{
    switch (t->dtype) {
    case FM_F32: return (double) ((const float *) t->data)[index];
    case FM_F16: return (double) half_to_f32(((const uint16_t *) t->data)[index]);
    case FM_BF16: return (double) bf16_to_f32(((const uint16_t *) t->data)[index]);
    case FM_F64: return ((const double *) t->data)[index];
    case FM_U64: return (double) ((const uint64_t *) t->data)[index];
    default: return (double) op_get_i(t, index);
    }
}

void op_set_f(struct fm_tensor *t, int64_t index, double value)
{
    switch (t->dtype) {
    case FM_F32: ((float *) t->data)[index] = (float) value; break;
    case FM_F16: ((uint16_t *) t->data)[index] = half_from_f32(f32_to_odd(value)); break;
    case FM_BF16: ((uint16_t *) t->data)[index] = bf16_from_f32(f32_to_odd(value)); break;
    case FM_F64: ((double *) t->data)[index] = value; break;
    case FM_I8: ((int8_t *) t->data)[index] = (int8_t) i64_clamp(i64_from_f64(value), INT8_MIN, INT8_MAX); break;
    case FM_I16: ((int16_t *) t->data)[index] = (int16_t) i64_clamp(i64_from_f64(value), INT16_MIN, INT16_MAX); break;
    case FM_I32: ((int32_t *) t->data)[index] = (int32_t) i64_clamp(i64_from_f64(value), INT32_MIN, INT32_MAX); break;
    case FM_I64: ((int64_t *) t->data)[index] = i64_from_f64(value); break;
    case FM_U8: ((uint8_t *) t->data)[index] = (uint8_t) i64_clamp(i64_from_f64(value), 0, UINT8_MAX); break;
    case FM_U16: ((uint16_t *) t->data)[index] = (uint16_t) i64_clamp(i64_from_f64(value), 0, UINT16_MAX); break;
    case FM_U32: ((uint32_t *) t->data)[index] = (uint32_t) i64_clamp(i64_from_f64(value), 0, UINT32_MAX); break;
    case FM_U64: ((uint64_t *) t->data)[index] = u64_from_f64(value); break;
    case FM_BOOL: ((uint8_t *) t->data)[index] = value != 0; break; /* NaN is true */
    default: break;
    }
}

int64_t op_get_i(const struct fm_tensor *t, int64_t index)
{
    switch (t->dtype) {
    case FM_I8: return ((const int8_t *) t->data)[index];
    case FM_I16: return ((const int16_t *) t->data)[index];
    case FM_I32: return ((const int32_t *) t->data)[index];
    case FM_I64: return ((const int64_t *) t->data)[index];
    case FM_U8: return ((const uint8_t *) t->data)[index];
    case FM_U16: return ((const uint16_t *) t->data)[index];
    case FM_U32: return ((const uint32_t *) t->data)[index];
    case FM_U64: return (int64_t) ((const uint64_t *) t->data)[index];
    case FM_BOOL: return ((const uint8_t *) t->data)[index] != 0;
    case FM_F32: case FM_F16: case FM_BF16: case FM_F64: return i64_from_f64(op_get_f(t, index));
    default: return 0;
    }
}

void op_set_i(struct fm_tensor *t, int64_t index, int64_t value)
{
    switch (t->dtype) {
    case FM_I8: case FM_U8: ((uint8_t *) t->data)[index] = (uint8_t) value; break;
    case FM_I16: case FM_U16: ((uint16_t *) t->data)[index] = (uint16_t) value; break;
    case FM_I32: case FM_U32: ((uint32_t *) t->data)[index] = (uint32_t) value; break;
    case FM_I64: case FM_U64: ((uint64_t *) t->data)[index] = (uint64_t) value; break;
    case FM_BOOL: ((uint8_t *) t->data)[index] = value != 0; break;
    case FM_F32: ((float *) t->data)[index] = (float) value; break; /* rounds once, unlike the way through double */
    case FM_F64: ((double *) t->data)[index] = (double) value; break;
    case FM_F16: case FM_BF16: {
        /* past 2^53 double would round first: what is cut off becomes a sticky bit far below either type's precision */
        const bool large = value > (INT64_C(1) << 53) || value < -(INT64_C(1) << 53);
        const int64_t rest = value % 2048;
        op_set_f(t, index, (double) (large ? value - rest + (rest > 0 ? 1024 : rest < 0 ? -1024 : 0) : value));
        break;
    }
    default: break;
    }
}

bool op_is_float(enum fm_dtype dtype)
{
    return dtype == FM_F32 || dtype == FM_F16 || dtype == FM_BF16 || dtype == FM_F64;
}

bool op_is_unsigned(enum fm_dtype dtype)
{
    return dtype == FM_U8 || dtype == FM_U16 || dtype == FM_U32 || dtype == FM_U64 || dtype == FM_BOOL;
}

void op_read_f32(float *to, enum fm_dtype dtype, const void *data, int64_t first, int64_t count)
{
    const size_t size = fm_dtype_size(dtype);
    const unsigned char *from = data;
    if (count <= 0 || size == 0) return;
    from += (size_t) first * size;
    if (dtype == FM_F32) {
        memcpy(to, from, (size_t) count * size);
    } else if (dtype == FM_F16 || dtype == FM_BF16) {
        for (int64_t i = 0; i < count; i++) {
            uint16_t bits;
            memcpy(&bits, from + i * 2, 2);
            to[i] = dtype == FM_F16 ? half_to_f32(bits) : bf16_to_f32(bits);
        }
    } else {
        for (int64_t i = 0; i < count; i++) {
            uint64_t element = 0; /* aligned room for one */
            struct fm_tensor one = {.dtype = dtype, .data = &element};
            memcpy(&element, from + (size_t) i * size, size);
            to[i] = (float) op_get_f(&one, 0);
        }
    }
}

bool op_broadcast(const struct fm_tensor *a, const struct fm_tensor *b, struct fm_tensor *out)
{
    struct fm_tensor result = *out; /* out may be a or b */
    result.rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 0; i < result.rank; i++) {
        const int ia = i - (result.rank - a->rank), ib = i - (result.rank - b->rank);
        const int64_t da = ia < 0 ? 1 : a->dim[ia], db = ib < 0 ? 1 : b->dim[ib];
        if (da != db && da != 1 && db != 1) return false;
        result.dim[i] = da == 1 ? db : da;
    }
    *out = result;
    return true;
}

int op_axis(int64_t axis, int rank)
{
    if (axis < -rank || axis >= rank) return -1;
    return (int) (axis < 0 ? axis + rank : axis);
}
