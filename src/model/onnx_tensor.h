/* SPDX-License-Identifier: MIT */
/* TensorProto: the weights. raw_data and external data are used where they lie; the typed fields are decoded into the arena. */
#ifndef FM_MODEL_ONNX_TENSOR_H
#define FM_MODEL_ONNX_TENSOR_H

#include "model/onnx_proto.h"

struct onnx_tensor {
    struct onnx_view name;
    enum fm_dtype dtype;
    int rank;
    int64_t dim[FM_MAX_RANK];
    int64_t count;    /* elements */
    const void *data; /* little endian, maybe unaligned; never NULL */
};

/* Reads the message in `view`. The elements live as long as the file and file->arena. */
int onnx_read_tensor(struct onnx_file *file, struct onnx_view view, struct onnx_tensor *tensor);

/* Maps an external data file named in the model (`at`: where) and gives its bytes. Only plain relative paths that stay inside
 * file->directory, links followed, are opened. */
int onnx_open_external(struct onnx_file *file, const uint8_t *at, struct onnx_view location, struct onnx_view *data);

#endif
