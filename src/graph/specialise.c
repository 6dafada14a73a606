/* SPDX-License-Identifier: MIT */
/* One walk over the nodes in order: a node's inputs have their shapes (and data, where it follows from constants and sizes) by the
 * time the node is met, so its own shape rule can be asked, and its result computed when everything it needs is known. Time is
 * proportional to the nodes plus the bytes that are folded. */
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "graph/edit.h"
#include "graph/graph.h"
#include "graph/op.h"
#include "graph/packs.h"

/* A tiny file must not make us compute or hold much: a folded result is at most FOLD_RATIO times its inputs plus FOLD_FREE bytes,
 * all results together FOLD_RATIO times the file's constants plus FOLD_TOTAL bytes, and all at most FOLD_STEPS steps.
 * What exceeds that stays a node. */
#define FOLD_RATIO 8
#define FOLD_FREE ((size_t) 1 << 20)
#define FOLD_TOTAL ((size_t) 64 << 20)
#define FOLD_TOTAL_MAX (SIZE_MAX > UINT32_MAX ? (size_t) ((uint64_t) 4 << 30) : (size_t) 1 << 30)
#define FOLD_STEPS ((int64_t) 1 << 28)
/* Unaligned constants up to this size are copied once for good: shapes, axes, scalars. Larger ones only while they are read. */
#define SMALL_CONSTANT ((size_t) 64 << 10)

struct specialiser {
    const struct graph *from;
    struct graph *to;
    struct fm_error *error;
    int *map;        /* [from->n_values]: index in `to`, or -1 */
    uint8_t *wanted; /* [from->n_values] */
    struct fm_tensor *tensor; /* room for one node's inputs and outputs */
    bool *owned;              /* [as many]: that tensor's data is a copy to be freed after the node */
    size_t fold_left;
    int64_t steps_left;
};

/* ---- what is needed ---- */

static void want_all(struct specialiser *s, const struct graph_node *node);

static void want_branch(struct specialiser *s, const struct graph_branch *branch)
{
    for (int i = 0; i < branch->n_nodes; i++)
        want_all(s, &branch->node[i]);
    for (int k = 0; k < branch->n_outputs; k++)
        s->wanted[branch->output[k]] = 1;
}

static void want_all(struct specialiser *s, const struct graph_node *node)
{
    for (int k = 0; k < node->n_in; k++)
        if (node->in[k] >= 0)
            s->wanted[node->in[k]] = 1;
    if (node->op == OP_IF) {
        want_branch(s, node->p.branch.then_branch);
        want_branch(s, node->p.branch.else_branch);
    }
}

static bool is_wanted(const struct specialiser *s, const struct graph_node *node)
{
    for (int k = 0; k < node->n_out; k++)
        if (node->out[k] >= 0 && s->wanted[node->out[k]])
            return true;
    return false;
}

/* Nodes and the widest of them, branches included. */
static void measure(const struct graph_node *node, int n_nodes, int *total, int *widest)
{
    for (int i = 0; i < n_nodes; i++) {
        *total += 1 + (node[i].op == OP_IF ? node[i].n_out : 0);
        if (node[i].n_in + node[i].n_out > *widest)
            *widest = node[i].n_in + node[i].n_out;
        if (node[i].op == OP_IF) {
            measure(node[i].p.branch.then_branch->node, node[i].p.branch.then_branch->n_nodes, total, widest);
            measure(node[i].p.branch.else_branch->node, node[i].p.branch.else_branch->n_nodes, total, widest);
        }
    }
}

/* ---- values ---- */

/* The value of `to` that stands for one of `from`: made when it is first met (room was reserved). */
static int map_value(struct specialiser *s, int index)
{
    if (index < 0)
        return -1;
    if (s->map[index] < 0) {
        struct graph_value *copy = &s->to->value[s->to->n_values];
        *copy = s->from->value[index];
        copy->producer = -1;
        s->map[index] = s->to->n_values++;
    }
    return s->map[index];
}

static void set_shape(struct graph_value *value, const struct fm_tensor *t)
{
    value->dtype = t->dtype;
    value->rank = t->rank;
    for (int i = 0; i < FM_MAX_RANK; i++)
        value->dim[i] = i < t->rank ? t->dim[i] : -1;
}

static int node_error(const struct specialiser *s, const struct graph_node *node, int rc)
{
    if (rc == FM_ERR_NOMEM)
        return rc;
    if (s->error->code != (enum fm_err) rc) /* a rule that only gave a code */
        core_fail(s->error, (enum fm_err) rc, "%s", fm_err_name(rc));
    core_fail_prefix(s->error, "%s: node '%s' (%s)", s->from->source, node->name, node->type);
    return rc;
}

/* Gives in[k] an aligned copy of its constant: kept in the graph when small, otherwise freed by return_loans. */
static int align_input(struct specialiser *s, const struct graph_node *node, struct fm_tensor *in, int k)
{
    size_t bytes;
    if (!graph_tensor_bytes(&in[k], &bytes))
        return core_fail_nomem(s->error, 0);
    const bool owned = bytes > SMALL_CONSTANT;
    void *copy = owned ? core_alloc(bytes) : arena_alloc(s->to->arena, bytes);
    if (!copy)
        return core_fail_nomem(s->error, bytes);
    if (bytes)
        memcpy(copy, in[k].data, bytes);
    if (!owned)
        s->to->value[node->in[k]].data = copy;
    s->owned[k] = owned;
    in[k].data = copy;
    return FM_OK;
}

static void return_loans(struct specialiser *s, const struct graph_node *node, struct fm_tensor *in)
{
    for (int k = 0; k < node->n_in; k++)
        if (s->owned[k]) {
            core_free(in[k].data);
            s->owned[k] = false;
        }
}

static bool tensor_known(const struct fm_tensor *t)
{
    bool known = t->dtype != FM_DTYPE_NONE && t->rank >= 0;
    for (int i = 0; i < t->rank && known; i++)
        known = t->dim[i] >= 0;
    return known;
}

/* ---- one node ---- */

/* The type of a result whose shape has to wait. */
static enum fm_dtype open_dtype(const struct graph_node *node, const struct fm_tensor *in, int position)
{
    switch (node->op) {
    case OP_CAST: return node->p.cast.to;
    case OP_CONSTANT_OF_SHAPE: return node->p.fill.dtype;
    case OP_SHAPE: case OP_SIZE: case OP_ARG_MAX: case OP_ARG_MIN: case OP_NON_MAX_SUPPRESSION: return FM_I64;
    case OP_NOT: case OP_AND: case OP_OR: case OP_XOR: case OP_EQUAL: case OP_GREATER: case OP_GREATER_EQUAL: case OP_LESS:
    case OP_LESS_EQUAL: return FM_BOOL;
    case OP_WHERE: return in[1].dtype;
    case OP_DEQUANTIZE_LINEAR: return in[1].dtype;
    case OP_TOP_K: case OP_MAX_POOL: return position == 1 ? FM_I64 : in[0].dtype;
    case OP_DROPOUT: return position == 1 ? FM_BOOL : in[0].dtype;
    default: return in[0].dtype;
    }
}

/* The inputs as the rules want them: data aligned. Large unaligned constants keep their data only when `all`: no shape depends on
 * them, except in files that no exporter writes. */
static int gather(struct specialiser *s, const struct graph_node *node, struct fm_tensor *in, bool all, bool *hidden)
{
    int rc = FM_OK;
    *hidden = false;
    for (int k = 0; k < node->n_in && !rc; k++) {
        size_t bytes;
        in[k] = graph_tensor(s->to, node->in[k]);
        if (!in[k].data || graph_is_aligned(&in[k]))
            continue;
        if (all || (graph_tensor_bytes(&in[k], &bytes) && bytes <= SMALL_CONSTANT)) {
            rc = align_input(s, node, in, k);
        } else {
            in[k].data = NULL;
            *hidden = true;
        }
    }
    return rc;
}

/* Asks the shape rule; results that must wait come out open. */
static int infer(struct specialiser *s, struct graph_node *node, struct fm_tensor *in, struct fm_tensor *out)
{
    bool known = true, hidden;
    int rc = gather(s, node, in, false, &hidden);
    for (int k = 0; k < node->n_out; k++)
        out[k] = (struct fm_tensor){ .dtype = FM_DTYPE_NONE, .rank = -1 };
    for (int k = 0; k < node->n_in && !rc; k++)
        known = known && (node->in[k] < 0 || tensor_known(&in[k]));
    if (!rc)
        rc = known ? op_def(node->op)->shape(node, in, out, s->error) : FM_ERR_AGAIN;
    if (rc == FM_ERR_AGAIN && known && hidden) {
        rc = gather(s, node, in, true, &hidden);
        if (!rc)
            rc = op_def(node->op)->shape(node, in, out, s->error);
        return_loans(s, node, in);
    }
    if (rc && rc != FM_ERR_AGAIN)
        return rc;
    for (int k = 0; k < node->n_out; k++) {
        size_t bytes;
        if (rc == FM_ERR_AGAIN && out[k].dtype == FM_DTYPE_NONE)
            out[k].dtype = open_dtype(node, in, k);
        if (tensor_known(&out[k]) && !graph_tensor_bytes(&out[k], &bytes))
            return core_fail(s->error, FM_ERR_SHAPE, "the result is too large");
        if (node->out[k] >= 0)
            set_shape(&s->to->value[node->out[k]], &out[k]);
    }
    return FM_OK;
}

/* Steps of the operators that take more than a few per element. */
static int64_t fold_steps(const struct specialiser *s, const struct graph_node *node, const struct fm_tensor *out)
{
    const struct fm_tensor x = graph_tensor(s->to, node->in[0]);
    int64_t steps = graph_node_macs(s->to, node), count = fm_tensor_count(&x);
    if (node->op == OP_MAX_POOL || node->op == OP_AVERAGE_POOL) {
        steps = fm_tensor_count(&out[0]);
        for (int i = 0; i < node->p.pool.window.n; i++)
            if (!core_mul_i64(steps, node->p.pool.window.kernel[i], &steps))
                return INT64_MAX;
    } else if (node->op == OP_NON_MAX_SUPPRESSION || node->op == OP_TOP_K) {
        if (!core_mul_i64(count, count, &steps))
            return INT64_MAX;
    }
    return steps;
}

/* Whether the result can be had now: everything is known and the cost is bounded. */
static bool can_fold(struct specialiser *s, const struct graph_node *node, const struct fm_tensor *out)
{
    if (node->op == OP_SHAPE || node->op == OP_SIZE)
        return node->in[0] >= 0 && graph_shape_known(&s->to->value[node->in[0]]) && tensor_known(&out[0]);
    size_t had = 0, needed = 0, bytes;
    for (int k = 0; k < node->n_in; k++) {
        const struct fm_tensor t = graph_tensor(s->to, node->in[k]);
        if (node->in[k] < 0)
            continue;
        if (!t.data || !graph_tensor_bytes(&t, &bytes) || !core_add_size(had, bytes, &had))
            return false;
    }
    for (int k = 0; k < node->n_out; k++)
        if (!tensor_known(&out[k]) || !graph_tensor_bytes(&out[k], &bytes) || !core_add_size(needed, bytes, &needed))
            return false;
    size_t allowed;
    if (!core_mul_size(had, FOLD_RATIO, &allowed) || !core_add_size(allowed, FOLD_FREE, &allowed) || needed > allowed ||
        needed > s->fold_left)
        return false;
    const int64_t steps = fold_steps(s, node, out);
    if (steps > s->steps_left)
        return false;
    s->steps_left -= steps;
    s->fold_left -= needed;
    return true;
}

/* Operators whose result has the bytes of input 0: the constant is shown under another shape, not copied. */
static bool only_renames(const struct graph_node *node, const struct fm_tensor *in, const struct fm_tensor *out)
{
    switch (node->op) {
    case OP_IDENTITY: case OP_RESHAPE: case OP_FLATTEN: case OP_SQUEEZE: case OP_UNSQUEEZE: return true;
    case OP_CAST: return in[0].dtype == out[0].dtype;
    default: return false;
    }
}

static int fold(struct specialiser *s, struct graph_node *node, struct fm_tensor *in, struct fm_tensor *out)
{
    static const uint64_t unread;
    bool hidden;
    int rc = FM_OK;
    if (node->op == OP_SHAPE || node->op == OP_SIZE) { /* these look at the shape only */
        in[0] = graph_tensor(s->to, node->in[0]);
        in[0].data = (void *) (uintptr_t) &unread;
    } else if (node->out[0] >= 0 && only_renames(node, in, out)) {
        s->to->value[node->out[0]].data = s->to->value[node->in[0]].data;
        return FM_OK;
    } else {
        rc = gather(s, node, in, true, &hidden);
    }
    for (int k = 0; k < node->n_out && !rc; k++) {
        size_t bytes;
        out[k].data = NULL;
        if (node->out[k] >= 0 && (!graph_tensor_bytes(&out[k], &bytes) || !(out[k].data = arena_alloc(s->to->arena, bytes))))
            rc = core_fail_nomem(s->error, 0);
    }
    if (!rc)
        rc = op_def(node->op)->run(node, in, out, s->error);
    return_loans(s, node, in);
    for (int k = 0; k < node->n_out && !rc; k++)
        if (node->out[k] >= 0)
            s->to->value[node->out[k]].data = out[k].data;
    return rc;
}

static int walk(struct specialiser *s, const struct graph_node *node, int n_nodes, bool all);

/* A copy of the node in terms of `to`, its indices in the arena. */
static int copy_node(struct specialiser *s, const struct graph_node *node, struct graph_node *copy)
{
    *copy = *node;
    copy->in = arena_array(s->to->arena, (size_t) node->n_in + (size_t) node->n_out, sizeof(int));
    if (!copy->in)
        return core_fail_nomem(s->error, 0);
    copy->out = copy->in + node->n_in;
    for (int k = 0; k < node->n_in; k++)
        copy->in[k] = map_value(s, node->in[k]);
    for (int k = 0; k < node->n_out; k++)
        copy->out[k] = map_value(s, node->out[k]);
    return FM_OK;
}

static void append_node(struct specialiser *s, const struct graph_node *node)
{
    for (int k = 0; k < node->n_out; k++)
        if (node->out[k] >= 0)
            s->to->value[node->out[k]].producer = s->to->n_nodes;
    s->to->node[s->to->n_nodes++] = *node;
}

static int step(struct specialiser *s, const struct graph_node *node)
{
    struct graph_node copy;
    struct fm_tensor *in = s->tensor, *out = s->tensor + node->n_in;
    int rc = copy_node(s, node, &copy);
    if (!rc)
        rc = infer(s, &copy, in, out);
    if (!rc && can_fold(s, &copy, out))
        return fold(s, &copy, in, out);
    if (!rc)
        append_node(s, &copy);
    return rc;
}

/* The nodes of the branch that is taken join the graph. Its results get Identity nodes, so that each value keeps its name. */
static int splice(struct specialiser *s, const struct graph_node *node)
{
    struct fm_tensor condition = graph_tensor(s->to, map_value(s, node->in[0]));
    int rc = FM_OK;
    if (!condition.data)
        rc = core_fail(s->error, FM_ERR_UNSUPPORTED, "the condition is not constant");
    else if (condition.dtype != FM_BOOL || fm_tensor_count(&condition) != 1)
        rc = core_fail(s->error, FM_ERR_SHAPE, "the condition is not one boolean");
    if (rc)
        return node_error(s, node, rc);
    const struct graph_branch *branch = *(const uint8_t *) condition.data ? node->p.branch.then_branch : node->p.branch.else_branch;
    rc = walk(s, branch->node, branch->n_nodes, true);
    for (int k = 0; k < node->n_out && !rc; k++) {
        if (node->out[k] < 0)
            continue;
        const int inner = map_value(s, branch->output[k]), outer = map_value(s, node->out[k]);
        struct graph_value *value = &s->to->value[outer];
        const char *name = value->name;
        *value = s->to->value[inner];
        value->name = name;
        value->producer = -1;
        if (value->data)
            continue;
        struct graph_node identity = { .op = OP_IDENTITY, .name = node->name, .type = node->type, .n_in = 1, .n_out = 1 };
        if (!(identity.in = arena_array(s->to->arena, 2, sizeof(int))))
            return core_fail_nomem(s->error, 0);
        identity.out = identity.in + 1;
        identity.in[0] = inner;
        identity.out[0] = outer;
        append_node(s, &identity);
    }
    return rc;
}

static int walk(struct specialiser *s, const struct graph_node *node, int n_nodes, bool all)
{
    int rc = FM_OK;
    for (int i = 0; i < n_nodes && !rc; i++) {
        if (!all && !is_wanted(s, &node[i]))
            continue;
        s->error->code = FM_OK;
        if (node[i].op == OP_IF)
            rc = splice(s, &node[i]);
        else if ((rc = step(s, &node[i])) != FM_OK)
            node_error(s, &node[i], rc);
    }
    return rc;
}

/* ---- the whole ---- */

static int set_inputs(struct specialiser *s, const struct fm_tensor *inputs)
{
    for (int i = 0; i < s->from->n_inputs; i++) {
        const struct fm_tensor *t = &inputs[i];
        const struct graph_value *declared = &s->from->value[s->from->input[i]];
        const char *source = s->from->source, *name = declared->name;
        if (t->dtype <= FM_DTYPE_NONE || t->dtype >= FM_DTYPE_COUNT || t->rank < 0 || t->rank > FM_MAX_RANK ||
            fm_tensor_count(t) < 0)
            return core_fail(s->error, FM_ERR_ARGUMENT, "%s: input %d ('%s'): not a tensor", source, i, name);
        if (declared->dtype != FM_DTYPE_NONE && declared->dtype != t->dtype)
            return core_fail(s->error, FM_ERR_SHAPE, "%s: input %d ('%s') is %s, got %s", source, i, name,
                             fm_dtype_name(declared->dtype), fm_dtype_name(t->dtype));
        if (declared->rank >= 0 && declared->rank != t->rank)
            return core_fail(s->error, FM_ERR_SHAPE, "%s: input %d ('%s') has %d dimensions, got %d", source, i, name,
                             declared->rank, t->rank);
        for (int d = 0; d < declared->rank; d++)
            if (declared->dim[d] >= 0 && declared->dim[d] != t->dim[d])
                return core_fail(s->error, FM_ERR_SHAPE, "%s: input %d ('%s'): dimension %d is %lld, got %lld", source, i, name, d,
                                 (long long) declared->dim[d], (long long) t->dim[d]);
        s->to->input[i] = map_value(s, s->from->input[i]);
        set_shape(&s->to->value[s->to->input[i]], t);
    }
    return FM_OK;
}

static int prepare(struct specialiser *s)
{
    const struct graph *from = s->from;
    int n_nodes = 0, widest = 1;
    measure(from->node, from->n_nodes, &n_nodes, &widest);
    struct graph *to = s->to = graph_create();
    s->map = core_alloc(((size_t) from->n_values + 1) * sizeof(int));
    s->wanted = core_calloc((size_t) from->n_values + 1, 1);
    s->tensor = core_calloc((size_t) widest, sizeof(*s->tensor));
    s->owned = core_calloc((size_t) widest, sizeof(*s->owned));
    if (!to || !s->map || !s->wanted || !s->tensor || !s->owned)
        return core_fail_nomem(s->error, 0);
    packs_unref(&to->packs);
    to->packs = packs_ref(from->packs);
    to->source = from->source;
    to->format = from->format;
    to->meta = from->meta;
    to->n_meta = from->n_meta;
    to->cap_nodes = n_nodes + 1;
    to->cap_values = from->n_values + 1;
    to->n_inputs = from->n_inputs;
    to->n_outputs = from->n_outputs;
    to->node = arena_array(to->arena, (size_t) to->cap_nodes, sizeof(*to->node));
    to->value = arena_array(to->arena, (size_t) to->cap_values, sizeof(*to->value));
    to->input = arena_array(to->arena, (size_t) from->n_inputs, sizeof(int));
    to->output = arena_array(to->arena, (size_t) from->n_outputs, sizeof(int));
    if (!to->node || !to->value || !to->input || !to->output)
        return core_fail_nomem(s->error, 0);
    size_t constants = 0;
    for (int v = 0; v < from->n_values; v++) {
        s->map[v] = -1;
        const struct fm_tensor t = graph_tensor(from, v);
        size_t bytes;
        if (t.data && graph_tensor_bytes(&t, &bytes) && !core_add_size(constants, bytes, &constants))
            constants = FOLD_TOTAL_MAX;
    }
    s->fold_left = constants < FOLD_TOTAL_MAX / FOLD_RATIO ? constants * FOLD_RATIO + FOLD_TOTAL : FOLD_TOTAL_MAX;
    s->steps_left = FOLD_STEPS;
    for (int k = 0; k < from->n_outputs; k++)
        s->wanted[from->output[k]] = 1;
    for (int i = from->n_nodes - 1; i >= 0; i--)
        if (is_wanted(s, &from->node[i]))
            want_all(s, &from->node[i]);
    return FM_OK;
}

int graph_specialise(const struct graph *graph, const struct fm_tensor *inputs, struct graph **out, struct fm_error *error)
{
    struct fm_error unseen;
    struct specialiser s = { .from = graph, .error = error ? error : &unseen };
    int rc = prepare(&s);
    if (!rc)
        rc = set_inputs(&s, inputs);
    if (!rc)
        rc = walk(&s, graph->node, graph->n_nodes, false);
    for (int k = 0; k < graph->n_outputs && !rc; k++)
        s.to->output[k] = map_value(&s, graph->output[k]);
    if (!rc)
        rc = graph_drop_dead(s.to, s.error);
    core_free(s.owned);
    core_free(s.tensor);
    core_free(s.wanted);
    core_free(s.map);
    if (rc)
        graph_destroy(&s.to);
    *out = s.to;
    return rc;
}
