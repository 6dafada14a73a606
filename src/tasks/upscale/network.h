/* SPDX-License-Identifier: MIT */
/* A network that enlarges pictures, understood: what it wants to be fed and what comes out. What its metadata do not say is found by
 * probing, and said. Immutable once open; any thread. */
#ifndef FM_TASKS_UPSCALE_NETWORK_H
#define FM_TASKS_UPSCALE_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/threads.h"
#include "graph/graph.h"
#include "session/session.h"

enum network_colour { NETWORK_LUMA, NETWORK_RGB, NETWORK_BGR };
enum network_range { NETWORK_0_1, NETWORK_0_255, NETWORK_1_1 /* -1 .. 1 */ };

struct network {
    struct graph *graph;
    char name[128];     /* "realesr-animevideov3-x2" */
    int scale;          /* output = scale * frame - shrink, on both axes */
    int shrink;
    int pad;            /* pixels put around a picture so that the output covers all of it */
    int crop;           /* output pixels before the picture's first */
    int multiple;       /* frames must be a multiple of this wide and high */
    enum network_colour colour;
    enum network_range range;
    bool enlarged_first; /* it works on the picture already enlarged bilinearly, at any ratio; scale is 1 */
    bool studio;        /* luma in BT.601 studio levels (16..235) rather than full */
    char said[256];     /* what was found by probing, for people; "" when the metadata said it all */
};

/* Opens and understands. FM_ERR_UNSUPPORTED when it is no network of one picture in and a larger (or equal) one out. */
int network_open(const char *path, struct pool *pool, uint32_t cpu_flags, struct network **out, struct fm_error *error);
/* The same for a graph that was imported already, which is the network's from here on, also on failure. */
int network_understand(struct graph *graph, const char *path, struct pool *pool, uint32_t cpu_flags, struct network **out, struct fm_error *error);
void network_close(struct network **network); /* accepts NULL contents, sets NULL */

static inline int network_channels(const struct network *n)
{
    return n->colour == NETWORK_LUMA ? 1 : 3;
}
/* The frame fed to the network for a picture side of `size`. */
static inline int network_frame(const struct network *n, int size)
{
    return (size + 2 * n->pad + n->multiple - 1) / n->multiple * n->multiple;
}
/* The input tensor for a frame. */
struct fm_tensor network_input(const struct network *n, int width, int height);

#endif
