#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains the ladder with whatever the machine has left over, until a time of day:

    setsid nohup chrt --idle 0 nice -n 19 python3 train/ladder.py rt14:2 piper --until 17:20 >> train/work/ladder.log 2>&1 &

Names are given in order, each as NAME or NAME:CYCLES. Each worker takes the first that is not being trained, has not done so many
cycles and has what it begins with, and trains it one cycle further with train.py on one thread: two small networks side by side use
two cores better than one network does. train/work/pid holds the process group, so that

    kill -STOP -- -$(cat train/work/pid)     pauses everything,    kill -CONT -- -$(cat train/work/pid)     goes on,
    kill -TERM -- -$(cat train/work/pid)     ends it; the same command continues it another day."""
import argparse
import datetime
import os
import signal
import subprocess
import sys
import threading
import time

import data
import networks

TRAIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "train.py")


def minutes_until(clock):
    """From now to the next time it is that o'clock, UTC."""
    hour, minute = map(int, clock.split(":"))
    now = datetime.datetime.now(datetime.timezone.utc)
    then = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return ((then - now).total_seconds() % 86400) / 60


def cycles_done(name):
    found = 0
    while os.path.exists(os.path.join(data.WORK, f"{name}-cycle{found + 1}.pt")):
        found += 1
    return found


def begun(name):
    """Is there what it begins with?"""
    recipe = networks.RECIPES[name]
    return not recipe.start or cycles_done(recipe.start) >= recipe.start_cycle


def item(text):
    name, _, cycles = text.partition(":")
    if name not in networks.RECIPES:
        raise argparse.ArgumentTypeError(f"no such network: {name}")
    return name, int(cycles or 1)


class Ladder:
    def __init__(self, wanted, deadline):
        self.wanted, self.deadline = wanted, deadline  # [(name, cycles)]
        self.busy, self.lock = set(), threading.Lock()
        self.stopped = False

    def next(self):
        with self.lock:
            name = next((name for name, cycles in self.wanted if name not in self.busy and cycles_done(name) < cycles
                         and begun(name)), None)
            if not name:
                return None
            self.busy.add(name)
            return name

    def work(self):
        while not self.stopped and time.monotonic() < self.deadline:
            name = self.next()
            if not name:
                return
            left = (self.deadline - time.monotonic()) / 60
            limits = ["--threads", "1", "--cycles", str(cycles_done(name) + 1), "--minutes", f"{left:.1f}"]
            code = subprocess.call([sys.executable, TRAIN, name] + limits)
            with self.lock:
                self.busy.discard(name)
                if code == 1:
                    self.wanted = [item for item in self.wanted if item[0] != name]
                    print(f"{name}: failed, not tried again", flush=True)

    def stop(self, *_):
        self.stopped = True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wanted", nargs="+", type=item, metavar="NAME[:CYCLES]")
    parser.add_argument("--until", required=True, metavar="HH:MM", help="UTC")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    given = parser.parse_args()
    for name, _ in given.wanted:
        recipe = networks.RECIPES[name]
        for ratio in recipe.ratios:
            data.ready(data.name_of(ratio, recipe.clips))
    with open(os.path.join(data.WORK, "pid"), "w") as file:
        file.write(f"{os.getpgrp()}\n")
    ladder = Ladder(given.wanted, time.monotonic() + 60 * minutes_until(given.until))
    signal.signal(signal.SIGTERM, ladder.stop)
    workers = [threading.Thread(target=ladder.work) for _ in range(given.workers)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()
