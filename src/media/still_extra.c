/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "media/still_extra.h"

#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "media/jxl_boxes.h"
#include "media/tiff_tree.h"

enum { MOST_BYTES = 32 << 20 }; /* of metadata: more is nonsense, and memory is not for that */

bool still_extra_take(struct still_block *block, int fd, int64_t at, size_t size)
{
    if (block->data || size == 0 || size > MOST_BYTES) return true;
    uint8_t *data = core_alloc(size);
    if (!data) return false;
    if (pread(fd, data, size, at) == (ssize_t) size)
        *block = (struct still_block){data, size};
    else
        core_free(data);
    return true;
}

int still_extra_read(const struct sniff *sniff, int fd, struct still_extra *out)
{
    *out = (struct still_extra){0};
    bool good = true;
    if (sniff->kind == SNIFF_PNG) good = still_extra_png(fd, sniff->size, out);
    if (sniff->kind == SNIFF_TIFF) good = still_extra_tiff(fd, sniff->size, out);
    if (sniff->kind == SNIFF_JXL) good = jxl_boxes_read(fd, sniff->size, out);
    if (good) return FM_OK;
    still_extra_release(out);
    return FM_ERR_NOMEM;
}

void still_extra_release(struct still_extra *extra)
{
    core_free(extra->exif.data);
    core_free(extra->xmp.data);
    core_free(extra->chunks.data);
    *extra = (struct still_extra){0};
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static bool is_one_of(const uint8_t *type, const char *types)
{
    for (; *types; types += 4)
        if (memcmp(type, types, 4) == 0) return true;
    return false;
}

/* Memory doubles as the block grows: there may be a million of chunks. */
static bool append(struct still_block *block, int fd, int64_t at, size_t size)
{
    size_t room = 4096, wanted = 4096;
    if (size > MOST_BYTES - block->size) return true;
    while (room < block->size) room *= 2;
    while (wanted < block->size + size) wanted *= 2;
    if (wanted > room || !block->data) {
        uint8_t *data = core_alloc(wanted);
        if (!data) return false;
        if (block->size) memcpy(data, block->data, block->size);
        core_free(block->data);
        block->data = data;
    }
    if (pread(fd, block->data + block->size, size, at) == (ssize_t) size) block->size += size;
    return true;
}

/* An iTXt chunk that holds XMP as it is: keyword, not compressed, no language, no translation. */
static bool is_xmp(int fd, int64_t at, size_t size)
{
    static const char head[22] = "XML:com.adobe.xmp\0\0\0\0";
    char got[22];
    return size > sizeof got && pread(fd, got, sizeof got, at) == (ssize_t) sizeof got && memcmp(got, head, sizeof head) == 0;
}

/* Chunks may come before the pixels or behind them: all are looked at. What is kept says how samples are meant (gAMA and its
 * like) or is text; all else is either made anew or true of the old pixels only. */
bool still_extra_png(int fd, int64_t size, struct still_extra *out)
{
    uint8_t head[8];
    int64_t at = 8;
    out->no_resolution = true;
    while (at + 12 <= size && pread(fd, head, sizeof head, at) == (ssize_t) sizeof head) {
        const uint32_t length = be32(head);
        const uint8_t *type = head + 4;
        if (length > (uint64_t) (size - at - 12) || memcmp(type, "IEND", 4) == 0) return true;
        bool good = true;
        if (memcmp(type, "pHYs", 4) == 0) out->no_resolution = false;
        if (memcmp(type, "eXIf", 4) == 0)
            good = still_extra_take(&out->exif, fd, at + 8, length);
        else if (memcmp(type, "iTXt", 4) == 0 && is_xmp(fd, at + 8, length))
            good = still_extra_take(&out->xmp, fd, at + 8 + 22, length - 22);
        else if (is_one_of(type, "gAMAcHRMsRGBcICPtEXtzTXtiTXt"))
            good = append(&out->chunks, fd, at, 12 + (size_t) length);
        if (!good) return false;
        at += 12 + (int64_t) length;
    }
    return true;
}

/* The directory of the picture, without what is said about its storage, as a block of EXIF. */
bool still_extra_tiff(int fd, int64_t size, struct still_extra *out)
{
    struct tiff_tree tree;
    struct arena *arena = arena_create();
    size_t bytes = 0;
    uint8_t *written = NULL;
    bool good = arena && tiff_tree_read(arena, fd, NULL, (uint64_t) size, false, &tree);
    if (good && tiff_tree_tells(&tree)) {
        written = tiff_tree_write(arena, &tree, 8, false, &bytes);
        uint8_t *block = written ? core_alloc(8 + bytes) : NULL;
        good = block;
        if (block) {
            memcpy(block, "II*\0\x08\0\0\0", 8);
            memcpy(block + 8, written, bytes);
            out->exif = (struct still_block){block, 8 + bytes};
        }
    }
    arena_destroy(&arena);
    return good;
}
