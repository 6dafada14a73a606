/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "media/still_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"

static int exists(const char *path, struct fm_error *error)
{
    return core_fail(error, FM_ERR_ARGUMENT, "%s: exists and may not be overwritten", path);
}

/* ".NAME.PID-N.tmp" in the same folder; a long name is cut, so that the temporary one is not too long. */
static int open_temporary(struct still_file *file)
{
    static atomic_uint counter;
    enum { NAME_KEPT = 200, ROOM = 64 };
    const char *slash = strrchr(file->path, '/'), *name = slash ? slash + 1 : file->path;
    const int folder = (int) (name - file->path);
    const size_t size = strlen(file->path) + ROOM;
    file->temporary = core_alloc(size);
    if (!file->temporary) return FM_ERR_NOMEM;
    for (int turns = 0; turns < 1000; turns++) {
        snprintf(file->temporary, size, "%.*s.%.*s.%ld-%u.tmp", folder, file->path, NAME_KEPT, name, (long) getpid(),
            atomic_fetch_add(&counter, 1));
        file->fd = open(file->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (file->fd >= 0 || errno != EEXIST) break;
    }
    if (file->fd >= 0) return FM_OK;
    const int reason = errno;
    core_free(file->temporary);
    file->temporary = NULL;
    errno = reason;
    return FM_ERR_IO;
}

int still_file_create(struct still_file *file, const char *path, bool overwrite, struct fm_error *error)
{
    struct stat st;
    *file = (struct still_file){.path = path, .fd = -1, .overwrite = overwrite};
    if (lstat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode)) return core_fail(error, FM_ERR_IO, "%s: is a directory", path);
        if (!overwrite) return exists(path, error);
    }
    const int code = open_temporary(file);
    if (code == FM_ERR_NOMEM) return core_fail_nomem(error, strlen(path));
    return code == FM_OK ? FM_OK : core_fail(error, FM_ERR_IO, "%s: cannot be written: %s", path, strerror(errno));
}

/* rename() that never replaces; by a link where the file system does not know how. */
static int rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -1;
    if (link(from, to) == 0) return unlink(from);
    if (errno == EEXIST) return -1;
    struct stat st;
    if (lstat(to, &st) == 0) {
        errno = EEXIST;
        return -1;
    }
    return rename(from, to);
}

int still_file_commit(struct still_file *file, uint64_t *bytes, struct fm_error *error)
{
    struct stat st;
    int code = FM_OK;
    if (fsync(file->fd) != 0 || fstat(file->fd, &st) != 0)
        code = core_fail(error, FM_ERR_IO, "%s: cannot be written: %s", file->path, strerror(errno));
    if (close(file->fd) != 0 && code == FM_OK)
        code = core_fail(error, FM_ERR_IO, "%s: cannot be written: %s", file->path, strerror(errno));
    file->fd = -1;
    if (code == FM_OK) {
        const int status = file->overwrite ? rename(file->temporary, file->path) : rename_new(file->temporary, file->path);
        if (status != 0 && errno == EEXIST)
            code = exists(file->path, error);
        else if (status != 0)
            code = core_fail(error, FM_ERR_IO, "%s: cannot be written: %s", file->path, strerror(errno));
    }
    if (code != FM_OK) {
        still_file_abandon(file);
        return code;
    }
    if (bytes) *bytes = (uint64_t) st.st_size;
    core_free(file->temporary);
    file->temporary = NULL;
    return FM_OK;
}

void still_file_abandon(struct still_file *file)
{
    if (file->fd >= 0) close(file->fd);
    file->fd = -1;
    if (!file->temporary) return;
    unlink(file->temporary);
    core_free(file->temporary);
    file->temporary = NULL;
}
