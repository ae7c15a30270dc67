"""torch.library operators, with their autograd and fake-tensor registrations, and the functions that call them.

invact::forward         (x) -> y, mask                keeps y and the mask for invact::backward
invact::backward        (dy, y, mask) -> dx
invact::gated_forward   (g, u) -> h, mask             keeps h, u and the mask for invact::gated_backward
invact::gated_backward  (dh, h, u, mask) -> dg, du

Outputs are new tensors, in the order of elements of the first input; a mask has (n + 7) / 8 bytes in that order, and none
with the mantissa bit. Gradients are not differentiable again.
"""

import torch
from torch.nn import functional

from invact._library import PACKINGS, STORAGES, call

# What float64 falls back to, which saves the input.
FALLBACKS = {
    "gelu": functional.gelu,
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "silu": functional.silu,
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "mish": functional.mish,
}

_definitions = torch.library.Library("invact", "DEF")
_definitions.define("forward(Tensor x, str activation, str packing) -> (Tensor, Tensor)")
_definitions.define("backward(Tensor dy, Tensor y, Tensor mask, str activation, str packing) -> Tensor")
_definitions.define("gated_forward(Tensor g, Tensor u, str activation, str packing) -> (Tensor, Tensor)")
_definitions.define("gated_backward(Tensor dh, Tensor h, Tensor u, Tensor mask, str activation, str packing) "
                    "-> (Tensor, Tensor)")


def _is_dense(x):
    """Whether x is one run of memory: then its elements are taken in the order of that."""
    return (x.is_contiguous() or x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last) or
            x.dim() == 5 and x.is_contiguous(memory_format=torch.channels_last_3d))


def _dense(x):
    return x if _is_dense(x) else x.contiguous()


def _like(x, other):
    """x with the strides of other, which is dense."""
    return x if x.stride() == other.stride() else torch.empty_like(other, dtype=x.dtype).copy_(x)


def _mask(x, packing):
    return x.new_empty((x.numel() + 7) // 8 if packing == "bitmask" else 0, dtype=torch.uint8)


def _empty_forward(x, activation, packing):
    x = _dense(x)
    return torch.empty_like(x), _mask(x, packing)


def _empty_backward(dy, y, mask, activation, packing):
    return torch.empty_like(y)


def _empty_gated_forward(g, u, activation, packing):
    g = _dense(g)
    return torch.empty_like(g), _mask(g, packing)


def _empty_gated_backward(dh, h, u, mask, activation, packing):
    return torch.empty_like(h), torch.empty_like(h)


def _forward(x, activation, packing):
    x = _dense(x)
    y, mask = _empty_forward(x, activation, packing)
    call("forward", activation, packing, x, y, mask)
    return y, mask


def _backward(dy, y, mask, activation, packing):
    dx = torch.empty_like(y)
    call("backward", activation, packing, _like(dy, y), y, mask, dx)
    return dx


def _gated_forward(g, u, activation, packing):
    g = _dense(g)
    h, mask = _empty_gated_forward(g, u, activation, packing)
    call("gated_forward", activation, packing, g, _like(u, g), h, mask)
    return h, mask


def _gated_backward(dh, h, u, mask, activation, packing):
    dg, du = torch.empty_like(h), torch.empty_like(h)
    call("gated_backward", activation, packing, _like(dh, h), h, _like(u, h), mask, dg, du)
    return dg, du


for _name, _run, _fake in (("forward", _forward, _empty_forward), ("backward", _backward, _empty_backward),
                           ("gated_forward", _gated_forward, _empty_gated_forward),
                           ("gated_backward", _gated_backward, _empty_gated_backward)):
    for _device in ("CPU", "CUDA"):
        _definitions.impl(_name, _run, _device)
    torch.library.register_fake(f"invact::{_name}", _fake)


def _keep(ctx, inputs, output):
    _, ctx.activation, ctx.packing = inputs
    ctx.save_for_backward(*output)


def _differentiate(ctx, dy, _):
    y, mask = ctx.saved_tensors
    return torch.ops.invact.backward(dy, y, mask, ctx.activation, ctx.packing), None, None


def _keep_gated(ctx, inputs, output):
    _, u, ctx.activation, ctx.packing = inputs
    h, mask = output
    ctx.save_for_backward(h, u, mask)


def _differentiate_gated(ctx, dh, _):
    h, u, mask = ctx.saved_tensors
    return (*torch.ops.invact.gated_backward(dh, h, u, mask, ctx.activation, ctx.packing), None, None)


def _refuse(ctx, *_):
    raise RuntimeError("invact: the gradient cannot be differentiated again: y tells f'(x), and x itself only to the bits that "
                       "y has. Use torch.nn.functional's function where second derivatives are needed")


torch.library.register_autograd("invact::forward", _differentiate, setup_context=_keep)
torch.library.register_autograd("invact::gated_forward", _differentiate_gated, setup_context=_keep_gated)
for _name in ("backward", "gated_backward"):
    torch.library.register_autograd(f"invact::{_name}", _refuse)


def _check(function, packing, **tensors):
    """Whether the tensors are float64, which falls back; raises at what is no argument."""
    if packing not in PACKINGS:
        raise ValueError(f"invact.{function}: packing must be one of {', '.join(map(repr, PACKINGS))}, not {packing!r}")
    (first_name, first), *others = tensors.items()
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"invact.{function}: {name} must be a tensor, not {type(tensor).__name__}")
        if tensor.dtype not in STORAGES and tensor.dtype != torch.float64:
            raise TypeError(f"invact.{function}: {name} must be float32, float16, bfloat16 or float64, not {tensor.dtype}")
        if tensor.device.type not in ("cpu", "cuda", "meta"):
            raise TypeError(f"invact.{function}: {name} must be on the CPU or a CUDA device, not on {tensor.device}")
    for name, tensor in others:
        if tensor.dtype != first.dtype or tensor.shape != first.shape or tensor.device != first.device:
            raise ValueError(f"invact.{function}: {name} must have {first_name}'s type, shape and device: "
                             f"{tensor.dtype} {tuple(tensor.shape)} {tensor.device} beside {first.dtype} "
                             f"{tuple(first.shape)} {first.device}")
    return first.dtype == torch.float64


def _activate(function, activation, input, packing):
    if _check(function, packing, input=input):
        return FALLBACKS[activation](input)
    return torch.ops.invact.forward(input, activation, packing)[0]


def _gate(function, activation, gate, up, packing):
    if _check(function, packing, gate=gate, up=up):
        return FALLBACKS[activation](gate) * up
    return torch.ops.invact.gated_forward(gate, up, activation, packing)[0]


def gelu(input, approximate="none", *, packing="bitmask"):
    """torch.nn.functional.gelu that keeps its result and not its input for the backward."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f"invact.gelu: approximate must be 'none' or 'tanh', not {approximate!r}")
    return _activate("gelu", "gelu" if approximate == "none" else "gelu_tanh", input, packing)


def silu(input, *, packing="bitmask"):
    """torch.nn.functional.silu that keeps its result and not its input for the backward."""
    return _activate("silu", "silu", input, packing)


def quick_gelu(input, *, packing="bitmask"):
    """x * sigmoid(1.702 x), which keeps its result and not its input for the backward."""
    return _activate("quick_gelu", "quick_gelu", input, packing)


def mish(input, *, packing="bitmask"):
    """torch.nn.functional.mish that keeps its result and not its input for the backward."""
    return _activate("mish", "mish", input, packing)


def swiglu(gate, up, *, packing="bitmask"):
    """silu(gate) * up, which keeps its result and up, and not gate."""
    return _gate("swiglu", "silu", gate, up, packing)


def geglu(gate, up, approximate="none", *, packing="bitmask"):
    """gelu(gate) * up, which keeps its result and up, and not gate."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f"invact.geglu: approximate must be 'none' or 'tanh', not {approximate!r}")
    return _gate("geglu", "gelu" if approximate == "none" else "gelu_tanh", gate, up, packing)
