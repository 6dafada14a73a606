/* SPDX-License-Identifier: MIT */
/* The checker of convolution algorithms. A program names its algorithms (struct check_conv_entry), draws shapes for them and calls
 * check_conv_main, which runs random cases or, with --bench, times layers:
 *
 *     check_x [--seed N] [--count N] [--bench] [NAME...]        NAME: only algorithms whose name contains it
 *
 * A case is a random picture, weights, bias, activation and residual; its truth is a direct convolution in double precision. Each
 * task sees rows of its own in which all that it may not read is NaN (and, beyond the ends, not its memory at all: run under ASan
 * too), and writes rows whose every other float must keep its pattern. The picture is made twice, cut into tasks at different
 * columns; both must be equal bit for bit. Programs define _GNU_SOURCE before they include this. */
#ifndef FM_TESTS_CHECK_CONV_H
#define FM_TESTS_CHECK_CONV_H

#include <time.h>

#include "check.h"
#include "core/cpu.h"
#include "kernels/kernel.h"

struct check_conv_entry {
    const struct conv_algorithm *algorithm;
    int vector;       /* floats in a vector of its ISA: the block of ROWS_BLOCKED */
    uint32_t cpu;     /* CPU_ flags it needs; 0: none */
    double tolerance; /* allowed error, relative to the largest value before the activation */
    /* Fills a shape; which fields are random is its choice. Shapes that do not fit are drawn again. */
    void (*draw)(uint64_t *random, struct conv_shape *shape);
};

struct check_conv_layer { struct conv_shape shape; int width, height; }; /* output size */

/* ---- random numbers (splitmix64) ---- */

CHECK_UNUSED static uint64_t check_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

CHECK_UNUSED static int check_random_int(uint64_t *state, int low, int high) /* both inclusive */
{
    return low + (int) (check_random(state) % (uint64_t) (high - low + 1));
}

CHECK_UNUSED static float check_random_float(uint64_t *state) /* (-1, 1) */
{
    return (float) ((double) (int64_t) check_random(state) * 0x1p-63);
}

/* A channel count worth testing. */
CHECK_UNUSED static int check_random_channels(uint64_t *state)
{
    static const int counts[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 15, 16, 17, 24, 31, 32, 33, 40, 48, 64, 65, 100};
    return counts[check_random(state) % (sizeof counts / sizeof counts[0])];
}

/* ---- one case ---- */

struct check_conv_case {
    const struct check_conv_entry *entry;
    struct conv_shape shape;
    struct conv_epilogue epilogue;
    bool residual;
    int in_w, in_h, out_w, out_h;
    float *picture;  /* [in_channels][in_h][in_w] */
    float *added;    /* residual [out_channels][out_h][out_w] */
    float *weights;  /* [out][in/groups][ky][kx] */
    float *bias, *slope;
    double *truth;   /* [out_channels][out_h][out_w] */
    double scale;    /* largest magnitude before the activation */
    struct conv_packed packed;
    void *memory, *scratch;
    size_t memory_bytes, scratch_bytes;
};

#define CHECK_CONV_GUARD 256
static const uint32_t check_conv_pattern = 0x7fc0beefu; /* a NaN that arithmetic does not make */

CHECK_UNUSED static void *check_conv_alloc(size_t bytes) /* aligned to 64, guarded behind, filled with NaN */
{
    char *p = aligned_alloc(64, (bytes + CHECK_CONV_GUARD + 63) & ~(size_t) 63);
    if (!p) abort();
    memset(p, 0xff, bytes);
    memset(p + bytes, 0xa5, CHECK_CONV_GUARD);
    return p;
}

CHECK_UNUSED static bool check_conv_guard_holds(const void *p, size_t bytes)
{
    for (size_t i = 0; i < CHECK_CONV_GUARD; i++)
        if (((const unsigned char *) p)[bytes + i] != 0xa5) return false;
    return true;
}

CHECK_UNUSED static double check_conv_act(const struct conv_epilogue *e, double x, double slope)
{
    switch (e->act) {
    case KERNEL_ACT_RELU: return x > 0 ? x : 0;
    case KERNEL_ACT_LEAKY: return x < 0 ? x * (double) e->a : x;
    case KERNEL_ACT_PRELU: return x < 0 ? x * slope : x;
    case KERNEL_ACT_CLIP: return fmin(fmax(x, (double) e->a), (double) e->b);
    case KERNEL_ACT_SILU: return x / (1 + exp(-x));
    case KERNEL_ACT_SIGMOID: return 1 / (1 + exp(-x));
    case KERNEL_ACT_TANH: return tanh(x);
    case KERNEL_ACT_HARD_SWISH: return x * fmin(fmax((double) e->a * x + (double) e->b, 0), 1);
    case KERNEL_ACT_HARD_SIGMOID: return fmin(fmax((double) e->a * x + (double) e->b, 0), 1);
    case KERNEL_ACT_MISH: return x * tanh(log1p(exp(x)));
    case KERNEL_ACT_GELU: return 0.5 * x * (1 + erf(x * 0.70710678118654752440));
    case KERNEL_ACT_GELU_TANH: return 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case KERNEL_ACT_ELU: return x < 0 ? (double) e->a * (exp(x) - 1) : x;
    default: return x;
    }
}

CHECK_UNUSED static double check_conv_direct(const struct check_conv_case *c, int oc, int oy, int ox)
{
    const struct conv_shape *s = &c->shape;
    const int per_group = s->in_channels / s->groups, first = oc / (s->out_channels / s->groups) * per_group;
    double sum = (double) c->bias[oc];
    for (int i = 0; i < per_group; i++)
        for (int ky = 0; ky < s->kernel_y; ky++) {
            const int y = oy * s->stride_y - s->pad_y + ky * s->dilation_y;
            if (y < 0 || y >= c->in_h) continue;
            for (int kx = 0; kx < s->kernel_x; kx++) {
                const int x = ox * s->stride_x - s->pad_x + kx * s->dilation_x;
                if (x < 0 || x >= c->in_w) continue;
                sum += (double) c->weights[((oc * per_group + i) * s->kernel_y + ky) * s->kernel_x + kx] *
                       (double) c->picture[((ptrdiff_t) (first + i) * c->in_h + y) * c->in_w + x];
            }
        }
    return sum;
}

CHECK_UNUSED static void check_conv_truth(struct check_conv_case *c)
{
    size_t at = 0;
    c->scale = 0;
    for (int oc = 0; oc < c->shape.out_channels; oc++)
        for (int y = 0; y < c->out_h; y++)
            for (int x = 0; x < c->out_w; x++, at++) {
                double v = check_conv_direct(c, oc, y, x);
                const double added = c->residual ? (double) c->added[at] : 0;
                const double slope = c->slope ? (double) c->slope[oc] : 0;
                c->scale = fmax(c->scale, fabs(v));
                if (c->epilogue.residual_before_act) v = check_conv_act(&c->epilogue, v + added, slope);
                else v = check_conv_act(&c->epilogue, v, slope) + added;
                c->truth[at] = v;
            }
}

CHECK_UNUSED static float *check_conv_floats(uint64_t *random, size_t count, float scale)
{
    float *p = malloc((count ? count : 1) * sizeof *p);
    if (!p) abort();
    for (size_t i = 0; i < count; i++) p[i] = check_random_float(random) * scale;
    return p;
}

/* shape, epilogue, residual and sizes are set by the caller. */
CHECK_UNUSED static void check_conv_open(struct check_conv_case *c, uint64_t *random)
{
    const struct conv_shape *s = &c->shape;
    const struct conv_algorithm *a = c->entry->algorithm;
    const size_t per_out = (size_t) (s->in_channels / s->groups) * (size_t) s->kernel_y * (size_t) s->kernel_x;
    const size_t outs = (size_t) s->out_channels * (size_t) c->out_h * (size_t) c->out_w;
    const size_t padded = (size_t) (s->out_channels + 63) / 64 * 64;
    c->picture = check_conv_floats(random, (size_t) s->in_channels * (size_t) c->in_h * (size_t) c->in_w, 1.0f);
    c->added = check_conv_floats(random, outs, 1.0f);
    c->weights = check_conv_floats(random, per_out * (size_t) s->out_channels, 3.0f / sqrtf((float) per_out)); /* outputs near 1 */
    c->bias = check_conv_floats(random, padded, 0.5f);
    memset(c->bias + s->out_channels, 0, (padded - (size_t) s->out_channels) * sizeof *c->bias);
    c->slope = NULL;
    if (c->epilogue.act == KERNEL_ACT_PRELU) {
        c->slope = check_conv_floats(random, padded, 1.0f);
        memset(c->slope + s->out_channels, 0, (padded - (size_t) s->out_channels) * sizeof *c->slope);
    }
    c->truth = malloc(outs * sizeof *c->truth);
    if (!c->truth) abort();
    check_conv_truth(c);

    c->memory_bytes = a->packed_bytes(s);
    c->memory = check_conv_alloc(c->memory_bytes);
    memset(c->memory, 0, c->memory_bytes);
    a->pack(s, c->weights, c->memory);
    c->scratch_bytes = a->scratch_bytes(s);
    c->scratch = check_conv_alloc(c->scratch_bytes);
    c->packed = (struct conv_packed) {
        .shape = *s, .epilogue = c->epilogue, .weights = c->memory, .bias = c->bias, .slope = c->slope,
    };
}

CHECK_UNUSED static void check_conv_close(struct check_conv_case *c)
{
    CHECK_MSG(check_conv_guard_holds(c->memory, c->memory_bytes), "%s wrote beyond its packed weights", c->entry->algorithm->name);
    CHECK_MSG(check_conv_guard_holds(c->scratch, c->scratch_bytes), "%s wrote beyond its scratch", c->entry->algorithm->name);
    free(c->picture);
    free(c->added);
    free(c->weights);
    free(c->bias);
    free(c->slope);
    free(c->truth);
    free(c->memory);
    free(c->scratch);
}

/* A row of its own memory: columns [left, right) of `planes` blocks (planes of `lanes` channels), `gap` columns between blocks. */
struct check_conv_row { float *memory, *column0; };

CHECK_UNUSED static struct check_conv_row check_conv_row_alloc(int planes, int lanes, int left, int right, ptrdiff_t block)
{
    const size_t count = (size_t) ((planes - 1) * block + (ptrdiff_t) (right - left) * lanes);
    struct check_conv_row row = {.memory = malloc(count * sizeof(float))};
    if (!row.memory) abort();
    for (size_t i = 0; i < count; i++) memcpy(row.memory + i, &check_conv_pattern, sizeof(float));
    row.column0 = (float *) ((intptr_t) row.memory - (intptr_t) left * lanes * (intptr_t) sizeof(float)); /* may lie outside */
    return row;
}

/* Copies row y of a picture [channels][h][w] into columns [left, right) of a row; zeros outside it and in padding lanes. */
CHECK_UNUSED static void check_conv_row_fill(float *column0, ptrdiff_t block, int lanes, const float *picture, int channels,
                                             int w, int h, int y, int left, int right)
{
    const int planes = (channels + lanes - 1) / lanes;
    for (int p = 0; p < planes; p++)
        for (int x = left; x < right; x++)
            for (int l = 0; l < lanes; l++) {
                const int ch = p * lanes + l;
                const bool inside = ch < channels && y >= 0 && y < h && x >= 0 && x < w;
                column0[p * block + (ptrdiff_t) x * lanes + l] = inside ? picture[((ptrdiff_t) ch * h + y) * w + x] : 0.0f;
            }
}

/* Checks that a task wrote its columns and rows only, and zeros in padding lanes; takes its values into `result`. */
CHECK_UNUSED static bool check_conv_take(const struct check_conv_case *c, float *const *out, ptrdiff_t block, int lanes,
                                         int left, int right, int y0, int rows, int x0, int x1, float *result)
{
    const int channels = c->shape.out_channels, planes = (channels + lanes - 1) / lanes;
    const char *name = c->entry->algorithm->name;
    for (int y = 0; y < rows; y++)
        for (int p = 0; p < planes; p++) {
            const ptrdiff_t end = p + 1 < planes ? block / lanes + left : right;
            for (ptrdiff_t x = left; x < end; x++)
                for (int l = 0; l < lanes; l++) {
                    const float *at = out[y] + p * block + x * lanes + l;
                    const int ch = p * lanes + l;
                    uint32_t bits;
                    memcpy(&bits, at, sizeof bits);
                    if (x < x0 || x >= x1) {
                        if (!CHECK_MSG(bits == check_conv_pattern, "%s wrote column %td outside [%d, %d)", name, x, x0, x1))
                            return false;
                    } else if (ch >= channels) {
                        if (!CHECK_MSG(*at == 0.0f, "%s wrote %g in a padding lane", name, (double) *at)) return false;
                    } else {
                        result[((ptrdiff_t) ch * c->out_h + y0 + y) * c->out_w + x] = *at;
                    }
                }
        }
    return true;
}

#define CHECK_CONV_RUNS 16

/* In one call, or, of what joins, in two: every other one of random runs, then those between. */
CHECK_UNUSED static void check_conv_call(const struct check_conv_case *c, uint64_t *random, const struct conv_task *whole)
{
    const struct conv_algorithm *a = c->entry->algorithm;
    if (!a->joins || check_random_int(random, 0, 1)) {
        a->run(&c->packed, whole);
        return;
    }
    struct span run[2][CHECK_CONV_RUNS];
    int n[2] = {0, 0};
    for (int x = whole->x0, end, i = 0; x < whole->x1; x = end, i++) {
        end = i < 2 * CHECK_CONV_RUNS - 1 ? x + a->grid_x * check_random_int(random, 1, 4) : whole->x1;
        if (end > whole->x1) end = whole->x1;
        run[i % 2][n[i % 2]++] = (struct span){x, end};
    }
    for (int k = 0; k < 2; k++) {
        struct conv_task task = *whole;
        if (!n[k]) continue;
        task.run = run[k];
        task.runs = n[k];
        task.x0 = run[k][0].x0;
        task.x1 = run[k][n[k] - 1].x1;
        a->run(&c->packed, &task);
    }
}

CHECK_UNUSED static bool check_conv_task(const struct check_conv_case *c, uint64_t *random, int y0, int x0, int x1, float *result)
{
    const struct conv_algorithm *a = c->entry->algorithm;
    const struct conv_shape *s = &c->shape;
    const int in_lanes = a->in == ROWS_BLOCKED ? c->entry->vector : 1, out_lanes = a->out == ROWS_BLOCKED ? c->entry->vector : 1;
    const int in_planes = (s->in_channels + in_lanes - 1) / in_lanes, out_planes = (s->out_channels + out_lanes - 1) / out_lanes;
    const int rows = c->out_h - y0 < a->rows ? c->out_h - y0 : a->rows, in_rows = conv_input_rows(a, s, rows);
    const int left = x0 * s->stride_x - s->pad_x - a->reach_left;
    const int right = (x1 - 1) * s->stride_x - s->pad_x + (s->kernel_x - 1) * s->dilation_x + 1 + a->reach_right;
    const int out_left = x0 - check_random_int(random, 0, 3), out_right = x1 + check_random_int(random, 0, 3);
    const ptrdiff_t in_block = (ptrdiff_t) (right - left + check_random_int(random, 0, 5)) * in_lanes;
    const ptrdiff_t out_block = (ptrdiff_t) (out_right - out_left + check_random_int(random, 0, 5)) * out_lanes;

    struct check_conv_row *in = malloc((size_t) in_rows * sizeof *in), *out = malloc((size_t) rows * sizeof *out);
    struct check_conv_row *added = malloc((size_t) rows * sizeof *added);
    const float **in_at = malloc((size_t) in_rows * sizeof *in_at), **added_at = malloc((size_t) rows * sizeof *added_at);
    float **out_at = malloc((size_t) rows * sizeof *out_at);
    if (!in || !out || !added || !in_at || !added_at || !out_at) abort();
    for (int i = 0; i < in_rows; i++) {
        in[i] = check_conv_row_alloc(in_planes, in_lanes, left, right, in_block);
        check_conv_row_fill(in[i].column0, in_block, in_lanes, c->picture, s->in_channels, c->in_w, c->in_h,
                            y0 * s->stride_y - s->pad_y + i, left, right);
        in_at[i] = in[i].column0;
    }
    for (int i = 0; i < rows; i++) {
        out[i] = check_conv_row_alloc(out_planes, out_lanes, out_left, out_right, out_block);
        added[i] = check_conv_row_alloc(out_planes, out_lanes, out_left, out_right, out_block);
        check_conv_row_fill(added[i].column0, out_block, out_lanes, c->added, s->out_channels, c->out_w, c->out_h, y0 + i, x0, x1);
        out_at[i] = out[i].column0;
        added_at[i] = added[i].column0;
    }
    const struct conv_task task = {
        .in = in_at, .out = out_at, .residual = c->residual ? added_at : NULL,
        .in_block = in_block, .out_block = out_block, .residual_block = out_block,
        .rows = rows, .x0 = x0, .x1 = x1, .scratch = c->scratch,
    };
    check_conv_call(c, random, &task);
    const bool good = check_conv_take(c, out_at, out_block, out_lanes, out_left, out_right, y0, rows, x0, x1, result);
    for (int i = 0; i < in_rows; i++) free(in[i].memory);
    for (int i = 0; i < rows; i++) { free(out[i].memory); free(added[i].memory); }
    free(in);
    free(out);
    free(added);
    free(in_at);
    free(added_at);
    free(out_at);
    return good;
}

/* Makes the whole picture, in tasks of `step` columns (a multiple of grid_x), or of random multiples (0). */
CHECK_UNUSED static bool check_conv_picture(const struct check_conv_case *c, uint64_t *random, int step, float *result)
{
    const struct conv_algorithm *a = c->entry->algorithm;
    for (int y = 0; y < c->out_h; y += a->rows)
        for (int x = 0; x < c->out_w;) {
            const int columns = step ? step : a->grid_x * check_random_int(random, 1, 4 + c->out_w / a->grid_x);
            const int end = columns < c->out_w - x ? x + columns : c->out_w;
            if (!check_conv_task(c, random, y, x, end, result)) return false;
            x = end;
        }
    return true;
}

/* Runs a case whose entry, shape, epilogue, residual and sizes are set. Returns the error relative to the largest value, or -1. */
CHECK_UNUSED static double check_conv_run(struct check_conv_case *c, uint64_t *random)
{
    check_conv_open(c, random);
    const size_t count = (size_t) c->shape.out_channels * (size_t) c->out_h * (size_t) c->out_w;
    float *whole = malloc(count * sizeof *whole), *split = malloc(count * sizeof *split);
    if (!whole || !split) abort();
    const int all = (c->out_w + c->entry->algorithm->grid_x - 1) / c->entry->algorithm->grid_x * c->entry->algorithm->grid_x;
    double worst = -1;
    if (check_conv_picture(c, random, all, whole) && check_conv_picture(c, random, 0, split)) {
        CHECK_MSG(memcmp(whole, split, count * sizeof *whole) == 0, "%s: the result depends on how the columns were split",
                  c->entry->algorithm->name);
        worst = 0;
        for (size_t i = 0; i < count; i++) {
            const double error = fabs((double) whole[i] - c->truth[i]);
            if (!(error <= worst) && !isnan(worst)) worst = error; /* takes a NaN, keeps it */
        }
        /* activations are good to 1e-6 themselves and steepen an error a little */
        CHECK_MSG(worst <= 1.2 * c->entry->tolerance * c->scale + 2e-6, "%s: error %g at largest value %g, allowed %g",
                  c->entry->algorithm->name, worst, c->scale, c->entry->tolerance);
        worst /= c->scale > 0 ? c->scale : 1;
    }
    free(whole);
    free(split);
    check_conv_close(c);
    return worst;
}

/* ---- random cases ---- */

CHECK_UNUSED static int check_conv_size(uint64_t *random, int grid, int most)
{
    const int near[] = {1, grid - 1, grid, grid + 1, 2 * grid + 1, 2 * grid - 1, 3 * grid, 4 * grid + 3};
    int size = check_random_int(random, 0, 2) ? near[check_random(random) % 8] : check_random_int(random, 1, most);
    if (size < 1) size = 1;
    return size > most ? most : size;
}

CHECK_UNUSED static void check_conv_draw(struct check_conv_case *c, uint64_t *random)
{
    const struct conv_algorithm *a = c->entry->algorithm;
    struct conv_shape *s = &c->shape;
    do c->entry->draw(random, s);
    while (!a->fits(s));
    const double per_pixel = (double) s->in_channels / s->groups * s->out_channels * s->kernel_y * s->kernel_x;
    const int most_pixels = (int) fmin(20e6 / per_pixel + 1, 40000); /* keeps the truth affordable */
    c->out_h = check_conv_size(random, a->rows, a->rows * 4);
    if (c->out_h > most_pixels) c->out_h = 1;
    const int most = most_pixels / c->out_h;
    c->out_w = check_conv_size(random, a->grid_x, most < 3 * a->chunk_x ? most : 3 * a->chunk_x);
    const int pad_end_x = check_random_int(random, 0, s->kernel_x - 1), pad_end_y = check_random_int(random, 0, s->kernel_y - 1);
    c->in_w = (c->out_w - 1) * s->stride_x + (s->kernel_x - 1) * s->dilation_x + 1 - s->pad_x - pad_end_x;
    c->in_h = (c->out_h - 1) * s->stride_y + (s->kernel_y - 1) * s->dilation_y + 1 - s->pad_y - pad_end_y;
    if (c->in_w < 1) c->in_w = 1;
    if (c->in_h < 1) c->in_h = 1;
    c->epilogue = (struct conv_epilogue) {
        .act = (enum kernel_act) check_random_int(random, 0, KERNEL_ACT_COUNT - 1), .a = 0.2f, .b = 0.5f,
        .residual_before_act = check_random_int(random, 0, 1),
    };
    if (c->epilogue.act == KERNEL_ACT_CLIP) { /* also ranges without zero: padding lanes must be zero all the same */
        c->epilogue.a = check_random_int(random, 0, 1) ? 0.1f : -0.6f;
        c->epilogue.b = 0.7f;
    }
    c->residual = check_random_int(random, 0, 1);
}

CHECK_UNUSED static void check_conv_entry_run(const struct check_conv_entry *entry, uint64_t seed, int count)
{
    double worst = 0;
    for (int i = 0; i < count; i++) {
        uint64_t random = seed + (uint64_t) i * 1000003;
        struct check_conv_case c = {.entry = entry};
        check_conv_draw(&c, &random);
        const int before = atomic_load(&check_faults);
        worst = fmax(worst, check_conv_run(&c, &random));
        if (atomic_load(&check_faults) == before) continue;
        const struct conv_shape *s = &c.shape;
        fprintf(stderr, "  case %d of --seed %" PRIu64 ": %d -> %d, groups %d, kernel %dx%d, stride %dx%d, dilation %dx%d, "
                "pad %d,%d, out %dx%d, act %d, residual %d%s\n",
                i, seed, s->in_channels, s->out_channels, s->groups, s->kernel_x, s->kernel_y,
                s->stride_x, s->stride_y, s->dilation_x, s->dilation_y, s->pad_x, s->pad_y, c.out_w, c.out_h, (int) c.epilogue.act,
                c.residual, c.epilogue.residual_before_act ? " before" : "");
        break;
    }
    printf("%-24s worst error %.2g of the largest value\n", entry->algorithm->name, worst);
}

/* ---- timing ---- */

CHECK_UNUSED static double check_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

/* Cycles a second, from a chain of multiplications that take three cycles each (additions may vanish in renaming). */
CHECK_UNUSED static double check_clock(void)
{
    double best = 1e9;
    for (int repeat = 0; repeat < 5; repeat++) {
        const double start = check_seconds();
        uintptr_t x = 1;
        for (int i = 0; i < 1000000; i++) {
            x *= x; __asm__ volatile("" : "+r"(x));
            x *= x; __asm__ volatile("" : "+r"(x));
        }
        const double time = check_seconds() - start;
        if (time < best) best = time;
    }
    return 6e6 / best;
}

/* Times one layer on rows that stay in the cache (one task's rows of input and output serve all tasks). */
CHECK_UNUSED static void check_conv_bench(const struct check_conv_entry *entry, const struct check_conv_layer *layer, double clock)
{
    const struct conv_algorithm *a = entry->algorithm;
    const struct conv_shape *s = &layer->shape;
    const int in_lanes = a->in == ROWS_BLOCKED ? entry->vector : 1, out_lanes = a->out == ROWS_BLOCKED ? entry->vector : 1;
    const int in_planes = (s->in_channels + in_lanes - 1) / in_lanes, out_planes = (s->out_channels + out_lanes - 1) / out_lanes;
    const int in_rows = conv_input_rows(a, s, a->rows), margin = 64;
    const ptrdiff_t in_block = (ptrdiff_t) ((layer->width - 1) * s->stride_x + s->kernel_x * s->dilation_x + 2 * margin) * in_lanes;
    const ptrdiff_t out_block = (ptrdiff_t) (layer->width + 2 * margin) * out_lanes;
    const int taps = s->kernel_y * s->kernel_x;
    const size_t weights = (size_t) (s->in_channels / s->groups) * (size_t) s->out_channels * (size_t) taps;
    uint64_t random = 1;
    float *const in = check_conv_alloc((size_t) (in_block * in_planes) * (size_t) in_rows * sizeof *in);
    float *const out = check_conv_alloc((size_t) (out_block * out_planes) * (size_t) a->rows * sizeof *out);
    float *const w = check_conv_floats(&random, weights, 0.1f), *const bias = calloc((size_t) s->out_channels + 64, sizeof *bias);
    void *const packed_memory = check_conv_alloc(a->packed_bytes(s)), *const scratch = check_conv_alloc(a->scratch_bytes(s));
    const float **const in_at = malloc((size_t) in_rows * sizeof *in_at);
    float **const out_at = malloc((size_t) a->rows * sizeof *out_at);
    if (!bias || !in_at || !out_at) abort();
    for (ptrdiff_t i = 0; i < in_block * in_planes * in_rows; i++) in[i] = check_random_float(&random);
    memset(packed_memory, 0, a->packed_bytes(s));
    a->pack(s, w, packed_memory);
    for (int i = 0; i < in_rows; i++) in_at[i] = in + i * in_block * in_planes + margin * in_lanes;
    for (int i = 0; i < a->rows; i++) out_at[i] = out + i * out_block * out_planes + margin * out_lanes;
    const struct conv_packed packed = {.shape = *s, .epilogue = {.act = KERNEL_ACT_RELU}, .weights = packed_memory, .bias = bias};
    double best = 1e9, spent = 0; /* the quickest row of tasks stands for all: short enough to run undisturbed */
    for (int repeat = 0; repeat < 20 || (spent < 1.0 && repeat < 5000); repeat++) {
        const double start = check_seconds();
        for (int x = 0; x < layer->width; x += a->chunk_x) {
            const struct conv_task task = {
                .in = in_at, .out = out_at, .in_block = in_block, .out_block = out_block, .residual_block = out_block,
                .rows = a->rows, .x0 = x, .x1 = layer->width - x < a->chunk_x ? layer->width : x + a->chunk_x, .scratch = scratch,
            };
            a->run(&packed, &task);
        }
        const double time = check_seconds() - start;
        spent += time;
        if (time < best) best = time;
    }
    best *= ceil((double) layer->height / a->rows);
    const double pixels = (double) layer->width * layer->height;
    printf("%-20s %4d -> %-4d k%dx%d s%d d%d %4dx%-4d %8.3f ms %8.2f ns/pixel %8.1f cycles/pixel (cost %8.1f) %8.1f GFLOP/s\n",
           a->name, s->in_channels, s->out_channels, s->kernel_x, s->kernel_y, s->stride_x, s->dilation_x, layer->width,
           layer->height, best * 1e3, best / pixels * 1e9, best / pixels * clock, a->cost(s),
           2 * (double) weights * pixels / best * 1e-9);
    free(in);
    free(out);
    free(w);
    free(bias);
    free(packed_memory);
    free(scratch);
    free(in_at);
    free(out_at);
}

/* entries and layers end with a zeroed element. */
CHECK_UNUSED static int check_conv_main(int argc, char **argv, const struct check_conv_entry *entries,
                                        const struct check_conv_layer *layers)
{
    uint64_t seed = (uint64_t) time(NULL);
    int count = check_cases(60), names = 0;
    bool bench = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--bench") == 0) bench = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc) count = atoi(argv[++i]);
        else argv[++names] = argv[i];
    }
    if (!bench) printf("seed %" PRIu64 "\n", seed);
    const double clock = bench ? check_clock() : 0;
    for (const struct check_conv_entry *e = entries; e->algorithm; e++) {
        bool wanted = names == 0;
        for (int i = 1; i <= names; i++) wanted |= strstr(e->algorithm->name, argv[i]) != NULL;
        if (!wanted) continue;
        if ((cpu_flags() & e->cpu) != e->cpu) {
            check_skip("%s: this machine cannot run it", e->algorithm->name);
            check_skipped++;
            continue;
        }
        if (bench) {
            for (const struct check_conv_layer *l = layers; l->width; l++)
                if (e->algorithm->fits(&l->shape)) check_conv_bench(e, l, clock);
            continue;
        }
        atomic_store(&check_faults, 0);
        check_conv_entry_run(e, seed, count);
        if (atomic_load(&check_faults)) check_failed++;
        else check_passed++;
    }
    return check_report();
}

#endif
