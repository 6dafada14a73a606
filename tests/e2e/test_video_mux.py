#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Video sinks: the packets of a clip's video go through a journal and are joined with the clip's other streams again; what comes out is
looked at by the ffmpeg program and must be what went in. Then encoders, live outputs, pictures, full disks.
Usage: test_video_mux.py MUX_RUNNER, from the project's root."""
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from ports import free_port, is_bound  # noqa: E402

runner = os.path.abspath(sys.argv[1])
shared = next((path for path in (os.environ.get("FM_SHARED"), os.path.abspath("../shared")) if path and os.path.isdir(path)), None)


class Skip(Exception):
    pass


def ffmpeg(*arguments):
    done = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *arguments], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def run(*arguments, fails=False, data=None):
    """Standard output of the runner; with `fails`, what it says of the failure."""
    done = subprocess.run([runner, *arguments], capture_output=True, input=data, timeout=120)
    assert done.returncode == (1 if fails else 0), f"{arguments}: exit {done.returncode}: {done.stderr.decode()}"
    return done.stderr.decode() if fails else done.stdout.decode(errors="replace")


def probe(path, *entries):
    text = subprocess.run(["ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_format", "-show_chapters", *entries, path],
                          capture_output=True, check=True).stdout
    return json.loads(text)


def packets(path, *selection, decode=False):
    """[(stream, dts, pts, duration, size, hash)] on the file's own clock, and the time bases. The duration of each stream's last packet
    is left out: MP4 states where an edit ends, of which FFmpeg makes it."""
    text = ffmpeg("-copyts", "-i", path, *(selection or ("-map", "0")), *(() if decode else ("-c", "copy")), "-copyts", "-f", "framehash", "-").decode()
    rows, bases, last = [], {}, {}
    for line in text.splitlines():
        if line.startswith("#tb"):
            bases[int(line[4:].split(":")[0])] = line.split(": ")[1]
        if line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split(",")][:6]
        rows.append((int(fields[0]), int(fields[1]), int(fields[2]), int(fields[3]), int(fields[4]), fields[5]))
        last[rows[-1][0]] = len(rows) - 1
    for at in last.values():
        rows[at] = rows[at][:3] + (0,) + rows[at][4:]
    return sorted(rows), bases


def through(clip, out, *options):
    run("log", clip, "job.log")
    return run("assemble", "job.log", clip, out, "--overwrite", *options)


def same(clip, out):
    got, want = packets(out), packets(clip)
    if out.endswith(".mkv") or out.endswith(".webm"):  # which do not hold dts: the reader makes them up
        got, want = (([row[:1] + row[2:] for row in sorted(rows, key=lambda row: (row[0], row[2]))], bases) for rows, bases in (got, want))
    assert got[1] == want[1], f"time bases {got[1]} of {want[1]}"
    differing = [pair for pair in zip(got[0], want[0]) if pair[0] != pair[1]]
    assert len(got[0]) == len(want[0]) and not differing, f"{len(got[0])} packets of {len(want[0])}, first {differing[:1]}"


VIDEO = ("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=3")
TONE = ("-f", "lavfi", "-i", "sine=frequency=440:duration=3:sample_rate=44100")
X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "2", "-g", "12")
SRT = "1\n00:00:00,500 --> 00:00:01,250\nfirst <i>line</i>\n\n2\n00:00:01,900 --> 00:00:02,700\nzweite Zeile: äöü\n"


def clip(name, *arguments):
    if not os.path.exists(name):
        ffmpeg(*arguments, name)
    return name


def plain(extension="mp4"):
    return clip("plain." + extension, *VIDEO, *TONE, *X264, "-c:a", "aac", "-shortest")


def subtitled():
    with open("text.srt", "w") as file:
        file.write(SRT)
    return clip("subtitled.mkv", *VIDEO, *TONE, "-i", "text.srt", *X264, "-c:a", "aac", "-c:s", "srt", "-metadata:s:s:0", "language=ger")


# What goes through unchanged.

def shared_clips():
    if not shared:
        raise Skip("no ../shared")
    names = sorted(glob.glob(shared + "/data/video/*.mp4") + glob.glob(shared + "/data/video/*.webm"))
    assert len(names) > 5
    for name in names:
        out = "out" + os.path.splitext(name)[1]
        assert through(name, out) == "", name
        try:
            same(name, out)
        except AssertionError as fault:
            raise AssertionError(f"{name}: {fault}") from None


def b_frames_and_priming():
    for extension in ("mp4", "mov", "mkv", "nut"):
        through(plain(extension), "out." + extension)
        same(plain(extension), "out." + extension)


def transport_stream():
    source = plain("ts")
    through(source, "out.mp4")
    got, want = packets("out.mp4")[0], packets(source)[0]
    shift = want[0][2] - got[0][2]  # broadcast clocks begin anywhere: the earliest stream becomes 0
    video = [(row[2] + shift, row[1] + shift) for row in got if row[0] == 0]
    assert video == [(row[2], row[1]) for row in want if row[0] == 0]
    audio = {stream["codec_type"]: float(stream["start_time"]) for stream in probe("out.mp4")["streams"]}
    before = {stream["codec_type"]: float(stream["start_time"]) for stream in probe(source)["streams"]}
    assert abs((audio["audio"] - audio["video"]) - (before["audio"] - before["video"])) < 1e-4, (audio, before)
    through(source, "out.ts")
    assert len(packets("out.ts")[0]) == len(want)


def start_offsets():
    """Video half a second later than audio, then the reverse: kept to the tick, nothing lost at the end."""
    base = clip("base.mkv", *VIDEO, *TONE, *X264, "-c:a", "aac")
    for extension in ("mp4", "mkv"):
        for late, early in (("v", "a"), ("a", "v")):
            source = clip(f"late_{late}.{extension}", "-itsoffset", "0.5037", "-i", base, "-i", base, "-map", "0:" + late, "-map", "1:" + early, "-c", "copy")
            through(source, "out." + extension)
            same(source, "out." + extension)
            assert packets("out." + extension, "-map", "0:v", decode=True)[0] == packets(source, "-map", "0:v", decode=True)[0]


def variable_frame_rate():
    source = clip("vfr.mp4", *VIDEO, "-vf", "select='not(mod(n,7)*mod(n,5))',setpts='PTS+mod(N,3)*0.003/TB'", "-vsync", "vfr", "-video_track_timescale",
                  "90000", *X264)
    times = [row[2] for row in packets(source)[0]]
    assert len({b - a for a, b in zip(sorted(times), sorted(times)[1:])}) > 2
    through(source, "out.mp4")
    same(source, "out.mp4")


def deep_colour():
    source = clip("deep.mp4", *VIDEO, "-c:v", "libx264", "-pix_fmt", "yuv422p10le", "-color_primaries", "bt2020", "-color_trc", "smpte2084",
                  "-colorspace", "bt2020nc", "-color_range", "tv")
    through(source, "out.mp4")
    same(source, "out.mp4")
    keys = ("pix_fmt", "profile", "color_primaries", "color_transfer", "color_space", "color_range", "width", "height", "sample_aspect_ratio")
    got, want = probe("out.mp4")["streams"][0], probe(source)["streams"][0]
    assert {key: got.get(key) for key in keys} == {key: want.get(key) for key in keys} and want["color_transfer"] == "smpte2084"


def many_streams():
    """Two tongues, 5.1, subtitles, chapters, a font and a cover in Matroska; order, names and defaults stay."""
    with open("text.srt", "w") as file:
        file.write(SRT)
    with open("font.ttf", "wb") as file:
        file.write(bytes(range(256)) * 5)
    with open("meta.txt", "w") as file:
        file.write(";FFMETADATA1\ntitle=Ein Film\ncomment=kept\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1200\ntitle=One\n"
                   "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1200\nEND=3000\ntitle=Two\n")
    source = clip("many.mkv", *VIDEO, *TONE, "-f", "lavfi", "-i", "anoisesrc=duration=3:sample_rate=48000", "-i", "text.srt", "-i", "meta.txt",
                  "-map", "1:a", "-map", "0:v", "-map", "2:a", "-map", "3:s", "-map_metadata", "4", "-map_chapters", "4", *X264, "-c:a:0", "aac", "-c:a:1", "ac3",
                  "-filter:a:1", "aformat=channel_layouts=5.1", "-c:s", "srt", "-attach", "font.ttf", "-metadata:s:t", "mimetype=application/x-truetype-font",
                  "-metadata:s:a:0", "language=deu", "-metadata:s:a:1", "language=eng", "-metadata:s:a:1", "title=Commentary", "-metadata:s:s", "language=fra",
                  "-metadata:s:v", "title=Picture", "-disposition:a:1", "default+comment", "-disposition:a:0", "0")
    text = through(source, "out.mkv")
    assert text == "", text
    assert packets("out.mkv", "-map", "0:v", "-map", "0:a", "-map", "0:s") == packets(source, "-map", "0:v", "-map", "0:a", "-map", "0:s")
    got, want = probe("out.mkv"), probe(source)
    assert [(s["codec_name"] if s["codec_type"] != "attachment" else "font", s["disposition"], {k: v for k, v in s["tags"].items() if k not in ("ENCODER", "DURATION")})
            for s in got["streams"]] == \
        [(s["codec_name"] if s["codec_type"] != "attachment" else "font", s["disposition"], {k: v for k, v in s["tags"].items() if k not in ("ENCODER", "DURATION")})
         for s in want["streams"]]
    assert got["chapters"] == want["chapters"] and len(got["chapters"]) == 2
    tags = {key.lower(): value for key, value in got["format"]["tags"].items()}
    assert tags["title"] == "Ein Film" and tags["comment"] == "kept"
    assert [s["channels"] for s in got["streams"] if s["codec_type"] == "audio"] == [1, 6]
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-dump_attachment:t:0", "got.ttf", "-i", "out.mkv"], capture_output=True)
    assert open("got.ttf", "rb").read() == open("font.ttf", "rb").read()


def rotation():
    ffmpeg("-i", plain(), "-c", "copy", "-metadata:s:v:0", "rotate=90", "turned.mp4")
    through("turned.mp4", "out.mp4")
    same("turned.mp4", "out.mp4")
    turns = [side["rotation"] for name in ("turned.mp4", "out.mp4") for side in probe(name)["streams"][0]["side_data_list"]]
    assert turns[0] == turns[1] and abs(turns[0]) == 90, turns
    assert "rotation" in through("turned.mp4", "out.mkv")


def covers():
    ffmpeg("-f", "lavfi", "-i", "color=red:size=32x32:duration=1", "-frames:v", "1", "cover.png")
    source = clip("covered.mp4", "-i", plain(), "-i", "cover.png", "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic")
    through(source, "out.mp4")
    picture = [s for s in probe("out.mp4")["streams"] if s["disposition"]["attached_pic"]]
    assert len(picture) == 1 and picture[0]["codec_name"] == "png"
    assert packets("out.mp4", "-map", "0:v:1")[0][0][4:] == packets(source, "-map", "0:v:1")[0][0][4:]
    through(source, "out.mkv")  # there it is an attachment, which players show as the cover
    assert packets("out.mkv", "-map", "0:v:1")[0][0][5] == packets(source, "-map", "0:v:1")[0][0][5]
    same_video = packets("out.mkv", "-map", "0:v:0")[0]
    assert len(same_video) == 75


def no_audio_and_one_frame():
    source = clip("one.mp4", "-f", "lavfi", "-i", "testsrc=size=17x13:rate=25", "-frames:v", "1", "-c:v", "libx264", "-pix_fmt", "yuv444p")
    through(source, "out.mp4")
    same(source, "out.mp4")
    run("log", source, "job.log")  # the video alone, without its input
    run("assemble", "job.log", "", "out.mkv", "--overwrite")
    assert len(packets("out.mkv")[0]) == 1


# A piece of the input.

def a_piece():
    source = plain("mkv")
    run("log", source, "job.log", "--from", "960000", "--to", "1920000")
    run("assemble", "job.log", source, "out.mkv", "--overwrite", "--from", "960000", "--to", "1920000")
    got, want = packets("out.mkv")[0], packets(source)[0]
    for stream in (0, 1):
        inside = [(row[2] - 960, row[5]) for row in want if row[0] == stream and 960 <= row[2] < 1920]
        assert [(row[2], row[5]) for row in got if row[0] == stream] == inside and len(inside) > 20
    run("log", subtitled(), "job.log", "--from", "960000", "--to", "2040000")
    run("assemble", "job.log", subtitled(), "out.mkv", "--overwrite", "--from", "960000", "--to", "2040000")
    shown = [(row[2], row[3]) for row in packets("out.mkv", "-map", "0:s", "-map", "0:v")[0] if row[0] == 0]
    assert [time for time, _ in shown] == [0, 963] and shown[0][1] == 313, shown  # the first is being shown when the piece begins


# What a container cannot hold.

def text_subtitles():
    text = through(subtitled(), "out.mp4")
    assert "subrip, ger): MP4 cannot hold it; it becomes mov_text" in text, text
    stream = [s for s in probe("out.mp4")["streams"] if s["codec_type"] == "subtitle"][0]
    assert stream["codec_name"] == "mov_text" and stream["tags"]["language"] == "ger"
    # Matroska begins at 0: it has moved everything by the priming of its AAC, 23 ms
    back = ffmpeg("-i", "out.mp4", "-map", "0:s", "-f", "srt", "-").decode()
    assert "00:00:00,523 --> 00:00:01,273\nfirst <i>line</i>" in back and "00:00:01,923 --> 00:00:02,723\nzweite Zeile: äöü" in back, back
    assert packets("out.mp4", "-map", "0:a")[0] == packets(plain(), "-map", "0:a")[0] or len(packets("out.mp4", "-map", "0:a")[0]) > 100
    through("out.mp4", "back.mkv")
    assert [s["codec_name"] for s in probe("back.mkv")["streams"]][-1] == "subrip"
    assert "ger" in run("assemble", "job.log", subtitled(), "out.mp4", "--overwrite", "--streams", "drop")
    assert len(probe("out.mp4")["streams"]) == 2
    message = run("assemble", "job.log", subtitled(), "never.mp4", "--streams", "refuse", fails=True)
    assert "stream 2 (subtitle subrip, ger)" in message and "left out" not in message and not os.path.exists("never.mp4"), message


def bitmap_subtitles():
    source = clip("bitmap.mkv", *VIDEO, "-f", "lavfi", "-i", "color=white:size=96x64:rate=1:duration=3", *TONE, "-map", "0:v", "-map", "2:a", *X264, "-c:a", "aac")
    # FFmpeg makes no bitmaps of text: a subtitle stream of dvdsub is made of another one's
    with open("bitmap.idx", "w") as index, open("bitmap.sub", "wb") as pictures:
        index.write("# VobSub index file, v7\nsize: 96x64\npalette: 000000, ffffff, 808080, ff0000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0\n"
                    "id: en, index: 0\ntimestamp: 00:00:00:500, filepos: 000000000\n")
        pictures.write(vobsub_packet())
    made = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", source, "-i", "bitmap.idx", "-map", "0", "-map", "1:s", "-c:v", "copy", "-c:a", "copy", "-c:s",
                           "dvdsub", "bitmaps.mkv"], capture_output=True)
    assert made.returncode == 0, made.stderr.decode()
    assert probe("bitmaps.mkv")["streams"][-1]["codec_name"] == "dvd_subtitle"
    through("bitmaps.mkv", "out.mkv")
    assert packets("out.mkv", "-map", "0:v", "-map", "0:a", "-map", "0:s") == packets("bitmaps.mkv", "-map", "0:v", "-map", "0:a", "-map", "0:s")
    text = through("bitmaps.mkv", "out.mp4")
    assert "dvd_subtitle" in text and "left out" in text, text
    assert [s["codec_type"] for s in probe("out.mp4")["streams"]] == ["video", "audio"]
    for policy in ("keep", "refuse"):
        message = run("check", "bitmaps.mkv", "never.mp4", "--streams", policy, fails=True)
        assert "dvd_subtitle" in message and ".mkv" in message, message
    assert "left out" in run("check", "bitmaps.mkv", "never.mp4", "--streams", "drop")


def vobsub_packet():
    """One 16x2 picture in an MPEG program stream, as DVDs have it: white on nothing, shown for a second."""
    field = bytes([0x00, 0x01])  # fourteen bits of 0, then colour 1: to the end of the line
    pixels = field + field
    control = 4 + len(pixels)
    commands = bytes([0x03, 0x32, 0x10, 0x04, 0x0f, 0xf0, 0x05, 0x00, 0x00, 0x0f, 0x00, 0x00, 0x01, 0x06, 0x00, 0x04, 0x00, 0x06, 0x01, 0xff])
    second = control + 4 + len(commands)
    body = bytes([0, 0]) + control.to_bytes(2, "big") + pixels + bytes([0, 0]) + second.to_bytes(2, "big") + commands
    body += bytes([0, 90]) + second.to_bytes(2, "big") + bytes([0x02, 0xff])
    body = (len(body)).to_bytes(2, "big") + body[2:]
    pts = 45000
    stamp = bytes([0x21 | (pts >> 29) & 14, (pts >> 22) & 255, (pts >> 14) & 254 | 1, (pts >> 7) & 255, (pts << 1) & 254 | 1])
    payload = bytes([0x81, 0x80, 5]) + stamp + bytes([0x20]) + body
    pack = bytes([0, 0, 1, 0xba, 0x44, 0, 4, 0, 4, 1, 1, 0x89, 0xc3, 0xf8])
    packet = bytes([0, 0, 1, 0xbd]) + len(payload).to_bytes(2, "big") + payload
    rest = 2048 - len(pack) - len(packet)
    return pack + packet + bytes([0, 0, 1, 0xbe]) + (rest - 6).to_bytes(2, "big") + b"\xff" * (rest - 6)


def uncompressed_audio():
    """PCM into MP4 stays exact; into WebM it cannot."""
    source = clip("pcm.mov", *VIDEO, *TONE, *X264, "-c:a", "pcm_s16le", "-ac", "2", "-shortest")
    text = through(source, "out.mp4")
    assert "pcm_s16le" in text and "becomes alac" in text, text
    samples = [ffmpeg("-i", name, "-map", "0:a", "-f", "s16le", "-") for name in (source, "out.mp4")]
    assert samples[0] == samples[1] and len(samples[0]) > 400000
    vp9 = clip("vp9.mkv", *VIDEO, *TONE, "-c:v", "libvpx-vp9", "-cpu-used", "8", "-deadline", "realtime", "-b:v", "200k", "-c:a", "aac")
    text = through(vp9, "out.webm")
    assert "becomes opus" in text, text
    streams = probe("out.webm")["streams"]
    assert [s["codec_name"] for s in streams] == ["vp9", "opus"] and abs(float(probe("out.webm")["format"]["duration"]) - 3) < 0.1
    message = run("assemble", "job.log", vp9, "never.webm", "--streams", "refuse", fails=True)
    assert "WebM" in message and not glob.glob("never*") and not glob.glob(".never*")


def attachments_into_mp4():
    many_streams()
    text = through("many.mkv", "out.mp4")
    assert "ttf" in text and "left out" in text and "mov_text" in text, text
    got = probe("out.mp4")
    assert [s["codec_type"] for s in got["streams"] if s["codec_type"] != "data"] == ["audio", "video", "audio", "subtitle"]
    assert [c["tags"]["title"] for c in got["chapters"]] == ["One", "Two"] and got["format"]["tags"]["title"] == "Ein Film"
    through("out.mp4", "again.mp4")  # the titles' own track is made anew, not doubled
    assert len(probe("again.mp4")["streams"]) == len(got["streams"]) and len(probe("again.mp4")["chapters"]) == 2


def wrong_codec():
    source = clip("ffv1.mkv", *VIDEO, "-c:v", "ffv1")
    run("log", source, "job.log")
    assert "cannot hold video of ffv1" in run("assemble", "job.log", source, "never.mp4", fails=True)
    assert "no container is known" in run("assemble", "job.log", source, "never.xyz", fails=True)
    assert 'no container "nonsense"' in run("assemble", "job.log", source, "never.mkv", "--format", "nonsense", fails=True)
    assert 'no option "speed"' in run("assemble", "job.log", source, "never.mkv", "-o", "speed=1", fails=True)
    assert not glob.glob("never*") and not glob.glob(".never*")


# Places.

def overwriting():
    run("log", plain(), "job.log")
    with open("there.mp4", "w") as file:
        file.write("mine")
    assert "may not be overwritten" in run("assemble", "job.log", plain(), "there.mp4", fails=True)
    assert "may not be overwritten" in run("check", plain(), "there.mp4", fails=True)
    assert open("there.mp4").read() == "mine"
    run("assemble", "job.log", plain(), "there.mp4", "--overwrite")
    same(plain(), "there.mp4")
    with open("there.mp4", "rb") as file:
        head = file.read(4096)
    assert b"moov" in head and b"mdat" not in head[:head.index(b"moov")]  # may be played while it is still being fetched
    assert "cannot be written" in run("assemble", "job.log", plain(), "nowhere/out.mp4", fails=True)


def full_disk():
    run("log", plain(), "job.log")
    size = os.path.getsize(plain())
    for limit in (1000, size // 2, size - 100):
        message = run("assemble", "job.log", plain(), "full.mp4", "--file-size", str(limit), fails=True)
        assert "full.mp4: cannot be written" in message, message
        assert not glob.glob("*full*") and not glob.glob(".full*")
    message = run("direct", plain(), "/dev/full", "--format", "matroska", fails=True)
    assert "cannot be written" in message, message


def unfinished():
    """A journal that breaks off: up to the last checkpoint, other streams as far, and all of it as a partial file."""
    run("log", plain(), "job.log", "--cut", "40", "--checkpoint", "12")
    run("assemble", "job.log", plain(), "out.mp4", "--overwrite")
    video, audio = ([row for row in packets("out.mp4")[0] if row[0] == stream] for stream in (0, 1))
    want = [row for row in packets(plain())[0] if row[0] == 0]
    assert [row[5] for row in video] == [row[5] for row in sorted(want)[:36]], len(video)
    assert 1.38 < audio[-1][2] / 44100 < 1.44
    assert run("partial", "job.log", plain(), "film.mp4").splitlines()[0] == "film.partial.mp4"
    assert len([row for row in packets("film.partial.mp4")[0] if row[0] == 0]) == 40
    whole = open("job.log", "rb").read()
    with open("job.log", "wb") as file:
        file.write(whole[:-7])
    run("partial", "job.log", plain(), "film.mp4")
    assert len([row for row in packets("film.partial.mp4")[0] if row[0] == 0]) == 39
    assert "no journal" in run("assemble", plain(), plain(), "never.mp4", fails=True)


def broken_input():
    """The input is cut off after the video was made: what can be read of the rest is kept, and the loss is no secret."""
    source = clip("front.mp4", "-i", plain(), "-c", "copy", "-movflags", "+faststart")
    run("log", source, "job.log")
    whole = open(source, "rb").read()
    with open("cut.mp4", "wb") as file:
        file.write(whole[:len(whole) * 2 // 3])
    run("assemble", "job.log", "cut.mp4", "out.mp4", "--overwrite")
    assert len([row for row in packets("out.mp4")[0] if row[0] == 0]) == 75
    assert 20 < len([row for row in packets("out.mp4")[0] if row[0] == 1]) < 131
    assert "missing.mp4" in run("assemble", "job.log", "missing.mp4", "never.mp4", fails=True)


# As they come.

def direct():
    for extension in ("mp4", "mkv", "mov"):
        run("direct", plain(extension), "out." + extension, "--overwrite")
        same(plain(extension), "out." + extension)
    text = run("direct", subtitled(), "out.mp4", "--overwrite")
    assert "becomes mov_text" in text
    piped = subprocess.run([runner, "direct", plain(), "-", "--format", "mp4"], capture_output=True)
    assert piped.returncode == 0
    with open("piped.mp4", "wb") as file:
        file.write(piped.stdout)
    assert [row[5] for row in packets("piped.mp4")[0]] == [row[5] for row in packets(plain())[0]]


def pictures():
    run("encode", plain(), "shot%03d.png")
    names = sorted(glob.glob("shot*.png"))
    assert len(names) == 75 and names[0] == "shot001.png" and not glob.glob("*.tmp")
    want = ffmpeg("-i", plain(), "-vf", "select=eq(n\\,4),scale=flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp,format=rgb24", "-frames:v", "1",
                  "-f", "rawvideo", "-")
    assert ffmpeg("-i", "shot005.png", "-f", "rawvideo", "-pix_fmt", "rgb24", "-") == want
    assert "shot001.png: exists" in run("encode", plain(), "shot%03d.png", fails=True)
    assert "need a number" in run("encode", plain(), "shot.png", fails=True)


def y4m():
    made = subprocess.run([runner, "encode", plain(), "-"], capture_output=True)
    assert made.returncode == 0, made.stderr
    with open("piped.y4m", "wb") as file:
        file.write(made.stdout[made.stdout.index(b"YUV4MPEG2"):])
    want = [row[5] for row in packets(plain(), "-map", "0:v", decode=True)[0]]
    run("encode", plain(), "out.y4m")
    assert [row[5] for row in packets("out.y4m", decode=True)[0]] == want
    assert probe("out.y4m")["streams"][0]["r_frame_rate"] == "25/1"


def pushed(url_of, kind, listen, *options):
    port = free_port(kind)
    url = url_of(port)
    receiver = subprocess.Popen(["ffmpeg", "-v", "error", "-nostdin", "-y", *listen, "-i", url if "mode=" not in url else url.replace("caller", "listener"), "-map", "0",
                                 "-c", "copy", "-f", "nut", "received.nut"], stderr=subprocess.PIPE)
    try:
        until = time.monotonic() + 60
        while not is_bound(port):
            assert time.monotonic() < until and receiver.poll() is None, "nobody listens"
            time.sleep(0.05)
        done = subprocess.run([runner, "direct", plain(), url, *options], capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        receiver.wait(30)
    finally:
        if receiver.poll() is None:
            receiver.send_signal(signal.SIGINT)
            receiver.wait(10)
    got = [row for row in packets("received.nut")[0]]
    want = packets(plain())[0]
    assert len([row for row in got if row[0] == 0]) >= 70 and len([row for row in got if row[0] == 1]) >= 120, len(got)
    assert len(want) >= len(got)


def push_rtmp():
    pushed(lambda port: f"rtmp://127.0.0.1:{port}/live/x", socket.SOCK_STREAM, ("-listen", "1"))


def push_srt():
    pushed(lambda port: f"srt://127.0.0.1:{port}?mode=caller", socket.SOCK_DGRAM, ())


def push_stuck():
    """A peer that takes nothing any more is an error, not a wait without end."""
    with socket.create_server(("127.0.0.1", 0)) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        url = f"tcp://127.0.0.1:{peer.getsockname()[1]}?send_buffer_size=4096"
        message = run("encode", "lavfi:testsrc2=size=640x360:duration=8", url, "--format", "nut", "-c", "rawvideo", "--timeout", "500", fails=True)
        assert "cannot be written: nobody took anything for 0.5 seconds" in message, message


# Encoders.

def encoded():
    """Same frames, same times; audio untouched; by the journal and directly."""
    source = plain()
    want = [(row[2]) for row in packets(source, "-map", "0:v", decode=True)[0]]
    for way in ((), ("--journal", "enc.log")):
        text = run("encode", source, "out.mp4", "--overwrite", "-e", "preset=veryfast", *way)
        assert "encoder libx264" in text
        assert [row[2] for row in packets("out.mp4", "-map", "0:v", decode=True)[0]] == want
        assert packets("out.mp4", "-map", "0:a") == packets(source, "-map", "0:a")
        video = probe("out.mp4")["streams"][0]
        assert video["profile"] == "High" and video["pix_fmt"] == "yuv420p" and video["time_base"] == probe(source)["streams"][0]["time_base"]
    lossless = run("encode", source, "out.mkv", "--overwrite", "-c", "ffv1")
    assert "encoder ffv1" in lossless
    assert [row[5] for row in packets("out.mkv", "-map", "0:v", decode=True)[0]] == [row[5] for row in packets(source, "-map", "0:v", decode=True)[0]]


def encoded_times():
    """Odd time bases, gaps: every frame keeps its time, also by encoders that count frames."""
    variable_frame_rate()
    want = sorted(row[2] for row in packets("vfr.mp4")[0])
    for encoder in ("libx264", "mpeg4"):
        run("encode", "vfr.mp4", "out.mp4", "--overwrite", "-c", encoder, "-e", "bf=2")
        assert sorted(row[2] for row in packets("out.mp4", "-map", "0:v")[0]) == want, encoder


def encoded_tags():
    deep_colour()
    run("encode", "deep.mp4", "out.mkv", "--overwrite", "-e", "preset=ultrafast")
    video = probe("out.mkv")["streams"][0]
    assert (video["pix_fmt"], video["color_transfer"], video["color_space"], video["color_primaries"]) == ("yuv422p10le", "smpte2084", "bt2020nc", "bt2020")


def resumed():
    """A job that dies and goes on, twice: every frame once, at its time, in closed groups; a journal of other settings is refused."""
    uneven = clip("uneven.mp4", "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=11", "-vf",
                  "select='not(mod(n,7)*mod(n,5))',setpts='PTS+mod(N,3)*0.003/TB'", "-vsync", "vfr", "-video_track_timescale", "90000", *X264)
    for source, stops in ((plain(), (38, 58)), (uneven, (45, 70))):
        options = ("--journal", "res.log", "-e", "preset=veryfast", "-e", "rc-lookahead=8")
        want = sorted(row[2] for row in packets(source, "-map", "0:v")[0])
        run("encode", source, "never.mp4", *options, "--stop", str(stops[0]))
        first = run("encode", source, "never.mp4", *options, "--resume", "--stop", str(stops[1]))
        assert int(first.split("resumed at ")[1].split()[0]) >= 10, first
        assert not os.path.exists("never.mp4")
        message = run("encode", source, "never.mp4", "--journal", "res.log", "--resume", "-e", "preset=slow", "-e", "rc-lookahead=8", fails=True)
        assert "cannot be resumed" in message, message
        last = run("encode", source, "out.mp4", *options, "--resume", "--overwrite")
        assert int(last.split("resumed at ")[1].split()[0]) >= 30, last
        rows = packets("out.mp4", "-map", "0:v")[0]
        assert sorted(row[2] for row in rows) == want
        assert all(a[1] < b[1] for a, b in zip(rows, rows[1:])) and all(row[1] <= row[2] for row in rows)
        assert len(packets("out.mp4", "-map", "0:v", decode=True)[0]) == len(want)
        shown = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", "out.mp4", "-i", source, "-lavfi", "[0:v][1:v]psnr=stats_file=psnr.txt", "-f", "null", "-"],
                               capture_output=True)
        assert shown.returncode == 0 and not shown.stderr, shown.stderr
        values = [line.split("psnr_avg:")[1].split()[0] for line in open("psnr.txt")]
        assert all(value == "inf" or float(value) > 33 for value in values) and len(values) >= len(want) - 1, values


def encoder_faults():
    message = run("encode", plain(), "never.mp4", "-c", "nothing", fails=True)
    assert 'no encoder "nothing"' in message, message
    message = run("encode", plain(), "never.mp4", "-e", "sped=1", fails=True)
    assert 'no option "sped"' in message, message
    message = run("encode", plain(), "never.mp4", "-e", "preset=sideways", fails=True)
    assert "sideways" in message or "preset" in message, message
    message = run("encode", plain(), "never.mp4", "-e", "fast", fails=True)
    assert "KEY=VALUE" in message, message
    message = run("encode", plain(), "never.webm", "-c", "libx264", fails=True)
    assert "WebM cannot hold video of h264" in message, message
    assert not glob.glob("never*") and not glob.glob(".never*")


CASES = [shared_clips, b_frames_and_priming, transport_stream, start_offsets, variable_frame_rate, deep_colour, many_streams, rotation, covers,
         no_audio_and_one_frame, a_piece, text_subtitles, bitmap_subtitles, uncompressed_audio, attachments_into_mp4, wrong_codec, overwriting, full_disk,
         unfinished, broken_input, direct, pictures, y4m, push_rtmp, push_srt, push_stuck, encoded, encoded_times, encoded_tags, resumed, encoder_faults]


def main():
    passed = failed = skipped = 0
    if not shutil.which("ffmpeg"):
        print(f"0 passed, 0 failed, {len(CASES)} skipped")
        return 0
    wanted = sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for case in CASES:
            if wanted and case.__name__ not in wanted:
                continue
            try:
                case()
                passed += 1
            except Skip as reason:
                print(f"skipped: {case.__name__}: {reason}", file=sys.stderr)
                skipped += 1
            except Exception as fault:  # a case that stumbles has failed, whatever it stumbled over
                where, line = fault.__traceback__, 0
                while where:
                    if where.tb_frame.f_code.co_name == case.__name__:
                        line = where.tb_lineno
                    where = where.tb_next
                print(f"FAILED {case.__name__} (line {line}): {fault!r}"[:1500], file=sys.stderr)
                failed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


sys.exit(main())
