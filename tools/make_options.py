#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns docs/options/*.txt (one file per option) into what needs them: the table behind parsing and --help, and the man page.
An option that means something else to another command has a file of its own for it (tile.txt, tile-upscale.txt).

    make_options.py header OUT FILE...        a C table
    make_options.py man TEMPLATE OUT FILE...  TEMPLATE with its line @OPTIONS@ replaced
"""
import sys


def read(path):
    fields, lines = {}, open(path, encoding="utf-8").read().split("\n")
    while lines and lines[0]:
        key, _, value = lines.pop(0).partition(":")
        fields[key] = value.strip()
    fields["text"] = " ".join(line.strip() for line in lines if line.strip())
    for key in ("option", "short", "argument", "commands", "help"):
        if key not in fields:
            sys.exit(f"{path}: the line '{key}:' is missing")
    if not fields["text"] or not fields["help"]:
        sys.exit(f"{path}: no text")
    return fields


def check(paths, options):
    """No command has two options of one name or letter."""
    seen = {}
    for path, o in zip(paths, options):
        for command in o["commands"].split():
            for name in filter(None, (o["option"], o["short"])):
                other = seen.setdefault((command, name), path)
                if other != path:
                    sys.exit(f"{path}: {command} has {name} from {other} already")


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def header(options):
    yield "/* Made from docs/options by tools/make_options.py. */"
    for o in options:
        row = (o["option"][2:], o["short"][1:], o["argument"], " " + o["commands"] + " ", o["help"])
        yield "{ " + ", ".join(quoted(field) for field in row) + " },"


def roff(text):
    return text.replace("\\", "\\e").replace("-", "\\-")


def manual(options):
    for o in options:
        yield ".TP"
        names = "\\fB" + roff(o["option"]) + "\\fR" + (", \\fB" + roff(o["short"]) + "\\fR" if o["short"] else "")
        commands = ", ".join(o["commands"].split())
        yield names + (" \\fI" + roff(o["argument"]) + "\\fR" if o["argument"] else "") + ("" if commands == "main" else f"  ({commands})")
        first = o["help"][0].upper() + o["help"][1:] + "."
        yield roff(first)
        yield roff(o["text"])


def main():
    mode, rest = sys.argv[1], sys.argv[2:]
    template = rest.pop(0) if mode == "man" else None
    out = rest.pop(0)
    paths = sorted(rest)
    options = [read(path) for path in paths]
    check(paths, options)
    if mode == "header":
        lines = list(header(options))
    else:
        lines = []
        for line in open(template, encoding="utf-8").read().split("\n"):
            lines += list(manual(options)) if line == "@OPTIONS@" else [line]
    with open(out, "w", encoding="utf-8") as file:
        file.write("\n".join(lines).rstrip("\n") + "\n")


main()
