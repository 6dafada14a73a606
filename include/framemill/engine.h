/* SPDX-License-Identifier: MIT */
/* Engine: the machine as framemill sees it - processor features and one pool of threads that every session shares. */
#ifndef FRAMEMILL_ENGINE_H
#define FRAMEMILL_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reference counted; any thread may use it. Sessions and plans hold a reference. */
typedef struct fm_engine fm_engine;

/* Set size to sizeof(struct fm_engine_params); zero means the default everywhere. */
struct fm_engine_params {
    size_t size;
    int threads;          /* threads that compute, the caller's included; 0: as many as there are processors. 1 makes no thread */
    const char *cpu_mask; /* "c", "avx2", "avx512", "neon", "all" or a number; NULL: FM_CPUMASK, else all */
};

/* What the machine is. Strings belong to the engine. */
struct fm_engine_info {
    size_t size;            /* set by the caller to sizeof */
    int threads;
    int processors;
    const char *cpu;        /* the processor's name */
    const char *isa;        /* the kernels in use: "avx512", "avx2", "neon", "c" */
};

/* Makes an engine, threads included. params may be NULL. On success the caller owns one reference. Blocks briefly. */
FM_API int fm_engine_create(const struct fm_engine_params *params, fm_engine **out, struct fm_error *error);
FM_API fm_engine *fm_engine_ref(fm_engine *engine);
/* Drops one reference and sets NULL; accepts NULL contents. The last one joins the threads. */
FM_API void fm_engine_unref(fm_engine **engine);
FM_API int fm_engine_get_info(const fm_engine *engine, struct fm_engine_info *info);
/* Multiply-adds per second (in units of 1e9 floating point operations) that the chosen kernels' arithmetic reaches on one thread
 * right now: a bare loop of fused multiply-adds, about 20 ms. */
FM_API double fm_engine_measure_gflops(fm_engine *engine);

/* "0.1.0" */
FM_API const char *fm_version(void);

#ifdef __cplusplus
}
#endif
#endif
