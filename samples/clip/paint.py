# SPDX-License-Identifier: MIT
"""What the clip is painted with: a canvas that takes shapes by their distance functions, noise, and letters made of strokes.
Lengths are in units of one pixel of the finished clip; a canvas has `density` pixels a unit. Colours are 0 to 1, or 0 to 255 in tuples."""
import math

import numpy as np

SEED = 14
TABLE = np.random.RandomState(SEED).rand(256, 256).astype(np.float32)  # RandomState: the same numbers in every version of NumPy


def noise(x, y, turn=0):
    """Smooth noise, 0 to 1, features about one unit wide; `turn` picks another one."""
    x, y = np.float32(x) + 17.3 * turn, np.float32(y) + 41.7 * turn
    left, above = np.floor(x), np.floor(y)
    u, v = x - left, y - above
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    i, j = left.astype(np.int32), above.astype(np.int32)
    i, j, k, m = i & 255, j & 255, (i + 1) & 255, (j + 1) & 255
    top = TABLE[j, i] * (1 - u) + TABLE[j, k] * u
    return top * (1 - v) + (TABLE[m, i] * (1 - u) + TABLE[m, k] * u) * v


def clouds(x, y, octaves=5, turn=0):
    """Noise of all sizes, 0 to 1."""
    total, weight = 0, 0.5
    for octave in range(octaves):
        total = total + weight * noise(x * 2 ** octave, y * 2 ** octave, turn + octave)
        weight /= 2
    return total / (1 - 0.5 ** octaves)


def clip(values, low=0.0, high=1.0):
    return np.minimum(np.maximum(values, low), high)


def smooth(values, low, high):
    """0 below low, 1 above high, a soft step between."""
    t = clip((values - low) / (high - low))
    return t * t * (3 - 2 * t)


def mix(a, b, share):
    """Two colours, or pictures of them, by a share of the second, which may be a plane."""
    share = np.asarray(share, np.float32)
    share = share[..., None] if share.ndim == 2 else share
    return colour(a) * (1 - share) + colour(b) * share


def colour(value):
    return np.array(value, np.float32) / 255 if isinstance(value, tuple) else value


def blur(picture, width, axis):
    """An average of `width` pixels along an axis."""
    pad = [(0, 0)] * 3
    pad[axis] = width // 2, width - 1 - width // 2
    total = np.cumsum(np.pad(picture, pad, mode="edge"), axis, dtype=np.float32)
    ahead, first = np.delete(total, np.s_[:width], axis), np.take(total, [width - 1], axis)
    behind = np.take(total, np.arange(picture.shape[axis] - 1), axis)
    return np.concatenate([first, ahead - behind], axis) / width


def soften(picture, density):
    """What waves too small to be drawn do to a mirrored picture."""
    return blur(blur(picture, 3 * density, 0), density, 1)


# Distances: positive inside, in units.

def disc(x, y, cx, cy, r):
    return r - np.hypot(x - cx, y - cy)


def box(x, y, left, top, right, bottom):
    return np.minimum(np.minimum(x - left, right - x), np.minimum(y - top, bottom - y))


def polygon(x, y, points):
    """Any closed polygon, even and odd."""
    away = inside = None
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1]):
        dx, dy = x1 - x0, y1 - y0
        along = clip(((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1e-9))
        square = (x - x0 - along * dx) ** 2 + (y - y0 - along * dy) ** 2
        cross = ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (dx / dy if dy else 0))
        away = square if away is None else np.minimum(away, square)
        inside = cross if inside is None else inside ^ cross
    return np.where(inside, 1, -1) * np.sqrt(away)


def curve(*points, steps=10):
    """Points along a smooth line through the points (Catmull and Rom's), for polygons and ropes."""
    points = np.array([points[0], *points, points[-1]], np.float64)
    out = []
    for k in range(1, len(points) - 2):
        a, b, c, d = points[k - 1:k + 3]
        for t in np.arange(steps) / steps:
            out.append(tuple(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t ** 3)))
    return out + [tuple(points[-1])]


class Canvas:
    """Premultiplied R, G, B and alpha; the pixel [0, 0] begins at (left, top)."""

    def __init__(self, left, top, width, height, density=4):
        self.left, self.top, self.density = left, top, density
        self.pixels = np.zeros((round(height * density), round(width * density), 4), np.float32)

    def window(self, x0, y0, x1, y1):
        """The part that holds a rectangle, and the coordinates of its pixels' centres; None where nothing of it is on the canvas."""
        rows, columns = self.pixels.shape[:2]
        i0, i1 = (min(max(math.floor((v - self.left) * self.density), 0), columns) for v in (x0, x1 + 1))
        j0, j1 = (min(max(math.floor((v - self.top) * self.density), 0), rows) for v in (y0, y1 + 1))
        if i0 >= i1 or j0 >= j1:
            return None
        x = (np.arange(i0, i1, dtype=np.float32) + 0.5) / self.density + self.left
        y = (np.arange(j0, j1, dtype=np.float32) + 0.5) / self.density + self.top
        return self.pixels[j0:j1, i0:i1], x[None, :], y[:, None]

    def all(self):
        return self.left, self.top, self.left + self.pixels.shape[1] / self.density, self.top + self.pixels.shape[0] / self.density

    def cover(self, part, alpha, paint):
        alpha = alpha[..., None].astype(np.float32)
        part *= 1 - alpha
        part[..., :3] += alpha * paint
        part[..., 3:] += alpha

    def fill(self, where, paint, bounds=None, opacity=1.0, soft=0.0):
        """Paints where the distance is positive. `where(x, y)`; `paint` a colour or a function of x, y; `soft` widens the edge."""
        found = self.window(*(bounds or self.all()))
        if found:
            part, x, y = found
            inside = np.broadcast_to(where(x, y), part.shape[:2])
            alpha = clip(inside / max(soft, 1 / self.density) + 0.5) * opacity
            self.cover(part, alpha, paint(x, y) if callable(paint) else colour(paint))

    def shape(self, points, paint, opacity=1.0, soft=0.0):
        points = list(points)
        xs, ys = zip(*points)
        self.fill(lambda x, y: polygon(x, y, points), paint, (min(xs) - 1 - soft, min(ys) - 1 - soft, max(xs) + 1 + soft,
                                                              max(ys) + 1 + soft),
                  opacity, soft)

    def rectangle(self, left, top, right, bottom, paint, opacity=1.0):
        self.fill(lambda x, y: box(x, y, left, top, right, bottom), paint, (left - 1, top - 1, right + 1, bottom + 1), opacity)

    def ball(self, cx, cy, r, paint, opacity=1.0, soft=0.0):
        r1 = r + 1 + soft
        self.fill(lambda x, y: disc(x, y, cx, cy, r), paint, (cx - r1, cy - r1, cx + r1, cy + r1), opacity, soft)

    def line(self, points, width, paint, opacity=1.0):
        """A stroke with round ends. One that is thinner than a pixel gets fainter, not thicker."""
        points, width_px = list(points), width * self.density
        for (x0, y0), (x1, y1) in zip(points, points[1:]):
            m = width + 1
            found = self.window(min(x0, x1) - m, min(y0, y1) - m, max(x0, x1) + m, max(y0, y1) + m)
            if found:
                part, x, y = found
                dx, dy = x1 - x0, y1 - y0
                along = clip(((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1e-9))
                away = np.sqrt((x - x0 - along * dx) ** 2 + (y - y0 - along * dy) ** 2) * self.density
                self.cover(part, clip(width_px / 2 + 0.5 - away, 0, min(width_px, 1)) * opacity, colour(paint))

    def over(self, other):
        """Another canvas of the same size on top."""
        self.pixels *= 1 - other.pixels[..., 3:]
        self.pixels += other.pixels


# Letters: strokes on a grid of 4 by 6, y down; "-" lifts the pen.
LETTERS = {
    "A": "06 20 46 - 14 34", "E": "40 00 06 46 - 03 33", "F": "40 00 06 - 03 33", "I": "20 26", "K": "00 06 - 40 03 46", "L": "00 06 46",
    "M": "06 00 23 40 46", "P": "06 00 30 41 42 33 03", "R": "06 00 30 41 42 33 03 - 23 46", "T": "00 40 - 20 26", "1": "11 20 26",
    "2": "01 10 30 41 42 06 46", "4": "30 04 44 - 30 36", "7": "00 40 16", "S": "41 30 10 01 02 13 33 44 45 36 16 05",
    "O": "10 30 41 45 36 16 05 01 10", "N": "06 00 46 40", "Y": "00 23 40 - 23 26", "B": "00 06 36 45 44 33 03 - 33 42 41 30 00",
    "D": "00 06 26 45 41 20 00", "C": "41 30 10 01 05 16 36 45", "H": "00 06 - 40 46 - 03 43", "U": "00 05 16 36 45 40",
}


def write(canvas, text, left, top, height, paint, width=None, slope=0.0):
    """Capitals and digits; `slope` lets the line climb."""
    step, pen = height / 6, width or height / 7
    for k, letter in enumerate(text):
        x0 = left + k * step * 5.6
        for stroke in LETTERS.get(letter, "").split(" - "):
            points = [(x0 + int(p[0]) * step, top + int(p[1]) * step + (x0 + int(p[0]) * step - left) * slope)
                      for p in stroke.split()]
            canvas.line(points, pen, paint)
