/* SPDX-License-Identifier: MIT */
/* The mill's control block by itself: which slot is the oldest, what the order says, that it serves worker processes too. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "check.h"
#include "mill/order.h"
#include "mill/ring.h"

#include "framemill/error.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct ring *ring_make(int slots)
{
    struct ring *r = core_alloc_pages(ring_size(slots, 1));
    if (r && ring_open(r, slots, 1, false) == FM_OK) return r;
    CHECK(!"a ring");
    exit(1);
}

static void ring_drop(struct ring *r)
{
    const size_t size = ring_size((int) r->slots, (int) r->workers);
    ring_close(r);
    core_free_pages(r, size);
}

static void words_hold_what_is_put_in(void)
{
    static const int workers[] = {RING_NOBODY, 0, 1, RING_WORKERS_MAX - 1};
    static const enum ring_state states[] = {RING_FREE, RING_WRITING, RING_READY, RING_READING, RING_DONE};
    const uint64_t largest = ((uint64_t) 1 << 45) - 1;
    for (int w = 0; w < 4; w++) {
        for (int s = 0; s < 5; s++) {
            const uint64_t word = ring_word(largest - (uint64_t) s, workers[w], states[s]);
            CHECK(ring_word_id(word) == largest - (uint64_t) s);
            CHECK_INT(ring_word_worker(word), workers[w]);
            CHECK_INT(ring_word_state(word), states[s]);
        }
    }
}

static void a_slot_goes_round(void)
{
    struct ring *r = ring_make(2);
    uint64_t word;
    CHECK_INT(ring_take(r, 0), -1);
    CHECK_INT(ring_replace(r), -1);
    CHECK_INT(ring_claim(r), 0);
    CHECK_INT(ring_claim(r), 1);
    CHECK_INT(ring_claim(r), -1);
    CHECK_INT(ring_replace(r), -1); /* both WRITING */
    CHECK(!ring_move(r, 0, RING_READY, RING_READING));
    CHECK(ring_move(r, 1, RING_WRITING, RING_READY));
    CHECK(!ring_move(r, 1, RING_WRITING, RING_READY));
    CHECK(!ring_take_slot(r, 0, 0));
    CHECK_INT(ring_take(r, 0), 1);
    CHECK_INT(ring_word_worker(atomic_load(&r->slot[1].word)), 0);
    CHECK_INT(ring_word_id(atomic_load(&r->slot[1].word)), 1);
    ring_complete(r, 1, -5, 10, 20);
    CHECK_INT(r->slot[1].result, -5);
    CHECK_INT(r->slot[1].begun_ns, 10);
    CHECK_INT(r->slot[1].done_ns, 20);
    CHECK_INT(ring_word_worker(atomic_load(&r->slot[1].word)), 0);
    CHECK(ring_move(r, 1, RING_DONE, RING_FREE));
    CHECK_INT(ring_claim(r), 1);
    CHECK_INT(ring_oldest(r, 0, RING_WRITING, &word), 0);
    CHECK_INT(ring_oldest(r, 1, RING_WRITING, &word), 1);
    CHECK_INT(ring_word_id(word), 2);
    CHECK_INT(ring_oldest(r, 3, RING_WRITING, &word), -1);
    ring_drop(r);
}

/* An id that is in its slot already but not yet counted is no one's business: those before it may not have been seen. */
static void ids_not_counted_are_not_seen(void)
{
    struct ring *r = ring_make(2);
    uint64_t word;
    CHECK_INT(ring_claim(r), 0);
    CHECK(ring_move(r, 0, RING_WRITING, RING_READY));
    atomic_store(&r->ids, 0);
    CHECK_INT(ring_oldest(r, 0, RING_READY, &word), -1);
    CHECK_INT(ring_take(r, 0), -1);
    atomic_store(&r->ids, 1);
    CHECK_INT(ring_take(r, 0), 0);
    ring_drop(r);
}

static void order_leaves_out_what_is_gone(void)
{
    struct ring *r = ring_make(4);
    struct order o = {.next = 0};
    int slot = -1;
    CHECK_INT(order_next(&o, r, &slot), ORDER_EMPTY);
    for (int i = 0; i < 4; i++) CHECK_INT(ring_claim(r), i);
    CHECK_INT(order_next(&o, r, &slot), ORDER_WAIT);
    for (int i = 1; i < 4; i++) CHECK(ring_move(r, i, RING_WRITING, RING_READY));
    CHECK_INT(ring_take(r, 0), 1);
    ring_complete(r, 1, 0, 0, 0);
    CHECK_INT(order_next(&o, r, &slot), ORDER_WAIT); /* for 0 */
    CHECK(ring_move(r, 0, RING_WRITING, RING_FREE));
    CHECK_INT(order_next(&o, r, &slot), ORDER_DELIVER);
    CHECK_INT(slot, 1);
    CHECK_INT(order_next(&o, r, &slot), ORDER_WAIT); /* for 2; 1 stands in its slot still, delivered */
    CHECK_INT(ring_replace(r), 2);                   /* 2 is gone, 4 in its place */
    CHECK_INT(ring_take(r, 0), 3);
    ring_complete(r, 3, 0, 0, 0);
    CHECK_INT(order_next(&o, r, &slot), ORDER_DELIVER);
    CHECK_INT(slot, 3);
    CHECK_INT(order_next(&o, r, &slot), ORDER_WAIT); /* for 4 */
    CHECK(ring_move(r, 2, RING_WRITING, RING_FREE));
    CHECK_INT(order_next(&o, r, &slot), ORDER_EMPTY);
    ring_drop(r);
}

/* ---- worker processes ---- */

#define SHARED_SLOTS 4
#define SHARED_IDS 3000

struct shared {
    uint64_t question[SHARED_SLOTS], answer[SHARED_SLOTS];
    _Alignas(CORE_CACHE_LINE) struct ring ring; /* and its slots and workers behind it */
};

static void shared_work(struct shared *m, int worker, int quits_after)
{
    struct ring *r = &m->ring;
    for (int n = 0;;) {
        const uint32_t ticket = wait_ticket(&r->work);
        const bool finished = atomic_load(&r->finished);
        const int slot = ring_take(r, worker);
        if (slot >= 0) {
            if (quits_after && ++n == quits_after) return; /* dies with a slot in its hands */
            m->answer[slot] = m->question[slot] * m->question[slot];
            ring_complete(r, slot, 0, 0, 0);
            wait_wake(&r->order, true);
        } else if (finished) {
            return;
        } else {
            wait_sleep(&r->work, ticket);
        }
    }
}

static pid_t shared_start(struct shared *m, int worker, int quits_after)
{
    const pid_t child = fork();
    if (child) return child;
    shared_work(m, worker, quits_after);
    _exit(0);
}

/* The producer and consumer in one: fills what is free, then takes the next in order. */
static void shared_flow(struct shared *m, uint64_t ids)
{
    struct ring *r = &m->ring;
    struct order o = {.next = 0};
    uint64_t given = 0, delivered = 0;
    int slot;
    while (delivered < ids) {
        while (given < ids && (slot = ring_claim(r)) >= 0) {
            m->question[slot] = given++;
            CHECK(ring_move(r, slot, RING_WRITING, RING_READY));
            wait_wake(&r->work, false);
        }
        const uint32_t ticket = wait_ticket(&r->order);
        if (order_next(&o, r, &slot) != ORDER_DELIVER) {
            wait_sleep(&r->order, ticket);
            continue;
        }
        if (!CHECK(m->question[slot] == delivered && m->answer[slot] == delivered * delivered)) break;
        delivered++;
        CHECK(ring_move(r, slot, RING_DONE, RING_FREE));
    }
    atomic_store(&r->finished, true);
    wait_wake(&r->work, true);
}

static struct shared *shared_make(size_t *size)
{
    *size = sizeof(struct shared) - sizeof(struct ring) + ring_size(SHARED_SLOTS, 2);
    struct shared *m = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED) return NULL;
    if (ring_open(&m->ring, SHARED_SLOTS, 2, true) == FM_OK) return m;
    munmap(m, *size);
    return NULL;
}

static void worker_processes_share_the_ring(void)
{
    size_t size;
    struct shared *m = shared_make(&size);
    pid_t children[2];
    if (!m) SKIP("this system shares no memory to wait on");
    for (int i = 0; i < 2; i++) children[i] = shared_start(m, i, 0);
    shared_flow(m, SHARED_IDS);
    for (int i = 0; i < 2; i++) {
        int status = -1;
        CHECK(children[i] > 0 && waitpid(children[i], &status, 0) == children[i]);
        CHECK_INT(status, 0);
    }
    ring_close(&m->ring);
    munmap(m, size);
}

/* The word of a slot names who took it, so that what a dead process held can be done by another. */
static void what_a_dead_worker_held_is_found(void)
{
    size_t size;
    struct shared *m = shared_make(&size);
    int status = -1;
    if (!m) SKIP("this system shares no memory to wait on");
    struct ring *r = &m->ring;
    for (int i = 0; i < SHARED_SLOTS; i++) {
        CHECK_INT(ring_claim(r), i);
        m->question[i] = (uint64_t) i;
        CHECK(ring_move(r, i, RING_WRITING, RING_READY));
    }
    const pid_t child = shared_start(m, 1, 3);
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    const uint64_t word = atomic_load(&r->slot[2].word);
    CHECK_INT(ring_word_state(word), RING_READING);
    CHECK_INT(ring_word_worker(word), 1);
    CHECK_INT(ring_word_state(atomic_load(&r->slot[1].word)), RING_DONE);
    CHECK(!ring_give_back(r, 2, 0, RING_NOBODY)); /* not its own */
    CHECK(ring_give_back(r, 2, 1, RING_NOBODY));
    atomic_store(&r->finished, true);
    shared_work(m, 0, 0);
    struct order o = {.next = 0};
    for (int i = 0; i < SHARED_SLOTS; i++) {
        int slot = -1;
        CHECK_INT(order_next(&o, r, &slot), ORDER_DELIVER);
        CHECK_INT(slot, i);
        CHECK_INT(m->answer[i], i * i);
        CHECK_INT(ring_word_worker(atomic_load(&r->slot[i].word)), i < 2 ? 1 : 0);
    }
    ring_close(r);
    munmap(m, size);
}

int main(void)
{
    RUN(words_hold_what_is_put_in);
    RUN(a_slot_goes_round);
    RUN(ids_not_counted_are_not_seen);
    RUN(order_leaves_out_what_is_gone);
    RUN(worker_processes_share_the_ring);
    RUN(what_a_dead_worker_held_is_found);
    return check_report();
}
