#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How much of a network's work exact reuse could save on film, by how its layers are computed: the figures of docs/decisions/008.

    tools/reuse_trial.py [STEP]

Clips come from ../shared/data/video (FM_SHARED names another ../shared); of their frames every STEP-th is looked at (10). Needs ffmpeg and NumPy."""
import os
import subprocess
import sys

import numpy as np

CLIPS = (("bbb_480x360", "bbb_480x360_30fps_h264cbp_aac_10s.mp4", 480, 360), ("bbb_800x640", "bbb_800x640_30fps_h264high_bpyramid_4s.mp4", 800, 640),
         ("intel_bottles", "intel_bottles_640x360_h264high_40s.mp4", 640, 360))
WAYS = (("cells of 6, one grid", 6, False), ("cells of 6, grids interlock", 6, True), ("cells of 4, grids interlock", 4, True), ("no cells", 1, False))
# (kernel, whether it is computed in square cells, rows of its cells else, share of the network's time)
NETWORKS = {"rt9": ((5, False, 1, 0.12), (3, True, 1, 0.18), (3, True, 1, 0.18), (3, True, 1, 0.18), (5, False, 4, 0.34)),
            "rt14": ((3, False, 1, 0.06),) + 6 * ((3, True, 1, 0.14),) + ((3, False, 1, 0.10),)}


def along(marks, axis, reach, cell, lead):
    """Marks whole cells along an axis: those that read, up to `reach` beyond themselves, a marked pixel"""
    size = marks.shape[axis]
    zero = np.zeros_like(np.take(marks, [0], axis), np.int32)
    sums = np.concatenate([zero, np.cumsum(marks, axis=axis, dtype=np.int32)], axis)
    first = np.arange((size + lead + cell - 1) // cell) * cell - lead
    found = np.take(sums, np.clip(first + cell + reach, 0, size), axis) > np.take(sums, np.clip(first - reach, 0, size), axis)
    return np.take(np.repeat(found, cell, axis), np.arange(lead, lead + size), axis)


def both(marks, reach, rows=1, columns=1, lead=0):
    return along(along(marks, 0, reach, rows, lead), 1, reach, columns, lead)


def layers_of(network, cell, interlock):
    """(reach, rows and columns of a cell, how far before the picture the grid begins, share of time), from the first layer to the last"""
    lead = 0
    for kernel, square, rows, share in NETWORKS[network]:
        yield kernel // 2, cell if square else rows, cell if square else 1, lead % cell if square else 0, share
        lead += square and interlock


def saved(changed, layers):
    marks = changed
    for reach, rows, columns, lead, _ in layers:
        marks = both(marks, reach, rows, columns, lead)
    work = 0
    for reach, rows, columns, lead, share in reversed(layers):
        made = both(marks, 0, rows, columns, lead)
        work += share * made.mean()
        marks = both(made, reach)
    return 1 - work / sum(layer[4] for layer in layers)


def frames_of(path, width, height):
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"]
    data = np.frombuffer(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout, np.uint8).reshape(-1, width * height * 3 // 2)
    return data[:, :width * height].reshape(-1, height, width)


def main():
    step = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    folder = os.path.join(os.environ.get("FM_SHARED") or os.path.abspath("../shared"), "data", "video")
    for name, file, width, height in CLIPS:
        path = os.path.join(folder, file)
        if not os.path.exists(path):
            print(f"{name}: not there")
            continue
        frames = frames_of(path, width, height)
        changes = [frames[i] != frames[i - 1] for i in range(1, len(frames), step)]
        tiles = [1 - both(c, 8, 32, 32)[::32, ::32].mean() for c in changes]
        print(f"{name}: {np.mean(tiles):.0%} of tiles of 32x32, 8 around them included, equal the frame before")
        for way, cell, interlock in WAYS:
            shares = (f"{network} {np.mean([saved(c, list(layers_of(network, cell, interlock))) for c in changes]):.0%}" for network in NETWORKS)
            print(f"    {way}: saves", ", ".join(shares))


if __name__ == "__main__":
    main()
