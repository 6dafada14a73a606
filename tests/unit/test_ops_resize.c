/* SPDX-License-Identifier: MIT */
/* Resize: every mode against values worked out by hand, and against the kernels' formulas evaluated point by point. */
#include "op_trial.h"

enum { ROI = 1, SCALES, SIZES };

static struct op_trial resize_trial(enum op_resize_mode mode, enum op_coordinates coordinates)
{
    struct op_trial t = op_trial(OP_RESIZE, 4, 1);
    t.node.p.resize.mode = mode;
    t.node.p.resize.coordinates = coordinates;
    t.node.p.resize.cubic_a = -0.75f;
    return t;
}

/* One axis of `in` elements 1, 2, 3 ... resized by a scale. */
static struct op_trial scale_line(enum op_resize_mode mode, enum op_coordinates coordinates, int64_t in, float scale)
{
    struct op_trial t = resize_trial(mode, coordinates);
    trial_f32(&t, 0, 1, &in, NULL);
    trial_f32(&t, SCALES, DIMS(1), &scale);
    return t;
}

/* The same, to a size. */
static struct op_trial size_line(enum op_resize_mode mode, enum op_coordinates coordinates, int64_t in, int64_t out)
{
    struct op_trial t = resize_trial(mode, coordinates);
    trial_f32(&t, 0, 1, &in, NULL);
    trial_i64(&t, SIZES, DIMS(1), &out);
    return t;
}

#define CHECK_LINE(trial, n, ...) do { \
        struct op_trial t_ = trial; \
        if (CHECK_INT(trial_run(&t_), FM_OK)) \
            CHECK_OUTPUT(&t_, 0, 1e-5, DIMS(n), __VA_ARGS__); \
        trial_free(&t_); \
    } while (0)

static void linear_coordinates(void)
{
    const enum op_resize_mode m = RESIZE_LINEAR;
    CHECK_LINE(scale_line(m, COORD_HALF_PIXEL, 2, 2), 4, 1, 1.25, 1.75, 2);
    CHECK_LINE(scale_line(m, COORD_ASYMMETRIC, 2, 2), 4, 1, 1.5, 2, 2);
    CHECK_LINE(scale_line(m, COORD_ALIGN_CORNERS, 2, 2), 4, 1, 4 / 3.0, 5 / 3.0, 2);
    CHECK_LINE(scale_line(m, COORD_ALIGN_CORNERS, 4, 0.6f), 2, 1, 1 + 3 / 1.4); /* the length is 2.4 */
    CHECK_LINE(scale_line(m, COORD_PYTORCH_HALF_PIXEL, 2, 2), 4, 1, 1.25, 1.75, 2);
    CHECK_LINE(size_line(m, COORD_PYTORCH_HALF_PIXEL, 4, 1), 1, 1); /* half pixel would give the middle: */
    CHECK_LINE(size_line(m, COORD_HALF_PIXEL, 4, 1), 1, 2.5);
    CHECK_LINE(size_line(m, COORD_ALIGN_CORNERS, 4, 1), 1, 1);
    CHECK_LINE(scale_line(m, COORD_TF_HALF_PIXEL_FOR_NN, 2, 2), 4, 1.25, 1.75, 2, 2);
    /* 4 * 0.6 = 2.4 cut to 2: the missing 0.4 / 0.6 of an input is left out at both ends: 1/3 + (o + 0.5) / 0.6 - 0.5 */
    CHECK_LINE(scale_line(m, COORD_HALF_PIXEL_SYMMETRIC, 4, 0.6f), 2, 1 + 2 / 3.0, 1 + 1 / 3.0 + 2);
    CHECK_LINE(scale_line(m, COORD_HALF_PIXEL, 4, 0.6f), 2, 1 + 1 / 3.0, 3);
}

static void nearest_modes(void)
{
    /* 4 -> 8, asymmetric: positions 0, 0.5, 1, 1.5 ... */
    const double want[4][8] = {{1, 1, 2, 2, 3, 3, 4, 4}, {1, 2, 2, 3, 3, 4, 4, 4},
                               {1, 1, 2, 2, 3, 3, 4, 4}, {1, 2, 2, 3, 3, 4, 4, 4}};
    for (int mode = NEAREST_ROUND_PREFER_FLOOR; mode <= NEAREST_CEIL; mode++) {
        struct op_trial t = scale_line(RESIZE_NEAREST, COORD_ASYMMETRIC, 4, 2);
        t.node.p.resize.nearest = (enum op_nearest) mode;
        if (CHECK_INT(trial_run(&t), FM_OK))
            trial_check(&t, 0, 0, DIMS(8), want[mode], 8, __FILE__, __LINE__);
        trial_free(&t);
    }
    /* 4 -> 6, half pixel: -1/6, 1/2, 7/6, 11/6, 5/2, 19/6 */
    const double half[4][6] = {{1, 1, 2, 3, 3, 4}, {1, 2, 2, 3, 4, 4}, {1, 1, 2, 2, 3, 4}, {1, 2, 3, 3, 4, 4}};
    for (int mode = NEAREST_ROUND_PREFER_FLOOR; mode <= NEAREST_CEIL; mode++) {
        struct op_trial t = size_line(RESIZE_NEAREST, COORD_HALF_PIXEL, 4, 6);
        t.node.p.resize.nearest = (enum op_nearest) mode;
        if (CHECK_INT(trial_run(&t), FM_OK))
            trial_check(&t, 0, 0, DIMS(6), half[mode], 6, __FILE__, __LINE__);
        trial_free(&t);
    }
    struct op_trial rounded = scale_line(RESIZE_NEAREST, COORD_PYTORCH_HALF_PIXEL, 5, 0.6f); /* 1/3, 2, 11/3: 0.6f is above 0.6 */
    rounded.node.p.resize.nearest = NEAREST_FLOOR;
    CHECK_LINE(rounded, 3, 1, 3, 4);
    CHECK_LINE(size_line(RESIZE_NEAREST, COORD_TF_HALF_PIXEL_FOR_NN, 4, 2), 2, 2, 4); /* 1 and 3 */
    struct op_trial t = size_line(RESIZE_NEAREST, COORD_ASYMMETRIC, 3, 6);
    trial_i64(&t, 0, DIMS(3), (int64_t[]){INT64_MAX, INT64_MIN, INT64_MAX - 1}); /* not through floating point */
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK(op_get_i(&t.out[0], 1) == INT64_MAX && op_get_i(&t.out[0], 5) == INT64_MAX - 1);
    trial_free(&t);
}

/* floor(position) must not slip where position is a whole number: o * in / out for all sizes. */
static void nearest_is_exact(void)
{
    for (int64_t in = 1; in <= 40; in++)
        for (int64_t out = 1; out <= 40; out++) {
            struct op_trial t = size_line(RESIZE_NEAREST, COORD_ASYMMETRIC, in, out);
            t.node.p.resize.nearest = NEAREST_FLOOR;
            if (CHECK_INT(trial_run(&t), FM_OK))
                for (int64_t o = 0; o < out; o++)
                    CHECK_INT((int64_t) op_get_f(&t.out[0], o), 1 + o * in / out);
            trial_free(&t);
        }
}

static double cubic_kernel(double d, double a)
{
    d = fabs(d);
    if (d < 1)
        return (a + 2) * d * d * d - (a + 3) * d * d + 1;
    return d < 2 ? a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a : 0;
}

static double line_kernel(double d, double a)
{
    (void) a;
    return fabs(d) < 1 ? 1 - fabs(d) : 0;
}

/* Sum over all places from far left to far right, edges repeated, kernel widened when shrinking with antialias. */
static double point(const struct op_trial *t, double x, double scale, double (*kernel)(double, double))
{
    const int64_t in = t->in[0].dim[0];
    const double widen = t->node.p.resize.antialias && scale < 1 ? scale : 1;
    double sum = 0, weights = 0;
    for (int64_t i = -8 * in; i < 9 * in; i++) {
        double w = kernel(((double) i - x) * widen, t->node.p.resize.cubic_a);
        if (t->node.p.resize.exclude_outside && (i < 0 || i >= in))
            w = 0;
        sum += w * op_get_f(&t->in[0], i < 0 ? 0 : i >= in ? in - 1 : i);
        weights += w;
    }
    return sum / weights;
}

static void kernels_by_formula(void)
{
    for (int round = 0; round < 400; round++) {
        const int64_t in = 2 + round % 9, out = 1 + round / 3 % 17;
        const bool cubic = round % 2;
        struct op_trial t = size_line(cubic ? RESIZE_CUBIC : RESIZE_LINEAR, COORD_HALF_PIXEL, in, out);
        t.node.p.resize.antialias = round / 2 % 2;
        t.node.p.resize.exclude_outside = round / 4 % 2;
        t.node.p.resize.cubic_a = round / 8 % 2 ? -0.5f : -0.75f;
        trial_random(&t, 0, 1, &in);
        if (!CHECK_INT(trial_run(&t), FM_OK))
            CHECK_STR(t.error.message, "");
        for (int64_t o = 0; o < out; o++) {
            const double scale = (double) out / (double) in, x = ((double) o + 0.5) / scale - 0.5;
            const double want = point(&t, x, scale, cubic ? cubic_kernel : line_kernel), got = op_get_f(&t.out[0], o);
            CHECK_MSG(fabs(got - want) < 1e-5, "round %d, %d -> %d at %d: %g is not %g", round, (int) in, (int) out, (int) o,
                      got, want);
        }
        trial_free(&t);
    }
}

static void cubic_by_hand(void)
{
    /* at 1/4 with a = -0.75: -0.10546875, 0.87890625, 0.26171875, -0.03515625 */
    struct op_trial t = scale_line(RESIZE_CUBIC, COORD_HALF_PIXEL, 4, 2);
    trial_f32(&t, 0, DIMS(4), (float[]){0, 64, 0, 0});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 1e-6, DIMS(8), -6.75 + 0, 16.75, 56.25, 56.25, 16.75, -6.75, -2.25, 0);
    trial_free(&t);
}

static void two_axes(void)
{
    struct op_trial t = resize_trial(RESIZE_LINEAR, COORD_HALF_PIXEL);
    trial_f32(&t, 0, DIMS(1, 1, 2, 2), NULL);
    trial_f32(&t, SCALES, DIMS(4), (float[]){1, 1, 2, 2});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 1e-6, DIMS(1, 1, 4, 4), 1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4);
    CHECK_NOMEM(&t);
    t.node.p.resize.mode = RESIZE_NEAREST;
    CHECK_NOMEM(&t);
    t.node.p.resize.n_axes = 1;
    t.node.p.resize.axes[0] = -1;
    trial_f32(&t, SCALES, DIMS(1), (float[]){1.5f});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(1, 1, 2, 3), 1, 1, 2, 3, 3, 4); /* -1/6, 1/2, 7/6 */
    t.node.p.resize.n_axes = 2;
    t.node.p.resize.axes[0] = 3;
    t.node.p.resize.axes[1] = 2;
    trial_f32(&t, SCALES, DIMS(2), (float[]){0.5f, 2});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(1, 1, 4, 1), 1, 1, 3, 3);
    t.node.p.resize.axes[1] = -1; /* the same axis again */
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    t.node.p.resize.axes[1] = 4;
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_free(&t);
}

static void aspect(void)
{
    struct op_trial t = resize_trial(RESIZE_NEAREST, COORD_HALF_PIXEL);
    t.node.p.resize.n_axes = 2;
    t.node.p.resize.axes[0] = 2;
    t.node.p.resize.axes[1] = 3;
    t.node.p.resize.aspect = ASPECT_NOT_LARGER;
    trial_f32(&t, 0, DIMS(1, 1, 2, 4), NULL);
    trial_i64(&t, SIZES, DIMS(2), (int64_t[]){7, 6}); /* 3.5 and 1.5: all by 1.5 */
    if (CHECK_INT(trial_shape(&t), FM_OK))
        CHECK(t.out[0].dim[2] == 3 && t.out[0].dim[3] == 6);
    t.node.p.resize.aspect = ASPECT_NOT_SMALLER;
    if (CHECK_INT(trial_shape(&t), FM_OK))
        CHECK(t.out[0].dim[2] == 7 && t.out[0].dim[3] == 14);
    trial_i64(&t, SIZES, DIMS(2), (int64_t[]){1, 3}); /* 0.5 and 0.75: 1.5 is rounded up */
    if (CHECK_INT(trial_run(&t), FM_OK)) /* rows (o + 0.5) / 0.75 - 0.5: 1/6, 3/2; columns 1/6, 3/2, 17/6 */
        CHECK_OUTPUT(&t, 0, 0, DIMS(1, 1, 2, 3), 1, 2, 4, 5, 6, 8);
    trial_i64(&t, SIZES, DIMS(2), (int64_t[]){0, 3});
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_free(&t);
}

static void crop(void)
{
    struct op_trial t = size_line(RESIZE_LINEAR, COORD_TF_CROP_AND_RESIZE, 5, 3);
    t.node.p.resize.extrapolation = -7;
    trial_f32(&t, ROI, DIMS(2), (float[]){0.25f, 0.5f}); /* places 1 to 2 */
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 1e-6, DIMS(3), 2, 2.5, 3);
    trial_f32(&t, ROI, DIMS(2), (float[]){0.5f, 1.5f}); /* 2, 4, 6 */
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 1e-6, DIMS(3), 3, 5, -7);
    t.node.p.resize.mode = RESIZE_NEAREST;
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 1e-6, DIMS(3), 3, 5, -7);
    trial_i64(&t, SIZES, DIMS(1), (int64_t[]){1}); /* the middle: 4 */
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 1e-6, DIMS(1), 5);
    trial_i64(&t, SIZES, DIMS(0), NULL);
    trial_f32(&t, SCALES, DIMS(1), (float[]){2});
    trial_f32(&t, ROI, DIMS(2), (float[]){0, 0.5f});
    if (CHECK_INT(trial_run(&t), FM_OK)) /* ten places from 0 to 2, 2/9 apart */
        CHECK_OUTPUT(&t, 0, 1e-6, DIMS(10), 1, 1, 1, 2, 2, 2, 2, 3, 3, 3);
    trial_f32(&t, ROI, DIMS(2), (float[]){0, INFINITY});
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_f32(&t, ROI, DIMS(1), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    core_free(t.in[ROI].data);
    t.in[ROI] = (struct fm_tensor){.dtype = FM_DTYPE_NONE};
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_free(&t);
}

static void crop_two_axes(void)
{
    struct op_trial t = resize_trial(RESIZE_LINEAR, COORD_TF_CROP_AND_RESIZE);
    t.node.p.resize.extrapolation = 10;
    trial_f32(&t, 0, DIMS(2, 2), NULL); /* 1 2 / 3 4 */
    trial_f32(&t, ROI, DIMS(4), (float[]){0, 0, 1, 2}); /* columns 0, 1, 2: the last is outside */
    trial_i64(&t, SIZES, DIMS(2), (int64_t[]){3, 3});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 1e-6, DIMS(3, 3), 1, 2, 10, 2, 3, 10, 3, 4, 10);
    trial_free(&t);
}

static void integers(void)
{
    struct op_trial t = size_line(RESIZE_LINEAR, COORD_HALF_PIXEL, 3, 9);
    trial_set(&t, 0, FM_U8, DIMS(3), (double[]){3, 3, 3}); /* thirds that add up to a 3, not to a 2.9999 */
    if (CHECK_INT(trial_run(&t), FM_OK)) {
        CHECK_INT(t.out[0].dtype, FM_U8);
        CHECK_OUTPUT(&t, 0, 0, DIMS(9), 3, 3, 3, 3, 3, 3, 3, 3, 3);
    }
    t.node.p.resize.mode = RESIZE_CUBIC; /* overshoots are clipped */
    trial_set(&t, 0, FM_U8, DIMS(3), (double[]){0, 255, 255});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK(op_get_i(&t.out[0], 0) == 0 && op_get_i(&t.out[0], 5) == 255);
    trial_free(&t);
}

static void refusals(void)
{
    struct op_trial t = scale_line(RESIZE_LINEAR, COORD_HALF_PIXEL, 4, 2);
    const float bad[] = {0, -1, NAN, INFINITY, 1e30f};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        trial_f32(&t, SCALES, DIMS(1), &bad[i]);
        CHECK_REFUSED(&t, FM_ERR_SHAPE);
    }
    trial_f32(&t, SCALES, DIMS(2), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_f32(&t, SCALES, DIMS(1), NULL);
    trial_i64(&t, SIZES, DIMS(1), (int64_t[]){4});
    CHECK_REFUSED(&t, FM_ERR_SHAPE); /* both */
    trial_f32(&t, SCALES, DIMS(0), NULL);
    CHECK_INT(trial_run(&t), FM_OK); /* empty means left out */
    trial_i64(&t, SIZES, DIMS(1), (int64_t[]){-1});
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_i64(&t, SIZES, DIMS(1), (int64_t[]){INT64_MAX});
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_i64(&t, SIZES, DIMS(0), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE); /* neither */
    trial_i64(&t, SIZES, DIMS(1), (int64_t[]){4});
    void *data = t.in[SIZES].data;
    t.in[SIZES].data = NULL; /* not known yet */
    CHECK_INT(trial_shape(&t), FM_ERR_AGAIN);
    CHECK_INT(t.out[0].rank, -1);
    CHECK_INT(t.out[0].dtype, FM_F32);
    t.in[SIZES].data = data;
    trial_f32(&t, 0, DIMS(0), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE); /* something from nothing */
    trial_f32(&t, 0, DIMS(4), NULL);
    t.node.p.resize.antialias = true;
    trial_i64(&t, SIZES, DIMS(1), (int64_t[]){0});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_INT(fm_tensor_count(&t.out[0]), 0);
    trial_free(&t);
}

int main(void)
{
    RUN(linear_coordinates);
    RUN(nearest_modes);
    RUN(nearest_is_exact);
    RUN(kernels_by_formula);
    RUN(cubic_by_hand);
    RUN(two_axes);
    RUN(aspect);
    RUN(crop);
    RUN(crop_two_axes);
    RUN(integers);
    RUN(refusals);
    return check_report();
}
