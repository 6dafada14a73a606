/* SPDX-License-Identifier: MIT */
/* Kernels on the planes of video: between integers of 8 .. 16 bits and floats, between colour systems, and whether two rectangles
 * are the same. Rows are dense and of any alignment; nothing outside them is read or written. */
#ifndef FM_KERNELS_PLANES_H
#define FM_KERNELS_PLANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An integer v as a float: (v * gain + offset) / divisor. gain, offset and divisor are whole numbers, and so small that the sum is
 * exact for every v: one rounding, the same bits everywhere. */
struct planes_load {
    float gain, offset, divisor;
};

/* A float as an integer: x * scale - offset, rounded to nearest (ties to even) and cut to 0 .. most. */
struct planes_store {
    float scale, offset, most;
};

struct planes_matrix {
    float m[3][3];
};

struct planes_kernels {
    void (*load8)(const uint8_t *src, const struct planes_load *form, float *dst, int n);
    void (*load16)(const uint16_t *src, const struct planes_load *form, float *dst, int n);

    /* What is not a number becomes 0. Return how many were not; the same bits everywhere. */
    uint64_t (*store8)(const float *src, const struct planes_store *form, uint8_t *dst, int n);
    uint64_t (*store16)(const float *src, const struct planes_store *form, uint16_t *dst, int n);

    /* dst[i][x] = m[i][0] * a[x] + m[i][1] * b[x] + m[i][2] * c[x], i < 3. A dst may be a source; a dst that is NULL is left out. A
     * sample's bits do not depend on what is beside it. */
    void (*matrix)(const struct planes_matrix *m, const float *a, const float *b, const float *c, float *const *dst, int n);

    /* Are `rows` rows of `bytes` bytes the same? Strides in bytes. */
    bool (*same)(const uint8_t *a, ptrdiff_t a_stride, const uint8_t *b, ptrdiff_t b_stride, size_t bytes, int rows);
};

#endif
