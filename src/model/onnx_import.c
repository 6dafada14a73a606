/* SPDX-License-Identifier: MIT */
/* The walk over an ONNX file: model, graph, bodies. Fields of a message may come in any order, so a graph is gone through several
 * times: initializers, inputs, nodes, outputs. Skipping a field costs only its length. */
#include <inttypes.h>
#include <string.h>

#include "core/alloc.h"
#include "model/onnx_import.h"
#include "model/model.h"

/* field numbers */
enum { MODEL_IR = 1, MODEL_PRODUCER = 2, MODEL_PRODUCER_VERSION = 3, MODEL_DOMAIN = 4, MODEL_DOC = 6, MODEL_GRAPH = 7,
       MODEL_OPSET = 8, MODEL_PROPS = 14, MODEL_FUNCTION = 25 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_DOC = 10, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12,
       GRAPH_SPARSE = 15 };

/* What a network may grow to in memory beside what is used in place: functions called from functions multiply. */
#define MEMORY_BASE ((size_t) 64 << 20)
#define MEMORY_PER_BYTE 64

static int check_budget(struct onnx_import *import, const uint8_t *at)
{
    const size_t used = arena_bytes(import->graph->arena) + arena_bytes(import->file.scratch);
    if (used <= import->memory_max)
        return FM_OK;
    return onnx_fail_at(&import->file, at, FM_ERR_UNSUPPORTED, "the network expands to more than %zu MiB",
                        import->memory_max >> 20);
}

int onnx_enter(struct onnx_import *import, const uint8_t *at)
{
    if (import->depth < ONNX_NESTING_MAX)
        return import->depth++, FM_OK;
    return onnx_fail_at(&import->file, at, FM_ERR_UNSUPPORTED, "subgraphs or functions nest more than %d deep", ONNX_NESTING_MAX);
}

/* ---- graphs ---- */

static int add_initializer(struct onnx_import *import, struct onnx_scope *scope, const struct onnx_field *f)
{
    struct onnx_tensor t;
    const char *name;
    int rc = onnx_want(&import->file, f, WIRE_BYTES, "an initializer");
    if (!rc)
        rc = onnx_read_tensor(&import->file, f->bytes, &t);
    if (!rc)
        rc = onnx_text(&import->file, t.name, &name);
    if (rc)
        return rc;
    const int value = graph_add_constant(import->graph, name, t.dtype, t.rank, t.dim, t.data);
    rc = value < 0 ? onnx_fail_nomem(&import->file, 0) : onnx_scope_add(import, scope, t.name, value);
    return rc ? rc : check_budget(import, f->at);
}

static int import_initializers(struct onnx_import *import, struct onnx_scope *scope, struct onnx_view message)
{
    struct onnx_wire wire = onnx_wire_open(message);
    struct onnx_field f;
    int rc;
    while ((rc = onnx_next(&import->file, &wire, &f, "GraphProto")) > 0) {
        if (f.number == GRAPH_SPARSE)
            return onnx_fail_at(&import->file, f.at, FM_ERR_UNSUPPORTED, "sparse initializers are not supported");
        if (f.number == GRAPH_INITIALIZER && (rc = add_initializer(import, scope, &f)) < 0)
            return rc;
    }
    return rc;
}

int onnx_import_nodes(struct onnx_import *import, struct onnx_scope *scope, struct onnx_view message, uint32_t field)
{
    struct onnx_wire wire = onnx_wire_open(message);
    struct onnx_field f;
    int rc, index = 0;
    while ((rc = onnx_next(&import->file, &wire, &f, "a list of nodes")) > 0) {
        if (f.number != field)
            continue;
        struct onnx_node node;
        if ((rc = onnx_read_node(&import->file, &f, &node)))
            return rc;
        node.index = index++;
        if ((rc = onnx_resolve_references(import, scope, &node)) || (rc = onnx_lower_node(import, scope, &node)) ||
            (rc = check_budget(import, f.at)))
            return rc;
    }
    return rc;
}

int onnx_find_output(struct onnx_import *import, const struct onnx_scope *scope, struct onnx_view name, int *value)
{
    const struct onnx_name *found = onnx_scope_find(scope, name);
    if (!found || found->value < 0)
        return onnx_fail_at(&import->file, name.at, FM_ERR_FORMAT, "output \"%.*s\" is made by no node", ONNX_SHOW(name));
    *value = found->value;
    return FM_OK;
}

static int body_outputs(struct onnx_import *import, const struct onnx_scope *scope, struct onnx_view message, int n_outputs,
                        int *output)
{
    struct onnx_wire wire = onnx_wire_open(message);
    struct onnx_field f;
    int rc, n = 0;
    while ((rc = onnx_next(&import->file, &wire, &f, "GraphProto")) > 0) {
        struct onnx_value_info info;
        if (f.number == GRAPH_INPUT)
            return onnx_fail_at(&import->file, f.at, FM_ERR_FORMAT, "a branch has an input");
        if (f.number != GRAPH_OUTPUT)
            continue;
        if (n == n_outputs)
            return onnx_fail_at(&import->file, f.at, FM_ERR_FORMAT, "a branch has more than the %d outputs of its node", n_outputs);
        if ((rc = onnx_read_value_name(&import->file, &f, &info.name)) ||
            (rc = onnx_find_output(import, scope, info.name, &output[n++])))
            return rc;
    }
    if (!rc && n < n_outputs)
        return onnx_fail_at(&import->file, message.at, FM_ERR_FORMAT, "a branch has %d outputs, its node %d", n, n_outputs);
    return rc;
}

int onnx_import_body(struct onnx_import *import, struct onnx_scope *parent, struct onnx_view message, int n_outputs, int *output)
{
    struct onnx_scope scope = { .parent = parent, .opset = parent->opset, .n_opsets = parent->n_opsets,
                                .function = parent->function, .call = parent->call };
    int rc = onnx_enter(import, message.at);
    if (rc)
        return rc;
    rc = import_initializers(import, &scope, message);
    if (!rc)
        rc = onnx_import_nodes(import, &scope, message, GRAPH_NODE);
    if (!rc)
        rc = body_outputs(import, &scope, message, n_outputs, output);
    import->depth--;
    return rc;
}

/* ---- the main graph ---- */

static int add_input(struct onnx_import *import, struct onnx_scope *scope, const struct onnx_field *f)
{
    struct graph *graph = import->graph;
    struct onnx_value_info info;
    const char *name;
    int rc = onnx_read_value_name(&import->file, f, &info.name);
    const struct onnx_name *known = rc ? NULL : onnx_scope_find(scope, info.name);
    if (known && graph_is_constant(graph, known->value))
        return FM_OK; /* an input with a default: the default is used */
    if (rc || (rc = onnx_read_value_info(&import->file, f, &info)) || (rc = onnx_text(&import->file, info.name, &name)))
        return rc;
    const int index = graph_add_value(graph, name);
    if (index < 0)
        return onnx_fail_nomem(&import->file, 0);
    graph->input[graph->n_inputs++] = index;
    graph->value[index].dtype = info.dtype;
    graph->value[index].rank = info.rank;
    for (int i = 0; i < info.rank; i++) {
        graph->value[index].dim[i] = info.dim[i];
        if (info.dim[i] >= 0 || info.dim_name[i].size == 0)
            continue;
        if ((rc = onnx_text(&import->file, info.dim_name[i], &name)))
            return rc;
        const char *copy = arena_strdup(graph->arena, name);
        if (!copy)
            return onnx_fail_nomem(&import->file, 0);
        graph->value[index].dim_name[i] = copy;
    }
    return onnx_scope_add(import, scope, info.name, index);
}

/* An output that is an input, a constant or named twice gets a node of its own: whoever runs the graph need not know the case. */
static int own_value(struct onnx_import *import, int value, struct onnx_view view, int *own)
{
    struct graph *graph = import->graph;
    bool is_own = graph->value[value].producer >= 0;
    for (int i = 0; i < graph->n_outputs && is_own; i++)
        is_own = graph->output[i] != value;
    *own = value;
    if (is_own)
        return FM_OK;
    const char *name;
    const int rc = onnx_text(&import->file, view, &name);
    if (rc)
        return rc;
    const int node = graph_add_node(graph, OP_IDENTITY, "Identity", "", 1, 1);
    const int copy = node < 0 ? node : graph_add_value(graph, name);
    if (copy < 0)
        return onnx_fail_nomem(&import->file, 0);
    graph->node[node].in[0] = value;
    graph_set_output(graph, node, 0, copy);
    graph->value[copy].dtype = graph->value[value].dtype;
    *own = copy;
    return FM_OK;
}

static int add_output(struct onnx_import *import, struct onnx_scope *scope, const struct onnx_field *f)
{
    struct onnx_view name;
    int value = -1;
    int rc = onnx_read_value_name(&import->file, f, &name);
    if (!rc)
        rc = onnx_find_output(import, scope, name, &value);
    if (!rc)
        rc = own_value(import, value, name, &value);
    if (!rc)
        import->graph->output[import->graph->n_outputs++] = value;
    return rc;
}

typedef int add_fn(struct onnx_import *import, struct onnx_scope *scope, const struct onnx_field *f);

static int each(struct onnx_import *import, struct onnx_scope *scope, struct onnx_view message, uint32_t number, add_fn *add)
{
    struct onnx_wire wire = onnx_wire_open(message);
    struct onnx_field f;
    int rc;
    while ((rc = onnx_next(&import->file, &wire, &f, "GraphProto")) > 0)
        if (f.number == number && ((rc = add(import, scope, &f)) || (rc = check_budget(import, f.at))))
            return rc;
    return rc;
}

static int import_graph(struct onnx_import *import, struct onnx_view message)
{
    struct graph *graph = import->graph;
    struct onnx_scope scope = { .opset = import->opset, .n_opsets = import->n_opsets };
    int n_inputs, n_outputs;
    int rc = onnx_count(&import->file, message, GRAPH_INPUT, "GraphProto", &n_inputs);
    if (!rc)
        rc = onnx_count(&import->file, message, GRAPH_OUTPUT, "GraphProto", &n_outputs);
    if (rc)
        return rc;
    if (n_outputs == 0)
        return onnx_fail_at(&import->file, message.at, FM_ERR_FORMAT, "the graph has no outputs");
    graph->input = arena_array(graph->arena, (size_t) n_inputs, sizeof(int));
    graph->output = arena_array(graph->arena, (size_t) n_outputs, sizeof(int));
    if (!graph->input || !graph->output)
        return onnx_fail_nomem(&import->file, 0);
    rc = import_initializers(import, &scope, message);
    if (!rc)
        rc = each(import, &scope, message, GRAPH_INPUT, add_input);
    if (!rc)
        rc = onnx_import_nodes(import, &scope, message, GRAPH_NODE);
    if (!rc)
        rc = each(import, &scope, message, GRAPH_OUTPUT, add_output);
    return rc;
}

/* ---- the model ---- */

static int add_meta(struct onnx_import *import, struct onnx_view key, struct onnx_view value)
{
    struct graph *graph = import->graph;
    struct graph_meta *meta = &graph->meta[graph->n_meta];
    if (value.size == 0 && key.size == 0)
        return FM_OK;
    meta->key = arena_strndup(graph->arena, (const char *) key.at, key.size);
    meta->value = arena_strndup(graph->arena, (const char *) value.at, value.size);
    if (!meta->key || !meta->value)
        return onnx_fail_nomem(&import->file, value.size);
    graph->n_meta++;
    return FM_OK;
}

static const char *meta_name(uint32_t field)
{
    switch (field) {
    case MODEL_PRODUCER: return "producer_name";
    case MODEL_PRODUCER_VERSION: return "producer_version";
    case MODEL_DOMAIN: return "domain";
    case MODEL_DOC: return "doc_string";
    default: return NULL;
    }
}

/* metadata_props first, then the model's own words about itself under their field's name. */
static int import_meta(struct onnx_import *import)
{
    int rc = FM_OK, n = 4;
    struct onnx_field f;
    for (int pass = 0; pass < 3; pass++) {
        struct onnx_wire wire = onnx_wire_open(import->file.data);
        while ((rc = onnx_next(&import->file, &wire, &f, "ModelProto")) > 0) {
            struct onnx_view key, value;
            const char *own = meta_name(f.number);
            if (pass == 0) {
                n += own || f.number == MODEL_PROPS;
                continue;
            }
            rc = FM_OK;
            if (pass == 1 && f.number == MODEL_PROPS && !(rc = onnx_read_entry(&import->file, &f, &key, &value)))
                rc = add_meta(import, key, value);
            else if (pass == 2 && own && !(rc = onnx_want(&import->file, &f, WIRE_BYTES, own)) && f.bytes.size)
                rc = add_meta(import, (struct onnx_view){ (const uint8_t *) own, strlen(own) }, f.bytes);
            if (rc)
                return rc;
        }
        if (rc)
            return rc;
        if (pass == 0 && !(import->graph->meta = arena_array(import->graph->arena, (size_t) n, sizeof(*import->graph->meta))))
            return onnx_fail_nomem(&import->file, 0);
    }
    return FM_OK;
}

static int add_opset(struct onnx_import *import, const struct onnx_field *f)
{
    struct onnx_opset *opset = &import->opset[import->n_opsets];
    const int rc = onnx_read_opset(&import->file, f, opset);
    if (rc)
        return rc;
    for (int i = 0; i < import->n_opsets; i++)
        if (onnx_view_same(import->opset[i].domain, opset->domain))
            return onnx_fail_at(&import->file, f->at, FM_ERR_FORMAT, "the opset of domain \"%.*s\" is imported twice",
                                ONNX_SHOW(opset->domain));
    import->n_opsets++;
    if (opset->version < 1)
        return onnx_fail_at(&import->file, f->at, FM_ERR_FORMAT, "opset %" PRId64 " of domain \"%.*s\" does not exist",
                            opset->version, ONNX_SHOW(opset->domain));
    if (opset->domain.size == 0 && opset->version > ONNX_OPSET_MAX)
        return onnx_fail_at(&import->file, f->at, FM_ERR_UNSUPPORTED, "opset %" PRId64 " is too new, supported are %d to %d",
                            opset->version, ONNX_OPSET_MIN, ONNX_OPSET_MAX);
    return FM_OK;
}

static int read_model(struct onnx_import *import, struct onnx_view *graph)
{
    struct onnx_file *file = &import->file;
    struct onnx_wire wire = onnx_wire_open(file->data);
    struct onnx_field f;
    int n_opsets, rc = onnx_count(file, file->data, MODEL_OPSET, "ModelProto", &n_opsets);
    if (rc)
        return rc;
    if (n_opsets > 256)
        return onnx_fail_at(file, file->data.at, FM_ERR_FORMAT, "%d opsets are imported", n_opsets);
    import->opset = arena_array(file->scratch, (size_t) n_opsets, sizeof(*import->opset));
    if (!import->opset)
        return onnx_fail_nomem(file, 0);
    while ((rc = onnx_next(file, &wire, &f, "ModelProto")) > 0) {
        rc = FM_OK;
        if (f.number == MODEL_OPSET)
            rc = add_opset(import, &f);
        else if (f.number == MODEL_FUNCTION)
            rc = onnx_add_function(import, &f);
        else if (f.number == MODEL_GRAPH && !(rc = onnx_want(file, &f, WIRE_BYTES, "ModelProto.graph"))) {
            if (graph->at)
                return onnx_fail_at(file, f.at, FM_ERR_FORMAT, "there are two graphs");
            *graph = f.bytes;
        }
        if (rc)
            return rc;
    }
    if (rc)
        return rc;
    if (!graph->at)
        return core_fail(file->error, FM_ERR_FORMAT, "%s: not an ONNX model, or cut off: it has no graph", file->source);
    if (n_opsets == 0)
        return core_fail(file->error, FM_ERR_FORMAT, "%s: not an ONNX model: it imports no opset", file->source);
    return FM_OK;
}

static int import_model(struct onnx_import *import)
{
    struct graph *graph = import->graph;
    struct onnx_view message = { NULL, 0 };
    int rc = read_model(import, &message);
    if (rc)
        return rc;
    const struct onnx_scope scope = { .opset = import->opset, .n_opsets = import->n_opsets };
    graph->source = arena_strdup(graph->arena, import->file.source);
    graph->format = arena_printf(graph->arena, "ONNX opset %d", (int) onnx_scope_opset(&scope, (struct onnx_view){ NULL, 0 }));
    if (!graph->source || !graph->format)
        return onnx_fail_nomem(&import->file, 0);
    rc = import_meta(import);
    if (!rc)
        rc = import_graph(import, message);
    if (!rc)
        rc = graph_check(graph, import->file.error);
    return rc;
}

int onnx_import(const void *data, size_t size, const char *source, const char *directory, struct graph **out,
                struct fm_error *error)
{
    struct onnx_import import = { .file = { .data = { data, size }, .source = source, .directory = directory, .error = error } };
    size_t more;
    *out = NULL;
    if (size == 0)
        return core_fail(error, FM_ERR_FORMAT, "%s: the file is empty", source);
    if (!core_mul_size(size, MEMORY_PER_BYTE, &more) || !core_add_size(more, MEMORY_BASE, &import.memory_max))
        import.memory_max = SIZE_MAX;
    struct graph *graph = graph_create();
    import.file.scratch = arena_create();
    int rc;
    if (graph && import.file.scratch) {
        import.graph = graph;
        import.file.arena = graph->arena;
        rc = import_model(&import);
    } else {
        rc = onnx_fail_nomem(&import.file, 0);
    }
    arena_destroy(&import.file.scratch);
    if (rc)
        graph_destroy(&graph);
    *out = graph;
    return rc;
}
