/* SPDX-License-Identifier: MIT */
/* Sessions of the CPU backend: working memory, and runs of everything, of tiles one after the other, of a region. */
#include <string.h>

#include "backend/cpu/program.h"
#include "core/alloc.h"
#include "core/error.h"

void cpu_session_destroy(struct backend_session **session)
{
    struct backend_session *s = *session;
    *session = NULL;
    if (!s) return;
    cpu_clear_tail(s);
    if (s->own_output && s->own_bytes)
        for (int k = 0; k < s->program->graph->n_outputs; k++) core_free_pages(s->own_output[k], s->own_bytes[k]);
    core_free_pages(s->memory, s->memory_bytes);
    core_free_pages(s->zero, s->zero_bytes);
    core_free_pages(s->scratch, s->scratch_stride * (size_t) pool_threads(s->pool));
    core_free(s->bound);
    core_free(s->own_output);
    core_free(s->own_bytes);
    core_free(s->tail_value);
    core_free((void *) s->step_ns);
    core_free(s->need);
    cpu_tasks_destroy(&s->tasks);
    plan_spread_release(&s->spread);
    arena_destroy(&s->part_arena);
    arena_destroy(&s->work_arena);
    core_free(s);
}

/* Replaces a buffer by a larger one. The old one goes first: both together might not fit. */
static bool grow(void **memory, size_t *bytes, size_t wanted)
{
    if (*memory && wanted <= *bytes) return true;
    core_free_pages(*memory, *bytes);
    *bytes = 0;
    *memory = core_alloc_pages(wanted ? wanted : 64);
    if (!*memory) return false;
    *bytes = wanted ? wanted : 64;
    return true;
}

/* Room for a layout. When there is none, what the session had is given back. */
static int reserve(struct backend_session *s, const struct plan_layout *l, struct fm_error *error)
{
    void *memory = s->memory, *zero = s->zero, *scratch = s->scratch;
    size_t scratch_bytes = scratch ? s->scratch_stride * (size_t) pool_threads(s->pool) : 0;
    const bool ok = grow(&memory, &s->memory_bytes, l->arena_bytes) && grow(&zero, &s->zero_bytes, l->zero_bytes) &&
                    grow(&scratch, &scratch_bytes, s->scratch_stride * (size_t) pool_threads(s->pool)) &&
                    cpu_tasks_reserve(s->tasks, l->n_tasks) == FM_OK;
    if (!ok) {
        core_free_pages(memory, s->memory_bytes);
        memory = NULL;
        s->memory_bytes = 0;
    }
    s->memory = memory;
    s->zero = zero;
    s->scratch = scratch;
    return ok ? FM_OK : core_fail_nomem(error, l->arena_bytes);
}

int cpu_session_create(const struct backend_program *p, struct pool *pool, struct backend_session **out, struct fm_error *error)
{
    *out = NULL;
    struct backend_session *s = core_calloc(1, sizeof *s);
    if (!s) return core_fail_nomem(error, sizeof *s);
    s->program = p;
    s->pool = pool;
    s->layout = &p->layout;
    s->scratch_stride = (p->scratch_bytes + 4096 + 63) / 64 * 64;
    const size_t outputs = (size_t) p->graph->n_outputs + 1;
    s->bound = core_calloc((size_t) p->n_values + 1, sizeof *s->bound);
    s->own_output = core_calloc(outputs, sizeof *s->own_output);
    s->own_bytes = core_calloc(outputs, sizeof *s->own_bytes);
    s->step_ns = core_calloc((size_t) p->n_steps + 1, sizeof *s->step_ns);
    s->need = core_alloc(((size_t) p->n_values + 1) * sizeof *s->need);
    s->part_arena = arena_create();
    s->work_arena = arena_create();
    bool ok = s->bound && s->own_output && s->own_bytes && s->step_ns && s->need && s->part_arena && s->work_arena;
    if (ok && p->n_tail) {
        s->tail_value = core_calloc((size_t) p->graph->n_values + 1, sizeof *s->tail_value);
        ok = s->tail_value != NULL;
    }
    const int code = ok ? cpu_tasks_create(1, &s->tasks, error) : core_fail_nomem(error, 0);
    if (code == FM_OK)
        for (int v = 0; v < p->n_values; v++)
            if (p->value[v].memory == MEMORY_CONSTANT) memcpy(&s->bound[v], &p->value[v].constant, sizeof s->bound[v]);
    *out = s;
    if (code < 0) cpu_session_destroy(out);
    return code;
}

static bool same(struct rect a, struct rect b)
{
    return rect_contains(a, b) && rect_contains(b, a);
}

/* Makes the layout of a part the current one; the last one is kept. part NULL: everything. */
static int lay_out_part(struct backend_session *s, const struct rect *part, enum plan_pace pace, struct fm_error *error)
{
    const struct backend_program *p = s->program;
    const struct rect key = part ? *part : rect_whole(p->frame_w > 0 ? p->frame_w : 1, p->frame_h > 0 ? p->frame_h : 1);
    const bool is_strip = pace == PLAN_STREAM;
    s->layout = &s->part;
    if (!rect_is_empty(s->part_out) && same(s->part_out, key) && s->is_strip == is_strip) return FM_OK;
    s->part_out = (struct rect){0, 0, 0, 0};
    arena_reset(s->part_arena);
    arena_reset(s->work_arena);
    const int code = cpu_lay_out(p, s->part_arena, s->work_arena, part, pace, &s->part, error);
    if (code < 0) return code;
    s->part_out = key;
    s->is_strip = is_strip;
    s->strip_y = -1;
    return FM_OK;
}

/* The layout of a whole run. */
static int lay_out_whole(struct backend_session *s, struct fm_error *error)
{
    if (!s->program->laid_out) return lay_out_part(s, NULL, PLAN_AT_ONCE, error);
    s->layout = &s->program->layout;
    return FM_OK;
}

int cpu_session_warm(struct backend_session *s, struct fm_error *error)
{
    const int code = lay_out_whole(s, error);
    return code < 0 ? code : reserve(s, s->layout, error);
}

/* The session's own array for an output, made when first needed. */
static int lend(struct backend_session *s, int k, struct fm_tensor *out, struct fm_error *error)
{
    const struct graph_value *g = &s->program->graph->value[s->program->graph->output[k]];
    struct fm_tensor t = {.dtype = g->dtype, .rank = g->rank};
    memcpy(t.dim, g->dim, sizeof t.dim);
    const size_t bytes = (size_t) fm_tensor_count(&t) * fm_dtype_size(g->dtype);
    if (!s->own_output[k]) {
        s->own_output[k] = core_alloc_pages(bytes ? bytes : 1);
        if (!s->own_output[k]) return core_fail_nomem(error, bytes);
        s->own_bytes[k] = bytes ? bytes : 1;
    }
    t.data = s->own_output[k];
    *out = t;
    return FM_OK;
}

/* Points every external value at this run's arrays; lends memory where the caller brings none. */
static int bind(struct backend_session *s, const struct backend_call *call, struct fm_error *error)
{
    const struct backend_program *p = s->program;
    for (int v = 0; v < p->n_values; v++) {
        if (p->value[v].memory == MEMORY_INPUT) s->bound[v] = call->inputs[p->value[v].index].data;
        if (p->value[v].memory != MEMORY_OUTPUT) continue;
        struct fm_tensor *out = &call->outputs[p->value[v].index];
        const int code = out->data ? FM_OK : lend(s, p->value[v].index, out, error);
        if (code < 0) return code;
        s->bound[v] = out->data;
    }
    return FM_OK;
}

static int run_whole(struct backend_session *s, struct fm_error *error)
{
    int code = lay_out_whole(s, error);
    if (code == FM_OK) code = reserve(s, s->layout, error);
    if (code < 0) return code;
    s->said_tile = 0;
    s->said_tiles = 1;
    return cpu_execute(s, 0, s->layout->n_tasks);
}

static int run_tiles(struct backend_session *s, struct fm_error *error)
{
    const struct backend_program *p = s->program;
    const int nx = cpu_tiles_x(p), n = nx * cpu_tiles_y(p);
    for (int t = 0; t < n; t++) {
        const struct rect tile = cpu_tile(p, t % nx, t / nx);
        int code = lay_out_part(s, &tile, PLAN_AT_ONCE, error);
        if (code == FM_OK) code = reserve(s, s->layout, error);
        if (code < 0) return code;
        s->said_tile = t;
        s->said_tiles = n;
        code = cpu_execute(s, 0, s->layout->n_tasks);
        if (code < 0) return code;
    }
    return FM_OK;
}

/* Cuts the region out of a picture that was made whole. */
static void copy_out(const struct backend_session *s, const float *whole, struct rect out, float *to)
{
    const struct graph_value *g = &s->program->graph->value[s->program->graph->output[0]];
    const size_t width = (size_t) g->dim[3], height = (size_t) g->dim[2];
    for (size_t c = 0; c < (size_t) g->dim[1]; c++)
        for (int y = 0; y < out.h; y++, to += out.w)
            memcpy(to, whole + (c * height + (size_t) (out.y + y)) * width + out.x, (size_t) out.w * sizeof *to);
}

/* ---- strips ---- */

/* Whether a region is the next one of a strip, its first one, or a new strip should begin with it: a strip is worth its longer plan when
 * regions below one another are seen, or likely. */
static bool in_strip(const struct backend_session *s, struct rect out, struct rect *strip)
{
    const struct backend_program *p = s->program;
    const struct rect *last = &s->part_out;
    if (!cpu_can_strip(p)) return false;
    const bool below = !rect_is_empty(*last) && last->x == out.x && last->w == out.w;
    if (below && s->is_strip && (out.y == s->strip_y || out.y == last->y)) {
        *strip = *last;
        return true;
    }
    if (out.y + out.h >= p->frame_h) return false;
    *strip = (struct rect){out.x, out.y, out.w, p->frame_h - out.y};
    return (out.w == p->frame_w && out.y == 0) || (below && !s->is_strip && out.y == last->y + last->h);
}

/* The task that completes output row y - 1; strips: the last of a run. */
static int last_task(const struct backend_session *s, int from, int y)
{
    int t = from;
    while (t < s->part.n_tasks && !(s->part.task[t].step == s->program->output_step && s->part.task[t].y1 >= y)) t++;
    return t;
}

static bool holds(const struct backend_session *s, struct rect in, int first, int end)
{
    for (int v = 0; v < s->program->n_values; v++) {
        if (s->program->value[v].memory != MEMORY_INPUT) continue;
        const struct plan_value *value = &s->part.value[v];
        int y0, y1;
        plan_rows_read(&s->part, v, first, end, &y0, &y1);
        if (y1 > y0 && (y0 < in.y || y1 > in.y + in.h || value->x0 < in.x || value->x1 > in.x + in.w)) return false;
    }
    return true;
}

/* The next rows of a strip. FM_ERR_AGAIN: not in this way - no memory for it, or it reads what the region alone would not. The task that
 * made the last row may have made rows below, of which nothing was kept: it is run again with the next region. */
static int run_strip(struct backend_session *s, const struct backend_region *r)
{
    struct rect strip;
    if (!in_strip(s, r->out, &strip) || lay_out_part(s, &strip, PLAN_STREAM, NULL) < 0) return FM_ERR_AGAIN;
    const int end = r->out.y + r->out.h;
    if (r->out.y == strip.y) s->strip_task = 0;
    const int first = s->strip_task, last = last_task(s, first, end);
    s->strip_y = -1;
    if (last == s->part.n_tasks || !holds(s, r->in, first, last + 1) || reserve(s, s->layout, NULL) < 0) return FM_ERR_AGAIN;
    const int code = cpu_execute(s, first, last + 1);
    if (code < 0) return code;
    s->strip_y = end;
    s->strip_task = s->part.task[last].y1 > end ? last : last + 1;
    return FM_OK;
}

static int run_region(struct backend_session *s, const struct backend_call *call, struct fm_error *error)
{
    const struct backend_program *p = s->program;
    const struct backend_region *r = call->region;
    const struct rect need = cpu_need_of(p, r->out, s->need);
    if (!rect_contains(r->in, need))
        return core_fail(error, FM_ERR_ARGUMENT,
            "the region of %d x %d at %d, %d needs the %d x %d pixels of input at %d, %d, and not all of them were given", r->out.w,
            r->out.h, r->out.x, r->out.y, need.w, need.h, need.x, need.y);
    struct fm_tensor whole = {.data = NULL};
    int code = p->writes_whole ? lend(s, 0, &whole, error) : FM_OK;
    if (code < 0) return code;
    s->viewed = true;
    s->view = *r;
    if (whole.data) {
        s->view.out = rect_whole(p->frame_w, p->frame_h);
        s->bound[p->output_value[0]] = whole.data;
    }
    s->said_tile = 0;
    s->said_tiles = 1;
    code = run_strip(s, r);
    if (code == FM_ERR_AGAIN) {
        code = lay_out_part(s, &r->out, PLAN_AT_ONCE, error);
        if (code == FM_OK) code = reserve(s, s->layout, error);
        if (code == FM_OK) code = cpu_execute(s, 0, s->layout->n_tasks);
    }
    s->viewed = false;
    if (code == FM_OK && whole.data) copy_out(s, whole.data, r->out, call->outputs[0].data);
    return code;
}

/* ---- chosen pixels ---- */

static int input_value(const struct backend_program *p)
{
    int v = 0;
    while (p->value[v].memory != MEMORY_INPUT) v++;
    return v;
}

static int make_spread(struct backend_session *s)
{
    const struct backend_program *p = s->program;
    if (s->spread.mark) return FM_OK;
    return plan_spread_make(&s->spread, p->plan_value, p->n_values, p->plan_step, p->n_steps, input_value(p));
}

int cpu_spread(struct backend_session *s, const struct bitmap *changed, struct bitmap *may_differ)
{
    const int code = make_spread(s);
    if (code == FM_OK) plan_spread_forward(&s->spread, input_value(s->program), changed, s->program->output_value[0], may_differ);
    return code;
}

/* The layout of a whole run, of which steps make no more columns than are read in the end. */
static int run_chosen(struct backend_session *s, const struct bitmap *only, struct fm_error *error)
{
    const int code = make_spread(s);
    if (code < 0) return core_fail_nomem(error, 0);
    plan_spread_back(&s->spread, s->program->output_value[0], only);
    s->only = &s->spread;
    const int ran = run_whole(s, error);
    s->only = NULL;
    return ran;
}

static int run(struct backend_session *s, const struct backend_call *call, struct fm_error *error)
{
    const struct backend_program *p = s->program;
    s->cancel = call->cancel;
    s->progress = call->progress;
    s->user = call->user;
    struct fm_error why = {.code = FM_OK};
    int code = bind(s, call, error);
    if (code < 0) return code;
    cpu_take_back_tail(s, call);
    cpu_clear_tail(s);
    if (call->region && cpu_can_region(p))
        code = run_region(s, call, &why);
    else if (call->only && cpu_can_choose(p))
        code = run_chosen(s, call->only, &why);
    else
        code = p->tile_w ? run_tiles(s, &why) : run_whole(s, &why);
    if (code == FM_ERR_CANCELLED) return core_fail(error, code, "cancelled");
    if (code < 0 && why.code == code) return core_fail(error, code, "%s", why.message);
    if (code == FM_ERR_NOMEM) return core_fail_nomem(error, 0);
    if (code < 0) return core_fail(error, code, "%s: a step failed: %s", p->graph->source, fm_err_name(code));
    code = cpu_run_tail(s, call, error);
    if (code == FM_OK && s->progress) s->progress(s->user, 1);
    return code;
}

int cpu_submit(struct backend_session *session, const struct backend_call *call, uint64_t *ticket, struct fm_error *error)
{
    *ticket = 0;
    return session->result = run(session, call, error);
}
