#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Training pictures: prepared once, cached as one flat file for each kind of network, cropped at random from there.

What is prepared, by folder of shared/data/train (JPEG grain must not be learnt, so photos are shrunk first):

    CID22_512, gb82_cc0, CLIC2025      as they are (the first two 512 and 576 pixels, clean)
    unsplash_squeeze, elementary_cc0   shrunk at least by 2, to 2000 pixels at most

and each of these again and again, smaller by an eighth root of 2 each time, while it has 300 pixels and down to a third: photos are few, and the
same thing at another size teaches something new. Each large picture is followed in the file by the one shrunk from it. x2-h264 holds frames of moving clips that went through
H.264 after they were shrunk. luma-xN.cache holds int16, luma * 128 (16 .. 235 studio,
finer than any 8-bit step); rgb-xN.cache holds uint8, planar. A crop is any 24-pixel cell of a small picture that is not flat,
moved by up to half a cell, in one of its eight flips and turns. Which crops a step gets depends on the seed and the step's
number alone, so a run that was cut off continues with the crops it would have had."""
import glob
import json
import os
import subprocess
import sys
import tempfile
from fractions import Fraction

import numpy as np
import torch

import pictures

WORK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "work")
CELL = 24
FLAT = 1.0  # mean step between neighbouring pixels of luma below which a cell has nothing to teach
LUMA_UNIT = 128
LONGEST, SHORTEST, SIZES = 2000, 300, 13


def sources():
    """(path, scale it is shrunk by before use) of every training picture."""
    for path in sorted(glob.glob(os.path.join(pictures.DATA, "train", "*", "*"))):
        folder = os.path.basename(os.path.dirname(path))
        if not path.lower().endswith((".webp", ".jpg", ".jpeg", ".png")):
            continue
        with pictures.Image.open(path) as image:
            longest = max(image.size)
        whole = min(0.5, LONGEST / longest) if folder in ("unsplash_squeeze", "elementary_cc0") else 1.0
        for times in range(SIZES):
            scale = whole * 2 ** (-times / 8)
            if not times or scale * longest >= SHORTEST:
                yield path, scale


def cells(small):
    """Corners (y, x) of the cells of a small luma picture that are not flat."""
    across, down = np.abs(np.diff(small, axis=1))[:-1], np.abs(np.diff(small, axis=0))[:, :-1]
    detail = across + down
    rows, columns = detail.shape[0] // CELL, detail.shape[1] // CELL
    mean = detail[:rows * CELL, :columns * CELL].reshape(rows, CELL, columns, CELL).mean((1, 3))
    return [(int(y) * CELL, int(x) * CELL) for y, x in zip(*np.nonzero(mean > FLAT))]


def name_of(ratio, clips=False):
    """What the caches of a ratio are called: x2, x1.5, x2-h264."""
    return f"x{float(ratio):g}" + ("-h264" if clips else "")


class Cache:
    """The flat files while they are written; complete or not there at all."""

    def __init__(self, name, colours):
        os.makedirs(WORK, exist_ok=True)
        self.name = name
        self.at = {colour: 0 for colour in colours}
        self.files = {colour: open(os.path.join(WORK, f"{colour}-{name}.part"), "wb") for colour in colours}
        self.index = {"cell": [], "picture": []}

    def add(self, large, small, **entry):
        """A pair of pictures: RGB [h][w][3], or luma [h][w] when that is all there is."""
        for part, picture in (("large", large), ("small", small)):
            y = picture if picture.ndim == 2 else pictures.luma(picture)
            entry[part] = {"height": picture.shape[0], "width": picture.shape[1], **self.at}
            self.at["luma"] += self.files["luma"].write(np.round(y * LUMA_UNIT).astype(np.int16).tobytes()) // 2
            if "rgb" in self.files:
                self.at["rgb"] += self.files["rgb"].write(np.ascontiguousarray(picture.transpose(2, 0, 1)).tobytes())
        self.index["cell"] += [(len(self.index["picture"]), y_, x_) for y_, x_ in cells(y)]
        self.index["picture"].append(entry)

    def finish(self):
        for colour, file in self.files.items():
            file.close()
            os.replace(file.name, os.path.join(WORK, f"{colour}-{self.name}.cache"))
        with open(os.path.join(WORK, f"{self.name}.part"), "w") as file:
            json.dump(self.index, file)
        os.replace(file.name, os.path.join(WORK, f"{self.name}.json"))
        print(f"{self.name}: {len(self.index['picture'])} pictures, {len(self.index['cell'])} cells")


def prepare(ratio):
    ratio = Fraction(ratio)
    cache = Cache(name_of(ratio), ("luma", "rgb") if ratio.denominator == 1 else ("luma",))
    for path, shrink in sources():
        large = pictures.read(path)
        if shrink < 1:
            large = pictures.resize(large, shrink)
        unit = ratio.numerator
        large = large[:large.shape[0] // unit * unit, :large.shape[1] // unit * unit]
        small = pictures.resize(large, float(1 / ratio), [n // ratio.numerator * ratio.denominator for n in large.shape[:2]])
        cache.add(large, small, name=os.path.relpath(path, pictures.DATA), shrink=shrink)
    cache.finish()


def encoded(frames, quality, folder):
    """Luma frames [n][h][w] after H.264 at that constant rate factor. Raw 4:2:0 with grey chroma on both sides: a format of luma
    alone would be taken for full range, and scaled."""
    n, height, width = frames.shape
    clip = os.path.join(folder, "clip.mp4")
    plain = ["-f", "rawvideo", "-pix_fmt", "yuv420p"]
    grey = np.full((n, height * width // 2), 128, np.uint8)
    raw = np.concatenate([frames.reshape(n, -1), grey], axis=1)
    subprocess.run(["ffmpeg", "-v", "error", "-y", *plain, "-s", f"{width}x{height}", "-r", "25", "-i", "-", "-c:v", "libx264", "-preset",
                    "veryfast", "-crf", str(quality), "-threads", "1", clip], input=raw.tobytes(), check=True)
    raw = subprocess.run(["ffmpeg", "-v", "error", "-threads", "1", "-i", clip, *plain, "-"], stdout=subprocess.PIPE, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(n, -1)[:, :height * width].reshape(n, height, width)


CLIP, CLIP_FRAMES, CLIP_KEPT = 384, 10, (1, 4, 8)


def clip_of(large, chance):
    """A window moving over a picture: frames [n][CLIP][CLIP][3], and the same shrunk by 2 as 8-bit luma."""
    room = np.array(large.shape[:2]) - CLIP
    speed = chance.integers(-6, 7, 2)
    begin = chance.integers(0, np.maximum(room, 1), 2)
    frames = []
    for i in range(CLIP_FRAMES):
        y, x = np.clip(begin + speed * i, 0, room)
        frames.append(large[y:y + CLIP, x:x + CLIP])
    small = np.stack([pictures.luma(pictures.resize(frame, 0.5)) for frame in frames])
    return frames, np.round(small).astype(np.uint8)


def prepare_clips():
    """Moving windows over the training pictures, shrunk by 2, through H.264 at a quality of 20 to 35, each at random."""
    cache, chance = Cache(name_of(2, True), ("luma",)), np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        for path, shrink in sources():
            large = pictures.read(path)
            if shrink < 1:
                large = pictures.resize(large, shrink)
            if min(large.shape[:2]) < CLIP:
                continue
            quality = int(chance.integers(20, 36))
            frames, small = clip_of(large, chance)
            after = encoded(small, quality, folder)
            for i in CLIP_KEPT:
                cache.add(pictures.luma(frames[i]), after[i].astype(float), name=os.path.relpath(path, pictures.DATA), quality=quality)
    cache.finish()


def clip_pairs():
    """(name, large, small) as pictures.pairs gives them: frames of clips made of Kodak24 at qualities 22, 27 and 32. Grey."""
    chance = np.random.default_rng(2)
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, large, _) in enumerate(pictures.pairs("Kodak24", 2)):
            frames, small = clip_of(large, chance)
            after = encoded(small, (22, 27, 32)[i % 3], folder)
            kept = CLIP_KEPT[1]
            yield name, frames[kept], as_grey(after[kept])


def as_grey(luma):
    """The grey RGB picture of 8-bit studio luma."""
    grey = np.clip(np.round((luma.astype(float) - 16) * (255 / 219)), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, 2)


def ready(name):
    """The index of the caches of that name, which are made when they are not there."""
    listed = os.path.join(WORK, f"{name}.json")
    if not os.path.exists(listed):
        if name.endswith("-h264"):
            prepare_clips()
        else:
            prepare(Fraction(name[1:]))
    with open(listed) as file:
        return json.load(file)


class Crops:
    """Random crops as float tensors in 0..1 on a device: small [n][c][size][size] and large [n][c][ratio size][ratio size]."""

    def __init__(self, colour, name, ratio, device="cpu", seed=1):
        index = ready(name)
        flat = np.memmap(os.path.join(WORK, f"{colour}-{name}.cache"), np.int16 if colour == "luma" else np.uint8, "c")
        self.pixels = torch.from_numpy(flat).to(device)
        self.channels = 1 if colour == "luma" else 3
        self.unit = 1 / (255 * LUMA_UNIT) if colour == "luma" else 1 / 255
        self.ratio, self.device, self.seed = Fraction(ratio), device, seed
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
        whole = self.ratio.denominator  # only every so many small pixels do the two grids meet
        corner = torch.minimum(moved.clamp(min=0), small[:, :2] - size) // whole * whole
        turn = torch.randint(8, (n,), generator=chance)
        y, x = corner.T
        return (self.take(small, y, x, size, turn),
                self.take(large, self.enlarged(y), self.enlarged(x), self.enlarged(size), turn))

    def enlarged(self, n):
        return n * self.ratio.numerator // self.ratio.denominator


if __name__ == "__main__":
    for wanted in sys.argv[1:] or ["x2"]:
        ready(wanted)
