/* SPDX-License-Identifier: MIT */
/* Transparency: hidden colours never show, visible ones never change, and every part of a picture is the whole's part. */
#define _GNU_SOURCE
#include "convert/alpha.h"

#include "picture.h"

/* Alpha as cut-out pictures have it: large areas of nothing and of everything, soft edges between. */
static void cut_out(struct window *alpha, int width, int height, uint64_t *random)
{
    picture_blank(alpha, rect_whole(width, height), 1);
    const double cx = picture_int(random, 0, width), cy = picture_int(random, 0, height), r = picture_int(random, 1, 60);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            const double d = r - hypot(x - cx, y - cy);
            window_row(alpha, 0, y)[x] = d <= 0 ? 0 : d >= 3 ? 1 : (float) (d / 3);
        }
    for (int i = 0; i < 5; i++) alpha->data[picture_int(random, 0, width * height - 1)] = picture_float(random);
}

/* ---- fill ---- */

static void fill_is_the_weighted_mean(void)
{
    uint64_t random = 1;
    for (int i = 0; i < 12; i++) {
        const int width = picture_int(&random, 1, 150), height = picture_int(&random, 1, 150);
        struct window from = {0}, alpha = {0}, to = {0};
        picture_noise(&from, rect_whole(width, height), i & 1 ? 3 : 1, &random);
        cut_out(&alpha, width, height, &random);
        picture_blank(&to, from.at, from.channels);
        CHECK_INT(alpha_fill(NULL, &from, &alpha, width, height, &to), FM_OK);
        for (int k = 0; k < 3000; k++) {
            const int x = picture_int(&random, 0, width - 1), y = picture_int(&random, 0, height - 1),
                      c = picture_int(&random, 0, from.channels - 1);
            double sum = 0, weight = 0;
            for (int v = y - 8; v <= y + 8; v++)
                for (int u = x - 8; u <= x + 8; u++) {
                    if (u < 0 || v < 0 || u >= width || v >= height) continue;
                    weight += (double) window_row(&alpha, 0, v)[u];
                    sum += (double) window_row(&alpha, 0, v)[u] * (double) window_row(&from, c, v)[u];
                }
            const float got = window_row(&to, c, y)[x], before = window_row(&from, c, y)[x];
            const bool visible = window_row(&alpha, 0, y)[x] > 0;
            const bool good = visible ? got == before : fabs((double) got - (weight > 0 ? sum / weight : 0)) <= 1e-6;
            if (!CHECK_MSG(good, "%d x %d: %d, %d is %.9g", width, height, x, y, (double) got)) break;
        }
        window_release(&from);
        window_release(&alpha);
        window_release(&to);
    }
}

static void fill_hides_what_is_hidden(void)
{
    struct window from = {0}, alpha = {0}, to = {0};
    const int side = 40;
    picture_blank(&from, rect_whole(side, side), 3);
    picture_blank(&alpha, from.at, 1);
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) { /* a blue disc in a red that is not to be seen, or not even a number */
            const bool disc = hypot(x - 20, y - 20) < 8;
            window_row(&alpha, 0, y)[x] = disc;
            window_row(&from, 0, y)[x] = disc ? 0 : x == 3 ? INFINITY : 1;
            window_row(&from, 1, y)[x] = disc ? 0.25f : y == 3 ? NAN : 0;
            window_row(&from, 2, y)[x] = disc ? 1 : 0;
        }
    picture_blank(&to, from.at, 3);
    CHECK_INT(alpha_fill(NULL, &from, &alpha, side, side, &to), FM_OK);
    int blue = 0, black = 0;
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            const float r = window_row(&to, 0, y)[x], g = window_row(&to, 1, y)[x], b = window_row(&to, 2, y)[x];
            blue += r == 0 && fabsf(g - 0.25f) < 1e-6f && fabsf(b - 1) < 1e-6f;
            black += r == 0 && g == 0 && b == 0;
        }
    CHECK_INT(blue + black, side * side);
    CHECK(blue > 800 && black > 100);                                                       /* 31 squared less corners; the rest */
    CHECK(window_row(&to, 2, 20)[12] == 1 && fabsf(window_row(&to, 2, 20)[6] - 1) < 1e-6f); /* the disc; close to it */
    CHECK(window_row(&to, 2, 2)[2] == 0);
    window_release(&from);
    window_release(&alpha);
    window_release(&to);
}

static void fill_leaves_opaque_pictures(void)
{
    uint64_t random = 3;
    struct window from = {0}, alpha = {0}, to = {0};
    picture_noise(&from, rect_whole(100, 90), 3, &random);
    picture_blank(&alpha, from.at, 1);
    for (size_t i = 0; i < window_plane(&alpha); i++) alpha.data[i] = i % 5 ? 1 : 1 / 255.0f;
    picture_blank(&to, from.at, 3);
    core_alloc_fail_after(1, true); /* it needs no memory */
    CHECK_INT(alpha_fill(NULL, &from, &alpha, 100, 90, &to), FM_OK);
    picture_same(&to, &from, "opaque");
    alpha.data[0] = 0;
    CHECK_INT(alpha_fill(NULL, &from, &alpha, 100, 90, &to), FM_ERR_NOMEM);
    core_alloc_fail_after(0, false);
    window_release(&from);
    window_release(&alpha);
    window_release(&to);
}

static void fill_regions_as_the_whole(void)
{
    uint64_t random = 4;
    struct pool *pool = NULL;
    if (!CHECK_INT(pool_create(3, &pool, NULL), FM_OK)) return;
    for (int i = 0; i < 30; i++) {
        const int width = picture_int(&random, 1, 260), height = picture_int(&random, 1, 200);
        struct window from = {0}, alpha = {0}, whole = {0}, part = {0};
        picture_noise(&from, rect_whole(width, height), 3, &random);
        cut_out(&alpha, width, height, &random);
        picture_blank(&whole, from.at, 3);
        CHECK_INT(alpha_fill(i & 1 ? pool : NULL, &from, &alpha, width, height, &whole), FM_OK);
        for (int k = 0; k < 8; k++) {
            const struct rect at = picture_part(&random, width, height), around = rect_grow(at, ALPHA_FILL_REACH, width, height);
            struct window from_cut = picture_cut(&from, around), alpha_cut = picture_cut(&alpha, around);
            picture_blank(&part, at, 3);
            CHECK_INT(alpha_fill(k & 1 ? pool : NULL, &from_cut, &alpha_cut, width, height, &part), FM_OK);
            const bool same = picture_same(&part, &whole, "part");
            window_release(&from_cut);
            window_release(&alpha_cut);
            if (!same) break;
        }
        window_release(&from);
        window_release(&alpha);
        window_release(&whole);
        window_release(&part);
    }
    pool_destroy(&pool);
}

/* ---- premultiplied ---- */

static void premultiplied_and_back(void)
{
    uint64_t random = 5;
    struct window colour = {0}, alpha = {0};
    picture_noise(&colour, rect_whole(31, 17), 3, &random);
    picture_noise(&alpha, colour.at, 1, &random);
    alpha.data[3] = 0;
    alpha.data[4] = -0.25f;
    struct window copy = picture_cut(&colour, colour.at);
    const size_t n = window_plane(&colour);
    alpha_premultiply(&colour, &alpha);
    for (size_t i = 0; i < 3 * n; i++)
        if (!CHECK(colour.data[i] == copy.data[i] * alpha.data[i % n])) break;
    alpha_unpremultiply(&colour, &alpha);
    for (size_t i = 0; i < 3 * n; i++) {
        const bool hidden = i % n == 3 || i % n == 4;
        if (!CHECK_NEAR(colour.data[i], hidden ? 0 : copy.data[i], 2e-7)) break;
    }
    window_release(&colour);
    window_release(&alpha);
    window_release(&copy);
}

/* ---- snap ---- */

/* Steps, a ramp and noise: some places flat, some not. */
static void steps(struct window *w, int width, int height, uint64_t *random)
{
    picture_blank(w, rect_whole(width, height), 1);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) window_row(w, 0, y)[x] = x < width / 2 ? (y < height / 3 ? 0 : 0.5f) : 1;
    for (int i = 0; i < width * height / 500; i++) w->data[picture_int(random, 0, width * height - 1)] = picture_float(random);
}

static bool is_flat(const struct window *in, int x, int y)
{
    for (int v = y - 4; v <= y + 4; v++)
        for (int u = x - 4; u <= x + 4; u++)
            if (u >= 0 && v >= 0 && u < in->at.w && v < in->at.h && window_row(in, 0, v)[u] != window_row(in, 0, y)[x])
                return false;
    return true;
}

static void snap_where_alpha_is_flat(void)
{
    static const int cases[][4] = {{60, 50, 120, 100}, {60, 50, 240, 200}, {33, 40, 99, 120}, {50, 60, 83, 71}, {100, 90, 50, 45},
        {5, 3, 20, 12}, {1, 1, 7, 9}, {40, 1, 13, 1}};
    uint64_t random = 6;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int *s = cases[i];
        struct window in = {0}, out = {0}, part = {0};
        steps(&in, s[0], s[1], &random);
        picture_noise(&out, rect_whole(s[2], s[3]), 1, &random);
        struct window before = picture_cut(&out, out.at);
        const struct rect all = alpha_snap_need(out.at, s[0], s[1], s[2], s[3]);
        CHECK(rect_contains(in.at, all));
        CHECK_INT(alpha_snap(&out, &in, s[0], s[1], s[2], s[3]), FM_OK);
        bool good = true;
        for (int y = 0; good && y < s[3]; y++)
            for (int x = 0; good && x < s[2]; x++) {
                const int sx = (int) floor((x + 0.5) * s[0] / s[2]), sy = (int) floor((y + 0.5) * s[1] / s[3]);
                const float want = is_flat(&in, sx, sy) ? window_row(&in, 0, sy)[sx] : window_row(&before, 0, y)[x];
                good = CHECK_MSG(window_row(&out, 0, y)[x] == want, "%d x %d to %d x %d: %d, %d", s[0], s[1], s[2], s[3], x, y);
            }
        for (int k = 0; good && k < 20; k++) {
            const struct rect at = picture_part(&random, s[2], s[3]), need = alpha_snap_need(at, s[0], s[1], s[2], s[3]);
            struct window cut = picture_cut(&in, need);
            picture_blank(&part, at, 1);
            window_copy(&part, &before, at);
            CHECK_INT(alpha_snap(&part, &cut, s[0], s[1], s[2], s[3]), FM_OK);
            good = picture_same(&part, &out, "part");
            window_release(&cut);
        }
        window_release(&in);
        window_release(&out);
        window_release(&part);
        window_release(&before);
    }
}

static void snap_without_memory(void)
{
    uint64_t random = 7;
    struct window in = {0}, out = {0};
    steps(&in, 20, 20, &random);
    picture_blank(&out, rect_whole(40, 40), 1);
    const int64_t live = core_alloc_live();
    core_alloc_fail_after(1, false);
    CHECK_INT(alpha_snap(&out, &in, 20, 20, 40, 40), FM_ERR_NOMEM);
    core_alloc_fail_after(0, false);
    CHECK_INT(core_alloc_live(), live);
    const struct rect need = alpha_snap_need((struct rect){10, 20, 2, 4}, 20, 20, 40, 40);
    CHECK(need.x == 1 && need.w == 9 && need.y == 6 && need.h == 10);
    CHECK(rect_is_empty(alpha_snap_need((struct rect){0}, 20, 20, 40, 40)));
    window_release(&in);
    window_release(&out);
}

int main(void)
{
    RUN(fill_is_the_weighted_mean);
    RUN(fill_hides_what_is_hidden);
    RUN(fill_leaves_opaque_pictures);
    RUN(fill_regions_as_the_whole);
    RUN(premultiplied_and_back);
    RUN(snap_where_alpha_is_flat);
    RUN(snap_without_memory);
    return check_report();
}
