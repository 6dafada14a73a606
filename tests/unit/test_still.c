/* SPDX-License-Identifier: MIT */
/* Stills in and out: every format, depth, channel count and orientation, against libvips and against arithmetic. */
#define _GNU_SOURCE
#include "still_yard.h"

/* Where the pixel that is seen at (x, y) lies in a file of w x h pixels: the EXIF table, written down once more. */
static void seen(int orientation, int x, int y, int w, int h, int *column, int *row)
{
    const int columns[9] = {0, x, w - 1 - x, w - 1 - x, x, y, y, w - 1 - y, w - 1 - y};
    const int rows[9] = {0, y, y, h - 1 - y, h - 1 - y, x, h - 1 - x, h - 1 - x, x};
    *column = columns[orientation];
    *row = rows[orientation];
}

static bool is_turned(const struct picture *got, const struct picture *file, int orientation)
{
    const size_t bytes = pixel_bytes(file->format);
    if (got->width != (orientation > 4 ? file->height : file->width) ||
        got->height != (orientation > 4 ? file->width : file->height))
        return false;
    for (int y = 0; y < got->height; y++)
        for (int x = 0; x < got->width; x++) {
            int column, row;
            seen(orientation, x, y, file->width, file->height, &column, &row);
            if (memcmp(got->data + ((size_t) y * (size_t) got->width + (size_t) x) * bytes,
                    file->data + ((size_t) row * (size_t) file->width + (size_t) column) * bytes, bytes) != 0)
                return false;
        }
    return true;
}

/* Formats that give back what was put in: name, ends, depths, channels, what the reader says. */
static const struct lossless {
    const char *end, *loader;
    int most_bits;
    const char *channels;
    bool streams, oriented;
} lossless[] = {
    {"png", "png", 16, "1234", true, false},
    {"png[interlace]", "png", 16, "1234", false, false},
    {"tif", "tiff", 16, "1234", true, true},
    {"tif[compression=lzw,tile,tile-width=32,tile-height=16]", "tiff", 16, "1234", true, true},
    {"tif[compression=deflate,bigtiff]", "tiff", 16, "1234", true, true},
    {"webp[lossless]", "webp", 8, "3", false, true},
    {"jxl[lossless]", "jxl", 16, "34", false, false},
    {"ppm", "ppm", 16, "3", true, false},
    {"pgm", "ppm", 16, "1", true, false},
};

static void read_one(const struct lossless *f, int channels, int bits, int orientation)
{
    struct picture file = yard_picture(83, 47, channels, bits), got;
    struct still_info info;
    struct fm_error error = {0};
    VipsImage *image = yard_image(&file);
    if (orientation > 1) vips_image_set_int(image, VIPS_META_ORIENTATION, orientation);
    char name[96];
    snprintf(name, sizeof name, "read.%s", f->end);
    const bool made = yard_save(image, name);
    g_object_unref(image);
    *strchrnul(name, '[') = 0;
    if (CHECK_MSG(made, "%s of %d channels of %d bits", f->end, channels, bits)) {
        const int code = yard_read(yard_path("%s", name), 1 + orientation * 5, &got, &info, &error);
        if (CHECK_MSG(code == FM_OK, "%s", error.message)) {
            CHECK_MSG(got.format.channels == channels && got.format.bits == bits, "%s: %d channels of %d bits instead of %d of %d",
                f->end, got.format.channels, got.format.bits, channels, bits);
            CHECK_STR(info.loader, f->loader);
            CHECK_STR(info.note, "");
            CHECK_MSG(info.streams == (f->streams && orientation <= 2), "%s, orientation %d: streams %d", f->end, orientation,
                info.streams);
            CHECK_MSG(info.decoded_bytes == (info.streams ? 0 : file.size), "%s: %zu bytes decoded", f->end, info.decoded_bytes);
            CHECK_MSG(got.size == file.size && is_turned(&got, &file, orientation),
                "%s of %d channels of %d bits, orientation %d: other pixels", f->end, channels, bits, orientation);
            free(got.data);
        }
    }
    free(file.data);
}

static void reads_every_lossless_format(void)
{
    for (size_t i = 0; i < sizeof lossless / sizeof lossless[0]; i++)
        for (const char *c = lossless[i].channels; *c; c++)
            for (int bits = 8; bits <= lossless[i].most_bits; bits += 8)
                for (int orientation = 1; orientation <= (lossless[i].oriented ? 8 : 1); orientation++)
                    read_one(&lossless[i], *c - '0', bits, orientation);
}

static double mean_difference(const struct picture *a, const struct picture *b)
{
    double sum = 0;
    if (a->size != b->size || !a->data || !b->data) return 1e9;
    const size_t count = a->size / (size_t) (a->format.bits / 8);
    for (size_t i = 0; i < count; i++)
        sum += a->format.bits == 8 ? abs(a->data[i] - b->data[i])
                                   : abs(((uint16_t *) (void *) a->data)[i] - ((uint16_t *) (void *) b->data)[i]) / 257.0;
    return sum / (double) count;
}

static struct picture smooth(int width, int height, int channels, int bits)
{
    struct picture p = yard_picture(width, height, channels, bits);
    for (size_t i = 0; i < p.size / (size_t) (bits / 8); i++) {
        const int pixel = (int) i / channels, x = pixel % width, y = pixel / width, c = (int) i % channels;
        const double v = 0.5 + 0.4 * sin(x / 11.0 + c) * cos(y / 7.0);
        if (bits == 8)
            p.data[i] = (uint8_t) lrint(v * 255);
        else
            ((uint16_t *) (void *) p.data)[i] = (uint16_t) lrint(v * 65535);
    }
    return p;
}

/* AVIF, HEIC, lossy WebP and JPEG: near what was put in, and exactly what libvips reads from the same file. */
static void reads_lossy_formats(void)
{
    static const struct {
        const char *end, *loader;
        int bits, channels;
        double most;
    } cases[] = {
        {"jpg[Q=95]", "jpeg", 8, 3, 1.5},
        {"jpg[Q=95,interlace]", "jpeg", 8, 3, 1.5},
        {"jpg[Q=95]", "jpeg", 8, 1, 1.5},
        {"webp[Q=95]", "webp", 8, 3, 2},
        {"webp[Q=95]", "webp", 8, 4, 2},
        {"avif[Q=95]", "avif", 8, 3, 2},
        {"avif[Q=95]", "avif", 8, 4, 2},
        {"avif[Q=95]", "avif", 16, 3, 2},
        {"heic[Q=95,bitdepth=10]", "heif", 16, 3, 2},
        {"heic[Q=95]", "heif", 8, 3, 2},
        {"heic[Q=95]", "heif", 16, 3, 2},
        {"jxl[Q=95]", "jxl", 8, 3, 2},
        {"jxl[Q=95]", "jxl", 16, 4, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct picture file = smooth(120, 64, cases[i].channels, cases[i].bits), got = {0};
        struct still_info info;
        struct fm_error error = {0};
        VipsImage *image = yard_image(&file);
        char name[64];
        snprintf(name, sizeof name, "lossy.%s", cases[i].end);
        CHECK(yard_save(image, name));
        g_object_unref(image);
        *strchrnul(name, '[') = 0;
        if (CHECK_MSG(yard_read(yard_path("%s", name), 17, &got, &info, &error) == FM_OK, "%s", error.message)) {
            CHECK_STR(info.loader, cases[i].loader);
            CHECK_MSG(mean_difference(&got, &file) < cases[i].most, "%s: %g off", cases[i].end, mean_difference(&got, &file));
        }
        free(got.data);
        free(file.data);
    }
}

/* White of 10 and 12 bits is white of 16. */
static void full_range_of_deep_heif(void)
{
    struct picture white = yard_picture(32, 32, 3, 16), got;
    memset(white.data, 0xff, white.size);
    VipsImage *image = yard_image(&white);
    struct still_info info;
    struct fm_error error = {0};
    for (int bits = 10; bits <= 12; bits += 2) {
        char name[64];
        snprintf(name, sizeof name, "white.heic[lossless,bitdepth=%d]", bits);
        CHECK(yard_save(image, name));
        if (!CHECK(yard_read(yard_path("white.heic"), 32, &got, &info, &error) == FM_OK)) continue;
        CHECK_MEM(got.data, white.data, white.size);
        free(got.data);
    }
    g_object_unref(image);
    free(white.data);
}

static const struct written {
    const char *format, *channels;
    int most_bits, quality;
    double most; /* mean difference */
} written[] = {
    {"png", "1234", 16, 0, 0},
    {"tiff", "1234", 16, 0, 0},
    {"ppm", "13", 16, 0, 0},
    {"webp", "34", 8, 100, 0},
    {"jxl", "34", 16, 100, 0},
    {"jpeg", "13", 8, 0, 1.5},
    {"webp", "1234", 8, 0, 2},
    {"avif", "34", 16, 0, 3},
    {"heic", "34", 16, 0, 3},
    {"jxl", "34", 16, 0, 2},
    {"avif", "34", 8, 100, 0.7},
    {"heic", "34", 8, 100, 0.7},
    {"jpeg", "13", 8, 100, 0.8},
    {"jpeg", "13", 8, 40, 4},
};

static void writes_every_format(void)
{
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++)
        for (const char *c = written[i].channels; *c; c++)
            for (int bits = 8; bits <= written[i].most_bits; bits += 8) {
                const struct written *w = &written[i];
                struct picture p = w->most > 0 ? smooth(150, 90, *c - '0', bits) : yard_picture(150, 90, *c - '0', bits);
                struct still_write_params params = yard_params(&p, w->format);
                struct fm_error error = {0};
                params.quality = w->quality;
                const char *path = yard_path("written.%s", still_format_extension(w->format));
                if (CHECK_MSG(yard_write(path, &p, NULL, &params, &error) == FM_OK, "%s: %s", w->format, error.message)) {
                    struct picture got = yard_witness(path);
                    if (p.format.channels < 3 &&
                        got.format.channels > 2) {          /* grey became RGB: compare the first channel, alpha the last */
                        for (size_t k = 0; k < p.size; k++) /* 8 bits only */
                            got.data[k] = got.data[k / (size_t) p.format.channels * (size_t) got.format.channels +
                                                   (k % (size_t) p.format.channels ? (size_t) got.format.channels - 1 : 0)];
                        got.size = p.size;
                    }
                    if (strcmp(w->format, "webp") == 0 && p.format.channels == 4) /* WebP drops colours that nobody sees */
                        for (size_t k = 0; k + 3 < p.size; k += 4)
                            if (p.data[k + 3] == 0) memcpy(got.data + k, p.data + k, 3);
                    const double off = mean_difference(&p, &got);
                    CHECK_MSG(got.format.bits == bits && (w->most > 0 ? off < w->most : off == 0),
                        "%s of %s channels of %d bits: %g off", w->format, c, bits, off);
                    free(got.data);
                }
                free(p.data);
            }
}

/* Grey stays exact in formats that hold RGB only. */
static void grey_in_rgb_formats(void)
{
    for (int bits = 8; bits <= 16; bits += 8)
        for (int channels = 1; channels <= 2; channels++) {
            struct picture p = yard_picture(60, 40, channels, bits), got;
            struct still_write_params params = yard_params(&p, bits == 8 ? "webp" : "jxl");
            struct still_info info;
            struct fm_error error = {0};
            params.quality = 100;
            const char *path = yard_path("grey.%s", params.format);
            if (CHECK_MSG(yard_write(path, &p, NULL, &params, &error) == FM_OK, "%s", error.message) &&
                CHECK_MSG(yard_read(path, 40, &got, &info, &error) == FM_OK, "%s", error.message)) {
                const size_t bytes = (size_t) bits / 8;
                CHECK_INT(got.format.channels, channels + 2);
                bool same = true;
                for (size_t i = 0; i < 60 * 40; i++) {
                    const uint8_t *from = p.data + i * (size_t) channels * bytes,
                                  *to = got.data + i * (size_t) (channels + 2) * bytes;
                    const bool visible =
                        channels == 1 || from[bytes] || from[bytes + bytes - 1]; /* WebP drops colours that nobody sees */
                    for (size_t c = 0; c < 3 && visible; c++) same = same && memcmp(from, to + c * bytes, bytes) == 0;
                    if (channels == 2) same = same && memcmp(from + bytes, to + 3 * bytes, bytes) == 0;
                }
                CHECK_MSG(same, "%s of %d channels", params.format, channels);
                free(got.data);
            }
            free(p.data);
        }
}

static void png_levels_and_shapes(void)
{
    static const int sizes[][2] = {{1, 1}, {1, 300}, {300, 1}, {7, 5}, {30000, 20}, {20, 30000}, {2048, 300}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int level = -1; level <= 9; level += i < 4 ? 1 : 5) {
            struct picture p = yard_picture(sizes[i][0], sizes[i][1], 1 + (int) i % 4, i % 2 ? 8 : 16), got;
            struct still_write_params params = yard_params(&p, "png");
            struct still_info info;
            struct fm_error error = {0};
            params.compression = level;
            const char *path = yard_path("shape.png");
            if (CHECK_MSG(yard_write(path, &p, NULL, &params, &error) == FM_OK, "%s", error.message)) {
                got = yard_witness(path);
                CHECK_MSG(got.size == p.size && memcmp(got.data, p.data, p.size) == 0, "%d x %d, level %d, seen by libvips",
                    p.width, p.height, level);
                free(got.data);
                if (CHECK_MSG(yard_read(path, 1000, &got, &info, &error) == FM_OK, "%s", error.message))
                    CHECK_MSG(memcmp(got.data, p.data, p.size) == 0, "%d x %d, level %d", p.width, p.height, level);
                free(got.data);
            }
            free(p.data);
        }
}

static void other_shapes(void)
{
    static const char *const formats[] = {"jpeg", "webp", "tiff", "avif", "heic", "jxl", "ppm"};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        const int most = strcmp(formats[i], "webp") == 0                                      ? 16000
                         : strcmp(formats[i], "avif") == 0 || strcmp(formats[i], "heic") == 0 ? 4000
                                                                                              : 30000;
        for (int wide = 0; wide < 2; wide++) {
            struct picture p = yard_picture(wide ? most : 1, wide ? 20 : 1, 3, 8), got = {0};
            struct still_write_params params = yard_params(&p, formats[i]);
            struct still_info info;
            struct fm_error error = {0};
            const char *path = yard_path("other.%s", formats[i]);
            if (CHECK_MSG(yard_write(path, &p, NULL, &params, &error) == FM_OK, "%s", error.message) &&
                CHECK_MSG(yard_read(path, 7, &got, &info, &error) == FM_OK, "%s", error.message))
                CHECK_MSG(got.width == p.width && got.height == p.height, "%s: %d x %d", formats[i], got.width, got.height);
            free(got.data);
            free(p.data);
        }
    }
}

/* PNM says what its white is; ours is 255 or 65535. */
static void white_of_pnm(void)
{
    static const struct {
        const char *bytes;
        int length, count, bits;
        int samples[4];
    } cases[] = {
        {"P4\n10 1\n\xa0\x40", 10, 10, 8, {0, 255, 0, 255}},
        {"P5\n4 1\n100\n\x00\x32\x64\x19", 15, 4, 8, {0, 128, 255, 64}},           /* 127.5 and 63.75 */
        {"P5\n3 1\n1023\n\x03\xff\x00\x01\x00\x00", 18, 3, 16, {65535, 64, 0, 0}}, /* 64.06 */
        {"P5 2 1 255\n\x07\xf0", 13, 2, 8, {7, 240, 0, 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct picture got;
        struct still_info info;
        struct fm_error error = {0};
        yard_dump(yard_path("white.pnm"), cases[i].bytes, (size_t) cases[i].length);
        if (!CHECK_MSG(yard_read(yard_path("white.pnm"), 1, &got, &info, &error) == FM_OK, "%s", error.message)) continue;
        CHECK_INT(got.width, cases[i].count);
        CHECK_INT(got.format.bits, cases[i].bits);
        for (int k = 0; k < 4 && k < got.width; k++)
            CHECK_INT(cases[i].bits == 8 ? got.data[k] : ((uint16_t *) (void *) got.data)[k], cases[i].samples[k]);
        free(got.data);
    }
}

/* The encoder of HEIC takes no such picture, and libheif says nothing: we do. */
static void heic_that_cannot_be(void)
{
    struct picture p = yard_picture(16000, 20, 3, 8);
    struct still_write_params params = yard_params(&p, "heic");
    struct fm_error error = {0};
    CHECK_INT(yard_write(yard_path("wide.heic"), &p, NULL, &params, &error), FM_ERR_UNSUPPORTED);
    CHECK_HAS(error.message, "wide.heic: the heic encoder does not take a picture of 16000 x 20 pixels");
    CHECK(access(yard_path("wide.heic"), F_OK) != 0);
    free(p.data);
}

static void names_and_limits(void)
{
    CHECK_STR(still_format_of("a/b.PNG"), "png");
    CHECK_STR(still_format_of("photo.JPeG"), "jpeg");
    CHECK_STR(still_format_of("jpg"), "jpeg");
    CHECK_STR(still_format_of(".webp"), "webp");
    CHECK_STR(still_format_of("x.tar.tif"), "tiff");
    CHECK_STR(still_format_of("heif"), "heic");
    CHECK(!still_format_of("a.bmp"));
    CHECK(!still_format_of("png/file"));
    CHECK(!still_format_of(""));
    CHECK_STR(still_format_extension("jpeg"), "jpg");
    CHECK(!still_format_extension("bmp"));
    CHECK(still_is_picture_name("x/y.Gif") && still_is_picture_name("a.avif") && !still_is_picture_name("a.txt") &&
          !still_is_picture_name("png"));
    CHECK(!still_is_picture_name("dir.png/readme") && !still_is_picture_name(".png"));
    CHECK_INT(still_format_bits("jpeg"), 8);
    CHECK_INT(still_format_bits("png"), 16);
    CHECK(!still_format_has_alpha("jpeg") && still_format_has_alpha("webp") && !still_format_has_alpha("?"));
    CHECK(still_format_streams("tiff") && !still_format_streams("avif"));
    CHECK_INT(still_format_max_side("webp"), 16383);

    struct picture p = yard_picture(2, 2, 3, 8);
    struct fm_error error = {0};
    struct still_write_params params = yard_params(&p, "webp");
    params.width = 16384;
    CHECK_INT(yard_write(yard_path("no.webp"), &p, NULL, &params, &error), FM_ERR_UNSUPPORTED);
    CHECK_HAS(error.message, "no.webp: 16384 x 2");
    params = yard_params(&p, "bmp");
    CHECK_INT(yard_write(yard_path("no.bmp"), &p, NULL, &params, &error), FM_ERR_ARGUMENT);
    params = yard_params(&p, "jpeg");
    params.pixels.channels = 4;
    CHECK_INT(yard_write(yard_path("no.jpg"), &p, NULL, &params, &error), FM_ERR_ARGUMENT);
    params.pixels = (struct pixel_format){3, 16};
    CHECK_INT(yard_write(yard_path("no.jpg"), &p, NULL, &params, &error), FM_ERR_ARGUMENT);
    CHECK(access(yard_path("no.jpg"), F_OK) != 0);
    free(p.data);
}

/* Only what is wanted is loaded. */
static void no_modules_but_ours(void)
{
    CHECK(vips_type_find("VipsOperation", "heifload") != 0);
    CHECK(vips_type_find("VipsOperation", "magickload") == 0);
    CHECK(vips_type_find("VipsOperation", "pdfload") == 0);
    CHECK(vips_type_find("VipsOperation", "openslideload") == 0);
    CHECK(!getenv("VIPSHOME"));
}

int main(void)
{
    if (!yard_open()) return 1;
    RUN(no_modules_but_ours);
    RUN(reads_every_lossless_format);
    RUN(reads_lossy_formats);
    RUN(full_range_of_deep_heif);
    RUN(writes_every_format);
    RUN(grey_in_rgb_formats);
    RUN(png_levels_and_shapes);
    RUN(other_shapes);
    RUN(white_of_pnm);
    RUN(heic_that_cannot_be);
    RUN(names_and_limits);
    if (yard_close() != 0) fprintf(stderr, "temporary files were left\n");
    return check_report();
}
