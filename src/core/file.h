/* SPDX-License-Identifier: MIT */
/* A file seen as read-only memory. The mapping is immutable: any thread may read it. */
#ifndef FM_CORE_FILE_H
#define FM_CORE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "framemill/error.h"

struct core_file {
    const uint8_t *data; /* `size` bytes; a valid pointer even when size is 0 */
    size_t size;
};

/* Maps `path` whole. Directories, devices and unreadable files give FM_ERR_IO with the path and the system's reason. */
int core_file_map(const char *path, struct core_file **out, struct fm_error *error);
void core_file_unmap(struct core_file **file); /* accepts NULL contents, sets NULL */
void core_file_release(void *file);            /* the same as an arena_defer callback */

#endif
