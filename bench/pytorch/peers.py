#!/usr/bin/env python3
"""invact beside what else there is in PyTorch, on the same work and in one process.

    bench/pytorch/peers.py --library build/gpu/bench/libinvact_bench_c.so [--json FILE] [--parts PART,...] [--passes N]
                           [--rounds N] [--no-compile] [--quick]

Parts: accuracy, elementwise, activations, gated, blocks; all if not given. What is compared takes turns on one stream, each
between two events, and each finds an L2 without its tensors: a pass has the median of its rounds. Everything is measured in
so many passes over the whole, with tensors allocated anew; their figures are all kept, and what they differ by is the spread
of the figure. Few elements: every contestant is a CUDA graph of 20 calls, so that neither the host nor the gaps between
launches are timed. Sizes whose tensors the GPU has too little memory for are left out; the largest takes 48 GiB.

--quick: bfloat16 alone, a pass of 5 rounds, few sizes, no torch.compile. --profile: nothing is timed; of bfloat16 at 2^28
every elementwise contestant runs once in each direction between cudaProfilerStart and cudaProfilerStop, for ncu, and FILE
has their order. Exit status 77 without PyTorch, Triton or a GPU.
"""

import argparse
import json
import os
import sys
import time

SKIPPED = 77
PARTS = ("accuracy", "elementwise", "activations", "gated", "blocks")


def count(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"at least 1, not {number}")
    return number


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--library", required=True, help="libinvact_bench_c.so of the build")
    parser.add_argument("--json", help="write the rows there")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--passes", type=count, default=3)
    parser.add_argument("--rounds", type=count, default=15)
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    options.parts = options.parts.split(",")
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}: there are {', '.join(PARTS)}")
    if not os.path.isfile(options.library):
        parser.error(f"--library: no file {options.library}")
    if options.json and not os.path.isdir(os.path.dirname(options.json) or "."):
        parser.error(f"--json: no folder {os.path.dirname(options.json)}")
    options.storages, options.sizes = ("bfloat16", "half", "float"), None
    if options.quick:
        options.passes, options.rounds, options.compile = 1, 5, False
        options.storages, options.sizes = ("bfloat16",), (10, 20, 28)
    return options


def why_skipped():
    try:
        import torch
        import triton  # noqa: F401
    except ImportError as error:
        return f"no {error.name}"
    return None if torch.cuda.is_available() else "no GPU"


def name_of(row):
    return " ".join(str(row[key]) for key in ("block", "model", "unit", "activation", "storage", "direction", "scheme")
                    if key in row) + (f" 2^{row['log2n']}" if "log2n" in row else "")


def prepare(options, say):
    """The library, and the launches of the peers."""
    import torch

    import elementwise
    from library import Library

    # A compiled function has a shape a size, type, block and model.
    torch._dynamo.config.recompile_limit = 1000
    torch._dynamo.config.accumulated_recompile_limit = 10000
    if options.profile or set(options.parts) & {"accuracy", "elementwise"}:
        say("compiling the Triton kernels of the peers")
        elementwise.build_all()
    return Library(options.library), elementwise.Launches()


def measure(options, say):
    import torch

    import activations
    import blocks
    import elementwise
    import gated

    library, launches = prepare(options, say)
    rows, problems = {}, {}
    if "accuracy" in options.parts:
        for storage in options.storages:
            for activation in elementwise.OPERATORS:
                try:
                    for row in elementwise.errors(library, activation, storage, launches):
                        say(f"{name_of(row)}: largest error {row['largest']:.3g}, RMS {row['rms']:.3g}")
                        rows[row["part"], name_of(row)] = row
                except Exception as error:
                    problems["accuracy"] = f"{type(error).__name__}: {error}"
                    say(f"FAILED: accuracy: {problems['accuracy']}")
    timed = {"elementwise": lambda: elementwise.measure_all(library, options, launches),
             "activations": lambda: activations.measure_all(library, options),
             "gated": lambda: gated.measure_all(library, options),
             "blocks": lambda: blocks.measure_all(library, options)}
    for number in range(options.passes):
        for part in options.parts:
            if part not in timed or part in problems:
                continue
            try:
                for row in timed[part]():
                    kept = rows.setdefault((part, name_of(row)), row)
                    if kept is row:
                        row["us"] = {name: [us] for name, us in row["us"].items()}
                    else:
                        for name, us in row["us"].items():
                            kept["us"][name].append(us)
                    say(f"{number + 1}/{options.passes} {part} {name_of(row)}: " +
                        ", ".join(f"{name} {values[number]:.1f}" for name, values in kept["us"].items()))
            except Exception as error:  # the other parts are worth having
                problems[part] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
                say(f"FAILED: {part}: {problems[part]}")
                rows = {key: row for key, row in rows.items() if key[0] != part}
    return {"torch": torch.__version__, "gpu": torch.cuda.get_device_name(), "passes": options.passes,
            "rounds": options.rounds, "allocates_blocks": True, "launches": launches.chosen(), "problems": problems,
            "rows": list(rows.values())}


def main():
    options = parse()
    reason = why_skipped()
    if reason:
        print(f"skipped: {reason}")
        return SKIPPED
    import torch

    start = time.monotonic()

    def say(text):
        print(f"[{time.monotonic() - start:4.0f} s] {text}", flush=True)

    with torch.no_grad():
        if options.profile:
            import elementwise

            result = {"profiled": elementwise.profile(*prepare(options, say), options.compile)}
        else:
            result = measure(options, say)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=1)
    return 1 if result.get("problems") else 0


if __name__ == "__main__":
    sys.exit(main())
