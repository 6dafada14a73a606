/* SPDX-License-Identifier: MIT */
/* What libvips leaves lying in a file: EXIF and XMP in places it does not look, texts and colour remarks of PNG. Read by pread;
 * all sizes are checked, what is damaged is passed over. */
#ifndef FM_MEDIA_STILL_EXTRA_H
#define FM_MEDIA_STILL_EXTRA_H

#include <stddef.h>
#include <stdint.h>

#include "media/sniff.h"

struct still_block {
    uint8_t *data; /* core_alloc; NULL: none */
    size_t size;
};

struct still_extra {
    struct still_block exif; /* a TIFF structure */
    struct still_block xmp;
    bool sealed;               /* there is more, compressed in a way that cannot be opened here */
    bool no_resolution;        /* PNG: none is said, whatever libvips says */
    struct still_block chunks; /* of PNG, as they lie in the file: length, type, data, CRC */
};

/* FM_OK, or FM_ERR_NOMEM with nothing to release. */
int still_extra_read(const struct sniff *sniff, int fd, struct still_extra *out);
void still_extra_release(struct still_extra *extra);

/* For the readers of one container each: reads `size` bytes at `at` into a new block, unless there is one already. False only
 * when memory is out; a block that cannot be read stays empty. */
bool still_extra_take(struct still_block *block, int fd, int64_t at, size_t size);

/* By container. */
bool still_extra_png(int fd, int64_t size, struct still_extra *out);
bool still_extra_tiff(int fd, int64_t size, struct still_extra *out);

#endif
