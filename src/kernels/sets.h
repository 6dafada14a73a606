/* SPDX-License-Identifier: MIT */
/* Every kernel of every ISA by name: what each ISA's files define and kernel.c puts into its tables. */
#ifndef FM_KERNELS_SETS_H
#define FM_KERNELS_SETS_H

#include "kernels/kernel.h"

struct rows_kernels;
struct pixels_kernels;
struct planes_kernels;

#define KERNEL_CONVOLUTIONS(X, isa) \
    X(winograd6, isa) X(winograd4, isa) X(winograd4k5, isa) \
    X(direct, isa) X(direct_first, isa) X(direct_last, isa) X(depthwise, isa) \
    X(planar, isa) X(planar_wino4, isa) X(planar_wino6, isa) X(last_wino4, isa) X(last_wino6, isa)

#define KERNEL_DECLARE(name, isa) extern const struct conv_algorithm name##_##isa;
#define KERNEL_DECLARE_SET(isa) \
    KERNEL_CONVOLUTIONS(KERNEL_DECLARE, isa) \
    extern const struct rows_kernels rows_##isa; \
    extern const struct pixels_kernels pixels_##isa; \
    extern const struct planes_kernels planes_##isa;

KERNEL_DECLARE_SET(c)
KERNEL_DECLARE_SET(avx2)
KERNEL_DECLARE_SET(avx512)
KERNEL_DECLARE_SET(neon)
KERNEL_DECLARE_SET(simd128)

#endif
