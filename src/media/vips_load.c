/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "media/vips_load.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

struct vips_calls vl;

static pthread_once_t load_once = PTHREAD_ONCE_INIT;
static pthread_mutex_t module_lock = PTHREAD_MUTEX_INITIALIZER;
static int load_code;
static char load_reason[256];
static _Thread_local int inside;

static void drop(const char *domain, GLogLevelFlags level, const char *message, void *unused)
{
    (void) domain, (void) level, (void) message, (void) unused;
}

static void drop_ours(const char *domain, GLogLevelFlags level, const char *message, void *unused)
{
    if (inside == 0) vl.g_log_default_handler(domain, level, message, unused);
}

static int refuse(const char *what, const char *detail)
{
    load_code = FM_ERR_UNSUPPORTED;
    snprintf(load_reason, sizeof load_reason, "%s%s%s", what, detail ? ": " : "", detail ? detail : "");
    return load_code;
}

/* vips_init looks for modules below $VIPSHOME and opens them all. Pointed to where there are none it opens none; a VIPSHOME of the
 * user's own is left alone. (vips_init sets the variable itself when it is not set, so it is no more of a liberty than that.) */
static int start(void)
{
    static const char nowhere[] = "/nonexistent";
    const bool ours = !getenv("VIPSHOME");
    if (ours) setenv("VIPSHOME", nowhere, 1);
    const int status = vl.vips_init("framemill");
    if (ours) unsetenv("VIPSHOME");
    return status;
}

static void load(void)
{
    void *handle = dlopen("libvips.so.42", RTLD_LAZY | RTLD_LOCAL);
    if (!handle) {
        refuse("libvips is not installed (package libvips42)", NULL);
        return;
    }
    struct symbol {
        const char *name;
        void **place;
    };
#define VIPS_LOAD_SYMBOL(name) {#name, (void **) &vl.name},
    const struct symbol symbols[] = {VIPS_LOAD_CALLS(VIPS_LOAD_SYMBOL)};
#undef VIPS_LOAD_SYMBOL
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        *symbols[i].place = dlsym(handle, symbols[i].name); /* the libraries it depends on are searched too */
        if (!*symbols[i].place) {
            refuse("this libvips is too old: it lacks", symbols[i].name);
            return;
        }
    }
    if (start() != 0) {
        char reason[160];
        vips_load_reason(reason, sizeof reason);
        refuse("libvips cannot start", reason);
        return;
    }
    vl.g_log_set_handler("VIPS", (GLogLevelFlags) (G_LOG_LEVEL_MASK & ~(G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)), drop, NULL);
    vl.g_log_set_handler("GLib-GObject", G_LOG_LEVEL_WARNING, drop_ours, NULL);
    vl.vips_cache_set_max(0); /* every operation is done once: a cache would only keep files open */
}

int vips_load(struct fm_error *error)
{
    pthread_once(&load_once, load);
    return load_code ? core_fail(error, load_code, "%s", load_reason) : FM_OK;
}

/* Beside libvips itself, in vips-modules-8.14. */
static bool open_module(const char *module)
{
    Dl_info info;
    if (!dladdr((void *) vl.vips_init, &info) || !info.dli_fname) return false;
    const char *slash = strrchr(info.dli_fname, '/');
    char path[4096];
    const int folder = slash ? (int) (slash - info.dli_fname) : 0;
    const int length = snprintf(
        path, sizeof path, "%.*s/vips-modules-%d.%d/%s.so", folder, info.dli_fname, vl.vips_version(0), vl.vips_version(1), module);
    return length > 0 && (size_t) length < sizeof path && vl.g_module_open(path, G_MODULE_BIND_LAZY);
}

int vips_load_module(const char *module, const char *operation, struct fm_error *error)
{
    pthread_mutex_lock(&module_lock);
    const bool there =
        vl.vips_type_find("VipsOperation", operation) || (open_module(module) && vl.vips_type_find("VipsOperation", operation));
    pthread_mutex_unlock(&module_lock);
    return there ? FM_OK : core_fail(error, FM_ERR_UNSUPPORTED, "this libvips lacks %s (module %s)", operation, module);
}

void vips_load_reason(char *text, size_t size)
{
    char *all = vl.vips_error_buffer_copy();
    size_t length = 0;
    bool gap = false;
    const char *from = all ? all : "";
    static const char ours[] = "framemill: ";
    if (strncmp(from, ours, sizeof ours - 1) == 0) from += sizeof ours - 1;
    for (const char *c = from; *c && length + 3 < size; c++) {
        if (*c == '\n') {
            gap = length > 0;
            continue;
        }
        if (gap) text[length++] = ';', text[length++] = ' ';
        gap = false;
        if (length + 1 < size) text[length++] = *c;
    }
    text[length] = 0;
    if (all) vl.g_free(all);
}

void vips_load_enter(void)
{
    inside++;
}

void vips_load_leave(void)
{
    inside--;
}
