# SPDX-License-Identifier: MIT
"""What is heard: the sea, the fishing boat's engine and horn with its echo, the church's bell, gulls, a block that knocks in the rigging.
Stereo, 48 kHz."""
import math
import wave

import numpy as np

RATE = 48000


def hiss(random, size, low, high, tilt):
    """Noise between two frequencies; its strength falls by `tilt` powers of the frequency."""
    spectrum = np.fft.rfft(random.standard_normal(size))
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    spectrum *= np.exp(-(low / np.maximum(hertz, 1)) ** 4 - (hertz / high) ** 4) * np.maximum(hertz, 20.0) ** -tilt
    out = np.fft.irfft(spectrum, size)
    return out / np.abs(out).max()


class Mixer:
    def __init__(self, seconds):
        self.sides = np.zeros((2, round(seconds * RATE)))

    def add(self, sound, start=0.0, gain=1.0, pan=0.0):
        """`pan` from -1, left, to 1."""
        first = round(start * RATE)
        size = min(len(sound), self.sides.shape[1] - first)
        if size > 0:
            angle = (pan + 1) * math.pi / 4
            for side, share in enumerate((math.cos(angle), math.sin(angle))):
                self.sides[side, first:first + size] += gain * share * sound[:size]


def times(seconds):
    return np.arange(round(seconds * RATE)) / RATE


def horn():
    t = times(2.1)
    tone = sum(np.sin(2 * math.pi * pitch * n * t + 0.3 * n) / n ** 1.15 * (1 if n % 2 else 0.6) for pitch in (110.0, 138.6)
               for n in range(1, 14))
    return tone / 5 * np.minimum(t / 0.12, 1) * np.minimum((2.1 - t) / 0.35, 1) * (1 + 0.04 * np.sin(2 * math.pi * 5.2 * t))


def bell():
    t = times(4.0)
    partials = ((0.5, 0.5, 0.7), (1, 1, 1.3), (1.2, 0.7, 1.7), (1.5, 0.35, 2.3), (2, 0.9, 2.0), (2.67, 0.3, 3.4),
                (3.01, 0.25, 4.2), (4.17, 0.15, 6.0))
    return sum(a * np.exp(-d * t) * np.sin(2 * math.pi * 392 * r * t * (1 + 0.0004 * k)) for k,
               (r, a, d) in enumerate(partials)) / 3 * np.minimum(t / 0.004, 1)


def gull(length, pitch):
    t = times(length)
    glide = pitch * (1 + 0.28 * np.sin(math.pi * (t / length) ** 0.6) - 0.25 * t / length)
    phase = 2 * math.pi * np.cumsum(glide) / RATE
    return (np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.22 * np.sin(3 * phase)) * np.sin(math.pi * t / length) ** 0.8 / 1.7


def knock():
    t = times(0.09)
    return np.exp(-60 * t) * (np.sin(2 * math.pi * 1240 * t) + 0.6 * np.sin(2 * math.pi * 2870 * t))


def save(path, seconds):
    random, mixer = np.random.RandomState(7), Mixer(seconds)
    t = times(seconds)
    for side in (-1, 1):
        swell = 0.55 + 0.45 * np.sin(2 * math.pi * t / (4.1 + 0.4 * side) + side)
        mixer.add(hiss(random, len(t), 40, 900, 0.8), gain=0.20, pan=side * 0.8)
        mixer.add(hiss(random, len(t), 500, 5200, 0.5) * swell ** 2, gain=0.16, pan=side * 0.7)
    puff = np.exp(-((np.mod(t * 6.4, 1) - 0.1) / 0.09) ** 2) * hiss(random, len(t), 50, 320, 0.3)
    mixer.add(puff, gain=0.22, pan=0.45)
    mixer.add(horn(), 1.6, 0.24, 0.5)
    echo = np.convolve(horn(), np.ones(60) / 60, "same")
    mixer.add(echo, 2.5, 0.07, -0.6)
    for stroke in (4.4, 6.1, 7.8):
        mixer.add(bell(), stroke, 0.20, -0.55)
    for start, length, pitch, pan in ((0.5, 0.34, 1500, -0.3), (0.95, 0.42, 1420, -0.25), (3.9, 0.3, 1650, 0.7),
                                      (4.25, 0.26, 1600, 0.65), (4.56, 0.24, 1550, 0.6),
                                      (7.2, 0.5, 1380, 0.3), (8.8, 0.3, 1580, 0.0), (9.15, 0.36, 1500, -0.05)):
        mixer.add(gull(length, pitch), start, 0.075, pan)
    for start in (0.3, 1.45, 1.6, 3.4, 5.2, 5.33, 7.0, 8.35, 9.4):
        mixer.add(knock(), start, 0.07, -0.1)
    fade = np.minimum(1, np.minimum(t / 0.15, (seconds - t) / 0.3))
    samples = np.clip(mixer.sides * fade * 0.9, -1, 1).T
    with wave.open(path, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
