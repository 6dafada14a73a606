/* SPDX-License-Identifier: MIT */
#include "frame/bitmap.h"

#include <string.h>

#include "core/alloc.h"
#include "framemill/error.h"

int bitmap_make(struct bitmap *b, int width, int height)
{
    const int words = BITMAP_WORDS(width);
    *b = (struct bitmap){0};
    uint64_t *bits = core_calloc((size_t) words * sizeof *bits, (size_t) height);
    if (!bits) return FM_ERR_NOMEM;
    *b = (struct bitmap){.width = width, .height = height, .words = words, .bits = bits};
    return FM_OK;
}

void bitmap_release(struct bitmap *b)
{
    core_free(b->bits);
    *b = (struct bitmap){0};
}

void bitmap_clear(struct bitmap *b)
{
    memset(b->bits, 0, (size_t) b->words * (size_t) b->height * sizeof *b->bits);
}

int64_t bitmap_count(const struct bitmap *b)
{
    int64_t n = 0;
    for (size_t i = 0; i < (size_t) b->words * (size_t) b->height; i++) {
        uint64_t v = b->bits[i]; /* by halves, so that compilers make vectors of it: not all machines count bits */
        v -= v >> 1 & 0x5555555555555555;
        v = (v & 0x3333333333333333) + (v >> 2 & 0x3333333333333333);
        v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0f;
        v += v >> 8;
        v += v >> 16;
        n += (int64_t) ((v + (v >> 32)) & 127);
    }
    return n;
}

void bits_set(uint64_t *row, int x0, int x1)
{
    if (x1 <= x0) return;
    const int first = x0 / 64, last = (x1 - 1) / 64;
    const uint64_t from = ~(uint64_t) 0 << (x0 % 64), to = ~(uint64_t) 0 >> (63 - (x1 - 1) % 64);
    if (first == last) {
        row[first] |= from & to;
        return;
    }
    row[first] |= from;
    for (int i = first + 1; i < last; i++) row[i] = ~(uint64_t) 0;
    row[last] |= to;
}

/* The first column at or after x whose bit is not `skip`'s; words * 64 when there is none. */
static int next(const uint64_t *row, int words, int x, uint64_t skip)
{
    int i = x / 64;
    if (i >= words) return words * 64;
    uint64_t word = (row[i] ^ skip) & ~(uint64_t) 0 << (x % 64);
    while (!word && ++i < words) word = row[i] ^ skip;
    return word ? i * 64 + __builtin_ctzll(word) : words * 64;
}

bool bits_run(const uint64_t *row, int words, int x, int *x0, int *x1)
{
    *x0 = next(row, words, x, 0);
    if (*x0 >= words * 64) return false;
    *x1 = next(row, words, *x0, ~(uint64_t) 0);
    return true;
}

bool bits_any(const uint64_t *row, int words)
{
    uint64_t any = 0;
    for (int i = 0; i < words; i++) any |= row[i];
    return any != 0;
}
