/* SPDX-License-Identifier: MIT */
/* The heuristic is the usual one: the filter with the least sum of absolute differences. Loops are written for the compiler to
 * vectorise: no branches, neighbours read from rows and never from results, padding instead of edges. */
#include "media/png_filter.h"

#include <string.h>

/* Differences count as signed: 255 is one away from 0. In chunks, so that sums stay in 32 bits. */
static uint64_t cost(const uint8_t *restrict out, size_t size)
{
    uint64_t sum = 0;
    for (size_t at = 0; at < size; at += 4096) {
        const size_t end = size - at < 4096 ? size : at + 4096;
        uint32_t part = 0;
        for (size_t i = at; i < end; i++) {
            const uint8_t up = out[i], down = (uint8_t) -up;
            part += up < down ? up : down;
        }
        sum += part;
    }
    return sum;
}

static void sub(const uint8_t *restrict row, size_t size, int bytes, uint8_t *restrict out)
{
    const uint8_t *left = row - bytes;
    for (size_t i = 0; i < size; i++) out[i] = (uint8_t) (row[i] - left[i]);
}

static void up(const uint8_t *restrict row, const uint8_t *restrict above, size_t size, uint8_t *restrict out)
{
    for (size_t i = 0; i < size; i++) out[i] = (uint8_t) (row[i] - above[i]);
}

static void average(const uint8_t *restrict row, const uint8_t *restrict above, size_t size, int bytes, uint8_t *restrict out)
{
    const uint8_t *left = row - bytes;
    for (size_t i = 0; i < size; i++) out[i] = (uint8_t) (row[i] - (uint8_t) ((left[i] + above[i]) >> 1));
}

static inline int16_t magnitude(int16_t v)
{
    return (int16_t) (v < 0 ? -v : v);
}

static void paeth(const uint8_t *restrict row, const uint8_t *restrict above, size_t size, int bytes, uint8_t *restrict out)
{
    const uint8_t *left = row - bytes, *corner = above - bytes;
    for (size_t i = 0; i < size; i++) {
        const int16_t a = left[i], b = above[i], c = corner[i];
        const int16_t pa = magnitude((int16_t) (b - c)), pb = magnitude((int16_t) (a - c)),
                      pc = magnitude((int16_t) (a + b - 2 * c));
        const int16_t bc = pb <= pc ? b : c, least = pb <= pc ? pb : pc;
        out[i] = (uint8_t) (row[i] - (pa <= least ? a : bc));
    }
}

void png_filter_row(const uint8_t *row, const uint8_t *above, size_t size, int bytes, uint8_t *scratch, uint8_t *out)
{
    uint8_t *best = scratch, *other = scratch + size;
    uint64_t least = UINT64_MAX;
    out[0] = 0;
    for (int filter = 4; filter >= 0; filter--) { /* the likely ones first, so that fewer results are exchanged */
        if (filter == 4)
            paeth(row, above, size, bytes, other);
        else if (filter == 3)
            average(row, above, size, bytes, other);
        else if (filter == 2)
            up(row, above, size, other);
        else if (filter == 1)
            sub(row, size, bytes, other);
        const uint64_t sum = cost(filter ? other : row, size);
        if (sum >= least) continue;
        least = sum;
        out[0] = (uint8_t) filter;
        uint8_t *const keep = best;
        best = other;
        other = keep;
    }
    memcpy(out + 1, out[0] ? best : row, size);
}
