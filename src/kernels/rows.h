/* SPDX-License-Identifier: MIT */
/* Kernels on rows that are not convolutions: moving between arrays and rows, elementwise work, pooling, resizing; and the matrix
 * product for plain arrays. Layouts and margins as kernel.h says. `vector` below is the set's vector length. */
#ifndef FM_KERNELS_ROWS_H
#define FM_KERNELS_ROWS_H

#include "kernels/kernel.h"

enum rows_binary { ROWS_ADD, ROWS_SUB, ROWS_MUL, ROWS_DIV, ROWS_MAX, ROWS_MIN, ROWS_RSUB /* b - a */, ROWS_RDIV /* b / a */ };

struct rows_pool {
    bool max;                    /* else average */
    bool count_pad;              /* average: positions in the padding count (but not those beyond pad_end) */
    int kernel_y, kernel_x, stride_x, dilation_x, pad_x, pad_end_x;
    int in_width;
    int counted_y;               /* average: kernel rows that count */
};

struct rows_kernels {
    /* One row of an array, src[c * plane + x], into a row, and back; columns [x0, x1). Blocked rows get zeros in the channels that pad
     * the last block. */
    void (*load_blocked)(const float *src, ptrdiff_t plane, int channels, float *row, ptrdiff_t block, int x0, int x1);
    void (*store_blocked)(const float *row, ptrdiff_t block, int channels, float *dst, ptrdiff_t plane, int x0, int x1);

    /* Depth to space by r of one input row, columns [x0, x1) of it: channel c of out row i, column x * r + j is input channel
     * crd ? c * r * r + i * r + j : (i * r + j) * channels + c. out[i] + c * plane is where that row starts. `limit` is the output
     * width: columns at or beyond it are not written (r need not divide it). out[i] may be NULL: that row is not wanted. */
    void (*shuffle_blocked)(const float *row, ptrdiff_t block, int channels, int r, bool crd, float *const *out, ptrdiff_t plane,
                            int x0, int x1, int limit);
    void (*shuffle_planar)(const float *row, ptrdiff_t block, int channels, int r, bool crd, float *const *out, ptrdiff_t plane,
                           int x0, int x1, int limit);

    /* Runs of n floats (any n, any alignment; dst may equal a source). `lane`: one parameter per lane, repeating every `vector` floats
     * (a blocked row's channels; all equal for a planar row). */
    void (*act)(float *dst, const float *src, size_t n, enum kernel_act act, float a, float b, const float *slope_lane);
    void (*binary)(float *dst, const float *a, const float *b, size_t n, enum rows_binary op);
    void (*binary_lane)(float *dst, const float *a, const float *b_lane, size_t n, enum rows_binary op);
    void (*scale_shift)(float *dst, const float *src, size_t n, const float *scale_lane, const float *shift_lane); /* src * scale + shift */
    /* sum_lane[i] += src[i], src[i + vector], ... (blocked: n a multiple of vector) */
    void (*sum_lane)(float *sum, const float *src, size_t n);
    void (*max_lane)(float *max, const float *src, size_t n);

    /* One block (plane) of one output row, columns [x0, x1): in[k] is the row that kernel row k reads, NULL where that is outside the
     * picture; dst points at column 0. blocked: `vector` channels in lanes; planar: one channel. */
    void (*pool_blocked)(const struct rows_pool *pool, const float *const *in, float *dst, int x0, int x1);
    void (*pool_planar)(const struct rows_pool *pool, const float *const *in, float *dst, int x0, int x1);

    /* One block (plane) of one output row of a separable resize: dst[x] = sum_j wy[j] * sum_i wx[x * nx + i] * in[j][index[x * nx + i]];
     * index and wx are indexed by output column. nx = ny = 1 with weights 1 is an exact copy. */
    void (*resize_blocked)(const float *const *in, const float *wy, int ny, const int32_t *index, const float *wx, int nx, float *dst,
                           int x0, int x1);
    void (*resize_planar)(const float *const *in, const float *wy, int ny, const int32_t *index, const float *wx, int nx, float *dst,
                          int x0, int x1);

    /* c[m][n] = (add ? c : 0) + a[m][k] * b[k][n], row-major with the given row strides. Columns [n0, n1), rows [m0, m1). The result of
     * an element does not depend on how the range was split. scratch: gemm_scratch bytes, aligned to 64. */
    void (*gemm)(const float *a, ptrdiff_t lda, const float *b, ptrdiff_t ldb, float *c, ptrdiff_t ldc, int k, int m0, int m1, int n0,
                 int n1, bool add, void *scratch);
    size_t gemm_scratch;
    /* Elementwise functions of plain arrays that have no kernel_act. */
    void (*exp)(float *dst, const float *src, size_t n);
    void (*softmax)(float *dst, const float *src, size_t n); /* one contiguous row */

    /* Bare fused multiply-adds on registers, `turns` rounds; returns the floating point operations done. For measuring the peak. */
    double (*peak)(int turns);
};

#endif
