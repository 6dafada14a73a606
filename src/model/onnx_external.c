/* SPDX-License-Identifier: MIT */
/* External data: a path from an untrusted file. It is checked as text first, then resolved by the system (links included) and
 * compared with the resolved directory, so that neither ".." nor a link leads out of it. */
#define _GNU_SOURCE /* realpath */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "model/onnx_tensor.h"

#ifndef PATH_MAX
#define PATH_MAX 4096
#endif

#define EXTERNAL_FILES_MAX 4096

/* Relative, with plain components only; the separators and drives of other systems are refused everywhere alike. */
static const char *path_fault(struct onnx_view path)
{
    if (path.size == 0)
        return "is empty";
    if (path.size >= PATH_MAX / 2)
        return "is too long";
    if (memchr(path.at, 0, path.size))
        return "has a zero byte inside";
    if (path.at[0] == '/' || memchr(path.at, '\\', path.size) || memchr(path.at, ':', path.size))
        return "must be relative, with / between folders";
    for (size_t from = 0; from <= path.size;) {
        size_t to = from;
        while (to < path.size && path.at[to] != '/')
            to++;
        if (to - from == 2 && path.at[from] == '.' && path.at[from + 1] == '.')
            return "leaves the model's folder";
        from = to + 1;
    }
    return NULL;
}

struct paths {
    char root[PATH_MAX], file[PATH_MAX];
};

static int locate(struct onnx_file *file, const uint8_t *at, struct onnx_view location, const char *joined, struct paths *p)
{
    if (!realpath(file->directory, p->root))
        return onnx_fail_at(file, at, FM_ERR_IO, "folder %s: %s", file->directory, strerror(errno));
    if (!realpath(joined, p->file))
        return onnx_fail_at(file, at, FM_ERR_IO, "external data file \"%.*s\": %s", ONNX_SHOW(location), strerror(errno));
    const size_t n = strcmp(p->root, "/") == 0 ? 0 : strlen(p->root);
    if (strncmp(p->file, p->root, n) != 0 || p->file[n] != '/')
        return onnx_fail_at(file, at, FM_ERR_FORMAT, "external data file \"%.*s\" leads out of the model's folder",
                            ONNX_SHOW(location));
    return FM_OK;
}

static int map(struct onnx_file *file, const char *path, struct onnx_view *data)
{
    for (const struct onnx_external *e = file->external; e; e = e->next)
        if (strcmp(e->path, path) == 0) {
            *data = (struct onnx_view){ e->file->data, e->file->size };
            return FM_OK;
        }
    struct onnx_external *e = arena_alloc(file->scratch, sizeof(*e));
    char *name = e ? arena_strdup(file->scratch, path) : NULL;
    if (!name)
        return onnx_fail_nomem(file, 0);
    struct core_file *mapped;
    const int rc = core_file_map(path, &mapped, file->error);
    if (rc)
        return core_fail_prefix(file->error, "%s", file->source), rc;
    if (arena_defer(file->arena, core_file_release, mapped))
        return onnx_fail_nomem(file, 0);
    *e = (struct onnx_external){ file->external, name, mapped };
    file->external = e;
    file->n_external++;
    *data = (struct onnx_view){ mapped->data, mapped->size };
    return FM_OK;
}

int onnx_open_external(struct onnx_file *file, const uint8_t *at, struct onnx_view location, struct onnx_view *data)
{
    const char *fault = path_fault(location);
    if (fault)
        return onnx_fail_at(file, at, FM_ERR_FORMAT, "external data file \"%.*s\" %s", ONNX_SHOW(location), fault);
    if (!file->directory)
        return onnx_fail_at(file, at, FM_ERR_UNSUPPORTED, "external data file \"%.*s\": a network in memory has no folder",
                            ONNX_SHOW(location));
    if (file->n_external >= EXTERNAL_FILES_MAX)
        return onnx_fail_at(file, at, FM_ERR_UNSUPPORTED, "more than %d external data files", EXTERNAL_FILES_MAX);
    char *joined = arena_printf(file->scratch, "%s/%.*s", file->directory, (int) location.size, (const char *) location.at);
    struct paths *p = core_alloc(sizeof(*p));
    int rc = joined && p ? locate(file, at, location, joined, p) : onnx_fail_nomem(file, sizeof(*p));
    if (!rc)
        rc = map(file, p->file, data);
    core_free(p);
    return rc;
}
