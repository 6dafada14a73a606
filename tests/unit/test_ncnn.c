/* SPDX-License-Identifier: MIT */
/* The ncnn importer as a reader of files: what it says about damaged ones, names, inputs and outputs, memory that runs out. */
#define _GNU_SOURCE /* mkdtemp */
#include "ncnn_net.h"

#include "model/ncnn_path.h"

#include <unistd.h>

static const struct net none;

/* The whole text is given; the message must contain `part`. */
static void refuses(const char *text, const void *bin, size_t bin_size, int code, const char *part)
{
    struct fm_error error = {0};
    struct graph *graph = NULL;
    const size_t size = strlen(text);
    char *exact = malloc(size + !size);
    memcpy(exact, text, size);
    CHECK_MSG(ncnn_import(exact, size, "dir/net.param", bin, bin_size, "dir/net.bin", &graph, &error) == code, "%s: %d", text,
        error.code);
    CHECK(!graph);
    CHECK_INT(error.code, code);
    CHECK_HAS(error.message, part);
    CHECK_HAS(error.message, "dir/net.param");
    free(exact);
}

static void damaged_heads(void)
{
    refuses("", NULL, 0, FM_ERR_FORMAT, "magic");
    refuses("75 83\n", NULL, 0, FM_ERR_FORMAT, "magic");
    refuses("7767517 1\n1 1\n", NULL, 0, FM_ERR_FORMAT, "magic");
    refuses("\xdd\x85\x76", NULL, 0, FM_ERR_FORMAT, "magic");
    refuses("7767517\n", NULL, 0, FM_ERR_FORMAT, "second line");
    refuses("7767517\n1\n", NULL, 0, FM_ERR_FORMAT, "second line");
    refuses("7767517\n1 2x\n", NULL, 0, FM_ERR_FORMAT, "second line");
    refuses("7767517\n-1 2\n", NULL, 0, FM_ERR_FORMAT, "layer count");
    refuses("7767517\n2000000000 2\nInput i 0 1 x\n", NULL, 0, FM_ERR_FORMAT, "layer count");
    refuses("7767517\n1 2000000000\nInput i 0 1 x\n", NULL, 0, FM_ERR_FORMAT, "blob count");
    refuses("7767517\n99999999999 1\nInput i 0 1 x\n", NULL, 0, FM_ERR_FORMAT, "second line");
    struct fm_error error;
    struct graph *graph;
    CHECK_INT(ncnn_import("\xdd\x85\x76\x00", 4, "net.param.bin", NULL, 0, "net.bin", &graph, &error), FM_ERR_UNSUPPORTED);
    CHECK_HAS(error.message, "binary");
}

static void damaged_layers(void)
{
#define HEAD "7767517\n2 2\nInput i 0 1 x\n"
    refuses("7767517\n2 2\nInput i 0 1 x\n", NULL, 0, FM_ERR_FORMAT, "ends after 1 of 2");
    refuses(HEAD "ReLU r 1 1 x y\nReLU s 1 1 y z\n", NULL, 0, FM_ERR_FORMAT, "more layers");
    refuses("7767517\n2 1\nInput i 0 1 x\nReLU r 1 1 x y\n", NULL, 0, FM_ERR_FORMAT, "more blobs than the 1");
    refuses(HEAD "ReLU\n", NULL, 0, FM_ERR_FORMAT, ":4:");
    refuses(HEAD "ReLU r 1\n", NULL, 0, FM_ERR_FORMAT, "counts");
    refuses(HEAD "ReLU r 1 x y\n", NULL, 0, FM_ERR_FORMAT, "counts");
    refuses(HEAD "ReLU r 1 1 x\n", NULL, 0, FM_ERR_FORMAT, "output 0");
    refuses(HEAD "ReLU r 2147483647 2147483647 x y\n", NULL, 0, FM_ERR_FORMAT, "do not fit the line");
    refuses(HEAD "ReLU r 1 1 q y\n", NULL, 0, FM_ERR_FORMAT, "no layer makes its input 'q'");
    refuses(HEAD "ReLU r 1 1 y y\n", NULL, 0, FM_ERR_FORMAT, "later layer or by itself");
    refuses(HEAD "ReLU r 1 1 x x\n", NULL, 0, FM_ERR_FORMAT, "named 'x'");
    refuses(HEAD "ReLU r 2 1 x x y\n", NULL, 0, FM_ERR_FORMAT, "2 inputs where 1");
    refuses(HEAD "Frobnicate f 1 1 x y\n", NULL, 0, FM_ERR_UNSUPPORTED, "dir/net.param:4: Frobnicate 'f'");
    refuses(HEAD "Quantize f 1 1 x y\n", NULL, 0, FM_ERR_UNSUPPORTED, "Quantize 'f'");
    refuses(HEAD "ReLU r 1 1 x y 0\n", NULL, 0, FM_ERR_FORMAT, "number=value");
    refuses(HEAD "ReLU r 1 1 x y a=1\n", NULL, 0, FM_ERR_FORMAT, "number=value");
    refuses(HEAD "ReLU r 1 1 x y 32=1\n", NULL, 0, FM_ERR_FORMAT, "outside 0..31");
    refuses(HEAD "ReLU r 1 1 x y -1=1\n", NULL, 0, FM_ERR_FORMAT, "outside 0..31");
    refuses(HEAD "ReLU r 1 1 x y 0=1 0=2\n", NULL, 0, FM_ERR_FORMAT, "twice");
    refuses(HEAD "ReLU r 1 1 x y 0=\n", NULL, 0, FM_ERR_FORMAT, "not a number");
    refuses(HEAD "ReLU r 1 1 x y 0=1.2.3\n", NULL, 0, FM_ERR_FORMAT, "not a number");
    refuses(HEAD "ReLU r 1 1 x y 0=1e\n", NULL, 0, FM_ERR_FORMAT, "not a number");
    refuses(HEAD "ReLU r 1 1 x y 0=abc\n", NULL, 0, FM_ERR_UNSUPPORTED, "text");
    refuses(HEAD "ReLU r 1 1 x y -23300=1,2.0\n", NULL, 0, FM_ERR_FORMAT, "an array where one number");
    refuses(HEAD "ReLU r 1 1 x y -23300=2,2.0\n", NULL, 0, FM_ERR_FORMAT, "promises 2 elements and has 1");
    refuses(HEAD "ReLU r 1 1 x y -23300=1,\n", NULL, 0, FM_ERR_FORMAT, "element");
    refuses(HEAD "ReLU r 1 1 x y 7=3\n", NULL, 0, FM_ERR_UNSUPPORTED, "parameter 7 is not known");
    refuses(HEAD "Pooling p 1 1 x y 1=2.5\n", NULL, 0, FM_ERR_FORMAT, "2.5 where a whole number");
    refuses(HEAD "Pooling p 1 1 x y 1=99999999999\n", NULL, 0, FM_ERR_FORMAT, "whole number");
    refuses(HEAD "Pooling p 1 1 x y 1=0\n", NULL, 0, FM_ERR_FORMAT, "kernel size is 0");
    refuses(HEAD "Pooling p 1 1 x y 1=2 2=-1\n", NULL, 0, FM_ERR_FORMAT, "stride is -1");
    refuses(HEAD "Concat c 1 1 x y 0=3\n", NULL, 0, FM_ERR_FORMAT, "axis 3");
    refuses(HEAD "Noop n 1 0 x\n", NULL, 0, FM_ERR_FORMAT, "no output");
    refuses("7767517\n1 1\nMemoryData m 0 1 x 0=1\n", "\0\0\0\0", 4, FM_ERR_FORMAT, "no Input");
    char text[1024] = HEAD "ReLU ";
    memset(text + strlen(text), 'n', 300);
    strcat(text, " 1 1 x y\n");
    refuses(text, NULL, 0, FM_ERR_FORMAT, "300 bytes");
}

static void damaged_weights(void)
{
    static const uint8_t zero[64], half[8] = {0x47, 0x6b, 0x30, 0x01}, int8[8] = {0x38, 0x4b, 0x0d, 0x00},
                                   unknown[8] = {1, 2, 3, 4};
    const char *conv = HEAD "Convolution c 1 1 x y 0=1 1=2 6=4\n";
    refuses(conv, zero, 0, FM_ERR_FORMAT, "weight needs 4 bytes at byte 0 of dir/net.bin");
    refuses(conv, zero, 19, FM_ERR_FORMAT, "weight needs 16 bytes at byte 4 of dir/net.bin, which has 19");
    refuses(conv, zero, 24, FM_ERR_FORMAT, "20 of the 24 bytes of dir/net.bin");
    refuses(conv, half, 8, FM_ERR_FORMAT, "weight needs 8 bytes");
    refuses(conv, int8, 8, FM_ERR_UNSUPPORTED, "int8");
    refuses(conv, unknown, 8, FM_ERR_UNSUPPORTED, "0x04030201");
    refuses(conv, (const uint8_t[]){0, 1, 0, 0, 9}, 5, FM_ERR_FORMAT, "1024 bytes");
    refuses(HEAD "Convolution c 1 1 x y 0=1 1=2 6=5\n", zero, 64, FM_ERR_FORMAT, "do not fit");
    refuses(HEAD "Convolution c 1 1 x y 0=2147483647 1=2147483647 6=2147483647\n", zero, 64, FM_ERR_FORMAT, "do not fit");
    refuses(HEAD "Convolution c 1 1 x y 0=1 1=1 6=2147483647\n", zero, 64, FM_ERR_FORMAT, "of dir/net.bin");
    refuses(HEAD "Convolution c 1 1 x y 0=1 1=1 6=1 8=1\n", zero, 64, FM_ERR_UNSUPPORTED, "int8");
    refuses(HEAD "Convolution c 1 1 x y 0=1 1=1 6=1 19=1\n", zero, 64, FM_ERR_UNSUPPORTED, "from a blob");
    refuses(HEAD "Convolution c 1 1 x y 0=1 1=1 6=1 9=7\n", zero, 64, FM_ERR_UNSUPPORTED, "activation 7");
    refuses(HEAD "Convolution c 1 1 x y 0=1 1=1 6=1 9=2\n", zero, 64, FM_ERR_FORMAT, "activation 2");
    refuses(HEAD "Convolution c 1 1 x y 0=1 1=1 6=1 4=-7\n", zero, 64, FM_ERR_UNSUPPORTED, "negative pads");
    refuses("7767517\n2 2\nInput i 0 1 x 2=3\nConvolution c 1 1 x y 0=1 1=1 6=4\n", zero, 64, FM_ERR_SHAPE, "3 channels");
    refuses(HEAD "MemoryData m 0 1 y 0=65536 1=65536 2=65536 11=65536\n", zero, 64, FM_ERR_FORMAT, "elements");
    refuses(HEAD "MemoryData m 0 1 y\n", zero, 64, FM_ERR_FORMAT, "elements");
}

/* Layout of the text that ncnn's own reader takes. */
static void tolerated(void)
{
    struct graph *graph = NULL;
    struct fm_error error;
    const char *text = "7767517\r\n2 9\r\n\n  Input\tin 0 1 x\r\n   ReLU r 1 1 x y 0=-2.5e-1 31=1 -23330=4,3,8,8,3   ";
    if (!CHECK_MSG(ncnn_import(text, strlen(text), "p", NULL, 0, "b", &graph, &error) == FM_OK, "%s", error.message)) return;
    CHECK_INT(graph->n_inputs, 1);
    CHECK_INT(graph->n_outputs, 1);
    CHECK_STR(graph->format, "ncnn");
    CHECK_STR(graph->source, "p");
    const struct graph_value *in = &graph->value[graph->input[0]];
    CHECK_STR(in->name, "x");
    CHECK_INT(in->rank, 4);
    CHECK_INT(in->dim[0], 1);
    for (int i = 1; i < 4; i++) CHECK_INT(in->dim[i], -1);
    CHECK_STR(in->dim_name[3], "width");
    CHECK_STR(graph->value[graph->output[0]].name, "y");
    CHECK_INT(graph->n_nodes, 1);
    CHECK_STR(graph->node[0].name, "r");
    CHECK_STR(graph->node[0].type, "ReLU");
    CHECK_INT(graph->node[0].op, OP_LEAKY_RELU);
    CHECK_NEAR(graph->node[0].p.scalar.a, -0.25f, 0);
    graph_destroy(&graph);
}

static void numbers(void)
{
    static const struct {
        const char *text;
        float value;
    } all[] = {{"1", 1.0f}, {"+1.5", 1.5f}, {"-.5", -0.5f}, {"5.", 5.0f}, {"1e3", 1000.0f}, {"1E-3", 1e-3f},
        {"3.402823466e+38", 3.402823466e+38f}, {"1e99", 3.402823466e+38f}, {"-1e999999999999", -3.402823466e+38f}, {"1e-99", 0.0f},
        {"0.1000000000000000055511151231257827", 0.1f}, {"123456789012345678901234567890", 1.2345679e29f}, {"0.000001", 1e-6f},
        {"1.17549435e-38", 1.17549435e-38f}, {"16777217", 16777216.0f}, {"7.006492321624085e-46", 0.0f}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char lines[256];
        struct graph *graph = NULL;
        struct fm_error error;
        snprintf(lines, sizeof lines, "Input in 0 1 x\nELU r 1 1 x y 0=%s\n", all[i].text);
        if (!CHECK_INT(net_import(&none, lines, &graph, &error), FM_OK)) continue;
        CHECK_MSG(graph->node[0].p.scalar.a == all[i].value, "%s: %.9g", all[i].text, (double) graph->node[0].p.scalar.a);
        graph_destroy(&graph);
    }
}

/* The channel count of an input that does not say it comes from the first layer that knows, through those that keep it. */
static void learns_channels(void)
{
    static const struct {
        const char *lines;
        int n, c;
    } all[] = {{"Input in 0 1 x\nConvolution c 1 1 x y 0=1 1=1 6=5\n", 5, 5},
        {"Input in 0 1 x\nReLU r 1 1 x z\nConvolution c 1 1 z y 0=1 1=1 6=5\n", 5, 5},
        {"Input in 0 1 x 0=8 1=8\nConvolution c 1 1 x y 0=1 1=1 6=1\n", 1, -1},
        {"Input in 0 1 x\nYoloV5Focus f 1 1 x z\nConvolution c 1 1 z y 0=1 1=1 6=12\n", 12, 3},
        {"Input in 0 1 x\nReorg f 1 1 x z 0=4\nConvolution c 1 1 z y 0=1 1=1 6=16\n", 16, 1},
        {"Input in 0 1 x 2=7 0=4 1=4\nReLU r 1 1 x y\n", 0, 7},
        {"Input in 0 1 x\nPadding p 1 1 x z 0=1 1=1\nPooling q 1 1 z w 1=2\nConvolution c 1 1 w y 0=1 1=1 6=3\n", 3, 3}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct net net = {.n = all[i].n ? 4 + 4 * (size_t) all[i].n : 0};
        struct graph *graph = NULL;
        struct fm_error error;
        if (!CHECK_INT(net_import(&net, all[i].lines, &graph, &error), FM_OK)) {
            CHECK_MSG(false, "%s", error.message);
            continue;
        }
        const struct graph_value *in = &graph->value[graph->input[0]];
        CHECK_MSG(in->dim[1] == all[i].c, "%s: %d", all[i].lines, (int) in->dim[1]);
        graph_destroy(&graph);
    }
}

/* Each blob that no layer uses is an output under its own name, also when it is only an alias or the input. */
static void outputs_have_names(void)
{
    struct graph *graph = NULL;
    struct fm_error error;
    const char *lines = "Input in 0 1 x\nSplit s 1 3 x a b c\nReLU r 1 1 b d\nSplit t 1 2 d e f\n";
    if (!CHECK_INT(net_import(&none, lines, &graph, &error), FM_OK)) return;
    static const char *const want[] = {"a", "c", "e", "f"};
    CHECK_INT(graph->n_outputs, 4);
    for (int k = 0; k < 4 && k < graph->n_outputs; k++) {
        CHECK_STR(graph->value[graph->output[k]].name, want[k]);
        CHECK(graph->value[graph->output[k]].producer >= 0);
    }
    graph_destroy(&graph);
}

/* Weights are used where they lie. */
static void weights_stay_in_place(void)
{
    static struct net net;
    struct graph *graph = NULL;
    struct fm_error error;
    net.n = 4 + 4 * 9 + 4;
    if (!CHECK_INT(net_import(&net, "Input in 0 1 x\nConvolution c 1 1 x y 0=1 1=3 5=1 6=9\n", &graph, &error), FM_OK)) return;
    const struct graph_node *node = &graph->node[0];
    CHECK_INT(node->op, OP_CONV);
    CHECK(graph->value[node->in[1]].data == (const void *) (net.bin + 4));
    CHECK(graph->value[node->in[2]].data == (const void *) (net.bin + 40));
    CHECK_STR(graph->value[node->in[1]].name, "c.weight");
    graph_destroy(&graph);
}

static void memory_runs_out(void)
{
    static struct net net;
    net.n = 4 + 4 * 8 + 4 * 2;
    const char *lines = "Input in 0 1 x\n"
                        "Convolution c 1 1 x y 0=2 1=2 5=1 6=8 9=2 -23310=1,0.5\n"
                        "Slice s 1 2 y a b -23300=2,-233,-233 1=1\n"
                        "Interp i 1 1 a d 0=2 1=0.5 2=0.5\n";
    const int64_t before = core_alloc_live();
    int failures = 0;
    for (uint64_t n = 1; n < 1000; n++) {
        struct graph *graph = NULL;
        struct fm_error error;
        core_alloc_fail_after(n, true);
        const int rc = net_import(&net, lines, &graph, &error);
        core_alloc_fail_after(0, false);
        if (!rc) {
            graph_destroy(&graph);
            break;
        }
        failures++;
        CHECK_INT(rc, FM_ERR_NOMEM);
        CHECK(!graph);
    }
    CHECK(failures > 0 && failures < 999);
    CHECK_INT(core_alloc_live(), before);
}

static void touch(const char *folder, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *stream = fopen(path, "wb");
    if (CHECK(stream)) fclose(stream);
}

static void weights_are_found(void)
{
    char folder[] = "/tmp/fm_ncnn_XXXXXX", path[512], out[512], want[512];
    if (!CHECK(mkdtemp(folder))) return;
    static const struct {
        const char *param, *bin;
    } all[] = {{"a.param", "a.bin"}, {"net-x2.param", "net-x4.bin"}, {"net-x4.param", "net-x4.bin"}, {"net-x3.param", "net-x3.bin"},
        {"b.param", NULL}, {"other-x2.param", NULL}, {"plain", "plain.bin"}, {"x2.param", NULL}};
    for (const char *const *name = (const char *const[]){"a.bin", "net-x4.bin", "net-x3.bin", "plain.bin", NULL}; *name; name++)
        touch(folder, *name);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, all[i].param);
        const int rc = ncnn_bin_path(path, out, sizeof out);
        CHECK_INT(rc, all[i].bin ? FM_OK : FM_ERR_IO);
        snprintf(want, sizeof want, "%s/%s", folder, all[i].bin ? all[i].bin : "");
        if (all[i].bin)
            CHECK_STR(out, want);
        else
            CHECK_HAS(out, ".bin");
    }
    CHECK_INT(ncnn_bin_path("12345.param", out, 9), FM_ERR_ARGUMENT);
    CHECK_INT(ncnn_bin_path("12345.param", out, 10), FM_ERR_IO);
    CHECK_STR(out, "12345.bin");
    for (const char *const *name = (const char *const[]){"a.bin", "net-x4.bin", "net-x3.bin", "plain.bin", NULL}; *name; name++) {
        snprintf(path, sizeof path, "%s/%s", folder, *name);
        unlink(path);
    }
    rmdir(folder);
}

int main(void)
{
    RUN(damaged_heads);
    RUN(damaged_layers);
    RUN(damaged_weights);
    RUN(tolerated);
    RUN(numbers);
    RUN(learns_channels);
    RUN(outputs_have_names);
    RUN(weights_stay_in_place);
    RUN(memory_runs_out);
    RUN(weights_are_found);
    return check_report();
}
