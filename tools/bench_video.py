#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What video must reach, measured on this machine: each figure beside its bar. The exit code is 1 when one is missed.

    tools/bench_video.py BUILD [--json] [--quick] [--turns N] [--network NAME] [PART...]

Parts: overlap, rate, heap, mill, memory, reuse; all when none is named (docs/bench.md says what they are). BUILD: the build folder. Needs
`ffmpeg`. Clips and pictures come from ../shared/data (FM_SHARED names another ../shared); what is not there is passed over, and said.
--quick measures nothing of worth on a clip that is drawn for it: a trial of this program."""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import bench_kit as kit
from bench_video_reuse import reuse

FRAMES, RATE_BAR, QUALITY_BAR, QUALITY_AIM = 300, 44.4, 37.0, 37.5
ENCODER = ("-c", "libx264", "-e", "preset=veryfast", "-e", "crf=23")
LADDER = ("rt3", "rt8", "rt9", "rt14", "rt27")


class Bench:
    """What all parts need: programs, networks, clips, how much is done."""

    def __init__(self, options, folder):
        self.framemill = os.path.abspath(os.path.join(options.build, "framemill"))
        self.tool = lambda name: os.path.abspath(os.path.join(options.build, "bench", name))
        self.folder, self.quick = folder, options.quick
        self.turns = options.turns or (1 if options.quick else 3)
        self.frames = 12 if options.quick else FRAMES
        self.steps = ("rt3",) if options.quick else LADDER
        self.network = options.network or ("rt3" if options.quick else "rt14")
        self.data = os.path.join(kit.shared, "data")

    def path(self, name):
        return os.path.join(self.folder, name)

    def model(self, name):
        return os.path.join(kit.root, "models", name + ".onnx")

    def clips(self):
        """(name, path) of 640x360 clips with sound."""
        if self.quick:
            return [("drawn", self.drawn())]
        found = [("androidx_city", os.path.join(self.data, "video", "androidx_city_640x360_h264cbp_aac_17s.mp4")),
                 ("our sample", os.path.join(kit.root, "samples", "harbour.mp4"))]
        for name, path in found:
            if not os.path.exists(path):
                kit.skip(name, path)
        return [one for one in found if os.path.exists(one[1])]

    def drawn(self):
        path = self.path("drawn.mp4")
        if not os.path.exists(path):
            ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x96:r=25:d=2", "-f", "lavfi", "-i", "sine=440:d=2", "-c:v", "libx264", "-c:a", "aac", path)
        return path

    def job(self, clip, *more, output="out.mp4", frames=None):
        """(report, wall seconds, processor seconds, peak bytes) of a whole job over the first frames of a clip"""
        report = self.path("report.json")
        length = ((frames or self.frames) - 0.5) / probe(clip)[2]
        where = (self.path(output),) if output else ("--benchmark",)
        used = kit.measured(self.framemill, "upscale", clip, *where, "--duration", f"{length:.6f}", "--quiet", "--overwrite", "--json", *more,
                            output=report)
        with open(report, encoding="utf-8") as file:
            return (json.load(file)["videos"][0], *used)


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)], check=True)


def probe(path):
    """(width, height, frames a second)"""
    text = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height,avg_frame_rate", "-of",
                           "csv=p=0", path], check=True, stdout=subprocess.PIPE, text=True).stdout.split(",")
    number, over = text[2].split("/")
    return int(text[0]), int(text[1]), int(number) / int(over)


def median(values):
    return statistics.median(values)


def overlap(b):
    kit.head("overlap", f"1. overlap: a whole job ({b.network}, x264 veryfast, CRF 23, sound copied) over what its stages take alone")
    plain = ("ffmpeg", "-v", "error", "-nostdin", "-y")
    for name, clip in b.clips():
        ratios, watch = [], kit.Watch()
        raw, more = b.path("raw.y4m"), ("-m", b.model(b.network), "--no-reuse")
        b.job(clip, *more, output="raw.y4m")
        for _ in range(b.turns):  # turn by turn, so that all meet the same neighbours
            report, wall, cpu, _ = b.job(clip, *more, *ENCODER)
            start = kit.measured(*plain, "-f", "lavfi", "-i", "nullsrc=s=16x16:d=0.04", "-f", "null", "-")
            reading = kit.measured(*plain, "-i", raw, "-f", "null", "-")
            decode = kit.measured(*plain, "-threads", "1", "-i", clip, "-map", "0:v:0", "-frames:v", b.frames, "-f", "null", "-")
            encode = kit.measured(*plain, "-i", raw, "-c:v", "libx264", "-preset", "veryfast", "-crf", "23", b.path("encoded.mp4"))
            middle = kit.rows(b.tool("bench_video"), b.model(b.network), clip, b.frames)[0]
            # programs start once in a job, and nobody reads raw frames in it
            walls = {"decode": decode[0] - start[0], "network": middle["wall_s"], "encode": encode[0] - reading[0]}
            cpus = {"decode": decode[1] - start[1], "network": middle["cpu_s"], "encode": encode[1] - reading[1]}
            slowest, share = max(walls.values()), sum(cpus.values()) / kit.cores
            ratios.append(wall / max(slowest, share))
        os.remove(raw)
        kit.note(f"last turn, {name}: job {wall:.2f} s, {cpu:.2f} CPU seconds; alone "
                 + ", ".join(f"{key} {walls[key]:.2f} s ({cpus[key]:.2f})" for key in walls)
                 + f"; slowest {slowest:.2f} s, CPU seconds over {kit.cores} processors {share:.2f} s")
        kit.held(f"{name}: wall time over the larger of the two", median(ratios), "{:.3f}", 1.10, spread=ratios, frames=report["frames"],
                 job_s=wall, walls_s=walls, cpus_s=cpus, others=watch.others())
        kit.note(f"others had {watch.others():.0%} of the processors meanwhile")


def qualities(b):
    """Set5 PSNR of the very files that are run, in dB; {} without Set5."""
    set5 = os.path.join(b.data, "sr", "Set5")
    if b.quick or not os.path.isdir(set5):
        kit.skip("PSNR", set5)
        return {}
    files = ",".join(b.model(step) for step in b.steps)
    found = kit.rows(b.framemill, "bench", "quality", "--data", set5, "--scale", "2", "-m", files, "--repeat", "1", "--seconds", "0.1", "--json")
    return {step: row["psnr_db"] for step in b.steps for row in found if row.get("network") == step}


def rate(b):
    kit.head("rate", "2. 640x360 H.264 and AAC to 1280x720 H.264 (x264 veryfast, CRF 23), decoding and encoding included, --no-reuse, "
             "from start to end of the process")
    db = qualities(b)
    for name, clip in b.clips():
        fps, cpus, watch = {step: [] for step in b.steps}, {step: [] for step in b.steps}, kit.Watch()
        for _ in range(b.turns):
            for step in b.steps:
                report, wall, cpu, _ = b.job(clip, "-m", b.model(step), "--no-reuse", *ENCODER)
                fps[step].append(report["frames"] / wall)
                cpus[step].append(cpu * 1e3 / report["frames"])
        for step in b.steps:
            quality = f", Set5 {db[step]:.2f} dB" if step in db else ""
            kit.line(f"{name}: {step}{quality}; {median(cpus[step]):.1f} ms of processor time a frame",
                     f"{median(fps[step]):.1f} fps ({min(fps[step]):.1f} - {max(fps[step]):.1f})", clip=name, step=step, fps=median(fps[step]),
                     cpu_ms=median(cpus[step]), psnr_db=db.get(step), frames=report["frames"], others=watch.others())
        kit.note(f"others had {watch.others():.0%} of the processors meanwhile")
        fast = [step for step in b.steps if median(fps[step]) >= RATE_BAR]
        if db:
            best = max(fast, key=lambda step: db[step], default=None)
            text = f"{name}: the best at {RATE_BAR} fps" + (f": {best}, aim {QUALITY_AIM} dB" if best else ": none")
            kit.held(text, db[best] if best else 0, "{:.2f} dB", QUALITY_BAR, at_least=True, clip=name, step=best)


def heap(b):
    kit.head("heap", "3. the heap: allocations for each frame in conversion and network, after the first")
    for name, clip in b.clips():
        for step in b.steps:
            row = kit.rows(b.tool("bench_video"), b.model(step), clip, b.frames)[0]
            kit.held(f"{name}: {step}, {row['workers']} at a time: {row['allocations']} allocations in {row['frames']} frames",
                     row["allocations"] / row["frames"], "{:.2f}", 0, clip=name, step=step, allocations=row["allocations"])


def mill(b):
    kit.head("mill", "4. the mill")
    for row in kit.rows(b.tool("bench_mill"), "--json", *(("300",) if b.quick else ())):
        what = row.pop("what")
        if "fps" in row:
            kit.held(f"{what}: of 80 a second", row["fps"], "{:.1f} fps", 76, at_least=True, **row)
            kit.line("the fast one works, of the time", f"{row['fast_busy']:.1%}", "> 95 %", row["fast_busy"] > 0.95)
            kit.line("delivered in order", "yes" if row["in_order"] else "no", "yes", row["in_order"])
            continue
        own = row["us_per_slot"] - row["bare_us"]
        beside = f", beyond {row['bare_us']:.0f} us of bare semaphores" if row["bare_us"] else ""
        kit.held(f"{what}: own work{beside}", own, "{:.1f} us", 20, own_us=own, **row)
        if what == "2 processes, ring of 64":
            kit.held("2 processes, ring of 64: empty slots a second", row["slots_per_s"], "{:.0f}", 200000, at_least=True)


def memory(b):
    kit.head("memory", "5. memory: peak of a whole job over that of the ffmpeg program (scale=1280:720, same encoder)")
    for name, clip in b.clips():
        peaks, theirs, long = [], [], []
        width, height, _ = probe(clip)
        for _ in range(b.turns):
            peaks.append(b.job(clip, "-m", b.model(b.network), "--no-reuse", *ENCODER)[3] / 1e6)
            long.append(b.job(clip, "-m", b.model(b.network), "--no-reuse", *ENCODER, frames=b.frames // 3)[3] / 1e6)
            theirs.append(kit.measured("ffmpeg", "-v", "error", "-nostdin", "-y", "-i", clip, "-frames:v", b.frames, "-vf",
                                       f"scale={width * 2}:{height * 2}", "-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-c:a", "copy",
                                       b.path("theirs.mp4"))[2] / 1e6)
        mine, other = median(peaks), median(theirs)
        kit.held(f"{name}: {mine:.0f} MB, ffmpeg {other:.0f} MB: more", mine - other, "{:.0f} MB", 150, mine_mb=mine, theirs_mb=other)
        kit.line(f"{name}: {b.frames} frames over {b.frames // 3}: more", f"{mine - median(long):.0f} MB", mb=mine - median(long))


PARTS = {"overlap": overlap, "rate": rate, "heap": heap, "mill": mill, "memory": memory, "reuse": reuse}


def main():
    parser = argparse.ArgumentParser(description="what video must reach, each figure beside its bar")
    parser.add_argument("build")
    parser.add_argument("part", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--turns", type=int, default=0)
    parser.add_argument("--network", default="")
    options = parser.parse_intermixed_args()
    for name in options.part:
        if name not in PARTS:
            parser.error(f"there is no part {name}: {', '.join(PARTS)}")
    if not shutil.which("ffmpeg") or not shutil.which("ffprobe"):
        sys.exit("bench_video: ffmpeg is not there (Debian: ffmpeg)")
    kit.as_json = options.json
    kit.machine()
    for name in options.part or PARTS:
        with tempfile.TemporaryDirectory(prefix="framemill-video-") as folder:
            PARTS[name](Bench(options, folder))
    return kit.end()


if __name__ == "__main__":
    sys.exit(main())
