"""Plots of the report on peers."""

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

from peers_report import OURS, middle, named, ratios  # noqa: E402

# In the order of the legend; ours in strong colours.
STYLE = {"bitmask": dict(color="#c0392b", linewidth=2.2), "mantissa_bit": dict(color="#e67e22", linewidth=2.2),
         "eager": dict(color="#2c3e50"), "compile": dict(color="#2980b9"), "compile, y again": dict(color="#7fb3d5"),
         "save_x": dict(color="#27ae60"), "recompute": dict(color="#7dcea0"), "paper": dict(color="#8e44ad"),
         "tempo": dict(color="#c39bd3"), "fewbit": dict(color="#b7950b"), "copy": dict(color="#95a5a6", linestyle="--")}


def bandwidth(data, path):
    """Bytes per second of every contestant over n."""
    storages = list(dict.fromkeys(row["storage"] for row in data.rows("elementwise")))
    figure, axes = pyplot.subplots(len(storages), 4, figsize=(20, 4.2 * len(storages)), squeeze=False, sharex=True)
    for line, storage in zip(axes, storages):
        for axis, (activation, direction) in zip(line, [(a, d) for a in ("gelu", "silu") for d in ("forward", "backward")]):
            rows = sorted(data.rows("elementwise", activation=activation, storage=storage, direction=direction),
                          key=lambda row: row["log2n"])
            for name, style in STYLE.items():
                points = [(row["log2n"], 1e-3 * row["bytes"][name] / middle(row["us"][name])) for row in rows
                          if name in row["us"]]
                if points:
                    axis.plot(*zip(*points), label=named(name), marker=".", **style)
            axis.set_title(f"{named(activation)} {direction}, {storage}")
            axis.grid(alpha=0.3)
            axis.set_ylim(bottom=0)
    for axis in axes[-1]:
        axis.set_xlabel("log2 n")
        axis.set_xticks(range(10, 31, 4))
    for line in axes:
        line[0].set_ylabel("GB/s of the bytes each scheme moves")
    axes[0][0].legend(fontsize=8)
    save(figure, path, "bandwidth")


def memory_and_time(data, path):
    """Of each block: bytes kept over standard's, and time over standard's."""
    rows = data.rows("blocks")
    kinds = list(dict.fromkeys(row["block"] for row in rows))
    figure, axes = pyplot.subplots(1, len(kinds), figsize=(5 * len(kinds), 4.5), squeeze=False)
    markers = dict(zip(dict.fromkeys(row["model"] for row in rows), "osD^"))
    colors = {"checkpoint": "#7f8c8d", "recompute": "#27ae60", "compile": "#2980b9", "compile, budget": "#7fb3d5",
              "bitmask": "#c0392b", "mantissa_bit": "#e67e22", "bitmask, bias": "#f1948a", "mantissa_bit, bias": "#f8c471",
              "standard": "#2c3e50"}
    for axis, kind in zip(axes[0], kinds):
        for row in data.rows("blocks", block=kind):
            for name in row["us"]:
                axis.scatter(row["kept"][name] / row["kept"]["standard"], 1 / middle(ratios(row, "standard", name)),
                             color=colors[name], marker=markers[row["model"]], alpha=0.85,
                             facecolors=colors[name] if row["activation"] == "gelu" else "none")
        axis.axhline(1, color="#2c3e50", linewidth=0.7)
        axis.set_title(kind)
        axis.set_xlabel("bytes between forward and backward, over standard")
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("time, over standard")
    handles = [pyplot.Line2D([], [], linestyle="", marker="o", color=color, label=named(name)) for name, color in colors.items()]
    handles += [pyplot.Line2D([], [], linestyle="", marker=marker, color="k", label=model) for model, marker in markers.items()]
    handles.append(pyplot.Line2D([], [], linestyle="", marker="o", color="k", markerfacecolor="none", label="hollow: SiLU"))
    axes[0][-1].legend(handles=handles, fontsize=7, loc="center left", bbox_to_anchor=(1.02, 0.5))
    save(figure, path, "blocks")


def roofline(data, path):
    """Warp instructions a second over warp instructions of a DRAM byte (Ding and Williams' instruction roofline)."""
    figure, axes = pyplot.subplots(1, 2, figsize=(14, 5.5), sharey=True)
    peak = data.roofline[0]["peak_instructions"]
    memory = data.roofline[0]["peak_bytes"]
    for axis, activation in zip(axes, ("gelu", "silu")):
        ridge = peak / memory
        x = [ridge / 16, ridge, ridge * 4]
        axis.plot(x, [min(peak, memory * v) * 1e-9 for v in x], color="k", linewidth=1)
        for row in data.roofline:
            if row["activation"] != activation:
                continue
            intensity = row["instructions"] / 32 / row["bytes"]
            axis.scatter(intensity, 1e-9 * intensity * row["bytes_per_second"],
                         color=STYLE[row["name"]]["color"], marker="o" if row["direction"] == "forward" else "s",
                         s=70 if row["name"] in OURS else 35, label=f"{named(row['name'])} {row['direction']}")
        axis.set_xscale("log", base=2)
        axis.set_yscale("log", base=2)
        axis.set_xlabel("warp instructions of a DRAM byte")
        axis.set_title(f"{named(activation)}, bfloat16")
        axis.grid(alpha=0.3, which="both")
        axis.legend(fontsize=6, ncol=2)
    axes[0].set_ylabel("10^9 warp instructions a second")
    save(figure, path, "roofline")


def scaling(data, path):
    """Time over n, beside a memcpy and an empty kernel."""
    figure, axes = pyplot.subplots(1, 2, figsize=(14, 5), sharey=True)
    for axis, direction in zip(axes, ("forward", "backward")):
        for packing in OURS:
            rows = sorted((int(name.split(":")[1]), row) for name, row in data.scaling.items()
                          if name.startswith(f"n/{packing}/{direction}/"))
            n = [size for size, _ in rows]
            axis.plot(n, [row["us"] for _, row in rows], marker=".", label=named(packing), **STYLE[packing])
            if packing == OURS[0] and rows:
                axis.plot(n, [row["memcpy_us"] for _, row in rows], label="memcpy of the same bytes", **STYLE["copy"])
                axis.plot(n, [row["empty_us"] for _, row in rows], color="#bbbbbb", linestyle=":", label="empty kernel")
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xlabel("n")
        axis.set_title(f"GELU {direction}, bfloat16")
        axis.grid(alpha=0.3)
        axis.legend()
    axes[0].set_ylabel("µs")
    save(figure, path, "scaling")


def save(figure, path, kind):
    figure.tight_layout()
    figure.savefig(path.with_name(f"{path.stem}-{kind}.png"), dpi=80)
    pyplot.close(figure)


def draw(data, path):
    for old in path.parent.glob(path.stem + "-*.png"):
        old.unlink()
    if data.rows("elementwise"):
        bandwidth(data, path)
    if data.roofline:
        roofline(data, path)
    if data.rows("blocks"):
        memory_and_time(data, path)
    if data.scaling:
        scaling(data, path)
