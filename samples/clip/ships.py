# SPDX-License-Identifier: MIT
"""What swims: the ketch Piper under sail, the fishing boat RT 14, a buoy. Each is painted once around its own middle, with y = 0 at the
waterline; `Placed` is one of them in a frame, rolled by a small angle."""
import math

import numpy as np

from paint import Canvas, blur, clip, clouds, colour, curve, mix, noise, smooth, soften, write

ROPE, WOOD, SPAR = (58, 48, 46), (122, 80, 50), (196, 148, 92)


def sail(canvas, corners, paint, seams, turn, reefs=()):
    """Four corners, or three with the last one twice: tack, clew, peak, throat. The leech and the foot are curved a little."""
    tack, clew, peak, throat = (np.array(c, float) for c in corners)
    edge = curve(tuple(tack), tuple((tack + clew) / 2 + (0, 1.6)), tuple(clew))[:-1] + \
        curve(tuple(clew), tuple(clew * 0.5 + peak * 0.5 + (clew - tack) * 0.035), tuple(peak)) + [tuple(throat)]
    along, middle = clew - tack, (tack + clew + peak + throat) / 4
    length = np.hypot(*along)
    normal = np.array([-along[1], along[0]]) / length

    def cloth(x, y):
        across = ((x - tack[0]) * along[0] + (y - tack[1]) * along[1]) / length ** 2  # 0 at the mast, 1 at the leech
        up = (x - tack[0]) * normal[0] + (y - tack[1]) * normal[1]
        belly = 0.80 + 0.30 * np.sin(np.pi * clip(0.1 + 0.75 * across)) + 0.10 * (clouds(x / 12 + y / 40, y / 16, 4, turn) - 0.5)
        folds = 0.05 * np.sin((x - middle[0]) * 0.9 + (y - middle[1]) * 0.25) * clip(1.2 - abs(up) / 14)
        seam = 0.10 * (np.mod(across * seams + 0.015 * up, 1) < 0.07)
        return np.minimum(colour(paint) * (belly + folds - seam)[..., None], 1)
    canvas.shape(edge, cloth, 0.97)
    for share in reefs:
        a, b = tack * (1 - share) + throat * share, clew * (1 - share) + peak * share
        canvas.line([tuple(a), tuple(b)], 0.3, tuple(colour(paint) * 170))
        for t in np.linspace(0.06, 0.94, 12):
            p = a * (1 - t) + b * t
            canvas.line([tuple(p), (p[0] - 0.4, p[1] + 2.6)], 0.28, (236, 226, 204))
    canvas.line(edge + edge[:1], 0.3, tuple(colour(paint) * 150))


def shrouds(canvas, x, top, deck, spread, sides):
    """Ropes from a mast's top to the rail, with ratlines to climb."""
    feet = [x + s for s in sides]
    for foot in feet:
        canvas.line([(x, top), (foot, deck)], 0.26, ROPE)
        canvas.ball(foot, deck - 1.4, 0.6, (36, 30, 30))
        canvas.ball(foot, deck - 0.1, 0.55, (36, 30, 30))
    for k in range(1, int((deck - top) / spread)):
        share = 1 - k * spread / (deck - top)
        if share > 0.12:
            canvas.line([(x + (f - x) * share, top + (deck - top) * share) for f in (feet[0], feet[-1])], 0.16, ROPE)


def piper():
    canvas = Canvas(-100, -162, 220, 176)
    sheer = curve((-76, -17), (-50, -13.6), (0, -11.8), (40, -14.6), (72, -21.5))
    canvas.line([(66, -19), (104, -30)], 1.6, SPAR)
    canvas.line([(103, -29.6), (62, -2)], 0.3, ROPE)
    for x, top, up in ((14, -134, 152), (-44, -96, 108)):  # masts and topmasts
        canvas.line([(x, -10), (x, top + 14)], 2.3, SPAR)
        canvas.line([(x + 0.5, -10), (x + 0.5, top + 14)], 0.7, (232, 188, 128))
        canvas.line([(x, top + 16), (x, -up)], 1.3, SPAR)
        canvas.ball(x, -up, 0.9, (240, 226, 190))
    stays = [((14, -150), (103, -29.8)), ((14, -118), (70, -21)), ((14, -146), (-44, -94)), ((-44, -106), (-76, -17)),
             ((14, -120), (-6, -12)), ((14, -150), (-44, -106))]
    for a, b in stays:
        canvas.line([a, b], 0.26, ROPE)
    sail(canvas, [(96, -31), (36, -30), (18, -140), (18, -140)], (228, 214, 190), 9, 41)
    sail(canvas, [(67, -26), (24, -27), (15.5, -110), (15.5, -110)], (232, 218, 194), 7, 42)
    sail(canvas, [(12.6, -25), (-37, -23.5), (-23, -124), (12.6, -100)], (188, 90, 58), 10, 43, (0.16, 0.3))
    sail(canvas, [(12.8, -103), (-20, -124), (13, -146), (13, -146)], (198, 102, 66), 5, 44)
    sail(canvas, [(-45.2, -26), (-81, -25), (-70, -92), (-45.2, -75)], (188, 90, 58), 8, 45, (0.2,))
    write(canvas, "14", -19, -87, 13, (250, 236, 208), 1.7)
    for boom, gaff in ((((14, -24), (-39, -22.4)), ((13, -99), (-25, -126))),
                       (((-44, -25), (-83, -24)), ((-45, -74), (-71, -93.5)))):
        canvas.line(boom, 1.5, SPAR)
        canvas.line(gaff, 1.3, SPAR)
    for y in range(-96, -26, 7):
        canvas.line([(11.8, y), (15.2, y + 0.6)], 0.45, (236, 216, 178))
    for y in range(-70, -28, 7):
        canvas.line([(-46, y), (-43, y + 0.6)], 0.4, (236, 216, 178))
    shrouds(canvas, 14, -121, -13.5, 4.2, (-7, -2, 3))
    shrouds(canvas, -44, -83, -15, 4.2, (-5, -1, 3))
    for a, b in [((-38, -22.6), (-60, -15)), ((-37, -23), (-66, -15.6)), ((36, -30), (12, -13)), ((24, -27), (8, -12)),
                 ((-25, -126), (-44, -106)), ((-10, -115), (14, -144)), ((-82, -24), (-75, -17))]:
        canvas.line([a, b], 0.22, ROPE)
    for x0, x1, tall in ((-30, -8, 6.5), (22, 34, 4)):  # deckhouses
        canvas.rectangle(x0, -11 - tall, x1, -9, lambda x, y: mix((150, 96, 56), (206, 146, 88), clouds(x / 6, y / 0.7, 4, 51)))
        canvas.rectangle(x0 - 1, -11.8 - tall, x1 + 1, -10.8 - tall, (238, 230, 214))
        for x in np.arange(x0 + 1.6, x1 - 2.4, 4.6):
            canvas.rectangle(x, -10.2 - tall * 0.75, x + 2.8, -9.8 - tall * 0.3, (250, 216, 140))
    for x, y, coat in ((-61, -16.5, (240, 190, 50)), (-4, -13, (64, 92, 140)), (48, -16, (190, 60, 54))):  # the crew
        canvas.line([(x - 0.8, y + 4), (x, y - 1), (x + 0.9, y + 4)], 1.2, (54, 56, 74))
        canvas.line([(x, y - 5), (x, y - 1)], 2.8, coat)
        canvas.line([(x + 0.5, y - 4.6), (x + 3.4, y - 3.2)], 1.0, coat)
        canvas.ball(x, y - 7.6, 1.4, (228, 180, 146))
        canvas.line([(x - 1.3, y - 8.4), (x + 1.4, y - 8.4)], 0.9, coat)
    canvas.fill(lambda x, y: 0.35 - np.abs(np.hypot(x + 56, y + 17) - 2.4), WOOD, (-60, -21, -52, -13))
    for a in np.arange(8) * math.pi / 4:
        canvas.line([(-56, -17), (-56 + 3.3 * math.cos(a), -17 + 3.3 * math.sin(a))], 0.3, WOOD)
    deck = np.array(sheer)

    def planks(x, y):
        down = y - np.interp(x, deck[:, 0], deck[:, 1])
        row = down / 2.4
        tone = 0.82 + 0.18 * noise(x / 14 + np.floor(row) * 7.7, np.floor(row),
                                   52) - 0.13 * (np.mod(row, 1) < 0.1) + 0.2 * smooth(x, 10, 74) - 0.014 * down
        paint = np.where((down < 3.4)[..., None], colour((236, 228, 208)), colour((36, 62, 92)))
        paint = np.where(((down > 3.4) & (down < 4.5))[..., None], colour((206, 160, 84)), paint)
        paint = mix(paint, (150, 52, 46), smooth(y, -2.6, -2.2) + 0 * x)
        return mix(np.minimum(paint * tone[..., None], 1), (206, 178, 150), 0.20 * smooth(clouds(x / 9, y / 3, 4, 53), 0.5, 0.8))
    canvas.shape(sheer + curve((72, -21.5), (66, -13), (57, 0), (50, 9)) + curve((-58, 9), (-63, -3), (-76, -17)), planks)
    canvas.line(sheer, 0.8, WOOD)
    for x in range(-70, 66, 5):  # the rail on its posts
        y = float(np.interp(x, deck[:, 0], deck[:, 1]))
        canvas.line([(x, y), (x, y - 2.6)], 0.35, (236, 226, 204))
    canvas.line([(x, y - 2.6) for x, y in sheer[:-6]], 0.45, (236, 226, 204))
    for x in range(-46, 34, 13):
        y = float(np.interp(x, deck[:, 0], deck[:, 1])) + 6.8
        canvas.ball(x, y, 1.25, (214, 176, 96))
        canvas.ball(x, y, 0.85, (40, 44, 58))
    write(canvas, "PIPER", 38, -9.9, 4.6, (246, 226, 170), slope=-0.10)
    canvas.ball(-33, -14.5, 2.4, (250, 246, 236))
    canvas.ball(-33, -14.5, 1.2, (206, 148, 92))
    for a in range(4):
        c, s = math.cos(a * math.pi / 2 + 0.8), math.sin(a * math.pi / 2 + 0.8)
        canvas.line([(-33 + 1.3 * c, -14.5 + 1.3 * s), (-33 + 2.3 * c, -14.5 + 2.3 * s)], 0.9, (206, 60, 50))
    return canvas


def fisher():
    """RT 14 heads left; the net hangs to dry."""
    canvas = Canvas(-62, -72, 124, 84)
    sheer = curve((-47, -20), (-30, -14.5), (0, -10.5), (30, -10.2), (45, -12))
    deck = np.array(sheer)
    canvas.line([(-16, -12), (-16, -58)], 1.2, (226, 214, 190))
    canvas.line([(20, -12), (20, -44)], 0.9, (226, 214, 190))
    ropes = [((-16, -16), (8, -46), 0.7), ((-16, -58), (-47, -20), 0.22), ((-16, -58), (20, -44), 0.2), ((20, -44), (44, -13), 0.22),
             ((8, -46), (-16, -58), 0.2), ((8, -46), (4, -12), 0.2), ((-16, -50), (-24, -15), 0.2), ((-16, -50), (-9, -12), 0.2),
             ((20, -40), (31, -44), 0.4), ((31, -44), (40, -13), 0.2)]
    for a, b, w in ropes:
        canvas.line([a, b], w, (84, 72, 66) if w < 0.5 else (214, 176, 110))
    net = [(-14, -40), (7, -44), (5, -20), (-12, -22)]
    canvas.shape(net, lambda x, y: mix((58, 110, 96), (120, 168, 132), ((np.mod(x + y * 0.6, 1.6) < 0.5)
                                                                        | (np.mod(x - y * 0.6, 1.6) < 0.5)) * 1.0), 0.55)
    for k in range(8):
        canvas.ball(-12 + 2.4 * k, -21.8 + 0.25 * k, 0.85, ((232, 140, 50), (240, 226, 200))[k % 2])
    canvas.shape([(10, -11), (11, -33), (31, -33), (33, -11)], lambda x, y: mix((206, 200, 196), (255, 246, 228),
                                                                                smooth(x, 8, 34) + 0 * y))
    canvas.rectangle(9, -34.6, 33, -32.6, (190, 66, 52))
    for x in (12.4, 17, 21.6, 26.2):
        canvas.rectangle(x, -30.6, x + 3.4, -26, lambda u, v: mix((52, 66, 86), (176, 180, 176), smooth(u * 0.6 - v, 36, 45)))
    canvas.rectangle(25, -23, 29.6, -11, (160, 112, 66))
    canvas.ball(14.8, -19, 2.2, (232, 120, 44))
    canvas.ball(14.8, -19, 1.1, (226, 220, 214))
    canvas.rectangle(15.5, -41, 18.5, -34.6, (52, 52, 62))
    canvas.rectangle(15.5, -39, 18.5, -37.4, (220, 170, 60))
    canvas.line([(21, -37.4), (27, -37.4)], 0.9, (246, 244, 240))
    for x, y, coat in ((-28, -17, (236, 130, 40)), (-2, -13.5, (236, 196, 60))):
        canvas.line([(x, y + 4), (x, y)], 1.7, (60, 70, 84))
        canvas.line([(x, y - 3.4), (x, y)], 2.2, coat)
        canvas.ball(x, y - 5.4, 1.1, (226, 178, 144))
    for k in range(4):  # boxes on deck
        canvas.rectangle(-13 + 4.6 * k, -14.2, -9 + 4.6 * k, -10, (((70, 130, 170), (220, 120, 60))[k % 2]))

    def hull(x, y):
        down = y - np.interp(x, deck[:, 0], deck[:, 1])
        tone = 0.84 + 0.2 * smooth(x, -30, 45) - 0.12 * (np.mod(down / 2.2, 1) < 0.1) + 0.12 * (clouds(x / 5, y / 8, 4, 61) - 0.5)
        paint = np.where((down < 2.2)[..., None], colour((246, 240, 228)), colour((44, 104, 112)))
        paint = mix(paint, (158, 50, 44), smooth(y, -2.3, -1.9) + 0 * x)
        rust = smooth(clouds(x / 1.4, y / 9, 4, 62), 0.56, 0.75) * smooth(down, 1, 6)
        return mix(paint * tone[..., None], (146, 88, 56), 0.55 * rust)
    canvas.shape(sheer + curve((45, -12), (44, -4), (41, 8)) + curve((-34, 8), (-39, -3), (-47, -20)), hull)
    canvas.line(sheer, 0.7, (206, 60, 50))
    canvas.line([(x, y - 2.4) for x, y in sheer], 0.35, (232, 226, 214))
    for x, y in sheer[::4]:
        canvas.line([(x, y), (x, y - 2.4)], 0.3, (232, 226, 214))
    for x in (-18, -4, 10, 24):
        canvas.ball(x, -6.2, 1.5, (38, 36, 40))
        canvas.ball(x, -6.2, 0.7, (70, 96, 100))
    write(canvas, "RT 14", -38, -12.2, 4.8, (250, 246, 232), slope=0.09)
    return canvas


def buoy():
    canvas = Canvas(-22, -62, 44, 78)

    def shade(base, wide):
        return lambda x, y: mix(colour(base) * 0.55, np.minimum(colour(base) * 1.15 + 0.08, 1),
                                smooth(x, -wide, wide * 0.8) * (0.8 + 0.3 * clouds(x / 3, y / 4, 4, 71)))
    canvas.shape([(-12, -3), (12, -3), (10, 14), (-10, 14)], shade((160, 42, 40), 12))
    canvas.fill(lambda x, y: 3.6 - np.hypot(x * 0.29, y + 4), shade((214, 66, 54), 12), (-14, -9, 14, 1))
    for a, b in ((-8, -3), (8, 3)):
        canvas.line([(a, -5), (b, -36)], 1.3, (186, 52, 46))
    canvas.line([(0, -4), (0, -36)], 0.9, (146, 40, 40))
    for k in range(4):
        y, half = -9 - 7 * k, 7.4 - 1.15 * k
        canvas.line([(-half, y), (half, y)], 0.8, (196, 56, 48))
        canvas.line([(-half, y), (half - 1.15, y - 7)], 0.45, (170, 48, 44))
        canvas.line([(half, y), (1.15 - half, y - 7)], 0.45, (170, 48, 44))
    canvas.rectangle(-7.5, -24, 7.5, -14, (246, 240, 228))
    write(canvas, "27", -5.4, -22.6, 7, (40, 40, 52))
    canvas.rectangle(-4.4, -38, 4.4, -36, (120, 40, 40))
    canvas.rectangle(-2, -44, 2, -38, lambda x, y: mix((255, 120, 96), (255, 226, 200), smooth(x, -2, 1) + 0 * y))
    canvas.line([(-2.4, -44), (2.4, -44)], 1, (90, 36, 38))
    canvas.shape([(-5, -46), (0, -56), (5, -46)], shade((206, 60, 50), 5))
    for u in (-8.5, -4, 1, 5.5, 9):  # weed at the waterline
        canvas.line([(u, -1.5), (u + 0.6, 2)], 1.6, (60, 74, 50))
    return canvas


def halved(canvas):
    """A canvas whose every pixel is the average of the 2 x 2 around it: one sample of it stands for a pixel of half the density."""
    canvas.pixels = blur(blur(canvas.pixels, 2, 0), 2, 1)
    canvas.left -= 0.5 / canvas.density
    canvas.top -= 0.5 / canvas.density
    return canvas


class Placed:
    """A ship in a frame, found in a canvas that `halved` made: premultiplied colours at the frame's density, where they lie, and what
    the water needs to mirror them."""

    def __init__(self, ship, x, waterline, angle, metres, density, frame, time):
        self.waterline, self.metres, self.x = waterline, metres, x
        rows, columns = ship.pixels.shape[:2]
        left, top, right, bottom = ship.all()
        reach = 3 + abs(math.sin(angle)) * max(-top, right)
        self.left = max(math.floor(x + left - reach), frame[0])
        self.top = max(math.floor(waterline + top - reach), frame[1])
        wide, tall = min(math.ceil(x + right + reach), frame[2]) - self.left, min(math.ceil(waterline + bottom + reach),
                                                                                  frame[3]) - self.top
        if wide <= 0 or tall <= 0:
            self.pixels = self.soft = np.zeros((1, 1, 4), np.float32)
            return
        u = ((np.arange(wide * density, dtype=np.float32) + 0.5) / density + (self.left - x))[None, :]
        v = ((np.arange(tall * density, dtype=np.float32) + 0.5) / density + (self.top - waterline))[:, None]
        c, s = np.float32(math.cos(angle)), np.float32(math.sin(angle))
        px, py = (u * c + v * s - left) * ship.density - 0.5, (v * c - u * s - top) * ship.density - 0.5
        inside = (px > 0) & (px < columns - 1.001) & (py > 0) & (py < rows - 1.001)
        i, j = clip(px, 0, columns - 1.001).astype(np.int32), clip(py, 0, rows - 1.001).astype(np.int32)
        a, b = (px - i).astype(np.float32)[..., None], (py - j).astype(np.float32)[..., None]
        flat, at = ship.pixels.reshape(-1, 4), j * columns + i
        self.pixels = (flat[at] * (1 - a) + flat[at + 1] * a) * (1 - b) + (flat[at + columns] * (1 - a) + flat[at + columns + 1]
                                                                           * a) * b
        self.pixels *= inside[..., None]
        # what is under water is not seen, and small waves lap at the hull
        across = (np.arange(wide * density) + 0.5) / density + self.left - x
        lap = waterline + 0.5 * np.sin(across * 0.45 + 2.1 * time) + 0.4 * np.sin(across * 0.9 - 3.3 * time)
        y = (np.arange(tall * density) + 0.5) / density + self.top
        self.pixels *= clip((lap[None, :] - y[:, None]) * density + 0.5)[..., None].astype(np.float32)
        self.soft = soften(self.pixels, density)
