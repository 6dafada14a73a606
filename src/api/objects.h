/* SPDX-License-Identifier: MIT */
/* The objects behind the public handles. */
#ifndef FM_API_OBJECTS_H
#define FM_API_OBJECTS_H

#include <stdatomic.h>

#include "core/cpu.h"
#include "core/threads.h"
#include "framemill/framemill.h"
#include "session/session.h"

struct fm_engine {
    atomic_int references;
    struct pool *pool;
    uint32_t cpu_flags;
    char cpu[96];
};

struct operator_count { const char *name; int count; };

struct fm_model {
    atomic_int references;
    struct graph *graph;
    struct operator_count *operators; /* in the graph's arena */
    int n_operators;
};

struct fm_plan {
    atomic_int references;
    fm_engine *engine;
    fm_model *model;
    struct prepared *ready;
    struct fm_tensor *inputs; /* planned sizes */
};

struct fm_session {
    fm_plan *plan;
    struct session_work *work;
    atomic_bool cancel;
    fm_progress_fn progress;
    void *user;
};

#endif
