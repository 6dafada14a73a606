/* SPDX-License-Identifier: MIT */
/* What checkers of kernels on rows share: rows in guarded memory and the program that runs cases for every ISA, or times them:
 * check_x [--seed N] [--count N] [--bench] [NAME...]        NAME: only kernels whose name ("pack8_avx2") contains it  A row that
 * is read ends where its memory ends, so that a step beyond it is a fault; a row that is written is guarded on both sides.
 * Programs define _GNU_SOURCE before they include this. */
#ifndef FM_TESTS_CHECK_BED_H
#define FM_TESTS_CHECK_BED_H

#include <sys/mman.h>

#include "check_conv.h"

/* ---- rows ---- */

#define ROWS 10
#define PAGE 65536 /* a multiple of every page size there is */
#define GUARD 96   /* bytes */

struct bed { /* the rows of one case */
    uint64_t random;
    int round; /* 0: the first */
    struct {
        uint8_t *base, *row;
        size_t size, mapped;
        bool written;
    } rows[ROWS];
    int n;
};

CHECK_UNUSED static void *open_row(struct bed *bed, size_t size, bool written, size_t align)
{
    const size_t mapped = (size + 2 * GUARD + PAGE - 1) / PAGE * PAGE;
    uint8_t *base = mmap(NULL, mapped + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || bed->n == ROWS) abort();
    if (mprotect(base + mapped, PAGE, PROT_NONE)) abort();
    memset(base, 0xa5, mapped);
    const size_t behind =
        written ? (GUARD / 2 + (size_t) check_random_int(&bed->random, 0, 15) * align + align - 1) / align * align : 0;
    uint8_t *row = base + mapped - behind - (size + align - 1) / align * align;
    bed->rows[bed->n].base = base;
    bed->rows[bed->n].row = row;
    bed->rows[bed->n].size = size;
    bed->rows[bed->n].written = written;
    bed->rows[bed->n++].mapped = mapped;
    return row;
}

CHECK_UNUSED static float *open_floats(struct bed *bed, size_t n)
{
    float *row = open_row(bed, n * sizeof *row, false, sizeof *row);
    for (size_t i = 0; i < n; i++) row[i] = check_random_float(&bed->random);
    return row;
}

static void close_bed(struct bed *bed, const char *name)
{
    for (int i = 0; i < bed->n; i++) {
        const uint8_t *row = bed->rows[i].row, *end = bed->rows[i].base + bed->rows[i].mapped;
        bool held = true;
        for (const uint8_t *p = row - GUARD; p < row; p++) held = held && *p == 0xa5;
        for (const uint8_t *p = row + bed->rows[i].size; p < end; p++) held = held && *p == 0xa5;
        CHECK_MSG(held || !bed->rows[i].written, "%s: wrote beside row %d", name, i);
        munmap(bed->rows[i].base, bed->rows[i].mapped + PAGE);
    }
    bed->n = 0;
}

CHECK_UNUSED static int length(struct bed *bed) /* around every vector length, and longer */
{
    return check_random_int(&bed->random, 0, 3) ? check_random_int(&bed->random, 1, 70) : check_random_int(&bed->random, 70, 700);
}

/* ---- the program ---- */

struct bed_case {
    const char *name;
    void (*run)(const struct kernel_set *set, struct bed *bed, const char *name);
};

/* Names of timings are followed by the ISA. */
struct bed_bench {
    const char *name;
    void (*run)(int which, const struct kernel_set *set, uint32_t cpu_flags, const char *name);
    int which;
};

static bool bed_wanted(const char *name, char **names, int n)
{
    bool found = n == 0;
    for (int i = 1; i <= n; i++) found = found || strstr(name, names[i]);
    return found;
}

static void bed_check(const struct bed_case *c, const struct kernel_set *set, const char *name, uint64_t seed, int count)
{
    atomic_store(&check_faults, 0);
    for (int i = 0; i < count && !atomic_load(&check_faults); i++) {
        struct bed bed = {.random = seed + (uint64_t) i * 1000003u, .round = i};
        c->run(set, &bed, name);
        close_bed(&bed, name);
    }
    if (atomic_load(&check_faults))
        check_failed++;
    else
        check_passed++;
}

static uint32_t bed_flags(const struct kernel_set *set)
{
    return strcmp(set->isa, "avx512") == 0 ? CPU_AVX2 | CPU_AVX512
           : strcmp(set->isa, "avx2") == 0 ? CPU_AVX2
           : strcmp(set->isa, "neon") == 0 ? CPU_NEON
                                           : 0;
}

/* The best time of `once` of many tries. */
CHECK_UNUSED static double bed_time(void (*once)(void *arg), void *arg)
{
    double best = HUGE_VAL, spent = 0;
    for (int i = 0; i < 8 || (spent < 0.3 && i < 1000); i++) {
        const double start = check_seconds();
        once(arg);
        const double time = check_seconds() - start;
        spent += time;
        if (time < best) best = time;
    }
    return best;
}

CHECK_UNUSED static int bed_main(
    int argc, char **argv, const struct bed_case *cases, size_t n_cases, const struct bed_bench *benches, size_t n_benches)
{
    uint64_t seed = (uint64_t) time(NULL);
    int count = 200, names = 0;
    bool bench = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--bench") == 0)
            bench = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc)
            count = (int) strtol(argv[++i], NULL, 10);
        else
            argv[++names] = argv[i];
    }
    if (!bench) printf("seed %" PRIu64 "\n", seed);
    const struct kernel_set *sets[4];
    const int n_sets = kernel_sets(sets);
    char name[64];
    for (size_t k = 0; bench && k < n_benches; k++)
        for (int s = 0; s < n_sets; s++) {
            snprintf(name, sizeof name, "%s %s", benches[k].name, sets[s]->isa);
            if (bed_wanted(name, argv, names)) benches[k].run(benches[k].which, sets[s], bed_flags(sets[s]), name);
        }
    for (size_t k = 0; !bench && k < n_cases; k++)
        for (int s = 0; s < n_sets; s++) {
            snprintf(name, sizeof name, "%s_%s", cases[k].name, sets[s]->isa);
            if (bed_wanted(name, argv, names)) bed_check(&cases[k], sets[s], name, seed, count);
        }
    return check_report();
}

#endif
