#!/usr/bin/env python3
"""Time of a training step of whole models: forward, backward and AdamW, the variants in turn.

    PYTHONPATH=examples/pytorch python3 examples/pytorch/step_time.py [--json FILE] [--rounds N] [--models NAME,...]
                                                                   [--layers N] [--no-compile]

For each model: standard, and converted by invact.convert with either packing; where the activation's kernels can take over a
layer's bias, also with that (", bias"); and torch.compile of each layer, of the standard one, with activation_memory_budget 0.8
and converted. All have the same parameters and optimizer. A round is a step of each, between events, and every variant has
every place in a round equally often, after others each time. A step is launched while the GPU is held, so that it is the GPU's
time; what the host takes to launch it is reported by itself. Where it is still being launched when the GPU is let go, because the
queue of launches is full, the host is too slow or the step itself waits for the GPU, that is counted: of such steps nothing says that
the GPU did not wait. Then the same with nothing held, by the host's clock: in a training loop, a few steps one after
another. Reported is the median time over the standard one's of the same round, and half the range that holds the middle half of the
rounds. Exit status 77 without a GPU or without transformers.
"""

import pathlib
import statistics
import sys
import time

import torch

import invact
from models import build, compile_layers, parser, run, shared, within_budget

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "bench/pytorch"))
from orders import balanced_orders  # noqa: E402

HOLD = 150_000_000  # cycles, 75 ms or more
LOOP = 4  # steps of a training loop that are timed together


def variants(model, with_compiled):
    made = {"standard": model}
    for packing in ("bitmask", "mantissa_bit"):
        for suffix, fuse_bias in (("", False), (", bias", True)):
            converted = shared(model)
            report = invact.convert(converted, packing=packing, fuse_bias=fuse_bias)
            if not fuse_bias or any(new.endswith("bias") for _, _, new in report.swapped):
                made[packing + suffix] = converted
    if with_compiled:
        made["compile"] = compile_layers(shared(model))
        made["compile, budget"] = compile_layers(shared(model), within_budget)
        made["compile, mantissa_bit"] = shared(model)
        invact.convert(made["compile, mantissa_bit"], packing="mantissa_bit")
        compile_layers(made["compile, mantissa_bit"])
    return made


def step(model, optimizer, batch):
    def run():
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return run


def race(steps, rounds):
    """Of every step in every round the GPU's seconds, and those of the host or None where the GPU was let go before."""
    names = list(steps)
    seconds, launches = {name: [] for name in names}, {name: [] for name in names}
    orders = balanced_orders(names, rounds)
    # As many rounds as there are names warm up, until the allocator has found room for what comes after what.
    for number in range(-len(names), len(orders)):
        for name in orders[number]:
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda.synchronize()
            torch.cuda._sleep(HOLD)
            begin.record()
            start = time.perf_counter()
            steps[name]()
            launched = time.perf_counter() - start
            is_held = not begin.query()
            end.record()
            torch.cuda.synchronize()
            if number >= 0:
                seconds[name].append(begin.elapsed_time(end) * 1e-3)
                launches[name].append(launched if is_held else None)
    return seconds, launches


def race_in_loops(steps, rounds):
    """Of every step in every round the host's seconds for a step of LOOP, which wait for nothing but the last of them."""
    names = list(steps)
    seconds = {name: [] for name in names}
    for order in balanced_orders(names, rounds):
        for name in order:
            torch.cuda.synchronize()
            start = time.perf_counter()
            for _ in range(LOOP):
                steps[name]()
            torch.cuda.synchronize()
            seconds[name].append((time.perf_counter() - start) / LOOP)
    return seconds


def over_standard(seconds, name):
    """The median ratio, and half the range of the middle half of the rounds."""
    ratios = [a / b for a, b in zip(seconds[name], seconds["standard"])]
    quarter = statistics.quantiles(ratios, n=4)
    return [statistics.median(ratios), (quarter[2] - quarter[0]) / 2]


def measure(entry, options):
    batch = entry.batch(entry.samples, "cuda")
    model = build(entry, "cuda")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    made = variants(model, not options.no_compile)
    steps = {name: step(variant, optimizer, batch) for name, variant in made.items()}
    seconds, launches = race(steps, options.rounds)
    loops = race_in_loops(steps, max(1, options.rounds // 2))
    row = {"model": entry.name, "samples": entry.samples, "ms": {}, "over standard": {}, "launch ms": {}, "not held": {},
           "loop ms": {}, "loop over standard": {}}
    for name, values in seconds.items():
        row["ms"][name] = 1e3 * statistics.median(values)
        row["over standard"][name] = over_standard(seconds, name)
        row["loop ms"][name] = 1e3 * statistics.median(loops[name])
        row["loop over standard"][name] = over_standard(loops, name)
        known = [launch for launch in launches[name] if launch is not None]
        row["launch ms"][name] = 1e3 * statistics.median(known) if known else None
        row["not held"][name] = [len(values) - len(known), len(values)]
    return row


def line(row):
    def said(name):
        mid, half = row["over standard"][name]
        launch, (unheld, all_) = row["launch ms"][name], row["not held"][name]
        loop, around = row["loop over standard"][name]
        return (f"{name} {row['ms'][name]:.2f} ms ({mid:.4f} ± {half:.4f}" + (f"; launched in {launch:.1f} ms" if launch else "") +
                (f"; NOT HELD in {unheld} of {all_} rounds" if unheld else "") +
                f"; in a loop {row['loop ms'][name]:.2f} ms, {loop:.4f} ± {around:.4f})")

    return ", ".join(map(said, row["ms"]))


def main():
    made = parser(__doc__.split("\n")[0], layers=8)
    made.add_argument("--rounds", type=int, default=20)
    made.add_argument("--no-compile", action="store_true")
    return run(made.parse_args(), measure, line)


if __name__ == "__main__":
    sys.exit(main())
