#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws a test card, enlarges it with `framemill run` and the shipped network, and compares the result with the same filter in
NumPy. Usage: tools/demo.py PROGRAM [FOLDER]"""
import os
import struct
import subprocess
import sys
import zlib

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "models"))
sys.dont_write_bytecode = True
from make_lanczos2x import phases  # noqa: E402


def test_card(height, width):
    """[1, 3, height, width]: a zone plate, a ramp per channel, hard edges."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    cx, cy = width * 0.38, height * 0.5
    zone = 0.5 + 0.5 * np.cos(((x - cx) ** 2 + (y - cy) ** 2) * np.pi / width * 0.9)
    card = np.stack([zone, zone * (1 - y / height), zone * (0.4 + 0.6 * x / width)])
    right = x > width * 0.76
    bars = (np.floor((x - width * 0.76) / 8) + np.floor(y / 12)) % 2
    for channel, level in enumerate((0.95, 0.6, 0.15)):
        card[channel][right] = (bars * level + (1 - bars) * (1 - y / height) * 0.5)[right]
    return np.clip(card, 0, 1).astype(np.float32)[None]


def save_png(path, image):
    """image: [1, 3, height, width] in 0..1"""
    pixels = (np.clip(image[0], 0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def enlarge(image, axis):
    """The filter along one axis, by its definition: output 2 i + p sums the seven pixels around i with the weights of phase p."""
    pads = [(3, 3) if a == axis else (0, 0) for a in range(4)]
    padded = np.pad(image.astype(np.float64), pads, mode="edge")
    size = image.shape[axis]
    shape = list(image.shape)
    shape[axis] *= 2
    out = np.zeros(shape)
    for phase, weights in enumerate(phases()):
        where = [slice(None)] * 4
        where[axis] = slice(phase, None, 2)
        out[tuple(where)] = sum(w * np.take(padded, range(k, k + size), axis) for k, w in enumerate(weights))
    return out


def compare(card, result):
    """The same piece twice: pixels doubled, and enlarged by the network."""
    doubled = card.repeat(2, 2).repeat(2, 3)
    top, left, height, width = 250, 760, 240, 360
    piece = (slice(None), slice(None), slice(top, top + height), slice(left, left + width))
    line = np.ones((1, 3, height, 4), np.float32)
    return np.concatenate([doubled[piece], line, result[piece]], axis=3)


def main():
    program = sys.argv[1]
    folder = sys.argv[2] if len(sys.argv) > 2 else "build/demo"
    os.makedirs(folder, exist_ok=True)
    card = test_card(360, 640)
    np.save(f"{folder}/card.npy", card)
    save_png(f"{folder}/card.png", card)
    subprocess.run([program, "run", "models/lanczos2x.onnx", "-i", f"image={folder}/card.npy", "-o", folder, "--repeat", "10"], check=True)
    result = np.load(f"{folder}/output_0.npy")
    save_png(f"{folder}/enlarged.png", result)
    if result.shape == (1, 3, 720, 1280):
        save_png(f"{folder}/compare.png", compare(card, result))
    truth = np.clip(enlarge(enlarge(card, 2), 3), 0, 1)
    worst = float(np.abs(result - truth).max()) if result.shape == truth.shape else float("inf")
    print(f"{folder}/card.png {card.shape[3]}x{card.shape[2]} -> {folder}/enlarged.png {result.shape[3]}x{result.shape[2]}, "
          f"largest difference from the filter's definition {worst:.1e}")
    return 0 if worst < 1e-5 else 1


sys.exit(main())
