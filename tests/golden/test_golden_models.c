/* SPDX-License-Identifier: MIT */
/* The published networks at small sizes, where ../shared has them. */
#include "golden.h"
#include "model/model.h"

struct published {
    const char *path;
    int channels, height, width;
    enum golden_tiles tiles;
};

static const struct published nets[] = {
    {"bench/piper.onnx", 3, 37, 50, GOLDEN_TILES},
    {"bench/srvgg.onnx", 3, 26, 35, GOLDEN_TILES},
    {"bench/sesr_m5.onnx", 1, 61, 97, GOLDEN_TILES},
    {"bench/sesr_m11.onnx", 1, 48, 64, GOLDEN_TILES},
    {"bench/ivs.onnx", 1, 61, 97, GOLDEN_TILES},
    {"bench/piper.param", 3, 13, 18, GOLDEN_TILES},
    {"bench/sesr_m5.param", 1, 33, 45, GOLDEN_TILES},
    {"bench/ivs.param", 1, 33, 45, GOLDEN_TILES},
    {"data/models/acnet/acnet_gan.onnx", 1, 45, 39, GOLDEN_TILES},
    {"data/models/acnet/acnet_hdn1.onnx", 1, 45, 39, GOLDEN_TILES},
    {"data/models/acnet/arnet_b4_le.onnx", 1, 45, 39, GOLDEN_TILES},
    {"data/models/acnet/arnet_b16_le.onnx", 1, 41, 39, GOLDEN_TILES},
    {"data/models/realesr-animevideov3/realesr-animevideov3-x3.param", 3, 26, 35, GOLDEN_TILES},
    {"data/models/realesr-animevideov3/realesr-animevideov3-x4.param", 3, 26, 35, GOLDEN_TILES},
    {"data/models/waifu2x_photo/scale2.0x_model.param", 3, 45, 39, GOLDEN_TILES},
    {"data/detect/yolox_nano_onnx/yolox_nano.onnx", 3, 416, 416, GOLDEN_NO_TILES},
    {"data/detect/FastestDet/FastestDet.onnx", 3, 352, 352, GOLDEN_NO_TILES},
};

/* Numbers between 0 and 1, smooth and rough in turn, as pictures have them. */
static struct fm_tensor picture(int channels, int height, int width)
{
    struct fm_tensor t = net_tensor(NET_DIMS(1, channels, height, width));
    float *x = t.data;
    for (int64_t i = 0; i < fm_tensor_count(&t); i++) {
        const double row = (double) (i / width % height), column = (double) (i % width);
        x[i] = (float) (0.5 + 0.3 * sin(row / 7 + column / 5) + 0.1 * (double) x[i] * (i / (width * 8) % 2 ? 1 : 0.1));
    }
    return t;
}

static bool is_large(const struct published *p)
{
    return p->height > 100;
}

static void try_all(bool large)
{
    int tried = 0;
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++) {
        const char *found = is_large(&nets[i]) == large ? check_shared(nets[i].path) : NULL;
        if (!found) continue;
        char path[1024];
        snprintf(path, sizeof path, "%s", found);
        struct fm_error error;
        struct graph *g = NULL;
        tried++;
        if (!CHECK_MSG(model_load(path, &g, &error) == FM_OK, "%s", error.message)) continue;
        net_state = 1; /* the same picture whatever ran before */
        struct fm_tensor in = picture(nets[i].channels, nets[i].height, nets[i].width);
        golden_check(nets[i].path, g, &in, nets[i].tiles, large ? GOLDEN_QUICK : GOLDEN_FULL, GOLDEN_TOLERANCE);
        core_free(in.data);
        graph_destroy(&g);
    }
    if (!tried) SKIP("no networks beside the project");
}

static void upscalers(void)
{
    try_all(false);
}
static void detectors(void)
{
    try_all(true);
}

int main(void)
{
    if (!golden_begin()) return 1;
    RUN(upscalers);
    RUN(detectors);
    golden_end();
    return check_report();
}
