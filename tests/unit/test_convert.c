/* SPDX-License-Identifier: MIT */
/* Windows and bands, and the way between them: exact in every format, in any part, at the edges, on any number of threads. */
#define _GNU_SOURCE
#include "convert/pixels.h"

#include "picture.h"

/* ---- memory ---- */

static void windows_grow_and_keep(void)
{
    struct window w = {0};
    CHECK_INT(window_reserve(&w, (struct rect){-3, 5, 10, 7}, 3), FM_OK);
    CHECK_INT(w.capacity, 210);
    CHECK_INT(window_plane(&w), 70);
    CHECK(window_row(&w, 0, 5) == w.data);
    CHECK(window_row(&w, 2, 11) == w.data + 200);
    float *const before = w.data;
    CHECK_INT(window_reserve(&w, (struct rect){0, 0, 4, 4}, 1), FM_OK);
    CHECK(w.data == before);
    CHECK_INT(w.capacity, 210);
    CHECK_INT(w.at.w, 4);
    CHECK_INT(window_reserve(&w, (struct rect){0, 0, 700, 700}, 3), FM_OK); /* in pages */
    w.data[700 * 700 * 3 - 1] = 1;
    window_release(&w);
    CHECK(!w.data && !w.capacity && !w.channels);
    window_release(&w);
    CHECK_INT(window_reserve(&w, (struct rect){0, 0, 0, 9}, 3), FM_OK);
    CHECK(!w.data);
}

static void memory_that_is_not_there(void)
{
    const int64_t live = core_alloc_live();
    struct window w = {0};
    struct band b = {0};
    const struct pixel_format rgba = {4, 16};
    CHECK_INT(window_reserve(&w, (struct rect){0, 0, 8, 8}, 1), FM_OK);
    CHECK_INT(window_reserve(&w, (struct rect){0, 0, INT32_MAX, INT32_MAX}, INT32_MAX), FM_ERR_NOMEM);
    CHECK(!w.data && !w.capacity && rect_is_empty(w.at));
    CHECK_INT(band_reserve(&b, rgba, 8, 0, 2), FM_OK);
    CHECK_INT(band_reserve(&b, rgba, INT32_MAX, INT32_MIN, INT32_MAX), FM_ERR_NOMEM);
    CHECK(!b.data && !b.capacity && !b.width);
    core_alloc_fail_after(1, false);
    CHECK_INT(window_reserve(&w, (struct rect){0, 0, 8, 8}, 1), FM_ERR_NOMEM);
    core_alloc_fail_after(1, false);
    CHECK_INT(band_reserve(&b, rgba, 8, 0, 2), FM_ERR_NOMEM);
    core_alloc_fail_after(0, false);
    CHECK_INT(core_alloc_live(), live);
}

static void bands_grow_and_keep(void)
{
    struct band b = {0};
    CHECK_INT(band_reserve(&b, (struct pixel_format){3, 8}, 5, 10, 14), FM_OK);
    CHECK_INT(b.capacity, 60);
    CHECK_INT(band_stride(&b), 15);
    CHECK(band_row(&b, 12) == b.data + 30);
    const uint8_t *const before = b.data;
    CHECK_INT(band_reserve(&b, (struct pixel_format){2, 16}, 5, 0, 3), FM_OK);
    CHECK(b.data == before);
    CHECK_INT(band_stride(&b), 20);
    CHECK_INT(band_reserve(&b, (struct pixel_format){4, 16}, 1000, 0, 300), FM_OK); /* in pages */
    b.data[1000 * 8 * 300 - 1] = 1;
    band_release(&b);
    CHECK(!b.data && !b.capacity);
    band_release(&b);
}

static void windows_copy_parts(void)
{
    uint64_t random = 1;
    struct window from = {0}, to = {0};
    picture_noise(&from, (struct rect){2, 3, 9, 8}, 2, &random);
    picture_blank(&to, (struct rect){-1, 4, 8, 9}, 2);
    window_copy(&to, &from, (struct rect){3, 5, 4, 3});
    for (int c = 0; c < 2; c++)
        for (int y = 4; y < 13; y++)
            for (int x = -1; x < 7; x++) {
                const bool inside = x >= 3 && x < 7 && y >= 5 && y < 8;
                const float got = to.data[(c * 9 + y - 4) * 8 + x + 1];
                CHECK(inside ? got == from.data[(c * 8 + y - 3) * 9 + x - 2] : isnan(got));
            }
    window_copy(&to, &from, (struct rect){100, 100, 0, 0});
    window_release(&from);
    window_release(&to);
}

/* ---- conversion ---- */

static unsigned sample(const struct band *b, int x, int y, int c)
{
    const size_t at = ((size_t) (y - b->y0) * (size_t) b->width + (size_t) x) * (size_t) b->format.channels + (size_t) c;
    uint16_t wide;
    if (b->format.bits == 8) return b->data[at];
    memcpy(&wide, b->data + 2 * at, sizeof wide);
    return wide;
}

static struct band random_band(struct pixel_format format, int width, int y0, int y1, uint64_t *random)
{
    struct band b = {0};
    if (band_reserve(&b, format, width, y0, y1) != FM_OK) abort();
    for (size_t i = 0; i < band_stride(&b) * (size_t) (y1 - y0); i++) b.data[i] = (uint8_t) picture_random(random);
    return b;
}

/* Every sample there is goes into a window as the quotient and comes back as itself. */
static void every_value_comes_back(void)
{
    uint32_t cpu[4];
    const int cpus = picture_cpus(cpu);
    for (int bits = 8; bits <= 16; bits += 8)
        for (int i = 0; i < cpus; i++) {
            const int values = 1 << bits;
            const float most = (float) (values - 1);
            struct band b = {0}, back = {0};
            struct window grey = {0};
            if (band_reserve(&b, (struct pixel_format){1, bits}, values, 0, 1) || band_reserve(&back, b.format, values, 0, 1))
                abort();
            for (int v = 0; v < values; v++)
                if (bits == 8)
                    b.data[v] = (uint8_t) v;
                else
                    ((uint16_t *) (void *) b.data)[v] = (uint16_t) v;
            picture_blank(&grey, rect_whole(values, 1), 1);
            pixels_unpack(NULL, cpu[i], &b, 1, &grey, NULL);
            for (int v = 0; v < values; v++)
                if (!CHECK_MSG(grey.data[v] == (float) v / most, "%d of %d bits, kernels %x", v, bits, cpu[i])) break;
            CHECK_INT(pixels_pack(NULL, cpu[i], &grey, NULL, grey.at, &back), 0);
            CHECK_MEM(back.data, b.data, band_stride(&b));
            window_release(&grey);
            band_release(&b);
            band_release(&back);
        }
}

static int inside(int i, int size)
{
    return i < 0 ? 0 : i < size ? i : size - 1;
}

/* One random window of a random band, in memory that ends with the rows that are needed. */
static void unpack_once(uint64_t *random, struct pool *pool, uint32_t cpu)
{
    const struct pixel_format f = {picture_int(random, 1, 4), picture_int(random, 0, 1) ? 8 : 16};
    const int width = picture_int(random, 1, 70), height = picture_int(random, 1, 40);
    const struct rect at = {
        picture_int(random, -80, 80), picture_int(random, -50, 50), picture_int(random, 1, 90), picture_int(random, 1, 60)};
    const bool want_alpha = picture_int(random, 0, 1);
    struct band b = random_band(f, width, inside(at.y, height), inside(at.y + at.h - 1, height) + 1, random);
    struct window colour = {0}, alpha = {0};
    const int colours = pixel_colours(f);
    picture_blank(&colour, at, picture_int(random, 0, 1) ? 3 : colours);
    picture_blank(&alpha, at, 1);
    pixels_unpack(pool, cpu, &b, height, &colour, want_alpha ? &alpha : NULL);
    const float most = f.bits == 8 ? 255 : 65535;
    bool good = true;
    for (int y = at.y; good && y < at.y + at.h; y++)
        for (int x = at.x; good && x < at.x + at.w; x++) {
            const int px = inside(x, width), py = inside(y, height);
            for (int c = 0; c < colour.channels; c++)
                good = good && window_row(&colour, c, y)[x - at.x] == (float) sample(&b, px, py, colours == 1 ? 0 : c) / most;
            const float a = window_row(&alpha, 0, y)[x - at.x];
            if (!want_alpha)
                good = good && isnan(a);
            else
                good = good && a == (pixel_has_alpha(f) ? (float) sample(&b, px, py, colours) / most : 1);
            CHECK_MSG(good, "%d channels of %d bits, %d x %d, window %d, %d, %d x %d: wrong at %d, %d", f.channels, f.bits, width,
                height, at.x, at.y, at.w, at.h, x, y);
        }
    window_release(&colour);
    window_release(&alpha);
    band_release(&b);
}

static void windows_from_bands(void)
{
    uint64_t random = 2;
    uint32_t cpu[4];
    const int cpus = picture_cpus(cpu);
    for (int i = 0; i < 400; i++) unpack_once(&random, NULL, cpu[i % cpus]);
}

static unsigned rounded(float v, int bits, uint64_t *nan) /* the definition: nearest, ties to even, cut */
{
    const float most = bits == 8 ? 255 : 65535;
    if (isnan(v)) {
        ++*nan;
        return 0;
    }
    const float scaled = v * most;
    return scaled <= 0 ? 0 : scaled >= most ? (unsigned) most : (unsigned) lrintf(scaled);
}

static float odd_value(uint64_t *random) /* what networks make, and what they should not */
{
    static const float odd[] = {
        0, -0.0f, 1, -1, 1.5f, 1e30f, -1e30f, 3e38f, INFINITY, -INFINITY, NAN, 1e-40f, 0.5f / 255, 1.5f / 255, 0.49999997f, 0.5f};
    const int i = picture_int(random, 0, 60);
    return i < 16 ? odd[i] : i < 30 ? ((float) picture_int(random, 0, 255) + 0.5f) / 255 : picture_float(random) * 1.4f - 0.2f;
}

static void pack_once(uint64_t *random, struct pool *pool, uint32_t cpu)
{
    const struct pixel_format f = {picture_int(random, 1, 4), picture_int(random, 0, 1) ? 8 : 16};
    const int width = picture_int(random, 1, 90), height = picture_int(random, 1, 60);
    const struct rect at = picture_part(random, width, height);
    const bool with_alpha = picture_int(random, 0, 3);
    struct window colour = {0}, alpha = {0};
    picture_blank(&colour, rect_grow(at, picture_int(random, 0, 5), width, height), pixel_colours(f));
    picture_blank(&alpha, rect_grow(at, picture_int(random, 0, 5), width, height), 1);
    for (size_t i = 0; i < window_plane(&colour) * (size_t) colour.channels; i++) colour.data[i] = odd_value(random);
    for (size_t i = 0; i < window_plane(&alpha); i++) alpha.data[i] = odd_value(random);
    struct band b = random_band(f, width, at.y, at.y + at.h, random), before = {0};
    if (band_reserve(&before, f, width, at.y, at.y + at.h) != FM_OK) abort();
    memcpy(before.data, b.data, band_stride(&b) * (size_t) at.h);
    const uint64_t nan = pixels_pack(pool, cpu, &colour, with_alpha ? &alpha : NULL, at, &b);
    uint64_t want_nan = 0;
    bool good = true;
    for (int y = at.y; good && y < at.y + at.h; y++)
        for (int x = 0; good && x < width; x++)
            for (int c = 0; c < f.channels; c++) {
                unsigned want = sample(&before, x, y, c);
                if (x >= at.x && x < at.x + at.w) {
                    const bool is_alpha = c == pixel_colours(f);
                    const struct window *w = is_alpha ? &alpha : &colour;
                    want = is_alpha && !with_alpha ? (1u << f.bits) - 1
                                                   : rounded(window_row(w, is_alpha ? 0 : c, y)[x - w->at.x], f.bits, &want_nan);
                }
                good = good && CHECK_MSG(sample(&b, x, y, c) == want, "%d channels of %d bits: %u at %d, %d, must be %u",
                                   f.channels, f.bits, sample(&b, x, y, c), x, y, want);
            }
    if (good) CHECK_INT(nan, want_nan);
    window_release(&colour);
    window_release(&alpha);
    band_release(&b);
    band_release(&before);
}

static void bands_from_windows(void)
{
    uint64_t random = 3;
    uint32_t cpu[4];
    const int cpus = picture_cpus(cpu);
    for (int i = 0; i < 400; i++) pack_once(&random, NULL, cpu[i % cpus]);
    struct window w = {0};
    struct band b = random_band((struct pixel_format){1, 8}, 3, 0, 1, &random);
    CHECK_INT(pixels_pack(NULL, 0, &w, NULL, (struct rect){0}, &b), 0); /* nothing of nothing */
    band_release(&b);
}

/* Large enough to be shared among threads; more of them than processors. */
static void threads_give_the_same(void)
{
    struct pool *pool = NULL;
    uint64_t random = 4;
    if (!CHECK_INT(pool_create(5, &pool, NULL), FM_OK)) return;
    const uint32_t cpu = cpu_flags();
    struct band b = random_band((struct pixel_format){4, 16}, 301, 0, 211, &random), one = {0}, many = {0};
    struct window colour = {0}, alpha = {0}, colour_many = {0}, alpha_many = {0};
    const struct rect at = {-5, -7, 320, 230};
    picture_blank(&colour, at, 3);
    picture_blank(&alpha, at, 1);
    picture_blank(&colour_many, at, 3);
    picture_blank(&alpha_many, at, 1);
    pixels_unpack(NULL, cpu, &b, 211, &colour, &alpha);
    pixels_unpack(pool, cpu, &b, 211, &colour_many, &alpha_many);
    picture_same(&colour_many, &colour, "colour");
    picture_same(&alpha_many, &alpha, "alpha");
    for (int i = 0; i < 100; i++) window_row(&colour, i % 3, 2 * i)[5 + i] = NAN;
    if (band_reserve(&one, b.format, 301, 0, 211) || band_reserve(&many, b.format, 301, 0, 211)) abort();
    CHECK_INT(pixels_pack(NULL, cpu, &colour, &alpha, rect_whole(301, 211), &one), 100);
    CHECK_INT(pixels_pack(pool, cpu, &colour, &alpha, rect_whole(301, 211), &many), 100);
    CHECK_MEM(many.data, one.data, band_stride(&one) * 211);
    window_release(&colour);
    window_release(&alpha);
    window_release(&colour_many);
    window_release(&alpha_many);
    band_release(&b);
    band_release(&one);
    band_release(&many);
    pool_destroy(&pool);
}

int main(void)
{
    RUN(windows_grow_and_keep);
    RUN(memory_that_is_not_there);
    RUN(bands_grow_and_keep);
    RUN(windows_copy_parts);
    RUN(every_value_comes_back);
    RUN(windows_from_bands);
    RUN(bands_from_windows);
    RUN(threads_give_the_same);
    return check_report();
}
