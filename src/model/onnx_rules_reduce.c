/* SPDX-License-Identifier: MIT */
/* Rules: reductions, search, softmax. */
#include "model/onnx_import.h"

static void lower_reduce(struct onnx_op *op)
{
    const int axes_input_since = op->rule->kind == OP_REDUCE_SUM ? 13 : 18;
    const bool keep = onnx_flag(op, "keepdims", true);
    bool no_op = false;
    int axes = -1;
    if (op->version >= axes_input_since) {
        no_op = onnx_flag(op, "noop_with_empty_axes", false);
        if (!onnx_arity(op, 1, 2))
            return;
        axes = op->n_in > 1 ? op->in[1] : -1;
    } else {
        if (!onnx_arity(op, 1, 1))
            return;
        axes = onnx_make_attr(op, "axes");
    }
    union op_params *p = onnx_emit(op, op->rule->kind, 2, (int[]){ op->in[0], axes });
    p->reduce.keep_dims = keep;
    p->reduce.no_op_if_no_axes = no_op;
}

static void lower_arg(struct onnx_op *op)
{
    const int64_t axis = onnx_int(op, "axis", 0);
    const bool keep = onnx_flag(op, "keepdims", true), last = onnx_flag(op, "select_last_index", false);
    union op_params *p = onnx_emit(op, op->rule->kind, op->n_in, op->in);
    p->reduce.axis = axis;
    p->reduce.keep_dims = keep;
    p->reduce.select_last = last;
}

static void lower_top_k(struct onnx_op *op)
{
    const int64_t axis = onnx_int(op, "axis", -1);
    const bool largest = op->version < 11 || onnx_flag(op, "largest", true);
    const bool sorted = op->version < 11 || onnx_flag(op, "sorted", true);
    const bool has_attribute = op->version < 10;
    if (!onnx_arity(op, has_attribute ? 1 : 2, has_attribute ? 1 : 2))
        return;
    int k = has_attribute ? -1 : op->in[1];
    if (has_attribute) {
        const int64_t count = onnx_int_in(op, "k", -1, 0, INT32_MAX);
        k = onnx_make_i64s(op, 1, &count);
    }
    union op_params *p = onnx_emit(op, OP_TOP_K, 2, (int[]){ op->in[0], k });
    p->reduce.axis = axis;
    p->reduce.largest = largest;
    p->reduce.sorted = sorted;
}

static void lower_nms(struct onnx_op *op)
{
    const bool is_centre = onnx_int_in(op, "center_point_box", 0, 0, 1) == 1;
    onnx_emit(op, OP_NON_MAX_SUPPRESSION, op->n_in, op->in)->axis.flag = is_centre;
}

static void lower_cum_sum(struct onnx_op *op)
{
    const bool exclusive = onnx_flag(op, "exclusive", false), reverse = onnx_flag(op, "reverse", false);
    union op_params *p = onnx_emit(op, OP_CUM_SUM, op->n_in, op->in);
    p->reduce.exclusive = exclusive;
    p->reduce.reverse = reverse;
}

static void lower_softmax(struct onnx_op *op)
{
    const bool is_old = op->version < 13;
    const int64_t axis = onnx_int(op, "axis", is_old ? 1 : -1);
    union op_params *p = onnx_emit(op, op->rule->kind, op->n_in, op->in);
    p->axis.axis = axis;
    p->axis.flag = is_old;
}

const struct onnx_rule onnx_rules_reduce[] = {
    { "ReduceMean", OP_REDUCE_MEAN, lower_reduce }, { "ReduceSum", OP_REDUCE_SUM, lower_reduce },
    { "ReduceMax", OP_REDUCE_MAX, lower_reduce }, { "ReduceMin", OP_REDUCE_MIN, lower_reduce },
    { "ReduceProd", OP_REDUCE_PROD, lower_reduce }, { "ReduceL1", OP_REDUCE_L1, lower_reduce },
    { "ReduceL2", OP_REDUCE_L2, lower_reduce }, { "ReduceSumSquare", OP_REDUCE_SUM_SQUARE, lower_reduce },
    { "ReduceLogSum", OP_REDUCE_LOG_SUM, lower_reduce }, { "ReduceLogSumExp", OP_REDUCE_LOG_SUM_EXP, lower_reduce },
    { "ArgMax", OP_ARG_MAX, lower_arg }, { "ArgMin", OP_ARG_MIN, lower_arg }, { "TopK", OP_TOP_K, lower_top_k },
    { "NonMaxSuppression", OP_NON_MAX_SUPPRESSION, lower_nms }, { "CumSum", OP_CUM_SUM, lower_cum_sum },
    { "Softmax", OP_SOFTMAX, lower_softmax }, { "LogSoftmax", OP_LOG_SOFTMAX, lower_softmax },
    { NULL, OP_COUNT, NULL },
};
