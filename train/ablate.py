#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What parts of the recipe are worth: one small network, trained again and again with one thing changed each time.

    nice python3 train/ablate.py [--steps 4000] [VARIANT ...]        without a name: all that have not been run

Every trial is a cycle of so many steps with its own cosine, the same crops, one thread. train/ablation.csv gets a line for each:
variant, steps, PSNR of luma on Kodak24, processor seconds."""
import argparse
import dataclasses
import os
import time

import torch

import data
import networks
import train

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ablation.csv")
HEADER = "variant,steps,kodak_psnr,seconds\n"
BASE = dataclasses.replace(networks.RECIPES["rt3"], stages=((0.70, 48, 16, "l1"), (1.00, 64, 12, "l2")))  # the first recipe


def changed(network=None, **recipe):
    arguments = {**BASE.arguments, **(network or {})}
    return dataclasses.replace(BASE, arguments=arguments, **recipe)


class Blind(networks.Ladder):
    """Without the short way: the network makes the whole picture."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        with torch.no_grad():
            self.short.zero_()
        self.short.requires_grad_(False)


class Relu(networks.Ladder):
    """The slope for negative values is zero and stays zero."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        for slope in self.slopes:
            slope.requires_grad_(False).zero_()


VARIANTS = {
    "the first recipe": changed(),
    "the first recipe, other crops": changed(),
    "plain convolutions": changed(dict(wide=0)),
    "blocks 32 wide": changed(dict(wide=32)),
    "blocks 256 wide": changed(dict(wide=256)),
    "absolute error to the end": changed(stages=((0.70, 48, 16, "l1"), (1.00, 64, 12, "l1"))),
    "root mean square error from the start": changed(stages=((0.70, 48, 16, "l2"), (1.00, 64, 12, "l2"))),
    "crops of 48 to the end": changed(stages=((0.70, 48, 16, "l1"), (1.00, 48, 16, "l2"))),
    "crops of 32, then 48": changed(stages=networks.Recipe.stages),
    "a quarter of the batch, four times the steps": changed(stages=((0.50, 32, 4, "l1"), (0.85, 48, 4, "l1"), (1.00, 48, 4, "l2"))),
    "a quarter of the batch, then all of it, three times the steps":
        changed(stages=((0.60, 32, 4, "l1"), (0.85, 48, 4, "l1"), (1.00, 48, 16, "l2"))),
    "without averaging": changed(average=0.0),
    "half the rate": changed(),
    "twice the rate": changed(),
    "SOAP": changed(),
    "SOAP, five times the rate": changed(),
    "SOAP, plain convolutions, five times the rate": changed(dict(wide=0)),
    "no short way": changed(make=Blind),
    "ReLU for PReLU": changed(make=Relu),
    "half of the target from rt14": changed(),
}
RATES = {"half the rate": 1e-3, "twice the rate": 4e-3, "five times the rate": 1e-2}


class Trial(train.Training):
    def __init__(self, variant):
        super().__init__("trial", "cpu")
        self.teacher = None
        if "from rt14" in variant:
            self.teacher = networks.make("rt14")
            train.load_weights(self.teacher, "rt14", train.file_of("rt14", "-cycle1.pt"))
            self.teacher.eval()
        if "other crops" in variant:
            for crops in self.crops:
                crops.seed = 2

    def target(self, small, large):
        if not self.teacher:
            return large
        with torch.no_grad():
            return (large + self.teacher(small)) / 2


def cycle_of(variant, steps):
    rate = next((rate for words, rate in RATES.items() if words in variant), 2e-3)
    return networks.Cycle(steps, rate, "soap" if "SOAP" in variant else "adam")


def trial(variant, steps):
    for words, times in (("four times the steps", 4), ("three times the steps", 3)):
        steps *= times if words in variant else 1
    networks.RECIPES["trial"] = dataclasses.replace(VARIANTS[variant], cycles=(cycle_of(variant, steps),))
    training, started = Trial(variant), time.process_time()
    while training.step < steps:
        training.advance()
    seconds = time.process_time() - started
    psnr = train.Validation(training.network, 2, False, "cpu")(training.average)
    new = not os.path.exists(TABLE)
    with open(TABLE, "a") as file:
        file.write(f"{HEADER if new else ''}{variant},{steps},{psnr:.3f},{seconds:.0f}\n")
    print(f"{variant}: {psnr:.3f} after {steps} steps, {seconds:.0f} s", flush=True)


def done(steps):
    if not os.path.exists(TABLE):
        return set()
    with open(TABLE) as file:
        return {line.split(",")[0] if line.count(",") == 3 else ",".join(line.split(",")[:-3]) for line in file}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="*", metavar="VARIANT")
    parser.add_argument("--steps", type=int, default=4000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    data.ready("x2")
    for variant in given.variants or [v for v in VARIANTS if v not in done()]:
        trial(variant, given.steps)


if __name__ == "__main__":
    main()
