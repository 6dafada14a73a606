/* SPDX-License-Identifier: MIT */
/* out = A^T M A, with bias, residual and activation, stored as rows. Part of winograd.tpl.h. */
#ifndef FM_KERNELS_WINOGRAD_OUTPUT_H
#define FM_KERNELS_WINOGRAD_OUTPUT_H

struct wino_output {
    float *out[6];            /* rows at the first tile's first column of the block */
    const float *residual[6];
    int first, rows, columns; /* of the picture, from the first tile's first; rows before `first` lie before it */
    bool add, add_first;      /* a residual; before the activation */
    enum kernel_act act;
    vf bias, a, b, slope, live; /* live: 1 in lanes that hold channels, 0 in padding */
};

/* Any activation that has no code of its own below; rare or so costly that a loop does not matter. */
static __attribute__((noinline)) void wino_activate(const struct wino_output *w, vf *v, int count)
{
    for (int i = 0; i < count; i++) v[i] = vf_mul(vf_activate(v[i], w->act, w->a, w->b, w->slope), w->live);
}

/* One tile of one output block. `act`: a constant, or KERNEL_ACT_COUNT for wino_activate. */
SIMD_INLINE void wino_output_tile(const int alpha, const int tile, const enum kernel_act act, const struct wino_output *w, int x,
                                  const float *m, ptrdiff_t m_position)
{
    vf half[6][WINO_ALPHA_MAX];
    for (int i = 0; i < alpha; i++, m += m_position) {
        vf d[WINO_ALPHA_MAX], o[6];
        WINO_UNROLL
        for (int k = 0; k < alpha; k++) d[k] = vf_load(m + k * alpha * m_position);
        wino_at(alpha, tile, d, false, vf_zero(), o);
        WINO_UNROLL
        for (int k = 0; k < tile; k++) half[k][i] = o[k];
    }
    const int columns = w->columns - x < tile ? w->columns - x : tile;
    const int next = x + tile < w->columns ? x + tile : x; /* its lines are fetched early: stores that miss would wait in a row */
    for (int y = w->first; y < w->rows; y++) {
        vf o[6];
        wino_at(alpha, tile, half[y], true, w->bias, o);
        if (w->add && w->add_first) {
            WINO_UNROLL
            for (int i = 0; i < tile; i++)
                if (i < columns) o[i] = vf_add(o[i], vf_load(w->residual[y] + (ptrdiff_t) (x + i) * VL));
        }
        if (act == KERNEL_ACT_COUNT) {
            wino_activate(w, o, tile);
        } else {
            WINO_UNROLL
            for (int i = 0; i < tile; i++) o[i] = vf_activate(o[i], act, w->a, w->b, w->slope);
        }
        if (w->add && !w->add_first) {
            WINO_UNROLL
            for (int i = 0; i < tile; i++)
                if (i < columns) o[i] = vf_add(o[i], vf_load(w->residual[y] + (ptrdiff_t) (x + i) * VL));
        }
        float *const to = w->out[y] + (ptrdiff_t) x * VL;
        WINO_UNROLL
        for (int i = 0; i < tile * VL; i += 16) __builtin_prefetch(w->out[y] + (ptrdiff_t) next * VL + i, 1);
        if (columns == tile) {
            WINO_UNROLL
            for (int i = 0; i < tile; i++) vf_store(to + i * VL, o[i]);
        } else {
            WINO_UNROLL
            for (int i = 0; i < tile; i++)
                if (i < columns) vf_store(to + i * VL, o[i]);
        }
    }
}

SIMD_INLINE void wino_output_tiles(const int alpha, const int tile, const enum kernel_act act, const struct wino_output *w,
                                   int tiles, const float *m, ptrdiff_t m_position, ptrdiff_t m_tile)
{
    for (int t = 0; t < tiles; t++) wino_output_tile(alpha, tile, act, w, t * tile, m + t * m_tile, m_position);
}

SIMD_INLINE void wino_output(const int alpha, const int tile, const struct wino_output *w, int tiles, const float *m,
                             ptrdiff_t m_position, ptrdiff_t m_tile)
{
    switch (w->act) {
    case KERNEL_ACT_NONE: wino_output_tiles(alpha, tile, KERNEL_ACT_NONE, w, tiles, m, m_position, m_tile); break;
    case KERNEL_ACT_RELU: wino_output_tiles(alpha, tile, KERNEL_ACT_RELU, w, tiles, m, m_position, m_tile); break;
    case KERNEL_ACT_LEAKY: wino_output_tiles(alpha, tile, KERNEL_ACT_LEAKY, w, tiles, m, m_position, m_tile); break;
    case KERNEL_ACT_PRELU: wino_output_tiles(alpha, tile, KERNEL_ACT_PRELU, w, tiles, m, m_position, m_tile); break;
    case KERNEL_ACT_SILU: wino_output_tiles(alpha, tile, KERNEL_ACT_SILU, w, tiles, m, m_position, m_tile); break;
    default: wino_output_tiles(alpha, tile, KERNEL_ACT_COUNT, w, tiles, m, m_position, m_tile); break;
    }
}

/* What all blocks of a task share. */
static void wino_output_init(struct wino_output *w, const struct conv_packed *packed, const struct conv_task *task)
{
    w->first = task->lead_y;
    w->rows = task->rows;
    w->add = task->residual != NULL;
    w->add_first = packed->epilogue.residual_before_act;
    w->act = packed->epilogue.act;
    w->a = vf_set1(packed->epilogue.a);
    w->b = vf_set1(packed->epilogue.b);
    w->slope = vf_zero();
}

/* Output block `block` from column x on. */
static void wino_output_block(struct wino_output *w, const struct conv_packed *packed, const struct conv_task *task, int block,
                              int x)
{
    float live[VL];
    for (int i = 0; i < VL; i++) live[i] = block * VL + i < packed->shape.out_channels ? 1.0f : 0.0f;
    w->live = vf_load(live);
    w->bias = vf_load(packed->bias + block * VL);
    if (packed->slope) w->slope = vf_load(packed->slope + block * VL);
    w->columns = task->x1 - x;
    for (int y = task->lead_y; y < task->rows; y++) {
        w->out[y] = task->out[y] + block * task->out_block + (ptrdiff_t) x * VL;
        if (w->add) w->residual[y] = task->residual[y] + block * task->residual_block + (ptrdiff_t) x * VL;
    }
}

#endif
