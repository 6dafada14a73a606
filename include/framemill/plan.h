/* SPDX-License-Identifier: MIT */
/* Plan: a network made ready for one input size on one engine - sizes fixed, layers fused, algorithms chosen, weights packed, every
 * buffer placed. Making one costs milliseconds; running it allocates nothing. */
#ifndef FRAMEMILL_PLAN_H
#define FRAMEMILL_PLAN_H

#include "engine.h"
#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable and reference counted; any thread may use it, any number of sessions may share it. Holds the model and the engine. */
typedef struct fm_plan fm_plan;

struct fm_plan_params {
    size_t size;            /* sizeof(struct fm_plan_params) */
    int tile;               /* output is computed in tiles made from tile x tile pixels of input; 0: whole, or as `memory` allows */
    size_t memory;          /* bytes the session may hold beside input and output arrays; 0: no limit */
};

struct fm_plan_info {
    size_t size;
    const char *backend;    /* "cpu" */
    size_t weights_bytes;   /* packed weights, shared by sessions */
    size_t session_bytes;   /* what each session holds */
    int tile;               /* the tile in effect, 0: whole */
    int tiles;              /* how many runs make one output */
    int steps;
    double macs;            /* multiply-adds of one run as the network defines them */
};

/* One step, for people to read. Strings belong to the plan. */
struct fm_plan_step {
    size_t size;
    const char *name;       /* the node it came from */
    const char *what;       /* "Conv 3x3 64->64 + SiLU" */
    const char *how;        /* "winograd6_avx512" */
    double macs;            /* as the network defines them, all tiles */
};

/* A rectangle of a picture: columns [x, x + width), rows [y, y + height). */
struct fm_region {
    int x, y, width, height;
};

/* inputs: as many tensors as the model has inputs; dtype and dims say the sizes, data is ignored. params may be NULL.
 * FM_ERR_SHAPE when the sizes do not fit the network; FM_ERR_NOMEM when the budget is too small for any tile (the message says how
 * much is needed); FM_ERR_UNSUPPORTED when tiles are asked for and a layer looks at everything. */
FM_API int fm_plan_create(fm_engine *engine, fm_model *model, const struct fm_tensor *inputs, const struct fm_plan_params *params,
                          fm_plan **out, struct fm_error *error);
FM_API fm_plan *fm_plan_ref(fm_plan *plan);
FM_API void fm_plan_unref(fm_plan **plan); /* accepts NULL contents, sets NULL */
FM_API int fm_plan_get_info(const fm_plan *plan, struct fm_plan_info *info);
FM_API int fm_plan_get_step(const fm_plan *plan, int index, struct fm_plan_step *step); /* FM_ERR_EOS past the end */
/* Type and dimensions of an output (data NULL). A dimension of -1 depends on the data. FM_ERR_ARGUMENT: no such output. */
FM_API int fm_plan_output(const fm_plan *plan, int index, struct fm_tensor *out);
/* Which rectangle of the input fm_session_run_region needs for a rectangle of the output: what the layers reach, rounded outward as the
 * algorithms want it, cut at the picture's edges. Any plan, tiles or none. FM_ERR_ARGUMENT: `out` is empty or leaves the output;
 * FM_ERR_UNSUPPORTED: a layer looks at everything, or the network is not one float32 picture in and one out, and `out` is not
 * everything; FM_ERR_NOMEM. */
FM_API int fm_plan_region_input(const fm_plan *plan, const struct fm_region *out, struct fm_region *in);

#ifdef __cplusplus
}
#endif
#endif
