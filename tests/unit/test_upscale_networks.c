/* SPDX-License-Identifier: MIT */
/* Published networks: tiles change no byte, and the picture keeps its place and colours. */
#define _GNU_SOURCE
#include "upscale_kit.h"

static const char *const networks[] = {"realesr-animevideov3/realesr-animevideov3-x2.param",
    "realesr-animevideov3/realesr-animevideov3-x3.param", "realesr-animevideov3/realesr-animevideov3-x4.param",
    "waifu2x_photo/scale2.0x_model.param", "acnet/acnet_gan.onnx", "acnet/acnet_hdn1.onnx", "acnet/arnet_b4_le.onnx",
    "acnet/arnet_b16_le.onnx"};
#define N_NETWORKS ((int) (sizeof networks / sizeof *networks))

static const char *network_path(int i)
{
    char relative[300];
    snprintf(relative, sizeof relative, "data/models/%s", networks[i]);
    return check_shared(relative);
}

static void tiles_change_no_byte(void)
{
    static const int sizes[3] = {64, 200, 512}, tiles[3] = {9 * 2, 3, 2};
    struct kit_picture in = kit_make(530, 70, 3, 8);
    kit_write(kit_path("in.png"), &in);
    for (int i = 0; i < N_NETWORKS; i++) {
        const char *path = network_path(i);
        if (!path) {
            kit_drop(&in);
            SKIP("%s is not there", networks[i]);
        }
        struct kit_picture whole, tiled;
        struct fm_upscale_params params = {.overwrite = true, .strict = true};
        struct kit_result k = KIT_RUN(params, path, kit_path("in.png"), kit_path("whole.png"));
        CHECK_MSG(k.code == FM_OK, "%s: %s", networks[i], k.message);
        CHECK_INT(k.last.tiles, 1);
        kit_read(kit_path("whole.png"), &whole);
        for (int t = 0; t < 3; t++) {
            params.tile = sizes[t];
            k = KIT_RUN(params, path, kit_path("in.png"), kit_path("tiled.png"));
            CHECK_INT(k.code, FM_OK);
            CHECK_INT(k.last.tiles, tiles[t]);
            if (kit_read(kit_path("tiled.png"), &tiled))
                CHECK_MSG(kit_same(&tiled, &whole), "%s with tiles of %d", networks[i], params.tile);
            kit_drop(&tiled);
        }
        kit_drop(&whole);
    }
    kit_drop(&in);
}

/* Mean difference between the result moved by (dx, dy) and a plain enlargement. */
static double difference(const struct kit_picture *a, const struct kit_picture *b, int dx, int dy)
{
    double sum = 0;
    int n = 0;
    for (int y = 20; y < a->info.height - 20; y++)
        for (int x = 20; x < a->info.width - 20; x++, n++) sum += abs(kit_sample(a, x, y, 1) - kit_sample(b, x + dx, y + dy, 1));
    return sum / n;
}

static void pictures_keep_their_place(void)
{
    struct kit_picture in = kit_make(120, 90, 3, 8);
    for (int y = 0; y < 90; y++) /* nothing that a network takes for noise: slopes and soft edges */
        for (int x = 0; x < 120; x++)
            for (int c = 0; c < 3; c++)
                in.rows.data[(y * 120 + x) * 3 + c] = (uint8_t) (128 + 90 * sin(x * 0.21 + c) * sin(y * 0.17 + 0.5 * c));
    kit_write(kit_path("in.png"), &in);
    for (int i = 0; i < N_NETWORKS; i++) {
        const char *path = network_path(i);
        if (!path) {
            kit_drop(&in);
            SKIP("%s is not there", networks[i]);
        }
        struct fm_upscale_params params = {.overwrite = true, .strict = true};
        struct kit_picture made, plain;
        const struct kit_result k = KIT_RUN(params, path, kit_path("in.png"), kit_path("made.png"));
        params.scale = k.last.out_width / 120;
        KIT_RUN(params, NULL, kit_path("in.png"), kit_path("plain.png"));
        if (kit_read(kit_path("made.png"), &made) && kit_read(kit_path("plain.png"), &plain)) {
            const double here = difference(&plain, &made, 0, 0);
            CHECK_MSG(here < 12, "%s differs by %.2f from a plain enlargement", networks[i], here);
            const int pixel = (int) params.scale; /* of the input */
            for (int d = -pixel; d <= pixel; d += 2 * pixel) {
                CHECK_MSG(difference(&plain, &made, d, 0) > here, "%s lies %d to the side", networks[i], d);
                CHECK_MSG(difference(&plain, &made, 0, d) > here, "%s lies %d up or down", networks[i], d);
            }
        }
        kit_drop(&made);
        kit_drop(&plain);
    }
    kit_drop(&in);
}

int main(void)
{
    if (!kit_begin(2)) return 1;
    RUN(tiles_change_no_byte);
    RUN(pictures_keep_their_place);
    kit_end();
    return check_report();
}
