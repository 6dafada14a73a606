/* SPDX-License-Identifier: MIT */
/* What shape rules and reference code share: checked outputs, small integer inputs, strided walks. For src/graph/op_*.c only.
 * Pure functions; any thread. */
#ifndef FM_GRAPH_OP_UTIL_H
#define FM_GRAPH_OP_UTIL_H

#include "core/error.h"
#include "graph/op.h"

/* Input k, or NULL when it was left out. */
const struct fm_tensor *op_input(const struct graph_node *node, const struct fm_tensor *in, int k);
/* True when the elements can be read (an empty tensor needs no storage). */
bool op_is_known(const struct fm_tensor *t);
/* Starts a rule: inputs 0 .. required - 1 must be there (FM_ERR_FORMAT), all outputs get the dtype and rank -1, and FM_ERR_AGAIN
 * is the answer when an input's shape is still open. */
int op_begin(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, int required, enum fm_dtype dtype,
             struct fm_error *error);
/* Sets dtype and shape after checking that the rank is allowed, no size is negative and the bytes can be counted. */
int op_output(struct fm_tensor *out, enum fm_dtype dtype, int rank, const int64_t *dim, struct fm_error *error);
/* FM_ERR_UNSUPPORTED naming the type unless `held`. */
int op_need_type(bool held, const struct fm_tensor *t, struct fm_error *error);
/* Reads a known integer tensor of rank 0 or 1 with at most FM_MAX_RANK * 2 elements; `what` names it in messages. */
int op_ints(const struct fm_tensor *t, const char *what, int64_t *to, int *n, struct fm_error *error);
/* The same, for exactly one element. */
int op_int(const struct fm_tensor *t, const char *what, int64_t *to, struct fm_error *error);
/* Resolves a list of axes against a rank; range and doubles are checked. */
int op_axes(const int64_t *axes, int n, int rank, int *to, struct fm_error *error);
int op_axis_checked(int64_t axis, int rank, int *to, struct fm_error *error);

/* "2x3x4" of a shape, for messages; returns `text`. */
#define OP_SHAPE_TEXT 200
const char *op_shape_text(const struct fm_tensor *t, char text[OP_SHAPE_TEXT]);

/* Row-major strides in elements. */
void op_strides(const struct fm_tensor *t, int64_t stride[FM_MAX_RANK]);
/* Strides of t walked along out's shape: 0 where t is broadcast. t's rank is at most out's. */
void op_broadcast_strides(const struct fm_tensor *t, const struct fm_tensor *out, int64_t stride[FM_MAX_RANK]);

/* Walks a row-major output row by row; a row is the innermost axis after neighbouring axes that all the walked arrays cross
 * evenly have been merged. offset[k] is the place of the row's first element in array k, step[k] the distance to the next one.
 *
 *     struct op_walk w; op_walk_start(&w, out, n, stride);
 *     do { for (i = 0; i < w.length; i++) use(a[w.offset[0] + i * w.step[0]]); } while (op_walk_next(&w));
 *
 * Not for empty outputs. */
#define OP_WALK_MAX 4
struct op_walk {
    int n, rank;
    int64_t length, row;  /* elements in a row; index of the row's first element in the output */
    int64_t offset[OP_WALK_MAX], step[OP_WALK_MAX];
    int64_t dim[FM_MAX_RANK], at[FM_MAX_RANK], stride[OP_WALK_MAX][FM_MAX_RANK];
};
void op_walk_start(struct op_walk *walk, int rank, const int64_t *dim, int n, const int64_t stride[][FM_MAX_RANK]);
bool op_walk_next(struct op_walk *walk);

/* to[0..n) = from[i * step] for elements of 1, 2, 4 or 8 bytes. */
void op_copy_row(void *to, const void *from, int64_t step, int64_t n, size_t size);
/* Fills a dense row-major block of shape dim[rank] at `to` from `from` walked with `stride` (elements, maybe negative or 0). */
void op_copy_strided(void *to, const void *from, size_t size, int rank, const int64_t *dim, const int64_t *stride);

#endif
