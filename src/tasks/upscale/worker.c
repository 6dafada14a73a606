/* SPDX-License-Identifier: MIT */
/* What a worker does to a unit: every tile of the band through the chain, then into the file's samples. */
#include <string.h>

#include "convert/pixels.h"
#include "core/alloc.h"
#include "core/error.h"
#include "tasks/upscale/job.h"

#define SPLIT_MIN 32 /* pixels of the result: smaller tiles are not tried when memory is out */

struct worker {
    struct upscale *upscale;
    struct pool *pool;
    struct chain_work *work, *plain; /* of the last job's chains */
};

int worker_create(struct upscale *u, int index, struct worker **out)
{
    struct worker *w = core_calloc(1, sizeof *w);
    *out = w;
    if (!w) return FM_ERR_NOMEM;
    w->upscale = u;
    w->pool = u->workers > 1 ? u->worker_pool[index] : u->pool;
    return FM_OK;
}

void worker_destroy(struct worker **worker)
{
    struct worker *w = *worker;
    *worker = NULL;
    if (!w) return;
    chain_work_destroy(&w->work);
    chain_work_destroy(&w->plain);
    core_free(w);
}

static int ready(struct worker *w, struct chain *chain, struct chain_work **work, struct fm_error *error)
{
    if (*work && chain_work_chain(*work) == chain) return FM_OK;
    chain_work_destroy(work);
    return chain_work_create(chain, w->pool, work, error);
}

/* For formats without transparency. */
static void put_on_white(struct window *colour, const struct window *alpha)
{
    const size_t n = window_plane(colour);
    for (int c = 0; c < colour->channels; c++)
        for (size_t i = 0; i < n; i++) {
            float *v = &colour->data[(size_t) c * n + i];
            const float a = alpha->data[i];
            *v = *v * a + (1 - a);
        }
}

static int compute_tile(
    struct worker *w, struct chain_work *work, struct unit *unit, struct rect out, int shift_x, struct fm_error *error)
{
    const struct job *j = unit->job;
    const struct window *colour, *alpha;
    const int code = chain_run(work, &unit->in, out, &w->upscale->cancel, &colour, &alpha, error);
    if (code < 0) return code;
    struct window placed = *colour, placed_alpha;
    if (alpha && !pixel_has_alpha(j->out_pixels)) put_on_white(&placed, alpha);
    if (alpha) placed_alpha = *alpha, placed_alpha.at.x += shift_x;
    placed.at.x += shift_x;
    out.x += shift_x;
    const uint64_t broken = pixels_pack(
        w->pool, w->upscale->cpu_flags, &placed, alpha && pixel_has_alpha(j->out_pixels) ? &placed_alpha : NULL, out, &unit->out);
    if (broken)
        return core_fail(error, FM_ERR_DEVICE, "%s gave %llu samples that are not numbers", chain_work_chain(work)->how,
            (unsigned long long) broken);
    return FM_OK;
}

static void say_halved(struct job *job, int w, int h)
{
    pthread_mutex_lock(&job->lock);
    const bool first = !job->tile_halved;
    job->tile_halved = true;
    pthread_mutex_unlock(&job->lock);
    if (first) job_warn(job, "memory ran out: tiles were halved to %d x %d pixels of the result", w, h);
}

/* Where memory does not suffice the tile is halved, and again. */
static int compute_rect(
    struct worker *w, struct chain_work *work, struct unit *unit, struct rect out, int shift_x, struct fm_error *error)
{
    int code = compute_tile(w, work, unit, out, shift_x, error);
    if (code != FM_ERR_NOMEM || chain_work_chain(work)->whole_only) return code;
    if (out.w < 2 * SPLIT_MIN && out.h < 2 * SPLIT_MIN) return code;
    struct rect first = out, second = out;
    if (out.w >= out.h) {
        first.w = out.w / 2;
        second.x += first.w, second.w -= first.w;
    } else {
        first.h = out.h / 2;
        second.y += first.h, second.h -= first.h;
    }
    say_halved(unit->job, first.w, first.h);
    code = compute_rect(w, work, unit, first, shift_x, error);
    return code < 0 ? code : compute_rect(w, work, unit, second, shift_x, error);
}

/* An unbounded network for which memory ran out: a chain with smaller feathered tiles takes its place. */
static int feather_smaller(struct worker *w, struct unit *unit, struct fm_error *error)
{
    const struct chain *c = chain_work_chain(w->work);
    struct chain_params params = c->params;
    const int longest = params.width > params.height ? params.width : params.height;
    params.feather_tile = ((params.feather_tile ? params.feather_tile : longest) + 1) / 2;
    if (params.feather_tile < SPLIT_MIN) return FM_ERR_NOMEM;
    struct chain *smaller;
    int code = chain_create(&params, &smaller, error);
    if (code < 0) return code;
    say_halved(unit->job, (int) (params.feather_tile * params.scale), (int) (params.feather_tile * params.scale));
    code = ready(w, smaller, &w->work, error);
    chain_unref(&smaller); /* the work holds its own */
    return code;
}

static int compute(struct worker *w, struct unit *unit, struct fm_error *error)
{
    struct job *j = unit->job;
    const struct geometry *g = &j->geometry;
    if (!unit->placed && band_reserve(&unit->out, j->out_pixels, j->written_w, unit->y0, unit->y1) < 0)
        return core_fail_nomem(error, 0);
    int code = ready(w, j->chain, &w->work, error);
    if (code == FM_OK && j->plain) code = ready(w, j->plain, &w->plain, error);
    for (int y = unit->y0; y < unit->y1 && code == FM_OK; y += g->tile_h)
        for (int x = 0; x < j->chain->out_w && code == FM_OK; x += g->tile_w) {
            const struct rect out = {x, y, x + g->tile_w < j->chain->out_w ? g->tile_w : j->chain->out_w - x,
                y + g->tile_h < unit->y1 ? g->tile_h : unit->y1 - y};
            const int shift = j->plain ? j->chain->out_w : 0;
            code = compute_rect(w, w->work, unit, out, shift, error);
            while (code == FM_ERR_NOMEM && chain_work_chain(w->work)->whole_only) {
                code = feather_smaller(w, unit, error);
                if (code < 0) break;
                code = compute_rect(w, w->work, unit, out, shift, error);
            }
            if (code == FM_OK && j->plain) code = compute_rect(w, w->plain, unit, out, 0, error);
        }
    return code;
}

int worker_compute(struct worker *worker, struct unit *unit)
{
    if (unit->code < 0) return unit->code;
    const uint64_t start = core_now_ns();
    if (atomic_load(&worker->upscale->cancel))
        unit->code = core_fail(&unit->error, FM_ERR_CANCELLED, "%s: cancelled", unit->job->file->input);
    else
        unit->code = compute(worker, unit, &unit->error);
    if (unit->code < 0 && unit->code != FM_ERR_CANCELLED) core_fail_prefix(&unit->error, "%s", unit->job->file->input);
    atomic_fetch_add(&unit->job->compute_ns, core_now_ns() - start);
    if (worker->work) atomic_fetch_add(&unit->job->network_ns, chain_work_network_ns(worker->work));
    atomic_fetch_add(&unit->job->rows_done, unit->y1 - unit->y0);
    return unit->code;
}
