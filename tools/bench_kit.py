# SPDX-License-Identifier: MIT
"""What the benchmarks share that know their bars: figures beside bars, as text or as lines of JSON; programs measured from outside."""
import json
import os
import platform
import shutil
import subprocess
import sys
import time

root = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
shared = os.environ.get("FM_SHARED") or os.path.join(root, "..", "shared")
cores = len(os.sched_getaffinity(0))
counts = {"reached": 0, "MISSED": 0, "skipped": 0}
as_json = False
part = ""


def say(**values):
    print(json.dumps(values), flush=True)


def head(name, text):
    """What follows belongs to part `name`."""
    global part
    part = name
    if not as_json:
        print(text, flush=True)


def note(text):
    if not as_json:
        print(f"   {text}", flush=True)


def line(what, figure, bar="", reached=None, by="", **values):
    """reached: None for a figure without a bar; by: how far it is missed. values: numbers for JSON."""
    verdict = "" if reached is None else "reached" if reached else "MISSED"
    if verdict:
        counts[verdict] += 1
    if as_json:
        say(part=part, what=what, figure=figure, bar=bar, reached=reached, **values)
    else:
        print(f"   {what:<72} {figure:>28}   {bar:<14} {verdict}{' by ' + by if by and reached is False else ''}", flush=True)


def held(what, value, form, limit, at_least=False, spread=(), **values):
    """A figure that must be at most (or at least) `limit`; form: "{:.1f} fps" for all of them."""
    reached = value >= limit if at_least else value <= limit
    figure = form.format(value)
    if len(spread) > 1:
        figure += f" ({form.format(min(spread)).split()[0]} - {form.format(max(spread)).split()[0]})"
    by = f"{abs(value - limit) / limit:.1%}" if limit else form.format(value)
    line(what, figure, (">= " if at_least else "<= ") + form.format(limit), reached, by, value=value, limit=limit, **values)


def skip(what, path):
    counts["skipped"] += 1
    if as_json:
        say(part=part, what=what, skipped=os.path.basename(path))
    else:
        print(f"   {what:<72} {'skipped: no ' + os.path.basename(path):>28}", flush=True)


def machine():
    """Printed first: what the figures were measured on."""
    name = next((text.split(":")[1].strip() for text in open("/proc/cpuinfo") if text.startswith("model name")), platform.machine())
    if as_json:
        say(machine=name, processors=cores, load=os.getloadavg()[0])
    else:
        print(f"{name}, {cores} processors; others keep {os.getloadavg()[0]:.1f} of them busy at the start", flush=True)


def end():
    """Exit code of the program."""
    if as_json:
        say(reached=counts["reached"], missed=counts["MISSED"], skipped=counts["skipped"])
    else:
        print("{reached} reached, {MISSED} missed, {skipped} skipped".format(**counts))
    return 1 if counts["MISSED"] else 0


def measured(*command, output=os.devnull):
    """(wall seconds, processor seconds, peak bytes) of a process that must succeed; its output goes to the file `output`."""
    path = shutil.which(command[0]) or command[0]
    to = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 1, output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)]
    start = time.monotonic()
    child = os.posix_spawn(path, [str(word) for word in command], os.environ, file_actions=to)
    _, status, used = os.wait4(child, 0)
    wall = time.monotonic() - start
    if status:
        sys.exit(f"{os.path.basename(sys.argv[0])}: {' '.join(map(str, command))}: failed")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def rows(*command):
    """The lines of JSON that a program prints."""
    text = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True).stdout
    return [json.loads(one) for one in text.splitlines()]


def _busy_seconds():
    fields = [int(word) for word in open("/proc/stat").readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")  # all but idle and waiting for disks


class Watch:
    """How much of the processors others had while something was measured: programs beside it, and the host."""

    def __init__(self):
        self.begun, self.busy, self.own = time.monotonic(), _busy_seconds(), sum(os.times()[:4])

    def others(self):
        """Share of all processors, 0 .. 1."""
        used = _busy_seconds() - self.busy - (sum(os.times()[:4]) - self.own)
        return max(0.0, used / (time.monotonic() - self.begun) / (os.cpu_count() or 1))
