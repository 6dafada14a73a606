/* SPDX-License-Identifier: MIT */
/* Between bands (integers, interleaved) and windows (floats in [0, 1], planes). Exact both ways: every 8- and 16-bit sample comes
 * back unchanged. */
#ifndef FM_CONVERT_PIXELS_H
#define FM_CONVERT_PIXELS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/threads.h"
#include "frame/band.h"
#include "frame/window.h"

/* Fills colour->at (reserved by the caller, channels 1 or 3) and, when alpha is not NULL, alpha->at (the same rectangle) from the
 * band. Columns and rows outside the picture of width x height (a window may start at negative coordinates) repeat its edge. The
 * band must hold every row of the picture that is needed. A band with alpha may be read without it. Shares the work over `pool`
 * (NULL: none). */
void pixels_unpack(struct pool *pool, uint32_t cpu_flags, const struct band *from, int height, struct window *colour,
                   struct window *alpha);

/* Writes `at` (held by both windows) into the band: rounded to nearest, cut to the range. Colour channels: 1 for grey bands, else
 * 3. alpha: NULL for a band without; a band with alpha and no window gets opaque. Returns how many samples were not numbers
 * (written as 0): more than none means a broken network. */
uint64_t pixels_pack(struct pool *pool, uint32_t cpu_flags, const struct window *colour, const struct window *alpha, struct rect at,
                     struct band *to);

#endif
