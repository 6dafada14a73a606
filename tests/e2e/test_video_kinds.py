#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Films of every kind through framemill upscale, whole: all clips there are, HDR, one frame, broken off, from devices, sound against picture
over many minutes. Usage: test_video_kinds.py FRAMEMILL [CASE...] [--times], from the project's root."""
import fractions
import os
import subprocess
import sys

import numpy as np

sys.dont_write_bytecode = True
from film_kit import (BAD_INPUT, CLIPS, DONE, USAGE, Skip, clip, ffmpeg, hashes, identity, main, nothing_but, others, probe, refused, run, same_times, soft,
                      times, up, video_of)
from live_kit import Film, counted_clip, offsets

MS = fractions.Fraction(1, 1000)
FAST = ("-e", "preset=ultrafast")


def sound_of(path):
    """Every packet of the sound. The duration of a stream's last one is left out: MP4 states where an edit ends, of which FFmpeg makes it."""
    lines, last = others(path), {}
    for line in lines:
        last[line[0]] = max(last.get(line[0], line), line, key=lambda line: int(line[1]))
    return [line[:3] + [""] + line[4:] if line is last[line[0]] else line for line in lines]


def packet_times(path):
    """Seconds at which frames are shown, without decoding them."""
    p = probe(path, "-select_streams", "v:0", "-show_entries", "stream=time_base:packet=pts,flags")
    return sorted(packet["pts"] * fractions.Fraction(p["streams"][0]["time_base"]) for packet in p["packets"] if "D" not in packet["flags"])


def whole_shared_clips(folder):
    """As many frames, at the same times; the sound packet for packet."""
    if not os.path.isdir(CLIPS):
        raise Skip("no ../shared/data/video")
    raw = {"CiscoVT2people_320x192_12fps.yuv": ("320x192", "12"), "blue_sky_640x360_yuv420p_3frames.yuv": ("640x360", "25")}
    for name in sorted(os.listdir(CLIPS)):
        source = os.path.join(CLIPS, name)
        if name in raw:  # has no head: a Y4M file has
            size, rate = raw[name]
            ffmpeg("-f", "rawvideo", "-video_size", size, "-framerate", rate, "-i", source, f"{folder}/raw.y4m")
            source = f"{folder}/raw.y4m"
        end = ".mp4" if name.endswith(".mp4") else ".mkv"
        made = f"{folder}/out{end}"
        report = up(source, made, "-W", "160", *FAST, "--overwrite")
        a, b = packet_times(source), packet_times(made)
        coarse = MS / 2 if end == ".mkv" else 0
        assert report["frames"] == len(a) == len(b) > 0 and report["damaged"] == 0, (name, len(a), len(b), report)
        assert all(abs(x - y) <= coarse for x, y in zip(a, b)), (name, [(i, x, y) for i, (x, y) in enumerate(zip(a, b)) if x != y][:3])
        sound = sound_of(made)
        assert sound == sound_of(source), name
        assert bool(sound) == ("aac" in name or name.endswith(".webm")), name


def long_drift(folder):
    """Ten minutes of numbered frames and beeps: each frame at its own time, each beep where it was, to a tenth of a millisecond."""
    source, made = counted_clip(f"{folder}/in.mp4", 600, "-preset", "ultrafast", rate=2, size=(160, 16), sound=16000), f"{folder}/out.mp4"
    up(source, made, *FAST, "-e", "crf=10")
    film, before, after = Film(made, rate=2), offsets(source, rate=2), offsets(made, rate=2)
    assert film.frames == 1200 and film.missing == film.unclear == 0 and film.in_order and film.rising, vars(film)
    assert film.jitter < 1e-9 and film.drift < 1e-9, (film.jitter, film.drift)
    assert len(before) == len(after) >= 598 and max(abs(a - b) for a, b in zip(before, after)) < MS / 10, (len(before), len(after))
    same_times(source, made)


def hdr_curves(folder):
    """PQ and HLG: labels stay, no sample is clipped or bent, by an identity network and by plain scaling to the same size."""
    network = identity(f"{folder}/same.onnx")
    for curve in ("smpte2084", "arib-std-b67"):
        for pixels in ("yuv420p10le", "yuv422p10le"):
            source = f"{folder}/{curve}_{pixels}.mkv"
            ffmpeg("-f", "lavfi", "-i", f"testsrc2=s=64x48:r=25,format={pixels},noise=alls=100:allf=t", "-frames:v", "3", "-c:v", "ffv1", "-color_trc", curve,
                   "-color_primaries", "bt2020", "-colorspace", "bt2020nc", "-color_range", "tv", source)
            kept = ("color_transfer", "color_primaries", "color_space", "color_range", "pix_fmt")
            for options in (("-m", network), ("-s", "1")):
                up(source, f"{folder}/out.mkv", *options, "-c", "ffv1", "--overwrite")
                a, b = video_of(source), video_of(f"{folder}/out.mkv")
                assert {key: a.get(key) for key in kept} == {key: b.get(key) for key in kept} and a["color_transfer"] == curve, (a, b)
                assert hashes(source) == hashes(f"{folder}/out.mkv"), (curve, pixels, options)
    highest = f"{folder}/highest.mkv"  # far above the white of video, where highlights of PQ lie
    ffmpeg("-f", "lavfi", "-i", "color=black:s=32x32:r=25,format=yuv420p10le,geq=lum='if(lt(X,16),1019,4)':cb=512:cr=512", "-frames:v", "2", "-c:v", "ffv1",
           "-color_trc", "smpte2084", "-color_primaries", "bt2020", "-colorspace", "bt2020nc", highest)
    for model in ("lanczos", soft(f"{folder}/soft.onnx")):
        up(highest, f"{folder}/out.mkv", "-m", model, "-c", "ffv1", "--overwrite")
        data = ffmpeg("-i", f"{folder}/out.mkv", "-frames:v", "1", "-pix_fmt", "yuv420p10le", "-f", "rawvideo", "-")
        luma = np.frombuffer(data, np.uint16)[:64 * 64].reshape(64, 64)
        assert (luma[28:36, 10:20] >= 1015).all() and (luma[28:36, 44:54] <= 8).all(), (model, luma[30])


def one_frame(folder):
    source = f"{folder}/one.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.04", "-f", "lavfi", "-i", "sine=440:d=0.5", "-c:v", "libx264", "-bf", "2", "-c:a", "aac", source)
    for end in ("mp4", "mkv"):
        report = up(source, f"{folder}/out.{end}")
        assert report["frames"] == 1 and len(times(f"{folder}/out.{end}")) == 1, report
        assert others(source, False) == others(f"{folder}/out.{end}", False) != []
    same_times(source, f"{folder}/out.mp4")
    up(source, f"{folder}/out%03d.png")
    nothing_but(folder, "one.mp4", "out.mp4", "out.mkv", "out001.png")


def no_frame(folder):
    """A stream without a frame, beside sound; a piece without one: refused, nothing is left."""
    clip(f"{folder}/film.mp4", "-c:a", "aac", frames=50, sound=True)
    ffmpeg("-i", f"{folder}/film.mp4", "-c", "copy", "-frames:v", "0", f"{folder}/none.mkv")
    refused(BAD_INPUT, "none.mkv", f"{folder}/none.mkv", f"{folder}/out.mp4")
    refused(USAGE, "no frame", f"{folder}/film.mp4", f"{folder}/out.mp4", "--start", "0.01", "--duration", "0.01")
    nothing_but(folder, "film.mp4", "none.mkv")


def broken_off(folder):
    """Cut in the middle, with the index in front: what is there is made, sound as far, and the loss is said."""
    clip(f"{folder}/whole.mp4", "-g", "10", "-c:a", "aac", "-movflags", "+faststart", frames=100, sound=True)
    with open(f"{folder}/whole.mp4", "rb") as file:
        data = file.read()
    with open(f"{folder}/cut.mp4", "wb") as file:
        file.write(data[:len(data) * 6 // 10])
    for end in ("mp4", "mkv"):
        report = up(f"{folder}/cut.mp4", f"{folder}/out.{end}")
        shown = times(f"{folder}/out.{end}")
        assert 30 < report["frames"] == len(shown) < 100 and report["warnings"], report
        whole = times(f"{folder}/whole.mp4")[:len(shown)]
        assert all(abs(a - b) <= MS / 2 for a, b in zip(shown, whole)), (shown[:3], whole[:3])
        sound, there = ({line[5] for line in others(path)} for path in (f"{folder}/out.{end}", f"{folder}/cut.mp4"))
        assert sound and sound == there, (len(sound), len(there))


def devices(folder):
    """Capture devices: FFmpeg's made-up one gives frames; those that are not there are errors with their names."""
    report = up("lavfi:testsrc2=size=64x48:rate=10:duration=1", f"{folder}/out.mkv", *FAST)
    assert report["frames"] == 10 and report["out_width"] == 128, report
    for name, word in (("v4l2:/dev/video99", "video99"), ("x11grab::99", "99"), ("/dev/video99", "video99"), ("lavfi:nonsense=1", "nonsense")):
        code, _, errors = run(name, f"{folder}/no.mkv", "-m", "lanczos")
        assert code in (BAD_INPUT, USAGE) and word in errors, (name, code, errors)
    code, _, errors = run("lavfi:testsrc2=size=64x48:duration=1", f"{folder}/no.mkv", "-m", "lanczos", "--input-option", "nonsense=1")
    assert code == USAGE and "nonsense" in errors, (code, errors)
    nothing_but(folder, "out.mkv")


CASES = (whole_shared_clips, long_drift, hdr_curves, one_frame, no_frame, broken_off, devices)

main(CASES)
