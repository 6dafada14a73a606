/* SPDX-License-Identifier: MIT */
/* The tools of the rewriting passes. A pass changes nodes in place or takes them out, never moves one before its inputs, so the
 * order stays topological. A node that was taken out has no inputs and no outputs. */
#ifndef FM_GRAPH_REWRITE_H
#define FM_GRAPH_REWRITE_H

#include "graph/edit.h"
#include "graph/graph.h"

struct rewriter {
    struct graph *graph;
    struct fm_error *error;
    int rc;             /* FM_OK until memory is out; passes stop then */
    int *uses;          /* [capacity]: reads by nodes and graph outputs */
    uint8_t *is_output; /* [capacity] */
    int capacity;
    int *stack;         /* [n_nodes] */
    bool changed;
};

/* The passes, in the order in which they run. Each sets `changed` when it did something. */
void rewrite_widen(struct rewriter *r);    /* half floats become float32 (whole graph, once) */
void rewrite_simplify(struct rewriter *r); /* what does nothing goes, spelled-out operators get their names */
void rewrite_space(struct rewriter *r);    /* reshapes and slices that are SpaceToDepth or DepthToSpace */
void rewrite_affine(struct rewriter *r);   /* per-channel products and sums, batch norm and padding into convolutions */
void rewrite_fuse(struct rewriter *r);     /* activation, residual and shuffle into convolutions */

bool rewrite_alive(const struct graph_node *node);
/* The node that makes a value, or NULL (inputs, constants). */
struct graph_node *rewrite_producer(const struct rewriter *r, int value);
/* The only node that reads a value, once, when it is no graph output; else -1. */
int rewrite_single_user(const struct rewriter *r, int value);
void rewrite_set_in(struct rewriter *r, struct graph_node *node, int position, int value);
/* Takes a node out, and those before it that nobody reads any more. */
void rewrite_kill(struct rewriter *r, struct graph_node *node);
/* Takes out a node whose result equals x. False when a graph input or another output stands in the way. */
bool rewrite_bypass(struct rewriter *r, struct graph_node *node, int x);
/* `before` takes over the result of `after`, its only reader, which goes. */
void rewrite_absorb(struct rewriter *r, struct graph_node *before, struct graph_node *after);
/* Makes a node `op(x)` with one input. False, and nothing changed, when x has not the type and shape of the result. */
bool rewrite_unary(struct rewriter *r, struct graph_node *node, enum op_kind op, int x, float a, float b);
/* Gives a node a list of n inputs: the old ones, the rest left out. False when memory is out. */
bool rewrite_inputs(struct rewriter *r, struct graph_node *node, int n);
/* A new float32 constant over arena memory; -1 when memory is out. */
int rewrite_constant(struct rewriter *r, int rank, const int64_t *dim, const float *data);
float *rewrite_floats(struct rewriter *r, int64_t n);

/* ---- questions ---- */

/* A float constant with one element. */
bool rewrite_scalar(const struct rewriter *r, int value, double *number);
/* A small constant whose elements all equal `number`. */
bool rewrite_all(const struct rewriter *r, int value, float number);
/* A small integer constant; its elements in `to`, their number or -1. */
int rewrite_ints(const struct rewriter *r, int value, int max, int64_t *to);
/* A float32 constant that broadcasts over a value as one number per channel (axis 1). */
bool rewrite_is_per_channel(const struct rewriter *r, int constant, int value);
/* Its elements, `channels` of them. */
void rewrite_per_channel(const struct rewriter *r, int constant, int64_t channels, double *to);
/* The input of a two-input node that is not `value`; -1 when both are or none is. */
int rewrite_other(const struct graph_node *node, int value);
bool rewrite_same_type(const struct rewriter *r, int a, int b); /* dtype and shape, both known */

#endif
