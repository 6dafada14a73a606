/* SPDX-License-Identifier: MIT */
/* An ONNX file from anywhere: import it, and when that works fix its sizes, rewrite it, and run it while it is tiny. Nothing may
 * crash, read outside, leak or ask for memory out of proportion. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "model/model.h"
#include "model/onnx_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
/* libFuzzer's own; not there when a corpus is only replayed, where nothing is mutated. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size) __attribute__((weak));

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

/* ---- mutation that keeps lengths right ----
 * Changing bytes at random nearly always breaks a length, and the importer refuses at once. So one field of one message, however
 * deep, is changed, and the lengths around it are written anew. Now and then the bytes are changed at random all the same. */

struct mutation {
    uint64_t random;
    uint8_t *out; /* [max] */
    size_t size, max;
};

static uint32_t draw(struct mutation *m, uint32_t below)
{
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (m->random >> 33) % below;
}

static void emit(struct mutation *m, const uint8_t *data, size_t size)
{
    if (size > m->max - m->size)
        size = m->max - m->size;
    if (size)
        memcpy(m->out + m->size, data, size);
    m->size += size;
}

static void emit_varint(struct mutation *m, uint64_t value)
{
    do {
        const uint8_t byte = (uint8_t) ((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        emit(m, &byte, 1);
        value >>= 7;
    } while (value);
}

static void mutate_message(struct mutation *m, struct onnx_view message, int depth);

static void mutate_payload(struct mutation *m, const struct onnx_field *f, int depth)
{
    static const int64_t odd[] = { 0, 1, -1, 2, 3, 4, 5, 7, 8, 16, 100, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, 65536 };
    struct mutation inner = { m->random, NULL, 0, m->max };
    struct onnx_wire wire = onnx_wire_open(f->bytes);
    struct onnx_field first;
    emit_varint(m, (uint64_t) f->number << 3 | f->type);
    if (f->type == WIRE_VARINT) {
        emit_varint(m, draw(m, 4) ? (uint64_t) odd[draw(m, sizeof(odd) / sizeof(odd[0]))] : f->value ^ 1u << draw(m, 8));
        return;
    }
    inner.out = malloc(m->max + 16);
    if (!inner.out)
        abort();
    if (f->type == WIRE_BYTES && depth < 12 && f->bytes.size > 1 && onnx_wire_next(&wire, &first) == 1 && draw(m, 8)) {
        mutate_message(&inner, f->bytes, depth + 1);
        m->random = inner.random;
    } else if (f->type == WIRE_BYTES) {
        emit(&inner, f->bytes.at, f->bytes.size);
        inner.size = LLVMFuzzerMutate(inner.out, inner.size, inner.size + 16 < m->max ? inner.size + 16 : m->max);
    } else {
        memcpy(inner.out, &f->value, 8);
        inner.size = f->type == WIRE_FIXED32 ? 4 : 8;
        LLVMFuzzerMutate(inner.out, inner.size, inner.size);
    }
    if (f->type == WIRE_BYTES)
        emit_varint(m, inner.size);
    emit(m, inner.out, inner.size);
    free(inner.out);
}

static void mutate_message(struct mutation *m, struct onnx_view message, int depth)
{
    struct onnx_wire wire = onnx_wire_open(message);
    struct onnx_field f, chosen = { .at = message.at }, other = chosen;
    uint32_t n = 0;
    while (onnx_wire_next(&wire, &f) == 1)
        n++;
    if (wire.fault || n == 0) {
        emit(m, message.at, message.size);
        m->size = LLVMFuzzerMutate(m->out, m->size, m->max);
        return;
    }
    const uint32_t pick = draw(m, n), second = draw(m, n), what = draw(m, 12);
    const uint8_t *ends[2] = { message.at, message.at };
    wire = onnx_wire_open(message);
    for (uint32_t i = 0; onnx_wire_next(&wire, &f) == 1; i++) {
        if (i == pick) {
            chosen = f;
            ends[0] = wire.at;
        }
        if (i == second) {
            other = f;
            ends[1] = wire.at;
        }
    }
    emit(m, message.at, (size_t) (chosen.at - message.at));
    if (what == 0) { /* a copy of another field before it */
        emit(m, other.at, (size_t) (ends[1] - other.at));
        emit(m, chosen.at, (size_t) (ends[0] - chosen.at));
    } else if (what == 1) { /* in its place */
        emit(m, other.at, (size_t) (ends[1] - other.at));
    } else if (what > 2) { /* 2: gone */
        mutate_payload(m, &chosen, depth);
    }
    emit(m, ends[0], (size_t) (message.at + message.size - ends[0]));
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    struct mutation m = { seed * 0x9e3779b97f4a7c15u + 1, malloc(max_size + 16), 0, max_size };
    if (!m.out)
        abort();
    if (draw(&m, 16) == 0 || size == 0) {
        free(m.out);
        return LLVMFuzzerMutate(data, size, max_size);
    }
    mutate_message(&m, (struct onnx_view){ data, size }, 0);
    memcpy(data, m.out, m.size);
    free(m.out);
    return m.size;
}
