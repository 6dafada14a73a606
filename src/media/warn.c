/* SPDX-License-Identifier: MIT */
#include "media/warn.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct warn warn_to(char *text, size_t size)
{
    return (struct warn){.text = size > 0 ? text : NULL, .size = size};
}

void warn_add(struct warn warn, const char *format, ...)
{
    char line[1024];
    struct fm_error clean;
    va_list args;
    if (!warn.text) return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    core_fail(&clean, FM_OK, "%s", line);
    const size_t used = strlen(warn.text), length = strlen(clean.message);
    if (used + length + 2 > warn.size) return;
    memcpy(warn.text + used, clean.message, length);
    memcpy(warn.text + used + length, "\n", 2);
}
