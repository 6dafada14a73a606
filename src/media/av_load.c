/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "media/av_load.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "core/error.h"

#define SONAME(library, major) SONAME_OF(library, major)
#define SONAME_OF(library, major) "lib" #library ".so." #major

struct symbol {
    const char *name;
    void **place;
};

struct group {
    pthread_once_t once;
    int code;
    char reason[160];
};

static struct av table;
static atomic_bool table_ready;
static struct group base = {.once = PTHREAD_ONCE_INIT}, filters = {.once = PTHREAD_ONCE_INIT},
                    devices = {.once = PTHREAD_ONCE_INIT}, resample = {.once = PTHREAD_ONCE_INIT};
static _Thread_local char said[200]; /* the last error FFmpeg logged on this thread */

/* FFmpeg's log is its only place for details ("moov atom not found"). Its own lines end with a newline; parts of one line come one by
 * one. */
static void listen(void *context, int level, const char *format, va_list args)
{
    (void) context;
    if ((level & 0xff) > AV_LOG_ERROR) return;
    char line[sizeof said];
    vsnprintf(line, sizeof line, format, args);
    line[strcspn(line, "\r\n")] = 0;
    if (line[0]) memcpy(said, line, sizeof said);
}

/* SRT's library, which libavformat brings along where it has one, writes to standard error by itself. What matters comes as an error. */
static void hush(void *handle)
{
    void (*set_level)(int) = NULL;
    *(void **) &set_level = dlsym(handle, "srt_setloglevel");
    if (set_level) set_level(LOG_CRIT);
}

static bool open_library(struct group *group, const char *soname, const struct symbol *symbols, size_t n)
{
    void *handle = dlopen(soname, RTLD_LAZY | RTLD_LOCAL);
    if (!handle) {
        const char *why = dlerror();
        const bool missing = why && strstr(why, "No such file");
        snprintf(group->reason, sizeof group->reason, missing ? "FFmpeg is not installed: %s is missing" : "%s cannot be opened",
            soname);
        group->code = FM_ERR_UNSUPPORTED;
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        *symbols[i].place = dlsym(handle, symbols[i].name);
        if (*symbols[i].place) continue;
        snprintf(group->reason, sizeof group->reason, "this FFmpeg's %s lacks %s", soname, symbols[i].name);
        group->code = FM_ERR_UNSUPPORTED;
        return false;
    }
    hush(handle);
    return true;
}

#define SYMBOL(name) {#name, (void **) &table.name},
#define OPEN_LIBRARY(group, library, major, list)                                                                                  \
    do {                                                                                                                           \
        const struct symbol symbols[] = {list(SYMBOL)};                                                                            \
        if (!open_library(group, SONAME(library, major), symbols, sizeof symbols / sizeof symbols[0])) return;                     \
    } while (0)

static void load_base(void)
{
    OPEN_LIBRARY(&base, avutil, LIBAVUTIL_VERSION_MAJOR, AV_LOAD_UTIL);
    OPEN_LIBRARY(&base, swscale, LIBSWSCALE_VERSION_MAJOR, AV_LOAD_SCALE);
    OPEN_LIBRARY(&base, avcodec, LIBAVCODEC_VERSION_MAJOR, AV_LOAD_CODEC);
    OPEN_LIBRARY(&base, avformat, LIBAVFORMAT_VERSION_MAJOR, AV_LOAD_FORMAT);
    table.av_log_set_callback(listen);
    atomic_store(&table_ready, true);
}

static void load_filters(void)
{
    OPEN_LIBRARY(&filters, avfilter, LIBAVFILTER_VERSION_MAJOR, AV_LOAD_FILTER);
}

static void load_devices(void)
{
    OPEN_LIBRARY(&devices, avdevice, LIBAVDEVICE_VERSION_MAJOR, AV_LOAD_DEVICE);
    table.avdevice_register_all();
}

static void load_resample(void)
{
    OPEN_LIBRARY(&resample, swresample, LIBSWRESAMPLE_VERSION_MAJOR, AV_LOAD_RESAMPLE);
}

static int load_group(struct group *group, void (*load)(void), struct fm_error *error)
{
    pthread_once(&group->once, load);
    return group->code ? core_fail(error, group->code, "%s", group->reason) : FM_OK;
}

const struct av *av_load(struct fm_error *error)
{
    return load_group(&base, load_base, error) < 0 ? NULL : &table;
}

const struct av *av_loaded(void)
{
    return atomic_load(&table_ready) ? &table : NULL;
}

int av_load_filters(struct fm_error *error)
{
    return load_group(&filters, load_filters, error);
}

int av_load_devices(struct fm_error *error)
{
    return load_group(&devices, load_devices, error);
}

int av_load_resample(struct fm_error *error)
{
    return load_group(&resample, load_resample, error);
}

void av_load_listen(void)
{
    said[0] = 0;
}

bool av_load_heard(void)
{
    return said[0] != 0;
}

void av_load_reason(int code, char *text, size_t size)
{
    if (said[0]) {
        snprintf(text, size, "%s", said);
        const size_t length = strlen(text);
        if (length && (text[length - 1] == '.' || text[length - 1] == ' ')) text[length - 1] = 0;
    } else if (code >= 0 || !av_loaded() || table.av_strerror(code, text, size) < 0) {
        snprintf(text, size, code < 0 ? "error %d" : "no reason given", code);
    }
    said[0] = 0;
}

int av_load_code(int code)
{
    switch (code) {
    case AVERROR(ENOMEM): return FM_ERR_NOMEM;
    case AVERROR_INVALIDDATA: return FM_ERR_FORMAT;
    case AVERROR_EXIT: return FM_ERR_CANCELLED;
    case AVERROR_EOF: return FM_ERR_EOS;
    case AVERROR_OPTION_NOT_FOUND:
    case AVERROR(EINVAL): return FM_ERR_ARGUMENT;
    case AVERROR_DEMUXER_NOT_FOUND:
    case AVERROR_DECODER_NOT_FOUND:
    case AVERROR_ENCODER_NOT_FOUND:
    case AVERROR_MUXER_NOT_FOUND:
    case AVERROR_PROTOCOL_NOT_FOUND:
    case AVERROR_FILTER_NOT_FOUND:
    case AVERROR_BSF_NOT_FOUND:
    case AVERROR_PATCHWELCOME:
    case AVERROR(ENOSYS): return FM_ERR_UNSUPPORTED;
    default: return code >= 0 ? FM_OK : FM_ERR_IO;
    }
}
