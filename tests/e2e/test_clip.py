#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""samples/harbour.mp4 is what its script draws and plays, holds what the documents say of it, and hardly repeats itself.
Usage: test_clip.py FRAMEMILL [CASE...] [--times], from the project's root."""
import json
import os
import subprocess
import sys
import wave

import numpy as np

sys.dont_write_bytecode = True
from film_kit import main  # noqa: E402

CLIP, DRAW = "samples/harbour.mp4", "samples/draw_clip.py"
WIDTH, HEIGHT, FRAMES = 640, 360, 300


def output_of(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()[-500:]
    return done.stdout


def psnr(a, b):
    return 10 * np.log10(255 ** 2 / max(np.mean((a.astype(np.float64) - b) ** 2), 1e-9))


def frames(first, count):
    raw = output_of("ffmpeg", "-v", "error", "-i", CLIP, "-vf", f"trim=start_frame={first}:end_frame={first + count}", "-fps_mode", "passthrough",
                    "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    return np.frombuffer(raw, np.uint8).reshape(count, HEIGHT, WIDTH, 3)


def streams_are_as_said(folder):
    said = json.loads(output_of("ffprobe", "-v", "error", "-count_packets", "-show_streams", "-of", "json", CLIP))["streams"]
    video, sound = (next(s for s in said if s["codec_type"] == kind) for kind in ("video", "audio"))
    assert (video["codec_name"], video["width"], video["height"], video["nb_read_packets"], video["avg_frame_rate"]) == \
        ("h264", WIDTH, HEIGHT, str(FRAMES), "30/1"), video
    assert (sound["codec_name"], sound["channels"], sound["sample_rate"]) == ("aac", 2, "48000"), sound
    assert abs(float(video["duration"]) - 10) < 0.001 and abs(float(sound["duration"]) - 10) < 0.05
    assert os.path.getsize(CLIP) < 1.6e6, "the clip lives in the repository: it is to be small"


def picture_is_reproduced(folder):
    drawn = os.path.join(folder, "frame.ppm")
    output_of(sys.executable, DRAW, "--frame", "207", drawn)
    data = open(drawn, "rb").read()
    assert data.startswith(b"P6\n640 360\n255\n")
    ours = np.frombuffer(data[15:], np.uint8).reshape(HEIGHT, WIDTH, 3)
    near = [psnr(frame, ours) for frame in frames(200, 14)]
    assert int(np.argmax(near)) == 7 and near[7] > 30, near


def sound_is_reproduced(folder):
    sys.path.insert(0, "samples/clip")
    import sound
    path = os.path.join(folder, "sound.wav")
    sound.save(path, 10)
    with wave.open(path) as file:
        ours = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).astype(np.float64)
    raw = output_of("ffmpeg", "-v", "error", "-i", CLIP, "-f", "s16le", "-ac", "2", "-ar", "48000", "-")
    theirs = np.frombuffer(raw, "<i2").reshape(-1, 2).astype(np.float64)
    size = min(len(ours), len(theirs))
    for side in (0, 1):
        likeness = np.corrcoef(ours[:size, side], theirs[:size, side])[0, 1]
        assert likeness > 0.9, (side, likeness)
    assert np.corrcoef(ours.T)[0, 1] < 0.8, "the two sides are one"


def tiles_hardly_repeat(folder):
    """Of 32x32 pixels, as the frame before had them, 8 pixels around them included: what need not be computed again."""
    same = total = 0
    shown = frames(100, 60)
    for before, after in zip(shown, shown[1:]):
        changed = np.pad((before != after).any(axis=2), ((8, 32), (8, 8)))
        for y in range(0, HEIGHT, 32):
            rows = changed[y:y + 48].any(axis=0)
            same += sum(not rows[x:x + 48].any() for x in range(0, WIDTH, 32))
            total += WIDTH // 32
    assert same <= total * 0.03, f"{same} of {total} tiles"


main((streams_are_as_said, picture_is_reproduced, sound_is_reproduced, tiles_hardly_repeat))
