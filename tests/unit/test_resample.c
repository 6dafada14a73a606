/* SPDX-License-Identifier: MIT */
/* The Lanczos resampler against its definition in double precision, and its promise: a pixel is the same in every region. */
#define _GNU_SOURCE
#include "convert/resample.h"

#include "picture.h"

/* ---- the definition ---- */

static double lanczos(double x)
{
    const double pi = 3.14159265358979323846;
    if (fabs(x) < 1e-9) return 1;
    return fabs(x) < 3 ? 3 * sin(pi * x) * sin(pi * x / 3) / (pi * pi * x * x) : 0;
}

/* One line of `in` samples to `out` samples. */
static void define_line(const double *from, ptrdiff_t from_step, int in, double *to, ptrdiff_t to_step, int out)
{
    const double ratio = (double) in / out, wide = ratio > 1 ? ratio : 1;
    for (int x = 0; x < out; x++) {
        const double centre = (x + 0.5) * ratio - 0.5;
        double sum = 0, all = 0;
        for (int j = (int) floor(centre - 3 * wide); j <= (int) ceil(centre + 3 * wide); j++) {
            const double w = lanczos((j - centre) / wide);
            sum += w * from[(j < 0 ? 0 : j < in ? j : in - 1) * from_step];
            all += w;
        }
        to[x * to_step] = sum / all;
    }
}

static double *doubles(size_t n)
{
    double *d = malloc((n + 1) * sizeof *d);
    if (!d) abort();
    return d;
}

static double *define(const struct window *in, int out_w, int out_h)
{
    const int w = in->at.w, h = in->at.h;
    const size_t n = (size_t) in->channels * (size_t) out_w;
    double *from = doubles((size_t) in->channels * window_plane(in)), *between = doubles(n * (size_t) h),
           *to = doubles(n * (size_t) out_h);
    for (size_t i = 0; i < (size_t) in->channels * window_plane(in); i++) from[i] = (double) in->data[i];
    for (int y = 0; y < in->channels * h; y++)
        define_line(from + (ptrdiff_t) y * w, 1, w, between + (ptrdiff_t) y * out_w, 1, out_w);
    for (int c = 0; c < in->channels; c++)
        for (int x = 0; x < out_w; x++)
            define_line(between + (ptrdiff_t) c * h * out_w + x, out_w, h, to + (ptrdiff_t) c * out_h * out_w + x, out_w, out_h);
    free(from);
    free(between);
    return to;
}

/* ---- cases ---- */

static const int sizes[][4] = {
    {1, 1, 1, 1},
    {1, 1, 37, 5},
    {5, 4, 1, 1},
    {2, 3, 50, 41},
    {37, 29, 37, 29},
    {37, 29, 37, 58},
    {37, 29, 74, 29},
    {48, 40, 96, 80},
    {33, 21, 99, 63},
    {16, 16, 64, 64},
    {64, 50, 32, 25},
    {91, 70, 30, 23},
    {61, 47, 100, 31},
    {45, 83, 31, 100},
    {300, 9, 7, 20},
    {9, 400, 20, 5},
    {1500, 40, 11, 6}, /* more taps than are turned at a time */
    {700, 1, 701, 1},
    {513, 3, 640, 2},
};
#define SIZES ((int) (sizeof sizes / sizeof sizes[0]))

static struct resampler *make(const int s[4])
{
    struct resampler *r = NULL;
    if (resampler_create(s[0], s[1], s[2], s[3], &r, NULL) != FM_OK) abort();
    return r;
}

static void as_defined(void)
{
    uint64_t random = 1;
    uint32_t cpu[4];
    const int cpus = picture_cpus(cpu);
    for (int i = 0; i < SIZES; i++) {
        const int *s = sizes[i];
        struct resampler *r = make(s);
        struct window in = {0}, out = {0}, scratch = {0};
        picture_noise(&in, rect_whole(s[0], s[1]), 1 + i % 3, &random);
        double *want = define(&in, s[2], s[3]);
        for (int k = 0; k < cpus; k++) {
            picture_blank(&out, rect_whole(s[2], s[3]), in.channels);
            CHECK_INT(resampler_run(r, NULL, cpu[k], &in, &out, &scratch), FM_OK);
            double worst = 0;
            for (size_t p = 0; p < window_plane(&out) * (size_t) out.channels; p++) {
                const double error = fabs((double) out.data[p] - want[p]);
                if (!(error <= worst) && !isnan(worst)) worst = error;
            }
            CHECK_MSG(worst <= 1e-6, "%d x %d to %d x %d, kernels %x: off by %g", s[0], s[1], s[2], s[3], cpu[k], worst);
        }
        free(want);
        window_release(&in);
        window_release(&out);
        window_release(&scratch);
        resampler_destroy(&r);
        CHECK(r == NULL);
    }
}

/* Any region, from no more input than it says it needs, is the whole's part to the last bit, on any number of threads. */
static void regions_as_the_whole(void)
{
    uint64_t random = 2;
    uint32_t cpu[4];
    const int cpus = picture_cpus(cpu);
    struct pool *pool = NULL;
    if (!CHECK_INT(pool_create(3, &pool, NULL), FM_OK)) return;
    for (int i = 0; i < SIZES * cpus; i++) {
        const int *s = sizes[i / cpus];
        struct resampler *r = make(s);
        struct window in = {0}, out = {0}, part = {0}, scratch = {0};
        picture_noise(&in, rect_whole(s[0], s[1]), 3, &random);
        picture_blank(&out, rect_whole(s[2], s[3]), 3);
        CHECK_INT(resampler_run(r, NULL, cpu[i % cpus], &in, &out, &scratch), FM_OK);
        for (int k = 0; k < 12; k++) {
            const struct rect at = picture_part(&random, s[2], s[3]), need = resampler_need(r, at);
            if (!CHECK(rect_contains(in.at, need))) break;
            struct window cut = picture_cut(&in, need);
            picture_blank(&part, at, 3);
            CHECK_INT(resampler_run(r, k & 1 ? pool : NULL, cpu[i % cpus], &cut, &part, &scratch), FM_OK);
            const bool same = picture_same(&part, &out, "region");
            window_release(&cut);
            if (!CHECK_MSG(same, "%d x %d to %d x %d, kernels %x", s[0], s[1], s[2], s[3], cpu[i % cpus])) break;
        }
        window_release(&in);
        window_release(&out);
        window_release(&part);
        window_release(&scratch);
        resampler_destroy(&r);
    }
    pool_destroy(&pool);
}

static void threads_give_the_same(void)
{
    uint64_t random = 3;
    struct pool *pool = NULL;
    if (!CHECK_INT(pool_create(5, &pool, NULL), FM_OK)) return;
    static const int large[][4] = {{200, 150, 400, 300}, {400, 300, 200, 130}};
    for (int i = 0; i < 2; i++) {
        struct resampler *r = make(large[i]);
        struct window in = {0}, one = {0}, many = {0}, scratch = {0};
        picture_noise(&in, rect_whole(large[i][0], large[i][1]), 3, &random);
        picture_blank(&one, rect_whole(large[i][2], large[i][3]), 3);
        picture_blank(&many, one.at, 3);
        CHECK_INT(resampler_run(r, NULL, cpu_flags(), &in, &one, &scratch), FM_OK);
        CHECK_INT(resampler_run(r, pool, cpu_flags(), &in, &many, &scratch), FM_OK);
        picture_same(&many, &one, "threads");
        window_release(&in);
        window_release(&one);
        window_release(&many);
        window_release(&scratch);
        resampler_destroy(&r);
    }
    pool_destroy(&pool);
}

/* A flat picture stays flat, whatever the ratio: weights of a pixel sum to one. */
static void flat_stays_flat(void)
{
    uint64_t random = 4;
    for (int i = 0; i < 200; i++) {
        const int s[4] = {
            picture_int(&random, 1, 60), picture_int(&random, 1, 60), picture_int(&random, 1, 60), picture_int(&random, 1, 60)};
        struct resampler *r = make(s);
        struct window in = {0}, out = {0}, scratch = {0};
        picture_blank(&in, rect_whole(s[0], s[1]), 1);
        for (size_t p = 0; p < window_plane(&in); p++) in.data[p] = 1;
        picture_blank(&out, rect_whole(s[2], s[3]), 1);
        CHECK_INT(resampler_run(r, NULL, cpu_flags(), &in, &out, &scratch), FM_OK);
        for (size_t p = 0; p < window_plane(&out); p++)
            if (!CHECK_NEAR(out.data[p], 1, 1e-6)) break;
        window_release(&in);
        window_release(&out);
        window_release(&scratch);
        resampler_destroy(&r);
    }
}

static void same_size_is_a_copy(void)
{
    uint64_t random = 5;
    const int s[4] = {19, 23, 19, 23}, wider[4] = {19, 23, 57, 23};
    struct resampler *r = make(s);
    struct window in = {0}, out = {0}, scratch = {0};
    picture_noise(&in, rect_whole(19, 23), 3, &random);
    in.data[7] = NAN;
    in.data[9] = 1e-41f;
    picture_blank(&out, in.at, 3);
    CHECK_INT(resampler_run(r, NULL, cpu_flags(), &in, &out, &scratch), FM_OK);
    CHECK_MEM(out.data, in.data, 3 * window_plane(&in) * sizeof(float));
    CHECK(!scratch.data);
    const struct rect at = {4, 5, 6, 7}, need = resampler_need(r, at);
    CHECK(need.x == 4 && need.y == 5 && need.w == 6 && need.h == 7);
    resampler_destroy(&r);
    /* three times as wide: the middle of three is the pixel itself */
    r = make(wider);
    in.data[7] = in.data[9] = 0.5f;
    picture_blank(&out, rect_whole(57, 23), 3);
    CHECK_INT(resampler_run(r, NULL, cpu_flags(), &in, &out, &scratch), FM_OK);
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < 23; y++)
            for (int x = 0; x < 19; x++)
                if (!CHECK(window_row(&out, c, y)[3 * x + 1] == window_row(&in, c, y)[x])) return;
    CHECK(!scratch.data);
    window_release(&in);
    window_release(&out);
    window_release(&scratch);
    resampler_destroy(&r);
}

/* What is said to be needed is what can be seen in the result: no more where no edge is near. */
static void need_is_exact(void)
{
    const int twice[4] = {100, 80, 200, 160}, half[4] = {200, 160, 100, 80};
    struct resampler *r = make(twice);
    struct rect need = resampler_need(r, (struct rect){40, 50, 1, 2}); /* centres 19.75; 24.75 and 25.25 */
    CHECK(need.x == 17 && need.w == 6 && need.y == 22 && need.h == 7);
    need = resampler_need(r, rect_whole(200, 160));
    CHECK(need.x == 0 && need.y == 0 && need.w == 100 && need.h == 80);
    need = resampler_need(r, (struct rect){0, 0, 0, 0});
    CHECK(rect_is_empty(need));
    resampler_destroy(&r);
    r = make(half);
    need = resampler_need(r, (struct rect){50, 40, 1, 1}); /* centres 100.5, 80.5; six samples to either side */
    CHECK(need.x == 95 && need.w == 12 && need.y == 75 && need.h == 12);
    need = resampler_need(r, (struct rect){98, 0, 2, 1});
    CHECK(need.x + need.w == 200 && need.y == 0);
    resampler_destroy(&r);
}

static void refusals_and_lost_memory(void)
{
    struct fm_error error = {0};
    struct resampler *r = NULL;
    CHECK_INT(resampler_create(0, 5, 5, 5, &r, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "0 x 5");
    CHECK_INT(resampler_create(5, 5, 5, -1, &r, NULL), FM_ERR_ARGUMENT);
    CHECK_INT(resampler_create(5, INT32_MAX, 5, 5, &r, NULL), FM_ERR_ARGUMENT);
    CHECK(r == NULL);
    resampler_destroy(&r);
    const int64_t live = core_alloc_live();
    int code = FM_ERR_NOMEM, tries = 0;
    for (uint64_t n = 1; code == FM_ERR_NOMEM && n < 50; n++, tries++) {
        core_alloc_fail_after(n, false);
        code = resampler_create(40, 30, 50, 60, &r, &error);
        if (code != FM_OK && !CHECK_INT(core_alloc_live(), live)) break;
    }
    core_alloc_fail_after(0, false);
    CHECK_INT(code, FM_OK);
    CHECK(tries > 6);
    uint64_t random = 6;
    struct window in = {0}, out = {0}, scratch = {0};
    picture_noise(&in, rect_whole(40, 30), 1, &random);
    picture_blank(&out, rect_whole(50, 60), 1);
    core_alloc_fail_after(1, false);
    CHECK_INT(resampler_run(r, NULL, 0, &in, &out, &scratch), FM_ERR_NOMEM);
    core_alloc_fail_after(0, false);
    window_release(&in);
    window_release(&out);
    window_release(&scratch);
    resampler_destroy(&r);
    CHECK_INT(core_alloc_live(), live);
}

/* Long sides: places beyond 32 bits. */
static void long_sides(void)
{
    const int s[4] = {1 << 20, 1, 3 << 18, 1}, shrink[4] = {1 << 16, 2, 3, 2};
    struct resampler *r = make(s);
    struct rect need = resampler_need(r, (struct rect){(3 << 18) - 1, 0, 1, 1});
    CHECK(need.x + need.w == 1 << 20 && need.w <= 8);
    need = resampler_need(r, (struct rect){3 << 17, 0, 1, 1}); /* centre 524288 + 1/6, four samples to either side */
    CHECK(need.x == 524285 && need.w == 8);
    resampler_destroy(&r);
    r = make(shrink);
    need = resampler_need(r, (struct rect){0, 0, 3, 2});
    CHECK(need.x == 0 && need.w == 1 << 16 && need.h == 2);
    resampler_destroy(&r);
}

int main(void)
{
    RUN(as_defined);
    RUN(regions_as_the_whole);
    RUN(threads_give_the_same);
    RUN(flat_stays_flat);
    RUN(same_size_is_a_copy);
    RUN(need_is_exact);
    RUN(refusals_and_lost_memory);
    RUN(long_sides);
    return check_report();
}
