#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Live video on loopback: pushed, read, broken off, lost on the way, too much for the machine. Frames carry their number and the sound beeps
once a second, so what arrives is measured, not believed. Usage: test_video_live.py FRAMEMILL [CASE...] [--times], from the project's root."""
import functools
import http.server
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
from film_kit import DONE, FAILED, Skip, ffmpeg, framemill, hashes, main, nothing_but, others, probe, refused, run, same_times, soft, times, up
from live_kit import RATE, Film, Job, LossyPort, Program, beeps, counted_clip, offsets, receiver, sender, wait_for
from ports import free_port, is_bound
from rtsp_server import RtspServer

FAST = ("-e", "preset=ultrafast", "-e", "tune=zerolatency")
NETWORKS = ("-m", "piper", "--model-dir", "models")
ENDS = 20  # a job that is told to end does so within so many seconds, on any machine; without being told it would not
TOGETHER = 0.045  # sound may be so far from the picture, seconds: one frame, and what protocols round
protocols = set(subprocess.run(["ffmpeg", "-v", "error", "-protocols"], capture_output=True, text=True, check=False).stdout.split())


def needs(protocol):
    if protocol not in protocols:
        raise Skip(f"this FFmpeg has no {protocol}")


def check(path, least, missing=0, unclear=0, unsteady=0):
    """What arrived: in order, at its own times, with its sound."""
    film = Film(path, unsteady)
    assert film.frames >= least and film.in_order and film.rising, (path, film.frames, film.in_order, film.rising)
    assert film.missing <= missing and film.unclear <= unclear, (path, film.missing, film.unclear, film.frames)
    apart = offsets(path, unsteady=unsteady)
    assert len(apart) >= (film.frames - unsteady) // RATE - 2 and max(map(abs, apart), default=0) < TOGETHER, (path, film.frames, [float(x) for x in apart])
    return film


def pushed_file(folder, port, output, listening, *options):
    """A file is pushed as fast as it happens: all of it arrives, the sound as it was."""
    with receiver(f"{folder}/got.mkv", *listening, "-i", output.replace("caller", "listener")) as peer:
        wait_for(is_bound, 60, port)
        begun = time.monotonic()
        code, _, errors = run(FILM, output, "-m", "lanczos", *FAST, *options)
        took = time.monotonic() - begun
        peer.wait()
    assert code == DONE and took > 2.5 and "cannot hold" not in errors, (code, took, errors)
    film = check(f"{folder}/got.mkv", 60, unsteady=5 if "rtsp" in output else 0)
    assert film.jitter < 0.002 and film.drift < 0.002, (film.jitter, film.drift)
    sound, every = ([line[-1] for line in others(path, False)] for path in (f"{folder}/got.mkv", FILM))
    if "srt" not in output:  # MPEG-TS wraps every packet of AAC
        assert len(sound) >= 110 and set(sound) <= set(every), (len(sound), len(every))


def rtsp_push(folder):
    port = free_port()
    pushed_file(folder, port, f"rtsp://127.0.0.1:{port}/a", ("-rtsp_flags", "listen"), "--output-option", "rtsp_transport=tcp")


def rtmp_push(folder):
    needs("rtmp")
    port = free_port()
    pushed_file(folder, port, f"rtmp://127.0.0.1:{port}/a/b", ("-listen", "1"))


def srt_push(folder):
    needs("srt")
    port = free_port(socket.SOCK_DGRAM)
    pushed_file(folder, port, f"srt://127.0.0.1:{port}?mode=caller", ())


def breaks_once(path, report):
    """The clip began anew in the middle, at a later time; else all is in order. What was dropped or cut off in the making is missing."""
    film = Film(path, unsteady=5)
    back = [i + 1 for i, (a, b) in enumerate(zip(film.numbers, film.numbers[1:])) if b < a]
    assert not film.falling and len(back) == 1 and min(back[0], len(film.numbers) - back[0]) > 20, (film.falling, back, film.numbers)
    assert film.missing <= report["dropped"] + 12 and film.unclear <= 12, (film.missing, film.unclear, report)  # 12: what hung on a lost key frame
    known = [at for at, number in film.shown if number is not None]
    gap = known[back[0]] - known[back[0] - 1]
    assert 0.1 < gap < 100, float(gap)
    apart = sorted(map(abs, offsets(path, unsteady=RATE)))  # RTSP is unsteady once more after the break
    assert len(apart) >= 2 and apart[-1] < 0.2 and apart[len(apart) // 2] < TOGETHER, [float(x) for x in apart]
    return film


def rtsp_loop(folder):
    """Camera, server, framemill, server, viewer; the camera is killed and comes back."""
    server = RtspServer()
    camera = ("-rtsp_transport", "tcp", "-f", "rtsp", server.url("in"))
    tcp = ("--input-option", "rtsp_transport=tcp", "--output-option", "rtsp_transport=tcp")
    with sender(CAMERA, *camera) as first, Job(server.url("in"), server.url("out"), *tcp, *FAST) as job:
        wait_for(job.reached, 90, 5)
        with receiver(f"{folder}/got.mkv", "-rtsp_transport", "tcp", "-i", server.url("out")) as viewer:
            wait_for(lambda: server.find("/out").players, 60)
            wait_for(job.reached, 90, job.frames + 75)  # with a key frame among them
            first.kill()
            with sender(CAMERA, *camera):
                before = job.frames
                wait_for(job.reached, 90, before + 90)
                report = job.stop()
            viewer.wait(90)
    server.close()
    assert report["reconnects"] == 1 and job.said("connected again"), (report, job.lines)
    assert job.ending < ENDS, job.ending
    breaks_once(f"{folder}/got.mkv", report)


def rtsp_over_udp(folder):
    """As most cameras send; into a file that is whole after Ctrl-C, though nothing comes any more."""
    server = RtspServer()
    with sender(CAMERA, "-rtsp_transport", "tcp", "-f", "rtsp", server.url("in")) as camera:
        with Job(server.url("in"), f"{folder}/out.mp4", "--input-option", "rtsp_transport=udp", *FAST) as job:
            wait_for(job.reached, 90, 75)
            camera.process.send_signal(signal.SIGSTOP)
            time.sleep(0.5)
            report = job.stop()
    server.close()
    film = check(f"{folder}/out.mp4", 75, missing=report["dropped"], unsteady=25)
    assert job.ending < ENDS and film.frames == report["frames"] and film.jitter < 0.002, (film.frames, film.jitter, report)
    nothing_but(folder, "out.mp4")


def srt_comes_back(folder):
    """Read over SRT; the sender is killed and comes back; times go on, Ctrl-C ends the file well."""
    needs("srt")
    port = free_port(socket.SOCK_DGRAM)
    camera = ("-f", "mpegts", f"srt://127.0.0.1:{port}?mode=listener")
    with sender(CAMERA, *camera) as first:
        wait_for(is_bound, 60, port)
        with Job(f"srt://127.0.0.1:{port}?mode=caller&timeout=3000000", f"{folder}/out.mkv", *FAST) as job:
            wait_for(job.reached, 90, 50)
            first.kill()
            with sender(CAMERA, *camera):
                before = job.frames
                wait_for(job.reached, 90, before + 50)
                report = job.stop()
    assert report["reconnects"] >= 1 and job.said("connected again"), (report, job.lines)
    assert breaks_once(f"{folder}/out.mkv", report).frames == report["frames"], report
    nothing_but(folder, "out.mkv")


def srt_with_loss(folder):
    """Two of a hundred packets lost, the rest late and out of order: SRT asks for them again, and every frame is there."""
    needs("srt")
    port = free_port(socket.SOCK_DGRAM)
    with sender(CAMERA, "-f", "mpegts", f"srt://127.0.0.1:{port}?mode=listener&latency=4000000"), LossyPort(port) as link:
        wait_for(is_bound, 60, port)
        with Job(f"srt://127.0.0.1:{link.port}?mode=caller&latency=4000000", f"{folder}/out.mkv", *FAST) as job:
            wait_for(job.reached, 90, 100)
            report = job.stop()
    assert link.lost > 3 and report["reconnects"] == 0, (link.lost, link.count, report)
    check(f"{folder}/out.mkv", 100, missing=report["dropped"] + 2, unclear=1)


def rtmp_read(folder):
    needs("rtmp")
    port = free_port()
    url = f"rtmp://127.0.0.1:{port}/a/b"
    with Job(url, f"{folder}/out.flv", "--input-option", "listen=1", "--input-option", "timeout=120", *FAST) as job:
        wait_for(is_bound, 60, port)
        with sender(CAMERA, "-f", "flv", url):
            wait_for(job.reached, 90, 75)
            report = job.stop()
    check(f"{folder}/out.flv", 75, missing=report["dropped"])


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def serve(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=folder))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}"


def hls(folder):
    """A playlist that grows; then the same one with its end, which is a film like any other."""
    os.mkdir(f"{folder}/web")
    server, url = serve(f"{folder}/web")
    with sender(CAMERA, "-f", "hls", "-hls_time", "0.5", "-hls_list_size", "60", "-hls_flags", "delete_segments", f"{folder}/web/live.m3u8"):
        wait_for(os.path.exists, 60, f"{folder}/web/live.m3u8")
        with Job(f"{url}/live.m3u8", f"{folder}/out.mkv", *FAST) as job:
            wait_for(job.reached, 90, 75)
            report = job.stop()
    check(f"{folder}/out.mkv", 75, missing=report["dropped"])
    ffmpeg("-i", FILM, "-c", "copy", "-hls_time", "1", "-hls_list_size", "0", f"{folder}/web/film.m3u8")
    report = up(f"{url}/film.m3u8", f"{folder}/film.mkv", *FAST)
    assert report["dropped"] == 0 and check(f"{folder}/film.mkv", 70).frames == report["frames"], report
    server.shutdown()


def http_film(folder):
    """A film on a server is a film: nothing dropped, the same frames."""
    os.mkdir(f"{folder}/web")
    os.link(FILM, f"{folder}/web/film.mp4")
    server, url = serve(f"{folder}/web")
    here, there = (up(path, f"{folder}/{name}.mkv", "--hash", *FAST) for path, name in ((FILM, "here"), (f"{url}/film.mp4", "there")))
    assert there["frames"] == 75 and there["dropped"] == 0 and here["hash"] == there["hash"], (here, there)
    same_times(f"{folder}/here.mkv", f"{folder}/there.mkv")
    assert others(f"{folder}/here.mkv") == others(f"{folder}/there.mkv")
    refused(3, "404", f"{url}/missing.mp4", f"{folder}/no.mkv")
    server.shutdown()


def too_slow(folder):
    """A budget that no network keeps: down the ladder, said, at most a step a second; frames keep coming."""
    needs("srt")
    port = free_port(socket.SOCK_DGRAM)
    with sender(CAMERA, "-f", "mpegts", f"srt://127.0.0.1:{port}?mode=listener"):
        wait_for(is_bound, 60, port)
        with Job(f"srt://127.0.0.1:{port}?mode=caller", f"{folder}/out.mkv", *NETWORKS, "--budget", "0.1", *FAST) as job:
            wait_for(job.reached, 90, 100)
            report = job.stop()
    steps = job.said("instead of")
    assert report["steps"] == len(steps) >= 1 and all("frame " in step["message"] for step in steps), (report, job.lines)
    assert report["model"] == "lanczos" or "Lanczos" in report["how"], report
    assert check(f"{folder}/out.mkv", 100, missing=report["dropped"]).frames == report["frames"], report
    report = up(CAMERA, f"{folder}/file.mkv", *NETWORKS, "--realtime", "--budget", "0.1", "--duration", "8", *FAST)
    assert report["frames"] == 200 and report["steps"] >= 1 and report["dropped"] == 0 and "instead of" in report["errors"], report


def nobody_there(folder):
    """Ctrl-C while nothing has come yet, and while the peer of a push has fallen asleep."""
    port = free_port()
    with Program(framemill, "upscale", f"tcp://127.0.0.1:{port}?listen=1", f"{folder}/out.mkv", "-m", "lanczos") as job:
        time.sleep(0.5)
        begun = time.monotonic()
        job.kill(signal.SIGINT)
        assert time.monotonic() - begun < ENDS
    nothing_but(folder)
    with socket.create_server(("127.0.0.1", 0)) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        url = "tcp://127.0.0.1:{}?send_buffer_size=4096".format(peer.getsockname()[1])
        with Program(framemill, "upscale", CAMERA, url, "-m", "lanczos", "-s", "4", "-c", "rawvideo", "--format", "nut") as job:
            connection, _ = peer.accept()  # and never reads
            time.sleep(1)
            begun = time.monotonic()
            code, errors = job.kill(signal.SIGINT)
            assert time.monotonic() - begun < ENDS and code == FAILED and "cancelled" in errors, (code, errors)
            connection.close()


def peer_goes(folder):
    """The viewer of a push is killed: a clear message, no hang."""
    needs("rtmp")
    port = free_port()
    url = f"rtmp://127.0.0.1:{port}/a/b"
    with Program("ffmpeg", "-v", "error", "-nostdin", "-y", "-listen", "1", "-i", url, "-c", "copy", f"{folder}/got.flv") as peer:
        wait_for(is_bound, 60, port)
        with Program(framemill, "upscale", CAMERA, url, "-m", "lanczos", *FAST) as job:
            wait_for(os.path.exists, 60, f"{folder}/got.flv")
            peer.kill()
            code, errors = job.wait(60)
    assert code == FAILED and "cannot be written" in errors, (code, errors)


CASES = (rtsp_push, rtmp_push, srt_push, rtsp_loop, rtsp_over_udp, srt_comes_back, srt_with_loss, rtmp_read, hls, http_film, too_slow, nobody_there,
         peer_goes)

with tempfile.TemporaryDirectory() as shelf:
    CAMERA = counted_clip(f"{shelf}/camera.mp4", 15)
    FILM = counted_clip(f"{shelf}/film.mp4", 3, "-movflags", "+faststart")
    main(CASES, at_once=4)
