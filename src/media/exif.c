/* SPDX-License-Identifier: MIT */
#include "media/exif.h"

#include <string.h>

enum {
    ENTRY_BYTES = 12,
    TYPE_SHORT = 3,
    TYPE_LONG = 4,
    TYPE_RATIONAL = 5,
    TAG_ORIENTATION = 0x0112,
    TAG_X_RESOLUTION = 0x011a,
    TAG_Y_RESOLUTION = 0x011b,
    TAG_RESOLUTION_UNIT = 0x0128,
    TAG_EXIF = 0x8769,
    TAG_WIDTH = 0xa002,
    TAG_HEIGHT = 0xa003,
};

struct view {
    const uint8_t *data;
    size_t size;
    bool big; /* the most significant byte first */
};

static uint32_t get16(const struct view *v, size_t at)
{
    const uint8_t *p = v->data + at;
    return v->big ? (uint32_t) p[0] << 8 | p[1] : (uint32_t) p[1] << 8 | p[0];
}

static uint32_t get32(const struct view *v, size_t at)
{
    return v->big ? get16(v, at) << 16 | get16(v, at + 2) : get16(v, at + 2) << 16 | get16(v, at);
}

static void put16(const struct view *v, uint8_t *data, size_t at, uint32_t value)
{
    data[at + (v->big ? 0 : 1)] = (uint8_t) (value >> 8);
    data[at + (v->big ? 1 : 0)] = (uint8_t) value;
}

static void put32(const struct view *v, uint8_t *data, size_t at, uint32_t value)
{
    put16(v, data, at + (v->big ? 0 : 2), value >> 16);
    put16(v, data, at + (v->big ? 2 : 0), value & 0xffff);
}

const uint8_t *exif_body(const void *block, size_t *size)
{
    const uint8_t *data = block;
    if (data && *size >= 6 && memcmp(data, "Exif\0\0", 6) == 0) data += 6, *size -= 6;
    if (!data || *size < 14 || (memcmp(data, "II*\0", 4) != 0 && memcmp(data, "MM\0*", 4) != 0)) return NULL;
    return data;
}

static struct view view_of(const uint8_t *body, size_t size)
{
    return (struct view){body, size, body[0] == 'M'};
}

/* Where the directory's entries end, or 0 when it does not lie within the block. */
static size_t directory_end(const struct view *v, size_t at)
{
    if (at < 8 || at > v->size || v->size - at < 2) return 0;
    const size_t end = at + 2 + (size_t) get16(v, at) * ENTRY_BYTES;
    return end <= v->size ? end : 0;
}

/* Where the entry lies, or 0. */
static size_t find(const struct view *v, size_t directory, uint32_t tag)
{
    const size_t end = directory_end(v, directory);
    for (size_t at = directory + 2; at < end; at += ENTRY_BYTES)
        if (get16(v, at) == tag) return at;
    return 0;
}

/* The one number of an entry; `otherwise` when there is no such entry or it holds something else. */
static uint32_t number(const struct view *v, size_t entry, uint32_t otherwise)
{
    if (!entry || get32(v, entry + 4) != 1) return otherwise;
    const uint32_t type = get16(v, entry + 2);
    return type == TYPE_SHORT ? get16(v, entry + 8) : type == TYPE_LONG ? get32(v, entry + 8) : otherwise;
}

static void set_number(const struct view *v, uint8_t *body, size_t entry, uint32_t value)
{
    if (!entry || get32(v, entry + 4) != 1) return;
    const uint32_t type = get16(v, entry + 2);
    if (type == TYPE_LONG) put32(v, body, entry + 8, value);
    if (type == TYPE_SHORT && value <= 0xffff) put16(v, body, entry + 8, value);
    if (type == TYPE_SHORT && value > 0xffff) { /* four bytes are there in any case: it becomes a LONG */
        put16(v, body, entry + 2, TYPE_LONG);
        put32(v, body, entry + 8, value);
    }
}

int exif_orientation(const uint8_t *body, size_t size)
{
    const struct view v = view_of(body, size);
    const uint32_t value = number(&v, find(&v, get32(&v, 4), TAG_ORIENTATION), 0);
    return value >= 1 && value <= 8 ? (int) value : 0;
}

static double rational(const struct view *v, size_t entry)
{
    if (!entry || get16(v, entry + 2) != TYPE_RATIONAL || get32(v, entry + 4) != 1) return 0;
    const size_t at = get32(v, entry + 8);
    if (at > v->size || v->size - at < 8) return 0;
    const double below = get32(v, at + 4);
    return below > 0 ? get32(v, at) / below : 0;
}

bool exif_resolution(const uint8_t *body, size_t size, double *x, double *y)
{
    const struct view v = view_of(body, size);
    const size_t directory = get32(&v, 4);
    const uint32_t unit = number(&v, find(&v, directory, TAG_RESOLUTION_UNIT), 2);
    const double by = unit == 2 ? 25.4 : 10; /* of an inch or a centimetre */
    const double across = rational(&v, find(&v, directory, TAG_X_RESOLUTION)),
                 down = rational(&v, find(&v, directory, TAG_Y_RESOLUTION));
    if ((unit != 2 && unit != 3) || across <= 0 || down <= 0) return false;
    *x = across / by;
    *y = down / by;
    return true;
}

void exif_set_upright(uint8_t *body, size_t size, bool drop_thumbnail)
{
    const struct view v = view_of(body, size);
    const size_t directory = get32(&v, 4), end = directory_end(&v, directory);
    set_number(&v, body, find(&v, directory, TAG_ORIENTATION), 1);
    if (!end || v.size - end < 4) return;
    const size_t next = get32(&v, end);
    if (drop_thumbnail)
        put32(&v, body, end, 0);
    else
        set_number(&v, body, find(&v, next, TAG_ORIENTATION), 1);
}

void exif_set_size(uint8_t *body, size_t size, int width, int height)
{
    const struct view v = view_of(body, size);
    const size_t directory = number(&v, find(&v, get32(&v, 4), TAG_EXIF), 0);
    set_number(&v, body, find(&v, directory, TAG_WIDTH), (uint32_t) width);
    set_number(&v, body, find(&v, directory, TAG_HEIGHT), (uint32_t) height);
}
