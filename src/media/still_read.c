/* SPDX-License-Identifier: MIT */
/* The reader: a loader of libvips chosen by the file's content, colours made ours, rows turned upright. */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "media/exif.h"
#include "media/sniff.h"
#include "media/still.h"
#include "media/still_colour.h"
#include "media/still_extra.h"
#include "media/still_meta.h"
#include "media/still_turn.h"
#include "media/vips_load.h"

enum {
    STRIP_BYTES = 1 << 20, /* asked of libvips at a time */
    MAX_SIDE = 1 << 20,
};
#define MAX_PIXELS ((int64_t) 1 << 36)

struct still_reader {
    char *path;
    VipsImage *image;  /* in the delivered format, not yet turned; NULL once `decoded` holds it */
    int width, height; /* of `image` */
    int orientation;   /* EXIF: 1..8 */
    uint8_t *decoded;  /* the whole, not yet turned, for orientations that need it */
    size_t decoded_size;
    int low_bits; /* samples come shifted left: how many bits mean something (0: all of them) */
    uint32_t top; /* samples come as 0 .. top (0: in full range) */
    int next_row;
    bool failed;
    struct sniff sniff;
    struct still_info info;
    struct still_meta *meta;
};

static int damaged(const char *path, struct fm_error *error)
{
    char reason[320];
    vips_load_reason(reason, sizeof reason);
    return core_fail(error, FM_ERR_FORMAT, "%s: is damaged or cut short%s%s", path, *reason ? ": " : "", reason);
}

static int call_loader(enum sniff_kind kind, VipsSource *source, VipsImage **out)
{
#define OPTIONS "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR
    switch (kind) {
    case SNIFF_PNG: return vl.vips_pngload_source(source, out, OPTIONS, NULL);
    case SNIFF_JPEG:
        return vl.vips_jpegload_source(source, out, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_WARNING, NULL);
    case SNIFF_WEBP: return vl.vips_webpload_source(source, out, OPTIONS, NULL);
    case SNIFF_TIFF: return vl.vips_tiffload_source(source, out, OPTIONS, NULL);
    case SNIFF_HEIF:
    case SNIFF_AVIF: return vl.vips_heifload_source(source, out, OPTIONS, NULL);
    case SNIFF_JXL: return vl.vips_jxlload_source(source, out, OPTIONS, NULL);
    case SNIFF_GIF: return vl.vips_gifload_source(source, out, OPTIONS, NULL);
    case SNIFF_PPM: return vl.vips_ppmload_source(source, out, OPTIONS, NULL);
    }
#undef OPTIONS
    return -1;
}

/* libvips looks at a JPEG's complaints before it decodes the next 8 rows, so those about the last rows are seen by nobody: they
 * stay in its text of errors, which is one for all threads. The last rows of a JPEG are therefore read while no other JPEG is. */
static pthread_rwlock_t jpeg_lock = PTHREAD_RWLOCK_INITIALIZER;

static int image_int(VipsImage *image, const char *name, int otherwise)
{
    int value;
    return vl.vips_image_get_typeof(image, name) && vl.vips_image_get_int(image, name, &value) == 0 ? value : otherwise;
}

/* Of several pictures in one HEIF file the one that its maker called the primary: libvips takes the first unless told otherwise. */
static int load_primary(int fd, VipsImage **image)
{
    const int primary = image_int(*image, "heif-primary", 0);
    if (image_int(*image, VIPS_META_N_PAGES, 1) < 2 || primary < 1) return 0;
    VipsSource *source = vl.vips_source_new_from_descriptor(fd);
    if (!source) return -1;
    vl.g_object_unref(*image);
    *image = NULL;
    const int status = vl.vips_heifload_source(
        source, image, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, "page", primary, NULL);
    vl.g_object_unref(source);
    return status;
}

static int load(struct still_reader *r, int fd, VipsImage **out, struct fm_error *error)
{
    const bool heif = r->sniff.kind == SNIFF_HEIF || r->sniff.kind == SNIFF_AVIF;
    int code = FM_OK;
    if (heif) code = vips_load_module("vips-heif", "heifload_source", error);
    if (r->sniff.kind == SNIFF_JXL) code = vips_load_module("vips-jxl", "jxlload_source", error);
    if (code != FM_OK) {
        core_fail_prefix(error, "%s", r->path);
        return code;
    }
    vl.vips_error_clear();
    VipsSource *source = vl.vips_source_new_from_descriptor(fd);
    if (!source) return damaged(r->path, error);
    const bool jpeg = r->sniff.kind == SNIFF_JPEG;
    if (jpeg) pthread_rwlock_rdlock(&jpeg_lock);
    int status = call_loader(r->sniff.kind, source, out);
    if (jpeg) pthread_rwlock_unlock(&jpeg_lock);
    vl.g_object_unref(source);
    if (status == 0 && heif) status = load_primary(fd, out);
    return status == 0 ? FM_OK : damaged(r->path, error);
}

/* One picture, of a size that can be. */
static int check_header(struct still_reader *r, VipsImage *image, struct fm_error *error)
{
    const int pages = image_int(image, VIPS_META_N_PAGES, 1);
    const bool film = r->sniff.kind == SNIFF_GIF || r->sniff.kind == SNIFF_WEBP;
    if (pages > 1 && (r->sniff.kind == SNIFF_HEIF || r->sniff.kind == SNIFF_AVIF)) {
        still_note(&r->info, "the file holds several pictures, the primary one is read");
    } else if (pages > 1) {
        return core_fail(error, FM_ERR_UNSUPPORTED,
            film ? "%s: has %d frames: stills only, videos are another command's"
                 : "%s: has %d pages: split it into single pictures first",
            r->path, pages);
    }
    r->width = vl.vips_image_get_width(image);
    r->height = vl.vips_image_get_height(image);
    if (r->width < 1 || r->height < 1 || r->width > MAX_SIDE || r->height > MAX_SIDE || (int64_t) r->width * r->height > MAX_PIXELS)
        return core_fail(
            error, FM_ERR_UNSUPPORTED, "%s: says it is %d x %d pixels, which is beyond what is read", r->path, r->width, r->height);
    return FM_OK;
}

/* What will lie in memory decoded, by the format and by turning. */
static int plan_memory(struct still_reader *r, VipsImage *loaded, struct fm_error *error)
{
    const bool progressive = image_int(loaded, "interlaced", 0) || image_int(loaded, "jpeg-multiscan", 0) || r->sniff.interlaced;
    const bool by_rows =
        (r->sniff.kind == SNIFF_PNG || r->sniff.kind == SNIFF_JPEG || r->sniff.kind == SNIFF_TIFF || r->sniff.kind == SNIFF_PPM) &&
        !progressive;
    const int64_t pixels = (int64_t) r->width * r->height;
    int64_t bytes = pixels * (int64_t) pixel_bytes(r->info.format);
    r->info.streams = by_rows && r->orientation <= 2;
    if (r->info.streams) return FM_OK;
    if (r->sniff.kind == SNIFF_JPEG && progressive && r->orientation <= 2) bytes *= 2; /* coefficients */
    const int64_t machine = (int64_t) sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    if (machine > 0 && bytes > machine / 2)
        return core_fail(error, FM_ERR_UNSUPPORTED,
            "%s: %d x %d pixels have to be held decoded (%.1f GB), more than half of this machine's memory", r->path, r->width,
            r->height, (double) bytes / 1e9);
    r->info.decoded_bytes = (size_t) bytes;
    return FM_OK;
}

/* EXIF of PNG is all there is. TIFF's own is what libvips says, and JPEG XL turns pictures by its own header whatever EXIF says
 * (as HEIF does). */
static int find_orientation(const struct still_reader *r, VipsImage *loaded, const struct still_extra *extra)
{
    size_t size = extra->exif.size;
    const uint8_t *body = exif_body(extra->exif.data, &size);
    int orientation = vl.vips_image_get_orientation(loaded);
    if (r->sniff.kind == SNIFF_PNG) orientation = body ? exif_orientation(body, size) : 1;
    if (r->sniff.kind == SNIFF_JXL || r->sniff.kind == SNIFF_HEIF || r->sniff.kind == SNIFF_AVIF) orientation = 1;
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

static int open_loaded(struct still_reader *r, VipsImage *loaded, struct still_extra *extra, struct fm_error *error)
{
    int code = check_header(r, loaded, error);
    if (code == FM_OK) code = still_colour(loaded, r->path, &r->image, &r->info, error);
    if (code != FM_OK) return code;
    r->orientation = find_orientation(r, loaded, extra);
    const bool sideways = r->orientation > 4;
    r->info.width = sideways ? r->height : r->width;
    r->info.height = sideways ? r->width : r->height;
    const int depth = image_int(loaded, "heif-bitdepth", 16);
    if (r->info.format.bits == 16 && depth > 8 && depth < 16) r->low_bits = depth;
    const int top = r->sniff.bitmap ? 255 : image_int(loaded, "ppm-max-value", 255);
    if (r->sniff.kind == SNIFF_PPM && (top < 1 || top > 65535))
        return core_fail(error, FM_ERR_FORMAT, "%s: says that white is %d", r->path, top);
    if (r->sniff.kind == SNIFF_PPM && top != 255 && top != 65535) r->top = (uint32_t) top;
    memcpy(r->info.loader, r->sniff.name, strlen(r->sniff.name) + 1);
    if (extra->sealed) still_note(&r->info, "compressed metadata could not be read and is left out");
    code = plan_memory(r, loaded, error);
    if (code != FM_OK) return code;
    code = still_meta_create(r->image, extra, r->orientation != 1, &r->meta);
    return code == FM_OK ? FM_OK : core_fail_nomem(error, 0);
}

static int open_with(const char *path, struct still_reader **out, struct still_info *info, struct fm_error *error)
{
    struct sniff sniff;
    int fd = -1;
    *out = NULL;
    int code = sniff_open(path, &fd, &sniff, error);
    if (code == FM_OK) code = vips_load(error);
    if (code != FM_OK) {
        if (fd >= 0) close(fd);
        return code;
    }
    VipsImage *loaded = NULL;
    struct still_extra extra = {0};
    struct still_reader *r = core_calloc(1, sizeof *r);
    if (r) r->path = core_strdup(path);
    if (!r || !r->path) {
        code = core_fail_nomem(error, sizeof *r);
    } else {
        r->sniff = sniff;
        code = load(r, fd, &loaded, error);
        if (code == FM_OK && still_extra_read(&sniff, fd, &extra) != FM_OK) code = core_fail_nomem(error, 0);
        if (code == FM_OK) code = open_loaded(r, loaded, &extra, error);
    }
    still_extra_release(&extra);
    if (loaded) vl.g_object_unref(loaded);
    close(fd); /* the source has one of its own */
    if (code != FM_OK) {
        still_close(&r);
        return code;
    }
    *info = r->info;
    *out = r;
    return FM_OK;
}

int still_open(const char *path, struct still_reader **out, struct still_info *info, struct fm_error *error)
{
    vips_load_enter();
    const int code = open_with(path, out, info, error);
    vips_load_leave();
    return code;
}

/* 10 and 12 bits come in the upper bits: the lower ones are filled with them again, so that white is 65535. */
static void fill_low_bits(uint16_t *samples, size_t count, int bits)
{
    for (size_t i = 0; i < count; i++) samples[i] = (uint16_t) (samples[i] | samples[i] >> bits);
}

/* PNM says what its white is. */
static void stretch(uint8_t *row, size_t bytes, int bits, uint32_t top)
{
    uint16_t *wide = (uint16_t *) (void *) row;
    for (size_t i = 0; bits == 8 && i < bytes; i++) row[i] = (uint8_t) (((row[i] > top ? top : row[i]) * 255u + top / 2) / top);
    for (size_t i = 0; bits == 16 && i < bytes / 2; i++)
        wide[i] = (uint16_t) (((wide[i] > top ? top : wide[i]) * 65535u + top / 2) / top);
}

static bool jpeg_complained(void)
{
    char text[320];
    vips_load_reason(text, sizeof text);
    if (!strstr(text, "VipsJpeg")) return false;
    vl.vips_error("framemill", "%s", text); /* for the message to come */
    return true;
}

static bool fetch_strip(struct still_reader *r, VipsRegion *region, uint8_t *to, int y, int rows)
{
    const size_t stride = (size_t) r->width * pixel_bytes(r->info.format);
    const VipsRect rect = {0, y, r->width, rows};
    const bool jpeg = r->sniff.kind == SNIFF_JPEG, last = jpeg && y + rows == r->height;
    if (last)
        pthread_rwlock_wrlock(&jpeg_lock);
    else if (jpeg)
        pthread_rwlock_rdlock(&jpeg_lock);
    if (last) vl.vips_error_clear();
    const bool good = vl.vips_region_prepare(region, &rect) == 0 && !(last && jpeg_complained());
    if (jpeg) pthread_rwlock_unlock(&jpeg_lock);
    for (int i = 0; good && i < rows; i++) {
        uint8_t *row = to + (size_t) i * stride;
        memcpy(row, region->data + (size_t) (y + i - region->valid.top) * (size_t) VIPS_REGION_LSKIP(region), stride);
        if (r->low_bits) fill_low_bits((uint16_t *) (void *) row, stride / 2, r->low_bits);
        if (r->top) stretch(row, stride, r->info.format.bits, r->top);
    }
    return good;
}

/* Rows [y0, y1) of the image as it lies in the file. The region is made anew for each call, since libvips ties one to a thread. */
static int fetch(struct still_reader *r, uint8_t *to, int y0, int y1, struct fm_error *error)
{
    const size_t stride = (size_t) r->width * pixel_bytes(r->info.format);
    const int most = stride >= STRIP_BYTES / 8 ? 8 : (int) (STRIP_BYTES / stride);
    const int last = (r->height - 1) / 8 * 8; /* where the last strip of a JPEG begins */
    vips_load_enter();
    vl.vips_error_clear();
    VipsRegion *region = vl.vips_region_new(r->image);
    bool good = region;
    for (int y = y0, rows; good && y < y1; y += rows) {
        rows = y1 - y < most ? y1 - y : most;
        if (y < last && y + rows > last) rows = last - y;
        good = fetch_strip(r, region, to + (size_t) (y - y0) * stride, y, rows);
    }
    if (region) vl.g_object_unref(region);
    vips_load_leave();
    return good ? FM_OK : damaged(r->path, error);
}

/* The whole file into memory, for orientations that start anywhere but at its first row. */
static int decode(struct still_reader *r, struct fm_error *error)
{
    if (r->decoded) return FM_OK;
    r->decoded_size = r->info.decoded_bytes;
    r->decoded = core_alloc_pages(r->decoded_size);
    if (!r->decoded) return core_fail_nomem(error, r->decoded_size);
    const int code = fetch(r, r->decoded, 0, r->height, error);
    vl.g_object_unref(r->image);
    r->image = NULL;
    return code;
}

int still_read(struct still_reader *r, struct band *to, int y0, int y1, struct fm_error *error)
{
    if (r->failed) return core_fail(error, FM_ERR_FORMAT, "%s: has failed before", r->path);
    if (y0 != r->next_row || y1 < y0 || y1 > r->info.height || to->y0 > y0 || to->y1 < y1 || to->width != r->info.width)
        return core_fail(error, FM_ERR_ARGUMENT, "%s: rows %d to %d are not the next ones", r->path, y0, y1);
    if (y0 == y1) return FM_OK;
    const int bytes = (int) pixel_bytes(r->info.format);
    int code = FM_OK;
    if (r->orientation <= 2) {
        code = fetch(r, band_row(to, y0), y0, y1, error);
        if (code == FM_OK && r->orientation == 2) still_turn_mirror(band_row(to, y0), r->width, y1 - y0, bytes);
    } else {
        code = decode(r, error);
        if (code == FM_OK) still_turn_rows(r->decoded, r->width, r->height, bytes, r->orientation, band_row(to, y0), y0, y1);
    }
    r->failed = code != FM_OK;
    r->next_row = y1;
    return code;
}

struct still_meta *still_reader_meta(const struct still_reader *reader)
{
    return still_meta_ref(reader->meta);
}

void still_close(struct still_reader **reader)
{
    struct still_reader *r = *reader;
    *reader = NULL;
    if (!r) return;
    if (r->image) vl.g_object_unref(r->image);
    core_free_pages(r->decoded, r->decoded_size);
    still_meta_unref(&r->meta);
    core_free(r->path);
    core_free(r);
}
