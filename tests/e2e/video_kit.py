# SPDX-License-Identifier: MIT
"""What the tests of video sources share: clips of our own, frames as our runner and as FFmpeg's program hand them out, cases. Programs
that use it are called with the path of video_runner and, perhaps, names of cases."""
import os
import shutil
import subprocess
import sys
import tempfile

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
        print(f"FAILED {function.__name__}, line {fault.__traceback__.tb_next.tb_lineno}: {type(fault).__name__}: {fault}", file=sys.stderr)
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


def expected_partial(path):
    done = subprocess.run(["ffmpeg", "-v", "quiet", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-copyts", "-enc_time_base", "-1", "-f", "framehash",
                           "-hash", "adler32", "-"], capture_output=True, text=True)
    return hashes(done.stdout)


def run_cases(everything):
    """Runs the cases and prints the sum; the exit status."""
    if not shutil.which("ffmpeg") or not shutil.which("ffprobe"):
        print("0 passed, 0 failed, 1 skipped")
        return 0
    names = sys.argv[2:]
    try:
        for function in everything:
            if not names or function.__name__ in names:
                case(function)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0
