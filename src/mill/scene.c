/* SPDX-License-Identifier: MIT */
#include "mill/scene.h"

#include <stdlib.h>

/* Found by trying on footage with pans, fades and flashes; differences of pixels in grey levels of 255, of histograms in shares. */
#define SCENE_LEAST 14.0     /* below this even a calm scene has no cut */
#define SCENE_TIMES 3.0      /* more than so many times the usual difference ... */
#define SCENE_MORE 4.0       /* ... and this */
#define SCENE_BINS_LEAST 0.2 /* share of the pixels that changed their bin */
#define SCENE_STARK 45.0     /* pixels so unlike that ... */
#define SCENE_BINS_STARK 0.1 /* ... the histogram need not change much */
#define SCENE_FLASH_FRAMES 8 /* as long as a flash may last */
#define SCENE_SAME 10.0      /* nearer than this is the same picture again */
#define SCENE_KEEPS 0.9      /* of the usual difference, per frame */
#define SCENE_SAMPLES 4      /* of a cell, in each direction */

void scene_open(struct scene *s)
{
    s->frames = 0;
    s->since_cut = SCENE_FLASH_FRAMES;
    s->usual = 0;
}

static double scene_pixels_between(const struct scene_picture *a, const struct scene_picture *b)
{
    unsigned sum = 0;
    for (int i = 0; i < SCENE_PIXELS; i++) sum += (unsigned) abs(a->luma[i] - b->luma[i]);
    return (double) sum / SCENE_PIXELS;
}

static double scene_bins_between(const struct scene_picture *a, const struct scene_picture *b)
{
    unsigned sum = 0;
    for (int i = 0; i < SCENE_BINS; i++) sum += (unsigned) abs(a->bin[i] - b->bin[i]);
    return (double) sum / (2.0 * SCENE_PIXELS);
}

static bool scene_is_cut(const struct scene *s, double pixels, double bins)
{
    if (pixels < SCENE_LEAST || pixels < s->usual * SCENE_TIMES + SCENE_MORE) return false;
    return bins >= SCENE_BINS_LEAST || (pixels >= SCENE_STARK && bins >= SCENE_BINS_STARK);
}

bool scene_feed(struct scene *s, const uint8_t luma[SCENE_PIXELS])
{
    struct scene_picture now = {.bin = {0}};
    bool cut = false;
    for (int i = 0; i < SCENE_PIXELS; i++) {
        now.luma[i] = luma[i];
        now.bin[luma[i] * SCENE_BINS / 256]++;
    }
    if (s->frames > 0) {
        const double pixels = scene_pixels_between(&now, &s->last);
        const bool differs = scene_is_cut(s, pixels, scene_bins_between(&now, &s->last));
        if (s->since_cut < SCENE_FLASH_FRAMES) s->since_cut++;
        if (differs && s->since_cut < SCENE_FLASH_FRAMES && scene_pixels_between(&now, &s->before) < SCENE_SAME) {
            s->since_cut = SCENE_FLASH_FRAMES; /* back in the scene before the flash */
        } else if (differs) {
            cut = true;
            s->before = s->last;
            s->since_cut = 0;
            s->frames = 0;
        } else {
            s->usual = s->frames > 1 ? s->usual * SCENE_KEEPS + pixels * (1 - SCENE_KEEPS) : pixels;
        }
    }
    s->last = now;
    s->frames++;
    return cut;
}

/* ---- shrinking ---- */

/* Middle of part n of `parts` of an edge; always inside. */
static int scene_place(int n, int parts, int edge)
{
    return (int) ((2 * (int64_t) n + 1) * edge / (2 * (int64_t) parts));
}

void scene_shrink8(const uint8_t *plane, ptrdiff_t stride_bytes, int width, int height, uint8_t luma[SCENE_PIXELS])
{
    unsigned sum[SCENE_PIXELS] = {0};
    for (int y = 0; y < SCENE_HEIGHT * SCENE_SAMPLES; y++) {
        const uint8_t *const row = plane + scene_place(y, SCENE_HEIGHT * SCENE_SAMPLES, height) * stride_bytes;
        unsigned *const cells = &sum[y / SCENE_SAMPLES * SCENE_WIDTH];
        for (int x = 0; x < SCENE_WIDTH * SCENE_SAMPLES; x++)
            cells[x / SCENE_SAMPLES] += row[scene_place(x, SCENE_WIDTH * SCENE_SAMPLES, width)];
    }
    for (int i = 0; i < SCENE_PIXELS; i++) luma[i] = (uint8_t) (sum[i] / (SCENE_SAMPLES * SCENE_SAMPLES));
}

void scene_shrink16(const uint16_t *plane, ptrdiff_t stride_bytes, int width, int height, int shift, uint8_t luma[SCENE_PIXELS])
{
    unsigned sum[SCENE_PIXELS] = {0};
    for (int y = 0; y < SCENE_HEIGHT * SCENE_SAMPLES; y++) {
        const ptrdiff_t at = scene_place(y, SCENE_HEIGHT * SCENE_SAMPLES, height) * stride_bytes;
        const uint16_t *const row = (const uint16_t *) (const void *) ((const uint8_t *) plane + at);
        unsigned *const cells = &sum[y / SCENE_SAMPLES * SCENE_WIDTH];
        for (int x = 0; x < SCENE_WIDTH * SCENE_SAMPLES; x++) {
            const unsigned v = (unsigned) row[scene_place(x, SCENE_WIDTH * SCENE_SAMPLES, width)] >> shift;
            cells[x / SCENE_SAMPLES] += v < 255 ? v : 255;
        }
    }
    for (int i = 0; i < SCENE_PIXELS; i++) luma[i] = (uint8_t) (sum[i] / (SCENE_SAMPLES * SCENE_SAMPLES));
}
