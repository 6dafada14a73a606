/* SPDX-License-Identifier: MIT */
/* Model: a network read from a file. ONNX (.onnx, with its external data files) and ncnn (.param beside its .bin). */
#ifndef FRAMEMILL_MODEL_H
#define FRAMEMILL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "export.h"
#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable and reference counted; any thread may use it. The file stays mapped while references live and must not be changed. */
typedef struct fm_model fm_model;

/* An input or output of the network. Strings belong to the model. */
struct fm_model_port {
    const char *name;
    enum fm_dtype dtype;                  /* FM_DTYPE_NONE: known only once sizes are given */
    int rank;                             /* -1: likewise */
    int64_t dim[FM_MAX_RANK];             /* -1: open */
    const char *dim_name[FM_MAX_RANK];    /* an open dimension's symbol, or NULL */
};

/* Facts about a network at given sizes. Set size to sizeof. Strings belong to the model. */
struct fm_model_info {
    size_t size;
    const char *source;          /* the file */
    const char *format;          /* "ONNX opset 17", "ncnn" */
    int n_inputs, n_outputs, n_nodes;
    int64_t parameters;          /* elements of all weights */
    double macs;                 /* multiply-adds at the sizes asked about; -1: not known */
    double macs_per_pixel;       /* the same per pixel of input 0 */
    bool bounded;                /* each output pixel depends on a bounded window, the same everywhere: tiles are exact */
    char unbounded_reason[160];  /* if not: which node, and why */
    int field_x, field_y;        /* half width and height of that window, in input pixels */
    int scale_num, scale_den;    /* output width per input width; 0: not a picture network */
};

/* Reads a network. On success the caller owns one reference. Errors name the file, the place and the reason. */
FM_API int fm_model_open(const char *path, fm_model **out, struct fm_error *error);
FM_API fm_model *fm_model_ref(fm_model *model);
FM_API void fm_model_unref(fm_model **model); /* accepts NULL contents, sets NULL */

FM_API int fm_model_input_count(const fm_model *model);
FM_API int fm_model_output_count(const fm_model *model);
/* FM_ERR_ARGUMENT when the index is out of range. */
FM_API int fm_model_input(const fm_model *model, int index, struct fm_model_port *out);
FM_API int fm_model_output(const fm_model *model, int index, struct fm_model_port *out);
/* The index-th entry of the file's metadata; FM_ERR_EOS when there is no such entry. */
FM_API int fm_model_metadata(const fm_model *model, int index, const char **key, const char **value);
/* How many nodes use each operator: the index-th distinct operator name and its count; FM_ERR_EOS past the end. */
FM_API int fm_model_operator(const fm_model *model, int index, const char **name, int *count);
/* Facts at the given input sizes (as many tensors as the model has inputs, data ignored). NULL: a size is made up where it is open
 * (64 x 64 pictures). */
FM_API int fm_model_get_info(const fm_model *model, const struct fm_tensor *inputs, struct fm_model_info *info, struct fm_error *error);

/* Runs the network node by node with the slow reference code: the definition that everything else is tested against.
 * inputs: as many as the model has, data set. outputs[k] is filled in; its data is freed with fm_tensor_free. */
FM_API int fm_model_run_reference(const fm_model *model, const struct fm_tensor *inputs, struct fm_tensor *outputs, struct fm_error *error);
/* Frees data that framemill allocated and sets it NULL. */
FM_API void fm_tensor_free(struct fm_tensor *tensor);

#ifdef __cplusplus
}
#endif
#endif
