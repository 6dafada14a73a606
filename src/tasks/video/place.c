/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tasks/video/place.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "media/video_mux.h"

#define PATH_LENGTH 4096

/* A name with a place for a number: "out%05d.png". */
bool place_is_pattern(const char *name)
{
    const char *at = strchr(name, '%');
    if (!at) return false;
    at += 1 + strspn(at + 1, "0123456789");
    return *at == 'd';
}

/* Something on this machine that can be read again, for its other streams and to go on later. */
static bool is_lasting(const char *input)
{
    struct stat st;
    if (!strncmp(input, "file:", 5)) return true;
    if (!strcmp(input, "-")) return false;
    return stat(input, &st) == 0 ? S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) : !strstr(input, "://") && place_is_pattern(input);
}

/* One file that gets its name in the end; not a pipe or a device, which is written as it comes. */
bool place_is_file(const char *out)
{
    struct stat st;
    if (!strcmp(out, "-") || strstr(out, "://") || place_is_pattern(out)) return false;
    return stat(out, &st) < 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode);
}

/* Frames as they are, which only a muxer can take. */
static bool is_raw(const struct video *v)
{
    char container[64] = "";
    const char *encoder = v->params.encoder;
    if (encoder && !strcmp(encoder, "wrapped_avframe")) return true;
    return video_mux_format(v->params.output, v->params.output_format, container, sizeof container, NULL) == FM_OK &&
           !strcmp(container, "yuv4mpegpipe");
}

bool place_has_journal(const struct video *v)
{
    return v->params.output && v->params.live <= 0 && place_is_file(v->params.output) && is_lasting(v->params.input) && !is_raw(v);
}

int place_check(const struct video *v, struct fm_error *error)
{
    const char *out = v->params.output;
    struct stat to, from;
    if (stat(out, &to) < 0) return FM_OK;
    if (S_ISDIR(to.st_mode)) return core_fail(error, FM_ERR_IO, "%s is a folder", out);
    if (stat(v->params.input, &from) == 0 && from.st_dev == to.st_dev && from.st_ino == to.st_ino)
        return core_fail(error, FM_ERR_IO, "%s would replace its own input", out);
    if (v->params.overwrite) return FM_OK;
    return core_fail(error, FM_ERR_IO, "%s is there already (--overwrite replaces it)", out);
}

/* ---- the job, in words: a journal of another job is not gone on with ---- */

static void put(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void put(char *text, size_t size, const char *format, ...)
{
    const size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    if (used < size) vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

static void put_list(char *text, size_t size, const char *name, const char *const *list)
{
    for (int i = 0; list && list[i]; i++) put(text, size, "%s %s\n", name, list[i]);
}

static void put_file(char *text, size_t size, const char *name, const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0)
        put(text, size, "%s %s %lld bytes, %lld.%09ld\n", name, path, (long long) st.st_size, (long long) st.st_mtim.tv_sec,
            st.st_mtim.tv_nsec);
    else
        put(text, size, "%s %s\n", name, path);
}

/* Everything that has a say in what frames are, and how they are coded. */
void place_describe_job(const struct video *v, char *text, size_t size)
{
    const struct fm_video_params *p = &v->params;
    const struct upscale *u = v->upscale;
    text[0] = 0;
    put_file(text, size, "input", p->input);
    put(text, size, "start %.9g duration %.9g rate %.9g crop %d %d %d %d interlaced %s hash %d\n", p->start, p->duration,
        p->picture_rate, v->crop.x, v->crop.y, v->crop.w, v->crop.h, p->interlaced ? p->interlaced : "", p->hash);
    put(text, size, "network %s: %s\n", v->level[0].name, v->level[0].how);
    if (v->level[0].network) put_file(text, size, "file", v->level[0].network->graph->source);
    for (int i = 0; i < u->n_plugins; i++) put(text, size, "plug-in %s\n", v->plugins[i]);
    put(text, size, "ensemble %d overlap %d tile %d instructions %x\n", u->params.ensemble, u->params.overlap,
        v->level[0].chain && v->level[0].chain->whole_only ? u->params.tile : 0, (unsigned) u->cpu_flags);
    put(text, size, "result %dx%d compare %d, %d bits\n", v->out_w, v->out_h, (int) p->compare, v->out_format.bits);
    put(text, size, "encoder %s to %s %s\n", p->encoder ? p->encoder : "", p->output, p->output_format ? p->output_format : "");
    put_list(text, size, "option", p->encoder_options);
    put(text, size, "format %s\n", p->input_format ? p->input_format : "");
    put_list(text, size, "input option", p->input_options);
}

/* A run that was killed while it made the result has left it under a temporary name (still_file.c): ".NAME.PID-N.tmp". */
void place_remove_left_over(const char *out)
{
    const char *slash = strrchr(out, '/'), *name = slash ? slash + 1 : out;
    char path[PATH_LENGTH];
    snprintf(path, sizeof path, "%.*s", slash ? (int) (slash - out + 1) : 2, slash ? out : "./");
    DIR *folder = opendir(path);
    if (!folder) return;
    const size_t length = strlen(name), base = strlen(path);
    for (struct dirent *e; (e = readdir(folder));) {
        long pid;
        unsigned number;
        int used = 0;
        if (e->d_name[0] != '.' || strncmp(e->d_name + 1, name, length) != 0) continue;
        if (sscanf(e->d_name + 1 + length, ".%ld-%u.tmp%n", &pid, &number, &used) != 2 || !used ||
            e->d_name[1 + length + (size_t) used])
            continue;
        if (kill((pid_t) pid, 0) == 0 || errno != ESRCH) continue;
        snprintf(path + base, sizeof path - base, "%s", e->d_name);
        unlink(path);
    }
    closedir(folder);
}
