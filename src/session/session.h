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
    int threads; /* how many will run it */
    uint32_t cpu_flags;
    int tile;
    size_t memory;
    bool regions; /* it is prepared for runs of regions: nothing is laid out in advance, so it costs less (not with tile or memory) */
    const struct backend *const *backends; /* tried in order, NULL-terminated; NULL: the built-in order */
};

/* `graph` must outlive the result. */
int session_prepare(const struct graph *graph, const struct fm_tensor *inputs, const struct prepare_options *options, struct prepared **out,
                    struct fm_error *error);
void session_prepared_destroy(struct prepared **prepared);

/* One run's working memory. One thread at a time owns it; `prepared` and `pool` outlive it. The pool may have any number of threads;
 * results are the same. regions: nothing big is allocated until the first run, and what a run needed is kept; else all that a whole run
 * needs is there from the start. */
struct session_work;
int session_work_create(struct prepared *p, struct pool *pool, bool regions, struct session_work **out, struct fm_error *error);
void session_work_destroy(struct session_work **work); /* accepts NULL contents, sets NULL */
/* A whole run (call->region NULL) or one of a region whose arguments have been checked. */
int session_work_run(struct session_work *work, const struct backend_call *call, struct fm_error *error);
struct backend_session *session_work_backend(const struct session_work *work);

/* Whether any rectangle of the output can be made from a window of the input, bit for bit as a whole run makes it: one float32 picture
 * in, one out, no batch, and no layer that looks at everything (its window may depend on the place, as that of a resize by 3/4 does, which
 * field.bounded excludes). If not, p->field.reason says why, and the only region is the whole output. */
bool session_can_region(const struct prepared *p);

/* The input pixels that a rectangle of the output reads: halos, rounded outward to the grids of the algorithms, cut at the picture's
 * edges. An empty rectangle when memory is out or `out` is not a part of the output. Any thread; cheap enough for every region. */
struct rect session_region_need(const struct prepared *p, struct rect out);

/* Bytes a session_work holds once it has run regions of this size anywhere in the picture; SIZE_MAX when memory is out or they are too
 * large to count. Costs about as much as planning a few regions. Any thread. */
size_t session_region_bytes(const struct prepared *p, int out_w, int out_h);

/* Makes the rectangle `out` of the output. input: dense [channels][in.h][in.w], the input's rectangle `in`, which holds at least what
 * session_region_need says. output: dense [channels][out.h][out.w]. The bits are those of a whole run, for any rectangle and any
 * number of threads. A region right below the last one, of the same columns, goes on where that one ended: no halo is computed again, so
 * a picture in flat bands from top to bottom costs what it costs whole. A lone region pays for a halo of up to a Winograd tile (6 pixels)
 * for each layer. A region that needs no more than those before allocates nothing; the same region again is not planned again.
 * FM_ERR_ARGUMENT: `in` does not hold the need, or rectangles leave the picture. FM_ERR_UNSUPPORTED: a part of a network that
 * cannot make parts. FM_ERR_NOMEM: the work has given its memory
 * back and can be used for smaller regions. FM_ERR_CANCELLED: output holds nothing of use. */
int session_region_run(struct session_work *work, struct rect out, struct rect in, const float *input, float *output, atomic_bool *cancel,
                       struct fm_error *error);

/* Whether single pixels of the output can be chosen. */
bool session_can_choose(const struct prepared *p);

/* Which pixels of the output may come out with other bits when pixels of the input changed; the others will not. It is more than the
 * network's field says: a cell of an algorithm's grid is rounded together. Bitmaps of the pictures' sizes. Cost: less than a hundredth
 * of a run. FM_ERR_UNSUPPORTED, FM_ERR_ARGUMENT (sizes), FM_ERR_NOMEM. */
int session_spread(struct session_work *work, const struct bitmap *changed, struct bitmap *may_differ, struct fm_error *error);

/* Makes the chosen pixels of the output, with the bits of a whole run; the others are undefined. Work is what the chosen pixels need, once:
 * no halo is computed twice, however they lie. Arrays are of the whole pictures. Errors as session_spread and session_region_run. */
int session_choice_run(struct session_work *work, const struct bitmap *only, const float *input, float *output, atomic_bool *cancel,
                       struct fm_error *error);

/* Fills an input list with sizes where the graph leaves them open: 64 x 64 pictures, 1 elsewhere. inputs: room for n_inputs. */
void session_default_inputs(const struct graph *graph, struct fm_tensor *inputs);

/* Checks tensors a caller passed against a graph's inputs; the message names the input. */
int session_check_inputs(const struct graph *graph, const struct fm_tensor *inputs, bool need_data, struct fm_error *error);

#endif
