/* SPDX-License-Identifier: MIT */
/* The builder: values and nodes in growing arrays of the graph's arena, and the check that an importer built something sound. */
#include "graph/graph.h"

#include <limits.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "graph/op.h"
#include "graph/packs.h"

/* If bodies nest; deeper than this is nothing a network needs, and would cost stack. */
#define BRANCH_DEPTH_MAX 32

struct graph *graph_create(void)
{
    struct arena *arena = arena_create();
    if (!arena)
        return NULL;
    struct graph *graph = arena_alloc(arena, sizeof(*graph));
    struct packs *packs = graph ? packs_create() : NULL;
    if (!packs) {
        arena_destroy(&arena);
        return NULL;
    }
    graph->arena = arena;
    graph->packs = packs;
    graph->source = "";
    graph->format = "";
    return graph;
}

void graph_destroy(struct graph **graph)
{
    if (!graph || !*graph)
        return;
    struct arena *arena = (*graph)->arena; /* the graph itself lies in it */
    packs_unref(&(*graph)->packs);
    *graph = NULL;
    arena_destroy(&arena);
}

/* Room for one more element: doubles. The array that is left behind stays in the arena, at most once its size again. */
static void *grow(struct arena *arena, void *array, int count, int *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    if (*capacity > INT_MAX / 2)
        return NULL;
    const int more = *capacity ? *capacity * 2 : 64;
    void *bigger = arena_array(arena, (size_t) more, size);
    if (!bigger)
        return NULL;
    if (count)
        memcpy(bigger, array, (size_t) count * size);
    *capacity = more;
    return bigger;
}

/* Most names are empty; those cost nothing. */
static const char *copy_text(struct arena *arena, const char *text)
{
    return text && *text ? arena_strdup(arena, text) : "";
}

int graph_add_value(struct graph *graph, const char *name)
{
    struct graph_value *values = grow(graph->arena, graph->value, graph->n_values, &graph->cap_values, sizeof(*values));
    if (!values)
        return FM_ERR_NOMEM;
    graph->value = values;
    const char *copy = copy_text(graph->arena, name);
    if (!copy)
        return FM_ERR_NOMEM;
    struct graph_value *value = &values[graph->n_values];
    memset(value, 0, sizeof(*value));
    value->name = copy;
    value->rank = -1;
    value->producer = -1;
    for (int i = 0; i < FM_MAX_RANK; i++)
        value->dim[i] = -1;
    return graph->n_values++;
}

int graph_add_constant(struct graph *graph, const char *name, enum fm_dtype dtype, int rank, const int64_t *dim, const void *data)
{
    static const uint64_t nothing; /* constants without elements still need an address: it tells them from open values */
    const int index = graph_add_value(graph, name);
    if (index < 0)
        return index;
    struct graph_value *value = &graph->value[index];
    value->dtype = dtype;
    value->rank = rank;
    for (int i = 0; i < rank; i++)
        value->dim[i] = dim[i];
    value->data = data ? data : &nothing;
    return index;
}

static int add_copy(struct graph *graph, enum fm_dtype dtype, int rank, int n, const void *element)
{
    const size_t size = (size_t) n * fm_dtype_size(dtype);
    void *data = arena_alloc(graph->arena, size);
    if (!data)
        return FM_ERR_NOMEM;
    if (size)
        memcpy(data, element, size);
    return graph_add_constant(graph, "", dtype, rank, &(int64_t){ n }, data);
}

int graph_add_i64s(struct graph *graph, int n, const int64_t *element) { return add_copy(graph, FM_I64, 1, n, element); }
int graph_add_f32s(struct graph *graph, int n, const float *element) { return add_copy(graph, FM_F32, 1, n, element); }
int graph_add_f32(struct graph *graph, float element) { return add_copy(graph, FM_F32, 0, 1, &element); }

int graph_add_node(struct graph *graph, enum op_kind op, const char *type, const char *name, int n_in, int n_out)
{
    struct graph_node *nodes = grow(graph->arena, graph->node, graph->n_nodes, &graph->cap_nodes, sizeof(*nodes));
    if (!nodes)
        return FM_ERR_NOMEM;
    graph->node = nodes;
    struct graph_node node = { .op = op, .n_in = n_in, .n_out = n_out };
    memset(&node.p, 0, sizeof(node.p));
    node.type = copy_text(graph->arena, type);
    node.name = copy_text(graph->arena, name);
    node.in = arena_array(graph->arena, (size_t) n_in + (size_t) n_out, sizeof(int));
    if (!node.type || !node.name || !node.in)
        return FM_ERR_NOMEM;
    node.out = node.in + n_in;
    for (int i = 0; i < n_in + n_out; i++)
        node.in[i] = -1;
    nodes[graph->n_nodes] = node;
    return graph->n_nodes++;
}

void graph_set_output(struct graph *graph, int node, int position, int value)
{
    graph->node[node].out[position] = value;
    if (value >= 0)
        graph->value[value].producer = node;
}

struct graph_branch *graph_cut_branch(struct graph *graph, int first_node, int n_outputs, const int *output)
{
    struct graph_branch *branch = arena_alloc(graph->arena, sizeof(*branch));
    const int n_nodes = graph->n_nodes - first_node;
    if (!branch || !(branch->node = arena_array(graph->arena, (size_t) n_nodes, sizeof(*branch->node))) ||
        !(branch->output = arena_array(graph->arena, (size_t) n_outputs, sizeof(int))))
        return NULL;
    for (int i = 0; i < n_nodes; i++) {
        branch->node[i] = graph->node[first_node + i];
        for (int k = 0; k < branch->node[i].n_out; k++)
            if (branch->node[i].out[k] >= 0)
                graph->value[branch->node[i].out[k]].producer = -1;
    }
    for (int i = 0; i < n_outputs; i++)
        branch->output[i] = output[i];
    branch->n_nodes = n_nodes;
    branch->n_outputs = n_outputs;
    graph->n_nodes = first_node;
    return branch;
}

bool graph_is_constant(const struct graph *graph, int value)
{
    return value >= 0 && value < graph->n_values && graph->value[value].data != NULL;
}

/* ---- graph_check ---- */

struct checker {
    const struct graph *graph;
    struct fm_error *error;
    uint8_t *state; /* [n_values]: not there yet, there */
};

static int bad_node(const struct checker *c, const struct graph_node *node, const char *what, int position)
{
    return core_fail(c->error, FM_ERR_FORMAT, "%s: node '%s' (%s): %s (%d)", c->graph->source, node->name, node->type, what,
                     position);
}

static int check_nodes(struct checker *c, const struct graph_node *node, int n_nodes, bool top, int depth);

static int check_branch(struct checker *c, const struct graph_node *node, const struct graph_branch *branch, int depth)
{
    if (!branch)
        return bad_node(c, node, "a branch is missing", 0);
    if (depth >= BRANCH_DEPTH_MAX)
        return bad_node(c, node, "branches nest too deeply", depth);
    if (branch->n_outputs != node->n_out)
        return bad_node(c, node, "a branch has the wrong number of outputs", branch->n_outputs);
    const int rc = check_nodes(c, branch->node, branch->n_nodes, false, depth + 1);
    if (rc)
        return rc;
    for (int k = 0; k < branch->n_outputs; k++) {
        const int v = branch->output[k];
        if (v < 0 || v >= c->graph->n_values || !c->state[v])
            return bad_node(c, node, "nothing makes an output of a branch", k);
    }
    /* what a body makes is not seen outside it */
    for (int i = 0; i < branch->n_nodes; i++)
        for (int k = 0; k < branch->node[i].n_out; k++)
            if (branch->node[i].out[k] >= 0)
                c->state[branch->node[i].out[k]] = 2;
    return FM_OK;
}

static int check_node(struct checker *c, const struct graph_node *node, int index, bool top, int depth)
{
    if ((unsigned) node->op >= OP_COUNT)
        return bad_node(c, node, "no such operator", (int) node->op);
    const struct op_def *def = op_def(node->op);
    if (node->n_in < def->min_in || node->n_in > def->max_in)
        return bad_node(c, node, "wrong number of inputs", node->n_in);
    if (node->n_out < def->min_out || node->n_out > def->max_out)
        return bad_node(c, node, "wrong number of outputs", node->n_out);
    for (int k = 0; k < node->n_in; k++) {
        const int v = node->in[k];
        if (v < -1 || v >= c->graph->n_values)
            return bad_node(c, node, "an input is not a value", k);
        if (v < 0 && k < def->min_in)
            return bad_node(c, node, "a required input is left out", k);
        if (v >= 0 && c->state[v] != 1)
            return core_fail(c->error, FM_ERR_FORMAT, "%s: node '%s' (%s): input %d ('%s') is made by no earlier node",
                             c->graph->source, node->name, node->type, k, c->graph->value[v].name);
    }
    if (node->op == OP_IF) {
        int rc = check_branch(c, node, node->p.branch.then_branch, depth);
        if (!rc)
            rc = check_branch(c, node, node->p.branch.else_branch, depth);
        if (rc)
            return rc;
    }
    for (int k = 0; k < node->n_out; k++) {
        const int v = node->out[k];
        if (v < -1 || v >= c->graph->n_values)
            return bad_node(c, node, "an output is not a value", k);
        if (v < 0)
            continue;
        if (c->state[v])
            return core_fail(c->error, FM_ERR_FORMAT, "%s: node '%s' (%s): output %d ('%s') is made twice", c->graph->source,
                             node->name, node->type, k, c->graph->value[v].name);
        if (top && c->graph->value[v].producer != index)
            return bad_node(c, node, "an output names another producer", k);
        c->state[v] = 1;
    }
    return FM_OK;
}

static int check_nodes(struct checker *c, const struct graph_node *node, int n_nodes, bool top, int depth)
{
    int rc = FM_OK;
    for (int i = 0; i < n_nodes && !rc; i++)
        rc = check_node(c, &node[i], i, top, depth);
    return rc;
}

static int check_value(const struct checker *c, int index)
{
    const struct graph *graph = c->graph;
    const struct graph_value *v = &graph->value[index];
    bool good = v->dtype >= FM_DTYPE_NONE && v->dtype < FM_DTYPE_COUNT && v->rank >= -1 && v->rank <= FM_MAX_RANK &&
                v->producer >= -1 && v->producer < graph->n_nodes;
    for (int i = 0; i < v->rank && good; i++)
        good = v->dim[i] >= -1;
    if (good && v->data) {
        struct fm_tensor t = { .dtype = v->dtype, .rank = v->rank };
        if (v->rank > 0)
            memcpy(t.dim, v->dim, sizeof(t.dim));
        good = v->dtype != FM_DTYPE_NONE && v->rank >= 0 && fm_tensor_count(&t) >= 0 && v->producer < 0;
    }
    if (!good)
        return core_fail(c->error, FM_ERR_FORMAT, "%s: value '%s' (%d) has an impossible type, shape or producer", graph->source,
                         v->name, index);
    return FM_OK;
}

int graph_check(const struct graph *graph, struct fm_error *error)
{
    struct checker c = { graph, error, NULL };
    int rc = FM_OK;
    for (int i = 0; i < graph->n_values && !rc; i++)
        rc = check_value(&c, i);
    if (rc)
        return rc;
    c.state = core_calloc((size_t) graph->n_values + 1, 1);
    if (!c.state)
        return core_fail_nomem(error, (size_t) graph->n_values + 1);
    for (int i = 0; i < graph->n_values; i++)
        c.state[i] = graph->value[i].data != NULL;
    for (int i = 0; i < graph->n_inputs && !rc; i++) {
        const int v = graph->input[i];
        if (v < 0 || v >= graph->n_values || c.state[v])
            rc = core_fail(error, FM_ERR_FORMAT, "%s: graph input %d is not a value of its own", graph->source, i);
        else
            c.state[v] = 1;
    }
    if (!rc)
        rc = check_nodes(&c, graph->node, graph->n_nodes, true, 0);
    for (int i = 0; i < graph->n_outputs && !rc; i++) {
        const int v = graph->output[i];
        if (v < 0 || v >= graph->n_values || c.state[v] != 1)
            rc = core_fail(error, FM_ERR_FORMAT, "%s: nothing makes graph output %d", graph->source, i);
    }
    if (!rc && graph->n_outputs == 0)
        rc = core_fail(error, FM_ERR_FORMAT, "%s: the graph has no outputs", graph->source);
    core_free(c.state);
    return rc;
}
