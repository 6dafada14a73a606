/* SPDX-License-Identifier: MIT */
/* The loss of a network of residual blocks (networks.Piper, batch norm folded into the convolutions) over a batch of crops, and its
 * gradients. fast.py compiles this file with WIDTH, BLOCKS and SCALE given; WIDTH is a multiple of 16.
 *
 *     x0 = head(rgb)    x(i + 1) = x(i) + second(silu(first(x(i))))    result = tail(x(BLOCKS)), shuffled */
#define COLOURS 3
#include "fast_winograd.h"

enum {
    GIVEN = 4, // floats to a pixel of the input, one of them unused
    CONVOLUTIONS = 2 * BLOCKS + 1,
    TAIL = CONVOLUTIONS - 1,
};

struct layer {
    float *forward;              // [PLACES][WIDTH][WIDTH or RESULTS]
    float *backward;             // [PLACES][WIDTH or RESULTS][WIDTH]
    float *gradient;             // as forward, sums
    float *bias, *bias_gradient; // [WIDTH or RESULTS]
};

struct job {
    int size;
    float *head, *head_bias, *head_gradient, *head_bias_gradient; // kernels: [WIDTH / LANES][3][COLOURS][3][LANES]
    struct layer layer[CONVOLUTIONS];
    float *given;         // padded, GIVEN channels
    float *x[BLOCKS + 1]; // padded
    float *kept[BLOCKS];  // plain: what went into SiLU; on the way back its derivative
    float *value;         // padded: what came out
    float *slant, *inner; // padded: gradients by x(i) and by what went into SiLU
    float *result;        // plain, RESULTS channels
    float *error;         // padded, RESULTS channels: gradient by the result
    float *v, *m;         // transformed tiles
};

/* e^x for x within -87 .. 87 to the last bit or two: 2^n times the series of what is left, which is at most ln 2 / 2. */
INLINE vec exponential(vec x)
{
    x = choose(x < -87, spread(-87), choose(x > 87, spread(87), x));
    vec shifted = x * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f; // 1.5 * 2^23: rounds to whole numbers
    x = x - n * 0.693145752f;
    x = x - n * 1.42860677e-6f;
    vec sum = x * (1 / 720.0f) + 1 / 120.0f;
    sum = sum * x + 1 / 24.0f;
    sum = sum * x + 1 / 6.0f;
    sum = sum * x + 0.5f;
    sum = sum * x + 1;
    sum = sum * x + 1;
    return (vec) ((ivec) sum + ((ivec) shifted << 23));
}

INLINE vec sigmoid(vec x)
{
    return 1 / (1 + exponential(-x));
}

/* ---- what is done with results of convolutions ---- */

struct target {
    struct job *job;
    int i;          // block
    float *of_bias; // whose gradient is the sum of these results
};

/* A row of a tile of a padded or plain picture. */
INLINE float *padded_row(const struct job *job, float *picture, int y, int x, int block)
{
    return picture + padded(job->size, y, x) * WIDTH + block;
}

INLINE float *plain_row(const struct job *job, float *picture, int y, int x, const int channels, int block)
{
    return picture + plain(job->size, y, x) * channels + block;
}

INLINE void first_finish(void *context, int y, int x, int block, vec *sum)
{
    struct target *target = context;
    struct job *job = target->job;
    vec bias = get(job->layer[2 * target->i].bias + block);
#pragma GCC unroll 4
    for (int j = 0; j < TILE; j++) {
        float *kept = plain_row(job, job->kept[target->i], y + j, x, WIDTH, block),
              *value = padded_row(job, job->value, y + j, x, block);
#pragma GCC unroll 4
        for (int i = 0; i < TILE; i++) {
            vec h = sum[j * TILE + i] + bias;
            *at(kept + i * WIDTH) = h;
            *at(value + i * WIDTH) = h * sigmoid(h);
        }
    }
}

INLINE void second_finish(void *context, int y, int x, int block, vec *sum)
{
    struct target *target = context;
    struct job *job = target->job;
    vec bias = get(job->layer[2 * target->i + 1].bias + block);
#pragma GCC unroll 4
    for (int j = 0; j < TILE; j++) {
        float *before = padded_row(job, job->x[target->i], y + j, x, block),
              *after = padded_row(job, job->x[target->i + 1], y + j, x, block);
#pragma GCC unroll 4
        for (int i = 0; i < TILE; i++) *at(after + i * WIDTH) = get(before + i * WIDTH) + (sum[j * TILE + i] + bias);
    }
}

INLINE void tail_finish(void *context, int y, int x, int block, vec *sum)
{
    struct target *target = context;
    struct job *job = target->job;
    vec bias = get(job->layer[TAIL].bias + block);
#pragma GCC unroll 4
    for (int j = 0; j < TILE; j++) {
        float *to = plain_row(job, job->result, y + j, x, RESULTS, block);
#pragma GCC unroll 4
        for (int i = 0; i < TILE; i++) *at(to + i * RESULTS) = sum[j * TILE + i] + bias;
    }
}

/* Back through the tail: the gradient by the last x. */
INLINE void tail_back(void *context, int y, int x, int block, vec *sum)
{
    struct target *target = context;
    vec all = {0};
#pragma GCC unroll 4
    for (int j = 0; j < TILE; j++) {
        float *to = padded_row(target->job, target->job->slant, y + j, x, block);
#pragma GCC unroll 4
        for (int i = 0; i < TILE; i++) {
            *at(to + i * WIDTH) = sum[j * TILE + i];
            all += sum[j * TILE + i];
        }
    }
    *at(target->of_bias + block) += all;
}

/* Back through the second convolution and SiLU. */
INLINE void second_back(void *context, int y, int x, int block, vec *sum)
{
    struct target *target = context;
    struct job *job = target->job;
    vec all = {0};
#pragma GCC unroll 4
    for (int j = 0; j < TILE; j++) {
        float *factor = plain_row(job, job->kept[target->i], y + j, x, WIDTH, block),
              *to = padded_row(job, job->inner, y + j, x, block);
#pragma GCC unroll 4
        for (int i = 0; i < TILE; i++) {
            vec g = sum[j * TILE + i] * get(factor + i * WIDTH);
            *at(to + i * WIDTH) = g;
            all += g;
        }
    }
    *at(target->of_bias + block) += all;
}

/* Back through the first convolution, to the gradient that goes round the block. */
INLINE void first_back(void *context, int y, int x, int block, vec *sum)
{
    struct target *target = context;
    vec all = {0};
#pragma GCC unroll 4
    for (int j = 0; j < TILE; j++) {
        float *to = padded_row(target->job, target->job->slant, y + j, x, block);
#pragma GCC unroll 4
        for (int i = 0; i < TILE; i++) {
            vec g = get(to + i * WIDTH) + sum[j * TILE + i];
            *at(to + i * WIDTH) = g;
            all += g;
        }
    }
    *at(target->of_bias + block) += all;
}

/* The convolutions there are, each compiled once. */
#define CONVOLUTION(name, in, out)                                                                                                 \
    static void name##_pass(struct job *job, const float *x, const float *u, struct target target)                                 \
    {                                                                                                                              \
        target.job = job;                                                                                                          \
        winograd(job->size, x, in, u, out, job->v, job->m, name, &target);                                                         \
    }

CONVOLUTION(first_finish, WIDTH, WIDTH)
CONVOLUTION(second_finish, WIDTH, WIDTH)
CONVOLUTION(tail_finish, WIDTH, RESULTS)
CONVOLUTION(tail_back, RESULTS, WIDTH)
CONVOLUTION(second_back, WIDTH, WIDTH)
CONVOLUTION(first_back, WIDTH, WIDTH)

static void weights_pass(struct job *job, const struct layer *layer, const float *x, const float *slant)
{
    winograd_weights(job->size, x, WIDTH, slant, WIDTH, layer->gradient, job->v, job->m);
}

/* ---- a crop ---- */

static void head_forward(struct job *job, const float *small)
{
    int size = job->size;
    for (int colour = 0; colour < COLOURS; colour++)
        for (int y = 0; y < size; y++)
            for (int x = 0; x < size; x++)
                job->given[padded(size, y, x) * GIVEN + colour] = small[(size_t) colour * size * size + plain(size, y, x)];
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x += PIXELS)
            for (int block = 0; block < WIDTH; block += LANES) {
                vec sum[PIXELS];
                for (int p = 0; p < PIXELS; p++) sum[p] = get(job->head_bias + block);
                taps(sum, job->given + padded(size, y - 1, x - 1) * GIVEN, (size_t) (size + 2 * EDGE) * GIVEN, GIVEN, COLOURS,
                    job->head + (size_t) block * 9 * COLOURS, 3);
                float *to = padded_row(job, job->x[0], y, x, block);
#pragma GCC unroll 16
                for (int p = 0; p < PIXELS; p++) *at(to + p * WIDTH) = sum[p];
            }
}

static void head_backward(struct job *job)
{
    int size = job->size;
    size_t row = (size_t) (size + 2 * EDGE);
    for (int block = 0; block < WIDTH; block += LANES)
        for (int ky = 0; ky < 3; ky++)
            weight_taps(job->head_gradient + ((size_t) block / LANES * 3 + ky) * COLOURS * 3 * LANES,
                job->given + padded(size, 0, 0) * GIVEN, row * GIVEN, GIVEN, job->slant + padded(size, 1 - ky, 1) * WIDTH + block,
                row * WIDTH, WIDTH, size, size, COLOURS, 3);
}

/* What came out of a block's SiLU once more, and its derivative in place of what went in. */
static void silu_again(struct job *job, int i)
{
    for (int y = 0; y < job->size; y++) {
        float *kept = plain_row(job, job->kept[i], y, 0, WIDTH, 0), *value = padded_row(job, job->value, y, 0, 0);
        for (int n = 0; n < job->size * WIDTH; n += LANES) {
            vec h = get(kept + n), s = sigmoid(h), silu = h * s;
            *at(value + n) = silu;
            *at(kept + n) = s + silu * (1 - s);
        }
    }
}

static double crop(struct job *job, const float *small, const float *large, int squared, double share, double alone)
{
    struct layer *layer = job->layer;
    head_forward(job, small);
    for (int i = 0; i < BLOCKS; i++) {
        first_finish_pass(job, job->x[i], layer[2 * i].forward, (struct target){.i = i});
        second_finish_pass(job, job->value, layer[2 * i + 1].forward, (struct target){.i = i});
    }
    tail_finish_pass(job, job->x[BLOCKS], layer[TAIL].forward, (struct target){0});

    double loss = loss_backward(job->size, job->result, large, job->error, layer[TAIL].bias_gradient, squared, share, alone);
    winograd_weights(job->size, job->x[BLOCKS], WIDTH, job->error, RESULTS, layer[TAIL].gradient, job->v, job->m);
    tail_back_pass(job, job->error, layer[TAIL].backward, (struct target){.of_bias = layer[TAIL - 1].bias_gradient});
    for (int i = BLOCKS - 1; i >= 0; i--) {
        struct layer *first = &layer[2 * i], *second = &layer[2 * i + 1];
        silu_again(job, i);
        weights_pass(job, second, job->value, job->slant);
        second_back_pass(job, job->slant, second->backward, (struct target){.i = i, .of_bias = first->bias_gradient});
        weights_pass(job, first, job->x[i], job->inner);
        first_back_pass(job, job->inner, first->backward,
            (struct target){.of_bias = i ? layer[2 * i - 1].bias_gradient : job->head_bias_gradient});
    }
    head_backward(job);
    return loss;
}

/* ---- the whole ---- */

/* What has to be zero when a batch begins comes first and is counted. */
static size_t lay_out(struct store *store, struct job *job)
{
    size_t around = padded_size(job->size, WIDTH), area = (size_t) job->size * job->size;
    job->head_gradient = part(store, 9 * COLOURS * WIDTH);
    job->head_bias_gradient = part(store, WIDTH);
    for (int i = 0; i < CONVOLUTIONS; i++) {
        job->layer[i].gradient = part(store, PLACES * WIDTH * (i < TAIL ? WIDTH : RESULTS));
        job->layer[i].bias_gradient = part(store, i < TAIL ? WIDTH : RESULTS);
        job->layer[i].bias = part(store, i < TAIL ? WIDTH : RESULTS);
    }
    job->given = part(store, padded_size(job->size, GIVEN));
    for (int i = 0; i <= BLOCKS; i++) job->x[i] = part(store, around);
    job->value = part(store, around);
    job->slant = part(store, around);
    job->inner = part(store, around);
    job->error = part(store, padded_size(job->size, RESULTS));
    size_t zero = store->used;

    job->head = part(store, 9 * COLOURS * WIDTH);
    job->head_bias = part(store, WIDTH);
    for (int i = 0; i < CONVOLUTIONS; i++) {
        job->layer[i].forward = part(store, PLACES * WIDTH * (i < TAIL ? WIDTH : RESULTS));
        job->layer[i].backward = part(store, PLACES * WIDTH * (i < TAIL ? WIDTH : RESULTS));
    }
    for (int i = 0; i < BLOCKS; i++) job->kept[i] = part(store, area * WIDTH);
    job->result = part(store, area * RESULTS);
    job->v = part(store, transformed_size(job->size, WIDTH > RESULTS ? WIDTH : RESULTS));
    job->m = part(store, transformed_size(job->size, WIDTH > RESULTS ? WIDTH : RESULTS));
    return zero;
}

static void read_parameters(struct job *job, const float *from)
{
    for (int o = 0; o < WIDTH; o++)
        for (int i = 0; i < COLOURS; i++)
            for (int tap = 0; tap < 9; tap++) job->head[place(3, COLOURS, o, i, tap / 3, tap % 3)] = *from++;
    from = read_vector(job->head_bias, from, WIDTH);
    for (int n = 0; n < CONVOLUTIONS; n++) {
        int outputs = n < TAIL ? WIDTH : NUMBERS, out = n < TAIL ? WIDTH : RESULTS;
        transform_kernels(job->layer[n].forward, from, WIDTH, outputs, WIDTH, out, 0);
        transform_kernels(job->layer[n].backward, from, WIDTH, outputs, out, WIDTH, 1);
        from = read_vector(job->layer[n].bias, from + (size_t) outputs * WIDTH * 9, outputs);
    }
}

static void write_gradients(const struct job *job, float *to)
{
    for (int o = 0; o < WIDTH; o++)
        for (int i = 0; i < COLOURS; i++)
            for (int tap = 0; tap < 9; tap++) *to++ = job->head_gradient[place(3, COLOURS, o, i, tap / 3, tap % 3)];
    to = write_vector(to, job->head_bias_gradient, WIDTH);
    for (int n = 0; n < CONVOLUTIONS; n++) {
        int outputs = n < TAIL ? WIDTH : NUMBERS;
        transform_gradients(to, job->layer[n].gradient, WIDTH, outputs, WIDTH, n < TAIL ? WIDTH : RESULTS);
        to = write_vector(to + (size_t) outputs * WIDTH * 9, job->layer[n].bias_gradient, outputs);
    }
}

/* Bytes of scratch memory that gradients_of needs for crops of size x size. */
size_t scratch_of(int size)
{
    struct store store = {0};
    struct job job = {.size = size};
    lay_out(&store, &job);
    return (store.used + LANES) * sizeof(float);
}

/* The loss of `batch` crops: small is [batch][3][size][size], large [batch][3][SCALE size][SCALE size]; the mean absolute error,
 * or, when squared, the mean of the crops' root mean square errors. parameters has for each convolution its kernel
 * [out][in][3][3] and its bias; gradients gets the same. size is a multiple of 16. */
double gradients_of(const float *parameters, float *gradients, const float *small, const float *large, int size, int batch,
    int squared, void *scratch)
{
    struct store store = {.base = aligned(scratch)};
    struct job job = {.size = size};
    memset(store.base, 0, lay_out(&store, &job) * sizeof(float));
    read_parameters(&job, parameters);
    double loss = 0, alone = 1.0 / ((double) size * size * NUMBERS), share = alone / batch;
    size_t area = (size_t) size * size;
    for (int n = 0; n < batch; n++)
        loss += crop(&job, small + n * area * COLOURS, large + n * area * NUMBERS, squared, share, alone);
    write_gradients(&job, gradients);
    return loss;
}
