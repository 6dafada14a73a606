/* SPDX-License-Identifier: MIT */
/* Frames of a video as pictures: by the matrix to floats and rounded, some rows at a time; videos that players turn go through a
 * picture as it lies in the file. */
#include <string.h>

#include "convert/pixels.h"
#include "convert/planes.h"
#include "core/alloc.h"
#include "core/cpu.h"
#include "core/error.h"
#include "frame/picture.h"
#include "media/still_turn.h"
#include "media/video_source.h"
#include "tasks/quality/quality.h"

#define CLIP_ROWS 64 /* at a time */

struct fm_clip {
    char *path;
    struct video_source *source;
    struct planes *planes;
    struct planes_scratch scratch;
    struct window colour;
    struct fm_picture lying; /* the frame before it is turned */
    int orientation;         /* as of EXIF, 1: as it is */
};

static const struct pixel_format clip_format = {.channels = 3, .bits = 8};

/* Players mirror first, then turn clockwise. */
static int clip_orientation(const struct video_info *info)
{
    static const int plain[4] = {1, 6, 3, 8}, flipped[4] = {2, 7, 4, 5};
    return (info->flipped ? flipped : plain)[info->rotation / 90 % 4];
}

int quality_clip_open(const char *path, int threads, struct fm_clip **out, struct fm_error *error)
{
    const struct video_source_params params = {.threads = threads};
    const size_t length = strlen(path) + 1;
    struct fm_clip *c = core_calloc(1, sizeof *c);
    *out = NULL;
    if (!c || !(c->path = core_alloc(length))) {
        core_free(c);
        return core_fail_nomem(error, length);
    }
    memcpy(c->path, path, length);
    int code = video_source_open(path, &params, &c->source, error);
    if (code == FM_OK) {
        const struct video_info *info = video_source_info(c->source);
        c->orientation = clip_orientation(info);
        code = planes_create(&info->format, info->width, info->height, (struct planes_form){.channels = 3}, &c->planes, error);
        if (code < 0 && code != FM_ERR_NOMEM) core_fail_prefix(error, "%s", path);
    }
    if (code < 0)
        quality_clip_close(&c);
    else
        *out = c;
    return code;
}

void quality_clip_close(struct fm_clip **clip)
{
    struct fm_clip *c = *clip;
    *clip = NULL;
    if (!c) return;
    video_source_close(&c->source);
    planes_destroy(&c->planes);
    planes_scratch_release(&c->scratch);
    window_release(&c->colour);
    picture_destroy(&c->lying);
    core_free(c->path);
    core_free(c);
}

void quality_clip_info(const struct fm_clip *c, struct fm_clip_info *info)
{
    const struct video_info *from = video_source_info(c->source);
    struct video_source_stats stats;
    video_source_get_stats(c->source, &stats);
    info->width = c->orientation > 4 ? from->height : from->width;
    info->height = c->orientation > 4 ? from->width : from->height;
    info->rate_num = from->average_rate.num;
    info->rate_den = from->average_rate.den;
    info->frames = stats.frames;
    info->damaged = stats.damaged;
}

/* The end, or the place where the file breaks off. */
static int clip_end(const struct fm_clip *c, struct fm_error *error)
{
    struct video_source_stats stats;
    video_source_get_stats(c->source, &stats);
    if (!stats.ended_early) return FM_ERR_EOS;
    return core_fail(error, FM_ERR_FORMAT, "%s: it breaks off after %lld frame%s%s%s", c->path, (long long) stats.frames,
        stats.frames == 1 ? "" : "s", stats.end[0] ? ": " : "", stats.end);
}

/* A video's frame into a dense picture of its size. */
static int clip_convert(struct fm_clip *c, const struct video_frame *frame, const struct fm_picture *to, struct fm_error *error)
{
    struct band all = picture_band(to);
    for (int y = 0; y < to->height; y += CLIP_ROWS) {
        const struct rect at = {0, y, to->width, to->height - y < CLIP_ROWS ? to->height - y : CLIP_ROWS};
        int code = window_reserve(&c->colour, at, 3);
        if (code == FM_OK) code = planes_unpack(c->planes, NULL, cpu_flags(), frame, &c->colour, &c->scratch);
        if (code < 0) return core_fail_nomem(error, 0);
        pixels_pack(NULL, cpu_flags(), &c->colour, NULL, at, &all);
    }
    return FM_OK;
}

/* The frame upright in `out`, which may have room between its rows. */
static int clip_put(struct fm_clip *c, const struct video_frame *frame, const struct fm_picture *out, struct fm_error *error)
{
    if (c->orientation == 1 && picture_is_dense(out)) return clip_convert(c, frame, out, error);
    int code = c->lying.data ? FM_OK : picture_create(frame->width, frame->height, clip_format, &c->lying, error);
    if (code == FM_OK) code = clip_convert(c, frame, &c->lying, error);
    const int step = picture_is_dense(out) ? out->height : 1;
    for (int y = 0; y < out->height && code == FM_OK; y += step)
        still_turn_rows(c->lying.data, c->lying.width, c->lying.height, (int) pixel_bytes(clip_format), c->orientation,
            picture_row(out, y), y, y + step);
    return code;
}

int quality_clip_next(struct fm_clip *c, struct fm_picture *out, struct fm_error *error)
{
    struct fm_clip_info info;
    struct video_item item;
    quality_clip_info(c, &info);
    if (out->data && (out->width != info.width || out->height != info.height || out->channels != 3 || out->bits != 8))
        return core_fail(error, FM_ERR_SHAPE,
            "fm_clip_next: a picture of %d x %d pixels of %d channels of %d bits for %d x %d of 3 of 8", out->width, out->height,
            out->channels, out->bits, info.width, info.height);
    int code = video_source_next(c->source, &item, error); /* no packets were asked for */
    if (code < 0) return code == FM_ERR_EOS ? clip_end(c, error) : code;
    const bool made = !out->data;
    code = made ? picture_create(info.width, info.height, clip_format, out, error) : FM_OK;
    if (code == FM_OK) code = clip_put(c, &item.frame, out, error);
    video_frame_release(&item.frame);
    if (code < 0 && made) picture_destroy(out);
    return code;
}
