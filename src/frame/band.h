/* SPDX-License-Identifier: MIT */
/* A band: full-width rows of a picture as files hold them, samples interleaved. What readers fill and writers take. One thread at a
 * time; the memory grows and is kept for the next use. */
#ifndef FM_FRAME_BAND_H
#define FM_FRAME_BAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pixel_format {
    int channels; /* 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA */
    int bits;     /* 8 or 16 (in native byte order) */
};

static inline int pixel_colours(struct pixel_format f)
{
    return f.channels < 3 ? 1 : 3;
}
static inline bool pixel_has_alpha(struct pixel_format f)
{
    return f.channels == 2 || f.channels == 4;
}
static inline size_t pixel_bytes(struct pixel_format f)
{
    return (size_t) f.channels * (size_t) (f.bits / 8);
}

struct band {
    struct pixel_format format;
    int width;
    int y0, y1;      /* rows of the picture */
    uint8_t *data;   /* dense: width * pixel_bytes(format) bytes a row */
    size_t capacity; /* bytes */
};

/* Makes room for rows [y0, y1); contents undefined. FM_OK, or FM_ERR_NOMEM (the band is then empty). */
int band_reserve(struct band *b, struct pixel_format format, int width, int y0, int y1);
void band_release(struct band *b);

static inline size_t band_stride(const struct band *b)
{
    return (size_t) b->width * pixel_bytes(b->format);
}
static inline uint8_t *band_row(const struct band *b, int y)
{
    return b->data + (size_t) (y - b->y0) * band_stride(b);
}

#endif
