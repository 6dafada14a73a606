/* SPDX-License-Identifier: MIT */
/* Lowering: walks the graph once and writes steps. Values come in forms (program.h); a step asks for its inputs in the form it likes
 * and conversion steps appear where the form is missing. What no fast path takes goes to the reference code on plain arrays. */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backend/cpu/program.h"
#include "core/alloc.h"
#include "core/error.h"

const char *cpu_text(struct backend_program *p, const char *format, ...)
{
    char text[192];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *copy = arena_strdup(p->arena, text);
    return copy ? copy : "";
}

void cpu_picture(const struct graph_value *v, int *n, int *c, int *h, int *w)
{
    *n = (int) v->dim[0];
    *c = (int) v->dim[1];
    *h = v->rank == 4 ? (int) v->dim[2] : 1;
    *w = v->rank == 4 ? (int) v->dim[3] : (int) v->dim[2];
}

bool cpu_is_picture(const struct backend_program *p, int graph_value)
{
    const struct graph_value *v = &p->graph->value[graph_value];
    if (v->dtype != FM_F32 && v->dtype != FM_F16 && v->dtype != FM_BF16) return false;
    if (v->rank != 4 && v->rank != 3) return false;
    int64_t rows = 1;
    for (int i = 0; i < v->rank; i++)
        if (v->dim[i] < 1 || v->dim[i] > 1 << 24) return false;
    if (!core_mul_i64(v->dim[0], v->rank == 4 ? v->dim[2] : 1, &rows) || rows > 1 << 24) return false;
    return true;
}

static int grow_values(struct backend_program *p, struct fm_error *error)
{
    if (p->n_values < p->cap_values) return FM_OK;
    const int cap = p->cap_values ? p->cap_values * 2 : 64;
    struct plan_value *plan = arena_array(p->arena, (size_t) cap, sizeof *plan);
    struct cpu_value *value = arena_array(p->arena, (size_t) cap, sizeof *value);
    if (!plan || !value) return core_fail_nomem(error, 0);
    if (p->n_values) {
        memcpy(plan, p->plan_value, (size_t) p->n_values * sizeof *plan);
        memcpy(value, p->value, (size_t) p->n_values * sizeof *value);
    }
    p->plan_value = plan;
    p->value = value;
    p->cap_values = cap;
    return FM_OK;
}

int cpu_add_hidden(
    struct backend_program *p, enum cpu_form form, int pictures, int channels, int height, int width, struct fm_error *error)
{
    const int code = grow_values(p, error);
    if (code < 0) return code;
    const int v = p->n_values++;
    struct plan_value *plan = &p->plan_value[v];
    p->value[v] = (struct cpu_value){.graph_value = -1, .form = form, .channels = channels};
    *plan = (struct plan_value){.pictures = pictures, .height = height, .width = width};
    if (form == FORM_BLOCKED) {
        plan->lanes = p->kernels->vector;
        plan->blocks = (channels + plan->lanes - 1) / plan->lanes;
    } else if (form == FORM_PLANAR) {
        plan->lanes = 1;
        plan->blocks = channels;
    } else {
        plan->flat = true;
    }
    return v;
}

int cpu_add_value(struct backend_program *p, int graph_value, enum cpu_form form, struct fm_error *error)
{
    const struct graph_value *g = &p->graph->value[graph_value];
    int n = 1, c = 1, h = 1, w = 1;
    if (cpu_is_picture(p, graph_value)) cpu_picture(g, &n, &c, &h, &w);
    const int v = cpu_add_hidden(p, form, n, c, h, w, error);
    if (v < 0) return v;
    p->value[v].graph_value = graph_value;
    if (form == FORM_FLAT || form == FORM_FLAT32) {
        const struct fm_tensor shape = {.dtype = g->dtype, .rank = g->rank};
        struct fm_tensor t = shape;
        memcpy(t.dim, g->dim, sizeof t.dim);
        const int64_t count = fm_tensor_count(&t);
        size_t bytes;
        if (count < 0 || !core_mul_size((size_t) count, form == FORM_FLAT32 ? 4 : fm_dtype_size(g->dtype), &bytes) ||
            bytes > SIZE_MAX / 2)
            return core_fail(error, FM_ERR_SHAPE, "value \"%s\" is too large", g->name);
        p->plan_value[v].flat_bytes = bytes;
        for (int k = 0; k < p->graph->n_outputs; k++) {
            if (form != FORM_FLAT || p->graph->output[k] != graph_value || p->output_value[k] >= 0) continue;
            p->value[v].memory = MEMORY_OUTPUT;
            p->value[v].index = k;
            p->plan_value[v].external = true;
            p->output_value[k] = v;
            break;
        }
    }
    p->form[graph_value * FORM_COUNT + form] = v;
    if (g->dtype == FM_F32 && form == FORM_FLAT) p->form[graph_value * FORM_COUNT + FORM_FLAT32] = v;
    return v;
}

int cpu_add_step(struct backend_program *p, const struct cpu_step *step, const struct plan_step *shape, struct fm_error *error)
{
    if (p->n_steps == p->cap_steps) {
        const int cap = p->cap_steps ? p->cap_steps * 2 : 64;
        struct plan_step *plan = arena_array(p->arena, (size_t) cap, sizeof *plan);
        struct cpu_step *steps = arena_array(p->arena, (size_t) cap, sizeof *steps);
        if (!plan || !steps) return core_fail_nomem(error, 0);
        if (p->n_steps) {
            memcpy(plan, p->plan_step, (size_t) p->n_steps * sizeof *plan);
            memcpy(steps, p->step, (size_t) p->n_steps * sizeof *steps);
        }
        p->plan_step = plan;
        p->step = steps;
        p->cap_steps = cap;
    }
    struct plan_step *plan = &p->plan_step[p->n_steps];
    *plan = *shape;
    plan->in = arena_array(p->arena, (size_t) shape->n_in + 1, sizeof *plan->in);
    plan->out = arena_array(p->arena, (size_t) shape->n_out + 1, sizeof *plan->out);
    if (!plan->in || !plan->out) return core_fail_nomem(error, 0);
    if (shape->n_in) memcpy(plan->in, shape->in, (size_t) shape->n_in * sizeof *plan->in);
    memcpy(plan->out, shape->out, (size_t) shape->n_out * sizeof *plan->out);
    if (plan->grid_x < 1) plan->grid_x = 1;
    if (plan->grid_y < 1) plan->grid_y = 1;
    if (plan->chunk_x < plan->grid_x) plan->chunk_x = (128 + plan->grid_x - 1) / plan->grid_x * plan->grid_x;
    p->step[p->n_steps] = *step;
    if (step->scratch > p->scratch_bytes) p->scratch_bytes = step->scratch;
    p->macs += step->macs;
    return p->n_steps++;
}

void cpu_want_margins(struct backend_program *p, int value, int left, int right)
{
    struct plan_value *v = &p->plan_value[value];
    if (left > v->margin_left) v->margin_left = left;
    if (right > v->margin_right) v->margin_right = right;
}

/* A step from one value to another that keeps the picture's size. Rows move in groups so that a task is worth its hand-over. */
static int add_move(
    struct backend_program *p, int (*run)(const struct cpu_call *), const char *what, int from, int to, struct fm_error *error)
{
    struct plan_input in = {.value = from, .x = PLAN_SAME, .y = PLAN_SAME};
    const int g = p->value[to].graph_value;
    const struct cpu_step step = {.run = run, .name = g >= 0 ? p->graph->value[g].name : "", .what = what, .how = p->kernels->isa};
    return cpu_add_step(
        p, &step, &(struct plan_step){.n_in = 1, .in = &in, .n_out = 1, .out = &to, .grid_y = 4, .any_row = true, .chunk_x = 256}, error);
}

/* A constant's array: in place where it is aligned and of the wanted type, else a copy in the program. Never bound to an output. */
static int add_constant(struct backend_program *p, int graph_value, enum cpu_form form, struct fm_error *error)
{
    const struct graph_value *g = &p->graph->value[graph_value];
    struct fm_tensor t = {.dtype = g->dtype, .rank = g->rank};
    memcpy(t.dim, g->dim, sizeof t.dim);
    const size_t unit = fm_dtype_size(g->dtype), count = (size_t) fm_tensor_count(&t);
    const void *data = g->data;
    if (form == FORM_FLAT32 || (unit > 1 && (uintptr_t) data % unit)) {
        void *copy = arena_array(p->arena, count, form == FORM_FLAT32 ? 4 : unit);
        if (!copy) return core_fail_nomem(error, count * unit);
        if (form == FORM_FLAT32)
            op_read_f32(copy, g->dtype, data, 0, (int64_t) count);
        else if (count)
            memcpy(copy, data, count * unit);
        data = copy;
    }
    int n = 1, c = 1, h = 1, w = 1;
    if (cpu_is_picture(p, graph_value)) cpu_picture(g, &n, &c, &h, &w);
    const int v = cpu_add_hidden(p, form, n, c, h, w, error);
    if (v < 0) return v;
    p->value[v] =
        (struct cpu_value){.graph_value = graph_value, .form = form, .channels = c, .memory = MEMORY_CONSTANT, .constant = data};
    p->plan_value[v].external = true;
    p->plan_value[v].flat_bytes = count * (form == FORM_FLAT32 ? 4 : unit);
    p->form[graph_value * FORM_COUNT + form] = v;
    if (g->dtype == FM_F32) p->form[graph_value * FORM_COUNT + FORM_FLAT32] = v;
    return v;
}

static int need_flat(struct backend_program *p, int graph_value, enum cpu_form form, struct fm_error *error)
{
    const int *have = &p->form[graph_value * FORM_COUNT];
    const struct graph_value *g = &p->graph->value[graph_value];
    if (g->dtype == FM_F32) form = FORM_FLAT;
    if (have[form] >= 0) return have[form];
    if (g->data) return add_constant(p, graph_value, form, error);
    const int rows = have[FORM_BLOCKED] >= 0 ? have[FORM_BLOCKED] : have[FORM_PLANAR];
    if (rows >= 0 && (form == FORM_FLAT32 || g->dtype == FM_F32)) {
        const int v = cpu_add_value(p, graph_value, form, error);
        if (v < 0) return v;
        const int s = add_move(p, cpu_run_store, "store", rows, v, error);
        return s < 0 ? s : v;
    }
    /* between a 16-bit array and a float32 one */
    const int from = rows >= 0 ? need_flat(p, graph_value, FORM_FLAT32, error) : have[form == FORM_FLAT ? FORM_FLAT32 : FORM_FLAT];
    if (from < 0) return from < -1 ? from : core_fail(error, FM_ERR_UNSUPPORTED, "value \"%s\" is used before it is made", g->name);
    const int v = cpu_add_value(p, graph_value, form, error);
    if (v < 0) return v;
    struct plan_input in = {.value = from, .x = PLAN_WHOLE, .y = PLAN_WHOLE};
    const struct cpu_step step = {.run = cpu_run_flat32, .name = g->name, .what = "cast", .how = "c"};
    const int s =
        cpu_add_step(p, &step, &(struct plan_step){.n_in = 1, .in = &in, .n_out = 1, .out = (int *) &v, .whole = true}, error);
    return s < 0 ? s : v;
}

int cpu_need(struct backend_program *p, int graph_value, enum cpu_form form, struct fm_error *error)
{
    if (form == FORM_FLAT || form == FORM_FLAT32) return need_flat(p, graph_value, form, error);
    const int *have = &p->form[graph_value * FORM_COUNT];
    if (have[form] >= 0) return have[form];
    const enum cpu_form other = form == FORM_BLOCKED ? FORM_PLANAR : FORM_BLOCKED;
    int from = have[other];
    const bool loading = from < 0;
    if (loading) from = need_flat(p, graph_value, FORM_FLAT32, error);
    if (from < 0) return from;
    const int v = cpu_add_value(p, graph_value, form, error);
    if (v < 0) return v;
    const int s = add_move(p, loading ? cpu_run_load : cpu_run_convert, loading ? "load" : "convert", from, v, error);
    return s < 0 ? s : v;
}

int cpu_need_rows(struct backend_program *p, int graph_value, struct fm_error *error)
{
    const int *have = &p->form[graph_value * FORM_COUNT];
    if (have[FORM_BLOCKED] >= 0) return have[FORM_BLOCKED];
    return cpu_need(p, graph_value, FORM_PLANAR, error);
}

/* Per channel parameters as the rows kernels read them; `constant` holds `channels` elements or one. */
const float *cpu_lanes(struct backend_program *p, const struct graph_value *constant, int channels, enum cpu_form form, float fill)
{
    const int vector = p->kernels->vector;
    const size_t count = form == FORM_BLOCKED ? (size_t) (channels + vector - 1) / (size_t) vector * (size_t) vector
                                              : (size_t) channels * (size_t) vector;
    float *lanes = arena_array(p->arena, count, sizeof *lanes);
    if (!lanes) return NULL;
    struct fm_tensor t = {.rank = constant->rank};
    memcpy(t.dim, constant->dim, sizeof t.dim);
    const bool one = fm_tensor_count(&t) == 1;
    for (size_t i = 0; i < count; i++) lanes[i] = fill;
    for (int c = 0; c < channels; c++) {
        float value;
        op_read_f32(&value, constant->dtype, constant->data, one ? 0 : c, 1);
        if (form == FORM_BLOCKED)
            lanes[c] = value;
        else
            for (int l = 0; l < vector; l++) lanes[(size_t) c * (size_t) vector + (size_t) l] = value;
    }
    return lanes;
}

enum kernel_act cpu_act(enum op_activation act, float a)
{
    switch (act) {
    case ACT_RELU: return KERNEL_ACT_RELU;
    case ACT_LEAKY_RELU: return KERNEL_ACT_LEAKY;
    case ACT_PRELU: return KERNEL_ACT_PRELU;
    case ACT_CLIP: return KERNEL_ACT_CLIP;
    case ACT_SILU: return KERNEL_ACT_SILU;
    case ACT_SIGMOID: return KERNEL_ACT_SIGMOID;
    case ACT_TANH: return KERNEL_ACT_TANH;
    case ACT_HARD_SWISH: return KERNEL_ACT_HARD_SWISH;
    case ACT_HARD_SIGMOID: return KERNEL_ACT_HARD_SIGMOID;
    case ACT_MISH: return KERNEL_ACT_MISH;
    case ACT_GELU: return a != 0 ? KERNEL_ACT_GELU_TANH : KERNEL_ACT_GELU;
    case ACT_ELU: return KERNEL_ACT_ELU;
    default: return KERNEL_ACT_NONE;
    }
}

int cpu_lower_reference(struct backend_program *p, const struct graph_node *node, struct fm_error *error)
{
    struct plan_input *in = arena_array(p->arena, (size_t) node->n_in + 1, sizeof *in);
    int *out = arena_array(p->arena, (size_t) node->n_out + 1, sizeof *out);
    if (!in || !out) return core_fail_nomem(error, 0);
    int n_in = 0, n_out = 0;
    for (int i = 0; i < node->n_in; i++) {
        if (node->in[i] < 0) continue;
        const int v = cpu_need(p, node->in[i], FORM_FLAT, error);
        if (v < 0) return v;
        in[n_in++] = (struct plan_input){.value = v, .x = PLAN_WHOLE, .y = PLAN_WHOLE};
    }
    for (int k = 0; k < node->n_out; k++) {
        if (node->out[k] < 0) continue;
        const int v = cpu_add_value(p, node->out[k], FORM_FLAT, error);
        if (v < 0) return v;
        out[n_out++] = v;
    }
    if (!n_out) return FM_OK;
    const struct cpu_step step = {
        .run = cpu_run_reference, .name = node->name, .what = node->type, .how = "reference", .u.flat = {node}};
    const int s =
        cpu_add_step(p, &step, &(struct plan_step){.n_in = n_in, .in = in, .n_out = n_out, .out = out, .whole = true}, error);
    return s < 0 ? s : FM_OK;
}

static int lower_node(struct backend_program *p, const struct graph_node *node, struct fm_error *error)
{
    int code = CPU_DECLINED;
    if (node->op == OP_CONV)
        code = cpu_lower_conv(p, node, error);
    else if (node->op == OP_CONV_TRANSPOSE)
        code = cpu_lower_conv_transpose(p, node, error);
    else if (node->op == OP_RESIZE)
        code = cpu_lower_resize(p, node, error);
    else
        code = cpu_lower_rows(p, node, error);
    if (code != CPU_DECLINED) return code;
    return cpu_lower_reference(p, node, error);
}

/* A value whose size is known only from data. */
static bool is_open(const struct graph_value *v)
{
    if (v->rank < 0 || v->dtype == FM_DTYPE_NONE) return true;
    for (int i = 0; i < v->rank; i++)
        if (v->dim[i] < 0) return true;
    return false;
}

/* Nodes that make open values, and all that use what those make. */
static int split_tail(struct backend_program *p, bool *in_tail, struct fm_error *error)
{
    const struct graph *g = p->graph;
    bool *late = arena_array(p->arena, (size_t) g->n_values + 1, sizeof *late);
    p->tail = arena_array(p->arena, (size_t) g->n_nodes + 1, sizeof *p->tail);
    if (!late || !p->tail) return core_fail_nomem(error, 0);
    for (int i = 0; i < g->n_nodes; i++) {
        const struct graph_node *node = &g->node[i];
        for (int k = 0; k < node->n_in; k++)
            if (node->in[k] >= 0 && late[node->in[k]]) in_tail[i] = true;
        for (int k = 0; k < node->n_out; k++)
            if (node->out[k] >= 0 && is_open(&g->value[node->out[k]])) in_tail[i] = true;
        if (!in_tail[i]) continue;
        p->tail[p->n_tail++] = i;
        for (int k = 0; k < node->n_out; k++)
            if (node->out[k] >= 0) late[node->out[k]] = true;
    }
    return FM_OK;
}

/* What the tail reads from the planned part must stay in plain arrays until the end: a step without work keeps them alive. */
static int keep_for_tail(struct backend_program *p, struct fm_error *error)
{
    const struct graph *g = p->graph;
    for (int i = 0; i < p->n_tail; i++) {
        const struct graph_node *node = &g->node[p->tail[i]];
        for (int k = 0; k < node->n_in; k++) {
            if (node->in[k] < 0) continue;
            const int *have = &p->form[node->in[k] * FORM_COUNT];
            const bool made = have[0] >= 0 || have[1] >= 0 || have[2] >= 0 || have[3] >= 0;
            if (!made && !g->value[node->in[k]].data) continue; /* made by the tail itself */
            const int v = cpu_need(p, node->in[k], FORM_FLAT, error);
            if (v < 0) return v;
            p->plan_value[v].pinned = true;
        }
    }
    return FM_OK;
}

static int find_users(struct backend_program *p, struct fm_error *error)
{
    const struct graph *g = p->graph;
    size_t uses = 0;
    for (int i = 0; i < g->n_nodes; i++) uses += (size_t) g->node[i].n_in;
    p->user_start = arena_array(p->arena, (size_t) g->n_values + 2, sizeof *p->user_start);
    p->user = arena_array(p->arena, uses + 1, sizeof *p->user);
    int *fill = arena_array(p->arena, (size_t) g->n_values + 1, sizeof *fill);
    if (!p->user_start || !p->user || !fill) return core_fail_nomem(error, 0);
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].n_in; k++)
            if (g->node[i].in[k] >= 0) p->user_start[g->node[i].in[k] + 1]++;
    for (int v = 0; v < g->n_values; v++) p->user_start[v + 1] += p->user_start[v], fill[v] = p->user_start[v];
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].n_in; k++)
            if (g->node[i].in[k] >= 0) p->user[fill[g->node[i].in[k]]++] = i;
    return FM_OK;
}

int cpu_lower(struct backend_program *p, struct fm_error *error)
{
    const struct graph *g = p->graph;
    p->form = arena_array(p->arena, (size_t) g->n_values * FORM_COUNT + 1, sizeof *p->form);
    p->output_value = arena_array(p->arena, (size_t) g->n_outputs + 1, sizeof *p->output_value);
    bool *in_tail = arena_array(p->arena, (size_t) g->n_nodes + 1, sizeof *in_tail);
    if (!p->form || !p->output_value || !in_tail) return core_fail_nomem(error, 0);
    for (int i = 0; i < g->n_values * FORM_COUNT; i++) p->form[i] = -1;
    for (int k = 0; k < g->n_outputs; k++) p->output_value[k] = -1;
    int code = split_tail(p, in_tail, error);
    if (code == FM_OK) code = find_users(p, error);
    if (code < 0) return code;
    for (int k = 0; k < g->n_inputs; k++) { /* inputs first: an input that is also an output needs a copy step, see below */
        const int v = cpu_add_hidden(p, FORM_FLAT, 1, 1, 1, 1, error);
        if (v < 0) return v;
        const int gv = g->input[k];
        const struct graph_value *value = &g->value[gv];
        int c = 1;
        if (cpu_is_picture(p, gv))
            cpu_picture(value, &p->plan_value[v].pictures, &c, &p->plan_value[v].height, &p->plan_value[v].width);
        p->value[v] = (struct cpu_value){.graph_value = gv, .form = FORM_FLAT, .channels = c, .memory = MEMORY_INPUT, .index = k};
        p->plan_value[v].external = true;
        p->form[gv * FORM_COUNT + FORM_FLAT] = v;
        if (value->dtype == FM_F32) p->form[gv * FORM_COUNT + FORM_FLAT32] = v;
    }
    for (int i = 0; i < g->n_nodes; i++) {
        if (in_tail[i]) continue;
        code = lower_node(p, &g->node[i], error);
        if (code < 0) {
            core_fail_prefix(error, "node \"%s\" (%s)", g->node[i].name, g->node[i].type);
            return code;
        }
    }
    for (int k = 0; k < g->n_outputs; k++) {
        if (p->output_value[k] >= 0) continue;
        const int gv = g->output[k];
        const int *have = &p->form[gv * FORM_COUNT];
        if (have[0] < 0 && have[1] < 0 && have[2] < 0 && have[3] < 0 && !g->value[gv].data) continue; /* the tail's */
        const int from = cpu_need(p, gv, FORM_FLAT, error); /* makes and binds it where it is in rows only */
        if (from < 0) return from;
        if (p->output_value[k] >= 0) continue;
        /* an input, a constant, or a value that is an output twice: copied */
        int to = cpu_add_hidden(p, FORM_FLAT, 1, 1, 1, 1, error);
        if (to < 0) return to;
        p->value[to] = (struct cpu_value){.graph_value = gv, .form = FORM_FLAT, .memory = MEMORY_OUTPUT, .index = k};
        p->plan_value[to].external = true;
        p->output_value[k] = to;
        struct plan_input in = {.value = from, .x = PLAN_WHOLE, .y = PLAN_WHOLE};
        const struct cpu_step step = {.run = cpu_run_flat32, .name = g->value[gv].name, .what = "copy", .how = "c"};
        code = cpu_add_step(p, &step, &(struct plan_step){.n_in = 1, .in = &in, .n_out = 1, .out = &to, .whole = true}, error);
        if (code < 0) return code;
    }
    return keep_for_tail(p, error);
}
