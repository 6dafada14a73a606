#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The networks that are trained here, and what each is made of.

A ladder network (rt...) sees luma only and works where pixels are few, on the small picture:

    luma [1] -> conv -> PReLU -> (conv 3x3 -> PReLU) x hidden -> conv to scale^2 -> + -> pixel shuffle
          \\-> edges repeated by 2 -> conv 5x5 to scale^2 -----------------------------^

The short way starts as bicubic enlargement, so the long one learns only what is missing; its edges are repeated, or every
picture would get a dark frame. Its convolutions are trained as collapsible blocks: k x k into many channels, 1x1 back, and a
straight connection where the shapes allow one. Nothing nonlinear lies within a block, so it equals a single k x k convolution;
that one is computed from the factors (a small matrix product) in every step, and the pictures only ever meet the narrow
network. Training by Adam ends higher so. SOAP needs no such help: where a network goes on with it, its blocks are collapsed first.

piper is the RGB network of 453,388 parameters: residual blocks with batch norm and SiLU, no skip from the input to the output.
It begins as bilinear enlargement all the same: three of its channels carry the colours through, and its blocks begin with nothing
to add.

ivs is the luma network of a browser player: it works on a picture that has been enlarged bilinearly, by whatever ratio, so one
set of weights serves all of them."""
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import pictures


class Collapsible(nn.Module):
    """A size x size convolution with zero padding, given by the product of two factors and, when `straight`, the identity. With
    wide=0 it has one factor: a plain convolution."""

    def __init__(self, inputs, outputs, size=3, wide=128, straight=False, gain=1.0):
        super().__init__()
        self.shape = (outputs, inputs, size, size)
        middle = wide or outputs
        self.expand = nn.Parameter(torch.randn(middle, inputs * size * size) * ((1 if wide else gain) / (inputs * size * size) ** 0.5))
        self.shrink = nn.Parameter(torch.randn(outputs, wide) * (gain / wide ** 0.5)) if wide else None
        self.bias = nn.Parameter(torch.zeros(outputs))
        identity = torch.zeros(self.shape)
        if straight:
            identity[range(inputs), range(inputs), size // 2, size // 2] = 1
        self.register_buffer("identity", identity, persistent=False)

    def collapse(self):
        """From two factors to their product, which says the same."""
        if self.shrink is not None:
            self.expand = nn.Parameter((self.shrink @ self.expand).detach())
            self.shrink = None

    def kernel(self):
        product = self.shrink @ self.expand if self.shrink is not None else self.expand
        return product.view(self.shape) + self.identity  # [out][in][size][size]

    def forward(self, x):
        kernel = self.kernel().contiguous(memory_format=torch.channels_last)
        return F.conv2d(x, kernel, self.bias, padding=self.shape[2] // 2)


def bicubic_phases(scale):
    """Bicubic enlargement as kernels: [scale^2][1][5][5], one for each pixel of the block that a pixel becomes."""
    offset = (np.arange(scale) + 0.5) / scale - 0.5
    weight = pictures.cubic(np.arange(-2, 3) - offset[:, None])
    return torch.tensor(np.einsum("ai,bj->abij", weight, weight).reshape(scale * scale, 1, 5, 5)).float()


class Ladder(nn.Module):
    colour = "luma"
    before = None  # what is done to the picture before the network sees it

    def __init__(self, width, hidden, scale=2, first=3, last=3, wide=128):
        super().__init__()
        self.scale = scale
        self.convolutions = nn.ModuleList(
            [Collapsible(1, width, first, wide)]
            + [Collapsible(width, width, 3, wide, straight=True, gain=0.5) for _ in range(hidden)]
            + [Collapsible(width, scale * scale, last, wide, gain=0.1)])
        self.short = nn.Parameter(bicubic_phases(scale))
        self.slopes = nn.ParameterList([nn.Parameter(torch.full((width,), 0.25)) for _ in range(hidden + 1)])

    def forward(self, luma):  # [n][1][h][w], Y / 255 -> [n][1][scale h][scale w]
        x = luma
        for convolution, slope in zip(self.convolutions, self.slopes):
            x = F.prelu(convolution(x), slope)
        short = F.conv2d(F.pad(luma, (2, 2, 2, 2), "replicate"), self.short)
        return F.pixel_shuffle(self.convolutions[-1](x) + short, self.scale)

    def steps(self):
        """The collapsed network, in order: (operation, value it is applied to, the rest). A conv has the rest kernel, bias and
        zeros around."""
        short = yield "edges", "input", 2
        short = yield "conv", short, self.short.detach(), torch.zeros(self.scale ** 2), 0
        x = "input"
        for i, slope in enumerate(self.slopes):
            block = self.convolutions[i]
            x = yield "conv", x, block.kernel().detach(), block.bias.detach(), block.shape[2] // 2
            x = yield "prelu", x, slope.detach()
        last = self.convolutions[-1]
        x = yield "conv", x, last.kernel().detach(), last.bias.detach(), last.shape[2] // 2
        x = yield "add", x, short
        yield "shuffle", x, self.scale


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)
        self.second, self.second_norm = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)

    def forward(self, x):
        return x + self.second_norm(self.second(F.silu(self.first_norm(self.first(x)))))


def fold(convolution, norm):
    """Kernel and bias of the convolution with the batch norm behind it, as it is outside training, worked in."""
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    kernel = convolution.weight * factor[:, None, None, None]
    return kernel.detach(), ((convolution.bias - norm.running_mean) * factor + norm.bias).detach()


def bilinear_phases(scale):
    """Bilinear enlargement as kernels: [scale^2][3][3]."""
    offset = (np.arange(scale) + 0.5) / scale - 0.5
    weight = np.maximum(0, 1 - np.abs(np.arange(-1, 2) - offset[:, None]))
    return torch.tensor(np.einsum("ai,bj->abij", weight, weight).reshape(scale * scale, 3, 3)).float()


class Piper(nn.Module):
    colour = "rgb"
    before = None

    def __init__(self, width=64, blocks=6, scale=2):
        super().__init__()
        self.scale = scale
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.body = nn.ModuleList([Residual(width) for _ in range(blocks)])
        self.tail = nn.Conv2d(width, 3 * scale * scale, 3, padding=1)
        self.begin_as_bilinear()

    def begin_as_bilinear(self):
        with torch.no_grad():
            for block in self.body:
                block.second_norm.weight.fill_(0.1)
            self.head.weight[:3] = 0
            self.head.bias[:3] = 0
            self.tail.weight.mul_(0.1)
            self.tail.bias.zero_()
            for colour in range(3):
                self.head.weight[colour, colour, 1, 1] = 1
                own = slice(colour * self.scale ** 2, (colour + 1) * self.scale ** 2)
                self.tail.weight[own, :3] = 0
                self.tail.weight[own, colour] = bilinear_phases(self.scale)

    def forward(self, rgb):  # [n][3][h][w] in 0..1 -> [n][3][scale h][scale w]
        x = self.head(rgb)
        for block in self.body:
            x = block(x)
        return F.pixel_shuffle(self.tail(x), self.scale)

    def steps(self):
        x = yield "conv", "input", self.head.weight.detach(), self.head.bias.detach(), 1
        for block in self.body:
            kept = x
            x = yield ("conv", x, *fold(block.first, block.first_norm), 1)
            x = yield "silu", x
            x = yield ("conv", x, *fold(block.second, block.second_norm), 1)
            x = yield "add", x, kept
        x = yield "conv", x, self.tail.weight.detach(), self.tail.bias.detach(), 1
        yield "shuffle", x, self.scale


class Enlarged(nn.Module):
    colour = "luma"
    before = "bilinear"
    scale = 1

    def __init__(self, width=9, convolutions=6, wide=128):
        super().__init__()
        inner = [Collapsible(width, width, 3, wide, straight=True, gain=0.5) for _ in range(convolutions - 2)]
        self.convolutions = nn.ModuleList(
            [Collapsible(1, width, 3, wide)] + inner + [Collapsible(width, 1, 3, wide, gain=0.1)])

    LEAK = 0.1

    def forward(self, luma):  # [n][1][h][w], Y / 255, enlarged -> the same shape
        x = luma
        for convolution in self.convolutions[:-1]:
            x = F.leaky_relu(convolution(x), self.LEAK)
        return self.convolutions[-1](x) + luma

    def steps(self):
        x = "input"
        for block in self.convolutions[:-1]:
            x = yield "conv", x, block.kernel().detach(), block.bias.detach(), 1
            x = yield "leaky", x, self.LEAK
        last = self.convolutions[-1]
        x = yield "conv", x, last.kernel().detach(), last.bias.detach(), 1
        yield "add", x, "input"


@dataclass(frozen=True)
class Cycle:
    """A whole training with warm-up, cosine and fine-tuning. A later one starts from what the one before left and ends better; what
    every cycle leaves can be shipped."""
    steps: int
    rate: float            # at the top of the cosine
    method: str = "soap"   # of plain convolutions; or adam, of collapsible ones: all networks began so, it takes three times the steps
    fixed: bool = False    # batch norm does in training what it does later: statistics as the cycle before left them
    stages: tuple = None   # as the recipe's, when it has its own


def adam(steps, rate):
    return Cycle(steps, rate, "adam")


@dataclass(frozen=True)
class Recipe:
    """How a network is made and trained."""
    make: object
    arguments: dict
    cycles: tuple                  # those that come after them are like the last
    stages: tuple = ((0.50, 32, 16, "l1"), (0.85, 48, 16, "l1"), (1.00, 48, 16, "l2"))  # until that share of a cycle: crop, batch, loss
    start: str = None              # begins with the weights that a cycle of this network left, where they suit
    start_cycle: int = 1
    ratios: tuple = (2,)           # of enlargement; a crop is of the size above at 2, and of the same size enlarged at others
    average: float = 0.999         # weight of what was before in the running average of the weights
    clips: bool = False            # trained on frames that went through H.264

    def cycle(self, number):
        return self.cycles[min(number, len(self.cycles) - 1)]

    def steps(self, cycles):
        """Of that many cycles."""
        return sum(self.cycle(number).steps for number in range(cycles))


NINE, FOURTEEN = dict(width=16, hidden=3, first=5, last=5), dict(width=16, hidden=6)
LATE = ((1.00, 48, 32, "l1"),)
RECIPES = {
    "rt3": Recipe(Ladder, dict(width=8, hidden=5), (adam(8000, 2e-3), Cycle(12000, 5e-3))),
    "rt8": Recipe(Ladder, dict(width=16, hidden=3, first=5, last=3), (Cycle(16000, 6e-3),), start="rt9", start_cycle=5),
    "rt9": Recipe(Ladder, NINE, (adam(8000, 2e-3), adam(16000, 1e-3), Cycle(8000, 5e-3), Cycle(24000, 8e-3), Cycle(16000, 4e-3))),
    "rt14": Recipe(Ladder, FOURTEEN, (adam(8000, 2e-3), adam(16000, 1e-3), Cycle(8000, 5e-3), Cycle(16000, 4e-3))),
    "rt27": Recipe(Ladder, dict(width=16, hidden=11), (adam(8000, 2e-3), Cycle(8000, 5e-3), Cycle(16000, 3e-3), Cycle(16000, 3e-3),
        Cycle(6000, 2e-3, stages=LATE), Cycle(8000, 3e-3, stages=LATE))),
    "rt105": Recipe(Ladder, dict(width=32, hidden=11), (adam(5000, 1e-3), Cycle(8000, 3e-3), Cycle(12000, 2e-3),
        Cycle(20000, 3e-3), Cycle(6000, 2e-3, stages=LATE), Cycle(8500, 3e-3, stages=LATE))),
    "piper": Recipe(Piper, dict(),
        (adam(5000, 1e-3), Cycle(5000, 2e-3, fixed=True), Cycle(5000, 2e-3, fixed=True), Cycle(9000, 2e-3, fixed=True))),
    "rt14-x3": Recipe(Ladder, dict(scale=3, **FOURTEEN), (adam(3000, 2e-3), Cycle(3000, 5e-3)), start="rt14", ratios=(3,)),
    "rt14-x4": Recipe(Ladder, dict(scale=4, **FOURTEEN), (adam(3000, 2e-3), Cycle(3000, 5e-3)), start="rt14", ratios=(4,)),
    "piper-x3": Recipe(Piper, dict(scale=3), (adam(250, 5e-4), Cycle(1000, 1e-3, fixed=True)), start="piper", ratios=(3,)),
    "piper-x4": Recipe(Piper, dict(scale=4), (adam(250, 5e-4), Cycle(1000, 1e-3, fixed=True)), start="piper", ratios=(4,)),
    "ivs": Recipe(Enlarged, dict(), (adam(5000, 2e-3), Cycle(5000, 5e-3)), ratios=(Fraction(3, 2), 2, 3)),
    "rt9-h264": Recipe(Ladder, NINE, (adam(4000, 1e-3), Cycle(4000, 3e-3)), start="rt9", clips=True),
    "rt14-h264": Recipe(Ladder, FOURTEEN, (adam(4000, 1e-3), Cycle(4000, 3e-3)), start="rt14", clips=True),
}


def make(name):
    recipe = RECIPES[name]
    return recipe.make(**recipe.arguments)


def steps_of(network):
    """network.steps() as a list of (name of the value, operation, operands...)."""
    found, walk = [], network.steps()
    step = next(walk)
    try:
        while True:
            found.append((f"{step[0]}_{len(found)}", *step))
            step = walk.send(found[-1][0])
    except StopIteration:
        return found


def collapse(network):
    for module in network.modules():
        if isinstance(module, Collapsible):
            module.collapse()


def load(network, state):
    """The weights of a state_dict into a network, which is collapsed when they are."""
    if not any(key.endswith(".shrink") for key in state):
        collapse(network)
    network.load_state_dict(state)


def fitting(network, given):
    """The network's own state_dict with what suits it of given weights: what has the same name and shape, and of larger kernels the middle."""
    own = network.state_dict()
    for key, value in given.items():
        if own[key].shape == value.shape:
            own[key] = value
        elif key.endswith(".expand"):
            outputs, inputs, size, _ = network.get_submodule(key[:-len(".expand")]).shape
            side = math.isqrt(value.shape[1] // inputs)
            edge = (side - size) // 2
            if value.shape[0] == outputs and edge > 0:
                own[key] = value.view(outputs, inputs, side, side)[:, :, edge:edge + size, edge:edge + size].reshape(outputs, -1)
    return own


def multiplies(network):
    """Multiply-adds of the convolutions for each pixel of the small picture."""
    return sum(step[3].numel() for step in steps_of(network) if step[1] == "conv")


def describe():
    for name in RECIPES:
        network = make(name)
        folded = sum(t.numel() for step in steps_of(network) for t in step[3:] if torch.is_tensor(t))
        trained = sum(p.numel() for p in network.parameters())
        print(f"{name:8} {multiplies(network):7} multiply-adds a pixel of the input, {folded:7} numbers when folded, {trained:7} when trained")


if __name__ == "__main__":
    describe()
