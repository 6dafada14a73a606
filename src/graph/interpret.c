/* SPDX-License-Identifier: MIT */
/* Node by node with the reference code. A value lives from its node to its last reader; shapes that were open are found as data
 * arrives, by asking every node's shape rule again. */
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "graph/edit.h"
#include "graph/graph.h"
#include "graph/op.h"

struct interpreter {
    const struct graph *graph;
    struct fm_error *error;
    struct fm_tensor *tensor; /* [n_values]; data NULL: not there yet or gone */
    bool *owned;              /* [n_values]: the data is ours to free */
    int *readers;             /* [n_values]: reads still to come, graph outputs included */
    struct fm_tensor *scratch; /* one node's inputs and outputs */
};

static void drop(struct interpreter *it, int value)
{
    if (it->owned[value])
        core_free(it->tensor[value].data);
    it->owned[value] = false;
    it->tensor[value].data = NULL;
}

static void release(struct interpreter *it, int value)
{
    if (value >= 0 && --it->readers[value] == 0)
        drop(it, value);
}

static int allocate(struct interpreter *it, struct fm_tensor *t)
{
    size_t bytes;
    if (!graph_tensor_bytes(t, &bytes))
        return core_fail(it->error, FM_ERR_SHAPE, "the result is too large");
    t->data = core_alloc(bytes ? bytes : 1);
    return t->data ? FM_OK : core_fail_nomem(it->error, bytes);
}

/* Constants of a file may lie anywhere; they are copied when first read and go with their last reader. */
static int align(struct interpreter *it, int value)
{
    struct fm_tensor *t = &it->tensor[value];
    if (graph_is_aligned(t))
        return FM_OK;
    struct fm_tensor copy = *t;
    const int rc = allocate(it, &copy);
    if (rc)
        return rc;
    size_t bytes = 0;
    if (graph_tensor_bytes(t, &bytes) && bytes)
        memcpy(copy.data, t->data, bytes);
    *t = copy;
    it->owned[value] = true;
    return FM_OK;
}

/* The part of a fused convolution that op_conv_run knows: x, weights, bias, no epilogue. */
static struct graph_node plain_part(const struct graph_node *node)
{
    struct graph_node plain = *node;
    if (graph_is_fused(node)) {
        memset(&plain.p.conv.epilogue, 0, sizeof(plain.p.conv.epilogue));
        if (plain.n_in > 3)
            plain.n_in = 3;
    }
    return plain;
}

static int finish_fused(struct interpreter *it, const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out)
{
    static const struct fm_tensor none = { .dtype = FM_DTYPE_NONE };
    struct fm_tensor plain = *out;
    return graph_epilogue_apply(&node->p.conv.epilogue, &plain, node->n_in > 3 ? &in[3] : &none, node->n_in > 4 ? &in[4] : &none,
                                out, it->error);
}

static int run_node(struct interpreter *it, const struct graph_node *node)
{
    struct fm_tensor *in = it->scratch, *out = it->scratch + node->n_in;
    struct graph_node plain = plain_part(node);
    int rc = FM_OK;
    for (int k = 0; k < node->n_in && !rc; k++) {
        in[k] = (struct fm_tensor){ .dtype = FM_DTYPE_NONE };
        if (node->in[k] < 0)
            continue;
        rc = align(it, node->in[k]);
        in[k] = it->tensor[node->in[k]];
    }
    for (int k = 0; k < node->n_out; k++)
        out[k] = (struct fm_tensor){ .dtype = FM_DTYPE_NONE, .rank = -1 };
    if (!rc)
        rc = op_def(node->op)->shape(&plain, in, out, it->error);
    for (int k = 0; k < node->n_out; k++)
        out[k].data = NULL;
    if (rc == FM_ERR_AGAIN) /* everything is known by now */
        rc = core_fail(it->error, FM_ERR_UNSUPPORTED, "the shape of the result cannot be found");
    for (int k = 0; k < node->n_out && !rc; k++)
        if (node->out[k] >= 0)
            rc = allocate(it, &out[k]);
    if (!rc)
        rc = op_def(node->op)->run(&plain, in, out, it->error);
    if (!rc && graph_is_fused(node))
        rc = finish_fused(it, node, in, &out[0]);
    for (int k = 0; k < node->n_out; k++) {
        if (rc) {
            core_free(out[k].data);
        } else if (node->out[k] >= 0) {
            it->tensor[node->out[k]] = out[k];
            it->owned[node->out[k]] = true;
            if (it->readers[node->out[k]] == 0)
                drop(it, node->out[k]);
        }
    }
    for (int k = 0; k < node->n_in; k++)
        release(it, node->in[k]);
    return rc;
}

static int take_output(struct interpreter *it, int value, struct fm_tensor *out)
{
    struct fm_tensor *t = &it->tensor[value];
    *out = *t;
    out->data = NULL;
    if (it->owned[value] && it->readers[value] == 1) {
        out->data = t->data;
        it->owned[value] = false;
        release(it, value);
        return FM_OK;
    }
    size_t bytes = 0;
    const int rc = allocate(it, out);
    if (!rc && graph_tensor_bytes(out, &bytes) && bytes)
        memcpy(out->data, t->data, bytes);
    release(it, value);
    return rc;
}

static int prepare(struct interpreter *it, const struct fm_tensor *inputs)
{
    const struct graph *graph = it->graph;
    int widest = 1;
    it->tensor = core_calloc((size_t) graph->n_values + 1, sizeof(*it->tensor));
    it->owned = core_calloc((size_t) graph->n_values + 1, sizeof(*it->owned));
    it->readers = core_calloc((size_t) graph->n_values + 1, sizeof(*it->readers));
    if (!it->tensor || !it->owned || !it->readers)
        return core_fail_nomem(it->error, 0);
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct graph_node *node = &graph->node[i];
        if (node->op == OP_IF)
            return core_fail(it->error, FM_ERR_UNSUPPORTED, "%s: node '%s' (%s): the graph is not specialised", graph->source,
                             node->name, node->type);
        if (node->n_in + node->n_out > widest)
            widest = node->n_in + node->n_out;
        for (int k = 0; k < node->n_in; k++)
            if (node->in[k] >= 0)
                it->readers[node->in[k]]++;
    }
    for (int k = 0; k < graph->n_outputs; k++)
        it->readers[graph->output[k]]++;
    if (!(it->scratch = core_calloc((size_t) widest, sizeof(*it->scratch))))
        return core_fail_nomem(it->error, 0);
    for (int v = 0; v < graph->n_values; v++)
        if (graph->value[v].data)
            it->tensor[v] = graph_tensor(graph, v);
    for (int i = 0; i < graph->n_inputs; i++) {
        const struct graph_value *value = &graph->value[graph->input[i]];
        bool fits = inputs[i].dtype == value->dtype && inputs[i].rank == value->rank && inputs[i].data;
        for (int d = 0; d < value->rank && fits; d++)
            fits = inputs[i].dim[d] == value->dim[d];
        if (!fits)
            return core_fail(it->error, FM_ERR_SHAPE,
                             "%s: input %d ('%s') is not of the type and shape the graph was specialised for", graph->source, i,
                             value->name);
        it->tensor[graph->input[i]] = inputs[i];
    }
    return FM_OK;
}

int graph_interpret(const struct graph *graph, const struct fm_tensor *inputs, struct fm_tensor *outputs, struct fm_error *error)
{
    struct fm_error unseen;
    struct interpreter it = { .graph = graph, .error = error ? error : &unseen };
    int rc = prepare(&it, inputs), taken = 0;
    for (int k = 0; k < graph->n_outputs; k++)
        outputs[k] = (struct fm_tensor){ .dtype = FM_DTYPE_NONE };
    for (int i = 0; i < graph->n_nodes && !rc; i++) {
        it.error->code = FM_OK;
        rc = run_node(&it, &graph->node[i]);
        if (rc && rc != FM_ERR_NOMEM) {
            if (it.error->code != (enum fm_err) rc)
                core_fail(it.error, (enum fm_err) rc, "%s", fm_err_name(rc));
            core_fail_prefix(it.error, "%s: node '%s' (%s)", graph->source, graph->node[i].name, graph->node[i].type);
        }
    }
    for (; taken < graph->n_outputs && !rc; taken++)
        rc = take_output(&it, graph->output[taken], &outputs[taken]);
    if (rc)
        for (int k = 0; k < graph->n_outputs; k++) {
            core_free(outputs[k].data);
            outputs[k] = (struct fm_tensor){ .dtype = FM_DTYPE_NONE };
        }
    if (it.owned && it.tensor)
        for (int v = 0; v < graph->n_values; v++)
            drop(&it, v);
    core_free(it.scratch);
    core_free(it.readers);
    core_free(it.owned);
    core_free(it.tensor);
    return rc;
}
