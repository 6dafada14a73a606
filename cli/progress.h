/* SPDX-License-Identifier: MIT */
/* What a long command says while it works, on standard error: messages, and how far it is, as a bar for people or as lines of JSON for
 * programs. One thread. */
#ifndef FM_CLI_PROGRESS_H
#define FM_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdio.h>

enum progress_mode { PROGRESS_BAR, PROGRESS_JSON, PROGRESS_NONE };

struct progress {
    enum progress_mode mode; /* the bar only where it can be seen */
    bool quiet;
    double started_ms, seen_ms, shown_ms;
    int finished, files;
    const char *what; /* "frame"; NULL: "picture" */
    double fps;       /* shown when it is more than 0 */
    double share, left_s; /* how much is done; how long it will take, smoothed; negative: not known yet */
    int drawn;            /* columns that the bar takes now; 0: it is not there */
    bool said_all;        /* the last state was shown */
};

/* A bar on what is no terminal becomes PROGRESS_NONE; quiet lets only errors through. */
void progress_start(struct progress *progress, enum progress_mode mode, bool quiet);
/* Shows the state, ten times a second at most. */
void progress_update(struct progress *progress, int finished, int files, double share);
/* A line: "framemill: FILE: TEXT". kind: "error", "warning", "note", "done"; file may be NULL. */
void progress_say(struct progress *progress, const char *kind, const char *file, const char *text);
/* An indented line of a list: "  FILE: TEXT". */
void progress_list(struct progress *progress, const char *file, const char *text);
/* Takes the bar away, for who prints something himself; it comes back with the next update. */
void progress_wipe(struct progress *progress);
/* The last state, for programs that read along; the bar goes away. */
void progress_end(struct progress *progress);
/* A name of a file for a terminal: control characters as '?'. */
void put_plain(FILE *to, const char *text);
double progress_seconds(const struct progress *progress);

#endif
