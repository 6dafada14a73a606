/* SPDX-License-Identifier: MIT */
/* Plans of random step networks, proved by a machine that knows nothing of how they were made: it walks through the tasks, keeps for
 * every line of the arena which row of which value lies there, who wrote it and who read it, and asks of every pair of tasks that
 * touch the same bytes, one of them writing, that the later waits for the earlier. */
#include <limits.h>

#include "check.h"
#include "core/alloc.h"
#include "plan/plan.h"

static uint64_t state;

static uint32_t draw(uint32_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (state >> 33) % n;
}

/* ---- random networks ---- */

#define VALUES 40
#define STEPS 40

struct net {
    struct plan_value value[VALUES];
    struct plan_step step[STEPS];
    struct plan_input in[STEPS][3];
    int out[STEPS][2];
    int n_values, n_steps;
    int channels[VALUES];
};

static int add_value(struct net *n, bool flat, int pictures, int height, int width)
{
    struct plan_value *v = &n->value[n->n_values];
    *v = (struct plan_value){.flat = flat, .pictures = pictures, .height = height, .width = width};
    if (flat) v->flat_bytes = (size_t) pictures * (size_t) height * (size_t) width * 4;
    v->lanes = draw(2) ? 8 : 1;
    v->blocks = 1 + (int) draw(3);
    return n->n_values++;
}

static struct plan_step *add_step(struct net *n, int out, int n_in, const struct plan_input *in)
{
    struct plan_step *s = &n->step[n->n_steps];
    memcpy(n->in[n->n_steps], in, (size_t) n_in * sizeof *in);
    n->out[n->n_steps][0] = out;
    *s = (struct plan_step){.n_in = n_in,
        .in = n->in[n->n_steps],
        .n_out = 1,
        .out = n->out[n->n_steps],
        .grid_x = 1 + (int) draw(6),
        .grid_y = 1 + (int) draw(6),
        .any_row = draw(2)};
    if (draw(2)) s->lead_x = (int) draw((uint32_t) s->grid_x);
    if (draw(2) && !s->any_row) s->lead_y = (int) draw((uint32_t) s->grid_y);
    s->chunk_x = s->grid_x * (1 + (int) draw(40));
    n->n_steps++;
    return s;
}

static void want_margins(struct plan_value *v, int left, int right)
{
    if (left > v->margin_left) v->margin_left = left;
    if (right > v->margin_right) v->margin_right = right;
}

static void random_step(struct net *n)
{
    const int from = n->n_values - 1 - (int) draw(draw(3) ? 1 : (uint32_t) n->n_values);
    const struct plan_value *a = &n->value[from];
    const int h = a->height, w = a->width, p = a->pictures;
    struct plan_input in[3] = {{.value = from, .x = PLAN_SAME, .y = PLAN_SAME}};
    int out;
    switch (draw(10)) {
    case 0:
    case 1:
    case 2: { /* a window */
        const int reach = (int) draw(4), shift = (int) draw(3);
        in[0].x = in[0].y = (struct plan_map){false, 1, 1, -reach, reach + shift - 1, false};
        out = add_value(n, false, p, h, w);
        want_margins(&n->value[from], reach, reach + shift + 7);
        add_step(n, out, 1, in);
        break;
    }
    case 3: /* a strided window */
        in[0].x = in[0].y = (struct plan_map){false, 2, 1, -1, 1, false};
        out = add_value(n, false, p, (h + 1) / 2, (w + 1) / 2);
        want_margins(&n->value[from], 1, 2);
        add_step(n, out, 1, in);
        break;
    case 4: { /* larger */
        const int r = 2 + (int) draw(2);
        if (h * r > 300) return;
        in[0].x = in[0].y = (struct plan_map){false, 1, r, 0, 0, false};
        out = add_value(n, false, p, h * r, w * r);
        struct plan_step *s = add_step(n, out, 1, in);
        s->grid_x = s->grid_y = r;
        s->lead_x = s->lead_y = 0;
        s->chunk_x = r * 20;
        break;
    }
    case 5:
    case 6: { /* together with all others of this size, at most three */
        int n_in = 1;
        for (int v = 0; v < n->n_values && n_in < 3; v++)
            if (v != from && n->value[v].height == h && n->value[v].width == w && n->value[v].pictures == p)
                in[n_in++] = (struct plan_input){v, PLAN_SAME, PLAN_SAME};
        out = add_value(n, false, p, h, w);
        add_step(n, out, n_in, in);
        break;
    }
    case 7: { /* everything at once, into rows or an array, and sometimes a second array */
        in[0].x = in[0].y = PLAN_WHOLE;
        out = add_value(n, draw(2), p, h, w);
        struct plan_step *s = add_step(n, out, 1, in);
        s->whole = true;
        s->pieces = (int) draw(9);
        if (draw(2)) s->out[s->n_out++] = add_value(n, true, p, h, w);
        break;
    }
    case 8: { /* one pixel of everything, then used by rows (squeeze and excite) */
        in[0].x = in[0].y = PLAN_WHOLE;
        const int one = add_value(n, false, p, 1, 1);
        struct plan_step *s = add_step(n, one, 1, in);
        s->whole = true;
        in[0] = (struct plan_input){from, PLAN_SAME, PLAN_SAME};
        in[1] = (struct plan_input){one, PLAN_WHOLE, PLAN_WHOLE};
        out = add_value(n, false, p, h, w);
        add_step(n, out, 2, in);
        break;
    }
    default: { /* a crop */
        const int cut = 1 + (int) draw(3);
        if (h <= 2 * cut || w <= 2 * cut) return;
        in[0].x = in[0].y = (struct plan_map){false, 1, 1, cut, cut, false};
        out = add_value(n, false, p, h - 2 * cut, w - 2 * cut);
        add_step(n, out, 1, in);
    }
    }
}

static void random_net(struct net *n, uint64_t seed)
{
    state = seed * 0x9e3779b97f4a7c15u + 3;
    memset(n, 0, sizeof *n);
    const int in = add_value(n, true, draw(4) ? 1 : 1 + (int) draw(3), 1 + (int) draw(draw(2) ? 12 : 90), 1 + (int) draw(150));
    n->value[in].external = true;
    for (int i = 2 + (int) draw(14); i > 0 && n->n_values < VALUES - 3 && n->n_steps < STEPS - 3; i--) random_step(n);
    if (!n->n_steps) { /* at least a copy */
        const struct plan_input copy = {0, PLAN_SAME, PLAN_SAME};
        add_step(n, add_value(n, false, n->value[0].pictures, n->value[0].height, n->value[0].width), 1, &copy);
    }
}

/* ---- the machine ---- */

#define LINE 64

struct line {
    int value, row; /* what lies here; value -1: nothing */
    int writer;     /* task that wrote it */
    int reader;     /* latest task that read it */
};

enum { NOT_YET = -1, FROM_OUTSIDE = -2 }; /* who makes a row, where that is no task */

struct machine {
    const struct plan_layout *l;
    enum plan_pace pace;
    struct line *line;
    size_t n_lines;
    int *task_of_row[VALUES]; /* the task that makes each row; external values too */
    const char *fault;
    int at;
};

static void fault(struct machine *m, int task, const char *what)
{
    if (!m->fault) m->fault = what, m->at = task;
}

static int rows_of(const struct plan_value *v)
{
    return v->pictures * (v->y1 - v->y0);
}

/* The lines of a row; flat values are one row of all their bytes. */
static void lines_of(const struct plan_value *v, int row, size_t *first, size_t *end)
{
    const size_t bytes = v->flat ? v->bytes : v->row_bytes,
                 at = v->offset + (v->flat ? 0 : (size_t) (row % v->ring) * v->row_bytes);
    *first = at / LINE;
    *end = (at + bytes + LINE - 1) / LINE;
}

static void read_row(struct machine *m, int t, int v, int row)
{
    const struct plan_value *value = &m->l->value[v];
    const int maker = m->task_of_row[v][row];
    if (maker == NOT_YET) {
        fault(m, t, "reads a row that is not made yet");
        return;
    }
    if (maker > m->l->task[t].wait) fault(m, t, "does not wait for the row it reads");
    if (value->external) return;
    size_t first, end;
    lines_of(value, row, &first, &end);
    for (size_t i = first; i < end; i++) {
        struct line *line = &m->line[i];
        if (line->value != v || (!value->flat && line->row != row)) fault(m, t, "what it reads has been written over");
        if (line->reader < t) line->reader = t;
    }
}

static void write_row(struct machine *m, int t, int v, int row)
{
    const struct plan_value *value = &m->l->value[v];
    const int wait = m->l->task[t].wait;
    if (value->external) return;
    size_t first, end;
    lines_of(value, row, &first, &end);
    if (end > m->n_lines) {
        fault(m, t, "writes beyond the arena");
        return;
    }
    for (size_t i = first; i < end; i++) {
        struct line *line = &m->line[i];
        if (line->writer > wait && !(value->flat && line->writer == t)) fault(m, t, "writes where another task may be writing");
        if (line->reader > wait) fault(m, t, "writes what another task may be reading");
        *line = (struct line){v, row, t, -1};
    }
}

/* The rows of an input that a task reads, from the definition of its map. */
static void read_input(struct machine *m, int t, const struct plan_input *in)
{
    const struct plan_task *task = &m->l->task[t];
    const struct plan_step *step = &m->l->step[task->step];
    const struct plan_value *v = &m->l->value[in->value];
    const int region = v->y1 - v->y0;
    if (step->whole) {
        if (v->x0 || v->y0 || v->x1 != v->width || v->y1 != v->height) fault(m, t, "a whole step has not all of its input");
        for (int row = 0; row < rows_of(v); row++) read_row(m, t, in->value, row);
        return;
    }
    const struct plan_value *out = &m->l->value[step->out[0]];
    for (int axis = 0; axis < 2; axis++) {
        const struct plan_map *map = axis ? &in->y : &in->x;
        const int from = axis ? task->y0 : out->x0, to = axis ? task->y1 : out->x1, size = axis ? v->height : v->width;
        int low = size, high = -1;
        for (int o = from; o < to; o++) { /* pixel by pixel: slow and plain */
            const int base = map->whole ? 0 : (int) floor((double) o * map->num / map->den);
            const int a = map->whole ? 0 : base + map->lo, b = map->whole ? size - 1 : base + map->hi;
            for (int i = a < 0 ? 0 : a; i <= b && i < size; i++) {
                if (i < low) low = i;
                if (i > high) high = i;
            }
        }
        if (high < low) return; /* padding only */
        if (axis == 0 && (low < v->x0 || high >= v->x1)) fault(m, t, "columns of its input are not computed");
        if (axis == 1 && (low < v->y0 || high >= v->y1)) fault(m, t, "rows of its input are not computed");
        if (axis == 1 && !m->fault)
            for (int y = low; y <= high; y++) read_row(m, t, in->value, (v->pictures > 1 ? task->picture : 0) * region + y - v->y0);
    }
}

static void check_pieces(struct machine *m, int t)
{
    const struct plan_task *task = &m->l->task[t];
    const struct plan_step *step = &m->l->step[task->step];
    const struct plan_value *out = &m->l->value[step->out[0]];
    const int n = task->chunks_x * task->chunks_y;
    if (n < 1 || n > PLAN_CHUNKS_MAX) fault(m, t, "has no pieces or too many");
    if (step->whole) {
        if (n != (step->pieces > 1 ? step->pieces : 1)) fault(m, t, "is not in the pieces its step asks for");
        return;
    }
    if (task->chunk_rows % step->grid_y || task->chunk_x % step->grid_x) fault(m, t, "its pieces are off the grid");
    const int grid_y = step->any_row && m->pace == PLAN_AT_ONCE ? 1 : step->grid_y;
    /* cells begin at multiples less the lead; the first one of the picture is cut */
    if (out->x0 && (out->x0 + step->lead_x) % step->grid_x) fault(m, t, "starts off the grid");
    if (out->y0 && (out->y0 + step->lead_y) % grid_y) fault(m, t, "starts off the grid");
    const int cut_y = task->y0 == 0 ? step->lead_y : 0, cut_x = out->x0 == 0 ? step->lead_x : 0;
    const int from = out->y0 == 0 ? -step->lead_y : out->y0;
    if ((task->y0 - cut_y - from) % step->grid_y) fault(m, t, "starts off the grid");
    const int rows = cut_y + task->y1 - task->y0, columns = cut_x + out->x1 - out->x0;
    if (task->chunk_rows * (task->chunks_y - 1) >= rows || task->chunk_rows * task->chunks_y < rows)
        fault(m, t, "its pieces do not make its rows");
    if (task->chunk_x * (task->chunks_x - 1) >= columns || task->chunk_x * task->chunks_x < columns)
        fault(m, t, "its pieces do not make its columns");
    if (task->y1 < out->height && (task->y1 + step->lead_y) % grid_y) fault(m, t, "ends off the grid inside the picture");
}

static void run_task(struct machine *m, int t)
{
    const struct plan_task *task = &m->l->task[t];
    const struct plan_step *step = &m->l->step[task->step];
    if (task->wait >= t) fault(m, t, "waits for itself or what comes later");
    check_pieces(m, t);
    for (int i = 0; i < step->n_in; i++) read_input(m, t, &step->in[i]);
    if (m->fault) return;
    for (int k = 0; k < step->n_out; k++) {
        const struct plan_value *v = &m->l->value[step->out[k]];
        int first = 0, end = rows_of(v);
        if (!step->whole) {
            first = task->picture * (v->y1 - v->y0) + task->y0 - v->y0;
            end = first + task->y1 - task->y0;
        }
        for (int row = first; row < end; row++) {
            if (m->task_of_row[step->out[k]][row] != NOT_YET) fault(m, t, "makes a row again");
            write_row(m, t, step->out[k], row);
            m->task_of_row[step->out[k]][row] = t;
        }
    }
}

static void check_sizes(struct machine *m, const struct net *n)
{
    for (int v = 0; v < m->l->n_values; v++) {
        const struct plan_value *value = &m->l->value[v], *asked = &n->value[v];
        if (value->x1 <= value->x0 || value->flat || value->external) continue;
        if (value->margin_left < asked->margin_left) fault(m, -1, "a left margin is too narrow");
        if (value->pitch < value->margin_left + value->x1 - value->x0 + asked->margin_right) fault(m, -1, "a row is too short");
        if (value->row_bytes < (size_t) value->pitch * (size_t) (value->lanes * value->blocks) * 4)
            fault(m, -1, "a row has too few bytes");
        if (value->row_bytes % 64 || value->offset % 64) fault(m, -1, "a row is not aligned");
        if (value->row_bytes > m->l->zero_bytes) fault(m, -1, "the row of zeros is too short");
        if (value->x0 < 0 || value->y0 < 0 || value->x1 > value->width || value->y1 > value->height)
            fault(m, -1, "a region leaves the picture");
    }
}

static void check_layout(const struct net *n, const struct plan_layout *l, enum plan_pace pace, const struct plan_want *wants,
    int n_wants, const char *name)
{
    struct machine m = {.l = l, .pace = pace, .n_lines = (l->arena_bytes + LINE - 1) / LINE};
    m.line = malloc((m.n_lines + 1) * sizeof *m.line);
    for (size_t i = 0; i < m.n_lines; i++) m.line[i] = (struct line){-1, 0, -1, -1};
    bool made[VALUES] = {false};
    for (int s = 0; s < n->n_steps; s++)
        for (int k = 0; k < n->step[s].n_out; k++) made[n->step[s].out[k]] = true;
    for (int v = 0; v < n->n_values; v++) {
        const int rows = rows_of(&l->value[v]);
        m.task_of_row[v] = malloc(((size_t) rows + 1) * sizeof(int));
        for (int r = 0; r < rows; r++) m.task_of_row[v][r] = made[v] ? NOT_YET : FROM_OUTSIDE;
    }
    check_sizes(&m, n);
    for (int t = 0; t < l->n_tasks && !m.fault; t++) run_task(&m, t);
    for (int i = 0; i < n_wants && !m.fault; i++) {
        const struct plan_value *v = &l->value[wants[i].value];
        if (v->x0 > wants[i].x0 || v->x1 < wants[i].x1 || v->y0 > wants[i].y0 || v->y1 < wants[i].y1)
            fault(&m, -1, "not all that was wanted is made");
        for (int r = 0; r < rows_of(v); r++)
            if (m.task_of_row[wants[i].value][r] == NOT_YET) fault(&m, -1, "a wanted row is never made");
    }
    CHECK_MSG(!m.fault, "%s: task %d of %d (step %d) %s", name, m.at, l->n_tasks, m.at < 0 ? -1 : l->task[m.at].step, m.fault);
    for (int v = 0; v < n->n_values; v++) free(m.task_of_row[v]);
    free(m.line);
}

/* A plan run a few output rows at a time reads no more of the input than a plan for those rows and all above would ask for. */
static void check_stream(const struct net *n, const struct plan_layout *l, struct plan_want want, const char *name)
{
    const int last = want.value, stop = want.y1;
    for (int s = 0; s < n->n_steps; s++)
        if (n->step[s].whole) return;
    struct plan_value regions[VALUES];
    for (int y = want.y0 + 1; y <= stop; y += 1 + (int) draw(5)) {
        int t = 0;
        while (t < l->n_tasks && !(l->step[l->task[t].step].out[0] == last && l->task[t].y1 >= y)) t++;
        want.y1 = y;
        memcpy(regions, n->value, sizeof regions);
        plan_find_regions(regions, n->n_values, n->step, n->n_steps, &want, 1, true);
        for (int v = 0; v < n->n_values; v++) {
            if (!n->value[v].external || v == last || n->value[v].pictures > 1) continue;
            int y0, y1;
            plan_rows_read(l, v, 0, t + 1, &y0, &y1);
            if (y1 > y0 && !CHECK_MSG(y0 >= regions[v].y0 && y1 <= regions[v].y1,
                               "%s: rows %d..%d of value %d are read to make rows %d..%d, which need %d..%d", name, y0, y1, v,
                               want.y0, y, regions[v].y0, regions[v].y1))
                return;
        }
    }
}

static void try_plan(const struct net *n, uint64_t seed, int threads, bool part, bool external, enum plan_pace pace)
{
    struct arena *arena = arena_create(), *work = arena_create();
    struct plan_layout l;
    struct fm_error error = {0};
    struct net copy = *n;
    for (int s = 0; s < n->n_steps; s++) copy.step[s].in = copy.in[s], copy.step[s].out = copy.out[s];
    const int last = n->step[n->n_steps - 1].out[0];
    struct plan_want want = {.value = last, .x1 = n->value[last].width, .y1 = n->value[last].height};
    if (part) {
        want.x0 = (int) draw((uint32_t) want.x1), want.x1 = want.x0 + 1 + (int) draw((uint32_t) (want.x1 - want.x0));
        want.y0 = (int) draw((uint32_t) want.y1), want.y1 = want.y0 + 1 + (int) draw((uint32_t) (want.y1 - want.y0));
    }
    copy.value[last].external = external;
    copy.value[last].pinned = !external;
    char name[96];
    snprintf(name, sizeof name, "seed %u, %d threads, %s%s", (unsigned) seed, threads, part ? "a part" : "whole",
        pace == PLAN_STREAM ? ", streamed" : "");
    const int code =
        plan_build(arena, work, copy.value, copy.n_values, copy.step, copy.n_steps, &want, 1, threads, pace, &l, &error);
    if (CHECK_MSG(code == FM_OK, "%s: %s", name, error.message)) {
        check_layout(&copy, &l, pace, &want, 1, name);
        if (pace == PLAN_STREAM && copy.value[last].pictures == 1) check_stream(&copy, &l, want, name);
    }
    arena_destroy(&work);
    arena_destroy(&arena);
}

static void random_plans(void)
{
    static const int threads[] = {1, 2, 3, 5, 16};
    static struct net n;
    const uint64_t last = (uint64_t) check_cases(1500);
    for (uint64_t seed = 1; seed <= last; seed++) {
        random_net(&n, seed);
        for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
            try_plan(&n, seed, threads[i], (seed + i) % 2, seed % 3, PLAN_AT_ONCE);
            if (i < 3) try_plan(&n, seed, threads[i], (seed + i) % 2, seed % 3, PLAN_STREAM);
        }
    }
}

/* ---- what a plan is for ---- */

/* n windows of 3x3 in a row, 64 channels. */
static void chain(struct net *n, int layers, int height, int width)
{
    memset(n, 0, sizeof *n);
    add_value(n, true, 1, height, width);
    n->value[0].external = true;
    for (int i = 0; i < layers; i++) {
        const struct plan_input in = {i, {false, 1, 1, -1, 1, false}, {false, 1, 1, -1, 1, false}};
        const int out = add_value(n, false, 1, height, width);
        n->value[out].lanes = 8, n->value[out].blocks = 8;
        struct plan_step *s = add_step(n, out, 1, &in);
        s->grid_x = s->grid_y = 6, s->chunk_x = 144;
    }
    n->value[layers].external = true;
}

/* Height costs nothing: rings hold a few tasks' rows whatever the picture's height. */
static void bands(void)
{
    static struct net n;
    size_t bytes[2];
    for (int i = 0; i < 2; i++) {
        struct arena *arena = arena_create(), *work = arena_create();
        struct plan_layout l;
        chain(&n, 16, i ? 4096 : 512, 1024);
        const struct plan_want want = {16, 0, 1024, 0, i ? 4096 : 512};
        CHECK_INT(plan_build(arena, work, n.value, n.n_values, n.step, n.n_steps, &want, 1, 2, PLAN_AT_ONCE, &l, NULL), FM_OK);
        check_layout(&n, &l, PLAN_AT_ONCE, &want, 1, "bands");
        for (int v = 1; v < 16; v++) CHECK_MSG(l.value[v].ring <= 40, "value %d holds %d rows", v, l.value[v].ring);
        bytes[i] = l.arena_bytes;
        arena_destroy(&work);
        arena_destroy(&arena);
    }
    CHECK_MSG(bytes[1] < bytes[0] + bytes[0] / 4, "8 times as high takes %zu bytes, not %zu", bytes[1], bytes[0]);
}

/* A part needs its halo and no more than the grid adds to it. */
static void halos(void)
{
    static struct net n;
    struct arena *arena = arena_create(), *work = arena_create();
    struct plan_layout l;
    chain(&n, 4, 300, 300);
    const struct plan_want want = {4, 120, 150, 60, 96};
    CHECK_INT(plan_build(arena, work, n.value, n.n_values, n.step, n.n_steps, &want, 1, 2, PLAN_AT_ONCE, &l, NULL), FM_OK);
    const struct plan_value *in = &l.value[0];
    CHECK(in->x0 <= 116 && in->x0 >= 120 - 4 * 6 && in->x1 >= 154 && in->x1 <= 150 + 4 * 6);
    CHECK(in->y0 <= 56 && in->y0 >= 60 - 4 * 6 && in->y1 >= 100 && in->y1 <= 96 + 4 * 6);
    check_layout(&n, &l, PLAN_AT_ONCE, &want, 1, "halos");
    arena_destroy(&work);
    arena_destroy(&arena);
}

/* What nobody wants is not made. */
static void unwanted(void)
{
    static struct net n;
    struct arena *arena = arena_create(), *work = arena_create();
    struct plan_layout l;
    chain(&n, 5, 40, 40);
    const struct plan_want want = {3, 0, 40, 0, 40};
    CHECK_INT(plan_build(arena, work, n.value, n.n_values, n.step, n.n_steps, &want, 1, 2, PLAN_AT_ONCE, &l, NULL), FM_OK);
    for (int t = 0; t < l.n_tasks; t++) CHECK(l.task[t].step < 3);
    CHECK_INT(l.value[4].x1 - l.value[4].x0, 0);
    arena_destroy(&work);
    arena_destroy(&arena);
}

static void map_ranges(void)
{
    static const struct {
        struct plan_map map;
        int o0, o1, limit, i0, i1;
    } cases[] = {
        {{false, 1, 1, 0, 0, false}, 3, 9, 20, 3, 9},
        {{false, 1, 1, -1, 1, false}, 0, 9, 20, 0, 10},
        {{false, 1, 1, -1, 1, false}, 3, 20, 20, 2, 20},
        {{false, 2, 1, -1, 1, false}, 3, 5, 20, 5, 10},
        {{false, 1, 2, 0, 0, false}, 3, 6, 20, 1, 3},
        {{false, 2, 3, 0, 1, false}, 4, 6, 20, 2, 5},
        {{true, 1, 1, 0, 0, false}, 3, 4, 20, 0, 20},
        {{false, 1, 1, 30, 30, false}, 0, 4, 20, 20, 20},
        {{false, 1, 1, -30, -30, false}, 0, 4, 20, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int i0, i1;
        plan_map_range(&cases[i].map, cases[i].o0, cases[i].o1, cases[i].limit, &i0, &i1);
        CHECK_MSG(i0 == cases[i].i0 && i1 == cases[i].i1, "case %d: [%d, %d), must be [%d, %d)", (int) i, i0, i1, cases[i].i0,
            cases[i].i1);
    }
}

static void too_large(void)
{
    static struct net n;
    struct arena *arena = arena_create(), *work = arena_create();
    struct plan_layout l;
    struct fm_error error;
    chain(&n, 3, 8, 1 << 24);
    const struct plan_want want = {3, 0, 1 << 24, 0, 8};
    n.value[1].blocks = INT_MAX, n.value[1].lanes = 16; /* one value */
    CHECK_INT(plan_build(arena, work, n.value, n.n_values, n.step, n.n_steps, &want, 1, 2, PLAN_AT_ONCE, &l, &error), FM_ERR_SHAPE);
    CHECK_HAS(error.message, "too large");
    for (int v = 1; v < 3; v++) n.value[v].blocks = INT_MAX / 16, n.value[v].lanes = 16, n.value[v].pinned = true;
    CHECK_INT(plan_build(arena, work, n.value, n.n_values, n.step, n.n_steps, &want, 1, 2, PLAN_AT_ONCE, &l, &error), FM_OK);
    CHECK(l.arena_bytes > (size_t) 1 << 58);
    for (int v = 1; v < 3; v++) n.value[v].blocks = INT_MAX / 4; /* their sum */
    CHECK_INT(plan_build(arena, work, n.value, n.n_values, n.step, n.n_steps, &want, 1, 2, PLAN_AT_ONCE, &l, &error), FM_ERR_SHAPE);
    CHECK_HAS(error.message, "too large");
    arena_destroy(&work);
    arena_destroy(&arena);
}

/* The n-th allocation fails: a clean error each time, and success in the end. */
static void no_memory(void)
{
    static struct net n;
    chain(&n, 30, 64, 64);
    const struct plan_want want = {30, 0, 64, 0, 64};
    int code = FM_ERR_NOMEM;
    for (uint64_t nth = 1; code != FM_OK && nth < 1000; nth++) {
        const int64_t live = core_alloc_live();
        struct arena *arena = arena_create(), *work = arena_create();
        struct plan_layout l;
        struct fm_error error = {0};
        core_alloc_fail_after(nth, false);
        code = plan_build(arena, work, n.value, n.n_values, n.step, n.n_steps, &want, 1, 2, PLAN_AT_ONCE, &l, &error);
        core_alloc_fail_after(0, false);
        if (code != FM_OK) CHECK_INT(code, FM_ERR_NOMEM);
        arena_destroy(&work);
        arena_destroy(&arena);
        CHECK_INT(core_alloc_live(), live);
    }
    CHECK_INT(code, FM_OK);
}

int main(void)
{
    RUN(map_ranges);
    RUN(random_plans);
    RUN(bands);
    RUN(halos);
    RUN(unwanted);
    RUN(too_large);
    RUN(no_memory);
    return check_report();
}
