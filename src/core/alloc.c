/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#define ALLOC_HAS_MMAP 1
#endif
#if defined(_WIN32)
#include <malloc.h>
#endif

/* Under AddressSanitizer pages come from the heap, so that a read or write past their end is seen. */
#if defined(__SANITIZE_ADDRESS__)
#undef ALLOC_HAS_MMAP
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#undef ALLOC_HAS_MMAP
#endif
#endif

#define ALLOC_PAGE ((size_t) 4096)
#define ALLOC_HUGE ((size_t) 2 << 20)

static atomic_uint_fast64_t alloc_made;
static atomic_int_fast64_t alloc_alive;
static atomic_uint_fast64_t alloc_countdown; /* 0: no failure is due */
static atomic_bool alloc_fail_all;

/* Counts down to the failure a test asked for. A compare-exchange loop, so that with several threads exactly one allocation is the
 * n-th. */
static bool alloc_must_fail(void)
{
    uint_fast64_t left = atomic_load_explicit(&alloc_countdown, memory_order_relaxed);
    while (left) {
        const uint_fast64_t next = left == 1 && atomic_load(&alloc_fail_all) ? 1 : left - 1;
        if (atomic_compare_exchange_weak(&alloc_countdown, &left, next)) return left == 1;
    }
    return false;
}

static void *alloc_note(void *memory)
{
    if (!memory) return NULL;
    atomic_fetch_add_explicit(&alloc_made, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&alloc_alive, 1, memory_order_relaxed);
    return memory;
}

static void *alloc_aligned(size_t size, size_t alignment)
{
    /* objects above PTRDIFF_MAX cannot be indexed; refusing them here spares the system's allocator */
    if (size > PTRDIFF_MAX - alignment) return NULL;
#if defined(_WIN32)
    return _aligned_malloc(size, alignment);
#elif defined(__unix__) || defined(__APPLE__)
    void *memory = NULL;
    return posix_memalign(&memory, alignment, size) == 0 ? memory : NULL;
#else
    return aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));
#endif
}

static void alloc_release(void *memory)
{
#if defined(_WIN32)
    _aligned_free(memory);
#else
    free(memory);
#endif
}

void *core_alloc(size_t size)
{
    if (!size || alloc_must_fail()) return NULL;
    return alloc_note(alloc_aligned(size, CORE_CACHE_LINE));
}

void *core_calloc(size_t count, size_t size)
{
    size_t total;
    if (!core_mul_size(count, size, &total)) return NULL;
    void *memory = core_alloc(total);
    return memory ? memset(memory, 0, total) : NULL;
}

void core_free(void *memory)
{
    if (!memory) return;
    atomic_fetch_sub_explicit(&alloc_alive, 1, memory_order_relaxed);
    alloc_release(memory);
}

#if defined(ALLOC_HAS_MMAP)

static size_t alloc_page_round(size_t size)
{
    static atomic_size_t page; /* the same value whoever writes it */
    size_t p = atomic_load_explicit(&page, memory_order_relaxed);
    if (!p) {
        const long asked = sysconf(_SC_PAGESIZE);
        p = asked > 0 ? (size_t) asked : ALLOC_PAGE;
        atomic_store_explicit(&page, p, memory_order_relaxed);
    }
    return size > PTRDIFF_MAX - ALLOC_HUGE - p ? 0 : (size + p - 1) / p * p;
}

/* From 2 MiB on the block starts on a huge page: more is mapped than asked for and the ends are given back. */
static void *alloc_map(size_t size)
{
    const size_t length = alloc_page_round(size);
    if (!length) return NULL;
    const bool huge = length >= ALLOC_HUGE;
    const size_t mapped = huge ? length + ALLOC_HUGE : length;
    uint8_t *base = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return NULL;
    if (!huge) return base;
    const size_t head = (ALLOC_HUGE - (uintptr_t) base % ALLOC_HUGE) % ALLOC_HUGE;
    const size_t tail = mapped - head - length;
    if (head) munmap(base, head);
    if (tail) munmap(base + head + length, tail);
#if defined(MADV_HUGEPAGE)
    (void) madvise(base + head, length, MADV_HUGEPAGE); /* a wish: without it the pages are small and all still works */
#endif
    return base + head;
}

static void alloc_unmap(void *memory, size_t size)
{
    munmap(memory, alloc_page_round(size));
}

#else

static void *alloc_map(size_t size)
{
    void *memory = alloc_aligned(size, ALLOC_PAGE);
    return memory ? memset(memory, 0, size) : NULL;
}

static void alloc_unmap(void *memory, size_t size)
{
    (void) size;
    alloc_release(memory);
}

#endif

void *core_alloc_pages(size_t size)
{
    if (!size || alloc_must_fail()) return NULL;
    return alloc_note(alloc_map(size));
}

void core_free_pages(void *memory, size_t size)
{
    if (!memory) return;
    atomic_fetch_sub_explicit(&alloc_alive, 1, memory_order_relaxed);
    alloc_unmap(memory, size);
}

char *core_strdup(const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = core_alloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

bool core_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool core_add_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

bool core_mul_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool core_add_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

uint64_t core_alloc_count(void)
{
    return atomic_load(&alloc_made);
}

int64_t core_alloc_live(void)
{
    return atomic_load(&alloc_alive);
}

void core_alloc_fail_after(uint64_t n, bool all)
{
    atomic_store(&alloc_countdown, 0);
    atomic_store(&alloc_fail_all, all);
    atomic_store(&alloc_countdown, n);
}
