/* SPDX-License-Identifier: MIT */
/* Between planes of video and windows: exact both ways, colours by their standards, chroma where it lies. */
#define _GNU_SOURCE
#include "convert/planes.h"

#include "video_picture.h"

static struct planes *make(const struct video_format *f, int width, int height, int channels, bool full)
{
    struct planes *p = NULL;
    struct fm_error error = {0};
    if (!CHECK_INT(planes_create(f, width, height, (struct planes_form){channels, full}, &p, &error), FM_OK)) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
    return p;
}

/* ---- luma ---- */

/* What a sample is to a network of luma, by the definition of ranges. */
static double luma_level(int v, const struct video_format *f, bool full)
{
    const double most = video_most(*f), unit = 1 << (f->bits - 8);
    const double grey = f->full ? v / most : (v / unit - 16) / 219; /* black 0, white 1 */
    return full ? grey : (16 + 219 * grey) / 255;
}

static void every_sample_of_luma_comes_back(void)
{
    uint32_t cpu[4];
    const int cpus = picture_cpus(cpu);
    struct planes_scratch scratch = {0};
    for (int i = 0; i < 9 * 4 * cpus; i++) {
        struct video_format f = {.layout = i & 1 ? VIDEO_420 : VIDEO_GREY, .bits = 8 + i % 9, .full = i / 9 & 1, .matrix = 2};
        const bool full = i / 18 & 1;
        const int width = 251, values = 1 << f.bits, height = (values + width - 1) / width;
        struct planes *p = make(&f, width, height, 1, full);
        struct video_frame frame = video_blank(f, width, height), back = video_blank(f, width, height);
        for (int k = 0; k < width * height; k++) video_put(&frame, 0, k % width, k / width, k % values);
        struct window w = {0};
        picture_blank(&w, rect_whole(width, height), 1);
        CHECK_INT(planes_unpack(p, NULL, cpu[i / 36], &frame, &w, &scratch), FM_OK);
        for (int k = 0; k < values; k++)
            if (!CHECK_MSG(fabs((double) w.data[k] - luma_level(k, &f, full)) < 1.3e-7, "%d of %d bits, full %d, network full %d",
                    k, f.bits, f.full, full))
                break;
        uint64_t nan = 0;
        CHECK_INT(planes_pack(p, NULL, cpu[i / 36], &w, w.at, &back, &scratch, &nan), FM_OK);
        CHECK_INT(nan, 0);
        video_same(&back, &frame, 0, w.at, "luma");
        CHECK(!scratch.wide.data);
        if (f.layout == VIDEO_420) CHECK(back.plane[1][0] == 0xa5); /* chroma is not touched */
        window_release(&w);
        video_free(&frame);
        video_free(&back);
        planes_destroy(&p);
        CHECK(p == NULL);
    }
    planes_scratch_release(&scratch);
}

static void levels_by_name(void)
{
    static const struct {
        int bits, v;
        bool full, network_full;
        float want;
    } cases[] = {
        {8, 16, false, false, 16.0f / 255},
        {8, 235, false, false, 235.0f / 255},
        {8, 255, false, false, 1},
        {8, 0, false, false, 0},
        {10, 64, false, false, 16.0f / 255},
        {10, 940, false, false, 235.0f / 255},
        {16, 4096, false, false, 16.0f / 255},
        {8, 0, true, false, 16.0f / 255},
        {8, 255, true, false, 235.0f / 255},
        {10, 1023, true, false, 235.0f / 255},
        {8, 16, false, true, 0},
        {8, 235, false, true, 1},
        {12, 3760, false, true, 1},
        {8, 255, true, true, 1},
        {16, 65535, true, true, 1},
    };
    struct planes_scratch scratch = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct video_format f = {.layout = VIDEO_GREY, .bits = cases[i].bits, .full = cases[i].full};
        struct planes *p = make(&f, 1, 1, 1, cases[i].network_full);
        struct video_frame frame = video_blank(f, 1, 1);
        video_put(&frame, 0, 0, 0, cases[i].v);
        struct window w = {0};
        picture_blank(&w, rect_whole(1, 1), 1);
        CHECK_INT(planes_unpack(p, NULL, cpu_flags(), &frame, &w, &scratch), FM_OK);
        CHECK_MSG(w.data[0] == cases[i].want, "case %d: %.9g, must be %.9g", (int) i, (double) w.data[0], (double) cases[i].want);
        window_release(&w);
        video_free(&frame);
        planes_destroy(&p);
    }
    planes_scratch_release(&scratch);
}

static void what_networks_make_is_rounded_and_cut(void)
{
    static const float in[] = {-0.1f, 1.1f, INFINITY, -INFINITY, NAN, 100.4f / 255, 100.6f / 255, 3.0f / 255, 250.0f / 255, -NAN};
    static const int want[] = {0, 255, 255, 0, 0, 100, 101, 3, 250, 0};
    const int n = (int) (sizeof in / sizeof in[0]);
    const struct video_format f = {.layout = VIDEO_GREY, .bits = 8};
    struct planes *p = make(&f, n, 1, 1, false);
    struct video_frame frame = video_blank(f, n, 1);
    struct planes_scratch scratch = {0};
    struct window w = {0};
    picture_blank(&w, rect_whole(n, 1), 1);
    memcpy(w.data, in, sizeof in);
    uint64_t nan = 5;
    CHECK_INT(planes_pack(p, NULL, cpu_flags(), &w, w.at, &frame, &scratch, &nan), FM_OK);
    CHECK_INT(nan, 7); /* added */
    for (int x = 0; x < n; x++) CHECK_INT(video_get(&frame, 0, x, 0), want[x]);
    CHECK_INT(planes_pack(p, NULL, cpu_flags(), &w, (struct rect){0}, &frame, &scratch, &nan), FM_OK);
    window_release(&w);
    video_free(&frame);
    planes_destroy(&p);
}

/* ---- colours ---- */

/* Pure colours in 8 bits, studio, as the standards' tables have them. */
static void colours_by_the_standards(void)
{
    static const struct {
        int matrix;
        float rgb[3];
        int yuv[3];
    } cases[] = {
        {6, {1, 0, 0}, {81, 90, 240}}, {6, {0, 1, 0}, {145, 54, 34}}, {5, {0, 0, 1}, {41, 240, 110}},
        {1, {1, 0, 0}, {63, 102, 240}}, {1, {0, 1, 0}, {173, 42, 26}}, {1, {0, 0, 1}, {32, 240, 118}},
        {9, {1, 0, 0}, {74, 97, 240}}, {9, {0, 0, 1}, {29, 240, 119}}, {1, {1, 1, 1}, {235, 128, 128}},
        {7, {0, 0, 0}, {16, 128, 128}}, {4, {1, 1, 1}, {235, 128, 128}}, {7, {1, 0, 0}, {62, 102, 240}},
        {8, {0, 1, 0}, {126, 238, 128}},
        {8, {1, 0, 0}, {71, 73, 238}}, /* YCgCo: differences as wide as luma; 237.5 and 125.5 to even */
    };
    struct planes_scratch scratch = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct video_format f = {.layout = VIDEO_444, .bits = 8, .matrix = cases[i].matrix};
        struct planes *p = make(&f, 1, 1, 3, true);
        struct video_frame frame = video_blank(f, 1, 1);
        struct window w = {0};
        picture_blank(&w, rect_whole(1, 1), 3);
        memcpy(w.data, cases[i].rgb, sizeof cases[i].rgb);
        uint64_t nan = 0;
        CHECK_INT(planes_pack(p, NULL, cpu_flags(), &w, w.at, &frame, &scratch, &nan), FM_OK);
        for (int k = 0; k < 3; k++)
            CHECK_MSG(abs(video_get(&frame, k, 0, 0) - cases[i].yuv[k]) <= (cases[i].matrix == 8),
                "matrix %d, colour %d, plane %d: %d, must be %d", cases[i].matrix, (int) i, k, video_get(&frame, k, 0, 0),
                cases[i].yuv[k]);
        window_release(&w);
        video_free(&frame);
        planes_destroy(&p);
    }
    planes_scratch_release(&scratch);
}

/* The definition, from R, G, B to luma and differences. */
static void define_yuv(int matrix, const double rgb[3], double yuv[3])
{
    static const double shares[10][2] = {[1] = {0.2126, 0.0722},
        [4] = {0.30, 0.11},
        [5] = {0.299, 0.114},
        [6] = {0.299, 0.114},
        [7] = {0.212, 0.087},
        [9] = {0.2627, 0.0593}};
    if (matrix == 8) {
        yuv[0] = 0.5 * rgb[1] + 0.25 * (rgb[0] + rgb[2]);
        yuv[1] = 0.5 * rgb[1] - 0.25 * (rgb[0] + rgb[2]);
        yuv[2] = 0.5 * (rgb[0] - rgb[2]);
        return;
    }
    const double r = shares[matrix][0], b = shares[matrix][1];
    yuv[0] = r * rgb[0] + (1 - r - b) * rgb[1] + b * rgb[2];
    yuv[1] = (rgb[2] - yuv[0]) / (2 - 2 * b);
    yuv[2] = (rgb[0] - yuv[0]) / (2 - 2 * r);
}

static void level_of(const struct video_format *f, int plane, double *zero, double *span)
{
    const double most = video_most(*f), unit = 1 << (f->bits - 8);
    *zero = plane ? 128 * unit : f->full ? 0 : 16 * unit;
    *span = f->full ? most : (plane && f->matrix != 8 ? 224 : 219) * unit;
}

/* Any samples, colours that no R, G, B in 0 .. 1 has included: what is made of them is what the definition says, and comes back. */
static void colours_come_back(void)
{
    static const int matrices[] = {1, 4, 5, 6, 7, 8, 9};
    uint64_t random = 1;
    uint32_t cpu[4];
    const int cpus = picture_cpus(cpu);
    struct planes_scratch scratch = {0};
    for (int i = 0; i < 7 * 9 * 2; i++) {
        const struct video_format f = {.layout = VIDEO_444, .bits = 8 + i % 9, .full = i / 63, .matrix = matrices[i % 7]};
        const int width = 67, height = 50;
        struct planes *p = make(&f, width, height, 3, true);
        struct video_frame frame = video_noise(f, width, height, &random), back = video_blank(f, width, height);
        for (int k = 0; k < 8; k++) /* the corners of all there is */
            for (int plane = 0; plane < 3; plane++) video_put(&frame, plane, k, 0, k >> plane & 1 ? video_most(f) : 0);
        struct window w = {0};
        picture_blank(&w, rect_whole(width, height), 3);
        CHECK_INT(planes_unpack(p, NULL, cpu[i % cpus], &frame, &w, &scratch), FM_OK);
        for (int k = 0; k < width * height; k++) {
            double rgb[3], yuv[3], zero, span;
            bool good = true;
            for (int c = 0; c < 3; c++) rgb[c] = (double) window_row(&w, c, k / width)[k % width];
            define_yuv(f.matrix, rgb, yuv);
            for (int c = 0; c < 3 && good; c++) {
                level_of(&f, c, &zero, &span);
                good = CHECK_MSG(fabs(yuv[c] - (video_get(&frame, c, k % width, k / width) - zero) / span) < 1e-6,
                    "matrix %d, %d bits, full %d: plane %d is %.9g", f.matrix, f.bits, f.full, c, yuv[c]);
            }
            if (!good) break;
        }
        uint64_t nan = 0;
        CHECK_INT(planes_pack(p, NULL, cpu[i % cpus], &w, w.at, &back, &scratch, &nan), FM_OK);
        for (int plane = 0; plane < 3; plane++) video_same(&back, &frame, plane, w.at, "4:4:4");
        window_release(&w);
        video_free(&frame);
        video_free(&back);
        planes_destroy(&p);
    }
    planes_scratch_release(&scratch);
}

/* Planes that are R, G, B, by their layout or by their matrix; grey in three channels. */
static void planes_that_are_channels(void)
{
    uint64_t random = 2;
    struct planes_scratch scratch = {0};
    for (int i = 0; i < 9 * 6; i++) {
        const struct video_format f = {.layout = i % 3 == 0   ? VIDEO_RGB
                                                 : i % 3 == 1 ? VIDEO_444
                                                              : VIDEO_GREY,
            .bits = 8 + i / 6,
            .full = i & 1,
            .alpha = i / 2 & 1,
            .matrix = i % 3 == 2 ? 2 : 0};
        struct planes *p = make(&f, 31, 9, 3, true);
        struct video_frame frame = video_noise(f, 31, 9, &random), back = video_blank(f, 31, 9);
        struct window w = {0};
        picture_blank(&w, rect_whole(31, 9), 3);
        CHECK_INT(planes_unpack(p, NULL, cpu_flags(), &frame, &w, &scratch), FM_OK);
        double zero, span;
        level_of(&f, 0, &zero, &span);
        static const int plane_of[3] = {2, 0, 1}; /* R, G, B among G, B, R */
        for (int c = 0; c < 3; c++)
            for (int k = 0; k < 31 * 9; k++) {
                const int v = video_get(&frame, f.layout == VIDEO_GREY ? 0 : plane_of[c], k % 31, k / 31);
                if (!CHECK_NEAR(window_row(&w, c, k / 31)[k % 31], (v - zero) / span, 1.2e-7)) break;
            }
        uint64_t nan = 0;
        CHECK_INT(planes_pack(p, NULL, cpu_flags(), &w, w.at, &back, &scratch, &nan), FM_OK);
        for (int plane = 0; plane < video_colour_planes(f.layout); plane++) video_same(&back, &frame, plane, w.at, "channels");
        if (f.alpha) CHECK_INT(back.plane[video_colour_planes(f.layout)][0], 0xa5);
        window_release(&w);
        video_free(&frame);
        video_free(&back);
        planes_destroy(&p);
    }
    planes_scratch_release(&scratch);
}

static void what_is_taken_when_nothing_is_said(void)
{
    struct video_format f = {.matrix = 2};
    CHECK_INT(planes_matrix(&f, 640, 360), 6);
    CHECK_INT(planes_matrix(&f, 1279, 719), 6);
    CHECK_INT(planes_matrix(&f, 1280, 10), 1);
    CHECK_INT(planes_matrix(&f, 10, 720), 1);
    f.matrix = 3;
    CHECK_INT(planes_matrix(&f, 640, 360), 6);
    f.matrix = 9;
    CHECK_INT(planes_matrix(&f, 640, 360), 9);
    f.matrix = 0;
    CHECK_INT(planes_matrix(&f, 640, 360), 0);
    /* and it is taken: red of 1280 x 2 is that of BT.709 */
    for (int i = 0; i < 2; i++) {
        f = (struct video_format){.layout = VIDEO_444, .bits = 8, .matrix = 2};
        const int width = i ? 1280 : 2;
        struct planes *p = make(&f, width, 2, 3, true);
        struct video_frame frame = video_blank(f, width, 2);
        struct planes_scratch scratch = {0};
        struct window w = {0};
        picture_blank(&w, rect_whole(width, 2), 3);
        for (int c = 0; c < 3; c++)
            for (int x = 0; x < width; x++) window_row(&w, c, 0)[x] = window_row(&w, c, 1)[x] = c == 0;
        uint64_t nan = 0;
        CHECK_INT(planes_pack(p, NULL, cpu_flags(), &w, w.at, &frame, &scratch, &nan), FM_OK);
        CHECK_INT(video_get(&frame, 0, 1, 1), i ? 63 : 81);
        CHECK_INT(video_get(&frame, 1, 1, 1), i ? 102 : 90);
        window_release(&w);
        video_free(&frame);
        planes_scratch_release(&scratch);
        planes_destroy(&p);
    }
}

static void refusals(void)
{
    struct fm_error error = {0};
    struct planes *p = NULL;
    struct video_format f = {.layout = VIDEO_RGB, .bits = 8};
    CHECK_INT(planes_create(&f, 8, 8, (struct planes_form){1, false}, &p, &error), FM_ERR_UNSUPPORTED);
    CHECK_HAS(error.message, "luma");
    f = (struct video_format){.layout = VIDEO_420, .bits = 8, .matrix = 0};
    CHECK_INT(planes_create(&f, 8, 8, (struct planes_form){3, true}, &p, &error), FM_ERR_UNSUPPORTED);
    CHECK_HAS(error.message, "smaller");
    CHECK_INT(planes_create(&f, 0, 8, (struct planes_form){1, true}, &p, NULL), FM_ERR_ARGUMENT);
    CHECK_INT(planes_create(&f, 8, -1, (struct planes_form){1, true}, &p, NULL), FM_ERR_ARGUMENT);
    CHECK_INT(planes_create(&f, 8, 8, (struct planes_form){2, true}, &p, NULL), FM_ERR_ARGUMENT);
    f.bits = 7;
    CHECK_INT(planes_create(&f, 8, 8, (struct planes_form){1, true}, &p, NULL), FM_ERR_ARGUMENT);
    f.bits = 17;
    CHECK_INT(planes_create(&f, 8, 8, (struct planes_form){1, true}, &p, NULL), FM_ERR_ARGUMENT);
    static const int no_matrix[] = {10, 11, 12, 13, 14, 15, 16, 17, 200};
    f.bits = 10;
    for (size_t i = 0; i < sizeof no_matrix / sizeof no_matrix[0]; i++) {
        f.matrix = no_matrix[i];
        CHECK_INT(planes_create(&f, 8, 8, (struct planes_form){3, true}, &p, &error), FM_ERR_UNSUPPORTED);
        CHECK_INT(planes_create(&f, 8, 8, (struct planes_form){1, true}, &p, NULL), FM_OK); /* luma is luma */
        planes_destroy(&p);
    }
    f.matrix = 14;
    CHECK_INT(planes_create(&f, 8, 8, (struct planes_form){3, true}, &p, &error), FM_ERR_UNSUPPORTED);
    CHECK_HAS(error.message, "ICtCp");
    CHECK(p == NULL);
    planes_destroy(&p);
}

/* ---- smaller chroma ---- */

static double ramp(double x, double y) /* of a difference over the places of luma, in pixels from the picture's corner */
{
    return (x - 24) * 0.011 - (y - 20) * 0.009;
}

/* A ramp of colour, sampled where chroma lies, is that ramp at luma's places, and back: in every siting, both layouts. */
static void ramps_of_colour_stay(void)
{
    enum { W = 49, H = 41 };
    struct planes_scratch scratch = {0};
    for (int i = 0; i < 12; i++) {
        const struct video_format f = {
            .layout = i < 6 ? VIDEO_420 : VIDEO_422, .bits = 16, .full = true, .matrix = 6, .siting = (enum video_siting)(i % 6)};
        struct planes *p = make(&f, W, H, 3, true);
        struct video_frame frame = video_blank(f, W, H), back = video_blank(f, W, H);
        const int cell_h = f.layout == VIDEO_420 ? 2 : 1;
        for (int plane = 0; plane < 3; plane++)
            for (int y = 0; y < video_plane_height(f, H, plane); y++)
                for (int x = 0; x < video_plane_width(f, W, plane); x++) {
                    const double v = plane ? ramp(2 * x + video_site_x(f, plane), cell_h * y + video_site_y(f, plane)) : 0.5;
                    video_put(&frame, plane, x, y, (int) lrint(v * 65535 + (plane ? 32768 : 0)));
                }
        struct window w = {0};
        picture_blank(&w, rect_whole(W, H), 3);
        CHECK_INT(planes_unpack(p, NULL, cpu_flags(), &frame, &w, &scratch), FM_OK);
        bool good = true;
        for (int y = 10; y < H - 10; y++)
            for (int x = 10; x < W - 10 && good; x++) {
                const double want = 0.5 + 1.772 * ramp(x + 0.5, y + 0.5); /* blue of BT.601 */
                good = CHECK_MSG(fabs((double) window_row(&w, 2, y)[x] - want) < 2e-3,
                    "layout %d, siting %d: %d, %d is %.9g, must be %.9g", (int) f.layout, (int) f.siting, x, y,
                    (double) window_row(&w, 2, y)[x], want);
            }
        uint64_t nan = 0;
        CHECK_INT(planes_pack(p, NULL, cpu_flags(), &w, w.at, &back, &scratch, &nan), FM_OK);
        CHECK_INT(nan, 0);
        for (int plane = 0; plane < 3; plane++) {
            const struct rect all = video_plane_whole(&frame, plane);
            for (int y = 10 / cell_h; y < all.h - 10 / cell_h; y++)
                for (int x = 6; x < all.w - 6 && good; x++) {
                    const int got = video_get(&back, plane, x, y), want = video_get(&frame, plane, x, y);
                    good =
                        CHECK_MSG(abs(got - want) <= (plane ? 40 : 0), "layout %d, siting %d: plane %d, %d, %d is %d, must be %d",
                            (int) f.layout, (int) f.siting, plane, x, y, got, want);
                }
        }
        window_release(&w);
        video_free(&frame);
        video_free(&back);
        planes_destroy(&p);
    }
    planes_scratch_release(&scratch);
}

/* Where all chroma is the same, it stays so to the sample, at any size. */
static void flat_colour_stays(void)
{
    static const int sizes[][2] = {{1, 1}, {2, 2}, {17, 13}, {3, 1}, {1, 5}, {64, 64}, {100, 33}};
    uint64_t random = 3;
    struct planes_scratch scratch = {0};
    for (int i = 0; i < 7 * 6; i++) {
        const struct video_format f = {.layout = i & 1 ? VIDEO_420 : VIDEO_422,
            .bits = 8 + i % 5 * 2,
            .full = i & 2,
            .matrix = 2,
            .siting = (enum video_siting)(i / 7)};
        const int *s = sizes[i % 7];
        struct planes *p = make(&f, s[0], s[1], 3, true);
        struct video_frame frame = video_noise(f, s[0], s[1], &random), back = video_blank(f, s[0], s[1]);
        for (int plane = 1; plane < 3; plane++) {
            const int v = picture_int(&random, 0, video_most(f));
            const struct rect all = video_plane_whole(&frame, plane);
            for (int y = 0; y < all.h; y++)
                for (int x = 0; x < all.w; x++) video_put(&frame, plane, x, y, v);
        }
        struct window w = {0};
        picture_blank(&w, rect_whole(s[0], s[1]), 3);
        CHECK_INT(planes_unpack(p, NULL, cpu_flags(), &frame, &w, &scratch), FM_OK);
        uint64_t nan = 0;
        CHECK_INT(planes_pack(p, NULL, cpu_flags(), &w, w.at, &back, &scratch, &nan), FM_OK);
        for (int plane = 0; plane < 3; plane++) video_same(&back, &frame, plane, video_plane_whole(&frame, plane), "flat colour");
        window_release(&w);
        video_free(&frame);
        video_free(&back);
        planes_destroy(&p);
    }
    planes_scratch_release(&scratch);
}

int main(void)
{
    RUN(every_sample_of_luma_comes_back);
    RUN(levels_by_name);
    RUN(what_networks_make_is_rounded_and_cut);
    RUN(colours_by_the_standards);
    RUN(colours_come_back);
    RUN(planes_that_are_channels);
    RUN(what_is_taken_when_nothing_is_said);
    RUN(refusals);
    RUN(ramps_of_colour_stay);
    RUN(flat_colour_stays);
    return check_report();
}
