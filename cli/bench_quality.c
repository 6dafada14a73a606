/* SPDX-License-Identifier: MIT */
/* framemill bench quality: how near enlarged pictures and clips come to their originals, how much they flicker, how fast and how large
 * the networks are. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bench_quality.h"

#define CLIP_FRAMES 60 /* of a clip, when not told */

enum { DATA, PICTURE, FRAMES, NETWORK, PSNR, GAIN, SSIM, FLICKER, RATE, MACS, KILOBYTES, N_COLUMNS };

static const struct column columns[N_COLUMNS] = {[DATA] = {"data", "data", -10, TABLE_TEXT},
    [PICTURE] = {"picture", "picture", -16, TABLE_TEXT},
    [FRAMES] = {"frames", "frames", 6, 0},
    [NETWORK] = {"network", "network", -20, TABLE_TEXT},
    [PSNR] = {"psnr_db", "PSNR dB", 8, 3},
    [GAIN] = {"gain_db", "gain dB", 8, 3}, /* over bicubic */
    [SSIM] = {"ssim", "SSIM", 7, 4},
    [FLICKER] = {"flicker", "flicker", 8, 3},
    [RATE] = {"images_per_s", "images/s", 9, 1},
    [MACS] = {"macs_per_pixel", "MAC/pixel", 9, 0}, /* of the small picture */
    [KILOBYTES] = {"file_kb", "file kB", 8, 1}};

static int no_memory(void)
{
    fprintf(stderr, "framemill: out of memory\n");
    return EXIT_FAILED;
}

/* ---- which networks ---- */

/* Takes the text, which may be NULL. */
static bool add_name(struct contest *c, char *text)
{
    char **grown = text ? realloc(c->names, ((size_t) c->n_names + 1) * sizeof *grown) : NULL;
    if (!grown) {
        free(text);
        return false;
    }
    c->names = grown;
    c->names[c->n_names++] = text;
    return true;
}

/* A list with commas, unless there is a file of that very name. */
static bool add_names(struct contest *c, const char *text)
{
    struct stat st;
    if (!strchr(text, ',') || stat(text, &st) == 0) return add_name(c, strdup(text));
    bool ok = true;
    for (const char *p = text; ok && *p;) {
        const size_t length = strcspn(p, ",");
        if (length) ok = add_name(c, strndup(p, length));
        p += length + (p[length] == ',');
    }
    return ok;
}

struct facts {
    double scale, macs; /* macs: for a pixel of the network's own input */
    bool enlarged_first;
};

static int look_inside(const char *path, struct facts *facts, struct fm_error *error)
{
    struct fm_model_info info = {.size = sizeof info};
    fm_model *model = NULL;
    const char *key, *value;
    int code = fm_model_open(path, &model, error);
    if (code == FM_OK) code = fm_model_get_info(model, NULL, &info, error);
    *facts = (struct facts){.macs = info.macs_per_pixel > 0 ? info.macs_per_pixel : NAN};
    if (code == FM_OK && info.scale_den > 0) facts->scale = (double) info.scale_num / info.scale_den;
    for (int i = 0; code == FM_OK && fm_model_metadata(model, i, &key, &value) == FM_OK; i++)
        if (!strcmp(key, "framemill.before") && !strcmp(value, "bilinear")) facts->enlarged_first = true;
    fm_model_unref(&model);
    return code;
}

struct choice {
    struct contest *contest;
    const char *from; /* "shipped", or "given" */
    bool out_of_memory;
};

static int choose(void *user, const char *name, const char *path, const char *where, bool shadowed)
{
    struct choice *choice = user;
    struct facts facts;
    struct fm_error error = {0};
    if (shadowed || strcmp(where, choice->from) != 0) return 0;
    const double scale = choice->contest->bench.params.scale;
    if (look_inside(path, &facts, &error) < 0) {
        fprintf(stderr, "framemill: %s: left out: %s\n", name, error.message);
    } else if (!facts.enlarged_first && fabs(facts.scale - scale) > 1e-9) {
        fprintf(stderr, "framemill: %s: left out: it enlarges by %g\n", name, facts.scale);
    } else if (!add_name(choice->contest, strdup(path))) {
        choice->out_of_memory = true;
        return 1;
    }
    return 0;
}

static int choose_networks(struct contest *c, const struct args *args)
{
    bool ok = true;
    for (int i = 1; ok && i < args->n_words; i++) ok = add_name(c, strdup(args->word[i]));
    for (int i = 0; ok && i < args->n_given; i++)
        if (!strcmp(args->given[i].name, "model")) ok = add_names(c, args->given[i].value);
    if (!ok) return no_memory();
    if (c->n_names) return EXIT_DONE;
    const char *folder = c->bench.params.model_dir;
    struct choice choice = {.contest = c, .from = folder ? "given" : "shipped"};
    struct fm_error error = {0};
    if (fm_models_each(folder, choose, &choice, &error) < 0) return report(&error);
    if (choice.out_of_memory) return no_memory();
    if (!c->n_names)
        fprintf(stderr, "framemill: no network %s enlarges by %g: bicubic alone is measured\n",
            folder ? "in that folder" : "that is shipped", c->bench.params.scale);
    return EXIT_DONE;
}

/* Multiply-adds for a pixel of the small picture: all passes that the result takes. */
static double cost_of(const struct facts *facts, double scale)
{
    if (facts->enlarged_first) return facts->macs * scale * scale;
    double sum = facts->macs, reached = facts->scale;
    while (facts->scale > 1 && reached < scale - 1e-9) {
        sum += facts->macs * reached * reached;
        reached *= facts->scale;
    }
    return sum;
}

/* With the weights of an ncnn network, which lie beside it. */
static double kilobytes_of(const char *path)
{
    char weights[BENCH_PATH];
    struct stat st;
    const size_t length = strlen(path);
    double bytes = stat(path, &st) == 0 ? (double) st.st_size : NAN;
    if (length > 6 && !strcmp(path + length - 6, ".param")) {
        snprintf(weights, sizeof weights, "%.*s.bin", (int) (length - 6), path);
        bytes += stat(weights, &st) == 0 ? (double) st.st_size : NAN;
    }
    return bytes / 1e3;
}

static int enter(struct contest *c, int k)
{
    struct bench *b = &c->bench;
    struct contestant *one = &c->one[c->n];
    struct fm_error error = {0};
    int status = EXIT_DONE;
    *one = (struct contestant){.macs = NAN, .kilobytes = NAN};
    bench_network_name(b, k, one->name, sizeof one->name);
    one->upscale = bench_upscaler(b, k, &status);
    if (!one->upscale) return status;
    c->n++;
    if (!strcmp(b->network[k], "lanczos")) return EXIT_DONE;
    char path[BENCH_PATH];
    struct facts facts;
    if (fm_models_find(b->network[k], b->params.model_dir, path, sizeof path, &error) < 0 || look_inside(path, &facts, &error) < 0)
        return report(&error);
    one->macs = cost_of(&facts, b->params.scale);
    one->kilobytes = kilobytes_of(path);
    return EXIT_DONE;
}

static int enter_all(struct contest *c)
{
    struct bench *b = &c->bench;
    const char **list = calloc((size_t) c->n_names + 1, sizeof *list);
    c->one = calloc((size_t) c->n_names + 1, sizeof *c->one);
    c->times = calloc((size_t) b->repeat, sizeof *c->times);
    if (!list || !c->one || !c->times) {
        free(list);
        return no_memory();
    }
    for (int i = 0; i < c->n_names; i++) list[i] = c->names[i];
    free(b->network);
    b->network = list;
    b->n_networks = c->n_names;
    c->one[c->n++] = (struct contestant){.name = "bicubic", .macs = NAN, .kilobytes = NAN};
    int status = EXIT_DONE;
    for (int k = 0; k < c->n_names && status == EXIT_DONE; k++) status = enter(c, k);
    return status;
}

/* ---- measuring ---- */

/* Again into the same picture, until --repeat or the time is reached; the first time, which prepared all, counts only if it was that long. */
static int measure_time(
    struct contest *c, struct contestant *one, const struct fm_picture *small, struct fm_picture *out, double first, double *ms)
{
    int n = 0;
    *ms = first;
    for (double spent = first; n < c->bench.repeat && spent < c->bench.seconds * 1e3;) {
        const double start = now_ms();
        if (bench_run_picture(&c->bench, one->upscale, small, out) < 0) return EXIT_FAILED;
        spent += c->times[n++] = now_ms() - start;
    }
    if (n) *ms = spread_of(c->times, n).median;
    return EXIT_DONE;
}

static int measure_flicker(struct contest *c, struct contestant *one, const struct quality_picture *p, double *flicker)
{
    struct fm_picture result[PAN_FRAMES] = {{0}};
    struct fm_error error = {0};
    int status = EXIT_DONE;
    *flicker = p->n_pans ? 0 : NAN;
    for (int k = 0; k < p->n_pans && status == EXIT_DONE; k++) {
        double of_pan = 0;
        for (int t = 0; t < PAN_FRAMES && status == EXIT_DONE; t++)
            status = quality_enlarge(c, one, &p->small_pan[k][t], &p->pan[k][t], &result[t]);
        if (status == EXIT_DONE && fm_quality_flicker(p->pan[k], result, PAN_FRAMES, c->border, &of_pan, &error) < 0)
            status = report(&error);
        *flicker += of_pan / p->n_pans;
    }
    for (int t = 0; t < PAN_FRAMES; t++) fm_picture_destroy(&result[t]);
    return status;
}

static int put_row(struct contest *c, const char *set, const char *picture, const struct contestant *one,
    const struct quality_result *r, double bicubic, bool mean)
{
    const struct cell row[N_COLUMNS] = {[DATA] = CELL_TEXT(set),
        [PICTURE] = CELL_TEXT(picture),
        [FRAMES] = CELL_NUMBER(r->frames),
        [NETWORK] = CELL_TEXT(one->name),
        [PSNR] = CELL_NUMBER(r->psnr),
        [GAIN] = CELL_NUMBER(one->upscale ? r->psnr - bicubic : NAN),
        [SSIM] = CELL_NUMBER(r->ssim),
        [FLICKER] = CELL_NUMBER(r->flicker),
        [RATE] = CELL_NUMBER(1e3 / r->ms),
        [MACS] = CELL_NUMBER(mean ? one->macs : NAN), /* of a row for one picture the plot has no point */
        [KILOBYTES] = CELL_NUMBER(mean ? one->kilobytes : NAN)};
    return table_row(c->table, row) ? EXIT_DONE : EXIT_FAILED;
}

static int measure_one(struct contest *c, struct contestant *one, const struct quality_entry *e, const struct quality_picture *p)
{
    struct fm_picture out = {0};
    struct fm_error error = {0};
    struct fm_quality q = {.size = sizeof q};
    double ms = NAN, flicker = NAN;
    const double start = now_ms();
    int status = quality_enlarge(c, one, &p->small, &p->large, &out);
    if (status == EXIT_DONE && one->upscale) status = measure_time(c, one, &p->small, &out, now_ms() - start, &ms);
    if (status == EXIT_DONE && fm_quality_compare(&p->large, &out, c->border, &q, &error) < 0) {
        fprintf(stderr, "framemill: %s: %s\n", e->large, error.message);
        status = error_status(&error);
    }
    fm_picture_destroy(&out);
    if (status == EXIT_DONE) status = measure_flicker(c, one, p, &flicker);
    one->result = (struct quality_result){q.psnr, q.ssim, flicker, ms, 1};
    return status;
}

static int measure_picture(struct contest *c, const struct quality_entry *e)
{
    struct quality_picture picture;
    int status = quality_picture_open(e, c->ratio, c->border, &picture);
    for (int k = 0; k < c->n && status == EXIT_DONE; k++)
        status = bench_stopped(&c->bench) ? EXIT_FAILED : measure_one(c, &c->one[k], e, &picture);
    quality_picture_close(&picture);
    return status;
}

static int measure_set(struct contest *c, const struct quality_set *set)
{
    int status = EXIT_DONE;
    for (int k = 0; k < c->n; k++) c->one[k].sum = (struct quality_sum){.n = 0};
    for (int i = 0; i < set->n && status == EXIT_DONE; i++) {
        const struct quality_entry *e = &set->entry[i];
        const bool has_row = c->each || (e->is_clip && set->n > 1);
        status = e->is_clip ? quality_measure_clip(c, e) : measure_picture(c, e);
        for (int k = 0; k < c->n && status == EXIT_DONE; k++) {
            struct contestant *one = &c->one[k];
            quality_sum_add(&one->sum, &one->result);
            if (has_row) status = put_row(c, set->name, e->name, one, &one->result, c->one[0].result.psnr, false);
        }
    }
    char text[32];
    snprintf(text, sizeof text, "mean of %d", set->n);
    const double bicubic = quality_sum_mean(&c->one[0].sum).psnr;
    for (int k = 0; k < c->n && status == EXIT_DONE; k++) {
        const struct quality_result mean = quality_sum_mean(&c->one[k].sum);
        status = put_row(c, set->name, text, &c->one[k], &mean, bicubic, true);
    }
    return status;
}

/* All folders are looked through before anything is measured. */
static int open_sets(struct contest *c, const struct args *args)
{
    int status = EXIT_DONE;
    c->set = calloc((size_t) args->n_given + 1, sizeof *c->set);
    if (!c->set) return no_memory();
    for (int i = 0; i < args->n_given && status == EXIT_DONE; i++)
        if (!strcmp(args->given[i].name, "data"))
            status = quality_set_open(args->given[i].value, c->bench.params.scale, &c->set[c->n_sets++]);
    return status;
}

static const struct bench_view views[] = {{.y_label = "dB over bicubic", .columns = {GAIN}, .n_columns = 1}};
static const struct bench_graph graph = {.title = "Quality against cost",
    .x_label = "multiply-adds for each pixel of the small picture",
    .log_x = true,
    .x_column = MACS,
    .labels = NETWORK,
    .groups = 1 << DATA,
    .views = views,
    .n_views = 1};

static int check_options(struct contest *c, const struct args *args)
{
    const char *scale = args_value(args, "scale");
    if (!args_value(args, "data") || !scale) {
        fprintf(stderr, "framemill bench quality: --data PATH and --scale S are needed, or --original FILE and --result FILE\n");
        return EXIT_USAGE;
    }
    if (c->bench.params.scale <= 1 || !ratio_of(c->bench.params.scale, &c->ratio))
        return args_complain(args, "scale", scale, "a number above 1, such as 2 or 1.5"), EXIT_USAGE;
    c->border = (int) ceil(c->bench.params.scale - 1e-9);
    c->each = args_flag(args, "each");
    return args_int(args, "frames", 1, 1000000, CLIP_FRAMES, &c->frames) ? EXIT_DONE : EXIT_USAGE;
}

static int measure_networks(struct contest *c, const struct args *args)
{
    int status = check_options(c, args);
    if (status == EXIT_DONE) status = open_sets(c, args);
    if (status == EXIT_DONE) status = choose_networks(c, args);
    if (status == EXIT_DONE) status = enter_all(c);
    for (int i = 0; i < c->n_sets && status == EXIT_DONE; i++) status = measure_set(c, &c->set[i]);
    if (c->table->n_rows && !bench_save(&c->bench, c->table, &graph) && status == EXIT_DONE) status = EXIT_FAILED;
    for (int k = 0; k < c->n; k++) fm_upscale_destroy(&c->one[k].upscale);
    for (int i = 0; i < c->n_names; i++) free(c->names[i]);
    for (int i = 0; i < c->n_sets; i++) quality_set_close(&c->set[i]);
    free(c->set);
    free(c->names);
    free(c->one);
    free(c->times);
    return status;
}

int bench_quality(const struct args *args)
{
    const struct bench_defaults defaults = {"64", 3, 2};
    struct table table;
    struct contest c = {.table = &table};
    int status = bench_open(&c.bench, args, &defaults);
    table_start(&table, columns, N_COLUMNS, c.bench.json);
    if (status == EXIT_DONE)
        status =
            args_flag(args, "original") || args_flag(args, "result") ? quality_compare_files(&c.bench) : measure_networks(&c, args);
    table_free(&table);
    bench_close(&c.bench);
    return status;
}
