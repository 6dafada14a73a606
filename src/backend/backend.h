/* SPDX-License-Identifier: MIT */
/* The contract of a backend: a table of functions. compile makes a program from a specialised, rewritten graph; a backend that cannot
 * do a graph answers FM_ERR_UNSUPPORTED and the session goes on to the next. Programs are immutable and shareable; a backend session
 * is the working memory of one run at a time. submit starts a run, wait ends it; a device may have several under way, the CPU
 * completes inside submit. */
#ifndef FM_BACKEND_BACKEND_H
#define FM_BACKEND_BACKEND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/threads.h"
#include "frame/bitmap.h"
#include "frame/rect.h"
#include "framemill/error.h"
#include "framemill/tensor.h"
#include "graph/graph.h"

struct backend_program;
struct backend_session;

struct backend_options {
    int threads;          /* how many will run it: pieces are cut for so many; any number may */
    uint32_t cpu_flags;
    bool tiles_are_exact; /* the network's field is bounded (graph_field) */
    const char *unbounded_reason;
    int tile;             /* input pixels; 0: whole, or what fits `memory` */
    size_t memory;        /* bytes a session may hold; 0: no limit */
    bool regions;         /* runs will be of regions: nothing is laid out in advance (not with tile or memory) */
};

struct backend_info {
    size_t weights_bytes, session_bytes;
    int tile, tiles, steps;
    double macs;
};

struct backend_step {
    const char *name, *what, *how; /* belong to the program */
    double macs;
};

/* A run of a part: output 0 is dense [channels][out.h][out.w], input 0 dense [channels][in.h][in.w]. */
struct backend_region {
    struct rect out, in; /* pixels of the whole output and of the whole input */
};

struct backend_call {
    const struct fm_tensor *inputs;
    struct fm_tensor *outputs;          /* data NULL: the session's own memory is lent until its next run */
    atomic_bool *cancel;
    void (*progress)(void *user, double share); /* may be NULL */
    void *user;
    const struct backend_region *region; /* NULL: everything. Else both arrays are the caller's */
    const struct bitmap *only; /* pixels of output 0 that are wanted, NULL: all; what the others hold is undefined. Not with region */
};

struct backend {
    const char *name;
    /* The graph outlives the program. */
    int (*compile)(const struct graph *graph, const struct backend_options *options, struct backend_program **out, struct fm_error *error);
    void (*program_destroy)(struct backend_program **program);
    void (*program_info)(const struct backend_program *program, struct backend_info *info);
    int (*program_step)(const struct backend_program *program, int index, struct backend_step *step); /* FM_ERR_EOS past the end */

    /* Whether parts of the output can be made alone, bit for bit; the input pixels one needs (an empty rectangle when memory is out);
     * the bytes of a session that makes parts of a size, wherever they lie (SIZE_MAX when it cannot be told). Without can_region
     * the only part is everything. Any thread. */
    bool (*can_region)(const struct backend_program *program);
    struct rect (*region_need)(const struct backend_program *program, struct rect out);
    size_t (*region_bytes)(const struct backend_program *program, int out_w, int out_h);
    /* Whether single pixels can be chosen (`spread`, call->only). Any thread. */
    bool (*can_choose)(const struct backend_program *program);

    /* The session runs on `pool`, which outlives it. It holds little at first: memory comes with the first run that needs it and is
     * kept, or at once by session_warm, for whole runs. A run that finds no memory gives back what it had; smaller ones may follow. */
    int (*session_create)(const struct backend_program *program, struct pool *pool, struct backend_session **out, struct fm_error *error);
    int (*session_warm)(struct backend_session *session, struct fm_error *error);
    void (*session_destroy)(struct backend_session **session);
    int (*submit)(struct backend_session *session, const struct backend_call *call, uint64_t *ticket, struct fm_error *error);
    int (*wait)(struct backend_session *session, uint64_t ticket, struct fm_error *error);
    /* Which pixels of the output may differ by a bit when these pixels of the input do. FM_OK or FM_ERR_NOMEM. */
    int (*spread)(struct backend_session *session, const struct bitmap *changed, struct bitmap *may_differ);
    void (*set_profile)(struct backend_session *session, bool on);
    double (*step_seconds)(const struct backend_session *session, int step);
};

extern const struct backend backend_cpu, backend_null;

#endif
