/* SPDX-License-Identifier: MIT */
/* framemill bench throughput: a folder's worth of pictures in one call, by size: how many a second, and how well the processors are used. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"

#define DIFFERENT 8 /* pictures on the disk; a longer list names them again */
#define FEWEST 4
#define MOST 4000

enum { NETWORK, INPUT, MEGAPIXELS, FILES, WALL, CPU, RATE, PIXEL_RATE, RATIO, N_COLUMNS };

/* ratio: wall time over what it would be if all processors had been busy all the time. */
static const struct column columns[N_COLUMNS] = {[NETWORK] = {"network", "network", -24, TABLE_TEXT},
    [INPUT] = {"input", "input", -11, TABLE_TEXT},
    [MEGAPIXELS] = {"megapixels", "MP", 7, 3},
    [FILES] = {"pictures", "pictures", 8, 0},
    [WALL] = {"wall_s", "wall s", 8, 3},
    [CPU] = {"cpu_s", "CPU s", 8, 3},
    [RATE] = {"pictures_per_s", "pictures/s", 10, 2},
    [PIXEL_RATE] = {"megapixels_per_s", "MP/s", 8, 2},
    [RATIO] = {"wall_per_cpu_share", "wall/(CPU/processors)", 21, 3}};

struct batch {
    struct fm_upscale_file *files;
    char (*input)[BENCH_PATH], (*output)[BENCH_PATH];
    int n, n_inputs, done;
    double last; /* when the last one was done */
};

/* Results are not kept: a long run would fill the disk. */
static void drop_result(void *user, const struct fm_upscale_report *report)
{
    struct batch *batch = user;
    if (report->code != FM_OK) return;
    batch->done++;
    batch->last = now_ms();
    unlink(report->output);
}

static bool make_inputs(struct bench *b, struct batch *batch, const struct bench_size *size, int wanted)
{
    const int n = wanted < DIFFERENT ? wanted : DIFFERENT;
    for (; batch->n_inputs < n; batch->n_inputs++)
        if (!bench_picture(b, size, (unsigned) batch->n_inputs, batch->input[batch->n_inputs])) return false;
    return true;
}

static bool make_list(struct bench *b, struct batch *batch, int n)
{
    batch->files = calloc((size_t) n, sizeof *batch->files);
    batch->output = calloc((size_t) n, sizeof *batch->output);
    if (!batch->files || !batch->output) return fprintf(stderr, "framemill: out of memory\n"), false;
    for (int i = 0; i < n; i++) {
        bench_result(b, i, batch->output[i]);
        batch->files[i] = (struct fm_upscale_file){batch->input[i % batch->n_inputs], batch->output[i], b->format};
    }
    batch->n = n;
    return true;
}

/* How many pictures fill the time: two runs of one picture, the first of which also makes the plan. */
static int choose_count(struct bench *b, fm_upscale *upscale, struct batch *batch)
{
    double start = 0;
    for (int i = 0; i < 2; i++) {
        start = now_ms();
        if (bench_run(b, upscale, batch->files, 1, drop_result, NULL, batch) < 0) return 0;
    }
    const double n = b->seconds * 1e3 / (now_ms() - start) * 1.2; /* pictures overlap in a list */
    return b->files ? b->files : n < FEWEST ? FEWEST : n > MOST ? MOST : (int) n;
}

static int measure(
    struct bench *b, fm_upscale *upscale, int k, const struct bench_size *size, struct batch *batch, struct table *table)
{
    struct fm_engine_info info = {.size = sizeof info};
    if (!make_inputs(b, batch, size, 1) || !make_list(b, batch, 1)) return EXIT_FAILED;
    const int n = choose_count(b, upscale, batch);
    free(batch->files);
    free(batch->output);
    batch->files = NULL;
    batch->output = NULL;
    if (!n || !make_inputs(b, batch, size, n) || !make_list(b, batch, n)) return EXIT_FAILED;
    const double start = now_ms(), cpu_start = bench_cpu_seconds();
    batch->done = 0;
    if (bench_run(b, upscale, batch->files, n, drop_result, NULL, batch) < 0) return EXIT_FAILED;
    const double wall = (now_ms() - start) / 1e3, cpu = bench_cpu_seconds() - cpu_start;
    const double megapixels = (double) size->w * size->h / 1e6;
    char name[64];
    fm_engine_get_info(b->engine, &info);
    const struct cell row[N_COLUMNS] = {[NETWORK] = CELL_TEXT(bench_network_name(b, k, name, sizeof name)),
        [INPUT] = CELL_TEXT(size->text),
        [MEGAPIXELS] = CELL_NUMBER(megapixels),
        [FILES] = CELL_NUMBER(n),
        [WALL] = CELL_NUMBER(wall),
        [CPU] = CELL_NUMBER(cpu),
        [RATE] = CELL_NUMBER(n / wall),
        [PIXEL_RATE] = CELL_NUMBER(n * megapixels / wall),
        [RATIO] = CELL_NUMBER(wall / (cpu / info.processors))};
    return table_row(table, row) ? EXIT_DONE : EXIT_FAILED;
}

static int one_size(struct bench *b, fm_upscale *upscale, int k, const struct bench_size *size, struct table *table)
{
    struct batch batch = {.input = calloc(DIFFERENT, sizeof *batch.input)};
    if (!batch.input) return fprintf(stderr, "framemill: out of memory\n"), EXIT_FAILED;
    const int status = measure(b, upscale, k, size, &batch, table);
    for (int i = 0; i < batch.n_inputs; i++) unlink(batch.input[i]);
    free(batch.input);
    free(batch.files);
    free(batch.output);
    return status;
}

static const struct bench_view views[] = {{.y_label = "megapixels a second", .columns = {PIXEL_RATE}, .n_columns = 1},
    {.y_label = "wall / (CPU / processors)", .columns = {RATIO}, .n_columns = 1}};
static const struct bench_graph graph = {.title = "Pictures in one call, file to file",
    .x_label = "megapixels of the input",
    .log_x = true,
    .x_column = MEGAPIXELS,
    .groups = 1 << NETWORK,
    .views = views,
    .n_views = 2};

int bench_throughput(const struct args *args)
{
    const struct bench_defaults defaults = {"512,1024,2048", 1, 20};
    return bench_by_size(args, &defaults, columns, N_COLUMNS, &graph, one_size);
}
