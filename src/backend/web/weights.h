/* SPDX-License-Identifier: MIT */
/* The weights of a plan: halves, in vectors of four, in the order in which the shaders read them. A group's are one slice:
 *
 *     for each of its layers    bias    [vectors out][4]
 *                               slope   [vectors out][4]                                    where it has any
 *                               weights [vectors in][ky] of [kx][vectors out][lanes in][4: lanes out]
 *                               or      [vectors in][ky] of [kx][4: lanes in]               for one channel out
 *     with the exit, the layer beside   bias [vectors out][4], weights [ky * kx] of [vectors out][4]
 *
 * Each of these blocks (the part behind "of") has an even number of vectors, the last one may be unused: two halves of a vector of four
 * make one element of a uniform buffer. */
#ifndef FM_BACKEND_WEB_WEIGHTS_H
#define FM_BACKEND_WEB_WEIGHTS_H

#include "backend/web/groups.h"

#define WEB_ALIGN 128         /* numbers: 256 bytes of halves, WebGPU's alignment of a binding */
#define WEB_UNIFORM_MAX 16384 /* numbers: as floats, 64 KiB, the most of a uniform buffer that all devices have */

static inline int web_even(int vectors)
{
    return (vectors + 1) / 2 * 2;
}

/* Vectors of a layer's part, and of the one beside. */
int web_layer_vectors(const struct web_layer *layer);
int web_beside_vectors(const struct web_layer *layer);

/* Fills in plan->weights; slice[i]: where group i's begin, slice[n]: the end. FM_OK or FM_ERR_NOMEM; FM_ERR_UNSUPPORTED when a weight is
 * too large for a half. */
int web_weights_place(struct web_plan *plan, const struct web_layers *layers, const struct web_groups *groups, int64_t *slice,
    int64_t *count, struct fm_error *error);

#endif
