/* SPDX-License-Identifier: MIT */
/* Kernels on the pixels of pictures: between interleaved integers and planes of floats, and the two passes of a resampler. Rows are
 * dense and of any alignment; nothing outside them is read or written. */
#ifndef FM_KERNELS_PIXELS_H
#define FM_KERNELS_PIXELS_H

#include <stddef.h>
#include <stdint.h>

/* One axis of a resampler: output sample x is the sum of weights[x * taps + k] * input[start[x] + k] over k < taps. `start` never
 * falls. */
struct pixels_filter {
    int taps;
    const int32_t *start;
    const float *weights;
};

struct pixels_kernels {
    /* n pixels of 1 .. 4 channels into planes: dst[c][x] = src[x * channels + c] / 255 (65535), correctly rounded, so the same bits
     * everywhere. A channel whose dst is NULL is left out. */
    void (*unpack8)(const uint8_t *src, int channels, float *const *dst, int n);
    void (*unpack16)(const uint16_t *src, int channels, float *const *dst, int n);

    /* And back: the product with 255 (65535) rounded to nearest, ties to even, cut to the range; the same bits everywhere. What is
     * not a number becomes 0. A channel whose src is NULL is written as the largest value. Returns how many samples were not
     * numbers. */
    uint64_t (*pack8)(const float *const *src, int channels, uint8_t *dst, int n);
    uint64_t (*pack16)(const float *const *src, int channels, uint16_t *dst, int n);

    /* Along rows: output columns [x0, x1) of `rows` rows. src points at input column `first` of the first row, dst at output column
     * x0; pitches in floats. A sample's bits depend on its taps alone, not on the range or the rows beside it. */
    void (*filter_x)(const struct pixels_filter *filter, const float *src, ptrdiff_t src_pitch, int first, float *dst,
        ptrdiff_t dst_pitch, int rows, int x0, int x1);
    /* Across rows: dst[x] = sum over k < taps of weights[k] * src[k * pitch + x], x < n. The same promise. */
    void (*blend_rows)(const float *src, ptrdiff_t pitch, const float *weights, int taps, float *dst, int n);
};

#endif
