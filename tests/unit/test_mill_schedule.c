/* SPDX-License-Identifier: MIT */
/* Who does which slot: the schedule in a simulated mill (the real ring, order and schedule; workers and time are numbers), and once in
 * the real one. */
#define _GNU_SOURCE /* nanosleep */
#include "check.h"
#include "core/alloc.h"
#include "core/threads.h"
#include "mill/mill.h"
#include "mill/order.h"
#include "mill/pace.h"
#include "mill/ring.h"
#include "mill/schedule.h"
#include "told_clock.h"

#include <time.h>

#include "framemill/error.h"

/* ---- a mill without threads ---- */

#define SIM_WORKERS 8

struct sim {
    struct ring *ring;
    struct schedule schedule;
    struct order order;
    int workers, slots;
    uint64_t now, cost[SIM_WORKERS]; /* ns of a slot, alone */
    uint64_t more[SIM_WORKERS];      /* ... and for each other that works */
    int slot[SIM_WORKERS];           /* at hand; -1: none */
    uint64_t begun[SIM_WORKERS], ends[SIM_WORKERS], done[SIM_WORKERS], idle[SIM_WORKERS];
    uint64_t delivered, settled_at; /* when the trials were over, 0: not yet */
    uint64_t delivered_then;
    bool away[SIM_WORKERS];
    uint64_t source_ns; /* a new slot so often; 0: as there is room */
    uint64_t next_ns;
};

static void sim_publish(struct sim *s)
{
    for (int i = 0; i < s->workers; i++) atomic_store(&ring_worker(s->ring, i)->rests, !schedule_is_member(&s->schedule, i));
    atomic_store(&s->ring->limit, (uint32_t) s->schedule.limit);
    if (s->schedule.phase == SCHEDULE_RUN && !s->settled_at) {
        s->settled_at = s->now;
        s->delivered_then = s->delivered;
    }
}

static bool sim_open(struct sim *s, int workers, int slots, const uint64_t *ms)
{
    *s = (struct sim){.workers = workers, .slots = slots};
    s->ring = core_alloc_pages(ring_size(slots, workers));
    if (!CHECK(s->ring) || !CHECK_INT(ring_open(s->ring, slots, workers, false), FM_OK)) return false;
    s->ring->is_meant = true;
    if (!CHECK_INT(schedule_open(&s->schedule, workers, slots), FM_OK)) return false;
    for (int i = 0; i < workers; i++) {
        s->slot[i] = -1;
        s->cost[i] = ms[i] * 1000000;
        schedule_regain(&s->schedule, i, 0);
    }
    sim_publish(s);
    return true;
}

static void sim_close(struct sim *s)
{
    ring_close(s->ring);
    core_free_pages(s->ring, ring_size(s->slots, s->workers));
    schedule_close(&s->schedule);
}

/* What the mill's threads would do at this moment. */
static void sim_move(struct sim *s)
{
    int slot, busy = 0;
    while (s->next_ns <= s->now && (slot = ring_claim(s->ring)) >= 0) {
        s->next_ns = s->source_ns ? s->next_ns + s->source_ns : 0;
        CHECK(ring_submit(s->ring, slot, schedule_assign(&s->schedule)));
    }
    for (int i = 0; i < s->workers; i++) busy += s->slot[i] >= 0;
    for (int i = 0; i < s->workers; i++) {
        if (s->slot[i] >= 0 || s->away[i] || (slot = ring_take(s->ring, i)) < 0) continue;
        s->slot[i] = slot;
        s->begun[i] = s->now;
        s->ends[i] = s->now + s->cost[i] + s->more[i] * (uint64_t) busy;
        busy++;
    }
}

/* To the next moment at which something ends. */
static void sim_pass(struct sim *s)
{
    uint64_t next = s->source_ns && s->next_ns > s->now ? s->next_ns : UINT64_MAX;
    int slot;
    for (int i = 0; i < s->workers; i++)
        if (s->slot[i] >= 0 && s->ends[i] < next) next = s->ends[i];
    if (!CHECK(next < UINT64_MAX)) exit(1); /* nobody will ever wake: the schedule starved them all */
    for (int i = 0; i < s->workers; i++) s->idle[i] += s->slot[i] < 0 && s->settled_at ? next - s->now : 0;
    s->now = next;
    for (int i = 0; i < s->workers; i++) {
        if (s->slot[i] < 0 || s->ends[i] > s->now) continue;
        ring_complete(s->ring, s->slot[i], 0, s->begun[i], s->ends[i]);
        s->slot[i] = -1;
        s->done[i]++;
    }
    while (order_next(&s->order, s->ring, &slot) == ORDER_DELIVER) {
        const uint64_t word = atomic_load(&s->ring->slot[slot].word);
        CHECK_INT(ring_word_id(word), s->delivered); /* in order, each once */
        s->delivered++;
        if (schedule_note(&s->schedule, ring_word_worker(word), s->ring->slot[slot].begun_ns, s->ring->slot[slot].done_ns, s->now))
            sim_publish(s);
        CHECK(ring_move(s->ring, slot, RING_DONE, RING_FREE));
    }
}

static void sim_run(struct sim *s, uint64_t ms)
{
    const uint64_t end = s->now + ms * 1000000;
    while (s->now < end) {
        sim_move(s);
        sim_pass(s);
    }
}

/* Since the trials were over. */
static double sim_fps(const struct sim *s)
{
    return (double) (s->delivered - s->delivered_then) * 1e9 / (double) (s->now - s->settled_at);
}

static void three_unlike_workers_make_their_sum(void)
{
    static const uint64_t ms[] = {50, 20, 100}; /* ideal sum 80 a second */
    struct sim s;
    if (!sim_open(&s, 3, 16, ms)) return;
    sim_run(&s, 20000);
    CHECK_MSG(s.settled_at && s.settled_at < 1500000000, "settled after %.0f ms", (double) s.settled_at * 1e-6);
    CHECK_MSG(sim_fps(&s) >= 78 && sim_fps(&s) <= 80.5, "%.2f fps", sim_fps(&s));
    CHECK_MSG((double) s.idle[1] < 0.02 * (double) (s.now - s.settled_at), "the fast one idles %.0f ms", (double) s.idle[1] * 1e-6);
    for (int i = 0; i < 3; i++) CHECK(schedule_is_member(&s.schedule, i));
    CHECK_INT(s.schedule.limit, 8 + 3 + 2); /* 8 slots while the slowest does one */
    /* the whole, trials included, is not far off either */
    CHECK_MSG(s.delivered >= 76 * 20, "%.2f fps from the start", (double) s.delivered / 20);
    sim_close(&s);
}

/* The assignment itself: for weights 5:2:1 every stretch of eight slots holds five, two and one. */
static void assignment_is_smooth_and_the_same_every_time(void)
{
    static const uint64_t ms[] = {20, 50, 100};
    int before[64] = {0};
    for (int round = 0; round < 2; round++) {
        struct sim s;
        int got[64], count[3] = {0};
        if (!sim_open(&s, 3, 16, ms)) return;
        while (!s.settled_at) {
            sim_move(&s);
            sim_pass(&s);
        }
        for (int i = 0; i < 3; i++) s.schedule.worker[i].credit = 0;
        for (int i = 0; i < 64; i++) got[i] = schedule_assign(&s.schedule);
        for (int i = 0; i < 64; i++) {
            count[got[i]]++;
            if (i >= 8) count[got[i - 8]]--;
            if (i >= 7) CHECK_MSG(count[0] == 5 && count[1] == 2 && count[2] == 1, "%d %d %d", count[0], count[1], count[2]);
            if (round) CHECK_INT(got[i], before[i]);
            before[i] = got[i];
        }
        sim_close(&s);
    }
}

static void who_hinders_the_others_is_left_out(void)
{
    static const uint64_t ms[] = {20, 20, 200};
    struct sim s;
    if (!sim_open(&s, 3, 16, ms)) return;
    s.more[0] = s.more[1] = 15000000; /* each other that works costs them 15 ms: alone 50, two 57, three 45 */
    sim_run(&s, 30000);
    CHECK(schedule_is_member(&s.schedule, 0) && schedule_is_member(&s.schedule, 1));
    CHECK(!schedule_is_member(&s.schedule, 2));
    CHECK_HAS(s.schedule.worker[2].reason, "ms each");
    CHECK_MSG(sim_fps(&s) > 55, "%.2f fps", sim_fps(&s));
    sim_close(&s);
}

static void the_best_alone_is_kept_when_it_is_better(void)
{
    static const uint64_t ms[] = {30, 20};
    struct sim s;
    if (!sim_open(&s, 2, 8, ms)) return;
    s.more[0] = s.more[1] = 40000000; /* together 60 and 70 ms: 31 a second, alone 50 */
    sim_run(&s, 10000);
    CHECK(schedule_is_member(&s.schedule, 1) && !schedule_is_member(&s.schedule, 0));
    CHECK_HAS(s.schedule.worker[0].reason, "50.0 go without it");
    CHECK_NEAR(sim_fps(&s), 50, 1);
    sim_close(&s);
}

/* One that was busy with something else when it was measured is found to be good later. */
static void who_was_busy_is_tried_again(void)
{
    static const uint64_t ms[] = {20, 20};
    struct sim s;
    if (!sim_open(&s, 2, 12, ms)) return;
    s.more[0] = s.more[1] = 25000000; /* together 45 ms each, 44 a second: 50 alone */
    sim_run(&s, 5000);
    CHECK(schedule_is_member(&s.schedule, 0) + schedule_is_member(&s.schedule, 1) == 1);
    CHECK_NEAR(s.schedule.verdict_alone, 50, 9);
    CHECK(s.schedule.verdict_all < 46 && s.schedule.verdict_best == s.schedule.verdict_alone);
    s.more[0] = s.more[1] = 0;
    const uint64_t before = s.delivered;
    sim_run(&s, 40000);
    CHECK(schedule_is_member(&s.schedule, 0) && schedule_is_member(&s.schedule, 1));
    CHECK_NEAR(s.schedule.verdict_best, 100, 1);
    CHECK_MSG(s.delivered - before > 40 * 70, "%.1f fps", (double) (s.delivered - before) / 40);
    sim_close(&s);
    if (!sim_open(&s, 2, 12, ms)) return; /* one that keeps hindering costs next to nothing: trials become rare */
    s.more[0] = s.more[1] = 25000000;
    sim_run(&s, 200000);
    CHECK_MSG(sim_fps(&s) > 49.5, "%.1f fps", sim_fps(&s));
    CHECK(s.schedule.again >= 4000 && s.schedule.verdict_best == s.schedule.verdict_alone);
    sim_close(&s);
}

/* While the slow one does one slot, the fast one could do 100, but the ring holds 8. */
static void too_slow_for_the_ring_is_left_out(void)
{
    static const uint64_t ms[] = {10, 1000};
    struct sim s;
    if (!sim_open(&s, 2, 8, ms)) return;
    sim_run(&s, 20000);
    CHECK(schedule_is_member(&s.schedule, 0) && !schedule_is_member(&s.schedule, 1));
    CHECK_HAS(s.schedule.worker[1].reason, "too slow for a ring of 8 slots");
    CHECK_NEAR(sim_fps(&s), 100, 2);
    sim_close(&s);
}

static void slots_for(void)
{
    static const double unlike[] = {0.02, 0.05, 0.1}, alike[] = {0.01, 0.01};
    CHECK_INT(schedule_slots_for(unlike, 3), 13);
    CHECK_INT(schedule_slots_for(alike, 2), 6);
}

/* A laptop throttles: the weights follow, and nobody else is told. */
static void weights_follow_the_measured_rates(void)
{
    static const uint64_t ms[] = {20, 20};
    struct sim s;
    if (!sim_open(&s, 2, 12, ms)) return;
    sim_run(&s, 3000);
    CHECK(s.settled_at > 0);
    CHECK_INT(s.schedule.worker[0].weight, s.schedule.worker[1].weight);
    s.cost[1] = 60000000;
    sim_run(&s, 20000);
    CHECK_NEAR((double) s.schedule.worker[0].weight / s.schedule.worker[1].weight, 3, 0.2);
    const uint64_t before = s.delivered, then = s.now;
    sim_run(&s, 10000);
    CHECK_NEAR((double) (s.delivered - before) * 1e9 / (double) (s.now - then), 66.7, 2);
    sim_close(&s);
}

/* A source slower than the workers: the trials still end. */
static void a_slow_source_does_not_stop_the_trials(void)
{
    static const uint64_t ms[] = {5, 5, 9, 20};
    struct sim s;
    if (!sim_open(&s, 4, 10, ms)) return;
    s.source_ns = 33000000;
    sim_run(&s, 60000);
    CHECK(s.settled_at > 0);
    CHECK_NEAR((double) s.delivered / 60, 30.3, 0.5);
    sim_close(&s);
}

static void lost_workers_are_missed_and_come_back(void)
{
    static const uint64_t ms[] = {20, 50, 100};
    struct sim s;
    if (!sim_open(&s, 3, 16, ms)) return;
    sim_run(&s, 5000);
    CHECK(s.settled_at > 0);
    CHECK(schedule_lose(&s.schedule, 0, false, s.now));
    for (int i = 0; i < 20; i++) CHECK(schedule_assign(&s.schedule) != 0);
    CHECK(schedule_regain(&s.schedule, 0, s.now));
    CHECK(!schedule_regain(&s.schedule, 0, s.now));
    int mine = 0;
    for (int i = 0; i < 80; i++) mine += schedule_assign(&s.schedule) == 0;
    CHECK(mine >= 49 && mine <= 51);
    schedule_lose(&s.schedule, 0, true, s.now);
    CHECK(!schedule_regain(&s.schedule, 0, s.now));
    schedule_lose(&s.schedule, 1, false, s.now);
    CHECK_INT(schedule_assign(&s.schedule), 2);
    schedule_lose(&s.schedule, 2, false, s.now);
    CHECK_INT(schedule_assign(&s.schedule), SCHEDULE_ANYONE);
    sim_close(&s);
}

static void those_left_out_stand_in(void)
{
    static const uint64_t ms[] = {10, 1000};
    struct sim s;
    if (!sim_open(&s, 2, 8, ms)) return;
    sim_run(&s, 10000);
    CHECK(!schedule_is_member(&s.schedule, 1));
    schedule_lose(&s.schedule, 0, false, s.now);
    CHECK(schedule_is_member(&s.schedule, 1));
    CHECK_INT(schedule_assign(&s.schedule), 1);
    schedule_regain(&s.schedule, 0, s.now);
    CHECK(schedule_is_member(&s.schedule, 0) && !schedule_is_member(&s.schedule, 1));
    sim_close(&s);
}

/* Losing and finding workers in the middle of trials. */
static void trials_survive_losses(void)
{
    for (uint64_t seed = 1; seed < 60; seed++) {
        const uint64_t ms[] = {5 + seed % 7, 20, 30 + seed};
        struct sim s;
        uint64_t random = seed * 0x9e3779b97f4a7c15u;
        if (!sim_open(&s, 3, 12, ms)) return;
        for (int round = 0; round < 10; round++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            sim_run(&s, random >> 56);
            const int who = (int) (random >> 33) % 3;
            if (s.slot[who] >= 0 || s.away[who]) continue;
            s.away[who] = true;
            schedule_lose(&s.schedule, who, false, s.now);
            sim_publish(&s);
            for (int i = 0; i < s.slots; i++) (void) ring_give_back(s.ring, i, who, schedule_assign(&s.schedule));
            sim_run(&s, random >> 55 & 127);
            s.away[who] = false;
            schedule_regain(&s.schedule, who, s.now);
            sim_publish(&s);
        }
        sim_run(&s, 5000);
        CHECK_MSG(s.settled_at > 0, "seed %d never settles", (int) seed);
        sim_close(&s);
    }
}

static void memory_may_run_out(void)
{
    const int64_t live = core_alloc_live();
    struct schedule s;
    for (uint64_t n = 1; n <= 3; n++) {
        core_alloc_fail_after(n, false);
        CHECK_INT(schedule_open(&s, 3, 8), FM_ERR_NOMEM);
        core_alloc_fail_after(0, false);
    }
    CHECK_INT(core_alloc_live(), live);
}

/* ---- pace ---- */

static void pace_keeps_its_grid(void)
{
    struct pace p;
    const uint64_t start = 5000000000u;
    pace_open(&p, 30);
    CHECK_INT(pace_due(&p, start), start);
    pace_pass(&p, start);
    for (uint64_t n = 1; n < 3000; n++) {
        const uint64_t due = pace_due(&p, start + 1);
        CHECK_MSG(llabs((long long) (due - start) - (long long) (n * 1000000000u / 30)) <= 1, "frame %d", (int) n);
        pace_pass(&p, due);
    }
}

static void pace_does_not_hurry_afterwards(void)
{
    struct pace p;
    const uint64_t ms = 1000000;
    pace_open(&p, 100); /* every 10 ms */
    pace_pass(&p, 0);
    CHECK_INT(pace_due(&p, 3 * ms), 10 * ms);
    CHECK_INT(pace_due(&p, 14 * ms), 14 * ms); /* a little late: at once ... */
    pace_pass(&p, 14 * ms);
    CHECK_INT(pace_due(&p, 14 * ms), 20 * ms); /* ... and back on the grid */
    pace_pass(&p, 20 * ms);
    pace_pass(&p, 75 * ms);
    CHECK_INT(pace_due(&p, 75 * ms), 80 * ms); /* those of 30 .. 60 are gone */
    pace_open(&p, 0);
    pace_pass(&p, 5);
    CHECK_INT(pace_due(&p, 7), 7);
}

/* ---- the real mill ---- */

static int sleep_for(void *user, int worker, void *bundle)
{
    const long ns = ((const int *) user)[worker] * 1000000L;
    const uint64_t begun = told_clock_last;
    (void) bundle;
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
    told_clock_next = begun + (uint64_t) ns;
    return 0;
}

/* Slots as long as the mill tries its workers and until all of those are through; then so many more, counted by who did them. */
static void run_and_count(struct mill *mill, uint64_t slots, uint64_t *count)
{
    const uint64_t window = 13; /* in flight: what the ring for these three holds */
    struct mill_slot *s;
    uint64_t sent = 0, next = 0, first = 0;
    while (!first || next < first + slots) {
        for (; sent < next + window; sent++) {
            if (!CHECK_INT(mill_acquire(mill, &s), FM_OK)) return;
            mill_submit(mill, s);
        }
        if (!CHECK_INT(mill_next(mill, &s), FM_OK) || !CHECK_INT(s->id, next)) return;
        if (first && next >= first) count[s->worker]++;
        next++;
        mill_release(mill, s);
        if (!first && !mill_is_calibrating(mill)) first = next + window;
    }
    mill_finish(mill);
    while (mill_next(mill, &s) == FM_OK) mill_release(mill, s);
}

/* How many slots a second that makes is seen by bench_mill. */
static void the_real_mill_shares_by_what_slots_take(void)
{
    static int ms[] = {2, 5, 10};
    static const char *const names[] = {"fast", "middle", "slow"};
    static const uint64_t want[] = {75, 30, 15};
    const struct mill_params params = {
        .slots = 16, .workers = 3, .user = ms, .process = sleep_for, .policy = MILL_WEIGHTED, .names = names};
    struct mill *mill;
    struct mill_metrics m;
    uint64_t count[3] = {0};
    core_set_clock(told_clock);
    if (CHECK_INT(mill_create(&params, &mill, NULL), FM_OK)) {
        run_and_count(mill, 120, count);
        mill_get_metrics(mill, &m);
        mill_destroy(&mill);
        for (int i = 0; i < 3; i++) {
            CHECK_MSG(!m.worker[i].is_left_out, "%s is left out: %s", names[i], m.worker[i].reason);
            CHECK_NEAR(m.worker[i].share, (double) want[i] / 120, 1e-5);
            CHECK_INT(count[i], want[i]);
        }
        CHECK_NEAR(m.fps_alone, 500, 0.01);
        CHECK_NEAR(m.fps_together, 800, 0.01);
    }
    core_set_clock(NULL);
}

int main(void)
{
    RUN(three_unlike_workers_make_their_sum);
    RUN(assignment_is_smooth_and_the_same_every_time);
    RUN(who_hinders_the_others_is_left_out);
    RUN(the_best_alone_is_kept_when_it_is_better);
    RUN(who_was_busy_is_tried_again);
    RUN(too_slow_for_the_ring_is_left_out);
    RUN(slots_for);
    RUN(weights_follow_the_measured_rates);
    RUN(a_slow_source_does_not_stop_the_trials);
    RUN(lost_workers_are_missed_and_come_back);
    RUN(those_left_out_stand_in);
    RUN(trials_survive_losses);
    RUN(memory_may_run_out);
    RUN(pace_keeps_its_grid);
    RUN(pace_does_not_hurry_afterwards);
    RUN(the_real_mill_shares_by_what_slots_take);
    return check_report();
}
