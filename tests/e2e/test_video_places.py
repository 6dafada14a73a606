#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where videos come from: folders of pictures, pipes, devices, networks that break off, files that are damaged or none at all.
Usage: test_video_places.py VIDEO_RUNNER [CASE]..., from the project's root."""
import http.server
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from ports import free_port, is_bound
from video_kit import (ARGUMENT, CANCELLED, EOS, FORMAT, IO, UNSUPPORTED, Run, clips, expected, expected_partial, ffmpeg, folder, make, run_cases, runner,
                       source, x264)


def wait_for(what, *arguments):
    """Until what() is true."""
    until = time.monotonic() + 60
    while not what(*arguments):
        assert time.monotonic() < until, f"{what.__name__} is not true after a minute"
        time.sleep(0.02)


def pictures():
    deep = os.path.join(folder, "pictures")
    os.makedirs(deep, exist_ok=True)
    ffmpeg("-i", clips()["h264_bpyramid"], "-frames:v", "12", "-pix_fmt", "rgb24", os.path.join(deep, "p%d.png"))
    open(os.path.join(deep, "notes.txt"), "w").write("no picture")
    open(os.path.join(deep, ".hidden.png"), "w").write("no picture")
    single = [source(os.path.join(deep, f"p{i}.png")).frames[0][1] for i in range(1, 13)]
    got = source(deep, "rate=30/1")
    assert [h for _, h in got.frames] == single, "natural order: 2 before 10"
    assert [t for t, _ in got.frames] == list(range(12)) and got.info["base"] == "1/30" and got.info["rate"] == "30/1"
    assert got.info["frames"] == got.info["duration"] == "12" and got.info["container"] == "pictures"
    pattern = os.path.join(deep, "p%d.png")
    assert source(pattern).frames == got.frames and source(pattern).info["rate"] == "25/1"
    assert [h for _, h in source(deep, "start=0.2", "duration=0.12").frames] == single[5:8]
    assert [h for _, h in source(deep, "skip=5:4").frames] == single[5:]
    os.rename(os.path.join(deep, "p7.png"), os.path.join(deep, "q7.png"))
    gap = source(pattern)
    assert gap.code == FORMAT and "number 7 is missing" in gap.message, gap.message
    os.rename(os.path.join(deep, "q7.png"), os.path.join(deep, "p7.png"))
    open(os.path.join(deep, "p5.png"), "wb").write(b"not a picture at all")
    damaged = source(deep)
    assert damaged.code == EOS and len(damaged.frames) == 11 and damaged.refused == 1, (damaged.message, damaged.refused)
    os.remove(os.path.join(deep, "p5.png"))
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=50x50", "-frames:v", "1", os.path.join(deep, "p5.png"))
    sizes = source(deep)
    assert sizes.code == UNSUPPORTED and "one size" in sizes.message and "50x50" in sizes.message, sizes.message
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=96x64", "-frames:v", "1", os.path.join(deep, "p5.jpg"))
    kinds = source(deep)
    assert kinds.code == UNSUPPORTED and "one kind" in kinds.message, kinds.message
    nothing = source(os.path.join(folder, "no%03d.png"))
    assert nothing.code == IO and "no such pictures" in nothing.message
    for name, pixels, bits in (("deep", "rgb48be", 16), ("grey", "gray", 8), ("clear", "rgba", 8)):
        one = os.path.join(folder, name + ".png")
        ffmpeg("-f", "lavfi", "-i", "testsrc2=size=33x21", "-frames:v", "1", "-pix_fmt", pixels, one)
        got = source(one)
        want = {"rgb48be": "gbrp16le", "gray": "gray", "rgba": "gbrap"}[pixels]
        assert got.info["bits"] == str(bits) and [h for _, h in got.frames] == [h for _, h in expected(one, pixels=want)], (name, got.info)


def standard_input():
    y4m, ts, mkv = clips()["y4m"], clips()["h264_ts"], clips()["h264_open_gop"]
    for path in (y4m, ts, mkv):
        with open(path, "rb") as file:
            with subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE) as cat:
                got = source("-", stdin=cat.stdout)
        assert got.frames == expected(path), path
        assert got.info["seekable"] == "0"
    whole = source(y4m).frames
    for args, want in ((["start=0.5"], whole[13:]), (["skip=7:6"], whole[7:])):
        with subprocess.Popen(["cat", y4m], stdout=subprocess.PIPE) as cat:
            assert source("-", *args, stdin=cat.stdout).frames == want, args
    moov_last = clips()["h264_bpyramid"]
    with open(moov_last, "rb") as file:
        assert source("-", stdin=file).frames == expected(moov_last), "a file as standard input can be sought in"
    with open("/dev/null", "rb") as file:
        got = source("-", stdin=file)
        assert got.code == FORMAT and "standard input" in got.message, got.message
    fifo = os.path.join(folder, "fifo")
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: open(fifo, "wb").write(open(y4m, "rb").read()))
    writer.start()
    assert source(fifo).frames == whole
    writer.join()


def damage():
    def altered(name, change, of):
        path = os.path.join(folder, name)
        data = bytearray(open(of, "rb").read())
        open(path, "wb").write(change(data))
        return path

    def knocked(data):
        for i in range(len(data) // 3, 2 * len(data) // 3, 997):
            data[i] ^= 0x55
        return data

    c = clips()
    front = os.path.join(folder, "front.mp4")
    ffmpeg("-i", c["h264_bpyramid"], "-c", "copy", "-movflags", "+faststart", front)
    for path in (front, c["h264_open_gop"], c["vp9_hidden"], c["y4m"]):
        cut = altered("cut_" + os.path.basename(path), lambda d: d[:len(d) * 6 // 10], path)
        got = source(cut)
        want = expected_partial(cut)
        assert got.code == EOS and 0 < len(got.frames) < 50, (cut, got.code, got.message)
        assert abs(len(got.frames) - len(want)) <= 1 and got.frames[:len(want) - 1] == want[:len(got.frames)][:len(want) - 1], cut
        assert got.early and got.end, f"{cut}: nobody says that it breaks off"
    for path in (c["h264_ts"], c["mpeg2_ts"], c["h264_open_gop"], c["mpeg4_avi"]):
        got = source(altered("knocked_" + os.path.basename(path), knocked, path), "threads=1")  # with more, H.264 tells of its faults by chance
        assert got.code == EOS and len(got.frames) > 20, (path, got.code, got.message)
        assert got.damage + got.refused > 0 and got.damage == sum(got.damaged), (path, got.damage, got.refused)
    index_gone = altered("index.mp4", lambda d: d[:len(d) // 2], c["h264_bpyramid"])
    got = source(index_gone)
    assert got.code == FORMAT and "moov atom not found" in got.message and "index.mp4" in got.message, got.message
    for name, data in (("garbage.mp4", os.urandom(5000)), ("garbage.bin", b"\xff\x00" * 3000), ("empty.mp4", b""), ("words.txt.mp4", b"hello world\n" * 100)):
        path = os.path.join(folder, name)
        open(path, "wb").write(data)
        got = source(path)
        assert got.code == FORMAT and name in got.message, (name, got.code, got.message)
        assert not got.frames


def no_video():
    sound = os.path.join(folder, "sound.m4a")
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", sound)
    got = source(sound)
    assert got.code == FORMAT and "sound.m4a: no video in it (1 stream, audio)" in got.message, got.message
    cover = os.path.join(folder, "cover.m4a")
    picture = os.path.join(folder, "cover.png")
    ffmpeg("-f", "lavfi", "-i", "testsrc2", "-frames:v", "1", picture)
    ffmpeg("-i", sound, "-i", picture, "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic", cover)
    got = source(cover)
    assert got.code == FORMAT and "cover" in got.message, got.message
    empty = os.path.join(folder, "frameless.mkv")
    ffmpeg("-i", clips()["h264_open_gop"], "-c", "copy", "-frames:v", "0", empty)
    got = source(empty)
    assert got.code == FORMAT and "frameless.mkv" in got.message, (got.code, got.message)


def bad_inputs():
    got = source(os.path.join(folder, "missing.mp4"))
    assert got.code == IO and "missing.mp4: No such file" in got.message, got.message
    bare = os.path.join(folder, "bare")
    os.makedirs(bare, exist_ok=True)
    got = source(bare)
    assert got.code == FORMAT and "no pictures in this folder" in got.message, got.message
    path = clips()["h264_bpyramid"]
    got = source(path, "option=nonsense=1")
    assert got.code == ARGUMENT and "nonsense" in got.message, got.message
    got = source(path, "option=nonsense")
    assert got.code == ARGUMENT and "KEY=VALUE" in got.message, got.message
    got = source(path, "format=nonsense")
    assert got.code == ARGUMENT and "nonsense" in got.message, got.message
    got = source("nonsense://example/x")
    assert got.code == UNSUPPORTED and "Protocol not found" in got.message, (got.code, got.message)
    colon = os.path.join(folder, "http:x.mp4")
    shutil.copy(path, colon)
    assert len(source(colon).frames) == 50, "a colon in a file's name"
    control = os.path.join(folder, "bad\x1b[31m.mp4")
    open(control, "wb").write(b"x" * 100)
    got = source(control)
    assert "\x1b" not in got.message and "bad?[31m" in got.message
    got = source(path, "cancel=10", "hold=0")
    assert got.code == CANCELLED and 9 <= len(got.frames) < 50, (got.code, len(got.frames))


def devices():
    got = source("lavfi:testsrc2=size=64x48:rate=10:duration=1")
    assert got.code == EOS and len(got.frames) == 10 and got.info["live"] == "0", (got.message, got.info)
    got = source("v4l2:/dev/video99")
    assert got.code in (IO, ARGUMENT) and "video99" in got.message, (got.code, got.message)


class Cut(http.server.BaseHTTPRequestHandler):
    """A live stream that breaks off: the n-th request gets the n-th piece, without a length."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        server.requests += 1
        if self.path.startswith("/silent"):
            threading.Event().wait()
        if self.path.startswith("/missing") or server.requests in server.refuses:
            self.send_error(404)
            return
        if self.path.startswith("/film"):
            data = server.film
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            return
        pieces = server.pieces
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.send_header("Connection", "close")
        self.end_headers()
        if pieces:
            self.wfile.write(pieces.pop(0))


class Server:
    def __enter__(self):
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cut)
        self.http.daemon_threads = True
        self.http.requests, self.http.pieces, self.http.refuses, self.http.film = 0, [], (), b""
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()


def live():
    data = open(make("live.ts", *x264, "-g", "5", "-bf", "2", size="160x120", seconds=4), "rb").read()
    whole = source(os.path.join(folder, "live.ts"))
    with Server() as server:
        server.http.film = open(clips()["h264_open_gop"], "rb").read()
        film = source(server.url + "/film.mkv")
        assert film.info["live"] == "0" and film.code == EOS and len(film.frames) == 50
        server.http.pieces = [data, data, data]
        server.http.requests, server.http.refuses = 0, (3,)
        got = source(server.url + "/live.ts", "reconnects=3")
        times = [t for t, _ in got.frames]
        assert got.info["live"] == "1" and got.code in (EOS, IO) and got.early, (got.info, got.code)
        assert got.code == EOS or "could not be made again" in got.message, got.message
        assert len(got.frames) == 3 * len(whole.frames) and got.reconnects == 2, (len(got.frames), got.reconnects)
        assert all(a < b for a, b in zip(times, times[1:])), "times go on after a break"
        n = len(whole.frames)
        assert times[n] > times[n - 1] and [h for _, h in got.frames[n:2 * n]] == [h for _, h in whole.frames], "frames after a break are whole"
        gap = (times[n] - times[n - 1]) / 90000
        assert 0.2 < gap < 60, f"the time that passed, in the times: {gap}"
        got = source(server.url + "/missing.ts", "reconnects=-1")
        assert got.code == IO and "404" in got.message, (got.code, got.message)
        got = source(server.url.replace("http://", "http://user:secret@") + "/silent.ts", "timeout=800", timeout=60)  # without an end otherwise
        assert got.code == IO and "nothing came for" in got.message, (got.code, got.message)
        assert "secret" not in got.message and "127.0.0.1" in got.message, got.message
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port
        got = source("tcp://127.0.0.1:{}".format(deaf.getsockname()[1]))
    assert got.code == IO and "refused" in got.message, got.message


def pushed():
    """Networks that push: what arrives is what was sent. All at the same time, since they take the time they show."""
    clip = os.path.join(folder, "pushed.mp4")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=2.4", "-f", "lavfi", "-i", "sine=duration=2.4", *x264, "-g", "10", "-c:a", "aac", clip)
    want = [h for _, h in source(clip).frames]
    protocols = subprocess.run(["ffmpeg", "-v", "error", "-protocols"], capture_output=True, text=True).stdout.split()
    p = {name: free_port(kind) for name, kind in (("srt", socket.SOCK_DGRAM), ("rtmp", socket.SOCK_STREAM), ("rtsp", socket.SOCK_STREAM),
                                                  ("udp", socket.SOCK_DGRAM))}
    pairs = {
        "srt": (f"srt://127.0.0.1:{p['srt']}?mode=listener", [], ["-f", "mpegts", f"srt://127.0.0.1:{p['srt']}"]),
        "rtmp": (f"rtmp://127.0.0.1:{p['rtmp']}/a/b", ["option=listen=1"], ["-f", "flv", f"rtmp://127.0.0.1:{p['rtmp']}/a/b"]),
        "rtsp": (f"rtsp://127.0.0.1:{p['rtsp']}/a", ["option=rtsp_flags=listen"], ["-rtsp_transport", "tcp", "-f", "rtsp", f"rtsp://127.0.0.1:{p['rtsp']}/a"]),
        "udp": (f"udp://127.0.0.1:{p['udp']}", ["timeout=8000"], ["-f", "mpegts", f"udp://127.0.0.1:{p['udp']}?pkt_size=1316"]),
    }
    results = {}

    def one(name):
        url, args, push = pairs[name]
        receiver = subprocess.Popen([runner, url, "reconnects=-1", "packets=1", *args], stdout=subprocess.PIPE, text=True)
        wait_for(lambda: is_bound(p[name]) or receiver.poll() is not None)
        subprocess.run(["ffmpeg", "-v", "quiet", "-nostdin", "-re", "-i", clip, "-c", "copy", *push], check=False)
        try:
            results[name] = Run(receiver.communicate(timeout=60)[0], 0, "")
        except subprocess.TimeoutExpired:
            receiver.kill()
            receiver.wait()

    threads = [threading.Thread(target=one, args=(name,)) for name in pairs if name == "rtsp" or name in protocols]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results, "nothing was tried"
    for name in pairs:
        if name != "rtsp" and name not in protocols:
            continue
        got = results.get(name)
        assert got, f"{name}: it hangs"
        have = [h for _, h in got.frames]
        assert len(have) >= len(want) - 12 and have == want[:len(have)] or have == want[-len(have):], f"{name}: {len(have)} frames, {got.message}"
        assert got.info["live"] == "1" and got.packets and got.early, (name, got.info)
    assert "nothing came for 8 seconds" in results["udp"].message, results["udp"].message
    playlist = os.path.join(folder, "p.m3u8")
    ffmpeg("-i", clip, "-c", "copy", "-f", "hls", "-hls_time", "1", "-hls_list_size", "0", playlist)
    got = source(playlist, "packets=1")
    assert [h for _, h in got.frames] == want and got.info["live"] == "0" and got.packets


def handles(pid, number):
    """Does a process do something of its own when that signal comes?"""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        caught = next(line.split()[1] for line in file if line.startswith("SigCgt:"))
    return int(caught, 16) >> (number - 1) & 1


def interrupted_wait():
    """A cancel is seen while nothing comes."""
    read, write = os.pipe()
    with subprocess.Popen([runner, "-"], stdin=read, stdout=subprocess.PIPE, text=True) as p:
        os.close(read)
        wait_for(handles, p.pid, signal.SIGUSR1)
        time.sleep(0.2)  # so that it waits by now, most likely
        p.send_signal(signal.SIGUSR1)
        out = p.communicate(timeout=60)[0]  # nothing else would end it
        assert "end -7" in out, out
    os.close(write)


sys.exit(run_cases([pictures, standard_input, damage, no_video, bad_inputs, devices, live, pushed, interrupted_wait]))
