/* SPDX-License-Identifier: MIT */
/* Small ncnn networks in memory: layer lines and weights in, results out. */
#ifndef FM_TESTS_NCNN_NET_H
#define FM_TESTS_NCNN_NET_H

#include "check.h"
#include "core/alloc.h"
#include "core/half.h"
#include "model/model.h"

#define NET_OUTPUTS 8

struct net {
    uint8_t bin[1 << 16];
    size_t n;
    uint32_t seed;
};

struct result {
    int rc, n;
    struct fm_error error;
    struct fm_tensor out[NET_OUTPUTS];
    const float *y; /* of output 0 */
};

/* -1..1, never 0 */
CHECK_UNUSED static float net_random(struct net *net)
{
    net->seed = net->seed * 1664525u + 1013904223u;
    return ((float) (net->seed >> 9) + 0.5f) / 4194304.0f - 1.0f;
}

CHECK_UNUSED static void net_u32(struct net *net, uint32_t v)
{
    memcpy(net->bin + net->n, &v, 4);
    net->n += 4;
}

CHECK_UNUSED static void net_floats(struct net *net, int n, const float *v)
{
    memcpy(net->bin + net->n, v, (size_t) n * 4);
    net->n += (size_t) n * 4;
}

/* Fills v with random numbers and appends them, behind a zero flag when tagged. */
CHECK_UNUSED static void net_weights(struct net *net, int n, float *v, bool tagged)
{
    if (tagged) net_u32(net, 0);
    for (int i = 0; i < n; i++) v[i] = net_random(net);
    net_floats(net, n, v);
}

CHECK_UNUSED static void net_fill(struct net *net, int n, float *v)
{
    for (int i = 0; i < n; i++) v[i] = net_random(net);
}

/* `lines` are the layers, each ending in \n; the two lines before them are made here. */
CHECK_UNUSED static int net_import(const struct net *net, const char *lines, struct graph **graph, struct fm_error *error)
{
    static char text[1 << 16];
    int n = 0;
    for (const char *p = lines; *p; p++) n += *p == '\n';
    const int size = snprintf(text, sizeof text, "7767517\n%d %d\n%s", n, n * 4, lines);
    char *exact = malloc((size_t) size); /* without a terminating zero: reading past the end shows */
    memcpy(exact, text, (size_t) size);
    memset(error, 0, sizeof *error);
    const int rc = ncnn_import(exact, (size_t) size, "net.param", net->bin, net->n, "net.bin", graph, error);
    free(exact);
    return rc;
}

CHECK_UNUSED static void net_free(struct result *r)
{
    for (int i = 0; i < r->n; i++) core_free(r->out[i].data);
    memset(r, 0, sizeof *r);
}

CHECK_UNUSED static struct result net_run_many(const struct net *net, const char *lines, const struct fm_tensor *in)
{
    struct graph *graph = NULL, *fixed = NULL;
    struct result r = {0};
    r.rc = net_import(net, lines, &graph, &r.error);
    if (!r.rc) r.rc = graph_specialise(graph, in, &fixed, &r.error);
    if (!r.rc && fixed->n_outputs > NET_OUTPUTS) r.rc = FM_ERR_ARGUMENT;
    if (!r.rc) r.rc = graph_interpret(fixed, in, r.out, &r.error);
    if (!r.rc) {
        r.n = fixed->n_outputs;
        r.y = r.out[0].data;
    }
    graph_destroy(&fixed);
    graph_destroy(&graph);
    return r;
}

/* One input of the given dimensions (0 ends them), without the batch. */
CHECK_UNUSED static struct result net_run(const struct net *net, const char *lines, const float *x, int a, int b, int c)
{
    struct fm_tensor in = {.dtype = FM_F32, .rank = c ? 4 : b ? 3 : 2, .dim = {1, a, b, c}, .data = (void *) (uintptr_t) x};
    return net_run_many(net, lines, &in);
}

/* The result is there and has these dimensions behind the batch (0 ends them). */
#define CHECK_RESULT(r, a, b, c) check_result(&(r), a, b, c, __FILE__, __LINE__)

CHECK_UNUSED static bool check_result(const struct result *r, int64_t a, int64_t b, int64_t c, const char *file, int line)
{
    if (!check_msg(r->rc == 0, file, line, "error %d: %s", r->rc, r->error.message)) return false;
    const int rank = c ? 4 : b ? 3 : 2;
    const int64_t want[4] = {1, a, b, c};
    bool same = r->out[0].rank == rank;
    for (int i = 0; same && i < rank; i++) same = r->out[0].dim[i] == want[i];
    return check_msg(same, file, line, "result is %d-D [%d][%d][%d][%d], must be [1][%d][%d][%d]", r->out[0].rank,
        (int) r->out[0].dim[0], (int) r->out[0].dim[1], (int) r->out[0].dim[2], (int) r->out[0].dim[3], (int) a, (int) b, (int) c);
}

#endif
