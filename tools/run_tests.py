#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the test programs of one build folder and adds up their last lines ("N passed, N failed, N skipped").

    tools/run_tests.py BUILD [--suite NAME] [--not-suite NAME]... [--wrapper 'qemu-aarch64 -L ...'] [-j N] [-v]
    tools/run_tests.py BUILD [--suite NAME] [--not-suite NAME]... --programs    prints what these tests need, as targets for ninja

Programs of a higher priority (in meson.build: about the seconds that they take) are begun earlier. What a program prints is shown when it
fails (or with -v). A program that crashes, hangs or ends without that line counts as one failure. Ends with the same line for all of
them; the exit code is 1 when anything failed."""
import argparse
import concurrent.futures
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

LAST_LINE = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)


def run_one(test, wrapper):
    """(passed, failed, skipped, seconds, output) of one program."""
    start = time.monotonic()
    command = list(test["cmd"])
    if os.path.basename(command[0]).startswith("python"):
        command[0] = sys.executable  # the one with NumPy that ./dev has found
    elif wrapper:
        command = wrapper + command
    try:
        done = subprocess.run(command, cwd=test["workdir"], env={**os.environ, **test["env"]}, timeout=test["timeout"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, code = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        output, code = (late.stdout or b"").decode(errors="replace") + f"\nstopped after {test['timeout']} s\n", None
    except OSError as error:
        output, code = f"{error}\n", None
    counts = LAST_LINE.findall(output)
    passed, failed, skipped = (int(n or 0) for n in counts[-1]) if counts else (0, 0, 0)
    if (code != 0 or not counts) and failed == 0:
        failed = 1
        reason = "never said how many passed" if code == 0 else "ended early" if code is None else \
            f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        output += f"\n{test['name']}: {reason}\n"
    return passed, failed, skipped, time.monotonic() - start, output


def introspect(build, what):
    return json.loads(subprocess.check_output(["meson", "introspect", "--" + what, build]))


def programs(build, tests):
    """What is to be built before these tests can run, as paths in the build folder."""
    wanted = {target for test in tests for target in test["depends"]}
    files = [name for target in introspect(build, "targets") if target["id"] in wanted for name in target["filename"]]
    return sorted(os.path.relpath(name, os.path.realpath(build)) for name in files)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--suite")
    parser.add_argument("--not-suite", action="append", default=[])
    parser.add_argument("--wrapper", default="")
    parser.add_argument("-j", type=int, default=os.cpu_count() or 1)
    parser.add_argument("-v", action="store_true")
    parser.add_argument("--programs", action="store_true")
    options = parser.parse_args()

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so would all it starts
    tests = introspect(options.build, "tests")
    suites = lambda test: {name.split(":")[-1] for name in test["suite"]}
    tests = [t for t in tests if (not options.suite or options.suite in suites(t))
             and not suites(t) & set(options.not_suite)]
    if options.programs:
        print("\n".join(programs(options.build, tests)))
        return 0 if tests else 1
    tests.sort(key=lambda t: -t["priority"])
    total = [0, 0, 0]
    slow = []
    with concurrent.futures.ThreadPoolExecutor(options.j) as pool:
        jobs = {pool.submit(run_one, t, shlex.split(options.wrapper)): t for t in tests}
        for job in concurrent.futures.as_completed(jobs):
            *counts, seconds, output = job.result()
            total = [a + b for a, b in zip(total, counts)]
            slow.append((seconds, jobs[job]["name"]))
            if counts[1] or options.v:
                print(f"---- {jobs[job]['name']} ({options.build}, {seconds:.1f} s)\n{output.rstrip()}", flush=True)
    if options.v and slow:
        print("slowest: " + ", ".join(f"{name} {seconds:.1f} s" for seconds, name in sorted(slow, reverse=True)[:8]))
    if not tests:
        print("no test program fits")
        total[1] += 1
    print("{} passed, {} failed, {} skipped".format(*total))
    return 1 if total[1] else 0


sys.exit(main())
