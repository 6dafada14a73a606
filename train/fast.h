/* SPDX-License-Identifier: MIT */
/* What the networks that fast.py compiles have in common: vectors, pictures, direct convolutions, the loss. SCALE and COLOURS are
 * given.
 *
 * Channels are innermost and padded to whole vectors. Each kernel keeps a block of sums in registers and uses a number that it
 * spreads over a vector for all the taps of a kernel's row, so that it waits for multiplications and not for loads:
 *
 *     forward, backward through data    PIXELS neighbours in a row x one vector of channels of the result
 *     backward through weights          some channels of the input x the taps of a row x one vector of channels of the result
 *
 * Pictures are padded, [size + 2 EDGE][size + 2 EDGE][channels] with zeros around, or plain, [size][size][channels]. */
#ifndef FRAMEMILL_TRAIN_FAST_H
#define FRAMEMILL_TRAIN_FAST_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __AVX512F__
enum { LANES = 16, PIXELS = 16, GROUP = 8, GROUP_WIDE = 4 };
#else
enum { LANES = 8, PIXELS = 8, GROUP = 4, GROUP_WIDE = 2 };
#endif

#define WHOLE_VECTORS(channels) (((channels) + LANES - 1) / LANES * LANES)

enum {
    PHASES = SCALE * SCALE,
    NUMBERS = COLOURS * PHASES, // that a pixel of the small picture becomes
    RESULTS = WHOLE_VECTORS(NUMBERS),
    EDGE = 2,
    LARGEST_KERNEL = 5,
};

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));

#define INLINE static inline __attribute__((always_inline))

INLINE vec spread(float x)
{
    return x - (vec){0};
}

INLINE vec *at(float *x)
{
    return (vec *) x;
}

INLINE vec get(const float *x)
{
    return *(const vec *) x;
}

/* a where the mask is set, else b. */
INLINE vec choose(ivec mask, vec a, vec b)
{
    return (vec) (((ivec) a & mask) | ((ivec) b & ~mask));
}

INLINE size_t padded(int size, int y, int x)
{
    return (size_t) (y + EDGE) * (size + 2 * EDGE) + x + EDGE;
}

INLINE size_t plain(int size, int y, int x)
{
    return (size_t) y * size + x;
}

/* Floats of a padded picture. */
INLINE size_t padded_size(int size, int channels)
{
    return (size_t) (size + 2 * EDGE) * (size + 2 * EDGE) * channels;
}

/* Adds to PIXELS results in a row what k x k taps make of the input, whose first needed pixel is at x; row and stride are floats
 * from one row to the next and from one pixel to the next. */
INLINE void taps(vec *sum, const float *x, size_t row, const int stride, int inputs, const float *weights, const int k)
{
    for (int ky = 0; ky < k; ky++, x += row) {
        for (int i = 0; i < inputs; i++, weights += k * LANES) {
            vec w[LARGEST_KERNEL];
#pragma GCC unroll 5
            for (int kx = 0; kx < k; kx++) w[kx] = get(weights + kx * LANES);
#pragma GCC unroll 20
            for (int q = 0; q < PIXELS + k - 1; q++) {
                vec v = spread(x[q * stride + i]);
#pragma GCC unroll 5
                for (int kx = 0; kx < k; kx++)
                    if (q >= kx && q - kx < PIXELS) sum[q - kx] += v * w[kx];
            }
        }
    }
}

/* The part that `group` channels of the input from x on and `rows` rows have in the gradient of a kernel's row of taps. slant is
 * where the first tap finds the gradient of its result; channels and stride are floats from one pixel to the next of x and of
 * slant. */
INLINE void weight_taps(float *gradient, const float *x, size_t row, const int channels, const float *slant, size_t slant_row,
    const int stride, int rows, int size, const int group, const int k)
{
    vec sum[GROUP * 3 > GROUP_WIDE * 5 ? GROUP * 3 : GROUP_WIDE * 5];
#pragma GCC unroll 24
    for (int i = 0; i < group * k; i++) sum[i] = get(gradient + i * LANES);
    for (int y = 0; y < rows; y++)
        for (int q = 0; q < size; q++) {
            const float *from = x + y * row + q * channels, *g = slant + y * slant_row + q * stride;
            vec v[LARGEST_KERNEL];
#pragma GCC unroll 5
            for (int kx = 0; kx < k; kx++) v[kx] = get(g - kx * stride);
#pragma GCC unroll 8
            for (int i = 0; i < group; i++) {
                vec s = spread(from[i]);
#pragma GCC unroll 5
                for (int kx = 0; kx < k; kx++) sum[i * k + kx] += s * v[kx];
            }
        }
#pragma GCC unroll 24
    for (int i = 0; i < group * k; i++) *at(gradient + i * LANES) = sum[i];
}

/* The loss of a crop; its gradient by the network's result, which is plain, is left in slant, which is padded; the sum of that over
 * the picture is added to bias_gradient. share is what each number has in the loss: 1 / their number in all crops; alone: in this
 * one. */
static double loss_backward(
    int size, const float *result, const float *large, float *slant, float *bias_gradient, int squared, double share, double alone)
{
    size_t wide = (size_t) size * SCALE;
    for (int y = 0; y < size; y++) {
        float *to = slant + padded(size, y, 0) * RESULTS;
        memset(to, 0, (size_t) size * RESULTS * sizeof(float));
        for (int number = 0; number < NUMBERS; number++) {
            int phase = number % PHASES;
            const float *from = large + ((size_t) (number / PHASES * size + y) * SCALE + phase / SCALE) * wide + phase % SCALE;
            for (int x = 0; x < size; x++) to[x * RESULTS + number] = from[x * SCALE];
        }
    }
    double total = 0;
    float one = (float) share;
    for (int y = 0; y < size; y++) {
        vec sum = {0};
        for (int i = 0; i < size * RESULTS; i += LANES) {
            float *to = slant + padded(size, y, 0) * RESULTS + i;
            vec d = get(result + plain(size, y, 0) * RESULTS + i) - get(to), magnitude = choose(d > 0, d, -d);
            sum += squared ? d * d : magnitude;
            *at(to) = squared ? d : choose(d > 0, spread(one), choose(d < 0, spread(-one), (vec){0}));
        }
        for (int i = 0; i < LANES; i++) total += sum[i];
    }
    double root = sqrt(total * alone + 1e-7);
    float factor = squared ? (float) (share / root) : 1;
    for (int y = 0; y < size; y++)
        for (int block = 0; block < RESULTS; block += LANES) {
            vec of_bias = get(bias_gradient + block);
            for (int x = 0; x < size; x++) {
                float *g = slant + padded(size, y, x) * RESULTS + block;
                *at(g) *= factor;
                of_bias += get(g);
            }
            *at(bias_gradient + block) = of_bias;
        }
    return squared ? root * share / alone : total * share;
}

/* Gives out the parts of one piece of memory; from NULL, counts only. */
struct store {
    float *base;
    size_t used;
};

static float *part(struct store *store, size_t floats)
{
    float *found = store->base ? store->base + store->used : NULL;
    store->used += (floats + LANES - 1) / LANES * LANES;
    return found;
}

/* Where the weight of an output, an input and a tap is in [outputs / LANES][kernel][inputs][kernel][LANES]. */
INLINE size_t place(int kernel, int inputs, int o, int i, int ky, int kx)
{
    return ((((size_t) (o / LANES) * kernel + ky) * inputs + i) * kernel + kx) * LANES + o % LANES;
}

static const float *read_vector(float *to, const float *from, int n)
{
    memcpy(to, from, n * sizeof(float));
    return from + n;
}

static float *write_vector(float *to, const float *from, int n)
{
    memcpy(to, from, n * sizeof(float));
    return to + n;
}

INLINE float *aligned(void *memory)
{
    return (float *) (((uintptr_t) memory + sizeof(vec) - 1) / sizeof(vec) * sizeof(vec));
}

#endif
