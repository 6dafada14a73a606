/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "media/jxl_boxes.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "media/brotli.h"

enum {
    MOST_BOXES = 4096,
    MOST_BYTES = 16 << 20, /* of a block of metadata */
    START_BYTES = 32,
};

/* The signature and the box of the brand. */
static const uint8_t start[START_BYTES + 1] = "\0\0\0\x0cJXL \r\n\x87\n"
                                              "\0\0\0\x14"
                                              "ftypjxl \0\0\0\0jxl ";

struct box {
    int64_t at, data, end; /* where it, what it holds and the next box begin */
    uint8_t type[4];
};

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static void put32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++) to[i] = (uint8_t) (value >> (24 - 8 * i));
}

static bool is(const struct box *box, const char *type)
{
    return memcmp(box->type, type, 4) == 0;
}

/* The box that begins at `at`; false when there is none. A size of 0 means to the end of the file, 1 that it is told in 64 bits. */
static bool read_box(int fd, int64_t size, int64_t at, struct box *out)
{
    uint8_t head[16] = {0};
    if (at > size - 8 || pread(fd, head, size - at < 16 ? (size_t) (size - at) : 16, at) < 8) return false;
    uint64_t length = be32(head);
    int64_t skip = 8;
    if (length == 1) {
        length = (uint64_t) be32(head + 8) << 32 | be32(head + 12);
        skip = 16;
    } else if (length == 0) {
        length = (uint64_t) (size - at);
    }
    if (length < (uint64_t) skip || length > (uint64_t) (size - at)) return false;
    *out = (struct box){.at = at, .data = at + skip, .end = at + (int64_t) length};
    memcpy(out->type, head + 4, 4);
    return true;
}

/* The content of a box into the block it is for. The first four bytes of EXIF say how far behind them the TIFF structure begins.
 * False only when memory is out. */
static bool take(struct still_extra *out, const uint8_t *type, const uint8_t *data, size_t size)
{
    struct still_block *block = memcmp(type, "Exif", 4) == 0 ? &out->exif : memcmp(type, "xml ", 4) == 0 ? &out->xmp : NULL;
    if (block == &out->exif) {
        if (size < 4 || be32(data) > size - 4) return true;
        const size_t skip = 4 + (size_t) be32(data);
        data += skip;
        size -= skip;
    }
    if (!block || block->data || size == 0) return true;
    uint8_t *copy = core_alloc(size);
    if (!copy) return false;
    memcpy(copy, data, size);
    *block = (struct still_block){copy, size};
    return true;
}

/* A compressed box: the type that it stands for, then a stream of Brotli. */
static bool take_compressed(struct still_extra *out, const uint8_t *data, size_t size)
{
    if (size < 5 || (memcmp(data, "Exif", 4) != 0 && memcmp(data, "xml ", 4) != 0)) return true;
    uint8_t *unpacked;
    size_t unpacked_size;
    const int code = brotli_unpack(data + 4, size - 4, MOST_BYTES, &unpacked, &unpacked_size);
    if (code != FM_OK) {
        out->sealed = true;
        return code != FM_ERR_NOMEM;
    }
    const bool good = take(out, data, unpacked, unpacked_size);
    core_free(unpacked);
    return good;
}

static bool read_content(int fd, const struct box *box, struct still_extra *out)
{
    const size_t size = (size_t) (box->end - box->data);
    if (size == 0 || size > MOST_BYTES) return true;
    uint8_t *data = core_alloc(size);
    if (!data) return false;
    bool good = true;
    if (pread(fd, data, size, box->data) == (ssize_t) size)
        good = is(box, "brob") ? take_compressed(out, data, size) : take(out, box->type, data, size);
    core_free(data);
    return good;
}

bool jxl_boxes_read(int fd, int64_t size, struct still_extra *out)
{
    uint8_t head[12];
    if (pread(fd, head, sizeof head, 0) != (ssize_t) sizeof head || memcmp(head, start, sizeof head) != 0) return true;
    struct box box = {0};
    for (int i = 0; i < MOST_BOXES && read_box(fd, size, box.end, &box); i++) {
        const bool wanted = (is(&box, "Exif") && !out->exif.data) || (is(&box, "xml ") && !out->xmp.data) ||
                            (is(&box, "brob") && !(out->exif.data && out->xmp.data));
        if (wanted && !read_content(fd, &box, out)) return false;
    }
    return true;
}

static int io_failed(const char *path, const char *what, int reason, struct fm_error *error)
{
    return core_fail(error, FM_ERR_IO, "%s: cannot be %s: %s", path, what, strerror(reason));
}

static int read_all(int fd, const char *path, uint8_t *to, size_t size, struct fm_error *error)
{
    for (size_t at = 0; at < size;) {
        const ssize_t got = pread(fd, to + at, size - at, (off_t) at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return io_failed(path, "read back", got < 0 ? errno : EIO, error);
        at += (size_t) got;
    }
    return FM_OK;
}

static int write_all(int fd, const char *path, const uint8_t *from, size_t size, struct fm_error *error)
{
    for (size_t at = 0; at < size;) {
        const ssize_t done = pwrite(fd, from + at, size - at, (off_t) at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return io_failed(path, "written", done < 0 ? errno : ENOSPC, error);
        at += (size_t) done;
    }
    return FM_OK;
}

static uint8_t *put_box(uint8_t *to, const char *type, size_t gap, const uint8_t *data, size_t size)
{
    put32(to, (uint32_t) (8 + gap + size));
    memcpy(to + 4, type, 4);
    memset(to + 8, 0, gap);
    memcpy(to + 8 + gap, data, size);
    return to + 8 + gap + size;
}

/* Where the boxes go in: before the first one that holds the picture. 0: the file is a bare codestream; -1: it is something else.
 * *has_exif, *has_xmp: what the container has already. */
static int64_t find_place(int fd, int64_t size, bool *has_exif, bool *has_xmp)
{
    uint8_t head[12] = {0};
    *has_exif = *has_xmp = false;
    if (pread(fd, head, sizeof head, 0) < 2) return -1;
    if (head[0] == 0xff && head[1] == 0x0a) return 0;
    if (memcmp(head, start, sizeof head) != 0) return -1;
    int64_t place = -1;
    struct box box = {0};
    for (int i = 0; i < MOST_BOXES && read_box(fd, size, box.end, &box); i++) {
        uint8_t inner[4] = {0};
        if (is(&box, "brob") && pread(fd, inner, 4, box.data) != 4) return -1;
        if (place < 0 && (is(&box, "jxlc") || is(&box, "jxlp"))) place = box.at;
        if (is(&box, "Exif") || memcmp(inner, "Exif", 4) == 0) *has_exif = true;
        if (is(&box, "xml ") || memcmp(inner, "xml ", 4) == 0) *has_xmp = true;
    }
    return place;
}

int jxl_boxes_insert(
    int fd, const char *path, const uint8_t *exif, size_t exif_size, const uint8_t *xmp, size_t xmp_size, struct fm_error *error)
{
    const int64_t size = lseek(fd, 0, SEEK_END);
    bool has_exif, has_xmp;
    if (size < 0) return io_failed(path, "read back", errno, error);
    const int64_t place = find_place(fd, size, &has_exif, &has_xmp);
    if (place < 0) return core_fail(error, FM_ERR_FORMAT, "%s: is no JPEG XL", path);
    const bool put_exif = exif && !has_exif && exif_size <= MOST_BYTES, put_xmp = xmp && !has_xmp && xmp_size <= MOST_BYTES;
    if (!put_exif && !put_xmp) return FM_OK;
    const size_t room = START_BYTES + (put_exif ? 12 + exif_size : 0) + (put_xmp ? 8 + xmp_size : 0) + 8 + (size_t) size;
    uint8_t *all = core_alloc(room), *to;
    if (!all) return core_fail_nomem(error, room);

    /* what lies before the place, the new boxes, what lies behind it: read to the buffer's end and moved to where it belongs */
    uint8_t *const old = all + room - size;
    int code = read_all(fd, path, old, (size_t) size, error);
    if (place == 0)
        memcpy(all, start, START_BYTES);
    else if (code == FM_OK)
        memmove(all, old, (size_t) place);
    to = all + (place == 0 ? START_BYTES : place);
    if (put_exif) to = put_box(to, "Exif", 4, exif, exif_size);
    if (put_xmp) to = put_box(to, "xml ", 0, xmp, xmp_size);
    if (place == 0) { /* the picture, to the end of the file */
        put32(to, 0);
        memcpy(to + 4, "jxlc", 4);
        to += 8;
    }
    const size_t behind = (size_t) (size - place);
    if (code == FM_OK) {
        memmove(to, old + place, behind);
        code = write_all(fd, path, all, (size_t) (to - all) + behind, error);
    }
    core_free(all);
    return code;
}
