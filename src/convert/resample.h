/* SPDX-License-Identifier: MIT */
/* Resampling of any picture size to any other, by regions: an output pixel's value depends only on the picture, never on the
 * region it was computed in. Separable, widened when shrinking (antialiased); edges repeat; weights of a pixel sum to exactly one
 * as far as floats can. The pixel grid is the usual one, outer edges of both pictures meet, unless another is given. */
#ifndef FM_CONVERT_RESAMPLE_H
#define FM_CONVERT_RESAMPLE_H

#include <stdint.h>

#include "core/threads.h"
#include "frame/window.h"
#include "framemill/error.h"

/* Immutable once made; any thread may use it. */
struct resampler;

enum resample_kind {
    RESAMPLE_LANCZOS,  /* three lobes */
    RESAMPLE_BILINEAR, /* the two nearest samples by their distance, as textures are read */
};

/* How the samples of one axis lie before and after. Output sample j is taken at (j + 1/2 + out_shift / 4) * from / to
 * - 1/2 - in_shift / 4 input samples. */
struct resample_grid {
    int in, out;  /* samples, at least 1 */
    int from, to; /* `from` input samples are as long as `to` output samples; both 0: `in` and `out`, the edges meet */
    /* Where samples lie in their cells: quarters of a cell to the right of (below) its middle, -2 .. 2. Chroma of 4:2:0 on the left
     * (top) of its two luma samples has -1. */
    int in_shift, out_shift;
};

/* Lanczos on the usual grid. Sizes at least 1. FM_OK, FM_ERR_NOMEM, FM_ERR_ARGUMENT. */
int resampler_create(int in_width, int in_height, int out_width, int out_height, struct resampler **out, struct fm_error *error);
/* Any kind on any grid. */
int resampler_create_as(enum resample_kind kind, const struct resample_grid *x, const struct resample_grid *y,
                        struct resampler **out, struct fm_error *error);
void resampler_destroy(struct resampler **r); /* accepts NULL contents, sets NULL */

/* Which input pixels the output pixels of `out` need. */
struct rect resampler_need(const struct resampler *r, struct rect out);

/* Computes out->at (reserved by the caller, as many channels as `in`); `in` holds at least what is needed. `scratch` is a window
 * that the call may use and grow. FM_OK or FM_ERR_NOMEM. */
int resampler_run(const struct resampler *r, struct pool *pool, uint32_t cpu_flags, const struct window *in, struct window *out,
                  struct window *scratch);

#endif
