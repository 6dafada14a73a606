/* SPDX-License-Identifier: MIT */
/* Opening a network by name: which importer, which files. The mapped files belong to the graph's arena. */
#define _GNU_SOURCE
#include "model/model.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "model/ncnn_path.h"

#define NCNN_MAGIC "7767517" /* first line of every .param */

static bool ends_with(const char *path, const char *ending)
{
    const size_t n = strlen(path), k = strlen(ending);
    return n > k && strcasecmp(path + n - k, ending) == 0;
}

static bool begins_with(const struct core_file *file, const char *text)
{
    return file->size >= strlen(text) && memcmp(file->data, text, strlen(text)) == 0;
}

/* The file's folder, "." for a plain name. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = core_strdup(slash ? path : ".");
    if (folder && slash)
        folder[slash == path ? 1 : slash - path] = 0;
    return folder;
}

/* The same name with another ending. */
static char *sibling_of(const char *path, size_t cut, const char *ending)
{
    const size_t n = strlen(path) - cut, k = strlen(ending) + 1;
    char *name = core_alloc(n + k);
    if (name) {
        memcpy(name, path, n);
        memcpy(name + n, ending, k);
    }
    return name;
}

/* Hands a file to the graph; on failure both are gone. */
static int keep(struct graph **graph, struct core_file *file, struct fm_error *error)
{
    if (arena_defer((*graph)->arena, core_file_release, file) == 0)
        return FM_OK;
    graph_destroy(graph);
    return core_fail_nomem(error, 0);
}

static int load_onnx(const char *path, struct core_file *file, struct graph **out, struct fm_error *error)
{
    char *folder = folder_of(path);
    int rc = FM_OK;
    if (!folder)
        rc = core_fail_nomem(error, strlen(path));
    else if (begins_with(file, "version https://git-lfs"))
        rc = core_fail(error, FM_ERR_FORMAT, "%s: this is a Git LFS pointer, not the network itself", path);
    else
        rc = onnx_import(file->data, file->size, path, folder, out, error);
    core_free(folder);
    if (rc) {
        core_file_unmap(&file);
        return rc;
    }
    return keep(out, file, error);
}

static int load_ncnn(const char *path, const char *bin_path, struct core_file *param, struct graph **out, struct fm_error *error)
{
    struct core_file *bin = NULL;
    int rc = core_file_map(bin_path, &bin, error);
    if (!rc)
        rc = ncnn_import((const char *) param->data, param->size, path, bin->data, bin->size, bin_path, out, error);
    if (rc) {
        core_file_unmap(&bin);
        core_file_unmap(&param);
        return rc;
    }
    rc = keep(out, param, error);
    if (rc) {
        core_file_unmap(&bin);
        return rc;
    }
    return keep(out, bin, error);
}

/* The .bin of a .param: beside it, or that of another scale. A name that does not exist comes back too, for the message. */
static char *bin_of(const char *param_path)
{
    const size_t size = strlen(param_path) + sizeof ".bin";
    char *name = core_alloc(size);
    if (name)
        ncnn_bin_path(param_path, name, size); /* the buffer is large enough */
    return name;
}

/* `path` names either file of the pair, or a .param under another name with its .bin beside it. */
static int load_pair(const char *path, struct core_file *param, struct graph **out, struct fm_error *error)
{
    const bool is_bin = ends_with(path, ".bin");
    char *param_path = is_bin ? sibling_of(path, strlen(".bin"), ".param") : core_strdup(path);
    char *bin_path = is_bin ? core_strdup(path) : bin_of(path);
    int rc = FM_OK;
    if (!param_path || !bin_path)
        rc = core_fail_nomem(error, strlen(path));
    else if (!param)
        rc = core_file_map(param_path, &param, error);
    if (rc)
        core_file_unmap(&param);
    else
        rc = load_ncnn(param_path, bin_path, param, out, error);
    core_free(param_path);
    core_free(bin_path);
    return rc;
}

int model_load(const char *path, struct graph **out, struct fm_error *error)
{
    struct core_file *file = NULL;
    *out = NULL;
    if (ends_with(path, ".param") || ends_with(path, ".bin"))
        return load_pair(path, NULL, out, error);
    const int rc = core_file_map(path, &file, error);
    if (rc)
        return rc;
    if (!ends_with(path, ".onnx") && begins_with(file, NCNN_MAGIC))
        return load_pair(path, file, out, error);
    return load_onnx(path, file, out, error);
}
