/* SPDX-License-Identifier: MIT */
/* The convolutions without channel-wise Winograd, of every ISA that this machine runs: direct, first and last layers, planar rows,
 * depthwise. Tolerances are the errors measured with random data, doubled. */
#define _GNU_SOURCE
#include "check_conv.h"
#include "kernels/sets.h"

static void draw_kernel(uint64_t *random, struct conv_shape *s)
{
    static const int kernels[] = {1, 2, 3, 3, 3, 5, 7};
    s->groups = 1;
    s->kernel_y = kernels[check_random_int(random, 0, 6)];
    s->kernel_x = check_random_int(random, 0, 3) ? s->kernel_y : kernels[check_random_int(random, 0, 6)];
    s->stride_y = s->stride_x = s->dilation_y = s->dilation_x = 1;
    if (check_random_int(random, 0, 2) == 0) s->stride_y = s->stride_x = check_random_int(random, 1, 4);
    if (check_random_int(random, 0, 5) == 0) s->stride_x = check_random_int(random, 1, 3);
    if (check_random_int(random, 0, 3) == 0) s->dilation_y = s->dilation_x = check_random_int(random, 1, 3);
    if (check_random_int(random, 0, 5) == 0) s->dilation_y = check_random_int(random, 1, 3);
    s->pad_y = check_random_int(random, 0, (s->kernel_y - 1) * s->dilation_y);
    s->pad_x = check_random_int(random, 0, (s->kernel_x - 1) * s->dilation_x);
}

static void draw_any(uint64_t *random, struct conv_shape *s)
{
    draw_kernel(random, s);
    s->in_channels = check_random_channels(random);
    s->out_channels = check_random_channels(random);
    if (check_random_int(random, 0, 2)) return;
    s->groups = check_random_int(random, 1, 8);
    s->in_channels = s->groups * check_random_int(random, 1, 20);
    s->out_channels = s->groups * check_random_int(random, 1, 20);
    if (check_random_int(random, 0, 1)) return; /* groups of whole blocks, whatever the vector */
    s->groups = check_random_int(random, 2, 3);
    s->in_channels = s->groups * 16 * check_random_int(random, 1, 2);
    s->out_channels = s->groups * 16 * check_random_int(random, 1, 5);
}

static void draw_first(uint64_t *random, struct conv_shape *s)
{
    draw_kernel(random, s);
    s->in_channels = check_random_int(random, 1, 5);
    s->out_channels = check_random_channels(random);
}

/* One row of columns by steps of one; the rest is free. */
static void draw_planar(uint64_t *random, struct conv_shape *s)
{
    draw_any(random, s);
    if (check_random_int(random, 0, 1)) s->out_channels = s->groups * check_random_int(random, 1, 12);
    s->stride_x = 1;
}

static void draw_wino(uint64_t *random, struct conv_shape *s)
{
    draw_planar(random, s);
    s->kernel_y = check_random_int(random, 0, 1) ? 3 : 5;
    s->stride_y = s->dilation_y = 1;
    s->pad_y = check_random_int(random, 0, s->kernel_y - 1);
}

static void draw_wino3(uint64_t *random, struct conv_shape *s)
{
    draw_wino(random, s);
    s->kernel_y = 3;
    s->pad_y = check_random_int(random, 0, 2);
}

static void draw_depthwise(uint64_t *random, struct conv_shape *s)
{
    draw_kernel(random, s);
    s->in_channels = s->out_channels = s->groups = check_random_channels(random);
}

#define ENTRIES(isa, vector, cpu) \
    {&direct_##isa, vector, cpu, 4e-6, draw_any}, {&direct_first_##isa, vector, cpu, 4e-6, draw_first}, \
    {&direct_last_##isa, vector, cpu, 4e-6, draw_planar}, {&planar_##isa, vector, cpu, 4e-6, draw_planar}, \
    {&planar_wino4_##isa, vector, cpu, 1e-5, draw_wino}, {&planar_wino6_##isa, vector, cpu, 1e-5, draw_wino3}, \
    {&last_wino4_##isa, vector, cpu, 1e-5, draw_wino}, {&last_wino6_##isa, vector, cpu, 1e-5, draw_wino3}, \
    {&depthwise_##isa, vector, cpu, 1e-6, draw_depthwise},

static const struct check_conv_entry entries[] = {
    ENTRIES(c, 4, 0)
#if defined(__x86_64__)
    ENTRIES(avx2, 8, CPU_AVX2)
    ENTRIES(avx512, 16, CPU_AVX512)
#elif defined(__aarch64__)
    ENTRIES(neon, 4, CPU_NEON)
#endif
    {NULL, 0, 0, 0, NULL},
};

#define LAYER(in, out, k, w, h) {{in, out, 1, k, k, 1, 1, 1, 1, k / 2, k / 2}, w, h}
#define STRIDED(in, out, k, w, h) {{in, out, 1, k, k, 2, 2, 1, 1, k / 2, k / 2}, w, h}
#define GROUPED(in, out, groups, k, s, w, h) {{in, out, groups, k, k, s, s, 1, 1, k / 2, k / 2}, w, h}
static const struct check_conv_layer layers[] = {
    LAYER(1, 16, 5, 640, 360), LAYER(16, 4, 5, 640, 360), LAYER(3, 64, 3, 640, 360), LAYER(64, 12, 3, 640, 360),
    LAYER(64, 3, 3, 640, 360), LAYER(64, 48, 3, 640, 360), LAYER(64, 64, 3, 640, 360), LAYER(16, 16, 3, 640, 360),
    LAYER(32, 32, 3, 640, 360), LAYER(1, 9, 3, 1920, 1080), LAYER(9, 9, 3, 1920, 1080), LAYER(9, 1, 3, 1920, 1080),
    LAYER(3, 8, 3, 640, 360), LAYER(8, 8, 3, 640, 360), LAYER(8, 4, 3, 640, 360), LAYER(12, 12, 3, 640, 360),
    LAYER(64, 64, 1, 640, 360), LAYER(256, 256, 1, 80, 80), LAYER(512, 512, 3, 20, 20),
    STRIDED(3, 16, 3, 320, 320), STRIDED(16, 32, 3, 160, 160), STRIDED(64, 128, 3, 40, 40),
    GROUPED(64, 64, 64, 3, 1, 640, 360), GROUPED(64, 64, 64, 5, 1, 320, 180), GROUPED(64, 64, 64, 3, 2, 320, 180),
    GROUPED(64, 64, 4, 3, 1, 320, 180), GROUPED(64, 64, 16, 3, 1, 320, 180),
    {{0}, 0, 0},
};

int main(int argc, char **argv)
{
    return check_conv_main(argc, argv, entries, layers);
}
