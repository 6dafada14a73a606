/* SPDX-License-Identifier: MIT */
/* What the passes over a graph share (specialise, rewrite, interpret); nobody outside src/graph/ needs it. */
#ifndef FM_GRAPH_EDIT_H
#define FM_GRAPH_EDIT_H

#include "graph/graph.h"

/* A value as a tensor: its type and shape, and its data where that is known. A value that is left out (-1) has dtype NONE. */
struct fm_tensor graph_tensor(const struct graph *graph, int value);
/* True when the value's type and every dimension are known. */
bool graph_shape_known(const struct graph_value *value);
bool graph_same_shape(const struct graph_value *a, const struct graph_value *b);
/* Bytes of a tensor of known shape; false when they do not fit size_t. */
bool graph_tensor_bytes(const struct fm_tensor *tensor, size_t *bytes);
/* True when the data lies as op_get_* needs it. */
bool graph_is_aligned(const struct fm_tensor *tensor);

/* Takes out the nodes that no graph output needs, and optional outputs that nobody reads; the order stays. */
int graph_drop_dead(struct graph *graph, struct fm_error *error);

/* Multiply-adds a node does per run; 0 for everything that is no convolution, product or normalisation. Saturates. */
int64_t graph_node_macs(const struct graph *graph, const struct graph_node *node);

/* What a rewrite has folded into a convolution, done on the convolution's plain result by the reference operators: the definition
 * of struct op_epilogue. `plain` is consumed (freed or handed on); slope and residual have dtype NONE where there is none. `out`
 * gets its shape and data from core_alloc. */
int graph_epilogue_apply(const struct op_epilogue *epilogue, struct fm_tensor *plain, const struct fm_tensor *slope,
                         const struct fm_tensor *residual, struct fm_tensor *out, struct fm_error *error);
/* True when a node carries an epilogue, so that op_conv_run alone is not its meaning. */
bool graph_is_fused(const struct graph_node *node);

#endif
