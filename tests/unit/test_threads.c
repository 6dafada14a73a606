/* SPDX-License-Identifier: MIT */
/* The pool of threads and the executor above it, made for ThreadSanitizer: networks whose tasks wait for each other in every way, on
 * more threads than there are processors, from several callers at once, cancelled at any moment. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "core/cpu.h"
#include "net.h"
#include "session/session.h"

/* ---- the pool ---- */

struct tally {
    int count[64]; /* not atomic: the pool's own order must do */
    int plain;     /* written by the caller before, read by all */
    atomic_int wrong;
};

static void add(void *arg, int index)
{
    struct tally *t = arg;
    t->count[index]++;
    if (t->plain != 7) atomic_fetch_add(&t->wrong, 1);
}

static void every_thread_once(void)
{
    for (int threads = 1; threads <= 9; threads += 2) {
        struct pool *p = NULL;
        struct tally t = {.plain = 0};
        if (!CHECK_INT(pool_create(threads, &p, NULL), FM_OK)) return;
        CHECK_INT(pool_threads(p), threads);
        for (int i = 0; i < 300; i++) {
            t.plain = 7;
            pool_run(p, add, &t);
            t.plain = 0;
            if (i % 100 == 50) usleep(2000); /* let them sleep */
        }
        for (int i = 0; i < 64; i++) CHECK_INT(t.count[i], i < threads ? 300 : 0);
        CHECK_INT(atomic_load(&t.wrong), 0);
        pool_destroy(&p);
        CHECK(p == NULL);
    }
    struct pool *none = NULL;
    pool_destroy(&none);
    CHECK_INT(pool_create(0, &none, NULL), FM_ERR_ARGUMENT);
}

static void born_and_gone(void)
{
    for (int i = 0; i < 100; i++) {
        struct pool *p = NULL;
        struct tally t = {.plain = 7};
        if (!CHECK_INT(pool_create(1 + i % 5, &p, NULL), FM_OK)) return;
        if (i % 3) pool_run(p, add, &t);
        pool_destroy(&p);
        CHECK_INT(t.count[0], i % 3 ? 1 : 0);
    }
}

struct turn {
    struct pool *pool;
    struct tally tally;
};

static void *take_turns(void *turn_)
{
    struct turn *t = turn_;
    for (int i = 0; i < 100; i++) {
        t->tally.plain = 7;
        pool_run(t->pool, add, &t->tally);
        t->tally.plain = 0;
    }
    return NULL;
}

static void callers_take_turns(void)
{
    struct pool *p = NULL;
    struct turn turn[4];
    pthread_t thread[4];
    if (!CHECK_INT(pool_create(3, &p, NULL), FM_OK)) return;
    memset(turn, 0, sizeof turn);
    int n = 0;
    for (int i = 0; i < 4; i++) turn[i].pool = p;
    while (n < 4 && pthread_create(&thread[n], NULL, take_turns, &turn[n]) == 0) n++;
    for (int i = 0; i < n; i++) pthread_join(thread[i], NULL);
    CHECK_INT(n, 4);
    for (int i = 0; i < n; i++) {
        CHECK_INT(atomic_load(&turn[i].tally.wrong), 0);
        for (int k = 0; k < 3; k++) CHECK_INT(turn[i].tally.count[k], 100);
    }
    pool_destroy(&p);
}

static void no_memory(void)
{
    int code = FM_ERR_NOMEM;
    for (uint64_t n = 1; code != FM_OK && n < 50; n++) {
        struct pool *p = NULL;
        struct fm_error error = {0};
        const int64_t live = core_alloc_live();
        core_alloc_fail_after(n, false);
        code = pool_create(4, &p, &error);
        core_alloc_fail_after(0, false);
        if (code != FM_OK) CHECK_INT(code, FM_ERR_NOMEM);
        CHECK((p != NULL) == (code == FM_OK));
        pool_destroy(&p);
        CHECK_INT(core_alloc_live(), live);
    }
    CHECK_INT(code, FM_OK);
}

/* ---- the executor ---- */

static int sigmoid_gate(struct graph *g, int x, int channels)
{
    const int y = NET_NODE(g, OP_GLOBAL_AVERAGE_POOL, x);
    return NET_NODE(g, OP_MUL, x, NET_NODE(g, OP_SIGMOID, net_conv(g, y, channels, channels, 1, 1, true)));
}

/* Rings, whole steps, strides, a shuffle, a long skip: every kind of wait. */
static struct graph *network(int kind)
{
    struct graph *g = graph_create();
    net_state = 11;
    const int x = net_input(g, "x", FM_F32, NET_DIMS(1, 3, -1, -1));
    int y = NET_NODE(g, OP_RELU, net_conv(g, x, 3, 16, 3, 1, true));
    const int first = y;
    for (int i = 0; i < 5; i++) y = NET_NODE(g, OP_RELU, net_conv(g, y, 16, 16, 3, 1, true));
    y = NET_NODE(g, OP_ADD, y, first);
    if (kind == 1) y = sigmoid_gate(g, y, 16);
    if (kind == 2) {
        y = NET_NODE(g, OP_DEPTH_TO_SPACE, y);
        net_params(g)->block.size = 2;
        y = net_conv(g, y, 4, 9, 3, 2, true);
        y = NET_NODE(g, OP_SOFTMAX, y);
        net_params(g)->axis.axis = 1;
        y = net_conv(g, y, 9, 16, 1, 1, true);
    }
    y = net_conv(g, y, 16, 12, 3, 1, true);
    y = NET_NODE(g, OP_DEPTH_TO_SPACE, y);
    net_params(g)->block.size = 2;
    net_output(g, y);
    return g;
}

#define H 37
#define W 61

struct job {
    struct prepared *ready;
    struct pool *pool;
    const struct fm_tensor *in;
    const float *truth;
    int rounds;
};

static void *run_job(void *job_)
{
    const struct job *job = job_;
    const struct backend *b = job->ready->backend;
    struct backend_session *session = NULL;
    if (!CHECK_INT(b->session_create(job->ready->program, job->pool, &session, NULL), FM_OK)) return NULL;
    for (int i = 0; i < job->rounds; i++) {
        struct fm_tensor out = {.data = NULL};
        uint64_t ticket;
        CHECK_INT(b->submit(session, &(struct backend_call){.inputs = job->in, .outputs = &out}, &ticket, NULL), FM_OK);
        if (job->truth) CHECK_MEM(out.data, job->truth, 3 * 4 * H * W * sizeof(float));
    }
    b->session_destroy(&session);
    return NULL;
}

/* The same bits on 1, 2, 3, 4 and 7 threads, whole and in tiles; then two callers share one pool and one program. */
static void same_bits(void)
{
    static const int threads[] = {1, 2, 3, 4, 7};
    for (int kind = 0; kind < 3; kind++) {
        struct graph *g = network(kind);
        struct fm_tensor in = net_tensor(NET_DIMS(1, 3, H, W));
        float *truth = NULL;
        for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
            struct pool *p = NULL;
            if (!CHECK_INT(pool_create(threads[i], &p, NULL), FM_OK)) break;
            for (int tile = 0; tile <= (kind == 0 ? 20 : 0); tile += 20) {
                struct prepared *ready = NULL;
                struct fm_error error = {0};
                const struct prepare_options options = {.threads = pool_threads(p), .cpu_flags = cpu_flags(), .tile = tile};
                if (!CHECK_MSG(session_prepare(g, &in, &options, &ready, &error) == FM_OK, "%s", error.message)) continue;
                if (!truth) {
                    struct backend_session *session = NULL;
                    struct fm_tensor out = {.data = NULL};
                    uint64_t ticket;
                    CHECK_INT(ready->backend->session_create(ready->program, p, &session, NULL), FM_OK);
                    CHECK_INT(
                        ready->backend->submit(session, &(struct backend_call){.inputs = &in, .outputs = &out}, &ticket, NULL),
                        FM_OK);
                    truth = malloc(3 * 4 * H * W * sizeof *truth);
                    memcpy(truth, out.data, 3 * 4 * H * W * sizeof *truth);
                    ready->backend->session_destroy(&session);
                }
                struct job job = {ready, p, &in, truth, 6};
                pthread_t other;
                const bool shared = pthread_create(&other, NULL, run_job, &job) == 0;
                run_job(&job);
                if (shared) pthread_join(other, NULL);
                session_prepared_destroy(&ready);
            }
            pool_destroy(&p);
        }
        free(truth);
        core_free(in.data);
        graph_destroy(&g);
    }
}

struct shared {
    struct prepared *ready;
    const struct fm_tensor *in;
    const float *truth;
    int threads, turn;
};

/* Every other band of the picture, from exactly what it needs. */
static void *run_bands(void *shared_)
{
    const struct shared *s = shared_;
    struct pool *p = NULL;
    struct session_work *work = NULL;
    if (!CHECK_INT(pool_create(s->threads, &p, NULL), FM_OK) ||
        !CHECK_INT(session_work_create(s->ready, p, true, &work, NULL), FM_OK)) {
        pool_destroy(&p);
        return NULL;
    }
    float *from = malloc(3 * H * W * sizeof *from), *to = malloc(3 * 4 * H * W * sizeof *to);
    for (int turn = 0; turn < 3; turn++)
        for (int y = s->turn * 8; y < 2 * H; y += turn == 1 ? 8 : 16) {
            const struct rect out = {0, y, 2 * W, 2 * H - y < 8 ? 2 * H - y : 8}, need = session_region_need(s->ready, out);
            for (int c = 0; c < 3; c++)
                for (int row = 0; row < need.h; row++)
                    memcpy(from + (c * need.h + row) * need.w, (float *) s->in->data + (c * H + need.y + row) * W + need.x,
                        (size_t) need.w * sizeof *from);
            CHECK_INT(session_region_run(work, out, need, from, to, NULL, NULL), FM_OK);
            for (int c = 0; c < 3; c++)
                CHECK_MEM(to + c * out.h * out.w, s->truth + (c * 2 * H + y) * 2 * W, (size_t) (out.h * out.w) * sizeof *to);
        }
    free(from);
    free(to);
    session_work_destroy(&work);
    pool_destroy(&p);
    return NULL;
}

/* One prepared network, two workers with pools of their own and different numbers of threads: bands of the same bits. */
static void workers_share(void)
{
    struct graph *g = network(0);
    struct fm_tensor in = net_tensor(NET_DIMS(1, 3, H, W));
    struct prepared *ready = NULL;
    struct session_work *work = NULL;
    struct pool *p = NULL;
    float *truth = malloc(3 * 4 * H * W * sizeof *truth);
    const struct prepare_options options = {.threads = 2, .cpu_flags = cpu_flags(), .regions = true};
    const struct rect all_in = {0, 0, W, H}, all = {0, 0, 2 * W, 2 * H};
    if (CHECK_INT(pool_create(1, &p, NULL), FM_OK) && CHECK_INT(session_prepare(g, &in, &options, &ready, NULL), FM_OK) &&
        CHECK_INT(session_work_create(ready, p, false, &work, NULL), FM_OK) &&
        CHECK_INT(session_region_run(work, all, all_in, in.data, truth, NULL, NULL), FM_OK)) {
        struct shared one = {ready, &in, truth, 2, 0}, two = {ready, &in, truth, 3, 1};
        pthread_t other;
        const bool beside = pthread_create(&other, NULL, run_bands, &one) == 0;
        run_bands(&two);
        if (beside) pthread_join(other, NULL);
    }
    session_work_destroy(&work);
    session_prepared_destroy(&ready);
    pool_destroy(&p);
    free(truth);
    core_free(in.data);
    graph_destroy(&g);
}

struct brake {
    atomic_bool cancel, over;
};

static void *pull(void *brake_)
{
    struct brake *b = brake_;
    for (unsigned i = 0; !atomic_load(&b->over); i++) {
        if (i % 3 == 0) atomic_store(&b->cancel, true);
        sched_yield();
    }
    return NULL;
}

/* Cancelled anywhere: the run ends, says so, and the next one is right. */
static void cancelled(void)
{
    struct graph *g = network(1);
    struct fm_tensor in = net_tensor(NET_DIMS(1, 3, H, W));
    struct pool *p = NULL;
    struct prepared *ready = NULL;
    struct backend_session *session = NULL;
    if (CHECK_INT(pool_create(3, &p, NULL), FM_OK) &&
        CHECK_INT(
            session_prepare(g, &in, &(struct prepare_options){.threads = pool_threads(p), .cpu_flags = cpu_flags()}, &ready, NULL),
            FM_OK) &&
        CHECK_INT(ready->backend->session_create(ready->program, p, &session, NULL), FM_OK)) {
        struct brake brake = {false, false};
        pthread_t thread;
        uint64_t ticket;
        const bool pulling = CHECK_INT(pthread_create(&thread, NULL, pull, &brake), 0);
        for (int i = 0; i < 60; i++) {
            struct fm_tensor out = {.data = NULL};
            atomic_store(&brake.cancel, false);
            const int code = ready->backend->submit(
                session, &(struct backend_call){.inputs = &in, .outputs = &out, .cancel = &brake.cancel}, &ticket, NULL);
            CHECK(code == FM_OK || code == FM_ERR_CANCELLED);
        }
        atomic_store(&brake.over, true);
        if (pulling) pthread_join(thread, NULL);
        struct fm_tensor out = {.data = NULL}, truth = {.data = NULL};
        CHECK_INT(ready->backend->submit(session, &(struct backend_call){.inputs = &in, .outputs = &out}, &ticket, NULL), FM_OK);
        CHECK_INT(graph_interpret(ready->specialised, &in, &truth, NULL), FM_OK);
        CHECK(net_difference(&out, &truth) < 1e-4);
        core_free(truth.data);
    }
    if (session) ready->backend->session_destroy(&session);
    session_prepared_destroy(&ready);
    pool_destroy(&p);
    core_free(in.data);
    graph_destroy(&g);
}

int main(void)
{
    RUN(every_thread_once);
    RUN(born_and_gone);
    RUN(callers_take_turns);
    RUN(no_memory);
    RUN(same_bits);
    RUN(workers_share);
    RUN(cancelled);
    return check_report();
}
