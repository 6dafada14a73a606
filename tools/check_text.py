#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What every source file keeps to: an SPDX line, at most 150 columns (132 is the aim), no tabs, no blanks at line ends, a newline at the end, no
notes to self; and C files are in a list of some meson.build. One case for each file."""
import os
import re
import subprocess
import sys

CODE = (".c", ".h", ".def", ".inc")
OTHER = (".py", ".sh", ".build", ".md", ".js", ".mjs", "dev", ".ci/run")
COLUMNS = 150
NOTES = ("TO" + "DO", "FIX" + "ME", "XX" + "X:")


def is_built(path):
    """Whether a meson.build beside or above names the file ("room/file.c"), or its test ("file" of test_file.c, check_file.c)."""
    name = os.path.basename(path)
    short = re.sub(r"^(test|check|fuzz)_", "", name[:-2])
    folder = os.path.dirname(path)
    while folder:
        lists = os.path.join(folder, "meson.build")
        if os.path.exists(lists) and re.search(rf"'([\w/]+/)?{re.escape(name)}'|'{re.escape(short)}'", open(lists).read()):
            return True
        folder = os.path.dirname(folder)
    return False


def faults_of(path):
    text = open(path, encoding="utf-8").read()
    if path.endswith(CODE) and not text.startswith("/* SPDX-License-Identifier: MIT */\n"):
        yield 1, "the first line is not the SPDX line"
    if path.endswith(".c") and path.split("/")[0] in ("src", "cli", "tests", "bench") and not is_built(path):
        yield 1, "no meson.build lists it"
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "no newline at the end"
    for number, line in enumerate(text.split("\n"), 1):
        if path.endswith(CODE) and len(line) > COLUMNS:
            yield number, f"{len(line)} columns"
        if "\t" in line:
            yield number, "a tab"
        if line != line.rstrip():
            yield number, "blanks at the end"
        for note in NOTES:
            if note in line:
                yield number, f"a note to self ({note})"


def main():
    listed = subprocess.check_output(["git", "ls-files", "--cached", "--others", "--exclude-standard"], text=True).split("\n")
    passed = failed = 0
    for path in sorted(set(listed)):
        if not path.endswith(CODE + OTHER) or not os.path.isfile(path):
            continue
        faults = [f"{path}:{number}: {why}" for number, why in faults_of(path)]
        for line in faults[:5]:
            print(line)
        if len(faults) > 5:
            print(f"{path}: and {len(faults) - 5} more")
        passed, failed = passed + (not faults), failed + bool(faults)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.exit(main())
