"""The report of run.py on the library's own kernels: whether each target is met, and the tables."""

import peers_report
from steps import LARGE
from tables import number, ratio, table

CATALOGUE = 29
ACTIVATIONS = {"gelu": "GELU", "silu": "SiLU"}
STORAGES = ("bfloat16", "half", "float")
PACKINGS = {"bitmask": "bitmask", "mantissa_bit": "mantissa bit"}

# Ratios, at least.
FORWARD_OF_MEMCPY = 0.97
BACKWARD_OF_MEMCPY = 1.00
SMALL_OF_STANDARD = 1.00
OF_PYTORCH = {("gelu", "mantissa_bit"): 1.25, ("gelu", "bitmask"): 1.22,
              ("silu", "mantissa_bit"): 1.08, ("silu", "bitmask"): 1.06}
DRAM_PEAK = 90


def verdict(values, target):
    """Of ratios, of which None was not measured."""
    if any(value is None for value in values):
        return "not measured"
    return "met" if all(value >= target for value in values) else "**NOT met**"


class Results:
    """The measured figures, by name; None where there is none."""

    def __init__(self, rows, torch, dram_figures):
        self.rows = rows or {}
        self.torch = {(row["activation"], row["storage"], row["direction"], row["log2n"]): row
                      for row in (torch or {"rows": []})["rows"] if row["part"] == "elementwise"}
        self.dram = dram_figures or {}

    def figure(self, activation, storage, packing, direction, log2n, counter):
        row = self.rows.get(f"{activation}/{storage}/{packing}/{direction}/log2n:{log2n}")
        return None if row is None else row[counter]

    def of_eager(self, activation, storage, direction, log2n, contestant):
        row = self.torch.get((activation, storage, direction, log2n), {"us": {}})
        return peers_report.middle(peers_report.ratios(row, "eager", contestant))


def targets(results, catalogue, storages):
    lines = [f"n = 2^{LARGE}, bytes per second beside a memcpy in turn with it:", ""]
    rows = []
    for direction, target in (("forward", FORWARD_OF_MEMCPY), ("backward", BACKWARD_OF_MEMCPY)):
        for storage in storages:
            for activation, name in ACTIVATIONS.items():
                values = [results.figure(activation, storage, packing, direction, LARGE, "vs_memcpy")
                          for packing in PACKINGS]
                rows.append([f"{direction}, {name}, {storage}", f"{target:.2f}", *map(ratio, values),
                             verdict(values, target)])
    lines += table(["", "at least", *PACKINGS.values(), ""], rows)

    lines += [f"The whole catalogue, n = 2^{CATALOGUE}, the lowest of all activations and packings beside a memcpy:", ""]
    rows = []
    for direction, target in (("forward", FORWARD_OF_MEMCPY), ("backward", BACKWARD_OF_MEMCPY)):
        for storage in catalogue_storages(storages):
            measured = {f"{activation}, {PACKINGS.get(packing, 'no bit')}": values[storage, direction]
                        for (activation, packing), values in catalogue_rows(catalogue or {}).items()
                        if (storage, direction) in values}
            lowest = min(measured, key=measured.get, default=None)
            rows.append([f"{direction}, {storage}", f"{target:.2f}", ratio(measured.get(lowest)), lowest or "–",
                         verdict([measured.get(lowest)], target)])
    lines += table(["", "at least", "lowest", "which", ""], rows)

    lines += [f"Forward and backward, bfloat16, n = 2^{LARGE}: PyTorch eager's time over ours:", ""]
    rows = []
    for activation, name in ACTIVATIONS.items():
        for packing, packing_name in PACKINGS.items():
            target = OF_PYTORCH[activation, packing]
            value = results.of_eager(activation, "bfloat16", "both", LARGE, packing)
            rows.append([f"{name}, {packing_name}", f"{target:.2f}", ratio(value), verdict([value], target)])
    lines += table(["", "at least", "measured", ""], rows)

    lines += ["The standard kernel's time over ours, the lowest of both activations and packings:", ""]
    rows = []
    for log2n in (20, 24):
        for direction in ("forward", "backward"):
            for storage in storages:
                measured = {f"{name}, {packing_name}":
                            results.figure(activation, storage, packing, direction, log2n, "vs_standard")
                            for activation, name in ACTIVATIONS.items() for packing, packing_name in PACKINGS.items()}
                values = list(measured.values())
                lowest = None if None in values else min(measured, key=measured.get)
                rows.append([f"2^{log2n}, {direction}, {storage}", f"{SMALL_OF_STANDARD:.2f}",
                             ratio(measured.get(lowest)), lowest or "–", verdict(values, SMALL_OF_STANDARD)])
    lines += table(["", "at least", "lowest", "which", ""], rows)

    lines += [f"DRAM throughput (ncu), bfloat16, n = 2^{LARGE}, the lowest of both activations and packings:", ""]
    rows = []
    for direction in ("forward", "backward"):
        values = [figures["peak"] for (_, _, kernel), figures in results.dram.items() if kernel == direction]
        value = min(values) if values else None
        state = "not measured" if value is None else "met" if value >= DRAM_PEAK else "**NOT met**"
        rows.append([direction, f"{DRAM_PEAK} %", "–" if value is None else f"{value:.1f} %", state])
    return lines + table(["", "at least", "of peak", ""], rows)


def elementwise_table(results, storages, log2n):
    rows = []
    for storage in storages:
        for activation, name in ACTIVATIONS.items():
            for packing, packing_name in PACKINGS.items():
                def figure(direction, counter):
                    return results.figure(activation, storage, packing, direction, log2n, counter)

                cells = [f"{name} {storage} {packing_name}"]
                for direction in ("forward", "backward", "both"):
                    cells.append(number(figure(direction, "us"), 1 if log2n == LARGE else 2))
                    if direction != "both":
                        cells.append(number(figure(direction, "GB/s"), 0))
                    cells += [ratio(figure(direction, "vs_memcpy")), ratio(figure(direction, "vs_standard"))]
                rows.append(cells)
    return table(["", "forward µs", "GB/s", "memcpy", "standard", "backward µs", "GB/s", "memcpy", "standard",
                  "both µs", "memcpy", "standard"], rows)


def shapes_table(rows):
    cells = []
    for name, row in rows.items():
        case, packing, direction, size = name.split("/")
        cells.append([f"{case.replace('_', ' ')}, {direction}, {size}, {PACKINGS[packing]}", f"{row['us']:.1f}",
                      f"{row['GB/s']:.0f}", ratio(row["vs_memcpy"]), ratio(row["vs_plain"])])
    return table(["", "µs", "GB/s", "memcpy", "plain"], cells)


def catalogue_storages(storages):
    """The storage types of catalogue_bench, which has e4m3 where it has all others."""
    return [*storages, "e4m3"] if len(storages) > 1 else storages


def catalogue_rows(catalogue):
    """memcpy's time over the kernel's by (activation, packing), then by (storage, direction)."""
    rows = {}
    for name, row in catalogue.items():
        activation, storage, packing, direction, _ = name.split("/")
        rows.setdefault((activation, packing), {})[storage, direction] = row["vs_memcpy"]
    return rows


def catalogue_table(catalogue, storages):
    columns = [(storage, direction) for storage in catalogue_storages(storages) for direction in ("forward", "backward")]
    rows = [[activation, PACKINGS.get(packing, packing), *(ratio(values.get(column)) for column in columns)]
            for (activation, packing), values in catalogue_rows(catalogue).items()]
    return table(["", "", *(f"{storage} {direction}" for storage, direction in columns)], rows)


def outcomes(steps):
    return table(["", "s", ""], [[name, f"{seconds:.0f}", outcome.replace("|", "/").replace("\n", " ")]
                                 for name, seconds, outcome in steps.done])


def report(context, steps, results, shapes, catalogue, policies, storages):
    lines = [f"# Device kernels on {context['gpu']}, {context['date']}" + (" (quick)" if context["quick"] else ""), "",
             f"{context['gpu']}, driver {context['driver']}, {context['cuda']}, {context['system']}. `include/` is",
             f"`{context['stamp']}` (`git rev-parse HEAD:include`). Written by bench/device/run.py. Medians; what a",
             "row compares took turns in one process. Ratios are the other's time over ours: above 1, ours is faster.",
             "Bytes count every tensor once, the bitmask among them; memcpy moves as many, device to device.", ""]
    lines += ["## Targets", ""]
    lines += targets(results, catalogue, storages)
    lines += ["## What ran", "", *outcomes(steps)]
    if results.rows:
        lines += ["## Elementwise", "",
                  "bench/device/elementwise_bench.cu. `standard`: GELU with erff, SiLU with fast expf, in the same",
                  "kernels with 16-byte accesses and the fastest of six launch policies; they save x.", ""]
        for log2n in (LARGE, 24, 20):
            lines += [f"### n = 2^{log2n}" + ("" if log2n == LARGE else ", 20 calls in a graph"), ""]
            lines += elementwise_table(results, storages, log2n)
    if shapes:
        lines += ["## Shapes", "",
                  "bench/device/shapes_bench.cu, GELU in bfloat16. `plain`: the forward or backward of as many",
                  "elements in one aligned run.", ""] + shapes_table(shapes)
    if catalogue:
        lines += ["## Catalogue", "",
                  f"bench/device/catalogue_bench.cu, n = 2^{CATALOGUE}: the memcpy's time over the kernel's. x, y, dy and dx",
                  "are all of the storage type, but for e4m3 bfloat16.", ""] + catalogue_table(catalogue, storages)
    if results.dram:
        elements = 1 << LARGE
        lines += ["## DRAM", "", f"ncu, bfloat16, n = 2^{LARGE}: share of the peak throughput, bytes of an element.", ""]
        lines += table(["", "of peak", "read", "written"],
                       [[f"{ACTIVATIONS[activation]} {PACKINGS[packing]} {direction}", f"{figures['peak']:.1f} %",
                         f"{figures['read'] / elements:.3f}", f"{figures['written'] / elements:.3f}"]
                        for (activation, packing, direction), figures in sorted(results.dram.items())])
    if policies:
        lines += ["## Launch policies", "",
                  "bench/device/launch_policy_bench.cu: the memcpy's time over the kernel's; columns are threads of a",
                  "block x fragments of a thread @ threads that registers leave room for on a multiprocessor.", "",
                  policies, ""]
    return "\n".join(lines)
