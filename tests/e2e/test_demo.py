#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The shipped network is what its script writes, the demo agrees with the filter's definition, the example program runs and fails as
it should. Usage: test_demo.py FRAMEMILL EXAMPLE, from the project's root."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, "tools")
sys.dont_write_bytecode = True
from demo import load_png  # noqa: E402


def run(*command):
    """(exit code, output, errors)"""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return done.returncode, done.stdout, done.stderr


def network_is_reproduced(framemill, example, folder):
    path = os.path.join(folder, "again.onnx")
    code, _, errors = run(sys.executable, "models/make_lanczos2x.py", path)
    assert code == 0, errors
    assert open(path, "rb").read() == open("models/lanczos2x.onnx", "rb").read(), "models/lanczos2x.onnx is not what the script writes"


def demo_is_right(framemill, example, folder):
    code, output, errors = run(sys.executable, "tools/demo.py", framemill, folder)
    assert code == 0, output + errors
    sharp, plain = load_png(os.path.join(folder, "harbour_2x.png")).astype(int), load_png(os.path.join(folder, "harbour_lanczos.png"))
    assert sharp.shape == plain.shape and 0.3 < abs(sharp - plain).mean() < 6, abs(sharp - plain).mean()  # another picture, but the same one


def sample_is_reproduced(framemill, example, folder):
    path = os.path.join(folder, "again.png")
    code, _, errors = run(sys.executable, "samples/draw_harbour.py", path)
    assert code == 0, errors
    drawn, shipped = load_png(path).astype(int), load_png("samples/harbour.png").astype(int)
    assert drawn.shape == shipped.shape, drawn.shape
    assert abs(drawn - shipped).mean() < 0.05, "samples/harbour.png is not what the script draws"  # processors differ in a sine's last bit


def example_runs(framemill, example, folder):
    assert run(example, "models/lanczos2x.onnx") == (0, "float32: 1 3 128 128\n", "")


def example_names_the_fault(framemill, example, folder):
    code, output, errors = run(example, "models/none.onnx")
    assert code == 1 and output == "" and "models/none.onnx" in errors, errors
    assert run(example)[0] == 2


def main():
    passed = failed = 0
    for case in (network_is_reproduced, sample_is_reproduced, demo_is_right, example_runs, example_names_the_fault):
        with tempfile.TemporaryDirectory() as folder:
            try:
                case(*sys.argv[1:3], folder)
                passed += 1
            except AssertionError as fault:
                print(f"FAILED {case.__name__}: {fault}", file=sys.stderr)
                failed += 1
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


sys.exit(main())
