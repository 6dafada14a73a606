/* SPDX-License-Identifier: MIT */
/* What the ONNX importer reads - types, dimensions, metadata - and what it refuses, with which words. */
#include "core/half.h"
#include "onnx_case.h"

static struct graph *import_it(void)
{
    struct graph *graph;
    CHECK_MSG(import_bytes(finish(), &graph) == 0, "import: %s", fault.message);
    return graph;
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
                    CHECK_MSG(((int64_t *) out.data)[i] == (kinds[k].dtype == FM_BOOL ? value[i] != 0 : value[i]),
                              "type %d, element %d", kinds[k].type, i);
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
    writer_free();
    CHECK_INT(core_alloc_live(), 0);
    return check_report();
}
