/* SPDX-License-Identifier: MIT */
/* MatMul, Gemm, Einsum and the normalisations, by hand and by their definitions. */
#include "op_trial.h"

/* --- MatMul ---------------------------------------------------------------------------------------------------------------- */

static void matmul_ranks(void)
{
    struct op_trial t = op_trial(OP_MATMUL, 2, 1);
    trial_f32(&t, 0, DIMS(2, 3), NULL);
    trial_f32(&t, 1, DIMS(3, 2), NULL);
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(2, 2), 22, 28, 49, 64);
    CHECK_NOMEM(&t);
    trial_f32(&t, 0, DIMS(3), NULL);
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(2), 22, 28);
    trial_f32(&t, 1, DIMS(3), NULL);
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, SCALAR, 14);
    trial_f32(&t, 0, DIMS(2, 1, 3), NULL);
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(2, 1), 14, 32);
    trial_f32(&t, 0, DIMS(2, 0), NULL);
    trial_f32(&t, 1, DIMS(0, 2), NULL);
    if (CHECK_INT(trial_run(&t), FM_OK)) /* sums over nothing */
        CHECK_OUTPUT(&t, 0, 0, DIMS(2, 2), 0, 0, 0, 0);
    trial_f32(&t, 1, DIMS(2, 2), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_f32(&t, 1, SCALAR, NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_f32(&t, 0, DIMS(2, 2, 2), NULL);
    trial_f32(&t, 1, DIMS(3, 2, 2), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_set(&t, 1, FM_I32, DIMS(2, 2), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_free(&t);
}

static void matmul_batches(void)
{
    struct op_trial t = op_trial(OP_MATMUL, 2, 1);
    trial_random(&t, 0, DIMS(2, 1, 2, 3));
    trial_random(&t, 1, DIMS(4, 3, 2));
    if (!CHECK_INT(trial_run(&t), FM_OK) || !CHECK_INT(t.out[0].rank, 4) || !CHECK_INT(fm_tensor_count(&t.out[0]), 32))
        return;
    for (int i = 0; i < 32; i++) { /* [2][4][2][2] */
        const int a = i / 16, b = i / 4 % 4, r = i / 2 % 2, c = i % 2;
        double want = 0;
        for (int k = 0; k < 3; k++)
            want += op_get_f(&t.in[0], a * 6 + r * 3 + k) * op_get_f(&t.in[1], b * 6 + k * 2 + c);
        CHECK_NEAR(op_get_f(&t.out[0], i), want, 1e-6);
    }
    trial_free(&t);
}

static void matmul_integers(void)
{
    struct op_trial t = op_trial(OP_MATMUL, 2, 1);
    trial_set(&t, 0, FM_I32, DIMS(1, 2), (double[]){65536, -3});
    trial_set(&t, 1, FM_I32, DIMS(2, 1), (double[]){65536, 5});
    if (CHECK_INT(trial_run(&t), FM_OK)) /* 2^32 - 15 wraps */
        CHECK_OUTPUT(&t, 0, 0, DIMS(1, 1), -15);
    trial_i64(&t, 0, DIMS(1, 2), (int64_t[]){INT64_C(1) << 53, 1});
    trial_i64(&t, 1, DIMS(2, 1), (int64_t[]){1, 1});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK(op_get_i(&t.out[0], 0) == (INT64_C(1) << 53) + 1);
    trial_free(&t);
}

/* --- Gemm ------------------------------------------------------------------------------------------------------------------ */

static void gemm(void)
{
    struct op_trial t = op_trial(OP_GEMM, 3, 1);
    t.node.p.gemm.alpha = 1;
    t.node.p.gemm.beta = 1;
    trial_f32(&t, 0, DIMS(2, 3), NULL);
    trial_f32(&t, 1, DIMS(3, 2), NULL); /* 22 28 / 49 64 */
    trial_f32(&t, 2, DIMS(2), (float[]){100, 200});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(2, 2), 122, 228, 149, 264);
    trial_f32(&t, 2, DIMS(2, 1), (float[]){100, 200});
    t.node.p.gemm.alpha = 0.5f;
    t.node.p.gemm.beta = 2;
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(2, 2), 211, 214, 424.5, 432);
    t.node.p.gemm.trans_a = t.node.p.gemm.trans_b = true; /* [3][2] x [2][3] */
    trial_f32(&t, 2, SCALAR, (float[]){1});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(3, 3), 6.5, 11.5, 16.5, 8, 15, 22, 9.5, 18.5, 27.5);
    CHECK_NOMEM(&t);
    trial_f32(&t, 2, DIMS(2), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_f32(&t, 2, DIMS(1, 1, 1), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    t.node.n_in = 2;
    t.node.p.gemm.trans_a = false;
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    t.node.p.gemm.trans_b = false;
    trial_set(&t, 0, FM_I32, DIMS(1, 2), (double[]){3, 4});
    trial_set(&t, 1, FM_I32, DIMS(2, 1), (double[]){5, 6});
    if (CHECK_INT(trial_run(&t), FM_OK)) /* 39 / 2 */
        CHECK_OUTPUT(&t, 0, 0, DIMS(1, 1), 19);
    t.node.p.gemm.alpha = 1;
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(1, 1), 39);
    trial_f32(&t, 0, DIMS(2), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_free(&t);
}

/* --- Einsum ---------------------------------------------------------------------------------------------------------------- */

static void einsum_one(void)
{
    struct op_trial t = op_trial(OP_EINSUM, 1, 1);
    trial_f32(&t, 0, DIMS(3, 3), NULL);
    t.node.p.einsum.equation = "ii";
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, SCALAR, 15);
    t.node.p.einsum.equation = " ii -> i ";
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(3), 1, 5, 9);
    t.node.p.einsum.equation = "ba"; /* implicit: sorted, so transposed */
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(3, 3), 1, 4, 7, 2, 5, 8, 3, 6, 9);
    t.node.p.einsum.equation = "aB"; /* capitals sort first */
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(3, 3), 1, 4, 7, 2, 5, 8, 3, 6, 9);
    t.node.p.einsum.equation = "ij->";
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, SCALAR, 45);
    t.node.p.einsum.equation = "...j->...";
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(3), 6, 15, 24);
    t.node.p.einsum.equation = "a...";
    if (CHECK_INT(trial_run(&t), FM_OK)) /* the ellipsis comes first */
        CHECK_OUTPUT(&t, 0, 0, DIMS(3, 3), 1, 4, 7, 2, 5, 8, 3, 6, 9);
    CHECK_NOMEM(&t);
    trial_f32(&t, 0, DIMS(3, 0), NULL);
    t.node.p.einsum.equation = "ij->i";
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(3), 0, 0, 0);
    trial_free(&t);
}

static void einsum_several(void)
{
    struct op_trial t = op_trial(OP_EINSUM, 2, 1);
    trial_f32(&t, 0, DIMS(2, 3), NULL);
    trial_f32(&t, 1, DIMS(3, 2), NULL);
    t.node.p.einsum.equation = "ij,jk";
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(2, 2), 22, 28, 49, 64);
    t.node.p.einsum.equation = "ij,ji->ij"; /* no sum: a product with the transpose */
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(2, 3), 1, 6, 15, 8, 20, 36);
    t.node.p.einsum.equation = "ij,lk->";
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, SCALAR, 21 * 21);
    trial_f32(&t, 1, DIMS(4, 1, 3), NULL);
    t.node.p.einsum.equation = "...i,...i->..."; /* [2] against [4][1] */
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(4, 2), 14, 32, 32, 77, 50, 122, 68, 167);
    t.node.n_in = 3;
    trial_f32(&t, 1, DIMS(3), NULL);
    trial_f32(&t, 2, DIMS(2), (float[]){10, 100});
    t.node.p.einsum.equation = "ij,j,i->ij";
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 0, DIMS(2, 3), 10, 40, 90, 400, 1000, 1800);
    trial_i64(&t, 0, DIMS(1), (int64_t[]){INT64_C(1) << 53});
    trial_i64(&t, 1, DIMS(1), (int64_t[]){3});
    trial_i64(&t, 2, DIMS(1), (int64_t[]){1});
    t.node.p.einsum.equation = "i,i,i->i";
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK(op_get_i(&t.out[0], 0) == 3 * (INT64_C(1) << 53));
    trial_free(&t);
}

static void einsum_refuses(void)
{
    struct op_trial t = op_trial(OP_EINSUM, 2, 1);
    trial_f32(&t, 0, DIMS(2, 3), NULL);
    trial_f32(&t, 1, DIMS(3, 2), NULL);
    static const char *const bad[] = {
        "", "ij", "ij,jk,kl", "ij,jk->il", "ij,jk->ii", "ij,jk->ik,", "ij,jk-ik", "ij,jk->i->k", "i1,jk->ik", "ii,jk->ik",
        "ijk,jk->i", "i,jk->i", "ij,ik->ik", "i......,jk->k", "i..,jk->k", ".,jk->k", "ij,jk->......", "abcdefghijklm...,jk->k",
        "-", "->", "ij,jk->ikijk", "......", ",", ",,", "ij,jk>ik"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        t.node.p.einsum.equation = bad[i];
        const int rc = trial_run(&t);
        CHECK_MSG(rc == FM_ERR_FORMAT || rc == FM_ERR_SHAPE, "'%s' gives %d", bad[i], rc);
        CHECK(t.error.message[0] != '\0');
    }
    t.node.p.einsum.equation = NULL;
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    t.node.p.einsum.equation = "ij,jk";
    trial_i64(&t, 1, DIMS(3, 2), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    /* a result of nine dimensions */
    trial_f32(&t, 0, DIMS(1, 1, 1, 1, 1, 1, 1, 1), NULL);
    trial_f32(&t, 1, DIMS(1), NULL);
    t.node.p.einsum.equation = "abcdefgh,i";
    CHECK_REFUSED(&t, FM_ERR_UNSUPPORTED);
    trial_free(&t);
}

/* --- normalisations -------------------------------------------------------------------------------------------------------- */

static void batch_norm(void)
{
    struct op_trial t = op_trial(OP_BATCH_NORM, 5, 1);
    t.node.p.norm.epsilon = 0.25f;
    trial_f32(&t, 0, DIMS(2, 2, 2), (float[]){1, 2, 3, 4, 5, 6, 7, 8});
    trial_f32(&t, 1, DIMS(2), (float[]){2, 3});
    trial_f32(&t, 2, DIMS(2), (float[]){10, 20});
    trial_f32(&t, 3, DIMS(2), (float[]){1, 4});
    trial_f32(&t, 4, DIMS(2), (float[]){0.75f, 3.75f}); /* deviations 1 and 2 */
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 1e-6, DIMS(2, 2, 2), 10, 12, 18.5, 20, 18, 20, 24.5, 26);
    CHECK_NOMEM(&t);
    t.node.n_out = 3;
    t.node.p.norm.training = true;
    t.node.p.norm.momentum = 0.75f;
    /* channel 0: 1 2 5 6, mean 3.5, variance 4.25; channel 1: 3 4 7 8, mean 5.5, variance 4.25 */
    const double d = sqrt(4.5);
    if (CHECK_INT(trial_run(&t), FM_OK)) {
        CHECK_OUTPUT(&t, 0, 1e-5, DIMS(2, 2, 2), 10 - 5 / d, 10 - 3 / d, 20 - 7.5 / d, 20 - 4.5 / d, 10 + 3 / d, 10 + 5 / d,
                     20 + 4.5 / d, 20 + 7.5 / d);
        CHECK_OUTPUT(&t, 1, 1e-6, DIMS(2), 0.75 + 3.5 / 4, 3 + 5.5 / 4);
        CHECK_OUTPUT(&t, 2, 1e-6, DIMS(2), 0.5625 + 4.25 / 4, 2.8125 + 4.25 / 4);
    }
    trial_f32(&t, 4, DIMS(3), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_set(&t, 4, FM_I32, DIMS(2), NULL);
    CHECK_REFUSED(&t, FM_ERR_UNSUPPORTED);
    trial_f32(&t, 4, DIMS(2), NULL);
    trial_f32(&t, 0, DIMS(0, 2, 3), NULL);
    CHECK_INT(trial_run(&t), FM_OK);
    trial_f32(&t, 0, SCALAR, NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_free(&t);
}

static void instance_and_group_norm(void)
{
    struct op_trial t = op_trial(OP_INSTANCE_NORM, 3, 1);
    t.node.p.norm.epsilon = 0;
    trial_f32(&t, 0, DIMS(1, 4, 2), (float[]){1, 3, 2, 6, 10, 10.5f, -4, 4});
    trial_f32(&t, 1, DIMS(4), (float[]){1, 2, 3, 4});
    trial_f32(&t, 2, DIMS(4), (float[]){10, 20, 30, 40});
    if (CHECK_INT(trial_run(&t), FM_OK)) /* two values are one deviation below and above their mean */
        CHECK_OUTPUT(&t, 0, 1e-5, DIMS(1, 4, 2), 9, 11, 18, 22, 27, 33, 36, 44);
    CHECK_NOMEM(&t);
    t.node.op = OP_GROUP_NORM;
    t.node.p.norm.groups = 2;
    trial_f32(&t, 0, DIMS(1, 4, 2), (float[]){1, 1, 5, 5, 2, 8, 2, 8});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 1e-5, DIMS(1, 4, 2), 9, 9, 22, 22, 27, 33, 36, 44);
    t.node.p.norm.per_group_scale = true;
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_f32(&t, 1, DIMS(2), (float[]){1, 2});
    trial_f32(&t, 2, DIMS(2), (float[]){10, 20});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 1e-5, DIMS(1, 4, 2), 9, 9, 11, 11, 18, 22, 18, 22);
    t.node.p.norm.groups = 3;
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    t.node.p.norm.groups = 0;
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    t.node.p.norm.groups = -2;
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_f32(&t, 0, DIMS(4), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_free(&t);
}

static void layer_norm(void)
{
    struct op_trial t = op_trial(OP_LAYER_NORM, 3, 3);
    t.node.p.norm.axis = -1;
    trial_f32(&t, 0, DIMS(2, 2, 2), (float[]){1, 3, 2, 6, 10, 10.5f, -4, 4});
    trial_f32(&t, 1, DIMS(2), (float[]){1, 2});
    trial_f32(&t, 2, DIMS(2), (float[]){10, 20});
    if (CHECK_INT(trial_run(&t), FM_OK)) {
        CHECK_OUTPUT(&t, 0, 1e-5, DIMS(2, 2, 2), 9, 22, 9, 22, 9, 22, 9, 22);
        CHECK_OUTPUT(&t, 1, 1e-6, DIMS(2, 2, 1), 2, 4, 10.25, 0);
        CHECK_OUTPUT(&t, 2, 1e-5, DIMS(2, 2, 1), 1, 0.5, 4, 0.25);
        CHECK_INT(t.out[2].dtype, FM_F32);
    }
    CHECK_NOMEM(&t);
    t.node.n_in = 2;
    t.node.n_out = 1;
    t.node.p.norm.axis = 1;
    trial_f32(&t, 0, DIMS(1, 2, 2), (float[]){1, 1, 5, 5});
    trial_f32(&t, 1, DIMS(2, 1), (float[]){1, 3}); /* broadcasts along the last axis */
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 1e-5, DIMS(1, 2, 2), -1, -1, 3, 3);
    trial_f32(&t, 1, DIMS(3), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_f32(&t, 1, DIMS(2, 2, 2), NULL); /* would enlarge the input */
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_f32(&t, 1, DIMS(1, 1, 2, 2), NULL);
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_f32(&t, 1, DIMS(2), NULL);
    t.node.p.norm.axis = 3;
    CHECK_REFUSED(&t, FM_ERR_SHAPE);
    trial_free(&t);
}

/* A large mean must not drown a small deviation. */
static void norm_is_stable(void)
{
    struct op_trial t = op_trial(OP_INSTANCE_NORM, 3, 1);
    t.node.p.norm.epsilon = 0;
    trial_f32(&t, 0, DIMS(1, 1, 2), (float[]){16777214, 16777215});
    trial_f32(&t, 1, DIMS(1), NULL);
    trial_f32(&t, 2, DIMS(1), (float[]){0});
    if (CHECK_INT(trial_run(&t), FM_OK))
        CHECK_OUTPUT(&t, 0, 1e-6, DIMS(1, 1, 2), -1, 1);
    trial_free(&t);
}

int main(void)
{
    RUN(matmul_ranks);
    RUN(matmul_batches);
    RUN(matmul_integers);
    RUN(gemm);
    RUN(einsum_one);
    RUN(einsum_several);
    RUN(einsum_refuses);
    RUN(batch_norm);
    RUN(instance_and_group_norm);
    RUN(layer_norm);
    RUN(norm_is_stable);
    return check_report();
}
