/* SPDX-License-Identifier: MIT */
#include "frame/window.h"

#include <assert.h>
#include <string.h>

#include "frame/memory.h"
#include "framemill/error.h"

int window_reserve(struct window *w, struct rect at, int channels)
{
    assert(at.w >= 0 && at.h >= 0 && channels >= 0);
    size_t floats, size;
    if (!core_mul_size((size_t) at.w, (size_t) at.h, &floats) || !core_mul_size(floats, (size_t) channels, &floats) ||
        !core_mul_size(floats, sizeof(float), &size)) {
        window_release(w);
        return FM_ERR_NOMEM;
    }
    if (floats > w->capacity) {
        window_release(w); /* before the new block, so that both are never held */
        w->data = frame_alloc(size);
        if (!w->data) return FM_ERR_NOMEM;
        w->capacity = floats;
    }
    w->at = at;
    w->channels = channels;
    return FM_OK;
}

void window_release(struct window *w)
{
    if (w->data) frame_free(w->data, w->capacity * sizeof(float));
    *w = (struct window){0};
}

void window_copy(struct window *to, const struct window *from, struct rect at)
{
    assert(to->channels == from->channels);
    if (rect_is_empty(at)) return;
    assert(rect_contains(to->at, at) && rect_contains(from->at, at));
    for (int c = 0; c < to->channels; c++)
        for (int y = at.y; y < at.y + at.h; y++)
            memcpy(window_row(to, c, y) + (at.x - to->at.x), window_row(from, c, y) + (at.x - from->at.x),
                (size_t) at.w * sizeof(float));
}
