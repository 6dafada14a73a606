/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdint.h>

#include "core/alloc.h"
#include "core/error.h"
#include "frame/picture.h"
#include "tasks/quality/quality.h"

/* ---- luma ---- */

#define BLACK 16
#define RED (65.481 / 255)
#define GREEN (128.553 / 255)
#define BLUE (24.966 / 255)

static void luma_8(const uint8_t *v, int n, int channels, double *restrict to)
{
    if (channels < 3)
        for (int x = 0; x < n; x++) to[x] = BLACK + (RED + GREEN + BLUE) * v[x * channels];
    else if (channels == 3)
        for (int x = 0; x < n; x++) to[x] = BLACK + (RED * v[3 * x] + GREEN * v[3 * x + 1] + BLUE * v[3 * x + 2]);
    else
        for (int x = 0; x < n; x++) to[x] = BLACK + (RED * v[4 * x] + GREEN * v[4 * x + 1] + BLUE * v[4 * x + 2]);
}

/* Divided, not multiplied: levels that 8 bits have too come out the same. */
static void luma_16(const uint16_t *v, int n, int channels, double *restrict to)
{
    if (channels < 3)
        for (int x = 0; x < n; x++) to[x] = BLACK + (RED + GREEN + BLUE) * (v[x * channels] / 257.0);
    else
        for (int x = 0; x < n; x++, v += channels)
            to[x] = BLACK + (RED * (v[0] / 257.0) + GREEN * (v[1] / 257.0) + BLUE * (v[2] / 257.0));
}

/* Y of pixels [x0, x0 + n) of a row. */
static void luma(const struct fm_picture *p, int y, int x0, int n, double *to)
{
    const uint8_t *from = picture_row(p, y) + (size_t) x0 * pixel_bytes(picture_format(p));
    if (p->bits == 8)
        luma_8(from, n, p->channels, to);
    else
        luma_16((const uint16_t *) (const void *) from, n, p->channels, to);
}

/* ---- PSNR and SSIM ---- */

#define TAPS 11
enum { A, B, AA, BB, AB, MOMENTS };

struct compare {
    const struct fm_picture *a, *b;
    int border, w, h; /* what is compared */
    int n;            /* w without the filter's reach */
    double weight[6]; /* of the middle, of its neighbours ... */
    double *line;     /* [MOMENTS][w] of the row at hand */
    double *ring;     /* [TAPS][MOMENTS][n] filtered along the rows */
    double *mean;     /* [MOMENTS][n] filtered both ways */
};

static void filter_along(const double *restrict in, const double *weight, int n, double *restrict out)
{
    const double w0 = weight[0], w1 = weight[1], w2 = weight[2], w3 = weight[3], w4 = weight[4], w5 = weight[5];
    for (int x = 0; x < n; x++)
        out[x] = w0 * in[x + 5] + w1 * (in[x + 4] + in[x + 6]) + w2 * (in[x + 3] + in[x + 7]) + w3 * (in[x + 2] + in[x + 8]) +
                 w4 * (in[x + 1] + in[x + 9]) + w5 * (in[x] + in[x + 10]);
}

static void multiply(const double *restrict a, const double *restrict b, int n, double *restrict out)
{
    for (int x = 0; x < n; x++) out[x] = a[x] * b[x];
}

/* The sum of squared differences of a row; its filtered moments go into the ring. */
static double take_row(struct compare *c, int y)
{
    double *a = c->line, *b = a + c->w, sum = 0;
    luma(c->a, c->border + y, c->border, c->w, a);
    luma(c->b, c->border + y, c->border, c->w, b);
    multiply(a, a, c->w, c->line + AA * (size_t) c->w);
    multiply(b, b, c->w, c->line + BB * (size_t) c->w);
    multiply(a, b, c->w, c->line + AB * (size_t) c->w);
    for (int k = 0; k < MOMENTS; k++)
        filter_along(
            c->line + k * (size_t) c->w, c->weight, c->n, c->ring + ((size_t) (y % TAPS) * MOMENTS + (size_t) k) * (size_t) c->n);
    for (int x = 0; x < c->w; x++) sum += (a[x] - b[x]) * (a[x] - b[x]);
    return sum;
}

/* The ring's rows, of which the last is y, filtered down. */
static void filter_down(struct compare *c, int y)
{
    const size_t n = MOMENTS * (size_t) c->n;
    const double *row[TAPS];
    for (int k = 0; k < TAPS; k++) row[k] = c->ring + (size_t) ((y - k) % TAPS) * n;
    double *restrict to = c->mean;
    const double *w = c->weight;
    for (size_t x = 0; x < n; x++)
        to[x] = w[0] * row[5][x] + w[1] * (row[4][x] + row[6][x]) + w[2] * (row[3][x] + row[7][x]) +
                w[3] * (row[2][x] + row[8][x]) + w[4] * (row[1][x] + row[9][x]) + w[5] * (row[0][x] + row[10][x]);
}

static double similarity(const struct compare *c)
{
    const double c1 = 0.01 * 255 * 0.01 * 255, c2 = 0.03 * 255 * 0.03 * 255;
    const size_t n = (size_t) c->n;
    const double *a = c->mean, *b = a + n, *aa = b + n, *bb = aa + n, *ab = bb + n;
    double sum = 0;
    for (size_t x = 0; x < n; x++) {
        const double square_a = a[x] * a[x], square_b = b[x] * b[x], product = a[x] * b[x];
        sum += (2 * product + c1) * (2 * (ab[x] - product) + c2) /
               ((square_a + square_b + c1) * (aa[x] - square_a + bb[x] - square_b + c2));
    }
    return sum;
}

static void gaussian(double *weight)
{
    double sum = 0;
    for (int k = 0; k < 6; k++) {
        weight[k] = exp(-k * k / 4.5);
        sum += k ? 2 * weight[k] : weight[k];
    }
    for (int k = 0; k < 6; k++) weight[k] /= sum;
}

static int same_size(const struct fm_picture *a, const struct fm_picture *b, int border, int least, struct fm_error *error)
{
    if (a->width != b->width || a->height != b->height)
        return core_fail(
            error, FM_ERR_SHAPE, "%d x %d and %d x %d pixels cannot be compared", a->width, a->height, b->width, b->height);
    if (border < 0) return core_fail(error, FM_ERR_ARGUMENT, "a border of %d pixels", border);
    const int smaller = a->width < a->height ? a->width : a->height;
    if (smaller >= least && border <= (smaller - least) / 2) return FM_OK;
    return core_fail(error, FM_ERR_SHAPE, "%d x %d pixels less a border of %d: at least %d x %d must be left", a->width, a->height,
        border, least, least);
}

int quality_compare(
    const struct fm_picture *original, const struct fm_picture *result, int border, struct fm_quality *out, struct fm_error *error)
{
    const int code = same_size(original, result, border, TAPS, error);
    if (code < 0) return code;
    struct compare c = {
        .a = original, .b = result, .border = border, .w = original->width - 2 * border, .h = original->height - 2 * border};
    c.n = c.w - (TAPS - 1);
    gaussian(c.weight);
    const size_t lines = MOMENTS * (size_t) c.w, rows = MOMENTS * (size_t) c.n;
    double *memory = core_alloc((lines + (TAPS + 1) * rows) * sizeof *memory);
    if (!memory) return core_fail_nomem(error, (lines + (TAPS + 1) * rows) * sizeof *memory);
    c.line = memory;
    c.ring = c.line + lines;
    c.mean = c.ring + TAPS * rows;
    double squares = 0, similar = 0;
    for (int y = 0; y < c.h; y++) {
        squares += take_row(&c, y);
        if (y < TAPS - 1) continue;
        filter_down(&c, y);
        similar += similarity(&c);
    }
    core_free(memory);
    out->psnr = squares > 0 ? 10 * log10(255.0 * 255.0 * c.w * c.h / squares) : INFINITY;
    out->ssim = similar / ((double) c.n * (c.h - (TAPS - 1)));
    return FM_OK;
}

/* ---- flicker ---- */

/* Sum over a row of |(u1 - u0) - (o1 - o0)|. */
static double changes(
    const double *restrict o0, const double *restrict u0, const double *restrict o1, const double *restrict u1, int n)
{
    double sum = 0;
    for (int x = 0; x < n; x++) sum += fabs((u1[x] - u0[x]) - (o1[x] - o0[x]));
    return sum;
}

int quality_flicker(const struct fm_picture *originals, const struct fm_picture *results, int frames, int border, double *flicker,
    struct fm_error *error)
{
    for (int i = 0; i < frames; i++) {
        int code = same_size(&originals[0], &results[i], border, 1, error);
        if (code == FM_OK) code = same_size(&originals[0], &originals[i], border, 1, error);
        if (code < 0) return code;
    }
    const int w = originals[0].width - 2 * border, h = originals[0].height - 2 * border;
    double *line = core_alloc(4 * (size_t) w * sizeof *line), sum = 0;
    if (!line) return core_fail_nomem(error, 4 * (size_t) w * sizeof *line);
    for (int i = 0; i + 1 < frames; i++)
        for (int y = border; y < border + h; y++) {
            const struct fm_picture *p[4] = {&originals[i], &results[i], &originals[i + 1], &results[i + 1]};
            for (int k = 0; k < 4; k++) luma(p[k], y, border, w, line + (size_t) k * (size_t) w);
            sum += changes(line, line + w, line + 2 * (size_t) w, line + 3 * (size_t) w, w);
        }
    core_free(line);
    *flicker = sum / ((double) w * h * (frames - 1));
    return FM_OK;
}
