/* SPDX-License-Identifier: MIT */
/* Convolutions: the cheapest algorithm that fits, its weights packed once. The choice looks at the layer alone, never at the size of the
 * picture or tile, so that tiles and whole pictures come out the same. Transposed convolutions become a convolution that makes every
 * phase of the output as channels of its own, and a depth-to-space step. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "backend/cpu/program.h"
#include "core/alloc.h"
#include "core/error.h"
#include "graph/packs.h"

#define CONVERT_CYCLES 1.0 /* per pixel and channel, to bring an input into the other layout */

static const char *const act_names[] = {
    [KERNEL_ACT_NONE] = "",
    [KERNEL_ACT_RELU] = " + Relu",
    [KERNEL_ACT_LEAKY] = " + LeakyRelu",
    [KERNEL_ACT_PRELU] = " + PRelu",
    [KERNEL_ACT_CLIP] = " + Clip",
    [KERNEL_ACT_SILU] = " + Silu",
    [KERNEL_ACT_SIGMOID] = " + Sigmoid",
    [KERNEL_ACT_TANH] = " + Tanh",
    [KERNEL_ACT_HARD_SWISH] = " + HardSwish",
    [KERNEL_ACT_HARD_SIGMOID] = " + HardSigmoid",
    [KERNEL_ACT_MISH] = " + Mish",
    [KERNEL_ACT_GELU] = " + Gelu",
    [KERNEL_ACT_GELU_TANH] = " + Gelu",
    [KERNEL_ACT_ELU] = " + Elu",
};

struct layer { /* a convolution about to be lowered */
    const struct graph_node *node;
    struct conv_shape shape;
    struct conv_epilogue epilogue;
    const float *weight, *bias, *slope; /* float32; bias and slope may be NULL */
    int input, residual;                /* graph values; residual -1: none */
    int output;                         /* the graph value it makes in rows; -1: hidden, a shuffle follows */
    int out_n, out_h, out_w;
    double macs;
};

/* The layout a step makes or takes, as far as one is preferred. */
enum liking { LIKES_ANY, LIKES_BLOCKED, LIKES_PLANAR };

static enum liking liking_of(enum rows_layout layout)
{
    return layout == ROWS_BLOCKED ? LIKES_BLOCKED : LIKES_PLANAR;
}

static double mismatch(enum liking want, enum rows_layout have, int channels)
{
    return want == LIKES_ANY || want == liking_of(have) ? 0 : CONVERT_CYCLES * channels;
}

/* Whole blocks of channels are at home in blocked rows: what lies around such a layer (depthwise and pointwise layers, sums, concatenations)
 * is fastest there, more so than the costs of one layer can tell. Planar algorithms must be clearly cheaper to be taken. */
#define PLANAR_STRANGENESS 1.6

static double strangeness(const struct backend_program *p, const struct conv_shape *shape, const struct conv_algorithm *a)
{
    const int vector = p->kernels->vector;
    const bool whole_in = shape->in_channels >= 16 && shape->in_channels % vector == 0;
    const bool whole_out = shape->out_channels >= 16 && shape->out_channels % vector == 0;
    return (a->in == ROWS_PLANAR && whole_in) || (a->out == ROWS_PLANAR && whole_out) ? PLANAR_STRANGENESS : 1;
}

/* The cheapest algorithm, the conversions of its input, its residual and what it makes counted. */
static const struct conv_algorithm *cheapest(
    const struct backend_program *p, const struct conv_shape *shape, enum liking in, enum liking residual, enum liking out)
{
    const struct conv_algorithm *best = NULL;
    double best_cost = HUGE_VAL;
    for (int i = 0; i < KERNEL_ALGORITHM_MAX && p->kernels->conv[i]; i++) {
        const struct conv_algorithm *a = p->kernels->conv[i];
        if (!a->fits(shape) || conv_input_rows(a, shape, a->rows) > CPU_ROWS_MAX) continue;
        const double cost = a->cost(shape) * strangeness(p, shape, a) + mismatch(in, a->in, shape->in_channels) +
                            mismatch(residual, a->out, shape->out_channels) + mismatch(out, a->out, shape->out_channels);
        if (cost < best_cost) best_cost = cost, best = a;
    }
    return best;
}

static bool node_shape(const struct backend_program *p, const struct graph_node *node, struct conv_shape *shape);

/* What those who read a graph value would like it to be: the first convolution behind it decides, looked for through steps that work
 * in either layout. */
static enum liking wanted_by_users(const struct backend_program *p, int graph_value, int depth)
{
    for (int u = p->user_start[graph_value]; u < p->user_start[graph_value + 1]; u++) {
        const struct graph_node *node = &p->graph->node[p->user[u]];
        struct conv_shape shape;
        if (node->op == OP_CONV && node->in[0] == graph_value && node_shape(p, node, &shape)) {
            const struct conv_algorithm *a = cheapest(p, &shape, LIKES_ANY, LIKES_ANY, LIKES_ANY);
            if (a) return liking_of(a->in);
        } else if (depth > 0 && node->n_out > 0 && node->out[0] >= 0 && cpu_is_picture(p, node->out[0]) &&
                   node->op != OP_DEPTH_TO_SPACE) {
            const enum liking later = wanted_by_users(p, node->out[0], depth - 1);
            if (later != LIKES_ANY) return later;
        }
    }
    return LIKES_ANY;
}

/* The layout a graph value is in already. */
static enum liking held_as(const struct backend_program *p, int graph_value)
{
    const int *have = &p->form[graph_value * FORM_COUNT];
    const bool blocked = have[FORM_BLOCKED] >= 0, planar = have[FORM_PLANAR] >= 0;
    return blocked == planar ? LIKES_ANY : blocked ? LIKES_BLOCKED : LIKES_PLANAR;
}

static const struct conv_algorithm *choose(const struct backend_program *p, const struct layer *l)
{
    return cheapest(p, &l->shape, held_as(p, l->input), l->residual >= 0 ? held_as(p, l->residual) : LIKES_ANY,
        l->output >= 0 ? wanted_by_users(p, l->output, 4) : LIKES_ANY);
}

static const float *padded(struct backend_program *p, const float *from, int count)
{
    const size_t room = (size_t) (count + 63) / 64 * 64;
    float *to = arena_array(p->arena, room, sizeof *to);
    if (to && from) memcpy(to, from, (size_t) count * sizeof *to);
    return to;
}

/* The layer's weights in the algorithm's order, from the network's store or made now. */
static const struct pack *packed_weights(
    struct backend_program *p, const struct layer *l, const struct conv_algorithm *a, struct fm_error *error)
{
    const struct conv_shape *s = &l->shape;
    const size_t bytes = a->packed_bytes(s);
    const size_t count =
        (size_t) s->out_channels * (size_t) (s->in_channels / s->groups) * (size_t) s->kernel_y * (size_t) s->kernel_x;
    struct packs_key key = {0};
    packs_key_add(&key, a->name, strlen(a->name));
    packs_key_add(&key, s, sizeof *s);
    packs_key_add(&key, l->weight, count * sizeof *l->weight);
    const struct pack *pack = packs_find(p->graph->packs, key);
    if (!pack) {
        void *weights = core_alloc_pages(bytes);
        if (weights) {
            a->pack(s, l->weight, weights);
            pack = packs_add(p->graph->packs, key, weights, bytes);
        }
    }
    struct pack *held;
    memcpy(&held, &pack, sizeof held); /* to be given back; never written */
    if (!pack || arena_defer(p->arena, packs_release, held) < 0) {
        core_fail_nomem(error, bytes);
        return NULL;
    }
    return pack;
}

static int pack(
    struct backend_program *p, const struct layer *l, const struct conv_algorithm *a, struct cpu_step *step, struct fm_error *error)
{
    const struct pack *weights = packed_weights(p, l, a, error);
    if (!weights) return FM_ERR_NOMEM;
    p->weights_bytes += weights->bytes;
    step->u.conv.algorithm = a;
    step->u.conv.packed = (struct conv_packed){
        .shape = l->shape, .epilogue = l->epilogue, .weights = weights->data, .bias = padded(p, l->bias, l->shape.out_channels)};
    if (!step->u.conv.packed.bias) return core_fail_nomem(error, 0);
    if (l->slope) {
        step->u.conv.packed.slope = padded(p, l->slope, l->shape.out_channels);
        if (!step->u.conv.packed.slope) return core_fail_nomem(error, 0);
    }
    return FM_OK;
}

/* The grid of the step that made a value, looked for through steps that work on each pixel alone; NULL: there is none, or it is cut
 * anywhere. */
static const struct plan_step *grid_of(const struct backend_program *p, int value)
{
    for (int s = p->n_steps - 1; s >= 0; s--) {
        const struct plan_step *step = &p->plan_step[s];
        if (step->out[0] != value) continue;
        if (step->whole) return NULL;
        if (!step->any_row && step->grid_x > 1) return step;
        const struct plan_map *x = &step->in[0].x, *y = &step->in[0].y;
        if (!step->n_in || x->whole || x->num != x->den || x->lo || x->hi || y->whole || y->num != y->den || y->lo || y->hi)
            return NULL;
        value = step->in[0].value;
    }
    return NULL;
}

#define LEAD_CELLS 40 /* in as many, one cell more does not count */

/* How far before the picture the grid begins: so that the windows of cells begin where cells of the layer before do. Then each layer spreads
 * a change by one cell, not by two, and reads one row of cells less ahead. Not where pictures are so small that the cell which is
 * cut off matters. */
static int lead_of(int grid, int before, int lead_before, int pad, int size)
{
    return before == grid && (size + grid - 1) / grid >= LEAD_CELLS ? (lead_before + pad) % grid : 0;
}

/* Columns of zeros the input needs beside it. Right: what the last output column reads beyond the picture, and what a call that
 * ends inside it may read too far. */
static void want_input_margins(
    struct backend_program *p, int value, const struct layer *l, const struct conv_algorithm *a, int lead)
{
    const struct conv_shape *s = &l->shape;
    const int last = (l->out_w - 1) * s->stride_x - s->pad_x + (s->kernel_x - 1) * s->dilation_x + a->reach_right;
    const int beyond = last - (p->plan_value[value].width - 1);
    cpu_want_margins(p, value, s->pad_x + a->reach_left + lead, beyond > a->reach_right ? beyond : a->reach_right);
}

/* Adds the step; returns the value of its output in the algorithm's layout. */
static int add_conv(struct backend_program *p, const struct layer *l, struct fm_error *error)
{
    const struct conv_algorithm *a = choose(p, l);
    if (!a) return core_fail(error, FM_ERR_UNSUPPORTED, "no algorithm for this convolution");
    const struct conv_shape *s = &l->shape;
    struct plan_input in[2];
    const int input = cpu_need(p, l->input, a->in == ROWS_BLOCKED ? FORM_BLOCKED : FORM_PLANAR, error);
    if (input < 0) return input;
    const struct plan_step *before = a->may_lead ? grid_of(p, input) : NULL;
    const int lead_x = before ? lead_of(a->grid_x, before->grid_x, before->lead_x, s->pad_x, l->out_w) : 0;
    const int lead_y = before ? lead_of(a->rows, before->grid_y, before->lead_y, s->pad_y, l->out_h) : 0;
    want_input_margins(p, input, l, a, lead_x);
    in[0] = (struct plan_input){.value = input,
        .x = {false, s->stride_x, 1, -s->pad_x, (s->kernel_x - 1) * s->dilation_x - s->pad_x, false},
        .y = {false, s->stride_y, 1, -s->pad_y, (s->kernel_y - 1) * s->dilation_y - s->pad_y, false}};
    const enum cpu_form form = a->out == ROWS_BLOCKED ? FORM_BLOCKED : FORM_PLANAR;
    int n_in = 1;
    if (l->residual >= 0) {
        const int residual = cpu_need(p, l->residual, form, error);
        if (residual < 0) return residual;
        cpu_want_margins(p, residual, lead_x, 0);
        in[n_in++] = (struct plan_input){.value = residual, .x = PLAN_SAME, .y = PLAN_SAME};
    }
    const int out = l->output >= 0 ? cpu_add_value(p, l->output, form, error)
                                   : cpu_add_hidden(p, form, l->out_n, s->out_channels, l->out_h, l->out_w, error);
    if (out < 0) return out;
    cpu_want_margins(p, out, lead_x, 0);
    const char *kind = s->groups == 1 ? "Conv" : s->groups == s->in_channels ? "Conv depthwise" : "Conv grouped";
    struct cpu_step step = {.run = cpu_run_conv,
        .name = l->node->name,
        .how = a->name,
        .macs = l->macs,
        .scratch = a->scratch_bytes(s),
        .what = cpu_text(p, "%s %dx%d%s %d->%d%s%s", kind, s->kernel_y, s->kernel_x,
            s->stride_y > 1 || s->stride_x > 1 ? " stride" : "", s->in_channels, s->out_channels, act_names[l->epilogue.act],
            l->residual >= 0 ? " + residual" : "")};
    step.u.conv.residual = l->residual >= 0;
    int code = pack(p, l, a, &step, error);
    if (code < 0) return code;
    int outs[1] = {out};
    code = cpu_add_step(p, &step,
        &(struct plan_step){.n_in = n_in,
            .in = in,
            .n_out = 1,
            .out = outs,
            .grid_y = a->rows,
            .any_row = a->any_row,
            .grid_x = a->grid_x,
            .lead_y = lead_y,
            .lead_x = lead_x,
            .chunk_x = a->chunk_x},
        error);
    return code < 0 ? code : out;
}

/* Depth to space of a value in rows: into the output's array when it is one, else into planar rows. */
int cpu_add_shuffle(
    struct backend_program *p, const struct graph_node *node, int from, int r, bool crd, int to_graph_value, struct fm_error *error)
{
    bool is_output = false;
    for (int k = 0; k < p->graph->n_outputs; k++) is_output = is_output || p->graph->output[k] == to_graph_value;
    const bool array = is_output && p->graph->value[to_graph_value].dtype == FM_F32;
    int out = cpu_add_value(p, to_graph_value, array ? FORM_FLAT : FORM_PLANAR, error);
    if (out < 0) return out;
    int n, c, h, w;
    cpu_picture(&p->graph->value[to_graph_value], &n, &c, &h, &w);
    p->value[out].channels = c;
    struct plan_input in = {.value = from, .x = {false, 1, r, 0, 0, false}, .y = {false, 1, r, 0, 0, false}};
    const struct cpu_step step = {.run = cpu_run_shuffle,
        .name = node->name,
        .what = cpu_text(p, "DepthToSpace %d", r),
        .how = p->kernels->isa,
        .scratch = array ? (size_t) c * (size_t) r * (size_t) r * sizeof(float) : 0,
        .u.shuffle = {.r = r, .crd = crd, .channels = c}};
    const int code = cpu_add_step(p, &step,
        &(struct plan_step){
            .n_in = 1, .in = &in, .n_out = 1, .out = &out, .grid_y = r, .grid_x = r, .chunk_x = (512 + r - 1) / r * r},
        error);
    return code < 0 ? code : FM_OK;
}

/* A constant as float32: in place where it is, else a copy in the program. */
static const float *read_floats(struct backend_program *p, int graph_value, size_t *count)
{
    const struct graph_value *v = &p->graph->value[graph_value];
    struct fm_tensor t = {.rank = v->rank};
    memcpy(t.dim, v->dim, sizeof t.dim);
    const int64_t n = fm_tensor_count(&t);
    if (count) *count = (size_t) n;
    if (v->dtype == FM_F32 && n > 0 && (uintptr_t) v->data % sizeof(float) == 0) return v->data;
    float *to = n < 0 ? NULL : arena_array(p->arena, (size_t) n + 1, sizeof *to);
    if (to) op_read_f32(to, v->dtype, v->data, 0, n);
    return to;
}

static bool constant_float(const struct backend_program *p, int graph_value)
{
    const struct graph_value *v = &p->graph->value[graph_value];
    return v->data && op_is_float(v->dtype);
}

static bool fits_int(int64_t a, int64_t low, int64_t high)
{
    return a >= low && a <= high;
}

/* The window of a 1-D or 2-D convolution as kernels see it; false when something is out of their range. */
static bool window_shape(const struct op_window *w, struct conv_shape *s)
{
    if (w->n != 1 && w->n != 2) return false;
    const int y = 0, x = w->n - 1;
    for (int i = 0; i < w->n; i++)
        if (!fits_int(w->kernel[i], 1, 128) || !fits_int(w->stride[i], 1, 64) || !fits_int(w->dilation[i], 1, 64) ||
            !fits_int(w->pad_begin[i], 0, 4096) || !fits_int(w->pad_end[i], 0, 4096))
            return false;
    const bool flat = w->n == 1;
    s->kernel_y = flat ? 1 : (int) w->kernel[y], s->kernel_x = (int) w->kernel[x];
    s->stride_y = flat ? 1 : (int) w->stride[y], s->stride_x = (int) w->stride[x];
    s->dilation_y = flat ? 1 : (int) w->dilation[y], s->dilation_x = (int) w->dilation[x];
    s->pad_y = flat ? 0 : (int) w->pad_begin[y], s->pad_x = (int) w->pad_begin[x];
    return true;
}

/* A convolution node as kernels see it; false when it is none of theirs. */
static bool node_shape(const struct backend_program *p, const struct graph_node *node, struct conv_shape *shape)
{
    const struct graph_value *x = &p->graph->value[node->in[0]], *w = &p->graph->value[node->in[1]];
    if (!cpu_is_picture(p, node->in[0]) || !cpu_is_picture(p, node->out[0]) || !constant_float(p, node->in[1]) ||
        w->rank != x->rank)
        return false;
    if (!window_shape(&node->p.conv.window, shape) || !fits_int(node->p.conv.group, 1, 1 << 20)) return false;
    shape->in_channels = (int) x->dim[1];
    shape->out_channels = (int) w->dim[0];
    shape->groups = (int) node->p.conv.group;
    return true;
}

/* Bias and slope, whatever form the graph has them in: one value per output channel, repeated `times`. */
static int per_channel(
    struct backend_program *p, int graph_value, int channels, int times, const float **out, struct fm_error *error)
{
    *out = NULL;
    size_t count;
    const float *from = read_floats(p, graph_value, &count);
    float *to = arena_array(p->arena, (size_t) channels * (size_t) times, sizeof *to);
    if (!from || !to) return core_fail_nomem(error, 0);
    if (count != 1 && count != (size_t) channels) return CPU_DECLINED;
    for (int c = 0; c < channels; c++)
        for (int t = 0; t < times; t++) to[c * times + t] = from[count == 1 ? 0 : c];
    *out = to;
    return FM_OK;
}

int cpu_lower_conv(struct backend_program *p, const struct graph_node *node, struct fm_error *error)
{
    const struct graph *g = p->graph;
    struct layer l = {
        .node = node, .input = node->in[0], .residual = -1, .output = node->p.conv.epilogue.shuffle > 1 ? -1 : node->out[0]};
    if (!node_shape(p, node, &l.shape)) return CPU_DECLINED;
    for (int k = 2; k < node->n_in && k < 4; k++)
        if (node->in[k] >= 0 && !constant_float(p, node->in[k])) return CPU_DECLINED;
    const struct op_epilogue *e = &node->p.conv.epilogue;
    l.epilogue =
        (struct conv_epilogue){.act = cpu_act(e->act, e->a), .a = e->a, .b = e->b, .residual_before_act = e->residual_before_act};
    int code = FM_OK;
    l.weight = read_floats(p, node->in[1], NULL);
    if (!l.weight) return core_fail_nomem(error, 0);
    if (node->n_in > 2 && node->in[2] >= 0) code = per_channel(p, node->in[2], l.shape.out_channels, 1, &l.bias, error);
    if (code == FM_OK && node->n_in > 3 && node->in[3] >= 0)
        code = per_channel(p, node->in[3], l.shape.out_channels, 1, &l.slope, error);
    if (code != FM_OK) return code;
    if (node->n_in > 4) l.residual = node->in[4];
    int n, c, h, wd;
    cpu_picture(&g->value[node->out[0]], &n, &c, &h, &wd);
    const int r = e->shuffle > 1 ? e->shuffle : 1;
    l.out_n = n, l.out_h = h / r, l.out_w = wd / r;
    l.macs = (double) n * l.out_h * l.out_w * l.shape.out_channels * (l.shape.in_channels / l.shape.groups) * l.shape.kernel_y *
             l.shape.kernel_x;
    if (!choose(p, &l)) return CPU_DECLINED;
    const int out = add_conv(p, &l, error);
    if (out < 0) return out;
    return r > 1 ? cpu_add_shuffle(p, node, out, r, e->shuffle_crd, node->out[0], error) : FM_OK;
}

/* Output o (along one axis) of a transposed convolution sums input i and tap k with i * s + k * d - pad = o. For o = s * q + r that is
 * i = q + (r + pad - k * d) / s where the division has no rest: per phase r an ordinary convolution over q. The taps' offsets of all
 * phases together span [low, high]. */
static void phase_span(int kernel, int stride, int dilation, int pad, int *low, int *high)
{
    *low = 0, *high = 0;
    for (int r = 0; r < stride; r++)
        for (int k = 0; k < kernel; k++) {
            const int a = r + pad - k * dilation;
            if (a % stride) continue;
            if (a / stride < *low) *low = a / stride;
            if (a / stride > *high) *high = a / stride;
        }
}

int cpu_lower_conv_transpose(struct backend_program *p, const struct graph_node *node, struct fm_error *error)
{
    const struct graph *g = p->graph;
    const struct graph_value *x = &g->value[node->in[0]], *w = &g->value[node->in[1]];
    if (x->rank != 4 || !cpu_is_picture(p, node->in[0]) || !cpu_is_picture(p, node->out[0]) || !constant_float(p, node->in[1]))
        return CPU_DECLINED;
    struct conv_shape t;
    if (node->p.conv.group != 1 || !window_shape(&node->p.conv.window, &t) || t.stride_y != t.stride_x || t.stride_y > 8)
        return CPU_DECLINED;
    for (int k = 2; k < node->n_in; k++)
        if (node->in[k] >= 0 && !constant_float(p, node->in[k])) return CPU_DECLINED;
    const int s = t.stride_y, in_channels = (int) w->dim[0], channels = (int) w->dim[1];
    int low_y, high_y, low_x, high_x;
    phase_span(t.kernel_y, s, t.dilation_y, t.pad_y, &low_y, &high_y);
    phase_span(t.kernel_x, s, t.dilation_x, t.pad_x, &low_x, &high_x);
    struct layer l = {.node = node, .input = node->in[0], .residual = -1, .output = s > 1 ? -1 : node->out[0]};
    l.shape = (struct conv_shape){.in_channels = in_channels,
        .out_channels = channels * s * s,
        .groups = 1,
        .kernel_y = high_y - low_y + 1,
        .kernel_x = high_x - low_x + 1,
        .stride_y = 1,
        .stride_x = 1,
        .dilation_y = 1,
        .dilation_x = 1,
        .pad_y = -low_y,
        .pad_x = -low_x};
    if ((int64_t) channels * s * s > 1 << 16) return CPU_DECLINED;
    const size_t taps = (size_t) l.shape.kernel_y * (size_t) l.shape.kernel_x;
    size_t total;
    if (!core_mul_size((size_t) l.shape.out_channels * taps, (size_t) in_channels, &total)) return CPU_DECLINED;
    const float *from = read_floats(p, node->in[1], NULL);
    float *weight = arena_array(p->arena, total, sizeof *weight);
    if (!from || !weight) return core_fail_nomem(error, total * sizeof *weight);
    for (int o = 0; o < channels; o++)
        for (int phase = 0; phase < s * s; phase++)
            for (int i = 0; i < in_channels; i++)
                for (int ky = 0; ky < t.kernel_y; ky++)
                    for (int kx = 0; kx < t.kernel_x; kx++) {
                        const int ay = phase / s + t.pad_y - ky * t.dilation_y, ax = phase % s + t.pad_x - kx * t.dilation_x;
                        if (ay % s || ax % s) continue;
                        const size_t tap = (size_t) (ay / s - low_y) * (size_t) l.shape.kernel_x + (size_t) (ax / s - low_x);
                        weight[((size_t) (o * s * s + phase) * (size_t) in_channels + (size_t) i) * taps + tap] +=
                            from[(((size_t) i * (size_t) channels + (size_t) o) * (size_t) t.kernel_y + (size_t) ky) *
                                     (size_t) t.kernel_x +
                                 (size_t) kx];
                    }
    l.weight = weight;
    const struct op_epilogue *e = &node->p.conv.epilogue;
    l.epilogue = (struct conv_epilogue){.act = cpu_act(e->act, e->a), .a = e->a, .b = e->b};
    int code = FM_OK;
    if (node->n_in > 2 && node->in[2] >= 0) code = per_channel(p, node->in[2], channels, s * s, &l.bias, error);
    if (code == FM_OK && node->n_in > 3 && node->in[3] >= 0) code = per_channel(p, node->in[3], channels, s * s, &l.slope, error);
    if (code != FM_OK) return code;
    int n, c, h, wd;
    cpu_picture(&g->value[node->out[0]], &n, &c, &h, &wd);
    l.out_n = n, l.out_h = (h + s - 1) / s, l.out_w = (wd + s - 1) / s;
    l.macs = (double) n * (double) x->dim[2] * (double) x->dim[3] * in_channels * channels * t.kernel_y * t.kernel_x;
    if (!choose(p, &l)) return CPU_DECLINED;
    const int out = add_conv(p, &l, error);
    if (out < 0 || s == 1) return out < 0 ? out : FM_OK;
    return cpu_add_shuffle(p, node, out, s, true, node->out[0], error);
}
