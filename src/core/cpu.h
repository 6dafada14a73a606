/* SPDX-License-Identifier: MIT */
/* What this processor can do, and a mask to forbid some of it (tests, --cpumask, FM_CPUMASK). */
#ifndef FM_CORE_CPU_H
#define FM_CORE_CPU_H

#include <stddef.h>
#include <stdint.h>

enum cpu_flag {
    CPU_AVX2 = 1u << 0,   /* AVX2 + FMA3 + F16C */
    CPU_AVX512 = 1u << 1, /* F + BW + DQ + VL */
    CPU_NEON = 1u << 2,
    CPU_SIMD128 = 1u << 3, /* WebAssembly's vectors */
};

uint32_t cpu_detect(void);              /* what the machine and its system offer; any thread */
uint32_t cpu_flags(void);               /* cpu_detect() & mask; any thread */
void cpu_set_mask(uint32_t mask);       /* before anything is compiled; FM_CPUMASK sets the first value */
int cpu_parse_mask(const char *text, uint32_t *mask); /* "c", "avx2", "avx512", "neon", "all" or a number; 0 or FM_ERR_ARGUMENT */
const char *cpu_best_name(uint32_t flags); /* "avx512", "avx2", "neon", "simd128" or "c" */
void cpu_model_name(char *text, size_t size); /* as the system prints it; "unknown" where it does not */
int cpu_count(void);                    /* processors this process may run on, at least 1 */

/* Subnormal numbers cost a hundred cycles each and mean nothing in a picture: kernels run with them taken as zero, inputs and
 * results. The mode is the calling thread's; cpu_floats_restore puts back what cpu_floats_flush returned. */
unsigned cpu_floats_flush(void);
void cpu_floats_restore(unsigned before);

#endif
