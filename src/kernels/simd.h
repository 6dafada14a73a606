/* SPDX-License-Identifier: MIT */
/* One vector of floats, whatever the ISA: kernels are written once against these names and compiled once per ISA (the including file
 * is built with that ISA's flags and defines KERNEL_ISA, the suffix of its symbols). VL floats per vector; VREGS registers. */
#ifndef FM_KERNELS_SIMD_H
#define FM_KERNELS_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KERNEL_JOIN2(a, b) a##_##b
#define KERNEL_JOIN(a, b) KERNEL_JOIN2(a, b)
#define K(name) KERNEL_JOIN(name, KERNEL_ISA)

#define SIMD_INLINE static inline __attribute__((always_inline, unused))

#if defined(__AVX512F__)
#include <immintrin.h>
#define VL 16
#define VREGS 32
typedef __m512 vf;
SIMD_INLINE vf vf_zero(void) { return _mm512_setzero_ps(); }
SIMD_INLINE vf vf_set1(float x) { return _mm512_set1_ps(x); }
SIMD_INLINE vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
SIMD_INLINE void vf_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
SIMD_INLINE vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
SIMD_INLINE vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
SIMD_INLINE vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
SIMD_INLINE vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
SIMD_INLINE vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); } /* b when either is NaN */
SIMD_INLINE vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
SIMD_INLINE vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }   /* a * b + c */
SIMD_INLINE vf vf_fnma(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); } /* c - a * b */
SIMD_INLINE vf vf_sqrt(vf a) { return _mm512_sqrt_ps(a); }
SIMD_INLINE vf vf_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
SIMD_INLINE vf vf_select_lt0(vf x, vf if_lt, vf if_not) /* x < 0 ? if_lt : if_not */
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ), if_not, if_lt);
}
/* 2^n for integral n in [-126, 127] */
SIMD_INLINE vf vf_pow2(vf n) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23)); }
/* The first `count` (0..VL) lanes; the others zero / untouched. No access beyond them. */
SIMD_INLINE vf vf_load_part(const float *p, int count) { return _mm512_maskz_loadu_ps((__mmask16) ((1u << count) - 1u), p); }
SIMD_INLINE void vf_store_part(float *p, vf v, int count) { _mm512_mask_storeu_ps(p, (__mmask16) ((1u << count) - 1u), v); }
#elif defined(__AVX2__)
#include <immintrin.h>
#define VL 8
#define VREGS 16
typedef __m256 vf;
SIMD_INLINE vf vf_zero(void) { return _mm256_setzero_ps(); }
SIMD_INLINE vf vf_set1(float x) { return _mm256_set1_ps(x); }
SIMD_INLINE vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
SIMD_INLINE void vf_store(float *p, vf v) { _mm256_storeu_ps(p, v); }
SIMD_INLINE vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
SIMD_INLINE vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
SIMD_INLINE vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
SIMD_INLINE vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
SIMD_INLINE vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
SIMD_INLINE vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
SIMD_INLINE vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
SIMD_INLINE vf vf_fnma(vf a, vf b, vf c) { return _mm256_fnmadd_ps(a, b, c); }
SIMD_INLINE vf vf_sqrt(vf a) { return _mm256_sqrt_ps(a); }
SIMD_INLINE vf vf_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
SIMD_INLINE vf vf_select_lt0(vf x, vf if_lt, vf if_not)
{
    return _mm256_blendv_ps(if_not, if_lt, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_LT_OQ));
}
SIMD_INLINE vf vf_pow2(vf n) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23)); }
SIMD_INLINE __m256i simd_lanes(int count)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
SIMD_INLINE vf vf_load_part(const float *p, int count) { return _mm256_maskload_ps(p, simd_lanes(count)); }
SIMD_INLINE void vf_store_part(float *p, vf v, int count) { _mm256_maskstore_ps(p, simd_lanes(count), v); }
#else /* four lanes by the compiler's vectors: NEON, WebAssembly, SSE2, anything */
#define VL 4
#if defined(__ARM_NEON)
#include <arm_neon.h>
#define VREGS 32
typedef float32x4_t vf;
SIMD_INLINE vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
SIMD_INLINE vf vf_fnma(vf a, vf b, vf c) { return vfmsq_f32(c, a, b); }
SIMD_INLINE vf vf_sqrt(vf a) { return vsqrtq_f32(a); }
SIMD_INLINE vf vf_round(vf a) { return vrndnq_f32(a); }
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
#define VREGS 16 /* what most processors below have */
typedef float vf __attribute__((vector_size(16)));
SIMD_INLINE vf vf_fma(vf a, vf b, vf c) { return a * b + c; }
SIMD_INLINE vf vf_fnma(vf a, vf b, vf c) { return c - a * b; }
SIMD_INLINE vf vf_sqrt(vf a) { return (vf) wasm_f32x4_sqrt((v128_t) a); }
SIMD_INLINE vf vf_round(vf a) { return (vf) wasm_f32x4_nearest((v128_t) a); }
#else
#include <math.h>
#define VREGS 16
typedef float vf __attribute__((vector_size(16)));
SIMD_INLINE vf vf_fma(vf a, vf b, vf c) { return a * b + c; }
SIMD_INLINE vf vf_fnma(vf a, vf b, vf c) { return c - a * b; }
SIMD_INLINE vf vf_sqrt(vf a) { return (vf) { sqrtf(a[0]), sqrtf(a[1]), sqrtf(a[2]), sqrtf(a[3]) }; }
SIMD_INLINE vf vf_round(vf a) { return (vf) { rintf(a[0]), rintf(a[1]), rintf(a[2]), rintf(a[3]) }; }
#endif
typedef int32_t vi __attribute__((vector_size(16)));
SIMD_INLINE vf vf_zero(void) { return (vf) { 0, 0, 0, 0 }; }
SIMD_INLINE vf vf_set1(float x) { return (vf) { x, x, x, x }; }
SIMD_INLINE vf vf_load(const float *p) { vf v; memcpy(&v, p, sizeof v); return v; }
SIMD_INLINE void vf_store(float *p, vf v) { memcpy(p, &v, sizeof v); }
SIMD_INLINE vf vf_add(vf a, vf b) { return a + b; }
SIMD_INLINE vf vf_sub(vf a, vf b) { return a - b; }
SIMD_INLINE vf vf_mul(vf a, vf b) { return a * b; }
SIMD_INLINE vf vf_div(vf a, vf b) { return a / b; }
SIMD_INLINE vf simd_blend(vi mask, vf yes, vf no) { return (vf) (((vi) yes & mask) | ((vi) no & ~mask)); }
#if defined(__wasm_simd128__)
SIMD_INLINE vf vf_max(vf a, vf b) { return (vf) wasm_f32x4_pmax((v128_t) b, (v128_t) a); }
SIMD_INLINE vf vf_min(vf a, vf b) { return (vf) wasm_f32x4_pmin((v128_t) b, (v128_t) a); }
/* The sum has n in its lowest bits; what stands above them is shifted out. */
SIMD_INLINE vf vf_pow2(vf n) { return (vf) (((vi) (n + vf_set1(0x1.8p23f)) + 127) << 23); }
#else
SIMD_INLINE vf vf_max(vf a, vf b) { return simd_blend((vi) (a > b), a, b); }
SIMD_INLINE vf vf_min(vf a, vf b) { return simd_blend((vi) (a < b), a, b); }
SIMD_INLINE vf vf_pow2(vf n)
{
    const vi i = { (int32_t) n[0], (int32_t) n[1], (int32_t) n[2], (int32_t) n[3] };
    return (vf) ((i + 127) << 23);
}
#endif
SIMD_INLINE vf vf_select_lt0(vf x, vf if_lt, vf if_not) { return simd_blend((vi) (x < vf_zero()), if_lt, if_not); }
SIMD_INLINE vf vf_load_part(const float *p, int count) { vf v = vf_zero(); for (int i = 0; i < count; i++) v[i] = p[i]; return v; }
SIMD_INLINE void vf_store_part(float *p, vf v, int count) { for (int i = 0; i < count; i++) p[i] = v[i]; }
#endif

#endif
