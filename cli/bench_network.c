/* SPDX-License-Identifier: MIT */
/* framemill bench network: bare networks on arrays, without pictures: time and memory of a session. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench.h"

enum { NETWORK, INPUT, MIN, MEDIAN, MAX, RATE, WEIGHTS, SESSION, PEAK, N_COLUMNS };

static const struct column columns[N_COLUMNS] = {[NETWORK] = {"model", "network", -28, TABLE_TEXT},
    [INPUT] = {"input", "input", -18, TABLE_TEXT},
    [MIN] = {"min_ms", "min ms", 10, 3},
    [MEDIAN] = {"median_ms", "median ms", 10, 3},
    [MAX] = {"max_ms", "max ms", 10, 3},
    [RATE] = {"gmac_per_s", "GMAC/s", 8, 1},
    [WEIGHTS] = {"weights_mb", "weights MB", 10, 2},
    [SESSION] = {"session_mb", "session MB", 10, 2},
    [PEAK] = {"peak_rss_mb", "peak RSS MB", 11, 1}};

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

static bool print(struct table *table, const char *path, const struct measured *m)
{
    const char *slash = strrchr(path, '/');
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    const struct cell row[N_COLUMNS] = {[NETWORK] = CELL_TEXT(slash ? slash + 1 : path),
        [INPUT] = CELL_TEXT(m->input),
        [MIN] = CELL_NUMBER(m->ms.min),
        [MEDIAN] = CELL_NUMBER(m->ms.median),
        [MAX] = CELL_NUMBER(m->ms.max),
        [RATE] = CELL_NUMBER(m->plan.macs / (m->ms.median * 1e6)),
        [WEIGHTS] = CELL_NUMBER((double) m->plan.weights_bytes / 1e6),
        [SESSION] = CELL_NUMBER((double) m->plan.session_bytes / 1e6),
        [PEAK] = CELL_NUMBER((double) usage.ru_maxrss * 1024 / 1e6)};
    return table_row(table, row);
}

int bench_networks(const struct args *args)
{
    int w = 640, h = 360, repeat, status = EXIT_DONE;
    if (args->n_words < 2) {
        fprintf(stderr, "framemill bench network: which networks?\n");
        return EXIT_USAGE;
    }
    if (!args_size(args, "size", &w, &h) || !args_int(args, "repeat", 1, 1000000, 20, &repeat)) return EXIT_USAGE;
    fm_engine *engine = open_engine(args, &status);
    if (!engine) return status;
    struct table table;
    table_start(&table, columns, N_COLUMNS, args_flag(args, "json"));
    for (int i = 1; i < args->n_words; i++) {
        struct measured m;
        const int one = measure(args, engine, args->word[i], w, h, repeat, &m);
        if (one != EXIT_DONE)
            status = one;
        else if (!print(&table, args->word[i], &m))
            status = EXIT_FAILED;
    }
    table_free(&table);
    fm_engine_unref(&engine);
    return status;
}
