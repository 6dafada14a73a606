/* SPDX-License-Identifier: MIT */
#include "net/curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"

static struct net_curl curl;
static char curl_fault[256]; /* why there is none; "" when all is well */

static void *curl_open(void)
{
    static const char *const names[] = {
#ifdef __APPLE__
        "libcurl.4.dylib",
#endif
        "libcurl.so.4", "libcurl-gnutls.so.4"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (library) return library;
    }
    return NULL;
}

/* The address goes through memory: C has no cast from an object's pointer to a function's. */
static bool curl_find(void *library, const char *name, void *function)
{
    void *address = dlsym(library, name);
    memcpy(function, &address, sizeof address);
    if (!address) snprintf(curl_fault, sizeof curl_fault, "the libcurl of this machine has no %s", name);
    return address != NULL;
}

static void curl_load(void)
{
    void *library = curl_open();
    if (!library) {
        snprintf(curl_fault, sizeof curl_fault, "downloads need libcurl, which is not installed (Debian: libcurl4)");
        return;
    }
    const bool found =
        curl_find(library, "curl_global_init", &curl.global_init) && curl_find(library, "curl_easy_init", &curl.init) &&
        curl_find(library, "curl_easy_setopt", &curl.setopt) && curl_find(library, "curl_easy_perform", &curl.perform) &&
        curl_find(library, "curl_easy_getinfo", &curl.getinfo) && curl_find(library, "curl_easy_strerror", &curl.strerror) &&
        curl_find(library, "curl_easy_cleanup", &curl.cleanup) && curl_find(library, "curl_slist_append", &curl.slist_append) &&
        curl_find(library, "curl_slist_free_all", &curl.slist_free_all);
    if (found && curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        snprintf(curl_fault, sizeof curl_fault, "libcurl cannot be set up");
    if (curl_fault[0]) dlclose(library);
}

const struct net_curl *net_curl_load(struct fm_error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, curl_load);
    if (!curl_fault[0]) return &curl;
    core_fail(error, FM_ERR_UNSUPPORTED, "%s", curl_fault);
    return NULL;
}
