/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core/file.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"

struct file_private { /* what a core_file really is */
    struct core_file file;
    bool mapped;
};

static const uint8_t file_nothing[1];

#if defined(__unix__) || defined(__APPLE__)

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int file_fill(struct file_private *f, int fd, const char *path, struct fm_error *error)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return core_fail(error, FM_ERR_IO, "%s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode)) return core_fail(error, FM_ERR_IO, "%s: is a directory", path);
    if (!S_ISREG(st.st_mode)) return core_fail(error, FM_ERR_IO, "%s: not a regular file", path);
    if ((uintmax_t) st.st_size > PTRDIFF_MAX) return core_fail(error, FM_ERR_IO, "%s: too large to be mapped", path);
    if (st.st_size == 0) return FM_OK;
    void *data = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) return core_fail(error, FM_ERR_IO, "%s: cannot be mapped: %s", path, strerror(errno));
    f->file.data = data;
    f->file.size = (size_t) st.st_size;
    f->mapped = true;
    return FM_OK;
}

static int file_load(struct file_private *f, const char *path, struct fm_error *error)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not to wait for the writer of a FIFO */
    if (fd < 0) return core_fail(error, FM_ERR_IO, "%s: %s", path, strerror(errno));
    const int err = file_fill(f, fd, path, error);
    close(fd);
    return err;
}

static void file_unload(struct file_private *f)
{
    if (f->mapped) munmap((void *) (uintptr_t) f->file.data, f->file.size);
}

#else

#include <stdio.h>

static int file_fill(struct file_private *f, FILE *stream, const char *path, struct fm_error *error)
{
    if (fseek(stream, 0, SEEK_END) != 0) return core_fail(error, FM_ERR_IO, "%s: %s", path, strerror(errno));
    const long size = ftell(stream);
    if (size < 0 || fseek(stream, 0, SEEK_SET) != 0) return core_fail(error, FM_ERR_IO, "%s: %s", path, strerror(errno));
    if (size == 0) return FM_OK;
    uint8_t *data = core_alloc((size_t) size);
    if (!data) return core_fail_nomem(error, (size_t) size);
    if (fread(data, 1, (size_t) size, stream) != (size_t) size) {
        core_free(data);
        return core_fail(error, FM_ERR_IO, "%s: cannot be read whole", path);
    }
    f->file.data = data;
    f->file.size = (size_t) size;
    f->mapped = true;
    return FM_OK;
}

static int file_load(struct file_private *f, const char *path, struct fm_error *error)
{
    FILE *stream = fopen(path, "rb");
    if (!stream) return core_fail(error, FM_ERR_IO, "%s: %s", path, strerror(errno));
    const int err = file_fill(f, stream, path, error);
    fclose(stream);
    return err;
}

static void file_unload(struct file_private *f)
{
    if (f->mapped) core_free((void *) (uintptr_t) f->file.data);
}

#endif

int core_file_map(const char *path, struct core_file **out, struct fm_error *error)
{
    *out = NULL;
    struct file_private *f = core_calloc(1, sizeof *f);
    if (!f) return core_fail_nomem(error, sizeof *f);
    f->file.data = file_nothing;
    const int err = file_load(f, path, error);
    if (err) {
        core_free(f);
        return err;
    }
    *out = &f->file;
    return FM_OK;
}

void core_file_unmap(struct core_file **file)
{
    struct file_private *f = (struct file_private *) (void *) *file;
    *file = NULL;
    if (!f) return;
    file_unload(f);
    core_free(f);
}

void core_file_release(void *file)
{
    struct core_file *f = file;
    core_file_unmap(&f);
}
