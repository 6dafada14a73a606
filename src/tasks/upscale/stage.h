/* SPDX-License-Identifier: MIT */
/* What the kinds of stages have in common, for chain.c. */
#ifndef FM_TASKS_UPSCALE_STAGE_H
#define FM_TASKS_UPSCALE_STAGE_H

#include "tasks/upscale/chain.h"

/* What a stage needs while it runs; one per stage and worker. */
struct stage_work {
    struct session_work *session[2];
    struct window frame, result; /* what the network is fed and gives, as it sees them */
    struct window luma, bright;  /* luma networks on colour pictures: brightness of the input, and of the output */
    struct window tile;          /* a feathered tile's output */
    struct window scratch;       /* the resamplers' */
    uint64_t network_ns;         /* spent in the network itself */
    const struct bitmap *only;   /* of the whole output (chain_run_chosen); NULL: all that is asked for */
};

/* Input pixels that `out` needs, when the input has this many colour channels. */
struct rect stage_need(const struct stage *s, int channels, struct rect out);
/* Bytes of work beside input and output windows; SIZE_MAX: too many to count. */
size_t stage_bytes(const struct stage *s, int channels, struct rect in, struct rect out);
/* out->at is to be computed and reserved, with as many channels as `in`, which holds what is needed. */
int stage_run(const struct stage *s, struct stage_work *w, struct pool *pool, uint32_t cpu_flags, const struct window *in,
              struct window *out, atomic_bool *cancel, struct fm_error *error);

/* stage_network.c */
int stage_network_prepare(struct stage *s, const struct chain_params *params, struct fm_error *error);
struct rect stage_network_need(const struct stage *s, int channels, struct rect out);
size_t stage_network_bytes(const struct stage *s, int channels, struct rect in, struct rect out);
int stage_network_run(const struct stage *s, struct stage_work *w, struct pool *pool, uint32_t cpu_flags, const struct window *in,
                      struct window *out, atomic_bool *cancel, struct fm_error *error);

/* feather.c: an unbounded network over overlapping tiles, blended. The grid on one axis of `size` input pixels: tile i is responsible for
 * [i * tile, (i + 1) * tile) and fades into its neighbours over `overlap` pixels on either side of the border. All pieces have one size. */
struct feather_axis {
    int size, tile, overlap, piece, count;
};
struct feather_axis feather_axis(int size, int tile, int overlap);
int feather_origin(const struct feather_axis *a, int index);            /* the piece's first input pixel */
/* Adds a piece's output (at: where its output lies) to `out`, weighted so that all pieces together weigh one everywhere. */
void feather_add(const struct feather_axis *ax, const struct feather_axis *ay, int column, int row, int scale, const struct window *piece,
                 struct window *out);

#endif
