/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "media/png_write.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "media/exif.h"
#include "media/png_deflate.h"
#include "media/png_filter.h"
#include "media/still_meta.h"

enum {
    IDAT_BYTES = 1 << 17,  /* of a chunk */
    INPUT_BYTES = 1 << 18, /* filtered rows that wait to be compressed */
};

struct writer {
    const char *path;
    const struct still_write_params *params;
    int fd;
    struct png_deflate *deflate;
    size_t stride;        /* bytes of a row */
    int bytes;            /* of a pixel */
    uint8_t *memory;      /* everything below, in one piece */
    uint8_t *row, *above; /* each behind PNG_FILTER_PAD zero bytes */
    uint8_t *scratch;
    uint8_t *input;
    size_t input_used, input_size;
    uint8_t *idat;    /* length and type, data, room for the CRC */
    size_t idat_used; /* bytes of data */
    struct fm_error *error;
};

static void put32(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t) (value >> 24);
    to[1] = (uint8_t) (value >> 16);
    to[2] = (uint8_t) (value >> 8);
    to[3] = (uint8_t) value;
}

static int put(struct writer *w, const uint8_t *data, size_t size)
{
    while (size > 0) {
        const ssize_t done = write(w->fd, data, size);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0)
            return core_fail(w->error, FM_ERR_IO, "%s: cannot be written: %s", w->path, strerror(done < 0 ? errno : ENOSPC));
        data += done;
        size -= (size_t) done;
    }
    return FM_OK;
}

/* A chunk whose data comes in two parts (a keyword and what it is for). */
static int put_chunk(
    struct writer *w, const char *type, const void *first, size_t first_size, const void *second, size_t second_size)
{
    uint8_t head[8], tail[4];
    put32(head, (uint32_t) (first_size + second_size));
    memcpy(head + 4, type, 4);
    uint32_t crc = png_deflate_crc(0, head + 4, 4);
    crc = png_deflate_crc(crc, first, first_size);
    crc = png_deflate_crc(crc, second, second_size);
    put32(tail, crc);
    int code = put(w, head, sizeof head);
    if (code == FM_OK) code = put(w, first, first_size);
    if (code == FM_OK) code = put(w, second, second_size);
    return code == FM_OK ? put(w, tail, sizeof tail) : code;
}

static int flush_idat(struct writer *w)
{
    if (w->idat_used == 0) return FM_OK;
    put32(w->idat, (uint32_t) w->idat_used);
    memcpy(w->idat + 4, "IDAT", 4);
    put32(w->idat + 8 + w->idat_used, png_deflate_crc(0, w->idat + 4, w->idat_used + 4));
    const int code = put(w, w->idat, w->idat_used + 12);
    w->idat_used = 0;
    return code;
}

static int compress(struct writer *w, bool last)
{
    const uint8_t *in = w->input;
    size_t in_left = w->input_used;
    bool complete = false;
    while (in_left > 0 || (last && !complete)) {
        uint8_t *out = w->idat + 8 + w->idat_used;
        size_t room = IDAT_BYTES - w->idat_used;
        complete = png_deflate_step(w->deflate, &in, &in_left, last, &out, &room);
        w->idat_used = IDAT_BYTES - room;
        const int code = room == 0 ? flush_idat(w) : FM_OK;
        if (code != FM_OK) return code;
    }
    w->input_used = 0;
    return last ? flush_idat(w) : FM_OK;
}

static int put_row(struct writer *w, const uint8_t *data)
{
    if (w->params->pixels.bits == 16 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
        for (size_t i = 0; i < w->stride; i += 2) w->row[i] = data[i + 1], w->row[i + 1] = data[i];
    } else {
        memcpy(w->row, data, w->stride);
    }
    png_filter_row(w->row, w->above, w->stride, w->bytes, w->scratch, w->input + w->input_used);
    w->input_used += w->stride + 1;
    uint8_t *const above = w->above;
    w->above = w->row;
    w->row = above;
    return w->input_size - w->input_used <= w->stride ? compress(w, false) : FM_OK;
}

static int put_rows(struct writer *w, still_pull pull, void *user)
{
    int code = FM_OK;
    for (int y = 0; y < w->params->height;) {
        const uint8_t *data = NULL;
        int rows = w->params->height - y;
        code = pull(user, &data, &rows);
        if (code < 0) return code;
        if (rows < 1 || rows > w->params->height - y || !data)
            return core_fail(w->error, FM_ERR_ARGUMENT, "%s: its rows do not add up", w->path);
        code = FM_OK;
        for (int i = 0; code == FM_OK && i < rows; i++) code = put_row(w, data + (size_t) i * w->stride);
        if (code != FM_OK) return code;
        y += rows;
    }
    return compress(w, true);
}

static int put_header(struct writer *w)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    static const uint8_t colour_types[5] = {0, 0, 4, 2, 6};
    uint8_t data[13] = {0};
    put32(data, (uint32_t) w->params->width);
    put32(data + 4, (uint32_t) w->params->height);
    data[8] = (uint8_t) w->params->pixels.bits;
    data[9] = colour_types[w->params->pixels.channels];
    const int code = put(w, signature, sizeof signature);
    return code == FM_OK ? put_chunk(w, "IHDR", data, sizeof data, NULL, 0) : code;
}

/* Profiles are small: compressed in one go, into memory of their own. */
static int put_profile(struct writer *w, const uint8_t *profile, size_t size)
{
    static const char keyword[] = "ICC profile\0"; /* and the method, 0 */
    const size_t room = size + size / 8 + 1024;
    uint8_t *packed = core_alloc(room), *out = packed;
    struct png_deflate *deflate = NULL;
    if (!packed) return core_fail_nomem(w->error, room);
    int code = png_deflate_create(9, &deflate, w->error);
    size_t left = room;
    if (code == FM_OK && png_deflate_step(deflate, &profile, &size, true, &out, &left))
        code = put_chunk(w, "iCCP", keyword, sizeof keyword, packed, room - left);
    png_deflate_destroy(&deflate);
    core_free(packed);
    return code;
}

static int put_exif(struct writer *w, const uint8_t *exif, size_t size)
{
    uint8_t *copy = core_alloc(size);
    if (!copy) return core_fail_nomem(w->error, size);
    memcpy(copy, exif, size);
    exif_set_size(copy, size, w->params->width, w->params->height);
    const int code = put_chunk(w, "eXIf", copy, size, NULL, 0);
    core_free(copy);
    return code;
}

static int put_resolution(struct writer *w, const struct still_meta *meta)
{
    double x, y;
    if (!still_meta_resolution(meta, &x, &y) || x > 1e6 || y > 1e6) return FM_OK;
    uint8_t data[9];
    put32(data, (uint32_t) (x * 1000 + 0.5)); /* pixels a metre */
    put32(data + 4, (uint32_t) (y * 1000 + 0.5));
    data[8] = 1;
    return put_chunk(w, "pHYs", data, sizeof data, NULL, 0);
}

static int put_meta(struct writer *w, const struct still_meta *meta)
{
    static const char xmp_head[22] = "XML:com.adobe.xmp\0\0\0\0";
    size_t size;
    const uint8_t *block = still_meta_chunks(meta, &size);
    int code = block ? put(w, block, size) : FM_OK;
    if (code == FM_OK && (block = still_meta_block(meta, VIPS_META_ICC_NAME, &size))) code = put_profile(w, block, size);
    if (code == FM_OK) code = put_resolution(w, meta);
    if (code == FM_OK && (block = still_meta_block(meta, VIPS_META_EXIF_NAME, &size)) && (block = exif_body(block, &size)))
        code = put_exif(w, block, size);
    if (code == FM_OK && (block = still_meta_block(meta, VIPS_META_XMP_NAME, &size)))
        code = put_chunk(w, "iTXt", xmp_head, sizeof xmp_head, block, size);
    return code;
}

static int make_buffers(struct writer *w)
{
    const size_t padded = PNG_FILTER_PAD + w->stride + PNG_FILTER_PAD;
    w->input_size = w->stride + 1 > INPUT_BYTES ? w->stride + 1 : INPUT_BYTES;
    const size_t memory_size = 4 * padded + w->input_size + 8 + IDAT_BYTES + 4;
    w->memory = core_calloc(1, memory_size);
    if (!w->memory) return core_fail_nomem(w->error, memory_size);
    w->row = w->memory + PNG_FILTER_PAD;
    w->above = w->row + padded;
    w->scratch = w->memory + 2 * padded;
    w->input = w->memory + 4 * padded;
    w->idat = w->input + w->input_size;
    return FM_OK;
}

int png_write(int fd, const char *path, const struct still_meta *meta, const struct still_write_params *params, still_pull pull,
    void *user, struct fm_error *error)
{
    struct writer w = {.path = path, .params = params, .fd = fd, .bytes = (int) pixel_bytes(params->pixels), .error = error};
    w.stride = (size_t) params->width * (size_t) w.bytes;
    int code = png_deflate_create(params->compression, &w.deflate, error);
    if (code == FM_OK) code = make_buffers(&w);
    if (code == FM_OK) code = put_header(&w);
    if (code == FM_OK) code = put_meta(&w, meta);
    if (code == FM_OK) code = put_rows(&w, pull, user);
    if (code == FM_OK) code = put_chunk(&w, "IEND", NULL, 0, NULL, 0);
    core_free(w.memory);
    png_deflate_destroy(&w.deflate);
    return code;
}
