/* SPDX-License-Identifier: MIT */
/* Options, the temporary folder, the library, processes of our own. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "interrupt.h"
#include "walk.h"

#define MAX_SIDE 65535

static int no_memory(void)
{
    fprintf(stderr, "framemill: out of memory\n");
    return EXIT_FAILED;
}

/* ---- options ---- */

/* "512" or "1920x1080". */
static bool read_size(const char *text, size_t length, struct bench_size *size)
{
    char word[24], *end;
    if (length == 0 || length >= sizeof word) return false;
    memcpy(word, text, length);
    word[length] = 0;
    const long w = strtol(word, &end, 10);
    const long h = *end == 'x' ? strtol(end + 1, &end, 10) : w;
    if (*end || w < 1 || h < 1 || w > MAX_SIDE || h > MAX_SIDE) return false;
    *size = (struct bench_size){(int) w, (int) h, ""};
    snprintf(size->text, sizeof size->text, "%ldx%ld", w, h);
    return true;
}

static int read_sizes(struct bench *b, const char *otherwise)
{
    const char *given = args_value(b->args, "sizes"), *text = given ? given : otherwise;
    int n = 1;
    for (const char *p = text; *p; p++) n += *p == ',';
    b->size = calloc((size_t) n, sizeof *b->size);
    if (!b->size) return no_memory();
    for (const char *p = text;; p++) {
        const size_t length = strcspn(p, ",");
        if (!read_size(p, length, &b->size[b->n_sizes++]))
            return args_complain(b->args, "sizes", text, "sizes such as 512,1024 or 1920x1080"), EXIT_USAGE;
        p += length;
        if (!*p) return EXIT_DONE;
    }
}

static int read_networks(struct bench *b)
{
    const int n = b->args->n_words - 1;
    b->network = calloc((size_t) n + 1, sizeof *b->network);
    if (!b->network) return no_memory();
    for (int i = 0; i < n; i++) b->network[i] = b->args->word[i + 1];
    if (!n) b->network[0] = "lanczos";
    b->n_networks = n ? n : 1;
    return EXIT_DONE;
}

static int read_places(struct bench *b)
{
    const char *folder = args_value(b->args, "output"), *csv = args_value(b->args, "csv"), *svg = args_value(b->args, "svg");
    if (folder) {
        const int error = make_folders(folder);
        if (error) return fprintf(stderr, "framemill: %s: %s\n", folder, strerror(error)), EXIT_FAILED;
        snprintf(b->csv, sizeof b->csv, "%s/%s.csv", folder, b->what);
        snprintf(b->svg, sizeof b->svg, "%s/%s.svg", folder, b->what);
    }
    if (csv) snprintf(b->csv, sizeof b->csv, "%s", csv);
    if (svg) snprintf(b->svg, sizeof b->svg, "%s", svg);
    return EXIT_DONE;
}

static int read_options(struct bench *b, const struct bench_defaults *defaults)
{
    const struct args *args = b->args;
    const char *format = args_value(args, "format");
    if (!args_number(args, "scale", 0, 64, 0, &b->params.scale) || !args_int(args, "tile", 0, 1 << 20, 0, &b->params.tile) ||
        !args_bytes(args, "memory", &b->params.memory) || !args_int(args, "threads", 1, 1024, 0, &b->engine_params.threads) ||
        !args_int(args, "repeat", 1, 100000, defaults->repeat, &b->repeat) || !args_int(args, "files", 1, 100000, 0, &b->files) ||
        !args_number(args, "seconds", 0.1, 86400, defaults->seconds, &b->seconds))
        return EXIT_USAGE;
    b->engine_params.cpu_mask = args_value(args, "cpumask");
    b->params.model_dir = args_value(args, "model-dir");
    b->params.strict = true;
    b->params.overwrite = true;
    b->json = args_flag(args, "json");
    b->format = fm_upscale_format(format ? format : "png");
    if (!b->format) return args_complain(args, "format", format, "a picture format that can be written"), EXIT_USAGE;
    const int status = read_sizes(b, defaults->sizes);
    return status == EXIT_DONE ? read_networks(b) : status;
}

/* ---- begin and end ---- */

static void stop(void *user)
{
    struct bench *b = user;
    pthread_mutex_lock(&b->lock);
    b->stopped = true;
    if (b->running) fm_upscale_cancel(b->running);
    if (b->child > 0) kill(b->child, SIGTERM);
    pthread_mutex_unlock(&b->lock);
}

int bench_open(struct bench *b, const struct args *args, const struct bench_defaults *defaults)
{
    *b = (struct bench){
        .args = args, .what = args->word[0], .params.size = sizeof b->params, .engine_params.size = sizeof b->engine_params};
    pthread_mutex_init(&b->lock, NULL);
    int status = read_options(b, defaults);
    if (status == EXIT_DONE) status = read_places(b);
    if (status != EXIT_DONE) return status;
    const char *place = getenv("TMPDIR");
    snprintf(b->folder, sizeof b->folder, "%s/framemill-bench-XXXXXX", place && *place ? place : "/tmp");
    if (!mkdtemp(b->folder)) {
        fprintf(stderr, "framemill: %s: %s\n", b->folder, strerror(errno));
        b->folder[0] = 0;
        return EXIT_FAILED;
    }
    interrupt_start();
    interrupt_target(stop, b);
    return EXIT_DONE;
}

static void remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir) closedir(dir);
    rmdir(folder);
}

void bench_close(struct bench *b)
{
    fm_engine_unref(&b->engine);
    if (b->folder[0]) {
        interrupt_target(NULL, NULL);
        remove_folder(b->folder);
        interrupt_stop();
    }
    pthread_mutex_destroy(&b->lock);
    free(b->size);
    free(b->network);
}

bool bench_stopped(struct bench *b)
{
    pthread_mutex_lock(&b->lock);
    const bool stopped = b->stopped;
    pthread_mutex_unlock(&b->lock);
    return stopped;
}

/* ---- the library ---- */

fm_engine *bench_engine(struct bench *b, int *status)
{
    struct fm_error error = {0};
    if (!b->engine && fm_engine_create(&b->engine_params, &b->engine, &error) < 0) *status = report(&error);
    return b->engine;
}

fm_upscale *bench_upscaler(struct bench *b, int k, int *status)
{
    const char *const models[] = {b->network[k], NULL};
    struct fm_upscale_params params = b->params;
    struct fm_error error = {0};
    fm_upscale *upscale = NULL;
    params.models = models;
    if (bench_engine(b, status) && fm_upscale_create(b->engine, &params, &upscale, &error) < 0) *status = report(&error);
    return upscale;
}

const char *bench_network_name(const struct bench *b, int k, char *name, size_t size)
{
    const char *path = b->network[k], *slash = strrchr(path, '/');
    snprintf(name, size, "%s", slash ? slash + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot && (!strcmp(dot, ".onnx") || !strcmp(dot, ".param"))) *dot = 0;
    return name;
}

/* From here on a signal cancels; false: there was one. */
static bool begin_run(struct bench *b, fm_upscale *upscale)
{
    pthread_mutex_lock(&b->lock);
    b->running = b->stopped ? NULL : upscale;
    const bool go = b->running != NULL;
    pthread_mutex_unlock(&b->lock);
    return go;
}

static int end_run(struct bench *b, int code, const struct fm_error *error)
{
    pthread_mutex_lock(&b->lock);
    b->running = NULL;
    pthread_mutex_unlock(&b->lock);
    if (code < 0 && code != FM_ERR_CANCELLED) report(error);
    return code;
}

int bench_run(struct bench *b, fm_upscale *upscale, const struct fm_upscale_file *files, int n, fm_upscale_report_fn report_one,
    fm_upscale_progress_fn progress, void *user)
{
    struct fm_error error = {0};
    if (!begin_run(b, upscale)) return FM_ERR_CANCELLED;
    return end_run(b, fm_upscale_run(upscale, files, n, report_one, progress, user, &error), &error);
}

int bench_run_picture(struct bench *b, fm_upscale *upscale, const struct fm_picture *in, struct fm_picture *out)
{
    struct fm_error error = {0};
    if (!begin_run(b, upscale)) return FM_ERR_CANCELLED;
    return end_run(b, fm_upscale_picture(upscale, in, out, NULL, NULL, &error), &error);
}

void bench_cancel(struct bench *b)
{
    pthread_mutex_lock(&b->lock);
    if (b->running) fm_upscale_cancel(b->running);
    pthread_mutex_unlock(&b->lock);
}

/* ---- processes ---- */

double bench_cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double) (u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * (double) (u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* The new process takes signals as ever; ours are blocked for the thread that waits for them. */
static int start_self(struct bench *b, const char *const *arguments, pid_t *child)
{
    char self[PATH_MAX];
    const char *argv[32] = {"framemill"};
    for (int i = 0; arguments[i] && i + 2 < 32; i++) argv[i + 1] = arguments[i];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) return errno;
    self[length] = 0;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    int error = posix_spawnattr_init(&attributes);
    if (error) return error;
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    pthread_mutex_lock(&b->lock);
    error = b->stopped ? ECANCELED : posix_spawn(child, self, NULL, &attributes, (char *const *) argv, environ);
    if (!error) b->child = *child;
    pthread_mutex_unlock(&b->lock);
    posix_spawnattr_destroy(&attributes);
    return error;
}

bool bench_self(struct bench *b, const char *const *arguments, struct bench_usage *usage)
{
    pid_t child;
    const double start = now_ms();
    const int error = start_self(b, arguments, &child);
    if (error) {
        if (error != ECANCELED) fprintf(stderr, "framemill bench: cannot start itself: %s\n", strerror(error));
        return false;
    }
    struct rusage used;
    siginfo_t ended;
    int status = 0;
    while (waitid(P_PID, (id_t) child, &ended, WEXITED | WNOWAIT) < 0 && errno == EINTR) continue;
    pthread_mutex_lock(&b->lock); /* it stays a zombie until here, so that a signal never meets a stranger */
    b->child = 0;
    while (wait4(child, &status, 0, &used) < 0 && errno == EINTR) continue;
    pthread_mutex_unlock(&b->lock);
    if (usage) *usage = (struct bench_usage){(now_ms() - start) / 1e3, (double) used.ru_maxrss * 1024};
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
