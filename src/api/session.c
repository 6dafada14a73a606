/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "api/objects.h"
#include "core/alloc.h"
#include "core/error.h"

int fm_session_create(fm_plan *plan, fm_session **out, struct fm_error *error)
{
    if (!out || !plan) return core_fail(error, FM_ERR_ARGUMENT, "fm_session_create: an argument is missing");
    *out = NULL;
    fm_session *session = core_calloc(1, sizeof *session);
    if (!session) return core_fail_nomem(error, sizeof *session);
    atomic_init(&session->cancel, false);
    const int code = session_work_create(plan->ready, plan->engine->pool, false, &session->work, error);
    if (code < 0) {
        core_free(session);
        return code;
    }
    session->plan = fm_plan_ref(plan);
    *out = session;
    return FM_OK;
}

void fm_session_destroy(fm_session **session)
{
    if (!session || !*session) return;
    fm_session *s = *session;
    *session = NULL;
    session_work_destroy(&s->work);
    fm_plan_unref(&s->plan);
    core_free(s);
}

/* Inputs exactly as planned, outputs either empty or of the planned size. */
static int check_run(const fm_session *s, const struct fm_tensor *inputs, const struct fm_tensor *outputs, struct fm_error *error)
{
    const struct graph *g = s->plan->ready->specialised;
    for (int k = 0; k < g->n_inputs; k++) {
        const struct fm_tensor *planned = &s->plan->inputs[k], *given = &inputs[k];
        const char *name = g->value[g->input[k]].name;
        bool same = given->dtype == planned->dtype && given->rank == planned->rank;
        for (int i = 0; same && i < planned->rank; i++) same = given->dim[i] == planned->dim[i];
        if (!same) return core_fail(error, FM_ERR_SHAPE, "input \"%s\" has another type or size than planned", name);
        if (!given->data && fm_tensor_count(given) > 0) return core_fail(error, FM_ERR_ARGUMENT, "input \"%s\": no data", name);
        const size_t unit = fm_dtype_size(given->dtype);
        if (unit && (uintptr_t) given->data % unit)
            return core_fail(error, FM_ERR_ARGUMENT, "input \"%s\": its data is not aligned to its type", name);
    }
    for (int k = 0; k < g->n_outputs; k++) {
        if (!outputs[k].data) continue;
        struct fm_tensor planned;
        fm_plan_output(s->plan, k, &planned);
        bool same = true;
        for (int i = 0; i < planned.rank; i++) same = same && (planned.dim[i] < 0 || outputs[k].dim[i] == planned.dim[i]);
        if (planned.rank >= 0) same = same && outputs[k].rank == planned.rank && outputs[k].dtype == planned.dtype;
        if (!same)
            return core_fail(
                error, FM_ERR_SHAPE, "output \"%s\": the array has another type or size than planned", g->value[g->output[k]].name);
        const size_t unit = fm_dtype_size(outputs[k].dtype);
        if (unit && (uintptr_t) outputs[k].data % unit)
            return core_fail(
                error, FM_ERR_ARGUMENT, "output \"%s\": its data is not aligned to its type", g->value[g->output[k]].name);
    }
    return FM_OK;
}

int fm_session_run(fm_session *session, const struct fm_tensor *inputs, struct fm_tensor *outputs, struct fm_error *error)
{
    if (!session || !inputs || !outputs) return core_fail(error, FM_ERR_ARGUMENT, "fm_session_run: an argument is missing");
    int code = check_run(session, inputs, outputs, error);
    if (code < 0) return code;
    const struct backend_call call = {
        .inputs = inputs, .outputs = outputs, .cancel = &session->cancel, .progress = session->progress, .user = session->user};
    code = session_work_run(session->work, &call, error);
    atomic_store(&session->cancel, false);
    return code;
}

/* One float32 picture of the region's size, with data. */
static int check_region(const struct graph_value *v, const struct fm_region *r, const struct fm_tensor *t, struct fm_error *error)
{
    const int64_t dim[4] = {1, v->dim[1], r->height, r->width};
    bool same = v->rank == 4 && v->dim[0] == 1 && t->dtype == FM_F32 && v->dtype == FM_F32 && t->rank == 4;
    for (int i = 0; same && i < 4; i++) same = t->dim[i] == dim[i];
    if (!same)
        return core_fail(error, FM_ERR_SHAPE, "\"%s\": a region of %d x %d is given in a float32 array of 1, channels, %d, %d",
            v->name, r->width, r->height, r->height, r->width);
    if (!t->data) return core_fail(error, FM_ERR_ARGUMENT, "\"%s\": no data", v->name);
    if ((uintptr_t) t->data % sizeof(float))
        return core_fail(error, FM_ERR_ARGUMENT, "\"%s\": its data is not aligned to its type", v->name);
    return FM_OK;
}

int fm_session_run_region(fm_session *session, const struct fm_region *out_region, const struct fm_region *in_region,
    const struct fm_tensor *input, struct fm_tensor *output, struct fm_error *error)
{
    if (!session || !out_region || !in_region || !input || !output)
        return core_fail(error, FM_ERR_ARGUMENT, "fm_session_run_region: an argument is missing");
    const struct graph *g = session->plan->ready->specialised;
    if (g->n_inputs != 1 || g->n_outputs != 1)
        return core_fail(error, FM_ERR_UNSUPPORTED, "regions are for networks of one picture in and one out");
    int code = check_region(&g->value[g->input[0]], in_region, input, error);
    if (code == FM_OK) code = check_region(&g->value[g->output[0]], out_region, output, error);
    if (code < 0) return code;
    const struct rect out = {out_region->x, out_region->y, out_region->width, out_region->height};
    const struct rect in = {in_region->x, in_region->y, in_region->width, in_region->height};
    code = session_region_run(session->work, out, in, input->data, output->data, &session->cancel, error);
    atomic_store(&session->cancel, false);
    return code;
}

void fm_session_cancel(fm_session *session)
{
    if (session) atomic_store(&session->cancel, true);
}

int fm_session_set_progress(fm_session *session, fm_progress_fn progress, void *user)
{
    if (!session) return FM_ERR_ARGUMENT;
    session->progress = progress;
    session->user = user;
    return FM_OK;
}

int fm_session_set_profile(fm_session *session, bool on)
{
    if (!session) return FM_ERR_ARGUMENT;
    session->plan->ready->backend->set_profile(session_work_backend(session->work), on);
    return FM_OK;
}

double fm_session_step_seconds(const fm_session *session, int step)
{
    return session ? session->plan->ready->backend->step_seconds(session_work_backend(session->work), step) : 0;
}
