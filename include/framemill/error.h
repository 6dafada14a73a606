/* SPDX-License-Identifier: MIT */
/* Errors: every call that can fail returns 0 or one of these negative codes.
 *
 * Calls that read files or set something up also fill an fm_error, written where the fault is found: the message names the
 * file, the place and the reason. The library never prints, exits or aborts. */
#ifndef FRAMEMILL_ERROR_H
#define FRAMEMILL_ERROR_H

#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The numbers are part of the ABI: they never change, new ones are added below. */
enum fm_err {
    FM_OK = 0,
    FM_ERR_NOMEM = -1,       /* an allocation failed */
    FM_ERR_ARGUMENT = -2,    /* the caller passed something impossible */
    FM_ERR_IO = -3,          /* the system could not read or write */
    FM_ERR_FORMAT = -4,      /* a file is damaged or not what it claims to be */
    FM_ERR_UNSUPPORTED = -5, /* well formed, but beyond what this build or backend does */
    FM_ERR_SHAPE = -6,       /* sizes do not fit each other */
    FM_ERR_CANCELLED = -7,   /* fm_session_cancel was called */
    FM_ERR_DEVICE = -8,      /* a device failed or answered wrong */
    FM_ERR_AGAIN = -9,       /* not now; call again */
    FM_ERR_EOS = -10         /* no more */
};

#define FM_ERROR_MESSAGE_MAX 512

/* What went wrong. Owned by the caller, usually on its stack; may be NULL wherever it is taken. One thread at a time. */
struct fm_error {
    enum fm_err code;
    char message[FM_ERROR_MESSAGE_MAX]; /* always terminated, one line, no trailing newline */
};

/* A short fixed English name of a code ("out of memory"). Any thread; never NULL. */
FM_API const char *fm_err_name(int code);

#ifdef __cplusplus
}
#endif
#endif
