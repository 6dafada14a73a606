/* SPDX-License-Identifier: MIT */
/* Everything on rows but convolutions and resizing: activations, sums and products, concatenation, slices, pools, shuffles, padding. Each
 * rule checks that the node is in a form rows can do and else declines. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "backend/cpu/program.h"
#include "core/error.h"

static bool in_rows(const struct backend_program *p, int graph_value)
{
    const int *have = &p->form[graph_value * FORM_COUNT];
    return have[FORM_BLOCKED] >= 0 || have[FORM_PLANAR] >= 0;
}

/* A step from rows to rows, a few of them at a time. */
static int add_rows(struct backend_program *p, const struct cpu_step *step, int n_in, struct plan_input *in, int out, int grid_y,
    struct fm_error *error)
{
    const struct plan_step shape = {
        .n_in = n_in, .in = in, .n_out = 1, .out = &out, .grid_y = grid_y, .any_row = true, .chunk_x = 256};
    const int code = cpu_add_step(p, step, &shape, error);
    return code < 0 ? code : FM_OK;
}

/* One input in rows, one output of the same form and geometry. */
static int add_same(
    struct backend_program *p, const struct graph_node *node, struct cpu_step step, int from, struct fm_error *error)
{
    const enum cpu_form form = p->value[from].form;
    const int out = cpu_add_value(p, node->out[0], form, error);
    if (out < 0) return out;
    struct plan_input in = {.value = from, .x = PLAN_SAME, .y = PLAN_SAME};
    step.name = node->name;
    step.what = node->type;
    step.how = p->kernels->isa;
    return add_rows(p, &step, 1, &in, out, 4, error);
}

static bool scalar_of(const struct graph *g, int graph_value, float *out)
{
    const struct graph_value *v = &g->value[graph_value];
    if (!v->data || !op_is_float(v->dtype)) return false;
    for (int i = 0; i < v->rank; i++)
        if (v->dim[i] != 1) return false;
    op_read_f32(out, v->dtype, v->data, 0, 1);
    return true;
}

static bool unary_act(const struct backend_program *p, const struct graph_node *node, struct cpu_step *step)
{
    float a = node->p.scalar.a, b = node->p.scalar.b;
    enum kernel_act act;
    switch (node->op) {
    case OP_RELU: act = KERNEL_ACT_RELU; break;
    case OP_LEAKY_RELU: act = KERNEL_ACT_LEAKY; break;
    case OP_SIGMOID: act = KERNEL_ACT_SIGMOID; break;
    case OP_SILU: act = KERNEL_ACT_SILU; break;
    case OP_TANH: act = KERNEL_ACT_TANH; break;
    case OP_HARD_SIGMOID: act = KERNEL_ACT_HARD_SIGMOID; break;
    case OP_HARD_SWISH: act = KERNEL_ACT_HARD_SWISH; break;
    case OP_MISH: act = KERNEL_ACT_MISH; break;
    case OP_GELU: act = a != 0 ? KERNEL_ACT_GELU_TANH : KERNEL_ACT_GELU; break;
    case OP_ELU: act = KERNEL_ACT_ELU; break;
    case OP_CLIP:
        act = KERNEL_ACT_CLIP;
        a = -HUGE_VALF, b = HUGE_VALF;
        if (node->n_in > 1 && node->in[1] >= 0 && !scalar_of(p->graph, node->in[1], &a)) return false;
        if (node->n_in > 2 && node->in[2] >= 0 && !scalar_of(p->graph, node->in[2], &b)) return false;
        break;
    default: return false;
    }
    step->run = cpu_run_act;
    step->u.act.act = act;
    step->u.act.a = a;
    step->u.act.b = b;
    return true;
}

/* True when a constant broadcasts over a picture of c channels as one value per channel (or one for all). */
static bool is_per_channel(const struct graph_value *v, const struct graph_value *picture)
{
    const int64_t c = picture->dim[1];
    if (v->rank > picture->rank) return false;
    for (int i = 0; i < v->rank; i++) {
        const int axis = picture->rank - v->rank + i;
        if (v->dim[i] != 1 && !(axis == 1 && v->dim[i] == c)) return false;
    }
    return true;
}

static bool same_shape(const struct graph_value *a, const struct graph_value *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

static int lower_prelu(struct backend_program *p, const struct graph_node *node, struct fm_error *error)
{
    const struct graph_value *x = &p->graph->value[node->in[0]], *slope = &p->graph->value[node->in[1]];
    if (!in_rows(p, node->in[0]) || !slope->data || !op_is_float(slope->dtype) || !is_per_channel(slope, x)) return CPU_DECLINED;
    const int from = cpu_need_rows(p, node->in[0], error);
    if (from < 0) return from;
    struct cpu_step step = {.run = cpu_run_act, .u.act = {.act = KERNEL_ACT_PRELU}};
    step.lanes = cpu_lanes(p, slope, p->value[from].channels, p->value[from].form, 0);
    if (!step.lanes) return core_fail_nomem(error, 0);
    return add_same(p, node, step, from, error);
}

static bool binary_op(enum op_kind op, bool swapped, enum rows_binary *out)
{
    switch (op) {
    case OP_ADD:
    case OP_SUM: *out = ROWS_ADD; return true;
    case OP_SUB: *out = swapped ? ROWS_RSUB : ROWS_SUB; return true;
    case OP_MUL: *out = ROWS_MUL; return true;
    case OP_DIV: *out = swapped ? ROWS_RDIV : ROWS_DIV; return true;
    case OP_MAX: *out = ROWS_MAX; return true;
    case OP_MIN: *out = ROWS_MIN; return true;
    default: return false;
    }
}

static int lower_binary(struct backend_program *p, const struct graph_node *node, struct fm_error *error)
{
    const struct graph *g = p->graph;
    if (node->n_in != 2) return CPU_DECLINED;
    int a = node->in[0], b = node->in[1];
    enum rows_binary op;
    if (!in_rows(p, a) && !in_rows(p, b)) return CPU_DECLINED;
    const bool swapped = !same_shape(&g->value[a], &g->value[node->out[0]]) || !in_rows(p, a);
    if (swapped) a = node->in[1], b = node->in[0];
    if (!binary_op(node->op, swapped, &op)) return CPU_DECLINED;
    const struct graph_value *va = &g->value[a], *vb = &g->value[b];
    if (!same_shape(va, &g->value[node->out[0]]) || !cpu_is_picture(p, a)) return CPU_DECLINED;
    struct cpu_step step = {.run = cpu_run_binary, .u.binary = {.op = op}};
    if (vb->data && op_is_float(vb->dtype) && is_per_channel(vb, va)) {
        const int from = cpu_need_rows(p, a, error);
        if (from < 0) return from;
        step.u.binary.operand = OPERAND_CHANNELS;
        step.lanes = cpu_lanes(p, vb, p->value[from].channels, p->value[from].form, op == ROWS_DIV ? 1 : 0);
        if (!step.lanes) return core_fail_nomem(error, 0);
        return add_same(p, node, step, from, error);
    }
    if (!cpu_is_picture(p, b) || va->rank != vb->rank || va->dim[0] != vb->dim[0]) return CPU_DECLINED;
    const bool pixel = va->rank == 4 && vb->dim[1] == va->dim[1] && vb->dim[2] == 1 && vb->dim[3] == 1 && !same_shape(va, vb);
    if (!pixel && !same_shape(va, vb)) return CPU_DECLINED;
    /* padding lanes of a block would be 0 / 0 */
    const bool division = op == ROWS_DIV || op == ROWS_RDIV;
    int from = division ? cpu_need(p, a, FORM_PLANAR, error) : cpu_need_rows(p, a, error);
    if (from < 0) return from;
    const int other = cpu_need(p, b, p->value[from].form, error);
    if (other < 0) return other;
    const int out = cpu_add_value(p, node->out[0], p->value[from].form, error);
    if (out < 0) return out;
    step.u.binary.operand = pixel ? OPERAND_PIXEL : OPERAND_ROWS;
    step.name = node->name, step.what = node->type, step.how = p->kernels->isa;
    struct plan_input in[2] = {{from, PLAN_SAME, PLAN_SAME}, {other, PLAN_SAME, PLAN_SAME}};
    if (pixel) in[1].x = in[1].y = PLAN_WHOLE;
    return add_rows(p, &step, 2, in, out, 4, error);
}

static int lower_concat(struct backend_program *p, const struct graph_node *node, struct fm_error *error)
{
    const struct graph *g = p->graph;
    const int rank = g->value[node->out[0]].rank;
    if (op_axis(node->p.axis.axis, rank) != 1 || !cpu_is_picture(p, node->out[0])) return CPU_DECLINED;
    bool any = false, blocks = true;
    for (int i = 0; i < node->n_in; i++) {
        if (node->in[i] < 0 || !cpu_is_picture(p, node->in[i])) return CPU_DECLINED;
        any = any || in_rows(p, node->in[i]);
        if (p->form[node->in[i] * FORM_COUNT + FORM_BLOCKED] < 0) blocks = false;
        if (i + 1 < node->n_in && g->value[node->in[i]].dim[1] % p->kernels->vector) blocks = false;
    }
    if (!any) return CPU_DECLINED;
    const enum cpu_form form = blocks ? FORM_BLOCKED : FORM_PLANAR;
    struct plan_input *in = arena_array(p->arena, (size_t) node->n_in, sizeof *in);
    if (!in) return core_fail_nomem(error, 0);
    for (int i = 0; i < node->n_in; i++) {
        const int v = cpu_need(p, node->in[i], form, error);
        if (v < 0) return v;
        in[i] = (struct plan_input){v, PLAN_SAME, PLAN_SAME};
    }
    const int out = cpu_add_value(p, node->out[0], form, error);
    if (out < 0) return out;
    const struct cpu_step step = {.run = cpu_run_concat, .name = node->name, .what = "Concat", .how = "copy"};
    return add_rows(p, &step, node->n_in, in, out, 4, error);
}

/* A window of channels, rows and columns of a value in rows. */
static int add_slice(struct backend_program *p, const struct graph_node *node, int graph_in, int graph_out, int channel, int y,
    int x, struct fm_error *error)
{
    const int vector = p->kernels->vector;
    const bool whole_blocks = channel % vector == 0 && p->form[graph_in * FORM_COUNT + FORM_BLOCKED] >= 0;
    const enum cpu_form form = whole_blocks ? FORM_BLOCKED : FORM_PLANAR;
    const int from = cpu_need(p, graph_in, form, error);
    if (from < 0) return from;
    const int out = cpu_add_value(p, graph_out, form, error);
    if (out < 0) return out;
    const struct cpu_step step = {
        .run = cpu_run_slice, .name = node->name, .what = node->type, .how = "copy", .u.slice = {channel, y, x}};
    struct plan_input in = {.value = from, .x = {false, 1, 1, x, x, false}, .y = {false, 1, 1, y, y, false}};
    return add_rows(p, &step, 1, &in, out, 4, error);
}

static int lower_split(struct backend_program *p, const struct graph_node *node, struct fm_error *error)
{
    const struct graph *g = p->graph;
    if (!in_rows(p, node->in[0]) || op_axis(node->p.axis.axis, g->value[node->in[0]].rank) != 1) return CPU_DECLINED;
    for (int k = 0; k < node->n_out; k++)
        if (node->out[k] < 0 || !cpu_is_picture(p, node->out[k])) return CPU_DECLINED;
    int channel = 0;
    for (int k = 0; k < node->n_out; k++) {
        const int code = add_slice(p, node, node->in[0], node->out[k], channel, 0, 0, error);
        if (code < 0) return code;
        channel += (int) g->value[node->out[k]].dim[1];
    }
    return FM_OK;
}

static int lower_slice(struct backend_program *p, const struct graph_node *node, struct fm_error *error)
{
    const struct graph *g = p->graph;
    const struct graph_value *x = &g->value[node->in[0]];
    if (!in_rows(p, node->in[0]) || !cpu_is_picture(p, node->out[0]) || x->rank != 4) return CPU_DECLINED;
    for (int k = 1; k < node->n_in; k++)
        if (node->in[k] >= 0 &&
            (!g->value[node->in[k]].data || (g->value[node->in[k]].dtype != FM_I64 && g->value[node->in[k]].dtype != FM_I32)))
            return CPU_DECLINED;
    int64_t first[4] = {0, 0, 0, 0};
    const struct graph_value *starts = &g->value[node->in[1]];
    const int count = starts->rank ? (int) starts->dim[0] : 1;
    for (int i = 0; i < count; i++) {
        int64_t at[3] = {0, i, 1}; /* start, axis, step */
        for (int k = 0; k < 3; k++) {
            const int input = k == 0 ? 1 : k + 2;
            if (input >= node->n_in || node->in[input] < 0) continue;
            const struct graph_value *v = &g->value[node->in[input]];
            if (v->dtype == FM_I64) {
                memcpy(&at[k], (const char *) v->data + (size_t) i * 8, 8);
            } else {
                int32_t small;
                memcpy(&small, (const char *) v->data + (size_t) i * 4, 4);
                at[k] = small;
            }
        }
        const int axis = op_axis(at[1], 4);
        if (axis < 0 || at[2] != 1) return CPU_DECLINED;
        if (at[0] < 0) at[0] += x->dim[axis];
        first[axis] = at[0] < 0 ? 0 : at[0] > x->dim[axis] ? x->dim[axis] : at[0];
    }
    if (first[0]) return CPU_DECLINED;
    for (int i = 0; i < 4; i++)
        if (first[i] + g->value[node->out[0]].dim[i] > x->dim[i]) return CPU_DECLINED;
    if (g->value[node->out[0]].dim[0] != x->dim[0]) return CPU_DECLINED;
    return add_slice(p, node, node->in[0], node->out[0], (int) first[1], (int) first[2], (int) first[3], error);
}

static int lower_pool(struct backend_program *p, const struct graph_node *node, struct fm_error *error)
{
    const struct graph *g = p->graph;
    const struct op_window *w = &node->p.pool.window;
    if (!in_rows(p, node->in[0]) || w->n != 2 || (node->n_out > 1 && node->out[1] >= 0) || node->p.pool.ncnn_full)
        return CPU_DECLINED;
    for (int i = 0; i < 2; i++)
        if (w->kernel[i] > 128 || w->stride[i] > 1024 || w->dilation[i] > 64 || w->pad_begin[i] < 0 || w->pad_end[i] < 0 ||
            w->pad_begin[i] > 128 || w->pad_end[i] > 128)
            return CPU_DECLINED;
    if ((w->kernel[0] - 1) * w->dilation[0] + 1 > CPU_ROWS_MAX) return CPU_DECLINED;
    const int from = cpu_need_rows(p, node->in[0], error);
    if (from < 0) return from;
    const int out = cpu_add_value(p, node->out[0], p->value[from].form, error);
    if (out < 0) return out;
    struct cpu_step step = {.run = cpu_run_pool,
        .name = node->name,
        .how = p->kernels->isa,
        .what = cpu_text(p, "%s %dx%d", node->type, (int) w->kernel[0], (int) w->kernel[1])};
    step.u.pool.pool = (struct rows_pool){.max = node->op == OP_MAX_POOL,
        .count_pad = node->p.pool.count_include_pad,
        .kernel_y = (int) w->kernel[0],
        .kernel_x = (int) w->kernel[1],
        .stride_x = (int) w->stride[1],
        .dilation_x = (int) w->dilation[1],
        .pad_x = (int) w->pad_begin[1],
        .pad_end_x = (int) w->pad_end[1],
        .in_width = (int) g->value[node->in[0]].dim[3]};
    step.u.pool.stride_y = (int) w->stride[0], step.u.pool.dilation_y = (int) w->dilation[0];
    step.u.pool.pad_y = (int) w->pad_begin[0], step.u.pool.pad_end_y = (int) w->pad_end[0];
    struct plan_input in = {.value = from,
        .x = {false, (int) w->stride[1], 1, -(int) w->pad_begin[1], (int) ((w->kernel[1] - 1) * w->dilation[1] - w->pad_begin[1]),
            false},
        .y = {false, (int) w->stride[0], 1, -(int) w->pad_begin[0], (int) ((w->kernel[0] - 1) * w->dilation[0] - w->pad_begin[0]),
            false}};
    return add_rows(p, &step, 1, &in, out, 1, error);
}

/* Global pools, and means over height and width with kept dimensions: one task for the picture, pieces share its channels. */
static int lower_global(struct backend_program *p, const struct graph_node *node, bool max, struct fm_error *error)
{
    if (!in_rows(p, node->in[0]) || p->graph->value[node->in[0]].rank != 4 || !cpu_is_picture(p, node->out[0])) return CPU_DECLINED;
    const int from = cpu_need_rows(p, node->in[0], error);
    if (from < 0) return from;
    const int out = cpu_add_value(p, node->out[0], p->value[from].form, error);
    if (out < 0) return out;
    const int blocks = p->plan_value[from].blocks;
    const struct cpu_step step = {
        .run = cpu_run_global_pool, .name = node->name, .what = node->type, .how = p->kernels->isa, .u.global = {max}};
    struct plan_input in = {.value = from, .x = PLAN_WHOLE, .y = PLAN_WHOLE};
    const int code = cpu_add_step(p, &step,
        &(struct plan_step){
            .n_in = 1, .in = &in, .n_out = 1, .out = (int *) &out, .whole = true, .pieces = blocks < 8 ? blocks : 8},
        error);
    return code < 0 ? code : FM_OK;
}

static bool reduces_space(const struct graph *g, const struct graph_node *node)
{
    if (!node->p.reduce.keep_dims || node->n_in < 2 || node->in[1] < 0) return false;
    const struct graph_value *axes = &g->value[node->in[1]];
    if (!axes->data || axes->dtype != FM_I64 || axes->rank != 1 || axes->dim[0] != 2) return false;
    bool seen[2] = {false, false};
    for (int i = 0; i < 2; i++) {
        int64_t axis;
        memcpy(&axis, (const char *) axes->data + 8 * i, 8);
        const int a = op_axis(axis, 4);
        if (a == 2 || a == 3) seen[a - 2] = true;
    }
    return seen[0] && seen[1];
}

static int lower_depth_to_space(struct backend_program *p, const struct graph_node *node, struct fm_error *error)
{
    if (!in_rows(p, node->in[0]) || node->p.block.size < 2 || node->p.block.size > 16) return CPU_DECLINED;
    const int from = cpu_need_rows(p, node->in[0], error);
    if (from < 0) return from;
    return cpu_add_shuffle(p, node, from, (int) node->p.block.size, node->p.block.crd, node->out[0], error);
}

static int lower_space_to_depth(struct backend_program *p, const struct graph_node *node, struct fm_error *error)
{
    const int r = (int) node->p.block.size;
    if (!cpu_is_picture(p, node->in[0]) || r < 2 || r > 16 || p->graph->value[node->in[0]].rank != 4) return CPU_DECLINED;
    const int from = cpu_need(p, node->in[0], FORM_PLANAR, error);
    if (from < 0) return from;
    const int out = cpu_add_value(p, node->out[0], FORM_PLANAR, error);
    if (out < 0) return out;
    const struct cpu_step step = {.run = cpu_run_unshuffle,
        .name = node->name,
        .what = cpu_text(p, "SpaceToDepth %d", r),
        .how = "c",
        .u.shuffle = {.r = r, .channels = p->value[from].channels}};
    struct plan_input in = {.value = from, .x = {false, r, 1, 0, r - 1, false}, .y = {false, r, 1, 0, r - 1, false}};
    return add_rows(p, &step, 1, &in, out, 1, error);
}

/* Padding of height and width: constant, reflected or repeated edges. */
static int lower_pad(struct backend_program *p, const struct graph_node *node, struct fm_error *error)
{
    const struct graph *g = p->graph;
    const struct graph_value *x = &g->value[node->in[0]], *pads = &g->value[node->in[1]];
    if (!cpu_is_picture(p, node->in[0]) || !cpu_is_picture(p, node->out[0]) || x->rank != 4 || !pads->data ||
        pads->dtype != FM_I64 || pads->rank != 1 || pads->dim[0] != 8 || (node->n_in > 3 && node->in[3] >= 0) ||
        node->p.pad.mode == PAD_WRAP)
        return CPU_DECLINED;
    int64_t pad[8];
    memcpy(pad, pads->data, sizeof pad);
    float value = 0;
    if (node->n_in > 2 && node->in[2] >= 0 && !scalar_of(g, node->in[2], &value)) return CPU_DECLINED;
    for (int i = 0; i < 8; i++)
        if (pad[i] < 0 || pad[i] > 4096 || (i % 4 < 2 && pad[i]) ||
            (node->p.pad.mode == PAD_REFLECT && i % 4 >= 2 && pad[i] >= x->dim[i % 4]))
            return CPU_DECLINED;
    const int from = cpu_need_rows(p, node->in[0], error);
    if (from < 0) return from;
    const int out = cpu_add_value(p, node->out[0], p->value[from].form, error);
    if (out < 0) return out;
    const struct cpu_step step = {.run = cpu_run_pad,
        .name = node->name,
        .what = "Pad",
        .how = "copy",
        .u.pad = {.top = (int) pad[2], .left = (int) pad[3], .mode = node->p.pad.mode, .value = value}};
    /* mirrored rows lie at most twice the padding away */
    const bool mirrored = node->p.pad.mode == PAD_REFLECT, edge = node->p.pad.mode == PAD_EDGE;
    const int top = (int) pad[2], left = (int) pad[3], bottom = (int) pad[6], right = (int) pad[7];
    const int reach_y = mirrored ? 2 * (top > bottom ? top : bottom) : 0,
              reach_x = mirrored ? 2 * (left > right ? left : right) : 0;
    struct plan_input in = {.value = from,
        .x = {false, 1, 1, -left - reach_x, mirrored ? reach_x : -left, edge},
        .y = {false, 1, 1, -top - reach_y, mirrored ? reach_y : -top, edge}};
    return add_rows(p, &step, 1, &in, out, 4, error);
}

int cpu_lower_rows(struct backend_program *p, const struct graph_node *node, struct fm_error *error)
{
    struct cpu_step step = {0};
    if (node->n_in < 1 || node->in[0] < 0 || !node->n_out || node->out[0] < 0) return CPU_DECLINED;
    switch (node->op) {
    case OP_PRELU: return lower_prelu(p, node, error);
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_DIV:
    case OP_MAX:
    case OP_MIN:
    case OP_SUM: return lower_binary(p, node, error);
    case OP_CONCAT: return lower_concat(p, node, error);
    case OP_SPLIT: return lower_split(p, node, error);
    case OP_SLICE: return lower_slice(p, node, error);
    case OP_MAX_POOL:
    case OP_AVERAGE_POOL: return lower_pool(p, node, error);
    case OP_GLOBAL_AVERAGE_POOL: return lower_global(p, node, false, error);
    case OP_GLOBAL_MAX_POOL: return lower_global(p, node, true, error);
    case OP_REDUCE_MEAN: return reduces_space(p->graph, node) ? lower_global(p, node, false, error) : CPU_DECLINED;
    case OP_DEPTH_TO_SPACE: return lower_depth_to_space(p, node, error);
    case OP_SPACE_TO_DEPTH: return lower_space_to_depth(p, node, error);
    case OP_PAD: return lower_pad(p, node, error);
    default: break;
    }
    if (!in_rows(p, node->in[0]) || !unary_act(p, node, &step)) return CPU_DECLINED;
    const int from = cpu_need_rows(p, node->in[0], error);
    return from < 0 ? from : add_same(p, node, step, from, error);
}
