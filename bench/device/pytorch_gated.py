#!/usr/bin/env python3
"""Gated units, h = f(g) * u, in PyTorch, eager and compiled, beside invact's kernels and a copy of the same bytes.

    bench/device/pytorch_gated.py --library build/gpu/bench/libinvact_bench_c.so [--json FILE] [--iterations N] [--quick]

As pytorch.py, in bfloat16: all take turns on one stream, reported are medians. Eager kernels write into memory that is
there already, so that no allocation is timed: silu and mul; then mul twice and silu_backward. torch.compile fuses each
direction; where g, u and h are not all kept, but g and u alone, its backward writes h too: `compile, h again`. `autograd`
is what a user runs, allocations and all, `compiled autograd` the same of a compiled function.
--quick: SwiGLU at 2^28 alone, without torch.compile. Exit status 77 without PyTorch or without a GPU.
"""

import ctypes
import sys

from pytorch import BATCH, DIRECTIONS, race_directions, run, torch, try_compiled

UNITS = {"swiglu": ("silu", {}), "geglu": ("gelu", {"approximate": "none"})}
PACKINGS = ("bitmask", "mantissa_bit", "recompute")
# Tensors that each direction must read and write.
TENSORS = {"forward": 3, "backward": 5, "both": 8}


class Library:
    def __init__(self, path):
        library = ctypes.CDLL(path)
        text, pointer = ctypes.c_char_p, ctypes.c_void_p
        self._forward = library.invact_bench_gated_forward
        self._forward.argtypes = [text] * 2 + [ctypes.c_longlong] + [pointer] * 5
        self._backward = library.invact_bench_gated_backward
        self._backward.argtypes = [text] * 2 + [ctypes.c_longlong] + [pointer] * 8

    @staticmethod
    def _check(status):
        if status != 0:
            raise RuntimeError(f"invact: cudaError_t {status}")

    def forward(self, activation, packing, g, u, h, mask):
        self._check(self._forward(activation.encode(), packing.encode(), g.numel(), g.data_ptr(), u.data_ptr(),
                                  h.data_ptr(), mask.data_ptr(), torch.cuda.current_stream().cuda_stream))

    def backward(self, activation, packing, dh, kept, u, mask, dg, du):
        self._check(self._backward(activation.encode(), packing.encode(), dh.numel(), dh.data_ptr(), kept.data_ptr(),
                                   u.data_ptr(), mask.data_ptr(), dg.data_ptr(), du.data_ptr(), None,
                                   torch.cuda.current_stream().cuda_stream))


class Tensors:
    def __init__(self, n):
        generator = torch.Generator(device="cuda").manual_seed(1)

        def empty():
            return torch.empty(n, dtype=torch.bfloat16, device="cuda")

        self.g, self.u, self.dh = (empty().normal_(generator=generator) for _ in range(3))
        self.h = {packing: empty() for packing in PACKINGS}
        self.mask = torch.empty((n + 7) // 8, dtype=torch.uint8, device="cuda")
        self.dg, self.du = empty(), empty()
        # What eager keeps between its kernels; and the copies' target, of two and a half tensors.
        self.activated, self.out, self.scratch = empty(), empty(), empty()
        self.source = torch.cat((self.g, self.u, self.dh[: n // 2]))
        self.target = torch.empty_like(self.source)


def eager(unit, t):
    name, arguments = UNITS[unit]
    activate = getattr(torch.ops.aten, name).out
    differentiate = getattr(torch.ops.aten, name + "_backward").grad_input

    def forward():
        activate(t.g, **arguments, out=t.activated)
        torch.mul(t.activated, t.u, out=t.out)

    def backward():
        torch.mul(t.dh, t.activated, out=t.du)
        torch.mul(t.dh, t.u, out=t.scratch)
        differentiate(t.scratch, t.g, **arguments, grad_input=t.dg)

    return forward, backward


def formula(unit):
    name, arguments = UNITS[unit]
    return lambda g, u: getattr(torch.nn.functional, name)(g, **arguments) * u


def compiled(unit, t):
    torch._dynamo.reset()
    name, arguments = UNITS[unit]
    differentiate = getattr(torch.ops.aten, name + "_backward")
    activate = getattr(torch.nn.functional, name)
    forward = torch.compile(formula(unit), dynamic=False)
    backward = torch.compile(lambda dh, g, u: (differentiate(dh * u, g, **arguments), dh * activate(g, **arguments)),
                             dynamic=False)
    with_h = torch.compile(lambda dh, g, u: (differentiate(dh * u, g, **arguments), dh * activate(g, **arguments),
                                             activate(g, **arguments) * u), dynamic=False)
    forward(t.g, t.u)
    backward(t.dh, t.g, t.u)
    with_h(t.dh, t.g, t.u)
    torch.cuda.synchronize()
    run_forward = lambda: forward(t.g, t.u)  # noqa: E731
    return (run_forward, lambda: backward(t.dh, t.g, t.u)), (run_forward, lambda: with_h(t.dh, t.g, t.u))


def autograd(function, t):
    g, u = t.g.detach().requires_grad_(), t.u.detach().requires_grad_()

    def run():
        with torch.enable_grad():
            torch.autograd.grad(function(g, u), (g, u), t.dh)

    return run


def ours(library, unit, packing, t):
    name = UNITS[unit][0]
    kept = t.g if packing == "recompute" else t.h[packing]
    return (lambda: library.forward(name, packing, t.g, t.u, t.h[packing], t.mask),
            lambda: library.backward(name, packing, t.dh, kept, t.u, t.mask, t.dg, t.du))


def copies(t):
    def copy_of(tensors):
        half = tensors * t.g.numel() // 2
        return lambda: t.target[:half].copy_(t.source[:half])

    return copy_of(TENSORS["forward"]), copy_of(TENSORS["backward"])


def check_results(library, unit, t):
    """So that what is timed is what it is said to be."""
    part = slice(0, 1 << 20)
    forward, backward = eager(unit, t)
    forward()
    backward()
    wanted = [x[part].float() for x in (t.out, t.dg, t.du)]
    for packing in PACKINGS:
        our_forward, our_backward = ours(library, unit, packing, t)
        our_forward()
        t.dg.zero_()
        t.du.zero_()
        our_backward()
        for what, got, reference, bound in zip(("h", "dg", "du"), (t.h[packing], t.dg, t.du), wanted,
                                               (0.02, 0.02, 0.02)):
            error = ((got[part].float() - reference).norm() / reference.norm()).item()
            if not error <= bound:
                raise RuntimeError(f"invact {unit} {packing}: {what} is {error:.3g} of its norm from PyTorch's")


def measure(library, unit, log2n, t, options):
    """One row a direction: microseconds of each contestant."""
    batch = BATCH if log2n <= 24 else 1
    check_results(library, unit, t)
    pairs = {"copy": copies(t), "eager": eager(unit, t)}
    for packing in PACKINGS:
        pairs[packing] = ours(library, unit, packing, t)
    made, problem = try_compiled(lambda: dict(zip(("compile", "compile, h again"), compiled(unit, t))), batch, options)
    pairs.update(made)
    autograds = {"autograd": autograd(formula(unit), t)} if batch == 1 else {}
    if made:
        autograds["compiled autograd"] = autograd(torch.compile(formula(unit), dynamic=False), t)
    us = race_directions(pairs, autograds, options.iterations, batch)
    return [{"unit": unit, "direction": direction, "log2n": log2n, "bytes": TENSORS[direction] * 2 * t.g.numel(),
             "us": us[direction]} for direction in DIRECTIONS], problem


def measure_all(library, options):
    for log2n in (28,) if options.quick else (28, 24, 20):
        t = Tensors(1 << log2n)
        for unit in list(UNITS)[:1] if options.quick else UNITS:
            yield measure(library, unit, log2n, t, options)
        del t
        torch.cuda.empty_cache()


if __name__ == "__main__":
    sys.exit(run(__doc__, Library, measure_all, lambda row: row["unit"]))
