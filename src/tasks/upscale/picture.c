/* SPDX-License-Identifier: MIT */
/* A picture in memory: a job of one unit, without reader, mill and writer, computed on the caller's thread by the engine's pool. Job and
 * worker stay for the next picture of the same size. */
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "frame/picture.h"
#include "tasks/upscale/job.h"

struct picture_work {
    struct job *job;
    struct worker *worker;
    struct band in, out; /* for pictures whose rows are not dense */
};

static const struct fm_upscale_file in_memory = {.input = "the picture", .output = ""};

void upscale_picture_forget(struct upscale *u)
{
    struct picture_work *w = u->picture;
    u->picture = NULL;
    if (!w) return;
    worker_destroy(&w->worker);
    job_destroy(&w->job);
    band_release(&w->in);
    band_release(&w->out);
    core_free(w);
}

void upscale_size(const struct upscale *u, int width, int height, int *out_width, int *out_height)
{
    *out_width = chain_scaled(width, upscale_scale(u));
    *out_height = chain_scaled(height, upscale_scale(u));
    if (u->params.compare) *out_width = *out_width <= PICTURE_SIDE_MAX / 2 ? 2 * *out_width : 0;
}

/* As a run of one file with one worker has it. */
static void staff(struct upscale *u)
{
    u->workers = u->writers = 1;
    u->threads = pool_threads(u->pool);
    u->lone = true;
    u->slots = 3;
}

static bool is_of(const struct job *j, const struct fm_picture *in)
{
    return j->info.width == in->width && j->info.height == in->height && j->info.format.channels == in->channels &&
           j->info.format.bits == in->bits;
}

/* The work that the last picture left, or new. On failure nothing is kept. */
static int prepare(struct upscale *u, const struct fm_picture *in, struct fm_error *error)
{
    staff(u);
    if (u->picture && is_of(u->picture->job, in)) return FM_OK;
    upscale_picture_forget(u);
    u->picture = core_calloc(1, sizeof *u->picture);
    if (!u->picture) return core_fail_nomem(error, sizeof *u->picture);
    struct picture_work *w = u->picture;
    int code = job_create(u, &in_memory, 0, 1, &w->job);
    if (code == FM_OK) code = worker_create(u, 0, &w->worker);
    if (code < 0) {
        core_fail_nomem(error, 0);
    } else {
        w->job->info = (struct still_info){.width = in->width, .height = in->height, .format = picture_format(in)};
        w->job->out_pixels = picture_format(in);
        code = job_plan(w->job, error);
        if (code < 0) core_fail_prefix(error, "%s", in_memory.input);
    }
    if (code < 0) upscale_picture_forget(u);
    return code;
}

/* The result's picture: made, or the caller's looked at. */
static int place(const struct job *j, struct fm_picture *out, bool *made, struct fm_error *error)
{
    const int w = j->written_w, h = j->chain->out_h;
    *made = !out->data;
    if (*made) return picture_create(w, h, j->out_pixels, out, error);
    if (out->width == w && out->height == h && out->channels == j->out_pixels.channels && out->bits == j->out_pixels.bits)
        return FM_OK;
    return core_fail(error, FM_ERR_SHAPE,
        "the picture for the result has %d x %d pixels of %d channels of %d bits: %d x %d of %d of %d are needed", out->width,
        out->height, out->channels, out->bits, w, h, j->out_pixels.channels, j->out_pixels.bits);
}

static int compute(struct picture_work *w, const struct fm_picture *in, struct fm_picture *out, struct fm_error *error)
{
    struct job *j = w->job;
    struct unit unit = {.job = j, .y1 = out->height, .placed = true};
    if (picture_is_dense(in))
        unit.in = picture_band(in);
    else if (picture_copy_rows(in, 0, in->height, &w->in) == FM_OK)
        unit.in = w->in;
    else
        return core_fail_nomem(error, 0);
    if (picture_is_dense(out))
        unit.out = picture_band(out);
    else if (band_reserve(&w->out, j->out_pixels, out->width, 0, out->height) == FM_OK)
        unit.out = w->out;
    else
        return core_fail_nomem(error, 0);
    const int code = worker_compute(w->worker, &unit);
    if (code < 0) {
        if (error) *error = unit.error;
        return code;
    }
    for (int y = 0; y < out->height && unit.out.data != out->data; y++)
        memcpy(picture_row(out, y), band_row(&unit.out, y), picture_row_bytes(out));
    return FM_OK;
}

int upscale_picture(struct upscale *u, const struct fm_picture *in, struct fm_picture *out, fm_upscale_report_fn report, void *user,
    struct fm_error *error)
{
    const uint64_t start = core_now_ns();
    bool made = false;
    struct fm_error why = {0};
    int code = prepare(u, in, &why);
    if (code == FM_OK) {
        struct job *j = u->picture->job;
        j->begun_ns = start;
        atomic_store(&j->compute_ns, core_now_ns() - start); /* plans are computing */
        atomic_store(&j->network_ns, 0);
        code = place(j, out, &made, &why);
        if (code == FM_OK) code = compute(u->picture, in, out, &why);
        if (code < 0 && made) picture_destroy(out);
        j->code = code;
        j->error = why;
        j->ended_ns = core_now_ns();
        job_report(j, report, user);
    }
    if (code < 0 && error) *error = why;
    atomic_store(&u->cancel, false);
    return code;
}
