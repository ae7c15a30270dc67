"""Swaps the activations of a model, of Hugging Face's transformers, of timm or one's own."""

import collections
import dataclasses
import functools
import typing
import warnings

import torch
from torch import nn
from torch.nn import functional

from invact import modules
from invact._library import check_packing

# By class name, as neither library has to be there: classes of torch.nn, transformers.activations and timm.layers.
_TANH = functools.partial(modules.GELU, "tanh")
_BY_NAME = {
    "GELU": modules.GELU,
    "GELUActivation": modules.GELU,
    "NewGELUActivation": _TANH,
    "FastGELUActivation": _TANH,
    "GELUTanh": _TANH,
    "PytorchGELUTanh": _TANH,
    "QuickGELUActivation": modules.QuickGELU,
    "QuickGELU": modules.QuickGELU,
    "SiLU": modules.SiLU,
    "SiLUActivation": modules.SiLU,
    "Swish": modules.SiLU,
    "Mish": modules.Mish,
    "MishActivation": modules.Mish,
}
_PACKAGES = ("torch.nn.", "transformers.activations", "timm.layers.")
# Whose classes are known by their names.
_LIBRARIES = ("transformers.", "timm.")


# Classes that take the place of a parent's, by which a converted model is copied, saved and replicated like any other. Each
# does what its base does, with one call of invact for several of the base's.


def _gated_forward(self, x):
    return self.down_proj(self.invact_gate(self.gate_proj(x), self.up_proj(x)))


def _has_plain_forward(layer):
    """Whether calling the linear layer is a product and a bias, and nobody watches."""
    return (isinstance(layer, nn.Linear) and type(layer).forward is nn.Linear.forward and "forward" not in vars(layer) and
            layer.bias is not None and not (layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or
                                            layer._backward_pre_hooks))


@dataclasses.dataclass(frozen=True)
class _Mlp:
    """Attributes of a linear layer and of the activation after it, what becomes of the activation's result, and the classes
    that are so. Their forwards take one tensor."""
    linear: str
    activation: str
    rest: typing.Callable
    classes: set

    def forward(self, parent, x):
        layer, act = getattr(parent, self.linear), getattr(parent, self.activation)
        if not isinstance(act, modules._Activation) or not _has_plain_forward(layer):
            return super(type(parent), parent).forward(x)
        return self.rest(parent, act(functional.linear(x, layer.weight), layer.bias))


def _itself(parent, x):
    return x


def _fc2(parent, x):
    return parent.fc2(x)


def _of_timm(parent, x):
    return parent.drop2(parent.fc2(parent.norm(parent.drop1(x))))


# By the names under which converted models are saved.
_MLPS = {
    "intermediate": _Mlp("dense", "intermediate_act_fn", _itself, {
        "BertIntermediate", "RobertaIntermediate", "XLMRobertaIntermediate", "CamembertIntermediate", "ElectraIntermediate",
        "DebertaV2Intermediate"}),
    "mlp": _Mlp("fc1", "activation_fn", _fc2, {
        "ViTMLP", "ViTMAEMLP", "DeiTMLP", "ASTMLP", "CLIPMLP", "SiglipMLP", "Siglip2MLP", "SwinMLP", "PhiMLP"}),
    "dinov2": _Mlp("fc1", "activation", _fc2, {"Dinov2MLP"}),
    "timm": _Mlp("fc1", "act", _of_timm, {"Mlp"}),
}
_GATED = "gated"
_FORWARDS = {_GATED: _gated_forward, **{kind: mlp.forward for kind, mlp in _MLPS.items()}}
# down_proj(act_fn(gate_proj(x)) * up_proj(x)), and nothing else.
_GATED_CLASSES = {"LlamaMLP", "MistralMLP", "Qwen2MLP", "Qwen3MLP", "GemmaMLP", "Gemma2MLP", "Gemma3MLP", "OlmoMLP", "Olmo2MLP",
                  "GraniteMLP", "CohereMLP", "StableLmMLP"}


@functools.lru_cache(maxsize=None)
def _in_place_of(base, kind):
    """The class of that base with that forward."""
    def forward(self, x):
        return _FORWARDS[kind](self, x)

    def reduce(self, protocol):
        return _restored, (base, kind), self.__dict__.copy()

    return type(base.__name__, (base,), {"forward": forward, "__reduce_ex__": reduce, "invact_kind": kind,
                                         "__module__": base.__module__})


def _restored(base, kind):
    made = _in_place_of(base, kind)
    return made.__new__(made)


def _is_of(parent, classes):
    kind = type(parent)
    return (kind.__name__ in classes and kind.__module__.startswith(_LIBRARIES) and not hasattr(kind, "invact_kind") and
            "forward" not in vars(parent))


@dataclasses.dataclass
class Report:
    """What convert() did: names of modules, with what was there and what is."""
    swapped: list = dataclasses.field(default_factory=list)
    warnings: list = dataclasses.field(default_factory=list)

    def __str__(self):
        counts = collections.Counter((old, new) for _, old, new in self.swapped)
        lines = [f"{count} x {old} -> {new}" for (old, new), count in counts.items()] or ["nothing swapped"]
        return "\n".join(lines + [f"warning: {text}" for text in self.warnings])


def _replacement(module, packing):
    """The module for an activation's, or None."""
    kind = type(module)
    if not f"{kind.__module__}.".startswith(_PACKAGES):
        return None
    make = _BY_NAME.get(kind.__name__)
    if make is modules.GELU:
        return make(getattr(module, "approximate", "none"), packing=packing)
    return None if make is None else make(packing=packing)


def _fusable(parent, name):
    """The kind of MLP of which the activation of this name can add the bias of the layer before it, or None."""
    for kind, mlp in _MLPS.items():
        if mlp.activation == name and _is_of(parent, mlp.classes) and _has_plain_forward(getattr(parent, mlp.linear, None)):
            return kind
    return None


def _between(parent, name):
    """What may be between the activation and what reads it, as far as the parent's attributes tell: text, or None."""
    def drops(module):
        return isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0

    children = list(parent._modules.items())
    if isinstance(parent, nn.Sequential):
        following = children[[child for child, _ in children].index(name) + 1:][:1]
        return f"{following[0][0]} (dropout) follows" if following and drops(following[0][1]) else None
    rate = getattr(parent, "activation_dropout", 0)
    if isinstance(rate, (int, float)) and rate > 0:
        return "activation_dropout follows"
    for child, module in children:
        if drops(module):
            return f"{child} (dropout) may follow"
    if len({module.weight.dtype for _, module in children if isinstance(module, nn.Linear)}) > 1:
        return "a cast may follow, as linear layers are of several types"
    return None


def convert(model, *, packing="bitmask", fuse_bias=False, example=None):
    """Swaps, in place, every activation module that has a counterpart here, and in gated MLPs of known classes the product
    too. Returns a Report.

    fuse_bias: in MLPs of known classes the bias of the linear layer before the activation is added, and its gradient summed, by the
        activation's kernels. That saves reading dx again, and rounds the product before the bias is added. Where the layer
        has been replaced or is watched by hooks, the MLP does what it did. Hooks set later are called as well.
    example: arguments of one forward, a tuple or a dict. Then the warnings say where nothing is saved, as unsaved() finds out.
        Without it they say where that may be, as a dropout or layers of several types are beside the activation."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"invact.convert: model must be a torch.nn.Module, not {type(model).__name__}")
    check_packing("invact.convert", packing)
    if _replacement(model, packing) is not None:
        raise ValueError("invact.convert: model is an activation itself, which cannot be swapped in place: use the module of "
                         "this package")
    report, made = Report(), {}
    for parent_name, parent in list(model.named_modules()):
        for name, child in list(parent._modules.items()):
            known = isinstance(child, modules._Activation)
            new = child if known else made.get(child) or _replacement(child, packing)
            if new is None:
                continue
            full = f"{parent_name}.{name}" if parent_name else name
            old = type(child).__name__
            gate = {modules.SiLU: modules.SwiGLU, modules.GELU: modules.GeGLU}.get(type(new))
            if getattr(type(parent), "invact_kind", None) == _GATED and name == "act_fn":
                continue  # converted before
            if name == "act_fn" and gate is not None and _is_of(parent, _GATED_CLASSES):
                approximate = (new.approximate,) if isinstance(new, modules.GELU) else ()
                parent.invact_gate = gate(*approximate, packing=packing)
                parent.__class__ = _in_place_of(type(parent), _GATED)
                report.swapped.append((parent_name or old, type(parent).__name__, gate.__name__))
                continue
            fused = _fusable(parent, name) if fuse_bias else None
            if fused is not None:
                parent.__class__ = _in_place_of(type(parent), fused)
            if known and fused is None:
                continue
            made[child] = new
            parent._modules[name] = new
            report.swapped.append((full, old, type(new).__name__ + ("" if fused is None else " with bias")))
            between = _between(parent, name) if example is None else None
            if between is not None:
                report.warnings.append(f"{full}: {between}, whose result the next layer then keeps in place of this one's: "
                                       "nothing is saved")
    if example is not None:
        arguments, keywords = ((), example) if isinstance(example, dict) else (example, {})
        for name in unsaved(model, *arguments, **keywords):
            report.warnings.append(f"{name}: its result is kept by nothing else for its backward, as after dropout, a cast or a "
                                   "rescale, or before a layer that is not trained: nothing is saved")
    for text in report.warnings:
        warnings.warn(f"invact.convert: {text}", stacklevel=2)
    return report


def unsaved(model, *arguments, **keywords):
    """Names of the swapped modules of whose results some are kept by nobody else for a backward, where nothing is therefore
    saved: after dropout, a cast, a rescale or a quantisation, or before a layer that is not trained. Runs
    model(*arguments, **keywords) once, with gradients; buffers and the state of the random generators are as before it. Warns of
    modules of which it cannot tell, as their results are not seen to be kept at all (under activation checkpointing)."""
    results, keepers, hooks = collections.defaultdict(list), collections.Counter(), []

    def pack(tensor):
        if tensor.numel():
            keepers[tensor.untyped_storage().data_ptr()] += 1
        return tensor

    for name, module in model.named_modules():
        if isinstance(module, modules._Packed):
            hooks.append(module.register_forward_hook(lambda module, inputs, output, name=name: results[name].append(output)))
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        with torch.random.fork_rng(), torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            kept = model(*arguments, **keywords)
    finally:
        for hook in hooks:
            hook.remove()
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
    counts = {name: [keepers[y.untyped_storage().data_ptr()] for y in outputs if y.numel()] for name, outputs in results.items()}
    del kept  # until here, so that no storage is used twice
    unknown = [name for name, seen in counts.items() if 0 in seen]
    if unknown:
        warnings.warn(f"invact.unsaved: cannot tell of {', '.join(unknown)}: nothing is seen to be kept, as under checkpointing",
                      stacklevel=2)
    return [name for name, seen in counts.items() if 1 in seen]
