/* SPDX-License-Identifier: MIT */
/* Packing and unpacking pixels for one ISA; see pixels.h. The including file defines KERNEL_ISA. */
#include "kernels/pixels.h"
#include "kernels/pixels_simd.h"

/* ---- one sample at a time: all of it where bytes cannot be shuffled, else what is left of a row ---- */

#define PIXELS_UNPACK_REST(name, type, most)                                                                                       \
    SIMD_INLINE void name(const type *src, const int channels, float *const *dst, int x0, int n)                                   \
    {                                                                                                                              \
        for (int c = 0; c < channels; c++) {                                                                                       \
            float *const to = dst[c];                                                                                              \
            if (!to) continue;                                                                                                     \
            for (int x = x0; x < n; x++) to[x] = (float) src[(ptrdiff_t) x * channels + c] / (most);                               \
        }                                                                                                                          \
    }
PIXELS_UNPACK_REST(pixels_unpack8_rest, uint8_t, 255.0f)
PIXELS_UNPACK_REST(pixels_unpack16_rest, uint16_t, 65535.0f)

/* The addition leaves the rounded value in the low bits of the fraction. */
SIMD_INLINE uint32_t pixels_round(float x, float most)
{
    float v = x * most;
    v = v > 0 ? v : 0; /* also what is not a number */
    v = (v < most ? v : most) + 0x1.8p23f;
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits & 0xffff;
}

#define PIXELS_PACK_REST(name, type, most)                                                                                         \
    SIMD_INLINE uint64_t name(const float *const *src, const int channels, type *dst, int x0, int n)                               \
    {                                                                                                                              \
        unsigned nan = 0;                                                                                                          \
        for (int c = 0; c < channels; c++) {                                                                                       \
            const float *const from = src[c];                                                                                      \
            for (int x = x0; x < n; x++) {                                                                                         \
                const float v = from ? from[x] : 1;                                                                                \
                nan += v != v;                                                                                                     \
                dst[(ptrdiff_t) x * channels + c] = (type) pixels_round(v, (most));                                                \
            }                                                                                                                      \
        }                                                                                                                          \
        return nan;                                                                                                                \
    }
PIXELS_PACK_REST(pixels_pack8_rest, uint8_t, 255.0f)
PIXELS_PACK_REST(pixels_pack16_rest, uint16_t, 65535.0f)

#if defined(PIXELS_SHUFFLE)

/* ---- vectors ---- */

#define Z 0x80 /* shuffles to zero */

/* 8 bits: the byte of channel c of each pixel of a quarter to its lane: [channels - 1][c] */
static const uint8_t pixels_pick[4][4][16] = {
    {{0, Z, Z, Z, 1, Z, Z, Z, 2, Z, Z, Z, 3, Z, Z, Z}},
    {{0, Z, Z, Z, 2, Z, Z, Z, 4, Z, Z, Z, 6, Z, Z, Z}, {1, Z, Z, Z, 3, Z, Z, Z, 5, Z, Z, Z, 7, Z, Z, Z}},
    {{0, Z, Z, Z, 3, Z, Z, Z, 6, Z, Z, Z, 9, Z, Z, Z}, {1, Z, Z, Z, 4, Z, Z, Z, 7, Z, Z, Z, 10, Z, Z, Z},
        {2, Z, Z, Z, 5, Z, Z, Z, 8, Z, Z, Z, 11, Z, Z, Z}},
    {{0, Z, Z, Z, 4, Z, Z, Z, 8, Z, Z, Z, 12, Z, Z, Z}, {1, Z, Z, Z, 5, Z, Z, Z, 9, Z, Z, Z, 13, Z, Z, Z},
        {2, Z, Z, Z, 6, Z, Z, Z, 10, Z, Z, Z, 14, Z, Z, Z}, {3, Z, Z, Z, 7, Z, Z, Z, 11, Z, Z, Z, 15, Z, Z, Z}},
};
/* 8 bits: the first bytes of each lane to the front of the quarter: [channels - 1] */
static const uint8_t pixels_close[3][16] = {
    {0, 4, 8, 12, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z, Z},
    {0, 1, 4, 5, 8, 9, 12, 13, Z, Z, Z, Z, Z, Z, Z, Z},
    {0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, Z, Z, Z, Z},
};
/* 16 bits: four samples of one channel to lanes; two pixels of three channels to four channels, and back */
static const uint8_t pixels_pick16[16] = {0, 1, Z, Z, 2, 3, Z, Z, 4, 5, Z, Z, 6, 7, Z, Z};
static const uint8_t pixels_open_pair[16] = {0, 1, 2, 3, 4, 5, Z, Z, 6, 7, 8, 9, 10, 11, Z, Z};
static const uint8_t pixels_close_pair[16] = {0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, Z, Z, Z, Z};
#undef Z

/* v / most. With fused multiply-adds: a product with the reciprocal in two parts, which is the correctly rounded quotient for every
 * value there is (the checker tries all). */
SIMD_INLINE vf pixels_quotient(vu v, const float most, const float high, const float low)
{
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    (void) most;
    const vf x = vu_to_float(v);
    return vf_fma(x, vf_set1(high), vf_mul(x, vf_set1(low)));
#else
    (void) high, (void) low;
    return vf_div(vu_to_float(v), vf_set1(most));
#endif
}
SIMD_INLINE vf pixels_quotient8(vu v)
{
    return pixels_quotient(v, 255.0f, (float) (1.0 / 255), (float) (1.0 / 255 - (double) (float) (1.0 / 255)));
}
SIMD_INLINE vf pixels_quotient16(vu v)
{
    return pixels_quotient(v, 65535.0f, (float) (1.0 / 65535), (float) (1.0 / 65535 - (double) (float) (1.0 / 65535)));
}

SIMD_INLINE void pixels_unpack8_all(const uint8_t *src, const int channels, float *const *dst, int n)
{
    int x = 0;
    for (; n - x >= VL; x += VL) {
        const vu v = vu_load(src + (ptrdiff_t) x * channels, channels);
        for (int c = 0; c < channels; c++)
            if (dst[c]) vf_store(dst[c] + x, pixels_quotient8(vu_shuffle(v, pixels_pick[channels - 1][c])));
    }
    pixels_unpack8_rest(src, channels, dst, x, n);
}

/* Pixels as two dwords: channels 0 and 1, channels 2 and 3. */
SIMD_INLINE void pixels_unpack16_all(const uint16_t *src, const int channels, float *const *dst, int n)
{
    int x = 0;
    for (; n - x >= VL; x += VL) {
        const uint16_t *from = src + (ptrdiff_t) x * channels;
        vu pair[2];
        if (channels == 1) {
            pair[0] = vu_shuffle(vu_load(from, 2), pixels_pick16);
        } else if (channels == 2) {
            pair[0] = vu_load(from, 4);
        } else {
            vu v0 = vu_load(from, channels), v1 = vu_load(from + VL / 2 * channels, channels);
            if (channels == 3) v0 = vu_shuffle(v0, pixels_open_pair), v1 = vu_shuffle(v1, pixels_open_pair);
            vu_unzip(v0, v1, &pair[0], &pair[1]);
        }
        for (int c = 0; c < channels; c++)
            if (dst[c]) vf_store(dst[c] + x, pixels_quotient16(c & 1 ? vu_high_half(pair[c / 2]) : vu_low_half(pair[c / 2])));
    }
    pixels_unpack16_rest(src, channels, dst, x, n);
}

SIMD_INLINE vu pixels_rounded(const float *src, int x, const float most, uint64_t *nan)
{
    if (!src) return vu_from_float(vf_set1(most));
    const vf v = vf_load(src + x);
    *nan += (unsigned) vf_count_nan(v);
    return vu_from_float(vf_min(vf_max(vf_mul(v, vf_set1(most)), vf_zero()), vf_set1(most)));
}

SIMD_INLINE uint64_t pixels_pack8_all(const float *const *src, const int channels, uint8_t *dst, int n)
{
    uint64_t nan = 0;
    int x = 0;
    for (; n - x >= VL; x += VL) {
        vu v = pixels_rounded(src[0], x, 255.0f, &nan);
        for (int c = 1; c < channels; c++) v = vu_or_shifted(v, pixels_rounded(src[c], x, 255.0f, &nan), 8 * c);
        vu_store(dst + (ptrdiff_t) x * channels, channels == 4 ? v : vu_shuffle(v, pixels_close[channels < 4 ? channels - 1 : 0]),
            channels);
    }
    return nan + pixels_pack8_rest(src, channels, dst, x, n);
}

SIMD_INLINE uint64_t pixels_pack16_all(const float *const *src, const int channels, uint16_t *dst, int n)
{
    uint64_t nan = 0;
    int x = 0;
    for (; n - x >= VL; x += VL) {
        uint16_t *const to = dst + (ptrdiff_t) x * channels;
        vu first = pixels_rounded(src[0], x, 65535.0f, &nan);
        if (channels == 1) {
            vu_store(to, vu_shuffle(first, pixels_close[1]), 2);
            continue;
        }
        first = vu_or_shifted(first, pixels_rounded(src[1], x, 65535.0f, &nan), 16);
        if (channels == 2) {
            vu_store(to, first, 4);
            continue;
        }
        vu second = pixels_rounded(src[2], x, 65535.0f, &nan), v0, v1;
        if (channels == 4) second = vu_or_shifted(second, pixels_rounded(src[3], x, 65535.0f, &nan), 16);
        vu_zip(first, second, &v0, &v1);
        if (channels == 3) v0 = vu_shuffle(v0, pixels_close_pair), v1 = vu_shuffle(v1, pixels_close_pair);
        vu_store(to, v0, channels);
        vu_store(to + VL / 2 * channels, v1, channels);
    }
    return nan + pixels_pack16_rest(src, channels, dst, x, n);
}

#else

#define pixels_unpack8_all(src, channels, dst, n) pixels_unpack8_rest(src, channels, dst, 0, n)
#define pixels_unpack16_all(src, channels, dst, n) pixels_unpack16_rest(src, channels, dst, 0, n)
#define pixels_pack8_all(src, channels, dst, n) pixels_pack8_rest(src, channels, dst, 0, n)
#define pixels_pack16_all(src, channels, dst, n) pixels_pack16_rest(src, channels, dst, 0, n)

#endif

/* ---- the kernels: one loop for each number of channels ---- */

#define PIXELS_UNPACK(name, type, all)                                                                                             \
    static void name(const type *src, int channels, float *const *dst, int n)                                                      \
    {                                                                                                                              \
        switch (channels) {                                                                                                        \
        case 1: all(src, 1, dst, n); break;                                                                                        \
        case 2: all(src, 2, dst, n); break;                                                                                        \
        case 3: all(src, 3, dst, n); break;                                                                                        \
        default: all(src, 4, dst, n);                                                                                              \
        }                                                                                                                          \
    }
PIXELS_UNPACK(K(pixels_unpack8), uint8_t, pixels_unpack8_all)
PIXELS_UNPACK(K(pixels_unpack16), uint16_t, pixels_unpack16_all)

#define PIXELS_PACK(name, type, all)                                                                                               \
    static uint64_t name(const float *const *src, int channels, type *dst, int n)                                                  \
    {                                                                                                                              \
        switch (channels) {                                                                                                        \
        case 1: return all(src, 1, dst, n);                                                                                        \
        case 2: return all(src, 2, dst, n);                                                                                        \
        case 3: return all(src, 3, dst, n);                                                                                        \
        default: return all(src, 4, dst, n);                                                                                       \
        }                                                                                                                          \
    }
PIXELS_PACK(K(pixels_pack8), uint8_t, pixels_pack8_all)
PIXELS_PACK(K(pixels_pack16), uint16_t, pixels_pack16_all)

#include "kernels/pixels_filter.tpl.h"

const struct pixels_kernels K(pixels) = {
    .unpack8 = K(pixels_unpack8),
    .unpack16 = K(pixels_unpack16),
    .pack8 = K(pixels_pack8),
    .pack16 = K(pixels_pack16),
    .filter_x = K(pixels_filter_x),
    .blend_rows = K(pixels_blend_rows),
};
