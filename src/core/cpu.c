/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core/cpu.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "framemill/error.h"

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

#if defined(__x86_64__) || defined(__i386__)

#include <cpuid.h>

/* The register that says which vector state the operating system saves (bits: 1 XMM, 2 YMM, 5..7 the AVX-512 parts). */
static uint64_t cpu_xgetbv(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t) high << 32 | low;
}

uint32_t cpu_detect(void)
{
    enum { YMM_STATE = 0x06, ZMM_STATE = 0xe6 };
    const uint32_t leaf1_c = 1u << 12 | 1u << 27 | 1u << 28 | 1u << 29;          /* FMA, OSXSAVE, AVX, F16C */
    const uint32_t avx2_b = 1u << 5;
    const uint32_t avx512_b = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;         /* F, DQ, BW, VL */
    uint32_t a, b, c, d, flags = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & leaf1_c) != leaf1_c) return 0;
    const uint64_t state = cpu_xgetbv();
    if ((state & YMM_STATE) != YMM_STATE || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if (b & avx2_b) flags |= CPU_AVX2;
    if ((flags & CPU_AVX2) && (b & avx512_b) == avx512_b && (state & ZMM_STATE) == ZMM_STATE) flags |= CPU_AVX512;
    return flags;
}

#elif defined(__aarch64__)

uint32_t cpu_detect(void)
{
    return CPU_NEON; /* part of the architecture's base */
}

#elif defined(__wasm_simd128__)

uint32_t cpu_detect(void)
{
    return CPU_SIMD128; /* the module would not have been loaded */
}

#else

uint32_t cpu_detect(void)
{
    return 0;
}

#endif

#define CPU_MASK_UNSET UINT64_MAX

static _Atomic uint64_t cpu_mask = CPU_MASK_UNSET; /* a 32-bit mask once known */

static uint32_t cpu_mask_value(void)
{
    uint64_t mask = atomic_load_explicit(&cpu_mask, memory_order_relaxed);
    if (mask != CPU_MASK_UNSET) return (uint32_t) mask;
    uint32_t first = UINT32_MAX;
    const char *text = getenv("FM_CPUMASK");
    if (text) (void) cpu_parse_mask(text, &first); /* a word we do not know forbids nothing */
    uint64_t unset = CPU_MASK_UNSET;
    if (atomic_compare_exchange_strong(&cpu_mask, &unset, first)) return first;
    return (uint32_t) unset; /* somebody else was first, or cpu_set_mask was called */
}

uint32_t cpu_flags(void)
{
    return cpu_detect() & cpu_mask_value();
}

void cpu_set_mask(uint32_t mask)
{
    atomic_store(&cpu_mask, mask);
}

int cpu_parse_mask(const char *text, uint32_t *mask)
{
    static const struct { const char *name; uint32_t mask; } names[] = {
        {"c", 0}, {"avx2", CPU_AVX2}, {"avx512", CPU_AVX2 | CPU_AVX512}, {"neon", CPU_NEON}, {"all", UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i].name) != 0) continue;
        *mask = names[i].mask;
        return FM_OK;
    }
    if (text[0] < '0' || text[0] > '9') return FM_ERR_ARGUMENT; /* strtoull would take blanks and signs */
    char *end;
    errno = 0;
    const unsigned long long number = strtoull(text, &end, 0);
    if (*end || errno || number > UINT32_MAX) return FM_ERR_ARGUMENT;
    *mask = (uint32_t) number;
    return FM_OK;
}

const char *cpu_best_name(uint32_t flags)
{
    return flags & CPU_AVX512 ? "avx512" : flags & CPU_AVX2 ? "avx2" : flags & CPU_NEON ? "neon" : flags & CPU_SIMD128 ? "simd128" : "c";
}

/* Linux: the first "model name" (x86) or "Model" (boards) line of /proc/cpuinfo. */
void cpu_model_name(char *text, size_t size)
{
    if (!size) return;
    snprintf(text, size, "unknown");
#if defined(__linux__)
    FILE *info = fopen("/proc/cpuinfo", "re");
    if (!info) return;
    char line[256];
    while (fgets(line, sizeof line, info)) {
        if (strncmp(line, "model name", 10) != 0 && strncmp(line, "Model", 5) != 0) continue;
        const char *value = strchr(line, ':');
        if (!value) continue;
        value += 1 + strspn(value + 1, " \t");
        const size_t length = strcspn(value, "\n");
        if (!length) continue;
        snprintf(text, size, "%.*s", (int) length, value);
        break;
    }
    fclose(info);
#endif
}

int cpu_count(void)
{
#if defined(__linux__)
    for (int room = 1024; room <= 1 << 20; room *= 4) { /* the kernel refuses a set smaller than its own */
        const size_t bytes = CPU_ALLOC_SIZE((size_t) room);
        cpu_set_t *set = core_calloc(1, bytes);
        if (!set) break;
        const bool known = sched_getaffinity(0, bytes, set) == 0;
        const bool larger = !known && errno == EINVAL;
        const int count = known ? CPU_COUNT_S(bytes, set) : 0;
        core_free(set);
        if (count > 0) return count;
        if (!larger) break;
    }
#endif
#if defined(_SC_NPROCESSORS_ONLN)
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    if (online > 0) return online < INT32_MAX ? (int) online : INT32_MAX;
#endif
    return 1;
}

#if defined(__SSE2__)
#define FLOATS_FLUSH 0x8040u /* results to zero, inputs as zero */

unsigned cpu_floats_flush(void)
{
    const unsigned before = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(before | FLOATS_FLUSH);
    return before;
}

void cpu_floats_restore(unsigned before)
{
    __builtin_ia32_ldmxcsr(before);
}
#elif defined(__aarch64__)
#define FLOATS_FLUSH (1u << 24)

unsigned cpu_floats_flush(void)
{
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | FLOATS_FLUSH));
    return (unsigned) before;
}

void cpu_floats_restore(unsigned before)
{
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t) before));
}
#else
unsigned cpu_floats_flush(void)
{
    return 0;
}

void cpu_floats_restore(unsigned before)
{
    (void) before;
}
#endif
