/* SPDX-License-Identifier: MIT */
/* Which tiles of a frame need not be computed again: those whose input, halo included, is what it was in another frame, byte for
 * byte. */
#ifndef FM_CONVERT_CHANGES_H
#define FM_CONVERT_CHANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/threads.h"
#include "frame/bitmap.h"
#include "frame/video.h"

struct changes {
    struct video_format format;
    int width, height;
    int tile_w, tile_h, halo; /* pixels of the frame */
    unsigned planes;          /* bit p: plane p matters (1: luma only) */
    int columns, rows;        /* of tiles; the last may be smaller */
    int same;                 /* how many are */
    uint8_t *is_same;         /* [rows][columns], 0 or 1; after changes_find */
};

/* At first no tile is the same. Sizes at least 1. FM_OK or FM_ERR_NOMEM (`c` then holds nothing). */
int changes_make(struct changes *c, const struct video_format *format, int width, int height, int tile_w, int tile_h, int halo,
                 unsigned planes);
void changes_release(struct changes *c);

/* Compares two frames of the format and size. No tile is the same when either is NULL. For subsampled planes the window also
 * holds what the resampler of chroma reaches for. */
void changes_find(struct changes *c, struct pool *pool, uint32_t cpu_flags, const struct video_frame *before,
                  const struct video_frame *now);
void changes_none(struct changes *c); /* forgets: no tile is the same */

/* ---- pixel by pixel ---- */

/* Marks the samples of plane 0 that are not the same in two frames of one format and of the bitmap's size. */
void changes_pixels(const struct video_frame *before, const struct video_frame *now, struct bitmap *changed);
/* About which share of plane 0 is the same, eight pixels to either side included, from a look at few of its rows: a hundredth of the
 * work. */
double changes_guess(const struct video_frame *before, const struct video_frame *now);

static inline bool changes_is_same(const struct changes *c, int column, int row)
{
    return c->is_same[(size_t) row * (size_t) c->columns + (size_t) column];
}
static inline struct rect changes_tile(const struct changes *c, int column, int row)
{
    const int x = column * c->tile_w, y = row * c->tile_h;
    const int w = c->width - x < c->tile_w ? c->width - x : c->tile_w, h = c->height - y < c->tile_h ? c->height - y : c->tile_h;
    return (struct rect){x, y, w, h};
}

#endif
