/* SPDX-License-Identifier: MIT */
/* Pictures in memory: read and written, upscaled as files are, sample for sample. */
#define _GNU_SOURCE
#include "core/threads.h"
#include "frame/picture.h"
#include "upscale_kit.h"

static struct fm_picture view(const struct kit_picture *p)
{
    return (struct fm_picture){sizeof(struct fm_picture), p->info.width, p->info.height, p->info.format.channels,
        p->info.format.bits, band_stride(&p->rows), p->rows.data};
}

static bool same(const struct fm_picture *got, const struct kit_picture *want)
{
    bool ok = CHECK_INT(got->width, want->info.width) && CHECK_INT(got->height, want->info.height) &&
              CHECK_INT(got->channels, want->info.format.channels) && CHECK_INT(got->bits, want->info.format.bits);
    for (int y = 0; ok && y < got->height; y++)
        ok = CHECK_MEM(picture_row(got, y), band_row(&want->rows, y), picture_row_bytes(got));
    return ok;
}

static void memory(void)
{
    struct fm_picture p;
    struct fm_error error = {0};
    if (!CHECK_INT(fm_picture_create(7, 5, 3, 16, &p, &error), FM_OK)) return;
    CHECK_INT(p.size, sizeof p);
    CHECK_INT(p.stride, 42);
    memset(p.data, 1, 5 * 42);
    fm_picture_destroy(&p);
    CHECK(!p.data && !p.width);
    fm_picture_destroy(&p);
    fm_picture_destroy(NULL);
    static const int wrong[][4] = {
        {0, 5, 3, 8}, {5, 0, 3, 8}, {-1, 5, 3, 8}, {5, 5, 0, 8}, {5, 5, 5, 8}, {5, 5, 3, 12}, {1 << 25, 1, 1, 8}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK_INT(fm_picture_create(wrong[i][0], wrong[i][1], wrong[i][2], wrong[i][3], &p, &error), FM_ERR_ARGUMENT);
        CHECK(!p.data);
    }
    CHECK_INT(fm_picture_create(1 << 24, 1 << 24, 4, 16, &p, &error), FM_ERR_NOMEM);
    CHECK(!p.data);
    CHECK_INT(fm_picture_create(1, 1, 1, 8, NULL, &error), FM_ERR_ARGUMENT);
    const int64_t live = core_alloc_live();
    core_alloc_fail_after(1, false);
    CHECK_INT(fm_picture_create(1, 1, 1, 8, &p, &error), FM_ERR_NOMEM);
    core_alloc_fail_after(0, false);
    CHECK_INT(core_alloc_live(), live);
}

/* What is written is read, by its own rows and by rows with room between them. */
static void files(void)
{
    for (int channels = 1; channels <= 4; channels++)
        for (int bits = 8; bits <= 16; bits += 8) {
            struct kit_picture made = kit_make(83, 131, channels, bits);
            struct fm_picture p = view(&made), wide = p, back;
            struct fm_error error = {0};
            const struct fm_picture_write_params params = {.size = sizeof params, .overwrite = true};
            const char *path = kit_path("round.png");
            wide.stride += 14;
            wide.data = calloc(1, wide.stride * 131);
            for (int y = 0; y < 131; y++) memcpy(picture_row(&wide, y), picture_row(&p, y), picture_row_bytes(&p));
            for (int k = 0; k < 2; k++) {
                CHECK_MSG(fm_picture_write(k ? &wide : &p, path, &params, &error) == FM_OK, "%s", error.message);
                if (CHECK_MSG(fm_picture_read(path, &back, &error) == FM_OK, "%s", error.message)) same(&back, &made);
                fm_picture_destroy(&back);
            }
            free(wide.data);
            kit_drop(&made);
        }
}

/* PPM has no transparency, WebP 8 bits. */
static void files_that_hold_less(void)
{
    struct fm_picture p, back = {0};
    struct fm_error error = {0};
    if (!CHECK_INT(fm_picture_create(4, 100, 4, 16, &p, &error), FM_OK)) return;
    uint16_t *v = p.data;
    for (int i = 0; i < 4 * 100; i++) {
        const uint16_t pixel[4] = {65535, 257 * 40, 0, (uint16_t) (i % 4 == 0 ? 65535 : i % 4 == 1 ? 0 : 257 * 51)};
        memcpy(v + 4 * i, pixel, sizeof pixel);
    }
    struct fm_picture_write_params params = {.size = sizeof params, .format = "ppm"};
    const char *path = kit_path("less.xyz");
    CHECK_MSG(fm_picture_write(&p, path, &params, &error) == FM_OK, "%s", error.message);
    if (CHECK_MSG(fm_picture_read(path, &back, &error) == FM_OK, "%s", error.message)) {
        CHECK_INT(back.channels, 3);
        /* opaque; nothing but white; a fifth of the colour on white: 0.2 * 40 + 0.8 * 255 = 212 */
        static const uint16_t want[9] = {65535, 257 * 40, 0, 65535, 65535, 65535, 65535, 257 * 212, 257 * 204};
        CHECK_INT(back.bits, 16);
        CHECK_MEM(picture_row(&back, 99), want, sizeof want);
        CHECK_MEM(picture_row(&back, 0), want, sizeof want);
    }
    fm_picture_destroy(&back);
    CHECK_INT(fm_picture_write(&p, path, &params, &error), FM_ERR_ARGUMENT); /* it is there */
    params = (struct fm_picture_write_params){.size = sizeof params, .format = "webp", .quality = 100, .overwrite = true};
    CHECK_MSG(fm_picture_write(&p, path, &params, &error) == FM_OK, "%s", error.message);
    if (CHECK_MSG(fm_picture_read(path, &back, &error) == FM_OK, "%s", error.message)) {
        static const uint8_t first[4] = {255, 40, 0, 255}, third[4] = {255, 40, 0, 51};
        CHECK_INT(back.channels, 4);
        CHECK_INT(back.bits, 8);
        CHECK_MEM(picture_row(&back, 64), first, sizeof first);
        CHECK_MEM(picture_row(&back, 64) + 8, third, sizeof third);
    }
    fm_picture_destroy(&back);
    fm_picture_destroy(&p);
}

static void what_cannot_be_read_or_written(void)
{
    struct fm_picture p, got;
    struct fm_error error = {0};
    uint16_t samples[12] = {0};
    p = (struct fm_picture){sizeof p, 2, 2, 3, 16, 12, samples};
    CHECK_INT(fm_picture_read(kit_path("nowhere.png"), &got, &error), FM_ERR_IO);
    CHECK_HAS(error.message, "nowhere.png");
    CHECK(!got.data);
    FILE *f = fopen(kit_path("text.png"), "w");
    if (!f || fputs("no picture at all", f) < 0) abort();
    fclose(f);
    CHECK_INT(fm_picture_read(kit_path("text.png"), &got, &error), FM_ERR_FORMAT);
    CHECK(!got.data);
    CHECK_INT(fm_picture_read(NULL, &got, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_picture_write(&p, NULL, NULL, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_picture_write(NULL, kit_path("a.png"), NULL, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_picture_write(&p, kit_path("a.doc"), NULL, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "doc");
    CHECK_INT(fm_picture_write(&p, kit_path("none/a.png"), NULL, &error), FM_ERR_IO);
    struct fm_picture bad = p;
    bad.stride = 11;
    CHECK_INT(fm_picture_write(&bad, kit_path("a.png"), NULL, &error), FM_ERR_ARGUMENT);
    bad.stride = 13;
    CHECK_INT(fm_picture_write(&bad, kit_path("a.png"), NULL, &error), FM_ERR_ARGUMENT);
    bad = p, bad.size = 8;
    CHECK_INT(fm_picture_write(&bad, kit_path("a.png"), NULL, &error), FM_ERR_ARGUMENT);
    bad = p, bad.data = NULL;
    CHECK_INT(fm_picture_write(&bad, kit_path("a.png"), NULL, &error), FM_ERR_ARGUMENT);
    CHECK_INT(kit_left_over(), 0);
}

/* ---- upscaling ---- */

static fm_upscale *upscaler(struct fm_upscale_params params, const char *model)
{
    const char *const models[] = {model, NULL};
    struct fm_error error = {0};
    fm_upscale *u = NULL;
    params.size = sizeof params;
    params.models = models;
    CHECK_MSG(fm_upscale_create(kit_engine, &params, &u, &error) == FM_OK, "%s", error.message);
    return u;
}

static void keep(void *user, const struct fm_upscale_report *r)
{
    *(struct fm_upscale_report *) user = *r;
    ((struct fm_upscale_report *) user)->index++; /* calls */
}

/* The picture by both ways; twice in memory, the second time into the first result. */
static void compare(struct fm_upscale_params params, const char *model, int w, int h, int channels, int bits, const char *what)
{
    struct kit_picture made = kit_make(w, h, channels, bits), want = {0};
    params.overwrite = true;
    kit_write(kit_path("in.png"), &made);
    const struct kit_result k = KIT_RUN(params, model, kit_path("in.png"), kit_path("out.png"));
    CHECK_MSG(k.code == FM_OK, "%s: %s", what, k.message);
    fm_upscale *u = upscaler(params, model);
    struct fm_picture in = view(&made), out = {0};
    struct fm_error error = {0};
    struct fm_upscale_report report = {0};
    if (u && kit_read(kit_path("out.png"), &want)) {
        for (int i = 0; i < 2; i++) {
            if (i) memset(out.data, 77, out.stride * (size_t) out.height);
            if (!CHECK_MSG(fm_upscale_picture(u, &in, &out, keep, &report, &error) == FM_OK, "%s: %s", what, error.message)) break;
            if (!same(&out, &want)) fprintf(stderr, "  in %s, %d x %d of %d, %d bits, call %d\n", what, w, h, channels, bits, i);
            CHECK_INT(report.index, 1);
            CHECK_INT(report.code, FM_OK);
            CHECK_INT(report.out_width, want.info.width);
            CHECK_INT(report.tiles, k.last.tiles);
            CHECK(report.compute_ms > 0 && report.compute_ms <= report.total_ms + 1e-6 && report.network_ms <= report.compute_ms);
        }
        int out_w, out_h;
        CHECK_INT(fm_upscale_size(u, w, h, &out_w, &out_h), FM_OK);
        CHECK(out_w == want.info.width && out_h == want.info.height);
    }
    fm_picture_destroy(&out);
    fm_upscale_destroy(&u);
    kit_drop(&want);
    kit_drop(&made);
}

static void as_a_file_is(void)
{
    kit_double("double.onnx", 1);
    kit_identity("luma.onnx", 1, 0);
    kit_unbounded("unbounded.onnx");
    const struct {
        struct fm_upscale_params params;
        const char *model, *what;
    } cases[] = {
        {{0}, "lanczos", "lanczos"},
        {{.scale = 0.7}, "lanczos", "lanczos, smaller"},
        {{0}, "double.onnx", "network"},
        {{.tile = 16}, "double.onnx", "tiles"},
        {{.scale = 3, .tile = 20}, "double.onnx", "two passes, resampled, tiles"},
        {{.compare = true}, "double.onnx", "side by side"},
        {{.ensemble = true}, "double.onnx", "eight turns"},
        {{.scale = 1}, "luma.onnx", "luma"},
        {{.tile = 24}, "unbounded.onnx", "feathered tiles"},
        {{.memory = 2 << 20}, "double.onnx", "little memory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int channels = 1; channels <= 4; channels++)
            for (int bits = 8; bits <= 16; bits += 8)
                compare(cases[i].params, strcmp(cases[i].model, "lanczos") ? kit_path(cases[i].model) : "lanczos", 61, 47, channels,
                    bits, cases[i].what);
    compare((struct fm_upscale_params){.memory = 6 << 20}, kit_path("double.onnx"), 400, 300, 3, 8, "bands by memory");
    compare((struct fm_upscale_params){0}, "lanczos", 2000, 900, 3, 8, "bands that flow");
    compare((struct fm_upscale_params){0}, kit_path("double.onnx"), 1, 1, 4, 16, "one pixel");
}

/* Rows with room between them, the caller's memory for the result; what lies between rows stays. */
static void rows_apart(void)
{
    kit_double("double.onnx", 1);
    struct kit_picture made = kit_make(40, 30, 3, 8);
    fm_upscale *u = upscaler((struct fm_upscale_params){0}, kit_path("double.onnx"));
    struct fm_picture in = view(&made), out = {0}, part = in, whole = {0}, placed;
    struct fm_error error = {0};
    struct kit_picture cut = kit_make(20, 10, 3, 8);
    part.width = 20, part.height = 10;
    part.data = picture_row(&in, 7) + 3 * 5;
    for (int y = 0; y < 10; y++) memcpy(band_row(&cut.rows, y), picture_row(&part, y), 60);
    struct fm_picture dense = view(&cut);
    fm_picture_create(50, 25, 3, 8, &whole, &error);
    memset(whole.data, 9, whole.stride * 25);
    placed = whole;
    placed.width = 40, placed.height = 20;
    placed.data = picture_row(&whole, 3) + 3 * 4;
    CHECK_MSG(fm_upscale_picture(u, &dense, &out, NULL, NULL, &error) == FM_OK, "%s", error.message);
    CHECK_MSG(fm_upscale_picture(u, &part, &placed, NULL, NULL, &error) == FM_OK, "%s", error.message);
    for (int y = 0; y < 25; y++) {
        static const uint8_t nines[150] = {[0 ... 149] = 9};
        const uint8_t *row = picture_row(&whole, y);
        if (y < 3 || y >= 23) {
            CHECK_MEM(row, nines, 150);
            continue;
        }
        CHECK_MEM(row, nines, 12);
        CHECK_MEM(row + 12, picture_row(&out, y - 3), 120);
        CHECK_MEM(row + 132, nines, 18);
    }
    fm_picture_destroy(&out);
    fm_picture_destroy(&whole);
    fm_upscale_destroy(&u);
    kit_drop(&cut);
    kit_drop(&made);
}

/* From the second call of a size on only the network is asked which pixels it needs, twice, in a list each time; another
 * size, a run of files and back again give the same. */
static void a_loop_is_lean(void)
{
    kit_double("double.onnx", 1);
    struct kit_picture made = kit_make(64, 48, 3, 8), other = kit_make(33, 20, 4, 16);
    fm_upscale *u = upscaler((struct fm_upscale_params){.overwrite = true}, kit_path("double.onnx"));
    struct fm_picture in = view(&made), odd = view(&other), first = {0}, again = {0}, out = {0};
    struct fm_error error = {0};
    fm_upscale_picture(u, &in, &first, NULL, NULL, &error);
    fm_upscale_picture(u, &in, &again, NULL, NULL, &error);
    const uint64_t count = core_alloc_count();
    for (int i = 0; i < 3; i++) CHECK_INT(fm_upscale_picture(u, &in, &again, NULL, NULL, &error), FM_OK);
    CHECK(core_alloc_count() - count <= 3 * 2);
    CHECK_MEM(again.data, first.data, first.stride * (size_t) first.height);
    CHECK_INT(fm_upscale_picture(u, &odd, &out, NULL, NULL, &error), FM_OK);
    kit_write(kit_path("in.png"), &made);
    const struct fm_upscale_file file = {kit_path("in.png"), kit_path("out.png"), NULL};
    CHECK_INT(fm_upscale_run(u, &file, 1, NULL, NULL, NULL, &error), FM_OK);
    memset(again.data, 0, again.stride * (size_t) again.height);
    CHECK_INT(fm_upscale_picture(u, &in, &again, NULL, NULL, &error), FM_OK);
    CHECK_MEM(again.data, first.data, first.stride * (size_t) first.height);
    fm_picture_destroy(&first);
    fm_picture_destroy(&again);
    fm_picture_destroy(&out);
    fm_upscale_destroy(&u);
    kit_drop(&made);
    kit_drop(&other);
}

static void wrong_calls(void)
{
    kit_double("double.onnx", 1);
    struct kit_picture made = kit_make(20, 10, 3, 8);
    fm_upscale *u = upscaler((struct fm_upscale_params){.strict = true}, kit_path("double.onnx"));
    struct fm_picture in = view(&made), out = {0}, bad = in;
    struct fm_upscale_report report = {0};
    struct fm_error error = {0};
    int w, h;
    CHECK_INT(fm_upscale_picture(NULL, &in, &out, NULL, NULL, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_upscale_picture(u, NULL, &out, NULL, NULL, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_upscale_picture(u, &in, NULL, NULL, NULL, &error), FM_ERR_ARGUMENT);
    bad.stride = 59;
    CHECK_INT(fm_upscale_picture(u, &bad, &out, NULL, NULL, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "59");
    fm_picture_create(39, 20, 3, 8, &out, &error);
    CHECK_INT(fm_upscale_picture(u, &in, &out, keep, &report, &error), FM_ERR_SHAPE);
    CHECK_HAS(error.message, "40 x 20");
    CHECK_INT(report.code, FM_ERR_SHAPE);
    CHECK(out.data != NULL);
    fm_picture_destroy(&out);
    fm_upscale_cancel(u);
    CHECK_INT(fm_upscale_picture(u, &in, &out, keep, &report, &error), FM_ERR_CANCELLED);
    CHECK(!out.data);
    CHECK_INT(fm_upscale_picture(u, &in, &out, keep, &report, &error), FM_OK); /* it is over with that */
    CHECK_INT(fm_upscale_size(u, 0, 1, &w, &h), FM_ERR_ARGUMENT);
    CHECK_INT(fm_upscale_size(u, 1, 1, NULL, &h), FM_ERR_ARGUMENT);
    CHECK_INT(fm_upscale_size(u, 1 << 24, 1, &w, &h), FM_ERR_SHAPE);
    fm_picture_destroy(&out);
    fm_upscale_destroy(&u);
    kit_drop(&made);
}

/* Every allocation fails in turn: an error or the right result, nothing lost, and the next call is right. */
static void without_memory(void)
{
    kit_double("double.onnx", 1);
    struct kit_picture made = kit_make(70, 50, 4, 8);
    fm_upscale *u = upscaler((struct fm_upscale_params){0}, kit_path("double.onnx"));
    struct fm_picture in = view(&made), want = {0};
    struct fm_error error = {0};
    fm_upscale_picture(u, &in, &want, NULL, NULL, &error);
    bool reached = false;
    for (uint64_t n = 1; n < 4000 && !reached; n += CHECK_REQUESTS) {
        struct fm_picture out = {0};
        struct kit_picture small = kit_make(16, 16, 1, 8);
        const struct fm_picture next = view(&small);
        struct fm_picture scrap = {0};
        CHECK_INT(fm_upscale_picture(u, &next, &scrap, NULL, NULL, &error), FM_OK); /* so that all is made anew */
        fm_picture_destroy(&scrap);
        core_alloc_fail_after(n, false);
        const uint64_t before = core_alloc_count();
        const int code = fm_upscale_picture(u, &in, &out, NULL, NULL, &error);
        reached = core_alloc_count() - before < n;
        core_alloc_fail_after(0, false);
        CHECK_MSG(code == FM_OK || code == FM_ERR_NOMEM, "allocation %d: %s", (int) n, error.message);
        CHECK_MSG(code < 0 ? !out.data : out.data && !memcmp(out.data, want.data, want.stride * (size_t) want.height),
            "allocation %d: another picture", (int) n);
        fm_picture_destroy(&out);
        kit_drop(&small);
    }
    CHECK(reached);
    fm_picture_destroy(&want);
    fm_upscale_destroy(&u);
    kit_drop(&made);
}

int main(void)
{
    if (!kit_begin(2)) return EXIT_FAILURE;
    RUN(memory);
    RUN(files);
    RUN(files_that_hold_less);
    RUN(what_cannot_be_read_or_written);
    RUN(as_a_file_is);
    RUN(rows_apart);
    RUN(a_loop_is_lean);
    RUN(wrong_calls);
    const int64_t live = core_alloc_live();
    RUN(without_memory);
    if (core_alloc_live() != live) {
        fprintf(stderr, "blocks are lost: %d\n", (int) (core_alloc_live() - live));
        check_failed++;
    }
    kit_end();
    return check_report();
}
