/* SPDX-License-Identifier: MIT */
#include "frame/band.h"

#include <assert.h>

#include "frame/memory.h"
#include "framemill/error.h"

int band_reserve(struct band *b, struct pixel_format format, int width, int y0, int y1)
{
    assert(width >= 0 && y0 <= y1);
    size_t size;
    if (!core_mul_size((size_t) width, pixel_bytes(format), &size) ||
        !core_mul_size(size, (size_t) ((int64_t) y1 - (int64_t) y0), &size)) {
        band_release(b);
        return FM_ERR_NOMEM;
    }
    if (size > b->capacity) {
        band_release(b); /* before the new block, so that both are never held */
        b->data = frame_alloc(size);
        if (!b->data) return FM_ERR_NOMEM;
        b->capacity = size;
    }
    b->format = format;
    b->width = width;
    b->y0 = y0;
    b->y1 = y1;
    return FM_OK;
}

void band_release(struct band *b)
{
    if (b->data) frame_free(b->data, b->capacity);
    *b = (struct band){0};
}
