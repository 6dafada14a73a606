/* SPDX-License-Identifier: MIT */
/* libcurl, loaded when the first download is asked for: nothing else pays for it, and nothing else needs it to be there. */
#ifndef FM_NET_CURL_H
#define FM_NET_CURL_H

#define CURL_DISABLE_TYPECHECK
#define CURL_DISABLE_DEPRECATION /* the options of old names work with every libcurl 7 and 8 */
#include <curl/curl.h>

#include "framemill/error.h"

struct net_curl {
    __typeof__(curl_global_init) *global_init;
    __typeof__(curl_easy_init) *init;
    __typeof__(curl_easy_setopt) *setopt;
    __typeof__(curl_easy_perform) *perform;
    __typeof__(curl_easy_getinfo) *getinfo;
    __typeof__(curl_easy_strerror) *strerror;
    __typeof__(curl_easy_cleanup) *cleanup;
    __typeof__(curl_slist_append) *slist_append;
    __typeof__(curl_slist_free_all) *slist_free_all;
};

/* The functions, the same for all threads until the process ends. NULL: FM_ERR_UNSUPPORTED says which package is missing. */
const struct net_curl *net_curl_load(struct fm_error *error);

#endif
