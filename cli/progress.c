/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "commands.h"
#include "json.h"

#define REDRAW_MS 100 /* ten times a second */
#define QUIET_MS 300  /* no bar for what is over in a blink */
#define LEARN_MS 700  /* before that, the time left is a guess nobody should read */
#define SMOOTH_MS 3000 /* at most; less when the end is near */

void progress_start(struct progress *progress, enum progress_mode mode, bool quiet)
{
    const bool hidden = quiet || (mode == PROGRESS_BAR && !isatty(STDERR_FILENO));
    *progress = (struct progress){.mode = hidden ? PROGRESS_NONE : mode, .quiet = quiet, .started_ms = now_ms(), .left_s = -1};
    progress->seen_ms = progress->started_ms;
    progress->said_all = true;
    setvbuf(stderr, NULL, _IOLBF, 4096); /* whole lines, not letters */
}

double progress_seconds(const struct progress *progress)
{
    return (now_ms() - progress->started_ms) / 1e3;
}

void progress_wipe(struct progress *progress)
{
    if (!progress->drawn) return;
    fprintf(stderr, "\r%*s\r", progress->drawn, "");
    fflush(stderr);
    progress->drawn = 0;
}

/* Runs down with the clock, and leans towards what the share says over a few seconds: a number that jumps is not believed. */
static void estimate(struct progress *progress, double now)
{
    const double passed = now - progress->seen_ms, elapsed = now - progress->started_ms;
    progress->seen_ms = now;
    if (elapsed < LEARN_MS || progress->share <= 0) return;
    const double wanted = elapsed * (1 - progress->share) / progress->share / 1e3;
    if (progress->left_s < 0) {
        progress->left_s = wanted;
        return;
    }
    progress->left_s = fmax(0, progress->left_s - passed / 1e3);
    progress->left_s += (wanted - progress->left_s) * (1 - exp(-passed / fmin(SMOOTH_MS, 100 + 300 * wanted)));
}

static int columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void put_time(char *text, size_t size, int seconds, const char *what)
{
    if (seconds >= 3600)
        snprintf(text, size, "  %d:%02d:%02d %s", seconds / 3600, seconds / 60 % 60, seconds % 60, what);
    else
        snprintf(text, size, "  %d:%02d %s", seconds / 60, seconds % 60, what);
}

static void draw(struct progress *progress)
{
    char bar[64] = "", left[48] = "", line[256];
    const int wide = columns(), whole = (int) fmax(0, ceil(progress->left_s)), length = wide >= 72 ? 30 : wide >= 56 ? 14 : 0;
    if (length) {
        bar[0] = '[';
        for (int i = 0; i < length; i++) bar[1 + i] = i < (int) (progress->share * length) ? '#' : '-';
        strcpy(bar + 1 + length, "]  ");
    }
    const int passed = (int) progress_seconds(progress);
    if (progress->left_s >= 0 && progress->share < 1)
        put_time(left, sizeof left, whole, "left");
    else if (progress->share <= 0 && passed > 0) /* a picture that takes long: at least the time moves */
        put_time(left, sizeof left, passed, "so far");
    char fps[32] = "", all[24] = "", share[16] = "     ";
    if (progress->fps > 0) snprintf(fps, sizeof fps, "  %.1f fps", progress->fps);
    if (progress->files > 0) snprintf(all, sizeof all, "/%d", progress->files);
    if (progress->share > 0) snprintf(share, sizeof share, "%3d %%", (int) (progress->share * 100));
    int used = snprintf(line, sizeof line, "%s  %s%d%s %s%s%s%s", share, bar, progress->finished, all,
        progress->what ? progress->what : "picture", progress->files == 1 ? "" : "s", fps, left);
    if (used >= (int) sizeof line) used = (int) sizeof line - 1;
    if (used > wide - 1) used = wide > 1 ? wide - 1 : 0;
    fprintf(stderr, "\r%.*s%*s", used, line, progress->drawn > used ? progress->drawn - used : 0, "");
    fflush(stderr);
    progress->drawn = progress->drawn > used && progress->drawn < wide ? progress->drawn : used;
}

static void write_state(const struct progress *progress)
{
    fprintf(stderr, "{\"event\": \"progress\", \"finished\": %d, \"files\": %d, \"share\": ", progress->finished, progress->files);
    json_number(stderr, progress->share, 4);
    fputs(", \"elapsed_s\": ", stderr);
    json_number(stderr, progress_seconds(progress), 3);
    if (progress->fps > 0) {
        fputs(", \"fps\": ", stderr);
        json_number(stderr, progress->fps, 2);
    }
    fputs(", \"left_s\": ", stderr);
    json_number(stderr, progress->left_s < 0 ? NAN : progress->left_s, 1);
    fputs("}\n", stderr);
}

static void show(struct progress *progress, double now)
{
    progress->shown_ms = now;
    progress->said_all = true;
    if (progress->mode == PROGRESS_JSON)
        write_state(progress);
    else if (now - progress->started_ms >= QUIET_MS)
        draw(progress);
}

void progress_update(struct progress *progress, int finished, int files, double share)
{
    if (progress->mode == PROGRESS_NONE) return;
    const double now = now_ms();
    progress->finished = finished;
    progress->files = files;
    if (share > progress->share) progress->share = share > 1 ? 1 : share; /* found sizes may lower it: a bar goes one way */
    estimate(progress, now);
    progress->said_all = false;
    if (now - progress->shown_ms >= REDRAW_MS) show(progress, now);
}

void progress_end(struct progress *progress)
{
    if (progress->mode == PROGRESS_JSON && !progress->said_all) show(progress, now_ms());
    progress_wipe(progress);
}

void put_plain(FILE *to, const char *text)
{
    for (; *text; text++) putc((unsigned char) *text < 0x20 || *text == 0x7f ? '?' : *text, to);
}

/* Most messages name their file themselves. */
static const char *without_file(const char *file, const char *text)
{
    const size_t n = file ? strlen(file) : 0;
    return n && !strncmp(text, file, n) && !strncmp(text + n, ": ", 2) ? text + n + 2 : text;
}

void progress_list(struct progress *progress, const char *file, const char *text)
{
    progress_wipe(progress);
    fputs("  ", stderr);
    put_plain(stderr, file);
    fputs(": ", stderr);
    put_plain(stderr, without_file(file, text));
    putc('\n', stderr);
}

void progress_say(struct progress *progress, const char *kind, const char *file, const char *text)
{
    if (progress->quiet && strcmp(kind, "error") != 0) return;
    text = without_file(file, text);
    progress_wipe(progress);
    if (progress->mode == PROGRESS_JSON) {
        fputs("{", stderr);
        json_member(stderr, "event", kind);
        if (file) fputs(", ", stderr), json_member(stderr, "file", file);
        fputs(", ", stderr);
        json_member(stderr, "message", text);
        fputs("}\n", stderr);
    } else {
        fputs("framemill: ", stderr);
        if (file) put_plain(stderr, file), fputs(": ", stderr);
        if (!strcmp(kind, "warning")) fputs("warning: ", stderr);
        put_plain(stderr, text);
        putc('\n', stderr);
    }
}
