/* SPDX-License-Identifier: MIT */
/* What travels with a picture beside its pixels: a VipsImage without pixels that holds profile, EXIF, XMP, IPTC, comments and the
 * resolution. Never changed once made, so any thread may copy from it. */
#ifndef FM_MEDIA_STILL_META_H
#define FM_MEDIA_STILL_META_H

#include "media/still.h"
#include "media/still_extra.h"
#include "media/vips_load.h"

/* Takes what is worth keeping from a picture as loaded, and what was found beside that in its file (`extra` gives its blocks up).
 * The orientation becomes upright (so are the rows), and when `turned` the thumbnail goes, which would lie on its side. FM_OK or
 * FM_ERR_NOMEM. */
int still_meta_create(VipsImage *from, struct still_extra *extra, bool turned, struct still_meta **out);
struct still_meta *still_meta_ref(struct still_meta *meta);
/* Gives it to a picture that libvips is about to write. */
void still_meta_apply(const struct still_meta *meta, VipsImage *to);
/* Pixels a millimetre; false when nothing is known (72 an inch, as everybody takes it then). */
bool still_meta_resolution(const struct still_meta *meta, double *x, double *y);
/* A block by libvips' name for it, NULL when there is none; lives as long as the meta. meta may be NULL. */
const uint8_t *still_meta_block(const struct still_meta *meta, const char *name, size_t *size);
/* Chunks of a PNG that go into another, as in still_extra. meta may be NULL. */
const uint8_t *still_meta_chunks(const struct still_meta *meta, size_t *size);

#endif
