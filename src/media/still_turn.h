/* SPDX-License-Identifier: MIT */
/* EXIF orientations: which pixel of the file is seen where. 1 as it is, 2 mirrored, 3 upside down, 4 flipped, 5 to 8 on their
 * side. */
#ifndef FM_MEDIA_STILL_TURN_H
#define FM_MEDIA_STILL_TURN_H

#include <stdint.h>

/* Mirrors rows in place, left to right. bytes: 1..8 a pixel. */
void still_turn_mirror(uint8_t *rows, int width, int count, int bytes);

/* Rows [y0, y1) as seen, out of a whole picture of width x height as it lies in the file, into dense rows at `to`. */
void still_turn_rows(const uint8_t *from, int width, int height, int bytes, int orientation, uint8_t *to, int y0, int y1);

#endif
