/* SPDX-License-Identifier: MIT */
/* A zlib stream out of bytes as they come: by ISA-L for the fast level (four times as fast as zlib at a size between its levels 1
 * and 6), by zlib for the others and where ISA-L is not installed. Both are opened when first needed. One thread at a time. */
#ifndef FM_MEDIA_PNG_DEFLATE_H
#define FM_MEDIA_PNG_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "framemill/error.h"

struct png_deflate;

/* level: 0..9, or -1 for the fast one. FM_ERR_NOMEM; FM_ERR_UNSUPPORTED: zlib is not there. */
int png_deflate_create(int level, struct png_deflate **out, struct fm_error *error);
void png_deflate_destroy(struct png_deflate **deflate); /* accepts NULL contents, sets NULL */

/* Takes from *in (moved on), writes to *out (moved on), until either has run out; `last`: the input ends here. True when the
 * stream is complete. Cannot fail: there is always either input or room, or it is the end. */
bool png_deflate_step(struct png_deflate *deflate, const uint8_t **in, size_t *in_left, bool last, uint8_t **out, size_t *out_left);

uint32_t png_deflate_crc(uint32_t crc, const uint8_t *data, size_t size); /* after a stream was created; starts at 0 */

#endif
