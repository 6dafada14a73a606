/* SPDX-License-Identifier: MIT */
/* The chain: everything that is computed between a picture's samples and the result's, for one picture size.
 *
 *     plug-ins before -> network (several passes) -> resample to the size asked for -> plug-ins after
 *
 * Each stage can say which pixels of its input a rectangle of its output needs, and compute that rectangle alone; so the chain can be
 * run for any rectangle of the result, and the pixels do not depend on the rectangle. Immutable once made, reference counted, shared by
 * workers; each worker brings a struct chain_work.
 *
 * Alpha goes through the same passes and resampling as a grey picture (no plug-ins) and is snapped to its value where it is flat. */
#ifndef FM_TASKS_UPSCALE_CHAIN_H
#define FM_TASKS_UPSCALE_CHAIN_H

#include <stdatomic.h>
#include <stdbool.h>

#include "convert/resample.h"
#include "core/threads.h"
#include "frame/bitmap.h"
#include "frame/window.h"
#include "tasks/upscale/network.h"
#include "tasks/upscale/plugin.h"

enum stage_kind { STAGE_NETWORK, STAGE_RESAMPLE, STAGE_PLUGIN };

struct stage {
    enum stage_kind kind;
    int in_w, in_h, out_w, out_h;
    /* STAGE_NETWORK. [1]: for pictures turned by 90 degrees (self-ensemble). */
    const struct network *network;
    struct prepared *ready[2];
    bool studio;               /* the picture's samples are luma in studio levels */
    bool ensemble;
    bool exact;                /* bounded field: any rectangle by itself; else whole, or feathered tiles */
    int tile, overlap;         /* feathered: core and overlap of a tile in input pixels; tile 0: whole */
    struct resampler *colour;  /* luma networks on colour pictures: what R, G, B are enlarged by */
    float share[3];            /* of R, G, B in brightness */
    /* STAGE_RESAMPLE */
    struct resampler *resampler;
    /* STAGE_PLUGIN */
    const struct plugin *plugin;
    enum fm_plugin_when when;
};

#define CHAIN_STAGES_MAX 24

struct chain_params {
    int width, height;
    int colours;               /* 1 or 3 */
    bool alpha;
    const struct network *network; /* NULL: plain Lanczos */
    double scale;              /* of the result */
    int out_w, out_h;          /* its size where that is not just the scale's; 0: it is */
    bool studio;               /* one colour, luma in studio levels (16/255 .. 235/255) rather than 0 .. 1 */
    struct plugin *const *plugins;
    int n_plugins;
    bool ensemble;
    int feather_tile, overlap; /* for networks with an unbounded field; feather_tile 0: whole */
    int threads;               /* of a worker's pool */
    uint32_t cpu_flags;
    float share[3];            /* of R, G, B in the brightness that luma networks are given; all 0: BT.601's */
};

struct chain {
    atomic_int references;
    struct chain_params params;
    int out_w, out_h;
    struct stage stage[CHAIN_STAGES_MAX];
    int n_stages;
    bool whole_only;           /* some stage cannot compute a part by itself */
    char how[160];             /* "network x2 twice, resampled to x3" */
};

int chain_create(const struct chain_params *params, struct chain **out, struct fm_error *error);
struct chain *chain_ref(struct chain *chain);
void chain_unref(struct chain **chain); /* accepts NULL contents, sets NULL */
/* Could this chain serve a picture of these params? */
bool chain_fits(const struct chain *chain, const struct chain_params *params);

/* The result's size for a scale: at least one pixel. 0 when it would overflow. */
int chain_scaled(int size, double scale);

/* The pixels of the picture that a rectangle of the result needs, fringe of alpha handling included. */
struct rect chain_need(const struct chain *chain, struct rect out);
/* Bytes of windows and sessions that a worker needs for rectangles of this size. SIZE_MAX: more than can be counted. */
size_t chain_bytes(const struct chain *chain, int out_w, int out_h);

struct chain_work;
int chain_work_create(struct chain *chain, struct pool *pool, struct chain_work **out, struct fm_error *error);
void chain_work_destroy(struct chain_work **work); /* accepts NULL contents, sets NULL */
struct chain *chain_work_chain(const struct chain_work *work);
/* Time spent in networks since the last call. */
uint64_t chain_work_network_ns(struct chain_work *work);

/* Computes a rectangle of the result. `band` holds the rows of chain_need. colour_out and alpha_out (NULL when the picture has no alpha)
 * are set to windows of the work that hold `out`, valid until the next call. FM_ERR_NOMEM leaves the work usable for smaller rectangles. */
struct band;
int chain_run(struct chain_work *work, const struct band *band, struct rect out, atomic_bool *cancel, const struct window **colour_out,
              const struct window **alpha_out, struct fm_error *error);

/* The same for a picture without alpha that is in a window already; it holds at least what chain_need says. */
int chain_run_window(struct chain_work *work, const struct window *source, struct rect out, atomic_bool *cancel,
                     const struct window **colour_out, struct fm_error *error);

/* Single pixels (exact reuse of video): chains of one pass over luma or grey, whose network can choose them (session/session.h). Bitmaps
 * have the picture's and the result's size. */
bool chain_can_choose(const struct chain *chain);
int chain_spread(struct chain_work *work, const struct bitmap *changed, struct bitmap *may_differ, struct fm_error *error);
/* As chain_run_window for the whole result, of which only the chosen pixels are made. */
int chain_run_chosen(struct chain_work *work, const struct window *source, const struct bitmap *only, atomic_bool *cancel,
                     const struct window **colour_out, struct fm_error *error);

#endif
