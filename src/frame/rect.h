/* SPDX-License-Identifier: MIT */
/* A rectangle of pixels: columns [x, x + w), rows [y, y + h) of a picture. Plain values; any thread. */
#ifndef FM_FRAME_RECT_H
#define FM_FRAME_RECT_H

#include <stdbool.h>
#include <stddef.h>

struct rect {
    int x, y, w, h;
};

static inline bool rect_is_empty(struct rect r)
{
    return r.w <= 0 || r.h <= 0;
}

static inline struct rect rect_whole(int width, int height)
{
    return (struct rect){0, 0, width, height};
}

static inline bool rect_contains(struct rect outer, struct rect inner)
{
    return inner.x >= outer.x && inner.y >= outer.y && inner.x + inner.w <= outer.x + outer.w &&
           inner.y + inner.h <= outer.y + outer.h;
}

/* Grown by `by` pixels on every side, cut at the edges of a width x height picture. */
static inline struct rect rect_grow(struct rect r, int by, int width, int height)
{
    const int x0 = r.x > by ? r.x - by : 0, y0 = r.y > by ? r.y - by : 0;
    const int x1 = r.x + r.w < width - by ? r.x + r.w + by : width, y1 = r.y + r.h < height - by ? r.y + r.h + by : height;
    return (struct rect){x0, y0, x1 - x0, y1 - y0};
}

/* The smallest rectangle around both; an empty one adds nothing. */
static inline struct rect rect_around(struct rect a, struct rect b)
{
    if (rect_is_empty(a)) return b;
    if (rect_is_empty(b)) return a;
    const int x0 = a.x < b.x ? a.x : b.x, y0 = a.y < b.y ? a.y : b.y;
    const int ax1 = a.x + a.w, bx1 = b.x + b.w, ay1 = a.y + a.h, by1 = b.y + b.h;
    return (struct rect){x0, y0, (ax1 > bx1 ? ax1 : bx1) - x0, (ay1 > by1 ? ay1 : by1) - y0};
}

#endif
