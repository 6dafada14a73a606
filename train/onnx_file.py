# SPDX-License-Identifier: MIT
"""Writes ONNX files: one protobuf message, of which the few fields that a chain of convolutions needs are put together by hand, so
that no package is needed. The same in reverse would be longer: what was written is checked by running it."""
import struct

import numpy as np

TYPES = {"float32": 1, "int64": 7, "float16": 10}


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def number(field, value):
    return varint(field << 3) + varint(value)


def block(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def attribute(name, value):
    """An AttributeProto: a number, a list of integers or a string."""
    body = block(1, name)
    if isinstance(value, str):
        return body + block(4, value) + number(20, 3)
    if isinstance(value, float):
        return body + varint(2 << 3 | 5) + struct.pack("<f", value) + number(20, 1)
    if isinstance(value, int):
        return body + number(3, value) + number(20, 2)
    return body + b"".join(number(8, v) for v in value) + number(20, 7)


def tensor(name, array):
    dims = b"".join(number(1, d) for d in array.shape)
    return dims + number(2, TYPES[str(array.dtype)]) + block(8, name) + block(9, np.ascontiguousarray(array).tobytes())


def port(name, dims):
    """A ValueInfoProto of float32; names stand for open dimensions."""
    shape = b"".join(block(1, number(1, d) if isinstance(d, int) else block(2, d)) for d in dims)
    return block(1, name) + block(2, block(1, number(1, 1) + block(2, shape)))


class Graph:
    """Collects nodes and weights. Weights are stored as half floats, and made float32 by Cast when the file is loaded."""

    def __init__(self, name):
        self.name, self.nodes, self.casts, self.weights, self.ports = name, [], [], [], []

    def node(self, op, inputs, output, **attributes):
        body = b"".join(block(1, name) for name in inputs) + block(2, output) + block(3, output) + block(4, op)
        self.nodes.append(block(1, body + b"".join(block(5, attribute(key, value)) for key, value in attributes.items())))
        return output

    def half(self, name, array):
        self.weights.append(block(5, tensor(name + ".half", array.astype(np.float16))))
        self.casts.append(name)
        return name

    def whole(self, name, array):
        self.weights.append(block(5, tensor(name, array)))
        return name

    def input(self, name, dims):
        self.ports.append(block(11, port(name, dims)))

    def output(self, name, dims):
        self.ports.append(block(12, port(name, dims)))

    def file(self, opset, metadata, description):
        body, self.nodes = self.nodes, []
        for name in self.casts:
            self.node("Cast", [name + ".half"], name, to=1)
        graph = b"".join(self.nodes + body) + block(2, self.name) + b"".join(self.weights + self.ports)
        out = number(1, 8) + block(2, "framemill") + block(6, description) + block(7, graph)
        out += block(8, block(1, "") + number(2, opset))
        return out + b"".join(block(14, block(1, key) + block(2, value)) for key, value in metadata.items())
