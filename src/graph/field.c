/* SPDX-License-Identifier: MIT */
/* One forward walk over the nodes that output 0 needs; field_rules.h says what is carried along. */
#include "graph/field.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "graph/edit.h"
#include "graph/field_rules.h"
#include "graph/op.h"

/* Nodes that output 0 needs. */
static void mark_needed(const struct graph *graph, uint8_t *needed)
{
    needed[graph->output[0]] = 1;
    for (int i = graph->n_nodes - 1; i >= 0; i--) {
        const struct graph_node *node = &graph->node[i];
        bool live = false;
        for (int k = 0; k < node->n_out; k++)
            live = live || (node->out[k] >= 0 && needed[node->out[k]]);
        for (int k = 0; k < node->n_in && live; k++)
            if (node->in[k] >= 0)
                needed[node->in[k]] = 1;
    }
}

/* Fills `why` when a node stands in the way. */
static const char *walk(struct field *f, const uint8_t *needed)
{
    for (int i = 0; i < f->graph->n_nodes; i++) {
        const struct graph_node *node = &f->graph->node[i];
        bool reads = false, live = false;
        for (int k = 0; k < node->n_in; k++)
            reads = reads || field_is_seen(f, node->in[k]);
        for (int k = 0; k < node->n_out; k++)
            live = live || (node->out[k] >= 0 && needed[node->out[k]]);
        if (!reads || !live)
            continue;
        struct span s = { .seen = true };
        f->node = node;
        const char *why = field_rule(f, node, &s);
        if (why)
            return why;
        s.seen = true;
        for (int k = 0; k < node->n_out; k++)
            if (node->out[k] >= 0)
                f->span[node->out[k]] = s;
    }
    f->node = NULL;
    return NULL;
}

static const char *finish(struct field *f, struct graph_field *out)
{
    const struct graph *graph = f->graph;
    const struct graph_value *x = field_value(f, graph->input[0]), *y = field_value(f, graph->output[0]);
    struct span *s = &f->span[graph->output[0]];
    if (!s->seen)
        return "output 0 does not depend on input 0";
    if (!graph_shape_known(y) || y->rank != x->rank)
        return "output 0 is not a picture";
    out->spatial = f->spatial;
    double reach = 0.0;
    for (int d = 0; d < f->spatial; d++) {
        if (s->axis[d] != d + 2)
            return "output 0 is not a picture";
        if (s->folds) { /* what lies beyond an edge is found as far inside */
            const double far = fmax(-s->low[d], s->high[d]);
            s->low[d] = -far;
            s->high[d] = far;
        }
        out->scale_num[d] = s->num[d];
        out->scale_den[d] = s->den[d];
        out->low[d] = s->low[d];
        out->high[d] = s->high[d];
        out->align[d] = f->align[d];
        const int64_t whole = x->dim[d + 2] / s->den[d] * s->num[d] + x->dim[d + 2] % s->den[d] * s->num[d] / s->den[d];
        out->delta[d] = y->dim[d + 2] - whole;
        reach = fmax(reach, fmax(-s->low[d], s->high[d]));
    }
    out->halo = (int64_t) ceil(reach - FIELD_ROUNDING);
    out->bounded = true;
    return NULL;
}

static void count_work(const struct graph *graph, uint8_t *counted, struct graph_field *out)
{
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct graph_node *node = &graph->node[i];
        if (!core_add_i64(out->macs, graph_node_macs(graph, node), &out->macs))
            out->macs = INT64_MAX;
        for (int k = 0; k < node->n_in; k++) {
            const int v = node->in[k];
            if (!graph_is_constant(graph, v) || counted[v] || !op_is_float(graph->value[v].dtype))
                continue;
            const struct fm_tensor t = graph_tensor(graph, v);
            counted[v] = 1;
            out->parameters += fm_tensor_count(&t);
        }
    }
}

int graph_field(const struct graph *graph, struct graph_field *out)
{
    struct field f = { .graph = graph, .align = { 1, 1 } };
    const size_t n = (size_t) graph->n_values + 1;
    *out = (struct graph_field){ .scale_num = { 1, 1 }, .scale_den = { 1, 1 }, .align = { 1, 1 } };
    uint8_t *mark = core_calloc(n, 1);
    f.span = core_calloc(n, sizeof(*f.span));
    if (!mark || !f.span) {
        core_free(mark);
        core_free(f.span);
        return FM_ERR_NOMEM;
    }
    count_work(graph, mark, out);
    const char *why = NULL;
    const struct graph_value *x = graph->n_inputs ? field_value(&f, graph->input[0]) : NULL;
    f.spatial = x && graph_shape_known(x) ? x->rank - 2 : 0;
    if (f.spatial < 1 || f.spatial > 2 || graph->n_outputs < 1) {
        why = "input 0 is not a picture";
    } else {
        struct span *s = &f.span[graph->input[0]];
        s->seen = true;
        for (int d = 0; d < f.spatial; d++) {
            s->axis[d] = d + 2;
            s->num[d] = s->den[d] = 1;
        }
        memset(mark, 0, n);
        mark_needed(graph, mark);
        why = walk(&f, mark);
        if (!why)
            why = finish(&f, out);
    }
    if (why && f.node)
        snprintf(out->reason, sizeof(out->reason), "node '%.100s' (%.40s) %s", f.node->name, f.node->type, why);
    else if (why)
        snprintf(out->reason, sizeof(out->reason), "%s", why);
    core_free(mark);
    core_free(f.span);
    return FM_OK;
}
