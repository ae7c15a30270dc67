#!/usr/bin/env python3
"""The report on peers: tables and plots of what bench/pytorch/peers.py and scaling_bench measured.

    bench/device/peers_report.py DATA.json [--against OTHER.json] [--check]

Writes DATA.md, and DATA-*.png where matplotlib is installed. --against: another run's data; how far the two agree is then
part of DATA.json, and of the report. --check writes nothing: exit status 1 where DATA.md is not what DATA.json says.
"""

import argparse
import json
import pathlib
import statistics
import sys

from tables import number, ratio, table

NAMES = {"gelu": "GELU", "silu": "SiLU", "swiglu": "SwiGLU", "geglu": "GeGLU", "bitmask": "bitmask",
         "mantissa_bit": "mantissa bit", "save_x": "Triton, saves x", "paper": "paper",
         "tempo": "Tempo", "fewbit": "FewBit", "copy": "memcpy"}
OURS = ("bitmask", "mantissa_bit")
DIRECTIONS = ("forward", "backward", "both")
LARGE = 29
SMALL = 16
SCHEMES_KEEP = {"bitmask": "y, 1 bit", "mantissa_bit": "y", "save_x": "x (and y, next layer)", "recompute": "x",
                "paper": "y, 1 bit", "tempo": "y, 1 byte", "fewbit": "4 bits (and y, next layer)"}
OF_PAPER = 1.15
OF_PAPERS_ERROR = 1 / 3
NODE_US = 1.0


def named(name):
    return NAMES.get(name, name.replace("_", " "))


def signed(value):
    return f"{value:+.2f}"


class Data:
    def __init__(self, loaded):
        self.context, self.peers = loaded["context"], loaded.get("peers") or {"rows": []}
        self.scaling, self.roofline = loaded.get("scaling") or {}, loaded.get("roofline") or []
        self.agreement = loaded.get("agreement")

    def rows(self, part, **fields):
        return [row for row in self.peers["rows"]
                if row["part"] == part and all(row.get(key) == value for key, value in fields.items())]


def ratios(row, over, name):
    """Of each pass: the time of `over`, in turn with it, over name's."""
    us = row["us"]
    return [a / b for a, b in zip(us[over], us[name])] if over in us and name in us else []


def middle(values):
    return statistics.median(values) if values else None


def spread(values):
    """What passes differ by, each way of their middle."""
    return 0.5 * (max(values) - min(values)) if values else None


def with_spread(values):
    return "–" if not values else f"{middle(values):.3f} ± {spread(values):.3f}"


def base_of(row):
    return "standard" if row["part"] == "blocks" else "eager"


def figures(data):
    """Every ratio of the report by what it is of: the values of the passes."""
    found = {}
    for row in data.peers["rows"]:
        if "us" not in row:
            continue
        where = tuple(str(row[key]) for key in ("part", "block", "model", "unit", "activation", "storage", "direction",
                                                "log2n") if key in row)
        for name in row["us"]:
            if name != base_of(row):
                found[(*where, name)] = ratios(row, base_of(row), name)
    return found


def part_of(key):
    """Parts whose figures are about as steady as one another."""
    small = key[0] in ("elementwise", "gated") and int(key[-2]) <= 24
    return key[0] + (", in graphs" if small else "")


def spreads(data):
    """By part: how many figures, and the median and the largest of their spreads, relative."""
    by_part = {}
    for key, values in figures(data).items():
        by_part.setdefault(part_of(key), []).append(spread(values) / middle(values))
    return {part: (len(all_), statistics.median(all_), max(all_)) for part, all_ in by_part.items()}


# Targets.


def targets(data):
    lines = ["Forward and backward of every activation that PyTorch has, as its user runs them (into memory that its allocator has",
             "at hand), PyTorch eager's time over that of our two kernels (the faster packing), above 1:", ""]
    cells = []
    for storage in dict.fromkeys(row["storage"] for row in data.rows("activations")):
        best = {row["activation"]: max((middle(ratios(row, "eager", name)) for name in OURS if name in row["us"]))
                for row in data.rows("activations", storage=storage)}
        below = {name: value for name, value in best.items() if value < 1}
        lowest = min(best, key=best.get)
        cells.append([storage, f"{len(best) - len(below)} of {len(best)}", f"{ratio(best[lowest])} ({lowest})",
                      ", ".join(f"{name} {ratio(value)}" for name, value in below.items()) or "none",
                      "**NOT met**" if below else "met"])
    lines += table(["", "faster", "lowest", "below 1", ""], cells)

    lines += [f"The paper's scheme, as a Triton kernel, 2^{LARGE} elements: its time over ours, forward and backward together at "
              f"least {OF_PAPER}, and", "the backward alone (its forward is PyTorch's function, for GELU erf); our error of f' over its (largest; RMS "
              "under N(0, 1)), at", "most a third:", ""]
    cells = []
    for row in data.rows("elementwise", direction="both", log2n=LARGE):
        (backward,) = data.rows("elementwise", direction="backward", log2n=LARGE, activation=row["activation"],
                                storage=row["storage"])
        errors = {r["scheme"]: r for r in data.rows("accuracy", activation=row["activation"], storage=row["storage"])}
        for name in OURS:
            values = ratios(row, "paper", name)
            error = [errors[name][key] / errors["paper"][key] for key in ("largest", "rms")] if errors else [None, None]
            met = middle(values) >= OF_PAPER and None not in error and max(error) <= OF_PAPERS_ERROR
            cells.append([f"{named(row['activation'])}, {row['storage']}, {named(name)}", with_spread(values),
                          with_spread(ratios(backward, "paper", name)), *map(ratio, error), "met" if met else "**NOT met**"])
    lines += table(["", "both", "backward", "largest error", "RMS error", ""], cells)

    lines += ["Blocks: our time over standard PyTorch eager's, at most 1.000, the highest of three models and two activations; and",
              "how many figures of memory (bytes between forward and backward, bytes at the peak) are what is computed of the",
              "shapes (but for the scratch memory of PyTorch's own sum of a bias gradient, which is measured by itself):", ""]
    cells = []
    for block in dict.fromkeys(row["block"] for row in data.rows("blocks")):
        measured, exact, all_ = {}, 0, 0
        for row in data.rows("blocks", block=block):
            for name in row["us"]:
                if not name.startswith(OURS):
                    continue
                measured[f"{row['model']}, {named(row['activation'])}, {named(name)}"] = (
                    1 / middle(ratios(row, "standard", name)))
                for got, computed in (("kept", "expected"), ("peak", "expected_peak")):
                    all_ += 1
                    exact += row[got][name] == row[computed][name]
        highest = max(measured, key=measured.get)
        met = measured[highest] <= 1 and exact == all_
        cells.append([block, ratio(measured[highest]), highest, f"{exact} of {all_}", "met" if met else "**NOT met**"])
    lines += table(["", "highest", "which", "to the byte", ""], cells)

    small = {name: row for name, row in data.scaling.items()
             if name.startswith("n/") and int(name.split(":")[1]) <= 1 << SMALL}
    if small:
        worst = max(small, key=lambda name: small[name]["over_memcpy_us"])
        value = small[worst]["over_memcpy_us"]
        lines += [f"A node of a graph, up to 2^{SMALL} elements, over a memcpy node of the same bytes, at most {NODE_US} µs: highest "
                  f"{value:.2f} µs ({worst.removeprefix('n/')}): {'met' if value <= NODE_US else '**NOT met**'}.", ""]
    if data.agreement:
        parts = data.agreement["parts"].values()
        all_, own, largest = (sum(row[key] for row in parts) for key in ("figures", "within own", "within largest"))
        lines += [f"Two runs on one machine agree: of {all_} figures {largest} to the largest ± of their part, {own} to their own: "
                  f"{'met' if own == all_ else '**NOT met**'} of", "each by itself.", ""]
    return lines


# Sections.


def accuracy(data):
    cells = [[f"{named(row['activation'])}, {row['storage']}", named(row["scheme"]), SCHEMES_KEEP[row["scheme"]],
              f"{row['largest']:.2e}", f"{row['rms']:.2e}"] for row in data.rows("accuracy")]
    return ["## Accuracy of f'", "",
            "Largest error, and RMS error for x ~ N(0, 1), of what each scheme multiplies dy with, against float64, in the GPU's",
            "arithmetic, y as stored. Schemes that keep x are as accurate as their arithmetic.", "",
            *table(["", "scheme", "keeps", "largest", "RMS"], cells)]


def contest_table(rows, base, label):
    names = list(dict.fromkeys(name for row in rows for name in row["us"] if name != base))
    return table(["", f"{base} µs", *map(named, names)],
                 [[label(row), number(middle(row["us"][base]), 1 if middle(row["us"][base]) > 100 else 2),
                   *(with_spread(ratios(row, base, name)) for name in names)] for row in rows])


def elementwise_name(row):
    return f"{named(row['activation'])} {row['storage']} {row['direction']}"


def elementwise(data):
    lines = ["## Elementwise", "",
             "PyTorch eager's time over that of each. `compile, y again` is the backward of torch.compile where its memory budget",
             "has it write y again, for the next layer, and `recompute` a Triton kernel that does so; that, `Triton, saves x` and",
             "the papers' schemes are bench/pytorch/schemes.py, every kernel with the fastest of seven launches at the nearest of "
             f"{len({launch['log2n'] for launch in data.peers['launches']})} sizes.",
             "Each turn begins with an L2 that holds none of its tensors.", "None of PyTorch's operators takes FP8."
             , ""]
    for log2n in (LARGE, 24, 20, 10):
        rows = [row for direction in DIRECTIONS for row in data.rows("elementwise", log2n=log2n, direction=direction)]
        if rows:
            lines += [f"### n = 2^{log2n}" + ("" if log2n > 24 else ", 20 calls in a graph"), ""]
            lines += contest_table(rows, "eager", elementwise_name)
    rows = data.rows("elementwise", log2n=LARGE)
    if rows:
        names = list(dict.fromkeys(name for row in rows for name in row["us"]))
        lines += [f"### GB/s of the bytes that each moves, n = 2^{LARGE}", "", "The plot has every size.", ""]
        lines += table(["", *map(named, names)],
                       [[elementwise_name(row), *(number(1e-3 * row["bytes"][name] / middle(row["us"][name]), 0)
                                                  if name in row["us"] else "–" for name in names)] for row in rows])
    return lines


def gated(data):
    lines = ["## Gated units", "",
             "bfloat16, PyTorch eager's time over that of each. `compile, h again`: torch.compile where as little is kept as with",
             "invact, whose backward then writes h again; `recompute` writes none.", ""]
    for log2n in (28, 24, 20):
        rows = data.rows("gated", log2n=log2n)
        if rows:
            lines += [f"### 2^{log2n} units" + ("" if log2n > 24 else ", 20 calls in a graph"), ""]
            lines += contest_table(rows, "eager", lambda row: f"{named(row['unit'])} {row['direction']}")
    return lines


def activations(data):
    rows = data.rows("activations")
    storages = list(dict.fromkeys(row["storage"] for row in rows))
    cells = []
    for activation in dict.fromkeys(row["activation"] for row in rows):
        line = [activation]
        for storage in storages:
            (row,) = data.rows("activations", activation=activation, storage=storage)
            line += [with_spread(ratios(row, "eager", name)) for name in OURS]
        cells.append(line)
    return ["## Every activation of PyTorch", "",
            "Forward and backward of 2^28 elements by autograd: PyTorch eager's time over that of our two kernels, which write into",
            "memory that is there. Without a bitmask: y alone tells. Softsign and tanhshrink are several kernels in PyTorch. PReLU is not",
            "among them: its backward sums a gradient of its slope as well.", "", *table(["", *(f"{storage} {named(name)}" for storage in storages for name in OURS)], cells)]


def blocks(data):
    lines = ["## Blocks", "",
             "bfloat16, forward and backward: time over standard PyTorch eager's; MiB requested between the two, the block's output",
             "among them (of `act` also its x), and at the peak of both, beyond what was there before; whether either is what is",
             "computed of the shapes. bench/pytorch/blocks.py says what the variants are: `compile, budget` of `linear_act` computes",
             "the product again, as nothing else saves memory there. (The paper reports for SiLU, over standard: plain activation",
             "+7.30 %, Linear + SiLU +0.10 %, MLP +0.07 %, GeGLU +0.05 %, checkpointed MLP +0.79 % against +0.06 % of its own.)",
             "The time is the GPU's: what the host takes to launch is hidden, of which an autograd.Function in Python, as ours are here,",
             "takes more than PyTorch's own operators.", ""]
    for model in dict.fromkeys(row["model"] for row in data.rows("blocks")):
        lines += [f"### {model}", ""]
        cells = []
        for row in data.rows("blocks", model=model):
            for name in row["us"]:
                time = [1 / value for value in ratios(row, "standard", name)]
                cells.append([f"{row['block']}, {named(row['activation'])}", named(name), f"{middle(row['us'][name]):.0f}",
                              with_spread(time), f"{row['kept'][name] / 2**20:.2f}", f"{row['peak'][name] / 2**20:.2f}",
                              " ".join("–" if row[computed][name] is None else
                                       "yes" if row[computed][name] == row[got][name] else "**NO**"
                                       for got, computed in (("kept", "expected"), ("peak", "expected_peak")))])
        lines += table(["", "", "µs", "time over standard", "between, MiB", "peak, MiB", "as computed"], cells)
    return lines


def scaling(data):
    def row_of(name):
        return data.scaling[name]

    lines = ["## Scaling", "", "bench/device/scaling_bench.cu, GELU in bfloat16.", "", "### n", ""]
    sizes = list(dict.fromkeys(name.split(":")[1] for name in data.scaling if name.startswith("n/")))
    columns = [(packing, direction) for packing in OURS for direction in ("forward", "backward")]
    cells = []
    for size in sizes:
        names = [f"n/{packing}/{direction}/n:{size}" for packing, direction in columns]
        if any(name not in data.scaling for name in names):
            continue
        cells.append([size, number(row_of(names[0])["empty_us"], 2), number(row_of(names[0])["memcpy_us"], 2),
                      *(f"{number(row_of(name)['us'], 2)} ({signed(row_of(name)['over_memcpy_us'])})" for name in names)])
    lines += ["µs, and in parentheses what they are over a memcpy of the same bytes; up to 2^24 as nodes of a graph.", ""]
    lines += table(["n", "empty kernel", "memcpy, forward's bytes", *(f"{direction}, {named(packing)}"
                                                                    for packing, direction in columns)], cells)
    for kind, title in (("rows", "Rows and leading dimensions"), ("misaligned", "Misalignment")):
        cells = {}
        for name, row in data.scaling.items():
            first, packing, direction, *rest = name.split("/")
            if first == kind:
                cells.setdefault(", ".join(rest), {})[packing, direction] = row
        if cells:
            lines += [f"### {title}", "", "Bytes per second over those of a memcpy, and over those of one aligned run:", ""]
            lines += table(["", *(f"{direction}, {named(packing)}" for packing, direction in columns)],
                           [[what, *(f"{ratio(found[column]['vs_memcpy'])}, {ratio(found[column]['vs_plain'])}"
                                     if column in found else "–" for column in columns)] for what, found in cells.items()])
    return lines


def roofline(data):
    cells = [[f"{named(row['activation'])} {row['direction']}", named(row["name"]), f"{row['instructions']:.1f}",
              f"{row['bytes']:.2f}", f"{100 * row['issue']:.0f} %", f"{100 * row['dram']:.0f} %"] for row in data.roofline]
    return ["## Roofline", "", "ncu, bfloat16, 2^28 elements: warp instructions (times 32) and DRAM bytes of an element, and the share of "
            "the peak of", "either that the kernel reaches.", "",
            *table(["", "", "instructions", "bytes", "issue slots", "DRAM"], cells)]


def require_same_gpu(context, other):
    """Of two runs that are compared."""
    if context["gpu"] != other["gpu"] or context.get("uuid") != other.get("uuid"):
        raise ValueError(f"that run is of another GPU: {other['gpu']} {other.get('uuid', '')}")


def agreement(data, other):
    """How far two runs agree, by part: figures of both, those that are no further apart than their own ± of both runs, those
    no further than the largest ± of the part in both, and how far apart they are."""
    require_same_gpu(data.context, other.context)
    theirs, own, second = figures(other), spreads(data), spreads(other)
    if not theirs.keys() & figures(data).keys():
        raise ValueError("the two runs have no figure of peers in common")
    by_part = {}
    for key, values in figures(data).items():
        if key in theirs:
            part = part_of(key)
            apart = abs(middle(values) - middle(theirs[key]))
            largest = own[part][2] * middle(values) + second[part][2] * middle(theirs[key])
            by_part.setdefault(part, []).append(
                (apart / middle(theirs[key]), apart <= spread(values) + spread(theirs[key]), apart <= largest))
    both = {name: (row, other.scaling[name]) for name, row in data.scaling.items() if name in other.scaling}
    largest = sum(max((pair[which]["spread"] for pair in both.values()), default=0) for which in (0, 1))
    by_part["scaling"] = []
    for ours_, theirs_ in both.values():
        apart = abs(ours_["us"] / theirs_["us"] - 1)
        by_part["scaling"].append((apart, apart <= ours_["spread"] + theirs_["spread"], apart <= largest))

    return {"date": other.context["date"], "stamp": other.context["stamp"],
            "parts": {part: {"figures": len(all_), "within own": sum(own for _, own, _ in all_),
                             "within largest": sum(ok for _, _, ok in all_),
                             "median": statistics.median(apart for apart, _, _ in all_),
                             "largest": max(apart for apart, _, _ in all_)} for part, all_ in by_part.items() if all_}}


def reproducibility(data):
    lines = ["## Spread", "",
             f"Every figure was measured in {data.peers['passes']} passes over the whole, each the median of "
             f"{data.peers['rounds']} rounds at least,", "tensors allocated anew"
             f"{'' if data.peers.get('allocates_blocks') else ', but for the weights and inputs of blocks'}. ± is half of what they "
             "differ by; relative, by part:", ""]
    all_spreads = spreads(data)
    of_scaling = [row["spread"] for row in data.scaling.values()]
    if of_scaling:
        all_spreads["scaling"] = (len(of_scaling), statistics.median(of_scaling), max(of_scaling))
    lines += table(["", "figures", "median ±", "largest ±"],
                   [[part, str(count), f"{100 * mid:.2f} %", f"{100 * largest:.2f} %"]
                    for part, (count, mid, largest) in all_spreads.items()])
    if data.agreement is None:
        return lines
    lines += [f"Beside another run of the suite on the same machine ({data.agreement['date']}, include/ "
              f"`{data.agreement['stamp'][:12]}`): how many", "figures are no further apart than their own ± of both runs together, how many no "
              "further than the largest ± of their part in", "both, and how far apart they are:", ""]

    return lines + table(["", "within their ±", "within the largest ±", "median apart", "largest apart"],
                         [[part, *(f"{row[key]} of {row['figures']}" for key in ("within own", "within largest")),
                           f"{100 * row['median']:.2f} %", f"{100 * row['largest']:.2f} %"] for part, row in data.agreement["parts"].items()])


def report(data, plots):
    context = data.context
    lines = [f"# Peers on {context['gpu']}, {context['date']}", "",
             f"{context['gpu']}, driver {context['driver']}, {context['cuda']}, PyTorch {data.peers.get('torch', 'none')}. `include/` "
             f"is", f"`{context['stamp']}` (`git rev-parse HEAD:include`). Written by bench/device/run.py. What is compared took turns",
             "in one process. Ratios are the other's time over the named one's: above 1, that is faster; blocks say so where it is",
             "the other way round.", ""]
    if data.peers["rows"]:
        lines += ["## Targets", "", *targets(data)]
    lines += [line for plot in plots for line in (f"![{plot.stem}]({plot.name})", "")]
    sections = {"accuracy": accuracy, "elementwise": elementwise, "activations": activations, "gated": gated, "blocks": blocks}
    for part, section in sections.items():
        if data.rows(part):
            lines += section(data)
    if data.scaling:
        lines += scaling(data)
    if data.roofline:
        lines += roofline(data)
    if data.peers["rows"]:
        lines += reproducibility(data)
    return "\n".join(lines) + "\n"


def plots_of(path):
    return sorted(path.parent.glob(path.stem + "-*.png"))


def read(path):
    """What a file of run.py's has of peers; ValueError where it has none."""
    try:
        loaded = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    if not isinstance(loaded, dict) or "context" not in loaded or not (loaded.get("peers") or loaded.get("scaling")):
        raise ValueError(f"{path} has no data of peers")
    return loaded


def write(path, against=None):
    """The report of a JSON file, beside it; its path. against: what read() has of another run."""
    loaded = read(path)
    if against:
        loaded["agreement"] = agreement(Data(loaded), Data(against))
        path.write_text(json.dumps(loaded) + "\n", encoding="utf-8")
    data = Data(loaded)
    try:
        import peers_plots

        peers_plots.draw(data, path)
    except ImportError as error:
        print(f"no plots: no {error.name}")
    out = path.with_suffix(".md")
    out.write_text(report(data, plots_of(path)), encoding="utf-8")
    return out


def is_current(path):
    """Whether the report beside a JSON file is what that says."""
    return path.with_suffix(".md").read_text(encoding="utf-8") == report(Data(read(path)), plots_of(path))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--against", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    try:
        if options.check:
            current = is_current(options.data)
            print(f"{options.data.with_suffix('.md')} is {'' if current else 'NOT '}what {options.data.name} says")
            return 0 if current else 1
        if options.against and options.against.resolve() == options.data.resolve():
            raise ValueError("--against: a run is not compared with itself")
        print(write(options.data, options.against and read(options.against)))
    except ValueError as error:
        print(f"peers_report.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
