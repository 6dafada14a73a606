#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The program as a user meets it: arguments in; files, text and exit codes out. Usage: test_cli.py FRAMEMILL, from the project's root."""
import os
import re
import struct
import subprocess
import sys
import tempfile

import numpy as np

MODEL = "models/lanczos2x.onnx"
DONE, FAILED, USAGE, BAD_INPUT = range(4)
framemill = sys.argv[1]


def run(*arguments, **environment):
    """(exit code, output, errors)"""
    done = subprocess.run([framemill, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                          env={**os.environ, **environment})
    return done.returncode, done.stdout, done.stderr


def picture(folder, height=20, width=30, name="in.npy", dtype=np.float32, order="C"):
    path = os.path.join(folder, name)
    array = np.random.default_rng(7).random((1, 3, height, width)).astype(dtype)
    np.save(path, np.asarray(array, order=order))
    return path, array


def output(folder, k=0):
    return np.load(os.path.join(folder, f"output_{k}.npy"))


def help_names_every_option(folder):
    code, text, _ = run("--help")
    assert code == DONE and all(word in text for word in ("run", "models", "doctor", "bench")), text
    for name in sorted(os.listdir("docs/options")):
        fields = dict(line.split(": ", 1) for line in open(os.path.join("docs/options", name)).read().split("\n\n")[0].splitlines()
                      if ": " in line)
        for command in fields["commands"].split():
            if command == "main":
                continue
            text = run(command, "--help")[1]
            assert fields["option"] in text and fields["help"] in text, (command, name)
    assert re.fullmatch(r"framemill \d+\.\d+\.\d+\n", run("--version")[1])


def usage_errors(folder):
    path, _ = picture(folder)
    for arguments in ((), ("frobnicate",), ("run",), ("run", MODEL), ("run", MODEL, "-i", path), ("run", MODEL, "-o", folder),
                      ("run", MODEL, "--what", "-o", folder), ("run", MODEL, "-i", path, "-i", path, "-o", folder),
                      ("run", MODEL, "-i", "nobody=" + path, "-o", folder), ("run", MODEL, "-i", path, "-o", folder, "-j", "0"),
                      ("run", MODEL, "-i", path, "-o", folder, "--memory", "12Q"), ("run", MODEL, "-i", path, "-o", folder, "--cpumask", "z80"),
                      ("models",), ("models", "info"), ("doctor", "x"), ("bench",), ("bench", "network"), ("run", MODEL, "-o")):
        code, text, errors = run(*arguments)
        assert code == USAGE and errors and not text, (arguments, code, text, errors)


def bad_files_are_named(folder):
    path, _ = picture(folder)
    broken = os.path.join(folder, "broken.onnx")
    data = open(MODEL, "rb").read()
    for content in (b"", b"hello", data[:100], data[:-7], bytes([data[0] ^ 0x55]) + data[1:]):
        open(broken, "wb").write(content)
        code, _, errors = run("run", broken, "-i", path, "-o", folder)
        assert code == BAD_INPUT and "broken.onnx" in errors and errors.count("\n") == 1, (content[:10], code, errors)
    for bad in ("none.onnx", folder):
        code, _, errors = run("models", "info", bad)
        assert code == BAD_INPUT and os.path.basename(bad) in errors, (code, errors)
    array = os.path.join(folder, "bad.npy")
    for content in (b"", b"\x93NUMPY", open(path, "rb").read()[:-4], b"\x93NUMPY\x01\x00" + struct.pack("<H", 60000)):
        open(array, "wb").write(content)
        code, _, errors = run("run", MODEL, "-i", array, "-o", folder)
        assert code == BAD_INPUT and "bad.npy" in errors, (code, errors)
    np.save(array, np.zeros((1, 2, 8, 8), np.float32))
    code, _, errors = run("run", MODEL, "-i", array, "-o", folder)
    assert code == BAD_INPUT and "image" in errors, errors
    assert not os.path.exists(os.path.join(folder, "output_0.npy"))


def planned_equals_reference(folder):
    path, array = picture(folder)
    fast, slow = os.path.join(folder, "fast"), os.path.join(folder, "slow")
    assert run("run", MODEL, "-i", path, "-o", fast)[0] == DONE
    assert run("run", MODEL, "-i", "image=" + path, "-o", slow, "--reference")[0] == DONE
    assert output(fast).shape == (1, 3, 40, 60) and output(fast).dtype == np.float32
    assert np.abs(output(fast) - output(slow)).max() < 1e-5
    assert abs(output(fast).mean() - array.mean()) < 1e-3
    assert not [name for name in os.listdir(fast) if name != "output_0.npy"]


def threads_tiles_and_memory_change_nothing(folder):
    path, _ = picture(folder, 70, 90)
    answers = []
    for i, more in enumerate(([], ["-j", "1"], ["-j", "3"], ["-t", "16"], ["--tile", "33"], ["--memory", "300K"])):
        there = os.path.join(folder, str(i))
        code, _, errors = run("run", MODEL, "-i", path, "-o", there, *more)
        assert code == DONE, (more, errors)
        answers.append(output(there).tobytes())
    assert len(set(answers)) == 1
    code, _, errors = run("run", MODEL, "-i", path, "-o", folder, "--memory", "10K")
    assert code == FAILED and MODEL in errors, (code, errors)


def masks_agree(folder):
    path, _ = picture(folder, 33, 47)
    answers = []
    for i, mask in enumerate(("c", "avx2", "avx512", "all")):
        there = os.path.join(folder, str(i))
        assert run("run", MODEL, "-i", path, "-o", there, FM_CPUMASK=mask)[0] == DONE
        answers.append(output(there))
    assert max(np.abs(answer - answers[0]).max() for answer in answers) < 1e-5


def arrays_of_other_types(folder):
    path, array = picture(folder)
    assert run("run", MODEL, "-i", path, "-o", folder)[0] == DONE
    want = output(folder)
    for i, (dtype, order) in enumerate(((np.float32, "F"), (">f4", "C"), (np.float64, "C"))):
        other, _ = picture(folder, name=f"{i}.npy", dtype=dtype, order=order)
        assert run("run", MODEL, "-i", other, "-o", folder)[0] == DONE
        assert np.abs(output(folder) - want).max() < 1e-6


def repeat_and_profile_print(folder):
    path, _ = picture(folder)
    code, text, _ = run("run", MODEL, "-i", path, "--repeat", "3", "--profile")
    assert code == DONE
    low, middle, high = map(float, re.match(r"min ([\d.]+)  median ([\d.]+)  max ([\d.]+) ms  \(3 runs\)", text).groups())
    assert 0 < low <= middle <= high
    assert "Conv" in text and "GFLOP/s" in text and "of peak" in text


def models_info_tells(folder):
    code, text, _ = run("models", "info", MODEL)
    assert code == DONE
    for line in ("input      image  float32  1x3xheightxwidth", "parameters 590", "scale      2/1", "tiles are exact", "plan       cpu"):
        assert line in text, (line, text)
    tiled = run("models", "info", MODEL, "--size", "2000x1000", "--memory", "1M")[1]
    assert re.search(r"\d+ tiles of \d+", tiled), tiled


def doctor_checks(folder):
    code, text, _ = run("doctor", "lanczos2x", "rt3", FM_MODELS=os.path.abspath("models"))
    assert code == DONE and re.search(r"lanczos2x +right", text) and "GFLOP/s" in text and "rt9" not in text, text
    for line in run("doctor", "rt3", "--json", FM_MODELS=os.path.abspath("models"))[1].splitlines():
        import json
        json.loads(line)
    open(os.path.join(folder, "bad.onnx"), "wb").write(b"no network")
    code, _, errors = run("doctor", "bad", FM_MODELS=folder)
    assert code == BAD_INPUT and "bad.onnx" in errors


def bench_prints(folder):
    code, text, _ = run("bench", "network", MODEL, "--size", "64x64", "--repeat", "3")
    assert code == DONE and "lanczos2x.onnx" in text and "1x3x64x64" in text, text
    code, text, _ = run("bench", "network", MODEL, "--size", "64x64", "--json")
    assert code == DONE and '"session_mb"' in text
    assert run("bench", "network", "none.onnx", MODEL, "--repeat", "1", "--size", "32x32")[0] == BAD_INPUT


def unwritable_output(folder):
    path, _ = picture(folder)
    blocked = os.path.join(folder, "file")
    open(blocked, "w").write("in the way")
    code, _, errors = run("run", MODEL, "-i", path, "-o", blocked)
    assert code == FAILED and blocked in errors, (code, errors)


def loads_no_media_libraries(folder):
    path, _ = picture(folder)
    libraries = subprocess.run(["ldd", framemill], stdout=subprocess.PIPE, text=True).stdout
    assert not re.search(r"libav|libvips|libsw", libraries), libraries


CASES = (help_names_every_option, usage_errors, bad_files_are_named, planned_equals_reference, threads_tiles_and_memory_change_nothing,
         masks_agree, arrays_of_other_types, repeat_and_profile_print, models_info_tells, doctor_checks, bench_prints, unwritable_output,
         loads_no_media_libraries)


def main():
    passed = failed = 0
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            try:
                case(folder)
                passed += 1
            except Exception as fault:  # a case that stumbles has failed, whatever it stumbled over
                print(f"FAILED {case.__name__}: {fault!r}", file=sys.stderr)
                failed += 1
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


sys.exit(main())
