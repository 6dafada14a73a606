#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""framemill models: networks found by name, and pulled from a server of our own that breaks off, stalls, changes its mind and lies.
Usage: test_models.py FRAMEMILL, from the project's root."""
import hashlib
import http.server
import json
import os
import pty
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

DONE, FAILED, USAGE, BAD_INPUT = range(4)
framemill = os.path.abspath(sys.argv[1])
ONNX = open("models/lanczos2x.onnx", "rb").read()
PARAM = b"7767517\n2 2\nInput in 0 1 data\nConvolution conv 1 1 data out 0=3 1=1 5=0 6=9\n"
BIN = struct.pack("<I9f", 0, 1, 0, 0, 0, 1, 0, 0, 0, 1)
NOISE = bytes((i * 2654435761 >> 7) & 255 for i in range(300000))  # no network, but large enough to be cut in places


def digest(content):
    return hashlib.sha256(content).hexdigest()


class File:
    """What the server has under a path, and how it hands it out."""

    def __init__(self, content, etag='"1"', modified=None, ranges=True, honest=True, status=200, location=None, length=True, cuts=(), stalls=(),
                 gate=None):
        self.content, self.etag, self.modified, self.ranges, self.honest, self.status = content, etag, modified, ranges, honest, status
        self.location, self.length, self.gate = location, length, gate  # gate: an event that comes before the content
        self.cuts, self.stalls = list(cuts), list(stalls)  # for the requests one after the other: bytes until it ends, or comes no further; None: does not


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        self.close_connection = True
        file = self.server.files.get(self.path.split("?")[0])
        if not file:
            return self.reply(404, {}, b"<html>not here</html>")
        if file.location:
            return self.reply(file.status, {"Location": file.location}, b"elsewhere")
        if file.status != 200:
            return self.reply(file.status, {}, b"<html>no</html>")
        headers = {name: value for name, value in (("ETag", file.etag), ("Last-Modified", file.modified)) if value}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        same = condition is None or condition in (file.etag, file.modified) or not file.honest
        begin, status, total = 0, 200, len(file.content)
        if asked and file.ranges and same:
            begin, status = int(asked.group(1)), 206
            headers["Content-Range"] = f"bytes {begin}-{total - 1}/{total}"
            if begin >= total:
                return self.reply(416, {"Content-Range": f"bytes */{total}"}, b"nothing left")
        cut = file.cuts.pop(0) if file.cuts else None
        stall = file.stalls.pop(0) if file.stalls else None
        if cut == 0:
            return None  # not even a head
        self.reply(status, headers, file.content[begin:], cut, stall, file)

    def reply(self, status, headers, body, cut=None, stall=None, file=None):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if not file or file.length:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        end = len(body) if cut is None else cut
        try:
            if stall is not None:
                self.wfile.write(body[:stall])
                self.wfile.flush()
                self.server.stop.wait()
                return
            if file and file.gate:
                file.gate.wait()
            self.wfile.write(body[:end])
        except (BrokenPipeError, ConnectionResetError):
            pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.seen, self.stop = files, [], threading.Event()
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.shutdown()
        self.server_close()

    def asked(self, path):
        """The headers of every request for a path."""
        return [headers for seen, headers in self.seen if seen == path]


def wait_for(what, *arguments):
    """Until what() is true."""
    until = time.monotonic() + 60
    while not what(*arguments):
        assert time.monotonic() < until, f"{what.__name__} is not true after a minute"
        time.sleep(0.01)


def environment(folder, **more):
    clean = {name: value for name, value in os.environ.items()
             if not name.lower().endswith("_proxy") and not name.startswith(("FM_MODELS", "FM_CATALOGUE", "FM_TIMEOUT", "XDG_"))}
    return {**clean, "HOME": folder, "XDG_CACHE_HOME": os.path.join(folder, "cache"), **more}


def run(folder, *arguments, **more):
    """(exit code, output, errors)"""
    done = subprocess.run([framemill, "models", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
                          env=environment(folder, **more))
    return done.returncode, done.stdout, done.stderr


def cached(folder, name=""):
    return os.path.join(folder, "cache/framemill/models", name)


def leftovers(folder):
    return sorted(os.listdir(cached(folder))) if os.path.isdir(cached(folder)) else []


def must(answer, code):
    assert answer[0] == code, answer
    return answer


def content(path):
    with open(path, "rb") as file:
        return file.read()


# ---- pulling by address ----

def plain_pull(folder):
    with Server({"/a/net.onnx": File(ONNX)}) as server:
        path = cached(folder, "net.onnx")
        assert must(run(folder, "pull", server.address + "/a/net.onnx", "--sha256", digest(ONNX).upper()), DONE)[1] == path + "\n"
        assert content(path) == ONNX and leftovers(folder) == ["net.onnx"]
        assert [headers.get("Range") for headers in server.asked("/a/net.onnx")] == [None]
        assert os.stat(path).st_mode & 0o777 == 0o666 & ~umask(), oct(os.stat(path).st_mode)
        # what is there and right is not fetched again
        assert must(run(folder, "pull", server.address + "/a/net.onnx", "--sha256", digest(ONNX)), DONE)[1] == path + "\n"
        assert len(server.seen) == 1


def umask():
    old = os.umask(0)
    os.umask(old)
    return old


def to_another_folder(folder):
    with Server({"/net.onnx": File(ONNX), "/net.onnx.sha256": File(digest(ONNX).encode())}) as server:
        there = os.path.join(folder, "one/two")
        assert must(run(folder, "pull", server.address + "/net.onnx", "-o", there), DONE)[1] == there + "/net.onnx\n"
        assert content(there + "/net.onnx") == ONNX and leftovers(folder) == []
        open(os.path.join(folder, "file"), "w").close()
        code, _, errors = run(folder, "pull", server.address + "/net.onnx", "-o", os.path.join(folder, "file"))
        assert code == FAILED and "file" in errors, errors


def checksum_beside_the_file(folder):
    files = {"/net.onnx": File(ONNX), "/net.onnx.sha256": File(digest(ONNX).encode() + b"  net.onnx\n")}
    with Server(files) as server:
        must(run(folder, "pull", server.address + "/net.onnx?token=1"), DONE)
        assert [path for path, _ in server.seen] == ["/net.onnx.sha256?token=1", "/net.onnx?token=1"]
        files["/net.onnx.sha256"].content = b"<html>login</html>"
        code, _, errors = run(folder, "pull", server.address + "/net.onnx", "--overwrite")
        assert code == BAD_INPUT and "net.onnx.sha256" in errors, errors
        assert content(cached(folder, "net.onnx")) == ONNX
        files["/net.onnx.sha256"].status = 503  # not the same as having none
        must(run(folder, "pull", server.address + "/net.onnx", "--overwrite", "--unchecked"), FAILED)


def without_a_checksum(folder):
    with Server({"/net.onnx": File(ONNX)}) as server:
        code, _, errors = run(folder, "pull", server.address + "/net.onnx")
        assert code == USAGE and "no checksum" in errors and "--unchecked" in errors, errors
        assert leftovers(folder) == [] and not server.asked("/net.onnx")
        must(run(folder, "pull", server.address + "/net.onnx", "--unchecked"), DONE)
        assert content(cached(folder, "net.onnx")) == ONNX
        code, _, errors = run(folder, "pull", server.address + "/net.onnx", "--unchecked")
        assert code == USAGE and "already" in errors, errors


def wrong_checksum_is_refused(folder):
    with Server({"/net.onnx": File(ONNX)}) as server:
        code, out, errors = run(folder, "pull", server.address + "/net.onnx", "--sha256", digest(b"other"))
        assert code == BAD_INPUT and not out and digest(ONNX) in errors and digest(b"other") in errors, errors
        assert leftovers(folder) == []
        code, _, errors = run(folder, "pull", server.address + "/net.onnx", "--sha256", "12")
        assert code == USAGE and "SHA-256" in errors, errors


def what_is_there_stays(folder):
    files = {"/net.onnx": File(ONNX)}
    with Server(files) as server:
        os.makedirs(cached(folder))
        open(cached(folder, "net.onnx"), "wb").write(b"mine")
        code, _, errors = run(folder, "pull", server.address + "/net.onnx", "--sha256", digest(ONNX))
        assert code == USAGE and "already" in errors and not server.seen, errors
        assert content(cached(folder, "net.onnx")) == b"mine"
        must(run(folder, "pull", server.address + "/net.onnx", "--sha256", digest(b"x"), "--overwrite"), BAD_INPUT)
        assert content(cached(folder, "net.onnx")) == b"mine" and leftovers(folder) == ["net.onnx"]
        must(run(folder, "pull", server.address + "/net.onnx", "--sha256", digest(ONNX), "--overwrite"), DONE)
        assert content(cached(folder, "net.onnx")) == ONNX
        os.mkdir(cached(folder, "dir.onnx"))
        files["/dir.onnx"] = File(ONNX)
        must(run(folder, "pull", server.address + "/dir.onnx", "--sha256", digest(ONNX), "--overwrite"), FAILED)


def no_network_after_all(folder):
    with Server({"/net.onnx": File(b"<html>login</html>")}) as server:
        code, out, errors = run(folder, "pull", server.address + "/net.onnx", "--unchecked")
        assert code == BAD_INPUT and out and "of no use" in errors, (out, errors)


def addresses_that_do_not_do(folder):
    with Server({"/net.zip": File(ONNX), "/%2e%2e%2fup.onnx": File(ONNX)}) as server:
        for what in ("ftp://127.0.0.1/net.onnx", "file:///etc/net.onnx", server.address + "/net.zip", server.address + "/", "http://", "x"):
            assert run(folder, "pull", what, "--unchecked")[0] == USAGE, what
        assert not server.seen
        must(run(folder, "pull", server.address + "/%2e%2e%2fup.onnx", "--unchecked"), DONE)
        assert leftovers(folder) == ["_._up.onnx"]
    for arguments in (("pull",), ("pull", "a", "b"), ("pull", "http://h/a.onnx", "--model-dir", folder), ("list", "x"), ("frobnicate",)):
        must(run(folder, *arguments), USAGE)


def server_says_no(folder):
    files = {"/gone.onnx": File(ONNX, status=410), "/broken.onnx": File(ONNX, status=500), "/odd.onnx": File(ONNX, status=204)}
    with Server(files) as server:
        for path, status in (("/none.onnx", 404), ("/gone.onnx", 410), ("/broken.onnx", 500), ("/odd.onnx", 204)):
            code, _, errors = run(folder, "pull", server.address + path, "--sha256", digest(ONNX))
            assert code == FAILED and f"{path}: the server answered {status}" in errors, errors
        assert leftovers(folder) == []


def server_is_off(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port
        address = f"http://user:secret@127.0.0.1:{taken.getsockname()[1]}/net.onnx"
        code, _, errors = run(folder, "pull", address, "--sha256", digest(ONNX))
    assert code == FAILED and "net.onnx: " in errors and errors.count("\n") == 1 and "secret" not in errors, errors
    code, _, errors = run(folder, "pull", "http://nobody.invalid/net.onnx", "--sha256", digest(ONNX))
    assert code == FAILED and "nobody.invalid" in errors, errors


def redirects(folder):
    files = {"/net.onnx": File(ONNX), "/1/r.onnx": File(b"", status=302, location="/net.onnx"),
             "/2/f.onnx": File(b"", status=302, location="file:///etc/passwd"), "/3/l.onnx": File(b"", status=301, location="/3/l.onnx")}
    with Server(files) as server:
        must(run(folder, "pull", server.address + "/1/r.onnx", "--sha256", digest(ONNX)), DONE)
        assert leftovers(folder) == ["r.onnx"]  # the name that was asked for
        must(run(folder, "pull", server.address + "/2/f.onnx", "--unchecked"), FAILED)
        code, _, errors = run(folder, "pull", server.address + "/3/l.onnx", "--sha256", digest(ONNX))
        assert code == FAILED and "redirect" in errors.lower() and len(server.asked("/3/l.onnx")) == 11, errors
        assert leftovers(folder) == ["r.onnx"]


# ---- going on ----

def cut_and_taken_up(folder):
    """One pull: the connection breaks twice, and only the rest is asked for."""
    with Server({"/net.onnx": File(ONNX, cuts=[100, 50])}) as server:
        must(run(folder, "pull", server.address + "/net.onnx", "--sha256", digest(ONNX)), DONE)
        asked = server.asked("/net.onnx")
        assert [headers.get("Range") for headers in asked] == [None, "bytes=100-", "bytes=150-"], asked
        assert [headers.get("If-Range") for headers in asked] == [None, '"1"', '"1"']
        assert content(cached(folder, "net.onnx")) == ONNX and leftovers(folder) == ["net.onnx"]


def leave_half(folder, server, path="/net.onnx", half=100):
    """A pull that ends with `half` bytes on the disk."""
    server.files[path].cuts = [half, 0]
    code, _, errors = run(folder, "pull", server.address + path, "--sha256", digest(ONNX))
    assert code == FAILED and path in errors, errors
    assert content(cached(folder, path[1:] + ".part")) == ONNX[:half]
    server.seen.clear()


def later_pull_goes_on(folder):
    for etag, modified, condition in (('"v"', None, '"v"'), (None, "Tue, 01 Jul 2025 10:00:00 GMT", "Tue, 01 Jul 2025 10:00:00 GMT"),
                                      ('W/"weak"', "Tue, 01 Jul 2025 10:00:00 GMT", "Tue, 01 Jul 2025 10:00:00 GMT")):
        with Server({"/net.onnx": File(ONNX, etag=etag, modified=modified)}) as server:
            leave_half(folder, server)
            must(run(folder, "pull", server.address + "/net.onnx", "--sha256", digest(ONNX)), DONE)
            assert [(h.get("Range"), h.get("If-Range")) for h in server.asked("/net.onnx")] == [("bytes=100-", condition)], server.seen
            assert content(cached(folder, "net.onnx")) == ONNX and leftovers(folder) == ["net.onnx"]
            os.remove(cached(folder, "net.onnx"))


def unknown_version_starts_anew(folder):
    with Server({"/net.onnx": File(ONNX, etag=None)}) as server:
        leave_half(folder, server)
        must(run(folder, "pull", server.address + "/net.onnx", "--sha256", digest(ONNX)), DONE)
        assert [headers.get("Range") for headers in server.asked("/net.onnx")] == [None]
        assert content(cached(folder, "net.onnx")) == ONNX


def changed_file_starts_anew(folder):
    """Whether the server heeds If-Range or not."""
    for honest, requests in ((True, 1), (False, 2)):
        with Server({"/net.onnx": File(NOISE, etag='"old"', cuts=[5000, 0])}) as server:
            must(run(folder, "pull", server.address + "/net.onnx", "--sha256", digest(ONNX)), FAILED)
            assert content(cached(folder, "net.onnx.part")) == NOISE[:5000]
            server.files["/net.onnx"] = File(ONNX + bytes(10000) if not honest else ONNX, etag='"new"', honest=honest)
            server.seen.clear()
            wanted = server.files["/net.onnx"].content
            run(folder, "pull", server.address + "/net.onnx", "--sha256", digest(wanted))
            assert content(cached(folder, "net.onnx")) == wanted
            assert len(server.asked("/net.onnx")) == requests, server.seen
            os.remove(cached(folder, "net.onnx"))


def servers_without_ranges(folder):
    with Server({"/net.onnx": File(ONNX, ranges=False)}) as server:
        leave_half(folder, server)
        must(run(folder, "pull", server.address + "/net.onnx", "--sha256", digest(ONNX)), DONE)
        assert content(cached(folder, "net.onnx")) == ONNX


def part_of_another_address(folder):
    with Server({"/net.onnx": File(NOISE, cuts=[5000, 0]), "/b/net.onnx": File(ONNX)}) as server:
        must(run(folder, "pull", server.address + "/net.onnx", "--sha256", digest(ONNX)), FAILED)
        must(run(folder, "pull", server.address + "/b/net.onnx", "--sha256", digest(ONNX)), DONE)
        assert [headers.get("Range") for headers in server.asked("/b/net.onnx")] == [None]
        assert content(cached(folder, "net.onnx")) == ONNX


def part_that_is_whole(folder):
    """The program ended between the last byte and the new name."""
    for sha256, requests in (("--sha256=" + digest(ONNX), 0), ("--unchecked", 1)):
        with Server({"/net.onnx": File(ONNX)}) as server:
            leave_half(folder, server)
            with open(cached(folder, "net.onnx.part"), "ab") as part:
                part.write(ONNX[100:])
            must(run(folder, "pull", server.address + "/net.onnx", sha256), DONE)
            assert len(server.asked("/net.onnx")) == requests, server.seen
            assert content(cached(folder, "net.onnx")) == ONNX and leftovers(folder) == ["net.onnx"]
            os.remove(cached(folder, "net.onnx"))


def part_that_is_too_long(folder):
    with Server({"/net.onnx": File(ONNX)}) as server:
        leave_half(folder, server)
        with open(cached(folder, "net.onnx.part"), "ab") as part:
            part.write(NOISE)
        must(run(folder, "pull", server.address + "/net.onnx", "--sha256", digest(ONNX)), DONE)
        assert [headers.get("Range") for headers in server.asked("/net.onnx")] == [f"bytes={100 + len(NOISE)}-", None]
        assert content(cached(folder, "net.onnx")) == ONNX


def damaged_notes(folder):
    for notes in (b"", b"\n\n", b"x" * 5000, b"\0\1\2", digest(b"").encode() + b"\n\"1\"\n", b'%s\n"1"\x0d\x0aEvil: 1\n'):
        with Server({"/net.onnx": File(ONNX)}) as server:
            leave_half(folder, server)
            url = hashlib.sha256((server.address + "/net.onnx").encode()).hexdigest().encode()
            open(cached(folder, "net.onnx.part.info"), "wb").write(notes.replace(b"%s", url))
            must(run(folder, "pull", server.address + "/net.onnx", "--sha256", digest(ONNX)), DONE)
            assert [headers.get("Range") for headers in server.asked("/net.onnx")] == [None], notes
            assert not any("Evil" in headers for headers in server.asked("/net.onnx"))
            os.remove(cached(folder, "net.onnx"))


def killed_and_taken_up(folder):
    with Server({"/net.onnx": File(NOISE, stalls=[60000])}) as server:
        arguments = [framemill, "models", "pull", server.address + "/net.onnx", "--sha256", digest(NOISE)]
        child = subprocess.Popen(arguments, env=environment(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        part = cached(folder, "net.onnx.part")
        wait_for(lambda: os.path.exists(part) and os.path.getsize(part) >= 40000)
        child.send_signal(signal.SIGKILL)
        child.wait()
        have = os.path.getsize(part)
        assert 40000 <= have <= 60000, have
        assert run(folder, "pull", server.address + "/net.onnx", "--sha256", digest(NOISE))[1]
        assert [headers.get("Range") for headers in server.asked("/net.onnx")] == [None, f"bytes={have}-"], server.seen
        assert content(cached(folder, "net.onnx")) == NOISE


def stalls(folder):
    with Server({"/net.onnx": File(ONNX, stalls=[200]), "/never.onnx": File(ONNX, stalls=[0] * 9)}) as server:
        must(run(folder, "pull", server.address + "/net.onnx", "--sha256", digest(ONNX), FM_TIMEOUT="1"), DONE)
        assert [headers.get("Range") for headers in server.asked("/net.onnx")] == [None, "bytes=200-"]
        code, _, errors = run(folder, "pull", server.address + "/never.onnx", "--sha256", digest(ONNX), FM_TIMEOUT="1")  # or run() says that it hangs
        assert code == FAILED and "never.onnx" in errors, errors


def length_unknown(folder):
    with Server({"/net.onnx": File(ONNX, length=False), "/cut.onnx": File(ONNX, length=False, cuts=[100])}) as server:
        must(run(folder, "pull", server.address + "/net.onnx", "--sha256", digest(ONNX)), DONE)
        assert content(cached(folder, "net.onnx")) == ONNX
        must(run(folder, "pull", server.address + "/cut.onnx", "--sha256", digest(ONNX)), BAD_INPUT)  # who could tell
        assert leftovers(folder) == ["net.onnx"]


def full_disk(folder):
    def small_disk():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))

    with Server({"/net.onnx": File(NOISE)}) as server:
        arguments = ["pull", server.address + "/net.onnx", "--sha256", digest(NOISE)]
        done = subprocess.run([framemill, "models", *arguments], preexec_fn=small_disk, env=environment(folder), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60)
        assert done.returncode == FAILED and "net.onnx.part: " in done.stderr, (done.returncode, done.stderr)
        assert not os.path.exists(cached(folder, "net.onnx"))
        run(folder, *arguments)
        assert content(cached(folder, "net.onnx")) == NOISE
        assert server.asked("/net.onnx")[-1].get("Range") == "bytes=50000-", server.seen


def has_open(pid, name):
    """Does a process have a file of that name open?"""
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            if os.readlink(f"/proc/{pid}/fd/{number}").endswith(f"/{name}"):
                return True
        except OSError:
            pass  # closed in between
    return False


def two_at_once(folder):
    """Who comes second finds nothing yet, and waits for the first."""
    for check in ("--sha256=" + digest(NOISE), "--unchecked"):
        gate = threading.Event()
        with Server({"/net.onnx": File(NOISE, gate=gate)}) as server:
            arguments = [framemill, "models", "pull", server.address + "/net.onnx", check]
            children = [subprocess.Popen(arguments, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                        for _ in range(3)]
            for child in children:
                wait_for(has_open, child.pid, "net.onnx.part")
            gate.set()
            answers = [child.communicate(timeout=60) + (child.returncode,) for child in children]
            for out, errors, code in answers:  # right, but no network
                assert code == BAD_INPUT and out == cached(folder, "net.onnx\n") and "of no use" in errors, answers
            assert len(server.asked("/net.onnx")) == 1, server.seen
            assert content(cached(folder, "net.onnx")) == NOISE and leftovers(folder) == ["net.onnx"]
            os.remove(cached(folder, "net.onnx"))


def folder_without_rights(folder):
    os.makedirs(cached(folder))
    os.chmod(folder, 0o755)
    os.chmod(cached(folder), 0o555)
    with Server({"/net.onnx": File(ONNX)}) as server:
        try:  # root may write anywhere: then it is done as nobody
            done = subprocess.run([framemill, "models", "pull", server.address + "/net.onnx", "--sha256", digest(ONNX)], text=True, timeout=60,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(folder), cwd="/",
                                  user=65534 if os.geteuid() == 0 else None)
        except PermissionError:
            raise Skip("nobody may not run the program")
        assert done.returncode == FAILED and "net.onnx.part: " in done.stderr and not server.seen, done.stderr


# ---- networks of several files ----

def param_brings_its_bin(folder):
    files = {"/n.param": File(PARAM), "/n.bin": File(BIN), "/n.param.sha256": File(digest(PARAM).encode())}
    with Server(files) as server:
        code, _, errors = run(folder, "pull", server.address + "/n.param")
        assert code == USAGE and "n.bin" in errors and leftovers(folder) == [], errors
        files["/n.bin.sha256"] = File(digest(b"other").encode())
        code, _, errors = run(folder, "pull", server.address + "/n.param")
        assert code == BAD_INPUT and "n.bin" in errors and "n.param" not in leftovers(folder), errors
        files["/n.bin.sha256"] = File(digest(BIN).encode())
        assert must(run(folder, "pull", server.address + "/n.param"), DONE)[1] == cached(folder, "n.param\n")
        assert content(cached(folder, "n.param")) == PARAM and content(cached(folder, "n.bin")) == BIN
        assert leftovers(folder) == ["n.bin", "n.param"]
        os.remove(cached(folder, "n.bin"))
        must(run(folder, "pull", server.address + "/n.param"), DONE)  # what is missing is brought
        assert content(cached(folder, "n.bin")) == BIN


def scales_share_weights(folder):
    files = {"/n-x2.param": File(PARAM), "/n-x3.bin": File(BIN)}
    with Server(files) as server:
        must(run(folder, "pull", server.address + "/n-x2.param", "--unchecked"), DONE)
        assert leftovers(folder) == ["n-x2.param", "n-x3.bin"], leftovers(folder)
    shutil.rmtree(cached(folder))
    files = {"/n-x2.param": File(PARAM), "/n-x4.bin": File(BIN), "/n-x4.bin.sha256": File(digest(BIN).encode())}
    with Server(files) as server:
        must(run(folder, "pull", server.address + "/n-x2.param", "--sha256", digest(PARAM)), DONE)
        assert leftovers(folder) == ["n-x2.param", "n-x4.bin"], leftovers(folder)
    shutil.rmtree(cached(folder))
    with Server({"/n-x2.param": File(PARAM)}) as server:
        code, _, errors = run(folder, "pull", server.address + "/n-x2.param", "--unchecked")
        assert code == FAILED and "n-x2.bin: the server answered 404" in errors, errors
        assert "n-x2.param" not in leftovers(folder)


# ---- catalogues ----

def line(server, name, file, path, data, size=None):
    return "\t".join((name, file, server.address + path, digest(data), str(len(data) if size is None else size), "MIT")) + "\n"


def by_name_from_a_catalogue(folder):
    with Server({"/1": File(ONNX), "/2": File(PARAM), "/3": File(BIN)}) as server:
        text = "# ours\n" + line(server, "small", "small.onnx", "/1", ONNX) + line(server, "conv", "conv.bin", "/3", BIN, "-") + \
            line(server, "conv", "conv.param", "/2", PARAM)
        path = os.path.join(folder, "list.tsv")
        open(path, "w").write(text)
        assert must(run(folder, "pull", "small", "--catalogue", path), DONE)[1] == cached(folder, "small.onnx\n")
        assert content(cached(folder, "small.onnx")) == ONNX
        assert must(run(folder, "pull", "conv", FM_CATALOGUE=path), DONE)[1] == cached(folder, "conv.param\n")
        assert leftovers(folder) == ["conv.bin", "conv.param", "small.onnx"]
        shutil.rmtree(cached(folder))
        server.files["/list.tsv"] = File(text.encode())
        must(run(folder, "pull", "small", "--catalogue", server.address + "/list.tsv"), DONE)
        assert leftovers(folder) == ["small.onnx"]
        os.remove(cached(folder, "small.onnx"))
        os.rename(path, cached(folder, "catalogue.tsv"))
        must(run(folder, "pull", "small"), DONE)
        code, _, errors = run(folder, "pull", "smal")
        assert code == USAGE and "come close: small" in errors, errors
        must(run(folder, "pull", "small", "--sha256", digest(b"x")), USAGE)  # it is there, and is another
        must(run(folder, "pull", "small", "--sha256", digest(b"x"), "--overwrite"), BAD_INPUT)
    code, _, errors = run(folder, "pull", "small", "--catalogue", server.address + "/list.tsv")
    assert code == FAILED and "list.tsv" in errors, errors


def catalogues_that_lie(folder):
    with Server({"/1": File(ONNX)}) as server:
        path = os.path.join(folder, "list.tsv")
        for text, code, part in ((line(server, "n", "n.onnx", "/1", NOISE), BAD_INPUT, "bytes"),
                                 (line(server, "n", "n.onnx", "/1", ONNX[:-1]), BAD_INPUT, "bytes"),
                                 (line(server, "n", "n.onnx", "/1", NOISE, "-"), BAD_INPUT, "SHA-256"),
                                 (line(server, "n", "n.onnx", "/none", ONNX), FAILED, "404"),
                                 (line(server, "n", "../n.onnx", "/1", ONNX), BAD_INPUT, "list.tsv:1"),
                                 ("n\tn.onnx\n", BAD_INPUT, "list.tsv:1"), ("\x7fELF\0\0", BAD_INPUT, "list.tsv:1")):
            open(path, "w").write(text)
            answer = must(run(folder, "pull", "n", "--catalogue", path), code)
            assert part in answer[2], (text, answer)
            assert leftovers(folder) == [], leftovers(folder)
    code, _, errors = run(folder, "pull", "n")
    assert code == USAGE and "no catalogue" in errors, errors
    must(run(folder, "pull", "n", "--catalogue", os.path.join(folder, "none.tsv")), FAILED)


# ---- what is here ----

def rows(folder, *arguments, **more):
    return [json.loads(row) for row in must(run(folder, "list", "--json", *arguments, **more), DONE)[1].splitlines()]


def list_shows_what_is_here(folder):
    own = os.path.join(folder, "own \"dir\"\n")
    os.makedirs(os.path.join(own, "sub"))
    os.makedirs(cached(folder))
    open(cached(folder, "net.onnx"), "wb").write(ONNX)
    open(os.path.join(own, "sub/net.onnx"), "wb").write(ONNX)
    open(os.path.join(own, "conv.param"), "wb").write(PARAM)
    open(os.path.join(own, "conv.bin"), "wb").write(BIN)
    open(os.path.join(own, "broken.onnx"), "wb").write(b"hello")
    found = [row for row in rows(folder, "--model-dir", own) if row["where"] != "shipped"]
    assert [(row["name"], row["where"], row["shadowed"]) for row in found] == \
        [("broken", "given", False), ("conv", "given", False), ("net", "given", False), ("net", "cache", True)], found
    assert [row["path"] for row in found][2:] == [own + "/sub/net.onnx", cached(folder, "net.onnx")], found
    assert "broken.onnx" in found[0]["error"] and found[0]["scale"] is None and found[0]["parameters"] is None
    assert (found[2]["scale"], found[2]["parameters"], found[2]["error"]) == (2.0, 590, None) and "ONNX" in found[2]["format"]
    assert found[1]["parameters"] == 9 and found[1]["format"] == "ncnn"
    assert [row["where"] for row in rows(folder, FM_MODELS=own)][:3] == ["FM_MODELS"] * 3
    text = must(run(folder, "list", "--model-dir", own), DONE)[1]
    assert re.search(r"^net +x2 +590 +cache +/", text, re.M) and "cannot be used: " in text and 'own "dir"?/' in text, text
    code, _, errors = run(folder, "list", "--model-dir", os.path.join(folder, "none"))
    assert code == BAD_INPUT and "none" in errors, errors


def info_by_name(folder):
    with Server({"/net.onnx": File(ONNX)}) as server:
        must(run(folder, "pull", server.address + "/net.onnx", "--unchecked"), DONE)
    assert "parameters 590" in must(run(folder, "info", "net"), DONE)[1]
    assert "parameters 590" in must(run(folder, "info", "net.onnx"), DONE)[1]
    code, _, errors = run(folder, "info", "nett")
    assert code == BAD_INPUT and "come close: net;" in errors and cached(folder)[:-1] in errors, errors
    other = os.path.join(folder, "other")
    os.mkdir(other)
    open(os.path.join(other, "net.onnx"), "wb").write(b"broken")
    code, _, errors = run(folder, "info", "net", "--model-dir", other)
    assert code == BAD_INPUT and other in errors, errors


def shipped_beside_the_program(folder):
    """The program where it is installed, and where an archive was unpacked."""
    for program, models in (("usr/bin", "usr/share/framemill/models"), ("archive", "archive/models"), ("tree/build", "tree/models")):
        os.makedirs(os.path.join(folder, program))
        os.makedirs(os.path.join(folder, models))
        open(os.path.join(folder, models, "net.onnx"), "wb").write(ONNX)
        copy = shutil.copy(framemill, os.path.join(folder, program))
        done = subprocess.run([copy, "models", "list", "--json"], stdout=subprocess.PIPE, text=True, env=environment(folder), timeout=60)
        found = [json.loads(row) for row in done.stdout.splitlines()]
        assert [(row["where"], row["path"]) for row in found] == [("shipped", os.path.realpath(os.path.join(folder, models, "net.onnx")))], found


def progress_on_a_terminal(folder):
    with Server({"/net.onnx": File(ONNX)}) as server:
        leader, follower = pty.openpty()
        done = subprocess.run([framemill, "models", "pull", server.address + "/net.onnx", "--unchecked"], stdout=subprocess.PIPE,
                              stderr=follower, text=True, env=environment(folder), timeout=60)
        os.close(follower)
        text = os.read(leader, 65536).decode()
        os.close(leader)
        assert done.returncode == DONE and done.stdout == cached(folder, "net.onnx\n"), (done.stdout, text)
        assert "net.onnx" in text and "100 %" in text and text.endswith("\r"), repr(text)
        assert not must(run(folder, "pull", server.address + "/net.onnx", "--unchecked", "--overwrite"), DONE)[2]


def without_libcurl(folder):
    """A file that is no library, under its name, where the loader looks first."""
    for name in ("libcurl.so.4", "libcurl-gnutls.so.4"):
        open(os.path.join(folder, name), "wb").write(b"no library at all" * 100)
    code, _, errors = run(folder, "pull", "http://127.0.0.1:9/net.onnx", "--unchecked", LD_LIBRARY_PATH=folder)
    assert code == FAILED and "libcurl" in errors and errors.count("\n") == 1, errors


class Skip(Exception):
    pass


CASES = (plain_pull, to_another_folder, checksum_beside_the_file, without_a_checksum, wrong_checksum_is_refused, what_is_there_stays,
         no_network_after_all, addresses_that_do_not_do, server_says_no, server_is_off, redirects, cut_and_taken_up, later_pull_goes_on,
         unknown_version_starts_anew, changed_file_starts_anew, servers_without_ranges, part_of_another_address, part_that_is_whole,
         part_that_is_too_long, damaged_notes, killed_and_taken_up, stalls, length_unknown, full_disk, two_at_once, folder_without_rights,
         param_brings_its_bin, scales_share_weights, by_name_from_a_catalogue, catalogues_that_lie, list_shows_what_is_here, info_by_name,
         shipped_beside_the_program, progress_on_a_terminal, without_libcurl)


def main():
    passed = failed = skipped = 0
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            try:
                case(os.path.realpath(folder))
                passed += 1
            except Skip as reason:
                print(f"skipped: {case.__name__}: {reason}", file=sys.stderr)
                skipped += 1
            except Exception as fault:  # a case that stumbles has failed, whatever it stumbled over
                where = fault.__traceback__
                while where.tb_next:
                    where = where.tb_next
                print(f"FAILED {case.__name__} (line {where.tb_lineno}): {fault!r}", file=sys.stderr)
                failed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


sys.exit(main())
