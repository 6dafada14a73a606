/* SPDX-License-Identifier: MIT */
#include "face.h"

#include <stdbool.h>

#include "convert/pixels.h"
#include "core/alloc.h"
#include "core/cpu.h"
#include "core/error.h"
#include "model/model.h"
#include "tasks/upscale/chain.h"

#define SIDE_MAX 32768        /* of a picture and of a result */
#define STRIP_BYTES (1 << 20) /* of a strip's samples: what the next stage reads is still in the cache */
#define STRIP_ROWS_MIN 24

struct face {
    struct network *network;
    struct chain *chain;
    struct chain_work *work;
    struct band in, out;
};

static struct fm_error last;
static struct pool *pool; /* of the one thread */

static const struct pixel_format rgba = {.channels = 4, .bits = 8};

const char *face_error(void)
{
    return last.message;
}

void *face_take(size_t size)
{
    void *memory = core_alloc(size);
    if (!memory) core_fail_nomem(&last, size);
    return memory;
}

void face_give(void *memory)
{
    core_free(memory);
}

static bool open_network(struct face *f, void *bytes, size_t size, const char *name)
{
    struct graph *graph = NULL;
    if (!pool && pool_create(1, &pool, &last) < 0) return core_free(bytes), false;
    if (onnx_import(bytes, size, name, NULL, &graph, &last) < 0) return core_free(bytes), false;
    if (arena_defer(graph->arena, core_free, bytes) < 0) { /* the bytes are gone with that */
        graph_destroy(&graph);
        return core_fail_nomem(&last, 0) == FM_OK;
    }
    return network_understand(graph, name, pool, cpu_flags(), &f->network, &last) == FM_OK;
}

struct face *face_load(void *bytes, size_t size, const char *name)
{
    struct face *f = core_calloc(1, sizeof *f);
    if (!f) {
        core_free(bytes);
        core_fail_nomem(&last, sizeof *f);
        return NULL;
    }
    if (open_network(f, bytes, size, name)) return f;
    face_close(f);
    return NULL;
}

void face_close(struct face *f)
{
    if (!f) return;
    chain_work_destroy(&f->work);
    chain_unref(&f->chain);
    network_close(&f->network);
    band_release(&f->in);
    band_release(&f->out);
    core_free(f);
}

int face_scale(const struct face *f)
{
    return f->network->scale;
}

int face_is_luma(const struct face *f)
{
    return f->network->colour == NETWORK_LUMA;
}

int face_is_after_bilinear(const struct face *f)
{
    return f->network->enlarged_first;
}

int face_prepare(struct face *f, int width, int height, int out_width, int out_height, float red, float green, float blue)
{
    if (width < 1 || height < 1 || out_width < 1 || out_height < 1 || width > SIDE_MAX || height > SIDE_MAX ||
        out_width > SIDE_MAX || out_height > SIDE_MAX)
        return core_fail(&last, FM_ERR_SHAPE, "%d x %d to %d x %d pixels: sides are from 1 to %d", width, height, out_width,
                   out_height, SIDE_MAX) == FM_OK;
    const double across = (double) out_width / width, down = (double) out_height / height;
    const struct chain_params params = {.width = width,
        .height = height,
        .colours = 3,
        .network = f->network,
        .scale = across > down ? across : down,
        .out_w = out_width,
        .out_h = out_height,
        .threads = 1,
        .cpu_flags = cpu_flags(),
        .share = {red, green, blue}};
    if (f->work && chain_fits(f->chain, &params)) return 1;
    chain_work_destroy(&f->work);
    chain_unref(&f->chain);
    int code = chain_create(&params, &f->chain, &last);
    if (code == FM_OK) code = chain_work_create(f->chain, pool, &f->work, &last);
    return code == FM_OK;
}

int face_has_parts(const struct face *f)
{
    return !f->chain->whole_only;
}

static struct rect rows_of(const struct face *f, int y0, int y1)
{
    return (struct rect){0, y0, f->chain->out_w, y1 - y0};
}

int face_first_row(const struct face *f, int y0, int y1)
{
    return chain_need(f->chain, rows_of(f, y0, y1)).y;
}

int face_end_row(const struct face *f, int y0, int y1)
{
    const struct rect need = chain_need(f->chain, rows_of(f, y0, y1));
    return need.y + need.h;
}

uint8_t *face_input(struct face *f, int y0, int y1)
{
    if (band_reserve(&f->in, rgba, f->chain->params.width, y0, y1) == FM_OK) return f->in.data;
    core_fail_nomem(&last, (size_t) (y1 - y0) * (size_t) f->chain->params.width * 4);
    return NULL;
}

/* Strips are computed one below the other, which costs no halo (session/session.h). */
static int strip_rows(const struct face *f, int rows)
{
    if (f->chain->whole_only) return rows;
    const int fit = STRIP_BYTES / (f->chain->out_w * 12);
    return fit > STRIP_ROWS_MIN ? fit : STRIP_ROWS_MIN;
}

const uint8_t *face_run(struct face *f, int y0, int y1)
{
    if (band_reserve(&f->out, rgba, f->chain->out_w, y0, y1) < 0) {
        core_fail_nomem(&last, (size_t) (y1 - y0) * (size_t) f->chain->out_w * 4);
        return NULL;
    }
    const int strip = strip_rows(f, y1 - y0);
    for (int y = y0; y < y1; y += strip) {
        const struct window *colour, *alpha;
        const struct rect at = rows_of(f, y, y1 - y < strip ? y1 : y + strip);
        if (chain_run(f->work, &f->in, at, NULL, &colour, &alpha, &last) < 0) return NULL;
        const uint64_t broken = pixels_pack(pool, f->chain->params.cpu_flags, colour, NULL, at, &f->out);
        if (!broken) continue;
        core_fail(&last, FM_ERR_DEVICE, "%s gave %llu samples that are not numbers", f->network->name, (unsigned long long) broken);
        return NULL;
    }
    return f->out.data;
}
