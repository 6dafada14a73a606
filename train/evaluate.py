#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Quality of trained networks by the protocol: PSNR and SSIM of luma, 8-bit pictures, a border of `scale` pixels left out;
bicubic beside them.

    python3 train/evaluate.py rt3 rt14                       Set5, Set14 and Kodak24
    python3 train/evaluate.py rt14 --set Set5 --each         every picture
    python3 train/evaluate.py rt14 --set photos/             a folder of large pictures, which are shrunk first

Bicubic must come out at 33.66-33.67 (Set5) and 30.24-30.33 (Set14), or the measuring is wrong: then it exits with 1."""
import argparse
import math
import os
import sys
from fractions import Fraction

import numpy as np
import torch

import networks
import pictures
import train

KNOWN = {("Set5", 2): (33.655, 33.68), ("Set14", 2): (30.235, 30.335)}


def enlarge(network, small, size):
    """The 8-bit picture of that size. For luma networks the colours are enlarged plainly and moved to the new luma."""
    x = train.as_input(small, network.colour)
    with torch.no_grad():
        result = network(train.enlarged(x, size) if network.before else x)[0].double().numpy()
    if network.colour == "luma":
        plain = pictures.enlarge_smoothly(small, size)
        rgb = plain + (result[0] * 255 - pictures.luma(plain))[:, :, None] * (255 / 219)
    else:
        rgb = result.transpose(1, 2, 0) * 255
    return np.clip(np.floor(rgb + 0.5), 0, 255)


def folder_pairs(folder, scale):
    for name in sorted(os.listdir(folder)):
        if name.lower().endswith((".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif")):
            yield name, *pictures.shrunk(pictures.read(os.path.join(folder, name)), scale)


def quality(large, result, scale):
    a, b = (pictures.crop(pictures.luma(picture), math.ceil(scale)) for picture in (large, result))
    return pictures.psnr(a, b), pictures.ssim(a, b)


def report(title, pairs, nets, scale, each):
    """Prints the mean of every method over the set; bicubic's PSNR."""
    found = {}
    for name, large, small in pairs:
        size = large.shape[:2]
        results = {"bicubic": pictures.resize(small, float(scale), size)}
        results.update((key, enlarge(network, small, size)) for key, network in nets.items())
        for key, result in results.items():
            found.setdefault(key, []).append(quality(large, result, scale))
            if each:
                print(f"{title:8} {name:28} {key:10} {found[key][-1][0]:7.2f} {found[key][-1][1]:.4f}")
    if not found:
        sys.exit(f"{title}: no pictures")
    for key, values in found.items():
        psnr, ssim = np.mean(values, axis=0)
        print(f"{title:8} {'mean of ' + str(len(values)):28} {key:10} {psnr:7.2f} {ssim:.4f}", flush=True)
    return np.mean(found["bicubic"], axis=0)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=networks.RECIPES)
    parser.add_argument("--weights", help="a .pt file of train.py, for one name (default: the latest checkpoint)")
    parser.add_argument("--set", action="append", help="Set5, Set14, Kodak24 or a folder; several times")
    parser.add_argument("--ratio", type=Fraction, help="of enlargement, for networks that were trained for several")
    parser.add_argument("--each", action="store_true", help="also every picture")
    given = parser.parse_args()
    torch.set_num_threads(2)
    nets = {}
    for name in given.names:
        nets[name] = networks.make(name)
        train.load_weights(nets[name], name, given.weights)
        nets[name].eval()
    possible = set.intersection(*(set(networks.RECIPES[name].ratios) for name in given.names))
    if not possible or (given.ratio and given.ratio not in possible):
        parser.error("there are networks that do not enlarge by that much")
    scale = given.ratio or (2 if 2 in possible else min(possible))
    wrong = 0
    for chosen in given.set or ["Set5", "Set14", "Kodak24"]:
        pairs = folder_pairs(chosen, scale) if os.path.isdir(chosen) else pictures.pairs(chosen, scale)
        bicubic = report(os.path.basename(chosen.rstrip("/")), pairs, nets, scale, given.each)
        low, high = KNOWN.get((chosen, scale), (0, 100))
        if not low <= bicubic <= high:
            print(f"{chosen}: bicubic is {bicubic:.2f}, not {low} to {high}")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
