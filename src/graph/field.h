/* SPDX-License-Identifier: MIT */
/* The receptive field of a network: which input pixels an output pixel depends on, and whether that is the same everywhere, so that
 * the network may be run on tiles with a halo. */
#ifndef FM_GRAPH_FIELD_H
#define FM_GRAPH_FIELD_H

#include <stdbool.h>
#include <stdint.h>

#include "graph/graph.h"

/* Of output 0 as a function of input 0. Axis 0 is y, axis 1 is x. Output pixel p of an axis depends on the input pixels from
 *     p * scale_den / scale_num + low   to   p * scale_den / scale_num + high     (both included, cut at the picture's edges)
 * and on nothing else, by a rule that is the same for every p when p * scale_den / scale_num is a multiple of `align`. */
struct graph_field {
    bool bounded;          /* false: see `reason`; the numbers below are not meaningful then, but macs and parameters are */
    char reason[256];      /* why not, with the node's name; "" when bounded */
    int spatial;           /* axes of the picture: 2, or 1 (3-D and others are never bounded) */
    int64_t scale_num[2], scale_den[2]; /* output size per input size, reduced */
    double low[2], high[2];
    int64_t
        halo; /* input pixels a tile needs beyond its own, on every side: the largest of -low and high over both axes, rounded up */
    int64_t align[2];      /* tiles start at input pixels that are multiples of this */
    int64_t delta[2];      /* output size minus input size * scale (0 for networks that keep their borders), rounded down */
    int64_t macs;          /* multiply-adds of one run at this size */
    int64_t parameters;    /* elements of float constants that nodes read */
};

/* Only for specialised graphs (rewritten or not; a rewritten one is understood better: reshapes that are pixel shuffles have their
 * name there). A crop by a number of pixels that follows from the size cannot be told from a fixed one at one size: callers that
 * tile ask at two sizes, and tile only when `low`, `high` and the scale agree. FM_OK or FM_ERR_NOMEM; an unbounded field is no
 * error. */
int graph_field(const struct graph *specialised, struct graph_field *out);

#endif
