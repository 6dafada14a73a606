/* SPDX-License-Identifier: MIT */
/* The rows kernels (kernels/rows.h) of every ISA that this machine runs, against plain loops in double precision:
 *
 *     check_rows [--seed N] [--count N] [--bench] [NAME...]      NAME: only kernels whose name ("act_avx2") contains it
 *
 * Arrays are exactly as long as the kernel may read or write, between guard bands (and, under ASan, nothing beyond); what must not be
 * read is NaN, what must not be written keeps its pattern. */
#define _GNU_SOURCE
#include "check_conv.h"
#include "kernels/rows.h"

/* ---- arrays ---- */

#define GUARD 64 /* floats before and behind */
#define ARRAYS 48

struct bed { /* the arrays of one case */
    uint64_t random;
    float *base[ARRAYS];
    size_t size[ARRAYS];
    int n;
};

static float pattern(void)
{
    float f;
    memcpy(&f, &check_conv_pattern, sizeof f);
    return f;
}

/* Floats that hold the pattern, at any alignment. */
static float *array(struct bed *bed, size_t size)
{
    const size_t shift = (size_t) check_random_int(&bed->random, 0, 3);
    float *base = malloc((size + 2 * GUARD + shift) * sizeof *base);
    if (!base || bed->n == ARRAYS) abort();
    for (size_t i = 0; i < size + 2 * GUARD + shift; i++) base[i] = pattern();
    bed->base[bed->n] = base;
    bed->size[bed->n++] = size + 2 * GUARD + shift;
    return base + GUARD + shift;
}

static float *numbers(struct bed *bed, size_t size, double scale)
{
    float *a = array(bed, size);
    for (size_t i = 0; i < size; i++) a[i] = (float) scale * check_random_float(&bed->random);
    return a;
}

static bool is_pattern(float f)
{
    return memcmp(&f, &check_conv_pattern, sizeof f) == 0;
}

/* The guard bands of all arrays hold; frees them. */
static void close_bed(struct bed *bed, const char *name)
{
    for (int k = 0; k < bed->n; k++) {
        bool held = true;
        for (size_t i = 0; i < GUARD; i++)
            held = held && is_pattern(bed->base[k][i]) && is_pattern(bed->base[k][bed->size[k] - 1 - i]);
        CHECK_MSG(held, "%s: wrote beside array %d", name, k);
        free(bed->base[k]);
    }
    bed->n = 0;
}

static int length(struct bed *bed) /* worth testing: around every vector length, and longer */
{
    return check_random_int(&bed->random, 0, 3) ? check_random_int(&bed->random, 1, 70) : check_random_int(&bed->random, 70, 700);
}

/* ---- cases: each makes its arrays, calls the kernel, compares ---- */

typedef void case_fn(const struct kernel_set *set, struct bed *bed, const char *name);

struct rows_case { /* a row and an array of the same picture */
    int channels, width, x0, x1, blocks;
    ptrdiff_t block, plane;
};

static struct rows_case draw_rows(const struct kernel_set *set, struct bed *bed)
{
    struct rows_case c = {.channels = check_random_channels(&bed->random), .width = length(bed)};
    c.x0 = check_random_int(&bed->random, 0, c.width - 1);
    c.x1 = check_random_int(&bed->random, c.x0 + 1, c.width);
    if (check_random_int(&bed->random, 0, 2) == 0) c.x0 = 0, c.x1 = c.width;
    c.blocks = (c.channels + set->vector - 1) / set->vector;
    c.block = (ptrdiff_t) (c.width + check_random_int(&bed->random, 0, 5)) * set->vector;
    c.plane = c.width + check_random_int(&bed->random, 0, 9);
    return c;
}

static float *blocked_at(const struct kernel_set *set, const struct rows_case *c, float *row, int channel, int x)
{
    return row + channel / set->vector * c->block + (ptrdiff_t) x * set->vector + channel % set->vector;
}

static size_t row_floats(const struct kernel_set *set, const struct rows_case *c)
{
    return (size_t) ((c->blocks - 1) * c->block) + (size_t) (c->width * set->vector);
}

static void try_load(const struct kernel_set *set, struct bed *bed, const char *name)
{
    const struct rows_case c = draw_rows(set, bed);
    const float *src = numbers(bed, (size_t) ((c.channels - 1) * c.plane + c.width), 1);
    float *row = array(bed, row_floats(set, &c));
    set->rows->load_blocked(src, c.plane, c.channels, row, c.block, c.x0, c.x1);
    for (int i = 0; i < c.blocks * set->vector; i++)
        for (int x = 0; x < c.width; x++) {
            const float got = *blocked_at(set, &c, row, i, x);
            const bool good = x < c.x0 || x >= c.x1 ? is_pattern(got) : got == (i < c.channels ? src[i * c.plane + x] : 0);
            if (!CHECK_MSG(good, "%s: %d channels, columns [%d, %d): channel %d, column %d", name, c.channels, c.x0, c.x1, i, x))
                return;
        }
}

static void try_store(const struct kernel_set *set, struct bed *bed, const char *name)
{
    const struct rows_case c = draw_rows(set, bed);
    float *row = numbers(bed, row_floats(set, &c), 1);
    float *dst = array(bed, (size_t) ((c.channels - 1) * c.plane + c.width));
    set->rows->store_blocked(row, c.block, c.channels, dst, c.plane, c.x0, c.x1);
    for (int i = 0; i < c.channels; i++)
        for (int x = 0; x < (i + 1 < c.channels ? (int) c.plane : c.width); x++) {
            const float got = dst[i * c.plane + x];
            const bool good = x < c.x0 || x >= c.x1 ? is_pattern(got) : got == *blocked_at(set, &c, row, i, x);
            if (!CHECK_MSG(good, "%s: %d channels, columns [%d, %d): channel %d, column %d", name, c.channels, c.x0, c.x1, i, x))
                return;
        }
}

static void try_shuffle(const struct kernel_set *set, struct bed *bed, const char *name, bool blocked)
{
    const int r = check_random_int(&bed->random, 2, 5),
              channels = check_random_int(&bed->random, 1, check_random_int(&bed->random, 1, 20));
    struct rows_case c = draw_rows(set, bed);
    const bool crd = check_random_int(&bed->random, 0, 1);
    c.channels = channels * r * r;
    c.blocks = (c.channels + set->vector - 1) / set->vector;
    if (!blocked) c.block = c.width + check_random_int(&bed->random, 0, 5);
    const int limit = c.x1 * r - check_random_int(&bed->random, 0, r - 1), width = c.width * r;
    float *row = numbers(bed, blocked ? row_floats(set, &c) : (size_t) ((c.channels - 1) * c.block + c.width), 1);
    const ptrdiff_t plane = width + check_random_int(&bed->random, 0, 9);
    float *out[16] = {NULL};
    for (int i = 0; i < r; i++)
        if (check_random_int(&bed->random, 0, 4)) out[i] = array(bed, (size_t) ((channels - 1) * plane + width));
    (blocked ? set->rows->shuffle_blocked : set->rows->shuffle_planar)(
        row, c.block, channels, r, crd, out, plane, c.x0, c.x1, limit);
    for (int i = 0; i < r; i++)
        for (int k = 0; out[i] && k < channels; k++)
            for (int x = 0; x < width; x++) {
                const int j = x % r, from = crd ? k * r * r + i * r + j : (i * r + j) * channels + k;
                const float got = out[i][k * plane + x];
                const bool wanted = x >= c.x0 * r && x < limit;
                const bool good = wanted ? got == (blocked ? *blocked_at(set, &c, row, from, x / r) : row[from * c.block + x / r])
                                         : is_pattern(got);
                if (!CHECK_MSG(good, "%s: r %d, %d channels, columns [%d, %d) below %d: row %d, channel %d, column %d", name, r,
                        channels, c.x0, c.x1, limit, i, k, x))
                    return;
            }
}

static void try_shuffle_blocked(const struct kernel_set *set, struct bed *bed, const char *name)
{
    try_shuffle(set, bed, name, true);
}
static void try_shuffle_planar(const struct kernel_set *set, struct bed *bed, const char *name)
{
    try_shuffle(set, bed, name, false);
}

static void try_act(const struct kernel_set *set, struct bed *bed, const char *name)
{
    const size_t n = (size_t) length(bed);
    const struct conv_epilogue e = {.act = (enum kernel_act) check_random_int(&bed->random, 0, KERNEL_ACT_COUNT - 1),
        .a = 0.05f + 0.2f * (float) check_random_int(&bed->random, 0, 1),
        .b = 0.5f};
    float *src = numbers(bed, n, check_random_int(&bed->random, 0, 1) ? 4 : 30), *slope = numbers(bed, (size_t) set->vector, 1);
    float *keep = numbers(bed, n, 1);
    memcpy(keep, src, n * sizeof *src);
    float *dst = check_random_int(&bed->random, 0, 1) ? src : array(bed, n);
    set->rows->act(dst, src, n, e.act, e.a, e.b, e.act == KERNEL_ACT_PRELU ? slope : NULL);
    for (size_t i = 0; i < n; i++) {
        const double want = check_conv_act(&e, (double) keep[i], (double) slope[i % (size_t) set->vector]);
        if (!CHECK_MSG(fabs((double) dst[i] - want) <= 1e-6 * (1 + fabs(want) + fabs((double) keep[i]) / 2),
                "%s: activation %d of %.9g is %.9g, must be %.9g", name, (int) e.act, (double) keep[i], (double) dst[i], want))
            return;
    }
}

static double combine(double a, double b, enum rows_binary op)
{
    switch (op) {
    case ROWS_ADD: return a + b;
    case ROWS_SUB: return a - b;
    case ROWS_MUL: return a * b;
    case ROWS_DIV: return a / b;
    case ROWS_MAX: return a > b ? a : b;
    case ROWS_MIN: return a < b ? a : b;
    case ROWS_RSUB: return b - a;
    default: return b / a;
    }
}

static void try_binary(const struct kernel_set *set, struct bed *bed, const char *name, bool lane)
{
    const size_t n = (size_t) length(bed);
    const enum rows_binary op = (enum rows_binary) check_random_int(&bed->random, 0, ROWS_RDIV);
    float *a = numbers(bed, n, 3), *b = numbers(bed, lane ? (size_t) set->vector : n, 3), *keep = numbers(bed, n, 1);
    memcpy(keep, a, n * sizeof *a);
    float *dst = check_random_int(&bed->random, 0, 1) ? a : array(bed, n);
    (lane ? set->rows->binary_lane : set->rows->binary)(dst, a, b, n, op);
    for (size_t i = 0; i < n; i++) {
        const float want = (float) combine((double) keep[i], (double) b[lane ? i % (size_t) set->vector : i], op);
        if (!CHECK_MSG(dst[i] == want || fabsf(dst[i] - want) <= 1e-6f * fabsf(want),
                "%s: operation %d, element %zu is %.9g, must be %.9g", name, (int) op, i, (double) dst[i], (double) want))
            return;
    }
}

static void try_binary_runs(const struct kernel_set *set, struct bed *bed, const char *name)
{
    try_binary(set, bed, name, false);
}
static void try_binary_lane(const struct kernel_set *set, struct bed *bed, const char *name)
{
    try_binary(set, bed, name, true);
}

static void try_scale_shift(const struct kernel_set *set, struct bed *bed, const char *name)
{
    const size_t n = (size_t) length(bed), v = (size_t) set->vector;
    float *src = numbers(bed, n, 3), *scale = numbers(bed, v, 2), *shift = numbers(bed, v, 2), *dst = array(bed, n);
    set->rows->scale_shift(dst, src, n, scale, shift);
    for (size_t i = 0; i < n; i++)
        if (!CHECK_MSG(fabs((double) dst[i] - ((double) src[i] * (double) scale[i % v] + (double) shift[i % v])) <= 1e-6,
                "%s: element %zu", name, i))
            return;
}

static void try_lanes(const struct kernel_set *set, struct bed *bed, const char *name, bool max)
{
    const size_t v = (size_t) set->vector, n = (size_t) length(bed) * v;
    float *src = numbers(bed, n, 3), *to = numbers(bed, v, 1), *before = numbers(bed, v, 1);
    memcpy(before, to, v * sizeof *to);
    (max ? set->rows->max_lane : set->rows->sum_lane)(to, src, n);
    for (size_t l = 0; l < v; l++) {
        double want = (double) before[l];
        for (size_t i = l; i < n; i += v) want = max ? fmax(want, (double) src[i]) : want + (double) src[i];
        CHECK_MSG(fabs((double) to[l] - want) <= (max ? 0 : 1e-5 * (double) n / (double) v), "%s: lane %zu", name, l);
    }
}

static void try_sum(const struct kernel_set *set, struct bed *bed, const char *name)
{
    try_lanes(set, bed, name, false);
}
static void try_max(const struct kernel_set *set, struct bed *bed, const char *name)
{
    try_lanes(set, bed, name, true);
}

static void try_pool(const struct kernel_set *set, struct bed *bed, const char *name, bool blocked)
{
    const int lanes = blocked ? set->vector : 1;
    struct rows_pool p = {.max = check_random_int(&bed->random, 0, 1),
        .count_pad = check_random_int(&bed->random, 0, 1),
        .kernel_y = check_random_int(&bed->random, 1, 5),
        .kernel_x = check_random_int(&bed->random, 1, 5),
        .stride_x = check_random_int(&bed->random, 1, 3),
        .dilation_x = check_random_int(&bed->random, 1, 2),
        .in_width = length(bed)};
    p.pad_x = check_random_int(&bed->random, 0, (p.kernel_x - 1) * p.dilation_x);
    p.pad_end_x = check_random_int(&bed->random, 0, (p.kernel_x - 1) * p.dilation_x);
    const int reach = (p.kernel_x - 1) * p.dilation_x + 1, room = p.in_width + p.pad_x + p.pad_end_x - reach;
    const int width = room < 0 ? 1 : room / p.stride_x + 1, x0 = check_random_int(&bed->random, 0, width - 1),
              x1 = check_random_int(&bed->random, x0 + 1, width);
    const float *in[8] = {NULL};
    for (int k = 0; k < p.kernel_y; k++) {
        if (check_random_int(&bed->random, 0, 3)) in[k] = numbers(bed, (size_t) (p.in_width * lanes), 2);
        p.counted_y += in[k] != NULL || p.count_pad;
    }
    float *dst = array(bed, (size_t) (width * lanes));
    (blocked ? set->rows->pool_blocked : set->rows->pool_planar)(&p, in, dst, x0, x1);
    for (int x = 0; x < width; x++)
        for (int l = 0; l < lanes; l++) {
            double sum = 0, most = -HUGE_VAL;
            int counted = 0;
            for (int kx = 0; kx < p.kernel_x; kx++) {
                const int at = x * p.stride_x - p.pad_x + kx * p.dilation_x;
                const bool inside = at >= 0 && at < p.in_width;
                counted += inside || (p.count_pad && at >= -p.pad_x && at < p.in_width + p.pad_end_x);
                for (int ky = 0; inside && ky < p.kernel_y; ky++) {
                    if (!in[ky]) continue;
                    sum += (double) in[ky][at * lanes + l];
                    most = fmax(most, (double) in[ky][at * lanes + l]);
                }
            }
            counted *= p.counted_y;
            const double want = p.max ? most : counted ? sum / counted : 0, got = (double) dst[x * lanes + l];
            const bool good = x < x0 || x >= x1 ? is_pattern(dst[x * lanes + l]) : got == want || fabs(got - want) <= 2e-6;
            if (!CHECK_MSG(good, "%s: %s %dx%d, column %d of [%d, %d): %.9g, must be %.9g", name, p.max ? "max" : "mean",
                    p.kernel_x, p.kernel_y, x, x0, x1, got, want))
                return;
        }
}

static void try_pool_blocked(const struct kernel_set *set, struct bed *bed, const char *name)
{
    try_pool(set, bed, name, true);
}
static void try_pool_planar(const struct kernel_set *set, struct bed *bed, const char *name)
{
    try_pool(set, bed, name, false);
}

static void try_resize(const struct kernel_set *set, struct bed *bed, const char *name, bool blocked)
{
    static const int taps[] = {1, 2, 4};
    const int lanes = blocked ? set->vector : 1, nx = taps[check_random_int(&bed->random, 0, 2)],
              ny = taps[check_random_int(&bed->random, 0, 2)];
    const int in_width = length(bed), width = length(bed), x0 = check_random_int(&bed->random, 0, width - 1),
              x1 = check_random_int(&bed->random, x0 + 1, width);
    const float *in[4];
    for (int j = 0; j < ny; j++) in[j] = numbers(bed, (size_t) (in_width * lanes), 2);
    float *wx = numbers(bed, (size_t) (width * nx), 1), *wy = numbers(bed, (size_t) ny, 1);
    if (nx == 1 && ny == 1) {
        wy[0] = 1;
        for (int i = 0; i < width; i++) wx[i] = 1;
    }
    int32_t *index = malloc((size_t) (width * nx) * sizeof *index);
    for (int i = 0; i < width * nx; i++) index[i] = check_random_int(&bed->random, 0, in_width - 1);
    float *dst = array(bed, (size_t) (width * lanes));
    (blocked ? set->rows->resize_blocked : set->rows->resize_planar)(in, wy, ny, index, wx, nx, dst, x0, x1);
    for (int x = 0; x < width; x++)
        for (int l = 0; l < lanes; l++) {
            double want = 0;
            for (int j = 0; j < ny; j++)
                for (int i = 0; i < nx; i++)
                    want += (double) wy[j] * (double) wx[x * nx + i] * (double) in[j][index[x * nx + i] * lanes + l];
            const float got = dst[x * lanes + l];
            const bool good = x < x0 || x >= x1 ? is_pattern(got)
                              : nx * ny == 1    ? got == (float) want
                                                : fabs((double) got - want) <= 1e-5;
            if (!CHECK_MSG(good, "%s: %dx%d taps, column %d: %.9g, must be %.9g", name, nx, ny, x, (double) got, want)) {
                free(index);
                return;
            }
        }
    free(index);
}

static void try_resize_blocked(const struct kernel_set *set, struct bed *bed, const char *name)
{
    try_resize(set, bed, name, true);
}
static void try_resize_planar(const struct kernel_set *set, struct bed *bed, const char *name)
{
    try_resize(set, bed, name, false);
}

static void try_gemm(const struct kernel_set *set, struct bed *bed, const char *name)
{
    const int m = check_random_int(&bed->random, 1, 30), n = check_random_int(&bed->random, 1, 90);
    const int k =
        check_random_int(&bed->random, 0, 5) ? check_random_int(&bed->random, 0, 60) : check_random_int(&bed->random, 200, 600);
    const bool add = check_random_int(&bed->random, 0, 1);
    const ptrdiff_t lda = k + check_random_int(&bed->random, 0, 3), ldb = n + check_random_int(&bed->random, 0, 3),
                    ldc = n + check_random_int(&bed->random, 0, 3);
    const float *a = numbers(bed, (size_t) ((m - 1) * lda + k), 1), *b = numbers(bed, k ? (size_t) ((k - 1) * ldb + n) : 0, 1);
    const size_t size = (size_t) ((m - 1) * ldc + n);
    float *first = numbers(bed, size, 1), *c = numbers(bed, size, 1), *parts = numbers(bed, size, 1);
    memcpy(c, first, size * sizeof *c);
    memcpy(parts, first, size * sizeof *c);
    void *scratch = check_conv_alloc(set->rows->gemm_scratch);
    set->rows->gemm(a, lda, b, ldb, c, ldc, k, 0, m, 0, n, add, scratch);
    const int cut_m = check_random_int(&bed->random, 0, m), cut_n = check_random_int(&bed->random, 0, n);
    for (int i = 0; i < 4; i++)
        set->rows->gemm(a, lda, b, ldb, parts, ldc, k, i & 1 ? cut_m : 0, i & 1 ? m : cut_m, i & 2 ? cut_n : 0, i & 2 ? n : cut_n,
            add, scratch);
    CHECK_MSG(check_conv_guard_holds(scratch, set->rows->gemm_scratch), "%s: wrote behind its scratch", name);
    CHECK_MSG(memcmp(c, parts, size * sizeof *c) == 0, "%s: %dx%dx%d cut at %d, %d differs", name, m, n, k, cut_m, cut_n);
    free(scratch);
    for (int y = 0; y < m; y++)
        for (int x = 0; x < (y + 1 < m ? (int) ldc : n); x++) {
            double want = add || x >= n ? (double) first[y * ldc + x] : 0;
            for (int i = 0; x < n && i < k; i++) want += (double) a[y * lda + i] * (double) b[i * ldb + x];
            if (!CHECK_MSG(fabs((double) c[y * ldc + x] - want) <= (x < n ? 1e-7 * (k + 20) : 0),
                    "%s: %dx%dx%d, element %d, %d: %.9g, must be %.9g", name, m, n, k, y, x, (double) c[y * ldc + x], want))
                return;
        }
}

static void try_exp(const struct kernel_set *set, struct bed *bed, const char *name)
{
    const size_t n = (size_t) length(bed);
    float *src = numbers(bed, n, 80), *dst = array(bed, n);
    set->rows->exp(dst, src, n);
    for (size_t i = 0; i < n; i++) {
        const double want = exp((double) src[i]);
        if (!CHECK_MSG(fabs((double) dst[i] - want) <= 4e-7 * want, "%s: exp(%.9g) is %.9g, must be %.9g", name, (double) src[i],
                (double) dst[i], want))
            return;
    }
}

static void try_softmax(const struct kernel_set *set, struct bed *bed, const char *name)
{
    const size_t n = (size_t) length(bed);
    float *src = numbers(bed, n, check_random_int(&bed->random, 0, 1) ? 3 : 1000), *dst = array(bed, n);
    set->rows->softmax(dst, src, n);
    double most = -HUGE_VAL, sum = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, (double) src[i]);
    for (size_t i = 0; i < n; i++) sum += exp((double) src[i] - most);
    for (size_t i = 0; i < n; i++)
        if (!CHECK_MSG(fabs((double) dst[i] - exp((double) src[i] - most) / sum) <= 2e-6, "%s: element %zu of %zu is %.9g", name, i,
                n, (double) dst[i]))
            return;
}

static void try_peak(const struct kernel_set *set, struct bed *bed, const char *name)
{
    const int turns = check_random_int(&bed->random, 1, 100);
    CHECK_MSG(set->rows->peak(turns) == 2.0 * 12 * set->vector * turns, "%s: another number of operations than it does", name);
}

static const struct {
    const char *name;
    case_fn *run;
} cases[] = {
    {"load_blocked", try_load},
    {"store_blocked", try_store},
    {"shuffle_blocked", try_shuffle_blocked},
    {"shuffle_planar", try_shuffle_planar},
    {"act", try_act},
    {"binary", try_binary_runs},
    {"binary_lane", try_binary_lane},
    {"scale_shift", try_scale_shift},
    {"sum_lane", try_sum},
    {"max_lane", try_max},
    {"pool_blocked", try_pool_blocked},
    {"pool_planar", try_pool_planar},
    {"resize_blocked", try_resize_blocked},
    {"resize_planar", try_resize_planar},
    {"gemm", try_gemm},
    {"exp", try_exp},
    {"softmax", try_softmax},
    {"peak", try_peak},
};
#define CASES (sizeof cases / sizeof cases[0])

/* ---- timing ---- */

#define BENCH_CHANNELS 64
#define BENCH_WIDTH 640

struct bench { /* one row of 64 channels, in every form */
    float *row, *other, *array, *lanes;
    int32_t *index;
    float *out[2];
    void *scratch;
};

static const struct rows_pool bench_pool = {.max = true,
    .kernel_y = 3,
    .kernel_x = 3,
    .stride_x = 1,
    .dilation_x = 1,
    .pad_x = 1,
    .pad_end_x = 1,
    .in_width = BENCH_WIDTH,
    .counted_y = 3};

/* Does the work of one row; false when the case has no timing. Returns the floats it made in *made. */
static bool bench_once(const char *name, const struct kernel_set *set, const struct bench *b, double *made)
{
    const struct rows_kernels *k = set->rows;
    const int w = BENCH_WIDTH, c = BENCH_CHANNELS, v = set->vector;
    const size_t n = (size_t) w * (size_t) c;
    const float *in[4] = {b->other, b->other + w * v, b->other + 2 * w * v, b->other + 3 * w * v};
    static const float weights[4] = {0.1f, 0.4f, 0.4f, 0.1f};
    *made = (double) n;
    if (strcmp(name, "load_blocked") == 0)
        k->load_blocked(b->array, w, c, b->row, (ptrdiff_t) w * v, 0, w);
    else if (strcmp(name, "store_blocked") == 0)
        k->store_blocked(b->row, (ptrdiff_t) w * v, c, b->array, w, 0, w);
    else if (strcmp(name, "shuffle_blocked") == 0)
        k->shuffle_blocked(b->row, (ptrdiff_t) w * v, 12, 2, true, b->out, 2 * w, 0, w, 2 * w);
    else if (strcmp(name, "shuffle_planar") == 0)
        k->shuffle_planar(b->row, w, 12, 2, true, b->out, 2 * w, 0, w, 2 * w);
    else if (strcmp(name, "act") == 0)
        k->act(b->row, b->other, n, KERNEL_ACT_SILU, 0, 0, NULL);
    else if (strcmp(name, "binary") == 0)
        k->binary(b->row, b->row, b->other, n, ROWS_MAX);
    else if (strcmp(name, "binary_lane") == 0)
        k->binary_lane(b->row, b->other, b->lanes, n, ROWS_ADD);
    else if (strcmp(name, "scale_shift") == 0)
        k->scale_shift(b->row, b->other, n, b->lanes, b->lanes);
    else if (strcmp(name, "sum_lane") == 0)
        k->sum_lane(b->lanes, b->other, n);
    else if (strcmp(name, "max_lane") == 0)
        k->max_lane(b->lanes, b->other, n);
    else if (strcmp(name, "pool_blocked") == 0) {
        k->pool_blocked(&bench_pool, in, b->row, 0, w);
        *made = (double) w * v;
    } else if (strcmp(name, "pool_planar") == 0) {
        k->pool_planar(&bench_pool, in, b->row, 0, w);
        *made = w;
    } else if (strcmp(name, "resize_blocked") == 0) {
        k->resize_blocked(in, weights, 2, b->index, b->array, 2, b->row, 0, w);
        *made = (double) w * v;
    } else if (strcmp(name, "resize_planar") == 0) {
        k->resize_planar(in, weights, 2, b->index, b->array, 2, b->row, 0, w);
        *made = w;
    } else if (strcmp(name, "gemm") == 0)
        k->gemm(b->array, c, b->other, w, b->row, w, c, 0, c, 0, w, false, b->scratch);
    else if (strcmp(name, "exp") == 0)
        k->exp(b->row, b->other, n);
    else if (strcmp(name, "softmax") == 0)
        k->softmax(b->row, b->other, n);
    else
        return false;
    if (strncmp(name, "shuffle", 7) == 0) *made = 48.0 * w;
    return true;
}

/* Nanoseconds per float: the quickest of many rounds. */
static double bench_case(const char *name, const struct kernel_set *set)
{
    uint64_t random = 1;
    const size_t n = (size_t) BENCH_CHANNELS * BENCH_WIDTH;
    struct bench b = {.scratch = check_conv_alloc(set->rows->gemm_scratch)};
    float **const arrays[] = {&b.row, &b.other, &b.array, &b.lanes, &b.out[0], &b.out[1]};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        float *a = *arrays[i] = check_conv_alloc(n * sizeof(float));
        for (size_t k = 0; k < n; k++) a[k] = check_random_float(&random);
    }
    b.index = malloc(2 * BENCH_WIDTH * sizeof *b.index);
    for (int i = 0; i < 2 * BENCH_WIDTH; i++) b.index[i] = i / 4;
    double best = HUGE_VAL, made = 1, spent = 0;
    bool timed = true;
    for (int i = 0; timed && (i < 20 || (spent < 0.2 && i < 5000)); i++) {
        const double start = check_seconds();
        timed = bench_once(name, set, &b, &made);
        const double time = check_seconds() - start;
        spent += time;
        if (time < best) best = time;
    }
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) free(*arrays[i]);
    free(b.index);
    free(b.scratch);
    return timed ? best / made * 1e9 : 0;
}

int main(int argc, char **argv)
{
    uint64_t seed = (uint64_t) time(NULL);
    int count = 200, names = 0;
    bool bench = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--bench") == 0)
            bench = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc)
            count = atoi(argv[++i]);
        else
            argv[++names] = argv[i];
    }
    if (!bench) printf("seed %" PRIu64 "\n", seed);
    const struct kernel_set *sets[4];
    const int n_sets = kernel_sets(sets);
    for (size_t k = 0; k < CASES; k++)
        for (int s = 0; s < n_sets; s++) {
            char name[64];
            snprintf(name, sizeof name, "%s_%s", cases[k].name, sets[s]->isa);
            bool wanted = names == 0;
            for (int i = 1; i <= names; i++) wanted |= strstr(name, argv[i]) != NULL;
            if (!wanted) continue;
            if (bench) {
                const double mine = bench_case(cases[k].name, sets[s]),
                             plain = mine > 0 ? bench_case(cases[k].name, sets[n_sets - 1]) : 0;
                if (mine > 0) printf("%-24s %8.3f ns/float %8.2f times the C version's speed\n", name, mine, plain / mine);
                continue;
            }
            atomic_store(&check_faults, 0);
            for (int i = 0; i < count && !atomic_load(&check_faults); i++) {
                struct bed bed = {.random = seed + (uint64_t) i * 1000003u};
                cases[k].run(sets[s], &bed, name);
                close_bed(&bed, name);
            }
            if (atomic_load(&check_faults))
                check_failed++;
            else
                check_passed++;
        }
    return check_report();
}
