/* SPDX-License-Identifier: MIT */
/* framemill bench: which measurement; against other engines through bench/peers.mjs. */
#define _GNU_SOURCE
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

/* The comparison is a script for the other engine's own runtime; it starts this program for our side. */
static int bench_peers(const struct args *args)
{
    char self[PATH_MAX], script[PATH_MAX + 64];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) {
        fprintf(stderr, "framemill bench peers: cannot find the program's own place\n");
        return EXIT_FAILED;
    }
    self[length] = 0;
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", self);
    *strrchr(folder, '/') = 0;
    static const char *const places[] = {"../bench/peers.mjs", "../share/framemill/bench/peers.mjs"};
    for (int i = 0; i < 2; i++) {
        snprintf(script, sizeof script, "%s/%s", folder, places[i]);
        if (access(script, R_OK) == 0) break;
        script[0] = 0;
    }
    if (!script[0]) {
        fprintf(stderr, "framemill bench peers: bench/peers.mjs is not beside the program\n");
        return EXIT_FAILED;
    }
    int n = 0, threads;
    char count[16];
    if (!args_int(args, "threads", 1, 1024, 2, &threads)) return EXIT_USAGE;
    char **argv = calloc((size_t) args->n_words + 5, sizeof *argv);
    if (!argv) return EXIT_FAILED;
    snprintf(count, sizeof count, "%d", threads);
    argv[n++] = (char[]){"node"};
    argv[n++] = script;
    argv[n++] = self;
    argv[n++] = count;
    for (int i = 1; i < args->n_words; i++) argv[n++] = args->word[i];
    execvp("node", argv);
    perror("framemill bench peers: node");
    free(argv);
    return EXIT_FAILED;
}

int command_bench(const struct args *args)
{
    static const struct {
        const char *name;
        int (*run)(const struct args *args);
    } kinds[] = {{"latency", bench_latency}, {"throughput", bench_throughput}, {"memory", bench_memory}, {"thermal", bench_thermal},
        {"network", bench_networks}, {"quality", bench_quality}, {"peers", bench_peers}};
    for (size_t i = 0; args->n_words && i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(args->word[0], kinds[i].name)) return kinds[i].run(args);
    fprintf(
        stderr, "framemill bench: expected latency, throughput, memory, thermal, network, quality or peers (see framemill bench --help)\n");
    return EXIT_USAGE;
}
