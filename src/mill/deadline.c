/* SPDX-License-Identifier: MIT */
#include "mill/deadline.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DEADLINE_SECOND ((uint64_t) 1000000000)
#define DEADLINE_APART DEADLINE_SECOND             /* steps */
#define DEADLINE_DOWN_WAITS (DEADLINE_SECOND / 4)  /* for a scene cut */
#define DEADLINE_UP_WAITS (3 * DEADLINE_SECOND)    /* the same */
#define DEADLINE_CLIMB_FIRST (2 * DEADLINE_SECOND) /* from a step to a climb */
#define DEADLINE_CLIMB_MOST (120 * DEADLINE_SECOND)
#define DEADLINE_PROOF (30 * DEADLINE_SECOND) /* a level held so long was right */
#define DEADLINE_DOUBT 4                      /* waits, until what a failed climb taught is tried again */
#define DEADLINE_FITS 0.85                    /* of the budget */
#define DEADLINE_FELL 0.75                    /* of the p95 after a failed climb: the load is another now */
#define DEADLINE_EARLY 4                      /* frames for a median */
#define DEADLINE_SURE 20                      /* frames for a p95 that one stray frame cannot make */
#define DEADLINE_PILED 10                     /* frames with a full queue */
#define DEADLINE_GRAVE 2.0                    /* times the budget */

void deadline_open(struct deadline *d, const struct deadline_params *params)
{
    *d = (struct deadline){.params = *params, .level = params->first_level, .climb_wait_ns = DEADLINE_CLIMB_FIRST};
    if (params->cost[0] > 0) return;
    for (int i = 0; i < DEADLINE_LEVELS_MAX; i++) d->params.cost[i] = ldexp(1, DEADLINE_LEVELS_MAX - i);
}

void deadline_set_budget(struct deadline *d, uint64_t budget_ns)
{
    d->params.budget_ns = budget_ns;
    d->wish = 0;
    d->has_failed = false;
    d->climb_wait_ns = DEADLINE_CLIMB_FIRST;
}

/* ---- what is measured ---- */

struct deadline_view {
    double median, p95, budget;
};

static struct deadline_view deadline_look(const struct deadline *d)
{
    uint64_t v[DEADLINE_WINDOW];
    const int n = d->frames;
    struct deadline_view view = {.budget = (double) d->params.budget_ns};
    for (int i = 0; i < n; i++) {
        int at = i;
        for (; at > 0 && v[at - 1] > d->time[i]; at--) v[at] = v[at - 1];
        v[at] = d->time[i];
    }
    if (n) {
        view.median = (double) v[(n - 1) / 2];
        view.p95 = (double) v[(n * 95 + 99) / 100 - 1]; /* nearest rank */
    }
    return view;
}

/* Cost of a level by that of the next cheaper one. */
static double deadline_ratio(const struct deadline *d, int level, bool as_learned)
{
    const double *const cost = d->params.cost;
    if (as_learned && d->ratio[level] > 0) return d->ratio[level];
    return cost[level + 1] > 0 && cost[level] > cost[level + 1] ? cost[level] / cost[level + 1] : 1;
}

static const char *deadline_name(const struct deadline *d, int level, char number[24])
{
    if (d->params.name[level]) return d->params.name[level];
    snprintf(number, 24, "level %d", level);
    return number;
}

/* ---- wishes ---- */

static bool deadline_is_late(const struct deadline *d, const struct deadline_view *v)
{
    if (d->frames >= DEADLINE_SURE && v->p95 > v->budget) return true;
    if (d->frames >= DEADLINE_EARLY && v->median > v->budget) return true;
    /* a queue that fills although frames cost little is not ours to empty */
    return d->piled >= DEADLINE_PILED && d->frames >= DEADLINE_EARLY && v->median > v->budget * 0.7;
}

static bool deadline_may_climb(const struct deadline *d, const struct deadline_view *v, const struct deadline_frame *f)
{
    if (d->level == 0 || d->frames < DEADLINE_WINDOW) return false;
    if (d->params.queue && f->waiting * 4 > d->params.queue) return false;
    const uint64_t since = f->now_ns - d->step_ns;
    if (since < d->climb_wait_ns) return false;
    if (v->p95 * deadline_ratio(d, d->level - 1, true) <= v->budget * DEADLINE_FITS) return true;
    return since >= DEADLINE_DOUBT * d->climb_wait_ns &&
           v->p95 * deadline_ratio(d, d->level - 1, false) <= v->budget * DEADLINE_FITS;
}

/* The best level below that is predicted to fit; else the last. Stray frames do not shrink with the network: they count little. */
static int deadline_target(const struct deadline *d, const struct deadline_view *v)
{
    double cost = fmin(v->p95, 1.5 * v->median);
    for (int level = d->level; level < d->params.levels - 1; level++) {
        cost /= deadline_ratio(d, level, true);
        if (cost <= v->budget * DEADLINE_FITS) return level + 1;
    }
    return d->params.levels - 1;
}

/* ---- steps ---- */

static void deadline_explain(
    const struct deadline *d, const struct deadline_view *v, const struct deadline_frame *f, struct deadline_step *step)
{
    char number[24];
    const char *const name = deadline_name(d, step->level, number), *const cut = f->is_cut ? ", at a scene cut" : "";
    const double ms = 1e-6;
    if (step->level < step->from)
        snprintf(step->reason, sizeof step->reason, "up to %.40s: p95 %.1f ms, predicted %.1f ms of %.1f ms%s", name, v->p95 * ms,
            v->p95 * deadline_ratio(d, step->level, false) * ms, v->budget * ms, cut);
    else if (d->frames >= DEADLINE_SURE && v->p95 > v->budget)
        snprintf(step->reason, sizeof step->reason, "down to %.40s: p95 of %d frames is %.1f ms, the budget %.1f ms%s", name,
            d->frames, v->p95 * ms, v->budget * ms, cut);
    else if (v->median > v->budget)
        snprintf(step->reason, sizeof step->reason,
            "down to %.40s: most of %d frames take %.1f ms or more, the budget is %.1f ms%s", name, d->frames, v->median * ms,
            v->budget * ms, cut);
    else
        snprintf(
            step->reason, sizeof step->reason, "down to %.40s: %d of %d frames wait%s", name, f->waiting, d->params.queue, cut);
}

/* A climb that did not last: what the level costs is known now, and the next one waits longer. */
static void deadline_fail(struct deadline *d, const struct deadline_view *v, int target)
{
    d->climb_wait_ns = d->climb_wait_ns * 2 < DEADLINE_CLIMB_MOST ? d->climb_wait_ns * 2 : DEADLINE_CLIMB_MOST;
    if (target != d->level + 1 || !d->climb_p95_ns) return; /* fell deeper than it stood: other times */
    d->has_failed = true;
    d->failed_p95_ns = 0;
    d->ratio[d->level] = fmax(v->p95 / (double) d->climb_p95_ns, deadline_ratio(d, d->level, false));
}

static void deadline_take(
    struct deadline *d, const struct deadline_view *v, const struct deadline_frame *f, struct deadline_step *step)
{
    *step = (struct deadline_step){.from = d->level, .level = d->wish > 0 ? deadline_target(d, v) : d->level - 1};
    deadline_explain(d, v, f, step);
    const bool climbs = d->wish < 0;
    d->has_failed = false;
    if (!climbs && d->is_climbing) deadline_fail(d, v, step->level);
    d->is_climbing = climbs;
    d->climb_p95_ns = (uint64_t) v->p95;
    d->level = step->level;
    d->has_stepped = true;
    d->step_ns = f->now_ns;
    d->frames = d->at = d->piled = d->wish = 0;
}

/* What time alone changes: a climb has proved itself; the load that made one fail is gone. */
static void deadline_learn(struct deadline *d, const struct deadline_view *v, uint64_t now_ns)
{
    if (d->frames < DEADLINE_WINDOW) return;
    if (d->is_climbing && now_ns - d->step_ns >= DEADLINE_PROOF) {
        d->is_climbing = false;
        d->ratio[d->level] = 0;
        d->climb_wait_ns = DEADLINE_CLIMB_FIRST;
    }
    if (!d->has_failed) return;
    if (!d->failed_p95_ns) {
        d->failed_p95_ns = (uint64_t) v->p95;
    } else if (v->p95 < (double) d->failed_p95_ns * DEADLINE_FELL) {
        d->has_failed = false;
        d->ratio[d->level - 1] = 0;
        d->climb_wait_ns = DEADLINE_CLIMB_FIRST;
    }
}

bool deadline_feed(struct deadline *d, const struct deadline_frame *f, struct deadline_step *step)
{
    if (!d->has_begun) d->step_ns = f->now_ns;
    d->has_begun = true;
    if (f->level == d->level) {
        d->time[d->at] = f->cost_ns;
        d->at = (d->at + 1) % DEADLINE_WINDOW;
        if (d->frames < DEADLINE_WINDOW) d->frames++;
    }
    d->piled = d->params.queue && f->waiting * 4 >= d->params.queue * 3 ? d->piled + 1 : 0;
    const struct deadline_view v = deadline_look(d);
    deadline_learn(d, &v, f->now_ns);

    int wish = 0;
    if (d->level < d->params.levels - 1 && deadline_is_late(d, &v))
        wish = 1;
    else if (deadline_may_climb(d, &v, f))
        wish = -1;
    if (wish != d->wish) d->wish_ns = f->now_ns;
    d->wish = wish;
    if (!wish || (d->has_stepped && f->now_ns - d->step_ns < DEADLINE_APART)) return false;
    const bool grave = wish > 0 && (v.median > v.budget * DEADLINE_GRAVE || d->piled >= 2 * DEADLINE_PILED);
    const uint64_t waits = wish > 0 ? DEADLINE_DOWN_WAITS : DEADLINE_UP_WAITS;
    if (!f->is_cut && !grave && f->now_ns - d->wish_ns < waits) return false;
    deadline_take(d, &v, f, step);
    return true;
}
