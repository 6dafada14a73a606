/* SPDX-License-Identifier: MIT */
/* The inside of the ONNX importer: what the walk over the file (onnx_import.c) and the rules that lower single operators
 * (onnx_rules_*.c) share. One thread at a time.
 *
 *     model -> scope (names of one body) -> node -> rule -> one or more graph nodes
 *
 * Rules read attributes through the accessors below. The first fault is kept in op->rc and makes everything after it do nothing,
 * so that a rule reads as a plain list of what it wants. */
#ifndef FM_MODEL_ONNX_IMPORT_H
#define FM_MODEL_ONNX_IMPORT_H

#include "graph/graph.h"
#include "model/onnx_proto.h"
#include "model/onnx_tensor.h"

#define ONNX_OPSET_MIN 7
#define ONNX_OPSET_MAX 27 /* newest opset whose operators' forms were looked at */
#define ONNX_NESTING_MAX 24 /* subgraphs in subgraphs, functions in functions */

struct onnx_function {
    struct onnx_view name, domain, overload, body;
    struct onnx_function *next;
};

struct onnx_import {
    struct onnx_file file;
    struct graph *graph;
    struct onnx_function *function;
    struct onnx_opset *opset; /* of the model */
    int n_opsets, depth;
    size_t memory_max; /* of what the network may expand to */
};

struct onnx_name { struct onnx_view name; int value; }; /* value -1: a left-out input of a function */

/* The names of one body: a graph, a branch (which sees its parent's), a function (which does not). */
struct onnx_scope {
    struct onnx_scope *parent;
    struct onnx_name *slot; /* open addressing; name.at NULL: free */
    size_t n_slots, n_used; /* n_slots: a power of two */
    const struct onnx_opset *opset;
    int n_opsets;
    const struct onnx_view *function; /* the body of the function this is in, else NULL */
    struct onnx_node *call;           /* and the node that calls it */
};

/* 0, or an error: a name already there, memory. */
int onnx_scope_add(struct onnx_import *import, struct onnx_scope *scope, struct onnx_view name, int value);
const struct onnx_name *onnx_scope_find(const struct onnx_scope *scope, struct onnx_view name); /* parents too; NULL: unknown */
/* Version of a domain in a scope, 0 when it is not imported. */
int64_t onnx_scope_opset(const struct onnx_scope *scope, struct onnx_view domain);

struct onnx_rule;

struct onnx_op { /* a node that is being lowered */
    struct onnx_import *import;
    struct onnx_scope *scope;
    struct onnx_node *node;
    const struct onnx_rule *rule;
    int version;   /* opset of its domain */
    int n_in, *in; /* values; -1: left out; trailing left-out ones are cut off */
    int rc;
    union op_params dummy; /* what parameters are written to after a fault */
};

struct onnx_rule {
    const char *name;
    enum op_kind kind;
    void (*lower)(struct onnx_op *op);
};

extern const struct onnx_rule onnx_rules_plain[], onnx_rules_window[], onnx_rules_layout[], onnx_rules_reduce[], onnx_rules_shape[],
    onnx_rules_microsoft[]; /* ended by a NULL name */

/* Lowers one node: finds the rule, resolves inputs, checks that every attribute was understood. */
int onnx_lower_node(struct onnx_import *import, struct onnx_scope *scope, struct onnx_node *node);

/* ---- for rules ---- */

void onnx_refuse(struct onnx_op *op, enum fm_err code, const char *format, ...) CORE_PRINTF(3, 4);
/* The node takes between `min` and `max` inputs in this opset, the first `min` of them not left out. */
bool onnx_arity(struct onnx_op *op, int min, int max);

bool onnx_has(struct onnx_op *op, const char *name);
int64_t onnx_int(struct onnx_op *op, const char *name, int64_t otherwise);
/* The same with limits that arithmetic further down relies on. */
int64_t onnx_int_in(struct onnx_op *op, const char *name, int64_t otherwise, int64_t min, int64_t max);
bool onnx_flag(struct onnx_op *op, const char *name, bool otherwise);
float onnx_float(struct onnx_op *op, const char *name, float otherwise);
const char *onnx_string(struct onnx_op *op, const char *name, const char *otherwise);
/* Position of a string attribute in a NULL-ended list; refuses others. */
int onnx_choice(struct onnx_op *op, const char *name, const char *otherwise, const char *const *list);
/* The list and its length, or -1 when the attribute is not there. */
int onnx_ints(struct onnx_op *op, const char *name, const int64_t **list);
int onnx_floats(struct onnx_op *op, const char *name, const float **list);
/* A tensor attribute; false when it is not there (or damaged). */
bool onnx_tensor(struct onnx_op *op, const char *name, struct onnx_tensor *tensor);
bool onnx_graph(struct onnx_op *op, const char *name, struct onnx_view *graph);

/* Constants; -1 after a fault. */
int onnx_make_i64s(struct onnx_op *op, int n, const int64_t *list);
int onnx_make_f32s(struct onnx_op *op, int n, const float *list);
/* A scalar of the type of `like` (float32 when that is not known). */
int onnx_make_like(struct onnx_op *op, int like, double value);
int onnx_make_constant(struct onnx_op *op, const char *name, const struct onnx_tensor *tensor);
/* The attribute `name` as an int64 input; -1 when it is not there. */
int onnx_make_attr(struct onnx_op *op, const char *name);

const struct graph_value *onnx_value(const struct onnx_op *op, int value); /* valid until the next value is made */
enum fm_dtype onnx_value_dtype(const struct onnx_op *op, int value); /* FM_DTYPE_NONE when it is not known */
bool onnx_is_empty(const struct onnx_op *op, int value); /* known to have no elements */
/* The elements of a constant integer tensor with at most `max` elements as int64: their number, -1 when it is none of that. */
int onnx_constant_i64s(const struct onnx_op *op, int value, int64_t *list, int max);

/* The graph node that makes the outputs of the ONNX node: its parameters (a dummy after a fault). */
union op_params *onnx_emit(struct onnx_op *op, enum op_kind kind, int n_in, const int *in);
/* A graph node in between, with one output: its value; params (may be NULL) as above. */
int onnx_step(struct onnx_op *op, enum op_kind kind, int n_in, const int *in, union op_params **params);
/* Binds output k of the ONNX node to a value made by onnx_step or a constant. */
void onnx_bind(struct onnx_op *op, int k, int value);

/* x * sigmoid(alpha * x), as the outputs of the node */
void onnx_emit_swish(struct onnx_op *op, int x, float alpha);
/* Everything of Conv but the node itself: its window, checked. n: spatial axes, 0 where nothing says. */
void onnx_window(struct onnx_op *op, int weights, bool may_crop, struct op_window *window);
void onnx_conv_params(struct onnx_op *op, union op_params *params);

/* ---- bodies (onnx_import.c) ---- */

/* The nodes of a GraphProto or FunctionProto, `field` being their number in it. */
int onnx_import_nodes(struct onnx_import *import, struct onnx_scope *scope, struct onnx_view message, uint32_t field);
/* A subgraph without inputs: its nodes are appended to the graph, output[k] are the values it gives. */
int onnx_import_body(struct onnx_import *import, struct onnx_scope *scope, struct onnx_view message, int n_outputs, int *output);
/* The value that a body gives under this name. */
int onnx_find_output(struct onnx_import *import, const struct onnx_scope *scope, struct onnx_view name, int *value);
/* One level deeper (import->depth, which the caller takes back), or an error that names the place. */
int onnx_enter(struct onnx_import *import, const uint8_t *at);

/* ---- functions (onnx_function.c) ---- */

/* Notes a FunctionProto of the model. */
int onnx_add_function(struct onnx_import *import, const struct onnx_field *field);
/* Puts the body of a function in the place of the node; *found says whether there is one. */
int onnx_inline_function(struct onnx_op *op, bool *found);
/* Inside a function: attributes that refer to one of the call take its value, or the function's default, or go. */
int onnx_resolve_references(struct onnx_import *import, const struct onnx_scope *scope, struct onnx_node *node);

#endif
