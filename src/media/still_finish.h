/* SPDX-License-Identifier: MIT */
/* What libvips does not write into a file it has written: EXIF in TIFF, EXIF and XMP in JPEG XL. */
#ifndef FM_MEDIA_STILL_FINISH_H
#define FM_MEDIA_STILL_FINISH_H

#include "media/still_meta.h"

/* For the file behind `fd`, whole and open for reading and writing. meta may be NULL. FM_ERR_IO, FM_ERR_NOMEM. */
int still_finish_tiff(int fd, const char *path, const struct still_meta *meta, int width, int height, struct fm_error *error);
int still_finish_jxl(int fd, const char *path, const struct still_meta *meta, int width, int height, struct fm_error *error);

#endif
