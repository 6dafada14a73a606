/* SPDX-License-Identifier: MIT */
/* A plug-in for the tests of workers, which leaves pictures as they are but is not a good one to work with:
 *
 *     wait=20,40   every picture takes 20 ms in worker process 0 and 40 ms in process 1; elsewhere (threads) 20 ms
 *     refuse=1     it cannot be opened in process 1; refuse=-1: in no process
 *     die=white    a process dies of a white picture
 *     hold=FILE    a white picture is held as long as there is this file, into which goes the number of the process that holds it
 *     meet=2,FILE  it is opened in no worker process before it is in two (FILE.0 and FILE.1 tell) */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <framemill/plugin.h>

struct moods {
    int wait_ms;
    int dies;
    char *hold;
};

static void nap(long ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

static void hold(const char *path)
{
    const int to = open(path, O_WRONLY | O_APPEND);
    if (to < 0) return;
    dprintf(to, "%d\n", (int) getpid());
    close(to);
    while (access(path, F_OK) == 0) nap(5);
}

/* "2,FILE": this is worker n of two. */
static void meet(const char *text, int worker)
{
    char *file, path[4096];
    const int many = (int) strtol(text, &file, 10);
    for (int i = 0; worker >= 0 && i <= many; i++) { /* the first is one's own */
        snprintf(path, sizeof path, "%s.%d", file + 1, i ? i - 1 : worker);
        FILE *own = i ? NULL : fopen(path, "w");
        if (own) fclose(own);
        while (access(path, F_OK) != 0) nap(5);
    }
}

/* A worker process has its number for its last argument: "... worker 3 1". Other processes: -1. */
static int worker_number(void)
{
    char text[4096] = "";
    const char *word[64] = {""};
    int words = 0;
    FILE *from = fopen("/proc/self/cmdline", "rb");
    const size_t size = from ? fread(text, 1, sizeof text - 1, from) : 0;
    if (from) fclose(from);
    for (size_t at = 0; at < size && words < 64; at += strlen(text + at) + 1) word[words++] = text + at;
    return words == 4 && !strcmp(word[1], "worker") ? atoi(word[3]) : -1;
}

static int moody_open(const char *options, void **state, char *message, size_t size)
{
    struct moods *m = calloc(1, sizeof *m);
    const int worker = worker_number();
    char *copy = strdup(options), *rest = copy;
    if (!m || !copy) return 1;
    for (char *word; (word = strsep(&rest, ":"));) {
        if (!strncmp(word, "wait=", 5)) {
            char *at = word + 5;
            m->wait_ms = (int) strtol(at, &at, 10);
            for (int i = 0; i < worker && *at == ','; i++) m->wait_ms = (int) strtol(at + 1, &at, 10);
        } else if (!strncmp(word, "refuse=", 7) && worker >= 0 && (atoi(word + 7) == worker || atoi(word + 7) < 0)) {
            snprintf(message, size, "not in the mood");
            free(copy);
            free(m);
            return 1;
        } else if (!strcmp(word, "die=white")) {
            m->dies = worker >= 0;
        } else if (!strncmp(word, "hold=", 5)) {
            free(m->hold);
            m->hold = strdup(word + 5);
        } else if (!strncmp(word, "meet=", 5)) {
            meet(word + 5, worker);
        }
    }
    free(copy);
    *state = m;
    return 0;
}

static void moody_close(void *state)
{
    struct moods *m = state;
    free(m->hold);
    free(m);
}

static int moody_reach(void *state, enum fm_plugin_when when)
{
    (void) state;
    return when == FM_PLUGIN_BEFORE ? 0 : -1;
}

static int moody_process(void *state, const struct fm_plugin_call *call)
{
    const struct moods *m = state;
    int white = 1;
    for (int c = 0; c < call->channels; c++)
        for (int y = 0; y < call->out->height; y++) {
            const float *from = call->in->data + c * call->in->plane + y * call->in->row;
            memcpy(call->out->data + c * call->out->plane + y * call->out->row, from, (size_t) call->out->width * sizeof *from);
            for (int x = 0; x < call->out->width; x++) white &= from[x] > 0.98f;
        }
    if (call->out->y == 0 && call->out->x == 0 && m->wait_ms) nap(m->wait_ms);
    if (white && m->hold) hold(m->hold);
    if (m->dies && white) raise(SIGKILL);
    return 0;
}

FM_PLUGIN_EXPORT const struct fm_plugin *framemill_plugin(void);
const struct fm_plugin *framemill_plugin(void)
{
    static const struct fm_plugin table = {.abi = FM_PLUGIN_ABI,
        .name = "moody",
        .help = "for tests: waits, refuses, dies",
        .open = moody_open,
        .close = moody_close,
        .reach = moody_reach,
        .process = moody_process};
    return &table;
}
