/* SPDX-License-Identifier: MIT */
/* Spreading: from pixels of the input that are other than they were to pixels of the output that may be (forward), and from pixels of the
 * output that are wanted to what each step must make for them (back). Exact in the sense of the algorithms: all pixels of a cell of a
 * step's grid depend on all that the cell reads. So what forward does not mark would come out bit for bit as it did, and what back
 * marks is all that is read.
 *
 * Each value has a mark: rows of bits, one for each row of cells of the step that makes it. */
#ifndef FM_PLAN_SPREAD_H
#define FM_PLAN_SPREAD_H

#include "core/span.h"
#include "frame/bitmap.h"
#include "plan/plan.h"

struct plan_mark {
    uint64_t *bits; /* [cells][words]; NULL: the value does not depend on the input */
    int width, height, words;
    int cell_h, lead_y, cells; /* row y is in cell (y + lead_y) / cell_h */
    int cell_w, lead_x;
};

struct plan_spread {
    int n_values, n_steps;
    const struct plan_step *step; /* the caller's */
    struct plan_mark *mark;       /* per value */
    void *memory;
    uint64_t *line, *other; /* a row of any value */
};

/* For networks that take and give one picture (no batches) and none of whose steps that depend on value `input` is whole or looks at a whole
 * axis. Steps outlive it. FM_OK or FM_ERR_NOMEM. */
int plan_spread_make(struct plan_spread *s, const struct plan_value *values, int n_values, const struct plan_step *steps, int n_steps,
                     int input);
void plan_spread_release(struct plan_spread *s); /* also a cleared one */

/* Bitmaps have the sizes of the values `input` and `output`. */
void plan_spread_forward(struct plan_spread *s, int input, const struct bitmap *changed, int output, struct bitmap *may_differ);
/* Then plan_spread_runs says what is to be made. */
void plan_spread_back(struct plan_spread *s, int output, const struct bitmap *wanted);

/* Of the columns that rows [y0, y1) of a value must hold, the runs in [x0, x1), not less than 0; those that are at most `gap` apart are
 * one. Returns how many there are; with `max`, more may follow the last. */
int plan_spread_runs(const struct plan_mark *mark, int y0, int y1, int x0, int x1, int gap, struct span *run, int max);

#endif
