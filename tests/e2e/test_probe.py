#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""framemill probe: what it says of videos, pictures and networks, beside what ffprobe says. Usage: test_probe.py FRAMEMILL, from the
project's root."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

DONE, FAILED, USAGE, BAD_INPUT = range(4)
framemill = os.path.abspath(sys.argv[1])
shared = os.environ.get("FM_SHARED") or "../shared"
folder = tempfile.mkdtemp(prefix="framemill-probe-")
counts = {"passed": 0, "failed": 0, "skipped": 0}


def case(function):
    try:
        function()
        counts["passed"] += 1
    except Exception as fault:
        print(f"FAILED {function.__name__}, line {fault.__traceback__.tb_next.tb_lineno}: {type(fault).__name__}: {fault}", file=sys.stderr)
        counts["failed"] += 1


def run(*args, status=DONE, **more):
    done = subprocess.run([framemill, "probe", *args], capture_output=True, text=True, timeout=60, **more)
    assert done.returncode == status, f"probe {args}: {done.returncode}, must be {status}: {done.stderr}"
    return done.stdout, done.stderr


def probe(*args, **more):
    out, _ = run("--json", *args, **more)
    answers = [json.loads(line) for line in out.splitlines()]
    assert len(answers) == len([a for a in args if not a.startswith("--") and "=" not in a]), out
    return answers[0] if len(answers) == 1 else answers


def ffmpeg(*args):
    done = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *args], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-800:]


def ffprobe(path):
    out = subprocess.run(["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", "-show_chapters", path], capture_output=True, text=True)
    return json.loads(out.stdout)


def at(name):
    return os.path.join(folder, name)


def near(a, b, by=0.001):
    return (a is None) == (b is None) and (a is None or abs(float(a) - float(b)) <= by)


def check_against_ffprobe(path):
    got, want = probe(path), ffprobe(path)
    assert got["kind"] == "video" and got["format"] == want["format"]["format_name"], (path, got["format"])
    assert near(got["duration_s"], want["format"].get("duration")), (path, got["duration_s"])
    assert got["bytes"] == int(want["format"]["size"]), path
    assert got["tags"] == want["format"].get("tags", {}), (path, got["tags"])
    assert len(got["streams"]) == len(want["streams"])
    for g, w in zip(got["streams"], want["streams"]):
        assert (g["kind"], g["codec"], g["time_base"]) == (w["codec_type"], w["codec_name"], w["time_base"]), (path, g)
        assert g["frames"] == (int(w["nb_frames"]) if "nb_frames" in w else None), (path, g["frames"])
        assert near(g["start_s"], w.get("start_time")), (path, g["start_s"])
        if g["kind"] == "video":
            assert (g["width"], g["height"], g["pixel_format"]) == (w["width"], w["height"], w["pix_fmt"]), (path, g)
            assert (g["frame_rate"] or "0/0") == w["avg_frame_rate"] and (g["profile"] == w.get("profile")), (path, g)
            for ours, theirs in (("range", "color_range"), ("matrix", "color_space"), ("primaries", "color_primaries"), ("transfer", "color_transfer")):
                assert g[ours] == w.get(theirs), (path, ours, g[ours])
        if g["kind"] == "audio":
            assert (g["sample_rate"], g["channels"], g["channel_layout"]) == (int(w["sample_rate"]), w["channels"], w.get("channel_layout")), (path, g)
    return got


def shared_clips():
    data = os.path.join(shared, "data", "video")
    names = [n for n in sorted(os.listdir(data))] if os.path.isdir(data) else []
    for name in names:
        if name.endswith((".mp4", ".webm")):
            check_against_ffprobe(os.path.join(data, name))
    if not names:
        counts["skipped"] += 1
        counts["passed"] -= 1


def whole_film():
    path, marks, words = at("film.mkv"), at("marks.txt"), at("words.srt")
    open(marks, "w").write(";FFMETADATA1\ntitle=A film\nartist=We\x1b[31m\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=700\ntitle=One\n"
                           "[CHAPTER]\nTIMEBASE=1/1000\nSTART=700\nEND=2000\ntitle=Two \u00fc\n")
    open(words, "w").write("1\n00:00:00,200 --> 00:00:00,900\nHello\n")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=24:duration=2", "-f", "lavfi", "-i", "sine=duration=2", "-i", words, "-i", marks, "-map", "0", "-map", "1",
           "-map", "2", "-map_metadata", "3", "-map_chapters", "3", "-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params",
           "log-level=none:hdr-opt=1:repeat-headers=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:max-cll=1000,400:"
           "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)", "-c:a", "aac", "-ac", "2", "-c:s", "srt", "-metadata:s:a", "language=ger",
           "-metadata:s:a", "title=Ton", "-disposition:a", "default+original", path)
    got = probe(path)
    video, audio, subtitle = got["streams"]
    assert video["hdr"] == {"hdr10plus": False, "dolby_vision": False, "red": [0.68, 0.32], "green": [0.265, 0.69], "blue": [0.15, 0.06], "white": [0.3127, 0.329],
                            "min_luminance": 0.0001, "max_luminance": 1000.0, "max_cll": 1000, "max_fall": 400}, video["hdr"]
    assert (audio["language"], audio["title"], audio["disposition"], audio["channel_layout"]) == ("ger", "Ton", "default, original", "stereo"), audio
    assert (subtitle["kind"], subtitle["codec"]) == ("subtitle", "subrip")
    assert [(c["start_s"], c["end_s"], c["title"]) for c in got["chapters"]] == [(0.0, 0.7, "One"), (0.7, 2.0, "Two \u00fc")], got["chapters"]
    assert got["tags"]["title"] == "A film" and got["tags"]["ARTIST"] == "We?[31m" and got["video"] == 0, got["tags"]
    text, _ = run(path)
    for part in ("film.mkv\n", "hevc (Main 10), 64x48, yuv420p10le, tv bt2020nc/bt2020/smpte2084 left, 24 fps", "made on a display of 0.0001 to 1000 cd/m2",
                 "MaxCLL 1000, MaxFALL 400", "44100 Hz, stereo", "ger, \"Ton\", default, original", "0:00.000 to 0:00.700  One", "title = A film"):
        assert part in text, (part, text)
    assert "\x1b" not in text


def turned_and_interlaced():
    plain, turned, fields = at("plain.mp4"), at("turned.mp4"), at("fields.ts")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:duration=1", "-vf", "setsar=4/3", "-c:v", "libx264", plain)
    ffmpeg("-i", plain, "-c", "copy", "-metadata:s:v:0", "rotate=90", turned)
    stream = probe(turned)["streams"][0]
    assert stream["rotation"] in (90, 270) and stream["sample_aspect"] == "4/3" and not stream["mirrored"], stream
    assert f"turned by {stream['rotation']} degrees" in run(turned)[0] and "samples 4:3" in run(turned)[0]
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=50:duration=1", "-vf", "interlace=scan=tff", "-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-top", "1", fields)
    assert probe(fields)["streams"][0]["fields"] == "top first" and "interlaced, top field first" in run(fields)[0]


def without_video():
    sound = at("sound.m4a")
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", sound)
    got = probe(sound)
    assert got["kind"] == "other" and got["video"] is None and "no video in it" in got["note"] and got["streams"][0]["codec"] == "aac", got
    assert "no video in it" in run(sound)[0]


def pictures():
    png, deep, many = at("p.png"), at("deep.png"), at("many")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=50x40", "-frames:v", "1", "-pix_fmt", "rgb24", png)
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=50x40", "-frames:v", "1", "-pix_fmt", "rgba64be", deep)
    got = probe(png)
    assert (got["kind"], got["format"], got["width"], got["height"], got["channels"], got["bits"]) == ("picture", "png", 50, 40, 3, 8), got
    assert got["bytes"] == os.path.getsize(png)
    got = probe(deep)
    assert (got["channels"], got["bits"]) == (4, 16), got
    assert "png, 50x40, RGB and alpha, 16 bits" in run(deep)[0]
    shutil.copy(png, at("nameless"))
    assert probe(at("nameless"))["kind"] == "picture"
    os.makedirs(many)
    for i in range(3):
        shutil.copy(png, os.path.join(many, f"{i}.png"))
    got = probe(many)
    assert (got["kind"], got["format"], got["streams"][0]["frames"]) == ("video", "pictures", 3), got


def networks():
    got = probe("models/lanczos2x.onnx")
    assert (got["kind"], got["scale"], got["inputs"][0]["name"]) == ("network", 2.0, "image"), got
    assert got["inputs"][0]["dims"] == [1, 3, None, None] and got["tags"]["framemill.scale"] == "2"
    assert "scale 2" in run("models/lanczos2x.onnx")[0]


def told_what_it_is():
    raw = at("raw.bin")
    open(raw, "wb").write(bytes(64 * 48 * 3 // 2 * 5))
    assert "raw.bin" in run(raw, status=BAD_INPUT)[1]
    y4m = at("a.y4m")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:duration=0.2", y4m)
    with open(y4m, "rb") as file:
        got = probe("-", stdin=file)
    assert got["format"] == "yuv4mpegpipe" and got["streams"][0]["width"] == 64, got
    ffmpeg("-i", y4m, "-c:v", "libx264", at("o.mp4"))
    assert probe("--input-option", "ignore_editlist=1", at("o.mp4"))["kind"] == "video"
    assert "nonsense" in run("--input-option", "nonsense=1", at("o.mp4"), status=USAGE)[1]


def faults():
    assert "which file" in run(status=USAGE)[1]
    assert "no.mp4: No such file" in run(at("no.mp4"), status=BAD_INPUT)[1]
    for name, data in (("garbage.mp4", os.urandom(3000)), ("empty.mp4", b""), ("garbage.png", os.urandom(3000)), ("garbage.onnx", os.urandom(300))):
        open(at(name), "wb").write(data)
        assert name in run(at(name), status=BAD_INPUT)[1], name
    os.makedirs(at("bare"))
    assert "no pictures" in run(at("bare"), status=BAD_INPUT)[1]
    good, bad = at("good.y4m"), at("no.mp4")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=16x16:duration=0.2", good)
    out, err = run(bad, good, status=BAD_INPUT)
    assert "good.y4m" in out and "no.mp4" in err, "one that fails does not stop the others"
    assert "rawvideo" in run("--help")[0] or "FILE" in run("--help")[0]


def main():
    if not shutil.which("ffmpeg") or not shutil.which("ffprobe"):
        print("0 passed, 0 failed, 1 skipped")
        return 0
    try:
        for function in (shared_clips, whole_film, turned_and_interlaced, without_video, pictures, networks, told_what_it_is, faults):
            case(function)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


sys.exit(main())
