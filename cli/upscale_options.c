/* SPDX-License-Identifier: MIT */
/* Options of framemill upscale, the short ones as users of the ncnn upscalers type them. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "framemill/models.h"
#include "upscale_video.h"
#include "walk.h"

#define MAX_SCALE 64.0
#define MIN_TILE 16

static int no_memory(void)
{
    fprintf(stderr, "framemill: out of memory\n");
    return EXIT_FAILED;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A string that the settings own. */
static const char *keep(struct settings *s, char *text)
{
    if (!text) return NULL;
    char **list = realloc(s->text, ((size_t) s->n_texts + 1) * sizeof *list);
    if (!list) {
        free(text);
        return NULL;
    }
    s->text = list;
    s->text[s->n_texts] = text;
    return s->text[s->n_texts++];
}

static bool append(const char ***list, const char *text)
{
    size_t n = 0;
    while (*list && (*list)[n]) n++;
    const char **longer = text ? realloc(*list, (n + 2) * sizeof *longer) : NULL;
    if (!longer) return false;
    longer[n] = text;
    longer[n + 1] = NULL;
    *list = longer;
    return true;
}

static bool is_number(const char *text, int low, int high, int *value)
{
    char *end;
    const long number = strtol(text, &end, 10);
    if (end == text || *end || number < low || number > high) return false;
    *value = (int) number;
    return true;
}

/* Reads "2" or "1,2,2" (one for each GPU: the first is ours). */
static bool read_first(const char *text, size_t length, int low, int high, int *value)
{
    char word[16];
    const size_t n = strcspn(text, ",") < length ? strcspn(text, ",") : length;
    if (n >= sizeof word) return false;
    memcpy(word, text, n);
    word[n] = 0;
    return is_number(word, low, high, value);
}

static int read_threads(struct settings *s, const struct args *args)
{
    static const char wanted[] = "a number of threads, or load:proc:save such as 1:2:2";
    const char *text = args_value(args, "threads");
    if (!text) return EXIT_DONE;
    const char *first = strchr(text, ':'), *second = first ? strchr(first + 1, ':') : NULL;
    int load;
    bool right = false;
    if (!first)
        right = is_number(text, 1, 1024, &s->engine.threads);
    else if (second)
        right = is_number(second + 1, 1, 1024, &s->params.writers) && read_first(text, (size_t) (first - text), 1, 1024, &load) &&
                read_first(first + 1, (size_t) (second - first - 1), 1, 1024, &s->params.workers);
    return right || args_complain(args, "threads", text, wanted) ? EXIT_DONE : EXIT_USAGE;
}

static int read_gpu(struct settings *s, const struct args *args)
{
    const char *text = args_value(args, "gpu");
    if (!text) return EXIT_DONE;
    if (!strcmp(text, "auto")) return EXIT_DONE;
    for (const char *p = text;; p++) {
        int id;
        const size_t n = strcspn(p, ",");
        if (!read_first(p, n, -1, 255, &id))
            return args_complain(args, "gpu", text, "the number of a GPU, or -1 for the CPU"), EXIT_USAGE;
        if (id >= 0) s->gpu_wanted = true;
        p += n;
        if (!*p) return EXIT_DONE;
    }
}

/* -t as the ncnn upscalers have it: "0", "256", "0,0,0". */
static int read_tile(struct settings *s, const struct args *args)
{
    const char *text = args_value(args, "tile");
    int *tile = &s->params.tile;
    if (!text || (read_first(text, strlen(text), 0, 1 << 20, tile) && (*tile == 0 || *tile >= MIN_TILE))) return EXIT_DONE;
    return args_complain(args, "tile", text, "0, or a number of pixels from 16"), EXIT_USAGE;
}

static int read_format(struct settings *s, const struct args *args)
{
    static const char *const known[] = {"png", "jpg", "webp", "tiff", "avif", "heic", "jxl", "ppm"};
    const char *text = args_value(args, "format");
    if (!text || s->is_video) return EXIT_DONE; /* a container's name then */
    const char *name = text + (text[0] == '.');
    s->format = strpbrk(name, "./") ? NULL : fm_upscale_format(name);
    if (s->format) return EXIT_DONE;
    char list[128] = "a format that can be written:";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (fm_upscale_format(known[i])) snprintf(list + strlen(list), sizeof list - strlen(list), "%s %s", i ? "," : "", known[i]);
    return args_complain(args, "format", text, list), EXIT_USAGE;
}

static int read_progress(struct settings *s, const struct args *args)
{
    static const char *const modes[] = {[PROGRESS_BAR] = "bar", [PROGRESS_JSON] = "json", [PROGRESS_NONE] = "none"};
    const char *text = args_value(args, "progress");
    if (!text) return EXIT_DONE;
    for (int i = 0; i < 3; i++)
        if (!strcmp(text, modes[i])) return s->progress = (enum progress_mode) i, EXIT_DONE;
    return args_complain(args, "progress", text, "bar, json or none"), EXIT_USAGE;
}

static int read_numbers(struct settings *s, const struct args *args)
{
    struct fm_upscale_params *p = &s->params;
    int overlap, compression;
    if (!args_number(args, "scale", 0, MAX_SCALE, 0, &p->scale) || !args_int(args, "overlap", 0, 1024, 10, &overlap) ||
        !args_bytes(args, "memory", &p->memory) || !args_int(args, "quality", 1, 100, 0, &p->quality) ||
        !args_int(args, "compression", 0, 9, -1, &compression))
        return EXIT_USAGE;
    p->overlap = overlap ? overlap : -1;
    p->compression = compression < 0 ? 0 : compression == 0 ? -1 : compression; /* 0 is the default there */
    return EXIT_DONE;
}

/* Whether a network of that name is there; keeps the name when it is. */
static const char *found(struct settings *s, char *name)
{
    char path[4096];
    struct fm_error error = {0};
    const bool is_there = name && fm_models_find(name, s->params.model_dir, path, sizeof path, &error) == FM_OK;
    if (is_there) return keep(s, name);
    free(name);
    return NULL;
}

/* What the ncnn upscalers open for -n NAME -s SCALE. */
static const char *network_of(struct settings *s, const char *name)
{
    const double scale = s->params.scale;
    const char *model = NULL;
    int noise;
    if (is_number(name, -1, 3, &noise)) { /* waifu2x, Real-CUGAN: how much noise to take away */
        const int up = scale >= 2 ? (int) scale : 2;
        if (scale == 1)
            model = found(s, text_of("noise%d_model", noise));
        else if (!(model = found(s, noise < 0 ? strdup("scale2.0x_model") : text_of("noise%d_scale2.0x_model", noise))))
            model = found(s, noise < 0    ? text_of("up%dx-conservative", up)
                             : noise == 0 ? text_of("up%dx-no-denoise", up)
                                          : text_of("up%dx-denoise%dx", up, noise));
    } else if (!(model = found(s, strdup(name)))) {
        static const double usual[] = {4, 2, 3};
        if (scale > 0) model = found(s, text_of("%s-x%g", name, scale));
        for (int i = 0; i < 3 && scale <= 0 && !model; i++) model = found(s, text_of("%s-x%g", name, usual[i]));
    }
    return model ? model : name;
}

/* A list with commas, unless there is a file of that very name. */
static bool add_models(struct settings *s, const char *text)
{
    struct stat st;
    if (!strchr(text, ',') || stat(text, &st) == 0) return append(&s->model, text);
    char *copy = strdup(text);
    if (!keep(s, copy)) return false;
    for (char *rest = copy, *word = strsep(&rest, ","); word; word = strsep(&rest, ","))
        if (*word && !append(&s->model, word)) return false;
    return true;
}

struct only {
    struct settings *settings;
    char names[200];
    const char *path;
    int n;
    bool no_memory;
};

static int count_given(void *user, const char *name, const char *path, const char *where, bool shadowed)
{
    struct only *only = user;
    if (strcmp(where, "given") != 0 || shadowed) return 0;
    const size_t used = strlen(only->names);
    snprintf(only->names + used, sizeof only->names - used, "%s%s", only->n ? ", " : "", name);
    if (only->n++ == 0 && !(only->path = keep(only->settings, strdup(path)))) only->no_memory = true;
    return only->no_memory;
}

/* -m DIR without -n: the network in it. */
static int only_network(struct settings *s, const char *folder)
{
    struct fm_error error = {0};
    struct only only = {.settings = s};
    const int rc = fm_models_each(folder, count_given, &only, &error);
    if (only.no_memory) return no_memory();
    if (rc < 0) return fprintf(stderr, "framemill: %s\n", error.message), EXIT_FAILED;
    if (only.n == 1) return append(&s->model, only.path) ? EXIT_DONE : no_memory();
    if (only.n == 0)
        fprintf(stderr, "framemill upscale: -m %s: there is no network in that folder\n", folder);
    else
        fprintf(stderr, "framemill upscale: -m %s: which network? -n NAME (%s%s)\n", folder, only.names,
            strlen(only.names) >= sizeof only.names - 1 ? "..." : "");
    return EXIT_USAGE;
}

static int read_models(struct settings *s, const struct args *args)
{
    const char *folder = NULL; /* of -m */
    s->params.model_dir = args_value(args, "model-dir");
    if (s->params.model_dir && !is_folder(s->params.model_dir))
        return args_complain(args, "model-dir", s->params.model_dir, "a folder"), EXIT_USAGE;
    for (int i = 0; i < args->n_given; i++)
        if (!strcmp(args->given[i].name, "model") && is_folder(args->given[i].value)) folder = args->given[i].value;
    if (folder) s->params.model_dir = folder;
    for (int i = 0; i < args->n_given; i++) {
        const char *value = args->given[i].value;
        bool right = true;
        if (!strcmp(args->given[i].name, "model") && !is_folder(value)) right = add_models(s, value);
        if (!strcmp(args->given[i].name, "name")) right = append(&s->model, network_of(s, value));
        if (!right) return no_memory();
    }
    return folder && !s->model ? only_network(s, folder) : EXIT_DONE;
}

static bool is_plain_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

/* Which words are inputs, and which the output: the last one, unless -o says it, or --suffix makes one needless. */
static int read_places(struct settings *s, const struct args *args)
{
    s->input = calloc((size_t) args->n_given + (size_t) args->n_words + 1, sizeof *s->input);
    if (!s->input) return no_memory();
    for (int i = 0; i < args->n_given; i++)
        if (!strcmp(args->given[i].name, "input")) s->input[s->n_inputs++] = args->given[i].value;
    for (int i = 0; i < args->n_words; i++) s->input[s->n_inputs++] = args->word[i];
    s->output = args_value(args, "output");
    const char *last = args->n_words ? args->word[args->n_words - 1] : NULL, *fault = NULL;
    const bool beside = *s->suffix && (s->n_inputs == 1 || (last && is_plain_file(last)));
    if (!s->output && last && s->n_inputs > 1 && !beside) {
        s->output = last;
        s->n_inputs--;
    }
    if (!s->n_inputs)
        fault = "which pictures?";
    else if (!s->output && !*s->suffix && !args_flag(args, "benchmark"))
        fault = "where to? (framemill upscale IN... OUT, or --suffix TEXT for results beside the pictures)";
    for (int i = 0; i < s->n_inputs; i++)
        if (!*s->input[i]) fault = "the name of an input is empty";
    if (s->output && !*s->output) fault = "the name of the output is empty";
    s->is_video = !fault && is_video_job(s, args);
    if (!fault && !s->is_video && (args_value(args, "workers") || args_flag(args, "isolate")))
        fault = "--workers and --isolate are for videos";
    if (!fault) return EXIT_DONE;
    fprintf(stderr, "framemill upscale: %s (see framemill upscale --help)\n", fault);
    return EXIT_USAGE;
}

static int read_flags(struct settings *s, const struct args *args)
{
    struct fm_upscale_params *p = &s->params;
    p->ensemble = args_flag(args, "ensemble");
    p->strict = args_flag(args, "strict");
    p->compare = args_flag(args, "compare");
    p->overwrite = args_flag(args, "overwrite");
    s->skip_existing = args_flag(args, "skip-existing");
    s->dry_run = args_flag(args, "dry-run");
    s->json = args_flag(args, "json");
    s->verbose = args_flag(args, "verbose");
    s->quiet = args_flag(args, "quiet");
    s->terminal = isatty(STDERR_FILENO);
    s->suffix = args_value(args, "suffix") ? args_value(args, "suffix") : "";
    s->engine.cpu_mask = args_value(args, "cpumask");
    if (strchr(s->suffix, '/')) return args_complain(args, "suffix", s->suffix, "a part of a file name"), EXIT_USAGE;
    for (int i = 0; i < args->n_given; i++)
        if (!strcmp(args->given[i].name, "plugin") && !append(&s->plugin, args->given[i].value)) return no_memory();
    if (!p->overwrite || !s->skip_existing) return EXIT_DONE;
    fprintf(stderr, "framemill upscale: --overwrite and --skip-existing exclude each other\n");
    return EXIT_USAGE;
}

int settings_read(struct settings *s, const struct args *args)
{
    *s = (struct settings){.params.size = sizeof s->params, .engine.size = sizeof s->engine};
    int (*const steps[])(struct settings *, const struct args *) = {
        read_flags, read_numbers, read_threads, read_gpu, read_tile, read_places, read_format, read_progress, read_models};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const int status = steps[i](s, args);
        if (status != EXIT_DONE) return status;
    }
    s->params.models = s->model;
    s->params.plugins = s->plugin;
    return EXIT_DONE;
}

void settings_free(struct settings *s)
{
    for (int i = 0; i < s->n_texts; i++) free(s->text[i]);
    free(s->text);
    free(s->input);
    free(s->model);
    free(s->plugin);
    *s = (struct settings){0};
}
