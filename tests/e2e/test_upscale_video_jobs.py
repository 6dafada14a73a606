#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""framemill upscale with video, as a job: cut off and gone on with, out of disk, refused, measured; computed in whatever way, the frames are the
same. Usage: test_upscale_video_jobs.py FRAMEMILL PLUGIN_MOODY [CASE...] [--times], from the project's root."""
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
moody = os.path.abspath(sys.argv.pop(2))
from film_kit import (BAD_INPUT, CLIPS, DONE, FAILED, USAGE, clip, ffmpeg, framemill, hashes, main, moving, not_a_number, nothing_but,  # noqa: E402
                      others, refused, run, same_times, size_of, soft, times, up, wait_for, wait_for_frames, with_model)

LOSSLESS = ("-c", "ffv1")


def the_same_however_computed(folder):
    """Threads, tiles, memory and reuse change nothing; a lossless file is the same byte for byte."""
    network = soft(f"{folder}/soft.onnx", layers=4)
    source = moving(f"{folder}/in.mkv")
    want = up(source, f"{folder}/want.mkv", "-m", network, "--hash", "--no-reuse", "-j", "1", *LOSSLESS)
    assert len(want["hash"]) == 64 and want["reused"] == want["tiles"] == 0
    data = open(f"{folder}/want.mkv", "rb").read()
    frames = hashes(f"{folder}/want.mkv")
    for options in ((), ("-j", "1"), ("-j", "2"), ("-j", "3"), ("-j", "1:2:1"), ("-t", "16"), ("-t", "40", "--no-reuse"), ("--memory", "80M"),
                    ("--memory", "24M"), ("--no-reuse", "-j", "2")):
        got = up(source, f"{folder}/got.mkv", "-m", network, "--hash", "--overwrite", *options, *LOSSLESS)
        assert got["hash"] == want["hash"] and hashes(f"{folder}/got.mkv") == frames, (options, got)
        assert (got["reused"] > 0) == ("--no-reuse" not in options), (options, got["tiles"], got["reused"])
    codes = [up(source, f"{folder}/{name}.mkv", "-m", network, *LOSSLESS, "-e", "threads=1", "--output-option", "fflags=+bitexact", *more) and
             open(f"{folder}/{name}.mkv", "rb").read() for name, more in (("a", ()), ("b", ("--no-reuse",)))]
    assert codes[0] == codes[1] and len(data) > 1000


def reuse_saves_work(folder):
    network = soft(f"{folder}/soft.onnx", layers=4)
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=192x128:r=10,noise=alls=40:allf=t", "-vf", "fps=20", "-frames:v", "24", "-c:v", "ffv1",
           f"{folder}/twice.mkv")
    report = up(f"{folder}/twice.mkv", f"{folder}/out.mkv", "-m", network, "--hash", *LOSSLESS)
    assert report["frames"] == 24 and 0.45 * report["tiles"] <= report["reused"] <= 0.55 * report["tiles"], (report["reused"], report["tiles"])
    full = up(f"{folder}/twice.mkv", f"{folder}/full.mkv", "-m", network, "--hash", "--no-reuse", *LOSSLESS)
    assert full["hash"] == report["hash"] and hashes(f"{folder}/out.mkv") == hashes(f"{folder}/full.mkv")
    moving(f"{folder}/square.mkv", frames=16, background="testsrc=s=192x128:r=25,noise=alls=40")
    report = up(f"{folder}/square.mkv", f"{folder}/out.mkv", "-m", network, "--hash", "--overwrite", *LOSSLESS)
    assert report["frames"] == 16 and report["reused"] > 0.5 * report["tiles"], (report["reused"], report["tiles"])
    for more in (("--compare", "split"), ("--compare", "side"), ("-s", "4"), ("-s", "3"), ("-x",), ("--crop", "140x80+32+40")):
        a, b = (up(f"{folder}/square.mkv", "--benchmark", "-m", network, "--hash", *more, *way) for way in ((), ("--no-reuse",)))
        assert a["hash"] == b["hash"] and a["reused"] > 0, (more, a, b)
    colour = soft(f"{folder}/colour.onnx", 3)
    for source in ("square", "twice"):
        a, b = (up(f"{folder}/{source}.mkv", "--benchmark", "-m", colour, "--hash", *way) for way in ((), ("--no-reuse",)))
        assert a["hash"] == b["hash"] and a["reused"] > 0, (source, a, b)
    for size in ("31x31", "33x40", "48x48", "70x20"):  # fewer tiles than a network reaches over
        moving(f"{folder}/small.mkv", "-pix_fmt", "gray", frames=6, background=f"testsrc2=s=96x96,format=gray,crop={size.replace('x', ':')}",
               square="3x3", steps="n")
        a, b = (up(f"{folder}/small.mkv", "--benchmark", "-m", network, "--hash", *way) for way in ((), ("--no-reuse",)))
        assert a["hash"] == b["hash"], (size, a, b)


def reuse_of_film(folder):
    """Networks that ship, on film (where it is there) and on a square that moves over noise that stays, in 8 and 10 bits."""
    sources = [moving(f"{folder}/square.mkv", frames=8, background="testsrc=s=256x160:r=25,noise=alls=40"),
               moving(f"{folder}/deep.mkv", "-pix_fmt", "yuv420p10le", frames=8, background="testsrc=s=130x101:r=25,noise=alls=40", steps="2+n")]
    film = os.path.join(CLIPS, "bbb_800x640_30fps_h264high_bpyramid_4s.mp4")
    if os.path.exists(film):
        sources.append(f"{folder}/film.mkv")
        ffmpeg("-ss", "1", "-i", film, "-frames:v", "8", "-vf", "crop=400:301:300:200", "-an", "-c:v", "ffv1", sources[-1])
    for source in sources:
        for network in ("rt9", "rt14"):
            full = up(source, f"{folder}/full.mkv", "-m", f"models/{network}.onnx", "--hash", "--overwrite", "--no-reuse", *LOSSLESS)
            for more in ((), ("-j", "1:2:1"), ("--isolate", "-j", "1:2:1")):
                part = up(source, f"{folder}/part.mkv", "-m", f"models/{network}.onnx", "--hash", "--overwrite", *more, *LOSSLESS)
                assert part["hash"] == full["hash"] and hashes(f"{folder}/part.mkv") == hashes(f"{folder}/full.mkv"), (source, network, more)
                assert part["reused"] > 0.1 * part["tiles"], (source, network, part["reused"], part["tiles"])
    a, b = (up(sources[0], "--benchmark", "-m", "models/rt9.onnx", "--hash", "--compare", "split", *way) for way in ((), ("--no-reuse",)))
    assert a["hash"] == b["hash"] and a["reused"] > 0, (a, b)


def begin(*arguments):
    return subprocess.Popen([framemill, "upscale", *map(str, with_model(arguments))], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE)


def end(job, number):
    """Sends the signal, unless the job is over; its exit code and what it said."""
    job.send_signal(number)
    errors = job.communicate(timeout=60)[1].decode()
    return job.returncode, errors


def long_clip(path, *options, frames=150, white=None):
    """Rates so low that every 25 frames there is a point to go on from."""
    return clip(path, "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-c:a", "aac", *options, size="160x90", rate=5, frames=frames,
                sound=True, white=white)


HELD = 135  # of 150 frames of a clip, which is white from there on


def hold(folder):
    """No job that is to be cut off comes to its end before."""
    open(f"{folder}/hold", "w").close()


def let_go(folder):
    os.remove(f"{folder}/hold")


def held(folder):
    return "--plugin", f"{moody}:hold={folder}/hold"


def killed_and_gone_on_with(folder):
    source, out = long_clip(f"{folder}/in.mkv", white=HELD), f"{folder}/out.mkv"
    job = (source, out, "--hash", *LOSSLESS, "-s", "3", *held(folder))
    want = up(source, f"{folder}/want.mkv", *job[2:])
    journal, dice = f"{out}.journal", random.Random(int.from_bytes(os.urandom(4), "little"))
    for _ in range(2):
        hold(folder)
        for turn in range(5):
            working = begin(*job, "--resume")
            # Of the journal; what it has before is cut back to the last point to go on from. Four times anywhere in the first part of it,
            # the last time behind several such points and before the end, so that there is something to go on with.
            least = want["out_bytes"] * (dice.uniform(0.5, 0.7) if turn == 4 else 0.6 * dice.random())
            wait_for(lambda: working.poll() is not None or (os.path.exists(journal) and os.path.getsize(journal) >= least), 60)
            code, errors = end(working, signal.SIGKILL)
            assert code == -signal.SIGKILL, (code, errors)
            nothing_but(folder, *(name for name in os.listdir(folder) if name in ("hold", "in.mkv", "want.mkv", "out.mkv.journal")
                                  or name.startswith(".out")))
        let_go(folder)
        report = up(*job, "--resume")
        assert report["hash"] == want["hash"] and report["frames"] == want["frames"] == 150 and report["resumed"] > 0, report
        assert hashes(out) == hashes(f"{folder}/want.mkv") and others(out) == others(f"{folder}/want.mkv")
        same_times(f"{folder}/want.mkv", out)
        assert not os.path.exists(out + ".journal")
        os.remove(out)


def cancelled_and_gone_on_with(folder):
    for name, source_options, encoder in (("b.mp4", (), ("-e", "crf=0", "-e", "preset=superfast")),
                                          ("v.mp4", ("-vf", "setpts='PTS+0.7*random(1)/5/TB'", "-fps_mode", "passthrough"),
                                           ("-e", "bf=3", "-e", "preset=veryfast")), ("f.mkv", (), LOSSLESS)):
        source, out = long_clip(f"{folder}/in_{name}", *source_options, white=HELD), f"{folder}/{name}"
        stem, kind = os.path.splitext(out)
        job = (source, out, "--hash", *encoder, *held(folder), "-s", "3")
        want = up(source, f"{folder}/want_{name}", *job[2:])
        hold(folder)
        working = begin(*job, "--progress", "json")
        wait_for_frames(working, random.randint(20, 100))
        working.send_signal(signal.SIGINT)
        let_go(folder)
        code, errors = working.wait(60), working.stderr.read().decode()
        assert code == FAILED and "cancelled" in errors and f"{stem}.partial{kind}" in errors and "--resume" in errors, (code, errors)
        partial = times(f"{stem}.partial{kind}")
        assert 0 < len(partial) < 150 and partial == times(source)[:len(partial)], (len(partial), partial[:5])
        sound, every = others(f"{stem}.partial{kind}", False), others(source, False)
        assert sound and all(line in every for line in sound)
        assert not os.path.exists(out) and os.path.exists(out + ".journal")
        refused(FAILED, "--resume", *job)
        refused(USAGE, "another job", *job[:-1], "2", "--resume")
        refused(USAGE, "another job", *job, "--resume", "-e", "threads=1")
        assert os.path.exists(out + ".journal")
        report = up(*job, "--resume")
        assert report["hash"] == want["hash"] and report["frames"] == 150 and report["resumed"] in range(0, 150), report
        if name != "v.mp4":
            assert hashes(out) == hashes(f"{folder}/want_{name}")
        same_times(source, out)
        assert others(source) == others(out)
        left = set(os.listdir(folder))
        assert not [n for n in left if "journal" in n or "partial" in n or "tmp" in n], left


def cut_off_at_once(folder):
    """Before the first point to go on from there is nothing to go on with, and that is fine."""
    source, out = long_clip(f"{folder}/in.mkv", frames=60), f"{folder}/out.mkv"
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        working = begin(source, out, *LOSSLESS, "-s", "4")
        time.sleep(0.25)
        end(working, number)
        report = up(source, out, *LOSSLESS, "--resume", "-s", "4") if os.path.exists(out + ".journal") else None
        if report:
            assert report["frames"] == 60 and not os.path.exists(out + ".journal"), report
            same_times(source, out)
        for name in os.listdir(folder):
            if name != "in.mkv":
                os.remove(f"{folder}/{name}")


def changed_in_between(folder):
    source, out = long_clip(f"{folder}/in.mkv", white=HELD), f"{folder}/out.mkv"
    network = soft(f"{folder}/net.onnx")
    job = (source, out, "-m", network, *LOSSLESS, "-s", "3", *held(folder))
    hold(folder)
    working = begin(*job)
    wait_for(lambda: working.poll() is not None or (os.path.exists(out + ".journal") and os.path.getsize(out + ".journal") >= 100000), 60)
    code, errors = end(working, signal.SIGKILL)
    assert code == -signal.SIGKILL, errors
    let_go(folder)
    os.utime(source, (1, 1))
    refused(USAGE, "another job", *job, "--resume")
    refused(FAILED, "is left from a job", *job)
    left = [f"{folder}/.out.mkv.{working.pid}-0.tmp", f"{folder}/.out.mkv.{os.getpid()}-0.tmp", f"{folder}/.out.mkv.tmp"]
    for name in left:
        open(name, "w").close()
    code, _, errors = run(*job, "--overwrite")
    assert code == DONE and not os.path.exists(out + ".journal"), errors
    assert [os.path.exists(name) for name in left] == [False, True, True], "of a process that is gone"
    same_times(source, out)


def names_are_given_to_whole_files(folder):
    source = clip(f"{folder}/in.mp4", frames=10)
    open(f"{folder}/out.mp4", "w").write("precious")
    refused(FAILED, "--overwrite", source, f"{folder}/out.mp4")
    assert open(f"{folder}/out.mp4").read() == "precious"
    refused(FAILED, "own input", source, source, "--overwrite")
    os.symlink("in.mp4", f"{folder}/link.mp4")
    refused(FAILED, "own input", source, f"{folder}/link.mp4", "--overwrite")
    os.mkdir(f"{folder}/film.mp4")
    up(source, f"{folder}/film.mp4")  # a folder: the result is in it
    assert size_of(f"{folder}/film.mp4/in.mp4") == (128, 96)
    refused(FAILED, "no/such", source, f"{folder}/no/such/out.mp4")
    up(source, f"{folder}/out.mp4", "--overwrite")
    assert size_of(f"{folder}/out.mp4") == (128, 96)
    code, _, errors = run(source, f"{folder}/out.mp4", "--skip-existing", "-m", "lanczos")
    assert code == DONE and "there already" in errors, errors
    nothing_but(folder, "in.mp4", "out.mp4", "link.mp4", "film.mp4")


def several_films(folder):
    a, b = clip(f"{folder}/a.mp4", frames=3), clip(f"{folder}/b.mkv", frames=3)
    open(f"{folder}/c.mp4", "w").write("no video")
    code, text, errors = run(a, b, f"{folder}/c.mp4", f"{folder}/out", "-m", "lanczos", "--json")
    videos = json.loads(text)["videos"]
    assert code == BAD_INPUT and [v["outcome"] for v in videos] == ["done", "done", "failed"], (code, text, errors)
    assert sorted(os.listdir(f"{folder}/out")) == ["a.mp4", "b.mkv"]
    code, text, errors = run(a, "--suffix", "_x2", "-m", "lanczos")
    assert code == DONE and size_of(f"{folder}/a_x2.mp4") == (128, 96), errors
    os.mkdir(f"{folder}/deep")
    clip(f"{folder}/deep/a.mp4", frames=3)
    refused(FAILED, "another input", a, f"{folder}/deep/a.mp4", f"{folder}/out2")


def out_of_disk(folder):
    source, out = long_clip(f"{folder}/in.mkv"), f"{folder}/out.mkv"
    limit = 1 << 20
    errors = refused(FAILED, "out.mkv", source, out, *LOSSLESS, "-s", "3",
                     preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert ("too large" in errors or "space" in errors) and not os.path.exists(out), errors
    partial = f"{folder}/out.partial.mkv"
    assert partial in errors and 0 < len(times(partial)) < 150 and os.path.getsize(partial) <= limit, errors
    report = up(source, out, *LOSSLESS, "-s", "3", "--resume")
    assert report["frames"] == 150
    same_times(source, out)
    nothing_but(folder, "in.mkv", "out.mkv")


def refusals(folder):
    """Named, before anything is done, and nothing is left behind."""
    source, out = clip(f"{folder}/in.mp4", frames=5), f"{folder}/out.mp4"
    refused(USAGE, "libfoo", source, out, "-c", "libfoo")
    refused(USAGE, "aac", source, out, "-c", "aac")
    refused(USAGE, "foo", source, out, "-e", "foo=1")
    refused(USAGE, "crf", source, out, "-e", "crf=much")
    refused(USAGE, "KEY=VALUE", source, out, "-e", "crf")
    refused(FAILED, "out.xyz", source, f"{folder}/out.xyz")
    refused(FAILED, "foo", source, out, "--format", "foo")
    refused(FAILED, "MP4", source, out, "-c", "ffv1")
    refused(USAGE, "foo", source, out, "--output-option", "foo=1")
    refused(USAGE, "foo", source, out, "--input-option", "foo=1")
    refused(BAD_INPUT, "nobody", source, out, "-m", "nobody", "--strict")
    refused(USAGE, "where to", source)
    for options in (("--start", "-1"), ("--duration", "x"), ("--rate", "0"), ("--compare=both",), ("-W", "0"), ("-H", "100000")):
        code, text, errors = run(source, out, *options)
        assert code == USAGE and errors and not text, (options, code, errors)
    nothing_but(folder, "in.mp4")


def no_numbers(folder):
    """A network that gives no numbers is an error that names the frame, never a wrong picture."""
    ffmpeg("-f", "lavfi", "-i",
           "color=gray:s=64x48:r=25," + ",".join(f"drawbox=x={x}:w=32:h=48:c={c}:t=fill:enable='gte(n,7)'" for x, c in ((0, "white"), (32, "black"))),
           "-frames:v", "20", "-c:v", "ffv1", f"{folder}/in.mkv")
    network = not_a_number(f"{folder}/nan.onnx")
    errors = refused(FAILED, "frame 7", f"{folder}/in.mkv", f"{folder}/out.mkv", "-m", network, *LOSSLESS)
    assert "no numbers" in errors and not os.path.exists(f"{folder}/out.mkv"), errors
    assert hashes(f"{folder}/out.partial.mkv") == hashes(f"{folder}/in.mkv")[:7]


def what_is_said(folder):
    source, out = long_clip(f"{folder}/in.mp4", frames=60), f"{folder}/out.mp4"
    code, text, errors = run(source, out, "-m", "lanczos", "--progress", "json", "-s", "4")
    lines = [json.loads(line) for line in errors.splitlines()]
    progress = [line for line in lines if line["event"] == "progress"]
    assert code == DONE and not text and lines[-1]["event"] == "done" and len(progress) >= 2, errors
    assert all(0 <= line["share"] <= 1 and line["files"] == 60 for line in progress)
    assert [p["finished"] for p in progress] == sorted(p["finished"] for p in progress)
    code, text, errors = run(source, out, "-m", "lanczos", "--overwrite", "-q")
    assert (code, text, errors) == (DONE, "", "")
    code, text, errors = run(source, "-m", "lanczos", "--benchmark")
    assert code == DONE and all(word in text for word in ("decode", "convert", "network", "encode", "clock")), text
    code, text, errors = run(source, f"{folder}/none.mp4", "-m", "lanczos", "--dry-run")
    assert code == DONE and "160x90 -> 320x180" in text and "60 frames" in text and not os.path.exists(f"{folder}/none.mp4"), (text, errors)
    code, text, errors = run(source, f"{folder}/none.mp4", "-m", "lanczos", "--dry-run", "--json", "-s", "3")
    plan = json.loads(text)["videos"][0]
    assert code == DONE and plan["outcome"] == "planned" and (plan["out_width"], plan["out_height"]) == (480, 270), text
    code, text, errors = run(f"{folder}/nobody.mp4", out, "--json", "-m", "lanczos", "--overwrite")
    assert code == BAD_INPUT and json.loads(text)["videos"][0]["outcome"] == "failed", text
    report = up(source, out, "--overwrite")
    assert report["fps"] > 0 and report["out_bytes"] == os.path.getsize(out) and report["encoder"] == "libx264", report
    nothing_but(folder, "in.mp4", "out.mp4")


CASES = (the_same_however_computed, reuse_saves_work, reuse_of_film, killed_and_gone_on_with, cancelled_and_gone_on_with, cut_off_at_once, changed_in_between,
         names_are_given_to_whole_files, several_films, out_of_disk, refusals, no_numbers, what_is_said)

main(CASES)
