/* SPDX-License-Identifier: MIT */
/* Planes of video to windows and back in parts: any window and any rectangle is the whole's, on any number of threads; memory. */
#define _GNU_SOURCE
#include <math.h>

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

/* ---- parts ---- */

static const struct video_format layouts[] = {
    {.layout = VIDEO_GREY, .bits = 8, .matrix = 2},
    {.layout = VIDEO_420, .bits = 8, .matrix = 2},
    {.layout = VIDEO_420, .bits = 10, .matrix = 9, .siting = VIDEO_SITING_TOPLEFT},
    {.layout = VIDEO_422, .bits = 8, .matrix = 1, .full = true, .siting = VIDEO_SITING_CENTER},
    {.layout = VIDEO_444, .bits = 12, .matrix = 1},
    {.layout = VIDEO_RGB, .bits = 16, .full = true},
};
#define LAYOUTS ((int) (sizeof layouts / sizeof layouts[0]))

static int inside(int i, int size)
{
    return i < 0 ? 0 : i < size ? i : size - 1;
}

/* Any window, also beside the picture, is the whole's part, edges repeated, on any number of threads. */
static void windows_as_the_whole(void)
{
    uint64_t random = 4;
    uint32_t cpu[4];
    const int cpus = picture_cpus(cpu);
    struct pool *pool = NULL;
    struct planes_scratch scratch = {0};
    if (!CHECK_INT(pool_create(3, &pool, NULL), FM_OK)) return;
    for (int i = 0; i < LAYOUTS * 2 * 4; i++) {
        const struct video_format f = layouts[i % LAYOUTS];
        const int channels = i / LAYOUTS & 1 ? 1 : 3, round = i / LAYOUTS / 2;
        if (channels == 1 && f.layout == VIDEO_RGB) continue;
        const int width = round == 0 ? 1 : picture_int(&random, 1, 90), height = round == 0 ? 1 : picture_int(&random, 1, 120);
        struct planes *p = make(&f, width, height, channels, i & 1);
        struct video_frame frame = video_noise(f, width, height, &random);
        struct window whole = {0}, part = {0};
        picture_blank(&whole, rect_whole(width, height), channels);
        CHECK_INT(planes_unpack(p, NULL, cpu[i % cpus], &frame, &whole, &scratch), FM_OK);
        for (int k = 0; k < 12; k++) {
            const struct rect at = {picture_int(&random, -60, 100), picture_int(&random, -60, 130), picture_int(&random, 1, 120),
                picture_int(&random, 1, 150)};
            picture_blank(&part, at, channels);
            CHECK_INT(planes_unpack(p, k & 1 ? pool : NULL, cpu[i % cpus], &frame, &part, &scratch), FM_OK);
            bool good = true;
            for (int c = 0; c < channels; c++)
                for (int y = at.y; y < at.y + at.h; y++)
                    for (int x = at.x; x < at.x + at.w && good; x++) {
                        const float want = window_row(&whole, c, inside(y, height))[inside(x, width)],
                                    got = window_row(&part, c, y)[x - at.x];
                        good = CHECK_MSG(memcmp(&got, &want, sizeof got) == 0, "layout %d of %d x %d: %d, %d is %.9g, must be %.9g",
                            (int) f.layout, width, height, x, y, (double) got, (double) want);
                    }
            if (!good) break;
        }
        window_release(&whole);
        window_release(&part);
        video_free(&frame);
        planes_destroy(&p);
    }
    planes_scratch_release(&scratch);
    pool_destroy(&pool);
}

/* Written part by part, from no more than is needed, byte for byte as at once; nothing beside the part is touched. */
static void parts_as_the_whole(void)
{
    uint64_t random = 5;
    uint32_t cpu[4];
    const int cpus = picture_cpus(cpu);
    struct pool *pool = NULL;
    struct planes_scratch scratch = {0};
    if (!CHECK_INT(pool_create(3, &pool, NULL), FM_OK)) return;
    for (int i = 0; i < LAYOUTS * 2 * 6; i++) {
        const struct video_format f = layouts[i % LAYOUTS];
        const int channels = i / LAYOUTS & 1 ? 1 : 3;
        if (channels == 1 && f.layout == VIDEO_RGB) continue;
        const int width = picture_int(&random, 1, 150), height = picture_int(&random, 1, 150);
        struct planes *p = make(&f, width, height, channels, i & 1);
        struct video_frame whole = video_blank(f, width, height), parts = video_blank(f, width, height);
        struct window w = {0};
        uint64_t nan = 0;
        picture_noise(&w, rect_whole(width, height), channels, &random);
        CHECK_INT(planes_pack(p, NULL, cpu[i % cpus], &w, w.at, &whole, &scratch, &nan), FM_OK);
        const int step_x = 2 * picture_int(&random, 1, 60), step_y = 2 * picture_int(&random, 1, 60);
        for (int y = 0; y < height; y += step_y)
            for (int x = 0; x < width; x += step_x) {
                const struct rect at = {x, y, width - x < step_x ? width - x : step_x, height - y < step_y ? height - y : step_y};
                const struct rect need = planes_need(p, at);
                if (!CHECK(rect_contains(w.at, need) && rect_contains(need, at))) break;
                struct window cut = picture_cut(&w, need);
                CHECK_INT(planes_pack(p, x & 2 ? pool : NULL, cpu[i % cpus], &cut, at, &parts, &scratch, &nan), FM_OK);
                window_release(&cut);
            }
        CHECK_INT(nan, 0);
        const int written = channels == 1 ? 1 : video_colour_planes(f.layout);
        for (int plane = 0; plane < written; plane++) video_same(&parts, &whole, plane, video_plane_whole(&whole, plane), "parts");
        video_free(&whole);
        video_free(&parts);
        window_release(&w);
        planes_destroy(&p);
    }
    planes_scratch_release(&scratch);
    pool_destroy(&pool);
}

static void a_part_touches_nothing_else(void)
{
    uint64_t random = 6;
    struct planes_scratch scratch = {0};
    for (int i = 0; i < LAYOUTS; i++) {
        const struct video_format f = layouts[i];
        struct planes *p = make(&f, 60, 50, 3, true);
        struct video_frame frame = video_noise(f, 60, 50, &random), before = video_blank(f, 60, 50);
        for (int plane = 0; plane < video_planes(f); plane++)
            for (int k = 0; k < video_plane_whole(&frame, plane).w * video_plane_whole(&frame, plane).h; k++) {
                const int w = video_plane_whole(&frame, plane).w;
                video_put(&before, plane, k % w, k / w, video_get(&frame, plane, k % w, k / w));
            }
        const struct rect at = {10, 20, 22, 14};
        struct window w = {0};
        picture_noise(&w, rect_whole(60, 50), 3, &random);
        uint64_t nan = 0;
        CHECK_INT(planes_pack(p, NULL, cpu_flags(), &w, at, &frame, &scratch, &nan), FM_OK);
        for (int plane = 0; plane < video_planes(f); plane++) {
            const int cw = video_is_chroma(f, plane) ? 2 : 1, ch = video_is_chroma(f, plane) && f.layout == VIDEO_420 ? 2 : 1;
            const struct rect own = {at.x / cw, at.y / ch, at.w / cw, at.h / ch}, all = video_plane_whole(&frame, plane);
            int changed = 0;
            for (int y = 0; y < all.h; y++)
                for (int x = 0; x < all.w; x++) {
                    const bool same = video_get(&frame, plane, x, y) == video_get(&before, plane, x, y);
                    changed += !same;
                    if (!rect_contains(own, (struct rect){x, y, 1, 1})) CHECK(same);
                }
            CHECK(changed > own.w * own.h / 2);
        }
        window_release(&w);
        video_free(&frame);
        video_free(&before);
        planes_destroy(&p);
    }
    planes_scratch_release(&scratch);
}

/* Chosen pixels are what a pack of the whole makes of them, all others stay as they were, and what is no number counts where it is chosen. */
static void chosen_as_the_whole(void)
{
    uint64_t random = 8;
    struct planes_scratch scratch = {0};
    struct pool *pool = NULL;
    if (!CHECK_INT(pool_create(3, &pool, NULL), FM_OK)) return;
    for (int bits = 8; bits <= 10; bits += 2)
        for (int turn = 0; turn < 6; turn++) {
            const int width = 1 + turn * 67, height = 40 + turn;
            const struct video_format f = {.layout = VIDEO_420, .bits = bits, .matrix = 2};
            struct planes *p = make(&f, width, height, 1, false);
            struct video_frame whole = video_blank(f, width, height), part = video_blank(f, width, height);
            struct bitmap chosen;
            struct window w = {0};
            CHECK_INT(bitmap_make(&chosen, width, height), FM_OK);
            for (int n = 0; n < 60; n++) {
                const int x = picture_int(&random, 0, width - 1), y = picture_int(&random, 0, height - 1);
                bits_set(bitmap_row(&chosen, y), x, picture_int(&random, x + 1, width));
            }
            picture_noise(&w, rect_whole(width, height), 1, &random);
            uint64_t nan = 0, wanted = 0;
            for (int y = 0; y < height; y++) {
                const int x = picture_int(&random, 0, width - 1);
                window_row(&w, 0, y)[x] = NAN;
                wanted += bitmap_row(&chosen, y)[x / 64] >> x % 64 & 1;
            }
            CHECK_INT(planes_pack(p, NULL, cpu_flags(), &w, rect_whole(width, height), &whole, &scratch, &nan), FM_OK);
            CHECK_INT((int) nan, height);
            nan = 0;
            planes_pack_chosen(p, turn % 2 ? pool : NULL, cpu_flags(), &w, &chosen, &part, &nan);
            CHECK_INT((int) nan, (int) wanted);
            struct video_frame blank = video_blank(f, width, height);
            bool same = true;
            for (int y = 0; y < height; y++)
                for (int x = 0; x < width; x++) {
                    const bool is_chosen = bitmap_row(&chosen, y)[x / 64] >> x % 64 & 1;
                    same &= video_get(&part, 0, x, y) == video_get(is_chosen ? &whole : &blank, 0, x, y);
                }
            CHECK(same);
            bitmap_release(&chosen);
            window_release(&w);
            video_free(&blank);
            video_free(&whole);
            video_free(&part);
            planes_destroy(&p);
        }
    pool_destroy(&pool);
    planes_scratch_release(&scratch);
}

/* ---- memory ---- */

static void no_memory_once_warm(void)
{
    uint64_t random = 7, nan = 0;
    for (int i = 0; i < LAYOUTS; i++) {
        struct planes_scratch scratch = {0};
        const struct video_format f = layouts[i];
        struct planes *p = make(&f, 150, 110, 3, true);
        struct video_frame frame = video_noise(f, 150, 110, &random);
        struct window w = {0};
        picture_blank(&w, rect_whole(150, 110), 3);
        uint64_t count = 0;
        for (int k = 0; k < 3; k++) {
            if (k == 1) count = core_alloc_count();
            CHECK_INT(planes_unpack(p, NULL, cpu_flags(), &frame, &w, &scratch), FM_OK);
            CHECK_INT(planes_pack(p, NULL, cpu_flags(), &w, w.at, &frame, &scratch, &nan), FM_OK);
        }
        CHECK_INT(core_alloc_count() - count, 0);
        window_release(&w);
        video_free(&frame);
        planes_scratch_release(&scratch);
        planes_destroy(&p);
    }
}

static void memory_that_is_not_there(void)
{
    const int64_t live = core_alloc_live();
    const struct video_format f = layouts[1];
    struct planes *p = NULL;
    int code = FM_ERR_NOMEM, tries = 0;
    for (uint64_t n = 1; code == FM_ERR_NOMEM && n < 50; n++, tries++) {
        core_alloc_fail_after(n, false);
        code = planes_create(&f, 40, 30, (struct planes_form){3, true}, &p, NULL);
        if (code != FM_OK && !CHECK_INT(core_alloc_live(), live)) break;
    }
    core_alloc_fail_after(0, false);
    CHECK_INT(code, FM_OK);
    CHECK(tries > 10);
    uint64_t random = 8, nan = 0;
    struct video_frame frame = video_noise(f, 40, 30, &random);
    struct window w = {0};
    picture_noise(&w, rect_whole(40, 30), 3, &random);
    for (int job = 0; job < 2; job++) {
        code = FM_ERR_NOMEM;
        tries = 0;
        for (uint64_t n = 1; code == FM_ERR_NOMEM && n < 20; n++, tries++) {
            struct planes_scratch scratch = {0};
            core_alloc_fail_after(n, false);
            code =
                job ? planes_pack(p, NULL, 0, &w, w.at, &frame, &scratch, &nan) : planes_unpack(p, NULL, 0, &frame, &w, &scratch);
            core_alloc_fail_after(0, false);
            planes_scratch_release(&scratch);
        }
        CHECK_INT(code, FM_OK);
        CHECK_INT(tries, 4); /* three windows, and success */
    }
    window_release(&w);
    video_free(&frame);
    planes_destroy(&p);
    CHECK_INT(core_alloc_live(), live);
}

int main(void)
{
    RUN(windows_as_the_whole);
    RUN(parts_as_the_whole);
    RUN(a_part_touches_nothing_else);
    RUN(chosen_as_the_whole);
    RUN(no_memory_once_warm);
    RUN(memory_that_is_not_there);
    return check_report();
}
