#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Video sources: frames, times and packets against what FFmpeg's own program makes of the same files; jumps and resumption against an
uninterrupted run; everything that can be wrong with an input. Usage: test_video_source.py VIDEO_RUNNER, from the project's root."""
import http.server
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

runner = os.path.abspath(sys.argv[1])
shared = os.environ.get("FM_SHARED") or "../shared"
EOS, IO, FORMAT, UNSUPPORTED, ARGUMENT, CANCELLED = -10, -3, -4, -5, -2, -7
counts = {"passed": 0, "failed": 0, "skipped": 0}
folder = tempfile.mkdtemp(prefix="framemill-video-")


class Skip(Exception):
    pass


def case(function):
    try:
        function()
        counts["passed"] += 1
    except Skip as why:
        print(f"skipped: {function.__name__}: {why}", file=sys.stderr)
        counts["skipped"] += 1
    except Exception as fault:  # an assertion, or a program that died
        print(f"FAILED {function.__name__}: {type(fault).__name__}: {fault}", file=sys.stderr)
        counts["failed"] += 1


class Run:
    def __init__(self, text, status, errors):
        self.status, self.errors, self.frames, self.packets, self.info, self.message = status, errors, [], [], {}, ""
        self.code = None
        for line in text.splitlines():
            kind, _, rest = line.partition(" ")
            word = rest.split()
            if kind == "info":
                names = "width height layout bits alpha full siting matrix primaries transfer base rate start duration frames rotation flipped".split()
                self.info = dict(zip(names, word)) | dict(w.split("=", 1) for w in word[len(names):])
            elif kind == "frame":
                self.frames.append((int(word[1]), word[3]))
                assert int(word[0]) == (self.indices[-1] + 1 if getattr(self, "indices", None) else int(word[0])), "indices have a gap"
                self.indices = getattr(self, "indices", []) + [int(word[0])]
                self.durations = getattr(self, "durations", []) + [int(word[2])]
                self.damaged = getattr(self, "damaged", []) + [word[4] == "1"]
                self.interlaced = getattr(self, "interlaced", []) + [word[5] == "1"]
            elif kind == "packet":
                self.packets.append((int(word[0]), int(word[1]), word[4]))
            elif kind == "end":
                self.code, self.message = int(word[0]), rest.partition(" ")[2]
            elif kind == "stats":
                self.counted, self.damage, self.refused, self.resized, self.reconnects, self.early = map(int, word[:6])
                self.end = " ".join(word[6:])
            elif kind == "leak":
                raise AssertionError("leaked " + rest + " blocks")


def source(path, *args, stdin=subprocess.DEVNULL, timeout=120):
    done = subprocess.run([runner, path, *args], stdin=stdin, capture_output=True, text=True, timeout=timeout)
    assert done.returncode in (0, 1), f"{path} {args}: status {done.returncode}: {done.stderr[-2000:]}"
    run = Run(done.stdout, done.returncode, done.stderr)
    assert run.code is not None, f"{path}: no end: {done.stderr[-500:]}"
    assert not done.stderr, f"{path}: the library printed: {done.stderr[:500]}"
    return run


def ffmpeg(*args, **options):
    done = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *args], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"ffmpeg {' '.join(args)}: {done.stderr[-1000:]}"
    return done.stdout


def hashes(text):
    rows = (line.split(",") for line in text.splitlines() if line and not line.startswith("#"))
    return [(int(row[2]), row[5].strip()) for row in rows]


def expected(path, *before, filters=(), pixels=None):
    """Times, in the stream's own ticks, and hashes, as FFmpeg's program has them."""
    more = (["-vf", ",".join(filters)] if filters else []) + (["-pix_fmt", pixels] if pixels else [])
    return hashes(ffmpeg("-noautorotate", *before, "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-copyts", "-enc_time_base", "-1", *more,
                         "-f", "framehash", "-hash", "adler32", "-"))


def make(name, *args, size="96x64", seconds=2, rate=25, pattern="testsrc2"):
    """A clip of our own, made once."""
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        ffmpeg("-f", "lavfi", "-i", f"{pattern}=size={size}:rate={rate}:duration={seconds}", *args, path)
    return path


def check_same(path, *args, before=(), **more):
    run, want = source(path, *args), expected(path, *before, **more)
    assert run.code == EOS, f"{path}: ended with {run.code} {run.message}"
    assert want, f"{path}: FFmpeg finds no frame"
    assert [t for t, _ in run.frames] == [t for t, _ in want], f"{path}: times {[t for t, _ in run.frames][:8]}, must be {[t for t, _ in want][:8]}"
    assert run.frames == want, f"{path}: pixels differ first at frame {next(i for i, (a, b) in enumerate(zip(run.frames, want)) if a != b)}"
    assert run.indices == list(range(len(want))) and not run.early
    return run


x264 = ["-c:v", "libx264", "-preset", "veryfast"]


def clips():
    """One of every kind of coding that matters for times and for jumps; small."""
    return {
        "h264_bpyramid": make("bp.mp4", *x264, "-g", "12", "-bf", "3", "-b-pyramid", "normal"),
        "h264_open_gop": make("open.mkv", *x264, "-g", "12", "-x264-params", "open-gop=1:bframes=3"),
        "h264_intra_refresh": make("refresh.mp4", *x264, "-g", "25", "-x264-params", "intra-refresh=1:bframes=0"),
        "h264_ts": make("stream.ts", *x264, "-g", "12", "-bf", "2"),
        "hevc_open_gop": make("hevc.mkv", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:open-gop=1:keyint=12:bframes=3"),
        "hevc_mp4": make("hevc.mp4", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:open-gop=0:keyint=12"),
        "vp9_hidden": make("vp9.webm", "-c:v", "libvpx-vp9", "-g", "12", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-cpu-used", "8", "-b:v", "200k"),
        "av1": make("av1.mkv", "-c:v", "libsvtav1", "-preset", "12", "-g", "12", seconds=1),
        "mpeg2_ts": make("mpeg2.ts", "-c:v", "mpeg2video", "-g", "12", "-bf", "2"),
        "mpeg4_avi": make("mpeg4.avi", "-c:v", "mpeg4", "-g", "12", "-bf", "2"),
        "ffv1": make("ffv1.mkv", "-c:v", "ffv1", "-g", "5"),
        "mjpeg": make("mjpeg.mov", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"),
        "prores": make("prores.mov", "-c:v", "prores_ks", "-profile:v", "4", "-pix_fmt", "yuv444p10le"),
        "raw_h264": make("raw.h264", *x264, "-g", "12"),
        "y4m": make("plain.y4m"),
        "gif": make("some.gif", seconds=1, rate=10),
    }


def shared_clips():
    data = os.path.join(shared, "data", "video")
    if not os.path.isdir(data):
        raise Skip("no shared data")
    raw = {"CiscoVT2people_320x192_12fps.yuv": ("320x192", "12"), "blue_sky_640x360_yuv420p_3frames.yuv": ("640x360", "25")}
    names = sorted(os.listdir(data))
    assert names
    for name in names:
        args, before = [], []
        if name in raw:
            size, rate = raw[name]
            before = ["-f", "rawvideo", "-video_size", size, "-framerate", rate]
            args = ["format=rawvideo", f"option=video_size={size}", f"option=framerate={rate}"]
        check_same(os.path.join(data, name), *args, before=before)


def kinds_of_coding():
    for path in clips().values():
        if path.endswith(".gif"):
            continue  # a palette: formats_that_are_moved
        check_same(path)


def formats():
    for pixels in ("gray", "gray10le"):  # which decode as 4:2:0
        check_same(make(f"h264_{pixels}.mp4", *x264, "-pix_fmt", pixels, seconds=0.4, size="66x34"))
    for pixels, layout, bits in [("yuv420p10le", 1, 10), ("yuv422p", 2, 8), ("yuv422p10le", 2, 10), ("yuv444p", 3, 8), ("yuv444p10le", 3, 10)]:
        run = check_same(make(f"h264_{pixels}.mp4", *x264, "-pix_fmt", pixels, seconds=0.4, size="66x34"))
        assert (run.info["layout"], run.info["bits"]) == (str(layout), str(bits)), (pixels, run.info)
    run = check_same(make("rgb.mkv", "-c:v", "libx264rgb", "-crf", "0", seconds=0.4))
    assert run.info["layout"] == "4" and run.info["decoder"] == "gbrp" and run.info["full"] == "1", run.info
    for pixels, layout, bits in [("yuv444p12le", 3, 12), ("gbrp14le", 4, 14), ("yuv420p16le", 1, 16), ("gray16le", 0, 16), ("yuva444p10le", 3, 10),
                                 ("gbrap12le", 4, 12), ("yuva420p", 1, 8), ("gray12le", 0, 12), ("gbrap", 4, 8)]:
        path = make(f"ffv1_{pixels}.mkv", "-c:v", "ffv1", "-pix_fmt", pixels, "-strict", "-2", seconds=0.2, size="66x34")
        run = source(path)
        have = run.info["decoder"]
        if have == pixels:
            check_same(path)
        else:  # gbrap and gray can come packed
            assert run.frames == expected(path, pixels=pixels), (pixels, have)
        assert (run.info["layout"], run.info["bits"], run.info["alpha"]) == (str(layout), str(bits), str(int("a" in pixels.replace("gray", "")))), run.info


def adler(data):
    a, b = 1, 0
    data = np.frombuffer(data, np.uint8).astype(np.uint64)
    a_end = (1 + int(data.sum())) % 65521
    n = len(data)
    b_end = (n + int((data * np.arange(n, 0, -1, dtype=np.uint64)).sum())) % 65521
    return f"{b_end << 16 | a_end:08x}"


def raw_clip(pixels, size, data):
    path = os.path.join(folder, f"raw_{pixels}.bin")
    open(path, "wb").write(data)
    return [path, "format=rawvideo", "option=pixel_format=" + pixels, f"option=video_size={size[0]}x{size[1]}"]


def formats_that_are_moved():
    """Packed, interleaved, shifted, byte-swapped: every sample must come out as it went in. The right answer by NumPy."""
    w, h = 38, 22
    rng = np.random.default_rng(5)

    def planes(*arrays):
        return adler(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays))

    y8, uv8 = rng.integers(0, 256, (h, w), np.uint8), rng.integers(0, 256, (h // 2, w // 2, 2), np.uint8)
    rgb8, rgba8 = rng.integers(0, 256, (h, w, 3), np.uint8), rng.integers(0, 256, (h, w, 4), np.uint8)
    rgb16, rgba16 = rng.integers(0, 65536, (h, w, 3), np.uint16), rng.integers(0, 65536, (h, w, 4), np.uint16)
    y10, uv10 = rng.integers(0, 1024, (h, w), np.uint16), rng.integers(0, 1024, (h // 2, w // 2, 2), np.uint16)
    y16, ya8 = rng.integers(0, 65536, (h, w), np.uint16), rng.integers(0, 256, (h, w, 2), np.uint8)
    yuyv = rng.integers(0, 256, (h, w // 2, 4), np.uint8)
    x565 = rng.integers(0, 65536, (h, w), np.uint16)
    swap = lambda a: a.astype(">u2").tobytes()
    expand = lambda v, bits: ((v.astype(np.uint32) * 255 + ((1 << bits) - 1) // 2) // ((1 << bits) - 1)).astype(np.uint8)
    luma, first, second = np.empty((h, w), np.uint8), yuyv[:, :, 1], yuyv[:, :, 3]
    luma[:, 0::2], luma[:, 1::2] = yuyv[:, :, 0], yuyv[:, :, 2]
    uyvy = yuyv[:, :, [1, 0, 3, 2]]
    cases = {
        "nv12": (y8.tobytes() + uv8.tobytes(), (1, 8, 0), planes(y8, uv8[:, :, 0], uv8[:, :, 1])),
        "nv21": (y8.tobytes() + uv8.tobytes(), (1, 8, 0), planes(y8, uv8[:, :, 1], uv8[:, :, 0])),
        "p010le": ((y10 << 6).tobytes() + (uv10 << 6).tobytes(), (1, 10, 0), planes(y10, uv10[:, :, 0], uv10[:, :, 1])),
        "yuyv422": (yuyv.tobytes(), (2, 8, 0), planes(luma, first, second)),
        "uyvy422": (uyvy.tobytes(), (2, 8, 0), planes(luma, first, second)),
        "rgb24": (rgb8.tobytes(), (4, 8, 0), planes(rgb8[:, :, 1], rgb8[:, :, 2], rgb8[:, :, 0])),
        "bgr24": (rgb8.tobytes(), (4, 8, 0), planes(rgb8[:, :, 1], rgb8[:, :, 0], rgb8[:, :, 2])),
        "rgba": (rgba8.tobytes(), (4, 8, 1), planes(rgba8[:, :, 1], rgba8[:, :, 2], rgba8[:, :, 0], rgba8[:, :, 3])),
        "bgra": (rgba8.tobytes(), (4, 8, 1), planes(rgba8[:, :, 1], rgba8[:, :, 0], rgba8[:, :, 2], rgba8[:, :, 3])),
        "argb": (rgba8.tobytes(), (4, 8, 1), planes(rgba8[:, :, 2], rgba8[:, :, 3], rgba8[:, :, 1], rgba8[:, :, 0])),
        "bgr0": (rgba8.tobytes(), (4, 8, 0), planes(rgba8[:, :, 1], rgba8[:, :, 0], rgba8[:, :, 2])),
        "0rgb": (rgba8.tobytes(), (4, 8, 0), planes(rgba8[:, :, 2], rgba8[:, :, 3], rgba8[:, :, 1])),
        "rgb48le": (rgb16.tobytes(), (4, 16, 0), planes(rgb16[:, :, 1], rgb16[:, :, 2], rgb16[:, :, 0])),
        "bgr48be": (swap(rgb16), (4, 16, 0), planes(rgb16[:, :, 1], rgb16[:, :, 0], rgb16[:, :, 2])),
        "rgba64be": (swap(rgba16), (4, 16, 1), planes(rgba16[:, :, 1], rgba16[:, :, 2], rgba16[:, :, 0], rgba16[:, :, 3])),
        "gray16be": (swap(y16), (0, 16, 0), planes(y16)),
        "ya8": (ya8.tobytes(), (4, 8, 1), planes(ya8[:, :, 0], ya8[:, :, 0], ya8[:, :, 0], ya8[:, :, 1])),
        "rgb565le": (x565.tobytes(), (4, 8, 0), planes(expand(x565 >> 5 & 63, 6), expand(x565 & 31, 5), expand(x565 >> 11, 5))),
        "yuv420p10be": (swap(y10) + swap(uv10[:, :, 0]) + swap(uv10[:, :, 1]), (1, 10, 0), planes(y10, uv10[:, :, 0], uv10[:, :, 1])),
    }
    for pixels, (data, (layout, bits, alpha), want) in cases.items():
        run = source(*raw_clip(pixels, (w, h), data))
        assert run.code == EOS and len(run.frames) == 1, (pixels, run.message)
        assert (run.info["layout"], run.info["bits"], run.info["alpha"]) == (str(layout), str(bits), str(alpha)), (pixels, run.info)
        assert run.frames[0][1] == want, f"{pixels}: samples were changed"
    gif = clips()["gif"]
    assert source(gif).frames == expected(gif, pixels="gbrap")


def formats_that_are_computed():
    """Beyond the canonical set in depth or subsampling: near what the samples mean."""
    for pixels, layout, bits in [("yuv411p", 2, 8), ("yuv410p", 1, 8), ("yuv440p", 3, 8), ("grayf32le", 0, 16), ("gbrpf32le", 4, 16), ("monob", 0, 8)]:
        path = make(f"computed_{pixels}.bin", "-f", "rawvideo", "-pix_fmt", pixels, seconds=0.2)
        run = source(path, "format=rawvideo", "option=pixel_format=" + pixels, "option=video_size=96x64")
        assert run.code == EOS and len(run.frames) == 5, (pixels, run.message)
        assert (run.info["layout"], run.info["bits"]) == (str(layout), str(bits)), (pixels, run.info)


def odd_sizes():
    for size in ["17x13", "1x1", "3x5", "2x1", "4096x2"]:
        run = check_same(make(f"odd_{size}.mkv", "-vf", "scale=" + size.replace("x", ":"), "-c:v", "ffv1", "-pix_fmt", "yuv420p", seconds=0.2))
        assert f"{run.info['width']}x{run.info['height']}" == size
    check_same(make("odd444.mp4", "-vf", "scale=17:13", *x264, "-pix_fmt", "yuv444p", seconds=0.4))
    check_same(make("wide.mp4", *x264, size="4096x64", seconds=0.2))


def times():
    vfr = make("vfr.mkv", "-vf", "select='not(eq(mod(n,5),2))*not(eq(mod(n,7),3))'", "-fps_mode", "vfr", *x264, "-bf", "2")
    run = check_same(vfr)
    steps = {b - a for (a, _), (b, _) in zip(run.frames, run.frames[1:])}
    assert len(steps) > 1, steps
    check_same(make("vfr.mp4", "-vf", "select='not(eq(mod(n,5),2))'", "-fps_mode", "vfr", *x264, "-bf", "2"))
    run = check_same(make("offset.mkv", *x264, "-output_ts_offset", "7.25"))
    assert run.frames[0][0] == 7250, run.frames[0]
    check_same(make("offset.ts", *x264, "-output_ts_offset", "3.5"))
    one = check_same(make("one.mp4", *x264, "-frames:v", "1"))
    assert len(one.frames) == 1
    check_same(make("ntsc.mp4", *x264, rate="30000/1001", seconds=1))
    check_same(make("fine.mp4", *x264, "-video_track_timescale", "90000", rate="24000/1001", seconds=1))


def edit_lists():
    plain = clips()["h264_bpyramid"]
    cut = os.path.join(folder, "cut.mp4")
    ffmpeg("-ss", "0.7", "-i", plain, "-c", "copy", "-avoid_negative_ts", "disabled", cut)
    run = check_same(cut)
    assert len(run.frames) < 50, "nothing was cut"
    late = os.path.join(folder, "late.mp4")  # the video begins after the sound: an empty edit
    ffmpeg("-itsoffset", "0.4", "-i", plain, "-f", "lavfi", "-i", "sine=duration=2", "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", late)
    check_same(late)


def rotation():
    turned = os.path.join(folder, "turned.mp4")
    ffmpeg("-i", clips()["h264_bpyramid"], "-c", "copy", "-metadata:s:v:0", "rotate=90", turned)
    probed = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "side_data=rotation", "-of", "csv=p=0", turned],
                            capture_output=True, text=True).stdout.split()
    run = check_same(turned)
    assert run.info["rotation"] == str((360 - int(probed[0])) % 360) and run.info["rotation"] in ("90", "270"), (run.info, probed)
    assert (run.info["width"], run.info["height"]) == ("96", "64"), "frames come unturned"


def tags():
    path = make("tags.mp4", *x264, "-pix_fmt", "yuvj420p", "-color_range", "pc", "-colorspace", "bt709", "-color_primaries", "bt2020", "-color_trc",
                "smpte2084", "-chroma_sample_location", "topleft", seconds=0.2)
    i = check_same(path).info
    assert (i["full"], i["matrix"], i["primaries"], i["transfer"], i["siting"]) == ("1", "1", "9", "16", "2"), i
    i = check_same(clips()["h264_bpyramid"]).info
    assert (i["full"], i["matrix"], i["primaries"], i["transfer"], i["siting"]) == ("0", "2", "2", "2", "0"), i


def threads_change_nothing():
    for path in (clips()["h264_bpyramid"], clips()["hevc_open_gop"]):
        want = source(path, "threads=1").frames
        for threads in ("0", "3", "8"):
            assert source(path, "threads=" + threads, "hold=40").frames == want


def pieces():
    """--start and --duration: exactly the frames of the whole whose times lie within."""
    for name, path in clips().items():
        whole = source(path)
        num, den = map(int, whole.info["base"].split("/"))
        begin = container_start(path)
        for start, duration in [(0.5, 0), (0.73, 0.4), (1.3, 0.02), (0, 0.5), (0.04, 0)]:
            if name in ("gif", "av1") and start >= 1:
                continue
            low = begin + start if start else -1e9
            high = begin + start + duration if duration else 1e9
            want = [(t, h) for t, h in whole.frames if low - 1e-9 <= t * num / den < high - 1e-9]
            got = source(path, f"start={start}", f"duration={duration}")
            if not want:
                assert got.code == ARGUMENT, (name, start, duration, got.code, got.message)
                continue
            assert got.frames == want, f"{name} from {start} for {duration}: {len(got.frames)} frames from {got.frames[:1]}, must be {len(want)} from {want[:1]}"
            assert got.indices[0] == 0
    late = source(clips()["h264_bpyramid"], "start=100")
    assert late.code == ARGUMENT and "ends before 100 s" in late.message, late.message


def container_start(path):
    out = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "format=start_time", "-of", "csv=p=0", path], capture_output=True, text=True).stdout
    return float(out) if out.strip() not in ("", "N/A") else 0.0


def resuming():
    """After any number of frames, the rest is what it is in an uninterrupted run."""
    late = os.path.join(folder, "late.mp4")
    more = {"late": late} if os.path.exists(late) else {}
    for name, path in (clips() | more).items():
        whole = source(path)
        for n in sorted({1, 2, 11, 12, 13, 17, 24, 30, len(whole.frames) - 1, len(whole.frames)}):
            if n > len(whole.frames):
                continue
            got = source(path, f"skip={n}:{whole.frames[n - 1][0]}")
            assert got.code == EOS and got.frames == whole.frames[n:], f"{name} after {n} frames: {len(got.frames)} frames, {got.message}"
            assert not got.frames or got.indices[0] == n, (name, n, got.indices[:1])
    path = clips()["h264_bpyramid"]
    wrong = source(path, "skip=10:123")
    assert wrong.code == FORMAT and "not the video that it was" in wrong.message, wrong.message
    whole = source(path, "start=0.5", "duration=1")
    got = source(path, "start=0.5", "duration=1", f"skip=7:{whole.frames[6][0]}")
    assert got.frames == whole.frames[7:]


def interlaced():
    path = make("fields.ts", "-vf", "interlace=scan=tff", "-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-top", "1", "-bf", "2", rate=50, seconds=1)
    filters = ["bwdif=mode=send_frame:parity=auto:deint=interlaced"]
    got, want = source(path), expected(path, filters=filters)
    whole = expected(path)
    assert len(got.frames) == len(whole) and [t for t, _ in got.frames] == [t for t, _ in whole], "one frame for a frame, with its time"
    assert [h for _, h in got.frames] == [h for _, h in want], "the filter gives something else"
    assert got.info["interlaced"] == got.info["deinterlaced"] == "1" and not any(got.interlaced)
    passed = source(path, "interlace=pass")
    assert passed.frames == whole and all(passed.interlaced) and passed.info["deinterlaced"] == "0"
    refused = source(path, "interlace=refuse")
    assert refused.code == UNSUPPORTED and "interlaced" in refused.message and "deinterlaced" in refused.message
    for n in (1, 5, 12, 13, 20):
        assert source(path, f"skip={n}:{got.frames[n - 1][0]}").frames == got.frames[n:], n
    mkv = make("fields.mkv", "-vf", "interlace=scan=bff", *x264, "-flags", "+ildct", "-x264-params", "bff=1", "-g", "10", rate=50, seconds=1)
    got = source(mkv)
    assert [h for _, h in got.frames] == [h for _, h in expected(mkv, filters=filters)]
    for n in (1, 9, 10, 11, 15):
        assert source(mkv, f"skip={n}:{got.frames[n - 1][0]}").frames == got.frames[n:], n
    mixed = os.path.join(folder, "mixed.mkv")  # progressive at first: the filter starts in the middle
    progressive = make("progressive.mkv", *x264, "-g", "10", seconds=1, rate=25)
    listing = os.path.join(folder, "mixed.txt")
    open(listing, "w").write(f"file '{progressive}'\nfile '{mkv}'\n")
    ffmpeg("-f", "concat", "-safe", "0", "-i", listing, "-c", "copy", mixed)
    got = source(mixed)
    assert [t for t, _ in got.frames] == [t for t, _ in expected(mixed)]
    for n in (20, 24, 25, 26, 35):
        assert source(mixed, f"skip={n}:{got.frames[n - 1][0]}").frames == got.frames[n:], n


def packets():
    path = os.path.join(folder, "streams.mkv")
    words = os.path.join(folder, "words.srt")
    open(words, "w").write("1\n00:00:00,200 --> 00:00:00,900\nHello\n\n2\n00:00:01,000 --> 00:00:01,500\nagain\n")
    ffmpeg("-i", clips()["h264_bpyramid"], "-f", "lavfi", "-i", "sine=duration=2", "-f", "lavfi", "-i", "sine=440:duration=2", "-i", words, "-map", "0", "-map", "1",
           "-map", "2", "-map", "3", "-c:v", "copy", "-c:a", "aac", "-c:s", "srt", path)
    got = source(path, "packets=1")
    assert got.frames == expected(path) and got.info["streams"] == "4"
    for stream, kind in ((1, "a:0"), (2, "a:1"), (3, "s:0")):
        want = hashes(ffmpeg("-i", path, "-map", "0:" + kind, "-c", "copy", "-copyts", "-f", "framehash", "-hash", "adler32", "-"))
        have = [(t, h) for s, t, h in got.packets if s == stream]
        assert have and have == want, f"stream {stream}: {have[:2]} {want[:2]}"
    assert not source(path).packets
    piece = source(path, "packets=1", "start=0.5", "duration=1")
    sound = [t for s, t, _ in got.packets if s == 1 and 500 <= t < 1500]
    assert [t for s, t, _ in piece.packets if s == 1] == sound, "packets of the piece, all of them, and no others"


def pictures():
    deep = os.path.join(folder, "pictures")
    os.makedirs(deep, exist_ok=True)
    ffmpeg("-i", clips()["h264_bpyramid"], "-frames:v", "12", "-pix_fmt", "rgb24", os.path.join(deep, "p%d.png"))
    open(os.path.join(deep, "notes.txt"), "w").write("no picture")
    open(os.path.join(deep, ".hidden.png"), "w").write("no picture")
    single = [source(os.path.join(deep, f"p{i}.png")).frames[0][1] for i in range(1, 13)]
    got = source(deep, "rate=30/1")
    assert [h for _, h in got.frames] == single, "natural order: 2 before 10"
    assert [t for t, _ in got.frames] == list(range(12)) and got.info["base"] == "1/30" and got.info["rate"] == "30/1"
    assert got.info["frames"] == got.info["duration"] == "12" and got.info["container"] == "pictures"
    pattern = os.path.join(deep, "p%d.png")
    assert source(pattern).frames == got.frames and source(pattern).info["rate"] == "25/1"
    assert [h for _, h in source(deep, "start=0.2", "duration=0.12").frames] == single[5:8]
    assert [h for _, h in source(deep, "skip=5:4").frames] == single[5:]
    os.rename(os.path.join(deep, "p7.png"), os.path.join(deep, "q7.png"))
    gap = source(pattern)
    assert gap.code == FORMAT and "number 7 is missing" in gap.message, gap.message
    os.rename(os.path.join(deep, "q7.png"), os.path.join(deep, "p7.png"))
    open(os.path.join(deep, "p5.png"), "wb").write(b"not a picture at all")
    damaged = source(deep)
    assert damaged.code == EOS and len(damaged.frames) == 11 and damaged.refused == 1, (damaged.message, damaged.refused)
    os.remove(os.path.join(deep, "p5.png"))
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=50x50", "-frames:v", "1", os.path.join(deep, "p5.png"))
    sizes = source(deep)
    assert sizes.code == UNSUPPORTED and "one size" in sizes.message and "50x50" in sizes.message, sizes.message
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=96x64", "-frames:v", "1", os.path.join(deep, "p5.jpg"))
    kinds = source(deep)
    assert kinds.code == UNSUPPORTED and "one kind" in kinds.message, kinds.message
    nothing = source(os.path.join(folder, "no%03d.png"))
    assert nothing.code == IO and "no such pictures" in nothing.message
    for name, pixels, bits in (("deep", "rgb48be", 16), ("grey", "gray", 8), ("clear", "rgba", 8)):
        one = os.path.join(folder, name + ".png")
        ffmpeg("-f", "lavfi", "-i", "testsrc2=size=33x21", "-frames:v", "1", "-pix_fmt", pixels, one)
        got = source(one)
        want = {"rgb48be": "gbrp16le", "gray": "gray", "rgba": "gbrap"}[pixels]
        assert got.info["bits"] == str(bits) and [h for _, h in got.frames] == [h for _, h in expected(one, pixels=want)], (name, got.info)


def standard_input():
    y4m, ts, mkv = clips()["y4m"], clips()["h264_ts"], clips()["h264_open_gop"]
    for path in (y4m, ts, mkv):
        with open(path, "rb") as file:
            with subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE) as cat:
                got = source("-", stdin=cat.stdout)
        assert got.frames == expected(path), path
        assert got.info["seekable"] == "0"
    whole = source(y4m).frames
    for args, want in ((["start=0.5"], whole[13:]), (["skip=7:6"], whole[7:])):
        with subprocess.Popen(["cat", y4m], stdout=subprocess.PIPE) as cat:
            assert source("-", *args, stdin=cat.stdout).frames == want, args
    moov_last = clips()["h264_bpyramid"]
    with open(moov_last, "rb") as file:
        assert source("-", stdin=file).frames == expected(moov_last), "a file as standard input can be sought in"
    with open("/dev/null", "rb") as file:
        got = source("-", stdin=file)
        assert got.code == FORMAT and "standard input" in got.message, got.message
    fifo = os.path.join(folder, "fifo")
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: open(fifo, "wb").write(open(y4m, "rb").read()))
    writer.start()
    assert source(fifo).frames == whole
    writer.join()


def damage():
    def altered(name, change, of):
        path = os.path.join(folder, name)
        data = bytearray(open(of, "rb").read())
        open(path, "wb").write(change(data))
        return path

    def knocked(data):
        for i in range(len(data) // 3, 2 * len(data) // 3, 997):
            data[i] ^= 0x55
        return data

    c = clips()
    front = os.path.join(folder, "front.mp4")
    ffmpeg("-i", c["h264_bpyramid"], "-c", "copy", "-movflags", "+faststart", front)
    for path in (front, c["h264_open_gop"], c["vp9_hidden"], c["y4m"]):
        cut = altered("cut_" + os.path.basename(path), lambda d: d[:len(d) * 6 // 10], path)
        got = source(cut)
        want = expected_partial(cut)
        assert got.code == EOS and 0 < len(got.frames) < 50, (cut, got.code, got.message)
        assert abs(len(got.frames) - len(want)) <= 1 and got.frames[:len(want) - 1] == want[:len(got.frames)][:len(want) - 1], cut
        assert got.early and got.end, f"{cut}: nobody says that it breaks off"
    for path in (c["h264_ts"], c["mpeg2_ts"], c["h264_open_gop"], c["mpeg4_avi"]):
        got = source(altered("knocked_" + os.path.basename(path), knocked, path), "threads=1")  # with more, H.264 tells of its faults by chance
        assert got.code == EOS and len(got.frames) > 20, (path, got.code, got.message)
        assert got.damage + got.refused > 0 and got.damage == sum(got.damaged), (path, got.damage, got.refused)
    index_gone = altered("index.mp4", lambda d: d[:len(d) // 2], c["h264_bpyramid"])
    got = source(index_gone)
    assert got.code == FORMAT and "moov atom not found" in got.message and "index.mp4" in got.message, got.message
    for name, data in (("garbage.mp4", os.urandom(5000)), ("garbage.bin", b"\xff\x00" * 3000), ("empty.mp4", b""), ("words.txt.mp4", b"hello world\n" * 100)):
        path = os.path.join(folder, name)
        open(path, "wb").write(data)
        got = source(path)
        assert got.code == FORMAT and name in got.message, (name, got.code, got.message)
        assert not got.frames


def expected_partial(path):
    done = subprocess.run(["ffmpeg", "-v", "quiet", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-copyts", "-enc_time_base", "-1", "-f", "framehash",
                           "-hash", "adler32", "-"], capture_output=True, text=True)
    return hashes(done.stdout)


def no_video():
    sound = os.path.join(folder, "sound.m4a")
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", sound)
    got = source(sound)
    assert got.code == FORMAT and "sound.m4a: no video in it (1 stream, audio)" in got.message, got.message
    cover = os.path.join(folder, "cover.m4a")
    picture = os.path.join(folder, "cover.png")
    ffmpeg("-f", "lavfi", "-i", "testsrc2", "-frames:v", "1", picture)
    ffmpeg("-i", sound, "-i", picture, "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic", cover)
    got = source(cover)
    assert got.code == FORMAT and "cover" in got.message, got.message
    empty = os.path.join(folder, "frameless.mkv")
    ffmpeg("-i", clips()["h264_open_gop"], "-c", "copy", "-frames:v", "0", empty)
    got = source(empty)
    assert got.code == FORMAT and "frameless.mkv" in got.message, (got.code, got.message)


def bad_inputs():
    got = source(os.path.join(folder, "missing.mp4"))
    assert got.code == IO and "missing.mp4: No such file" in got.message, got.message
    bare = os.path.join(folder, "bare")
    os.makedirs(bare, exist_ok=True)
    got = source(bare)
    assert got.code == FORMAT and "no pictures in this folder" in got.message, got.message
    path = clips()["h264_bpyramid"]
    got = source(path, "option=nonsense=1")
    assert got.code == ARGUMENT and "nonsense" in got.message, got.message
    got = source(path, "option=nonsense")
    assert got.code == ARGUMENT and "KEY=VALUE" in got.message, got.message
    got = source(path, "format=nonsense")
    assert got.code == ARGUMENT and "nonsense" in got.message, got.message
    got = source("nonsense://example/x")
    assert got.code == UNSUPPORTED and "Protocol not found" in got.message, (got.code, got.message)
    colon = os.path.join(folder, "http:x.mp4")
    shutil.copy(path, colon)
    assert len(source(colon).frames) == 50, "a colon in a file's name"
    control = os.path.join(folder, "bad\x1b[31m.mp4")
    open(control, "wb").write(b"x" * 100)
    got = source(control)
    assert "\x1b" not in got.message and "bad?[31m" in got.message
    got = source(path, "cancel=10", "hold=0")
    assert got.code == CANCELLED and 9 <= len(got.frames) < 50, (got.code, len(got.frames))


def changing_sizes():
    small, large = make("small.ts", *x264, "-g", "10", seconds=0.4, size="64x48"), make("large.ts", *x264, "-g", "10", seconds=0.4, size="128x96")
    path = os.path.join(folder, "sizes.ts")
    listing = os.path.join(folder, "sizes.txt")
    open(listing, "w").write(f"file '{small}'\nfile '{large}'\n")
    ffmpeg("-f", "concat", "-safe", "0", "-i", listing, "-c", "copy", path)
    got = source(path)
    assert got.code == EOS and len(got.frames) == 20 and got.resized == 10, (got.message, len(got.frames), got.resized)


def devices():
    got = source("lavfi:testsrc2=size=64x48:rate=10:duration=1")
    assert got.code == EOS and len(got.frames) == 10 and got.info["live"] == "0", (got.message, got.info)
    got = source("v4l2:/dev/video99")
    assert got.code in (IO, ARGUMENT) and "video99" in got.message, (got.code, got.message)


class Cut(http.server.BaseHTTPRequestHandler):
    """A live stream that breaks off: the n-th request gets the n-th piece, without a length."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        server.requests += 1
        if self.path.startswith("/silent"):
            time.sleep(4)
            return
        if self.path.startswith("/missing") or server.requests in server.refuses:
            self.send_error(404)
            return
        if self.path.startswith("/film"):
            data = server.film
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            return
        pieces = server.pieces
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.send_header("Connection", "close")
        self.end_headers()
        if pieces:
            self.wfile.write(pieces.pop(0))


class Server:
    def __enter__(self):
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cut)
        self.http.daemon_threads = True
        self.http.requests, self.http.pieces, self.http.refuses, self.http.film = 0, [], (), b""
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()


def live():
    data = open(make("live.ts", *x264, "-g", "5", "-bf", "2", size="160x120", seconds=4), "rb").read()
    whole = source(os.path.join(folder, "live.ts"))
    with Server() as server:
        server.http.film = open(clips()["h264_open_gop"], "rb").read()
        film = source(server.url + "/film.mkv")
        assert film.info["live"] == "0" and film.code == EOS and len(film.frames) == 50
        server.http.pieces = [data, data, data]
        server.http.requests, server.http.refuses = 0, (3,)
        got = source(server.url + "/live.ts", "reconnects=3")
        times = [t for t, _ in got.frames]
        assert got.info["live"] == "1" and got.code in (EOS, IO) and got.early, (got.info, got.code)
        assert got.code == EOS or "could not be made again" in got.message, got.message
        assert len(got.frames) == 3 * len(whole.frames) and got.reconnects == 2, (len(got.frames), got.reconnects)
        assert all(a < b for a, b in zip(times, times[1:])), "times go on after a break"
        n = len(whole.frames)
        assert times[n] > times[n - 1] and [h for _, h in got.frames[n:2 * n]] == [h for _, h in whole.frames], "frames after a break are whole"
        gap = (times[n] - times[n - 1]) / 90000
        assert 0.2 < gap < 5, f"the time that passed, in the times: {gap}"
        got = source(server.url + "/missing.ts", "reconnects=-1")
        assert got.code == IO and "404" in got.message, (got.code, got.message)
        begin = time.monotonic()
        got = source(server.url.replace("http://", "http://user:secret@") + "/silent.ts", "timeout=800", timeout=30)
        assert got.code == IO and "nothing came for" in got.message and time.monotonic() - begin < 10, (got.code, got.message)
        assert "secret" not in got.message and "127.0.0.1" in got.message, got.message
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    got = source(f"tcp://127.0.0.1:{port}")
    assert got.code == IO and "refused" in got.message, got.message


def interrupted_wait():
    """A cancel is seen while nothing comes."""
    read, write = os.pipe()
    with subprocess.Popen([runner, "-"], stdin=read, stdout=subprocess.PIPE, text=True) as p:
        os.close(read)
        time.sleep(0.5)
        begin = time.monotonic()
        p.send_signal(signal.SIGUSR1)
        out = p.communicate(timeout=20)[0]
        assert "end -7" in out and time.monotonic() - begin < 3, out
    os.close(write)


def main():
    if not shutil.which("ffmpeg") or not shutil.which("ffprobe"):
        print("0 passed, 0 failed, 1 skipped")
        return 0
    names = sys.argv[2:]
    everything = [shared_clips, kinds_of_coding, formats, formats_that_are_moved, formats_that_are_computed, odd_sizes, times, edit_lists, rotation, tags,
                  threads_change_nothing, pieces, resuming, interlaced, packets, pictures, standard_input, damage, no_video, bad_inputs, changing_sizes, devices,
                  live, interrupted_wait]
    try:
        for function in everything:
            if not names or function.__name__ in names:
                case(function)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


sys.exit(main())
