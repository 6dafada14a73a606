#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pictures as the benchmark protocol wants them: MATLAB's antialiased bicubic imresize, its luma, PSNR and SSIM.

imresize on 8-bit pictures works rows first, then columns, rounds to 8 bits after each, and repeats the pixels at the edges. Run
as a program this file checks itself: the small pictures of Set5 and Set14 must come out of the large ones without a single
different byte."""
import glob
import math
import os
import sys
from fractions import Fraction

import numpy as np
from PIL import Image

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
DATA = os.path.join(os.environ.get("FM_SHARED", os.path.join(ROOT, "..", "shared")), "data")


def read(path):
    """[height][width][3] uint8; grey pictures get three equal channels."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def cubic(x):
    """Keys' kernel with a = -1/2."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0))


def taps(size, out, scale):
    """For each of `out` pixels the source pixels and their weights, [out][taps] both; widened by 1/scale when shrinking."""
    stretch = min(scale, 1.0)
    centre = (np.arange(out) + 0.5) / scale - 0.5
    first = np.floor(centre - 2 / stretch)
    index = first[:, None] + np.arange(math.ceil(4 / stretch) + 2)
    weight = cubic(stretch * (centre[:, None] - index))
    used = weight.any(axis=0)
    index, weight = index[:, used], weight[:, used]
    return np.clip(index, 0, size - 1).astype(int), (weight / weight.sum(1, keepdims=True))


def resize(picture, scale, out=None):
    """imresize(picture, scale, 'bicubic') of a uint8 picture [height][width][3]; out: (height, width) if not the sizes times
    scale."""
    height, width = out or [math.ceil(n * scale) for n in picture.shape[:2]]
    for axis, n in ((0, height), (1, width)):
        index, weight = taps(picture.shape[axis], n, scale)
        turned = np.moveaxis(picture, axis, 0)
        total = np.zeros((n,) + turned.shape[1:], np.float64)
        for k in range(index.shape[1]):
            total += turned[index[:, k]] * weight[:, k].reshape(-1, 1, 1)
        picture = np.moveaxis(np.clip(np.floor(total + 0.5), 0, 255).astype(np.uint8), 0, axis)
    return np.ascontiguousarray(picture)


def lanczos(x):
    """Three lobes."""
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


def enlarge_smoothly(picture, size):
    """What framemill does where it has no network: Lanczos, pixels' outer edges together, edges repeated, nothing rounded."""
    for axis, n in enumerate(size):
        centre = (np.arange(n) + 0.5) * picture.shape[axis] / n - 0.5
        index = np.floor(centre).astype(int)[:, None] + np.arange(-2, 4)
        weight = lanczos(centre[:, None] - index)
        weight /= weight.sum(1, keepdims=True)
        turned = np.moveaxis(picture, axis, 0).astype(np.float64)
        index = np.clip(index, 0, len(turned) - 1)
        picture = np.moveaxis(sum(turned[index[:, k]] * weight[:, k].reshape(-1, 1, 1) for k in range(6)), 0, axis)
    return picture


def luma(rgb):
    """BT.601 studio luma of RGB in 0..255, [..., 3] -> [...]: 16 .. 235, not rounded."""
    return rgb @ np.array([65.481, 128.553, 24.966]) / 255 + 16


def crop(picture, border):
    return picture[border:-border, border:-border]


def psnr(a, b):
    error = np.mean((a - b) ** 2)
    return 10 * math.log10(255 ** 2 / error) if error else math.inf


def blur(picture):
    """Gaussian of 11 taps, sigma 1.5, where it lies wholly within the picture."""
    weight = np.exp(-np.arange(-5, 6) ** 2 / 4.5)
    weight /= weight.sum()
    for axis in (0, 1):
        turned = np.moveaxis(picture, axis, 0)
        n = turned.shape[0] - 10
        picture = np.moveaxis(sum(w * turned[k:k + n] for k, w in enumerate(weight)), 0, axis)
    return picture


def ssim(a, b):
    """Wang's index, mean over the picture."""
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a ** 2, blur(b * b) - mean_b ** 2
    both = blur(a * b) - mean_a * mean_b
    c1, c2 = 2.55 ** 2, 7.65 ** 2
    return np.mean((2 * mean_a * mean_b + c1) * (2 * both + c2) / ((mean_a ** 2 + mean_b ** 2 + c1) * (var_a + var_b + c2)))


def shrunk(large, ratio):
    """The picture cut so that both sizes are whole, and what it is shrunk to."""
    ratio = Fraction(ratio)
    height, width = (n // ratio.numerator * ratio.numerator for n in large.shape[:2])
    large = large[:height, :width]
    return large, resize(large, float(1 / ratio), (int(height / ratio), int(width / ratio)))


def pairs(name, scale):
    """(name, large, small) of each picture of a test set: Set5 and Set14 with the small pictures as given, those of Kodak24 and of
    scales that are not given shrunk here."""
    folder = os.path.join(DATA, "valid" if name == "Kodak24" else "sr", name)
    if name == "Kodak24" or not glob.glob(os.path.join(folder, "**", f"*_SRF_{scale}_HR.png"), recursive=True):
        for path in sorted(glob.glob(os.path.join(folder, "*" if name == "Kodak24" else "**/*_SRF_2_HR.png"), recursive=True)):
            yield os.path.basename(path), *shrunk(read(path), scale)
        return
    found = glob.glob(os.path.join(DATA, "sr", name, "**", f"*_SRF_{scale}_HR.png"), recursive=True)
    for path in sorted(found):
        yield os.path.basename(path), read(path), read(path.replace("_HR.png", "_LR.png"))


def check():
    pictures = wrong = 0
    for name, scale in (("Set5", 2), ("Set5", 3), ("Set5", 4), ("Set14", 2)):
        for picture, large, small in pairs(name, scale):
            different = int(np.sum(resize(large, 1 / scale) != small))
            pictures, wrong = pictures + 1, wrong + (different > 0)
            if different:
                print(f"{name} {picture}: {different} bytes differ")
    print(f"{pictures} pictures shrunk, {wrong} differ from the given ones")
    return 1 if wrong or not pictures else 0


if __name__ == "__main__":
    sys.exit(check())
