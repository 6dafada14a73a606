/* SPDX-License-Identifier: MIT */
#include "frame/picture.h"

#include <string.h>

#include "core/error.h"
#include "frame/memory.h"

static bool can_be(int width, int height, int channels, int bits)
{
    return width >= 1 && width <= PICTURE_SIDE_MAX && height >= 1 && height <= PICTURE_SIDE_MAX && channels >= 1 && channels <= 4 &&
           (bits == 8 || bits == 16);
}

static int refuse(const char *what, int width, int height, int channels, int bits, struct fm_error *error)
{
    return core_fail(
        error, FM_ERR_ARGUMENT, "%s: no picture has %d x %d pixels of %d channels of %d bits", what, width, height, channels, bits);
}

int picture_create(int width, int height, struct pixel_format format, struct fm_picture *out, struct fm_error *error)
{
    *out = (struct fm_picture){.size = sizeof *out};
    if (!can_be(width, height, format.channels, format.bits))
        return refuse("a picture", width, height, format.channels, format.bits, error);
    const size_t stride = (size_t) width * pixel_bytes(format);
    size_t bytes;
    if (!core_mul_size(stride, (size_t) height, &bytes)) return core_fail_nomem(error, 0);
    void *data = frame_alloc(bytes);
    if (!data) return core_fail_nomem(error, bytes);
    *out = (struct fm_picture){sizeof *out, width, height, format.channels, format.bits, stride, data};
    return FM_OK;
}

void picture_destroy(struct fm_picture *picture)
{
    if (picture->data) frame_free(picture->data, picture->stride * (size_t) picture->height);
    *picture = (struct fm_picture){.size = sizeof *picture};
}

int picture_check(const struct fm_picture *p, const char *what, struct fm_error *error)
{
    size_t bytes;
    if (!p) return core_fail(error, FM_ERR_ARGUMENT, "%s: a picture is missing", what);
    if (p->size < sizeof *p) return core_fail(error, FM_ERR_ARGUMENT, "%s: the size of a picture's structure is not set", what);
    if (!can_be(p->width, p->height, p->channels, p->bits)) return refuse(what, p->width, p->height, p->channels, p->bits, error);
    if (!p->data) return core_fail(error, FM_ERR_ARGUMENT, "%s: a picture without samples", what);
    if (p->stride < picture_row_bytes(p) || !core_mul_size(p->stride, (size_t) p->height, &bytes))
        return core_fail(
            error, FM_ERR_ARGUMENT, "%s: rows of %zu bytes do not fit %zu bytes apart", what, picture_row_bytes(p), p->stride);
    if (p->bits == 16 && ((uintptr_t) p->data % 2 || p->stride % 2))
        return core_fail(error, FM_ERR_ARGUMENT, "%s: 16-bit samples at odd addresses", what);
    return FM_OK;
}

int picture_copy_rows(const struct fm_picture *p, int y0, int y1, struct band *to)
{
    if (band_reserve(to, picture_format(p), p->width, y0, y1) < 0) return FM_ERR_NOMEM;
    for (int y = y0; y < y1; y++) memcpy(band_row(to, y), picture_row(p, y), picture_row_bytes(p));
    return FM_OK;
}
