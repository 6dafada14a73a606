/* SPDX-License-Identifier: MIT */
/* What rules are made of: attributes, constants, graph nodes; and the dispatch to them. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/half.h"
#include "model/onnx_import.h"

void onnx_refuse(struct onnx_op *op, enum fm_err code, const char *format, ...)
{
    if (op->rc)
        return;
    char text[FM_ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    const struct onnx_node *node = op->node;
    op->rc = core_fail(op->import->file.error, code, "%s: node %d \"%.*s\" (operator %.*s%s%.*s, opset %d): %s",
                       op->import->file.source, node->index, ONNX_SHOW(node->name), ONNX_SHOW(node->domain),
                       node->domain.size ? "." : "", ONNX_SHOW(node->type), op->version, text);
}

static bool no_memory(struct onnx_op *op)
{
    if (!op->rc)
        op->rc = onnx_fail_nomem(&op->import->file, 0);
    return false;
}

bool onnx_arity(struct onnx_op *op, int min, int max)
{
    if (op->n_in > max)
        onnx_refuse(op, FM_ERR_FORMAT, "has %d inputs, may have %d", op->n_in, max);
    for (int i = 0; i < min; i++)
        if (i >= op->n_in || op->in[i] < 0)
            onnx_refuse(op, FM_ERR_FORMAT, "input %d is missing", i);
    return op->rc == 0;
}

/* ---- attributes ---- */

static struct onnx_attr *find_attr(struct onnx_op *op, const char *name)
{
    for (int i = 0; i < op->node->n_attr && !op->rc; i++)
        if (onnx_view_is(op->node->attr[i].name, name))
            return &op->node->attr[i];
    return NULL;
}

static struct onnx_attr *get_attr(struct onnx_op *op, const char *name, enum onnx_attr_type type)
{
    static const char *const names[] = { "undefined", "float", "int", "string", "tensor", "graph", "floats", "ints", "strings" };
    struct onnx_attr *attr = find_attr(op, name);
    if (!attr)
        return NULL;
    attr->is_used = true;
    if (attr->type == type)
        return attr;
    onnx_refuse(op, FM_ERR_FORMAT, "attribute \"%s\" (byte %zu) has type %s, must have %s", name,
                (size_t) (attr->at - op->import->file.data.at), attr->type <= ATTR_STRINGS ? names[attr->type] : "unknown",
                names[type]);
    return NULL;
}

bool onnx_has(struct onnx_op *op, const char *name) { return find_attr(op, name) != NULL; }

int64_t onnx_int(struct onnx_op *op, const char *name, int64_t otherwise)
{
    const struct onnx_attr *attr = get_attr(op, name, ATTR_INT);
    return attr ? attr->i : otherwise;
}

int64_t onnx_int_in(struct onnx_op *op, const char *name, int64_t otherwise, int64_t min, int64_t max)
{
    const int64_t value = onnx_int(op, name, otherwise);
    if (value >= min && value <= max)
        return value;
    onnx_refuse(op, FM_ERR_FORMAT, "attribute \"%s\" is %" PRId64 ", must be %" PRId64 " to %" PRId64, name, value, min, max);
    return min;
}

bool onnx_flag(struct onnx_op *op, const char *name, bool otherwise) { return onnx_int(op, name, otherwise) != 0; }

float onnx_float(struct onnx_op *op, const char *name, float otherwise)
{
    const struct onnx_attr *attr = get_attr(op, name, ATTR_FLOAT);
    return attr ? attr->f : otherwise;
}

const char *onnx_string(struct onnx_op *op, const char *name, const char *otherwise)
{
    const struct onnx_attr *attr = get_attr(op, name, ATTR_STRING);
    const char *text = otherwise;
    if (attr && (op->rc = onnx_text(&op->import->file, attr->s, &text)))
        return otherwise;
    return text;
}

int onnx_choice(struct onnx_op *op, const char *name, const char *otherwise, const char *const *list)
{
    const char *text = onnx_string(op, name, otherwise);
    for (int i = 0; list[i]; i++)
        if (strcmp(list[i], text) == 0)
            return i;
    onnx_refuse(op, FM_ERR_UNSUPPORTED, "attribute \"%s\" is \"%.80s\", which is not known", name, text);
    return 0;
}

int onnx_ints(struct onnx_op *op, const char *name, const int64_t **list)
{
    const struct onnx_attr *attr = get_attr(op, name, ATTR_INTS);
    if (attr)
        *list = attr->ints;
    return attr ? attr->n : -1;
}

int onnx_floats(struct onnx_op *op, const char *name, const float **list)
{
    const struct onnx_attr *attr = get_attr(op, name, ATTR_FLOATS);
    if (attr)
        *list = attr->floats;
    return attr ? attr->n : -1;
}

bool onnx_tensor(struct onnx_op *op, const char *name, struct onnx_tensor *tensor)
{
    const struct onnx_attr *attr = get_attr(op, name, ATTR_TENSOR);
    if (!attr)
        return false;
    op->rc = onnx_read_tensor(&op->import->file, attr->message, tensor);
    return op->rc == 0;
}

bool onnx_graph(struct onnx_op *op, const char *name, struct onnx_view *graph)
{
    const struct onnx_attr *attr = get_attr(op, name, ATTR_GRAPH);
    if (attr)
        *graph = attr->message;
    return attr != NULL;
}

/* ---- constants ---- */

static int made(struct onnx_op *op, int index)
{
    if (index < 0)
        no_memory(op);
    return index < 0 ? -1 : index;
}

int onnx_make_i64s(struct onnx_op *op, int n, const int64_t *list)
{
    return op->rc ? -1 : made(op, graph_add_i64s(op->import->graph, n, list));
}

int onnx_make_f32s(struct onnx_op *op, int n, const float *list)
{
    return op->rc ? -1 : made(op, graph_add_f32s(op->import->graph, n, list));
}

int onnx_make_attr(struct onnx_op *op, const char *name)
{
    const int64_t *list = NULL;
    const int n = onnx_ints(op, name, &list);
    return n < 0 ? -1 : onnx_make_i64s(op, n, list);
}

static void store_scalar(uint8_t *to, enum fm_dtype dtype, double value)
{
    const float f = (float) value;
    const uint16_t half = dtype == FM_F16 ? half_from_f32(f) : bf16_from_f32(f);
    const int64_t i = value <= -0x1p63 ? INT64_MIN : value >= 0x1p63 ? INT64_MAX : isnan(value) ? 0 : (int64_t) value;
    switch (dtype) {
    case FM_F16:
    case FM_BF16: memcpy(to, &half, 2); break;
    case FM_F32: memcpy(to, &f, 4); break;
    case FM_F64: memcpy(to, &value, 8); break;
    default:
        for (size_t k = 0; k < fm_dtype_size(dtype); k++)
            to[k] = (uint8_t) ((uint64_t) i >> (8 * k));
        break;
    }
}

int onnx_make_like(struct onnx_op *op, int like, double value)
{
    enum fm_dtype dtype = onnx_value_dtype(op, like);
    if (dtype == FM_DTYPE_NONE)
        dtype = FM_F32;
    uint8_t *data = op->rc ? NULL : arena_alloc(op->import->graph->arena, 8);
    if (!data) {
        no_memory(op);
        return -1;
    }
    store_scalar(data, dtype, value);
    return made(op, graph_add_constant(op->import->graph, "", dtype, 0, NULL, data));
}

int onnx_make_constant(struct onnx_op *op, const char *name, const struct onnx_tensor *t)
{
    return op->rc ? -1 : made(op, graph_add_constant(op->import->graph, name, t->dtype, t->rank, t->dim, t->data));
}

/* ---- values ---- */

const struct graph_value *onnx_value(const struct onnx_op *op, int value)
{
    static const struct graph_value unknown = { .name = "", .rank = -1, .producer = -1 };
    return value < 0 ? &unknown : &op->import->graph->value[value];
}

enum fm_dtype onnx_value_dtype(const struct onnx_op *op, int value) { return onnx_value(op, value)->dtype; }

bool onnx_is_empty(const struct onnx_op *op, int value)
{
    const struct graph_value *v = onnx_value(op, value);
    for (int i = 0; i < v->rank; i++)
        if (v->dim[i] == 0)
            return true;
    return false;
}

int onnx_constant_i64s(const struct onnx_op *op, int value, int64_t *list, int max)
{
    const struct graph_value *v = onnx_value(op, value);
    const size_t size = fm_dtype_size(v->dtype);
    int64_t count = 1;
    if (!v->data || v->rank < 0 || (v->dtype != FM_I64 && v->dtype != FM_I32 && v->dtype != FM_BOOL && v->dtype != FM_U8))
        return -1;
    for (int i = 0; i < v->rank; i++) {
        if (v->dim[i] > max || (count *= v->dim[i]) > max)
            return -1;
    }
    for (int64_t i = 0; i < count; i++) {
        const uint8_t *from = (const uint8_t *) v->data + (size_t) i * size;
        int32_t small;
        list[i] = from[0];
        if (v->dtype == FM_I64)
            memcpy(&list[i], from, 8);
        else if (v->dtype == FM_I32)
            list[i] = (memcpy(&small, from, 4), small);
    }
    return (int) count;
}

/* ---- graph nodes ---- */

static const struct { const char *name; int min_in, max_in, min_out, max_out; } arity[] = {
#define OP(kind, text, family, least_in, most_in, least_out, most_out, params) \
    [OP_##kind] = { text, least_in, most_in, least_out, most_out },
#include "graph/ops.def"
#undef OP
};

/* Arities as ops.def has them. An operator with many inputs or outputs (Concat, Max) has none that may be left out. */
static bool check_arity(struct onnx_op *op, enum op_kind kind, int n_in, const int *in, int n_out)
{
    const int min = arity[kind].max_in >= 255 ? n_in : arity[kind].min_in;
    if (n_in > arity[kind].max_in || n_out > arity[kind].max_out || n_out < 1)
        onnx_refuse(op, FM_ERR_FORMAT, "has %d inputs and %d outputs; %s has at most %d and %d, at least one output", n_in, n_out,
                    arity[kind].name, arity[kind].max_in, arity[kind].max_out);
    if (n_in < arity[kind].min_in)
        onnx_refuse(op, FM_ERR_FORMAT, "has %d inputs, needs %d", n_in, arity[kind].min_in);
    for (int i = 0; i < min; i++)
        if (!op->rc && in[i] < 0)
            onnx_refuse(op, FM_ERR_FORMAT, "input %d is missing", i);
    return op->rc == 0;
}

static int add_node(struct onnx_op *op, enum op_kind kind, int n_in, const int *in, int n_out)
{
    struct onnx_file *file = &op->import->file;
    const char *type, *name;
    while (n_in > 0 && in[n_in - 1] < 0)
        n_in--;
    if (op->rc || !check_arity(op, kind, n_in, in, n_out) || (op->rc = onnx_text(file, op->node->type, &type)) ||
        (op->rc = onnx_text(file, op->node->name, &name)))
        return -1;
    const int index = made(op, graph_add_node(op->import->graph, kind, type, name, n_in, n_out));
    if (index >= 0 && n_in)
        memcpy(op->import->graph->node[index].in, in, (size_t) n_in * sizeof(int));
    return index;
}

static union op_params *params_of(struct onnx_op *op, int node)
{
    return node < 0 ? &op->dummy : &op->import->graph->node[node].p;
}

int onnx_step(struct onnx_op *op, enum op_kind kind, int n_in, const int *in, union op_params **params)
{
    const int node = add_node(op, kind, n_in, in, 1);
    const int value = node < 0 ? -1 : made(op, graph_add_value(op->import->graph, ""));
    if (value >= 0)
        graph_set_output(op->import->graph, node, 0, value);
    if (params)
        *params = params_of(op, node);
    return value;
}

static int trimmed_outputs(const struct onnx_node *node)
{
    int n = node->n_out;
    while (n > 0 && node->out[n - 1].size == 0)
        n--;
    return n;
}

union op_params *onnx_emit(struct onnx_op *op, enum op_kind kind, int n_in, const int *in)
{
    const int n_out = trimmed_outputs(op->node);
    /* an operator that makes two things has two outputs, wanted or not */
    const int node = add_node(op, kind, n_in, in, n_out > 0 && n_out < arity[kind].min_out ? arity[kind].min_out : n_out);
    for (int k = 0; k < n_out && !op->rc; k++) {
        const char *name;
        if (op->node->out[k].size == 0 || (op->rc = onnx_text(&op->import->file, op->node->out[k], &name)))
            continue;
        const int value = made(op, graph_add_value(op->import->graph, name));
        if (value < 0)
            break;
        graph_set_output(op->import->graph, node, k, value);
        onnx_bind(op, k, value);
    }
    return params_of(op, op->rc ? -1 : node);
}

void onnx_bind(struct onnx_op *op, int k, int value)
{
    if (op->rc || k >= op->node->n_out || op->node->out[k].size == 0)
        return;
    op->rc = onnx_scope_add(op->import, op->scope, op->node->out[k], value);
    struct graph_value *v = &op->import->graph->value[value];
    const char *name;
    if (op->rc || v->name[0] || (op->rc = onnx_text(&op->import->file, op->node->out[k], &name)))
        return;
    v->name = arena_strdup(op->import->graph->arena, name);
    if (!v->name) {
        v->name = "";
        no_memory(op);
    }
}

/* ---- types: what a rule may want to know of a value made by an earlier node ---- */

static enum fm_dtype output_dtype(const struct graph *graph, const struct graph_node *node, int k)
{
#define INPUT_DTYPE(i) ((i) < node->n_in && node->in[i] >= 0 ? graph->value[node->in[i]].dtype : FM_DTYPE_NONE)
    switch (node->op) {
    case OP_CAST: return node->p.cast.to;
    case OP_CONSTANT_OF_SHAPE: return node->p.fill.dtype;
    case OP_EQUAL:
    case OP_GREATER:
    case OP_GREATER_EQUAL:
    case OP_LESS:
    case OP_LESS_EQUAL: return FM_BOOL;
    case OP_SHAPE:
    case OP_SIZE:
    case OP_ARG_MAX:
    case OP_ARG_MIN:
    case OP_NON_MAX_SUPPRESSION: return FM_I64;
    case OP_WHERE:
    case OP_DEQUANTIZE_LINEAR: return INPUT_DTYPE(1);
    case OP_IF: return FM_DTYPE_NONE;
    case OP_DROPOUT: return k == 0 ? INPUT_DTYPE(0) : FM_BOOL;
    case OP_TOP_K:
    case OP_MAX_POOL: return k == 0 ? INPUT_DTYPE(0) : FM_I64;
    case OP_LAYER_NORM: return k == 0 ? INPUT_DTYPE(0) : FM_F32;
    case OP_BATCH_NORM: return INPUT_DTYPE(k == 0 ? 0 : 3);
    default: return INPUT_DTYPE(0);
    }
#undef INPUT_DTYPE
}

static void infer_dtypes(struct graph *graph, int first_node)
{
    for (int i = first_node; i < graph->n_nodes; i++)
        for (int k = 0; k < graph->node[i].n_out; k++) {
            const int v = graph->node[i].out[k];
            if (v >= 0 && graph->value[v].dtype == FM_DTYPE_NONE)
                graph->value[v].dtype = output_dtype(graph, &graph->node[i], k);
        }
}

/* ---- dispatch ---- */

static const struct onnx_rule *find_rule(const struct onnx_op *op)
{
    static const struct onnx_rule *const standard[] = { onnx_rules_plain, onnx_rules_window, onnx_rules_layout, onnx_rules_reduce,
                                                        onnx_rules_shape };
    if (onnx_view_is(op->node->domain, "com.microsoft")) {
        for (const struct onnx_rule *rule = onnx_rules_microsoft; rule->name; rule++)
            if (onnx_view_is(op->node->type, rule->name))
                return rule;
        return NULL;
    }
    for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]) && op->node->domain.size == 0; i++)
        for (const struct onnx_rule *rule = standard[i]; rule->name; rule++)
            if (onnx_view_is(op->node->type, rule->name))
                return rule;
    return NULL;
}

/* The oldest opset in which an operator has a form that is known here: the few that have hardly changed since ONNX began are read
 * from files before ONNX_OPSET_MIN too. */
static int oldest_version(const struct onnx_node *node)
{
    static const struct { const char *name; int version; } known[] = {
        { "Not", 1 }, { "Identity", 1 }, { "Softplus", 1 }, { "Softsign", 1 }, { "GlobalAveragePool", 1 }, { "GlobalMaxPool", 1 },
        { "Elu", 6 }, { "Selu", 6 }, { "HardSigmoid", 6 }, { "InstanceNormalization", 6 },
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (onnx_view_is(node->type, known[i].name))
            return known[i].version;
    return node->domain.size ? 1 : ONNX_OPSET_MIN;
}

static bool resolve_inputs(struct onnx_op *op)
{
    const struct onnx_node *node = op->node;
    op->in = arena_array(op->import->file.scratch, (size_t) node->n_in, sizeof(int));
    if (!op->in)
        return no_memory(op);
    for (int i = 0; i < node->n_in; i++) {
        op->in[i] = -1;
        if (node->in[i].size == 0)
            continue;
        const struct onnx_name *name = onnx_scope_find(op->scope, node->in[i]);
        if (!name) {
            onnx_refuse(op, FM_ERR_FORMAT, "input %d, \"%.*s\", is made by no earlier node, initializer or graph input", i,
                        ONNX_SHOW(node->in[i]));
            return false;
        }
        op->in[i] = name->value;
    }
    op->n_in = node->n_in;
    while (op->n_in > 0 && op->in[op->n_in - 1] < 0)
        op->n_in--;
    return true;
}

static void check_attrs_used(struct onnx_op *op)
{
    for (int i = 0; i < op->node->n_attr && !op->rc; i++) {
        const struct onnx_attr *attr = &op->node->attr[i];
        if (!attr->is_used)
            onnx_refuse(op, FM_ERR_UNSUPPORTED, "attribute \"%.*s\" (byte %zu) is not known here", ONNX_SHOW(attr->name),
                        (size_t) (attr->at - op->import->file.data.at));
    }
}

int onnx_lower_node(struct onnx_import *import, struct onnx_scope *scope, struct onnx_node *node)
{
    struct onnx_op op = { .import = import, .scope = scope, .node = node };
    const int64_t version = onnx_scope_opset(scope, node->domain);
    const int first_node = import->graph->n_nodes;
    bool is_function = false;
    op.version = version > 0 && version < INT32_MAX ? (int) version : 0;
    if (!resolve_inputs(&op) || onnx_inline_function(&op, &is_function) || is_function)
        return op.rc;
    op.rule = find_rule(&op);
    if (!op.rule) {
        onnx_refuse(&op, FM_ERR_UNSUPPORTED, "this operator is not supported");
    } else if (version < 1) {
        onnx_refuse(&op, FM_ERR_FORMAT, "the model does not import the opset of its domain");
    } else if (version < oldest_version(node)) {
        onnx_refuse(&op, FM_ERR_UNSUPPORTED, "the opset is too old, supported are %d to %d", ONNX_OPSET_MIN, ONNX_OPSET_MAX);
    } else {
        op.rule->lower(&op);
        infer_dtypes(import->graph, first_node);
        check_attrs_used(&op);
    }
    return op.rc;
}
