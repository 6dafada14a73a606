/* SPDX-License-Identifier: MIT */
/* The ncnn importer and what is done with its graph: text up to the first zero byte, weights behind it. A small picture goes
 * through shape inference, and through the interpreter where the network is small. */
#include "core/alloc.h"
#include "core/error.h"
#include "model/model.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ELEMENTS_MAX 4096 /* of any value, for networks that are run */

static bool is_small(const struct graph *graph)
{
    for (int i = 0; i < graph->n_values; i++) {
        const struct graph_value *v = &graph->value[i];
        const struct fm_tensor t = {.dtype = v->dtype, .rank = v->rank};
        struct fm_tensor sized = t;
        if (v->rank < 0) return false;
        memcpy(sized.dim, v->dim, sizeof sized.dim);
        const int64_t n = fm_tensor_count(&sized);
        if (n < 0 || n > ELEMENTS_MAX) return false;
    }
    return graph->n_nodes <= 16;
}

static void run(const struct graph *graph)
{
    static const float zero[3 * 4096];
    struct fm_tensor in[2] = {
        {.dtype = FM_F32, .data = (void *) (uintptr_t) zero}, {.dtype = FM_F32, .data = (void *) (uintptr_t) zero}};
    struct fm_error error;
    struct graph *fixed = NULL;
    if (graph->n_inputs > 2) return;
    for (int k = 0; k < graph->n_inputs; k++) {
        const struct graph_value *v = &graph->value[graph->input[k]];
        int64_t n = 1;
        in[k].rank = v->rank;
        for (int i = 0; i < v->rank; i++) {
            in[k].dim[i] = v->dim[i] < 0 ? 6 + i : v->dim[i];
            if (in[k].dim[i] > 4096 || (n *= in[k].dim[i]) > (int64_t) (sizeof zero / sizeof *zero)) return;
        }
    }
    if (graph_specialise(graph, in, &fixed, &error)) return;
    if (is_small(fixed)) {
        struct fm_tensor *out = calloc((size_t) fixed->n_outputs + 1, sizeof *out);
        if (out && !graph_interpret(fixed, in, out, &error))
            for (int k = 0; k < fixed->n_outputs; k++) core_free(out[k].data);
        free(out);
    }
    graph_destroy(&fixed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    const size_t text = end ? (size_t) (end - data) : size;
    const size_t bin = end ? size - text - 1 : 0;
    char *param = malloc(text + 1); /* exact sizes, so that reading past an end is seen */
    uint8_t *weights = malloc(bin + !bin);
    struct graph *graph = NULL;
    struct fm_error error = {.code = FM_OK};
    if (param && weights) {
        char *exact = realloc(param, text + !text);
        if (exact) param = exact;
        memcpy(param, data, text);
        if (bin) memcpy(weights, end + 1, bin);
        const int rc = ncnn_import(param, text, "fuzz.param", weights, bin, "fuzz.bin", &graph, &error);
        if (rc && (rc != (int) error.code || !error.message[0] || graph)) abort();
        if (!rc && (!graph || graph_check(graph, &error))) abort();
        if (graph) run(graph);
    }
    graph_destroy(&graph);
    free(weights);
    free(param);
    return 0;
}
