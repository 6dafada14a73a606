/* SPDX-License-Identifier: MIT */
/* Animations that libvips reads the first frame of without a word. */
#ifndef FM_MEDIA_SNIFF_ANIMATION_H
#define FM_MEDIA_SNIFF_ANIMATION_H

#include <stdbool.h>
#include <stdint.h>

/* Frames a PNG says it has (its acTL chunk); 1 when it says nothing. `size`: bytes of the file. */
int sniff_png_frames(int fd, int64_t size);

/* The animation bit of a JPEG XL header, bare or in its container; false when the header cannot be followed. */
bool sniff_jxl_is_animated(int fd, int64_t size);

#endif
