/* SPDX-License-Identifier: MIT */
/* A vector's worth of 8- and 16-bit integers from memory to lanes and back, and vectors of bytes to compare, where the ISA has them
 * (PLANES_VECTOR is then defined; else plain loops do). */
#ifndef FM_KERNELS_PLANES_SIMD_H
#define FM_KERNELS_PLANES_SIMD_H

#include <stdbool.h>

#include "kernels/pixels_simd.h"

#if VL == 16
#define PLANES_VECTOR 64 /* bytes of one to compare */
SIMD_INLINE vu vu_load8(const uint8_t *p)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *) (const void *) p));
}
SIMD_INLINE vu vu_load16(const uint16_t *p)
{
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *) (const void *) p));
}
SIMD_INLINE void vu_store8(uint8_t *p, vu v)
{
    _mm_storeu_si128((__m128i *) (void *) p, _mm512_cvtepi32_epi8(v));
}
SIMD_INLINE void vu_store16(uint16_t *p, vu v)
{
    _mm256_storeu_si256((__m256i *) (void *) p, _mm512_cvtepi32_epi16(v));
}
typedef __m512i vbytes;
SIMD_INLINE vbytes vbytes_zero(void)
{
    return _mm512_setzero_si512();
}
SIMD_INLINE vbytes vbytes_add_difference(vbytes sum, const uint8_t *a, const uint8_t *b) /* bits that differ, or those of `sum` */
{
    return _mm512_ternarylogic_epi64(sum, _mm512_loadu_si512(a), _mm512_loadu_si512(b), 0xf6);
}
SIMD_INLINE bool vbytes_is_zero(vbytes v)
{
    return _mm512_test_epi64_mask(v, v) == 0;
}
#elif VL == 8
#define PLANES_VECTOR 32
SIMD_INLINE vu vu_load8(const uint8_t *p)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *) (const void *) p));
}
SIMD_INLINE vu vu_load16(const uint16_t *p)
{
    return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *) (const void *) p));
}
SIMD_INLINE __m128i vu_halves(vu v) /* lanes of 16 bits */
{
    return _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}
SIMD_INLINE void vu_store8(uint8_t *p, vu v)
{
    _mm_storel_epi64((__m128i *) (void *) p, _mm_packus_epi16(vu_halves(v), _mm_setzero_si128()));
}
SIMD_INLINE void vu_store16(uint16_t *p, vu v)
{
    _mm_storeu_si128((__m128i *) (void *) p, vu_halves(v));
}
typedef __m256i vbytes;
SIMD_INLINE vbytes vbytes_zero(void)
{
    return _mm256_setzero_si256();
}
SIMD_INLINE vbytes vbytes_add_difference(vbytes sum, const uint8_t *a, const uint8_t *b)
{
    const __m256i va = _mm256_loadu_si256((const __m256i *) (const void *) a),
                  vb = _mm256_loadu_si256((const __m256i *) (const void *) b);
    return _mm256_or_si256(sum, _mm256_xor_si256(va, vb));
}
SIMD_INLINE bool vbytes_is_zero(vbytes v)
{
    return _mm256_testz_si256(v, v);
}
#elif defined(__aarch64__)
#define PLANES_VECTOR 16
SIMD_INLINE vu vu_load8(const uint8_t *p)
{
    uint32_t four;
    memcpy(&four, p, sizeof four);
    return vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four))));
}
SIMD_INLINE vu vu_load16(const uint16_t *p)
{
    return vmovl_u16(vld1_u16(p));
}
SIMD_INLINE void vu_store8(uint8_t *p, vu v)
{
    const uint16x4_t halves = vmovn_u32(v);
    const uint32_t four = vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(halves, halves))), 0);
    memcpy(p, &four, sizeof four);
}
SIMD_INLINE void vu_store16(uint16_t *p, vu v)
{
    vst1_u16(p, vmovn_u32(v));
}
typedef uint8x16_t vbytes;
SIMD_INLINE vbytes vbytes_zero(void)
{
    return vdupq_n_u8(0);
}
SIMD_INLINE vbytes vbytes_add_difference(vbytes sum, const uint8_t *a, const uint8_t *b)
{
    return vorrq_u8(sum, veorq_u8(vld1q_u8(a), vld1q_u8(b)));
}
SIMD_INLINE bool vbytes_is_zero(vbytes v)
{
    return vmaxvq_u8(v) == 0;
}
#elif defined(__wasm_simd128__)
#define PLANES_VECTOR 16
SIMD_INLINE vu vu_load8(const uint8_t *p)
{
    return (vu) wasm_u32x4_extend_low_u16x8(wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(p)));
}
SIMD_INLINE vu vu_load16(const uint16_t *p)
{
    return (vu) wasm_u32x4_load16x4(p);
}
SIMD_INLINE void vu_store8(uint8_t *p, vu v)
{
    const v128_t halves = wasm_u16x8_narrow_i32x4((v128_t) v, (v128_t) v);
    wasm_v128_store32_lane(p, wasm_u8x16_narrow_i16x8(halves, halves), 0);
}
SIMD_INLINE void vu_store16(uint16_t *p, vu v)
{
    wasm_v128_store64_lane(p, wasm_u16x8_narrow_i32x4((v128_t) v, (v128_t) v), 0);
}
typedef v128_t vbytes;
SIMD_INLINE vbytes vbytes_zero(void)
{
    return wasm_i32x4_splat(0);
}
SIMD_INLINE vbytes vbytes_add_difference(vbytes sum, const uint8_t *a, const uint8_t *b)
{
    return wasm_v128_or(sum, wasm_v128_xor(wasm_v128_load(a), wasm_v128_load(b)));
}
SIMD_INLINE bool vbytes_is_zero(vbytes v)
{
    return !wasm_v128_any_true(v);
}
#endif

#endif
