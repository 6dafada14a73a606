/* SPDX-License-Identifier: MIT */
/* How a mill is made and how it ends, and who works in it. */
#include "mill/mill.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/threads.h"
#include "mill/inner.h"

/* Workers that may die over one slot before it is the slot's fault. */
#define MILL_ATTEMPTS 4

/* ---- who works ---- */

/* With the lock held; mill_wake_all follows without it. */
static void mill_publish(struct mill *mill)
{
    const struct schedule *const s = &mill->schedule;
    for (int i = 0; i < s->workers; i++) atomic_store(&ring_worker(mill->ring, i)->rests, !schedule_is_member(s, i));
    atomic_store(&mill->ring->limit, (uint32_t) (s->limit + mill->params.kept));
}

static void mill_wake_all(struct ring *ring)
{
    ring_wake(ring, RING_NOBODY, true);
    wait_wake(&ring->space, true);
    wait_wake(&ring->order, true);
}

void mill_regain(struct mill *mill, int worker)
{
    pthread_mutex_lock(&mill->lock);
    const bool changed = mill->has_schedule && schedule_regain(&mill->schedule, worker, core_now_ns());
    if (changed) mill_publish(mill);
    pthread_mutex_unlock(&mill->lock);
    if (changed) mill_wake_all(mill->ring);
}

void mill_learn(struct mill *mill, int worker, uint64_t begun_ns, uint64_t done_ns)
{
    pthread_mutex_lock(&mill->lock);
    const bool changed = schedule_note(&mill->schedule, worker, begun_ns, done_ns, core_now_ns());
    if (changed) mill_publish(mill);
    pthread_mutex_unlock(&mill->lock);
    if (changed) mill_wake_all(mill->ring);
}

/* In trials an idle member is woken for the slot, the one that had least of them; when nobody is idle it waits for the first. */
int mill_assign(struct mill *mill)
{
    if (!mill->has_schedule) return RING_NOBODY;
    int meant = schedule_assign(&mill->schedule);
    if (meant != SCHEDULE_ANYONE) return meant;
    for (int i = 0; i < mill->params.workers; i++) {
        if (!schedule_is_member(&mill->schedule, i)) continue;
        if (atomic_load(&ring_worker(mill->ring, i)->phase) != RING_IDLE) continue;
        if (meant == RING_NOBODY || mill->note[i].given < mill->note[meant].given) meant = i;
    }
    if (meant != RING_NOBODY) mill->note[meant].given++;
    return meant;
}

/* The flag first, then the slots: one submitted meanwhile is cancelled here, or by mill_submit, which looks in the other order. */
static void mill_halt(struct mill *mill)
{
    atomic_store(&mill->ring->stopping, true);
    worker_cancel_all(mill->ring);
    mill_wake_all(mill->ring);
}

void mill_stop(struct mill *mill)
{
    mill_halt(mill);
}

void mill_lose(struct mill *mill, int worker, bool forever, const char *reason)
{
    struct mill_note *const note = &mill->note[worker];
    pthread_mutex_lock(&mill->lock);
    snprintf(note->reason, sizeof note->reason, "%s", reason);
    const bool changed = mill->has_schedule && schedule_lose(&mill->schedule, worker, forever, core_now_ns());
    if (changed) mill_publish(mill);
    if (forever && !note->is_gone) {
        note->is_gone = true;
        mill->alive--;
    }
    const bool last = mill->alive == 0 && mill->failure.code == FM_OK && !atomic_load(&mill->ring->stopping);
    if (last) {
        (void) core_fail(&mill->failure, FM_ERR_DEVICE, "no worker is left; worker %s: %s", note->name, note->reason);
        atomic_store(&mill->ring->stop_code, FM_ERR_DEVICE);
    }
    pthread_mutex_unlock(&mill->lock);
    if (last) mill_halt(mill);
    if (changed) mill_wake_all(mill->ring);
}

/* The lock is held around each change, so that nothing is meant for the dead one any more once the schedule has lost it. */
void mill_bury(struct mill *mill, int worker)
{
    struct ring *const ring = mill->ring;
    struct ring_worker *const own = ring_worker(ring, worker);
    atomic_store(&own->end_ns, core_now_ns());
    atomic_store(&own->phase, RING_ABSENT);
    for (int i = 0; i < mill->params.slots; i++) {
        pthread_mutex_lock(&mill->lock);
        const uint64_t word = atomic_load(&ring->slot[i].word);
        const enum ring_state state = ring_word_state(word);
        if (ring_word_worker(word) == worker && state == RING_READY) {
            (void) ring_give_back(ring, i, worker, mill_assign(mill));
        } else if (ring_word_worker(word) == worker && state == RING_READING) {
            const uint64_t id = ring_word_id(word), now = core_now_ns();
            ring_uncount(own, id);
            if (++ring->slot[i].attempts < MILL_ATTEMPTS) {
                atomic_fetch_add(&ring->redone, 1);
                (void) ring_give_back(ring, i, worker, mill_assign(mill));
            } else {
                ring_count(own, id, FM_ERR_DEVICE, 0);
                ring_complete(ring, i, FM_ERR_DEVICE, now, now);
            }
        }
        pthread_mutex_unlock(&mill->lock);
    }
    if (atomic_load(&ring->stopping)) worker_cancel_all(ring);
    mill_wake_all(ring);
}

int mill_get_failure(struct mill *mill, struct fm_error *error)
{
    pthread_mutex_lock(&mill->lock);
    const struct fm_error failure = mill->failure;
    pthread_mutex_unlock(&mill->lock);
    if (error && failure.code != FM_OK) *error = failure;
    return failure.code;
}

/* ---- worker threads ---- */

static void *mill_thread_main(void *thread_)
{
    struct mill_thread *const thread = thread_;
    struct mill *const mill = thread->mill;
    const struct mill_params *const p = &mill->params;
    const int index = thread->worker.index;
    struct ring_worker *const own = ring_worker(mill->ring, index);
    const int broken = p->worker_start ? p->worker_start(p->user, index) : FM_OK;
    worker_begin(&thread->worker);
    if (broken < 0 && mill->has_schedule) {
        char reason[MILL_REASON_MAX];
        atomic_store(&own->phase, RING_ABSENT); /* before anything is meant for it */
        snprintf(reason, sizeof reason, "it cannot start: %s", fm_err_name(broken));
        mill_lose(mill, index, true, reason);
    } else {
        mill_regain(mill, index);
        worker_turn(&thread->worker, broken);
    }
    atomic_store(&own->end_ns, core_now_ns());
    atomic_store(&own->phase, RING_ENDED);
    if (broken >= 0 && p->worker_stop) p->worker_stop(p->user, index);
    return NULL;
}

static int mill_start(struct mill *mill, struct fm_error *error)
{
    const struct mill_params *const p = &mill->params;
    const int threads = p->workers - p->processes;
    if (threads) {
        mill->thread = core_calloc((size_t) threads, sizeof *mill->thread);
        if (!mill->thread) return core_fail_nomem(error, (size_t) threads * sizeof *mill->thread);
    }
    for (int i = 0; i < threads; i++) {
        mill->thread[i] = (struct mill_thread){.mill = mill,
            .worker = {.ring = mill->ring, .index = i, .user = p->user, .process = p->process, .bundle = mill->bundle}};
        const int system = pthread_create(&mill->thread[i].thread, NULL, mill_thread_main, &mill->thread[i]);
        if (system)
            return core_fail(error, FM_ERR_IO, "the system gives no thread for worker %d of %d (error %d)", i + 1, threads, system);
        mill->threads++;
    }
    return p->processes ? overseer_create(mill, error) : FM_OK;
}

/* ---- life ---- */

static int mill_check(const struct mill_params *p, struct fm_error *error)
{
    if (p->slots < 1 || p->slots > RING_SLOTS_MAX)
        return core_fail(error, FM_ERR_ARGUMENT, "a mill has 1 to %d slots, not %d", RING_SLOTS_MAX, p->slots);
    if (p->workers < 1 || p->workers > RING_WORKERS_MAX)
        return core_fail(error, FM_ERR_ARGUMENT, "a mill has 1 to %d workers, not %d", RING_WORKERS_MAX, p->workers);
    if (p->processes < 0 || p->processes > p->workers)
        return core_fail(error, FM_ERR_ARGUMENT, "%d of %d workers cannot be processes", p->processes, p->workers);
    if (!p->process && p->processes < p->workers) return core_fail(error, FM_ERR_ARGUMENT, "a mill needs something to do");
    if (p->processes && (!p->program || !p->program[0] || !p->bundle_bytes))
        return core_fail(error, FM_ERR_ARGUMENT, "worker processes need a program and bundles to share");
    if (p->kept < 0 || p->kept >= p->slots)
        return core_fail(error, FM_ERR_ARGUMENT, "a task cannot keep %d of %d slots", p->kept, p->slots);
    if (p->bundle_bytes && (p->make_bundle || p->free_bundle))
        return core_fail(error, FM_ERR_ARGUMENT, "bundles are either shared memory or made by the task");
    if (!(p->pace_fps >= 0 && p->pace_fps <= 1e6)) return core_fail(error, FM_ERR_ARGUMENT, "a pace of %g", p->pace_fps);
    return FM_OK;
}

/* Bundles that are plain bytes. */
static int mill_place_bundles(struct mill *mill, struct fm_error *error)
{
    const struct mill_params *const p = &mill->params;
    uint8_t *at = mill->shared.bundles;
    size_t stride = mill->shared.stride;
    if (!p->processes) {
        if (!shared_stride(p->bundle_bytes, &stride) || !core_mul_size(stride, (size_t) p->slots, &mill->bundle_pages_bytes))
            return core_fail(error, FM_ERR_ARGUMENT, "%d bundles of %zu bytes are too much", p->slots, p->bundle_bytes);
        at = mill->bundle_pages = core_alloc_pages(mill->bundle_pages_bytes);
        if (!at) return core_fail_nomem(error, mill->bundle_pages_bytes);
    }
    for (int i = 0; i < p->slots; i++) mill->bundle[i] = at + (size_t) i * stride;
    return FM_OK;
}

static int mill_make_bundles(struct mill *mill, struct fm_error *error)
{
    const struct mill_params *const p = &mill->params;
    if (p->bundle_bytes) {
        const int code = mill_place_bundles(mill, error);
        if (code != FM_OK) return code;
    }
    for (; p->make_bundle && mill->bundles < p->slots; mill->bundles++) {
        void *const bundle = p->make_bundle(p->user);
        if (!bundle) return core_fail(error, FM_ERR_NOMEM, "out of memory for slot %d of %d", mill->bundles + 1, p->slots);
        mill->bundle[mill->bundles] = bundle;
    }
    for (int i = 0; i < p->slots; i++) mill->slot[i] = (struct mill_slot){.bundle = mill->bundle[i], .index = i};
    return FM_OK;
}

static int mill_make_ring(struct mill *mill, struct fm_error *error)
{
    const struct mill_params *const p = &mill->params;
    if (p->processes) {
        const int code = shared_create(&mill->shared, p->slots, p->workers, p->bundle_bytes, p->brief_bytes, error);
        if (code != FM_OK) return code;
        if (p->brief_bytes) memcpy(mill->shared.brief, p->brief, p->brief_bytes);
        mill->ring = mill->shared.ring;
    } else {
        mill->ring_bytes = ring_size(p->slots, p->workers);
        mill->ring = core_alloc_pages(mill->ring_bytes);
        if (!mill->ring) return core_fail_nomem(error, mill->ring_bytes);
    }
    const int code = ring_open(mill->ring, p->slots, p->workers, p->processes > 0);
    if (code != FM_OK) return core_fail(error, (enum fm_err) code, "the system gives nothing to wait on");
    mill->ring->is_meant = p->policy == MILL_WEIGHTED;
    mill->ring->is_frail = p->processes > 0;
    atomic_store(&mill->ring->stop_code, FM_ERR_CANCELLED);
    mill->ring_is_open = true;
    return FM_OK;
}

static int mill_make_notes(struct mill *mill, struct fm_error *error)
{
    const struct mill_params *const p = &mill->params;
    mill->note = core_calloc((size_t) p->workers, sizeof *mill->note);
    if (!mill->note) return core_fail_nomem(error, (size_t) p->workers * sizeof *mill->note);
    for (int i = 0; i < p->workers; i++) {
        if (p->names && p->names[i])
            snprintf(mill->note[i].name, sizeof mill->note[i].name, "%s", p->names[i]);
        else
            snprintf(mill->note[i].name, sizeof mill->note[i].name, "%d", i);
        for (char *c = mill->note[i].name; *c; c++)
            if ((unsigned char) *c < 0x20 || *c == 0x7f) *c = '?'; /* it is shown on terminals */
    }
    mill->alive = p->workers;
    if (p->policy != MILL_WEIGHTED) return FM_OK;
    if (schedule_open(&mill->schedule, p->workers, p->slots - p->kept) != FM_OK) return core_fail_nomem(error, (size_t) p->workers);
    mill->has_schedule = true;
    return FM_OK;
}

static int mill_make(struct mill *mill, struct fm_error *error)
{
    const struct mill_params *const p = &mill->params;
    if (pthread_mutex_init(&mill->lock, NULL)) return core_fail(error, FM_ERR_NOMEM, "the system gives no lock");
    mill->has_lock = true;
    mill->slot = core_calloc((size_t) p->slots, sizeof *mill->slot);
    mill->bundle = core_calloc((size_t) p->slots, sizeof *mill->bundle);
    if (!mill->slot || !mill->bundle) return core_fail_nomem(error, (size_t) p->slots * sizeof *mill->slot);
    pace_open(&mill->pace, p->pace_fps);
    int code = mill_make_ring(mill, error);
    if (code == FM_OK) code = mill_make_notes(mill, error);
    if (code == FM_OK) code = mill_make_bundles(mill, error);
    if (code == FM_OK) code = mill_start(mill, error);
    return code;
}

int mill_create(const struct mill_params *params, struct mill **out, struct fm_error *error)
{
    *out = NULL;
    int code = mill_check(params, error);
    if (code != FM_OK) return code;
    struct mill *mill = core_calloc(1, sizeof *mill);
    if (!mill) return core_fail_nomem(error, sizeof *mill);
    mill->params = *params;
    code = mill_make(mill, error);
    if (code != FM_OK) mill_destroy(&mill);
    *out = mill;
    return code;
}

/* Also takes back what a failed mill_create had made. */
void mill_destroy(struct mill **mill_)
{
    struct mill *const mill = *mill_;
    *mill_ = NULL;
    if (!mill) return;
    const struct mill_params *const p = &mill->params;
    if (mill->ring_is_open) mill_stop(mill);
    overseer_destroy(&mill->overseer);
    for (int i = 0; i < mill->threads; i++) pthread_join(mill->thread[i].thread, NULL);
    for (int i = 0; i < mill->bundles; i++)
        if (p->free_bundle) p->free_bundle(p->user, mill->bundle[i]);
    if (mill->ring_is_open) ring_close(mill->ring);
    if (mill->ring_bytes) core_free_pages(mill->ring, mill->ring_bytes);
    shared_close(&mill->shared);
    core_free_pages(mill->bundle_pages, mill->bundle_pages_bytes);
    schedule_close(&mill->schedule);
    core_free(mill->note);
    core_free(mill->thread);
    core_free(mill->bundle);
    core_free(mill->slot);
    if (mill->has_lock) pthread_mutex_destroy(&mill->lock);
    core_free(mill);
}
