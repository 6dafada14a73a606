/* SPDX-License-Identifier: MIT */
/* The forms operators had in older opsets, what else becomes something simpler on import (If, functions, com.microsoft), run with
 * the reference interpreter and compared with results worked out by hand. */
#include <math.h>

#include "check.h"
#include "core/alloc.h"
#include "model/model.h"
#include "onnx_writer.h"

static struct fm_error fault;

/* Imports what was written, runs it on one float input and compares output `k`. */
static struct graph *import_it(void)
{
    const struct bytes b = finish();
    struct graph *graph = NULL;
    fault = (struct fm_error){ .message = "" };
    CHECK_MSG(onnx_import(b.data, b.size, "form.onnx", NULL, &graph, &fault) == 0, "import: %s", fault.message);
    return graph;
}

static void expect_output(int k, int rank, const int64_t *x_dim, const float *x, int y_rank, const int64_t *y_dim, const float *y)
{
    struct graph *graph = import_it(), *fixed = NULL;
    if (!graph)
        return;
    struct fm_tensor in = { .dtype = FM_F32, .rank = rank, .data = (void *) (uintptr_t) x }, out[8] = { { .rank = 0 } };
    memcpy(in.dim, x_dim, (size_t) rank * sizeof(*x_dim));
    int rc = graph_specialise(graph, &in, &fixed, &fault);
    if (!rc)
        rc = graph_interpret(fixed, &in, out, &fault);
    if (CHECK_MSG(rc == 0, "run: %s", fault.message) && CHECK_INT(out[k].rank, y_rank)) {
        int64_t count = 1;
        for (int i = 0; i < y_rank; i++) {
            CHECK_INT(out[k].dim[i], y_dim[i]);
            count *= y_dim[i];
        }
        for (int64_t i = 0; i < count && count == fm_tensor_count(&out[k]); i++) {
            const double got = out[k].dtype == FM_I64 ? (double) ((int64_t *) out[k].data)[i] : ((float *) out[k].data)[i];
            CHECK_MSG(fabs(got - y[i]) <= 1e-5 * (1 + fabs(y[i])), "element %d is %g, must be %g", (int) i, got, y[i]);
        }
    }
    for (int i = 0; i < graph->n_outputs; i++)
        core_free(out[i].data);
    graph_destroy(&fixed);
    graph_destroy(&graph);
}

#define D(...) (int) (sizeof((const int64_t[]){ __VA_ARGS__ }) / 8), (const int64_t[]){ __VA_ARGS__ }
#define V(...) (const float[]){ __VA_ARGS__ }

static void slice_9(void)
{
    begin(9);
    input("x", 1, "2,4");
    ATTR_I64S("starts", 0, 1);
    ATTR_I64S("ends", 1, 1000);
    node("Slice", "x", "y");
    output("y");
    expect_output(0, D(2, 4), V(0, 1, 2, 3, 4, 5, 6, 7), D(1, 3), V(1, 2, 3));
}

static void slice_9_axes(void)
{
    begin(9);
    input("x", 1, "2,4");
    ATTR_I64S("axes", 1);
    ATTR_I64S("starts", -2);
    ATTR_I64S("ends", -1);
    node("Slice", "x", "y");
    output("y");
    expect_output(0, D(2, 4), V(0, 1, 2, 3, 4, 5, 6, 7), D(2, 1), V(2, 6));
}

static void pad_2(void)
{
    begin(10);
    input("x", 1, "1,2");
    ATTR_I64S("pads", 0, 1, 0, 2);
    attr_float("value", 9);
    node("Pad", "x", "y");
    output("y");
    expect_output(0, D(1, 2), V(1, 2), D(1, 5), V(9, 1, 2, 9, 9));
}

static void pad_2_reflect(void)
{
    begin(7);
    input("x", 1, "1,3");
    attr_text("mode", "reflect");
    ATTR_I64S("pads", 0, 2, 0, 0);
    node("Pad", "x", "y");
    output("y");
    expect_output(0, D(1, 3), V(1, 2, 3), D(1, 5), V(3, 2, 1, 2, 3));
}

static void split_2(void)
{
    begin(11);
    input("x", 1, "4");
    ATTR_I64S("split", 1, 3);
    attr_int("axis", 0);
    node("Split", "x", "a,b");
    output("a");
    output("b");
    expect_output(1, D(4), V(1, 2, 3, 4), D(3), V(2, 3, 4));
}

static void squeeze_11(void)
{
    begin(11);
    input("x", 1, "1,2,1");
    ATTR_I64S("axes", -1);
    node("Squeeze", "x", "s");
    ATTR_I64S("axes", 0);
    node("Unsqueeze", "s", "y");
    output("y");
    expect_output(0, D(1, 2, 1), V(1, 2), D(1, 1, 2), V(1, 2));
}

static void reduce_attributes(void)
{
    begin(11);
    input("x", 1, "2,3");
    ATTR_I64S("axes", 1);
    attr_int("keepdims", 0);
    node("ReduceSum", "x", "s");
    output("s");
    expect_output(0, D(2, 3), V(1, 2, 3, 4, 5, 6), D(2), V(6, 15));
    begin(17); /* ReduceMean took axes as an attribute up to here */
    input("x", 1, "2,3");
    ATTR_I64S("axes", 0);
    node("ReduceMean", "x", "m");
    output("m");
    expect_output(0, D(2, 3), V(1, 2, 3, 4, 5, 6), D(1, 3), V(2.5f, 3.5f, 4.5f));
}

static void top_k_9(void)
{
    begin(9);
    input("x", 1, "5");
    attr_int("k", 2);
    node("TopK", "x", "v,i");
    output("v");
    output("i");
    expect_output(1, D(5), V(3, 9, 1, 7, 5), D(2), V(1, 3));
    begin(9);
    input("x", 1, "5");
    attr_int("k", 3);
    node("TopK", "x", "v"); /* one output left out */
    output("v");
    expect_output(0, D(5), V(3, 9, 1, 7, 5), D(3), V(9, 7, 5));
}

static void clip_6(void)
{
    begin(9);
    input("x", 1, "4");
    attr_float("max", 2);
    node("Clip", "x", "c");
    attr_float("min", -1);
    node("Clip", "c", "y");
    output("y");
    expect_output(0, D(4), V(-5, 0, 1, 5), D(4), V(-1, 0, 1, 2));
}

static void upsample(void)
{
    begin(7);
    input("x", 1, "1,1,1,2");
    ATTR_F32S("scales", 1, 1, 2, 2);
    node("Upsample", "x", "y");
    output("y");
    expect_output(0, D(1, 1, 1, 2), V(1, 2), D(1, 1, 2, 4), V(1, 1, 2, 2, 1, 1, 2, 2));
    begin(9);
    input("x", 1, "1,1,1,2");
    F32S("s", "4", 1, 1, 1, 2);
    attr_text("mode", "linear");
    node("Upsample", "x,s", "y");
    output("y");
    expect_output(0, D(1, 1, 1, 2), V(0, 10), D(1, 1, 1, 4), V(0, 5, 10, 10)); /* asymmetric: places 0, 0.5, 1, 1.5 */
}

static void resize_10(void)
{
    begin(10);
    input("x", 1, "1,1,1,5");
    F32S("s", "4", 1, 1, 1, 0.6f);
    node("Resize", "x,s", "y");
    output("y");
    expect_output(0, D(1, 1, 1, 5), V(0, 1, 2, 3, 4), D(1, 1, 1, 3), V(0, 1, 3)); /* floor of 0, 1.67, 3.33 */
}

static void resize_11_sizes(void)
{
    begin(11);
    input("x", 1, "1,1,1,2");
    initializer("none", 1, "0", "", 0);
    I64S("size", "4", 1, 1, 1, 4);
    attr_text("coordinate_transformation_mode", "align_corners");
    attr_text("mode", "linear");
    node("Resize", "x,none,none,size", "y");
    output("y");
    expect_output(0, D(1, 1, 1, 2), V(0, 3), D(1, 1, 1, 4), V(0, 1, 2, 3));
}

static void softmax_11(void)
{
    /* flattened to [2][4] at axis 1: each row of four sums to one */
    begin(11);
    input("x", 1, "2,2,2");
    node("Softmax", "x", "y");
    output("y");
    expect_output(0, D(2, 2, 2), V(0, 0, 0, 0, 0, 0, 0, logf(5)), D(2, 2, 2),
                  V(.25f, .25f, .25f, .25f, .125f, .125f, .125f, .625f));
    begin(13); /* now along the last axis alone */
    input("x", 1, "2,2,2");
    node("Softmax", "x", "y");
    output("y");
    expect_output(0, D(2, 2, 2), V(0, 0, 0, 0, 0, 0, 0, logf(4)), D(2, 2, 2), V(.5f, .5f, .5f, .5f, .5f, .5f, .2f, .8f));
}

static void batch_norm_7(void)
{
    begin(7); /* spatial = 0: statistics of every place */
    input("x", 1, "2,1,2");
    F32S("s", "1,2", 2, 3);
    F32S("b", "1,2", 1, -1);
    F32S("m", "1,2", 1, 2);
    F32S("v", "1,2", 4, 9);
    attr_float("epsilon", 0);
    attr_int("spatial", 0);
    node("BatchNormalization", "x,s,b,m,v", "y");
    output("y");
    expect_output(0, D(2, 1, 2), V(1, 2, 3, 5), D(2, 1, 2), V(1, -1, 3, 2));
    begin(9);
    input("x", 1, "1,2,2");
    F32S("s", "2", 2, 3);
    F32S("b", "2", 1, -1);
    F32S("m", "2", 1, 2);
    F32S("v", "2", 4, 9);
    attr_float("epsilon", 0);
    node("BatchNormalization", "x,s,b,m,v", "y");
    output("y");
    expect_output(0, D(1, 2, 2), V(1, 3, 2, 5), D(1, 2, 2), V(1, 3, -1, 2));
}

static void group_norm_both(void)
{
    for (int opset = 18; opset <= 21; opset += 3) {
        begin(opset);
        input("x", 1, "1,4,1");
        if (opset == 18) {
            F32S("s", "2", 1, 10); /* per group */
            F32S("b", "2", 0, 5);
        } else {
            F32S("s", "4", 1, 1, 10, 10); /* per channel */
            F32S("b", "4", 0, 0, 5, 5);
        }
        attr_int("num_groups", 2);
        attr_float("epsilon", 0);
        node("GroupNormalization", "x,s,b", "y");
        output("y");
        expect_output(0, D(1, 4, 1), V(1, 3, 2, 6), D(1, 4, 1), V(-1, 1, -5, 15));
    }
}

static void dropout_forms(void)
{
    begin(7);
    input("x", 1, "2");
    attr_float("ratio", 0.9f);
    node("Dropout", "x", "y");
    output("y");
    expect_output(0, D(2), V(1, 2), D(2), V(1, 2));
    begin(13);
    input("x", 1, "2");
    F32S("r", "", 0.9f);
    initializer("t", 9, "", "", 1);
    node("Dropout", "x,r,t", "y");
    output("y");
    expect_output(0, D(2), V(1, 2), D(2), V(1, 2));
}

static void constants(void)
{
    begin(13);
    input("x", 1, "2");
    attr_float("value_float", 2);
    node("Constant", "", "a");
    ATTR_F32S("value_floats", 3, 4);
    node("Constant", "", "b");
    attr_int("value_int", 5);
    node("Constant", "", "c");
    ATTR_I64S("value_ints", 6, 7);
    node("Constant", "", "d");
    attr_tensor("value", tensor("", 1, "1", V(8), 4));
    node("Constant", "", "e");
    attr_int("to", 1);
    node("Cast", "c", "cf");
    attr_int("to", 1);
    node("Cast", "d", "df");
    node("Sum", "x,a,b,cf,df,e", "y");
    output("y");
    expect_output(0, D(2), V(100, 200), D(2), V(100 + 2 + 3 + 5 + 6 + 8, 200 + 2 + 4 + 5 + 7 + 8));
}

static void constant_of_shape(void)
{
    begin(9);
    input("x", 1, "2");
    I64S("s", "1", 2);
    attr_tensor("value", tensor("", 1, "1", V(1.5f), 4));
    node("ConstantOfShape", "s", "c");
    node("ConstantOfShape", "s", "z");
    node("Sum", "x,c,z", "y");
    output("y");
    expect_output(0, D(2), V(1, 2), D(2), V(2.5f, 3.5f));
}

static void cast_like_known(void)
{
    begin(15);
    input("x", 1, "2");
    I64S("s", "1", 1);
    node("Shape", "x", "n"); /* int64 */
    node("CastLike", "x,n", "i");
    node("CastLike", "s,x", "f");
    attr_int("to", 1);
    node("Cast", "i", "j");
    node("Add", "j,f", "y");
    output("y");
    expect_output(0, D(2), V(1.75f, -2.5f), D(2), V(2, -1));
}

static struct bytes branch(const char *operator, const char *in)
{
    begin_subgraph();
    F32S("two", "1", 2);
    node(operator, in, "r");
    output("r");
    return end_subgraph();
}

/* cond is an initializer: only the branch that is taken counts. */
static void if_constant(void)
{
    begin(13);
    input("x", 1, "2");
    initializer("c", 9, "", "\1", 1);
    attr_graph("then_branch", branch("Mul", "x,two"));
    attr_graph("else_branch", branch("NoSuchOperator", "x"));
    node("If", "c", "y");
    output("y");
    expect_output(0, D(2), V(1, 2), D(2), V(2, 4));
}

/* cond follows from the shapes: both branches are kept until the graph is specialised. */
static void if_folded(void)
{
    for (int want = 1; want <= 2; want++) {
        begin(13);
        input("x", 1, "n");
        I64S("two_elements", "1", 2);
        node("Shape", "x", "n");
        node("Equal", "n,two_elements", "c");
        attr_graph("then_branch", branch("Mul", "x,two"));
        attr_graph("else_branch", branch("Sub", "x,two"));
        node("If", "c", "r");
        node("Neg", "r", "y"); /* after the If, in the outer graph */
        output("y");
        if (want == 1)
            expect_output(0, D(2), V(1, 2), D(2), V(-2, -4));
        else
            expect_output(0, D(3), V(1, 2, 3), D(3), V(1, 0, -1));
    }
}

/* f(x; gain, slope = 0.5) = LeakyRelu(x, slope) * gain; called twice, with and without the default, once through g. */
static void functions(void)
{
    struct bytes f = { NULL, 0, 0 }, g = { NULL, 0, 0 }, fallback = { NULL, 0, 0 }, id = { NULL, 0, 0 };
    begin(15);
    opset_of("mine", 1);
    put_text(&f, 1, "f");
    put_text(&f, 10, "mine");
    put_text(&f, 4, "a");
    put_text(&f, 5, "b");
    put_text(&f, 6, "gain");
    put_float(&fallback, 2, 0.5f);
    put_text(&fallback, 1, "slope");
    put_int(&fallback, 20, 1);
    put_message(&f, 11, &fallback);
    put_text(&id, 1, "");
    put_int(&id, 2, 15);
    put_message(&f, 9, &id);
    attr_reference("value_float", 1, "gain");
    node_to(&f, 7, "", "Constant", "", "k");
    attr_reference("alpha", 1, "slope");
    node_to(&f, 7, "", "LeakyRelu", "a", "t");
    node_to(&f, 7, "", "Mul", "t,k", "b");
    put_message(&writer.model, 25, &f);
    put_text(&g, 1, "g");
    put_text(&g, 10, "mine");
    put_text(&g, 4, "p");
    put_text(&g, 4, "unused");
    put_text(&g, 5, "q");
    put_text(&g, 5, "p"); /* hands its input through */
    attr_float("gain", 10);
    attr_float("slope", 0.25f);
    node_to(&g, 7, "mine", "f", "p", "q");
    put_message(&writer.model, 25, &g);
    input("x", 1, "2");
    attr_float("gain", 2);
    node_to(&writer.graph, 1, "mine", "f", "x", "u");
    node_to(&writer.graph, 1, "mine", "g", "u", "v,w");
    node("Add", "v,w", "y");
    output("y");
    /* x = {1, -4}: u = {2, -4}, v = {20, -10}, w = u */
    expect_output(0, D(2), V(1, -4), D(2), V(22, -14));
}

static void microsoft(void)
{
    begin(11);
    opset_of("com.microsoft", 1);
    input("x", 1, "1,1,2,2");
    F32S("w", "1,1,1,1", 2);
    F32S("b", "1", -1);
    F32S("z", "1,1,2,2", 0, 0, -10, 1);
    attr_text("activation", "LeakyRelu");
    ATTR_F32S("activation_params", 0.1f);
    ATTR_I64S("kernel_shape", 1, 1);
    node_to(&writer.graph, 1, "com.microsoft", "FusedConv", "x,w,b,z", "y");
    output("y");
    expect_output(0, D(1, 1, 2, 2), V(1, 2, 3, 4), D(1, 1, 2, 2), V(1, 3, -0.5f, 8));
    begin(11);
    opset_of("com.microsoft", 1);
    input("x", 1, "2");
    attr_float("alpha", 2);
    node_to(&writer.graph, 1, "com.microsoft", "QuickGelu", "x", "y");
    output("y");
    expect_output(0, D(2), V(1, -1), D(2), V(1 / (1 + expf(-2)), -1 / (1 + expf(2))));
}

static void swish_24(void)
{
    begin(24);
    input("x", 1, "2");
    node("Swish", "x", "a");
    attr_float("alpha", 3);
    node("Swish", "a", "y");
    output("y");
    const float a = 1 / (1 + expf(-1));
    expect_output(0, D(2), V(1, 0), D(2), V(a / (1 + expf(-3 * a)), 0));
}

static void dequantize(void)
{
    begin(13);
    input("x", 1, "2,2");
    initializer("q", 3, "2,2", "\xfe\x01\x10\xf0", 4); /* -2 1 16 -16 */
    F32S("s", "2", 0.5f, 2);
    initializer("z", 3, "2", "\x00\x01", 2);
    attr_int("axis", 0);
    node("DequantizeLinear", "q,s,z", "w");
    node("Add", "x,w", "y");
    output("y");
    expect_output(0, D(2, 2), V(0, 0, 0, 0), D(2, 2), V(-1, 0.5f, 30, -34));
}

/* An output that is the input itself, and one that is a constant, each under its own name. */
static void outputs_of_their_own(void)
{
    begin(13);
    input("x", 1, "2");
    F32S("c", "2", 3, 4);
    output("x");
    output("c");
    expect_output(0, D(2), V(1, 2), D(2), V(1, 2));
    begin(13);
    input("x", 1, "2");
    F32S("c", "2", 3, 4);
    output("x");
    output("c");
    expect_output(1, D(2), V(1, 2), D(2), V(3, 4));
}

int main(void)
{
    RUN(slice_9);
    RUN(slice_9_axes);
    RUN(pad_2);
    RUN(pad_2_reflect);
    RUN(split_2);
    RUN(squeeze_11);
    RUN(reduce_attributes);
    RUN(top_k_9);
    RUN(clip_6);
    RUN(upsample);
    RUN(resize_10);
    RUN(resize_11_sizes);
    RUN(softmax_11);
    RUN(batch_norm_7);
    RUN(group_norm_both);
    RUN(dropout_forms);
    RUN(constants);
    RUN(constant_of_shape);
    RUN(cast_like_known);
    RUN(if_constant);
    RUN(if_folded);
    RUN(functions);
    RUN(microsoft);
    RUN(swish_24);
    RUN(dequantize);
    RUN(outputs_of_their_own);
    writer_free();
    CHECK_INT(core_alloc_live(), 0);
    return check_report();
}
