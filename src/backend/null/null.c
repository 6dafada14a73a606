/* SPDX-License-Identifier: MIT */
/* The null backend: accepts every network with fixed sizes and answers zeros. It runs the tests that every backend must pass, and shows
 * what the rooms around a backend cost. */
#include <string.h>

#include "backend/backend.h"
#include "core/alloc.h"
#include "core/error.h"

struct backend_program {
    const struct graph *graph;
};

struct backend_session {
    const struct backend_program *program;
    struct fm_tensor *lent; /* per output: arrays lent to callers that bring none */
};

static int null_compile(
    const struct graph *graph, const struct backend_options *options, struct backend_program **out, struct fm_error *error)
{
    (void) options;
    *out = NULL;
    for (int k = 0; k < graph->n_outputs; k++) {
        const struct graph_value *v = &graph->value[graph->output[k]];
        for (int i = 0; i < v->rank; i++)
            if (v->dim[i] < 0)
                return core_fail(error, FM_ERR_UNSUPPORTED, "null: the size of output \"%s\" depends on data", v->name);
        if (v->rank < 0) return core_fail(error, FM_ERR_UNSUPPORTED, "null: the shape of output \"%s\" depends on data", v->name);
    }
    struct backend_program *p = core_calloc(1, sizeof *p);
    if (!p) return core_fail_nomem(error, sizeof *p);
    p->graph = graph;
    *out = p;
    return FM_OK;
}

static void null_program_destroy(struct backend_program **program)
{
    core_free(*program);
    *program = NULL;
}

static void null_program_info(const struct backend_program *program, struct backend_info *info)
{
    (void) program;
    *info = (struct backend_info){.tiles = 1};
}

static int null_program_step(const struct backend_program *program, int index, struct backend_step *step)
{
    (void) program;
    (void) index;
    (void) step;
    return FM_ERR_EOS;
}

static bool null_can_region(const struct backend_program *program)
{
    (void) program;
    return false;
}

static struct rect null_region_need(const struct backend_program *program, struct rect out)
{
    (void) program;
    return out;
}

static size_t null_region_bytes(const struct backend_program *program, int out_w, int out_h)
{
    (void) program;
    (void) out_w;
    (void) out_h;
    return 0;
}

static void null_session_destroy(struct backend_session **session)
{
    struct backend_session *s = *session;
    *session = NULL;
    if (!s) return;
    for (int k = 0; s->lent && k < s->program->graph->n_outputs; k++) core_free(s->lent[k].data);
    core_free(s->lent);
    core_free(s);
}

static int null_session_create(
    const struct backend_program *program, struct pool *pool, struct backend_session **out, struct fm_error *error)
{
    (void) pool;
    const struct graph *g = program->graph;
    struct backend_session *s = core_calloc(1, sizeof *s);
    *out = s;
    if (!s) return core_fail_nomem(error, sizeof *s);
    s->program = program;
    s->lent = core_calloc((size_t) g->n_outputs + 1, sizeof *s->lent);
    if (!s->lent) goto fail;
    for (int k = 0; k < g->n_outputs; k++) {
        const struct graph_value *v = &g->value[g->output[k]];
        s->lent[k] = (struct fm_tensor){.dtype = v->dtype, .rank = v->rank};
        memcpy(s->lent[k].dim, v->dim, sizeof v->dim);
        const size_t bytes = (size_t) fm_tensor_count(&s->lent[k]) * fm_dtype_size(v->dtype);
        s->lent[k].data = core_alloc(bytes ? bytes : 1);
        if (!s->lent[k].data) goto fail;
    }
    return FM_OK;
fail:
    null_session_destroy(out);
    return core_fail_nomem(error, 0);
}

static int null_session_warm(struct backend_session *session, struct fm_error *error)
{
    (void) session;
    (void) error;
    return FM_OK;
}

static int null_submit(struct backend_session *s, const struct backend_call *call, uint64_t *ticket, struct fm_error *error)
{
    *ticket = 0;
    if (call->cancel && atomic_load(call->cancel)) return core_fail(error, FM_ERR_CANCELLED, "cancelled");
    for (int k = 0; k < s->program->graph->n_outputs; k++) {
        if (!call->outputs[k].data) call->outputs[k] = s->lent[k];
        memset(call->outputs[k].data, 0, (size_t) fm_tensor_count(&s->lent[k]) * fm_dtype_size(s->lent[k].dtype));
    }
    if (call->progress) call->progress(call->user, 1);
    return FM_OK;
}

static int null_wait(struct backend_session *session, uint64_t ticket, struct fm_error *error)
{
    (void) session;
    (void) ticket;
    (void) error;
    return FM_OK;
}

static void null_set_profile(struct backend_session *session, bool on)
{
    (void) session;
    (void) on;
}

static double null_step_seconds(const struct backend_session *session, int step)
{
    (void) session;
    (void) step;
    return 0;
}

const struct backend backend_null = {
    .name = "null",
    .compile = null_compile,
    .program_destroy = null_program_destroy,
    .program_info = null_program_info,
    .program_step = null_program_step,
    .can_region = null_can_region,
    .region_need = null_region_need,
    .region_bytes = null_region_bytes,
    .session_create = null_session_create,
    .session_warm = null_session_warm,
    .session_destroy = null_session_destroy,
    .submit = null_submit,
    .wait = null_wait,
    .set_profile = null_set_profile,
    .step_seconds = null_step_seconds,
};
