/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "media/still_meta.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "core/alloc.h"
#include "media/exif.h"

struct still_meta {
    atomic_int references;
    VipsImage *header;
    struct still_block chunks;
    bool has_resolution;
};

static bool starts(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

/* libvips notes much that is true of the file only (its loader, pages, bit depth): that stays behind. */
static bool travels(const char *name)
{
    static const char *const kept[] = {"exif-", VIPS_META_ICC_NAME, VIPS_META_XMP_NAME, VIPS_META_IPTC_NAME,
        VIPS_META_PHOTOSHOP_NAME, VIPS_META_ORIENTATION, VIPS_META_IMAGEDESCRIPTION, VIPS_META_RESOLUTION_UNIT, "png-comment-",
        "gif-comment", "jpeg-thumbnail-data"};
    if (strcmp(name, "exif-ifd0-Orientation") == 0 || strcmp(name, "exif-ifd1-Orientation") == 0) return false;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (starts(name, kept[i])) return true;
    return false;
}

/* Blocks are copied whole: some loaders lend memory that goes with the picture. */
static void *copy_field(VipsImage *from, const char *name, GValue *value, void *to)
{
    (void) from;
    size_t size;
    if (!travels(name)) return NULL;
    if (G_VALUE_TYPE(value) != vl.vips_blob_get_type()) {
        vl.vips_image_set(to, name, value);
        return NULL;
    }
    const void *data = vl.vips_value_get_blob(value, &size);
    if (data && size > 0) vl.vips_image_set_blob_copy(to, name, data, size);
    return NULL;
}

static bool get_block(VipsImage *image, const char *name, const void **data, size_t *size)
{
    return vl.vips_image_get_typeof(image, name) && vl.vips_image_get_blob(image, name, data, size) == 0;
}

/* libvips reads EXIF into fields of their own, and writes from these; it does so for JPEG. So EXIF that was found elsewhere is
 * put into a JPEG of eight pixels and read from there. Larger blocks than a JPEG holds stay without fields. */
static int parse_exif(VipsImage *to, const uint8_t *exif, size_t size)
{
    enum { HEAD = 2 + 4 + 6, MOST = 65535 - 2 - 6 };
    VipsImage *pixel = NULL, *read = NULL;
    void *plain = NULL;
    size_t plain_size = 0;
    if (size > MOST || vl.vips_black(&pixel, 8, 8, NULL) != 0) return FM_OK;
    int code = FM_OK;
    if (vl.vips_jpegsave_buffer(pixel, &plain, &plain_size, "strip", TRUE, NULL) == 0) {
        uint8_t *jpeg = core_alloc(plain_size + size + HEAD - 2);
        code = jpeg ? FM_OK : FM_ERR_NOMEM;
        if (jpeg) {
            const uint8_t head[HEAD] = {
                0xff, 0xd8, 0xff, 0xe1, (uint8_t) ((size + 8) >> 8), (uint8_t) (size + 8), 'E', 'x', 'i', 'f', 0, 0};
            memcpy(jpeg, head, HEAD);
            memcpy(jpeg + HEAD, exif, size);
            memcpy(jpeg + HEAD + size, (uint8_t *) plain + 2, plain_size - 2);
            if (vl.vips_jpegload_buffer(jpeg, plain_size + size + HEAD - 2, &read, NULL) == 0)
                vl.vips_image_map(read, copy_field, to);
            if (read) vl.g_object_unref(read);
        }
        core_free(jpeg);
    }
    if (plain) vl.g_free(plain);
    vl.g_object_unref(pixel);
    return code;
}

/* Puts the block back with the orientation upright. */
static int make_upright(struct still_meta *meta, const void *block, size_t size, bool turned)
{
    uint8_t *copy = core_alloc(size);
    if (!copy) return FM_ERR_NOMEM;
    memcpy(copy, block, size);
    size_t body_size = size;
    const uint8_t *body = exif_body(copy, &body_size);
    if (body) exif_set_upright(copy + (body - copy), body_size, turned);
    vl.vips_image_set_blob_copy(meta->header, VIPS_META_EXIF_NAME, copy, size);
    core_free(copy);
    return FM_OK;
}

static int take_exif(struct still_meta *meta, const struct still_extra *extra, bool turned, double *x, double *y)
{
    const void *block;
    size_t size;
    const uint8_t *body = NULL;
    int code = FM_OK;
    if (get_block(meta->header, VIPS_META_EXIF_NAME, &block, &size)) {
        body = exif_body(block, &size);
    } else if (extra->exif.data) {
        size = extra->exif.size;
        body = exif_body(extra->exif.data, &size);
        if (body) code = parse_exif(meta->header, body, size);
        if (code == FM_OK && body && !vl.vips_image_get_typeof(meta->header, VIPS_META_EXIF_NAME))
            vl.vips_image_set_blob_copy(meta->header, VIPS_META_EXIF_NAME, body, size);
    }
    if (body && !meta->has_resolution) meta->has_resolution = exif_resolution(body, size, x, y);
    if (code != FM_OK || !get_block(meta->header, VIPS_META_EXIF_NAME, &block, &size)) return code;
    return make_upright(meta, block, size, turned);
}

/* HEIF holds XMP as an item of a type of its own, which libvips numbers. */
static void *find_xmp(VipsImage *from, const char *name, GValue *value, void *to)
{
    const void *data;
    size_t size;
    (void) value;
    if (!starts(name, "heif-mime-") || !get_block(from, name, &data, &size)) return NULL;
    if (!memmem(data, size < 512 ? size : 512, "xmp", 3)) return NULL;
    vl.vips_image_set_blob_copy(to, VIPS_META_XMP_NAME, data, size);
    return to;
}

static int fill(struct still_meta *meta, VipsImage *from, struct still_extra *extra, bool turned)
{
    double x = vl.vips_image_get_xres(from), y = vl.vips_image_get_yres(from);
    const double usual = 72.0 / 25.4; /* it and 1 are what libvips says when the file does not */
    meta->has_resolution = !extra->no_resolution && (x != 1 || y != 1) && (fabs(x - usual) > 1e-5 || fabs(y - usual) > 1e-5);
    vl.vips_image_map(from, copy_field, meta->header);
    vl.vips_image_map(from, find_xmp, meta->header);
    if (extra->xmp.data) vl.vips_image_set_blob_copy(meta->header, VIPS_META_XMP_NAME, extra->xmp.data, extra->xmp.size);
    meta->chunks = extra->chunks;
    extra->chunks = (struct still_block){0};
    const int code = take_exif(meta, extra, turned, &x, &y);
    if (!meta->has_resolution) x = y = usual;
    vl.vips_image_init_fields(meta->header, 1, 1, 1, VIPS_FORMAT_UCHAR, VIPS_CODING_NONE, VIPS_INTERPRETATION_B_W, x, y);
    vl.vips_image_set_int(meta->header, VIPS_META_ORIENTATION, 1); /* or savers keep what the EXIF says */
    if (turned) vl.vips_image_remove(meta->header, "jpeg-thumbnail-data");
    return code;
}

int still_meta_create(VipsImage *from, struct still_extra *extra, bool turned, struct still_meta **out)
{
    struct still_meta *meta = core_calloc(1, sizeof *meta);
    *out = NULL;
    if (!meta) return FM_ERR_NOMEM;
    atomic_init(&meta->references, 1);
    meta->header = vl.vips_image_new();
    const int code = meta->header ? fill(meta, from, extra, turned) : FM_ERR_NOMEM;
    if (code == FM_OK)
        *out = meta;
    else
        still_meta_unref(&meta);
    return code;
}

struct still_meta *still_meta_ref(struct still_meta *meta)
{
    if (meta) atomic_fetch_add(&meta->references, 1);
    return meta;
}

void still_meta_unref(struct still_meta **meta)
{
    struct still_meta *m = *meta;
    *meta = NULL;
    if (!m || atomic_fetch_sub(&m->references, 1) != 1) return;
    if (m->header) vl.g_object_unref(m->header);
    core_free(m->chunks.data);
    core_free(m);
}

void still_meta_apply(const struct still_meta *meta, VipsImage *to)
{
    if (meta) vl.vips_image_map(meta->header, copy_field, to);
}

bool still_meta_resolution(const struct still_meta *meta, double *x, double *y)
{
    *x = meta ? vl.vips_image_get_xres(meta->header) : 72 / 25.4;
    *y = meta ? vl.vips_image_get_yres(meta->header) : 72 / 25.4;
    return meta && meta->has_resolution;
}

const uint8_t *still_meta_block(const struct still_meta *meta, const char *name, size_t *size)
{
    const void *data;
    return meta && get_block(meta->header, name, &data, size) ? data : NULL;
}

const uint8_t *still_meta_chunks(const struct still_meta *meta, size_t *size)
{
    *size = meta ? meta->chunks.size : 0;
    return meta ? meta->chunks.data : NULL;
}

bool still_meta_tells(const struct still_meta *meta)
{
    static const char *const names[] = {VIPS_META_ICC_NAME, VIPS_META_EXIF_NAME, VIPS_META_XMP_NAME, VIPS_META_IPTC_NAME};
    size_t size;
    bool tells = meta && meta->chunks.size > 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) tells = tells || still_meta_block(meta, names[i], &size);
    return tells;
}
