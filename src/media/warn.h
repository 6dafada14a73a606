/* SPDX-License-Identifier: MIT */
/* Warnings as a text that grows: a line each, the caller's buffer. What no longer fits is left out, whole lines only. */
#ifndef FM_MEDIA_WARN_H
#define FM_MEDIA_WARN_H

#include <stddef.h>

#include "core/error.h"

struct warn {
    char *text; /* NULL: nobody wants to know */
    size_t size;
};

/* What is in `text` already stays; it must be terminated. */
struct warn warn_to(char *text, size_t size);
/* Control characters become '?'. */
void warn_add(struct warn warn, const char *format, ...) CORE_PRINTF(2, 3);

#endif
