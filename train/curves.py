#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""train/logs/curves.svg: PSNR on the validation pictures against steps, of every training whose log is in train/logs."""
import csv
import glob
import math
import os

import networks

LOGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "logs")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 480, 70, 130, 30, 50
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333")


def curve(path):
    name = os.path.splitext(os.path.basename(path))[0]
    recipe = networks.RECIPES[name]
    with open(path) as file:
        rows = list(csv.DictReader(file))
    return name, [(recipe.steps(int(r["cycle"]) - 1) + int(r["step"]), float(r["kodak_psnr"])) for r in rows]


def plot(curves):
    steps = [s for _, points in curves for s, _ in points]
    values = [v for _, points in curves for _, v in points]
    low, high = math.floor(min(values) * 5) / 5, math.ceil(max(values) * 5) / 5
    first, last = math.log(min(steps)), math.log(max(steps) * 1.02)

    def x(step):
        return LEFT + (math.log(step) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(value):
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">'
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    for tick in (1000, 2000, 4000, 8000, 16000, 24000, 32000, 56000):
        if first <= math.log(tick) <= last:
            yield f'<path d="M{x(tick):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/><text x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:,}</text>'
    for i in range(round((high - low) * 5) + 1):
        value = low + i / 5
        yield f'<path d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/><text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.1f}</text>'
    yield f'<text x="{(WIDTH - RIGHT + LEFT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">steps</text>'
    yield f'<text x="{LEFT}" y="18">PSNR of luma on Kodak24 (its windows after H.264 for -h264), dB</text>'
    taken = []
    for i, (name, points) in enumerate(sorted(curves, key=lambda c: -c[1][-1][1])):
        colour = COLOURS[i % len(COLOURS)]
        yield f'<polyline fill="none" stroke="{colour}" stroke-width="1.8" points="{" ".join(f"{x(s):.1f},{y(v):.1f}" for s, v in points)}"/>'
        at = y(points[-1][1])
        while any(abs(at - other) < 13 for other in taken):
            at += 3
        taken.append(at)
        yield f'<text x="{WIDTH - RIGHT + 8}" y="{at + 4:.1f}" fill="{colour}">{name} {points[-1][1]:.2f}</text>'
    yield "</svg>"


def main():
    curves = [curve(path) for path in sorted(glob.glob(os.path.join(LOGS, "*.csv")))]
    with open(os.path.join(LOGS, "curves.svg"), "w") as file:
        file.write("\n".join(plot([c for c in curves if c[1]])) + "\n")


if __name__ == "__main__":
    main()
