#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Video sources: frames, times and packets against what FFmpeg's own program makes of the same files; jumps and resumption against an
uninterrupted run. Usage: test_video_source.py VIDEO_RUNNER [CASE]..., from the project's root."""
import os
import subprocess
import sys

import numpy as np

from video_kit import ARGUMENT, EOS, FORMAT, UNSUPPORTED, Skip, check_same, clips, expected, ffmpeg, folder, hashes, make, run_cases, shared, source, x264


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


def container_start(path):
    out = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "format=start_time", "-of", "csv=p=0", path], capture_output=True, text=True).stdout
    return float(out) if out.strip() not in ("", "N/A") else 0.0


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


def changing_sizes():
    small, large = make("small.ts", *x264, "-g", "10", seconds=0.4, size="64x48"), make("large.ts", *x264, "-g", "10", seconds=0.4, size="128x96")
    path = os.path.join(folder, "sizes.ts")
    listing = os.path.join(folder, "sizes.txt")
    open(listing, "w").write(f"file '{small}'\nfile '{large}'\n")
    ffmpeg("-f", "concat", "-safe", "0", "-i", listing, "-c", "copy", path)
    got = source(path)
    assert got.code == EOS and len(got.frames) == 20 and got.resized == 10, (got.message, len(got.frames), got.resized)


sys.exit(run_cases([shared_clips, kinds_of_coding, formats, formats_that_are_moved, formats_that_are_computed, odd_sizes, times, edit_lists, rotation, tags,
                    threads_change_nothing, pieces, resuming, interlaced, packets, changing_sizes]))
