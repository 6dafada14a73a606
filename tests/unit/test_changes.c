/* SPDX-License-Identifier: MIT */
/* Unchanged tiles: against a comparison of every sample of every window. */
#define _GNU_SOURCE
#include "convert/changes.h"

#include "video_picture.h"

/* The definition: each sample that stands, in part at least, on the window (chroma with what its resampler reads) is the same. */
static bool define(const struct changes *c, const struct video_frame *a, const struct video_frame *b, int column, int row)
{
    const int x0 = column * c->tile_w - c->halo, x1 = (column + 1) * c->tile_w + c->halo;
    const int y0 = row * c->tile_h - c->halo, y1 = (row + 1) * c->tile_h + c->halo;
    for (int p = 0; p < video_planes(c->format); p++) {
        if (!(c->planes & 1u << p)) continue;
        const struct rect all = video_plane_whole(a, p);
        const bool small = video_is_chroma(c->format, p);
        const int cw = small ? 2 : 1, ch = small && c->format.layout == VIDEO_420 ? 2 : 1;
        for (int y = 0; y < all.h; y++)
            for (int x = 0; x < all.w; x++) {
                const int reach_x = small ? 4 * cw : 0, reach_y = small ? 4 * ch : 0;
                const bool seen = (x + 1) * cw + reach_x > x0 && x * cw - reach_x < (x1 < c->width ? x1 : c->width) &&
                                  (y + 1) * ch + reach_y > y0 && y * ch - reach_y < (y1 < c->height ? y1 : c->height);
                if (seen && video_get(a, p, x, y) != video_get(b, p, x, y)) return false;
            }
    }
    return true;
}

static void tiles_as_defined(void)
{
    uint64_t random = 1;
    uint32_t cpu[4];
    const int cpus = picture_cpus(cpu);
    struct pool *pool = NULL;
    int all_same = 0, all_tiles = 0;
    if (!CHECK_INT(pool_create(3, &pool, NULL), FM_OK)) return;
    for (int i = 0; i < 300; i++) {
        const struct video_format f = {.layout = (enum video_layout)(i % 5), .bits = i & 1 ? 8 : 10, .alpha = i & 2};
        const int width = i < 5 ? 1 : picture_int(&random, 1, 100), height = i < 5 ? 1 : picture_int(&random, 1, 80);
        struct video_frame a = video_noise(f, width, height, &random), b = video_blank(f, width, height);
        for (int p = 0; p < video_planes(f); p++) {
            const struct rect all = video_plane_whole(&a, p);
            for (int k = 0; k < all.w * all.h; k++) video_put(&b, p, k % all.w, k / all.w, video_get(&a, p, k % all.w, k / all.w));
        }
        for (int k = picture_int(&random, 0, 3); k > 0; k--) {
            const int p = picture_int(&random, 0, video_planes(f) - 1);
            const struct rect all = video_plane_whole(&a, p);
            const int x = picture_int(&random, 0, all.w - 1), y = picture_int(&random, 0, all.h - 1);
            video_put(&b, p, x, y, video_get(&b, p, x, y) ^ 1 << picture_int(&random, 0, f.bits - 1));
        }
        struct changes c;
        const unsigned planes = i & 4 ? 1 : 1u + (unsigned) picture_int(&random, 0, 14);
        CHECK_INT(changes_make(&c, &f, width, height, picture_int(&random, 1, 40), picture_int(&random, 1, 40),
                      picture_int(&random, 0, 12), planes),
            FM_OK);
        CHECK_INT(c.columns, (width + c.tile_w - 1) / c.tile_w);
        CHECK_INT(c.rows, (height + c.tile_h - 1) / c.tile_h);
        for (int k = 0; k < c.columns * c.rows; k++) CHECK(!changes_is_same(&c, k % c.columns, k / c.columns));
        changes_find(&c, i & 8 ? pool : NULL, cpu[i % cpus], &a, &b);
        int same = 0;
        struct rect covered = {0};
        for (int row = 0; row < c.rows; row++)
            for (int column = 0; column < c.columns; column++) {
                const bool want = define(&c, &a, &b, column, row);
                CHECK_MSG(changes_is_same(&c, column, row) == want,
                    "%d x %d, layout %d, tiles %d x %d, halo %d: tile %d, %d must be %d", width, height, (int) f.layout, c.tile_w,
                    c.tile_h, c.halo, column, row, want);
                same += want;
                covered = rect_around(covered, changes_tile(&c, column, row));
            }
        CHECK_INT(c.same, same);
        CHECK(covered.w == width && covered.h == height);
        all_same += same;
        all_tiles += c.columns * c.rows;
        changes_release(&c);
        video_free(&a);
        video_free(&b);
    }
    CHECK(all_same > all_tiles / 10 && all_same < all_tiles * 99 / 100); /* both were tried */
    pool_destroy(&pool);
}

/* What lies between the rows of a frame is nobody's business. */
static void room_between_rows_does_not_matter(void)
{
    uint64_t random = 2;
    const struct video_format f = {.layout = VIDEO_GREY, .bits = 8};
    struct video_frame a = video_noise(f, 33, 20, &random), b = video_blank(f, 33, 20);
    for (int k = 0; k < 33 * 20; k++) video_put(&b, 0, k % 33, k / 33, video_get(&a, 0, k % 33, k / 33));
    for (int y = 0; y < 19; y++) a.plane[0][y * a.stride[0] + 33] = 1;
    struct changes c;
    CHECK_INT(changes_make(&c, &f, 33, 20, 8, 8, 4, 1), FM_OK);
    changes_find(&c, NULL, cpu_flags(), &a, &b);
    CHECK_INT(c.same, c.columns * c.rows);
    changes_find(&c, NULL, cpu_flags(), &a, &a);
    CHECK_INT(c.same, c.columns * c.rows);
    changes_find(&c, NULL, cpu_flags(), NULL, &b);
    CHECK_INT(c.same, 0);
    CHECK(!changes_is_same(&c, 0, 0));
    changes_find(&c, NULL, cpu_flags(), &a, &b);
    changes_none(&c);
    CHECK_INT(c.same, 0);
    CHECK(!changes_is_same(&c, 1, 1));
    changes_release(&c);
    changes_none(&c);
    changes_release(&c);
    video_free(&a);
    video_free(&b);
}

static void pixels_as_defined(void)
{
    uint64_t random = 5;
    int changed = 0;
    for (int i = 0; i < 150; i++) {
        const struct video_format f = {.layout = VIDEO_420, .bits = i & 1 ? 8 : 10 + i % 7};
        const int width = i < 4 ? 1 : picture_int(&random, 1, 300), height = picture_int(&random, 1, 20);
        struct video_frame a = video_noise(f, width, height, &random), b = video_blank(f, width, height);
        struct bitmap bits;
        if (!CHECK_INT(bitmap_make(&bits, width, height), FM_OK)) return;
        memset(bits.bits, 255, sizeof *bits.bits * (size_t) bits.words * (size_t) height); /* of a frame before */
        CHECK_INT(bitmap_count(&bits), (int64_t) bits.words * 64 * height);
        const int before = changed;
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) {
                const int bit = picture_int(&random, 0, i % 3 ? 40 : 2) ? 0 : 1 << picture_int(&random, 0, f.bits - 1);
                video_put(&b, 0, x, y, video_get(&a, 0, x, y) ^ bit);
            }
        changes_pixels(&a, &b, &bits);
        for (int y = 0; y < height; y++)
            for (int x = 0; x < bits.words * 64; x++) {
                const bool got = bitmap_row(&bits, y)[x / 64] >> x % 64 & 1;
                const bool want = x < width && video_get(&a, 0, x, y) != video_get(&b, 0, x, y);
                CHECK_MSG(got == want, "%d x %d, %d bits: pixel %d, %d must be %d", width, height, f.bits, x, y, want);
                changed += got;
            }
        CHECK_INT(bitmap_count(&bits), changed - before);
        bitmap_release(&bits);
        video_free(&a);
        video_free(&b);
    }
    CHECK(changed > 1000);
}

/* It may be wrong by what lies between the rows it looks at; here all rows are alike. */
static void the_guess(void)
{
    uint64_t random = 9;
    for (int bits = 8; bits <= 10; bits += 2) {
        const struct video_format f = {.layout = VIDEO_GREY, .bits = bits};
        struct video_frame a = video_noise(f, 640, 64, &random), b = video_blank(f, 640, 64);
        for (int kept = 0; kept <= 640; kept += 80) {
            for (int y = 0; y < 64; y++)
                for (int x = 0; x < 640; x++) video_put(&b, 0, x, y, video_get(&a, 0, x, y) ^ (x < kept ? 0 : 1));
            CHECK_NEAR(changes_guess(&a, &b), kept / 640.0, 0.013);
        }
        for (int y = 0; y < 64; y++) /* every 20th pixel changed: nothing that reads what is around it stays */
            for (int x = 0; x < 640; x++) video_put(&b, 0, x, y, video_get(&a, 0, x, y) ^ (x % 20 ? 0 : 1));
        CHECK_NEAR(changes_guess(&a, &b), 0, 0.013);
        video_free(&a);
        video_free(&b);
    }
}

static void memory(void)
{
    const int64_t live = core_alloc_live();
    const struct video_format f = {.layout = VIDEO_420, .bits = 8};
    struct changes c;
    core_alloc_fail_after(1, false);
    CHECK_INT(changes_make(&c, &f, 640, 360, 32, 32, 8, 1), FM_ERR_NOMEM);
    core_alloc_fail_after(0, false);
    CHECK(!c.is_same && !c.columns);
    uint64_t random = 3;
    struct video_frame a = video_noise(f, 64, 36, &random);
    CHECK_INT(changes_make(&c, &f, 64, 36, 32, 32, 8, 7), FM_OK);
    const uint64_t count = core_alloc_count();
    changes_find(&c, NULL, cpu_flags(), &a, &a);
    CHECK_INT(core_alloc_count() - count, 0);
    CHECK_INT(c.same, 4);
    changes_release(&c);
    video_free(&a);
    CHECK_INT(core_alloc_live(), live);
}

int main(void)
{
    RUN(tiles_as_defined);
    RUN(pixels_as_defined);
    RUN(the_guess);
    RUN(room_between_rows_does_not_matter);
    RUN(memory);
    return check_report();
}
