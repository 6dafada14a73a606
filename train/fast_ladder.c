/* SPDX-License-Identifier: MIT */
/* The loss of a plain ladder network (networks.Ladder, collapsed) over a batch of crops, and its gradients. fast.py compiles this
 * file for each network, with WIDTH, HIDDEN, FIRST, LAST and SCALE given, and calls it in place of PyTorch's autograd.
 *
 * One crop goes forth and back before the next begins: all it leaves on the way is in the second-level cache then. What is kept of
 * a layer is what its PReLU was given: the result is made from it again; its sign and the slope's gradient need it. Hidden layers
 * go by Winograd where they are wide enough for that to pay. */
#define COLOURS 1
#include "fast_winograd.h"

enum {
    CHANNELS = WHOLE_VECTORS(WIDTH),
    WIDEST = CHANNELS > RESULTS ? CHANNELS : RESULTS,
    LAYERS = HIDDEN + 2,
    TILED = WIDTH >= 16, // hidden layers by Winograd
    SHORT = 5,           // the short way's kernel
    STRIP = 4,           // rows whose part of a weight's gradient is summed while they are in the first-level cache
};

INLINE vec prelu(vec z, vec slope)
{
    vec positive = choose(z > 0, z, (vec){0});
    return positive + slope * (z - positive);
}

/* Kernels of one convolution; inputs and outputs are those that are not padding. */
struct layer {
    int inputs, outputs, kernel, tiled;
    float *forward;                // [outputs / LANES][kernel][inputs][kernel][LANES]
    float *backward;               // [inputs / LANES][kernel][outputs][kernel][LANES], turned by 180 degrees
    float *gradient;               // as forward; all three [PLACES][CHANNELS][CHANNELS] when tiled
    float *bias, *bias_gradient;   // [outputs]
    float *slope, *slope_gradient; // [outputs]
};

struct job {
    int size;
    float *given;            // [size + 2 EDGE][size + 2 EDGE], zeros around
    float *repeated;         // the same with its edges repeated
    float *kept[LAYERS - 1]; // [size][size][CHANNELS], before PReLU
    float *value[2];         // [size + 2 EDGE][size + 2 EDGE][CHANNELS], zeros around
    float *slant[2];         // [size + 2 EDGE][size + 2 EDGE][WIDEST], zeros around: gradients
    float *result;           // [size][size][RESULTS]
    float *v, *m;            // transformed tiles
    struct layer layer[LAYERS], shortcut;
};

/* ---- kernels ---- */

/* A convolution of the long way with the PReLU behind it. x is padded. */
INLINE void hidden_forward(
    const struct job *job, const struct layer *layer, const float *x, const int stride, const int k, float *kept, float *value)
{
    size_t row = (size_t) (job->size + 2 * EDGE) * stride;
    for (int y = 0; y < job->size; y++)
        for (int block = 0; block < CHANNELS; block += LANES)
            for (int at_x = 0; at_x < job->size; at_x += PIXELS) {
                vec sum[PIXELS], slope = get(layer->slope + block);
                for (int p = 0; p < PIXELS; p++) sum[p] = get(layer->bias + block);
                taps(sum, x + padded(job->size, y - k / 2, at_x - k / 2) * stride, row, stride, layer->inputs,
                    layer->forward + (size_t) block * k * k * layer->inputs, k);
                float *left = kept + plain(job->size, y, at_x) * CHANNELS + block,
                      *next = value + padded(job->size, y, at_x) * CHANNELS + block;
#pragma GCC unroll 16
                for (int p = 0; p < PIXELS; p++) {
                    *at(left + p * CHANNELS) = sum[p];
                    *at(next + p * CHANNELS) = prelu(sum[p], slope);
                }
            }
}

/* The last convolution and the short way. */
static void last_forward(const struct job *job, const float *x)
{
    const struct layer *last = &job->layer[LAYERS - 1];
    int side = job->size + 2 * EDGE;
    for (int y = 0; y < job->size; y++)
        for (int block = 0; block < RESULTS; block += LANES)
            for (int at_x = 0; at_x < job->size; at_x += PIXELS) {
                vec sum[PIXELS];
                for (int p = 0; p < PIXELS; p++) sum[p] = get(last->bias + block);
                taps(sum, x + padded(job->size, y - LAST / 2, at_x - LAST / 2) * CHANNELS, (size_t) side * CHANNELS, CHANNELS,
                    WIDTH, last->forward + (size_t) block * LAST * LAST * WIDTH, LAST);
                taps(sum, job->repeated + padded(job->size, y - SHORT / 2, at_x - SHORT / 2), side, 1, 1,
                    job->shortcut.forward + (size_t) block * SHORT * SHORT, SHORT);
                float *result = job->result + plain(job->size, y, at_x) * RESULTS + block;
#pragma GCC unroll 16
                for (int p = 0; p < PIXELS; p++) *at(result + p * RESULTS) = sum[p];
            }
}

/* From the gradient of a convolution's result to that of what went into the PReLU before it; also of that PReLU's slopes and of the
 * bias before that, which are `before`'s. */
INLINE void data_backward(const struct job *job, const struct layer *layer, const struct layer *before, const float *slant,
    const int stride, const int k, const float *kept, float *result)
{
    size_t row = (size_t) (job->size + 2 * EDGE) * stride;
    for (int y = 0; y < job->size; y++)
        for (int block = 0; block < CHANNELS; block += LANES) {
            vec slope = get(before->slope + block);
            vec of_slope = get(before->slope_gradient + block), of_bias = get(before->bias_gradient + block);
            for (int at_x = 0; at_x < job->size; at_x += PIXELS) {
                vec sum[PIXELS];
                for (int p = 0; p < PIXELS; p++) sum[p] = (vec){0};
                taps(sum, slant + padded(job->size, y - k / 2, at_x - k / 2) * stride, row, stride, layer->outputs,
                    layer->backward + (size_t) block * k * k * layer->outputs, k);
                const float *z = kept + plain(job->size, y, at_x) * CHANNELS + block;
                float *to = result + padded(job->size, y, at_x) * CHANNELS + block;
#pragma GCC unroll 16
                for (int p = 0; p < PIXELS; p++) {
                    vec x = get(z + p * CHANNELS), g = choose(x > 0, sum[p], slope * sum[p]);
                    of_slope += choose(x > 0, (vec){0}, x * sum[p]);
                    of_bias += g;
                    *at(to + p * CHANNELS) = g;
                }
            }
            *at(before->slope_gradient + block) = of_slope;
            *at(before->bias_gradient + block) = of_bias;
        }
}

/* Hidden layers by Winograd: what is done with a tile of results. */
struct target {
    const struct job *job;
    const struct layer *layer; // whose PReLU and bias they meet
    float *kept, *to;
};

INLINE void tile_forward(void *context, int y, int x, int block, vec *sum)
{
    const struct target *target = context;
    vec bias = get(target->layer->bias + block), slope = get(target->layer->slope + block);
#pragma GCC unroll 4
    for (int j = 0; j < TILE; j++) {
        float *left = target->kept + plain(target->job->size, y + j, x) * CHANNELS + block;
        float *next = target->to + padded(target->job->size, y + j, x) * CHANNELS + block;
#pragma GCC unroll 4
        for (int i = 0; i < TILE; i++) {
            vec z = sum[j * TILE + i] + bias;
            *at(left + i * CHANNELS) = z;
            *at(next + i * CHANNELS) = prelu(z, slope);
        }
    }
}

INLINE void tile_backward(void *context, int y, int x, int block, vec *sum)
{
    const struct target *target = context;
    vec slope = get(target->layer->slope + block), of_slope = {0}, of_bias = {0};
#pragma GCC unroll 4
    for (int j = 0; j < TILE; j++) {
        const float *kept = target->kept + plain(target->job->size, y + j, x) * CHANNELS + block;
        float *to = target->to + padded(target->job->size, y + j, x) * CHANNELS + block;
#pragma GCC unroll 4
        for (int i = 0; i < TILE; i++) {
            vec z = get(kept + i * CHANNELS), s = sum[j * TILE + i], g = choose(z > 0, s, slope * s);
            of_slope += choose(z > 0, (vec){0}, z * s);
            of_bias += g;
            *at(to + i * CHANNELS) = g;
        }
    }
    *at(target->layer->slope_gradient + block) += of_slope;
    *at(target->layer->bias_gradient + block) += of_bias;
}

/* x is padded. */
INLINE void weight_backward(const struct job *job, const struct layer *layer, const float *x, const float *slant, const int stride,
    const int k, const int group)
{
    size_t slant_row = (size_t) (job->size + 2 * EDGE) * stride;
    for (int y = 0; y < job->size; y += STRIP)
        for (int block = 0; block < stride; block += LANES)
            for (int ky = 0; ky < k; ky++)
                for (int i = 0; i < WIDTH; i += group)
                    weight_taps(layer->gradient + ((size_t) block / LANES * k * WIDTH + ky * WIDTH + i) * k * LANES,
                        x + padded(job->size, y, 0) * CHANNELS + i, (size_t) (job->size + 2 * EDGE) * CHANNELS, CHANNELS,
                        slant + padded(job->size, y + k / 2 - ky, k / 2) * stride + block, slant_row, stride, STRIP, job->size,
                        group, k);
}

/* The same for a padded picture of one channel. */
INLINE void weight_backward_luma(
    const struct job *job, const struct layer *layer, const float *x, const float *slant, const int stride, const int k)
{
    for (int block = 0; block < stride; block += LANES)
        for (int ky = 0; ky < k; ky++) {
            float *gradient = layer->gradient + (size_t) (block / LANES * k + ky) * k * LANES;
            vec sum[LARGEST_KERNEL];
#pragma GCC unroll 5
            for (int kx = 0; kx < k; kx++) sum[kx] = get(gradient + kx * LANES);
            for (int y = 0; y < job->size; y++) {
                const float *from = x + padded(job->size, y + ky - k / 2, -k / 2),
                            *g = slant + padded(job->size, y, 0) * stride + block;
                for (int p = 0; p < job->size; p++) {
                    vec v = get(g + p * stride);
#pragma GCC unroll 5
                    for (int kx = 0; kx < k; kx++) sum[kx] += spread(from[p + kx]) * v;
                }
            }
#pragma GCC unroll 5
            for (int kx = 0; kx < k; kx++) *at(gradient + kx * LANES) = sum[kx];
        }
}

/* ---- a crop ---- */

/* slant's other uses have CHANNELS to a pixel, so what lies around the picture differs: it is made zero again. */
static void clear_edges(const struct job *job, float *x, int stride)
{
    int side = job->size + 2 * EDGE;
    size_t row = (size_t) side * stride;
    memset(x, 0, EDGE * row * sizeof(float));
    memset(x + (side - EDGE) * row, 0, EDGE * row * sizeof(float));
    for (int y = EDGE; y < side - EDGE; y++) {
        memset(x + y * row, 0, (size_t) EDGE * stride * sizeof(float));
        memset(x + (y + 1) * row - (size_t) EDGE * stride, 0, (size_t) EDGE * stride * sizeof(float));
    }
}

static void take_luma(struct job *job, const float *small)
{
    int size = job->size;
    for (int y = -EDGE; y < size + EDGE; y++)
        for (int x = -EDGE; x < size + EDGE; x++) {
            int near_y = y < 0 ? 0 : y >= size ? size - 1 : y, near_x = x < 0 ? 0 : x >= size ? size - 1 : x;
            float value = small[plain(job->size, near_y, near_x)];
            job->repeated[padded(job->size, y, x)] = value;
            if (y == near_y && x == near_x) job->given[padded(job->size, y, x)] = value;
        }
}

/* What came out of a PReLU, once more. */
static void value_again(const struct job *job, int i)
{
    for (int y = 0; y < job->size; y++) {
        const float *kept = job->kept[i] + plain(job->size, y, 0) * CHANNELS;
        float *value = job->value[0] + padded(job->size, y, 0) * CHANNELS;
        for (int p = 0; p < job->size * CHANNELS; p += CHANNELS)
            for (int block = 0; block < CHANNELS; block += LANES)
                *at(value + p + block) = prelu(get(kept + p + block), get(job->layer[i].slope + block));
    }
}

static void forward_pass(const struct job *job, int i, const float *x, float *value)
{
    const struct layer *layer = &job->layer[i];
    if (TILED) {
        struct target target = {.job = job, .layer = layer, .kept = job->kept[i], .to = value};
        winograd(job->size, x, CHANNELS, layer->forward, CHANNELS, job->v, job->m, tile_forward, &target);
    } else
        hidden_forward(job, layer, x, CHANNELS, 3, job->kept[i], value);
}

static void backward_pass(const struct job *job, int i, const float *from, float *to)
{
    const struct layer *layer = &job->layer[i], *before = layer - 1;
    value_again(job, i - 1);
    if (TILED) {
        struct target target = {.job = job, .layer = before, .kept = job->kept[i - 1], .to = to};
        winograd_weights(job->size, job->value[0], CHANNELS, from, CHANNELS, layer->gradient, job->v, job->m);
        winograd(job->size, from, CHANNELS, layer->backward, CHANNELS, job->v, job->m, tile_backward, &target);
    } else {
        weight_backward(job, layer, job->value[0], from, CHANNELS, 3, GROUP);
        data_backward(job, layer, before, from, CHANNELS, 3, job->kept[i - 1], to);
    }
}

static double crop(struct job *job, const float *small, const float *large, int squared, double share, double alone)
{
    take_luma(job, small);
    hidden_forward(job, &job->layer[0], job->given, 1, FIRST, job->kept[0], job->value[0]);
    for (int i = 1; i < LAYERS - 1; i++) forward_pass(job, i, job->value[(i - 1) % 2], job->value[i % 2]);
    last_forward(job, job->value[(LAYERS - 2) % 2]);

    float **slant = job->slant;
    const struct layer *last = &job->layer[LAYERS - 1];
    if ((int) RESULTS != CHANNELS)
        memset(slant[0], 0, (size_t) (job->size + 2 * EDGE) * (job->size + 2 * EDGE) * RESULTS * sizeof(float));
    double loss = loss_backward(job->size, job->result, large, slant[0], last->bias_gradient, squared, share, alone);
    weight_backward_luma(job, &job->shortcut, job->repeated, slant[0], RESULTS, SHORT);
    value_again(job, LAYERS - 2);
    weight_backward(job, last, job->value[0], slant[0], RESULTS, LAST, LAST == 3 ? GROUP : GROUP_WIDE);
    data_backward(job, last, &job->layer[LAYERS - 2], slant[0], RESULTS, LAST, job->kept[LAYERS - 2], slant[1]);
    if ((int) RESULTS != CHANNELS) clear_edges(job, slant[0], CHANNELS);
    for (int i = LAYERS - 2; i > 0; i--) backward_pass(job, i, slant[(LAYERS - 1 - i) % 2], slant[(LAYERS - i) % 2]);
    weight_backward_luma(job, &job->layer[0], job->given, slant[(LAYERS - 1) % 2], CHANNELS, FIRST);
    return loss;
}

/* ---- the whole ---- */

static void lay_out_layer(struct store *store, struct layer *layer, int inputs, int outputs, int kernel, int tiled)
{
    size_t in = WHOLE_VECTORS((size_t) inputs), out = WHOLE_VECTORS((size_t) outputs), area = (size_t) kernel * kernel;
    *layer = (struct layer){.inputs = inputs, .outputs = outputs, .kernel = kernel, .tiled = tiled};
    layer->forward = part(store, tiled ? PLACES * in * out : area * out * inputs);
    layer->backward = part(store, tiled ? PLACES * in * out : area * in * outputs);
    layer->gradient = part(store, tiled ? PLACES * in * out : area * out * inputs);
    layer->bias = part(store, out);
    layer->bias_gradient = part(store, out);
    layer->slope = part(store, out);
    layer->slope_gradient = part(store, out);
}

/* Layers first, then pictures; the floats that are layers. */
static size_t lay_out(struct store *store, struct job *job)
{
    lay_out_layer(store, &job->layer[0], 1, WIDTH, FIRST, 0);
    for (int i = 1; i < LAYERS - 1; i++) lay_out_layer(store, &job->layer[i], WIDTH, WIDTH, 3, TILED);
    lay_out_layer(store, &job->layer[LAYERS - 1], WIDTH, PHASES, LAST, 0);
    lay_out_layer(store, &job->shortcut, 1, PHASES, SHORT, 0);
    size_t layers = store->used, side = job->size + 2 * EDGE, area = (size_t) job->size * job->size;
    job->given = part(store, side * side);
    job->repeated = part(store, side * side);
    for (int i = 0; i < LAYERS - 1; i++) job->kept[i] = part(store, area * CHANNELS);
    for (int i = 0; i < 2; i++) {
        job->value[i] = part(store, side * side * CHANNELS);
        job->slant[i] = part(store, side * side * WIDEST);
    }
    job->result = part(store, area * RESULTS);
    if (TILED) {
        job->v = part(store, transformed_size(job->size, CHANNELS));
        job->m = part(store, transformed_size(job->size, CHANNELS));
    }
    return layers;
}

static const float *read_kernel(struct layer *layer, const float *from)
{
    int k = layer->kernel;
    if (layer->tiled) {
        transform_kernels(layer->forward, from, WIDTH, WIDTH, CHANNELS, CHANNELS, 0);
        transform_kernels(layer->backward, from, WIDTH, WIDTH, CHANNELS, CHANNELS, 1);
        return from + WIDTH * WIDTH * 9;
    }
    for (int o = 0; o < layer->outputs; o++)
        for (int i = 0; i < layer->inputs; i++)
            for (int ky = 0; ky < k; ky++)
                for (int kx = 0; kx < k; kx++, from++) {
                    layer->forward[place(k, layer->inputs, o, i, ky, kx)] = *from;
                    layer->backward[place(k, layer->outputs, i, o, k - 1 - ky, k - 1 - kx)] = *from;
                }
    return from;
}

static float *write_kernel(const struct layer *layer, float *to)
{
    int k = layer->kernel;
    if (layer->tiled) {
        transform_gradients(to, layer->gradient, WIDTH, WIDTH, CHANNELS, CHANNELS);
        return to + WIDTH * WIDTH * 9;
    }
    for (int o = 0; o < layer->outputs; o++)
        for (int i = 0; i < layer->inputs; i++)
            for (int ky = 0; ky < k; ky++)
                for (int kx = 0; kx < k; kx++) *to++ = layer->gradient[place(k, layer->inputs, o, i, ky, kx)];
    return to;
}

/* Bytes of scratch memory that gradients_of needs for crops of size x size. */
size_t scratch_of(int size)
{
    struct store store = {0};
    struct job job = {.size = size};
    lay_out(&store, &job);
    return (store.used + LANES) * sizeof(float);
}

/* The loss of `batch` crops: small is [batch][size][size], large [batch][SCALE size][SCALE size]; the mean absolute error, or, when
 * squared, the mean of the crops' root mean square errors. parameters has for each convolution its kernel [out][in][k][k], its bias
 * and, but for the last, the slopes behind it; then the short way's kernel; gradients gets the same. size is a multiple of 16. */
double gradients_of(const float *parameters, float *gradients, const float *small, const float *large, int size, int batch,
    int squared, void *scratch)
{
    struct store store = {.base = aligned(scratch)};
    struct job job = {.size = size};
    size_t layers = lay_out(&store, &job);
    memset(store.base, 0, layers * sizeof(float));
    size_t around = (size_t) (size + 2 * EDGE) * (size + 2 * EDGE);
    memset(job.given, 0, around * sizeof(float));
    for (int i = 0; i < 2; i++) {
        memset(job.value[i], 0, around * CHANNELS * sizeof(float));
        memset(job.slant[i], 0, around * WIDEST * sizeof(float));
    }
    for (int i = 0; i < LAYERS; i++) {
        parameters = read_kernel(&job.layer[i], parameters);
        parameters = read_vector(job.layer[i].bias, parameters, job.layer[i].outputs);
        if (i < LAYERS - 1) parameters = read_vector(job.layer[i].slope, parameters, WIDTH);
    }
    read_kernel(&job.shortcut, parameters);

    double loss = 0, alone = 1.0 / ((double) size * size * PHASES), share = alone / batch;
    for (int n = 0; n < batch; n++)
        loss += crop(&job, small + (size_t) n * size * size, large + (size_t) n * size * size * PHASES, squared, share, alone);

    for (int i = 0; i < LAYERS; i++) {
        gradients = write_kernel(&job.layer[i], gradients);
        gradients = write_vector(gradients, job.layer[i].bias_gradient, job.layer[i].outputs);
        if (i < LAYERS - 1) gradients = write_vector(gradients, job.layer[i].slope_gradient, WIDTH);
    }
    write_kernel(&job.shortcut, gradients);
    return loss;
}
