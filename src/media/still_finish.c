/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "media/still_finish.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "media/exif.h"
#include "media/jxl_boxes.h"
#include "media/tiff_tree.h"

static int put_at(int fd, const char *path, uint64_t at, const uint8_t *data, size_t size, struct fm_error *error)
{
    while (size > 0) {
        const ssize_t done = pwrite(fd, data, size, (off_t) at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return core_fail(error, FM_ERR_IO, "%s: cannot be written: %s", path, strerror(done < 0 ? errno : ENOSPC));
        data += done;
        at += (uint64_t) done;
        size -= (size_t) done;
    }
    return FM_OK;
}

static int file_size(int fd, const char *path, uint64_t *size, struct fm_error *error)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return core_fail(error, FM_ERR_IO, "%s: cannot be written: %s", path, strerror(errno));
    *size = (uint64_t) st.st_size;
    return FM_OK;
}

/* A copy of the EXIF with the picture's new size; *body NULL when there is none. */
static int copy_exif(const struct still_meta *meta, int width, int height, uint8_t **body, size_t *size, struct fm_error *error)
{
    const uint8_t *block = still_meta_block(meta, VIPS_META_EXIF_NAME, size), *from = block ? exif_body(block, size) : NULL;
    *body = NULL;
    if (!from) return FM_OK;
    *body = core_alloc(*size);
    if (!*body) return core_fail_nomem(error, *size);
    memcpy(*body, from, *size);
    exif_set_size(*body, *size, width, height);
    return FM_OK;
}

/* A directory can only grow at the file's end: the new one is written there, and the head points to it. */
static int append_directory(
    int fd, const char *path, struct arena *arena, const uint8_t *exif, size_t exif_size, struct fm_error *error)
{
    struct tiff_tree file, told;
    uint64_t size = 0;
    uint8_t head[16], at[8];
    int code = file_size(fd, path, &size, error);
    if (code != FM_OK) return code;
    if (!tiff_tree_read(arena, fd, NULL, size, true, &file) || !tiff_tree_read(arena, -1, exif, exif_size, false, &told))
        return core_fail_nomem(error, 0);
    if (!file.complete || !tiff_tree_tells(&told) || pread(fd, head, sizeof head, 0) != (ssize_t) sizeof head || head[0] != 'I')
        return FM_OK;
    const bool wide = head[2] == 43;
    const uint64_t base = size + (size & 1);
    size_t bytes;
    if (!tiff_tree_merge(arena, &file, &told)) return core_fail_nomem(error, 0);
    const uint8_t *directories = tiff_tree_write(arena, &file, base, wide, &bytes);
    if (!directories) return core_fail_nomem(error, 0);
    if (!wide && base + bytes > UINT32_MAX) return FM_OK; /* no room for it in this kind */
    for (int i = 0; i < 8; i++) at[i] = (uint8_t) (base >> (8 * i));
    code = put_at(fd, path, base, directories, bytes, error);
    return code == FM_OK ? put_at(fd, path, wide ? 8 : 4, at, wide ? 8 : 4, error) : code;
}

int still_finish_tiff(int fd, const char *path, const struct still_meta *meta, int width, int height, struct fm_error *error)
{
    uint8_t *exif;
    size_t size;
    int code = copy_exif(meta, width, height, &exif, &size, error);
    if (code != FM_OK || !exif) return code;
    struct arena *arena = arena_create();
    code = arena ? append_directory(fd, path, arena, exif, size, error) : core_fail_nomem(error, 0);
    arena_destroy(&arena);
    core_free(exif);
    return code;
}

int still_finish_jxl(int fd, const char *path, const struct still_meta *meta, int width, int height, struct fm_error *error)
{
    uint8_t *exif;
    size_t exif_size = 0, xmp_size = 0;
    const uint8_t *xmp = still_meta_block(meta, VIPS_META_XMP_NAME, &xmp_size);
    int code = copy_exif(meta, width, height, &exif, &exif_size, error);
    if (code == FM_OK && (exif || xmp)) code = jxl_boxes_insert(fd, path, exif, exif_size, xmp, xmp_size, error);
    core_free(exif);
    return code;
}
