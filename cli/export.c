/* SPDX-License-Identifier: MIT */
/* framemill export: a network in another form. Today there is one: shaders for the web. */
#include <stdio.h>

#include "commands.h"

static void print_report(const struct fm_web_report *r, const char *directory, bool embed)
{
    printf("%s: %d layers in %d dispatches and the blit to the canvas\n", r->name, r->layers, r->dispatches);
    printf("  multiply-adds     %.0f for each pixel of the output\n", r->macs);
    printf("  weights           %zu bytes as halves", r->weights_bytes);
    if (r->weights_error > 0)
        printf(", off by up to %.2g %% of themselves\n", 100 * r->weights_error);
    else
        printf(", exactly those of the file\n");
    printf("  a workgroup       %d threads, %zu bytes of its memory\n", r->threads, r->workgroup_bytes);
    printf("  moved for a frame %.1f MB from %dx%d to %dx%d, %.1f times the floor of %.1f MB\n", r->bytes / 1e6, r->source_width,
        r->source_height, r->output_width, r->output_height, r->bytes / r->floor_bytes, r->floor_bytes / 1e6);
    printf("  written           %s/%s%s, %zu bytes in all\n", directory, r->name,
        embed ? ".js" : ".json, .bin, .f32.wgsl, .f16.wgsl", r->file_bytes);
}

int command_export(const struct args *args)
{
    const char *model = args_value(args, "web"), *directory = args_value(args, "output");
    if (!model || !directory || args->n_words) {
        fprintf(stderr, "framemill export: --web MODEL and -o DIR are wanted, and nothing else; --help says more\n");
        return EXIT_USAGE;
    }
    int status = EXIT_FAILED;
    fm_engine *engine = open_engine(args, &status);
    if (!engine) return status;
    const struct fm_web_params params = {.size = sizeof params,
        .model = model,
        .model_dir = args_value(args, "model-dir"),
        .directory = directory,
        .embed = args_flag(args, "inline")};
    struct fm_web_report r = {.size = sizeof r};
    struct fm_error error = {0};
    if (fm_web_export(engine, &params, &r, &error) < 0) {
        status = report(&error);
    } else {
        print_report(&r, directory, params.embed);
        status = EXIT_DONE;
    }
    fm_engine_unref(&engine);
    return status;
}
