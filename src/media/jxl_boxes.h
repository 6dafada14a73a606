/* SPDX-License-Identifier: MIT */
/* The container of JPEG XL: boxes, of which those with metadata are read and written here, since libvips does neither. Untrusted
 * files: sizes are checked, what is damaged is passed over. */
#ifndef FM_MEDIA_JXL_BOXES_H
#define FM_MEDIA_JXL_BOXES_H

#include "media/still_extra.h"

/* EXIF and XMP, also when compressed, into the blocks of `out`; out->sealed when there are some that cannot be opened. False only
 * when memory is out. */
bool jxl_boxes_read(int fd, int64_t size, struct still_extra *out);

/* Puts EXIF (a TIFF structure) and XMP, each may be NULL, into the file behind `fd`, a codestream or a container, before the
 * picture. What is there already stays as it is. FM_ERR_IO, FM_ERR_NOMEM, FM_ERR_FORMAT: it is no JPEG XL. */
int jxl_boxes_insert(
    int fd, const char *path, const uint8_t *exif, size_t exif_size, const uint8_t *xmp, size_t xmp_size, struct fm_error *error);

#endif
