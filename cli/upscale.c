/* SPDX-License-Identifier: MIT */
/* framemill upscale: video or pictures in, larger ones out. */
#define _GNU_SOURCE
#include "upscale.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "interrupt.h"
#include "upscale_video.h"
#include "walk.h"

struct job {
    const struct settings *settings;
    struct pictures pictures;
    struct progress progress;
    fm_upscale *upscale;
    int *picture_of;  /* of a file of the run */
    int notes, shown; /* how many were said, how many pictures are in the JSON report */
    bool cancelled, described;
};

static void say_notes(struct job *job)
{
    const char *note;
    while (fm_upscale_note(job->upscale, job->notes, &note) == FM_OK) {
        job->notes++;
        progress_say(&job->progress, "note", NULL, note);
    }
}

/* A failure, at once. */
static void say_outcome(struct job *job, const struct picture *picture)
{
    const bool failed = picture->outcome == OUTCOME_FAILED || picture->outcome == OUTCOME_BAD_INPUT;
    if (failed) progress_say(&job->progress, "error", picture->input, picture->message ? picture->message : "out of memory");
    if (picture->outcome == OUTCOME_SKIPPED && job->settings->verbose)
        progress_say(&job->progress, "skipped", picture->input, picture->message ? picture->message : "");
}

static void show(struct job *job, const struct picture *picture, const struct fm_upscale_report *report)
{
    if (!job->settings->json) return;
    progress_wipe(&job->progress);
    report_picture(picture, report, job->shown++ == 0);
}

/* What cannot be done is said before anything is; each once. */
static void say_refused(struct job *job)
{
    for (int i = 0; i < job->pictures.n; i++) {
        struct picture *p = &job->pictures.list[i];
        if (p->outcome == OUTCOME_OPEN || p->said) continue;
        p->said = true;
        say_outcome(job, p);
        show(job, p, NULL);
    }
}

static void say_new_names(struct job *job)
{
    for (int i = 0; i < job->pictures.n; i++) {
        const struct picture *p = &job->pictures.list[i];
        if (p->warning) progress_say(&job->progress, "warning", p->input, p->warning);
    }
}

/* Something that concerns them all is said once, not for each. */
static void fail_rest(struct job *job, const char *message)
{
    progress_say(&job->progress, "error", NULL, message);
    for (int i = 0; i < job->pictures.n; i++) {
        struct picture *p = &job->pictures.list[i];
        if (p->outcome != OUTCOME_OPEN) continue;
        picture_fail(p, OUTCOME_FAILED, message);
        p->said = p->common = true;
        show(job, p, NULL);
    }
}

/* Whether the fault is the picture's: a file that cannot be opened any more is, a full disk is not. */
static enum outcome outcome_of(int code, const char *input)
{
    switch (code) {
    case FM_OK: return OUTCOME_DONE;
    case FM_ERR_CANCELLED: return OUTCOME_CANCELLED;
    case FM_ERR_FORMAT:
    case FM_ERR_UNSUPPORTED:
    case FM_ERR_SHAPE: return OUTCOME_BAD_INPUT;
    case FM_ERR_IO: return access(input, R_OK) == 0 ? OUTCOME_FAILED : OUTCOME_BAD_INPUT;
    default: return OUTCOME_FAILED;
    }
}

static void say_warnings(struct job *job, const struct picture *picture, const char *warnings)
{
    for (const char *line = warnings ? warnings : ""; *line;) {
        const size_t n = strcspn(line, "\n");
        char *text = strndup(line, n);
        if (text && *text) progress_say(&job->progress, "warning", picture->input, text);
        free(text);
        line += n + (line[n] == '\n');
    }
}

static void on_report(void *user, const struct fm_upscale_report *report)
{
    struct job *job = user;
    struct picture *picture = &job->pictures.list[job->picture_of[report->index]];
    const enum outcome outcome = outcome_of(report->code, picture->input);
    if (outcome == OUTCOME_DONE)
        picture->outcome = OUTCOME_DONE;
    else
        picture_fail(picture, outcome, report->message && *report->message ? report->message : fm_err_name(report->code));
    say_notes(job);
    if (outcome != OUTCOME_CANCELLED) {
        say_warnings(job, picture, report->warnings);
        say_outcome(job, picture);
    }
    if (outcome == OUTCOME_DONE && (job->settings->verbose || job->progress.mode == PROGRESS_JSON)) {
        char line[1024];
        progress_say(&job->progress, "done", picture->input, report_line(report, line, sizeof line));
    }
    show(job, picture, report);
}

static void on_progress(void *user, int finished, int files, double share)
{
    struct job *job = user;
    progress_update(&job->progress, finished, files, share);
}

static void on_describe(void *user, const struct fm_upscale_report *report)
{
    struct job *job = user;
    struct picture *picture = &job->pictures.list[job->picture_of[0]];
    job->described = true;
    if (report->code < 0) {
        picture_fail(picture, outcome_of(report->code, picture->input),
            report->message && *report->message ? report->message : fm_err_name(report->code));
        say_outcome(job, picture);
    } else if (!job->settings->json) {
        char line[1024];
        put_plain(stdout, picture->input);
        fputs(" -> ", stdout);
        put_plain(stdout, picture->output);
        printf(": %s\n", report_line(report, line, sizeof line));
    }
    say_warnings(job, picture, report->warnings);
    show(job, picture, report);
}

/* A line for each picture, from its header. */
static void describe_all(struct job *job)
{
    for (int i = 0; i < job->pictures.n; i++) {
        struct picture *p = &job->pictures.list[i];
        const struct fm_upscale_file file = {p->input, p->output, p->format};
        struct fm_error error = {0};
        if (p->outcome != OUTCOME_OPEN) continue;
        job->picture_of[0] = i;
        job->described = false;
        const int code = fm_upscale_describe(job->upscale, &file, on_describe, job, &error);
        if (code == FM_OK || job->described) continue;
        picture_fail(p, outcome_of(code, p->input), error.message);
        say_outcome(job, p);
        show(job, p, NULL);
    }
    say_notes(job);
}

static void stop(void *user)
{
    fm_upscale_cancel(user);
}

static void run_all(struct job *job, struct fm_upscale_file *files)
{
    struct fm_error error = {0};
    int n = 0;
    for (int i = 0; i < job->pictures.n; i++) {
        const struct picture *p = &job->pictures.list[i];
        if (p->outcome != OUTCOME_OPEN) continue;
        files[n] = (struct fm_upscale_file){p->input, p->output, p->format};
        job->picture_of[n++] = i;
    }
    interrupt_target(stop, job->upscale);
    const int code = n ? fm_upscale_run(job->upscale, files, n, on_report, on_progress, job, &error) : FM_OK;
    interrupt_target(NULL, NULL);
    progress_end(&job->progress);
    bool left = false; /* pictures that the run never came to speak of: its own failure */
    for (int i = 0; i < job->pictures.n; i++) {
        left |= job->pictures.list[i].outcome == OUTCOME_OPEN;
        job->cancelled |= job->pictures.list[i].outcome == OUTCOME_CANCELLED;
    }
    if (left) fail_rest(job, error.message[0] ? error.message : fm_err_name(code));
    say_notes(job);
}

static bool make_folders_first(struct job *job)
{
    const int error = pictures_make_folders(&job->pictures);
    if (error) {
        char *message = text_of("%s: %s", job->pictures.folder, strerror(error));
        fail_rest(job, message ? message : strerror(error));
        free(message);
    }
    say_refused(job);
    return !error;
}

/* Opens the machine and the networks, then does what is asked for. EXIT_DONE: what became of the pictures decides. */
static int work(struct job *job)
{
    struct fm_error error = {0};
    fm_engine *engine = NULL;
    int status = EXIT_DONE;
    job->picture_of = calloc((size_t) job->pictures.n + 1, sizeof *job->picture_of);
    struct fm_upscale_file *files = calloc((size_t) job->pictures.n + 1, sizeof *files);
    if (!job->picture_of || !files) {
        fail_rest(job, "out of memory");
    } else if (fm_engine_create(&job->settings->engine, &engine, &error) < 0 ||
               fm_upscale_create(engine, &job->settings->params, &job->upscale, &error) < 0) {
        fail_rest(job, error.message);
        status = error_status(&error);
    } else {
        say_notes(job);
        if (job->settings->dry_run)
            describe_all(job);
        else if (make_folders_first(job))
            run_all(job, files);
    }
    fm_engine_unref(&engine);
    free(files);
    return status;
}

static int exit_code(const struct job *job)
{
    int status = job->cancelled ? EXIT_FAILED : EXIT_DONE;
    for (int i = 0; i < job->pictures.n; i++) {
        const enum outcome o = job->pictures.list[i].outcome;
        if (o == OUTCOME_FAILED || o == OUTCOME_CANCELLED) status = EXIT_FAILED;
        if (o == OUTCOME_BAD_INPUT && status == EXIT_DONE) status = EXIT_BAD_INPUT;
    }
    return status;
}

static bool anything_open(const struct pictures *pictures)
{
    for (int i = 0; i < pictures->n; i++)
        if (pictures->list[i].outcome == OUTCOME_OPEN) return true;
    return false;
}

static int upscale(const struct settings *settings)
{
    struct job job = {.settings = settings};
    int status = pictures_find(&job.pictures, settings);
    if (status == EXIT_DONE) {
        progress_start(&job.progress, settings->progress, settings->quiet);
        if (settings->gpu_wanted) progress_say(&job.progress, "warning", NULL, "this build computes on the CPU: -g has no effect");
        if (settings->json) report_begin(settings);
        say_new_names(&job);
        say_refused(&job);
        if (anything_open(&job.pictures)) status = work(&job);
        const double seconds = progress_seconds(&job.progress);
        report_total(&job.progress, settings, &job.pictures, seconds, job.cancelled);
        if (settings->json && !report_end(&job.pictures, job.upscale, seconds, job.cancelled) && status == EXIT_DONE)
            status = EXIT_FAILED;
        if (status == EXIT_DONE) status = exit_code(&job);
    }
    fm_upscale_destroy(&job.upscale);
    free(job.picture_of);
    pictures_free(&job.pictures);
    return status;
}

int command_upscale(const struct args *args)
{
    struct settings settings;
    int status = settings_read(&settings, args);
    if (status == EXIT_DONE) {
        signal(SIGPIPE, SIG_IGN); /* whoever reads our report may leave: the pictures are finished all the same */
        interrupt_start();
        status = settings.is_video ? upscale_video(&settings, args) : upscale(&settings);
        interrupt_stop();
    }
    settings_free(&settings);
    return status;
}
