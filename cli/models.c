/* SPDX-License-Identifier: MIT */
/* framemill models: what networks are here, what they are and how they would run, how new ones come. This file: info. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "models.h"

static void print_port(const char *kind, const struct fm_model_port *port)
{
    printf("%-10s %s  %s", kind, port->name, port->dtype ? fm_dtype_name(port->dtype) : "type follows from the input");
    if (port->rank >= 0) printf("  ");
    for (int i = 0; i < port->rank; i++) {
        if (port->dim[i] >= 0)
            printf("%s%lld", i ? "x" : "", (long long) port->dim[i]);
        else
            printf("%s%s", i ? "x" : "", port->dim_name[i] && port->dim_name[i][0] ? port->dim_name[i] : "?");
    }
    printf("\n");
}

static int print_plan(const struct args *args, fm_model *model, const struct fm_tensor *inputs)
{
    struct fm_error error = {0};
    struct fm_plan_params params = {.size = sizeof params};
    int status = EXIT_USAGE;
    if (!args_int(args, "tile", 0, 1 << 20, 0, &params.tile) || !args_bytes(args, "memory", &params.memory)) return EXIT_USAGE;
    fm_engine *engine = open_engine(args, &status);
    if (!engine) return status;
    fm_plan *plan = NULL;
    if (fm_plan_create(engine, model, inputs, &params, &plan, &error) < 0) {
        fm_engine_unref(&engine);
        return report(&error);
    }
    struct fm_plan_info info = {.size = sizeof info};
    fm_plan_get_info(plan, &info);
    printf("plan       %s, weights %.1f MB, session %.1f MB, ", info.backend, (double) info.weights_bytes / 1e6,
        (double) info.session_bytes / 1e6);
    if (info.tiles > 1)
        printf("%d tiles of %d\n", info.tiles, info.tile);
    else
        printf("whole picture\n");
    struct fm_plan_step step = {.size = sizeof step};
    for (int i = 0; fm_plan_get_step(plan, i, &step) == FM_OK; i++) {
        printf("  %-40s %-22s", step.what, step.how);
        if (step.macs > 0) printf(" %10.3f GMAC", step.macs / 1e9);
        printf("\n");
    }
    fm_plan_unref(&plan);
    fm_engine_unref(&engine);
    return EXIT_DONE;
}

int command_models_info(const struct args *args, const char *name_or_file)
{
    struct fm_error error = {0};
    char path[4096];
    fm_model *model = NULL;
    int w = 640, h = 360;
    if (!args_size(args, "size", &w, &h)) return EXIT_USAGE;
    if (fm_models_find(name_or_file, args_value(args, "model-dir"), path, sizeof path, &error) < 0) return report(&error);
    if (fm_model_open(path, &model, &error) < 0) return report(&error);
    struct fm_tensor *inputs = sizes_for(model, w, h);
    struct fm_model_info info = {.size = sizeof info};
    int status = EXIT_FAILED;
    if (!inputs) {
        fprintf(stderr, "framemill: out of memory\n");
        goto done;
    }
    struct fm_model_port port;
    for (int k = 0; fm_model_input(model, k, &port) == FM_OK; k++) print_port("input", &port);
    for (int k = 0; fm_model_output(model, k, &port) == FM_OK; k++) print_port("output", &port);
    const char *key, *value;
    for (int i = 0; fm_model_metadata(model, i, &key, &value) == FM_OK; i++) printf("%-10s %s = %s\n", "metadata", key, value);
    if (fm_model_get_info(model, inputs, &info, &error) < 0) {
        status = report(&error);
        goto done;
    }
    char dims[128];
    printf("%-10s %s\n", "format", info.format);
    printf("%-10s %lld\n", "parameters", (long long) info.parameters);
    printf("%-10s %.4f GMAC", "cost", info.macs / 1e9);
    if (info.macs_per_pixel > 0) printf(", %.0f MAC per input pixel", info.macs_per_pixel);
    printf(" at %s\n", fm_model_input_count(model) ? dims_text(&inputs[0], dims, sizeof dims) : "no input");
    if (info.bounded) {
        printf("%-10s an output pixel depends on %dx%d input pixels; tiles are exact\n", "field", 2 * info.field_x + 1,
            2 * info.field_y + 1);
        printf("%-10s %d/%d\n", "scale", info.scale_num, info.scale_den);
    } else {
        printf("%-10s the whole picture, or its place, matters: %s\n", "field", info.unbounded_reason);
    }
    printf("%-10s", "operators");
    int count;
    for (int i = 0; fm_model_operator(model, i, &key, &count) == FM_OK; i++) printf("%s %s x%d", i ? "," : "", key, count);
    printf("\n");
    status = print_plan(args, model, inputs);
done:
    free_inputs(&inputs, fm_model_input_count(model));
    fm_model_unref(&model);
    return status;
}

int command_models(const struct args *args)
{
    if (args->n_words == 1 && !strcmp(args->word[0], "list")) return command_models_list(args);
    if (args->n_words == 2 && !strcmp(args->word[0], "info")) return command_models_info(args, args->word[1]);
    if (args->n_words == 2 && !strcmp(args->word[0], "pull")) return command_models_pull(args, args->word[1]);
    fprintf(stderr, "framemill models: expected 'list', 'info MODEL' or 'pull URL|NAME' (see framemill models --help)\n");
    return EXIT_USAGE;
}
