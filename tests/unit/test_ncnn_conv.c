/* SPDX-License-Identifier: MIT */
/* Convolutions, transposed convolutions, pooling and matrix products of the ncnn importer against loops that follow ncnn's own
 * description: pad the picture, then slide a window. */
#include "ncnn_net.h"

#define MAX 4096

struct shape {
    int c, h, w;
};

struct window {
    int kw, kh, dw, dh, sw, sh, left, top, right, bottom, group;
    float pad_value;
};

/* [c][h][w] with a border */
static struct shape padded(const float *x, struct shape s, const struct window *k, float *out)
{
    const struct shape p = {s.c, s.h + k->top + k->bottom, s.w + k->left + k->right};
    for (int c = 0; c < p.c; c++)
        for (int y = 0; y < p.h; y++)
            for (int i = 0; i < p.w; i++) {
                const int iy = y - k->top, ix = i - k->left;
                const bool inside = iy >= 0 && iy < s.h && ix >= 0 && ix < s.w;
                out[(c * p.h + y) * p.w + i] = inside ? x[(c * s.h + iy) * s.w + ix] : k->pad_value;
            }
    return p;
}

static struct shape slow_conv(
    const float *x, struct shape s, const struct window *k, int n, const float *w, const float *b, float *out)
{
    static float border[MAX * 4];
    const struct shape p = padded(x, s, k, border);
    const int in = s.c / k->group, per = n / k->group;
    const struct shape o = {n, (p.h - (k->dh * (k->kh - 1) + 1)) / k->sh + 1, (p.w - (k->dw * (k->kw - 1) + 1)) / k->sw + 1};
    for (int q = 0; q < n; q++)
        for (int y = 0; y < o.h; y++)
            for (int i = 0; i < o.w; i++) {
                double sum = b ? (double) b[q] : 0.0;
                for (int c = 0; c < in; c++)
                    for (int ky = 0; ky < k->kh; ky++)
                        for (int kx = 0; kx < k->kw; kx++)
                            sum +=
                                (double) w[((q * in + c) * k->kh + ky) * k->kw + kx] *
                                (double) border[((q / per * in + c) * p.h + y * k->sh + ky * k->dh) * p.w + i * k->sw + kx * k->dw];
                out[(q * o.h + y) * o.w + i] = (float) sum;
            }
    return o;
}

static void same(const struct result *r, struct shape s, const float *want)
{
    if (!CHECK_RESULT(*r, s.c, s.h, s.w)) return;
    for (int i = 0; i < s.c * s.h * s.w; i++)
        if (!CHECK_NEAR(r->y[i], want[i], 1e-4)) return;
}

static void convolution(void)
{
    static float x[MAX], w[MAX], b[16], want[MAX];
    struct net net = {.seed = 1};
    const struct shape s = {3, 9, 11};
    const struct window k = {3, 2, 2, 1, 2, 1, 1, 2, 3, 0, 1, 0.0f};
    net_weights(&net, 4 * 3 * 6, w, true);
    net_weights(&net, 4, b, false);
    net_fill(&net, s.c * s.h * s.w, x);
    const struct shape o = slow_conv(x, s, &k, 4, w, b, want);
    struct result r = net_run(&net,
        "Input in 0 1 x\n"
        "Convolution c 1 1 x y 0=4 1=3 11=2 2=2 12=1 3=2 13=1 4=1 14=2 15=3 16=0 5=1 6=72\n",
        x, 3, 9, 11);
    same(&r, o, want);
    net_free(&r);
}

static void defaults_follow_x(void)
{
    static float x[MAX], w[MAX], want[MAX];
    struct net net = {.seed = 2};
    const struct shape s = {2, 8, 7};
    const struct window k = {3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 1, 0.0f};
    net_weights(&net, 2 * 2 * 9, w, true);
    net_fill(&net, s.c * s.h * s.w, x);
    const struct shape o = slow_conv(x, s, &k, 2, w, NULL, want);
    struct result r = net_run(&net, "Input in 0 1 x\nConvolution c 1 1 x y 0=2 1=3 2=2 3=2 4=1 6=36\n", x, 2, 8, 7);
    same(&r, o, want);
    net_free(&r);
}

static void groups_and_pad_value(void)
{
    static float x[MAX], w[MAX], b[16], want[MAX];
    struct net net = {.seed = 3};
    const struct shape s = {4, 6, 5};
    const struct window k = {3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 2, 0.5f};
    net_weights(&net, 6 * 2 * 9, w, true);
    net_weights(&net, 6, b, false);
    net_fill(&net, s.c * s.h * s.w, x);
    const struct shape o = slow_conv(x, s, &k, 6, w, b, want);
    struct result r =
        net_run(&net, "Input in 0 1 x\nConvolutionDepthWise c 1 1 x y 0=6 1=3 4=1 5=1 6=108 7=2 18=5.0e-1\n", x, 4, 6, 5);
    same(&r, o, want);
    net_free(&r);
}

/* -233 puts the odd pixel of the border at the end, -234 at the beginning. */
static void same_padding(void)
{
    static float x[MAX], w[MAX], want[MAX];
    const struct shape s = {1, 6, 6};
    for (int lower = 0; lower < 2; lower++) {
        struct net net = {.seed = 4};
        const struct window k = {3, 3, 1, 1, 2, 2, lower, lower, 1 - lower, 1 - lower, 1, 0.0f};
        net_weights(&net, 9, w, true);
        net_fill(&net, 36, x);
        const struct shape o = slow_conv(x, s, &k, 1, w, NULL, want);
        char lines[256];
        snprintf(lines, sizeof lines, "Input in 0 1 x\nConvolution c 1 1 x y 0=1 1=3 3=2 4=%d 6=9\n", lower ? -234 : -233);
        struct result r = net_run(&net, lines, x, 1, 6, 6);
        same(&r, o, want);
        net_free(&r);
    }
}

static void activations(void)
{
    static const char *const parameter[] = {
        "9=0", "9=1", "9=2 -23310=1,0.25", "9=3 -23310=2,-0.5,0.25", "9=4", "9=5", "9=6 -23310=2,0.2,0.5", "9=3 10=-5.0e-1,0.25"};
    static float x[32], w[1], want[32];
    for (int type = 0; type < 8; type++) {
        struct net net = {.seed = 5};
        net_weights(&net, 1, w, true);
        net_fill(&net, 32, x);
        for (int i = 0; i < 32; i++) {
            const double v = (double) w[0] * (double) (x[i] *= 4.0f), clipped = fmin(fmax(v, -0.5), 0.25);
            const double all[] = {v, v > 0 ? v : 0, v > 0 ? v : 0.25 * v, clipped, 1 / (1 + exp(-v)), v * tanh(log(exp(v) + 1)),
                v * fmin(fmax(0.2 * v + 0.5, 0), 1), clipped};
            want[i] = (float) all[type];
        }
        char lines[256];
        snprintf(lines, sizeof lines, "Input in 0 1 x\nConvolution c 1 1 x y 0=1 1=1 6=1 %s\n", parameter[type]);
        struct result r = net_run(&net, lines, x, 1, 4, 8);
        same(&r, (struct shape){1, 4, 8}, want);
        net_free(&r);
    }
}

/* A vector is a picture of one pixel: the result is a vector again. */
static void vector_and_row(void)
{
    static float x[64], w[64], b[8], want[64];
    struct net net = {.seed = 6};
    net_weights(&net, 3 * 5, w, true);
    net_weights(&net, 3, b, false);
    net_fill(&net, 5, x);
    for (int q = 0; q < 3; q++) {
        want[q] = b[q];
        for (int c = 0; c < 5; c++) want[q] += w[q * 5 + c] * x[c];
    }
    struct result r = net_run(&net, "Input in 0 1 x 0=5\nConvolution c 1 1 x y 0=3 1=1 5=1 6=15\n", x, 5, 0, 0);
    if (CHECK_RESULT(r, 3, 0, 0))
        for (int q = 0; q < 3; q++) CHECK_NEAR(r.y[q], want[q], 1e-5);
    net_free(&r);

    net = (struct net){.seed = 7};
    net_weights(&net, 2 * 3 * 4, w, true);
    net_fill(&net, 3 * 9, x); /* [3 channels][9] */
    const struct window k = {4, 1, 1, 1, 2, 1, 1, 0, 2, 0, 1, 0.0f};
    const struct shape o = slow_conv(x, (struct shape){3, 1, 9}, &k, 2, w, NULL, want);
    r = net_run(&net, "Input in 0 1 x 0=9 1=3\nConvolution1D c 1 1 x y 0=2 1=4 3=2 4=1 15=2 6=24\n", x, 3, 9, 0);
    if (CHECK_RESULT(r, 2, o.w, 0))
        for (int i = 0; i < 2 * o.w; i++) CHECK_NEAR(r.y[i], want[i], 1e-5);
    net_free(&r);
}

static void weight_storage(void)
{
    static float x[16];
    const float w[3] = {0.5f, -1.25f, 3.0f};
    struct net net = {.seed = 8};
    net_fill(&net, 12, x);
    const char *lines = "Input in 0 1 x\nConvolution c 1 1 x y 0=1 1=1 6=3\n";
    for (int kind = 0; kind < 5; kind++) {
        net.n = 0;
        if (kind == 0) {
            net_u32(&net, 0);
            net_floats(&net, 3, w);
        } else if (kind == 1) {
            net_u32(&net, 0x01306B47);
            const uint16_t h[4] = {half_from_f32(w[0]), half_from_f32(w[1]), half_from_f32(w[2]), 0xffff};
            memcpy(net.bin + net.n, h, 8);
            net.n += 8;
        } else if (kind == 2) {
            net_u32(&net, 0x01348B83);
            const uint16_t h[4] = {bf16_from_f32(w[0]), bf16_from_f32(w[1]), bf16_from_f32(w[2]), 0xffff};
            memcpy(net.bin + net.n, h, 8);
            net.n += 8;
        } else if (kind == 3) {
            net_u32(&net, 0x0002C056);
            net_floats(&net, 3, w);
        } else { /* a table of 256 floats and a byte each */
            float table[256] = {[7] = w[1], [200] = w[2], [255] = w[0]};
            net_u32(&net, 256);
            net_floats(&net, 256, table);
            memcpy(net.bin + net.n, (const uint8_t[]){255, 7, 200, 99}, 4);
            net.n += 4;
        }
        struct result r = net_run(&net, lines, x, 3, 2, 2);
        if (CHECK_RESULT(r, 1, 2, 2))
            for (int i = 0; i < 4; i++) CHECK_NEAR(r.y[i], w[0] * x[i] + w[1] * x[4 + i] + w[2] * x[8 + i], 1e-5);
        net_free(&r);
    }
}

/* ncnn: every input pixel adds its kernel to the output, which is then cut. Weights [group][out][in][kh][kw]. */
static struct shape slow_deconv(const float *x, struct shape s, const struct window *k, int n, const float *w, const float *b,
    int more_right, int more_bottom, float *out)
{
    static double full[MAX * 4];
    const int ext_h = k->dh * (k->kh - 1) + 1, ext_w = k->dw * (k->kw - 1) + 1;
    const struct shape f = {n, (s.h - 1) * k->sh + ext_h + more_bottom, (s.w - 1) * k->sw + ext_w + more_right};
    const int in = s.c / k->group, per = n / k->group;
    for (int i = 0; i < n * f.h * f.w; i++) full[i] = b ? (double) b[i / (f.h * f.w)] : 0.0;
    for (int q = 0; q < n; q++)
        for (int c = 0; c < in; c++)
            for (int y = 0; y < s.h; y++)
                for (int i = 0; i < s.w; i++)
                    for (int ky = 0; ky < k->kh; ky++)
                        for (int kx = 0; kx < k->kw; kx++)
                            full[(q * f.h + y * k->sh + ky * k->dh) * f.w + i * k->sw + kx * k->dw] +=
                                (double) x[((q / per * in + c) * s.h + y) * s.w + i] *
                                (double) w[((q * in + c) * k->kh + ky) * k->kw + kx];
    const struct shape o = {n, f.h - k->top - k->bottom, f.w - k->left - k->right};
    for (int q = 0; q < n; q++)
        for (int y = 0; y < o.h; y++)
            for (int i = 0; i < o.w; i++) out[(q * o.h + y) * o.w + i] = (float) full[(q * f.h + y + k->top) * f.w + i + k->left];
    return o;
}

static void deconvolution(void)
{
    static float x[MAX], w[MAX], b[16], want[MAX];
    struct net net = {.seed = 9};
    struct shape s = {3, 4, 5};
    struct window k = {4, 3, 1, 2, 2, 3, 1, 0, 2, 1, 1, 0.0f};
    net_weights(&net, 2 * 3 * 12, w, true);
    net_weights(&net, 2, b, false);
    net_fill(&net, 60, x);
    struct shape o = slow_deconv(x, s, &k, 2, w, b, 1, 2, want);
    struct result r = net_run(&net,
        "Input in 0 1 x\n"
        "Deconvolution d 1 1 x y 0=2 1=4 11=3 2=1 12=2 3=2 13=3 4=1 14=0 15=2 16=1 5=1 6=72 18=1 19=2\n",
        x, 3, 4, 5);
    same(&r, o, want);
    net_free(&r);

    net = (struct net){.seed = 10}; /* two groups of 2 inputs and 3 outputs, half precision */
    s.c = 4;
    k = (struct window){2, 2, 1, 1, 2, 2, 0, 0, 0, 0, 2, 0.0f};
    net_u32(&net, 0x01306B47);
    for (int i = 0; i < 6 * 2 * 4; i++) {
        const uint16_t h = half_from_f32(net_random(&net));
        w[i] = half_to_f32(h);
        memcpy(net.bin + net.n, &h, 2);
        net.n += 2;
    }
    net_fill(&net, 80, x);
    o = slow_deconv(x, s, &k, 6, w, NULL, 0, 0, want);
    r = net_run(&net, "Input in 0 1 x\nDeconvolutionDepthWise d 1 1 x y 0=6 1=2 3=2 6=48 7=2\n", x, 4, 4, 5);
    same(&r, o, want);
    net_free(&r);
}

/* An output size and SAME: what is too much is cut, the odd pixel at the end (-233) or the beginning (-234). */
static void deconvolution_to_size(void)
{
    static float x[MAX], w[MAX], want[MAX];
    for (int lower = 0; lower < 2; lower++) {
        struct net net = {.seed = 11};
        const struct shape s = {1, 4, 4};
        /* full size 3 * 2 + 3 = 9, wanted 8 */
        const struct window k = {3, 3, 1, 1, 2, 2, lower, lower, 1 - lower, 1 - lower, 1, 0.0f};
        net_weights(&net, 9, w, true);
        net_fill(&net, 16, x);
        const struct shape o = slow_deconv(x, s, &k, 1, w, NULL, 0, 0, want);
        char lines[256];
        snprintf(
            lines, sizeof lines, "Input in 0 1 x\nDeconvolution d 1 1 x y 0=1 1=3 3=2 4=%d 6=9 20=8 21=8\n", lower ? -234 : -233);
        struct result r = net_run(&net, lines, x, 1, 4, 4);
        CHECK_INT(o.w, 8);
        same(&r, o, want);
        net_free(&r);
    }
}

enum { FULL, VALID, SAME_UPPER, SAME_LOWER };

/* ncnn's Pooling: a border of -FLT_MAX or 0, with a tail in full mode, then every window whole. */
static struct shape slow_pool(const float *x, struct shape s, struct window k, int mode, bool average, bool include, float *out)
{
    static float border[MAX * 4];
    int tail_w = 0, tail_h = 0;
    if (mode == FULL) {
        const int rw = (s.w + k.left + k.right - k.kw) % k.sw, rh = (s.h + k.top + k.bottom - k.kh) % k.sh;
        tail_w = rw ? k.sw - rw : 0;
        tail_h = rh ? k.sh - rh : 0;
    } else if (mode >= SAME_UPPER) {
        const int pw = k.kw + (s.w - 1) / k.sw * k.sw - s.w, ph = k.kh + (s.h - 1) / k.sh * k.sh - s.h;
        const int less_w = pw > 0 ? pw / 2 : 0, less_h = ph > 0 ? ph / 2 : 0, more_w = pw > 0 ? pw - pw / 2 : 0,
                  more_h = ph > 0 ? ph - ph / 2 : 0;
        k.left = mode == SAME_UPPER ? less_w : more_w;
        k.right = mode == SAME_UPPER ? more_w : less_w;
        k.top = mode == SAME_UPPER ? less_h : more_h;
        k.bottom = mode == SAME_UPPER ? more_h : less_h;
        include = true;
    }
    struct window b = k;
    b.right += tail_w;
    b.bottom += tail_h;
    b.pad_value = average ? 0.0f : -3e38f;
    const struct shape p = padded(x, s, &b, border);
    const struct shape o = {s.c, (p.h - k.kh) / k.sh + 1, (p.w - k.kw) / k.sw + 1};
    for (int c = 0; c < s.c; c++)
        for (int y = 0; y < o.h; y++)
            for (int i = 0; i < o.w; i++) {
                double sum = 0, high = -3e38;
                int area = 0;
                for (int ky = 0; ky < k.kh; ky++)
                    for (int kx = 0; kx < k.kw; kx++) {
                        const int py = y * k.sh + ky, px = i * k.sw + kx;
                        const double v = (double) border[(c * p.h + py) * p.w + px];
                        const bool inside = py >= k.top && py < k.top + s.h && px >= k.left && px < k.left + s.w;
                        high = fmax(high, v);
                        sum += v;
                        area += include || inside;
                    }
                out[(c * o.h + y) * o.w + i] = (float) (average ? sum / area : high);
            }
    return o;
}

static void pooling(void)
{
    static float x[MAX], want[MAX];
    static const int kernels[][4] = {{2, 2, 2, 0}, {3, 3, 2, 1}, {3, 2, 3, 0}, {5, 3, 1, 2}, {2, 3, 3, 0}};
    for (int which = 0; which < 5; which++)
        for (int mode = FULL; mode <= SAME_LOWER; mode++)
            for (int average = 0; average < 2; average++)
                for (int include = 0; include < 2; include++) {
                    struct net net = {.seed = 12};
                    const struct shape s = {2, 9, 10};
                    const int *q = kernels[which], pad = mode >= SAME_UPPER ? 0 : q[3];
                    const struct window k = {q[0], q[1], 1, 1, q[2], q[2], pad, pad, pad, pad, 1, 0.0f};
                    if (2 * pad > q[1] || (mode == FULL && q[1] < q[2])) continue; /* no windows that see nothing but border */
                    net_fill(&net, 180, x);
                    const struct shape o = slow_pool(x, s, k, mode, average, include, want);
                    char lines[256];
                    snprintf(lines, sizeof lines, "Input in 0 1 x\nPooling p 1 1 x y 0=%d 1=%d 11=%d 2=%d 3=%d 5=%d 6=%d\n",
                        average, q[0], q[1], q[2], pad, mode, include);
                    struct result r = net_run(&net, lines, x, 2, 9, 10);
                    same(&r, o, want);
                    CHECK_MSG(r.rc == 0, "%s", lines);
                    net_free(&r);
                }
}

static void global_pooling(void)
{
    static float x[24];
    struct net net = {.seed = 13};
    net_fill(&net, 24, x);
    double mean[2] = {0}, high[2] = {-9, -9};
    for (int i = 0; i < 24; i++) {
        mean[i / 12] += (double) x[i] / 12;
        high[i / 12] = fmax(high[i / 12], (double) x[i]);
    }
    struct result r = net_run(&net, "Input in 0 1 x\nPooling p 1 1 x y 0=1 4=1\n", x, 2, 3, 4);
    if (CHECK_RESULT(r, 2, 0, 0))
        for (int i = 0; i < 2; i++) CHECK_NEAR(r.y[i], mean[i], 1e-6);
    net_free(&r);
    r = net_run(&net, "Input in 0 1 x\nPooling p 1 1 x y 0=0 7=1 8=1\n", x, 2, 3, 4);
    if (CHECK_RESULT(r, 2, 1, 1))
        for (int i = 0; i < 2; i++) CHECK_NEAR(r.y[i], high[i], 1e-6);
    net_free(&r);
}

/* Squeeze and excite as ncnn files have it: the pooled vector goes through 1x1 convolutions and scales the channels. */
static void squeeze_and_excite(void)
{
    static float x[24], w[4], b[2];
    struct net net = {.seed = 14};
    net_weights(&net, 4, w, true);
    net_weights(&net, 2, b, false);
    net_fill(&net, 24, x);
    double mean[2] = {0};
    for (int i = 0; i < 24; i++) mean[i / 12] += (double) x[i] / 12;
    struct result r = net_run(&net,
        "Input in 0 1 x\n"
        "Split s 1 2 x x0 x1\n"
        "Pooling p 1 1 x0 m 0=1 4=1\n"
        "Convolution c 1 1 m s 0=2 1=1 5=1 6=4 9=4\n"
        "BinaryOp mul 2 1 x1 s y 0=2\n",
        x, 2, 3, 4);
    if (CHECK_RESULT(r, 2, 3, 4))
        for (int i = 0; i < 24; i++) {
            const int q = i / 12;
            const double g = 1 / (1 + exp(-((double) b[q] + (double) w[q * 2] * mean[0] + (double) w[q * 2 + 1] * mean[1])));
            CHECK_NEAR(r.y[i], g * (double) x[i], 1e-5);
        }
    net_free(&r);
}

static void inner_product(void)
{
    static float x[24], w[3 * 24], b[3];
    struct net net = {.seed = 15};
    net_weights(&net, 3 * 24, w, true);
    net_weights(&net, 3, b, false);
    net_fill(&net, 24, x);
    struct result r = net_run(&net, "Input in 0 1 x\nInnerProduct f 1 1 x y 0=3 1=1 2=72 9=1\n", x, 2, 3, 4);
    if (CHECK_RESULT(r, 3, 0, 0))
        for (int q = 0; q < 3; q++) {
            double sum = (double) b[q];
            for (int i = 0; i < 24; i++) sum += (double) w[q * 24 + i] * (double) x[i];
            CHECK_NEAR(r.y[q], fmax(sum, 0), 1e-5);
        }
    net_free(&r);

    net = (struct net){.seed = 16}; /* row by row */
    net_weights(&net, 3 * 4, w, true);
    net_fill(&net, 24, x);
    r = net_run(&net, "Input in 0 1 x 0=4 1=6\nInnerProduct f 1 1 x y 0=3 2=12\n", x, 6, 4, 0);
    if (CHECK_RESULT(r, 6, 3, 0))
        for (int y = 0; y < 6; y++)
            for (int q = 0; q < 3; q++) {
                double sum = 0;
                for (int i = 0; i < 4; i++) sum += (double) w[q * 4 + i] * (double) x[y * 4 + i];
                CHECK_NEAR(r.y[y * 3 + q], sum, 1e-5);
            }
    net_free(&r);
}

static void gemm_and_matmul(void)
{
    static float a[6], b[12], c[4];
    struct net net = {.seed = 17};
    net_weights(&net, 12, b, true); /* B as [n = 4][k = 3] */
    net_weights(&net, 4, c, true);
    net_fill(&net, 6, a);
    struct result r = net_run(&net, "Input in 0 1 x 0=3 1=2\nGemm g 1 1 x y 0=2.0 1=0.5 3=1 5=1 6=1 8=4 9=3 10=4\n", a, 2, 3, 0);
    if (CHECK_RESULT(r, 2, 4, 0))
        for (int m = 0; m < 2; m++)
            for (int n = 0; n < 4; n++) {
                double sum = 0;
                for (int k = 0; k < 3; k++) sum += (double) a[m * 3 + k] * (double) b[n * 3 + k];
                CHECK_NEAR(r.y[m * 4 + n], 2.0 * (sum + 0.5 * (double) c[n]), 1e-5);
            }
    net_free(&r);

    static float p[2 * 2 * 3], q[4 * 3];
    net.n = 0;
    net_fill(&net, 12, p);
    net_fill(&net, 12, q);
    net_floats(&net, 12, q);
    r = net_run(&net, "Input in 0 1 x\nMemoryData m 0 1 q 0=3 1=4\nMatMul mm 2 1 x q y 0=1\n", p, 2, 2, 3);
    if (CHECK_RESULT(r, 2, 2, 4))
        for (int i = 0; i < 4; i++)
            for (int n = 0; n < 4; n++) {
                double sum = 0;
                for (int k = 0; k < 3; k++) sum += (double) p[i * 3 + k] * (double) q[n * 3 + k];
                CHECK_NEAR(r.y[i * 4 + n], sum, 1e-5);
            }
    net_free(&r);
}

int main(void)
{
    RUN(convolution);
    RUN(defaults_follow_x);
    RUN(groups_and_pad_value);
    RUN(same_padding);
    RUN(activations);
    RUN(vector_and_row);
    RUN(weight_storage);
    RUN(deconvolution);
    RUN(deconvolution_to_size);
    RUN(pooling);
    RUN(global_pooling);
    RUN(squeeze_and_excite);
    RUN(inner_product);
    RUN(gemm_and_matmul);
    return check_report();
}
