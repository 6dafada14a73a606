/* SPDX-License-Identifier: MIT */
/* The run's sink: frames in order, made whole and given to the encoder.
 *
 * A slot is kept as long as somebody needs it: the encoder, which reads the frame where it was made, and the frame after, which may be
 * the same in parts (`pins`). What an encoder holds on to for too long is copied, so that it can never have all slots. */
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/threads.h"
#include "tasks/video/run.h"

void run_unpin(struct run *r, int at)
{
    struct side *s = &r->side[at];
    if (atomic_fetch_sub(&s->pins, 1) != 1) return;
    struct mill_slot *slot = s->slot;
    video_frame_release(&s->in);
    mill_release(r->mill, slot);
}

static void release_slot(struct video_frame *frame)
{
    struct side *s = frame->owner;
    atomic_fetch_sub(&s->run->held, 1);
    run_unpin(s->run, (int) (s - s->run->side));
}

/* The head of a frame that was copied, where a slot has its unit. */
struct copy {
    size_t bytes;
};

static void release_copy(struct video_frame *frame)
{
    struct copy *copy = frame->owner;
    core_free_pages(copy, copy->bytes);
}

static bool copy_frame(const struct video *v, const struct mill_slot *slot, struct video_frame *frame)
{
    struct copy *copy = core_alloc_pages(v->result_bytes);
    if (!copy) return false;
    memcpy(copy, slot->bundle, v->result_bytes);
    copy->bytes = v->result_bytes;
    video_frame_in(v, copy, frame);
    frame->owner = copy;
    frame->release = release_copy;
    return true;
}

static void hash_frame(struct run *r, const struct video_frame *f)
{
    for (int p = 0; p < video_planes(f->format); p++) {
        const size_t bytes = (size_t) video_plane_width(f->format, f->width, p) * (size_t) video_sample_bytes(f->format);
        for (int y = 0; y < video_plane_height(f->format, f->height, p); y++)
            sha256_add(&r->state.hash, f->plane[p] + y * f->stride[p], bytes);
    }
}

/* Times must rise; a source whose clock goes back or stands still is corrected by the least there is. */
static int64_t rising(struct run *r, int64_t pts, int64_t duration)
{
    const int64_t last = r->state.last_pts;
    if (last == INT64_MIN) return pts == INT64_MIN ? 0 : pts;
    if (pts == INT64_MIN) return last + (duration > 0 ? duration : 1);
    if (pts > last) return pts;
    r->moved++;
    return last + 1;
}

/* Hands the slot's frame to the encoder. The slot is not the caller's afterwards, whatever happens. */
static int encode(struct run *r, struct mill_slot *slot, struct fm_error *error)
{
    const struct video *v = r->v;
    struct side *s = &r->side[slot->index];
    const struct video_state before = r->state;
    const int64_t duration = s->in.duration, source_pts = s->in.pts, pts = rising(r, source_pts, duration);
    struct video_frame f;
    if (atomic_load(&r->held) > v->workers) {
        if (!copy_frame(v, slot, &f)) {
            run_unpin(r, slot->index);
            return core_fail_nomem(error, v->result_bytes);
        }
    } else {
        atomic_fetch_add(&r->held, 1);
        atomic_fetch_add(&s->pins, 1);
        video_frame_in(v, slot->bundle, &f);
        f.owner = s;
        f.release = release_slot;
    }
    f.pts = pts;
    f.duration = duration;
    if (v->params.hash) hash_frame(r, &f);
    if (!r->state.frames) r->state.first_pts = pts;
    r->state.frames++;
    r->state.last_pts = pts;
    r->state.source_pts = source_pts;
    const int code = video_output_frame(r->output, &f, &s->in, &before, error);
    run_unpin(r, slot->index);
    return code;
}

/* What the worker left out is what it was in the frame before, which is whole by now. */
static int complete(struct run *r, struct mill_slot *slot, struct fm_error *error)
{
    const struct video_unit *unit = slot->bundle;
    struct side *s = &r->side[slot->index];
    int code = FM_OK;
    if (s->before < 0) return FM_OK;
    if (unit->n_todo < 0 || unit->n_todo > REUSE_RECTS_MAX) {
        code = core_fail(error, FM_ERR_DEVICE, "frame %lld: its worker went mad", (long long) s->index);
    } else if (unit->all_same || unit->chosen || unit->n_todo) {
        const uint64_t start = core_now_ns();
        struct video_frame from, to;
        const struct bitmap made = video_made_in(r->v, slot->bundle);
        r->copier.all_same = unit->all_same;
        r->copier.chosen = unit->chosen;
        r->copier.n_todo = unit->n_todo;
        memcpy(r->copier.todo, unit->todo, (size_t) unit->n_todo * sizeof *unit->todo);
        video_frame_in(r->v, r->side[s->before].slot->bundle, &from);
        video_frame_in(r->v, slot->bundle, &to);
        reuse_copy(&r->copier, r->v, &made, &from, &to);
        r->cost.convert_ns += core_now_ns() - start;
    }
    run_unpin(r, s->before);
    s->before = -1;
    return code;
}

/* A slot that nobody wants. */
void run_drop(struct run *r, struct mill_slot *slot)
{
    struct side *s = &r->side[slot->index];
    if (s->before >= 0) run_unpin(r, s->before);
    s->before = -1;
    run_unpin(r, slot->index);
}

static void say_reconnection(struct run *r, int64_t index)
{
    const int64_t reconnects = atomic_load(&r->reconnects);
    char text[160];
    if (reconnects == r->said_reconnects) return;
    r->said_reconnects = reconnects;
    snprintf(text, sizeof text, "frame %lld: connected again, after %.1f s in which nothing came", (long long) index,
        (double) atomic_load(&r->gap_ms) / 1e3);
    if (r->log) r->log(r->user, text);
}

/* Why there is no frame: what its worker says, or what became of all workers. */
static int fail(struct run *r, struct mill_slot *slot, struct fm_error *error)
{
    const struct video_unit *unit = slot->bundle;
    const long long index = (long long) r->side[slot->index].index;
    const int code = slot->result;
    struct fm_error said = unit->error; /* perhaps by a process that died over it */
    said.message[sizeof said.message - 1] = 0;
    if (said.code == (enum fm_err) code && said.message[0]) return core_fail(error, said.code, "%s", said.message);
    if (code == FM_ERR_DEVICE && mill_get_failure(r->mill, error) < 0) return code;
    if (code == FM_ERR_DEVICE && r->v->isolated)
        return core_fail(error, FM_ERR_DEVICE, "frame %lld: every process that worked on it died", index);
    return core_fail(error, (enum fm_err) code, "frame %lld could not be made", index);
}

int run_take(struct run *r, struct mill_slot *slot, struct fm_error *error)
{
    const struct video_unit *unit = slot->bundle;
    int code = slot->result < 0 ? fail(r, slot, error) : complete(r, slot, error);
    if (code < 0) {
        run_drop(r, slot);
        return code;
    }
    r->cost.convert_ns += unit->cost.convert_ns;
    r->cost.network_ns += unit->cost.network_ns;
    r->cost.process_ns += unit->cost.process_ns;
    r->report.tiles += unit->tiles;
    r->report.reused += unit->reused;
    say_reconnection(r, r->side[slot->index].index);
    if (r->v->realtime && r->v->n_levels > 1) {
        struct mill_metrics m;
        mill_get_metrics(r->mill, &m);
        if (!m.is_calibrating) run_feed_ladder(r, unit, &m); /* all are measured with one network */
    }
    return encode(r, slot, error);
}
