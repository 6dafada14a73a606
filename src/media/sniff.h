/* SPDX-License-Identifier: MIT */
/* What a file is, by its first bytes (names lie), and what can be told before a loader is let at it: animations that libvips would
 * show the first frame of, pictures that unfold whole in memory. Reads the file by pread only; any thread. */
#ifndef FM_MEDIA_SNIFF_H
#define FM_MEDIA_SNIFF_H

#include <stdbool.h>
#include <stdint.h>

#include "framemill/error.h"

enum sniff_kind { SNIFF_PNG, SNIFF_JPEG, SNIFF_WEBP, SNIFF_TIFF, SNIFF_HEIF, SNIFF_AVIF, SNIFF_JXL, SNIFF_GIF, SNIFF_PPM };

struct sniff {
    enum sniff_kind kind;
    const char *name; /* "png", "jpeg", ... */
    bool interlaced;  /* PNG: Adam7, which cannot be read row by row */
    bool bitmap;      /* PNM: of one bit */
    int64_t size;     /* bytes of the file */
};

/* Opens `path` for reading and looks at it. FM_OK and the descriptor (the caller's to close) in *fd; FM_ERR_IO, FM_ERR_FORMAT
 * (empty, or nothing that is known), FM_ERR_UNSUPPORTED (a known kind that is no still picture, or one that is not read). */
int sniff_open(const char *path, int *fd, struct sniff *out, struct fm_error *error);

#endif
