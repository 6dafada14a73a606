/* SPDX-License-Identifier: MIT */
/* Functions of a model: a call is replaced by the function's nodes, whose names live in a scope of their own. */
#include "model/onnx_import.h"

/* field numbers of FunctionProto */
enum { FUNCTION_NAME = 1, FUNCTION_INPUT = 4, FUNCTION_OUTPUT = 5, FUNCTION_NODE = 7, FUNCTION_OPSET = 9, FUNCTION_DOMAIN = 10,
       FUNCTION_ATTR_DEFAULT = 11, FUNCTION_OVERLOAD = 13 };

/* The attribute of the call, else the function's default for it; false when there is neither (or on a fault, in *rc). */
static bool find_reference(struct onnx_file *file, const struct onnx_scope *scope, struct onnx_view name, struct onnx_attr *found,
                           int *rc)
{
    struct onnx_wire wire = onnx_wire_open(*scope->function);
    struct onnx_field f;
    for (int i = 0; i < scope->call->n_attr; i++)
        if (onnx_view_same(scope->call->attr[i].name, name)) {
            *found = scope->call->attr[i];
            return true;
        }
    while ((*rc = onnx_next(file, &wire, &f, "FunctionProto")) > 0)
        if (f.number == FUNCTION_ATTR_DEFAULT && ((*rc = onnx_read_attr(file, &f, found)) || onnx_view_same(found->name, name)))
            return *rc == 0;
    return false;
}

int onnx_resolve_references(struct onnx_import *import, const struct onnx_scope *scope, struct onnx_node *node)
{
    int kept = 0, rc = FM_OK;
    for (int i = 0; i < node->n_attr; i++) {
        struct onnx_attr attr = node->attr[i], found;
        if (attr.reference.size) {
            if (!scope->function)
                return onnx_fail_at(&import->file, attr.at, FM_ERR_FORMAT,
                                    "attribute \"%.*s\" refers to a function, but is in none", ONNX_SHOW(attr.name));
            if (!find_reference(&import->file, scope, attr.reference, &found, &rc)) {
                if (rc)
                    return rc;
                continue;
            }
            found.name = attr.name;
            attr = found;
        }
        attr.is_used = false;
        node->attr[kept++] = attr;
    }
    node->n_attr = kept;
    return FM_OK;
}

static const struct onnx_function *find_function(const struct onnx_import *import, const struct onnx_node *node)
{
    for (const struct onnx_function *f = import->function; f; f = f->next)
        if (onnx_view_same(f->name, node->type) && onnx_view_same(f->domain, node->domain) &&
            onnx_view_same(f->overload, node->overload))
            return f;
    return NULL;
}

/* The function's own opsets; where it has none, the model's. */
static int function_opsets(struct onnx_import *import, const struct onnx_function *function, struct onnx_scope *scope)
{
    int n, rc = onnx_count(&import->file, function->body, FUNCTION_OPSET, "FunctionProto", &n);
    scope->opset = import->opset;
    scope->n_opsets = import->n_opsets;
    if (rc || n == 0)
        return rc;
    struct onnx_opset *opset = arena_array(import->file.scratch, (size_t) n, sizeof(*opset));
    if (!opset)
        return onnx_fail_nomem(&import->file, 0);
    scope->opset = opset;
    scope->n_opsets = 0;
    struct onnx_wire wire = onnx_wire_open(function->body);
    struct onnx_field f;
    while ((rc = onnx_next(&import->file, &wire, &f, "FunctionProto")) > 0)
        if (f.number == FUNCTION_OPSET && (rc = onnx_read_opset(&import->file, &f, &opset[scope->n_opsets++])) < 0)
            return rc;
    return rc;
}

static int bind_inputs(struct onnx_op *op, const struct onnx_function *function, struct onnx_scope *scope)
{
    struct onnx_wire wire = onnx_wire_open(function->body);
    struct onnx_field f;
    int rc, i = 0;
    while ((rc = onnx_next(&op->import->file, &wire, &f, "FunctionProto")) > 0) {
        if (f.number != FUNCTION_INPUT)
            continue;
        if ((rc = onnx_want(&op->import->file, &f, WIRE_BYTES, "FunctionProto.input")) ||
            (rc = onnx_scope_add(op->import, scope, f.bytes, i < op->n_in ? op->in[i] : -1)))
            return rc;
        i++;
    }
    if (!rc && op->n_in > i)
        onnx_refuse(op, FM_ERR_FORMAT, "has %d inputs, its function takes %d", op->n_in, i);
    return rc ? rc : op->rc;
}

/* A value that was there before the call (an input handed through) gets a node, so that it can carry the output's name too. */
static int bind_outputs(struct onnx_op *op, const struct onnx_function *function, const struct onnx_scope *scope, int first_value)
{
    struct onnx_wire wire = onnx_wire_open(function->body);
    struct onnx_field f;
    int rc, k = 0;
    while ((rc = onnx_next(&op->import->file, &wire, &f, "FunctionProto")) > 0) {
        int value;
        if (f.number != FUNCTION_OUTPUT)
            continue;
        if ((rc = onnx_want(&op->import->file, &f, WIRE_BYTES, "FunctionProto.output")))
            return rc;
        if (k < op->node->n_out && op->node->out[k].size) {
            if ((rc = onnx_find_output(op->import, scope, f.bytes, &value)))
                return rc;
            if (value < first_value)
                value = onnx_step(op, OP_IDENTITY, 1, &value, NULL);
            if (!op->rc && value >= 0) {
                op->import->graph->value[value].name = ""; /* the caller's name counts, not the function's */
                onnx_bind(op, k, value);
            }
            if (op->rc)
                return op->rc;
        }
        k++;
    }
    if (!rc && op->node->n_out > k)
        onnx_refuse(op, FM_ERR_FORMAT, "has %d outputs, its function gives %d", op->node->n_out, k);
    return rc ? rc : op->rc;
}

int onnx_inline_function(struct onnx_op *op, bool *found)
{
    struct onnx_import *import = op->import;
    const struct onnx_function *function = import->function ? find_function(import, op->node) : NULL;
    const int first_value = import->graph->n_values;
    *found = function != NULL;
    if (!function || (op->rc = onnx_enter(import, op->node->at)))
        return op->rc;
    struct onnx_scope scope = { .function = &function->body, .call = op->node };
    int rc = function_opsets(import, function, &scope);
    if (!rc)
        rc = bind_inputs(op, function, &scope);
    if (!rc)
        rc = onnx_import_nodes(import, &scope, function->body, FUNCTION_NODE);
    if (!rc)
        rc = bind_outputs(op, function, &scope, first_value);
    import->depth--;
    return op->rc = rc;
}

int onnx_add_function(struct onnx_import *import, const struct onnx_field *field)
{
    const struct onnx_view nothing = { field->at, 0 };
    int rc = onnx_want(&import->file, field, WIRE_BYTES, "a function");
    struct onnx_function *function = arena_alloc(import->file.scratch, sizeof(*function));
    if (rc || !function)
        return rc ? rc : onnx_fail_nomem(&import->file, sizeof(*function));
    *function = (struct onnx_function){ nothing, nothing, nothing, field->bytes, import->function };
    struct onnx_wire wire = onnx_wire_open(field->bytes);
    struct onnx_field f;
    while ((rc = onnx_next(&import->file, &wire, &f, "FunctionProto")) > 0) {
        struct onnx_view *to = f.number == FUNCTION_NAME ? &function->name : f.number == FUNCTION_DOMAIN ? &function->domain
                             : f.number == FUNCTION_OVERLOAD ? &function->overload : NULL;
        if (to && (rc = onnx_want(&import->file, &f, WIRE_BYTES, "a name in FunctionProto")))
            return rc;
        if (to)
            *to = f.bytes;
    }
    if (rc)
        return rc;
    if (onnx_view_is(function->domain, "ai.onnx"))
        function->domain.size = 0;
    import->function = function;
    return FM_OK;
}
