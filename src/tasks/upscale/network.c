/* SPDX-License-Identifier: MIT */
/* Understanding a network.
 *
 * Shapes are probed by shape inference alone: the output of a few input sizes gives scale and shrink (out = s * in - c), and the
 * smallest step between sizes that work gives the multiple. The range is probed by running the network on a grey ramp as [0, 1],
 * [0, 255] and [-1, 1]: the one that comes out as the same ramp, enlarged, is the range. */
#include "tasks/upscale/network.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "model/model.h"

#define RAMP_WIDTH 64
#define RAMP_HEIGHT 40
#define RAMP_GOOD 0.06 /* mean difference of a ramp that is taken without trying further */
#define RAMP_BAD 0.20  /* and of one that is no picture any more */

static const char *metadata(const struct graph *g, const char *key)
{
    for (int i = 0; i < g->n_meta; i++) {
        const char *name = g->meta[i].key;
        if (!strncmp(name, "framemill.", 10)) name += 10;
        if (!strcmp(name, key)) return g->meta[i].value;
    }
    return NULL;
}

struct fm_tensor network_input(const struct network *n, int width, int height)
{
    return (struct fm_tensor){.dtype = FM_F32, .rank = 4, .dim = {1, network_channels(n), height, width}};
}

/* The output's size for a frame; false when the network does not take it, or gives no picture of as many channels. */
static bool shape_of(const struct network *n, int width, int height, int *out_w, int *out_h, struct fm_error *error)
{
    const struct fm_tensor in = network_input(n, width, height);
    struct graph *fixed = NULL;
    if (session_check_inputs(n->graph, &in, false, error) < 0 || graph_specialise(n->graph, &in, &fixed, error) < 0) return false;
    const struct graph_value *v = &fixed->value[fixed->output[0]];
    const bool picture =
        v->rank == 4 && v->dtype == FM_F32 && v->dim[0] == 1 && v->dim[1] == network_channels(n) && v->dim[2] > 0 && v->dim[3] > 0;
    if (picture)
        *out_h = (int) v->dim[2], *out_w = (int) v->dim[3];
    else
        core_fail(error, FM_ERR_UNSUPPORTED, "%s: gives no picture", n->graph->source);
    graph_destroy(&fixed);
    return picture;
}

static int no_upscaler(const struct network *n, struct fm_error *error, const char *why)
{
    return core_fail(error, FM_ERR_UNSUPPORTED, "%s: cannot enlarge pictures: %s", n->graph->source, why);
}

/* Channels, from the input's shape where the file says, else by trying. */
static int find_channels(struct network *n, struct fm_error *error)
{
    const struct graph *g = n->graph;
    if (g->n_inputs != 1) return no_upscaler(n, error, "it has several inputs");
    const struct graph_value *in = &g->value[g->input[0]];
    if (in->dtype != FM_DTYPE_NONE && in->dtype != FM_F32) return no_upscaler(n, error, "its input is not float32");
    if (in->rank >= 0 && in->rank != 4) return no_upscaler(n, error, "its input is no batch of pictures (four dimensions)");
    const int64_t declared = in->rank == 4 ? in->dim[1] : -1;
    const char *said = metadata(g, "colour");
    if (!said) said = metadata(g, "color");
    if (said) {
        if (!strcmp(said, "luma") || !strcmp(said, "y") || !strcmp(said, "Y"))
            n->colour = NETWORK_LUMA;
        else if (!strcmp(said, "rgb") || !strcmp(said, "RGB"))
            n->colour = NETWORK_RGB;
        else if (!strcmp(said, "bgr") || !strcmp(said, "BGR"))
            n->colour = NETWORK_BGR;
        else
            return core_fail(error, FM_ERR_FORMAT, "%s: metadata: colour \"%s\" is not luma, rgb or bgr", g->source, said);
        return FM_OK;
    }
    if (declared > 0 && declared != 1 && declared != 3)
        return core_fail(error, FM_ERR_UNSUPPORTED, "%s: cannot enlarge pictures: its input has %lld channels, not 1 or 3",
            g->source, (long long) declared);
    n->colour = declared == 1 ? NETWORK_LUMA : NETWORK_RGB;
    int w, h;
    struct fm_error ignored;
    if (declared < 0 && !shape_of(n, 64, 64, &w, &h, &ignored)) n->colour = NETWORK_LUMA;
    return FM_OK;
}

static int find_scale(struct network *n, struct fm_error *error)
{
    int w64, h64, w128, h128, w, h;
    if (!shape_of(n, 64, 64, &w64, &h64, error) || !shape_of(n, 128, 128, &w128, &h128, error)) {
        if (error && error->code == FM_ERR_NOMEM) return FM_ERR_NOMEM;
        return core_fail_prefix(error, "%s: cannot enlarge pictures of any size", n->graph->source);
    }
    n->scale = (w128 - w64) / 64;
    n->shrink = n->scale * 64 - w64;
    if (n->scale < 1 || n->scale > 16 || (w128 - w64) % 64 || w64 != h64 || w128 != h128 || abs(n->shrink) > 1024)
        return no_upscaler(n, error, "its output is no whole multiple of its input");
    if (!shape_of(n, 128, 64, &w, &h, error) || w != w128 || h != h64)
        return no_upscaler(n, error, "its output does not follow its input's shape");
    n->multiple = 0;
    struct fm_error ignored;
    for (int m = 1; m <= 64 && !n->multiple; m *= 2)
        if (shape_of(n, 128 + m, 128 + m, &w, &h, &ignored) && w == n->scale * (128 + m) - n->shrink && h == w) n->multiple = m;
    if (!n->multiple) return no_upscaler(n, error, "it takes only some sizes");
    const int half = n->shrink / 2; /* output pixels missing on the left; negative: too many */
    n->pad = n->shrink > 0 ? (n->shrink + 2 * n->scale - 1) / (2 * n->scale) : 0;
    n->crop = n->pad * n->scale - half;
    const char *before = metadata(n->graph, "before");
    n->enlarged_first = before && !strcmp(before, "bilinear");
    if (before && (!n->enlarged_first || n->scale != 1 || n->shrink))
        return core_fail(error, FM_ERR_FORMAT, "%s: metadata: before \"%s\" is not bilinear, or the network changes sizes itself",
            n->graph->source, before);
    const char *said = metadata(n->graph, "scale");
    if (said && strtol(said, NULL, 10) != n->scale)
        return core_fail(
            error, FM_ERR_FORMAT, "%s: metadata say x%s, but the network enlarges x%d", n->graph->source, said, n->scale);
    return FM_OK;
}

struct ramp {
    const struct network *n;
    struct prepared *ready;
    struct session_work *work;
    float *in, *out;
    int w, h, out_w, out_h;
};

static const struct {
    float scale, offset;
} ranges[] = {[NETWORK_0_1] = {1, 0}, [NETWORK_0_255] = {255, 0}, [NETWORK_1_1] = {2, -1}};

/* Mean difference between the ramp and what comes out of the middle rows, or a negative error. */
static double ramp_difference(struct ramp *r, enum network_range range, struct fm_error *error)
{
    const int channels = network_channels(r->n), scale = r->n->scale;
    const float a = ranges[range].scale, b = ranges[range].offset;
    for (int i = 0; i < channels * r->h; i++)
        for (int x = 0; x < r->w; x++) r->in[i * r->w + x] = a * (0.1f + 0.8f * ((float) x + 0.5f) / (float) r->w) + b;
    const int code =
        session_region_run(r->work, rect_whole(r->out_w, r->out_h), rect_whole(r->w, r->h), r->in, r->out, NULL, error);
    if (code < 0) return code;
    double sum = 0;
    int count = 0;
    for (int c = 0; c < channels; c++)
        for (int x = r->out_w / 3; x < r->out_w * 2 / 3; x++, count++) {
            const float out =
                (r->out[((size_t) c * (size_t) r->out_h + (size_t) r->out_h / 2) * (size_t) r->out_w + (size_t) x] - b) / a;
            const double at = (x + 0.5 + r->n->shrink / 2) / scale; /* in input pixels */
            const double difference = fabs(out - (0.1 + 0.8 * at / r->w));
            sum += difference < 10 ? difference : 10; /* not a number counts as far off */
        }
    return sum / count;
}

static int probe_range(struct network *n, struct pool *pool, uint32_t cpu_flags, struct fm_error *error)
{
    struct ramp r = {.n = n};
    r.w = (RAMP_WIDTH + n->multiple - 1) / n->multiple * n->multiple;
    r.h = (RAMP_HEIGHT + n->multiple - 1) / n->multiple * n->multiple;
    r.out_w = n->scale * r.w - n->shrink, r.out_h = n->scale * r.h - n->shrink;
    if (r.out_w < 3 || r.out_h < 3) { /* a network that eats forty rows */
        n->range = NETWORK_0_1;
        return FM_OK;
    }
    const struct fm_tensor in = network_input(n, r.w, r.h);
    const struct prepare_options options = {.threads = pool_threads(pool), .cpu_flags = cpu_flags, .regions = true};
    const size_t channels = (size_t) network_channels(n);
    r.in = core_alloc(channels * (size_t) r.w * (size_t) r.h * sizeof *r.in);
    r.out = core_alloc(channels * (size_t) r.out_w * (size_t) r.out_h * sizeof *r.out);
    int code = r.in && r.out ? FM_OK : core_fail_nomem(error, 0);
    if (code == FM_OK) code = session_prepare(n->graph, &in, &options, &r.ready, error);
    if (code == FM_OK) code = session_work_create(r.ready, pool, true, &r.work, error);
    double best = 1e9;
    for (int range = 0; range < 3 && code == FM_OK && best > RAMP_GOOD; range++) {
        const double difference = ramp_difference(&r, (enum network_range) range, error);
        if (difference < 0) code = (int) difference;
        if (difference >= 0 && difference < best) best = difference, n->range = (enum network_range) range;
    }
    session_work_destroy(&r.work);
    session_prepared_destroy(&r.ready);
    core_free(r.in);
    core_free(r.out);
    if (code == FM_OK && best > RAMP_BAD) return no_upscaler(n, error, "a grey ramp does not come out as one");
    return code;
}

static int find_range(struct network *n, struct pool *pool, uint32_t cpu_flags, struct fm_error *error)
{
    const char *levels = metadata(n->graph, "levels"), *range = metadata(n->graph, "range");
    n->studio = levels && !strcmp(levels, "studio");
    if (levels && !n->studio && strcmp(levels, "full") != 0)
        return core_fail(error, FM_ERR_FORMAT, "%s: metadata: levels \"%s\" are neither full nor studio", n->graph->source, levels);
    if (!range) return probe_range(n, pool, cpu_flags, error);
    static const char *const names[] = {[NETWORK_0_1] = "0..1", [NETWORK_0_255] = "0..255", [NETWORK_1_1] = "-1..1"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(range, names[i])) {
            n->range = (enum network_range) i;
            return FM_OK;
        }
    return core_fail(error, FM_ERR_FORMAT, "%s: metadata: range \"%s\" is not 0..1, 0..255 or -1..1", n->graph->source, range);
}

/* What the metadata left open, in words. */
static void say(struct network *n)
{
    static const char *const colours[] = {"luma", "RGB", "BGR"}, *const spans[] = {"0..1", "0..255", "-1..1"};
    const struct graph *g = n->graph;
    const bool scale = !metadata(g, "scale"), colour = !metadata(g, "colour") && !metadata(g, "color"),
               range = !metadata(g, "range");
    if (!scale && !colour && !range) return;
    int at = snprintf(n->said, sizeof n->said, "%s: found by probing:", n->name);
    if (scale) at += snprintf(n->said + at, sizeof n->said - (size_t) at, " x%d", n->scale);
    if (scale && n->shrink) at += snprintf(n->said + at, sizeof n->said - (size_t) at, " less %d pixels (padded)", n->shrink);
    if (colour) at += snprintf(n->said + at, sizeof n->said - (size_t) at, "%s %s", at && scale ? "," : "", colours[n->colour]);
    if (range)
        at += snprintf(n->said + at, sizeof n->said - (size_t) at, "%s range %s", scale || colour ? "," : "", spans[n->range]);
    if (n->multiple > 1) snprintf(n->said + at, sizeof n->said - (size_t) at, ", sizes in steps of %d", n->multiple);
}

void network_close(struct network **network)
{
    struct network *n = *network;
    *network = NULL;
    if (!n) return;
    graph_destroy(&n->graph);
    core_free(n);
}

int network_understand(
    struct graph *graph, const char *path, struct pool *pool, uint32_t cpu_flags, struct network **out, struct fm_error *error)
{
    *out = NULL;
    struct network *n = core_calloc(1, sizeof *n);
    if (!n) {
        graph_destroy(&graph);
        return core_fail_nomem(error, sizeof *n);
    }
    n->graph = graph;
    const char *slash = strrchr(path, '/');
    snprintf(n->name, sizeof n->name, "%.*s", (int) sizeof n->name - 1, slash ? slash + 1 : path);
    char *dot = strrchr(n->name, '.');
    if (dot && (!strcmp(dot, ".onnx") || !strcmp(dot, ".param") || !strcmp(dot, ".bin"))) *dot = 0;
    int code = find_channels(n, error);
    if (code == FM_OK) code = find_scale(n, error);
    if (code == FM_OK) code = find_range(n, pool, cpu_flags, error);
    if (code == FM_OK) say(n);
    if (code < 0) network_close(&n);
    *out = n;
    return code;
}

int network_open(const char *path, struct pool *pool, uint32_t cpu_flags, struct network **out, struct fm_error *error)
{
    *out = NULL;
    struct graph *graph;
    const int code = model_load(path, &graph, error);
    return code < 0 ? code : network_understand(graph, path, pool, cpu_flags, out, error);
}
