/* SPDX-License-Identifier: MIT */
/* Which pictures, and where each result goes. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "upscale.h"
#include "walk.h"

struct search {
    struct pictures *pictures;
    const struct settings *settings;
    struct stat output; /* of the output folder, when it is there */
    bool output_exists;
    const char *folder; /* where results of the input at hand go; NULL: beside each */
    const char *base;   /* a folder's own name below that, or "" */
    bool among_results; /* results lie in the folder that is walked */
    bool no_memory;
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The dot before the end of a name ("photo.JPG"), or NULL: hidden files (".png") have none. */
static const char *dot_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && dot > name && dot[1] ? dot : NULL;
}

void picture_fail(struct picture *picture, enum outcome outcome, const char *message)
{
    picture->outcome = outcome;
    free(picture->message);
    picture->message = message ? strdup(message) : NULL;
}

static struct picture *add(struct search *search, const char *input)
{
    struct pictures *p = search->pictures;
    if (p->n == p->capacity) {
        const int capacity = p->capacity ? 2 * p->capacity : 64;
        struct picture *list = p->capacity < INT_MAX / 2 ? realloc(p->list, (size_t) capacity * sizeof *list) : NULL;
        if (!list) return search->no_memory = true, NULL;
        p->list = list;
        p->capacity = capacity;
    }
    struct picture *picture = &p->list[p->n];
    *picture = (struct picture){.input = strdup(input)};
    if (!picture->input) return search->no_memory = true, NULL;
    p->n++;
    return picture;
}

static bool add_failed(struct search *search, const char *input, enum outcome outcome, const char *message)
{
    struct picture *picture = add(search, input);
    if (picture) picture_fail(picture, outcome, message);
    return picture != NULL;
}

/* "a/b/photo.JPG" -> "a/b/photo_x2.webp": the end is kept where it names the format that is written. `more` goes before the end. */
static char *result_name(const struct search *search, const char *below, const char *format, const char *more)
{
    const char *name = base_name(below), *dot = dot_of(name);
    const char *own = dot ? fm_upscale_format(dot + 1) : NULL;
    const bool is_end = dot && (own || fm_upscale_is_picture_name(name));
    const int stem = (int) ((is_end ? dot : name + strlen(name)) - below);
    const char *end = own && !strcmp(own, format) ? dot + 1 : fm_upscale_extension(format);
    return text_of("%.*s%s%s.%s", stem, below, search->settings->suffix, more, end);
}

/* Gives the picture its format and output. `below`: its place in the output folder. */
static bool place(struct search *search, struct picture *picture, const char *below)
{
    const char *dot = dot_of(base_name(below));
    picture->format = search->settings->format;
    if (!picture->format && dot) picture->format = fm_upscale_format(dot + 1);
    if (!picture->format) picture->format = "png";
    char *name = result_name(search, below, picture->format, "");
    if (name && search->folder) {
        const char *folder = search->folder, *slash = folder[strlen(folder) - 1] == '/' ? "" : "/";
        picture->output = text_of("%s%s%s%s%s", folder, slash, search->base, *search->base ? "/" : "", name);
        free(name);
    } else {
        picture->output = name;
    }
    if (!picture->output) search->no_memory = true;
    return picture->output != NULL;
}

/* Results of an earlier call that lie among the pictures: "photo_x2.png" where --suffix _x2 is asked for. */
static bool is_result(const struct search *search, const char *name)
{
    const char *dot = dot_of(name), *suffix = search->settings->suffix;
    const size_t stem = dot ? (size_t) (dot - name) : strlen(name), n = strlen(suffix);
    return n && search->among_results && stem > n && !strncmp(name + stem - n, suffix, n);
}

static bool meet_file(void *user, const char *path, const char *below)
{
    struct search *search = user;
    const char *name = base_name(below);
    if (!fm_upscale_is_picture_name(name) || is_result(search, name)) {
        search->pictures->left_out++;
        return true;
    }
    struct picture *picture = add(search, path);
    return picture && place(search, picture, search->folder ? below : path);
}

static bool meet_fault(void *user, const char *path, int error)
{
    return add_failed(user, path, OUTCOME_BAD_INPUT, strerror(error));
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* What a folder is called: "b" of "a/b/"; "" of ".", ".." and "/". */
static char *own_name(const char *folder)
{
    size_t end = strlen(folder), start;
    while (end && folder[end - 1] == '/') end--;
    for (start = end; start && folder[start - 1] != '/';) start--;
    const size_t n = end - start;
    const bool no_name = n == 0 || (n <= 2 && !strncmp(folder + start, "..", n));
    return strndup(folder + start, no_name ? 0 : n);
}

/* One folder: what is in it goes to OUT. Several inputs: to OUT/its name. */
static bool find_in_folder(struct search *search, const char *folder, const struct stat *st)
{
    const struct walk_visitor visitor = {meet_file, meet_fault, search};
    const bool here = search->output_exists && is_same(st, &search->output);
    const struct stat *skip = search->output_exists && !here ? &search->output : NULL;
    char *name = search->settings->n_inputs > 1 ? own_name(folder) : strdup("");
    const int before = search->pictures->n;
    bool no_memory = !name;
    search->base = name;
    search->among_results = here || !search->folder;
    bool on = name && walk_folder(folder, skip, &visitor, &search->pictures->left_out, &no_memory);
    if (no_memory) search->no_memory = true;
    if (on && search->pictures->n == before)
        on = add_failed(search, folder, OUTCOME_BAD_INPUT, "there are no pictures in that folder");
    search->base = "";
    free(name);
    return on;
}

static bool find_one(struct search *search, const char *input)
{
    struct stat st;
    if (stat(input, &st) != 0) return add_failed(search, input, OUTCOME_BAD_INPUT, strerror(errno));
    if (S_ISDIR(st.st_mode)) return find_in_folder(search, input, &st);
    struct picture *picture = add(search, input);
    return picture && place(search, picture, search->folder ? base_name(input) : input);
}

/* Pictures by the names of their results; of one name, those first that have its end themselves. */
struct by_output {
    const struct picture *picture;
    int index;
    bool changes_end;
};

static struct by_output by_output(const struct pictures *pictures, int index)
{
    const struct picture *p = &pictures->list[index];
    const char *from = dot_of(base_name(p->input)), *to = dot_of(base_name(p->output));
    return (struct by_output){p, index, !from || !to || strcasecmp(from, to) != 0};
}

static int compare_outputs(const void *a, const void *b)
{
    const struct by_output *x = a, *y = b;
    const int order = strcmp(x->picture->output, y->picture->output);
    if (order) return order;
    return x->changes_end != y->changes_end ? (int) x->changes_end - (int) y->changes_end
                                            : (x->index > y->index) - (x->index < y->index);
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return !strcmp(a, b) || (stat(a, &x) == 0 && stat(b, &y) == 0 && is_same(&x, &y));
}

/* Two results of one name: the second is called after its whole input ("a.jpg.webp"), once; what is then still taken fails.
 * False: out of memory. */
static bool part(const struct picture *first, struct picture *second)
{
    const char *dot = dot_of(base_name(second->input)), *end = dot_of(base_name(second->output));
    if (is_same_file(first->input, second->input)) {
        picture_fail(second, OUTCOME_SKIPPED, "the same picture is named twice");
        return second->message != NULL;
    }
    if (!second->warning && dot && end && strcasecmp(dot, end) != 0) {
        char *name = text_of("%.*s%s%s", (int) (end - second->output), second->output, dot, end);
        second->warning = name ? text_of("%s is the result of %s: this one goes to %s", second->output, first->input, name) : NULL;
        free(second->output);
        second->output = name;
        return second->warning != NULL;
    }
    char *text = text_of("%s is the result of %s already", second->output, first->input);
    picture_fail(second, OUTCOME_FAILED, text);
    free(text);
    return second->message != NULL;
}

/* Until nothing changes. */
static bool part_collisions(struct pictures *pictures)
{
    struct by_output *list = calloc((size_t) pictures->n + 1, sizeof *list);
    bool changed = true, ok = list != NULL;
    while (ok && changed) {
        int n = 0, first = 0;
        changed = false;
        for (int i = 0; i < pictures->n; i++)
            if (pictures->list[i].outcome == OUTCOME_OPEN) list[n++] = by_output(pictures, i);
        qsort(list, (size_t) n, sizeof *list, compare_outputs);
        /* names change under way: only neighbours that still share one are parted, the rest waits for the next round */
        for (int i = 1; ok && i < n; i++) {
            if (strcmp(list[first].picture->output, list[i].picture->output) != 0) {
                first = i;
                continue;
            }
            ok = part(list[first].picture, &pictures->list[list[i].index]);
            changed = true;
        }
    }
    free(list);
    return ok;
}

/* What stands in the way of a result. */
static bool check_results(struct pictures *pictures, const struct settings *settings)
{
    struct file_ids inputs = {0};
    struct stat st;
    bool ok = true;
    for (int i = 0; ok && i < pictures->n; i++)
        if (stat(pictures->list[i].input, &st) == 0) ok = file_ids_add(&inputs, &st) >= 0;
    for (int i = 0; ok && i < pictures->n; i++) {
        struct picture *p = &pictures->list[i];
        char *message = NULL;
        if (p->outcome != OUTCOME_OPEN || lstat(p->output, &st) != 0) continue;
        const bool is_link = S_ISLNK(st.st_mode);
        struct stat target = st;
        const bool leads = !is_link || stat(p->output, &target) == 0, is_input = leads && file_ids_has(&inputs, &target);
        if (is_input)
            message = text_of("its result %s would replace %s", p->output,
                is_same_file(p->input, p->output) ? "the picture itself" : "another input");
        else if (S_ISDIR(target.st_mode))
            message = text_of("%s is a folder", p->output);
        else if (settings->skip_existing)
            message = text_of("%s exists", p->output);
        else if (!settings->params.overwrite)
            message = text_of("%s exists; use --overwrite or --skip-existing", p->output);
        else
            continue;
        const bool skip = settings->skip_existing && !S_ISDIR(target.st_mode) && !is_input;
        ok = message != NULL;
        picture_fail(p, skip ? OUTCOME_SKIPPED : OUTCOME_FAILED, message);
        free(message);
    }
    file_ids_free(&inputs);
    return ok;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int refuse(const char *path, const char *why)
{
    fprintf(stderr, "framemill upscale: %s: %s\n", path, why);
    return EXIT_USAGE;
}

/* IN OUT, both files. */
static int find_single(struct search *search)
{
    const struct settings *s = search->settings;
    const char *name = base_name(s->output), *dot = dot_of(name);
    const char *format = s->format ? s->format : dot ? fm_upscale_format(dot + 1) : NULL;
    if (*s->suffix)
        return refuse(s->output, "with --suffix the output is a folder (end it with a slash to have it made), or left out");
    if (!format && dot) return refuse(s->output, "no picture format that can be written by that name (-f FORMAT says one)");
    if (!format) return refuse(s->output, "no picture format by that name; end it with a slash to have a folder made");
    struct stat st;
    const char *input = s->input[0];
    if (stat(input, &st) != 0) {
        search->no_memory = !add_failed(search, input, OUTCOME_BAD_INPUT, strerror(errno));
        return EXIT_DONE;
    }
    struct picture *picture = add(search, input);
    if (!picture) return EXIT_DONE;
    picture->format = format;
    picture->output = strdup(s->output);
    if (!picture->output) search->no_memory = true;
    return EXIT_DONE;
}

int pictures_find(struct pictures *pictures, const struct settings *settings)
{
    struct search search = {.pictures = pictures, .settings = settings, .folder = settings->output, .base = ""};
    const char *out = settings->output;
    int status = EXIT_DONE;
    *pictures = (struct pictures){0};
    search.output_exists = out && stat(out, &search.output) == 0;
    const bool is_file = search.output_exists && !S_ISDIR(search.output.st_mode);
    const bool wants_folder = out && (settings->n_inputs > 1 || is_folder(settings->input[0]) || out[strlen(out) - 1] == '/');
    if (wants_folder && is_file) return refuse(out, "is a file: several pictures need a folder");
    const bool is_single = out && !wants_folder && (is_file || !search.output_exists);
    if (!is_single) pictures->folder = out;
    if (is_single)
        status = find_single(&search);
    else
        for (int i = 0; i < settings->n_inputs && !search.no_memory; i++) find_one(&search, settings->input[i]);
    if (status == EXIT_DONE && !search.no_memory)
        search.no_memory = !part_collisions(pictures) || !check_results(pictures, settings);
    if (!search.no_memory) return status;
    fprintf(stderr, "framemill: out of memory\n");
    return EXIT_FAILED;
}

/* 0, or errno. */
static int prepare_folder(const char *path)
{
    const int error = make_folders(path);
    return error ? error : access(path, W_OK | X_OK) == 0 ? 0 : errno;
}

int pictures_make_folders(struct pictures *pictures)
{
    char *last = NULL; /* neighbours share one */
    int error = pictures->folder ? prepare_folder(pictures->folder) : 0;
    if (error) return error;
    for (int i = 0; i < pictures->n; i++) {
        struct picture *p = &pictures->list[i];
        const char *slash = p->output ? strrchr(p->output, '/') : NULL;
        if (p->outcome != OUTCOME_OPEN || !slash || slash == p->output) continue;
        const size_t n = (size_t) (slash - p->output);
        if (!last || strlen(last) != n || strncmp(last, p->output, n) != 0) {
            free(last);
            last = strndup(p->output, n);
            error = last ? prepare_folder(last) : ENOMEM;
        }
        if (!error) continue;
        char *message = text_of("%.*s: %s", (int) n, p->output, strerror(error));
        picture_fail(p, OUTCOME_FAILED, message);
        free(message);
    }
    free(last);
    return 0;
}

void pictures_free(struct pictures *pictures)
{
    for (int i = 0; i < pictures->n; i++) {
        struct picture *p = &pictures->list[i];
        free(p->input);
        free(p->output);
        free(p->message);
        free(p->warning);
    }
    free(pictures->list);
    *pictures = (struct pictures){0};
}
