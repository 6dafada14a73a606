/* SPDX-License-Identifier: MIT */
/* framemill bench thermal: a minute of work without a pause; every second the rate, the processors' clock and their temperature. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "json.h"
#include "sensors.h"

#define LIST 2000        /* pictures in one call; a longer time takes several */
#define FEWEST_SAMPLES 9 /* three for each third */
#define CHANGE 0.05      /* of the rate or the clock: below that it is noise */

enum { SECOND, RATE, BUSY, CLOCK, TEMPERATURE, N_COLUMNS };

static const struct column columns[N_COLUMNS] = {[SECOND] = {"second", "second", 7, 1},
    [RATE] = {"pictures_per_s", "pictures/s", 10, 2},
    [BUSY] = {"processors_busy", "processors busy", 15, 2},
    [CLOCK] = {"clock_mhz", "clock MHz", 9, 0},
    [TEMPERATURE] = {"temperature_c", "temperature C", 13, 1}};

/* Work goes on on the main thread; the sampler has one of its own and alone touches the table until it is joined. */
struct thermal {
    struct bench *bench;
    struct table table;
    struct sensors sensors;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    double done;   /* pictures, and parts of those under way */
    double before; /* done by earlier lists */
    bool over;     /* time is up, or work has ended */
};

static double done_so_far(struct thermal *t)
{
    pthread_mutex_lock(&t->lock);
    const double done = t->done;
    pthread_mutex_unlock(&t->lock);
    return done;
}

static void on_progress(void *user, int finished, int files, double share)
{
    struct thermal *t = user;
    (void) finished;
    pthread_mutex_lock(&t->lock);
    t->done = t->before + share * files;
    const bool over = t->over;
    pthread_mutex_unlock(&t->lock);
    if (over) bench_cancel(t->bench); /* time was up just before this list began */
}

static void on_report(void *user, const struct fm_upscale_report *report)
{
    (void) user;
    if (report->code == FM_OK) unlink(report->output);
}

/* Until the next whole second, or the end of the work. True: it has ended. */
static bool wait_until(struct thermal *t, const struct timespec *when)
{
    int code = 0;
    pthread_mutex_lock(&t->lock);
    while (!t->over && code != ETIMEDOUT) code = pthread_cond_timedwait(&t->changed, &t->lock, when);
    const bool over = t->over;
    pthread_mutex_unlock(&t->lock);
    return over;
}

static void end_work(struct thermal *t)
{
    pthread_mutex_lock(&t->lock);
    t->over = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

static bool is_over(struct thermal *t)
{
    pthread_mutex_lock(&t->lock);
    const bool over = t->over;
    pthread_mutex_unlock(&t->lock);
    return over;
}

static void *sample(void *user)
{
    struct thermal *t = user;
    struct timespec when;
    clock_gettime(CLOCK_MONOTONIC, &when);
    const double start = now_ms();
    double last = start, last_done = done_so_far(t), last_cpu = bench_cpu_seconds();
    for (bool ok = true; ok && now_ms() - start < t->bench->seconds * 1e3;) {
        when.tv_sec++;
        if (wait_until(t, &when)) return NULL;
        const double now = now_ms(), done = done_so_far(t), cpu = bench_cpu_seconds(), seconds = (now - last) / 1e3;
        const struct cell row[N_COLUMNS] = {[SECOND] = CELL_NUMBER((now - start) / 1e3),
            [RATE] = CELL_NUMBER((done - last_done) / seconds),
            [BUSY] = CELL_NUMBER((cpu - last_cpu) / seconds),
            [CLOCK] = CELL_NUMBER(sensors_clock_mhz(&t->sensors)),
            [TEMPERATURE] = CELL_NUMBER(sensors_temperature_c(&t->sensors))};
        ok = table_row(&t->table, row);
        last = now, last_done = done, last_cpu = cpu;
    }
    end_work(t);
    bench_cancel(t->bench);
    return NULL;
}

/* The middle value of the first or the last third, NaN when the machine does not show it. The first second warms up. */
static double third(const struct table *t, int column, bool last)
{
    const int n = (t->n_rows - 1) / 3, from = last ? t->n_rows - n : 1;
    double *values = calloc((size_t) n + 1, sizeof *values);
    double middle = NAN;
    if (values && n > 0) {
        for (int i = 0; i < n; i++) values[i] = table_number(t, from + i, column);
        if (!isnan(values[0]) && !isnan(values[n - 1])) middle = spread_of(values, n).median;
    }
    free(values);
    return middle;
}

/* Least squares over all samples but the first: percent of the mean rate, a minute. */
static double slope(const struct table *t)
{
    double x = 0, y = 0, xx = 0, xy = 0;
    const int n = t->n_rows - 1;
    for (int i = 1; i <= n; i++) x += table_number(t, i, SECOND) / n, y += table_number(t, i, RATE) / n;
    for (int i = 1; i <= n; i++) {
        const double dx = table_number(t, i, SECOND) - x;
        xx += dx * dx;
        xy += dx * (table_number(t, i, RATE) - y);
    }
    return xx > 0 && y > 0 ? xy / xx * 60 / y * 100 : NAN;
}

static const char *verdict(const struct table *t, double rate, double clock, double busy)
{
    if (t->n_rows < FEWEST_SAMPLES + 1) return "too short to tell";
    if (!(rate < 1 - CHANGE)) return "no throttling seen";
    if (clock < 1 - CHANGE) return "throttling: the clock fell with the rate";
    if (busy < 1 - CHANGE) return "slower, but not throttled: other programs took processor time";
    if (isnan(clock)) return "slower, and the machine does not show its clock: throttling cannot be told from other causes";
    return "slower at the same clock: other programs share the machine's memory, or it throttles where it does not show";
}

static void say_json(const struct thermal *t, double rate, const char *text)
{
    const struct table *table = &t->table;
    fputs("{\"summary\": ", stdout);
    json_text(stdout, text);
    fputs(", \"slope_percent_per_minute\": ", stdout);
    json_number(stdout, table->n_rows > 2 ? slope(table) : NAN, 2);
    fputs(", \"last_third_per_first_third\": ", stdout);
    json_number(stdout, rate, 3);
    fputs(", ", stdout);
    json_member(stdout, "clock_source", t->sensors.clock_source[0] ? t->sensors.clock_source : NULL);
    fputs(", ", stdout);
    json_member(stdout, "temperature_source", t->sensors.temperature_source[0] ? t->sensors.temperature_source : NULL);
    fputs("}\n", stdout);
}

static void say(const struct thermal *t)
{
    const struct table *table = &t->table;
    const double rate = third(table, RATE, true) / third(table, RATE, false);
    const double clock = third(table, CLOCK, true) / third(table, CLOCK, false);
    const double busy = third(table, BUSY, true) / third(table, BUSY, false);
    const char *text = verdict(table, rate, clock, busy);
    if (table->json) {
        say_json(t, rate, text);
        return;
    }
    printf("\nrate         ");
    if (table->n_rows > FEWEST_SAMPLES)
        printf("%.2f a second in the first third, %.2f in the last; %+.1f %% a minute\n", third(table, RATE, false),
            third(table, RATE, true), slope(table));
    else
        printf("%d samples\n", table->n_rows);
    if (!t->sensors.clock_source[0])
        printf("clock        not shown by this machine\n");
    else
        printf("clock        from %s%s\n", t->sensors.clock_source,
            t->sensors.cpuinfo ? ", which on virtual machines is often a constant" : "");
    printf("temperature  %s%s\n", t->sensors.temperature_source[0] ? "from " : "not shown by this machine",
        t->sensors.temperature_source);
    printf("%s\n", text);
}

/* One list of pictures after the other until the sampler ends it. */
static int work(struct thermal *t, fm_upscale *upscale, const char *input)
{
    struct bench *b = t->bench;
    struct fm_upscale_file *files = calloc(LIST, sizeof *files);
    char(*output)[BENCH_PATH] = calloc(LIST, sizeof *output);
    int code = files && output ? FM_OK : FM_ERR_NOMEM;
    pthread_t sampler;
    if (code == FM_OK) {
        for (int i = 0; i < LIST; i++) {
            bench_result(b, i, output[i]);
            files[i] = (struct fm_upscale_file){input, output[i], b->format};
        }
        code = bench_run(b, upscale, files, 1, on_report, NULL, t); /* plans are made */
    } else {
        fprintf(stderr, "framemill: out of memory\n");
    }
    if (code == FM_OK && pthread_create(&sampler, NULL, sample, t) != 0) {
        fprintf(stderr, "framemill: no thread to sample with\n");
        code = FM_ERR_NOMEM;
    } else if (code == FM_OK) {
        while (code == FM_OK && !is_over(t)) {
            code = bench_run(b, upscale, files, LIST, on_report, on_progress, t);
            pthread_mutex_lock(&t->lock);
            t->before = t->done;
            pthread_mutex_unlock(&t->lock);
        }
        if (is_over(t) && code == FM_ERR_CANCELLED) code = FM_OK; /* as it should end */
        end_work(t);
        pthread_join(sampler, NULL);
    }
    free(files);
    free(output);
    return code == FM_OK && !bench_stopped(b) ? EXIT_DONE : EXIT_FAILED;
}

static const struct bench_view views[] = {{.y_label = "pictures a second", .columns = {RATE}, .n_columns = 1},
    {.y_label = "processors busy", .columns = {BUSY}, .n_columns = 1}, {.y_label = "MHz", .columns = {CLOCK}, .n_columns = 1},
    {.y_label = "degrees C", .columns = {TEMPERATURE}, .n_columns = 1, .from_data = true}};
static const struct bench_graph graph = {
    .title = "Work without a pause", .x_label = "seconds", .x_column = SECOND, .views = views, .n_views = 4};

static int run(struct thermal *t)
{
    struct bench *b = t->bench;
    char input[BENCH_PATH];
    int status = EXIT_FAILED;
    if (b->n_networks > 1 || b->n_sizes > 1) {
        fprintf(stderr, "framemill bench thermal: one network and one size at a time\n");
        return EXIT_USAGE;
    }
    fm_upscale *upscale = bench_upscaler(b, 0, &status);
    if (upscale && bench_picture(b, &b->size[0], 0, input)) status = work(t, upscale, input);
    fm_upscale_destroy(&upscale);
    if (t->table.n_rows) say(t);
    if (t->table.n_rows && !bench_save(b, &t->table, &graph) && status == EXIT_DONE) status = EXIT_FAILED;
    return status;
}

int bench_thermal(const struct args *args)
{
    struct bench b;
    struct thermal t = {.bench = &b, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_condattr_t monotonic;
    int status = bench_open(&b, args, &(struct bench_defaults){"512", 1, 60});
    table_start(&t.table, columns, N_COLUMNS, b.json);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&t.changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sensors_find(&t.sensors, "");
    if (status == EXIT_DONE) status = run(&t);
    sensors_free(&t.sensors);
    pthread_cond_destroy(&t.changed);
    table_free(&t.table);
    bench_close(&b);
    return status;
}
