/* SPDX-License-Identifier: MIT */
#include "graph/rewrite.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "graph/op.h"

/* A pass may make room for another; in practice two or three rounds settle everything. */
#define ROUNDS_MAX 8
/* Constants larger than this are weights, not numbers to recognise. */
#define SMALL_MAX 65536

bool rewrite_alive(const struct graph_node *node) { return node->n_out > 0; }

struct graph_node *rewrite_producer(const struct rewriter *r, int value)
{
    return value >= 0 && r->graph->value[value].producer >= 0 ? &r->graph->node[r->graph->value[value].producer] : NULL;
}

int rewrite_single_user(const struct rewriter *r, int value)
{
    if (value < 0 || r->uses[value] != 1 || r->is_output[value])
        return -1;
    for (int i = r->graph->value[value].producer + 1; i < r->graph->n_nodes; i++) /* nearly always the next one */
        for (int k = 0; k < r->graph->node[i].n_in; k++)
            if (r->graph->node[i].in[k] == value)
                return i;
    return -1;
}

void rewrite_set_in(struct rewriter *r, struct graph_node *node, int position, int value)
{
    if (value >= 0)
        r->uses[value]++;
    if (node->in[position] >= 0)
        r->uses[node->in[position]]--;
    node->in[position] = value;
}

/* True when nobody reads anything the node makes. */
static bool is_idle(const struct rewriter *r, const struct graph_node *node)
{
    for (int k = 0; k < node->n_out; k++)
        if (node->out[k] >= 0 && r->uses[node->out[k]] > 0)
            return false;
    return true;
}

/* Its inputs lose a reader; producers left without one go too. */
static void unread(struct rewriter *r, int first_value)
{
    int depth = 0;
    struct graph_node *node = rewrite_producer(r, first_value);
    if (!node || !rewrite_alive(node) || !is_idle(r, node))
        return;
    r->stack[depth++] = (int) (node - r->graph->node);
    while (depth > 0) {
        node = &r->graph->node[r->stack[--depth]];
        const int n_in = node->n_in;
        node->n_in = node->n_out = 0;
        for (int k = 0; k < n_in; k++) {
            if (node->in[k] < 0)
                continue;
            r->uses[node->in[k]]--;
            struct graph_node *before = rewrite_producer(r, node->in[k]);
            if (before && rewrite_alive(before) && is_idle(r, before)) {
                bool waiting = false; /* reached through two of its results or two inputs of ours */
                for (int d = 0; d < depth && !waiting; d++)
                    waiting = r->stack[d] == (int) (before - r->graph->node);
                if (!waiting)
                    r->stack[depth++] = (int) (before - r->graph->node);
            }
        }
    }
}

void rewrite_kill(struct rewriter *r, struct graph_node *node)
{
    const int n_in = node->n_in;
    node->n_in = node->n_out = 0;
    for (int k = 0; k < n_in; k++)
        if (node->in[k] >= 0) {
            r->uses[node->in[k]]--;
            unread(r, node->in[k]);
        }
    r->changed = true;
}

/* All readers of `from` read `to` instead. */
static void redirect(struct rewriter *r, int from, int to)
{
    for (int i = r->graph->value[from].producer + 1; i < r->graph->n_nodes && r->uses[from] > 0; i++)
        for (int k = 0; k < r->graph->node[i].n_in; k++)
            if (r->graph->node[i].in[k] == from) {
                r->graph->node[i].in[k] = to;
                r->uses[from]--;
                r->uses[to]++;
            }
}

/* `node` makes `value` in the place of its output `position`. */
static void hand_over(struct rewriter *r, struct graph_node *node, int position, int value)
{
    if (node->out[position] >= 0)
        r->graph->value[node->out[position]].producer = -1;
    graph_set_output(r->graph, (int) (node - r->graph->node), position, value);
}

bool rewrite_bypass(struct rewriter *r, struct graph_node *node, int x)
{
    const int y = node->out[0];
    if (!r->is_output[y]) {
        redirect(r, y, x);
        rewrite_kill(r, node);
        return true;
    }
    /* the result must keep its name: x's producer makes it directly */
    struct graph_node *producer = rewrite_producer(r, x);
    if (!producer || r->is_output[x])
        return false;
    int position = 0;
    while (producer->out[position] != x)
        position++;
    const int n_in = node->n_in;
    node->n_out = node->n_in = 0;
    for (int k = 0; k < n_in; k++)
        if (node->in[k] >= 0)
            r->uses[node->in[k]]--;
    redirect(r, x, y);
    hand_over(r, producer, position, y);
    for (int k = 0; k < n_in; k++)
        if (node->in[k] >= 0 && node->in[k] != x)
            unread(r, node->in[k]);
    r->changed = true;
    return true;
}

void rewrite_absorb(struct rewriter *r, struct graph_node *before, struct graph_node *after)
{
    const int y = after->out[0], x = before->out[0];
    const int n_in = after->n_in;
    after->n_in = after->n_out = 0;
    hand_over(r, before, 0, y);
    for (int k = 0; k < n_in; k++)
        if (after->in[k] >= 0) {
            r->uses[after->in[k]]--;
            if (after->in[k] != x)
                unread(r, after->in[k]);
        }
    r->changed = true;
}

bool rewrite_unary(struct rewriter *r, struct graph_node *node, enum op_kind op, int x, float a, float b)
{
    if (!rewrite_same_type(r, x, node->out[0]))
        return false;
    int *in = arena_array(r->graph->arena, 1, sizeof(int));
    if (!in) {
        r->rc = core_fail_nomem(r->error, sizeof(int));
        return false;
    }
    in[0] = x;
    r->uses[x]++;
    int *old = node->in;
    const int n_in = node->n_in;
    node->in = in;
    node->n_in = 1;
    node->op = op;
    memset(&node->p, 0, sizeof(node->p));
    node->p.scalar.a = a;
    node->p.scalar.b = b;
    for (int k = 0; k < n_in; k++)
        if (old[k] >= 0) {
            r->uses[old[k]]--;
            unread(r, old[k]);
        }
    r->changed = true;
    return true;
}

bool rewrite_inputs(struct rewriter *r, struct graph_node *node, int n)
{
    if (node->n_in >= n)
        return true;
    int *in = arena_array(r->graph->arena, (size_t) n, sizeof(int));
    if (!in) {
        r->rc = core_fail_nomem(r->error, 0);
        return false;
    }
    for (int k = 0; k < n; k++)
        in[k] = k < node->n_in ? node->in[k] : -1;
    node->in = in;
    node->n_in = n;
    return true;
}

float *rewrite_floats(struct rewriter *r, int64_t n)
{
    float *data = arena_array(r->graph->arena, (size_t) n, sizeof(float));
    if (!data)
        r->rc = core_fail_nomem(r->error, (size_t) n * sizeof(float));
    return data;
}

/* The tables follow the graph when values were added. */
static bool cover_values(struct rewriter *r)
{
    if (r->graph->n_values <= r->capacity)
        return true;
    const int capacity = r->graph->n_values + r->graph->n_values / 2 + 64;
    int *uses = core_calloc((size_t) capacity, sizeof(*uses));
    uint8_t *is_output = core_calloc((size_t) capacity, 1);
    if (!uses || !is_output) {
        core_free(uses);
        core_free(is_output);
        r->rc = core_fail_nomem(r->error, (size_t) capacity * sizeof(*uses));
        return false;
    }
    if (r->capacity) {
        memcpy(uses, r->uses, (size_t) r->capacity * sizeof(*uses));
        memcpy(is_output, r->is_output, (size_t) r->capacity);
    }
    core_free(r->uses);
    core_free(r->is_output);
    r->uses = uses;
    r->is_output = is_output;
    r->capacity = capacity;
    return true;
}

int rewrite_constant(struct rewriter *r, int rank, const int64_t *dim, const float *data)
{
    const int value = graph_add_constant(r->graph, "", FM_F32, rank, dim, data);
    if (value < 0) {
        r->rc = core_fail_nomem(r->error, 0);
        return -1;
    }
    return cover_values(r) ? value : -1;
}

/* ---- questions ---- */

static int64_t constant_count(const struct rewriter *r, int value)
{
    if (!graph_is_constant(r->graph, value))
        return -1;
    const struct fm_tensor t = graph_tensor(r->graph, value);
    return fm_tensor_count(&t);
}

bool rewrite_scalar(const struct rewriter *r, int value, double *number)
{
    if (constant_count(r, value) != 1 || !op_is_float(r->graph->value[value].dtype))
        return false;
    float element;
    op_read_f32(&element, r->graph->value[value].dtype, r->graph->value[value].data, 0, 1);
    *number = element;
    return true;
}

bool rewrite_all(const struct rewriter *r, int value, float number)
{
    const int64_t count = constant_count(r, value);
    if (count < 1 || count > SMALL_MAX || r->graph->value[value].dtype == FM_BOOL)
        return false;
    for (int64_t i = 0; i < count; i++) {
        float element;
        op_read_f32(&element, r->graph->value[value].dtype, r->graph->value[value].data, i, 1);
        if (!(element == number))
            return false;
    }
    return true;
}

int rewrite_ints(const struct rewriter *r, int value, int max, int64_t *to)
{
    const int64_t count = constant_count(r, value);
    if (count < 0 || count > max)
        return -1;
    const struct graph_value *v = &r->graph->value[value];
    const uint8_t *data = v->data;
    for (int64_t i = 0; i < count; i++) {
        int32_t narrow;
        if (v->dtype == FM_I64) {
            memcpy(&to[i], data + 8 * i, 8);
        } else if (v->dtype == FM_I32) {
            memcpy(&narrow, data + 4 * i, 4);
            to[i] = narrow;
        } else {
            return -1;
        }
    }
    return (int) count;
}

bool rewrite_is_per_channel(const struct rewriter *r, int constant, int value)
{
    if (!graph_is_constant(r->graph, constant))
        return false;
    const struct graph_value *c = &r->graph->value[constant], *v = &r->graph->value[value];
    if (c->dtype != FM_F32 || !graph_shape_known(v) || v->rank < 2 || c->rank > v->rank)
        return false;
    for (int i = 0; i < c->rank; i++) {
        const int axis = v->rank - c->rank + i;
        if (c->dim[i] != 1 && !(axis == 1 && c->dim[i] == v->dim[1]))
            return false;
    }
    return true;
}

void rewrite_per_channel(const struct rewriter *r, int constant, int64_t channels, double *to)
{
    const int64_t count = constant_count(r, constant);
    for (int64_t i = 0; i < channels; i++) {
        float element;
        op_read_f32(&element, FM_F32, r->graph->value[constant].data, count == 1 ? 0 : i, 1);
        to[i] = element;
    }
}

int rewrite_other(const struct graph_node *node, int value)
{
    if (node->n_in != 2 || (node->in[0] == value) == (node->in[1] == value))
        return -1;
    return node->in[0] == value ? node->in[1] : node->in[0];
}

bool rewrite_same_type(const struct rewriter *r, int a, int b)
{
    const struct graph_value *x = &r->graph->value[a], *y = &r->graph->value[b];
    return x->dtype == y->dtype && graph_same_shape(x, y);
}

/* ---- the whole ---- */

static void count_uses(struct rewriter *r)
{
    struct graph *graph = r->graph;
    for (int i = 0; i < graph->n_nodes; i++)
        for (int k = 0; k < graph->node[i].n_in; k++)
            if (graph->node[i].in[k] >= 0)
                r->uses[graph->node[i].in[k]]++;
    for (int k = 0; k < graph->n_outputs; k++) {
        r->uses[graph->output[k]]++;
        r->is_output[graph->output[k]] = 1;
    }
}

int graph_rewrite(struct graph *graph, struct fm_error *error)
{
    static void (*const pass[])(struct rewriter *) = { rewrite_simplify, rewrite_space, rewrite_affine, rewrite_fuse };
    struct fm_error unseen;
    struct rewriter r = { .graph = graph, .error = error ? error : &unseen };
    rewrite_widen(&r); /* makes nodes, so it comes before the tables */
    if (!r.rc && !(r.stack = core_alloc(((size_t) graph->n_nodes + 1) * sizeof(int))))
        r.rc = core_fail_nomem(r.error, 0);
    if (!r.rc && cover_values(&r))
        count_uses(&r);
    r.changed = true;
    for (int round = 0; round < ROUNDS_MAX && r.changed && !r.rc; round++) {
        r.changed = false;
        for (size_t i = 0; i < sizeof(pass) / sizeof(pass[0]) && !r.rc; i++)
            pass[i](&r);
    }
    core_free(r.stack);
    core_free(r.uses);
    core_free(r.is_output);
    return r.rc ? r.rc : graph_drop_dead(graph, r.error);
}
