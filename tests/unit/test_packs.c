/* SPDX-License-Identifier: MIT */
/* The store of packed weights: found by content, shared by threads and by programs of several sizes, given back when nobody needs it. */
#define _GNU_SOURCE
#include <pthread.h>

#include "core/cpu.h"
#include "graph/packs.h"
#include "net.h"
#include "session/session.h"

static struct packs_key key_of(const void *data, size_t bytes)
{
    struct packs_key key = {0};
    packs_key_add(&key, data, bytes);
    return key;
}

static bool equal(struct packs_key x, struct packs_key y)
{
    return x.a == y.a && x.b == y.b;
}

/* Every bit of every part counts, and so do the lengths and the order of the parts. */
static void keys(void)
{
    uint8_t data[200];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t) (i * 31);
    static const size_t lengths[] = {1, 7, 8, 63, 64, 65, 127, 128, 200};
    for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
        const size_t n = lengths[l];
        const struct packs_key key = key_of(data, n);
        CHECK(equal(key, key_of(data, n)));
        CHECK(key.a != 0 && key.b != 0 && key.a != key.b);
        for (size_t bit = 0; bit < 8 * n; bit++) {
            data[bit / 8] ^= (uint8_t) (1u << bit % 8);
            const struct packs_key other = key_of(data, n);
            CHECK_MSG(other.a != key.a && other.b != key.b, "%zu bytes: bit %zu is not seen", n, bit);
            CHECK_MSG(__builtin_popcountll(other.a ^ key.a) > 8 && __builtin_popcountll(other.b ^ key.b) > 8,
                "%zu bytes: bit %zu is hardly seen", n, bit);
            data[bit / 8] ^= (uint8_t) (1u << bit % 8);
        }
    }
    static const uint8_t zeros[256];
    CHECK(!equal(key_of(zeros, 10), key_of(zeros, 11)));
    CHECK(!equal(key_of(zeros, 64), key_of(zeros, 128)));
    struct packs_key ab = {0}, ba = {0}, joined = {0};
    packs_key_add(&ab, data, 5);
    packs_key_add(&ab, data + 5, 6);
    packs_key_add(&ba, data + 5, 6);
    packs_key_add(&ba, data, 5);
    packs_key_add(&joined, data, 11);
    CHECK(!equal(ab, ba) && !equal(ab, joined));
    /* words that change places */
    uint64_t words[32];
    for (uint64_t i = 0; i < 32; i++) words[i] = i + 1;
    const struct packs_key key = key_of(words, sizeof words);
    for (int i = 0; i < 32; i++)
        for (int j = 0; j < i; j++) {
            words[i] = (uint64_t) j + 1, words[j] = (uint64_t) i + 1;
            CHECK(!equal(key, key_of(words, sizeof words)));
            words[i] = (uint64_t) i + 1, words[j] = (uint64_t) j + 1;
        }
}

static const struct pack *add(struct packs *packs, uint64_t name, size_t bytes)
{
    void *data = core_alloc_pages(bytes);
    memset(data, (int) name, bytes);
    return packs_add(packs, key_of(&name, sizeof name), data, bytes);
}

static const struct pack *look(struct packs *packs, uint64_t name)
{
    return packs_find(packs, key_of(&name, sizeof name));
}

static void give_back(const struct pack *pack)
{
    void *held;
    memcpy(&held, &pack, sizeof held);
    packs_release(held);
}

static void kept_and_dropped(void)
{
    const int64_t live = core_alloc_live();
    struct packs *packs = packs_create(), *second = packs_ref(packs);
    CHECK(look(packs, 1) == NULL);
    const struct pack *a = add(packs, 1, 1000), *b = add(packs, 2, 2000), *again = add(packs, 1, 1000);
    CHECK(a && b && a != b && again == a); /* what was there first stays */
    CHECK(a->bytes == 1000 && ((const uint8_t *) a->data)[999] == 1 && ((const uint8_t *) b->data)[0] == 2);
    give_back(again);
    packs_trim(packs, 0); /* both are in use */
    CHECK((again = look(packs, 1)) == a);
    give_back(again);
    give_back(a);
    CHECK((again = look(packs, 1)) == a); /* idle, and still there */
    give_back(again);
    packs_unref(&second);
    CHECK(second == NULL);
    packs_trim(packs, 0);
    CHECK(look(packs, 1) == NULL);
    CHECK((again = look(packs, 2)) == b);
    give_back(again);
    packs_unref(&packs);
    CHECK(((const uint8_t *) b->data)[1999] == 2); /* a pack in use keeps the store */
    give_back(b);
    CHECK_INT(core_alloc_live(), live);
    packs_unref(&packs);
}

/* The longest idle goes first; memory that nobody uses is bounded. */
static void bounded(void)
{
    struct packs *packs = packs_create();
    for (uint64_t i = 1; i <= 3; i++) give_back(add(packs, i, 1000));
    give_back(look(packs, 1)); /* now the youngest */
    packs_trim(packs, 2000);
    const struct pack *one = look(packs, 1), *three = look(packs, 3);
    CHECK(one && three && look(packs, 2) == NULL);
    give_back(one);
    give_back(three);
    for (uint64_t i = 10; i < 18; i++) { /* 160 MB, never touched */
        void *data = core_alloc_pages((size_t) 20 << 20);
        if (data) give_back(packs_add(packs, key_of(&i, sizeof i), data, (size_t) 20 << 20));
    }
    const struct pack *last = look(packs, 17);
    CHECK(look(packs, 1) == NULL && look(packs, 10) == NULL && last != NULL);
    if (last) give_back(last);
    packs_unref(&packs);
}

static void no_memory(void)
{
    const int64_t live = core_alloc_live();
    core_alloc_fail_after(1, true);
    CHECK(packs_create() == NULL);
    core_alloc_fail_after(0, false);
    struct packs *packs = packs_create();
    void *data = core_alloc_pages(100);
    core_alloc_fail_after(1, true);
    CHECK(packs_add(packs, (struct packs_key){1, 2}, data, 100) == NULL);
    core_alloc_fail_after(0, false);
    packs_unref(&packs);
    CHECK_INT(core_alloc_live(), live);
}

static void *hammer(void *packs_)
{
    struct packs *packs = packs_;
    for (uint64_t i = 0; i < 3000; i++) {
        const uint64_t name = i * 7 % 11;
        const struct pack *p = look(packs, name);
        if (!p) p = add(packs, name, 64 + (size_t) name);
        CHECK(p && p->bytes == 64 + (size_t) name && ((const uint8_t *) p->data)[p->bytes - 1] == (uint8_t) name);
        if (i % 50 == 0) packs_trim(packs, 100);
        if (p) give_back(p);
    }
    return NULL;
}

static void threads(void)
{
    const int64_t live = core_alloc_live();
    struct packs *packs = packs_create();
    pthread_t other[3];
    int started = 0;
    while (started < 3 && pthread_create(&other[started], NULL, hammer, packs) == 0) started++;
    hammer(packs);
    for (int i = 0; i < started; i++) pthread_join(other[i], NULL);
    packs_unref(&packs);
    CHECK_INT(core_alloc_live(), live);
}

/* A network prepared for two sizes packs its weights once, folded batch norm and all; the results are those of a network of its own. */
static void sizes_share(void)
{
    struct prepared *ready[3] = {NULL};
    struct graph *g[2];
    for (int i = 0; i < 2; i++) {
        g[i] = graph_create();
        net_state = 9;
        const int x = net_input(g[i], "x", FM_F32, NET_DIMS(1, 3, -1, -1));
        const int p[5] = {net_conv(g[i], x, 3, 32, 3, 1, true), net_weights(g[i], 0.5f, 1.5f, NET_DIMS(32)),
            net_weights(g[i], -1, 1, NET_DIMS(32)), net_weights(g[i], -1, 1, NET_DIMS(32)),
            net_weights(g[i], 0.5f, 1.5f, NET_DIMS(32))};
        const int y = net_node(g[i], OP_BATCH_NORM, "norm", 5, p);
        net_params(g[i])->norm.epsilon = 1e-3f;
        net_output(g[i], net_conv(g[i], NET_NODE(g[i], OP_RELU, y), 32, 32, 3, 1, true));
    }
    const struct prepare_options options = {.threads = 1, .cpu_flags = cpu_flags(), .regions = true};
    struct backend_info info;
    const uint64_t start = core_alloc_count();
    struct fm_tensor in[2] = {net_tensor(NET_DIMS(1, 3, 20, 30)), net_tensor(NET_DIMS(1, 3, 33, 21))};
    CHECK_INT(session_prepare(g[0], &in[0], &options, &ready[0], NULL), FM_OK);
    const uint64_t first = core_alloc_count() - start;
    CHECK_INT(session_prepare(g[0], &in[1], &options, &ready[1], NULL), FM_OK);
    const uint64_t second = core_alloc_count() - start - first;
    CHECK_MSG(second < first, "%d allocations, then %d", (int) first, (int) second);
    CHECK_INT(session_prepare(g[1], &in[1], &options, &ready[2], NULL), FM_OK);
    ready[0]->backend->program_info(ready[0]->program, &info);
    CHECK(info.weights_bytes > 0);
    session_prepared_destroy(&ready[0]);
    struct pool *pool = NULL;
    float *out[2];
    if (CHECK_INT(pool_create(1, &pool, NULL), FM_OK)) {
        for (int i = 0; i < 2; i++) {
            struct session_work *work = NULL;
            out[i] = calloc(32 * 33 * 21, sizeof(float));
            CHECK_INT(session_work_create(ready[1 + i], pool, true, &work, NULL), FM_OK);
            const struct rect all = {0, 0, 21, 33};
            CHECK_INT(session_region_run(work, all, all, in[1].data, out[i], NULL, NULL), FM_OK);
            session_work_destroy(&work);
        }
        CHECK_MEM(out[0], out[1], 32 * 33 * 21 * sizeof(float));
        free(out[0]);
        free(out[1]);
    }
    pool_destroy(&pool);
    session_prepared_destroy(&ready[1]);
    session_prepared_destroy(&ready[2]);
    for (int i = 0; i < 2; i++) core_free(in[i].data), graph_destroy(&g[i]);
}

int main(void)
{
    RUN(keys);
    RUN(kept_and_dropped);
    RUN(bounded);
    RUN(no_memory);
    RUN(threads);
    RUN(sizes_share);
    return check_report();
}
