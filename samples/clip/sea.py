# SPDX-License-Identifier: MIT
"""The water: a plane seen from 5 m above it, rough with waves of known length, height and speed. What is seen in it is what stands
above it, mirrored, at a place that the waves' slopes move; near the viewer the water's own colour shows.
At y units below the horizon the water is 3200 / (y - HORIZON) metres away; 640 units are as wide there as it is far."""
import math

import numpy as np

from land import HORIZON, SUN
from paint import clip, clouds, colour, mix, noise, smooth

REACH = 3200  # height of the eye in metres x units a radian
WAVES = 26


def waves():
    """(kx, kz, speed, phase, slope): from 9 m to 0.2 m long, most of them with the wind."""
    random = np.random.RandomState(8)
    for k in range(WAVES):
        length = 9 * (0.2 / 9) ** (k / (WAVES - 1))
        heading = math.radians(-62) + random.normal(0, 0.55)  # towards us and to the right
        number = 2 * math.pi / length
        yield (number * math.cos(heading), number * math.sin(heading), math.sqrt(9.81 * number), random.uniform(0, 6.28),
               0.016 + 0.006 * random.rand())


class Sea:
    def __init__(self, density, width, height):
        self.density = density
        self.x = ((np.arange(width * density, dtype=np.float32) + 0.5) / density)[None, :]
        self.y = ((np.arange((height - HORIZON) * density, dtype=np.float32) + 0.5) / density + HORIZON)[:, None]
        self.far = REACH / (self.y - HORIZON + 0.6)

    def slopes(self, time, turned, moved):
        """Slopes along and across the view. `turned`: the camera, in units; `moved`: in metres."""
        wx, wz = (self.x - 320 + turned) * self.far / 640 + moved, self.far
        step_z, step_x = wz * wz / REACH / self.density, wz / 640 / self.density
        gust = 0.55 + 0.9 * smooth(clouds(wx / 23 - 0.12 * time, wz / 34 + 0.2 * time, 3, 81), 0.3, 0.7)
        sx = sz = 0
        for kx, kz, speed, phase, slope in waves():
            seen = np.exp(-2.2 * ((kz * step_z) ** 2 + (kx * step_x) ** 2))  # waves finer than a pixel are not seen
            wave = np.cos(kx * wx + kz * wz - speed * time + phase) * (seen * slope)
            length = math.hypot(kx, kz)
            sx, sz = sx + wave * (kx / length), sz + wave * (kz / length)
        # far away, where single waves are not told apart, groups of them shimmer
        group = noise(wx / 2.9 + 0.5 * time, 13 * np.log(wz) + 1.1 * time, 82) + noise(wx / 1.3 - 0.4 * time,
                                                                                       27 * np.log(wz) + 1.7 * time, 83) - 1
        sz = sz + 0.032 * group * smooth(wz, 30, 110)
        return sx * gust, sz * gust, wx, wz

    def render(self, time, turned, moved, sky, mirrored, wakes):
        """`sky`: a frame's, softened, as far down as the horizon. `mirrored`: what stands in the water, the farthest first."""
        sx, sz, wx, wz = self.slopes(time, turned, moved)
        for wake in wakes:
            rows = self.rows(wake)
            sz[rows] += 0.16 * wake.rough(self.x, self.y[rows]) * (noise(wx[rows] * 1.9, wz[rows] * 0.7 + time, 84) - 0.5)
        rise = 1280 * sz  # how far the mirrored ray is tilted, in units
        height = np.abs(self.y - HORIZON + rise)
        u, v = clip(self.x + sx * 240, 0, 639.9), clip(HORIZON - 1 - height * 0.92, 1, HORIZON - 1)
        picture = self.look(sky, u, v)
        glint = np.exp(-(((u - (SUN[0] - turned)) / 17) ** 2 + ((v - SUN[1]) / 24) ** 2))
        picture += (0.85 * glint)[..., None] * colour((255, 226, 168))
        for item in mirrored:
            first, last = round((item.left - 40) * self.density), round((item.left + 40) * self.density) + item.pixels.shape[1]
            part = np.s_[max(round((item.waterline - 1 - HORIZON) * self.density), 0):, max(first, 0):max(last, 0)]
            near = clip((item.metres - self.far[part[0]]) / item.metres)  # the ray has this share of the way left
            v = 2 * item.waterline - self.y[part[0]] - rise[part] * near
            seen = self.look(item.soft, u[part] - item.left, v - item.top) * (v < item.waterline + 0.5)[..., None]
            picture[part] = picture[part] * (1 - seen[..., 3:]) + seen[..., :3]
        slant = clip((self.y - HORIZON) / 640 * 1.35 + sz * 0.9 + 0.02)
        mirror = 0.05 + 0.95 * (1 - slant) ** 5
        deep = mix((16, 54, 68), (34, 96, 98), clip(0.4 + 5 * sz + 0.5 * smooth(self.x, 200, 640)))
        picture = mix(deep, picture, mirror)
        for wake in wakes:
            rows = self.rows(wake)
            picture[rows] = mix(picture[rows], (250, 240, 226), wake.foam(self.x, self.y[rows], wx[rows], wz[rows], time))
        return picture

    def rows(self, wake):
        """Those that a wake is in."""
        first = max(int((wake.waterline - 10 - HORIZON) * self.density), 0)
        return slice(first, first + 28 * self.density)

    def look(self, picture, u, v):
        """The samples of a picture that are nearest to (u, v), in units; nothing outside."""
        rows, columns = picture.shape[:2]
        i, j = np.floor(u * self.density).astype(np.int32), np.floor(v * self.density).astype(np.int32)
        known = (i >= 0) & (i < columns) & (j >= 0) & (j < rows)
        return picture.reshape(rows * columns, -1)[np.where(known, j * columns + i, 0)] * known[..., None]


class Wake:
    """Foam at a hull and behind it. `ahead` is 1 for a ship that heads right, -1 for left."""

    def __init__(self, x, waterline, half, ahead, speed):
        self.x, self.waterline, self.half, self.ahead, self.speed = x, waterline, half, ahead, speed

    def band(self, x, y):
        """Behind the bow, in lengths of the ship, and how far off the wake's middle, in its widths."""
        behind = (self.half - (x - self.x) * self.ahead) / (2 * self.half)
        width = 1.2 + 3.2 * clip(behind, 0, 4) ** 0.7
        return behind, (y - self.waterline - 0.6 * width * clip(behind, 0, 1)) / width

    def rough(self, x, y):
        behind, off = self.band(x, y)
        return np.exp(-off * off) * smooth(behind, -0.02, 0.1) * smooth(behind, 3.2, 0.9)

    def foam(self, x, y, wx, wz, time):
        behind, off = self.band(x, y)
        bubbles = clouds(wx * 2.2, wz * 0.9 + 0.15 * time, 4, 85)
        at_bow = 1.5 * np.exp(-((behind - 0.03) / 0.05) ** 2) + 0.42 * smooth(behind, 0, 0.08) * smooth(behind, 2.6, 0.7)
        return clip(0.95 * smooth(bubbles + 0.30 * at_bow * self.speed, 0.56, 0.80) * np.exp(-off * off * 1.3)
                    * smooth(behind, -0.03, 0.03)
                    * smooth(behind, 3.0, 0.8))
