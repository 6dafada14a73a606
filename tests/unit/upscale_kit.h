/* SPDX-License-Identifier: MIT */
/* For tests of the upscale task: pictures and networks in a folder of their own, one run of the public functions. */
#ifndef FM_TESTS_UPSCALE_KIT_H
#define FM_TESTS_UPSCALE_KIT_H

#include <dirent.h>
#include <unistd.h>

#include "check.h"
#include "core/alloc.h"
#include "framemill/framemill.h"
#include "media/still.h"
#include "onnx_writer.h"

#define KIT_UNUSED __attribute__((unused))

static char kit_folder[512];
static fm_engine *kit_engine;

KIT_UNUSED static const char *kit_path(const char *name)
{
    static char path[64][800];
    static int at;
    at = (at + 1) % 64;
    snprintf(path[at], sizeof path[at], "%s/%s", kit_folder, name);
    return path[at];
}

KIT_UNUSED static bool kit_begin(int threads)
{
    const char *temporary = getenv("TMPDIR");
    snprintf(kit_folder, sizeof kit_folder, "%s/framemill_test_XXXXXX", temporary && *temporary ? temporary : "/tmp");
    if (!mkdtemp(kit_folder)) return false;
    const struct fm_engine_params params = {.size = sizeof params, .threads = threads};
    return fm_engine_create(&params, &kit_engine, NULL) == FM_OK;
}

/* Files in the folder that nobody should have left: temporary ones. */
KIT_UNUSED static int kit_left_over(void)
{
    int n = 0;
    DIR *dir = opendir(kit_folder);
    for (struct dirent *e; dir && (e = readdir(dir));)
        n += strstr(e->d_name, ".tmp") || (e->d_name[0] == '.' && e->d_name[1] && e->d_name[1] != '.');
    if (dir) closedir(dir);
    return n;
}

KIT_UNUSED static void kit_end(void)
{
    DIR *dir = opendir(kit_folder);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) unlink(kit_path(e->d_name));
    if (dir) closedir(dir);
    rmdir(kit_folder);
    fm_engine_unref(&kit_engine);
    writer_free();
}

/* ---- pictures ---- */

struct kit_picture {
    struct still_info info;
    struct band rows;
};

struct kit_pull {
    const struct kit_picture *from;
    bool done;
};

KIT_UNUSED static int kit_pull_rows(void *user, const uint8_t **data, int *rows)
{
    struct kit_pull *p = user;
    if (p->done) return FM_ERR_ARGUMENT;
    p->done = true;
    *data = p->from->rows.data;
    *rows = p->from->info.height;
    return FM_OK;
}

/* Samples by a formula that has smooth parts, edges and noise; alpha opaque but for a round hole with a soft edge. */
KIT_UNUSED static struct kit_picture kit_make(int w, int h, int channels, int bits)
{
    struct kit_picture p = {.info = {.width = w, .height = h, .format = {channels, bits}}};
    if (band_reserve(&p.rows, p.info.format, w, 0, h) < 0) abort();
    const int colours = channels < 3 ? 1 : 3, max = bits == 8 ? 255 : 65535;
    uint32_t seed = 12345;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < channels; c++) {
                double v = 0.5 + 0.3 * sin(x * 0.11 + c) * cos(y * 0.07) + ((x / 13 + y / 17) % 2 ? 0.1 : -0.1);
                seed = seed * 1664525u + 1013904223u;
                v += ((seed >> 16) / 65535.0 - 0.5) * 0.05;
                if (c == colours) {
                    const double far = sqrt((x - w / 2.0) * (x - w / 2.0) + (y - h / 2.0) * (y - h / 2.0)) - (w < h ? w : h) / 4.0;
                    v = far < -2 ? 0 : far > 2 ? 1 : (far + 2) / 4;
                }
                const int sample = (int) ((v < 0 ? 0 : v > 1 ? 1 : v) * max + 0.5);
                const size_t at = ((size_t) y * (size_t) w + (size_t) x) * (size_t) channels + (size_t) c;
                if (bits == 8)
                    p.rows.data[at] = (uint8_t) sample;
                else
                    ((uint16_t *) (void *) p.rows.data)[at] = (uint16_t) sample;
            }
    return p;
}

KIT_UNUSED static void kit_drop(struct kit_picture *p)
{
    band_release(&p->rows);
}

KIT_UNUSED static bool kit_write(const char *path, const struct kit_picture *p)
{
    struct fm_error error = {0};
    struct kit_pull pull = {.from = p};
    const struct still_write_params params = {.format = still_format_of(path),
        .width = p->info.width,
        .height = p->info.height,
        .pixels = p->info.format,
        .quality = 100,
        .compression = -1,
        .overwrite = true};
    return CHECK_MSG(still_write(path, NULL, &params, kit_pull_rows, &pull, NULL, &error) == FM_OK, "%s", error.message);
}

KIT_UNUSED static bool kit_read(const char *path, struct kit_picture *p)
{
    struct fm_error error = {0};
    struct still_reader *reader = NULL;
    *p = (struct kit_picture){0};
    bool ok = CHECK_MSG(still_open(path, &reader, &p->info, &error) == FM_OK, "%s", error.message);
    ok = ok && band_reserve(&p->rows, p->info.format, p->info.width, 0, p->info.height) == FM_OK;
    ok = ok && CHECK_MSG(still_read(reader, &p->rows, 0, p->info.height, &error) == FM_OK, "%s", error.message);
    still_close(&reader);
    return ok;
}

KIT_UNUSED static size_t kit_bytes(const struct kit_picture *p)
{
    return band_stride(&p->rows) * (size_t) p->info.height;
}

KIT_UNUSED static int kit_sample(const struct kit_picture *p, int x, int y, int c)
{
    const size_t at = ((size_t) y * (size_t) p->info.width + (size_t) x) * (size_t) p->info.format.channels + (size_t) c;
    return p->info.format.bits == 8 ? p->rows.data[at] : ((const uint16_t *) (const void *) p->rows.data)[at];
}

/* The same size, format and samples. */
KIT_UNUSED static bool kit_same(const struct kit_picture *a, const struct kit_picture *b)
{
    return CHECK_INT(a->info.width, b->info.width) && CHECK_INT(a->info.height, b->info.height) &&
           CHECK_INT(a->info.format.channels, b->info.format.channels) && CHECK_INT(a->info.format.bits, b->info.format.bits) &&
           CHECK_MEM(a->rows.data, b->rows.data, kit_bytes(a));
}

/* ---- networks ---- */

KIT_UNUSED static void kit_save(const char *name)
{
    const struct bytes file = finish();
    FILE *f = fopen(kit_path(name), "wb");
    if (!f || fwrite(file.data, 1, file.size, f) != file.size) abort();
    fclose(f);
}

/* Before the network is saved. */
KIT_UNUSED static void kit_metadata(const char *key, const char *value)
{
    struct bytes entry = {NULL, 0, 0};
    put_text(&entry, 1, key);
    put_text(&entry, 2, value);
    put_message(&writer.model, 14, &entry);
}

/* y = x by a convolution 1 x 1; channels 1 or 3. Added to every sample: `more` (which tells the range). Not saved yet. */
KIT_UNUSED static void kit_identity_net(int channels, float more)
{
    const float one[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, bias[3] = {more, more, more};
    begin(13);
    input("x", 1, channels == 1 ? "1,1,h,w" : "1,3,h,w");
    initializer("w", 1, channels == 1 ? "1,1,1,1" : "3,3,1,1", one, (size_t) (channels * channels) * sizeof(float));
    initializer("b", 1, channels == 1 ? "1" : "3", bias, (size_t) channels * sizeof(float));
    node("Conv", "x,w,b", "y");
    output("y");
}

KIT_UNUSED static void kit_identity(const char *name, int channels, float more)
{
    kit_identity_net(channels, more);
    kit_save(name);
}

/* x2 of RGB: each pixel four times, mixed with its neighbours by a lopsided 3 x 3 kernel that sums to one. `pad` 0 makes it shrink. */
KIT_UNUSED static void kit_double(const char *name, int pad)
{
    float w[12 * 3 * 9] = {0};
    for (int o = 0; o < 12; o++) /* depth to space (CRD): output channel o is colour o / 4, corner o % 4 */
        for (int k = 0; k < 9; k++)
            w[(o * 3 + o / 4) * 9 + k] = k == 4   ? 0.7f
                                         : k == 1 ? 0.1f * (float) (o % 4 < 2)
                                         : k == 5 ? 0.2f
                                         : k == 7 ? 0.1f * (float) (o % 4 > 1)
                                                  : 0;
    begin(13);
    input("x", 1, "1,3,h,w");
    initializer("w", 1, "12,3,3,3", w, sizeof w);
    ATTR_I64S("pads", pad, pad, pad, pad);
    node("Conv", "x,w", "c");
    attr_int("blocksize", 2);
    attr_text("mode", "CRD");
    node("DepthToSpace", "c", "y");
    output("y");
    kit_save(name);
}

/* The same with a factor that depends on the whole picture: the field has no bound. */
KIT_UNUSED static void kit_unbounded(const char *name)
{
    float w[3 * 3] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, tiny[9] = {0.02f, 0, 0, 0, 0.02f, 0, 0, 0, 0.02f};
    begin(13);
    input("x", 1, "1,3,h,w");
    initializer("w", 1, "3,3,1,1", w, sizeof w);
    initializer("t", 1, "3,3,1,1", tiny, sizeof tiny);
    node("GlobalAveragePool", "x", "g");
    node("Conv", "g,t", "s");
    node("Conv", "x,w", "c");
    node("Add", "c,s", "d");
    F32S("scales", "4", 1, 1, 2, 2);
    attr_text("mode", "nearest");
    attr_text("coordinate_transformation_mode", "asymmetric");
    attr_text("nearest_mode", "floor");
    node("Resize", "d,,scales", "y");
    output("y");
    kit_save(name);
}

/* ---- running ---- */

struct kit_result {
    int code, reports;
    int codes[128];
    char message[FM_ERROR_MESSAGE_MAX], warnings[1024], notes[2048], model[128], how[160];
    struct fm_upscale_report last; /* its strings are not valid any more */
};

KIT_UNUSED static void kit_reported(void *user, const struct fm_upscale_report *r)
{
    struct kit_result *k = user;
    CHECK_INT(r->index, k->reports); /* in order */
    if (k->reports < 128) k->codes[k->reports] = r->code;
    k->reports++;
    k->last = *r;
    if (r->code < 0) snprintf(k->message, sizeof k->message, "%s", r->message);
    snprintf(k->warnings, sizeof k->warnings, "%s", r->warnings);
    snprintf(k->model, sizeof k->model, "%s", r->model);
    snprintf(k->how, sizeof k->how, "%s", r->how);
}

/* Runs files (in, out, in, out ... NULL) with the networks given by path. */
KIT_UNUSED static struct kit_result kit_run(struct fm_upscale_params params, const char *model, const char *const *names)
{
    struct kit_result k = {0};
    struct fm_error error = {0};
    struct fm_upscale_file files[128];
    int n = 0;
    for (; names[2 * n]; n++) files[n] = (struct fm_upscale_file){.input = names[2 * n], .output = names[2 * n + 1]};
    const char *models[] = {model ? model : "lanczos", NULL};
    params.size = sizeof params;
    if (!params.models) params.models = models;
    fm_upscale *u = NULL;
    k.code = fm_upscale_create(kit_engine, &params, &u, &error);
    const char *note;
    for (int i = 0; u && fm_upscale_note(u, i, &note) == FM_OK; i++)
        snprintf(k.notes + strlen(k.notes), sizeof k.notes - strlen(k.notes), "%s\n", note);
    if (u) k.code = fm_upscale_run(u, files, n, kit_reported, NULL, &k, &error);
    if (k.code < 0) snprintf(k.message, sizeof k.message, "%s", error.message);
    fm_upscale_destroy(&u);
    return k;
}
#define KIT_RUN(params, model, ...) kit_run(params, model, (const char *const[]){__VA_ARGS__, NULL, NULL})

#endif
