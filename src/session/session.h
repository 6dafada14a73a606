/* SPDX-License-Identifier: MIT */
/* Session room: brings a model, sizes and a backend together. A ready network (struct prepared) is immutable and shared by runs. */
#ifndef FM_SESSION_SESSION_H
#define FM_SESSION_SESSION_H

#include "backend/backend.h"
#include "graph/field.h"

/* A graph fixed to sizes, fused, and compiled by the first backend that takes it. */
struct prepared {
    struct graph *specialised; /* sizes fixed and fused */
    struct graph_field field;
    const struct backend *backend;
    struct backend_program *program;
};

struct prepare_options {
    struct pool *pool;
    uint32_t cpu_flags;
    int tile;
    size_t memory;
    const struct backend *const *backends; /* tried in order, NULL-terminated; NULL: the built-in order */
};

/* `graph` must outlive the result. */
int session_prepare(const struct graph *graph, const struct fm_tensor *inputs, const struct prepare_options *options, struct prepared **out,
                    struct fm_error *error);
void session_prepared_destroy(struct prepared **prepared);

/* Fills an input list with sizes where the graph leaves them open: 64 x 64 pictures, 1 elsewhere. inputs: room for n_inputs. */
void session_default_inputs(const struct graph *graph, struct fm_tensor *inputs);

/* Checks tensors a caller passed against a graph's inputs; the message names the input. */
int session_check_inputs(const struct graph *graph, const struct fm_tensor *inputs, bool need_data, struct fm_error *error);

#endif
