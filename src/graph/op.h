/* SPDX-License-Identifier: MIT */
/* Operators: one shape rule and one reference implementation each. The reference is the definition; fast paths are tested
 * against it. Pure functions of their arguments; any thread. */
#ifndef FM_GRAPH_OP_H
#define FM_GRAPH_OP_H

#include "graph/graph.h"

struct op_def {
    const char *name;   /* "Conv" */
    int min_in, max_in, min_out, max_out;
    /* Given the inputs (dtype NONE: left out; data NULL: not known yet; known data is aligned to its element), fills dtype, rank and
     * dim of every output. May write resolved values back into node->p (auto_pad -> pads).
     *   FM_OK          done
     *   FM_ERR_AGAIN   the shape depends on data that is not known yet: out[k].rank is -1 (dtype filled where it is known)
     *   others         the inputs do not fit: error filled, without the node's name (callers prefix it) */
    int (*shape)(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error);
    /* All inputs have data; outputs have dtype, shape and data (n_out slots; data NULL where the output is not wanted). */
    int (*run)(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error);
};

const struct op_def *op_def(enum op_kind op);
/* Index by ONNX name ("Conv"), or -1. */
int op_find(const char *name);

/* Pads of a window for a given input size (auto_pad resolved, window->auto_pad becomes NOTSET); transposed convolutions resolve
 * theirs in their own rule. */
void op_window_resolve(struct op_window *window, const int64_t *in_size);
/* Output size along one axis, or -1 when the window does not fit. */
int64_t op_window_output(const struct op_window *window, int axis, int64_t in_size, bool ceil_mode);

/* Reading and writing elements of any type: floats through double, integers through int64 (u64: same bits). */
double op_get_f(const struct fm_tensor *t, int64_t index);
void op_set_f(struct fm_tensor *t, int64_t index, double value);   /* rounds to the type; integers truncate toward zero, saturating */
int64_t op_get_i(const struct fm_tensor *t, int64_t index);        /* floats truncate */
void op_set_i(struct fm_tensor *t, int64_t index, int64_t value);  /* integers wrap */
bool op_is_float(enum fm_dtype dtype);
bool op_is_unsigned(enum fm_dtype dtype);

/* Copies `count` elements starting at `first` of a maybe unaligned array of any float (or integer) type as float32. */
void op_read_f32(float *to, enum fm_dtype dtype, const void *data, int64_t first, int64_t count);

/* ONNX broadcasting of two shapes into out (rank and dim); false when they do not fit. */
bool op_broadcast(const struct fm_tensor *a, const struct fm_tensor *b, struct fm_tensor *out);
/* axis in [-rank, rank) -> [0, rank), or -1. */
int op_axis(int64_t axis, int rank);

#define OP_DECLARE(family) \
    int op_##family##_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error); \
    int op_##family##_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)

OP_DECLARE(unary); OP_DECLARE(cast); OP_DECLARE(clip); OP_DECLARE(dropout); OP_DECLARE(binary); OP_DECLARE(variadic); OP_DECLARE(where);
OP_DECLARE(conv); OP_DECLARE(conv_transpose); OP_DECLARE(pool); OP_DECLARE(global_pool);
OP_DECLARE(batch_norm); OP_DECLARE(instance_norm); OP_DECLARE(layer_norm); OP_DECLARE(group_norm);
OP_DECLARE(concat); OP_DECLARE(split); OP_DECLARE(slice); OP_DECLARE(pad); OP_DECLARE(resize);
OP_DECLARE(depth_to_space); OP_DECLARE(space_to_depth); OP_DECLARE(transpose); OP_DECLARE(reshape); OP_DECLARE(flatten);
OP_DECLARE(squeeze); OP_DECLARE(unsqueeze); OP_DECLARE(expand); OP_DECLARE(tile);
OP_DECLARE(gather); OP_DECLARE(gather_elements); OP_DECLARE(gather_nd); OP_DECLARE(scatter_nd); OP_DECLARE(trilu);
OP_DECLARE(reduce); OP_DECLARE(arg); OP_DECLARE(top_k); OP_DECLARE(nms); OP_DECLARE(cum_sum); OP_DECLARE(softmax);
OP_DECLARE(matmul); OP_DECLARE(gemm); OP_DECLARE(einsum);
OP_DECLARE(shape); OP_DECLARE(size); OP_DECLARE(range); OP_DECLARE(constant_of_shape); OP_DECLARE(dequantize_linear); OP_DECLARE(if);

#endif
