/* SPDX-License-Identifier: MIT */
/* Which layers share a dispatch, and how a workgroup does them.
 *
 * A workgroup makes a tile of its last layer's result. It loads the tile's input, halo included, into workgroup memory once; each layer
 * reads it all into registers, waits, and writes its result over it, a pixel smaller on every side. So one block of memory serves all
 * layers of a group, at the price of halos that are computed twice. The groups of a network are those whose cost is least in sum. */
#ifndef FM_BACKEND_WEB_GROUPS_H
#define FM_BACKEND_WEB_GROUPS_H

#include "backend/web/layers.h"

#define WEB_STAGES_MAX 6
#define WEB_UNIT_BYTES 8 /* four halves: a vector of a pixel in workgroup memory and in buffers */

/* A layer within a group. A thread makes `run` pixels beside each other, and of their channels one share of `split`. */
struct web_stage {
    const struct web_layer *layer;
    int halo; /* pixels around the tile that it makes too */
    int w, h; /* tile and halo */
    int run, split;
    int runs_x; /* in a row; the last one may overlap the one before */
    int active; /* threads that have work */
};

struct web_group {
    int first, count;
    int tile_w, tile_h, threads;
    int planes;     /* vectors of its input that are in memory at a time */
    int rounds;     /* until all were */
    int halo, w, h; /* of its input */
    int units;      /* of workgroup memory */
    struct web_stage stage[WEB_STAGES_MAX];
    double cost; /* of an output pixel */
};

struct web_groups {
    struct web_group *group;
    int n;
};

/* FM_OK, or FM_ERR_UNSUPPORTED when a layer does not fit into workgroup memory, FM_ERR_NOMEM. The list lives in `arena`. */
int web_groups_choose(const struct web_layers *layers, const struct web_network *network, const char *source, struct arena *arena,
    struct web_groups *out, struct fm_error *error);

/* How far the exit reaches into the picture around its tile, and the rows and columns of the picture that lie below `size` pixels of
 * an enlarged one. */
#define WEB_EXIT_REACH 3
static inline int web_below(int size)
{
    return size + 2;
}

#endif
