/* SPDX-License-Identifier: MIT */
/* Everything that is decided before the first frame: what is read, how large the result is, by which networks, in which pieces. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "model/find.h"
#include "tasks/upscale/job.h"
#include "tasks/upscale/shipped.h"
#include "tasks/video/crew.h"
#include "tasks/video/place.h"
#include "tasks/video/video.h"

#define SIDE_MAX 32768
#define DEFAULT_RATE 25.0

void video_note(struct video *v, const char *format, ...)
{
    char text[FM_ERROR_MESSAGE_MAX + 64];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (v->n_notes < VIDEO_NOTES_MAX && (v->note[v->n_notes] = core_strdup(text))) v->n_notes++;
}

/* ---- source ---- */

static int count(const char *const *list)
{
    int n = 0;
    while (list && list[n]) n++;
    return n;
}

static int open_source(struct video *v, struct fm_error *error)
{
    const struct fm_video_params *p = &v->params;
    static const struct {
        const char *name;
        enum video_interlace policy;
    } policies[] = {{"deinterlace", VIDEO_DEINTERLACE}, {"refuse", VIDEO_INTERLACE_REFUSE}, {"pass", VIDEO_INTERLACE_PASS}};
    struct video_source_params s = {.format = p->input_format,
        .options = p->input_options,
        .n_options = count(p->input_options),
        .start_s = p->start,
        .duration_s = p->duration,
        .threads = p->decoder_threads ? p->decoder_threads : 1,
        .live = p->live > 0   ? VIDEO_LIVE_YES
                : p->live < 0 ? VIDEO_LIVE_NO
                              : VIDEO_LIVE_AUTO,
        .want_packets = p->output && !place_has_journal(v),
        .cancel = &v->cancel};
    if (p->picture_rate > 0) s.picture_rate = (struct media_ratio){(int) lrint(p->picture_rate * 1000), 1000};
    const char *interlaced = p->interlaced ? p->interlaced : policies[0].name;
    size_t k = 0;
    while (k < 3 && strcmp(policies[k].name, interlaced) != 0) k++;
    if (k == 3) return core_fail(error, FM_ERR_ARGUMENT, "interlaced video: \"%s\" is not deinterlace, refuse or pass", interlaced);
    s.interlace = policies[k].policy;
    const int code = video_source_open(p->input, &s, &v->source, error);
    if (code < 0) return code;
    v->info = video_source_info(v->source);
    v->in_format = v->info->format;
    v->whole_w = v->info->width;
    v->whole_h = v->info->height;
    v->reuses = !p->no_reuse && !v->info->live;
    return FM_OK;
}

/* ---- sizes ---- */

static int settle_crop(struct video *v, struct fm_error *error)
{
    const struct fm_video_params *p = &v->params;
    const int w = v->whole_w, h = v->whole_h;
    v->crop = rect_whole(w, h);
    if (p->crop_width || p->crop_height || p->crop_left || p->crop_top) {
        v->crop = (struct rect){p->crop_left, p->crop_top, p->crop_width ? p->crop_width : w - p->crop_left,
            p->crop_height ? p->crop_height : h - p->crop_top};
        if (v->crop.x < 0 || v->crop.y < 0 || rect_is_empty(v->crop) || v->crop.x > w - v->crop.w || v->crop.y > h - v->crop.h)
            return core_fail(error, FM_ERR_ARGUMENT, "cropping to %dx%d at %d,%d: the picture has %dx%d pixels", v->crop.w,
                v->crop.h, v->crop.x, v->crop.y, w, h);
        const bool across = v->in_format.layout == VIDEO_420 || v->in_format.layout == VIDEO_422;
        const bool down = v->in_format.layout == VIDEO_420;
        if ((across && v->crop.x % 2) || (down && v->crop.y % 2))
            return core_fail(error, FM_ERR_ARGUMENT,
                "cropping at %d,%d: colours are there for every second pixel only, so it must begin at an even one", v->crop.x,
                v->crop.y);
    }
    v->in_w = v->crop.w;
    v->in_h = v->crop.h;
    return FM_OK;
}

/* Encoders take whole samples of chroma only. */
static int even(int size, bool wanted)
{
    return wanted && size % 2 ? size + 1 : size;
}

static int settle_size(struct video *v, struct fm_error *error)
{
    const struct fm_video_params *p = &v->params;
    const double scale = upscale_scale(v->upscale);
    double w = p->width, h = p->height;
    if (w < 0 || h < 0) return core_fail(error, FM_ERR_ARGUMENT, "a result of %dx%d pixels", p->width, p->height);
    if (w == 0 && h == 0) w = v->in_w * scale, h = v->in_h * scale;
    if (w == 0) w = h * v->in_w / v->in_h;
    if (h == 0) h = w * v->in_h / v->in_w;
    if (!(w <= SIDE_MAX && h <= SIDE_MAX))
        return core_fail(error, FM_ERR_SHAPE, "a result of %.0fx%.0f pixels: %d is the most", w, h, SIDE_MAX);
    const enum video_layout layout = v->in_format.layout;
    v->out_w = even(w < 1 ? 1 : (int) floor(w + 0.5), layout == VIDEO_420 || layout == VIDEO_422);
    v->out_h = even(h < 1 ? 1 : (int) floor(h + 0.5), layout == VIDEO_420);
    if (floor(w + 0.5) != v->out_w || floor(h + 0.5) != v->out_h)
        video_note(v, "%.0fx%.0f becomes %dx%d: colours are there for every second pixel only", w, h, v->out_w, v->out_h);
    v->frame_w = p->compare == FM_VIDEO_SIDE ? v->out_w * 2 : v->out_w;
    v->frame_h = v->out_h;
    /* Pixels that are not square stay so; new proportions are made up for. */
    v->sample_aspect = v->info->sample_aspect;
    const double across = (double) v->out_w / v->in_w, down = (double) v->out_h / v->in_h;
    if (fabs(across / down - 1) > 0.01) {
        const bool known = v->sample_aspect.num > 0 && v->sample_aspect.den > 0;
        const double aspect = (known ? (double) v->sample_aspect.num / v->sample_aspect.den : 1) * down / across;
        v->sample_aspect = (struct media_ratio){(int) lrint(aspect * 10000), 10000};
    }
    /* Where nobody says by which matrix colours are to be shown, players go by the size: a larger result must say it. */
    v->out_format = v->in_format;
    const int matrix = planes_matrix(&v->in_format, v->whole_w, v->whole_h);
    if (planes_matrix(&v->out_format, v->frame_w, v->frame_h) != matrix) v->out_format.matrix = matrix;
    return FM_OK;
}

/* ---- networks ---- */

static double frame_rate(const struct video *v)
{
    const struct media_ratio average = v->info->average_rate, real = v->info->real_rate;
    if (average.num > 0 && average.den > 0) return (double) average.num / average.den;
    return real.num > 0 && real.den > 0 ? (double) real.num / real.den : DEFAULT_RATE;
}

/* The networks below the first one, for when time is short. */
static int settle_ladder(struct video *v, struct fm_error *error)
{
    const char *names[VIDEO_LEVELS_MAX];
    const struct upscale *u = v->upscale;
    v->realtime = v->params.realtime || v->info->live;
    if (!v->realtime || !v->level[0].network) return FM_OK;
    const double scale = upscale_scale(u);
    const int n = shipped_ladder(scale, u->params.model_dir, names, VIDEO_LEVELS_MAX - 2);
    for (int i = 0; i < n; i++) {
        char path[FIND_PATH_MAX];
        struct network *network = NULL;
        struct fm_error why;
        if (!strcmp(names[i], v->level[0].name) || find_network(names[i], u->params.model_dir, path, sizeof path, &why) < 0 ||
            network_open(path, u->pool, u->cpu_flags, &network, &why) < 0)
            continue;
        v->own_network[v->n_own++] = network;
        const int code = video_add_level(v, network, error);
        if (code < 0) return code;
        struct video_level *added = &v->level[v->n_levels - 1];
        if (added->cost < 0.9 * (added - 1)->cost) continue;
        chain_unref(&added->chain); /* no cheaper than what is there */
        v->n_levels--;
    }
    const int code = video_add_level(v, NULL, error);
    const double fps = frame_rate(v);
    v->budget_ns = (uint64_t) (v->params.frame_budget_ms > 0 ? v->params.frame_budget_ms * 1e6 : 1e9 / fps);
    return code;
}

static int settle_networks(struct video *v, struct fm_error *error)
{
    const struct upscale *u = v->upscale;
    int code = FM_ERR_UNSUPPORTED;
    const bool shrinks = v->out_w < v->in_w && v->out_h < v->in_h;
    for (int i = 0; i < u->n_networks && code < 0 && !shrinks; i++) {
        code = video_add_level(v, u->network[i], error);
        if (code == FM_ERR_NOMEM || (code < 0 && u->params.strict)) return code;
        if (code < 0) video_note(v, "%s cannot do this video: %s", u->network[i]->name, error->message);
    }
    if (u->n_networks && shrinks) video_note(v, "made smaller: by plain Lanczos, without the network");
    if (code < 0) code = video_add_level(v, NULL, error);
    return code < 0 ? code : settle_ladder(v, error);
}

static size_t work_bytes(const struct video *v, int tile_w, int tile_h)
{
    size_t most = 0;
    for (int i = 0; i < v->n_levels; i++) {
        if (!v->level[i].chain) continue;
        const size_t bytes = chain_bytes(v->level[i].chain, tile_w, tile_h);
        if (bytes > most) most = bytes;
    }
    return most;
}

static size_t slots_bytes(const struct video *v, int workers)
{
    return (size_t) crew_slots(v, workers) * v->bundle_bytes;
}

/* The largest pieces that fit the memory: whole frames, then bands, then tiles. */
static int settle_memory(struct video *v, struct fm_error *error)
{
    const size_t budget = v->upscale->budget;
    video_settle_bundle(v);
    const size_t own = budget / 4 < (64 << 20) ? budget / 4 : 64 << 20; /* FFmpeg's buffers, roughly */
    int workers = v->workers;
    while (workers > 1 && slots_bytes(v, workers) + own > budget / 4 * 3) workers--; /* frames at a time cost the most */
    if (workers < v->workers && v->named)
        return core_fail(error, FM_ERR_NOMEM, "%d workers need more than --memory allows (%zu MiB)", v->workers, budget >> 20);
    if (workers < v->workers) crew_share(v, workers, v->threads * v->workers);
    v->slots = crew_slots(v, workers);
    const size_t slots = slots_bytes(v, workers) + own < budget ? slots_bytes(v, workers) + own : budget;
    const size_t for_worker = (budget - slots) / (size_t) workers;
    const int step = 16;
    v->tile_w = v->out_w;
    v->tile_h = v->out_h;
    bool whole_only = false;
    for (int i = 0; i < v->n_levels; i++) whole_only |= v->level[i].chain && v->level[i].chain->whole_only;
    if (v->upscale->params.tile && !whole_only) {
        const double scale = (double) v->out_w / v->in_w;
        const int tile = ((int) (v->upscale->params.tile * scale) + 1) / 2 * 2;
        v->tile_w = tile < v->out_w ? tile : v->out_w;
        v->tile_h = tile < v->out_h ? tile : v->out_h;
        return FM_OK;
    }
    while (!whole_only && work_bytes(v, v->tile_w, v->tile_h) > for_worker) {
        if (v->tile_h > 4 * step || (v->tile_h > step && v->tile_w <= 8 * step))
            v->tile_h = (v->tile_h / 2 + step - 1) / step * step;
        else if (v->tile_w > 4 * step)
            v->tile_w = (v->tile_w / 2 + step - 1) / step * step;
        else
            return core_fail(
                error, FM_ERR_NOMEM, "%dx%d pixels need more than --memory allows (%zu MiB)", v->in_w, v->in_h, budget >> 20);
    }
    return FM_OK;
}

/* ---- all of it ---- */

static int open_upscale(struct video *v, struct pool *pool, uint32_t cpu_flags, struct fm_error *error)
{
    struct fm_upscale_params p = {.size = sizeof p};
    if (v->params.upscale) p = *v->params.upscale;
    const char *shipped[] = {NULL, NULL};
    if (!p.models || !p.models[0]) {
        const double scale = p.scale > 0 ? p.scale : 2;
        shipped[0] = shipped_for(scale, SHIPPED_VIDEO, p.model_dir);
        if (shipped[0]) p.models = shipped;
    }
    return upscale_create(&p, pool, cpu_flags, &v->upscale, error);
}

int video_settle(struct video *v, struct fm_error *error)
{
    int (*const steps[])(struct video *, struct fm_error *) = {
        crew_settle, open_source, settle_crop, settle_size, settle_networks, video_settle_conversions, settle_memory};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const int code = steps[i](v, error);
        if (code < 0) return code;
    }
    return FM_OK;
}

/* Strings of the caller, kept. */
static const char **keep_list(struct arena *arena, const char *const *list)
{
    if (!list) return NULL;
    const int n = count(list);
    const char **kept = arena_array(arena, (size_t) n + 1, sizeof *kept);
    for (int i = 0; kept && i < n; i++)
        if (!(kept[i] = arena_strdup(arena, list[i]))) return NULL;
    return kept;
}

static int keep_strings(struct video *v, struct fm_error *error)
{
    struct fm_video_params *p = &v->params;
    const char **const texts[] = {
        &p->input, &p->input_format, &p->interlaced, &p->output, &p->output_format, &p->encoder, &p->streams, &p->worker_list};
    const char *const **const lists[] = {&p->input_options, &p->output_options, &p->encoder_options, &p->worker_program};
    if (!(v->strings = arena_create())) return core_fail_nomem(error, 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (*texts[i] && !(*texts[i] = arena_strdup(v->strings, *texts[i]))) return core_fail_nomem(error, 0);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (*lists[i] && !(*lists[i] = keep_list(v->strings, *lists[i]))) return core_fail_nomem(error, 0);
    if (!p->upscale || !p->upscale->plugins) return FM_OK;
    v->plugins = keep_list(v->strings, p->upscale->plugins);
    return v->plugins ? FM_OK : core_fail_nomem(error, 0);
}

int video_create(
    const struct fm_video_params *params, struct pool *pool, uint32_t cpu_flags, struct video **out, struct fm_error *error)
{
    *out = NULL;
    struct fm_error ignored;
    if (!error) error = &ignored;
    struct video *v = core_calloc(1, sizeof *v);
    if (!v) return core_fail_nomem(error, sizeof *v);
    v->params = *params;
    atomic_init(&v->cancel, false);
    v->cancelled = &v->cancel;
    int code = keep_strings(v, error);
    if (code == FM_OK) code = open_upscale(v, pool, cpu_flags, error);
    v->params.upscale = NULL;
    if (code == FM_OK) code = video_settle(v, error);
    if (code < 0) video_destroy(&v);
    *out = v;
    return code;
}

void video_destroy(struct video **video)
{
    struct video *v = *video;
    *video = NULL;
    if (!v) return;
    for (int i = 0; i < v->n_levels; i++) chain_unref(&v->level[i].chain);
    for (int i = 0; i < v->n_own; i++) network_close(&v->own_network[i]);
    planes_destroy(&v->luma_in);
    planes_destroy(&v->luma_out);
    planes_destroy(&v->rgb_in);
    planes_destroy(&v->rgb_out);
    scale_destroy(&v->plain);
    video_source_close(&v->source);
    upscale_destroy(&v->upscale);
    pool_destroy(&v->own_pool);
    for (int i = 0; i < v->n_notes; i++) core_free(v->note[i]);
    arena_destroy(&v->strings);
    core_free(v);
}
