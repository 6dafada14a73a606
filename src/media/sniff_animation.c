/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "media/sniff_animation.h"

#include <string.h>
#include <unistd.h>

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

int sniff_png_frames(int fd, int64_t size)
{
    int64_t at = 8;
    uint8_t chunk[12];
    for (int turns = 0; turns < 65536 && at + 12 <= size; turns++) {
        if (pread(fd, chunk, sizeof chunk, at) != (ssize_t) sizeof chunk) return 1;
        if (memcmp(chunk + 4, "IDAT", 4) == 0 || memcmp(chunk + 4, "IEND", 4) == 0) return 1;
        if (memcmp(chunk + 4, "acTL", 4) == 0) {
            const uint32_t frames = be32(chunk + 8);
            return frames == 0 || frames > INT32_MAX ? 1 : (int) frames;
        }
        at += 12 + (int64_t) be32(chunk);
    }
    return 1;
}

/* Bits of a JPEG XL header, lowest first. Past the end it gives zeros and says so. */
struct bits {
    const uint8_t *data;
    int length, at; /* bytes; bits */
    bool ended;
};

static uint32_t take(struct bits *b, int count)
{
    uint32_t value = 0;
    for (int i = 0; i < count; i++, b->at++) {
        if (b->at >> 3 >= b->length) {
            b->ended = true;
            continue;
        }
        value |= (uint32_t) (b->data[b->at >> 3] >> (b->at & 7) & 1) << i;
    }
    return value;
}

/* SizeHeader: two sides, the second as a ratio or in full. */
static void skip_size(struct bits *b)
{
    static const int widths[4] = {9, 13, 18, 30};
    const bool small = take(b, 1);
    take(b, small ? 5 : widths[take(b, 2)]);
    if (take(b, 3) == 0) take(b, small ? 5 : widths[take(b, 2)]);
}

/* PreviewHeader: like it, with sides of its own widths. */
static void skip_preview(struct bits *b)
{
    static const int eighths[4] = {0, 0, 5, 9}, pixels[4] = {6, 8, 10, 12};
    const bool by_eight = take(b, 1);
    const int *widths = by_eight ? eighths : pixels;
    take(b, widths[take(b, 2)]);
    if (take(b, 3) == 0) take(b, widths[take(b, 2)]);
}

/* ImageMetadata up to have_animation. */
static bool header_is_animated(const uint8_t *data, int length)
{
    struct bits b = {.data = data, .length = length, .at = 16};
    skip_size(&b);
    if (take(&b, 1)) return false;  /* all_default */
    if (!take(&b, 1)) return false; /* extra_fields */
    take(&b, 3);                    /* orientation */
    if (take(&b, 1)) skip_size(&b); /* the intrinsic size */
    if (take(&b, 1)) skip_preview(&b);
    return take(&b, 1) && !b.ended;
}

bool sniff_jxl_is_animated(int fd, int64_t size)
{
    uint8_t data[64];
    int64_t at = 0;
    ssize_t got = pread(fd, data, sizeof data, 0);
    if (got < 16) return false;
    if (data[0] == 0xff) return header_is_animated(data, (int) got);
    for (int turns = 0; turns < 4096 && at + 8 <= size; turns++) { /* boxes, until the one with the codestream's start */
        got = pread(fd, data, sizeof data, at);
        if (got < 24) return false;
        uint64_t length = be32(data);
        int head = 8;
        if (length == 1) {
            length = (uint64_t) be32(data + 8) << 32 | be32(data + 12);
            head = 16;
        }
        if (memcmp(data + 4, "jxlp", 4) == 0) head += 4; /* its number */
        if (memcmp(data + 4, "jxlp", 4) == 0 || memcmp(data + 4, "jxlc", 4) == 0)
            return got > head + 2 && header_is_animated(data + head, (int) got - head);
        if (length < 8 || length > (uint64_t) (size - at)) return false;
        at += (int64_t) length;
    }
    return false;
}
