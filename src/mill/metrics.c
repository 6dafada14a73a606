/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "core/threads.h"
#include "mill/inner.h"

static uint64_t mill_span(uint64_t from, uint64_t to)
{
    return to > from ? to - from : 0; /* numbers of different instants may cross */
}

/* What a worker is at just now counts too. */
static void mill_add_worker(struct mill_metrics *m, struct ring_worker *own, int index)
{
    const uint32_t phase = atomic_load(&own->phase);
    if (phase == RING_ABSENT && !atomic_load(&own->start_ns)) return; /* never was ready */
    const uint64_t since = atomic_load(&own->since_ns), failed = atomic_load(&own->failed), done = atomic_load(&own->done);
    uint64_t busy = atomic_load(&own->busy_ns);
    const uint64_t now = phase == RING_ENDED || phase == RING_ABSENT ? atomic_load(&own->end_ns) : core_now_ns();
    if (phase == RING_BUSY) busy += mill_span(since, now);
    const uint64_t present = mill_span(atomic_load(&own->start_ns), now);
    m->done += done;
    m->failed += failed;
    m->busy_ns += busy;
    m->idle_ns += mill_span(busy, present);
    if (index >= MILL_METRICS_WORKERS) return;
    m->worker_done[index] = m->worker[index].done = done;
    m->worker_busy_ns[index] = m->worker[index].busy_ns = busy;
    m->worker[index].failed = failed;
    m->worker[index].mean_ms = done ? (double) busy * 1e-6 / (double) done : 0;
}

/* What the lock guards: names, reasons, weights. */
static void mill_add_notes(struct mill *mill, struct mill_metrics *m)
{
    const struct schedule *const s = &mill->schedule;
    double sum = 0;
    pthread_mutex_lock(&mill->lock);
    m->is_calibrating = mill->has_schedule && s->phase != SCHEDULE_RUN;
    m->slots_used = mill->has_schedule ? s->limit + mill->params.kept : mill->params.slots;
    m->fps_alone = s->verdict_alone;
    m->fps_together = s->verdict_all;
    m->fps_chosen = s->verdict_best;
    for (int i = 0; i < s->workers; i++) sum += s->worker[i].weight;
    for (int i = 0; i < mill->params.workers; i++) {
        const struct mill_note *const note = &mill->note[i];
        m->restarts += note->restarts;
        if (i >= MILL_METRICS_WORKERS) continue;
        struct mill_worker_metrics *const w = &m->worker[i];
        snprintf(w->name, sizeof w->name, "%s", note->name);
        snprintf(w->reason, sizeof w->reason, "%s", note->reason);
        w->restarts = note->restarts;
        w->is_process = i >= mill->params.workers - mill->params.processes;
        w->is_left_out = note->is_gone;
        if (!mill->has_schedule || m->is_calibrating) continue;
        if (s->worker[i].state == SCHEDULE_LEFT_OUT) {
            w->is_left_out = true;
            snprintf(w->reason, sizeof w->reason, "%s", s->worker[i].reason);
        }
        w->share = sum > 0 ? s->worker[i].weight / sum : 0;
    }
    pthread_mutex_unlock(&mill->lock);
}

bool mill_is_calibrating(struct mill *mill)
{
    pthread_mutex_lock(&mill->lock);
    const bool is = mill->has_schedule && mill->schedule.phase != SCHEDULE_RUN;
    pthread_mutex_unlock(&mill->lock);
    return is;
}

/* Against the flow, so that no slot is counted further on than it is counted before. */
void mill_get_metrics(struct mill *mill, struct mill_metrics *out)
{
    struct ring *const ring = mill->ring;
    *out = (struct mill_metrics){.workers = mill->params.workers};
    out->delivered = atomic_load(&ring->delivered);
    out->cancelled = atomic_load(&ring->cancelled);
    for (int i = 0; i < mill->params.workers; i++) mill_add_worker(out, ring_worker(ring, i), i);
    out->dropped = atomic_load(&ring->dropped);
    out->abandoned = atomic_load(&ring->abandoned);
    out->consumer_wait_ns = atomic_load(&ring->consumer_wait_ns);
    out->consumer_waits = atomic_load(&ring->consumer_waits);
    out->producer_wait_ns = atomic_load(&ring->producer_wait_ns);
    out->producer_waits = atomic_load(&ring->producer_waits);
    out->submitted = atomic_load(&ring->submitted);
    out->acquired = atomic_load(&ring->acquired);
    out->redone = atomic_load(&ring->redone);
    out->first_ns = atomic_load(&ring->first_ns);
    out->last_ns = atomic_load(&ring->last_ns);
    const uint64_t span = mill_span(out->first_ns, out->last_ns);
    out->fps = span && out->delivered > 1 ? (double) (out->delivered - 1) * 1e9 / (double) span : 0;
    mill_add_notes(mill, out);
}
