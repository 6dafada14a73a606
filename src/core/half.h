/* SPDX-License-Identifier: MIT */
/* Scalar conversions between float32 and the 16-bit floats, round to nearest even, NaN and subnormals kept. */
#ifndef FM_CORE_HALF_H
#define FM_CORE_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t half_float_bits(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }
static inline float half_bits_float(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }

static inline float half_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t) (h & 0x8000u) << 16;
    const uint32_t rest = h & 0x7fffu;
    if (rest >= 0x7c00u) /* infinity, NaN */
        return half_bits_float(sign | 0x7f800000u | ((rest & 0x3ffu) << 13));
    if (rest >= 0x0400u)
        return half_bits_float(sign | ((rest << 13) + 0x38000000u));
    const float magnitude = (float) rest * 0x1p-24f; /* subnormal: exact */
    return sign ? -magnitude : magnitude;
}

static inline uint16_t half_from_f32(float f)
{
    const uint32_t u = half_float_bits(f);
    const uint16_t sign = (uint16_t) ((u >> 16) & 0x8000u);
    const uint32_t a = u & 0x7fffffffu;
    if (a > 0x7f800000u) return (uint16_t) (sign | 0x7e00u | ((a >> 13) & 0x3ffu));
    if (a >= 0x477ff000u) return (uint16_t) (sign | 0x7c00u); /* rounds past 65504 */
    if (a < 0x38800000u) { /* subnormal or zero: adding 0.5 lines the fraction up with the target's unit, rounding as the FPU does */
        const float shifted = half_bits_float(a) + 0.5f;
        return (uint16_t) (sign | (half_float_bits(shifted) - 0x3f000000u));
    }
    const uint32_t rounded = a + 0x0fffu + ((a >> 13) & 1u);
    return (uint16_t) (sign | ((rounded - 0x38000000u) >> 13));
}

static inline float bf16_to_f32(uint16_t b) { return half_bits_float((uint32_t) b << 16); }

static inline uint16_t bf16_from_f32(float f)
{
    const uint32_t u = half_float_bits(f);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t) ((u >> 16) | 0x40u);
    return (uint16_t) ((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

#endif
