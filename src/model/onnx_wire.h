/* SPDX-License-Identifier: MIT */
/* Reading protobuf's wire format in place: a message is a list of (field number, wire type, payload), nothing is copied and
 * nothing outside the given bytes is touched. Pure functions; any thread. */
#ifndef FM_MODEL_ONNX_WIRE_H
#define FM_MODEL_ONNX_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the file: a string, a nested message, packed numbers. */
struct onnx_view {
    const uint8_t *at; /* never NULL in a view that was read */
    size_t size;
};

enum onnx_wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct onnx_wire {
    const uint8_t *at, *end;
    const char *fault; /* why reading stopped, when it did */
};

struct onnx_field {
    uint32_t number;
    enum onnx_wire_type type;
    const uint8_t *at;     /* where the field begins, for messages */
    uint64_t value;        /* of the three number types */
    struct onnx_view bytes; /* of WIRE_BYTES */
};

static inline struct onnx_wire onnx_wire_open(struct onnx_view view)
{
    return (struct onnx_wire){ view.at, view.size ? view.at + view.size : view.at, NULL };
}

/* The next field: 1 filled, 0 the end, -1 damaged (wire->fault says why, wire->at where). */
int onnx_wire_next(struct onnx_wire *wire, struct onnx_field *field);

/* One number of a packed list: false at the end or when the list is damaged (then fault is set). */
bool onnx_wire_varint(struct onnx_wire *wire, uint64_t *value);
bool onnx_wire_fixed32(struct onnx_wire *wire, uint32_t *value);
bool onnx_wire_fixed64(struct onnx_wire *wire, uint64_t *value);

#endif
