#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Test pictures that went through H.264, for `framemill bench quality`:

    python3 train/compressed.py FOLDER        FOLDER/crf23, crf28, crf33: NAME_HR.png with NAME_LR.png

Frames of the real clips of shared/data/video and of windows moving over Kodak24 (none of it was trained on) are shrunk by 2, encoded
at that rate factor as clips of ten frames, and three of the ten decoded again. Grey: luma is what is measured."""
import glob
import os
import subprocess
import sys
import tempfile

import numpy as np

import data
import pictures

QUALITIES = (23, 28, 33)
CLIPS = ("androidx_room_1280x720*", "bbb_854x480_24fps_h264high_aac51_5s*", "mdn_flower_960x540*", "intel_car_768x432*", "androidx_city_640x360*")


def clip_frames(path):
    """Ten consecutive frames from the third second, as luma [10][h][w], even sizes after shrinking."""
    name = os.path.basename(path)
    size = next(part for part in name.split("_") if "x" in part and part[0].isdigit())
    width, height = map(int, size.split("x"))
    raw = subprocess.run(["ffmpeg", "-v", "error", "-ss", "2", "-i", path, "-frames:v", "10", "-f", "rawvideo", "-pix_fmt", "yuv420p",
                          "-"], stdout=subprocess.PIPE, check=True).stdout
    frames = np.frombuffer(raw, np.uint8).reshape(-1, height * width * 3 // 2)[:, :height * width].reshape(-1, height, width)
    return frames[:, :height // 4 * 4, :width // 4 * 4]


def shrunk(frames):
    """By 2, as 8-bit luma; imresize works on pictures of three channels."""
    return np.stack([pictures.resize(np.repeat(f[:, :, None], 3, 2), 0.5)[:, :, 0] for f in frames])


def write(folder, name, large, small):
    for kind, luma in (("HR", large), ("LR", small)):
        pictures.Image.fromarray(data.as_grey(luma)[:, :, 0]).save(os.path.join(folder, f"{name}_{kind}.png"))


def clips():
    """(name, frames as luma) of everything that is tested with."""
    for pattern in CLIPS:
        for path in glob.glob(os.path.join(pictures.DATA, "video", pattern)):
            yield os.path.basename(path).split(".")[0], clip_frames(path)
    chance = np.random.default_rng(3)
    for name, large, _ in pictures.pairs("Kodak24", 2):
        frames, _ = data.clip_of(large, chance)
        yield name.split(".")[0], np.stack([np.round(pictures.luma(f)).astype(np.uint8) for f in frames])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folders = {quality: os.path.join(sys.argv[1], f"crf{quality}") for quality in QUALITIES}
    for folder in folders.values():
        os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        for name, frames in clips():
            small = shrunk(frames)
            for quality, folder in folders.items():
                after = data.encoded(small, quality, temporary)
                for i in data.CLIP_KEPT:
                    write(folder, f"{name}_{i}", frames[i], after[i])


if __name__ == "__main__":
    main()
