/* SPDX-License-Identifier: MIT */
#include "model/onnx_wire.h"

#include <string.h>

static bool fault(struct onnx_wire *wire, const char *why)
{
    wire->fault = why;
    return false;
}

bool onnx_wire_varint(struct onnx_wire *wire, uint64_t *value)
{
    const uint8_t *at = wire->at;
    uint64_t result = 0;
    if (at == wire->end)
        return false;
    for (int shift = 0; shift < 70; shift += 7) { /* ten bytes hold 64 bits */
        if (at == wire->end)
            return fault(wire, "a number is cut off");
        const uint8_t byte = *at++;
        if (shift == 63 && byte > 1)
            return fault(wire, "a number has more than 64 bits");
        result |= (uint64_t) (byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            wire->at = at;
            *value = result;
            return true;
        }
    }
    return fault(wire, "a number has more than 64 bits");
}

/* Protobuf is little endian; built from bytes, so that the machine's order does not matter. */
bool onnx_wire_fixed32(struct onnx_wire *wire, uint32_t *value)
{
    const uint8_t *b = wire->at;
    if (wire->end - b < 4)
        return b == wire->end ? false : fault(wire, "a 32-bit number is cut off");
    *value = (uint32_t) b[0] | (uint32_t) b[1] << 8 | (uint32_t) b[2] << 16 | (uint32_t) b[3] << 24;
    wire->at = b + 4;
    return true;
}

bool onnx_wire_fixed64(struct onnx_wire *wire, uint64_t *value)
{
    const uint8_t *b = wire->at;
    if (wire->end - b < 8)
        return b == wire->end ? false : fault(wire, "a 64-bit number is cut off");
    *value = 0;
    for (int i = 0; i < 8; i++)
        *value |= (uint64_t) b[i] << (8 * i);
    wire->at = b + 8;
    return true;
}

static bool read_bytes(struct onnx_wire *wire, struct onnx_field *field)
{
    uint64_t size;
    if (!onnx_wire_varint(wire, &size))
        return fault(wire, wire->fault ? wire->fault : "a length is missing");
    if (size > (uint64_t) (wire->end - wire->at))
        return fault(wire, "a length runs past the end of what holds it");
    field->bytes = (struct onnx_view){ wire->at, (size_t) size };
    wire->at += size;
    return true;
}

int onnx_wire_next(struct onnx_wire *wire, struct onnx_field *field)
{
    uint64_t key;
    uint32_t value32;
    memset(field, 0, sizeof(*field));
    field->at = wire->at;
    if (!onnx_wire_varint(wire, &key))
        return wire->fault ? -1 : 0;
    field->number = (uint32_t) (key >> 3);
    field->type = (enum onnx_wire_type) (key & 7);
    if (key >> 3 == 0 || key >> 32) {
        wire->fault = "a field has an impossible number";
        return -1;
    }
    bool good = false;
    switch (key & 7) {
    case WIRE_VARINT: good = onnx_wire_varint(wire, &field->value); break;
    case WIRE_FIXED64: good = onnx_wire_fixed64(wire, &field->value); break;
    case WIRE_FIXED32:
        good = onnx_wire_fixed32(wire, &value32);
        field->value = good ? value32 : 0;
        break;
    case WIRE_BYTES: good = read_bytes(wire, field); break;
    default: wire->fault = "a field has an unknown wire type"; break; /* 3 and 4 are groups, which ONNX has never used */
    }
    if (!good && !wire->fault)
        wire->fault = "a field has no payload";
    return good ? 1 : -1;
}
