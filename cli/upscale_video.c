/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "upscale_video.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "commands.h"
#include "interrupt.h"
#include "walk.h"

struct options {
    struct fm_video_params params;
    const char **encoder, **input, **output; /* lists of KEY=VALUE */
    bool benchmark;
};

/* This very program, wherever it lies and even if another has taken its place there. */
static const char *const own_program[] = {"/proc/self/exe", VIDEO_WORKER_COMMAND, NULL};

struct job {
    const struct settings *settings;
    const struct options *options;
    struct progress progress;
    const char *input;
    int shown;     /* reports in the JSON list */
    char **result; /* names that were made so far */
    int n_results;
    bool cancelled;
};

bool is_video_job(const struct settings *s, const struct args *args)
{
    if (args_flag(args, "sequence")) return true;
    for (int i = 0; i < s->n_inputs; i++)
        if (fm_video_is_name(s->input[i]) || strchr(s->input[i], '%')) return true;
    return false;
}

/* ---- options ---- */

static const char **list_of(const struct args *args, const char *name)
{
    const char **list = calloc((size_t) args->n_given + 1, sizeof *list);
    int n = 0;
    for (int i = 0; list && i < args->n_given; i++)
        if (!strcmp(args->given[i].name, name)) list[n++] = args->given[i].value;
    return list;
}

static bool check_list(const struct args *args, const char *name, const char *const *list)
{
    for (int i = 0; list[i]; i++)
        if (!strchr(list[i], '=') || list[i][0] == '=') return args_complain(args, name, list[i], "KEY=VALUE");
    return true;
}

static bool read_crop(const struct args *args, struct fm_video_params *p)
{
    const char *text = args_value(args, "crop");
    int used = 0;
    if (!text) return true;
    const int n = sscanf(text, "%dx%d+%d+%d%n", &p->crop_width, &p->crop_height, &p->crop_left, &p->crop_top, &used);
    if (n == 4 && !text[used] && p->crop_width > 0 && p->crop_height > 0) return true;
    return args_complain(args, "crop", text, "a size and a place such as 640x360+0+60");
}

static int read_options(struct options *o, const struct settings *s, const struct args *args)
{
    *o = (struct options){.params.size = sizeof o->params};
    struct fm_video_params *p = &o->params;
    o->encoder = list_of(args, "encoder-option");
    o->input = list_of(args, "input-option");
    o->output = list_of(args, "output-option");
    if (!o->encoder || !o->input || !o->output) return fprintf(stderr, "framemill: out of memory\n"), EXIT_FAILED;
    const char *compare = args_value(args, "compare");
    if (!check_list(args, "encoder-option", o->encoder) || !check_list(args, "input-option", o->input) ||
        !check_list(args, "output-option", o->output) || !args_number(args, "start", 0, 1e9, 0, &p->start) ||
        !args_number(args, "duration", 0, 1e9, 0, &p->duration) || !args_number(args, "rate", 0.01, 1000, 0, &p->picture_rate) ||
        !args_number(args, "budget", 0.1, 60000, 0, &p->frame_budget_ms) || !args_int(args, "width", 1, 32768, 0, &p->width) ||
        !args_int(args, "height", 1, 32768, 0, &p->height) || !read_crop(args, p))
        return EXIT_USAGE;
    p->upscale = &s->params;
    p->input_options = o->input;
    p->output_options = o->output;
    p->encoder_options = o->encoder;
    p->encoder = args_value(args, "codec");
    p->output_format = args_value(args, "format");
    p->streams = args_value(args, "streams");
    p->interlaced = args_value(args, "interlaced");
    p->overwrite = s->params.overwrite;
    p->resume = args_flag(args, "resume");
    p->hash = args_flag(args, "hash");
    p->no_reuse = args_flag(args, "no-reuse");
    p->realtime = args_flag(args, "realtime");
    p->live = args_flag(args, "live") ? 1 : 0;
    p->workers = s->params.workers;
    p->worker_list = args_value(args, "workers");
    p->isolate = args_flag(args, "isolate");
    p->worker_program = own_program;
    p->compare = !compare ? FM_VIDEO_RESULT : !strcmp(compare, "split") ? FM_VIDEO_SPLIT : FM_VIDEO_SIDE;
    o->benchmark = args_flag(args, "benchmark");
    return EXIT_DONE;
}

static void free_options(struct options *o)
{
    free(o->encoder);
    free(o->input);
    free(o->output);
}

/* ---- saying ---- */

static void on_progress(void *user, const struct fm_video_report *r)
{
    struct job *job = user;
    const double share = r->expected > 0 ? (double) r->frames / (double) r->expected : r->length > 0 ? r->position / r->length : 0;
    job->progress.fps = r->fps;
    progress_update(&job->progress, (int) r->frames, (int) r->expected, share);
}

static void on_log(void *user, const char *text)
{
    struct job *job = user;
    progress_say(&job->progress, "note", job->input, text);
}

static void say_lines(struct job *job, const char *kind, const char *lines)
{
    for (const char *line = lines; *line;) {
        const size_t n = strcspn(line, "\n");
        char *text = strndup(line, n);
        if (text && *text) progress_say(&job->progress, kind, job->input, text);
        free(text);
        line += n + (line[n] == '\n');
    }
}

static void write_json(struct job *job, const struct fm_video_report *r, const char *outcome)
{
    video_report_json(r, outcome, !job->shown++);
}

static void on_report(void *user, const struct fm_video_report *r)
{
    struct job *job = user;
    char text[512];
    progress_end(&job->progress);
    say_lines(job, "warning", r->warnings);
    if (r->code == FM_OK) {
        snprintf(text, sizeof text, "%dx%d -> %dx%d by %s, %lld frames in %.1f s, %.1f fps%s%s", r->in_width, r->in_height,
            r->out_width, r->out_height, r->how, (long long) (r->frames - r->resumed), r->seconds, r->fps,
            *r->hash ? ", SHA-256 " : "", r->hash);
        progress_say(&job->progress, "done", r->input, text);
    } else {
        progress_say(&job->progress, "error", r->input, *r->message ? r->message : fm_err_name(r->code));
        if (*r->partial) {
            snprintf(text, sizeof text, "%.400s has what was made so far%s", r->partial, *r->journal ? "; --resume goes on" : "");
            progress_say(&job->progress, "note", r->input, text);
        } else if (*r->journal) {
            snprintf(text, sizeof text, "%.400s has what was made so far; --resume goes on", r->journal);
            progress_say(&job->progress, "note", r->input, text);
        }
    }
    video_report_workers(&job->progress, r, job->options->params.worker_list != NULL);
    if (r->dropped) {
        snprintf(text, sizeof text, "%lld frames came too fast and were dropped", (long long) r->dropped);
        progress_say(&job->progress, "note", r->input, text);
    }
    if (job->settings->json)
        write_json(job, r, r->code == FM_OK ? "done" : r->code == FM_ERR_CANCELLED ? "cancelled" : "failed");
    else if (job->options->benchmark)
        video_report_benchmark(r);
}

/* --dry-run. */
static void on_plan(void *user, const struct fm_video_report *r)
{
    struct job *job = user;
    char frames[48] = "";
    if (r->expected) snprintf(frames, sizeof frames, ", %lld frames", (long long) r->expected);
    if (job->settings->json)
        write_json(job, r, "planned");
    else
        printf("%s -> %s: %dx%d -> %dx%d by %s%s\n", r->input, *r->output ? r->output : "nothing", r->in_width, r->in_height,
            r->out_width, r->out_height, r->how, frames);
}

/* What could not be opened is in the JSON report, too. */
static void say_refused(struct job *job, const char *input, const char *output, int code, const char *message)
{
    const struct fm_video_report r = {.size = sizeof r,
        .input = input,
        .output = output ? output : "",
        .code = code,
        .message = message,
        .warnings = "",
        .model = "",
        .how = "",
        .encoder = "",
        .partial = "",
        .journal = "",
        .hash = ""};
    if (code < 0) progress_say(&job->progress, "error", input, message);
    if (job->settings->json) write_json(job, &r, code < 0 ? "failed" : "skipped");
}

/* ---- running ---- */

static void stop(void *user)
{
    fm_video_cancel(user);
}

static int status_of(int code)
{
    switch (code) {
    case FM_OK: return EXIT_DONE;
    case FM_ERR_ARGUMENT: return EXIT_USAGE;
    case FM_ERR_FORMAT: return EXIT_BAD_INPUT;
    default: return EXIT_FAILED;
    }
}

static int run_one(struct job *job, fm_engine *engine, const char *input, const char *output)
{
    struct fm_video_params p = job->options->params;
    struct fm_error error = {0};
    struct stat st;
    fm_video *video = NULL;
    p.input = input;
    p.output = output;
    job->input = input;
    progress_start(&job->progress, job->settings->progress, job->settings->quiet);
    job->progress.what = "frame";
    if (job->settings->skip_existing && output && stat(output, &st) == 0 && S_ISREG(st.st_mode)) {
        progress_say(&job->progress, "skipped", input, "the result is there already");
        say_refused(job, input, output, FM_OK, "the result is there already");
        return EXIT_DONE;
    }
    int code = fm_video_create(engine, &p, &video, &error);
    if (code < 0) {
        say_refused(job, input, output, code, error.message);
        return code == FM_ERR_UNSUPPORTED || code == FM_ERR_IO ? EXIT_BAD_INPUT : status_of(code);
    }
    const char *note;
    for (int i = 0; fm_video_note(video, i, &note) == FM_OK; i++) progress_say(&job->progress, "note", input, note);
    if (job->settings->dry_run) {
        code = fm_video_describe(video, on_plan, job);
    } else {
        interrupt_target(stop, video);
        code = fm_video_run(video, on_report, on_progress, on_log, job, &error);
        interrupt_target(NULL, NULL);
    }
    fm_video_destroy(&video);
    job->cancelled = code == FM_ERR_CANCELLED;
    return status_of(code);
}

/* "folder/film_x2.mp4" for film.mp4; a stream or a folder of pictures becomes an MP4. */
static char *result_of(const char *folder, const char *input, const char *suffix)
{
    size_t end = strlen(input);
    while (end > 1 && input[end - 1] == '/') end--;
    size_t name = end;
    while (name > 0 && input[name - 1] != '/') name--;
    const char *dot = NULL;
    for (size_t i = name + 1; i < end; i++)
        if (input[i] == '.') dot = input + i;
    const bool kept = dot && fm_video_is_name(dot) && !strstr(input, "://");
    const int stem = (int) ((dot ? (size_t) (dot - input) : end) - name), rest = kept ? (int) (input + end - dot) : 4;
    const char *extension = kept ? dot : ".mp4", *at = input + name;
    if (folder) return text_of("%s/%.*s%s%.*s", folder, stem, at, suffix, rest, extension);
    return text_of("%.*s%.*s%s%.*s", (int) name, input, stem, at, suffix, rest, extension);
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Two inputs of one name: the second would replace the result of the first. */
static bool is_taken(const struct job *job, const char *name)
{
    for (int i = 0; i < job->n_results; i++)
        if (!strcmp(job->result[i], name)) return true;
    return false;
}

static int run_named(struct job *job, fm_engine *engine, const char *input, const char *folder)
{
    char *made = result_of(folder, input, job->settings->suffix);
    if (!made) return fprintf(stderr, "framemill: out of memory\n"), EXIT_FAILED;
    if (is_taken(job, made)) {
        say_refused(job, input, made, FM_ERR_IO, "another input has a result of that name");
        free(made);
        return EXIT_FAILED;
    }
    job->result[job->n_results++] = made;
    return run_one(job, engine, input, made);
}

static int run_all(struct job *job, fm_engine *engine)
{
    const struct settings *s = job->settings;
    const char *out = s->output;
    int worst = EXIT_DONE;
    const bool folder = out && (s->n_inputs > 1 || is_folder(out) || out[strlen(out) - 1] == '/');
    const int error = folder && !s->dry_run ? make_folders(out) : 0;
    if (error) return fprintf(stderr, "framemill: %s: %s\n", out, strerror(error)), EXIT_FAILED;
    if (!(job->result = calloc((size_t) s->n_inputs, sizeof *job->result)))
        return fprintf(stderr, "framemill: out of memory\n"), EXIT_FAILED;
    for (int i = 0; i < s->n_inputs && !job->cancelled; i++) {
        const bool named = folder || (!out && *s->suffix);
        const int status =
            named ? run_named(job, engine, s->input[i], folder ? out : NULL) : run_one(job, engine, s->input[i], out);
        if (status != EXIT_DONE && worst != EXIT_FAILED) worst = status;
    }
    for (int i = 0; i < job->n_results; i++) free(job->result[i]);
    free(job->result);
    return worst;
}

static int check_places(const struct settings *s, const struct options *options)
{
    const char *fault = NULL;
    if (!s->output && !*s->suffix && !options->benchmark)
        fault = "where to? (framemill upscale IN OUT; --benchmark goes without)";
    else if (s->output && !strcmp(s->output, "-") && (s->json || s->dry_run))
        fault = "the video and the report cannot both go to standard output";
    if (!fault) return EXIT_DONE;
    fprintf(stderr, "framemill upscale: %s\n", fault);
    return EXIT_USAGE;
}

int upscale_worker(int argc, char **argv)
{
    struct fm_error error = {0};
    int descriptor, worker, used = 0, used_too = 0;
    if (argc != 4 || sscanf(argv[2], "%d%n", &descriptor, &used) != 1 || argv[2][used] ||
        sscanf(argv[3], "%d%n", &worker, &used_too) != 1 || argv[3][used_too])
        return fprintf(stderr, "framemill %s: started by framemill upscale --isolate, not by hand\n", VIDEO_WORKER_COMMAND),
               EXIT_USAGE;
    const int code = fm_video_work(descriptor, worker, &error);
    return code < 0 ? EXIT_FAILED : EXIT_DONE;
}

int upscale_video(const struct settings *s, const struct args *args)
{
    struct options options;
    struct job job = {.settings = s, .options = &options};
    int status = read_options(&options, s, args);
    if (status == EXIT_DONE) status = check_places(s, &options);
    signal(SIGXFSZ, SIG_IGN); /* a file too large, and a pipe that nobody reads, are errors of the job */
    signal(SIGPIPE, SIG_IGN);
    struct fm_error error = {0};
    fm_engine *engine = NULL;
    if (status == EXIT_DONE && fm_engine_create(&s->engine, &engine, &error) < 0) status = report(&error);
    if (status == EXIT_DONE) {
        if (s->json) printf("{\"framemill\": \"%s\", \"videos\": [", fm_version());
        status = run_all(&job, engine);
        if (s->json) printf("\n]}\n");
    }
    fm_engine_unref(&engine);
    free_options(&options);
    return status;
}
