/* SPDX-License-Identifier: MIT */
/* The run's source: a thread that reads frames and puts them into slots. */
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/threads.h"
#include "tasks/video/run.h"

/* What comes at once (it was read while streams were found out, or held up on the way) is waited for by a live source, too: so long after
 * it last was up to date. After that it is the machine that is too slow. */
#define PATIENCE_NS 500000000u
#define FIRST_PATIENCE_NS 2000000000u

static uint64_t patience(const struct run *r)
{
    const uint64_t now = core_now_ns();
    return r->v->info->live && r->patient_until_ns > now ? r->patient_until_ns - now : 0;
}

static void look_for_cut(struct run *r, const struct video_frame *f)
{
    uint8_t small[SCENE_PIXELS];
    if (f->format.bits > 8)
        scene_shrink16((const uint16_t *) (const void *) f->plane[0], f->stride[0], f->width, f->height, f->format.bits - 8, small);
    else
        scene_shrink8(f->plane[0], f->stride[0], f->width, f->height, small);
    if (scene_feed(&r->scene, small)) atomic_store(&r->is_cut, true);
}

/* What a process works on must lie in memory that it sees. */
static void copy_in(const struct video *v, const struct video_frame *whole, struct video_unit *unit)
{
    const struct video_frame from = video_cropped(v, whole);
    struct video_frame to;
    video_input_in(v, unit, &to);
    for (int p = 0; p < video_planes(from.format); p++) {
        const size_t bytes = (size_t) video_plane_width(from.format, from.width, p) * (size_t) video_sample_bytes(from.format);
        for (int y = 0; y < video_plane_height(from.format, from.height, p); y++)
            memcpy(to.plane[p] + y * to.stride[p], from.plane[p] + y * from.stride[p], bytes);
    }
}

/* The slot of the frame before, kept until this one was delivered, if there is anything to learn from it. While workers are measured,
 * every frame is made whole, so that each is as much work as the next. */
static int follow_on(struct run *r, int slot)
{
    const int latest = r->latest;
    r->latest = slot;
    atomic_fetch_add(&r->side[slot].pins, 1);
    if (latest < 0) return -1;
    if (r->side[latest].level == r->side[slot].level && !mill_is_calibrating(r->mill)) return latest;
    run_unpin(r, latest);
    return -1;
}

static int submit(struct run *r, struct video_item *item)
{
    struct mill_slot *slot;
    const int code = mill_acquire_within(r->mill, patience(r), &slot);
    if (code < 0) return code;
    struct video_unit *unit = slot->bundle;
    struct side *s = &r->side[slot->index];
    *unit = (struct video_unit){.slot = slot->index, .before = -1, .level = atomic_load(&r->level), .index = item->index};
    if (r->v->realtime) look_for_cut(r, &item->frame);
    video_frame_release(&s->in); /* of a frame that was dropped here */
    s->in = item->frame;
    s->index = item->index;
    atomic_store(&s->pins, 1);
    s->slot = slot;
    s->level = unit->level;
    if (r->v->isolated) copy_in(r->v, &item->frame, unit);
    s->before = unit->before = r->v->reuses ? follow_on(r, slot->index) : -1;
    mill_submit(r->mill, slot);
    return FM_OK;
}

/* What a live source says of itself. For the log, which is another thread's. */
static void look_at_source(struct run *r)
{
    struct video_source_stats stats;
    video_source_get_stats(r->v->source, &stats);
    if (stats.waited_ns && stats.waited_ns + PATIENCE_NS > r->patient_until_ns) r->patient_until_ns = stats.waited_ns + PATIENCE_NS;
    if (stats.reconnects == atomic_load(&r->reconnects)) return;
    atomic_store(&r->gap_ms, stats.gap_ms);
    atomic_store(&r->reconnects, stats.reconnects);
}

void *run_read_source(void *arg)
{
    struct run *r = arg;
    struct video *v = r->v;
    int code = FM_OK;
    r->patient_until_ns = core_now_ns() + FIRST_PATIENCE_NS;
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
            if (v->info->live) look_at_source(r);
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
    if (r->latest >= 0) run_unpin(r, r->latest);
    r->latest = -1;
    mill_finish(r->mill);
    return NULL;
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

int run_read_first(struct run *r, struct fm_error *error)
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

int run_give_packets(struct run *r, struct fm_error *error)
{
    int code = FM_OK;
    for (int i = 0; i < r->n_packets && code == FM_OK; i++) code = video_output_packet(r->output, &r->packet[i], error);
    return code;
}
