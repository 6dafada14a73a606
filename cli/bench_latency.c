/* SPDX-License-Identifier: MIT */
/* framemill bench latency: one picture at a time, file to file, by size. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"

enum { NETWORK, INPUT, OUTPUT, MEGAPIXELS, RUNS, MIN, MEDIAN, MAX, READ, COMPUTE, INSIDE, WRITE, PER_MEGAPIXEL, N_COLUMNS };

static const struct column columns[N_COLUMNS] = {[NETWORK] = {"network", "network", -24, TABLE_TEXT},
    [INPUT] = {"input", "input", -11, TABLE_TEXT},
    [OUTPUT] = {"output", "output", -11, TABLE_TEXT},
    [MEGAPIXELS] = {"megapixels", "MP", 7, 3},
    [RUNS] = {"runs", "runs", 4, 0},
    [MIN] = {"min_ms", "min ms", 9, 2},
    [MEDIAN] = {"median_ms", "median ms", 9, 2},
    [MAX] = {"max_ms", "max ms", 9, 2},
    [READ] = {"read_ms", "read", 8, 2},
    [COMPUTE] = {"compute_ms", "compute", 8, 2},
    [INSIDE] = {"network_ms", "(network)", 9, 2}, /* of compute */
    [WRITE] = {"write_ms", "write", 8, 2},
    [PER_MEGAPIXEL] = {"ms_per_megapixel", "ms/MP", 8, 1}};

/* The report of the run at hand; what its strings point to is gone. */
static void keep_report(void *user, const struct fm_upscale_report *r)
{
    *(struct fm_upscale_report *) user = *r;
}

struct runs {
    double *total, *read, *compute, *network, *write;
    int n;
};

/* Runs until --repeat or the time is reached. The first run is a warm-up, unless it alone took all the time. */
static int measure(struct bench *b, fm_upscale *upscale, const char *input, struct runs *runs, struct fm_upscale_report *last)
{
    char output[BENCH_PATH];
    const double begin = now_ms();
    bench_result(b, 0, output);
    const struct fm_upscale_file file = {input, output, b->format};
    for (int i = 0; i <= b->repeat; i++) {
        const double start = now_ms();
        const int code = bench_run(b, upscale, &file, 1, keep_report, NULL, last);
        const double end = now_ms(), spent = (end - begin) / 1e3;
        if (code < 0) return code;
        if (i == 0 && spent < b->seconds) continue;
        runs->total[runs->n] = end - start;
        runs->read[runs->n] = last->read_ms;
        runs->compute[runs->n] = last->compute_ms;
        runs->network[runs->n] = last->network_ms;
        runs->write[runs->n++] = last->write_ms;
        if (spent >= b->seconds) break;
    }
    unlink(output);
    return FM_OK;
}

static int with_picture(
    struct bench *b, fm_upscale *upscale, int k, const struct bench_size *size, const char *input, struct table *table)
{
    const size_t n = (size_t) b->repeat + 1;
    double *times = calloc(n, 5 * sizeof *times);
    if (!times) return fprintf(stderr, "framemill: out of memory\n"), EXIT_FAILED;
    struct runs runs = {times, times + n, times + 2 * n, times + 3 * n, times + 4 * n, 0};
    struct fm_upscale_report last = {0};
    int status = measure(b, upscale, input, &runs, &last) == FM_OK ? EXIT_DONE : EXIT_FAILED;
    if (status == EXIT_DONE) {
        char name[64], output[32];
        const double megapixels = (double) size->w * size->h / 1e6;
        const struct spread total = spread_of(runs.total, runs.n);
        snprintf(output, sizeof output, "%dx%d", last.out_width, last.out_height);
        const struct cell row[N_COLUMNS] = {[NETWORK] = CELL_TEXT(bench_network_name(b, k, name, sizeof name)),
            [INPUT] = CELL_TEXT(size->text),
            [OUTPUT] = CELL_TEXT(output),
            [MEGAPIXELS] = CELL_NUMBER(megapixels),
            [RUNS] = CELL_NUMBER(runs.n),
            [MIN] = CELL_NUMBER(total.min),
            [MEDIAN] = CELL_NUMBER(total.median),
            [MAX] = CELL_NUMBER(total.max),
            [READ] = CELL_NUMBER(spread_of(runs.read, runs.n).median),
            [COMPUTE] = CELL_NUMBER(spread_of(runs.compute, runs.n).median),
            [INSIDE] = CELL_NUMBER(spread_of(runs.network, runs.n).median),
            [WRITE] = CELL_NUMBER(spread_of(runs.write, runs.n).median),
            [PER_MEGAPIXEL] = CELL_NUMBER(total.median / megapixels)};
        if (!table_row(table, row)) status = EXIT_FAILED;
    }
    free(times);
    return status;
}

static int one_size(struct bench *b, fm_upscale *upscale, int k, const struct bench_size *size, struct table *table)
{
    char input[BENCH_PATH];
    const int status = bench_picture(b, size, 0, input) ? with_picture(b, upscale, k, size, input, table) : EXIT_FAILED;
    unlink(input);
    return status;
}

/* Above, time by size; with one network its parts too. Below, time per megapixel: flat when time is linear in pixels. */
static const struct bench_view views[] = {
    {.y_label = "milliseconds", .log_y = true, .columns = {MEDIAN, COMPUTE, READ, WRITE}, .n_columns = 4},
    {.y_label = "ms per megapixel", .columns = {PER_MEGAPIXEL}, .n_columns = 1}};
static const struct bench_graph graph = {.title = "Time of one picture, file to file",
    .x_label = "megapixels of the input",
    .log_x = true,
    .x_column = MEGAPIXELS,
    .groups = 1 << NETWORK,
    .views = views,
    .n_views = 2};

int bench_latency(const struct args *args)
{
    const struct bench_defaults defaults = {"512,1024,2048,4096", 5, 20};
    return bench_by_size(args, &defaults, columns, N_COLUMNS, &graph, one_size);
}
