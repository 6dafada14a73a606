/* SPDX-License-Identifier: MIT */
/* The tail: nodes whose output sizes depend on data (NonMaxSuppression and what follows). They run one by one on the reference code,
 * after everything planned; their results are allocated as they come and kept until the session's next run. */
#include <string.h>

#include "backend/cpu/program.h"
#include "core/alloc.h"
#include "core/error.h"

void cpu_clear_tail(struct backend_session *s)
{
    if (!s->tail_value) return;
    for (int v = 0; v < s->program->graph->n_values; v++) {
        core_free(s->tail_value[v].data);
        s->tail_value[v] = (struct fm_tensor){.dtype = FM_DTYPE_NONE};
    }
}

/* A value the tail reads: its own, or the planned part's array. */
static struct fm_tensor tail_read(const struct backend_session *s, int graph_value)
{
    if (graph_value < 0) return (struct fm_tensor){.dtype = FM_DTYPE_NONE};
    const struct graph_value *g = &s->program->graph->value[graph_value];
    const int v = s->program->form[graph_value * FORM_COUNT + FORM_FLAT];
    if (v < 0) return s->tail_value[graph_value];
    struct fm_tensor t = {.dtype = g->dtype, .rank = g->rank, .data = cpu_flat(s, v)};
    memcpy(t.dim, g->dim, sizeof t.dim);
    return t;
}

static int run_node(struct backend_session *s, const struct graph_node *original, struct fm_tensor *in, struct fm_tensor *out,
    struct fm_error *error)
{
    struct graph_node node = *original; /* shape rules may write resolved attributes */
    const struct op_def *def = op_def(node.op);
    for (int i = 0; i < node.n_in; i++) in[i] = tail_read(s, node.in[i]);
    for (int k = 0; k < node.n_out; k++) out[k] = (struct fm_tensor){.dtype = FM_DTYPE_NONE};
    int code = def->shape(&node, in, out, error);
    if (code < 0) return code == FM_ERR_AGAIN ? core_fail(error, FM_ERR_UNSUPPORTED, "its size cannot be known") : code;
    for (int k = 0; k < node.n_out; k++) {
        if (node.out[k] < 0) continue;
        const int64_t count = fm_tensor_count(&out[k]);
        size_t bytes;
        if (count < 0 || !core_mul_size((size_t) count, fm_dtype_size(out[k].dtype), &bytes))
            return core_fail(error, FM_ERR_SHAPE, "its output is too large");
        out[k].data = core_alloc(bytes ? bytes : 1);
        if (!out[k].data) return core_fail_nomem(error, bytes);
        core_free(s->tail_value[node.out[k]].data);
        s->tail_value[node.out[k]] = out[k];
    }
    return def->run(&node, in, out, error);
}

void cpu_take_back_tail(const struct backend_session *s, const struct backend_call *call)
{
    const struct graph *g = s->program->graph;
    for (int k = 0; s->tail_value && k < g->n_outputs; k++)
        if (call->outputs[k].data && call->outputs[k].data == s->tail_value[g->output[k]].data) call->outputs[k].data = NULL;
}

int cpu_run_tail(struct backend_session *s, const struct backend_call *call, struct fm_error *error)
{
    const struct backend_program *p = s->program;
    for (int i = 0; i < p->n_tail; i++) {
        const struct graph_node *node = &p->graph->node[p->tail[i]];
        struct fm_tensor *ports = core_calloc((size_t) node->n_in + (size_t) node->n_out + 1, sizeof *ports);
        if (!ports) return core_fail_nomem(error, 0);
        const int code = run_node(s, node, ports, ports + node->n_in, error);
        core_free(ports);
        if (code < 0) {
            core_fail_prefix(error, "node \"%s\" (%s)", node->name, node->type);
            return code;
        }
    }
    for (int k = 0; k < p->graph->n_outputs; k++) {
        if (p->output_value[k] >= 0) continue;
        const struct fm_tensor *made = &s->tail_value[p->graph->output[k]];
        struct fm_tensor *out = &call->outputs[k];
        if (!out->data) {
            *out = *made;
            continue;
        }
        bool same = out->dtype == made->dtype && out->rank == made->rank;
        for (int d = 0; same && d < made->rank; d++) same = out->dim[d] == made->dim[d];
        if (!same)
            return core_fail(error, FM_ERR_SHAPE,
                "output %d came out with another size than the array given for it; pass no array where sizes "
                "depend on the data",
                k);
        memcpy(out->data, made->data, (size_t) fm_tensor_count(made) * fm_dtype_size(made->dtype));
    }
    return FM_OK;
}
