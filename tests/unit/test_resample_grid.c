/* SPDX-License-Identifier: MIT */
/* Resampling on other grids than the usual one, and bilinearly: against definitions in double precision, by ramps that must stay
 * ramps, and by regions. */
#define _GNU_SOURCE
#include "convert/resample.h"

#include "picture.h"

/* ---- the definition: a filter around a place given in doubles ---- */

static double lanczos(double x)
{
    const double pi = 3.14159265358979323846;
    if (fabs(x) < 1e-9) return 1;
    return fabs(x) < 3 ? 3 * sin(pi * x) * sin(pi * x / 3) / (pi * pi * x * x) : 0;
}

static double triangle(double x)
{
    return fabs(x) < 1 ? 1 - fabs(x) : 0;
}

static double ratio_of(const struct resample_grid *g)
{
    return g->from ? (double) g->from / g->to : (double) g->in / g->out;
}

static double place_of(const struct resample_grid *g, int x)
{
    return (x + 0.5 + g->out_shift * 0.25) * ratio_of(g) - 0.5 - g->in_shift * 0.25;
}

static double define(enum resample_kind kind, const struct resample_grid *g, const float *from, int x)
{
    const double wide = ratio_of(g) > 1 ? ratio_of(g) : 1, at = place_of(g, x);
    double sum = 0, all = 0;
    for (int j = (int) floor(at - 3 * wide) - 1; j <= (int) ceil(at + 3 * wide) + 1; j++) {
        const double w = kind == RESAMPLE_LANCZOS ? lanczos((j - at) / wide) : triangle((j - at) / wide);
        sum += w * (double) from[j < 0 ? 0 : j < g->in ? j : g->in - 1];
        all += w;
    }
    return sum / all;
}

static struct resampler *make(enum resample_kind kind, const struct resample_grid *x, const struct resample_grid *y)
{
    struct resampler *r = NULL;
    if (resampler_create_as(kind, x, y, &r, NULL) != FM_OK) abort();
    return r;
}

static const struct resample_grid grids[] = {
    {1, 1, 0, 0, 0, 0}, {1, 9, 0, 0, -1, 1}, {40, 80, 0, 0, 0, 0}, {40, 80, 0, 0, -1, -1}, {40, 80, 0, 0, 1, 1},
    {41, 123, 0, 0, -1, -1}, {9, 17, 1, 2, -1, -1}, /* chroma of 17 luma samples to that of 34 */
    {9, 17, 1, 2, -1, 0},                           /* to luma */
    {17, 9, 2, 1, 0, -1},                           /* and down again */
    {17, 9, 2, 1, 0, 1}, {50, 50, 0, 0, -1, 0},     /* moved by a quarter */
    {50, 33, 3, 2, -1, -1}, {33, 50, 2, 3, -2, 2}, {64, 64, 1, 1, 1, 1}, {300, 37, 0, 0, -1, -1},
    {20, 30, 1, 4, 0, 0}, /* only the left of it */
    {8, 60, 1, 2, 0, 0},  /* far beyond the right edge */
};
#define GRIDS ((int) (sizeof grids / sizeof grids[0]))
static const struct resample_grid single = {.in = 1, .out = 1};

static void lines_as_defined(void)
{
    uint64_t random = 1;
    uint32_t cpu[4];
    const int cpus = picture_cpus(cpu);
    for (int i = 0; i < 4 * GRIDS * cpus; i++) {
        const enum resample_kind kind = i & 1 ? RESAMPLE_BILINEAR : RESAMPLE_LANCZOS;
        const bool across = i & 2;
        const struct resample_grid *g = &grids[i / 4 % GRIDS];
        struct resampler *r = across ? make(kind, &single, g) : make(kind, g, &single);
        struct window in = {0}, out = {0}, scratch = {0};
        picture_noise(&in, across ? rect_whole(1, g->in) : rect_whole(g->in, 1), 1, &random);
        picture_blank(&out, across ? rect_whole(1, g->out) : rect_whole(g->out, 1), 1);
        CHECK_INT(resampler_run(r, NULL, cpu[i / 4 / GRIDS], &in, &out, &scratch), FM_OK);
        for (int x = 0; x < g->out; x++) {
            const double want = define(kind, g, in.data, x);
            if (!CHECK_MSG(fabs((double) out.data[x] - want) < 1e-6, "grid %d, kind %d: sample %d is %.9g, must be %.9g",
                    i / 4 % GRIDS, (int) kind, x, (double) out.data[x], want))
                break;
        }
        window_release(&in);
        window_release(&out);
        window_release(&scratch);
        resampler_destroy(&r);
    }
}

/* Chroma to the left of its luma, enlarged: a ramp over the places of luma is the same ramp afterwards. Lanczos' weights of a phase
 * make a straight line only nearly. */
static void sited_ramps_stay(void)
{
    for (int i = 0; i < 48; i++) {
        const int scale = 2 + i % 3, shift = i / 3 % 4 - 2;
        const enum resample_kind kind = i / 12 & 1 ? RESAMPLE_LANCZOS : RESAMPLE_BILINEAR;
        const struct resample_grid g = {.in = 40, .out = 40 * scale, .in_shift = shift, .out_shift = shift};
        struct resampler *r = make(kind, &g, &single);
        struct window in = {0}, out = {0}, scratch = {0};
        picture_blank(&in, rect_whole(g.in, 1), 1);
        picture_blank(&out, rect_whole(g.out, 1), 1);
        for (int x = 0; x < g.in; x++) in.data[x] = ((float) x + 0.5f + (float) shift / 4) / 40; /* its place, the picture 1 wide */
        CHECK_INT(resampler_run(r, NULL, cpu_flags(), &in, &out, &scratch), FM_OK);
        for (int x = 4 * scale; x < g.out - 4 * scale; x++) {
            const double want = (x + 0.5 + shift * 0.25) / g.out;
            if (!CHECK_MSG(fabs((double) out.data[x] - want) < (kind == RESAMPLE_BILINEAR ? 1e-6 : 5e-4),
                    "scale %d, shift %d, kind %d: %d is %.9g, must be %.9g", scale, shift, (int) kind, x, (double) out.data[x],
                    want))
                break;
        }
        window_release(&in);
        window_release(&out);
        window_release(&scratch);
        resampler_destroy(&r);
    }
}

/* Two, three and a half times as large as the networks' makers do it: two weights from the distance, no sample before the first. */
static void bilinear_as_textures(void)
{
    uint64_t random = 2;
    static const int sizes[][4] = {{7, 5, 14, 10}, {9, 6, 27, 18}, {12, 11, 42, 33}, {1, 1, 4, 4}, {16, 3, 64, 12}};
    for (int i = 0; i < 5; i++) {
        const int *s = sizes[i];
        struct resampler *r = make(
            RESAMPLE_BILINEAR, &(struct resample_grid){.in = s[0], .out = s[2]}, &(struct resample_grid){.in = s[1], .out = s[3]});
        struct window in = {0}, out = {0}, scratch = {0};
        picture_noise(&in, rect_whole(s[0], s[1]), 2, &random);
        picture_blank(&out, rect_whole(s[2], s[3]), 2);
        CHECK_INT(resampler_run(r, NULL, cpu_flags(), &in, &out, &scratch), FM_OK);
        for (int c = 0; c < 2; c++)
            for (int y = 0; y < s[3]; y++)
                for (int x = 0; x < s[2]; x++) {
                    const double px = fmax((x + 0.5) * s[0] / s[2] - 0.5, 0), py = fmax((y + 0.5) * s[1] / s[3] - 0.5, 0);
                    const int x0 = (int) px, y0 = (int) py, x1 = x0 + (x0 < s[0] - 1), y1 = y0 + (y0 < s[1] - 1);
                    const float *top = window_row(&in, c, y0), *bottom = window_row(&in, c, y1);
                    const double a = (double) top[x0] * (1 - px + x0) + (double) top[x1] * (px - x0),
                                 b = (double) bottom[x0] * (1 - px + x0) + (double) bottom[x1] * (px - x0);
                    const double want = a * (1 - py + y0) + b * (py - y0), got = (double) window_row(&out, c, y)[x];
                    if (!CHECK_NEAR(got, want, 1e-6)) return;
                }
        window_release(&in);
        window_release(&out);
        window_release(&scratch);
        resampler_destroy(&r);
    }
}

static void regions_as_the_whole(void)
{
    uint64_t random = 3;
    uint32_t cpu[4];
    const int cpus = picture_cpus(cpu);
    for (int i = 0; i < GRIDS * 3; i++) {
        const struct resample_grid *gx = &grids[i % GRIDS], *gy = &grids[(i * 7 + 3) % GRIDS];
        struct resampler *r = make(i & 1 ? RESAMPLE_BILINEAR : RESAMPLE_LANCZOS, gx, gy);
        struct window in = {0}, out = {0}, part = {0}, scratch = {0};
        picture_noise(&in, rect_whole(gx->in, gy->in), 2, &random);
        picture_blank(&out, rect_whole(gx->out, gy->out), 2);
        CHECK_INT(resampler_run(r, NULL, cpu[i % cpus], &in, &out, &scratch), FM_OK);
        for (int k = 0; k < 10; k++) {
            const struct rect at = picture_part(&random, gx->out, gy->out), need = resampler_need(r, at);
            if (!CHECK(rect_contains(in.at, need))) break;
            struct window cut = picture_cut(&in, need);
            picture_blank(&part, at, 2);
            CHECK_INT(resampler_run(r, NULL, cpu[i % cpus], &cut, &part, &scratch), FM_OK);
            const bool same = picture_same(&part, &out, "region");
            window_release(&cut);
            if (!same) break;
        }
        window_release(&in);
        window_release(&out);
        window_release(&part);
        window_release(&scratch);
        resampler_destroy(&r);
    }
}

/* The same grid on both sides is a copy, wherever its samples lie; moved, it is not. */
static void the_same_grid_is_a_copy(void)
{
    uint64_t random = 4;
    const struct resample_grid same = {20, 20, 3, 3, -1, -1}, moved = {20, 20, 0, 0, -1, 0};
    struct window in = {0}, out = {0}, scratch = {0};
    picture_noise(&in, rect_whole(20, 1), 1, &random);
    picture_blank(&out, in.at, 1);
    struct resampler *r = make(RESAMPLE_LANCZOS, &same, &single);
    CHECK_INT(resampler_run(r, NULL, cpu_flags(), &in, &out, &scratch), FM_OK);
    CHECK_MEM(out.data, in.data, 20 * sizeof(float));
    resampler_destroy(&r);
    r = make(RESAMPLE_BILINEAR, &moved, &single);
    CHECK_INT(resampler_run(r, NULL, cpu_flags(), &in, &out, &scratch), FM_OK);
    for (int x = 0; x < 19; x++) CHECK_NEAR(out.data[x], 0.75 * (double) in.data[x] + 0.25 * (double) in.data[x + 1], 1e-6);
    CHECK_NEAR(out.data[19], in.data[19], 1e-6);
    resampler_destroy(&r);
    window_release(&in);
    window_release(&out);
    window_release(&scratch);
}

static void refusals(void)
{
    static const struct resample_grid bad[] = {{0, 5, 0, 0, 0, 0}, {5, 0, 0, 0, 0, 0}, {5, 5, 1, 0, 0, 0}, {5, 5, 0, 1, 0, 0},
        {5, 5, -1, 1, 0, 0}, {5, 5, 1, INT32_MAX, 0, 0}, {5, 5, 0, 0, 3, 0}, {5, 5, 0, 0, 0, -3}, {INT32_MAX, 5, 0, 0, 0, 0}};
    struct resampler *r = NULL;
    struct fm_error error = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_INT(resampler_create_as(RESAMPLE_BILINEAR, &bad[i], &single, &r, &error), FM_ERR_ARGUMENT);
        CHECK_INT(resampler_create_as(RESAMPLE_LANCZOS, &single, &bad[i], &r, NULL), FM_ERR_ARGUMENT);
        CHECK(r == NULL);
    }
    CHECK_HAS(error.message, "cannot resample");
}

int main(void)
{
    RUN(lines_as_defined);
    RUN(sited_ramps_stay);
    RUN(bilinear_as_textures);
    RUN(regions_as_the_whole);
    RUN(the_same_grid_is_a_copy);
    RUN(refusals);
    return check_report();
}
