#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures the shipped networks with framemill and writes what is said of them: models/quality-*.csv and .svg, a card and a picture
for each, and models/README.md.

    python3 train/cards.py [--program build/framemill] [--text]        --text: from the CSV files that are there, nothing is measured

The pictures are of samples/harbour.png, which is ours, drawn three times as large, shrunk, and enlarged again."""
import argparse
import csv
import glob
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np

import networks
import pictures

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.join(HERE, "..", "models")
LOGS = os.path.join(HERE, "logs")
DRAW = os.path.join(HERE, "..", "samples", "draw_harbour.py")
SETS = [os.path.join(pictures.DATA, "sr", "Set5"), os.path.join(pictures.DATA, "sr", "Set14"), os.path.join(pictures.DATA, "valid", "Kodak24")]
CROP, ZOOM = (330, 84, 112, 84), 3  # left, top, width, height of the part that pictures show

SHAPES = {
    "rt3": "Luma. 3x3 to 8 channels, five 3x3 of 8, 3x3 to 4; PReLU between; a 5x5 from the input round them; pixel shuffle.",
    "rt8": "Luma. 5x5 to 16 channels, three 3x3 of 16, 3x3 to 4; PReLU between; a 5x5 from the input round them; pixel shuffle.",
    "rt9": "Luma. 5x5 to 16 channels, three 3x3 of 16, 5x5 to 4; PReLU between; a 5x5 from the input round them; pixel shuffle.",
    "rt14": "Luma. 3x3 to 16 channels, six 3x3 of 16, 3x3 to 4; PReLU between; a 5x5 from the input round them; pixel shuffle.",
    "rt27": "Luma. 3x3 to 16 channels, eleven 3x3 of 16, 3x3 to 4; PReLU between; a 5x5 from the input round them; pixel shuffle.",
    "rt105": "Luma. 3x3 to 32 channels, eleven 3x3 of 32, 3x3 to 4; PReLU between; a 5x5 from the input round them; pixel shuffle.",
    "piper": "RGB. 3x3 to 64 channels; six residual blocks of 3x3, SiLU, 3x3 (batch norms folded); 3x3 to 12; pixel shuffle. 453,388 "
             "parameters in training.",
    "ivs": "Luma, on the picture already enlarged bilinearly: six 3x3 convolutions, 9 channels, leaky ReLU (0.1) between, added to the input. "
           "One set of weights for every ratio; trained for 1.5, 2 and 3.",
}
MUST = {"piper": (37.54, 33.1), "rt105": (37.65, 33.2), "rt27": (37.40, 32.95), "rt14": (37.20, 32.82), "rt9": (37.00, 32.65), "rt3": (36.40, 32.2)}


def shape_of(name):
    base = name.split("-")[0]
    text = SHAPES[base]
    if name.endswith(("-x3", "-x4")):
        scale = int(name[-1])
        last = {3: (9, 27), 4: (16, 48)}[scale]
        text = text.replace("3x3 to 4;", f"3x3 to {last[0]};").replace("3x3 to 12;", f"3x3 to {last[1]};").replace(" 453,388 parameters in training.", "")
    return text + (" The weights begin as those of " + base + "." if "-" in name else "")


def shipped():
    return [name for name in networks.RECIPES if os.path.exists(os.path.join(MODELS, name + ".onnx"))]


def path_of(name):
    return os.path.join(MODELS, name + ".onnx")


# ---- measuring ----

def measure(program, title, folders, scale, names):
    command = [program, "bench", "quality", "--scale", str(scale)]
    for folder in folders:
        command += ["--data", folder]
    for name in names:
        command += ["-m", name if name == "lanczos" else path_of(name)]
    base = os.path.join(MODELS, f"quality-{title}")
    print(title, flush=True)
    subprocess.run(command + ["--csv", base + ".csv", "--svg", base + ".svg"], check=True)


def originals(name, folder):
    """The large pictures of a test set alone, for scales that it has no small ones for."""
    os.makedirs(folder)
    for path in glob.glob(os.path.join(pictures.DATA, "sr", name, "**", "*_SRF_2_HR.png"), recursive=True):
        shutil.copyfile(path, os.path.join(folder, os.path.basename(path).replace("_SRF_2_HR", "")))


def measure_all(program):
    names = shipped()

    def those(*wanted):
        return ["lanczos"] + [n for n in wanted if n in names]
    measure(program, "x2", SETS, 2, those(*[n for n in names if "-" not in n]))
    with tempfile.TemporaryDirectory() as folder:
        for name in ("Set5", "Set14"):
            originals(name, os.path.join(folder, name))
        plain = [os.path.join(folder, "Set5"), os.path.join(folder, "Set14"), SETS[2]]
        measure(program, "x3", SETS[:1] + plain[1:], 3, those("rt14", "rt105", "ivs", "rt14-x3", "piper-x3"))
        measure(program, "x4", SETS[:1] + plain[1:], 4, those("rt14", "rt105", "rt14-x4", "piper-x4"))
        measure(program, "x1.5", plain, 1.5, those("rt3", "rt9", "ivs"))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, os.path.join(HERE, "compressed.py"), folder], check=True)
        sets = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
        measure(program, "h264", sets, 2, those("rt9", "rt9-h264", "rt14", "rt14-h264"))


def sample():
    """The sample picture, drawn three times as large."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = os.path.join(folder, "harbour.png")
        subprocess.run([sys.executable, DRAW, drawn, "3"], check=True)
        return pictures.read(drawn)


def draw(program, name, original):
    """bicubic | this | original, a part of the sample, enlarged without smoothing."""
    scale = networks.RECIPES[name].ratios[-1] if not networks.make(name).before else 2
    large, small = pictures.shrunk(original, scale)
    with tempfile.TemporaryDirectory() as folder:
        source, result = os.path.join(folder, "small.png"), os.path.join(folder, "large.png")
        pictures.Image.fromarray(small).save(source)
        subprocess.run([program, "upscale", source, result, "-m", path_of(name), "-s", str(scale), "--quiet"], check=True)
        made = pictures.read(result)
    bicubic = pictures.resize(small, scale, large.shape[:2])
    left, top, width, height = CROP
    parts = [np.repeat(np.repeat(p[top:top + height, left:left + width], ZOOM, 0), ZOOM, 1) for p in (bicubic, made, large)]
    gap = np.full((height * ZOOM, 6, 3), 255, np.uint8)
    panel = np.concatenate([parts[0], gap, parts[1], gap, parts[2]], axis=1)
    pictures.Image.fromarray(panel).save(os.path.join(MODELS, "pictures", name + ".png"), optimize=True)


# ---- writing ----

def figures(title):
    """{(set, network): row}"""
    path = os.path.join(MODELS, f"quality-{title}.csv")
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        return {(row["data"], row["network"]): row for row in csv.DictReader(file) if row["picture"].startswith("mean")}


def sets_of(table):
    return list(dict.fromkeys(data for data, _ in table))


def networks_of(table):
    return list(dict.fromkeys(network for _, network in table))


def cell(table, data, network, column):
    row = table.get((data, network))
    return row[column] if row and row[column] else "-"


def quality_table(table, names):
    """Rows of PSNR / SSIM on every set, then flicker and cost."""
    sets = sets_of(table)
    yield "| network | " + " | ".join(f"{s} PSNR / SSIM" for s in sets) + " | flicker (" + sets[-1] + ") | multiply-adds a pixel | images/s (" + sets[-1] + ") |"
    yield "|---" * (len(sets) + 4) + "|"
    for name in names:
        quality = [f"{cell(table, s, name, 'psnr_db')} / {cell(table, s, name, 'ssim')}" for s in sets]
        yield f"| {name} | " + " | ".join(quality) + f" | {cell(table, sets[-1], name, 'flicker')} | {cell(table, sets[0], name, 'macs_per_pixel')} | " \
              f"{cell(table, sets[-1], name, 'images_per_s')} |"


def training_of(name):
    """(steps, hours, cycles) from the log."""
    path = os.path.join(LOGS, name + ".csv")
    with open(path) as file:
        rows = list(csv.DictReader(file))
    cycles = int(rows[-1]["cycle"])
    steps = networks.RECIPES[name].steps(cycles - 1) + int(rows[-1]["step"])
    return steps, float(rows[-1]["seconds"]) / 3600, cycles


def stages_text(stages):
    until, found = 0, []
    for share, crop, batch, loss in stages:
        kind = {"l1": "mean absolute error", "l2": "root mean square error of each crop"}[loss]
        found.append(f"{share - until:.0%} of a cycle {batch} crops of {crop}x{crop}, {kind}")
        until = share
    return "; ".join(found)


def cycle_text(cycle):
    method = {"adam": "Adam", "soap": "SOAP"}[cycle.method]
    return f"{cycle.steps:,} by {method} from {cycle.rate:g}" + (", batch norm fixed" if cycle.fixed else "") + (
        f" ({stages_text(cycle.stages)})" if cycle.stages else "")


def recipe_text(name):
    recipe = networks.RECIPES[name]
    steps, hours, cycles = training_of(name)
    yield f"- {steps:,} steps in {cycles} cycle{'s' if cycles > 1 else ''}, each with warm-up and cosine: {'; '.join(cycle_text(recipe.cycle(n)) for n in range(cycles))}."
    yield f"- In a cycle, where nothing else is said: {stages_text(recipe.stages)}. (How this came about: `train/README.md`.)"
    yield "- Running average of the weights (0.999); eight flips and turns" + ("" if name.startswith("piper") else "; under Adam, collapsible blocks 128 wide") + "."
    if recipe.start:
        yield f"- It began with the weights of `{recipe.start}` after its cycle {recipe.start_cycle}, where they suit."
    if recipe.clips:
        yield "- Frames of moving clips made from the training photos, after x264 at CRF 20-35."
    yield f"- {hours:.1f} hours by the clock, one thread on a core shared with other work. Again: `python3 train/train.py {name} --cycles {cycles}`, then " \
          f"`python3 train/export.py {name} models/{name}.onnx`. Steps and validation: `train/logs/{name}.csv`."


def tables_of(name):
    """(title, words, networks to compare with)"""
    if name.endswith("-h264"):
        clean = name[:-5]
        return [("h264", "Compressed clips (x264 at CRF 23, 28, 33; `train/compressed.py`)", ["bicubic", "lanczos", clean, name])]
    if name.endswith(("-x3", "-x4")):
        scale = name[-1]
        return [(f"x{scale}", f"Enlarging by {scale}", ["bicubic", "lanczos", "rt14", "rt105", name])]
    if name == "ivs":
        return [("x1.5", "Enlarging by 1.5 (rt3, rt9: by 2, then down)", ["bicubic", "lanczos", "ivs", "rt3", "rt9"]), ("x2", "By 2", ["bicubic", "lanczos", "ivs", "rt3", "rt9"]),
                ("x3", "By 3", ["bicubic", "lanczos", "ivs", "rt14-x3"])]
    return [("x2", "Enlarging by 2", ["bicubic", "lanczos", name])]


def card(name):
    size = os.path.getsize(path_of(name))
    network = networks.make(name)
    yield f"# {name}"
    yield ""
    yield shape_of(name)
    yield ""
    yield f"- **Cost:** {networks.multiplies(network):,} multiply-adds for each pixel of its input; {size:,} bytes, weights as half floats."
    yield "- **Data:** CID22_512 (CC BY-SA 4.0), CLIC2025 and unsplash_squeeze (Unsplash licence), gb82 and elementary (CC0): 257 photos, large ones at two sizes; in the last cycles of rt8, rt9, " \
          "rt14, rt27, rt105 and piper each at up to seven. Kodak24 to validate."
    yield "- **Licence:** MIT."
    yield ""
    yield "## Quality"
    yield ""
    yield "PSNR and SSIM of luma by the usual protocol (BT.601 luma, a border of `scale` pixels left out), by `framemill bench quality`; flicker is the change of the error " \
          "between frames of a still that is panned by a pixel, in 8-bit levels."
    for title, words, wanted in tables_of(name):
        table = figures(title)
        if not table:
            continue
        yield ""
        yield f"{words}:"
        yield ""
        yield from quality_table(table, [n for n in wanted if n in networks_of(table)])
    if name in MUST:
        table = figures("x2")
        got = [float(cell(table, s, name, "psnr_db")) for s in ("Set5", "Set14")]
        missing = [m - g for m, g in zip(MUST[name], got)]
        yield ""
        yield "Our own bar is {:.2f} / {:.2f} on Set5 / Set14: {}.".format(*MUST[name], "reached" if max(missing) <= 0 else ", ".join(
            f"{s} misses it by {m:.3f} dB" for s, m in zip(("Set5", "Set14"), missing) if m > 0) + "")
    if name == "ivs":
        yield ""
        yield "In its place we put the ladder: `rt9` for 1.5 and 2, `rt14-x3` for 3. They work on the small picture, before it is enlarged: for each pixel of the result that is " \
              "9,012 / 2.25 = 4,005, 9,012 / 4 = 2,253 and 15,489 / 9 = 1,721 multiply-adds where `ivs` takes 3,078; at 1.5 `rt3` takes 1,484."
    yield ""
    yield f"![bicubic, {name}, original](pictures/{name}.png)"
    yield ""
    yield f"Bicubic | `{name}` | original: a part of `samples/harbour.png` drawn three times as large, by `python3 train/cards.py`."
    yield ""
    yield "## Training"
    yield ""
    yield from recipe_text(name)


def readme():
    names = shipped()
    yield "# Networks that are shipped"
    yield ""
    yield "Trained here, by `train/`, on photos whose licences allow it; MIT. Without `-m`, `framemill upscale` takes `rt105` for stills and `rt14` or its form of the scale for video; " \
          "each has a card with its recipe and figures. Everything on this page is written by `python3 train/cards.py`."
    yield ""
    yield "| network | enlarges | colour | multiply-adds a pixel of the input | file, bytes | card |"
    yield "|---|---|---|---|---|---|"
    for name in names:
        network = networks.make(name)
        scale = "any ratio (bilinear first)" if network.before else f"x{network.scale}"
        yield f"| `{name}` | {scale} | {network.colour} | {networks.multiplies(network):,} | {os.path.getsize(path_of(name)):,} | [{name}.md]({name}.md) |"
    yield f"| `lanczos2x` | x2 | rgb | 147 | {os.path.getsize(path_of('lanczos2x')):,} | the Lanczos-3 filter as a network, by `make_lanczos2x.py`: nothing is trained |"
    for title, words in (("x2", "Enlarging by 2"), ("x3", "By 3"), ("x4", "By 4"), ("x1.5", "By 1.5"), ("h264", "By 2, after H.264 (CRF 23, 28, 33)")):
        table = figures(title)
        if not table:
            continue
        yield ""
        yield f"## {words}"
        yield ""
        yield from quality_table(table, networks_of(table))
        if title == "x2":
            yield ""
            yield "![quality against cost](quality-x2.svg)"
            yield ""
            yield "| network | must (Set5 / Set14) | reached | |"
            yield "|---|---|---|---|"
            for name, bar in MUST.items():
                if ("Set5", name) not in table:
                    continue
                got = [float(cell(table, s, name, "psnr_db")) for s in ("Set5", "Set14")]
                short = [b - g for b, g in zip(bar, got)]
                verdict = "yes" if max(short) <= 0 else "short by " + " / ".join(f"{max(0, s):.3f}" for s in short)
                yield f"| {name} | {bar[0]:.2f} / {bar[1]:.2f} | {got[0]:.2f} / {got[1]:.2f} | {verdict} |"
    yield ""
    yield "PSNR in dB and SSIM of luma; flicker in 8-bit levels, less is steadier (see docs/bench.md). Images per second: computing alone, on the machine and the day of the run, for comparison " \
          "within a table. The curves of all trainings: [train/logs/curves.svg](../train/logs/curves.svg)."


def write(path, lines):
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")


def main():
    built = os.path.join(HERE, "..", "build", "framemill")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=built)
    parser.add_argument("--text", action="store_true", help="write the texts alone")
    given = parser.parse_args()
    os.makedirs(os.path.join(MODELS, "pictures"), exist_ok=True)
    if not given.text:
        measure_all(given.program)
        original = sample()
        for name in shipped():
            draw(given.program, name, original)
    for name in shipped():
        write(os.path.join(MODELS, name + ".md"), card(name))
    write(os.path.join(MODELS, "README.md"), readme())


if __name__ == "__main__":
    main()
