/* SPDX-License-Identifier: MIT */
/* framemill bench: latency and memory of networks here; against other engines through bench/peers.mjs. */
#define _GNU_SOURCE
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "commands.h"

struct measured {
    struct spread ms;
    struct fm_plan_info plan;
    char input[128];
};

static int measure(const struct args *args, fm_engine *engine, const char *path, int w, int h, int repeat, struct measured *m)
{
    struct fm_error error = {0};
    struct fm_plan_params params = {.size = sizeof params};
    if (!args_int(args, "tile", 0, 1 << 20, 0, &params.tile) || !args_bytes(args, "memory", &params.memory)) return EXIT_USAGE;
    fm_model *model = NULL;
    if (fm_model_open(path, &model, &error) < 0) return report(&error);
    const int n_in = fm_model_input_count(model);
    struct fm_tensor *in = sizes_for(model, w, h), *out = calloc((size_t) fm_model_output_count(model) + 1, sizeof *out);
    double *ms = calloc((size_t) repeat, sizeof *ms);
    fm_plan *plan = NULL;
    fm_session *session = NULL;
    int status = EXIT_DONE;
    if (!in || !out || !ms || !fill_inputs(in, n_in)) {
        fprintf(stderr, "framemill: out of memory\n");
        status = EXIT_FAILED;
    } else if (fm_plan_create(engine, model, in, &params, &plan, &error) < 0 || fm_session_create(plan, &session, &error) < 0 ||
               fm_session_run(session, in, out, &error) < 0) {
        status = report(&error);
    } else {
        for (int i = 0; i < repeat; i++) {
            const double start = now_ms();
            fm_session_run(session, in, out, &error);
            ms[i] = now_ms() - start;
        }
        m->ms = spread_of(ms, repeat);
        m->plan = (struct fm_plan_info){.size = sizeof m->plan};
        fm_plan_get_info(plan, &m->plan);
        dims_text(&in[0], m->input, sizeof m->input);
    }
    fm_session_destroy(&session);
    fm_plan_unref(&plan);
    free_inputs(&in, n_in);
    free(out);
    free(ms);
    fm_model_unref(&model);
    return status;
}

static int bench_networks(const struct args *args, bool memory)
{
    int w = 640, h = 360, repeat, status = EXIT_DONE;
    if (args->n_words < 2) {
        fprintf(stderr, "framemill bench %s: which networks?\n", args->word[0]);
        return EXIT_USAGE;
    }
    if (!args_size(args, "size", &w, &h) || !args_int(args, "repeat", 1, 1000000, memory ? 1 : 20, &repeat)) return EXIT_USAGE;
    fm_engine *engine = open_engine(args, &status);
    if (!engine) return status;
    const bool json = args_flag(args, "json");
    if (!json && memory) printf("%-28s %-18s %12s %12s %14s\n", "network", "input", "weights MB", "session MB", "peak RSS MB");
    if (!json && !memory)
        printf("%-28s %-18s %10s %10s %10s %10s\n", "network", "input", "min ms", "median ms", "max ms", "GMAC/s");
    for (int i = 1; i < args->n_words; i++) {
        struct measured m;
        const char *slash = strrchr(args->word[i], '/'), *name = slash ? slash + 1 : args->word[i];
        const int one = measure(args, engine, args->word[i], w, h, repeat, &m);
        if (one != EXIT_DONE) {
            status = one;
            continue;
        }
        struct rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        const double weights = (double) m.plan.weights_bytes / 1e6, held = (double) m.plan.session_bytes / 1e6,
                     rss = (double) usage.ru_maxrss / 1e3;
        const double rate = m.plan.macs / (m.ms.median * 1e6);
        if (json)
            printf("{\"model\": \"%s\", \"input\": \"%s\", \"min_ms\": %.4f, \"median_ms\": %.4f, \"max_ms\": %.4f, "
                   "\"gmac_per_s\": %.1f, \"weights_mb\": %.2f, "
                   "\"session_mb\": %.2f, \"peak_rss_mb\": %.1f}\n",
                name, m.input, m.ms.min, m.ms.median, m.ms.max, rate, weights, held, rss);
        else if (memory)
            printf("%-28s %-18s %12.1f %12.1f %14.1f\n", name, m.input, weights, held, rss);
        else
            printf("%-28s %-18s %10.3f %10.3f %10.3f %10.1f\n", name, m.input, m.ms.min, m.ms.median, m.ms.max, rate);
        fflush(stdout);
    }
    fm_engine_unref(&engine);
    return status;
}

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
    if (args->n_words) {
        if (!strcmp(args->word[0], "latency")) return bench_networks(args, false);
        if (!strcmp(args->word[0], "memory")) return bench_networks(args, true);
        if (!strcmp(args->word[0], "peers")) return bench_peers(args);
    }
    fprintf(stderr, "framemill bench: expected latency, memory or peers (see framemill bench --help)\n");
    return EXIT_USAGE;
}
