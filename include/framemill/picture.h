/* SPDX-License-Identifier: MIT */
/* Picture: samples in memory, as files hold them. */
#ifndef FRAMEMILL_PICTURE_H
#define FRAMEMILL_PICTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Rows from top to bottom, samples interleaved, 16-bit ones in native byte order, alpha straight (not multiplied in). A plain value: its
 * memory is the library's (fm_picture_create, fm_picture_read; fm_picture_destroy frees it) or the caller's, who then fills in all fields
 * himself; calls that take a picture do not ask which. One thread at a time writes a picture. */
struct fm_picture {
    size_t size;   /* sizeof */
    int width, height;
    int channels;  /* 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha */
    int bits;      /* of a sample: 8 or 16 */
    size_t stride; /* bytes from one row to the next */
    void *data;    /* 16-bit samples: aligned for them, as is the stride */
};

/* Memory for a picture, rows dense; the samples are undefined. *out needs no initialising and is empty on failure. FM_ERR_ARGUMENT, FM_ERR_NOMEM. */
FM_API int fm_picture_create(int width, int height, int channels, int bits, struct fm_picture *out, struct fm_error *error);
/* Frees memory that the library gave (the fields must be those it gave with it) and empties the picture. Accepts NULL and empty ones. */
FM_API void fm_picture_destroy(struct fm_picture *picture);

/* Reads a picture from a file: upright (EXIF orientation applied), CMYK, Lab and palettes as RGB; RGB and grey samples as they are, also where
 * the file has a colour profile for them. Errors as of fm_upscale_run: FM_ERR_IO, FM_ERR_FORMAT, FM_ERR_UNSUPPORTED; *out is empty then. */
FM_API int fm_picture_read(const char *path, struct fm_picture *out, struct fm_error *error);

/* Set size to sizeof; zero means the default everywhere. */
struct fm_picture_write_params {
    size_t size;
    const char *format; /* "png", "jpeg" ...; NULL: by the file's name */
    int quality;        /* 1..100 for lossy formats */
    int compression;    /* PNG 1..9; 0: fast; -1: none */
    bool overwrite;     /* replace a file that is there */
};

/* Writes a picture to a file, which appears under its name only when whole. Formats of 8 bits get the samples rounded, those without transparency
 * the picture on white. params may be NULL. FM_ERR_ARGUMENT: no such format, the file is there already; FM_ERR_UNSUPPORTED: too large for
 * the format; FM_ERR_IO. */
FM_API int fm_picture_write(const struct fm_picture *picture, const char *path, const struct fm_picture_write_params *params,
                            struct fm_error *error);

#ifdef __cplusplus
}
#endif
#endif
