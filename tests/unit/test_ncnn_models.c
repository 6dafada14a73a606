/* SPDX-License-Identifier: MIT */
/* Published ncnn networks against their ONNX form, and what upscalers make of a plain picture. */
#include "ncnn_net.h"

#include "graph/op.h"

static int64_t count_of(const struct graph_value *v)
{
    int64_t n = 1;
    for (int i = 0; i < v->rank; i++) n *= v->dim[i];
    return n;
}

/* Gives the convolutions of `to` the weights of those of `from`, in order: the ONNX form of a detector is in float32, or of another
 * training, and only the structure is to be compared. The number of convolutions, or -1 when they do not match. */
static int copy_weights(const struct graph *from, struct graph *to)
{
    int a = 0, n = 0;
    for (int b = 0; b < to->n_nodes; b++) {
        if (to->node[b].op != OP_CONV) continue;
        while (a < from->n_nodes && from->node[a].op != OP_CONV) a++;
        if (a == from->n_nodes) return -1;
        for (int k = 1; k < 3; k++) {
            const struct graph_value *w = &from->value[from->node[a].in[k]];
            struct graph_value *v = &to->value[to->node[b].in[k]];
            if (!w->data || !v->data || v->dtype != FM_F32 || count_of(v) != count_of(w)) return -1;
            float *data = arena_array(to->arena, (size_t) count_of(w), sizeof *data);
            if (!data) return -1;
            op_read_f32(data, w->dtype, w->data, 0, count_of(w));
            v->data = data;
        }
        a++;
        n++;
    }
    return n;
}

static struct graph *load(const char *path)
{
    struct graph *graph = NULL;
    struct fm_error error = {0};
    CHECK_MSG(model_load(path, &graph, &error) == FM_OK, "%s", error.message);
    return graph;
}

static void run(const struct graph *graph, int h, int w, struct fm_tensor *out, int n_out)
{
    struct net net = {.seed = 3};
    struct graph *fixed = NULL;
    struct fm_error error = {0};
    const int64_t c = graph->value[graph->input[0]].dim[1];
    float *x = malloc((size_t) (c * h * w) * 4);
    const struct fm_tensor in = {.dtype = FM_F32, .rank = 4, .dim = {1, c, h, w}, .data = x};
    net_fill(&net, (int) (c * h * w), x);
    for (int64_t i = 0; i < c * h * w; i++) x[i] = 0.5f * x[i] + 0.5f;
    int rc = graph_specialise(graph, &in, &fixed, &error);
    if (!rc && CHECK_INT(fixed->n_outputs, n_out)) rc = graph_interpret(fixed, &in, out, &error);
    CHECK_MSG(rc == FM_OK, "%s", error.message);
    graph_destroy(&fixed);
    free(x);
}

/* Both forms at the same input; `exchange`: with the weights of the ncnn file in both. */
static void against_onnx(const char *param, const char *onnx, int h, int w, bool exchange)
{
    char path[2][1024];
    const char *shared = check_shared("");
    snprintf(path[0], sizeof path[0], "%s%s", shared, param);
    snprintf(path[1], sizeof path[1], "%s%s", shared, onnx);
    struct graph *a = load(path[0]), *b = load(path[1]);
    if (a && b) {
        struct fm_tensor y[2] = {{0}, {0}};
        if (exchange) CHECK(copy_weights(a, b) > 0);
        run(a, h, w, &y[0], 1);
        run(b, h, w, &y[1], 1);
        const int64_t n = y[0].data && y[1].data ? fm_tensor_count(&y[0]) : -1;
        if (CHECK_MSG(n > 0 && n == fm_tensor_count(&y[1]), "%s: the results differ in size", param)) {
            const float *p = y[0].data, *q = y[1].data;
            double worst = 0, high = 0;
            for (int64_t i = 0; i < n; i++) {
                worst = fmax(worst, fabs((double) p[i] - (double) q[i]));
                high = fmax(high, fabs((double) q[i]));
            }
            CHECK_MSG(
                worst <= (exchange ? 3e-5 : 1e-5) * fmax(high, 1), "%s: %g from the ONNX form (largest %g)", param, worst, high);
        }
        core_free(y[0].data);
        core_free(y[1].data);
    }
    graph_destroy(&a);
    graph_destroy(&b);
}

static void bench_networks(void)
{
    static const char *const name[] = {"ivs", "sesr_m5", "sesr_m11", "piper", "srvgg"};
    if (!check_shared("bench/ivs.param")) SKIP("no shared networks");
    for (int i = 0; i < 5; i++) {
        char param[64], onnx[64];
        snprintf(param, sizeof param, "bench/%s.param", name[i]);
        snprintf(onnx, sizeof onnx, "bench/%s.onnx", name[i]);
        against_onnx(param, onnx, 24, 16, false);
    }
}

static void detectors(void)
{
    if (!check_shared("data/detect/FastestDet")) SKIP("no shared networks");
    against_onnx("data/detect/FastestDet/FastestDet.param", "data/detect/FastestDet/FastestDet.onnx", 352, 352, true);
    against_onnx("data/detect/yolox_nano_ncnn/yolox-nano.param", "data/detect/yolox_nano_onnx/yolox_nano.onnx", 416, 416, true);
}

/* A picture that is one colour stays nearly one colour, at the size that the name promises. */
static void upscalers(void)
{
    static const struct {
        const char *name;
        int scale, border;
    } all[] = {{"data/models/realesr-animevideov3/realesr-animevideov3-x2.param", 2, 0},
        {"data/models/realesr-animevideov3/realesr-animevideov3-x3.param", 3, 0},
        {"data/models/realesr-animevideov3/realesr-animevideov3-x4.param", 4, 0},
        {"data/models/waifu2x_photo/scale2.0x_model.param", 2, 14}};
    if (!check_shared("data/models/waifu2x_photo")) SKIP("no shared networks");
    for (int i = 0; i < 4; i++) {
        enum { H = 33, W = 34 };
        static float x[3 * H * W];
        const struct fm_tensor in = {.dtype = FM_F32, .rank = 4, .dim = {1, 3, H, W}, .data = x};
        for (int k = 0; k < 3 * H * W; k++) x[k] = 0.25f + 0.25f * (float) (k / (H * W));
        struct graph *graph = load(check_shared(all[i].name)), *fixed = NULL;
        struct fm_error error = {0};
        struct fm_tensor y = {0};
        if (!graph) continue;
        const int rc = graph_specialise(graph, &in, &fixed, &error);
        if (CHECK_MSG(!rc && !graph_interpret(fixed, &in, &y, &error), "%s", error.message)) {
            const int h = H * all[i].scale - 2 * all[i].border, w = W * all[i].scale - 2 * all[i].border;
            CHECK_INT(y.dim[1], 3);
            CHECK_INT(y.dim[2], h);
            CHECK_INT(y.dim[3], w);
            for (int c = 0; c < 3; c++) CHECK_NEAR(((float *) y.data)[(c * h + h / 2) * w + w / 2], 0.25 + 0.25 * c, 0.03);
        }
        core_free(y.data);
        graph_destroy(&fixed);
        graph_destroy(&graph);
    }
}

int main(void)
{
    RUN(bench_networks);
    RUN(detectors);
    RUN(upscalers);
    return check_report();
}
