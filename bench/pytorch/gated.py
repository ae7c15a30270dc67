"""Gated units, h = f(g) * u, in bfloat16: PyTorch, eager and compiled, and invact.

Eager kernels write into memory that is there already, so that no allocation is timed: silu and mul; then mul twice and
silu_backward. torch.compile fuses each direction; where g, u and h are not all kept, but g and u alone, its backward writes
h too: `compile, h again`. `autograd` is what a user runs, allocations and all, `compiled autograd` the same of a compiled
function.
"""

import torch

from timing import batch_of, by_direction

SIZES = (20, 24, 28)
UNITS = {"swiglu": ("silu", {}), "geglu": ("gelu", {"approximate": "none"})}
PACKINGS = ("bitmask", "mantissa_bit", "recompute")
# Tensors that each direction must read and write.
TENSORS = {"forward": 3, "backward": 5, "both": 8}


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


_compiled = {}


def compiled(unit, t):
    """A shape is compiled once, and is kept."""
    if unit not in _compiled:
        _compiled[unit] = compile_all(unit)
    forward, backward, with_h, whole = _compiled[unit]
    forward(t.g, t.u)
    backward(t.dh, t.g, t.u)
    with_h(t.dh, t.g, t.u)
    run_forward = lambda: forward(t.g, t.u)  # noqa: E731
    return {"compile": (run_forward, lambda: backward(t.dh, t.g, t.u)),
            "compile, h again": (run_forward, lambda: with_h(t.dh, t.g, t.u))}, whole


def compile_all(unit):
    name, arguments = UNITS[unit]
    differentiate = getattr(torch.ops.aten, name + "_backward")
    activate = getattr(torch.nn.functional, name)
    forward = torch.compile(formula(unit), dynamic=False)
    backward = torch.compile(lambda dh, g, u: (differentiate(dh * u, g, **arguments), dh * activate(g, **arguments)),
                             dynamic=False)
    with_h = torch.compile(lambda dh, g, u: (differentiate(dh * u, g, **arguments), dh * activate(g, **arguments),
                                             activate(g, **arguments) * u), dynamic=False)
    return forward, backward, with_h, torch.compile(formula(unit), dynamic=False)


def autograd(function, t):
    g, u = t.g.detach().requires_grad_(), t.u.detach().requires_grad_()

    def run():
        with torch.enable_grad():
            torch.autograd.grad(function(g, u), (g, u), t.dh)

    return run


def ours(library, unit, packing, t):
    name = UNITS[unit][0]
    kept = t.g if packing == "recompute" else t.h[packing]
    return (lambda: library.gated_forward((name, packing), t.g, t.u, t.h[packing], t.mask),
            lambda: library.gated_backward((name, packing), t.dh, kept, t.u, t.mask, t.dg, t.du))


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
    """A row a direction."""
    batch = batch_of(log2n)
    check_results(library, unit, t)
    pairs = {"copy": copies(t), "eager": eager(unit, t)}
    for packing in PACKINGS:
        pairs[packing] = ours(library, unit, packing, t)
    autograds = {"autograd": autograd(formula(unit), t)} if batch == 1 else {}
    if options.compile and batch == 1:
        made, whole = compiled(unit, t)
        pairs.update(made)
        autograds["compiled autograd"] = autograd(whole, t)
    for direction, us in by_direction(pairs, autograds, options.rounds, batch):
        yield {"part": "gated", "unit": unit, "direction": direction, "log2n": log2n, "us": us}


def measure_all(library, options):
    for log2n in SIZES:
        t = Tensors(1 << log2n)
        for unit in UNITS:
            yield from measure(library, unit, log2n, t, options)
        del t
        torch.cuda.empty_cache()
