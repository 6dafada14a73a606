/* SPDX-License-Identifier: MIT */
/* The cost of a group is counted in multiply-adds of one thread: its arithmetic, its loads of weights and of pixels, and what it
 * moves through the GPU's memory. The numbers are those of ordinary GPUs, which do some twenty multiply-adds in the time of a byte;
 * what is chosen changes little when they are off by two. */
#include "backend/web/groups.h"

#include <math.h>

#include "core/error.h"

#define MEMORY_BYTES 16384 /* of a workgroup, and its threads: what WebGPU promises everywhere */
#define THREADS_MAX 256
#define RUN_MAX 6
#define VECTORS_MAX 16   /* results that a thread holds in registers */
#define COST_LOAD 4.0    /* of a vector, from workgroup memory or of weights */
#define COST_BYTE 24.0   /* moved to or from the GPU's memory */
#define COST_START 300.0 /* of a stage: barriers, places */

static const struct {
    int w, h;
} tiles[] = {{32, 16}, {32, 8}, {16, 16}, {14, 14}, {16, 8}, {12, 12}, {8, 8}, {16, 4}, {8, 4}};
static const int thread_counts[] = {64, 128, 256};

struct choice {
    const struct web_layers *layers;
    const struct web_network *network;
};

/* Work of a thread in a stage, or infinity when the registers do not hold it. */
static double stage_work(const struct web_layer *l, int run, int split, bool last)
{
    const int out = web_vectors(l->out), in = web_vectors(l->in), vi = web_vector(l->in), vo = web_vector(l->out);
    const int share = out / split;
    if (out % split || (last && split > 1) || (share % 2 && split > 1))
        return INFINITY; /* shares begin at even vectors (weights.h) */
    if (run * share > VECTORS_MAX && !(run == 1 && last)) return INFINITY;
    const double taps = (double) l->kernel * l->kernel * in;
    const double sums = taps * vi * share * run * vo, weights = taps * vi * share * COST_LOAD;
    const double pixels = (double) l->kernel * in * (run + l->kernel - 1) * COST_LOAD;
    return sums + weights + pixels + COST_START;
}

/* Runs and shares for a stage of w x h pixels: the least work that the threads can share. */
static double choose_stage(struct web_stage *s, int threads, bool exit)
{
    double best = INFINITY;
    for (int split = 1; split <= 8; split *= 2)
        for (int run = 1; run <= RUN_MAX && run <= s->w; run++) {
            const int runs_x = (s->w + run - 1) / run, active = runs_x * s->h * split;
            if (active > threads) continue;
            const double work = stage_work(s->layer, run, split, exit);
            if (work >= best) continue;
            best = work;
            s->run = run, s->split = split, s->runs_x = runs_x, s->active = active;
        }
    return best * threads;
}

static int max(int a, int b)
{
    return a > b ? a : b;
}

/* Workgroup memory in units, and bytes moved for a tile. */
static void count_memory(const struct choice *c, struct web_group *g, bool entry, bool exit, double *moved)
{
    const struct web_stage *last = &g->stage[g->count - 1];
    g->units = g->w * g->h * g->planes;
    *moved = entry ? 4.0 * g->w * g->h : (double) WEB_UNIT_BYTES * g->w * g->h * web_vectors(g->stage[0].layer->in);
    if (entry && c->network->enlarged_first) {
        g->units = max(g->units, web_below(g->w) * web_below(g->h));
        *moved = 4.0 * g->w * g->h / 2;
    }
    for (int i = 0; i < g->count - 1; i++)
        g->units = max(g->units, g->stage[i].w * g->stage[i].h * web_vectors(g->stage[i].layer->out));
    for (int i = 0; i < g->count; i++)
        if (g->stage[i].layer->plus >= 0)
            *moved += (double) WEB_UNIT_BYTES * g->stage[i].w * g->stage[i].h * web_vectors(g->stage[i].layer->out);
    if (!exit) {
        *moved += (double) WEB_UNIT_BYTES * last->w * last->h * web_vectors(last->layer->out);
    } else {
        const int reach = c->network->enlarged_first ? 1 : WEB_EXIT_REACH;
        if (c->network->luma) {
            g->units = max(g->units, (g->tile_w + 2 * reach) * (g->tile_h + 2 * reach));
            *moved += 4.0 * (g->tile_w + 2 * reach) * (g->tile_h + 2 * reach);
        }
        *moved += 4.0 * last->w * last->h * c->network->scale * c->network->scale;
    }
}

/* Fills in a group of one tile size. */
static void try_group(const struct choice *c, struct web_group *g)
{
    const struct web_layer *all = c->layers->layer;
    const bool entry = all[g->first].from == WEB_PICTURE, exit = g->first + g->count == c->layers->n;
    double work = 0, moved;
    int halo = 0;
    g->cost = INFINITY;
    for (int i = g->count - 1; i >= 0; i--) {
        struct web_stage *s = &g->stage[i];
        *s = (struct web_stage){.layer = &all[g->first + i], .halo = halo, .w = g->tile_w + 2 * halo, .h = g->tile_h + 2 * halo};
        work += choose_stage(s, g->threads, exit && i == g->count - 1);
        halo += s->layer->pad;
    }
    g->halo = halo;
    g->w = g->tile_w + 2 * halo;
    g->h = g->tile_h + 2 * halo;
    const int vectors = entry ? 1 : web_vectors(all[g->first].in);
    for (g->planes = vectors, g->rounds = 1;; g->planes = vectors / g->rounds) {
        count_memory(c, g, entry, exit, &moved);
        if (g->units * WEB_UNIT_BYTES <= MEMORY_BYTES) break;
        do g->rounds++;
        while (g->rounds <= vectors && vectors % g->rounds);
        if (g->rounds > vectors || g->count > 1) return;
    }
    work += COST_START * g->threads * g->rounds;
    g->cost = (work + COST_BYTE * moved) / (g->tile_w * g->tile_h);
}

/* Whether a layer may be done in the dispatch that begins with layer `first` and does all between them. There is one binding for what
 * is added, and what is added must have been stored. */
static bool can_follow(const struct web_layers *layers, int first, int at)
{
    const struct web_layer *l = &layers->layer[at];
    if (at == first) return true;
    if (l->from != at - 1 || layers->layer[at - 1].kept || l->plus >= first) return false;
    for (int i = first; i < at && l->plus >= 0; i++)
        if (layers->layer[i].plus >= 0) return false;
    return true;
}

static struct web_group best_group(const struct choice *c, int first, int count)
{
    struct web_group best = {.cost = INFINITY};
    for (size_t t = 0; t < sizeof tiles / sizeof *tiles; t++)
        for (size_t n = 0; n < sizeof thread_counts / sizeof *thread_counts; n++) {
            struct web_group g = {
                .first = first, .count = count, .tile_w = tiles[t].w, .tile_h = tiles[t].h, .threads = thread_counts[n]};
            if (g.threads > THREADS_MAX) continue;
            try_group(c, &g);
            if (g.cost < best.cost) best = g;
        }
    return best;
}

int web_groups_choose(const struct web_layers *layers, const struct web_network *network, const char *source, struct arena *arena,
    struct web_groups *out, struct fm_error *error)
{
    const struct choice c = {layers, network};
    const int n = layers->n;
    struct web_group *best = arena_array(arena, (size_t) n + 1, sizeof *best); /* [i]: the last group of the first i layers */
    double *cost = arena_array(arena, (size_t) n + 1, sizeof *cost);
    out->group = arena_array(arena, (size_t) n, sizeof *out->group);
    if (!best || !cost || !out->group) return core_fail_nomem(error, 0);
    for (int i = 1; i <= n; i++) cost[i] = INFINITY;
    for (int first = 0; first < n; first++)
        for (int count = 1; count <= WEB_STAGES_MAX && first + count <= n; count++) {
            if (!can_follow(layers, first, first + count - 1)) break;
            const struct web_group g = best_group(&c, first, count);
            const double sum = cost[first] + g.cost;
            if (sum >= cost[first + count]) continue;
            cost[first + count] = sum;
            best[first + count] = g;
        }
    for (int i = 1; i <= n; i++)
        if (isinf(cost[i]) && !isinf(cost[i - 1]))
            return core_fail(error, FM_ERR_UNSUPPORTED, "%s: node '%s': no shader: it needs more than the %d bytes of a workgroup",
                source, layers->layer[i - 1].name, MEMORY_BYTES);
    out->n = 0;
    for (int i = n; i > 0; i -= best[i].count) out->n++;
    for (int i = n, at = out->n; i > 0; i -= best[i].count) out->group[--at] = best[i];
    return FM_OK;
}
