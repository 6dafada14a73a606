/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "api/objects.h"
#include "core/alloc.h"
#include "core/error.h"

int fm_plan_create(fm_engine *engine, fm_model *model, const struct fm_tensor *inputs, const struct fm_plan_params *params,
    fm_plan **out, struct fm_error *error)
{
    if (!out || !engine || !model || !inputs) return core_fail(error, FM_ERR_ARGUMENT, "fm_plan_create: an argument is missing");
    *out = NULL;
    struct fm_plan_params p = {.size = sizeof p};
    if (params) {
        if (params->size < sizeof(size_t)) return core_fail(error, FM_ERR_ARGUMENT, "fm_plan_create: params->size is not set");
        memcpy(&p, params, params->size < sizeof p ? params->size : sizeof p);
    }
    if (p.tile < 0 || (p.tile > 0 && p.tile < 8))
        return core_fail(error, FM_ERR_ARGUMENT, "a tile of %d pixels is too small (8 at least)", p.tile);
    int code = session_check_inputs(model->graph, inputs, false, error);
    if (code < 0) return code;
    fm_plan *plan = core_calloc(1, sizeof *plan);
    if (!plan) return core_fail_nomem(error, sizeof *plan);
    const size_t n = (size_t) model->graph->n_inputs;
    atomic_init(&plan->references, 1);
    plan->engine = fm_engine_ref(engine);
    plan->model = fm_model_ref(model);
    plan->inputs = core_calloc(n + 1, sizeof *plan->inputs);
    if (!plan->inputs) code = core_fail_nomem(error, n * sizeof *plan->inputs);
    if (code == FM_OK) {
        memcpy(plan->inputs, inputs, n * sizeof *plan->inputs);
        const struct prepare_options options = {
            .threads = pool_threads(engine->pool), .cpu_flags = engine->cpu_flags, .tile = p.tile, .memory = p.memory};
        code = session_prepare(model->graph, inputs, &options, &plan->ready, error);
    }
    if (code < 0) fm_plan_unref(&plan);
    *out = plan;
    return code;
}

fm_plan *fm_plan_ref(fm_plan *plan)
{
    if (plan) atomic_fetch_add(&plan->references, 1);
    return plan;
}

void fm_plan_unref(fm_plan **plan)
{
    if (!plan || !*plan) return;
    fm_plan *p = *plan;
    *plan = NULL;
    if (atomic_fetch_sub(&p->references, 1) != 1) return;
    session_prepared_destroy(&p->ready);
    core_free(p->inputs);
    fm_model_unref(&p->model);
    fm_engine_unref(&p->engine);
    core_free(p);
}

int fm_plan_get_info(const fm_plan *plan, struct fm_plan_info *info)
{
    if (!plan || !info || info->size < sizeof(size_t)) return FM_ERR_ARGUMENT;
    struct backend_info b;
    plan->ready->backend->program_info(plan->ready->program, &b);
    const struct fm_plan_info full = {.size = info->size,
        .backend = plan->ready->backend->name,
        .weights_bytes = b.weights_bytes,
        .session_bytes = b.session_bytes,
        .tile = b.tile,
        .tiles = b.tiles,
        .steps = b.steps,
        .macs = b.macs};
    memcpy(info, &full, info->size < sizeof full ? info->size : sizeof full);
    return FM_OK;
}

int fm_plan_get_step(const fm_plan *plan, int index, struct fm_plan_step *step)
{
    if (!plan || !step || step->size < sizeof(size_t)) return FM_ERR_ARGUMENT;
    struct backend_step s;
    const int code = plan->ready->backend->program_step(plan->ready->program, index, &s);
    if (code < 0) return code;
    const struct fm_plan_step full = {.size = step->size, .name = s.name, .what = s.what, .how = s.how, .macs = s.macs};
    memcpy(step, &full, step->size < sizeof full ? step->size : sizeof full);
    return FM_OK;
}

int fm_plan_output(const fm_plan *plan, int index, struct fm_tensor *out)
{
    if (!plan || !out || index < 0 || index >= plan->ready->specialised->n_outputs) return FM_ERR_ARGUMENT;
    const struct graph *g = plan->ready->specialised;
    const struct graph_value *v = &g->value[g->output[index]];
    *out = (struct fm_tensor){.dtype = v->dtype, .rank = v->rank};
    for (int i = 0; i < v->rank; i++) out->dim[i] = v->dim[i];
    return FM_OK;
}

int fm_plan_region_input(const fm_plan *plan, const struct fm_region *out, struct fm_region *in)
{
    if (!plan || !out || !in) return FM_ERR_ARGUMENT;
    const struct graph *g = plan->ready->specialised;
    const struct graph_value *y = g->n_outputs == 1 ? &g->value[g->output[0]] : NULL;
    const struct rect want = {out->x, out->y, out->width, out->height};
    if (!y || y->rank != 4 || want.x < 0 || want.y < 0 || want.w < 1 || want.h < 1 || want.w > y->dim[3] || want.h > y->dim[2] ||
        want.x > y->dim[3] - want.w || want.y > y->dim[2] - want.h)
        return FM_ERR_ARGUMENT;
    if (!session_can_region(plan->ready) && (want.w < y->dim[3] || want.h < y->dim[2])) return FM_ERR_UNSUPPORTED;
    const struct rect need = session_region_need(plan->ready, want);
    if (rect_is_empty(need)) return FM_ERR_NOMEM;
    *in = (struct fm_region){need.x, need.y, need.w, need.h};
    return FM_OK;
}
