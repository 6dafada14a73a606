/* SPDX-License-Identifier: MIT */
/* Where the weights of an ncnn network lie. Any thread. */
#ifndef FM_MODEL_NCNN_PATH_H
#define FM_MODEL_NCNN_PATH_H

#include <stddef.h>

/* Writes the name of the .bin file that belongs to `param_path` ("net.param" -> "net.bin"). Where there is none and the stem ends
 * in -x<digit>, a sibling of another scale is taken (-x4, -x3, -x2 in this order): published upscalers share one set of weights.
 *   FM_OK            the file exists
 *   FM_ERR_IO        there is none; `out` has the name that was looked for first
 *   FM_ERR_ARGUMENT  the name does not fit in `size` bytes */
int ncnn_bin_path(const char *param_path, char *out, size_t size);

#endif
