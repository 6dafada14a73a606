/* SPDX-License-Identifier: MIT */
/* Files of a folder and of the folders in it. */
#ifndef FM_CLI_WALK_H
#define FM_CLI_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* A set of files by what they are, not what they are called: links to one file are one member. */
struct file_ids {
    struct file_id {
        uint64_t device, inode;
        bool used;
    } * slot;
    size_t n, capacity;
};
/* 1: added, 0: it was there, -1: out of memory. */
int file_ids_add(struct file_ids *ids, const struct stat *st);
bool file_ids_has(const struct file_ids *ids, const struct stat *st);
void file_ids_free(struct file_ids *ids);

/* What the walk meets. Each returns false to stop the walk. Strings are valid during the call. */
struct walk_visitor {
    /* A file: where it is ("pictures/a/b.png") and its place below the folder ("a/b.png"). */
    bool (*file)(void *user, const char *path, const char *below);
    /* A folder, or a link, that cannot be read, with errno. */
    bool (*fault)(void *user, const char *path, int error);
    void *user;
};

/* Visits every regular file, links to files included, names in byte order, a folder's files before its folders; hidden ones
 * (".name") are left out. Links to folders are followed after all real ones, and no folder is entered twice, so loops end. `skip`, a
 * folder not to enter, may be NULL. *hidden: how many files and folders were left out; added to.
 * False: stopped by the visitor, or out of memory (then *out_of_memory is set). */
bool walk_folder(const char *folder, const struct stat *skip, const struct walk_visitor *visitor, int *hidden, bool *out_of_memory);

/* Makes a folder and what is missing above it. 0, or errno. */
int make_folders(const char *path);

/* printf into memory of its own, NULL: out of memory. */
char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
