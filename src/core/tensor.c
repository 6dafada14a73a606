/* SPDX-License-Identifier: MIT */
/* Facts about element types and shapes. Public, and on the lowest floor since every room needs them. */
#include "framemill/tensor.h"

#include "core/alloc.h"

static const struct {
    const char *name;
    size_t size;
} tensor_types[FM_DTYPE_COUNT] = {
    [FM_DTYPE_NONE] = {"unknown", 0},
    [FM_F32] = {"float32", 4},
    [FM_F16] = {"float16", 2},
    [FM_BF16] = {"bfloat16", 2},
    [FM_F64] = {"float64", 8},
    [FM_I8] = {"int8", 1},
    [FM_I16] = {"int16", 2},
    [FM_I32] = {"int32", 4},
    [FM_I64] = {"int64", 8},
    [FM_U8] = {"uint8", 1},
    [FM_U16] = {"uint16", 2},
    [FM_U32] = {"uint32", 4},
    [FM_U64] = {"uint64", 8},
    [FM_BOOL] = {"bool", 1},
};

size_t fm_dtype_size(enum fm_dtype dtype)
{
    return (unsigned) dtype < FM_DTYPE_COUNT ? tensor_types[dtype].size : 0;
}

const char *fm_dtype_name(enum fm_dtype dtype)
{
    return (unsigned) dtype < FM_DTYPE_COUNT ? tensor_types[dtype].name : "unknown";
}

int64_t fm_tensor_count(const struct fm_tensor *tensor)
{
    int64_t count = 1;
    bool empty = false;
    if (tensor->rank < 0 || tensor->rank > FM_MAX_RANK) return -1;
    for (int i = 0; i < tensor->rank; i++) {
        if (tensor->dim[i] < 0) return -1;
        if (tensor->dim[i] == 0) empty = true;
    }
    if (empty) return 0; /* whatever the other dimensions' product is */
    for (int i = 0; i < tensor->rank; i++)
        if (!core_mul_i64(count, tensor->dim[i], &count)) return -1;
    return count;
}
