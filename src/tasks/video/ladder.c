/* SPDX-License-Identifier: MIT */
/* Which network new frames go through, when they have to be in time. */
#include <stdio.h>

#include "core/threads.h"
#include "tasks/video/run.h"

void run_feed_ladder(struct run *r, const struct video_unit *unit, const struct mill_metrics *m)
{
    const uint64_t now = core_now_ns();
    const uint64_t since = r->last_ns ? now - r->last_ns : unit->cost.network_ns + unit->cost.convert_ns;
    const uint64_t busy = (unit->cost.network_ns + unit->cost.convert_ns) / (uint64_t) r->v->workers;
    const int waiting = (int) (m->submitted - m->done);
    const bool waits = r->v->info->live || video_output_paces(r->output); /* for the source, or the sink: that is no cost */
    const struct deadline_frame frame = {.now_ns = now,
        .cost_ns = waits && since > busy ? busy : since,
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

void run_open_ladder(struct run *r)
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
