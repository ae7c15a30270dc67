"""The part of the report on gated units: tables of what gated_bench and bench/pytorch/gated.py measured."""

import statistics

from tables import ratio, table

UNITS = {"swiglu": "SwiGLU", "geglu": "GeGLU", "geglu_tanh": "GeGLU, tanh", "mishglu": "MishGLU", "reglu": "ReGLU",
         "glu": "GLU", "clamped_swiglu": "clamped SwiGLU"}
PACKINGS = {"bitmask": "bitmask", "mantissa_bit": "mantissa bit", "none": "no bit", "recompute": "recompute"}
LARGEST = {"bfloat16": 29, "half": 29, "float": 28}
FORWARD_OF_MEMCPY = 0.97
BACKWARD_OF_MEMCPY = 1.00
OF_EAGER = 1.3
OF_COMPILED = 1.05


def verdict(values, target):
    known = [value for value in values if value is not None]
    if len(known) != len(values) or not known:
        return "not measured"
    return "met" if min(known) >= target else "**NOT met**"


def figure(rows, unit, storage, packing, layout, step, log2n, counter="vs_memcpy"):
    row = rows.get(f"{unit}/{storage}/{packing}/{layout}/{step}/log2n:{log2n}")
    return None if row is None else row[counter]


def measured(rows):
    """(unit, storage, packing) of every op that was measured, in order."""
    return list(dict.fromkeys(tuple(name.split("/")[:3]) for name in rows))


def targets(rows, torch):
    lines = ["Bytes per second beside a memcpy of as many in turn with it, the lowest of both layouts, at the largest size:",
             ""]
    cells = []
    for unit, storage, packing in measured(rows):
        if packing == "recompute":
            continue
        for step, target in (("forward", FORWARD_OF_MEMCPY), ("backward", BACKWARD_OF_MEMCPY)):
            values = [figure(rows, unit, storage, packing, layout, step, LARGEST[storage])
                      for layout in ("separate", "interleaved")]
            cells.append([f"{UNITS[unit]} {storage}, {PACKINGS[packing]}, {step}", f"{target:.2f}", *map(ratio, values),
                          verdict(values, target)])
    lines += table(["", "at least", "separate", "interleaved", ""], cells)
    if torch:
        lines += ["Forward and backward in bfloat16 beside PyTorch's, 2^28 units, its time over ours:", ""]
        cells = []
        for row in torch["rows"]:
            if row["direction"] != "both" or row["log2n"] != 28:
                continue
            us = row["us"]
            for packing in ("bitmask", "mantissa_bit"):
                for peer, target in (("eager", OF_EAGER), ("compile", OF_COMPILED),
                                     ("compile, h again", OF_COMPILED)):
                    value = us[peer] / us[packing] if peer in us else None
                    cells.append([f"{UNITS[row['unit']]}, {PACKINGS[packing]}, beside {peer}", f"{target:.2f}", ratio(value),
                                  verdict([value], target)])
        lines += table(["", "at least", "measured", ""], cells)
    return lines


def elementwise(rows):
    lines = []
    for log2n in (29, 28, 27, 24, 20):
        cells = []
        for unit, storage, packing in measured(rows):
            values = {(layout, step): figure(rows, unit, storage, packing, layout, step, log2n)
                      for layout in ("separate", "interleaved")
                      for step in ("forward", "backward", "backward_without_h")}
            if not any(values.values()):
                continue
            us = [figure(rows, unit, storage, packing, "separate", step, log2n, "us") for step in ("forward", "backward")]
            cells.append([f"{UNITS[unit]} {storage} {PACKINGS[packing]}",
                          *("–" if value is None else f"{value:.1f}" for value in us),
                          *(ratio(values[key]) for key in values)])
        if cells:
            lines += [f"### n = 2^{log2n}" + ("" if log2n > 24 else ", 20 calls in a graph"), ""]
            lines += table(["", "forward µs", "backward µs", "forward", "backward", "backward, no h", "interleaved forward",
                            "backward", "backward, no h"], cells)
    return lines


def peers(torch):
    lines = []
    for log2n in sorted({row["log2n"] for row in torch["rows"]}, reverse=True):
        contestants = list(dict.fromkeys(name for row in torch["rows"] if row["log2n"] == log2n for name in row["us"]))
        contestants.remove("eager")
        lines += [f"### n = 2^{log2n}" + ("" if log2n > 24 else ", 20 calls in a graph"), ""]
        lines += table(["", "eager µs", *(PACKINGS.get(name, name) for name in contestants)],
                       [[f"{UNITS[row['unit']]} {row['direction']}", f"{row['us']['eager']:.1f}",
                         *(ratio(row["us"]["eager"] / row["us"][name]) if name in row["us"] else "–"
                           for name in contestants)]
                        for row in torch["rows"] if row["log2n"] == log2n])
    return lines


def report(rows, torch, gemm):
    """Lines of Markdown; what was not measured is None. torch: of all peers."""
    if torch:
        torch = {"torch": torch["torch"], "rows": [
            {**row, "us": {name: statistics.median(values) for name, values in row["us"].items()}}
            for row in torch["rows"] if row["part"] == "gated"]}
    lines = ["## Targets", "", *targets(rows or {}, torch)]
    if rows:
        lines += ["## Elementwise", "",
                  "bench/device/gated_bench.cu: the memcpy's time over the kernel's. Bytes are those that each must move: g, u,",
                  "h and, interleaved, the u that is written; dh, h, u, dg and du; of `recompute`, which keeps g and u, also",
                  "the h that its backward writes again, but in the columns without; and the bitmask.", "", *elementwise(rows)]
    if torch:
        lines += ["## PyTorch", "",
                  f"bench/pytorch/gated.py, PyTorch {torch['torch']}: eager's time over that of each. `copy` moves the",
                  "tensors that each direction must move; `compile, h again` is torch.compile where as little is kept as",
                  "with invact: its backward writes h again, for the next layer; `recompute` writes none.", "", *peers(torch)]
    if gemm:
        lines += [f"#{line}" if line.startswith("#") else line for line in gemm.splitlines()]
    return lines
