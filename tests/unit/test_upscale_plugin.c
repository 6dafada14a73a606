/* SPDX-License-Identifier: MIT */
/* Plug-ins: the shipped example does what it says whatever the tiles, and what is no plug-in is refused. Takes the example's file. */
#define _GNU_SOURCE
#include "upscale_kit.h"

static char example[600];

static struct kit_result run(const char *plugin, int tile, const char *model, const char *to)
{
    const char *plugins[] = {plugin, NULL};
    const struct fm_upscale_params params = {.plugins = plugins, .tile = tile, .overwrite = true};
    return KIT_RUN(params, model, kit_path("in.png"), kit_path(to));
}

static const char *with(const char *options)
{
    static char text[4][900];
    static int at;
    at = (at + 1) % 4;
    snprintf(text[at], sizeof text[at], "%s%s%s", example, options ? ":" : "", options ? options : "");
    return text[at];
}

/* A step from dark to bright gets steeper and overshoots nowhere beyond the range. */
static void edges_get_sharper(void)
{
    struct kit_picture in = kit_make(40, 20, 1, 8), soft, sharp;
    for (int y = 0; y < 20; y++)
        for (int x = 0; x < 40; x++) in.rows.data[y * 40 + x] = x < 20 ? 80 : 170;
    kit_write(kit_path("in.png"), &in);
    struct kit_result k = run(NULL, 0, NULL, "soft.png");
    CHECK_INT(k.code, FM_OK);
    k = run(with("amount=1:radius=1.5"), 0, NULL, "sharp.png");
    CHECK_MSG(k.code == FM_OK, "%s", k.message);
    if (kit_read(kit_path("soft.png"), &soft) && kit_read(kit_path("sharp.png"), &sharp)) {
        const int before = kit_sample(&soft, 41, 20, 0) - kit_sample(&soft, 38, 20, 0);
        const int after = kit_sample(&sharp, 41, 20, 0) - kit_sample(&sharp, 38, 20, 0);
        CHECK_MSG(after > before + 10, "%d, then %d", before, after);
        CHECK_INT(kit_sample(&sharp, 5, 20, 0), kit_sample(&soft, 5, 20, 0)); /* flat parts stay */
    }
    kit_drop(&soft);
    kit_drop(&sharp);
    kit_drop(&in);
}

static void noise_gets_less(void)
{
    struct kit_picture in = kit_make(60, 60, 3, 8), plain, clean;
    uint32_t seed = 1;
    for (int i = 0; i < 60 * 60 * 3; i++) {
        seed = seed * 1664525u + 1013904223u;
        in.rows.data[i] = (uint8_t) (120 + (seed >> 24) % 16);
    }
    kit_write(kit_path("in.png"), &in);
    run(NULL, 0, NULL, "plain.png");
    const struct kit_result k = run(with("amount=0:denoise=0.1"), 0, NULL, "clean.png");
    CHECK_MSG(k.code == FM_OK, "%s", k.message);
    double spread[2] = {0, 0};
    if (kit_read(kit_path("plain.png"), &plain) && kit_read(kit_path("clean.png"), &clean))
        for (int i = 0; i < 2; i++)
            for (int y = 10; y < 110; y++)
                for (int x = 10; x < 110; x++) {
                    const double d = kit_sample(i ? &clean : &plain, x, y, 1) - 127.5;
                    spread[i] += d * d;
                }
    CHECK_MSG(spread[1] < 0.4 * spread[0], "%.0f of %.0f", spread[1], spread[0]);
    kit_drop(&plain);
    kit_drop(&clean);
    kit_drop(&in);
}

static void pieces_fit_together(void)
{
    kit_double("double.onnx", 1);
    struct kit_picture in = kit_make(140, 90, 4, 8), whole, tiled;
    kit_write(kit_path("in.png"), &in);
    for (int n = 0; n < 2; n++) {
        const char *model = n ? kit_path("double.onnx") : NULL;
        const char *options = "denoise=0.05:amount=0.8:radius=2.5";
        struct kit_result k = run(with(options), 0, model, "whole.png");
        CHECK_MSG(k.code == FM_OK, "%s", k.message);
        kit_read(kit_path("whole.png"), &whole);
        k = run(with(options), 24, model, "tiled.png");
        CHECK(k.last.tiles > 1);
        if (kit_read(kit_path("tiled.png"), &tiled)) kit_same(&tiled, &whole);
        kit_drop(&tiled);
        kit_drop(&whole);
    }
    kit_drop(&in);
}

static void what_is_no_plugin_is_refused(void)
{
    struct kit_picture in = kit_make(20, 20, 3, 8);
    kit_write(kit_path("in.png"), &in);
    struct kit_result k = run(kit_path("none.so"), 0, NULL, "out.png");
    CHECK_INT(k.code, FM_ERR_IO);
    CHECK_HAS(k.message, "none.so");
    k = run(kit_path("in.png"), 0, NULL, "out.png");
    CHECK_INT(k.code, FM_ERR_IO);
    k = run("libm.so.6", 0, NULL, "out.png"); /* found in the current folder only */
    CHECK_INT(k.code, FM_ERR_IO);
    k = run(with("loudness=3"), 0, NULL, "out.png");
    CHECK_INT(k.code, FM_ERR_ARGUMENT);
    CHECK_HAS(k.message, "loudness");
    k = run(with("amount=-1"), 0, NULL, "out.png");
    CHECK_INT(k.code, FM_ERR_ARGUMENT);
    k = run(with("amount="), 0, NULL, "out.png");
    CHECK_INT(k.code, FM_ERR_ARGUMENT);
    CHECK(access(kit_path("out.png"), F_OK) != 0);
    kit_drop(&in);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s plugin_sharpen.so\n", argv[0]);
        return 1;
    }
    snprintf(example, sizeof example, "%s", argv[1]);
    if (!kit_begin(2)) return 1;
    RUN(edges_get_sharper);
    RUN(noise_gets_less);
    RUN(pieces_fit_together);
    RUN(what_is_no_plugin_is_refused);
    kit_end();
    return check_report();
}
