/* SPDX-License-Identifier: MIT */
/* MATLAB's bicubic, an axis at a time. Going down, whole rows are summed; going across, a few rows are turned first, so that here too
 * neighbours in memory are summed side by side. The order of the sums is that of MATLAB: from the first tap to the last. */
#include <math.h>
#include <stdint.h>

#include "core/alloc.h"
#include "core/error.h"
#include "frame/picture.h"
#include "tasks/quality/quality.h"

#define TURNED 16 /* rows turned at a time */

/* For each output sample the input samples it is made of, as many for each. */
struct axis {
    int in, out, taps;
    int32_t *index; /* [out][taps] */
    double *weight; /* [out][taps] */
};

static double cubic(double x)
{
    x = fabs(x);
    return x <= 1 ? (1.5 * x - 2.5) * x * x + 1 : x <= 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

static int axis_create(struct axis *a, int in, int out)
{
    const double scale = (double) out / in, stretch = scale < 1 ? scale : 1;
    size_t samples;
    *a = (struct axis){.in = in, .out = out, .taps = (int) ceil(4 / stretch) + 2};
    if (!core_mul_size((size_t) out, (size_t) a->taps, &samples) || samples > SIZE_MAX / sizeof(double)) return FM_ERR_NOMEM;
    a->index = core_alloc(samples * sizeof *a->index);
    a->weight = core_alloc(samples * sizeof *a->weight);
    if (!a->index || !a->weight) return FM_ERR_NOMEM;
    for (int i = 0; i < out; i++) {
        int32_t *index = a->index + (size_t) i * (size_t) a->taps;
        double *weight = a->weight + (size_t) i * (size_t) a->taps, sum = 0;
        const double centre = (i + 0.5) / scale - 0.5, first = floor(centre - 2 / stretch);
        for (int k = 0; k < a->taps; k++) {
            const double at = first + k;
            weight[k] = cubic(stretch * (centre - at));
            sum += weight[k];
            index[k] = at < 0 ? 0 : at > in - 1 ? in - 1 : (int32_t) at;
        }
        for (int k = 0; k < a->taps; k++) weight[k] /= sum;
    }
    return FM_OK;
}

static void axis_release(struct axis *a)
{
    core_free(a->index);
    core_free(a->weight);
}

static void load(const struct fm_picture *p, int y, double *restrict to)
{
    const size_t n = (size_t) p->width * (size_t) p->channels;
    const void *row = picture_row(p, y);
    if (p->bits == 8)
        for (size_t i = 0; i < n; i++) to[i] = ((const uint8_t *) row)[i];
    else
        for (size_t i = 0; i < n; i++) to[i] = ((const uint16_t *) row)[i];
}

static double rounded(double v, double max)
{
    v = floor(v + 0.5);
    return v < 0 ? 0 : v > max ? max : v;
}

static void store(const struct fm_picture *p, int y, const double *restrict from)
{
    const size_t n = (size_t) p->width * (size_t) p->channels;
    void *row = picture_row(p, y);
    if (p->bits == 8)
        for (size_t i = 0; i < n; i++) ((uint8_t *) row)[i] = (uint8_t) rounded(from[i], 255);
    else
        for (size_t i = 0; i < n; i++) ((uint16_t *) row)[i] = (uint16_t) rounded(from[i], 65535);
}

static void add(const double *restrict from, double weight, size_t n, double *restrict to)
{
    for (size_t i = 0; i < n; i++) to[i] += weight * from[i];
}

static void clear(double *to, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] = 0;
}

/* Down. The rows in use are kept as numbers: a ring in which row y lies at y % kept. */
static int resize_rows(const struct fm_picture *in, const struct axis *a, struct fm_picture *out)
{
    const size_t n = (size_t) in->width * (size_t) in->channels;
    const int kept = a->taps < in->height ? a->taps : in->height;
    double *line = core_alloc(((size_t) kept + 1) * n * sizeof *line);
    if (!line) return FM_ERR_NOMEM;
    double *const total = line + (size_t) kept * n;
    int loaded = 0; /* rows before this one have been in the ring */
    for (int y = 0; y < out->height; y++) {
        const int32_t *index = a->index + (size_t) y * (size_t) a->taps;
        const double *weight = a->weight + (size_t) y * (size_t) a->taps;
        for (const int last = index[a->taps - 1]; loaded <= last; loaded++) load(in, loaded, line + (size_t) (loaded % kept) * n);
        clear(total, n);
        for (int k = 0; k < a->taps; k++)
            if (weight[k] != 0) add(line + (size_t) (index[k] % kept) * n, weight[k], n, total);
        store(out, y, total);
    }
    core_free(line);
    return FM_OK;
}

/* [rows][n] becomes [n][TURNED], or back. */
static void turn(const double *restrict from, int rows, size_t n, double *restrict to)
{
    for (int y = 0; y < rows; y++)
        for (size_t x = 0; x < n; x++) to[x * TURNED + (size_t) y] = from[(size_t) y * n + x];
}

static void turn_back(const double *restrict from, int rows, size_t n, double *restrict to)
{
    for (int y = 0; y < rows; y++)
        for (size_t x = 0; x < n; x++) to[(size_t) y * n + x] = from[x * TURNED + (size_t) y];
}

static int resize_columns(const struct fm_picture *in, const struct axis *a, struct fm_picture *out)
{
    const size_t channels = (size_t) in->channels, n_in = (size_t) in->width * channels, n_out = (size_t) out->width * channels;
    const size_t n_wide = n_in > n_out ? n_in : n_out;
    double *lines = core_alloc((n_wide + n_in + n_out) * TURNED * sizeof *lines);
    if (!lines) return FM_ERR_NOMEM;
    double *const turned = lines + n_wide * TURNED, *const made = turned + n_in * TURNED;
    clear(turned, n_in * TURNED); /* the last rows may be fewer */
    for (int y = 0; y < in->height; y += TURNED) {
        const int rows = in->height - y < TURNED ? in->height - y : TURNED;
        for (int i = 0; i < rows; i++) load(in, y + i, lines + (size_t) i * n_in);
        turn(lines, rows, n_in, turned);
        for (int x = 0; x < out->width; x++) {
            const int32_t *index = a->index + (size_t) x * (size_t) a->taps;
            const double *weight = a->weight + (size_t) x * (size_t) a->taps;
            double *to = made + (size_t) x * channels * TURNED;
            clear(to, channels * TURNED);
            for (int k = 0; k < a->taps; k++)
                if (weight[k] != 0) add(turned + (size_t) index[k] * channels * TURNED, weight[k], channels * TURNED, to);
        }
        turn_back(made, rows, n_out, lines);
        for (int i = 0; i < rows; i++) store(out, y + i, lines + (size_t) i * n_out);
    }
    core_free(lines);
    return FM_OK;
}

/* MATLAB takes the axis first that shrinks more, of equal ones the rows. */
int quality_bicubic(const struct fm_picture *in, int width, int height, struct fm_picture *out, struct fm_error *error)
{
    const bool rows_first = (int64_t) height * in->width <= (int64_t) width * in->height;
    struct axis x, y;
    struct fm_picture middle = {.size = sizeof middle};
    int code = picture_create(width, height, picture_format(in), out, error);
    if (code < 0) return code;
    const int code_x = axis_create(&x, in->width, width), code_y = axis_create(&y, in->height, height);
    code = code_x < 0 || code_y < 0 ? core_fail_nomem(error, 0)
                                    : picture_create(rows_first ? in->width : width, rows_first ? height : in->height,
                                          picture_format(in), &middle, error);
    if (code == FM_OK) {
        code = rows_first ? resize_rows(in, &y, &middle) : resize_columns(in, &x, &middle);
        if (code == FM_OK) code = rows_first ? resize_columns(&middle, &x, out) : resize_rows(&middle, &y, out);
        if (code < 0) core_fail_nomem(error, 0);
    }
    axis_release(&x);
    axis_release(&y);
    picture_destroy(&middle);
    if (code < 0) picture_destroy(out);
    return code;
}
