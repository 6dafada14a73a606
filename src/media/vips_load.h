/* SPDX-License-Identifier: MIT */
/* libvips, opened when the first picture is: no program is linked to it, and one that opens no picture never pays for it. The
 * calls that are used are members of `vl` under their own names: vl.vips_image_new().
 *
 * Only what we ask for is loaded: libvips brings loaders for PDF, slides and everything ImageMagick knows as modules, which cost
 * time at the start and are no part of what we trust; those for HEIC, AVIF and JPEG XL are opened by hand when such a picture
 * comes. */
#ifndef FM_MEDIA_VIPS_LOAD_H
#define FM_MEDIA_VIPS_LOAD_H

#include <stddef.h>

#include <gmodule.h>
#include <vips/vips.h>

#include "framemill/error.h"

/* GLib makes these macros, which would be replaced behind `vl.` as well. */
#undef g_free
#undef g_object_ref
#undef g_object_unref

/* clang-format off */
#define VIPS_LOAD_CALLS(X) \
    X(g_free) X(g_log_default_handler) X(g_log_set_handler) X(g_module_open) X(g_object_ref) X(g_object_unref) \
    X(vips_init) X(vips_version) X(vips_cache_set_max) X(vips_type_find) X(vips_blob_get_type) X(vips_value_get_blob) \
    X(vips_error) X(vips_error_buffer_copy) X(vips_error_clear) \
    X(vips_source_new_from_descriptor) X(vips_target_new_to_descriptor) \
    X(vips_gifload_source) X(vips_heifload_source) X(vips_jpegload_source) X(vips_jxlload_source) X(vips_pngload_source) \
    X(vips_ppmload_source) X(vips_tiffload_source) X(vips_webpload_source) X(vips_jpegload_buffer) X(vips_jpegsave_buffer) \
    X(vips_heifsave_target) X(vips_jpegsave_target) X(vips_jxlsave_target) X(vips_ppmsave_target) X(vips_tiffsave_target) \
    X(vips_webpsave_target) \
    X(vips_image_generate) X(vips_image_get_bands) X(vips_image_get_blob) X(vips_image_get_coding) X(vips_image_get_format) \
    X(vips_image_get_height) X(vips_image_get_int) X(vips_image_get_interpretation) X(vips_image_get_orientation) \
    X(vips_image_get_typeof) X(vips_image_get_width) X(vips_image_get_xres) X(vips_image_get_yres) X(vips_image_init_fields) \
    X(vips_image_map) X(vips_image_new) X(vips_image_pipelinev) X(vips_image_remove) X(vips_image_set) \
    X(vips_image_set_blob_copy) X(vips_image_set_int) \
    X(vips_black) X(vips_colourspace) X(vips_copy) X(vips_icc_transform) X(vips_region_new) X(vips_region_prepare)
/* clang-format on */

#define VIPS_LOAD_MEMBER(name) __typeof__(&name) name;
struct vips_calls {
    VIPS_LOAD_CALLS(VIPS_LOAD_MEMBER)
};
#undef VIPS_LOAD_MEMBER

/* Filled once by vips_load; read only afterwards, any thread. */
extern struct vips_calls vl;

/* Opens libvips if it is not open yet. FM_OK, or FM_ERR_UNSUPPORTED with what is missing. Any thread. */
int vips_load(struct fm_error *error);
/* Opens one of its modules ("vips-heif", "vips-jxl") unless `operation` is there already. */
int vips_load_module(const char *module, const char *operation, struct fm_error *error);

/* What libvips has to say about the failure of the call before, on one line, and forgets it. libvips keeps one such text for all
 * threads: two failures at the same moment may read alike. "" when it says nothing. */
void vips_load_reason(char *text, size_t size);

/* Between vips_load_enter and vips_load_leave this thread works for us: what GLib's objects have to say to it (a header's zero
 * width is no valid property) is dropped, while the words of libvips itself always are. Pairs may be nested. */
void vips_load_enter(void);
void vips_load_leave(void);

#endif
