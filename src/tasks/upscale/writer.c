/* SPDX-License-Identifier: MIT */
/* One thread per file being written. The consumer pushes the job's slots in order; the writer pulls their rows and releases them. */
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "tasks/upscale/job.h"

struct start {
    struct job *job;
    struct mill *mill;
    void (*ended)(void *user);
    void *user;
};

/* The next slot of the job; NULL when no more will come. */
static struct mill_slot *take(struct job *j)
{
    struct mill_slot *slot = NULL;
    const uint64_t start = core_now_ns();
    pthread_mutex_lock(&j->lock);
    while (!j->count && !j->cut_off) pthread_cond_wait(&j->changed, &j->lock);
    if (j->count) {
        slot = j->queue[j->head];
        j->head = (j->head + 1) % j->room;
        j->count--;
    }
    pthread_mutex_unlock(&j->lock);
    j->pull_wait_ns += core_now_ns() - start;
    return slot;
}

static int pull(void *user, const uint8_t **data, int *rows)
{
    const struct start *s = user;
    struct job *j = s->job;
    if (j->held) mill_release(s->mill, j->held);
    j->held = take(j);
    if (!j->held) return core_fail(&j->error, FM_ERR_CANCELLED, "%s: cancelled", j->file->input);
    const struct unit *unit = j->held->bundle;
    const int code = unit->code < 0 ? unit->code : j->held->result;
    if (code < 0) {
        j->error = unit->error;
        if (!j->error.message[0] || code == FM_ERR_CANCELLED)
            core_fail(&j->error, (enum fm_err) code, "%s: %s", j->file->input, fm_err_name(code));
        return code;
    }
    *data = unit->out.data;
    *rows = unit->y1 - unit->y0;
    return FM_OK;
}

static int write_file(struct start *s)
{
    struct job *j = s->job;
    const struct fm_upscale_params *p = &j->upscale->params;
    const struct still_write_params params = {.format = j->format,
        .width = j->written_w,
        .height = j->chain->out_h,
        .pixels = j->out_pixels,
        .quality = p->quality,
        .compression = p->compression < 0    ? 0
                       : p->compression == 0 ? -1
                                             : p->compression,
        .overwrite = p->overwrite};
    struct fm_error error = {0};
    const uint64_t start = core_now_ns();
    const int code = still_write(j->file->output, j->meta, &params, pull, s, &j->out_bytes, &error);
    const uint64_t spent = core_now_ns() - start;
    atomic_store(&j->write_ns, spent > j->pull_wait_ns ? spent - j->pull_wait_ns : 0);
    if (code < 0 && j->error.code == FM_OK) { /* the writer's own; else the pull has said it */
        j->error = error;
        j->error.code = (enum fm_err) code;
    }
    return code;
}

static void *writer_main(void *arg)
{
    struct start s = *(struct start *) arg;
    core_free(arg);
    struct job *j = s.job;
    const int code = write_file(&s);
    if (j->held) mill_release(s.mill, j->held);
    j->held = NULL;
    pthread_mutex_lock(&j->lock);
    j->code = code < 0 && j->error.code < 0 ? j->error.code : code;
    j->done = true;
    j->ended_ns = core_now_ns();
    for (; j->count; j->count--) { /* an error left these behind */
        mill_release(s.mill, j->queue[j->head]);
        j->head = (j->head + 1) % j->room;
    }
    pthread_mutex_unlock(&j->lock);
    s.ended(s.user);
    return NULL;
}

int writer_start(struct job *job, struct mill *mill, void (*ended)(void *user), void *user)
{
    struct start *s = core_alloc(sizeof *s);
    if (!s) return FM_ERR_NOMEM;
    *s = (struct start){.job = job, .mill = mill, .ended = ended, .user = user};
    job->writing = true;
    if (pthread_create(&job->writer, NULL, writer_main, s) == 0) return FM_OK;
    job->writing = false;
    core_free(s);
    return FM_ERR_IO;
}

void writer_push(struct job *job, struct mill *mill, struct mill_slot *slot)
{
    pthread_mutex_lock(&job->lock);
    const bool done = job->done;
    if (!done) {
        job->queue[(job->head + job->count) % job->room] = slot;
        job->count++;
        pthread_cond_signal(&job->changed);
    }
    pthread_mutex_unlock(&job->lock);
    if (done) mill_release(mill, slot);
}

void writer_cut_off(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    job->cut_off = true;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->lock);
}
