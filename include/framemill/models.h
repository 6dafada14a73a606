/* SPDX-License-Identifier: MIT */
/* Models by name: where networks are found on this machine, and how new ones get there. */
#ifndef FRAMEMILL_MODELS_H
#define FRAMEMILL_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A network's name is its file's name without .onnx or .param ("realesr-animevideov3-x2"). Folders are searched in this order: the
 * given one, FM_MODELS (a path list), the user's cache (XDG_CACHE_HOME or ~/.cache, then framemill/models), the shipped folder (beside the
 * program: models, ../models, ../share/framemill/models). Subfolders one level deep count too. */

/* Finds a network by file name or by name; model_dir may be NULL. FM_ERR_IO when there is none: the message lists where it was looked for
 * and the names that come close. path: where it is. */
FM_API int fm_models_find(const char *name_or_file, const char *model_dir, char *path, size_t path_size, struct fm_error *error);

/* Calls `each` for every network found, in search order, names once (`shadowed`: a better place has the same name). `where`: "given",
 * "FM_MODELS", "cache" or "shipped". Stops when `each` returns non-zero, and returns that. */
typedef int (*fm_models_each_fn)(void *user, const char *name, const char *path, const char *where, bool shadowed);
FM_API int fm_models_each(const char *model_dir, fm_models_each_fn each, void *user, struct fm_error *error);

struct fm_models_pull_params {
    size_t size;
    const char *what;           /* an URL (http, https), or a name from a catalogue */
    const char *sha256;         /* 64 hex digits; NULL: from the catalogue, or from the file URL.sha256 beside it */
    bool unchecked;             /* accept a file for which no checksum is to be had */
    const char *catalogue;      /* file or URL; NULL: FM_CATALOGUE, else catalogue.tsv of the model folders */
    const char *directory;      /* where to; NULL: the user's cache */
    bool overwrite;
    /* bytes so far, bytes in all (0: not known); non-zero stops, a later pull resumes */
    int (*progress)(void *user, const char *file, uint64_t done, uint64_t total);
    void *user;
};

/* Downloads a network (an ncnn .param brings its .bin), continuing a download that was cut off, and puts it in place once its SHA-256
 * is right. A file that is right already is left as it is; another of its name is FM_ERR_ARGUMENT, unless `overwrite`. path: where it is
 * now. FM_ERR_IO: network or disk; FM_ERR_FORMAT: the checksum does not match (the file is removed); FM_ERR_ARGUMENT: no such name, no
 * checksum; FM_ERR_UNSUPPORTED: libcurl is not installed; FM_ERR_CANCELLED. */
FM_API int fm_models_pull(const struct fm_models_pull_params *params, char *path, size_t path_size, struct fm_error *error);

#ifdef __cplusplus
}
#endif
#endif
