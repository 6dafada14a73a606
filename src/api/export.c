/* SPDX-License-Identifier: MIT */
/* Exporting for the web: the network is understood as upscaling understands it, lowered, and run once on a made-up picture, so that a page
 * can tell a device that computes wrong. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/export_json.h"
#include "api/objects.h"
#include "core/alloc.h"
#include "core/error.h"
#include "framemill/upscale.h"
#include "framemill/web.h"
#include "model/find.h"

/* At least two tiles each way, the last one cut. */
#define GOLDEN_WIDTH 40
#define GOLDEN_HEIGHT 36
#define NOMINAL_SIZE 64   /* any size would do */
#define SOURCE_WIDTH 1280 /* for the report */
#define SOURCE_HEIGHT 720

struct exporting {
    fm_engine *engine;
    const struct fm_web_params *params;
    struct fm_web_report report;
    char path[FIND_PATH_MAX];
    struct export_files files;
    struct network *network;
    struct graph *graph;
    struct web_plan *plan;
    struct fm_error *error;
};

/* ---- the plan ---- */

/* What goes into the network for a sample between 0 and 1, as tasks/upscale has it. */
static void range_of(const struct network *n, struct web_network *to)
{
    static const float gain[] = {[NETWORK_0_1] = 1, [NETWORK_0_255] = 255, [NETWORK_1_1] = 2};
    to->gain = gain[n->range];
    to->offset = n->range == NETWORK_1_1 ? -1.0f : 0.0f;
    if (n->studio && n->colour == NETWORK_LUMA) {
        to->offset += to->gain * (16.0f / 255);
        to->gain *= 219.0f / 255;
    }
}

static int lower(struct exporting *e)
{
    const struct network *n = e->network;
    if (n->shrink || n->multiple > 1)
        return core_fail(e->error, FM_ERR_UNSUPPORTED, "%s: no shader: its output is not a multiple of its input (%s)", e->path,
            n->shrink ? "it shrinks" : "it takes only some sizes");
    struct web_network web = {.name = n->name,
        .scale = n->scale,
        .enlarged_first = n->enlarged_first,
        .luma = n->colour == NETWORK_LUMA,
        .bgr = n->colour == NETWORK_BGR};
    range_of(n, &web);
    const struct fm_tensor in = network_input(n, NOMINAL_SIZE, NOMINAL_SIZE);
    int code = graph_specialise(n->graph, &in, &e->graph, e->error);
    if (code == FM_OK) code = graph_rewrite(e->graph, e->error);
    if (code == FM_OK) code = web_plan_create(e->graph, &web, &e->plan, e->error);
    return code;
}

/* ---- the golden tile: slopes, edges, noise, and all levels ---- */

static void draw(struct fm_picture *p)
{
    uint32_t random = 1;
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < p->width; x++) {
            uint8_t *to = (uint8_t *) p->data + (size_t) y * p->stride + (size_t) x * 3;
            for (int c = 0; c < 3; c++) {
                random = random * 1664525u + 1013904223u;
                const int slope = c == 0 ? x * 255 / (p->width - 1) : c == 1 ? y * 255 / (p->height - 1) : (x + y) * 3;
                const int edge = (x / 5 + y / 7) % 2 ? 90 : 0, noise = (int) (random >> 28);
                const int v = y < 12 ? slope : y < 24 ? slope / 2 + edge + noise : c == (x / 9) % 3 ? 255 : edge;
                to[c] = (uint8_t) (v > 255 ? 255 : v);
            }
        }
}

static int make_golden(struct exporting *e)
{
    const char *const models[] = {e->path, NULL};
    const struct fm_upscale_params params = {
        .size = sizeof params, .models = models, .strict = true, .scale = e->network->enlarged_first ? 1.5 : e->network->scale};
    fm_upscale *upscale = NULL;
    int code = fm_picture_create(GOLDEN_WIDTH, GOLDEN_HEIGHT, 3, 8, &e->files.in, e->error);
    if (code == FM_OK) code = fm_upscale_create(e->engine, &params, &upscale, e->error);
    if (code == FM_OK) {
        draw(&e->files.in);
        code = fm_upscale_picture(upscale, &e->files.in, &e->files.out, NULL, NULL, e->error);
    }
    fm_upscale_destroy(&upscale);
    return code;
}

/* ---- files ---- */

static int write_file(struct exporting *e, const char *ending, const void *data, size_t size)
{
    char path[FIND_PATH_MAX], part[FIND_PATH_MAX + 8];
    const int length = snprintf(path, sizeof path, "%s/%s%s", e->params->directory, e->network->name, ending);
    if (length < 0 || (size_t) length >= sizeof path)
        return core_fail(e->error, FM_ERR_ARGUMENT, "%s: the name is too long", e->params->directory);
    snprintf(part, sizeof part, "%s.part", path);
    FILE *file = fopen(part, "wb");
    bool good = file && fwrite(data, 1, size, file) == size;
    if (file && fclose(file) != 0) good = false;
    if (good && rename(part, path) == 0) {
        e->report.file_bytes += size;
        return FM_OK;
    }
    const int why = errno;
    if (file) unlink(part);
    return core_fail(e->error, FM_ERR_IO, "%s: %s", path, strerror(why));
}

static int write_files(struct exporting *e)
{
    struct text json = {.data = NULL};
    const struct web_plan *plan = e->plan;
    e->files.network = e->network;
    e->files.plan = plan;
    e->files.embed = e->params->embed;
    if (e->params->embed) text_add(&json, "// SPDX-License-Identifier: MIT\nexport default ");
    export_json(&json, &e->files);
    text_add(&json, e->params->embed ? ";\n" : "\n");
    int code = json.failed ? core_fail_nomem(e->error, 0) : FM_OK;
    if (code == FM_OK && mkdir(e->params->directory, 0777) != 0 && errno != EEXIST)
        code = core_fail(e->error, FM_ERR_IO, "%s: %s", e->params->directory, strerror(errno));
    for (int i = 0; i < WEB_FORMS && code == FM_OK && !e->params->embed; i++) {
        char ending[16];
        snprintf(ending, sizeof ending, ".%s.wgsl", export_form_names[i]);
        code = write_file(e, ending, plan->form[i].text, strlen(plan->form[i].text));
    }
    if (code == FM_OK && !e->params->embed) code = write_file(e, ".bin", plan->weights, (size_t) plan->n_weights * 2);
    if (code == FM_OK) code = write_file(e, e->params->embed ? ".js" : ".json", json.data, json.size);
    text_free(&json);
    return code;
}

/* ---- the whole ---- */

static void fill_report(struct exporting *e)
{
    const struct network *n = e->network;
    const struct web_form_plan *form = &e->plan->form[WEB_F16];
    struct fm_web_report *r = &e->report;
    snprintf(r->name, sizeof r->name, "%s", n->name);
    r->layers = e->plan->n_layers;
    r->dispatches = form->n_dispatches;
    r->weights_bytes = (size_t) e->plan->n_weights * 2;
    for (int i = 0; i < WEB_FORMS; i++) r->text_bytes[i] = strlen(e->plan->form[i].text);
    r->workgroup_bytes = (size_t) form->workgroup_bytes;
    r->threads = form->threads;
    r->weights_error = e->plan->weights_error;
    r->source_width = SOURCE_WIDTH, r->source_height = SOURCE_HEIGHT;
    r->output_width = n->enlarged_first ? SOURCE_WIDTH * 3 / 2 : SOURCE_WIDTH * n->scale;
    r->output_height = n->enlarged_first ? SOURCE_HEIGHT * 3 / 2 : SOURCE_HEIGHT * n->scale;
    const double in = (double) r->source_width * r->source_height, out = (double) r->output_width * r->output_height;
    r->macs = n->enlarged_first ? (double) e->plan->macs : (double) e->plan->macs / ((double) n->scale * n->scale);
    r->bytes = form->bytes_in * in + form->bytes_out * out;
    r->floor_bytes = 4 * (in + out);
}

int fm_web_export(fm_engine *engine, const struct fm_web_params *params, struct fm_web_report *report, struct fm_error *error)
{
    struct fm_web_params p = {.size = sizeof p};
    if (!engine || !params || params->size < sizeof(size_t))
        return core_fail(error, FM_ERR_ARGUMENT, "fm_web_export: no engine, or params->size is not set");
    memcpy(&p, params, params->size < sizeof p ? params->size : sizeof p);
    if (!p.model || !p.directory || !*p.directory)
        return core_fail(error, FM_ERR_ARGUMENT, "fm_web_export: no model or no directory");
    if (report && report->size < sizeof(size_t)) return core_fail(error, FM_ERR_ARGUMENT, "fm_web_export: report->size is not set");
    struct exporting *e = core_calloc(1, sizeof *e);
    if (!e) return core_fail_nomem(error, sizeof *e);
    e->engine = engine;
    e->params = &p;
    e->error = error;
    int code = find_network(p.model, p.model_dir, e->path, sizeof e->path, error);
    if (code == FM_OK) code = network_open(e->path, engine->pool, engine->cpu_flags, &e->network, error);
    if (code == FM_OK) code = lower(e);
    if (code == FM_OK) code = make_golden(e);
    if (code == FM_OK) code = write_files(e);
    if (code == FM_OK) fill_report(e);
    if (code == FM_OK && report) {
        e->report.size = report->size;
        memcpy(report, &e->report, report->size < sizeof e->report ? report->size : sizeof e->report);
    }
    fm_picture_destroy(&e->files.in);
    fm_picture_destroy(&e->files.out);
    web_plan_destroy(&e->plan);
    graph_destroy(&e->graph);
    network_close(&e->network);
    core_free(e);
    return code;
}
