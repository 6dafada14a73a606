/* SPDX-License-Identifier: MIT */
/* What strangers say about their pictures: EXIF blocks, and the containers whose metadata is read without libvips (TIFF, JPEG XL,
 * PNG). What is written from it reads back as the same. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/alloc.h"
#include "media/exif.h"
#include "media/jxl_boxes.h"
#include "media/still_extra.h"
#include "media/tiff_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool held)
{
    if (!held) abort();
}

/* In place: only what is asked for changes, and nothing beside the block. */
static void edit(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + !size);
    double x, y;
    if (!copy) return;
    if (size) memcpy(copy, data, size);
    size_t body_size = size;
    const uint8_t *body = exif_body(copy, &body_size);
    if (body) {
        uint8_t *const at = copy + (body - copy);
        const int orientation = exif_orientation(body, body_size);
        require(orientation >= 0 && orientation <= 8);
        if (exif_resolution(body, body_size, &x, &y)) require(x > 0 && y > 0);
        exif_set_upright(at, body_size, size % 2);
        require(exif_orientation(body, body_size) == (orientation ? 1 : exif_orientation(body, body_size)));
        exif_set_size(at, body_size, 70000, 3);
    }
    free(copy);
}

static void require_same(const struct tiff_tree *a, const struct tiff_tree *b)
{
    for (int d = 0; d < TIFF_DIRECTORIES; d++) {
        require(a->directories[d].count == b->directories[d].count);
        for (int i = 0; i < a->directories[d].count; i++) {
            const struct tiff_entry *x = &a->directories[d].entries[i], *y = &b->directories[d].entries[i];
            require(x->tag == y->tag && x->type == y->type && x->count == y->count && x->bytes == y->bytes);
            require(memcmp(x->value, y->value, x->bytes) == 0);
        }
    }
}

static void rewrite(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create();
    struct tiff_tree tree, again, merged = {0};
    size_t bytes;
    if (!arena) return;
    require(tiff_tree_read(arena, -1, data, size, size % 2, &tree));
    require(tiff_tree_merge(arena, &merged, &tree));
    tiff_tree_tells(&merged);
    if (merged.directories[TIFF_EXIF].count == 0) merged.directories[TIFF_INTEROP].count = 0; /* it has nowhere to hang */
    const uint8_t *directories = tiff_tree_write(arena, &merged, 16, true, &bytes);
    uint8_t *file = arena_alloc(arena, 16 + bytes);
    memcpy(file, "II+\0\x08\0\0\0\x10\0\0\0\0\0\0", 16);
    memcpy(file + 16, directories, bytes);
    require(
        tiff_tree_read(arena, -1, file, 16 + bytes, true, &again) && (again.complete || merged.directories[TIFF_MAIN].count == 0));
    require_same(&merged, &again);
    require(tiff_tree_write(arena, &merged, 8, false, &bytes));
    arena_destroy(&arena);
}

static void read_as(int fd, size_t size, enum sniff_kind kind)
{
    const struct sniff sniff = {.kind = kind, .size = (int64_t) size};
    struct still_extra extra;
    volatile uint8_t sum = 0;
    if (still_extra_read(&sniff, fd, &extra) != FM_OK) return;
    const struct still_block *blocks[] = {&extra.exif, &extra.xmp, &extra.chunks};
    for (int i = 0; i < 3; i++)
        for (size_t k = 0; k < blocks[i]->size; k++) sum = (uint8_t) (sum + blocks[i]->data[k]);
    still_extra_release(&extra);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int64_t live = core_alloc_live();
    edit(data, size);
    rewrite(data, size);
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t) size) abort();
    read_as(fd, size, SNIFF_TIFF);
    read_as(fd, size, SNIFF_JXL);
    read_as(fd, size, SNIFF_PNG);
    static const uint8_t exif[] = "II*\0\x08\0\0\0\0\0\0\0\0", xmp[] = "<x/>";
    struct fm_error error = {0};
    if (jxl_boxes_insert(fd, "fuzz.jxl", exif, 14, xmp, 4, &error) == FM_OK) { /* what was put there is found there */
        struct still_extra extra = {0};
        const int64_t now = lseek(fd, 0, SEEK_END);
        require(now >= (int64_t) size && jxl_boxes_read(fd, now, &extra));
        if (data[0] == 0xff) { /* a codestream: nothing else was there */
            require(extra.exif.size == 14 && memcmp(extra.exif.data, exif, 14) == 0);
            require(extra.xmp.size == 4 && memcmp(extra.xmp.data, xmp, 4) == 0);
        }
        still_extra_release(&extra);
    }
    close(fd);
    require(core_alloc_live() == live);
    return 0;
}
