#!/usr/bin/env python3
"""Activation memory of whole models: what is allocated after a forward, beyond what was there before it.

    PYTHONPATH=examples/pytorch python3 examples/pytorch/memory.py [--json FILE] [--limit GIB] [--models NAME,...] [--layers N]

For each model: standard, torch.compile of each layer without and with activation_memory_budget 0.8, and converted by
invact.convert with either packing; what theory predicts of the last two beside the standard one, to the byte: a converted model
keeps less by the input of each activation element (of QuickGELU, which is written out in the models, by its sigmoid too), of
each gated unit by the gate and the activated gate, and more by a bit with the bitmask. With --limit the largest batch whose
forward and backward fit into so many GiB, with the weights and their gradients, of what is eager. Exit status 77 without a GPU
or without transformers.
"""

import sys

import torch

import invact
from invact import modules
from models import build, compile_layers, parser, run, shared, within_budget


def requested():
    return torch.cuda.memory_stats()["requested_bytes.all.current"]


def after_forward(model, batch):
    """Bytes held by the graph of a loss, and by the loss."""
    model(**batch).loss.backward()  # everything that is allocated once
    model.zero_grad(set_to_none=True)
    torch.cuda.synchronize()
    before = requested()
    loss = model(**batch).loss
    held = requested() - before
    del loss
    return held


def saving(model, batch):
    """What converting is predicted to save of a forward, in bytes: (bitmask, mantissa bit). A converted model's modules say how
    many elements each has; masks are whole bytes."""
    sizes = []
    two = (modules.SwiGLU, modules.GeGLU, modules.QuickGELU)
    hooks = [module.register_forward_hook(lambda module, inputs, output: sizes.append(
        (2 if isinstance(module, two) else 1, output.numel(), output.element_size())))
        for module in model.modules() if isinstance(module, modules._Packed)]
    with torch.no_grad():
        model(**batch)
    for hook in hooks:
        hook.remove()
    tensors = sum(count * n * size for count, n, size in sizes)
    return tensors - sum((n + 7) // 8 for _, n, _ in sizes), tensors


def fits(model, entry, samples):
    try:
        model(**entry.batch(samples, "cuda")).loss.backward()
        model.zero_grad(set_to_none=True)
        return True
    except RuntimeError as error:  # out of memory, or more elements than a kernel of PyTorch's counts
        if not isinstance(error, torch.OutOfMemoryError):
            print(f"{entry.name}: {samples} samples: {error}", file=sys.stderr)
        model.zero_grad(set_to_none=True)
        return False
    finally:
        torch.cuda.empty_cache()


def largest_batch(model, entry, limit, guess):
    """By bisection, within 1/64, of what fits into limit bytes, the model among them."""
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, limit / total))
    try:
        low, high = 0, max(2, guess)
        while fits(model, entry, high):
            low, high = high, 2 * high
        while high - low > max(1, low // 64):
            middle = (low + high) // 2
            if fits(model, entry, middle):
                low = middle
            else:
                high = middle
        return low
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def measure(entry, options):
    limit = int(options.limit * 2**30)
    batch = entry.batch(entry.samples, "cuda")
    model = build(entry, "cuda")
    weights = requested()
    row = {"model": entry.name, "samples": entry.samples, "held": {}, "predicted": {}, "largest": {}}

    def record(name, variant):
        row["held"][name] = after_forward(variant, batch)
        if limit and not name.startswith("compile"):
            guess = (limit - 2 * weights) * entry.samples // row["held"][name]
            row["largest"][name] = largest_batch(variant, entry, limit, guess)
        torch.cuda.empty_cache()

    record("standard", model)
    for index, packing in enumerate(("bitmask", "mantissa_bit")):
        converted = shared(model)
        row["swapped"] = str(invact.convert(converted, packing=packing))
        row["predicted"][packing] = row["held"]["standard"] - saving(converted, batch)[index]
        record(packing, converted)
        del converted
    if not options.no_compile:
        record("compile", compile_layers(shared(model)))
        record("compile, budget", compile_layers(shared(model), within_budget))
    return row


def line(row):
    standard = row["held"]["standard"]
    held = ", ".join(f"{name} {held / 2**20:.1f} MiB ({100 * (held / standard - 1):+.1f} %)" for name, held in row["held"].items())
    off = ", ".join(f"{name} {row['held'][name] - predicted} bytes" for name, predicted in row["predicted"].items())
    return f"{held}; off the prediction: {off}" + (f"; largest batch {row['largest']}" if row["largest"] else "")


def main():
    made = parser(__doc__.split("\n")[0], layers=32)
    made.add_argument("--no-compile", action="store_true")
    made.add_argument("--limit", type=float, default=0, metavar="GIB")
    return run(made.parse_args(), measure, line)


if __name__ == "__main__":
    sys.exit(main())
