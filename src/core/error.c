/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* strnlen */
#include "core/error.h"

#include <stdio.h>
#include <string.h>

const char *fm_err_name(int code)
{
    switch (code) {
    case FM_OK: return "no error";
    case FM_ERR_NOMEM: return "out of memory";
    case FM_ERR_ARGUMENT: return "wrong argument";
    case FM_ERR_IO: return "cannot read or write";
    case FM_ERR_FORMAT: return "damaged file";
    case FM_ERR_UNSUPPORTED: return "not supported";
    case FM_ERR_SHAPE: return "sizes do not fit";
    case FM_ERR_CANCELLED: return "cancelled";
    case FM_ERR_DEVICE: return "device failed";
    case FM_ERR_AGAIN: return "not ready yet";
    case FM_ERR_EOS: return "end of stream";
    default: return "unknown error";
    }
}

/* ASCII controls, and the C1 controls (U+0080..U+009F, in UTF-8 two bytes) which some terminals obey. A character cut in
 * two by the end of the buffer is dropped. */
static void error_clean(char *text)
{
    unsigned char *s = (unsigned char *) text;
    for (; *s; s++) {
        if (*s < 0x20 || *s == 0x7f) *s = '?';
        if (*s == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0) s[0] = s[1] = '?';
    }
    const unsigned char *begin = (const unsigned char *) text;
    if (s - begin + 1 < FM_ERROR_MESSAGE_MAX) return;
    unsigned char *lead = s;
    while (lead > begin && s - lead < 4 && (lead[-1] & 0xc0) == 0x80) lead--;
    if (lead == begin || lead[-1] < 0xc0) return;
    lead--;
    const int length = *lead >= 0xf0 ? 4 : *lead >= 0xe0 ? 3 : 2;
    if (s - lead < length) *lead = 0;
}

static int error_write(struct fm_error *error, enum fm_err code, const char *format, va_list args)
{
    if (!error) return code;
    error->code = code;
    vsnprintf(error->message, sizeof error->message, format, args);
    error_clean(error->message);
    return code;
}

int core_fail(struct fm_error *error, enum fm_err code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_write(error, code, format, args);
    va_end(args);
    return code;
}

int core_fail_nomem(struct fm_error *error, size_t bytes)
{
    if (bytes) return core_fail(error, FM_ERR_NOMEM, "out of memory (%zu bytes wanted)", bytes);
    return core_fail(error, FM_ERR_NOMEM, "out of memory");
}

int core_fail_prefix(struct fm_error *error, const char *format, ...)
{
    if (!error) return FM_OK;
    struct fm_error prefixed;
    va_list args;
    va_start(args, format);
    error_write(&prefixed, error->code, format, args);
    va_end(args);
    const char *parts[] = {": ", error->message};
    size_t used = strlen(prefixed.message);
    for (int i = 0; i < 2; i++) {
        const size_t room = sizeof prefixed.message - 1 - used, length = strnlen(parts[i], room);
        memcpy(prefixed.message + used, parts[i], length);
        used += length;
    }
    prefixed.message[used] = 0;
    error_clean(prefixed.message);
    *error = prefixed;
    return error->code;
}
