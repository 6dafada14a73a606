/* SPDX-License-Identifier: MIT */
/* The Winograd convolutions of every ISA that this machine runs. Tolerances are the errors measured with random data, doubled. */
#define _GNU_SOURCE
#include "check_conv.h"

#define ISA(isa) extern const struct conv_algorithm winograd6_##isa, winograd4_##isa, winograd4k5_##isa;
ISA(c)
#if defined(__x86_64__)
ISA(avx2)
ISA(avx512)
#elif defined(__aarch64__)
ISA(neon)
#endif

static void draw(uint64_t *random, struct conv_shape *s, int kernel)
{
    *s = (struct conv_shape) {
        .in_channels = check_random_channels(random), .out_channels = check_random_channels(random), .groups = 1,
        .kernel_y = kernel, .kernel_x = kernel, .stride_y = 1, .stride_x = 1, .dilation_y = 1, .dilation_x = 1,
        .pad_y = check_random_int(random, 0, kernel - 1), .pad_x = check_random_int(random, 0, kernel - 1),
    };
}

static void draw3(uint64_t *random, struct conv_shape *s) { draw(random, s, 3); }
static void draw5(uint64_t *random, struct conv_shape *s) { draw(random, s, 5); }

#define ENTRIES(isa, vector, cpu) \
    {&winograd6_##isa, vector, cpu, 2.5e-5, draw3}, {&winograd4_##isa, vector, cpu, 4e-6, draw3}, \
    {&winograd4k5_##isa, vector, cpu, 2e-5, draw5},

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
static const struct check_conv_layer layers[] = {
    LAYER(64, 64, 3, 640, 360), LAYER(64, 48, 3, 640, 360), LAYER(64, 12, 3, 640, 360), LAYER(48, 48, 3, 640, 360),
    LAYER(32, 32, 3, 640, 360), LAYER(24, 24, 3, 640, 360), LAYER(16, 16, 3, 640, 360), LAYER(12, 12, 3, 640, 360),
    LAYER(8, 8, 3, 640, 360), LAYER(3, 64, 3, 640, 360), LAYER(128, 128, 3, 320, 180), LAYER(256, 256, 3, 160, 90),
    LAYER(512, 512, 3, 40, 40), LAYER(16, 16, 5, 640, 360), LAYER(64, 64, 5, 640, 360),
    {{0}, 0, 0},
};

int main(int argc, char **argv)
{
    return check_conv_main(argc, argv, entries, layers);
}
