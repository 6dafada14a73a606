/* SPDX-License-Identifier: MIT */
/* Public pictures: their memory and what is asked of them at the door. */
#ifndef FM_FRAME_PICTURE_H
#define FM_FRAME_PICTURE_H

#include <stdint.h>

#include "frame/band.h"
#include "framemill/picture.h"

#define PICTURE_SIDE_MAX (1 << 24)

/* fm_picture_create and fm_picture_destroy. */
int picture_create(int width, int height, struct pixel_format format, struct fm_picture *out, struct fm_error *error);
void picture_destroy(struct fm_picture *picture);

/* Is this a picture that can be read or written? `what` begins the message: "fm_upscale_picture". */
int picture_check(const struct fm_picture *picture, const char *what, struct fm_error *error);

static inline struct pixel_format picture_format(const struct fm_picture *p)
{
    return (struct pixel_format){p->channels, p->bits};
}
/* Bytes of a row's samples. */
static inline size_t picture_row_bytes(const struct fm_picture *p)
{
    return (size_t) p->width * pixel_bytes(picture_format(p));
}
static inline uint8_t *picture_row(const struct fm_picture *p, int y)
{
    return (uint8_t *) p->data + (size_t) y * p->stride;
}
static inline bool picture_is_dense(const struct fm_picture *p)
{
    return p->stride == picture_row_bytes(p);
}
/* All of a dense picture as a band, which must not be released or reserved. */
static inline struct band picture_band(const struct fm_picture *p)
{
    return (struct band){.format = picture_format(p), .width = p->width, .y1 = p->height, .data = p->data};
}
/* Rows [y0, y1) into a band of their own. FM_OK or FM_ERR_NOMEM. */
int picture_copy_rows(const struct fm_picture *p, int y0, int y1, struct band *to);

#endif
