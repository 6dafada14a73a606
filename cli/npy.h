/* SPDX-License-Identifier: MIT */
/* NumPy arrays in files (.npy, format versions 1 to 3). Functions may be called from any thread. Messages name the file. */
#ifndef FM_CLI_NPY_H
#define FM_CLI_NPY_H

#include <stddef.h>

#include "framemill/error.h"
#include "framemill/tensor.h"

/* Reads a file, or what comes through a pipe. Big-endian and column-major (Fortran) arrays are brought into the machine's own order
 * and row-major. On success `out` owns its data (npy_free), also when it has no elements; on failure it is empty.
 *   FM_ERR_IO           the system could not read
 *   FM_ERR_FORMAT       damaged, cut short, or longer than its header says
 *   FM_ERR_UNSUPPORTED  text, objects, records, complex numbers, more than FM_MAX_RANK dimensions
 *   FM_ERR_NOMEM */
int npy_read(const char *path, struct fm_tensor *out, struct fm_error *error);

/* The same for a whole file in memory; `name` is for messages. `data` is not kept. */
int npy_parse(const void *data, size_t size, const char *name, struct fm_tensor *out, struct fm_error *error);

/* Writes version 1, row-major, in the machine's byte order; bfloat16, which NumPy lacks, becomes float32. The file appears under
 * its name when it is whole; on failure an older one is left as it was.
 *   FM_ERR_IO  FM_ERR_NOMEM  FM_ERR_ARGUMENT: no such type */
int npy_write(const char *path, const struct fm_tensor *tensor, struct fm_error *error);

/* Gives the array of npy_read or npy_parse the element type `to`, as NumPy's casting rule "same kind" allows: floats of any size,
 * integers where every value fits, integers and booleans to floats. FM_DTYPE_NONE leaves it as it is; so does a failure.
 *   FM_ERR_UNSUPPORTED  another conversion
 *   FM_ERR_FORMAT       an integer that does not fit
 *   FM_ERR_NOMEM */
int npy_convert(struct fm_tensor *tensor, enum fm_dtype to, const char *name, struct fm_error *error);

void npy_free(struct fm_tensor *tensor); /* of npy_read and npy_parse; accepts an empty one and leaves it empty */

#endif
