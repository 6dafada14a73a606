/* SPDX-License-Identifier: MIT */
/* Resizing any number of axes. Every mode is separable: each axis gets a table of taps (places and weights) per output position.
 * Nearest copies elements of any type by places alone; linear and cubic pass over one axis after the other in double. */
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "graph/op_tools.h"

#define SIZE_LIMIT 0x1p48f /* of one axis: exact in float, and far from overflow in the arithmetic on it */

enum { IN_X, IN_ROI, IN_SCALES, IN_SIZES };

/* One axis of the input and what becomes of it. */
struct axis {
    int64_t in, out;
    double num, den;   /* scale = num / den, kept apart so that sizes give exact positions (den 1: the file gave a scale) */
    double roi_begin, roi_end;
    bool listed;       /* among the axes that are resized */
};

/* Which entry of roi, scales and sizes belongs to each listed axis. */
static int list_axes(const struct graph_node *node, int rank, int *axes, int *n, struct fm_error *error)
{
    *n = node->p.resize.n_axes ? node->p.resize.n_axes : rank;
    if (node->p.resize.n_axes)
        return op_axes(node->p.resize.axes, node->p.resize.n_axes, rank, axes, error);
    for (int i = 0; i < rank; i++)
        axes[i] = i;
    return FM_OK;
}

static int check_list(const struct fm_tensor *t, const char *what, int64_t n, bool floats, struct fm_error *error)
{
    char text[OP_SHAPE_TEXT];
    if (floats != op_is_float(t->dtype))
        return core_fail(error, FM_ERR_FORMAT, "%s must not be of type %s", what, fm_dtype_name(t->dtype));
    if (t->rank != 1 || t->dim[0] != n)
        return core_fail(error, FM_ERR_SHAPE, "%s of shape %s must hold %lld numbers", what, op_shape_text(t, text), (long long) n);
    return FM_OK;
}

static int read_roi(const struct graph_node *node, const struct fm_tensor *in, const int *axes, int n, struct axis *axis,
                    struct fm_error *error)
{
    if (node->p.resize.coordinates != COORD_TF_CROP_AND_RESIZE)
        return FM_OK;
    if (!op_filled(node, in, IN_ROI))
        return core_fail(error, FM_ERR_SHAPE, "a crop needs a region of interest");
    int err = check_list(&in[IN_ROI], "the region of interest", 2 * (int64_t) n, true, error);
    if (err)
        return err;
    if (!op_is_known(&in[IN_ROI]))
        return FM_ERR_AGAIN;
    for (int i = 0; i < n && !err; i++) {
        struct axis *a = &axis[axes[i]];
        a->roi_begin = op_get_f(&in[IN_ROI], i);
        a->roi_end = op_get_f(&in[IN_ROI], n + i);
        if (!isfinite(a->roi_begin) || !isfinite(a->roi_end))
            err = core_fail(error, FM_ERR_SHAPE, "the region of interest is not finite");
    }
    return err;
}

static int read_scales(const struct fm_tensor *in, const int *axes, int n, struct axis *axis, struct fm_error *error)
{
    int err = check_list(&in[IN_SCALES], "scales", n, true, error);
    if (err)
        return err;
    if (!op_is_known(&in[IN_SCALES]))
        return FM_ERR_AGAIN;
    for (int i = 0; i < n; i++) {
        struct axis *a = &axis[axes[i]];
        const double scale = op_get_f(&in[IN_SCALES], i);
        if (!(scale > 0.0) || !isfinite(scale))
            return core_fail(error, FM_ERR_SHAPE, "a scale of %g is impossible", scale);
        /* float by float, as everywhere: 0.7f * 10 is 7 there, 6 in double. A region of interest does not count, whatever the
         * specification's text says: neither its own code nor any runtime multiplies by it. */
        const float size = (float) a->in * (float) scale;
        if (!(size >= 0.0f) || size > SIZE_LIMIT)
            return core_fail(error, FM_ERR_SHAPE, "%lld elements scaled by %g are too many or too few", (long long) a->in, scale);
        a->out = (int64_t) floorf(size);
        a->num = scale;
    }
    return FM_OK;
}

/* Keeps the aspect ratio where asked: one scale for all listed axes, sizes rounded half up. */
static int keep_aspect(const struct graph_node *node, const int *axes, int n, struct axis *axis, struct fm_error *error)
{
    const bool smaller = node->p.resize.aspect == ASPECT_NOT_LARGER;
    struct axis best = {0};
    for (int i = 0; i < n; i++) {
        const struct axis *a = &axis[axes[i]];
        if (a->in == 0 || a->out == 0)
            return core_fail(error, FM_ERR_SHAPE, "nothing has no aspect ratio: axis %d is empty", axes[i]);
        if (i == 0 || (smaller ? a->num * best.den < best.num * a->den : a->num * best.den > best.num * a->den))
            best = *a;
    }
    for (int i = 0; i < n; i++) {
        struct axis *a = &axis[axes[i]];
        const double size = floor((double) a->in * best.num / best.den + 0.5);
        if (size > SIZE_LIMIT)
            return core_fail(error, FM_ERR_SHAPE, "a size of %g is impossible", size);
        a->num = best.num;
        a->den = best.den;
        a->out = (int64_t) size;
    }
    return FM_OK;
}

static int read_sizes(const struct graph_node *node, const struct fm_tensor *in, const int *axes, int n, struct axis *axis,
                      struct fm_error *error)
{
    int err = check_list(&in[IN_SIZES], "sizes", n, false, error);
    if (err)
        return err;
    if (!op_is_known(&in[IN_SIZES]))
        return FM_ERR_AGAIN;
    for (int i = 0; i < n; i++) {
        struct axis *a = &axis[axes[i]];
        a->out = op_get_i(&in[IN_SIZES], i);
        if (a->out < 0 || a->out > (int64_t) SIZE_LIMIT)
            return core_fail(error, FM_ERR_SHAPE, "a size of %lld is impossible", (long long) a->out);
        if (a->in == 0 && a->out > 0)
            return core_fail(error, FM_ERR_SHAPE, "an empty axis cannot be resized to %lld", (long long) a->out);
        if (a->in && a->out) {
            a->num = (double) a->out;
            a->den = (double) a->in;
        }
    }
    if (node->p.resize.aspect != ASPECT_STRETCH)
        err = keep_aspect(node, axes, n, axis, error);
    return err;
}

/* Sizes and scales of all axes of x. FM_ERR_AGAIN when they wait for data. */
static int read_axes(const struct graph_node *node, const struct fm_tensor *in, struct axis *axis, struct fm_error *error)
{
    const struct fm_tensor *x = &in[IN_X];
    int axes[FM_MAX_RANK], n = 0;
    int err = list_axes(node, x->rank, axes, &n, error);
    if (err)
        return err;
    for (int i = 0; i < x->rank; i++)
        axis[i] = (struct axis){.in = x->dim[i], .out = x->dim[i], .num = 1.0, .den = 1.0, .roi_end = 1.0};
    for (int i = 0; i < n; i++)
        axis[axes[i]].listed = true;
    err = read_roi(node, in, axes, n, axis, error);
    if (err)
        return err;
    const bool scales = op_filled(node, in, IN_SCALES), sizes = op_filled(node, in, IN_SIZES);
    if (scales == sizes && n > 0)
        return core_fail(error, FM_ERR_SHAPE, "%s",
                         scales ? "scales and sizes are given, one is possible" : "neither scales nor sizes are given");
    return scales ? read_scales(in, axes, n, axis, error) : sizes ? read_sizes(node, in, axes, n, axis, error) : FM_OK;
}

int op_resize_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    struct axis axis[FM_MAX_RANK];
    int64_t dim[FM_MAX_RANK];
    int err = op_begin(node, in, out, 1, in[IN_X].dtype, error);
    if (!err)
        err = read_axes(node, in, axis, error);
    if (err)
        return err;
    for (int i = 0; i < in[IN_X].rank; i++)
        dim[i] = axis[i].out;
    return op_output(&out[0], in[IN_X].dtype, in[IN_X].rank, dim, error);
}

/* --- positions and weights ------------------------------------------------------------------------------------------------- */

/* Where output position o lies on the input axis. */
static double position(const struct graph_node *node, const struct axis *a, int64_t o)
{
    const double x = (double) o, in = (double) a->in, half = (x + 0.5) * a->den / a->num - 0.5;
    switch (node->p.resize.coordinates) {
    case COORD_HALF_PIXEL: return half;
    case COORD_PYTORCH_HALF_PIXEL: return a->out > 1 ? half : 0.0;
    case COORD_ASYMMETRIC: return x * a->den / a->num;
    case COORD_TF_HALF_PIXEL_FOR_NN: return (x + 0.5) * a->den / a->num;
    case COORD_ALIGN_CORNERS: { /* the resized length may have a fraction when it comes from a scale */
        const double length = in * a->num / a->den;
        return a->out > 1 && length > 1.0 ? x * (in - 1.0) / (length - 1.0) : 0.0;
    }
    case COORD_HALF_PIXEL_SYMMETRIC: { /* what a rounded-down size cuts off is cut off at both ends */
        const double kept = (double) a->out * a->den / a->num / in;
        return in / 2.0 * (1.0 - kept) + half;
    }
    case COORD_TF_CROP_AND_RESIZE:
        if (a->out > 1)
            return a->roi_begin * (in - 1.0) + x * (a->roi_end - a->roi_begin) * (in - 1.0) / (double) (a->out - 1);
        return 0.5 * (a->roi_begin + a->roi_end) * (in - 1.0);
    }
    return half;
}

/* Compared as float, which the region is: 5 * 1.2f / 3 is no further than 2. */
static bool is_outside(const struct graph_node *node, const struct axis *a, double x)
{
    return node->p.resize.coordinates == COORD_TF_CROP_AND_RESIZE && ((float) x < 0.0f || (float) x > (float) (a->in - 1));
}

static double clamp(double v, double low, double high)
{
    return v < low ? low : v > high ? high : v;
}

static double nearest(const struct graph_node *node, const struct axis *a, double x)
{
    /* A scale is a rounded float: 1.5 / 0.6f is meant to be 2.5, not 2.4999999. Sizes only leave the noise of double. */
    const double tie = nearbyint(2.0 * x) / 2.0, noise = (a->den == 1.0 ? 0x1p-22 : 0x1p-44) * fmax(1.0, fabs(x));
    if (fabs(x - tie) <= fmin(noise, 0x1p-10))
        x = tie;
    switch (node->p.resize.nearest) {
    case NEAREST_ROUND_PREFER_FLOOR: return ceil(x - 0.5);
    case NEAREST_ROUND_PREFER_CEIL: return floor(x + 0.5);
    case NEAREST_FLOOR: return floor(x);
    case NEAREST_CEIL: return ceil(x);
    }
    return floor(x);
}

/* The interpolating kernels at distance d. */
static double triangle(double d)
{
    d = fabs(d);
    return d < 1.0 ? 1.0 - d : 0.0;
}

static double cubic(double d, double a)
{
    d = fabs(d);
    if (d <= 1.0)
        return ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
    return d < 2.0 ? ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a : 0.0;
}

/* The axis' taps: output o reads input places first[o] + k (clamped to the axis) with weight[o * n + k], or nothing where
 * first[o] is OUTSIDE. */
#define OUTSIDE INT64_MIN
struct taps {
    int64_t n;
    int64_t *first; /* [out] */
    double *weight; /* [out][n] */
};

static void taps_free(struct taps *t)
{
    core_free(t->first);
    core_free(t->weight);
}

/* Weights of one output at x; zero outside the input when asked, and of sum 1 unless the kernel's own sum is. */
static void weigh(const struct graph_node *node, const struct axis *a, double x, double stretch, int64_t n, int64_t *first,
                  double *weight)
{
    const double floor_x = floor(x), base = x == floor_x ? floor_x - 1.0 : floor_x; /* x lies in (base, base + 1] */
    const int64_t start = (int64_t) base + 1 - n / 2;
    double sum = 0.0;
    for (int64_t k = 0; k < n; k++) {
        const int64_t place = start + k;
        const double d = ((double) place - x) * stretch;
        weight[k] = node->p.resize.mode == RESIZE_LINEAR ? triangle(d) : cubic(d, node->p.resize.cubic_a);
        if (node->p.resize.exclude_outside && (place < 0 || place >= a->in))
            weight[k] = 0.0;
        sum += weight[k];
    }
    *first = start;
    if ((!node->p.resize.exclude_outside && stretch == 1.0) || sum == 0.0)
        return;
    for (int64_t k = 0; k < n; k++)
        weight[k] /= sum;
}

static int make_taps(const struct graph_node *node, const struct axis *a, struct taps *t, struct fm_error *error)
{
    const double scale = a->num / a->den;
    const double stretch = node->p.resize.antialias && scale < 1.0 ? scale : 1.0; /* antialias: a kernel as wide as an output */
    const double radius = node->p.resize.mode == RESIZE_LINEAR ? 1.0 : 2.0;
    int64_t weights;
    t->first = NULL;
    t->weight = NULL;
    t->n = 2 * (int64_t) ceil(radius / stretch); /* an output exists where scale * in >= 1/2: at most a few times the input */
    if (!core_mul_i64(a->out, t->n, &weights))
        return core_fail_nomem(error, 0);
    t->first = op_scratch(a->out, sizeof(*t->first), error);
    t->weight = t->first ? op_scratch(weights, sizeof(*t->weight), error) : NULL;
    if (!t->weight)
        return FM_ERR_NOMEM;
    for (int64_t o = 0; o < a->out; o++) {
        const double x = position(node, a, o);
        if (is_outside(node, a, x)) {
            t->first[o] = OUTSIDE;
            continue;
        }
        /* far outside every tap reads the edge, wherever exactly it is */
        weigh(node, a, clamp(x, -(double) t->n, (double) (a->in + t->n)), stretch, t->n, &t->first[o], t->weight + o * t->n);
    }
    return FM_OK;
}

/* --- the passes ------------------------------------------------------------------------------------------------------------ */

/* to [outer][a->out][inner] from x [outer][a->in][inner] */
static void pass(const struct axis *a, const struct taps *t, double extrapolation, int64_t outer, int64_t inner, const double *x,
                 double *to)
{
    for (int64_t n = 0; n < outer; n++, x += a->in * inner)
        for (int64_t o = 0; o < a->out; o++, to += inner) {
            if (t->first[o] == OUTSIDE) {
                for (int64_t i = 0; i < inner; i++)
                    to[i] = extrapolation;
                continue;
            }
            for (int64_t i = 0; i < inner; i++)
                to[i] = 0.0;
            for (int64_t k = 0; k < t->n; k++) {
                const double weight = t->weight[o * t->n + k];
                const int64_t place = t->first[o] + k;
                const double *row = x + (place < 0 ? 0 : place >= a->in ? a->in - 1 : place) * inner;
                if (weight != 0.0)
                    for (int64_t i = 0; i < inner; i++)
                        to[i] += weight * row[i];
            }
        }
}

/* An axis whose pass would change nothing. */
static bool is_identity(const struct graph_node *node, const struct axis *a)
{
    return !a->listed || (a->in == a->out && a->num == a->den &&
                          (node->p.resize.coordinates != COORD_TF_CROP_AND_RESIZE || (a->roi_begin == 0.0 && a->roi_end == 1.0)));
}

static int interpolate(const struct graph_node *node, const struct axis *axis, const struct fm_tensor *x, struct fm_tensor *y,
                       struct fm_error *error)
{
    struct fm_tensor now = *x;
    double *from = op_copy_f64(x, error);
    int err = from ? FM_OK : FM_ERR_NOMEM;
    for (int i = x->rank - 1; i >= 0 && !err; i--) { /* inner axes first, whose rows lie closest */
        if (is_identity(node, &axis[i]))
            continue;
        const int64_t outer = op_span(&now, 0, i), inner = op_span(&now, i + 1, now.rank);
        struct taps taps = {0};
        double *to = NULL;
        err = make_taps(node, &axis[i], &taps, error);
        now.dim[i] = axis[i].out;
        if (!err) {
            to = op_scratch(fm_tensor_count(&now), sizeof(*to), error);
            err = to ? FM_OK : FM_ERR_NOMEM;
        }
        if (!err)
            pass(&axis[i], &taps, node->p.resize.extrapolation, outer, inner, from, to);
        taps_free(&taps);
        core_free(from);
        from = to;
    }
    const int64_t count = fm_tensor_count(y);
    for (int64_t i = 0; !err && !op_is_float(y->dtype) && i < count; i++) { /* integers truncate: 2.9999999999 is a 3 */
        const double whole = nearbyint(from[i]);
        if (fabs(from[i] - whole) <= 1e-9 * fmax(1.0, fabs(whole)))
            from[i] = whole;
    }
    if (!err)
        op_store_f64(y, 0, count, from);
    core_free(from);
    return err;
}

/* place[o]: the input place of output o, or OUTSIDE */
static int nearest_places(const struct graph_node *node, const struct axis *a, int64_t **place, struct fm_error *error)
{
    *place = op_scratch(a->out, sizeof(**place), error);
    if (!*place)
        return FM_ERR_NOMEM;
    for (int64_t o = 0; o < a->out; o++) {
        const double x = position(node, a, o);
        if (is_identity(node, a))
            (*place)[o] = o;
        else if (is_outside(node, a, x))
            (*place)[o] = OUTSIDE;
        else
            (*place)[o] = (int64_t) clamp(nearest(node, a, x), 0.0, (double) (a->in - 1));
    }
    return FM_OK;
}

static int pick_nearest(const struct graph_node *node, const struct axis *axis, const struct fm_tensor *x, struct fm_tensor *y,
                        struct fm_error *error)
{
    int64_t *place[FM_MAX_RANK] = {NULL}, stride[FM_MAX_RANK], at[FM_MAX_RANK] = {0};
    const int64_t count = fm_tensor_count(y);
    const size_t size = fm_dtype_size(x->dtype);
    int err = FM_OK;
    op_strides(x, stride);
    for (int i = 0; i < x->rank && !err; i++)
        err = nearest_places(node, &axis[i], &place[i], error);
    for (int64_t o = 0; o < count && !err; o++) {
        int64_t from = 0;
        bool outside = false;
        for (int i = 0; i < x->rank; i++) {
            const int64_t p = place[i][at[i]];
            if (p == OUTSIDE)
                outside = true;
            else
                from += p * stride[i];
        }
        if (outside)
            op_set_f(y, o, node->p.resize.extrapolation);
        else
            memcpy((char *) y->data + (size_t) o * size, (const char *) x->data + (size_t) from * size, size);
        for (int i = x->rank - 1; i >= 0 && ++at[i] == y->dim[i]; i--)
            at[i] = 0;
    }
    for (int i = 0; i < x->rank; i++)
        core_free(place[i]);
    return err;
}

int op_resize_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    struct axis axis[FM_MAX_RANK];
    if (fm_tensor_count(&out[0]) == 0)
        return FM_OK;
    const int err = read_axes(node, in, axis, error);
    if (err)
        return err;
    if (fm_tensor_count(&in[IN_X]) == 0)
        return core_fail(error, FM_ERR_SHAPE, "an empty input cannot be resized to something");
    return node->p.resize.mode == RESIZE_NEAREST ? pick_nearest(node, axis, &in[IN_X], &out[0], error)
                                                 : interpolate(node, axis, &in[IN_X], &out[0], error);
}
