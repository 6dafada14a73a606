/* SPDX-License-Identifier: MIT */
#include "session/session.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"

static const struct backend *const built_in[] = {&backend_cpu, NULL};

void session_prepared_destroy(struct prepared **prepared)
{
    struct prepared *p = *prepared;
    *prepared = NULL;
    if (!p) return;
    if (p->program) p->backend->program_destroy(&p->program);
    graph_destroy(&p->specialised);
    core_free(p);
}

static int compile(struct prepared *p, const struct prepare_options *o, struct fm_error *error)
{
    const struct backend_options options = {.threads = o->threads > 0 ? o->threads : 1,
        .cpu_flags = o->cpu_flags,
        .tiles_are_exact = p->field.bounded,
        .unbounded_reason = p->field.reason,
        .tile = o->tile,
        .memory = o->memory,
        .regions = o->regions && !o->tile && !o->memory};
    int code = FM_ERR_UNSUPPORTED;
    for (const struct backend *const *b = o->backends ? o->backends : built_in; *b; b++) {
        code = (*b)->compile(p->specialised, &options, &p->program, error);
        if (code == FM_OK) {
            p->backend = *b;
            if (!p->field.reason[0] && !(*b)->can_region(p->program))
                snprintf(p->field.reason, sizeof p->field.reason, "it is not a network of one float32 picture in and one out");
            return FM_OK;
        }
        if (code != FM_ERR_UNSUPPORTED) return code;
    }
    return code;
}

int session_prepare(const struct graph *graph, const struct fm_tensor *inputs, const struct prepare_options *options,
    struct prepared **out, struct fm_error *error)
{
    *out = NULL;
    struct prepared *p = core_calloc(1, sizeof *p);
    if (!p) return core_fail_nomem(error, sizeof *p);
    int code = graph_specialise(graph, inputs, &p->specialised, error);
    if (code == FM_OK) code = graph_rewrite(p->specialised, error);
    if (code == FM_OK && graph_field(p->specialised, &p->field) < 0) code = core_fail_nomem(error, 0);
    if (code == FM_OK) code = compile(p, options, error);
    if (code < 0) session_prepared_destroy(&p);
    *out = p;
    return code;
}

/* ---- running ---- */

struct session_work {
    const struct prepared *prepared;
    struct backend_session *session;
};

int session_work_create(struct prepared *p, struct pool *pool, bool regions, struct session_work **out, struct fm_error *error)
{
    *out = NULL;
    struct session_work *w = core_calloc(1, sizeof *w);
    if (!w) return core_fail_nomem(error, sizeof *w);
    w->prepared = p;
    int code = p->backend->session_create(p->program, pool, &w->session, error);
    if (code == FM_OK && !regions) code = p->backend->session_warm(w->session, error);
    if (code < 0)
        session_work_destroy(&w);
    else
        *out = w;
    return code;
}

void session_work_destroy(struct session_work **work)
{
    struct session_work *w = *work;
    *work = NULL;
    if (!w) return;
    w->prepared->backend->session_destroy(&w->session);
    core_free(w);
}

int session_work_run(struct session_work *w, const struct backend_call *call, struct fm_error *error)
{
    uint64_t ticket;
    const struct backend *backend = w->prepared->backend;
    const int code = backend->submit(w->session, call, &ticket, error);
    return code < 0 ? code : backend->wait(w->session, ticket, error);
}

struct backend_session *session_work_backend(const struct session_work *w)
{
    return w->session;
}

/* ---- regions ---- */

/* The picture that input or output 0 is; empty when it is none. */
static struct rect picture_of(const struct graph *g, const int *port, int n_ports)
{
    const struct graph_value *v = n_ports == 1 ? &g->value[port[0]] : NULL;
    if (!v || v->rank != 4 || v->dtype != FM_F32) return (struct rect){0, 0, 0, 0};
    for (int i = 0; i < 4; i++)
        if (v->dim[i] < 1 || v->dim[i] > INT_MAX) return (struct rect){0, 0, 0, 0};
    return rect_whole((int) v->dim[3], (int) v->dim[2]);
}

static struct rect picture_in(const struct prepared *p)
{
    return picture_of(p->specialised, p->specialised->input, p->specialised->n_inputs);
}

static struct rect picture_out(const struct prepared *p)
{
    return picture_of(p->specialised, p->specialised->output, p->specialised->n_outputs);
}

/* A rectangle with pixels, all of them in the picture; sums of hostile numbers do not overflow. */
static bool is_part(struct rect picture, struct rect r)
{
    return r.x >= 0 && r.y >= 0 && r.w >= 1 && r.h >= 1 && r.w <= picture.w && r.h <= picture.h && r.x <= picture.w - r.w &&
           r.y <= picture.h - r.h;
}

bool session_can_region(const struct prepared *p)
{
    return p->backend->can_region(p->program);
}

struct rect session_region_need(const struct prepared *p, struct rect out)
{
    const struct rect picture = picture_out(p);
    if (!is_part(picture, out)) return (struct rect){0, 0, 0, 0};
    return session_can_region(p) ? p->backend->region_need(p->program, out) : picture_in(p);
}

size_t session_region_bytes(const struct prepared *p, int out_w, int out_h)
{
    return out_w < 1 || out_h < 1 ? SIZE_MAX : p->backend->region_bytes(p->program, out_w, out_h);
}

static struct fm_tensor array_of(const struct graph_value *v, struct rect part, float *data)
{
    return (struct fm_tensor){.dtype = FM_F32, .rank = 4, .dim = {v->dim[0], v->dim[1], part.h, part.w}, .data = data};
}

int session_region_run(struct session_work *w, struct rect out, struct rect in, const float *input, float *output,
    atomic_bool *cancel, struct fm_error *error)
{
    const struct prepared *p = w->prepared;
    const struct graph *g = p->specialised;
    const struct rect whole_in = picture_in(p), whole_out = picture_out(p);
    if (!is_part(whole_out, out) || !is_part(whole_in, in))
        return core_fail(error, FM_ERR_ARGUMENT, "a region is not within the picture (%d x %d in, %d x %d out)", whole_in.w,
            whole_in.h, whole_out.w, whole_out.h);
    const bool can = session_can_region(p);
    if (!can && (!rect_contains(out, whole_out) || !rect_contains(in, whole_in)))
        return core_fail(error, FM_ERR_UNSUPPORTED, "the network runs on whole pictures only: %s", p->field.reason);
    float *from;
    memcpy(&from, &input, sizeof from); /* the call's tensors are not const; inputs are only read */
    const struct fm_tensor x = array_of(&g->value[g->input[0]], in, from);
    struct fm_tensor y = array_of(&g->value[g->output[0]], out, output);
    const struct backend_region region = {out, in};
    return session_work_run(
        w, &(struct backend_call){.inputs = &x, .outputs = &y, .cancel = cancel, .region = can ? &region : NULL}, error);
}

/* ---- chosen pixels ---- */

bool session_can_choose(const struct prepared *p)
{
    return p->backend->can_choose && p->backend->can_choose(p->program);
}

static bool fits(const struct bitmap *b, struct rect picture)
{
    return b->width == picture.w && b->height == picture.h;
}

int session_spread(struct session_work *w, const struct bitmap *changed, struct bitmap *may_differ, struct fm_error *error)
{
    const struct prepared *p = w->prepared;
    if (!session_can_choose(p)) return core_fail(error, FM_ERR_UNSUPPORTED, "the network runs on whole pictures only");
    if (!fits(changed, picture_in(p)) || !fits(may_differ, picture_out(p)))
        return core_fail(error, FM_ERR_ARGUMENT, "a map of pixels has not the size of the picture");
    return p->backend->spread(w->session, changed, may_differ) < 0 ? core_fail_nomem(error, 0) : FM_OK;
}

int session_choice_run(struct session_work *w, const struct bitmap *only, const float *input, float *output, atomic_bool *cancel,
    struct fm_error *error)
{
    const struct prepared *p = w->prepared;
    const struct graph *g = p->specialised;
    const struct rect whole_in = picture_in(p), whole_out = picture_out(p);
    if (!session_can_choose(p)) return core_fail(error, FM_ERR_UNSUPPORTED, "the network runs on whole pictures only");
    if (!fits(only, whole_out)) return core_fail(error, FM_ERR_ARGUMENT, "a map of pixels has not the size of the picture");
    float *from;
    memcpy(&from, &input, sizeof from); /* the call's tensors are not const; inputs are only read */
    const struct fm_tensor x = array_of(&g->value[g->input[0]], whole_in, from);
    struct fm_tensor y = array_of(&g->value[g->output[0]], whole_out, output);
    return session_work_run(w, &(struct backend_call){.inputs = &x, .outputs = &y, .cancel = cancel, .only = only}, error);
}

/* ---- inputs ---- */

void session_default_inputs(const struct graph *graph, struct fm_tensor *inputs)
{
    for (int k = 0; k < graph->n_inputs; k++) {
        const struct graph_value *v = &graph->value[graph->input[k]];
        struct fm_tensor *t = &inputs[k];
        *t = (struct fm_tensor){.dtype = v->dtype, .rank = v->rank < 0 ? 4 : v->rank};
        for (int i = 0; i < t->rank; i++) {
            const bool space = t->rank == 4 && i >= 2;
            t->dim[i] = v->rank >= 0 && v->dim[i] >= 0 ? v->dim[i] : space ? 64 : i == 1 && t->rank == 4 ? 3 : 1;
        }
    }
}

int session_check_inputs(const struct graph *graph, const struct fm_tensor *inputs, bool need_data, struct fm_error *error)
{
    for (int k = 0; k < graph->n_inputs; k++) {
        const struct graph_value *v = &graph->value[graph->input[k]];
        const struct fm_tensor *t = &inputs[k];
        if (t->rank < 0 || t->rank > FM_MAX_RANK || fm_tensor_count(t) < 0)
            return core_fail(error, FM_ERR_ARGUMENT, "input \"%s\": not a valid array", v->name);
        if (v->dtype != FM_DTYPE_NONE && t->dtype != v->dtype)
            return core_fail(error, FM_ERR_SHAPE, "input \"%s\": the network wants %s, not %s", v->name, fm_dtype_name(v->dtype),
                fm_dtype_name(t->dtype));
        if (v->rank >= 0 && t->rank != v->rank)
            return core_fail(
                error, FM_ERR_SHAPE, "input \"%s\": the network wants %d dimensions, not %d", v->name, v->rank, t->rank);
        for (int i = 0; v->rank >= 0 && i < v->rank; i++)
            if (v->dim[i] >= 0 && v->dim[i] != t->dim[i])
                return core_fail(error, FM_ERR_SHAPE, "input \"%s\": dimension %d must be %lld, not %lld", v->name, i,
                    (long long) v->dim[i], (long long) t->dim[i]);
        if (need_data && !t->data && fm_tensor_count(t) > 0)
            return core_fail(error, FM_ERR_ARGUMENT, "input \"%s\": no data", v->name);
    }
    return FM_OK;
}
