/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* st_mtim */
#include "tasks/video/brief.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/error.h"
#include "tasks/upscale/shipped.h"

#define BRIEF_MAGIC 0x31666569726266u

/* ---- the job's side ---- */

static const char *file_of(const struct video_level *level)
{
    return level->network ? level->network->graph->source : "";
}

static int look_at(const char *file, struct brief_level *level, struct fm_error *error)
{
    struct stat st;
    *level = (struct brief_level){.is_plain = !*file};
    if (level->is_plain) return FM_OK;
    if (stat(file, &st) != 0) return core_fail(error, FM_ERR_IO, "%s: %s", file, strerror(errno));
    level->bytes = st.st_size;
    level->seconds = st.st_mtim.tv_sec;
    level->nanoseconds = st.st_mtim.tv_nsec;
    return FM_OK;
}

static char *put(char *to, const char *text)
{
    const size_t n = strlen(text) + 1;
    memcpy(to, text, n);
    return to + n;
}

int brief_make(const struct video *v, struct brief **out, size_t *bytes, struct fm_error *error)
{
    const struct upscale *u = v->upscale;
    size_t size = sizeof **out;
    for (int i = 0; i < v->n_levels; i++) size += strlen(file_of(&v->level[i])) + 1;
    for (int i = 0; i < u->n_plugins; i++) size += strlen(v->plugins[i]) + 1;
    struct brief *b = core_calloc(1, size);
    if (!b) return core_fail_nomem(error, size);
    *b = (struct brief){.magic = BRIEF_MAGIC,
        .bytes = size,
        .in_format = v->in_format,
        .out_format = v->out_format,
        .whole_w = v->whole_w,
        .whole_h = v->whole_h,
        .in_w = v->in_w,
        .in_h = v->in_h,
        .out_w = v->out_w,
        .out_h = v->out_h,
        .frame_w = v->frame_w,
        .frame_h = v->frame_h,
        .tile_w = v->tile_w,
        .tile_h = v->tile_h,
        .bundle_bytes = v->bundle_bytes,
        .compare = (int) v->params.compare,
        .ensemble = u->params.ensemble,
        .tile = u->params.tile,
        .overlap = u->params.overlap,
        .cpu_flags = u->cpu_flags,
        .reuses = v->reuses,
        .workers = v->workers,
        .n_levels = v->n_levels,
        .n_plugins = u->n_plugins};
    for (int i = 0; i < v->workers; i++) b->threads[i] = v->crew[i].threads;
    char *at = b->text;
    int code = FM_OK;
    for (int i = 0; i < v->n_levels && code == FM_OK; i++) {
        code = look_at(file_of(&v->level[i]), &b->level[i], error);
        at = put(at, file_of(&v->level[i]));
    }
    for (int i = 0; i < u->n_plugins && code == FM_OK; i++) at = put(at, v->plugins[i]);
    *out = b;
    *bytes = size;
    return code;
}

/* ---- the worker's side ---- */

/* Sizes in range, and every text has its end within the brief. */
static bool is_sound(const struct brief *b, size_t bytes)
{
    if (bytes < sizeof *b || b->magic != BRIEF_MAGIC || b->bytes != bytes) return false;
    if (b->workers < 1 || b->workers > VIDEO_WORKERS_MAX || b->n_levels < 1 || b->n_levels > VIDEO_LEVELS_MAX || b->n_plugins < 0)
        return false;
    const char *at = b->text, *const end = (const char *) b + bytes;
    for (int i = 0; i < b->n_levels + b->n_plugins; i++) {
        const char *const stop = at < end ? memchr(at, 0, (size_t) (end - at)) : NULL;
        if (!stop) return false;
        at = stop + 1;
    }
    return true;
}

/* Frames of another network would not fit those of the other workers. */
static int check_unchanged(const char *file, const struct brief_level *was, struct fm_error *error)
{
    struct brief_level now;
    const int code = look_at(file, &now, error);
    if (code < 0) return code;
    if (now.bytes == was->bytes && now.seconds == was->seconds && now.nanoseconds == was->nanoseconds) return FM_OK;
    return core_fail(error, FM_ERR_IO, "%s was changed since the job began", file);
}

static int open_upscale(struct video *v, const struct brief *b, const char *plugins, struct fm_error *error)
{
    static const char *const none[] = {SHIPPED_PLAIN, NULL};
    struct fm_upscale_params p = {
        .size = sizeof p, .models = none, .ensemble = b->ensemble, .tile = b->tile, .overlap = b->overlap};
    v->plugins = arena_array(v->strings, (size_t) b->n_plugins + 1, sizeof *v->plugins);
    if (!v->plugins) return core_fail_nomem(error, 0);
    for (int i = 0; i < b->n_plugins; i++, plugins += strlen(plugins) + 1)
        if (!(v->plugins[i] = arena_strdup(v->strings, plugins))) return core_fail_nomem(error, 0);
    v->plugins[b->n_plugins] = NULL;
    p.plugins = (const char *const *) v->plugins;
    return upscale_create(&p, v->own_pool, b->cpu_flags, &v->upscale, error);
}

static int open_level(struct video *v, const char *file, const struct brief_level *was, struct fm_error *error)
{
    if (was->is_plain) return video_add_level(v, NULL, error);
    int code = check_unchanged(file, was, error);
    if (code < 0) return code;
    struct network *network = NULL;
    code = network_open(file, v->own_pool, v->upscale->cpu_flags, &network, error);
    if (code < 0) return code;
    v->own_network[v->n_own++] = network;
    return video_add_level(v, network, error);
}

static int follow(struct video *v, const struct brief *b, struct fm_error *error)
{
    const char *text = b->text, *plugins = text;
    for (int i = 0; i < b->n_levels; i++) plugins += strlen(plugins) + 1;
    if (!(v->strings = arena_create())) return core_fail_nomem(error, 0);
    int code = pool_create(1, &v->own_pool, error);
    if (code == FM_OK) code = open_upscale(v, b, plugins, error);
    for (int i = 0; i < b->n_levels && code == FM_OK; i++, text += strlen(text) + 1)
        code = open_level(v, text, &b->level[i], error);
    if (code == FM_OK) code = video_settle_conversions(v, error);
    if (code < 0) return code;
    video_settle_bundle(v);
    if (v->bundle_bytes != b->bundle_bytes) return core_fail(error, FM_ERR_FORMAT, "the job's slots are laid out otherwise");
    return FM_OK;
}

int brief_follow(const void *memory, size_t bytes, int worker, atomic_bool *stopping, struct video **out, struct fm_error *error)
{
    const struct brief *b = memory;
    *out = NULL;
    if (!is_sound(b, bytes) || worker < 0 || worker >= b->workers)
        return core_fail(error, FM_ERR_FORMAT, "what the job says is not of this build");
    struct video *v = core_calloc(1, sizeof *v);
    if (!v) return core_fail_nomem(error, sizeof *v);
    v->cancelled = stopping;
    v->isolated = true;
    v->params.compare = (enum fm_video_compare) b->compare;
    v->in_format = b->in_format;
    v->out_format = b->out_format;
    v->whole_w = b->whole_w, v->whole_h = b->whole_h;
    v->in_w = b->in_w, v->in_h = b->in_h;
    v->crop = rect_whole(v->in_w, v->in_h); /* what lies in the slot is cropped */
    v->out_w = b->out_w, v->out_h = b->out_h;
    v->frame_w = b->frame_w, v->frame_h = b->frame_h;
    v->tile_w = b->tile_w, v->tile_h = b->tile_h;
    v->reuses = b->reuses;
    v->threads = b->threads[worker];
    const int code = follow(v, b, error);
    if (code < 0) video_destroy(&v);
    *out = v;
    return code;
}
