/* SPDX-License-Identifier: MIT */
/* Places: the offset of every value in one arena, lifetimes packed. */
#include "core/error.h"
#include "plan/build.h"

/* In the given order, each at the lowest offset where no value alive at the same time lies. */
static size_t place_in_order(struct plan_value *values, const int *order, int n)
{
    size_t total = 0;
    for (int i = 0; i < n; i++) {
        struct plan_value *value = &values[order[i]];
        size_t offset = 0;
        for (bool moved = true; moved;) {
            moved = false;
            for (int j = 0; j < i; j++) {
                const struct plan_value *other = &values[order[j]];
                if (other->last_task < value->first_task || value->last_task < other->first_task) continue;
                if (offset + value->bytes <= other->offset || other->offset + other->bytes <= offset) continue;
                offset = other->offset + other->bytes;
                moved = true;
            }
        }
        value->offset = offset;
        if (offset > PLACE_MAX) return SIZE_MAX;
        if (offset + value->bytes > total) total = offset + value->bytes;
    }
    return total;
}

static bool goes_before(const struct plan_value *a, const struct plan_value *b, bool by_size)
{
    return by_size ? a->bytes > b->bytes : a->first_task < b->first_task;
}

static void sort_values(const struct plan_value *values, int *order, int n, bool by_size)
{
    for (int i = 1; i < n; i++) {
        const int v = order[i];
        int at = i;
        while (at > 0 && goes_before(&values[v], &values[order[at - 1]], by_size)) order[at] = order[at - 1], at--;
        order[at] = v;
    }
}

/* Largest first, or as they are born: whichever takes less room (the first where all live long, the second for chains of short lives). A
 * task that writes into memory another value used before waits for the end of that value's life. */
int plan_place(struct arena *arena, struct plan_value *values, int n_values, const struct plan_step *steps, struct plan_task *tasks,
    int n_tasks, size_t *arena_bytes, struct fm_error *error)
{
    int *order = arena_array(arena, (size_t) n_values + 1, sizeof *order);
    int *free_after = arena_array(arena, (size_t) n_values + 1, sizeof *free_after);
    if (!order || !free_after) return core_fail_nomem(error, 0);
    int n = 0;
    for (int v = 0; v < n_values; v++) {
        free_after[v] = -1;
        const struct plan_value *value = &values[v];
        if (!value->external && !plan_is_empty(value) && value->bytes && value->last_task >= 0) order[n++] = v;
    }
    sort_values(values, order, n, true);
    const size_t by_size = place_in_order(values, order, n);
    sort_values(values, order, n, false);
    *arena_bytes = place_in_order(values, order, n);
    if (by_size <= *arena_bytes) {
        sort_values(values, order, n, true);
        *arena_bytes = place_in_order(values, order, n);
    }
    if (*arena_bytes > PLACE_MAX) return core_fail(error, FM_ERR_SHAPE, "all values together are too large");
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            const struct plan_value *early = &values[order[j]], *late = &values[order[i]];
            if (early->last_task >= late->first_task) continue;
            if (late->offset + late->bytes <= early->offset || early->offset + early->bytes <= late->offset) continue;
            if (early->last_task > free_after[order[i]]) free_after[order[i]] = early->last_task;
        }
    for (int t = 0; t < n_tasks; t++) {
        const struct plan_step *step = &steps[tasks[t].step];
        for (int k = 0; k < step->n_out; k++)
            if (free_after[step->out[k]] > tasks[t].wait) tasks[t].wait = free_after[step->out[k]];
    }
    return FM_OK;
}
