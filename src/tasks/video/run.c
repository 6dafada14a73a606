/* SPDX-License-Identifier: MIT */
/* The run: a thread reads frames (feed.c), the mill's workers make them, this thread takes them in order and has them encoded (sink.c). */
#include "tasks/video/run.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/threads.h"

#define TICK_NS 200000000u /* progress is told so often, however long a frame takes */

/* A worker that is a thread. */
static int process(void *user, int index, void *bundle)
{
    struct run *r = user;
    struct video_unit *unit = bundle;
    const struct side *s = &r->side[unit->slot];
    return work_frame(&r->crew.work[index], unit, &s->in, unit->before >= 0 ? &r->side[unit->before].in : NULL);
}

/* Slots in order, until the source ends, something fails, or the job is cancelled. */
static int consume(struct run *r, struct fm_error *error)
{
    int result = FM_OK;
    for (;;) {
        struct mill_slot *slot = NULL;
        const int code = mill_next_for(r->mill, TICK_NS, &slot);
        if (code == FM_ERR_EOS) break;
        if (result < 0) { /* only cleaning up */
            if (slot) run_drop(r, slot);
            continue;
        }
        if (slot) result = run_take(r, slot, error);
        if (result == FM_OK) run_say_progress(r);
        if (result < 0 || atomic_load(&r->v->cancel)) {
            atomic_store(&r->v->cancel, true); /* the source stops waiting */
            mill_stop(r->mill);
        }
    }
    if (result == FM_OK) result = mill_get_failure(r->mill, error);
    if (result < 0) atomic_store(&r->v->cancel, true);
    return result;
}

static int start(struct run *r, struct fm_error *error)
{
    struct video *v = r->v;
    const size_t slots = (size_t) v->slots;
    r->side = core_calloc(slots, sizeof *r->side);
    if (!r->side) return core_fail_nomem(error, 0);
    for (size_t i = 0; i < slots; i++) r->side[i] = (struct side){.run = r, .before = -1};
    int code = v->reuses ? reuse_make(&r->copier, v, error) : FM_OK;
    if (code < 0) return code;
    struct mill_params p = {.live = v->info->live, .user = r};
    code = crew_open(&r->crew, v, &p, process, error);
    if (code == FM_OK) code = mill_create(&p, &r->mill, error);
    if (code < 0) return code;
    if (pthread_create(&r->source, NULL, run_read_source, r) == 0) return FM_OK;
    mill_finish(r->mill);
    return core_fail(error, FM_ERR_IO, "the system gives no more threads");
}

static void tick(void *run)
{
    run_say_progress(run);
}

/* Frames from where the job stands to the end of the source. */
static int make_frames(struct run *r, struct fm_error *error)
{
    struct video *v = r->v;
    int code = FM_OK;
    if (r->state.frames) code = video_source_skip_to(v->source, r->state.frames, r->state.source_pts, tick, r, error);
    if (code == FM_OK) code = run_read_first(r, error);
    if (code == FM_ERR_EOS && r->state.frames) return FM_OK; /* cut off after the very last frame */
    if (code == FM_ERR_EOS) return core_fail(error, FM_ERR_FORMAT, "%s: there is no frame in it", v->params.input);
    if (code == FM_OK) {
        v->first_pts = r->state.frames ? r->state.first_pts : r->first.frame.pts == INT64_MIN ? 0 : r->first.frame.pts;
        code = video_output_begin(r->output, &r->first.frame, error);
    }
    if (code == FM_OK) code = run_give_packets(r, error);
    if (code == FM_OK) code = start(r, error);
    if (code < 0) return code;
    code = consume(r, error);
    pthread_join(r->source, NULL);
    if (code == FM_OK && r->source_code < 0 && r->source_code != FM_ERR_EOS && r->source_code != FM_ERR_CANCELLED) {
        code = r->source_code;
        if (error) *error = r->source_error;
    }
    if (code == FM_OK && atomic_load(&v->cancel)) code = core_fail(error, FM_ERR_CANCELLED, "cancelled");
    return code;
}

int video_run(struct video *v, fm_video_report_fn report, fm_video_report_fn progress, fm_video_log_fn log, void *user,
    struct fm_error *error)
{
    struct fm_error ignored;
    if (!error) error = &ignored;
    struct run *r = core_calloc(1, sizeof *r);
    if (!r) return core_fail_nomem(error, sizeof *r);
    r->v = v;
    r->progress = progress;
    r->log = log;
    r->user = user;
    r->latest = -1;
    r->begun_ns = r->said_ns = core_now_ns();
    r->cpu_begun = run_cpu_seconds();
    if (v->realtime) run_open_ladder(r);
    bool done = false;
    int code = video_output_open(v, &r->output, &r->state, &done, error);
    r->resumed = r->state.frames;
    v->first_pts = r->state.first_pts;
    if (code == FM_OK && !done) code = make_frames(r, error);
    if (code == FM_ERR_CANCELLED && v->info->live && r->state.frames) code = FM_OK; /* how live jobs end */
    if (code == FM_ERR_CANCELLED) core_fail(error, code, "cancelled");
    if (code == FM_OK) code = video_output_finish(r->output, &r->state, tick, r, error);
    if (code < 0 && r->output) video_output_abandon(r->output, r->partial, sizeof r->partial);
    run_say_end(r);
    run_fill_report(r, code, code < 0 ? error->message : "");
    if (report) report(user, &r->report);
    video_output_close(&r->output); /* frees frames in the encoder: before the mill */
    mill_destroy(&r->mill);
    if (r->has_first) video_frame_release(&r->first.frame);
    for (int i = 0; i < r->n_packets; i++) media_packet_release(&r->packet[i]);
    core_free(r->packet);
    core_free(r->side);
    crew_close(&r->crew, v);
    reuse_release(&r->copier);
    core_free(r);
    return code;
}
