/* SPDX-License-Identifier: MIT */
/* Elementwise, layout, resizing and normalising layers of the ncnn importer against the formulas of ncnn's operator list. */
#include "ncnn_net.h"

#define C 4
#define H 6
#define W 8
#define N (C * H * W)

static float x[N];

static void fill(uint32_t seed)
{
    struct net net = {.seed = seed};
    net_fill(&net, N, x);
}

static float at(int c, int y, int i)
{
    return x[(c * H + y) * W + i];
}

/* One layer line on the [4][6][8] input. */
static struct result one(const struct net *net, const char *layer)
{
    static const struct net none;
    char lines[1024];
    snprintf(lines, sizeof lines, "Input in 0 1 x\n%s\n", layer);
    return net_run(net ? net : &none, lines, x, C, H, W);
}

static double erf_gelu(double v)
{
    return 0.5 * v * (1 + erf(v / sqrt(2)));
}
static double tanh_gelu(double v)
{
    return 0.5 * v * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (v + 0.044715 * v * v * v)));
}
static double clamp(double v, double low, double high)
{
    return v < low ? low : v > high ? high : v;
}

static void activations(void)
{
    static const char *const layer[] = {"ReLU a 1 1 x y", "ReLU a 1 1 x y 0=0.1", "Sigmoid a 1 1 x y", "Swish a 1 1 x y",
        "Mish a 1 1 x y", "TanH a 1 1 x y", "Softplus a 1 1 x y", "Erf a 1 1 x y", "AbsVal a 1 1 x y", "ELU a 1 1 x y",
        "ELU a 1 1 x y 0=1.5", "SELU a 1 1 x y", "CELU a 1 1 x y 0=0.7", "GELU a 1 1 x y", "GELU a 1 1 x y 0=1",
        "HardSigmoid a 1 1 x y", "HardSwish a 1 1 x y 0=0.25 1=0.4", "Clip a 1 1 x y 0=-0.3 1=0.6", "Threshold a 1 1 x y 0=0.2",
        "Power a 1 1 x y 0=2.0 1=3.0 2=0.5", "Exp a 1 1 x y", "Exp a 1 1 x y 0=2.0 1=0.5 2=1.0", "Log a 1 1 x y 1=0.5 2=1.0",
        "Log a 1 1 x y 0=10.0 1=0.5 2=1.0", "Dropout a 1 1 x y 0=0.5", "Dropout a 1 1 x y", "Noop a 1 1 x y", "DeepCopy a 1 1 x y",
        "BNLL a 1 1 x y"};
    fill(1);
    for (size_t k = 0; k < sizeof layer / sizeof *layer; k++) {
        struct result r = one(NULL, layer[k]);
        if (!CHECK_RESULT(r, C, H, W)) continue;
        for (int i = 0; i < N; i++) {
            const double v = (double) x[i], s = 1 / (1 + exp(-v)), sp = log1p(exp(v));
            const double a = 1.67326324, l = 1.050700987;
            const double want[] = {v > 0 ? v : 0, v > 0 ? v : 0.1 * v, s, v * s, v * tanh(sp), tanh(v), sp, erf(v), fabs(v),
                v > 0 ? v : 0.1 * expm1(v), v > 0 ? v : 1.5 * expm1(v), l * (v > 0 ? v : a * expm1(v)),
                v > 0 ? v : 0.7 * expm1(v / 0.7), erf_gelu(v), tanh_gelu(v), clamp(0.2 * v + 0.5, 0, 1),
                v * clamp(0.25 * v + 0.4, 0, 1), clamp(v, -0.3, 0.6), v > 0.2, pow(3 * v + 0.5, 2), exp(v), pow(2, 1 + 0.5 * v),
                log(1 + 0.5 * v), log10(1 + 0.5 * v), 0.5 * v, v, v, v, sp};
            if (!CHECK_MSG(
                    fabs((double) r.y[i] - want[k]) < 1e-5, "%s: %g for %g, must be %g", layer[k], (double) r.y[i], v, want[k]))
                break;
        }
        net_free(&r);
    }
}

static void unary_ops(void)
{
    for (int type = 0; type < 20; type++) {
        const bool rounds = type == 2 || type == 3 || type >= 18;
        char layer[64];
        snprintf(layer, sizeof layer, "UnaryOp u 1 1 x y 0=%d", type);
        fill(2);
        for (int i = 0; i < N; i++) x[i] = rounds ? 4 * x[i] : 0.9f * fabsf(x[i]) + 0.01f;
        if (rounds) x[0] = 2.5f;
        struct result r = one(NULL, layer);
        if (!CHECK_RESULT(r, C, H, W)) continue;
        for (int i = 0; i < N; i++) {
            const double v = (double) x[i];
            const double want[] = {fabs(v), -v, floor(v), ceil(v), v * v, sqrt(v), 1 / sqrt(v), exp(v), log(v), sin(v), cos(v),
                tan(v), asin(v), acos(v), atan(v), 1 / v, tanh(v), log10(v), nearbyint(v), trunc(v)};
            if (!CHECK_MSG(fabs((double) r.y[i] - want[type]) <= 1e-4 * (1 + fabs(want[type])), "%s: %g for %g", layer,
                    (double) r.y[i], v))
                break;
        }
        net_free(&r);
    }
    struct result r = one(NULL, "UnaryOp u 1 1 x y 0=20");
    CHECK_INT(r.rc, FM_ERR_UNSUPPORTED);
    CHECK_HAS(r.error.message, "UnaryOp 'u'");
}

static double binary(int type, double a, double b)
{
    const double v[] = {
        a + b, a - b, a * b, a / b, fmax(a, b), fmin(a, b), pow(a, b), b - a, b / a, pow(b, a), atan2(a, b), atan2(b, a)};
    return v[type];
}

/* The other operand as a constant of each shape that ncnn lets meet a [c][h][w]. */
static void binary_ops(void)
{
    static const struct {
        const char *size;
        int n, c, y, i;
    } other[] = {{"0=1", 1, 0, 0, 0}, {"0=4", 4, 1, 0, 0}, {"0=6 1=4", 24, 6, 1, 0}, {"0=8 1=6 2=4", N, 48, 8, 1},
        {"0=1 1=1 2=4", 4, 1, 0, 0}, {"0=8 1=6 2=1", 48, 0, 8, 1}, {"0=1 1=6 2=4", 24, 6, 1, 0}, {"0=8 1=1 2=4", 32, 8, 0, 1},
        {"0=8", 8, 0, 0, 1}};
    fill(3);
    for (int i = 0; i < N; i++) x[i] = fabsf(x[i]) + 0.1f;
    for (int type = 0; type < 12; type++)
        for (size_t k = 0; k < sizeof other / sizeof *other; k++)
            for (int reversed = 0; reversed < 2; reversed++) {
                struct net net = {.seed = 4};
                static float b[N];
                char lines[256];
                net_fill(&net, other[k].n, b);
                for (int i = 0; i < other[k].n; i++) b[i] = fabsf(b[i]) + 0.1f;
                net_floats(&net, other[k].n, b);
                snprintf(lines, sizeof lines,
                    "Input in 0 1 x 0=8 1=6 2=4\nMemoryData m 0 1 b %s\nPadding p 1 1 x x2 0=0\nBinaryOp o 2 1 %s y 0=%d\n",
                    other[k].size, reversed ? "b x2" : "x2 b", type);
                /* the vector of 8 cannot be for 4 channels: it goes along the rows */
                struct result r = net_run(&net, lines, x, C, H, W);
                if (!CHECK_RESULT(r, C, H, W)) continue;
                for (int c = 0; c < C; c++)
                    for (int y = 0; y < H; y++)
                        for (int i = 0; i < W; i++) {
                            const double v = (double) b[c * other[k].c + y * other[k].y + i * other[k].i], u = (double) at(c, y, i);
                            const double want = reversed ? binary(type, v, u) : binary(type, u, v);
                            CHECK_NEAR(r.y[(c * H + y) * W + i], want, 1e-4 * (1 + fabs(want)));
                        }
                net_free(&r);
            }
    for (int type = 0; type < 12; type++) {
        char layer[64];
        snprintf(layer, sizeof layer, "BinaryOp o 1 1 x y 0=%d 1=1 2=0.75", type);
        struct result r = one(NULL, layer);
        if (CHECK_RESULT(r, C, H, W))
            for (int i = 0; i < N; i++) CHECK_NEAR(r.y[i], binary(type, (double) x[i], 0.75), 1e-4);
        net_free(&r);
    }
}

static void eltwise(void)
{
    static float a[N], b[N];
    struct net net = {.seed = 5};
    net_fill(&net, N, a);
    net_fill(&net, N, b);
    net_floats(&net, N, a);
    net_floats(&net, N, b);
    fill(6);
    static const char *const how[] = {"0=0", "0=1", "0=1 -23301=3,2.0,-1.0,0.5", "0=2"};
    for (int k = 0; k < 4; k++) {
        char layer[256];
        snprintf(layer, sizeof layer, "MemoryData m 0 1 a 0=8 1=6 2=4\nMemoryData n 0 1 b 0=8 1=6 2=4\nEltwise e 3 1 x a b y %s",
            how[k]);
        struct result r = one(&net, layer);
        if (CHECK_RESULT(r, C, H, W))
            for (int i = 0; i < N; i++) {
                const float want[] = {
                    x[i] * a[i] * b[i], x[i] + a[i] + b[i], 2 * x[i] - a[i] + b[i] / 2, fmaxf(fmaxf(x[i], a[i]), b[i])};
                CHECK_NEAR(r.y[i], want[k], 1e-5);
            }
        net_free(&r);
    }
}

static void per_channel(void)
{
    static float w[4][C];
    struct net net = {.seed = 7};
    fill(8);
    for (int k = 0; k < 4; k++) net_weights(&net, C, w[k], false);
    for (int c = 0; c < C; c++) w[2][c] = fabsf(w[2][c]) + 0.1f;
    net.n = 0;
    for (int k = 0; k < 4; k++) net_floats(&net, C, w[k]);
    struct net two = net, first = net;
    two.n = 2 * C * 4;
    first.n = C * 4;
    struct result r[5] = {one(&first, "PReLU p 1 1 x y 0=4"), one(&two, "Scale s 1 1 x y 0=4 1=1"),
        one(&first, "Bias b 1 1 x y 0=4"), one(&net, "BatchNorm b 1 1 x y 0=4 1=0.01"), {0}};
    struct net slope = {.n = 0};
    net_floats(&slope, 1, &w[0][0]);
    r[4] = one(&slope, "PReLU p 1 1 x y 0=1");
    for (int k = 0; k < 5; k++) {
        if (CHECK_RESULT(r[k], C, H, W))
            for (int i = 0; i < N; i++) {
                const int c = i / (H * W);
                const float v = x[i];
                const float want[] = {v > 0 ? v : v * w[0][c], v * w[0][c] + w[1][c], v + w[0][c],
                    (v - w[1][c]) / sqrtf(w[2][c] + 0.01f) * w[0][c] + w[3][c], v > 0 ? v : v * w[0][0]};
                CHECK_NEAR(r[k].y[i], want[k], 1e-4);
            }
        net_free(&r[k]);
    }
    struct result s = one(&first, "MemoryData m 0 1 s 0=4\nScale s 2 1 x s y 0=-233");
    if (CHECK_RESULT(s, C, H, W))
        for (int i = 0; i < N; i++) CHECK_NEAR(s.y[i], x[i] * w[0][i / (H * W)], 1e-6);
    net_free(&s);
}

static void slices(void)
{
    fill(9);
    /* 6 rows as 2, then the rest in equal shares */
    struct result r = net_run(&(struct net){0}, "Input in 0 1 x\nSlice s 1 3 x a b c -23300=3,2,-233,-233 1=1\n", x, C, H, W);
    if (CHECK_RESULT(r, C, 2, W) && CHECK_INT(r.n, 3))
        for (int k = 0; k < 3; k++) {
            const float *y = r.out[k].data;
            CHECK_INT(r.out[k].dim[2], 2);
            for (int c = 0; c < C; c++)
                for (int i = 0; i < 2 * W; i++) CHECK_NEAR(y[c * 2 * W + i], at(c, 2 * k + i / W, i % W), 0);
        }
    net_free(&r);
    /* 8 columns in 3: 2, 3, 3 */
    r = net_run(&(struct net){0}, "Input in 0 1 x\nSlice s 1 3 x a b c -23300=3,-233,-233,-233 1=-1\n", x, C, H, W);
    if (CHECK_RESULT(r, C, H, 2)) {
        CHECK_INT(r.out[1].dim[3], 3);
        CHECK_INT(r.out[2].dim[3], 3);
        CHECK_NEAR(((float *) r.out[1].data)[0], at(0, 0, 2), 0);
        CHECK_NEAR(((float *) r.out[2].data)[2], at(0, 0, 7), 0);
    }
    net_free(&r);
    r = net_run(&(struct net){0}, "Input in 0 1 x\nSlice s 1 2 x a b -23300=2,1,3\nConcat c 2 1 b a y\n", x, C, H, W);
    if (CHECK_RESULT(r, C, H, W))
        for (int i = 0; i < N; i++) CHECK_NEAR(r.y[i], x[(i + H * W) % N], 0);
    net_free(&r);
    r = net_run(&(struct net){0}, "Input in 0 1 x\nSlice s 1 2 x a b -23302=1,-3 1=2\n", x, C, H, W);
    if (CHECK_RESULT(r, C, H, 5)) CHECK_NEAR(((float *) r.out[1].data)[0], at(0, 0, 5), 0);
    net_free(&r);
    r = net_run(&(struct net){0}, "Input in 0 1 x\nSplit s 1 2 x a b\nConcat c 2 1 a b y 0=2\n", x, C, H, W);
    if (CHECK_RESULT(r, C, H, 2 * W))
        for (int i = 0; i < 2 * N; i++) CHECK_NEAR(r.y[i], x[i / (2 * W) * W + i % W], 0);
    net_free(&r);
}

/* Result pixel (c, y, i) is x at (c + dc, y + dy, i + di). */
static void shifted(struct result r, int c, int h, int w, int dc, int dy, int di)
{
    if (CHECK_RESULT(r, c, h, w))
        for (int k = 0; k < c * h * w; k++) {
            if (!CHECK_NEAR(r.y[k], at(k / (h * w) + dc, k / w % h + dy, k % w + di), 0)) break;
        }
    net_free(&r);
}

static void crops(void)
{
    fill(10);
    shifted(one(NULL, "Crop c 1 1 x y -23309=2,1,-5 -23310=2,-2,-1 -23311=2,1,2"), C, 3, 4, 0, 1, 3);
    shifted(one(NULL, "Crop c 1 1 x y -23309=1,1 -23310=1,-233 -23311=1,0"), 3, H, W, 1, 0, 0);
    shifted(one(NULL, "Crop c 1 1 x y 0=1 1=2 2=1 3=4 4=3 5=2"), 2, 3, 4, 1, 2, 1);
    shifted(one(NULL, "Crop c 1 1 x y 0=1 1=2 3=-233 4=-233 5=-233 6=3 7=1"), C, 3, 4, 0, 2, 1);
    shifted(one(NULL, "Crop c 1 1 x y 0=2 1=-233 2=-233 3=1"), 1, H, W, 2, 0, 0);
    struct net net = {.n = 2 * 3 * 4 * 4};
    shifted(one(&net, "MemoryData m 0 1 r 0=4 1=3 2=2\nCrop c 2 1 x r y 0=2 1=1 2=1"), 2, 3, 4, 1, 1, 2);
}

static void padding(void)
{
    static const int types[] = {0, 1, 2};
    fill(11);
    for (int k = 0; k < 3; k++) {
        char layer[128];
        snprintf(layer, sizeof layer, "Padding p 1 1 x y 0=1 1=2 2=3 3=1 4=%d 5=0.5 7=%d", types[k], types[k] == 0);
        struct result r = one(NULL, layer);
        const int more = types[k] == 0;
        if (CHECK_RESULT(r, C + more, H + 3, W + 4))
            for (int i = 0; i < (C + more) * (H + 3) * (W + 4); i++) {
                int c = i / ((H + 3) * (W + 4)) - more, y = i / (W + 4) % (H + 3) - 1, j = i % (W + 4) - 3;
                const bool inside = c >= 0 && y >= 0 && y < H && j >= 0 && j < W;
                if (types[k] == 1) {
                    y = y < 0 ? 0 : y >= H ? H - 1 : y;
                    j = j < 0 ? 0 : j >= W ? W - 1 : j;
                } else if (types[k] == 2) {
                    y = y < 0 ? -y : y >= H ? 2 * H - 2 - y : y;
                    j = j < 0 ? -j : j >= W ? 2 * W - 2 - j : j;
                }
                CHECK_NEAR(r.y[i], types[k] == 0 && !inside ? 0.5f : at(c, y, j), 0);
            }
        net_free(&r);
    }
}

static void permutations(void)
{
    static const char *const order[] = {"whc", "hwc", "wch", "cwh", "hcw", "chw"}; /* axes of x, innermost of the result first */
    fill(12);
    for (int type = 0; type < 6; type++) {
        char layer[64];
        int size[3], from[3];
        for (int k = 0; k < 3; k++) {
            from[k] = order[type][k] == 'w' ? 2 : order[type][k] == 'h' ? 1 : 0;
            size[k] = from[k] == 2 ? W : from[k] == 1 ? H : C;
        }
        snprintf(layer, sizeof layer, "Permute p 1 1 x y 0=%d", type);
        struct result r = one(NULL, layer);
        if (CHECK_RESULT(r, size[2], size[1], size[0]))
            for (int i = 0; i < N; i++) {
                int place[3];
                place[from[0]] = i % size[0];
                place[from[1]] = i / size[0] % size[1];
                place[from[2]] = i / size[0] / size[1];
                CHECK_NEAR(r.y[i], at(place[0], place[1], place[2]), 0);
            }
        net_free(&r);
    }
    struct result r = net_run(&(struct net){0}, "Input in 0 1 x 0=8 1=24\nPermute p 1 1 x y 0=1\n", x, 24, 8, 0);
    if (CHECK_RESULT(r, 8, 24, 0))
        for (int i = 0; i < N; i++) CHECK_NEAR(r.y[i], x[i % 24 * 8 + i / 24], 0);
    net_free(&r);
}

static void channel_orders(void)
{
    fill(13);
    struct result r = one(NULL, "ShuffleChannel s 1 1 x y 0=2");
    if (CHECK_RESULT(r, C, H, W))
        for (int q = 0; q < C; q++) CHECK_NEAR(r.y[q * H * W + 5], at(q % 2 * 2 + q / 2, 0, 5), 0);
    net_free(&r);
    r = net_run(&(struct net){0}, "Input in 0 1 x\nShuffleChannel s 1 1 x z 0=3\nShuffleChannel t 1 1 z y 0=3 1=1\n", x, 12, 4, 4);
    if (CHECK_RESULT(r, 12, 4, 4)) CHECK_MEM(r.y, x, N * 4);
    net_free(&r);
    for (int mode = 0; mode < 2; mode++) {
        char layer[64];
        snprintf(layer, sizeof layer, "PixelShuffle s 1 1 x y 0=2 1=%d", mode); /* 4 channels: both orders are the same */
        r = one(NULL, layer);
        if (CHECK_RESULT(r, 1, 2 * H, 2 * W))
            for (int i = 0; i < N; i++) {
                const int y = i / (2 * W), j = i % (2 * W);
                CHECK_NEAR(r.y[i], at(y % 2 * 2 + j % 2, y / 2, j / 2), 0);
            }
        net_free(&r);
        char lines[128];
        snprintf(lines, sizeof lines, "Input in 0 1 x\nPixelShuffle s 1 1 x y 0=2 1=%d\n", mode);
        r = net_run(&(struct net){0}, lines, x, 8, 4, 6);
        if (CHECK_RESULT(r, 2, 8, 12))
            for (int i = 0; i < N; i++) {
                const int p = i / 96, y = i / 12 % 8, j = i % 12, sh = y % 2, sw = j % 2;
                const int q = mode ? (sh * 2 + sw) * 2 + p : p * 4 + sh * 2 + sw;
                CHECK_NEAR(r.y[i], x[(q * 4 + y / 2) * 6 + j / 2], 0);
            }
        net_free(&r);
        snprintf(layer, sizeof layer, "Reorg s 1 1 x y 0=2 1=%d", mode);
        r = one(NULL, layer);
        if (CHECK_RESULT(r, 4 * C, H / 2, W / 2))
            for (int i = 0; i < N; i++) {
                const int p = i / 12, y = i / 4 % 3, j = i % 4;
                const int q = mode ? p % C : p / 4, s = mode ? p / C : p % 4;
                CHECK_NEAR(r.y[i], at(q, 2 * y + s / 2, 2 * j + s % 2), 0);
            }
        net_free(&r);
    }
    r = one(NULL, "YoloV5Focus f 1 1 x y");
    if (CHECK_RESULT(r, 4 * C, H / 2, W / 2))
        for (int i = 0; i < N; i++) {
            const int p = i / 12, y = i / 4 % 3, j = i % 4, s = p / C;
            CHECK_NEAR(r.y[i], at(p % C, 2 * y + s % 2, 2 * j + s / 2), 0);
        }
    net_free(&r);
}

static void reshapes(void)
{
    static const struct {
        const char *layer;
        int a, b, c;
    } all[] = {{"Reshape r 1 1 x y 0=-1", N, 0, 0}, {"Reshape r 1 1 x y 0=-1 1=4", 4, 48, 0},
        {"Reshape r 1 1 x y 0=4 1=-1 2=2", 2, 24, 4}, {"Reshape r 1 1 x y 0=0 1=-1", 24, 8, 0},
        {"Reshape r 1 1 x y 0=0 1=0 2=0", C, H, W}, {"Reshape r 1 1 x y 0=-1 1=0", 6, 32, 0}, {"Flatten f 1 1 x y", N, 0, 0},
        {"Reshape r 1 1 x a 0=-1 1=4\nExpandDims e 1 1 a y -23303=1,1", 4, 1, 48},
        {"Reshape r 1 1 x a 0=-1\nExpandDims e 1 1 a y 0=1", N, 1, 0},
        {"Reshape r 1 1 x a 0=48 1=1 2=4\nSqueeze q 1 1 a y 1=1", 4, 48, 0},
        {"Reshape r 1 1 x a 0=48 1=1 2=4\nSqueeze q 1 1 a y -23303=1,-2", 4, 48, 0},
        {"Reshape r 1 1 x a 0=1 1=1 2=192\nSqueeze q 1 1 a y 0=1 1=1", N, 0, 0},
        {"Reshape r 1 1 x a 0=2 1=4 11=6 2=4\nReshape s 1 1 a y 0=0 1=-1", 96, 2, 0}};
    fill(14);
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        struct result r = one(NULL, all[k].layer);
        if (CHECK_RESULT(r, all[k].a, all[k].b, all[k].c))
            CHECK_MEM(r.y, x, N * 4);
        else
            CHECK_MSG(false, "%s", all[k].layer);
        net_free(&r);
    }
    struct result r = one(NULL, "Tile t 1 1 x y 0=1 1=2");
    if (CHECK_RESULT(r, C, 2 * H, W))
        for (int i = 0; i < 2 * N; i++) CHECK_NEAR(r.y[i], at(i / (2 * H * W), i / W % H, i % W), 0);
    net_free(&r);
}

/* ncnn's linear and cubic weights of one target place, as plain sums over source places with the edge repeated. */
static double sample(int type, int c, double sy, double sx)
{
    double sum = 0;
    const int fy = (int) floor(sy), fx = (int) floor(sx);
    for (int dy = -1; dy <= 2; dy++)
        for (int dx = -1; dx <= 2; dx++) {
            double w[2] = {fabs(sy - (fy + dy)), fabs(sx - (fx + dx))};
            for (int k = 0; k < 2; k++) {
                const double t = w[k], a = -0.75;
                if (type == 2)
                    w[k] = t < 1 ? 1 - t : 0;
                else
                    w[k] = t <= 1  ? (a + 2) * t * t * t - (a + 3) * t * t + 1
                           : t < 2 ? a * t * t * t - 5 * a * t * t + 8 * a * t - 4 * a
                                   : 0;
            }
            const int y = (int) clamp(fy + dy, 0, H - 1), i = (int) clamp(fx + dx, 0, W - 1);
            sum += w[0] * w[1] * (double) at(c, y, i);
        }
    return sum;
}

static void interp(void)
{
    static const struct {
        const char *how;
        int h, w;
        bool align;
    } all[] = {{"1=2.0 2=2.0", 12, 16, false}, {"1=0.5 2=0.5", 3, 4, false}, {"1=1.5 2=0.7", 9, 5, false}, {"3=7 4=5", 7, 5, false},
        {"3=13 4=9 6=1", 13, 9, true}, {"1=2 2=3", 12, 24, false}, {"1=0.4 2=1.3", 2, 10, false}};
    fill(15);
    for (int type = 1; type <= 3; type++)
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
            char layer[128];
            snprintf(layer, sizeof layer, "Interp i 1 1 x y 0=%d %s", type, all[k].how);
            struct result r = one(NULL, layer);
            const int h = all[k].h, w = all[k].w;
            if (CHECK_RESULT(r, C, h, w))
                for (int i = 0; i < C * h * w; i++) {
                    const int c = i / (h * w), y = i / w % h, j = i % w;
                    double want;
                    if (type == 1) {
                        float fh = (float) H / (float) h, fw = (float) W / (float) w, a, b;
                        if (all[k].how[0] == '1' && sscanf(all[k].how, "1=%f 2=%f", &a, &b) == 2) {
                            fh = 1 / a;
                            fw = 1 / b;
                        }
                        want = (double) at(c, (int) fminf((float) y * fh, H - 1), (int) fminf((float) j * fw, W - 1));
                    } else if (all[k].align) {
                        want = sample(type, c, (double) y * (H - 1) / (h - 1), (double) j * (W - 1) / (w - 1));
                    } else {
                        want = sample(type, c, clamp((y + 0.5) * H / h - 0.5, type == 2 ? 0 : -9, 99),
                            clamp((j + 0.5) * W / w - 0.5, type == 2 ? 0 : -9, 99));
                    }
                    if (!CHECK_NEAR(r.y[i], want, 1e-5)) {
                        CHECK_MSG(false, "%s at %d %d %d", layer, c, y, j);
                        break;
                    }
                }
            net_free(&r);
        }
    struct net net = {.n = 3 * 4 * 4};
    struct result r = one(&net, "MemoryData m 0 1 r 0=4 1=3 2=1\nInterp i 2 1 x r y 0=1 5=1");
    if (CHECK_RESULT(r, C, 3, 4))
        for (int i = 0; i < N / 4; i++) CHECK_NEAR(r.y[i], at(i / 12, i / 4 % 3 * 2, i % 4 * 2), 0);
    net_free(&r);
    r = net_run(&net, "Input in 0 1 x 0=5\nInterp i 1 1 x y 0=2 3=2 4=3\nNoop n 0 0\nMemoryData m 0 1 unused 0=12\n", x, 5, 0, 0);
    if (CHECK_RESULT(r, 5, 2, 3))
        for (int i = 0; i < 30; i++) CHECK_NEAR(r.y[i], x[i / 6], 0);
    net_free(&r);
}

/* (v - mean) / sqrt(variance + epsilon) of n elements from `from` */
static double standard(const float *from, int n, double v, double epsilon)
{
    double mean = 0, variance = 0;
    for (int i = 0; i < n; i++) mean += (double) from[i] / n;
    for (int i = 0; i < n; i++) variance += ((double) from[i] - mean) * ((double) from[i] - mean) / n;
    return (v - mean) / sqrt(variance + epsilon);
}

static void normalisations(void)
{
    static float g[W * H], b[W * H];
    static const struct {
        const char *layer;
        int n, group, of;
    } all[] = {/* group: elements normalised together; of: index of the factor */
        {"InstanceNorm n 1 1 x y 0=4 1=0.01", C, H * W, 0}, {"InstanceNorm n 1 1 x y 0=4 1=0.01 2=0", 0, H * W, 0},
        {"GroupNorm n 1 1 x y 0=2 1=4 2=0.01", C, 2 * H * W, 0}, {"GroupNorm n 1 1 x y 0=2 1=4 2=0.01 3=0", 0, 2 * H * W, 0},
        {"LayerNorm n 1 1 x y 0=8 1=0.01", W, W, 1}, {"LayerNorm n 1 1 x y 0=8 1=0.01 2=0", 0, W, 1},
        {"Reshape r 1 1 x a 0=8 1=6 2=4\nLayerNorm n 1 1 a y 0=48 1=0.01", H * W, H * W, 1},
        {"Reshape r 1 1 x a 0=8 1=6 2=4\nLayerNorm n 1 1 a y 0=48 1=0.01 2=0", 0, H * W, 1}};
    fill(16);
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        struct net net = {.seed = 17};
        net_weights(&net, all[k].n, g, false);
        net_weights(&net, all[k].n, b, false);
        struct result r = one(&net, all[k].layer);
        if (CHECK_RESULT(r, C, H, W))
            for (int i = 0; i < N; i++) {
                const int from = i / all[k].group * all[k].group, f = all[k].of ? i % all[k].group : i / (H * W);
                double want = standard(x + from, all[k].group, (double) x[i], 0.01);
                if (all[k].n) want = want * (double) g[f] + (double) b[f];
                if (!CHECK_MSG(fabs((double) r.y[i] - want) < 1e-4, "%s: %g, must be %g", all[k].layer, (double) r.y[i], want))
                    break;
            }
        net_free(&r);
    }
    struct net net = {.seed = 18};
    net_weights(&net, C, g, false);
    struct result r = one(&net, "Normalize n 1 1 x y 2=0.001 3=4");
    if (CHECK_RESULT(r, C, H, W))
        for (int i = 0; i < N; i++) {
            double sum = 0.001;
            for (int c = 0; c < C; c++) sum += (double) x[c * H * W + i % (H * W)] * (double) x[c * H * W + i % (H * W)];
            CHECK_NEAR(r.y[i], (double) x[i] / sqrt(sum) * (double) g[i / (H * W)], 1e-5);
        }
    net_free(&r);
}

static void along_axes(void)
{
    fill(19);
    for (int axis = 0; axis < 3; axis++) {
        static const int step[] = {H * W, W, 1}, size[] = {C, H, W};
        char layer[64];
        snprintf(layer, sizeof layer, "Softmax s 1 1 x y 0=%d 1=1", axis - (axis == 2 ? 3 : 0));
        struct result r = one(NULL, layer), t;
        snprintf(layer, sizeof layer, "CumulativeSum s 1 1 x y 0=%d", axis);
        t = one(NULL, layer);
        if (CHECK_RESULT(r, C, H, W) && CHECK_RESULT(t, C, H, W))
            for (int i = 0; i < N; i++) {
                const int k = i / step[axis] % size[axis], first = i - k * step[axis];
                double sum = 0, before = 0;
                for (int j = 0; j < size[axis]; j++) {
                    sum += exp((double) x[first + j * step[axis]]);
                    if (j <= k) before += (double) x[first + j * step[axis]];
                }
                CHECK_NEAR(r.y[i], exp((double) x[i]) / sum, 1e-5);
                CHECK_NEAR(t.y[i], before, 1e-5);
            }
        net_free(&r);
        net_free(&t);
    }
    struct result r = one(NULL, "Softmax s 1 1 x y 0=1");
    CHECK_INT(r.rc, FM_ERR_UNSUPPORTED);
    r = one(NULL, "GLU g 1 1 x y 0=0");
    if (CHECK_RESULT(r, C / 2, H, W))
        for (int i = 0; i < N / 2; i++) CHECK_NEAR(r.y[i], (double) x[i] / (1 + exp(-(double) x[N / 2 + i])), 1e-5);
    net_free(&r);
}

static void reductions(void)
{
    fill(20);
    for (int i = 0; i < N; i++) x[i] = fabsf(x[i]) + 0.1f;
    for (int type = 0; type <= 10; type++) {
        char layer[64];
        snprintf(layer, sizeof layer, "Reduction r 1 1 x y 0=%d 1=0 -23303=2,1,-1 5=1", type);
        struct result r = one(NULL, layer);
        if (CHECK_RESULT(r, C, 0, 0))
            for (int c = 0; c < C; c++) {
                double sum = 0, squares = 0, high = 0, low = 99, product = 1, exps = 0;
                for (int i = 0; i < H * W; i++) {
                    const double v = (double) x[c * H * W + i];
                    sum += v;
                    squares += v * v;
                    high = fmax(high, v);
                    low = fmin(low, v);
                    product *= v;
                    exps += exp(v);
                }
                const double want[] = {
                    sum, sum, squares, sum / (H * W), high, low, product, sum, sqrt(squares), log(sum), log(exps)};
                CHECK_NEAR(r.y[c], want[type], 1e-4 * (1 + fabs(want[type])));
            }
        net_free(&r);
    }
    double sum = 0;
    for (int i = 0; i < N; i++) sum += (double) x[i];
    struct result r = one(NULL, "Reduction r 1 1 x y 0=3 2=2.0");
    if (CHECK_RESULT(r, 1, 0, 0)) CHECK_NEAR(r.y[0], 2 * sum / N, 1e-5);
    net_free(&r);
    r = one(NULL, "Reduction r 1 1 x y 0=0 1=0 -23303=1,0 4=1 5=1");
    if (CHECK_RESULT(r, 1, H, W)) CHECK_NEAR(r.y[9], x[9] + x[9 + H * W] + x[9 + 2 * H * W] + x[9 + 3 * H * W], 1e-5);
    net_free(&r);
}

int main(void)
{
    RUN(activations);
    RUN(unary_ops);
    RUN(binary_ops);
    RUN(eltwise);
    RUN(per_channel);
    RUN(slices);
    RUN(crops);
    RUN(padding);
    RUN(permutations);
    RUN(channel_orders);
    RUN(reshapes);
    RUN(interp);
    RUN(normalisations);
    RUN(along_axes);
    RUN(reductions);
    return check_report();
}
