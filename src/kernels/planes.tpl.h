/* SPDX-License-Identifier: MIT */
/* Planes of video for one ISA; see planes.h. The including file defines KERNEL_ISA. */
#include "kernels/planes.h"

#include "kernels/planes_simd.h"
#include "kernels/sets.h"

/* ---- integers to floats ---- */

/* Whole numbers up to 2^24 under the division, so that neither the order nor fused products show. Divided by 1, they are left
 * alone. */
#define PLANES_LOAD_REST(name, type)                                                                                               \
    SIMD_INLINE void name(const type *src, const struct planes_load *f, float *dst, int x0, int n)                                 \
    {                                                                                                                              \
        for (int x = x0; x < n; x++) dst[x] = ((float) src[x] * f->gain + f->offset) / f->divisor;                                 \
    }
PLANES_LOAD_REST(planes_load8_rest, uint8_t)
PLANES_LOAD_REST(planes_load16_rest, uint16_t)

#if defined(PLANES_VECTOR)
#define PLANES_LOAD(name, type, load, rest)                                                                                        \
    static void name(const type *src, const struct planes_load *f, float *dst, int n)                                              \
    {                                                                                                                              \
        const vf gain = vf_set1(f->gain), offset = vf_set1(f->offset), divisor = vf_set1(f->divisor);                              \
        int x = 0;                                                                                                                 \
        if (f->divisor == 1 && f->gain == 1 && f->offset == 0)                                                                     \
            for (; n - x >= VL; x += VL) vf_store(dst + x, vu_to_float(load(src + x)));                                            \
        for (; n - x >= VL; x += VL) vf_store(dst + x, vf_div(vf_add(vf_mul(vu_to_float(load(src + x)), gain), offset), divisor)); \
        rest(src, f, dst, x, n);                                                                                                   \
    }
#else
#define PLANES_LOAD(name, type, load, rest)                                                                                        \
    static void name(const type *src, const struct planes_load *f, float *dst, int n)                                              \
    {                                                                                                                              \
        rest(src, f, dst, 0, n);                                                                                                   \
    }
#endif
PLANES_LOAD(K(planes_load8), uint8_t, vu_load8, planes_load8_rest)
PLANES_LOAD(K(planes_load16), uint16_t, vu_load16, planes_load16_rest)

/* ---- and back ---- */

/* Cut before the offset is taken away: that keeps product and difference two roundings on every ISA. The last addition leaves the
 * rounded value in the low bits of the fraction. */
SIMD_INLINE uint32_t planes_rounded(float x, float scale, float offset, float low, float high)
{
    float v = x * scale;
    v = v > low ? v : low; /* also what is not a number */
    v = (v < high ? v : high) - offset;
    v += 0x1.8p23f;
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits & 0x1ffff;
}

#define PLANES_STORE_REST(name, type)                                                                                              \
    SIMD_INLINE uint64_t name(const float *src, const struct planes_store *f, type *dst, int x0, int n)                            \
    {                                                                                                                              \
        const float scale = f->scale, offset = f->offset, low = offset, high = f->most + offset;                                   \
        unsigned nan = 0;                                                                                                          \
        for (int x = x0; x < n; x++) {                                                                                             \
            nan += src[x] != src[x];                                                                                               \
            dst[x] = (type) planes_rounded(src[x], scale, offset, low, high);                                                      \
        }                                                                                                                          \
        return nan;                                                                                                                \
    }
PLANES_STORE_REST(planes_store8_rest, uint8_t)
PLANES_STORE_REST(planes_store16_rest, uint16_t)

#if defined(PLANES_VECTOR)
/* What is less than a vector in the end is stored once more with what lies before it. */
#define PLANES_STORE(name, type, store, rest)                                                                                      \
    static uint64_t name(const float *src, const struct planes_store *f, type *dst, int n)                                         \
    {                                                                                                                              \
        const vf scale = vf_set1(f->scale), offset = vf_set1(f->offset), high = vf_set1(f->most + f->offset);                      \
        uint64_t nan = 0;                                                                                                          \
        if (n < VL) return rest(src, f, dst, 0, n);                                                                                \
        for (int x = 0; x < n; x += VL) {                                                                                          \
            const int at = n - x < VL ? n - VL : x;                                                                                \
            const vf v = vf_load(src + at);                                                                                        \
            nan += (unsigned) vf_count_nan(at == x ? v : vf_load_part(src + x, n - x));                                            \
            store(dst + at, vu_from_float(vf_sub(vf_min(vf_max(vf_mul(v, scale), offset), high), offset)));                        \
        }                                                                                                                          \
        return nan;                                                                                                                \
    }
#else
#define PLANES_STORE(name, type, store, rest)                                                                                      \
    static uint64_t name(const float *src, const struct planes_store *f, type *dst, int n)                                         \
    {                                                                                                                              \
        return rest(src, f, dst, 0, n);                                                                                            \
    }
#endif
PLANES_STORE(K(planes_store8), uint8_t, vu_store8, planes_store8_rest)
PLANES_STORE(K(planes_store16), uint16_t, vu_store16, planes_store16_rest)

/* ---- colours ---- */

SIMD_INLINE vf planes_mixed(const float m[3], vf a, vf b, vf c)
{
    return vf_fma(vf_set1(m[0]), a, vf_fma(vf_set1(m[1]), b, vf_mul(vf_set1(m[2]), c)));
}

static void K(planes_matrix)(
    const struct planes_matrix *m_, const float *a, const float *b, const float *c, float *const *dst, int n)
{
    const struct planes_matrix m = *m_;
    for (int x = 0; x < n; x += VL) {
        const int part = n - x < VL ? n - x : 0;
        const vf va = part ? vf_load_part(a + x, part) : vf_load(a + x), vb = part ? vf_load_part(b + x, part) : vf_load(b + x),
                 vc = part ? vf_load_part(c + x, part) : vf_load(c + x);
        for (int i = 0; i < 3; i++) {
            if (!dst[i]) continue;
            const vf v = planes_mixed(m.m[i], va, vb, vc);
            if (part)
                vf_store_part(dst[i] + x, v, part);
            else
                vf_store(dst[i] + x, v);
        }
    }
}

/* ---- the same? ---- */

SIMD_INLINE uint64_t planes_eight(const uint8_t *a, const uint8_t *b)
{
    uint64_t va, vb;
    memcpy(&va, a, sizeof va);
    memcpy(&vb, b, sizeof vb);
    return va ^ vb;
}

/* Less than a vector: eights, the last of which may overlap the one before. */
SIMD_INLINE bool planes_same_rest(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    uint64_t difference = 0;
    size_t x = 0;
    for (; bytes - x >= 8; x += 8) difference |= planes_eight(a + x, b + x);
    if (x < bytes && bytes >= 8) difference |= planes_eight(a + bytes - 8, b + bytes - 8);
    for (; bytes < 8 && x < bytes; x++) difference |= (uint64_t) (a[x] ^ b[x]);
    return !difference;
}

static bool K(planes_same)(const uint8_t *a, ptrdiff_t a_stride, const uint8_t *b, ptrdiff_t b_stride, size_t bytes, int rows)
{
    for (int y = 0; y < rows; y++, a += a_stride, b += b_stride) {
#if defined(PLANES_VECTOR)
        if (bytes >= PLANES_VECTOR) {
            vbytes difference = vbytes_zero();
            for (size_t x = 0; bytes - x >= PLANES_VECTOR; x += PLANES_VECTOR)
                difference = vbytes_add_difference(difference, a + x, b + x);
            if (bytes % PLANES_VECTOR) /* overlaps the last whole one */
                difference = vbytes_add_difference(difference, a + bytes - PLANES_VECTOR, b + bytes - PLANES_VECTOR);
            if (!vbytes_is_zero(difference)) return false;
            continue;
        }
#endif
        if (!planes_same_rest(a, b, bytes)) return false;
    }
    return true;
}

const struct planes_kernels K(planes) = {
    .load8 = K(planes_load8),
    .load16 = K(planes_load16),
    .store8 = K(planes_store8),
    .store16 = K(planes_store16),
    .matrix = K(planes_matrix),
    .same = K(planes_same),
};
