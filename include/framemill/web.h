/* SPDX-License-Identifier: MIT */
/* Web: a network as shaders for WebGPU, which a page uploads and dispatches. docs/web-plan.md is the format of the files. */
#ifndef FRAMEMILL_WEB_H
#define FRAMEMILL_WEB_H

#include <stdbool.h>
#include <stddef.h>

#include "engine.h"
#include "error.h"
#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Set size to sizeof; zero means the default everywhere. */
struct fm_web_params {
    size_t size;
    const char *model;     /* a network by name or file */
    const char *model_dir; /* looked in first */
    const char *directory; /* where the files are put; made when it is not there */
    bool embed;            /* one JavaScript file with everything in it */
};

/* What was written. Set size to sizeof. Bytes are those that the dispatches move for a frame of `source` size (the final blit to a
 * canvas comes on top), and the floor: the picture read once, the result written once. */
struct fm_web_report {
    size_t size;
    char name[128];
    int layers, dispatches;                          /* without the blit */
    size_t weights_bytes, text_bytes[2], file_bytes; /* texts: single, half precision; file_bytes: of all files */
    size_t workgroup_bytes;                          /* the most of a dispatch */
    int threads;
    double macs; /* for each pixel of the output */
    int source_width, source_height, output_width, output_height;
    double bytes, floor_bytes;
    double weights_error; /* the largest change of a weight as a half, as a share of it */
};

/* Lowers a network and writes the plan; files appear under their final names only when whole. report may be NULL. Any thread; blocks.
 * FM_ERR_UNSUPPORTED names the node that has no shader; FM_ERR_IO, FM_ERR_FORMAT, FM_ERR_ARGUMENT, FM_ERR_NOMEM. */
FM_API int fm_web_export(
    fm_engine *engine, const struct fm_web_params *params, struct fm_web_report *report, struct fm_error *error);

#ifdef __cplusplus
}
#endif
#endif
