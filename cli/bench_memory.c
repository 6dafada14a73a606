/* SPDX-License-Identifier: MIT */
/* framemill bench memory: the most memory that the whole program ever held, by size, with --memory and without. Every picture has a
 * process of its own, since what one held once the next would be blamed for. */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

#include "bench.h"

#define USUAL_LIMIT "512M"

enum { NETWORK, LIMIT, INPUT, MEGAPIXELS, PEAK, DECODED, SECONDS, N_COLUMNS };

static const struct column columns[N_COLUMNS] = {[NETWORK] = {"network", "network", -24, TABLE_TEXT},
    [LIMIT] = {"memory", "--memory", -10, TABLE_TEXT},
    [INPUT] = {"input", "input", -11, TABLE_TEXT},
    [MEGAPIXELS] = {"megapixels", "MP", 7, 3},
    [PEAK] = {"peak_mb", "peak MB", 9, 1},
    [DECODED] = {"input_mb", "input as pixels MB", 18, 1},
    [SECONDS] = {"wall_s", "wall s", 8, 2}};

/* The upscaler as a user starts it, with the options that were given here. */
static bool run_once(struct bench *b, int k, const char *input, const char *limit, struct bench_usage *usage)
{
    static const char *const passed[] = {"scale", "tile", "threads", "cpumask", "model-dir"};
    char output[BENCH_PATH], option[5][24];
    const char *list[32] = {"upscale", input, output, "--quiet", "--overwrite", "--strict"};
    int n = 6;
    bench_result(b, 0, output);
    list[n++] = "--model", list[n++] = b->network[k];
    if (limit) list[n++] = "--memory", list[n++] = limit;
    for (int i = 0; i < 5; i++) {
        const char *value = args_value(b->args, passed[i]);
        if (!value) continue;
        snprintf(option[i], sizeof option[i], "--%s", passed[i]);
        list[n++] = option[i];
        list[n++] = value;
    }
    const bool ok = bench_self(b, list, usage);
    unlink(output);
    return ok;
}

static int one_size(
    struct bench *b, int k, const char *limit, const struct bench_size *size, const char *input, struct table *table)
{
    struct bench_usage usage = {0};
    char name[64];
    const double pixels = (double) size->w * size->h;
    if (!run_once(b, k, input, limit, &usage)) return EXIT_FAILED;
    const struct cell row[N_COLUMNS] = {[NETWORK] = CELL_TEXT(bench_network_name(b, k, name, sizeof name)),
        [LIMIT] = CELL_TEXT(limit ? limit : "default"),
        [INPUT] = CELL_TEXT(size->text),
        [MEGAPIXELS] = CELL_NUMBER(pixels / 1e6),
        [PEAK] = CELL_NUMBER(usage.peak_bytes / 1e6),
        [DECODED] = CELL_NUMBER(3 * pixels / 1e6),
        [SECONDS] = CELL_NUMBER(usage.seconds)};
    return table_row(table, row) ? EXIT_DONE : EXIT_FAILED;
}

static const struct bench_view views[] = {
    {.y_label = "peak MB, the whole process", .log_y = true, .columns = {PEAK}, .n_columns = 1, .reference = DECODED}};
static const struct bench_graph graph = {.title = "Memory by size of the picture",
    .x_label = "megapixels of the input",
    .log_x = true,
    .x_column = MEGAPIXELS,
    .groups = 1 << NETWORK | 1 << LIMIT,
    .views = views,
    .n_views = 1};

int bench_memory(const struct args *args)
{
    struct bench b;
    struct table table;
    int status = bench_open(&b, args, &(struct bench_defaults){"512,1024,2048,4096", 1, 20});
    const char *given = status == EXIT_DONE ? args_value(args, "memory") : NULL;
    const char *const limits[] = {NULL, given ? given : USUAL_LIMIT};
    table_start(&table, columns, N_COLUMNS, b.json);
    for (int i = 0; i < b.n_sizes && status == EXIT_DONE; i++) {
        char input[BENCH_PATH];
        if (!bench_picture(&b, &b.size[i], 0, input)) status = EXIT_FAILED;
        for (int k = 0; k < 2 * b.n_networks && status == EXIT_DONE; k++)
            status = one_size(&b, k / 2, limits[k % 2], &b.size[i], input, &table);
        unlink(input);
    }
    if (table.n_rows && !bench_save(&b, &table, &graph) && status == EXIT_DONE) status = EXIT_FAILED;
    table_free(&table);
    bench_close(&b);
    return status;
}
