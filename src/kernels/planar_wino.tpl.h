/* SPDX-License-Identifier: MIT */
/* 3 x k and 5 x k convolutions into planar rows by Winograd's method along y only (Toom-Cook with the points 0, +-1, +-2, infinity,
 * or these and +-1/2), the taps along x done directly: lanes are columns, so both transforms are sums of whole vectors without a
 * shuffle.
 *
 *     positions   rows   ky   multiplications per output (of kx * channels)
 *             6      4    3   1.5  instead of 3
 *             8      6    3   1.33
 *             8      4    5   2    instead of 5
 *
 * A chunk of columns goes through three stages in the scratch: V[position][channel][column] from the input rows, a convolution
 * along x for each position into M[position][output][column], and the sums that make rows of M with bias, activation and residual.
 * Follows planar.tpl.h in one source file. */

#define WINO_POSITIONS 8
#define WINO_ROWS 6
#define WINO_DEPTH 32        /* input channels in V at once; a multiple of VL */
#define WINO_CACHE (224 * 1024) /* bytes of V and M together: half of a small second-level cache */

static int wino_positions(const struct conv_shape *s, int rows) { return rows + s->kernel_y - 1; }

/* V at one place: `d[row]` read by the macro's caller, v[position] written. */
SIMD_INLINE void wino_forward(const int positions, const vf *d, vf *v)
{
    if (positions == 6) {
        const vf four = vf_set1(4.0f), five = vf_set1(5.0f), two = vf_set1(2.0f);
        const vf a = vf_fnma(four, d[2], d[4]), b = vf_fnma(four, d[1], d[3]);
        const vf c = vf_sub(d[4], d[2]), e = vf_sub(d[3], d[1]);
        v[0] = vf_fma(four, d[0], vf_fnma(five, d[2], d[4]));
        v[1] = vf_add(a, b);
        v[2] = vf_sub(a, b);
        v[3] = vf_fma(two, e, c);
        v[4] = vf_fnma(two, e, c);
        v[5] = vf_fma(four, d[1], vf_fnma(five, d[3], d[5]));
        return;
    }
    const vf k525 = vf_set1(5.25f), k425 = vf_set1(4.25f), k025 = vf_set1(0.25f), k125 = vf_set1(1.25f);
    const vf k25 = vf_set1(2.5f), k05 = vf_set1(0.5f), k2 = vf_set1(2.0f), k4 = vf_set1(4.0f), k5 = vf_set1(5.0f);
    v[0] = vf_fma(k525, vf_sub(d[4], d[2]), vf_sub(d[0], d[6]));
    v[7] = vf_fma(k525, vf_sub(d[3], d[5]), vf_sub(d[7], d[1]));
    const vf a = vf_fnma(k425, d[4], vf_add(d[2], d[6])), b = vf_fnma(k425, d[3], vf_add(d[1], d[5]));
    v[1] = vf_add(a, b);
    v[2] = vf_sub(a, b);
    const vf c = vf_fma(k025, d[2], vf_fnma(k125, d[4], d[6]));
    const vf e = vf_fma(k05, d[1], vf_fnma(k25, d[3], vf_mul(k2, d[5])));
    v[3] = vf_add(c, e);
    v[4] = vf_sub(c, e);
    const vf f = vf_fma(k4, d[2], vf_fnma(k5, d[4], d[6]));
    const vf g = vf_fma(k2, d[1], vf_fnma(k25, d[3], vf_mul(k05, d[5])));
    v[5] = vf_add(f, g);
    v[6] = vf_sub(f, g);
}

/* Rows from the positions of M. */
SIMD_INLINE void wino_back(const int positions, const int rows, const vf *m, vf bias, vf *y)
{
    const vf s1 = vf_add(m[1], m[2]), t1 = vf_sub(m[1], m[2]), s2 = vf_add(m[3], m[4]), t2 = vf_sub(m[3], m[4]);
    vf even = vf_add(vf_add(s1, bias), m[0]);
    y[0] = vf_add(even, s2);
    y[1] = vf_fma(vf_set1(2.0f), t2, vf_add(t1, bias));
    y[2] = vf_fma(vf_set1(4.0f), s2, vf_add(s1, bias));
    y[3] = vf_fma(vf_set1(8.0f), t2, vf_add(t1, bias));
    if (rows == 6) {
        y[4] = vf_fma(vf_set1(16.0f), s2, vf_add(s1, bias));
        y[5] = vf_fma(vf_set1(32.0f), t2, vf_add(t1, bias));
    }
    if (positions == 8) {
        const vf s3 = vf_add(m[5], m[6]), t3 = vf_sub(m[5], m[6]);
        y[0] = vf_add(y[0], s3);
        y[1] = vf_fma(vf_set1(0.5f), t3, y[1]);
        y[2] = vf_fma(vf_set1(0.25f), s3, y[2]);
        y[3] = vf_fma(vf_set1(0.125f), t3, y[3]);
        if (rows == 6) {
            y[4] = vf_fma(vf_set1(0.0625f), s3, y[4]);
            y[5] = vf_fma(vf_set1(0.03125f), t3, y[5]);
        }
    }
    y[rows - 1] = vf_add(y[rows - 1], m[positions - 1]);
}

/* One chunk: output columns [x0, x1) of one group, and those of its input channels that are in V now. Pitches in floats. */
struct wino_chunk {
    const struct conv_packed *packed;
    const struct conv_task *task;
    float *v, *m;
    ptrdiff_t v_pitch, m_pitch;
    int x0, x1;
    int columns; /* of input: x1 - x0 and the reach of the taps */
    int group;
    int in0, in1; /* input channels, counted over all groups */
};

/* Channels of V: of planar rows all that are in V, of blocked rows a multiple of VL unless they are all of the group. */
static int wino_depth(const struct conv_shape *s)
{
    const int in = s->in_channels / s->groups;
    return in <= WINO_DEPTH + WINO_DEPTH / 2 ? in : WINO_DEPTH;
}
static int wino_chunk_columns(const struct conv_shape *s, int rows)
{
    const int channels = wino_depth(s) + s->out_channels / s->groups;
    return planar_chunk(s, (size_t) (wino_positions(s, rows) * channels) * sizeof(float), WINO_CACHE);
}
/* An odd number of vectors, so that planes do not all fall into the same sets of the cache. */
static ptrdiff_t wino_pitch(int columns) { return (ptrdiff_t) (((columns + VL - 1) / VL) | 1) * VL; }

/* The columns of V that are read: those under whole vectors of output, and the taps' reach. */
static int wino_read(const struct wino_chunk *k)
{
    const int vectors = (k->x1 - k->x0 + VL - 1) / VL, reach = k->columns - (k->x1 - k->x0);
    return (vectors * VL + reach + VL - 1) / VL * VL;
}

/* V of planar rows. Vectors that lie wholly behind the last column that is needed are zero: nothing there may be read. */
SIMD_INLINE void wino_in_planar(const int positions, const struct wino_chunk *k)
{
    const ptrdiff_t position = (ptrdiff_t) wino_depth(&k->packed->shape) * k->v_pitch;
    const int used = (k->columns + VL - 1) / VL * VL, read = wino_read(k);
    for (int c = k->in0; c < k->in1; c++) {
        const float *rows[WINO_POSITIONS];
        KERNEL_UNROLL
        for (int i = 0; i < positions; i++) rows[i] = k->task->in[i] + c * k->task->in_block + (k->x0 - k->packed->shape.pad_x);
        float *v = k->v + (c - k->in0) * k->v_pitch;
        for (ptrdiff_t x = 0; x < used; x += VL) {
            vf d[WINO_POSITIONS], t[WINO_POSITIONS];
            KERNEL_UNROLL
            for (int i = 0; i < positions; i++) {
                d[i] = vf_load(rows[i] + x);
                KERNEL_KEEP(d[i]);
            }
            wino_forward(positions, d, t);
            KERNEL_UNROLL
            for (int i = 0; i < positions; i++) vf_store(v + i * position + x, t[i]);
        }
        for (ptrdiff_t x = used; x < read; x += VL)
            for (int i = 0; i < positions; i++) vf_store(v + i * position + x, vf_zero());
    }
}

/* V of blocked rows: a square of VL columns and channels of each row is turned first. */
SIMD_INLINE void wino_in_blocked(const int positions, const struct wino_chunk *k)
{
    const ptrdiff_t position = (ptrdiff_t) wino_depth(&k->packed->shape) * k->v_pitch;
    const int read = wino_read(k);
    for (int block = k->in0 / VL; block * VL < k->in1; block++) {
        const int first = block * VL > k->in0 ? block * VL : k->in0, end = (block + 1) * VL < k->in1 ? (block + 1) * VL : k->in1;
        const ptrdiff_t at = block * k->task->in_block + (ptrdiff_t) (k->x0 - k->packed->shape.pad_x) * VL;
        for (int x = 0; x < read; x += VL) {
            float square[WINO_POSITIONS][VL * VL];
            for (int i = 0; i < positions; i++) {
                if (x < k->columns) transpose_part(k->task->in[i] + at + (ptrdiff_t) x * VL, k->columns - x, square[i], VL);
                else memset(square[i], 0, sizeof square[i]);
            }
            float *v = k->v + (first - k->in0) * k->v_pitch + x;
            const float *turned = square[0] + (first - block * VL) * VL;
            for (int c = first; c < end; c++, v += k->v_pitch, turned += VL) {
                vf d[WINO_POSITIONS], t[WINO_POSITIONS];
                KERNEL_UNROLL
                for (int i = 0; i < positions; i++) d[i] = vf_load(turned + i * VL * VL);
                wino_forward(positions, d, t);
                KERNEL_UNROLL
                for (int i = 0; i < positions; i++) vf_store(v + i * position, t[i]);
            }
        }
    }
}

/* M: for each position a convolution along x over the channels in V. */
static void wino_multiply(int positions, const struct wino_chunk *k)
{
    const struct conv_shape *s = &k->packed->shape;
    const int group_in = s->in_channels / s->groups, group_out = s->out_channels / s->groups;
    const ptrdiff_t filter = (ptrdiff_t) group_in * s->kernel_x; /* weights of one output channel at one position */
    const int done = k->in0 - k->group * group_in, vectors = (k->x1 - k->x0 + VL - 1) / VL;
    for (int p = 0; p < positions; p++) {
        const float *row = k->v + (ptrdiff_t) p * wino_depth(s) * k->v_pitch;
        float *out = k->m + (ptrdiff_t) p * group_out * k->m_pitch;
        const ptrdiff_t first = (ptrdiff_t) p * s->out_channels + k->group * group_out;
        const float *weights = (const float *) k->packed->weights + first * filter;
        for (int o = 0, n; o < group_out; o += n) {
            n = planar_tile_size(s, o);
            const struct planar_part d = {
                .rows = &row, .in_block = k->v_pitch, .channels = k->in1 - k->in0,
                .kernel_y = 1, .kernel_x = s->kernel_x, .dilation_x = s->dilation_x,
                .weights = weights + o * filter + (ptrdiff_t) (done * s->kernel_x) * n, .add = done > 0,
                .out = &out, .out_block = k->m_pitch, .out_first = o, .out_rows = 1, .x0 = 0, .x1 = vectors * VL,
            };
            planar_raws[n - 1](&d);
        }
    }
}

SIMD_INLINE void wino_out(const int positions, const int rows, const struct wino_chunk *k)
{
    const struct conv_packed *packed = k->packed;
    const struct conv_task *task = k->task;
    const int group_out = packed->shape.out_channels / packed->shape.groups;
    const ptrdiff_t position = (ptrdiff_t) group_out * k->m_pitch;
    const struct conv_epilogue *e = &packed->epilogue;
    for (int i_out = 0; i_out < group_out; i_out++) {
        const int o = k->group * group_out + i_out;
        const float *m = k->m + i_out * k->m_pitch;
        const vf bias = vf_set1(packed->bias[o]);
        const float *slope = packed->slope ? packed->slope + o : NULL;
        for (int x = k->x0; x < k->x1; x += VL, m += VL) {
            const int count = k->x1 - x < VL ? k->x1 - x : VL;
            vf t[WINO_POSITIONS], y[WINO_ROWS];
            KERNEL_UNROLL
            for (int i = 0; i < positions; i++) t[i] = vf_load(m + i * position);
            wino_back(positions, rows, t, bias, y);
            const ptrdiff_t res = o * task->residual_block + x;
            const bool before = task->residual && e->residual_before_act;
            KERNEL_UNROLL
            for (int r = 0; r < rows; r++)
                if (before && r < task->rows) planar_add(task->residual[r] + res, y + r, 1, count);
            epilogue_activate(y, rows, e, slope, SLOPES_SCALAR, rows, 1);
            KERNEL_UNROLL
            for (int r = 0; r < rows; r++)
                if (task->residual && !before && r < task->rows) planar_add(task->residual[r] + res, y + r, 1, count);
            KERNEL_UNROLL
            for (int r = 0; r < rows; r++)
                if (r < task->rows) planar_store(task->out[r] + o * task->out_block + x, y + r, 1, count);
        }
    }
}

static size_t wino_scratch(const struct conv_shape *s, int rows)
{
    const int chunk = wino_chunk_columns(s, rows);
    const size_t v = (size_t) wino_depth(s) * (size_t) wino_pitch(chunk + (s->kernel_x - 1) * s->dilation_x);
    const size_t m = (size_t) (s->out_channels / s->groups) * (size_t) wino_pitch(chunk);
    return (v + m) * (size_t) wino_positions(s, rows) * sizeof(float);
}
static size_t wino4_scratch_bytes(const struct conv_shape *s) { return wino_scratch(s, 4); }
static size_t wino6_scratch_bytes(const struct conv_shape *s) { return wino_scratch(s, 6); }

SIMD_INLINE void wino_run(const int positions, const int rows, const bool blocked, const struct conv_packed *packed,
                          const struct conv_task *task)
{
    const struct conv_shape *s = &packed->shape;
    const int chunk = wino_chunk_columns(s, rows), reach = (s->kernel_x - 1) * s->dilation_x;
    const int group_in = s->in_channels / s->groups, depth = wino_depth(s);
    struct wino_chunk k = { .packed = packed, .task = task, .v = task->scratch };
    k.v_pitch = wino_pitch(chunk + reach);
    k.m_pitch = wino_pitch(chunk);
    k.m = k.v + (ptrdiff_t) positions * depth * k.v_pitch;
    for (k.x0 = task->x0; k.x0 < task->x1; k.x0 = k.x1) {
        k.x1 = task->x1 - k.x0 < chunk ? task->x1 : k.x0 + chunk;
        k.columns = k.x1 - k.x0 + reach;
        for (k.group = 0; k.group < s->groups; k.group++) {
            const int end = (k.group + 1) * group_in;
            for (k.in0 = end - group_in; k.in0 < end; k.in0 = k.in1) {
                k.in1 = end - k.in0 < depth ? end : k.in0 + depth;
                if (blocked) wino_in_blocked(positions, &k);
                else wino_in_planar(positions, &k);
                wino_multiply(positions, &k);
            }
            wino_out(positions, rows, &k);
        }
    }
}
static void planar_wino4_run(const struct conv_packed *packed, const struct conv_task *task)
{
    if (packed->shape.kernel_y == 3) wino_run(6, 4, false, packed, task);
    else wino_run(8, 4, false, packed, task);
}
static void planar_wino6_run(const struct conv_packed *packed, const struct conv_task *task)
{
    wino_run(8, 6, false, packed, task);
}
static void last_wino4_run(const struct conv_packed *packed, const struct conv_task *task)
{
    if (packed->shape.kernel_y == 3) wino_run(6, 4, true, packed, task);
    else wino_run(8, 4, true, packed, task);
}
static void last_wino6_run(const struct conv_packed *packed, const struct conv_task *task)
{
    wino_run(8, 6, true, packed, task);
}

static size_t wino_packed(const struct conv_shape *s, int rows)
{
    return (size_t) s->out_channels * (size_t) (s->in_channels / s->groups * s->kernel_x * wino_positions(s, rows)) * sizeof(float);
}
static size_t wino4_packed_bytes(const struct conv_shape *s) { return wino_packed(s, 4); }
static size_t wino6_packed_bytes(const struct conv_shape *s) { return wino_packed(s, 6); }

/* The transformed column of kernel_y weights (`pitch` apart) at one position: the kernel's polynomial at the point, times its
 * scale. */
static float wino_weight(const struct conv_shape *s, int positions, int position, const float *w, ptrdiff_t pitch)
{
    static const double points[] = { 0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5 };
    static const double scales6[] = { 1.0 / 4, -1.0 / 6, -1.0 / 6, 1.0 / 24, 1.0 / 24 };
    static const double scales8[] = { 1.0, -2.0 / 9, -2.0 / 9, 1.0 / 90, 1.0 / 90, 32.0 / 45, 32.0 / 45 };
    if (position == positions - 1) return w[(s->kernel_y - 1) * pitch];
    double sum = 0.0;
    for (int ky = s->kernel_y - 1; ky >= 0; ky--) sum = sum * points[position] + (double) w[ky * pitch];
    return (float) (sum * (positions == 6 ? scales6 : scales8)[position]);
}

/* packed: [position][group][tile][channel][kx][OC] */
static void wino_pack(const struct conv_shape *s, const float *w, float *p, int rows)
{
    const int in = s->in_channels / s->groups, out = s->out_channels / s->groups, positions = wino_positions(s, rows);
    const ptrdiff_t taps = s->kernel_y * s->kernel_x;
    for (int position = 0; position < positions; position++)
        for (int g = 0; g < s->groups; g++)
            for (int o0 = 0, n; o0 < out; o0 += n) {
                n = planar_tile_size(s, o0);
                for (int i = 0; i < in * s->kernel_x; i++)
                    for (int o = 0; o < n; o++) {
                        const ptrdiff_t plane = ((ptrdiff_t) (g * out + o0 + o) * in + i / s->kernel_x) * taps;
                        *p++ = wino_weight(s, positions, position, w + plane + i % s->kernel_x, s->kernel_x);
                    }
            }
}
static void wino4_pack(const struct conv_shape *s, const float *w, void *packed) { wino_pack(s, w, packed, 4); }
static void wino6_pack(const struct conv_shape *s, const float *w, void *packed) { wino_pack(s, w, packed, 6); }

static bool wino_any_fits(const struct conv_shape *s)
{
    return s->stride_x == 1 && s->stride_y == 1 && s->dilation_y == 1;
}
static bool wino4_fits(const struct conv_shape *s) { return wino_any_fits(s) && (s->kernel_y == 3 || s->kernel_y == 5); }
static bool wino6_fits(const struct conv_shape *s) { return wino_any_fits(s) && s->kernel_y == 3; }

/* Multiply-adds of vectors and the two transforms, as measured: these are bound by the traffic of V and M, and the first by the
 * turning of blocked input where there is any. */
static double wino_cost(const struct conv_shape *s, int rows, bool blocked)
{
    const int positions = wino_positions(s, rows);
    const double macs = (double) wino_packed(s, rows) / (sizeof(float) * VL) / rows;
    const double in = (double) s->in_channels * positions / rows * (blocked ? 0.78 : (positions == 8 ? 7.5 : 6.0) / VL);
    const double out = (double) s->out_channels * positions / rows * (5.0 / VL);
    return macs / 1.6 + in + out;
}
static double planar_wino4_cost(const struct conv_shape *s) { return wino_cost(s, 4, false); }
static double planar_wino6_cost(const struct conv_shape *s) { return wino_cost(s, 6, false); }
static double last_wino4_cost(const struct conv_shape *s) { return wino_cost(s, 4, true); }
static double last_wino6_cost(const struct conv_shape *s) { return wino_cost(s, 6, true); }

#define WINO_ALGORITHM(NAME, IN, ROWS, REACH) \
    const struct conv_algorithm K(NAME##_wino##ROWS) = { \
        .name = #NAME "_wino" #ROWS "_" PLANAR_STRING(KERNEL_ISA), .in = IN, .out = ROWS_PLANAR, \
        .rows = ROWS, .grid_x = 1, .chunk_x = 480, .unit_x = VL, .reach_right = REACH, \
        .fits = wino##ROWS##_fits, .cost = NAME##_wino##ROWS##_cost, .packed_bytes = wino##ROWS##_packed_bytes, \
        .pack = wino##ROWS##_pack, .scratch_bytes = wino##ROWS##_scratch_bytes, .run = NAME##_wino##ROWS##_run, \
    };
WINO_ALGORITHM(planar, ROWS_PLANAR, 4, VL - 1)
WINO_ALGORITHM(planar, ROWS_PLANAR, 6, VL - 1)
WINO_ALGORITHM(last, ROWS_BLOCKED, 4, 0)
WINO_ALGORITHM(last, ROWS_BLOCKED, 6, 0)
