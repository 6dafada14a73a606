/* SPDX-License-Identifier: MIT */
/* The one door to the heap. Everything framemill allocates goes through here, so tests can count allocations and make the
 * n-th one fail. */
#ifndef FM_CORE_ALLOC_H
#define FM_CORE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CORE_CACHE_LINE 64

/* NULL on failure or when size is 0. Memory is aligned to CORE_CACHE_LINE and not cleared. Any thread. */
void *core_alloc(size_t size);
/* The same, cleared. */
void *core_calloc(size_t count, size_t size);
/* Large buffers (weights, activations): page aligned, cleared by the system, asked for in huge pages where there are any. */
void *core_alloc_pages(size_t size);
void core_free(void *memory);
void core_free_pages(void *memory, size_t size);
char *core_strdup(const char *text);

/* Overflow-safe arithmetic for sizes from untrusted files: false when the result does not fit. */
bool core_mul_size(size_t a, size_t b, size_t *out);
bool core_add_size(size_t a, size_t b, size_t *out);
bool core_mul_i64(int64_t a, int64_t b, int64_t *out);
bool core_add_i64(int64_t a, int64_t b, int64_t *out);

/* Test hooks. core_alloc_count: allocations made so far by the process. core_alloc_fail_after(n): the n-th allocation from now
 * fails (and all later ones when `all`); n = 0 turns it off. core_alloc_live: blocks not yet freed. */
uint64_t core_alloc_count(void);
int64_t core_alloc_live(void);
void core_alloc_fail_after(uint64_t n, bool all);

#endif
