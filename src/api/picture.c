/* SPDX-License-Identifier: MIT */
#include "framemill/picture.h"

#include <string.h>

#include "convert/pixels.h"
#include "core/cpu.h"
#include "core/error.h"
#include "frame/picture.h"
#include "media/still.h"

#define WRITE_ROWS 64 /* converted at a time */

int fm_picture_create(int width, int height, int channels, int bits, struct fm_picture *out, struct fm_error *error)
{
    if (!out) return core_fail(error, FM_ERR_ARGUMENT, "fm_picture_create: an argument is missing");
    return picture_create(width, height, (struct pixel_format){channels, bits}, out, error);
}

void fm_picture_destroy(struct fm_picture *picture)
{
    if (picture) picture_destroy(picture);
}

int fm_picture_read(const char *path, struct fm_picture *out, struct fm_error *error)
{
    if (!path || !out) return core_fail(error, FM_ERR_ARGUMENT, "fm_picture_read: an argument is missing");
    struct still_reader *reader = NULL;
    struct still_info info;
    *out = (struct fm_picture){.size = sizeof *out};
    int code = still_open(path, &reader, &info, error);
    if (code < 0) return code;
    code = picture_create(info.width, info.height, info.format, out, error);
    if (code == FM_OK) {
        struct band all = picture_band(out);
        code = still_read(reader, &all, 0, info.height, error);
    }
    still_close(&reader);
    if (code < 0) picture_destroy(out);
    return code;
}

/* ---- writing ---- */

struct pull {
    const struct fm_picture *from;
    struct pixel_format format; /* of the file */
    int y;                      /* the next row */
    struct band in, out;
    struct window colour, alpha;
};

static void put_on_white(struct window *colour, const struct window *alpha)
{
    const size_t n = window_plane(colour);
    for (int c = 0; c < colour->channels; c++) {
        float *plane = colour->data + (size_t) c * n;
        for (size_t i = 0; i < n; i++) plane[i] = plane[i] * alpha->data[i] + (1 - alpha->data[i]);
    }
}

/* Rows [y0, y1) in the file's format. */
static int convert_rows(struct pull *p, int y0, int y1)
{
    const struct pixel_format from = picture_format(p->from);
    const struct rect at = {0, y0, p->from->width, y1 - y0};
    const bool has_alpha = pixel_has_alpha(from), keeps_alpha = pixel_has_alpha(p->format);
    if (window_reserve(&p->colour, at, pixel_colours(from)) < 0 || (has_alpha && window_reserve(&p->alpha, at, 1) < 0) ||
        band_reserve(&p->out, p->format, at.w, y0, y1) < 0)
        return FM_ERR_NOMEM;
    pixels_unpack(NULL, cpu_flags(), &p->in, p->from->height, &p->colour, has_alpha ? &p->alpha : NULL);
    if (has_alpha && !keeps_alpha) put_on_white(&p->colour, &p->alpha);
    pixels_pack(NULL, cpu_flags(), &p->colour, keeps_alpha ? &p->alpha : NULL, at, &p->out);
    return FM_OK;
}

static int pull_rows(void *user, const uint8_t **data, int *rows)
{
    struct pull *p = user;
    const struct fm_picture *from = p->from;
    const int y0 = p->y, left = from->height - y0, n = left < WRITE_ROWS ? left : WRITE_ROWS;
    const int count = n < *rows ? n : *rows;
    const bool same = p->format.channels == from->channels && p->format.bits == from->bits;
    int code = FM_OK;
    if (same && picture_is_dense(from)) {
        *data = picture_row(from, y0);
    } else {
        code = picture_copy_rows(from, y0, y0 + count, &p->in);
        if (code == FM_OK && !same) code = convert_rows(p, y0, y0 + count);
        *data = same ? p->in.data : p->out.data;
    }
    *rows = count;
    p->y += count;
    return code;
}

static int write_as(const struct fm_picture *picture, const char *path, const char *format,
    const struct fm_picture_write_params *params, struct fm_error *error)
{
    struct pull pull = {.from = picture, .format = picture_format(picture)};
    const int limit = still_format_max_side(format);
    if (picture->width > limit || picture->height > limit)
        return core_fail(error, FM_ERR_UNSUPPORTED, "%s: %d x %d pixels: %s holds %d a side", path, picture->width, picture->height,
            format, limit);
    if (pull.format.bits > still_format_bits(format)) pull.format.bits = still_format_bits(format);
    if (pixel_has_alpha(pull.format) && !still_format_has_alpha(format)) pull.format.channels--;
    const struct still_write_params p = {.format = format,
        .width = picture->width,
        .height = picture->height,
        .pixels = pull.format,
        .quality = params->quality,
        .compression = params->compression < 0    ? 0
                       : params->compression == 0 ? -1
                                                  : params->compression,
        .overwrite = params->overwrite};
    struct fm_error why = {0};
    const int code = still_write(path, NULL, &p, pull_rows, &pull, NULL, &why);
    if (code == FM_ERR_NOMEM && !why.message[0]) core_fail_nomem(&why, 0);
    if (code < 0 && error) *error = why;
    band_release(&pull.in);
    band_release(&pull.out);
    window_release(&pull.colour);
    window_release(&pull.alpha);
    return code;
}

int fm_picture_write(
    const struct fm_picture *picture, const char *path, const struct fm_picture_write_params *params, struct fm_error *error)
{
    struct fm_picture_write_params p = {.size = sizeof p};
    if (!path) return core_fail(error, FM_ERR_ARGUMENT, "fm_picture_write: an argument is missing");
    const int code = picture_check(picture, "fm_picture_write", error);
    if (code < 0) return code;
    if (params) {
        if (params->size < sizeof(size_t)) return core_fail(error, FM_ERR_ARGUMENT, "fm_picture_write: params->size is not set");
        memcpy(&p, params, params->size < sizeof p ? params->size : sizeof p);
    }
    if (p.quality < 0 || p.quality > 100)
        return core_fail(error, FM_ERR_ARGUMENT, "a quality of %d: not between 1 and 100", p.quality);
    if (p.compression > 9) return core_fail(error, FM_ERR_ARGUMENT, "a compression of %d: 9 is the most", p.compression);
    const char *format = still_format_of(p.format ? p.format : path);
    if (!format)
        return core_fail(error, FM_ERR_ARGUMENT, "%s: cannot be written: the format \"%s\" is not known", path,
            p.format             ? p.format
            : strrchr(path, '.') ? strrchr(path, '.') + 1
                                 : "");
    return write_as(picture, path, format, &p, error);
}
