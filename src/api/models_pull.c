/* SPDX-License-Identifier: MIT */
/* Pulling a network: first which files it has, where they are and what they must be (by address, or by a catalogue), then all of
 * them are downloaded and checked, and only then they get their names, the network's own last. A network that is found is whole. */
#define _GNU_SOURCE /* strcasecmp */
#include "api/models_pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/arena.h"
#include "core/error.h"
#include "core/file.h"
#include "model/find.h"
#include "net/catalogue.h"
#include "net/download.h"
#include "net/fetch.h"
#include "net/url.h"

#define FILES_MAX 16
#define SIDECAR_BYTES_MAX ((size_t) 64 << 10)
#define CATALOGUE_BYTES_MAX ((size_t) 16 << 20)

/* One file. Strings live in the pull's arena, or as long as the parameters. */
struct pull_file {
    const char *name, *url;
    const char *source; /* who says what it must be */
    uint8_t sha256[SHA256_SIZE];
    bool is_checked;
    uint64_t bytes;
    struct pull_file *otherwise; /* what is tried when the server has no such file */
};

struct pull {
    const struct fm_models_pull_params *p;
    struct fm_error *error;
    struct arena *arena;
    const char *folder;
    struct pull_file file[FILES_MAX]; /* the network's own first */
    struct net_download *got[FILES_MAX];
    int n;
    const char *now; /* the name of the file that progress is about */
};

static int progress(void *user, uint64_t done, uint64_t total)
{
    const struct pull *pull = user;
    return pull->p->progress ? pull->p->progress(pull->p->user, pull->now, done, total) : 0;
}

/* While something small comes that is no part of the network: a chance to stop, nothing to count. */
static int waiting(void *user, uint64_t done, uint64_t total)
{
    (void) done;
    (void) total;
    return progress(user, 0, 0);
}

/* ---- by address ---- */

static bool has_ending(const char *name, const char *ending)
{
    const size_t n = strlen(name), k = strlen(ending);
    return n > k && !strcasecmp(name + n - k, ending);
}

/* The checksum from the file URL.sha256; when there is none, file->is_checked stays false. */
static int ask_sidecar(struct pull *pull, struct pull_file *file)
{
    char url[NET_URL_MAX], shown[NET_URL_MAX], *text;
    size_t size;
    struct net_answer answer;
    struct fm_error error;
    int code = net_url_beside(file->url, 0, ".sha256", url, pull->error);
    if (code < 0) return code;
    pull->now = file->name;
    code = net_fetch_text(url, SIDECAR_BYTES_MAX, waiting, pull, &text, &size, &answer, &error);
    if (code < 0 && answer.status >= 400 && answer.status < 500) return FM_OK;
    if (code < 0) {
        *pull->error = error;
        return code;
    }
    file->source = arena_strdup(pull->arena, net_url_shown(url, shown, sizeof shown));
    code = file->source ? net_sidecar_parse(text, size, shown, file->sha256, pull->error) : core_fail_nomem(pull->error, 0);
    file->is_checked = code == FM_OK;
    core_free(text);
    return code;
}

static int no_checksum(struct pull *pull, const struct pull_file *file)
{
    char shown[256];
    return core_fail(pull->error, FM_ERR_ARGUMENT,
        "%s: there is no checksum for it: none was given, and the server has no %s.sha256",
        net_url_shown(file->url, shown, sizeof shown), file->name);
}

/* Fills in name and address of a file beside the network's own. */
static int beside(struct pull *pull, const struct pull_file *own, size_t cut, const char *ending, struct pull_file *out)
{
    char url[NET_URL_MAX];
    const int code = net_url_beside(own->url, cut, ending, url, pull->error);
    if (code < 0) return code;
    *out = (struct pull_file){.url = arena_strdup(pull->arena, url),
        .name = arena_printf(pull->arena, "%.*s%s", (int) (strlen(own->name) - cut), own->name, ending)};
    return out->url && out->name ? FM_OK : core_fail_nomem(pull->error, 0);
}

/* The .bin of a .param: NAME.bin; for a name that ends in -x2, -x3 or -x4 perhaps that of another scale, which the importer
 * takes as well. The first that has a checksum is it; else, when that is allowed, the first that is there. */
static int add_weights(struct pull *pull)
{
    static const size_t own_ending = sizeof ".param" - 1, scale_ending = sizeof "-x2" - 1;
    const struct pull_file *own = &pull->file[0];
    struct pull_file *first = &pull->file[1], *last = first;
    const size_t stem = strlen(own->name) - own_ending;
    const bool has_scale = stem > scale_ending && own->name[stem - 3] == '-' && own->name[stem - 2] == 'x' &&
                           own->name[stem - 1] >= '0' && own->name[stem - 1] <= '9';
    int code = beside(pull, own, own_ending, ".bin", first);
    if (code == FM_OK) code = ask_sidecar(pull, first);
    for (const char *scale = "432"; code == FM_OK && has_scale && !first->is_checked && *scale; scale++) {
        const char ending[] = {'-', 'x', *scale, '.', 'b', 'i', 'n', 0};
        struct pull_file *other = arena_alloc(pull->arena, sizeof *other);
        if (own->name[stem - 1] == *scale) continue;
        code = other ? beside(pull, own, own_ending + scale_ending, ending, other) : core_fail_nomem(pull->error, 0);
        if (code == FM_OK) code = ask_sidecar(pull, other);
        if (code == FM_OK && other->is_checked) {
            *first = *other;
        } else if (code == FM_OK) {
            last->otherwise = other;
            last = other;
        }
    }
    if (code < 0) return code;
    pull->n = 2;
    return first->is_checked || pull->p->unchecked ? FM_OK : no_checksum(pull, first);
}

static int by_address(struct pull *pull)
{
    char name[NET_NAME_MAX], shown[256];
    struct pull_file *own = &pull->file[0];
    int code = net_url_check(pull->p->what, pull->error);
    if (code == FM_OK) code = net_url_file(pull->p->what, name, pull->error);
    if (code < 0) return code;
    if (!find_name_length(name))
        return core_fail(pull->error, FM_ERR_ARGUMENT, "%s: neither an .onnx nor a .param file",
            net_url_shown(pull->p->what, shown, sizeof shown));
    pull->n = 1;
    own->url = pull->p->what;
    own->name = arena_strdup(pull->arena, name);
    if (!own->name) return core_fail_nomem(pull->error, 0);
    if (pull->p->sha256) {
        own->source = "the given checksum";
        own->is_checked = sha256_parse(pull->p->sha256, strlen(pull->p->sha256), own->sha256);
    } else {
        code = ask_sidecar(pull, own);
    }
    if (code == FM_OK && !own->is_checked && !pull->p->unchecked) code = no_checksum(pull, own);
    return code < 0 || !has_ending(name, ".param") ? code : add_weights(pull);
}

/* ---- by name ---- */

static int load_catalogue(struct pull *pull, const char *from, struct net_catalogue **out)
{
    char shown[256], *text;
    size_t size;
    struct net_answer answer;
    struct core_file *file;
    int code;
    *out = NULL;
    if (net_is_url(from)) {
        code = net_url_check(from, pull->error);
        pull->now = "catalogue";
        if (code == FM_OK) code = net_fetch_text(from, CATALOGUE_BYTES_MAX, waiting, pull, &text, &size, &answer, pull->error);
        if (code < 0) return code;
        code = net_catalogue_parse(text, size, net_url_shown(from, shown, sizeof shown), out, pull->error);
        core_free(text);
        return code;
    }
    code = core_file_map(from, &file, pull->error);
    if (code < 0) return code;
    code = net_catalogue_parse((const char *) file->data, file->size, from, out, pull->error);
    core_file_unmap(&file);
    return code;
}

static int by_file_name(const void *a, const void *b)
{
    return strcmp(((const struct pull_file *) a)->name, ((const struct pull_file *) b)->name);
}

/* Takes the entries of that name: the network's own file first, then the others by name, so that two pulls that share files wait
 * for each other in one order. The other names go to `close`. */
static int take_entries(struct pull *pull, const struct net_catalogue *catalogue, const char *source, struct find_close *close)
{
    const size_t length = strlen(pull->p->what);
    for (int i = 0; i < catalogue->n; i++) {
        const struct net_entry *e = &catalogue->entry[i];
        if (strcmp(e->name, pull->p->what) != 0) {
            find_close_add(close, e->name);
            continue;
        }
        if (pull->n == FILES_MAX) return core_fail(pull->error, FM_ERR_FORMAT, "%s: %s has too many files", source, e->name);
        struct pull_file *file = &pull->file[pull->n];
        *file = (struct pull_file){.name = arena_strdup(pull->arena, e->file),
            .url = arena_strdup(pull->arena, e->url),
            .source = arena_strdup(pull->arena, source),
            .is_checked = true,
            .bytes = e->bytes};
        memcpy(file->sha256, e->sha256, sizeof file->sha256);
        if (!file->name || !file->url || !file->source) return core_fail_nomem(pull->error, 0);
        pull->n++;
    }
    if (!pull->n) return FM_OK;
    int own = 0;
    while (own < pull->n && find_name_length(pull->file[own].name) != length) own++;
    if (own == pull->n)
        return core_fail(pull->error, FM_ERR_FORMAT, "%s: %s has neither an .onnx nor a .param file", source, pull->p->what);
    const struct pull_file swapped = pull->file[0];
    pull->file[0] = pull->file[own];
    pull->file[own] = swapped;
    qsort(pull->file + 1, (size_t) pull->n - 1, sizeof *pull->file, by_file_name);
    if (!pull->p->sha256) return FM_OK;
    pull->file[0].source = "the given checksum";
    (void) sha256_parse(pull->p->sha256, SHA256_TEXT - 1, pull->file[0].sha256); /* it was looked at before */
    return FM_OK;
}

static int try_catalogue(struct pull *pull, const char *from, struct find_close *close)
{
    char shown[FM_ERROR_MESSAGE_MAX];
    struct net_catalogue *catalogue;
    int code = load_catalogue(pull, from, &catalogue);
    if (code < 0) return code;
    code = take_entries(pull, catalogue, net_url_shown(from, shown, sizeof shown), close);
    net_catalogue_destroy(&catalogue);
    return code;
}

/* The catalogues of the model folders, as far as there are any; *tried counts them. */
static int try_folders(struct pull *pull, struct find_close *close, int *tried)
{
    char path[FIND_PATH_MAX];
    struct find_places places;
    struct stat st;
    int code = find_places_open(NULL, &places, pull->error);
    if (code < 0) return code;
    for (int i = 0; i < places.n && code == FM_OK && !pull->n; i++) {
        if (snprintf(path, sizeof path, "%s/catalogue.tsv", places.place[i].path) >= (int) sizeof path || stat(path, &st) != 0)
            continue;
        code = try_catalogue(pull, path, close);
        ++*tried;
    }
    find_places_close(&places);
    return code;
}

static int by_name(struct pull *pull)
{
    char close_text[FIND_CLOSE_MAX * 100 + 32], shown[256];
    struct find_close close;
    const char *from = pull->p->catalogue ? pull->p->catalogue : getenv("FM_CATALOGUE");
    int tried = 1;
    find_close_start(&close, pull->p->what);
    if (!from || !from[0]) from = NULL, tried = 0;
    const int code = from ? try_catalogue(pull, from, &close) : try_folders(pull, &close, &tried);
    if (code < 0 || pull->n) return code;
    if (!tried)
        return core_fail(pull->error, FM_ERR_ARGUMENT,
            "%s: there is no catalogue to look names up in (none was given, FM_CATALOGUE is not set, no model folder has a "
            "catalogue.tsv); "
            "an address needs none",
            pull->p->what);
    find_close_text(&close, close_text, sizeof close_text);
    return core_fail(pull->error, FM_ERR_ARGUMENT, "%s: %s has no such network%s", pull->p->what,
        from ? net_url_shown(from, shown, sizeof shown) : "the catalogue", close_text);
}

/* ---- both ---- */

static int get_one(struct pull *pull, const struct pull_file *file, struct net_download **out, long *status, struct fm_error *error)
{
    const char *path = arena_printf(pull->arena, "%s/%s", pull->folder, file->name);
    if (!path) return core_fail_nomem(error, 0);
    const struct net_file wanted = {.url = file->url,
        .path = path,
        .sha256 = file->is_checked ? file->sha256 : NULL,
        .sha256_source = file->source ? file->source : "nobody",
        .bytes = file->bytes,
        .overwrite = pull->p->overwrite,
        .progress = progress,
        .user = pull};
    pull->now = file->name;
    return net_download_get(&wanted, out, status, error);
}

/* When the server has none of the alternatives, it is the first that is said to be missing. */
static int get(struct pull *pull, const struct pull_file *file, struct net_download **out)
{
    long status = 0;
    struct fm_error error;
    int code = get_one(pull, file, out, &status, pull->error);
    for (file = file->otherwise; file && code == FM_ERR_IO && status == 404; file = file->otherwise) {
        code = get_one(pull, file, out, &status, &error);
        if (code < 0 && (code != FM_ERR_IO || status != 404)) *pull->error = error;
    }
    return code;
}

static int get_and_place(struct pull *pull)
{
    int code = net_make_folders(pull->folder, pull->error);
    for (int i = 0; i < pull->n && code == FM_OK; i++) code = get(pull, &pull->file[i], &pull->got[i]);
    for (int i = pull->n - 1; i >= 0 && code == FM_OK; i--) code = net_download_place(&pull->got[i], pull->error);
    for (int i = 0; i < pull->n; i++) net_download_drop(&pull->got[i]);
    return code;
}

int models_pull(const struct fm_models_pull_params *params, char *path, size_t path_size, struct fm_error *error)
{
    char cache[FIND_PATH_MAX];
    uint8_t digest[SHA256_SIZE];
    struct fm_error own_error;
    struct pull pull = {.p = params, .error = error ? error : &own_error, .folder = params->directory};
    if (params->sha256 && !sha256_parse(params->sha256, strlen(params->sha256), digest))
        return core_fail(error, FM_ERR_ARGUMENT, "%s: not a SHA-256 (64 hexadecimal digits)", params->sha256);
    int code = pull.folder ? FM_OK : find_cache_folder(cache, sizeof cache, error);
    if (code < 0) return code;
    if (!pull.folder) pull.folder = cache;
    pull.arena = arena_create();
    if (!pull.arena) return core_fail_nomem(error, 0);
    code = net_is_url(params->what) ? by_address(&pull) : by_name(&pull);
    if (code == FM_OK && snprintf(path, path_size, "%s/%s", pull.folder, pull.file[0].name) >= (int) path_size)
        code = core_fail(error, FM_ERR_ARGUMENT, "%s: its path does not fit in %zu bytes", pull.file[0].name, path_size);
    if (code == FM_OK) code = get_and_place(&pull);
    if (code < 0) path[0] = 0;
    arena_destroy(&pull.arena);
    return code;
}
