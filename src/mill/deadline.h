/* SPDX-License-Identifier: MIT */
/* Keeping up with a live source by a ladder of levels: level 0 is the best and dearest (a network), the last one is cheap enough for
 * any machine (plain scaling). Fed once per frame, it says when to take another level, and why.
 *
 *     down   the p95 of the last frames misses the budget, or their median does (early), or frames pile up in the queue.
 *            Straight to the best level that is predicted to fit.
 *     up     one level, when a full window shows that the better level would fit with a margin and the queue is short. A climb that
 *            fails makes the next one wait twice as long, and teaches what the level really costs, until the load falls. What was
 *            taught is doubted after four such waits: the load may have been to blame.
 *
 * At most one step per second. A step waits a moment for a scene cut, where the eye does not see it; longer upwards than downwards,
 * and not at all when frames take twice their budget. Time is what the caller says: no clock, no threads, no allocation. One
 * thread. */
#ifndef FM_MILL_DEADLINE_H
#define FM_MILL_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#define DEADLINE_LEVELS_MAX 16
#define DEADLINE_WINDOW 40 /* frames */
#define DEADLINE_REASON_MAX 160

struct deadline_params {
    int levels;         /* 1 .. 16 */
    int first_level;    /* to begin with */
    uint64_t budget_ns; /* of one frame */
    double cost
        [DEADLINE_LEVELS_MAX]; /* of a frame, in any unit (multiply-adds, measured ms), falling; 0 in [0]: each twice the next */
    const char *name[DEADLINE_LEVELS_MAX]; /* for the reasons; NULL: "level N". Outlives the ladder */
    int queue;                             /* frames that can wait; 0: the queue is not looked at */
};

struct deadline_frame {
    uint64_t now_ns;
    uint64_t cost_ns; /* what the frame took of the budget: with several workers at once, the time between their results */
    int level;        /* it was made at: those of a level left behind are not counted */
    int waiting;      /* frames in the queue now */
    bool is_cut;      /* a scene begins with the next frame */
};

struct deadline_step {
    int level; /* to take from the next frame on */
    int from;
    char reason[DEADLINE_REASON_MAX];
};

struct deadline {
    struct deadline_params params;
    int level;
    uint64_t time[DEADLINE_WINDOW]; /* of the last `frames` frames, all at this level */
    int frames, at;
    int piled;        /* frames in a row with the queue nearly full */
    bool has_stepped; /* step_ns is of a step, not of the first frame */
    bool has_begun;
    uint64_t step_ns;                  /* of the last step */
    int wish;                          /* -1: up, 1: down, 0: none ... */
    uint64_t wish_ns;                  /* ... since then */
    uint64_t climb_wait_ns;            /* from a step to the next climb */
    bool is_climbing;                  /* the last step went up, and has not proved itself */
    uint64_t climb_p95_ns;             /* below, before that climb */
    bool has_failed;                   /* a climb from this level did */
    uint64_t failed_p95_ns;            /* at this level afterwards; 0: not known yet */
    double ratio[DEADLINE_LEVELS_MAX]; /* cost of level n by that of n + 1 as a failed climb showed; 0: as the params say */
};

void deadline_open(struct deadline *deadline, const struct deadline_params *params);
/* True: *step is to be taken. */
bool deadline_feed(struct deadline *deadline, const struct deadline_frame *frame, struct deadline_step *step);
/* The source changed its rate. */
void deadline_set_budget(struct deadline *deadline, uint64_t budget_ns);

#endif
