/* SPDX-License-Identifier: MIT */
/* Depthwise convolution of blocked rows (one input and one output channel per group): a tile of pixels of one block, each tap one
 * multiply-add with an operand straight from memory. Bound by loads and, on large pictures, by memory. */
#include "kernels/epilogue.h"

#define DEPTHWISE_P (VREGS >= 32 ? 16 : 8)
#define DEPTHWISE_ROWS 4
#define DEPTHWISE_L1 (24 * 1024)

struct depthwise_part {
    const float *const *taps; /* for output pixel 0 */
    int count;
    const float *weights;     /* [tap][VL] */
    const float *bias, *slope;
    const struct conv_epilogue *epilogue;
    ptrdiff_t stride;
    float *out;
    const float *residual;
    int x0, x1;
};

SIMD_INLINE void depthwise_tile(const int P, const ptrdiff_t stride, const struct depthwise_part *d, int x)
{
    const ptrdiff_t step = stride ? stride : d->stride;
    vf acc[EPILOGUE_TILE];
    const vf bias = vf_load(d->bias);
    KERNEL_UNROLL
    for (int i = 0; i < P; i++) acc[i] = bias;
    for (int t = 0; t < d->count; t++) {
        const float *in = d->taps[t] + x * step;
        const vf w = vf_load(d->weights + t * VL);
        KERNEL_UNROLL
        for (int i = 0; i < P; i++) acc[i] = vf_fma(vf_load(in + i * step), w, acc[i]);
    }
    const float *residual = d->residual ? d->residual + (ptrdiff_t) x * VL : NULL;
    const bool before = residual && d->epilogue->residual_before_act;
    if (before) {
        KERNEL_UNROLL
        for (int i = 0; i < P; i++) acc[i] = vf_add(acc[i], vf_load(residual + i * VL));
    }
    epilogue_activate(acc, P, d->epilogue, d->slope, SLOPES_VECTOR, 1, 1);
    if (residual && !before) {
        KERNEL_UNROLL
        for (int i = 0; i < P; i++) acc[i] = vf_add(acc[i], vf_load(residual + i * VL));
    }
    float *out = d->out + (ptrdiff_t) x * VL;
    KERNEL_UNROLL
    for (int i = 0; i < P; i++) vf_store(out + i * VL, acc[i]);
}

#define DEPTHWISE_SPAN(name, STRIDE) \
    KERNEL_NOINLINE void name(const struct depthwise_part *d) \
    { \
        int x = d->x0; \
        for (; d->x1 - x >= DEPTHWISE_P; x += DEPTHWISE_P) depthwise_tile(DEPTHWISE_P, (STRIDE), d, x); \
        for (; d->x1 - x >= 4; x += 4) depthwise_tile(4, (STRIDE), d, x); \
        for (; x < d->x1; x++) depthwise_tile(1, (STRIDE), d, x); \
    }
DEPTHWISE_SPAN(depthwise_span1, VL)
DEPTHWISE_SPAN(depthwise_span2, 2 * VL)
DEPTHWISE_SPAN(depthwise_span, 0)

static size_t depthwise_packed_bytes(const struct conv_shape *s)
{
    return (size_t) ((s->out_channels + VL - 1) / VL * VL) * (size_t) (s->kernel_y * s->kernel_x) * sizeof(float);
}

/* packed: [block][ky][kx][VL] */
static void depthwise_pack(const struct conv_shape *s, const float *w, void *packed)
{
    const size_t taps = (size_t) (s->kernel_y * s->kernel_x);
    float *p = packed;
    for (int c0 = 0; c0 < s->out_channels; c0 += VL)
        for (size_t t = 0; t < taps; t++)
            for (int c = c0; c < c0 + VL; c++) *p++ = c < s->out_channels ? w[(size_t) c * taps + t] : 0.0f;
}

static size_t depthwise_scratch_bytes(const struct conv_shape *s)
{
    return ((size_t) (s->kernel_y * s->kernel_x) * sizeof(float *) + 63) & ~(size_t) 63;
}

static void depthwise_run(const struct conv_packed *packed, const struct conv_task *task)
{
    const struct conv_shape *s = &packed->shape;
    const float **taps = task->scratch;
    const int count = s->kernel_y * s->kernel_x;
    void (*const span)(const struct depthwise_part *) =
        s->stride_x == 1 ? depthwise_span1 : s->stride_x == 2 ? depthwise_span2 : depthwise_span;
    /* Rows under a piece of one block stay in the first-level cache for all rows of the task. */
    const int in_rows = (DEPTHWISE_ROWS - 1) * s->stride_y + (s->kernel_y - 1) * s->dilation_y + 1;
    const int fit = DEPTHWISE_L1 / (in_rows * s->stride_x * VL * (int) sizeof(float)) / DEPTHWISE_P * DEPTHWISE_P;
    const int chunk = fit < 2 * DEPTHWISE_P ? 2 * DEPTHWISE_P : fit;
    for (int b = 0; b * VL < s->out_channels; b++)
        for (int x = task->x0; x < task->x1; x += chunk)
            for (int r = 0; r < task->rows; r++) {
                for (int t = 0; t < count; t++)
                    taps[t] = task->in[r * s->stride_y + t / s->kernel_x * s->dilation_y] + b * task->in_block +
                        (ptrdiff_t) (t % s->kernel_x * s->dilation_x - s->pad_x) * VL;
                const struct depthwise_part d = {
                    .taps = taps, .count = count, .weights = (const float *) packed->weights + (ptrdiff_t) b * count * VL,
                    .bias = packed->bias + b * VL, .slope = packed->slope ? packed->slope + b * VL : NULL,
                    .epilogue = &packed->epilogue,
                    .stride = (ptrdiff_t) s->stride_x * VL, .out = task->out[r] + b * task->out_block,
                    .residual = task->residual ? task->residual[r] + b * task->residual_block : NULL,
                    .x0 = x, .x1 = task->x1 - x < chunk ? task->x1 : x + chunk,
                };
                span(&d);
                if ((b + 1) * VL > s->out_channels && epilogue_pads(&packed->epilogue, s->out_channels))
                    epilogue_clear_padding(d.out, s->out_channels, d.x0, d.x1);
            }
}

static bool depthwise_fits(const struct conv_shape *s) { return s->groups == s->in_channels && s->groups == s->out_channels; }

/* Measured: taps wait for their loads, and a block's values for the second-level cache. */
static double depthwise_cost(const struct conv_shape *s)
{
    return (s->out_channels + VL - 1) / VL * (s->kernel_y * s->kernel_x * 0.75 + 2.0 + 0.2 * VL);
}

#define DEPTHWISE_STRING2(x) #x
#define DEPTHWISE_STRING(x) DEPTHWISE_STRING2(x)
const struct conv_algorithm K(depthwise) = {
    .name = "depthwise_" DEPTHWISE_STRING(KERNEL_ISA), .in = ROWS_BLOCKED, .out = ROWS_BLOCKED,
    .rows = DEPTHWISE_ROWS, .any_row = true, .grid_x = 1, .chunk_x = 480, .unit_x = VL,
    .fits = depthwise_fits, .cost = depthwise_cost, .packed_bytes = depthwise_packed_bytes, .pack = depthwise_pack,
    .scratch_bytes = depthwise_scratch_bytes, .run = depthwise_run,
};
