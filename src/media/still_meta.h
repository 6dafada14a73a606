/* SPDX-License-Identifier: MIT */
/* What travels with a picture beside its pixels: a VipsImage without pixels that holds profile, EXIF, XMP, IPTC, comments and the
 * resolution. Never changed once made, so any thread may copy from it. */
#ifndef FM_MEDIA_STILL_META_H
#define FM_MEDIA_STILL_META_H

#include "media/still.h"
#include "media/vips_load.h"

/* Takes what is worth keeping from a picture as loaded; the orientation is dropped (rows are delivered upright), and when `turned` the
 * thumbnail too, which would lie on its side. FM_OK or FM_ERR_NOMEM. */
int still_meta_create(VipsImage *from, bool turned, struct still_meta **out);
struct still_meta *still_meta_ref(struct still_meta *meta);
/* Gives it to a picture that is about to be written. */
void still_meta_apply(const struct still_meta *meta, VipsImage *to);
/* Pixels a millimetre, 1 when nothing is known. */
void still_meta_resolution(const struct still_meta *meta, double *x, double *y);

#endif
