/* SPDX-License-Identifier: MIT */
#include "backend/web/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"

static bool text_reserve(struct text *text, size_t more)
{
    if (text->failed || more >= SIZE_MAX / 4 || text->size >= SIZE_MAX / 4) return false;
    const size_t wanted = text->size + more + 1;
    if (wanted <= text->room) return true;
    const size_t room = wanted < 4096 ? 4096 : wanted * 2;
    char *data = core_alloc(room);
    if (!data) {
        text->failed = true;
        return false;
    }
    if (text->size) memcpy(data, text->data, text->size);
    core_free(text->data);
    text->data = data;
    text->room = room;
    return true;
}

void text_put(struct text *text, const char *data, size_t size)
{
    if (!text_reserve(text, size)) return;
    memcpy(text->data + text->size, data, size);
    text->size += size;
    text->data[text->size] = 0;
}

void text_add(struct text *text, const char *format, ...)
{
    char small[512];
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (length < 0) {
        text->failed = true;
    } else if ((size_t) length < sizeof small) {
        text_put(text, small, (size_t) length);
    } else if (text_reserve(text, (size_t) length)) {
        va_start(args, format);
        vsnprintf(text->data + text->size, (size_t) length + 1, format, args);
        va_end(args);
        text->size += (size_t) length;
    }
}

void text_clear(struct text *text)
{
    text->size = 0;
    if (text->data) text->data[0] = 0;
}

void text_free(struct text *text)
{
    core_free(text->data);
    *text = (struct text){.data = NULL};
}
