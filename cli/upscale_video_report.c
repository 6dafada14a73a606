/* SPDX-License-Identifier: MIT */
/* What is said of a video that was made: as JSON, as a table of times, and of its workers. */
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "upscale_video.h"

static void number(const char *name, double value, int digits)
{
    printf(", \"%s\": ", name);
    json_number(stdout, value, digits);
}

static void write_workers(const struct fm_video_report *r)
{
    fputs(", \"workers\": [", stdout);
    for (int i = 0; i < r->n_workers; i++) {
        const struct fm_video_worker *w = &r->workers[i];
        fputs(i ? ", {" : "{", stdout);
        json_member(stdout, "name", w->name);
        printf(", \"kind\": \"%s\", \"threads\": %d, \"left_out\": %s, ", w->is_process ? "process" : "thread", w->threads,
            w->is_left_out ? "true" : "false");
        json_member(stdout, "reason", w->reason);
        printf(", \"frames\": %lld, \"restarts\": %lld", (long long) w->frames, (long long) w->restarts);
        number("mean_ms", w->mean_ms, 3);
        number("share", w->share, 4);
        putchar('}');
    }
    printf("], \"restarts\": %lld, \"redone\": %lld, \"measured\": %s", (long long) r->restarts, (long long) r->redone,
        r->is_measured ? "true" : "false");
    number("fps_alone", r->fps_alone, 2);
    number("fps_together", r->fps_together, 2);
    number("fps_chosen", r->fps_chosen, 2);
}

void video_report_json(const struct fm_video_report *r, const char *outcome, bool is_first)
{
    printf("%s\n {", is_first ? "" : ",");
    json_member(stdout, "input", r->input);
    fputs(", ", stdout);
    json_member(stdout, "output", r->output);
    printf(", \"outcome\": \"%s\", ", outcome);
    json_member(stdout, "message", r->message);
    fputs(", \"warnings\": ", stdout);
    json_lines(stdout, r->warnings);
    printf(", \"in_width\": %d, \"in_height\": %d, \"out_width\": %d, \"out_height\": %d, ", r->in_width, r->in_height,
        r->out_width, r->out_height);
    json_member(stdout, "model", r->model);
    fputs(", ", stdout);
    json_member(stdout, "how", r->how);
    fputs(", ", stdout);
    json_member(stdout, "encoder", r->encoder);
    fputs(", ", stdout);
    json_member(stdout, "partial", r->partial);
    fputs(", ", stdout);
    json_member(stdout, "journal", r->journal);
    fputs(", ", stdout);
    json_member(stdout, "hash", r->hash);
    printf(", \"frames\": %lld, \"resumed\": %lld, \"dropped\": %lld, \"damaged\": %lld, \"reconnects\": %lld, \"steps\": %lld, "
           "\"tiles\": %lld, \"reused\": %lld, \"out_bytes\": %llu",
        (long long) r->frames, (long long) r->resumed, (long long) r->dropped, (long long) r->damaged, (long long) r->reconnects,
        (long long) r->steps, (long long) r->tiles, (long long) r->reused, (unsigned long long) r->out_bytes);
    number("seconds", r->seconds, 3);
    number("fps", r->fps, 2);
    number("decode_ms", r->decode_ms, 1);
    number("convert_ms", r->convert_ms, 1);
    number("network_ms", r->network_ms, 1);
    number("encode_ms", r->encode_ms, 1);
    number("cpu_seconds", r->cpu_seconds, 3);
    write_workers(r);
    putchar('}');
}

void video_report_benchmark(const struct fm_video_report *r)
{
    const double made = (double) (r->frames - r->resumed), frames = made > 0 ? made : 1;
    printf("%-10s %10s %12s\n", "stage", "seconds", "ms a frame");
    const struct {
        const char *name;
        double ms;
    } stages[] = {{"decode", r->decode_ms}, {"convert", r->convert_ms}, {"network", r->network_ms}, {"encode", r->encode_ms},
        {"processor", r->cpu_seconds * 1e3}, {"clock", r->seconds * 1e3}};
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        printf("%-10s %10.3f %12.3f\n", stages[i].name, stages[i].ms / 1e3, stages[i].ms / frames);
    if (r->tiles) printf("reused     %9.1f%% of tiles\n", 100.0 * (double) r->reused / (double) r->tiles);
}

static void say_worker(struct progress *progress, const char *input, const struct fm_video_worker *w)
{
    char text[320];
    if (w->is_left_out)
        snprintf(text, sizeof text, "worker %s is left out: %s", w->name, w->reason);
    else if (w->share > 0)
        snprintf(text, sizeof text, "worker %s: %.1f %% of the frames by its speed, %lld made in %.1f ms each", w->name,
            100 * w->share, (long long) w->frames, w->mean_ms);
    else
        snprintf(text, sizeof text, "worker %s: %lld frames in %.1f ms each", w->name, (long long) w->frames, w->mean_ms);
    progress_say(progress, "note", input, text);
    if (!w->restarts) return;
    snprintf(text, sizeof text, "worker %s was started again (%lld): %s", w->name, (long long) w->restarts, w->reason);
    progress_say(progress, "note", input, text);
}

void video_report_workers(struct progress *progress, const struct fm_video_report *r, bool named)
{
    char text[256];
    if (named && r->is_measured) {
        snprintf(text, sizeof text,
            "workers measured: the best alone %.1f fps, all together %.1f fps, those that are used %.1f fps", r->fps_alone,
            r->fps_together, r->fps_chosen);
        progress_say(progress, "note", r->input, text);
    } else if (named) {
        progress_say(progress, "note", r->input, "too few frames to measure the workers: all were used");
    }
    for (int i = 0; i < r->n_workers; i++)
        if (named || r->workers[i].is_left_out || r->workers[i].restarts) say_worker(progress, r->input, &r->workers[i]);
    if (!r->redone) return;
    snprintf(text, sizeof text, "%lld frames were made by another worker, since the first one died", (long long) r->redone);
    progress_say(progress, "note", r->input, text);
}
