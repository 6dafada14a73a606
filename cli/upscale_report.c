/* SPDX-License-Identifier: MIT */
/* What became of the pictures: as JSON for programs, as lines for people. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "json.h"
#include "upscale.h"
#include "walk.h"

static const char *const outcome_names[] = {[OUTCOME_OPEN] = "planned",
    [OUTCOME_DONE] = "done",
    [OUTCOME_SKIPPED] = "skipped",
    [OUTCOME_FAILED] = "failed",
    [OUTCOME_BAD_INPUT] = "failed",
    [OUTCOME_CANCELLED] = "cancelled"};

struct counts {
    int done, skipped, failed, common, cancelled, open;
};

static bool failed(const struct picture *p)
{
    return p->outcome == OUTCOME_FAILED || p->outcome == OUTCOME_BAD_INPUT;
}

static struct counts count(const struct pictures *pictures)
{
    struct counts c = {0};
    for (int i = 0; i < pictures->n; i++) {
        const enum outcome o = pictures->list[i].outcome;
        c.done += o == OUTCOME_DONE;
        c.skipped += o == OUTCOME_SKIPPED;
        c.failed += failed(&pictures->list[i]);
        c.common += pictures->list[i].common;
        c.cancelled += o == OUTCOME_CANCELLED;
        c.open += o == OUTCOME_OPEN;
    }
    return c;
}

void report_begin(const struct settings *settings)
{
    printf("{\"framemill\": \"%s\", \"dry_run\": %s, \"files\": [", fm_version(), settings->dry_run ? "true" : "false");
}

static void ms(const char *name, double value, const char *after)
{
    printf("\"%s\": ", name);
    json_number(stdout, value, 3);
    fputs(after, stdout);
}

void report_picture(const struct picture *picture, const struct fm_upscale_report *report, bool first)
{
    static const struct fm_upscale_report nothing = {.model = NULL};
    const struct fm_upscale_report *r = report ? report : &nothing;
    const char *error = picture->outcome == OUTCOME_OPEN || picture->outcome == OUTCOME_DONE || picture->outcome == OUTCOME_SKIPPED
                            ? NULL
                        : r->code < 0 ? fm_err_name(r->code)
                                      : "refused";
    printf("%s\n  {", first ? "" : ",");
    json_member(stdout, "input", picture->input);
    fputs(", ", stdout);
    json_member(stdout, "output", picture->output);
    fputs(", ", stdout);
    json_member(stdout, "status", outcome_names[picture->outcome]);
    fputs(", ", stdout);
    json_member(stdout, "error", error);
    fputs(", ", stdout);
    json_member(stdout, "message", picture->message ? picture->message : "");
    char *warnings = text_of("%s\n%s", picture->warning ? picture->warning : "", r->warnings ? r->warnings : "");
    fputs(", \"warnings\": ", stdout);
    json_lines(stdout, warnings);
    free(warnings);
    printf(",\n   \"in\": {\"width\": %d, \"height\": %d, \"channels\": %d, \"bits\": %d}", r->in_width, r->in_height, r->channels,
        r->bits);
    printf(", \"out\": {\"width\": %d, \"height\": %d, \"bytes\": %" PRIu64 ", ", r->out_width, r->out_height, r->out_bytes);
    json_member(stdout, "format", r->format ? r->format : picture->format);
    fputs("}, ", stdout);
    json_member(stdout, "model", r->model);
    fputs(", ", stdout);
    json_member(stdout, "how", r->how);
    printf(",\n   \"tile\": {\"width\": %d, \"height\": %d, \"count\": %d}, \"memory\": %zu, \"ms\": {", r->tile_width,
        r->tile_height, r->tiles, r->memory);
    ms("read", r->read_ms, ", ");
    ms("compute", r->compute_ms, ", ");
    ms("network", r->network_ms, ", ");
    ms("write", r->write_ms, ", ");
    ms("total", r->total_ms, "}}");
}

bool report_end(const struct pictures *pictures, const fm_upscale *upscale, double seconds, bool cancelled)
{
    const struct counts c = count(pictures);
    struct rusage usage = {0};
    const char *note;
    fputs("],\n \"notes\": [", stdout);
    for (int i = 0; upscale && fm_upscale_note(upscale, i, &note) == FM_OK; i++) {
        if (i) fputs(", ", stdout);
        json_text(stdout, note);
    }
    getrusage(RUSAGE_SELF, &usage);
    printf("],\n \"done\": %d, \"planned\": %d, \"failed\": %d, \"skipped\": %d, \"left_out\": %d, \"cancelled\": %s, ", c.done,
        c.open, c.failed, c.skipped, pictures->left_out, cancelled ? "true" : "false");
    printf("\"peak_memory\": %lld, \"seconds\": ", (long long) usage.ru_maxrss * 1024);
    json_number(stdout, seconds, 3);
    fputs("}\n", stdout);
    return fflush(stdout) == 0 && !ferror(stdout);
}

const char *report_line(const struct fm_upscale_report *r, char *text, size_t size)
{
    char tiles[80] = "whole", times[120] = "";
    if (r->tiles > 1) snprintf(tiles, sizeof tiles, "%d tiles of %dx%d", r->tiles, r->tile_width, r->tile_height);
    if (r->total_ms > 0)
        snprintf(times, sizeof times, ", %.0f ms (read %.0f, compute %.0f, write %.0f)", r->total_ms, r->read_ms, r->compute_ms,
            r->write_ms);
    const char *how = r->how ? r->how : "", *model = r->model ? r->model : "";
    const bool says_model = strcasestr(how, model) != NULL; /* "lanczos2x x2 twice" */
    snprintf(text, size, "%dx%d -> %dx%d %s, %s%s%s%s, %s, %.1f MB%s", r->in_width, r->in_height, r->out_width, r->out_height,
        r->format ? r->format : "", says_model ? "" : model, says_model || !*how ? "" : " (", how, says_model || !*how ? "" : ")",
        tiles, (double) r->memory / 1e6, times);
    return text;
}

static const char *pictures_word(int n)
{
    return n == 1 ? "picture" : "pictures";
}

void report_total(
    struct progress *progress, const struct settings *settings, const struct pictures *pictures, double seconds, bool cancelled)
{
    const struct counts c = count(pictures);
    const bool program = progress->mode == PROGRESS_JSON, wanted = settings->verbose || settings->terminal || program;
    const int tried = c.done + c.failed + c.cancelled + c.open;
    char text[320];
    if (c.failed > c.common && pictures->n > 1 && !program && !settings->quiet) {
        fprintf(stderr, "%d of %d %s failed:\n", c.failed, tried, pictures_word(tried));
        for (int i = 0; i < pictures->n; i++) {
            const struct picture *p = &pictures->list[i];
            if (failed(p)) progress_list(progress, p->input, p->message ? p->message : "out of memory");
        }
    }
    if (cancelled) {
        snprintf(text, sizeof text, "cancelled: %d of %d %s done", c.done, tried, pictures_word(tried));
        progress_say(progress, "error", NULL, text);
    } else if (wanted && !settings->dry_run) {
        int n = snprintf(text, sizeof text, "%d %s in %.1f s", c.done, pictures_word(c.done), seconds);
        if (c.failed) n += snprintf(text + n, sizeof text - (size_t) n, ", %d failed", c.failed);
        if (c.skipped) n += snprintf(text + n, sizeof text - (size_t) n, ", %d skipped", c.skipped);
        if (pictures->left_out) snprintf(text + n, sizeof text - (size_t) n, ", %d other files left out", pictures->left_out);
        progress_say(progress, "done", NULL, text);
    }
}
