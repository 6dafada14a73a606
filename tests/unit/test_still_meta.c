/* SPDX-License-Identifier: MIT */
/* What a picture carries beside its pixels arrives on the other side: profiles, EXIF, XMP, texts, resolution; colours that are
 * not grey or RGB become RGB and look the same. */
#define _GNU_SOURCE
#include "still_yard.h"

#include "media/exif.h"
#include "media/tiff_tree.h"

static const char xmp[] =
    "<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF "
    "xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description rdf:about='' "
    "xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:format>a mark</dc:format></rdf:Description></rdf:RDF></x:xmpmeta>"
    "<?xpacket end='w'?>";

/* A photograph of a phone: JPEG, lying on its side, Display P3, 300 pixels an inch. */
static bool make_photo(const char *name, int orientation)
{
    struct picture p = yard_picture(40, 24, 3, 8);
    VipsImage *memory = yard_image(&p), *image = NULL;
    VipsBlob *profile = NULL;
    vips_copy(memory, &image, "xres", 300 / 25.4, "yres", 300 / 25.4, NULL);
    bool good = image && vips_profile_load("p3", &profile, NULL) == 0;
    if (good) {
        size_t size;
        const void *data = vips_blob_get(profile, &size);
        vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, data, size);
        vips_image_set_blob_copy(image, VIPS_META_XMP_NAME, xmp, sizeof xmp - 1);
        vips_image_set_blob_copy(image, VIPS_META_IPTC_NAME, "Photoshop 3.0\0008BIM\4\4\0\0\0\0\0\x0a\x1c\2\x78\0\5hello", 36);
        vips_image_set_string(image, "exif-ifd0-Make", "Framemill Cameras");
        vips_image_set_string(image, "exif-ifd0-Copyright", "nobody");
        vips_image_set_string(image, "exif-ifd2-DateTimeOriginal", "2020:01:02 03:04:05");
        vips_image_set_string(image, "exif-ifd2-ExposureTime", "1/60");
        vips_image_set_string(image, "exif-ifd3-GPSLatitude", "47/1 22/1 30/1");
        vips_image_set_int(image, VIPS_META_ORIENTATION, orientation);
        good = yard_save(image, name);
        vips_area_unref(VIPS_AREA(profile));
    }
    g_clear_object(&memory);
    g_clear_object(&image);
    free(p.data);
    return good;
}

/* Reads `from`, writes it `times` as large as `to`. */
static bool enlarge(const char *from, const char *to, int times, int quality)
{
    struct still_reader *reader = NULL;
    struct still_info info;
    struct fm_error error = {0};
    struct band band = {0};
    if (!CHECK_MSG(still_open(from, &reader, &info, &error) == FM_OK, "%s", error.message)) return false;
    bool good = CHECK_INT(band_reserve(&band, info.format, info.width, 0, info.height), FM_OK) &&
                CHECK_MSG(still_read(reader, &band, 0, info.height, &error) == FM_OK, "%s", error.message);
    struct still_meta *meta = still_reader_meta(reader);
    still_close(&reader);
    struct picture large = {.format = info.format, .width = info.width * times, .height = info.height * times};
    const size_t pixel = pixel_bytes(info.format);
    large.size = (size_t) large.width * (size_t) large.height * pixel;
    large.data = malloc(large.size);
    for (int y = 0; good && y < large.height; y++)
        for (int x = 0; x < large.width; x++)
            memcpy(large.data + ((size_t) y * (size_t) large.width + (size_t) x) * pixel,
                band_row(&band, y / times) + (size_t) (x / times) * pixel, pixel);
    struct still_write_params params = yard_params(&large, still_format_of(to));
    params.quality = quality;
    good = good && CHECK_MSG(yard_write(to, &large, meta, &params, &error) == FM_OK, "%s", error.message);
    still_meta_unref(&meta);
    band_release(&band);
    free(large.data);
    return good;
}

static void check_text(VipsImage *image, const char *field, const char *part, const char *what)
{
    char *text = NULL;
    const bool there = vips_image_get_typeof(image, field) && vips_image_get_as_string(image, field, &text) == 0;
    CHECK_MSG(there && strstr(text, part), "%s: %s is %s, must hold %s", what, field, there ? text : "not there", part);
    g_free(text);
}

static void check_blob(VipsImage *image, const char *field, const void *want, size_t size, const char *what)
{
    const void *data = NULL;
    size_t got = 0;
    const bool there = vips_image_get_typeof(image, field) && vips_image_get_blob(image, field, &data, &got) == 0;
    CHECK_MSG(there && got == size && memcmp(data, want, size) == 0, "%s: %s of %zu bytes instead of %zu", what, field, got, size);
}

/* Everything the photograph said, in a JPEG that libvips reads. width, height: of the picture that EXIF speaks about. */
static void check_photo(const char *path, int width, int height, const char *what)
{
    VipsImage *image = vips_image_new_from_file(path, NULL);
    if (!CHECK_MSG(image, "%s", path)) return;
    char number[16];
    check_text(image, "exif-ifd0-Make", "Framemill Cameras", what);
    check_text(image, "exif-ifd0-Copyright", "nobody", what);
    check_text(image, "exif-ifd2-DateTimeOriginal", "2020:01:02 03:04:05", what);
    check_text(image, "exif-ifd2-ExposureTime", "1/60", what);
    check_text(image, "exif-ifd3-GPSLatitude", "47/1 22/1 30/1", what);
    check_text(image, "exif-ifd0-Orientation", "1 (Top-left", what);
    snprintf(number, sizeof number, "%d (", width);
    check_text(image, "exif-ifd2-PixelXDimension", number, what);
    snprintf(number, sizeof number, "%d (", height);
    check_text(image, "exif-ifd2-PixelYDimension", number, what);
    check_blob(image, VIPS_META_XMP_NAME, xmp, sizeof xmp - 1, what);
    CHECK_MSG(vips_image_get_orientation(image) == 1, "%s: orientation", what);
    CHECK_MSG(fabs(vips_image_get_xres(image) - 300 / 25.4) < 0.01, "%s: %g pixels a millimetre", what, vips_image_get_xres(image));
    g_object_unref(image);
}

static const char *const ends[] = {"jpg", "png", "tif", "webp", "avif", "heic", "jxl"};
enum { ENDS = sizeof ends / sizeof ends[0] };

/* From every format to every format. */
static void a_photograph_through_all_formats(void)
{
    CHECK(make_photo("photo.jpg", 6));
    VipsBlob *profile = NULL;
    CHECK_INT(vips_profile_load("p3", &profile, NULL), 0);
    size_t size;
    const void *p3 = vips_blob_get(profile, &size);
    for (int i = 0; i < ENDS; i++) {
        const char *const first = yard_path("first.%s", ends[i]);
        if (!enlarge(yard_path("photo.jpg"), first, 2, 0)) continue;
        VipsImage *image = vips_image_new_from_file(first, NULL);
        if (CHECK(image)) {
            CHECK_INT(image->Xsize, 48); /* upright */
            CHECK_INT(image->Ysize, 80);
            CHECK_INT(vips_image_get_orientation(image), 1);
            if (strcmp(ends[i], "jxl") != 0)
                check_blob(image, VIPS_META_ICC_NAME, p3, size, ends[i]); /* JPEG XL writes primaries, not profiles */
            g_object_unref(image);
        }
        if (enlarge(yard_path("first.%s", ends[i]), yard_path("seen.jpg"), 1, 0))
            check_photo(yard_path("seen.jpg"), 48, 80, ends[i]);
        for (int j = 0; j < ENDS; j++) {
            char what[32];
            snprintf(what, sizeof what, "%s to %s", ends[i], ends[j]);
            if (enlarge(yard_path("first.%s", ends[i]), yard_path("second.%s", ends[j]), 1, 0) &&
                enlarge(yard_path("second.%s", ends[j]), yard_path("seen.jpg"), 1, 0))
                check_photo(yard_path("seen.jpg"), 48, 80, what);
        }
    }
    vips_area_unref(VIPS_AREA(profile));
    CHECK(enlarge(yard_path("photo.jpg"), yard_path("again.jpg"), 1, 0));
    VipsImage *image = vips_image_new_from_file(yard_path("again.jpg"), NULL);
    CHECK(image && vips_image_get_typeof(image, VIPS_META_IPTC_NAME));
    g_clear_object(&image);
}

/* JPEG XL keeps the primaries: P3 red is still redder than sRGB's. */
static void wide_gamut_in_jxl(void)
{
    CHECK(make_photo("p3.jpg", 1));
    if (!enlarge(yard_path("p3.jpg"), yard_path("p3.jxl"), 1, 100)) return;
    VipsImage *from = vips_image_new_from_file(yard_path("p3.jpg"), NULL),
              *to = vips_image_new_from_file(yard_path("p3.jxl"), NULL), *a = NULL, *b = NULL;
    double mean = 99;
    VipsImage *difference = NULL, *size = NULL;
    if (CHECK(from && to) && CHECK_INT(vips_icc_transform(from, &a, "srgb", "embedded", TRUE, NULL), 0) &&
        CHECK_INT(vips_icc_transform(to, &b, "srgb", "embedded", TRUE, NULL), 0) && vips_subtract(a, b, &difference, NULL) == 0 &&
        vips_abs(difference, &size, NULL) == 0)
        vips_avg(size, &mean, NULL);
    CHECK_NEAR(mean, 0, 0.5);
    VipsImage **all[] = {&from, &to, &a, &b, &difference, &size};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) g_clear_object(all[i]);
}

static bool has_chunk(const char *path, const char *type, const void *data, size_t size)
{
    size_t whole;
    uint8_t *file = yard_slurp(path, &whole);
    bool found = false;
    for (size_t at = 8; file && at + 12 <= whole;) {
        const size_t length = (size_t) file[at] << 24 | (size_t) file[at + 1] << 16 | (size_t) file[at + 2] << 8 | file[at + 3];
        if (memcmp(file + at + 4, type, 4) == 0 && (!data || (length == size && memcmp(file + at + 8, data, size) == 0)))
            found = true;
        at += 12 + length;
    }
    free(file);
    return found;
}

/* Appends chunks to one PNG behind IHDR, others before IEND. CRCs of zero: nobody but libpng cares, and it only warns. */
static void put_chunk(const char *path, bool behind, const char *type, const void *data, size_t size)
{
    size_t whole;
    uint8_t *file = yard_slurp(path, &whole), *out = malloc(whole + 12 + size);
    const size_t at = behind ? whole - 12 : 33;
    uint32_t crc = ~0u;
    memcpy(out, file, at);
    for (int i = 0; i < 4; i++) out[at + (size_t) i] = (uint8_t) (size >> (24 - 8 * i));
    memcpy(out + at + 4, type, 4);
    memcpy(out + at + 8, data, size);
    for (size_t i = 0; i < size + 4; i++) {
        crc ^= out[at + 4 + i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    for (int i = 0; i < 4; i++) out[at + 8 + size + (size_t) i] = (uint8_t) (~crc >> (24 - 8 * i));
    memcpy(out + at + 12 + size, file + at, whole - at);
    yard_dump(path, out, whole + 12 + size);
    free(file);
    free(out);
}

/* EXIF of one entry: the orientation. */
static void orientation_exif(uint8_t out[26], int orientation, bool big)
{
    static const uint8_t little[26] = "II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\0\0\0\0\0\0\0",
                         most[26] = "MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\0\0\0\0\0\0";
    memcpy(out, big ? most : little, 26);
    out[big ? 19 : 18] = (uint8_t) orientation;
}

static void png_keeps_its_own(void)
{
    const char *path = yard_path("own.png"), *to = yard_path("own2.png");
    struct picture p = yard_picture(30, 20, 3, 8), got;
    struct still_write_params params = yard_params(&p, "png");
    struct still_info info;
    struct fm_error error = {0};
    CHECK_INT(yard_write(path, &p, NULL, &params, &error), FM_OK);
    CHECK(!has_chunk(path, "pHYs", NULL, 0) && !has_chunk(path, "eXIf", NULL, 0) && !has_chunk(path, "iCCP", NULL, 0));
    uint8_t exif[26];
    orientation_exif(exif, 3, true);
    put_chunk(path, false, "gAMA", "\0\0\xb1\x8f", 4);
    put_chunk(path, false, "tEXt", "Title\0A mill", 12);
    put_chunk(path, true, "tEXt", "Author\0Nobody", 13);
    put_chunk(path, true, "eXIf", exif, sizeof exif);
    put_chunk(path, true, "prVt", "private", 7);
    if (!CHECK_MSG(yard_read(path, 7, &got, &info, &error) == FM_OK, "%s", error.message)) return;
    bool turned = true; /* by half */
    for (size_t i = 0; i < 600; i++) turned = turned && memcmp(got.data + 3 * i, p.data + 3 * (599 - i), 3) == 0;
    CHECK(turned);
    CHECK(!info.streams);
    free(got.data);
    if (enlarge(path, to, 3, 0)) {
        CHECK(has_chunk(to, "gAMA", "\0\0\xb1\x8f", 4));
        CHECK(has_chunk(to, "tEXt", "Title\0A mill", 12));
        CHECK(has_chunk(to, "tEXt", "Author\0Nobody", 13));
        orientation_exif(exif, 1, true);
        CHECK(has_chunk(to, "eXIf", exif, sizeof exif));
        CHECK(!has_chunk(to, "prVt", NULL, 0) && !has_chunk(to, "pHYs", NULL, 0));
    }
    free(p.data);
}

/* A grey profile of our own: D50, one gamma. */
static size_t grey_profile(uint8_t *out, int gamma_256)
{
    static const uint8_t d50[12] = {0, 0, 0xf6, 0xd6, 0, 1, 0, 0, 0, 0, 0xd3, 0x2d};
    static const char *const names[4] = {"desc", "cprt", "wtpt", "kTRC"};
    static const size_t sizes[4] = {100, 16, 20, 16};
    memset(out, 0, 400);
    memcpy(out + 8, "\2\x10\0\0mntrGRAYXYZ \7\xe4\0\1\0\1", 22);
    memcpy(out + 36, "acsp", 4);
    memcpy(out + 68, d50, 12);
    out[131] = 4;
    size_t at = 132 + 4 * 12;
    for (int i = 0; i < 4; i++) {
        memcpy(out + 132 + 12 * i, names[i], 4);
        out[132 + 12 * i + 6] = (uint8_t) (at >> 8), out[132 + 12 * i + 7] = (uint8_t) at;
        out[132 + 12 * i + 11] = (uint8_t) sizes[i];
        memcpy(out + at, i == 0 ? "desc" : i == 1 ? "text" : i == 2 ? "XYZ " : "curv", 4);
        if (i == 0) out[at + 11] = 5, memcpy(out + at + 12, "grey", 4);
        if (i == 1) memcpy(out + at + 8, "none", 4);
        if (i == 2) memcpy(out + at + 8, d50, 12);
        if (i == 3) out[at + 11] = 1, out[at + 12] = (uint8_t) (gamma_256 >> 8), out[at + 13] = (uint8_t) gamma_256;
        at += sizes[i];
    }
    out[2] = (uint8_t) (at >> 8), out[3] = (uint8_t) at;
    return at;
}

/* Linear grey: 120 of 255 is 0.47 of the light, which sRGB writes as 182. */
static void grey_with_a_profile(void)
{
    uint8_t profile[400];
    const size_t size = grey_profile(profile, 256);
    struct picture p = yard_picture(16, 16, 1, 8);
    memset(p.data, 120, p.size);
    VipsImage *image = yard_image(&p);
    vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile, size);
    CHECK(yard_save(image, "grey.tif"));
    g_object_unref(image);
    for (int i = 0; i < ENDS; i++) {
        const bool kept = i < 3;
        const char *path = yard_path("grey2.%s", ends[i]);
        if (!enlarge(yard_path("grey.tif"), path, 2, 100)) continue;
        image = vips_image_new_from_file(path, NULL);
        struct picture got = yard_witness(path);
        if (kept) check_blob(image, VIPS_META_ICC_NAME, profile, size, ends[i]);
        CHECK_MSG(got.format.channels == (kept ? 1 : 3), "%s: %d channels", ends[i], got.format.channels);
        for (int c = 0; c < got.format.channels; c++)
            CHECK_MSG(abs(got.data[c + 30] - (kept ? 120 : 182)) <= 1, "%s: grey is %d", ends[i], got.data[c + 30]);
        g_object_unref(image);
        free(got.data);
    }
    /* the same profile with other channels is dropped, and that is said */
    free(p.data);
    p = yard_picture(16, 16, 3, 8);
    image = yard_image(&p);
    vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile, size);
    CHECK(yard_save(image, "wrong.tif"));
    g_object_unref(image);
    struct still_info info;
    struct fm_error error = {0};
    struct picture got;
    if (CHECK_MSG(yard_read(yard_path("wrong.tif"), 16, &got, &info, &error) == FM_OK, "%s", error.message)) {
        CHECK_HAS(info.note, "profile dropped");
        CHECK_MEM(got.data, p.data, p.size);
        free(got.data);
    }
    CHECK(enlarge(yard_path("wrong.tif"), yard_path("wrong.png"), 1, 0) && !has_chunk(yard_path("wrong.png"), "iCCP", NULL, 0));
    free(p.data);
}

/* Saves one colour in another space; reads it back. */
static bool read_colour(
    const uint8_t *sample, int channels, VipsInterpretation space, const char *name, struct picture *got, struct still_info *info)
{
    struct picture p = yard_picture(16, 16, channels, 8);
    struct fm_error error = {0};
    for (size_t i = 0; i < p.size; i++) p.data[i] = sample[i % (size_t) channels];
    VipsImage *memory = vips_image_new_from_memory(p.data, p.size, 16, 16, channels, VIPS_FORMAT_UCHAR), *image = NULL;
    vips_copy(memory, &image, "interpretation", space, NULL);
    bool good = CHECK(yard_save(image, name));
    char path[64];
    snprintf(path, sizeof path, "%s", name);
    *strchrnul(path, '[') = 0;
    good = good && CHECK_MSG(yard_read(yard_path("%s", path), 5, got, info, &error) == FM_OK, "%s", error.message);
    g_object_unref(image);
    g_object_unref(memory);
    free(p.data);
    return good;
}

static void other_colours(void)
{
    struct picture got;
    struct still_info info;
    static const char *const names[] = {"cmyk.tif", "cmyk.jpg[Q=100]"};
    for (int i = 0; i < 2; i++) {
        if (read_colour((const uint8_t[4]){0, 0, 0, 0}, 4, VIPS_INTERPRETATION_CMYK, names[i], &got, &info)) {
            CHECK_INT(got.format.channels, 3);
            CHECK_HAS(info.note, "CMYK");
            CHECK_HAS(info.note, "converted to sRGB");
            CHECK_MSG(got.data[0] > 250 && got.data[1] > 250 && got.data[2] > 250, "%s: paper is %d %d %d", names[i], got.data[0],
                got.data[1], got.data[2]);
            free(got.data);
        }
        if (read_colour((const uint8_t[4]){0, 255, 255, 0}, 4, VIPS_INTERPRETATION_CMYK, names[i], &got,
                &info)) { /* magenta and yellow: red */
            CHECK_MSG(got.data[0] > 200 && got.data[1] < 80 && got.data[2] < 80, "%s: red is %d %d %d", names[i], got.data[0],
                got.data[1], got.data[2]);
            free(got.data);
        }
        if (read_colour((const uint8_t[4]){0, 0, 0, 255}, 4, VIPS_INTERPRETATION_CMYK, names[i], &got, &info)) {
            CHECK_MSG(got.data[0] < 70 && abs(got.data[0] - got.data[2]) < 12, "%s: black is %d %d %d", names[i], got.data[0],
                got.data[1], got.data[2]);
            free(got.data);
        }
    }
    /* the result says that it is sRGB */
    VipsBlob *srgb = NULL;
    CHECK_INT(vips_profile_load("srgb", &srgb, NULL), 0);
    size_t size;
    const void *data = vips_blob_get(srgb, &size);
    if (enlarge(yard_path("cmyk.jpg"), yard_path("cmyk.png"), 2, 0)) {
        VipsImage *image = vips_image_new_from_file(yard_path("cmyk.png"), NULL);
        check_blob(image, VIPS_META_ICC_NAME, data, size, "CMYK");
        g_object_unref(image);
    }
    vips_area_unref(VIPS_AREA(srgb));

    VipsImage *black = NULL, *lab = NULL, *named = NULL; /* L = 50: a middle grey, 119 in sRGB */
    CHECK_INT(vips_black(&black, 16, 16, "bands", 3, NULL), 0);
    CHECK_INT(vips_linear(black, &lab, (double[3]){1, 1, 1}, (double[3]){50, 0, 0}, 3, NULL), 0);
    CHECK_INT(vips_copy(lab, &named, "interpretation", VIPS_INTERPRETATION_LAB, NULL), 0);
    CHECK(yard_save(named, "lab.tif"));
    struct fm_error error = {0};
    if (CHECK_MSG(yard_read(yard_path("lab.tif"), 5, &got, &info, &error) == FM_OK, "%s", error.message)) {
        CHECK_HAS(info.note, "Lab converted to sRGB");
        for (int c = 0; c < 3; c++) CHECK_NEAR(got.data[c], 119, 1);
        free(got.data);
    }
    VipsImage **all[] = {&black, &lab, &named};
    for (size_t i = 0; i < 3; i++) g_clear_object(all[i]);
}

/* Alpha that was multiplied in is taken out. */
static void associated_alpha(void)
{
    struct picture p = yard_picture(16, 16, 4, 8), got;
    struct still_info info;
    struct fm_error error = {0};
    for (size_t i = 0; i < p.size; i += 4) p.data[i] = 200, p.data[i + 1] = 100, p.data[i + 2] = 40, p.data[i + 3] = 128;
    VipsImage *image = yard_image(&p);
    CHECK(yard_save(image, "alpha.tif[premultiply]"));
    g_object_unref(image);
    if (CHECK_MSG(yard_read(yard_path("alpha.tif"), 16, &got, &info, &error) == FM_OK, "%s", error.message)) {
        for (int c = 0; c < 4; c++) CHECK_NEAR(got.data[c], p.data[c], c < 3 ? 2 : 0);
        free(got.data);
    }
    free(p.data);
}

/* EXIF of both byte orders: a main directory with orientation, resolution and the way to the sizes, a second one for the
 * thumbnail. */
static size_t make_exif(uint8_t *out, bool big)
{
    static const uint16_t entries[][3] = {/* tag, type, value; 0xffff: a new directory */
        {0x0112, 3, 6}, {0x011a, 5, 0}, {0x011b, 5, 0}, {0x0128, 3, 3}, {0x8769, 4, 0}, {0xffff, 0, 0}, {0xa002, 4, 4000},
        {0xa003, 3, 3000}};
    memset(out, 0, 256);
#define PUT(at, value, bytes)                                                                                                      \
    for (int i_ = 0; i_ < (bytes); i_++) out[(at) + (big ? (bytes) -1 - i_ : i_)] = (uint8_t) ((unsigned) (value) >> (8 * i_))
    memcpy(out, big ? "MM" : "II", 2);
    PUT(2, 42, 2);
    PUT(4, 8, 4);
    PUT(8, 5, 2);
    for (int i = 0; i < 8; i++) {
        const int at = i < 5 ? 10 + 12 * i : i == 5 ? 80 : 82 + 12 * (i - 6);
        if (entries[i][0] == 0xffff) {
            PUT(at, 2, 2);
            continue;
        }
        PUT(at, entries[i][0], 2);
        PUT(at + 2, entries[i][1], 2);
        PUT(at + 4, 1, 4);
        if (entries[i][1] == 3)
            PUT(at + 8, entries[i][2], 2);
        else
            PUT(at + 8, entries[i][0] == 0x8769 ? 80 : entries[i][1] == 5 ? 120 : entries[i][2], 4);
    }
    PUT(70, 130, 4);   /* the next directory: the thumbnail's */
    PUT(120, 1200, 4); /* 120 a centimetre */
    PUT(124, 10, 4);
    PUT(130, 1, 2);
    PUT(132, 0x0112, 2);
    PUT(134, 3, 2);
    PUT(136, 1, 4);
    PUT(140, 6, 2);
#undef PUT
    return 160;
}

static void exif_in_place(void)
{
    for (int big = 0; big < 2; big++) {
        uint8_t exif[256], before[256];
        size_t size = make_exif(exif, big);
        double x, y;
        memcpy(before, exif, sizeof exif);
        CHECK_INT(exif_orientation(exif, size), 6);
        CHECK(exif_resolution(exif, size, &x, &y));
        CHECK_NEAR(x, 12, 1e-9);
        exif_set_upright(exif, size, false);
        CHECK_INT(exif_orientation(exif, size), 1);
        CHECK_INT(exif[big ? 141 : 140], 1);
        exif_set_size(exif, size, 8000, 70000); /* the second does not fit two bytes: it becomes a LONG */
        CHECK_INT(exif[big ? 92 : 91], 8000 >> 8);
        CHECK_INT(exif[big ? 93 : 90], 8000 & 0xff);
        CHECK_INT(exif[big ? 97 : 96], 4);
        CHECK_INT(exif[big ? 103 : 104], 1);
        exif_set_upright(exif, size, true);
        for (int i = 70; i < 74; i++) CHECK_INT(exif[i], 0);
        int changed = 0;
        for (size_t i = 0; i < sizeof exif; i++) changed += exif[i] != before[i];
        CHECK_MSG(changed <= 12, "%d bytes are other ones", changed);

        /* through a tree and back */
        struct arena *arena = arena_create();
        struct tiff_tree tree;
        size_t bytes;
        CHECK(tiff_tree_read(arena, -1, before, size, false, &tree) && tree.complete);
        CHECK_INT(tree.directories[TIFF_MAIN].count, 4);
        CHECK_INT(tree.directories[TIFF_EXIF].count, 2);
        uint8_t *written = tiff_tree_write(arena, &tree, 8, big, &bytes), *again = calloc(1, 16 + bytes);
        memcpy(again, "II*\0\x08\0\0\0", 8);
        memcpy(again + 8, written, bytes);
        if (!big) {
            CHECK_INT(exif_orientation(again, 8 + bytes), 6);
            CHECK(exif_resolution(again, 8 + bytes, &x, &y));
            CHECK_NEAR(y, 12, 1e-9);
        }
        free(again);
        arena_destroy(&arena);
    }
}

/* Every byte of EXIF changed to anything: nothing is read or written beside it (sanitizers watch), and nothing hangs. */
static void exif_damaged(void)
{
    uint32_t seed = 99;
    for (int big = 0; big < 2; big++)
        for (int i = 0; i < 4000; i++) {
            uint8_t whole[256];
            const size_t size = make_exif(whole, big), cut = i % 7 == 0 ? 14 + (size_t) i % 140 : size;
            uint8_t *exif = malloc(cut);
            memcpy(exif, whole, cut);
            for (int k = 0; k < 1 + i % 4; k++) {
                seed = seed * 1664525u + 1013904223u;
                exif[2 + (seed >> 8) % (cut - 2)] = (uint8_t) (seed >> 24);
            }
            size_t body_size = cut;
            double x, y;
            if (exif_body(exif, &body_size)) {
                exif_orientation(exif, cut);
                exif_resolution(exif, cut, &x, &y);
                exif_set_upright(exif, cut, i % 2);
                exif_set_size(exif, cut, 1, 2);
            }
            struct arena *arena = arena_create();
            struct tiff_tree tree, other = {0};
            size_t bytes;
            CHECK(tiff_tree_read(arena, -1, exif, cut, true, &tree));
            CHECK(tiff_tree_merge(arena, &other, &tree));
            CHECK(tiff_tree_write(arena, &other, 8, i % 2, &bytes));
            arena_destroy(&arena);
            free(exif);
        }
}

int main(void)
{
    if (!yard_open()) return 1;
    RUN(a_photograph_through_all_formats);
    RUN(wide_gamut_in_jxl);
    RUN(png_keeps_its_own);
    RUN(grey_with_a_profile);
    RUN(other_colours);
    RUN(associated_alpha);
    RUN(exif_in_place);
    RUN(exif_damaged);
    if (yard_close() != 0) fprintf(stderr, "temporary files were left\n");
    return check_report();
}
