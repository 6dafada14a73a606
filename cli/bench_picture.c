/* SPDX-License-Identifier: MIT */
/* The picture that is measured: written as PPM, which is a header and the samples, then put into the wanted format by the program itself. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define PI 3.14159265358979323846

/* 0..255 and back within 512 pixels. */
static int slope(int at)
{
    const int phase = at & 511;
    return phase < 256 ? phase : 511 - phase;
}

/* Everything has its size in pixels, so that a larger picture is more of the same: time and bytes per pixel can be compared. */
static void fill_row(uint8_t *row, int w, int y, uint32_t *state)
{
    const double wave_y = sin(2 * PI * y / 37.0);
    for (int x = 0; x < w; x++) {
        const int base[3] = {slope(x), slope(y), slope(x + y + 128)};
        const bool tile = ((x >> 6) ^ (y >> 6)) & 1, line = (x + 3 * y) % 101 < 2;
        const int wave = tile ? (int) (34 * wave_y * sin(2 * PI * x / 23.0)) : 0;
        for (int c = 0; c < 3; c++) {
            *state ^= *state << 13, *state ^= *state >> 17, *state ^= *state << 5;
            const int noise = (int) (*state >> 29) - 4;
            const int value = line ? 16 : 40 + base[c] * 5 / 8 + (tile ? wave : 24) + noise;
            row[3 * x + c] = (uint8_t) (value < 0 ? 0 : value > 255 ? 255 : value);
        }
    }
}

static int write_ppm(const char *path, const struct bench_size *size, unsigned seed)
{
    FILE *file = fopen(path, "wb");
    const size_t n = 3 * (size_t) size->w;
    uint8_t *row = malloc(n);
    uint32_t state = 2463534242u ^ (seed * 0x9e3779b9u);
    int error = !file ? errno : !row ? ENOMEM : 0;
    if (state == 0) state = 1;
    if (!error && fprintf(file, "P6\n%d %d\n255\n", size->w, size->h) < 0) error = errno;
    for (int y = 0; y < size->h && !error; y++) {
        fill_row(row, size->w, y, &state);
        if (fwrite(row, 1, n, file) != n) error = errno ? errno : EIO;
    }
    if (file && fclose(file) != 0 && !error) error = errno;
    free(row);
    return error;
}

bool bench_picture(struct bench *b, const struct bench_size *size, unsigned seed, char *path)
{
    char plain[BENCH_PATH];
    if (bench_stopped(b)) return false;
    snprintf(plain, sizeof plain, "%s/%s-%u.ppm", b->folder, size->text, seed);
    snprintf(path, BENCH_PATH, "%s/%s-%u.%s", b->folder, size->text, seed, fm_upscale_extension(b->format));
    const int error = write_ppm(plain, size, seed);
    if (error) fprintf(stderr, "framemill: %s: %s\n", plain, strerror(error));
    const char *const convert[] = {"upscale", plain, path, "-s", "1", "--quiet", "--overwrite", NULL};
    const bool ok = !error && bench_self(b, convert, NULL);
    unlink(plain);
    return ok;
}

void bench_result(const struct bench *b, int index, char *path)
{
    snprintf(path, BENCH_PATH, "%s/result-%d.%s", b->folder, index, fm_upscale_extension(b->format));
}
