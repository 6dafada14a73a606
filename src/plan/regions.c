/* SPDX-License-Identifier: MIT */
/* Regions: which part of each value a wanted part of the output needs. */
#include <limits.h>

#include "plan/build.h"

static int floor_div(int64_t a, int64_t b)
{
    if (b == 1) return (int) a;
    return (int) (a >= 0 ? a / b : -((-a + b - 1) / b));
}

void plan_map_range(const struct plan_map *map, int o0, int o1, int limit, int *i0, int *i1)
{
    if (map->whole) {
        *i0 = 0;
        *i1 = limit;
        return;
    }
    const int64_t first = (int64_t) floor_div((int64_t) o0 * map->num, map->den) + map->lo;
    const int64_t last = (int64_t) floor_div((int64_t) (o1 - 1) * map->num, map->den) + map->hi;
    *i0 = first < 0 ? 0 : first > limit ? limit : (int) first;
    *i1 = last + 1 < 0 ? 0 : last + 1 > limit ? limit : (int) (last + 1);
    if (*i1 < *i0) *i1 = *i0;
    if (map->edge && *i0 == *i1) {
        if (*i0 == limit) *i0 = limit - 1;
        *i1 = *i0 + 1;
    }
}

static void widen(struct plan_value *v, int x0, int x1, int y0, int y1)
{
    if (x1 <= x0 || y1 <= y0) return;
    if (plan_is_empty(v)) {
        v->x0 = x0, v->x1 = x1, v->y0 = y0, v->y1 = y1;
        return;
    }
    if (x0 < v->x0) v->x0 = x0;
    if (x1 > v->x1) v->x1 = x1;
    if (y0 < v->y0) v->y0 = y0;
    if (y1 > v->y1) v->y1 = y1;
}

/* A window that lies in the padding alone reads nothing of the picture; its zeros are still found beside the nearest column and row. */
static void at_least_one(int *i0, int *i1, int limit)
{
    if (*i1 > *i0 || limit < 1) return;
    if (*i0 >= limit) *i0 = limit - 1;
    *i1 = *i0 + 1;
}

/* Widens [*first, *end) to whole cells of a grid that begins `lead` before the picture. */
static void to_grid(int grid, int lead, int limit, int *first, int *end)
{
    *first -= (*first + lead) % grid;
    if (*first < 0) *first = 0;
    const int up = (int) (((int64_t) *end + lead + grid - 1) / grid * grid - lead);
    *end = up > limit ? limit : up;
}

/* From the outputs back: what each value must hold. Regions start on the grid of the step that makes them. */
void plan_find_regions(struct plan_value *values, int n_values, const struct plan_step *steps, int n_steps,
    const struct plan_want *wants, int n_wants, bool on_grid)
{
    for (int v = 0; v < n_values; v++) values[v].x0 = values[v].x1 = values[v].y0 = values[v].y1 = 0;
    for (int i = 0; i < n_wants; i++) widen(&values[wants[i].value], wants[i].x0, wants[i].x1, wants[i].y0, wants[i].y1);
    for (int s = n_steps - 1; s >= 0; s--) {
        const struct plan_step *step = &steps[s];
        bool wanted = false;
        for (int k = 0; k < step->n_out; k++) wanted = wanted || !plan_is_empty(&values[step->out[k]]);
        if (!wanted) continue;
        for (int k = 0; k < step->n_out; k++) {
            struct plan_value *out = &values[step->out[k]];
            if (step->whole) {
                widen(out, 0, out->width, 0, out->height);
            } else {
                const int grid_y = step->any_row && !on_grid ? 1 : step->grid_y;
                to_grid(step->grid_x, step->lead_x, out->width, &out->x0, &out->x1);
                to_grid(grid_y, step->lead_y, out->height, &out->y0, &out->y1);
            }
        }
        const struct plan_value *out = &values[step->out[0]];
        for (int i = 0; i < step->n_in; i++) {
            struct plan_value *in = &values[step->in[i].value];
            int x0, x1, y0, y1;
            if (step->whole) {
                x0 = y0 = 0, x1 = in->width, y1 = in->height;
            } else {
                plan_map_range(&step->in[i].x, out->x0, out->x1, in->width, &x0, &x1);
                plan_map_range(&step->in[i].y, out->y0, out->y1, in->height, &y0, &y1);
                at_least_one(&x0, &x1, in->width);
                at_least_one(&y0, &y1, in->height);
            }
            widen(in, x0, x1, y0, y1);
        }
    }
}

void plan_rows_read(const struct plan_layout *l, int value, int first, int end, int *y0, int *y1)
{
    const struct plan_value *v = &l->value[value];
    *y0 = INT_MAX, *y1 = 0;
    for (int t = first; t < end; t++) {
        const struct plan_step *step = &l->step[l->task[t].step];
        for (int i = 0; i < step->n_in; i++) {
            if (step->in[i].value != value) continue;
            int i0 = v->y0, i1 = v->y1;
            if (!step->whole) plan_map_range(&step->in[i].y, l->task[t].y0, l->task[t].y1, v->height, &i0, &i1);
            if (i1 <= i0) continue;
            if (i0 < *y0) *y0 = i0;
            if (i1 > *y1) *y1 = i1;
        }
    }
}
