/* SPDX-License-Identifier: MIT */
/* Putting a plan together: layers, groups, weights, buffers, then each form's text and dispatches. */
#include <stdio.h>
#include <string.h>

#include "backend/web/shader.h"
#include "backend/web/weights.h"
#include "core/alloc.h"
#include "core/error.h"

#define BUFFERS_MAX 24
#define BINDING_PLUS 4

struct lowering {
    struct web_plan *plan;
    const struct web_network *network;
    struct web_layers layers;
    struct web_groups groups;
    int64_t *slice, *count; /* [n]: weights of each group */
    int *place;             /* [layers]: the buffer of a layer that is stored, or -1 */
    struct web_buffer buffer[BUFFERS_MAX];
    int n_buffers;
};

/* ---- buffers ---- */

static int last_reader(const struct lowering *w, int layer)
{
    int last = -1;
    for (int i = 0; i < w->layers.n; i++)
        if (w->layers.layer[i].from == layer || w->layers.layer[i].plus == layer) last = i;
    return last;
}

/* A buffer is free again when the last layer that reads it is done. */
static int place_buffers(struct lowering *w, struct fm_error *error)
{
    int busy_until[BUFFERS_MAX];
    for (int i = 0; i < w->layers.n; i++) w->place[i] = -1;
    for (int i = 0; i < w->groups.n - 1; i++) {
        const struct web_group *g = &w->groups.group[i];
        const int layer = g->first + g->count - 1, bytes = WEB_UNIT_BYTES * web_vectors(w->layers.layer[layer].out);
        int at = 0;
        while (at < w->n_buffers && (w->buffer[at].bytes_per_pixel != bytes || busy_until[at] >= g->first)) at++;
        if (at == BUFFERS_MAX)
            return core_fail(
                error, FM_ERR_UNSUPPORTED, "node '%s': no shader: too many layers are to be kept", w->layers.layer[layer].name);
        if (at == w->n_buffers) {
            struct web_buffer *b = &w->buffer[w->n_buffers++];
            b->bytes_per_pixel = bytes;
            snprintf(b->name, sizeof b->name, "%c", 'a' + at);
        }
        w->place[layer] = at;
        busy_until[at] = last_reader(w, layer);
    }
    return FM_OK;
}

/* ---- dispatches ---- */

static void bind(struct web_dispatch *d, struct web_binding binding)
{
    d->binding[d->n_bindings++] = binding;
}

static void fill_dispatch(const struct lowering *w, int index, struct web_form_plan *form)
{
    const struct web_group *g = &w->groups.group[index];
    struct web_dispatch *d = &form->dispatch[index];
    const bool entry = g->stage[0].layer->from == WEB_PICTURE, exit = index == w->groups.n - 1;
    d->threads = g->threads;
    d->tile_w = g->tile_w, d->tile_h = g->tile_h;
    d->first = g->first, d->count = g->count;
    bind(d, (struct web_binding){.binding = 0, .kind = WEB_FRAME});
    if (entry || (exit && w->network->luma)) bind(d, (struct web_binding){.binding = 1, .kind = WEB_SOURCE});
    bind(d, (struct web_binding){.binding = 2,
                .kind = WEB_WEIGHTS,
                .offset = w->slice[index],
                .count = w->count[index],
                .uniform = w->count[index] <= WEB_UNIFORM_MAX});
    int storages = w->count[index] <= WEB_UNIFORM_MAX ? 0 : 1;
    if (!entry)
        bind(d, (struct web_binding){.binding = 3, .kind = WEB_BUFFER, .buffer = w->place[g->stage[0].layer->from]}), storages++;
    for (int i = 0; i < g->count; i++)
        if (g->stage[i].layer->plus >= 0) {
            bind(d, (struct web_binding){.binding = BINDING_PLUS, .kind = WEB_BUFFER, .buffer = w->place[g->stage[i].layer->plus]}),
                storages++;
            break;
        }
    if (exit)
        bind(d, (struct web_binding){.binding = 6, .kind = WEB_TARGET});
    else
        bind(d, (struct web_binding){.binding = 5, .kind = WEB_BUFFER, .buffer = w->place[g->first + g->count - 1], .write = true}),
            storages++;
    if (storages > form->storage_buffers) form->storage_buffers = storages;
    if (g->threads > form->threads) form->threads = g->threads;
    if (g->units * WEB_UNIT_BYTES > form->workgroup_bytes) form->workgroup_bytes = g->units * WEB_UNIT_BYTES;
}

/* What a dispatch moves, by what grows with the source and with the output. */
static void count_bytes(const struct lowering *w, struct web_form_plan *form)
{
    const bool enlarged = w->network->enlarged_first;
    for (int i = 0; i < w->groups.n; i++) {
        const struct web_group *g = &w->groups.group[i];
        const double area = (double) g->tile_w * g->tile_h;
        double own = 0; /* for a pixel of the grid */
        if (g->stage[0].layer->from != WEB_PICTURE)
            own += (double) WEB_UNIT_BYTES * web_vectors(g->stage[0].layer->in) * g->w * g->h / area;
        else
            form->bytes_in += 4.0 * g->w * g->h / area;
        for (int k = 0; k < g->count; k++)
            if (g->stage[k].layer->plus >= 0)
                own += (double) WEB_UNIT_BYTES * web_vectors(g->stage[k].layer->out) * g->stage[k].w * g->stage[k].h / area;
        if (i < w->groups.n - 1) {
            own += (double) WEB_UNIT_BYTES * web_vectors(g->stage[g->count - 1].layer->out);
        } else {
            form->bytes_out += 4;
            const int reach = enlarged ? 1 : WEB_EXIT_REACH;
            if (w->network->luma) form->bytes_in += 4.0 * (g->tile_w + 2 * reach) * (g->tile_h + 2 * reach) / area;
        }
        *(enlarged ? &form->bytes_out : &form->bytes_in) += own;
    }
}

/* ---- texts ---- */

/* Groups of one shape share an entry point: their texts are the same but for its name. */
static int write_form(struct lowering *w, enum web_form kind, struct fm_error *error)
{
    struct web_form_plan *form = &w->plan->form[kind];
    struct text all = {.data = NULL}, one = {.data = NULL};
    const char **body = arena_array(w->plan->arena, (size_t) w->groups.n, sizeof *body);
    int code = body ? FM_OK : FM_ERR_NOMEM, hidden = 0;
    shader_head(&all, kind, w->network);
    for (int i = 0; i < w->groups.n && code == FM_OK; i++) {
        struct shader s = {.text = &one, .network = w->network, .layers = &w->layers, .group = &w->groups.group[i], .form = kind};
        const bool entry = shader_is_entry(&s), exit = shader_is_exit(&s);
        struct web_dispatch *d = &form->dispatch[i];
        s.entry = "layer"; /* to compare */
        text_clear(&one);
        shader_group(&s);
        body[i] = one.failed ? NULL : arena_strndup(w->plan->arena, one.data, one.size);
        if (!body[i]) code = FM_ERR_NOMEM;
        for (int k = 0; k < i && body[i] && !d->entry; k++)
            if (!strcmp(body[k], body[i])) d->entry = form->dispatch[k].entry;
        if (code == FM_OK && !d->entry) {
            d->entry = entry && exit ? "whole" : exit ? "exit" : !i ? "entry" : arena_printf(w->plan->arena, "hidden%d", ++hidden);
            if (!d->entry) code = FM_ERR_NOMEM;
            s.entry = d->entry;
            s.text = &all;
            if (code == FM_OK) shader_group(&s);
        }
    }
    if (code == FM_OK) form->text = all.failed ? NULL : arena_strndup(w->plan->arena, all.data, all.size);
    text_free(&all);
    text_free(&one);
    return form->text ? FM_OK : core_fail_nomem(error, 0);
}

static int write_forms(struct lowering *w, struct fm_error *error)
{
    for (int kind = 0; kind < WEB_FORMS; kind++) {
        struct web_form_plan *form = &w->plan->form[kind];
        form->n_dispatches = w->groups.n;
        form->dispatch = arena_array(w->plan->arena, (size_t) w->groups.n, sizeof *form->dispatch);
        form->n_buffers = w->n_buffers;
        form->buffer = arena_array(w->plan->arena, BUFFERS_MAX, sizeof *form->buffer);
        if (!form->dispatch || !form->buffer) return core_fail_nomem(error, 0);
        memcpy(form->buffer, w->buffer, sizeof w->buffer);
        for (int i = 0; i < w->groups.n; i++) fill_dispatch(w, i, form);
        count_bytes(w, form);
        const int code = write_form(w, kind, error);
        if (code < 0) return code;
    }
    return FM_OK;
}

static int name_layers(struct lowering *w, struct fm_error *error)
{
    struct web_plan *plan = w->plan;
    plan->n_layers = w->layers.n;
    plan->layer = arena_array(plan->arena, (size_t) w->layers.n, sizeof *plan->layer);
    if (!plan->layer) return core_fail_nomem(error, 0);
    for (int i = 0; i < w->layers.n; i++) {
        const struct web_layer *l = &w->layers.layer[i];
        plan->layer[i] = arena_strdup(plan->arena, l->name);
        if (!plan->layer[i]) return core_fail_nomem(error, 0);
        plan->macs += (int64_t) l->kernel * l->kernel * l->in * l->out;
        plan->reach += l->pad;
    }
    const struct web_layer *beside = w->layers.beside;
    if (beside) plan->macs += (int64_t) beside->kernel * beside->kernel * beside->in * beside->out;
    if (beside && beside->pad > plan->reach) plan->reach = beside->pad;
    if (!w->network->enlarged_first && plan->reach < WEB_EXIT_REACH) plan->reach = WEB_EXIT_REACH;
    return FM_OK;
}

int web_plan_create(const struct graph *graph, const struct web_network *network, struct web_plan **out, struct fm_error *error)
{
    *out = NULL;
    struct arena *arena = arena_create();
    struct web_plan *plan = arena ? arena_alloc(arena, sizeof *plan) : NULL;
    if (!plan) {
        arena_destroy(&arena);
        return core_fail_nomem(error, sizeof *plan);
    }
    plan->arena = arena;
    struct lowering w = {.plan = plan, .network = network};
    int code = web_layers_read(graph, network, arena, &w.layers, error);
    if (code == FM_OK) code = web_groups_choose(&w.layers, network, graph->source, arena, &w.groups, error);
    if (code == FM_OK) {
        const size_t n = (size_t) w.groups.n;
        w.slice = arena_array(arena, n, sizeof *w.slice);
        w.count = arena_array(arena, n, sizeof *w.count);
        w.place = arena_array(arena, (size_t) w.layers.n, sizeof *w.place);
        if (!w.slice || !w.count || !w.place) code = core_fail_nomem(error, 0);
    }
    if (code == FM_OK) code = web_weights_place(plan, &w.layers, &w.groups, w.slice, w.count, error);
    if (code == FM_OK) code = place_buffers(&w, error);
    if (code == FM_OK) code = name_layers(&w, error);
    if (code == FM_OK) code = write_forms(&w, error);
    if (code < 0) web_plan_destroy(&plan);
    *out = plan;
    return code;
}

void web_plan_destroy(struct web_plan **plan)
{
    struct web_plan *p = *plan;
    *plan = NULL;
    if (!p) return;
    struct arena *arena = p->arena;
    arena_destroy(&arena);
}
