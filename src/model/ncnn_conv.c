/* SPDX-License-Identifier: MIT */
/* Convolutions, transposed convolutions and pooling in one, two and three dimensions. */
#include "core/alloc.h"
#include "model/ncnn_reader.h"

#include <string.h>

enum { DEPTHWISE = 16 }; /* with the number of spatial axes: the layer has groups */

/* Parameter numbers by axis, x, y, z. */
static const struct {
    int kernel[3], dilation[3], stride[3], begin[3], end[3];
} conv_id = {{1, 11, 21}, {2, 12, 22}, {3, 13, 23}, {4, 14, 24}, {15, 16, 17}},
  pool_id = {{1, 11, 21}, {0, 0, 0}, {2, 12, 22}, {3, 13, 23}, {14, 15, 16}};

static bool positive(struct ncnn_reader *r, int64_t v, const char *what)
{
    if (v > 0) return true;
    ncnn_fail(r, FM_ERR_FORMAT, "its %s is %lld", what, (long long) v);
    return false;
}

/* Kernel, stride, dilation; axis 0 of a window is the outermost. Values for y and z default to those of x. */
static bool read_window(struct ncnn_reader *r, int n, bool pool, struct op_window *w)
{
    int64_t kernel = 0, dilation = 1, stride = 1;
    memset(w, 0, sizeof *w);
    w->n = n;
    for (int i = 0; i < n; i++) {
        const int axis = n - 1 - i;
        w->kernel[axis] = ncnn_int(r, pool ? pool_id.kernel[i] : conv_id.kernel[i], kernel);
        w->dilation[axis] = pool ? 1 : ncnn_int(r, conv_id.dilation[i], dilation);
        w->stride[axis] = ncnn_int(r, pool ? pool_id.stride[i] : conv_id.stride[i], stride);
        if (!i) {
            kernel = w->kernel[axis];
            dilation = w->dilation[axis];
            stride = w->stride[axis];
        }
    }
    return !r->code;
}

static bool check_window(struct ncnn_reader *r, const struct op_window *w)
{
    for (int i = 0; i < w->n; i++)
        if (!positive(r, w->kernel[i], "kernel size") || !positive(r, w->stride[i], "stride") ||
            !positive(r, w->dilation[i], "dilation"))
            return false;
    return true;
}

/* left; top = left; front = left; right = left; bottom = top; behind = front. One positive pad makes all of them count; otherwise
 * -233 anywhere means SAME_UPPER and -234 SAME_LOWER. */
static void read_pads(struct ncnn_reader *r, bool pool, struct op_window *w)
{
    bool any = false, upper = false, lower = false, negative = false;
    int64_t left = 0;
    for (int i = 0; i < w->n; i++) {
        const int axis = w->n - 1 - i;
        const int64_t begin = ncnn_int(r, pool ? pool_id.begin[i] : conv_id.begin[i], left);
        const int64_t end = ncnn_int(r, pool ? pool_id.end[i] : conv_id.end[i], begin);
        if (!i) left = begin;
        any |= begin > 0 || end > 0;
        upper |= begin == NCNN_OPEN || end == NCNN_OPEN;
        lower |= begin == NCNN_OPEN_LOWER || end == NCNN_OPEN_LOWER;
        negative |= begin < 0 || end < 0;
        w->pad_begin[axis] = begin;
        w->pad_end[axis] = end;
    }
    if (negative && (any || pool || !(upper || lower))) ncnn_fail(r, FM_ERR_UNSUPPORTED, "negative pads are not supported");
    if (!negative) return;
    memset(w->pad_begin, 0, sizeof w->pad_begin);
    memset(w->pad_end, 0, sizeof w->pad_end);
    w->auto_pad = upper ? AUTO_PAD_SAME_UPPER : AUTO_PAD_SAME_LOWER;
}

/* What convolutions of all kinds begin with. */
struct conv {
    union op_params p;
    int64_t n_out, group;
    int64_t in_per_group, out_per_group;
    int64_t taps; /* kernel elements */
    bool has_bias;
};

static bool read_conv(struct ncnn_reader *r, int arg, struct conv *c)
{
    const int n = arg & ~DEPTHWISE;
    memset(c, 0, sizeof *c);
    struct op_window *w = &c->p.conv.window;
    c->n_out = ncnn_int(r, 0, 0);
    c->has_bias = ncnn_int(r, 5, 0) != 0;
    c->group = arg & DEPTHWISE ? ncnn_int(r, 7, 1) : 1;
    const int64_t size = ncnn_int(r, 6, 0);
    if (ncnn_int(r, 8, 0)) ncnn_fail(r, FM_ERR_UNSUPPORTED, "int8 weights are not supported");
    if (!read_window(r, n, false, w) || !check_window(r, w)) return false;
    read_pads(r, false, w);
    if (!positive(r, c->n_out, "number of outputs") || !positive(r, c->group, "group count") || !positive(r, size, "weight count"))
        return false;

    c->taps = 1;
    int64_t per_input = 0;
    for (int i = 0; i < n; i++)
        if (!core_mul_i64(c->taps, w->kernel[i], &c->taps)) c->taps = INT64_MAX;
    if (!core_mul_i64(c->n_out, c->taps, &per_input) || size % per_input || c->n_out % c->group) {
        ncnn_fail(r, FM_ERR_FORMAT, "%lld weights do not fit %lld outputs, %lld groups and %lld kernel elements", (long long) size,
            (long long) c->n_out, (long long) c->group, (long long) c->taps);
        return false;
    }
    c->in_per_group = size / per_input;
    c->out_per_group = c->n_out / c->group;
    c->p.conv.group = c->group;
    return !r->code;
}

/* The input with `rank` dimensions. A vector counts as [c][1][1] for a 1x1 kernel (ncnn treats that as a matrix product), a matrix
 * as one channel. */
static int conv_input(struct ncnn_reader *r, const struct conv *c, struct ncnn_blob *x)
{
    const int rank = c->p.conv.window.n + 1;
    ncnn_expect_rank(r, x, rank == 3 ? 1 : rank, rank);
    if (r->code) return 0;
    if (x->rank == 1 && c->taps != 1) ncnn_fail(r, FM_ERR_UNSUPPORTED, "a vector goes with a 1x1 kernel only");
    if (x->rank == 2 && rank == 3) {
        if (c->in_per_group * c->group != 1)
            ncnn_fail(r, FM_ERR_SHAPE, "its input '%s' has no channels where the weights are for %lld", x->name,
                (long long) (c->in_per_group * c->group));
        return ncnn_unsqueeze(r, x->value, 1, &(int64_t){1});
    }
    ncnn_expect_channels(r, x, c->in_per_group * c->group);
    return ncnn_lift(r, x, rank);
}

static void conv_output(struct ncnn_reader *r, const struct conv *c, const struct ncnn_blob *x, int y)
{
    const bool vector = x->rank == 1;
    y = ncnn_activation(r, y, 9, 10);
    if (vector) y = ncnn_flat(r, y);
    struct ncnn_blob *out = ncnn_set(r, 0, y, vector ? 1 : c->p.conv.window.n + 1);
    if (!r->code) out->dim[0] = c->n_out;
}

static void read_convolution(struct ncnn_reader *r, int arg)
{
    struct conv c;
    if (!read_conv(r, arg, &c)) return;
    const struct op_window *w = &c.p.conv.window;
    const float pad_value = ncnn_float(r, 18, 0.0f);
    if (ncnn_int(r, 19, 0)) ncnn_fail(r, FM_ERR_UNSUPPORTED, "weights that come from a blob are not supported");
    if (w->n == 2) ncnn_ignore(r, 17); /* an old hint which algorithm to take */
    int x = conv_input(r, &c, r->in[0]);

    int64_t dim[2 + GRAPH_SPATIAL_MAX] = {c.n_out, c.in_per_group};
    memcpy(dim + 2, w->kernel, sizeof w->kernel);
    const int weight = ncnn_constant(r, "weight", true, 2 + w->n, dim);
    const int bias = c.has_bias ? ncnn_constant(r, "bias", false, 1, dim) : -1;

    if (pad_value != 0.0f) {
        int64_t pads[2 * (2 + GRAPH_SPATIAL_MAX)] = {0};
        if (w->auto_pad) ncnn_fail(r, FM_ERR_UNSUPPORTED, "automatic padding with a value other than 0 is not supported");
        for (int i = 0; i < w->n; i++) {
            pads[2 + i] = w->pad_begin[i];
            pads[2 + w->n + 2 + i] = w->pad_end[i];
            c.p.conv.window.pad_begin[i] = c.p.conv.window.pad_end[i] = 0;
        }
        x = NCNN_EMIT(
            r, OP_PAD, &(union op_params){.pad.mode = PAD_CONSTANT}, x, ncnn_i64s(r, 2 * (2 + w->n), pads), ncnn_f32(r, pad_value));
    }
    conv_output(
        r, &c, r->in[0], c.has_bias ? NCNN_EMIT(r, OP_CONV, &c.p, x, weight, bias) : NCNN_EMIT(r, OP_CONV, &c.p, x, weight));
}

/* ncnn has [group][out][in][taps], the graph [group][in][out][taps]; within a group only the two are exchanged. */
static int transposed_weight(struct ncnn_reader *r, const struct conv *c)
{
    int64_t dim[2 + GRAPH_SPATIAL_MAX] = {c->in_per_group * c->group, c->out_per_group};
    memcpy(dim + 2, c->p.conv.window.kernel, sizeof c->p.conv.window.kernel);
    struct ncnn_weights w;
    if (!ncnn_weights(r, c->n_out * c->in_per_group * c->taps, true, "weight", &w)) return 0;
    const size_t in = (size_t) c->in_per_group, out = (size_t) c->out_per_group;
    const size_t piece = (size_t) c->taps * fm_dtype_size(w.dtype);
    if (in > 1 && out > 1) {
        uint8_t *to = arena_array(r->graph->arena, (size_t) c->group * in * out, piece);
        if (!to) {
            ncnn_fail_nomem(r);
            return 0;
        }
        for (size_t g = 0; g < (size_t) c->group; g++)
            for (size_t o = 0; o < out; o++)
                for (size_t i = 0; i < in; i++)
                    memcpy(to + ((g * in + i) * out + o) * piece, w.data + ((g * out + o) * in + i) * piece, piece);
        w.data = to;
    }
    return ncnn_wrap(r, "weight", &w, 2 + c->p.conv.window.n, dim);
}

/* Output padding and the two ways to say how much is cut off: pads, or an output size together with SAME. */
static void read_cut(struct ncnn_reader *r, struct conv *c)
{
    struct op_window *w = &c->p.conv.window;
    const int size_id = w->n == 3 ? 25 : 20;
    int64_t extra = 0, size = 0;
    int n_sizes = 0, n_pads = 0;
    for (int i = 0; i < w->n; i++) {
        const int axis = w->n - 1 - i;
        c->p.conv.output_pad[axis] = ncnn_int(r, 18 + i, extra);
        c->p.conv.output_shape[axis] = ncnn_int(r, size_id + i, size);
        if (!i) {
            extra = c->p.conv.output_pad[axis];
            size = c->p.conv.output_shape[axis];
        }
        n_sizes += c->p.conv.output_shape[axis] > 0;
        n_pads += w->pad_begin[axis] > 0 || w->pad_end[axis] > 0;
        if (c->p.conv.output_pad[axis] < 0 || c->p.conv.output_shape[axis] < 0)
            ncnn_fail(r, FM_ERR_FORMAT, "its output padding or size is negative");
    }
    if (!n_pads && n_sizes == w->n) {
        if (!w->auto_pad) ncnn_fail(r, FM_ERR_UNSUPPORTED, "an output size without SAME padding is not supported");
        c->p.conv.has_output_shape = true;
    } else { /* without a size SAME cuts nothing */
        memset(c->p.conv.output_shape, 0, sizeof c->p.conv.output_shape);
        w->auto_pad = AUTO_PAD_NOTSET;
    }
}

static void read_deconvolution(struct ncnn_reader *r, int arg)
{
    struct conv c;
    if (!read_conv(r, arg, &c)) return;
    read_cut(r, &c);
    if (ncnn_int(r, 28, 0)) ncnn_fail(r, FM_ERR_UNSUPPORTED, "weights that come from a blob are not supported");
    const int x = conv_input(r, &c, r->in[0]);
    const int weight = transposed_weight(r, &c);
    const int bias = c.has_bias ? ncnn_constant(r, "bias", false, 1, &c.n_out) : -1;
    conv_output(r, &c, r->in[0],
        c.has_bias ? NCNN_EMIT(r, OP_CONV_TRANSPOSE, &c.p, x, weight, bias) : NCNN_EMIT(r, OP_CONV_TRANSPOSE, &c.p, x, weight));
}

static void read_pooling(struct ncnn_reader *r, int n)
{
    static const int size_id[3] = {8, 18, 28};
    enum { FULL, VALID, SAME_UPPER, SAME_LOWER };
    const struct ncnn_blob *x = r->in[0];
    union op_params p = {.pool = {.ceil_mode = false}};
    const int64_t type = ncnn_int(r, 0, 0), global = ncnn_int(r, 4, 0), mode = ncnn_int(r, 5, 0), adaptive = ncnn_int(r, 7, 0);
    p.pool.count_include_pad = ncnn_int(r, 6, 0) != 0;
    bool to_one = true;
    int64_t size = 0;
    for (int i = 0; i < n; i++) {
        const int64_t s = ncnn_int(r, size_id[i], size);
        if (!i) size = s;
        to_one &= s == 1;
    }
    if (!read_window(r, n, true, &p.pool.window)) return;
    read_pads(r, true, &p.pool.window);
    if (type != 0 && type != 1) ncnn_fail(r, FM_ERR_UNSUPPORTED, "pooling type %lld is not supported", (long long) type);
    if (mode < FULL || mode > SAME_LOWER) ncnn_fail(r, FM_ERR_UNSUPPORTED, "pad mode %lld is not supported", (long long) mode);
    if (!ncnn_expect_rank(r, x, n + 1, n + 1)) return;

    if (global || adaptive) {
        if (!global && !to_one) {
            ncnn_fail(r, FM_ERR_UNSUPPORTED, "adaptive pooling to more than one element is not supported");
            return;
        }
        int y = NCNN_EMIT(r, type ? OP_GLOBAL_AVERAGE_POOL : OP_GLOBAL_MAX_POOL, NULL, x->value);
        if (global) y = ncnn_flat(r, y);
        struct ncnn_blob *out = ncnn_set(r, 0, y, global ? 1 : n + 1);
        if (r->code) return;
        out->dim[0] = x->dim[0];
        out->input = x->input;
        out->factor = x->factor;
        for (int i = 1; i < out->rank; i++) out->dim[i] = 1;
        return;
    }
    if (!check_window(r, &p.pool.window)) return;
    if (mode == FULL) {
        p.pool.ceil_mode = p.pool.ncnn_full = true;
    } else if (mode != VALID) {
        /* The pads of the file are not used, and ncnn, which knows padding by them, counts the padded zeros of an average. */
        p.pool.window.auto_pad = mode == SAME_UPPER ? AUTO_PAD_SAME_UPPER : AUTO_PAD_SAME_LOWER;
        for (int i = 0; i < n; i++)
            if (p.pool.window.pad_begin[i] || p.pool.window.pad_end[i]) {
                if (type) ncnn_fail(r, FM_ERR_UNSUPPORTED, "pads together with automatic padding are not supported");
                p.pool.window.pad_begin[i] = p.pool.window.pad_end[i] = 0;
            }
        p.pool.count_include_pad = true;
    }
    struct ncnn_blob *out = ncnn_set(r, 0, NCNN_EMIT(r, type ? OP_AVERAGE_POOL : OP_MAX_POOL, &p, x->value), n + 1);
    if (r->code) return;
    out->dim[0] = x->dim[0];
    out->input = x->input;
    out->factor = x->factor;
}

const struct ncnn_type ncnn_types_conv[] = {
    {"Convolution", read_convolution, 2, 1, 1, 1, 1},
    {"ConvolutionDepthWise", read_convolution, 2 | DEPTHWISE, 1, 1, 1, 1},
    {"Convolution1D", read_convolution, 1, 1, 1, 1, 1},
    {"ConvolutionDepthWise1D", read_convolution, 1 | DEPTHWISE, 1, 1, 1, 1},
    {"Convolution3D", read_convolution, 3, 1, 1, 1, 1},
    {"ConvolutionDepthWise3D", read_convolution, 3 | DEPTHWISE, 1, 1, 1, 1},
    {"Deconvolution", read_deconvolution, 2, 1, 1, 1, 1},
    {"DeconvolutionDepthWise", read_deconvolution, 2 | DEPTHWISE, 1, 1, 1, 1},
    {"Deconvolution1D", read_deconvolution, 1, 1, 1, 1, 1},
    {"DeconvolutionDepthWise1D", read_deconvolution, 1 | DEPTHWISE, 1, 1, 1, 1},
    {"Deconvolution3D", read_deconvolution, 3, 1, 1, 1, 1},
    {"DeconvolutionDepthWise3D", read_deconvolution, 3 | DEPTHWISE, 1, 1, 1, 1},
    {"Pooling", read_pooling, 2, 1, 1, 1, 1},
    {"Pooling1D", read_pooling, 1, 1, 1, 1, 1},
    {"Pooling3D", read_pooling, 3, 1, 1, 1, 1},
    {0},
};
