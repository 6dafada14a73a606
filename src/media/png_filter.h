/* SPDX-License-Identifier: MIT */
/* PNG's five row filters: a row as differences to its neighbours, whichever of them makes the smallest numbers. Pure function over
 * buffers of the caller; any thread. */
#ifndef FM_MEDIA_PNG_FILTER_H
#define FM_MEDIA_PNG_FILTER_H

#include <stddef.h>
#include <stdint.h>

enum { PNG_FILTER_PAD = 16 }; /* zero bytes that lie before each row */

/* `row` and `above` (zeros for the first row) hold `size` bytes, `bytes` a pixel. Writes the filter's number and the row to out[0
 * .. size]. scratch: 2 * size bytes. */
void png_filter_row(const uint8_t *row, const uint8_t *above, size_t size, int bytes, uint8_t *scratch, uint8_t *out);

#endif
