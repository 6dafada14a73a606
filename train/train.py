#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains one network, continuing where the last run stopped.

    python3 train/train.py rt14 --cycles 2

A cycle is warm-up, cosine, fine-tuning (recipes: networks.py); it leaves train/work/NAME-cycleN.pt, the averaged weights to
export. While it runs, train/work/NAME.pt is replaced every few minutes; killed, stopped by Ctrl-C or out of --minutes, the next
run goes on from there, with the same crops as if nothing had happened. train/work/NAME.csv gets a line for each validation on
Kodak24."""
import argparse
import math
import os
import signal
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait spinning would take the cores from everybody
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its products are small


def known_processor():
    """The processor that OpenBLAS is to take this one for: one newer than itself it takes for one without AVX, and multiplies
    matrices at a quarter of the speed. None: let it choose."""
    try:
        with open("/proc/cpuinfo") as file:
            flags = next((line for line in file if line.startswith("flags")), "").split()
    except OSError:
        return None
    if {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"} <= set(flags):
        return "SkylakeX"
    return "Haswell" if {"avx2", "fma"} <= set(flags) else None


if known_processor():
    os.environ.setdefault("OPENBLAS_CORETYPE", known_processor())  # before torch loads it

import numpy as np
import torch

import data
import fast
import networks
import pictures
import soap

WARM_UP = 300  # steps, a tenth of a short cycle at most
LAST_RATE = 0.01
HEADER = "cycle,step,rate,loss,kodak_psnr,seconds\n"


def file_of(name, ending):
    return os.path.join(data.WORK, name + ending)


def as_input(picture, colour):
    """A picture [h][w][3] uint8 as the network takes it: [1][c][h][w]."""
    if colour == "luma":
        return torch.from_numpy(pictures.luma(picture) / 255).float()[None, None]
    return torch.from_numpy(picture.transpose(2, 0, 1) / 255).float()[None]


def as_luma(output, colour):
    """What a network gave as luma in 0..255; RGB is rounded to 8 bits first, as a file would be."""
    result = output[0].double().cpu().numpy()
    if colour == "luma":
        return np.clip(result[0] * 255, 16, 235)
    return pictures.luma(np.clip(np.floor(result * 255 + 0.5), 0, 255).transpose(1, 2, 0))


def enlarged(x, size):
    """Bilinear, pixels' centres in place: what a GPU's texture unit does."""
    return torch.nn.functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


def load_weights(network, name, path=None):
    state = torch.load(path or file_of(name, ".pt"), map_location="cpu")
    networks.load(network, state["average"])
    return state


class Validation:
    """Mean PSNR of luma over Kodak24; of a network for several ratios, at 2."""

    def __init__(self, network, ratio, clips, device):
        self.colour, self.device = network.colour, device
        self.scale = ratio
        self.pairs = []
        for _, large, small in data.clip_pairs() if clips else pictures.pairs("Kodak24", ratio):
            x = as_input(small, self.colour)
            self.pairs.append((pictures.crop(pictures.luma(large), math.ceil(ratio)), enlarged(x, large.shape[:2]) if network.before else x))

    def __call__(self, network):
        network.eval()
        with torch.no_grad():
            results = [pictures.psnr(pictures.crop(as_luma(network(x.to(self.device)), self.colour), math.ceil(self.scale)), y)
                       for y, x in self.pairs]
        network.train()
        return float(np.mean(results))


class Training:
    def __init__(self, name, device):
        self.name, self.device = name, device
        self.recipe = networks.RECIPES[name]
        torch.manual_seed(1)
        self.network = networks.make(name).to(device, memory_format=torch.channels_last)
        self.average = networks.make(name).to(device)
        self.average.load_state_dict(self.network.state_dict())
        self.cycle, self.step, self.taken, self.seconds = 0, 0, 0, 0.0
        self.begin_cycle()
        self.crops = [data.Crops(self.network.colour, data.name_of(ratio, self.recipe.clips), ratio, device)
                      for ratio in self.recipe.ratios]
        self.resume()

    def resume(self):
        if not os.path.exists(file_of(self.name, ".pt")):
            if self.recipe.start:
                self.begin_with(file_of(self.recipe.start, f"-cycle{self.recipe.start_cycle}.pt"))
            return
        state = load_weights(self.average, self.name)
        networks.load(self.network, state["network"])
        self.cycle, self.step, self.taken, self.seconds = state["at"]
        self.begin_cycle()
        if self.step:
            self.optimiser.load_state_dict(state["optimiser"])

    def now(self):
        return self.recipe.cycle(self.cycle)

    def begin_cycle(self):
        if self.now().method == "adam":
            self.optimiser = torch.optim.Adam(self.network.parameters(), lr=0, betas=(0.9, 0.99))
        else:
            networks.collapse(self.network)
            networks.collapse(self.average)
            self.optimiser = soap.Soap(self.network.parameters())
        for module in self.network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.train(not self.now().fixed)
        self.fast = fast.backward_of(self.network)

    def begin_with(self, path):
        if not os.path.exists(path):
            sys.exit(f"{self.name} begins with {path}, which is not there: train {self.recipe.start} first")
        own = networks.fitting(self.network, torch.load(path, map_location="cpu")["average"])
        self.network.load_state_dict(own)
        self.average.load_state_dict(own)

    def save(self):
        state = {"network": self.network.state_dict(), "average": self.average.state_dict(), "optimiser": self.optimiser.state_dict(),
                 "at": (self.cycle, self.step, self.taken, self.seconds)}
        path = file_of(self.name, ".pt")
        torch.save(state, path + ".part")
        os.replace(path + ".part", path)

    def length(self):
        return self.now().steps

    def rate(self):
        share = self.step / self.length()
        cosine = LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * share)) / 2
        return self.now().rate * cosine * min(1, (self.step + 1) / min(WARM_UP, self.length() / 10))

    def target(self, small, large):
        return large

    def loss(self, result, target, kind):
        """l2 is the root for each crop: gradients are as large as those of l1, and a rough crop does not outvote smooth ones."""
        if kind == "l1":
            return (result - target).abs().mean()
        return ((result - target) ** 2).mean((1, 2, 3)).add(1e-7).sqrt().mean()

    def advance(self):
        """One step; its loss."""
        share = self.step / self.length()
        _, crop, batch, kind = next(stage for stage in self.now().stages or self.recipe.stages if share < stage[0])
        if self.device != "cpu":
            batch *= 4
        crops = self.crops[self.taken % len(self.crops)]
        small, large = crops.batch(self.taken, batch, int(crop * 2 / crops.ratio) if self.network.before else crop)
        if self.network.before:
            small = enlarged(small, large.shape[-2:])
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        target = self.target(small, large)
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.fast(small, target, kind) if self.fast else None
        if loss is None:
            loss = self.loss(self.network(small.contiguous(memory_format=torch.channels_last)), target, kind)
            loss.backward()
        self.optimiser.step()
        self.step, self.taken = self.step + 1, self.taken + 1
        keep = min(self.recipe.average, self.taken / (self.taken + 10))
        with torch.no_grad():
            for mean, value in zip(self.average.state_dict().values(), self.network.state_dict().values()):
                mean.lerp_(value, 1 - keep) if mean.is_floating_point() else mean.copy_(value)
        return loss.detach()

    def finish_cycle(self):
        state = {"average": self.average.state_dict(), "at": (self.cycle, self.step, self.taken, self.seconds)}
        torch.save(state, file_of(self.name, f"-cycle{self.cycle + 1}.pt"))
        self.cycle, self.step = self.cycle + 1, 0
        self.begin_cycle()
        self.save()


def run(training, cycles, minutes, check_every, save_every):
    """Trains until that many cycles are done; False when the time was up before."""
    stop = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.append(True))
    recipe = training.recipe
    validation = Validation(training.network, 2 if 2 in recipe.ratios else recipe.ratios[0], recipe.clips, training.device)
    log = file_of(training.name, ".csv")
    if not os.path.exists(log):
        with open(log, "w") as file:
            file.write(HEADER)
    started = saved = last = time.monotonic()
    losses = []
    while training.cycle < cycles:
        losses.append(training.advance())
        now = time.monotonic()
        training.seconds, last = training.seconds + now - last, now
        ended = training.step == training.length()
        if ended or training.taken % check_every == 0:
            loss = float(torch.stack(losses).mean())
            if not math.isfinite(loss):
                sys.exit(f"{training.name}: the loss is {loss} at step {training.taken}")
            line = f"{training.cycle + 1},{training.step},{training.rate():.3g},{loss:.6f}"
            line += f",{validation(training.average):.3f},{training.seconds:.0f}"
            with open(log, "a") as file:
                file.write(line + "\n")
            print(training.name, line, flush=True)
            losses = []
        if ended:
            training.finish_cycle()
        elif stop or now - started > minutes * 60:
            break
        elif now - saved > save_every:
            training.save()
            saved = now
    training.save()
    return training.cycle >= cycles


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=networks.RECIPES)
    parser.add_argument("--cycles", type=int, default=1, help="train until this many are done (default 1)")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so long, to be continued")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--check-every", type=int, default=1000, help="steps between validations (default 1000)")
    parser.add_argument("--save-every", type=float, default=120, help="seconds between checkpoints (default 120)")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.set_flush_denormal(True)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    training = Training(given.name, "cuda" if torch.cuda.is_available() else "cpu")
    return 0 if run(training, given.cycles, given.minutes, given.check_every, given.save_every) else 2


if __name__ == "__main__":
    sys.exit(main())
