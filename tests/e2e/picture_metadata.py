# SPDX-License-Identifier: MIT
"""EXIF and XMP in picture files, read and put there by this file alone: what tests ask it has not passed through the libraries they test.
Files are bytes. EXIF is a TIFF structure; directories are {tag: value} with text as bytes, numbers as tuples."""
import struct
import zlib

XMP_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
XMP_PNG = b"XML:com.adobe.xmp\0\0\0\0\0"
JXL_HEAD = b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl "
# type -> (bytes, as struct has it); rationals are two numbers
TYPES = {1: (1, "B"), 2: (1, "B"), 3: (2, "H"), 4: (4, "I"), 5: (8, "II"), 6: (1, "b"), 7: (1, "B"), 8: (2, "h"), 9: (4, "i"),
         10: (8, "ii"), 11: (4, "f"), 12: (8, "d"), 13: (4, "I"), 16: (8, "Q"), 18: (8, "Q")}


def order_of(data):
    return {b"II": "<", b"MM": ">"}[data[:2]]


def read_directory(data, at, wide=False):
    """The entries of the directory at an offset, and the offset of the next directory."""
    order, size = order_of(data), 20 if wide else 12
    (count,) = struct.unpack_from(order + ("Q" if wide else "H"), data, at)
    at += 8 if wide else 2
    entries, last = {}, -1
    for i in range(count):
        tag, kind, number = struct.unpack_from(order + ("HHQ" if wide else "HHI"), data, at + i * size)
        assert tag > last, "tags are not in order"
        last = tag
        width, letters = TYPES[kind]
        place, field = at + i * size + (12 if wide else 8), 8 if wide else 4
        if width * number > field:
            (place,) = struct.unpack_from(order + ("Q" if wide else "I"), data, place)
            assert place % 2 == 0, "a value at an odd offset"
        assert place + width * number <= len(data), (hex(tag), "lies outside the file")
        entries[tag] = bytes(data[place:place + number]) if kind in (2, 7) else struct.unpack_from(order + letters * number, data, place)
    (after,) = struct.unpack_from(order + ("Q" if wide else "I"), data, at + count * size)
    return entries, after


def read_exif(data):
    """A TIFF structure: {"main": ..., "exif": ..., "gps": ..., "interop": ..., "thumbnail": ...}, those that are there."""
    order = order_of(data)
    wide = struct.unpack_from(order + "H", data, 2)[0] == 43
    found = {}
    found["main"], after = read_directory(data, struct.unpack_from(order + ("Q" if wide else "I"), data, 8 if wide else 4)[0], wide)
    for name, parent, tag in (("exif", "main", 0x8769), ("gps", "main", 0x8825), ("interop", "exif", 0xa005)):
        if tag in found.get(parent, {}):
            found[name], none = read_directory(data, found[parent].pop(tag)[0], wide)
            assert none == 0
    if after:
        found["thumbnail"], _ = read_directory(data, after, wide)
    return found


def make_exif(order, main, exif=None, gps=None, interop=None, thumbnail=None):
    """A TIFF structure of {tag: (type, values)}, the directories one after the other; order is "<" or ">"."""
    def encode(kind, values):
        return values if isinstance(values, bytes) else struct.pack(order + TYPES[kind][1] * (len(values) // len(TYPES[kind][1])), *values)

    def size_of(entries):
        return 6 + 12 * len(entries) + sum(len(encode(*v)) + len(encode(*v)) % 2 for v in entries.values() if len(encode(*v)) > 4)

    def lay(entries, at, after):
        head, tail = struct.pack(order + "H", len(entries)), b""
        values = at + 6 + 12 * len(entries)
        for tag, (kind, value) in sorted(entries.items()):
            raw = encode(kind, value)
            head += struct.pack(order + "HHI", tag, kind, len(raw) // TYPES[kind][0])
            if len(raw) > 4:
                head += struct.pack(order + "I", values + len(tail))
                tail += raw + b"\0" * (len(raw) % 2)
            else:
                head += raw + b"\0" * (4 - len(raw))
        return head + struct.pack(order + "I", after) + tail

    main, exif = dict(main), dict(exif) if exif else None
    for entries, tag, below in ((main, 0x8769, exif), (main, 0x8825, gps), (exif, 0xa005, interop)):
        if below:
            entries[tag] = (4, (0,))
    at, places = 8, []
    for entries in (main, exif, gps, interop, thumbnail):
        places.append(at if entries else 0)
        at += size_of(entries) if entries else 0
    for entries, tag, place in ((main, 0x8769, places[1]), (main, 0x8825, places[2]), (exif, 0xa005, places[3])):
        if place:
            entries[tag] = (4, (place,))
    data = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    for entries, place in zip((main, exif, gps, interop, thumbnail), places):
        if entries:
            data += lay(entries, place, places[4] if place == 8 else 0)
    return data


def brotli(data):
    """A Brotli stream that holds the bytes as they are."""
    bits, out = [], b""

    def put(value, count):
        for i in range(count):
            bits.append(value >> i & 1)

    def flush():
        while len(bits) % 8:
            bits.append(0)
        packed = bytes(sum(bit << i for i, bit in enumerate(bits[at:at + 8])) for at in range(0, len(bits), 8))
        bits.clear()
        return packed

    put(0, 1)  # a window of 64 KiB
    for at in range(0, len(data), 1 << 16):
        piece = data[at:at + (1 << 16)]
        put(0, 1)  # not the last
        put(0, 2)  # its length in four nibbles
        put(len(piece) - 1, 16)
        put(1, 1)  # not compressed
        out += flush() + piece
    put(3, 2)  # the last, empty
    return out + flush()


# Putting into a file that has none.

def into_jpeg(data, exif, xmp):
    head = b""
    for body in (b"Exif\0\0" + exif, XMP_JPEG + xmp):
        head += b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    return data[:2] + head + data[2:]


def into_png(data, exif, xmp):
    head = b""
    for kind, body in ((b"eXIf", exif), (b"iTXt", XMP_PNG + xmp)):
        head += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:33] + head + data[33:]


def riff_chunk(kind, body):
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def into_webp(data, exif, xmp):
    """Of the extended kind, by libvips, which puts a little EXIF of its own there."""
    assert data[12:16] == b"VP8X"
    body, at = data[12:20] + bytes([data[20] | 0x0c]) + data[21:30], 30
    while at < len(data):
        size = 8 + struct.unpack_from("<I", data, at + 4)[0]
        body += b"" if data[at:at + 4] == b"EXIF" else data[at:at + size + size % 2]
        at += size + size % 2
    body += riff_chunk(b"EXIF", exif) + riff_chunk(b"XMP ", xmp)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def into_tiff(data, exif, xmp):
    """A little endian TIFF of the classic kind: its directory is written again at the end, with more in it."""
    assert data[:4] == b"II*\0"
    order, told = order_of(exif), read_exif(exif)
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    entries = {struct.unpack_from("<H", data, at + 2 + 12 * i)[0]: data[at + 2 + 12 * i:at + 14 + 12 * i] for i in range(count)}
    data += b"\0" * (len(data) % 2)
    kinds, below = {}, {0x8769: "exif", 0x8825: "gps", 0xa005: "interop"}

    def types_of(place, name):
        (number,) = struct.unpack_from(order + "H", exif, place)
        for i in range(number):
            tag, kind = struct.unpack_from(order + "HH", exif, place + 2 + 12 * i)
            kinds[name, tag] = kind
            if tag in below:
                types_of(struct.unpack_from(order + "I", exif, place + 10 + 12 * i)[0], below[tag])

    types_of(struct.unpack_from(order + "I", exif, 4)[0], "main")

    def encode(name, tag, value):
        kind = kinds[name, tag]
        raw = value if isinstance(value, bytes) else struct.pack("<" + TYPES[kind][1] * (len(value) // len(TYPES[kind][1])), *value)
        return kind, len(raw) // TYPES[kind][0], raw

    def entry(tag, kind, number, raw):
        nonlocal data
        if len(raw) > 4:
            place = len(data)
            data += raw + b"\0" * (len(raw) % 2)
            raw = struct.pack("<I", place)
        return struct.pack("<HHI", tag, kind, number) + raw.ljust(4, b"\0")

    def directory(made):
        nonlocal data
        place = len(data)
        data += struct.pack("<H", len(made)) + b"".join(made[tag] for tag in sorted(made)) + b"\0\0\0\0"
        return place

    pointers = {}
    for name, tag, parent in (("interop", 0xa005, "exif"), ("exif", 0x8769, "main"), ("gps", 0x8825, "main")):
        if name in told:
            made = {t: entry(t, *encode(name, t, v)) for t, v in told[name].items()} | pointers.get(name, {})
            pointers.setdefault(parent, {})[tag] = entry(tag, 4, 1, struct.pack("<I", directory(made)))
    entries |= {t: entry(t, *encode("main", t, v)) for t, v in told["main"].items()} | pointers.get("main", {})
    entries[700] = entry(700, 1, len(xmp), xmp)
    at = directory(entries)
    return data[:4] + struct.pack("<I", at) + data[8:]


def box(kind, body):
    return struct.pack(">I", len(body) + 8) + kind + body


def into_jxl(data, exif, xmp, compressed=False):
    assert data[:2] == b"\xff\x0a", data[:16]
    boxes = b""
    for kind, body in ((b"Exif", b"\0\0\0\0" + exif), (b"xml ", xmp)):
        boxes += box(b"brob", kind + brotli(body)) if compressed else box(kind, body)
    return JXL_HEAD + boxes + box(b"jxlc", data)


INTO = {"jpg": into_jpeg, "png": into_png, "webp": into_webp, "tiff": into_tiff, "jxl": into_jxl}


# Reading: a pair of EXIF and XMP; None for what is not there.

def from_jpeg(data):
    at, exif, xmp = 2, None, None
    while data[at + 1] != 0xda:
        marker, size = struct.unpack_from(">HH", data, at)
        body = data[at + 4:at + 2 + size]
        if marker == 0xffe1 and body[:6] == b"Exif\0\0":
            assert exif is None, "EXIF twice"
            exif = body[6:]
        if marker == 0xffe1 and body.startswith(XMP_JPEG):
            assert xmp is None, "XMP twice"
            xmp = body[len(XMP_JPEG):]
        at += 2 + size
    return exif, xmp


def from_png(data):
    at, exif, xmp = 8, None, None
    while at < len(data):
        (size,), kind, body = struct.unpack_from(">I", data, at), data[at + 4:at + 8], data[at + 8:at + 8 + struct.unpack_from(">I", data, at)[0]]
        assert zlib.crc32(kind + body) == struct.unpack_from(">I", data, at + 8 + size)[0]
        if kind == b"eXIf":
            assert exif is None, "EXIF twice"
            exif = body
        if kind == b"iTXt" and body.startswith(b"XML:com.adobe.xmp\0"):
            assert xmp is None and body[18:20] == b"\0\0", "XMP twice or compressed"
            xmp = body.split(b"\0", 5)[5]
        at += 12 + size
    return exif, xmp


def from_webp(data):
    assert data[:4] == b"RIFF" and data[8:12] == b"WEBP" and struct.unpack_from("<I", data, 4)[0] + 8 == len(data)
    at, chunks = 12, {}
    while at + 8 <= len(data):
        kind, (size,) = data[at:at + 4], struct.unpack_from("<I", data, at + 4)
        assert kind not in chunks or kind not in (b"EXIF", b"XMP "), "twice"
        chunks[kind] = data[at + 8:at + 8 + size]
        at += 8 + size + size % 2
    exif = chunks.get(b"EXIF")
    if exif is not None:
        assert chunks[b"VP8X"][0] & 8
    return exif[6:] if exif and exif.startswith(b"Exif\0\0") else exif, chunks.get(b"XMP ")


def from_tiff(data):
    """The whole file is the EXIF."""
    xmp = read_exif(data)["main"].get(700)
    return data, bytes(xmp) if xmp else None


def boxes_of(data, at=0, end=None):
    end = len(data) if end is None else end
    while at + 8 <= end:
        size, kind, head = struct.unpack_from(">I", data, at)[0], data[at + 4:at + 8], 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        size = size or end - at
        assert head <= size <= end - at, (kind, size)
        yield kind, at + head, at + size
        at += size
    assert at == end


def from_jxl(data):
    if data[:2] == b"\xff\x0a":
        return None, None
    exif = xmp = None
    kinds = []
    for kind, at, end in boxes_of(data):
        kinds.append(kind)
        if kind == b"Exif":
            exif = data[at + 4 + struct.unpack_from(">I", data, at)[0]:end]
        if kind == b"xml ":
            xmp = data[at:end]
    assert data.startswith(JXL_HEAD) and kinds[:2] == [b"JXL ", b"ftyp"] and kinds.count(b"Exif") <= 1 and kinds.count(b"xml ") <= 1, kinds
    assert kinds.count(b"jxlc") == 1 or b"jxlp" in kinds, kinds
    return exif, xmp


def from_heif(data):
    """Items by their table (iinf) and their places (iloc)."""
    top = {kind: (at, end) for kind, at, end in boxes_of(data)}
    at, end = top[b"meta"]
    meta = {kind: (a, e) for kind, a, e in boxes_of(data, at + 4, end)}
    exif = xmp = None
    at, end = meta[b"iinf"]
    kinds = {}
    for kind, a, e in boxes_of(data, at + (6 if data[at] == 0 else 8), end):
        assert kind == b"infe" and data[a] in (2, 3)
        wide = data[a] == 3
        item = struct.unpack_from(">I" if wide else ">H", data, a + 4)[0]
        a += 4 + (4 if wide else 2) + 2
        kinds[item] = data[a:a + 4], data[a + 4:e]
    at, end = meta[b"iloc"]
    version, sizes = data[at], struct.unpack_from(">H", data, at + 4)[0]
    widths = [sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15 if version else 0]
    number = lambda place, width: int.from_bytes(data[place:place + width], "big")  # noqa: E731
    wide = 4 if version == 2 else 2
    count, at = number(at + 6, wide), at + 6 + wide
    for _ in range(count):
        item, at = number(at, wide), at + wide
        method = 0
        if version:
            method, at = number(at, 2) & 15, at + 2
        base, extents, at = number(at + 2, widths[2]), number(at + 2 + widths[2], 2), at + 4 + widths[2]
        body = b""
        for _ in range(extents):
            at += widths[3]
            place, size = base + number(at, widths[0]), number(at + widths[0], widths[1])
            at += widths[0] + widths[1]
            place += meta[b"idat"][0] if method == 1 else 0
            body += data[place:place + size]
        kind, name = kinds[item]
        if kind == b"Exif":
            assert exif is None, "EXIF twice"
            exif = body[4 + struct.unpack_from(">I", body)[0]:]
        if kind == b"mime" and b"application/rdf+xml" in name:
            assert xmp is None, "XMP twice"
            xmp = body
    return exif, xmp


READERS = {"jpg": from_jpeg, "png": from_png, "webp": from_webp, "tif": from_tiff, "tiff": from_tiff, "jxl": from_jxl, "avif": from_heif, "heic": from_heif}


def read(path):
    """(directories of the EXIF or None, XMP or None) of a file."""
    with open(path, "rb") as file:
        data = file.read()
    exif, xmp = READERS[path.rpartition(".")[2]](data)
    return read_exif(exif) if exif else None, xmp
