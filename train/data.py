#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Training pictures: prepared once, cached as one flat file for each kind of network, cropped at random from there.

What is prepared, by folder of shared/data/train (JPEG grain must not be learnt, so photos are shrunk first):

    CID22_512, gb82_cc0                as they are (512 and 576 pixels, clean)
    CLIC2025                           as they are, and at half size
    unsplash_squeeze, elementary_cc0   shrunk at least by 2, to 1400 pixels at most, and to half of that

Each large picture is followed in the file by the one shrunk from it. luma-xN.cache holds int16, luma * 128 (16 .. 235 studio,
finer than any 8-bit step); rgb-xN.cache holds uint8, planar. A crop is any 24-pixel cell of a small picture that is not flat,
moved by up to half a cell, in one of its eight flips and turns. Which crops a step gets depends on the seed and the step's
number alone, so a run that was cut off continues with the crops it would have had."""
import glob
import json
import os
import sys

import numpy as np
import torch

import pictures

WORK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "work")
CELL = 24
FLAT = 1.0  # mean step between neighbouring pixels of luma below which a cell has nothing to teach
LUMA_UNIT = 128
LONGEST = 1400


def sources():
    """(path, scale it is shrunk by before use) of every training picture."""
    for path in sorted(glob.glob(os.path.join(pictures.DATA, "train", "*", "*"))):
        folder = os.path.basename(os.path.dirname(path))
        if not path.lower().endswith((".webp", ".jpg", ".jpeg", ".png")):
            continue
        if folder in ("unsplash_squeeze", "elementary_cc0"):
            with pictures.Image.open(path) as image:
                scale = min(0.5, LONGEST / max(image.size))
            yield path, scale
            yield path, scale / 2
        else:
            yield path, 1.0
            if folder == "CLIC2025":
                yield path, 0.5


def cells(small):
    """Corners (y, x) of the cells of a small luma picture that are not flat."""
    across, down = np.abs(np.diff(small, axis=1))[:-1], np.abs(np.diff(small, axis=0))[:, :-1]
    detail = across + down
    rows, columns = detail.shape[0] // CELL, detail.shape[1] // CELL
    mean = detail[:rows * CELL, :columns * CELL].reshape(rows, CELL, columns, CELL).mean((1, 3))
    return [(int(y) * CELL, int(x) * CELL) for y, x in zip(*np.nonzero(mean > FLAT))]


def prepare(scale):
    """Writes the caches, complete or not at all."""
    os.makedirs(WORK, exist_ok=True)
    index = {"cell": [], "picture": []}
    at = {"luma": 0, "rgb": 0}
    files = {kind: open(os.path.join(WORK, f"{kind}-x{scale}.part"), "wb") for kind in at}
    for path, shrink in sources():
        large = pictures.read(path)
        if shrink < 1:
            large = pictures.resize(large, shrink)
        large = large[:large.shape[0] // scale * scale, :large.shape[1] // scale * scale]
        entry = {"name": os.path.relpath(path, pictures.DATA), "shrink": shrink}
        for part, picture in (("large", large), ("small", pictures.resize(large, 1 / scale))):
            y = pictures.luma(picture)
            entry[part] = {"height": picture.shape[0], "width": picture.shape[1], "luma": at["luma"], "rgb": at["rgb"]}
            at["luma"] += files["luma"].write(np.round(y * LUMA_UNIT).astype(np.int16).tobytes()) // 2
            at["rgb"] += files["rgb"].write(np.ascontiguousarray(picture.transpose(2, 0, 1)).tobytes())
        index["cell"] += [(len(index["picture"]), cell_y, cell_x) for cell_y, cell_x in cells(y)]
        index["picture"].append(entry)
        print(f"{len(index['picture']):4} {entry['name']} {large.shape[1]}x{large.shape[0]}", flush=True)
    for kind, file in files.items():
        file.close()
        os.replace(file.name, os.path.join(WORK, f"{kind}-x{scale}.cache"))
    with open(os.path.join(WORK, f"x{scale}.part"), "w") as file:
        json.dump(index, file)
    os.replace(file.name, os.path.join(WORK, f"x{scale}.json"))
    print(f"{len(index['picture'])} pictures, {len(index['cell'])} cells, {at['rgb'] / 1e6:.0f} MB of RGB")


def ready(scale):
    """The index of the caches, which are made when they are not there."""
    listed = os.path.join(WORK, f"x{scale}.json")
    if not os.path.exists(listed):
        prepare(scale)
    with open(listed) as file:
        return json.load(file)


class Crops:
    """Random crops as float tensors in 0..1 on a device: small [n][c][size][size] and large [n][c][scale size][scale size]."""

    def __init__(self, colour, scale, device="cpu", seed=1):
        index = ready(scale)
        flat = np.memmap(os.path.join(WORK, f"{colour}-x{scale}.cache"), np.int16 if colour == "luma" else np.uint8, "c")
        self.pixels = torch.from_numpy(flat).to(device)
        self.channels = 1 if colour == "luma" else 3
        self.unit = 1 / (255 * LUMA_UNIT) if colour == "luma" else 1 / 255
        self.scale, self.device, self.seed = scale, device, seed
        self.cell = torch.tensor(index["cell"])

        def table(part):
            return torch.tensor([[p[part]["height"], p[part]["width"], p[part][colour]] for p in index["picture"]])
        self.small, self.large = table("small"), table("large")

    def take(self, picture, y, x, size, turn):
        """The crops at (y, x) [n] of pictures [n], each flipped or turned by its three bits."""
        height, width, start = (column[:, None] for column in picture.T)
        line = torch.arange(size).expand(len(y), size)
        down = torch.where((turn & 1).bool()[:, None], size - 1 - line, line)
        right = torch.where((turn & 2).bool()[:, None], size - 1 - line, line)
        diagonal = (turn & 4).bool()[:, None]
        rows = torch.where(diagonal, down, down * width)
        columns = torch.where(diagonal, right * width, right)
        corner = start + y[:, None] * width + x[:, None] + torch.arange(self.channels) * height * width
        place = (corner[:, :, None] + rows[:, None])[..., None] + columns[:, None, None]
        return self.pixels[place.to(self.device)].float() * self.unit

    def batch(self, step, n, size):
        chance = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        cell = self.cell[torch.randint(len(self.cell), (n,), generator=chance)]
        small, large = self.small[cell[:, 0]], self.large[cell[:, 0]]
        moved = cell[:, 1:] + (CELL - size) // 2 + torch.randint(-CELL // 2, CELL // 2 + 1, (n, 2), generator=chance)
        corner = torch.minimum(moved.clamp(min=0), small[:, :2] - size)
        turn = torch.randint(8, (n,), generator=chance)
        y, x = corner.T
        return (self.take(small, y, x, size, turn),
                self.take(large, y * self.scale, x * self.scale, size * self.scale, turn))


if __name__ == "__main__":
    prepare(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
