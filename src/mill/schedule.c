/* SPDX-License-Identifier: MIT */
#include "mill/schedule.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "framemill/error.h"

#define SCHEDULE_ENOUGH 4      /* samples of each member in a trial */
#define SCHEDULE_MARGIN 1.02   /* by which more workers must beat fewer */
#define SCHEDULE_HINDERED 1.03 /* slower together than alone by this: they take something from each other */
#define SCHEDULE_DRIFT 1.02    /* weights stay as they are below this */
#define SCHEDULE_WEIGHTS 1000000.0
#define SCHEDULE_AGAIN 1000 /* slots to the second trials; twice as many to the third ... */
#define SCHEDULE_AGAIN_MAX (1 << 24)
#define SCHEDULE_NEAR 16 /* who takes longer than the best by this is not tried again */

int schedule_open(struct schedule *s, int workers, int slots)
{
    *s = (struct schedule){.workers = workers, .slots = slots, .limit = slots};
    s->rank = core_calloc((size_t) workers, sizeof *s->rank);
    s->seconds_best = core_calloc((size_t) workers, sizeof *s->seconds_best);
    s->worker = core_calloc((size_t) workers, sizeof *s->worker);
    if (s->rank && s->seconds_best && s->worker) return FM_OK;
    schedule_close(s);
    return FM_ERR_NOMEM;
}

void schedule_close(struct schedule *s)
{
    core_free(s->rank);
    core_free(s->seconds_best);
    core_free(s->worker);
    *s = (struct schedule){.workers = 0};
}

int schedule_slots_for(const double *seconds, int workers)
{
    double rate = 0, slowest = 0;
    for (int i = 0; i < workers; i++) {
        rate += 1 / seconds[i];
        slowest = fmax(slowest, seconds[i]);
    }
    return (int) fmin(ceil(slowest * rate - 1e-9), 1e6) + workers + 2;
}

/* ---- rates ---- */

/* A median: one slot that the system interrupted says nothing about the worker. */
static double schedule_median(const struct schedule_worker *w)
{
    double v[SCHEDULE_SAMPLES];
    const int n = w->samples;
    for (int i = 0; i < n; i++) {
        int at = i;
        for (; at > 0 && v[at - 1] > w->sample[i]; at--) v[at] = v[at - 1];
        v[at] = w->sample[i];
    }
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* Of a slot, in this trial or in that of all. */
static double schedule_seconds(const struct schedule_worker *w, bool together)
{
    return together ? w->together : schedule_median(w);
}

/* Slots a second of the first `size` in rank: together, but no more than the ring holds while the slowest is at one. */
static double schedule_rate(const struct schedule *s, int size, bool together)
{
    double rate = 0, slowest = 0;
    for (int i = 0; i < size; i++) {
        const double seconds = schedule_seconds(&s->worker[s->rank[i]], together);
        rate += 1 / seconds;
        slowest = fmax(slowest, seconds);
    }
    return fmin(rate, (s->slots > 1 ? s->slots - 1 : 1) / slowest);
}

static bool schedule_is_better(double rate, int size, double than_rate, int than_size)
{
    return size > than_size ? rate > than_rate * SCHEDULE_MARGIN : rate * SCHEDULE_MARGIN > than_rate;
}

/* Takes the first `size` in rank for the best set when they are. */
static void schedule_consider(struct schedule *s, int size, bool together)
{
    const double rate = schedule_rate(s, size, together);
    if (s->size_best && !schedule_is_better(rate, size, s->rate_best, s->size_best)) return;
    s->size_best = size;
    s->rate_best = rate;
    for (int i = 0; i < size; i++) s->seconds_best[s->rank[i]] = schedule_seconds(&s->worker[s->rank[i]], together);
}

/* By seconds, slowest last; stable. */
static void schedule_sort(struct schedule *s)
{
    for (int i = 1; i < s->ranked; i++) {
        const int moved = s->rank[i];
        int at = i;
        for (; at > 0 && s->worker[s->rank[at - 1]].together > s->worker[moved].together; at--) s->rank[at] = s->rank[at - 1];
        s->rank[at] = moved;
    }
}

/* ---- running ---- */

static void schedule_weigh(struct schedule *s)
{
    double rate = 0, slowest = 0;
    int members = 0;
    for (int i = 0; i < s->workers; i++) slowest = fmax(slowest, s->worker[i].seconds);
    for (int i = 0; i < s->workers; i++) {
        struct schedule_worker *const w = &s->worker[i];
        if (w->state != SCHEDULE_MEMBER) continue;
        if (w->seconds <= 0) w->seconds = slowest > 0 ? slowest : 1; /* stands in, and was never measured */
        members++;
        rate += 1 / w->seconds;
    }
    slowest = 0;
    for (int i = 0; i < s->workers; i++) {
        struct schedule_worker *const w = &s->worker[i];
        w->weight = 0;
        if (w->state != SCHEDULE_MEMBER) continue;
        w->weight = (uint32_t) fmax(1, round(SCHEDULE_WEIGHTS / w->seconds / rate));
        slowest = fmax(slowest, w->seconds);
    }
    const int wanted = (int) fmin(ceil(slowest * rate - 1e-9), 1e6) + members + 2;
    s->limit = wanted < s->slots ? wanted : s->slots;
    s->until_fit = 16 * (members ? members : 1);
}

/* Who is there of those wanted; when none is, whoever there is. */
static void schedule_fill(struct schedule *s)
{
    int members = 0;
    for (int i = 0; i < s->workers; i++) {
        struct schedule_worker *const w = &s->worker[i];
        if (w->state == SCHEDULE_LOST || w->state == SCHEDULE_GONE) continue;
        w->state = w->is_wanted ? SCHEDULE_MEMBER : SCHEDULE_LEFT_OUT;
        members += w->is_wanted;
    }
    for (int i = 0; i < s->workers && !members; i++)
        if (s->worker[i].state == SCHEDULE_LEFT_OUT) s->worker[i].state = SCHEDULE_MEMBER;
    schedule_weigh(s);
}

static void schedule_explain(struct schedule *s, struct schedule_worker *w)
{
    if (w->reason[0]) return;
    const double mine = w->together * 1e3, reach = (s->slots > 1 ? s->slots - 1 : 1) / w->together;
    if (reach < s->rate_best * SCHEDULE_MARGIN)
        snprintf(w->reason, sizeof w->reason, "%.1f ms each: too slow for a ring of %d slots, %.1f a second go without it", mine,
            s->slots, s->rate_best);
    else
        snprintf(w->reason, sizeof w->reason, "%.1f ms each: all together make %.1f a second, %.1f go without it", mine,
            s->rate_all, s->rate_best);
}

/* Whoever was left out by a narrow margin, or because the machine had other things to do, gets another chance. */
static void schedule_plan_again(struct schedule *s)
{
    const double near = SCHEDULE_NEAR * s->worker[s->rank[0]].together;
    bool any = false;
    for (int i = 0; i < s->workers; i++) {
        const struct schedule_worker *const w = &s->worker[i];
        bool kept = w->state == SCHEDULE_LOST || w->state == SCHEDULE_GONE;
        for (int k = 0; k < s->size_best; k++) kept = kept || s->rank[k] == i;
        any = any || (!kept && w->together > 0 && w->together <= near);
    }
    s->again = !s->again ? SCHEDULE_AGAIN : s->again < SCHEDULE_AGAIN_MAX ? 2 * s->again : s->again;
    s->until_again = any ? s->again : 0;
}

static bool schedule_run(struct schedule *s)
{
    s->phase = SCHEDULE_RUN;
    s->verdict_alone = s->rate_alone;
    s->verdict_all = s->rate_all;
    s->verdict_best = s->rate_best;
    schedule_plan_again(s);
    for (int i = 0; i < s->workers; i++) {
        s->worker[i].is_wanted = false;
        s->worker[i].samples = 0;
        s->worker[i].sum = 0;
        s->worker[i].credit = 0;
    }
    for (int i = 0; i < s->ranked; i++) {
        struct schedule_worker *const w = &s->worker[s->rank[i]];
        w->is_wanted = i < s->size_best;
        w->seconds = w->is_wanted ? s->seconds_best[s->rank[i]] : w->together;
        if (!w->is_wanted) schedule_explain(s, w);
    }
    schedule_fill(s);
    return true;
}

/* New weights from what was measured since the last ones: half old, half new, and only when someone has drifted. */
static bool schedule_fit(struct schedule *s)
{
    bool drifted = false;
    for (int i = 0; i < s->workers; i++) {
        struct schedule_worker *const w = &s->worker[i];
        if (w->state != SCHEDULE_MEMBER || w->samples < 3) continue;
        const double now = w->sum / w->samples;
        if (now > w->seconds * SCHEDULE_DRIFT || now * SCHEDULE_DRIFT < w->seconds) drifted = true;
    }
    for (int i = 0; i < s->workers; i++) {
        struct schedule_worker *const w = &s->worker[i];
        if (drifted && w->state == SCHEDULE_MEMBER && w->samples >= 3) w->seconds = (w->seconds + w->sum / w->samples) / 2;
        w->samples = 0;
        w->sum = 0;
    }
    const int before = s->limit;
    schedule_weigh(s);
    return s->limit != before;
}

int schedule_assign(struct schedule *s)
{
    if (s->phase != SCHEDULE_RUN) return SCHEDULE_ANYONE;
    int64_t sum = 0;
    int richest = SCHEDULE_ANYONE;
    for (int i = 0; i < s->workers; i++) {
        struct schedule_worker *const w = &s->worker[i];
        if (w->state != SCHEDULE_MEMBER) continue;
        w->credit += w->weight;
        sum += w->weight;
        if (richest < 0 || w->credit > s->worker[richest].credit) richest = i;
    }
    if (richest >= 0) s->worker[richest].credit -= sum;
    return richest;
}

/* ---- trials ---- */

static void schedule_try(struct schedule *s, enum schedule_phase phase, int size, uint64_t now_ns)
{
    s->phase = phase;
    s->size = size;
    s->seen = 0;
    s->since_ns = now_ns;
    s->quiet_ns = 0;
    s->limit = s->slots;
    for (int i = 0; i < s->workers; i++) s->worker[i].samples = 0;
    for (int i = 0; i < s->ranked; i++) s->worker[s->rank[i]].state = i < size ? SCHEDULE_MEMBER : SCHEDULE_LEFT_OUT;
}

static void schedule_try_all(struct schedule *s, uint64_t now_ns)
{
    s->ranked = 0;
    for (int i = 0; i < s->workers; i++) {
        s->worker[i].reason[0] = 0;
        if (s->worker[i].state == SCHEDULE_MEMBER || s->worker[i].state == SCHEDULE_LEFT_OUT) s->rank[s->ranked++] = i;
    }
    schedule_try(s, SCHEDULE_TRY_ALL, s->ranked, now_ns);
}

/* Out of the trial of all before its end. */
static void schedule_drop(struct schedule *s, int worker)
{
    int at = 0;
    while (s->rank[at] != worker) at++;
    for (; at + 1 < s->ranked; at++) s->rank[at] = s->rank[at + 1];
    s->ranked--;
    s->size--;
    s->worker[worker].state = SCHEDULE_LEFT_OUT;
}

/* So slow that the ring would wait for it more than the best alone takes for everything: no need to see that again and again. */
static bool schedule_is_hopeless(const struct schedule *s, const struct schedule_worker *w)
{
    double best = 0;
    if (s->phase != SCHEDULE_TRY_ALL || s->size < 2 || !w->samples) return false;
    for (int i = 0; i < s->size; i++) {
        const struct schedule_worker *const other = &s->worker[s->rank[i]];
        if (!other->samples) continue;
        const double seconds = schedule_median(other);
        if (best <= 0 || seconds < best) best = seconds;
    }
    return schedule_median(w) > best * s->slots;
}

/* From each trial's end to the next trial, or to work. */
static bool schedule_judge(struct schedule *s, uint64_t now_ns)
{
    const struct schedule_worker *const best = &s->worker[s->rank[0]];
    if (s->phase == SCHEDULE_TRY_ALL) {
        for (int i = 0; i < s->size; i++) s->worker[s->rank[i]].together = schedule_median(&s->worker[s->rank[i]]);
        schedule_sort(s);
        s->size_best = 0;
        s->rate_all = schedule_rate(s, s->size, true);
        schedule_consider(s, s->size, true);
        s->rate_alone = s->size == 1 ? s->rate_all : 0;
        if (s->size == 1) return schedule_run(s);
        schedule_try(s, SCHEDULE_TRY_BEST, 1, now_ns);
        return true;
    }
    if (s->phase == SCHEDULE_TRY_BEST) s->rate_alone = schedule_rate(s, 1, false);
    schedule_consider(s, s->size, false);
    if (s->phase == SCHEDULE_TRY_BEST && best->together < schedule_median(best) * SCHEDULE_HINDERED) {
        /* nobody hinders the best: fewer would work as they did together, no need to try */
        for (int size = s->ranked - 1; size > 1; size--) schedule_consider(s, size, true);
        return schedule_run(s);
    }
    const int from = s->phase == SCHEDULE_TRY_BEST ? s->ranked : s->size;
    const int next = from <= 4 ? from - 1 : (from + 1) / 2;
    if (next <= 1) return schedule_run(s);
    schedule_try(s, SCHEDULE_TRY_FEWER, next, now_ns);
    return true;
}

/* Every member has enough samples; or there were so many slots that those without one are not needed. */
static bool schedule_is_over(struct schedule *s, bool *dropped)
{
    bool all = true;
    if (!s->size) return false;
    for (int i = 0; i < s->workers; i++)
        if (s->worker[i].state == SCHEDULE_LOST) return false;
    for (int i = 0; i < s->size; i++) all = all && s->worker[s->rank[i]].samples >= SCHEDULE_ENOUGH;
    if (all) return true;
    if (s->seen < 16 * s->size + s->slots) return false;
    for (int i = s->size - 1; i >= 0; i--) {
        struct schedule_worker *const w = &s->worker[s->rank[i]];
        if (w->samples) continue;
        snprintf(w->reason, sizeof w->reason, "the others did %d slots before it did one", s->seen);
        schedule_drop(s, s->rank[i]);
        *dropped = true;
    }
    return s->size > 0;
}

static bool schedule_note_trial(struct schedule *s, int worker, uint64_t begun_ns, double seconds, uint64_t now_ns)
{
    struct schedule_worker *const w = &s->worker[worker];
    bool changed = false;
    if (begun_ns < s->since_ns || begun_ns < s->quiet_ns) return false;
    s->seen++;
    if (!w->is_warm)
        w->is_warm = true;
    else if (w->samples < SCHEDULE_SAMPLES)
        w->sample[w->samples++] = seconds;
    if (schedule_is_hopeless(s, w)) {
        w->together = w->seconds = schedule_median(w);
        snprintf(w->reason, sizeof w->reason, "%.1f ms each: too slow for a ring of %d slots", w->together * 1e3, s->slots);
        schedule_drop(s, worker);
        changed = true;
    }
    if (!schedule_is_over(s, &changed)) return changed;
    return schedule_judge(s, now_ns) || changed;
}

/* ---- told ---- */

bool schedule_note(struct schedule *s, int worker, uint64_t begun_ns, uint64_t done_ns, uint64_t now_ns)
{
    if (worker < 0 || worker >= s->workers) return false;
    struct schedule_worker *const w = &s->worker[worker];
    if (w->state != SCHEDULE_MEMBER) { /* the last it did before it had to rest */
        if (done_ns > s->quiet_ns) s->quiet_ns = done_ns;
        return false;
    }
    const double seconds = done_ns > begun_ns ? (double) (done_ns - begun_ns) * 1e-9 : 1e-9;
    if (s->phase != SCHEDULE_RUN) return schedule_note_trial(s, worker, begun_ns, seconds, now_ns);
    w->sum += seconds;
    w->samples++;
    if (s->until_again && --s->until_again == 0) {
        schedule_try_all(s, now_ns);
        return true;
    }
    return --s->until_fit <= 0 && schedule_fit(s);
}

bool schedule_lose(struct schedule *s, int worker, bool forever, uint64_t now_ns)
{
    s->worker[worker].state = forever ? SCHEDULE_GONE : SCHEDULE_LOST;
    s->worker[worker].is_warm = false;
    if (s->phase == SCHEDULE_RUN)
        schedule_fill(s);
    else
        schedule_try_all(s, now_ns);
    return true;
}

bool schedule_regain(struct schedule *s, int worker, uint64_t now_ns)
{
    struct schedule_worker *const w = &s->worker[worker];
    if (w->state != SCHEDULE_LOST) return false;
    w->state = SCHEDULE_LEFT_OUT;
    if (s->phase == SCHEDULE_RUN)
        schedule_fill(s);
    else
        schedule_try_all(s, now_ns);
    return true;
}
