# SPDX-License-Identifier: MIT
"""Exact reuse, for bench_video.py: how much of a clip stays the same (found here, by the samples that ffmpeg decodes), how much of the
network's time that saves, what looking costs, and that the result is the same file."""
import hashlib
import os
import subprocess

import numpy as np

import bench_kit as kit

TILE, HALO = 32, 8
WORTH = 0.05  # of the tiles: below, there is nothing to save
CLIPS = (("bbb_480x360", "bbb_480x360_30fps_h264cbp_aac_10s.mp4"), ("bbb_800x640", "bbb_800x640_30fps_h264high_bpyramid_4s.mp4"),
         ("intel_bottles", "intel_bottles_640x360_h264high_40s.mp4"), ("androidx_city", "androidx_city_640x360_h264cbp_aac_17s.mp4"),
         ("androidx_room", "androidx_room_1280x720_h264cbp_aac_5s.mp4"), ("mdn_friday", "mdn_friday_640x480_h264main_aac_6s.mp4"))

NEVER = "mdn_flower_960x540_h264high_aac_5s.mp4"  # no frame has a part of the one before


def frames_of(path, frames):
    """Planes of 8-bit 4:2:0, as bytes, frame by frame; (width, height) first"""
    text = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height", "-of", "csv=p=0", path],
                          check=True, stdout=subprocess.PIPE, text=True).stdout
    width, height = (int(word) for word in text.strip().strip(",").split(",")[:2])
    yield width, height
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", path, "-map", "0:v:0", "-frames:v", str(frames), "-fps_mode", "passthrough", "-pix_fmt",
               "yuv420p", "-f", "rawvideo", "-"]
    size = width * height + 2 * ((width + 1) // 2) * ((height + 1) // 2)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as decoder:
        while len(data := decoder.stdout.read(size)) == size:
            yield data


def tiles_that_stay(path, frames):
    """The share of tiles of luma that equal those of the frame before, what lies around them included; and the number of frames"""
    source = frames_of(path, frames)
    width, height = next(source)
    left, top = np.arange(0, width, TILE), np.arange(0, height, TILE)
    x0, x1 = np.maximum(left - HALO, 0), np.minimum(left + TILE + HALO, width)
    y0, y1 = np.maximum(top - HALO, 0), np.minimum(top + TILE + HALO, height)
    before, same, n = None, 0, 0
    for data in source:
        luma = np.frombuffer(data, np.uint8, width * height).reshape(height, width)
        n += 1
        if before is not None:
            sums = np.zeros((height + 1, width + 1), np.int32)  # how many differ above and to the left
            np.cumsum(np.cumsum(luma != before, axis=0, dtype=np.int32), axis=1, out=sums[1:, 1:])
            changed = sums[y1][:, x1] - sums[y0][:, x1] - sums[y1][:, x0] + sums[y0][:, x0]
            same += int((changed == 0).sum())
        before = luma.copy()
    return same / max(1, (n - 1) * len(left) * len(top)), n


def show_twice(b, clip, frames):
    """A clip without loss whose frames are each there twice"""
    source = frames_of(clip, frames)
    width, height = next(source)
    path = b.path("twice.mkv")
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-r", "50", "-i", "-", "-c:v",
               "libx264", "-preset", "ultrafast", "-qp", "0", path]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        for data in source:
            encoder.stdin.write(data)
            encoder.stdin.write(data)
        encoder.stdin.close()
        if encoder.wait():
            raise SystemExit("bench_video: ffmpeg could not write the clip whose frames are shown twice")
    return path


def saved(b, clip):
    """(share of the network's time that reuse saves, what looking costs taken off; share of the tiles that were not computed)"""
    row = kit.rows(b.tool("bench_video"), b.model(b.network), clip, b.frames)[0]
    whole, less = row["whole"], row["reusing"]
    spent = less["network_s"] + less["convert_s"] - whole["convert_s"]
    return 1 - spent / whole["network_s"], less["reused"] / max(1, less["tiles"])


def same_file(b, clip):
    """Whether the lossless results with and without reuse are equal, byte for byte"""
    digests = set()
    for more in ((), ("--no-reuse",)):
        b.job(clip, "-m", b.model(b.network), "-c", "ffv1", *more, output="lossless.nut", frames=max(4, b.frames // 3))
        with open(b.path("lossless.nut"), "rb") as file:
            digests.add(hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(file.read()).hexdigest())
    return len(digests) == 1


def one_clip(b, name, clip, twice=False):
    share, frames = tiles_that_stay(clip, b.frames)
    less, reused = saved(b, clip)
    text = f"{name}: {share:.1%} of tiles stay (halo {HALO}), {reused:.1%} not computed; network time saved"
    values = {"clip": name, "share": share, "reused": reused, "saved": less, "frames": frames}
    if twice:
        kit.held(text, less * 100, "{:.1f} %", 45, at_least=True, **values)
    elif share >= WORTH:
        kit.held(text, less * 100, "{:.1f} %", round(90 * share, 1), at_least=True, **values)
    else:
        kit.line(text, f"{less:.1%}", **values)
    same = same_file(b, clip)
    kit.line(f"{name}: lossless, with and without reuse", "equal" if same else "NOT EQUAL", "equal", same, clip=name)


def looking(b, name, clip):
    row = kit.rows(b.tool("bench_video"), b.model(b.network), clip, b.frames)[0]
    whole = row["cpu_s"] / row["frames"]
    cost = row["vain_cpu_s"] / max(1, row["vain_frames"]) / whole
    kit.held(f"{name}: looking in vain ({row['vain_frames']} of {row['frames'] - 1} frames), of the network's time", cost * 100, "{:.2f} %", 1,
             clip=name, share=cost, all_frames=row["check_cpu_s"] / (row["frames"] - 1) / whole)


def reuse(b):
    kit.head("reuse", f"6. exact reuse ({b.network}): tiles of {TILE}x{TILE} that equal the frame before; the network's processor time saved, less the looking")
    clips = [(name, os.path.join(b.data, "video", file)) for name, file in CLIPS] if not b.quick else b.clips()
    for name, clip in clips:
        if os.path.exists(clip):
            one_clip(b, name, clip)
        else:
            kit.skip(name, clip)
    city = dict(clips).get("androidx_city", b.drawn() if b.quick else "")
    if not os.path.exists(city):
        return
    one_clip(b, "each frame twice", show_twice(b, city, b.frames // 2), twice=True)
    for name, clip in [("androidx_city", city), ("mdn_flower", os.path.join(b.data, "video", NEVER))]:
        if os.path.exists(clip):
            looking(b, name, clip)
        else:
            kit.skip(name, clip)
