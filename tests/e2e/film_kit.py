# SPDX-License-Identifier: MIT
"""What the tests of video jobs share: framemill upscale with clips, which the ffmpeg program makes; what is in a file, by ffprobe; small
networks; the runner of cases."""
import concurrent.futures
import fractions
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "train"))
sys.dont_write_bytecode = True
from onnx_file import attribute, block, number  # noqa: E402

DONE, FAILED, USAGE, BAD_INPUT = range(4)
CLIPS = os.path.join(os.environ.get("FM_SHARED") or os.path.abspath("../shared"), "data", "video")
framemill = os.path.abspath(sys.argv[1])


class Skip(Exception):
    pass


def run(*arguments, data=None, text=True, **more):
    """(exit code, output, errors) of framemill upscale"""
    done = subprocess.run([framemill, "upscale", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=240,
                          input=data or b"", **more)
    return done.returncode, done.stdout.decode() if text else done.stdout, done.stderr.decode(errors="replace")


def with_model(arguments):
    """Plain scaling unless a network is named."""
    return [*arguments, *(() if "-m" in arguments else ("-m", "lanczos"))]


def up(*arguments, **more):
    """It must go well. The report."""
    code, text, errors = run(*with_model(arguments), "--json", **more)
    assert code == DONE, (arguments, code, errors)
    return {**json.loads(text)["videos"][0], "errors": errors}


def refused(code, word, *arguments, **more):
    """It must end with that code, and with the word in what it says."""
    got, _, errors = run(*with_model(arguments), **more)
    assert got == code and word in errors, (arguments, got, errors)
    return errors


def ffmpeg(*arguments, data=None):
    done = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          input=data, timeout=120)
    assert done.returncode == 0, (arguments, done.stderr.decode())
    return done.stdout


def whitened(white):
    """A filter that makes frames white from that number on."""
    return "" if white is None else f",drawbox=t=fill:color=white:enable='gte(n,{white})'"


def clip(path, *options, size="64x48", rate=25, frames=12, sound=False, source="testsrc2", white=None):
    """A clip of the test picture; in the container's usual coding unless the options say otherwise."""
    audio = ("-f", "lavfi", "-i", f"sine=440:d={frames / rate}") if sound else ()
    ffmpeg("-f", "lavfi", "-i", f"{source}=s={size}:r={rate}{whitened(white)}", *audio, "-frames:v", frames, "-bitexact", *options, path)
    return path


def clips(folder, makes, size="64x48", frames=12):
    """Clips of the test picture, with these options each, made by one program: most of what one takes is its start."""
    outputs = [word for name, options in makes.items() for word in ("-map", "0", "-frames:v", frames, "-bitexact", *options, f"{folder}/{name}")]
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=s={size}:r=25", *outputs)


def probe(path, *what):
    done = subprocess.run(["ffprobe", "-v", "error", *what, "-of", "json", path], stdout=subprocess.PIPE, check=True, timeout=60)
    return json.loads(done.stdout)


def video_of(path):
    """ffprobe's description of the first video stream"""
    return probe(path, "-select_streams", "v:0", "-show_streams")["streams"][0]


def size_of(path):
    stream = video_of(path)
    return stream["width"], stream["height"]


def moving(path, *options, frames=12, background="testsrc=s=160x120:r=25", square="12x12", steps="20+5*n", white=None):
    """A white square that moves over a still picture."""
    ffmpeg("-f", "lavfi", "-i", background, "-f", "lavfi", "-i", f"color=white:s={square}:r=25", "-filter_complex",
           f"[0]trim=end_frame=1,loop={frames - 1}:1,setpts=N/25/TB[a];[a][1]overlay=x='{steps}':y=10{whitened(white)}", "-frames:v", frames, *options, "-c:v",
           "ffv1", path)
    return path


def times(path, stream="v:0", *more):
    """Seconds of every frame, exactly."""
    p = probe(path, "-select_streams", stream, "-show_entries", "stream=time_base:frame=best_effort_timestamp", *more)
    ticks = []
    for frame in p["frames"]:  # AVI leaves out the last ones
        ticks.append(frame["best_effort_timestamp"] if "best_effort_timestamp" in frame else 2 * ticks[-1] - ticks[-2])
    return [tick * fractions.Fraction(p["streams"][0]["time_base"]) for tick in ticks]


def same_times(before, after, tolerance=0):
    a, b = times(before), times(after)
    assert len(a) == len(b) > 0, (before, len(a), len(b))
    for i, (one, other) in enumerate(zip(a, b)):
        assert abs(one - other) <= tolerance, (before, i, one, other)


def hashes(path, pixels=None, *more):
    """A hash of every decoded frame's samples."""
    form = ("-pix_fmt", pixels) if pixels else ()
    text = ffmpeg("-i", path, "-map", "0:v:0", *more, "-fps_mode", "passthrough", *form, "-f", "framehash", "-hash", "md5", "-").decode()
    return [line.split(",")[-1].strip() for line in text.splitlines() if not line.startswith("#")]


def others(path, with_times=True):
    """Every packet of every stream but video and attachments, as it is stored."""
    if all(s["codec_type"] in ("video", "attachment") for s in probe(path, "-show_streams").get("streams", [])):
        return []
    text = ffmpeg("-copyts", "-i", path, "-map", "0", "-map", "-0:v", "-map", "-0:t?", "-c", "copy", "-f", "framehash", "-hash", "md5", "-")
    lines = [line.replace(" ", "").split(",") for line in text.decode().splitlines() if not line.startswith("#")]
    return sorted(line if with_times else [line[0], line[4], line[5]] for line in lines)


def nothing_but(folder, *names):
    assert sorted(os.listdir(folder)) == sorted(names), (sorted(os.listdir(folder)), names)


def wait_for(what, seconds, *arguments):
    """Until what() is true."""
    until = time.monotonic() + seconds
    while not (result := what(*arguments)):
        assert time.monotonic() < until, f"{getattr(what, '__name__', what)} is not true after {seconds} s"
        time.sleep(0.02)
    return result


def wait_for_frames(job, n):
    """Until a job, which tells its progress as JSON, has made so many."""
    for line in job.stderr:
        event = json.loads(line)
        if event["event"] == "progress" and event["finished"] >= n:
            return event["finished"]
    raise AssertionError("the job ended before")


# Networks: as much of ONNX as a chain of convolutions needs.


def node(op, inputs, output, **attributes):
    names = b"".join(block(1, name) for name in inputs)
    return block(1, names + block(2, output) + block(4, op) + b"".join(block(5, attribute(*item)) for item in attributes.items()))


def weights(name, dims, values):
    return block(5, b"".join(number(1, d) for d in dims) + number(2, 1) + block(8, name) + block(9, struct.pack(f"<{len(values)}f", *values)))


def port(field, name, channels):
    dims = b"".join(block(1, number(1, d) if isinstance(d, int) else block(2, d)) for d in (1, channels, "h", "w"))
    return block(field, block(1, name) + block(2, block(1, number(1, 1) + block(2, dims))))


def write_network(path, nodes, channels):
    """Nodes from "in" to "out"; any size of picture."""
    graph = b"".join(nodes) + block(2, "test") + port(11, "in", channels) + port(12, "out", channels)
    with open(path, "wb") as file:
        file.write(number(1, 8) + block(7, graph) + block(8, block(1, "") + number(2, 13)))
    return path


def each(channels, matrix, copies=1):
    """Weights of a convolution that filters every channel alike, and gives each `copies` times."""
    nothing = [0.0] * len(matrix)
    return [v for c in range(channels) for _ in range(copies) for other in range(channels) for v in (matrix if other == c else nothing)]


def identity(path, channels=1):
    return write_network(path, [weights("w", (channels, channels, 1, 1), each(channels, [1.0])), node("Conv", ["in", "w"], "out")], channels)


def soft(path, channels=1, layers=3):
    """Twice the size; every pixel depends on some around it."""
    blur = [0.05, 0.1, 0.05, 0.1, 0.4, 0.1, 0.05, 0.1, 0.05]
    nodes = [weights("w", (channels, channels, 3, 3), each(channels, blur)),
             weights("k", (channels * 4, channels, 1, 1), each(channels, [1.0], 4))]
    names = ["in"] + [f"soft{i}" for i in range(layers)]
    nodes += [node("Conv", [names[i], "w"], names[i + 1], pads=[1, 1, 1, 1]) for i in range(layers)]
    nodes += [node("Conv", [names[-1], "k"], "many"), node("DepthToSpace", ["many"], "out", blocksize=2, mode="CRD")]
    return write_network(path, nodes, channels)


def not_a_number(path):
    """The picture as it is, but no number where it falls from white to black within a pixel."""
    return write_network(path, [
        weights("one", (1, 1, 1, 1), [1.0]), weights("step", (1, 1, 1, 3), [0.0, -1.0, 1.0]),
        weights("most", (1,), [0.7]), weights("tiny", (1,), [1e-30]),
        node("Conv", ["in", "one"], "same"), node("Conv", ["in", "step"], "steps", pads=[0, 1, 0, 1]), node("Add", ["steps", "most"], "above"),
        node("Sqrt", ["above"], "root"), node("Mul", ["root", "tiny"], "little"), node("Add", ["same", "little"], "out")], 1)


def attempt(case):
    """("passed", how long) and the like, and what there is to say; every case has an empty folder of its own."""
    begun, outcome = time.monotonic(), "passed"
    with tempfile.TemporaryDirectory() as folder:
        try:
            case(folder)
        except Skip as why:
            outcome = "skipped"
            print(f"SKIPPED {case.__name__}: {why}", file=sys.stderr)
        except Exception as fault:  # a case that stumbles has failed, whatever it stumbled over
            lines = [where.lineno for where in traceback.extract_tb(fault.__traceback__)[1:]]
            outcome = "failed"
            print(f"FAILED {case.__name__}, lines {lines}: {fault!r}", file=sys.stderr)
    if "--times" in sys.argv:
        print(f"{case.__name__}: {time.monotonic() - begun:.1f} s", file=sys.stderr)
    return outcome


def main(cases, at_once=2):
    """Runs every case, or those named, some at a time."""
    wanted = [name for name in sys.argv[2:] if not name.startswith("--")]
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        outcomes = list(pool.map(attempt, [case for case in cases if not wanted or case.__name__ in wanted]))
    print(", ".join(f"{outcomes.count(kind)} {kind}" for kind in ("passed", "failed", "skipped")))
    sys.exit(1 if "failed" in outcomes or not outcomes else 0)
