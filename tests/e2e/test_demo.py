#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The shipped network is what its script writes, the demo enlarges the clip and agrees with the filter's definition, the example program runs
and fails as it should. Usage: test_demo.py FRAMEMILL EXAMPLE [CASE...] [--times], from the project's root."""
import os
import subprocess
import sys

import numpy as np

sys.path.insert(0, "tools")
sys.dont_write_bytecode = True
example = sys.argv.pop(2)
from demo import load_png  # noqa: E402
from film_kit import framemill, main  # noqa: E402


def run(*command):
    """(exit code, output, errors)"""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return done.returncode, done.stdout, done.stderr


def network_is_reproduced(folder):
    path = os.path.join(folder, "again.onnx")
    code, _, errors = run(sys.executable, "models/make_lanczos2x.py", path)
    assert code == 0, errors
    assert open(path, "rb").read() == open("models/lanczos2x.onnx", "rb").read(), "models/lanczos2x.onnx is not what the script writes"


def demo_is_right(folder):
    code, output, errors = run(sys.executable, "tools/demo.py", framemill, folder, "0.2")
    assert code == 0, output + errors
    assert "640x360 -> 1280x720, 6 frames by rt14 x2" in output and "frames a second" in output, output
    film = os.path.join(folder, "harbour_720p.mp4")
    code, found, errors = run("ffprobe", "-v", "error", "-count_packets", "-show_entries",
                              "stream=codec_name,width,height,nb_read_packets", "-of", "csv=p=0", film)
    assert code == 0 and found.splitlines()[0] == "h264,1280,720,6" and found.splitlines()[1].startswith("aac,"), found + errors
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", os.path.join(folder, "before_after.webp"), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
                         stdout=subprocess.PIPE, check=True).stdout
    both = np.frombuffer(raw, np.uint8).reshape(400, 1280, 3).astype(int)
    before, after = both[:, :640], both[:, 640:]
    assert 1 < abs(after - before).mean() < 12, abs(after - before).mean()  # one picture twice
    edges = [abs(np.diff(half.mean(axis=2), axis=1)).mean() for half in (before, after)]
    assert edges[1] > 1.05 * edges[0], f"not sharper: {edges}"
    sharp, plain = (load_png(os.path.join(folder, name)).astype(int) for name in ("harbour_2x.png", "harbour_lanczos.png"))
    apart = abs(sharp - plain).mean()  # another picture, but the same one
    assert sharp.shape == plain.shape and 0.3 < apart < 6, apart


def sample_is_reproduced(folder):
    path = os.path.join(folder, "again.png")
    code, _, errors = run(sys.executable, "samples/draw_harbour.py", path)
    assert code == 0, errors
    drawn, shipped = load_png(path).astype(int), load_png("samples/harbour.png").astype(int)
    assert drawn.shape == shipped.shape, drawn.shape
    assert abs(drawn - shipped).mean() < 0.05, "samples/harbour.png is not what the script draws"  # processors differ in a sine's last bit


def example_runs(folder):
    assert run(example, "models/lanczos2x.onnx") == (0, "float32: 1 3 128 128\n", "")


def example_names_the_fault(folder):
    code, output, errors = run(example, "models/none.onnx")
    assert code == 1 and output == "" and "models/none.onnx" in errors, errors
    assert run(example)[0] == 2


main((network_is_reproduced, sample_is_reproduced, demo_is_right, example_runs, example_names_the_fault))
