#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""framemill bench quality: figures against a plain Python of our own and the published ones of bicubic, tables, plots, clips, errors.
Argument: the program. Run from the project's root."""
import csv
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml
import zlib

MODEL = os.path.abspath("models/lanczos2x.onnx")
SHARED = os.path.join(os.environ.get("FM_SHARED", "../shared"), "data")
SVG = "{http://www.w3.org/2000/svg}"
DONE, FAILED, USAGE, BAD_INPUT = range(4)
framemill = sys.argv[1]


class Skip(Exception):
    pass


def run(folder, *arguments):
    """(exit code, output, errors); temporary files go to folder/tmp, which must be empty again afterwards"""
    place = os.path.join(folder, "tmp")
    os.makedirs(place, exist_ok=True)
    done = subprocess.run([framemill, "bench", "quality", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=250,
                          env={**os.environ, "TMPDIR": place})
    if "libvips is not installed" in done.stderr:
        raise Skip("libvips is not installed")
    assert os.listdir(place) == [], os.listdir(place)
    return done.returncode, done.stdout, done.stderr


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def write_png(path, picture):
    """[height][width] of (r, g, b), or of numbers"""
    grey = isinstance(picture[0][0], int)
    lines = b"".join(b"\0" + bytes(row if grey else [v for pixel in row for v in pixel]) for row in picture)

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    header = struct.pack(">IIBBBBB", len(picture[0]), len(picture), 8, 0 if grey else 2, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


def made(width, height, seed=1):
    """waves, edges, noise"""
    picture = []
    for y in range(height):
        row = []
        for x in range(width):
            seed = (seed * 1103515245 + 12345) % 2 ** 31
            v = 120 + 60 * math.sin(x * 0.31) * math.cos(y * 0.23) + (30 if (x // 9 + y // 7) % 2 else 0) + (seed >> 16) % 8
            row.append((int(v), int(v * 0.8), int(255 - v)))
        picture.append(row)
    return picture


# ---- the protocol once more, by loops ----

def cubic(x):
    x = abs(x)
    return 1.5 * x ** 3 - 2.5 * x ** 2 + 1 if x <= 1 else -0.5 * x ** 3 + 2.5 * x ** 2 - 4 * x + 2 if x < 2 else 0


def resize_line(line, out):
    scale = out / len(line)
    narrow = min(scale, 1)
    result = []
    for i in range(out):
        centre = (i + 0.5) / scale - 0.5
        reach = range(math.floor(centre - 2 / narrow), math.ceil(centre + 2 / narrow) + 1)
        weight = [cubic((centre - j) * narrow) for j in reach]
        value = sum(w * line[min(max(j, 0), len(line) - 1)] for j, w in zip(reach, weight)) / sum(weight)
        result.append(min(max(math.floor(value + 0.5), 0), 255))
    return result


def turned(plane):
    return [list(line) for line in zip(*plane)]


def resize(picture, width, height):
    planes = [[[pixel[c] for pixel in row] for row in picture] for c in range(3)]
    planes = [turned([resize_line(line, height) for line in turned(plane)]) for plane in planes]
    planes = [[resize_line(line, width) for line in plane] for plane in planes]
    return [list(zip(*rows)) for rows in zip(*planes)]


def luma(picture):
    return [[16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255 for r, g, b in row] for row in picture]


def psnr(a, b, border):
    a, b = ([row[border:-border] for row in luma(p)[border:-border]] for p in (a, b))
    squares = [(x - y) ** 2 for p, q in zip(a, b) for x, y in zip(p, q)]
    return 10 * math.log10(255 ** 2 * len(squares) / sum(squares))


def flicker(original, up, down):
    """of 5 frames across and 5 across and down, a window in the middle"""
    height, width = len(original), len(original[0])
    room_w, room_h = width - 4, height - 4
    w, h, total = min(room_w, 240) // up * up, min(room_h, 240) // up * up, 0
    border = math.ceil(up / down)
    for diagonal in (0, 1):
        errors = []
        for t in range(5):
            x0, y0 = (room_w - w) // 2 + t, (room_h - h) // 2 + t * diagonal
            frame = [row[x0:x0 + w] for row in original[y0:y0 + h]]
            back = resize(resize(frame, w // up * down, h // up * down), w, h)
            errors.append([[p - q for p, q in zip(a, b)] for a, b in zip(luma(back), luma(frame))])
        changes = [abs(b[y][x] - a[y][x]) for a, b in zip(errors, errors[1:]) for y in range(border, h - border) for x in range(border, w - border)]
        total += sum(changes) / len(changes) / 2
    return total


# ---- cases ----

def figures_of_bicubic(folder):
    for scale, up, down, width, height in ((2, 2, 1, 45, 38), (1.5, 3, 2, 40, 38), (3, 3, 1, 44, 50)):
        data = os.path.join(folder, f"x{scale}")
        os.makedirs(data)
        original = made(width, height)
        write_png(os.path.join(data, "one.png"), original)
        code, text, errors = run(folder, "--data", data, "--scale", str(scale), "-m", "lanczos", "--json", "--repeat", "1")
        assert code == DONE and not errors, (code, errors)
        bicubic, lanczos = (json.loads(line) for line in text.splitlines())
        w, h = width // up * up, height // up * up
        cut = [row[:w] for row in original[:h]]
        want = psnr(cut, resize(resize(cut, w // up * down, h // up * down), w, h), math.ceil(scale))
        assert abs(bicubic["psnr_db"] - want) < 1e-3, (scale, bicubic, want)
        want = flicker(cut, up, down)
        assert abs(bicubic["flicker"] - want) < 5e-3, (scale, bicubic, want)  # a tie may be rounded the other way
        assert bicubic["network"] == "bicubic" and bicubic["gain_db"] is None and bicubic["images_per_s"] is None, bicubic
        assert lanczos["network"] == "lanczos" and lanczos["images_per_s"] > 0 and lanczos["macs_per_pixel"] is None, lanczos
        assert abs(lanczos["gain_db"] - (lanczos["psnr_db"] - bicubic["psnr_db"])) < 2e-3 and 0.3 < lanczos["ssim"] < 1, lanczos


def tables_and_plots(folder):
    data = os.path.join(folder, "my pictures")
    os.makedirs(os.path.join(data, "more"))
    for name, size in (("b", (50, 40)), ("a", (64, 30)), (os.path.join("more", "c"), (33, 60))):
        write_png(os.path.join(data, name + ".png"), made(*size))
    grey = [[pixel[0] for pixel in row] for row in made(40, 40)]
    write_png(os.path.join(data, "grey.png"), grey)
    with open(os.path.join(data, "notes.txt"), "w") as file:
        file.write("no picture")
    out = os.path.join(folder, "out")
    code, text, errors = run(folder, MODEL, "--data", data + "/", "--data", data, "--scale", "2", "-m", f"lanczos,{MODEL}", "--each", "-o", out)
    assert code == DONE and not errors, (code, errors)
    rows = rows_of(os.path.join(out, "quality.csv"))
    names = ["bicubic", "lanczos2x", "lanczos", "lanczos2x"]
    pictures = ["a", "b", "grey", "c", "mean of 4"]
    assert [(row["picture"], row["network"]) for row in rows] == [(p, n) for p in pictures for n in names] * 2, rows
    assert {row["data"] for row in rows} == {"my pictures"}
    for k, row in enumerate(rows):
        mean, network = row["picture"].startswith("mean"), row["network"] == "lanczos2x"
        assert 10 < float(row["psnr_db"]) < 60 and 0.3 < float(row["ssim"]) < 1 and float(row["flicker"]) > 0, row
        assert (row["images_per_s"] != "") == (row["network"] != "bicubic"), row
        assert (row["macs_per_pixel"], row["file_kb"]) == (("588", f"{os.path.getsize(MODEL) / 1e3:.1f}") if mean and network else ("", "")), row
        if mean:
            block = rows[k // 20 * 20:][:16]  # of this set: four pictures by four
            same = [float(r["psnr_db"]) for r in block if r["network"] == row["network"]]
            assert abs(sum(same) / len(same) - float(row["psnr_db"])) < 2e-3, (row, same)
        assert row["psnr_db"] in text and row["network"] in text
    lanczos = {row["network"]: row["psnr_db"] for row in rows if row["picture"] == "a"}
    assert abs(float(lanczos["lanczos"]) - float(lanczos["lanczos2x"])) < 1, lanczos  # they differ at the edges
    texts = [node.text for node in xml.parse(os.path.join(out, "quality.svg")).getroot().iter(SVG + "text")]
    assert texts.count("lanczos2x") == 4 and "dB over bicubic" in texts and "my pictures" in texts, texts


def networks_of_a_folder(folder):
    data, networks = os.path.join(folder, "data"), os.path.join(folder, "networks")
    os.makedirs(data), os.makedirs(networks)
    write_png(os.path.join(data, "a.png"), made(40, 48))
    shutil.copy(MODEL, os.path.join(networks, "one.onnx"))
    shutil.copy(MODEL, os.path.join(networks, "two.onnx"))
    with open(os.path.join(networks, "broken.onnx"), "wb") as file:
        file.write(b"\x08")
    common = ("--data", data, "--model-dir", networks, "--json", "--repeat", "1")
    code, text, errors = run(folder, *common, "--scale", "2")
    assert code == DONE and "broken: left out" in errors, (code, errors)
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["network"] for row in rows] == ["bicubic", "one", "two"] and rows[1]["psnr_db"] == rows[2]["psnr_db"], rows
    code, text, errors = run(folder, *common, "--scale", "3")
    assert code == DONE and "one: left out: it enlarges by 2" in errors and "bicubic alone" in errors, (code, errors)
    assert [json.loads(line)["network"] for line in text.splitlines()] == ["bicubic"]
    code, text, errors = run(folder, *common, "--scale", "3", "-m", "one")  # named ones do as they can: twice, then down
    rows = [json.loads(line) for line in text.splitlines()]
    assert code == DONE and not errors and rows[1]["macs_per_pixel"] == 588 * 5, (code, errors, rows)


def the_small_picture_of_a_pair_counts(folder):
    data = os.path.join(folder, "data")
    os.makedirs(data)
    original, flat = made(40, 30), [[(90, 90, 90)] * 20] * 15
    write_png(os.path.join(data, "n_HR.png"), original)
    write_png(os.path.join(data, "n_LR.png"), flat)
    write_png(os.path.join(data, "n_SRF_4_HR.png"), made(16, 16))  # of another scale: not looked at
    code, text, errors = run(folder, "--data", data, "--scale", "2", "-m", "lanczos", "--json")
    assert code == DONE and not errors, (code, errors)
    want = psnr(original, [[(90, 90, 90)] * 40] * 30, 2)
    for row in map(json.loads, text.splitlines()):
        assert row["picture"] == "mean of 1" and abs(row["psnr_db"] - want) < 1e-3, (row, want)


def what_is_wrong_is_said(folder):
    data = os.path.join(folder, "data")
    os.makedirs(data)
    code, text, errors = run(folder, "--data", data, "--scale", "2", "-m", "lanczos")
    assert code == BAD_INPUT and "data: no pictures" in errors and not text, (code, errors)
    code, text, errors = run(folder, "--data", os.path.join(folder, "none"), "--scale", "2")
    assert code == BAD_INPUT and "none: No such file" in errors, (code, errors)
    large, small = (os.path.join(data, f"a_SRF_2_{half}.png") for half in ("HR", "LR"))
    write_png(large, made(40, 40))
    code, text, errors = run(folder, "--data", data, "--scale", "2", "-m", "lanczos")
    assert code == BAD_INPUT and "a_SRF_2_LR.png is missing" in errors and not text, (code, errors)
    code, text, errors = run(folder, "--data", data, "--scale", "3", "-m", "lanczos")
    assert code == BAD_INPUT and "only for others" in errors, (code, errors)
    write_png(small, made(20, 19))
    code, text, errors = run(folder, "--data", data, "--scale", "2", "-m", "lanczos")
    assert code == BAD_INPUT and "40 x 40 pixels are not 2 times the 20 x 19" in errors, (code, errors)
    write_png(small, made(20, 20))
    code, text, errors = run(folder, "--data", data, "--scale", "2", "-m", "no-such-network")
    assert code == BAD_INPUT and "no-such-network" in errors and not text, (code, errors)
    os.remove(large)
    code, text, errors = run(folder, "--data", data, "--scale", "2", "-m", "lanczos")
    assert code == BAD_INPUT and "a_SRF_2_HR.png is missing" in errors, (code, errors)
    os.remove(small)
    write_png(os.path.join(data, "tiny.png"), made(15, 13))
    code, text, errors = run(folder, "--data", data, "--scale", "2", "-m", "lanczos")
    assert code == BAD_INPUT and "tiny.png: 15 x 13 pixels are too few" in errors, (code, errors)
    with open(os.path.join(data, "tiny.png"), "w") as file:
        file.write("no picture")
    code, text, errors = run(folder, "--data", data, "--scale", "2", "-m", "lanczos")
    assert code == BAD_INPUT and "tiny.png" in errors, (code, errors)
    for arguments in ((), ("--data", data), ("--scale", "2"), ("--data", data, "--scale", "1"), ("--data", data, "--scale", "0"),
                      ("--data", data, "--scale", "2.71828182"), ("--data", data, "--scale", "big"), ("--data",)):
        code, text, errors = run(folder, *arguments)
        assert code == USAGE and errors and not text, (arguments, code, errors)


def published_figures(folder):
    """bicubic on Set5 and Set14 as everybody has it"""
    sets = os.path.join(SHARED, "sr")
    if not os.path.isdir(sets):
        raise Skip("../shared/data/sr is not there")
    code, text, errors = run(folder, "--data", os.path.join(sets, "Set5"), "--data", os.path.join(sets, "Set14"), "--scale", "2", "-m", MODEL,
                             "--json", "--repeat", "1", "--seconds", "0.1")
    assert code == DONE and not errors, (code, errors)
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["picture"] for row in rows] == ["mean of 5"] * 2 + ["mean of 14"] * 2, rows
    assert 33.655 <= rows[0]["psnr_db"] < 33.675 and 0.929 < rows[0]["ssim"] < 0.931, rows[0]
    assert 30.235 <= rows[2]["psnr_db"] < 30.335 and 0.868 < rows[2]["ssim"] < 0.871, rows[2]
    assert rows[1]["gain_db"] > 0.5 and rows[3]["gain_db"] > 0.4, rows


# ---- clips ----

def ffmpeg(*arguments, data=None):
    if not shutil.which("ffmpeg"):
        raise Skip("the ffmpeg program is not installed")
    done = subprocess.run(["ffmpeg", "-v", "error", "-nostdin" if data is None else "-y", "-y", *arguments], input=data, capture_output=True)
    assert done.returncode == 0, (arguments, done.stderr)


def write_clip(path, frames, *options):
    """lossless, as R, G, B, unless options say otherwise"""
    data = bytes(v for frame in frames for row in frame for pixel in row for v in pixel)
    ffmpeg("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{len(frames[0][0])}x{len(frames[0])}", "-r", "10", "-i", "-",
           *(options or ("-c:v", "ffv1", "-pix_fmt", "gbrp")), path, data=data)


def plus(picture, *amounts):
    return [[tuple(v + a for v, a in zip(pixel, amounts)) for pixel in row] for row in picture]


def compare(folder, original, result, *more):
    code, text, errors = run(folder, "--original", original, "--result", result, "--json", *more)
    assert code == DONE and not errors, (code, errors)
    return [json.loads(line) for line in text.splitlines()]


def change(errors, border):
    """of one frame's error to the next"""
    changes = [abs(b[y][x] - a[y][x]) for a, b in zip(errors, errors[1:]) for y in range(border, len(a) - border) for x in range(border, len(a[0]) - border)]
    return sum(changes) / len(changes)


def a_clip_by_networks(folder):
    frames = [made(45, 38, seed) for seed in (1, 2, 3, 4)]
    clip = os.path.join(folder, "waves.mkv")
    write_clip(clip, frames)
    for scale, up, down, count in ((2, 2, 1, 4), (1.5, 3, 2, 3)):
        border, w, h = math.ceil(scale), 45 // up * up, 38 // up * up
        code, text, errors = run(folder, "--data", clip, "--scale", str(scale), "-m", "lanczos", "--json", "--frames", str(count))
        assert code == DONE and not errors, (code, errors)
        bicubic, lanczos = (json.loads(line) for line in text.splitlines())
        cut = [[row[:w] for row in frame[:h]] for frame in frames[:count]]
        back = [resize(resize(frame, w // up * down, h // up * down), w, h) for frame in cut]
        want = sum(psnr(a, b, border) for a, b in zip(cut, back)) / count
        assert abs(bicubic["psnr_db"] - want) < 5e-3, (scale, bicubic, want)  # a tie may be rounded the other way
        want = change([[[p - q for p, q in zip(*rows)] for rows in zip(luma(b), luma(a))] for a, b in zip(cut, back)], border)
        assert abs(bicubic["flicker"] - want) < 5e-3, (scale, bicubic, want)
        assert bicubic["frames"] == lanczos["frames"] == count and bicubic["data"] == "waves.mkv", bicubic
        assert bicubic["images_per_s"] is None and lanczos["images_per_s"] > 0 and 0.3 < lanczos["ssim"] < 1, lanczos
        assert abs(lanczos["gain_db"] - (lanczos["psnr_db"] - bicubic["psnr_db"])) < 2e-3, lanczos
    # a still picture does not flicker, however often it comes
    write_clip(clip, frames[:1] * 3)
    code, text, errors = run(folder, "--data", clip, "--scale", "2", "-m", "lanczos", "--json")
    assert code == DONE and [json.loads(line)["flicker"] for line in text.splitlines()] == [0, 0], (code, text, errors)


def pictures_beside_clips(folder):
    data, out = os.path.join(folder, "data"), os.path.join(folder, "out")
    os.makedirs(os.path.join(data, "more"))
    frames = [made(40, 36, seed) for seed in (1, 2)]
    write_clip(os.path.join(data, "b.mkv"), frames)
    write_clip(os.path.join(data, "more", "c.mkv"), frames[:1])
    write_png(os.path.join(data, "a.png"), frames[0])
    code, text, errors = run(folder, "--data", data, "--scale", "2", "-m", MODEL, "-o", out)
    assert code == DONE and not errors, (code, errors)
    rows = rows_of(os.path.join(out, "quality.csv"))
    assert [(row["picture"], row["frames"]) for row in rows[::2]] == [("b", "2"), ("c", "1"), ("mean of 3", "4")], rows
    assert rows[2]["flicker"] == "" and float(rows[0]["flicker"]) > 0, rows  # one frame alone
    assert rows[5]["macs_per_pixel"] == "588" and rows[1]["macs_per_pixel"] == "", rows
    code, text, errors = run(folder, "--data", os.path.join(data, "a.png"), "--scale", "2", "-m", MODEL, "--json")
    assert code == DONE and not errors, (code, errors)
    picture = [json.loads(line) for line in text.splitlines()]
    for network in (0, 1):  # c is a, as a clip
        of_c, of_a = float(rows[2 + network]["psnr_db"]), picture[network]["psnr_db"]
        assert abs(of_c - of_a) < 2e-3 and picture[network]["data"] == "a.png", (rows, picture)
        assert abs((of_a + float(rows[network]["psnr_db"]) + of_c) / 3 - float(rows[4 + network]["psnr_db"])) < 2e-3, rows


def pairs_of_clips(folder):
    data = os.path.join(folder, "data")
    os.makedirs(data)
    original, grey = [made(40, 32, seed) for seed in (1, 2, 3)], [[[(v, v, v)] * 20] * 16 for v in (60, 90, 140)]
    large, small = os.path.join(data, "n_HR.mkv"), os.path.join(data, "n_LR.avi")  # the ending may be another
    common = ("--data", data, "--scale", "2", "-m", "lanczos", "--json")
    write_clip(large, original)
    code, text, errors = run(folder, *common)
    assert code == BAD_INPUT and "n_LR.mkv is missing" in errors and not text, (code, errors)
    write_clip(small, grey, "-c:v", "ffv1", "-pix_fmt", "bgr0")
    back = [[[frame[0][0]] * 40] * 32 for frame in grey]
    want = sum(psnr(a, b, 2) for a, b in zip(original, back)) / 3
    for arguments in (common, ("--data", large, *common[2:])):
        code, text, errors = run(folder, *arguments)
        assert code == DONE and not errors, (code, errors)
        for row in map(json.loads, text.splitlines()):
            assert abs(row["psnr_db"] - want) < 1e-3 and row["frames"] == 3 and row["picture"] == "mean of 1", (row, want)
    code, text, errors = run(folder, *common, "--scale", "1.5")
    assert code == BAD_INPUT and "40 x 32 pixels are not 1.5 times the 20 x 16" in errors, (code, errors)
    write_clip(small, grey[:2], "-c:v", "ffv1", "-pix_fmt", "bgr0")
    code, text, errors = run(folder, *common)
    assert code == BAD_INPUT and "n_LR.avi: it ends after 2 frames, but" in errors and not text, (code, errors)
    code, text, errors = run(folder, *common, "--frames", "2")
    assert code == DONE and json.loads(text.splitlines()[0])["frames"] == 2, (code, errors)
    write_clip(large, original[:1])
    code, text, errors = run(folder, *common)
    assert code == BAD_INPUT and "n_HR.mkv: it ends after 1 frame, but" in errors, (code, errors)
    shutil.copy(small, os.path.join(data, "n_LR.mov"))
    code, text, errors = run(folder, *common)
    assert code == BAD_INPUT and "is not the only one" in errors, (code, errors)


def a_result_against_its_original(folder):
    frames = [made(32, 24, seed) for seed in (1, 2, 3)]
    a, b, out = (os.path.join(folder, name) for name in ("a.mkv", "b.mkv", "out"))
    write_clip(a, frames)
    same, = compare(folder, a, a)
    assert same["psnr_db"] is None and same["ssim"] == 1 and same["flicker"] == 0 and same["frames"] == 3, same  # JSON has no infinity
    code, text, errors = run(folder, "--original", a, "--result", a, "--csv", out)
    assert code == DONE and " inf " in text and rows_of(out)[0]["psnr_db"] == "inf", (code, text, errors)
    # green by 10 in one frame of three; two are equal and count for 100 dB
    write_clip(b, [frames[0], plus(frames[1], 0, 10, 0), frames[2]])
    by_ten = 10 * 128.553 / 255
    want = 20 * math.log10(255 / by_ten)
    row, = compare(folder, a, b)
    assert abs(row["psnr_db"] - (200 + want) / 3) < 1e-3 and abs(row["worst_db"] - want) < 1e-3 and row["worst_frame"] == 2, (row, want)
    assert abs(row["flicker"] - by_ten) < 1e-3, row  # there and back
    # always alike wrong: no flicker
    write_clip(b, [plus(frame, 0, 10, 0) for frame in frames])
    rows = compare(folder, a, b, "--each")
    assert [row["frame"] for row in rows] == [1, 2, 3, None] and [row["flicker"] for row in rows] == [None, 0, 0, 0], rows
    assert all(abs(row["psnr_db"] - want) < 1e-3 for row in rows) and rows[3]["worst_frame"] == 1, rows
    # a plot is over the frames
    code, text, errors = run(folder, "--original", a, "--result", b, "-o", out + ".d")
    assert code == DONE and len(rows_of(os.path.join(out + ".d", "quality.csv"))) == 4, (code, text, errors)
    texts = [node.text for node in xml.parse(os.path.join(out + ".d", "quality.svg")).getroot().iter(SVG + "text")]
    assert "frame" in texts and "PSNR dB" in texts, texts
    # the border is that of the scale; a picture is a clip of one frame
    one, two = os.path.join(folder, "one.png"), os.path.join(folder, "two.png")
    edge = [row[:] for row in frames[0]]
    edge[0] = [(0, 0, 0)] * 32
    edge[12] = plus([edge[12]], 5, 5, 5)[0]
    write_png(one, frames[0])
    write_png(two, edge)
    row, = compare(folder, one, two, "--scale", "2")
    assert abs(row["psnr_db"] - psnr(frames[0], edge, 2)) < 1e-3 and row["flicker"] is None and row["frames"] == 1, row
    whole, = compare(folder, one, two)
    assert whole["psnr_db"] < row["psnr_db"] - 5, (whole, row)
    row, = compare(folder, a, one, "--frames", "1")
    assert row["psnr_db"] is None and row["ssim"] == 1, row


def colours_and_turns(folder):
    """frames are what players show: by the matrix of the tags, turned and mirrored by the container's matrix"""
    a, b = os.path.join(folder, "a.mkv"), os.path.join(folder, "b.mkv")
    y, u, v = 120, 90, 170
    for tag, kr, kb in (("bt709", 0.2126, 0.0722), ("smpte170m", 0.299, 0.114), ("bt2020nc", 0.2627, 0.0593)):
        ffmpeg("-f", "rawvideo", "-pix_fmt", "yuv444p", "-s", "24x24", "-r", "10", "-i", "-", "-c:v", "ffv1", "-colorspace", tag, a,
               data=bytes([y] * 576 + [u] * 576 + [v] * 576))
        red, blue = (y - 16) / 219 + 2 * (1 - kr) * (v - 128) / 224, (y - 16) / 219 + 2 * (1 - kb) * (u - 128) / 224
        green = ((y - 16) / 219 - kr * red - kb * blue) / (1 - kr - kb)
        write_clip(b, [[[tuple(round(255 * c) for c in (red, green, blue))] * 24] * 24])
        row, = compare(folder, a, b)
        assert row["psnr_db"] is None and row["ssim"] == 1, (tag, row)
    plain, turned = os.path.join(folder, "plain.mov"), os.path.join(folder, "turned.mov")
    write_clip(plain, [made(40, 24, 1), made(40, 24, 2)], "-c:v", "png")
    with open(plain, "rb") as file:
        data = file.read()
    at = data.index(b"tkhd") + 4 + 40  # version 0: the matrix lies behind 40 bytes
    for m in ((1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0), (-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)):
        matrix = struct.pack(">9i", m[0] << 16, m[1] << 16, 0, m[2] << 16, m[3] << 16, 0, 0, 0, 1 << 30)
        with open(turned, "wb") as file:
            file.write(data[:at] + matrix + data[at + 36:])
        ffmpeg("-i", turned, "-c:v", "ffv1", "-pix_fmt", "gbrp", b)  # turns by itself
        row, = compare(folder, turned, b)
        assert row["psnr_db"] is None and row["frames"] == 2, (m, row)


def what_is_wrong_with_clips(folder):
    a, b, other = (os.path.join(folder, name) for name in ("a.mkv", "b.mkv", "other.mkv"))
    frames = [made(32, 24, seed) for seed in (1, 2, 3)]
    write_clip(a, frames)
    write_clip(b, frames[:2])
    write_clip(other, [made(32, 26)])
    code, text, errors = run(folder, "--original", a, "--result", b)
    assert code == BAD_INPUT and "b.mkv: frame 3 is missing" in errors and not text, (code, text, errors)
    code, text, errors = run(folder, "--original", b, "--result", a)
    assert code == BAD_INPUT and "b.mkv: frame 3 is missing" in errors, (code, errors)
    code, text, errors = run(folder, "--original", a, "--result", b, "--frames", "2")
    assert code == DONE and not errors, (code, errors)
    code, text, errors = run(folder, "--original", a, "--result", other)
    assert code == BAD_INPUT and "other.mkv: 32 x 26 pixels, but" in errors and not text, (code, errors)
    sound, text_file, cut, small = (os.path.join(folder, name) for name in ("sound.mp4", "text.mp4", "cut.mkv", "small.mkv"))
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.2", sound)
    with open(text_file, "w") as file:
        file.write("no video")
    write_clip(b, [made(64, 48, seed) for seed in range(6)])
    with open(b, "rb") as file:
        data = file.read()
    with open(cut, "wb") as file:
        file.write(data[:len(data) // 2])
    write_clip(small, [made(14, 12)])
    for path, what in ((sound, "sound.mp4: no video in it"), (text_file, "text.mp4"), (cut, "cut.mkv: it breaks off after"), (small, "small.mkv: 14 x 12 pixels are too few"),
                       (os.path.join(folder, "none.mkv"), "none.mkv: No such file")):
        code, text, errors = run(folder, "--data", path, "--scale", "2", "-m", "lanczos")
        assert code == BAD_INPUT and what in errors and not text, (path, code, errors)
        if path != small:
            code, text, errors = run(folder, "--original", b, "--result", path)
            assert code == BAD_INPUT and os.path.basename(path) in errors and not text, (path, code, errors)
    assert run(folder, "--data", cut, "--scale", "2", "-m", "lanczos", "--frames", "1")[0] == DONE  # it is whole so far
    for arguments in (("--original", a), ("--result", a), ("--original", a, "--result", b, "--data", a), ("--original", a, "--result", b, "-m", "lanczos"),
                      ("--original", a, "--result", b, "lanczos"), ("--original", a, "--result", b, "--frames", "0"),
                      ("--data", a, "--scale", "2", "--frames", "many")):
        code, text, errors = run(folder, *arguments)
        assert code == USAGE and errors and not text, (arguments, code, errors)


CASES = (a_clip_by_networks, pictures_beside_clips, pairs_of_clips, a_result_against_its_original, colours_and_turns, what_is_wrong_with_clips, figures_of_bicubic, tables_and_plots, networks_of_a_folder, the_small_picture_of_a_pair_counts, what_is_wrong_is_said, published_figures)


def main():
    passed = failed = skipped = 0
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            try:
                case(folder)
                passed += 1
            except Skip as why:
                print(f"SKIPPED {case.__name__}: {why}")
                skipped += 1
            except Exception as fault:  # a case that stumbles has failed, whatever it stumbled over
                print(f"FAILED {case.__name__}: {fault!r}", file=sys.stderr)
                failed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


sys.exit(main())
