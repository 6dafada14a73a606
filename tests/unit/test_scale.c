/* SPDX-License-Identifier: MIT */
/* Planes of video to other sizes: against the definition in doubles, chroma where it lies, in any part, on any number of threads. */
#define _GNU_SOURCE
#include "convert/scale.h"

#include "video_picture.h"

static struct scale *make(enum resample_kind kind, const struct video_frame *from, const struct video_frame *to)
{
    struct scale *s = NULL;
    if (!CHECK_INT(
            scale_create(kind, &from->format, from->width, from->height, &to->format, to->width, to->height, &s, NULL), FM_OK))
        abort();
    return s;
}

/* ---- the definition ---- */

static double curve(enum resample_kind kind, double x)
{
    const double pi = 3.14159265358979323846;
    if (kind == RESAMPLE_BILINEAR) return fabs(x) < 1 ? 1 - fabs(x) : 0;
    if (fabs(x) < 1e-9) return 1;
    return fabs(x) < 3 ? 3 * sin(pi * x) * sin(pi * x / 3) / (pi * pi * x * x) : 0;
}

/* One axis: where sample j of the result lies in units of the samples that are read, by way of its place on the picture. */
struct axis {
    int n;           /* samples that are read */
    double at, wide; /* place; samples that the filter's unit spans */
};

static struct axis axis_of(int n, int j, double cell_in, double site_in, double cell_out, double site_out, double ratio)
{
    const double place = (j * cell_out + site_out) * ratio; /* in luma samples of the frame that is read, from its edge */
    const double step = cell_out * ratio / cell_in;
    return (struct axis){n, (place - site_in) / cell_in, step > 1 ? step : 1};
}

#define REACH 64

/* Weights of samples around a place, the first of them in *first; returns how many. */
static int weigh(enum resample_kind kind, struct axis a, double weights[REACH], int *first)
{
    const int last = (int) ceil(a.at + 3 * a.wide) + 1;
    *first = (int) floor(a.at - 3 * a.wide) - 1;
    if (last - *first >= REACH) abort();
    for (int i = *first; i <= last; i++) weights[i - *first] = curve(kind, (i - a.at) / a.wide);
    return last - *first + 1;
}

static int edge(int i, int n)
{
    return i < 0 ? 0 : i < n ? i : n - 1;
}

static double define(enum resample_kind kind, const struct video_frame *from, int plane, struct axis x, struct axis y)
{
    double across[REACH], along[REACH], sum = 0, all = 0;
    int top, left;
    const int rows = weigh(kind, y, across, &top), columns = weigh(kind, x, along, &left);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            const double w = across[i] * along[j];
            all += w;
            if (w != 0) sum += w * video_get(from, plane, edge(left + j, x.n), edge(top + i, y.n));
        }
    return sum / all;
}

static void cells(struct video_format f, int plane, double *w, double *h)
{
    *w = video_is_chroma(f, plane) ? 2 : 1;
    *h = video_is_chroma(f, plane) && f.layout == VIDEO_420 ? 2 : 1;
}

static void compare(enum resample_kind kind, const struct video_frame *from, const struct video_frame *to, int plane)
{
    const struct rect all = video_plane_whole(to, plane), in = video_plane_whole(from, plane);
    double in_w, in_h, out_w, out_h;
    cells(from->format, plane, &in_w, &in_h);
    cells(to->format, plane, &out_w, &out_h);
    for (int y = 0; y < all.h; y++)
        for (int x = 0; x < all.w; x++) {
            const struct axis ax = axis_of(in.w, x, in_w, video_site_x(from->format, plane), out_w, video_site_x(to->format, plane),
                                  (double) from->width / to->width),
                              ay = axis_of(in.h, y, in_h, video_site_y(from->format, plane), out_h, video_site_y(to->format, plane),
                                  (double) from->height / to->height);
            double want = define(kind, from, plane, ax, ay);
            want = want < 0 ? 0 : want > video_most(to->format) ? video_most(to->format) : want;
            const int got = video_get(to, plane, x, y);
            if (!CHECK_MSG(fabs(got - want) <= 0.53,
                    "%d x %d to %d x %d, layouts %d and %d, siting %d: plane %d, %d, %d is %d, must be %g", from->width,
                    from->height, to->width, to->height, (int) from->format.layout, (int) to->format.layout,
                    (int) from->format.siting, plane, x, y, got, want))
                return;
        }
}

static void planes_as_defined(void)
{
    static const int sizes[][4] = {{1, 1, 2, 2}, {1, 1, 7, 3}, {17, 13, 34, 26}, {20, 16, 40, 32}, {17, 13, 33, 25},
        {16, 18, 48, 54}, {33, 21, 20, 13}, {24, 24, 24, 24}, {40, 9, 13, 30}};
    uint64_t random = 1;
    uint32_t cpu[4];
    const int cpus = picture_cpus(cpu);
    struct scale_scratch scratch = {0};
    for (int i = 0; i < 9 * 30; i++) {
        const int *s = sizes[i % 9];
        const struct video_format f = {.layout = (enum video_layout)(i / 9 % 5),
            .bits = 8 + i % 9,
            .alpha = i & 1,
            .siting = (enum video_siting)(i / 9 % 6),
            .matrix = i / 9 % 5 == 4 ? 0 : 1};
        const enum resample_kind kind = i & 4 ? RESAMPLE_BILINEAR : RESAMPLE_LANCZOS;
        struct video_frame from = video_noise(f, s[0], s[1], &random), to = video_blank(f, s[2], s[3]);
        struct scale *scale = make(kind, &from, &to);
        CHECK_INT(scale_planes(scale, NULL, cpu[i % cpus], &from, &to, 0, &scratch), FM_OK);
        for (int plane = 0; plane < video_planes(f); plane++) compare(kind, &from, &to, plane);
        scale_destroy(&scale);
        CHECK(scale == NULL);
        video_free(&from);
        video_free(&to);
    }
    scale_scratch_release(&scratch);
}

/* From one layout and siting to another, where chroma's grids differ. */
static void layouts_change(void)
{
    static const enum video_layout pairs[][2] = {{VIDEO_420, VIDEO_444}, {VIDEO_444, VIDEO_420}, {VIDEO_422, VIDEO_420},
        {VIDEO_420, VIDEO_422}, {VIDEO_420, VIDEO_420}, {VIDEO_422, VIDEO_444}};
    uint64_t random = 2;
    struct scale_scratch scratch = {0};
    for (int i = 0; i < 36; i++) {
        struct video_format a = {.layout = pairs[i % 6][0], .bits = 8, .siting = (enum video_siting)(i / 6), .matrix = 1}, b = a;
        b.layout = pairs[i % 6][1];
        b.siting = (enum video_siting)((i / 6 + i) % 6);
        struct video_frame from = video_noise(a, 19, 15, &random), to = video_blank(b, i & 1 ? 19 : 38, i & 2 ? 15 : 31);
        struct scale *scale = make(RESAMPLE_LANCZOS, &from, &to);
        CHECK_INT(scale_planes(scale, NULL, cpu_flags(), &from, &to, 0, &scratch), FM_OK);
        for (int plane = 0; plane < 3; plane++) compare(RESAMPLE_LANCZOS, &from, &to, plane);
        scale_destroy(&scale);
        video_free(&from);
        video_free(&to);
    }
    scale_scratch_release(&scratch);
}

/* Black, white and no colour are that in every depth and range. */
static void levels_change(void)
{
    struct scale_scratch scratch = {0};
    for (int i = 0; i < 9 * 9 * 4; i++) {
        const struct video_format a = {.layout = VIDEO_444, .bits = 8 + i % 9, .full = i / 81 & 1, .matrix = 1, .alpha = true};
        const struct video_format b = {.layout = VIDEO_444, .bits = 8 + i / 9 % 9, .full = i / 162, .matrix = 1, .alpha = true};
        const int ka = 1 << (a.bits - 8), kb = 1 << (b.bits - 8), ma = video_most(a), mb = video_most(b);
        const int from_v[2][4] = {{a.full ? 0 : 16 * ka, 128 * ka, 128 * ka, 0}, {a.full ? ma : 235 * ka, 128 * ka, 128 * ka, ma}};
        const int to_v[2][4] = {{b.full ? 0 : 16 * kb, 128 * kb, 128 * kb, 0}, {b.full ? mb : 235 * kb, 128 * kb, 128 * kb, mb}};
        struct video_frame from = video_blank(a, 2, 3), to = video_blank(b, 2, 3);
        struct scale *scale = make(RESAMPLE_LANCZOS, &from, &to);
        for (int level = 0; level < 2; level++) {
            for (int plane = 0; plane < 4; plane++)
                for (int k = 0; k < 6; k++) video_put(&from, plane, k % 2, k / 2, from_v[level][plane]);
            CHECK_INT(scale_planes(scale, NULL, cpu_flags(), &from, &to, 0, &scratch), FM_OK);
            for (int plane = 0; plane < 4; plane++)
                CHECK_MSG(video_get(&to, plane, 1, 2) == to_v[level][plane], "%d bits, full %d to %d, full %d: plane %d is %d",
                    a.bits, a.full, b.bits, b.full, plane, video_get(&to, plane, 1, 2));
        }
        scale_destroy(&scale);
        video_free(&from);
        video_free(&to);
    }
    scale_scratch_release(&scratch);
}

static void what_is_not_there_is_neutral(void)
{
    uint64_t random = 3;
    struct scale_scratch scratch = {0};
    for (int bits = 8; bits <= 10; bits += 2) {
        const struct video_format grey = {.layout = VIDEO_GREY, .bits = bits, .matrix = 1},
                                  colour = {.layout = VIDEO_420, .bits = bits, .matrix = 1, .alpha = true};
        struct video_frame a = video_noise(grey, 9, 7, &random), b = video_blank(colour, 18, 14), c = video_blank(grey, 9, 7);
        struct scale *up = make(RESAMPLE_LANCZOS, &a, &b), *down = make(RESAMPLE_LANCZOS, &b, &c);
        CHECK_INT(scale_planes(up, NULL, cpu_flags(), &a, &b, 0, &scratch), FM_OK);
        for (int k = 0; k < 63; k++) {
            CHECK_INT(video_get(&b, 1, k % 9, k / 9), 128 << (bits - 8));
            CHECK_INT(video_get(&b, 2, k % 9, k / 9), 128 << (bits - 8));
            CHECK_INT(video_get(&b, 3, 2 * (k % 9), 2 * (k / 9)), video_most(colour));
        }
        CHECK(rect_is_empty(scale_need(up, 1, rect_whole(9, 7))));
        CHECK(rect_is_empty(scale_need(up, 3, rect_whole(9, 7))));
        compare(RESAMPLE_LANCZOS, &a, &b, 0);
        CHECK_INT(scale_planes(down, NULL, cpu_flags(), &b, &c, 0, &scratch), FM_OK);
        compare(RESAMPLE_LANCZOS, &b, &c, 0);
        scale_destroy(&up);
        scale_destroy(&down);
        video_free(&a);
        video_free(&b);
        video_free(&c);
    }
    scale_scratch_release(&scratch);
}

/* The same size is the same frame, and costs no memory. */
static void the_same_is_a_copy(void)
{
    uint64_t random = 4;
    struct scale_scratch scratch = {0};
    const struct video_format f = {.layout = VIDEO_420, .bits = 10, .matrix = 2, .alpha = true, .siting = VIDEO_SITING_TOPLEFT};
    struct video_frame from = video_noise(f, 21, 15, &random), to = video_blank(f, 21, 15);
    struct scale *s = make(RESAMPLE_BILINEAR, &from, &to);
    CHECK_INT(scale_planes(s, NULL, cpu_flags(), &from, &to, 1, &scratch), FM_OK);
    CHECK_INT(to.plane[0][0], 0xa5);
    CHECK_INT(scale_planes(s, NULL, cpu_flags(), &from, &to, 0, &scratch), FM_OK);
    for (int plane = 0; plane < 4; plane++) video_same(&to, &from, plane, video_plane_whole(&to, plane), "copy");
    CHECK(!scratch.in.data && !scratch.out.data);
    const struct rect at = {3, 2, 4, 5}, need = scale_need(s, 1, at);
    CHECK(need.x == 3 && need.y == 2 && need.w == 4 && need.h == 5);
    scale_destroy(&s);
    video_free(&from);
    video_free(&to);
}

static void parts_as_the_whole(void)
{
    uint64_t random = 5;
    uint32_t cpu[4];
    const int cpus = picture_cpus(cpu);
    struct pool *pool = NULL;
    struct scale_scratch scratch = {0};
    if (!CHECK_INT(pool_create(3, &pool, NULL), FM_OK)) return;
    for (int i = 0; i < 30; i++) {
        const struct video_format f = {
            .layout = (enum video_layout)(i % 5), .bits = i & 1 ? 8 : 10, .siting = (enum video_siting)(i % 6)};
        struct video_frame from = video_noise(f, picture_int(&random, 1, 90), picture_int(&random, 1, 90), &random);
        struct video_frame whole = video_blank(f, picture_int(&random, 1, 200), picture_int(&random, 1, 200)),
                           part = video_blank(f, whole.width, whole.height), many = video_blank(f, whole.width, whole.height);
        struct scale *s = make(RESAMPLE_LANCZOS, &from, &whole);
        CHECK_INT(scale_planes(s, NULL, cpu[i % cpus], &from, &whole, 0, &scratch), FM_OK);
        CHECK_INT(scale_planes(s, pool, cpu[i % cpus], &from, &many, 0, &scratch), FM_OK);
        for (int plane = 0; plane < video_planes(f); plane++) {
            const struct rect all = video_plane_whole(&whole, plane);
            if (!video_same(&many, &whole, plane, all, "threads")) break;
            for (int k = 0; k < 6; k++) {
                const struct rect at = picture_part(&random, all.w, all.h);
                CHECK(rect_contains(video_plane_whole(&from, plane), scale_need(s, plane, at)));
                CHECK_INT(scale_plane(s, NULL, cpu[i % cpus], &from, &part, plane, at, &scratch), FM_OK);
                if (!video_same(&part, &whole, plane, at, "part")) break;
            }
        }
        scale_destroy(&s);
        video_free(&from);
        video_free(&whole);
        video_free(&part);
        video_free(&many);
    }
    scale_scratch_release(&scratch);
    pool_destroy(&pool);
}

static void a_part_touches_nothing_else(void)
{
    uint64_t random = 6;
    struct scale_scratch scratch = {0};
    for (int bits = 8; bits <= 12; bits += 4) {
        const struct video_format f = {.layout = VIDEO_420, .bits = bits, .matrix = 1};
        struct video_frame from = video_noise(f, 30, 20, &random), to = video_blank(f, 60, 40);
        struct scale *s = make(RESAMPLE_LANCZOS, &from, &to);
        const struct rect at = {5, 6, 17, 9};
        const int untouched = video_get(&to, 1, 0, 0);
        CHECK_INT(scale_plane(s, NULL, cpu_flags(), &from, &to, 1, at, &scratch), FM_OK);
        for (int y = 0; y < 20; y++)
            for (int x = 0; x < 30; x++)
                if (!rect_contains(at, (struct rect){x, y, 1, 1})) CHECK_INT(video_get(&to, 1, x, y), untouched);
        CHECK_INT(video_get(&to, 2, 6, 7), untouched);
        CHECK_INT(scale_plane(s, NULL, cpu_flags(), &from, &to, 1, (struct rect){0}, &scratch), FM_OK);
        scale_destroy(&s);
        video_free(&from);
        video_free(&to);
    }
    scale_scratch_release(&scratch);
}

static void memory(void)
{
    uint64_t random = 7;
    const int64_t live = core_alloc_live();
    const struct video_format f = {.layout = VIDEO_420, .bits = 8, .matrix = 1};
    struct video_frame from = video_noise(f, 90, 70, &random), to = video_blank(f, 180, 140);
    struct scale *s = NULL;
    int code = FM_ERR_NOMEM, tries = 0;
    for (uint64_t n = 1; code == FM_ERR_NOMEM && n < 50; n++, tries++) {
        core_alloc_fail_after(n, false);
        code = scale_create(RESAMPLE_LANCZOS, &f, 90, 70, &f, 180, 140, &s, NULL);
        if (code != FM_OK && !CHECK_INT(core_alloc_live(), live)) break;
    }
    core_alloc_fail_after(0, false);
    CHECK_INT(code, FM_OK);
    CHECK(tries > 10);
    struct scale_scratch scratch = {0};
    for (uint64_t n = 1; n <= 3; n++) {
        core_alloc_fail_after(n, false);
        CHECK_INT(scale_planes(s, NULL, 0, &from, &to, 0, &scratch), FM_ERR_NOMEM);
        core_alloc_fail_after(0, false);
        scale_scratch_release(&scratch);
    }
    CHECK_INT(scale_planes(s, NULL, 0, &from, &to, 0, &scratch), FM_OK);
    const uint64_t count = core_alloc_count();
    CHECK_INT(scale_planes(s, NULL, 0, &from, &to, 0, &scratch), FM_OK);
    CHECK_INT(core_alloc_count() - count, 0);
    scale_scratch_release(&scratch);
    scale_destroy(&s);
    scale_destroy(&s);
    video_free(&from);
    video_free(&to);
    CHECK_INT(core_alloc_live(), live);
}

static void refusals(void)
{
    const struct video_format yuv = {.layout = VIDEO_420, .bits = 8}, rgb = {.layout = VIDEO_RGB, .bits = 8}, deep = {.bits = 17};
    struct fm_error error = {0};
    struct scale *s = NULL;
    CHECK_INT(scale_create(RESAMPLE_LANCZOS, &yuv, 8, 8, &rgb, 8, 8, &s, &error), FM_ERR_UNSUPPORTED);
    CHECK_HAS(error.message, "RGB");
    CHECK_INT(scale_create(RESAMPLE_LANCZOS, &rgb, 8, 8, &yuv, 8, 8, &s, NULL), FM_ERR_UNSUPPORTED);
    CHECK_INT(scale_create(RESAMPLE_LANCZOS, &yuv, 0, 8, &yuv, 8, 8, &s, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "0 x 8");
    CHECK_INT(scale_create(RESAMPLE_LANCZOS, &yuv, 8, 8, &yuv, 8, INT32_MAX, &s, NULL), FM_ERR_ARGUMENT);
    CHECK_INT(scale_create(RESAMPLE_LANCZOS, &yuv, 8, 8, &deep, 8, 8, &s, NULL), FM_ERR_ARGUMENT);
    CHECK(s == NULL);
}

int main(void)
{
    RUN(planes_as_defined);
    RUN(layouts_change);
    RUN(levels_change);
    RUN(what_is_not_there_is_neutral);
    RUN(the_same_is_a_copy);
    RUN(parts_as_the_whole);
    RUN(a_part_touches_nothing_else);
    RUN(memory);
    RUN(refusals);
    return check_report();
}
