/* SPDX-License-Identifier: MIT */
/* The ONNX importer against hostile and damaged files, failing memory, paths that lead elsewhere; and the published networks. */
#define _GNU_SOURCE
#include <sys/stat.h>
#include <unistd.h>

#include "onnx_case.h"

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
