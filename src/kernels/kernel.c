/* SPDX-License-Identifier: MIT */
/* The tables of kernels, and the choice among them. */
#include "kernels/kernel.h"

#include "core/cpu.h"
#include "kernels/sets.h"

#define KERNEL_ENTRY(name, isa) &name##_##isa,
#define KERNEL_SET(isa_, vector_) \
    static const struct kernel_set kernel_set_##isa_ = { \
        .isa = #isa_, .vector = vector_, .conv = { KERNEL_CONVOLUTIONS(KERNEL_ENTRY, isa_) NULL }, \
        .rows = &rows_##isa_, .pixels = &pixels_##isa_, .planes = &planes_##isa_, \
    };

#if defined(__wasm_simd128__)
KERNEL_SET(simd128, 4) /* a WebAssembly module either has these instructions or does not load: there is no other set to choose */
#else
KERNEL_SET(c, 4)
#endif
#if defined(__x86_64__)
KERNEL_SET(avx2, 8)
KERNEL_SET(avx512, 16)
#elif defined(__aarch64__)
KERNEL_SET(neon, 4)
#endif

/* Best first; the set that needs no flag ends the list. */
static const struct {
    uint32_t flag;
    const struct kernel_set *set;
} kernel_table[] = {
#if defined(__x86_64__)
    { CPU_AVX512, &kernel_set_avx512 },
    { CPU_AVX2, &kernel_set_avx2 },
#elif defined(__aarch64__)
    { CPU_NEON, &kernel_set_neon },
#endif
#if defined(__wasm_simd128__)
    { 0, &kernel_set_simd128 },
#else
    { 0, &kernel_set_c },
#endif
};

const struct kernel_set *kernel_set_for(uint32_t cpu_flags)
{
    size_t i = 0;
    while (kernel_table[i].flag & ~cpu_flags) i++;
    return kernel_table[i].set;
}

int kernel_sets(const struct kernel_set *sets[4])
{
    const uint32_t flags = cpu_detect();
    int n = 0;
    for (size_t i = 0; i < sizeof kernel_table / sizeof kernel_table[0]; i++)
        if (!(kernel_table[i].flag & ~flags)) sets[n++] = kernel_table[i].set;
    return n;
}
