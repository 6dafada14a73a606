/* SPDX-License-Identifier: MIT */
/* What every convolution does to its results before it stores them: residual and activation, on a tile of accumulators that already
 * hold the bias. One branch per tile and step, none per vector: the cheap activations (none, ReLU, leaky and parametric ReLU) are
 * inlined, the costly ones pass through a small buffer on the stack, so that their code exists once and not in each of some dozens
 * of tiles. */
#ifndef FM_KERNELS_EPILOGUE_H
#define FM_KERNELS_EPILOGUE_H

#include "kernels/act.h"

#if defined(__clang__)
#define KERNEL_UNROLL _Pragma("clang loop unroll(full)")
#else
#define KERNEL_UNROLL _Pragma("GCC unroll 64")
#endif
/* A loaded vector that several instructions use: without this, compilers like to load it again for each of them. */
#if defined(__x86_64__)
#define KERNEL_KEEP(v) __asm__("" : "+v"(v))
#elif defined(__aarch64__)
#define KERNEL_KEEP(v) __asm__("" : "+w"(v))
#else
#define KERNEL_KEEP(v) ((void) (v))
#endif
/* A pointer of which compilers shall not know that it points to what they have loaded before. */
#define KERNEL_HIDE(p) __asm__("" : "+r"(p))
#define KERNEL_NOINLINE static __attribute__((noinline, unused))

/* The most vectors a register tile has. */
#define EPILOGUE_TILE 27

/* Where one output channel (planar) or one block of VL channels (blocked) has its slope. */
enum epilogue_slopes { SLOPES_SCALAR, SLOPES_VECTOR };

KERNEL_NOINLINE void epilogue_costly(vf *v, int n, const struct conv_epilogue *e)
{
    const vf a = vf_set1(e->a), b = vf_set1(e->b);
    if (e->act == KERNEL_ACT_SILU) {
        for (int i = 0; i < n; i++) v[i] = vf_activate(v[i], KERNEL_ACT_SILU, a, b, a);
        return;
    }
    for (int i = 0; i < n; i++) v[i] = vf_activate(v[i], e->act, a, b, a);
}

/* v[i] has the slope number (i / run) % period; slope: the tile's first. All three of n, run and period are constants. */
SIMD_INLINE void epilogue_activate(vf *v, const int n, const struct conv_epilogue *e, const float *slope,
                                   const enum epilogue_slopes kind, const int run, const int period)
{
    switch (e->act) {
    case KERNEL_ACT_NONE: break;
    case KERNEL_ACT_RELU:
        KERNEL_UNROLL
        for (int i = 0; i < n; i++) v[i] = vf_max(v[i], vf_zero());
        break;
    case KERNEL_ACT_LEAKY: {
        const vf a = vf_set1(e->a);
        KERNEL_UNROLL
        for (int i = 0; i < n; i++) v[i] = vf_select_lt0(v[i], vf_mul(v[i], a), v[i]);
        break;
    }
    case KERNEL_ACT_PRELU:
        KERNEL_UNROLL
        for (int i = 0; i < n; i++) {
            const int s = (i / run) % period;
            const vf a = kind == SLOPES_VECTOR ? vf_load(slope + (ptrdiff_t) s * VL) : vf_set1(slope[s]);
            v[i] = vf_select_lt0(v[i], vf_mul(v[i], a), v[i]);
        }
        break;
    default: {
        vf copy[EPILOGUE_TILE];
        KERNEL_UNROLL
        for (int i = 0; i < n; i++) copy[i] = v[i];
        epilogue_costly(copy, n, e);
        KERNEL_UNROLL
        for (int i = 0; i < n; i++) v[i] = copy[i];
    }
    }
}

/* Blocked rows: some activations are not zero at zero, but the channels that pad the last block must be. `block`: column 0 of it.
 * */
SIMD_INLINE bool epilogue_pads(const struct conv_epilogue *e, int channels)
{
    return channels % VL && (e->act == KERNEL_ACT_SIGMOID || e->act == KERNEL_ACT_HARD_SIGMOID || e->act == KERNEL_ACT_CLIP);
}
KERNEL_NOINLINE void epilogue_clear_padding(float *block, int channels, int x0, int x1)
{
    for (ptrdiff_t x = x0; x < x1; x++)
        for (int lane = channels % VL; lane < VL; lane++) block[x * VL + lane] = 0.0f;
}

#endif
