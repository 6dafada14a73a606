# SPDX-License-Identifier: MIT
"""All that does not swim: the evening sky, islands, the hill with its town and mill, the lighthouse on its mole.
The sun stands low on the right; one unit is about 0.6 m at the town's distance."""
import math

import numpy as np

from paint import Canvas, box, clip, clouds, colour, curve, disc, mix, noise, smooth, write

HORIZON, WATERLINE = 200, 208  # of the sea, and of the quay
SUN = 512, 176
WALLS = [(214, 120, 92), (232, 204, 158), (168, 176, 140), (222, 164, 96), (196, 206, 210), (186, 92, 80), (240, 228, 206),
         (128, 156, 172),
         (226, 184, 150), (204, 146, 120)]
ROOFS = [(134, 66, 50), (112, 60, 54), (92, 74, 76), (148, 82, 56)]


def sky(width):
    canvas = Canvas(-8, -8, width, HORIZON + 20, density=2)  # clouds are soft
    _, x, y = canvas.window(*canvas.all())
    height = clip((HORIZON - y) / 200) + 0 * x
    near = np.exp(-np.hypot((x - SUN[0]) * 0.8, (y - SUN[1]) * 1.6) / 130)
    plain = mix(mix((250, 204, 146), (150, 176, 196), smooth(height, 0.02, 0.42)), (58, 98, 154), smooth(height, 0.3, 1.05))
    plain = mix(plain, (255, 214, 140), 0.75 * near)
    # clouds lie on a plane above us, so they get flatter and smaller towards the horizon
    far = 60 / (HORIZON + 14 - y)
    u, v = (x - 300) * far / 42, far * 6.5 + 0 * x
    warp = clouds(u * 0.7, v * 0.7, 3, 9) - 0.5
    body = clouds(u + 1.6 * warp, v * 1.3 + 1.2 * warp, 6)
    toward = clouds(u + 1.6 * warp + 0.16, v * 1.3 + 1.2 * warp + 0.2, 6)  # the same a step nearer to the sun
    dense = smooth(body, 0.47, 0.7)
    lit = clip(0.5 + 5.5 * (body - toward)) * (0.45 + 0.55 * near)
    shade = mix((116, 124, 152), (186, 150, 150), near)
    cloud = mix(shade, (255, 226, 184), lit)
    picture = mix(plain, cloud, 0.9 * dense * smooth(y, 206, 170))
    veil = clouds(x / 190, y / 7, 4, 5)
    picture = mix(picture, (255, 220, 170), 0.4 * smooth(veil, 0.5, 0.8) * smooth(y, 120, 185))
    disc_of_sun = clip((disc(x, y, *SUN, 8.5)) * 1.2 + 0.5)
    picture = mix(picture, (255, 250, 226), disc_of_sun)
    picture += (0.30 * np.exp(-np.hypot(x - SUN[0], y - SUN[1]) / 26))[..., None] * colour((255, 220, 150))
    canvas.pixels[..., :3] = clip(picture)
    canvas.pixels[..., 3] = 1
    return canvas


def islands(canvas):
    for k, (base, tall, rough, tint) in enumerate([(HORIZON - 2, 34, 90, (176, 164, 176)), (HORIZON, 24, 60, (136, 136, 158)),
                                                   (HORIZON + 1, 13, 44, (100, 108, 130))]):
        def where(x, y):
            ridge = clouds(x / rough + 9 * k, 0 * x + 3.1 * k, 7, k)
            place = smooth(x, 330 + 40 * k, 470) * (1 - 0.75 * np.exp(-((x - SUN[0] - 20 * k) / 60) ** 2)) * smooth(x, 760,
                                                                                                                    620 - 60 * k)
            return y - (base - tall * (0.15 + 1.2 * ridge * place) * (place > 0)) + 2 * (1 - smooth(x, 330, 350))

        def paint(x, y):
            folds = clouds(x / 9 + y / 14, y / 7 - x / 30, 5, 7 + k)
            return mix(mix(colour(tint) * 0.72, tint, smooth(folds, 0.3, 0.7)), (236, 196, 160),
                       0.3 * smooth(y, HORIZON - 16, HORIZON + 2) + 0 * x)
        canvas.fill(where, paint, (300, 140, 800, HORIZON + 1.5))


def slope(x):
    """The top of the hill."""
    return np.interp(x, [-20, 40, 110, 180, 250, 310, 356, 400, 440, 486], [112, 96, 92, 108, 132, 152, 158, 170, 192, 210]) \
        + 5 * (clouds(x / 26, 0 * x + 0.5, 4, 3) - 0.5) * (x < 470)


def hill(canvas):
    def grass(x, y):
        down = y - slope(x)
        patch = clouds(x / 11, y / 6, 6, 2)
        blades = clouds(x / 1.1 + y / 5, y / 2.3, 4, 14)
        green = mix((74, 82, 50), (162, 152, 88), smooth(0.6 * patch + 0.4 * blades, 0.32, 0.68))
        rock = mix((92, 82, 82), (190, 160, 132), clouds(x / 4 + y / 9, y / 2.2, 5, 6))
        bare = smooth(clouds(x / 18, y / 10, 4, 8) + down / 160 + smooth(x, 360, 460) * 0.5, 0.62, 0.78)
        row = np.mod(down / 4.6 + 0.5 * clouds(x / 30, y / 60, 3, 15), 1)  # terraces
        green = green * (1 - 0.22 * (row < 0.16) * (clouds(x / 7, y / 9, 2, 16) > 0.42))[..., None]
        return mix(green, rock, bare) * (0.84 + 0.16 * smooth(x, 60, 400))[..., None]
    canvas.fill(lambda x, y: y - slope(x), grass, (-20, 80, 490, WATERLINE + 2))


def tree(canvas, x0, y0, r, random):
    turn, green = random.randint(0, 60), mix((58, 78, 52), (104, 104, 54), random.rand())
    canvas.line([(x0, y0 + r * 0.5), (x0, y0 + r * 1.25)], r * 0.16, (64, 50, 40))
    lumps = [(x0 + r * 0.55 * math.cos(a), y0 + r * 0.5 * math.sin(a) * 0.8, r * 0.62)
             for a in random.rand(5) * 6.3] + [(x0, y0, r * 0.8)]

    def where(x, y):
        solid = lumps[0][2] - np.hypot(x - lumps[0][0], y - lumps[0][1])
        for lump in lumps[1:]:
            solid = np.maximum(solid, disc(x, y, *lump))
        return solid + 0.8 * (clouds(x / 1.6, y / 1.6, 3, turn) - 0.5) * r / 3

    def leaves(x, y):
        light = 0.5 + 0.34 * (x - x0) / r - 0.42 * (y - y0) / r
        return mix(green * 0.5, np.minimum(green * 1.25 + colour((52, 30, 4)), 1),
                   clip(light * 0.7 + 1.1 * (clouds(x / 1.3, y / 1.1, 3, turn) - 0.42)))
    canvas.fill(where, leaves, (x0 - r * 1.6, y0 - r * 1.6, x0 + r * 1.6, y0 + r * 1.6))


def window(canvas, x, y, width, height, lit):
    canvas.rectangle(x - 0.35, y - 0.35, x + width + 0.35, y + height + 0.5, (244, 236, 222))
    pane = (lambda u, v: mix((255, 226, 150), (250, 176, 84), smooth(v, y, y + height) + 0 * u)) if lit else \
        (lambda u, v: mix((58, 66, 88), (150, 148, 150), smooth(u - x + (v - y) * 0.4, 0, width * 1.3)))
    canvas.rectangle(x, y, x + width, y + height, pane)
    canvas.line([(x + width / 2, y), (x + width / 2, y + height)], 0.22, (240, 232, 216))
    for share in (0.34, 0.67):
        canvas.line([(x, y + height * share), (x + width, y + height * share)], 0.18, (240, 232, 216))
    canvas.rectangle(x - 0.5, y + height + 0.3, x + width + 0.5, y + height + 0.75, (120, 104, 96))


def house(canvas, x, base, width, height, random):
    """Its front, a roof along the street or a gable, windows in rows, a door, a chimney."""
    wall, roof = colour(WALLS[random.randint(len(WALLS))]), colour(ROOFS[random.randint(len(ROOFS))])
    top, turn, gable = base - height, random.randint(50), random.rand() < 0.45
    rise = width * 0.42 if gable else min(width * 0.36, 8.5)

    def plaster(u, v):
        stain = 0.86 + 0.2 * clouds(u / 3, v / 5, 4, turn) - 0.16 * smooth(v, base - 4, base)
        return wall * (stain * (0.80 + 0.2 * smooth(u, x, x + width)))[..., None] * colour((255, 244, 230))

    def tiles(u, v):
        row = np.mod(v * 1.1, 1)
        shade = 0.72 + 0.24 * row + 0.22 * (noise(np.floor(u * 1.2 + np.floor(v * 1.1) * 0.5), np.floor(v * 1.1), turn) - 0.5)
        return roof * (shade * (0.85 + 0.3 * smooth(u, x, x + width)))[..., None]

    if gable:
        canvas.shape([(x, base), (x, top), (x + width / 2, top - rise), (x + width, top), (x + width, base)], plaster)
        canvas.line([(x - 0.9, top + 0.6), (x + width / 2, top - rise - 0.3)], 1.5, tuple(roof * 200))
        canvas.line([(x + width / 2, top - rise - 0.3), (x + width + 0.9, top + 0.6)], 1.5, tuple(roof * 290))
        window(canvas, x + width / 2 - 0.9, top - rise * 0.45, 1.8, 2.2, random.rand() < 0.3)
    else:
        canvas.rectangle(x, top, x + width, base, plaster)
        canvas.shape([(x - 1, top + 0.7), (x + 1.4, top - rise), (x + width - 1.4, top - rise), (x + width + 1, top + 0.7)], tiles)
        canvas.line([(x - 1, top + 0.8), (x + width + 1, top + 0.8)], 0.5, tuple(roof * 120))
        if random.rand() < 0.6:  # a dormer
            d = x + width * (0.3 + 0.3 * random.rand())
            canvas.shape([(d, top - 0.5), (d, top - rise * 0.55), (d + 1.9, top - rise * 0.95), (d + 3.8, top - rise * 0.55),
                          (d + 3.8, top - 0.5)], plaster)
            window(canvas, d + 1.1, top - rise * 0.55, 1.6, 1.8, random.rand() < 0.4)
    stack = x + width * (0.2 + 0.55 * random.rand())
    ridge = top - rise + (abs(stack + 1 - x - width / 2) * 2 * rise / width if gable else 0)
    def bricks(u, v):
        return mix((150, 84, 66), (104, 62, 54), np.mod(np.floor(v * 2.2) + np.floor(u * 1.6), 2) * 0.6)
    canvas.rectangle(stack, ridge - 3, stack + 2, ridge + 2, bricks)
    canvas.rectangle(stack - 0.3, ridge - 3.5, stack + 2.3, ridge - 2.8, (86, 70, 66))
    columns, rows = max(2, int(width / 5.2)), max(1, int((height - 2) / 6.4))
    step, shutters = width / columns, random.rand() < 0.5
    leaf = colour(((76, 104, 96), (84, 96, 130), (120, 66, 58))[random.randint(3)])
    door = random.randint(columns)
    for row in range(rows):
        for column in range(columns):
            u, v = x + step * (column + 0.5) - 1.15, top + 2 + row * 6.4
            if row == rows - 1 and column == door:
                canvas.rectangle(u - 0.2, v + 0.4, u + 2.5, base, tuple(leaf * 180))
                canvas.rectangle(u + 0.3, v + 0.9, u + 2.0, v + 1.9, (230, 196, 140))
                continue
            window(canvas, u, v, 2.3, 3.3, random.rand() < 0.28)
            if shutters:
                for side in (u - 1.5, u + 2.65):
                    canvas.rectangle(side, v - 0.2, side + 1.1, v + 3.5, lambda p,
                                     q: leaf * (0.8 + 0.25 * (np.mod(q * 2.6, 1) > 0.4) + 0 * p)[..., None])


def church(canvas, x, base):
    def stone(u, v):
        course = np.floor(v * 0.8)
        tone = 0.78 + 0.25 * noise(np.floor(u * 0.55 + 0.5 * course), course, 4) - 0.2 * ((np.mod(v * 0.8, 1) < 0.14) + 0 * u)
        return colour((206, 188, 164)) * (tone * (0.7 + 0.36 * smooth(u, x, x + 15)))[..., None]
    canvas.rectangle(x, base - 50, x + 15, base, stone)
    canvas.rectangle(x - 1, base - 51.5, x + 16, base - 50, (150, 134, 120))
    canvas.shape([(x - 1.4, base - 51.5), (x + 7.5, base - 84), (x + 7.5, base - 51.5)], (64, 88, 88))
    canvas.shape([(x + 7.5, base - 51.5), (x + 7.5, base - 84), (x + 16.4, base - 51.5)], (112, 140, 128))
    canvas.line([(x + 7.5, base - 83), (x + 7.5, base - 91)], 0.6, (60, 54, 52))
    canvas.line([(x + 5.7, base - 88.5), (x + 9.3, base - 88.5)], 0.5, (60, 54, 52))
    for u in (x + 2.8, x + 8.6):  # louvers
        canvas.shape([(u, base - 29), (u, base - 34)] + [(u + 1.8 - 1.8 * math.cos(a), base - 34 - 2.4 * math.sin(a))
                                                         for a in np.linspace(0, math.pi, 9)]
                     + [(u + 3.6, base - 29)], lambda p, q: mix((46, 44, 54), (120, 108, 98),
                                                                (np.mod(q * 1.1, 1) > 0.6) * 0.8 + 0 * p))
    canvas.ball(x + 7.5, base - 43, 4.6, (90, 80, 76))
    canvas.ball(x + 7.5, base - 43, 4.1, (246, 240, 224))
    for hour in range(12):
        c, s = math.cos(hour * math.pi / 6), math.sin(hour * math.pi / 6)
        canvas.line([(x + 7.5 + 3.1 * c, base - 43 + 3.1 * s), (x + 7.5 + 3.8 * c, base - 43 + 3.8 * s)], 0.45, (40, 36, 40))
    canvas.line([(x + 7.5, base - 43), (x + 9.3, base - 45)], 0.55, (30, 28, 34))
    canvas.line([(x + 7.5, base - 43), (x + 7.1, base - 39.9)], 0.4, (30, 28, 34))


MILL = 352, 124  # the sails' axle


def mill(canvas):
    x, y = MILL
    base = y + 36

    def lime(u, v):
        round_ = smooth(u, x - 11, x + 10)
        return mix((164, 158, 164), (250, 232, 204), round_ * (0.85 + 0.3 * clouds(u / 2, v / 4, 4, 12)))
    canvas.shape([(x - 10.5, base), (x - 7, y + 1), (x + 7, y + 1), (x + 10.5, base)], lime)
    canvas.shape(curve((x - 8, y + 2), (x - 6.4, y - 4.4), (x, y - 8), (x + 6.4, y - 4.4), (x + 8, y + 2)), (92, 62, 52))
    canvas.shape(curve((x, y + 2), (x + 3, y - 5), (x + 5.4, y - 5), (x + 8, y + 2)), (140, 92, 68))
    for k, v in enumerate((y + 8, y + 16, y + 25)):
        window(canvas, x - 1 + (k - 1) * 2, v, 1.9, 2.6, k == 1)
    canvas.rectangle(x + 4, base - 6.5, x + 7, base, (88, 60, 48))
    canvas.line([(x - 13, base - 13), (x + 13, base - 13)], 0.7, (96, 74, 62))
    canvas.line([(x - 13, base - 16), (x + 13, base - 16)], 0.35, (110, 86, 72))
    for u in np.arange(x - 13, x + 13.1, 2):
        canvas.line([(u, base - 16), (u, base - 13)], 0.25, (110, 86, 72))
        if abs(u - x) > 9:
            canvas.line([(u, base - 13), (x + (u - x) * 0.75, base - 7)], 0.3, (84, 66, 56))


def sails(canvas, x, y, turn):
    """The mill's four sails: a stock, lattice on one side, canvas that is half set."""
    for k in range(4):
        a = turn + k * math.pi / 2
        along, across = np.array([math.cos(a), math.sin(a)]), np.array([-math.sin(a), math.cos(a)])

        def at(u, v):
            return tuple(np.array([x, y]) + u * along + v * across)
        canvas.shape([at(8, 0.4), at(21, 0.4), at(21, 5.2), at(8, 5.2)], (232, 212, 184), 0.85)
        for v in (2.8, 5.2):
            canvas.line([at(7, v), at(33, v)], 0.3, (78, 56, 46))
        for u in np.arange(7, 33.1, 2):
            canvas.line([at(u, 0), at(u, 5.2)], 0.28, (78, 56, 46))
        canvas.line([at(0, 0), at(34, 0)], 0.9, (70, 48, 40))
    canvas.ball(x, y, 1.7, (50, 38, 36))


def quay(canvas):
    def stones(x, y):
        course = np.floor((y - 199) * 0.55)
        u = x * 0.3 + 0.5 * np.mod(course, 2)
        joint = (np.mod(u, 1) < 0.06) | (np.mod((y - 199) * 0.55, 1) < 0.16)
        tone = 0.62 + 0.4 * noise(np.floor(u), course + 0 * x, 11) + 0.25 * (clouds(x / 2, y / 2, 3, 13) - 0.5) - 0.22 * joint
        return mix(colour((166, 146, 130)) * tone[..., None], (92, 88, 72), smooth(y, 206, 207.5) + 0 * x)
    canvas.rectangle(-20, 198.5, 372, WATERLINE + 2, stones)
    canvas.rectangle(-20, 197.7, 372, 199, (206, 184, 156))
    canvas.shape([(371, 197.7), (371, WATERLINE + 2), (384, WATERLINE + 2)], stones)
    for x in range(-6, 372, 27):  # lamps and bollards
        canvas.line([(x, 198), (x, 186.5)], 0.5, (44, 42, 48))
        canvas.line([(x - 1.2, 186.8), (x + 1.2, 186.8)], 0.4, (44, 42, 48))
        canvas.ball(x, 185.4, 1.2, (255, 236, 170))
        canvas.ball(x, 185.4, 5, (255, 210, 130), 0.22, 7)
        canvas.line([(x + 11, 197.8), (x + 11, 196.3)], 1.3, (50, 46, 48))
    for k, x in enumerate(range(58, 250, 46)):  # awnings of the market
        stripe = colour(((196, 70, 58), (64, 116, 128), (206, 150, 64))[k % 3])
        canvas.shape([(x, 190.5), (x + 2, 187), (x + 15, 187), (x + 17, 190.5)],
                     lambda u, v: np.where((np.mod(u + 0 * v, 2.2) < 1.1)[..., None], stripe, colour((250, 240, 222))))
        for u in (x + 0.7, x + 16.3):
            canvas.line([(u, 190.5), (u, 198)], 0.35, (70, 58, 52))
        canvas.rectangle(x + 2, 194.6, x + 15, 197.8, (116, 86, 66))
        for u in np.arange(x + 2.6, x + 15, 1.5):
            canvas.ball(u, 194.3, 0.7, ((206, 120, 50), (150, 160, 70), (190, 60, 56))[int(u * 7) % 3])


def warehouse(canvas, x, base):
    """The brick house at the end of the quay, with the name on its front."""
    def bricks(u, v):
        course = np.floor(v * 1.5)
        tone = 0.74 + 0.3 * noise(np.floor(u * 0.75 + 0.5 * np.mod(course, 2)), course + 0 * u,
                                  21) - 0.18 * (np.mod(v * 1.5, 1) < 0.2)
        return colour((172, 92, 74)) * (tone * (0.86 + 0.2 * smooth(u, x, x + 58)))[..., None]
    canvas.rectangle(x, base - 26, x + 58, base, bricks)
    for k in range(4):
        u = x + 14.5 * k
        canvas.shape([(u, base - 26), (u + 7.25, base - 36), (u + 14.5, base - 26)], bricks)
        canvas.line([(u, base - 26), (u + 7.25, base - 36), (u + 14.5, base - 26)], 0.9, (92, 58, 54))
        canvas.ball(u + 7.25, base - 29.5, 1.5, (230, 214, 190))
        canvas.ball(u + 7.25, base - 29.5, 1.1, (60, 66, 86))
        window(canvas, u + 3, base - 13.5, 3.4, 4, k == 2)
        window(canvas, u + 8.4, base - 13.5, 3.4, 4, k == 0)
        canvas.shape([(u + 4, base), (u + 4, base - 5.5), (u + 7.25, base - 7.2), (u + 10.5, base - 5.5), (u + 10.5, base)],
                     lambda p, q: colour((66, 84, 80)) * (0.8 + 0.3 * (np.mod(p * 1.3, 1) > 0.25) + 0 * q)[..., None])
    canvas.rectangle(x + 3, base - 24.4, x + 55, base - 16.4, (240, 226, 198))
    write(canvas, "FRAMEMILL", x + 5.6, base - 22.8, 4.9, (70, 44, 42))


def moored(canvas, random):
    """Small boats along the quay, with thin masts and stays."""
    for x in list(range(10, 250, 21)) + [392, 418]:
        y, r = WATERLINE + 0.6 + random.rand(), 6 + 3 * random.rand()
        tone = (((238, 232, 222), (60, 84, 116), (150, 50, 50), (226, 196, 120))[random.randint(4)])
        canvas.shape(curve((x - r, y - 3), (x - r * 0.8, y), (x, y + 0.8), (x + r * 0.8, y), (x + r * 1.15, y - 3.4))
                     + [(x, y - 2.6)], tone)
        canvas.line(curve((x - r, y - 3), (x, y - 2.5), (x + r * 1.15, y - 3.4)), 0.45, (110, 78, 56))
        if random.rand() < 0.7:
            tall = 14 + 8 * random.rand()
            canvas.line([(x, y - 2), (x, y - tall)], 0.42, (196, 160, 118))
            canvas.line([(x, y - 5), (x + r * 0.9, y - 5.4)], 0.7, (222, 214, 200))
            for end in (x - r, x + r * 1.1):
                canvas.line([(x, y - tall), (end, y - 3)], 0.14, (60, 52, 52))
        else:
            canvas.shape([(x - 3, y - 2.6), (x - 2.4, y - 6.2), (x + 2, y - 6.2), (x + 3.2, y - 2.6)], (236, 230, 220))
            canvas.rectangle(x - 1.6, y - 5.6, x + 1.4, y - 4, (70, 84, 104))


def land(width):
    """Everything from the islands to the quay; the sky is left free."""
    canvas, random = Canvas(-8, -8, width, WATERLINE + 12), np.random.RandomState(5)
    islands(canvas)
    hill(canvas)
    for _ in range(60):
        x = random.uniform(-10, 345)
        tree(canvas, x, float(slope(np.array([x]))[0]) + random.uniform(-2.5, 3), random.uniform(2.6, 5), random)
    for _ in range(170):  # shrubs
        x = random.uniform(-10, 440)
        top = float(slope(np.array([x]))[0])
        tree(canvas, x, random.uniform(top + 3, 205 if x > 372 else 196), random.uniform(0.8, 1.8), random)
    mill(canvas)
    church(canvas, 121, 132)
    for k, base in enumerate((124, 140, 157, 175, 197.8)):  # streets, the farthest first
        x = -14 + 5 * k + (30 if k == 0 else 0)
        while x < 90 + 58 * k - (14 if k == 4 else 0):
            wide, tall = random.uniform(14, 24), random.uniform(12, 19) + (5 if k == 4 else 0)
            ground = max(base, float(slope(np.array([x + wide / 2]))[0]) + 9) if k < 4 else base
            if random.rand() < 0.9 and not (k < 2 and 112 < x + wide and x < 142):
                house(canvas, x, ground, wide, tall, random)
                canvas.rectangle(x - 1, ground, x + wide + 1, ground + 5, lambda u,
                                 v: mix((96, 92, 70), (146, 132, 100), clouds(u / 3, v / 2, 4, 3)))
            else:
                tree(canvas, x + wide / 2, ground - 5, random.uniform(4, 6.5), random)
            x += wide + random.choice([0, 0, 1.5, 4])
            if random.rand() < 0.35 and k < 4:
                tree(canvas, x, ground - 1, random.uniform(2.5, 4.5), random)
    warehouse(canvas, 308, 197.8)
    quay(canvas)
    moored(canvas, random)
    haze = canvas.pixels[..., 3:] * 0.10
    canvas.pixels[..., :3] = canvas.pixels[..., :3] * 0.9 + haze * colour((255, 206, 160))
    return canvas


LAMP = 623, 93  # the lighthouse's light


def lighthouse(width):
    canvas, (x, y) = Canvas(-8, -8, width, 240), LAMP
    base = 212

    def rock(u, v):
        tone = clouds(u / 5 + v / 9, v / 3, 6, 31)
        crack = smooth(np.abs(clouds(u / 7, v / 5, 4, 33) - 0.5), 0.0, 0.03)
        return mix(mix((50, 46, 52), (186, 158, 134), smooth(tone, 0.28, 0.75)) * (0.55 + 0.45 * crack)[..., None], (84, 80, 70),
                   smooth(v, 214.5, 217) + 0 * u)
    canvas.fill(lambda u, v: v - (216 - 15 * smooth(u, 556, 612) + 5 * (clouds(u / 8, 0 * u, 5, 30) - 0.5) + 3
                                  * (clouds(u / 2, 0 * u, 3, 35) - 0.5)), rock,
                (550, 190, 740, 221))

    def tower(u, v):
        round_ = np.sin(np.pi * clip((u - x) / 26 + 0.42)) ** 0.8 * (0.9 + 0.2 * clouds(u / 2, v / 6, 4, 36))
        plain = mix((128, 126, 144), (255, 242, 220), round_)
        red = mix((92, 36, 44), (222, 74, 60), round_)
        band = np.mod(v - y - 12, 36) - 18
        return np.where(((band > 0) & (band < 18))[..., None], red, plain)
    canvas.shape([(x - 12, base), (x - 7.4, y + 8), (x + 7.4, y + 8), (x + 12, base)], tower)
    for v in (y + 22, y + 58, y + 92):
        window(canvas, x - 1.5, v, 2.6, 4, v == y + 58)
    canvas.rectangle(x - 11, y + 6, x + 11, y + 8.6, (74, 70, 78))
    for u in np.arange(x - 11, x + 11.1, 2.2):
        canvas.line([(u, y + 6), (u, y + 0.6)], 0.28, (70, 66, 74))
    for v in (y + 0.6, y + 3.2):
        canvas.line([(x - 11, v), (x + 11, v)], 0.32, (70, 66, 74))
    canvas.rectangle(x - 5, y - 6, x + 5, y + 6, lambda u, v: mix((250, 226, 170), (180, 186, 190),
                                                                  smooth(u, x - 6, x + 6) + 0 * v))
    for u in (-5, -2.5, 0, 2.5, 5):
        canvas.line([(x + u, y - 6), (x + u, y + 6)], 0.3, (60, 58, 66))
    for u in (-5, -2.5, 0, 2.5):
        canvas.line([(x + u, y + 5), (x + u + 2.5, y - 5)], 0.2, (60, 58, 66))
        canvas.line([(x + u + 2.5, y + 5), (x + u, y - 5)], 0.2, (60, 58, 66))
    canvas.shape(curve((x - 6.4, y - 6), (x - 4.6, y - 10), (x, y - 13), (x + 4.6, y - 10), (x + 6.4, y - 6)), lambda u,
                 v: mix((70, 30, 36), (190, 62, 54), smooth(u, x - 6, x + 4) + 0 * v))
    canvas.line([(x, y - 12), (x, y - 20)], 0.4, (56, 52, 58))
    canvas.ball(x, y - 13.6, 1.1, (60, 54, 58))
    hut = 596
    canvas.rectangle(hut - 10, 196, hut + 9, 210, lambda u, v: colour((238, 226, 204))
                     * (0.72 + 0.28 * clouds(u / 2, v / 3, 4, 37))[..., None])
    canvas.shape([(hut - 12, 196.6), (hut - 8, 190), (hut + 7, 190), (hut + 11, 196.6)],
                 lambda u, v: colour((150, 74, 58)) * (0.75 + 0.3 * np.mod(v * 0.9, 1) + 0 * u)[..., None])
    window(canvas, hut - 6, 199, 2.6, 4, True)
    window(canvas, hut + 2.5, 199, 2.6, 4, False)
    canvas.rectangle(hut - 1.6, 201, hut + 1, 210, (70, 92, 96))
    return canvas


def gull(canvas, x, y, span, beat):
    """Two bent wings and a body; `beat` from -1 to 1."""
    for side in (-1, 1):
        wing = curve((x, y), (x + side * span * 0.28, y - span * (0.10 + 0.10 * beat)),
                     (x + side * span * 0.5, y + span * (0.03 - 0.20 * beat)))
        canvas.line(wing, span * 0.055, (236, 232, 230))
        canvas.line(wing[-4:], span * 0.05, (60, 58, 66))
    canvas.line([(x - span * 0.08, y + span * 0.02), (x + span * 0.13, y)], span * 0.085, (246, 242, 238))
    canvas.line([(x + span * 0.15, y), (x + span * 0.18, y + span * 0.01)], span * 0.03, (226, 160, 60))


def walker(canvas, x, y, step, coat):
    """Somebody on the quay, seven units tall."""
    for side in (-1, 1):
        canvas.line([(x, y - 3), (x + side * 1.0 * math.sin(step), y)], 0.6, (52, 48, 56))
    canvas.line([(x, y - 5.2), (x, y - 3)], 1.5, coat)
    canvas.ball(x, y - 6.5, 0.75, (224, 178, 146))
