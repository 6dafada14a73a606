/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "upscale_video.h"

static const struct {
    const char *name, *usage, *help;
    int (*run)(const struct args *args);
} commands[] = {
    {"upscale", "upscale IN... OUT [-s SCALE] [-m MODEL]", "video or pictures in, larger ones out", command_upscale},
    {"run", "run MODEL [-i [NAME=]FILE.npy]... -o DIR", "runs a network: arrays in, arrays out", command_run},
    {"models", "models list | info MODEL | pull URL|NAME", "the networks here; what one is; getting one", command_models},
    {"doctor", "doctor [NAME...]", "what this machine can do, and whether it does it right", command_doctor},
    {"probe", "probe FILE...", "what is in a video, a picture, a network", command_probe},
    {"export", "export --web MODEL -o DIR", "a network as shaders for a web page", command_export},
    {"bench", "bench WHAT [MODEL...]", "measures: latency, throughput, memory, thermal, network, peers", command_bench},
};
#define N_COMMANDS ((int) (sizeof commands / sizeof *commands))

static void print_usage(FILE *to)
{
    fprintf(to, "framemill %s - small neural networks on frames, in real time, on the machine you have\n\n", fm_version());
    for (int i = 0; i < N_COMMANDS; i++) fprintf(to, "  framemill %-44s %s\n", commands[i].usage, commands[i].help);
    fprintf(
        to, "\nframemill COMMAND --help lists a command's options. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 bad input.\n");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
        printf("framemill %s\n", fm_version());
        return EXIT_DONE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        print_usage(stdout);
        return EXIT_DONE;
    }
    if (!strcmp(argv[1], VIDEO_WORKER_COMMAND)) return upscale_worker(argc, argv);
    for (int i = 0; i < N_COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) != 0) continue;
        struct args args;
        int status = EXIT_USAGE;
        if (args_parse(&args, commands[i].name, argc, argv, 2)) {
            if (args_flag(&args, "help")) {
                printf("framemill %s\n%s\n\n", commands[i].usage, commands[i].help);
                args_print_options(commands[i].name);
                status = EXIT_DONE;
            } else {
                status = commands[i].run(&args);
            }
        }
        args_free(&args);
        return status;
    }
    fprintf(stderr, "framemill: %s: no such command\n\n", argv[1]);
    print_usage(stderr);
    return EXIT_USAGE;
}
