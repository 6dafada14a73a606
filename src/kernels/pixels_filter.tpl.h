/* SPDX-License-Identifier: MIT */
/* The two passes of a resampler for one ISA; see pixels.h. The order in which the taps of a sample are added is fixed, so that no
 * split of the work shows. */
#include "kernels/pixels.h"
#include "kernels/sets.h"
#include "kernels/transpose.h"

#define FILTER_COLUMNS 256 /* input columns turned at a time: they stay in the first-level cache */
#define FILTER_TAPS 64     /* more than these are summed with taps in lanes */
#define FILTER_CHUNK 64    /* taps added up by themselves, which keeps rounding errors small */

/* Columns [0, n) of VL rows into [column][VL]; rows from `rows` on are taken as zero. n is rounded up to whole vectors. */
static void filter_turn_in(const float *src, ptrdiff_t pitch, int rows, float *turned, int n)
{
    for (int x = 0; x < n; x += VL) {
        float tile[VL * VL];
        for (int r = 0; r < VL; r++) {
            const float *from = src + r * pitch + x;
            vf_store(tile + r * VL, r >= rows ? vf_zero() : n - x < VL ? vf_load_part(from, n - x) : vf_load(from));
        }
        transpose_tile(tile, turned + (ptrdiff_t) x * VL, VL);
    }
}

/* `count` neighbouring outputs, each of VL rows, into tile[output][VL]. */
SIMD_INLINE void filter_outputs(
    const int count, const int taps, const float *turned, int first, const int32_t *start, const float *w, float *tile)
{
    vf sum[4];
    const float *in[4];
    for (int i = 0; i < count; i++) {
        sum[i] = vf_zero();
        in[i] = turned + (ptrdiff_t) (start[i] - first) * VL;
    }
    for (int k = 0; k < taps; k++)
        for (int i = 0; i < count; i++) sum[i] = vf_fma(vf_set1(w[i * taps + k]), vf_load(in[i] + (ptrdiff_t) k * VL), sum[i]);
    for (int i = 0; i < count; i++) vf_store(tile + i * VL, sum[i]);
}

SIMD_INLINE void filter_tile(
    const int taps, const struct pixels_filter *f, const float *turned, int first, int x, int n, float *tile)
{
    int i = 0;
    for (; n - i >= 4; i += 4)
        filter_outputs(4, taps, turned, first, f->start + x + i, f->weights + (ptrdiff_t) (x + i) * taps, tile + i * VL);
    for (; i < n; i++)
        filter_outputs(1, taps, turned, first, f->start + x + i, f->weights + (ptrdiff_t) (x + i) * taps, tile + i * VL);
}

/* Few taps: rows in lanes, so that any ratio is as quick as any other. Input is turned, filtered, and turned back. rows: 1 .. VL */
static void filter_short(const struct pixels_filter *f, const float *src, ptrdiff_t src_pitch, int first, float *dst,
    ptrdiff_t dst_pitch, int rows, int x0, int x1)
{
    _Alignas(64) float turned[FILTER_COLUMNS * VL];
    _Alignas(64) float tile[VL * VL] = {0};
    for (int x = x0; x < x1;) {
        const int base = f->start[x];
        int end = x + 1;
        while (end < x1 && f->start[end] - base <= FILTER_COLUMNS - f->taps) end++;
        filter_turn_in(src + (base - first), src_pitch, rows, turned, f->start[end - 1] - base + f->taps);
        for (; x < end; x += VL) {
            const int n = end - x < VL ? end - x : VL;
            if (f->taps == 6)
                filter_tile(6, f, turned, base, x, n, tile);
            else
                filter_tile(f->taps, f, turned, base, x, n, tile);
            float *const to = dst + (x - x0);
            if (rows == VL && n == VL) {
                transpose_tile(tile, to, dst_pitch);
            } else {
                float upright[VL * VL];
                transpose_tile(tile, upright, VL);
                for (int r = 0; r < rows; r++) vf_store_part(to + r * dst_pitch, vf_load(upright + r * VL), n);
            }
        }
        x = end;
    }
}

SIMD_INLINE float filter_dot(const float *a, const float *w, int n)
{
    vf sum[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
    int k = 0;
    for (; n - k >= 4 * VL; k += 4 * VL)
        for (int i = 0; i < 4; i++) sum[i] = vf_fma(vf_load(a + k + i * VL), vf_load(w + k + i * VL), sum[i]);
    for (; n - k >= VL; k += VL) sum[0] = vf_fma(vf_load(a + k), vf_load(w + k), sum[0]);
    if (k < n) sum[1] = vf_fma(vf_load_part(a + k, n - k), vf_load_part(w + k, n - k), sum[1]);
    float lanes[VL], total = 0;
    vf_store(lanes, vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3])));
    for (int i = 0; i < VL; i++) total += lanes[i];
    return total;
}

static void K(pixels_filter_x)(const struct pixels_filter *f, const float *src, ptrdiff_t src_pitch, int first, float *dst,
    ptrdiff_t dst_pitch, int rows, int x0, int x1)
{
    if (f->taps <= FILTER_TAPS) {
        for (int r = 0; r < rows; r += VL)
            filter_short(
                f, src + r * src_pitch, src_pitch, first, dst + r * dst_pitch, dst_pitch, rows - r < VL ? rows - r : VL, x0, x1);
        return;
    }
    for (int x = x0; x < x1; x++)
        for (int r = 0; r < rows; r++)
            dst[r * dst_pitch + (x - x0)] =
                filter_dot(src + r * src_pitch + (f->start[x] - first), f->weights + (ptrdiff_t) x * f->taps, f->taps);
}

/* `count` vectors of columns; `part`: columns of the one vector that is not whole, 0: all are. */
SIMD_INLINE void blend_columns(
    const int count, const int taps, const float *src, ptrdiff_t pitch, const float *w, float *dst, int part)
{
    vf sum[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
    for (int k0 = 0; k0 < taps; k0 += FILTER_CHUNK) {
        const int k1 = taps - k0 < FILTER_CHUNK ? taps : k0 + FILTER_CHUNK;
        vf chunk[4];
        for (int i = 0; i < count; i++) chunk[i] = vf_zero();
        for (int k = k0; k < k1; k++) {
            const float *in = src + k * pitch;
            const vf weight = vf_set1(w[k]);
            for (int i = 0; i < count; i++)
                chunk[i] = vf_fma(weight, part ? vf_load_part(in, part) : vf_load(in + i * VL), chunk[i]);
        }
        for (int i = 0; i < count; i++) sum[i] = vf_add(sum[i], chunk[i]);
    }
    for (int i = 0; i < count; i++) {
        if (part)
            vf_store_part(dst, sum[i], part);
        else
            vf_store(dst + i * VL, sum[i]);
    }
}

SIMD_INLINE void blend_row(const int taps, const float *src, ptrdiff_t pitch, const float *w, float *dst, int n)
{
    int x = 0;
    for (; n - x >= 4 * VL; x += 4 * VL) blend_columns(4, taps, src + x, pitch, w, dst + x, 0);
    for (; n - x >= VL; x += VL) blend_columns(1, taps, src + x, pitch, w, dst + x, 0);
    if (x < n) blend_columns(1, taps, src + x, pitch, w, dst + x, n - x);
}

static void K(pixels_blend_rows)(const float *src, ptrdiff_t pitch, const float *weights, int taps, float *dst, int n)
{
    if (taps == 6)
        blend_row(6, src, pitch, weights, dst, n);
    else
        blend_row(taps, src, pitch, weights, dst, n);
}
