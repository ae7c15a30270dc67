#!/usr/bin/env python3
"""Draws the exact and the decoded gradient factor of the main activations, and the error against its floor, over y.

    accuracy_report --cells --only "bfloat16 bitmask accurate" > cells.csv
    plot.py cells.csv OUTPUT.png [ACTIVATION ...]

Above: g over y, the pieces apart. Below: the largest error of each stored code, over all x that it stands for, and
the least that any decoder could have, half the range of f' over those x. Needs matplotlib.
"""
import csv
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

MAIN = ["gelu", "silu", "mish", "hardswish"]
EXACT, LEFT, RIGHT, FLOOR = "#bdbdbd", "#c44e52", "#1f5a99", "#222222"


def read(path, wanted):
    """{activation: [(y, piece, g_low, g_high, g)]} of the first format, packing and approximant of each."""
    rows, titles = {}, {}
    with open(path, newline="") as file:
        for r in csv.DictReader(file):
            name = r["activation"]
            if name not in wanted:
                continue
            title = f"{r['storage']}, {r['packing']}"
            if titles.setdefault(name, title) != title:
                continue
            rows.setdefault(name, []).append(
                (float(r["y"]), int(r["piece"]), float(r["g_low"]), float(r["g_high"]), float(r["g"])))
    return rows, titles


def draw(rows, titles, output):
    figure, axes = plt.subplots(2, len(rows), figsize=(4.2 * len(rows), 6.2), squeeze=False, sharex="col")
    for column, (name, cells) in enumerate(rows.items()):
        above, below = axes[0][column], axes[1][column]
        bottom = min(y for y, *_ in cells)
        top = max(3.0, -3 * bottom)
        cells = [c for c in cells if c[0] <= top and abs(c[0]) > 1e-6]
        for piece, colour, label in ((1, LEFT, "left piece"), (0, RIGHT, "right piece")):
            part = sorted(c for c in cells if c[1] == piece)
            if not part:
                continue
            y = [c[0] for c in part]
            above.plot(y, [(c[2] + c[3]) / 2 for c in part], color=EXACT, linewidth=5, solid_capstyle="round",
                       label="exact" if piece == 0 else None, zorder=1)
            above.plot(y, [c[4] for c in part], color=colour, linewidth=1.3, label=f"decoded, {label}", zorder=2)
            below.plot(y, [max(abs(c[4] - c[2]), abs(c[4] - c[3])) for c in part], color=colour, linewidth=1,
                       label=f"error, {label}")
            below.plot(y, [(c[3] - c[2]) / 2 for c in part], color=FLOOR, linewidth=0.8, linestyle=(0, (4, 3)),
                       label="floor" if piece == 0 else None)
        above.set_title(f"{name}\n{titles[name]}", fontsize=11)
        below.set_yscale("log")
        below.set_ylim(1e-6, 1e-1)
        below.set_xscale("symlog", linthresh=0.1)
        below.set_xticks([-0.3, -0.1, 0, 0.1, 1], ["-0.3", "-0.1", "0", "0.1", "1"])
        below.minorticks_off()
        below.set_xlim(1.1 * bottom, top)
        below.set_xlabel("stored y")
        for axis in (above, below):
            axis.grid(True, color="#eeeeee", linewidth=0.8)
            axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("gradient factor g")
    axes[1][0].set_ylabel("largest error of g")
    axes[0][0].legend(fontsize=8, frameon=False, loc="lower right")
    axes[1][0].legend(fontsize=8, frameon=False, loc="lower left")
    figure.tight_layout()
    figure.savefig(output, dpi=110)


def main(argv):
    if len(argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    wanted = argv[3:] or MAIN
    rows, titles = read(argv[1], wanted)
    missing = [name for name in wanted if name not in rows]
    if missing:
        print(f"plot.py: {argv[1]} has no rows of {', '.join(missing)}", file=sys.stderr)
        return 1
    draw({name: rows[name] for name in wanted}, titles, argv[2])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
