/* SPDX-License-Identifier: MIT */
/* The CPU backend: compile (lower, lay out, choose the tile), sessions, runs. */
#include <limits.h>
#include <string.h>

#include "backend/cpu/program.h"
#include "core/alloc.h"
#include "core/error.h"

/* Lays out the part [x0, x1) x [y0, y1) of output 0 (and all of the others). */
static int lay_out(const struct backend_program *p, struct arena *arena, struct arena *work, int x0, int x1, int y0, int y1,
    struct plan_layout *out, struct fm_error *error)
{
    struct plan_want *want = arena_array(work, (size_t) p->n_values + 1, sizeof *want);
    if (!want) return core_fail_nomem(error, 0);
    int n = 0;
    for (int v = 0; v < p->n_values; v++) {
        if (p->value[v].memory != MEMORY_OUTPUT && !p->plan_value[v].pinned) continue;
        want[n] = (struct plan_want){.value = v, .x1 = p->plan_value[v].width, .y1 = p->plan_value[v].height};
        if (p->tile_w && p->value[v].memory == MEMORY_OUTPUT) want[n].x0 = x0, want[n].x1 = x1, want[n].y0 = y0, want[n].y1 = y1;
        n++;
    }
    return plan_build(
        arena, work, p->plan_value, p->n_values, p->plan_step, p->n_steps, want, n, pool_threads(p->pool), out, error);
}

static int tiles_x(const struct backend_program *p)
{
    return p->tile_w ? (p->frame_w + p->tile_w - 1) / p->tile_w : 1;
}

static int tiles_y(const struct backend_program *p)
{
    return p->tile_h ? (p->frame_h + p->tile_h - 1) / p->tile_h : 1;
}

static int lay_out_tile(const struct backend_program *p, struct arena *arena, struct arena *work, int column, int row,
    struct plan_layout *out, struct fm_error *error)
{
    const int x0 = column * p->tile_w, y0 = row * p->tile_h;
    const int x1 = p->tile_w && p->frame_w - x0 > p->tile_w ? x0 + p->tile_w : p->frame_w;
    const int y1 = p->tile_h && p->frame_h - y0 > p->tile_h ? y0 + p->tile_h : p->frame_h;
    return lay_out(p, arena, work, x0, x1, y0, y1, out, error);
}

static size_t held_bytes(const struct backend_program *p, const struct plan_layout *l)
{
    return l->arena_bytes + l->zero_bytes + (p->scratch_bytes + 4096) * (size_t) pool_threads(p->pool) + (size_t) l->n_tasks * 64;
}

#define TRIED_TILES 16 /* at either end of a row of tiles; how tiles lie on the steps' grids repeats sooner */

/* Which of a row (or column) of tiles needs most; `planning` grows to what laying out takes. */
static int find_largest(const struct backend_program *p, bool along_x, int *largest, size_t *planning, struct fm_error *error)
{
    struct arena *arena = arena_create(), *work = arena_create();
    const int n = along_x ? tiles_x(p) : tiles_y(p);
    int code = arena && work ? FM_OK : core_fail_nomem(error, 0);
    size_t most = 0;
    for (int i = 0; i < n && code == FM_OK; i++) {
        struct plan_layout l;
        if (i == TRIED_TILES && n > 2 * TRIED_TILES) i = n - TRIED_TILES;
        arena_reset(arena);
        arena_reset(work);
        code = lay_out_tile(p, arena, work, along_x ? i : tiles_x(p) / 2, along_x ? tiles_y(p) / 2 : i, &l, error);
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
    if (p->tile_w) code = find_largest(p, true, &column, &planning, error);
    if (code == FM_OK && p->tile_w) code = find_largest(p, false, &row, &planning, error);
    if (code < 0) return code;
    struct arena *work = arena_create();
    if (!work) return core_fail_nomem(error, 0);
    arena_reset(p->layout_arena);
    code = lay_out_tile(p, p->layout_arena, work, column, row, &p->layout, error);
    arena_destroy(&work);
    p->held_bytes = held_bytes(p, &p->layout) + planning;
    if (p->tile_w) p->held_bytes += p->layout.arena_bytes / 32; /* values of another tile may lie a little less densely */
    return code;
}

/* One picture in, one picture out: the only kind of network that is run in tiles. */
static bool can_tile(const struct backend_program *p)
{
    const struct graph *g = p->graph;
    return p->exact && g->n_inputs == 1 && g->n_outputs == 1 && p->n_tail == 0 && cpu_is_picture(p, g->input[0]) &&
           cpu_is_picture(p, g->output[0]) && g->value[g->input[0]].rank == 4 && p->output_value[0] >= 0;
}

static int to_output(int size, int out, int in)
{
    const int64_t scaled = ((int64_t) size * out + in / 2) / in;
    return scaled < 1 ? 1 : (int) scaled;
}

static int choose_tile(struct backend_program *p, const struct backend_options *o, struct fm_error *error)
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

static void cpu_program_destroy(struct backend_program **program)
{
    struct backend_program *p = *program;
    *program = NULL;
    if (!p) return;
    arena_destroy(&p->layout_arena);
    arena_destroy(&p->arena);
    core_free(p);
}

static int cpu_compile(
    const struct graph *graph, const struct backend_options *o, struct backend_program **out, struct fm_error *error)
{
    *out = NULL;
    struct backend_program *p = core_calloc(1, sizeof *p);
    if (!p) return core_fail_nomem(error, sizeof *p);
    *p = (struct backend_program){
        .graph = graph, .pool = o->pool, .kernels = kernel_set_for(o->cpu_flags), .exact = o->tiles_are_exact};
    p->arena = arena_create();
    p->layout_arena = arena_create();
    int code = p->arena && p->layout_arena ? FM_OK : core_fail_nomem(error, 0);
    if (code == FM_OK) code = cpu_lower(p, error);
    if (code == FM_OK && p->n_tail < graph->n_nodes && p->output_value && graph->n_outputs && cpu_is_picture(p, graph->output[0])) {
        int n, c;
        cpu_picture(&graph->value[graph->output[0]], &n, &c, &p->frame_h, &p->frame_w);
    }
    if (code == FM_OK) code = choose_tile(p, o, error);
    if (code < 0) {
        cpu_program_destroy(&p);
        return code;
    }
    *out = p;
    return FM_OK;
}

static void cpu_program_info(const struct backend_program *p, struct backend_info *info)
{
    *info = (struct backend_info){.weights_bytes = p->weights_bytes,
        .session_bytes = p->held_bytes,
        .tile = p->tile,
        .tiles = tiles_x(p) * tiles_y(p),
        .steps = p->n_steps,
        .macs = p->macs};
}

static int cpu_program_step(const struct backend_program *p, int index, struct backend_step *step)
{
    if (index < 0 || index >= p->n_steps) return FM_ERR_EOS;
    const struct cpu_step *s = &p->step[index];
    *step = (struct backend_step){.name = s->name, .what = s->what, .how = s->how, .macs = s->macs};
    return FM_OK;
}

static void cpu_session_destroy(struct backend_session **session)
{
    struct backend_session *s = *session;
    *session = NULL;
    if (!s) return;
    cpu_clear_tail(s);
    if (s->own_output && s->own_bytes)
        for (int k = 0; k < s->program->graph->n_outputs; k++) core_free_pages(s->own_output[k], s->own_bytes[k]);
    core_free_pages(s->memory, s->memory_bytes);
    core_free_pages(s->zero, s->zero_bytes);
    core_free_pages(s->scratch, s->scratch_stride * (size_t) pool_threads(s->program->pool));
    core_free(s->bound);
    core_free(s->own_output);
    core_free(s->own_bytes);
    core_free(s->tail_value);
    core_free((void *) s->step_ns);
    cpu_tasks_destroy(&s->tasks);
    arena_destroy(&s->tile_arena);
    arena_destroy(&s->work_arena);
    core_free(s);
}

/* Room for a layout; grows when a tile needs more than the one the plan was sized by. */
static int reserve(struct backend_session *s, const struct plan_layout *l, struct fm_error *error)
{
    if (l->arena_bytes > s->memory_bytes || !s->memory) {
        core_free_pages(s->memory, s->memory_bytes);
        s->memory_bytes = l->arena_bytes ? l->arena_bytes : 64;
        s->memory = core_alloc_pages(s->memory_bytes);
        if (!s->memory) return core_fail_nomem(error, s->memory_bytes);
    }
    if (l->zero_bytes > s->zero_bytes || !s->zero) {
        core_free_pages(s->zero, s->zero_bytes);
        s->zero_bytes = l->zero_bytes;
        s->zero = core_alloc_pages(s->zero_bytes);
        if (!s->zero) return core_fail_nomem(error, s->zero_bytes);
    }
    return cpu_tasks_reserve(s->tasks, l->n_tasks) < 0 ? core_fail_nomem(error, 0) : FM_OK;
}

static int cpu_session_create(const struct backend_program *p, struct backend_session **out, struct fm_error *error)
{
    *out = NULL;
    struct backend_session *s = core_calloc(1, sizeof *s);
    if (!s) return core_fail_nomem(error, sizeof *s);
    s->program = p;
    s->layout = &p->layout;
    s->scratch_stride = (p->scratch_bytes + 4096 + 63) / 64 * 64;
    const size_t outputs = (size_t) p->graph->n_outputs + 1;
    s->bound = core_calloc((size_t) p->n_values + 1, sizeof *s->bound);
    s->own_output = core_calloc(outputs, sizeof *s->own_output);
    s->own_bytes = core_calloc(outputs, sizeof *s->own_bytes);
    s->step_ns = core_calloc((size_t) p->n_steps + 1, sizeof *s->step_ns);
    s->scratch = core_alloc_pages(s->scratch_stride * (size_t) pool_threads(p->pool));
    s->tile_arena = arena_create();
    s->work_arena = arena_create();
    bool ok = s->bound && s->own_output && s->own_bytes && s->step_ns && s->scratch && s->tile_arena && s->work_arena;
    if (ok && p->n_tail) {
        s->tail_value = core_calloc((size_t) p->graph->n_values + 1, sizeof *s->tail_value);
        ok = s->tail_value != NULL;
    }
    int code = ok ? cpu_tasks_create(p->layout.n_tasks, &s->tasks, error) : core_fail_nomem(error, 0);
    if (code == FM_OK) code = reserve(s, &p->layout, error);
    if (code == FM_OK)
        for (int v = 0; v < p->n_values; v++)
            if (p->value[v].memory == MEMORY_CONSTANT) memcpy(&s->bound[v], &p->value[v].constant, sizeof s->bound[v]);
    *out = s;
    if (code < 0) cpu_session_destroy(out);
    return code;
}

/* Points every external value at this run's arrays; lends memory where the caller brings none. */
static int bind(struct backend_session *s, const struct backend_call *call, struct fm_error *error)
{
    const struct backend_program *p = s->program;
    for (int v = 0; v < p->n_values; v++) {
        if (p->value[v].memory == MEMORY_INPUT) s->bound[v] = call->inputs[p->value[v].index].data;
        if (p->value[v].memory != MEMORY_OUTPUT) continue;
        const int k = p->value[v].index;
        const struct graph_value *g = &p->graph->value[p->graph->output[k]];
        struct fm_tensor *out = &call->outputs[k];
        if (!out->data) {
            struct fm_tensor t = {.dtype = g->dtype, .rank = g->rank};
            memcpy(t.dim, g->dim, sizeof t.dim);
            const size_t bytes = (size_t) fm_tensor_count(&t) * fm_dtype_size(g->dtype);
            if (!s->own_output[k]) {
                s->own_bytes[k] = bytes ? bytes : 1;
                s->own_output[k] = core_alloc_pages(s->own_bytes[k]);
                if (!s->own_output[k]) return core_fail_nomem(error, bytes);
            }
            t.data = s->own_output[k];
            *out = t;
        }
        s->bound[v] = out->data;
    }
    return FM_OK;
}

static int run_tiles(struct backend_session *s, struct fm_error *error)
{
    const struct backend_program *p = s->program;
    const int nx = tiles_x(p), ny = tiles_y(p);
    for (int t = 0; t < nx * ny; t++) {
        arena_reset(s->tile_arena);
        arena_reset(s->work_arena);
        int code = lay_out_tile(p, s->tile_arena, s->work_arena, t % nx, t / nx, &s->tile_layout, error);
        if (code == FM_OK) code = reserve(s, &s->tile_layout, error);
        if (code < 0) return code;
        s->layout = &s->tile_layout;
        s->progress_span = 1.0 / (nx * ny);
        s->progress_base = t * s->progress_span;
        code = cpu_execute(s);
        if (code < 0) return code;
    }
    return FM_OK;
}

static int run(struct backend_session *s, const struct backend_call *call, struct fm_error *error)
{
    const struct backend_program *p = s->program;
    s->cancel = call->cancel;
    s->progress = call->progress;
    s->user = call->user;
    int code = bind(s, call, error);
    if (code < 0) return code;
    cpu_take_back_tail(s, call);
    cpu_clear_tail(s);
    if (p->tile_w) {
        code = run_tiles(s, error);
    } else {
        s->layout = &p->layout;
        s->progress_base = 0;
        s->progress_span = 1;
        code = cpu_execute(s);
    }
    if (code == FM_ERR_CANCELLED) return core_fail(error, code, "cancelled");
    if (code == FM_ERR_NOMEM) return core_fail_nomem(error, 0);
    if (code < 0) return core_fail(error, code, "%s: a step failed: %s", p->graph->source, fm_err_name(code));
    code = cpu_run_tail(s, call, error);
    if (code == FM_OK && s->progress) s->progress(s->user, 1);
    return code;
}

static int cpu_submit(struct backend_session *session, const struct backend_call *call, uint64_t *ticket, struct fm_error *error)
{
    *ticket = 0;
    return session->result = run(session, call, error);
}

static int cpu_wait(struct backend_session *session, uint64_t ticket, struct fm_error *error)
{
    (void) ticket;
    (void) error;
    return session->result;
}

static void cpu_set_profile(struct backend_session *session, bool on)
{
    if (on && !session->profile)
        for (int i = 0; i < session->program->n_steps; i++) atomic_store(&session->step_ns[i], 0);
    session->profile = on;
}

static double cpu_step_seconds(const struct backend_session *session, int step)
{
    return step < 0 || step >= session->program->n_steps ? 0 : (double) atomic_load(&session->step_ns[step]) * 1e-9;
}

const struct backend backend_cpu = {
    .name = "cpu",
    .compile = cpu_compile,
    .program_destroy = cpu_program_destroy,
    .program_info = cpu_program_info,
    .program_step = cpu_program_step,
    .session_create = cpu_session_create,
    .session_destroy = cpu_session_destroy,
    .submit = cpu_submit,
    .wait = cpu_wait,
    .set_profile = cpu_set_profile,
    .step_seconds = cpu_step_seconds,
};
