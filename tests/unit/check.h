/* SPDX-License-Identifier: MIT */
/* The whole test framework. A test is a `static void name(void)` that calls CHECK_*; main calls RUN(name) for each and
 * returns check_report(). A failed check prints file, line and values, the test goes on, and its program fails.
 *
 *     static void sums(void) { CHECK_INT(1 + 1, 2); }
 *     int main(void) { RUN(sums); return check_report(); }
 *
 * Every CHECK is an expression that is true when it held: `if (!CHECK(p)) return;`. Checks may be made from any thread. */
#ifndef FM_TESTS_CHECK_H
#define FM_TESTS_CHECK_H

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CHECK_UNUSED __attribute__((unused))
#define CHECK_PRINTF(f, a) __attribute__((format(printf, f, a)))

#define CHECK(condition) check_true((condition) ? true : false, #condition, __FILE__, __LINE__)
#define CHECK_INT(got, want) check_int((intmax_t) (got), (intmax_t) (want), #got, __FILE__, __LINE__)
#define CHECK_STR(got, want) check_str((got), (want), #got, __FILE__, __LINE__)
#define CHECK_HAS(got, part) check_has((got), (part), #got, __FILE__, __LINE__) /* the text contains `part` */
#define CHECK_NEAR(got, want, tolerance) check_near((double) (got), (double) (want), (double) (tolerance), #got, __FILE__, __LINE__)
#define CHECK_MEM(got, want, size) check_mem((got), (want), (size), #got, __FILE__, __LINE__)
/* A check with words of its own, for loops: CHECK_MSG(a == b, "case %d", i). */
#define CHECK_MSG(condition, ...) check_msg((condition) ? true : false, __FILE__, __LINE__, __VA_ARGS__)

#define RUN(test) check_run(test, #test)
/* Leaves the running test as skipped (data that is not there, a feature this machine lacks). */
#define SKIP(...) do { check_skip(__VA_ARGS__); return; } while (0)

static atomic_int check_faults;  /* failed checks of the running test */
static int check_passed, check_failed, check_skipped;
static bool check_is_skipped;

CHECK_UNUSED static bool check_true(bool held, const char *text, const char *file, int line)
{
    if (held) return true;
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, text);
    atomic_fetch_add(&check_faults, 1);
    return false;
}

CHECK_UNUSED static bool check_int(intmax_t got, intmax_t want, const char *text, const char *file, int line)
{
    if (got == want) return true;
    fprintf(stderr, "%s:%d: %s is %" PRIdMAX ", must be %" PRIdMAX "\n", file, line, text, got, want);
    atomic_fetch_add(&check_faults, 1);
    return false;
}

CHECK_UNUSED static bool check_str(const char *got, const char *want, const char *text, const char *file, int line)
{
    if (got == want || (got && want && strcmp(got, want) == 0)) return true;
    fprintf(stderr, "%s:%d: %s is \"%s\", must be \"%s\"\n", file, line, text, got ? got : "(null)", want ? want : "(null)");
    atomic_fetch_add(&check_faults, 1);
    return false;
}

CHECK_UNUSED static bool check_has(const char *got, const char *part, const char *text, const char *file, int line)
{
    if (got && strstr(got, part)) return true;
    fprintf(stderr, "%s:%d: %s is \"%s\", must contain \"%s\"\n", file, line, text, got ? got : "(null)", part);
    atomic_fetch_add(&check_faults, 1);
    return false;
}

/* NaN is near NaN only, an infinity near itself only. */
CHECK_UNUSED static bool check_near(double got, double want, double tolerance, const char *text, const char *file, int line)
{
    if (got == want || (isnan(got) && isnan(want)) || fabs(got - want) <= tolerance) return true;
    fprintf(stderr, "%s:%d: %s is %.9g, must be %.9g within %.3g\n", file, line, text, got, want, tolerance);
    atomic_fetch_add(&check_faults, 1);
    return false;
}

CHECK_UNUSED static bool check_mem(const void *got, const void *want, size_t size, const char *text, const char *file, int line)
{
    const unsigned char *a = got, *b = want;
    for (size_t i = 0; i < size; i++) {
        if (a[i] == b[i]) continue;
        fprintf(stderr, "%s:%d: byte %zu of %s is 0x%02x, must be 0x%02x\n", file, line, i, text, a[i], b[i]);
        atomic_fetch_add(&check_faults, 1);
        return false;
    }
    return true;
}

CHECK_UNUSED CHECK_PRINTF(4, 5) static bool check_msg(bool held, const char *file, int line, const char *format, ...)
{
    if (held) return true;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "%s:%d: %s\n", file, line, text);
    atomic_fetch_add(&check_faults, 1);
    return false;
}

CHECK_UNUSED CHECK_PRINTF(1, 2) static void check_skip(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("skipped: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    check_is_skipped = true;
}

CHECK_UNUSED static void check_run(void (*test)(void), const char *name)
{
    atomic_store(&check_faults, 0);
    check_is_skipped = false;
    test();
    if (atomic_load(&check_faults)) {
        fprintf(stderr, "FAILED %s\n", name);
        check_failed++;
    } else if (check_is_skipped) {
        check_skipped++;
    } else {
        check_passed++;
    }
}

CHECK_UNUSED static int check_report(void)
{
    printf("%d passed, %d failed, %d skipped\n", check_passed, check_failed, check_skipped);
    return check_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Of so many cases made by chance, how many are to be tried: FM_TEST_SHARE=4 says every fourth, for runs where a case costs many times
 * what it costs elsewhere (sanitizers, emulation). */
CHECK_UNUSED static int check_cases(int cases)
{
    const char *text = getenv("FM_TEST_SHARE");
    const int share = text ? atoi(text) : 1;
    return share > 1 ? (cases + share - 1) / share : cases;
}

/* Of requests for memory that are made to fail, every so many-th: ThreadSanitizer takes long over each, and looks for something else. */
#ifdef __SANITIZE_THREAD__
#define CHECK_REQUESTS 5
#else
#define CHECK_REQUESTS 1
#endif

/* Where the shared test data lies (FM_SHARED, else beside the project's root, tried from the current folder upwards);
 * NULL where there is none. `part` is a path below it, or "". */
CHECK_UNUSED static const char *check_shared(const char *part)
{
    static _Thread_local char path[1024];
    const char *env = getenv("FM_SHARED");
    const char *tries[] = {env, "../shared", "../../shared", "../../../shared"};
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        struct stat st;
        if (!tries[i]) continue;
        snprintf(path, sizeof path, "%s/%s", tries[i], part);
        if (stat(path, &st) == 0) return path;
    }
    return NULL;
}

#endif
