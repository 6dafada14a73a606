/* SPDX-License-Identifier: MIT */
/* A file that appears under its name only when whole: written beside it under a temporary name, flushed, renamed. */
#ifndef FM_MEDIA_STILL_FILE_H
#define FM_MEDIA_STILL_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "framemill/error.h"

struct still_file {
    const char *path; /* the caller's */
    char *temporary;
    int fd; /* open for reading and writing */
    bool overwrite;
};

/* FM_ERR_ARGUMENT: `path` exists and may not be overwritten; FM_ERR_IO: the folder cannot be written to. `path` must outlive the
 * file. */
int still_file_create(struct still_file *file, const char *path, bool overwrite, struct fm_error *error);
/* Gives it its name. On failure it is gone. bytes: its size, may be NULL. */
int still_file_commit(struct still_file *file, uint64_t *bytes, struct fm_error *error);
/* Removes it. Does nothing after a commit. */
void still_file_abandon(struct still_file *file);

#endif
