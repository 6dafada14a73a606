/* SPDX-License-Identifier: MIT */
#include "tasks/upscale/stage.h"

struct feather_axis feather_axis(int size, int tile, int overlap)
{
    struct feather_axis a = {.size = size, .tile = tile < size ? tile : size, .overlap = overlap};
    if (a.overlap > a.tile / 2) a.overlap = a.tile / 2; /* no more than two pieces meet anywhere on an axis */
    a.piece = a.tile + 2 * a.overlap < size ? a.tile + 2 * a.overlap : size;
    a.count = (size + a.tile - 1) / a.tile;
    return a;
}

int feather_origin(const struct feather_axis *a, int index)
{
    const int wanted = index * a->tile - a->overlap;
    return wanted < 0 ? 0 : wanted > a->size - a->piece ? a->size - a->piece : wanted;
}

/* The weight of piece `index` at output pixel x: 1 in its middle, falling linearly to 0 across the borders it has inside the picture. */
static float weight(const struct feather_axis *a, int index, int scale, int x)
{
    const int first = index * a->tile * scale, last = (index + 1) * a->tile * scale, o = a->overlap * scale;
    float w = 1;
    if (index > 0) {
        if (x < first - o) return 0;
        if (x < first + o) w = ((float) (x - (first - o)) + 0.5f) / (float) (2 * o);
    }
    if (index + 1 < a->count) {
        if (x >= last + o) return 0;
        if (x >= last - o) w = 1 - ((float) (x - (last - o)) + 0.5f) / (float) (2 * o);
    }
    return w;
}

void feather_add(const struct feather_axis *ax, const struct feather_axis *ay, int column, int row, int scale,
    const struct window *piece, struct window *out)
{
    for (int c = 0; c < piece->channels; c++)
        for (int y = piece->at.y; y < piece->at.y + piece->at.h; y++) {
            const float wy = weight(ay, row, scale, y);
            if (wy <= 0) continue;
            const float *from = window_row(piece, c, y);
            float *to = window_row(out, c, y) + (piece->at.x - out->at.x);
            for (int x = 0; x < piece->at.w; x++) to[x] += wy * weight(ax, column, scale, piece->at.x + x) * from[x];
        }
}
