/* SPDX-License-Identifier: MIT */
/* Golden tests: a network's result on the CPU is the reference interpreter's, and does not change by a bit with threads, tiles, memory
 * budget or repetition. A program builds networks with net.h and calls golden_check for each. */
#ifndef FM_TESTS_GOLDEN_H
#define FM_TESTS_GOLDEN_H

#include "core/cpu.h"
#include "graph/packs.h"
#include "net.h"
#include "session/session.h"

#define GOLDEN_UNUSED __attribute__((unused))
#define GOLDEN_TOLERANCE 1e-4 /* of the largest magnitude: between kernels and reference */
#define GOLDEN_OUTPUTS 4
#define GOLDEN_GUARD 64 /* bytes behind every output array that nobody may touch */

enum golden_depth {
    GOLDEN_QUICK, /* every ISA, two threads, one tile size */
    GOLDEN_FULL,  /* every thread count, tile size and budget */
};

enum golden_tiles {
    GOLDEN_TILES,    /* one picture in and out, bounded: tiles are exact */
    GOLDEN_NO_TILES, /* tiles must be refused */
    GOLDEN_ASK,      /* what graph_field says decides */
};

static const int golden_threads[] = {1, 2, 3, 5};
#define GOLDEN_POOLS (int) (sizeof golden_threads / sizeof golden_threads[0])
static struct pool *golden_pool[GOLDEN_POOLS];

static void golden_nothing(void *arg, int index)
{
    (void) arg, (void) index;
}

GOLDEN_UNUSED static bool golden_begin(void)
{
    struct fm_error error;
    for (int i = 0; i < GOLDEN_POOLS; i++) {
        if (pool_create(golden_threads[i], &golden_pool[i], &error) < 0) return false;
        pool_run(golden_pool[i], golden_nothing, NULL); /* all threads have started: what starting took from the heap is back */
    }
    return true;
}

GOLDEN_UNUSED static void golden_end(void)
{
    for (int i = 0; i < GOLDEN_POOLS; i++) pool_destroy(&golden_pool[i]);
}

/* How one run is to be made. */
struct golden_way {
    int pool;       /* index into golden_threads */
    uint32_t flags; /* CPU_ */
    int tile;
    size_t memory;
    bool repeat; /* run again after another picture went through: the same bits */
};

static size_t golden_bytes(const struct fm_tensor *t)
{
    return (size_t) fm_tensor_count(t) * fm_dtype_size(t->dtype);
}

GOLDEN_UNUSED static void golden_free(struct fm_tensor *out)
{
    for (int k = 0; k < GOLDEN_OUTPUTS; k++) {
        core_free(out[k].data);
        out[k].data = NULL;
    }
}

static int golden_submit(struct prepared *ready, struct backend_session *session, const struct fm_tensor *in, struct fm_tensor *out,
    struct fm_error *error)
{
    atomic_bool cancel = false;
    const struct backend_call call = {.inputs = in, .outputs = out, .cancel = &cancel};
    uint64_t ticket;
    const int code = ready->backend->submit(session, &call, &ticket, error);
    return code < 0 ? code : ready->backend->wait(session, ticket, error);
}

/* Another picture through the session, then the first again: no bit may differ. */
static void golden_repeat(const char *name, const struct graph *g, struct prepared *ready, struct backend_session *session,
    const struct fm_tensor *in, const struct fm_tensor *out)
{
    struct fm_tensor other[GOLDEN_OUTPUTS], lent[GOLDEN_OUTPUTS] = {{.data = NULL}}, again[GOLDEN_OUTPUTS] = {{.data = NULL}};
    struct fm_error error = {0};
    for (int k = 0; k < g->n_inputs; k++) {
        other[k] = in[k];
        other[k].data = core_alloc(golden_bytes(&in[k]) + 1);
        for (size_t i = 0; i < golden_bytes(&in[k]); i++) /* small finite numbers of any type */
            ((uint8_t *) other[k].data)[i] =
                (uint8_t) (i % fm_dtype_size(in[k].dtype) + 1 == fm_dtype_size(in[k].dtype) ? 0x3e : i * 37);
    }
    CHECK_MSG(golden_submit(ready, session, other, lent, &error) == FM_OK, "%s: second run: %s", name, error.message);
    if (CHECK_MSG(golden_submit(ready, session, in, again, &error) == FM_OK, "%s: third run: %s", name, error.message))
        for (int k = 0; k < g->n_outputs; k++)
            CHECK_MSG(again[k].data && memcmp(again[k].data, out[k].data, golden_bytes(&out[k])) == 0,
                "%s: output %d differs in the third run", name, k);
    for (int k = 0; k < g->n_inputs; k++) core_free(other[k].data);
}

/* Runs a network one way. Outputs are made here, guarded and filled with what no kernel writes; golden_free them. */
GOLDEN_UNUSED static int golden_run(const char *name, const struct graph *g, const struct fm_tensor *in,
    const struct golden_way *way, struct fm_tensor *out, struct backend_info *info, struct fm_error *error)
{
    struct prepared *ready = NULL;
    struct backend_session *session = NULL;
    for (int k = 0; k < GOLDEN_OUTPUTS; k++) out[k] = (struct fm_tensor){.data = NULL};
    const struct prepare_options options = {
        .threads = golden_threads[way->pool], .cpu_flags = way->flags, .tile = way->tile, .memory = way->memory};
    int code = session_prepare(g, in, &options, &ready, error);
    if (code < 0) return code;
    ready->backend->program_info(ready->program, info);
    code = ready->backend->session_create(ready->program, golden_pool[way->pool], &session, error);
    if (code == FM_OK) {
        for (int k = 0; k < g->n_outputs; k++) {
            const struct graph_value *v = &ready->specialised->value[ready->specialised->output[k]];
            out[k] = (struct fm_tensor){.dtype = v->dtype, .rank = v->rank};
            for (int i = 0; i < v->rank; i++) out[k].dim[i] = v->dim[i];
            out[k].data = core_alloc(golden_bytes(&out[k]) + GOLDEN_GUARD);
            memset(out[k].data, 0xff, golden_bytes(&out[k]));
            memset((char *) out[k].data + golden_bytes(&out[k]), 0xa5, GOLDEN_GUARD);
        }
        code = golden_submit(ready, session, in, out, error);
    }
    for (int k = 0; code == FM_OK && k < g->n_outputs; k++)
        for (int i = 0; i < GOLDEN_GUARD; i++)
            if (!CHECK_MSG(
                    ((uint8_t *) out[k].data)[golden_bytes(&out[k]) + (size_t) i] == 0xa5, "%s: written behind output %d", name, k))
                break;
    if (code == FM_OK && way->repeat) golden_repeat(name, g, ready, session, in, out);
    if (session) ready->backend->session_destroy(&session);
    session_prepared_destroy(&ready);
    return code;
}

/* Where two results part; -1: nowhere. */
static int64_t golden_first_difference(const struct fm_tensor *a, const struct fm_tensor *b)
{
    const size_t unit = fm_dtype_size(a->dtype);
    for (int64_t i = 0; i < fm_tensor_count(a); i++)
        if (memcmp((char *) a->data + (size_t) i * unit, (char *) b->data + (size_t) i * unit, unit) != 0) return i;
    return -1;
}

static void golden_same(const char *name, const struct graph *g, const struct fm_tensor *in, const struct golden_way *way,
    const struct fm_tensor *first, const char *what)
{
    struct fm_tensor out[GOLDEN_OUTPUTS];
    struct fm_error error = {0};
    struct backend_info info = {0};
    const int code = golden_run(name, g, in, way, out, &info, &error);
    if (CHECK_MSG(code == FM_OK, "%s, %s: %s", name, what, error.message))
        for (int k = 0; k < g->n_outputs; k++) {
            const int64_t at = golden_first_difference(&first[k], &out[k]), w = first[k].rank ? first[k].dim[first[k].rank - 1] : 1;
            CHECK_MSG(at < 0, "%s, %s: output %d differs first at element %lld (row %lld, column %lld of width %lld)", name, what,
                k, (long long) at, (long long) (at / w), (long long) (at % w), (long long) w);
        }
    golden_free(out);
}

static void golden_tile(const char *name, const struct graph *g, const struct fm_tensor *in, uint32_t flags, int pool, int tile,
    bool exact, const struct fm_tensor *first)
{
    char what[96];
    snprintf(what, sizeof what, "%s, %d threads, tile %d", cpu_best_name(flags), golden_threads[pool], tile);
    const struct golden_way way = {.pool = pool, .flags = flags, .tile = tile, .repeat = tile == 30};
    if (exact) {
        golden_same(name, g, in, &way, first, what);
        return;
    }
    struct fm_tensor out[GOLDEN_OUTPUTS];
    struct fm_error error = {0};
    struct backend_info info;
    CHECK_MSG(golden_run(name, g, in, &way, out, &info, &error) == FM_ERR_UNSUPPORTED, "%s, %s: not refused", name, what);
    CHECK_HAS(error.message, "tiles");
    golden_free(out);
}

/* Any budget either holds, with the same bits, or is refused with a clear answer. */
static void golden_memory(const char *name, const struct graph *g, const struct fm_tensor *in, uint32_t flags, size_t whole,
    bool exact, const struct fm_tensor *first)
{
    bool refused = false;
    for (int part = 1; part < 64; part *= 2) {
        const struct golden_way way = {
            .pool = 1, .flags = flags, .memory = whole - whole / 4 * (part == 1) - (part > 1 ? whole - whole / (size_t) part : 0)};
        struct fm_tensor out[GOLDEN_OUTPUTS];
        struct fm_error error = {0};
        struct backend_info info = {0};
        const int code = golden_run(name, g, in, &way, out, &info, &error);
        if (code == FM_OK) {
            CHECK_MSG(!refused, "%s: a budget of %zu does, a larger one did not", name, way.memory);
            CHECK_MSG(info.session_bytes <= way.memory, "%s: holds %zu bytes, allowed %zu", name, info.session_bytes, way.memory);
            CHECK_MSG(exact, "%s: tiles although they are not exact", name);
            for (int k = 0; k < g->n_outputs; k++)
                CHECK_MSG(golden_first_difference(&first[k], &out[k]) < 0, "%s: output %d differs with %zu bytes (tile %d)", name,
                    k, way.memory, info.tile);
        } else {
            refused = true;
            CHECK_MSG(code == FM_ERR_NOMEM, "%s: %zu bytes: error %d", name, way.memory, code);
            CHECK_HAS(error.message, "MiB");
        }
        golden_free(out);
    }
}

/* The field decides for GOLDEN_ASK. The backend tiles networks of one picture in and one out. */
static bool golden_exact(const struct graph *g, const struct fm_tensor *in)
{
    struct graph *fixed = NULL;
    struct graph_field field = {.bounded = false};
    struct fm_error error;
    bool exact = graph_specialise(g, in, &fixed, &error) == FM_OK && graph_rewrite(fixed, &error) == FM_OK &&
                 graph_field(fixed, &field) == FM_OK && field.bounded && fixed->n_inputs == 1 && fixed->n_outputs == 1;
    for (int i = 0; exact && i < 4; i++)
        exact = fixed->value[fixed->input[0]].rank == 4 && fixed->value[fixed->output[0]].dim[i] >= 1;
    graph_destroy(&fixed);
    return exact;
}

/* in: as many as the graph has inputs. */
GOLDEN_UNUSED static void golden_check(const char *name, const struct graph *g, const struct fm_tensor *in, enum golden_tiles tiles,
    enum golden_depth depth, double tolerance)
{
    static const uint32_t all[] = {CPU_AVX512 | CPU_AVX2, CPU_AVX2, CPU_NEON, 0};
    struct fm_tensor truth[GOLDEN_OUTPUTS] = {{.data = NULL}}, first[GOLDEN_OUTPUTS];
    struct fm_error error = {0};
    struct backend_info info = {0};
    struct graph *fixed = NULL;
    const int64_t live = core_alloc_live();
    int code = graph_specialise(g, in, &fixed, &error);
    if (code == FM_OK) code = graph_interpret(fixed, in, truth, &error);
    graph_destroy(&fixed);
    if (!CHECK_MSG(code == FM_OK, "%s: reference: %s", name, error.message)) return;
    const bool exact = tiles == GOLDEN_TILES || (tiles == GOLDEN_ASK && golden_exact(g, in));
    bool best = true;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const uint32_t flags = all[i];
        if (flags & ~cpu_detect()) continue;
        const struct golden_way way = {.flags = flags, .repeat = best};
        code = golden_run(name, g, in, &way, first, &info, &error);
        if (!CHECK_MSG(code == FM_OK, "%s, %s: %s", name, cpu_best_name(flags), error.message)) continue;
        for (int k = 0; k < g->n_outputs; k++) {
            if (truth[k].dtype != FM_F32) continue;
            const double difference = net_difference(&truth[k], &first[k]);
            CHECK_MSG(difference <= tolerance, "%s, %s: output %d is off by %g of its largest", name, cpu_best_name(flags), k,
                difference);
        }
        for (int pool = 1; pool < GOLDEN_POOLS; pool++) {
            char what[64];
            if (pool > 1 && depth == GOLDEN_QUICK) continue;
            snprintf(what, sizeof what, "%s, %d threads", cpu_best_name(flags), golden_threads[pool]);
            golden_same(name, g, in, &(struct golden_way){.pool = pool, .flags = flags, .repeat = pool == 2}, first, what);
        }
        static const int sizes[] = {30, 16, 64, 100};
        for (int t = 0; t < 4; t++)
            if (t == 0 || (depth == GOLDEN_FULL && best)) golden_tile(name, g, in, flags, t % GOLDEN_POOLS, sizes[t], exact, first);
        if (depth == GOLDEN_FULL && best) {
            struct fm_tensor out[GOLDEN_OUTPUTS];
            code = golden_run(
                name, g, in, &(struct golden_way){.pool = 1, .flags = flags}, out, &info, &error); /* its size with two threads */
            golden_free(out);
            if (code == FM_OK) golden_memory(name, g, in, flags, info.session_bytes, exact, first);
        }
        golden_free(first);
        best = false;
    }
    golden_free(truth);
    packs_trim(g->packs, 0); /* what the network keeps for other sizes */
    CHECK_MSG(core_alloc_live() == live, "%s: %lld blocks leak", name, (long long) (core_alloc_live() - live));
}

#endif
