"""torch.library operators, with their autograd and fake-tensor registrations, and the functions that call them.

invact::forward         (x) -> y, mask                keeps y and the mask for invact::backward
invact::backward        (dy, y, mask) -> dx
invact::bias_forward    (x, bias) -> y, mask          of f(x + bias), bias along the last dimension; keeps y and the mask
invact::bias_backward   (dy, y, mask) -> dx, dbias    dbias in float, the sum of the unrounded dx
invact::gated_forward   (g, u) -> h, mask             keeps h, u and the mask for invact::gated_backward
invact::gated_backward  (dh, h, u, mask) -> dg, du

Outputs are new tensors, in the order of elements of the first input; a mask has (n + 7) / 8 bytes in that order (of
bias_forward each row of x has bytes of its own), and none with the mantissa bit. Gradients are not differentiable again.
"""

import torch
import torch.fx
from torch.autograd import forward_ad
from torch.nn import functional

from invact._library import STORAGES, bias_workspace_bytes, call, check_packing

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
_definitions.define("bias_forward(Tensor x, Tensor bias, str activation, str packing) -> (Tensor, Tensor)")
_definitions.define("bias_backward(Tensor dy, Tensor y, Tensor mask, str activation, str packing) -> (Tensor, Tensor)")
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


def _rows(x):
    """Of x as a matrix, whose rows are along the last dimension."""
    cols = x.shape[-1]
    return x.numel() // cols if cols else 0, cols


def _row_bytes(rows, cols):
    """Of a mask whose rows begin with a byte."""
    return rows * ((cols + 7) // 8)


def _empty_bias_forward(x, bias, activation, packing):
    rows, cols = _rows(x)
    mask = x.new_empty(_row_bytes(rows, cols) if packing == "bitmask" else 0, dtype=torch.uint8)
    return torch.empty_like(x, memory_format=torch.contiguous_format), mask


def _empty_bias_backward(dy, y, mask, activation, packing):
    return torch.empty_like(y), y.new_empty(y.shape[-1], dtype=torch.float32)


def _empty_gated_forward(g, u, activation, packing):
    return _empty_forward(g, activation, packing)


def _empty_gated_backward(dh, h, u, mask, activation, packing):
    return torch.empty_like(h), torch.empty_like(h)


def _check_alike(where, **tensors):
    """That all have the first one's type, shape and device."""
    (first_name, first), *others = tensors.items()
    for name, tensor in others:
        if tensor.dtype != first.dtype or tensor.shape != first.shape or tensor.device != first.device:
            raise ValueError(f"{where}: {name} must have {first_name}'s type, shape and device: {tensor.dtype} "
                             f"{tuple(tensor.shape)} {tensor.device} beside {first.dtype} {tuple(first.shape)} {first.device}")


def _require(op, mask=None, packing=None, row_bytes=None, **tensors):
    """What the functions below see to; an operator that is called by itself must not read beyond its tensors. With a mask the
    first tensor is what a forward returned, with row_bytes one of bias_forward's."""
    _check_alike(f"invact::{op}", **tensors)
    x = next(iter(tensors.values()))
    if x.dtype not in STORAGES:
        raise TypeError(f"invact::{op}: tensors must be float32, float16 or bfloat16, not {x.dtype}")
    if mask is not None:
        if not (x.is_contiguous() if row_bytes is not None else _is_dense(x)):
            raise ValueError(f"invact::{op}: what the forward returned must be one run of memory, not of strides {x.stride()}")
        size = (row_bytes if row_bytes is not None else (x.numel() + 7) // 8) if packing == "bitmask" else 0
        if mask.dtype != torch.uint8 or mask.numel() != size or mask.device != x.device or not mask.is_contiguous():
            raise ValueError(f"invact::{op}: mask must be {size} bytes (uint8) in one run on {x.device}, not {mask.numel()} of "
                             f"{mask.dtype} on {mask.device}")


def _forward(x, activation, packing):
    _require("forward", x=x)
    x = _dense(x)
    y, mask = _empty_forward(x, activation, packing)
    call("forward", activation, packing, x, y, mask)
    return y, mask


def _backward(dy, y, mask, activation, packing):
    _require("backward", mask, packing, y=y, dy=dy)
    dx = torch.empty_like(y)
    call("backward", activation, packing, _like(dy, y), y, mask, dx)
    return dx


def _bias_forward(x, bias, activation, packing):
    _require("bias_forward", x=x)
    if bias.shape != x.shape[-1:] or bias.dtype != x.dtype or bias.device != x.device:
        raise ValueError(f"invact::bias_forward: bias must have the size of x's last dimension, its type and its device: "
                         f"{bias.dtype} {tuple(bias.shape)} {bias.device} beside {x.dtype} {tuple(x.shape)} {x.device}")
    y, mask = _empty_bias_forward(x, bias, activation, packing)
    call("forward_with_bias", activation, packing, x.contiguous(), bias.contiguous(), y, mask, size=_rows(x))
    return y, mask


def _bias_backward(dy, y, mask, activation, packing):
    rows, cols = _rows(y)
    _require("bias_backward", mask, packing, _row_bytes(rows, cols), y=y, dy=dy)
    dx, dbias = _empty_bias_backward(dy, y, mask, activation, packing)
    workspace = y.new_empty(bias_workspace_bytes(rows, cols) if y.is_cuda else 0, dtype=torch.uint8)
    call("backward_with_bias", activation, packing, dy.contiguous(), y, mask, dx, dbias, workspace, size=(rows, cols))
    return dx, dbias


def _gated_forward(g, u, activation, packing):
    _require("gated_forward", g=g, u=u)
    g = _dense(g)
    h, mask = _empty_gated_forward(g, u, activation, packing)
    call("gated_forward", activation, packing, g, _like(u, g), h, mask)
    return h, mask


def _gated_backward(dh, h, u, mask, activation, packing):
    _require("gated_backward", mask, packing, h=h, dh=dh, u=u)
    dg, du = torch.empty_like(h), torch.empty_like(h)
    call("gated_backward", activation, packing, _like(dh, h), h, _like(u, h), mask, dg, du)
    return dg, du


_IMPLEMENTATIONS = {"forward": (_forward, _empty_forward), "backward": (_backward, _empty_backward),
                    "bias_forward": (_bias_forward, _empty_bias_forward), "bias_backward": (_bias_backward, _empty_bias_backward),
                    "gated_forward": (_gated_forward, _empty_gated_forward),
                    "gated_backward": (_gated_backward, _empty_gated_backward)}
for _name, (_implementation, _fake) in _IMPLEMENTATIONS.items():
    for _device in ("CPU", "CUDA"):
        _definitions.impl(_name, _implementation, _device)
    torch.library.register_fake(f"invact::{_name}", _fake)


def _keys(*names):
    """The set of those dispatch keys, as a number."""
    keys = torch._C.DispatchKeySet(torch._C.DispatchKey.Undefined)
    for name in names:
        keys |= torch._C.DispatchKeySet(getattr(torch._C.DispatchKey, name))
    return keys.raw_repr()


# What the dispatcher looks at of a dense tensor, one of inference mode among them, and of a thread that does nothing special.
_KEYS_OF_TENSORS = {_keys(*names) for device in ("CPU", "CUDA") for names in (
    (device, f"Autocast{device}", "ADInplaceOrView", f"Autograd{device}"), (device, f"Autocast{device}"))}
_KEYS_OF_THREADS = {_keys("BackendSelect", "ADInplaceOrView"), _keys("BackendSelect")}


def _is_plain(*tensors):
    """Whether the dispatcher would have nothing to do but autograd: no subclass, no lazy negation, no batch, no compiler, tracer,
    dispatch mode or transform. From Python to Python through it a call takes some 40 us longer, more than a layer of a small model
    has the GPU do meanwhile."""
    return (not torch.compiler.is_compiling() and
            torch._C._dispatch_tls_local_include_set().raw_repr() in _KEYS_OF_THREADS and
            all(type(tensor) in (torch.Tensor, torch.nn.Parameter) and torch._C._dispatch_keys(tensor).raw_repr() in _KEYS_OF_TENSORS
                for tensor in tensors))


def _run(name, tensors, activation, packing):
    """An operator of which no gradient is wanted, or which refuses one."""
    if _is_plain(*tensors) and not torch.is_grad_enabled():
        return _IMPLEMENTATIONS[name][0](*tensors, activation, packing)
    return getattr(torch.ops.invact, name)(*tensors, activation, packing)


def _keep(ctx, inputs, output):
    _, ctx.activation, ctx.packing = inputs
    ctx.save_for_backward(*output)


def _differentiate(ctx, dy, _):
    y, mask = ctx.saved_tensors
    return _run("backward", (dy, y, mask), ctx.activation, ctx.packing), None, None


def _keep_with_bias(ctx, inputs, output):
    _, _, ctx.activation, ctx.packing = inputs
    ctx.save_for_backward(*output)


def _differentiate_with_bias(ctx, dy, _):
    y, mask = ctx.saved_tensors
    dx, dbias = _run("bias_backward", (dy, y, mask), ctx.activation, ctx.packing)
    return dx, dbias.to(y.dtype), None, None


def _keep_gated(ctx, inputs, output):
    _, u, ctx.activation, ctx.packing = inputs
    h, mask = output
    ctx.save_for_backward(h, u, mask)


def _differentiate_gated(ctx, dh, _):
    h, u, mask = ctx.saved_tensors
    return (*_run("gated_backward", (dh, h, u, mask), ctx.activation, ctx.packing), None, None)


def _refuse(ctx, *_):
    raise RuntimeError("invact: the gradient cannot be differentiated again: y tells f'(x), and x itself only to the bits that "
                       "y has. Use torch.nn.functional's function where second derivatives are needed")


_AUTOGRAD = {"forward": (_keep, _differentiate), "bias_forward": (_keep_with_bias, _differentiate_with_bias),
             "gated_forward": (_keep_gated, _differentiate_gated)}
for _name, (_setup, _differentiation) in _AUTOGRAD.items():
    torch.library.register_autograd(f"invact::{_name}", _differentiation, setup_context=_setup)
for _name in ("backward", "bias_backward", "gated_backward"):
    torch.library.register_autograd(f"invact::{_name}", _refuse)


class Inverted(torch.autograd.Function):
    """The autograd of an operator that is called without the dispatcher; what it returns but the mask."""

    @staticmethod
    def forward(ctx, name, *inputs):
        ctx.operator = name
        output = _IMPLEMENTATIONS[name][0](*inputs)
        _AUTOGRAD[name][0](ctx, inputs, output)
        return output[0]

    @staticmethod
    def backward(ctx, dy):
        return None, *_AUTOGRAD[ctx.operator][1](ctx, dy, None)


# autograd.Function.apply without what that does for transforms, of which there are none where all is plain.
_apply_inverted = super(torch.autograd.Function, Inverted).apply


def _apply(name, tensors, activation, packing):
    if not _is_plain(*tensors):
        return getattr(torch.ops.invact, name)(*tensors, activation, packing)[0]
    if torch._C._dispatch_tls_is_dispatch_key_excluded("AutogradOther"):  # in inference_mode
        return _IMPLEMENTATIONS[name][0](*tensors, activation, packing)[0]
    return _apply_inverted(name, *tensors, activation, packing)


def _refuse_forward_mode(function, tensors):
    """A dual number's tangent would be dropped, silently, by what is not written for it."""
    if forward_ad._current_level >= 0 and any(forward_ad.unpack_dual(tensor).tangent is not None for tensor in tensors):
        raise NotImplementedError(f"invact.{function}: forward-mode differentiation is not supported. Use torch.nn.functional's "
                                  "function where it is needed")


def _check(function, packing, **tensors):
    """Whether the tensors are float64, which falls back; raises at what is no argument."""
    check_packing(f"invact.{function}", packing)
    _refuse_forward_mode(function, [tensor for tensor in tensors.values() if isinstance(tensor, torch.Tensor)])
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"invact.{function}: {name} must be a tensor, not {type(tensor).__name__}")
        if tensor.dtype not in STORAGES and tensor.dtype != torch.float64:
            raise TypeError(f"invact.{function}: {name} must be float32, float16, bfloat16 or float64, not {tensor.dtype}")
        if tensor.device.type not in ("cpu", "cuda", "meta"):
            raise TypeError(f"invact.{function}: {name} must be on the CPU or a CUDA device, not on {tensor.device}")
    _check_alike(f"invact.{function}", **tensors)
    return next(iter(tensors.values())).dtype == torch.float64


def _activate(function, activation, input, packing, bias):
    falls_back = _check(function, packing, input=input)
    if bias is None:
        return FALLBACKS[activation](input) if falls_back else _apply("forward", (input,), activation, packing)
    if not isinstance(bias, torch.Tensor):
        raise TypeError(f"invact.{function}: bias must be a tensor, not {type(bias).__name__}")
    _refuse_forward_mode(function, [bias])
    if bias.dtype not in (*STORAGES, torch.float64):
        raise TypeError(f"invact.{function}: bias must be float32, float16, bfloat16 or float64, not {bias.dtype}")
    if input.dim() == 0 or bias.shape != input.shape[-1:] or bias.device != input.device:
        raise ValueError(f"invact.{function}: bias must have the size of input's last dimension, and its device: "
                         f"{tuple(bias.shape)} {bias.device} beside {tuple(input.shape)} {input.device}")
    if falls_back:
        return FALLBACKS[activation](input + bias)
    return _apply("bias_forward", (input, bias.to(input.dtype)), activation, packing)


def _gate(function, activation, gate, up, packing):
    if _check(function, packing, gate=gate, up=up):
        return FALLBACKS[activation](gate) * up
    return _apply("gated_forward", (gate, up), activation, packing)


def gelu_named(function, approximate):
    """Which of the activations GELU with that approximation is."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f"invact.{function}: approximate must be 'none' or 'tanh', not {approximate!r}")
    return "gelu" if approximate == "none" else "gelu_tanh"


@torch.fx.wrap
def gelu(input, approximate="none", *, packing="bitmask", bias=None):
    """torch.nn.functional.gelu that keeps its result and not its input for the backward. bias, along the last dimension, is
    added to input first, and its gradient summed in the same kernels: of a linear layer called without its own."""
    return _activate("gelu", gelu_named("gelu", approximate), input, packing, bias)


@torch.fx.wrap
def silu(input, *, packing="bitmask", bias=None):
    """torch.nn.functional.silu that keeps its result and not its input for the backward. bias: see gelu."""
    return _activate("silu", "silu", input, packing, bias)


@torch.fx.wrap
def quick_gelu(input, *, packing="bitmask", bias=None):
    """x * sigmoid(1.702 x), which keeps its result and not its input for the backward. bias: see gelu."""
    return _activate("quick_gelu", "quick_gelu", input, packing, bias)


@torch.fx.wrap
def mish(input, *, packing="bitmask", bias=None):
    """torch.nn.functional.mish that keeps its result and not its input for the backward. bias: see gelu."""
    return _activate("mish", "mish", input, packing, bias)


@torch.fx.wrap
def swiglu(gate, up, *, packing="bitmask"):
    """silu(gate) * up, which keeps its result and up, and not gate."""
    return _gate("swiglu", "silu", gate, up, packing)


@torch.fx.wrap
def geglu(gate, up, approximate="none", *, packing="bitmask"):
    """gelu(gate) * up, which keeps its result and up, and not gate."""
    return _gate("geglu", gelu_named("geglu", approximate), gate, up, packing)
