/* SPDX-License-Identifier: MIT */
/* Brotli, which boxes of JPEG XL are compressed with, by libbrotlidec: opened when the first such box comes (libjxl needs it, so
 * where there is JPEG XL it is there). Any thread. */
#ifndef FM_MEDIA_BROTLI_H
#define FM_MEDIA_BROTLI_H

#include <stddef.h>
#include <stdint.h>

/* Decompresses a whole stream, to at most `most` bytes. *out is of core_alloc, the caller's. FM_ERR_UNSUPPORTED: no libbrotlidec;
 * FM_ERR_FORMAT: damaged, empty, or more than `most`; FM_ERR_NOMEM. */
int brotli_unpack(const uint8_t *data, size_t size, size_t most, uint8_t **out, size_t *out_size);

#endif
