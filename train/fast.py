#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Loss and gradients of a plain ladder network on the CPU, several times as fast as PyTorch's: fast.c, compiled for each network
when it is first used. Run alone, it compares both for several networks:

    python3 train/fast.py [NAME ...]

Where there is no gcc, or a network or a crop that fast.c does not know, PyTorch does it all."""
import ctypes
import hashlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch

import data
import networks

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fast.c")
OPTIONS = ["-O3", "-march=native", "-std=gnu17", "-shared", "-fPIC"]
BLOCK = 16  # what the size of a crop is a multiple of


def processor():
    """What the code is compiled for."""
    try:
        with open("/proc/cpuinfo") as file:
            return sorted({line for line in file if line.startswith(("model name", "flags", "Features"))})
    except OSError:
        return platform.processor()


def library(**constants):
    """fast.c compiled with those, or what was compiled from the same text for the same processor; None, and a word about it, where
    that cannot be done."""
    given = [f"-D{name}={value}" for name, value in constants.items()]
    with open(SOURCE, "rb") as file:
        key = hashlib.sha256(file.read() + repr((OPTIONS, given, processor())).encode()).hexdigest()[:16]
    path = os.path.join(data.WORK, f"fast-{key}.so")
    try:
        if not os.path.exists(path):
            os.makedirs(data.WORK, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=data.WORK) as folder:  # two trainings may begin at once
                made = os.path.join(folder, "made.so")
                subprocess.run(["gcc", *OPTIONS, *given, SOURCE, "-o", made, "-lm"], check=True)
                os.replace(made, path)
        return ctypes.CDLL(path)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"fast.c cannot be used ({error}): gradients are PyTorch's", file=sys.stderr, flush=True)
        return None


class Ladder:
    """Called with crops, it gives their loss as autograd would and leaves the gradients with the network's parameters."""

    def __init__(self, network, compiled):
        self.network, self.compiled = network, compiled
        compiled.ladder_scratch.restype = ctypes.c_size_t
        compiled.ladder_gradients.restype = ctypes.c_double
        self.parameters = []
        for i, block in enumerate(network.convolutions):
            self.parameters += [block.expand, block.bias] + list(network.slopes[i:i + 1])
        self.parameters.append(network.short)
        self.scratch = torch.empty(0, dtype=torch.uint8)

    def values(self):
        kernels = {id(block.expand): block.kernel() for block in self.network.convolutions}
        return torch.cat([kernels.get(id(parameter), parameter).detach().reshape(-1) for parameter in self.parameters])

    def __call__(self, small, large, kind):
        batch, channels, height, width = small.shape
        if channels != 1 or height != width or height % BLOCK or kind not in ("l1", "l2"):
            return None
        values, small, large = self.values(), small.contiguous(), large.contiguous()
        needed = self.compiled.ladder_scratch(height)
        if self.scratch.numel() < needed:
            self.scratch = torch.empty(needed, dtype=torch.uint8)
        gradients = torch.empty_like(values)
        pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in (values, gradients, small, large)]
        loss = self.compiled.ladder_gradients(*pointers, height, batch, kind == "l2", ctypes.c_void_p(self.scratch.data_ptr()))
        for parameter, gradient in zip(self.parameters, gradients.split([parameter.numel() for parameter in self.parameters])):
            parameter.grad = gradient.view_as(parameter)
        return torch.tensor(loss, dtype=torch.float32)


def backward_of(network):
    """What computes loss and gradients of this network faster than autograd; None when nothing does."""
    if type(network) is not networks.Ladder or any(block.shrink is not None for block in network.convolutions):
        return None
    if not all(p.requires_grad and p.device.type == "cpu" and p.dtype == torch.float32 for p in network.parameters()):
        return None
    first, last = network.convolutions[0], network.convolutions[-1]
    compiled = library(WIDTH=first.shape[0], HIDDEN=len(network.convolutions) - 2, FIRST=first.shape[2], LAST=last.shape[2],
                       SCALE=network.scale)
    return Ladder(network, compiled) if compiled else None


# ---- run alone ----

def loss_of(result, target, kind):
    if kind == "l1":
        return (result - target).abs().mean()
    return ((result - target) ** 2).mean((1, 2, 3)).add(1e-7).sqrt().mean()


def by_autograd(network, small, large, kind):
    network.zero_grad(set_to_none=True)
    loss = loss_of(network(small.contiguous(memory_format=torch.channels_last)), large, kind)
    loss.backward()
    return loss.detach()


def example(name):
    """A network as it might be in the middle of its training."""
    torch.manual_seed(1)
    network = networks.make(name)
    networks.collapse(network)
    with torch.no_grad():
        for block in network.convolutions:
            block.bias.uniform_(-0.1, 0.1)
        for slope in network.slopes:
            slope.uniform_(-0.2, 0.6)
    return network.to(memory_format=torch.channels_last)


def differences(name, kind, size):
    """The largest relative difference of a parameter's gradient, and of the loss: between ours and autograd's, then of each from
    autograd's in double precision. (There, signs near zero may be others, of errors and before PReLU; then both differ.)"""
    network = example(name)
    small = torch.rand(3, 1, size, size)
    large = torch.nn.functional.interpolate(small, scale_factor=network.scale, mode="bicubic")
    large += torch.randn_like(large) * 0.05
    found = []
    for compute in (backward_of(network), lambda *given: by_autograd(network, *given)):
        network.zero_grad(set_to_none=True)
        loss = compute(small, large, kind)
        found.append([loss.double()] + [parameter.grad.double() for parameter in network.parameters()])
    network.double()
    loss = by_autograd(network, small.double(), large.double(), kind)
    ours, theirs, exact = *found, [loss] + [parameter.grad for parameter in network.parameters()]
    return [max(float((a - b).norm() / b.norm()) for a, b in zip(one, other))
            for one, other in ((ours, theirs), (ours, exact), (theirs, exact))]


def milliseconds(name, size, batch=16, rounds=15):
    """Processor time of a loss and its gradients, medians of turns: (PyTorch's, ours)."""
    network = example(name)
    small, large = torch.rand(batch, 1, size, size), torch.rand(batch, 1, size * network.scale, size * network.scale)
    turns = [lambda *given: by_autograd(network, *given), backward_of(network)]
    times = [[], []]
    for _ in range(rounds):
        for compute, taken in zip(turns, times):
            network.zero_grad(set_to_none=True)
            begun = time.process_time()
            compute(small, large, "l1")
            taken.append((time.process_time() - begun) * 1e3)
    return [statistics.median(taken) for taken in times]


def main():
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    worst = 0
    for name in sys.argv[1:] or ["rt3", "rt9", "rt14", "rt27", "rt105", "rt14-x3", "rt14-x4"]:
        for size in (32, 48):
            between, ours, theirs = (max(found) for found in zip(*[differences(name, kind, size) for kind in ("l1", "l2")]))
            worst = max(worst, between)
            before, after = milliseconds(name, size)
            print(f"{name:8} {size}x{size}: {between:.1e} from PyTorch's, from double precision {ours:.1e} (PyTorch {theirs:.1e}); "
                  f"16 crops: PyTorch {before:.1f} ms, here {after:.1f} ms, {before / after:.2f} times as fast", flush=True)
    return 0 if worst < 1e-4 else 1


if __name__ == "__main__":
    sys.exit(main())
