#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws samples/harbour.mp4, the clip that the demo and the README enlarge: ten seconds of an evening at the harbour, 640x360,
300 frames, H.264 and AAC. Pictures and sound are formulas, nothing is taken from elsewhere; NumPy draws them, twice as large, and
shrinks them as a camera would; the ffmpeg program encodes them. No two frames have much in common: the camera pans all the time.

Usage: draw_clip.py OUT.mp4          the clip; a few minutes on two cores
       draw_clip.py --large OUT.mkv  the same before it is shrunk, 1280x720, lossless: what the enlarged clip should look like
       draw_clip.py --frame N OUT.ppm [--large]"""
import math
import multiprocessing
import os
import subprocess
import sys
import tempfile

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "clip"))
import land  # noqa: E402
import ships  # noqa: E402
import sound  # noqa: E402
from paint import Canvas, blur, clip, colour, smooth, soften  # noqa: E402
from sea import Sea, Wake  # noqa: E402

WIDTH, HEIGHT, RATE, FRAMES = 640, 360, 30, 300
DENSITY = 2  # what is drawn is so many times as large as the clip
ROOM = 64    # how far the camera turns to the right in all, with some to spare
FRAME = 0, 0, WIDTH, HEIGHT


class Layer:
    """A wide picture, of which a frame shows a part that begins anywhere; and the same as water mirrors it."""

    def __init__(self, canvas, waterline, metres):
        self.canvas, self.waterline, self.metres = canvas, waterline, metres
        self.soft = Canvas(canvas.left, canvas.top, 0, 0, DENSITY)
        step, (rows, columns) = canvas.density // DENSITY, canvas.pixels.shape[:2]
        self.soft.pixels = soften(canvas.pixels.reshape(rows // step, step, columns // step, step, 4).mean(axis=(1, 3)), DENSITY)


class Shown:
    """A layer in a frame, seen from (x, y)."""

    def __init__(self, layer, x, y):
        self.left, self.top, self.waterline, self.metres = 0, 0, layer.waterline - y, layer.metres
        self.pixels, self.soft = (self.part(canvas, x, y) for canvas in (layer.canvas, layer.soft))

    def part(self, canvas, x, y):
        """A frame's pixels: averages of the canvas's pixels under them, in shares."""
        pixels, step = canvas.pixels, canvas.density // DENSITY
        for axis, (start, size) in enumerate(((y - canvas.top, HEIGHT * DENSITY), (x - canvas.left, WIDTH * DENSITY))):
            at = start * canvas.density
            first = math.floor(at)
            share = np.float32(at - first)
            size = min(size, (pixels.shape[axis] - first - 1) // step)
            rows = [pixels[(slice(None),) * axis + (slice(first + k, first + k + size * step, step),)] for k in range(step + 1)]
            pixels = (rows[0] * (1 - share) + sum(rows[1:-1]) + rows[-1] * share) / step
        return pixels


class Scene:
    def __init__(self):
        self.sky = Layer(land.sky(WIDTH + ROOM), 0, 0)
        self.land = Layer(land.land(WIDTH + ROOM), land.WATERLINE, 376)
        self.lighthouse = Layer(land.lighthouse(WIDTH + ROOM + 8), 216, 206)
        self.piper, self.fisher, self.buoy = (ships.halved(ship()) for ship in (ships.piper, ships.fisher, ships.buoy))
        self.sea = Sea(DENSITY, WIDTH, HEIGHT + 4)

    def camera(self, time):
        """(turned, up) in units, moved in metres: it pans, travels, and is held by hand."""
        ease = time / 10 + 0.06 * math.sin(2 * math.pi * (time / 10 - 0.25))
        shake = sum(a * math.sin(w * time + p) for a, w, p in ((0.7, 1.9, 0.3), (0.35, 4.3, 1.1), (0.18, 8.9, 2.0)))
        up = sum(a * math.sin(w * time + p) for a, w, p in ((0.5, 1.5, 1.3), (0.25, 3.7, 0.4), (0.15, 9.7, 0.9)))
        return 6 + 36 * ease + shake, up, 2.6 * ease

    def render(self, number):
        """One frame, [height, width, 3], 0 to 1."""
        time = number / RATE
        turned, up, moved = self.camera(time)

        def across(x, metres):  # from where it stands to where it is seen
            return x - turned - moved * 640 / metres
        sky = Shown(self.sky, turned, up)
        behind = [Shown(layer, turned + moved * 640 / layer.metres, up) for layer in (self.land, self.lighthouse)]
        density, bob = DENSITY, math.sin(1.7 * time)
        boat = ships.Placed(self.fisher, across(505 - 5.2 * time, 96), 234 - up + 0.5 * math.sin(1.3 * time + 1),
                            0.016 * math.sin(1.5 * time), 96,
                            density, FRAME, time)
        ketch = ships.Placed(self.piper, across(205 + 14.5 * time, 50), 264 - up + 0.9 * math.sin(1.05 * time),
                             0.016 + 0.020 * math.sin(1.15 * time + 0.6), 50,
                             density, FRAME, time)
        mark = ships.Placed(self.buoy, across(640, 26), 322 - up + 2.2 * bob, 0.07 * math.sin(1.7 * time + 0.9) + 0.03, 26,
                            density, FRAME, time)
        wakes = [Wake(boat.x, boat.waterline, 42, -1, 0.7), Wake(ketch.x, ketch.waterline, 62, 1, 1.0),
                 Wake(mark.x, mark.waterline, 13, 1, 0.35)]
        canvas = Canvas(0, 0, WIDTH, HEIGHT, DENSITY)
        frame = canvas.pixels
        frame[:sky.pixels.shape[0]] = sky.pixels
        frame[..., 3] = 1
        self.beam(canvas, *[v - d for v, d in zip(land.LAMP, (turned + moved * 640 / 206, up))], time)
        top = land.HORIZON * DENSITY
        water = self.sea.render(time, turned, moved, sky.soft[..., :3], behind + [boat, ketch, mark], wakes)
        first = round(-up * DENSITY)  # the horizon moves by whole pixels of the large frame, the rest of the way by waves
        frame[top + first:, :, :3] = water[:HEIGHT * DENSITY - top - first]
        for item in behind:
            part = frame[:item.pixels.shape[0]]
            part *= 1 - item.pixels[:part.shape[0], :, 3:]
            part += item.pixels[:part.shape[0]]
        self.alive(canvas, turned + moved * 640 / 376, up, time)
        self.smoke(canvas, boat.x + 16, boat.waterline - 41, time)
        for item in (boat, ketch, mark):
            self.put(frame, item)
        self.flags(canvas, ketch, time)
        for k, (x, y, span, speed, way) in enumerate(((60, 60, 15, 9, 1), (90, 74, 12, 8, 1), (590, 120, 22, -21, -1),
                                                      (610, 138, 18, -19, -1), (300, 40, 9, 6, 1),
                                                     (720, 226, 30, -30, -1))):
            beat = math.sin(2 * math.pi * (1.5 + 0.2 * k) * time + k) * smooth(math.sin(0.7 * time + k), -0.6, 0.2)
            land.gull(canvas, x + speed * time - turned, y - up + 6 * math.sin(0.8 * time + k), span, beat)
        return self.finish(frame[..., :3])

    def alive(self, canvas, x0, y0, time):
        land.sails(canvas, land.MILL[0] - x0, land.MILL[1] - y0, 0.62 * time)
        for k, (start, speed, coat) in enumerate(((70, 5, (176, 60, 54)), (96, -4, (60, 88, 120)), (178, 6, (214, 160, 64)),
                                                  (262, -5, (78, 104, 84)),
                                                  (300, 4, (120, 74, 110)), (150, -6, (226, 214, 196)))):
            land.walker(canvas, start + speed * time - x0, 198 - y0, abs(speed) * 1.1 * time + k, coat)

    def flags(self, canvas, ketch, time):
        """At the mizzen's top, a pennant; it blows ahead, as the wind comes from behind."""
        x, y = ketch.x - 44 + 2.2 * math.sin(1.15 * time + 0.6), ketch.waterline - 106
        for row, tint in enumerate(((34, 120, 124), (244, 236, 220), (34, 120, 124))):
            for k in range(12):
                def at(u, v):
                    return x + u, y + v + 0.10 * u * math.sin(0.75 * u - 9 * time)
                u0, u1, v0, v1 = k, k + 1.05, row * 2.2, row * 2.2 + 2.2
                canvas.shape([at(u0, v0), at(u1, v0), at(u1, v1), at(u0, v1)],
                             tuple(c * (0.86 + 0.14 * math.cos(0.75 * k - 9 * time)) for c in tint))

    def smoke(self, canvas, x, y, time):
        for k in range(14):
            age = (time * 1.6 + k) % 14
            canvas.ball(x + age * 2.6 + 1.5 * math.sin(k * 2.4 + time), y - 1 - age * 1.5 - 0.6 * math.sin(k), 1 + age * 0.42,
                        (128, 120, 126), 0.17 * (1 - age / 14), 3 + age)

    def beam(self, canvas, x, y, time):
        """The lighthouse turns once in five seconds: two soft cones, and a flash when one of them points at us."""
        for side in (0, math.pi):
            angle = 2 * math.pi * time / 5 + side + 0.4
            reach, facing = math.cos(angle), clip(math.sin(angle), 0, 1)

            def cone(u, v):
                along = (u - x) * (1 if reach > 0 else -1)
                wide, long = 1.5 + 0.11 * abs(along), 30 + 130 * abs(reach)
                return np.exp(-((v - y) / wide) ** 2 - np.maximum(along, 0) / long) * smooth(along, 0, 6) * smooth(v, y + 95, y + 40)
            found = canvas.window(0, 0, WIDTH, y + 100)
            part, u, v = found
            part[..., :3] += (0.34 * abs(reach) * cone(u, v))[..., None] * colour((255, 240, 190))
            flash = facing ** 24
            if flash > 0.01:
                part, u, v = canvas.window(x - 60, y - 60, x + 60, y + 60)
                part[..., :3] += (flash * 1.2 * np.exp(-np.hypot(u - x, (v - y) * 1.3) / 9))[..., None] * colour((255, 246, 210))

    def put(self, frame, item):
        rows, columns = item.pixels.shape[:2]
        part = frame[item.top * DENSITY:item.top * DENSITY + rows, item.left * DENSITY:item.left * DENSITY + columns]
        pixels = item.pixels[:part.shape[0], :part.shape[1]]
        part *= 1 - pixels[..., 3:]
        part += pixels

    def finish(self, picture):
        """What a lens and film add: a glow around what is bright, darker corners, a curve."""
        small = picture.reshape(HEIGHT // 4, 4 * DENSITY, WIDTH // 4, 4 * DENSITY, 3).mean(axis=(1, 3))
        glow = np.maximum(small - 0.78, 0)
        for axis in (0, 1):
            glow = blur(glow, 9, axis)
        glow = np.repeat(np.repeat(glow, 4 * DENSITY, 0), 4 * DENSITY, 1)
        for axis in (0, 1):
            glow = blur(glow, 8 * DENSITY, axis)
        y, x = np.ogrid[-1:1:HEIGHT * DENSITY * 1j, -1:1:WIDTH * DENSITY * 1j]
        picture = clip(picture + 0.9 * glow) * (1 - 0.16 * smooth(x * x + y * y, 0.7, 2.0))[..., None].astype(np.float32)
        return clip(picture + 0.10 * picture * (1 - picture) * (2 * picture - 1))


def shrink(picture):
    """Half as large, by a cubic filter of eight taps, as pictures are shrunk that networks learn from."""
    taps = np.array([-0.01171875, -0.03515625, 0.11328125, 0.43359375], np.float32)
    taps = np.concatenate([taps, taps[::-1]])
    for axis in (0, 1):
        pad = [(0, 0)] * 3
        pad[axis] = (3, 3)
        wide = np.pad(picture, pad, mode="edge")
        size = picture.shape[axis] // 2
        picture = sum(t * np.take(wide, range(k, k + 2 * size, 2), axis) for k, t in enumerate(taps))
    return clip(picture)


SCENE = None


def start():
    global SCENE
    SCENE = SCENE or Scene()


def frame(number, large):
    picture = SCENE.render(number)
    picture = picture if large else shrink(picture)
    return (picture * 255 + 0.5).astype(np.uint8)


def task(job):
    return frame(*job).tobytes()


def main():
    options = sys.argv[1:]
    large = "--large" in options
    if large:
        options.remove("--large")
    if options[:1] == ["--frame"]:
        start()
        picture = frame(int(options[1]), large)
        with open(options[2], "wb") as file:
            file.write(b"P6\n%d %d\n255\n" % (picture.shape[1], picture.shape[0]) + picture.tobytes())
        return
    size = f"{WIDTH * 2}x{HEIGHT * 2}" if large else f"{WIDTH}x{HEIGHT}"
    codec = ["-c:v", "ffv1", "-c:a", "flac"] if large else \
        ["-c:v", "libx264", "-preset", "veryslow", "-crf", "21", "-threads", "1", "-c:a", "aac", "-b:a", "96k", "-movflags",
         "+faststart"]
    with tempfile.TemporaryDirectory() as folder:
        wave = os.path.join(folder, "sound.wav")
        sound.save(wave, FRAMES / RATE)
        encoder = subprocess.Popen(
            ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(RATE), "-i", "-", "-i", wave,
             "-vf", "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int,format=yuv420p", *codec,
             "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv",
             "-fflags", "+bitexact", "-flags", "+bitexact", "-metadata", "title=Evening at the harbour", options[0]], stdin=subprocess.PIPE)
        start()
        with multiprocessing.get_context("fork").Pool(len(os.sched_getaffinity(0))) as pool:
            for done in pool.imap(task, ((k, large) for k in range(FRAMES)), chunksize=4):
                encoder.stdin.write(done)
        encoder.stdin.close()
        sys.exit(encoder.wait())


if __name__ == "__main__":
    main()
