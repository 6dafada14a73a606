/* SPDX-License-Identifier: MIT */
/* What the numeric operators share beyond op_util.h: rows of elements as double, scratch memory, windows laid out over three axes.
 * Pure functions; any thread. */
#ifndef FM_GRAPH_OP_TOOLS_H
#define FM_GRAPH_OP_TOOLS_H

#include "graph/op_util.h"

/* True when the optional input k was given and holds at least one element. */
bool op_filled(const struct graph_node *node, const struct fm_tensor *in, int k);
/* Product of dim[first .. last). Only where the whole count is known to fit and not to be 0, or no dimension there is large. */
int64_t op_span(const struct fm_tensor *t, int first, int last);

/* Elements [first, first + count) of any type as double, and back (rounded to the tensor's type as op_set_f does). */
void op_load_f64(const struct fm_tensor *t, int64_t first, int64_t count, double *to);
void op_store_f64(struct fm_tensor *t, int64_t first, int64_t count, const double *from);
/* The whole tensor as double, at least one element long; NULL (error filled) when memory is out. Freed with core_free. */
double *op_copy_f64(const struct fm_tensor *t, struct fm_error *error);
/* An array of count (>= 0) elements from core_alloc, never of zero bytes; NULL (error filled) when memory is out. */
void *op_scratch(int64_t count, size_t size, struct fm_error *error);

/* Checks a window of a file against an input [N][C][spatial...]: rank, signs and magnitudes (below 2^30, so that sums and products
 * of two cannot overflow). A kernel size of 0 is taken from `weights` (may be NULL). */
int op_window_check(struct op_window *window, const struct fm_tensor *x, const struct fm_tensor *weights, bool crop_allowed,
                    struct fm_error *error);

/* A window over exactly three axes: missing outer axes have size 1. */
struct op_window3 {
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3], pad[3], pad_end[3];
    int64_t in_volume, out_volume, kernel_volume;
};
void op_window3_make(struct op_window3 *w, const struct op_window *window, const struct fm_tensor *x, const struct fm_tensor *y);

#endif
