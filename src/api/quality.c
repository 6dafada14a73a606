/* SPDX-License-Identifier: MIT */
#include "framemill/quality.h"

#include <string.h>

#include "core/error.h"
#include "frame/picture.h"
#include "tasks/quality/quality.h"

int fm_quality_compare(
    const struct fm_picture *original, const struct fm_picture *result, int border, struct fm_quality *out, struct fm_error *error)
{
    if (!out || out->size < sizeof *out)
        return core_fail(error, FM_ERR_ARGUMENT, "fm_quality_compare: the result's structure is missing, or its size not set");
    int code = picture_check(original, "fm_quality_compare: the original", error);
    if (code == FM_OK) code = picture_check(result, "fm_quality_compare: the result", error);
    return code < 0 ? code : quality_compare(original, result, border, out, error);
}

int fm_quality_flicker(const struct fm_picture *originals, const struct fm_picture *results, int frames, int border,
    double *flicker, struct fm_error *error)
{
    if (!originals || !results || !flicker) return core_fail(error, FM_ERR_ARGUMENT, "fm_quality_flicker: an argument is missing");
    if (frames < 2) return core_fail(error, FM_ERR_ARGUMENT, "fm_quality_flicker: %d frames: 2 are the least", frames);
    for (int i = 0; i < frames; i++) {
        int code = picture_check(&originals[i], "fm_quality_flicker: an original", error);
        if (code == FM_OK) code = picture_check(&results[i], "fm_quality_flicker: a result", error);
        if (code < 0) return code;
    }
    return quality_flicker(originals, results, frames, border, flicker, error);
}

int fm_quality_bicubic(const struct fm_picture *in, int width, int height, struct fm_picture *out, struct fm_error *error)
{
    if (!out) return core_fail(error, FM_ERR_ARGUMENT, "fm_quality_bicubic: an argument is missing");
    *out = (struct fm_picture){.size = sizeof *out};
    const int code = picture_check(in, "fm_quality_bicubic", error);
    return code < 0 ? code : quality_bicubic(in, width, height, out, error);
}

/* ---- clips ---- */

int fm_clip_open(const char *path, const struct fm_clip_params *params, fm_clip **out, struct fm_error *error)
{
    struct fm_clip_params p = {.size = sizeof p};
    if (!out) return core_fail(error, FM_ERR_ARGUMENT, "fm_clip_open: no place for the clip");
    *out = NULL;
    if (!path || !*path) return core_fail(error, FM_ERR_ARGUMENT, "fm_clip_open: no path");
    if (params && params->size < sizeof(size_t)) return core_fail(error, FM_ERR_ARGUMENT, "fm_clip_open: params->size is not set");
    if (params) memcpy(&p, params, params->size < sizeof p ? params->size : sizeof p);
    if (p.threads < 0) return core_fail(error, FM_ERR_ARGUMENT, "fm_clip_open: %d threads", p.threads);
    return quality_clip_open(path, p.threads, out, error);
}

void fm_clip_close(fm_clip **clip)
{
    if (clip) quality_clip_close(clip);
}

int fm_clip_get_info(const fm_clip *clip, struct fm_clip_info *info)
{
    struct fm_clip_info i = {.size = sizeof i};
    if (!clip || !info || info->size < sizeof(size_t)) return FM_ERR_ARGUMENT;
    quality_clip_info(clip, &i);
    i.size = info->size;
    memcpy(info, &i, info->size < sizeof i ? info->size : sizeof i);
    return FM_OK;
}

int fm_clip_next(fm_clip *clip, struct fm_picture *out, struct fm_error *error)
{
    if (!clip || !out) return core_fail(error, FM_ERR_ARGUMENT, "fm_clip_next: an argument is missing");
    const int code = out->data ? picture_check(out, "fm_clip_next", error) : FM_OK;
    return code < 0 ? code : quality_clip_next(clip, out, error);
}
