/* SPDX-License-Identifier: MIT */
/* What the steps on rows do to their piece of work. */
#include <math.h>
#include <string.h>

#include "backend/cpu/program.h"

static int in_value(const struct cpu_call *call, int i)
{
    return call->shape->in[i].value;
}

/* Lanes of the value's rows: a block's worth of channels, or one. */
static int lanes_of(const struct cpu_call *call, int v)
{
    return cpu_plan_value(call->session, v)->lanes;
}

static const struct rows_kernels *rows_of(const struct cpu_call *call)
{
    return call->session->program->kernels->rows;
}

/* Row y of an input as a reader sees it: zeros outside the picture. */
static const float *row_or_zero(const struct cpu_call *call, int v, int picture, int y)
{
    const struct plan_value *p = cpu_plan_value(call->session, v);
    return y < p->y0 || y >= p->y1 ? cpu_zero_row(call->session, v) : cpu_row(call->session, v, picture, y);
}

/* Zeros beside the columns just written, where they are the first or last of the row. */
static void clear_margins(const struct cpu_call *call, int v)
{
    const struct backend_session *s = call->session;
    const struct plan_value *p = cpu_plan_value(s, v);
    const int right = p->pitch - p->margin_left - (p->x1 - p->x0);
    const bool first = call->x0 <= p->x0 && p->margin_left > 0, last = call->x1 >= p->x1 && right > 0;
    if (!first && !last) return;
    for (int y = call->y0; y < call->y1; y++) {
        float *row = cpu_row(s, v, call->picture, y);
        for (int b = 0; b < p->blocks; b++, row += cpu_block(s, v)) {
            if (first)
                memset(row + ((ptrdiff_t) p->x0 - p->margin_left) * p->lanes, 0,
                    (size_t) p->margin_left * (size_t) p->lanes * sizeof *row);
            if (last) memset(row + (ptrdiff_t) p->x1 * p->lanes, 0, (size_t) right * (size_t) p->lanes * sizeof *row);
        }
    }
}

/* Where row y, channel 0, column 0 of an NCHW float32 array starts (maybe outside the memory, when the array holds a part). */
static float *array_row(const struct cpu_call *call, int v, int y, ptrdiff_t *plane)
{
    const struct backend_session *s = call->session;
    const struct rect view = cpu_view(s, v);
    *plane = (ptrdiff_t) view.w * view.h;
    return (float *) (void *) cpu_flat(s, v) + (ptrdiff_t) call->picture * s->program->value[v].channels * *plane +
           (ptrdiff_t) (y - view.y) * view.w - view.x;
}

int cpu_run_load(const struct cpu_call *call)
{
    const struct backend_session *s = call->session;
    const int from = in_value(call, 0), to = call->shape->out[0], channels = s->program->value[to].channels;
    const ptrdiff_t block = cpu_block(s, to);
    for (int y = call->y0; y < call->y1; y++) {
        ptrdiff_t plane;
        const float *src = array_row(call, from, y, &plane);
        float *row = cpu_row(s, to, call->picture, y);
        if (s->program->value[to].form == FORM_BLOCKED) {
            rows_of(call)->load_blocked(src, plane, channels, row, block, call->x0, call->x1);
        } else {
            for (int c = 0; c < channels; c++)
                memcpy(row + c * block + call->x0, src + c * plane + call->x0, (size_t) (call->x1 - call->x0) * sizeof *row);
        }
    }
    clear_margins(call, to);
    return FM_OK;
}

/* The part of a call's piece that the output array holds: a region is rounded outward to the step's grid, the array is not. */
static struct rect stored(const struct cpu_call *call, int v)
{
    const struct rect view = cpu_view(call->session, v);
    const int x0 = call->x0 > view.x ? call->x0 : view.x, x1 = call->x1 < view.x + view.w ? call->x1 : view.x + view.w;
    const int y0 = call->y0 > view.y ? call->y0 : view.y, y1 = call->y1 < view.y + view.h ? call->y1 : view.y + view.h;
    return (struct rect){x0, y0, x1 - x0, y1 - y0};
}

int cpu_run_store(const struct cpu_call *call)
{
    const struct backend_session *s = call->session;
    const int from = in_value(call, 0), to = call->shape->out[0], channels = s->program->value[from].channels;
    const ptrdiff_t block = cpu_block(s, from);
    const struct rect part = stored(call, to);
    if (rect_is_empty(part)) return FM_OK;
    for (int y = part.y; y < part.y + part.h; y++) {
        ptrdiff_t plane;
        float *dst = array_row(call, to, y, &plane);
        const float *row = cpu_row(s, from, call->picture, y);
        if (s->program->value[from].form == FORM_BLOCKED) {
            rows_of(call)->store_blocked(row, block, channels, dst, plane, part.x, part.x + part.w);
        } else {
            for (int c = 0; c < channels; c++)
                memcpy(dst + c * plane + part.x, row + c * block + part.x, (size_t) part.w * sizeof *row);
        }
    }
    return FM_OK;
}

/* Between blocked and planar rows: a planar row is an array whose planes are a block apart. */
int cpu_run_convert(const struct cpu_call *call)
{
    const struct backend_session *s = call->session;
    const int from = in_value(call, 0), to = call->shape->out[0], channels = s->program->value[to].channels;
    for (int y = call->y0; y < call->y1; y++) {
        const float *src = cpu_row(s, from, call->picture, y);
        float *dst = cpu_row(s, to, call->picture, y);
        if (s->program->value[to].form == FORM_BLOCKED)
            rows_of(call)->load_blocked(src, cpu_block(s, from), channels, dst, cpu_block(s, to), call->x0, call->x1);
        else
            rows_of(call)->store_blocked(src, cpu_block(s, from), channels, dst, cpu_block(s, to), call->x0, call->x1);
    }
    clear_margins(call, to);
    return FM_OK;
}

int cpu_run_conv(const struct cpu_call *call)
{
    const struct backend_session *s = call->session;
    const struct conv_algorithm *a = call->step->u.conv.algorithm;
    const struct conv_shape *shape = &call->step->u.conv.packed.shape;
    const int lead_y = call->y0 == 0 ? call->shape->lead_y : 0, lead_x = call->x0 == 0 ? call->shape->lead_x : 0;
    const int from = in_value(call, 0), to = call->shape->out[0], y0 = call->y0 - lead_y, rows = call->y1 - y0;
    const int n_in = conv_input_rows(a, shape, rows);
    const float *in[CPU_ROWS_MAX], *residual[CPU_ROWS_MAX];
    float *out[CPU_ROWS_MAX];
    /* rows that only outputs beyond the piece would use are not waited for */
    const int needed = a->any_row ? (rows - 1) * shape->stride_y + (shape->kernel_y - 1) * shape->dilation_y + 1 : n_in;
    for (int i = 0; i < n_in; i++)
        in[i] =
            i < needed ? row_or_zero(call, from, call->picture, y0 * shape->stride_y - shape->pad_y + i) : cpu_zero_row(s, from);
    for (int i = lead_y; i < rows; i++) out[i] = cpu_row(s, to, call->picture, y0 + i);
    struct conv_task task = {.in = in,
        .out = out,
        .in_block = cpu_block(s, from),
        .out_block = cpu_block(s, to),
        .rows = rows,
        .lead_y = lead_y,
        .x0 = call->x0 - lead_x,
        .x1 = call->x1,
        .run = call->run,
        .runs = call->runs,
        .scratch = call->scratch};
    if (call->step->u.conv.residual) {
        const int r = in_value(call, 1);
        for (int i = lead_y; i < rows; i++) residual[i] = cpu_row(s, r, call->picture, y0 + i);
        task.residual = residual;
        task.residual_block = cpu_block(s, r);
    }
    a->run(&call->step->u.conv.packed, &task);
    clear_margins(call, to);
    return FM_OK;
}

/* Parameters of block (plane) b; NULL when the step has none. */
static const float *lane_of(const struct cpu_call *call, int b)
{
    return call->step->lanes ? call->step->lanes + (ptrdiff_t) b * call->session->program->kernels->vector : NULL;
}

int cpu_run_act(const struct cpu_call *call)
{
    const struct backend_session *s = call->session;
    const int from = in_value(call, 0), to = call->shape->out[0], lanes = lanes_of(call, to);
    const size_t count = (size_t) (call->x1 - call->x0) * (size_t) lanes;
    for (int y = call->y0; y < call->y1; y++) {
        const float *src = cpu_row(s, from, call->picture, y) + (ptrdiff_t) call->x0 * lanes;
        float *dst = cpu_row(s, to, call->picture, y) + (ptrdiff_t) call->x0 * lanes;
        for (int b = 0; b < cpu_plan_value(s, to)->blocks; b++)
            rows_of(call)->act(dst + b * cpu_block(s, to), src + b * cpu_block(s, from), count, call->step->u.act.act,
                call->step->u.act.a, call->step->u.act.b, lane_of(call, b));
    }
    clear_margins(call, to);
    return FM_OK;
}

int cpu_run_binary(const struct cpu_call *call)
{
    const struct backend_session *s = call->session;
    const struct rows_kernels *k = rows_of(call);
    const int from = in_value(call, 0), to = call->shape->out[0], lanes = lanes_of(call, to);
    const int other = call->shape->n_in > 1 ? in_value(call, 1) : -1;
    const size_t count = (size_t) (call->x1 - call->x0) * (size_t) lanes;
    const enum rows_binary op = call->step->u.binary.op;
    for (int y = call->y0; y < call->y1; y++) {
        const float *a = cpu_row(s, from, call->picture, y) + (ptrdiff_t) call->x0 * lanes;
        float *dst = cpu_row(s, to, call->picture, y) + (ptrdiff_t) call->x0 * lanes;
        const float *b = NULL;
        if (call->step->u.binary.operand == OPERAND_ROWS) b = cpu_row(s, other, call->picture, y) + (ptrdiff_t) call->x0 * lanes;
        if (call->step->u.binary.operand == OPERAND_PIXEL) b = cpu_row(s, other, call->picture, 0);
        for (int i = 0; i < cpu_plan_value(s, to)->blocks; i++) {
            float *to_run = dst + i * cpu_block(s, to);
            const float *a_run = a + i * cpu_block(s, from);
            if (call->step->u.binary.operand == OPERAND_CHANNELS) {
                k->binary_lane(to_run, a_run, lane_of(call, i), count, op);
            } else if (call->step->u.binary.operand == OPERAND_ROWS) {
                k->binary(to_run, a_run, b + i * cpu_block(s, other), count, op);
            } else if (lanes > 1) {
                k->binary_lane(to_run, a_run, b + i * cpu_block(s, other), count, op);
            } else {
                float lane[16];
                for (int l = 0; l < 16; l++) lane[l] = b[i * cpu_block(s, other)];
                k->binary_lane(to_run, a_run, lane, count, op);
            }
        }
    }
    clear_margins(call, to);
    return FM_OK;
}

/* Into rows, or into the caller's array. A region that starts inside a block of r columns has that block made in scratch memory. */
int cpu_run_shuffle(const struct cpu_call *call)
{
    const struct backend_session *s = call->session;
    const int from = in_value(call, 0), to = call->shape->out[0], r = call->step->u.shuffle.r;
    const int channels = call->step->u.shuffle.channels;
    const bool array = cpu_plan_value(s, to)->flat, crd = call->step->u.shuffle.crd;
    const struct rect part = array ? stored(call, to) : (struct rect){call->x0, call->y0, call->x1 - call->x0, call->y1 - call->y0};
    if (rect_is_empty(part)) return FM_OK;
    const struct rows_kernels *k = rows_of(call);
    const bool blocked = s->program->value[from].form == FORM_BLOCKED;
    const float *row = cpu_row(s, from, call->picture, call->y0 / r);
    const ptrdiff_t block = cpu_block(s, from);
    float *out[16];
    ptrdiff_t plane = cpu_block(s, to);
    for (int i = 0; i < r; i++) {
        const int y = call->y0 + i;
        const bool wanted = y >= part.y && y < part.y + part.h;
        out[i] = !wanted ? NULL : array ? array_row(call, to, y, &plane) : cpu_row(s, to, call->picture, y);
    }
    int x = part.x / r;
    const int skip = part.x % r, end = part.x + part.w;
    if (skip) {
        float *patch[16] = {NULL}, *first = (float *) call->scratch - (ptrdiff_t) x * r; /* [r][channels][r] */
        for (int i = 0; i < r; i++) patch[i] = out[i] ? first + (ptrdiff_t) i * channels * r : NULL;
        (blocked ? k->shuffle_blocked : k->shuffle_planar)(row, block, channels, r, crd, patch, r, x, x + 1, (x + 1) * r);
        const int last = (x + 1) * r < end ? (x + 1) * r : end;
        for (int i = 0; i < r; i++)
            for (int c = 0; out[i] && c < channels; c++)
                memcpy(
                    out[i] + c * plane + part.x, patch[i] + (ptrdiff_t) c * r + part.x, (size_t) (last - part.x) * sizeof(float));
        x++;
    }
    if (x * r < end)
        (blocked ? k->shuffle_blocked : k->shuffle_planar)(row, block, channels, r, crd, out, plane, x, (end + r - 1) / r, end);
    if (!array) clear_margins(call, to);
    return FM_OK;
}

int cpu_run_unshuffle(const struct cpu_call *call)
{
    const struct backend_session *s = call->session;
    const int from = in_value(call, 0), to = call->shape->out[0], r = call->step->u.shuffle.r,
              channels = call->step->u.shuffle.channels;
    for (int y = call->y0; y < call->y1; y++) {
        float *dst = cpu_row(s, to, call->picture, y);
        for (int i = 0; i < r; i++) {
            const float *src = cpu_row(s, from, call->picture, y * r + i);
            for (int c = 0; c < channels; c++)
                for (int j = 0; j < r; j++) {
                    const float *line = src + c * cpu_block(s, from) + j;
                    float *plane = dst + ((ptrdiff_t) (i * r + j) * channels + c) * cpu_block(s, to);
                    for (int x = call->x0; x < call->x1; x++) plane[x] = line[(ptrdiff_t) x * r];
                }
        }
    }
    clear_margins(call, to);
    return FM_OK;
}

int cpu_run_concat(const struct cpu_call *call)
{
    const struct backend_session *s = call->session;
    const int to = call->shape->out[0], lanes = lanes_of(call, to);
    const size_t bytes = (size_t) (call->x1 - call->x0) * (size_t) lanes * sizeof(float);
    for (int y = call->y0; y < call->y1; y++) {
        float *dst = cpu_row(s, to, call->picture, y) + (ptrdiff_t) call->x0 * lanes;
        for (int i = 0; i < call->shape->n_in; i++) {
            const int from = in_value(call, i);
            const float *src = cpu_row(s, from, call->picture, y) + (ptrdiff_t) call->x0 * lanes;
            for (int b = 0; b < cpu_plan_value(s, from)->blocks; b++, dst += cpu_block(s, to))
                memcpy(dst, src + b * cpu_block(s, from), bytes);
        }
    }
    clear_margins(call, to);
    return FM_OK;
}

int cpu_run_slice(const struct cpu_call *call)
{
    const struct backend_session *s = call->session;
    const int from = in_value(call, 0), to = call->shape->out[0], lanes = lanes_of(call, to);
    const size_t bytes = (size_t) (call->x1 - call->x0) * (size_t) lanes * sizeof(float);
    const int channels = s->program->value[to].channels, blocks = cpu_plan_value(s, to)->blocks;
    for (int y = call->y0; y < call->y1; y++) {
        const float *src = cpu_row(s, from, call->picture, y + call->step->u.slice.y) +
                           ((ptrdiff_t) call->x0 + call->step->u.slice.x) * lanes +
                           call->step->u.slice.first / lanes * cpu_block(s, from);
        float *dst = cpu_row(s, to, call->picture, y) + (ptrdiff_t) call->x0 * lanes;
        for (int b = 0; b < blocks; b++) {
            float *line = dst + b * cpu_block(s, to);
            memcpy(line, src + b * cpu_block(s, from), bytes);
            const int used = channels - b * lanes; /* channels of the source behind the slice: not ours */
            if (used < lanes)
                for (int x = 0; x < call->x1 - call->x0; x++)
                    memset(line + (ptrdiff_t) x * lanes + used, 0, (size_t) (lanes - used) * sizeof *line);
        }
    }
    clear_margins(call, to);
    return FM_OK;
}

int cpu_run_pool(const struct cpu_call *call)
{
    const struct backend_session *s = call->session;
    const int from = in_value(call, 0), to = call->shape->out[0];
    struct rows_pool pool = call->step->u.pool.pool;
    const int height = cpu_plan_value(s, from)->height, stride = call->step->u.pool.stride_y,
              dilation = call->step->u.pool.dilation_y;
    const bool blocked = s->program->value[to].form == FORM_BLOCKED;
    for (int y = call->y0; y < call->y1; y++) {
        const float *in[CPU_ROWS_MAX], *shifted[CPU_ROWS_MAX];
        pool.counted_y = 0;
        for (int k = 0; k < pool.kernel_y; k++) {
            const int row = y * stride - call->step->u.pool.pad_y + k * dilation;
            in[k] = row < 0 || row >= height ? NULL : cpu_row(s, from, call->picture, row);
            if (in[k] || (pool.count_pad && row < height + call->step->u.pool.pad_end_y)) pool.counted_y++;
        }
        float *dst = cpu_row(s, to, call->picture, y);
        for (int b = 0; b < cpu_plan_value(s, to)->blocks; b++) {
            for (int k = 0; k < pool.kernel_y; k++) shifted[k] = in[k] ? in[k] + b * cpu_block(s, from) : NULL;
            (blocked ? rows_of(call)->pool_blocked : rows_of(call)->pool_planar)(
                &pool, shifted, dst + b * cpu_block(s, to), call->x0, call->x1);
        }
    }
    clear_margins(call, to);
    return FM_OK;
}

/* Piece `y0` of `pieces` takes its share of the blocks of every picture. */
int cpu_run_global_pool(const struct cpu_call *call)
{
    const struct backend_session *s = call->session;
    const int from = in_value(call, 0), to = call->shape->out[0], lanes = lanes_of(call, to);
    const struct plan_value *p = cpu_plan_value(s, from), *q = cpu_plan_value(s, to);
    const int first = p->blocks * call->y0 / call->pieces, end = p->blocks * (call->y0 + 1) / call->pieces;
    const bool max = call->step->u.global.max;
    const struct rows_kernels *k = rows_of(call);
    for (int n = 0; n < p->pictures; n++)
        for (int b = first; b < end; b++) {
            double total[16];
            float lane[16];
            for (int l = 0; l < lanes; l++) total[l] = 0, lane[l] = max ? -HUGE_VALF : 0;
            for (int y = 0; y < p->height; y++) {
                const float *row = cpu_row(s, from, n, y) + b * cpu_block(s, from);
                if (lanes > 1) {
                    if (max) {
                        k->max_lane(lane, row, (size_t) p->width * (size_t) lanes);
                        continue;
                    }
                    for (int l = 0; l < lanes; l++) lane[l] = 0;
                    k->sum_lane(lane, row, (size_t) p->width * (size_t) lanes);
                    for (int l = 0; l < lanes; l++) total[l] += (double) lane[l];
                } else {
                    for (int x = 0; x < p->width; x++) {
                        total[0] += (double) row[x];
                        if (row[x] > lane[0]) lane[0] = row[x];
                    }
                }
            }
            float *out = cpu_row(s, to, n, 0) + b * cpu_block(s, to);
            for (int l = 0; l < lanes; l++) out[l] = max ? lane[l] : (float) (total[l] / ((double) p->height * p->width));
            memset(out - (ptrdiff_t) q->margin_left * lanes, 0, (size_t) q->margin_left * (size_t) lanes * sizeof *out);
            memset(out + lanes, 0, (size_t) (q->pitch - q->margin_left - 1) * (size_t) lanes * sizeof *out);
        }
    return FM_OK;
}

int cpu_run_resize(const struct cpu_call *call)
{
    const struct backend_session *s = call->session;
    const int from = in_value(call, 0), to = call->shape->out[0], ny = call->step->u.resize.ny, nx = call->step->u.resize.nx;
    const bool blocked = s->program->value[to].form == FORM_BLOCKED;
    for (int y = call->y0; y < call->y1; y++) {
        const float *in[4];
        float *dst = cpu_row(s, to, call->picture, y);
        for (int b = 0; b < cpu_plan_value(s, to)->blocks; b++) {
            for (int i = 0; i < ny; i++)
                in[i] = cpu_row(s, from, call->picture, call->step->u.resize.iy[y * ny + i]) + b * cpu_block(s, from);
            (blocked ? rows_of(call)->resize_blocked : rows_of(call)->resize_planar)(in, call->step->u.resize.wy + y * ny, ny,
                call->step->u.resize.ix, call->step->u.resize.wx, nx, dst + b * cpu_block(s, to), call->x0, call->x1);
        }
    }
    clear_margins(call, to);
    return FM_OK;
}

/* The source coordinate of a padded one; -1: the constant. */
static int padded_source(int at, int size, int mode)
{
    if (at >= 0 && at < size) return at;
    if (mode == PAD_EDGE) return at < 0 ? 0 : size - 1;
    if (mode == PAD_REFLECT) return at < 0 ? -at : 2 * (size - 1) - at;
    return -1;
}

/* Columns [x0, x1) of a row that lie beside the picture; src NULL: above or below it, where there is only the constant. */
static void pad_beside(const struct cpu_call *call, const float *src, float *dst, int lanes, int width, int x0, int x1)
{
    const int mode = call->step->u.pad.mode, left = call->step->u.pad.left;
    for (int x = x0; x < x1; x++) {
        const int from = src ? padded_source(x - left, width, mode) : -1;
        for (int l = 0; l < lanes; l++)
            dst[(ptrdiff_t) x * lanes + l] = from < 0 ? call->step->u.pad.value : src[(ptrdiff_t) from * lanes + l];
    }
}

static int between(int v, int low, int high)
{
    return v < low ? low : v > high ? high : v;
}

int cpu_run_pad(const struct cpu_call *call)
{
    const struct backend_session *s = call->session;
    const int from = in_value(call, 0), to = call->shape->out[0], lanes = lanes_of(call, to);
    const struct plan_value *p = cpu_plan_value(s, from);
    const int left = call->step->u.pad.left, first = between(left, call->x0, call->x1);
    const int end = between(left + p->width, first, call->x1);
    for (int y = call->y0; y < call->y1; y++) {
        const int from_y = padded_source(y - call->step->u.pad.top, p->height, call->step->u.pad.mode);
        float *dst = cpu_row(s, to, call->picture, y);
        for (int b = 0; b < p->blocks; b++, dst += cpu_block(s, to)) {
            const float *src = from_y < 0 ? NULL : cpu_row(s, from, call->picture, from_y) + b * cpu_block(s, from);
            pad_beside(call, src, dst, lanes, p->width, call->x0, src ? first : call->x1);
            if (!src) continue;
            if (end > first)
                memcpy(dst + (ptrdiff_t) first * lanes, src + (ptrdiff_t) (first - left) * lanes,
                    (size_t) (end - first) * (size_t) lanes * sizeof *dst);
            pad_beside(call, src, dst, lanes, p->width, end, call->x1);
        }
    }
    clear_margins(call, to);
    return FM_OK;
}
