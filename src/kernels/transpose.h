/* SPDX-License-Identifier: MIT */
/* VL x VL values from blocked order (pixels of VL channels) to planar order (channels of VL pixels). */
#ifndef FM_KERNELS_TRANSPOSE_H
#define FM_KERNELS_TRANSPOSE_H

#include "kernels/simd.h"

#if VL == 16
/* Quarters of four pixels are gathered by loads, so that only two rounds of shuffles remain. */
SIMD_INLINE __m512 transpose_quarters(const float *p)
{
    __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(p));
    v = _mm512_insertf32x4(v, _mm_loadu_ps(p + 4 * VL), 1);
    v = _mm512_insertf32x4(v, _mm_loadu_ps(p + 8 * VL), 2);
    return _mm512_insertf32x4(v, _mm_loadu_ps(p + 12 * VL), 3);
}
SIMD_INLINE void transpose_tile(const float *src, float *dst, ptrdiff_t dst_pitch)
{
    for (int c = 0; c < VL; c += 4) {
        const __m512 a = transpose_quarters(src + c), b = transpose_quarters(src + VL + c);
        const __m512 d = transpose_quarters(src + 2 * VL + c), e = transpose_quarters(src + 3 * VL + c);
        const __m512d ab0 = _mm512_castps_pd(_mm512_unpacklo_ps(a, b)), ab1 = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
        const __m512d de0 = _mm512_castps_pd(_mm512_unpacklo_ps(d, e)), de1 = _mm512_castps_pd(_mm512_unpackhi_ps(d, e));
        float *out = dst + c * dst_pitch;
        vf_store(out, _mm512_castpd_ps(_mm512_unpacklo_pd(ab0, de0)));
        vf_store(out + dst_pitch, _mm512_castpd_ps(_mm512_unpackhi_pd(ab0, de0)));
        vf_store(out + 2 * dst_pitch, _mm512_castpd_ps(_mm512_unpacklo_pd(ab1, de1)));
        vf_store(out + 3 * dst_pitch, _mm512_castpd_ps(_mm512_unpackhi_pd(ab1, de1)));
    }
}
#elif VL == 8
SIMD_INLINE __m256 transpose_halves(const float *p)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + 4 * VL), 1);
}
SIMD_INLINE void transpose_tile(const float *src, float *dst, ptrdiff_t dst_pitch)
{
    for (int c = 0; c < VL; c += 4) {
        const __m256 a = transpose_halves(src + c), b = transpose_halves(src + VL + c);
        const __m256 d = transpose_halves(src + 2 * VL + c), e = transpose_halves(src + 3 * VL + c);
        const __m256d ab0 = _mm256_castps_pd(_mm256_unpacklo_ps(a, b)), ab1 = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
        const __m256d de0 = _mm256_castps_pd(_mm256_unpacklo_ps(d, e)), de1 = _mm256_castps_pd(_mm256_unpackhi_ps(d, e));
        float *out = dst + c * dst_pitch;
        vf_store(out, _mm256_castpd_ps(_mm256_unpacklo_pd(ab0, de0)));
        vf_store(out + dst_pitch, _mm256_castpd_ps(_mm256_unpackhi_pd(ab0, de0)));
        vf_store(out + 2 * dst_pitch, _mm256_castpd_ps(_mm256_unpacklo_pd(ab1, de1)));
        vf_store(out + 3 * dst_pitch, _mm256_castpd_ps(_mm256_unpackhi_pd(ab1, de1)));
    }
}
#else
SIMD_INLINE void transpose_tile(const float *src, float *dst, ptrdiff_t dst_pitch)
{
    const vf a = vf_load(src), b = vf_load(src + 4), c = vf_load(src + 8), d = vf_load(src + 12);
    const vf ab0 = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab1 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const vf cd0 = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd1 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    vf_store(dst, __builtin_shufflevector(ab0, cd0, 0, 1, 4, 5));
    vf_store(dst + dst_pitch, __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7));
    vf_store(dst + 2 * dst_pitch, __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5));
    vf_store(dst + 3 * dst_pitch, __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7));
}
#endif

/* The first `pixels` (1 .. VL) pixels only are read; the rest of each output row is zero. */
SIMD_INLINE void transpose_part(const float *src, int pixels, float *dst, ptrdiff_t dst_pitch)
{
    if (pixels >= VL) {
        transpose_tile(src, dst, dst_pitch);
        return;
    }
    float copy[VL * VL];
    for (int i = 0; i < VL; i++) vf_store(copy + i * VL, i < pixels ? vf_load(src + i * VL) : vf_zero());
    transpose_tile(copy, dst, dst_pitch);
}

#endif
