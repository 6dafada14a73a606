/* SPDX-License-Identifier: MIT */
/* Small ONNX files for tests of the public functions: written into a folder of their own, removed at the end. */
#ifndef FM_TESTS_MODEL_FILE_H
#define FM_TESTS_MODEL_FILE_H

#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "onnx_writer.h"

#define MODEL_UNUSED __attribute__((unused))

static char model_folder[512];

MODEL_UNUSED static bool model_begin(void)
{
    const char *temporary = getenv("TMPDIR");
    snprintf(model_folder, sizeof model_folder, "%s/framemill_test_XXXXXX", temporary && *temporary ? temporary : "/tmp");
    return mkdtemp(model_folder) != NULL;
}

MODEL_UNUSED static const char *model_path(const char *name)
{
    static char path[4][640];
    static int at;
    at = (at + 1) % 4;
    snprintf(path[at], sizeof path[at], "%s/%s", model_folder, name);
    return path[at];
}

static const char *const model_names[] = {"upscaler.onnx", "squeeze.onnx", "two.onnx", "boxes.onnx", "damaged.onnx"};

MODEL_UNUSED static void model_end(void)
{
    for (size_t i = 0; i < sizeof model_names / sizeof model_names[0]; i++) unlink(model_path(model_names[i]));
    rmdir(model_folder);
    writer_free();
}

static bool model_save(const char *name)
{
    const struct bytes b = finish();
    FILE *f = fopen(model_path(name), "wb");
    if (!f) return false;
    const bool good = fwrite(b.data, 1, b.size, f) == b.size;
    return (fclose(f) == 0) && good;
}

static void model_weights(const char *name, const char *dims, int count, float scale)
{
    float *w = malloc((size_t) count * sizeof *w);
    uint32_t state = (uint32_t) (name[0] * 131 + name[1] * 31 + count);
    for (int i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        w[i] = scale * ((float) (state >> 8) / 8388608.0f - 1.0f);
    }
    initializer(name, 1, dims, w, (size_t) count * sizeof *w);
    free(w);
}

static void model_conv(const char *in, const char *out, const char *w, int from, int to)
{
    char dims[64], name[64], inputs[192];
    snprintf(dims, sizeof dims, "%d,%d,3,3", to, from);
    model_weights(w, dims, to * from * 9, 0.3f);
    snprintf(name, sizeof name, "%s_bias", w);
    snprintf(dims, sizeof dims, "%d", to);
    model_weights(name, dims, to, 0.1f);
    ATTR_I64S("pads", 1, 1, 1, 1);
    snprintf(inputs, sizeof inputs, "%s,%s,%s", in, w, name);
    node("Conv", inputs, out);
}

/* Twice as large: three layers of 16 channels, pixel shuffle. Bounded. */
MODEL_UNUSED static bool model_upscaler(void)
{
    begin(13);
    input("x", 1, "n,3,h,w");
    model_conv("x", "a", "wa", 3, 16);
    node("Relu", "a", "b");
    model_conv("b", "c", "wc", 16, 16);
    node("Relu", "c", "d");
    model_conv("d", "e", "we", 16, 12);
    attr_int("blocksize", 2);
    attr_text("mode", "CRD");
    node("DepthToSpace", "e", "y");
    output("y");
    return model_save("upscaler.onnx");
}

/* Depends on the whole picture. */
MODEL_UNUSED static bool model_squeeze(void)
{
    begin(13);
    input("x", 1, "1,3,h,w");
    model_conv("x", "a", "wa", 3, 16);
    node("GlobalAveragePool", "a", "b");
    node("Sigmoid", "b", "c");
    node("Mul", "a,c", "y");
    output("y");
    return model_save("squeeze.onnx");
}

/* Two pictures in, two arrays out. */
MODEL_UNUSED static bool model_two(void)
{
    begin(13);
    input("left", 1, "1,4,h,w");
    input("right", 1, "1,4,h,w");
    node("Add", "left,right", "sum");
    model_conv("sum", "y", "wa", 4, 8);
    node("Mul", "left,right", "z");
    output("y");
    output("z");
    return model_save("two.onnx");
}

/* The number of outputs depends on the data: boxes that are left over. */
MODEL_UNUSED static bool model_boxes(void)
{
    begin(13);
    input("boxes", 1, "1,6,4");
    input("scores", 1, "1,1,6");
    I64S("most", "1", 6);
    F32S("overlap", "1", 0.5f);
    node("NonMaxSuppression", "boxes,scores,most,overlap", "kept");
    output("kept");
    return model_save("boxes.onnx");
}

MODEL_UNUSED static bool model_damaged(void)
{
    FILE *f = fopen(model_path("damaged.onnx"), "wb");
    if (!f) return false;
    const bool good = fputs("\x08\x08\x3a\xff\xff\xff\x7f", f) >= 0;
    return fclose(f) == 0 && good;
}

#endif
