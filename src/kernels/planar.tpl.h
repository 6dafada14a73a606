/* SPDX-License-Identifier: MIT */
/* Direct convolution into planar rows: columns in lanes, weights broadcast, a register tile of OC output channels x NV vectors.
 *
 *     planar       planar rows in: narrow layers, whose channels would not fill a vector
 *     direct_last  blocked rows in, turned into planar rows in the scratch: last layers with few output channels
 *
 * Both stride_x 1. A layer with one output channel has too few accumulators for its loads: there a tile spans four rows too, so
 * that an input row that is loaded once serves all of them. */
#include "kernels/epilogue.h"
#include "kernels/transpose.h"

#if VREGS >= 32
#define PLANAR_OC 9
#else
#define PLANAR_OC 4
#endif
/* Vectors of a tile with oc channels: with the vectors, or the weights, of one tap they fill the registers. */
#if VREGS >= 32
#define PLANAR_NV(oc) ((oc) <= 3 ? 8 : (oc) == 4 ? 6 : (oc) == 5 ? 5 : (oc) == 6 ? 4 : 3)
#define PLANAR_ROWS_NV 6
#else
#define PLANAR_NV(oc) ((oc) == 1 ? 8 : (oc) == 2 ? 6 : (oc) == 3 ? 4 : 3)
#define PLANAR_ROWS_NV 2
#endif
#define PLANAR_ROWS 4
#define PLANAR_KERNEL_Y 36 /* input rows one tile may read */
#define PLANAR_L1 (24 * 1024)
#define PLANAR_L2 (256 * 1024) /* bytes of intermediate values to keep in the second-level cache */

/* One tile of output channels over the columns [x0, x1) of one row (or of four). */
struct planar_part {
    const float *const *rows; /* [ky]: the row under the tap (ky, 0) of output column 0, first channel */
    ptrdiff_t in_block;
    int channels, kernel_y, kernel_x, dilation_x;
    const float *weights; /* [channel][ky][kx][OC] */
    const float *bias, *slope; /* of the tile's first channel */
    const struct conv_epilogue *epilogue;
    bool add;             /* raw tiles: to what `out` holds, else from zero */
    float *const *out;    /* [row]: column 0 of channel 0 */
    const float *const *residual;
    ptrdiff_t out_block, residual_block, out_first; /* out_first: the tile's first channel */
    int out_rows;         /* 1, or up to four for the tile of four rows */
    int x0, x1;
};

/* NV vectors of one channel and row in order; the last one has `count` lanes. */
SIMD_INLINE void planar_store(float *p, const vf *v, const int nv, int count)
{
    if (nv == 1 && count < VL) {
        vf_store_part(p, v[0], count);
        return;
    }
    KERNEL_UNROLL
    for (int i = 0; i < nv; i++) vf_store(p + i * VL, v[i]);
}
SIMD_INLINE void planar_add(const float *p, vf *v, const int nv, int count)
{
    if (nv == 1 && count < VL) {
        v[0] = vf_add(v[0], vf_load_part(p, count));
        return;
    }
    KERNEL_UNROLL
    for (int i = 0; i < nv; i++) v[i] = vf_add(v[i], vf_load(p + i * VL));
}

/* `raw`: sums of one row of taps without bias and epilogue, for columns that are a multiple of VL. */
SIMD_INLINE void planar_tile(const int NV, const int OC, const bool raw, const struct planar_part *d, int x, int count)
{
    vf acc[EPILOGUE_TILE];
    float *out = d->out[0] + d->out_first * d->out_block + x;
    if (raw && d->add) {
        KERNEL_UNROLL
        for (int i = 0; i < OC * NV; i++) acc[i] = vf_load(out + i / NV * d->out_block + i % NV * VL);
    } else {
        KERNEL_UNROLL
        for (int i = 0; i < OC * NV; i++) acc[i] = raw ? vf_zero() : vf_set1(d->bias[i / NV]);
    }
    const float *w = d->weights;
    const ptrdiff_t dilation = d->dilation_x;
    for (int c = 0; c < d->channels; c++)
        for (int ky = 0; ky < (raw ? 1 : d->kernel_y); ky++) {
            const float *in = d->rows[ky] + c * d->in_block + x;
            for (int kx = 0; kx < d->kernel_x; kx++, in += dilation, w += OC) {
                vf held[8];
                if (OC <= NV) { /* what there is less of stays in registers, the other streams through one */
                    KERNEL_UNROLL
                    for (int o = 0; o < OC; o++) held[o] = vf_set1(w[o]);
                    KERNEL_UNROLL
                    for (int i = 0; i < NV; i++) {
                        const vf v = vf_load(in + i * VL);
                        KERNEL_UNROLL
                        for (int o = 0; o < OC; o++) acc[o * NV + i] = vf_fma(v, held[o], acc[o * NV + i]);
                    }
                } else {
                    KERNEL_UNROLL
                    for (int i = 0; i < NV; i++) held[i] = vf_load(in + i * VL);
                    KERNEL_UNROLL
                    for (int o = 0; o < OC; o++) {
                        const vf v = vf_set1(w[o]);
                        KERNEL_UNROLL
                        for (int i = 0; i < NV; i++) acc[o * NV + i] = vf_fma(v, held[i], acc[o * NV + i]);
                    }
                }
            }
        }
    if (!raw) {
        const float *residual = d->residual ? d->residual[0] + d->out_first * d->residual_block + x : NULL;
        const bool before = residual && d->epilogue->residual_before_act;
        if (before) {
            KERNEL_UNROLL
            for (int o = 0; o < OC; o++) planar_add(residual + o * d->residual_block, acc + o * NV, NV, count);
        }
        epilogue_activate(acc, OC * NV, d->epilogue, d->slope, SLOPES_SCALAR, NV, OC);
        if (residual && !before) {
            KERNEL_UNROLL
            for (int o = 0; o < OC; o++) planar_add(residual + o * d->residual_block, acc + o * NV, NV, count);
        }
    }
    KERNEL_UNROLL
    for (int o = 0; o < OC; o++) planar_store(out + o * d->out_block, acc + o * NV, NV, count);
}

/* One output channel, four rows, KY taps in y without gaps; the order of additions is channel, kx, ky. */
SIMD_INLINE void planar_tile_rows(const int NV, const int KY, const struct planar_part *d, int x, int count)
{
    vf acc[EPILOGUE_TILE];
    KERNEL_UNROLL
    for (int i = 0; i < PLANAR_ROWS * NV; i++) acc[i] = vf_set1(d->bias[0]);
    const float *w = d->weights;
    for (int c = 0; c < d->channels; c++, w += KY * d->kernel_x) {
        ptrdiff_t offset = c * d->in_block + x;
        for (int kx = 0; kx < d->kernel_x; kx++, offset += d->dilation_x) {
            vf held[8];
            KERNEL_UNROLL
            for (int ky = 0; ky < KY; ky++) held[ky] = vf_set1(w[ky * d->kernel_x + kx]);
            KERNEL_UNROLL
            for (int row = 0; row < PLANAR_ROWS + KY - 1; row++) {
                const float *in = d->rows[row] + offset;
                KERNEL_UNROLL
                for (int i = 0; i < NV; i++) {
                    vf v = vf_load(in + i * VL);
                    KERNEL_KEEP(v);
                    KERNEL_UNROLL
                    for (int r = 0; r < PLANAR_ROWS; r++)
                        if (row - r >= 0 && row - r < KY) acc[r * NV + i] = vf_fma(v, held[row - r], acc[r * NV + i]);
                }
            }
        }
    }
    KERNEL_UNROLL
    for (int r = 0; r < PLANAR_ROWS; r++) {
        if (r >= d->out_rows) break;
        vf *v = acc + r * NV;
        const float *residual = d->residual ? d->residual[r] + d->out_first * d->residual_block + x : NULL;
        if (residual && d->epilogue->residual_before_act) planar_add(residual, v, NV, count);
        epilogue_activate(v, NV, d->epilogue, d->slope, SLOPES_SCALAR, NV, 1);
        if (residual && !d->epilogue->residual_before_act) planar_add(residual, v, NV, count);
        planar_store(d->out[r] + d->out_first * d->out_block + x, v, NV, count);
    }
}

/* Of n vectors that are left, those of the next tile: `most`, half as many, two or one. A single vector waits for its own additions: none is
 * left alone where larger tiles can share all. */
SIMD_INLINE int planar_vectors(const int most, int n)
{
    const int half = (most + 1) / 2;
    const bool shares = most == 3 || half == 3; /* one more than a tile is two smaller tiles */
    if (n >= most && !(shares && n == most + 1)) return most;
    if (most > 4 && n >= half && !(shares && n == half + 1)) return half;
    return most > 2 && n >= 2 ? 2 : 1;
}

/* All columns of a part. */
#define PLANAR_SPAN(name, NV, tile, ...) \
    KERNEL_NOINLINE void name(const struct planar_part *d) \
    { \
        int x = d->x0; \
        for (int n = (d->x1 - x) / VL, part; n > 0; n -= part, x += part * VL) { \
            part = planar_vectors(NV, n); \
            if (part == (NV)) tile((NV), __VA_ARGS__, d, x, VL); \
            else if ((NV) > 4 && part == ((NV) + 1) / 2) tile(((NV) + 1) / 2, __VA_ARGS__, d, x, VL); \
            else if ((NV) > 2 && part == 2) tile(2, __VA_ARGS__, d, x, VL); \
            else tile(1, __VA_ARGS__, d, x, VL); \
        } \
        if (x < d->x1) tile(1, __VA_ARGS__, d, x, d->x1 - x); \
    }
#define PLANAR_SPANS(OC) \
    PLANAR_SPAN(planar_span##OC, PLANAR_NV(OC), planar_tile, OC, false) \
    PLANAR_SPAN(planar_raw##OC, PLANAR_NV(OC), planar_tile, OC, true)
PLANAR_SPANS(1)
PLANAR_SPANS(2)
PLANAR_SPANS(3)
PLANAR_SPANS(4)
#if PLANAR_OC > 4
PLANAR_SPANS(5)
PLANAR_SPANS(6)
PLANAR_SPANS(7)
PLANAR_SPANS(8)
PLANAR_SPANS(9)
#endif
PLANAR_SPAN(planar_span_rows3, PLANAR_ROWS_NV, planar_tile_rows, 3)
PLANAR_SPAN(planar_span_rows5, PLANAR_ROWS_NV, planar_tile_rows, 5)

typedef void planar_span(const struct planar_part *part);
static planar_span *const planar_spans[PLANAR_OC] = {
    planar_span1, planar_span2, planar_span3, planar_span4,
#if PLANAR_OC > 4
    planar_span5, planar_span6, planar_span7, planar_span8, planar_span9,
#endif
};
static planar_span *const planar_raws[PLANAR_OC] = { /* read one row only, whatever kernel_y says */
    planar_raw1, planar_raw2, planar_raw3, planar_raw4,
#if PLANAR_OC > 4
    planar_raw5, planar_raw6, planar_raw7, planar_raw8, planar_raw9,
#endif
};

/* Output channels of the tile that starts `done` channels into a group: sizes differ by one at most. */
static int planar_tile_size(const struct conv_shape *s, int done)
{
    const int left = s->out_channels / s->groups - done, tiles = (left + PLANAR_OC - 1) / PLANAR_OC;
    return (left + tiles - 1) / tiles;
}

static size_t planar_packed_bytes(const struct conv_shape *s)
{
    return (size_t) s->out_channels * (size_t) (s->in_channels / s->groups) * (size_t) (s->kernel_y * s->kernel_x) * sizeof(float);
}

/* packed: [group][tile][channel][ky][kx][OC] */
static void planar_pack(const struct conv_shape *s, const float *w, void *packed)
{
    const int in = s->in_channels / s->groups, out = s->out_channels / s->groups, taps = s->kernel_y * s->kernel_x;
    float *p = packed;
    for (int g = 0; g < s->groups; g++)
        for (int o0 = 0; o0 < out; o0 += planar_tile_size(s, o0)) {
            const int n = planar_tile_size(s, o0);
            const float *first = w + (size_t) (g * out + o0) * (size_t) (in * taps);
            for (int i = 0; i < in * taps; i++)
                for (int o = 0; o < n; o++) *p++ = first[(size_t) o * (size_t) (in * taps) + (size_t) i];
        }
}

/* Whether tiles span four rows. */
static bool planar_by_rows(const struct conv_shape *s)
{
    return s->out_channels == s->groups && s->stride_y == 1 && s->dilation_y == 1 && (s->kernel_y == 3 || s->kernel_y == 5);
}

static int planar_in_rows(const struct conv_shape *s)
{
    return (PLANAR_ROWS - 1) * s->stride_y + (s->kernel_y - 1) * s->dilation_y + 1;
}

/* Input rows as planar rows: rows[i] + channel * in_block + x is the value under tap kx = 0 of output column x. */
struct planar_input {
    const float *const *rows;
    ptrdiff_t in_block;
    int x0, x1; /* output columns it is good for */
};

/* All tiles of a task for the columns of `in`. */
static void planar_run_columns(const struct conv_packed *packed, const struct conv_task *task, const struct planar_input *in)
{
    const struct conv_shape *s = &packed->shape;
    const int group_in = s->in_channels / s->groups, group_out = s->out_channels / s->groups;
    const bool by_rows = planar_by_rows(s);
    const float *under[PLANAR_KERNEL_Y];
    for (int r = 0; r < (by_rows ? 1 : task->rows); r++)
        for (int g = 0; g < s->groups; g++) {
            for (int i = 0; i < (by_rows ? planar_in_rows(s) : s->kernel_y); i++)
                under[i] = in->rows[r * s->stride_y + i * s->dilation_y] + (ptrdiff_t) (g * group_in) * in->in_block;
            for (int o = 0, n; o < group_out; o += n) {
                n = planar_tile_size(s, o);
                const int first = g * group_out + o;
                const struct planar_part d = {
                    .rows = under, .in_block = in->in_block, .channels = group_in,
                    .kernel_y = s->kernel_y, .kernel_x = s->kernel_x, .dilation_x = s->dilation_x,
                    .weights = (const float *) packed->weights + (size_t) first * (size_t) (group_in * s->kernel_y * s->kernel_x),
                    .bias = packed->bias + first, .slope = packed->slope ? packed->slope + first : NULL,
                    .epilogue = &packed->epilogue,
                    .out = task->out + r, .residual = task->residual ? task->residual + r : NULL,
                    .out_block = task->out_block, .residual_block = task->residual_block, .out_first = first,
                    .out_rows = by_rows ? task->rows : 1, .x0 = in->x0, .x1 = in->x1,
                };
                if (by_rows) (s->kernel_y == 3 ? planar_span_rows3 : planar_span_rows5)(&d);
                else planar_spans[n - 1](&d);
            }
        }
}


static size_t planar_row_list_bytes(int rows) { return ((size_t) rows * sizeof(float *) + 63) & ~(size_t) 63; }
static size_t planar_scratch_bytes(const struct conv_shape *s) { return planar_row_list_bytes(planar_in_rows(s)); }

/* Columns to do at once when each needs `bytes` of intermediate values: whole tiles, as many as the cache holds. */
static int planar_chunk(const struct conv_shape *s, size_t bytes, size_t cache)
{
    const int tile = PLANAR_NV(planar_tile_size(s, 0)) * VL;
    const size_t fit = cache / bytes, most = fit < 512 ? fit : 512;
    return most < (size_t) tile ? tile : (int) most / tile * tile;
}

/* Planes of one chunk's input: the columns, the reach of the taps, whole vectors. */
static int planar_pitch(const struct conv_shape *s, int chunk)
{
    return (chunk + (s->kernel_x - 1) * s->dilation_x + VL - 1) / VL * VL;
}

static void planar_run(const struct conv_packed *packed, const struct conv_task *task)
{
    const struct conv_shape *s = &packed->shape;
    const float **rows = task->scratch;
    const int count = planar_in_rows(s);
    for (int i = 0; i < count; i++) rows[i] = task->in[i] - s->pad_x;
    /* The rows under one row of tiles stay in the first-level cache from one tile of channels to the next. */
    const int chunk = planar_chunk(s, (size_t) (s->in_channels / s->groups * s->kernel_y) * sizeof(float), PLANAR_L1);
    for (int x = task->x0; x < task->x1; x += chunk) {
        const struct planar_input in = {
            .rows = rows, .in_block = task->in_block, .x0 = x, .x1 = task->x1 - x < chunk ? task->x1 : x + chunk,
        };
        planar_run_columns(packed, task, &in);
    }
}

static int last_chunk(const struct conv_shape *s)
{
    return planar_chunk(s, (size_t) planar_in_rows(s) * (size_t) s->in_channels * sizeof(float), PLANAR_L2);
}
static size_t last_scratch_bytes(const struct conv_shape *s)
{
    return planar_row_list_bytes(planar_in_rows(s)) + (size_t) planar_in_rows(s) * (size_t) ((s->in_channels + VL - 1) / VL * VL) *
        (size_t) planar_pitch(s, last_chunk(s)) * sizeof(float);
}

static void last_run(const struct conv_packed *packed, const struct conv_task *task)
{
    const struct conv_shape *s = &packed->shape;
    const int count = planar_in_rows(s), blocks = (s->in_channels + VL - 1) / VL;
    const int chunk = last_chunk(s), pitch = planar_pitch(s, chunk);
    const float **rows = task->scratch;
    float *planes = (float *) ((char *) task->scratch + planar_row_list_bytes(count)); /* [row][channel][pitch] */
    const ptrdiff_t row_values = (ptrdiff_t) blocks * VL * pitch;
    for (int x = task->x0; x < task->x1; x += chunk) {
        const int x1 = task->x1 - x < chunk ? task->x1 : x + chunk;
        const int columns = x1 - x + (s->kernel_x - 1) * s->dilation_x;
        for (int i = 0; i < count; i++) {
            for (int b = 0; b < blocks; b++) {
                const float *src = task->in[i] + b * task->in_block + (ptrdiff_t) (x - s->pad_x) * VL;
                float *dst = planes + i * row_values + (ptrdiff_t) b * VL * pitch;
                for (int c = 0; c < columns; c += VL) transpose_part(src + (ptrdiff_t) c * VL, columns - c, dst + c, pitch);
            }
            rows[i] = planes + i * row_values - x;
        }
        const struct planar_input in = { .rows = rows, .in_block = pitch, .x0 = x, .x1 = x1 };
        planar_run_columns(packed, task, &in);
    }
}

static bool planar_fits(const struct conv_shape *s)
{
    return s->stride_x == 1 && s->kernel_y <= PLANAR_KERNEL_Y - PLANAR_ROWS;
}

/* Multiply-adds of vectors at the rates that were measured, and the loads of tiles whose input does not stay in the first-level
 * cache. */
static double planar_cost(const struct conv_shape *s)
{
    const double macs = (double) planar_packed_bytes(s) / (sizeof(float) * VL);
    const double rate = s->out_channels == s->groups ? 1.3 : VL == 8 ? 1.5 : 1.75;
    const double under = (double) (s->in_channels / s->groups) * s->kernel_y; /* input rows under a tile */
    const double tile_bytes = under * PLANAR_NV(planar_tile_size(s, 0)) * VL * sizeof(float);
    const double waits = tile_bytes > 40 * 1024 ? under * s->groups * (6.0 / VL) : 0.0;
    return macs / rate + waits + (double) s->out_channels * (3.0 / VL);
}
static double last_cost(const struct conv_shape *s)
{
    return planar_cost(s) + planar_in_rows(s) / (double) PLANAR_ROWS * s->in_channels * (4.0 / VL);
}

#define PLANAR_STRING2(x) #x
#define PLANAR_STRING(x) PLANAR_STRING2(x)
const struct conv_algorithm K(planar) = {
    .name = "planar_" PLANAR_STRING(KERNEL_ISA), .in = ROWS_PLANAR, .out = ROWS_PLANAR,
    .rows = PLANAR_ROWS, .any_row = true, .grid_x = 1, .chunk_x = 480, .unit_x = VL, .reach_right = VL - 1,
    .fits = planar_fits, .cost = planar_cost, .packed_bytes = planar_packed_bytes, .pack = planar_pack,
    .scratch_bytes = planar_scratch_bytes, .run = planar_run,
};
const struct conv_algorithm K(direct_last) = {
    .name = "direct_last_" PLANAR_STRING(KERNEL_ISA), .in = ROWS_BLOCKED, .out = ROWS_PLANAR,
    .rows = PLANAR_ROWS, .any_row = true, .grid_x = 1, .chunk_x = 480, .unit_x = VL,
    .fits = planar_fits, .cost = last_cost, .packed_bytes = planar_packed_bytes, .pack = planar_pack,
    .scratch_bytes = last_scratch_bytes, .run = last_run,
};
