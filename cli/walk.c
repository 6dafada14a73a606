/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *text_of(const char *format, ...)
{
    char *text = NULL;
    va_list list;
    va_start(list, format);
    const int n = vasprintf(&text, format, list);
    va_end(list);
    return n < 0 ? NULL : text;
}

/* Open addressing, linear probing, at most three quarters full. */
static struct file_id *slot_of(const struct file_ids *ids, uint64_t device, uint64_t inode)
{
    const size_t mask = ids->capacity - 1;
    uint64_t hash = (inode ^ device * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu;
    for (size_t i = (size_t) (hash >> 20) & mask;; i = (i + 1) & mask) {
        struct file_id *s = &ids->slot[i];
        if (!s->used || (s->device == device && s->inode == inode)) return s;
    }
}

int file_ids_add(struct file_ids *ids, const struct stat *st)
{
    if (4 * (ids->n + 1) > 3 * ids->capacity) {
        struct file_ids larger = {.n = ids->n, .capacity = ids->capacity ? 2 * ids->capacity : 64};
        larger.slot = calloc(larger.capacity, sizeof *larger.slot);
        if (!larger.slot) return -1;
        for (size_t i = 0; i < ids->capacity; i++)
            if (ids->slot[i].used) *slot_of(&larger, ids->slot[i].device, ids->slot[i].inode) = ids->slot[i];
        free(ids->slot);
        *ids = larger;
    }
    struct file_id *s = slot_of(ids, (uint64_t) st->st_dev, (uint64_t) st->st_ino);
    if (s->used) return 0;
    *s = (struct file_id){(uint64_t) st->st_dev, (uint64_t) st->st_ino, true};
    ids->n++;
    return 1;
}

bool file_ids_has(const struct file_ids *ids, const struct stat *st)
{
    return ids->n && slot_of(ids, (uint64_t) st->st_dev, (uint64_t) st->st_ino)->used;
}

void file_ids_free(struct file_ids *ids)
{
    free(ids->slot);
    *ids = (struct file_ids){0};
}

struct names {
    char **list;
    size_t n, capacity;
};

/* Takes the string, also when it fails. */
static bool names_add(struct names *names, char *text)
{
    if (text && names->n == names->capacity) {
        const size_t capacity = names->capacity ? 2 * names->capacity : 64;
        char **list = realloc(names->list, capacity * sizeof *list);
        if (list) names->list = list, names->capacity = capacity;
    }
    if (!text || names->n == names->capacity) {
        free(text);
        return false;
    }
    names->list[names->n++] = text;
    return true;
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->n; i++) free(names->list[i]);
    free(names->list);
    *names = (struct names){0};
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

struct walk {
    const char *root;
    const struct stat *skip;
    const struct walk_visitor *visitor;
    int *hidden;
    struct names stack, links; /* folders to enter, as places below the root; the stack's last one is next */
    struct file_ids entered;
    bool no_memory;
};

static char *path_below(const struct walk *walk, const char *below)
{
    const size_t n = strlen(walk->root);
    return *below ? text_of("%s%s%s", walk->root, n && walk->root[n - 1] == '/' ? "" : "/", below) : strdup(walk->root);
}

static bool fault(struct walk *walk, const char *below, const char *name, int error)
{
    char *rest = text_of("%s%s%s", below, *below && *name ? "/" : "", name), *path = rest ? path_below(walk, rest) : NULL;
    const bool on = path && walk->visitor->fault(walk->visitor->user, path, error);
    if (!path) walk->no_memory = true;
    free(path);
    free(rest);
    return on;
}

/* The names in a folder, sorted. */
static bool list_names(struct walk *walk, DIR *dir, const char *below, struct names *names)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) break;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (entry->d_name[0] == '.') {
            (*walk->hidden)++;
        } else if (!names_add(names, strdup(entry->d_name))) {
            walk->no_memory = true;
            return false;
        }
    }
    if (errno && !fault(walk, below, "", errno)) return false;
    if (names->n) qsort(names->list, names->n, sizeof *names->list, by_bytes);
    return true;
}

/* One name of a folder: files are visited, folders noted in `folders`, links to folders in walk->links. */
static bool meet(struct walk *walk, DIR *dir, const char *below, const char *name, struct names *folders)
{
    struct stat st;
    if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) != 0) return fault(walk, below, name, errno);
    const bool link = S_ISLNK(st.st_mode);
    if (link && fstatat(dirfd(dir), name, &st, 0) != 0) {
        (*walk->hidden)++; /* it leads nowhere */
        return true;
    }
    if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) {
        (*walk->hidden)++;
        return true;
    }
    char *rest = text_of("%s%s%s", below, *below ? "/" : "", name);
    bool ok = rest != NULL, on = true;
    if (ok && S_ISDIR(st.st_mode)) {
        ok = names_add(link ? &walk->links : folders, rest);
    } else if (ok) {
        char *path = path_below(walk, rest);
        ok = path != NULL;
        if (ok) on = walk->visitor->file(walk->visitor->user, path, rest);
        free(path);
        free(rest);
    }
    if (!ok) walk->no_memory = true;
    return ok && on;
}

static bool enter(struct walk *walk, const char *below)
{
    struct names names = {0}, folders = {0};
    struct stat st;
    char *path = path_below(walk, below);
    DIR *dir = path ? opendir(path) : NULL;
    bool on = false;
    if (!path) {
        walk->no_memory = true;
    } else if (!dir) {
        on = fault(walk, below, "", errno);
    } else if (fstat(dirfd(dir), &st) != 0) {
        on = fault(walk, below, "", errno);
    } else if (walk->skip && st.st_dev == walk->skip->st_dev && st.st_ino == walk->skip->st_ino) {
        on = true;
    } else {
        const int added = file_ids_add(&walk->entered, &st);
        if (added < 0) walk->no_memory = true;
        on = added == 0 || (added > 0 && list_names(walk, dir, below, &names));
        for (size_t i = 0; on && i < names.n; i++) on = meet(walk, dir, below, names.list[i], &folders);
        while (on && folders.n) /* the stack takes them in reverse */
            if (!names_add(&walk->stack, folders.list[--folders.n])) on = false, walk->no_memory = true;
    }
    if (dir) closedir(dir);
    names_free(&names);
    names_free(&folders);
    free(path);
    return on;
}

bool walk_folder(const char *folder, const struct stat *skip, const struct walk_visitor *visitor, int *hidden, bool *out_of_memory)
{
    struct walk walk = {.root = folder, .skip = skip, .visitor = visitor, .hidden = hidden};
    bool on = names_add(&walk.stack, strdup(""));
    walk.no_memory = !on;
    for (size_t next = 0; on;) {
        char *below = walk.stack.n ? walk.stack.list[--walk.stack.n] : NULL;
        if (!below && next < walk.links.n) {
            below = walk.links.list[next];
            walk.links.list[next++] = NULL;
        }
        if (!below) break;
        on = enter(&walk, below);
        free(below);
    }
    names_free(&walk.stack);
    names_free(&walk.links);
    file_ids_free(&walk.entered);
    *out_of_memory = walk.no_memory;
    return on;
}

int make_folders(const char *path)
{
    if (mkdir(path, 0777) == 0) return 0;
    int error = errno;
    struct stat st;
    if (error == EEXIST) return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
    if (error != ENOENT || !*path) return error;
    char *copy = strdup(path);
    if (!copy) return ENOMEM;
    error = 0;
    for (char *p = copy + 1; *p && !error; p++) {
        if (*p != '/') continue;
        *p = 0;
        if (mkdir(copy, 0777) != 0 && errno != EEXIST) error = errno;
        *p = '/';
    }
    if (!error && mkdir(copy, 0777) != 0 && errno != EEXIST) error = errno;
    free(copy);
    return error;
}
