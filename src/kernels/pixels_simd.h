/* SPDX-License-Identifier: MIT */
/* Vectors of 32-bit integers for packing and unpacking pixels, where the ISA can shuffle bytes (PIXELS_SHUFFLE is then defined;
 * else plain loops do). A vector is VL / 4 quarters of 16 bytes, one quarter for four pixels (lanes), or two pixels of 16-bit
 * samples. */
#ifndef FM_KERNELS_PIXELS_SIMD_H
#define FM_KERNELS_PIXELS_SIMD_H

#include "kernels/simd.h"

#if VL == 16 || VL == 8
/* Where dwords go when `per` of them are spread to the front of each quarter, and when they are brought together again. */
static const int32_t pixels_spread[5][16] = {
    {0},
    {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3},
    {0, 1, 1, 1, 2, 3, 3, 3, 4, 5, 5, 5, 6, 7, 7, 7},
    {0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
};
static const int32_t pixels_gather[5][16] = {
    {0},
    {0, 4, 8, 12},
    {0, 1, 4, 5, 8, 9, 12, 13},
    {0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
};
#endif

#if VL == 16
#define PIXELS_SHUFFLE 1
typedef __m512i vu;
SIMD_INLINE vu vu_load(const void *p, const int per)
{
    if (per == 4) return _mm512_loadu_si512(p);
    const __m512i dense = _mm512_maskz_loadu_epi32((__mmask16) ((1u << (4 * per)) - 1u), p);
    return _mm512_permutexvar_epi32(_mm512_loadu_si512(pixels_spread[per]), dense);
}
SIMD_INLINE void vu_store(void *p, vu v, const int per)
{
    if (per == 4) {
        _mm512_storeu_si512(p, v);
        return;
    }
    const __m512i dense = _mm512_permutexvar_epi32(_mm512_loadu_si512(pixels_gather[per]), v);
    _mm512_mask_storeu_epi32(p, (__mmask16) ((1u << (4 * per)) - 1u), dense);
}
SIMD_INLINE vu vu_shuffle(vu v, const uint8_t mask[16])
{
    return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *) (const void *) mask)));
}
SIMD_INLINE vu vu_or_shifted(vu v, vu w, const int bits)
{
    return _mm512_or_si512(v, _mm512_slli_epi32(w, (unsigned) bits));
}
SIMD_INLINE vu vu_low_half(vu v)
{
    return _mm512_and_si512(v, _mm512_set1_epi32(0xffff));
}
SIMD_INLINE vu vu_high_half(vu v)
{
    return _mm512_srli_epi32(v, 16);
}
SIMD_INLINE vf vu_to_float(vu v)
{
    return _mm512_cvtepi32_ps(v);
}
SIMD_INLINE vu vu_from_float(vf v)
{
    return _mm512_cvtps_epi32(v);
}
SIMD_INLINE int vf_count_nan(vf v)
{
    return __builtin_popcount(_mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q));
}
/* Two vectors of pixels of two dwords each, in order, into the first dwords and the second dwords of all; and back. */
SIMD_INLINE void vu_unzip(vu v0, vu v1, vu *first, vu *second)
{
    const __m512 a = _mm512_castsi512_ps(_mm512_shuffle_i32x4(v0, v1, 0x88)),
                 b = _mm512_castsi512_ps(_mm512_shuffle_i32x4(v0, v1, 0xdd));
    *first = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0x88));
    *second = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0xdd));
}
SIMD_INLINE void vu_zip(vu first, vu second, vu *v0, vu *v1)
{
    const __m512i a = _mm512_unpacklo_epi32(first, second), b = _mm512_unpackhi_epi32(first, second);
    *v0 = _mm512_permutex2var_epi64(a, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), b);
    *v1 = _mm512_permutex2var_epi64(a, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), b);
}
#elif VL == 8
#define PIXELS_SHUFFLE 1
typedef __m256i vu;
SIMD_INLINE __m256i vu_table(const int32_t *table)
{
    return _mm256_loadu_si256((const __m256i *) (const void *) table);
}
SIMD_INLINE vu vu_load(const void *p, const int per)
{
    __m256i dense;
    if (per == 4) return _mm256_loadu_si256((const __m256i *) p);
    if (per == 3)
        dense = _mm256_maskload_epi32((const int *) p, simd_lanes(6));
    else if (per == 2)
        dense = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *) p));
    else
        dense = _mm256_castsi128_si256(_mm_loadl_epi64((const __m128i *) p));
    return _mm256_permutevar8x32_epi32(dense, vu_table(pixels_spread[per]));
}
SIMD_INLINE void vu_store(void *p, vu v, const int per)
{
    if (per == 4) {
        _mm256_storeu_si256((__m256i *) p, v);
        return;
    }
    const __m256i dense = _mm256_permutevar8x32_epi32(v, vu_table(pixels_gather[per]));
    if (per == 1)
        _mm_storel_epi64((__m128i *) p, _mm256_castsi256_si128(dense));
    else
        _mm_storeu_si128((__m128i *) p, _mm256_castsi256_si128(dense));
    if (per == 3) _mm_storel_epi64((__m128i *) (void *) ((char *) p + 16), _mm256_extracti128_si256(dense, 1));
}
SIMD_INLINE vu vu_shuffle(vu v, const uint8_t mask[16])
{
    return _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *) (const void *) mask)));
}
SIMD_INLINE vu vu_or_shifted(vu v, vu w, const int bits)
{
    return _mm256_or_si256(v, _mm256_slli_epi32(w, bits));
}
SIMD_INLINE vu vu_low_half(vu v)
{
    return _mm256_and_si256(v, _mm256_set1_epi32(0xffff));
}
SIMD_INLINE vu vu_high_half(vu v)
{
    return _mm256_srli_epi32(v, 16);
}
SIMD_INLINE vf vu_to_float(vu v)
{
    return _mm256_cvtepi32_ps(v);
}
SIMD_INLINE vu vu_from_float(vf v)
{
    return _mm256_cvtps_epi32(v);
}
SIMD_INLINE int vf_count_nan(vf v)
{
    return __builtin_popcount((unsigned) _mm256_movemask_ps(_mm256_cmp_ps(v, v, _CMP_UNORD_Q)));
}
SIMD_INLINE void vu_unzip(vu v0, vu v1, vu *first, vu *second)
{
    const __m256 a = _mm256_castsi256_ps(_mm256_permute2x128_si256(v0, v1, 0x20));
    const __m256 b = _mm256_castsi256_ps(_mm256_permute2x128_si256(v0, v1, 0x31));
    *first = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88));
    *second = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd));
}
SIMD_INLINE void vu_zip(vu first, vu second, vu *v0, vu *v1)
{
    const __m256i a = _mm256_unpacklo_epi32(first, second), b = _mm256_unpackhi_epi32(first, second);
    *v0 = _mm256_permute2x128_si256(a, b, 0x20);
    *v1 = _mm256_permute2x128_si256(a, b, 0x31);
}
#elif defined(__aarch64__)
#define PIXELS_SHUFFLE 1
typedef uint32x4_t vu;
SIMD_INLINE vu vu_load(const void *p, const int per)
{
    uint32_t dwords[4] = {0};
    memcpy(dwords, p, (size_t) per * 4);
    return vld1q_u32(dwords);
}
SIMD_INLINE void vu_store(void *p, vu v, const int per)
{
    uint32_t dwords[4];
    vst1q_u32(dwords, v);
    memcpy(p, dwords, (size_t) per * 4);
}
SIMD_INLINE vu vu_shuffle(vu v, const uint8_t mask[16])
{
    return vreinterpretq_u32_u8(vqtbl1q_u8(vreinterpretq_u8_u32(v), vld1q_u8(mask)));
}
SIMD_INLINE vu vu_or_shifted(vu v, vu w, const int bits)
{
    return vorrq_u32(v, vshlq_u32(w, vdupq_n_s32(bits)));
}
SIMD_INLINE vu vu_low_half(vu v)
{
    return vandq_u32(v, vdupq_n_u32(0xffff));
}
SIMD_INLINE vu vu_high_half(vu v)
{
    return vshrq_n_u32(v, 16);
}
SIMD_INLINE vf vu_to_float(vu v)
{
    return vcvtq_f32_u32(v);
}
SIMD_INLINE vu vu_from_float(vf v)
{
    return vcvtnq_u32_f32(v);
}
SIMD_INLINE int vf_count_nan(vf v)
{
    return 4 - (int) vaddvq_u32(vshrq_n_u32(vceqq_f32(v, v), 31));
}
SIMD_INLINE void vu_unzip(vu v0, vu v1, vu *first, vu *second)
{
    *first = vuzp1q_u32(v0, v1);
    *second = vuzp2q_u32(v0, v1);
}
SIMD_INLINE void vu_zip(vu first, vu second, vu *v0, vu *v1)
{
    *v0 = vzip1q_u32(first, second);
    *v1 = vzip2q_u32(first, second);
}
#elif defined(__wasm_simd128__)
#define PIXELS_SHUFFLE 1
typedef uint32_t vu __attribute__((vector_size(16)));
SIMD_INLINE vu vu_load(const void *p, const int per)
{
    vu v = {0, 0, 0, 0};
    memcpy(&v, p, (size_t) per * 4);
    return v;
}
SIMD_INLINE void vu_store(void *p, vu v, const int per)
{
    memcpy(p, &v, (size_t) per * 4);
}
SIMD_INLINE vu vu_shuffle(vu v, const uint8_t mask[16])
{
    return (vu) wasm_i8x16_swizzle((v128_t) v, wasm_v128_load(mask));
}
SIMD_INLINE vu vu_or_shifted(vu v, vu w, const int bits)
{
    return v | w << (uint32_t) bits;
}
SIMD_INLINE vu vu_low_half(vu v)
{
    return v & 0xffff;
}
SIMD_INLINE vu vu_high_half(vu v)
{
    return v >> 16;
}
SIMD_INLINE vf vu_to_float(vu v)
{
    return (vf) wasm_f32x4_convert_i32x4((v128_t) v);
}
SIMD_INLINE vu vu_from_float(vf v) /* from 0 to 65535: the addition rounds, and leaves the result in the low bits */
{
    return (vu) (v + vf_set1(0x1.8p23f)) & 0xffff;
}
SIMD_INLINE int vf_count_nan(vf v)
{
    return __builtin_popcount(wasm_i32x4_bitmask((v128_t) (v != v)));
}
SIMD_INLINE void vu_unzip(vu v0, vu v1, vu *first, vu *second)
{
    *first = __builtin_shufflevector(v0, v1, 0, 2, 4, 6);
    *second = __builtin_shufflevector(v0, v1, 1, 3, 5, 7);
}
SIMD_INLINE void vu_zip(vu first, vu second, vu *v0, vu *v1)
{
    *v0 = __builtin_shufflevector(first, second, 0, 4, 1, 5);
    *v1 = __builtin_shufflevector(first, second, 2, 6, 3, 7);
}
#endif

#endif
