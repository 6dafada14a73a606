#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/bench_video.py --quick: every part runs and says what it should, in numbers that can be true. How fast is no test's business.
Usage: test_bench_video.py BUILD, from the project's root."""
import json
import os
import shutil
import subprocess
import sys

PARTS = ("overlap", "rate", "heap", "mill", "memory", "reuse")
TOOL = os.path.join("tools", "bench_video.py")


def run(*arguments):
    return subprocess.run([sys.executable, "-B", TOOL, sys.argv[1], *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=240)


def of(rows, part, word=""):
    found = [row for row in rows if row.get("part") == part and word in row["what"]]
    assert found, (part, word)
    return found


def everything():
    done = run("--quick", "--json")
    assert done.returncode in (0, 1) and not done.stderr, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    first, last = rows[0], rows[-1]
    assert first["processors"] >= 1 and first["machine"], first
    lines = rows[1:-1]
    assert {row["part"] for row in lines} == set(PARTS), lines
    judged = [row for row in lines if row.get("reached") is not None]
    assert last == {"reached": sum(row["reached"] for row in judged), "missed": sum(not row["reached"] for row in judged),
                    "skipped": sum("skipped" in row for row in lines)}, last
    assert done.returncode == (1 if last["missed"] else 0)
    for row in judged:
        assert row["bar"] and row["figure"], row
        if "limit" in row:
            assert row["reached"] == (row["value"] >= row["limit"] if row["bar"].startswith(">=") else row["value"] <= row["limit"]), row
    these_hold(lines)


def these_hold(rows):
    """What does not depend on the machine."""
    whole = of(rows, "overlap")[0]
    assert whole["frames"] == 12 and whole["value"] > 0.5 and whole["job_s"] > 0, whole
    assert set(whole["cpus_s"]) == {"decode", "network", "encode"} and whole["cpus_s"]["network"] > 0, whole
    for row in of(rows, "rate", "rt3"):
        assert row["frames"] == 12 and row["fps"] > 0 and row["cpu_ms"] > 0, row
    for row in of(rows, "heap"):
        assert row["allocations"] == 0 and row["reached"], row
    assert all(row["slots_per_s"] > 0 and row["us_per_slot"] > 0 for row in of(rows, "mill", "own work"))
    assert len(of(rows, "mill", "own work")) == 7 and of(rows, "mill", "in order")[0]["reached"]
    ladder = of(rows, "mill", "20, 50, 100 ms")[0]
    assert 0 < ladder["fps"] < 90 and ladder["ideal_fps"] == 80, ladder
    memory = of(rows, "memory", "ffmpeg")[0]
    assert 5 < memory["mine_mb"] < 5000 and abs(memory["mine_mb"] - memory["theirs_mb"] - memory["value"]) < 1e-6, memory
    assert all(row["reached"] for row in of(rows, "reuse", "lossless"))
    twice = of(rows, "reuse", "each frame twice: ")[0]
    # 11 steps between 12 frames, 6 of them to the same frame once more: all 15 tiles stay
    assert twice["frames"] == 12 and twice["share"] >= 6 / 11 - 1e-9 and twice["reused"] >= 6 / 11 - 1e-9, twice


def parts_and_usage():
    done = run("--quick", "heap")
    assert "3. the heap" in done.stdout and "overlap" not in done.stdout and " reached, " in done.stdout.splitlines()[-1], done
    done = run("--quick", "milk")
    assert done.returncode == 2 and "milk" in done.stderr and not done.stdout, done


def main():
    cases = (everything, parts_and_usage)
    if not shutil.which("ffmpeg"):
        print(f"0 passed, 0 failed, {len(cases)} skipped")
        return 0
    failed = 0
    for case in cases:
        try:
            case()
        except Exception as fault:  # a case that stumbles has failed, whatever it stumbled over
            print(f"FAILED {case.__name__}: {fault!r}", file=sys.stderr)
            failed += 1
    print(f"{len(cases) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


sys.exit(main())
