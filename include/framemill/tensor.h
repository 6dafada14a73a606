/* SPDX-License-Identifier: MIT */
/* Tensors: plain row-major arrays that go into a network and come out of it. */
#ifndef FRAMEMILL_TENSOR_H
#define FRAMEMILL_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FM_MAX_RANK 8

/* Element types. The numbers are part of the ABI. */
enum fm_dtype {
    FM_DTYPE_NONE = 0,
    FM_F32 = 1,
    FM_F16 = 2,
    FM_BF16 = 3,
    FM_F64 = 4,
    FM_I8 = 5,
    FM_I16 = 6,
    FM_I32 = 7,
    FM_I64 = 8,
    FM_U8 = 9,
    FM_U16 = 10,
    FM_U32 = 11,
    FM_U64 = 12,
    FM_BOOL = 13, /* one byte, 0 or 1 */
    FM_DTYPE_COUNT
};

/* A view of an array: it owns nothing. Dimensions run from outermost to innermost, elements are contiguous.
 * The value itself may be copied freely; who may touch `data` is said by each call that takes or gives one. */
struct fm_tensor {
    enum fm_dtype dtype;
    int rank; /* 0 (a scalar) .. FM_MAX_RANK */
    int64_t dim[FM_MAX_RANK];
    void *data; /* NULL: no storage yet */
};

/* Bytes of one element, 0 for an unknown type. Any thread. */
FM_API size_t fm_dtype_size(enum fm_dtype dtype);

/* "float32", "int64", ...; "unknown" for an unknown type. Any thread. */
FM_API const char *fm_dtype_name(enum fm_dtype dtype);

/* Number of elements, or -1 if a dimension is negative or the product overflows. Any thread. */
FM_API int64_t fm_tensor_count(const struct fm_tensor *tensor);

#ifdef __cplusplus
}
#endif
#endif
