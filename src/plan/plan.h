/* SPDX-License-Identifier: MIT */
/* The plan: what every backend shares. It knows steps and values only by their geometry - which rows and columns of its inputs a
 * step reads to make rows and columns of its output - and decides from that alone
 *
 *   regions   what part of each value a wanted part of the output needs: exact halos, rounded outward to each algorithm's grid, so
 *             a tile computes bit for bit what the whole picture would
 *   order     a list of tasks (a few rows of one step each), deepest step first: rows are used soon after they are made, so a chain
 *             of layers runs in a band that stays in the cache
 *   rings     how many rows of each value are alive at once; a value never holds more
 *   places    the offset of every ring in one arena, lifetimes packed
 *   waits     for every task the task that must be complete before it may start (data made, memory free)
 *
 * Rows are counted through all pictures of a batch: row n * height + y. A plan lives in the caller's arena. Immutable once built. */
#ifndef FM_PLAN_PLAN_H
#define FM_PLAN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "framemill/error.h"

/* Input coordinates that output coordinates [o0, o1) need on one axis: [o0 * num / den + lo, (o1 - 1) * num / den + hi] */
struct plan_map {
    bool whole; /* all of it, whatever is asked */
    int num, den, lo, hi;
    bool edge; /* coordinates outside are those of the nearest edge; else they are not read */
};
#define PLAN_SAME ((struct plan_map) { false, 1, 1, 0, 0, false })
#define PLAN_WHOLE ((struct plan_map) { true, 1, 1, 0, 0, false })

/* A value. The first part is the caller's, the second is filled in by plan_build. */
struct plan_value {
    bool flat;                      /* one dense array of flat_bytes; else rows */
    bool external;                  /* the caller brings the memory (inputs, outputs, constants) */
    bool pinned;                    /* stays alive to the end */
    int pictures, height, width;    /* flat values that no step takes by rows: 1, 1, 1 */
    int blocks, lanes;              /* a row: [blocks][pitch][lanes] floats */
    int margin_left, margin_right;  /* columns of zeros that readers want beside the picture */
    size_t flat_bytes;

    int x0, x1, y0, y1;             /* the region computed; empty when nothing needs the value */
    int ring;                       /* rows held at a time */
    int pitch;                      /* columns from one block to the next, margins included */
    size_t row_bytes, bytes, offset;
    int first_task, last_task;      /* its life */
};

struct plan_input {
    int value;
    struct plan_map x, y;
};

struct plan_step {
    int n_in;
    struct plan_input *in;
    int n_out;
    int *out;           /* more than one only for whole steps */
    bool whole;         /* one task that makes everything (its inputs are taken whole too) */
    int pieces;         /* whole steps: how many calls share the task, at most PLAN_CHUNKS_MAX (0: one); they come as chunks_y */
    int grid_y, grid_x; /* tasks are as large as these; in a whole output and on the grid they start at multiples */
    int lead_y, lead_x; /* the grid's first row or column of cells begins so much before the picture, less than a cell; not with any_row */
    bool any_row;       /* the result does not depend on where tasks start: regions need not start at multiples of grid_y */
    int chunk_x;        /* a good number of columns for one call */
};

struct plan_task {
    int step, picture;
    int y0, y1;             /* output rows, in the picture */
    int wait;               /* all tasks up to this index must be complete; -1: none */
    /* pieces of the task: chunks_y x chunks_x, at most PLAN_CHUNKS_MAX; the first of a picture are shorter by the step's lead */
    int chunk_rows, chunk_x;
    int chunks_y, chunks_x;
};

#define PLAN_CHUNKS_MAX 64

struct plan_layout {
    int n_values, n_steps, n_tasks;
    const struct plan_value *value;
    const struct plan_step *step;
    const struct plan_task *task;
    size_t arena_bytes;   /* all rings and flat values */
    size_t zero_bytes;    /* the longest row: the backend keeps a row of zeros this long */
};

/* The part of each output that is wanted. */
struct plan_want {
    int value;
    int x0, x1, y0, y1;
};

/* How a plan is to be run. */
enum plan_pace {
    PLAN_AT_ONCE, /* from the first task to the last */
    /* A few rows of output at a time, as the rows of the input come: regions start on the grid (plan_find_regions with on_grid), and no task
     * is done before what lies deeper waits for it. Then all tasks up to the first that completes output row y - 1 read no more of the
     * input than a plan made for rows up to y, on the grid, would. */
    PLAN_STREAM,
};

/* Steps are in topological order. threads: how many will run it (finer pieces for more). Values and steps are copied; the result is
 * in `arena`, `work` holds what is needed only while building (reset it afterwards). FM_ERR_NOMEM, or FM_ERR_SHAPE when sizes overflow. */
int plan_build(struct arena *arena, struct arena *work, const struct plan_value *values, int n_values,
               const struct plan_step *steps, int n_steps, const struct plan_want *wants, int n_wants, int threads,
               enum plan_pace pace, struct plan_layout *out, struct fm_error *error);

/* The first step of plan_build alone: fills in the region of every value (x0 .. y1), in place. on_grid: rows start at multiples of the
 * grid of the step that makes them, whether that matters or not. */
void plan_find_regions(struct plan_value *values, int n_values, const struct plan_step *steps, int n_steps, const struct plan_want *wants,
                       int n_wants, bool on_grid);

/* The rows of an external value that tasks [first, end) read, in the picture; empty (y1 <= y0) when they read none. */
void plan_rows_read(const struct plan_layout *layout, int value, int first, int end, int *y0, int *y1);

/* Columns [x0, x1) or rows of an input that [o0, o1) of the output need, clipped to [0, limit). */
void plan_map_range(const struct plan_map *map, int o0, int o1, int limit, int *i0, int *i1);

#endif
