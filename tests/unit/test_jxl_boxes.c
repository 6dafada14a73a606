/* SPDX-License-Identifier: MIT */
/* Boxes of JPEG XL, plain and compressed, read and written without libvips. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "core/alloc.h"
#include "media/brotli.h"
#include "media/jxl_boxes.h"

static int file_of(const void *data, size_t size)
{
    const int fd = memfd_create("boxes", MFD_CLOEXEC);
    if (fd >= 0 && pwrite(fd, data, size, 0) != (ssize_t) size) abort();
    return fd;
}

static size_t slurp(int fd, uint8_t *to, size_t room)
{
    const ssize_t got = pread(fd, to, room, 0);
    return got > 0 ? (size_t) got : 0;
}

static const uint8_t stream[] = "\xff\x0a the picture itself";
enum { STREAM = sizeof stream - 1 };
static const uint8_t block[16] = "II*\0\x08\0\0\0\0\0\0\0\0\0\0";
static const uint8_t xmp[] = "<x:xmpmeta/>";
enum { XMP = sizeof xmp - 1 };
static const char front[] = "\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14"
                            "ftypjxl \0\0\0\0jxl ";

static void bare_stream_is_wrapped(void)
{
    static const char boxes[] = "\0\0\0\x1c"
                                "Exif\0\0\0\0"
                                "II*\0\x08\0\0\0\0\0\0\0\0\0\0\0"
                                "\0\0\0\x14"
                                "xml <x:xmpmeta/>"
                                "\0\0\0\0jxlc";
    const int fd = file_of(stream, STREAM);
    struct fm_error error = {0};
    uint8_t got[512];
    for (int turn = 0; turn < 2; turn++) { /* the second time all is there already */
        CHECK_INT(jxl_boxes_insert(fd, "x.jxl", block, sizeof block, xmp, XMP, &error), FM_OK);
        if (!CHECK_INT(slurp(fd, got, sizeof got), 32 + sizeof boxes - 1 + STREAM)) continue;
        CHECK_MEM(got, front, 32);
        CHECK_MEM(got + 32, boxes, sizeof boxes - 1);
        CHECK_MEM(got + 32 + sizeof boxes - 1, stream, STREAM);
    }
    struct still_extra extra = {0};
    CHECK(jxl_boxes_read(fd, 32 + (int64_t) sizeof boxes - 1 + STREAM, &extra));
    CHECK(!extra.sealed);
    if (CHECK_INT(extra.exif.size, sizeof block)) CHECK_MEM(extra.exif.data, block, sizeof block);
    if (CHECK_INT(extra.xmp.size, XMP)) CHECK_MEM(extra.xmp.data, xmp, XMP);
    still_extra_release(&extra);
    close(fd);
}

/* A container of another writer: a level box before the picture, something behind it, a size in 64 bits. */
static void container_is_extended(void)
{
    static const char level[] = "\0\0\0\x09jxll\x0a",
                      picture[] = "\0\0\0\1jxlc\0\0\0\0\0\0\0\x16\xff\x0a"
                                  "abcd",
                      behind[] = "\0\0\0\x0c"
                                 "padsxxxx";
    static const char exif_box[] = "\0\0\0\x1c"
                                   "Exif\0\0\0\0"
                                   "II*\0\x08\0\0\0\0\0\0\0\0\0\0\0";
    uint8_t whole[256], want[256], got[256];
    size_t size = 0, at = 0;
#define ADD(to, n, text) memcpy(to + n, text, sizeof text - 1), n += sizeof text - 1
    ADD(whole, size, front), ADD(whole, size, level), ADD(whole, size, picture), ADD(whole, size, behind);
    ADD(want, at, front), ADD(want, at, level), ADD(want, at, exif_box), ADD(want, at, picture), ADD(want, at, behind);
#undef ADD
    const int fd = file_of(whole, size);
    struct fm_error error = {0};
    CHECK_INT(jxl_boxes_insert(fd, "x.jxl", block, sizeof block, NULL, 0, &error), FM_OK);
    if (CHECK_INT(slurp(fd, got, sizeof got), at)) CHECK_MEM(got, want, at);
    close(fd);

    const int other = file_of("\x89PNG\r\n\x1a\n no", 11); /* and what is no JPEG XL stays as it is */
    CHECK_INT(jxl_boxes_insert(other, "x.jxl", block, sizeof block, xmp, XMP, &error), FM_ERR_FORMAT);
    CHECK_HAS(error.message, "x.jxl");
    CHECK_INT(slurp(other, got, sizeof got), 11);
    close(other);
}

static void boxes_that_lie(void)
{
    static const struct {
        const char *bytes;
        size_t size;
    } lies[] = {
        {"\0\0\0\7Exif", 8}, /* shorter than its head */
        {"\0\0\0\x80"
         "Exif\0\0\0\0abcd",
            16}, /* longer than the file */
        {"\0\0\0\x10"
         "Exif\0\0\0\x05"
         "abcd",
            16}, /* begins behind its end */
        {"\0\0\0\x10"
         "Exif\xff\xff\xff\xff"
         "abcd",
            16},
        {"\0\0\0\x0c"
         "Exif\0\0\0\0",
            12}, /* empty */
        {"\0\0\0\x0a"
         "Exif\0\0",
            10}, /* not even that */
        {"\0\0\0\1xml \xff\xff\xff\xff\xff\xff\xff\xff", 16},
        {"\0\0\0\1xml \x7f\xff\xff\xff\xff\xff\xff\xff", 16},
        {"\0\0\0\1xml \0\0", 10},
        {"\0\0\0\x08xml ", 8},
        {"\0\0\0\x0c"
         "brobxml ",
            12},
        {"\0\0\0\x0e"
         "brobjxlcab",
            14},
        {"\0\0\0\0jxlc", 8},
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        uint8_t whole[64];
        memcpy(whole, front, 32);
        memcpy(whole + 32, lies[i].bytes, lies[i].size);
        const int fd = file_of(whole, 32 + lies[i].size);
        struct still_extra extra = {0};
        CHECK(jxl_boxes_read(fd, 32 + (int64_t) lies[i].size, &extra));
        CHECK_MSG(!extra.exif.data && !extra.xmp.data && !extra.sealed, "case %zu", i);
        still_extra_release(&extra);
        close(fd);
    }
}

/* A Brotli stream of bytes as they are: a window of 64 KiB, one block, an empty last one. */
static size_t stored(const uint8_t *data, size_t size, uint8_t *out)
{
    const uint32_t head = (uint32_t) (size - 1) << 4 | 1u << 20; /* window 0, last 0, nibbles 00, length, uncompressed */
    for (int i = 0; i < 3; i++) out[i] = (uint8_t) (head >> (8 * i));
    memcpy(out + 3, data, size);
    out[3 + size] = 3;
    return size + 4;
}

static void compressed_boxes(void)
{
    uint8_t packed[5000], text[4000], whole[512], *out = NULL;
    size_t size = 0;
    for (size_t i = 0; i < sizeof text; i++) text[i] = (uint8_t) (i * 7);
    const size_t packed_size = stored(text, sizeof text, packed);
    const int code = brotli_unpack(packed, packed_size, 1 << 20, &out, &size);
    if (code == FM_ERR_UNSUPPORTED) SKIP("libbrotlidec is not installed");
    CHECK_INT(code, FM_OK);
    if (CHECK_INT(size, sizeof text)) CHECK_MEM(out, text, size);
    core_free(out);
    CHECK_INT(brotli_unpack(packed, packed_size, sizeof text, &out, &size), FM_OK);
    core_free(out);
    CHECK_INT(brotli_unpack(packed, packed_size, sizeof text - 1, &out, &size), FM_ERR_FORMAT); /* more than is wanted */
    CHECK(!out);
    for (size_t cut = 0; cut < packed_size; cut += cut < 8 ? 1 : 997)
        CHECK_INT(brotli_unpack(packed, cut, 1 << 20, &out, &size), FM_ERR_FORMAT);
    CHECK_INT(brotli_unpack((const uint8_t *) "\x06", 1, 100, &out, &size), FM_ERR_FORMAT); /* nothing in it */

    uint8_t body[64] = {0};
    memcpy(body + 4, block, sizeof block);
    memcpy(whole, front, 32);
    memcpy(whole + 40, "Exif", 4);
    size_t end = 44 + stored(body, 4 + sizeof block, whole + 44);
    memcpy(whole + 32, "\0\0\0\0brob", 8);
    whole[35] = (uint8_t) (end - 32);
    const size_t second = end;
    memcpy(whole + second, "\0\0\0\0brobxml ", 12);
    end = second + 12 + stored(xmp, XMP, whole + second + 12);
    whole[second + 3] = (uint8_t) (end - second);
    const int fd = file_of(whole, end);
    const int64_t live = core_alloc_live();
    struct still_extra extra = {0};
    int turns = 0;
    for (bool good = false; !good && turns < 100; turns++) { /* every allocation fails once */
        core_alloc_fail_after((uint64_t) turns + 1, false);
        good = jxl_boxes_read(fd, (int64_t) end, &extra);
        core_alloc_fail_after(0, false);
        if (!good) still_extra_release(&extra);
        if (!good) CHECK_INT(core_alloc_live(), live);
    }
    CHECK_MSG(turns > 5 && turns < 100, "%d turns", turns);
    CHECK(!extra.sealed);
    if (CHECK_INT(extra.exif.size, sizeof block)) CHECK_MEM(extra.exif.data, block, sizeof block);
    if (CHECK_INT(extra.xmp.size, XMP)) CHECK_MEM(extra.xmp.data, xmp, XMP);
    still_extra_release(&extra);

    struct fm_error error = {0}; /* compressed ones count as there */
    CHECK(pwrite(fd,
              "\0\0\0\x0bjxlc\xff\x0a"
              "a",
              11, (off_t) end) == 11);
    CHECK_INT(jxl_boxes_insert(fd, "x.jxl", block, sizeof block, xmp, XMP, &error), FM_OK);
    CHECK_INT(lseek(fd, 0, SEEK_END), end + 11);

    whole[44] ^= 0xff; /* damaged: it is said that something was there */
    CHECK(pwrite(fd, whole, end, 0) == (ssize_t) end);
    CHECK(jxl_boxes_read(fd, (int64_t) end, &extra));
    CHECK(extra.sealed && !extra.exif.data && extra.xmp.data);
    still_extra_release(&extra);
    close(fd);
}

static void memory_is_out(void)
{
    const int64_t live = core_alloc_live();
    const int fd = file_of(stream, STREAM);
    struct fm_error error = {0};
    uint8_t got[64];
    core_alloc_fail_after(1, false);
    CHECK_INT(jxl_boxes_insert(fd, "x.jxl", block, sizeof block, xmp, XMP, &error), FM_ERR_NOMEM);
    core_alloc_fail_after(0, false);
    if (CHECK_INT(slurp(fd, got, sizeof got), STREAM)) CHECK_MEM(got, stream, STREAM);
    CHECK_INT(core_alloc_live(), live);
    close(fd);
}

int main(void)
{
    RUN(bare_stream_is_wrapped);
    RUN(container_is_extended);
    RUN(boxes_that_lie);
    RUN(compressed_boxes);
    RUN(memory_is_out);
    return check_report();
}
