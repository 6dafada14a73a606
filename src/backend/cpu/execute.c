/* SPDX-License-Identifier: MIT */
/* Running a layout's tasks on the pool, without locks. Every task is cut into pieces; a thread owns a fixed share of each task's pieces
 * (neighbouring columns, so that what it wrote is in its own cache when the next layer reads it) and takes them in order. When its next
 * task still waits for data it takes a piece of the oldest unfinished task instead, whoever owns it. Tasks complete in any order;
 * `prefix` is the number of tasks from the start that are all complete, and a task may start once prefix has passed its wait index. */
#include <stdatomic.h>

#include "backend/cpu/program.h"
#include "core/alloc.h"
#include "core/cpu.h"
#include "core/error.h"

#define STEAL_WINDOW 24 /* unfinished tasks a waiting thread looks at */

struct task_state {
    _Atomic uint64_t claimed; /* a bit per piece */
    atomic_int left;          /* pieces not complete */
};

struct cpu_tasks {
    int capacity;
    struct task_state *state;
    _Alignas(CORE_CACHE_LINE) atomic_int prefix;
};

int cpu_tasks_reserve(struct cpu_tasks *tasks, int n_tasks)
{
    if (n_tasks <= tasks->capacity) return FM_OK;
    struct task_state *state = core_alloc((size_t) n_tasks * sizeof *state);
    if (!state) return FM_ERR_NOMEM;
    core_free(tasks->state);
    tasks->state = state;
    tasks->capacity = n_tasks;
    return FM_OK;
}

int cpu_tasks_create(int n_tasks, struct cpu_tasks **out, struct fm_error *error)
{
    *out = core_calloc(1, sizeof **out);
    if (!*out) return core_fail_nomem(error, sizeof **out);
    if (cpu_tasks_reserve(*out, n_tasks > 0 ? n_tasks : 1) < 0) {
        cpu_tasks_destroy(out);
        return core_fail_nomem(error, (size_t) n_tasks * sizeof(struct task_state));
    }
    return FM_OK;
}

void cpu_tasks_destroy(struct cpu_tasks **tasks)
{
    if (*tasks) core_free((*tasks)->state);
    core_free(*tasks);
    *tasks = NULL;
}

#define UNIT 16 /* columns: fewer of a step that hardly computes do not count */
#define GAP 32  /* columns of such a step that cost less than another call */
#define RUNS 64

/* The runs of the piece, whole cells, in one call; the first begins where the grid does. */
static int run_joined(const struct cpu_call *whole, struct span *run, int n)
{
    struct cpu_call call = *whole;
    call.x0 = run[0].x0;
    call.x1 = run[n - 1].x1;
    call.run = run;
    call.runs = n;
    if (call.x0 == 0) run[0].x0 = -call.shape->lead_x;
    return call.step->run(&call);
}

/* The runs of the piece one by one, widened. */
static int run_widened(const struct cpu_call *whole, const struct span *run, int n, int unit)
{
    struct cpu_call call = *whole;
    int code = FM_OK;
    for (int i = 0; i < n && code == FM_OK; i++) {
        const int end = whole->x0 + (run[i].x1 - whole->x0 + unit - 1) / unit * unit;
        call.x0 = whole->x0 + (run[i].x0 - whole->x0) / unit * unit;
        call.x1 = end < whole->x1 ? end : whole->x1;
        code = call.step->run(&call);
    }
    return code;
}

/* The columns of the piece that are wanted. What is made beside them may come from anything and is read by nobody. */
static int run_marked(const struct plan_mark *mark, const struct cpu_call *call)
{
    const struct conv_algorithm *conv = call->step->run == cpu_run_conv ? call->step->u.conv.algorithm : NULL;
    const bool joins = conv && conv->joins;
    const int unit = ((conv ? conv->unit_x : UNIT) + mark->cell_w - 1) / mark->cell_w * mark->cell_w;
    struct span run[RUNS];
    for (int from = call->x0, n = RUNS, code; n == RUNS; from = run[n - 1].x1) {
        n = plan_spread_runs(mark, call->y0, call->y1, from, call->x1, joins ? 0 : conv ? unit : GAP, run, RUNS);
        if (!n) break;
        code = joins ? run_joined(call, run, n) : run_widened(call, run, n, unit);
        if (code < 0) return code;
    }
    return FM_OK;
}

/* Kernels run with subnormals as zero; the reference code is the definition and keeps them. */
static int run_step(const struct plan_mark *mark, const struct cpu_call *call)
{
    const bool exact = call->step->run == cpu_run_reference;
    const unsigned floats = exact ? 0 : cpu_floats_flush();
    const int code = mark && mark->bits ? run_marked(mark, call) : call->step->run(call);
    if (!exact) cpu_floats_restore(floats);
    return code;
}

/* Nothing is computed any more, so there is nothing to say of it either. */
static bool has_failed(struct backend_session *s)
{
    return atomic_load_explicit(&s->failure, memory_order_relaxed) != FM_OK;
}

static void run_piece(struct backend_session *s, int t, int piece, int thread)
{
    const struct plan_task *task = &s->layout->task[t];
    const struct cpu_step *step = &s->program->step[task->step];
    const struct plan_step *shape = &s->layout->step[task->step];
    struct cpu_call call = {.session = s,
        .step = step,
        .shape = shape,
        .picture = task->picture,
        .pieces = task->chunks_y * task->chunks_x,
        .scratch = s->scratch + (size_t) thread * s->scratch_stride};
    if (shape->whole) {
        call.y0 = piece;
    } else {
        const struct plan_value *out = &s->layout->value[shape->out[0]];
        const int lead_y = task->y0 == 0 ? shape->lead_y : 0, lead_x = out->x0 == 0 ? shape->lead_x : 0;
        call.y0 = task->y0 - lead_y + piece / task->chunks_x * task->chunk_rows;
        call.y1 = call.y0 + task->chunk_rows < task->y1 ? call.y0 + task->chunk_rows : task->y1;
        if (call.y0 < task->y0) call.y0 = task->y0;
        call.x0 = out->x0 - lead_x + piece % task->chunks_x * task->chunk_x;
        call.x1 = call.x0 + task->chunk_x < out->x1 ? call.x0 + task->chunk_x : out->x1;
        if (call.x0 < out->x0) call.x0 = out->x0;
    }
    if (has_failed(s)) return;
    if (s->cancel && atomic_load_explicit(s->cancel, memory_order_relaxed)) {
        atomic_store(&s->failure, FM_ERR_CANCELLED);
        return;
    }
    const uint64_t start = s->profile ? core_now_ns() : 0;
    const struct plan_mark *mark = s->only && !shape->whole ? &s->only->mark[shape->out[0]] : NULL;
    const int code = run_step(mark, &call);
    if (code < 0) atomic_store(&s->failure, code);
    if (s->profile) atomic_fetch_add_explicit(&s->step_ns[task->step], core_now_ns() - start, memory_order_relaxed);
}

static void complete_piece(struct backend_session *s, int t)
{
    struct cpu_tasks *const tasks = s->tasks;
    if (atomic_fetch_sub(&tasks->state[t].left, 1) != 1) return;
    int prefix = atomic_load(&tasks->prefix);
    while (prefix < s->end_task && atomic_load(&tasks->state[prefix].left) == 0)
        if (atomic_compare_exchange_weak(&tasks->prefix, &prefix, prefix + 1)) prefix++;
}

/* Which thread owns a piece: columns are divided evenly; a task of one column piece goes round with its rows. */
static uint64_t own_pieces(const struct plan_task *task, int thread, int threads)
{
    const int n = task->chunks_x * task->chunks_y;
    uint64_t own = 0;
    for (int i = 0; i < n; i++) {
        int owner;
        if (n == 1)
            owner = (task->chunk_rows ? task->y0 / task->chunk_rows : 0) % threads;
        else if (task->chunks_x >= threads)
            owner = i % task->chunks_x * threads / task->chunks_x;
        else
            owner = i * threads / n;
        if (owner == thread) own |= (uint64_t) 1 << i;
    }
    return own;
}

/* Claims one of the wanted pieces; -1 when none is free. */
static int claim(struct task_state *state, uint64_t wanted)
{
    for (;;) {
        const uint64_t free = wanted & ~atomic_load_explicit(&state->claimed, memory_order_relaxed);
        if (!free) return -1;
        const int piece = __builtin_ctzll(free);
        if (!(atomic_fetch_or(&state->claimed, (uint64_t) 1 << piece) & (uint64_t) 1 << piece)) return piece;
    }
}

static uint64_t all_pieces(const struct plan_task *task)
{
    const int n = task->chunks_x * task->chunks_y;
    return n >= 64 ? ~(uint64_t) 0 : ((uint64_t) 1 << n) - 1;
}

static bool steal(struct backend_session *s, int thread)
{
    const int prefix = atomic_load(&s->tasks->prefix);
    const int end = prefix + STEAL_WINDOW < s->end_task ? prefix + STEAL_WINDOW : s->end_task;
    for (int t = prefix; t < end; t++) {
        const struct plan_task *task = &s->layout->task[t];
        if (task->wait >= prefix) continue;
        const int piece = claim(&s->tasks->state[t], all_pieces(task));
        if (piece < 0) continue;
        run_piece(s, t, piece, thread);
        complete_piece(s, t);
        return true;
    }
    return false;
}

/* Tasks between two words on progress. */
static int progress_part(const struct backend_session *s)
{
    const int n = s->end_task - s->first_task;
    return n > 32 ? n / 32 : 1;
}

/* The end of a tile and the beginning of the next are the same number to the last bit: a share never goes backwards. */
static void say_progress(struct backend_session *s, int done)
{
    s->progress(s->user, (s->said_tile + (double) done / (s->end_task - s->first_task)) / s->said_tiles);
}

/* One thread has nobody to tell: an atomic operation after each task would wait for all of its stores to reach the cache. */
static void work_alone(struct backend_session *s)
{
    const int first = s->first_task, part = progress_part(s);
    for (int t = first; t < s->end_task && !has_failed(s); t++) {
        const struct plan_task *task = &s->layout->task[t];
        for (int piece = 0; piece < task->chunks_x * task->chunks_y; piece++) run_piece(s, t, piece, 0);
        if (s->progress && (t + 1 - first) % part == 0 && !has_failed(s)) say_progress(s, t + 1 - first);
    }
}

static void work(void *session, int thread)
{
    struct backend_session *const s = session;
    const int first = s->first_task, end = s->end_task, threads = pool_threads(s->pool);
    if (threads == 1) {
        work_alone(s);
        return;
    }
    struct cpu_tasks *const tasks = s->tasks;
    unsigned turns = 0;
    const int part = progress_part(s);
    int next = first, reported = 0;
    while (atomic_load(&tasks->prefix) < end) {
        if (next < end) {
            const struct plan_task *task = &s->layout->task[next];
            const uint64_t own = own_pieces(task, thread, threads);
            const bool ready = atomic_load(&tasks->prefix) > task->wait;
            const int piece = ready || !own ? claim(&tasks->state[next], own) : -1;
            if (piece >= 0) {
                run_piece(s, next, piece, thread);
                complete_piece(s, next);
                turns = 0;
                continue;
            }
            if (ready || !own || !(own & ~atomic_load_explicit(&tasks->state[next].claimed, memory_order_relaxed))) {
                next++; /* nothing of ours left in it */
                if (thread == 0 && s->progress && (next - first) / part != reported && !has_failed(s)) {
                    reported = (next - first) / part;
                    say_progress(s, atomic_load(&tasks->prefix) - first);
                }
                continue;
            }
        }
        if (steal(s, thread))
            turns = 0;
        else
            core_relax(&turns);
    }
}

int cpu_execute(struct backend_session *s, int first, int end)
{
    for (int t = first; t < end; t++) {
        const struct plan_task *task = &s->layout->task[t];
        atomic_store_explicit(&s->tasks->state[t].claimed, 0, memory_order_relaxed);
        atomic_store_explicit(&s->tasks->state[t].left, task->chunks_x * task->chunks_y, memory_order_relaxed);
    }
    atomic_store(&s->tasks->prefix, first);
    s->first_task = first;
    s->end_task = end;
    atomic_store(&s->failure, FM_OK);
    pool_run(s->pool, work, s);
    return atomic_load(&s->failure);
}
