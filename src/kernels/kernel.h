/* SPDX-License-Identifier: MIT */
/* Kernels: pure functions over row ranges of one picture. They own nothing, allocate nothing, spawn nothing.
 *
 * Rows. A picture value is a set of rows; row y of C channels and W columns is one block of floats in one of two layouts:
 *     ROWS_BLOCKED  [ceil(C/b)][pitch][b]   b = the ISA's vector length (kernel_set.vector): channels in lanes
 *     ROWS_PLANAR   [C][pitch]              columns in lanes
 * A row pointer points at column 0 of block (plane) 0. Left and right of the picture each block has a margin of zeros, as wide as the
 * consumers asked for; rows above and below the picture are pointers to a row of zeros. So no kernel tests for borders. Channels that
 * pad the last block are zero in values (kernels that write blocked rows must write zeros there: packed weights and biases are zero).
 * Writers never touch margins: they store columns [x0, x1) only.
 *
 * One table per family: the C version fills it, better ISAs replace entries (kernel_set_init). */
#ifndef FM_KERNELS_KERNEL_H
#define FM_KERNELS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/span.h"

enum rows_layout { ROWS_BLOCKED, ROWS_PLANAR };

enum kernel_act {
    KERNEL_ACT_NONE, KERNEL_ACT_RELU,
    KERNEL_ACT_LEAKY, /* a = slope */
    KERNEL_ACT_PRELU, /* slope[channel] */
    KERNEL_ACT_CLIP,  /* [a, b] */
    KERNEL_ACT_SILU, KERNEL_ACT_SIGMOID, KERNEL_ACT_TANH,
    KERNEL_ACT_HARD_SWISH, KERNEL_ACT_HARD_SIGMOID, /* a * x + b */
    KERNEL_ACT_MISH,
    KERNEL_ACT_GELU,      /* exact */
    KERNEL_ACT_GELU_TANH, /* tanh approximation */
    KERNEL_ACT_ELU,       /* a = alpha */
    KERNEL_ACT_COUNT
};

/* A convolution as every algorithm sees it. */
struct conv_shape {
    int in_channels, out_channels; /* whole counts, all groups */
    int groups;
    int kernel_y, kernel_x, stride_y, stride_x, dilation_y, dilation_x;
    int pad_y, pad_x;              /* before the picture; what lies after it follows from the sizes */
};

/* What happens to a result before it is stored: v = conv + bias; then, by order: v = act(v) + residual, or v = act(v + residual) */
struct conv_epilogue {
    enum kernel_act act;
    float a, b;
    bool residual_before_act;
};

/* One call's work: output rows 0 .. rows-1, output columns [x0, x1). */
struct conv_task {
    /* in[i] is the input row y0 * stride_y - pad_y + i for i < input_rows(rows), y0 the first output row; rows outside the picture are
     * rows of zeros. Columns from x0 * stride_x - pad_x up to the reach of column x1 - 1 rounded up as conv_algorithm.reach says
     * are readable (zeros outside the picture). */
    const float *const *in;
    float *const *out;             /* out[i]: output row y0 + i */
    const float *const *residual;  /* like out, or NULL */
    ptrdiff_t in_block, out_block, residual_block; /* floats from one channel block (plane) to the next */
    int rows, x0, x1;
    /* Algorithms that may lead: a grid's first cells may begin before the picture. `rows` then counts from the cells' first row and so do in
     * and out, but out[i] for i < lead_y is not touched; x0 may be negative, what is written there is cleared by the caller. */
    int lead_y;
    /* Algorithms that join: of the columns only these, which follow each other and begin and end on the grid, or at x0 and x1. None: all. */
    const struct span *run;
    int runs;
    void *scratch;                 /* scratch_bytes, aligned to 64, private to the thread */
};

/* Weights in the algorithm's own order, with all that a run needs to know. Immutable; shared by threads. */
struct conv_packed {
    struct conv_shape shape;
    struct conv_epilogue epilogue;
    const void *weights; /* packed_bytes, aligned to 64 */
    const float *bias;   /* [out_channels rounded up to 64], zero padded */
    const float *slope;  /* the same, PRELU only, else NULL */
};

struct conv_algorithm {
    const char *name;               /* "winograd6_avx512" */
    enum rows_layout in, out;
    int rows;                       /* output rows of one task (the last task of a picture may have fewer): the grid in y */
    bool any_row;                   /* a task may start at any row and gives the same bits; else at multiples of `rows` only */
    bool may_lead;                  /* the grid may begin before the picture (conv_task.lead_y) */
    int grid_x;                     /* tasks start at columns that are multiples of this */
    int chunk_x;                    /* a good number of columns for one call (a multiple of grid_x) */
    bool joins;                     /* takes conv_task.run: short runs together are as good as a long one */
    int unit_x;                     /* few columns take as long as so many, and the rest of a division by it as long as another */
    int reach_left, reach_right;    /* columns read beyond the exact need [x0*s - pad_x, (x1-1)*s - pad_x + (k-1)*d], worst case */
    bool (*fits)(const struct conv_shape *shape);
    /* Estimated cycles for one output pixel of all channels: the plan takes the cheapest algorithm that fits. */
    double (*cost)(const struct conv_shape *shape);
    size_t (*packed_bytes)(const struct conv_shape *shape);
    /* w: [out][in/groups][ky][kx], plain float32. `packed` is cleared memory. */
    void (*pack)(const struct conv_shape *shape, const float *w, void *packed);
    size_t (*scratch_bytes)(const struct conv_shape *shape);
    void (*run)(const struct conv_packed *packed, const struct conv_task *task);
};

/* How many input rows `rows` output rows need. Winograd tasks always need those of a full tile: rows is rounded up first. */
static inline int conv_input_rows(const struct conv_algorithm *algorithm, const struct conv_shape *s, int rows)
{
    if (rows < algorithm->rows) rows = algorithm->rows;
    return (rows - 1) * s->stride_y + (s->kernel_y - 1) * s->dilation_y + 1;
}

#define KERNEL_ALGORITHM_MAX 16

/* Everything one ISA offers. */
struct kernel_set {
    const char *isa; /* "c", "avx2", "avx512", "neon" */
    int vector;      /* floats in a vector = channels in a block: 4, 8 or 16 */
    const struct conv_algorithm *conv[KERNEL_ALGORITHM_MAX]; /* NULL-terminated */
    const struct rows_kernels *rows;     /* rows.h */
    const struct pixels_kernels *pixels; /* pixels.h */
    const struct planes_kernels *planes; /* planes.h */
};

/* The set for given CPU flags (cpu.h): the best ISA among them. Any thread; never NULL. */
const struct kernel_set *kernel_set_for(uint32_t cpu_flags);
/* All sets this build has and this machine can run, for the checker; returns how many. */
int kernel_sets(const struct kernel_set *sets[4]);

#endif
