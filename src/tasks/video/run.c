/* SPDX-License-Identifier: MIT */
/* The run: a thread reads frames, the mill's workers make them, this thread takes them in order and has them encoded.
 *
 * A slot is kept as long as somebody needs it: the encoder, which reads the frame where it was made, and the worker of the frame
 * after, which may find that parts of it are the same (`pins`). What an encoder holds on to for too long is copied, so that it can
 * never have all slots. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "tasks/video/run.h"

/* ---- slots ---- */

static void unpin(struct run *r, int at)
{
    struct side *s = &r->side[at];
    if (atomic_fetch_sub(&s->pins, 1) != 1) return;
    struct mill_slot *slot = s->slot;
    video_frame_release(&s->in);
    mill_release(r->mill, slot);
}

static void *make_bundle(void *user)
{
    struct run *r = user;
    struct video_unit *unit = core_alloc_pages(r->v->bundle_bytes);
    if (!unit) return NULL;
    unit->slot = r->n_bundles;
    struct side *s = &r->side[r->n_bundles++];
    s->run = r;
    s->before = -1;
    return unit;
}

static void free_bundle(void *user, void *bundle)
{
    const struct run *r = user;
    core_free_pages(bundle, r->v->bundle_bytes);
}

/* ---- workers ---- */

static int make_workers(struct run *r, struct fm_error *error)
{
    r->worker = core_calloc((size_t) r->v->workers, sizeof *r->worker);
    if (!r->worker) return core_fail_nomem(error, 0);
    int code = FM_OK;
    for (int i = 0; i < r->v->workers && code == FM_OK; i++) {
        code = video_maker_create(r->v, &r->worker[i].maker, error);
        if (code == FM_OK && r->reuses) code = reuse_make(&r->worker[i].reuse, r->v, error);
    }
    return code;
}

static void free_workers(struct run *r)
{
    for (int i = 0; r->worker && i < r->v->workers; i++) {
        video_maker_destroy(&r->worker[i].maker);
        reuse_release(&r->worker[i].reuse);
    }
    core_free(r->worker);
}

/* Waits until the frame before was made; false when it failed. It was begun earlier, so it will be done. */
static bool wait_for(struct run *r, const struct side *s)
{
    pthread_mutex_lock(&r->lock);
    while (!s->done) pthread_cond_wait(&r->changed, &r->lock);
    const bool made = s->made;
    pthread_mutex_unlock(&r->lock);
    return made;
}

static int make_all(struct worker *w, struct video_unit *unit, const struct side *s, struct video_frame *out)
{
    return video_make(w->maker, unit->level, &s->in, out, NULL, 0, &unit->cost, &unit->error);
}

static int make_changed(struct run *r, struct worker *w, struct video_unit *unit, const struct side *s, struct video_frame *out)
{
    struct side *before = &r->side[s->before];
    struct reuse *reuse = &w->reuse;
    const uint64_t start = core_now_ns();
    reuse_find(reuse, r->v, unit->level, &before->in, &s->in);
    unit->cost.convert_ns += core_now_ns() - start;
    unit->tiles = reuse->n_tiles;
    unit->reused = reuse->n_same;
    if (!reuse->all_same && !reuse->n_todo) return make_all(w, unit, s, out);
    /* Chroma is made whole in any case; an empty rectangle makes that and nothing else. */
    static const struct rect nothing = {0, 0, 0, 0};
    const struct rect *todo = reuse->all_same ? &nothing : reuse->todo;
    int code = video_make(w->maker, unit->level, &s->in, out, todo, reuse->all_same ? 1 : reuse->n_todo, &unit->cost, &unit->error);
    if (code < 0) return code;
    if (!wait_for(r, before)) {
        unit->reused = 0;
        return make_all(w, unit, s, out);
    }
    struct video_frame from;
    video_frame_in(r->v, before->slot->bundle, &from);
    reuse_copy(reuse, r->v, &from, out);
    return FM_OK;
}

static int process(void *user, int index, void *bundle)
{
    struct run *r = user;
    struct video_unit *unit = bundle;
    struct worker *w = &r->worker[index];
    struct side *s = &r->side[unit->slot];
    struct video_frame out;
    video_frame_in(r->v, bundle, &out);
    unit->cost = (struct video_cost){0};
    unit->tiles = unit->reused = 0;
    int code = s->before >= 0 ? make_changed(r, w, unit, s, &out) : make_all(w, unit, s, &out);
    if (code == FM_OK && r->v->params.compare) code = video_make_comparison(w->maker, &s->in, &out, &unit->error);
    if (code == FM_OK && unit->cost.not_numbers)
        code = core_fail(&unit->error, FM_ERR_DEVICE, "frame %lld: the network gave %llu values that are no numbers",
            (long long) unit->index, (unsigned long long) unit->cost.not_numbers);
    pthread_mutex_lock(&r->lock);
    s->done = true;
    s->made = code == FM_OK;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    if (s->before >= 0) unpin(r, s->before);
    s->before = -1;
    return code;
}

/* ---- source ---- */

static void look_for_cut(struct run *r, const struct video_frame *f)
{
    uint8_t small[SCENE_PIXELS];
    if (f->format.bits > 8)
        scene_shrink16((const uint16_t *) (const void *) f->plane[0], f->stride[0], f->width, f->height, f->format.bits - 8, small);
    else
        scene_shrink8(f->plane[0], f->stride[0], f->width, f->height, small);
    if (scene_feed(&r->scene, small)) atomic_store(&r->is_cut, true);
}

static int submit(struct run *r, struct video_item *item)
{
    struct mill_slot *slot;
    const int code = mill_acquire(r->mill, &slot);
    if (code < 0) return code;
    struct video_unit *unit = slot->bundle;
    struct side *s = &r->side[unit->slot];
    unit->index = item->index;
    unit->pts = item->frame.pts;
    unit->duration = item->frame.duration;
    unit->level = atomic_load(&r->level);
    unit->error = (struct fm_error){0};
    if (r->v->realtime) look_for_cut(r, &item->frame);
    video_frame_release(&s->in); /* of a frame that was dropped here */
    s->in = item->frame;
    s->slot = slot;
    s->done = s->made = false;
    s->before = -1;
    atomic_store(&s->pins, r->reuses ? 2 : 1);
    if (r->reuses) {
        const int latest = r->latest;
        r->latest = unit->slot;
        if (latest >= 0 && r->latest_level == unit->level)
            s->before = latest;
        else if (latest >= 0)
            unpin(r, latest);
        r->latest_level = unit->level;
    }
    mill_submit(r->mill, slot);
    return FM_OK;
}

static void *read_source(void *arg)
{
    struct run *r = arg;
    struct video *v = r->v;
    int code = FM_OK;
    while (code == FM_OK && !atomic_load(&v->cancel)) {
        struct video_item item = {0};
        if (r->has_first) {
            item = r->first;
            r->has_first = false;
        } else {
            const uint64_t start = core_now_ns();
            code = video_source_next(v->source, &item, &r->source_error);
            atomic_fetch_add(&r->decode_ns, core_now_ns() - start);
            if (code < 0) break;
        }
        if (item.kind == VIDEO_ITEM_FRAME) {
            code = submit(r, &item);
            if (code < 0) video_frame_release(&item.frame);
        } else {
            code = video_output_packet(r->output, &item.packet, &r->source_error);
            media_packet_release(&item.packet);
        }
    }
    r->source_code = code;
    if (r->latest >= 0) unpin(r, r->latest);
    r->latest = -1;
    mill_finish(r->mill);
    return NULL;
}

/* ---- sink ---- */

static void release_slot(struct video_frame *frame)
{
    struct side *s = frame->owner;
    atomic_fetch_sub(&s->run->held, 1);
    unpin(s->run, (int) (s - s->run->side));
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
    struct copy *copy = core_alloc_pages(v->bundle_bytes);
    if (!copy) return false;
    memcpy(copy, slot->bundle, v->bundle_bytes);
    copy->bytes = v->bundle_bytes;
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
    const struct video_unit *unit = slot->bundle;
    struct side *s = &r->side[unit->slot];
    const struct video_state before = r->state;
    const int64_t pts = rising(r, unit->pts, unit->duration);
    struct video_frame f;
    if (atomic_load(&r->held) > v->workers) {
        if (!copy_frame(v, slot, &f)) {
            unpin(r, unit->slot);
            return core_fail_nomem(error, v->bundle_bytes);
        }
    } else {
        atomic_fetch_add(&r->held, 1);
        atomic_fetch_add(&s->pins, 1);
        video_frame_in(v, slot->bundle, &f);
        f.owner = s;
        f.release = release_slot;
    }
    f.pts = pts;
    f.duration = unit->duration;
    if (v->params.hash) hash_frame(r, &f);
    if (!r->state.frames) r->state.first_pts = pts;
    r->state.frames++;
    r->state.last_pts = pts;
    r->state.source_pts = unit->pts;
    const int code = video_output_frame(r->output, &f, &s->in, &before, error);
    unpin(r, unit->slot);
    return code;
}

/* ---- ladder ---- */

static void feed_ladder(struct run *r, const struct video_unit *unit, const struct mill_metrics *m)
{
    const uint64_t now = core_now_ns();
    const uint64_t since = r->last_ns ? now - r->last_ns : unit->cost.network_ns + unit->cost.convert_ns;
    const uint64_t busy = (unit->cost.network_ns + unit->cost.convert_ns) / (uint64_t) r->v->workers;
    const int waiting = (int) (m->submitted - m->done);
    const struct deadline_frame frame = {.now_ns = now,
        .cost_ns = r->v->info->live && since > busy ? busy : since, /* a live source is waited for: that is no cost */
        .level = unit->level,
        .waiting = waiting > 0 ? waiting : 0,
        .is_cut = atomic_exchange(&r->is_cut, false)};
    struct deadline_step step;
    r->last_ns = now;
    if (!deadline_feed(&r->deadline, &frame, &step)) return;
    atomic_store(&r->level, step.level);
    r->report.steps++;
    char text[DEADLINE_REASON_MAX + 160];
    snprintf(text, sizeof text, "frame %lld: %s instead of %s: %s", (long long) unit->index, r->v->level[step.level].name,
        r->v->level[step.from].name, step.reason);
    if (r->log) r->log(r->user, text);
}

static void open_ladder(struct run *r)
{
    const struct video *v = r->v;
    struct deadline_params p = {.levels = v->n_levels, .budget_ns = v->budget_ns, .queue = v->info->live ? v->slots - 2 : 0};
    for (int i = 0; i < v->n_levels; i++) {
        p.cost[i] = v->level[i].cost;
        p.name[i] = v->level[i].name;
    }
    deadline_open(&r->deadline, &p);
    scene_open(&r->scene);
}

/* ---- the run ---- */

/* A slot that nobody wants. */
static void drop(struct run *r, struct mill_slot *slot)
{
    const struct video_unit *unit = slot->bundle;
    struct side *s = &r->side[unit->slot];
    if (s->before >= 0) unpin(r, s->before); /* no worker came to it */
    s->before = -1;
    unpin(r, unit->slot);
}

static int take(struct run *r, struct mill_slot *slot, struct fm_error *error)
{
    const struct video_unit *unit = slot->bundle;
    if (slot->result < 0) {
        const int code = slot->result;
        if (error) *error = unit->error;
        if (error && !error->message[0])
            core_fail(error, (enum fm_err) code, "frame %lld could not be made", (long long) unit->index);
        drop(r, slot);
        return code;
    }
    r->cost.convert_ns += unit->cost.convert_ns;
    r->cost.network_ns += unit->cost.network_ns;
    r->report.tiles += unit->tiles;
    r->report.reused += unit->reused;
    if (r->v->realtime && r->v->n_levels > 1) {
        struct mill_metrics m;
        mill_get_metrics(r->mill, &m);
        feed_ladder(r, unit, &m);
    }
    return encode(r, slot, error);
}

/* Slots in order, until the source ends, something fails, or the job is cancelled. */
static int consume(struct run *r, struct fm_error *error)
{
    int result = FM_OK;
    for (;;) {
        struct mill_slot *slot;
        const int code = mill_next(r->mill, &slot);
        if (code < 0) return result;
        if (result < 0) { /* only cleaning up */
            drop(r, slot);
            continue;
        }
        result = take(r, slot, error);
        if (result == FM_OK) run_say_progress(r);
        if (result < 0 || atomic_load(&r->v->cancel)) {
            atomic_store(&r->v->cancel, true); /* the source stops waiting */
            mill_stop(r->mill);
        }
    }
}

static int keep_packet(struct run *r, struct media_packet *packet, struct fm_error *error)
{
    if (r->n_packets == r->room) {
        const int room = r->room ? r->room * 2 : 64;
        struct media_packet *longer = core_alloc((size_t) room * sizeof *longer);
        if (!longer) return core_fail_nomem(error, (size_t) room * sizeof *longer);
        if (r->n_packets) memcpy(longer, r->packet, (size_t) r->n_packets * sizeof *longer);
        core_free(r->packet);
        r->packet = longer;
        r->room = room;
    }
    r->packet[r->n_packets++] = *packet;
    packet->av = NULL;
    return FM_OK;
}

static int read_first(struct run *r, struct fm_error *error)
{
    for (;;) {
        struct video_item item = {0};
        const uint64_t start = core_now_ns();
        int code = video_source_next(r->v->source, &item, error);
        atomic_fetch_add(&r->decode_ns, core_now_ns() - start);
        if (code < 0) return code;
        if (item.kind == VIDEO_ITEM_FRAME) {
            r->first = item;
            r->has_first = true;
            return FM_OK;
        }
        code = keep_packet(r, &item.packet, error);
        media_packet_release(&item.packet);
        if (code < 0) return code;
    }
}

static int give_packets(struct run *r, struct fm_error *error)
{
    int code = FM_OK;
    for (int i = 0; i < r->n_packets && code == FM_OK; i++) code = video_output_packet(r->output, &r->packet[i], error);
    return code;
}

static int start(struct run *r, struct fm_error *error)
{
    struct video *v = r->v;
    const size_t slots = (size_t) v->slots;
    r->side = core_calloc(slots, sizeof *r->side);
    if (!r->side) return core_fail_nomem(error, 0);
    int code = make_workers(r, error);
    if (code < 0) return code;
    const struct mill_params p = {.slots = v->slots,
        .workers = v->workers,
        .live = v->info->live,
        .user = r,
        .make_bundle = make_bundle,
        .free_bundle = free_bundle,
        .process = process};
    code = mill_create(&p, &r->mill, error);
    if (code < 0) return code;
    if (pthread_create(&r->source, NULL, read_source, r) == 0) return FM_OK;
    mill_finish(r->mill);
    return core_fail(error, FM_ERR_IO, "the system gives no more threads");
}

/* Frames from where the job stands to the end of the source. */
static int make_frames(struct run *r, struct fm_error *error)
{
    struct video *v = r->v;
    int code = FM_OK;
    if (r->state.frames) code = video_source_skip_to(v->source, r->state.frames, r->state.source_pts, error);
    if (code == FM_OK) code = read_first(r, error);
    if (code == FM_ERR_EOS && r->state.frames) return FM_OK; /* cut off after the very last frame */
    if (code == FM_ERR_EOS) return core_fail(error, FM_ERR_FORMAT, "%s: there is no frame in it", v->params.input);
    if (code == FM_OK) {
        v->first_pts = r->state.frames ? r->state.first_pts : r->first.frame.pts == INT64_MIN ? 0 : r->first.frame.pts;
        code = video_output_begin(r->output, &r->first.frame, error);
    }
    if (code == FM_OK) code = give_packets(r, error);
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
    r->reuses = !v->params.no_reuse && !v->info->live;
    r->begun_ns = r->said_ns = core_now_ns();
    r->cpu_begun = run_cpu_seconds();
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    if (v->realtime) open_ladder(r);
    bool done = false;
    int code = video_output_open(v, &r->output, &r->state, &done, error);
    r->resumed = r->state.frames;
    v->first_pts = r->state.first_pts;
    if (code == FM_OK && !done) code = make_frames(r, error);
    if (code == FM_ERR_CANCELLED && v->info->live && r->state.frames) code = FM_OK; /* how live jobs end */
    if (code == FM_ERR_CANCELLED) core_fail(error, code, "cancelled");
    if (code == FM_OK) code = video_output_finish(r->output, &r->state, error);
    if (code < 0 && r->output) video_output_abandon(r->output, r->partial, sizeof r->partial);
    run_say_end(r);
    run_fill_report(r, code, code < 0 ? error->message : "");
    if (report) report(user, &r->report);
    video_output_close(&r->output); /* frees frames in the encoder: before the mill */
    mill_destroy(&r->mill);
    if (r->has_first) video_frame_release(&r->first.frame);
    for (int i = 0; i < r->n_packets; i++) media_packet_release(&r->packet[i]);
    core_free(r->packet);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    core_free(r->side);
    free_workers(r);
    core_free(r);
    return code;
}
