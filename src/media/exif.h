/* SPDX-License-Identifier: MIT */
/* EXIF as cameras leave it: a TIFF structure in a block of bytes, from untrusted files. What has to change is changed in place,
 * so that all else stays byte for byte (makers' notes point into the block). Every offset is checked; what cannot be followed is
 * left alone. */
#ifndef FM_MEDIA_EXIF_H
#define FM_MEDIA_EXIF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The TIFF structure in a block that may begin with "Exif\0\0"; *size becomes its size. NULL when there is none. */
const uint8_t *exif_body(const void *block, size_t *size);

int exif_orientation(const uint8_t *body, size_t size); /* 1..8, or 0: not said */
/* Pixels a millimetre; false when not said. */
bool exif_resolution(const uint8_t *body, size_t size, double *x, double *y);

/* The orientation becomes 1, where there is one. drop_thumbnail: the small picture inside is no longer pointed to. */
void exif_set_upright(uint8_t *body, size_t size, bool drop_thumbnail);
/* The picture's sides in pixels, where they are told. */
void exif_set_size(uint8_t *body, size_t size, int width, int height);

#endif
