#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What stills must reach, measured on this machine: each figure beside its bar. The exit code is 1 when one is missed.

    tools/bench_stills.py PROGRAM [1] [2] [3] [4] [5]    all five when none is named (docs/bench.md says what they are)

Needs `vips` (libvips-tools). Networks come from ../shared/data/models (FM_SHARED names another ../shared); parts without theirs are skipped."""
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import numpy as np

from bench_kit import cores, end, line, machine, measured, root, shared, skip

networks = os.path.join(shared, "data", "models")
realesr = os.path.join(networks, "realesr-animevideov3", "realesr-animevideov3-x2.param")
acnet = os.path.join(networks, "acnet", "acnet_gan.onnx")
shipped = os.path.join(root, "models", "lanczos2x.onnx")
program = ""


def picture(path, width, height, seed=0):
    """Slopes, waves, edges, a little noise; a larger one is more of the same."""
    slope = lambda at: np.minimum(at & 511, 511 - (at & 511))
    random = np.random.default_rng(seed)
    plain = path + ".ppm"
    with open(plain, "wb") as file:
        file.write(b"P6\n%d %d\n255\n" % (width, height))
        for top in range(0, height, 64):  # in strips: a process that is started counts what this one ever held as its own
            y, x = np.ogrid[top:min(top + 64, height), 0:width]
            tile = ((x >> 6) ^ (y >> 6)) & 1
            wave = np.where(tile, 34 * np.sin(2 * np.pi * y / 37) * np.sin(2 * np.pi * x / 23), 24)
            samples = 40 + np.stack([slope(x) + 0 * y, slope(y) + 0 * x, slope(x + y + 128)], 2) * 5 // 8 + wave[..., None]
            samples += random.integers(-4, 4, samples.shape)
            samples[(x + 3 * y) % 101 < 2] = 16
            file.write(np.clip(samples, 0, 255).astype(np.uint8).tobytes())
    subprocess.run(["vips", "copy", plain, path + "[compression=6]"], check=True)
    os.remove(plain)


def upscale(source, result, *more):
    return measured(program, "upscale", source, result, "--quiet", "--overwrite", "--strict", *more)


def rows(*arguments):
    text = subprocess.run([program, "bench", *arguments, "--json"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(one) for one in text.splitlines()]


def around_the_network(folder):
    print("1. 512x512 with realesr-animevideov3-x2: reading, converting and writing, over the network's time")
    if not os.path.exists(realesr):
        return skip("", realesr)
    shares, alone, listed = [], [], []
    for _ in range(5):  # turn by turn, so that both meet the same neighbours
        network = rows("network", realesr, "--size", "512x512", "--repeat", "5")[0]["median_ms"]
        one = rows("latency", realesr, "--sizes", "512", "--repeat", "7")[0]
        many = rows("throughput", realesr, "--sizes", "512", "--files", "8")[0]
        shares.append((one["read_ms"] + one["write_ms"] + one["compute_ms"] - one["network_ms"]) / one["network_ms"])
        alone.append(one["median_ms"] / network)
        listed.append(many["wall_s"] / many["pictures"] * 1e3 / network)
    print(f"   last turn: network alone {network:.0f} ms; read {one['read_ms']:.1f}, compute {one['compute_ms']:.0f}, of that the network "
          f"{one['network_ms']:.0f}, write {one['write_ms']:.1f}, "
          f"whole {one['median_ms']:.0f} ms; in a list {many['wall_s'] / many['pictures'] * 1e3:.0f} ms a picture")
    share = statistics.median(shares)
    line("read + convert + write, busy time", f"{share:.1%} ({min(shares):.1%} - {max(shares):.1%})", "<= 10 %", share <= 0.10)
    line("one picture at a time, over the network alone", f"{statistics.median(alone):.3f}", "", None)
    line("a list of pictures, each, over the network alone", f"{statistics.median(listed):.3f}", "", None)


def huge(folder):
    print("2. 4096x4096 PNG, x2, --memory 512M: memory, and time against 2048x2048")
    small, large, result = (os.path.join(folder, name) for name in ("2048.png", "4096.png", "huge.png"))
    picture(small, 2048, 2048)
    picture(large, 4096, 4096)
    for name, turns, more in (("plain Lanczos", 5, ("-m", "lanczos")), ("realesr-animevideov3-x2", 2, ("-m", realesr))):
        if more and not os.path.exists(realesr):
            skip(name, realesr)
            continue
        times, peaks = {small: [], large: []}, []
        for _ in range(turns):
            for source in (small, large):
                wall, _, peak = upscale(source, result, "-s", "2", "--memory", "512M", *more)
                times[source].append(wall)
                peaks.append(peak)
        short, long = (statistics.median(times[source]) for source in (small, large))
        line(f"{name}: peak resident", f"{max(peaks) / 1e6:.0f} MB", "<= 600 MB", max(peaks) <= 600e6)
        line(f"{name}: {short:.2f} s, {long:.2f} s: time per pixel", f"{long / short / 4:.3f}", "<= 1.1", long / short / 4 <= 1.1)


def hundred(folder):
    print("3. a folder of 100 pictures: wall time over processor time / processors")
    source, result = os.path.join(folder, "hundred"), os.path.join(folder, "hundred-out")
    os.makedirs(source)
    for i in range(100):
        width, height = ((512, 512), (640, 480), (480, 640), (800, 600), (300, 200))[i % 5]
        picture(os.path.join(source, f"{i:03}.png"), width, height, i)
    for name, more in (("plain Lanczos", ("-m", "lanczos")), ("lanczos2x", ("-m", shipped)), ("acnet_gan", ("-m", acnet))):
        if more and not os.path.exists(more[1]):
            skip(name, more[1])
            continue
        ratios = []
        for _ in range(3):
            shutil.rmtree(result, ignore_errors=True)
            wall, cpu, _ = upscale(source, result, *more)
            ratios.append(wall / (cpu / cores))
        ratio = statistics.median(ratios)
        line(f"{name}: {wall:.2f} s, {cpu:.2f} CPU seconds", f"{ratio:.3f} ({min(ratios):.2f} - {max(ratios):.2f})", "<= 1.10", ratio <= 1.10)


def tiny(folder):
    print("4. 64x64 with a small network, over `vips copy` of the same file")
    source, result = os.path.join(folder, "64.png"), os.path.join(folder, "64-out.png")
    picture(source, 64, 64)
    for name, model in (("lanczos2x", shipped), ("acnet_gan", acnet)):
        if not os.path.exists(model):
            skip(name, model)
            continue
        copies, ours = [], []
        for _ in range(21):
            copies.append(measured("vips", "copy", source, result)[0])
            ours.append(upscale(source, result, "-m", model)[0])
        copy, mine = (statistics.median(times) * 1e3 for times in (copies, ours))
        line(f"{name}: {mine:.0f} ms, vips copy {copy:.0f} ms", f"{mine - copy:+.0f} ms", "<= 60 ms", mine - copy <= 60)


def same_in_tiles(folder):
    print("5. tiled is whole, byte for byte: tiles of 64, 200 and 512")
    source = os.path.join(folder, "tiles.png")
    picture(source, 701, 545)
    found = sorted(os.path.join(place, name) for place, _, names in os.walk(networks) for name in names if name.endswith((".onnx", ".param")))
    if not found:
        skip("", networks)
    for model in found:
        results, tiles = [], []
        for tile in (0, 64, 200, 512):
            result = os.path.join(folder, f"tile-{tile}.png")
            text = subprocess.run([program, "upscale", source, result, "-m", model, "--strict", "--overwrite", "--quiet", "--json", "-t", str(tile),
                                   "--memory", "8G"], check=True, stdout=subprocess.PIPE, text=True).stdout
            tiles.append(json.loads(text)["files"][0]["tile"]["count"])
            with open(result, "rb") as file:
                results.append(file.read())
        same = tiles[0] == 1 and min(tiles[1:]) > 1 and all(one == results[0] for one in results[1:])
        line(os.path.basename(model), f"{' / '.join(map(str, tiles))} tiles", "all equal", same)


def main():
    global program
    program = os.path.abspath(sys.argv[1])
    parts = (around_the_network, huge, hundred, tiny, same_in_tiles)
    wanted = [int(text) for text in sys.argv[2:]] or range(1, len(parts) + 1)
    if not shutil.which("vips"):
        sys.exit("bench_stills: vips is not there (Debian: libvips-tools)")
    machine()
    for number in wanted:
        with tempfile.TemporaryDirectory(prefix="framemill-stills-") as folder:
            parts[number - 1](folder)
    return end()


sys.exit(main())
