/* SPDX-License-Identifier: MIT */
/* The contract of backend.h, one suite for every backend: what each call promises, whatever the arithmetic. A backend that computes is
 * also held against the reference. And the choice among backends, which the session room makes. */
#include "core/cpu.h"
#include "graph/packs.h"
#include "net.h"
#include "session/session.h"

struct subject {
    const struct backend *backend;
    bool computes; /* else answers zeros */
    bool cancels;  /* a run can be stopped on the way */
};

static const struct subject subjects[] = {{&backend_null, false, true}, {&backend_cpu, true, true}};
static const struct subject *subject;
static struct pool *pool;

/* in -> 16 channels -> 4 channels, twice as large; and the mean of the first layer. */
static struct graph *two_outputs(void)
{
    struct graph *g = graph_create();
    net_state = 5;
    const int x = net_input(g, "x", FM_F32, NET_DIMS(1, 3, -1, -1));
    const int y = NET_NODE(g, OP_RELU, net_conv(g, x, 3, 16, 3, 1, true));
    const int z = NET_NODE(g, OP_DEPTH_TO_SPACE, y);
    net_params(g)->block.size = 2;
    net_output(g, z);
    net_output(g, NET_NODE(g, OP_GLOBAL_AVERAGE_POOL, y));
    return g;
}

struct made { /* a program and all it stands on */
    struct graph *graph, *fixed;
    struct backend_program *program;
    struct fm_tensor in;
};

static bool make(struct made *m, int64_t h, int64_t w)
{
    struct fm_error error = {0};
    *m = (struct made){.graph = two_outputs(), .in = net_tensor(NET_DIMS(1, 3, h, w))};
    const struct backend_options options = {.threads = pool_threads(pool), .cpu_flags = cpu_flags(), .unbounded_reason = "a test"};
    return CHECK_MSG(graph_specialise(m->graph, &m->in, &m->fixed, &error) == FM_OK && graph_rewrite(m->fixed, &error) == FM_OK &&
                         subject->backend->compile(m->fixed, &options, &m->program, &error) == FM_OK,
        "%s: %s", subject->backend->name, error.message);
}

static void drop(struct made *m)
{
    if (m->program) subject->backend->program_destroy(&m->program);
    CHECK(m->program == NULL);
    core_free(m->in.data);
    graph_destroy(&m->fixed);
    graph_destroy(&m->graph);
}

static int run(struct backend_session *session, const struct backend_call *call, struct fm_error *error)
{
    uint64_t ticket = 77;
    const int code = subject->backend->submit(session, call, &ticket, error);
    return code < 0 ? code : subject->backend->wait(session, ticket, error);
}

static void named(void)
{
    CHECK(subject->backend->name && *subject->backend->name);
}

static void destroys_nothing(void)
{
    struct backend_program *program = NULL;
    struct backend_session *session = NULL;
    subject->backend->program_destroy(&program);
    subject->backend->session_destroy(&session);
    CHECK(!program && !session);
}

static void describes(void)
{
    struct made m;
    if (make(&m, 20, 31)) {
        struct backend_info info = {.steps = -1};
        struct backend_step step;
        subject->backend->program_info(m.program, &info);
        CHECK(info.tiles >= 1 && info.steps >= 0 && info.tile == 0);
        int n = 0;
        double macs = 0;
        while (subject->backend->program_step(m.program, n, &step) == FM_OK) {
            CHECK(step.name && step.what && step.how);
            macs += step.macs;
            n++;
        }
        CHECK_INT(n, info.steps);
        CHECK_INT(subject->backend->program_step(m.program, n, &step), FM_ERR_EOS);
        CHECK_INT(subject->backend->program_step(m.program, -1, &step), FM_ERR_EOS);
        if (subject->computes) {
            CHECK_NEAR(macs, 20.0 * 31 * 16 * 27, 0.5);
            CHECK_NEAR(info.macs, macs, 0.5);
            CHECK(info.weights_bytes >= 16 * 27 * 4 && info.session_bytes > 0);
        }
    }
    drop(&m);
}

/* Lent arrays have the planned type and size, and belong to the session; given ones are filled, and nothing beside them. */
static void outputs(void)
{
    struct made m;
    struct backend_session *session = NULL;
    struct fm_error error = {0};
    if (make(&m, 20, 31) && CHECK_INT(subject->backend->session_create(m.program, pool, &session, &error), FM_OK)) {
        struct fm_tensor lent[2] = {{.data = NULL}}, given[2], truth[2] = {{.data = NULL}};
        atomic_bool cancel = false;
        CHECK_INT(run(session, &(struct backend_call){.inputs = &m.in, .outputs = lent, .cancel = &cancel}, &error), FM_OK);
        CHECK_INT(lent[0].rank, 4);
        CHECK_INT(lent[0].dtype, FM_F32);
        CHECK_INT(lent[0].dim[1], 4);
        CHECK_INT(lent[0].dim[2], 40);
        CHECK_INT(lent[0].dim[3], 62);
        CHECK_INT(fm_tensor_count(&lent[1]), 16);
        CHECK(lent[0].data && lent[1].data && lent[0].data != lent[1].data);
        uint8_t *room[2];
        for (int k = 0; k < 2; k++) {
            const size_t bytes = (size_t) fm_tensor_count(&lent[k]) * 4;
            room[k] = core_alloc(bytes + 128);
            memset(room[k], 0xee, bytes + 128);
            given[k] = lent[k];
            given[k].data = room[k] + 64;
        }
        CHECK_INT(run(session, &(struct backend_call){.inputs = &m.in, .outputs = given}, &error), FM_OK); /* cancel is optional */
        CHECK_INT(graph_interpret(m.fixed, &m.in, truth, &error), FM_OK);
        for (int k = 0; k < 2; k++) {
            const size_t bytes = (size_t) fm_tensor_count(&lent[k]) * 4;
            CHECK(given[k].data == room[k] + 64);
            for (int i = 0; i < 64; i++) CHECK(room[k][i] == 0xee && room[k][64 + bytes + (size_t) i] == 0xee);
            if (subject->computes) {
                CHECK(net_difference(&given[k], &truth[k]) < 1e-4);
            } else {
                for (int64_t i = 0; i < fm_tensor_count(&given[k]); i++)
                    if (!CHECK(((float *) given[k].data)[i] == 0)) break;
            }
            CHECK_MEM(lent[k].data, given[k].data, bytes);
            core_free(room[k]);
            core_free(truth[k].data);
        }
    }
    if (session) subject->backend->session_destroy(&session);
    CHECK(session == NULL);
    drop(&m);
}

/* Sessions of one program do not know of each other, and any of them may go first. */
static void sessions(void)
{
    struct made m;
    struct backend_session *session[3] = {NULL};
    if (make(&m, 33, 17)) {
        struct fm_tensor out[3][2] = {{{.data = NULL}}};
        for (int i = 0; i < 3; i++) CHECK_INT(subject->backend->session_create(m.program, pool, &session[i], NULL), FM_OK);
        for (int i = 0; i < 3; i++)
            CHECK_INT(run(session[i], &(struct backend_call){.inputs = &m.in, .outputs = out[i]}, NULL), FM_OK);
        for (int i = 1; i < 3; i++) {
            CHECK(out[i][0].data != out[0][0].data);
            CHECK_MEM(out[i][0].data, out[0][0].data, (size_t) fm_tensor_count(&out[0][0]) * 4);
        }
        subject->backend->session_destroy(&session[1]);
        CHECK_INT(run(session[2], &(struct backend_call){.inputs = &m.in, .outputs = out[2]}, NULL), FM_OK);
        subject->backend->session_destroy(&session[0]);
        CHECK_INT(run(session[2], &(struct backend_call){.inputs = &m.in, .outputs = out[2]}, NULL), FM_OK);
        subject->backend->session_destroy(&session[2]);
    }
    drop(&m);
}

static void stop(void *user, double share)
{
    (void) share;
    atomic_store((atomic_bool *) user, true);
}

static void note(void *user, double share)
{
    *(double *) user = share;
}

static void cancelling(void)
{
    struct made m;
    struct backend_session *session = NULL;
    struct fm_error error = {0};
    if (make(&m, 150, 90) && CHECK_INT(subject->backend->session_create(m.program, pool, &session, &error), FM_OK)) {
        struct fm_tensor out[2] = {{.data = NULL}};
        atomic_bool cancel = true;
        CHECK_INT(
            run(session, &(struct backend_call){.inputs = &m.in, .outputs = out, .cancel = &cancel}, &error), FM_ERR_CANCELLED);
        CHECK_INT(error.code, FM_ERR_CANCELLED);
        CHECK(atomic_load(&cancel)); /* whose flag it is resets it */
        atomic_store(&cancel, false);
        double share = -1;
        CHECK_INT(run(session,
                      &(struct backend_call){.inputs = &m.in, .outputs = out, .cancel = &cancel, .progress = note, .user = &share},
                      &error),
            FM_OK);
        CHECK_NEAR(share, 1, 0);
        /* a cancel at any word of progress: stopped, or done already */
        const int code = run(session,
            &(struct backend_call){.inputs = &m.in, .outputs = out, .cancel = &cancel, .progress = stop, .user = &cancel}, &error);
        CHECK(code == FM_OK || code == FM_ERR_CANCELLED);
    }
    if (session) subject->backend->session_destroy(&session);
    drop(&m);
}

static void profiling(void)
{
    struct made m;
    struct backend_session *session = NULL;
    if (make(&m, 64, 64) && CHECK_INT(subject->backend->session_create(m.program, pool, &session, NULL), FM_OK)) {
        struct fm_tensor out[2] = {{.data = NULL}};
        struct backend_info info;
        subject->backend->program_info(m.program, &info);
        subject->backend->set_profile(session, true);
        CHECK_INT(run(session, &(struct backend_call){.inputs = &m.in, .outputs = out}, NULL), FM_OK);
        double sum = 0;
        for (int i = 0; i < info.steps; i++) {
            CHECK(subject->backend->step_seconds(session, i) >= 0);
            sum += subject->backend->step_seconds(session, i);
        }
        CHECK(sum > 0 || !subject->computes);
        CHECK(subject->backend->step_seconds(session, -1) == 0);
        CHECK(subject->backend->step_seconds(session, info.steps) == 0);
        subject->backend->set_profile(session, false);
    }
    if (session) subject->backend->session_destroy(&session);
    drop(&m);
}

/* A backend that makes parts names an input they can be made from; one that does not takes everything. Warm sessions run without the
 * heap. */
static void parts(void)
{
    struct made m;
    struct backend_session *session = NULL;
    if (make(&m, 40, 30) && CHECK_INT(subject->backend->session_create(m.program, pool, &session, NULL), FM_OK)) {
        CHECK(!subject->backend->can_region(m.program)); /* two outputs */
        CHECK_INT(subject->backend->session_warm(session, NULL), FM_OK);
        struct fm_tensor out[2];
        for (int k = 0; k < 2; k++) {
            const struct graph_value *v = &m.fixed->value[m.fixed->output[k]];
            out[k] = (struct fm_tensor){.dtype = v->dtype, .rank = v->rank};
            memcpy(out[k].dim, v->dim, sizeof v->dim);
            out[k].data = core_alloc((size_t) fm_tensor_count(&out[k]) * 4);
        }
        const uint64_t count = core_alloc_count();
        CHECK_INT(run(session, &(struct backend_call){.inputs = &m.in, .outputs = out}, NULL), FM_OK);
        CHECK_INT((int64_t) (core_alloc_count() - count), 0);
        for (int k = 0; k < 2; k++) core_free(out[k].data);
        CHECK(subject->backend->region_bytes(m.program, 60, 80) < SIZE_MAX);
    }
    if (session) subject->backend->session_destroy(&session);
    drop(&m);
}

/* compile and session_create with the n-th allocation failing: NOMEM, nothing made, nothing leaks. */
static void no_memory(void)
{
    struct graph *g = two_outputs(), *fixed = NULL;
    struct fm_tensor in = net_tensor(NET_DIMS(1, 3, 16, 24));
    struct fm_error error = {0};
    CHECK_INT(graph_specialise(g, &in, &fixed, &error), FM_OK);
    CHECK_INT(graph_rewrite(fixed, &error), FM_OK);
    const struct backend_options options = {.threads = pool_threads(pool), .cpu_flags = cpu_flags()};
    int code = FM_ERR_NOMEM;
    for (uint64_t n = 1; code != FM_OK && n < 5000; n++) {
        struct backend_program *program = (struct backend_program *) 1;
        struct backend_session *session = (struct backend_session *) 1;
        const int64_t live = core_alloc_live();
        core_alloc_fail_after(n, false);
        code = subject->backend->compile(fixed, &options, &program, &error);
        if (code == FM_OK) {
            code = subject->backend->session_create(program, pool, &session, &error);
            if (code < 0) CHECK(session == NULL);
            if (code == FM_OK) subject->backend->session_destroy(&session);
            subject->backend->program_destroy(&program);
        } else {
            CHECK(program == NULL);
        }
        core_alloc_fail_after(0, false);
        packs_trim(fixed->packs, 0); /* what is kept for other sizes */
        if (code != FM_OK) CHECK_INT(code, FM_ERR_NOMEM);
        CHECK_INT(core_alloc_live(), live);
    }
    CHECK_INT(code, FM_OK);
    core_free(in.data);
    graph_destroy(&fixed);
    graph_destroy(&g);
}

/* ---- the choice ---- */

static int refusal;

static int refuse(
    const struct graph *graph, const struct backend_options *options, struct backend_program **out, struct fm_error *error)
{
    (void) graph;
    (void) options;
    (void) error;
    *out = NULL;
    return refusal;
}

static const struct backend backend_refusing = {.name = "refusing", .compile = refuse};

static void falls_back(void)
{
    struct graph *g = two_outputs();
    struct fm_tensor in = net_tensor(NET_DIMS(1, 3, 8, 8));
    struct prepared *ready = NULL;
    struct fm_error error = {0};
    const struct backend *both[] = {&backend_refusing, &backend_null, NULL}, *one[] = {&backend_refusing, NULL};
    struct prepare_options options = {.threads = pool_threads(pool), .backends = both};
    refusal = FM_ERR_UNSUPPORTED; /* the next one gets it */
    CHECK_INT(session_prepare(g, &in, &options, &ready, &error), FM_OK);
    CHECK_STR(ready->backend->name, "null");
    session_prepared_destroy(&ready);
    CHECK(ready == NULL);
    session_prepared_destroy(&ready);
    refusal = FM_ERR_NOMEM; /* a failure ends the search */
    CHECK_INT(session_prepare(g, &in, &options, &ready, &error), FM_ERR_NOMEM);
    CHECK(ready == NULL);
    refusal = FM_ERR_UNSUPPORTED;
    options.backends = one;
    CHECK_INT(session_prepare(g, &in, &options, &ready, &error), FM_ERR_UNSUPPORTED);
    CHECK(ready == NULL);
    options.backends = NULL;
    CHECK_INT(session_prepare(g, &in, &options, &ready, &error), FM_OK);
    CHECK_STR(ready->backend->name, "cpu");
    session_prepared_destroy(&ready);
    core_free(in.data);
    graph_destroy(&g);
}

int main(void)
{
    if (pool_create(2, &pool, NULL) < 0) return 1;
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        subject = &subjects[i];
        RUN(named);
        RUN(destroys_nothing);
        RUN(describes);
        RUN(outputs);
        RUN(sessions);
        RUN(cancelling);
        RUN(profiling);
        RUN(parts);
        RUN(no_memory);
    }
    RUN(falls_back);
    pool_destroy(&pool);
    return check_report();
}
