#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every network in models/: it loads, says what it is, has a card, and gives on a made-up picture what it gave when it was exported.

    test_shipped.py PROGRAM            the test
    test_shipped.py PROGRAM --write    after an export: stores what the networks give (shipped.json), once train/export.py has
                                       shown that this is what was trained"""
import glob
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
STORED = os.path.join(HERE, "shipped.json")
HEIGHT, WIDTH = 30, 44
TOLERANCE = 2e-4  # instruction sets round differently
KEYS = ("name", "version", "licence", "data", "scale", "colour", "range")
framemill = os.path.abspath(sys.argv[1])


def made_up(channels):
    """Waves, an edge and a bright spot: [1][channels][HEIGHT][WIDTH] in 0.1 .. 0.9."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = []
    for c in range(channels):
        wave = 0.2 * np.sin(x * (0.31 + 0.05 * c)) * np.cos(y * 0.23)
        edge = 0.3 * (x * 3 + y * 2 > 90 + 10 * c)
        spot = 0.15 * np.exp(-((x - 30) ** 2 + (y - 8) ** 2) / 12)
        planes.append(0.35 + wave + edge + spot)
    return np.clip(np.stack(planes), 0.1, 0.9).astype(np.float32)[None]


def metadata(path):
    text = subprocess.run([framemill, "models", "info", path], stdout=subprocess.PIPE, check=True, text=True).stdout
    found = {}
    for line in text.splitlines():
        if line.startswith("metadata") and " = " in line:
            key, value = line[len("metadata"):].strip().split(" = ", 1)
            found[key] = value
    return found


def output_of(path, channels, folder):
    source = os.path.join(folder, "in.npy")
    np.save(source, made_up(channels))
    subprocess.run([framemill, "run", path, "-i", source, "-o", folder], check=True, stdout=subprocess.DEVNULL)
    return np.load(os.path.join(folder, "output_0.npy"))


def summary(output):
    """Few numbers that no wrong output has: shape, mean, spread, and samples all over."""
    flat = output.astype(np.float64).ravel()
    return {"shape": list(output.shape), "mean": float(flat.mean()), "deviation": float(flat.std()),
            "samples": [float(v) for v in flat[np.linspace(0, flat.size - 1, 24).astype(int)]]}


def faults(name, path, stored, folder):
    said = metadata(path)
    for key in KEYS:
        if not said.get("framemill." + key):
            yield f"no framemill.{key}"
    if said.get("framemill.name") != name:
        yield f"is called {said.get('framemill.name')}"
    for file in (f"{name}.md", f"pictures/{name}.png"):
        if not os.path.exists(os.path.join(ROOT, "models", file)):
            yield f"models/{file} is missing"
    if name not in stored:
        yield "nothing is stored of it (--write)"
        return
    got, wanted = summary(output_of(path, 1 if said["framemill.colour"] == "luma" else 3, folder)), stored[name]
    if got["shape"] != wanted["shape"]:
        yield f"shape {got['shape']}, not {wanted['shape']}"
        return
    for key in ("mean", "deviation", "samples"):
        worst = np.abs(np.subtract(got[key], wanted[key])).max()
        if not worst <= TOLERANCE:
            yield f"{key} off by {worst:.2e}"


def main():
    networks = {os.path.basename(p)[:-5]: p for p in sorted(glob.glob(os.path.join(ROOT, "models", "*.onnx"))) if "lanczos" not in p}
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        if "--write" in sys.argv[2:]:
            found = {n: summary(output_of(p, 1 if metadata(p)["framemill.colour"] == "luma" else 3, folder)) for n, p in networks.items()}
            with open(STORED, "w") as file:
                json.dump(found, file, indent=1)
                file.write("\n")
            return 0
        with open(STORED) as file:
            stored = json.load(file)
        for name in sorted(set(networks) | set(stored)):
            wrong = list(faults(name, networks[name], stored, folder)) if name in networks else ["the file is missing"]
            for fault in wrong:
                print(f"FAILED {name}: {fault}", file=sys.stderr)
            passed, failed = passed + (not wrong), failed + bool(wrong)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
