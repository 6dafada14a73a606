/* SPDX-License-Identifier: MIT */
/* Writing an fm_error where a fault is found. */
#ifndef FM_CORE_ERROR_H
#define FM_CORE_ERROR_H

#include <stdarg.h>
#include <stddef.h>

#include "framemill/error.h"

#if defined(__GNUC__)
#define CORE_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define CORE_PRINTF(f, a)
#endif

/* Fills `error` (which may be NULL) and returns `code`, so that a caller can write `return core_fail(error, FM_ERR_..., "...")`.
 * Control characters in the formatted text become '?': names from untrusted files cannot reach a terminal raw. */
int core_fail(struct fm_error *error, enum fm_err code, const char *format, ...) CORE_PRINTF(3, 4);

/* The out-of-memory answer: fills `error` with the number of bytes that could not be had (0: unknown). */
int core_fail_nomem(struct fm_error *error, size_t bytes);

/* Puts "prefix: " before the message already in `error`; returns the code that is there. */
int core_fail_prefix(struct fm_error *error, const char *format, ...) CORE_PRINTF(2, 3);

#endif
