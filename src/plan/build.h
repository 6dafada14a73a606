/* SPDX-License-Identifier: MIT */
/* What the files of this folder share. */
#ifndef FM_PLAN_BUILD_H
#define FM_PLAN_BUILD_H

#include "plan/plan.h"

/* Offsets and sizes up to this can be added without a thought. */
#define PLACE_MAX (SIZE_MAX / 4)

static inline bool plan_is_empty(const struct plan_value *v)
{
    return v->x1 <= v->x0 || v->y1 <= v->y0;
}

static inline int plan_region_rows(const struct plan_value *v)
{
    return v->y1 - v->y0;
}

/* Through all pictures. */
static inline int plan_value_rows(const struct plan_value *v)
{
    return v->pictures * plan_region_rows(v);
}

static inline int plan_round_up(int64_t a, int64_t grid, int limit)
{
    const int64_t up = (a + grid - 1) / grid * grid;
    return up > limit ? limit : (int) up;
}

/* Rows or columns of the first cell that lie before a region of the step's output that starts at `at`: only where the grid's first cell is
 * cut by the picture's edge. */
static inline int plan_lead_y(const struct plan_step *step, int at)
{
    return at == 0 ? step->lead_y : 0;
}
static inline int plan_lead_x(const struct plan_step *step, int at)
{
    return at == 0 ? step->lead_x : 0;
}

/* Fills in the offsets of all values that live in the arena; tasks wait for the end of what lay there before. */
int plan_place(struct arena *arena, struct plan_value *values, int n_values, const struct plan_step *steps, struct plan_task *tasks,
    int n_tasks, size_t *arena_bytes, struct fm_error *error);

#endif
