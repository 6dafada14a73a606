/* SPDX-License-Identifier: MIT */
/* How large the pieces are: the whole picture when it fits the budget, else the pieces with the least work done twice.
 *
 * A quarter of the budget is for the slots (every unit holds a band of the picture and one of the result), the rest for the workers
 * (windows and sessions), so that pictures of different sizes in flight together stay inside it. A picture by itself divides it as it likes. */
#include <stdint.h>

#include "core/error.h"
#include "tasks/upscale/job.h"

#define TILE_MIN 16           /* pixels of the result: below, halos are all there is */
#define FLOW_PIXELS (1 << 20) /* of the result: bands of about so many keep reader, worker and writer busy at the same time */

static size_t slot_bytes(const struct job *j, int tile_h)
{
    const struct chain *c = j->chain;
    const int h = tile_h < c->out_h ? tile_h : c->out_h, y0 = (c->out_h - h) / 2;
    int in0, in1;
    job_rows(j, y0, y0 + h, &in0, &in1);
    return (size_t) (in1 - in0) * (size_t) j->info.width * pixel_bytes(j->info.format) +
           (size_t) h * (size_t) c->out_w * (j->plain ? 2 : 1) * pixel_bytes(j->out_pixels);
}

static size_t work_bytes(const struct job *j, int tile_w, int tile_h)
{
    const size_t own = chain_bytes(j->chain, tile_w, tile_h), plain = j->plain ? chain_bytes(j->plain, tile_w, tile_h) : 0;
    return own == SIZE_MAX || plain == SIZE_MAX ? SIZE_MAX : own + plain;
}

static bool measure(const struct job *j, int tile_w, int tile_h, struct geometry *g)
{
    const struct upscale *u = j->upscale;
    const size_t slots = (size_t) u->slots, workers = (size_t) u->workers, for_slots = u->lone ? u->budget : u->budget / 4;
    *g = (struct geometry){.tile_w = tile_w, .tile_h = tile_h, .slot_bytes = slot_bytes(j, tile_h)};
    if (g->slot_bytes > for_slots / slots) return false;
    const size_t for_workers = u->budget - (u->lone ? g->slot_bytes * slots : for_slots);
    g->work_bytes = work_bytes(j, tile_w, tile_h);
    return g->work_bytes <= for_workers / workers;
}

/* Do bands of full width, one below the other, go on where the last one ended? */
static bool continues(const struct job *j)
{
    return j->upscale->workers == 1 && !j->chain->params.ensemble;
}

/* Pixels computed for a tile, halo included, over its own. */
static double overhead(const struct job *j, int tile_w, int tile_h)
{
    const struct chain *c = j->chain;
    const struct rect out = {(c->out_w - tile_w) / 2, (c->out_h - tile_h) / 2, tile_w, tile_h}, need = chain_need(c, out);
    const double across = need.w / ((double) tile_w / c->out_w * c->params.width);
    const double down = need.h / ((double) tile_h / c->out_h * c->params.height);
    return tile_w == c->out_w && continues(j) ? across : (1 + across) / 2 * (1 + down) / 2; /* halos narrow from layer to layer */
}

static int no_room(const struct job *j, struct fm_error *error)
{
    const struct upscale *u = j->upscale;
    const size_t slots = (size_t) u->slots;
    const size_t need_slots = 4 * slots * slot_bytes(j, TILE_MIN), need_work = work_bytes(j, 64, TILE_MIN);
    const size_t need = need_work == SIZE_MAX ? SIZE_MAX : need_work * (size_t) u->workers / 3 * 4;
    return core_fail(error, FM_ERR_NOMEM, "%d x %d pixels need at least %zu MiB, more than --memory allows (%zu MiB for pictures)",
        j->info.width, j->info.height, ((need > need_slots ? need : need_slots) >> 20) + 1, u->budget >> 20);
}

/* An unbounded network that does not fit whole: feathered tiles, halved until they do. */
static int choose_feathered(struct job *j, struct fm_error *error)
{
    const struct upscale *u = j->upscale;
    struct geometry *g = &j->geometry;
    const int longest = j->info.width > j->info.height ? j->info.width : j->info.height;
    const struct chain *c = j->chain;
    g->slot_bytes = slot_bytes(j, c->out_h);
    g->work_bytes = work_bytes(j, c->out_w, c->out_h);
    g->tile_w = c->out_w, g->tile_h = c->out_h;
    if (u->params.tile) return FM_OK;
    const size_t windows = (size_t) c->out_w * (size_t) c->out_h * 16; /* these are held whole in any case */
    for (int tile = (longest + 1) / 2; g->work_bytes > u->budget / 4 * 3 / (size_t) u->workers + windows && tile >= 32;
         tile = (tile + 1) / 2) {
        struct chain_params params = j->chain->params;
        params.feather_tile = tile;
        struct chain *smaller = NULL;
        const int code = chain_create(&params, &smaller, error);
        if (code < 0) return code;
        chain_unref(&j->chain);
        j->chain = smaller;
        g->work_bytes = work_bytes(j, smaller->out_w, smaller->out_h);
    }
    return FM_OK;
}

/* Bands of full width go through flat even where taller ones would fit, so that a large picture is read, computed and written at the same
 * time. `whole`: it would fit in one piece. */
static void let_flow(const struct job *j, bool whole, struct geometry *g)
{
    const struct chain *c = j->chain;
    if (!continues(j) || g->tile_w != c->out_w) return;
    const int rows = FLOW_PIXELS / c->out_w > 64 ? FLOW_PIXELS / c->out_w : 64;
    struct geometry bands;
    if (g->tile_h < 4 * rows || !measure(j, c->out_w, rows, &bands)) return;
    *g = bands;
    g->flows = whole;
}

int geometry_choose(struct job *job, struct fm_error *error)
{
    const struct chain *c = job->chain;
    struct geometry *g = &job->geometry;
    if (c->whole_only) return choose_feathered(job, error);
    if (job->upscale->params.tile) {
        const int tile = job->upscale->params.tile;
        int w = chain_scaled(tile, c->params.scale), h = w;
        if (!w || w > c->out_w) w = c->out_w;
        if (!h || h > c->out_h) h = c->out_h;
        measure(job, w, h, g);
        if (!g->work_bytes) g->work_bytes = work_bytes(job, w, h);
        return FM_OK;
    }
    if (measure(job, c->out_w, c->out_h, g)) {
        let_flow(job, true, g);
        return FM_OK;
    }
    double best = 0;
    for (int h = c->out_h; h >= TILE_MIN || h == c->out_h; h = (h + 1) / 2) {
        for (int parts = 1;; parts += parts < 8 ? 1 : parts / 4) {
            const int w = (c->out_w + parts - 1) / parts;
            struct geometry tried;
            if (measure(job, w, h, &tried)) {
                const double cost = overhead(job, w, h);
                if (!best || cost < best) best = cost, *g = tried;
                break;
            }
            if (tried.slot_bytes && !tried.work_bytes) break; /* the slots are too large: narrower does not help */
            if (w <= 64) break;
        }
        if (h <= TILE_MIN || (best && best < 1.001)) break;
    }
    if (!best) return no_room(job, error);
    let_flow(job, false, g);
    return FM_OK;
}
