#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Nothing of a picture is lost on the way through framemill upscale: profile, EXIF, XMP, orientation, depth, transparency, colours. Sources are
made and results are examined by the tools of libvips. Usage: test_upscale_pictures.py FRAMEMILL, from the project's root."""
import os
import re
import struct
import subprocess
import sys
import tempfile
import traceback
import zlib

framemill = os.path.abspath(sys.argv[1])
MODEL = os.path.abspath("models/lanczos2x.onnx")
SAMPLE = os.path.abspath("samples/harbour.png")
FORMATS = ("png", "jpg", "webp", "tiff", "avif", "jxl")


def tool(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def header(path):
    """The fields of a picture, as text."""
    fields = {}
    for line in tool("vipsheader", "-a", path).splitlines()[1:]:
        name, _, value = line.partition(": ")
        fields[name] = value
    return fields


def point(path, x, y):
    return [float(v) for v in tool("vips", "getpoint", path, str(x), str(y)).split()]


def up(*arguments, code=0):
    done = subprocess.run([framemill, "upscale", "-m", MODEL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == code, (arguments, done.returncode, done.stderr)
    return done.stderr


def exif(orientation):
    """An EXIF block: orientation, copyright, and the pixel sizes in a sub-folder."""
    def entry(tag, kind, count, value):
        return struct.pack("<HHI", tag, kind, count) + value
    text = b"A. Founder 2026\0"
    first, folder = 8, 2 + 3 * 12 + 4
    sub = first + folder + len(text)
    main = struct.pack("<H", 3) + entry(0x0112, 3, 1, struct.pack("<HH", orientation, 0)) + \
        entry(0x8298, 2, len(text), struct.pack("<I", first + folder)) + entry(0x8769, 4, 1, struct.pack("<I", sub)) + struct.pack("<I", 0)
    inner = struct.pack("<H", 2) + entry(0xa002, 4, 1, struct.pack("<I", 240)) + entry(0xa003, 4, 1, struct.pack("<I", 160)) + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", first) + main + text + inner


def with_exif(path, orientation):
    """Puts an EXIF block into a JPEG or PNG."""
    data, block = open(path, "rb").read(), exif(orientation)
    if data[:2] == b"\xff\xd8":
        body = b"Exif\0\0" + block
        data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
    else:
        chunk = b"eXIf" + block
        data = data[:33] + struct.pack(">I", len(block)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]
    open(path, "wb").write(data)


def profiles_stay(folder):
    source = os.path.join(folder, "p3.png")
    tool("vips", "copy", SAMPLE, source + "[profile=p3]")
    size = re.search(r"\d+ bytes", header(source)["icc-profile-data"]).group()
    before = point(source, 120, 125)
    for kind in FORMATS:
        out = os.path.join(folder, "p3_2x." + kind)
        up(source, out, "--quality", "100")
        assert re.search(r"\d+ bytes", header(out)["icc-profile-data"]).group() == size, kind
        after = point(out, 240, 250)
        assert max(abs(a - b) for a, b in zip(before, after)) <= (4 if kind in ("jpg", "avif") else 1), (kind, before, after)


def metadata_stay(folder):
    for source_kind in ("jpg", "png"):
        source = os.path.join(folder, "exif." + source_kind)
        tool("vips", "copy", SAMPLE, source)
        with_exif(source, 1)
        for kind in ("jpg", "png", "webp"):
            out = os.path.join(folder, f"exif_{source_kind}_2x.{kind}")
            up(source, out)
            fields = header(out)
            assert "A. Founder 2026" in fields.get("exif-ifd0-Copyright", ""), (source_kind, kind, fields)
            assert fields.get("exif-ifd2-PixelXDimension", "480").startswith("480"), fields.get("exif-ifd2-PixelXDimension")


def pictures_stand_upright(folder):
    """The corner that is seen at the top left is where it belongs, whatever the orientation says."""
    mark = os.path.join(folder, "mark.png")  # 64 x 32: red top left, green top right, blue bottom left, white bottom right
    quarters = {"red": "255 0 0", "green": "0 255 0", "blue": "0 0 255", "white": "255 255 255"}
    for name, colour in quarters.items():
        tool("vips", "black", f"{folder}/{name}.v", "32", "16", "--bands", "3")
        tool("vips", "linear", f"{folder}/{name}.v", f"{folder}/{name}.png", "0 0 0", colour, "--uchar")
    tool("vips", "arrayjoin", " ".join(f"{folder}/{name}.png" for name in quarters), mark, "--across", "2")
    # orientation -> where the stored quarters (top left, top right, bottom left, bottom right) are seen
    seen = {1: "red green blue white", 2: "green red white blue", 3: "white blue green red", 4: "blue white red green",
            5: "red blue green white", 6: "blue red white green", 7: "white green blue red", 8: "green white red blue"}
    for orientation, corners in seen.items():
        for kind in ("jpg", "png"):
            source, out = f"{folder}/turned.{kind}", f"{folder}/turned_2x.png"
            tool("vips", "copy", mark, source + ("[Q=100,subsample-mode=off]" if kind == "jpg" else ""))
            with_exif(source, orientation)
            up(source, out, "--overwrite")
            fields = header(out)
            width, height = int(fields["width"]), int(fields["height"])
            assert (width, height) == ((64, 128) if orientation > 4 else (128, 64)), (orientation, kind, width, height)
            for name, (x, y) in zip(corners.split(), ((0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75))):
                got, want = point(out, int(x * width), int(y * height)), [float(v) for v in quarters[name].split()]
                assert max(abs(a - b) for a, b in zip(got, want)) < 12, (orientation, kind, name, got)
            assert fields.get("orientation", "1") == "1" and "1" in fields.get("exif-ifd0-Orientation", "1"), fields


def depth_and_alpha_stay(folder):
    for kind in ("png", "tiff", "jxl"):
        source, out = f"{folder}/deep.{kind}", f"{folder}/deep_2x.{kind}"
        tool("vips", "linear", SAMPLE, f"{folder}/deep.v", "257", "0")
        tool("vips", "cast", f"{folder}/deep.v", f"{folder}/deep16.v", "ushort")
        tool("vips", "copy", f"{folder}/deep16.v", f"{folder}/deep_rgb.v", "--interpretation", "rgb16")
        tool("vips", "bandjoin_const", f"{folder}/deep_rgb.v", source + ("[lossless]" if kind == "jxl" else ""), "65535")
        up(source, out, "--quality", "100")
        fields = header(out)
        assert fields["format"] == "ushort" and fields["bands"] == "4", (kind, fields)
        before, after = point(source, 120, 125), point(out, 240, 250)
        assert max(abs(a - b) for a, b in zip(before, after)) < 300 and after[3] == 65535, (kind, before, after)


def cmyk_becomes_rgb(folder):
    source = f"{folder}/print.jpg"
    tool("vips", "icc_export", SAMPLE, f"{folder}/print.v", "--output-profile", "cmyk")
    tool("vips", "copy", f"{folder}/print.v", source)
    said = up(source, f"{folder}/print_2x.png")
    assert "CMYK" in said, said
    before, after = point(SAMPLE, 120, 125), point(f"{folder}/print_2x.png", 240, 250)
    assert len(after) == 3 and max(abs(a - b) for a, b in zip(before, after)) < 40, (before, after)


def odd_shapes_pass(folder):
    for width, height in ((1, 1), (1, 7), (3000, 20), (20, 3000), (2, 2)):
        source, out = f"{folder}/odd.png", f"{folder}/odd_2x.png"
        tool("vips", "resize", SAMPLE, source, str(width / 240), "--vscale", str(height / 160))
        for more in ((), ("-s", "0.3"), ("-s", "5", "-x"), ("-t", "16"), ("--compare",)):
            up(source, out, "--overwrite", *more)
            scale = float(more[1]) if more[:1] == ("-s",) else 2
            want = max(1, int(width * scale + 0.5)) * (2 if "--compare" in more else 1), max(1, int(height * scale + 0.5))
            fields = header(out)
            assert (int(fields["width"]), int(fields["height"])) == want, (width, height, more, want, fields["width"])


def alpha_edges_have_no_fringe(folder):
    """A blue disc on transparent red: wherever the result is to be seen it is blue."""
    out = f"{folder}/disc_2x.png"
    side = 40
    rows = b""
    for y in range(side):
        row = b"\0"
        for x in range(side):
            inside = (x - 20) ** 2 + (y - 20) ** 2 < 150
            row += bytes((0, 0, 255, 255) if inside else (255, 0, 0, 0))
        rows += row
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))  # noqa: E731
    open(f"{folder}/disc.png", "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)) +
                                           chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    for more in ((), ("-s", "3"), ("-m", "none-at-all"), ("-x",)):
        up(f"{folder}/disc.png", out, "--overwrite", *more)
        tool("vips", "rawsave", out, f"{folder}/disc.raw")
        samples = open(f"{folder}/disc.raw", "rb").read()
        shown = 0
        for at in range(0, len(samples), 4):
            red, green, blue, alpha = samples[at:at + 4]
            shown += alpha == 255
            assert red * alpha < 3 * 255 and green * alpha < 3 * 255 and (alpha < 8 or blue > 230), (more, at, red, green, blue, alpha)
        assert 0.6 < shown / len(samples) * 4 / (3.1416 * 150 / side ** 2) < 1.05, (more, shown)


def main():
    passed = failed = 0
    for case in (profiles_stay, metadata_stay, pictures_stand_upright, depth_and_alpha_stay, cmyk_becomes_rgb, odd_shapes_pass,
                 alpha_edges_have_no_fringe):
        with tempfile.TemporaryDirectory() as folder:
            try:
                case(folder)
                passed += 1
            except AssertionError:
                print(f"FAILED {case.__name__}: {traceback.format_exc(limit=-2)}", file=sys.stderr)
                failed += 1
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


sys.exit(main())
