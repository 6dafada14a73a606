/* SPDX-License-Identifier: MIT */
/* Activations on one vector, for the ISA of the including file. Relative error of exp below 2e-7 on the range that matters. */
#ifndef FM_KERNELS_ACT_H
#define FM_KERNELS_ACT_H

#include "kernels/kernel.h"
#include "kernels/simd.h"

/* exp by x = n ln2 + r, |r| <= ln2 / 2, and a degree-6 minimax-like Taylor polynomial; clamped so that nothing overflows. */
SIMD_INLINE vf vf_exp(vf x)
{
    x = vf_min(vf_max(x, vf_set1(-87.3f)), vf_set1(88.0f));
    const vf n = vf_round(vf_mul(x, vf_set1(1.44269504f)));
    vf r = vf_fnma(n, vf_set1(0.693145752f), x);
    r = vf_fnma(n, vf_set1(1.42860677e-6f), r);
    vf p = vf_set1(1.3888889e-3f);
    p = vf_fma(p, r, vf_set1(8.3333333e-3f));
    p = vf_fma(p, r, vf_set1(4.1666667e-2f));
    p = vf_fma(p, r, vf_set1(1.6666667e-1f));
    p = vf_fma(p, r, vf_set1(0.5f));
    p = vf_fma(p, r, vf_set1(1.0f));
    p = vf_fma(p, r, vf_set1(1.0f));
    return vf_mul(p, vf_pow2(n));
}

SIMD_INLINE vf vf_sigmoid(vf x)
{
    return vf_div(vf_set1(1.0f), vf_add(vf_set1(1.0f), vf_exp(vf_sub(vf_zero(), x))));
}

/* tanh: the quotient for |x| >= 0.25, an odd polynomial below, where the quotient would cancel. */
SIMD_INLINE vf vf_tanh(vf x)
{
    const vf magnitude = vf_max(x, vf_sub(vf_zero(), x));
    const vf e = vf_exp(vf_mul(vf_set1(2.0f), magnitude));
    const vf big = vf_sub(vf_set1(1.0f), vf_div(vf_set1(2.0f), vf_add(e, vf_set1(1.0f))));
    const vf signed_big = vf_select_lt0(x, vf_sub(vf_zero(), big), big);
    const vf x2 = vf_mul(x, x);
    vf p = vf_set1(2.1869488e-2f);
    p = vf_fma(p, x2, vf_set1(-5.3968254e-2f));
    p = vf_fma(p, x2, vf_set1(1.3333333e-1f));
    p = vf_fma(p, x2, vf_set1(-3.3333333e-1f));
    const vf small = vf_fma(vf_mul(p, x2), x, x);
    return vf_select_lt0(vf_sub(magnitude, vf_set1(0.25f)), small, signed_big);
}

/* erf by the five-term rational-times-exponential form of Abramowitz and Stegun (7.1.26): absolute error below 5e-7. */
SIMD_INLINE vf vf_erf(vf x)
{
    const vf magnitude = vf_max(x, vf_sub(vf_zero(), x));
    const vf t = vf_div(vf_set1(1.0f), vf_fma(vf_set1(0.3275911f), magnitude, vf_set1(1.0f)));
    vf p = vf_set1(1.061405429f);
    p = vf_fma(p, t, vf_set1(-1.453152027f));
    p = vf_fma(p, t, vf_set1(1.421413741f));
    p = vf_fma(p, t, vf_set1(-0.284496736f));
    p = vf_fma(p, t, vf_set1(0.254829592f));
    const vf y = vf_fnma(vf_mul(p, t), vf_exp(vf_sub(vf_zero(), vf_mul(magnitude, magnitude))), vf_set1(1.0f));
    return vf_select_lt0(x, vf_sub(vf_zero(), y), y);
}

/* One activation; `slope` is read for PRELU only. The switch is on a value that is constant over a call, so it predicts. */
SIMD_INLINE vf vf_activate(vf x, enum kernel_act act, vf a, vf b, vf slope)
{
    const vf zero = vf_zero(), one = vf_set1(1.0f);
    switch (act) {
    case KERNEL_ACT_RELU: return vf_max(x, zero);
    case KERNEL_ACT_LEAKY: return vf_select_lt0(x, vf_mul(x, a), x);
    case KERNEL_ACT_PRELU: return vf_select_lt0(x, vf_mul(x, slope), x);
    case KERNEL_ACT_CLIP: return vf_min(vf_max(x, a), b);
    case KERNEL_ACT_SILU: return vf_div(x, vf_add(one, vf_exp(vf_sub(zero, x))));
    case KERNEL_ACT_SIGMOID: return vf_sigmoid(x);
    case KERNEL_ACT_TANH: return vf_tanh(x);
    case KERNEL_ACT_HARD_SIGMOID: return vf_min(vf_max(vf_fma(a, x, b), zero), one);
    case KERNEL_ACT_HARD_SWISH: return vf_mul(x, vf_min(vf_max(vf_fma(a, x, b), zero), one));
    case KERNEL_ACT_MISH: { /* tanh(log(1 + e^x)) = n / (n + 2), n = e^x (e^x + 2) */
        const vf e = vf_exp(vf_min(x, vf_set1(20.0f)));
        const vf n = vf_mul(e, vf_add(e, vf_set1(2.0f)));
        return vf_mul(x, vf_div(n, vf_add(n, vf_set1(2.0f))));
    }
    case KERNEL_ACT_GELU: return vf_mul(vf_mul(x, vf_set1(0.5f)), vf_add(one, vf_erf(vf_mul(x, vf_set1(0.70710678f)))));
    case KERNEL_ACT_GELU_TANH: {
        const vf inner = vf_mul(vf_set1(0.79788456f), vf_fma(vf_mul(vf_set1(0.044715f), vf_mul(x, x)), x, x));
        return vf_mul(vf_mul(x, vf_set1(0.5f)), vf_add(one, vf_tanh(inner)));
    }
    case KERNEL_ACT_ELU: return vf_select_lt0(x, vf_mul(a, vf_sub(vf_exp(x), one)), x);
    default: return x;
    }
}

#endif
