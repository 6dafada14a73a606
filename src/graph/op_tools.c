/* SPDX-License-Identifier: MIT */
#include "graph/op_tools.h"

#include <string.h>

#include "core/alloc.h"

#define WINDOW_LIMIT ((int64_t) 1 << 30)

bool op_filled(const struct graph_node *node, const struct fm_tensor *in, int k)
{
    return op_input(node, in, k) && fm_tensor_count(&in[k]) != 0;
}

int64_t op_span(const struct fm_tensor *t, int first, int last)
{
    int64_t n = 1;
    for (int i = first; i < last; i++)
        n *= t->dim[i];
    return n;
}

void op_load_f64(const struct fm_tensor *t, int64_t first, int64_t count, double *to)
{
    if (count <= 0)
        return;
    if (t->dtype == FM_F32) {
        const char *from = (const char *) t->data + first * (int64_t) sizeof(float);
        for (int64_t i = 0; i < count; i++) {
            float f;
            memcpy(&f, from + i * (int64_t) sizeof f, sizeof f);
            to[i] = f;
        }
    } else if (t->dtype == FM_F64) {
        memcpy(to, (const char *) t->data + first * (int64_t) sizeof(double), (size_t) count * sizeof(double));
    } else {
        for (int64_t i = 0; i < count; i++)
            to[i] = op_get_f(t, first + i);
    }
}

void op_store_f64(struct fm_tensor *t, int64_t first, int64_t count, const double *from)
{
    if (count <= 0)
        return;
    if (t->dtype == FM_F32) {
        char *to = (char *) t->data + first * (int64_t) sizeof(float);
        for (int64_t i = 0; i < count; i++) {
            const float f = (float) from[i];
            memcpy(to + i * (int64_t) sizeof f, &f, sizeof f);
        }
    } else if (t->dtype == FM_F64) {
        memcpy((char *) t->data + first * (int64_t) sizeof(double), from, (size_t) count * sizeof(double));
    } else {
        for (int64_t i = 0; i < count; i++)
            op_set_f(t, first + i, from[i]);
    }
}

void *op_scratch(int64_t count, size_t size, struct fm_error *error)
{
    size_t bytes;
    if (count < 0 || (uint64_t) count > SIZE_MAX || !core_mul_size((size_t) count, size, &bytes)) {
        core_fail_nomem(error, 0);
        return NULL;
    }
    void *memory = core_alloc(bytes ? bytes : size);
    if (!memory)
        core_fail_nomem(error, bytes ? bytes : size);
    return memory;
}

double *op_copy_f64(const struct fm_tensor *t, struct fm_error *error)
{
    const int64_t count = fm_tensor_count(t);
    double *copy = op_scratch(count, sizeof(*copy), error);
    if (copy)
        op_load_f64(t, 0, count, copy);
    return copy;
}

static bool in_limits(int64_t value, int64_t least)
{
    return value >= least && value < WINDOW_LIMIT;
}

int op_window_check(struct op_window *window, const struct fm_tensor *x, const struct fm_tensor *weights, bool crop_allowed,
                    struct fm_error *error)
{
    char text[OP_SHAPE_TEXT];
    if (x->rank < 3 || x->rank > 2 + GRAPH_SPATIAL_MAX)
        return core_fail(error, FM_ERR_SHAPE, "the input %s must have a batch, a channel and 1 to %d spatial dimensions",
                         op_shape_text(x, text), GRAPH_SPATIAL_MAX);
    if (weights && weights->rank != x->rank)
        return core_fail(error, FM_ERR_SHAPE, "the weights have %d dimensions, the input has %d", weights->rank, x->rank);
    if (window->n == 0) { /* nothing was said in the file */
        window->n = x->rank - 2;
        for (int i = 0; i < window->n; i++) {
            if (window->stride[i] == 0)
                window->stride[i] = 1;
            if (window->dilation[i] == 0)
                window->dilation[i] = 1;
        }
    }
    if (window->n != x->rank - 2)
        return core_fail(error, FM_ERR_SHAPE, "a window over %d axes does not fit the input %s", window->n, op_shape_text(x, text));
    int64_t area = 1, taps = 1; /* a dimension of 0 elsewhere must not hide an overflow here */
    for (int i = 0; i < window->n; i++) {
        if (weights) {
            if (window->kernel[i] == 0)
                window->kernel[i] = weights->dim[2 + i];
            if (window->kernel[i] != weights->dim[2 + i])
                return core_fail(error, FM_ERR_SHAPE, "a kernel of %lld on axis %d does not fit the weights %s",
                                 (long long) window->kernel[i], i, op_shape_text(weights, text));
        }
        if (!in_limits(window->kernel[i], 1) || !in_limits(window->stride[i], 1) || !in_limits(window->dilation[i], 1))
            return core_fail(error, FM_ERR_SHAPE, "kernel %lld, stride %lld or dilation %lld on axis %d is impossible",
                             (long long) window->kernel[i], (long long) window->stride[i], (long long) window->dilation[i], i);
        const int64_t least = crop_allowed ? 1 - WINDOW_LIMIT : 0;
        if (!in_limits(window->pad_begin[i], least) || !in_limits(window->pad_end[i], least))
            return core_fail(error, FM_ERR_SHAPE, "padding by %lld and %lld on axis %d is impossible",
                             (long long) window->pad_begin[i], (long long) window->pad_end[i], i);
        if (!in_limits(x->dim[2 + i], 0) || !core_mul_i64(area, x->dim[2 + i], &area) ||
            !core_mul_i64(taps, window->kernel[i], &taps))
            return core_fail(error, FM_ERR_SHAPE, "the input %s or its window is too large", op_shape_text(x, text));
    }
    return FM_OK;
}

void op_window3_make(struct op_window3 *w, const struct op_window *window, const struct fm_tensor *x, const struct fm_tensor *y)
{
    const int skip = 3 - window->n;
    w->in_volume = w->out_volume = w->kernel_volume = 1;
    for (int i = 0; i < 3; i++) {
        const int k = i - skip;
        w->in[i] = k < 0 ? 1 : x->dim[2 + k];
        w->out[i] = k < 0 ? 1 : y->dim[2 + k];
        w->kernel[i] = k < 0 ? 1 : window->kernel[k];
        w->stride[i] = k < 0 ? 1 : window->stride[k];
        w->dilation[i] = k < 0 ? 1 : window->dilation[k];
        w->pad[i] = k < 0 ? 0 : window->pad_begin[k];
        w->pad_end[i] = k < 0 ? 0 : window->pad_end[k];
        w->in_volume *= w->in[i];
        w->out_volume *= w->out[i];
        w->kernel_volume *= w->kernel[i];
    }
}
