/* SPDX-License-Identifier: MIT */
/* An ONNX file from anywhere: import it, and when that works fix its sizes, rewrite it, and run it while it is tiny. Nothing may
 * crash, read outside, leak or ask for memory out of proportion. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUTS_MAX 8
#define OPEN_DIM 5        /* what open dimensions become */
#define ELEMENTS_MAX 2048 /* of all values together, for a run */

static void broken(const char *what, const struct fm_error *error)
{
    fprintf(stderr, "%s: %s\n", what, error->message);
    abort();
}

/* Shapes for the inputs; false when the network asks for more or larger ones than are worth the time. */
static bool choose_inputs(const struct graph *graph, struct fm_tensor *in, int64_t *total)
{
    *total = 0;
    if (graph->n_inputs > INPUTS_MAX)
        return false;
    for (int k = 0; k < graph->n_inputs; k++) {
        const struct graph_value *v = &graph->value[graph->input[k]];
        in[k] = (struct fm_tensor){ .dtype = v->dtype, .rank = v->rank < 0 ? 2 : v->rank };
        for (int i = 0; i < in[k].rank; i++)
            in[k].dim[i] = v->rank < 0 || v->dim[i] < 0 ? OPEN_DIM : v->dim[i];
        const int64_t count = fm_tensor_count(&in[k]);
        if (count < 0 || count > 1 << 20)
            return false;
        *total += count;
    }
    return true;
}

/* All shapes are known and small. */
static bool is_tiny(const struct graph *graph)
{
    int64_t total = 0;
    for (int i = 0; i < graph->n_values; i++) {
        const struct graph_value *v = &graph->value[i];
        struct fm_tensor t = { .dtype = v->dtype, .rank = v->rank };
        if (v->rank < 0)
            return false;
        memcpy(t.dim, v->dim, sizeof(t.dim));
        const int64_t count = fm_tensor_count(&t);
        if (count < 0 || (total += count) > ELEMENTS_MAX)
            return false;
    }
    return graph->n_nodes <= 64 && graph->n_outputs <= INPUTS_MAX;
}

static void run(const struct graph *graph, struct fm_tensor *in, int64_t total)
{
    struct fm_tensor out[INPUTS_MAX] = { { .rank = 0 } };
    struct fm_error error;
    uint8_t *elements = core_calloc((size_t) total + 1, 8); /* zeros are good values of every type */
    for (int k = 0; k < graph->n_inputs; k++)
        in[k].data = elements;
    if (elements && graph_interpret(graph, in, out, &error) == 0)
        for (int k = 0; k < graph->n_outputs; k++)
            core_free(out[k].data);
    core_free(elements);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct graph *graph = NULL, *fixed = NULL;
    struct fm_tensor in[INPUTS_MAX];
    struct fm_error error = { .code = FM_OK };
    int64_t total;
    const int rc = onnx_import(data, size, "fuzz", NULL, &graph, &error);
    if ((rc == 0) != (graph != NULL) || (rc && (error.code != (enum fm_err) rc || !strstr(error.message, "fuzz"))))
        broken("a refusal that does not say its reason", &error);
    if (!graph)
        return 0;
    if (graph_check(graph, &error))
        broken("imported", &error);
    if (choose_inputs(graph, in, &total) && graph_specialise(graph, in, &fixed, &error) == 0) {
        if (graph_check(fixed, &error))
            broken("specialised", &error);
        if (is_tiny(fixed))
            run(fixed, in, total);
        if (graph_rewrite(fixed, &error) == 0 && graph_check(fixed, &error))
            broken("rewritten", &error);
    }
    graph_destroy(&fixed);
    graph_destroy(&graph);
    return 0;
}
