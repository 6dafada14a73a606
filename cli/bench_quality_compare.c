/* SPDX-License-Identifier: MIT */
/* A result that is there already: frame k of it with frame k of its original, or two pictures. */
#define _GNU_SOURCE
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bench_quality.h"

enum { ORIGINAL, RESULT, FRAMES, FRAME, PSNR, SSIM, FLICKER, WORST, WORST_FRAME, N_COLUMNS };

static const struct column columns[N_COLUMNS] = {[ORIGINAL] = {"original", "original", -20, TABLE_TEXT},
    [RESULT] = {"result", "result", -20, TABLE_TEXT},
    [FRAMES] = {"frames", "frames", 6, 0},
    [FRAME] = {"frame", "frame", 6, 0},
    [PSNR] = {"psnr_db", "PSNR dB", 8, 3},
    [SSIM] = {"ssim", "SSIM", 7, 4},
    [FLICKER] = {"flicker", "flicker", 8, 3},
    [WORST] = {"worst_db", "worst dB", 8, 3},
    [WORST_FRAME] = {"worst_frame", "at frame", 8, 0}};

static const struct bench_view views[] = {{.y_label = "PSNR dB", .from_data = true, .columns = {PSNR}, .n_columns = 1},
    {.y_label = "SSIM", .from_data = true, .columns = {SSIM}, .n_columns = 1},
    {.y_label = "flicker", .columns = {FLICKER}, .n_columns = 1}};
static const struct bench_graph graph = {
    .title = "Quality frame by frame", .x_label = "frame", .x_column = FRAME, .views = views, .n_views = 3};

/* The frames of a file; a picture is a clip of one. */
struct reader {
    const char *path;
    fm_clip *clip; /* NULL: a picture */
    bool done;     /* the picture was read */
    struct fm_picture frame[2];
};

struct comparison {
    struct bench *bench;
    struct reader original, result;
    int border, limit;
    bool each;
    struct table *table;
    struct quality_sum sum;
    double worst;
    int n, worst_frame;
};

static int reader_open(struct reader *r, const char *path)
{
    struct stat st;
    struct fm_error error = {0};
    r->path = path;
    if (fm_upscale_is_picture_name(path) && stat(path, &st) == 0 && S_ISREG(st.st_mode)) return EXIT_DONE;
    return fm_clip_open(path, NULL, &r->clip, &error) < 0 ? report(&error) : EXIT_DONE;
}

static void reader_close(struct reader *r)
{
    fm_clip_close(&r->clip);
    for (int i = 0; i < 2; i++) fm_picture_destroy(&r->frame[i]);
}

static int reader_next(struct reader *r, int index, bool *end)
{
    struct fm_error error = {0};
    int code = FM_ERR_EOS;
    if (r->clip)
        code = fm_clip_next(r->clip, &r->frame[index % 2], &error);
    else if (!r->done)
        code = fm_picture_read(r->path, &r->frame[0], &error);
    r->done = true;
    *end = code == FM_ERR_EOS;
    return code < 0 && !*end ? report(&error) : EXIT_DONE;
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static int put_row(
    struct comparison *c, const struct quality_result *r, double frames, double frame, double worst, double worst_frame)
{
    const struct cell row[N_COLUMNS] = {[ORIGINAL] = CELL_TEXT(base_of(c->original.path)),
        [RESULT] = CELL_TEXT(base_of(c->result.path)),
        [FRAMES] = CELL_NUMBER(frames),
        [FRAME] = CELL_NUMBER(frame),
        [PSNR] = CELL_NUMBER(r->psnr),
        [SSIM] = CELL_NUMBER(r->ssim),
        [FLICKER] = CELL_NUMBER(r->flicker),
        [WORST] = CELL_NUMBER(worst),
        [WORST_FRAME] = CELL_NUMBER(worst_frame)};
    return table_row(c->table, row) ? EXIT_DONE : EXIT_FAILED;
}

static int same_size(const struct comparison *c, const struct fm_picture *o, const struct fm_picture *r)
{
    if (o->width == r->width && o->height == r->height) return EXIT_DONE;
    fprintf(stderr, "framemill: %s: %d x %d pixels, but %s has %d x %d\n", c->result.path, r->width, r->height, c->original.path,
        o->width, o->height);
    return EXIT_BAD_INPUT;
}

static int compare_frame(struct comparison *c)
{
    const int now = c->n % 2, before = !now;
    struct reader *o = &c->original, *r = &c->result;
    const struct fm_picture originals[2] = {o->frame[before], o->frame[now]}, results[2] = {r->frame[before], r->frame[now]};
    struct fm_quality q = {.size = sizeof q};
    struct fm_error error = {0};
    double flicker = NAN;
    int status = same_size(c, &o->frame[now], &r->frame[now]);
    if (status != EXIT_DONE) return status;
    int code = fm_quality_compare(&o->frame[now], &r->frame[now], c->border, &q, &error);
    if (code == FM_OK && c->n) code = fm_quality_flicker(originals, results, 2, c->border, &flicker, &error);
    if (code < 0) return fprintf(stderr, "framemill: %s: %s\n", r->path, error.message), error_status(&error);
    const struct quality_result one = {q.psnr, q.ssim, flicker, NAN, 1};
    quality_sum_add(&c->sum, &one);
    c->n++;
    if (c->n == 1 || q.psnr < c->worst) c->worst = q.psnr, c->worst_frame = c->n;
    return c->each ? put_row(c, &one, NAN, c->n, NAN, NAN) : EXIT_DONE;
}

static int compare_all(struct comparison *c)
{
    while (c->n < c->limit) {
        bool end = false, result_end = false;
        if (bench_stopped(c->bench)) return EXIT_FAILED;
        int status = reader_next(&c->original, c->n, &end);
        if (status == EXIT_DONE) status = reader_next(&c->result, c->n, &result_end);
        if (status == EXIT_DONE && end != result_end) {
            const struct reader *shorter = end ? &c->original : &c->result, *longer = end ? &c->result : &c->original;
            fprintf(stderr, "framemill: %s: frame %d is missing: it ends, but %s goes on\n", shorter->path, c->n + 1, longer->path);
            return EXIT_BAD_INPUT;
        }
        if (status == EXIT_DONE && end) break;
        if (status == EXIT_DONE) status = compare_frame(c);
        if (status != EXIT_DONE) return status;
    }
    const struct quality_result mean = quality_sum_mean(&c->sum);
    return put_row(c, &mean, c->n, NAN, c->worst, c->worst_frame);
}

static int check_options(struct comparison *c)
{
    const struct args *args = c->bench->args;
    c->original.path = args_value(args, "original");
    c->result.path = args_value(args, "result");
    const double scale = c->bench->params.scale;
    if (!c->original.path || !c->result.path)
        return fprintf(stderr, "framemill bench quality: --original FILE and --result FILE belong together\n"), EXIT_USAGE;
    if (args_flag(args, "data") || args_flag(args, "model") || args->n_words > 1)
        return fprintf(stderr,
                   "framemill bench quality: --original and --result are compared as they are, without --data and networks\n"),
               EXIT_USAGE;
    c->border = scale > 1 ? (int) ceil(scale - 1e-9) : 0;
    c->each = args_flag(args, "each") || c->bench->svg[0]; /* a plot is over the frames */
    return args_int(args, "frames", 1, INT_MAX, INT_MAX, &c->limit) ? EXIT_DONE : EXIT_USAGE;
}

int quality_compare_files(struct bench *bench)
{
    struct table table;
    struct comparison c = {.bench = bench, .table = &table};
    table_start(&table, columns, N_COLUMNS, bench->json);
    int status = check_options(&c);
    if (status == EXIT_DONE) status = reader_open(&c.original, c.original.path);
    if (status == EXIT_DONE) status = reader_open(&c.result, c.result.path);
    if (status == EXIT_DONE) status = compare_all(&c);
    if (table.n_rows && !bench_save(bench, &table, &graph) && status == EXIT_DONE) status = EXIT_FAILED;
    if (c.original.clip) quality_clip_warn(c.original.path, c.original.clip);
    if (c.result.clip) quality_clip_warn(c.result.path, c.result.clip);
    reader_close(&c.original);
    reader_close(&c.result);
    table_free(&table);
    return status;
}
