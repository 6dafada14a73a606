/* SPDX-License-Identifier: MIT */
/* Networks by name: the folders that are looked in, and what lies there. Only files *.onnx and *.param count, in a folder and in
 * its subfolders one level deep; names that begin with a dot do not. Any thread; the environment must not change meanwhile. */
#ifndef FM_MODEL_FIND_H
#define FM_MODEL_FIND_H

#include <stdbool.h>
#include <stddef.h>

#include "core/arena.h"
#include "framemill/error.h"

#define FIND_PATH_MAX 4096
#define FIND_PLACES_MAX 64

struct find_place {
    const char *path;
    const char *where; /* "given", "FM_MODELS", "cache", "shipped" */
};

struct find_places {
    struct arena *arena;
    struct find_place place[FIND_PLACES_MAX]; /* the best first, each folder once; those that are not there are listed too */
    int n;
};

/* FM_ERR_IO when model_dir (may be NULL) is no folder; that of the others only FM_ERR_NOMEM. */
int find_places_open(const char *model_dir, struct find_places *out, struct fm_error *error);
void find_places_close(struct find_places *places);

/* The user's folder for downloaded networks, whether it is there or not. FM_ERR_IO: no home. */
int find_cache_folder(char *path, size_t size, struct fm_error *error);
/* The folder that came with the program or library. False: none did. */
bool find_shipped_folder(char *path, size_t size);

/* Bytes of the network's name in a file name ("net" of "net.onnx"), 0 when the file is no network by its name. */
size_t find_name_length(const char *file);

struct find_item {
    const char *name;     /* "net" */
    const char *path;     /* "/folder/sub/net.param" */
    const char *relative; /* "sub/net.param" */
    const char *where;
    bool shadowed; /* an earlier one has the same name */
};
/* Strings live during the call. Non-zero stops. */
typedef int (*find_each_fn)(void *user, const struct find_item *item);

/* Every network of the places, files of a folder before its subfolders, by name. What `each` returned, or FM_ERR_NOMEM. */
int find_each(const struct find_places *places, find_each_fn each, void *user, struct fm_error *error);

/* fm_models_find without the checks of its arguments. */
int find_network(const char *name_or_file, const char *model_dir, char *path, size_t path_size, struct fm_error *error);

/* The few names that come closest to one that is not there. */
#define FIND_CLOSE_MAX 3
struct find_close {
    const char *wanted;
    struct {
        char name[96];
        int distance;
    } best[FIND_CLOSE_MAX];
    int n;
};
void find_close_start(struct find_close *close, const char *wanted);
void find_close_add(struct find_close *close, const char *name);
/* "; did you mean a, b?", or "" */
void find_close_text(const struct find_close *close, char *text, size_t size);

/* How many letters must be put in, left out or exchanged to make one of the other; upper and lower case are the same. Longer texts
 * than 95 bytes: -1. */
int find_distance(const char *a, const char *b);

#endif
