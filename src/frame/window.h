/* SPDX-License-Identifier: MIT */
/* A window: a rectangle of a picture held as float planes, the form in which pictures are computed on. Samples are in [0, 1] for
 * pictures (networks may overshoot). Grey pictures have one colour channel, others three (R, G, B); alpha travels in a window of
 * its own. One thread at a time writes a window; the memory grows and is kept for the next use. */
#ifndef FM_FRAME_WINDOW_H
#define FM_FRAME_WINDOW_H

#include <stddef.h>

#include "frame/rect.h"

struct window {
    struct rect at;  /* which pixels of its picture */
    int channels;
    float *data;     /* [channels][at.h][at.w], dense */
    size_t capacity; /* floats that fit */
};

/* Makes `w` hold `channels` planes of `at`; contents undefined. FM_OK, or FM_ERR_NOMEM (the window is then empty). */
int window_reserve(struct window *w, struct rect at, int channels);
void window_release(struct window *w);

/* Copies the pixels of `at` (which both hold, with the same number of channels). */
void window_copy(struct window *to, const struct window *from, struct rect at);

static inline float *window_row(const struct window *w, int channel, int y)
{
    return w->data + ((size_t) channel * (size_t) w->at.h + (size_t) (y - w->at.y)) * (size_t) w->at.w;
}
static inline size_t window_plane(const struct window *w)
{
    return (size_t) w->at.w * (size_t) w->at.h;
}

#endif
