/* SPDX-License-Identifier: MIT */
/* The mill at work: order, back-pressure, live sources, errors that travel, release by others. */
#include "mill_yard.h"

/* ---- order under load ---- */

struct flow {
    struct yard yard;
    uint64_t ids, seed;
    bool holds_two;            /* the producer submits now and then in the wrong order */
    unsigned skips;            /* one id of so many is abandoned; 0: none */
    _Atomic uint64_t skipped;  /* ids abandoned */
    unsigned char *is_skipped; // [ids]
    uint64_t failing;          /* submitted with a bad result */
};

static struct mill_slot *flow_load(struct flow *f, uint64_t expected)
{
    struct mill_slot *s = NULL;
    if (!CHECK_INT(mill_acquire(f->yard.mill, &s), FM_OK)) return NULL;
    CHECK_INT(s->id, expected);
    CHECK(s->worker == -1 && s->result == 0);
    const bool bad = s->id % 13 == 5;
    *(struct cargo *) s->bundle = (struct cargo){.question = s->id * 3 + 1, .bad = bad ? FM_ERR_SHAPE : 0};
    return s;
}

static void flow_send(struct flow *f, struct mill_slot *s)
{
    if (f->skips && yard_random(&f->seed) % f->skips == 0) {
        f->is_skipped[s->id] = 1;
        atomic_fetch_add(&f->skipped, 1);
        mill_abandon(f->yard.mill, s);
        return;
    }
    f->failing += s->id % 13 == 5;
    mill_submit(f->yard.mill, s);
}

static void *flow_produce(void *flow_)
{
    struct flow *f = flow_;
    for (uint64_t id = 0; id < f->ids; id++) {
        struct mill_slot *first = flow_load(f, id);
        if (!first) return NULL;
        if (f->holds_two && id + 1 < f->ids && yard_random(&f->seed) % 4 == 0) {
            struct mill_slot *second = flow_load(f, ++id);
            if (!second) return NULL;
            flow_send(f, second);
        }
        flow_send(f, first);
    }
    mill_finish(f->yard.mill);
    return NULL;
}

static void flow_run(int slots, int workers, uint64_t ids, unsigned skips)
{
    struct flow f = {.ids = ids, .seed = (uint64_t) (slots * 64 + workers), .skips = skips, .holds_two = slots > 1};
    pthread_t producer;
    uint64_t delivered = 0, next = 0;
    int code;
    f.yard.work = 2000;
    f.is_skipped = calloc(ids, 1);
    if (!CHECK(f.is_skipped != NULL)) return;
    if (!yard_open(&f.yard, slots, workers)) return;
    const uint64_t allocations = core_alloc_count();
    pthread_create(&producer, NULL, flow_produce, &f);
    struct mill_slot *s;
    while ((code = mill_next(f.yard.mill, &s)) == FM_OK) {
        const struct cargo *c = s->bundle;
        bool right = s->id >= next && c->question == s->id * 3 + 1 && c->answer == yard_answer(c->question) &&
                     s->result == (s->id % 13 == 5 ? FM_ERR_SHAPE : 0) && s->worker >= 0 && s->worker < workers &&
                     s->begun_ns <= s->done_ns;
        for (; next < s->id; next++) right = right && f.is_skipped[next]; /* written before the slot that came after it */
        CHECK_MSG(right, "%d slots, %d workers: id %" PRIu64 " where %" PRIu64 " is due, or wrong", slots, workers, s->id, next);
        next = s->id + 1;
        delivered++;
        mill_release(f.yard.mill, s);
        const struct mill_metrics m = yard_metrics(&f.yard);
        CHECK(m.delivered == delivered && m.acquired >= m.delivered && m.done >= m.delivered && m.failed <= m.done);
    }
    CHECK_INT(code, FM_ERR_EOS);
    yard_expect_end(&f.yard);
    pthread_join(producer, NULL);
    CHECK_INT(core_alloc_count(), allocations);
    const struct mill_metrics m = yard_metrics(&f.yard);
    uint64_t by_workers = 0;
    for (int i = 0; i < 64; i++) by_workers += m.worker_done[i];
    CHECK_INT(delivered + atomic_load(&f.skipped), ids);
    CHECK_INT(m.acquired, ids);
    CHECK_INT(m.delivered, delivered);
    CHECK_INT(m.done, delivered);
    CHECK_INT(m.abandoned, atomic_load(&f.skipped));
    CHECK_INT(m.failed, f.failing);
    CHECK_INT(m.dropped + m.cancelled, 0);
    CHECK_INT(by_workers, delivered);
    CHECK_INT(atomic_load(&f.yard.processed), delivered);
    yard_close(&f.yard);
    free(f.is_skipped);
}

/* Ten thousand ids in all on few slots and many, more workers than slots and fewer. */
static void every_id_once_in_order(void)
{
    static const int shapes[][2] = {{1, 1}, {1, 4}, {2, 1}, {2, 2}, {3, 1}, {4, 2}, {5, 8}, {8, 1}, {8, 3}, {8, 8}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) flow_run(shapes[i][0], shapes[i][1], 10000, 0);
}

static void skipped_ids_are_left_out(void)
{
    flow_run(1, 1, 3000, 3);
    flow_run(3, 2, 3000, 2);
    flow_run(8, 4, 3000, 5);
    flow_run(4, 2, 3000, 1); /* all of them */
}

/* ---- one slot after another, by hand ---- */

static void oldest_is_taken_first(void)
{
    struct yard y = {.mill = NULL};
    if (!yard_open(&y, 5, 1)) return;
    yard_send(&y, true); /* 0 holds the only worker */
    yard_await_gate(&y, 1);
    struct mill_slot *s[4];
    for (int i = 0; i < 4; i++) s[i] = yard_load(&y, i == 0);
    mill_submit(y.mill, s[2]);
    mill_submit(y.mill, s[3]);
    mill_submit(y.mill, s[0]); /* the oldest, submitted last but one: next at the gate */
    mill_submit(y.mill, s[1]);
    yard_open_gate(&y);
    yard_await_gate(&y, 2);
    CHECK_INT(atomic_load(&y.processed), 2);
    CHECK_INT(yard_metrics(&y).done, 1);
    yard_open_gate(&y);
    mill_finish(y.mill);
    for (uint64_t id = 0; id < 5; id++) yard_expect(&y, id, 0);
    yard_expect_end(&y);
    yard_close(&y);
}

static void abandoning_wakes_the_consumer(void)
{
    struct yard y = {.mill = NULL};
    pthread_t thread;
    struct yard_call c = {.yard = &y};
    if (!yard_open(&y, 2, 1)) return;
    struct mill_slot *zero = yard_load(&y, false);
    yard_send(&y, false);
    YARD_AWAIT(yard_metrics(&y).done == 1);
    pthread_create(&thread, NULL, yard_call_next, &c);
    YARD_AWAIT(yard_metrics(&y).consumer_waits == 1);
    mill_abandon(y.mill, zero);
    pthread_join(thread, NULL);
    CHECK_INT(c.code, FM_OK);
    if (CHECK(c.slot != NULL)) CHECK_INT(c.slot->id, 1);
    mill_finish(y.mill);
    yard_expect_end(&y);
    yard_close(&y);
}

/* ---- full: file-like and live ---- */

static void a_full_mill_makes_the_producer_wait(void)
{
    struct yard y = {.mill = NULL};
    pthread_t thread;
    struct yard_call c = {.yard = &y};
    if (!yard_open(&y, 2, 1)) return;
    yard_send(&y, true);
    yard_send(&y, false);
    CHECK_INT(yard_metrics(&y).producer_waits, 0);
    pthread_create(&thread, NULL, yard_call_acquire, &c);
    YARD_AWAIT(yard_metrics(&y).producer_waits == 1);
    CHECK_INT(yard_metrics(&y).acquired, 2);
    yard_open_gate(&y);
    yard_expect(&y, 0, 0);
    pthread_join(thread, NULL);
    CHECK_INT(c.code, FM_OK);
    if (!CHECK(c.slot != NULL)) return;
    CHECK_INT(c.slot->id, 2);
    mill_abandon(y.mill, c.slot);
    mill_finish(y.mill);
    CHECK_INT(mill_acquire(y.mill, &c.slot), FM_ERR_ARGUMENT);
    yard_expect(&y, 1, 0);
    yard_expect_end(&y);
    const struct mill_metrics m = yard_metrics(&y);
    CHECK_INT(m.producer_waits, 1);
    CHECK_INT(m.dropped, 0);
    yard_close(&y);
}

static bool open_live(struct yard *y, int slots, int workers)
{
    struct mill_params params = yard_params(y, slots, workers);
    params.live = true;
    return CHECK_INT(mill_create(&params, &y->mill, NULL), FM_OK);
}

static void a_live_source_drops_the_oldest(void)
{
    struct yard y = {.mill = NULL};
    if (!open_live(&y, 3, 1)) return;
    yard_send(&y, true);
    yard_await_gate(&y, 1);
    yard_send(&y, false); /* 1 */
    yard_send(&y, false); /* 2 */
    CHECK_INT(yard_metrics(&y).dropped, 0);
    yard_send(&y, false);                          /* 3 in the place of 1 */
    struct mill_slot *four = yard_load(&y, false); /* in the place of 2 */
    CHECK_INT(yard_metrics(&y).dropped, 2);
    CHECK_INT(four->id, 4);
    mill_abandon(y.mill, four);
    yard_send(&y, false); /* 5 in the slot of 4 */
    yard_open_gate(&y);
    mill_finish(y.mill);
    yard_expect(&y, 0, 0);
    yard_expect(&y, 3, 0);
    yard_expect(&y, 5, 0);
    yard_expect_end(&y);
    const struct mill_metrics m = yard_metrics(&y);
    CHECK_INT(m.acquired, 6);
    CHECK_INT(m.delivered, 3);
    CHECK_INT(m.dropped, 2);
    CHECK_INT(m.abandoned, 1);
    CHECK_INT(m.producer_waits, 0);
    yard_close(&y);
}

/* The consumer sleeps for an id that is dropped, while the one after it is done. */
static void dropping_wakes_the_consumer(void)
{
    struct yard y = {.mill = NULL};
    pthread_t thread;
    struct yard_call c = {.yard = &y};
    if (!open_live(&y, 3, 1)) return;
    struct mill_slot *zero = yard_load(&y, false);
    yard_send(&y, false);
    YARD_AWAIT(yard_metrics(&y).done == 1);
    yard_send(&y, true);
    yard_await_gate(&y, 1);
    mill_submit(y.mill, zero);
    pthread_create(&thread, NULL, yard_call_next, &c);
    YARD_AWAIT(yard_metrics(&y).consumer_waits == 1);
    struct mill_slot *three = yard_load(&y, false);
    pthread_join(thread, NULL);
    CHECK_INT(c.code, FM_OK);
    if (!CHECK(c.slot != NULL)) return;
    CHECK_INT(c.slot->id, 1);
    CHECK_INT(three->id, 3);
    mill_submit(y.mill, three);
    mill_release(y.mill, c.slot);
    mill_finish(y.mill);
    yard_open_gate(&y);
    yard_expect(&y, 2, 0);
    yard_expect(&y, 3, 0);
    yard_expect_end(&y);
    yard_close(&y);
}

static void a_live_source_waits_when_all_is_begun(void)
{
    struct yard y = {.mill = NULL};
    pthread_t thread;
    struct yard_call c = {.yard = &y};
    if (!open_live(&y, 1, 1)) return;
    yard_send(&y, true);
    yard_await_gate(&y, 1);
    pthread_create(&thread, NULL, yard_call_acquire, &c);
    YARD_AWAIT(yard_metrics(&y).producer_waits == 1);
    yard_open_gate(&y);
    yard_expect(&y, 0, 0);
    pthread_join(thread, NULL);
    CHECK_INT(c.code, FM_OK);
    if (!CHECK(c.slot != NULL)) return;
    CHECK_INT(c.slot->id, 1);
    mill_abandon(y.mill, c.slot);
    mill_finish(y.mill);
    yard_expect_end(&y);
    CHECK_INT(yard_metrics(&y).dropped, 0);
    yard_close(&y);
}

static void *acquire_patiently(void *call_)
{
    struct yard_call *c = call_;
    c->code = mill_acquire_within(c->yard->mill, UINT64_C(3600000000000), &c->slot);
    return NULL;
}

/* Patience: a slot that becomes free in time is taken, nothing is dropped; when it is at its end, the oldest goes. */
static void a_live_source_may_be_patient(void)
{
    struct yard y = {.mill = NULL};
    pthread_t thread;
    struct yard_call c = {.yard = &y};
    struct mill_slot *three;
    if (!open_live(&y, 3, 1)) return;
    yard_send(&y, true);
    yard_await_gate(&y, 1);
    yard_send(&y, false); /* 1 */
    yard_send(&y, false); /* 2 */
    pthread_create(&thread, NULL, acquire_patiently, &c);
    YARD_AWAIT(yard_metrics(&y).producer_waits == 1);
    CHECK_INT(yard_metrics(&y).dropped, 0);
    yard_open_gate(&y);
    yard_expect(&y, 0, 0);
    pthread_join(thread, NULL);
    CHECK_INT(c.code, FM_OK);
    if (!CHECK(c.slot != NULL)) return;
    CHECK_INT(c.slot->id, 3);
    CHECK_INT(yard_metrics(&y).dropped, 0);
    mill_abandon(y.mill, c.slot);
    mill_finish(y.mill);
    yard_expect(&y, 1, 0);
    yard_expect(&y, 2, 0);
    yard_expect_end(&y);
    yard_close(&y);

    y = (struct yard){.mill = NULL};
    if (!open_live(&y, 2, 1)) return;
    yard_send(&y, true);
    yard_await_gate(&y, 1);
    yard_send(&y, false); /* 1 */
    CHECK_INT(mill_acquire_within(y.mill, 1000000, &three), FM_OK);
    CHECK_INT(three->id, 2);
    CHECK_INT(yard_metrics(&y).dropped, 1);
    mill_abandon(y.mill, three);
    mill_finish(y.mill);
    yard_open_gate(&y);
    yard_expect(&y, 0, 0);
    yard_expect_end(&y);
    yard_close(&y);
}

static void *live_produce(void *flow_)
{
    struct flow *f = flow_;
    for (uint64_t id = 0; id < f->ids; id++) {
        struct mill_slot *s = flow_load(f, id);
        if (!s) return NULL;
        flow_send(f, s);
    }
    mill_finish(f->yard.mill);
    return NULL;
}

static void live_counts_add_up(void)
{
    for (int round = 0; round < 6; round++) {
        struct flow f = {.ids = 4000, .seed = (uint64_t) round + 1, .skips = 9};
        pthread_t producer;
        uint64_t delivered = 0, next = 0;
        struct mill_slot *s;
        f.yard.work = 4000;
        f.is_skipped = calloc(f.ids, 1);
        if (!CHECK(f.is_skipped != NULL) || !open_live(&f.yard, 1 + round, 1 + round / 2)) return;
        pthread_create(&producer, NULL, live_produce, &f);
        while (mill_next(f.yard.mill, &s) == FM_OK) {
            const struct cargo *c = s->bundle;
            CHECK_MSG(s->id >= next && c->question == s->id * 3 + 1 && c->answer == yard_answer(c->question), "id %" PRIu64, s->id);
            next = s->id + 1;
            delivered++;
            mill_release(f.yard.mill, s);
        }
        pthread_join(producer, NULL);
        const struct mill_metrics m = yard_metrics(&f.yard);
        CHECK_INT(m.acquired, f.ids);
        CHECK_INT(m.delivered, delivered);
        CHECK_INT(m.abandoned, atomic_load(&f.skipped));
        CHECK_INT(m.delivered + m.dropped + m.abandoned, f.ids);
        CHECK_INT(m.done, delivered);
        CHECK_INT(atomic_load(&f.yard.processed), delivered); /* what was dropped was never worked on */
        yard_close(&f.yard);
        free(f.is_skipped);
    }
}

/* ---- writers that release ---- */

struct shed {
    struct mill *mill;
    pthread_mutex_t lock;
    pthread_cond_t change;
    struct mill_slot *waiting[8];
    int count;
    bool closed;
    uint64_t seed;
    int released;
};

/* Releases any of the waiting ones, a few kept back so that there is a choice. */
static void *shed_release(void *shed_)
{
    struct shed *shed = shed_;
    pthread_mutex_lock(&shed->lock);
    for (;;) {
        while (shed->count < 4 && !shed->closed) pthread_cond_wait(&shed->change, &shed->lock);
        if (!shed->count) break;
        const int pick = (int) (yard_random(&shed->seed) % (unsigned) shed->count);
        struct mill_slot *s = shed->waiting[pick];
        shed->waiting[pick] = shed->waiting[--shed->count];
        shed->released++;
        pthread_mutex_unlock(&shed->lock);
        const struct cargo *c = s->bundle;
        CHECK(c->answer == yard_answer(s->id * 3 + 1)); /* still this slot's */
        mill_release(shed->mill, s);
        pthread_mutex_lock(&shed->lock);
    }
    pthread_mutex_unlock(&shed->lock);
    return NULL;
}

static void other_threads_release_out_of_order(void)
{
    struct flow f = {.ids = 5000, .seed = 5};
    struct shed shed = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER, .seed = 9};
    pthread_t producer, writer[3];
    struct mill_slot *s;
    uint64_t next = 0;
    f.yard.work = 200;
    if (!yard_open(&f.yard, 8, 2)) return;
    shed.mill = f.yard.mill;
    pthread_create(&producer, NULL, live_produce, &f);
    for (int i = 0; i < 3; i++) pthread_create(&writer[i], NULL, shed_release, &shed);
    while (mill_next(f.yard.mill, &s) == FM_OK) {
        CHECK_INT(s->id, next++);
        pthread_mutex_lock(&shed.lock);
        shed.waiting[shed.count++] = s;
        pthread_cond_broadcast(&shed.change);
        pthread_mutex_unlock(&shed.lock);
    }
    pthread_mutex_lock(&shed.lock);
    shed.closed = true;
    pthread_cond_broadcast(&shed.change);
    pthread_mutex_unlock(&shed.lock);
    for (int i = 0; i < 3; i++) pthread_join(writer[i], NULL);
    pthread_join(producer, NULL);
    CHECK_INT(next, 5000);
    CHECK_INT(shed.released, 5000);
    yard_close(&f.yard);
}

int main(void)
{
    RUN(every_id_once_in_order);
    RUN(skipped_ids_are_left_out);
    RUN(oldest_is_taken_first);
    RUN(abandoning_wakes_the_consumer);
    RUN(a_full_mill_makes_the_producer_wait);
    RUN(a_live_source_drops_the_oldest);
    RUN(dropping_wakes_the_consumer);
    RUN(a_live_source_waits_when_all_is_begun);
    RUN(a_live_source_may_be_patient);
    RUN(live_counts_add_up);
    RUN(other_threads_release_out_of_order);
    return check_report();
}
