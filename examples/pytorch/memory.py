#!/usr/bin/env python3
"""Activation memory of whole models: what is allocated after a forward, beyond what was there before it.

    PYTHONPATH=examples/pytorch python3 examples/pytorch/memory.py [--json FILE] [--limit GIB] [--models NAME,...]

For each model: standard, torch.compile with activation_memory_budget 0.8, and converted by invact.convert with either packing;
what theory predicts of the last two, to the byte: a converted model keeps less by the input of each activation element
(of QuickGELU, which is written out in the models, by its sigmoid too), of each gated unit by the gate and the activated gate,
and more by a bit with the bitmask. With --limit the largest batch whose training step fits into so
many GiB. Exit status 77 without a GPU or without transformers.
"""

import argparse
import json
import sys

import torch
from torch._functorch import config as functorch_config

import invact
from invact import modules
from models import build, models

BUDGET = 0.8


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


def fits(model, batch):
    try:
        model(**batch).loss.backward()
        model.zero_grad(set_to_none=True)
        return True
    except torch.OutOfMemoryError:
        model.zero_grad(set_to_none=True)
        return False
    finally:
        torch.cuda.empty_cache()


def largest_batch(model, entry, limit):
    """By doubling and bisection, of what fits into limit bytes, the model among them."""
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, limit / total))
    try:
        low, high = 0, 1
        while fits(model, entry.batch(high, "cuda")):
            low, high = high, 2 * high
        while high - low > max(1, low // 64):
            middle = (low + high) // 2
            if fits(model, entry.batch(middle, "cuda")):
                low = middle
            else:
                high = middle
        return low
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def measure(entry, limit):
    row = {"model": entry.name, "samples": entry.samples, "held": {}, "predicted": {}, "largest": {}}
    batch = entry.batch(entry.samples, "cuda")

    def record(name, model):
        row["held"][name] = after_forward(model, batch)
        if limit:
            row["largest"][name] = largest_batch(model, entry, limit)

    model = build(entry, "cuda")
    record("standard", model)
    torch._dynamo.reset()
    with functorch_config.patch(activation_memory_budget=BUDGET):
        record("compile, budget", torch.compile(model, dynamic=False))
    del model
    for index, packing in enumerate(("bitmask", "mantissa_bit")):
        torch.cuda.empty_cache()
        model = build(entry, "cuda")
        report = invact.convert(model, packing=packing)
        row["swapped"] = str(report)
        row["predicted"][packing] = row["held"]["standard"] - saving(model, batch)[index]
        record(packing, model)
        del model
    torch.cuda.empty_cache()
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json")
    parser.add_argument("--limit", type=float, default=0, metavar="GIB")
    parser.add_argument("--models", help="names, or beginnings of them")
    parser.add_argument("--layers", type=int, help="of the Llama and Mistral stacks")
    options = parser.parse_args()
    try:
        import transformers  # noqa: F401
    except ImportError:
        print("skipped: no transformers")
        return 77
    if not torch.cuda.is_available():
        print("skipped: no GPU")
        return 77
    chosen = [entry for entry in models(options.layers)
              if options.models is None or entry.name.startswith(tuple(options.models.split(",")))]
    rows = []
    for entry in chosen:
        row = measure(entry, int(options.limit * 2**30))
        rows.append(row)
        standard = row["held"]["standard"]
        print(f"{entry.name}: " + ", ".join(
            f"{name} {held / 2**20:.1f} MiB ({100 * (held / standard - 1):+.1f} %)" for name, held in row["held"].items()) +
            "; off the prediction: " + ", ".join(f"{name} {row['held'][name] - predicted} bytes"
                                                for name, predicted in row["predicted"].items()) +
            (f"; largest batch {row['largest']}" if row["largest"] else ""), flush=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "rows": rows}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
