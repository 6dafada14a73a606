/* SPDX-License-Identifier: MIT */
/* The colour systems of video: between Y', Cb, Cr and R', G', B', by their code points in H.273. */
#ifndef FM_CONVERT_COLOURS_H
#define FM_CONVERT_COLOURS_H

#include "framemill/error.h"
#include "kernels/planes.h"

/* Y' in 0 .. 1 and differences in -1/2 .. 1/2 to R, G, B in 0 .. 1, and back. FM_OK, or FM_ERR_UNSUPPORTED where a system is not
 * one fixed matrix; `matrix` must not be "unspecified". */
int colours_matrices(int matrix, struct planes_matrix *to_rgb, struct planes_matrix *from_rgb, struct fm_error *error);

/* What players take for video that does not say: high definition is BT.709, what is smaller BT.601. */
int colours_guess(int width, int height);

#endif
