/* SPDX-License-Identifier: MIT */
/* From what libvips loads to what is delivered: 8 or 16 bits, grey or RGB, straight alpha. */
#ifndef FM_MEDIA_STILL_COLOUR_H
#define FM_MEDIA_STILL_COLOUR_H

#include "media/still.h"
#include "media/vips_load.h"

/* A new reference in *out to a picture of the format in info->format, computed on demand from `in` (which is kept by it). Adds
 * what was changed to info->note. FM_ERR_UNSUPPORTED: other samples, other channels. `path` is for messages. */
int still_colour(VipsImage *in, const char *path, VipsImage **out, struct still_info *info, struct fm_error *error);

/* For formats that know RGB only: a grey picture becomes RGB, by its profile when it has one. Takes the reference *image and gives
 * another; on failure it is as it was. */
int still_colour_grey_to_rgb(VipsImage **image);

/* Adds a remark, apart by "; ". */
void still_note(struct still_info *info, const char *text);

#endif
