/* SPDX-License-Identifier: MIT */
#include "tasks/upscale/chain.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "convert/alpha.h"
#include "convert/pixels.h"
#include "core/alloc.h"
#include "core/error.h"
#include "frame/band.h"
#include "tasks/upscale/stage.h"

#define PASSES_MAX 8
#define SIDE_MAX (1 << 24)

int chain_scaled(int size, double scale)
{
    const double out = floor(size * scale + 0.5);
    return !(out <= SIDE_MAX) ? 0 : out < 1 ? 1 : (int) out;
}

/* ---- making ---- */

static struct stage *add_stage(struct chain *c, enum stage_kind kind, int out_w, int out_h)
{
    struct stage *s = &c->stage[c->n_stages];
    const struct stage *before = c->n_stages ? s - 1 : NULL;
    *s = (struct stage){.kind = kind,
        .in_w = before ? before->out_w : c->params.width,
        .in_h = before ? before->out_h : c->params.height,
        .out_w = out_w,
        .out_h = out_h};
    c->n_stages++;
    return s;
}

static int add_plugins(struct chain *c, enum fm_plugin_when when, struct fm_error *error)
{
    for (int i = 0; i < c->params.n_plugins; i++) {
        if (c->params.plugins[i]->reach[when] < 0) continue;
        if (c->n_stages >= CHAIN_STAGES_MAX - 1) return core_fail(error, FM_ERR_ARGUMENT, "too many plug-ins for one picture");
        const struct stage *before = c->n_stages ? &c->stage[c->n_stages - 1] : NULL;
        struct stage *s =
            add_stage(c, STAGE_PLUGIN, before ? before->out_w : c->params.width, before ? before->out_h : c->params.height);
        s->plugin = c->params.plugins[i];
        s->when = when;
    }
    return FM_OK;
}

static int add_resample(struct chain *c, enum resample_kind kind, struct fm_error *error)
{
    struct stage *s = add_stage(c, STAGE_RESAMPLE, c->out_w, c->out_h);
    const struct resample_grid x = {.in = s->in_w, .out = s->out_w}, y = {.in = s->in_h, .out = s->out_h};
    return resampler_create_as(kind, &x, &y, &s->resampler, error);
}

/* How often the network runs: until the result is at least as large as asked for. */
static int passes_for(const struct network *n, double scale)
{
    int passes = 1;
    for (int64_t reached = n->scale; n->scale > 1 && (double) reached < scale - 1e-9 && passes < PASSES_MAX; reached *= n->scale)
        passes++;
    return passes;
}

static int add_network(struct chain *c, int w, int h, struct fm_error *error)
{
    struct stage *s = add_stage(c, STAGE_NETWORK, w, h);
    s->network = c->params.network;
    s->studio = c->params.studio;
    const int code = stage_network_prepare(s, &c->params, error);
    if (code == FM_OK && !s->exact) c->whole_only = true;
    return code;
}

/* A network for pictures that have their size already. */
static int add_enlarged_first(struct chain *c, struct fm_error *error)
{
    snprintf(c->how, sizeof c->how, "bilinear, then %s%s", c->params.network->name, c->params.ensemble ? ", eight turns" : "");
    const int code = add_resample(c, RESAMPLE_BILINEAR, error);
    return code < 0 ? code : add_network(c, c->out_w, c->out_h, error);
}

static int add_passes(struct chain *c, struct fm_error *error)
{
    const struct network *n = c->params.network;
    const int passes = passes_for(n, c->params.scale);
    int w = c->params.width, h = c->params.height;
    for (int i = 0; i < passes; i++) {
        if (w > SIDE_MAX / n->scale || h > SIDE_MAX / n->scale)
            return core_fail(error, FM_ERR_SHAPE, "the result would be too large");
        w *= n->scale, h *= n->scale;
        const int code = add_network(c, w, h, error);
        if (code < 0) return code;
    }
    const bool exact = w == c->out_w && h == c->out_h;
    static const char *const times[] = {
        "", "", " twice", " three times", " four times", " five times", " six times", " seven times", " eight times"};
    snprintf(c->how, sizeof c->how, "%s x%d%s%s%s", n->name, n->scale, times[passes], c->params.ensemble ? ", eight turns" : "",
        exact ? "" : ", then resampled");
    return exact ? FM_OK : add_resample(c, RESAMPLE_LANCZOS, error);
}

int chain_create(const struct chain_params *params, struct chain **out, struct fm_error *error)
{
    *out = NULL;
    struct chain *c = core_calloc(1, sizeof *c);
    if (!c) return core_fail_nomem(error, sizeof *c);
    atomic_init(&c->references, 1);
    c->params = *params;
    c->out_w = params->out_w ? params->out_w : chain_scaled(params->width, params->scale);
    c->out_h = params->out_h ? params->out_h : chain_scaled(params->height, params->scale);
    int code = c->out_w && c->out_h ? FM_OK : core_fail(error, FM_ERR_SHAPE, "the result would be too large");
    if (code == FM_OK) code = add_plugins(c, FM_PLUGIN_BEFORE, error);
    if (code == FM_OK && params->network)
        code = params->network->enlarged_first ? add_enlarged_first(c, error) : add_passes(c, error);
    if (code == FM_OK && !params->network) {
        snprintf(c->how, sizeof c->how, "plain Lanczos");
        code = add_resample(c, RESAMPLE_LANCZOS, error);
    }
    if (code == FM_OK) code = add_plugins(c, FM_PLUGIN_AFTER, error);
    if (code < 0) chain_unref(&c);
    *out = c;
    return code;
}

struct chain *chain_ref(struct chain *chain)
{
    if (chain) atomic_fetch_add(&chain->references, 1);
    return chain;
}

void chain_unref(struct chain **chain)
{
    struct chain *c = *chain;
    *chain = NULL;
    if (!c || atomic_fetch_sub(&c->references, 1) != 1) return;
    for (int i = 0; i < c->n_stages; i++) {
        session_prepared_destroy(&c->stage[i].ready[0]);
        session_prepared_destroy(&c->stage[i].ready[1]);
        resampler_destroy(&c->stage[i].colour);
        resampler_destroy(&c->stage[i].resampler);
    }
    core_free(c);
}

bool chain_fits(const struct chain *chain, const struct chain_params *p)
{
    const struct chain_params *c = &chain->params;
    return c->width == p->width && c->height == p->height && c->colours == p->colours && c->alpha == p->alpha &&
           c->network == p->network && c->scale == p->scale && c->out_w == p->out_w && c->out_h == p->out_h &&
           c->studio == p->studio && c->plugins == p->plugins && c->n_plugins == p->n_plugins && c->ensemble == p->ensemble &&
           c->feather_tile == p->feather_tile && c->overlap == p->overlap && c->threads == p->threads &&
           c->cpu_flags == p->cpu_flags && !memcmp(c->share, p->share, sizeof c->share);
}

/* ---- stages ---- */

struct rect stage_need(const struct stage *s, int channels, struct rect out)
{
    switch (s->kind) {
    case STAGE_NETWORK: return stage_network_need(s, channels, out);
    case STAGE_RESAMPLE: return resampler_need(s->resampler, out);
    default: return rect_grow(out, s->plugin->reach[s->when], s->in_w, s->in_h);
    }
}

static size_t window_bytes(struct rect r, int channels)
{
    return (size_t) r.w * (size_t) r.h * (size_t) channels * sizeof(float);
}

size_t stage_bytes(const struct stage *s, int channels, struct rect in, struct rect out)
{
    switch (s->kind) {
    case STAGE_NETWORK: return stage_network_bytes(s, channels, in, out);
    case STAGE_RESAMPLE: {
        const size_t across = window_bytes((struct rect){0, 0, out.w, in.h}, channels);
        const size_t down = window_bytes((struct rect){0, 0, in.w, out.h}, channels);
        return across > down ? across : down;
    }
    default: return 0;
    }
}

int stage_run(const struct stage *s, struct stage_work *w, struct pool *pool, uint32_t cpu_flags, const struct window *in,
    struct window *out, atomic_bool *cancel, struct fm_error *error)
{
    switch (s->kind) {
    case STAGE_NETWORK: return stage_network_run(s, w, pool, cpu_flags, in, out, cancel, error);
    case STAGE_RESAMPLE:
        return resampler_run(s->resampler, pool, cpu_flags, in, out, &w->scratch) < 0 ? core_fail_nomem(error, 0) : FM_OK;
    default: return plugin_run(s->plugin, s->when, s->in_w, s->in_h, in, out, error);
    }
}

/* ---- regions ---- */

/* Does this stage take part for alpha? Plug-ins do not see it. */
static bool serves(const struct stage *s, bool alpha)
{
    return !(alpha && s->kind == STAGE_PLUGIN);
}

/* What each stage's output rectangle must be (rect[i + 1]) and the picture's (rect[0]), for the colours or for alpha. */
static void trace(const struct chain *c, bool alpha, struct rect out, struct rect *rect)
{
    rect[c->n_stages] = out;
    for (int i = c->n_stages; i-- > 0;)
        rect[i] = serves(&c->stage[i], alpha) ? stage_need(&c->stage[i], alpha ? 1 : c->params.colours, rect[i + 1]) : rect[i + 1];
}

/* Linear filters take premultiplied colours; networks, which are not linear, get the colours behind transparent pixels filled in. */
static bool premultiplied(const struct chain *c)
{
    return c->n_stages == 1 && c->stage[0].kind == STAGE_RESAMPLE;
}

struct needed {
    struct rect colour[CHAIN_STAGES_MAX + 1], alpha[CHAIN_STAGES_MAX + 1];
    struct rect source; /* around everything that is read from the picture */
};

static void find_needed(const struct chain *c, struct rect out, struct needed *n)
{
    const int w = c->params.width, h = c->params.height;
    trace(c, false, out, n->colour);
    n->source = n->colour[0];
    if (!c->params.alpha) return;
    trace(c, true, out, n->alpha);
    if (!premultiplied(c)) n->source = rect_grow(n->source, ALPHA_FILL_REACH, w, h);
    n->source = rect_around(n->source, n->alpha[0]);
    n->source = rect_around(n->source, alpha_snap_need(out, w, h, c->out_w, c->out_h));
}

struct rect chain_need(const struct chain *chain, struct rect out)
{
    struct needed n;
    find_needed(chain, out, &n);
    return n.source;
}

static bool add(size_t *sum, size_t more)
{
    if (more > SIZE_MAX / 4 || *sum > SIZE_MAX / 4) return false;
    *sum += more;
    return true;
}

size_t chain_bytes(const struct chain *chain, int out_w, int out_h)
{
    const int w = out_w < chain->out_w ? out_w : chain->out_w, h = out_h < chain->out_h ? out_h : chain->out_h;
    const struct rect out = {(chain->out_w - w) / 2, (chain->out_h - h) / 2, w, h};
    struct needed n;
    find_needed(chain, out, &n);
    size_t sum = window_bytes(n.source, chain->params.colours + (chain->params.alpha ? 1 : 0));
    if (chain->params.alpha) sum += window_bytes(n.colour[0], chain->params.colours) + window_bytes(n.alpha[0], 1);
    for (int alpha = 0; alpha < (chain->params.alpha ? 2 : 1); alpha++)
        for (int i = 0; i < chain->n_stages; i++) {
            const struct stage *s = &chain->stage[i];
            const struct rect *r = alpha ? n.alpha : n.colour;
            const int channels = alpha ? 1 : chain->params.colours;
            if (!serves(s, alpha != 0)) continue;
            if (!add(&sum, window_bytes(r[i + 1], channels))) return SIZE_MAX;
            if (!alpha && !add(&sum, stage_bytes(s, channels, r[i], r[i + 1]))) return SIZE_MAX;
        }
    return sum;
}

/* ---- running ---- */

struct chain_work {
    struct chain *chain;
    struct pool *pool;
    struct stage_work stage[CHAIN_STAGES_MAX];
    struct window source, source_alpha;                              /* as unpacked */
    struct window filled, alpha_in;                                  /* the parts that the stages begin with */
    struct window colour[CHAIN_STAGES_MAX], alpha[CHAIN_STAGES_MAX]; /* what each stage gives */
};

struct chain *chain_work_chain(const struct chain_work *work)
{
    return work->chain;
}

uint64_t chain_work_network_ns(struct chain_work *work)
{
    uint64_t sum = 0;
    for (int i = 0; i < work->chain->n_stages; i++) {
        sum += work->stage[i].network_ns;
        work->stage[i].network_ns = 0;
    }
    return sum;
}

int chain_work_create(struct chain *chain, struct pool *pool, struct chain_work **out, struct fm_error *error)
{
    *out = NULL;
    struct chain_work *w = core_calloc(1, sizeof *w);
    if (!w) return core_fail_nomem(error, sizeof *w);
    w->chain = chain_ref(chain);
    w->pool = pool;
    int code = FM_OK;
    for (int i = 0; i < chain->n_stages && code == FM_OK; i++)
        for (int turned = 0; turned < 2 && code == FM_OK; turned++)
            if (chain->stage[i].ready[turned])
                code = session_work_create(chain->stage[i].ready[turned], pool, true, &w->stage[i].session[turned], error);
    if (code < 0) chain_work_destroy(&w);
    *out = w;
    return code;
}

static void release_windows(struct chain_work *w)
{
    struct window *const all[] = {&w->source, &w->source_alpha, &w->filled, &w->alpha_in};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) window_release(all[i]);
    for (int i = 0; i < w->chain->n_stages; i++) {
        struct stage_work *s = &w->stage[i];
        struct window *const own[] = {
            &w->colour[i], &w->alpha[i], &s->frame, &s->result, &s->luma, &s->bright, &s->tile, &s->scratch};
        for (size_t k = 0; k < sizeof own / sizeof *own; k++) window_release(own[k]);
    }
}

void chain_work_destroy(struct chain_work **work)
{
    struct chain_work *w = *work;
    *work = NULL;
    if (!w) return;
    release_windows(w);
    for (int i = 0; i < w->chain->n_stages; i++) {
        session_work_destroy(&w->stage[i].session[0]);
        session_work_destroy(&w->stage[i].session[1]);
    }
    chain_unref(&w->chain);
    core_free(w);
}

/* What a network overshoots by is cut before the next stage sees it; what is no number stays none. */
static void clamp(struct window *w)
{
    const size_t n = window_plane(w) * (size_t) w->channels;
    for (size_t i = 0; i < n; i++) w->data[i] = w->data[i] < 0 ? 0 : w->data[i] > 1 ? 1 : w->data[i];
}

static int run_stages(struct chain_work *w, bool alpha, const struct window *from, const struct rect *rect, struct window *made,
    const struct window **out, atomic_bool *cancel, struct fm_error *error)
{
    const struct chain *c = w->chain;
    for (int i = 0; i < c->n_stages; i++) {
        const struct stage *s = &c->stage[i];
        if (!serves(s, alpha)) continue;
        if (window_reserve(&made[i], rect[i + 1], from->channels) < 0)
            return core_fail_nomem(error, window_bytes(rect[i + 1], from->channels));
        const int code = stage_run(s, &w->stage[i], w->pool, c->params.cpu_flags, from, &made[i], cancel, error);
        if (code < 0) return code;
        if (i + 1 < c->n_stages && s->kind == STAGE_NETWORK) clamp(&made[i]);
        from = &made[i];
    }
    *out = from;
    return FM_OK;
}

static int run_alpha(
    struct chain_work *w, const struct needed *n, const struct window **out, atomic_bool *cancel, struct fm_error *error)
{
    const struct window *from = &w->source_alpha;
    if (memcmp(&n->alpha[0], &from->at, sizeof from->at) != 0) {
        if (window_reserve(&w->alpha_in, n->alpha[0], 1) < 0) return core_fail_nomem(error, window_bytes(n->alpha[0], 1));
        window_copy(&w->alpha_in, from, n->alpha[0]);
        from = &w->alpha_in;
    }
    return run_stages(w, true, from, n->alpha, w->alpha, out, cancel, error);
}

/* Flat parts as flat as they were, and no more than opaque. Only once colours have been divided by it: where a filter overshoots, it does so in
 * the premultiplied colours too. */
static int finish_alpha(struct chain_work *w, const struct window *made, struct fm_error *error)
{
    const struct chain *c = w->chain;
    struct window *alpha = &w->alpha[made - w->alpha];
    if (alpha_snap(alpha, &w->source_alpha, c->params.width, c->params.height, c->out_w, c->out_h) < 0)
        return core_fail_nomem(error, 0);
    clamp(alpha);
    return FM_OK;
}

static int run(struct chain_work *w, const struct band *band, struct rect out, atomic_bool *cancel,
    const struct window **colour_out, const struct window **alpha_out, struct fm_error *error)
{
    const struct chain *c = w->chain;
    const bool alpha = c->params.alpha, linear = premultiplied(c);
    struct needed n;
    find_needed(c, out, &n);
    if (window_reserve(&w->source, n.source, c->params.colours) < 0 || (alpha && window_reserve(&w->source_alpha, n.source, 1) < 0))
        return core_fail_nomem(error, window_bytes(n.source, c->params.colours));
    pixels_unpack(w->pool, c->params.cpu_flags, band, c->params.height, &w->source, alpha ? &w->source_alpha : NULL);
    const struct window *from = &w->source;
    *alpha_out = NULL;
    if (alpha) {
        const int code = run_alpha(w, &n, alpha_out, cancel, error);
        if (code < 0) return code;
        if (linear) alpha_premultiply(&w->source, &w->source_alpha);
        if (window_reserve(&w->filled, n.colour[0], c->params.colours) < 0) return core_fail_nomem(error, 0);
        if (linear)
            window_copy(&w->filled, &w->source, n.colour[0]);
        else if (alpha_fill(w->pool, &w->source, &w->source_alpha, c->params.width, c->params.height, &w->filled) < 0)
            return core_fail_nomem(error, 0);
        from = &w->filled;
    }
    const int code = run_stages(w, false, from, n.colour, w->colour, colour_out, cancel, error);
    if (code < 0 || !alpha) return code;
    if (linear) alpha_unpremultiply(&w->colour[*colour_out - w->colour], *alpha_out);
    return finish_alpha(w, *alpha_out, error);
}

int chain_run_window(struct chain_work *work, const struct window *source, struct rect out, atomic_bool *cancel,
    const struct window **colour_out, struct fm_error *error)
{
    struct needed n;
    find_needed(work->chain, out, &n);
    const int code = run_stages(work, false, source, n.colour, work->colour, colour_out, cancel, error);
    if (code == FM_ERR_NOMEM) release_windows(work);
    return code;
}

int chain_run(struct chain_work *work, const struct band *band, struct rect out, atomic_bool *cancel,
    const struct window **colour_out, const struct window **alpha_out, struct fm_error *error)
{
    const int code = run(work, band, out, cancel, colour_out, alpha_out, error);
    if (code == FM_ERR_NOMEM) release_windows(work); /* the smaller rectangle to come shall have the room */
    return code;
}

/* ---- chosen pixels ---- */

bool chain_can_choose(const struct chain *c)
{
    const struct stage *s = &c->stage[0];
    if (c->n_stages != 1 || s->kind != STAGE_NETWORK || c->params.colours != 1 || c->params.alpha) return false;
    if (!s->exact || s->ensemble || s->tile || s->network->pad || s->network->crop || !session_can_choose(s->ready[0]))
        return false;
    const struct graph *g = s->ready[0]->specialised;
    const struct graph_value *in = &g->value[g->input[0]], *out = &g->value[g->output[0]];
    return in->dim[3] == s->in_w && in->dim[2] == s->in_h && out->dim[3] == c->out_w && out->dim[2] == c->out_h;
}

int chain_spread(struct chain_work *w, const struct bitmap *changed, struct bitmap *may_differ, struct fm_error *error)
{
    return session_spread(w->stage[0].session[0], changed, may_differ, error);
}

int chain_run_chosen(struct chain_work *w, const struct window *source, const struct bitmap *only, atomic_bool *cancel,
    const struct window **colour_out, struct fm_error *error)
{
    w->stage[0].only = only;
    const int code = chain_run_window(w, source, rect_whole(w->chain->out_w, w->chain->out_h), cancel, colour_out, error);
    w->stage[0].only = NULL;
    return code;
}
