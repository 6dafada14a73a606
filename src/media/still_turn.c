/* SPDX-License-Identifier: MIT */
#include "media/still_turn.h"

#include <stddef.h>
#include <string.h>

enum { LANES = 32 }; /* rows of the result done together, so that columns of the source are read a cache line at a time */

static void copy_pixel(uint8_t *to, const uint8_t *from, int bytes)
{
    switch (bytes) { /* a size the compiler knows becomes a move */
    case 1: *to = *from; break;
    case 2: memcpy(to, from, 2); break;
    case 3: memcpy(to, from, 3); break;
    case 4: memcpy(to, from, 4); break;
    case 6: memcpy(to, from, 6); break;
    default: memcpy(to, from, 8); break;
    }
}

void still_turn_mirror(uint8_t *rows, int width, int count, int bytes)
{
    for (int y = 0; y < count; y++) {
        uint8_t *left = rows + (size_t) y * (size_t) width * (size_t) bytes, *right = left + (size_t) (width - 1) * (size_t) bytes;
        for (; left < right; left += bytes, right -= bytes) {
            uint8_t pixel[8];
            copy_pixel(pixel, left, bytes);
            copy_pixel(left, right, bytes);
            copy_pixel(right, pixel, bytes);
        }
    }
}

/* Orientations 5 to 8: row y as seen is column y of the file, or column width - 1 - y; it is walked down (5, 8) or up (6, 7). */
static void sideways(const uint8_t *from, int width, int height, int bytes, int orientation, uint8_t *to, int y0, int y1)
{
    const int down = orientation == 5 || orientation == 8, last_first = orientation == 7 || orientation == 8;
    const size_t stride = (size_t) width * (size_t) bytes, out = (size_t) height * (size_t) bytes;
    for (int x = 0; x < height; x++) {
        const uint8_t *row = from + (size_t) (down ? x : height - 1 - x) * stride;
        for (int y = y0; y < y1; y++) {
            const int column = last_first ? width - 1 - y : y;
            copy_pixel(to + (size_t) (y - y0) * out + (size_t) x * (size_t) bytes, row + (size_t) column * (size_t) bytes, bytes);
        }
    }
}

void still_turn_rows(const uint8_t *from, int width, int height, int bytes, int orientation, uint8_t *to, int y0, int y1)
{
    const size_t stride = (size_t) width * (size_t) bytes, out = (size_t) height * (size_t) bytes;
    if (orientation > 4) {
        for (int y = y0; y < y1; y += LANES)
            sideways(from, width, height, bytes, orientation, to + (size_t) (y - y0) * out, y, y1 - y < LANES ? y1 : y + LANES);
        return;
    }
    for (int y = y0; y < y1; y++) {
        const int row = orientation > 2 ? height - 1 - y : y;
        memcpy(to + (size_t) (y - y0) * stride, from + (size_t) row * stride, stride);
    }
    if (orientation == 2 || orientation == 3) still_turn_mirror(to, width, y1 - y0, bytes);
}
