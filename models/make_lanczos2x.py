#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes lanczos2x.onnx: Lanczos-3 enlargement by two, written as a network. Nothing is trained: the four phases of the filter are
the weights of one grouped convolution, pixel shuffle interleaves them.

    image [1, 3, height, width] in 0..1 -> Pad (edge, 3) -> Conv 7x7, 3 groups, 3 -> 12 -> DepthToSpace 2 (CRD) -> Clip 0..1

An ONNX file is one protobuf message; the few fields that are needed are written here by hand, so that no package is."""
import os
import sys

import numpy as np


def varint(n):
    n &= (1 << 64) - 1
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
    """An AttributeProto: an integer, a list of integers or a string."""
    body = block(1, name)
    if isinstance(value, str):
        return body + block(4, value) + number(20, 3)
    if isinstance(value, int):
        return body + number(3, value) + number(20, 2)
    return body + b"".join(number(8, v) for v in value) + number(20, 7)


def node(op, inputs, output, **attributes):
    body = b"".join(block(1, name) for name in inputs) + block(2, output) + block(3, op.lower()) + block(4, op)
    return body + b"".join(block(5, attribute(name, value)) for name, value in attributes.items())


def tensor(name, array):
    types = {"float32": 1, "int64": 7}
    return b"".join(number(1, d) for d in array.shape) + number(2, types[str(array.dtype)]) + block(8, name) + block(9, array.tobytes())


def port(name, dims):
    """A ValueInfoProto of float32; names stand for open dimensions."""
    shape = b"".join(block(1, number(1, d) if isinstance(d, int) else block(2, d)) for d in dims)
    return block(1, name) + block(2, block(1, number(1, 1) + block(2, shape)))


def lanczos3(x):
    return np.sinc(x) * np.sinc(x / 3) * (np.abs(x) < 3)


def phases():
    """[phase][tap]: weights of the pixels i - 3 .. i + 3 for the output pixels 2 i and 2 i + 1, whose centres lie 1/4 pixel off."""
    taps = np.arange(-3, 4)
    weights = np.array([lanczos3(taps + 0.25), lanczos3(taps - 0.25)])
    return weights / weights.sum(1, keepdims=True)


def weights():
    """[channel * 4 + phase_y * 2 + phase_x][1][7][7]"""
    one = np.einsum("ai,bj->abij", phases(), phases()).reshape(4, 1, 7, 7)
    return np.tile(one, (3, 1, 1, 1)).astype(np.float32)


def model():
    edge = np.array([0, 0, 3, 3, 0, 0, 3, 3], np.int64)
    graph = block(1, node("Pad", ["image", "pads"], "padded", mode="edge"))
    graph += block(1, node("Conv", ["padded", "phases"], "interleaved", group=3, kernel_shape=[7, 7]))
    graph += block(1, node("DepthToSpace", ["interleaved"], "sharp", blocksize=2, mode="CRD"))
    graph += block(1, node("Clip", ["sharp", "black", "white"], "enlarged"))
    graph += block(2, "lanczos2x")
    graph += block(5, tensor("pads", edge)) + block(5, tensor("phases", weights()))
    graph += block(5, tensor("black", np.array(0, np.float32))) + block(5, tensor("white", np.array(1, np.float32)))
    graph += block(11, port("image", [1, 3, "height", "width"])) + block(12, port("enlarged", [1, 3, "2*height", "2*width"]))
    facts = (("scale", "2"), ("colour", "rgb"), ("range", "0..1"), ("name", "lanczos2x"), ("version", "2"), ("licence", "MIT"))
    metadata = b"".join(block(14, block(1, "framemill." + key) + block(2, value)) for key, value in facts)
    return number(1, 8) + block(2, "framemill") + block(7, graph) + block(8, block(1, "") + number(2, 13)) + metadata


if __name__ == "__main__":
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "lanczos2x.onnx")
    with open(path, "wb") as file:
        file.write(model())
