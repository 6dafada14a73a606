#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Video jobs that run for long, or over a bad network: what only shows after minutes. Called by ./dev soak.

    rtsp     camera -> server -> framemill -> server -> viewer, 2 of 100 packets lost, 20 ms late (root; 5 minutes)
    srt      camera -> framemill -> viewer, the same (root; 5 minutes)
    memory   films without end, by a journal and straight into a muxer: memory must stay what it is (60 minutes)
    resume   jobs killed with SIGKILL and gone on with, over and over: the result must be the uninterrupted one's (60 minutes)

Usage: soak.py FRAMEMILL [WHAT|all] [MINUTES | --short], from the project's root."""
import fcntl
import os
import random
import re
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
sys.dont_write_bytecode = True
from film_kit import DONE, Skip, clip, ffmpeg, framemill, hashes, up, with_model  # noqa: E402
from live_kit import RATE, Film, Job, LossyLink, Program, counted_clip, offsets, receiver, sender, wait_for  # noqa: E402

LOSS, DELAY, JITTER = 0.02, 0.020, 0.005
NUMBERED_MINUTES = 40  # as far as the frames of a counted clip are told apart
GROWTH_MB = 4  # of memory, after its first fifth
WARM_FRAMES = 75  # that an encoder has in its hands, and more
LATENCY = 400000  # of SRT, microseconds
FAST = ("-e", "preset=ultrafast", "-e", "tune=zerolatency")
SMALL = ("-e", "preset=ultrafast", "-e", "crf=40", "--progress", "json")
figures = []


def figure(name, value, good=True):
    """A line of the report; what is not good fails the run."""
    figures.append(good)
    print(f"    {name:<44} {value}{'' if good else '   <- FAIL'}", flush=True)


# ---- memory ----


class Memory(threading.Thread):
    """Resident memory of a process, once in a while."""

    def __init__(self, pid, every):
        super().__init__(daemon=True)
        self.pid, self.every, self.samples, self.begun, self.ended = pid, every, [], time.monotonic(), False
        self.start()

    def run(self):
        while not self.ended:
            try:
                with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
                    found = re.search(r"VmRSS:\s+(\d+) kB", file.read())
            except OSError:
                return
            if found:
                self.samples.append((time.monotonic() - self.begun, int(found[1]) / 1024))
            time.sleep(self.every)

    def report(self, title, limit_mb):
        self.ended = True
        self.join()
        samples = self.samples[:-1]  # the last may be of a process that ends
        count = len(samples)
        if count < 20:
            return figure(f"{title}: memory", f"{count} samples: too few", False)
        warm = samples[count // 5 if limit_mb == GROWTH_MB else count // 2:]
        n = max(3, len(warm) // 10)
        first, last = (statistics.median(mb for _, mb in part) for part in (warm[:n], warm[-n:]))
        slope = statistics.linear_regression(*zip(*warm)).slope * 3600
        figure(f"{title}: memory", f"{first:.1f} MB at first, {last:.1f} MB at last, most {max(mb for _, mb in samples):.1f} MB")
        return figure(f"{title}: growth", f"{last - first:+.2f} MB in {(warm[-1][0] - warm[0][0]) / 60:.1f} minutes (slope {slope:+.2f} MB an hour; "
                      f"bar {limit_mb} MB)", last - first <= limit_mb)


# ---- a bad network ----


def ip(*words):
    done = subprocess.run(["ip", *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(map(str, words))}: {done.stderr.decode().strip()}")


class Tunnels(LossyLink):
    """Two network devices, between which packets are carried here: for kernels without netem."""

    def __init__(self, names):
        super().__init__(LOSS, DELAY, JITTER)
        self.files = []
        for name in names:
            self.files.append(os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
            fcntl.ioctl(self.files[-1], 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1001))  # TUNSETIFF: IFF_TUN | IFF_NO_PI

    def ends(self):
        return self.files

    def read(self, end):
        other = self.files[end == self.files[0]]
        try:
            self.take(os.read(end, 65536), lambda data: os.write(other, data))
        except OSError:
            pass

    def __exit__(self, *_):
        super().__exit__()
        for file in self.files:
            os.close(file)


class BadNetwork:
    """Two network namespaces, a bad line between them. Nothing of it is left."""

    def __init__(self):
        pid = os.getpid()
        self.names = [f"framemill-soak-{pid}-{end}" for end in "ab"]
        self.devices = [f"fms{pid}{end}" for end in "ab"]
        self.address = [f"10.213.{pid % 250}.{end}" for end in (1, 2)]
        self.link = None
        self.how = "tc netem"

    def inside(self, end):
        return "ip", "netns", "exec", self.names[end]

    def __enter__(self):
        if os.geteuid() != 0:
            raise Skip("network namespaces need root: sudo ./dev soak")
        if not shutil.which("ip"):
            raise Skip("no ip program (Debian: iproute2)")
        try:
            remove_left_over()
            for name in self.names:
                ip("netns", "add", name)
            if not self.by_netem():
                self.by_tunnels()
            for name, device, address in zip(self.names, self.devices, self.address):
                ip("-n", name, "addr", "add", f"{address}/30", "dev", device)
                ip("-n", name, "link", "set", "lo", "up")
                ip("-n", name, "link", "set", device, "up")
        except OSError as why:
            self.__exit__()
            raise Skip(f"no network to be made here: {why}") from None
        return self

    def by_netem(self):
        if not shutil.which("tc"):
            return False
        first, second = self.names
        ip("link", "add", self.devices[0], "netns", first, "type", "veth", "peer", "name", self.devices[1], "netns", second)
        for name, device in zip(self.names, self.devices):
            done = subprocess.run(["tc", "-n", name, "qdisc", "add", "dev", device, "root", "netem", "loss", f"{LOSS:.1%}", "delay", f"{DELAY * 1e3:.0f}ms",
                                   f"{JITTER * 1e3:.0f}ms"], capture_output=True, check=False)
            if done.returncode:
                ip("-n", first, "link", "del", self.devices[0])
                return False
        return True

    def by_tunnels(self):
        self.how = "our own line between two tunnels; this kernel has no netem"
        self.link = Tunnels(self.devices)
        for name, device in zip(self.names, self.devices):
            ip("link", "set", device, "netns", name)
        self.link.__enter__()

    def __exit__(self, *_):
        if self.link:
            self.link.__exit__()
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def remove_left_over():
    """Of runs that were killed."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False).stdout
    for name, pid in re.findall(r"^(framemill-soak-(\d+)-[ab])", listed, re.MULTILINE):
        if not os.path.exists(f"/proc/{pid}"):
            ip("netns", "del", name)


def judge(path, job, report, seconds, allowed, unsteady):
    """What the viewer kept of a run over a bad network."""
    film, apart = Film(path, unsteady), [float(x) * 1e3 for x in offsets(path, unsteady=unsteady)]
    figure("frames that arrived", f"{film.frames} in {seconds:.0f} s", film.frames > 0.9 * (seconds - 4) * RATE)  # the viewer joins late
    figure("in order, times rising", f"{film.in_order}, {film.rising}", film.in_order and film.rising)
    figure("missing", f"{film.missing}, {report['dropped']} of them dropped by framemill (bar {allowed} more)",
           film.missing <= report["dropped"] + allowed and report["dropped"] <= 0.01 * film.frames + 25)
    figure("cannot be read", f"{film.unclear} (bar {allowed})", film.unclear <= allowed)
    figure("time of a frame against its number", f"{film.drift * 1e3:.2f} ms over all, {film.jitter * 1e3:.2f} ms at most", film.drift < 0.002)
    half = len(apart) // 2
    if half < 2:
        figure("sound against picture", f"{len(apart)} beeps: too few", False)
    else:
        drift = statistics.median(apart[half:]) - statistics.median(apart[:half])
        figure("sound against picture", f"{min(apart):+.1f} to {max(apart):+.1f} ms at {len(apart)} beeps (bar 45 ms)",
               max(map(abs, apart)) < 45)
        figure("drift of sound against picture", f"{drift:+.2f} ms from the first half to the second (bar 1 ms)", abs(drift) < 1)
    patience = 5 if seconds >= 60 else 20  # a short run tells that it works, on whatever machine
    figure("longest time without a frame", f"{job.longest:.2f} s (bar {patience} s)", job.longest < patience)
    figure("connections made again", report["reconnects"], report["reconnects"] == 0)
    figure("Ctrl-C until the end", f"{job.ending:.2f} s (bar {patience} s)", job.ending < patience)


def over_network(folder, minutes, start):
    seconds = min(minutes, NUMBERED_MINUTES) * 60
    source = counted_clip(f"{folder}/in.mp4", int(seconds) + 40)
    with BadNetwork() as net:
        print(f"    {LOSS:.0%} lost, {DELAY * 1e3:.0f} ms +- {JITTER * 1e3:.0f} ms late, each way ({net.how})", flush=True)
        start(net, folder, source, seconds)
        if net.link:
            figure("packets on the line, lost", f"{net.link.count}, {net.link.lost}", net.link.lost > 0)


def watch(job, viewer, folder, seconds, allowed, unsteady=0):
    wait_for(job.reached, 60, 1)
    wait_for(os.path.exists, 30, f"{folder}/got.mkv")  # the viewer has seen what it is
    memory, begun = Memory(job.process.pid, 0.1 if seconds < 60 else 1), time.monotonic()
    while time.monotonic() - begun < seconds:
        assert job.process.poll() is None, f"framemill ended: {job.lines} {job.text}"
        time.sleep(0.2)
    report = job.stop()
    viewer.wait()
    judge(f"{folder}/got.mkv", job, report, seconds, allowed, unsteady)
    memory.report("framemill", GROWTH_MB if seconds > 120 else 4 * GROWTH_MB)


def rtsp(folder, minutes):
    def start(net, folder, source, seconds):
        server = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e", "rtsp_server.py")
        place = f"rtsp://{net.address[0]}:8554"
        tcp = ("--input-option", "rtsp_transport=tcp", "--output-option", "rtsp_transport=tcp")
        with Program(*net.inside(0), sys.executable, server, net.address[0], "8554", stdout=subprocess.PIPE) as program:
            program.process.stdout.readline()
            with sender(source, "-rtsp_transport", "tcp", "-f", "rtsp", f"{place}/in", before=net.inside(0)), \
                    Job(f"{place}/in", f"{place}/out", *tcp, *FAST, before=net.inside(1)) as job, \
                    receiver(f"{folder}/got.mkv", "-rtsp_transport", "tcp", "-i", f"{place}/out", before=net.inside(0)) as viewer:
                watch(job, viewer, folder, seconds, 0, 3 * RATE)

    over_network(folder, minutes, start)


def srt(folder, minutes):
    if "srt" not in subprocess.run(["ffmpeg", "-v", "error", "-protocols"], capture_output=True, text=True, check=True).stdout.split():
        raise Skip("this FFmpeg has no SRT")

    def start(net, folder, source, seconds):
        def place(port, mode):
            return f"srt://{net.address[0]}:{port}?mode={mode}&latency={LATENCY}"

        for tries in range(1, 6):
            with sender(source, "-f", "mpegts", place(7001, "listener"), before=net.inside(0)), \
                    receiver(f"{folder}/got.mkv", "-i", place(7002, "listener"), before=net.inside(0)) as viewer:
                time.sleep(1)
                with Job(place(7001, "caller"), place(7002, "caller"), *FAST, before=net.inside(1)) as job:
                    wait_for(lambda: job.frames or job.process.poll() is not None, 60)
                    if job.frames:
                        figure("tries until both were connected", tries)
                        return watch(job, viewer, folder, seconds, max(2, int(seconds * RATE * 0.002)))
        return figure("tries until both were connected", f"none of {tries}: {job.lines}", False)  # the very handshake may be lost, too

    over_network(folder, minutes, start)


# ---- memory of long jobs ----


def memory(folder, minutes):
    """A film of ten seconds over and over, as fast as it goes: 640x360 to 720p."""
    film = clip(f"{folder}/ten.mkv", "-c:v", "libx264", "-preset", "veryfast", "-c:a", "aac", size="640x360", frames=250, sound=True, source="testsrc")
    network = ("-m", "rt3", "--model-dir", "models")
    seconds, every, said = minutes * 30, 0.1 if minutes < 2 else 1, f"{folder}/said.txt"

    def made():
        with open(said, encoding="utf-8") as file:
            return [0, *map(int, re.findall(r'"finished": (\d+)', file.read()))][-1]

    def watched(title, process):
        wait_for(lambda: made() >= WARM_FRAMES or process.poll() is not None, 120)
        rss, begun = Memory(process.pid, every), time.monotonic()
        while time.monotonic() - begun < seconds and process.poll() is None:
            time.sleep(0.1)
        early = process.poll() is not None
        rss.report(title, GROWTH_MB if minutes >= 2 else 4 * GROWTH_MB)
        process.send_signal(signal.SIGINT)
        process.wait(60)
        with open(said, encoding="utf-8") as file:
            figure(f"{title}: frames", f"{made()}{' and an end: ' + file.read()[-200:] if early else ''}", made() >= WARM_FRAMES and not early)

    with open(f"{folder}/long.mkv", "w", encoding="ascii") as file:  # FFmpeg's list of files, by its content
        file.write("ffconcat version 1.0\n" + "file ten.mkv\n" * 20000)
    with open(said, "wb") as errors, subprocess.Popen([framemill, "upscale", f"{folder}/long.mkv", f"{folder}/out.mkv", *network, *SMALL],
                                                      stdout=subprocess.DEVNULL, stderr=errors) as process:
        watched("into a journal", process)
    with open(said, "wb") as errors, \
            subprocess.Popen(["ffmpeg", "-v", "error", "-nostdin", "-stream_loop", "-1", "-i", film, "-c", "copy", "-f", "mpegts", "-"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as endless, \
            subprocess.Popen([framemill, "upscale", "-", "-", "--format", "mpegts", *network, *SMALL], stdin=endless.stdout, stdout=subprocess.DEVNULL,
                             stderr=errors) as process:
        endless.stdout.close()
        watched("into a muxer", process)
        endless.kill()


# ---- jobs that are killed ----


def resume(folder, minutes):
    dice, until = random.Random(), time.monotonic() + minutes * 60
    rounds = kills = resumed = wrong = 0
    source = clip(f"{folder}/in.mkv", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-c:a", "aac", size="160x90", rate=5, frames=300, sound=True)
    ways = {"mkv": ("-c", "ffv1", "-s", "3"), "mp4": ("-e", "preset=superfast", "-e", "crf=0", "-s", "4")}
    want = {end: up(source, f"{folder}/want.{end}", "--hash", *options) for end, options in ways.items()}
    same = {end: hashes(f"{folder}/want.{end}") for end in ways}
    enough = until + 120  # for kills and jobs that were gone on with, of which there must be some
    while time.monotonic() < until or (not (kills and resumed) and time.monotonic() < enough):
        end = dice.choice(list(ways))
        out = f"{folder}/out.{end}"
        for _ in range(6):
            with subprocess.Popen([framemill, "upscale", source, out, *with_model(ways[end]), "--hash", "--resume", "-q"]) as job:
                reached, share = f"{out}.journal", dice.random() * want[end]["out_bytes"]
                while job.poll() is None and not (os.path.exists(reached) and os.path.getsize(reached) >= share):
                    time.sleep(0.002)
                job.kill()
            kills += job.returncode == -signal.SIGKILL
            if os.path.exists(out):
                break
        report = up(source, out, *ways[end], "--hash", "--resume") if not os.path.exists(out) else {"hash": want[end]["hash"], "resumed": 0}
        resumed += report["resumed"] > 0
        wrong += report["hash"] != want[end]["hash"] or hashes(out) != same[end] or os.path.exists(f"{out}.journal")
        os.remove(out)
        rounds += 1
    figure("jobs, kills", f"{rounds}, {kills}", kills > 0)
    figure("gone on from a point behind the start", resumed, resumed > 0)
    figure("results that are not the uninterrupted one's", wrong, wrong == 0)
    left = sorted(set(os.listdir(folder)) - {"in.mkv", *(f"want.{end}" for end in ways)})
    figure("files left behind", ", ".join(left) or "none", not left)


RUNS = {"rtsp": (rtsp, 5), "srt": (srt, 5), "memory": (memory, 60), "resume": (resume, 60)}
SHORT = {"rtsp": 0.2, "srt": 0.13, "memory": 0.1, "resume": 0.05}


def attempt(name, minutes):
    print(f"{name}: {minutes:g} minutes", flush=True)
    figures.clear()
    with tempfile.TemporaryDirectory(prefix="framemill-soak-") as folder:
        try:
            RUNS[name][0](folder, minutes)
        except Skip as why:
            print(f"{name}: SKIPPED: {why}", flush=True)
            return "skipped"
        except Exception as fault:  # whatever it stumbled over, it has failed; the others still run
            figure("it broke off", repr(fault), False)
    outcome = "passed" if figures and all(figures) else "failed"
    print(f"{name}: {'PASS' if outcome == 'passed' else 'FAIL'}", flush=True)
    return outcome


def main():
    words = [word for word in sys.argv[2:] if word != "--short"]
    minutes = [float(word) for word in words if re.fullmatch(r"[0-9.]+", word)]
    wanted = [word for word in words if not re.fullmatch(r"[0-9.]+", word)] or ["all"]
    if "all" in wanted:
        wanted = list(RUNS)
    unknown = [name for name in wanted if name not in RUNS]
    if unknown or len(minutes) > 1:
        print(f"soak: {' '.join(unknown) or 'one number of minutes'}? ({', '.join(RUNS)}, all)", file=sys.stderr)
        return 2
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so would all it starts
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is cleaned up
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(1))
    short = "--short" in sys.argv
    outcomes = [attempt(name, minutes[0] if minutes else SHORT[name] if short else RUNS[name][1]) for name in wanted]
    print(", ".join(f"{outcomes.count(kind)} {kind}" for kind in ("passed", "failed", "skipped")))
    return 1 if "failed" in outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
