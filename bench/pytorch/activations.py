"""Every activation that PyTorch has too: what a user runs in eager PyTorch, forward and backward, beside invact's two
kernels. PyTorch's allocate their results, which its caching allocator makes free of charge; some of them (softsign,
tanhshrink) are several kernels."""

import torch
from torch.nn import functional

from elementwise import Tensors, autograd, copies, ours
from library import PACKINGS
from timing import both, microseconds

LOG2N = 28
# invact's name, with the library's default parameters: PyTorch's function of x.
ACTIVATIONS = {
    "gelu": functional.gelu,
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "silu": functional.silu,
    "mish": functional.mish,
    "hardswish": functional.hardswish,
    "relu": functional.relu,
    "relu6": functional.relu6,
    "threshold": lambda x: functional.threshold(x, 0.0, 0.0),
    "leaky_relu": functional.leaky_relu,
    "elu": functional.elu,
    "selu": functional.selu,
    "celu": functional.celu,
    "softplus": functional.softplus,
    "softsign": functional.softsign,
    "sigmoid": torch.sigmoid,
    "logsigmoid": functional.logsigmoid,
    "hardsigmoid": functional.hardsigmoid,
    "tanh": torch.tanh,
    "hardtanh": functional.hardtanh,
    "tanhshrink": functional.tanhshrink,
    "softshrink": functional.softshrink,
    "hardshrink": functional.hardshrink,
}


def check(library, activation, storage, t):
    """So that what is compared is the same function: nowhere far, and seldom more than a rounding off."""
    part = t.x[: 1 << 20].detach().requires_grad_()
    with torch.enable_grad():
        y = ACTIVATIONS[activation](part)
        (dx,) = torch.autograd.grad(y, part, t.dy[: 1 << 20])
    run = both(ours(library, activation, storage, "bitmask", t))
    run()
    for what, got, wanted in (("y", t.y, y), ("dx", t.dx, dx)):
        got, wanted = got[: 1 << 20].double(), wanted.double()
        error = ((got - wanted).norm() / wanted.norm()).item()
        if not error <= 1e-2:
            raise RuntimeError(f"invact {activation} {storage}: {what} is {error:.3g} of its norm from PyTorch's")


def measure_all(library, options):
    for storage in options.storages:
        t = Tensors(storage, 1 << LOG2N)
        for activation, function in ACTIVATIONS.items():
            check(library, activation, storage, t)
            works = {"copy": both(copies(t)), "eager": autograd(function, t)}
            packings = PACKINGS if library.mask_bits(activation, storage, "bitmask") else PACKINGS[1:]
            for packing in packings:
                works[packing] = both(ours(library, activation, storage, packing, t))
            yield {"part": "activations", "activation": activation, "storage": storage, "direction": "both",
                   "log2n": LOG2N, "us": microseconds(works, options.rounds)}
        del t
        torch.cuda.empty_cache()
