#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""framemill bench as a user meets it: tables, JSON, CSV and plots that can be read, numbers that can be true. How fast is no test's business.
Usage: test_bench.py FRAMEMILL, from the project's root."""
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml

MODEL = os.path.abspath("models/lanczos2x.onnx")
SVG = "{http://www.w3.org/2000/svg}"
DONE, FAILED, USAGE, BAD_INPUT = range(4)
framemill = sys.argv[1]


class Skip(Exception):
    pass


def run(folder, *arguments):
    """(exit code, output, errors); temporary files go to folder/tmp, which must be empty again afterwards"""
    place = os.path.join(folder, "tmp")
    os.makedirs(place, exist_ok=True)
    done = subprocess.run([framemill, "bench", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                          env={**os.environ, "TMPDIR": place, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"})
    if "libvips is not installed" in done.stderr:
        raise Skip
    assert os.listdir(place) == [], os.listdir(place)
    return done.returncode, done.stdout, done.stderr


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def drawing(path):
    """(texts, lines that are drawn) of a plot"""
    root = xml.parse(path).getroot()
    assert root.tag == SVG + "svg" and float(root.get("width")) > 0 and float(root.get("height")) > 0
    width, height = float(root.get("width")), float(root.get("height"))
    for circle in root.iter(SVG + "circle"):
        assert 0 <= float(circle.get("cx")) <= width and 0 <= float(circle.get("cy")) <= height
    lines = [path for path in root.iter(SVG + "path") if "L" in path.get("d")]
    return [text.text for text in root.iter(SVG + "text")], lines


def json_rows(text):
    return [json.loads(line) for line in text.splitlines()]


def latency(folder):
    out = os.path.join(folder, "a", "b")
    code, text, errors = run(folder, "latency", "lanczos", MODEL, "--sizes", "48,64x32,160", "--repeat", "3", "-o", out)
    assert code == DONE and not errors, (code, errors)
    rows = rows_of(os.path.join(out, "latency.csv"))
    assert [(row["network"], row["input"], row["output"]) for row in rows] == \
        [(name, size, double) for name in ("lanczos", "lanczos2x")
         for size, double in (("48x48", "96x96"), ("64x32", "128x64"), ("160x160", "320x320"))], rows
    for row in rows:
        low, middle, high = (float(row[key]) for key in ("min_ms", "median_ms", "max_ms"))
        assert 0 < low <= middle <= high and row["runs"] == "3", row
        assert float(row["read_ms"]) > 0 and float(row["compute_ms"]) > 0 and float(row["write_ms"]) > 0, row
        w, h = map(int, row["input"].split("x"))
        assert abs(float(row["megapixels"]) - w * h / 1e6) < 6e-4, row
        assert abs(float(row["ms_per_megapixel"]) - middle / (w * h / 1e6)) < 0.06 * 1e6 / (w * h), row
    for row in rows:
        assert row["network"] in text and row["input"] in text and row["median_ms"] in text, text
    texts, lines = drawing(os.path.join(out, "latency.svg"))
    assert "lanczos" in texts and "lanczos2x" in texts and "ms per megapixel" in texts and "milliseconds" in texts, texts
    assert len(lines) == 4  # two networks, two panels


def one_network_is_drawn_in_parts(folder):
    plot = os.path.join(folder, "plot.svg")
    code, text, errors = run(folder, "latency", "--sizes", "32,64", "--repeat", "1", "--seconds", "0.1", "--svg", plot, "--json", "-f", "jpg",
                             "-s", "3")
    assert code == DONE and not errors, (code, errors)
    rows = json_rows(text)
    assert [row["output"] for row in rows] == ["96x96", "192x192"] and all(row["median_ms"] > 0 for row in rows), rows
    texts, lines = drawing(plot)
    assert {"read", "compute", "write"} <= set(texts) and len(lines) == 5, texts
    assert os.listdir(folder) and not [name for name in os.listdir(folder) if name.endswith(".csv")]


def throughput(folder):
    table, plot = os.path.join(folder, "t.csv"), os.path.join(folder, "t.svg")
    code, text, errors = run(folder, "throughput", MODEL, "--sizes", "40,96", "--files", "11", "--csv", table, "--svg", plot, "--json")
    assert code == DONE and not errors, (code, errors)
    rows, printed = rows_of(table), json_rows(text)
    assert len(rows) == len(printed) == 2
    for row, same in zip(rows, printed):
        assert row["pictures"] == "11" and same["pictures"] == 11
        wall, cpu = same["wall_s"], same["cpu_s"]
        assert wall > 0 and cpu > 0 and abs(float(row["wall_s"]) - wall) < 1e-9
        assert abs(same["pictures_per_s"] - 11 / wall) < 0.05 * 11 / wall, same
        processors = same["wall_per_cpu_share"] * cpu / wall
        assert abs(processors - len(os.sched_getaffinity(0))) < 0.1 * processors, same
    texts, lines = drawing(plot)
    assert "megapixels a second" in texts and len(lines) == 2, texts


def memory(folder):
    code, text, errors = run(folder, "memory", MODEL, "--sizes", "64,1600", "--memory", "100M", "-o", folder)
    assert code == DONE and not errors, (code, errors)
    rows = rows_of(os.path.join(folder, "memory.csv"))
    assert [(row["memory"], row["input"]) for row in rows] == [(limit, size) for size in ("64x64", "1600x1600") for limit in ("default", "100M")]
    small, small_bound, large, large_bound = (float(row["peak_mb"]) for row in rows)
    assert 5 < small < large and 5 < small_bound < large_bound, rows
    assert large_bound < 100e6 / 1e6 + 40, rows  # what was allowed, and the program itself
    texts, lines = drawing(os.path.join(folder, "memory.svg"))
    assert "lanczos2x, default" in texts and "lanczos2x, 100M" in texts and len(lines) == 3, texts


def thermal(folder):
    code, text, errors = run(folder, "thermal", "--sizes", "64", "--seconds", "3", "-o", folder)
    assert code == DONE and not errors, (code, errors)
    rows = rows_of(os.path.join(folder, "thermal.csv"))
    assert 2 <= len(rows) <= 4, rows
    for k, row in enumerate(rows):
        assert k < float(row["second"]) and float(row["pictures_per_s"]) > 0 and float(row["processors_busy"]) > 0, row
        if row["clock_mhz"]:
            assert 10 < float(row["clock_mhz"]) < 20000, row
    assert "clock" in text and "temperature" in text and "too short to tell" in text, text
    texts, _ = drawing(os.path.join(folder, "thermal.svg"))
    assert "pictures a second" in texts and "seconds" in texts, texts


def a_signal_ends_it_and_leaves_nothing(folder):
    place = os.path.join(folder, "tmp")
    os.makedirs(place)
    command = [framemill, "bench", "thermal", "--sizes", "64", "--seconds", "60", "--csv", os.path.join(folder, "t.csv"), "--json"]
    job = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": place})
    first = job.stdout.readline()  # a second of work is done
    if not first and "libvips is not installed" in job.stderr.read():
        raise Skip
    assert json.loads(first)["pictures_per_s"] > 0
    begin = time.monotonic()
    job.send_signal(signal.SIGTERM)
    rest, errors = job.communicate(timeout=60)
    assert job.returncode == FAILED and time.monotonic() - begin < 40, (job.returncode, errors)
    assert "summary" in json.loads(rest.splitlines()[-1]), rest
    assert rows_of(os.path.join(folder, "t.csv")) and os.listdir(place) == []


def names_are_escaped(folder):
    """a network may be called anything"""
    model = os.path.join(folder, 'a,<b>&"c" \u00e4.onnx')
    with open(MODEL, "rb") as source, open(model, "wb") as copy:
        copy.write(source.read())
    code, text, errors = run(folder, "latency", model, "--sizes", "32,48", "--repeat", "1", "-o", folder, "--json")
    assert code == DONE and not errors, (code, errors)
    name = 'a,<b>&"c" \u00e4'
    assert {row["network"] for row in json_rows(text)} == {name}
    assert {row["network"] for row in rows_of(os.path.join(folder, "latency.csv"))} == {name}
    assert name in drawing(os.path.join(folder, "latency.svg"))[0]


def wrong_usage(folder):
    for arguments in ((), ("speed",), ("network",), ("latency", "--sizes", "0"), ("latency", "--sizes", "12,"), ("latency", "--sizes", "12x"),
                      ("latency", "--sizes", "ax7"), ("latency", "--sizes", "70000"), ("latency", "--sizes", ""), ("latency", "--repeat", "0"),
                      ("latency", "--seconds", "0"), ("latency", "--seconds", "soon"), ("throughput", "--files", "0"), ("memory", "--memory", "1Q"),
                      ("latency", "-f", "doc"), ("latency", "--scale", "-1"), ("thermal", "--sizes", "64,128"), ("latency", "--svg"),
                      ("latency", "--cpumask", "z80", "--sizes", "16"), ("latency", "-t", "3", "--sizes", "16")):
        code, text, errors = run(folder, *arguments)
        assert code == USAGE and errors and not text, (arguments, code, text, errors)


def what_is_missing_is_said(folder):
    code, text, errors = run(folder, "latency", "no-such-network", "--sizes", "16")
    assert code == BAD_INPUT and "no-such-network" in errors and not text, (code, text, errors)
    code, text, errors = run(folder, "memory", "no-such-network", "--sizes", "16")
    assert code == FAILED and "no-such-network" in errors and not text, (code, text, errors)
    for option in ("--csv", "--svg"):
        code, text, errors = run(folder, "latency", "--sizes", "16", "--repeat", "1", option, os.path.join(folder, "none", "x"))
        assert code == FAILED and os.path.join("none", "x") in errors and text, (code, errors)
    done = subprocess.run([framemill, "bench", "latency", "--sizes", "16"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "TMPDIR": os.path.join(folder, "none")}, timeout=60)
    assert done.returncode == FAILED and "none/framemill-bench" in done.stderr, done


CASES = (latency, one_network_is_drawn_in_parts, throughput, memory, thermal, a_signal_ends_it_and_leaves_nothing, names_are_escaped,
         wrong_usage, what_is_missing_is_said)


def main():
    passed = failed = skipped = 0
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            try:
                case(folder)
                passed += 1
            except Skip:
                print(f"SKIPPED {case.__name__}: libvips is not installed")
                skipped += 1
            except Exception as fault:  # a case that stumbles has failed, whatever it stumbled over
                print(f"FAILED {case.__name__}: {fault!r}", file=sys.stderr)
                failed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


sys.exit(main())
