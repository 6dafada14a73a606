# SPDX-License-Identifier: MIT
"""Ports of this machine for tests: which are free, who listens."""
import random
import socket

DICE = random.Random()


def free_port(kind=socket.SOCK_STREAM):
    """None of those that the system itself hands out (to whoever else connects or asks for any), so that it stays free until it is used."""
    while True:
        with socket.socket(socket.AF_INET, kind) as attempt:
            port = DICE.randrange(16000, 32000)
            try:
                attempt.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass  # taken


def is_bound(port):
    """Does somebody listen at it, by UDP or TCP?"""
    for kind, state in ("udp", ""), ("udp6", ""), ("tcp", "0A"), ("tcp6", "0A"):
        try:
            with open(f"/proc/net/{kind}", encoding="ascii") as file:
                rows = [line.split() for line in file]
        except OSError:
            continue
        if any(row[1].endswith(f":{port:04X}") and row[3].startswith(state) for row in rows[1:]):
            return True
    return False
