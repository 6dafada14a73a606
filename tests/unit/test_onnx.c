/* SPDX-License-Identifier: MIT */
/* What the ONNX importer reads and what it refuses: types, external data, metadata, dimensions; damaged and hostile files; memory
 * running out. */
#define _GNU_SOURCE
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "core/alloc.h"
#include "core/half.h"
#include "model/model.h"
#include "onnx_writer.h"

static struct fm_error fault;

static int import_bytes(struct bytes b, struct graph **graph)
{
    uint8_t *copy = malloc(b.size + 1); /* its exact size, so that a sanitizer sees a read past it */
    *graph = NULL;
    fault = (struct fm_error){ .message = "" };
    if (!copy)
        abort();
    if (b.size)
        memcpy(copy, b.data, b.size);
    uint8_t *exact = realloc(copy, b.size ? b.size : 1);
    const int rc = onnx_import(exact ? exact : copy, b.size, "net.onnx", NULL, graph, &fault);
    if (rc == 0 && arena_defer((*graph)->arena, free, exact ? exact : copy))
        abort();
    if (rc)
        free(exact ? exact : copy);
    return rc;
}

static struct graph *import_it(void)
{
    struct graph *graph;
    CHECK_MSG(import_bytes(finish(), &graph) == 0, "import: %s", fault.message);
    return graph;
}

/* The model that was written must be refused with this code and a message that has both parts and the file's name. */
static void refused(enum fm_err code, const char *part, const char *other)
{
    struct graph *graph;
    CHECK_INT(import_bytes(finish(), &graph), code);
    CHECK(graph == NULL);
    CHECK_INT(fault.code, code);
    CHECK_HAS(fault.message, "net.onnx");
    CHECK_HAS(fault.message, part);
    CHECK_HAS(fault.message, other);
    graph_destroy(&graph);
}

/* A sound network with something of everything, for damage. */
static void write_rich(void)
{
    struct bytes entry = { NULL, 0, 0 };
    begin(13);
    put_text(&entry, 1, "colour");
    put_text(&entry, 2, "luma");
    put_message(&writer.model, 14, &entry);
    put_text(&writer.model, 6, "some words");
    input("x", 1, "1,2,h,w");
    F32S("w", "2,2,1,1", 1, 2, 3, 4);
    F32S("b", "2", 5, 6);
    initializer("cond", 9, "", "\1", 1);
    ATTR_I64S("kernel_shape", 1, 1);
    ATTR_I64S("pads", 0, 0, 0, 0);
    attr_int("group", 1);
    attr_text("auto_pad", "NOTSET");
    node("Conv", "x,w,b", "c");
    attr_float("alpha", 0.1f);
    node("LeakyRelu", "c", "l");
    attr_tensor("value", tensor("", 7, "1", (const int64_t[]){ 1 }, 8));
    node("Constant", "", "axes");
    begin_subgraph();
    node("Relu", "l", "r");
    output("r");
    struct bytes yes = end_subgraph();
    begin_subgraph();
    node("Sigmoid", "l", "s");
    output("s");
    struct bytes no = end_subgraph();
    attr_graph("then_branch", yes);
    attr_graph("else_branch", no);
    node("If", "cond", "i");
    node("ReduceSum", "i,axes", "y");
    output("y");
}

static void reads_a_network(void)
{
    write_rich();
    struct graph *g = import_it();
    if (!g)
        return;
    CHECK_STR(g->format, "ONNX opset 13");
    CHECK_STR(g->source, "net.onnx");
    CHECK_INT(g->n_inputs, 1);
    CHECK_INT(g->n_outputs, 1);
    const struct graph_value *x = &g->value[g->input[0]];
    CHECK_STR(x->name, "x");
    CHECK_INT(x->dtype, FM_F32);
    CHECK_INT(x->rank, 4);
    CHECK_INT(x->dim[0], 1);
    CHECK_INT(x->dim[1], 2);
    CHECK_INT(x->dim[2], -1);
    CHECK_STR(x->dim_name[2], "h");
    CHECK_STR(x->dim_name[3], "w");
    CHECK(x->dim_name[0] == NULL);
    CHECK_STR(g->value[g->output[0]].name, "y");
    CHECK_INT(g->n_meta, 3);
    CHECK_STR(g->meta[0].key, "colour");
    CHECK_STR(g->meta[0].value, "luma");
    CHECK_STR(g->meta[1].key, "producer_name");
    CHECK_STR(g->meta[1].value, "test");
    CHECK_STR(g->meta[2].key, "doc_string");
    CHECK_INT(g->n_nodes, 4); /* Constant is a value, If with a known condition is its branch */
    CHECK_INT(g->node[0].op, OP_CONV);
    CHECK_STR(g->node[0].name, "Conv_node");
    CHECK_INT(g->node[0].p.conv.window.n, 2);
    CHECK_INT(g->node[0].p.conv.window.stride[1], 1);
    CHECK_INT(g->node[0].p.conv.group, 1);
    CHECK_INT(g->node[2].op, OP_RELU);
    const struct graph_value *w = &g->value[g->node[0].in[1]];
    float third;
    memcpy(&third, (const uint8_t *) w->data + 8, 4);
    CHECK_NEAR(third, 3, 0);
    CHECK_INT(graph_check(g, NULL), 0);
    graph_destroy(&g);
}

/* ---- element types ---- */

static void element_types(void)
{
    static const struct { int type; enum fm_dtype dtype; int field; } kinds[] = {
        { 1, FM_F32, 4 }, { 2, FM_U8, 5 }, { 3, FM_I8, 5 }, { 4, FM_U16, 5 }, { 5, FM_I16, 5 }, { 6, FM_I32, 5 }, { 7, FM_I64, 7 },
        { 9, FM_BOOL, 5 }, { 10, FM_F16, 5 }, { 11, FM_F64, 10 }, { 12, FM_U32, 11 }, { 13, FM_U64, 11 }, { 16, FM_BF16, 5 },
    };
    static const int64_t value[3] = { 0, 1, 100 };
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
        for (int packed = 0; packed < 2; packed++) {
            struct bytes t = tensor("c", kinds[k].type, "3", NULL, 0), list = { NULL, 0, 0 };
            for (int i = 0; i < 3; i++) {
                const float f = (float) value[i];
                const double d = (double) value[i];
                uint64_t number = (uint64_t) value[i];
                if (kinds[k].dtype == FM_F16)
                    number = half_from_f32(f);
                if (kinds[k].dtype == FM_BF16)
                    number = bf16_from_f32(f);
                if (!packed && kinds[k].field == 4)
                    put_float(&t, 4, f);
                else if (!packed && kinds[k].field == 10)
                    put_varint(&t, 10 << 3 | 1), put(&t, &d, 8);
                else if (!packed)
                    put_int(&t, (unsigned) kinds[k].field, (int64_t) number);
                else if (kinds[k].field == 4)
                    put(&list, &f, 4);
                else if (kinds[k].field == 10)
                    put(&list, &d, 8);
                else
                    put_varint(&list, number);
            }
            if (packed)
                put_message(&t, (unsigned) kinds[k].field, &list);
            begin(13);
            put_message(&writer.graph, 5, &t);
            attr_int("to", 7);
            node("Cast", "c", "y");
            output("y");
            struct graph *g = import_it(), *fixed = NULL;
            struct fm_tensor out = { .rank = 0 };
            if (!g)
                return;
            CHECK_INT(g->value[g->node[0].in[0]].dtype, kinds[k].dtype);
            int rc = graph_specialise(g, NULL, &fixed, &fault);
            if (!rc)
                rc = graph_interpret(fixed, NULL, &out, &fault);
            if (CHECK_MSG(rc == 0, "%s", fault.message))
                for (int i = 0; i < 3; i++)
                    CHECK_MSG(((int64_t *) out.data)[i] == (kinds[k].dtype == FM_BOOL ? value[i] != 0 : value[i]), "type %d, element %d",
                              kinds[k].type, i);
            core_free(out.data);
            graph_destroy(&fixed);
            graph_destroy(&g);
        }
}

static void weights_stay_in_the_file(void)
{
    static const float big[64] = { 7 };
    begin(13);
    input("x", 1, "64");
    initializer("w", 1, "64", big, sizeof(big));
    node("Add", "x,w", "y");
    output("y");
    const struct bytes b = finish();
    struct graph *g = NULL;
    CHECK_INT(onnx_import(b.data, b.size, "net.onnx", NULL, &g, &fault), 0);
    const uint8_t *w = g ? g->value[g->node[0].in[1]].data : NULL;
    CHECK(w >= b.data && w + sizeof(big) <= b.data + b.size);
    graph_destroy(&g);
}

static void odd_bools_become_one(void)
{
    begin(13);
    initializer("c", 9, "3", "\0\7\1", 3);
    node("Not", "c", "y");
    output("y");
    struct graph *g = import_it();
    CHECK(g && memcmp(g->value[g->node[0].in[0]].data, "\0\1\1", 3) == 0);
    graph_destroy(&g);
}

static void input_with_default_is_a_constant(void)
{
    begin(13);
    input("x", 1, "2");
    input("w", 1, "2");
    F32S("w", "2", 1, 2);
    node("Add", "x,w", "y");
    output("y");
    struct graph *g = import_it();
    CHECK_INT(g ? g->n_inputs : -1, 1);
    graph_destroy(&g);
}

static void inputs_may_be_open(void)
{
    begin(13);
    input("x", 10, "?,-1,batch,5");
    node("Relu", "x", "y");
    output("y");
    struct graph *g = import_it();
    if (!g)
        return;
    const struct graph_value *x = &g->value[g->input[0]];
    CHECK_INT(x->dtype, FM_F16);
    CHECK_INT(x->dim[0], -1);
    CHECK(x->dim_name[0] == NULL);
    CHECK_INT(x->dim[1], -1);
    CHECK_STR(x->dim_name[2], "batch");
    CHECK_INT(x->dim[3], 5);
    graph_destroy(&g);
}

/* ---- refusals ---- */

static void begin_one(int64_t opset)
{
    begin(opset);
    input("x", 1, "1,2,4,4");
}

static void one(const char *type, const char *in)
{
    node(type, in, "y");
    output("y");
}

static void refuses_operators(void)
{
    begin_one(13);
    one("LSTM", "x");
    refused(FM_ERR_UNSUPPORTED, "node 0 \"LSTM_node\" (operator LSTM, opset 13)", "not supported");
    begin_one(13);
    opset_of("com.acme", 3);
    node_to(&writer.graph, 1, "com.acme", "Conv", "x", "y");
    output("y");
    refused(FM_ERR_UNSUPPORTED, "com.acme.Conv, opset 3", "not supported");
    begin_one(6);
    one("Relu", "x");
    refused(FM_ERR_UNSUPPORTED, "opset 6", "7 to 27");
    begin_one(99);
    one("Relu", "x");
    refused(FM_ERR_UNSUPPORTED, "opset 99", "too new");
    begin_one(0);
    one("Relu", "x");
    refused(FM_ERR_FORMAT, "opset 0", "does not exist");
    begin_one(13);
    node_to(&writer.graph, 1, "com.microsoft", "Gelu", "x", "y");
    output("y");
    refused(FM_ERR_FORMAT, "com.microsoft.Gelu", "does not import the opset");
    begin_one(13);
    one("Loop", "x");
    refused(FM_ERR_UNSUPPORTED, "operator Loop", "opset 13");
}

static void refuses_attributes(void)
{
    begin_one(13);
    attr_int("alpha", 1);
    one("LeakyRelu", "x");
    refused(FM_ERR_FORMAT, "attribute \"alpha\"", "has type int, must have float");
    begin_one(13);
    attr_int("banana", 1);
    one("Relu", "x");
    refused(FM_ERR_UNSUPPORTED, "attribute \"banana\"", "not known");
    begin_one(13);
    attr_int("axis", 1);
    attr_int("axis", 1);
    one("Softmax", "x");
    refused(FM_ERR_FORMAT, "\"axis\" is there twice", "byte ");
    begin_one(13);
    ATTR_I64S("kernel_shape", 2, 2);
    ATTR_I64S("strides", 1, 0);
    one("MaxPool", "x");
    refused(FM_ERR_FORMAT, "\"strides\"", "entry 0");
    begin_one(13);
    ATTR_I64S("kernel_shape", 2, 2);
    ATTR_I64S("pads", 1, 1, 1);
    one("MaxPool", "x");
    refused(FM_ERR_FORMAT, "\"pads\" has 3 entries", "must have 4");
    begin_one(13);
    ATTR_I64S("kernel_shape", 2, INT64_MAX);
    one("MaxPool", "x");
    refused(FM_ERR_FORMAT, "\"kernel_shape\"", "9223372036854775807");
    begin_one(13);
    one("MaxPool", "x");
    refused(FM_ERR_FORMAT, "\"kernel_shape\"", "missing");
    begin_one(13);
    ATTR_I64S("kernel_shape", 1, 1, 1, 1);
    one("MaxPool", "x");
    refused(FM_ERR_UNSUPPORTED, "4 spatial dimensions", "1 to 3");
    begin_one(13);
    ATTR_I64S("perm", 0, 1, 1, 2);
    one("Transpose", "x");
    refused(FM_ERR_FORMAT, "\"perm\"", "no permutation");
    begin_one(13);
    attr_text("mode", "sideways");
    one("Pad", "x");
    refused(FM_ERR_UNSUPPORTED, "\"mode\"", "sideways");
    begin_one(13);
    attr_int("to", 8);
    one("Cast", "x");
    refused(FM_ERR_UNSUPPORTED, "casts to string", "Cast_node");
    begin_one(13);
    attr_int("blocksize", -2);
    one("DepthToSpace", "x");
    refused(FM_ERR_FORMAT, "\"blocksize\" is -2", "DepthToSpace_node");
}

static void refuses_wiring(void)
{
    begin_one(13);
    one("Relu", "nowhere");
    refused(FM_ERR_FORMAT, "Relu_node", "\"nowhere\"");
    begin_one(13);
    node("Relu", "later", "y");
    node("Relu", "x", "later");
    output("y");
    refused(FM_ERR_FORMAT, "\"later\"", "no earlier node");
    begin_one(13);
    node("Relu", "x", "y");
    node("Neg", "x", "y");
    output("y");
    refused(FM_ERR_FORMAT, "\"y\"", "two values");
    begin_one(13);
    F32S("w", "1", 1);
    F32S("w", "1", 1);
    one("Relu", "x");
    refused(FM_ERR_FORMAT, "\"w\"", "two values");
    begin_one(13);
    node("Relu", "x", "y");
    output("z");
    refused(FM_ERR_FORMAT, "\"z\"", "made by no node");
    begin_one(13);
    node("Relu", "x", "y");
    refused(FM_ERR_FORMAT, "no outputs", "byte ");
    begin_one(13);
    one("Add", "x");
    refused(FM_ERR_FORMAT, "Add_node", "needs 2");
    begin_one(13);
    one("Add", "x,,x");
    refused(FM_ERR_FORMAT, "Add_node", "at most 2");
    begin_one(13);
    one("Add", ",x");
    refused(FM_ERR_FORMAT, "Add_node", "input 0 is missing");
    begin_one(13);
    one("Concat", "x,,x");
    refused(FM_ERR_FORMAT, "Concat_node", "\"axis\" is missing");
    begin_one(13);
    attr_int("axis", 0);
    one("Concat", "x,,x");
    refused(FM_ERR_FORMAT, "Concat_node", "input 1 is missing");
    begin_one(13);
    node("Relu", "x", "y,z");
    output("y");
    refused(FM_ERR_FORMAT, "Relu_node", "2 outputs");
    begin_one(13);
    one("Resize", "x");
    refused(FM_ERR_FORMAT, "Resize_node", "neither");
}

static void refuses_tensors(void)
{
    begin_one(13);
    initializer("w", 1, "3", "12345678", 8);
    one("Relu", "x");
    refused(FM_ERR_FORMAT, "\"w\"", "3 elements of float32, but there are 8 bytes");
    begin_one(13);
    initializer("w", 1, "3", NULL, 0);
    one("Relu", "x");
    refused(FM_ERR_FORMAT, "\"w\"", "there are 0");
    begin_one(13);
    initializer("w", 1, "-3", "", 0);
    one("Relu", "x");
    refused(FM_ERR_FORMAT, "dimension", "-3");
    begin_one(13);
    initializer("w", 1, "4611686018427387904,4611686018427387904", "", 0);
    one("Relu", "x");
    refused(FM_ERR_FORMAT, "\"w\"", "overflow");
    begin_one(13);
    initializer("w", 2, "4000000000000", "x", 1); /* a tiny file that promises terabytes */
    one("Relu", "x");
    refused(FM_ERR_FORMAT, "\"w\"", "4000000000000");
    begin_one(13);
    initializer("w", 8, "1", "a", 1);
    one("Relu", "x");
    refused(FM_ERR_UNSUPPORTED, "\"w\"", "string");
    begin_one(13);
    initializer("w", 17, "1", "a", 1);
    one("Relu", "x");
    refused(FM_ERR_UNSUPPORTED, "\"w\"", "float8e4m3fn");
    begin_one(13);
    initializer("w", 1, "1,1,1,1,1,1,1,1,1", "abcd", 4);
    one("Relu", "x");
    refused(FM_ERR_UNSUPPORTED, "more than 8", "byte ");
    begin_one(13);
    struct bytes both = tensor("w", 1, "1", "abcd", 4);
    put_float(&both, 4, 1);
    put_message(&writer.graph, 5, &both);
    one("Relu", "x");
    refused(FM_ERR_FORMAT, "\"w\"", "both raw and typed");
    begin(13);
    input("x", 8, "1");
    one("Relu", "x");
    refused(FM_ERR_UNSUPPORTED, "\"x\"", "string");
    begin(13);
    input("x", 1, "-5");
    one("Relu", "x");
    refused(FM_ERR_FORMAT, "\"x\"", "-5");
    begin(13);
    struct bytes untyped = { NULL, 0, 0 };
    put_text(&untyped, 1, "x");
    put_message(&writer.graph, 11, &untyped);
    one("Relu", "x");
    refused(FM_ERR_FORMAT, "\"x\"", "no type");
}

static void refuses_files_that_are_none(void)
{
    struct graph *graph;
    CHECK_INT(import_bytes((struct bytes){ NULL, 0, 0 }, &graph), FM_ERR_FORMAT);
    CHECK_HAS(fault.message, "empty");
    struct bytes text = { NULL, 0, 0 };
    put(&text, "<!DOCTYPE html>", 15);
    CHECK_INT(import_bytes(text, &graph), FM_ERR_FORMAT);
    CHECK_HAS(fault.message, "net.onnx");
    text.size = 0;
    put_int(&text, 1, 8);
    CHECK_INT(import_bytes(text, &graph), FM_ERR_FORMAT);
    CHECK_HAS(fault.message, "no graph");
    free(text.data);
}

/* ---- attacks ---- */

/* f0 has two nodes, f1 calls f0 twice, ...: 2^40 nodes from a file of two kilobytes. */
static void functions_that_multiply(void)
{
    char name[16], callee[16];
    begin(13);
    opset_of("mine", 1);
    input("x", 1, "1");
    for (int i = 0; i < 20; i++) {
        struct bytes f = { NULL, 0, 0 };
        snprintf(name, sizeof(name), "f%d", i);
        snprintf(callee, sizeof(callee), "f%d", i - 1);
        put_text(&f, 1, name);
        put_text(&f, 10, "mine");
        put_text(&f, 4, "a");
        put_text(&f, 5, "e");
        node_to(&f, 7, i ? "mine" : "", i ? callee : "Relu", "a", "b");
        node_to(&f, 7, i ? "mine" : "", i ? callee : "Relu", "b", "c");
        node_to(&f, 7, i ? "mine" : "", i ? callee : "Relu", "c", "d");
        node_to(&f, 7, i ? "mine" : "", i ? callee : "Relu", "d", "e");
        put_message(&writer.model, 25, &f);
    }
    node_to(&writer.graph, 1, "mine", "f19", "x", "y");
    output("y");
    refused(FM_ERR_UNSUPPORTED, "expands to more than", "MiB");
}

static void functions_that_call_themselves(void)
{
    struct bytes f = { NULL, 0, 0 };
    begin(13);
    opset_of("mine", 1);
    put_text(&f, 1, "f");
    put_text(&f, 10, "mine");
    put_text(&f, 4, "a");
    put_text(&f, 5, "b");
    node_to(&f, 7, "mine", "f", "a", "b");
    put_message(&writer.model, 25, &f);
    input("x", 1, "1");
    node_to(&writer.graph, 1, "mine", "f", "x", "y");
    output("y");
    refused(FM_ERR_UNSUPPORTED, "nest", "byte ");
}

static void branches_that_nest(void)
{
    begin(13);
    input("x", 1, "1");
    initializer("c", 9, "", "\1", 1);
    begin_subgraph();
    node("Relu", "x", "y");
    output("y");
    struct bytes body = end_subgraph();
    for (int i = 0; i < 40; i++) {
        struct bytes copy = { NULL, 0, 0 };
        begin_subgraph();
        put(&copy, body.data, body.size < 400 ? body.size : 0);
        attr_graph("then_branch", body);
        attr_graph("else_branch", copy);
        node("If", "c", "y");
        output("y");
        body = end_subgraph();
    }
    attr_graph("then_branch", body);
    attr_graph("else_branch", (struct bytes){ NULL, 0, 0 });
    node("If", "c", "y");
    output("y");
    refused(FM_ERR_UNSUPPORTED, "nest", "byte ");
}

/* Every prefix of a file, and every file with one byte changed, is refused or read, and nothing is lost. */
static void every_damage(void)
{
    write_rich();
    const struct bytes b = finish();
    const int64_t live = core_alloc_live();
    struct graph *graph;
    int refusals = 0;
    for (size_t size = 0; size < b.size; size++) {
        struct bytes part = { b.data, size, 0 };
        refusals += import_bytes(part, &graph) != 0;
        CHECK(graph || strstr(fault.message, "net.onnx"));
        graph_destroy(&graph);
    }
    CHECK_INT(refusals, b.size);
    for (size_t i = 0; i < b.size; i++)
        for (int bit = 0; bit < 8; bit++) {
            b.data[i] ^= (uint8_t) (1 << bit);
            const int rc = import_bytes(b, &graph);
            CHECK((rc == 0) == (graph != NULL));
            CHECK(graph || strstr(fault.message, "net.onnx"));
            graph_destroy(&graph);
            b.data[i] ^= (uint8_t) (1 << bit);
        }
    CHECK_INT(core_alloc_live(), live);
}

static void every_failing_allocation(void)
{
    write_rich();
    const struct bytes b = finish();
    const int64_t live = core_alloc_live();
    for (uint64_t n = 1; n < 100000; n++) {
        struct graph *graph = NULL;
        core_alloc_fail_after(n, true);
        const int rc = onnx_import(b.data, b.size, "net.onnx", NULL, &graph, &fault);
        core_alloc_fail_after(0, false);
        if (rc == 0) {
            CHECK(n > 2);
            graph_destroy(&graph);
            break;
        }
        CHECK_INT(rc, FM_ERR_NOMEM);
        CHECK(graph == NULL);
        CHECK_INT(core_alloc_live(), live);
    }
    CHECK_INT(core_alloc_live(), live);
}

/* ---- files ---- */

static char folder[64];

static void write_file(const char *name, const void *data, size_t size)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *stream = fopen(path, "wb");
    if (!stream || fwrite(data, 1, size, stream) != size)
        abort();
    fclose(stream);
}

static void external(const char *location, const char *offset, const char *length)
{
    struct bytes t = tensor("w", 1, "2", NULL, 0);
    const char *const text[3][2] = { { "location", location }, { "offset", offset }, { "length", length } };
    for (int i = 0; i < 3; i++) {
        struct bytes entry = { NULL, 0, 0 };
        if (!text[i][1])
            continue;
        put_text(&entry, 1, text[i][0]);
        put_text(&entry, 2, text[i][1]);
        put_message(&t, 13, &entry);
    }
    put_int(&t, 14, 1);
    begin(13);
    input("x", 1, "2");
    put_message(&writer.graph, 5, &t);
    node("Add", "x,w", "y");
    output("y");
    const struct bytes b = finish();
    write_file("m.onnx", b.data, b.size);
}

static int load(struct graph **graph)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/m.onnx", folder);
    fault = (struct fm_error){ .message = "" };
    return model_load(path, graph, &fault);
}

static void external_refused(enum fm_err code, const char *part, const char *location, const char *offset, const char *length)
{
    struct graph *graph;
    external(location, offset, length);
    CHECK_INT(load(&graph), code);
    CHECK(graph == NULL);
    CHECK_HAS(fault.message, part);
    CHECK_HAS(fault.message, "m.onnx");
    graph_destroy(&graph);
}

static void external_data(void)
{
    static const float data[5] = { 1, 2, 3, 4, 5 };
    char inside[160], outside[160], link[200];
    struct graph *graph;
    snprintf(folder, sizeof(folder), "/tmp/fm_onnx_XXXXXX");
    if (!CHECK(mkdtemp(folder) != NULL))
        return;
    snprintf(inside, sizeof(inside), "%s/in", folder);
    snprintf(outside, sizeof(outside), "%s_outside", folder);
    CHECK_INT(mkdir(inside, 0700), 0);
    CHECK_INT(mkdir(outside, 0700), 0);
    write_file("w.bin", data, sizeof(data));
    write_file("in/w.bin", data, sizeof(data));
    snprintf(link, sizeof(link), "%s/w.bin", outside);
    FILE *stream = fopen(link, "wb");
    CHECK(stream && fwrite(data, 1, sizeof(data), stream) == sizeof(data));
    if (stream)
        fclose(stream);
    snprintf(link, sizeof(link), "%s/out", folder);
    CHECK_INT(symlink(outside, link), 0);
    snprintf(link, sizeof(link), "%s/same", folder);
    CHECK_INT(symlink("w.bin", link), 0);

    static const char *const good[] = { "w.bin", "in/w.bin", "./in/./w.bin", "same" };
    for (int i = 0; i < 4; i++) {
        external(good[i], "4", "8");
        if (!CHECK_MSG(load(&graph) == 0, "%s: %s", good[i], fault.message))
            continue;
        float w[2];
        memcpy(w, graph->value[graph->node[0].in[1]].data, sizeof(w));
        CHECK_NEAR(w[0], 2, 0);
        CHECK_NEAR(w[1], 3, 0);
        graph_destroy(&graph);
    }
    external("w.bin", NULL, NULL);
    CHECK_INT(load(&graph), 0);
    graph_destroy(&graph);
    external_refused(FM_ERR_FORMAT, "leaves the model's folder", "../w.bin", NULL, NULL);
    external_refused(FM_ERR_FORMAT, "leaves the model's folder", "in/../w.bin", NULL, NULL);
    external_refused(FM_ERR_FORMAT, "leaves the model's folder", "in/..", NULL, NULL);
    external_refused(FM_ERR_FORMAT, "must be relative", "/etc/passwd", NULL, NULL);
    external_refused(FM_ERR_FORMAT, "must be relative", "in\\w.bin", NULL, NULL);
    external_refused(FM_ERR_FORMAT, "is empty", "", NULL, NULL);
    external_refused(FM_ERR_FORMAT, "is empty", NULL, NULL, NULL);
    external_refused(FM_ERR_FORMAT, "leads out", "out/w.bin", NULL, NULL);
    external_refused(FM_ERR_IO, "none.bin", "none.bin", NULL, NULL);
    external_refused(FM_ERR_IO, "in", "in", NULL, NULL);
    external_refused(FM_ERR_FORMAT, "past the end", "w.bin", "16", "8");
    external_refused(FM_ERR_FORMAT, "past the end", "w.bin", "9223372036854775807", NULL);
    external_refused(FM_ERR_FORMAT, "whole number", "w.bin", "9223372036854775808", NULL);
    external_refused(FM_ERR_FORMAT, "whole number", "w.bin", "-4", NULL);
    external_refused(FM_ERR_FORMAT, "2 elements", "w.bin", NULL, "12");
    external("w.bin", NULL, NULL);
    CHECK_INT(import_bytes(writer.model, &graph), FM_ERR_UNSUPPORTED); /* no folder to look in */
    CHECK_HAS(fault.message, "in memory");

    static const char *const rest[] = { "m.onnx", "w.bin", "in/w.bin", "out", "same", "in" };
    for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
        snprintf(link, sizeof(link), "%s/%s", folder, rest[i]);
        remove(link);
    }
    snprintf(link, sizeof(link), "%s/w.bin", outside);
    remove(link);
    remove(outside);
    CHECK_INT(remove(folder), 0);
}

static void loads_published_networks(void)
{
    static const char *const files[] = { "data/models/acnet/acnet_gan.onnx", "data/models/acnet/acnet_hdn1.onnx",
        "data/models/acnet/arnet_b16_le.onnx", "data/models/acnet/arnet_b4_le.onnx", "data/detect/FastestDet/FastestDet.onnx",
        "data/detect/yolox_nano_onnx/yolox_nano.onnx", "bench/ivs.onnx", "bench/piper.onnx", "bench/sesr_m11.onnx",
        "bench/sesr_m5.onnx", "bench/srvgg.onnx" };
    if (!check_shared("data/models"))
        SKIP("../shared is not there");
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct graph *graph = NULL;
        const char *path = check_shared(files[i]);
        if (!CHECK_MSG(path != NULL, "%s is not there", files[i]))
            continue;
        CHECK_MSG(model_load(path, &graph, &fault) == 0, "%s", fault.message);
        CHECK_MSG(graph && graph->n_inputs == 1 && graph->n_outputs == 1, "%s", files[i]);
        graph_destroy(&graph);
    }
}

int main(void)
{
    RUN(reads_a_network);
    RUN(element_types);
    RUN(weights_stay_in_the_file);
    RUN(odd_bools_become_one);
    RUN(input_with_default_is_a_constant);
    RUN(inputs_may_be_open);
    RUN(refuses_operators);
    RUN(refuses_attributes);
    RUN(refuses_wiring);
    RUN(refuses_tensors);
    RUN(refuses_files_that_are_none);
    RUN(functions_that_multiply);
    RUN(functions_that_call_themselves);
    RUN(branches_that_nest);
    RUN(every_damage);
    RUN(every_failing_allocation);
    RUN(external_data);
    RUN(loads_published_networks);
    writer_free();
    CHECK_INT(core_alloc_live(), 0);
    return check_report();
}
