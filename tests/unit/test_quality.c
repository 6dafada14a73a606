/* SPDX-License-Identifier: MIT */
/* PSNR, SSIM, flicker and MATLAB's bicubic: against numbers worked out by hand, plain definitions, and the small pictures of Set5 and Set14. */
#define _GNU_SOURCE
#include <glob.h>

#include "frame/picture.h"
#include "framemill/framemill.h"
#include "picture.h"

#define EULER 2.718281828459045

static struct fm_picture make(int w, int h, int channels, int bits)
{
    struct fm_picture p;
    if (fm_picture_create(w, h, channels, bits, &p, NULL) != FM_OK) abort();
    memset(p.data, 0, p.stride * (size_t) h);
    return p;
}

static void set(struct fm_picture *p, int x, int y, int c, int v)
{
    const size_t at = (size_t) x * (size_t) p->channels + (size_t) c;
    if (p->bits == 8)
        picture_row(p, y)[at] = (uint8_t) v;
    else
        ((uint16_t *) (void *) picture_row(p, y))[at] = (uint16_t) v;
}

static int get(const struct fm_picture *p, int x, int y, int c)
{
    const size_t at = (size_t) x * (size_t) p->channels + (size_t) c;
    return p->bits == 8 ? picture_row(p, y)[at] : ((const uint16_t *) (const void *) picture_row(p, y))[at];
}

static struct fm_picture noise(int w, int h, int channels, int bits, uint64_t seed)
{
    struct fm_picture p = make(w, h, channels, bits);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < channels; c++) set(&p, x, y, c, picture_int(&seed, 0, bits == 8 ? 255 : 65535));
    return p;
}

static struct fm_quality compare(const struct fm_picture *a, const struct fm_picture *b, int border)
{
    struct fm_quality q = {.size = sizeof q, .psnr = -1, .ssim = -1};
    struct fm_error error = {0};
    CHECK_MSG(fm_quality_compare(a, b, border, &q, &error) == FM_OK, "%s", error.message);
    return q;
}

/* ---- PSNR ---- */

static void psnr_of_known_differences(void)
{
    struct fm_picture a = make(20, 15, 3, 8), b = make(20, 15, 3, 8), grey = make(20, 15, 1, 8), wide = make(20, 15, 4, 16);
    for (int y = 0; y < 15; y++)
        for (int x = 0; x < 20; x++) {
            for (int c = 0; c < 3; c++) {
                set(&a, x, y, c, 100), set(&b, x, y, c, c == 1 ? 110 : 100);
                set(&wide, x, y, c, c == 1 ? 257 * 110 : 257 * 100);
            }
            set(&wide, x, y, 3, x * 100); /* is not looked at */
            set(&grey, x, y, 0, 110);
        }
    /* green by 10: 10 * 128.553 / 255 of Y; all by 10: 10 * 219 / 255 */
    CHECK_NEAR(compare(&a, &b, 0).psnr, 20 * log10(255 / (10 * 128.553 / 255)), 1e-9);
    CHECK_NEAR(compare(&a, &wide, 0).psnr, 20 * log10(255 / (10 * 128.553 / 255)), 1e-9);
    CHECK_NEAR(compare(&a, &grey, 2).psnr, 20 * log10(255 / (10 * 219.0 / 255)), 1e-9);
    CHECK_NEAR(compare(&b, &wide, 0).psnr, INFINITY, 0);
    CHECK_NEAR(compare(&b, &wide, 0).ssim, 1, 1e-12);
    /* constant pictures: only the means differ, Y is 16 + 219 v / 255 */
    const double m = 16 + 219.0 * 100 / 255, n = 16 + 219.0 * 110 / 255, c1 = 6.5025;
    CHECK_NEAR(compare(&a, &grey, 2).ssim, (2 * m * n + c1) / (m * m + n * n + c1), 1e-9);
    /* one pixel of 16 * 11, and one in the border that is left out */
    for (int c = 0; c < 3; c++) set(&b, 7, 7, c, 151), set(&b, 1, 5, c, 7), set(&b, 19, 14, c, 200);
    for (int y = 0; y < 15; y++)
        for (int x = 0; x < 20; x++)
            if (get(&b, x, y, 0) == 100) set(&b, x, y, 1, 100);
    const double error = 51 * 219.0 / 255;
    CHECK_NEAR(compare(&a, &b, 2).psnr, 10 * log10(255.0 * 255 * 16 * 11 / (error * error)), 1e-9);
    fm_picture_destroy(&a);
    fm_picture_destroy(&b);
    fm_picture_destroy(&grey);
    fm_picture_destroy(&wide);
}

/* ---- SSIM by its definition: a window of 11 x 11 weights around every pixel that has one ---- */

static double luma_of(const struct fm_picture *p, int x, int y)
{
    const double to_255 = p->bits == 8 ? 1 : 255.0 / 65535;
    const int step = p->channels < 3 ? 0 : 1;
    return 16 + (65.481 * get(p, x, y, 0) + 128.553 * get(p, x, y, step) + 24.966 * get(p, x, y, 2 * step)) * to_255 / 255;
}

static double ssim_by_definition(const struct fm_picture *a, const struct fm_picture *b, int border)
{
    double sum = 0;
    int count = 0;
    for (int y = border + 5; y < a->height - border - 5; y++)
        for (int x = border + 5; x < a->width - border - 5; x++) {
            double all = 0, ma = 0, mb = 0, va = 0, vb = 0, ab = 0;
            for (int pass = 0; pass < 2; pass++)
                for (int j = -5; j <= 5; j++)
                    for (int i = -5; i <= 5; i++) {
                        const double w = pow(EULER, -(i * i + j * j) / (2 * 1.5 * 1.5));
                        const double la = luma_of(a, x + i, y + j), lb = luma_of(b, x + i, y + j);
                        if (!pass) {
                            all += w, ma += w * la, mb += w * lb;
                        } else {
                            va += w / all * (la - ma) * (la - ma);
                            vb += w / all * (lb - mb) * (lb - mb);
                            ab += w / all * (la - ma) * (lb - mb);
                        }
                        if (!pass && i == 5 && j == 5) ma /= all, mb /= all;
                    }
            sum += (2 * ma * mb + 6.5025) * (2 * ab + 58.5225) / ((ma * ma + mb * mb + 6.5025) * (va + vb + 58.5225));
            count++;
        }
    return sum / count;
}

static void ssim_is_what_its_definition_says(void)
{
    static const struct {
        int w, h, channels, bits, border;
    } cases[] = {{11, 11, 3, 8, 0}, {12, 31, 1, 8, 0}, {40, 23, 3, 8, 2}, {23, 40, 4, 16, 3}, {33, 33, 2, 16, 11}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fm_picture a = noise(cases[i].w, cases[i].h, cases[i].channels, cases[i].bits, i),
                          b = noise(a.width, a.height, 3, 8, 99 + i);
        for (int y = 0; y < a.height; y++) /* half alike */
            for (int x = 0; x < a.width; x++)
                for (int c = 0; c < 3 && (x + y) % 2; c++)
                    set(&b, x, y, c, get(&a, x, y, a.channels < 3 ? 0 : c) / (a.bits == 8 ? 1 : 257));
        const double want = ssim_by_definition(&a, &b, cases[i].border);
        CHECK_NEAR(compare(&a, &b, cases[i].border).ssim, want, 1e-9);
        CHECK(want > -0.5 && want < 0.95);
        fm_picture_destroy(&a);
        fm_picture_destroy(&b);
    }
}

/* ---- flicker ---- */

static void flicker_of_known_errors(void)
{
    struct fm_picture original[3], result[3];
    double flicker = -1;
    for (int t = 0; t < 3; t++) {
        original[t] = noise(16, 12, 3, 8, (uint64_t) t);
        result[t] = make(16, 12, 3, 8);
        for (int y = 0; y < 12; y++)
            for (int x = 0; x < 16; x++)
                for (int c = 0; c < 3; c++) {
                    set(&original[t], x, y, c, get(&original[t], x, y, c) / 2 + 50);
                    set(&result[t], x, y, c, get(&original[t], x, y, c) + (x < 8 ? 20 : -30)); /* always alike wrong */
                }
    }
    CHECK_INT(fm_quality_flicker(original, result, 3, 1, &flicker, NULL), FM_OK);
    CHECK_NEAR(flicker, 0, 1e-12);
    for (int y = 0; y < 12;
         y++) /* the left half of the middle frame by 17 less, there and back; the border too, which does not count */
        for (int x = 0; x < 16; x++)
            for (int c = 0; c < 3; c++)
                if (x < 8) set(&result[1], x, y, c, get(&result[1], x, y, c) - 17);
    CHECK_INT(fm_quality_flicker(original, result, 3, 2, &flicker, NULL), FM_OK);
    CHECK_NEAR(flicker, 17 * 219.0 / 255 / 2, 1e-9);
    CHECK_INT(fm_quality_flicker(original, result, 2, 0, &flicker, NULL), FM_OK);
    CHECK_NEAR(flicker, 17 * 219.0 / 255 / 2, 1e-9);
    CHECK_INT(fm_quality_flicker(original, result, 1, 0, &flicker, NULL), FM_ERR_ARGUMENT);
    fm_picture_destroy(&result[2]);
    CHECK_INT(fm_quality_flicker(original, result, 3, 0, &flicker, NULL), FM_ERR_ARGUMENT);
    result[2] = make(16, 11, 3, 8);
    CHECK_INT(fm_quality_flicker(original, result, 3, 0, &flicker, NULL), FM_ERR_SHAPE);
    for (int t = 0; t < 3; t++) fm_picture_destroy(&original[t]), fm_picture_destroy(&result[t]);
}

/* ---- bicubic ---- */

/* Keys' kernel by pieces, a = -1/2. */
static long double keys(long double x)
{
    x = x < 0 ? -x : x;
    if (x <= 1) return (3 * x * x * x - 5 * x * x + 2) / 2;
    return x < 2 ? (-x * x * x + 5 * x * x - 8 * x + 4) / 2 : 0;
}

/* One sample of one axis from all samples of a line, rounded to whole levels; `near` where it lies so close to a half that either may be right. */
static int sample(const int *line, int size, int out, int i, int max, bool *close)
{
    const long double scale = (long double) out / size, narrow = scale < 1 ? scale : 1;
    const long double centre = (i + 0.5L) / scale - 0.5L;
    long double sum = 0, all = 0;
    for (int j = (int) floorl(centre - 3 / narrow); (long double) j <= centre + 3 / narrow; j++) {
        const long double w = keys(narrow * (centre - (long double) j));
        sum += w * line[j < 0 ? 0 : j >= size ? size - 1 : j];
        all += w;
    }
    const long double v = sum / all;
    *close = fabsl(v - floorl(v) - 0.5L) < 1e-6L;
    return v < 0 ? 0 : v > max ? max : (int) floorl(v + 0.5L);
}

static void bicubic_is_what_its_definition_says(void)
{
    static const struct {
        int w, h, to_w, to_h, channels, bits;
    } cases[] = {{30, 20, 15, 10, 3, 8}, {15, 10, 30, 20, 3, 8}, {30, 21, 10, 7, 1, 8}, {9, 12, 36, 48, 4, 16},
        {30, 21, 20, 14, 2, 16}, {20, 14, 30, 21, 3, 8}, {7, 5, 7, 5, 3, 8}, {40, 3, 1, 1, 3, 8}, {1, 1, 5, 5, 3, 8},
        {17, 19, 40, 9, 3, 8}, {17, 19, 5, 30, 3, 8}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct fm_picture in = noise(cases[k].w, cases[k].h, cases[k].channels, cases[k].bits, k), out = {0};
        const int w = in.width, h = in.height, to_w = cases[k].to_w, to_h = cases[k].to_h, max = in.bits == 8 ? 255 : 65535;
        const bool rows_first = to_h * w <= to_w * h;
        int wrong = 0, unsure = 0, line[64], middle[64][64];
        if (!CHECK_INT(fm_quality_bicubic(&in, to_w, to_h, &out, NULL), FM_OK)) continue;
        for (int c = 0; c < in.channels; c++) {
            bool close = false;
            for (int a = 0; a < (rows_first ? w : h); a++) {
                for (int i = 0; i < (rows_first ? h : w); i++) line[i] = rows_first ? get(&in, a, i, c) : get(&in, i, a, c);
                for (int i = 0; i < (rows_first ? to_h : to_w); i++) {
                    middle[a][i] = sample(line, rows_first ? h : w, rows_first ? to_h : to_w, i, max, &close);
                    unsure += close;
                }
            }
            for (int b = 0; b < (rows_first ? to_h : to_w); b++) {
                for (int i = 0; i < (rows_first ? w : h); i++) line[i] = middle[i][b];
                for (int i = 0; i < (rows_first ? to_w : to_h); i++) {
                    const int want = sample(line, rows_first ? w : h, rows_first ? to_w : to_h, i, max, &close);
                    unsure += close;
                    wrong += want != (rows_first ? get(&out, i, b, c) : get(&out, b, i, c));
                }
            }
        }
        CHECK_MSG(wrong <= 8 * unsure, "case %d: %d samples differ, %d are close to a half", (int) k, wrong, unsure);
        fm_picture_destroy(&in);
        fm_picture_destroy(&out);
    }
}

/* A step from 40 to 200, shrunk by two. The weights of a sample are Keys' k at odd quarters, halved:
 * k(.75) = .2265625, k(1.25) = -.0703125, k(1.75) = -.0234375. */
static void bicubic_by_hand(void)
{
    struct fm_picture in = make(16, 1, 1, 8), out = {0};
    for (int x = 0; x < 16; x++) set(&in, x, 0, 0, x < 8 ? 40 : 200);
    if (!CHECK_INT(fm_quality_bicubic(&in, 8, 1, &out, NULL), FM_OK)) return;
    /* sample 3 has its centre at 6.5: the pixels from 8 on lie 1.5, 2.5, 3.5 away, halved .75, 1.25, 1.75 */
    const double right = (0.2265625 - 0.0703125 - 0.0234375) / 2;
    const int want[8] = {40, 40, (int) (40 + 160 * (-0.0234375 / 2) + 0.5), (int) (40 + 160 * right + 0.5),
        (int) (200 - 160 * right + 0.5), (int) (200 + 160 * 0.0234375 / 2 + 0.5), 200, 200};
    for (int x = 0; x < 8; x++) CHECK_INT(get(&out, x, 0, 0), want[x]);
    fm_picture_destroy(&in);
    fm_picture_destroy(&out);
}

/* ---- the test sets ---- */

static void test_set(const char *name, int scale, int pictures, double low, double high)
{
    char pattern[1200];
    const char *folder = check_shared("data/sr");
    if (!folder) SKIP("../shared/data/sr is not there");
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/%s/image_SRF_%d/*_HR.png", folder, name, scale);
    int missing = glob(pattern, 0, NULL, &found);
    snprintf(pattern, sizeof pattern, "%s/%s/*_SRF_%d_HR.png", folder, name, scale);
    if (missing) missing = glob(pattern, 0, NULL, &found);
    if (missing) SKIP("%s is not there", pattern);
    double psnr = 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct fm_picture large, small, shrunk = {0}, result = {0};
        struct fm_error error = {0};
        char path[1200];
        snprintf(path, sizeof path, "%s", found.gl_pathv[i]);
        if (fm_picture_read(path, &large, &error) != FM_OK && strstr(error.message, "not installed")) {
            globfree(&found);
            SKIP("%s", error.message);
        }
        memcpy(strstr(path, "_HR.png"), "_LR", 3);
        if (CHECK_MSG(large.data && fm_picture_read(path, &small, &error) == FM_OK, "%s", error.message)) {
            CHECK_INT(fm_quality_bicubic(&large, small.width, small.height, &shrunk, &error), FM_OK);
            CHECK_INT(fm_quality_bicubic(&small, large.width, large.height, &result, &error), FM_OK);
            int different = 0;
            for (int y = 0; y < small.height; y++)
                for (int x = 0; x < small.width; x++)
                    for (int c = 0; c < 3; c++)
                        different +=
                            get(&shrunk, x, y, shrunk.channels < 3 ? 0 : c) != get(&small, x, y, small.channels < 3 ? 0 : c);
            CHECK_MSG(!different, "%s: %d samples differ", path, different);
            psnr += compare(&large, &result, scale).psnr;
            fm_picture_destroy(&small);
        }
        fm_picture_destroy(&large);
        fm_picture_destroy(&shrunk);
        fm_picture_destroy(&result);
    }
    CHECK_INT(found.gl_pathc, pictures);
    psnr /= (double) found.gl_pathc;
    CHECK_MSG(psnr >= low && psnr <= high, "%s x%d: bicubic has %.3f dB, not %.3f to %.3f", name, scale, psnr, low, high);
    globfree(&found);
}

static void set5_x2(void)
{
    test_set("Set5", 2, 5, 33.655, 33.675);
}

static void set5_x3(void)
{
    test_set("Set5", 3, 5, 30.385, 30.405); /* 30.39 or 30.40 in print */
}

static void set5_x4(void)
{
    test_set("Set5", 4, 5, 28.415, 28.435); /* 28.42 or 28.43 */
}

static void set14_x2(void)
{
    test_set("Set14", 2, 14, 30.235, 30.335);
}

/* ---- the door ---- */

static void wrong_calls(void)
{
    struct fm_picture a = make(20, 20, 3, 8), b = make(20, 21, 3, 8), out = {0}, bad = a;
    struct fm_quality q = {.size = sizeof q}, unset = {0};
    struct fm_error error = {0};
    double flicker;
    CHECK_INT(fm_quality_compare(&a, &b, 0, &q, &error), FM_ERR_SHAPE);
    CHECK_HAS(error.message, "20 x 21");
    CHECK_INT(fm_quality_compare(&a, &a, 5, &q, &error), FM_ERR_SHAPE);
    CHECK_HAS(error.message, "11 x 11");
    CHECK_INT(fm_quality_compare(&a, &a, 4, &q, &error), FM_OK);
    CHECK_INT(fm_quality_compare(&a, &a, 1 << 30, &q, &error), FM_ERR_SHAPE);
    CHECK_INT(fm_quality_compare(&a, &a, -1, &q, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_quality_compare(&a, &a, 0, &unset, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_quality_compare(&a, &a, 0, NULL, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_quality_compare(NULL, &a, 0, &q, &error), FM_ERR_ARGUMENT);
    bad.channels = 7;
    CHECK_INT(fm_quality_compare(&a, &bad, 0, &q, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "the result");
    CHECK_INT(fm_quality_flicker(NULL, &a, 2, 0, &flicker, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_quality_bicubic(&a, 0, 5, &out, &error), FM_ERR_ARGUMENT);
    CHECK(!out.data);
    CHECK_INT(fm_quality_bicubic(&bad, 5, 5, &out, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_quality_bicubic(&a, 5, 5, NULL, &error), FM_ERR_ARGUMENT);
    fm_picture_destroy(&a);
    fm_picture_destroy(&b);
}

static void without_memory(void)
{
    struct fm_picture a = noise(30, 20, 3, 8, 1), b = noise(30, 20, 3, 8, 2);
    const struct fm_picture many[2] = {a, b};
    const int64_t live = core_alloc_live();
    for (int n = 1; n < 20; n++) {
        struct fm_quality q = {.size = sizeof q};
        struct fm_picture out;
        double flicker;
        core_alloc_fail_after((uint64_t) n, false);
        const int small = fm_quality_bicubic(&a, 15, 10, &out, NULL);
        core_alloc_fail_after(n == 1, false);
        const int compared = fm_quality_compare(&a, &b, 0, &q, NULL);
        core_alloc_fail_after(n == 1, false);
        const int changed = fm_quality_flicker(many, many, 2, 0, &flicker, NULL);
        core_alloc_fail_after(0, false);
        CHECK_INT(small, n <= 8 ? FM_ERR_NOMEM : FM_OK); /* result, four lists, the picture between, two lots of lines */
        CHECK(small == FM_OK ? out.data != NULL : out.data == NULL);
        CHECK_INT(compared, n == 1 ? FM_ERR_NOMEM : FM_OK);
        CHECK_INT(changed, n == 1 ? FM_ERR_NOMEM : FM_OK);
        fm_picture_destroy(&out);
        CHECK_INT(core_alloc_live(), live);
    }
    fm_picture_destroy(&a);
    fm_picture_destroy(&b);
}

int main(void)
{
    RUN(psnr_of_known_differences);
    RUN(ssim_is_what_its_definition_says);
    RUN(flicker_of_known_errors);
    RUN(bicubic_is_what_its_definition_says);
    RUN(bicubic_by_hand);
    RUN(set5_x2);
    RUN(set5_x3);
    RUN(set5_x4);
    RUN(set14_x2);
    RUN(wrong_calls);
    RUN(without_memory);
    return check_report();
}
