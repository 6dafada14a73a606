#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a trained network as ONNX, ready to ship: branches and batch norms folded, weights as half floats, metadata inside;
then checks that the file computes what was trained, by running it with framemill.

    python3 train/export.py rt14 models/rt14.onnx --version 1.0"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import torch
from torch.nn import functional as F

import networks
import onnx_file
import pictures
import train

PHOTOS = "CID22_512 (CC BY-SA 4.0), CLIC2025 and unsplash_squeeze (Unsplash licence), gb82 and elementary (CC0)"


LOGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "logs")


def rounded(tensor):
    return tensor.half().float()


def run_steps(steps, x):
    """The folded network with its weights rounded to half floats, in PyTorch."""
    value = {"input": x}
    for name, kind, of, *rest in steps:
        at = value[of]
        if kind == "conv":
            at = F.conv2d(at, rounded(rest[0]), rounded(rest[1]), padding=rest[2])
        elif kind == "prelu":
            at = F.prelu(at, rounded(rest[0]))
        elif kind == "silu":
            at = F.silu(at)
        elif kind == "leaky":
            at = F.leaky_relu(at, rest[0])
        elif kind == "edges":
            at = F.pad(at, [rest[0]] * 4, "replicate")
        elif kind == "add":
            at = at + value[rest[0]]
        else:
            at = F.pixel_shuffle(at, rest[0])
        value[name] = at
    return at


def write(network, name, metadata):
    graph = onnx_file.Graph(name)
    channels = 1 if network.colour == "luma" else 3
    graph.input("input", [1, channels, "height", "width"])
    steps = networks.steps_of(network)
    for step, kind, of, *rest in steps:
        out = "output" if step == steps[-1][0] else step
        if kind == "conv":
            weights = [graph.half(f"{step}.weight", rest[0].numpy()), graph.half(f"{step}.bias", rest[1].numpy())]
            graph.node("Conv", [of] + weights, out, kernel_shape=list(rest[0].shape[2:]), pads=[rest[2]] * 4)
        elif kind == "prelu":
            graph.node("PRelu", [of, graph.half(f"{step}.slope", rest[0].numpy().reshape(-1, 1, 1))], out)
        elif kind == "edges":
            around = np.array([0, 0, rest[0], rest[0]] * 2, np.int64)
            graph.node("Pad", [of, graph.whole(f"{step}.pads", around)], out, mode="edge")
        elif kind == "silu":
            graph.node("Mul", [of, graph.node("Sigmoid", [of], f"{step}.sigmoid")], out)
        elif kind == "leaky":
            graph.node("LeakyRelu", [of], out, alpha=rest[0])
        elif kind == "add":
            graph.node("Add", [of, rest[0]], out)
        else:
            graph.node("DepthToSpace", [of], out, blocksize=rest[0], mode="CRD")
    sizes = [side if network.scale == 1 else f"{network.scale}*{side}" for side in ("height", "width")]
    graph.output("output", [1, channels, *sizes])
    what = f"sharpens what was enlarged ({network.before})" if network.before else f"enlarges by {network.scale}"
    return graph.file(13, metadata, f"{name}: {what}")


def metadata_of(network, name, version):
    found = {"framemill.scale": str(network.scale), "framemill.colour": network.colour, "framemill.range": "0..1",
             "framemill.name": name, "framemill.version": version, "framemill.licence": "MIT", "framemill.data": PHOTOS}
    if network.colour == "luma":
        found["framemill.levels"] = "studio"
    if network.before:
        found["framemill.before"] = network.before
    if networks.RECIPES[name].clips:
        found["framemill.data"] += ", after H.264 at CRF 20-35"
    return found


def check(network, path, program):
    """Largest difference from the network as trained: of the half-float weights in PyTorch, and of the file in framemill."""
    small = next(pictures.pairs("Kodak24", 2))[2]
    x = train.as_input(small, network.colour)
    with torch.no_grad():
        trained, halves = network(x).numpy(), run_steps(networks.steps_of(network), x).numpy()
    print(f"half floats against float32 weights: largest difference {np.abs(trained - halves).max():.2e}")
    if not program:
        print("not run: no framemill program (--program)")
        return True
    with tempfile.TemporaryDirectory() as folder:
        np.save(os.path.join(folder, "x.npy"), x.numpy())
        command = [program, "run", path, "-i", os.path.join(folder, "x.npy"), "-o", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        computed = np.load(os.path.join(folder, "output_0.npy"))
    worst = np.abs(computed - halves).max()
    print(f"framemill against PyTorch, same weights: largest difference {worst:.2e}")
    return computed.shape == trained.shape and worst < 1e-4


def main():
    built = os.path.join(pictures.ROOT, "build", "framemill")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=networks.RECIPES)
    parser.add_argument("output")
    parser.add_argument("--weights", help="a .pt file of train.py (default: the latest checkpoint)")
    parser.add_argument("--version", default="0.1")
    parser.add_argument("--program", default=built if os.path.exists(built) else None, help="framemill, to check the file with")
    parser.add_argument("--untrained", action="store_true", help="random weights: to measure speed before there are others")
    given = parser.parse_args()
    network = networks.make(given.name)
    if not given.untrained:
        train.load_weights(network, given.name, given.weights)
    network.eval()
    with open(given.output, "wb") as file:
        file.write(write(network, given.name, metadata_of(network, given.name, given.version)))
    log = train.file_of(given.name, ".csv")
    if os.path.exists(log) and not given.untrained:
        os.makedirs(LOGS, exist_ok=True)
        shutil.copyfile(log, os.path.join(LOGS, given.name + ".csv"))
    cost = networks.multiplies(network)
    print(f"{given.output}: {os.path.getsize(given.output)} bytes, {cost} multiply-adds a pixel of the input")
    return 0 if check(network, given.output, given.program) else 1


if __name__ == "__main__":
    sys.exit(main())
