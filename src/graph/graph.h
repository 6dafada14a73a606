/* SPDX-License-Identifier: MIT */
/* The graph: a network as a list of typed operators over values. Importers make it, graph_specialise fixes its sizes and folds
 * what is constant, rewrites fuse it, plans are made from it.
 *
 *     importer -> graph (sizes open) -> graph_specialise (sizes known) -> graph_rewrite (fused) -> plan
 *
 * A graph lives in one arena with everything it points to; constants may point into a mapped file that the arena keeps open.
 * Built by one thread; immutable and shareable once built. */
#ifndef FM_GRAPH_GRAPH_H
#define FM_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "framemill/error.h"
#include "framemill/tensor.h"

#define GRAPH_SPATIAL_MAX 3

enum op_kind {
#define OP(name, text, family, min_in, max_in, min_out, max_out, params) OP_##name,
#include "graph/ops.def"
#undef OP
    OP_COUNT
};

enum op_auto_pad { AUTO_PAD_NOTSET, AUTO_PAD_SAME_UPPER, AUTO_PAD_SAME_LOWER, AUTO_PAD_VALID };
enum op_pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP };
enum op_resize_mode { RESIZE_NEAREST, RESIZE_LINEAR, RESIZE_CUBIC };
enum op_coordinates {
    COORD_HALF_PIXEL, COORD_HALF_PIXEL_SYMMETRIC, COORD_PYTORCH_HALF_PIXEL, COORD_ALIGN_CORNERS, COORD_ASYMMETRIC,
    COORD_TF_HALF_PIXEL_FOR_NN, COORD_TF_CROP_AND_RESIZE
};
enum op_nearest { NEAREST_ROUND_PREFER_FLOOR, NEAREST_ROUND_PREFER_CEIL, NEAREST_FLOOR, NEAREST_CEIL };
enum op_aspect { ASPECT_STRETCH, ASPECT_NOT_LARGER, ASPECT_NOT_SMALLER };
enum op_reduction { REDUCTION_NONE, REDUCTION_ADD, REDUCTION_MUL, REDUCTION_MIN, REDUCTION_MAX };

/* What a rewrite has folded into a convolution: y = shuffle(act(conv + bias [+ residual]) [+ residual]) */
enum op_activation { ACT_NONE, ACT_RELU, ACT_LEAKY_RELU, ACT_PRELU, ACT_CLIP, ACT_SILU, ACT_SIGMOID, ACT_TANH, ACT_HARD_SWISH,
                     ACT_HARD_SIGMOID, ACT_MISH, ACT_GELU, ACT_ELU, ACT_COUNT };
struct op_epilogue {
    enum op_activation act;
    float a, b;                /* leaky: a = slope; clip: a = low, b = high; hard_*: a * x + b; gelu: a = 1 for tanh; elu: a */
    bool residual_before_act;  /* the residual (input 4, same shape as the convolution's own output) is added before act */
    int shuffle;               /* 0 or 1: none; r: DepthToSpace by r on the result */
    bool shuffle_crd;          /* its mode (false: DCR) */
};

struct op_window { /* of convolutions and pools, axes outer to inner (2-D: y, x) */
    int n;         /* spatial axes: 1, 2 or 3 */
    int64_t kernel[GRAPH_SPATIAL_MAX];
    int64_t stride[GRAPH_SPATIAL_MAX];
    int64_t dilation[GRAPH_SPATIAL_MAX];
    int64_t pad_begin[GRAPH_SPATIAL_MAX], pad_end[GRAPH_SPATIAL_MAX]; /* may be negative (crop) only for transposed convolutions */
    enum op_auto_pad auto_pad; /* resolved to pads by the shape rule of a specialised graph (op_window_resolve) */
};

union op_params {
    struct { float a, b; } scalar;
    struct { enum fm_dtype to; } cast;
    struct {
        struct op_window window;
        int64_t group;
        int64_t output_pad[GRAPH_SPATIAL_MAX];                /* transposed only */
        bool has_output_shape;
        int64_t output_shape[GRAPH_SPATIAL_MAX];              /* transposed only */
        struct op_epilogue epilogue;                          /* set by rewrites only */
    } conv;
    struct {
        struct op_window window;
        bool ceil_mode, count_include_pad, column_major;      /* column_major: storage_order of MaxPool's indices */
        bool ncnn_full; /* ncnn's pad_mode 0 tail: windows may hang over, never start in padding */
    } pool;
    struct {
        float epsilon, momentum;
        int64_t axis, groups;
        bool training;
        bool per_group_scale;                                 /* GroupNormalization 18..20: scale and bias per group */
    } norm;
    struct { int64_t axis, a; bool flag; } axis;
    struct { enum op_pad_mode mode; } pad;
    struct {
        enum op_resize_mode mode;
        enum op_coordinates coordinates;
        enum op_nearest nearest;
        enum op_aspect aspect;
        float cubic_a, extrapolation;
        bool antialias, exclude_outside;
        int n_axes; /* 0: all axes */
        int64_t axes[FM_MAX_RANK];
    } resize;
    struct { int64_t size; bool crd; } block; /* DepthToSpace, SpaceToDepth; crd: DepthToSpace mode CRD */
    struct { int n; int64_t perm[FM_MAX_RANK]; } perm; /* n = 0: reverse all */
    struct {
        int64_t axis;
        bool keep_dims, no_op_if_no_axes; /* reductions */
        bool select_last;                 /* ArgMax, ArgMin */
        bool largest, sorted;             /* TopK */
        bool exclusive, reverse;          /* CumSum */
    } reduce;
    struct { float alpha, beta; bool trans_a, trans_b; } gemm;
    struct { const char *equation; } einsum;
    struct { int64_t start, end; bool has_end; } range; /* Shape's slice */
    struct { enum fm_dtype dtype; uint8_t bytes[8]; } fill; /* ConstantOfShape: one element */
    struct { struct graph_branch *then_branch, *else_branch; } branch;
};

struct graph_value {
    const char *name;   /* as in the file; "" when made by us */
    enum fm_dtype dtype; /* FM_DTYPE_NONE: not known yet */
    int rank;           /* -1: not known yet */
    int64_t dim[FM_MAX_RANK]; /* -1: open */
    const char *dim_name[FM_MAX_RANK]; /* graph inputs: the symbol of an open dimension, or NULL */
    const void *data;   /* a constant's elements (row-major, little endian, maybe unaligned), else NULL */
    int producer;       /* index of the node that makes it; -1: graph input or constant */
};

struct graph_node {
    enum op_kind op;
    const char *name; /* the file's name for it, "" if none */
    const char *type; /* the file's operator name, for messages ("Swish", "LayerNormalization") */
    int n_in, n_out;
    int *in;  /* value indices; -1: optional input left out */
    int *out; /* value indices; -1: output not wanted */
    union op_params p;
};

/* The body of an If: its nodes use the values of the same graph (names were resolved by the importer). */
struct graph_branch {
    struct graph_node *node; /* topological order */
    int n_nodes;
    int *output; /* value indices, as many as the If has outputs */
    int n_outputs;
};

struct graph_meta { const char *key, *value; };

struct packs;

struct graph {
    struct arena *arena;
    struct packs *packs; /* packs.h; shared with what is specialised from it */
    const char *source; /* file it came from, for messages */
    const char *format; /* "ONNX opset 17", "ncnn" */
    struct graph_value *value; int n_values, cap_values;
    struct graph_node *node; int n_nodes, cap_nodes; /* topological order */
    int *input; int n_inputs;
    int *output; int n_outputs;
    struct graph_meta *meta; int n_meta;
};

/* The builder: used by importers and rewrites. All return an index >= 0 or FM_ERR_NOMEM. */
struct graph *graph_create(void);        /* with an arena of its own; NULL when memory is out */
void graph_destroy(struct graph **graph); /* accepts NULL contents, sets NULL */
int graph_add_value(struct graph *graph, const char *name); /* open dtype and shape; name is copied */
/* A constant; `data` is not copied and must live as long as the arena (a mapped file, arena memory). */
int graph_add_constant(struct graph *graph, const char *name, enum fm_dtype dtype, int rank, const int64_t *dim, const void *data);
/* Small int64 / float constants made by importers; elements are copied. graph_add_i64s: rank 1. graph_add_f32: a scalar */
int graph_add_i64s(struct graph *graph, int n, const int64_t *element);
int graph_add_f32s(struct graph *graph, int n, const float *element);
int graph_add_f32(struct graph *graph, float element);
/* Appends a node with room for n_in / n_out indices, all -1; params cleared. type and name are copied. Sets the producer of
 * outputs when graph_set_output is used. */
int graph_add_node(struct graph *graph, enum op_kind op, const char *type, const char *name, int n_in, int n_out);
void graph_set_output(struct graph *graph, int node, int position, int value);
/* Moves the nodes from `first_node` to the last out of the graph into the body of an If. Importers add the If's own node after it.
 * NULL when memory is out. */
struct graph_branch *graph_cut_branch(struct graph *graph, int first_node, int n_outputs, const int *output);

/* True when every input the node needs is a constant. */
bool graph_is_constant(const struct graph *graph, int value);
/* Checks that indices are in range, nodes are in topological order, arities fit ops.def and every output is produced. */
int graph_check(const struct graph *graph, struct fm_error *error);

/* Makes a copy with all sizes fixed: shapes inferred from the given inputs (n_inputs tensors, data ignored), everything constant
 * folded, If with a constant condition replaced by its branch, dead nodes dropped, auto_pad resolved. Values whose shape depends
 * on data (NonMaxSuppression and what follows) keep rank -1 or open dims. The result shares constants with `graph`, which must
 * outlive it. FM_ERR_SHAPE / FM_ERR_UNSUPPORTED name the node. */
int graph_specialise(const struct graph *graph, const struct fm_tensor *inputs, struct graph **out, struct fm_error *error);

/* Fuses in place: batch norm into convolutions, x * sigmoid(x) into Silu, bias / activation / residual / clip / pixel shuffle
 * into the producing convolution, constants into constants; drops identities and dead nodes. Results stay the same up to
 * rounding. Only for specialised graphs. */
int graph_rewrite(struct graph *graph, struct fm_error *error);

/* Runs a specialised graph, rewritten or not, node by node with the reference code: slow, exact, allocates as it goes. inputs: as
 * many as the graph has.
 * outputs[k]: filled in; data comes from core_alloc and belongs to the caller. */
int graph_interpret(const struct graph *graph, const struct fm_tensor *inputs, struct fm_tensor *outputs, struct fm_error *error);

#endif
