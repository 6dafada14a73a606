/* SPDX-License-Identifier: MIT */
/* Rows kernels for one ISA; see rows.h. The including file defines KERNEL_ISA. */
#include <math.h>

#include "kernels/act.h"
#include "kernels/rows.h"
#include "kernels/sets.h"
#include "kernels/transpose.h"

static void K(load_blocked)(const float *src, ptrdiff_t plane, int channels, float *row, ptrdiff_t block, int x0, int x1)
{
    for (int c = 0; c < channels; c += VL, row += block) {
        const float *from = src + c * plane;
        const int lanes = channels - c < VL ? channels - c : VL;
        int x = x0;
        for (; lanes == VL && x + VL <= x1; x += VL) {
            float tile[VL * VL];
            for (int i = 0; i < VL; i++) vf_store(tile + i * VL, vf_load(from + i * plane + x));
            transpose_tile(tile, row + (ptrdiff_t) x * VL, VL);
        }
        for (; x < x1; x++) {
            float *pixel = row + (ptrdiff_t) x * VL;
            for (int i = 0; i < lanes; i++) pixel[i] = from[i * plane + x];
            for (int i = lanes; i < VL; i++) pixel[i] = 0;
        }
    }
}

static void K(store_blocked)(const float *row, ptrdiff_t block, int channels, float *dst, ptrdiff_t plane, int x0, int x1)
{
    for (int c = 0; c < channels; c += VL, row += block) {
        float *to = dst + c * plane;
        const int lanes = channels - c < VL ? channels - c : VL;
        int x = x0;
        for (; x + VL <= x1; x += VL) {
            if (lanes == VL) {
                transpose_tile(row + (ptrdiff_t) x * VL, to + x, plane);
            } else {
                float tile[VL * VL];
                transpose_tile(row + (ptrdiff_t) x * VL, tile, VL);
                for (int i = 0; i < lanes; i++) vf_store(to + i * plane + x, vf_load(tile + i * VL));
            }
        }
        for (; x < x1; x++)
            for (int i = 0; i < lanes; i++) to[i * plane + x] = row[(ptrdiff_t) x * VL + i];
    }
}

/* Input channel that becomes column phase j of row i of output channel c. */
SIMD_INLINE int K(phase_channel)(int c, int i, int j, int r, int channels, bool crd)
{
    return crd ? c * r * r + i * r + j : (i * r + j) * channels + c;
}

/* Interleaves r planes of n values each: dst[x * r + j] = plane[j][x], for columns below limit. */
static void K(interleave)(float *dst, const float *const *plane, int r, int n, int limit)
{
    if (n * r > limit) { /* the last column is cut */
        for (int x = 0; x < n; x++)
            for (int j = 0; j < r && x * r + j < limit; j++) dst[x * r + j] = plane[j][x];
        return;
    }
    if (r == 2) {
        for (int x = 0; x < n; x++) {
            dst[2 * x] = plane[0][x];
            dst[2 * x + 1] = plane[1][x];
        }
    } else if (r == 4) {
        for (int x = 0; x < n; x++) {
            dst[4 * x] = plane[0][x];
            dst[4 * x + 1] = plane[1][x];
            dst[4 * x + 2] = plane[2][x];
            dst[4 * x + 3] = plane[3][x];
        }
    } else {
        for (int x = 0; x < n; x++)
            for (int j = 0; j < r; j++) dst[x * r + j] = plane[j][x];
    }
}

static void K(shuffle_planar)(
    const float *row, ptrdiff_t block, int channels, int r, bool crd, float *const *out, ptrdiff_t plane, int x0, int x1, int limit)
{
    for (int i = 0; i < r; i++) {
        if (!out[i]) continue;
        for (int c = 0; c < channels; c++) {
            const float *phase[16];
            for (int j = 0; j < r; j++) phase[j] = row + K(phase_channel)(c, i, j, r, channels, crd) * block + x0;
            K(interleave)(out[i] + c * plane + (ptrdiff_t) x0 * r, phase, r, x1 - x0, limit - x0 * r);
        }
    }
}

#define SHUFFLE_COLUMNS 64
#define SHUFFLE_CHANNELS 64

/* A stretch of columns at a time: blocks are turned into planes on the stack, then interleaved. */
static void K(shuffle_blocked)(
    const float *row, ptrdiff_t block, int channels, int r, bool crd, float *const *out, ptrdiff_t plane, int x0, int x1, int limit)
{
    const int total = channels * r * r;
    float turned[SHUFFLE_CHANNELS * SHUFFLE_COLUMNS];
    if (total <= SHUFFLE_CHANNELS) {
        for (int x = x0; x < x1; x += SHUFFLE_COLUMNS) {
            const int n = x1 - x < SHUFFLE_COLUMNS ? x1 - x : SHUFFLE_COLUMNS;
            K(store_blocked)(row + (ptrdiff_t) x * VL, block, total, turned, SHUFFLE_COLUMNS, 0, n);
            float *shifted[16];
            for (int i = 0; i < r; i++) shifted[i] = out[i] ? out[i] + (ptrdiff_t) x * r : NULL;
            K(shuffle_planar)(turned, SHUFFLE_COLUMNS, channels, r, crd, shifted, plane, 0, n, limit - x * r);
        }
        return;
    }
    for (int i = 0; i < r; i++) {
        if (!out[i]) continue;
        for (int c = 0; c < channels; c++)
            for (int j = 0; j < r; j++) {
                const int from = K(phase_channel)(c, i, j, r, channels, crd);
                const float *line = row + from / VL * block + from % VL;
                float *to = out[i] + c * plane + j;
                for (int x = x0; x < x1 && x * r + j < limit; x++) to[(ptrdiff_t) x * r] = line[(ptrdiff_t) x * VL];
            }
    }
}

static void K(act)(float *dst, const float *src, size_t n, enum kernel_act act, float a, float b, const float *slope_lane)
{
    const vf va = vf_set1(a), vb = vf_set1(b), slope = slope_lane ? vf_load(slope_lane) : vf_zero();
    size_t i = 0;
    for (; i + VL <= n; i += VL) vf_store(dst + i, vf_activate(vf_load(src + i), act, va, vb, slope));
    if (i < n) vf_store_part(dst + i, vf_activate(vf_load_part(src + i, (int) (n - i)), act, va, vb, slope), (int) (n - i));
}

SIMD_INLINE vf K(apply)(vf a, vf b, enum rows_binary op)
{
    switch (op) {
    case ROWS_ADD: return vf_add(a, b);
    case ROWS_SUB: return vf_sub(a, b);
    case ROWS_MUL: return vf_mul(a, b);
    case ROWS_DIV: return vf_div(a, b);
    case ROWS_MAX: return vf_max(a, b);
    case ROWS_MIN: return vf_min(a, b);
    case ROWS_RSUB: return vf_sub(b, a);
    default: return vf_div(b, a);
    }
}

static void K(binary)(float *dst, const float *a, const float *b, size_t n, enum rows_binary op)
{
    size_t i = 0;
    for (; i + VL <= n; i += VL) vf_store(dst + i, K(apply)(vf_load(a + i), vf_load(b + i), op));
    if (i < n) {
        const int rest = (int) (n - i);
        vf_store_part(dst + i, K(apply)(vf_load_part(a + i, rest), vf_load_part(b + i, rest), op), rest);
    }
}

static void K(binary_lane)(float *dst, const float *a, const float *b_lane, size_t n, enum rows_binary op)
{
    const vf b = vf_load(b_lane);
    size_t i = 0;
    for (; i + VL <= n; i += VL) vf_store(dst + i, K(apply)(vf_load(a + i), b, op));
    if (i < n) vf_store_part(dst + i, K(apply)(vf_load_part(a + i, (int) (n - i)), b, op), (int) (n - i));
}

static void K(scale_shift)(float *dst, const float *src, size_t n, const float *scale_lane, const float *shift_lane)
{
    const vf scale = vf_load(scale_lane), shift = vf_load(shift_lane);
    size_t i = 0;
    for (; i + VL <= n; i += VL) vf_store(dst + i, vf_fma(vf_load(src + i), scale, shift));
    if (i < n) vf_store_part(dst + i, vf_fma(vf_load_part(src + i, (int) (n - i)), scale, shift), (int) (n - i));
}

static void K(sum_lane)(float *sum, const float *src, size_t n)
{
    vf s = vf_load(sum);
    for (size_t i = 0; i + VL <= n; i += VL) s = vf_add(s, vf_load(src + i));
    vf_store(sum, s);
}

static void K(max_lane)(float *max, const float *src, size_t n)
{
    vf m = vf_load(max);
    for (size_t i = 0; i + VL <= n; i += VL) m = vf_max(m, vf_load(src + i));
    vf_store(max, m);
}

/* Averages divide by what counts: positions inside the picture, or inside picture and padding. */
SIMD_INLINE int K(counted_x)(const struct rows_pool *pool, int first)
{
    const int low = pool->count_pad ? -pool->pad_x : 0, high = pool->in_width + (pool->count_pad ? pool->pad_end_x : 0);
    int n = 0;
    for (int k = 0; k < pool->kernel_x; k++) {
        const int at = first + k * pool->dilation_x;
        n += at >= low && at < high;
    }
    return n;
}

static void K(pool_blocked)(const struct rows_pool *pool, const float *const *in, float *dst, int x0, int x1)
{
    for (int x = x0; x < x1; x++) {
        const int first = x * pool->stride_x - pool->pad_x;
        vf v = pool->max ? vf_set1(-HUGE_VALF) : vf_zero();
        for (int ky = 0; ky < pool->kernel_y; ky++) {
            if (!in[ky]) continue;
            for (int kx = 0; kx < pool->kernel_x; kx++) {
                const int at = first + kx * pool->dilation_x;
                if (at < 0 || at >= pool->in_width) continue;
                const vf p = vf_load(in[ky] + (ptrdiff_t) at * VL);
                v = pool->max ? vf_max(p, v) : vf_add(v, p);
            }
        }
        if (!pool->max) {
            const int n = K(counted_x)(pool, first) * pool->counted_y;
            v = vf_mul(v, vf_set1(n ? 1.0f / (float) n : 0.0f));
        }
        vf_store(dst + (ptrdiff_t) x * VL, v);
    }
}

static void K(pool_planar)(const struct rows_pool *pool, const float *const *in, float *dst, int x0, int x1)
{
    for (int x = x0; x < x1; x++) {
        const int first = x * pool->stride_x - pool->pad_x;
        float v = pool->max ? -HUGE_VALF : 0;
        for (int ky = 0; ky < pool->kernel_y; ky++) {
            if (!in[ky]) continue;
            for (int kx = 0; kx < pool->kernel_x; kx++) {
                const int at = first + kx * pool->dilation_x;
                if (at < 0 || at >= pool->in_width) continue;
                const float p = in[ky][at];
                if (!pool->max)
                    v += p;
                else if (p > v)
                    v = p;
            }
        }
        if (!pool->max) {
            const int n = K(counted_x)(pool, first) * pool->counted_y;
            v *= n ? 1.0f / (float) n : 0.0f;
        }
        dst[x] = v;
    }
}

static void K(resize_blocked)(
    const float *const *in, const float *wy, int ny, const int32_t *index, const float *wx, int nx, float *dst, int x0, int x1)
{
    for (int x = x0; x < x1; x++) {
        const int32_t *at = index + (ptrdiff_t) x * nx;
        vf sum = vf_zero();
        if (nx == 1 && ny == 1) {
            sum = vf_load(in[0] + (ptrdiff_t) at[0] * VL);
        } else {
            for (int j = 0; j < ny; j++) {
                vf line = vf_zero();
                for (int i = 0; i < nx; i++) line = vf_fma(vf_set1(wx[x * nx + i]), vf_load(in[j] + (ptrdiff_t) at[i] * VL), line);
                sum = vf_fma(vf_set1(wy[j]), line, sum);
            }
        }
        vf_store(dst + (ptrdiff_t) x * VL, sum);
    }
}

static void K(resize_planar)(
    const float *const *in, const float *wy, int ny, const int32_t *index, const float *wx, int nx, float *dst, int x0, int x1)
{
    for (int x = x0; x < x1; x++) {
        const int32_t *at = index + (ptrdiff_t) x * nx;
        if (nx == 1 && ny == 1) {
            dst[x] = in[0][at[0]];
            continue;
        }
        float sum = 0;
        for (int j = 0; j < ny; j++) {
            float line = 0;
            for (int i = 0; i < nx; i++) line += wx[x * nx + i] * in[j][at[i]];
            sum += wy[j] * line;
        }
        dst[x] = sum;
    }
}

/* One register tile: `rows` (1 .. GEMM_ROWS) rows by GEMM_VECTORS vectors of columns, every product in the order of k. */
#define GEMM_ROWS 6
#define GEMM_VECTORS 2
#define GEMM_DEPTH 256

SIMD_INLINE void K(gemm_tile)(
    const float *a, ptrdiff_t lda, const float *b, float *c, ptrdiff_t ldc, int depth, int rows, int columns, bool add)
{
    vf sum[GEMM_ROWS][GEMM_VECTORS];
    for (int i = 0; i < GEMM_ROWS; i++)
        for (int j = 0; j < GEMM_VECTORS; j++) {
            const int left = columns - j * VL < VL ? columns - j * VL : VL;
            sum[i][j] = add && i < rows && left > 0 ? vf_load_part(c + i * ldc + j * VL, left) : vf_zero();
        }
    const float *line[GEMM_ROWS];
    for (int i = 0; i < GEMM_ROWS; i++) line[i] = a + (i < rows ? i : 0) * lda;
    for (int k = 0; k < depth; k++, b += GEMM_VECTORS * VL) {
        const vf b0 = vf_load(b), b1 = vf_load(b + VL);
        for (int i = 0; i < GEMM_ROWS; i++) {
            const vf x = vf_set1(line[i][k]);
            sum[i][0] = vf_fma(x, b0, sum[i][0]);
            sum[i][1] = vf_fma(x, b1, sum[i][1]);
        }
    }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < GEMM_VECTORS; j++) {
            const int left = columns - j * VL;
            if (left > 0) vf_store_part(c + i * ldc + j * VL, sum[i][j], left < VL ? left : VL);
        }
}

/* Panels of b, GEMM_DEPTH deep and two vectors wide, are copied to the scratch so that they stream; every row of a meets one panel. */
static void K(gemm)(const float *a, ptrdiff_t lda, const float *b, ptrdiff_t ldb, float *c, ptrdiff_t ldc, int k, int m0, int m1,
    int n0, int n1, bool add, void *scratch)
{
    float *panel = scratch;
    for (int n = n0; n < n1; n += GEMM_VECTORS * VL) {
        const int columns = n1 - n < GEMM_VECTORS * VL ? n1 - n : GEMM_VECTORS * VL;
        for (int k0 = 0; k0 < k || k0 == 0; k0 += GEMM_DEPTH) {
            const int depth = k - k0 < GEMM_DEPTH ? k - k0 : GEMM_DEPTH;
            for (int i = 0; i < depth; i++)
                for (int j = 0; j < GEMM_VECTORS; j++) {
                    const int left = columns - j * VL < VL ? columns - j * VL : VL;
                    vf_store(panel + (i * GEMM_VECTORS + j) * VL,
                        left > 0 ? vf_load_part(b + (k0 + i) * ldb + n + j * VL, left) : vf_zero());
                }
            for (int m = m0; m < m1; m += GEMM_ROWS)
                K(gemm_tile)
                (a + m * lda + k0, lda, panel, c + m * ldc + n, ldc, depth, m1 - m < GEMM_ROWS ? m1 - m : GEMM_ROWS, columns,
                    add || k0 > 0);
        }
    }
}

static void K(exp_run)(float *dst, const float *src, size_t n)
{
    size_t i = 0;
    for (; i + VL <= n; i += VL) vf_store(dst + i, vf_exp(vf_load(src + i)));
    if (i < n) vf_store_part(dst + i, vf_exp(vf_load_part(src + i, (int) (n - i))), (int) (n - i));
}

static void K(softmax)(float *dst, const float *src, size_t n)
{
    float max = -HUGE_VALF, sum = 0;
    for (size_t i = 0; i < n; i++)
        if (src[i] > max) max = src[i];
    for (size_t i = 0; i < n; i++) dst[i] = src[i] - max;
    K(exp_run)(dst, dst, n);
    for (size_t i = 0; i < n; i++) sum += dst[i];
    const float scale = 1 / sum;
    for (size_t i = 0; i < n; i++) dst[i] *= scale;
}

/* Twelve chains in twelve named variables: they stay in registers, and are enough to hide the latency on two units. */
static double K(peak)(int turns)
{
    const vf a = vf_set1(0.999f), b = vf_set1(0.001f);
    vf s0 = vf_set1(0), s1 = vf_set1(1), s2 = vf_set1(2), s3 = vf_set1(3), s4 = vf_set1(4), s5 = vf_set1(5);
    vf s6 = vf_set1(6), s7 = vf_set1(7), s8 = vf_set1(8), s9 = vf_set1(9), s10 = vf_set1(10), s11 = vf_set1(11);
    for (int t = 0; t < turns; t++) {
        s0 = vf_fma(s0, a, b), s1 = vf_fma(s1, a, b), s2 = vf_fma(s2, a, b), s3 = vf_fma(s3, a, b);
        s4 = vf_fma(s4, a, b), s5 = vf_fma(s5, a, b), s6 = vf_fma(s6, a, b), s7 = vf_fma(s7, a, b);
        s8 = vf_fma(s8, a, b), s9 = vf_fma(s9, a, b), s10 = vf_fma(s10, a, b), s11 = vf_fma(s11, a, b);
    }
    const vf low = vf_add(vf_add(vf_add(s0, s1), vf_add(s2, s3)), vf_add(s4, s5));
    const vf high = vf_add(vf_add(vf_add(s6, s7), vf_add(s8, s9)), vf_add(s10, s11));
    float lanes[VL];
    vf_store(lanes, vf_add(low, high));
    volatile float sink = lanes[VL - 1];
    (void) sink;
    return 12.0 * 2.0 * VL * turns;
}

const struct rows_kernels K(rows) = {
    .load_blocked = K(load_blocked),
    .store_blocked = K(store_blocked),
    .shuffle_blocked = K(shuffle_blocked),
    .shuffle_planar = K(shuffle_planar),
    .act = K(act),
    .binary = K(binary),
    .binary_lane = K(binary_lane),
    .scale_shift = K(scale_shift),
    .sum_lane = K(sum_lane),
    .max_lane = K(max_lane),
    .pool_blocked = K(pool_blocked),
    .pool_planar = K(pool_planar),
    .resize_blocked = K(resize_blocked),
    .resize_planar = K(resize_planar),
    .gemm = K(gemm),
    .gemm_scratch = (size_t) GEMM_DEPTH * GEMM_VECTORS * VL * sizeof(float),
    .exp = K(exp_run),
    .softmax = K(softmax),
    .peak = K(peak),
};
