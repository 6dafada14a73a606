#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""framemill export --web: every network that is shipped becomes a plan whose parts fit each other and what docs/web-plan.md says; what
has no shader is refused by name. Whether the shaders compute what they should is shown on a GPU (tests/gpu).

    test_export_web.py PROGRAM"""
import base64
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "train"))
import onnx_file  # noqa: E402

framemill = os.path.abspath(sys.argv[1])
DEFAULTS = {"maxComputeWorkgroupStorageSize": 16384, "maxComputeInvocationsPerWorkgroup": 256, "maxComputeWorkgroupSizeX": 256,
            "maxStorageBuffersPerShaderStage": 8, "maxStorageTexturesPerShaderStage": 4}
passed = failed = 0


def check(good, what):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print(f"FAILED: {what}")


def export(*words):
    return subprocess.run([framemill, "export", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def body_of(text, entry):
    """An entry point's own text, and that of the functions whose names begin with its."""
    parts = re.split(r"\n(?=@compute|fn |var<workgroup>|@group)", text)
    return "\n".join(p for p in parts if re.search(rf"\b{entry}(_\w+)?\b", p.split("{")[0]))


def check_form(name, plan, form, text, halves):
    f = plan["forms"][form]
    label = f"{name} {form}"
    check(all(f["limits"][k] <= DEFAULTS[k] for k in f["limits"]), f"{label}: needs more than every device has: {f['limits']}")
    buffers = {b["name"]: b for b in f["buffers"]}
    written = set()
    for d in f["dispatches"]:
        entry = d["entry"]
        check(f"fn {entry}(" in text, f"{label}: no entry point {entry}")
        check(f"@workgroup_size({d['workgroup'][0]})\nfn {entry}(" in text, f"{label}: {entry} has another workgroup size")
        body = body_of(text, entry)
        names = {"frame": "frame", "source": "fetch", "weights": f"{entry}_weights", "target": "textureStore(result"}
        for b in d["bindings"]:
            what = {3: "before[", 4: "plus[", 5: "after["}.get(b["binding"], names.get(b["kind"]))
            check(what in body, f"{label}: {entry} is bound {b} and does not use it")
            if b["kind"] == "weights":
                check(b["offset"] % 128 == 0 and b["offset"] + b["count"] <= halves, f"{label}: {entry}: weights lie outside the file")
                size = int(re.search(rf"{entry}_weights: array<vec4<\w+>, (\d+)>", text).group(1))
                check(size * (8 if form == "f16" else 4) == b["count"], f"{label}: {entry}: {b['count']} weights, the shader has {size} vectors")
            if b["kind"] == "buffer":
                check(b["name"] in buffers, f"{label}: {entry}: no buffer {b['name']}")
                if b["access"] == "write":
                    written.add(b["name"])
                else:
                    check(b["name"] in written, f"{label}: {entry} reads {b['name']}, which nobody wrote")
        mine = [b["name"] for b in d["bindings"] if b["kind"] == "buffer"]
        check(mine.count(next((b["name"] for b in d["bindings"] if b.get("access") == "write"), None)) <= 1,
              f"{label}: {entry} writes what it reads")
    last = f["dispatches"][-1]["bindings"]
    check(sum(b["kind"] == "target" for b in last) == 1, f"{label}: the last dispatch writes no result")
    layers = [layer for d in f["dispatches"] for layer in d["layers"]]
    check(len(layers) == plan["network"]["layers"] == len(set(layers)), f"{label}: its layers are not each in one dispatch")
    check(("enable f16;" in text) == (form == "f16") == ("shader-f16" in f["features"]), f"{label}: the wrong precision")
    for found, _ in plan["external"]:
        check(found in text, f"{label}: '{found}' is not in the text")


def check_plan(name, folder):
    path = os.path.join(folder, name)
    plan = json.load(open(path + ".json"))
    check(plan["format"] == "framemill-web-plan" and plan["version"] == 1 and plan["name"] == name, f"{name}: not its plan")
    halves = np.fromfile(path + ".bin", np.float16)
    check(halves.size * 2 == plan["weights"]["bytes"] and np.isfinite(halves).all(), f"{name}: weights")
    check(np.count_nonzero(halves) > 0.5 * halves.size or name == "lanczos2x", f"{name}: most weights are nothing")
    for form in ("f32", "f16"):
        check_form(name, plan, form, open(f"{path}.{form}.wgsl").read(), halves.size)
    g = plan["golden"]
    for key, w, h in (("input", g["width"], g["height"]), ("output", g["out_width"], g["out_height"])):
        picture = np.frombuffer(base64.b64decode(g[key]), np.uint8)
        check(picture.size == 4 * w * h and (picture[3::4] == 255).all(), f"{name}: golden {key}")
        check(picture.std() > 20, f"{name}: golden {key} shows nothing")
    # kernels of 5x5 and 3x3 by models/*.md: half of each, added up
    reach = {"rt3": 7, "rt8": 6, "rt9": 7, "rt14": 8, "rt27": 13, "rt105": 13, "ivs": 6, "piper": 14, "lanczos2x": 3}
    check(plan["network"]["reach"] == reach.get(name, plan["network"]["reach"]) >= 3, f"{name}: a tile needs a halo of {plan['network']['reach']}?")
    if plan["network"]["before"]:
        check(len(plan["forms"]["f16"]["dispatches"]) + 1 <= 4 or name != "ivs", f"{name}: more than four dispatches with the blit")
    return plan


def shipped(folder):
    for model in sorted(glob.glob(os.path.join(ROOT, "models", "*.onnx"))):
        name = os.path.basename(model)[:-5]
        done = export("--web", model, "-o", folder)
        check(done.returncode == 0, f"{name}: {done.stderr}")
        if done.returncode == 0:
            check("times the floor" in done.stdout, f"{name}: says nothing of what it moves")
            plan = check_plan(name, folder)
            print(f"{name}: {len(plan['forms']['f16']['dispatches'])} dispatches and the blit")


def inline(folder):
    done = export("--web", os.path.join(ROOT, "models", "rt3.onnx"), "-o", os.path.join(folder, "inline"), "--inline")
    check(done.returncode == 0, done.stderr)
    check(os.listdir(os.path.join(folder, "inline")) == ["rt3.js"], "inline: more than one file")
    text = open(os.path.join(folder, "inline", "rt3.js")).read()
    plan = json.loads(text[text.index("export default ") + 15:text.rindex(";")])
    kept = json.load(open(os.path.join(folder, "rt3.json")))
    check(base64.b64decode(plan["weights"]["base64"]) == open(os.path.join(folder, "rt3.bin"), "rb").read(), "inline: other weights")
    for form in ("f32", "f16"):
        check(plan["forms"][form].pop("text") == open(os.path.join(folder, f"rt3.{form}.wgsl")).read(), "inline: another text")
        del kept["forms"][form]["shader"]
    del plan["weights"], kept["weights"]
    check(plan == kept, "inline: another plan")


def network(folder, name, build):
    graph = onnx_file.Graph(name)
    graph.input("input", [1, 3, "height", "width"])
    build(graph)
    graph.output("output", [1, 3, "height", "width"])
    path = os.path.join(folder, name + ".onnx")
    with open(path, "wb") as file:
        file.write(graph.file(13, {"framemill.colour": "rgb", "framemill.range": "0..1"}, name))
    return path


def kernel(outputs, inputs, size):
    weights = np.zeros((outputs, inputs, size, size))
    for o in range(outputs):
        weights[o, o % inputs, size // 2, size // 2] = 1
    return weights


def refused(folder):
    """Each error names its node, and nothing is left behind."""
    def pool(g):
        g.node("MaxPool", ["input"], "pooled", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        g.node("Conv", ["pooled", g.half("w", kernel(3, 3, 3))], "output", kernel_shape=[3, 3], pads=[1, 1, 1, 1])

    def large(g):
        g.node("Conv", ["input", g.half("w", kernel(3, 3, 9))], "output", kernel_shape=[9, 9], pads=[4, 4, 4, 4])

    for name, build, wanted in (("pool", pool, "'pooled'"), ("large", large, "'output'")):
        empty = os.path.join(folder, "refused_" + name)
        done = export("--web", network(folder, name, build), "-o", empty)
        check(done.returncode == 3 and wanted in done.stderr and "no shader" in done.stderr, f"{name}: {done.returncode} {done.stderr}")
        check(not os.path.exists(empty), f"{name}: files were left behind")


def usage(folder):
    check(export().returncode == 2, "nothing said: no usage error")
    check(export("--web", "rt3").returncode == 2, "no folder: no usage error")
    check(export("--web", os.path.join(folder, "absent.onnx"), "-o", folder).returncode == 3, "a network that is not there")
    in_the_way = os.path.join(folder, "file")
    open(in_the_way, "w").close()
    done = export("--web", os.path.join(ROOT, "models", "rt3.onnx"), "-o", in_the_way)
    check(done.returncode == 3 and "file" in done.stderr, f"a file in the way: {done.returncode} {done.stderr}")


with tempfile.TemporaryDirectory() as where:
    shipped(where)
    inline(where)
    refused(where)
    usage(where)
print(f"{passed} passed, {failed} failed, 0 skipped")
sys.exit(failed > 0)
