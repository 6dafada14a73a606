/* SPDX-License-Identifier: MIT */
#include "media/still_colour.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"

void still_note(struct still_info *info, const char *text)
{
    const size_t used = strlen(info->note);
    snprintf(info->note + used, sizeof info->note - used, "%s%s", used ? "; " : "", text);
}

static const char *sample_name(VipsBandFormat format)
{
    switch (format) {
    case VIPS_FORMAT_CHAR: return "signed 8-bit";
    case VIPS_FORMAT_SHORT: return "signed 16-bit";
    case VIPS_FORMAT_UINT:
    case VIPS_FORMAT_INT: return "32-bit integer";
    case VIPS_FORMAT_FLOAT: return "32-bit float";
    case VIPS_FORMAT_DOUBLE: return "64-bit float";
    case VIPS_FORMAT_COMPLEX:
    case VIPS_FORMAT_DPCOMPLEX: return "complex";
    default: return "unknown";
    }
}

/* Colours of an ICC profile by its header: 1 grey, 3 RGB, 4 CMYK, 0 another or none. */
static int profile_colours(VipsImage *image)
{
    const void *data = NULL;
    size_t size = 0;
    if (!vl.vips_image_get_typeof(image, VIPS_META_ICC_NAME) ||
        vl.vips_image_get_blob(image, VIPS_META_ICC_NAME, &data, &size) != 0 || size < 128 ||
        memcmp((const char *) data + 36, "acsp", 4) != 0)
        return 0;
    const char *space = (const char *) data + 16;
    return memcmp(space, "GRAY", 4) == 0 ? 1 : memcmp(space, "RGB ", 4) == 0 ? 3 : memcmp(space, "CMYK", 4) == 0 ? 4 : 0;
}

/* Replaces *image by the result of a step that took it as input. */
static int step(VipsImage **image, VipsImage *result, int status)
{
    if (status != 0) return -1;
    vl.g_object_unref(*image);
    *image = result;
    return 0;
}

static int to_srgb_by_profile(VipsImage **image, int depth)
{
    VipsImage *result = NULL;
    const int status = vl.vips_icc_transform(*image, &result, "srgb", "embedded", TRUE, "intent", VIPS_INTENT_RELATIVE,
        "black_point_compensation", TRUE, "depth", depth, NULL);
    return step(image, result, status);
}

static int without_profile(VipsImage **image)
{
    VipsImage *result = NULL;
    if (step(image, result, vl.vips_copy(*image, &result, NULL)) != 0) return -1;
    vl.vips_image_remove(*image, VIPS_META_ICC_NAME);
    return 0;
}

/* Spaces that are not grey or RGB become sRGB. */
static int to_rgb(VipsImage **image, struct still_info *info)
{
    const VipsInterpretation space = vl.vips_image_get_interpretation(*image);
    const VipsBandFormat samples = vl.vips_image_get_format(*image);
    VipsImage *result = NULL;
    if (space == VIPS_INTERPRETATION_CMYK) {
        if (profile_colours(*image) != 4 && without_profile(image) != 0) return -1;
        still_note(info, profile_colours(*image) == 4 ? "CMYK converted to sRGB" : "CMYK without a profile converted to sRGB");
        return to_srgb_by_profile(image, samples == VIPS_FORMAT_USHORT ? 16 : 8);
    }
    const bool lab = space == VIPS_INTERPRETATION_LAB || space == VIPS_INTERPRETATION_LABS || space == VIPS_INTERPRETATION_LABQ ||
                     vl.vips_image_get_coding(*image) == VIPS_CODING_LABQ;
    if (!lab) return 0;
    still_note(info, "Lab converted to sRGB");
    const VipsInterpretation to = space == VIPS_INTERPRETATION_LABS ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB;
    const int status = vl.vips_colourspace(*image, &result, to, NULL);
    if (step(image, result, status) != 0) return -1;
    return without_profile(image);
}

static int refuse(const char *path, struct fm_error *error)
{
    char reason[256];
    vips_load_reason(reason, sizeof reason);
    return core_fail(error, FM_ERR_FORMAT, "%s: its colours cannot be converted%s%s", path, *reason ? ": " : "", reason);
}

int still_colour(VipsImage *in, const char *path, VipsImage **out, struct still_info *info, struct fm_error *error)
{
    VipsImage *image = in;
    *out = NULL;
    vl.g_object_ref(image);
    int code = FM_OK;
    if (to_rgb(&image, info) != 0) {
        code = refuse(path, error);
        goto fail;
    }
    const VipsBandFormat samples = vl.vips_image_get_format(image);
    const VipsInterpretation space = vl.vips_image_get_interpretation(image);
    const int bands = vl.vips_image_get_bands(image);
    if ((samples != VIPS_FORMAT_UCHAR && samples != VIPS_FORMAT_USHORT) || vl.vips_image_get_coding(image) != VIPS_CODING_NONE) {
        code = core_fail(
            error, FM_ERR_UNSUPPORTED, "%s: has %s samples: convert it to 8 or 16 bits first", path, sample_name(samples));
        goto fail;
    }
    const bool grey = space == VIPS_INTERPRETATION_B_W || space == VIPS_INTERPRETATION_GREY16;
    const bool rgb = space == VIPS_INTERPRETATION_sRGB || space == VIPS_INTERPRETATION_RGB16 || space == VIPS_INTERPRETATION_RGB;
    if (bands > (grey ? 2 : 4) || (rgb && bands < 3)) {
        code =
            core_fail(error, FM_ERR_UNSUPPORTED, "%s: has %d channels: grey or RGB, with or without alpha, are read", path, bands);
        goto fail;
    }
    if (!grey && !rgb && space != VIPS_INTERPRETATION_MULTIBAND) {
        code = core_fail(error, FM_ERR_UNSUPPORTED, "%s: is in a colour space that is not read: convert it to sRGB first", path);
        goto fail;
    }
    info->format = (struct pixel_format){bands, samples == VIPS_FORMAT_USHORT ? 16 : 8};
    if (vl.vips_image_get_typeof(image, VIPS_META_ICC_NAME) && profile_colours(image) != pixel_colours(info->format)) {
        still_note(info, "colour profile dropped: it is for other channels");
        if (without_profile(&image) != 0) {
            code = refuse(path, error);
            goto fail;
        }
    }
    *out = image;
    return FM_OK;
fail:
    vl.g_object_unref(image);
    return code;
}

int still_colour_grey_to_rgb(VipsImage **image)
{
    const bool wide = vl.vips_image_get_format(*image) == VIPS_FORMAT_USHORT;
    if (vl.vips_image_get_bands(*image) > 2) return 0;
    if (profile_colours(*image) == 1) return to_srgb_by_profile(image, wide ? 16 : 8);
    VipsImage *result = NULL;
    const int status = vl.vips_colourspace(*image, &result, wide ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB, NULL);
    return step(image, result, status);
}
