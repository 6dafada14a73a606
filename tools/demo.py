#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The main job on the shipped samples: enlarges the clip with `framemill upscale`, says how fast that went and where the result is, and
makes a picture of a detail beside the same plainly enlarged. Then the sample picture, by the best shipped network, and by the shipped
Lanczos filter, whose result is compared with the same filter in NumPy. Usage: tools/demo.py PROGRAM [FOLDER [SECONDS OF THE CLIP]]"""
import json
import os
import struct
import subprocess
import sys
import zlib

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "models"))
sys.dont_write_bytecode = True
from make_lanczos2x import phases  # noqa: E402


def unfilter(kind, row, above, step):
    """One row of a PNG, its filter undone."""
    row = row.astype(np.int64)
    if kind == 0:
        return row & 255
    if kind == 2:
        return (row + above) & 255
    for i in range(len(row)):
        left, corner = (row[i - step], above[i - step]) if i >= step else (0, 0)
        if kind == 1:
            guess = left
        elif kind == 3:
            guess = (left + above[i]) // 2
        else:
            p = left + above[i] - corner
            guess = min((abs(p - left), 0, left), (abs(p - above[i]), 1, above[i]), (abs(p - corner), 2, corner))[2]
        row[i] = (row[i] + guess) & 255
    return row


def load_png(path):
    """8-bit RGB, not interlaced -> [height, width, 3]"""
    data, at, body = open(path, "rb").read(), 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        chunk, at = data[at + 8:at + 8 + length], at + 12 + length
        if kind == b"IHDR":
            width, height, bits, colour = struct.unpack(">IIBB", chunk[:10])
            assert (bits, colour, chunk[12]) == (8, 2, 0), f"{path}: not plain 8-bit RGB"
        if kind == b"IDAT":
            body += chunk
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, 1 + width * 3)
    out, above = [], np.zeros(width * 3, np.int64)
    for row in rows:
        above = unfilter(row[0], row[1:], above, 3)
        out.append(above)
    return np.array(out, np.uint8).reshape(height, width, 3)


def enlarge(image, axis):
    """The filter along one axis, by its definition: output 2 i + p sums the seven pixels around i with the weights of phase p."""
    pads = [(3, 3) if a == axis else (0, 0) for a in range(3)]
    padded = np.pad(image.astype(np.float64), pads, mode="edge")
    size = image.shape[axis]
    shape = list(image.shape)
    shape[axis] *= 2
    out = np.zeros(shape)
    for phase, weights in enumerate(phases()):
        where = [slice(None)] * 3
        where[axis] = slice(phase, None, 2)
        out[tuple(where)] = sum(w * np.take(padded, range(k, k + size), axis) for k, w in enumerate(weights))
    return out


CLIP, PICTURE = (os.path.join(ROOT, "samples", name) for name in ("harbour.mp4", "harbour.png"))

# One frame, a part of it, large: what docs/before_after.webp shows.
DETAIL = "--compare side --start 1 --duration 0.03 --crop 160x100+222+106 -s 4 -e quality=90".split()


def film(program, folder, seconds):
    """The clip, with sound and all; a report in figures; one detail of it, before and after."""
    result = f"{folder}/harbour_720p.mp4"
    done = subprocess.run([program, "upscale", CLIP, result, "--overwrite", "--json",
                           *(["--duration", seconds] if seconds else [])], check=True,
                          stdout=subprocess.PIPE)
    report = json.loads(done.stdout)["videos"][0]
    print(f"{result}: samples/harbour.mp4 {report['in_width']}x{report['in_height']} -> {report['out_width']}x{report['out_height']}, "
          f"{report['frames']} frames by {report['how']} and {report['encoder']}, {report['fps']:.1f} frames a second")
    subprocess.run([program, "upscale", CLIP, f"{folder}/before_after%d.webp", *DETAIL, "--overwrite", "--quiet"], check=True)
    os.replace(f"{folder}/before_after1.webp", f"{folder}/before_after.webp")
    print(f"{folder}/before_after.webp: a detail of one frame four times as large, plainly enlarged on the left, by framemill on the right")
    return report["outcome"] == "done"


def still(program, folder):
    plain, result = f"{folder}/harbour_lanczos.png", f"{folder}/harbour_2x.png"
    subprocess.run([program, "upscale", PICTURE, plain, "-m", os.path.join(ROOT, "models", "lanczos2x.onnx"), "--overwrite"],
                   check=True)
    subprocess.run([program, "upscale", PICTURE, result, "--strict", "--overwrite"], check=True)
    before, after = load_png(PICTURE), load_png(plain)
    truth = np.clip(enlarge(enlarge(before, 0), 1), 0, 255)
    worst = float(np.abs(after - truth).max()) if after.shape == truth.shape else float("inf")
    sharp = load_png(result)
    print(f"{plain}: by the shipped Lanczos filter, largest difference from its definition {worst:.2f} of 255 (rounding alone: 0.5)")
    print(f"{result}: samples/harbour.png {before.shape[1]}x{before.shape[0]} -> {sharp.shape[1]}x{sharp.shape[0]} by the best shipped network")
    return worst < 0.51 and sharp.shape == after.shape


def main():
    program = sys.argv[1]
    folder = sys.argv[2] if len(sys.argv) > 2 else "build/demo"
    seconds = sys.argv[3] if len(sys.argv) > 3 else None
    os.makedirs(folder, exist_ok=True)
    return 0 if film(program, folder, seconds) & still(program, folder) else 1


if __name__ == "__main__":
    sys.exit(main())
