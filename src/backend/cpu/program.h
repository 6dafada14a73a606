/* SPDX-License-Identifier: MIT */
/* What the CPU backend compiles a graph to, shared by the files of this folder: values with a representation, steps with a run
 * function, and the plan that orders them.
 *
 *     lower*.c    graph -> steps and values (once)
 *     cpu.c       compiles: lowers, lays out or chooses tiles; the backend table
 *     layout.c    steps -> layouts of the whole, of tiles and regions; what they need
 *     session.c   working memory, whole runs, tiles, regions
 *     execute.c   runs a layout's tasks on the pool
 *     run_*.c     what each kind of step does to a few rows */
#ifndef FM_BACKEND_CPU_PROGRAM_H
#define FM_BACKEND_CPU_PROGRAM_H

#include <stdatomic.h>

#include "backend/backend.h"
#include "graph/op.h"
#include "kernels/kernel.h"
#include "kernels/rows.h"
#include "plan/plan.h"
#include "plan/spread.h"

#define CPU_ROWS_MAX 320 /* row pointers one call may need */

/* How a graph value is held. FLAT: an array of the value's own type. FLAT32: the same as float32. The others: rows. */
enum cpu_form { FORM_FLAT, FORM_FLAT32, FORM_BLOCKED, FORM_PLANAR, FORM_COUNT };

enum cpu_memory { MEMORY_ARENA, MEMORY_INPUT, MEMORY_OUTPUT, MEMORY_CONSTANT };

struct cpu_value {
    int graph_value; /* -1: made while lowering */
    enum cpu_form form;
    int channels;
    enum cpu_memory memory;
    int index; /* which graph input or output */
    const void *constant;
};

struct cpu_step;

/* One piece of a task: output rows [y0, y1) (all in one grid step) and columns [x0, x1) of one picture, in frame coordinates. Whole
 * steps get piece `y0` of `pieces`. */
struct cpu_call {
    const struct backend_session *session;
    const struct cpu_step *step;
    const struct plan_step *shape; /* the step's inputs and outputs */
    int picture, y0, y1, x0, x1;
    const struct span *run; /* of these columns, for what joins; none: all */
    int runs;
    int pieces;
    void *scratch;
};

enum cpu_operand { OPERAND_ROWS, OPERAND_CHANNELS /* a constant per channel */, OPERAND_PIXEL /* a 1 x 1 picture, per channel */ };

struct cpu_step {
    int (*run)(const struct cpu_call *call); /* FM_OK or an error code (reference steps can run out of memory) */
    const char *name, *what, *how;
    double macs;
    size_t scratch;
    const float *lanes; /* per channel parameters: [channels rounded up] blocked, [channels][vector] planar */
    union {
        struct {
            const struct conv_algorithm *algorithm;
            struct conv_packed packed;
            bool residual;
        } conv;
        struct {
            enum kernel_act act;
            float a, b;
        } act;
        struct {
            enum rows_binary op;
            enum cpu_operand operand;
        } binary;
        struct {
            int r;
            bool crd;
            int channels;
        } shuffle;
        struct {
            struct rows_pool pool;
            int stride_y, dilation_y, pad_y;
            int pad_end_y;
        } pool;
        struct {
            bool max;
        } global;
        struct {
            int ny, nx;
            const int32_t *iy, *ix;
            const float *wy, *wx;
        } resize; /* tables per output row / column */
        struct {
            int first;
            int y, x;
        } slice; /* first channel, row, column */
        struct {
            int top, left;
            int mode;
            float value;
        } pad;
        struct {
            const struct graph_node *node;
        } flat;
    } u;
};

struct backend_program {
    const struct graph *graph;
    struct arena *arena;
    int threads; /* what layouts are cut for */
    const struct kernel_set *kernels;
    struct plan_value *plan_value;
    struct cpu_value *value;
    int n_values, cap_values;
    struct plan_step *plan_step;
    struct cpu_step *step;
    int n_steps, cap_steps;
    int *form;              /* [graph values][FORM_COUNT]: value index or -1 */
    int *output_value;      /* per graph output: its FLAT value; -1: made by the tail */
    int *user_start, *user; /* per graph value: the nodes that read it */
    int *tail;
    int n_tail;           /* nodes whose shapes depend on data: run one by one at the end */
    size_t scratch_bytes; /* of one thread */
    size_t weights_bytes;
    double macs;
    bool exact; /* the field is bounded */
    bool local; /* no step looks at all of what comes from the input */
    /* tiles */
    int frame_w, frame_h; /* of output 0 */
    int tile_w, tile_h;   /* in output pixels; 0: whole */
    int tile;             /* as reported, in input pixels */
    struct arena *layout_arena;
    bool laid_out; /* else sessions lay out what they are asked for */
    size_t held_bytes;      /* by a session, what laying out tiles takes included */
    struct plan_layout layout; /* whole, or of the largest tile */
    bool writes_whole; /* output 0 is made by a whole step: regions are cut out of it */
    int output_step;   /* which step makes it; -1: none */
};

struct cpu_tasks; /* run state of a layout's tasks, execute.c */

struct backend_session {
    const struct backend_program *program;
    struct pool *pool;
    const struct plan_layout *layout; /* being run */
    int first_task, end_task;         /* of it */
    struct plan_layout part;          /* the last tile's, region's or strip's layout */
    struct rect part_out;             /* what it makes; empty: nothing yet */
    struct arena *part_arena, *work_arena; /* reset for every part */
    /* A strip: regions below one another, made by one layout, so that nothing is computed twice. Rows from strip_y on are missing, tasks
     * from strip_task on are to be run; strip_y -1: only from its start. */
    bool is_strip;
    int strip_y, strip_task;
    struct plan_value *need; /* room for the regions of all values */
    struct plan_spread spread;      /* made when it is first needed */
    const struct plan_spread *only; /* this run: what is to be made; NULL: all */
    bool viewed; /* the arrays of this run hold these parts of input 0 and output 0 */
    struct backend_region view;
    uint8_t *memory;
    size_t memory_bytes;
    float *zero;
    size_t zero_bytes;
    uint8_t *scratch;
    size_t scratch_stride; /* per thread */
    void **bound;          /* per value: external memory of this run */
    void **own_output;
    size_t *own_bytes;            /* lent output arrays */
    struct fm_tensor *tail_value; /* per graph value: what the tail made */
    struct cpu_tasks *tasks;
    atomic_int failure;
    atomic_bool *cancel;
    void (*progress)(void *user, double share);
    void *user;
    int said_tile, said_tiles; /* progress: of a picture that is run tile by tile, this one of how many */
    bool profile;
    _Atomic uint64_t *step_ns;
    int result;
};

/* ---- lowering (lower.c) ---- */

/* A value in the wanted form: made by a conversion step if need be. Value index, or a negative error. */
int cpu_need(struct backend_program *p, int graph_value, enum cpu_form form, struct fm_error *error);
/* The best form a value is in already, for steps that take any rows: BLOCKED, PLANAR, or PLANAR made from FLAT. */
int cpu_need_rows(struct backend_program *p, int graph_value, struct fm_error *error);
bool cpu_is_picture(const struct backend_program *p, int graph_value); /* can be held as rows */
/* A new value for a graph value (or -1: hidden, then with the given picture size). */
int cpu_add_value(struct backend_program *p, int graph_value, enum cpu_form form, struct fm_error *error);
int cpu_add_hidden(
    struct backend_program *p, enum cpu_form form, int pictures, int channels, int height, int width, struct fm_error *error);
/* A new step; returns its index. Copies inputs. */
int cpu_add_step(struct backend_program *p, const struct cpu_step *step, const struct plan_step *shape, struct fm_error *error);
void cpu_want_margins(struct backend_program *p, int value, int left, int right);
int cpu_lower_reference(struct backend_program *p, const struct graph_node *node, struct fm_error *error);
void cpu_picture(const struct graph_value *v, int *n, int *c, int *h, int *w);
const char *cpu_text(struct backend_program *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
const float *cpu_lanes(struct backend_program *p, const struct graph_value *constant, int channels, enum cpu_form form, float fill);
enum kernel_act cpu_act(enum op_activation act, float a);

int cpu_add_shuffle(struct backend_program *p, const struct graph_node *node, int from, int r, bool crd, int to_graph_value,
    struct fm_error *error); /* lower_conv.c */

int cpu_lower_conv(struct backend_program *p, const struct graph_node *node, struct fm_error *error); /* lower_conv.c */
int cpu_lower_conv_transpose(struct backend_program *p, const struct graph_node *node, struct fm_error *error);
int cpu_lower_rows(struct backend_program *p, const struct graph_node *node, struct fm_error *error);   /* lower_rows.c */
int cpu_lower_resize(struct backend_program *p, const struct graph_node *node, struct fm_error *error); /* lower_resize.c */
int cpu_lower(struct backend_program *p, struct fm_error *error);                                       /* lower.c: all nodes */
#define CPU_DECLINED 1 /* from a cpu_lower_x: not in a form this does; the reference takes it */

/* ---- running ---- */

int cpu_run_load(const struct cpu_call *call);
int cpu_run_store(const struct cpu_call *call);
int cpu_run_convert(const struct cpu_call *call);
int cpu_run_conv(const struct cpu_call *call);
int cpu_run_act(const struct cpu_call *call);
int cpu_run_binary(const struct cpu_call *call);
int cpu_run_shuffle(const struct cpu_call *call);
int cpu_run_unshuffle(const struct cpu_call *call);
int cpu_run_concat(const struct cpu_call *call);
int cpu_run_slice(const struct cpu_call *call);
int cpu_run_pool(const struct cpu_call *call);
int cpu_run_global_pool(const struct cpu_call *call);
int cpu_run_resize(const struct cpu_call *call);
int cpu_run_pad(const struct cpu_call *call);
int cpu_run_flat32(const struct cpu_call *call); /* between FLAT and FLAT32 */
int cpu_run_reference(const struct cpu_call *call);

static inline const struct plan_value *cpu_plan_value(const struct backend_session *s, int v)
{
    return &s->layout->value[v];
}

/* Where column 0 of block 0 of a row is (maybe left of the memory, when the region starts further right). */
static inline float *cpu_row(const struct backend_session *s, int v, int picture, int y)
{
    const struct plan_value *p = cpu_plan_value(s, v);
    const int row = picture * (p->y1 - p->y0) + y - p->y0;
    return (float *) (void *) (s->memory + p->offset + (size_t) (row % p->ring) * p->row_bytes) +
           ((ptrdiff_t) p->margin_left - p->x0) * p->lanes;
}

/* The same place in the row of zeros. */
static inline const float *cpu_zero_row(const struct backend_session *s, int v)
{
    const struct plan_value *p = cpu_plan_value(s, v);
    return s->zero + ((ptrdiff_t) p->margin_left - p->x0) * p->lanes;
}

static inline ptrdiff_t cpu_block(const struct backend_session *s, int v)
{
    const struct plan_value *p = cpu_plan_value(s, v);
    return (ptrdiff_t) p->pitch * p->lanes;
}

static inline uint8_t *cpu_flat(const struct backend_session *s, int v)
{
    return s->program->value[v].memory == MEMORY_ARENA ? s->memory + cpu_plan_value(s, v)->offset : s->bound[v];
}

/* Which pixels of a value its array holds: an external one may be a part. */
static inline struct rect cpu_view(const struct backend_session *s, int v)
{
    const enum cpu_memory memory = s->program->value[v].memory;
    const struct plan_value *p = cpu_plan_value(s, v);
    if (s->viewed && memory == MEMORY_INPUT) return s->view.in;
    if (s->viewed && memory == MEMORY_OUTPUT) return s->view.out;
    return rect_whole(p->width, p->height);
}

/* ---- layouts (layout.c) ---- */

/* Lays out the part `part` of output 0, or everything (NULL). */
int cpu_lay_out(const struct backend_program *p, struct arena *arena, struct arena *work, const struct rect *part,
    enum plan_pace pace,
    struct plan_layout *out, struct fm_error *error);
/* The program's own layout, in tiles where options or memory ask for them. */
int cpu_choose_tile(struct backend_program *p, const struct backend_options *o, struct fm_error *error);
int cpu_tiles_x(const struct backend_program *p);
int cpu_tiles_y(const struct backend_program *p);
struct rect cpu_tile(const struct backend_program *p, int column, int row); /* of output 0 */
/* The input that a part of the output reads, whether it is made alone or in a strip. values: room for all. */
struct rect cpu_need_of(const struct backend_program *p, struct rect part, struct plan_value *values);
bool cpu_can_strip(const struct backend_program *p);
bool cpu_can_region(const struct backend_program *p);
struct rect cpu_region_need(const struct backend_program *p, struct rect out);
size_t cpu_region_bytes(const struct backend_program *p, int out_w, int out_h);
bool cpu_can_choose(const struct backend_program *p);

/* ---- sessions (session.c) ---- */

int cpu_session_create(const struct backend_program *p, struct pool *pool, struct backend_session **out, struct fm_error *error);
int cpu_session_warm(struct backend_session *s, struct fm_error *error);
void cpu_session_destroy(struct backend_session **session);
int cpu_spread(struct backend_session *session, const struct bitmap *changed, struct bitmap *may_differ);
int cpu_submit(struct backend_session *session, const struct backend_call *call, uint64_t *ticket, struct fm_error *error);

/* ---- execution (execute.c) ---- */

int cpu_tasks_create(int n_tasks, struct cpu_tasks **out, struct fm_error *error);
void cpu_tasks_destroy(struct cpu_tasks **tasks);
int cpu_tasks_reserve(struct cpu_tasks *tasks, int n_tasks);
/* Runs tasks [first, end) of session->layout; those before are complete. FM_OK, FM_ERR_CANCELLED or a step's error. */
int cpu_execute(struct backend_session *session, int first, int end);

/* ---- the tail (tail.c) ---- */
int cpu_run_tail(struct backend_session *session, const struct backend_call *call, struct fm_error *error);
void cpu_clear_tail(struct backend_session *session);
/* A caller that runs again with the arrays lent by the last run means new ones: those are about to go. */
void cpu_take_back_tail(const struct backend_session *session, const struct backend_call *call);

#endif
