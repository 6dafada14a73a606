#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The shaders of shipped networks compute what the engine computes, in both precisions: within 1 of 255 in single, 2 in half. Runs on
Dawn for Node with whatever Vulkan driver there is; tools/soft_gpu.sh brings both where there is no GPU. Without them it skips.

    test_web_gpu.py PROGRAM [NETWORK...]       named networks, or --few: one of each kind, --all: all of them"""
import glob
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
FEW = ["ivs", "rt3", "rt14-x3", "lanczos2x"]
framemill = os.path.abspath(sys.argv[1])


def soft_gpu():
    """The environment in which Dawn runs; NODE_MODULES is where it lies."""
    done = subprocess.run([os.path.join(ROOT, "tools", "soft_gpu.sh"), "env"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    return found if done.returncode == 0 else None


def lay_pictures(name, folder):
    """For networks of any ratio: other ratios than that of the golden tile, each axis its own; the engine's answer by way of files."""
    if name != "ivs":
        return
    random = np.random.default_rng(3)
    for w, h, scale in ((37, 29, 3), (50, 41, 1)):
        picture = np.clip(random.normal(128, 60, (h, w, 3)) * 0.3 + np.mgrid[0:h, 0:w].sum(0)[:, :, None] * 2.2, 0, 255).astype(np.uint8)
        source, result = os.path.join(folder, "in.ppm"), os.path.join(folder, "out.ppm")
        with open(source, "wb") as file:
            file.write(b"P6\n%d %d\n255\n" % (w, h) + picture.tobytes())
        done = subprocess.run([framemill, "upscale", source, result, "-m", os.path.join(ROOT, "models", name + ".onnx"), "-s", str(scale), "--overwrite", "-q"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit(f"upscale: {done.stdout}\n0 passed, 1 failed, 0 skipped")
        head, _, data = open(result, "rb").read().partition(b"\n255\n")
        out_w, out_h = map(int, head.split()[-2:])
        large = np.frombuffer(data, np.uint8).reshape(out_h, out_w, 3)
        for pixels, ending in ((picture, ".rgba"), (large, ".result")):
            alpha = np.full(pixels.shape[:2] + (1,), 255, np.uint8)
            np.concatenate([pixels, alpha], 2).tofile(os.path.join(folder, f"{name}.{w}x{h}-{out_w}x{out_h}{ending}"))


def main():
    names = [a for a in sys.argv[2:] if not a.startswith("-")] or FEW
    if "--all" in sys.argv:
        names = sorted(os.path.basename(p)[:-5] for p in glob.glob(os.path.join(ROOT, "models", "*.onnx")))
    gpu = soft_gpu()
    if not gpu:
        print("SKIPPED: no WebGPU here (tools/soft_gpu.sh install)\n0 passed, 0 failed, 1 skipped")
        return 0
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            subprocess.run([framemill, "export", "--web", os.path.join(ROOT, "models", name + ".onnx"), "-o", folder], check=True, stdout=subprocess.DEVNULL)
            lay_pictures(name, folder)
        plans = [os.path.join(folder, name + ".json") for name in names]
        run = subprocess.Popen(["node", os.path.join(ROOT, "tests", "gpu", "web_plans.mjs"), gpu["NODE_MODULES"], "f32,f16", *plans],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=dict(os.environ, **gpu))
        for line in run.stdout:
            r = json.loads(line)
            if "skip" in r:
                print(f"SKIPPED: {r['skip']}\n0 passed, 0 failed, 1 skipped")
                return 0
            if "adapter" in r:
                print(f"{r['adapter']}: {', '.join(r['forms'])}", flush=True)
                expected = len(names) * len(r["forms"]) * 2 + 2 * len(r["forms"]) * ("ivs" in names)
                continue
            good = not r["faults"] and (r["what"] == "external" or (r.get("same_size") and r["difference"] <= r["tolerance"]))
            passed, failed = passed + good, failed + (not good)
            if r["what"] != "external" or not good:
                figures = f"at most {r['difference']} of {r['tolerance']} levels off, {r['histogram'][0] / sum(r['histogram']):.1%} equal" if "difference" in r else ""
                print(f"{'ok' if good else 'FAILED'}  {r['name']} {r['form']} {r['what']}: {figures} {'; '.join(r['faults'])[:2000]}", flush=True)
        if run.wait() or passed + failed != expected:
            print(f"FAILED: node ended with {run.returncode} after {passed + failed} of {expected} comparisons")
            failed += 1
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return failed > 0


sys.exit(main())
