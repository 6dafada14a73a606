/* SPDX-License-Identifier: MIT */
/* Published networks, small inputs: the rewritten graph gives the same numbers as the plain one, the fields are the known ones. */
#include "graph/field.h"
#include "model/model.h"
#include "net.h"

struct expected {
    const char *path;
    int64_t channels, scale; /* of the picture that goes in; output size per input size, 0 for networks that crop */
    int64_t halo;
    int nodes;               /* after the rewrite, at most */
};

/* Halos are the numbers of 3x3 layers, twos for 5x5 ones, half a pixel for what enlarges, rounded up. */
static const struct expected nets[] = {
    { "bench/piper.onnx", 3, 2, 15, 14 },
    { "bench/srvgg.onnx", 3, 4, 19, 18 },
    { "bench/sesr_m5.onnx", 1, 2, 10, 7 },
    { "bench/sesr_m11.onnx", 1, 2, 16, 13 },
    { "bench/ivs.onnx", 1, 1, 6, 6 },
    { "bench/piper.param", 3, 2, 15, 14 },
    { "bench/srvgg.param", 3, 4, 19, 18 },
    { "bench/sesr_m5.param", 1, 2, 10, 7 },
    { "bench/sesr_m11.param", 1, 2, 16, 13 },
    { "bench/ivs.param", 1, 1, 6, 6 },
    { "data/models/acnet/acnet_gan.onnx", 1, 2, 10, 10 },
    { "data/models/acnet/acnet_hdn1.onnx", 1, 2, 10, 10 },
    { "data/models/acnet/arnet_b4_le.onnx", 1, 2, 11, 11 },
    { "data/models/acnet/arnet_b16_le.onnx", 1, 2, 35, 35 },
    { "data/models/realesr-animevideov3/realesr-animevideov3-x4.param", 3, 4, 19, 20 },
    { "data/models/waifu2x_photo/scale2.0x_model.param", 3, 0, 14, 7 },
};

static void try_net(const struct expected *e, const char *path)
{
    struct fm_error error = { 0 };
    struct graph *g = NULL, *plain = NULL, *fused = NULL;
    const int64_t size = e->scale ? 16 : 40, live = core_alloc_live();
    if (!CHECK_MSG(model_load(path, &g, &error) == FM_OK, "%s", error.message))
        return;
    struct fm_tensor in = net_tensor(NET_DIMS(1, e->channels, size, size)), before = { 0 }, after = { 0 };
    for (int64_t i = 0; i < e->channels * size * size; i++)
        ((float *) in.data)[i] = 0.5f + 0.25f * ((float *) in.data)[i];
    bool good = CHECK_MSG(graph_specialise(g, &in, &plain, &error) == FM_OK, "%s", error.message) &&
                CHECK_MSG(graph_specialise(g, &in, &fused, &error) == FM_OK, "%s", error.message) &&
                CHECK_MSG(graph_rewrite(fused, &error) == FM_OK, "%s", error.message) &&
                CHECK_MSG(graph_check(fused, &error) == FM_OK, "%s", error.message);
    struct graph_field f = { 0 };
    if (good) {
        CHECK_INT(graph_field(fused, &f), FM_OK);
        const struct graph_value *out = &fused->value[fused->output[0]];
        CHECK(fused->n_nodes <= plain->n_nodes);
        CHECK_MSG(f.bounded, "%s: %s", path, f.reason);
        if (e->scale) {
            CHECK_INT(out->dim[2], size * e->scale);
            CHECK_INT(f.scale_num[1], e->scale);
        }
        CHECK_INT(f.halo, e->halo);
        CHECK_MSG(fused->n_nodes <= e->nodes, "%s: %d nodes after the rewrite", path, fused->n_nodes);
    }
    good = good && CHECK_MSG(graph_interpret(plain, &in, &before, &error) == FM_OK, "%s", error.message) &&
           CHECK_MSG(graph_interpret(fused, &in, &after, &error) == FM_OK, "%s", error.message);
    if (good) {
        const double difference = net_difference(&before, &after);
        CHECK_MSG(difference < 1e-5, "%s: %g", path, difference);
    }
    core_free(in.data);
    core_free(before.data);
    core_free(after.data);
    graph_destroy(&plain);
    graph_destroy(&fused);
    graph_destroy(&g);
    CHECK_INT(core_alloc_live(), live);
}

static void published_networks(void)
{
    int tried = 0;
    for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
        const char *path = check_shared(nets[i].path);
        if (!path)
            continue;
        char copy[1024];
        snprintf(copy, sizeof(copy), "%s", path);
        try_net(&nets[i], copy);
        tried++;
    }
    if (!tried)
        SKIP("no networks beside the project");
}

int main(void)
{
    RUN(published_networks);
    return check_report();
}
