/* SPDX-License-Identifier: MIT */
/* The folders that networks are looked for in. What depends on the system is in places_self. */
#define _GNU_SOURCE /* dladdr, realpath */
#include "model/find.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

static const char places_anchor = 0; /* lies in whatever file this code came from */

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The file that this code was loaded from: a shared library, or the program. */
static bool places_self(char *path, size_t size)
{
    char real[PATH_MAX];
    Dl_info info = {0};
    const bool known = dladdr(&places_anchor, &info) && info.dli_fname;
    const char *name = known ? strrchr(info.dli_fname, '/') : NULL;
    if (name && (strstr(name, ".so") || strstr(name, ".dylib")) && realpath(info.dli_fname, real))
        return snprintf(path, size, "%s", real) < (int) size;
    const ssize_t length = readlink("/proc/self/exe", real, sizeof real - 1);
    if (length > 0) {
        real[length] = 0;
        return snprintf(path, size, "%s", real) < (int) size;
    }
    return known && realpath(info.dli_fname, real) && snprintf(path, size, "%s", real) < (int) size;
}

/* Beside the program in its build folder or as it is unpacked; below share/ where it is installed (a library may lie one level
 * deeper, lib/x86_64-linux-gnu). */
bool find_shipped_folder(char *path, size_t size)
{
    static const char *const beside[] = {"models", "../models", "../share/framemill/models", "../../share/framemill/models"};
    char self[FIND_PATH_MAX], tried[FIND_PATH_MAX + 64], real[PATH_MAX];
    if (!places_self(self, sizeof self)) return false;
    char *slash = strrchr(self, '/');
    if (!slash) return false;
    *slash = 0;
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        snprintf(tried, sizeof tried, "%s/%s", self, beside[i]);
        if (is_folder(tried) && realpath(tried, real)) return snprintf(path, size, "%s", real) < (int) size;
    }
    return false;
}

int find_cache_folder(char *path, size_t size, struct fm_error *error)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length = -1;
    if (cache && cache[0] == '/') /* others are to be ignored, says the standard */
        length = snprintf(path, size, "%s/framemill/models", cache);
    else if (home && home[0])
        length = snprintf(path, size, "%s/.cache/framemill/models", home);
    else
        return core_fail(error, FM_ERR_IO, "there is no cache folder: neither XDG_CACHE_HOME nor HOME is set");
    return length < (int) size ? FM_OK : core_fail(error, FM_ERR_IO, "the cache folder's name is too long");
}

static int places_add(struct find_places *places, const char *path, size_t length, const char *where)
{
    struct stat st, other;
    while (length > 1 && path[length - 1] == '/') length--;
    if (!length || places->n == FIND_PLACES_MAX) return FM_OK;
    char *copy = arena_strndup(places->arena, path, length);
    if (!copy) return FM_ERR_NOMEM;
    const bool there = stat(copy, &st) == 0;
    for (int i = 0; i < places->n; i++) {
        if (!strcmp(places->place[i].path, copy)) return FM_OK;
        if (there && stat(places->place[i].path, &other) == 0 && st.st_dev == other.st_dev && st.st_ino == other.st_ino)
            return FM_OK;
    }
    places->place[places->n++] = (struct find_place){copy, where};
    return FM_OK;
}

int find_places_open(const char *model_dir, struct find_places *out, struct fm_error *error)
{
    char folder[FIND_PATH_MAX];
    struct stat st;
    *out = (struct find_places){.arena = NULL};
    if (model_dir && stat(model_dir, &st) != 0) return core_fail(error, FM_ERR_IO, "%s: %s", model_dir, strerror(errno));
    if (model_dir && !S_ISDIR(st.st_mode)) return core_fail(error, FM_ERR_IO, "%s: not a folder", model_dir);
    out->arena = arena_create();
    if (!out->arena) return core_fail_nomem(error, 0);
    int code = model_dir ? places_add(out, model_dir, strlen(model_dir), "given") : FM_OK;
    for (const char *at = getenv("FM_MODELS"); at && code == FM_OK;) {
        const size_t length = strcspn(at, ":");
        code = places_add(out, at, length, "FM_MODELS");
        at = at[length] ? at + length + 1 : NULL;
    }
    if (code == FM_OK && find_cache_folder(folder, sizeof folder, NULL) == FM_OK)
        code = places_add(out, folder, strlen(folder), "cache");
    if (code == FM_OK && find_shipped_folder(folder, sizeof folder)) code = places_add(out, folder, strlen(folder), "shipped");
    if (code == FM_OK) return FM_OK;
    find_places_close(out);
    return core_fail_nomem(error, 0);
}

void find_places_close(struct find_places *places)
{
    arena_destroy(&places->arena);
    places->n = 0;
}
