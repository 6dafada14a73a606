/* SPDX-License-Identifier: MIT */
/* Walks the folders of find_places. Names are sorted, so that what is found does not depend on the order a file system has. */
#define _GNU_SOURCE /* strcasecmp, stat */
#include "model/find.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/error.h"

struct walk {
    struct arena *arena; /* of this walk */
    find_each_fn each;
    void *user;
    const struct find_place *place;
    const char **seen; /* names handed out, [n_seen] of `room` */
    size_t n_seen, room;
};

size_t find_name_length(const char *file)
{
    static const char *const endings[] = {".onnx", ".param"};
    const size_t length = strlen(file);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t k = strlen(endings[i]);
        if (length > k && file[0] != '.' && !strcasecmp(file + length - k, endings[i])) return length - k;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* The entries of a folder that are not hidden, sorted; none when it cannot be read. FM_ERR_NOMEM, or their number. */
static long entries_of(struct arena *arena, const char *folder, const char ***out)
{
    DIR *stream = opendir(folder);
    const char **list = NULL;
    long n = 0, room = 0;
    const struct dirent *entry;
    if (!stream) return 0;
    while (n >= 0 && (entry = readdir(stream)) != NULL) {
        if (entry->d_name[0] == '.') continue;
        if (n == room) {
            room = room ? 2 * room : 64;
            const char **more = arena_array(arena, (size_t) room, sizeof *more);
            if (more && n) memcpy(more, list, (size_t) n * sizeof *more);
            list = more;
        }
        const char *name = list ? arena_strdup(arena, entry->d_name) : NULL;
        if (name)
            list[n++] = name;
        else
            n = FM_ERR_NOMEM;
    }
    closedir(stream);
    if (n > 1) qsort(list, (size_t) n, sizeof *list, by_name);
    *out = list;
    return n;
}

/* Whether the name was handed out before; it is noted. FM_ERR_NOMEM, or 0 or 1. */
static int is_shadowed(struct walk *walk, const char *name)
{
    for (size_t i = 0; i < walk->n_seen; i++)
        if (!strcmp(walk->seen[i], name)) return 1;
    if (walk->n_seen == walk->room) {
        const size_t room = walk->room ? 2 * walk->room : 64;
        const char **more = arena_array(walk->arena, room, sizeof *more);
        if (!more) return FM_ERR_NOMEM;
        if (walk->n_seen) memcpy(more, walk->seen, walk->n_seen * sizeof *more);
        walk->seen = more;
        walk->room = room;
    }
    walk->seen[walk->n_seen++] = name;
    return 0;
}

/* A failure to allocate leaves *failed set, so that it is not taken for an answer of `each`. */
static int walk_file(struct walk *walk, const char *sub, const char *file, bool *failed)
{
    struct stat st;
    struct find_item item = {.where = walk->place->where};
    item.relative = sub ? arena_printf(walk->arena, "%s/%s", sub, file) : file;
    item.name = arena_strndup(walk->arena, file, find_name_length(file));
    item.path = item.relative ? arena_printf(walk->arena, "%s/%s", walk->place->path, item.relative) : NULL;
    *failed = !item.name || !item.path;
    if (*failed) return FM_ERR_NOMEM;
    if (stat(item.path, &st) != 0 || !S_ISREG(st.st_mode)) return 0;
    const int shadowed = is_shadowed(walk, item.name);
    *failed = shadowed < 0;
    item.shadowed = shadowed == 1;
    return *failed ? FM_ERR_NOMEM : walk->each(walk->user, &item);
}

/* sub: a subfolder of the place, or NULL for the place itself. */
static int walk_folder(struct walk *walk, const char *sub, bool *failed)
{
    const char **entry = NULL, *folder = walk->place->path;
    struct stat st;
    if (sub) folder = arena_printf(walk->arena, "%s/%s", walk->place->path, sub);
    if (folder && sub && (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode))) return 0;
    const long n = folder ? entries_of(walk->arena, folder, &entry) : FM_ERR_NOMEM;
    int answer = 0;
    *failed = n < 0;
    for (long i = 0; i < n && !answer; i++)
        if (find_name_length(entry[i])) answer = walk_file(walk, sub, entry[i], failed);
    for (long i = 0; i < n && !sub && !answer && !*failed; i++) answer = walk_folder(walk, entry[i], failed);
    return answer;
}

int find_each(const struct find_places *places, find_each_fn each, void *user, struct fm_error *error)
{
    struct walk walk = {.arena = arena_create(), .each = each, .user = user};
    bool failed = !walk.arena;
    int answer = 0;
    for (int i = 0; i < places->n && !answer && !failed; i++) {
        walk.place = &places->place[i];
        answer = walk_folder(&walk, NULL, &failed);
    }
    arena_destroy(&walk.arena);
    return failed ? core_fail_nomem(error, 0) : answer;
}

struct search {
    const char *wanted;
    char *path;
    size_t size;
    bool too_long;
    struct find_close close;
};

/* By name, by file name, or by either below a subfolder: "net", "net.onnx", "sub/net", "sub/net.onnx". */
static int is_wanted(void *user, const struct find_item *item)
{
    struct search *search = user;
    const char *slash = strrchr(item->relative, '/'), *file = slash ? slash + 1 : item->relative;
    const size_t stem = (size_t) (file - item->relative) + strlen(item->name);
    const bool found = !strcmp(search->wanted, item->name) || !strcmp(search->wanted, file) ||
                       !strcmp(search->wanted, item->relative) ||
                       (!strncmp(search->wanted, item->relative, stem) && !search->wanted[stem]);
    if (!found) {
        find_close_add(&search->close, item->name);
        return 0;
    }
    search->too_long = snprintf(search->path, search->size, "%s", item->path) >= (int) search->size;
    return 1;
}

static int not_found(const struct search *search, const struct find_places *places, struct fm_error *error)
{
    char close[FIND_CLOSE_MAX * 100 + 32], where[FM_ERROR_MESSAGE_MAX];
    size_t used = 0;
    where[0] = 0;
    find_close_text(&search->close, close, sizeof close);
    for (int i = 0; i < places->n && used < sizeof where; i++)
        used += (size_t) snprintf(where + used, sizeof where - used, "%s%s", i ? ", " : "", places->place[i].path);
    return core_fail(error, FM_ERR_IO, "%s: no such network%s%s%s", search->wanted, close, places->n ? "; looked in " : "", where);
}

static int take(const char *text, char *path, size_t size, struct fm_error *error)
{
    if (snprintf(path, size, "%s", text) < (int) size) return FM_OK;
    path[0] = 0;
    return core_fail(error, FM_ERR_ARGUMENT, "%s: the path does not fit in %zu bytes", text, size);
}

int find_network(const char *name_or_file, const char *model_dir, char *path, size_t path_size, struct fm_error *error)
{
    struct stat st;
    struct find_places places;
    struct search search = {.wanted = name_or_file, .path = path, .size = path_size};
    const bool is_there = stat(name_or_file, &st) == 0, is_file = is_there && S_ISREG(st.st_mode);
    if (is_file && (strchr(name_or_file, '/') || find_name_length(name_or_file))) return take(name_or_file, path, path_size, error);
    int code = find_places_open(model_dir, &places, error);
    if (code < 0) return code;
    find_close_start(&search.close, name_or_file);
    code = find_each(&places, is_wanted, &search, error);
    if (code == 1 && search.too_long) {
        path[0] = 0;
        code = core_fail(error, FM_ERR_ARGUMENT, "%s: its path does not fit in %zu bytes", name_or_file, path_size);
    } else if (code == 1) {
        code = FM_OK;
    } else if (code == 0 && is_file) { /* a file without the usual ending, when no network has that name */
        code = take(name_or_file, path, path_size, error);
    } else if (code == 0 && is_there && S_ISDIR(st.st_mode)) {
        code = core_fail(error, FM_ERR_IO, "%s: is a directory", name_or_file);
    } else if (code == 0) {
        code = not_found(&search, &places, error);
    }
    find_places_close(&places);
    return code;
}
