/* SPDX-License-Identifier: MIT */
/* Between planes of video frames (integers) and windows (floats), straight: luma alone for networks of luma, or R, G, B. Exact
 * both ways: what goes through an identity network comes back unchanged, 8 .. 16 bits, studio or full range, foot- and headroom
 * included. */
#ifndef FM_CONVERT_PLANES_H
#define FM_CONVERT_PLANES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/threads.h"
#include "frame/bitmap.h"
#include "frame/video.h"
#include "frame/window.h"
#include "framemill/error.h"

/* The pictures a network works on. */
struct planes_form {
    int channels; /* 1: luma; 3: R, G, B, black 0 and white 1 */
    /* Luma: black 0 and white 1, rather than 16/255 and 235/255 (8-bit studio luma over 255, what networks of luma are mostly
     * trained on). Frames are brought to these levels whatever their own range is. */
    bool full;
};

/* How the frames of one format and size are converted. Immutable once made; any thread may use it. */
struct planes;

/* Memory of the calls, kept and grown between them; zeroed before the first. One thread at a time. */
struct planes_scratch {
    struct window chroma, wide, between;
};
void planes_scratch_release(struct planes_scratch *scratch);

/* FM_OK, FM_ERR_NOMEM, FM_ERR_ARGUMENT; FM_ERR_UNSUPPORTED (with what can be done instead) for luma of RGB frames and for R, G, B
 * out of colour systems that are no matrix of R', G', B' (constant luminance, ICtCp). */
int planes_create(const struct video_format *format, int width, int height, struct planes_form form, struct planes **out,
                  struct fm_error *error);
void planes_destroy(struct planes **p); /* accepts NULL contents, sets NULL */

/* The matrix (code point of H.273) by which frames that do not say are shown: what players take, by size; else what the format
 * says. */
int planes_matrix(const struct video_format *format, int width, int height);

/* Fills to->at (reserved by the caller, as many channels as the form). Columns and rows outside the picture repeat its edge.
 * FM_OK or FM_ERR_NOMEM. */
int planes_unpack(const struct planes *p, struct pool *pool, uint32_t cpu_flags, const struct video_frame *from, struct window *to,
                  struct planes_scratch *scratch);

/* Which pixels a window must hold so that `at` can be written: more than `at` where chroma is made smaller. */
struct rect planes_need(const struct planes *p, struct rect at);

/* Writes `at` of the frame: rounded to nearest, cut to what the bits hold (not to studio range). Form luma: the first plane only;
 * R, G, B: all but alpha, and where chroma is smaller, edges of `at` must be even or the picture's. Adds to *not_numbers how many
 * samples were none (written as 0): more than none means a broken network. FM_OK or FM_ERR_NOMEM. */
int planes_pack(const struct planes *p, struct pool *pool, uint32_t cpu_flags, const struct window *from, struct rect at,
                struct video_frame *to, struct planes_scratch *scratch, uint64_t *not_numbers);

/* The same for chosen pixels of form luma; `from` is the whole picture. */
void planes_pack_chosen(const struct planes *p, struct pool *pool, uint32_t cpu_flags, const struct window *from,
                        const struct bitmap *chosen, struct video_frame *to, uint64_t *not_numbers);

#endif
