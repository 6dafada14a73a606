/* SPDX-License-Identifier: MIT */
#include "session/session.h"

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
    const struct backend_options options = {.pool = o->pool,
        .cpu_flags = o->cpu_flags,
        .tiles_are_exact = p->field.bounded,
        .unbounded_reason = p->field.reason,
        .tile = o->tile,
        .memory = o->memory};
    int code = FM_ERR_UNSUPPORTED;
    for (const struct backend *const *b = o->backends ? o->backends : built_in; *b; b++) {
        code = (*b)->compile(p->specialised, &options, &p->program, error);
        if (code == FM_OK) {
            p->backend = *b;
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
