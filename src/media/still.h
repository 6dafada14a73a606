/* SPDX-License-Identifier: MIT */
/* Still pictures in files, by libvips, which is loaded when the first picture is opened (a program that opens none never loads
 * it).
 *
 * Reading: rows from top to bottom, as they will be seen (EXIF orientation applied), 8 or 16 bits, grey or RGB, with alpha if
 * there is. PNG, JPEG and TIFF stream; other formats, and pictures that must be turned, are held decoded. CMYK, Lab and palettes
 * become RGB (CMYK by its profile); a profile that fits what is delivered is kept with the picture and its samples are left in
 * it.
 *
 * Writing: rows from top to bottom, with the metadata of the picture they came from: profile, EXIF (orientation now upright, sizes
 * right), XMP, IPTC, resolution. The file appears under its name only when whole.
 *
 * A reader or writer belongs to one thread at a time. */
#ifndef FM_MEDIA_STILL_H
#define FM_MEDIA_STILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame/band.h"
#include "framemill/error.h"

struct still_reader;
struct still_writer;
struct still_meta; /* what travels from a reader to a writer beside pixels; reference counted, any thread */

struct still_info {
    int width, height;           /* as delivered: upright */
    struct pixel_format format;
    bool streams;                /* false: the decoded picture is in memory (decoded_bytes) */
    size_t decoded_bytes;
    char loader[16];             /* "png", "jpeg", "webp", "tiff", "heif", "avif", "jxl" ... */
    char note[160];              /* what was changed on the way ("CMYK converted to sRGB"), or "" */
};

/* Opens a picture and reads its header. FM_ERR_IO: cannot be read; FM_ERR_FORMAT: damaged, empty, or no picture;
 * FM_ERR_UNSUPPORTED: animated or of several pages, samples of another kind (32-bit float), or libvips is not installed. Messages
 * name the file and the reason. */
int still_open(const char *path, struct still_reader **out, struct still_info *info, struct fm_error *error);
/* Fills rows [y0, y1) of `to` (which must hold them, in the info's format and width). Rows are asked for in order, none twice.
 * A file that ends early or is damaged further down: FM_ERR_FORMAT. */
int still_read(struct still_reader *reader, struct band *to, int y0, int y1, struct fm_error *error);
struct still_meta *still_reader_meta(const struct still_reader *reader); /* a new reference */
void still_close(struct still_reader **reader); /* accepts NULL contents, sets NULL */

/* Is there a profile, EXIF, XMP or text, which a format without metadata would lose? meta may be NULL. */
bool still_meta_tells(const struct still_meta *meta);
void still_meta_unref(struct still_meta **meta); /* accepts NULL contents, sets NULL */

/* A format by the end of a file name, or by name ("webp", "jpg"); the canonical name, or NULL when framemill cannot write it. */
const char *still_format_of(const char *name_or_extension);
/* The usual end of a file name of a canonical format: "jpg" for "jpeg". */
const char *still_format_extension(const char *format);
/* Can this file name be a picture that framemill reads? (By its end: for walking through folders.) */
bool still_is_picture_name(const char *path);
/* Samples a format can hold: 8 or 16; alpha or not. */
int still_format_bits(const char *format);
bool still_format_has_alpha(const char *format);
bool still_format_has_metadata(const char *format); /* a profile, EXIF, XMP */
bool still_format_streams(const char *format);
int still_format_max_side(const char *format); /* JPEG 65535, WebP 16383, ... */

struct still_write_params {
    const char *format;    /* canonical */
    int width, height;
    struct pixel_format pixels; /* what rows are written as; fits the format */
    int quality;           /* 1..100 for lossy formats; 100: lossless where the format can; 0: the default (JPEG 95, WebP 92, AVIF
                              and HEIC 80, JPEG XL 92) */
    int compression;       /* PNG: 0..9, TIFF ignores it; -1: the default (fast) */
    bool overwrite;        /* replace a file that is there */
};

/* The next rows in order, for the writer: puts at most *rows rows, sets *rows to how many and *data to the first (dense); the
 * memory stays valid until the next call. Called from any thread (for PNG the caller's of still_write, else another), one call at
 * a time. Negative: an error, the file is not made. */
typedef int (*still_pull)(void *user, const uint8_t **data, int *rows);

/* Writes a picture whole: pulls all rows, writes under a temporary name in the same folder, flushes, renames to `path`. Blocks
 * until done. On failure nothing is left behind and an existing file is as it was. FM_ERR_IO: disk full, not writable;
 * FM_ERR_ARGUMENT: exists and may not be overwritten; the pull's own error is passed through (its message is the puller's
 * business). meta may be NULL. bytes: the size of the file, may be NULL. */
int still_write(const char *path, const struct still_meta *meta, const struct still_write_params *params, still_pull pull,
    void *user, uint64_t *bytes, struct fm_error *error);

#endif
