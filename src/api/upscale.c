/* SPDX-License-Identifier: MIT */
#include "framemill/upscale.h"

#include <string.h>

#include "api/objects.h"
#include "core/alloc.h"
#include "core/error.h"
#include "frame/picture.h"
#include "media/still.h"
#include "tasks/upscale/upscale.h"

struct fm_upscale {
    fm_engine *engine;
    struct upscale *task;
};

int fm_upscale_create(fm_engine *engine, const struct fm_upscale_params *params, fm_upscale **out, struct fm_error *error)
{
    if (!out || !engine) return core_fail(error, FM_ERR_ARGUMENT, "fm_upscale_create: an argument is missing");
    *out = NULL;
    struct fm_upscale_params p = {.size = sizeof p};
    if (params) {
        if (params->size < sizeof(size_t)) return core_fail(error, FM_ERR_ARGUMENT, "fm_upscale_create: params->size is not set");
        memcpy(&p, params, params->size < sizeof p ? params->size : sizeof p);
    }
    fm_upscale *u = core_calloc(1, sizeof *u);
    if (!u) return core_fail_nomem(error, sizeof *u);
    const int code = upscale_create(&p, engine->pool, engine->cpu_flags, &u->task, error);
    if (code < 0) {
        core_free(u);
        return code;
    }
    u->engine = fm_engine_ref(engine);
    *out = u;
    return FM_OK;
}

void fm_upscale_destroy(fm_upscale **upscale)
{
    if (!upscale || !*upscale) return;
    fm_upscale *u = *upscale;
    *upscale = NULL;
    upscale_destroy(&u->task);
    fm_engine_unref(&u->engine);
    core_free(u);
}

int fm_upscale_note(const fm_upscale *upscale, int index, const char **text)
{
    if (!upscale || !text || index < 0) return FM_ERR_ARGUMENT;
    if (index >= upscale->task->n_notes) return FM_ERR_EOS;
    *text = upscale->task->note[index];
    return FM_OK;
}

static int check_file(const struct fm_upscale_file *file, struct fm_error *error)
{
    if (file && file->input && file->output) return FM_OK;
    return core_fail(error, FM_ERR_ARGUMENT, "a file without a name for its input or output");
}

int fm_upscale_describe(
    fm_upscale *upscale, const struct fm_upscale_file *file, fm_upscale_report_fn report, void *user, struct fm_error *error)
{
    if (!upscale) return core_fail(error, FM_ERR_ARGUMENT, "fm_upscale_describe: an argument is missing");
    const int code = check_file(file, error);
    return code < 0 ? code : upscale_describe(upscale->task, file, report, user, error);
}

int fm_upscale_run(fm_upscale *upscale, const struct fm_upscale_file *files, int n_files, fm_upscale_report_fn report,
    fm_upscale_progress_fn progress, void *user, struct fm_error *error)
{
    if (!upscale || n_files < 0 || (n_files && !files))
        return core_fail(error, FM_ERR_ARGUMENT, "fm_upscale_run: an argument is missing");
    for (int i = 0; i < n_files; i++) {
        const int code = check_file(&files[i], error);
        if (code < 0) return code;
    }
    return upscale_run(upscale->task, files, n_files, report, progress, user, error);
}

int fm_upscale_picture(fm_upscale *upscale, const struct fm_picture *in, struct fm_picture *out, fm_upscale_report_fn report,
    void *user, struct fm_error *error)
{
    if (!upscale || !out) return core_fail(error, FM_ERR_ARGUMENT, "fm_upscale_picture: an argument is missing");
    int code = picture_check(in, "fm_upscale_picture", error);
    if (code == FM_OK && out->data) code = picture_check(out, "fm_upscale_picture: the result", error);
    return code < 0 ? code : upscale_picture(upscale->task, in, out, report, user, error);
}

int fm_upscale_size(const fm_upscale *upscale, int width, int height, int *out_width, int *out_height)
{
    if (!upscale || width < 1 || height < 1 || !out_width || !out_height) return FM_ERR_ARGUMENT;
    upscale_size(upscale->task, width, height, out_width, out_height);
    return *out_width && *out_height ? FM_OK : FM_ERR_SHAPE;
}

void fm_upscale_cancel(fm_upscale *upscale)
{
    if (upscale) atomic_store(&upscale->task->cancel, true);
}

bool fm_upscale_is_picture_name(const char *path)
{
    return path && still_is_picture_name(path);
}

const char *fm_upscale_format(const char *name_or_path)
{
    return name_or_path ? still_format_of(name_or_path) : NULL;
}

const char *fm_upscale_extension(const char *format)
{
    return format ? still_format_extension(format) : NULL;
}
