/* SPDX-License-Identifier: MIT */
/* Tables as CSV; tables as plots: rows become lines, columns panels. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define GROUPS_MAX 16
#define VIEWS_MAX 4
#define LINES_MAX (4 * GROUPS_MAX + 1)

struct drawing {
    const struct table *table;
    const struct bench_graph *graph;
    char group[GROUPS_MAX][96];
    int n_groups, n_panels;
    double *point; /* free from here on */
    const char **label;
    struct panel panel[VIEWS_MAX];
    struct series line[VIEWS_MAX][LINES_MAX];
};

/* "lanczos", "lanczos, 512 MB" */
static const char *group_of(const struct drawing *d, int row, char *text, size_t size)
{
    const struct table *t = d->table;
    text[0] = 0;
    for (int i = 0; i < t->n_columns; i++) {
        const size_t used = strlen(text);
        if (!(d->graph->groups >> i & 1)) continue;
        snprintf(
            text + used, size - used, "%s%s", used ? ", " : "", t->cell[(size_t) row * (size_t) t->n_columns + (size_t) i].text);
    }
    return text;
}

static void find_groups(struct drawing *d)
{
    for (int row = 0; row < d->table->n_rows; row++) {
        char text[96];
        int g = 0;
        group_of(d, row, text, sizeof text);
        while (g < d->n_groups && strcmp(d->group[g], text) != 0) g++;
        if (g == d->n_groups && g < GROUPS_MAX) memcpy(d->group[d->n_groups++], text, sizeof text);
    }
}

static struct series line_of(struct drawing *d, int group, int column, const char *name, bool dashed)
{
    const int rows = d->table->n_rows;
    double *x = d->point, *y = d->point + rows;
    int n = 0;
    d->point += 2 * rows;
    const char **labels = d->graph->labels && !dashed ? d->label : NULL;
    if (labels) d->label += rows;
    for (int row = 0; row < rows; row++) {
        char text[96];
        if (strcmp(group_of(d, row, text, sizeof text), d->group[group]) != 0) continue;
        if (labels) labels[n] = d->table->cell[(size_t) row * (size_t) d->table->n_columns + (size_t) d->graph->labels].text;
        x[n] = table_number(d->table, row, d->graph->x_column);
        y[n++] = table_number(d->table, row, column);
    }
    return (struct series){.name = name, .x = x, .y = y, .n = n, .dashed = dashed, .label = labels};
}

static bool has_values(const struct series *s)
{
    for (int i = 0; i < s->n; i++)
        if (s->y[i] == s->y[i]) return true; /* no NaN */
    return false;
}

/* A panel for the view, unless the machine showed nothing of it. */
static void add_panel(struct drawing *d, const struct bench_view *view)
{
    struct series *line = d->line[d->n_panels];
    int n = 0;
    for (int g = 0; g < d->n_groups; g++)
        for (int c = 0; c < (d->n_groups > 1 ? 1 : view->n_columns); c++) {
            const int column = view->columns[c];
            const char *name = c || !d->group[g][0] ? d->table->column[column].title : d->group[g];
            line[n] = line_of(d, g, column, name, false);
            n += has_values(&line[n]);
        }
    if (!n) return;
    if (view->reference) line[n++] = line_of(d, 0, view->reference, d->table->column[view->reference].title, true);
    d->panel[d->n_panels++] = (struct panel){view->y_label, view->log_y, view->from_data, line, n};
}

static bool draw(struct bench *b, const struct table *table, const struct bench_graph *graph, FILE *to)
{
    struct drawing *d = calloc(1, sizeof *d);
    double *points = calloc((size_t) table->n_rows * 2 * VIEWS_MAX * LINES_MAX + 1, sizeof *points);
    const char **labels = calloc((size_t) table->n_rows * VIEWS_MAX * LINES_MAX + 1, sizeof *labels);
    struct fm_engine_info info = {.size = sizeof info};
    char machine[256] = "";
    int status;
    bool ok = d && points && labels;
    if (bench_engine(b, &status) && fm_engine_get_info(b->engine, &info) == FM_OK)
        snprintf(machine, sizeof machine, "%s, %d processors, %d threads, %s; framemill %s", info.cpu, info.processors,
            info.threads, info.isa, fm_version());
    if (ok) {
        d->table = table;
        d->graph = graph;
        d->point = points;
        d->label = labels;
        find_groups(d);
        for (int i = 0; i < graph->n_views; i++) add_panel(d, &graph->views[i]);
        const struct plot plot = {graph->title, machine, graph->x_label, graph->log_x, d->panel, d->n_panels};
        ok = plot_svg(&plot, to);
    } else {
        errno = ENOMEM;
    }
    free(points);
    free(labels);
    free(d);
    return ok;
}

static bool save(struct bench *b, const char *path, const struct table *table, const struct bench_graph *graph)
{
    FILE *file = fopen(path, "w");
    bool ok = file && (graph ? draw(b, table, graph, file) : table_csv(table, file));
    int error = errno;
    if (file && fclose(file) != 0 && ok) {
        error = errno;
        ok = false;
    }
    if (!ok) fprintf(stderr, "framemill: %s: %s\n", path, strerror(error));
    return ok;
}

bool bench_save(struct bench *b, const struct table *table, const struct bench_graph *graph)
{
    bool ok = true;
    if (b->csv[0]) ok &= save(b, b->csv, table, NULL);
    if (b->svg[0]) ok &= save(b, b->svg, table, graph);
    return ok;
}

int bench_by_size(const struct args *args, const struct bench_defaults *defaults, const struct column *columns, int n_columns,
    const struct bench_graph *graph, bench_size_fn one)
{
    struct bench b;
    struct table table;
    int status = bench_open(&b, args, defaults);
    table_start(&table, columns, n_columns, b.json);
    for (int k = 0; k < b.n_networks && status == EXIT_DONE; k++) {
        fm_upscale *upscale = bench_upscaler(&b, k, &status);
        for (int i = 0; i < b.n_sizes && upscale && status == EXIT_DONE; i++) status = one(&b, upscale, k, &b.size[i], &table);
        fm_upscale_destroy(&upscale);
    }
    if (table.n_rows && !bench_save(&b, &table, graph) && status == EXIT_DONE) status = EXIT_FAILED;
    table_free(&table);
    bench_close(&b);
    return status;
}
