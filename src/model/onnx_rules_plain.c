/* SPDX-License-Identifier: MIT */
/* Rules: elementwise operators, casts, normalisation, linear algebra, and com.microsoft's close relatives of them. */
#include <float.h>
#include <string.h>

#include "model/onnx_import.h"

static void lower_same(struct onnx_op *op)
{
    onnx_emit(op, op->rule->kind, op->n_in, op->in);
}

static void lower_scalar(struct onnx_op *op)
{
    static const struct { enum op_kind kind; const char *a, *b; float a_default, b_default; } table[] = {
        { OP_LEAKY_RELU, "alpha", NULL, 0.01f, 0 },
        { OP_ELU, "alpha", NULL, 1, 0 },
        { OP_SELU, "alpha", "gamma", 1.67326319217681884765625f, 1.05070102214813232421875f },
        { OP_CELU, "alpha", NULL, 1, 0 },
        { OP_HARD_SIGMOID, "alpha", "beta", 0.2f, 0.5f },
        { OP_HARD_SWISH, NULL, NULL, 1.0f / 6, 0.5f },
    };
    union op_params *p = onnx_emit(op, op->rule->kind, op->n_in, op->in);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].kind == op->rule->kind) {
            p->scalar.a = table[i].a ? onnx_float(op, table[i].a, table[i].a_default) : table[i].a_default;
            p->scalar.b = table[i].b ? onnx_float(op, table[i].b, table[i].b_default) : table[i].b_default;
        }
}

static void lower_gelu(struct onnx_op *op)
{
    static const char *const modes[] = { "none", "tanh", NULL };
    const int mode = onnx_choice(op, "approximate", "none", modes);
    onnx_emit(op, OP_GELU, op->n_in, op->in)->scalar.a = (float) mode;
}

static void lower_mod(struct onnx_op *op)
{
    const bool is_fmod = onnx_flag(op, "fmod", false);
    onnx_emit(op, OP_MOD, op->n_in, op->in)->scalar.a = is_fmod;
}

static void lower_swish(struct onnx_op *op)
{
    if (onnx_arity(op, 1, 1))
        onnx_emit_swish(op, op->in[0], onnx_float(op, "alpha", 1));
}

void onnx_emit_swish(struct onnx_op *op, int x, float alpha)
{
    if (alpha == 1) {
        onnx_emit(op, OP_SILU, 1, &x);
        return;
    }
    const int scaled = onnx_step(op, OP_MUL, 2, (int[]){ x, onnx_make_like(op, x, alpha) }, NULL);
    const int gate = onnx_step(op, OP_SIGMOID, 1, &scaled, NULL);
    onnx_emit(op, OP_MUL, 2, (int[]){ x, gate });
}

static void lower_clip(struct onnx_op *op)
{
    if (op->version >= 11) {
        lower_same(op);
        return;
    }
    if (!onnx_arity(op, 1, 1))
        return;
    const int x = op->in[0];
    const int low = onnx_has(op, "min") ? onnx_make_like(op, x, onnx_float(op, "min", -FLT_MAX)) : -1;
    const int high = onnx_has(op, "max") ? onnx_make_like(op, x, onnx_float(op, "max", FLT_MAX)) : -1;
    onnx_emit(op, OP_CLIP, 3, (int[]){ x, low, high });
}

static void lower_dropout(struct onnx_op *op)
{
    if (op->version >= 12)
        onnx_int(op, "seed", 0); /* of training only */
    else {
        onnx_float(op, "ratio", 0.5f);
        if (!onnx_arity(op, 1, 1))
            return;
    }
    if (onnx_arity(op, 1, 3))
        onnx_emit(op, OP_DROPOUT, op->n_in, op->in);
}

/* ---- casts ---- */

static enum fm_dtype target_dtype(struct onnx_op *op, int64_t type)
{
    const enum fm_dtype to = onnx_dtype(type);
    if (to == FM_DTYPE_NONE)
        onnx_refuse(op, FM_ERR_UNSUPPORTED, "casts to %s (%lld), which is not supported", onnx_type_name(type), (long long) type);
    return to;
}

static void lower_cast(struct onnx_op *op)
{
    static const char *const rounding[] = { "up", "down", "nearest", NULL };
    onnx_flag(op, "saturate", true); /* both are about 8-bit floats only */
    onnx_choice(op, "round_mode", "up", rounding);
    if (!onnx_has(op, "to"))
        onnx_refuse(op, FM_ERR_FORMAT, "attribute \"to\" is missing");
    const enum fm_dtype to = target_dtype(op, onnx_int(op, "to", ONNX_FLOAT));
    onnx_emit(op, OP_CAST, op->n_in, op->in)->cast.to = to;
}

static void lower_cast_like(struct onnx_op *op)
{
    static const char *const rounding[] = { "up", "down", "nearest", NULL };
    onnx_flag(op, "saturate", true);
    onnx_choice(op, "round_mode", "up", rounding);
    if (!onnx_arity(op, 2, 2))
        return;
    const enum fm_dtype to = onnx_value_dtype(op, op->in[1]);
    if (to == FM_DTYPE_NONE)
        onnx_refuse(op, FM_ERR_UNSUPPORTED, "the type of its second input is not known");
    onnx_emit(op, OP_CAST, 1, op->in)->cast.to = to;
}

static void lower_dequantize(struct onnx_op *op)
{
    if (!onnx_arity(op, 2, 3))
        return;
    const int64_t axis = onnx_int(op, "axis", 1);
    const int64_t block = onnx_int_in(op, "block_size", 0, 0, INT32_MAX);
    const int64_t type = onnx_int(op, "output_dtype", 0);
    union op_params *p;
    if (type == 0) {
        p = onnx_emit(op, OP_DEQUANTIZE_LINEAR, op->n_in, op->in);
    } else {
        const enum fm_dtype to = target_dtype(op, type);
        const int value = onnx_step(op, OP_DEQUANTIZE_LINEAR, op->n_in, op->in, &p);
        p->axis.axis = axis;
        p->axis.a = block;
        onnx_emit(op, OP_CAST, 1, &value)->cast.to = to;
        return;
    }
    p->axis.axis = axis;
    p->axis.a = block;
}

/* ---- normalisation ---- */

/* spatial = 0 (opset 7 and 8): every place has statistics of its own, [C, D1, ...]: plain arithmetic that broadcasts over the
 * batch. */
static void lower_batch_norm_by_place(struct onnx_op *op, float epsilon)
{
    const int *in = op->in;
    const int centred = onnx_step(op, OP_SUB, 2, (int[]){ in[0], in[3] }, NULL);
    const int safe = onnx_step(op, OP_ADD, 2, (int[]){ in[4], onnx_make_like(op, in[4], epsilon) }, NULL);
    const int deviation = onnx_step(op, OP_SQRT, 1, &safe, NULL);
    const int normal = onnx_step(op, OP_DIV, 2, (int[]){ centred, deviation }, NULL);
    const int scaled = onnx_step(op, OP_MUL, 2, (int[]){ normal, in[1] }, NULL);
    onnx_emit(op, OP_ADD, 2, (int[]){ scaled, in[2] });
}

static void lower_batch_norm(struct onnx_op *op)
{
    const float epsilon = onnx_float(op, "epsilon", 1e-5f), momentum = onnx_float(op, "momentum", 0.9f);
    const bool is_training = op->version >= 14 && onnx_flag(op, "training_mode", false);
    const bool is_spatial = op->version >= 9 || onnx_flag(op, "spatial", true);
    if (!onnx_arity(op, 5, 5))
        return;
    for (int k = 1; k < op->node->n_out && !is_training; k++)
        if (op->node->out[k].size)
            onnx_refuse(op, FM_ERR_UNSUPPORTED, "output %d exists in training only", k);
    if (!is_spatial) {
        lower_batch_norm_by_place(op, epsilon);
        return;
    }
    union op_params *p = onnx_emit(op, OP_BATCH_NORM, op->n_in, op->in);
    p->norm.epsilon = epsilon;
    p->norm.momentum = momentum;
    p->norm.training = is_training;
}

static void lower_instance_norm(struct onnx_op *op)
{
    const float epsilon = onnx_float(op, "epsilon", 1e-5f);
    onnx_emit(op, OP_INSTANCE_NORM, op->n_in, op->in)->norm.epsilon = epsilon;
}

static void lower_layer_norm(struct onnx_op *op)
{
    const float epsilon = onnx_float(op, "epsilon", 1e-5f);
    const int64_t axis = onnx_int(op, "axis", -1);
    onnx_int(op, "stash_type", 1); /* the precision inside: never below float32 here */
    union op_params *p = onnx_emit(op, OP_LAYER_NORM, op->n_in, op->in);
    p->norm.epsilon = epsilon;
    p->norm.axis = axis;
}

static void lower_group_norm(struct onnx_op *op)
{
    const float epsilon = onnx_float(op, "epsilon", 1e-5f);
    onnx_int(op, "stash_type", 1);
    if (!onnx_has(op, "num_groups"))
        onnx_refuse(op, FM_ERR_FORMAT, "attribute \"num_groups\" is missing");
    const int64_t groups = onnx_int_in(op, "num_groups", 1, 1, INT32_MAX);
    union op_params *p = onnx_emit(op, OP_GROUP_NORM, op->n_in, op->in);
    p->norm.epsilon = epsilon;
    p->norm.groups = groups;
    p->norm.per_group_scale = op->version < 21;
}

/* ---- linear algebra ---- */

static void lower_gemm(struct onnx_op *op)
{
    const float alpha = onnx_float(op, "alpha", 1), beta = onnx_float(op, "beta", 1);
    const bool trans_a = onnx_flag(op, "transA", false), trans_b = onnx_flag(op, "transB", false);
    union op_params *p = onnx_emit(op, OP_GEMM, op->n_in, op->in);
    p->gemm.alpha = alpha;
    p->gemm.beta = beta;
    p->gemm.trans_a = trans_a;
    p->gemm.trans_b = trans_b;
}

static void lower_einsum(struct onnx_op *op)
{
    const char *equation = onnx_string(op, "equation", "");
    if (!*equation)
        onnx_refuse(op, FM_ERR_FORMAT, "attribute \"equation\" is missing");
    const char *copy = op->rc ? "" : arena_strdup(op->import->graph->arena, equation);
    if (!copy)
        op->rc = onnx_fail_nomem(&op->import->file, strlen(equation));
    onnx_emit(op, OP_EINSUM, op->n_in, op->in)->einsum.equation = copy;
}

const struct onnx_rule onnx_rules_plain[] = {
    { "Relu", OP_RELU, lower_same }, { "Sigmoid", OP_SIGMOID, lower_same }, { "Mish", OP_MISH, lower_same },
    { "Softplus", OP_SOFTPLUS, lower_same }, { "Softsign", OP_SOFTSIGN, lower_same }, { "Erf", OP_ERF, lower_same },
    { "Tanh", OP_TANH, lower_same }, { "Sqrt", OP_SQRT, lower_same }, { "Exp", OP_EXP, lower_same }, { "Log", OP_LOG, lower_same },
    { "Abs", OP_ABS, lower_same }, { "Neg", OP_NEG, lower_same }, { "Reciprocal", OP_RECIPROCAL, lower_same },
    { "Floor", OP_FLOOR, lower_same }, { "Ceil", OP_CEIL, lower_same }, { "Round", OP_ROUND, lower_same },
    { "Sign", OP_SIGN, lower_same }, { "Not", OP_NOT, lower_same }, { "Sin", OP_SIN, lower_same }, { "Cos", OP_COS, lower_same },
    { "Tan", OP_TAN, lower_same }, { "Asin", OP_ASIN, lower_same }, { "Acos", OP_ACOS, lower_same },
    { "Atan", OP_ATAN, lower_same },
    { "Identity", OP_IDENTITY, lower_same }, { "PRelu", OP_PRELU, lower_same },
    { "LeakyRelu", OP_LEAKY_RELU, lower_scalar }, { "Elu", OP_ELU, lower_scalar }, { "Selu", OP_SELU, lower_scalar },
    { "Celu", OP_CELU, lower_scalar }, { "HardSigmoid", OP_HARD_SIGMOID, lower_scalar },
    { "HardSwish", OP_HARD_SWISH, lower_scalar },
    { "Gelu", OP_GELU, lower_gelu }, { "Swish", OP_SILU, lower_swish }, { "Clip", OP_CLIP, lower_clip },
    { "Dropout", OP_DROPOUT, lower_dropout }, { "Cast", OP_CAST, lower_cast }, { "CastLike", OP_CAST, lower_cast_like },
    { "DequantizeLinear", OP_DEQUANTIZE_LINEAR, lower_dequantize },
    { "Add", OP_ADD, lower_same }, { "Sub", OP_SUB, lower_same }, { "Mul", OP_MUL, lower_same }, { "Div", OP_DIV, lower_same },
    { "Pow", OP_POW, lower_same }, { "Mod", OP_MOD, lower_mod }, { "Equal", OP_EQUAL, lower_same },
    { "Greater", OP_GREATER, lower_same }, { "GreaterOrEqual", OP_GREATER_EQUAL, lower_same }, { "Less", OP_LESS, lower_same },
    { "LessOrEqual", OP_LESS_EQUAL, lower_same }, { "And", OP_AND, lower_same }, { "Or", OP_OR, lower_same },
    { "Xor", OP_XOR, lower_same }, { "Min", OP_MIN, lower_same }, { "Max", OP_MAX, lower_same }, { "Mean", OP_MEAN, lower_same },
    { "Sum", OP_SUM, lower_same }, { "Where", OP_WHERE, lower_same },
    { "BatchNormalization", OP_BATCH_NORM, lower_batch_norm }, { "InstanceNormalization", OP_INSTANCE_NORM, lower_instance_norm },
    { "LayerNormalization", OP_LAYER_NORM, lower_layer_norm }, { "GroupNormalization", OP_GROUP_NORM, lower_group_norm },
    { "MatMul", OP_MATMUL, lower_same }, { "Gemm", OP_GEMM, lower_gemm }, { "Einsum", OP_EINSUM, lower_einsum },
    { NULL, OP_COUNT, NULL },
};

/* ---- com.microsoft: what ONNX Runtime's optimiser writes into saved networks ---- */

static void lower_biased_gelu(struct onnx_op *op) /* BiasGelu, FastGelu: gelu(x + bias) */
{
    const bool is_fast = onnx_view_is(op->node->type, "FastGelu");
    if (!onnx_arity(op, is_fast ? 1 : 2, 2))
        return;
    const int x = op->n_in == 2 ? onnx_step(op, OP_ADD, 2, op->in, NULL) : op->in[0];
    onnx_emit(op, OP_GELU, 1, &x)->scalar.a = is_fast;
}

static void lower_exact_gelu(struct onnx_op *op)
{
    onnx_emit(op, OP_GELU, op->n_in, op->in)->scalar.a = 0;
}

static void lower_quick_gelu(struct onnx_op *op)
{
    if (onnx_arity(op, 1, 1))
        onnx_emit_swish(op, op->in[0], onnx_float(op, "alpha", 1.702f));
}

static void emit_activation(struct onnx_op *op, int x)
{
    const char *name = onnx_string(op, "activation", "");
    const float *a = NULL;
    const int n = onnx_floats(op, "activation_params", &a);
    if (strcmp(name, "Relu") == 0)
        onnx_emit(op, OP_RELU, 1, &x);
    else if (strcmp(name, "Tanh") == 0)
        onnx_emit(op, OP_TANH, 1, &x);
    else if (strcmp(name, "Sigmoid") == 0)
        onnx_emit(op, OP_SIGMOID, 1, &x);
    else if (strcmp(name, "LeakyRelu") == 0)
        onnx_emit(op, OP_LEAKY_RELU, 1, &x)->scalar.a = n >= 1 ? a[0] : 0.01f;
    else if (strcmp(name, "HardSigmoid") == 0) {
        union op_params *p = onnx_emit(op, OP_HARD_SIGMOID, 1, &x);
        p->scalar.a = n >= 1 ? a[0] : 0.2f;
        p->scalar.b = n >= 2 ? a[1] : 0.5f;
    } else if (strcmp(name, "Clip") == 0 && n >= 2)
        onnx_emit(op, OP_CLIP, 3, (int[]){ x, onnx_make_like(op, x, a[0]), onnx_make_like(op, x, a[1]) });
    else
        onnx_refuse(op, FM_ERR_UNSUPPORTED, "attribute \"activation\" is \"%.80s\", which is not known", name);
}

static void lower_fused_conv(struct onnx_op *op) /* activation(conv(x, w, bias) + z) */
{
    if (!onnx_arity(op, 2, 4))
        return;
    union op_params *p;
    int x = onnx_step(op, OP_CONV, op->n_in < 3 ? op->n_in : 3, op->in, &p);
    onnx_conv_params(op, p);
    if (op->n_in == 4)
        x = onnx_step(op, OP_ADD, 2, (int[]){ x, op->in[3] }, NULL);
    if (onnx_has(op, "activation"))
        emit_activation(op, x);
    else
        onnx_emit(op, OP_IDENTITY, 1, &x);
}

const struct onnx_rule onnx_rules_microsoft[] = {
    { "Gelu", OP_GELU, lower_exact_gelu }, { "BiasGelu", OP_GELU, lower_biased_gelu }, { "FastGelu", OP_GELU, lower_biased_gelu },
    { "QuickGelu", OP_SILU, lower_quick_gelu }, { "FusedConv", OP_CONV, lower_fused_conv }, { NULL, OP_COUNT, NULL },
};
