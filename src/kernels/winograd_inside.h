/* SPDX-License-Identifier: MIT */
/* M = V U for layers of no more than one vector of channels on either side, 16 lanes: a position's products take the place of its values,
 * so that a block of few tiles stays in the first-level cache from the rows that go in to the rows that come out; only U streams past it.
 * Two positions at a time make up for the few tiles: their sums do not wait for each other. Part of winograd.tpl.h. */
#ifndef FM_KERNELS_WINOGRAD_INSIDE_H
#define FM_KERNELS_WINOGRAD_INSIDE_H

SIMD_INLINE void wino_inside(const int alpha, const int count, float *v, const float *u, int channels)
{
    for (int p = 0; p < alpha * alpha; p += 2, v += 2 * VL, u += (ptrdiff_t) 2 * channels * VL) {
        vf sum[2 * WINO_INSIDE];
        WINO_UNROLL
        for (int i = 0; i < 2 * count; i++) sum[i] = vf_zero();
        const float *weights = u;
        WINO_UNROLL_BY(4)
        for (int i = 0; i < channels; i++, weights += VL) {
            const vf weight = vf_load(weights), other = vf_load(weights + (ptrdiff_t) channels * VL);
            WINO_UNROLL
            for (int t = 0; t < count; t++) {
                const float *const value = v + i + t * WINO_TILE_STRIDE(alpha);
                sum[t] = vf_fma(vf_set1(value[0]), weight, sum[t]);
                sum[count + t] = vf_fma(vf_set1(value[VL]), other, sum[count + t]);
            }
        }
        WINO_UNROLL
        for (int i = 0; i < 2 * count; i++) vf_store(v + i / count * VL + i % count * WINO_TILE_STRIDE(alpha), sum[i]);
    }
}

typedef void wino_inside_fn(float *v, const float *u, int channels);

#define WINO_INSIDE_SIZES(X, a) X(a, 1) X(a, 2) X(a, 3) X(a, 4) X(a, 5) X(a, 6) X(a, 7) X(a, 8)
#define WINO_INSIDE_PRODUCT(alpha, count) \
    static void wino_inside_##alpha##_##count(float *v, const float *u, int channels) { wino_inside(alpha, count, v, u, channels); }
WINO_INSIDE_SIZES(WINO_INSIDE_PRODUCT, 8)
WINO_INSIDE_SIZES(WINO_INSIDE_PRODUCT, 6)

#define WINO_INSIDE_ENTRY(alpha, count) [count] = wino_inside_##alpha##_##count,
static wino_inside_fn *const wino_insides8[WINO_INSIDE + 1] = {WINO_INSIDE_SIZES(WINO_INSIDE_ENTRY, 8)};
static wino_inside_fn *const wino_insides6[WINO_INSIDE + 1] = {WINO_INSIDE_SIZES(WINO_INSIDE_ENTRY, 6)};

#endif
