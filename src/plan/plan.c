/* SPDX-License-Identifier: MIT */
/* Order, rings and waits; the others have files of their own: regions.c, place.c. */
#include "plan/build.h"

#include <assert.h>
#include <limits.h>

#include "core/alloc.h"
#include "core/error.h"

/* A task may start this many tasks after the one that made its data without being held back by it: threads that finish one task find
 * the next one's data complete. */
#define SLACK_TASKS 1

struct builder {
    struct arena *arena;
    struct plan_value *value;
    struct plan_step *step;
    int n_values, n_steps, threads;
    enum plan_pace pace;
    int *producer;          /* per value: the step that makes it, -1: nobody */
    int *next_row;          /* per step: rows made so far, through all pictures */
    int *end_row;           /* per step: rows to make */
    int *task_rows;         /* per step: rows of one task */
    int **writer;           /* per value: task that wrote each row, or NULL when external and not produced */
    int **reader;           /* per value: last task that read each row so far */
    int *user_start, *user; /* per value: the steps that read it */
    struct plan_task *task;
    int n_tasks, cap_tasks;
};

/* Pieces of a row: about as wide as the step likes, equally wide, and as many as there are threads or a multiple, so that nobody
 * waits for the last one. */
static void cut_row(struct plan_step *step, int width, int threads)
{
    int pieces = step->chunk_x > 0 ? (width + step->chunk_x / 2) / step->chunk_x : 1;
    if (pieces < 1) pieces = 1;
    if (pieces < 4 * threads) pieces = (pieces + threads - 1) / threads * threads;
    if (pieces > PLAN_CHUNKS_MAX / 4) pieces = PLAN_CHUNKS_MAX / 4;
    const int narrow = 4 * step->grid_x > 32 ? 4 * step->grid_x : 32; /* below this a piece is not worth its hand-over */
    int chunk = (width + pieces - 1) / pieces;
    if (chunk < narrow) chunk = narrow;
    step->chunk_x = (chunk + step->grid_x - 1) / step->grid_x * step->grid_x;
}

/* Rows of a task: one grid step, or several where a row has too few pieces to keep all threads busy. */
static void cut_tasks(struct builder *b)
{
    for (int s = 0; s < b->n_steps; s++) {
        struct plan_step *step = &b->step[s];
        const struct plan_value *out = &b->value[step->out[0]];
        if (step->whole || plan_is_empty(out)) {
            b->task_rows[s] = 0;
            b->end_row[s] = step->whole ? 1 : 0;
            if (step->whole) { /* nothing asks for any of its outputs: no task */
                bool wanted = false;
                for (int k = 0; k < step->n_out; k++) wanted = wanted || !plan_is_empty(&b->value[step->out[k]]);
                if (!wanted) b->end_row[s] = 0;
            }
            continue;
        }
        const int width = out->x1 - out->x0 + plan_lead_x(step, out->x0);
        cut_row(step, width, b->threads);
        const int pieces = (width + step->chunk_x - 1) / step->chunk_x;
        int times = (b->threads + pieces - 1) / pieces;
        if (times > PLAN_CHUNKS_MAX / pieces) times = PLAN_CHUNKS_MAX / pieces;
        if (times > 4) times = 4;
        if (b->pace == PLAN_STREAM) times = 1;
        b->task_rows[s] = step->grid_y * (times < 1 ? 1 : times);
        b->end_row[s] = out->pictures * plan_region_rows(out);
    }
}

/* The output rows of a step's task that starts at `row`, as rows of one picture. */
static void task_range(const struct builder *b, int s, int row, int *picture, int *y0, int *y1)
{
    const struct plan_value *out = &b->value[b->step[s].out[0]];
    const int rows = plan_region_rows(out);
    *picture = row / rows;
    *y0 = out->y0 + row % rows;
    *y1 = *y0 - plan_lead_y(&b->step[s], *y0) + b->task_rows[s];
    if (*y1 > out->y1) *y1 = out->y1;
}

/* Rows of input i that a task reads, counted through the pictures of the input's region; empty when there is no producer row to wait
 * for. */
static void input_rows(const struct builder *b, int s, int i, int row, int *first, int *end)
{
    const struct plan_step *step = &b->step[s];
    const struct plan_value *in = &b->value[step->in[i].value];
    if (plan_is_empty(in)) {
        *first = *end = 0;
        return;
    }
    if (step->whole || step->in[i].y.whole) {
        *first = 0;
        *end = in->pictures * plan_region_rows(in);
        if (!step->whole && in->pictures > 1) { /* all rows of this picture */
            int picture, y0, y1;
            task_range(b, s, row, &picture, &y0, &y1);
            *first = picture * plan_region_rows(in);
            *end = *first + plan_region_rows(in);
        }
        return;
    }
    int picture, y0, y1, i0, i1;
    task_range(b, s, row, &picture, &y0, &y1);
    plan_map_range(&step->in[i].y, y0, y1, in->height, &i0, &i1);
    if (i0 < in->y0) i0 = in->y0;
    if (i1 > in->y1) i1 = in->y1;
    const int base = (in->pictures > 1 ? picture : 0) * plan_region_rows(in) - in->y0;
    *first = base + i0;
    *end = i1 > i0 ? base + i1 : base + i0;
}

/* The latest task whose rows the next task of step s reads; -1: none; INT_MAX: not made yet. */
static int data_wait(const struct builder *b, int s)
{
    const struct plan_step *step = &b->step[s];
    int wait = -1;
    for (int i = 0; i < step->n_in; i++) {
        const int v = step->in[i].value, maker = b->producer[v];
        if (maker < 0) continue;
        int first, end;
        input_rows(b, s, i, b->next_row[s], &first, &end);
        if (end <= first) continue;
        const int made = b->step[maker].whole ? (b->next_row[maker] ? plan_value_rows(&b->value[v]) : 0) : b->next_row[maker];
        if (made < end) return INT_MAX;
        const int last = b->writer[v][end - 1];
        if (last > wait) wait = last;
    }
    return wait;
}

/* The oldest row of value v that some step still has to read, among all that read it. */
static int oldest_needed(const struct builder *b, int v)
{
    int oldest = INT_MAX;
    for (int u = b->user_start[v]; u < b->user_start[v + 1]; u++) {
        const int s = b->user[u];
        if (b->next_row[s] >= b->end_row[s]) continue;
        for (int i = 0; i < b->step[s].n_in; i++) {
            if (b->step[s].in[i].value != v) continue;
            int first, end;
            input_rows(b, s, i, b->next_row[s], &first, &end);
            if (first < oldest) oldest = first;
        }
    }
    return oldest;
}

static bool add_task(struct builder *b, int s)
{
    if (b->n_tasks == b->cap_tasks) {
        const int cap = b->cap_tasks ? b->cap_tasks * 2 : 256;
        struct plan_task *grown = arena_array(b->arena, (size_t) cap, sizeof *grown);
        if (!grown) return false;
        for (int i = 0; i < b->n_tasks; i++) grown[i] = b->task[i];
        b->task = grown;
        b->cap_tasks = cap;
    }
    const struct plan_step *step = &b->step[s];
    struct plan_task *task = &b->task[b->n_tasks];
    *task = (struct plan_task){.step = s, .chunks_x = 1, .chunks_y = 1};
    if (step->whole) {
        for (int k = 0; k < step->n_out; k++) {
            const int v = step->out[k];
            for (int r = 0; r < plan_value_rows(&b->value[v]); r++) b->writer[v][r] = b->n_tasks;
        }
        b->next_row[s] = 1;
        task->chunks_y = step->pieces > 1 ? step->pieces : 1;
        task->chunk_rows = 1;
        task->y1 = task->chunks_y;
    } else {
        const struct plan_value *out = &b->value[step->out[0]];
        task_range(b, s, b->next_row[s], &task->picture, &task->y0, &task->y1);
        const int rows = task->y1 - task->y0, lead_y = plan_lead_y(step, task->y0), lead_x = plan_lead_x(step, out->x0);
        const int width = out->x1 - out->x0;
        task->chunk_rows = step->grid_y;
        task->chunk_x = step->chunk_x;
        task->chunks_y = (lead_y + rows + step->grid_y - 1) / step->grid_y;
        task->chunks_x = (lead_x + width + step->chunk_x - 1) / step->chunk_x;
        for (int r = 0; r < rows; r++) b->writer[step->out[0]][b->next_row[s] + r] = b->n_tasks;
        b->next_row[s] += rows;
    }
    b->n_tasks++;
    return true;
}

/* What data_wait says about the next task of a step; INT_MAX when there is none. */
static int next_wait(const struct builder *b, int s)
{
    return b->next_row[s] < b->end_row[s] ? data_wait(b, s) : INT_MAX;
}

static bool is_source(const struct builder *b, int s)
{
    for (int i = 0; i < b->step[s].n_in; i++)
        if (b->producer[b->step[s].in[i].value] >= 0) return false;
    return true;
}

/* The step that the next task of s waits for in the end: one whose data is complete. */
static int wanted_step(const struct builder *b, const int *wait, int s)
{
    while (wait[s] == INT_MAX) {
        const struct plan_step *step = &b->step[s];
        int missing = -1;
        for (int i = 0; i < step->n_in && missing < 0; i++) {
            const int v = step->in[i].value, maker = b->producer[v];
            if (maker < 0) continue;
            int first, end;
            input_rows(b, s, i, b->next_row[s], &first, &end);
            const int made = b->step[maker].whole ? (b->next_row[maker] ? plan_value_rows(&b->value[v]) : 0) : b->next_row[maker];
            if (end > first && made < end) missing = maker;
        }
        if (missing < 0) return -1;
        s = missing;
    }
    return s;
}

/* A step that reads only what is there from the start could always run. It brings new rows in when nothing else has work, and of several
 * the one that the deepest unfinished step waits for. */
static int choose_source(const struct builder *b, const int *wait, const bool *source)
{
    int deepest = b->n_steps - 1;
    while (deepest >= 0 && b->next_row[deepest] >= b->end_row[deepest]) deepest--;
    const int wanted = deepest < 0 ? -1 : wanted_step(b, wait, deepest);
    if (wanted >= 0 && source[wanted]) return wanted;
    for (int s = 0; s < b->n_steps; s++)
        if (source[s] && wait[s] != INT_MAX) return s;
    return -1;
}

/* Deepest step first among those whose data has been complete for a few tasks; if there is none, a source; if there is none of those
 * either, the deepest whose data is complete at all. Rings grow as rows pile up. A task changes the answer of data_wait only for its own
 * step and for the readers of what it made, so the answers are kept. */
static int order_tasks(struct builder *b, struct fm_error *error)
{
    int *wait = arena_array(b->arena, (size_t) b->n_steps + 1, sizeof *wait);
    bool *source = arena_array(b->arena, (size_t) b->n_steps + 1, sizeof *source);
    if (!wait || !source) return core_fail_nomem(error, 0);
    for (int s = 0; s < b->n_steps; s++) wait[s] = next_wait(b, s), source[s] = is_source(b, s);
    for (;;) {
        int pick = -1, pick_any = -1;
        for (int s = b->n_steps - 1; s >= 0 && pick < 0; s--) {
            if (wait[s] == INT_MAX || source[s]) continue;
            if (pick_any < 0) pick_any = s;
            if (wait[s] < b->n_tasks - SLACK_TASKS || b->threads == 1 || b->pace == PLAN_STREAM) pick = s;
        }
        if (pick < 0) pick = choose_source(b, wait, source);
        if (pick < 0) pick = pick_any;
        if (pick < 0) break;
        if (!add_task(b, pick)) return core_fail_nomem(error, 0);
        for (int k = 0; k < b->step[pick].n_out; k++) {
            const int v = b->step[pick].out[k];
            struct plan_value *value = &b->value[v];
            const int made = b->step[pick].whole ? plan_value_rows(value) : b->next_row[pick];
            const int oldest = oldest_needed(b, v);
            /* at least the task's own rows, though readers may want only the last of them: it writes them all at once */
            const int own = b->step[pick].whole ? made : b->task[b->n_tasks - 1].y1 - b->task[b->n_tasks - 1].y0;
            const int alive = oldest == INT_MAX || made - oldest < own ? own : made - oldest;
            if (alive > value->ring) value->ring = alive;
            for (int u = b->user_start[v]; u < b->user_start[v + 1]; u++)
                if (wait[b->user[u]] == INT_MAX) wait[b->user[u]] = next_wait(b, b->user[u]);
        }
        wait[pick] = next_wait(b, pick);
    }
    for (int s = 0; s < b->n_steps; s++) assert(b->next_row[s] >= b->end_row[s]);
    return FM_OK;
}

/* One more task's rows than are ever alive, so that a writer seldom waits for a reader; all rows when that is nearly as much. */
static int size_values(struct builder *b, size_t *zero_bytes, struct fm_error *error)
{
    *zero_bytes = 64;
    for (int v = 0; v < b->n_values; v++) {
        struct plan_value *value = &b->value[v];
        if (plan_is_empty(value)) continue;
        const int rows = plan_value_rows(value), maker = b->producer[v];
        if (maker >= 0 && b->threads > 1) value->ring += b->task_rows[maker];
        if (value->ring > rows || maker < 0 || value->flat) value->ring = rows;
        if (value->flat) {
            if (value->flat_bytes > PLACE_MAX)
                return core_fail(error, FM_ERR_SHAPE, "an array of %zu bytes is too large", value->flat_bytes);
            value->bytes = (value->flat_bytes + 63) / 64 * 64;
            continue;
        }
        const int per_line = value->lanes >= 16 ? 1 : 16 / value->lanes;
        value->margin_left = plan_round_up(value->margin_left, per_line, INT_MAX / 2);
        int64_t pitch = (int64_t) value->margin_left + (value->x1 - value->x0) + value->margin_right;
        pitch = (pitch + per_line - 1) / per_line * per_line;
        /* blocks (and rows) a multiple of 1 KB apart would fall on the same sets of the first cache */
        if (pitch * value->lanes * 4 % 1024 == 0) pitch += per_line;
        size_t bytes;
        if (pitch > INT_MAX || !core_mul_size((size_t) pitch * sizeof(float), (size_t) value->lanes, &bytes) ||
            !core_mul_size(bytes, (size_t) value->blocks, &bytes) || bytes > SIZE_MAX / 2)
            return core_fail(error, FM_ERR_SHAPE, "a row of %d columns and %d channels is too large", value->width,
                value->blocks * value->lanes);
        value->pitch = (int) pitch;
        value->row_bytes = (bytes + 63) / 64 * 64;
        if (value->row_bytes > *zero_bytes) *zero_bytes = value->row_bytes;
        if (!core_mul_size(value->row_bytes, (size_t) value->ring, &value->bytes) || value->bytes > PLACE_MAX)
            return core_fail(error, FM_ERR_SHAPE, "%d rows of %zu bytes are too large", value->ring, value->row_bytes);
    }
    return FM_OK;
}

/* Second pass over the finished order: which task each one waits for, for data and for the ring's old rows, and every value's life. */
static void find_waits(struct builder *b)
{
    for (int v = 0; v < b->n_values; v++) b->value[v].first_task = INT_MAX, b->value[v].last_task = -1;
    for (int s = 0; s < b->n_steps; s++) b->next_row[s] = 0;
    for (int t = 0; t < b->n_tasks; t++) {
        struct plan_task *task = &b->task[t];
        const int s = task->step;
        const struct plan_step *step = &b->step[s];
        int wait = data_wait(b, s);
        for (int i = 0; i < step->n_in; i++) {
            const int v = step->in[i].value;
            int first, end;
            input_rows(b, s, i, b->next_row[s], &first, &end);
            if (b->reader[v])
                for (int r = first; r < end; r++) b->reader[v][r] = t;
            if (t < b->value[v].first_task) b->value[v].first_task = t;
            b->value[v].last_task = t;
        }
        const int made = step->whole ? 1 : task->y1 - task->y0;
        for (int k = 0; k < step->n_out; k++) {
            const int v = step->out[k];
            struct plan_value *value = &b->value[v];
            if (plan_is_empty(value)) continue;
            if (!step->whole)
                for (int r = b->next_row[s]; r < b->next_row[s] + made; r++) {
                    const int old = r - value->ring;
                    if (old < 0) continue;
                    if (b->reader[v][old] > wait) wait = b->reader[v][old];
                    if (b->writer[v][old] > wait) wait = b->writer[v][old];
                }
            if (t < value->first_task) value->first_task = t;
            if (t > value->last_task) value->last_task = t;
        }
        task->wait = wait;
        b->next_row[s] += made;
    }
    for (int v = 0; v < b->n_values; v++)
        if (b->value[v].pinned && b->value[v].last_task >= 0) b->value[v].last_task = b->n_tasks;
}

static int copy_in(struct builder *b, const struct plan_value *values, const struct plan_step *steps)
{
    const size_t nv = (size_t) b->n_values, ns = (size_t) b->n_steps;
    b->value = arena_array(b->arena, nv + 1, sizeof *b->value);
    b->step = arena_array(b->arena, ns + 1, sizeof *b->step);
    b->producer = arena_array(b->arena, nv + 1, sizeof *b->producer);
    b->next_row = arena_array(b->arena, ns + 1, sizeof *b->next_row);
    b->end_row = arena_array(b->arena, ns + 1, sizeof *b->end_row);
    b->task_rows = arena_array(b->arena, ns + 1, sizeof *b->task_rows);
    b->writer = arena_array(b->arena, nv + 1, sizeof *b->writer);
    b->reader = arena_array(b->arena, nv + 1, sizeof *b->reader);
    b->user_start = arena_array(b->arena, nv + 2, sizeof *b->user_start);
    if (!b->value || !b->step || !b->producer || !b->next_row || !b->end_row || !b->task_rows || !b->writer || !b->reader ||
        !b->user_start)
        return FM_ERR_NOMEM;
    for (size_t v = 0; v < nv; v++) b->value[v] = values[v], b->value[v].ring = 0, b->producer[v] = -1;
    size_t uses = 0;
    for (size_t s = 0; s < ns; s++) {
        b->step[s] = steps[s];
        for (int k = 0; k < steps[s].n_out; k++) b->producer[steps[s].out[k]] = (int) s;
        for (int i = 0; i < steps[s].n_in; i++) b->user_start[steps[s].in[i].value + 1]++, uses++;
    }
    b->user = arena_array(b->arena, uses + 1, sizeof *b->user);
    int *fill = arena_array(b->arena, nv + 1, sizeof *fill);
    if (!b->user || !fill) return FM_ERR_NOMEM;
    for (size_t v = 0; v < nv; v++) b->user_start[v + 1] += b->user_start[v], fill[v] = b->user_start[v];
    for (size_t s = 0; s < ns; s++)
        for (int i = 0; i < steps[s].n_in; i++) b->user[fill[steps[s].in[i].value]++] = (int) s;
    return FM_OK;
}

static int row_tables(struct builder *b)
{
    for (int v = 0; v < b->n_values; v++) {
        const size_t rows = (size_t) plan_value_rows(&b->value[v]);
        if (!rows || b->producer[v] < 0) continue;
        b->writer[v] = arena_array(b->arena, rows, sizeof **b->writer);
        b->reader[v] = arena_array(b->arena, rows, sizeof **b->reader);
        if (!b->writer[v] || !b->reader[v]) return FM_ERR_NOMEM;
        for (size_t r = 0; r < rows; r++) b->writer[v][r] = b->reader[v][r] = -1;
    }
    return FM_OK;
}

int plan_build(struct arena *arena, struct arena *work, const struct plan_value *values, int n_values,
    const struct plan_step *steps, int n_steps, const struct plan_want *wants, int n_wants, int threads, enum plan_pace pace,
    struct plan_layout *out, struct fm_error *error)
{
    struct builder b = {.arena = work, .n_values = n_values, .n_steps = n_steps, .threads = threads, .pace = pace};
    *out = (struct plan_layout){.n_values = n_values, .n_steps = n_steps};
    int code = copy_in(&b, values, steps);
    if (code == FM_OK) {
        plan_find_regions(b.value, n_values, b.step, n_steps, wants, n_wants, pace == PLAN_STREAM);
        cut_tasks(&b);
        code = row_tables(&b);
    }
    if (code != FM_OK) return core_fail_nomem(error, 0);
    code = order_tasks(&b, error);
    if (code == FM_OK) code = size_values(&b, &out->zero_bytes, error);
    if (code == FM_OK) {
        find_waits(&b);
        code = plan_place(work, b.value, n_values, b.step, b.task, b.n_tasks, &out->arena_bytes, error);
    }
    if (code != FM_OK) return code;
    struct plan_value *value = arena_array(arena, (size_t) n_values + 1, sizeof *value);
    struct plan_step *step = arena_array(arena, (size_t) n_steps + 1, sizeof *step);
    struct plan_task *task = arena_array(arena, (size_t) b.n_tasks + 1, sizeof *task);
    if (!value || !step || !task) return core_fail_nomem(error, 0);
    for (int v = 0; v < n_values; v++) value[v] = b.value[v];
    for (int s = 0; s < n_steps; s++) step[s] = b.step[s];
    for (int t = 0; t < b.n_tasks; t++) task[t] = b.task[t];
    out->value = value, out->step = step, out->task = task, out->n_tasks = b.n_tasks;
    return FM_OK;
}
