/* SPDX-License-Identifier: MIT */
/* Rules: convolutions and pools. */
#include <inttypes.h>

#include "model/onnx_import.h"

/* Sizes that are beyond any picture; below it, sums and products of two fit 64 bits. */
#define WINDOW_MAX INT32_MAX

static void check_list(struct onnx_op *op, const char *name, int n, const int64_t *list, int want, int64_t min)
{
    if (n != want)
        onnx_refuse(op, FM_ERR_FORMAT, "attribute \"%s\" has %d entries, must have %d", name, n, want);
    for (int i = 0; i < n && !op->rc; i++)
        if (list[i] < min || list[i] > WINDOW_MAX)
            onnx_refuse(op, FM_ERR_FORMAT, "attribute \"%s\" has entry %" PRId64 ", must be %" PRId64 " to %d", name, list[i], min,
                        WINDOW_MAX);
}

/* How many spatial axes: every list says it, and so do the ranks of weights and input. */
static int spatial_axes(struct onnx_op *op, int weights)
{
    static const char *const names[] = { "kernel_shape", "strides", "dilations", "output_padding", "output_shape" };
    const int64_t *list;
    for (int i = 0; i < 5; i++)
        if (onnx_has(op, names[i]))
            return onnx_ints(op, names[i], &list);
    if (onnx_has(op, "pads"))
        return onnx_ints(op, "pads", &list) / 2;
    if (onnx_value(op, weights)->rank >= 0)
        return onnx_value(op, weights)->rank - 2;
    return onnx_value(op, op->in[0])->rank >= 0 ? onnx_value(op, op->in[0])->rank - 2 : 0;
}

static void read_list(struct onnx_op *op, const char *name, int n, int64_t min, int64_t *to)
{
    const int64_t *list = NULL;
    const int found = onnx_ints(op, name, &list);
    if (found < 0)
        return;
    check_list(op, name, found, list, n, min);
    for (int i = 0; i < n && !op->rc; i++)
        to[i] = list[i];
}

void onnx_window(struct onnx_op *op, int weights, bool may_crop, struct op_window *window)
{
    static const char *const auto_pads[] = { "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", NULL };
    const int n = spatial_axes(op, weights);
    *window = (struct op_window){ .n = n };
    if (n < 0 || n > GRAPH_SPATIAL_MAX)
        onnx_refuse(op, FM_ERR_UNSUPPORTED, "has %d spatial dimensions, supported are 1 to %d", n, GRAPH_SPATIAL_MAX);
    if (op->rc)
        return;
    const struct graph_value *w = onnx_value(op, weights);
    for (int i = 0; i < n; i++) {
        window->stride[i] = window->dilation[i] = 1;
        window->kernel[i] = w->rank == n + 2 && w->dim[i + 2] > 0 ? w->dim[i + 2] : 0;
    }
    read_list(op, "kernel_shape", n, 1, window->kernel);
    read_list(op, "strides", n, 1, window->stride);
    read_list(op, "dilations", n, 1, window->dilation);
    int64_t pads[2 * GRAPH_SPATIAL_MAX] = { 0 };
    read_list(op, "pads", 2 * n, may_crop ? -WINDOW_MAX : 0, pads);
    window->auto_pad = (enum op_auto_pad) onnx_choice(op, "auto_pad", "NOTSET", auto_pads);
    for (int i = 0; i < n && window->auto_pad == AUTO_PAD_NOTSET; i++) {
        window->pad_begin[i] = pads[i];
        window->pad_end[i] = pads[n + i];
    }
}

void onnx_conv_params(struct onnx_op *op, union op_params *params)
{
    onnx_window(op, op->n_in > 1 ? op->in[1] : -1, false, &params->conv.window);
    params->conv.group = onnx_int_in(op, "group", 1, 1, WINDOW_MAX);
}

static void lower_conv(struct onnx_op *op)
{
    if (onnx_arity(op, 2, 3))
        onnx_conv_params(op, onnx_emit(op, OP_CONV, op->n_in, op->in));
}

static void lower_conv_transpose(struct onnx_op *op)
{
    if (!onnx_arity(op, 2, 3))
        return;
    union op_params *p = onnx_emit(op, OP_CONV_TRANSPOSE, op->n_in, op->in);
    onnx_window(op, op->in[1], true, &p->conv.window);
    const int n = p->conv.window.n;
    p->conv.group = onnx_int_in(op, "group", 1, 1, WINDOW_MAX);
    p->conv.has_output_shape = onnx_has(op, "output_shape");
    if (!op->rc) {
        read_list(op, "output_padding", n, 0, p->conv.output_pad);
        read_list(op, "output_shape", n, 0, p->conv.output_shape);
    }
}

static void lower_pool(struct onnx_op *op)
{
    if (!onnx_arity(op, 1, 1))
        return;
    if (!onnx_has(op, "kernel_shape"))
        onnx_refuse(op, FM_ERR_FORMAT, "attribute \"kernel_shape\" is missing");
    union op_params *p = onnx_emit(op, op->rule->kind, op->n_in, op->in);
    onnx_window(op, -1, false, &p->pool.window);
    p->pool.ceil_mode = onnx_flag(op, "ceil_mode", false);
    if (op->rule->kind == OP_AVERAGE_POOL)
        p->pool.count_include_pad = onnx_flag(op, "count_include_pad", false);
    else
        p->pool.column_major = onnx_flag(op, "storage_order", false);
}

static void lower_global_pool(struct onnx_op *op)
{
    onnx_emit(op, op->rule->kind, op->n_in, op->in);
}

const struct onnx_rule onnx_rules_window[] = {
    { "Conv", OP_CONV, lower_conv }, { "ConvTranspose", OP_CONV_TRANSPOSE, lower_conv_transpose },
    { "MaxPool", OP_MAX_POOL, lower_pool }, { "AveragePool", OP_AVERAGE_POOL, lower_pool },
    { "GlobalAveragePool", OP_GLOBAL_AVERAGE_POOL, lower_global_pool }, { "GlobalMaxPool", OP_GLOBAL_MAX_POOL, lower_global_pool },
    { NULL, OP_COUNT, NULL },
};
