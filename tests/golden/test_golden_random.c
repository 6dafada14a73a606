/* SPDX-License-Identifier: MIT */
/* Networks of random layers: what no list of cases thinks of. A seed makes the same network on every machine; a failing one is named. */
#include "golden.h"
#include "net_random.h"

#define NETS 400
/* Random layers may magnify what rounding leaves: a faulty kernel is off by far more. */
#define TOLERANCE 1e-3

static void try_seed(uint32_t seed)
{
    char name[64];
    net_state = seed * 2654435761u + 1;
    struct graph *g = graph_create();
    if (!CHECK(g != NULL)) return;
    const int64_t channels = 1 + net_pick(16), h = 8 + 2 * net_pick(22), w = 8 + 2 * net_pick(30);
    struct net_pool pool = {.limit = 2 * h, .any_size = false};
    net_pool_add(&pool, net_picture(g, channels), channels, h, w);
    for (int i = 3 + net_pick(12); i > 0; i--) net_random_step(g, &pool);
    int last = pool.value[pool.n - 1];
    if (pool.n == 1) last = net_conv(g, last, channels, 3, 3, 1, true);
    net_output(g, last);
    struct fm_tensor in = net_tensor(NET_DIMS(1, channels, h, w));
    snprintf(name, sizeof name, "seed %u", (unsigned) seed);
    golden_check(name, g, &in, GOLDEN_ASK, seed % 5 ? GOLDEN_QUICK : GOLDEN_FULL, TOLERANCE);
    core_free(in.data);
    graph_destroy(&g);
}

static void random_networks(void)
{
    const uint32_t last = (uint32_t) check_cases(NETS);
    for (uint32_t seed = 1; seed <= last; seed++) try_seed(seed);
}

int main(int argc, char **argv)
{
    if (!golden_begin()) return 1;
    if (argc > 1) { /* FIRST [LAST]: these seeds alone */
        for (uint32_t seed = (uint32_t) atoi(argv[1]), last = argc > 2 ? (uint32_t) atoi(argv[2]) : seed; seed <= last; seed++)
            try_seed(seed);
        golden_end();
        return atomic_load(&check_faults) != 0;
    }
    RUN(random_networks);
    golden_end();
    return check_report();
}
