/* SPDX-License-Identifier: MIT */
#include "framemill/video.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/objects.h"
#include "core/alloc.h"
#include "core/error.h"
#include "tasks/video/video.h"

struct fm_video {
    fm_engine *engine;
    struct video *task;
};

int fm_video_create(fm_engine *engine, const struct fm_video_params *params, fm_video **out, struct fm_error *error)
{
    if (!out || !engine || !params) return core_fail(error, FM_ERR_ARGUMENT, "fm_video_create: an argument is missing");
    *out = NULL;
    if (params->size < sizeof(size_t)) return core_fail(error, FM_ERR_ARGUMENT, "fm_video_create: params->size is not set");
    struct fm_video_params p = {.size = sizeof p};
    memcpy(&p, params, params->size < sizeof p ? params->size : sizeof p);
    if (!p.input || !*p.input) return core_fail(error, FM_ERR_ARGUMENT, "fm_video_create: no input");
    struct fm_upscale_params upscale = {.size = sizeof upscale};
    if (p.upscale) {
        const size_t size = p.upscale->size;
        if (size < sizeof(size_t)) return core_fail(error, FM_ERR_ARGUMENT, "fm_video_create: upscale->size is not set");
        memcpy(&upscale, p.upscale, size < sizeof upscale ? size : sizeof upscale);
    }
    p.upscale = &upscale;
    fm_video *v = core_calloc(1, sizeof *v);
    if (!v) return core_fail_nomem(error, sizeof *v);
    const int code = video_create(&p, engine->pool, engine->cpu_flags, &v->task, error);
    if (code < 0) {
        core_free(v);
        return code;
    }
    v->engine = fm_engine_ref(engine);
    *out = v;
    return FM_OK;
}

void fm_video_destroy(fm_video **video)
{
    if (!video || !*video) return;
    fm_video *v = *video;
    *video = NULL;
    video_destroy(&v->task);
    fm_engine_unref(&v->engine);
    core_free(v);
}

int fm_video_note(const fm_video *video, int index, const char **text)
{
    if (!video || !text || index < 0) return FM_ERR_ARGUMENT;
    const struct video *v = video->task;
    if (index < v->upscale->n_notes)
        *text = v->upscale->note[index];
    else if (index - v->upscale->n_notes < v->n_notes)
        *text = v->note[index - v->upscale->n_notes];
    else
        return FM_ERR_EOS;
    return FM_OK;
}

int fm_video_describe(fm_video *video, fm_video_report_fn report, void *user)
{
    return video && report ? video_describe(video->task, report, user) : FM_ERR_ARGUMENT;
}

int fm_video_run(fm_video *video, fm_video_report_fn report, fm_video_report_fn progress, fm_video_log_fn log, void *user,
    struct fm_error *error)
{
    if (!video) return core_fail(error, FM_ERR_ARGUMENT, "fm_video_run: an argument is missing");
    return video_run(video->task, report, progress, log, user, error);
}

void fm_video_cancel(fm_video *video)
{
    if (video) atomic_store(&video->task->cancel, true);
}

int fm_video_work(int descriptor, int worker, struct fm_error *error)
{
    return video_worker(descriptor, worker, error);
}

bool fm_video_is_name(const char *path)
{
    static const char *const endings[] = {"mp4", "m4v", "mov", "mkv", "webm", "avi", "ts", "m2ts", "mts", "mpg", "mpeg", "vob",
        "flv", "wmv", "asf", "3gp", "3g2", "ogv", "ogg", "y4m", "nut", "mxf", "ivf", "h264", "264", "hevc", "h265", "265", "obu",
        "dv", "rm", "rmvb", "m3u8", "mpd", "sdp"};
    static const char *const devices[] = {"v4l2:", "x11grab:", "kmsgrab:", "fbdev:", "lavfi:", "dshow:", "avfoundation:",
        "/dev/video"};
    if (!path) return false;
    if (!strcmp(path, "-") || strstr(path, "://")) return true;
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        if (!strncmp(path, devices[i], strlen(devices[i]))) return true;
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && !strchr(dot, '/') && i < sizeof endings / sizeof *endings; i++)
        if (!strcasecmp(dot + 1, endings[i])) return true;
    return false;
}
