#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws samples/harbour.png, the picture that the demo and the README enlarge: flat colours, curves, thin ropes, small windows.
Everything is a formula, drawn eight times as large and averaged down, so edges are as soft as a camera's. Usage: draw_harbour.py OUT.png [TIMES AS LARGE]"""
import struct
import sys
import zlib

import numpy as np

WIDTH, HEIGHT, OVER = 240, 160, 8


def scene(times=1):
    y, x = np.mgrid[0:HEIGHT * times * OVER, 0:WIDTH * times * OVER].astype(np.float32) / (OVER * times)
    image = np.zeros(x.shape + (3,), np.float32)

    def paint(where, colour):
        image[where] = np.array(colour, np.float32) / 255

    def line(x0, y0, x1, y1, width, colour):
        length = np.hypot(x1 - x0, y1 - y0)
        along = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length ** 2
        away = np.abs((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / length
        paint((along >= 0) & (along <= 1) & (away < width / 2), colour)

    sky = (y / 96)[..., None]
    image[:] = (np.array([84, 132, 190]) * (1 - sky) + np.array([252, 214, 160]) * sky) / 255
    sun = np.hypot(x - 176, y - 74)
    paint(sun < 17, (255, 244, 208))
    for k in range(5):  # rays
        a = np.pi * (1.08 + 0.21 * k)
        line(176 + 21 * np.cos(a), 74 + 21 * np.sin(a), 176 + 31 * np.cos(a), 74 + 31 * np.sin(a), 1.2, (255, 236, 190))
    paint(y > 88 - 16 * np.sin(x * 0.021 + 1) - 5 * np.sin(x * 0.07), (108, 122, 150))
    paint(y > 98 - 9 * np.sin(x * 0.03 + 3.5) - 3 * np.sin(x * 0.11), (70, 92, 104))
    paint(y > 104, (36, 94, 128))
    waves = np.sin(x * 0.35 + 2.2 * np.sin(y * 0.5)) * np.sin(y * 1.1)
    paint((y > 105) & (waves > 0.86), (92, 152, 176))
    paint((y > 105) & (np.abs(x - 176) < 14 + 4 * np.sin(y * 1.3)) & (np.sin(y * 1.3) > -0.2), (236, 196, 140))
    for k, (left, width, top, wall) in enumerate([(8, 22, 70, (196, 92, 74)), (31, 18, 62, (226, 196, 150)), (50, 24, 76, (148, 164, 120))]):
        paint((x >= left) & (x < left + width) & (y >= top) & (y < 106), wall)
        roof = (y < top) & (y > top - 11 + np.abs(x - left - width / 2) * 22 / width) & (np.abs(x - left - width / 2) < width / 2 + 1)
        paint(roof, (92, 52, 48))
        for row in range(3):
            for column in range(2 + k % 2):
                u, v = left + 3.5 + column * (4.4 if k % 2 else 6.5), top + 5 + row * 10
                paint((x >= u) & (x < u + 3.2) & (y >= v) & (y < v + 5), (250, 226, 130) if (row + column + k) % 3 else (52, 60, 84))
    hull = (y > 112) & (y < 128) & (x > 92 + (y - 112) * 0.5) & (x < 156 - (y - 112) * 0.9)
    paint(hull, (140, 36, 40))
    paint(hull & (y < 115), (244, 238, 226))
    line(122, 36, 122, 113, 1.8, (74, 52, 40))
    sail = (x > 123.5) & (y > 42) & (y < 106) & (x < 123.5 + (y - 42) * 0.46 + 5 * np.sin((y - 42) * 0.05))
    paint(sail, (250, 246, 236))
    paint(sail & (np.mod(y - 42, 16) < 1), (200, 190, 176))
    jib = (x < 120.5) & (y > 48) & (y < 106) & (x > 120.5 - (y - 48) * 0.42)
    paint(jib, (226, 112, 60))
    line(122, 37, 93, 113, 0.7, (50, 40, 36))
    line(122, 37, 155, 113, 0.7, (50, 40, 36))
    flag = (y > 31 + 1.5 * np.sin(x * 0.6)) & (y < 38 + 1.5 * np.sin(x * 0.6)) & (x > 122) & (x < 134)
    paint(flag, (40, 84, 160))
    paint(flag & (np.abs(x - 127) < 1), (250, 250, 250))
    for u, v in ((30, 24), (46, 16), (204, 30), (190, 22), (220, 20)):  # gulls: two arcs each
        for side in (-1, 1):
            arc = np.hypot(x - u - side * 4, y - v - 3)
            paint((np.abs(arc - 5) < 0.55) & (y < v + 1), (40, 44, 60))
    paint((x > 214) & (x < 232) & (y > 52) & (y < 112), (238, 234, 224))  # the lighthouse
    for band in range(3):
        paint((x > 214) & (x < 232) & (y > 58 + 18 * band) & (y < 67 + 18 * band), (190, 44, 48))
    paint((x > 211) & (x < 235) & (y > 49) & (y < 52), (60, 60, 70))
    paint((x > 217) & (x < 229) & (y > 40) & (y < 49), (255, 240, 150))
    paint((y < 40) & (y > 33 + np.abs(x - 223) * 0.8), (60, 60, 70))
    for post in range(7):
        paint((np.abs(x - 8 - post * 11) < 1.4) & (y > 100) & (y < 120), (60, 44, 36))
    paint((x < 84) & (y > 104) & (y < 108), (104, 78, 58))
    return image.reshape(HEIGHT * times, OVER, WIDTH * times, OVER, 3).mean(axis=(1, 3))


def save_png(path, image):
    pixels = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")):
            file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))


save_png(sys.argv[1], scene(*map(int, sys.argv[2:3])))
