/* SPDX-License-Identifier: MIT */
#include "tasks/upscale/job.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"

int job_create(struct upscale *u, const struct fm_upscale_file *file, int index, int slots, struct job **out)
{
    *out = NULL;
    struct job *j = core_calloc(1, sizeof *j);
    if (!j) return FM_ERR_NOMEM;
    j->upscale = u;
    j->file = file;
    j->index = index;
    j->room = slots;
    j->begun_ns = core_now_ns();
    j->queue = core_calloc((size_t) slots + 1, sizeof(struct mill_slot *));
    if (!j->queue) {
        core_free(j);
        return FM_ERR_NOMEM;
    }
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->changed, NULL);
    *out = j;
    return FM_OK;
}

void job_destroy(struct job **job)
{
    struct job *j = *job;
    *job = NULL;
    if (!j) return;
    still_close(&j->reader);
    still_meta_unref(&j->meta);
    chain_unref(&j->chain);
    chain_unref(&j->plain);
    pthread_cond_destroy(&j->changed);
    pthread_mutex_destroy(&j->lock);
    core_free(j->queue);
    core_free(j);
}

void job_warn(struct job *job, const char *format, ...)
{
    pthread_mutex_lock(&job->lock);
    const size_t at = strlen(job->warnings);
    if (at + 2 < sizeof job->warnings) {
        va_list args;
        va_start(args, format);
        if (at) job->warnings[at] = '\n';
        vsnprintf(job->warnings + at + (at ? 1 : 0), sizeof job->warnings - at - 1, format, args);
        va_end(args);
    }
    pthread_mutex_unlock(&job->lock);
}

/* What the file will be: format, depth, transparency; what it cannot hold is said. */
static int choose_output(struct job *j, struct fm_error *error)
{
    const struct fm_upscale_file *f = j->file;
    j->format = still_format_of(f->format ? f->format : f->output);
    if (!j->format)
        return core_fail(error, FM_ERR_ARGUMENT, "%s: cannot be written: the format \"%s\" is not known", f->output,
            f->format                 ? f->format
            : strrchr(f->output, '.') ? strrchr(f->output, '.') + 1
                                      : "");
    j->out_pixels = j->info.format;
    if (j->info.format.bits > still_format_bits(j->format)) {
        j->out_pixels.bits = still_format_bits(j->format);
        job_warn(j, "%s holds %d bits a sample: the picture has %d", j->format, j->out_pixels.bits, j->info.format.bits);
    }
    if (pixel_has_alpha(j->info.format) && !still_format_has_alpha(j->format)) {
        j->out_pixels.channels--;
        job_warn(j, "%s holds no transparency: the picture is put on white", j->format);
    }
    if (!still_format_has_metadata(j->format) && still_meta_tells(j->meta))
        job_warn(j, "%s holds no EXIF, profile or other metadata: they are left out", j->format);
    return FM_OK;
}

static int check_sides(const struct job *j, struct fm_error *error)
{
    const int limit = still_format_max_side(j->format);
    if (j->written_w <= limit && j->chain->out_h <= limit) return FM_OK;
    return core_fail(error, FM_ERR_UNSUPPORTED, "%s: %d x %d pixels: %s holds %d a side", j->file->output, j->written_w,
        j->chain->out_h, j->format, limit);
}

int job_plan(struct job *j, struct fm_error *error)
{
    int code = upscale_chain(j, error);
    if (code == FM_OK && j->upscale->params.compare) {
        const struct chain_params plain = upscale_chain_params(j, NULL);
        code = chain_create(&plain, &j->plain, error);
    }
    if (code == FM_OK) code = geometry_choose(j, error);
    if (code == FM_OK) j->written_w = j->plain ? 2 * j->chain->out_w : j->chain->out_w;
    return code;
}

static int open_all(struct job *j, struct fm_error *error)
{
    const uint64_t start = core_now_ns();
    int code = still_open(j->file->input, &j->reader, &j->info, error);
    atomic_fetch_add(&j->read_ns, core_now_ns() - start);
    if (code < 0) return code;
    if (j->info.note[0]) job_warn(j, "%s", j->info.note);
    j->meta = still_reader_meta(j->reader);
    code = choose_output(j, error);
    if (code == FM_OK) code = job_plan(j, error);
    return code < 0 ? core_fail_prefix(error, "%s", j->file->input) : check_sides(j, error);
}

int job_open(struct job *job)
{
    struct fm_error *const error = &job->error;
    const uint64_t start = core_now_ns(), read = atomic_load(&job->read_ns);
    const int code = open_all(job, error);
    atomic_fetch_add(&job->compute_ns, core_now_ns() - start - (atomic_load(&job->read_ns) - read)); /* plans are computing */
    error->code = (enum fm_err) code; /* a network that was passed over may have left its own */
    return code;
}

void job_rows(const struct job *job, int y0, int y1, int *in_y0, int *in_y1)
{
    const struct rect out = {0, y0, job->chain->out_w, y1 - y0};
    struct rect need = chain_need(job->chain, out);
    if (job->plain) need = rect_around(need, chain_need(job->plain, out));
    *in_y0 = need.y;
    *in_y1 = need.y + need.h;
}

static double ms(uint64_t ns)
{
    return (double) ns * 1e-6;
}

void job_report(struct job *job, fm_upscale_report_fn report, void *user)
{
    if (!report) return;
    struct fm_upscale_report r = {.size = sizeof r,
        .index = job->index,
        .input = job->file->input,
        .output = job->file->output,
        .code = job->code,
        .message = job->code < 0 ? job->error.message : "",
        .warnings = job->warnings,
        .in_width = job->info.width,
        .in_height = job->info.height,
        .channels = job->info.format.channels,
        .bits = job->info.format.bits,
        .format = job->format ? job->format : "",
        .model = "",
        .how = "",
        .read_ms = ms(atomic_load(&job->read_ns)),
        .compute_ms = ms(atomic_load(&job->compute_ns)),
        .network_ms = ms(atomic_load(&job->network_ns)),
        .write_ms = ms(atomic_load(&job->write_ns)),
        .total_ms = job->ended_ns > job->begun_ns ? ms(job->ended_ns - job->begun_ns) : 0,
        .out_bytes = job->out_bytes};
    if (job->chain) {
        const struct chain *c = job->chain;
        const struct geometry *g = &job->geometry;
        const int across = g->tile_w ? (c->out_w + g->tile_w - 1) / g->tile_w : 1;
        const int down = g->tile_h && !g->flows ? (c->out_h + g->tile_h - 1) / g->tile_h : 1;
        r.out_width = job->written_w;
        r.out_height = c->out_h;
        r.model = c->params.network ? c->params.network->name : "lanczos";
        r.how = c->how;
        r.tiles = across * down;
        const struct stage *first = &c->stage[0];
        for (int i = 0; i < c->n_stages; i++)
            if (c->stage[i].tile) first = &c->stage[i];
        if (first->tile) { /* feathered: the stage's own tiles */
            const int nx = (first->in_w + first->tile - 1) / first->tile, ny = (first->in_h + first->tile - 1) / first->tile;
            r.tile_width = r.tile_height = first->tile;
            r.tiles = nx * ny;
        } else if (r.tiles > 1) {
            r.tile_width = (int) ((double) g->tile_w * c->params.width / c->out_w + 0.5);
            r.tile_height = (int) ((double) g->tile_h * c->params.height / c->out_h + 0.5);
        }
        r.memory = g->slot_bytes + g->work_bytes;
    }
    report(user, &r);
}
