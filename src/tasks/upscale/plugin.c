/* SPDX-License-Identifier: MIT */
#include "tasks/upscale/plugin.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/error.h"

typedef const struct fm_plugin *(*entry_fn)(void);

/* A file name may hold colons: the longest beginning that is a file is the name. */
static size_t name_length(const char *text)
{
    struct stat st;
    if (stat(text, &st) == 0) return strlen(text);
    for (size_t n = strlen(text); n-- > 1;) {
        if (text[n] != ':') continue;
        char *name = core_alloc(n + 1);
        if (!name) break;
        memcpy(name, text, n);
        name[n] = 0;
        const bool there = stat(name, &st) == 0;
        core_free(name);
        if (there) return n;
    }
    return strcspn(text, ":");
}

static int load(struct plugin *p, const char *file, struct fm_error *error)
{
    char path[4200]; /* a name without a slash would be looked for in the system's library folders */
    const int length = snprintf(path, sizeof path, "%s%s", strchr(file, '/') ? "" : "./", file);
    if (length >= (int) sizeof path) return core_fail(error, FM_ERR_ARGUMENT, "plug-in %.200s...: the name is too long", file);
    p->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!p->library) return core_fail(error, FM_ERR_IO, "plug-in %s", dlerror());
    void *symbol = dlsym(p->library, "framemill_plugin");
    if (!symbol) return core_fail(error, FM_ERR_UNSUPPORTED, "plug-in %s: has no function framemill_plugin", file);
    entry_fn entry;
    memcpy(&entry, &symbol, sizeof entry); /* data pointer to function pointer, as POSIX means it */
    p->table = entry();
    if (!p->table) return core_fail(error, FM_ERR_UNSUPPORTED, "plug-in %s: gives nothing", file);
    if (p->table->abi != FM_PLUGIN_ABI)
        return core_fail(
            error, FM_ERR_UNSUPPORTED, "plug-in %s: made for interface %d, this is %d", file, p->table->abi, FM_PLUGIN_ABI);
    if (!p->table->name || !p->table->reach || !p->table->process)
        return core_fail(error, FM_ERR_UNSUPPORTED, "plug-in %s: lacks a name, reach or process", file);
    return FM_OK;
}

static int start(struct plugin *p, const char *options, struct fm_error *error)
{
    char message[200] = "";
    if (p->table->open && p->table->open(options, &p->state, message, sizeof message) != 0) {
        p->state = NULL;
        p->table = NULL; /* not open: nothing to close */
        return core_fail(error, FM_ERR_ARGUMENT, "plug-in options \"%s\": %s", options, message[0] ? message : "refused");
    }
    for (int when = 0; when < 2; when++) {
        p->reach[when] = p->table->reach(p->state, (enum fm_plugin_when) when);
        if (p->reach[when] > PLUGIN_REACH_MAX)
            return core_fail(error, FM_ERR_UNSUPPORTED, "plug-in %s: reaches %d pixels, more than %d", p->table->name,
                p->reach[when], PLUGIN_REACH_MAX);
    }
    return FM_OK;
}

int plugin_open(const char *text, struct plugin **out, struct fm_error *error)
{
    *out = NULL;
    const size_t n = name_length(text);
    char *file = core_strdup(text);
    struct plugin *p = core_calloc(1, sizeof *p);
    int code = file && p ? FM_OK : core_fail_nomem(error, sizeof *p);
    if (code == FM_OK) {
        const char *options = text[n] == ':' ? text + n + 1 : "";
        file[n] = 0;
        code = load(p, file, error);
        if (code == FM_OK) code = start(p, options, error);
        if (code < 0 && !p->state) p->table = NULL;
    }
    core_free(file);
    if (code < 0) plugin_close(&p);
    *out = p;
    return code;
}

void plugin_close(struct plugin **plugin)
{
    struct plugin *p = *plugin;
    *plugin = NULL;
    if (!p) return;
    if (p->table && p->table->close) p->table->close(p->state);
    if (p->library) dlclose(p->library);
    core_free(p);
}

int plugin_run(const struct plugin *plugin, enum fm_plugin_when when, int width, int height, const struct window *in,
    struct window *out, struct fm_error *error)
{
    const struct fm_plugin_piece from = {.x = in->at.x,
        .y = in->at.y,
        .width = in->at.w,
        .height = in->at.h,
        .row = in->at.w,
        .plane = (ptrdiff_t) window_plane(in),
        .data = in->data};
    const struct fm_plugin_piece to = {.x = out->at.x,
        .y = out->at.y,
        .width = out->at.w,
        .height = out->at.h,
        .row = out->at.w,
        .plane = (ptrdiff_t) window_plane(out),
        .data = out->data};
    const struct fm_plugin_call call = {.size = sizeof call,
        .when = when,
        .picture_width = width,
        .picture_height = height,
        .channels = in->channels,
        .in = &from,
        .out = &to};
    if (plugin->table->process(plugin->state, &call) != 0)
        return core_fail(error, FM_ERR_UNSUPPORTED, "plug-in %s failed", plugin->table->name);
    return FM_OK;
}
