/* SPDX-License-Identifier: MIT */
/* The pixels kernels (kernels/pixels.h) of every ISA that this machine runs, against plain loops (check_bed.h). Timing is of whole
 * pictures on one thread: conversion of 2048 x 2048 pixels, resampling of 512 x 512 in three colours. */
#define _GNU_SOURCE
#include "check_bed.h"
#include "convert/pixels.h"
#include "convert/resample.h"
#include "kernels/pixels.h"

/* ---- cases ---- */

static unsigned sample(const void *row, int i, int bits)
{
    return bits == 8 ? ((const uint8_t *) row)[i] : ((const uint16_t *) row)[i];
}

static void unpack(const struct kernel_set *set, const void *src, int bits, int channels, float *const *dst, int n)
{
    if (bits == 8)
        set->pixels->unpack8(src, channels, dst, n);
    else
        set->pixels->unpack16(src, channels, dst, n);
}

static uint64_t pack(const struct kernel_set *set, const float *const *src, int bits, int channels, void *dst, int n)
{
    return bits == 8 ? set->pixels->pack8(src, channels, dst, n) : set->pixels->pack16(src, channels, dst, n);
}

static void try_unpack(const struct kernel_set *set, struct bed *bed, const char *name, int bits)
{
    const int channels = check_random_int(&bed->random, 1, 4), n = length(bed);
    uint8_t *src = open_row(bed, (size_t) (n * channels * bits / 8), false, (size_t) bits / 8);
    for (int i = 0; i < n * channels * bits / 8; i++) src[i] = (uint8_t) check_random(&bed->random);
    float *dst[4] = {NULL};
    for (int c = 0; c < channels; c++)
        if (check_random_int(&bed->random, 0, 5)) dst[c] = open_row(bed, (size_t) n * sizeof **dst, true, sizeof **dst);
    unpack(set, src, bits, channels, dst, n);
    for (int c = 0; c < channels; c++)
        for (int x = 0; dst[c] && x < n; x++) {
            const float want = (float) sample(src, x * channels + c, bits) / (bits == 8 ? 255.0f : 65535.0f);
            if (!CHECK_MSG(dst[c][x] == want, "%s: %d channels of %d pixels: channel %d, pixel %d is %.9g, must be %.9g", name,
                    channels, n, c, x, (double) dst[c][x], (double) want))
                return;
        }
}

static void try_unpack8(const struct kernel_set *set, struct bed *bed, const char *name)
{
    try_unpack(set, bed, name, 8);
}
static void try_unpack16(const struct kernel_set *set, struct bed *bed, const char *name)
{
    try_unpack(set, bed, name, 16);
}

static float odd_value(uint64_t *random)
{
    static const float odd[] = {
        0, -0.0f, 1, -1, 1.5f, 1e30f, -1e30f, 3e38f, HUGE_VALF, -HUGE_VALF, NAN, -NAN, 1e-40f, 0.49999997f, 0.5f, 0.99999994f};
    const int i = check_random_int(random, 0, 60);
    return i < 16   ? odd[i]
           : i < 25 ? ((float) check_random_int(random, 0, 255) + 0.5f) / 255
           : i < 35 ? ((float) check_random_int(random, 0, 65535) + 0.5f) / 65535
                    : check_random_float(random) * 0.7f + 0.5f;
}

static void try_pack(const struct kernel_set *set, struct bed *bed, const char *name, int bits)
{
    const int channels = check_random_int(&bed->random, 1, 4), n = length(bed);
    const float most = bits == 8 ? 255 : 65535;
    const float *src[4] = {NULL};
    for (int c = 0; c < channels; c++) {
        if (!check_random_int(&bed->random, 0, 5)) continue;
        float *row = open_floats(bed, (size_t) n);
        for (int x = 0; x < n; x++) row[x] = odd_value(&bed->random);
        src[c] = row;
    }
    void *dst = open_row(bed, (size_t) (n * channels * bits / 8), true, (size_t) bits / 8);
    const uint64_t nan = pack(set, src, bits, channels, dst, n);
    uint64_t want_nan = 0;
    for (int c = 0; c < channels; c++)
        for (int x = 0; x < n; x++) {
            const float v = src[c] ? src[c][x] : 1, scaled = v * most;
            want_nan += isnan(v);
            const unsigned want = !(scaled > 0) ? 0 : scaled >= most ? (unsigned) most : (unsigned) lrintf(scaled);
            if (!CHECK_MSG(sample(dst, x * channels + c, bits) == want,
                    "%s: %d channels of %d pixels: channel %d, pixel %d of %.9g is %u, must be %u", name, channels, n, c, x,
                    (double) v, sample(dst, x * channels + c, bits), want))
                return;
        }
    CHECK_MSG(nan == want_nan, "%s: counts %" PRIu64 " that are not numbers, must be %" PRIu64, name, nan, want_nan);
}

static void try_pack8(const struct kernel_set *set, struct bed *bed, const char *name)
{
    try_pack(set, bed, name, 8);
}
static void try_pack16(const struct kernel_set *set, struct bed *bed, const char *name)
{
    try_pack(set, bed, name, 16);
}

/* Every value there is, in every place of a vector: exactly the quotient, and itself again. Once is enough. */
static void try_values(const struct kernel_set *set, struct bed *bed, const char *name)
{
    if (bed->round) return;
    for (int bits = 8; bits <= 16; bits += 8)
        for (int channels = 1; channels <= 4; channels++) {
            const int values = 1 << bits, n = (values + 7 + channels - 1) / channels;
            const size_t size = (size_t) (n * channels * bits / 8);
            void *src = open_row(bed, size, false, (size_t) bits / 8), *back = open_row(bed, size, true, (size_t) bits / 8);
            for (int i = 0; i < n * channels; i++) {
                const unsigned v = (unsigned) (i + channels) % (unsigned) values;
                if (bits == 8)
                    ((uint8_t *) src)[i] = (uint8_t) v;
                else
                    ((uint16_t *) src)[i] = (uint16_t) v;
            }
            float *dst[4] = {NULL};
            for (int c = 0; c < channels; c++) dst[c] = open_row(bed, (size_t) n * sizeof **dst, true, sizeof **dst);
            unpack(set, src, bits, channels, dst, n);
            bool good = true;
            for (int i = 0; good && i < n * channels; i++) {
                const unsigned v = sample(src, i, bits);
                good = CHECK_MSG(
                    dst[i % channels][i / channels] == (float) v / (float) (values - 1), "%s: %u of %d bits", name, v, bits);
            }
            CHECK_MSG(pack(set, (const float *const *) dst, bits, channels, back, n) == 0, "%s: not a number", name);
            CHECK_MSG(memcmp(src, back, size) == 0, "%s: %d channels of %d bits do not come back", name, channels, bits);
            close_bed(bed, name);
        }
}

static void try_filter(const struct kernel_set *set, struct bed *bed, const char *name)
{
    const int taps = check_random_int(&bed->random, 0, 2)   ? check_random_int(&bed->random, 1, 20)
                     : check_random_int(&bed->random, 0, 2) ? check_random_int(&bed->random, 20, 130)
                                                            : 6;
    const int width = length(bed), rows = check_random_int(&bed->random, 1, 40), most_step = check_random_int(&bed->random, 0, 30);
    int32_t *start = open_row(bed, (size_t) width * sizeof *start, true, sizeof *start);
    float *weights = open_floats(bed, (size_t) (width * taps));
    int at = check_random_int(&bed->random, 0, 50);
    for (int x = 0; x < width; x++) {
        start[x] = at;
        at += check_random_int(&bed->random, 0, most_step);
    }
    const struct pixels_filter filter = {taps, start, weights};
    const int x0 = check_random_int(&bed->random, 0, width - 1), x1 = check_random_int(&bed->random, x0 + 1, width);
    const int first = start[x0] - check_random_int(&bed->random, 0, start[x0]), columns = start[x1 - 1] + taps - first;
    const ptrdiff_t src_pitch = columns + check_random_int(&bed->random, 0, 5),
                    dst_pitch = x1 - x0 + check_random_int(&bed->random, 0, 5);
    const float *src = open_floats(bed, (size_t) ((rows - 1) * src_pitch + columns));
    float *dst = open_row(bed, (size_t) ((rows - 1) * dst_pitch + x1 - x0) * sizeof *dst, true, sizeof *dst);
    set->pixels->filter_x(&filter, src, src_pitch, first, dst, dst_pitch, rows, x0, x1);
    for (int r = 0; r < rows; r++)
        for (int x = x0; x < x1; x++) {
            double want = 0;
            for (int k = 0; k < taps; k++)
                want += (double) weights[x * taps + k] * (double) src[r * src_pitch + start[x] - first + k];
            const double got = (double) dst[r * dst_pitch + x - x0];
            if (!CHECK_MSG(fabs(got - want) <= 1e-6 * sqrt(taps) + 1e-6,
                    "%s: %d taps, row %d, column %d of [%d, %d): %.9g, must be %.9g", name, taps, r, x, x0, x1, got, want))
                return;
        }
    /* a part of it, by itself */
    const int px0 = check_random_int(&bed->random, x0, x1 - 1), px1 = check_random_int(&bed->random, px0 + 1, x1);
    const int r0 = check_random_int(&bed->random, 0, rows - 1), r1 = check_random_int(&bed->random, r0 + 1, rows);
    float *part = open_row(bed, (size_t) ((r1 - r0) * (px1 - px0)) * sizeof *part, true, sizeof *part);
    set->pixels->filter_x(&filter, src + r0 * src_pitch, src_pitch, first, part, px1 - px0, r1 - r0, px0, px1);
    for (int r = r0; r < r1; r++)
        if (!CHECK_MSG(
                memcmp(part + (r - r0) * (px1 - px0), dst + r * dst_pitch + px0 - x0, (size_t) (px1 - px0) * sizeof *part) == 0,
                "%s: %d taps, row %d: columns [%d, %d) by themselves differ", name, taps, r, px0, px1))
            return;
}

static void try_blend(const struct kernel_set *set, struct bed *bed, const char *name)
{
    const int taps =
        check_random_int(&bed->random, 0, 2) ? check_random_int(&bed->random, 1, 20) : check_random_int(&bed->random, 6, 200);
    const int n = length(bed);
    const ptrdiff_t pitch = n + check_random_int(&bed->random, 0, 5);
    const float *src = open_floats(bed, (size_t) ((taps - 1) * pitch + n)), *weights = open_floats(bed, (size_t) taps);
    float *dst = open_row(bed, (size_t) n * sizeof *dst, true, sizeof *dst);
    set->pixels->blend_rows(src, pitch, weights, taps, dst, n);
    for (int x = 0; x < n; x++) {
        double want = 0;
        for (int k = 0; k < taps; k++) want += (double) weights[k] * (double) src[k * pitch + x];
        if (!CHECK_MSG(fabs((double) dst[x] - want) <= 1e-6 * sqrt(taps) + 1e-6, "%s: %d taps, column %d: %.9g, must be %.9g", name,
                taps, x, (double) dst[x], want))
            return;
    }
    const int x0 = check_random_int(&bed->random, 0, n - 1), x1 = check_random_int(&bed->random, x0 + 1, n);
    float *part = open_row(bed, (size_t) (x1 - x0) * sizeof *part, true, sizeof *part);
    set->pixels->blend_rows(src + x0, pitch, weights, taps, part, x1 - x0);
    CHECK_MSG(
        memcmp(part, dst + x0, (size_t) (x1 - x0) * sizeof *part) == 0, "%s: columns [%d, %d) by themselves differ", name, x0, x1);
}

static const struct bed_case cases[] = {
    {"unpack8", try_unpack8},
    {"unpack16", try_unpack16},
    {"pack8", try_pack8},
    {"pack16", try_pack16},
    {"values", try_values},
    {"filter_x", try_filter},
    {"blend_rows", try_blend},
};
#define CASES (sizeof cases / sizeof cases[0])

/* ---- timing ---- */

enum bench_job { BENCH_UNPACK, BENCH_PACK, BENCH_RESAMPLE };

struct bench {
    const char *name;
    enum bench_job job;
    int side, channels, bits; /* of the picture; resampling: to `to` pixels a side */
    int to;
};

static const struct bench pictures[] = {
    {"unpack8 grey", BENCH_UNPACK, 2048, 1, 8, 0},
    {"unpack8 RGB", BENCH_UNPACK, 2048, 3, 8, 0},
    {"unpack8 RGBA", BENCH_UNPACK, 2048, 4, 8, 0},
    {"unpack16 RGB", BENCH_UNPACK, 2048, 3, 16, 0},
    {"unpack16 RGBA", BENCH_UNPACK, 2048, 4, 16, 0},
    {"unpack8 RGB small", BENCH_UNPACK, 256, 3, 8, 0},
    {"pack8 grey", BENCH_PACK, 2048, 1, 8, 0},
    {"pack8 RGB", BENCH_PACK, 2048, 3, 8, 0},
    {"pack8 RGBA", BENCH_PACK, 2048, 4, 8, 0},
    {"pack16 RGB", BENCH_PACK, 2048, 3, 16, 0},
    {"pack16 RGBA", BENCH_PACK, 2048, 4, 16, 0},
    {"pack8 RGB small", BENCH_PACK, 256, 3, 8, 0},
    {"resample x2", BENCH_RESAMPLE, 512, 3, 0, 1024},
    {"resample x4", BENCH_RESAMPLE, 512, 3, 0, 2048},
    {"resample x1.7", BENCH_RESAMPLE, 512, 3, 0, 870},
    {"resample /2", BENCH_RESAMPLE, 512, 3, 0, 256},
    {"resample /7", BENCH_RESAMPLE, 2048, 3, 0, 293},
    {"resample /64", BENCH_RESAMPLE, 2048, 3, 0, 32},
};

#define PICTURES (sizeof pictures / sizeof pictures[0])

struct bench_run {
    const struct bench *b;
    uint32_t flags;
    struct window w[4];
    struct band band;
    struct resampler *resampler;
};

static void bench_once(void *run_)
{
    struct bench_run *run = run_;
    const struct bench *b = run->b;
    struct window *w = run->w, *alpha = b->channels == 4 ? &w[1] : NULL;
    if (b->job == BENCH_UNPACK)
        pixels_unpack(NULL, run->flags, &run->band, b->side, &w[0], alpha);
    else if (b->job == BENCH_PACK)
        pixels_pack(NULL, run->flags, &w[0], alpha, w[0].at, &run->band);
    else
        (void) resampler_run(run->resampler, NULL, run->flags, &w[0], &w[2], &w[3]);
}

static void bench_picture(int which, const struct kernel_set *set, uint32_t flags, const char *name)
{
    (void) set;
    const struct bench *b = &pictures[which];
    struct bench_run run = {.b = b, .flags = flags};
    struct window *const w = run.w;
    uint64_t random = 1;
    const struct pixel_format format = {b->channels, b->bits};
    if (window_reserve(&w[0], rect_whole(b->side, b->side), pixel_colours(format)) || window_reserve(&w[1], w[0].at, 1) ||
        window_reserve(&w[2], rect_whole(b->to, b->to), 3) || band_reserve(&run.band, format, b->side, 0, b->side) ||
        (b->to && resampler_create(b->side, b->side, b->to, b->to, &run.resampler, NULL)))
        abort();
    for (size_t i = 0; i < window_plane(&w[0]) * (size_t) w[0].channels; i++)
        w[0].data[i] = check_random_float(&random) * 0.5f + 0.5f;
    for (size_t i = 0; i < window_plane(&w[1]); i++) w[1].data[i] = check_random_float(&random) * 0.5f + 0.5f;
    for (size_t i = 0; i < band_stride(&run.band) * (size_t) b->side; i++) run.band.data[i] = (uint8_t) check_random(&random);
    const double best = bed_time(bench_once, &run);
    const double bytes = b->to ? 4.0 * 3 * ((double) b->side * b->side + (double) b->to * b->to)
                               : (double) b->side * b->side * b->channels * (4 + b->bits / 8);
    printf("%-26s %9.3f ms %8.2f GB/s\n", name, best * 1e3, bytes / best * 1e-9);
    for (int i = 0; i < 4; i++) window_release(&w[i]);
    band_release(&run.band);
    resampler_destroy(&run.resampler);
}

int main(int argc, char **argv)
{
    struct bed_bench benches[PICTURES];
    for (size_t i = 0; i < PICTURES; i++) benches[i] = (struct bed_bench){pictures[i].name, bench_picture, (int) i};
    return bed_main(argc, argv, cases, CASES, benches, PICTURES);
}
