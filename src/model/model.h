/* SPDX-License-Identifier: MIT */
/* Importers: an untrusted file becomes a graph. Every size in a file is checked with overflow-safe arithmetic before use; weights
 * are used in place from the mapped file. Errors name the file, the place (byte offset or line, node) and the reason. */
#ifndef FM_MODEL_MODEL_H
#define FM_MODEL_MODEL_H

#include <stddef.h>

#include "graph/graph.h"

/* Opens a network by its file name: .onnx, or .param (with the .bin beside it; either name may be given). Content decides where the
 * name does not. */
int model_load(const char *path, struct graph **out, struct fm_error *error);

/* The importers behind it, for memory (fuzzers, embedded models). `data` must stay valid as long as the graph. `source` names the
 * file in messages; `directory` is where external data files are looked for (NULL: external data is refused). */
int onnx_import(const void *data, size_t size, const char *source, const char *directory, struct graph **out, struct fm_error *error);
int ncnn_import(const char *param, size_t param_size, const char *param_source, const void *bin, size_t bin_size,
                const char *bin_source, struct graph **out, struct fm_error *error);

#endif
