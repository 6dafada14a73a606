/* SPDX-License-Identifier: MIT */
/* What the tests of the ONNX importer share beside the writer: importing what was written, expecting a refusal, and a network with
 * something of everything. */
#ifndef FM_TESTS_ONNX_CASE_H
#define FM_TESTS_ONNX_CASE_H

#include "check.h"
#include "core/alloc.h"
#include "model/model.h"
#include "onnx_writer.h"

static struct fm_error fault;

WRITER_UNUSED static int import_bytes(struct bytes b, struct graph **graph)
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

/* The model that was written must be refused with this code and a message that has both parts and the file's name. */
WRITER_UNUSED static void refused(enum fm_err code, const char *part, const char *other)
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
WRITER_UNUSED static void write_rich(void)
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

#endif
