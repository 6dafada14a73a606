/* SPDX-License-Identifier: MIT */
/* What framemill knows about file formats without opening libvips. */
#include <string.h>
#include <strings.h>

#include "media/still.h"

struct format {
    const char *name;
    const char *ends[4]; /* ends of file names, the usual one first */
    int bits;
    bool alpha, streams, metadata;
    int max_side;
};

/* AVIF and HEIC: what libheif agrees to read again. TIFF, PNG: far below what the formats say, at the reader's own limit. */
static const struct format formats[] = {
    {"png", {"png", "apng"}, 16, true, true, true, 1 << 20},
    {"jpeg", {"jpg", "jpeg", "jpe", "jfif"}, 8, false, true, true, 65500},
    {"webp", {"webp"}, 8, true, false, true, 16383},
    {"tiff", {"tif", "tiff"}, 16, true, true, true, 1 << 20},
    {"avif", {"avif"}, 16, true, false, true, 16384},
    {"heic", {"heic", "heif", "hif"}, 16, true, false, true, 16384},
    {"jxl", {"jxl"}, 16, true, false, true, 1 << 20},
    {"ppm", {"ppm", "pgm", "pnm"}, 16, false, true, false, 1 << 20},
};
enum { FORMATS = sizeof formats / sizeof formats[0] };

static const char *extension(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    return dot && dot != name ? dot + 1 : NULL;
}

static const struct format *by_end(const char *end)
{
    for (int i = 0; i < FORMATS; i++) {
        if (strcasecmp(end, formats[i].name) == 0) return &formats[i];
        for (int j = 0; j < 4 && formats[i].ends[j]; j++)
            if (strcasecmp(end, formats[i].ends[j]) == 0) return &formats[i];
    }
    return NULL;
}

static const struct format *by_name(const char *name)
{
    for (int i = 0; name && i < FORMATS; i++)
        if (strcmp(name, formats[i].name) == 0) return &formats[i];
    return NULL;
}

const char *still_format_of(const char *name_or_extension)
{
    const char *dotless = name_or_extension[0] == '.' && !strchr(name_or_extension + 1, '.') ? name_or_extension + 1 : NULL;
    const char *end = extension(name_or_extension);
    const struct format *f = by_end(dotless ? dotless : end ? end : name_or_extension);
    return f ? f->name : NULL;
}

const char *still_format_extension(const char *format)
{
    const struct format *f = by_name(format);
    return f ? f->ends[0] : NULL;
}

bool still_is_picture_name(const char *path)
{
    const char *end = extension(path);
    return end && (by_end(end) || strcasecmp(end, "gif") == 0 || strcasecmp(end, "pbm") == 0);
}

int still_format_bits(const char *format)
{
    const struct format *f = by_name(format);
    return f ? f->bits : 0;
}

bool still_format_has_alpha(const char *format)
{
    const struct format *f = by_name(format);
    return f && f->alpha;
}

bool still_format_streams(const char *format)
{
    const struct format *f = by_name(format);
    return f && f->streams;
}

bool still_format_has_metadata(const char *format)
{
    const struct format *f = by_name(format);
    return f && f->metadata;
}

int still_format_max_side(const char *format)
{
    const struct format *f = by_name(format);
    return f ? f->max_side : 0;
}
