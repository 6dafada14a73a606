/* SPDX-License-Identifier: MIT */
/* The field's inner side: spans and the rules that carry them over a node. For src/graph/field*.c only.
 *
 * For every value that depends on input 0 a span says where its picture axes are, its scale against the input, and the interval of
 * input positions that one of its pixels sees:
 *     pixel p sees input  p / scale + [low, high]
 * A window with stride t, padding b and reach e reads pixels p * t - b + [0, e] of a value with scale s, which are input positions
 *     p * (t / s) + [low - b / s, high + (e - b) / s]     so its result has scale s / t.
 * Every rule is of that form or says why the node has none. Intervals only ever grow: the answer is safe, not tight. */
#ifndef FM_GRAPH_FIELD_RULES_H
#define FM_GRAPH_FIELD_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "graph/graph.h"

/* The intervals are sums of fractions in double: this much is rounding. */
#define FIELD_ROUNDING 1e-6

struct span {
    bool seen;   /* depends on input 0 */
    bool folds;  /* pixels at the edge see mirrored ones */
    int axis[2]; /* of the value; y, x or, 1-D, the only one */
    int64_t num[2], den[2];
    double low[2], high[2];
};

struct field {
    const struct graph *graph;
    struct span *span; /* [n_values] */
    int spatial;
    int64_t align[2];
    const struct graph_node *node; /* the one that a rule looks at */
};

/* What a node makes of its inputs' spans: NULL, or why there is nothing to say ("sees the whole picture"). */
const char *field_rule(struct field *f, const struct graph_node *node, struct span *s);

/* The rules of families: */
const char *field_resize(struct field *f, const struct graph_node *node, struct span *s);
const char *field_slice(struct field *f, const struct graph_node *node, struct span *s);
const char *field_pad(struct field *f, const struct graph_node *node, struct span *s);
const char *field_reshape(struct field *f, const struct graph_node *node, struct span *s);
const char *field_transpose(struct field *f, const struct graph_node *node, struct span *s);
const char *field_expand(struct field *f, const struct graph_node *node, struct span *s);
const char *field_gather(struct field *f, const struct graph_node *node, struct span *s);
/* Operators that work along one axis and leave the others alone. */
const char *field_along(struct field *f, const struct graph_node *node, int64_t axis, struct span *s);

/* What they share. field_rescale multiplies the scale of axis d by num / den, false when the grid gets too coarse; field_widen lets
 * the interval grow by [low, high] pixels of the value. */
bool field_rescale(struct field *f, struct span *s, int d, int64_t num, int64_t den);
void field_widen(struct span *s, int d, double low, double high);
const struct graph_value *field_value(const struct field *f, int value);
bool field_is_seen(const struct field *f, int value);
/* 0 or 1 for an axis of the picture, else -1. */
int field_picture_axis(const struct field *f, const struct span *s, int axis);
/* Elements of a small integer constant; -1 when they are not known. */
int field_ints(const struct field *f, int value, int max, int64_t *to);

extern const char field_whole_picture[], field_by_place[], field_mixes[], field_unknown[];

#endif
