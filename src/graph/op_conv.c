/* SPDX-License-Identifier: MIT */
/* Convolution and its transpose over one to three axes. Both gather one group's input as double once, then sum taps a row at a
 * time: the innermost loop runs along x, sums are kept in double, and every output is rounded once. */
#include "core/alloc.h"
#include "graph/op_tools.h"

/* Types and channels, common to both directions. */
static int check_operands(const struct graph_node *node, const struct fm_tensor *in, struct fm_error *error)
{
    for (int k = 0; k < node->n_in; k++)
        if (op_input(node, in, k) && !op_is_float(in[k].dtype))
            return core_fail(error, FM_ERR_UNSUPPORTED, "input %d is %s, convolutions take floating point only", k,
                             fm_dtype_name(in[k].dtype));
    if (node->p.conv.group < 1)
        return core_fail(error, FM_ERR_SHAPE, "a group count of %lld is impossible", (long long) node->p.conv.group);
    return FM_OK;
}

static int check_bias(const struct graph_node *node, const struct fm_tensor *in, int64_t channels, struct fm_error *error)
{
    if (op_input(node, in, 2) && (in[2].rank != 1 || in[2].dim[0] != channels)) {
        char text[OP_SHAPE_TEXT];
        return core_fail(error, FM_ERR_SHAPE, "the bias %s does not fit %lld output channels", op_shape_text(&in[2], text),
                         (long long) channels);
    }
    return FM_OK;
}

static int check_unfused(const struct graph_node *node, struct fm_error *error)
{
    const struct op_epilogue *e = &node->p.conv.epilogue;
    if (e->act != ACT_NONE || e->shuffle > 1 || node->n_in > 3)
        return core_fail(error, FM_ERR_UNSUPPORTED, "the reference code runs no fused convolution");
    return FM_OK;
}

static double bias_of(const struct graph_node *node, const struct fm_tensor *in, int64_t channel)
{
    return op_input(node, in, 2) ? op_get_f(&in[2], channel) : 0.0;
}

/* --- forward --------------------------------------------------------------------------------------------------------------- */

static int conv_channels(const struct graph_node *node, const struct fm_tensor *x, const struct fm_tensor *w,
                         struct fm_error *error)
{
    const int64_t group = node->p.conv.group;
    char a[OP_SHAPE_TEXT], b[OP_SHAPE_TEXT];
    if (x->dim[1] % group || x->dim[1] / group != w->dim[1] || w->dim[0] % group)
        return core_fail(error, FM_ERR_SHAPE, "weights %s in %lld group(s) do not fit the input %s", op_shape_text(w, a),
                         (long long) group, op_shape_text(x, b));
    return FM_OK;
}

int op_conv_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *x = &in[0], *w = &in[1];
    struct op_window *window = &node->p.conv.window;
    int err = op_begin(node, in, out, 2, x->dtype, error);
    if (!err)
        err = check_operands(node, in, error);
    if (!err)
        err = op_window_check(window, x, w, false, error);
    if (!err)
        err = conv_channels(node, x, w, error);
    if (!err)
        err = check_bias(node, in, w->dim[0], error);
    if (err)
        return err;
    op_window_resolve(window, &x->dim[2]);
    int64_t dim[FM_MAX_RANK] = {x->dim[0], w->dim[0]};
    for (int i = 0; i < window->n; i++) {
        dim[2 + i] = op_window_output(window, i, x->dim[2 + i], false);
        if (dim[2 + i] < 0) {
            char text[OP_SHAPE_TEXT];
            return core_fail(error, FM_ERR_SHAPE, "a kernel of %lld (dilation %lld) does not fit the padded input %s on axis %d",
                             (long long) window->kernel[i], (long long) window->dilation[i], op_shape_text(x, text), i);
        }
    }
    const int64_t r = node->p.conv.epilogue.shuffle;
    if (r > 1) { /* set by a rewrite, which made sure that it divides */
        dim[1] /= r * r;
        dim[2] *= r;
        dim[3] *= r;
    }
    return op_output(&out[0], x->dtype, x->rank, dim, error);
}

/* acc[ox] += weight * row[ox * stride + offset] wherever that lies in the row. */
static void add_tap(double *acc, int64_t n_out, const double *row, int64_t n_in, double weight, int64_t stride, int64_t offset)
{
    const int64_t first = offset < 0 ? (-offset + stride - 1) / stride : 0;
    int64_t last = offset < n_in ? (n_in - 1 - offset) / stride + 1 : 0;
    if (last > n_out)
        last = n_out;
    if (stride == 1) {
        for (int64_t i = first; i < last; i++)
            acc[i] += weight * row[i + offset];
    } else {
        for (int64_t i = first; i < last; i++)
            acc[i] += weight * row[i * stride + offset];
    }
}

/* One output row (z, y) of one output channel. x [channels][in z][in y][in x], taps [channels][kernel z][kernel y][kernel x] */
static void conv_row(double *acc, const struct op_window3 *w, const double *x, const double *taps, int64_t channels, int64_t z,
                     int64_t y)
{
    for (int64_t c = 0; c < channels; c++, x += w->in_volume)
        for (int64_t kz = 0; kz < w->kernel[0]; kz++) {
            const int64_t iz = z * w->stride[0] + kz * w->dilation[0] - w->pad[0];
            if (iz < 0 || iz >= w->in[0]) {
                taps += w->kernel[1] * w->kernel[2];
                continue;
            }
            for (int64_t ky = 0; ky < w->kernel[1]; ky++, taps += w->kernel[2]) {
                const int64_t iy = y * w->stride[1] + ky * w->dilation[1] - w->pad[1];
                if (iy < 0 || iy >= w->in[1])
                    continue;
                const double *row = x + (iz * w->in[1] + iy) * w->in[2];
                for (int64_t kx = 0; kx < w->kernel[2]; kx++)
                    add_tap(acc, w->out[2], row, w->in[2], taps[kx], w->stride[2], kx * w->dilation[2] - w->pad[2]);
            }
        }
}

int op_conv_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *x = &in[0], *w = &in[1];
    int err = check_unfused(node, error);
    if (err || fm_tensor_count(&out[0]) == 0)
        return err;
    struct op_window window = node->p.conv.window;
    op_window_resolve(&window, &x->dim[2]);
    struct op_window3 w3;
    op_window3_make(&w3, &window, x, &out[0]);
    const int64_t group = node->p.conv.group, channels = w->dim[1], outs = w->dim[0] / group;
    double *source = op_scratch(channels * w3.in_volume, sizeof(double), error);
    double *taps = source ? op_scratch(channels * w3.kernel_volume, sizeof(double), error) : NULL;
    double *acc = taps ? op_scratch(w3.out[2], sizeof(double), error) : NULL;
    if (!acc)
        err = FM_ERR_NOMEM;
    for (int64_t ng = 0; !err && ng < x->dim[0] * group; ng++) { /* batch and group */
        op_load_f64(x, ng * channels * w3.in_volume, channels * w3.in_volume, source);
        for (int64_t o = 0; o < outs; o++) {
            const int64_t channel = ng % group * outs + o;
            const double bias = bias_of(node, in, channel);
            op_load_f64(w, channel * channels * w3.kernel_volume, channels * w3.kernel_volume, taps);
            for (int64_t zy = 0; zy < w3.out[0] * w3.out[1]; zy++) {
                for (int64_t i = 0; i < w3.out[2]; i++)
                    acc[i] = bias;
                conv_row(acc, &w3, source, taps, channels, zy / w3.out[1], zy % w3.out[1]);
                op_store_f64(&out[0], (ng * outs + o) * w3.out_volume + zy * w3.out[2], w3.out[2], acc);
            }
        }
    }
    core_free(acc);
    core_free(taps);
    core_free(source);
    return err;
}

/* --- transposed ------------------------------------------------------------------------------------------------------------ */

/* Half of a padding that may be negative, toward minus infinity: what an output shape adds beyond the sums lies at the end. */
static int64_t floor_half(int64_t v)
{
    return v >= 0 ? v / 2 : -((1 - v) / 2);
}

/* Fixes pads and output sizes: from output_shape when given, from auto_pad SAME (output = input * stride), else from the pads. */
static int transpose_sizes(const union op_params *p, struct op_window *window, const int64_t *in_size, int64_t *size,
                           struct fm_error *error)
{
    const bool same = window->auto_pad == AUTO_PAD_SAME_UPPER || window->auto_pad == AUTO_PAD_SAME_LOWER;
    for (int i = 0; i < window->n; i++) {
        const int64_t extra = p->conv.output_pad[i];
        if (extra < 0 || extra > INT32_MAX)
            return core_fail(error, FM_ERR_SHAPE, "an output padding of %lld on axis %d is impossible", (long long) extra, i);
        const int64_t whole = window->stride[i] * (in_size[i] - 1) + extra + window->dilation[i] * (window->kernel[i] - 1) + 1;
        if (p->conv.has_output_shape || same) {
            size[i] = p->conv.has_output_shape ? p->conv.output_shape[i] : in_size[i] * window->stride[i];
            if (size[i] < 0 || size[i] > INT64_MAX / 4)
                return core_fail(error, FM_ERR_SHAPE, "an output size of %lld on axis %d is impossible", (long long) size[i], i);
            const int64_t total = whole - size[i], half = floor_half(total);
            window->pad_begin[i] = window->auto_pad == AUTO_PAD_SAME_UPPER ? half : total - half;
            window->pad_end[i] = total - window->pad_begin[i];
        } else {
            if (window->auto_pad == AUTO_PAD_VALID)
                window->pad_begin[i] = window->pad_end[i] = 0;
            size[i] = whole - window->pad_begin[i] - window->pad_end[i];
        }
        if (in_size[i] == 0)
            size[i] = 0;
        if (size[i] < 0)
            return core_fail(error, FM_ERR_SHAPE, "the padding on axis %d is larger than the result", i);
    }
    window->auto_pad = AUTO_PAD_NOTSET;
    return FM_OK;
}

int op_conv_transpose_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *x = &in[0], *w = &in[1];
    int err = op_begin(node, in, out, 2, x->dtype, error);
    if (!err)
        err = check_operands(node, in, error);
    if (!err)
        err = op_window_check(&node->p.conv.window, x, w, true, error);
    if (err)
        return err;
    const int64_t group = node->p.conv.group;
    if (x->dim[1] != w->dim[0] || x->dim[1] % group) {
        char a[OP_SHAPE_TEXT], b[OP_SHAPE_TEXT];
        return core_fail(error, FM_ERR_SHAPE, "weights %s in %lld group(s) do not fit the input %s", op_shape_text(w, a),
                         (long long) group, op_shape_text(x, b));
    }
    int64_t dim[FM_MAX_RANK] = {x->dim[0]};
    if (!core_mul_i64(w->dim[1], group, &dim[1]))
        return core_fail(error, FM_ERR_SHAPE, "%lld groups of %lld output channels are too many", (long long) group,
                         (long long) w->dim[1]);
    err = check_bias(node, in, dim[1], error);
    if (!err)
        err = transpose_sizes(&node->p, &node->p.conv.window, &x->dim[2], &dim[2], error);
    if (!err)
        node->p.conv.has_output_shape = false; /* the pads say it now; a second look must not share them out again */
    return err ? err : op_output(&out[0], x->dtype, x->rank, dim, error);
}

/* Spreads one input channel over one output plane: plane[i * stride + k * dilation - pad] += x[i] * taps[k] on every axis. */
static void spread_channel(double *plane, const struct op_window3 *w, const double *x, const double *taps)
{
    for (int64_t iz = 0; iz < w->in[0]; iz++)
        for (int64_t kz = 0; kz < w->kernel[0]; kz++) {
            const int64_t oz = iz * w->stride[0] + kz * w->dilation[0] - w->pad[0];
            if (oz < 0 || oz >= w->out[0])
                continue;
            for (int64_t iy = 0; iy < w->in[1]; iy++)
                for (int64_t ky = 0; ky < w->kernel[1]; ky++) {
                    const int64_t oy = iy * w->stride[1] + ky * w->dilation[1] - w->pad[1];
                    if (oy < 0 || oy >= w->out[1])
                        continue;
                    double *to = plane + (oz * w->out[1] + oy) * w->out[2];
                    const double *row = x + (iz * w->in[1] + iy) * w->in[2];
                    const double *tap = taps + (kz * w->kernel[1] + ky) * w->kernel[2];
                    for (int64_t kx = 0; kx < w->kernel[2]; kx++) {
                        const int64_t offset = kx * w->dilation[2] - w->pad[2];
                        for (int64_t ix = 0; ix < w->in[2]; ix++) {
                            const int64_t ox = ix * w->stride[2] + offset;
                            if (ox >= 0 && ox < w->out[2])
                                to[ox] += row[ix] * tap[kx];
                        }
                    }
                }
        }
}

int op_conv_transpose_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *x = &in[0], *w = &in[1];
    int err = check_unfused(node, error);
    if (err || fm_tensor_count(&out[0]) == 0)
        return err;
    struct op_window window = node->p.conv.window;
    int64_t size[GRAPH_SPATIAL_MAX];
    err = transpose_sizes(&node->p, &window, &x->dim[2], size, error);
    if (err)
        return err;
    struct op_window3 w3;
    op_window3_make(&w3, &window, x, &out[0]);
    const int64_t group = node->p.conv.group, channels = x->dim[1] / group, outs = w->dim[1];
    double *source = op_scratch(channels * w3.in_volume, sizeof(double), error);
    double *taps = source ? op_scratch(w3.kernel_volume, sizeof(double), error) : NULL;
    double *plane = taps ? op_scratch(w3.out_volume, sizeof(double), error) : NULL;
    if (!plane)
        err = FM_ERR_NOMEM;
    for (int64_t ng = 0; !err && ng < x->dim[0] * group; ng++) { /* batch and group */
        op_load_f64(x, ng * channels * w3.in_volume, channels * w3.in_volume, source);
        for (int64_t o = 0; o < outs; o++) {
            const double bias = bias_of(node, in, ng % group * outs + o);
            for (int64_t i = 0; i < w3.out_volume; i++)
                plane[i] = bias;
            for (int64_t c = 0; c < channels; c++) {
                op_load_f64(w, ((ng % group * channels + c) * outs + o) * w3.kernel_volume, w3.kernel_volume, taps);
                spread_channel(plane, &w3, source + c * w3.in_volume, taps);
            }
            op_store_f64(&out[0], (ng * outs + o) * w3.out_volume, w3.out_volume, plane);
        }
    }
    core_free(plane);
    core_free(taps);
    core_free(source);
    return err;
}
