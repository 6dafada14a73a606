#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""framemill upscale as a user meets it: files, folders, names, refusals, reports. What happens to pixels is tested elsewhere; here the
pictures are small and plain. Usage: test_upscale_cli.py FRAMEMILL, from the project's root."""
import json
import os
import pty
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import zlib

MODELS = os.path.abspath("models")
MODEL = os.path.join(MODELS, "lanczos2x.onnx")
DONE, FAILED, USAGE, BAD_INPUT = range(4)
PNG = b"\x89PNG\r\n\x1a\n"
framemill = os.path.abspath(sys.argv[1])


def run(*arguments, cwd=None, **environment):
    """(exit code, output, errors) of framemill upscale"""
    done = subprocess.run([framemill, "upscale", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                          cwd=cwd, env={**os.environ, **environment})
    return done.returncode, done.stdout, done.stderr


def up(*arguments, **more):
    """The same with the shipped network; it must go well."""
    code, text, errors = run("-m", MODEL, *arguments, **more)
    assert code == DONE, (arguments, code, text, errors)
    return text, errors


def png(path, width=12, height=8, colour=(200, 100, 50), noise=False):
    """Writes a picture of 8-bit RGB and makes the folders above it."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    dice = random.Random(1)
    rows = b"".join(b"\0" + (dice.randbytes(3 * width) if noise else bytes(colour) * width) for _ in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    with open(path, "wb") as file:
        file.write(PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                   chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))
    return path


def read_png(path):
    """(width, height, channels, rows) of an 8-bit picture that is not interlaced"""
    data = open(path, "rb").read()
    assert data[:8] == PNG and data[-8:-4] == b"IEND", path
    width, height, bits, kind, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    assert bits == 8 and not interlaced
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[kind]
    packed, at = b"", 8
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at:at + 8])
        packed += data[at + 8:at + 8 + length] if name == b"IDAT" else b""
        at += 12 + length
    raw, stride = zlib.decompress(packed), width * channels
    rows, above = [], bytearray(stride)
    for y in range(height):
        method, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride):
            left, up_left = (line[x - channels], above[x - channels]) if x >= channels else (0, 0)
            guess = left + above[x] - up_left
            near = min((abs(guess - left), 0, left), (abs(guess - above[x]), 1, above[x]), (abs(guess - up_left), 2, up_left))[2]
            line[x] = line[x] + (0, left, above[x], (left + above[x]) // 2, near)[method] & 255
        rows.append(bytes(line))
        above = line
    return width, height, channels, rows


def size_of(path):
    data = open(path, "rb").read(24)
    assert data[:8] == PNG, path
    return struct.unpack(">II", data[16:24])


def tree(folder):
    """Everything below a folder, files and folders, as relative paths."""
    found = []
    for here, folders, files in os.walk(folder):
        found += [os.path.relpath(os.path.join(here, name), folder) for name in files + folders]
    return sorted(found)


def files_of(text):
    """The list of the JSON report, by the input's name without its folders."""
    return {os.path.basename(entry["input"]): entry for entry in json.loads(text)["files"]}


def file_to_file(folder):
    path = png(f"{folder}/in.png")
    text, errors = up(path, f"{folder}/out.png")
    assert text == "" and "in.png" not in errors, (text, errors)
    width, height, channels, rows = read_png(f"{folder}/out.png")
    assert (width, height, channels) == (24, 16, 3)
    assert set(rows) == {bytes((200, 100, 50)) * 24}, "a plain picture stays plain"
    assert tree(folder) == ["in.png", "out.png"]
    up(path, f"{folder}/new/place/out.png")
    assert size_of(f"{folder}/new/place/out.png") == (24, 16)
    up(path, "-s", "1.5", f"{folder}/half.png")
    assert size_of(f"{folder}/half.png") == (18, 12)


def file_to_folder(folder):
    path = png(f"{folder}/in.png")
    os.mkdir(f"{folder}/there")
    up(path, f"{folder}/there")
    up(path, f"{folder}/made/")
    assert size_of(f"{folder}/there/in.png") == size_of(f"{folder}/made/in.png") == (24, 16)
    png(f"{folder}/noend")
    os.rename(f"{folder}/noend", f"{folder}/photo.v2")  # named by the user: tried whatever it is called
    up(f"{folder}/photo.v2", f"{folder}/made")
    assert size_of(f"{folder}/made/photo.v2.png") == (24, 16)


def folder_to_folder(folder):
    for name in ("b.png", "a.png", "deep/er/c.png", "deep/d.PNG", ".hidden.png", ".secret/e.png"):
        png(f"{folder}/in/{name}")
    open(f"{folder}/in/notes.txt", "w").write("no picture")
    os.mkdir(f"{folder}/in/empty")
    text, _ = up(f"{folder}/in", f"{folder}/out", "--json")
    assert tree(f"{folder}/out") == ["a.png", "b.png", "deep", "deep/d.PNG", "deep/er", "deep/er/c.png"]
    report = json.loads(text)
    assert [os.path.relpath(entry["input"], f"{folder}/in") for entry in report["files"]] == ["a.png", "b.png", "deep/d.PNG", "deep/er/c.png"]
    assert report["left_out"] == 3 and report["done"] == 4, report
    _, errors = up(f"{folder}/in/", f"{folder}/out2/", "-v")
    assert "4 pictures in" in errors and "3 other files left out" in errors, errors
    assert tree(f"{folder}/out2") == tree(f"{folder}/out")


def loops_and_links(folder):
    png(f"{folder}/in/real/a.png")
    png(f"{folder}/elsewhere/b.png")
    os.symlink("..", f"{folder}/in/real/loop")
    os.symlink("real", f"{folder}/in/again")
    os.symlink(f"{folder}/elsewhere", f"{folder}/in/outside")
    os.symlink("nowhere", f"{folder}/in/dangling.png")
    os.symlink("real/a.png", f"{folder}/in/link.png")
    os.mkfifo(f"{folder}/in/pipe.png")
    up(f"{folder}/in", f"{folder}/out")
    assert tree(f"{folder}/out") == ["link.png", "outside", "outside/b.png", "real", "real/a.png"]


def output_inside_input(folder):
    png(f"{folder}/in/a.png")
    up(f"{folder}/in", f"{folder}/in/out")
    up(f"{folder}/in", f"{folder}/in/out", "--overwrite")
    assert tree(f"{folder}/in") == ["a.png", "out", "out/a.png"]


def several_inputs(folder):
    png(f"{folder}/a.png")
    png(f"{folder}/one/b.png")
    png(f"{folder}/two/b.png")
    up(f"{folder}/a.png", f"{folder}/one", f"{folder}/two/", f"{folder}/out")
    assert tree(f"{folder}/out") == ["a.png", "one", "one/b.png", "two", "two/b.png"]
    up("-i", f"{folder}/a.png", "-i", f"{folder}/one", "-o", f"{folder}/out2")
    assert tree(f"{folder}/out2") == ["a.png", "one", "one/b.png"]
    up(".", "../a.png", f"{folder}/out3", cwd=folder + "/two")
    assert tree(f"{folder}/out3") == ["a.png", "b.png"]
    code, _, errors = run(f"{folder}/a.png", f"{folder}/one", f"{folder}/a.png")
    assert code == USAGE and "is a file" in errors, errors


def short_options_are_the_long_ones(folder):
    png(f"{folder}/in/a.png", 40, 30, noise=True)
    png(f"{folder}/in/b.png", 33, 21, noise=True)
    code, _, errors = run("-i", f"{folder}/in", "-o", f"{folder}/short", "-s", "2", "-m", MODELS, "-n", "lanczos2x", "-t", "0", "-g", "-1",
                          "-j", "1:2:2", "-f", "webp", "-x")
    assert code == DONE and "warning" not in errors, errors
    code, _, errors = run("--input", f"{folder}/in", "--output", f"{folder}/long", "--scale", "2", "--model-dir", MODELS, "--model",
                          "lanczos2x", "--tile", "0", "--gpu", "-1", "--threads", "1", "--format", "webp", "--ensemble")
    assert code == DONE, errors
    assert tree(f"{folder}/short") == ["a.webp", "b.webp"]
    for name in ("a.webp", "b.webp"):
        short, long = (open(f"{folder}/{kind}/{name}", "rb").read() for kind in ("short", "long"))
        assert short == long and short[:4] == b"RIFF" and short[8:12] == b"WEBP", name


def networks_by_name(folder):
    path = png(f"{folder}/in.png")
    os.mkdir(f"{folder}/nets")
    shutil.copy(MODEL, f"{folder}/nets/mine-x2.onnx")
    shutil.copy(MODEL, f"{folder}/nets/noise1_scale2.0x_model.onnx")

    def model(*arguments):
        code, text, errors = run(path, f"{folder}/out.png", "--dry-run", "--json", *arguments)
        assert code == DONE, (arguments, errors)
        return json.loads(text)["files"][0]["model"]

    assert model("-m", f"{folder}/nets", "-n", "mine", "-s", "2") == "mine-x2"
    assert model("--model-dir", f"{folder}/nets", "-n", "mine") == "mine-x2"
    assert model("-m", f"{folder}/nets", "-n", "mine-x2") == "mine-x2"
    assert model("-m", f"{folder}/nets", "-n", "1", "-s", "2") == "noise1_scale2.0x_model"
    assert model("-m", "nobody,lanczos2x", "--model-dir", MODELS) == "lanczos2x"
    assert model("-m", "nobody", "-m", MODEL) == "lanczos2x"
    code, _, errors = run(path, f"{folder}/out.png", "-m", f"{folder}/nets")
    assert code == USAGE and "mine-x2" in errors and "-n NAME" in errors, errors
    os.remove(f"{folder}/nets/noise1_scale2.0x_model.onnx")
    assert model("-m", f"{folder}/nets") == "mine-x2"
    code, _, errors = run(path, f"{folder}/out.png", "-m", "nobody", "--strict")
    assert code in (BAD_INPUT, FAILED) and "nobody" in errors and not os.path.exists(f"{folder}/out.png"), (code, errors)
    code, _, errors = run(path, f"{folder}/out.png", "-m", "nobody")
    assert code == DONE and "nobody" in errors and size_of(f"{folder}/out.png")[0] >= 12, (code, errors)


def gpus_are_named_once(folder):
    png(f"{folder}/in/a.png")
    png(f"{folder}/in/b.png")
    _, errors = up(f"{folder}/in", f"{folder}/out", "-g", "0,1")
    assert errors.count("CPU") == 1, errors
    _, errors = up(f"{folder}/in", f"{folder}/out2", "-g", "-1")
    assert "CPU" not in errors
    _, errors = up(f"{folder}/in", f"{folder}/out3", "-g", "0", "-q")
    assert errors == ""


def results_of_one_name(folder):
    png(f"{folder}/in/a.png", 10, 10)
    png(f"{folder}/in/a.PNG", 20, 20)
    text, errors = up(f"{folder}/in", f"{folder}/out", "-f", "webp", "--json")
    assert tree(f"{folder}/out") == ["a.png.webp", "a.webp"], tree(f"{folder}/out")
    assert "a.png.webp" in errors and "warning" in errors, errors
    assert any("a.png.webp" in line for line in files_of(text)["a.png"]["warnings"]), text
    png(f"{folder}/x/b.png", 10, 10)
    png(f"{folder}/y/b.png", 20, 20)
    code, _, errors = run("-m", MODEL, f"{folder}/x/b.png", f"{folder}/y/b.png", f"{folder}/x/b.png", f"{folder}/both")
    assert code == FAILED and f"{folder}/y/b.png: {folder}/both/b.png is the result of {folder}/x/b.png already" in errors, (code, errors)
    assert tree(f"{folder}/both") == ["b.png"] and size_of(f"{folder}/both/b.png") == (20, 20)


def existing_results(folder):
    png(f"{folder}/in/a.png")
    png(f"{folder}/in/b.png")
    os.mkdir(f"{folder}/out")
    open(f"{folder}/out/a.png", "w").write("precious")
    code, _, errors = run("-m", MODEL, f"{folder}/in", f"{folder}/out")
    assert code == FAILED and "exists; use --overwrite or --skip-existing" in errors, (code, errors)
    assert open(f"{folder}/out/a.png").read() == "precious" and size_of(f"{folder}/out/b.png") == (24, 16)
    os.remove(f"{folder}/out/b.png")
    text, errors = up(f"{folder}/in", f"{folder}/out", "--skip-existing", "--json")
    assert open(f"{folder}/out/a.png").read() == "precious" and size_of(f"{folder}/out/b.png") == (24, 16)
    assert files_of(text)["a.png"]["status"] == "skipped" and json.loads(text)["skipped"] == 1
    up(f"{folder}/in", f"{folder}/out", "--overwrite")
    assert size_of(f"{folder}/out/a.png") == (24, 16)
    up(f"{folder}/in", f"{folder}/out", "--skip-existing")  # nothing to do is well done
    os.remove(f"{folder}/out/a.png")
    os.mkdir(f"{folder}/out/a.png")
    code, _, errors = run("-m", MODEL, f"{folder}/in/a.png", f"{folder}/out/", "--overwrite")
    assert code == FAILED and "is a folder" in errors, errors


def inputs_are_never_replaced(folder):
    path = png(f"{folder}/in/a.png", noise=True)
    before = open(path, "rb").read()
    os.symlink(path, f"{folder}/link.png")
    os.link(path, f"{folder}/hard.png")
    for out in (path, f"{folder}/in/../in/a.png", f"{folder}/in", f"{folder}/link.png", f"{folder}/hard.png"):
        code, _, errors = run("-m", MODEL, path, out, "--overwrite")
        assert code == FAILED and "would replace" in errors, (out, code, errors)
    png(f"{folder}/in/b.png")
    code, _, errors = run("-m", MODEL, f"{folder}/in", f"{folder}/in", "--overwrite")
    assert code == FAILED and "2 of 2 pictures failed" in errors, errors
    code, _, errors = run("-m", MODEL, f"{folder}/in/b.png", path, f"{folder}/in/", "--overwrite", "-q")
    assert code == FAILED and open(path, "rb").read() == before
    assert os.path.islink(f"{folder}/link.png") and tree(f"{folder}/in") == ["a.png", "b.png"]


def suffixes(folder):
    png(f"{folder}/in/a.png")
    png(f"{folder}/in/sub/b.png")
    up(f"{folder}/in/a.png", "--suffix", "_x2")
    assert size_of(f"{folder}/in/a_x2.png") == (24, 16)
    for _ in range(2):  # results are not taken for pictures the second time
        up(f"{folder}/in", "--suffix", "_x2", "--overwrite")
        assert tree(f"{folder}/in") == ["a.png", "a_x2.png", "sub", "sub/b.png", "sub/b_x2.png"], tree(f"{folder}/in")
    os.remove(f"{folder}/in/a_x2.png")
    up(f"{folder}/in/a.png", f"{folder}/in/sub/b.png", "--suffix", "-large", "-f", "jpg")
    assert os.path.exists(f"{folder}/in/a-large.jpg") and os.path.exists(f"{folder}/in/sub/b-large.jpg")
    up(f"{folder}/in/a.png", f"{folder}/out/", "--suffix", ".2")
    assert tree(f"{folder}/out") == ["a.2.png"]
    assert run(f"{folder}/in/a.png", f"{folder}/new.png", "--suffix", "_x2")[0] == USAGE
    assert run(f"{folder}/in/a.png", "--suffix", "a/b")[0] == USAGE


def formats(folder):
    path = png(f"{folder}/in.png", noise=True)
    up(path, f"{folder}/by_name.jpg")
    up(path, f"{folder}/by_option.dat", "-f", "jpg")
    up(path, f"{folder}/folder/", "--format", ".JPEG")
    names = ("by_name.jpg", "by_option.dat", "folder/in.jpg")
    jpegs = [open(f"{folder}/{name}", "rb").read() for name in names]
    assert all(data[:3] == b"\xff\xd8\xff" for data in jpegs) and len(set(jpegs)) == 1
    png(path, 64, 64, noise=True)
    up(path, f"{folder}/fine.jpg")
    up(path, f"{folder}/coarse.jpg", "--quality", "20")
    assert 2 * os.path.getsize(f"{folder}/coarse.jpg") < os.path.getsize(f"{folder}/fine.jpg")
    plain = png(f"{folder}/plain.png", 64, 64)
    up(plain, f"{folder}/none.png", "--compression", "0")
    up(plain, f"{folder}/best.png", "--compression", "9")
    assert os.path.getsize(f"{folder}/best.png") < os.path.getsize(f"{folder}/none.png")
    assert read_png(f"{folder}/best.png") == read_png(f"{folder}/none.png")
    up(f"{folder}/by_name.jpg", f"{folder}/folder/")
    code, _, errors = run(path, f"{folder}/out.xyz")
    assert code == USAGE and "out.xyz" in errors, errors
    code, _, errors = run(path, f"{folder}/out")
    assert code == USAGE and "slash" in errors, errors
    code, _, errors = run(path, f"{folder}/out.png", "-f", "gif")
    assert code == USAGE and "webp" in errors, errors


def dry_runs_change_nothing(folder):
    png(f"{folder}/in/a.png", 50, 40)
    png(f"{folder}/in/sub/b.png")
    open(f"{folder}/in/broken.png", "w").write("no picture")
    before = tree(folder)
    code, text, errors = run("-m", MODEL, f"{folder}/in", f"{folder}/out", "--dry-run")
    lines = text.splitlines()
    assert code == BAD_INPUT and "broken.png" in errors, (code, errors)
    assert len(lines) == 2 and all(part in lines[0] for part in ("in/a.png", "out/a.png", "50x40", "100x80", "png", "lanczos2x")), text
    code, text, errors = run("-m", MODEL, f"{folder}/in", f"{folder}/out", "--dry-run", "--json")
    entry = files_of(text)["a.png"]
    assert code == BAD_INPUT and entry["status"] == "planned" and entry["out"]["width"] == 100, text
    assert files_of(text)["broken.png"]["status"] == "failed" and json.loads(text)["dry_run"] is True
    assert tree(folder) == before


def reports(folder):
    png(f"{folder}/in/a.png", 50, 40)
    png(f"{folder}/in/quo\"te\n.png")
    open(f"{folder}/in/broken.png", "w").write("no picture")
    png(os.fsdecode(os.fsencode(f"{folder}/in/") + b"by\xfftes.png"))
    code, text, _ = run("-m", MODEL, f"{folder}/in", f"{folder}/out", "-t", "20", "--json")
    assert code == BAD_INPUT, code
    report = json.loads(text)
    assert (report["done"], report["failed"], report["skipped"], report["cancelled"], report["dry_run"]) == (3, 1, 0, False, False)
    assert report["seconds"] > 0 and report["peak_memory"] > 1 << 20 and isinstance(report["notes"], list)
    found = files_of(text)
    assert set(found) == {"a.png", "broken.png", "by\ufffdtes.png", "quo\"te\n.png"}, set(found)
    entry = found["a.png"]
    assert entry["in"] == {"width": 50, "height": 40, "channels": 3, "bits": 8}
    assert entry["out"] == {"width": 100, "height": 80, "format": "png", "bytes": os.path.getsize(f"{folder}/out/a.png")}
    assert entry["tile"]["width"] == 20 and entry["tile"]["height"] == 20 and entry["tile"]["count"] == 6, entry["tile"]
    assert entry["model"] == "lanczos2x" and entry["memory"] > 0 and entry["status"] == "done" and entry["error"] is None
    assert set(entry["ms"]) == {"read", "compute", "network", "write", "total"} and entry["ms"]["total"] > 0
    bad = found["broken.png"]
    assert bad["status"] == "failed" and bad["error"] and "broken.png" in bad["message"] and bad["warnings"] == []
    full = "/dev/full"
    if os.path.exists(full):
        done = subprocess.run([framemill, "upscale", "-m", MODEL, f"{folder}/in/a.png", f"{folder}/full.png", "--json"],
                              stdout=open(full, "w"), stderr=subprocess.PIPE, timeout=60)
        assert done.returncode == FAILED and size_of(f"{folder}/full.png") == (100, 80)


def failures_do_not_stop_the_folder(folder):
    for name in ("a", "c", "e"):
        png(f"{folder}/in/{name}.png")
    open(f"{folder}/in/b.png", "w").write("no picture")
    whole = open(png(f"{folder}/in/d.png", 60, 60, noise=True), "rb").read()
    open(f"{folder}/in/d.png", "wb").write(whole[:len(whole) // 2])
    code, text, errors = run("-m", MODEL, f"{folder}/in", f"{folder}/out")
    assert code == BAD_INPUT and text == "", (code, errors)
    assert tree(f"{folder}/out") == ["a.png", "c.png", "e.png"], tree(f"{folder}/out")
    assert "2 of 5 pictures failed:\n" in errors
    last = errors[errors.index("2 of 5"):].splitlines()
    assert len(last) == 3 and "b.png: " in last[1] and "d.png: " in last[2], last
    code, _, errors = run("-m", MODEL, f"{folder}/none.png", f"{folder}/in/a.png", f"{folder}/out2")
    assert code == BAD_INPUT and "none.png: No such file" in errors and tree(f"{folder}/out2") == ["a.png"], errors
    code, _, errors = run("-m", MODEL, f"{folder}/none.png", f"{folder}/out.png")
    assert code == BAD_INPUT and errors.count("\n") == 1, errors
    os.mkdir(f"{folder}/empty")
    code, _, errors = run("-m", MODEL, f"{folder}/empty", f"{folder}/out3")
    assert code == BAD_INPUT and "no pictures" in errors and not os.path.exists(f"{folder}/out3"), errors


def unwritable_outputs(folder):
    png(f"{folder}/in/a.png")
    png(f"{folder}/in/sub/b.png")
    open(f"{folder}/file", "w").write("in the way")
    code, _, errors = run("-m", MODEL, f"{folder}/in", f"{folder}/file/out")
    assert code == FAILED and errors.endswith(f"framemill: {folder}/file/out: Not a directory\n"), (code, errors)
    assert errors.count("Not a directory") == 1, "one reason for all is said once"
    os.mkdir(f"{folder}/out")
    open(f"{folder}/out/sub", "w").write("in the way")
    code, _, errors = run("-m", MODEL, f"{folder}/in", f"{folder}/out")
    assert code == FAILED and f"{folder}/out/sub: Not a directory" in errors and size_of(f"{folder}/out/a.png") == (24, 16), (code, errors)
    if os.geteuid():
        os.chmod(f"{folder}/out", 0o555)
        code, _, errors = run("-m", MODEL, f"{folder}/in", f"{folder}/out", "--overwrite")
        os.chmod(f"{folder}/out", 0o755)
        assert code == FAILED and "Permission denied" in errors, errors


def progress_for_programs(folder):
    for i in range(5):
        png(f"{folder}/in/{i}.png")
    open(f"{folder}/in/broken.png", "w").write("no picture")
    code, text, errors = run("-m", MODEL, f"{folder}/in", f"{folder}/out", "--progress", "json")
    assert code == BAD_INPUT and text == ""
    events = [json.loads(line) for line in errors.splitlines()]
    steps = [event for event in events if event["event"] == "progress"]
    assert steps and steps[-1]["finished"] == steps[-1]["files"] == 6 and steps[-1]["share"] == 1, steps
    assert all(a["share"] <= b["share"] and a["finished"] <= b["finished"] for a, b in zip(steps, steps[1:]))
    assert set(steps[-1]) == {"event", "finished", "files", "share", "elapsed_s", "left_s"}
    assert sum(event["event"] == "done" and "file" in event for event in events) == 5
    faults = [event for event in events if event["event"] == "error"]
    assert len(faults) == 1 and faults[0]["file"].endswith("broken.png") and faults[0]["message"], faults
    _, errors = up(f"{folder}/in/0.png", f"{folder}/out2/", "--progress", "bar")
    assert "\r" not in errors, "no bar in a pipe"


def on_a_terminal(folder):
    """What a person sees: a bar that comes and goes, the total at the end."""
    for i in range(30):
        png(f"{folder}/in/{i:02}.png", 240, 160, noise=True)
    screen, terminal = pty.openpty()
    process = subprocess.Popen([framemill, "upscale", "-m", MODEL, "-x", f"{folder}/in", f"{folder}/out"], stdout=subprocess.DEVNULL, stderr=terminal)
    os.close(terminal)
    shown = b""
    while True:
        try:
            some = os.read(screen, 65536)
        except OSError:
            break
        if not some:
            break
        shown += some
    os.close(screen)
    assert process.wait(timeout=60) == DONE, shown
    text = shown.decode()
    total = re.search(r"^framemill: 30 pictures in ([\d.]+) s", text.splitlines()[-1].split("\r")[-1])
    assert total, text[-300:]
    if float(total[1]) > 2:  # as the program itself has it
        assert " %  [" in text and "/30 pictures" in text and "\r" in text, text[:300]
        assert text.count(" %") <= 10 * float(total[1]) + 2


def interrupted(folder):
    """More pictures than any machine is through with before it is told to stop."""
    png(f"{folder}/in/0000.png", 480, 320, noise=True)
    for i in range(1, 2000):
        os.link(f"{folder}/in/0000.png", f"{folder}/in/{i:04}.png")
    process = subprocess.Popen([framemill, "upscale", "-m", MODEL, "-x", f"{folder}/in", f"{folder}/out", "--json"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # a shell's background jobs ignore it
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (os.path.isdir(f"{folder}/out") and any(name.endswith(".png") and name[0] != "."
                                                                                     for name in os.listdir(f"{folder}/out"))):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    text, errors = process.communicate(timeout=60)
    assert process.returncode == FAILED and "cancelled: " in errors, (process.returncode, errors)
    report = json.loads(text)
    assert report["cancelled"] is True and 0 < report["done"] < 2000 and len(report["files"]) == 2000, (report["done"], len(report["files"]))
    done = sorted(os.path.basename(entry["output"]) for entry in report["files"] if entry["status"] == "done")
    assert tree(f"{folder}/out") == done, "whole results, nothing else"
    assert all(size_of(f"{folder}/out/{name}") == (960, 640) for name in done[:40])
    some = sorted({*done[-2:], *(f"{i:04}.png" for i in range(1, 12))})
    for name in set(os.listdir(f"{folder}/in")) - set(some):
        os.remove(f"{folder}/in/{name}")
    up(f"{folder}/in", f"{folder}/out", "--skip-existing", "-s", "2")
    assert set(tree(f"{folder}/out")) == {*some, *done}


def usage_errors(folder):
    path = png(f"{folder}/a.png")
    out = f"{folder}/out.png"
    for arguments in ((), (path,), ("-i", path), ("-o", out), (path, ""), ("", out), (path, out, "--what"), (path, out, "-s", "0x"),
                      (path, out, "-s", "-2"), (path, out, "-s", "nan"), (path, out, "-s", "100"), (path, out, "-t", "-5"), (path, out, "-t", "x"), (path, out, "-t", "15"),
                      (path, out, "-g", "x"), (path, out, "-g", "-2"), (path, out, "-j", "0"), (path, out, "-j", "1:2"), (path, out, "-j", "1:2:x"),
                      (path, out, "--quality", "0"), (path, out, "--quality", "101"), (path, out, "--compression", "10"), (path, out, "-f", "exe"),
                      (path, out, "--memory", "much"), (path, out, "--progress", "loud"), (path, out, "--overwrite", "--skip-existing"),
                      (path, out, "--model-dir", f"{folder}/none"), (path, out, "--overlap", "-1"), (path, out, "--strict=yes"),
                      (path, out, "--cpumask", "z80")):
        code, text, errors = run(*arguments)
        assert code == USAGE and errors and not text, (arguments, code, text, errors)
    assert tree(folder) == ["a.png"]


def long_names(folder):
    """Paths near the system's limit work; beyond it there is an error, not a wrong file."""
    deep = folder + ("/" + "d" * 200) * 18
    png(deep + "/a.png")
    up(folder + "/" + "d" * 200, f"{folder}/o")
    assert tree(f"{folder}/o")[-1].endswith("/a.png")
    far = folder + ("/" + "e" * 250) * 20
    code, _, errors = run("-m", MODEL, png(f"{folder}/b.png"), far + "/")
    assert code == FAILED and "too long" in errors, (code, errors)


CASES = (file_to_file, file_to_folder, folder_to_folder, loops_and_links, output_inside_input, several_inputs, short_options_are_the_long_ones,
         networks_by_name, gpus_are_named_once, results_of_one_name, existing_results, inputs_are_never_replaced, suffixes, formats,
         dry_runs_change_nothing, reports, failures_do_not_stop_the_folder, unwritable_outputs, progress_for_programs, on_a_terminal,
         interrupted, usage_errors, long_names)


def main():
    passed = failed = 0
    wanted = sys.argv[2:]
    for case in CASES:
        if wanted and case.__name__ not in wanted:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                case(folder)
                passed += 1
            except Exception as fault:  # a case that stumbles has failed, whatever it stumbled over
                where = traceback.extract_tb(fault.__traceback__)[1]
                print(f"FAILED {case.__name__}, line {where.lineno}: {fault!r}", file=sys.stderr)
                failed += 1
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


sys.exit(main())
