/* SPDX-License-Identifier: MIT */
/* Spans over operators that move pixels: resize, slice, pad, reshape and their like. */
#include "graph/field_rules.h"

#include <math.h>
#include <string.h>

#include "graph/edit.h"
#include "graph/op.h"

#define PHASES_MAX 64
#define RATIO_MAX 4096

/* ---- resize ---- */

/* Where along the input result pixel p lies, for a scale of num / den. */
static double origin(const struct graph_node *node, int64_t p, double scale)
{
    switch (node->p.resize.coordinates) {
    case COORD_ASYMMETRIC: return (double) p / scale;
    case COORD_TF_HALF_PIXEL_FOR_NN: return ((double) p + 0.5) / scale;
    default: return ((double) p + 0.5) / scale - 0.5;
    }
}

static void taps(const struct graph_node *node, double x, double scale, double *first, double *last)
{
    const double stretch = node->p.resize.antialias && scale < 1.0 ? 1.0 / scale : 1.0;
    switch (node->p.resize.mode) {
    case RESIZE_NEAREST: /* halves go either way, floors and ceilings of numbers that were rounded too */
        *first = node->p.resize.nearest == NEAREST_CEIL ? ceil(x - FIELD_ROUNDING) : ceil(x - 0.5 - FIELD_ROUNDING);
        *last = node->p.resize.nearest == NEAREST_FLOOR ? floor(x + FIELD_ROUNDING) : floor(x + 0.5 + FIELD_ROUNDING);
        if (node->p.resize.nearest == NEAREST_CEIL)
            *last = ceil(x + FIELD_ROUNDING);
        if (node->p.resize.nearest == NEAREST_FLOOR)
            *first = floor(x - FIELD_ROUNDING);
        break;
    case RESIZE_LINEAR:
        *first = floor(x - stretch + 1.0 - FIELD_ROUNDING);
        *last = ceil(x + stretch - 1.0 + FIELD_ROUNDING);
        if (*last < *first + 1.0)
            *last = *first + 1.0;
        break;
    default:
        *first = floor(x - 2.0 * stretch + 1.0 - FIELD_ROUNDING);
        *last = ceil(x + 2.0 * stretch - 1.0 + FIELD_ROUNDING);
        break;
    }
    if (stretch > 1.0) { /* the filter's ends are cut to whole pixels on one side or the other */
        *first -= 1.0;
        *last += 1.0;
    }
}

/* The scale that the file states for an axis must be the ratio of the sizes exactly, or positions drift along the picture. */
static bool scale_is_exact(const struct field *f, const struct graph_node *node, int rank, int axis, double ratio)
{
    if (node->n_in < 3 || node->in[2] < 0)
        return node->p.resize.aspect == ASPECT_STRETCH;
    const struct fm_tensor t = graph_tensor(f->graph, node->in[2]);
    if (!t.data || !op_is_float(t.dtype))
        return false;
    if (fm_tensor_count(&t) == 0)
        return node->p.resize.aspect == ASPECT_STRETCH;
    const int n = node->p.resize.n_axes ? node->p.resize.n_axes : rank;
    if (fm_tensor_count(&t) != n)
        return false;
    for (int i = 0; i < n; i++)
        if (op_axis(node->p.resize.n_axes ? node->p.resize.axes[i] : i, rank) == axis) {
            float scale;
            op_read_f32(&scale, t.dtype, t.data, i, 1);
            return (double) scale == ratio;
        }
    return ratio == 1.0;
}

const char *field_resize(struct field *f, const struct graph_node *node, struct span *s)
{
    const struct graph_value *x = field_value(f, node->in[0]), *y = field_value(f, node->out[0]);
    const enum op_coordinates c = node->p.resize.coordinates;
    *s = f->span[node->in[0]];
    if (c == COORD_ALIGN_CORNERS)
        return "aligns corners, so its phase depends on the place";
    if (c == COORD_TF_CROP_AND_RESIZE)
        return field_by_place;
    for (int a = 0; a < x->rank; a++) {
        const int d = field_picture_axis(f, s, a);
        if (d < 0 && x->dim[a] != y->dim[a])
            return field_unknown;
        if (d < 0)
            continue;
        const int64_t in = x->dim[a], out = y->dim[a];
        if (in < 1 || out < 1 || (in % out && out % in))
            return "resizes by a ratio that is not whole, so its phase depends on the place";
        const double scale = (double) out / (double) in;
        if (!scale_is_exact(f, node, x->rank, a, scale))
            return "states a scale that is not the ratio of its sizes, so its phase depends on the place";
        if (in == out && c != COORD_TF_HALF_PIXEL_FOR_NN)
            continue;
        const int64_t up = out > in ? out / in : 1, down = in > out ? in / out : 1;
        if (up > PHASES_MAX || down > RATIO_MAX)
            return "has too large a ratio";
        double low = INFINITY, high = -INFINITY;
        for (int64_t p = 0; p < up; p++) {
            double first, last;
            taps(node, origin(node, p, scale), scale, &first, &last);
            low = fmin(low, first - (double) p / scale);
            high = fmax(high, last - (double) p / scale);
        }
        field_widen(s, d, low, high);
        if (!field_rescale(f, s, d, up, down))
            return "has too large a ratio";
    }
    return NULL;
}

/* ---- layout ---- */

const char *field_slice(struct field *f, const struct graph_node *node, struct span *s)
{
    int64_t start[FM_MAX_RANK], axis[FM_MAX_RANK], step[FM_MAX_RANK];
    const struct graph_value *x = field_value(f, node->in[0]);
    const int n = field_ints(f, node->in[1], FM_MAX_RANK, start);
    *s = f->span[node->in[0]];
    if (n < 0 || (node->n_in > 3 && node->in[3] >= 0 && field_ints(f, node->in[3], FM_MAX_RANK, axis) != n))
        return field_by_place;
    const bool steps = node->n_in > 4 && node->in[4] >= 0;
    if (steps && field_ints(f, node->in[4], FM_MAX_RANK, step) != n)
        return field_by_place;
    for (int i = 0; i < n; i++) {
        const int a = op_axis(node->n_in > 3 && node->in[3] >= 0 ? axis[i] : i, x->rank);
        const int d = field_picture_axis(f, s, a);
        if (d < 0)
            continue;
        if (steps && step[i] < 1)
            return "turns the picture round";
        if (start[i] < 0 && start[i] + x->dim[a] > 0)
            return field_by_place;
        const int64_t first = start[i] < 0 ? 0 : start[i] > x->dim[a] ? x->dim[a] : start[i];
        field_widen(s, d, (double) first, (double) first);
        if (!field_rescale(f, s, d, 1, steps ? step[i] : 1))
            return "has too large a step";
    }
    return NULL;
}

const char *field_pad(struct field *f, const struct graph_node *node, struct span *s)
{
    int64_t amount[2 * FM_MAX_RANK], axis[FM_MAX_RANK];
    const struct graph_value *x = field_value(f, node->in[0]);
    const int n = field_ints(f, node->in[1], 2 * FM_MAX_RANK, amount) / 2;
    *s = f->span[node->in[0]];
    const bool listed = node->n_in > 3 && node->in[3] >= 0;
    if (field_ints(f, node->in[1], 2 * FM_MAX_RANK, amount) < 0 || (listed && field_ints(f, node->in[3], FM_MAX_RANK, axis) != n))
        return field_by_place;
    for (int i = 0; i < n; i++) {
        const int d = field_picture_axis(f, s, op_axis(listed ? axis[i] : i, x->rank));
        if (d < 0)
            continue;
        if (node->p.pad.mode == PAD_WRAP && (amount[i] || amount[n + i]))
            return field_whole_picture;
        field_widen(s, d, (double) -amount[i], (double) -amount[i]);
        s->folds = s->folds || node->p.pad.mode != PAD_CONSTANT;
    }
    return NULL;
}

/* A reshape leaves an axis alone when one of the same size has as many elements behind it. */
const char *field_reshape(struct field *f, const struct graph_node *node, struct span *s)
{
    const struct graph_value *x = field_value(f, node->in[0]), *y = field_value(f, node->out[0]);
    *s = f->span[node->in[0]];
    int previous = -1;
    for (int d = 0; d < f->spatial; d++) {
        int64_t behind = 1, seen = 1;
        int found = -1;
        for (int a = x->rank - 1; a > s->axis[d]; a--)
            behind *= x->dim[a];
        for (int b = y->rank - 1; b >= 0; b--) {
            if (seen == behind && y->dim[b] == x->dim[s->axis[d]] && b != previous && found < 0)
                found = b;
            seen *= y->dim[b];
        }
        if (found < 0)
            return field_mixes;
        s->axis[d] = previous = found;
    }
    return NULL;
}

const char *field_transpose(struct field *f, const struct graph_node *node, struct span *s)
{
    const struct graph_value *x = field_value(f, node->in[0]);
    *s = f->span[node->in[0]];
    for (int d = 0; d < f->spatial; d++) {
        int found = -1;
        for (int i = 0; i < x->rank; i++)
            if ((node->p.perm.n ? node->p.perm.perm[i] : x->rank - 1 - i) == s->axis[d])
                found = i;
        if (found < 0)
            return field_mixes;
        s->axis[d] = found;
    }
    return NULL;
}

/* Operators that work along one axis and leave the others alone. */
const char *field_along(struct field *f, const struct graph_node *node, int64_t axis, struct span *s)
{
    *s = f->span[node->in[0]];
    const int a = op_axis(axis, field_value(f, node->in[0])->rank);
    return a < 0 || field_picture_axis(f, s, a) >= 0 ? field_whole_picture : NULL;
}

const char *field_gather(struct field *f, const struct graph_node *node, struct span *s)
{
    if (field_is_seen(f, node->in[1]) || !field_is_seen(f, node->in[0]))
        return field_by_place;
    const char *why = field_along(f, node, node->p.axis.axis, s);
    const int axis = op_axis(node->p.axis.axis, field_value(f, node->in[0])->rank);
    for (int d = 0; d < f->spatial && !why; d++)
        if (s->axis[d] > axis)
            s->axis[d] += field_value(f, node->in[1])->rank - 1;
    return why;
}

/* Shapes that end alike: leading axes are added, none of the picture's is repeated. */
const char *field_expand(struct field *f, const struct graph_node *node, struct span *s)
{
    const struct graph_value *x = field_value(f, node->in[0]), *y = field_value(f, node->out[0]);
    *s = f->span[node->in[0]];
    for (int d = 0; d < f->spatial; d++) {
        const int axis = s->axis[d] + y->rank - x->rank;
        if (y->dim[axis] != x->dim[s->axis[d]])
            return field_whole_picture;
        s->axis[d] = axis;
    }
    return NULL;
}
