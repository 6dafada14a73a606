/* SPDX-License-Identifier: MIT */
/* Files that are not what they should be, and systems that do not do what they should: a right picture or a clear error, and
 * nothing left behind. */
#define _GNU_SOURCE
#include "still_yard.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

/* Reads and throws away; the code, and the message in *error. */
static int try_read(const char *path, struct fm_error *error)
{
    struct picture got;
    struct still_info info;
    *error = (struct fm_error){0};
    const int code = yard_read(path, 16, &got, &info, error);
    free(got.data);
    if (code != FM_OK) CHECK_MSG(strstr(error->message, path), "the message does not name %s: %s", path, error->message);
    if (code != FM_OK) CHECK_MSG(error->code == code, "%s: code %d, message's %d", path, code, error->code);
    return code;
}

static void not_pictures(void)
{
    struct fm_error error;
    CHECK_INT(try_read(yard_path("missing.png"), &error), FM_ERR_IO);
    CHECK_HAS(error.message, "No such file");
    CHECK_INT(try_read(yard_folder, &error), FM_ERR_IO);
    CHECK_HAS(error.message, "is a directory");
    yard_dump(yard_path("empty.png"), "", 0);
    CHECK_INT(try_read(yard_path("empty.png"), &error), FM_ERR_FORMAT);
    CHECK_HAS(error.message, "is empty");
    CHECK_INT(mkfifo(yard_path("pipe.png"), 0600), 0);
    CHECK_INT(try_read(yard_path("pipe.png"), &error), FM_ERR_IO);
    yard_dump(yard_path("words.png"), "hello there, this is text", 25);
    CHECK_INT(try_read(yard_path("words.png"), &error), FM_ERR_FORMAT);
    CHECK_HAS(error.message, "no picture of a kind that is known");
    yard_dump(yard_path("one.png"), "P", 1);
    CHECK_INT(try_read(yard_path("one.png"), &error), FM_ERR_FORMAT);

    static const struct {
        const char *bytes;
        int length;
        const char *what;
    } others[] = {
        {"%PDF-1.4\n", 9, "a PDF document"},
        {"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", 62, "an SVG drawing"},
        {"8BPS\0\1", 6, "a Photoshop document"},
        {"\0\0\0\x18"
         "ftypisom\0\0\2\0isomavc1",
            24, "a video"},
        {"\x76\x2f\x31\x01\2\0\0\0", 8, "an OpenEXR picture"},
        {"BM\x36\0\0\0", 6, "a Windows bitmap"},
        {"PF\n2 2\n-1\n", 10, "a PFM picture"},
        {"II*\0\x10\0\0\0CR\2\0", 12, "a camera's raw file"},
        {"\0\0\0\x18"
         "ftypcrx \0\0\0\1crx isom",
            24, "a camera's raw file"},
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        yard_dump(yard_path("other.jpg"), others[i].bytes, (size_t) others[i].length);
        CHECK_INT(try_read(yard_path("other.jpg"), &error), FM_ERR_UNSUPPORTED);
        CHECK_HAS(error.message, others[i].what);
    }
}

/* Content decides, not the name. */
static void mislabelled(void)
{
    struct still_info info;
    struct fm_error error = {0};
    struct picture got;
    CHECK(yard_make("real.jpg", 40, 30, 3, 8));
    CHECK_INT(rename(yard_path("real.jpg"), yard_path("fake.png")), 0);
    if (!CHECK_MSG(yard_read(yard_path("fake.png"), 8, &got, &info, &error) == FM_OK, "%s", error.message)) return;
    CHECK_STR(info.loader, "jpeg");
    free(got.data);
}

static const char *const kinds[] = {"png", "png[interlace]", "jpg[Q=90]", "jpg[Q=90,interlace]", "webp[lossless]", "webp", "tif",
    "tif[compression=lzw]", "tif[compression=deflate,tile]", "tif[compression=jpeg]", "gif", "ppm", "avif[effort=0]",
    "heic[effort=0]", "jxl[effort=3]"};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* The file of one kind in memory, and its pixels. */
static uint8_t *make_kind(int kind, size_t *size, struct picture *pixels, const char **path)
{
    char name[64];
    struct still_info info;
    struct fm_error error = {0};
    snprintf(name, sizeof name, "kind.%s", kinds[kind]);
    const bool made = yard_make(name, 61, 45, 3, 8);
    *strchrnul(name, '[') = 0;
    *path = yard_path("%s", name);
    if (!CHECK(made) || !CHECK_MSG(yard_read(*path, 45, pixels, &info, &error) == FM_OK, "%s", error.message)) return NULL;
    return yard_slurp(*path, size);
}

/* Cut anywhere: an error, or (when nothing but the end marker is gone) the very picture. */
static void truncated(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct picture whole, got;
        size_t size;
        const char *path;
        uint8_t *data = make_kind(kind, &size, &whole, &path);
        if (!data) continue;
        int refused = 0;
        for (size_t cut = 0; cut<size; cut += cut + 40> size || cut < 60 ? 1 : size / 60 + 1) {
            struct still_info info;
            struct fm_error error = {0};
            yard_dump(path, data, cut);
            const int code = yard_read(path, 10, &got, &info, &error);
            if (code == FM_OK)
                CHECK_MSG(size - cut < 24 && got.size == whole.size && memcmp(got.data, whole.data, whole.size) == 0,
                    "%s cut to %zu of %zu bytes: another picture", kinds[kind], cut, size);
            else
                CHECK_MSG(code == FM_ERR_FORMAT && strstr(error.message, path), "%s cut to %zu: %d %s", kinds[kind], cut, code,
                    error.message);
            refused += code != FM_OK;
            free(got.data);
        }
        CHECK_MSG(refused > 30, "%s: cut files refused: %d", kinds[kind], refused);
        free(data);
        free(whole.data);
    }
}

/* Damaged anywhere: no crash. PNG has sums over all that matters: never another picture. */
static void damaged(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct picture whole, got;
        size_t size;
        const char *path;
        uint32_t seed = 12345;
        uint8_t *data = make_kind(kind, &size, &whole, &path);
        if (!data) continue;
        const bool slow = strstr(kinds[kind], "avif") || strstr(kinds[kind], "heic") || strstr(kinds[kind], "jxl");
        for (int i = 0; i < (slow ? 60 : 200); i++) {
            struct still_info info;
            struct fm_error error = {0};
            seed = seed * 1664525u + 1013904223u;
            const size_t at = i < 64 ? (size_t) i % size : (seed >> 8) % size;
            const uint8_t old = data[at];
            data[at] ^= (uint8_t) (1u << (seed >> 29));
            yard_dump(path, data, size);
            data[at] = old;
            const int code = yard_read(path, 45, &got, &info, &error);
            if (code == FM_OK && kind < 2)
                CHECK_MSG(got.size == whole.size && memcmp(got.data, whole.data, whole.size) == 0,
                    "%s with byte %zu changed: another picture", kinds[kind], at);
            free(got.data);
        }
        free(data);
        free(whole.data);
    }
}

/* The last rows of a JPEG are looked at too: entropy coded data that ends early, with its end marker in place. */
static void jpeg_short_of_data(void)
{
    for (int height = 8; height <= 64; height += 56) {
        struct fm_error error;
        CHECK(yard_make("short.jpg[Q=90]", 64, height, 3, 8));
        size_t size;
        uint8_t *data = yard_slurp(yard_path("short.jpg"), &size);
        CHECK_INT(try_read(yard_path("short.jpg"), &error), FM_OK);
        for (size_t gone = 4; gone < 40; gone += 9) {
            uint8_t end[2] = {0xff, 0xd9};
            memcpy(data + size - 2 - gone, end, 2);
            yard_dump(yard_path("short.jpg"), data, size - gone);
            CHECK_INT(try_read(yard_path("short.jpg"), &error), FM_ERR_FORMAT);
            CHECK_HAS(error.message, "premature end");
        }
        free(data);
    }
}

/* A second frame or page of the same picture. */
static bool save_pages(const char *name, int pages)
{
    struct picture p = yard_picture(20, 16 * pages, 3, 8);
    VipsImage *image = yard_image(&p);
    vips_image_set_int(image, VIPS_META_PAGE_HEIGHT, 16);
    const bool good = yard_save(image, name);
    g_object_unref(image);
    free(p.data);
    return good;
}

static void put_be32(uint8_t *to, uint32_t v)
{
    for (int i = 0; i < 4; i++) to[i] = (uint8_t) (v >> (24 - 8 * i));
}

static uint32_t crc_of(const uint8_t *data, size_t size)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

/* Puts a chunk behind IHDR. */
static void insert_chunk(const char *from, const char *to, const char *type, const void *data, uint32_t size)
{
    size_t whole;
    uint8_t *file = yard_slurp(from, &whole), *out = malloc(whole + 12 + size);
    memcpy(out, file, 33);
    put_be32(out + 33, size);
    memcpy(out + 37, type, 4);
    memcpy(out + 41, data, size);
    put_be32(out + 41 + size, crc_of(out + 37, size + 4));
    memcpy(out + 45 + size, file + 33, whole - 33);
    yard_dump(to, out, whole + 12 + size);
    free(file);
    free(out);
}

/* A bare JPEG XL header up to the animation bit, lowest bits first. */
static void jxl_header(uint8_t *out, bool animated, bool extras)
{
    static const int sizes[][2] = {{1, 1}, {3, 5}, {0, 3}, {3, 5}}; /* small, 32 rows, no ratio, 32 columns */
    int at = 16;
    memset(out, 0, 64);
    out[0] = 0xff;
    out[1] = 0x0a;
#define PUT(value, count)                                                                                                          \
    for (int i_ = 0; i_ < (count); i_++, at++) out[at >> 3] |= (uint8_t) (((value) >> i_ & 1) << (at & 7))
    for (size_t i = 0; i < 4; i++) PUT(sizes[i][0], sizes[i][1]);
    PUT(0, 1); /* not all default */
    PUT(1, 1); /* extra fields */
    PUT(5, 3); /* orientation */
    PUT(extras, 1);
    if (extras) { /* an intrinsic size in full: 2 selector bits, 13 bits; ratio 1 */
        PUT(0, 1);
        PUT(1, 2);
        PUT(700, 13);
        PUT(1, 3);
    }
    PUT(extras, 1);
    if (extras) { /* a preview: not by eight, selector 1, 8 bits; ratio 2 */
        PUT(0, 1);
        PUT(1, 2);
        PUT(99, 8);
        PUT(2, 3);
    }
    PUT(animated, 1);
#undef PUT
}

static void animated(void)
{
    struct fm_error error;
    CHECK(save_pages("film.webp", 3));
    CHECK_INT(try_read(yard_path("film.webp"), &error), FM_ERR_UNSUPPORTED);
    CHECK_HAS(error.message, "has 3 frames: stills only");
    CHECK(save_pages("film.gif", 4));
    CHECK_INT(try_read(yard_path("film.gif"), &error), FM_ERR_UNSUPPORTED);
    CHECK_HAS(error.message, "has 4 frames");
    CHECK(save_pages("film.tif", 5));
    CHECK_INT(try_read(yard_path("film.tif"), &error), FM_ERR_UNSUPPORTED);
    CHECK_HAS(error.message, "has 5 pages");
    CHECK(yard_make("still.gif", 20, 20, 3, 8));
    CHECK_INT(try_read(yard_path("still.gif"), &error), FM_OK);

    CHECK(yard_make("still.png", 20, 20, 3, 8));
    insert_chunk(yard_path("still.png"), yard_path("film.png"), "acTL", "\0\0\0\7\0\0\0\0", 8);
    CHECK_INT(try_read(yard_path("film.png"), &error), FM_ERR_UNSUPPORTED);
    CHECK_HAS(error.message, "has 7 frames");
    insert_chunk(yard_path("still.png"), yard_path("film.png"), "acTL", "\0\0\0\1\0\0\0\0", 8);
    CHECK_INT(try_read(yard_path("film.png"), &error), FM_OK);

    size_t size;
    CHECK(yard_make("still.avif[effort=0]", 32, 32, 3, 8));
    uint8_t *data = yard_slurp(yard_path("still.avif"), &size);
    memcpy(data + 8, "avis", 4);
    yard_dump(yard_path("film.avif"), data, size);
    CHECK_INT(try_read(yard_path("film.avif"), &error), FM_ERR_UNSUPPORTED);
    CHECK_HAS(error.message, "image sequence");
    free(data);

    for (int extras = 0; extras < 2; extras++) {
        uint8_t header[64], box[120] = "\0\0\0\x0cJXL \r\n\x87\n"
                                       "\0\0\0\x14"
                                       "ftypjxl \0\0\0\0jxl "
                                       "\0\0\0\x50"
                                       "jxlp\0\0\0\0";
        jxl_header(header, true, extras);
        yard_dump(yard_path("film.jxl"), header, sizeof header);
        CHECK_INT(try_read(yard_path("film.jxl"), &error), FM_ERR_UNSUPPORTED);
        CHECK_HAS(error.message, "is animated");
        memcpy(box + 44, header, sizeof header);
        yard_dump(yard_path("film.jxl"), box, sizeof box);
        CHECK_INT(try_read(yard_path("film.jxl"), &error), FM_ERR_UNSUPPORTED);
        CHECK_HAS(error.message, "is animated");
        jxl_header(header, false, extras);
        yard_dump(yard_path("film.jxl"), header, sizeof header);
        CHECK_INT(try_read(yard_path("film.jxl"), &error), FM_ERR_FORMAT); /* there is no picture behind the header */
    }
}

/* Two pictures in one HEIC: 'pitm' names the primary one, which is read, and that is said. */
static void several_in_one_heic(void)
{
    struct picture p = yard_picture(64, 128, 3, 8), got;
    struct still_info info;
    struct fm_error error = {0};
    for (size_t i = 0; i < p.size; i++) p.data[i] = i < p.size / 2 ? 40 : 210;
    VipsImage *image = yard_image(&p);
    vips_image_set_int(image, VIPS_META_PAGE_HEIGHT, 64);
    CHECK(yard_save(image, "two.heic"));
    g_object_unref(image);
    size_t size;
    uint8_t *data = yard_slurp(yard_path("two.heic"), &size);
    uint8_t *primary = memmem(data, size, "pitm", 4), *one = memmem(data, size, "hvc1", 4);
    uint8_t *other = one ? memmem(one + 4, size - (size_t) (one + 4 - data), "hvc1", 4) : NULL;
    if (CHECK(primary && other))
        for (int second = 0; second < 2; second++) {
            if (second) memcpy(primary + 8, other - 4, 2); /* the item's number stands before its type */
            yard_dump(yard_path("two.heic"), data, size);
            if (!CHECK_MSG(yard_read(yard_path("two.heic"), 64, &got, &info, &error) == FM_OK, "%s", error.message)) continue;
            CHECK_HAS(info.note, "several pictures");
            CHECK_INT(got.height, 64);
            CHECK_NEAR(got.data[3000], second ? 210 : 40, 4);
            free(got.data);
        }
    free(data);
    free(p.data);
}

static void hostile(void)
{
    struct fm_error error;
    size_t size;
    CHECK(yard_make("small.png", 20, 20, 4, 8));
    uint8_t *data = yard_slurp(yard_path("small.png"), &size);
    static const struct {
        uint32_t width, height;
        uint8_t interlace;
        int code;
    } sides[] = {{0x7fffffff, 0x7fffffff, 0, 0}, {0xffffffff, 20, 0, 0}, {0, 20, 0, 0}, {20, 0, 0, 0},
        {1000000, 1000000, 0, FM_ERR_UNSUPPORTED}, {260000, 260000, 1, FM_ERR_UNSUPPORTED}, {20, 1000000, 0, FM_ERR_FORMAT},
        {500000, 20, 1, FM_ERR_FORMAT}};
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        put_be32(data + 16, sides[i].width);
        put_be32(data + 20, sides[i].height);
        data[28] = sides[i].interlace;
        put_be32(data + 29, crc_of(data + 12, 17));
        yard_dump(yard_path("huge.png"), data, size);
        const int code = try_read(yard_path("huge.png"), &error);
        CHECK_MSG(sides[i].code ? code == sides[i].code : code < 0, "PNG of %u x %u: %d %s", sides[i].width, sides[i].height, code,
            error.message);
    }
    CHECK_HAS(error.message, "huge.png");
    free(data);

    /* TIFF whose directory is followed by itself */
    CHECK(yard_make("loop.tif", 20, 20, 3, 8));
    data = yard_slurp(yard_path("loop.tif"), &size);
    uint32_t at;
    memcpy(&at, data + 4, 4);
    uint16_t entries;
    memcpy(&entries, data + at, 2);
    memcpy(data + at + 2 + 12 * entries, &at, 4);
    yard_dump(yard_path("loop.tif"), data, size);
    (void) try_read(yard_path("loop.tif"), &error);
    free(data);

    static const char *const pnms[] = {"P6 99999999999 99999999999 255\n", "P6 1000000 1000000 255\nabc", "P6 -5 7 255\nabcdefgh",
        "P6\n", "P3 2 2 255 1 2", "P6 2 2 70000\nabcdefghijkl", "P6 2 2 0\nabcdefghijkl"};
    for (size_t i = 0; i < sizeof pnms / sizeof pnms[0]; i++) {
        yard_dump(yard_path("bad.ppm"), pnms[i], strlen(pnms[i]));
        CHECK_MSG(try_read(yard_path("bad.ppm"), &error) < 0, "%s was read", pnms[i]);
    }

    /* GIF and JPEG that say they are large and hold nothing */
    yard_dump(yard_path("bad.gif"), "GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\xff\xff\xff\xff\0\2\2\x4c\1\0;", 35);
    CHECK(try_read(yard_path("bad.gif"), &error) < 0);
    CHECK(yard_make("big.jpg[interlace]", 32, 32, 3, 8));
    data = yard_slurp(yard_path("big.jpg"), &size);
    for (size_t i = 0; i + 9 < size; i++)
        if (data[i] == 0xff && data[i + 1] == 0xc2) memset(data + i + 5, 0xff, 4);
    yard_dump(yard_path("big.jpg"), data, size);
    CHECK(try_read(yard_path("big.jpg"), &error) < 0);
    free(data);
}

static void other_samples(void)
{
    struct picture p = yard_picture(24, 24, 3, 8);
    VipsImage *image = yard_image(&p), *other = NULL;
    struct fm_error error;
    static const struct {
        VipsBandFormat format;
        const char *name;
    } samples[] = {{VIPS_FORMAT_FLOAT, "32-bit float"}, {VIPS_FORMAT_UINT, "32-bit integer"}, {VIPS_FORMAT_SHORT, "signed 16-bit"}};
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        CHECK_INT(vips_cast(image, &other, samples[i].format, NULL), 0);
        CHECK(yard_save(other, "other.tif"));
        CHECK_INT(try_read(yard_path("other.tif"), &error), FM_ERR_UNSUPPORTED);
        CHECK_HAS(error.message, samples[i].name);
        g_clear_object(&other);
    }
    VipsImage *five[2] = {image, image};
    CHECK_INT(vips_bandjoin(five, &other, 2, NULL), 0);
    CHECK(yard_save(other, "six.tif"));
    CHECK_INT(try_read(yard_path("six.tif"), &error), FM_ERR_UNSUPPORTED);
    CHECK_HAS(error.message, "has 6 channels");
    g_clear_object(&other);
    g_object_unref(image);
    free(p.data);
}

/* Rows are asked for in order. */
static void out_of_order(void)
{
    CHECK(yard_make("order.png", 20, 40, 3, 8));
    struct still_reader *reader;
    struct still_info info;
    struct fm_error error = {0};
    struct band band = {0};
    if (!CHECK(still_open(yard_path("order.png"), &reader, &info, &error) == FM_OK)) return;
    CHECK_INT(band_reserve(&band, info.format, info.width, 0, 40), FM_OK);
    CHECK_INT(still_read(reader, &band, 0, 10, &error), FM_OK);
    CHECK_INT(still_read(reader, &band, 5, 15, &error), FM_ERR_ARGUMENT);
    CHECK_INT(still_read(reader, &band, 20, 30, &error), FM_ERR_ARGUMENT);
    CHECK_INT(still_read(reader, &band, 10, 41, &error), FM_ERR_ARGUMENT);
    CHECK_INT(still_read(reader, &band, 10, 10, &error), FM_OK);
    CHECK_INT(still_read(reader, &band, 10, 40, &error), FM_OK);
    band_release(&band);
    still_close(&reader);
    still_close(&reader);
}

static const char *const out_formats[] = {"png", "jpeg", "webp", "tiff", "avif", "heic", "jxl", "ppm"};
enum { OUT_FORMATS = sizeof out_formats / sizeof out_formats[0] };

/* The file as it was, and nothing beside it. */
static void check_untouched(const char *path, const char *what)
{
    size_t size = 0;
    uint8_t *data = yard_slurp(path, &size);
    CHECK_MSG(data && size == 8 && memcmp(data, "as it was", 8) == 0, "%s: the old file is gone", what);
    CHECK_MSG(yard_count_hidden() == 0, "%s: a temporary file is left", what);
    free(data);
}

static void writes_that_fail(void)
{
    struct picture p = yard_picture(300, 200, 3, 8);
    struct fm_error error = {0};
    for (int i = 0; i < OUT_FORMATS; i++) {
        struct still_write_params params = yard_params(&p, out_formats[i]);
        const char *path = yard_path("old.%s", out_formats[i]);
        yard_dump(path, "as it was", 8);

        for (int at = 1; at < 200; at += 66) { /* the puller fails */
            struct yard_pull pull = {.picture = &p, .fail_at = at};
            CHECK_MSG(still_write(path, NULL, &params, yard_pull, &pull, NULL, &error) == FM_ERR_DEVICE, "%s: row %d",
                out_formats[i], at);
            free(pull.chunk);
            check_untouched(path, out_formats[i]);
        }
        params.overwrite = false;
        CHECK_INT(yard_write(path, &p, NULL, &params, &error), FM_ERR_ARGUMENT);
        CHECK_HAS(error.message, "exists and may not be overwritten");
        check_untouched(path, out_formats[i]);
        params.overwrite = true;

        struct rlimit before, small = {.rlim_cur = 700, .rlim_max = RLIM_INFINITY}; /* the disk is full */
        getrlimit(RLIMIT_FSIZE, &before);
        small.rlim_max = before.rlim_max;
        void (*const handler)(int) = signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &small);
        const int code = yard_write(path, &p, NULL, &params, &error);
        setrlimit(RLIMIT_FSIZE, &before);
        signal(SIGXFSZ, handler);
        CHECK_MSG(code == FM_ERR_IO, "%s on a full disk: %d", out_formats[i], code);
        CHECK_HAS(error.message, path);
        CHECK_HAS(error.message, "File too large");
        check_untouched(path, out_formats[i]);

        CHECK_INT(yard_write(yard_path("no/such/folder.%s", out_formats[i]), &p, NULL, &params, &error), FM_ERR_IO);
        CHECK_HAS(error.message, "No such file or directory");
        CHECK_INT(yard_write(path, &p, NULL, &params, &error), FM_OK);
        unlink(path);
    }
    CHECK_INT(mkdir(yard_path("folder.png"), 0700), 0);
    struct still_write_params params = yard_params(&p, "png");
    CHECK_INT(yard_write(yard_path("folder.png"), &p, NULL, &params, &error), FM_ERR_IO);
    CHECK_HAS(error.message, "is a directory");
    free(p.data);
}

/* A puller that gives nothing, or too much. */
static int pull_nothing(void *user, const uint8_t **data, int *rows)
{
    *data = user;
    *rows = 0;
    return FM_OK;
}
static int pull_too_much(void *user, const uint8_t **data, int *rows)
{
    *data = user;
    (*rows)++;
    return FM_OK;
}

static void pullers_that_lie(void)
{
    struct picture p = yard_picture(30, 20, 3, 8);
    for (int i = 0; i < OUT_FORMATS; i++) {
        struct still_write_params params = yard_params(&p, out_formats[i]);
        struct fm_error error = {0};
        CHECK_INT(still_write(yard_path("lie"), NULL, &params, pull_nothing, p.data, NULL, &error), FM_ERR_ARGUMENT);
        CHECK_HAS(error.message, "do not add up");
        CHECK_INT(still_write(yard_path("lie"), NULL, &params, pull_too_much, p.data, NULL, &error), FM_ERR_ARGUMENT);
        CHECK(access(yard_path("lie"), F_OK) != 0);
    }
    CHECK_INT(yard_count_hidden(), 0);
    free(p.data);
}

/* Somebody makes the file while we do. */
static int pull_and_race(void *user, const uint8_t **data, int *rows)
{
    struct yard_pull *p = user;
    if (p->y == 0) yard_dump(yard_path("race.png"), "as it was", 8);
    return yard_pull(user, data, rows);
}

static void a_race_overwrites_nothing(void)
{
    struct picture p = yard_picture(30, 20, 3, 8);
    struct still_write_params params = yard_params(&p, "png");
    struct fm_error error = {0};
    struct yard_pull pull = {.picture = &p};
    params.overwrite = false;
    CHECK_INT(still_write(yard_path("race.png"), NULL, &params, pull_and_race, &pull, NULL, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "exists");
    check_untouched(yard_path("race.png"), "race");
    free(pull.chunk);
    free(p.data);
}

/* The name is as long as names may be. */
static void long_names(void)
{
    char name[256] = {0};
    memset(name, 'n', 251);
    memcpy(name + 247, ".png", 4);
    struct picture p = yard_picture(30, 20, 3, 8);
    struct still_write_params params = yard_params(&p, "png");
    struct fm_error error = {0};
    CHECK_MSG(yard_write(yard_path("%s", name), &p, NULL, &params, &error) == FM_OK, "%s", error.message);
    CHECK_INT(access(yard_path("%s", name), F_OK), 0);
    mode_t mask = umask(0);
    umask(mask);
    struct stat st;
    CHECK_INT(stat(yard_path("%s", name), &st), 0);
    CHECK_INT(st.st_mode & 0777, 0666 & ~mask);
    free(p.data);
}

/* Every allocation of ours fails once. */
static void allocation_failures(void)
{
    static const char *const ends[] = {"png", "jpg", "tif", "webp"};
    struct picture p = yard_picture(40, 30, 3, 8);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        const char *path = yard_path("alloc.%s", ends[i]);
        VipsImage *image = yard_image(&p);
        vips_image_set_int(image, VIPS_META_ORIENTATION, 6);
        vips_image_set_string(image, "exif-ifd0-Make", "a maker");
        char name[32];
        snprintf(name, sizeof name, "alloc.%s", ends[i]);
        CHECK(yard_save(image, name));
        g_object_unref(image);
        if (i == 0) insert_chunk(path, path, "tEXt", "Title\0words", 11);
        const int64_t live = core_alloc_live();
        int failures = 0;
        for (uint64_t n = 1; n < 200; n++) {
            struct fm_error error = {0};
            struct still_reader *reader = NULL;
            struct still_info info;
            struct band band = {0};
            core_alloc_fail_after(n, false);
            int code = still_open(path, &reader, &info, &error);
            if (code == FM_OK && (code = band_reserve(&band, info.format, info.width, 0, info.height)) == FM_OK)
                code = still_read(reader, &band, 0, info.height, &error);
            struct still_meta *meta = reader ? still_reader_meta(reader) : NULL;
            if (code == FM_OK) {
                struct picture back = {.format = info.format, .width = info.width, .height = info.height, .data = band.data};
                struct still_write_params params = yard_params(&back, still_format_of(ends[i]));
                code = yard_write(yard_path("alloc.out"), &back, meta, &params, &error);
            }
            core_alloc_fail_after(0, false);
            still_meta_unref(&meta);
            still_close(&reader);
            band_release(&band);
            CHECK_MSG(code == FM_OK || code == FM_ERR_NOMEM, "%s, allocation %d: %d %s", ends[i], (int) n, code, error.message);
            CHECK_INT(core_alloc_live(), live);
            CHECK_INT(yard_count_hidden(), 0);
            if (code == FM_OK) break;
            failures++;
        }
        CHECK_MSG(failures > 3 && failures < 190, "%s: %d allocations failed", ends[i], failures);
    }
    free(p.data);
}

/* Many at once. */
static void *work(void *argument)
{
    const int number = (int) (intptr_t) argument;
    struct fm_error error = {0};
    for (int round = 0; round < 6; round++) {
        const char *format = out_formats[(number + round) % OUT_FORMATS];
        struct picture p = yard_picture(90 + number, 70, 3, 8), got = {0};
        struct still_write_params params = yard_params(&p, format);
        struct still_info info;
        char path[256];
        snprintf(path, sizeof path, "%s/thread%d.%s", yard_folder, number, format);
        struct yard_pull pull = {.picture = &p};
        CHECK_MSG(still_write(path, NULL, &params, yard_pull, &pull, NULL, &error) == FM_OK, "%s", error.message);
        CHECK_MSG(yard_read(path, 13, &got, &info, &error) == FM_OK, "%s", error.message);
        CHECK_INT(info.width, p.width);
        if (strcmp(format, "png") == 0 || strcmp(format, "tiff") == 0 || strcmp(format, "ppm") == 0)
            CHECK_MSG(got.size == p.size && memcmp(got.data, p.data, p.size) == 0, "%s in thread %d: other pixels", format, number);
        free(pull.chunk);
        free(got.data);
        free(p.data);
    }
    return NULL;
}

static void many_threads(void)
{
    pthread_t threads[6];
    for (int i = 0; i < 6; i++) pthread_create(&threads[i], NULL, work, (void *) (intptr_t) i);
    for (int i = 0; i < 6; i++) pthread_join(threads[i], NULL);
}

int main(void)
{
    if (!yard_open()) return 1;
    RUN(not_pictures);
    RUN(mislabelled);
    RUN(truncated);
    RUN(damaged);
    RUN(jpeg_short_of_data);
    RUN(animated);
    RUN(several_in_one_heic);
    RUN(hostile);
    RUN(other_samples);
    RUN(out_of_order);
    RUN(writes_that_fail);
    RUN(pullers_that_lie);
    RUN(a_race_overwrites_nothing);
    RUN(long_names);
    RUN(allocation_failures);
    RUN(many_threads);
    if (yard_close() != 0) fprintf(stderr, "temporary files were left\n");
    return check_report();
}
