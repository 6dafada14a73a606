/* SPDX-License-Identifier: MIT */
/* Finds scene cuts from small luma pictures: where both the pixels and the histogram change at once by much more than the pixels have
 * lately. Pixels alone change with every pan; histograms alone with every fade. Of a flash only the beginning is taken for a cut: what
 * looks again like the picture before is the same scene. A few thousand operations a frame. One thread. */
#ifndef FM_MILL_SCENE_H
#define FM_MILL_SCENE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCENE_WIDTH 32
#define SCENE_HEIGHT 18
#define SCENE_PIXELS (SCENE_WIDTH * SCENE_HEIGHT)
#define SCENE_BINS 32

struct scene_picture {
    uint8_t luma[SCENE_PIXELS];
    uint16_t bin[SCENE_BINS];
};

struct scene {
    struct scene_picture last, before; /* the frame before, and the last one of the scene before a cut */
    int frames;                        /* since the cut, or the beginning */
    int since_cut;                     /* frames since a cut that may have been a flash; large: none */
    double usual;                      /* difference of pixels lately */
};

void scene_open(struct scene *scene);
/* True: this frame begins a new scene. The first frame does not. */
bool scene_feed(struct scene *scene, const uint8_t luma[SCENE_PIXELS]);
/* Makes the small picture from a plane of 8 bit (or 16 bit words in native order, of which `shift` low bits are dropped), by the mean
 * of some samples of each cell. Any size from 1x1. */
void scene_shrink8(const uint8_t *plane, ptrdiff_t stride_bytes, int width, int height, uint8_t luma[SCENE_PIXELS]);
void scene_shrink16(const uint16_t *plane, ptrdiff_t stride_bytes, int width, int height, int shift, uint8_t luma[SCENE_PIXELS]);

#endif
