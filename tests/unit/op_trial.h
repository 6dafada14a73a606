/* SPDX-License-Identifier: MIT */
/* Runs one operator by hand, again and again with changed inputs: tensors from lists, the shape rule, memory for the results, the
 * reference code.
 *
 *     struct op_trial t = op_trial(OP_ADD, 2, 1);
 *     trial_f32(&t, 0, DIMS(2, 3), (float[]){...});
 *     if (CHECK_INT(trial_run(&t), FM_OK)) CHECK_OUTPUT(&t, 0, tolerance, DIMS(2, 3), ...);
 *     trial_free(&t);
 */
#ifndef FM_TESTS_OP_TRIAL_H
#define FM_TESTS_OP_TRIAL_H

#include "check.h"
#include "core/alloc.h"
#include "graph/op.h"

#define TRIAL_MAX 8
#define DIMS(...) (int) (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__}
#define SCALAR 0, NULL

struct op_trial {
    struct graph_node node;
    struct fm_tensor in[TRIAL_MAX], out[TRIAL_MAX];
    bool unwanted[TRIAL_MAX]; /* outputs that get no memory */
    struct fm_error error;
};

CHECK_UNUSED static struct op_trial op_trial(enum op_kind op, int n_in, int n_out)
{
    return (struct op_trial){.node = {.op = op, .name = "", .type = op_def(op)->name, .n_in = n_in, .n_out = n_out}};
}

/* An input of any type; elements are rounded to it. Values of NULL: counted up from 1. */
CHECK_UNUSED static void trial_set(struct op_trial *t, int k, enum fm_dtype dtype, int rank, const int64_t *dim,
                                   const double *value)
{
    struct fm_tensor *in = &t->in[k];
    core_free(in->data);
    *in = (struct fm_tensor){.dtype = dtype, .rank = rank};
    for (int i = 0; i < rank; i++)
        in->dim[i] = dim[i];
    const int64_t count = fm_tensor_count(in);
    in->data = core_calloc((size_t) count + 1, 8);
    for (int64_t i = 0; i < count && in->data; i++)
        op_set_f(in, i, value ? value[i] : (double) (i + 1));
}

CHECK_UNUSED static void trial_f32(struct op_trial *t, int k, int rank, const int64_t *dim, const float *value)
{
    trial_set(t, k, FM_F32, rank, dim, NULL);
    if (value && t->in[k].data)
        memcpy(t->in[k].data, value, (size_t) fm_tensor_count(&t->in[k]) * sizeof(*value));
}

CHECK_UNUSED static void trial_i64(struct op_trial *t, int k, int rank, const int64_t *dim, const int64_t *value)
{
    trial_set(t, k, FM_I64, rank, dim, NULL);
    if (value && t->in[k].data)
        memcpy(t->in[k].data, value, (size_t) fm_tensor_count(&t->in[k]) * sizeof(*value));
}

static uint32_t trial_seed = 1;

CHECK_UNUSED static double trial_number(void) /* in [-1, 1), a multiple of 1/64: sums are exact in any order */
{
    trial_seed = trial_seed * 1664525u + 1013904223u;
    return (double) ((int) (trial_seed >> 25) - 64) / 64.0;
}

CHECK_UNUSED static void trial_random(struct op_trial *t, int k, int rank, const int64_t *dim)
{
    trial_set(t, k, FM_F32, rank, dim, NULL);
    for (int64_t i = 0; i < fm_tensor_count(&t->in[k]); i++)
        op_set_f(&t->in[k], i, trial_number());
}

CHECK_UNUSED static int trial_shape(struct op_trial *t)
{
    t->error = (struct fm_error){.code = FM_OK};
    return op_def(t->node.op)->shape(&t->node, t->in, t->out, &t->error);
}

CHECK_UNUSED static void trial_free_outputs(struct op_trial *t)
{
    for (int k = 0; k < TRIAL_MAX; k++) {
        core_free(t->out[k].data);
        t->out[k] = (struct fm_tensor){.dtype = FM_DTYPE_NONE};
    }
}

CHECK_UNUSED static int trial_run(struct op_trial *t)
{
    trial_free_outputs(t);
    const int err = trial_shape(t);
    if (err)
        return err;
    for (int k = 0; k < t->node.n_out; k++) {
        if (t->unwanted[k])
            continue;
        const size_t size = (size_t) fm_tensor_count(&t->out[k]) * fm_dtype_size(t->out[k].dtype);
        t->out[k].data = core_alloc(size + 8);
        if (!t->out[k].data)
            return FM_ERR_NOMEM;
        memset(t->out[k].data, 0x5a, size + 8); /* whatever is not written shows, and so does what is written behind the end */
    }
    const int rc = op_def(t->node.op)->run(&t->node, t->in, t->out, &t->error);
    for (int k = 0; k < t->node.n_out && !rc; k++) {
        const size_t size = (size_t) fm_tensor_count(&t->out[k]) * fm_dtype_size(t->out[k].dtype);
        if (t->out[k].data)
            CHECK_MEM((char *) t->out[k].data + size, "ZZZZZZZZ", 8);
    }
    return rc;
}

CHECK_UNUSED static void trial_free(struct op_trial *t)
{
    trial_free_outputs(t);
    for (int k = 0; k < TRIAL_MAX; k++)
        core_free(t->in[k].data);
}

/* Output k has the shape and the values, within a tolerance. */
#define CHECK_OUTPUT(t, k, tolerance, dims, ...) \
    trial_check(t, k, tolerance, dims, (const double[]){__VA_ARGS__}, \
                sizeof((const double[]){__VA_ARGS__}) / sizeof(double), __FILE__, __LINE__)
CHECK_UNUSED static void trial_check(const struct op_trial *t, int k, double tolerance, int rank, const int64_t *dim,
                                     const double *want, size_t n, const char *file, int line)
{
    const struct fm_tensor *out = &t->out[k];
    if (!check_int(out->rank, rank, "the rank", file, line))
        return;
    for (int i = 0; i < rank; i++)
        if (!check_int(out->dim[i], dim[i], "a dimension", file, line))
            return;
    if (!check_int(fm_tensor_count(out), (intmax_t) n, "the number of expected values", file, line))
        return;
    for (size_t i = 0; i < n; i++)
        check_near(op_get_f(out, (int64_t) i), want[i], tolerance, "an element", file, line);
}

/* The rule or the code answers with `err` and says something. */
#define CHECK_REFUSED(t, err) (CHECK_INT(trial_run(t), err), CHECK((t)->error.message[0] != '\0'))

/* Every allocation in turn fails: FM_ERR_NOMEM, nothing leaked, and in the end it works. */
#define CHECK_NOMEM(t) trial_nomem(t, __FILE__, __LINE__)
CHECK_UNUSED static void trial_nomem(struct op_trial *t, const char *file, int line)
{
    int rc = FM_ERR_NOMEM;
    trial_free_outputs(t);
    const int64_t live = core_alloc_live();
    for (uint64_t n = 1; rc == FM_ERR_NOMEM && n < 100; n++) {
        core_alloc_fail_after(n, false);
        rc = trial_run(t);
        core_alloc_fail_after(0, false);
        trial_free_outputs(t);
        check_int(core_alloc_live(), live, "blocks alive", file, line);
    }
    check_int(rc, FM_OK, "the run with memory", file, line);
}

#endif
