/* SPDX-License-Identifier: MIT */
/* 3x3 convolutions by Winograd's F(4x4, 3x3): 36 products for 16 results of one channel, where direct ones need 144. A tile of the
 * input, 6x6, gives one of the result, 4x4; each of the 36 places of transformed tiles has its own product of matrices,
 * [tiles][inputs] x [inputs][outputs]. The gradient of the kernels is the transpose of the same: transformed input tiles times
 * transformed tiles of the result's gradient, summed over tiles, one 36-place sum for each pair of channels, turned back once for
 * the whole batch. Matrices as in Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks". */
#ifndef FRAMEMILL_TRAIN_FAST_WINOGRAD_H
#define FRAMEMILL_TRAIN_FAST_WINOGRAD_H

#include "fast.h"

enum {
    TILE = 4,         // of the result
    TAKEN = TILE + 2, // of the input
    PLACES = TAKEN * TAKEN,
    FEW_TILES = 32,  // that are transformed before they are multiplied
    MANY_TILES = 64, // when gradients of kernels are summed
#ifdef __AVX512F__
    BLOCKS_AT_ONCE = 4, // vectors of results by
    SUMS = 16,          // all sums held in registers
#else
    BLOCKS_AT_ONCE = 2,
    SUMS = 8,
#endif
};

/* Room for transformed tiles, from one of their places to the next. The additional vector keeps places apart in the cache. */
INLINE size_t place_step(int tiles, int channels)
{
    return (size_t) (tiles + SUMS) * channels + LANES;
}

/* Tile rows that go together, at most that many tiles. */
INLINE int rows_together(int size, int tiles)
{
    int across = size / TILE, rows = tiles / across ? tiles / across : 1, parts = (across + rows - 1) / rows;
    return (across + parts - 1) / parts;
}

/* Floats that transformed tiles of a crop take at most. */
INLINE size_t transformed_size(int size, int channels)
{
    return PLACES * place_step(rows_together(size, MANY_TILES) * (size / TILE) + FEW_TILES, channels);
}

/* ---- one tile ---- */

/* Six numbers of a tile of the input: B^T d. */
INLINE void turn_input(vec *to, const int step, const vec *d, const int from)
{
    vec a = d[4 * from] - 4 * d[2 * from], b = d[3 * from] - 4 * d[from];
    vec e = d[4 * from] - d[2 * from], f = 2 * (d[3 * from] - d[from]);
    to[0] = 4 * d[0] - 5 * d[2 * from] + d[4 * from];
    to[step] = a + b;
    to[2 * step] = a - b;
    to[3 * step] = e + f;
    to[4 * step] = e - f;
    to[5 * step] = 4 * d[from] - 5 * d[3 * from] + d[5 * from];
}

/* Six sums of products to four results: A^T m. */
INLINE void turn_result(vec *to, const int step, const vec *m, const int from)
{
    vec a = m[from] + m[2 * from], b = m[from] - m[2 * from];
    vec e = m[3 * from] + m[4 * from], f = m[3 * from] - m[4 * from];
    to[0] = m[0] + a + e;
    to[step] = b + 2 * f;
    to[2 * step] = a + 4 * e;
    to[3 * step] = b + 8 * f + m[5 * from];
}

/* Four gradients of results to six: A y. */
INLINE void turn_slant(vec *to, const int step, const vec *y, const int from)
{
    vec a = y[0] + y[2 * from], b = y[from] + y[3 * from];
    vec e = y[0] + 4 * y[2 * from], f = 2 * y[from] + 8 * y[3 * from];
    to[0] = y[0];
    to[step] = a + b;
    to[2 * step] = a - b;
    to[3 * step] = e + f;
    to[4 * step] = e - f;
    to[5 * step] = y[3 * from];
}

/* Three weights to six: G g. */
INLINE void turn_kernel(vec *to, const int step, const vec *g, const int from)
{
    vec a = g[0] + g[2 * from], e = (g[0] + 4 * g[2 * from]) * (1 / 24.0f), f = g[from] * (1 / 12.0f);
    to[0] = g[0] * 0.25f;
    to[step] = (a + g[from]) * (-1 / 6.0f);
    to[2 * step] = (a - g[from]) * (-1 / 6.0f);
    to[3 * step] = e + f;
    to[4 * step] = e - f;
    to[5 * step] = g[2 * from];
}

/* Six sums to three gradients of weights: G^T p. */
INLINE void turn_gradient(vec *to, const int step, const vec *p, const int from)
{
    vec a = p[from] + p[2 * from], e = p[3 * from] + p[4 * from];
    to[0] = p[0] * 0.25f - a * (1 / 6.0f) + e * (1 / 24.0f);
    to[step] = (p[2 * from] - p[from]) * (1 / 6.0f) + (p[3 * from] - p[4 * from]) * (1 / 12.0f);
    to[2 * step] = (e - a) * (1 / 6.0f) + p[5 * from];
}

/* ---- transforms ---- */

typedef void turn(vec *to, int step, const vec *from, int apart);

/* Tile rows [first, first + rows) of a padded picture, `taken` x `taken` pixels around the middle of each tile turned both ways, to
 * [PLACES][tiles][channels]. */
INLINE void transform(
    int size, const float *x, const int channels, int first, int rows, const int taken, turn *turned, float *to, size_t step)
{
    size_t row = (size_t) (size + 2 * EDGE) * channels;
    int margin = (taken - TILE) / 2;
    for (int ty = first; ty < first + rows; ty++)
        for (int tx = 0; tx < size / TILE; tx++) {
            const float *from = x + padded(size, ty * TILE - margin, tx * TILE - margin) * channels;
            for (int block = 0; block < channels; block += LANES, from += LANES, to += LANES) {
                vec half[PLACES];
#pragma GCC unroll 6
                for (int i = 0; i < taken; i++) {
                    vec d[TAKEN];
#pragma GCC unroll 6
                    for (int j = 0; j < taken; j++) d[j] = get(from + j * row + i * channels);
                    turned(half + i, taken, d, 1);
                }
#pragma GCC unroll 6
                for (int j = 0; j < TAKEN; j++) {
                    vec d[TAKEN];
                    turned(d, 1, half + j * taken, 1);
#pragma GCC unroll 6
                    for (int i = 0; i < TAKEN; i++) *at(to + (j * TAKEN + i) * step) = d[i];
                }
            }
        }
}

/* Inputs of a convolution with zeros around. */
INLINE void transform_input(int size, const float *x, const int channels, int first, int rows, float *to, size_t step)
{
    transform(size, x, channels, first, rows, TAKEN, turn_input, to, step);
}

/* Gradients of its results. */
INLINE void transform_slant(int size, const float *x, const int channels, int first, int rows, float *to, size_t step)
{
    transform(size, x, channels, first, rows, TILE, turn_slant, to, step);
}

/* What is done with a tile's 4x4 results of one vector of channels: y and x are its corner. */
typedef void finish(void *context, int y, int x, int block, vec *sum);

INLINE void transform_results(
    int size, const float *from, const int channels, int first, int rows, size_t step, finish *end, void *context)
{
    for (int ty = first; ty < first + rows; ty++)
        for (int tx = 0; tx < size / TILE; tx++)
            for (int block = 0; block < channels; block += LANES, from += LANES) {
                vec half[TILE * TAKEN], sum[TILE * TILE];
#pragma GCC unroll 6
                for (int i = 0; i < TAKEN; i++) {
                    vec m[TAKEN];
#pragma GCC unroll 6
                    for (int j = 0; j < TAKEN; j++) m[j] = get(from + (j * TAKEN + i) * step);
                    turn_result(half + i, TAKEN, m, 1);
                }
#pragma GCC unroll 4
                for (int j = 0; j < TILE; j++) turn_result(sum + j * TILE, 1, half + j * TAKEN, 1);
                end(context, ty * TILE, tx * TILE, block, sum);
            }
}

/* ---- products ---- */

/* m[tiles][out] = v[tiles][in] x u[in][out], for vectors of results from `block` on. */
INLINE void product(
    float *m, const float *v, const float *u, int tiles, const int in, const int out, const int block, const int blocks)
{
    const int rows = blocks == 3 ? SUMS / 4 : SUMS / blocks;
    for (int t = 0; t < tiles; t += rows) {
        vec sum[SUMS];
#pragma GCC unroll 16
        for (int i = 0; i < rows * blocks; i++) sum[i] = (vec){0};
        for (int i = 0; i < in; i++) {
            vec w[BLOCKS_AT_ONCE];
#pragma GCC unroll 4
            for (int b = 0; b < blocks; b++) w[b] = get(u + (size_t) i * out + block + b * LANES);
#pragma GCC unroll 16
            for (int r = 0; r < rows; r++) {
                vec s = spread(v[(size_t) (t + r) * in + i]);
#pragma GCC unroll 4
                for (int b = 0; b < blocks; b++) sum[r * blocks + b] += s * w[b];
            }
        }
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int b = 0; b < blocks; b++) *at(m + (size_t) (t + r) * out + block + b * LANES) = sum[r * blocks + b];
    }
}

/* p[in][out] += transposed v[tiles][in] x q[tiles][out] */
INLINE void outer_product(
    float *p, const float *v, const float *q, int tiles, const int in, const int out, const int block, const int blocks)
{
    const int rows = blocks == 3 ? SUMS / 4 : SUMS / blocks;
    for (int i = 0; i < in; i += rows) {
        vec sum[SUMS];
        float *to = p + (size_t) i * out + block;
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int b = 0; b < blocks; b++) sum[r * blocks + b] = get(to + (size_t) r * out + b * LANES);
        for (int t = 0; t < tiles; t++) {
            vec g[BLOCKS_AT_ONCE];
#pragma GCC unroll 4
            for (int b = 0; b < blocks; b++) g[b] = get(q + (size_t) t * out + block + b * LANES);
#pragma GCC unroll 16
            for (int r = 0; r < rows; r++) {
                vec s = spread(v[(size_t) t * in + i + r]);
#pragma GCC unroll 4
                for (int b = 0; b < blocks; b++) sum[r * blocks + b] += s * g[b];
            }
        }
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int b = 0; b < blocks; b++) *at(to + (size_t) r * out + b * LANES) = sum[r * blocks + b];
    }
}

/* Calls multiply(..., block, blocks) for all vectors of results, as many at once as registers hold. */
#define BY_BLOCKS(multiply, out, ...)                                                                                              \
    do {                                                                                                                           \
        int block_ = 0;                                                                                                            \
        for (; block_ + BLOCKS_AT_ONCE * LANES <= (out); block_ += BLOCKS_AT_ONCE * LANES)                                         \
            multiply(__VA_ARGS__, block_, BLOCKS_AT_ONCE);                                                                         \
        if ((out) -block_ == 3 * LANES)                                                                                            \
            multiply(__VA_ARGS__, block_, 3 < BLOCKS_AT_ONCE ? 3 : BLOCKS_AT_ONCE);                                                \
        else if ((out) -block_ == 2 * LANES)                                                                                       \
            multiply(__VA_ARGS__, block_, 2);                                                                                      \
        else if ((out) -block_ == LANES)                                                                                           \
            multiply(__VA_ARGS__, block_, 1);                                                                                      \
    } while (0)

/* ---- convolutions ---- */

/* x is padded, u what transform_kernels made; v and m have room for transformed tiles. */
INLINE void winograd(
    int size, const float *x, const int in, const float *u, const int out, float *v, float *m, finish *end, void *context)
{
    int across = size / TILE, most = rows_together(size, FEW_TILES);
    size_t v_step = place_step(most * across, in), m_step = place_step(most * across, out);
    for (int first = 0; first < across; first += most) {
        int rows = across - first < most ? across - first : most;
        transform_input(size, x, in, first, rows, v, v_step);
        for (int place = 0; place < PLACES; place++) {
            float *to = m + place * m_step;
            const float *from = v + place * v_step, *weights = u + (size_t) place * in * out;
            BY_BLOCKS(product, out, to, from, weights, rows * across, in, out);
        }
        transform_results(size, m, out, first, rows, m_step, end, context);
    }
}

/* Adds a crop's part to p [PLACES][in][out]. x and slant are padded. */
INLINE void winograd_weights(
    int size, const float *x, const int in, const float *slant, const int out, float *p, float *v, float *q)
{
    int across = size / TILE, most = rows_together(size, MANY_TILES);
    size_t v_step = place_step(most * across, in), q_step = place_step(most * across, out);
    for (int first = 0; first < across; first += most) {
        int rows = across - first < most ? across - first : most;
        transform_input(size, x, in, first, rows, v, v_step);
        transform_slant(size, slant, out, first, rows, q, q_step);
        for (int place = 0; place < PLACES; place++) {
            float *to = p + (size_t) place * in * out;
            const float *from = v + place * v_step, *with = q + place * q_step;
            BY_BLOCKS(outer_product, out, to, from, with, rows * across, in, out);
        }
    }
}

/* u [PLACES][in][out] from kernels [outputs][inputs][3][3]; `back`: those of the way back, whose inputs are the outputs and whose
 * kernels are turned by 180 degrees. in and out are whole vectors. */
static void transform_kernels(float *u, const float *kernels, int inputs, int outputs, int in, int out, int back)
{
    for (int i = 0; i < in; i++)
        for (int block = 0; block < out; block += LANES) {
            vec g[9], half[TAKEN * 3], all[PLACES];
            memset(g, 0, sizeof(g));
            for (int lane = 0; lane < LANES; lane++) {
                int from = back ? block + lane : i, to = back ? i : block + lane;
                if (from >= inputs || to >= outputs) continue;
                const float *kernel = kernels + ((size_t) to * inputs + from) * 9;
                for (int tap = 0; tap < 9; tap++) ((float *) g)[tap * LANES + lane] = kernel[back ? 8 - tap : tap];
            }
            for (int x = 0; x < 3; x++) turn_kernel(half + x, 3, g + x, 3);
            for (int y = 0; y < TAKEN; y++) turn_kernel(all + y * TAKEN, 1, half + y * 3, 1);
            for (int place = 0; place < PLACES; place++) *at(u + ((size_t) place * in + i) * out + block) = all[place];
        }
}

/* Gradients of kernels [outputs][inputs][3][3] from p [PLACES][in][out]. */
static void transform_gradients(float *kernels, const float *p, int inputs, int outputs, int in, int out)
{
    for (int i = 0; i < inputs; i++)
        for (int block = 0; block < out; block += LANES) {
            vec all[PLACES], half[3 * TAKEN], g[9];
            for (int place = 0; place < PLACES; place++) all[place] = get(p + ((size_t) place * in + i) * out + block);
            for (int x = 0; x < TAKEN; x++) turn_gradient(half + x, TAKEN, all + x, TAKEN);
            for (int y = 0; y < 3; y++) turn_gradient(g + y * 3, 1, half + y * TAKEN, 1);
            for (int lane = 0; lane < LANES && block + lane < outputs; lane++)
                for (int tap = 0; tap < 9; tap++)
                    kernels[((size_t) (block + lane) * inputs + i) * 9 + tap] = ((float *) g)[tap * LANES + lane];
        }
}

#endif
