# SPDX-License-Identifier: MIT
"""What the tests of live video share: clips whose frames carry their number and whose sound beeps once a second, so that what arrives
tells what is missing and how far sound and picture are apart; senders, receivers, framemill at work between them."""
import bisect
import fractions
import heapq
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np

from film_kit import ffmpeg, framemill, probe, size_of, wait_for, with_model  # noqa: F401

BITS, WIDTH, HEIGHT, RATE = 16, 160, 90, 25
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p", "-g", "12", "-bf", "2")


def counted_clip(path, seconds, *options, rate=RATE, size=(WIDTH, HEIGHT), sound=48000):
    """Frame n has n in bars of black and white, a bit each; every second there is a beep of a tenth."""
    width, height = size
    beep = f"sine=1000:r={sound}:d={seconds}:samples_per_frame={sound // 10},volume=4,volume=0:enable='gt(mod(t,1),0.05)'"
    with subprocess.Popen(["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "rawvideo", "-pixel_format", "gray", "-video_size", f"{width}x{height}", "-framerate",
                           str(rate), "-i", "-", "-f", "lavfi", "-i", beep, *X264, "-c:a", "aac", "-b:a", "64k", *options, path], stdin=subprocess.PIPE) as made:
        bits = np.arange(width) * BITS // width
        for n in range(seconds * rate):
            row = np.where(n >> bits & 1, 235, 16).astype(np.uint8)
            made.stdin.write(np.broadcast_to(row, (height, width)).tobytes())
    assert made.returncode == 0, path
    return path


def numbers(path):
    """[(time, number)] of every frame, as shown; number None: cannot be read."""
    width, height = size_of(path)
    p = probe(path, "-select_streams", "v:0", "-show_entries", "stream=time_base:frame=best_effort_timestamp")
    base = fractions.Fraction(p["streams"][0]["time_base"])
    shown = [frame["best_effort_timestamp"] * base for frame in p["frames"]]
    rows = ffmpeg("-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-vf", f"crop={width}:2:0:{height // 2}", "-pix_fmt", "gray", "-f",
                  "rawvideo", "-")
    found, columns = [], [(2 * i + 1) * width // BITS // 2 for i in range(BITS)]
    for at, shown_at in zip(range(0, len(rows), 2 * width), shown):
        cells = [rows[at + x] for x in columns]
        clear = all(value < 80 or value > 170 for value in cells)
        found.append((shown_at, sum((value > 128) << i for i, value in enumerate(cells)) if clear else None))
    assert len(found) == len(shown) == len(rows) // (2 * width), (len(found), len(shown), len(rows))
    return found


def beeps(path):
    """The times at which a beep begins."""
    p = probe(path, "-select_streams", "a:0", "-show_entries", "stream=time_base,sample_rate:frame=best_effort_timestamp,nb_samples")
    base, rate = fractions.Fraction(p["streams"][0]["time_base"]), int(p["streams"][0]["sample_rate"])
    samples = np.frombuffer(ffmpeg("-i", path, "-map", "0:a:0", "-ac", "1", "-f", "s16le", "-"), np.int16)
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 4000)
    onsets = loud[np.flatnonzero(np.diff(loud, prepend=-rate) > rate // 2)]
    begins = np.cumsum([0] + [frame["nb_samples"] for frame in p["frames"]])
    found = []
    for onset in onsets.tolist():
        frame = int(np.searchsorted(begins, onset, "right")) - 1
        found.append(p["frames"][frame]["best_effort_timestamp"] * base + fractions.Fraction(onset - int(begins[frame]), rate))
    return found


def offsets(path, rate=RATE, unsteady=0):
    """[seconds that sound is behind the picture] at each beep whose frame is there, the first `unsteady` frames apart."""
    starts = sorted(at for at, number in numbers(path)[unsteady:] if number is not None and number % rate == 0)
    found = []
    for beep in beeps(path):
        near = starts[max(0, bisect.bisect(starts, beep) - 1):][:2]
        if near:
            best = min((beep - at for at in near), key=abs)
            if abs(best) < fractions.Fraction(1, 2):
                found.append(best)
    return found


class Film:
    """What arrived, in numbers. The first `unsteady` frames' times are not looked at: RTSP learns only from its first report how its streams
    lie to one another, whoever reads it."""

    def __init__(self, path, unsteady=0, rate=RATE):
        self.shown = numbers(path)
        self.numbers = [number for _, number in self.shown if number is not None]
        self.frames, self.unclear = len(self.shown), len(self.shown) - len(self.numbers)
        steps = [b - a for a, b in zip(self.numbers, self.numbers[1:])]
        self.missing = sum(step - 1 for step in steps if step > 1)
        self.in_order = all(step > 0 for step in steps)
        steady = self.shown[unsteady:]
        self.rising = all(a < b for (a, _), (b, _) in zip(steady, steady[1:]))
        self.falling = any(a > b for (a, _), (b, _) in zip(steady, steady[1:]))
        whole = [(at, number) for at, number in steady if number is not None]
        self.jitter = max((abs(float((b - a) * rate - (m - n))) / rate for (a, n), (b, m) in zip(whole, whole[1:])), default=0)
        self.drift = abs(float(whole[-1][0] - whole[0][0]) - (whole[-1][1] - whole[0][1]) / rate) if whole else 0


class Program:
    """A program in the background; it is gone when the block ends."""

    def __init__(self, *command, **more):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        **{"stdout": subprocess.DEVNULL, **more})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self, number=signal.SIGKILL):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self, seconds=30):
        """(exit code, what it said)"""
        try:
            errors = self.process.communicate(timeout=seconds)[1]
        except ValueError:  # was waited for before
            errors = b""
        return self.process.returncode, (errors or b"").decode(errors="replace")


def sender(clip, *output, before=()):
    """The ffmpeg program as a camera: what is in the clip, as fast as it happens, without end."""
    return Program(*before, "ffmpeg", "-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", clip, "-c", "copy", *output)


KEEP = ("-map", "0", "-c:v", "ffv1", "-fps_mode", "passthrough", "-enc_time_base", "-1", "-c:a", "copy")


def receiver(path, *url, before=()):
    """The ffmpeg program keeps what comes: sound as it is; video decoded, since RTSP tells no decoding times, without which it copies none."""
    return Program(*before, "ffmpeg", "-v", "error", "-nostdin", "-y", *url, *KEEP, "-copyts", path)


class Job(Program):
    """framemill upscale, watched: frames so far, the longest time without one."""

    def __init__(self, *arguments, before=()):
        super().__init__(*before, framemill, "upscale", *with_model(arguments), "--progress", "json", "--json", stdout=subprocess.PIPE)
        self.frames, self.longest, self.heard, self.lines, self.text = 0, 0.0, None, [], []
        self.readers = [threading.Thread(target=read, daemon=True) for read in (self.listen, self.collect)]
        for reader in self.readers:
            reader.start()

    def collect(self):
        self.text.append(self.process.stdout.read().decode())

    def listen(self):
        for line in self.process.stderr:
            now = time.monotonic()
            try:
                said = json.loads(line)
            except ValueError:
                said = {"event": "text", "message": line.decode(errors="replace")}
            if said["event"] != "progress":
                self.lines.append(said)
            elif said["finished"] > self.frames:
                if self.heard:
                    self.longest = max(self.longest, now - self.heard)
                self.frames, self.heard = said["finished"], now

    def reached(self, frames):
        assert self.process.poll() is None, f"it ended: {self.lines} {self.text}"
        return self.frames >= frames

    def wait(self, seconds=30):
        """(exit code, report)"""
        self.process.wait(seconds)
        for reader in self.readers:
            reader.join(10)
        text = "".join(self.text)
        return self.process.returncode, json.loads(text)["videos"][0] if text.strip() else {}

    def stop(self, seconds=60):
        """Ctrl-C; it must end well. The report."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        code, report = self.wait(seconds)
        self.ending = time.monotonic() - begun
        assert code == 0 and report["outcome"] == "done", (code, report, self.lines)
        if "--times" in sys.argv:
            print(f"{report['input']}: {report['frames']} frames, {report['dropped']} dropped, longest time without one {self.longest:.2f} s", file=sys.stderr)
        return report

    def said(self, word):
        return [line for line in self.lines if word in line.get("message", "")]


class LossyLink:
    """Carries datagrams between two ends, loses some and delays the rest, which may overtake one another: what tc's netem does."""

    def __init__(self, loss=0.02, delay=0.02, jitter=0.005, seed=1):
        self.loss, self.delay, self.jitter, self.dice = loss, delay, jitter, random.Random(seed)
        self.waiting, self.count, self.lost, self.order, self.ended = [], 0, 0, 0, False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        self.thread.join()

    def take(self, data, send):
        self.count += 1
        if self.dice.random() < self.loss:
            self.lost += 1
            return
        self.order += 1
        heapq.heappush(self.waiting, (time.monotonic() + self.dice.gauss(self.delay, self.jitter / 2), self.order, data, send))

    def run(self):
        while not self.ended:
            ready, _, _ = select.select(self.ends(), (), (), max(0.0, min(0.1, self.waiting[0][0] - time.monotonic())) if self.waiting else 0.1)
            for end in ready:
                self.read(end)
            while self.waiting and self.waiting[0][0] <= time.monotonic():
                _, _, data, send = heapq.heappop(self.waiting)
                try:
                    send(data)
                except OSError:
                    pass  # nobody is there, or their buffer is full: lost


class LossyPort(LossyLink):
    """A UDP port that stands for another one."""

    def __init__(self, port, **more):
        super().__init__(**more)
        self.target, self.caller = ("127.0.0.1", port), None
        self.near, self.far = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self.near.bind(("127.0.0.1", 0))
        self.far.bind(("127.0.0.1", 0))
        self.port = self.near.getsockname()[1]

    def __exit__(self, *_):
        super().__exit__()
        self.near.close()
        self.far.close()

    def ends(self):
        return self.near, self.far

    def read(self, end):
        try:
            data, address = end.recvfrom(65536)
        except OSError:
            return
        if end is self.near:
            self.caller = address
            self.take(data, lambda data: self.far.sendto(data, self.target))
        elif self.caller:
            self.take(data, lambda data: self.near.sendto(data, self.caller))
