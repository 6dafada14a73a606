/* SPDX-License-Identifier: MIT */
/* A bit for each pixel of a picture: what changed, what is wanted. Rows are runs of 64-bit words, the first column in the lowest bit; bits
 * behind the last column are 0. Plain memory; any thread, one at a time writes. */
#ifndef FM_FRAME_BITMAP_H
#define FM_FRAME_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BITMAP_WORDS(width) (((width) + 63) / 64)

struct bitmap {
    int width, height, words; /* words of a row */
    uint64_t *bits;           /* [height][words] */
};

/* All bits 0. Sizes at least 1. FM_OK, or FM_ERR_NOMEM (it then holds nothing). */
int bitmap_make(struct bitmap *b, int width, int height);
void bitmap_release(struct bitmap *b); /* also a cleared one */
void bitmap_clear(struct bitmap *b);
int64_t bitmap_count(const struct bitmap *b);

static inline uint64_t *bitmap_row(const struct bitmap *b, int y)
{
    return b->bits + (size_t) y * (size_t) b->words;
}

/* ---- rows ---- */

/* Sets bits [x0, x1). */
void bits_set(uint64_t *row, int x0, int x1);
/* The first run of ones at or after column x: [*x0, *x1). False when there is none. */
bool bits_run(const uint64_t *row, int words, int x, int *x0, int *x1);
bool bits_any(const uint64_t *row, int words);
static inline void bits_or(uint64_t *to, const uint64_t *from, int words)
{
    for (int i = 0; i < words; i++) to[i] |= from[i];
}

#endif
