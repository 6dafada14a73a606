/* SPDX-License-Identifier: MIT */
/* Layouts: of everything, of the tiles that options or a memory budget ask for, of any region; and what a region reads and holds. */
#include <string.h>

#include "backend/cpu/program.h"
#include "core/alloc.h"
#include "core/error.h"

int cpu_lay_out(const struct backend_program *p, struct arena *arena, struct arena *work, const struct rect *part,
    enum plan_pace pace, struct plan_layout *out, struct fm_error *error)
{
    struct plan_want *want = arena_array(work, (size_t) p->n_values + 1, sizeof *want);
    if (!want) return core_fail_nomem(error, 0);
    int n = 0;
    for (int v = 0; v < p->n_values; v++) {
        if (p->value[v].memory != MEMORY_OUTPUT && !p->plan_value[v].pinned) continue;
        want[n] = (struct plan_want){.value = v, .x1 = p->plan_value[v].width, .y1 = p->plan_value[v].height};
        if (part && p->value[v].memory == MEMORY_OUTPUT)
            want[n] = (struct plan_want){v, part->x, part->x + part->w, part->y, part->y + part->h};
        n++;
    }
    return plan_build(arena, work, p->plan_value, p->n_values, p->plan_step, p->n_steps, want, n, p->threads, pace, out, error);
}

/* ---- tiles ---- */

int cpu_tiles_x(const struct backend_program *p)
{
    return p->tile_w ? (p->frame_w + p->tile_w - 1) / p->tile_w : 1;
}

int cpu_tiles_y(const struct backend_program *p)
{
    return p->tile_h ? (p->frame_h + p->tile_h - 1) / p->tile_h : 1;
}

struct rect cpu_tile(const struct backend_program *p, int column, int row)
{
    const int x = column * p->tile_w, y = row * p->tile_h;
    return (struct rect){
        x, y, p->frame_w - x < p->tile_w ? p->frame_w - x : p->tile_w, p->frame_h - y < p->tile_h ? p->frame_h - y : p->tile_h};
}

static int lay_out_tile(const struct backend_program *p, struct arena *arena, struct arena *work, int column, int row,
    struct plan_layout *out, struct fm_error *error)
{
    const struct rect tile = cpu_tile(p, column, row);
    return cpu_lay_out(p, arena, work, p->tile_w ? &tile : NULL, PLAN_AT_ONCE, out, error);
}

static size_t held_bytes(const struct backend_program *p, const struct plan_layout *l)
{
    return l->arena_bytes + l->zero_bytes + (p->scratch_bytes + 4096) * (size_t) p->threads + (size_t) l->n_tasks * 64;
}

#define TRIED_TILES 16 /* at either end of a row of tiles; how tiles lie on the steps' grids repeats sooner */

/* Which of a row (or column) of tiles needs most; `planning` grows to what laying out takes. */
static int find_largest(const struct backend_program *p, bool along_x, int *largest, size_t *planning, struct fm_error *error)
{
    struct arena *arena = arena_create(), *work = arena_create();
    const int nx = cpu_tiles_x(p), ny = cpu_tiles_y(p), n = along_x ? nx : ny;
    int code = arena && work ? FM_OK : core_fail_nomem(error, 0);
    size_t most = 0;
    for (int i = 0; i < n && code == FM_OK; i++) {
        struct plan_layout l;
        if (i == TRIED_TILES && n > 2 * TRIED_TILES) i = n - TRIED_TILES;
        arena_reset(arena);
        arena_reset(work);
        code = lay_out_tile(p, arena, work, along_x ? i : nx / 2, along_x ? ny / 2 : i, &l, error);
        if (code < 0 || held_bytes(p, &l) <= most) continue;
        most = held_bytes(p, &l);
        *largest = i;
    }
    if (code == FM_OK && arena_bytes(arena) + arena_bytes(work) > *planning) *planning = arena_bytes(arena) + arena_bytes(work);
    arena_destroy(&work);
    arena_destroy(&arena);
    return code;
}

/* The layout that a session's memory is made for: the whole output, or the largest tile (rings follow from the row a tile is in, lengths
 * of rows from its column, so the two are looked for one after the other). */
static int lay_out_largest(struct backend_program *p, struct fm_error *error)
{
    int column = 0, row = 0, code = FM_OK;
    size_t planning = 0;
    p->laid_out = false;
    if (p->tile_w) code = find_largest(p, true, &column, &planning, error);
    if (code == FM_OK && p->tile_w) code = find_largest(p, false, &row, &planning, error);
    if (code < 0) return code;
    struct arena *work = arena_create();
    if (!work) return core_fail_nomem(error, 0);
    arena_reset(p->layout_arena);
    code = lay_out_tile(p, p->layout_arena, work, column, row, &p->layout, error);
    arena_destroy(&work);
    p->laid_out = code == FM_OK;
    p->held_bytes = held_bytes(p, &p->layout) + planning;
    if (p->tile_w) p->held_bytes += p->layout.arena_bytes / 32; /* values of another tile may lie a little less densely */
    return code;
}

/* One picture in, one picture out: the only kind of network that is run in tiles. */
static bool can_tile(const struct backend_program *p)
{
    const struct graph *g = p->graph;
    return (p->exact || p->local) && g->n_inputs == 1 && g->n_outputs == 1 && p->n_tail == 0 && cpu_is_picture(p, g->input[0]) &&
           cpu_is_picture(p, g->output[0]) && g->value[g->input[0]].rank == 4 && p->output_value[0] >= 0;
}

static int to_output(int size, int out, int in)
{
    const int64_t scaled = ((int64_t) size * out + in / 2) / in;
    return scaled < 1 ? 1 : (int) scaled;
}

int cpu_choose_tile(struct backend_program *p, const struct backend_options *o, struct fm_error *error)
{
    const struct graph *g = p->graph;
    int code = lay_out_largest(p, error);
    if (code < 0) return code;
    const bool fits = !o->memory || p->held_bytes <= o->memory;
    if (!o->tile && fits) return FM_OK;
    if (!can_tile(p)) {
        const char *why = o->unbounded_reason && o->unbounded_reason[0] ? o->unbounded_reason
                                                                        : "it is not a network of one picture in and one out";
        if (o->tile) return core_fail(error, FM_ERR_UNSUPPORTED, "%s: tiles would change the result: %s", g->source, why);
        return core_fail(error, FM_ERR_NOMEM, "%s: needs %zu MiB in one piece and cannot run in tiles: %s", g->source,
            (p->held_bytes >> 20) + 1, why);
    }
    const struct graph_value *in = &g->value[g->input[0]];
    const int in_w = (int) in->dim[3], in_h = (int) in->dim[2];
    if (o->tile) {
        p->tile = o->tile;
        p->tile_w = to_output(o->tile, p->frame_w, in_w);
        p->tile_h = to_output(o->tile, p->frame_h, in_h);
        if (p->tile_w >= p->frame_w && p->tile_h >= p->frame_h) p->tile_w = p->tile_h = p->tile = 0;
        code = lay_out_largest(p, error);
        if (code < 0 || !o->memory || p->held_bytes <= o->memory) return code;
        return core_fail(error, FM_ERR_NOMEM, "%s: tiles of %d need %zu MiB, more than the %zu MiB allowed", g->source, o->tile,
            (p->held_bytes >> 20) + 1, o->memory >> 20);
    }
    /* Rows stream, so height costs nothing: narrower strips first, then shorter ones. */
    for (int parts = 2, w = in_w, h = in_h;; parts++) {
        if (w > 64)
            w = (in_w / parts + 47) / 48 * 48;
        else if (h > 64)
            h /= 2;
        else
            break;
        p->tile = w;
        p->tile_w = to_output(w, p->frame_w, in_w);
        p->tile_h = to_output(h, p->frame_h, in_h);
        code = lay_out_largest(p, error);
        if (code < 0 || p->held_bytes <= o->memory) return code;
    }
    return core_fail(error, FM_ERR_NOMEM, "%s: even its smallest tile needs %zu MiB, more than the %zu MiB allowed", g->source,
        (p->held_bytes >> 20) + 1, o->memory >> 20);
}

/* ---- regions ---- */

bool cpu_can_region(const struct backend_program *p)
{
    if (!can_tile(p)) return false;
    const struct graph_value *in = &p->graph->value[p->graph->input[0]], *out = &p->graph->value[p->graph->output[0]];
    return in->dtype == FM_F32 && out->dtype == FM_F32 && out->rank == 4 && in->dim[0] == 1 && out->dim[0] == 1;
}

bool cpu_can_strip(const struct backend_program *p)
{
    return cpu_can_region(p) && p->local && !p->writes_whole && p->output_step >= 0;
}

bool cpu_can_choose(const struct backend_program *p)
{
    return cpu_can_strip(p) && !p->tile_w;
}

static void find_regions(const struct backend_program *p, struct rect part, struct plan_value *values)
{
    memcpy(values, p->plan_value, (size_t) p->n_values * sizeof *values);
    const struct plan_want want = {p->output_value[0], part.x, part.x + part.w, part.y, part.y + part.h};
    plan_find_regions(values, p->n_values, p->plan_step, p->n_steps, &want, 1, true);
}

struct rect cpu_need_of(const struct backend_program *p, struct rect part, struct plan_value *values)
{
    find_regions(p, part, values);
    struct rect need = {0, 0, 0, 0};
    for (int v = 0; v < p->n_values; v++)
        if (p->value[v].memory == MEMORY_INPUT)
            need = rect_around(
                need, (struct rect){values[v].x0, values[v].y0, values[v].x1 - values[v].x0, values[v].y1 - values[v].y0});
    return need;
}

#define FEW_VALUES 128

/* Asked for every frame of a video: networks of the usual size take nothing from the heap. */
struct rect cpu_region_need(const struct backend_program *p, struct rect out)
{
    struct plan_value few[FEW_VALUES], *values = few;
    if (p->n_values > FEW_VALUES && !(values = core_alloc((size_t) p->n_values * sizeof *values))) return (struct rect){0, 0, 0, 0};
    const struct rect need = cpu_need_of(p, out, values);
    if (values != few) core_free(values);
    return need;
}

#define TRIED_PHASES 6 /* how a region may lie on the steps' grids: most repeat after 2, 4 or 6 pixels of input */
#define TRIED_PLACES (TRIED_PHASES + 3)

/* Places to try along one axis of `size` output pixels from `in` input pixels: all phases in the middle, both edges, near the first one. */
static int place(int i, int room, int size, int64_t in)
{
    const int step = in > 0 && size > in ? (int) ((size + in - 1) / in) : 1;
    const int at = i < TRIED_PHASES ? room / 2 + i * step : i == TRIED_PHASES ? 0 : i == TRIED_PHASES + 1 ? 2 * step : room;
    return at < room ? at : room;
}

struct sizer {
    const struct backend_program *p;
    struct arena *arena, *work;
    size_t bytes; /* the most so far, and where */
    struct rect worst;
};

static bool size_up(struct sizer *s, const struct rect *part, enum plan_pace pace)
{
    struct plan_layout l;
    arena_reset(s->arena);
    arena_reset(s->work);
    if (cpu_lay_out(s->p, s->arena, s->work, part, pace, &l, NULL) < 0) return false;
    const size_t bytes = held_bytes(s->p, &l) + l.arena_bytes / 8; /* at another place values may lie less densely */
    if (bytes > s->bytes) s->bytes = bytes, s->worst = part ? *part : (struct rect){0, 0, 0, 0};
    return true;
}

static bool size_up_places(struct sizer *s, struct rect part)
{
    const struct backend_program *p = s->p;
    const struct graph_value *in = &p->graph->value[p->graph->input[0]];
    const int room_x = p->frame_w - part.w, room_y = p->frame_h - part.h;
    bool ok = true;
    part.y = room_y / 2;
    for (int i = 0; ok && i < TRIED_PLACES && (i == 0 || room_x > 0); i++) {
        part.x = place(i, room_x, p->frame_w, in->dim[3]);
        ok = size_up(s, &part, PLAN_AT_ONCE);
    }
    part.x = s->worst.x;
    for (int i = 1; ok && i < TRIED_PLACES && room_y > 0; i++) {
        part.y = place(i, room_y, p->frame_h, in->dim[2]);
        ok = size_up(s, &part, PLAN_AT_ONCE);
    }
    if (!ok || room_y == 0 || !cpu_can_strip(p)) return ok;
    /* strips: their rings are full once they are a few halos long */
    const struct rect need = cpu_region_need(p, part);
    const int64_t longer = part.h + 2 * (int64_t) need.h * p->frame_h / in->dim[2] + 64;
    ok = !rect_is_empty(need);
    for (int i = 0; ok && i < 2; i++) {
        part.y = i ? room_y / 2 : 0;
        part.h = longer < p->frame_h - part.y ? (int) longer : p->frame_h - part.y;
        ok = size_up(s, &part, PLAN_STREAM);
    }
    return ok;
}

size_t cpu_region_bytes(const struct backend_program *p, int out_w, int out_h)
{
    struct sizer s = {.p = p, .arena = arena_create(), .work = arena_create()};
    const struct rect part = {0, 0, out_w < p->frame_w ? out_w : p->frame_w, out_h < p->frame_h ? out_h : p->frame_h};
    bool ok = s.arena && s.work;
    if (ok) ok = cpu_can_region(p) ? size_up_places(&s, part) : size_up(&s, NULL, PLAN_AT_ONCE);
    if (ok) s.bytes += arena_bytes(s.arena) + arena_bytes(s.work) + (size_t) p->n_values * sizeof(struct plan_value);
    if (ok && p->writes_whole) s.bytes += p->plan_value[p->output_value[0]].flat_bytes;
    arena_destroy(&s.work);
    arena_destroy(&s.arena);
    return ok ? s.bytes : SIZE_MAX;
}
