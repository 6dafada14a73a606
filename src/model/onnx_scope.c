/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "model/onnx_import.h"

/* FNV-1a with a final mix: the table takes the low bits. */
static size_t hash_name(struct onnx_view name)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < name.size; i++)
        h = (h ^ name.at[i]) * 0x100000001b3u;
    h ^= h >> 32;
    return (size_t) (h * 0x9e3779b97f4a7c15u >> 20);
}

/* The slot that has the name, or the free one where it belongs. */
static struct onnx_name *find_slot(const struct onnx_scope *scope, struct onnx_view name)
{
    size_t i = hash_name(name) & (scope->n_slots - 1);
    while (scope->slot[i].name.at && !onnx_view_same(scope->slot[i].name, name))
        i = (i + 1) & (scope->n_slots - 1);
    return &scope->slot[i];
}

static int grow(struct onnx_import *import, struct onnx_scope *scope)
{
    struct onnx_scope bigger = *scope;
    bigger.n_slots = scope->n_slots ? scope->n_slots * 2 : 16;
    bigger.slot = arena_array(import->file.scratch, bigger.n_slots, sizeof(*bigger.slot));
    if (!bigger.slot)
        return onnx_fail_nomem(&import->file, bigger.n_slots * sizeof(*bigger.slot));
    for (size_t i = 0; i < scope->n_slots; i++)
        if (scope->slot[i].name.at)
            *find_slot(&bigger, scope->slot[i].name) = scope->slot[i];
    *scope = bigger;
    return FM_OK;
}

int onnx_scope_add(struct onnx_import *import, struct onnx_scope *scope, struct onnx_view name, int value)
{
    if (name.size == 0)
        return onnx_fail_at(&import->file, name.at, FM_ERR_FORMAT, "a value has no name");
    if (scope->n_used >= scope->n_slots / 2) {
        const int rc = grow(import, scope);
        if (rc)
            return rc;
    }
    struct onnx_name *slot = find_slot(scope, name);
    if (slot->name.at)
        return onnx_fail_at(&import->file, name.at, FM_ERR_FORMAT, "the name \"%.*s\" is given to two values", ONNX_SHOW(name));
    *slot = (struct onnx_name){ name, value };
    scope->n_used++;
    return FM_OK;
}

const struct onnx_name *onnx_scope_find(const struct onnx_scope *scope, struct onnx_view name)
{
    for (; scope; scope = scope->parent) {
        const struct onnx_name *slot = scope->n_slots ? find_slot(scope, name) : NULL;
        if (slot && slot->name.at)
            return slot;
    }
    return NULL;
}

int64_t onnx_scope_opset(const struct onnx_scope *scope, struct onnx_view domain)
{
    for (int i = 0; i < scope->n_opsets; i++)
        if (onnx_view_same(scope->opset[i].domain, domain))
            return scope->opset[i].version;
    return 0;
}
