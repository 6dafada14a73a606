/* SPDX-License-Identifier: MIT */
/* Winograd convolution on blocked rows, stride 1: F(6x6,3x3), F(4x4,3x3) and F(4x4,5x5), for the ISA of the including file.
 *
 * A task is one row of tiles. A tile of `tile` x `tile` outputs comes from alpha x alpha inputs (alpha = tile + kernel - 1). A
 * block of T neighbouring tiles goes through
 *     V = B^T d B              every input block; B^T d once per column, shared by the tiles that overlap in it
 *     M = V U                  per chunk of output blocks: alpha^2 products of [T][in] by [in][chunk]
 *     out = A^T M A            + bias, residual, activation; stored as rows
 * with V and one chunk of M sized to stay in L2 while U streams through once per block of tiles.
 *
 *     v  [in block][T][alpha^2][VL]     one tile's values of a block lie together: the transform writes one stream, and the product
 *                                       reads each value as a broadcast at a constant distance from the first tile's
 *     u  [chunk][alpha^2][in][WINO_NV][VL]
 *     m  [alpha^2][WINO_NV][T][VL]
 * Where a vector holds all channels of 16 lanes, M takes the place of V (winograd_inside.h).
 * Strides are odd numbers of cache lines: with powers of two all positions would fall on a few sets of L1.
 *
 * Every value of a tile is made by the same operations in the same order wherever the tile lies in its block, so results do not
 * depend on how columns were cut. */
#ifndef FM_KERNELS_WINOGRAD_TPL_H
#define FM_KERNELS_WINOGRAD_TPL_H

#include <math.h>

#include "kernels/act.h"
#include "kernels/kernel.h"
#include "kernels/simd.h"

#if defined(__clang__)
#define WINO_UNROLL _Pragma("clang loop unroll(full)")
#define WINO_UNROLL_BY(n) WINO_PRAGMA(clang loop unroll_count(n))
#else
#define WINO_UNROLL _Pragma("GCC unroll 64")
#define WINO_UNROLL_BY(n) WINO_PRAGMA(GCC unroll n)
#endif
#define WINO_PRAGMA(x) _Pragma(#x)

/* Tiles x vectors of accumulators for each number of vectors in a chunk, as the registers allow; bytes of L2 for V and M. */
#if VL == 16
#define WINO_NV 2
#define WINO_SIZES(X, a) \
    X(a, 1, 1) X(a, 1, 2) X(a, 1, 3) X(a, 1, 4) X(a, 1, 5) X(a, 1, 6) X(a, 1, 7) X(a, 1, 8) X(a, 1, 9) X(a, 1, 10) X(a, 1, 11) \
    X(a, 1, 12) X(a, 1, 13) X(a, 1, 14) X(a, 2, 1) X(a, 2, 2) X(a, 2, 3) X(a, 2, 4) X(a, 2, 5) X(a, 2, 6) X(a, 2, 7) X(a, 2, 8) \
    X(a, 2, 9) X(a, 2, 10) X(a, 2, 11) X(a, 2, 12) X(a, 2, 13) X(a, 2, 14)
#define WINO_BUDGET (768 * 1024)
#define WINO_INSIDE 8 /* tiles of a block whose M takes the place of V */
static const int wino_tiles_at_once[WINO_NV + 1] = {0, 14, 14};
#elif VREGS == 32
#define WINO_NV 4
#define WINO_SIZES(X, a) \
    X(a, 1, 1) X(a, 1, 2) X(a, 1, 3) X(a, 1, 4) X(a, 1, 5) X(a, 1, 6) X(a, 1, 7) X(a, 1, 8) X(a, 1, 9) X(a, 1, 10) X(a, 1, 11) \
    X(a, 1, 12) X(a, 2, 1) X(a, 2, 2) X(a, 2, 3) X(a, 2, 4) X(a, 2, 5) X(a, 2, 6) X(a, 2, 7) X(a, 2, 8) X(a, 2, 9) X(a, 2, 10) \
    X(a, 2, 11) X(a, 2, 12) X(a, 3, 1) X(a, 3, 2) X(a, 3, 3) X(a, 3, 4) X(a, 3, 5) X(a, 3, 6) X(a, 3, 7) X(a, 3, 8) \
    X(a, 4, 1) X(a, 4, 2) X(a, 4, 3) X(a, 4, 4) X(a, 4, 5) X(a, 4, 6)
#define WINO_BUDGET (320 * 1024)
static const int wino_tiles_at_once[WINO_NV + 1] = {0, 12, 12, 8, 6};
#else
#define WINO_NV 2
#define WINO_SIZES(X, a) \
    X(a, 1, 1) X(a, 1, 2) X(a, 1, 3) X(a, 1, 4) X(a, 1, 5) X(a, 1, 6) X(a, 1, 7) X(a, 1, 8) X(a, 1, 9) X(a, 1, 10) X(a, 1, 11) \
    X(a, 1, 12) X(a, 2, 1) X(a, 2, 2) X(a, 2, 3) X(a, 2, 4) X(a, 2, 5) X(a, 2, 6)
#define WINO_BUDGET (320 * 1024)
static const int wino_tiles_at_once[WINO_NV + 1] = {0, 12, 6};
#endif
#define WINO_AT_ONCE_MAX 14
#define WINO_TILES_MAX 48  /* of a block */
#define WINO_GROUP (32 / VL) /* tiles whose columns are transformed together: with 16 lanes more of them crowd L1 */
#define WINO_ALPHA_MAX 8

/* Floats from one tile to the next in v; floats between positions in m. */
#define WINO_TILE_STRIDE(alpha) (((alpha) * (alpha) * VL / 16 | 1) * 16)

struct wino_blocks {
    int tiles;           /* of a block, at most */
    int in, out;         /* channel blocks */
    bool inside;         /* M takes the place of V */
    ptrdiff_t v_block;   /* floats */
    ptrdiff_t m_position, m_vector;
};

static struct wino_blocks wino_blocks_of(const struct conv_shape *s, int alpha)
{
    const int at_once = wino_tiles_at_once[WINO_NV];
    struct wino_blocks b = {.in = (s->in_channels + VL - 1) / VL, .out = (s->out_channels + VL - 1) / VL};
    const size_t tile_floats = (size_t) b.in * WINO_TILE_STRIDE(alpha) + (size_t) WINO_NV * VL * (size_t) (alpha * alpha);
    const size_t fit = WINO_BUDGET / (tile_floats * sizeof(float));
    b.tiles = fit >= WINO_TILES_MAX ? WINO_TILES_MAX : fit > (size_t) at_once ? (int) fit : at_once;
    b.tiles -= b.tiles % at_once;
#if WINO_INSIDE
    b.inside = b.in == 1 && b.out == 1;
    if (b.inside) b.tiles = WINO_INSIDE;
#endif
    b.v_block = (ptrdiff_t) b.tiles * WINO_TILE_STRIDE(alpha);
    b.m_vector = (ptrdiff_t) b.tiles * VL;
    b.m_position = ((WINO_NV * b.m_vector + 15) / 16 | 1) * 16;
    return b;
}

/* ---- transforms in one dimension ---- */

/* The finite points; one more lies at infinity. For alpha 6 these lose half as much to rounding as 0, +-1, +-2 would (with all
 * constants below exact), for alpha 8 there is nothing better than the usual ones. */
static const double wino_points6[] = {0, 0.625, -0.625, 1.5, -1.5};
static const double wino_points8[] = {0, 1, -1, 2, -2, 0.5, -0.5};

/* B^T: row j is the product of (x - p) over all finite points but point j (the row of 0 negated for alpha 8), the last row that of
 * all. Rows of +-p are even +- p * odd. */
SIMD_INLINE void wino_bt(const int alpha, const vf *d, vf *o)
{
    if (alpha == 8) {
        const vf even1 = vf_fnma(vf_set1(4.25f), d[4], vf_add(d[2], d[6]));
        const vf odd1 = vf_fnma(vf_set1(4.25f), d[3], vf_add(d[1], d[5]));
        const vf even2 = vf_fnma(vf_set1(1.25f), d[4], vf_fma(vf_set1(0.25f), d[2], d[6]));
        const vf odd2 = vf_fnma(vf_set1(1.25f), d[3], vf_fma(vf_set1(0.25f), d[1], d[5]));
        const vf even3 = vf_fnma(vf_set1(5.0f), d[4], vf_fma(vf_set1(4.0f), d[2], d[6]));
        const vf odd3 = vf_fnma(vf_set1(5.0f), d[3], vf_fma(vf_set1(4.0f), d[1], d[5]));
        o[0] = vf_fma(vf_set1(5.25f), vf_sub(d[4], d[2]), vf_sub(d[0], d[6]));
        o[1] = vf_add(even1, odd1);
        o[2] = vf_sub(even1, odd1);
        o[3] = vf_fma(vf_set1(2.0f), odd2, even2);
        o[4] = vf_fnma(vf_set1(2.0f), odd2, even2);
        o[5] = vf_fma(vf_set1(0.5f), odd3, even3);
        o[6] = vf_fnma(vf_set1(0.5f), odd3, even3);
        o[7] = vf_fma(vf_set1(5.25f), vf_sub(d[3], d[5]), vf_sub(d[7], d[1]));
    } else {
        const vf even1 = vf_fnma(vf_set1(2.25f), d[2], d[4]), odd1 = vf_fnma(vf_set1(2.25f), d[1], d[3]);
        const vf even2 = vf_fnma(vf_set1(0.390625f), d[2], d[4]), odd2 = vf_fnma(vf_set1(0.390625f), d[1], d[3]);
        o[0] = vf_fma(vf_set1(0.87890625f), d[0], vf_fnma(vf_set1(2.640625f), d[2], d[4]));
        o[1] = vf_fma(vf_set1(0.625f), odd1, even1);
        o[2] = vf_fnma(vf_set1(0.625f), odd1, even1);
        o[3] = vf_fma(vf_set1(1.5f), odd2, even2);
        o[4] = vf_fnma(vf_set1(1.5f), odd2, even2);
        o[5] = vf_fma(vf_set1(0.87890625f), d[1], vf_fnma(vf_set1(2.640625f), d[3], d[5]));
    }
}

/* A^T: row i is the powers p^i, plus the last value in the last row; plus `bias` if biased. For alpha 8 the columns of the points
 * +-1/2 are scaled so that the last coefficient is 1; wino_g undoes it. */
SIMD_INLINE void wino_at(const int alpha, const int tile, const vf *m, const bool biased, vf bias, vf *o)
{
    const vf sum2 = vf_add(m[3], m[4]), dif2 = vf_sub(m[3], m[4]);
    vf sum1 = vf_add(m[1], m[2]), dif1 = vf_sub(m[1], m[2]);
    if (alpha == 6) {
        const vf dif2_1 = biased ? vf_fma(vf_set1(1.5f), dif2, bias) : vf_mul(vf_set1(1.5f), dif2);
        const vf sum2_2 = biased ? vf_fma(vf_set1(2.25f), sum2, bias) : vf_mul(vf_set1(2.25f), sum2);
        o[0] = vf_add(biased ? vf_add(m[0], bias) : m[0], vf_add(sum1, sum2));
        o[1] = vf_fma(vf_set1(0.625f), dif1, dif2_1);
        o[2] = vf_fma(vf_set1(0.390625f), sum1, sum2_2);
        o[3] = vf_fma(vf_set1(0.244140625f), dif1, vf_fma(vf_set1(3.375f), dif2, biased ? vf_add(m[5], bias) : m[5]));
        return;
    }
    const vf sum3 = vf_add(m[5], m[6]), dif3 = vf_sub(m[5], m[6]);
    if (biased) {
        sum1 = vf_add(sum1, bias);
        dif1 = vf_add(dif1, bias);
    }
    if (tile == 4) {
        o[0] = vf_add(vf_fma(vf_set1(8.0f), sum3, sum1), vf_add(m[0], sum2));
        o[1] = vf_fma(vf_set1(4.0f), dif3, vf_fma(vf_set1(2.0f), dif2, dif1));
        o[2] = vf_fma(vf_set1(2.0f), sum3, vf_fma(vf_set1(4.0f), sum2, sum1));
        o[3] = vf_add(vf_fma(vf_set1(8.0f), dif2, dif1), vf_add(m[7], dif3));
    } else {
        o[0] = vf_add(vf_fma(vf_set1(32.0f), sum3, sum1), vf_add(m[0], sum2));
        o[1] = vf_fma(vf_set1(16.0f), dif3, vf_fma(vf_set1(2.0f), dif2, dif1));
        o[2] = vf_fma(vf_set1(8.0f), sum3, vf_fma(vf_set1(4.0f), sum2, sum1));
        o[3] = vf_fma(vf_set1(4.0f), dif3, vf_fma(vf_set1(8.0f), dif2, dif1));
        o[4] = vf_fma(vf_set1(2.0f), sum3, vf_fma(vf_set1(16.0f), sum2, sum1));
        o[5] = vf_add(vf_fma(vf_set1(32.0f), dif2, dif1), vf_add(m[7], dif3));
    }
}

/* G[position][k], k < kernel: the weights' transform, p^k over the product of p's distances from the other points. */
static double wino_g(int alpha, int tile, int position, int kernel, int k)
{
    const double *const points = alpha == 6 ? wino_points6 : wino_points8;
    if (position == alpha - 1) return k == kernel - 1 ? 1 : 0;
    double g = alpha == 8 && position == 0 ? -1 : 1;
    for (int i = 0; i < alpha - 1; i++)
        if (i != position) g /= points[position] - points[i];
    if (position >= 5) g /= (double) (1 << (tile - 1));
    for (int i = 0; i < k; i++) g *= points[position];
    return g;
}

/* ---- weights ---- */

static size_t wino_packed_bytes(const struct conv_shape *s, int alpha)
{
    return (size_t) (s->out_channels + VL - 1) / VL * VL * (size_t) s->in_channels * (size_t) (alpha * alpha) * sizeof(float);
}

static void wino_pack(const struct conv_shape *s, const float *w, float *u, int alpha, int tile)
{
    const int kernel = s->kernel_y, blocks = (s->out_channels + VL - 1) / VL;
    double g[WINO_ALPHA_MAX][WINO_ALPHA_MAX];
    for (int p = 0; p < alpha; p++)
        for (int k = 0; k < kernel; k++) g[p][k] = wino_g(alpha, tile, p, kernel, k);
    for (int oc = 0; oc < s->out_channels; oc++) {
        const int chunk = oc / VL / WINO_NV * WINO_NV, vectors = blocks - chunk < WINO_NV ? blocks - chunk : WINO_NV;
        float *const base = u + (ptrdiff_t) chunk * VL * s->in_channels * alpha * alpha + (oc - chunk * VL);
        for (int ic = 0; ic < s->in_channels; ic++) {
            const float *const from = w + ((ptrdiff_t) oc * s->in_channels + ic) * kernel * kernel;
            for (int p = 0; p < alpha; p++) {
                double row[WINO_ALPHA_MAX] = {0};
                for (int x = 0; x < kernel; x++)
                    for (int k = 0; k < kernel; k++) row[x] += g[p][k] * (double) from[k * kernel + x];
                for (int q = 0; q < alpha; q++) {
                    double sum = 0;
                    for (int k = 0; k < kernel; k++) sum += g[q][k] * row[k];
                    base[((ptrdiff_t) (p * alpha + q) * s->in_channels + ic) * vectors * VL] = (float) sum;
                }
            }
        }
    }
}

/* ---- V = B^T d B ---- */

/* in[alpha]: rows at the first tile's first column of block 0. columns: [WINO_GROUP * tile + alpha - tile][alpha][VL] of B^T d. */
SIMD_INLINE void wino_input(const int alpha, const int tile, const float *const *in, ptrdiff_t in_block,
                            const struct wino_blocks *b, int tiles, float *v, float *columns)
{
    const int shared = alpha - tile;
    for (int block = 0; block < b->in; block++) {
        const float *row[WINO_ALPHA_MAX];
        WINO_UNROLL
        for (int i = 0; i < alpha; i++) row[i] = in[i] + block * in_block;
        float *to = v + block * b->v_block;
        for (int done = 0; done < tiles; done += WINO_GROUP) {
            const int group = tiles - done < WINO_GROUP ? tiles - done : WINO_GROUP;
            if (done > 0) memcpy(columns, columns + WINO_GROUP * tile * alpha * VL, (size_t) (shared * alpha * VL) * sizeof(float));
            float *column = columns + (done > 0 ? shared * alpha * VL : 0);
            float *const end = columns + (group * tile + shared) * alpha * VL;
            ptrdiff_t x = done > 0 ? (ptrdiff_t) (done * tile + shared) * VL : 0;
            for (; column < end; column += alpha * VL, x += VL) {
                vf d[WINO_ALPHA_MAX], o[WINO_ALPHA_MAX];
                WINO_UNROLL
                for (int i = 0; i < alpha; i++) d[i] = vf_load(row[i] + x);
                wino_bt(alpha, d, o);
                WINO_UNROLL
                for (int i = 0; i < alpha; i++) vf_store(column + i * VL, o[i]);
            }
            for (int t = 0; t < group; t++, to += WINO_TILE_STRIDE(alpha)) {
                const float *from = columns + t * tile * alpha * VL;
                float *at = to;
                for (int y = 0; y < alpha; y++, from += VL, at += alpha * VL) {
                    vf d[WINO_ALPHA_MAX], o[WINO_ALPHA_MAX];
                    WINO_UNROLL
                    for (int i = 0; i < alpha; i++) d[i] = vf_load(from + i * alpha * VL);
                    wino_bt(alpha, d, o);
                    WINO_UNROLL
                    for (int i = 0; i < alpha; i++) vf_store(at + i * VL, o[i]);
                }
            }
        }
    }
}

/* ---- M = V U ---- */

/* One position, `count` tiles, `vectors` output vectors, all in registers over all input channels. */
SIMD_INLINE void wino_product(const int alpha, const int vectors, const int count, const float *v, ptrdiff_t v_block,
                              const float *u, int channels, float *m, ptrdiff_t m_vector)
{
    vf sum[WINO_AT_ONCE_MAX * WINO_NV];
    WINO_UNROLL
    for (int i = 0; i < count * vectors; i++) sum[i] = vf_zero();
    for (; channels > 0; channels -= VL, v += v_block) {
        const int lanes = channels < VL ? channels : VL;
        WINO_UNROLL_BY(4)
        for (int i = 0; i < lanes; i++, u += vectors * VL) {
            vf weight[4]; /* no loops over `vectors`: clang does not keep `sum` in registers over loops that run once */
            weight[0] = vf_load(u);
            if (vectors > 1) weight[1] = vf_load(u + VL);
            if (vectors > 2) weight[2] = vf_load(u + 2 * VL);
            if (vectors > 3) weight[3] = vf_load(u + 3 * VL);
            WINO_UNROLL
            for (int t = 0; t < count; t++) {
                const vf value = vf_set1(v[i + t * WINO_TILE_STRIDE(alpha)]);
                vf *const to = sum + t * vectors;
                to[0] = vf_fma(value, weight[0], to[0]);
                if (vectors > 1) to[1] = vf_fma(value, weight[1], to[1]);
                if (vectors > 2) to[2] = vf_fma(value, weight[2], to[2]);
                if (vectors > 3) to[3] = vf_fma(value, weight[3], to[3]);
            }
        }
    }
    WINO_UNROLL
    for (int i = 0; i < count * vectors; i++) vf_store(m + i % vectors * m_vector + i / vectors * VL, sum[i]);
}

typedef void wino_product_fn(const float *v, ptrdiff_t v_block, const float *u, int channels, float *m, ptrdiff_t m_vector);

#define WINO_PRODUCT(alpha, vectors, count)                                                                                        \
    static void wino_product_##alpha##_##vectors##_##count(const float *v, ptrdiff_t v_block, const float *u, int channels,        \
                                                           float *m, ptrdiff_t m_vector)                                           \
    {                                                                                                                              \
        wino_product(alpha, vectors, count, v, v_block, u, channels, m, m_vector);                                                 \
    }
WINO_SIZES(WINO_PRODUCT, 8)
WINO_SIZES(WINO_PRODUCT, 6)

#define WINO_ENTRY(alpha, vectors, count) [vectors][count] = wino_product_##alpha##_##vectors##_##count,
static wino_product_fn *const wino_products8[WINO_NV + 1][WINO_AT_ONCE_MAX + 1] = {WINO_SIZES(WINO_ENTRY, 8)};
static wino_product_fn *const wino_products6[WINO_NV + 1][WINO_AT_ONCE_MAX + 1] = {WINO_SIZES(WINO_ENTRY, 6)};

/* All positions of one chunk. Tiles are shared out evenly: no group is so small that it waits for its own additions. */
SIMD_INLINE void wino_multiply(const int alpha, const struct wino_blocks *b, int tiles, int vectors, int channels, const float *v,
                               const float *u, float *m)
{
    const int groups = (tiles + wino_tiles_at_once[vectors] - 1) / wino_tiles_at_once[vectors];
    const int few = tiles / groups, more = tiles % groups;
    wino_product_fn *const *const products = (alpha == 8 ? wino_products8 : wino_products6)[vectors];
    wino_product_fn *const less = products[few], *const greater = more ? products[few + 1] : NULL;
    for (int p = 0; p < alpha * alpha; p++, v += VL, m += b->m_position, u += (ptrdiff_t) channels * vectors * VL) {
        int done = 0;
        for (int g = 0; g < more; g++, done += few + 1)
            greater(v + (ptrdiff_t) done * WINO_TILE_STRIDE(alpha), b->v_block, u, channels, m + done * VL, b->m_vector);
        for (; done < tiles; done += few)
            less(v + (ptrdiff_t) done * WINO_TILE_STRIDE(alpha), b->v_block, u, channels, m + done * VL, b->m_vector);
    }
}

#if WINO_INSIDE
#include "kernels/winograd_inside.h"
#endif

#include "kernels/winograd_output.h"

/* ---- the algorithm ---- */

static size_t wino_v_floats(const struct wino_blocks *b) { return (size_t) b->in * (size_t) b->v_block; }
static size_t wino_m_floats(const struct wino_blocks *b, int alpha)
{
    return b->inside ? 0 : (size_t) (alpha * alpha) * (size_t) b->m_position;
}

static size_t wino_scratch_bytes(const struct conv_shape *s, int alpha, int tile)
{
    const struct wino_blocks b = wino_blocks_of(s, alpha);
    const size_t columns = (size_t) ((WINO_GROUP * tile + alpha - tile) * alpha * VL);
    return (wino_v_floats(&b) + wino_m_floats(&b, alpha) + columns) * sizeof(float);
}

/* Tiles that follow each other from column x on. */
struct wino_part {
    int x, tiles;
};

/* Shares out the columns of a task: blocks of about the same number of tiles, of one run or of several. */
struct wino_cut {
    const struct span *run;
    int tile, tiles, blocks; /* of all runs */
    int x, block;            /* where the next block begins, and its number */
};

static int wino_tiles(const struct wino_cut *c, const struct span *run, int x) { return (run->x1 - x + c->tile - 1) / c->tile; }

static struct wino_cut wino_cut_of(const struct span *run, int runs, int tile, int most)
{
    struct wino_cut c = {.run = run, .tile = tile, .x = run->x0};
    for (int i = 0; i < runs; i++) c.tiles += wino_tiles(&c, &run[i], run[i].x0);
    c.blocks = (c.tiles + most - 1) / most;
    return c;
}

/* The parts of the next block; returns how many. */
static int wino_cut_next(struct wino_cut *c, struct wino_part *part)
{
    int left = c->tiles / c->blocks + (c->block < c->tiles % c->blocks), parts = 0;
    for (c->block++; left > 0; parts++) {
        if (c->x >= c->run->x1) c->x = (++c->run)->x0;
        const int in_run = wino_tiles(c, c->run, c->x);
        part[parts] = (struct wino_part){c->x, in_run < left ? in_run : left};
        left -= part[parts].tiles;
        c->x += part[parts].tiles * c->tile;
    }
    return parts;
}

/* Output block `block` of all parts, whose tiles lie one after another in m. */
SIMD_INLINE void wino_output_parts(const int alpha, const int tile, struct wino_output *w, const struct conv_packed *packed,
                                   const struct conv_task *task, int block, const struct wino_part *part, int parts, const float *m,
                                   ptrdiff_t m_position, ptrdiff_t m_tile)
{
    for (int i = 0; i < parts; m += part[i].tiles * m_tile, i++) {
        wino_output_block(w, packed, task, block, part[i].x);
        wino_output(alpha, tile, w, part[i].tiles, m, m_position, m_tile);
    }
}

SIMD_INLINE void wino_run(const int alpha, const int tile, const struct conv_packed *packed, const struct conv_task *task)
{
    const struct conv_shape *const s = &packed->shape;
    const struct wino_blocks b = wino_blocks_of(s, alpha);
    float *const v = task->scratch, *const m = v + wino_v_floats(&b), *const columns = m + wino_m_floats(&b, alpha);
    const struct span all = {task->x0, task->x1};
    struct wino_cut cut = wino_cut_of(task->runs ? task->run : &all, task->runs ? task->runs : 1, tile, b.tiles);
    struct wino_output w;
    wino_output_init(&w, packed, task);
    while (cut.block < cut.blocks) {
        struct wino_part part[WINO_TILES_MAX];
        const int parts = wino_cut_next(&cut, part);
        int tiles = 0;
        for (int i = 0; i < parts; tiles += part[i++].tiles) {
            const float *in[WINO_ALPHA_MAX];
            for (int k = 0; k < alpha; k++) in[k] = task->in[k] + (ptrdiff_t) (part[i].x - s->pad_x) * VL;
            wino_input(alpha, tile, in, task->in_block, &b, part[i].tiles, v + (ptrdiff_t) tiles * WINO_TILE_STRIDE(alpha), columns);
        }
#if WINO_INSIDE
        if (b.inside) {
            (alpha == 8 ? wino_insides8 : wino_insides6)[tiles](v, packed->weights, s->in_channels);
            wino_output_parts(alpha, tile, &w, packed, task, 0, part, parts, v, VL, WINO_TILE_STRIDE(alpha));
            continue;
        }
#endif
        for (int chunk = 0; chunk < b.out; chunk += WINO_NV) {
            const int vectors = b.out - chunk < WINO_NV ? b.out - chunk : WINO_NV;
            const float *const u = (const float *) packed->weights + (ptrdiff_t) chunk * VL * s->in_channels * alpha * alpha;
            wino_multiply(alpha, &b, tiles, vectors, s->in_channels, v, u, m);
            for (int k = 0; k < vectors; k++)
                wino_output_parts(alpha, tile, &w, packed, task, chunk + k, part, parts, m + k * b.m_vector, b.m_position, VL);
        }
    }
}

static bool wino_fits(const struct conv_shape *s, int kernel)
{
    return s->groups == 1 && s->kernel_y == kernel && s->kernel_x == kernel && s->stride_y == 1 && s->stride_x == 1 &&
           s->dilation_y == 1 && s->dilation_x == 1;
}

/* Fitted to measurements (check_winograd --bench): vectors of products a cycle; cycles a vector of a tile in either transform; and,
 * where the weights do not stay in L2 (or L3), the bytes a cycle at which they come. Layers that wide meet small pictures. */
static double wino_cost(const struct conv_shape *s, int alpha, int tile)
{
    const double products = VL >= 8 ? 1.8 : 1.2, input = VL == 16 ? 7.0 : 4.0, output = VL == 16 ? 5.0 : 3.4;
    const struct wino_blocks b = wino_blocks_of(s, alpha);
    const double weights = (double) wino_packed_bytes(s, alpha), tiles = fmin(b.tiles, 40.0 / tile);
    const double streamed = weights < 2e6 ? 0 : weights / tiles / (weights < 2e7 ? 16 : 6);
    const double values = s->in_channels * (double) b.out / products + b.in * input + b.out * output;
    return (alpha * alpha * values + streamed) / (tile * tile);
}

#define WINO_ALGORITHM(name_, alpha, tile, kernel)                                                                                 \
    static bool name_##_fits(const struct conv_shape *s) { return wino_fits(s, kernel); }                                          \
    static double name_##_cost(const struct conv_shape *s) { return wino_cost(s, alpha, tile); }                                   \
    static size_t name_##_packed_bytes(const struct conv_shape *s) { return wino_packed_bytes(s, alpha); }                         \
    static void name_##_pack(const struct conv_shape *s, const float *w, void *packed) { wino_pack(s, w, packed, alpha, tile); }   \
    static size_t name_##_scratch_bytes(const struct conv_shape *s) { return wino_scratch_bytes(s, alpha, tile); }                 \
    static void name_##_run(const struct conv_packed *packed, const struct conv_task *task)                                        \
    {                                                                                                                              \
        wino_run(alpha, tile, packed, task);                                                                                       \
    }                                                                                                                              \
    extern const struct conv_algorithm K(name_);                                                                                   \
    const struct conv_algorithm K(name_) = {                                                                                       \
        .name = WINO_NAME(name_, KERNEL_ISA), .in = ROWS_BLOCKED, .out = ROWS_BLOCKED, .rows = tile, .may_lead = true, .grid_x = tile, \
        .chunk_x = WINO_TILES_MAX * tile, .joins = true, .unit_x = tile, .reach_left = 0, .reach_right = tile - 1,                 \
        .fits = name_##_fits, .cost = name_##_cost, .packed_bytes = name_##_packed_bytes, .pack = name_##_pack,                    \
        .scratch_bytes = name_##_scratch_bytes, .run = name_##_run,                                                                \
    };
#define WINO_TEXT(x) #x
#define WINO_NAME2(name_, isa) WINO_TEXT(name_##_##isa)
#define WINO_NAME(name_, isa) WINO_NAME2(name_, isa)

WINO_ALGORITHM(winograd6, 8, 6, 3)
WINO_ALGORITHM(winograd4, 6, 4, 3)
WINO_ALGORITHM(winograd4k5, 8, 4, 5)

#endif
