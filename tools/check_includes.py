#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The include arrows: a room includes only rooms on lower floors, neighbours on one floor do not know each other, faces see only
the public API, and media libraries are named in src/media alone. One case for each file."""
import os
import re
import sys

FLOORS = [["core"], ["frame", "kernels", "graph"], ["model", "plan", "convert", "net"], ["backend"], ["session"], ["media", "mill"], ["tasks"], ["api"]]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
BUILT_ON = {"tasks/video": "tasks/upscale"}  # the same networks and chains, with other ends
FACES = ["cli", "server", "examples"]
MEDIA = re.compile(r"^(libav|libsw|vips/)")
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
SOURCE = (".c", ".h", ".def", ".inc")


def room_of(path):
    """("graph", "") of graph/op.h, ("backend", "cpu") of backend/cpu/run.c."""
    parts = path.split("/")
    return parts[0], "/".join(parts[1:-1])


def fault(path, quote, target):
    """Why `path` (from the project's root) may not include `target`, or None."""
    top, _, inside = path.partition("/")
    if MEDIA.match(target):
        return None if path.startswith("src/media/") else "media libraries are included in src/media only"
    if quote == "<":
        return None
    if top == "include":
        return None if "/" not in target and os.path.exists(os.path.join(os.path.dirname(path), target)) else \
            "a public header includes only its neighbours"
    if target.startswith("framemill/"):
        return None if os.path.exists("include/" + target) else "there is no such public header"
    if top in FACES:
        lists = top + "/meson.build"
        if os.path.exists(lists) and f"output: '{target}'" in open(lists).read():
            return None  # made by the build
        return None if os.path.exists(os.path.join(os.path.dirname(path), target)) or os.path.exists(top + "/" + target) else \
            "a face sees the public API only"
    if not os.path.exists("src/" + target):
        return "write it relative to src/ (\"room/file.h\")"
    room, sub = room_of(inside)
    other, other_sub = room_of(target)
    if room not in FLOOR or other not in FLOOR:
        return "this room is on no floor (tools/check_includes.py lists them)"
    if room == other:
        related = BUILT_ON.get(f"{room}/{sub}") == f"{other}/{other_sub}" or sub == other_sub or sub.startswith(other_sub) or other_sub.startswith(sub)
        return None if related else f"{room}/{sub} and {other}/{other_sub} are neighbours"
    if FLOOR[other] < FLOOR[room]:
        return None
    return f"{room} stands on floor {FLOOR[room]}, {other} on floor {FLOOR[other]}"


def main():
    passed = failed = 0
    for top in ["include", "src"] + FACES:
        for folder, _, names in sorted(os.walk(top)):
            for name in sorted(names):
                if not name.endswith(SOURCE):
                    continue
                path = os.path.join(folder, name)
                faults = []
                for number, line in enumerate(open(path, encoding="utf-8"), 1):
                    found = INCLUDE.match(line)
                    why = found and fault(path, *found.groups())
                    if why:
                        faults.append(f"{path}:{number}: includes {found.group(2)}: {why}")
                print("".join(f + "\n" for f in faults), end="")
                passed, failed = passed + (not faults), failed + bool(faults)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.exit(main())
