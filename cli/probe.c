/* SPDX-License-Identifier: MIT */
/* framemill probe: what is in a video, a picture or a network. */
#include "probe.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "commands.h"

#define OPTIONS_MAX 32

static bool ends_in(const char *path, const char *end)
{
    const size_t n = strlen(path), m = strlen(end);
    return n > m && !strcasecmp(path + n - m, end);
}

static int probe_network(const char *path, bool json)
{
    struct fm_error error = {0};
    struct fm_model_info info = {.size = sizeof info};
    fm_model *model = NULL;
    int code = fm_model_open(path, &model, &error);
    if (code == FM_OK) code = fm_model_get_info(model, NULL, &info, &error);
    if (code == FM_OK) (json ? probe_print_network_json : probe_print_network)(stdout, path, model, &info);
    fm_model_unref(&model);
    return code < 0 ? report(&error) : EXIT_DONE;
}

static int probe_one(const char *path, const struct fm_probe_params *params, bool json)
{
    struct fm_error error = {0};
    fm_probe *probe = NULL;
    if (ends_in(path, ".onnx") || ends_in(path, ".param")) return probe_network(path, json);
    if (fm_probe_open(path, params, &probe, &error) < 0) return report(&error);
    (json ? probe_print_json : probe_print)(stdout, path, probe);
    fm_probe_close(&probe);
    return EXIT_DONE;
}

int command_probe(const struct args *args)
{
    const char *options[OPTIONS_MAX + 1] = {NULL};
    const struct fm_probe_params params = {.size = sizeof params, .options = options};
    int n = 0, status = EXIT_DONE;
    if (args->n_words == 0) {
        fprintf(stderr, "framemill probe: which file? (see framemill probe --help)\n");
        return EXIT_USAGE;
    }
    for (int i = 0; i < args->n_given; i++) {
        if (strcmp(args->given[i].name, "input-option") != 0) continue;
        if (n == OPTIONS_MAX) {
            fprintf(stderr, "framemill probe: more than %d times --input-option\n", OPTIONS_MAX);
            return EXIT_USAGE;
        }
        options[n++] = args->given[i].value;
    }
    for (int i = 0; i < args->n_words; i++) {
        const int one = probe_one(args->word[i], &params, args_flag(args, "json"));
        if (one != EXIT_DONE && status != EXIT_FAILED) status = one;
        fflush(stdout); /* what is printed here and to standard error stays in order */
    }
    return status;
}
