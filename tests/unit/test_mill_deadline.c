/* SPDX-License-Identifier: MIT */
/* The ladder under loads of all kinds, in time that the test makes up; and the detector of scene cuts. */
#include "check.h"
#include "mill/deadline.h"
#include "mill/scene.h"

#define MS ((uint64_t) 1000000)
#define SECOND (1000 * MS)
#define LEVELS 4

static const double cost_ms[LEVELS] = {40, 20, 10, 1}; /* of a frame on a machine with nothing else to do */

static uint32_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t) (*state * 0x2545f4914f6cdd1du >> 32);
}

/* A source of 25 frames a second, and what happened. */
struct play {
    struct deadline deadline;
    uint64_t now, last_step, over_since, worst_over; /* time above the budget with a lower level to go to */
    uint64_t random;
    double load, noise;   /* the machine is so many times slower; each frame by up to so much again */
    double truth[LEVELS]; /* real costs, ms */
    int steps, ups, at_cuts, queue;
    uint64_t cut_every; /* frames; 0: none */
    uint64_t frame;
    struct deadline_step step;
    bool silent;
};

static struct play play_open(int first_level, double load)
{
    struct play p = {.load = load, .random = 88172645463325252u, .now = 1000 * SECOND, .over_since = 1000 * SECOND};
    struct deadline_params params = {.levels = LEVELS, .first_level = first_level, .budget_ns = 40 * MS};
    for (int i = 0; i < LEVELS; i++) params.cost[i] = p.truth[i] = cost_ms[i];
    params.name[3] = "plain scaling";
    deadline_open(&p.deadline, &params);
    return p;
}

static double play_cost_ms(struct play *p)
{
    const double share = random_next(&p->random) / 4294967296.0;
    return p->truth[p->deadline.level] * p->load * (1 + p->noise * share);
}

static void play_frame(struct play *p)
{
    const double ms = play_cost_ms(p);
    const int level = p->deadline.level;
    const uint64_t cost = (uint64_t) (ms * 1e6);
    p->now += cost > 40 * MS ? cost : 40 * MS; /* a late frame delays the next */
    p->frame++;
    const struct deadline_frame f = {.now_ns = p->now,
        .cost_ns = cost,
        .level = level,
        .waiting = p->queue,
        .is_cut = p->cut_every && p->frame % p->cut_every == 0};
    const bool stepped = deadline_feed(&p->deadline, &f, &p->step);
    const bool over = p->truth[level] * p->load > 40 && level < LEVELS - 1;
    if (!over || stepped) p->over_since = p->now;
    if (p->now - p->over_since > p->worst_over) p->worst_over = p->now - p->over_since;
    if (!stepped) return;
    CHECK_INT(p->step.from, level);
    CHECK_INT(p->step.level, p->deadline.level);
    CHECK(p->step.level != level && p->step.level >= 0 && p->step.level < LEVELS);
    CHECK(p->step.level > level || p->step.level == level - 1); /* upwards one by one */
    CHECK(strlen(p->step.reason) > 10 && strlen(p->step.reason) + 1 < DEADLINE_REASON_MAX);
    if (p->steps) CHECK_MSG(p->now - p->last_step >= SECOND, "steps %d ms apart", (int) ((p->now - p->last_step) / MS));
    p->last_step = p->now;
    p->steps++;
    p->ups += p->step.level < level;
    p->at_cuts += f.is_cut;
    if (getenv("FM_TEST_VERBOSE")) fprintf(stderr, "%8.2f s  %s\n", (double) (p->now - 1000 * SECOND) * 1e-9, p->step.reason);
}

static void play_for(struct play *p, uint64_t ns)
{
    const uint64_t end = p->now + ns;
    while (p->now < end) play_frame(p);
}

static void what_fits_stays(void)
{
    struct play p = play_open(0, 0.9);
    play_for(&p, 600 * SECOND);
    CHECK_INT(p.steps, 0);
    CHECK_INT(p.deadline.level, 0);
}

static void an_overload_steps_down_at_once_and_far_enough(void)
{
    struct play p = play_open(0, 1.2);
    play_for(&p, 2 * SECOND);
    CHECK_INT(p.steps, 1);
    CHECK_INT(p.deadline.level, 1);
    CHECK_HAS(p.step.reason, "down to level 1");
    CHECK_HAS(p.step.reason, "48.0 ms");
    CHECK_HAS(p.step.reason, "40.0 ms");
    p = play_open(0, 3.7); /* 148, 74, 37 (too near), 3.7 */
    play_for(&p, SECOND);
    CHECK_INT(p.steps, 1);
    CHECK_INT(p.deadline.level, 3);
    CHECK_HAS(p.step.reason, "plain scaling");
    p = play_open(0, 100); /* nothing helps: stays at the last level, without a word */
    play_for(&p, 100 * SECOND);
    CHECK_INT(p.steps, 1);
    CHECK_INT(p.deadline.level, 3);
}

static void stray_frames_are_borne(void)
{
    struct play p = play_open(1, 1);
    for (int i = 0; i < 4000; i++) {
        p.load = i % 45 == 0 ? 20 : 1; /* fewer than one in twenty */
        p.truth[0] = 1000;             /* and there is no way up */
        play_frame(&p);
        if (!CHECK_INT(p.deadline.level == 0 ? 1 : p.deadline.level, 1)) break;
    }
}

static void it_climbs_back_when_the_load_is_gone(void)
{
    struct play p = play_open(0, 30);
    play_for(&p, 60 * SECOND);
    CHECK_INT(p.deadline.level, 3);
    p.load = 0.5;
    play_for(&p, 30 * SECOND);
    CHECK_INT(p.deadline.level, 0);
    CHECK_INT(p.ups, 3);
    CHECK_HAS(p.step.reason, "up to level 0");
}

/* Constant loads: wherever it settles, it stays; climbs that fail get rare. Also when the costs it was told are wrong. */
static void no_oscillation_under_constant_load(void)
{
    for (int wrong = 0; wrong < 2; wrong++) {
        for (double load = 0.3; load < 8; load *= 1.15) {
            struct play p = play_open(0, load);
            p.noise = 0.1;
            if (wrong) { /* told 2:1, in truth 4:1 and 1.2:1 */
                p.truth[0] = 80;
                p.truth[2] = 16;
            }
            play_for(&p, 60 * SECOND);
            const int before = p.steps;
            play_for(&p, 600 * SECOND);
            CHECK_MSG(p.steps - before <= 10, "load %.2f, %s costs: %d steps in ten minutes", load, wrong ? "wrong" : "right",
                p.steps - before);
            if (!wrong) CHECK_MSG(p.steps - before <= 2, "load %.2f: %d steps in ten minutes", load, p.steps - before);
        }
    }
}

/* A load that jumps about for hours. */
static void random_loads(void)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct play p = play_open((int) (seed % LEVELS), 1);
        p.random += seed * 0x9e3779b97f4a7c15u;
        p.noise = (double) (seed % 4) * 0.1;
        p.cut_every = seed % 3 ? 20 + seed : 0;
        for (int i = 0; i < 60; i++) {
            p.load = pow(2, (double) (random_next(&p.random) % 1000) / 100 - 4); /* 1/16 to 64 */
            if (p.load > 30) p.load = 30;
            play_for(&p, random_next(&p.random) % 40 * SECOND / 4);
        }
        /* at most: frames for a median (slow ones), a second since the last step, a wait for a cut */
        CHECK_MSG(p.worst_over < 7 * SECOND, "seed %d: %.2f s above the budget", (int) seed, (double) p.worst_over * 1e-9);
        p.load = 0.2;
        p.noise = 0;
        play_for(&p, 600 * SECOND);
        CHECK_MSG(p.deadline.level == 0, "seed %d: at level %d long after the load is gone", (int) seed, p.deadline.level);
    }
}

static void steps_wait_for_a_cut_where_one_is_near(void)
{
    struct play p = play_open(0, 1.2);
    p.cut_every = 6; /* 0.24 s */
    play_for(&p, 2 * SECOND);
    CHECK_INT(p.at_cuts, 1);
    CHECK_HAS(p.step.reason, "scene cut");
    p.load = 0.2;
    p.cut_every = 70; /* 2.8 s */
    play_for(&p, 30 * SECOND);
    CHECK_INT(p.deadline.level, 0);
    CHECK_INT(p.at_cuts, p.steps);
    p.load = 4; /* grave: no waiting */
    p.cut_every = 0;
    const uint64_t then = p.now;
    while (p.deadline.level == 0) play_frame(&p);
    CHECK(p.now - then <= 4 * 160 * MS + 25 * 40 * MS);
}

/* Frames of the old level that are still on their way say nothing about the new one. */
static void frames_of_another_level_do_not_count(void)
{
    struct play p = play_open(0, 1.2);
    while (!p.steps) play_frame(&p);
    const int frames = p.deadline.frames;
    for (int i = 0; i < 100; i++) {
        const struct deadline_frame old = {.now_ns = p.now += 40 * MS, .cost_ns = 500 * MS, .level = 0};
        CHECK(!deadline_feed(&p.deadline, &old, &p.step));
    }
    CHECK_INT(p.deadline.frames, frames);
}

static void a_full_queue_is_a_reason(void)
{
    struct play p = play_open(0, 0.95); /* 38 of 40 ms: fits, but what waits is never caught up */
    p.deadline.params.queue = 8;
    p.queue = 7;
    play_for(&p, 3 * SECOND);
    CHECK_INT(p.deadline.level, 1);
    CHECK_HAS(p.step.reason, "7 of 8 frames wait");
    struct play cheap = play_open(0, 0.3);
    cheap.deadline.params.queue = 8;
    cheap.queue = 8;
    play_for(&cheap, 30 * SECOND); /* someone else's fault */
    CHECK_INT(cheap.steps, 0);
}

static void budgets_may_change(void)
{
    struct play p = play_open(0, 0.9);
    play_for(&p, 5 * SECOND);
    CHECK_INT(p.steps, 0);
    deadline_set_budget(&p.deadline, 20 * MS);
    for (int i = 0; i < 50 && !p.steps; i++) play_frame(&p);
    CHECK_INT(p.deadline.level, 2); /* 36, 18 (too near), 9 of 20 ms */
}

static void one_level_and_no_costs(void)
{
    struct deadline d;
    struct deadline_step step;
    const struct deadline_params one = {.levels = 1, .budget_ns = MS}, two = {.levels = 2, .budget_ns = 10 * MS};
    deadline_open(&d, &one);
    for (uint64_t i = 0; i < 1000; i++)
        CHECK(!deadline_feed(&d, &(struct deadline_frame){.now_ns = i * 100 * MS, .cost_ns = 100 * MS}, &step));
    deadline_open(&d, &two);
    bool stepped = false;
    for (uint64_t i = 0; i < 10 && !stepped; i++)
        stepped = deadline_feed(&d, &(struct deadline_frame){.now_ns = i * 100 * MS, .cost_ns = 100 * MS}, &step);
    CHECK(stepped && step.level == 1);
}

/* ---- scene cuts ---- */

/* A made-up picture: two waves and a patch, moved along by `t`; each scene with its own light and pattern. */
static void scene_paint(uint8_t luma[SCENE_PIXELS], int scene, double t, double light)
{
    for (int y = 0; y < SCENE_HEIGHT; y++) {
        for (int x = 0; x < SCENE_WIDTH; x++) {
            const double fx = 0.15 + 0.11 * scene, fy = 0.4 - 0.05 * scene;
            double v = 50 + 45.0 * (scene % 4) + 40 * sin(fx * (x + t)) + 25 * cos(fy * y + scene);
            if (abs(x - (int) (t * 2) % SCENE_WIDTH) < 3) v += 40;
            v *= light;
            luma[y * SCENE_WIDTH + x] = (uint8_t) (v < 0 ? 0 : v > 255 ? 255 : v);
        }
    }
}

static void cuts_are_found_and_nothing_else(void)
{
    struct scene s;
    uint8_t luma[SCENE_PIXELS];
    scene_open(&s);
    for (int i = 0; i < 400; i++) {
        const int scene = i / 50; /* a pan in each, of changing speed */
        scene_paint(luma, scene, i * (0.1 + 0.05 * scene), 1);
        CHECK_MSG(scene_feed(&s, luma) == (i > 0 && i % 50 == 0), "frame %d", i);
    }
}

static void fades_are_no_cuts(void)
{
    struct scene s;
    uint8_t luma[SCENE_PIXELS];
    scene_open(&s);
    for (int i = 0; i < 200; i++) {
        scene_paint(luma, 1, i * 0.2, fabs(1 - (i % 50) / 25.0)); /* to black and back in two seconds */
        CHECK_MSG(!scene_feed(&s, luma), "frame %d", i);
    }
}

static void a_flash_does_not_come_back_as_a_cut(void)
{
    struct scene s;
    uint8_t luma[SCENE_PIXELS];
    int cuts = 0;
    scene_open(&s);
    for (int i = 0; i < 100; i++) {
        scene_paint(luma, 0, 3, 1);
        if (i % 30 == 20 || i % 30 == 21) memset(luma, 250, sizeof luma);
        const bool cut = scene_feed(&s, luma);
        if (i % 30 != 20) CHECK_MSG(!cut, "frame %d", i);
        cuts += cut;
    }
    CHECK_INT(cuts, 3);
}

static void shrinking_is_the_mean_of_cells(void)
{
    enum { W = 320, H = 180 };
    static uint8_t plane[H * W];
    static uint16_t wide[H * W];
    uint8_t luma[SCENE_PIXELS], same[SCENE_PIXELS];
    for (int y = 0; y < H; y++) {
        for (int x = 0; x < W; x++) {
            plane[y * W + x] = (uint8_t) (x / 10 * 7 + y / 10); /* one value in each cell */
            wide[y * W + x] = (uint16_t) (plane[y * W + x] << 2 | 3);
        }
    }
    scene_shrink8(plane, W, W, H, luma);
    for (int y = 0; y < SCENE_HEIGHT; y++)
        for (int x = 0; x < SCENE_WIDTH; x++) CHECK_INT(luma[y * SCENE_WIDTH + x], (uint8_t) (x * 7 + y));
    scene_shrink16(wide, W * 2, W, H, 2, same);
    CHECK_MEM(same, luma, sizeof luma);
    static const int sizes[][2] = {{1, 1}, {1, 300}, {3, 2}, {33, 19}, {4096, 3}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) { /* no more is read than there is: sanitizers watch */
        const size_t n = (size_t) sizes[i][0] * (size_t) sizes[i][1];
        uint8_t *const p = malloc(n);
        if (!CHECK(p)) return;
        memset(p, 77, n);
        scene_shrink8(p, sizes[i][0], sizes[i][0], sizes[i][1], luma);
        CHECK(luma[0] == 77 && luma[SCENE_PIXELS - 1] == 77);
        free(p);
    }
}

int main(void)
{
    RUN(what_fits_stays);
    RUN(an_overload_steps_down_at_once_and_far_enough);
    RUN(stray_frames_are_borne);
    RUN(it_climbs_back_when_the_load_is_gone);
    RUN(no_oscillation_under_constant_load);
    RUN(random_loads);
    RUN(steps_wait_for_a_cut_where_one_is_near);
    RUN(frames_of_another_level_do_not_count);
    RUN(a_full_queue_is_a_reason);
    RUN(budgets_may_change);
    RUN(one_level_and_no_costs);
    RUN(cuts_are_found_and_nothing_else);
    RUN(fades_are_no_cuts);
    RUN(a_flash_does_not_come_back_as_a_cut);
    RUN(shrinking_is_the_mean_of_cells);
    return check_report();
}
