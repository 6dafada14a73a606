/* SPDX-License-Identifier: MIT */
/* Steps on plain arrays: the reference code, and changes of type. */
#include <string.h>

#include "backend/cpu/program.h"
#include "core/alloc.h"

static struct fm_tensor tensor_of(const struct backend_session *s, int v)
{
    const struct graph_value *g = &s->program->graph->value[s->program->value[v].graph_value];
    struct fm_tensor t = {
        .dtype = s->program->value[v].form == FORM_FLAT32 ? FM_F32 : g->dtype, .rank = g->rank, .data = cpu_flat(s, v)};
    memcpy(t.dim, g->dim, sizeof t.dim);
    return t;
}

int cpu_run_flat32(const struct cpu_call *call)
{
    const struct fm_tensor from = tensor_of(call->session, call->shape->in[0].value);
    struct fm_tensor to = tensor_of(call->session, call->shape->out[0]);
    const int64_t count = fm_tensor_count(&from);
    if (from.dtype == to.dtype) {
        if (count) memcpy(to.data, from.data, (size_t) count * fm_dtype_size(from.dtype));
    } else if (to.dtype == FM_F32) {
        op_read_f32(to.data, from.dtype, from.data, 0, count);
    } else {
        for (int64_t i = 0; i < count; i++) op_set_f(&to, i, op_get_f(&from, i));
    }
    return FM_OK;
}

#define FLAT_PORTS 64 /* inputs and outputs of one node that fit the stack */

int cpu_run_reference(const struct cpu_call *call)
{
    const struct graph_node *node = call->step->u.flat.node;
    struct fm_tensor few[2 * FLAT_PORTS];
    struct fm_tensor *in = few, *out = few + FLAT_PORTS, *many = NULL;
    if (node->n_in > FLAT_PORTS || node->n_out > FLAT_PORTS) {
        many = core_calloc((size_t) node->n_in + (size_t) node->n_out, sizeof *many);
        if (!many) return FM_ERR_NOMEM;
        in = many;
        out = many + node->n_in;
    }
    int next = 0;
    for (int i = 0; i < node->n_in; i++) {
        in[i] = (struct fm_tensor){.dtype = FM_DTYPE_NONE};
        if (node->in[i] >= 0) in[i] = tensor_of(call->session, call->shape->in[next++].value);
    }
    next = 0;
    for (int k = 0; k < node->n_out; k++) {
        out[k] = (struct fm_tensor){.dtype = FM_DTYPE_NONE};
        if (node->out[k] >= 0) out[k] = tensor_of(call->session, call->shape->out[next++]);
    }
    const int code = op_def(node->op)->run(node, in, out, NULL);
    core_free(many);
    return code;
}
