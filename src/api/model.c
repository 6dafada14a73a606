/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "api/objects.h"
#include "core/alloc.h"
#include "core/error.h"
#include "model/model.h"

static int count_operators(fm_model *model)
{
    struct graph *g = model->graph;
    model->operators = arena_array(g->arena, (size_t) g->n_nodes + 1, sizeof *model->operators);
    if (!model->operators) return FM_ERR_NOMEM;
    for (int i = 0; i < g->n_nodes; i++) {
        int at = 0;
        while (at < model->n_operators && strcmp(model->operators[at].name, g->node[i].type) != 0) at++;
        if (at == model->n_operators) model->operators[model->n_operators++].name = g->node[i].type;
        model->operators[at].count++;
    }
    return FM_OK;
}

int fm_model_open(const char *path, fm_model **out, struct fm_error *error)
{
    if (!out || !path) return core_fail(error, FM_ERR_ARGUMENT, "fm_model_open: no path, or no place for the model");
    *out = NULL;
    fm_model *model = core_calloc(1, sizeof *model);
    if (!model) return core_fail_nomem(error, sizeof *model);
    atomic_init(&model->references, 1);
    int code = model_load(path, &model->graph, error);
    if (code == FM_OK && count_operators(model) < 0) code = core_fail_nomem(error, 0);
    if (code < 0) {
        graph_destroy(&model->graph);
        core_free(model);
        return code;
    }
    *out = model;
    return FM_OK;
}

fm_model *fm_model_ref(fm_model *model)
{
    if (model) atomic_fetch_add(&model->references, 1);
    return model;
}

void fm_model_unref(fm_model **model)
{
    if (!model || !*model) return;
    fm_model *m = *model;
    *model = NULL;
    if (atomic_fetch_sub(&m->references, 1) != 1) return;
    graph_destroy(&m->graph);
    core_free(m);
}

int fm_model_input_count(const fm_model *model)
{
    return model ? model->graph->n_inputs : 0;
}
int fm_model_output_count(const fm_model *model)
{
    return model ? model->graph->n_outputs : 0;
}

static void fill_port(const struct graph_value *v, struct fm_model_port *out)
{
    *out = (struct fm_model_port){.name = v->name, .dtype = v->dtype, .rank = v->rank};
    for (int i = 0; i < FM_MAX_RANK; i++) {
        out->dim[i] = v->rank >= 0 && i < v->rank ? v->dim[i] : 0;
        out->dim_name[i] = v->dim_name[i];
    }
}

int fm_model_input(const fm_model *model, int index, struct fm_model_port *out)
{
    if (!model || !out || index < 0 || index >= model->graph->n_inputs) return FM_ERR_ARGUMENT;
    fill_port(&model->graph->value[model->graph->input[index]], out);
    return FM_OK;
}

int fm_model_output(const fm_model *model, int index, struct fm_model_port *out)
{
    if (!model || !out || index < 0 || index >= model->graph->n_outputs) return FM_ERR_ARGUMENT;
    fill_port(&model->graph->value[model->graph->output[index]], out);
    return FM_OK;
}

int fm_model_metadata(const fm_model *model, int index, const char **key, const char **value)
{
    if (!model || !key || !value) return FM_ERR_ARGUMENT;
    if (index < 0 || index >= model->graph->n_meta) return FM_ERR_EOS;
    *key = model->graph->meta[index].key;
    *value = model->graph->meta[index].value;
    return FM_OK;
}

int fm_model_operator(const fm_model *model, int index, const char **name, int *count)
{
    if (!model || !name || !count) return FM_ERR_ARGUMENT;
    if (index < 0 || index >= model->n_operators) return FM_ERR_EOS;
    *name = model->operators[index].name;
    *count = model->operators[index].count;
    return FM_OK;
}

/* Sizes as given, or made up; FM_OK or an error. `room` has n_inputs places. */
static int choose_inputs(const fm_model *model, const struct fm_tensor *inputs, struct fm_tensor *room, struct fm_error *error)
{
    if (!inputs) {
        session_default_inputs(model->graph, room);
        return FM_OK;
    }
    memcpy(room, inputs, (size_t) model->graph->n_inputs * sizeof *room);
    return session_check_inputs(model->graph, room, false, error);
}

int fm_model_get_info(const fm_model *model, const struct fm_tensor *inputs, struct fm_model_info *info, struct fm_error *error)
{
    if (!model) return core_fail(error, FM_ERR_ARGUMENT, "fm_model_get_info: no model");
    if (!info || info->size < sizeof(size_t)) return core_fail(error, FM_ERR_ARGUMENT, "fm_model_get_info: info->size is not set");
    const struct graph *g = model->graph;
    struct fm_tensor *room = core_calloc((size_t) g->n_inputs + 1, sizeof *room);
    if (!room) return core_fail_nomem(error, 0);
    struct graph *fixed = NULL;
    struct graph_field field;
    int code = choose_inputs(model, inputs, room, error);
    if (code == FM_OK) code = graph_specialise(g, room, &fixed, error);
    if (code == FM_OK) code = graph_rewrite(fixed, error);
    if (code == FM_OK && graph_field(fixed, &field) < 0) code = core_fail_nomem(error, 0);
    if (code == FM_OK) {
        struct fm_model_info full = {.size = info->size,
            .source = g->source,
            .format = g->format,
            .n_inputs = g->n_inputs,
            .n_outputs = g->n_outputs,
            .n_nodes = g->n_nodes,
            .parameters = 0,
            .macs = (double) field.macs,
            .bounded = field.bounded};
        for (int v = 0; v < g->n_values; v++) {
            const struct graph_value *value = &g->value[v];
            struct fm_tensor t = {.rank = value->rank};
            if (!value->data || (value->dtype != FM_F32 && value->dtype != FM_F16 && value->dtype != FM_BF16)) continue;
            memcpy(t.dim, value->dim, sizeof t.dim);
            const int64_t count = fm_tensor_count(&t);
            if (count > 0) full.parameters += count;
        }
        const struct fm_tensor *x = g->n_inputs ? &room[0] : NULL;
        if (x && x->rank == 4 && x->dim[2] * x->dim[3] > 0)
            full.macs_per_pixel = full.macs / ((double) x->dim[0] * (double) x->dim[2] * (double) x->dim[3]);
        snprintf(full.unbounded_reason, sizeof full.unbounded_reason, "%.*s", (int) sizeof full.unbounded_reason - 1, field.reason);
        if (field.bounded) {
            full.scale_num = (int) field.scale_num[1], full.scale_den = (int) field.scale_den[1];
            full.field_y = full.field_x = (int) field.halo;
        }
        memcpy(info, &full, info->size < sizeof full ? info->size : sizeof full);
    }
    graph_destroy(&fixed);
    core_free(room);
    return code;
}

int fm_model_run_reference(const fm_model *model, const struct fm_tensor *inputs, struct fm_tensor *outputs, struct fm_error *error)
{
    if (!model || !inputs || !outputs) return core_fail(error, FM_ERR_ARGUMENT, "fm_model_run_reference: an argument is missing");
    int code = session_check_inputs(model->graph, inputs, true, error);
    if (code < 0) return code;
    struct graph *fixed = NULL;
    code = graph_specialise(model->graph, inputs, &fixed, error);
    if (code == FM_OK) code = graph_interpret(fixed, inputs, outputs, error);
    graph_destroy(&fixed);
    return code;
}

void fm_tensor_free(struct fm_tensor *tensor)
{
    if (!tensor) return;
    core_free(tensor->data);
    tensor->data = NULL;
}
