/* SPDX-License-Identifier: MIT */
/* Pictures for the tests of the rooms frame and convert: windows filled with random numbers, and comparisons of windows. */
#ifndef FM_TESTS_PICTURE_H
#define FM_TESTS_PICTURE_H

#include "check.h"
#include "core/alloc.h"
#include "core/cpu.h"
#include "core/threads.h"
#include "frame/band.h"
#include "frame/window.h"

CHECK_UNUSED static uint64_t picture_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

CHECK_UNUSED static int picture_int(uint64_t *state, int low, int high) /* both inclusive */
{
    return low + (int) (picture_random(state) % (uint64_t) (high - low + 1));
}

CHECK_UNUSED static float picture_float(uint64_t *state) /* [0, 1) */
{
    return (float) (picture_random(state) >> 40) * 0x1p-24f;
}

CHECK_UNUSED static struct rect picture_part(uint64_t *state, int width, int height) /* a random rectangle */
{
    const int x = picture_int(state, 0, width - 1), y = picture_int(state, 0, height - 1);
    return (struct rect){x, y, picture_int(state, 1, width - x), picture_int(state, 1, height - y)};
}

/* Room whose every float is NaN. */
CHECK_UNUSED static void picture_blank(struct window *w, struct rect at, int channels)
{
    if (window_reserve(w, at, channels) != FM_OK) abort();
    for (size_t i = 0; i < window_plane(w) * (size_t) channels; i++) w->data[i] = NAN;
}

CHECK_UNUSED static void picture_noise(struct window *w, struct rect at, int channels, uint64_t *random)
{
    picture_blank(w, at, channels);
    for (size_t i = 0; i < window_plane(w) * (size_t) channels; i++) w->data[i] = picture_float(random);
}

/* A copy of a part of a window, in memory that ends with it (so that ASan sees what is read beyond). */
CHECK_UNUSED static struct window picture_cut(const struct window *from, struct rect at)
{
    struct window w = {0};
    picture_blank(&w, at, from->channels);
    window_copy(&w, from, at);
    return w;
}

/* The pixels of `part` are those of `whole`, bit for bit. */
CHECK_UNUSED static bool picture_same(const struct window *part, const struct window *whole, const char *what)
{
    for (int c = 0; c < part->channels; c++)
        for (int y = part->at.y; y < part->at.y + part->at.h; y++) {
            const float *a = window_row(part, c, y), *b = window_row(whole, c, y) + (part->at.x - whole->at.x);
            for (int x = 0; x < part->at.w; x++)
                if (!CHECK_MSG(memcmp(a + x, b + x, sizeof *a) == 0, "%s: channel %d, %d, %d is %.9g, must be %.9g", what, c,
                        part->at.x + x, y, (double) a[x], (double) b[x]))
                    return false;
        }
    return true;
}

/* Every choice of kernels that this machine has: masks for cpu_flags. */
CHECK_UNUSED static int picture_cpus(uint32_t flags[4])
{
    const uint32_t has = cpu_detect(), all[] = {CPU_AVX2, CPU_AVX2 | CPU_AVX512, CPU_NEON};
    int n = 0;
    flags[n++] = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if ((has & all[i]) == all[i]) flags[n++] = all[i];
    return n;
}

#endif
