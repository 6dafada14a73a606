/* SPDX-License-Identifier: MIT */
#include "media/still_meta.h"

#include <stdatomic.h>
#include <string.h>

#include "core/alloc.h"

struct still_meta {
    atomic_int references;
    VipsImage *header;
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

static void *copy_field(VipsImage *from, const char *name, GValue *value, void *to)
{
    (void) from;
    if (travels(name)) vl.vips_image_set(to, name, value);
    return NULL;
}

int still_meta_create(VipsImage *from, bool turned, struct still_meta **out)
{
    struct still_meta *meta = core_calloc(1, sizeof *meta);
    *out = NULL;
    if (!meta) return FM_ERR_NOMEM;
    atomic_init(&meta->references, 1);
    meta->header = vl.vips_image_new();
    if (!meta->header) {
        core_free(meta);
        return FM_ERR_NOMEM;
    }
    vl.vips_image_init_fields(meta->header, 1, 1, 1, VIPS_FORMAT_UCHAR, VIPS_CODING_NONE, VIPS_INTERPRETATION_B_W,
        vl.vips_image_get_xres(from), vl.vips_image_get_yres(from));
    vl.vips_image_map(from, copy_field, meta->header);
    vl.vips_image_set_int(meta->header, VIPS_META_ORIENTATION, 1); /* or savers keep what the EXIF says */
    if (turned) vl.vips_image_remove(meta->header, "jpeg-thumbnail-data");
    *out = meta;
    return FM_OK;
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
    vl.g_object_unref(m->header);
    core_free(m);
}

void still_meta_apply(const struct still_meta *meta, VipsImage *to)
{
    if (meta) vl.vips_image_map(meta->header, copy_field, to);
}

void still_meta_resolution(const struct still_meta *meta, double *x, double *y)
{
    *x = meta ? vl.vips_image_get_xres(meta->header) : 1;
    *y = meta ? vl.vips_image_get_yres(meta->header) : 1;
}
