/* SPDX-License-Identifier: MIT */
/* Rules: shapes, constants, If. */
#include <string.h>

#include "model/onnx_import.h"

static void lower_same(struct onnx_op *op)
{
    onnx_emit(op, op->rule->kind, op->n_in, op->in);
}

static void lower_shape(struct onnx_op *op)
{
    const int64_t start = onnx_int(op, "start", 0), end = onnx_int(op, "end", 0);
    const bool has_end = onnx_has(op, "end");
    union op_params *p = onnx_emit(op, OP_SHAPE, op->n_in, op->in);
    p->range.start = start;
    p->range.end = end;
    p->range.has_end = has_end;
}

/* A scalar or a list from an attribute; the elements are copied out of the scratch arena. */
static void bind_copy(struct onnx_op *op, enum fm_dtype dtype, int rank, int n, const void *from)
{
    const size_t size = (size_t) n * fm_dtype_size(dtype);
    struct onnx_tensor t = { .dtype = dtype, .rank = rank, .dim = { n } };
    void *data = op->rc ? NULL : arena_alloc(op->import->graph->arena, size);
    if (!data) {
        if (!op->rc)
            op->rc = onnx_fail_nomem(&op->import->file, size);
        return;
    }
    if (size)
        memcpy(data, from, size);
    t.data = data;
    onnx_bind(op, 0, onnx_make_constant(op, "", &t));
}

static void lower_constant(struct onnx_op *op)
{
    struct onnx_tensor tensor;
    const float *floats = NULL;
    const int64_t *ints = NULL;
    if (op->n_in != 0 || op->node->n_out != 1 || op->node->out[0].size == 0)
        onnx_refuse(op, FM_ERR_FORMAT, "must have no input and one output");
    if (op->node->n_attr != 1)
        onnx_refuse(op, FM_ERR_FORMAT, "must have exactly one attribute, has %d", op->node->n_attr);
    if (onnx_tensor(op, "value", &tensor)) {
        onnx_bind(op, 0, onnx_make_constant(op, "", &tensor));
    } else if (onnx_has(op, "value_float")) {
        const float value = onnx_float(op, "value_float", 0);
        bind_copy(op, FM_F32, 0, 1, &value);
    } else if (onnx_has(op, "value_int")) {
        const int64_t value = onnx_int(op, "value_int", 0);
        bind_copy(op, FM_I64, 0, 1, &value);
    } else if (onnx_has(op, "value_floats")) {
        const int n = onnx_floats(op, "value_floats", &floats);
        bind_copy(op, FM_F32, 1, n < 0 ? 0 : n, floats);
    } else if (onnx_has(op, "value_ints")) {
        const int n = onnx_ints(op, "value_ints", &ints);
        bind_copy(op, FM_I64, 1, n < 0 ? 0 : n, ints);
    } else if (op->node->n_attr > 0) {
        onnx_refuse(op, FM_ERR_UNSUPPORTED, "constants of kind \"%.*s\" are not supported", ONNX_SHOW(op->node->attr[0].name));
    }
}

static void lower_constant_of_shape(struct onnx_op *op)
{
    struct onnx_tensor tensor = { .dtype = FM_F32, .count = 1 };
    const bool has_value = onnx_tensor(op, "value", &tensor);
    if (tensor.count != 1)
        onnx_refuse(op, FM_ERR_FORMAT, "attribute \"value\" must have one element");
    union op_params *p = onnx_emit(op, OP_CONSTANT_OF_SHAPE, op->n_in, op->in);
    p->fill.dtype = tensor.dtype;
    if (has_value && !op->rc)
        memcpy(p->fill.bytes, tensor.data, fm_dtype_size(tensor.dtype));
}

/* ---- If ---- */

/* The condition is in the file: the branch is put in the node's place and the other one is not even looked at. */
static void take_branch(struct onnx_op *op, struct onnx_view body, int *output)
{
    const int first_value = op->import->graph->n_values;
    op->rc = onnx_import_body(op->import, op->scope, body, op->node->n_out, output);
    for (int k = 0; k < op->node->n_out && !op->rc; k++) {
        if (op->node->out[k].size && output[k] < first_value) /* a value of the outside handed through keeps its own name */
            output[k] = onnx_step(op, OP_IDENTITY, 1, &output[k], NULL);
        onnx_bind(op, k, output[k]);
    }
}

static struct graph_branch *make_branch(struct onnx_op *op, struct onnx_view body, int *output)
{
    struct graph *graph = op->import->graph;
    const int first_node = graph->n_nodes;
    if (!op->rc)
        op->rc = onnx_import_body(op->import, op->scope, body, op->node->n_out, output);
    if (op->rc)
        return NULL;
    struct graph_branch *branch = graph_cut_branch(graph, first_node, op->node->n_out, output);
    if (!branch)
        op->rc = onnx_fail_nomem(&op->import->file, 0);
    return branch;
}

static void lower_if(struct onnx_op *op)
{
    struct onnx_view yes, no;
    int64_t condition;
    if (!onnx_arity(op, 1, 1))
        return;
    const bool has_yes = onnx_graph(op, "then_branch", &yes), has_no = onnx_graph(op, "else_branch", &no);
    if (!has_yes || !has_no)
        onnx_refuse(op, FM_ERR_FORMAT, "attribute \"%s\" is missing", has_yes ? "else_branch" : "then_branch");
    int *output = op->rc ? NULL : arena_array(op->import->file.scratch, (size_t) op->node->n_out * 2, sizeof(int));
    if (!output) {
        if (!op->rc)
            op->rc = onnx_fail_nomem(&op->import->file, 0);
        return;
    }
    if (onnx_constant_i64s(op, op->in[0], &condition, 1) == 1) {
        take_branch(op, condition ? yes : no, output);
        return;
    }
    const int n = op->node->n_out;
    struct graph_branch *then_branch = make_branch(op, yes, output);
    struct graph_branch *else_branch = make_branch(op, no, output + n);
    const int node = op->import->graph->n_nodes;
    for (int k = 0; k < n && !op->rc; k++) /* all outputs belong to it: branches give as many */
        if (op->node->out[k].size == 0)
            onnx_refuse(op, FM_ERR_UNSUPPORTED, "output %d is left out", k);
    union op_params *p = onnx_emit(op, OP_IF, 1, op->in);
    p->branch.then_branch = then_branch;
    p->branch.else_branch = else_branch;
    for (int k = 0; k < n && !op->rc; k++) {
        const enum fm_dtype a = onnx_value_dtype(op, output[k]), b = onnx_value_dtype(op, output[n + k]);
        if (a == b)
            op->import->graph->value[op->import->graph->node[node].out[k]].dtype = a;
    }
}

const struct onnx_rule onnx_rules_shape[] = {
    { "Shape", OP_SHAPE, lower_shape }, { "Size", OP_SIZE, lower_same }, { "Range", OP_RANGE, lower_same },
    { "Constant", OP_CONSTANT_OF_SHAPE, lower_constant }, { "ConstantOfShape", OP_CONSTANT_OF_SHAPE, lower_constant_of_shape },
    { "If", OP_IF, lower_if }, { NULL, OP_COUNT, NULL },
};
