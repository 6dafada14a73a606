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

import picture_metadata as metadata

framemill = os.path.abspath(sys.argv[1])
MODEL = os.path.abspath("models/lanczos2x.onnx")
SAMPLE = os.path.abspath("samples/harbour.png")
FORMATS = ("png", "jpg", "webp", "tiff", "avif", "jxl")
XMP = b"<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF " \
    b"xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description rdf:about='' xmlns:dc='http://purl.org/dc/elements/1.1/' " \
    b"dc:source='a roll of 1987'/></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"


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


def with_exif(path, orientation):
    """Puts EXIF with an orientation into a picture."""
    block = metadata.make_exif("<", {0x0112: (3, (orientation,)), 0x8298: (2, b"A. Founder 2026\0")}, {0xa002: (4, (240,)), 0xa003: (4, (160,))})
    with open(path, "rb") as file:
        data = metadata.INTO[path.rpartition(".")[2]](file.read(), block, XMP)
    with open(path, "wb") as file:
        file.write(data)


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


NOTES = bytes(range(1, 120))  # as a maker's notes are: nobody knows what they say


def told(order):
    """What a camera tells, with directories inside directories and a small picture."""
    return metadata.make_exif(order,
        {0x010f: (2, b"Camera Works\0"), 0x0110: (2, b"CW-1\0"), 0x0112: (3, (1,)), 0x011a: (5, (300, 1)), 0x011b: (5, (300, 1)),
         0x0128: (3, (2,)), 0x0132: (2, b"2026:05:04 03:02:01\0"), 0x013b: (2, b"A. Painter\0"), 0x8298: (2, b"A. Founder 2026\0")},
        {0x829a: (5, (1, 250)), 0x8827: (3, (400,)), 0x9000: (7, b"0232"), 0x9003: (2, b"2026:05:04 03:02:00\0"), 0x9204: (10, (-2, 3)),
         0x927c: (7, NOTES), 0xa002: (4, (96,)), 0xa003: (4, (64,)), 0xa434: (2, b"Lens 35mm f/2\0")},
        {0x0000: (1, (2, 3, 0, 0)), 0x0001: (2, b"N\0"), 0x0002: (5, (52, 1, 31, 1, 1234, 100)), 0x0003: (2, b"E\0"),
         0x0004: (5, (13, 1, 24, 1, 4321, 100))},
        {0x0001: (2, b"R98\0"), 0x0002: (7, b"0100")})


def sources(folder):
    """The same picture with the same metadata in every container; the byte order changes from one to the next."""
    paths = {}
    for turn, kind in enumerate(("jpg", "png", "webp", "tiff", "jxl", "avif", "heic")):
        paths[kind] = path = os.path.join(folder, kind + "." + kind)  # no two of the same name without its end
        exif_block = told("<>"[turn % 2])
        if kind in ("avif", "heic"):  # by libvips, from the JPEG
            tool("vips", "heifsave", paths["jpg"], path, "--compression", "av1" if kind == "avif" else "hevc", "--effort", "1")
            continue
        tool("vips", "resize", SAMPLE, path + "[strip]", "0.4")
        with open(path, "rb") as file:
            plain = file.read()
        with open(path, "wb") as file:
            file.write(metadata.INTO[kind](plain, exif_block, XMP))
        if kind == "jxl":  # once more, as encoders that press hard write it
            paths["brob"] = os.path.join(folder, "brob.jxl")
            with open(paths["brob"], "wb") as file:
                file.write(metadata.into_jxl(plain, exif_block, XMP, compressed=True))
    return paths


def metadata_stay(folder):
    """From every container into every other, nothing of EXIF, GPS and XMP is lost, and what is said of sizes and orientation is true."""
    paths = sources(folder)
    expected = metadata.read_exif(told("<"))
    for kind in ("jpg", "png", "webp", "tiff", "jxl", "avif", "heic"):
        to = os.path.join(folder, "to_" + kind)
        os.mkdir(to)
        up(*paths.values(), "-o", to, "-f", kind, "-j", "1:1:1")
        for source in paths:
            what = f"{source} to {kind}"
            (out,) = [os.path.join(to, name) for name in os.listdir(to) if name.startswith(source)]
            directories, xmp = metadata.read(out)
            assert xmp and b"a roll of 1987" in xmp, (what, xmp)
            assert directories, (what, "EXIF is lost")
            for name, entries in expected.items():
                for tag, value in entries.items():
                    got = directories.get(name, {}).get(tag)
                    value = {0xa002: (192,), 0xa003: (128,)}.get(tag, value) if name == "exif" else value
                    if name == "main" and tag in (0x011a, 0x011b):
                        got, value = got and round(got[0] / got[1]), 300
                    assert got == value, (what, name, hex(tag), got, value)


def what_cannot_stay_is_said(folder):
    source, out = f"{folder}/told.png", f"{folder}/told_2x.ppm"
    tool("vips", "copy", SAMPLE, source + "[strip]")
    assert "metadata" not in up(source, out), "nothing was lost"
    with_exif(source, 1)
    said = up(source, out, "--overwrite")
    assert "ppm holds no EXIF, profile or other metadata" in said, said


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
        for kind in ("jpg", "png") if orientation not in (3, 6, 7) else ("jpg", "png", "webp", "tiff", "jxl"):
            if kind == "jxl":  # a JPEG XL says in its own header how it stands
                corners, turned = seen[1], False
            else:
                turned = orientation > 4
            source, out = f"{folder}/turned.{kind}", f"{folder}/turned_2x.png"
            tool("vips", "copy", mark, source + {"jpg": "[Q=100,subsample-mode=off]", "webp": "[strip,lossless]"}.get(kind, "[strip]"))
            with_exif(source, orientation)
            up(source, out, "--overwrite")
            fields = header(out)
            width, height = int(fields["width"]), int(fields["height"])
            assert (width, height) == ((64, 128) if turned else (128, 64)), (orientation, kind, width, height)
            for name, (x, y) in zip(corners.split(), ((0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75))):
                got, want = point(out, int(x * width), int(y * height)), [float(v) for v in quarters[name].split()]
                assert max(abs(a - b) for a, b in zip(got, want)) < 12, (orientation, kind, name, got)
            directories, _ = metadata.read(out)
            assert fields.get("orientation", "1") == "1" and directories["main"][0x0112] == (1,), (orientation, kind, fields)
            assert directories["exif"][0xa002] == (width,) and directories["exif"][0xa003] == (height,), (orientation, kind, directories)


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
    for width, height in ((1, 1), (1, 7), (30000, 20), (20, 3000), (2, 2)):
        source, out = f"{folder}/odd.png", f"{folder}/odd_2x.png"
        tool("vips", "resize", SAMPLE, source, str(width / 240), "--vscale", str(height / 160))
        for more in ((),) if width > 9999 else ((), ("-s", "0.3"), ("-s", "5", "-x"), ("-t", "16"), ("--compare",)):
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
    for case in (profiles_stay, metadata_stay, what_cannot_stay_is_said, pictures_stand_upright, depth_and_alpha_stay,
                 cmyk_becomes_rgb, odd_shapes_pass, alpha_edges_have_no_fringe):
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
