/* SPDX-License-Identifier: MIT */
/* A text that grows. When memory runs out it stays as it is and remembers. One thread at a time. */
#ifndef FM_BACKEND_WEB_TEXT_H
#define FM_BACKEND_WEB_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
    char *data; /* ends with a 0 once anything was written */
    size_t size, room;
    bool failed;
};

void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_put(struct text *text, const char *data, size_t size);
void text_clear(struct text *text); /* keeps the memory */
void text_free(struct text *text);

#endif
