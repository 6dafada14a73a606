/* SPDX-License-Identifier: MIT */
/* The run: one source thread opens pictures and cuts them into units, the mill's workers compute them, this thread hands finished
 * units in order to the writers and reports. Pictures follow each other through the mill without a gap. */
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/error.h"
#include "tasks/upscale/job.h"

struct run {
    struct upscale *upscale;
    const struct fm_upscale_file *files;
    int n_files;
    struct job **job; /* made by the source, in order; read by the consumer once a unit of it has come */
    struct mill *mill;
    struct worker *worker[UPSCALE_WORKERS_MAX];
    int slots;
    struct band tail;          /* the source's: rows that the next unit needs again */
    int need0, need1;          /* the source's: all rows that it needs */
    atomic_bool out_of_memory; /* the source could not go on */
    double *weight, all_weight;
    atomic_int opened;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int writing; /* writers at work; lock */
    int reported;
    fm_upscale_report_fn report;
    fm_upscale_progress_fn progress;
    void *user;
};

/* ---- bundles and workers ---- */

static void *make_unit(void *user)
{
    (void) user;
    return core_calloc(1, sizeof(struct unit));
}

static void free_unit(void *user, void *bundle)
{
    (void) user;
    struct unit *unit = bundle;
    if (!unit) return;
    band_release(&unit->in);
    band_release(&unit->out);
    core_free(unit);
}

static int start_worker(void *user, int index)
{
    struct run *r = user;
    return worker_create(r->upscale, index, &r->worker[index]);
}

static int process(void *user, int index, void *bundle)
{
    struct run *r = user;
    return worker_compute(r->worker[index], bundle);
}

static void stop_worker(void *user, int index)
{
    struct run *r = user;
    worker_destroy(&r->worker[index]);
}

/* ---- the source ---- */

/* Rows [y0, y1) of the picture into the unit: those that the unit before had too are copied, the others read. */
static int fill_unit(struct run *r, struct job *j, struct unit *unit, int y0, int y1)
{
    if (band_reserve(&unit->in, j->info.format, j->info.width, y0, y1) < 0) return core_fail_nomem(&unit->error, 0);
    const size_t stride = band_stride(&unit->in);
    int have = y0;
    if (r->tail.y1 > y0 && r->tail.y0 <= y0) {
        have = r->tail.y1 < y1 ? r->tail.y1 : y1;
        memcpy(unit->in.data, band_row(&r->tail, y0), (size_t) (have - y0) * stride);
    }
    if (have >= y1) return FM_OK;
    const int first = r->tail.y1 > have ? r->tail.y1 : have;
    return still_read(j->reader, &unit->in, first, y1, &unit->error);
}

/* Keeps the rows that the next unit begins with. */
static int keep_tail(struct run *r, const struct job *j, const struct unit *unit, int next_y0)
{
    if (next_y0 >= unit->in.y1) next_y0 = unit->in.y1;
    if (band_reserve(&r->tail, j->info.format, j->info.width, next_y0, unit->in.y1) < 0) return FM_ERR_NOMEM;
    memcpy(r->tail.data, band_row(&unit->in, next_y0), (size_t) (unit->in.y1 - next_y0) * band_stride(&unit->in));
    return FM_OK;
}

static bool is_over(struct job *j)
{
    pthread_mutex_lock(&j->lock);
    const bool over = j->done;
    pthread_mutex_unlock(&j->lock);
    return over;
}

/* Sends one unit on its way. False when the source is to stop. */
static bool send(struct run *r, struct job *j, int y0, int y1, int code, bool *failed)
{
    struct mill_slot *slot;
    if (mill_acquire(r->mill, &slot) < 0) return false;
    struct unit *unit = slot->bundle;
    unit->job = j;
    unit->y0 = y0, unit->y1 = y1;
    unit->code = code;
    unit->error = (struct fm_error){.code = FM_OK};
    if (code < 0) {
        unit->error = j->error;
    } else {
        const uint64_t start = core_now_ns();
        unit->code = fill_unit(r, j, unit, r->need0, r->need1);
        if (unit->code == FM_OK && y1 < j->chain->out_h) {
            const int next_end = y1 + j->geometry.tile_h < j->chain->out_h ? y1 + j->geometry.tile_h : j->chain->out_h;
            job_rows(j, y1, next_end, &r->need0, &r->need1);
            unit->code = keep_tail(r, j, unit, r->need0);
            if (unit->code < 0) core_fail_nomem(&unit->error, 0);
        }
        atomic_fetch_add(&j->read_ns, core_now_ns() - start);
    }
    *failed = unit->code < 0;
    mill_submit(r->mill, slot);
    return true;
}

static bool send_picture(struct run *r, struct job *j)
{
    const int code = job_open(j);
    bool failed = false;
    r->tail.y0 = r->tail.y1 = 0;
    if (code < 0) return send(r, j, 0, 0, code, &failed);
    bool going = true;
    job_rows(j, 0, j->geometry.tile_h < j->chain->out_h ? j->geometry.tile_h : j->chain->out_h, &r->need0, &r->need1);
    for (int y = 0; y < j->chain->out_h && going && !failed && !is_over(j) && !atomic_load(&r->upscale->cancel);
         y += j->geometry.tile_h) {
        const int y1 = y + j->geometry.tile_h < j->chain->out_h ? y + j->geometry.tile_h : j->chain->out_h;
        going = send(r, j, y, y1, FM_OK, &failed);
    }
    still_close(&j->reader);
    return going;
}

static void *source_main(void *arg)
{
    struct run *r = arg;
    for (int i = 0; i < r->n_files && !atomic_load(&r->upscale->cancel); i++) {
        if (job_create(r->upscale, &r->files[i], i, r->slots, &r->job[i]) < 0) {
            atomic_store(&r->out_of_memory, true);
            break;
        }
        atomic_store(&r->opened, i + 1);
        const bool going = send_picture(r, r->job[i]);
        atomic_store(&r->job[i]->source_left, true); /* from here on the consumer may destroy it */
        if (!going) break;
    }
    mill_finish(r->mill);
    return NULL;
}

/* ---- the consumer ---- */

static void writer_ended(void *user)
{
    struct run *r = user;
    pthread_mutex_lock(&r->lock);
    r->writing--;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static void show_progress(struct run *r, int finished)
{
    if (!r->progress) return;
    double done = 0;
    const int opened = atomic_load(&r->opened);
    for (int i = 0; i < opened; i++) {
        struct job *j = r->job[i];
        const int rows = j && j->writing ? j->chain->out_h : 0, made = j ? atomic_load(&j->rows_done) : 0;
        done += i < finished ? r->weight[i] : rows ? r->weight[i] * (made < rows ? made : rows) / rows : 0;
    }
    r->progress(r->user, finished, r->n_files, r->all_weight > 0 ? done / r->all_weight : 1);
}

/* Reports the jobs that are over, in order, and lets go of what they held. */
static void report_finished(struct run *r, int opened, struct fm_error *error, int *code)
{
    while (r->reported < opened && is_over(r->job[r->reported]) && atomic_load(&r->job[r->reported]->source_left)) {
        struct job *j = r->job[r->reported];
        if (j->writing) pthread_join(j->writer, NULL);
        j->writing = false;
        if (j->code < 0 && *code == FM_OK) {
            *code = j->code;
            if (error) *error = j->error;
        }
        job_report(j, r->report, r->user);
        job_destroy(&r->job[r->reported]);
        r->reported++;
    }
}

static void end_job(struct job *j, int code, const struct fm_error *error)
{
    pthread_mutex_lock(&j->lock);
    j->code = code;
    if (error != &j->error) j->error = *error;
    j->done = true;
    j->ended_ns = core_now_ns();
    pthread_mutex_unlock(&j->lock);
}

/* The first unit of a job: a writer begins, once there are not too many. */
static void begin_writing(struct run *r, struct job *j)
{
    pthread_mutex_lock(&r->lock);
    while (r->writing >= r->upscale->writers) pthread_cond_wait(&r->changed, &r->lock);
    r->writing++;
    pthread_mutex_unlock(&r->lock);
    const int code = writer_start(j, r->mill, writer_ended, r);
    if (code == FM_OK) return;
    struct fm_error error;
    core_fail(&error, (enum fm_err) code, "%s: no thread to write it", j->file->output);
    end_job(j, code, &error);
    writer_ended(r);
}

static void consume(struct run *r, struct fm_error *error, int *code)
{
    struct mill_slot *slot;
    struct job *last = NULL;
    int seen = 0;
    while (mill_next(r->mill, &slot) == FM_OK) {
        struct unit *unit = slot->bundle;
        struct job *j = unit->job;
        if (j->index + 1 > seen) {
            if (last) writer_cut_off(last);
            seen = j->index + 1;
            last = j;
            if (!j->chain || (unit->code < 0 && unit->y1 == 0)) { /* it could not be opened: nothing to write */
                end_job(j, unit->code, &unit->error);
            } else {
                begin_writing(r, j);
            }
        }
        writer_push(j, r->mill, slot);
        report_finished(r, seen - 1, error, code); /* of the last one more units may come, though its writer has ended */
        show_progress(r, r->reported);
    }
    if (last) writer_cut_off(last);
    for (;;) { /* the last writers */
        report_finished(r, seen, error, code);
        show_progress(r, r->reported);
        pthread_mutex_lock(&r->lock);
        const bool more = r->writing > 0;
        if (more) pthread_cond_wait(&r->changed, &r->lock);
        pthread_mutex_unlock(&r->lock);
        if (!more) break;
    }
    report_finished(r, seen, error, code);
}

/* Files that never came to a unit: the run was cancelled, or memory ran out. */
static void report_rest(struct run *r, struct fm_error *error, int *code)
{
    for (; r->reported < r->n_files; r->reported++) {
        struct job *j = r->job[r->reported];
        struct fm_error why;
        const bool memory = atomic_load(&r->out_of_memory);
        const struct fm_upscale_file *f = &r->files[r->reported];
        core_fail(&why, memory ? FM_ERR_NOMEM : FM_ERR_CANCELLED, "%s: %s", f->input, memory ? "out of memory" : "cancelled");
        if (*code == FM_OK && !(j && is_over(j) && j->code == FM_OK)) {
            *code = why.code;
            if (error) *error = why;
        }
        if (j) {
            if (j->writing) pthread_join(j->writer, NULL);
            j->writing = false;
            if (!is_over(j)) end_job(j, why.code, &why);
            job_report(j, r->report, r->user);
            job_destroy(&r->job[r->reported]);
            continue;
        }
        const struct fm_upscale_report report = {.size = sizeof report,
            .index = r->reported,
            .input = f->input,
            .output = f->output,
            .code = why.code,
            .message = why.message,
            .warnings = "",
            .format = "",
            .model = "",
            .how = ""};
        if (r->report) r->report(r->user, &report);
    }
}

static int prepare(struct run *r, struct fm_error *error)
{
    struct upscale *u = r->upscale;
    upscale_picture_forget(u); /* its memory is for this run */
    const int staffed = upscale_staff(u, r->n_files, error);
    if (staffed < 0) return staffed;
    r->slots = u->slots;
    r->job = core_calloc((size_t) r->n_files + 1, sizeof(struct job *));
    r->weight = core_calloc((size_t) r->n_files + 1, sizeof *r->weight);
    if (!r->job || !r->weight) return core_fail_nomem(error, 0);
    for (int i = 0; i < r->n_files; i++) {
        struct stat st;
        r->weight[i] = stat(r->files[i].input, &st) == 0 && st.st_size > 0 ? (double) st.st_size : 1;
        r->all_weight += r->weight[i];
    }
    const struct mill_params params = {.slots = r->slots,
        .workers = u->workers,
        .user = r,
        .make_bundle = make_unit,
        .free_bundle = free_unit,
        .worker_start = start_worker,
        .process = process,
        .worker_stop = stop_worker};
    return mill_create(&params, &r->mill, error);
}

int upscale_run(struct upscale *u, const struct fm_upscale_file *files, int n_files, fm_upscale_report_fn report,
    fm_upscale_progress_fn progress, void *user, struct fm_error *error)
{
    struct run r = {.upscale = u, .files = files, .n_files = n_files, .report = report, .progress = progress, .user = user};
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.changed, NULL);
    int code = prepare(&r, error);
    if (code == FM_OK) {
        pthread_t source;
        if (pthread_create(&source, NULL, source_main, &r) != 0) {
            code = core_fail(error, FM_ERR_IO, "the system gives no thread to read pictures");
        } else {
            consume(&r, error, &code);
            pthread_join(source, NULL);
            report_rest(&r, error, &code);
        }
    }
    mill_destroy(&r.mill);
    band_release(&r.tail);
    core_free(r.job);
    core_free(r.weight);
    pthread_cond_destroy(&r.changed);
    pthread_mutex_destroy(&r.lock);
    atomic_store(&u->cancel, false);
    return code;
}
