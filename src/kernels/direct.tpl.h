/* SPDX-License-Identifier: MIT */
/* Direct convolution into blocked rows: output channels in lanes, input values broadcast.
 *
 *     direct        blocked rows in: any kernel, stride, dilation, groups
 *     direct_first  planar rows in: the first layer of a network, with its few input channels
 *
 * A register tile is P pixels x OB blocks of VL output channels. The reduction is a list of steps: where the first pixel's input
 * values lie, and how many of them follow each other (the channels of a block, or the taps of a planar row). So one loop serves
 * every shape: what differs is only how the list is made. Long reductions are cut into pieces whose weights stay in the first-level
 * cache, and partial sums wait in the scratch between two pieces; that changes no order of additions. */
#include "kernels/epilogue.h"

/* Pixels of a tile with 1, 2, 3, 4 blocks: as many accumulators as registers allow, besides the weights and one input. */
#if VREGS >= 32
#define DIRECT_P1 24
#define DIRECT_P2 12
#define DIRECT_P3 8
#define DIRECT_P4 6
#define DIRECT_BLOCKS 4
#else
#define DIRECT_P1 12
#define DIRECT_P2 6
#define DIRECT_P3 4
#define DIRECT_BLOCKS 3
#endif

#define DIRECT_ROWS 4
#define DIRECT_CHUNK 96       /* columns between two pieces of a long reduction; a multiple of every P */
#define DIRECT_L1 (20 * 1024) /* bytes of weights of one piece */

struct direct_step {
    const float *in; /* for output pixel 0 */
    ptrdiff_t lanes;
};

/* One piece of one row for one tile of output blocks. */
struct direct_part {
    const struct direct_step *steps;
    int count;
    const float *weights; /* [step][lane][block][VL] */
    const float *bias, *slope; /* of the tile's first channel */
    const struct conv_epilogue *epilogue;
    bool first, last;
    ptrdiff_t stride;     /* floats from one output pixel's input to the next one's */
    float *out;           /* pixel 0 of the tile's first block */
    const float *residual;
    ptrdiff_t out_block, residual_block;
    float *partial;       /* [pixel - x0][block][VL] */
    int x0, x1;
};

/* `stride`: that of d, where it is a constant, else 0. `unroll`: all lanes are multiples of it. */
SIMD_INLINE void direct_tile(const int P, const int OB, const ptrdiff_t stride, const int unroll, const struct direct_part *d,
                             int x)
{
    const ptrdiff_t step = stride ? stride : d->stride;
    vf acc[EPILOGUE_TILE];
    float *partial = d->partial + (ptrdiff_t) (x - d->x0) * (OB * VL);
    if (d->first) {
        KERNEL_UNROLL
        for (int i = 0; i < P * OB; i++) acc[i] = vf_load(d->bias + (i % OB) * VL);
    } else {
        KERNEL_UNROLL
        for (int i = 0; i < P * OB; i++) acc[i] = vf_load(partial + i * VL);
    }
    const float *w = d->weights;
    for (int s = 0; s < d->count; s++) {
        const float *in = d->steps[s].in + x * step;
        for (ptrdiff_t l = d->steps[s].lanes; l > 0; l -= unroll) {
            KERNEL_UNROLL
            for (int u = 0; u < unroll; u++) {
                vf wv[DIRECT_BLOCKS];
                KERNEL_UNROLL
                for (int o = 0; o < OB; o++) wv[o] = vf_load(w + (u * OB + o) * VL);
                KERNEL_UNROLL
                for (int p = 0; p < P; p++) {
                    const vf v = vf_set1(in[p * step + u]);
                    KERNEL_UNROLL
                    for (int o = 0; o < OB; o++) acc[p * OB + o] = vf_fma(v, wv[o], acc[p * OB + o]);
                }
            }
            in += unroll;
            w += unroll * OB * VL;
            if (stride && stride < VL) KERNEL_HIDE(in); /* neighbouring taps share values: kept for each other, they would spill */
        }
    }
    if (!d->last) {
        KERNEL_UNROLL
        for (int i = 0; i < P * OB; i++) vf_store(partial + i * VL, acc[i]);
        return;
    }
    const float *residual = d->residual ? d->residual + (ptrdiff_t) x * VL : NULL;
    const bool before = residual && d->epilogue->residual_before_act;
    if (before) {
        KERNEL_UNROLL
        for (int i = 0; i < P * OB; i++) acc[i] = vf_add(acc[i], vf_load(residual + (i % OB) * d->residual_block + (i / OB) * VL));
    }
    epilogue_activate(acc, P * OB, d->epilogue, d->slope, SLOPES_VECTOR, 1, OB);
    if (residual && !before) {
        KERNEL_UNROLL
        for (int i = 0; i < P * OB; i++) acc[i] = vf_add(acc[i], vf_load(residual + (i % OB) * d->residual_block + (i / OB) * VL));
    }
    float *out = d->out + (ptrdiff_t) x * VL;
    KERNEL_UNROLL
    for (int i = 0; i < P * OB; i++) vf_store(out + (i % OB) * d->out_block + (i / OB) * VL, acc[i]);
}

/* All columns of a piece: whole tiles, then smaller ones. */
#define DIRECT_SPAN(name, P, OB, STRIDE, UNROLL) \
    KERNEL_NOINLINE void name(const struct direct_part *d) \
    { \
        int x = d->x0; \
        for (; d->x1 - x >= (P); x += (P)) direct_tile((P), (OB), (STRIDE), (UNROLL), d, x); \
        for (; d->x1 - x >= ((P) + 2) / 3; x += ((P) + 2) / 3) direct_tile(((P) + 2) / 3, (OB), (STRIDE), (UNROLL), d, x); \
        for (; x < d->x1; x++) direct_tile(1, (OB), (STRIDE), (UNROLL), d, x); \
    }
#define DIRECT_SPANS(OB, P) \
    DIRECT_SPAN(direct_span##OB##_blocked1, P, OB, VL, 4) \
    DIRECT_SPAN(direct_span##OB##_blocked2, P, OB, 2 * VL, 4) \
    DIRECT_SPAN(direct_span##OB##_blocked, (P) / 2, OB, 0, 4) \
    DIRECT_SPAN(direct_span##OB##_planar1, P, OB, 1, 1) \
    DIRECT_SPAN(direct_span##OB##_planar2, P, OB, 2, 1) \
    DIRECT_SPAN(direct_span##OB##_planar, (P) / 2, OB, 0, 1)
#define DIRECT_ROW(OB) \
    { { direct_span##OB##_blocked, direct_span##OB##_blocked1, direct_span##OB##_blocked2 }, \
      { direct_span##OB##_planar, direct_span##OB##_planar1, direct_span##OB##_planar2 } }
DIRECT_SPANS(1, DIRECT_P1)
DIRECT_SPANS(2, DIRECT_P2)
DIRECT_SPANS(3, DIRECT_P3)
#if DIRECT_BLOCKS >= 4
DIRECT_SPANS(4, DIRECT_P4)
#endif

typedef void direct_span(const struct direct_part *part);
static direct_span *const direct_spans[DIRECT_BLOCKS][2][3] = { /* [blocks - 1][planar][stride, 0 for any other] */
    DIRECT_ROW(1), DIRECT_ROW(2), DIRECT_ROW(3),
#if DIRECT_BLOCKS >= 4
    DIRECT_ROW(4),
#endif
};

/* Which output blocks are done together, and from which input channels [in0, in1) (blocks of them, unless the input is planar). */
struct direct_tiling {
    int block, count;
    int in0, in1;
};

static bool direct_grouped_by_blocks(const struct conv_shape *s)
{
    return (s->out_channels / s->groups) % VL == 0 && (s->in_channels / s->groups) % VL == 0;
}

/* The tile that starts at `block`. Tiles of one group differ by one block at most. Where groups do not fit blocks, each block is a
 * tile of its own whose weights are zero between channels of different groups. */
static struct direct_tiling direct_tile_at(const struct conv_shape *s, int block)
{
    const int blocks = (s->out_channels + VL - 1) / VL;
    const int group_out = s->out_channels / s->groups, group_in = s->in_channels / s->groups;
    struct direct_tiling t = { .block = block, .count = 1 };
    if (s->groups == 1 || direct_grouped_by_blocks(s)) {
        const int per_group = s->groups == 1 ? blocks : group_out / VL;
        const int group = block / per_group, left = per_group - block % per_group;
        const int tiles = (left + DIRECT_BLOCKS - 1) / DIRECT_BLOCKS;
        t.count = (left + tiles - 1) / tiles;
        t.in0 = group * group_in;
        t.in1 = t.in0 + group_in;
        return t;
    }
    const int out0 = block * VL, out1 = out0 + VL < s->out_channels ? out0 + VL : s->out_channels;
    t.in0 = out0 / group_out * group_in / VL * VL;
    t.in1 = ((out1 - 1) / group_out + 1) * group_in;
    return t;
}

/* Lanes of one step, of the block that starts at channel `in` when the reduction ends at channel `end`: a multiple of four, since
 * the channels that pad a block are zeros. */
static int direct_lanes(int in, int end)
{
    const int left = (end - in + 3) & ~3;
    return left < VL ? left : VL;
}

static size_t direct_tile_values(const struct conv_shape *s, struct direct_tiling t, bool planar)
{
    size_t channels = 0;
    if (planar) channels = (size_t) (t.in1 - t.in0);
    else for (int c = t.in0; c < t.in1; c += VL) channels += (size_t) direct_lanes(c, t.in1);
    return channels * (size_t) (s->kernel_y * s->kernel_x) * (size_t) t.count * VL;
}

static size_t direct_bytes(const struct conv_shape *s, bool planar)
{
    const int blocks = (s->out_channels + VL - 1) / VL;
    size_t values = 0;
    for (int block = 0; block < blocks;) {
        const struct direct_tiling t = direct_tile_at(s, block);
        values += direct_tile_values(s, t, planar);
        block += t.count;
    }
    return values * sizeof(float);
}
static size_t direct_packed_bytes(const struct conv_shape *s) { return direct_bytes(s, false); }
static size_t direct_first_packed_bytes(const struct conv_shape *s) { return direct_bytes(s, true); }

/* The weight of output channel `out` and input channel `in`, zero when they belong to different groups or do not exist. */
static float direct_weight(const struct conv_shape *s, const float *w, int out, int in, int tap)
{
    const int group_out = s->out_channels / s->groups, group_in = s->in_channels / s->groups;
    if (out >= s->out_channels || in >= s->in_channels || out / group_out != in / group_in) return 0.0f;
    return w[((size_t) out * (size_t) group_in + (size_t) (in % group_in)) * (size_t) (s->kernel_y * s->kernel_x) + (size_t) tap];
}

/* packed: [tile][input block][ky][kx][lane][block][VL], or planar [tile][channel][ky][kx][block][VL] */
static void direct_pack_any(const struct conv_shape *s, const float *w, float *packed, bool planar)
{
    const int blocks = (s->out_channels + VL - 1) / VL, taps = s->kernel_y * s->kernel_x;
    for (int block = 0; block < blocks;) {
        const struct direct_tiling t = direct_tile_at(s, block);
        for (int in = t.in0; in < t.in1; in += planar ? 1 : VL) {
            const int lanes = planar ? 1 : direct_lanes(in, t.in1);
            for (int tap = 0; tap < taps; tap++)
                for (int lane = 0; lane < lanes; lane++)
                    for (int o = 0; o < t.count * VL; o++) *packed++ = direct_weight(s, w, t.block * VL + o, in + lane, tap);
        }
        block += t.count;
    }
}
static void direct_pack(const struct conv_shape *s, const float *w, void *packed) { direct_pack_any(s, w, packed, false); }
static void direct_first_pack(const struct conv_shape *s, const float *w, void *packed) { direct_pack_any(s, w, packed, true); }

/* Steps of the longest list, for one row. */
static size_t direct_steps_max(const struct conv_shape *s, bool planar)
{
    const size_t channels = (size_t) (planar ? s->in_channels : (s->in_channels + VL - 1) / VL);
    return channels * (size_t) s->kernel_y * (size_t) s->kernel_x;
}
static size_t direct_list_bytes(const struct conv_shape *s, bool planar)
{
    return (DIRECT_ROWS * direct_steps_max(s, planar) * sizeof(struct direct_step) + 63) & ~(size_t) 63;
}
static size_t direct_scratch(const struct conv_shape *s, bool planar)
{
    return direct_list_bytes(s, planar) + (size_t) DIRECT_ROWS * DIRECT_CHUNK * DIRECT_BLOCKS * VL * sizeof(float);
}
static size_t direct_scratch_bytes(const struct conv_shape *s) { return direct_scratch(s, false); }
static size_t direct_first_scratch_bytes(const struct conv_shape *s) { return direct_scratch(s, true); }

/* The steps of row r of the task, in the order of the packed weights. Returns how many. */
static int direct_list(const struct conv_shape *s, const struct conv_task *task, struct direct_tiling t, int r, bool planar,
                       struct direct_step *steps)
{
    const ptrdiff_t unit = planar ? 1 : VL; /* floats of one column */
    const bool run = planar && s->dilation_x == 1; /* the taps of a row follow each other */
    int n = 0;
    for (int in = t.in0; in < t.in1; in += planar ? 1 : VL)
        for (int ky = 0; ky < s->kernel_y; ky++) {
            const ptrdiff_t block = (planar ? in : in / VL) * task->in_block;
            const float *row = task->in[r * s->stride_y + ky * s->dilation_y] + block;
            for (int kx = 0; kx < s->kernel_x; kx++) {
                steps[n].in = row + (ptrdiff_t) (kx * s->dilation_x - s->pad_x) * unit;
                steps[n++].lanes = planar ? (run ? s->kernel_x : 1) : direct_lanes(in, t.in1);
                if (run) break;
            }
        }
    return n;
}

/* One tile of output blocks over all rows and columns of the task, in pieces of the reduction that fit the first-level cache. */
static void direct_run_tile(const struct conv_packed *packed, const struct conv_task *task, struct direct_tiling t,
                            const float *weights, bool planar)
{
    const struct conv_shape *s = &packed->shape;
    struct direct_step *lists = task->scratch;
    float *partial = (float *) ((char *) task->scratch + direct_list_bytes(s, planar));
    const size_t pitch = direct_steps_max(s, planar);
    const int stride_class = s->stride_x <= 2 ? s->stride_x : 0;
    direct_span *const span = direct_spans[t.count - 1][planar][stride_class];
    int count = 0;
    for (int r = 0; r < task->rows; r++) count = direct_list(s, task, t, r, planar, lists + (size_t) r * pitch);

    struct direct_part d = {
        .bias = packed->bias + (ptrdiff_t) t.block * VL, .slope = packed->slope ? packed->slope + (ptrdiff_t) t.block * VL : NULL,
        .epilogue = &packed->epilogue, .stride = (ptrdiff_t) s->stride_x * (planar ? 1 : VL),
        .out_block = task->out_block, .residual_block = task->residual_block,
    };
    const size_t step_values = (size_t) lists[0].lanes * (size_t) t.count * VL;
    size_t piece = DIRECT_L1 / (step_values * sizeof(float));
    if (piece < 1) piece = 1;
    const bool whole = (size_t) count <= piece + piece / 2;
    if (whole) piece = (size_t) count;
    const int chunk = whole ? task->x1 - task->x0 : DIRECT_CHUNK;
    for (int x = task->x0; x < task->x1; x += chunk) {
        d.x0 = x;
        d.x1 = task->x1 - x < chunk ? task->x1 : x + chunk;
        d.weights = weights;
        for (int s0 = 0; s0 < count; s0 += d.count) {
            d.count = count - s0 < (int) piece ? count - s0 : (int) piece;
            d.first = s0 == 0;
            d.last = s0 + d.count == count;
            const float *next = NULL;
            size_t share = 0; /* of the next piece's weights, to fetch before each row */
            if (!whole && !d.last) {
                next = d.weights + (size_t) d.count * step_values;
                const size_t rest = (size_t) (count - s0 - d.count);
                share = (rest < piece ? rest : piece) * step_values / (size_t) task->rows;
            }
            for (int r = 0; r < task->rows; r++) {
                for (size_t i = 0; next && i < share; i += 16) __builtin_prefetch(next + (size_t) r * share + i, 0, 2);
                d.steps = lists + (size_t) r * pitch + s0;
                d.partial = partial + (size_t) r * DIRECT_CHUNK * (size_t) t.count * VL;
                d.out = task->out[r] + (ptrdiff_t) t.block * task->out_block;
                d.residual = task->residual ? task->residual[r] + (ptrdiff_t) t.block * task->residual_block : NULL;
                span(&d);
            }
            for (int i = 0; i < d.count; i++) d.weights += lists[s0 + i].lanes * t.count * VL;
        }
    }
}

static void direct_run_any(const struct conv_packed *packed, const struct conv_task *task, bool planar)
{
    const int blocks = (packed->shape.out_channels + VL - 1) / VL;
    const float *weights = packed->weights;
    for (int block = 0; block < blocks;) {
        const struct direct_tiling t = direct_tile_at(&packed->shape, block);
        direct_run_tile(packed, task, t, weights, planar);
        weights += direct_tile_values(&packed->shape, t, planar);
        block += t.count;
    }
    const int channels = packed->shape.out_channels;
    if (!epilogue_pads(&packed->epilogue, channels)) return;
    for (int r = 0; r < task->rows; r++)
        epilogue_clear_padding(task->out[r] + channels / VL * task->out_block, channels, task->x0, task->x1);
}
static void direct_run(const struct conv_packed *packed, const struct conv_task *task) { direct_run_any(packed, task, false); }
static void direct_first_run(const struct conv_packed *packed, const struct conv_task *task) { direct_run_any(packed, task, true); }

static bool direct_fits(const struct conv_shape *s) { (void) s; return true; }
static bool direct_first_fits(const struct conv_shape *s) { return s->groups == 1; }

/* Multiply-adds of vectors at two a cycle, less what a tile's loads, starts and stores take; measured within 10 %. */
static double direct_cost_any(const struct conv_shape *s, bool planar)
{
    const double values = (double) direct_bytes(s, planar) / (sizeof(float) * VL);
    const double blocks = (s->out_channels + VL - 1) / VL;
    const double rate = s->stride_x <= 2 ? 1.8 : 1.2;
    return values / rate + 2.5 * blocks + 1.0;
}
static double direct_cost(const struct conv_shape *s) { return direct_cost_any(s, false); }
static double direct_first_cost(const struct conv_shape *s) { return direct_cost_any(s, true); }

#define DIRECT_STRING2(x) #x
#define DIRECT_STRING(x) DIRECT_STRING2(x)
const struct conv_algorithm K(direct) = {
    .name = "direct_" DIRECT_STRING(KERNEL_ISA), .in = ROWS_BLOCKED, .out = ROWS_BLOCKED,
    .rows = DIRECT_ROWS, .any_row = true, .grid_x = 1, .chunk_x = 4 * DIRECT_CHUNK, .unit_x = DIRECT_P1 / 3,
    .fits = direct_fits, .cost = direct_cost, .packed_bytes = direct_packed_bytes, .pack = direct_pack,
    .scratch_bytes = direct_scratch_bytes, .run = direct_run,
};
const struct conv_algorithm K(direct_first) = {
    .name = "direct_first_" DIRECT_STRING(KERNEL_ISA), .in = ROWS_PLANAR, .out = ROWS_BLOCKED,
    .rows = DIRECT_ROWS, .any_row = true, .grid_x = 1, .chunk_x = 4 * DIRECT_CHUNK, .unit_x = DIRECT_P1 / 3,
    .fits = direct_first_fits, .cost = direct_first_cost, .packed_bytes = direct_first_packed_bytes, .pack = direct_first_pack,
    .scratch_bytes = direct_first_scratch_bytes, .run = direct_first_run,
};
