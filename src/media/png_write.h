/* SPDX-License-Identifier: MIT */
/* Our own PNG writer: rows are filtered, compressed and written as they come, in bounded memory. libvips writes PNG through
 * libpng and zlib, which takes longer than a small network does, and leaves EXIF and texts behind. */
#ifndef FM_MEDIA_PNG_WRITE_H
#define FM_MEDIA_PNG_WRITE_H

#include "media/still.h"

/* As still_save. */
int png_write(int fd, const char *path, const struct still_meta *meta, const struct still_write_params *params, still_pull pull,
    void *user, struct fm_error *error);

#endif
