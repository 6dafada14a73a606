#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""framemill upscale with video, by its workers: named, measured, left out; as processes that are killed, hang, refuse or die of a frame; and
progress while a frame takes long. Usage: test_video_workers.py FRAMEMILL PLUGIN_MOODY [CASE...] [--times], from the project's root."""
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
moody = os.path.abspath(sys.argv.pop(2))
from film_kit import (DONE, FAILED, USAGE, clip, ffmpeg, framemill, hashes, main, moving, nothing_but, refused, run, soft, times, up,  # noqa: E402
                      wait_for, wait_for_frames, with_model)

LOSSLESS = ("-c", "ffv1")


def plugin(options):
    return "--plugin", f"{moody}:{options}"


def begin(*arguments):
    return subprocess.Popen([framemill, "upscale", *map(str, with_model(arguments)), "--json", "--progress", "json"], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(job):
    """Its exit code, report, and what it said."""
    text, errors = job.communicate(timeout=60)
    return job.returncode, json.loads(text)["videos"][0], errors


def children(pid):
    """Its worker processes, by number."""
    found = {}
    for name in os.listdir("/proc"):
        try:
            parent = int(open(f"/proc/{name}/stat").read().rpartition(")")[2].split()[1]) if name.isdigit() else 0
            words = open(f"/proc/{name}/cmdline").read().split("\0") if parent == pid else []
        except (OSError, IndexError):
            continue  # it has ended
        if len(words) > 3 and words[1] == "worker":
            found[int(words[3])] = int(name)
    return found


def is_alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def held(folder):
    """A file that plug-ins may hold white pictures for."""
    path = f"{folder}/hold"
    open(path, "w").close()
    return path


def the_same_whoever_computes(folder):
    network = soft(f"{folder}/soft.onnx")
    source = moving(f"{folder}/in.mkv", background="testsrc=s=96x64:r=25")
    want = up(source, f"{folder}/want.mkv", "-m", network, "--hash", "-j", "1", *LOSSLESS)
    assert [(w["name"], w["kind"], w["frames"]) for w in want["workers"]] == [("cpu:1", "thread", 12)] and not want["measured"]
    for options, names in ((("--workers", "cpu:1"), ["cpu:1"]), (("--workers", "cpu:1,cpu:2,cpu:1"), ["cpu:1", "cpu:2", "cpu:1 #2"]),
                           (("--workers", "cpu", "-j", "2"), ["cpu:2"]), (("--isolate", "-j", "2"), ["cpu:1", "cpu:1 #2"]),
                           (("--isolate", "--workers", "cpu:2,cpu:1"), ["cpu:2", "cpu:1"]), (("--isolate", "--no-reuse", "-t", "32"), None),
                           (("--isolate", "-j", "1:3:1"), ["cpu:1", "cpu:1 #2", "cpu:1 #3"])):
        got = up(source, f"{folder}/got.mkv", "-m", network, "--hash", "--overwrite", *options, *LOSSLESS)
        assert got["hash"] == want["hash"] and hashes(f"{folder}/got.mkv") == hashes(f"{folder}/want.mkv"), (options, got)
        assert names is None or [w["name"] for w in got["workers"]] == names, (options, got["workers"])
        assert sum(w["frames"] for w in got["workers"]) == 12 and got["restarts"] == got["redone"] == 0, (options, got)
        assert {w["kind"] for w in got["workers"]} == {"process" if "--isolate" in options else "thread"}


def processes_do_what_threads_do(folder):
    """Cropping, colours, depths, comparisons, plug-ins, pipes, reuse of parts: bit by bit the same."""
    network, colour = soft(f"{folder}/soft.onnx"), soft(f"{folder}/colour.onnx", 3)
    square = moving(f"{folder}/square.mkv")
    deep = clip(f"{folder}/deep.mkv", "-pix_fmt", "yuv422p10le", "-c:v", "ffv1", frames=4)
    rgb = clip(f"{folder}/rgb.mkv", "-pix_fmt", "gbrap", "-c:v", "ffv1", frames=4)
    for source, *options in ((square, "-m", network, "--crop", "101x71+32+20"), (square, "-m", network, "--compare", "split"),
                             (square, "-m", colour, "--compare", "side"), (square, "-m", network, "-s", "1.5"), (deep, "-m", network, "-x"),
                             (rgb, "-m", colour), (deep, *plugin("wait=0"), "-m", colour), (square,)):
        a, b = (up(source, "--benchmark", "--hash", *options, *way) for way in ((), ("--isolate",)))
        assert a["hash"] == b["hash"] and a["frames"] == b["frames"] and a["tiles"] == b["tiles"] and a["reused"] == b["reused"], (options, a, b)
        assert {w["kind"] for w in b["workers"]} == {"process"} and b["cpu_seconds"] > 0
    code, data, errors = run("-", "-", "-m", network, "--isolate", text=False,
                             data=ffmpeg("-i", square, "-pix_fmt", "yuv420p", "-strict", "-1", "-f", "yuv4mpegpipe", "-"))
    assert code == DONE and data.startswith(b"YUV4MPEG2 W320 H240"), errors
    assert data.count(b"FRAME\n") == 12


def measured_and_weighed(folder):
    """Processes that sleep take nothing from each other: 100 and 250 ms a frame are 14 frames a second at best."""
    source = clip(f"{folder}/in.mkv", "-c:v", "ffv1", frames=60)
    report = up(source, "--benchmark", "--isolate", "--workers", "cpu:1,cpu:1", "--no-reuse", *plugin(f"wait=100,250:meet=2,{folder}/met"))
    fast, slow = report["workers"]
    assert report["measured"] and not fast["left_out"] and not slow["left_out"], report
    assert abs(fast["share"] + slow["share"] - 1) < 0.001 and fast["share"] > slow["share"] > 0.1, (fast, slow)
    assert fast["frames"] > slow["frames"] and fast["frames"] + slow["frames"] == 60 and fast["mean_ms"] < slow["mean_ms"]
    assert 1.02 * report["fps_alone"] < report["fps_together"] == report["fps_chosen"] < 14 and report["fps_alone"] < 10, report
    assert "workers measured: the best alone" in report["errors"] and "worker cpu:1 #2: " in report["errors"], report["errors"]


def the_slow_one_is_left_out(folder):
    source = clip(f"{folder}/in.mkv", "-c:v", "ffv1", frames=40)
    report = up(source, "--benchmark", "--isolate", "--workers", "cpu:1,cpu:1", "--no-reuse", *plugin(f"wait=5,3000:meet=2,{folder}/met"))
    fast, slow = report["workers"]
    assert report["measured"] and slow["left_out"] and slow["share"] == 0 and not fast["left_out"] and fast["share"] == 1, report
    assert "ms each: too slow" in slow["reason"] and slow["frames"] < fast["frames"], (fast, slow)
    said = re.search(r"worker cpu:1 #2 is left out: (\d+)[.\d]* ms each: ", report["errors"])
    assert said and int(said[1]) >= 3000, report["errors"]
    few = up(source, "--benchmark", "--isolate", "--workers", "cpu:1,cpu:1", "--duration", "0.1")
    assert few["frames"] < 5 and not few["measured"] and "too few frames to measure" in few["errors"], few


def killed_in_mid_frame(folder):
    """Whoever is killed whenever, the last one surely at a frame: every frame is there, and is what it must be. (Three deaths a frame survives.)"""
    network, dice, hold = soft(f"{folder}/soft.onnx"), random.Random(int.from_bytes(os.urandom(4), "little")), f"{folder}/hold"
    source = moving(f"{folder}/in.mkv", frames=60, white=50)
    job = (source, f"{folder}/out.mkv", "-m", network, "--hash", "--no-reuse", *LOSSLESS, *plugin(f"wait=25:hold={hold}"))
    want = up(source, f"{folder}/want.mkv", *job[2:])
    for _ in range(2):
        held(folder)
        working = begin(*job, "--overwrite", "--isolate", "-j", "2")
        wait_for_frames(working, 3)
        for _ in range(2):
            time.sleep(0.15 * dice.random())
            os.kill(dice.choice(wait_for(lambda: list(children(working.pid).values()), 60)), signal.SIGKILL)
        holding = wait_for(lambda: {int(pid) for pid in open(hold)} & set(children(working.pid).values()), 60)
        os.kill(holding.pop(), signal.SIGKILL)
        os.remove(hold)
        code, report, errors = end(working)
        assert code == DONE and report["hash"] == want["hash"] and report["frames"] == 60, (code, report, errors)
        assert hashes(f"{folder}/out.mkv") == hashes(f"{folder}/want.mkv") and times(f"{folder}/out.mkv") == times(f"{folder}/want.mkv")
        assert 1 <= report["restarts"] <= 3 and 1 <= report["redone"] <= 3, report
        assert any("killed by signal 9" in w["reason"] for w in report["workers"]) and "was started again" in errors, (report, errors)
        assert sum(w["frames"] for w in report["workers"]) == 60, report["workers"]


def all_hang(folder):
    """Wherever they are stopped, at a frame or between two."""
    network, hold = soft(f"{folder}/soft.onnx"), held(folder)
    source = moving(f"{folder}/in.mkv", frames=60, white=50)
    working = begin(source, "--benchmark", "-m", network, "--hash", "--isolate", "-j", "2", "--no-reuse", *plugin(f"wait=40:hold={hold}"))
    wait_for_frames(working, 18)
    for pid in children(working.pid).values():
        os.kill(pid, signal.SIGSTOP)
    os.remove(hold)
    code, report, errors = end(working)
    assert code == DONE and report["frames"] == 60, (code, report, errors)
    assert 1 <= report["restarts"] and any("hung at slot" in w["reason"] for w in report["workers"]), report
    assert report["hash"] == up(source, "--benchmark", "-m", network, "--hash", *plugin("wait=0"))["hash"]


def who_cannot_begin(folder):
    source = clip(f"{folder}/in.mkv", "-c:v", "ffv1", frames=20)
    report = up(source, f"{folder}/out.mkv", "--isolate", "-j", "2", *plugin("refuse=1"), *LOSSLESS)
    good, bad = report["workers"]
    assert report["frames"] == good["frames"] == 20 and bad["left_out"] and "not in the mood" in bad["reason"], report
    assert "worker cpu:1 #2 is left out: it cannot start: " in report["errors"], report["errors"]
    os.remove(f"{folder}/out.mkv")
    errors = refused(FAILED, "no worker is left", source, f"{folder}/out.mkv", "--isolate", "-j", "2", *plugin("refuse=-1"), *LOSSLESS)
    assert "not in the mood" in errors
    nothing_but(folder, "in.mkv")


def a_frame_that_kills(folder):
    """What is before it is kept."""
    source = f"{folder}/in.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25", "-frames:v", "20", "-vf", "drawbox=t=fill:color=white:enable='eq(n,12)'", "-c:v", "ffv1",
           "-pix_fmt", "bgr0", source)
    errors = refused(FAILED, "frame 12: every process that worked on it died", source, f"{folder}/out.mkv", "--isolate", "-j", "2",
                     *plugin("die=white"), *LOSSLESS)
    assert "out.partial.mkv" in errors and len(times(f"{folder}/out.partial.mkv")) == 12
    assert up(source, f"{folder}/out.mkv", "--overwrite", *plugin("die=white"), *LOSSLESS)["frames"] == 20  # threads: it does not die of it there


def cancelled_and_gone_on_with(folder):
    """Rates so low that there are points to go on from; --isolate is no other job."""
    source, hold = clip(f"{folder}/in.mkv", "-c:v", "ffv1", rate=5, frames=80, white=60), f"{folder}/hold"
    job = (source, f"{folder}/out.mkv", "--hash", "--no-reuse", *LOSSLESS, *plugin(f"wait=20:hold={hold}"))
    want = up(source, f"{folder}/want.mkv", *job[2:])
    held(folder)
    working = begin(*job, "--isolate", "-j", "2")
    made = wait_for_frames(working, 35)
    processes = children(working.pid).values()
    assert len(processes) == 2
    working.send_signal(signal.SIGINT)
    os.remove(hold)
    code, report, errors = end(working)
    assert code == FAILED and report["outcome"] == "cancelled" and report["frames"] >= made, (code, report, errors)
    assert not any(map(is_alive, processes))
    report = up(*job, "--resume")
    assert report["resumed"] >= 25 and report["frames"] == 80 and report["hash"] == want["hash"], report
    os.remove(f"{folder}/out.mkv")
    held(folder)
    working = begin(*job, "--isolate", "-j", "2")  # the job itself is killed: its processes go, too
    wait_for_frames(working, 10)
    processes = list(children(working.pid).values())
    working.kill()
    working.communicate(timeout=60)
    wait_for(lambda: not any(map(is_alive, processes)), 60)
    os.remove(hold)
    assert up(*job, "--resume")["hash"] == want["hash"]


def progress_moves(folder):
    """A frame takes long, the first one or the second, and still there is something to see."""
    for first in 0, 1:
        source = clip(f"{folder}/in{first}.mkv", "-c:v", "ffv1", frames=2, white=first)
        for way in ("-j", "1"), ("--isolate", "-j", "1"):
            hold, seen = held(folder), []
            working = begin(source, "--benchmark", "--no-reuse", *plugin(f"hold={hold}"), *way)
            late = threading.Timer(60, working.kill)
            late.start()
            for event in map(json.loads, working.stderr):
                if event["event"] == "progress" and event["finished"] == first:  # no frame is finished between these
                    seen.append(event["elapsed_s"])
                    if len(seen) == 4:
                        os.remove(hold)
            late.cancel()
            code, report, _ = end(working)
            assert code == DONE and report["frames"] == 2 and len(seen) >= 4 and seen == sorted(set(seen)), (code, report, seen)


def wrong_lists_are_refused(folder):
    source = clip(f"{folder}/in.mkv", "-c:v", "ffv1", frames=2)
    for text, word in (("vulkan:0", 'there is no device "vulkan" here; there are: cpu'), ("cpu:1,gpu", 'no device "gpu"'), ("cpu:0", "1 to 1024"),
                       ("cpu:x", "1 to 1024"), ("cpu:", "1 to 1024"), ("cpu:-1", "1 to 1024"), ("cpu:1,", 'no device ""'), ("", 'no device ""'),
                       ("cpu:1 ,cpu:1", "1 to 1024"), (",".join(["cpu:1"] * 65), "more than 64")):
        errors = refused(USAGE, word, source, f"{folder}/out.mkv", "--workers", text)
        assert len(errors.splitlines()) == 1, errors
    refused(USAGE, "not both", source, f"{folder}/out.mkv", "--workers", "cpu:1", "-j", "1:2:1")
    refused(FAILED, "--memory", source, f"{folder}/out.mkv", "--workers", ",".join(["cpu:1"] * 64), "--memory", "4M")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=16x16", "-frames:v", "1", f"{folder}/in.png")
    for option in ("--workers", "cpu:1"), ("--isolate",):
        refused(USAGE, "are for videos", f"{folder}/in.png", f"{folder}/out.png", *option)
    nothing_but(folder, "in.mkv", "in.png")
    for words in (["worker"], ["worker", "x", "0"], ["worker", "3", "0", "1"], ["worker", "3", "0"]):
        done = subprocess.run([framemill, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        assert done.returncode in (USAGE, FAILED) and done.stdout == b"", (words, done)


if __name__ == "__main__":
    main([killed_in_mid_frame, all_hang, progress_moves, the_slow_one_is_left_out, measured_and_weighed, cancelled_and_gone_on_with,
          the_same_whoever_computes, processes_do_what_threads_do, who_cannot_begin, a_frame_that_kills, wrong_lists_are_refused])
