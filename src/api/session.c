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
    const int code = plan->ready->backend->session_create(plan->ready->program, &session->work, error);
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
    s->plan->ready->backend->session_destroy(&s->work);
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
    const struct backend *backend = session->plan->ready->backend;
    const struct backend_call call = {
        .inputs = inputs, .outputs = outputs, .cancel = &session->cancel, .progress = session->progress, .user = session->user};
    uint64_t ticket;
    code = backend->submit(session->work, &call, &ticket, error);
    if (code == FM_OK) code = backend->wait(session->work, ticket, error);
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
    session->plan->ready->backend->set_profile(session->work, on);
    return FM_OK;
}

double fm_session_step_seconds(const fm_session *session, int step)
{
    return session ? session->plan->ready->backend->step_seconds(session->work, step) : 0;
}
