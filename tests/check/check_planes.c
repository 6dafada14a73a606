/* SPDX-License-Identifier: MIT */
/* The planes kernels (kernels/planes.h) of every ISA that this machine runs, against plain loops (check_bed.h). Timing is of what a
 * frame of 640 x 360 in 4:2:0 to 1280 x 720 costs besides its network, on one thread. */
#define _GNU_SOURCE
#include "check_bed.h"
#include "convert/changes.h"
#include "convert/planes.h"
#include "convert/scale.h"
#include "kernels/planes.h"

/* ---- cases ---- */

static void *open_samples(struct bed *bed, int n, int bits)
{
    const size_t each = bits > 8 ? 2 : 1;
    uint8_t *row = open_row(bed, (size_t) n * each, false, each);
    for (int i = 0; i < n; i++) {
        const uint16_t v = (uint16_t) (check_random(&bed->random) & ((1u << bits) - 1));
        memcpy(row + (size_t) i * each, &v, each);
    }
    return row;
}

static unsigned sample(const void *row, int i, int bits)
{
    return bits == 8 ? ((const uint8_t *) row)[i] : ((const uint16_t *) row)[i];
}

/* The forms that video has: to a network's levels and back. */
static void draw_forms(struct bed *bed, int bits, struct planes_load *load, struct planes_store *store)
{
    const int most = (1 << bits) - 1, unit = 1 << (bits - 8);
    const struct {
        double gain, offset, divisor;
    } forms[] = {
        {1, 0, 1},
        {1, 0, most},
        {1, 0, 255 * unit},
        {1, -16 * unit, 219 * unit},
        {1, -128 * unit, 224 * unit},
        {1, -128 * unit, most},
        {219, 16.0 * most, 255.0 * most},
    };
    const int i = check_random_int(&bed->random, 0, 6);
    *load = (struct planes_load){(float) forms[i].gain, (float) forms[i].offset, (float) forms[i].divisor};
    *store =
        (struct planes_store){(float) (forms[i].divisor / forms[i].gain), (float) (forms[i].offset / forms[i].gain), (float) most};
}

static void try_load(const struct kernel_set *set, struct bed *bed, const char *name, int bits)
{
    const int n = length(bed);
    struct planes_load f;
    struct planes_store unused;
    draw_forms(bed, bits, &f, &unused);
    const void *src = open_samples(bed, n, bits);
    float *dst = open_row(bed, (size_t) n * sizeof *dst, true, sizeof *dst);
    if (bits == 8)
        set->planes->load8(src, &f, dst, n);
    else
        set->planes->load16(src, &f, dst, n);
    for (int x = 0; x < n; x++) { /* a double's quotient of whole numbers, rounded once more, is the float's */
        const float want = (float) (((double) f.gain * sample(src, x, bits) + (double) f.offset) / (double) f.divisor);
        if (!CHECK_MSG(memcmp(&dst[x], &want, sizeof want) == 0, "%s: %d bits, divisor %g: sample %d of %u is %.9g, must be %.9g",
                name, bits, (double) f.divisor, x, sample(src, x, bits), (double) dst[x], (double) want))
            return;
    }
}

static void try_load8(const struct kernel_set *set, struct bed *bed, const char *name)
{
    try_load(set, bed, name, 8);
}
static void try_load16(const struct kernel_set *set, struct bed *bed, const char *name)
{
    try_load(set, bed, name, check_random_int(&bed->random, 9, 16));
}

static float odd_value(uint64_t *random, const struct planes_store *f)
{
    static const float odd[] = {0, -0.0f, 1, -1, 1.5f, 1e30f, -1e30f, 3e38f, HUGE_VALF, -HUGE_VALF, NAN, -NAN, 1e-40f, 0.5f};
    const int i = check_random_int(random, 0, 50);
    if (i < 14) return odd[i];
    const float v = (float) check_random_int(random, -20, (int) f->most + 20) + (float) check_random_int(random, 0, 3) / 4;
    return (v + f->offset) / f->scale; /* ties, and both ends */
}

/* The definition, in float steps: product, cut, difference, nearest with ties to even. */
static unsigned stored(float v, const struct planes_store *f)
{
    if (isnan(v)) return 0;
    const volatile float product = v * f->scale, high = f->most + f->offset;
    const volatile float cut = product < f->offset ? f->offset : product > high ? high : product;
    return (unsigned) lrintf(cut - f->offset);
}

static void try_store(const struct kernel_set *set, struct bed *bed, const char *name, int bits)
{
    const int n = length(bed);
    struct planes_load unused;
    struct planes_store f;
    draw_forms(bed, bits, &unused, &f);
    float *src = open_floats(bed, (size_t) n);
    uint64_t want_nan = 0;
    for (int x = 0; x < n; x++) {
        src[x] = odd_value(&bed->random, &f);
        want_nan += isnan(src[x]);
    }
    const size_t each = bits > 8 ? 2 : 1;
    void *dst = open_row(bed, (size_t) n * each, true, each);
    const uint64_t nan = bits == 8 ? set->planes->store8(src, &f, dst, n) : set->planes->store16(src, &f, dst, n);
    for (int x = 0; x < n; x++)
        if (!CHECK_MSG(sample(dst, x, bits) == stored(src[x], &f), "%s: %d bits, scale %g: sample %d of %.9g is %u, must be %u",
                name, bits, (double) f.scale, x, (double) src[x], sample(dst, x, bits), stored(src[x], &f)))
            return;
    CHECK_MSG(nan == want_nan, "%s: counts %" PRIu64 " that are not numbers, must be %" PRIu64, name, nan, want_nan);
}

static void try_store8(const struct kernel_set *set, struct bed *bed, const char *name)
{
    try_store(set, bed, name, 8);
}
static void try_store16(const struct kernel_set *set, struct bed *bed, const char *name)
{
    try_store(set, bed, name, check_random_int(&bed->random, 9, 16));
}

static void try_matrix(const struct kernel_set *set, struct bed *bed, const char *name)
{
    const int n = length(bed);
    struct planes_matrix m;
    for (int i = 0; i < 9; i++) m.m[i / 3][i % 3] = 2 * check_random_float(&bed->random);
    const float *src[3];
    for (int k = 0; k < 3; k++) src[k] = open_floats(bed, (size_t) n);
    float *dst[3] = {NULL};
    for (int i = 0; i < 3; i++)
        if (check_random_int(&bed->random, 0, 3)) dst[i] = open_row(bed, (size_t) n * sizeof **dst, true, sizeof **dst);
    set->planes->matrix(&m, src[0], src[1], src[2], dst, n);
    for (int i = 0; i < 3; i++)
        for (int x = 0; dst[i] && x < n; x++) {
            double want = 0;
            for (int k = 0; k < 3; k++) want += (double) m.m[i][k] * (double) src[k][x];
            if (!CHECK_MSG(fabs((double) dst[i][x] - want) < 1e-6, "%s: row %d, column %d is %.9g, must be %.9g", name, i, x,
                    (double) dst[i][x], want))
                return;
        }
    /* a part by itself, in the place of its sources */
    const int x0 = check_random_int(&bed->random, 0, n - 1), x1 = check_random_int(&bed->random, x0 + 1, n);
    float *in_place[3];
    for (int k = 0; k < 3; k++) {
        in_place[k] = open_row(bed, (size_t) (x1 - x0) * sizeof **dst, true, sizeof **dst);
        memcpy(in_place[k], src[k] + x0, (size_t) (x1 - x0) * sizeof **dst);
    }
    set->planes->matrix(&m, in_place[0], in_place[1], in_place[2], in_place, x1 - x0);
    for (int i = 0; i < 3; i++)
        if (dst[i])
            CHECK_MSG(memcmp(in_place[i], dst[i] + x0, (size_t) (x1 - x0) * sizeof **dst) == 0,
                "%s: columns [%d, %d) of row %d differ by themselves", name, x0, x1, i);
}

static void try_same(const struct kernel_set *set, struct bed *bed, const char *name)
{
    const int bytes = check_random_int(&bed->random, 0, 3) ? check_random_int(&bed->random, 1, 140) : length(bed),
              rows = check_random_int(&bed->random, 1, 20);
    const int a_stride = bytes + check_random_int(&bed->random, 0, 40), b_stride = bytes + check_random_int(&bed->random, 0, 40);
    uint8_t *a = open_row(bed, (size_t) (a_stride * (rows - 1) + bytes), false, 1),
            *b = open_row(bed, (size_t) (b_stride * (rows - 1) + bytes), false, 1);
    for (int i = 0; i < a_stride * (rows - 1) + bytes; i++) a[i] = (uint8_t) check_random(&bed->random);
    for (int i = 0; i < b_stride * (rows - 1) + bytes; i++) b[i] = (uint8_t) check_random(&bed->random);
    for (int y = 0; y < rows; y++) memcpy(b + y * b_stride, a + y * a_stride, (size_t) bytes);
    CHECK_MSG(set->planes->same(a, a_stride, b, b_stride, (size_t) bytes, rows), "%s: %d rows of %d bytes are the same", name, rows,
        bytes);
    for (int i = 0; i < 20; i++) { /* one bit of one byte, at the ends too */
        const int x = i == 0   ? 0
                      : i == 1 ? bytes - 1
                               : check_random_int(&bed->random, 0, bytes - 1),
                  y = i < 2 ? rows - 1 : check_random_int(&bed->random, 0, rows - 1);
        const uint8_t bit = (uint8_t) (1 << check_random_int(&bed->random, 0, 7));
        b[y * b_stride + x] ^= bit;
        if (!CHECK_MSG(!set->planes->same(a, a_stride, b, b_stride, (size_t) bytes, rows),
                "%s: %d rows of %d bytes: does not see byte %d of row %d", name, rows, bytes, x, y))
            return;
        b[y * b_stride + x] ^= bit;
    }
}

/* Every sample of every depth in every form comes back. Once is enough. */
static void try_values(const struct kernel_set *set, struct bed *bed, const char *name)
{
    if (bed->round >= 40) return;
    const int bits = 8 + bed->round % 9, values = 1 << bits;
    struct planes_load load;
    struct planes_store store;
    draw_forms(bed, bits, &load, &store);
    const size_t each = bits > 8 ? 2 : 1;
    void *src = open_row(bed, (size_t) values * each, false, each), *back = open_row(bed, (size_t) values * each, true, each);
    float *floats = open_row(bed, (size_t) values * sizeof *floats, true, sizeof *floats);
    for (int v = 0; v < values; v++)
        if (bits == 8)
            ((uint8_t *) src)[v] = (uint8_t) v;
        else
            ((uint16_t *) src)[v] = (uint16_t) v;
    if (bits == 8) {
        set->planes->load8(src, &load, floats, values);
        CHECK(set->planes->store8(floats, &store, back, values) == 0);
    } else {
        set->planes->load16(src, &load, floats, values);
        CHECK(set->planes->store16(floats, &store, back, values) == 0);
    }
    CHECK_MSG(memcmp(src, back, (size_t) values * each) == 0, "%s: %d bits, divisor %g: samples do not come back", name, bits,
        (double) load.divisor);
}

static const struct bed_case cases[] = {
    {"load8", try_load8},
    {"load16", try_load16},
    {"store8", try_store8},
    {"store16", try_store16},
    {"planes_values", try_values},
    {"matrix", try_matrix},
    {"same", try_same},
};

/* ---- timing ---- */

enum bench_job { BENCH_IN, BENCH_OUT, BENCH_CHROMA, BENCH_RGB_IN, BENCH_RGB_OUT, BENCH_SAME, BENCH_PLAIN, BENCH_JOBS };

struct bench {
    enum bench_job job;
    int bits;
    uint32_t flags;
    struct video_frame small, before, large;
    struct window in, out;
    struct planes *planes_in, *planes_out;
    struct scale *scale;
    struct changes changes;
    struct planes_scratch planes_scratch;
    struct scale_scratch scale_scratch;
};

static void bench_once(void *bench)
{
    struct bench *b = bench;
    uint64_t nan = 0;
    int code = FM_OK;
    switch (b->job) {
    case BENCH_IN:
    case BENCH_RGB_IN: code = planes_unpack(b->planes_in, NULL, b->flags, &b->small, &b->in, &b->planes_scratch); break;
    case BENCH_OUT:
    case BENCH_RGB_OUT:
        code = planes_pack(b->planes_out, NULL, b->flags, &b->out, b->out.at, &b->large, &b->planes_scratch, &nan);
        break;
    case BENCH_CHROMA: code = scale_planes(b->scale, NULL, b->flags, &b->small, &b->large, 1, &b->scale_scratch); break;
    case BENCH_PLAIN: code = scale_planes(b->scale, NULL, b->flags, &b->small, &b->large, 0, &b->scale_scratch); break;
    default: changes_find(&b->changes, NULL, b->flags, &b->before, &b->small);
    }
    if (code != FM_OK) abort();
}

static void open_frame(struct video_frame *f, int width, int height, int bits)
{
    *f = (struct video_frame){.format = {.layout = VIDEO_420, .bits = bits, .matrix = 2}, .width = width, .height = height};
    uint64_t random = 1;
    for (int p = 0; p < 3; p++) {
        const int w = video_plane_width(f->format, width, p), h = video_plane_height(f->format, height, p);
        f->stride[p] = (ptrdiff_t) w * video_sample_bytes(f->format);
        f->plane[p] = malloc((size_t) f->stride[p] * (size_t) h);
        if (!f->plane[p]) abort();
        for (ptrdiff_t i = 0; i < f->stride[p] * h; i++) /* high bytes stay within ten bits */
            f->plane[p][i] = (uint8_t) (check_random(&random) & (bits > 8 && i & 1 ? 3 : 255));
    }
}

static void close_frame(struct video_frame *f)
{
    for (int p = 0; p < 3; p++) free(f->plane[p]);
}

static void bench_frame(int which, const struct kernel_set *set, uint32_t flags, const char *name)
{
    (void) set;
    struct bench b = {.job = (enum bench_job)(which % BENCH_JOBS), .bits = which < BENCH_JOBS ? 8 : 10, .flags = flags};
    const bool is_rgb = b.job == BENCH_RGB_IN || b.job == BENCH_RGB_OUT;
    const struct planes_form form = {.channels = is_rgb ? 3 : 1};
    open_frame(&b.small, 640, 360, b.bits);
    open_frame(&b.before, 640, 360, b.bits);
    open_frame(&b.large, 1280, 720, b.bits);
    if (window_reserve(&b.in, rect_whole(640, 360), form.channels) ||
        window_reserve(&b.out, rect_whole(1280, 720), form.channels) ||
        planes_create(&b.small.format, 640, 360, form, &b.planes_in, NULL) ||
        planes_create(&b.large.format, 1280, 720, form, &b.planes_out, NULL) ||
        scale_create(RESAMPLE_LANCZOS, &b.small.format, 640, 360, &b.large.format, 1280, 720, &b.scale, NULL) ||
        changes_make(&b.changes, &b.small.format, 640, 360, 32, 32, 8, 1))
        abort();
    uint64_t random = 2;
    for (size_t i = 0; i < window_plane(&b.out) * (size_t) form.channels; i++)
        b.out.data[i] = check_random_float(&random) * 0.5f + 0.5f;
    printf("%-32s %9.3f ms\n", name, bed_time(bench_once, &b) * 1e3);
    close_frame(&b.small);
    close_frame(&b.before);
    close_frame(&b.large);
    window_release(&b.in);
    window_release(&b.out);
    planes_destroy(&b.planes_in);
    planes_destroy(&b.planes_out);
    scale_destroy(&b.scale);
    changes_release(&b.changes);
    planes_scratch_release(&b.planes_scratch);
    scale_scratch_release(&b.scale_scratch);
}

static const struct bed_bench benches[] = {
    {"luma in 8", bench_frame, BENCH_IN},
    {"luma out 8", bench_frame, BENCH_OUT},
    {"chroma x2 8", bench_frame, BENCH_CHROMA},
    {"RGB in 8", bench_frame, BENCH_RGB_IN},
    {"RGB out 8", bench_frame, BENCH_RGB_OUT},
    {"all planes x2 8", bench_frame, BENCH_PLAIN},
    {"unchanged tiles 8", bench_frame, BENCH_SAME},
    {"luma in 10", bench_frame, BENCH_JOBS + BENCH_IN},
    {"luma out 10", bench_frame, BENCH_JOBS + BENCH_OUT},
    {"chroma x2 10", bench_frame, BENCH_JOBS + BENCH_CHROMA},
};

int main(int argc, char **argv)
{
    return bed_main(argc, argv, cases, sizeof cases / sizeof cases[0], benches, sizeof benches / sizeof benches[0]);
}
