/* SPDX-License-Identifier: MIT */
/* The upscale task through the public functions: pictures as they should be, whatever the network, the tiles and the passes. */
#define _GNU_SOURCE
#include <math.h>

#include "upscale_kit.h"

#define PLAIN ((struct fm_upscale_params){.overwrite = true})

static void identity_changes_nothing(void)
{
    kit_identity("one3.onnx", 3, 0);
    kit_identity("one1.onnx", 1, 0);
    static const char *const formats[] = {"png", "tiff", "webp", "jxl"};
    for (int channels = 1; channels <= 4; channels++)
        for (int bits = 8; bits <= 16; bits += 8)
            for (int f = 0; f < 4; f++)
                for (int luma = 0; luma < 2; luma++) {
                    if (f == 2 && bits == 16) continue;   /* WebP holds 8 bits */
                    if (f >= 2 && channels < 3) continue; /* grey becomes RGB in WebP and JPEG XL */
                    char name[64];
                    snprintf(name, sizeof name, "identity_%d_%d.%s", channels, bits, formats[f]);
                    struct kit_picture in = kit_make(61, 43, channels, bits), out;
                    if (channels == 4 || channels == 2) /* colours behind what cannot be seen are not kept */
                        for (int i = 0; i < 61 * 43; i++) {
                            uint8_t *p = in.rows.data + (size_t) i * pixel_bytes(in.info.format);
                            const int alpha = kit_sample(&in, i % 61, i / 61, channels - 1);
                            if (!alpha) memset(p, 0, pixel_bytes(in.info.format));
                        }
                    kit_write(kit_path(name), &in);
                    const char *to = kit_path(formats[f][0] == 't'   ? "same.tiff"
                                              : formats[f][0] == 'w' ? "same.webp"
                                              : formats[f][0] == 'j' ? "same.jxl"
                                                                     : "same.png");
                    struct fm_upscale_params params = PLAIN;
                    params.quality = 100;
                    const struct kit_result k = KIT_RUN(params, kit_path(luma ? "one1.onnx" : "one3.onnx"), kit_path(name), to);
                    if (CHECK_MSG(k.code == FM_OK, "%s: %s", name, k.message) && kit_read(to, &out)) {
                        CHECK_INT(k.last.out_width, 61);
                        int worst = 0;
                        for (int y = 0; y < 43; y++)
                            for (int x = 0; x < 61; x++)
                                for (int c = 0; c < channels; c++) {
                                    const bool hidden = (channels == 2 || channels == 4) && !kit_sample(&in, x, y, channels - 1);
                                    const int d = abs(kit_sample(&in, x, y, c) - kit_sample(&out, x, y, c));
                                    if (!(hidden && c < channels - 1) && d > worst) worst = d;
                                }
                        CHECK_MSG(worst == 0, "%s by %s: differs by %d", name, luma ? "luma" : "rgb", worst);
                        CHECK_INT(out.info.format.channels, channels);
                        CHECK_INT(out.info.format.bits, bits);
                    }
                    kit_drop(&out);
                    kit_drop(&in);
                }
}

/* The doubling network on 8-bit RGB, by its definition. */
static int doubled(const struct kit_picture *in, int x, int y, int c)
{
    const int px = x / 2, py = y / 2, corner = (y % 2) * 2 + x % 2;
    double sum = 0;
    for (int k = 0; k < 9; k++) {
        const double w = k == 4 ? 0.7 : k == 1 ? 0.1 * (corner < 2) : k == 5 ? 0.2 : k == 7 ? 0.1 * (corner > 1) : 0;
        const int qx = px + k % 3 - 1, qy = py + k / 3 - 1;
        if (qx >= 0 && qy >= 0 && qx < in->info.width && qy < in->info.height) sum += w * kit_sample(in, qx, qy, c);
    }
    return (int) (sum + 0.5);
}

static void a_network_is_what_it_says(void)
{
    kit_double("double.onnx", 1);
    struct kit_picture in = kit_make(37, 29, 3, 8), out;
    kit_write(kit_path("in.png"), &in);
    const struct kit_result k = KIT_RUN(PLAIN, kit_path("double.onnx"), kit_path("in.png"), kit_path("out.png"));
    CHECK_MSG(k.code == FM_OK, "%s", k.message);
    CHECK_HAS(k.notes, "x2");
    CHECK_HAS(k.notes, "RGB");
    CHECK_STR(k.model, "double");
    CHECK_STR(k.how, "double x2");
    if (kit_read(kit_path("out.png"), &out)) {
        int worst = 0;
        for (int y = 0; y < 58; y++)
            for (int x = 0; x < 74; x++)
                for (int c = 0; c < 3; c++) {
                    const int d = abs(doubled(&in, x, y, c) - kit_sample(&out, x, y, c));
                    worst = d > worst ? d : worst;
                }
        CHECK_MSG(worst <= 1, "differs by %d", worst); /* a half may round either way */
    }
    kit_drop(&out);
    kit_drop(&in);
}

/* A network that shrinks gets its edges repeated: inside, the result is where the padded network's is. */
static void shrinking_networks_keep_the_place(void)
{
    kit_double("double.onnx", 1);
    kit_double("shrink.onnx", 0);
    struct kit_picture in = kit_make(40, 31, 3, 8), a, b;
    kit_write(kit_path("in.png"), &in);
    KIT_RUN(PLAIN, kit_path("double.onnx"), kit_path("in.png"), kit_path("a.png"));
    const struct kit_result k = KIT_RUN(PLAIN, kit_path("shrink.onnx"), kit_path("in.png"), kit_path("b.png"));
    CHECK_HAS(k.notes, "less 4 pixels");
    if (kit_read(kit_path("a.png"), &a) && kit_read(kit_path("b.png"), &b)) {
        CHECK_INT(b.info.width, 80);
        CHECK_INT(b.info.height, 62);
        int worst = 0; /* the layer's grid lies elsewhere: a sum may round the other way */
        for (int y = 2; y < 60; y++)
            for (int x = 2; x < 78; x++)
                for (int c = 0; c < 3; c++) {
                    const int d = abs(kit_sample(&a, x, y, c) - kit_sample(&b, x, y, c));
                    worst = d > worst ? d : worst;
                }
        CHECK_MSG(worst <= 1, "differs by %d", worst);
    }
    kit_drop(&a);
    kit_drop(&b);
    kit_drop(&in);
}

static void ranges_are_found(void)
{
    struct kit_picture in = kit_make(40, 30, 3, 8), out;
    kit_write(kit_path("in.png"), &in);
    kit_identity("wide.onnx", 3, 3.0f); /* three of 255 more: in 0..1 it would be white */
    struct kit_result k = KIT_RUN(PLAIN, kit_path("wide.onnx"), kit_path("in.png"), kit_path("out.png"));
    CHECK_HAS(k.notes, "range 0..255");
    if (kit_read(kit_path("out.png"), &out)) CHECK_INT(kit_sample(&out, 20, 20, 1), kit_sample(&in, 20, 20, 1) + 3);
    kit_drop(&out);
    /* What the metadata say is not asked again, and wrong metadata are refused. */
    kit_identity_net(3, 0);
    kit_metadata("framemill.range", "0..255");
    kit_metadata("framemill.colour", "rgb");
    kit_metadata("framemill.scale", "1");
    kit_save("told.onnx");
    k = KIT_RUN(PLAIN, kit_path("told.onnx"), kit_path("in.png"), kit_path("out.png"));
    CHECK_INT(k.code, FM_OK);
    CHECK_STR(k.notes, "");
    kit_identity_net(3, 0);
    kit_metadata("framemill.scale", "3");
    kit_save("lie.onnx");
    struct fm_upscale_params strict = PLAIN;
    strict.strict = true;
    k = KIT_RUN(strict, kit_path("lie.onnx"), kit_path("in.png"), kit_path("out.png"));
    CHECK_INT(k.code, FM_ERR_FORMAT);
    CHECK_HAS(k.message, "lie.onnx");
    /* A network whose output is no picture of its input. */
    kit_identity("far.onnx", 3, 5000.0f);
    k = KIT_RUN(strict, kit_path("far.onnx"), kit_path("in.png"), kit_path("out.png"));
    CHECK_INT(k.code, FM_ERR_UNSUPPORTED);
    CHECK_HAS(k.message, "grey ramp");
    kit_drop(&in);
}

/* Any rectangle of any chain: tiles, passes, resampling, ensemble, plug-ins, alpha. */
static void tiles_change_nothing(void)
{
    kit_double("double.onnx", 1);
    kit_double("shrink.onnx", 0);
    kit_identity("one1.onnx", 1, 0);
    static const struct {
        const char *model;
        double scale;
        bool ensemble, compare;
        int channels;
    } cases[] = {{"double.onnx", 0, false, false, 3}, {"double.onnx", 3.3, false, false, 4}, {"shrink.onnx", 5, true, false, 3},
        {"shrink.onnx", 1.5, false, true, 2}, {"one1.onnx", 2.5, true, false, 4}, {NULL, 1.7, false, false, 4},
        {NULL, 0.4, false, true, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kit_picture in = kit_make(151, 97, cases[i].channels, 8), whole, tiled;
        kit_write(kit_path("in.png"), &in);
        struct fm_upscale_params params = PLAIN;
        params.scale = cases[i].scale;
        params.ensemble = cases[i].ensemble;
        params.compare = cases[i].compare;
        const char *model = cases[i].model ? kit_path(cases[i].model) : NULL;
        struct kit_result k = KIT_RUN(params, model, kit_path("in.png"), kit_path("whole.png"));
        CHECK_MSG(k.code == FM_OK, "case %zu: %s", i, k.message);
        CHECK_INT(k.last.tiles, 1);
        kit_read(kit_path("whole.png"), &whole);
        const double scale = cases[i].scale > 0 ? cases[i].scale : 2;
        CHECK_INT(whole.info.width, (int) floor(151 * scale + 0.5) * (cases[i].compare ? 2 : 1));
        CHECK_INT(whole.info.height, (int) floor(97 * scale + 0.5));
        for (int tile = 16; tile <= 64; tile += 24) {
            params.tile = tile;
            k = KIT_RUN(params, model, kit_path("in.png"), kit_path("tiled.png"));
            CHECK_INT(k.code, FM_OK);
            CHECK(k.last.tiles > 1);
            if (kit_read(kit_path("tiled.png"), &tiled)) CHECK_MSG(kit_same(&tiled, &whole), "case %zu, tile %d", i, tile);
            kit_drop(&tiled);
        }
        kit_drop(&whole);
        kit_drop(&in);
    }
}

static void budgets_hold_and_change_nothing(void)
{
    kit_double("double.onnx", 1);
    struct kit_picture in = kit_make(900, 700, 3, 8), whole, tiled;
    kit_write(kit_path("in.png"), &in);
    struct kit_result k = KIT_RUN(PLAIN, kit_path("double.onnx"), kit_path("in.png"), kit_path("whole.png"));
    const size_t all = k.last.memory;
    kit_read(kit_path("whole.png"), &whole);
    struct fm_upscale_params params = PLAIN;
    for (int part = 2; part <= 32; part *= 4) {
        params.memory = all * 4 / (size_t) part;
        k = KIT_RUN(params, kit_path("double.onnx"), kit_path("in.png"), kit_path("tiled.png"));
        if (!CHECK_MSG(k.code == FM_OK, "1/%d: %s", part, k.message)) continue;
        CHECK_MSG(k.last.memory <= params.memory, "holds %zu of %zu", k.last.memory, params.memory);
        if (kit_read(kit_path("tiled.png"), &tiled)) kit_same(&tiled, &whole);
        kit_drop(&tiled);
    }
    params.memory = 100000;
    k = KIT_RUN(params, kit_path("double.onnx"), kit_path("in.png"), kit_path("never.png"));
    CHECK_INT(k.code, FM_ERR_NOMEM);
    CHECK_HAS(k.message, "in.png");
    CHECK_HAS(k.message, "MiB");
    CHECK(access(kit_path("never.png"), F_OK) != 0);
    kit_drop(&whole);
    kit_drop(&in);
}

/* The mean over flips and turns: for a lopsided network the eight runs differ, so each one is checked to be in it. */
static void ensemble_is_the_mean_of_eight(void)
{
    kit_double("double.onnx", 1);
    enum { W = 24, H = 17 };
    struct kit_picture in = kit_make(W, H, 3, 16), out;
    kit_write(kit_path("in.png"), &in);
    struct fm_upscale_params params = PLAIN;
    params.ensemble = true;
    const struct kit_result k = KIT_RUN(params, kit_path("double.onnx"), kit_path("in.png"), kit_path("out.png"));
    CHECK_HAS(k.how, "eight turns");
    if (!kit_read(kit_path("out.png"), &out)) return;
    int worst = 0;
    for (int y = 4; y < 2 * H - 4; y++)
        for (int x = 4; x < 2 * W - 4; x++) {
            double sum = 0;
            for (int t = 0; t < 8;
                 t++) { /* where this pixel lies in the turned result, and the network's value there, pixel by pixel */
                int tx = t & 1 ? 2 * W - 1 - x : x, ty = t & 2 ? 2 * H - 1 - y : y;
                if (t & 4) {
                    const int swap = tx;
                    tx = ty, ty = swap;
                }
                const int corner = (ty % 2) * 2 + tx % 2;
                for (int i = 0; i < 9; i++) {
                    const double w = i == 4 ? 0.7 : i == 1 ? 0.1 * (corner < 2) : i == 5 ? 0.2 : i == 7 ? 0.1 * (corner > 1) : 0;
                    int sx = tx / 2 + i % 3 - 1, sy = ty / 2 + i / 3 - 1;
                    if (t & 4) {
                        const int swap = sx;
                        sx = sy, sy = swap;
                    }
                    if (t & 1) sx = W - 1 - sx;
                    if (t & 2) sy = H - 1 - sy;
                    sum += w * kit_sample(&in, sx, sy, 1) / 8;
                }
            }
            const int d = abs((int) (sum + 0.5) - kit_sample(&out, x, y, 1));
            worst = d > worst ? d : worst;
        }
    CHECK_MSG(worst <= 1, "differs by %d", worst);
    kit_drop(&out);
    kit_drop(&in);
}

/* The factor that depends on the whole picture differs between tiles; feathering hides the step. */
static void unbounded_networks_blend(void)
{
    kit_unbounded("whole.onnx");
    struct kit_picture in = kit_make(200, 150, 3, 16), out;
    for (int y = 0; y < 150; y++)
        for (int x = 0; x < 200; x++)
            for (int c = 0; c < 3; c++) /* dark left, bright right: the tiles' means differ */
                ((uint16_t *) (void *) in.rows.data)[(y * 200 + x) * 3 + c] = (uint16_t) (x < 100 ? 6000 : 50000);
    kit_write(kit_path("in.png"), &in);
    struct fm_upscale_params params = PLAIN;
    params.tile = 50;
    struct kit_result k = KIT_RUN(params, kit_path("whole.onnx"), kit_path("in.png"), kit_path("out.png"));
    CHECK_MSG(k.code == FM_OK, "%s", k.message);
    CHECK_INT(k.last.tiles, 12);
    CHECK_INT(k.last.tile_width, 50);
    int steepest = 0, hard = 0;
    if (kit_read(kit_path("out.png"), &out))
        for (int x = 210; x < 399; x++) {
            const int d = abs(kit_sample(&out, x, 100, 0) - kit_sample(&out, x - 1, 100, 0));
            steepest = d > steepest ? d : steepest;
        }
    kit_drop(&out);
    params.overlap = -1;
    k = KIT_RUN(params, kit_path("whole.onnx"), kit_path("in.png"), kit_path("hard.png"));
    CHECK_INT(k.code, FM_OK);
    if (kit_read(kit_path("hard.png"), &out))
        for (int x = 210; x < 399; x++) {
            const int d = abs(kit_sample(&out, x, 100, 0) - kit_sample(&out, x - 1, 100, 0));
            hard = d > hard ? d : hard;
        }
    CHECK_INT(hard, 0); /* right of the edge all tiles are bright */
    CHECK_MSG(steepest < 60, "a step of %d", steepest);
    kit_drop(&out);
    params.tile = 0;
    k = KIT_RUN(params, kit_path("whole.onnx"), kit_path("in.png"), kit_path("out.png"));
    CHECK_INT(k.last.tiles, 1);
    kit_drop(&in);
}

static void fallbacks_are_said(void)
{
    kit_double("double.onnx", 1);
    kit_identity("one3.onnx", 3, 0);
    struct kit_picture in = kit_make(20, 20, 3, 8);
    kit_write(kit_path("in.png"), &in);
    const char *models[] = {kit_path("missing.onnx"), kit_path("double.onnx"), NULL};
    struct fm_upscale_params params = PLAIN;
    params.models = models;
    struct kit_result k = KIT_RUN(params, NULL, kit_path("in.png"), kit_path("out.png"));
    CHECK_INT(k.code, FM_OK);
    CHECK_STR(k.model, "double");
    CHECK_HAS(k.notes, "missing.onnx");
    CHECK_HAS(k.notes, "double takes its place");
    params.strict = true;
    k = KIT_RUN(params, NULL, kit_path("in.png"), kit_path("out.png"));
    CHECK_INT(k.code, FM_ERR_IO);
    params.strict = false;
    models[1] = NULL;
    k = KIT_RUN(params, NULL, kit_path("in.png"), kit_path("out.png"));
    CHECK_INT(k.code, FM_OK);
    CHECK_STR(k.model, "lanczos");
    CHECK_HAS(k.notes, "plain Lanczos takes its place");
    k = KIT_RUN(PLAIN, NULL, kit_path("in.png"), kit_path("out.png"));
    CHECK_STR(k.notes, "");
    CHECK_STR(k.model, "lanczos");
    CHECK_INT(k.last.out_width, 40);
    kit_drop(&in);
}

/* A network that changes nothing, for pictures already enlarged: what comes out is the bilinear enlargement, at any ratio. */
static void pictures_may_be_enlarged_first(void)
{
    kit_identity_net(3, 0);
    kit_metadata("framemill.before", "bilinear");
    kit_metadata("framemill.range", "0..1");
    kit_save("first.onnx");
    struct kit_picture in = kit_make(30, 22, 3, 16), out;
    kit_write(kit_path("in.png"), &in);
    struct fm_upscale_params params = PLAIN;
    params.overwrite = true;
    for (double scale = 1.5; scale <= 3; scale += 0.5) {
        params.scale = scale;
        params.tile = scale == 2 ? 16 : 0;
        const struct kit_result k = KIT_RUN(params, kit_path("first.onnx"), kit_path("in.png"), kit_path("out.png"));
        CHECK_INT(k.code, FM_OK);
        CHECK_HAS(k.how, "bilinear, then");
        if (k.code < 0 || !kit_read(kit_path("out.png"), &out)) continue;
        CHECK_INT(out.info.width, (int) (30 * scale));
        int worst = 0;
        for (int y = 0; y < out.info.height; y++)
            for (int x = 0; x < out.info.width * 3; x++) {
                const double px = fmin(fmax((x / 3 + 0.5) / scale - 0.5, 0), 29), py = fmin(fmax((y + 0.5) / scale - 0.5, 0), 21);
                const int x0 = (int) px, y0 = (int) py, x1 = x0 < 29 ? x0 + 1 : 29, y1 = y0 < 21 ? y0 + 1 : 21;
                const uint16_t *a = (const uint16_t *) band_row(&in.rows, y0), *b = (const uint16_t *) band_row(&in.rows, y1);
                const double top = a[x0 * 3 + x % 3] * (1 - px + x0) + a[x1 * 3 + x % 3] * (px - x0);
                const double bottom = b[x0 * 3 + x % 3] * (1 - px + x0) + b[x1 * 3 + x % 3] * (px - x0);
                const int expected = (int) (top * (1 - py + y0) + bottom * (py - y0) + 0.5);
                const int off = abs(expected - ((const uint16_t *) band_row(&out.rows, y))[x]);
                worst = off > worst ? off : worst;
            }
        CHECK_MSG(worst <= 1, "x%g: %d", scale, worst);
        kit_drop(&out);
    }
    kit_drop(&in);
    kit_identity_net(3, 0);
    kit_metadata("framemill.before", "nearest");
    kit_save("first.onnx");
    params.strict = true;
    const struct kit_result k = KIT_RUN(params, kit_path("first.onnx"), kit_path("in.png"), kit_path("out.png"));
    CHECK_INT(k.code, FM_ERR_FORMAT);
    CHECK_HAS(k.message, "before");
}

/* Without a name the shipped networks are looked for; a folder that is given comes before the shipped one. */
static void no_name_means_a_shipped_network(void)
{
    static const char *const none[] = {NULL};
    kit_double("rt105.onnx", 1);
    struct kit_picture in = kit_make(20, 20, 3, 8);
    kit_write(kit_path("in.png"), &in);
    struct fm_upscale_params params = PLAIN;
    params.models = none;
    params.model_dir = kit_folder;
    struct kit_result k = KIT_RUN(params, NULL, kit_path("in.png"), kit_path("out.png"));
    CHECK_INT(k.code, FM_OK);
    CHECK_STR(k.model, "rt105");
    params.scale = 5;
    k = KIT_RUN(params, NULL, kit_path("in.png"), kit_path("out.png"));
    CHECK_STR(k.model, "rt105");
    CHECK_INT(k.last.out_width, 100);
    kit_drop(&in);
}

static void broken_networks_make_no_picture(void)
{
    begin(13);
    input("x", 1, "1,3,h,w");
    F32S("limit", "", 0.9f); /* the logarithm of what is below zero: grey ramps pass, white does not */
    node("Sub", "limit,x", "left");
    node("Sqrt", "left", "root");
    F32S("zero", "", 0.0f);
    node("Mul", "root,zero", "nothing");
    node("Add", "x,nothing", "y");
    output("y");
    kit_save("nan.onnx");
    struct kit_picture in = kit_make(30, 30, 3, 8);
    memset(in.rows.data, 255, 30 * 3);
    kit_write(kit_path("in.png"), &in);
    const struct kit_result k = KIT_RUN(PLAIN, kit_path("nan.onnx"), kit_path("in.png"), kit_path("none.png"));
    CHECK_INT(k.code, FM_ERR_DEVICE);
    CHECK_HAS(k.message, "not numbers");
    CHECK_HAS(k.message, "in.png");
    CHECK(access(kit_path("none.png"), F_OK) != 0);
    CHECK_INT(kit_left_over(), 0);
    kit_drop(&in);
}

int main(void)
{
    if (!kit_begin(2)) return 1;
    RUN(identity_changes_nothing);
    RUN(a_network_is_what_it_says);
    RUN(shrinking_networks_keep_the_place);
    RUN(ranges_are_found);
    RUN(tiles_change_nothing);
    RUN(budgets_hold_and_change_nothing);
    RUN(ensemble_is_the_mean_of_eight);
    RUN(unbounded_networks_blend);
    RUN(fallbacks_are_said);
    RUN(no_name_means_a_shipped_network);
    RUN(pictures_may_be_enlarged_first);
    RUN(broken_networks_make_no_picture);
    kit_end();
    return check_report();
}
