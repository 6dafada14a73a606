/* SPDX-License-Identifier: MIT */
/* What is done with addresses before libcurl sees them. Any thread. */
#ifndef FM_NET_URL_H
#define FM_NET_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "framemill/error.h"

#define NET_URL_MAX 4096
#define NET_NAME_MAX 200 /* of a file, its terminator included */

bool net_is_url(const char *text); /* has "://" */
/* FM_ERR_ARGUMENT unless it is http or https, names a server, fits in NET_URL_MAX and has no blanks or control characters. */
int net_url_check(const char *url, struct fm_error *error);
bool net_url_is_https(const char *url);

/* The address for people: without user, password and what follows a '?', which may be secret. Cut to fit. */
const char *net_url_shown(const char *url, char *text, size_t size);

/* The name a file of that address gets: the last part of the path, percent-decoded, with whatever a file system or a terminal
 * could take amiss made '_' (separators, controls, leading dots). FM_ERR_ARGUMENT: the address names no file, or one too long. */
int net_url_file(const char *url, char name[NET_NAME_MAX], struct fm_error *error);
/* Whether net_url_file could have given that name. */
bool net_file_is_safe(const char *name);

/* The address of a file beside it: the last `cut` bytes of the path replaced by `ending`, what follows a '?' kept.
 * FM_ERR_ARGUMENT: too long. */
int net_url_beside(const char *url, size_t cut, const char *ending, char out[NET_URL_MAX], struct fm_error *error);

#endif
