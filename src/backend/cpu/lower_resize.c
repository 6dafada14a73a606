/* SPDX-License-Identifier: MIT */
/* Resizing of height and width on rows: every mode that is separable with at most four taps and clamped edges becomes two small
 * tables. Antialiasing, cropping and other axes stay with the reference. */
#include <math.h>
#include <string.h>

#include "backend/cpu/program.h"
#include "core/error.h"

static double source(enum op_coordinates mode, double out, double scale, double in_size, double out_size)
{
    switch (mode) {
    case COORD_HALF_PIXEL: return (out + 0.5) / scale - 0.5;
    case COORD_HALF_PIXEL_SYMMETRIC: {
        const double adjust = out_size / (scale * in_size);
        return in_size / 2 * (1 - adjust) + (out + 0.5) / scale - 0.5;
    }
    case COORD_PYTORCH_HALF_PIXEL: return out_size > 1 ? (out + 0.5) / scale - 0.5 : 0;
    case COORD_ALIGN_CORNERS: return out_size > 1 ? out * (in_size - 1) / (out_size - 1) : 0;
    case COORD_TF_HALF_PIXEL_FOR_NN: return (out + 0.5) / scale;
    default: return out / scale;
    }
}

static double nearest(enum op_nearest mode, double x)
{
    switch (mode) {
    case NEAREST_ROUND_PREFER_FLOOR: return x == floor(x) + 0.5 ? floor(x) : floor(x + 0.5);
    case NEAREST_ROUND_PREFER_CEIL: return floor(x + 0.5);
    case NEAREST_CEIL: return ceil(x);
    default: return floor(x);
    }
}

static double cubic(double t, double a)
{
    t = fabs(t);
    if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
    return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

struct table {
    int taps;
    int32_t *index;
    float *weight;
};

static bool make_table(
    struct backend_program *p, const struct graph_node *node, int in_size, int out_size, double scale, struct table *t)
{
    const enum op_resize_mode mode = in_size == out_size && scale == 1 ? RESIZE_NEAREST : node->p.resize.mode;
    t->taps = mode == RESIZE_NEAREST ? 1 : mode == RESIZE_LINEAR ? 2 : 4;
    t->index = arena_array(p->arena, (size_t) out_size * (size_t) t->taps, sizeof *t->index);
    t->weight = arena_array(p->arena, (size_t) out_size * (size_t) t->taps, sizeof *t->weight);
    if (!t->index || !t->weight) return false;
    for (int o = 0; o < out_size; o++) {
        const double x = in_size == out_size && scale == 1 ? o : source(node->p.resize.coordinates, o, scale, in_size, out_size);
        int64_t first =
            (int64_t) (mode == RESIZE_NEAREST ? (in_size == out_size && scale == 1 ? o : nearest(node->p.resize.nearest, x))
                                              : floor(x));
        const double part = x - (double) first;
        double w[4] = {1};
        if (mode == RESIZE_LINEAR) w[0] = 1 - part, w[1] = part;
        if (mode == RESIZE_CUBIC) {
            first--;
            for (int i = 0; i < 4; i++) w[i] = cubic(part + 1 - i, (double) node->p.resize.cubic_a);
        }
        for (int i = 0; i < t->taps; i++) {
            const int64_t at = first + i;
            t->index[o * t->taps + i] = (int32_t) (at < 0 ? 0 : at >= in_size ? in_size - 1 : at);
            t->weight[o * t->taps + i] = (float) w[i];
        }
    }
    return true;
}

/* The map that covers what a table reads: the slope in /out, with room for all taps on both sides. */
static struct plan_map cover(const struct table *t, int in_size, int out_size)
{
    struct plan_map map = {.num = in_size, .den = out_size};
    for (int o = 0; o < out_size; o++) {
        const int base = (int) ((int64_t) o * in_size / out_size);
        for (int i = 0; i < t->taps; i++) {
            const int d = t->index[o * t->taps + i] - base;
            if (d < map.lo) map.lo = d;
            if (d > map.hi) map.hi = d;
        }
    }
    return map;
}

int cpu_lower_resize(struct backend_program *p, const struct graph_node *node, struct fm_error *error)
{
    const struct graph *g = p->graph;
    if (node->in[0] < 0 || node->out[0] < 0 || !cpu_is_picture(p, node->in[0]) || !cpu_is_picture(p, node->out[0]))
        return CPU_DECLINED;
    const struct graph_value *x = &g->value[node->in[0]], *y = &g->value[node->out[0]];
    if (x->rank != 4 || y->dim[0] != x->dim[0] || y->dim[1] != x->dim[1]) return CPU_DECLINED;
    if (node->p.resize.antialias || node->p.resize.exclude_outside || node->p.resize.coordinates == COORD_TF_CROP_AND_RESIZE ||
        node->p.resize.aspect != ASPECT_STRETCH)
        return CPU_DECLINED;
    double scale[2] = {(double) y->dim[2] / (double) x->dim[2], (double) y->dim[3] / (double) x->dim[3]};
    if (node->n_in > 2 && node->in[2] >= 0) { /* scales as given: they may differ from the ratio of the sizes */
        const struct graph_value *s = &g->value[node->in[2]];
        if (!s->data || s->dtype != FM_F32 || s->rank != 1) return CPU_DECLINED;
        for (int64_t i = 0; i < s->dim[0]; i++) {
            const int axis = node->p.resize.n_axes ? op_axis(node->p.resize.axes[i], 4) : (int) i;
            float value;
            memcpy(&value, (const char *) s->data + 4 * i, 4);
            if (axis >= 2)
                scale[axis - 2] = (double) value;
            else if (value != 1)
                return CPU_DECLINED;
        }
    }
    struct table ty, tx;
    if (!make_table(p, node, (int) x->dim[2], (int) y->dim[2], scale[0], &ty) ||
        !make_table(p, node, (int) x->dim[3], (int) y->dim[3], scale[1], &tx))
        return core_fail_nomem(error, 0);
    const int from = cpu_need_rows(p, node->in[0], error);
    if (from < 0) return from;
    const int out = cpu_add_value(p, node->out[0], p->value[from].form, error);
    if (out < 0) return out;
    static const char *const names[] = {"nearest", "linear", "cubic"};
    struct cpu_step step = {.run = cpu_run_resize,
        .name = node->name,
        .how = p->kernels->isa,
        .what = cpu_text(p, "Resize %s", names[node->p.resize.mode])};
    step.u.resize.ny = ty.taps, step.u.resize.nx = tx.taps;
    step.u.resize.iy = ty.index, step.u.resize.ix = tx.index, step.u.resize.wy = ty.weight, step.u.resize.wx = tx.weight;
    struct plan_input in = {
        .value = from, .x = cover(&tx, (int) x->dim[3], (int) y->dim[3]), .y = cover(&ty, (int) x->dim[2], (int) y->dim[2])};
    const int code = cpu_add_step(
        p, &step, &(struct plan_step){.n_in = 1, .in = &in, .n_out = 1, .out = (int *) &out, .grid_y = 2, .any_row = true, .chunk_x = 256}, error);
    return code < 0 ? code : FM_OK;
}
