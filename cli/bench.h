/* SPDX-License-Identifier: MIT */
/* The parts of framemill bench:
 *
 *     bench.c             which one; against other engines
 *     bench_setup.c       what all that measure whole pictures share: options, a temporary folder, processes
 *     bench_picture.c     the pictures
 *     bench_save.c        a row for every network and size; tables and plots in files
 *     bench_latency.c     one picture after the other
 *     bench_throughput.c  many pictures, one call
 *     bench_memory.c      a process for each picture
 *     bench_thermal.c     a minute of work, second by second
 *     bench_network.c     bare networks on arrays
 *     bench_quality.c     how good the result is; bench_quality.h says which files that are */
#ifndef FM_CLI_BENCH_H
#define FM_CLI_BENCH_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "commands.h"
#include "framemill/upscale.h"
#include "plot.h"
#include "table.h"

#define BENCH_PATH (PATH_MAX + 64)

struct bench_size {
    int w, h;
    char text[32]; /* "512x512" */
};

struct bench {
    const struct args *args;
    const char *what; /* "latency" */
    struct bench_size *size;
    int n_sizes;
    const char **network; /* by name or file; "lanczos": plain */
    int n_networks;
    struct fm_upscale_params params; /* without the network */
    struct fm_engine_params engine_params;
    const char *format; /* canonical: of the pictures that are read and written */
    int repeat, files;  /* 0: as time allows */
    double seconds;
    bool json;
    char folder[PATH_MAX]; /* temporary, removed at the end */
    char csv[BENCH_PATH], svg[BENCH_PATH];
    fm_engine *engine; /* NULL until bench_engine */

    pthread_mutex_t lock; /* what a signal stops */
    fm_upscale *running;
    pid_t child;
    bool stopped;
};

/* What a measurement takes when it is not told otherwise; repeat 0: it has no such option. */
struct bench_defaults {
    const char *sizes;
    int repeat;
    double seconds;
};

/* Reads the options and makes the folder. EXIT_DONE, or the exit code after printing why; bench_close in any case. */
int bench_open(struct bench *bench, const struct args *args, const struct bench_defaults *defaults);
void bench_close(struct bench *bench);
/* By a signal. */
bool bench_stopped(struct bench *bench);

/* A picture of our own making in the folder: slopes, waves, edges and a little noise, alike at every size; seeds give different noise.
 * Its name in `path` (BENCH_PATH). False after printing why. */
bool bench_picture(struct bench *bench, const struct bench_size *size, unsigned seed, char *path);
/* The place of a result in the folder. */
void bench_result(const struct bench *bench, int index, char *path);

/* The engine, made when first asked for; NULL after printing why, with the exit code in *status. */
fm_engine *bench_engine(struct bench *bench, int *status);
/* The k-th network, opened; NULL after printing why, with the exit code in *status. */
fm_upscale *bench_upscaler(struct bench *bench, int k, int *status);
struct bench_graph;
typedef int (*bench_size_fn)(struct bench *b, fm_upscale *upscale, int k, const struct bench_size *size, struct table *table);
/* A whole measurement: every network (the k-th) at every size, `one` makes a row; then table, files, plots. The exit code. */
int bench_by_size(const struct args *args, const struct bench_defaults *defaults, const struct column *columns, int n_columns,
                  const struct bench_graph *graph, bench_size_fn one);
/* "lanczos", "realesr-animevideov3-x2" */
const char *bench_network_name(const struct bench *bench, int k, char *name, size_t size);
/* fm_upscale_run that a signal, or bench_cancel from another thread, ends early. Prints what went wrong but cancelling. */
int bench_run(struct bench *bench, fm_upscale *upscale, const struct fm_upscale_file *files, int n, fm_upscale_report_fn report,
    fm_upscale_progress_fn progress, void *user);
/* fm_upscale_picture, ended early in the same way. */
int bench_run_picture(struct bench *bench, fm_upscale *upscale, const struct fm_picture *in, struct fm_picture *out);
void bench_cancel(struct bench *bench);

/* What a process of its own needed. */
struct bench_usage {
    double seconds, peak_bytes;
};
/* Runs this program with the arguments (NULL-terminated, the first is the command). False: it failed and said why, or could not be started. */
bool bench_self(struct bench *bench, const char *const *arguments, struct bench_usage *usage);

/* Processor seconds of this process so far. */
double bench_cpu_seconds(void);

/* How a table is drawn. Rows whose texts in the columns of `groups` (a bit for each) are the same make a line. */
struct bench_view {
    const char *y_label;
    bool log_y, from_data;
    int columns[4], n_columns; /* with several groups only the first is drawn, for each */
    int reference;             /* a column that is the same for all groups: a dashed line; 0: none */
};
struct bench_graph {
    const char *title, *x_label;
    bool log_x;
    int x_column;
    int labels; /* a column whose texts stand at the points, which no line joins then; 0: lines */
    unsigned groups;
    const struct bench_view *views;
    int n_views;
};
/* Writes the files that were asked for. False after printing why. */
bool bench_save(struct bench *bench, const struct table *table, const struct bench_graph *graph);

int bench_latency(const struct args *args);
int bench_throughput(const struct args *args);
int bench_memory(const struct args *args);
int bench_thermal(const struct args *args);
int bench_networks(const struct args *args);
int bench_quality(const struct args *args);

#endif
