#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Loss and gradients of a network on the CPU, several times as fast as PyTorch's: for plain ladder networks by fast_ladder.c, for
piper with fixed batch norm by fast_piper.c, compiled for each network when it is first used. Run alone, it compares both:

    python3 train/fast.py [NAME ...]

Where there is no gcc, or a network or a crop that these do not know, PyTorch does it all."""
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

HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = ("fast.h", "fast_winograd.h")
OPTIONS = ["-O3", "-march=native", "-std=gnu17", "-shared", "-fPIC"]
BLOCK = 16  # what the size of a crop is a multiple of


def processor():
    """What the code is compiled for."""
    try:
        with open("/proc/cpuinfo") as file:
            return sorted({line for line in file if line.startswith(("model name", "flags", "Features"))})
    except OSError:
        return platform.processor()


def library(name, **constants):
    """A C file compiled with those, or what was compiled from the same text for the same processor; None, and a word about it,
    where that cannot be done."""
    given = [f"-D{constant}={value}" for constant, value in constants.items()]
    key = hashlib.sha256(repr((OPTIONS, given, processor())).encode())
    try:
        for part in (name, *SHARED):
            with open(os.path.join(HERE, part), "rb") as file:
                key.update(file.read())
        path = os.path.join(data.WORK, f"fast-{key.hexdigest()[:16]}.so")
        if not os.path.exists(path):
            os.makedirs(data.WORK, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=data.WORK) as folder:  # two trainings may begin at once
                made = os.path.join(folder, "made.so")
                subprocess.run(["gcc", *OPTIONS, *given, os.path.join(HERE, name), "-o", made, "-lm"], check=True)
                os.replace(made, path)
        return ctypes.CDLL(path)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{name} cannot be used ({error}): gradients are PyTorch's", file=sys.stderr, flush=True)
        return None


class Compiled:
    """Called with crops, it gives their loss as autograd would and leaves the gradients with the network's parameters; None when
    that is not for it."""

    def __init__(self, network, compiled):
        self.network, self.compiled = network, compiled
        compiled.scratch_of.restype = ctypes.c_size_t
        compiled.gradients_of.restype = ctypes.c_double
        self.scratch = torch.empty(0, dtype=torch.uint8)

    def __call__(self, small, large, kind):
        height, width = small.shape[2:]
        if height != width or height % BLOCK or kind not in ("l1", "l2") or not self.ready():
            return None
        parts = [part.detach().reshape(-1) for part in self.values()]
        values, small, large = torch.cat(parts), small.contiguous(), large.contiguous()
        needed = self.compiled.scratch_of(height)
        if self.scratch.numel() < needed:
            self.scratch = torch.empty(needed, dtype=torch.uint8)
        gradients = torch.empty_like(values)
        pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in (values, gradients, small, large)]
        loss = self.compiled.gradients_of(*pointers, height, len(small), kind == "l2", ctypes.c_void_p(self.scratch.data_ptr()))
        self.take(gradients.split([part.numel() for part in parts]))
        return torch.tensor(loss, dtype=torch.float32)


class Ladder(Compiled):
    @staticmethod
    def of(network):
        if any(block.shrink is not None for block in network.convolutions):
            return None
        first, last = network.convolutions[0], network.convolutions[-1]
        compiled = library("fast_ladder.c", WIDTH=first.shape[0], HIDDEN=len(network.convolutions) - 2, FIRST=first.shape[2],
                           LAST=last.shape[2], SCALE=network.scale)
        return compiled and Ladder(network, compiled)

    def ready(self):
        return True

    def values(self):
        for i, block in enumerate(self.network.convolutions):
            yield from (block.kernel(), block.bias, *self.network.slopes[i:i + 1])
        yield self.network.short

    def take(self, gradients):
        parameters = []
        for i, block in enumerate(self.network.convolutions):
            parameters += [block.expand, block.bias, *self.network.slopes[i:i + 1]]
        for parameter, gradient in zip(parameters + [self.network.short], gradients):
            parameter.grad = gradient.view_as(parameter)


class Piper(Compiled):
    """With batch norm fixed: folded into the convolutions. What its own parameters get follows from what the folded ones get."""

    @staticmethod
    def of(network):
        width = network.head.weight.shape[0]
        if width % BLOCK or any(norm.training for _, norm in Piper.pairs(network)):
            return None
        compiled = library("fast_piper.c", WIDTH=width, BLOCKS=len(network.body), SCALE=network.scale)
        return compiled and Piper(network, compiled)

    @staticmethod
    def pairs(network):
        for block in network.body:
            yield block.first, block.first_norm
            yield block.second, block.second_norm

    def ready(self):
        return not any(norm.training for _, norm in self.pairs(self.network))

    def values(self):
        yield from (self.network.head.weight, self.network.head.bias)
        for pair in self.pairs(self.network):
            yield from networks.fold(*pair)
        yield from (self.network.tail.weight, self.network.tail.bias)

    def take(self, gradients):
        ends = [self.network.head.weight, self.network.head.bias, self.network.tail.weight, self.network.tail.bias]
        for parameter, gradient in zip(ends, gradients[:2] + gradients[-2:]):
            parameter.grad = gradient.view_as(parameter)
        with torch.no_grad():
            for i, (convolution, norm) in enumerate(self.pairs(self.network)):
                of_kernel, of_bias = gradients[2 + 2 * i].view_as(convolution.weight), gradients[3 + 2 * i]
                deviation = (norm.running_var + norm.eps).sqrt()
                factor = norm.weight / deviation
                convolution.weight.grad = of_kernel * factor[:, None, None, None]
                convolution.bias.grad = of_bias * factor
                norm.bias.grad = of_bias
                along = (convolution.weight.double() * of_kernel).sum((1, 2, 3))  # the gradient times what the convolution gave
                norm.weight.grad = ((along + (convolution.bias - norm.running_mean).double() * of_bias) / deviation).float()


def backward_of(network):
    """What computes loss and gradients of this network faster than autograd; None when nothing does."""
    kind = {networks.Ladder: Ladder, networks.Piper: Piper}.get(type(network))
    if not kind or not all(p.requires_grad and p.device.type == "cpu" and p.dtype == torch.float32 for p in network.parameters()):
        return None
    return kind.of(network)


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
        for key, value in network.state_dict().items():
            if key.startswith("slopes"):
                value.uniform_(-0.2, 0.6)
            elif key.endswith("norm.weight") or key.endswith("running_var"):
                value.uniform_(0.5, 1.5)
            elif key.endswith(("bias", "running_mean")):
                value.uniform_(-0.1, 0.1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    return network.to(memory_format=torch.channels_last)


def crops(network, batch, size):
    colours = 1 if network.colour == "luma" else 3
    small = torch.rand(batch, colours, size, size)
    large = torch.nn.functional.interpolate(small, scale_factor=network.scale, mode="bicubic")
    return small, large + torch.randn_like(large) * 0.05


def differences(name, kind, size, seed):
    """The largest relative difference of a parameter's gradient, and of the loss: between ours and autograd's, then of each from
    autograd's in double precision."""
    network = example(name)
    torch.manual_seed(seed)
    small, large = crops(network, 3, size)
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


def usual_differences(name, size):
    """Medians of several seeds, the larger of both losses. (Now and then something so near zero that rounding decides its sign, an
    error or what goes into a PReLU, is on the other side; that alone makes up to a thousandth, in PyTorch too.)"""
    of_losses = []
    for kind in ("l1", "l2"):
        of_losses.append([statistics.median(found) for found in zip(*[differences(name, kind, size, seed) for seed in range(5)])])
    return [max(found) for found in zip(*of_losses)]


def milliseconds(name, size, batch=16, rounds=15):
    """Processor time of a loss and its gradients, medians of turns: (PyTorch's, ours)."""
    network = example(name)
    small, large = crops(network, batch, size)
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
    for name in sys.argv[1:] or ["rt3", "rt9", "rt14", "rt27", "rt105", "rt14-x3", "rt14-x4", "piper", "piper-x3", "piper-x4"]:
        for size in (32, 48):
            between, ours, theirs = usual_differences(name, size)
            worst = max(worst, between)
            before, after = milliseconds(name, size)
            print(f"{name:8} {size}x{size}: {between:.1e} from PyTorch's, from double precision {ours:.1e} (PyTorch {theirs:.1e}); "
                  f"16 crops: PyTorch {before:.1f} ms, here {after:.1f} ms, {before / after:.2f} times as fast", flush=True)
    return 0 if worst < 1e-4 else 1


if __name__ == "__main__":
    sys.exit(main())
