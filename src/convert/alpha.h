/* SPDX-License-Identifier: MIT */
/* Transparency. What colour a fully transparent pixel has is noise, yet a network or a filter would smear it into its neighbours
 * (the dark or coloured fringes of cut-out pictures). All functions here are local: a pixel's value depends on a fixed
 * neighbourhood, never on the window. */
#ifndef FM_CONVERT_ALPHA_H
#define FM_CONVERT_ALPHA_H

#include "core/threads.h"
#include "frame/window.h"

#define ALPHA_FILL_REACH 8 /* pixels that alpha_fill looks around */
#define ALPHA_SNAP_REACH 4 /* input pixels that alpha_snap looks around */

/* For networks: gives every pixel of alpha 0 the mean colour of the pixels within ALPHA_FILL_REACH (a square), weighted by their
 * alpha (premultiplied); black where all of those are transparent too. Pixels that are not fully transparent keep their colour.
 * `from` and `alpha` hold `to->at` grown by the reach, as far as the picture of width x height goes; `to` is reserved by the
 * caller. FM_OK or FM_ERR_NOMEM. */
int alpha_fill(struct pool *pool, const struct window *from, const struct window *alpha, int width, int height, struct window *to);

/* For linear filters: colour * alpha, and back. Unpremultiplying gives 0 where alpha is 0 or less. In place, same rectangle. */
void alpha_premultiply(struct window *colour, const struct window *alpha);
void alpha_unpremultiply(struct window *colour, const struct window *alpha);

/* A network run over alpha ripples where alpha is flat. Where the alpha of the input picture (in_width x in_height) is one value
 * over the square of ALPHA_SNAP_REACH around the input pixel that an output pixel lies in, the output pixel is set to that value.
 * `out` belongs to a picture of out_width x out_height; `in` holds every input pixel this looks at (alpha_snap_need says which).
 * FM_OK or FM_ERR_NOMEM. */
struct rect alpha_snap_need(struct rect out, int in_width, int in_height, int out_width, int out_height);
int alpha_snap(struct window *out, const struct window *in, int in_width, int in_height, int out_width, int out_height);

#endif
